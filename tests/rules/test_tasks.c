/* test_tasks.c - what a task is: its result, its owner, what it may not leave
 *                open, and a run that returns when all is given back.
 */
#include "rules/children.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/rt.h"

/* ---- results ---- */

static int after_a_checkpoint(void *arg)
{
    EXPECT_INT(roost_checkpoint(), 0);
    return *(int *)arg;
}

/* trio test_basic, test_initial_task_error */
static void the_main_tasks_result_is_the_runs_T1(void **state)
{
    int results[] = { 0, 8, INT32_MAX, -EIO, -1, -4095 };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof results / sizeof *results; i++) {
        assert_int_equal(kit_run(kit_return, &results[i]), results[i]);
        assert_int_equal(kit_run(after_a_checkpoint, &results[i]), results[i]);
        assert_int_equal(roost_run(kit_return, &results[i]), results[i]);
        assert_int_equal((roost_run)(kit_return, &results[i]), results[i]);
    }
}

IN_TASK(not_negative_is_success_negative_is_failure_T1)
{
    int results[] = { 0, 1, INT32_MAX, -EIO, -1, INT32_MIN };
    size_t i;

    for (i = 0; i < sizeof results / sizeof *results; i++) {
        ROOST_NURSERY(n);
        roost_spawn(n, kit_return, &results[i]);
        EXPECT_INT(roost_nursery_close(n, 0), results[i] < 0 ? results[i] : 0);
    }
    return 0;
}

/* ---- what may not be left open ---- */

static int open_and_return(void *arg)
{
    roost_nursery *n = malloc(sizeof *n);

    if (n)
        roost_nursery_open_at(n, "opened.c:1");
    return *(int *)arg;
}

static int spawn_one_that_forgets(void *arg)
{
    ROOST_NURSERY(n);
    roost_spawn_at(n, open_and_return, arg, "spawned.c:2");
    return roost_nursery_close(n, 0);
}

static int enter_and_return(void *arg)
{
    roost_scope *s = malloc(sizeof *s);

    (void)arg;
    if (s)
        roost_scope_enter_at(s, ROOST_NEVER, "entered.c:1");
    return 0;
}

static int spawn_one_that_stays_inside(void *arg)
{
    ROOST_NURSERY(n);
    roost_spawn_at(n, enter_and_return, arg, "spawned.c:2");
    return roost_nursery_close(n, 0);
}

static void returning_with_something_open_is_misuse_T5(void **state)
{
    int zero = 0, no = -EIO;

    (void)state;
    kit_dies(spawn_one_that_forgets, &zero, "opened.c:1", "spawned.c:2",
             "returned with", "close it on every path", NULL);
    kit_dies(spawn_one_that_forgets, &no, "opened.c:1", "spawned.c:2", NULL);
    kit_dies(spawn_one_that_stays_inside, NULL, "entered.c:1", "spawned.c:2",
             NULL);
    kit_dies(open_and_return, &zero, "opened.c:1", "returned with", NULL);
}

/* The nursery's frame is gone, and written over, when the report is made. */
static __attribute__((noinline)) void open_in_a_frame_that_dies(void)
{
    roost_nursery n;

    roost_nursery_open_at(&n, "dead.c:1");
}

static __attribute__((noinline)) int write_over_it(int depth)
{
    volatile char frame[512];
    size_t i;

    for (i = 0; i < sizeof frame; i++)
        frame[i] = (char)0xa5;
    return depth ? write_over_it(depth - 1) + frame[depth] : frame[0];
}

static int leave_a_dead_nursery(void *arg)
{
    (void)arg;
    open_in_a_frame_that_dies();
    return write_over_it(8) > 0;
}

static int close_around_a_dead_one(void *arg)
{
    (void)arg;
    ROOST_NURSERY(n);
    open_in_a_frame_that_dies();
    roost_ignore(write_over_it(8));
    return roost_nursery_close_at(n, 0, "closed.c:2");
}

static void a_report_reads_no_dead_frame_T5(void **state)
{
    (void)state;
    kit_dies(leave_a_dead_nursery, NULL, "dead.c:1", "returned with", NULL);
    kit_dies(close_around_a_dead_one, NULL, "dead.c:1", "closed.c:2", __FILE__,
             "still open", NULL);
}

static int close_out_of_order(void *arg)
{
    roost_nursery outer, inner;

    (void)arg;
    roost_nursery_open_at(&outer, "outer.c:1");
    roost_nursery_open_at(&inner, "inner.c:2");
    return roost_nursery_close_at(&outer, 0, "closed.c:3");
}

