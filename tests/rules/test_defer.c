/* test_defer.c - what a task deferred to its end: when it runs, under what
 *                protection, and what becomes of its failure.
 */
#include "rules/children.h"

#include <stdlib.h>

#include "core/rt.h"

static char a_word[] = "a", b_word[] = "b", c_word[] = "c", d_word[] = "d";

static int log_word(void *word)
{
    kit_log(word);
    return 0;
}

static void defer(roost_task_fn *fn, void *arg)
{
    EXPECT_INT(roost_defer(fn, arg), 0);
}

/* Runs fn in a child; what close returns. */
static int in_child(roost_task_fn *fn, void *arg)
{
    ROOST_NURSERY(n);
    roost_spawn(n, fn, arg);
    return roost_nursery_close(n, 0);
}

/* ---- when ---- */

static int defers_three(void *arg)
{
    defer(log_word, a_word);
    defer(log_word, b_word);
    EXPECT_INT(roost_checkpoint(), 0);
    defer(log_word, c_word);
    kit_log("body");
    return *(int *)arg;
}

IN_TASK(they_run_at_the_end_in_reverse_each_once_T6)
{
    int results[] = { 0, -EIO, 7 }, i;

    for (i = 0; i < 3; i++) {
        int r = in_child(defers_three, &results[i]);

        EXPECT_INT(r, results[i] < 0 ? results[i] : 0);
        EXPECT_LOG("body c b a");
    }
    return 0;
}

static void in_the_main_task_too_T6(void **state)
{
    int seven = 7, no = -EIO;

    (void)state;
    assert_int_equal(kit_run(defers_three, &seven), 7);
    assert_int_equal(kit_run(defers_three, &no), -EIO);
}

static int count_down(void *left)
{
    --*(int *)left;
    return 0;
}

static int defers_many(void *left)
{
    int i;

    for (i = 0; i < 1000; i++)
        defer(count_down, left);
    return 0;
}

IN_TASK(there_may_be_any_number_T6)
{
    int left = 1000;

    EXPECT_INT(in_child(defers_many, &left), 0);
    EXPECT_INT(left, 0);
    return 0;
}

static int defer_another(void *arg)
{
    kit_log("outer");
    defer(log_word, arg);
    return 0;
}

static int defers_in_defers(void *arg)
{
    (void)arg;
    defer(log_word, a_word);
    defer(defer_another, b_word);
    return 0;
}

IN_TASK(one_may_defer_another_which_is_next_T6)
{
    EXPECT_INT(in_child(defers_in_defers, NULL), 0);
    EXPECT_LOG("outer b a");
    return 0;
}

static int has_a_nursery(void *arg)
{
    ROOST_NURSERY(n);
    defer(log_word, a_word);
    KID(n, .forever = true, .cleanup_ms = 5, .name = "kid");
    roost_ignore(roost_checkpoint());
    return arg ? roost_nursery_close(n, -EIO) : 0; /* else the guard does it */
}

IN_TASK_GUARDS(after_the_tasks_nurseries_are_closed_T6, 1)
{
    EXPECT_INT(in_child(has_a_nursery, a_word), -EIO);
    EXPECT_LOG("kid a");
    kit_stderr_begin();
    EXPECT_INT(in_child(has_a_nursery, NULL), 0);
    kit_stderr_end();
    EXPECT_LOG("kid a");
    return 0;
}

static int sleep_5(void *word)
{
    int r = roost_sleep(ROOST_MS(5));

    kit_log(word);
    return r;
}

static int defers_a_sleep(void *arg)
{
    defer(sleep_5, a_word);
    return *(int *)arg;
}

IN_TASK(before_the_owner_sees_the_result_T6)
{
    roost_child c = { 0 };
    int seven = 7, no = -EIO;

    ROOST_NURSERY(n);
    roost_spawn_with(n, defers_a_sleep, &seven,
                     &(roost_spawn_options){ .child = &c });
    EXPECT_INT(roost_child_end(&c, "test"), 7);
    EXPECT_INT(kit_ms(), 5);
    EXPECT_LOG("a");
    roost_spawn(n, defers_a_sleep, &no);
    EXPECT_INT(roost_sleep(ROOST_MS(3)), 0); /* it has failed, and not ended */
    EXPECT_INT(roost_sleep(ROOST_MS(3)), -ECANCELED);
    EXPECT_INT(roost_nursery_close(n, -ECANCELED), -EIO);
    EXPECT_INT(kit_ms(), 10);
    EXPECT_LOG("a");
    return 0;
}

