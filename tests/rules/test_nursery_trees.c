/* test_nursery_trees.c - nurseries in nurseries: whom a cancellation or a failure
 *                        reaches, and what comes out at the top.
 *
 * Many cases are those that the suites of Trio, AnyIO and corral assert, in
 * roost's terms; the ones that do not fit are listed at the end.
 */
#include "rules/children.h"

#include "core/rt.h"

/* ---- three deep ---- */

struct deep {
    roost_scope *middle;
    int inner, middle_result, outer;
};

static int innermost(void *arg)
{
    struct deep *d = arg;

    ROOST_NURSERY(n);
    KID(n, .forever = true, .name = "inner");
    d->inner = roost_nursery_close(n, 1);
    return d->inner;
}

static int middle(void *arg)
{
    struct deep *d = arg;

    ROOST_NURSERY(n);
    d->middle = roost_nursery_scope(n);
    roost_spawn(n, innermost, d);
    KID(n, .forever = true, .name = "middle");
    d->middle_result = roost_nursery_close(n, 2);
    kit_log("middle closed");
    return d->middle_result;
}

IN_TASK(cancelling_the_middle_ends_the_inner_and_not_the_outer_N2)
{
    struct deep d = { 0 };

    ROOST_NURSERY(n);
    roost_spawn(n, middle, &d);
    KID(n, .ms = 50, .name = "outer");
    EXPECT_INT(roost_sleep(ROOST_MS(5)), 0);
    roost_scope_cancel(d.middle, "test");
    EXPECT_INT(roost_sleep(ROOST_MS(5)), 0);
    EXPECT_LOG("middle inner middle closed"); /* D5: inner scopes later */
    EXPECT_INT(d.inner, -ECANCELED);
    EXPECT_INT(d.middle_result, 2);
    EXPECT_INT(roost_nursery_close(n, 3), 3);
    EXPECT_INT(kit_ms(), 50);
    EXPECT_LOG("outer");
    return 0;
}

IN_TASK(the_same_in_one_task_N2)
{
    ROOST_NURSERY(a);
    KID(a, .ms = 50, .name = "a");
    ROOST_NURSERY(b);
    KID(b, .forever = true, .name = "b");
    ROOST_NURSERY(c);
    KID(c, .forever = true, .name = "c");
    cancel_later(a, roost_nursery_scope(b), 5);
    EXPECT_INT(roost_nursery_close(c, 1), -ECANCELED);
    EXPECT(!roost_scope_caught(NULL));
    EXPECT_INT(roost_nursery_close(b, -ECANCELED), 0);
    EXPECT(roost_scope_caught(NULL));
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_nursery_close(a, 3), 3);
    EXPECT_LOG("b c a"); /* tasks in a scope first, then inner scopes */
    return 0;
}

static int two_leaves(void *leaves)
{
    ROOST_NURSERY(n);
    KID(n, .forever = true, .ended = leaves);
    KID(n, .forever = true, .ended = leaves);
    return roost_nursery_close(n, 0);
}

/* trio test_cancel_inheritance */
IN_TASK(cancelling_reaches_every_leaf_N3)
{
    int leaves = 0;

    ROOST_NURSERY(n);
    roost_spawn(n, two_leaves, &leaves);
    roost_spawn(n, two_leaves, &leaves);
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_checkpoint(), 0);
    roost_nursery_cancel(n, "test");
    EXPECT_INT(leaves, 0); /* no task code ran */
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(leaves, 4);
    return 0;
}

static int fails_deep_down(void *arg)
{
    int depth = *(int *)arg, next = depth - 1, r;

    if (!depth)
        return roost_fail(-EIO, "at the bottom");
    ROOST_NURSERY(n);
    roost_spawn(n, fails_deep_down, &next);
    KID(n, .forever = true);
    r = roost_nursery_close(n, 0);
    return r < 0 ? roost_fail(r, "level %d", depth) : r;
}

