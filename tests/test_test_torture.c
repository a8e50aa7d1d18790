/* test_test_torture.c - what roost_torture does, finds and says.
 *
 * The bodies have one bug each, or none; tests/planted has programs as people
 * write them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kit/kit.h"

#include <roost/test.h>

#include "test/valgrind.h"

#include "core/fiber.h"
#include "test/heap.h"

static roost_torture_report report;

/* Silent; 0 or 1. */
static int torture_with(roost_task_fn *body, void *arg, roost_torture_options o)
{
    o.quiet = true;
    o.ret_report = &report;
    return roost_torture(body, arg, &o);
}

static int torture(roost_task_fn *body)
{
    return torture_with(body, NULL, (roost_torture_options){ .pairs = 50 });
}

static void assert_found(roost_task_fn *body, const char *what,
                         const char *plan)
{
    assert_int_equal(torture(body), 1);
    if (!strstr(report.what, what) || strncmp(report.plan, plan, strlen(plan)))
        fail_msg("%s: %s (%s)", report.plan, report.what, report.where);
}

/* ---- bodies without a bug ---- */

static int no_waits(void *arg)
{
    return arg != NULL;
}

static int sleeps(void *arg)
{
    (void)arg;
    return roost_sleep(ROOST_SEC(1));
}

static int sleeps_1000_times(void *arg)
{
    int i, r = 0;

    (void)arg;
    for (i = 0; i < 1000 && r >= 0; i++)
        r = roost_sleep(ROOST_SEC(1));
    return r;
}

static int yields_30000_times(void *arg)
{
    int i, r = 0;

    (void)arg;
    for (i = 0; i < 30000 && r >= 0; i++)
        r = roost_checkpoint();
    return r;
}

static int allocates(void *arg)
{
    void *volatile p = malloc(100), *volatile q = malloc(100); /* they stay */

    (void)arg;
    free(p);
    free(q);
    return p && q ? 0 : -ENOMEM;
}

static int talks(void *arg)
{
    char c[4] = "abc";
    roost_fd a, b;
    int fd[2], r;

    (void)arg;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
        return -errno;
    r = roost_fd_open(&a, fd[0]);
    if (r < 0) {
        close(fd[0]);
        close(fd[1]);
        return r;
    }
    r = roost_fd_open(&b, fd[1]);
    if (r < 0)
        close(fd[1]);
    if (r >= 0)
        r = roost_fd_write(&a, c, 3);
    if (r >= 0)
        r = roost_fd_read(&b, c, 3);
    roost_fd_close(&a);
    roost_fd_close(&b);
    return r;
}

static void a_body_without_waits_is_run_and_passes(void **state)
{
    (void)state;
    assert_int_equal(torture(no_waits), 0);
    assert_int_equal(report.waits, 0);
    assert_int_equal(report.points, report.allocations + report.calls > 0
                                        ? report.points : 0);
}

static void each_moment_of_each_wait_is_struck(void **state)
{
    (void)state;
    assert_int_equal(torture_with(sleeps, NULL, (roost_torture_options){
        .skip = ~0U & ~(unsigned)ROOST_TORTURE_CANCEL }), 0);
    assert_int_equal(report.waits, 1);
    assert_int_equal(report.points, 3); /* entered, parked, woken */
    assert_int_equal(report.runs, 2 + 3);
    assert_int_equal(report.planned, report.runs);
}

static void each_allocation_and_call_is_struck(void **state)
{
    (void)state;
    assert_int_equal(torture_with(talks, NULL, (roost_torture_options){
        .skip = ROOST_TORTURE_CANCEL | ROOST_TORTURE_PAIRS |
                ROOST_TORTURE_ORDER }), 0);
    assert_true(report.allocations >= 1);
    assert_true(report.calls >= 8);
    assert_true(report.points >= report.allocations + 8);
    assert_true(report.runs > report.points); /* several errnos each */
}