static int defers_and_starts(void *arg)
{
    (void)arg;
    defer(sleep_5, a_word);
    return -EIO;
}

IN_TASK(start_returns_when_they_have_run_T6)
{
    ROOST_NURSERY(n);
    EXPECT_INT(roost_start(n, defers_and_starts, NULL), -EIO);
    EXPECT_INT(kit_ms(), 5);
    EXPECT_LOG("a");
    return roost_nursery_close(n, 0);
}

/* ---- under one shield ---- */

struct nap {
    int ms, slept;
};

static int take_nap(void *arg)
{
    struct nap *nap = arg;
    int r = roost_sleep(ROOST_MS(nap->ms));

    nap->slept = r < 0 ? r : nap->ms;
    return r;
}

static struct nap naps[2];

static int naps_when_cut(void *arg)
{
    (void)arg;
    defer(take_nap, &naps[1]);
    defer(take_nap, &naps[0]);
    return roost_sleep_until(ROOST_NEVER);
}

/* Cut at 10 ms. */
static int cut_naps(void *arg)
{
    (void)arg;
    ROOST_NURSERY_WITH(n, .deadline = roost_after(ROOST_MS(10)));
    roost_spawn(n, naps_when_cut, NULL);
    return roost_nursery_close(n, 0);
}

IN_TASK(a_cancelled_task_has_5_s_for_all_of_them_together_T6)
{
    naps[0] = naps[1] = (struct nap){ 2000, 0 };
    EXPECT_INT(cut_naps(NULL), -ETIMEDOUT);
    EXPECT_INT(naps[0].slept, 2000);
    EXPECT_INT(naps[1].slept, 2000);
    EXPECT_INT(kit_ms(), 4010);
    naps[0] = naps[1] = (struct nap){ 3000, 0 };
    EXPECT_INT(cut_naps(NULL), -ETIMEDOUT);
    EXPECT_INT(naps[0].slept, 3000);
    EXPECT_INT(naps[1].slept, -ECANCELED);
    EXPECT_INT(kit_ms(), 4010 + 5010);
    return 0;
}

static int expect_1_s(void *arg)
{
    naps[0] = naps[1] = (struct nap){ 700, 0 };
    EXPECT_INT(cut_naps(arg), -ETIMEDOUT);
    EXPECT_INT(naps[0].slept, 700);
    EXPECT_INT(naps[1].slept, -ECANCELED);
    EXPECT_INT(kit_ms(), 1010);
    return 0;
}

static void the_budget_is_an_option_T6(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL,
                        .defer_budget = ROOST_SEC(1) };

    (void)state;
    assert_int_equal(kit_run_with(&o, expect_1_s, NULL), 0);
}

static int naps_at_its_end(void *arg)
{
    (void)arg;
    defer(take_nap, &naps[0]);
    return 0;
}

IN_TASK(a_cancellation_during_them_starts_the_budget_then_T6)
{
    ROOST_NURSERY_WITH(n, .deadline = roost_after(ROOST_SEC(60)));
    naps[0] = (struct nap){ 64000, 0 };
    roost_spawn(n, naps_at_its_end, NULL);
    EXPECT_INT(roost_nursery_close(n, 0), 0); /* nobody was cut: it had ended */
    EXPECT_INT(naps[0].slept, 64000);
    ROOST_NURSERY_WITH(m, .deadline = roost_after(ROOST_SEC(60)));
    naps[0] = (struct nap){ 66000, 0 };
    roost_spawn(m, naps_at_its_end, NULL);
    EXPECT_INT(roost_nursery_close(m, 0), 0);
    EXPECT_INT(naps[0].slept, -ECANCELED);
    EXPECT_INT(kit_ms(), 64000 + 65000);
    return 0;
}

static int works_in_a_nursery(void *word)
{
    int r;

    ROOST_NURSERY(n);
    KID(n, .ms = 20, .name = "kid");
    r = roost_nursery_close(n, 0);
    kit_log(word);
    return r;
}

static int defers_work(void *arg)
{
    (void)arg;
    defer(works_in_a_nursery, a_word);
    return roost_sleep_until(ROOST_NEVER);
}

