/* test_nursery_spawn.c - making children: when they run, what they are given,
 *                        into which nurseries, and what a failed spawn does.
 */
#include "rules/children.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/rt.h"

#define LIVES 100
#if defined(ROOST__ASAN) || defined(ROOST__TSAN)
#define MANY 100000
#else
#define MANY 1000000
#endif

/* ---- when they run ---- */

IN_TASK(a_child_first_runs_when_its_spawner_suspends_in_order_T3)
{
    ROOST_NURSERY(n);
    KID(n, .name = "a");
    KID(n, .name = "b");
    roost_ignore(roost_cancelled());
    KID(n, .name = "c");
    EXPECT_LOG("");
    kit_log("body");
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_LOG("body a b c");
    return roost_nursery_close(n, 0);
}

struct family {
    roost_nursery *roots;
    int depth;
};

/* Spawns its child into the root's nursery, not into one of its own. */
static int spawn_up(void *arg)
{
    struct family f = *(struct family *)arg;
    const roost_error *e;

    kit_log("child");
    if (f.depth > 0) {
        f.depth--;
        EXPECT_INT(roost_spawn_copy(f.roots, spawn_up, &f, sizeof f), 0);
        return roost_checkpoint();
    }
    roost_fail(-EIO, "who is the owner?");
    e = roost_error_of(-EIO);
    EXPECT_HAS(kit_error(e), "in main/task#4, ");
    return 0;
}

IN_TASK(a_grandchild_may_be_spawned_into_the_roots_nursery_N6)
{
    struct family f = { NULL, 2 };

    ROOST_NURSERY(n);
    f.roots = n;
    roost_spawn_copy(n, spawn_up, &f, sizeof f);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("child child child");
    return 0;
}

/* The path names the owner: the nursery's task, not the spawner (T2). */
IN_TASK(the_owner_is_the_nursery_not_the_spawner_T2)
{
    struct family f = { NULL, 2 };

    ROOST_NURSERY(n);
    f.roots = n;
    roost_spawn_copy(n, spawn_up, &f, sizeof f);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    EXPECT_INT(roost_nursery_count(n), 0);
    return roost_nursery_close(n, 0);
}

static int spawn_again(void *arg)
{
    struct family *f = arg;
    int r = roost_sleep(ROOST_MS(5));

    if (r >= 0 && f->depth-- > 0)
        EXPECT_INT(roost_spawn(f->roots, spawn_again, f), 0);
    return r;
}

IN_TASK(children_may_spawn_while_it_closes_N6)
{
    struct family f = { NULL, 9 };

    ROOST_NURSERY(n);
    f.roots = n;
    roost_spawn(n, spawn_again, &f);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 50);
    return 0;
}

struct stranger {
    roost_event *e;
    roost_nursery *n;
};

/* Is woken in the turn in which the last child of n ended. */
static int spawn_when_told(void *arg)
{
    struct stranger *s = arg;
    int r = roost_event_wait(s->e);

    EXPECT_INT(roost_nursery_count(s->n), 0);
    EXPECT_INT(KID(s->n, .ms = 5, .name = "late"), 0);
    return r;
}

static int tell(void *e)
{
    int r = roost_sleep(ROOST_MS(5));

    roost_event_set(e);
    return r;
}

IN_TASK(it_is_open_until_close_has_seen_nobody_after_its_last_yield_N6)
{
    roost_event e;
    struct stranger s = { &e, NULL };

    roost_event_init(&e);
    ROOST_NURSERY(o);
    ROOST_NURSERY(n);
    s.n = n;
    roost_spawn(o, spawn_when_told, &s);
    roost_spawn(n, tell, &e);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 10);
    EXPECT_LOG("late");
    return roost_nursery_close(o, 0);
}

IN_TASK(it_is_open_in_the_yield_of_an_empty_close_N6)
{
    roost_event e;
    struct stranger s = { &e, NULL };

    roost_event_init(&e);
    roost_event_set(&e);
    ROOST_NURSERY(o);
    ROOST_NURSERY(n);
    s.n = n;
    roost_spawn(o, spawn_when_told, &s);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 5);
    EXPECT_LOG("late");
    return roost_nursery_close(o, 0);
}

