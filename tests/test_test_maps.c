/* test_test_maps.c - claims about mappings that one run leaves to the next. */
#define _GNU_SOURCE
#include "kit/kit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fiber.h"
#include "test/faults.h"
#include "test/valgrind.h"

static const struct roost_sys *const sys = &roost__faulty_sys;
static struct roost__plan plan;

static void arm(int what, uint32_t at, int code)
{
    plan = (struct roost__plan){ .in = { { (uint8_t)what, code, at } },
                                 .count = what != STRIKE_NONE };
    roost__faults_arm(&plan, NULL);
}

static int disarm(void **state)
{
    (void)state;
    roost__faults_disarm();
    roost__faults_release();
    return 0;
}

/* ---- whole runs ---- */

/* Touches so much of its stack. */
static int goes_deep(void *arg)
{
    size_t bytes = *(size_t *)arg;
    volatile char *deep = __builtin_alloca(bytes);
    size_t at;

    for (at = 0; at < bytes; at += 1024)
        deep[at] = 1;
    return roost_sleep(ROOST_MS(1));
}

struct shape {
    size_t stack_bytes, deep;
    int tasks;
    size_t deepest; /* the last task's; 0: as the others */
};

static int deep_crowd(void *arg)
{
    struct shape *shape = arg;
    int i;

    ROOST_NURSERY(n);
    for (i = 1; i < shape->tasks; i++)
        EXPECT(roost_spawn(n, goes_deep, &shape->deep) == 0);
    EXPECT(roost_spawn(n, goes_deep, shape->deepest ? &shape->deepest
                                                    : &shape->deep) == 0);
    return roost_nursery_close(n, 0);
}

static int run_shape(struct shape *shape, int what, uint32_t at, int code)
{
    uint64_t trace;
    int r;

    arm(what, at, code);
    r = roost_run_with(&(roost_options){
        .clock = ROOST_CLOCK_VIRTUAL, .stack_bytes = shape->stack_bytes,
        .no_overflow_report = true, .ret_trace = &trace, .sys = sys },
        deep_crowd, shape);
    roost__faults_disarm();
    return r;
}

static struct shape shapes[] = {
    { 48 << 10, 30 << 10, 20, 0 }, { 1 << 20, 1000 << 10, 8, 0 },
    { 256 << 10, 230 << 10, 70, 0 }, { 48 << 10, 30 << 10, 1, 0 },
    { 4 << 20, 100 << 10, 20, 0 }, /* two chunks */
};
#define SHAPES (sizeof shapes / sizeof shapes[0])

/* Each after each: what an earlier run left must fit, or go. */
static void runs_with_other_stacks_may_follow_each_other(void **state)
{
    size_t i, j;

    (void)state;
    kit_begin();
    for (i = 0; i < SHAPES; i++)
        for (j = 0; j < SHAPES; j++) {
            assert_int_equal(run_shape(&shapes[i], STRIKE_NONE, 0, 0), 0);
            assert_int_equal(run_shape(&shapes[j], STRIKE_NONE, 0, 0), 0);
        }
    kit_end();
}

/* Also when guards or mappings were refused in between. */
static void runs_whose_mappings_failed_leave_no_trap(void **state)
{
    static const int codes[] = { ENOMEM, EINVAL };
    uint32_t at;
    size_t i;
    int c, r;

    (void)state;
    kit_begin();
    for (i = 0; i < 4; i++)
        for (at = 1; at < 14; at++)
            for (c = 0; c < 2; c++) {
                r = run_shape(&shapes[i], STRIKE_CALL, at, codes[c]);
                assert_true(r == 0 || r == -ENOMEM);
                assert_int_equal(
                    run_shape(&shapes[(i + at) % SHAPES], STRIKE_NONE, 0, 0), 0);
            }
    kit_end();
}

static void the_same_run_makes_the_same_calls(void **state)
{
    struct roost__fault_counts first, next;

    (void)state;
    kit_begin();
    roost__faults_release();
    assert_int_equal(run_shape(&shapes[0], STRIKE_NONE, 0, 0), 0);
    first = roost__faults_counts();
    assert_int_equal(run_shape(&shapes[0], STRIKE_NONE, 0, 0), 0);
    next = roost__faults_counts();
    assert_true(first.calls > 0);
    assert_int_equal(first.calls, next.calls);
    assert_int_equal(first.allocations, next.allocations);
    kit_end();
}