IN_TASK(a_failure_comes_up_through_every_level_N2)
{
    int depth = 40, r;

    r = fails_deep_down(&depth);
    EXPECT_INT(r, -EIO);
    EXPECT_HAS(kit_error(roost_error_of(r)), "at the bottom");
    EXPECT_HAS(kit_error(roost_error_of(r)), "level 7"); /* a chain has 8 */
    EXPECT_HAS(kit_error(roost_error_of(r)), "also: 33 more");
    EXPECT_INT(kit_ms(), 0);
    return 0;
}

/* ---- real failures and cancellations mixed ---- */

/* trio test_cancel_scope_exceptiongroup_filtering: the nursery is cancelled,
 * then what is around it, and one child fails. */
IN_TASK(among_cancellations_the_real_failure_comes_out_N2)
{
    ROOST_SCOPE(s);
    ROOST_NURSERY(n);
    KID(n, .forever = true);
    KID(n, .forever = true);
    KID(n, .forever = true, .cut = -EIO);
    EXPECT_INT(roost_checkpoint(), 0);
    roost_nursery_cancel(n, "inner");
    roost_scope_cancel(s, "outer");
    EXPECT_INT(roost_nursery_close(n, roost_checkpoint()), -EIO);
    EXPECT_INT(roost_scope_leave(s, -EIO), -EIO);
    EXPECT(!roost_scope_caught(s));
    return 0;
}

static int fails_in_a_nursery_of_its_own(void *arg)
{
    (void)arg;
    ROOST_NURSERY(n);
    KID(n, .forever = true);
    KID(n, .forever = true, .cut = -EBADF);
    return roost_nursery_close(n, 0);
}

/* trio test_nursery_collapse */
IN_TASK(both_real_failures_are_kept_when_the_outer_is_cancelled_N4)
{
    int r;

    ROOST_NURSERY(n);
    roost_spawn(n, fails_in_a_nursery_of_its_own, NULL);
    KID(n, .forever = true, .cut = -EIO);
    KID(n, .forever = true);
    EXPECT_INT(roost_checkpoint(), 0);
    roost_nursery_cancel(n, "test");
    r = roost_nursery_close(n, roost_checkpoint());
    EXPECT_INT(r, -EIO);
    EXPECT_HAS(kit_error(roost_error_of(r)), "EBADF");
    return 0;
}

/* anyio test_exception_group_host: the cut child fails, the body had failed. */
IN_TASK(the_body_and_its_children_fail_together_N4)
{
    int r;

    ROOST_NURSERY(n);
    KID(n, .forever = true, .cleanup_ms = 1, .cut = -EIO);
    EXPECT_INT(roost_sleep(ROOST_MS(5)), 0);
    r = roost_nursery_close(n, -EPERM);
    EXPECT_INT(r, -EPERM);
    EXPECT_INT(kit_ms(), 6);
    EXPECT_HAS(kit_error(roost_error_of(r)), "also: Input/output error");
    return 0;
}

/* anyio test_nested_task_groups filtering: a tree of failures prints as one. */
IN_TASK(an_inner_nurserys_failures_hang_below_its_own_N4)
{
    int r;

    ROOST_NURSERY(n);
    KID(n, .ms = 9, .result = -EPERM);
    roost_spawn(n, fails_in_a_nursery_of_its_own, NULL);
    r = roost_nursery_close(n, 0);
    EXPECT_INT(r, -EPERM);
    EXPECT_HAS(kit_error(roost_error_of(r)), "also: Bad file descriptor");
    EXPECT(!strstr(kit_error(roost_error_of(r)), "ECANCELED"));
    return 0;
}

IN_TASK(of_many_cancellations_one_goes_up_N2)
{
    ROOST_NURSERY(o);
    ROOST_SCOPE(s);
    cancel_later(o, s, 5);
    ROOST_NURSERY(n);
    KID(n, .forever = true);
    roost_spawn(n, two_leaves, &(int){ 0 });
    EXPECT_INT(roost_nursery_close(n, roost_sleep(ROOST_SEC(1))), -ECANCELED);
    EXPECT(!roost_error_of(-ECANCELED));
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), 0);
    return roost_nursery_close(o, 0);
}

/* anyio test_timeout_error_with_multiple_cancellations */
static int three_sleepers(void *arg)
{
    (void)arg;
    ROOST_NURSERY(n);
    KID(n, .forever = true);
    KID(n, .forever = true);
    KID(n, .forever = true);
    return roost_nursery_close(n, 0);
}