/* ---- into a cancelled one ---- */

struct given {
    int *released;
    char words[40];
};

static int release_what_was_given(void *arg)
{
    const struct given *g = arg;
    int r = roost_checkpoint();

    EXPECT_INT(strcmp(g->words, "valid all the time"), 0);
    ++*g->released;
    return r;
}

IN_TASK(into_a_cancelled_nursery_children_run_to_a_checkpoint_N7)
{
    int released = 0, way;

    for (way = 0; way < 4; way++) {
        struct given g = { &released, "valid all the time" };
        int wanted = way == 0 ? 0 : way == 1 ? -EIO : way == 2 ? -ETIMEDOUT
                                                              : -ECANCELED;
        ROOST_SCOPE(s);
        ROOST_NURSERY(n);
        if (way == 0)
            roost_nursery_cancel(n, "test");
        if (way == 1)
            KID(n, .result = -EIO);
        if (way == 2)
            roost_scope_set_deadline(roost_nursery_scope(n), roost_now());
        if (way == 3)
            roost_scope_cancel(s, "test");
        roost_ignore(roost_checkpoint());
        EXPECT_INT(roost_cancelled(), -ECANCELED);
        EXPECT_INT(roost_spawn_copy(n, release_what_was_given, &g, sizeof g), 0);
        memset(&g, 0, sizeof g);
        EXPECT_INT(roost_nursery_close(n, 0), wanted);
        EXPECT_INT(released, way + 1);
        roost_ignore(roost_scope_leave(s, 0));
    }
    return 0;
}

/* ---- what they are given ---- */

static int expect_seven(void *arg)
{
    EXPECT_INT(*(int *)arg, 7);
    *(int *)arg = 9; /* the copy is its own */
    return roost_sleep(ROOST_MS(1));
}

IN_TASK(the_callers_variable_may_change_right_after_spawn_copy_T3)
{
    int seven = 7;

    ROOST_NURSERY(n);
    roost_spawn_copy(n, expect_seven, &seven, sizeof seven);
    seven = 8;
    roost_spawn_with(n, expect_seven, &(int){ 7 },
                     &(roost_spawn_options){ .copy_bytes = sizeof(int) });
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(seven, 8);
    return 0;
}

static int expect_4096(void *arg)
{
    char *bytes = arg;
    int i;

    EXPECT_INT((uintptr_t)arg % 16, 0);
    for (i = 0; i < 4096; i++)
        if (bytes[i] != (char)i)
            return -EIO;
    memset(bytes, 0, 4096);
    return roost_checkpoint();
}

IN_TASK(up_to_4096_bytes_are_copied_N11)
{
    char bytes[4097];
    int i;

    for (i = 0; i < 4097; i++)
        bytes[i] = (char)i;
    ROOST_NURSERY(n);
    EXPECT_INT(roost_spawn_copy(n, expect_4096, bytes, 4096), 0);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    ROOST_NURSERY(m);
    EXPECT_INT(roost_spawn_copy(m, expect_4096, bytes, 4097), -E2BIG);
    EXPECT_INT(roost_nursery_count(m), 0);
    EXPECT_INT(roost_nursery_close(m, 0), -E2BIG);
    return 0;
}

struct add {
    int *sum;
    int what;
};

ROOST_TASK(add)(struct add *a)
{
    *a->sum += a->what;
    return 0;
}

struct pool {
    int checks;
    roost_child checker;
};

ROOST_TASK_OF(struct pool, pool_checker)(struct pool *p)
{
    int r;

    p->checks++;
    r = roost_sleep_until(ROOST_NEVER);
    EXPECT_HAS(kit_tree(), "pool_checker#");
    return r;
}