static void memory_of_the_body_fails_too(void **state)
{
    size_t without;

    (void)state;
    assert_int_equal(torture(no_waits), 0);
    without = report.allocations;
    assert_int_equal(torture(allocates), 0);
    assert_int_equal(report.allocations, without + (roost__heap_can_fail() ? 2 : 0));
}

static void a_loop_is_struck_in_few_of_its_rounds(void **state)
{
    (void)state;
    assert_int_equal(torture_with(sleeps_1000_times, NULL,
                                  (roost_torture_options){
        .skip = ROOST_TORTURE_PAIRS | ROOST_TORTURE_ORDER }), 0);
    assert_int_equal(report.waits, 1000);
    assert_true(report.points < 100);
    assert_true(report.points >= 3 * 12);
    assert_int_equal(torture_with(yields_30000_times, NULL,
                                  (roost_torture_options){ .max_runs = 16 }), 0);
    assert_int_equal(report.waits, 30000);
}

static void a_budget_of_runs_is_kept_and_spread(void **state)
{
    (void)state;
    assert_int_equal(torture_with(sleeps_1000_times, NULL,
                                  (roost_torture_options){ .max_runs = 20 }), 0);
    assert_true(report.runs <= 24);
    assert_true(report.runs >= 18);
}

/* ---- one bug each ---- */

static int leaks_when_cancelled(void *arg)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), r;

    (void)arg;
    r = roost_sleep(ROOST_SEC(1));
    if (r < 0)
        return r;
    close(fd);
    return 0;
}

static int leaks_memory_when_cancelled(void *arg)
{
    char *volatile p = malloc(77);
    int r = p ? roost_sleep(ROOST_SEC(1)) : -ENOMEM;

    (void)arg;
    if (r == -ECANCELED)
        return r;
    free(p);
    return r;
}

static int dies_when_cancelled(void *arg)
{
    (void)arg;
    if (roost_sleep(ROOST_SEC(1)) < 0)
        raise(SIGKILL);
    return 0;
}

static int exits_when_cancelled(void *arg)
{
    (void)arg;
    if (roost_sleep(ROOST_SEC(1)) < 0)
        _exit(0);
    return 0;
}

static int hangs_when_cancelled(void *arg)
{
    (void)arg;
    if (roost_sleep(ROOST_SEC(1)) < 0)
        for (;;)
            pause();
    return 0;
}

static int tries_again_when_cancelled(void *arg)
{
    (void)arg;
    while (roost_sleep(ROOST_SEC(1)) < 0)
        ;
    return 0;
}

static int goes_on_in_a_shield(void *arg)
{
    roost_scope s;
    int r = roost_sleep(ROOST_SEC(1));

    (void)arg;
    if (r < 0) {
        roost_shield_enter(&s, ROOST_SEC(1000));
        roost_ignore(roost_sleep(ROOST_SEC(900)));
        roost_ignore(roost_scope_leave(&s, 0));
        roost_ignore(roost_checkpoint());
    }
    return r;
}

static int asserts_when_cancelled(void *arg)
{
    (void)arg;
    assert_int_equal(roost_sleep(ROOST_SEC(1)), 0);
    return 0;
}

static int checks_when_cancelled(void *arg)
{
    int r = roost_sleep(ROOST_SEC(1));

    (void)arg;
    roost_check(r == 0, "it is %d", r);
    return 0;
}

static int leaves_a_guard(void *arg)
{
    int r;

    (void)arg;
    {
        ROOST_NURSERY(n);

        r = roost_spawn(n, sleeps, NULL);
        if (r >= 0)
            r = roost_sleep(ROOST_SEC(2));
        if (r < 0)
            return r;
        r = roost_nursery_close(n, r);
    }
    return r;
}

static int invents_a_cancellation(void *arg)
{
    roost_scope s;
    int r;

    (void)arg;
    roost_scope_enter(&s, roost_after(ROOST_SEC(5)));
    r = roost_sleep(ROOST_SEC(1));
    r = roost_scope_leave(&s, r);
    return r == -ETIMEDOUT ? -ECANCELED : r;
}