static int close_around_a_scope(void *arg)
{
    roost_nursery n;
    roost_scope s;

    (void)arg;
    roost_nursery_open_at(&n, "outer.c:1");
    roost_scope_enter_at(&s, ROOST_NEVER, "inner.c:2");
    return roost_nursery_close_at(&n, 0, "closed.c:3");
}

static int leave_around_a_nursery(void *arg)
{
    roost_nursery n;
    roost_scope s;

    (void)arg;
    roost_scope_enter_at(&s, ROOST_NEVER, "outer.c:1");
    roost_nursery_open_at(&n, "inner.c:2");
    return roost_scope_leave_at(&s, 0, "closed.c:3");
}

static int leave_a_nurserys_scope(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open_at(&n, "outer.c:1");
    return roost_scope_leave_at(roost_nursery_scope(&n), 0, "closed.c:3");
}

static void out_of_order_is_misuse_naming_both_T5(void **state)
{
    roost_task_fn *wrong[] = { close_out_of_order, close_around_a_scope,
                               leave_around_a_nursery };
    int i;

    (void)state;
    for (i = 0; i < 3; i++)
        kit_dies(wrong[i], NULL, "outer.c:1", "inner.c:2", "closed.c:3",
                 "still open", NULL);
    kit_dies(leave_a_nurserys_scope, NULL, "outer.c:1", "closed.c:3",
             "close the nursery", NULL);
}

static int close_it(void *n)
{
    return roost_nursery_close_at(n, 0, "closed.c:3");
}

static int close_in_a_child(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open_at(&n, "opened.c:1");
    roost_spawn(&n, close_it, &n);
    return roost_nursery_close(&n, 0);
}

static int close_none(void *arg)
{
    roost_nursery n = { 0 };

    (void)arg;
    return close_it(&n);
}

static int close_twice(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open_at(&n, "opened.c:1");
    roost_ignore(roost_nursery_close(&n, 0));
    return close_it(&n);
}

static void closing_what_is_not_ones_own_and_open_is_misuse_T5(void **state)
{
    (void)state;
    kit_dies(close_in_a_child, NULL, "opened.c:1", "closed.c:3", "another task",
             NULL);
    kit_dies(close_none, NULL, "closed.c:3", "never", NULL);
    kit_dies(close_twice, NULL, "opened.c:1", "closed.c:3", "over already",
             NULL);
}

/* ---- outside a task ---- */

static roost_nursery nowhere;

static int spawn_nowhere(void *arg)
{
    return roost_spawn_at(&nowhere, kit_return, arg, "spawned.c:2");
}

static int start_nowhere(void *arg)
{
    return roost_start(&nowhere, kit_return, arg);
}

static int close_nowhere(void *arg)
{
    return roost_nursery_close(&nowhere, *(int *)arg);
}

static int open_nowhere(void *arg)
{
    roost_nursery_open_at(&nowhere, "opened.c:1");
    return *(int *)arg;
}

static int nothing(roost_nursery *n, void *arg)
{
    (void)n, (void)arg;
    return 0;
}

static int run_nowhere(void *arg)
{
    return roost_nursery_run_at(nothing, arg, "opened.c:1");
}

static void outside_a_task_nurseries_are_misuse_T5(void **state)
{
    int zero = 0;

    (void)state;
    kit_dies_outside(spawn_nowhere, &zero, "spawned.c:2", "outside a task",
                     NULL);
    kit_dies_outside(start_nowhere, &zero, "roost_start", "outside a task",
                     NULL);
    kit_dies_outside(close_nowhere, &zero, "roost_nursery_close",
                     "outside a task", NULL);
    kit_dies_outside(open_nowhere, &zero, "opened.c:1", "outside a task", NULL);
    kit_dies_outside(run_nowhere, &zero, "opened.c:1", "outside a task", NULL);
}

/* ---- a child that has not run is never dropped ---- */

static int births, deaths;

static int owns_its_argument(void *arg)
{
    int r;

    births++;
    r = roost_checkpoint();
    free(*(void **)arg);
    deaths++;
    return r;
}

static void give(roost_nursery *n)
{
    void *block = malloc(8);

    if (roost_spawn_copy(n, owns_its_argument, &block, sizeof block) < 0)
        free(block);
}