IN_TASK(typed_spawns_copy_or_lend_their_argument_T3)
{
    struct pool p = { 0 };
    struct add prepared;
    int sum = 0;

    ROOST_NURSERY(n);
    EXPECT_INT(roost_go(n, add, .sum = &sum, .what = 3), 0);
    prepared = (struct add){ .sum = &sum, .what = 4 };
    EXPECT_INT(roost_go_copy(n, add, &prepared), 0);
    prepared.what = 100;
    EXPECT_INT(roost_go_on(n, pool_checker, &p, .service = true,
                           .child = &p.checker), 0);
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(sum, 7);
    EXPECT_INT(p.checks, 1);
    EXPECT_INT(roost_child_end(&p.checker, "test"), 0);
    return roost_nursery_close(n, 0);
}

static int expect_stack(void *arg)
{
    EXPECT(roost__task_stack(roost__self())->bytes >= *(size_t *)arg);
    return 0;
}

IN_TASK(stacks_are_as_large_as_asked_for_N11)
{
    size_t big = 3 << 20, bigger = 9 << 20;

    ROOST_NURSERY_WITH(n, .stack_bytes = big);
    roost_spawn(n, expect_stack, &big);
    roost_spawn_with(n, expect_stack, &bigger,
                     &(roost_spawn_options){ .stack_bytes = bigger });
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    return 0;
}

/* ---- where a spawn is misuse ---- */

static int spawn_into_closed(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open_at(&n, "opened.c:1");
    roost_ignore(roost_nursery_close_at(&n, 0, "closed.c:2"));
    roost_spawn_at(&n, kit_return, NULL, "spawn.c:3");
    return 0;
}

static int start_in_closed(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open_at(&n, "opened.c:1");
    roost_ignore(roost_nursery_close_at(&n, -EIO, "closed.c:2"));
    return roost_start_at(&n, kit_return, NULL, "spawn.c:3");
}

static void into_a_closed_one_is_misuse_N6(void **state)
{
    (void)state;
    kit_dies(spawn_into_closed, NULL, "opened.c:1", "closed.c:2", "spawn.c:3",
             "open another", NULL);
    kit_dies(start_in_closed, NULL, "opened.c:1", "closed.c:2", "spawn.c:3",
             "open another", NULL);
}

static int spawn_into_no_nursery(void *arg)
{
    roost_nursery n = { 0 };

    (void)arg;
    roost_spawn_at(&n, kit_return, NULL, "spawn.c:3");
    return 0;
}

static void into_one_never_opened_is_misuse_T5(void **state)
{
    (void)state;
    kit_dies(spawn_into_no_nursery, NULL, "spawn.c:3", "never opened", NULL);
}

static void *spawn_in_thread(void *n)
{
    roost_spawn_at(n, kit_return, NULL, "spawn.c:3");
    return NULL;
}

static int spawn_in_run(void *n)
{
    roost_spawn_at(n, kit_return, NULL, "spawn.c:3");
    return 0;
}

static void *run_in_thread(void *n)
{
    roost_run(spawn_in_run, n);
    return NULL;
}

static int spawn_from_thread(void *entry)
{
    void *(*fn[])(void *) = { spawn_in_thread, run_in_thread };
    pthread_t thread;

    ROOST_NURSERY(n);
    if (pthread_create(&thread, NULL, fn[*(int *)entry], n) == 0)
        pthread_join(thread, NULL);
    return roost_nursery_close(n, 0);
}

static void from_another_thread_it_is_misuse_N8(void **state)
{
    (void)state;
    kit_dies(spawn_from_thread, &(int){ 0 }, "spawn.c:3", "outside a task",
             NULL);
    kit_dies(spawn_from_thread, &(int){ 1 }, "spawn.c:3", "another thread",
             NULL);
}

/* ---- a failed spawn ---- */

static bool no_memory;

static void *alloc_or_not(size_t bytes)
{
    return no_memory ? NULL : malloc(bytes);
}