static void what_is_left_open_is_found(void **state)
{
    (void)state;
    assert_found(leaks_when_cancelled, "a descriptor was left open: /dev/null",
                 "cancel@");
    assert_non_null(strstr(report.where, "roost_sleep"));
#ifndef ROOST__TSAN
    if (!RUNNING_ON_VALGRIND) /* whose malloc is not ours */
        assert_found(leaks_memory_when_cancelled,
                     "1 block of memory was not freed", "cancel@");
#else
    (void)leaks_memory_when_cancelled;
#endif
}

static void a_run_that_dies_or_hangs_is_told_from_the_others(void **state)
{
    (void)state;
    assert_found(dies_when_cancelled, "died of signal 9", "cancel@");
    assert_found(exits_when_cancelled, "ended the process", "cancel@");
    assert_int_equal(torture_with(hangs_when_cancelled, NULL,
        (roost_torture_options){ .hang = ROOST_MS(300) }), 1);
    assert_non_null(strstr(report.what, "did not end within"));
}

static void who_ignores_his_cancellation_is_found(void **state)
{
    (void)state;
    assert_found(tries_again_when_cancelled, "ignored in a loop", "cancel@");
    assert_found(goes_on_in_a_shield, "was swallowed", "cancel@");
}

static void broken_promises_of_the_body_are_found(void **state)
{
    (void)state;
    assert_found(asserts_when_cancelled, "an assert of the body", "cancel@");
    assert_found(checks_when_cancelled, "r == 0 does not hold: it is -125",
                 "cancel@");
}

static void guards_and_foreign_cancellations_are_found(void **state)
{
    (void)state;
    assert_found(leaves_a_guard, "1 guards had to act", "cancel@");
    assert_found(invents_a_cancellation, "it was not cancelled", "early@");
    assert_int_equal(torture_with(leaves_a_guard, NULL, (roost_torture_options){
        .guards = 1 }), 1); /* it does not always */
}

/* ---- children, deadlines ---- */

struct pair { roost_event ready; bool late; };

static int tells(void *arg)
{
    struct pair *p = *(struct pair **)arg;
    int r = roost_sleep(ROOST_SEC(1));

    if (r >= 0)
        roost_event_set(&p->ready);
    return r;
}

static int waits_for_a_sibling(void *arg)
{
    struct pair p = { .late = false }, *to = &p;
    roost_nursery n;
    int r;

    (void)arg;
    roost_nursery_open(&n);
    r = roost_spawn_copy(&n, tells, &to, sizeof to);
    if (r >= 0)
        r = roost_event_wait(&p.ready);
    return roost_nursery_close(&n, r);
}

struct ends { roost_fd a, b; };

static int writes(void *arg)
{
    struct ends *e = *(struct ends **)arg;
    int r = roost_checkpoint();

    return r < 0 ? r : (int)roost_fd_write(&e->a, "x", 1);
}

static int waits_for_a_byte(void *arg)
{
    struct ends e = { .a = { .fd = -1 } }, *to = &e;
    roost_nursery n;
    int fd[2], r;
    char c;

    (void)arg;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
        return -errno;
    r = roost_fd_open(&e.a, fd[0]);
    if (r < 0)
        close(fd[0]);
    r = r < 0 ? r : roost_fd_open(&e.b, fd[1]);
    if (!e.b.open)
        close(fd[1]);
    if (r >= 0) {
        roost_nursery_open(&n);
        r = roost_spawn_copy(&n, writes, &to, sizeof to);
        if (r >= 0)
            r = roost_fd_read(&e.b, &c, 1);
        r = roost_nursery_close(&n, r);
    }
    roost_fd_close(&e.a);
    roost_fd_close(&e.b);
    return r;
}

