/* test_test_heap.c - claims about what is seen of allocations, and failed. */
#define _GNU_SOURCE
#include "kit/kit.h"

#include <ev.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fiber.h"
#include "test/faults.h"
#include "test/heap.h"
#include "test/valgrind.h"

#ifdef ROOST__TSAN
#define SEES false
#else
#define SEES !RUNNING_ON_VALGRIND
#endif

static char words[256];

/* The compiler must not know that a block is not used. */
static void *volatile sink;

static void *take(size_t bytes)
{
    return sink = malloc(bytes);
}

static size_t left(void)
{
    words[0] = '\0';
    return roost__heap_left_since(words, sizeof words);
}

static int begin(void **state)
{
    (void)state;
    roost__heap_watch();
    return 0;
}

static int end(void **state)
{
    (void)state;
    roost__faults_disarm();
    return 0;
}

/* ---- what is left ---- */

__attribute__((noinline)) void *leaks_in_here(void);

void *leaks_in_here(void)
{
    return sink = malloc(77);
}

static void what_is_left_is_told_once_with_its_function(void **state)
{
    void *p, *more;

    (void)state;
    if (!SEES)
        skip();
    free(take(10));
    assert_int_equal(left(), 0);
    p = leaks_in_here();
    free(take(10));
    assert_int_equal(left(), 1);
    assert_non_null(strstr(words, "77 bytes allocated in leaks_in_here"));
    assert_int_equal(left(), 0);
    more = take(5);
    assert_int_equal(left(), 1);
    free(more);
    free(p);
    assert_int_equal(left(), 0);
}

static void the_first_of_several_is_told(void **state)
{
    void *p[100];
    int i;

    (void)state;
    if (!SEES)
        skip();
    for (i = 0; i < 100; i++)
        p[i] = take((size_t)i + 1);
    free(p[0]);
    assert_int_equal(left(), 99);
    assert_non_null(strstr(words, "2 bytes allocated in"));
    for (i = 1; i < 100; i++)
        free(p[i]);
}

/* The table is forgotten: an old block that goes does not hide a new one. */
static void an_old_block_freed_does_not_hide_a_new_one(void **state)
{
    void *old, *new;

    (void)state;
    if (!SEES)
        skip();
    old = take(11);
    assert_int_equal(left(), 1);
    free(old);
    new = take(12);
    assert_int_equal(left(), 1);
    assert_non_null(strstr(words, "12 bytes"));
    free(new);
}

static void all_ways_to_allocate_are_seen(void **state)
{
    void *p[8] = { 0 };
    int i;

    (void)state;
    if (!SEES)
        skip();
    p[0] = malloc(1);
    p[1] = calloc(2, 3);
    p[2] = realloc(NULL, 5);
    p[3] = reallocarray(NULL, 5, 5);
    p[4] = aligned_alloc(64, 64);
    assert_int_equal(posix_memalign(&p[5], 64, 10), 0);
    p[6] = memalign(128, 10);
    p[7] = realloc(malloc(10), 100000);
    sink = p;
    assert_int_equal(left(), 8);
    for (i = 0; i < 8; i++)
        free(p[i]);
    assert_int_equal(left(), 0);
}

static void buffers_of_stdio_are_not_told(void **state)
{
    FILE *f = fopen("/dev/null", "w");

    (void)state;
    assert_non_null(f);
    assert_true(fputs("words", f) >= 0);
    assert_int_equal(left(), 0);
    fclose(f);
    assert_int_equal(left(), 0);
}

/* Blocks come and go at random; the table must know as well as we do. */
static void a_crowd_that_comes_and_goes_is_known_exactly(void **state)
{
    static void *p[20000];
    uint64_t randoms = 7;
    size_t held = 0, i;
    int step;

    (void)state;
    if (!SEES)
        skip();
    for (step = 0; step < 100000; step++) {
        randoms = randoms * 6364136223846793005u + 1442695040888963407u;
        i = (size_t)(randoms >> 33) % 20000;
        if (p[i]) {
            free(p[i]);
            p[i] = NULL;
            held--;
        } else {
            p[i] = take(1 + (size_t)(randoms >> 53));
            held++;
        }
    }
    assert_int_equal(left(), held);
    for (i = 0; i < 20000; i++)
        free(p[i]);
    assert_int_equal(left(), 0);
}

static void a_table_that_is_full_goes_on(void **state)
{
    enum { MANY = 70000 }; /* the table has 65536 slots */
    static void *p[MANY];
    int i;

    (void)state;
    if (!SEES)
        skip();
    for (i = 0; i < MANY; i++)
        p[i] = take(1);
    assert_in_range(left(), 40000, 65535);
    for (i = 0; i < MANY; i++)
        free(p[i]);
    assert_int_equal(left(), 0);
    free(p[0] = take(1));
    assert_int_equal(left(), 0);
}

static void *crowd(void *arg)
{
    int i;

    for (i = 0; i < 20000; i++)
        free(malloc((size_t)i % 100 + 1));
    return arg;
}

static void threads_may_allocate_meanwhile(void **state)
{
    pthread_t threads[3];
    int i;

    (void)state;
    for (i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowd, NULL), 0);
    for (i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(left(), 0);
}