static void *mmap_or_not(void *at, size_t bytes, int prot, int flags, int fd,
                         off_t offset)
{
    if (!no_memory)
        return mmap(at, bytes, prot, flags, fd, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

static int run_short_of_memory(roost_task_fn *fn, uint64_t seed)
{
    struct roost_sys sys = roost__sys_default;
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL, .sys = &sys,
                        .seed = seed };

    sys.alloc = alloc_or_not;
    sys.mmap = mmap_or_not;
    no_memory = false;
    return kit_run_with(&o, fn, NULL);
}

/* Of a class of stacks that nobody has used, so it must be mapped. */
static int spawn_without_memory(roost_nursery *n)
{
    roost_spawn_options large = { .stack_bytes = 1 << 20, .name = "unborn" };
    int r;

    no_memory = true;
    r = roost_spawn_with_at(n, kit_return, NULL, &large, "spawn.c:3");
    no_memory = false;
    return r;
}

static int spawns_without_memory(void *arg)
{
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    KID(n, .forever = true, .name = "cut");
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(spawn_without_memory(n), -ENOMEM);
    EXPECT_INT(roost_nursery_count(n), 1);
    EXPECT(roost_scope_cancelled(roost_nursery_scope(n)));
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    r = roost_nursery_close(n, 0);
    EXPECT_LOG("cut");
    EXPECT_HAS(kit_error(roost_error_of(r)), "spawning unborn");
    EXPECT_HAS(kit_error(roost_error_of(r)), "spawn.c:3");
    return r;
}

static void a_failed_spawn_is_returned_and_sticky_N11(void **state)
{
    (void)state;
    assert_int_equal(run_short_of_memory(spawns_without_memory, 0), -ENOMEM);
}

static int spawns_after_a_failure(void *arg)
{
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    KID(n, .result = -EIO);
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(spawn_without_memory(n), -ENOMEM);
    r = roost_nursery_close(n, 0);
    EXPECT_HAS(kit_error(roost_error_of(r)), "ENOMEM");
    return r;
}

static void a_failed_spawn_counts_in_time_like_any_failure_N2(void **state)
{
    (void)state;
    assert_int_equal(run_short_of_memory(spawns_after_a_failure, 0), -EIO);
}

/* With a seed the run queue is a table, which must have room for each task. */
static int spawn_until_it_fails(void *arg)
{
    int i, r = 0;

    (void)arg;
    ROOST_NURSERY(n);
    for (i = 0; i < 40; i++) /* stacks for all that follow */
        KID(n, .ms = 1);
    EXPECT_INT(roost_sleep(ROOST_MS(2)), 0);
    no_memory = true;
    for (i = 0; i < 1000 && r == 0; i++)
        r = KID(n, .forever = true);
    no_memory = false;
    EXPECT_INT(r, -ENOMEM);
    EXPECT_INT(roost_nursery_count(n), i - 1);
    return roost_nursery_close(n, 0);
}

static void no_room_in_the_run_queue_is_a_failed_spawn_N11(void **state)
{
    (void)state;
    assert_int_equal(run_short_of_memory(spawn_until_it_fails, 7), -ENOMEM);
    assert_int_equal(run_short_of_memory(spawn_until_it_fails, 0), -ENOMEM);
}

IN_TASK(a_stack_beyond_the_largest_is_a_failed_spawn_N11)
{
    roost_spawn_options o = { .stack_bytes = (48 << 20) + 1 };
    int zero = 0;

    ROOST_NURSERY(n);
    EXPECT_INT(roost_spawn_with(n, kit_return, &zero, &o), -EINVAL);
    EXPECT_INT(roost_nursery_close(n, 0), -EINVAL);
    return 0;
}

/* ---- counting, and memory ---- */

static int expect_count(void *n)
{
    EXPECT_INT(roost_nursery_count(n), 2); /* itself, and the sleeper */
    return 0;
}

IN_TASK(the_count_is_of_children_not_yet_ended_N14)
{
    ROOST_NURSERY(n);
    EXPECT_INT(roost_nursery_count(n), 0);
    KID(n, .ms = 5);
    roost_spawn(n, expect_count, n);
    EXPECT_INT(roost_nursery_count(n), 2); /* not run yet */
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_nursery_count(n), 1);
    SERVICE(n, .forever = true);
    EXPECT_INT(roost_nursery_count(n), 2);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(roost_nursery_count(n), 0);
    return 0;
}