static void a_child_alone_may_leave_its_siblings_waiting(void **state)
{
    (void)state;
    assert_int_equal(torture(waits_for_a_byte), 0);
    assert_int_equal(torture_with(waits_for_a_byte, NULL,
        (roost_torture_options){ .stalls = true }), 1);
    assert_non_null(strstr(report.what, "deadlock"));
    assert_int_equal(torture(waits_for_a_sibling), 0);
    assert_int_equal(torture_with(waits_for_a_sibling, NULL,
        (roost_torture_options){ .stalls = true }), 1);
    assert_non_null(strstr(report.what, "deadlock"));
    assert_memory_equal(report.plan, "child@", 6);
}

static int needs_its_deadline(void *arg)
{
    roost_scope s;
    int r;

    (void)arg;
    roost_scope_enter(&s, roost_after(ROOST_SEC(1)));
    r = roost_scope_leave(&s, roost_sleep(ROOST_SEC(3600)));
    roost_check(r == -ETIMEDOUT || r == -ECANCELED);
    return r;
}

static int needs_no_deadline(void *arg)
{
    roost_scope s;
    int r;

    (void)arg;
    roost_scope_enter(&s, roost_after(ROOST_SEC(10)));
    r = roost_scope_leave(&s, roost_sleep(ROOST_SEC(1)));
    roost_check(r != -ETIMEDOUT);
    return r;
}

static void deadlines_come_early_and_late(void **state)
{
    (void)state;
    assert_found(needs_its_deadline, "does not hold", "late@");
    assert_found(needs_no_deadline, "does not hold", "early@");
}

/* What it does in its shield takes a moment that it may not get. */
static int relies_on_its_shield(void *arg)
{
    roost_scope s;
    int r;

    (void)arg;
    roost_shield_enter(&s, ROOST_SEC(5));
    r = roost_sleep(ROOST_MS(10));
    roost_check(r == 0);
    return roost_scope_leave(&s, r);
}

static void shields_are_pierced(void **state)
{
    (void)state;
    assert_found(relies_on_its_shield, "does not hold", "pierce@");
}

/* ---- orders ---- */

struct order { int *first, number; };

static int comes(void *arg)
{
    const struct order *o = arg;

    if (!*o->first)
        *o->first = o->number;
    return 0;
}

static int depends_on_order(void *arg)
{
    int first = 0, r = 0;
    struct order o = { .first = &first };
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    for (o.number = 1; o.number <= 3 && r >= 0; o.number++)
        r = roost_spawn_copy(&n, comes, &o, sizeof o);
    r = roost_nursery_close(&n, r);
    roost_check(r < 0 || first == 1, "task %d came first", first);
    return r;
}

static int some_tasks(void *arg)
{
    const int *count = arg;
    roost_nursery n;
    int r, i;

    roost_nursery_open(&n);
    for (i = 0, r = 0; i < *count && r >= 0; i++)
        r = roost_spawn(&n, no_waits, NULL);
    return roost_nursery_close(&n, r);
}

static void an_order_that_matters_is_found(void **state)
{
    (void)state;
    assert_found(depends_on_order, "came first", "none:pick=1.");
    assert_int_equal(torture_with(depends_on_order, NULL,
        (roost_torture_options){ .max_orders = -1,
            .skip = ROOST_TORTURE_CANCEL | ROOST_TORTURE_CALL |
                    ROOST_TORTURE_ALLOCATION }), 1);
    assert_memory_equal(report.plan, "none:seed=0x", 12);
}

static size_t orders(int tasks, int delays, int max)
{
    assert_int_equal(torture_with(some_tasks, &tasks, (roost_torture_options){
        .skip = ~0U & ~(unsigned)ROOST_TORTURE_ORDER, .delays = delays,
        .seeds = -1, .max_orders = max }), 0);
    return report.schedules;
}