IN_TASK(the_shield_covers_the_children_they_spawn_T6)
{
    ROOST_NURSERY(n);
    roost_spawn(n, defers_work, NULL);
    EXPECT_INT(roost_checkpoint(), 0);
    roost_nursery_cancel(n, "test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("kid a");
    return 0;
}

static int waits_for_ever(void *word)
{
    int r = roost_sleep_until(ROOST_NEVER);

    kit_log(r == -ECANCELED ? word : "what?");
    return r;
}

static int defers_waits(void *arg)
{
    (void)arg;
    defer(waits_for_ever, b_word);
    defer(waits_for_ever, a_word);
    return roost_sleep_until(ROOST_NEVER);
}

static int deadlocks(void *arg)
{
    ROOST_NURSERY(n);
    roost_spawn(n, defers_waits, arg);
    EXPECT_INT(roost_nursery_close(n, 0), -ECANCELED);
    EXPECT_LOG("a b");
    return 0;
}

/* The deadlock's cancel cuts the body; the pierce, all that is deferred. */
static void pierced_each_still_runs_T6(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL,
                        .defer_budget = ROOST_NEVER };

    (void)state;
    kit_stderr_begin();
    assert_int_equal(kit_run_with(&o, deadlocks, NULL), -EDEADLK);
    assert_int_equal(kit_run_with(&o, defers_waits, NULL), -EDEADLK);
    kit_stderr_end();
}

/* ---- failures ---- */

static int fail_code(void *code)
{
    return roost_fail(*(int *)code, "deferred");
}

struct mix {
    int body, first, second; /* 0: no such failure */
};

static int fails_mixed(void *arg)
{
    struct mix *m = arg;

    if (m->second)
        defer(fail_code, &m->second);
    if (m->first)
        defer(fail_code, &m->first);
    defer(log_word, d_word);
    return m->body == -ECANCELED ? roost_sleep_until(ROOST_NEVER)
           : m->body < 0 ? roost_fail(m->body, "of the body") : m->body;
}

static int mixed(int body, int first, int second)
{
    struct mix m = { body, first, second };
    roost_child c = { 0 };
    int r, ended;

    ROOST_NURSERY(n);
    roost_spawn_with(n, fails_mixed, &m, &(roost_spawn_options){ .child = &c });
    roost_ignore(roost_checkpoint());
    ended = roost_child_end(&c, "test");
    r = roost_nursery_close(n, 0);
    EXPECT_INT(r, ended < 0 ? ended : 0);
    EXPECT_LOG("d");
    return ended;
}

IN_TASK(a_failure_of_one_becomes_the_tasks_T6)
{
    EXPECT_INT(mixed(7, -EIO, 0), -EIO);
    EXPECT_HAS(kit_error(roost_error_of(-EIO)), "deferred");
    return 0;
}

IN_TASK(the_first_of_two_is_the_result_the_next_beside_it_T6)
{
    EXPECT_INT(mixed(0, -EIO, -EPERM), -EIO);
    EXPECT_HAS(kit_error(roost_error_of(-EIO)), "also: deferred: Operation not");
    return 0;
}

IN_TASK(beside_the_bodys_failure_it_is_appended_T6)
{
    EXPECT_INT(mixed(-EBADF, -EIO, -EPERM), -EBADF);
    EXPECT_HAS(kit_error(roost_error_of(-EBADF)), "of the body");
    EXPECT_HAS(kit_error(roost_error_of(-EBADF)), "(EIO, ");
    EXPECT_HAS(kit_error(roost_error_of(-EBADF)), "(EPERM, ");
    return 0;
}

IN_TASK(a_real_failure_of_one_beats_the_bodys_ECANCELED_T6)
{
    EXPECT_INT(mixed(-ECANCELED, -EIO, 0), -EIO);
    EXPECT_INT(mixed(-ECANCELED, 0, 0), 0); /* cut by its handle */
    return 0;
}

IN_TASK(an_ECANCELED_of_one_is_no_failure_T6)
{
    EXPECT_INT(mixed(4, -ECANCELED, 0), 4);
    EXPECT_INT(mixed(-EIO, -ECANCELED, 0), -EIO);
    return 0;
}

static void leave_a_failure(void)
{
    ROOST_NURSERY(n);
    KID(n, .result = -EIO);
    roost_ignore(roost_checkpoint());
}

static int keeps_and_defers(void *arg)
{
    defer(fail_code, arg);
    leave_a_failure();
    return 3;
}

static int defer_a_leave(void *arg)
{
    (void)arg;
    leave_a_failure();
    return 0;
}