IN_TASK(a_timeout_around_a_nursery_is_one_timeout_N2)
{
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(9), three_sleepers(NULL)), -ETIMEDOUT);
    EXPECT(roost_scope_caught(NULL));
    EXPECT_INT(kit_ms(), 9);
    return roost_checkpoint();
}

/* ---- who is reached ---- */

static int leave_own_scope_cancelled(void *arg)
{
    (void)arg;
    ROOST_SCOPE(s);
    roost_scope_cancel(s, "its own");
    return roost_scope_leave(s, roost_checkpoint());
}

/* anyio test_cancel_scope_in_child_task */
IN_TASK(a_childs_own_scope_does_not_cancel_the_nursery_N3)
{
    ROOST_NURSERY(n);
    roost_spawn(n, leave_own_scope_cancelled, NULL);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    EXPECT(!roost_scope_cancelled(roost_nursery_scope(n)));
    return roost_nursery_close(n, 0);
}

static int publish_scope(void *arg)
{
    roost_scope **at = arg;

    ROOST_SCOPE(s);
    *at = s;
    return roost_scope_leave(s, roost_sleep_until(ROOST_NEVER));
}

/* anyio test_cancel_scope_in_another_task */
IN_TASK(the_parent_may_cancel_a_scope_in_a_child_N3)
{
    roost_scope *in_child = NULL;

    ROOST_NURSERY(n);
    roost_spawn(n, publish_scope, &in_child);
    KID(n, .ms = 10, .name = "the other");
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    roost_scope_cancel(in_child, "test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("the other");
    return 0;
}

/* anyio test_cancel_child_task_when_host_is_shielded */
IN_TASK(children_outside_the_bodys_shield_are_reached_N3)
{
    ROOST_NURSERY(o);
    ROOST_SCOPE(s);
    cancel_later(o, s, 5);
    ROOST_NURSERY(n);
    KID(n, .forever = true, .name = "cut");
    EXPECT_INT(ROOST_SHIELDED(ROOST_SEC(1), roost_sleep(ROOST_MS(10))), 0);
    EXPECT_LOG("cut");
    EXPECT_INT(roost_nursery_close(n, roost_checkpoint()), -ECANCELED);
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), 0);
    return roost_nursery_close(o, 0);
}

static int shielded_nap(void *arg)
{
    (void)arg;
    roost_ignore(ROOST_SHIELDED(ROOST_SEC(9), roost_sleep(ROOST_MS(20))));
    kit_log("woke");
    return roost_checkpoint();
}

/* anyio test_cancel_with_nested_task_groups: it waits, it does not spin. */
IN_TASK(a_cancelled_nursery_waits_for_a_shielded_child_N1)
{
    ROOST_NURSERY(n);
    roost_spawn(n, shielded_nap, NULL);
    EXPECT_INT(roost_checkpoint(), 0);
    roost_nursery_cancel(n, "test");
    EXPECT_INT(roost_nursery_close(n, roost_checkpoint()), 0);
    EXPECT_INT(kit_ms(), 20);
    EXPECT_LOG("woke");
    return 0;
}

/* anyio test_cancel_exiting_task_group */
IN_TASK(a_nursery_may_be_cancelled_while_it_closes_N3)
{
    ROOST_NURSERY(o);
    ROOST_NURSERY(n);
    KID(n, .forever = true, .cleanup_ms = 4);
    cancel_later(o, roost_nursery_scope(n), 5);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 9);
    return roost_nursery_close(o, 0);
}

static int cancel_the_nursery(void *n)
{
    int r = roost_sleep(ROOST_MS(5));

    roost_nursery_cancel(n, "from a child");
    return r;
}

/* corral nursery-multi-cancel, nursery-sync-cancel */
IN_TASK(several_children_may_cancel_it_N3)
{
    ROOST_NURSERY(n);
    roost_spawn(n, cancel_the_nursery, n);
    roost_spawn(n, cancel_the_nursery, n);
    KID(n, .forever = true, .name = "cut");
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_INT(roost_nursery_close(n, -ECANCELED), 0);
    EXPECT_INT(kit_ms(), 5);
    EXPECT_LOG("cut");
    return 0;
}