static void all_orders_of_a_small_body_are_tried(void **state)
{
    (void)state;
    assert_int_equal(orders(3, 4, 1000), 6); /* 3! */
    assert_int_equal(orders(4, 4, 1000), 24);
    assert_int_equal(orders(3, 1, 1000), 1 + 2 + 1); /* one choice delayed */
    assert_int_equal(orders(4, 4, 10), 10);
}

/* ---- pairs ---- */

static int needs_both(void *arg)
{
    void *volatile p = malloc(10), *volatile q;
    int r = roost_sleep(ROOST_SEC(1));

    (void)arg;
    q = malloc(20);
    roost_check(p || r == 0, "no memory, and %d", r);
    free(p);
    free(q);
    return 0;
}

static int fails_once_cancelled(void *arg)
{
    static roost_event never;
    int r = roost_sleep(ROOST_SEC(1));

    (void)arg, (void)never;
    roost_check(r == 0);
    return 0;
}

static void pairs_are_tried_and_shrunk(void **state)
{
    (void)state;
    if (roost__heap_can_fail()) {
        assert_int_equal(torture_with(needs_both, NULL, (roost_torture_options){
            .skip = ROOST_TORTURE_CALL | ROOST_TORTURE_ORDER, .pairs = 500 }), 1);
        assert_non_null(strchr(report.plan, '+'));
        assert_non_null(strstr(report.plan, "alloc@"));
    }
    assert_int_equal(torture(fails_once_cancelled), 1);
    assert_null(strchr(report.plan, '+'));
    assert_null(strchr(report.plan, ':'));
}

/* ---- repeatable ---- */

static int waits_more_each_time(void *arg)
{
    static int times;
    int i, r = 0;

    (void)arg;
    times++;
    for (i = 0; i < times && r >= 0; i++)
        r = roost_sleep(ROOST_SEC(1));
    return r;
}

static int sets_up_once(void *arg)
{
    static char *once;

    (void)arg;
    if (!once)
        once = malloc(1000);
    return roost_sleep(ROOST_SEC(1));
}

static void a_body_must_be_repeatable(void **state)
{
    (void)state;
    assert_int_equal(torture(waits_more_each_time), 1);
    assert_non_null(strstr(report.what, "not repeatable"));
    assert_string_equal(report.plan, "none");
    assert_int_equal(torture_with(waits_more_each_time, NULL,
        (roost_torture_options){ .varies = true, .pairs = 10 }), 0);
}

static void what_is_set_up_once_is_no_leak(void **state)
{
    (void)state;
    assert_int_equal(torture(sets_up_once), 0);
}

static void the_line_repeats_the_failure(void **state)
{
    roost_torture_report first;

    (void)state;
    assert_int_equal(torture(leaks_when_cancelled), 1);
    first = report;
    setenv("ROOST_TORTURE", first.plan, 1);
    assert_int_equal(torture(leaks_when_cancelled), 1);
    assert_string_equal(report.what, first.what);
    assert_string_equal(report.where, first.where);
    assert_string_equal(report.plan, first.plan);
    assert_int_equal(report.runs, 2);
    setenv("ROOST_TORTURE", "none", 1);
    kit_stderr_begin();
    assert_int_equal(torture(leaks_when_cancelled), 0);
    kit_stderr_end();
    setenv("ROOST_TORTURE", "cancel@2:body=other", 1);
    kit_stderr_begin();
    assert_int_equal(torture(leaks_when_cancelled), 0);
    assert_non_null(strstr(kit_stderr_end(), "another one is meant"));
    unsetenv("ROOST_TORTURE");
}

static void a_point_that_is_not_there_is_told(void **state)
{
    (void)state;
    setenv("ROOST_TORTURE", "cancel@999", 1);
    kit_stderr_begin();
    assert_int_equal(roost_torture(sleeps, NULL, NULL), 0);
    assert_non_null(strstr(kit_stderr_end(), "no such point"));
    unsetenv("ROOST_TORTURE");
}