IN_TASK_GUARDS(whatever_happens_a_child_runs_to_its_first_checkpoint_T3, 1)
{
    roost_child c = { 0 };
    void *block = malloc(8);

    births = deaths = 0;
    ROOST_NURSERY(failed);
    give(failed);
    EXPECT_INT(roost_nursery_close(failed, -EIO), -EIO);
    ROOST_NURSERY(cancelled);
    give(cancelled);
    roost_nursery_cancel(cancelled, "test");
    EXPECT_INT(roost_nursery_close(cancelled, 0), 0);
    ROOST_NURSERY(sibling_failed);
    KID(sibling_failed, .result = -EIO);
    give(sibling_failed);
    EXPECT_INT(roost_nursery_close(sibling_failed, 0), -EIO);
    ROOST_NURSERY(ended);
    roost_spawn_with(ended, owns_its_argument, &block,
                     &(roost_spawn_options){ .copy_bytes = sizeof block,
                                             .child = &c });
    EXPECT_INT(roost_child_end(&c, "test"), 0);
    EXPECT_INT(roost_nursery_close(ended, 0), 0);
    kit_stderr_begin();
    {
        ROOST_NURSERY(left);
        give(left);
    }
    kit_stderr_end();
    EXPECT_INT(births, 5);
    EXPECT_INT(deaths, 5);
    return 0;
}

/* With any seed: the order is drawn, but all run. */
static int spawn_many(void *arg)
{
    int i;

    (void)arg;
    births = deaths = 0;
    ROOST_NURSERY(n);
    for (i = 0; i < 200; i++)
        give(n);
    roost_nursery_cancel(n, "test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(births, 200);
    EXPECT_INT(deaths, 200);
    return 0;
}

static void with_any_seed_all_children_run_T3(void **state)
{
    uint64_t seed;

    (void)state;
    for (seed = 0; seed < 20; seed++) {
        roost_options o = { .clock = ROOST_CLOCK_VIRTUAL, .seed = seed };

        assert_int_equal(kit_run_with(&o, spawn_many, NULL), 0);
    }
}

/* ---- a run returns when nobody is left, and gives everything back ---- */

static int grandchildren(void *ended)
{
    ROOST_NURSERY(n);
    KID(n, .ms = 30, .ended = ended);
    KID(n, .forever = true, .cleanup_ms = 30, .ended = ended);
    return roost_nursery_close(n, roost_sleep(ROOST_MS(20)));
}

static int fail_above_them(void *ended)
{
    ROOST_NURSERY(n);
    roost_spawn(n, grandchildren, ended);
    roost_spawn(n, grandchildren, ended);
    KID(n, .ms = 5, .result = -EIO);
    return roost_nursery_close(n, 0);
}

static void a_run_returns_when_the_last_task_is_home_T7(void **state)
{
    int ended = 0;

    (void)state;
    assert_int_equal(kit_run(fail_above_them, &ended), -EIO);
    assert_int_equal(ended, 4);
}

static void a_run_leaves_no_descriptor_and_no_mapping_T7(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL, .precise_timers = true };
    int ended = 0, fds, maps;

    (void)state;
    kit_run_with(&o, fail_above_them, &ended);
    fds = kit_descriptors();
    maps = kit_maps();
    assert_int_equal(kit_run_with(&o, fail_above_them, &ended), -EIO);
    assert_int_equal(kit_descriptors(), fds);
    assert_true(kit_maps() <= maps);
}

/* ---- every allocation and mapping fails once ---- */

static int calls, fail_at, blocks, opened;
static size_t mapped;

static bool fails_now(void)
{
    if (++calls != fail_at)
        return false;
    errno = ENOMEM;
    return true;
}

static void *alloc_or_not(size_t bytes)
{
    void *p = fails_now() ? NULL : malloc(bytes);

    blocks += p != NULL;
    return p;
}

static void free_it(void *p)
{
    blocks -= p != NULL;
    free(p);
}

static void *mmap_or_not(void *at, size_t bytes, int prot, int flags, int fd,
                         off_t offset)
{
    void *p = fails_now() ? MAP_FAILED
                          : mmap(at, bytes, prot, flags, fd, offset);

    mapped += p != MAP_FAILED ? bytes : 0;
    return p;
}

static int munmap_it(void *at, size_t bytes)
{
    mapped -= bytes;
    return munmap(at, bytes);
}

static int timerfd_or_not(int clock, int flags)
{
    int fd = fails_now() ? -1 : timerfd_create(clock, flags);

    opened += fd >= 0;
    return fd;
}

static int open_fd(const char *path, int flags)
{
    int fd = open(path, flags);

    opened += fd >= 0;
    return fd;
}

static int close_fd(int fd)
{
    opened--;
    return close(fd);
}