static void a_forked_child_goes_on_with_the_table(void **state)
{
    void *old = take(5);
    int status;
    pid_t pid;

    (void)state;
    if (!SEES)
        skip();
    pid = fork();
    if (pid == 0) {
        free(old);
        if (left() != 0)
            _exit(1);
        old = leaks_in_here();
        _exit(left() == 1 && strstr(words, "77 bytes") ? 0 : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(left(), 1); /* ours is as it was */
    free(old);
}

static atomic_bool enough;

static void *never_rests(void *arg)
{
    while (!atomic_load(&enough))
        free(take(10));
    return arg;
}

/* Whoever is in the table meanwhile is not there in the child to leave it. */
static void a_child_of_a_busy_process_can_allocate(void **state)
{
    pthread_t thread;
    int i, status;
    pid_t pid;

    (void)state;
    if (!roost__heap_can_fail()) /* malloc is ours */
        skip();
    atomic_store(&enough, false);
    assert_int_equal(pthread_create(&thread, NULL, never_rests, NULL), 0);
    for (i = 0; i < 100; i++) {
        pid = fork();
        if (pid == 0) {
            alarm(5);
            free(take(10));
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    atomic_store(&enough, true);
    pthread_join(thread, NULL);
}

/* ---- failing ---- */

static int of_plan(int at)
{
    static struct roost__plan plan;

    plan = (struct roost__plan){ .in = { { STRIKE_ALLOC, 0, (uint32_t)at } },
                                 .count = 1 };
    roost__faults_arm(&plan, NULL);
    return at;
}

static void every_way_to_allocate_can_fail(void **state)
{
    void *held, *p = NULL;
    int i;

    (void)state;
    if (!roost__heap_can_fail())
        skip();
    held = take(20);
    memset(held, 'x', 20);
    for (i = 0; i < 7; i++) {
        of_plan(1);
        errno = 0;
        switch (i) {
        case 0: p = malloc(1); break;
        case 1: p = calloc(1, 1); break;
        case 2: p = realloc(held, 1000); break;
        case 3: p = reallocarray(held, 10, 1000); break;
        case 4: p = aligned_alloc(64, 64); break;
        case 5: p = memalign(64, 64); break;
        default: assert_int_equal(posix_memalign(&p, 64, 64), ENOMEM);
        }
        roost__faults_disarm();
        assert_null(p);
        assert_int_equal(errno, ENOMEM);
        assert_int_equal(roost__faults_counts().allocations, 1);
        assert_int_equal(roost__faults_counts().struck, 1);
    }
    assert_int_equal(((char *)held)[19], 'x'); /* as it was */
    assert_int_equal(left(), 1);
    free(held);
}

static void only_the_allocation_with_that_number_fails(void **state)
{
    void *p[3];
    int i;

    (void)state;
    if (!roost__heap_can_fail())
        skip();
    of_plan(2);
    for (i = 0; i < 3; i++)
        p[i] = take(10);
    roost__faults_disarm();
    assert_non_null(p[0]);
    assert_null(p[1]);
    assert_non_null(p[2]);
    free(p[0]);
    free(p[2]);
}

static void libraries_that_would_die_of_it_are_spared(void **state)
{
    struct ev_loop *loop;
    FILE *f;

    (void)state;
    if (!roost__heap_can_fail())
        skip();
    of_plan(1);
    loop = ev_loop_new(EVFLAG_AUTO); /* without memory libev aborts */
    f = fopen("/dev/null", "w");
    roost__faults_disarm();
    assert_non_null(loop);
    assert_non_null(f);
    assert_int_equal(roost__faults_counts().allocations, 0);
    ev_loop_destroy(loop);
    fclose(f);
}

static int other_allocates(void *arg)
{
    (void)arg;
    return 0;
}

static void whose_code_keeps_its_buffers_is_known(void **state)
{
    void *at;
    int (*print)(const char *, ...) = printf;
    struct ev_loop *(*new)(unsigned) = ev_loop_new;
    int (*ours)(void *) = other_allocates;

    (void)state;
    memcpy(&at, &ours, sizeof at);
    assert_false(roost__heap_keeps(at));
    assert_false(roost__heap_keeps(NULL));
    assert_false(roost__heap_keeps(&at));
#if !defined(ROOST__ASAN) && !defined(ROOST__TSAN) /* theirs stands before it */
    memcpy(&at, &print, sizeof at);
    assert_true(roost__heap_keeps(at));
#endif
    (void)print;
    memcpy(&at, &new, sizeof at);
    assert_true(roost__heap_keeps(at));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_is_told_once_with_its_function),
        cmocka_unit_test(the_first_of_several_is_told),
        cmocka_unit_test(an_old_block_freed_does_not_hide_a_new_one),
        cmocka_unit_test(all_ways_to_allocate_are_seen),
        cmocka_unit_test(buffers_of_stdio_are_not_told),
        cmocka_unit_test(a_crowd_that_comes_and_goes_is_known_exactly),
        cmocka_unit_test(a_table_that_is_full_goes_on),
        cmocka_unit_test(threads_may_allocate_meanwhile),
        cmocka_unit_test(a_forked_child_goes_on_with_the_table),
        cmocka_unit_test(a_child_of_a_busy_process_can_allocate),
        cmocka_unit_test_setup_teardown(every_way_to_allocate_can_fail, begin, end),
        cmocka_unit_test_setup_teardown(
            only_the_allocation_with_that_number_fails, begin, end),
        cmocka_unit_test_setup_teardown(libraries_that_would_die_of_it_are_spared,
                                        begin, end),
        cmocka_unit_test(whose_code_keeps_its_buffers_is_known),
    };

    return cmocka_run_group_tests(tests, begin, NULL);
}