static void values_that_say_nothing_are_refused(void **state)
{
    (void)state;
    kit_stderr_begin();
    setenv("ROOST_TORTURE", "cancle@1", 1);
    assert_int_equal(torture(sleeps), -EINVAL);
    unsetenv("ROOST_TORTURE");
    assert_non_null(strstr(kit_stderr_end(), "expected none, cancel@N"));
    kit_stderr_begin();
    setenv("ROOST_TORTURE_RUNS", "many", 1);
    assert_int_equal(torture(sleeps), -EINVAL);
    unsetenv("ROOST_TORTURE_RUNS");
    assert_non_null(strstr(kit_stderr_end(), "expected a number of runs"));
    kit_stderr_begin();
    assert_int_equal(torture_with(sleeps, NULL, (roost_torture_options){
        .delays = 5 }), -EINVAL);
    assert_int_equal(torture_with(sleeps, NULL, (roost_torture_options){
        .hang = -1 }), -EINVAL);
    kit_stderr_end();
}

/* ---- what is said ---- */

static void a_failure_is_told_with_the_line_that_repeats_it(void **state)
{
    const char *said;

    (void)state;
    kit_stderr_begin();
    assert_int_equal(roost_torture(leaks_when_cancelled, NULL,
        &(roost_torture_options){ .name = "leaky" }), 1);
    said = kit_stderr_end();
    assert_non_null(strstr(said, "torture: leaky: failed\n"));
    assert_non_null(strstr(said, "again: ROOST_TORTURE=cancel@"));
    assert_non_null(strstr(said, ":body=leaky "));
    assert_non_null(strstr(said, "the tasks when it struck:\nmain "));
    assert_null(strchr(said, '\r')); /* no terminal, no progress */
}

static void a_body_that_is_well_says_nothing(void **state)
{
    (void)state;
    kit_stderr_begin();
    assert_int_equal(roost_torture(sleeps, NULL, NULL), 0);
    assert_string_equal(kit_stderr_end(), "");
}

static int tortures_inside(void *arg)
{
    (void)arg;
    return roost_torture(sleeps, NULL, NULL);
}

static void inside_a_run_it_is_misuse(void **state)
{
    (void)state;
    kit_dies(tortures_inside, NULL, "roost_torture at ", "outside of one", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_without_waits_is_run_and_passes),
        cmocka_unit_test(each_moment_of_each_wait_is_struck),
        cmocka_unit_test(each_allocation_and_call_is_struck),
        cmocka_unit_test(memory_of_the_body_fails_too),
        cmocka_unit_test(a_loop_is_struck_in_few_of_its_rounds),
        cmocka_unit_test(a_budget_of_runs_is_kept_and_spread),
        cmocka_unit_test(what_is_left_open_is_found),
        cmocka_unit_test(a_run_that_dies_or_hangs_is_told_from_the_others),
        cmocka_unit_test(who_ignores_his_cancellation_is_found),
        cmocka_unit_test(broken_promises_of_the_body_are_found),
        cmocka_unit_test(guards_and_foreign_cancellations_are_found),
        cmocka_unit_test(a_child_alone_may_leave_its_siblings_waiting),
        cmocka_unit_test(deadlines_come_early_and_late),
        cmocka_unit_test(shields_are_pierced),
        cmocka_unit_test(an_order_that_matters_is_found),
        cmocka_unit_test(all_orders_of_a_small_body_are_tried),
        cmocka_unit_test(pairs_are_tried_and_shrunk),
        cmocka_unit_test(a_body_must_be_repeatable),
        cmocka_unit_test(what_is_set_up_once_is_no_leak),
        cmocka_unit_test(the_line_repeats_the_failure),
        cmocka_unit_test(a_point_that_is_not_there_is_told),
        cmocka_unit_test(values_that_say_nothing_are_refused),
        cmocka_unit_test(a_failure_is_told_with_the_line_that_repeats_it),
        cmocka_unit_test(a_body_that_is_well_says_nothing),
        cmocka_unit_test(inside_a_run_it_is_misuse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