static int spawn_into_cancelled(void *n)
{
    EXPECT_INT(roost_sleep(ROOST_SEC(9)), -ECANCELED);
    EXPECT_INT(KID(n, .forever = true, .name = "born late"), 0);
    return roost_checkpoint();
}

/* anyio test_cancelled_parent */
IN_TASK(a_cancelled_child_may_still_spawn_a_sibling_N7)
{
    ROOST_NURSERY(n);
    roost_spawn(n, spawn_into_cancelled, n);
    EXPECT_INT(roost_checkpoint(), 0);
    roost_nursery_cancel(n, "test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("born late");
    return 0;
}

/* anyio test_cancel_twice */
IN_TASK(one_task_can_be_cancelled_in_nursery_after_nursery_N2)
{
    int i;

    for (i = 0; i < 2; i++) {
        ROOST_NURSERY(n);
        roost_nursery_cancel(n, "test");
        EXPECT_INT(roost_nursery_close(n, roost_checkpoint()), 0);
    }
    return roost_checkpoint();
}

/* corral nursery-cancel-exception */
IN_TASK(a_nursery_cancelled_by_hand_returns_a_later_failure_N2)
{
    ROOST_NURSERY(n);
    KID(n, .forever = true, .cleanup_ms = 3, .cut = -EIO);
    EXPECT_INT(roost_checkpoint(), 0);
    roost_nursery_cancel(n, "test");
    EXPECT_INT(roost_nursery_close(n, 0), -EIO);
    EXPECT_INT(kit_ms(), 3);
    return 0;
}

/* corral nursery-imm-fail-sibling: the earlier sibling begins, is cut. */
IN_TASK(a_child_that_fails_at_once_cuts_the_one_before_it_N3)
{
    ROOST_NURSERY(n);
    KID(n, .forever = true, .name = "began");
    KID(n, .result = -EIO, .name = "failed");
    KID(n, .forever = true, .name = "began too");
    EXPECT_INT(roost_nursery_close(n, 0), -EIO);
    EXPECT_LOG("failed began too began"); /* the last: born cancelled */
    return 0;
}

/* corral nursery-imm-fail-nursery-block */
IN_TASK(a_body_that_fails_at_once_lets_its_child_begin_T3)
{
    ROOST_NURSERY(n);
    KID(n, .forever = true, .name = "began");
    EXPECT_INT(roost_nursery_close(n, -EIO), -EIO);
    EXPECT_LOG("began");
    return 0;
}

static int fail_eio_slowly(void *arg)
{
    (void)arg;
    return ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_MS(5))) < 0 ? -EPERM
                                                                     : -EIO;
}

/* trio test_task_crash_propagation */
IN_TASK(a_sibling_may_swallow_and_the_failure_still_comes_out_N2)
{
    ROOST_NURSERY(n);
    KID(n, .forever = true, .cut = 1, .name = "swallowed");
    KID(n, .ms = 5, .result = -EIO);
    EXPECT_INT(roost_nursery_close(n, 3), -EIO);
    EXPECT_LOG("swallowed");
    return 0;
}

/* corral throwing-awaitable: a branch that cannot be cut is waited for. */
IN_TASK(a_failure_waits_for_a_branch_that_cannot_be_cut_N12)
{
    ROOST_NURSERY(n);
    KID(n, .result = -EBADF);
    roost_spawn(n, fail_eio_slowly, NULL);
    EXPECT_INT(roost_nursery_close(n, 0), -EBADF);
    EXPECT_INT(kit_ms(), 5);
    return 0;
}

/* trio test_cancel_reason_nursery: a sibling can tell who failed. */
static int tell_why(void *arg)
{
    (void)arg;
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_HAS(kit_why(NULL), "a failure in it (Input/output error)");
    EXPECT_HAS(kit_why(NULL), "at culprit.c:3");
    EXPECT_HAS(kit_why(NULL), "by main/task#");
    return 0;
}

IN_TASK(the_origin_of_a_cancellation_by_failure_is_the_failing_task_S16)
{
    ROOST_NURSERY(n);
    roost_spawn(n, tell_why, NULL);
    roost_spawn_at(n, kit_fail_eio, NULL, "culprit.c:3");
    EXPECT_INT(roost_nursery_close(n, 0), -EIO);
    return 0;
}