static long resident_pages(void)
{
    long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f) {
        if (fscanf(f, "%ld %ld", &size, &resident) != 2)
            resident = 0;
        fclose(f);
    }
#ifdef ROOST__TSAN /* keeps some pages of every fiber that there ever was */
    resident = 0;
#endif
    return resident;
}

static int count_up(void *arg)
{
    ++*(int *)arg;
    return 0;
}

IN_TASK(a_million_children_cost_the_memory_of_the_living_N13)
{
    size_t out = roost__rt->stacks.out;
    long before = 0;
    int i, ran = 0;

    ROOST_NURSERY(n);
    for (i = 0; i < MANY; i++) {
        if (i == MANY / 10)
            before = resident_pages();
        roost_spawn(n, count_up, &ran);
        if (roost_nursery_count(n) < LIVES)
            continue;
        EXPECT_INT(roost__rt->stacks.out, out + LIVES);
        EXPECT_INT(roost_checkpoint(), 0);
        EXPECT_INT(roost_nursery_count(n), 0);
        EXPECT(roost__rt->stacks.out <= out + 1);
    }
    EXPECT(resident_pages() - before < 256);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(ran, MANY);
    return 0;
}

/* Not before its last instruction on it: the next child must not get the stack
 * that the last one is still on. Under ASan a stack put back is poisoned. */
static int spawn_successor(void *arg)
{
    struct family *f = arg;
    volatile char frame[512];
    size_t i;

    for (i = 0; i < sizeof frame; i++)
        frame[i] = (char)f->depth;
    if (f->depth-- > 0)
        EXPECT_INT(roost_spawn(f->roots, spawn_successor, f), 0);
    for (i = 0; i < sizeof frame; i++)
        EXPECT_INT(frame[i], (char)(f->depth + 1));
    return 0;
}

IN_TASK(a_stack_is_not_given_back_while_its_task_is_on_it_N13)
{
    struct family f = { NULL, 200 };
    size_t out = roost__rt->stacks.out;

    ROOST_NURSERY(n);
    f.roots = n;
    roost_spawn(n, spawn_successor, &f);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(f.depth, -1);
    EXPECT_INT(roost__rt->stacks.out, out);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_first_runs_when_its_spawner_suspends_in_order_T3),
        cmocka_unit_test(a_grandchild_may_be_spawned_into_the_roots_nursery_N6),
        cmocka_unit_test(the_owner_is_the_nursery_not_the_spawner_T2),
        cmocka_unit_test(children_may_spawn_while_it_closes_N6),
        cmocka_unit_test(it_is_open_until_close_has_seen_nobody_after_its_last_yield_N6),
        cmocka_unit_test(it_is_open_in_the_yield_of_an_empty_close_N6),
        cmocka_unit_test(into_a_cancelled_nursery_children_run_to_a_checkpoint_N7),
        cmocka_unit_test(the_callers_variable_may_change_right_after_spawn_copy_T3),
        cmocka_unit_test(up_to_4096_bytes_are_copied_N11),
        cmocka_unit_test(typed_spawns_copy_or_lend_their_argument_T3),
        cmocka_unit_test(stacks_are_as_large_as_asked_for_N11),
        cmocka_unit_test(into_a_closed_one_is_misuse_N6),
        cmocka_unit_test(into_one_never_opened_is_misuse_T5),
        cmocka_unit_test(from_another_thread_it_is_misuse_N8),
        cmocka_unit_test(a_failed_spawn_is_returned_and_sticky_N11),
        cmocka_unit_test(a_failed_spawn_counts_in_time_like_any_failure_N2),
        cmocka_unit_test(no_room_in_the_run_queue_is_a_failed_spawn_N11),
        cmocka_unit_test(a_stack_beyond_the_largest_is_a_failed_spawn_N11),
        cmocka_unit_test(the_count_is_of_children_not_yet_ended_N14),
        cmocka_unit_test(a_million_children_cost_the_memory_of_the_living_N13),
        cmocka_unit_test(a_stack_is_not_given_back_while_its_task_is_on_it_N13),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