/* Pages that are mapped. */
static long mapped(void)
{
    char text[64] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
    close(fd);
    return strtol(text, NULL, 10);
}

static void what_was_kept_is_unmapped_at_the_end(void **state)
{
    long before;

    (void)state;
    kit_begin();
    assert_int_equal(run_shape(&shapes[0], STRIKE_NONE, 0, 0), 0);
    roost__faults_release();
    before = mapped();
    assert_int_equal(run_shape(&shapes[0], STRIKE_NONE, 0, 0), 0);
    assert_int_equal(run_shape(&shapes[4], STRIKE_NONE, 0, 0), 0);
    roost__faults_release();
    assert_in_range(labs(mapped() - before), 0, 8192); /* half a chunk */
    kit_end();
}

/* A sanitizer or valgrind keeps nothing, and would tell of the overflow. */
#if !defined(ROOST__ASAN) && !defined(ROOST__TSAN)

static int overflow(void *arg)
{
    return goes_deep(&(size_t){ *(size_t *)arg + (20 << 10) });
}

/* In a child process: the run must die. */
static void assert_overflow_is_stopped(struct shape *shape, bool main_task)
{
    uint64_t trace;
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        arm(STRIKE_NONE, 0, 0);
        roost_ignore(roost_run_with(&(roost_options){
            .clock = ROOST_CLOCK_VIRTUAL, .stack_bytes = shape->stack_bytes,
            .no_overflow_report = true, .ret_trace = &trace, .sys = sys },
            main_task ? overflow : deep_crowd,
            main_task ? (void *)&shape->stack_bytes : shape));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static bool has_guards(void)
{
    const char *guard = getenv("ROOST_TEST_GUARD");

    return !RUNNING_ON_VALGRIND && !(guard && strcmp(guard, "none") == 0);
}

static void guards_stand_also_in_a_later_run(void **state)
{
    struct shape small = { 48 << 10, 8 << 10, 6, 70 << 10 };
    struct shape usual = { 256 << 10, 8 << 10, 3, 280 << 10 };

    (void)state;
    if (!has_guards())
        skip();
    assert_int_equal(run_shape(&shapes[3], STRIKE_NONE, 0, 0), 0);
    assert_overflow_is_stopped(&small, true);  /* kept */
    assert_overflow_is_stopped(&small, false); /* more than were kept */
    assert_overflow_is_stopped(&usual, true);  /* taken away, and set anew */
    assert_overflow_is_stopped(&usual, false);
}

/* ---- mappings ---- */

enum { CHUNK = 64 << 20, PAGE = 4096, RW = PROT_READ | PROT_WRITE };

static char *map_chunk(void)
{
    char *at = sys->mmap(NULL, CHUNK + PAGE, RW,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert_true(at != MAP_FAILED);
    return at;
}

static void unmap_chunk(char *at)
{
    assert_int_equal(sys->munmap(at, CHUNK + PAGE), 0);
}

static bool is_guarded(const char *at)
{
    int ends[2];
    bool yes;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    yes = write(ends[1], at, 1) < 0 && errno == EFAULT;
    close(ends[0]);
    close(ends[1]);
    return yes;
}

static void set_guard(char *at)
{
    assert_int_equal(sys->mprotect(at, PAGE, PROT_NONE), 0);
}

static void a_kept_mapping_has_its_guards_and_clean_notes(void **state)
{
    size_t stride = 16 * PAGE;
    char *at, *again;
    int i;

    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip();
    arm(STRIKE_NONE, 0, 0);
    assert_true(sys->mmap(NULL, (size_t)1 << 62, RW, MAP_PRIVATE | MAP_ANONYMOUS,
                          -1, 0) == MAP_FAILED);
    at = map_chunk();
    for (i = 0; i < 3; i++)
        set_guard(at + stride * (size_t)i);
    at[PAGE] = 'x';
    at[CHUNK + 100] = 'y';
    unmap_chunk(at);
    again = map_chunk();
    assert_true(again == at);
    assert_int_equal(at[PAGE], 'x');
    assert_int_equal(at[CHUNK + 100], 0);
    memcpy(at + CHUNK + 24, &stride, sizeof stride);
    for (i = 0; i < 4; i++)
        set_guard(at + stride * (size_t)i);
    assert_true(is_guarded(at + stride * 3));
    assert_true(is_guarded(at + stride * 2));
    assert_false(is_guarded(at + stride * 2 + PAGE));
    assert_int_equal(sys->mprotect(at + stride * 2, 2 * PAGE, PROT_NONE), 0);
    assert_true(is_guarded(at + stride * 2 + PAGE));
    set_guard(at + stride + 2 * PAGE); /* odd */
    assert_true(is_guarded(at + stride + 2 * PAGE));
    unmap_chunk(at);
    at = map_chunk();
    for (i = 0; i < 40; i++)
        assert_false(is_guarded(at + i * PAGE));
    unmap_chunk(at);
    assert_int_equal(roost__faults_counts().calls, 13);
}

/* The notes tell another stride. */
static void guards_that_do_not_fit_are_taken_away(void **state)
{
    size_t stride = 16 * PAGE, other = 9 * PAGE;
    char *at;
    int i;

    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip();
    arm(STRIKE_NONE, 0, 0);
    at = map_chunk();
    for (i = 0; i < 3; i++)
        set_guard(at + stride * (size_t)i);
    unmap_chunk(at);
    assert_true(map_chunk() == at);
    memcpy(at + CHUNK + 24, &other, sizeof other);
    set_guard(at);
    for (i = 0; i < 40; i++)
        assert_true(is_guarded(at + i * PAGE) == (i == 0));
    assert_int_equal(memcmp(at + CHUNK + 24, &other, sizeof other), 0);
    set_guard(at + other);
    assert_true(is_guarded(at + other));
    unmap_chunk(at);
}

static void other_mappings_than_were_kept_are_made(void **state)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    char *at, *other;

    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip();
    arm(STRIKE_NONE, 0, 0);
    at = map_chunk();
    unmap_chunk(at);
    other = sys->mmap(NULL, CHUNK + PAGE, PROT_NONE, flags, -1, 0);
    assert_true(other != MAP_FAILED && is_guarded(other + PAGE));
    unmap_chunk(other);
    flags ^= MAP_PRIVATE | MAP_SHARED;
    other = sys->mmap(NULL, CHUNK + PAGE, RW, flags, -1, 0);
    assert_true(other != MAP_FAILED);
    assert_true(other != at);
    unmap_chunk(other);
}

static void mappings_in_use_are_never_given_twice(void **state)
{
    char *at[10];
    int i, j;

    (void)state;
    arm(STRIKE_NONE, 0, 0);
    for (j = 0; j < 2; j++) {
        for (i = 0; i < 10; i++)
            *(at[i] = map_chunk()) = (char)i;
        for (i = 0; i < 10; i++)
            assert_int_equal(*at[i], i);
        for (i = 0; i < 10; i++)
            unmap_chunk(at[i]);
    }
}
#endif

static void the_disarmed_map_and_unmap_as_ever(void **state)
{
    long before;
    char *at;

    (void)state;
    roost__faults_release();
    before = mapped();
    at = sys->mmap(NULL, 64 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(at != MAP_FAILED);
    assert_true(mapped() > before + 10000);
    assert_int_equal(sys->munmap(at, 64 << 20), 0);
    assert_in_range(labs(mapped() - before), 0, 8192);
}

#define TEST(f) cmocka_unit_test_teardown(f, disarm)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(runs_with_other_stacks_may_follow_each_other),
        TEST(runs_whose_mappings_failed_leave_no_trap),
        TEST(the_same_run_makes_the_same_calls),
        TEST(what_was_kept_is_unmapped_at_the_end),
#if !defined(ROOST__ASAN) && !defined(ROOST__TSAN)
        TEST(guards_stand_also_in_a_later_run),
        TEST(a_kept_mapping_has_its_guards_and_clean_notes),
        TEST(guards_that_do_not_fit_are_taken_away),
        TEST(other_mappings_than_were_kept_are_made),
        TEST(mappings_in_use_are_never_given_twice),
#endif
        TEST(the_disarmed_map_and_unmap_as_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