static int sigaltstack_or_not(const stack_t *now, stack_t *ret_before)
{
    return now && !(now->ss_flags & SS_DISABLE) && fails_now()
               ? -1 : sigaltstack(now, ret_before);
}

static roost_local local = { "local", NULL };

/* A bit of everything that allocates. */
static int needs_memory(void *arg)
{
    int i, r;

    ++*(int *)arg;
    ROOST_NURSERY_WITH(n, .stack_bytes = ROOST_STACK_SMALL);
    r = roost_local_set(&local, arg);
    if (r >= 0)
        r = roost_defer(kit_return, &opened);
    for (i = 0; i < 100 && r >= 0; i++)
        r = KID(n, .ms = i % 3);
    if (r >= 0)
        r = roost_start_copy(n, kid_body, &(struct kid){ .result = -EPERM },
                             sizeof(struct kid));
    return roost_nursery_close(n, r == -EPERM ? 7 : r);
}

static int run_failing_at(int i, uint64_t seed, int *ret_ran)
{
    struct roost_sys sys = roost__sys_default;
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL, .sys = &sys,
                        .seed = seed, .precise_timers = true };

    sys.alloc = alloc_or_not;
    sys.free = free_it;
    sys.mmap = mmap_or_not;
    sys.munmap = munmap_it;
    sys.timerfd_create = timerfd_or_not;
    sys.open = open_fd;
    sys.close = close_fd;
    sys.sigaltstack = sigaltstack_or_not;
    calls = 0;
    fail_at = i;
    *ret_ran = 0;
    return roost_run_with(&o, needs_memory, ret_ran);
}

static void fail_everywhere(uint64_t seed)
{
    int i, r = 0, ran, never_ran = 0;

    for (i = 1; r != 7 && i < 100; i++) {
        r = run_failing_at(i, seed, &ran);
        if (r != 7)
            assert_int_equal(r, -ENOMEM);
        never_ran += !ran;
        assert_int_equal(blocks, 0);
        assert_int_equal(mapped, 0);
        assert_int_equal(opened, 0);
    }
    assert_int_equal(r, 7);       /* in the end nothing fails */
    assert_true(i > 6);
    assert_true(never_ran > 3);   /* the runtime could not be made */
    assert_true(never_ran < i - 2);
}

static void short_of_memory_a_run_gives_everything_back_T7(void **state)
{
    (void)state;
    fail_everywhere(0);
    fail_everywhere(9);
}

static int run_inside(void *arg)
{
    return roost_run_at(kit_return, arg, "inner.c:2");
}

static int run_a_run(void *arg)
{
    return roost_run_at(run_inside, arg, "outer.c:1");
}

static void a_run_inside_a_run_is_misuse_T5(void **state)
{
    (void)state;
    kit_dies_outside(run_a_run, NULL, "inner.c:2", "outer.c:1", "another thread",
                     NULL);
}

/* Of Trio's test_run.py, not here:
 *   test_root_task, test_task_tree_introspection, test_task_nursery_stack: tasks
 *     have no public pointers to their relatives; the tree is printed.
 *   test_cancel_unbound, test_taskgroup_reentry (AnyIO): scopes and nurseries
 *     have no life before enter or open, which initialise; again is misuse.
 *   test_nursery_misnest, test_asyncexitstack_nursery_misnest: not an error that
 *     comes out of close, an abort (T5).
 *   test_system_task_crash, test_internal_error_*: no system tasks; services are
 *     their nursery's.
 *   test_TrioToken_*: from other threads through portals only.
 *   -EBUSY of a run (T7): with worker threads.
 */
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_main_tasks_result_is_the_runs_T1),
        cmocka_unit_test(not_negative_is_success_negative_is_failure_T1),
        cmocka_unit_test(returning_with_something_open_is_misuse_T5),
        cmocka_unit_test(a_report_reads_no_dead_frame_T5),
        cmocka_unit_test(out_of_order_is_misuse_naming_both_T5),
        cmocka_unit_test(closing_what_is_not_ones_own_and_open_is_misuse_T5),
        cmocka_unit_test(outside_a_task_nurseries_are_misuse_T5),
        cmocka_unit_test(whatever_happens_a_child_runs_to_its_first_checkpoint_T3),
        cmocka_unit_test(with_any_seed_all_children_run_T3),
        cmocka_unit_test(a_run_returns_when_the_last_task_is_home_T7),
        cmocka_unit_test(a_run_leaves_no_descriptor_and_no_mapping_T7),
        cmocka_unit_test(short_of_memory_a_run_gives_everything_back_T7),
        cmocka_unit_test(a_run_inside_a_run_is_misuse_T5),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