static int tell_why_body(void *arg)
{
    (void)arg;
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_HAS(kit_why(NULL), "at body.c:4, by main,");
    return 0;
}

/* trio test_nested_child_source */
IN_TASK(the_origin_of_a_bodys_failure_is_its_close_S16)
{
    ROOST_NURSERY(n);
    roost_spawn(n, tell_why_body, NULL);
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_nursery_close_at(n, -EIO, "body.c:4"), -EIO);
    return 0;
}

/* anyio test_cancel_with_reason */
static int tell_reason(void *arg)
{
    (void)arg;
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_HAS(kit_why(NULL), "\"the user pressed ^C\"");
    return 0;
}

IN_TASK(the_reason_given_reaches_the_child_S16)
{
    ROOST_NURSERY(n);
    roost_spawn(n, tell_reason, NULL);
    EXPECT_INT(roost_checkpoint(), 0);
    roost_nursery_cancel(n, "the user pressed ^C");
    return roost_nursery_close(n, 0);
}

/* Of the other suites, not here:
 *   trio test_system_task_crash, test_internal_error_old_nursery_multiple_tasks:
 *     there are no system tasks, and start has no nursery of its own.
 *   trio test_task_tree_introspection, test_root_task: no public pointers from
 *     task to task; the tree is printed.
 *   anyio test_taskgroup_reentry: open initialises; a second close is misuse.
 *   corral open-nursery, nursery-async-close: no nursery without a body, and no
 *     callback at its end; a task closes it and goes on.
 *   corral shared, mux, any_of, all_of, most_of: no such calls.
 *   corral multiverse: a run inside a run is misuse.
 */
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancelling_the_middle_ends_the_inner_and_not_the_outer_N2),
        cmocka_unit_test(the_same_in_one_task_N2),
        cmocka_unit_test(cancelling_reaches_every_leaf_N3),
        cmocka_unit_test(a_failure_comes_up_through_every_level_N2),
        cmocka_unit_test(among_cancellations_the_real_failure_comes_out_N2),
        cmocka_unit_test(both_real_failures_are_kept_when_the_outer_is_cancelled_N4),
        cmocka_unit_test(the_body_and_its_children_fail_together_N4),
        cmocka_unit_test(an_inner_nurserys_failures_hang_below_its_own_N4),
        cmocka_unit_test(of_many_cancellations_one_goes_up_N2),
        cmocka_unit_test(a_timeout_around_a_nursery_is_one_timeout_N2),
        cmocka_unit_test(a_childs_own_scope_does_not_cancel_the_nursery_N3),
        cmocka_unit_test(the_parent_may_cancel_a_scope_in_a_child_N3),
        cmocka_unit_test(children_outside_the_bodys_shield_are_reached_N3),
        cmocka_unit_test(a_cancelled_nursery_waits_for_a_shielded_child_N1),
        cmocka_unit_test(a_nursery_may_be_cancelled_while_it_closes_N3),
        cmocka_unit_test(several_children_may_cancel_it_N3),
        cmocka_unit_test(a_cancelled_child_may_still_spawn_a_sibling_N7),
        cmocka_unit_test(one_task_can_be_cancelled_in_nursery_after_nursery_N2),
        cmocka_unit_test(a_nursery_cancelled_by_hand_returns_a_later_failure_N2),
        cmocka_unit_test(a_child_that_fails_at_once_cuts_the_one_before_it_N3),
        cmocka_unit_test(a_body_that_fails_at_once_lets_its_child_begin_T3),
        cmocka_unit_test(a_sibling_may_swallow_and_the_failure_still_comes_out_N2),
        cmocka_unit_test(a_failure_waits_for_a_branch_that_cannot_be_cut_N12),
        cmocka_unit_test(the_origin_of_a_cancellation_by_failure_is_the_failing_task_S16),
        cmocka_unit_test(the_origin_of_a_bodys_failure_is_its_close_S16),
        cmocka_unit_test(the_reason_given_reaches_the_child_S16),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