static int defers_a_leave(void *arg)
{
    (void)arg;
    defer(log_word, a_word);
    defer(defer_a_leave, NULL);
    return 3;
}

/* What a guard found is the task's failure before anything deferred runs. */
IN_TASK_GUARDS(beside_what_a_guard_found_it_is_appended_N5, 2)
{
    int r, code = -EPERM;

    kit_stderr_begin();
    r = in_child(keeps_and_defers, &code);
    EXPECT_INT(r, -EIO);
    EXPECT_HAS(kit_error(roost_error_of(r)), "EPERM");
    EXPECT_INT(in_child(defers_a_leave, NULL), -EIO);
    EXPECT_LOG("a");
    kit_stderr_end();
    return 0;
}

/* ---- at the edges ---- */

static bool no_memory;

static void *alloc_or_not(size_t bytes)
{
    return no_memory ? NULL : malloc(bytes);
}

static int defers_short_of_memory(void *arg)
{
    int i, r = 0;

    (void)arg;
    defer(log_word, a_word);
    no_memory = true;
    for (i = 1; i < 100 && r == 0; i++)
        r = roost_defer(log_word, b_word);
    no_memory = false;
    EXPECT_INT(r, -ENOMEM);
    EXPECT_INT(roost__self()->links.defer_count, i - 1);
    defer(log_word, c_word); /* and there is memory again */
    return 0;
}

static int expect_no_memory(void *arg)
{
    EXPECT_INT(in_child(defers_short_of_memory, arg), 0);
    EXPECT_LOG("c b b b b b b b a");
    return 0;
}

static void without_memory_it_is_refused_and_not_called_T6(void **state)
{
    struct roost_sys sys = roost__sys_default;
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL, .sys = &sys };

    (void)state;
    sys.alloc = alloc_or_not;
    assert_int_equal(kit_run_with(&o, expect_no_memory, NULL), 0);
}

static int open_scope(void *arg)
{
    roost_scope_enter_at(arg, ROOST_NEVER, "entered.c:2");
    return 0;
}

static int defers_a_scope(void *arg)
{
    defer(open_scope, arg);
    return 0;
}

static int dies_of_a_scope(void *arg)
{
    static roost_scope s;

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn_at(n, defers_a_scope, &s, "spawned.c:1");
    return roost_nursery_close(n, 0);
}

static void one_that_leaves_a_scope_open_is_misuse_T5(void **state)
{
    (void)state;
    kit_dies(dies_of_a_scope, NULL, "spawned.c:1", "entered.c:2",
             "deferred function", NULL);
}

static int defer_outside(void *arg)
{
    return roost_defer(log_word, arg);
}

static void outside_a_task_it_is_misuse_T5(void **state)
{
    (void)state;
    kit_dies_outside(defer_outside, NULL, "roost_defer", "outside a task",
                     NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_run_at_the_end_in_reverse_each_once_T6),
        cmocka_unit_test(in_the_main_task_too_T6),
        cmocka_unit_test(there_may_be_any_number_T6),
        cmocka_unit_test(one_may_defer_another_which_is_next_T6),
        cmocka_unit_test(after_the_tasks_nurseries_are_closed_T6),
        cmocka_unit_test(before_the_owner_sees_the_result_T6),
        cmocka_unit_test(start_returns_when_they_have_run_T6),
        cmocka_unit_test(a_cancelled_task_has_5_s_for_all_of_them_together_T6),
        cmocka_unit_test(the_budget_is_an_option_T6),
        cmocka_unit_test(a_cancellation_during_them_starts_the_budget_then_T6),
        cmocka_unit_test(the_shield_covers_the_children_they_spawn_T6),
        cmocka_unit_test(pierced_each_still_runs_T6),
        cmocka_unit_test(a_failure_of_one_becomes_the_tasks_T6),
        cmocka_unit_test(the_first_of_two_is_the_result_the_next_beside_it_T6),
        cmocka_unit_test(beside_the_bodys_failure_it_is_appended_T6),
        cmocka_unit_test(a_real_failure_of_one_beats_the_bodys_ECANCELED_T6),
        cmocka_unit_test(an_ECANCELED_of_one_is_no_failure_T6),
        cmocka_unit_test(beside_what_a_guard_found_it_is_appended_N5),
        cmocka_unit_test(without_memory_it_is_refused_and_not_called_T6),
        cmocka_unit_test(one_that_leaves_a_scope_open_is_misuse_T5),
        cmocka_unit_test(outside_a_task_it_is_misuse_T5),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
