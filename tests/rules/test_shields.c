/* test_shields.c - what a shield keeps out, for how long, and what shows when
 *                  it is left (S12, S13); deadlines seen through it (S3).
 */
#include "rules/in_task.h"

/* ---- what reaches in ---- */

IN_TASK(an_outer_cancellation_waits_until_the_shield_is_left_S12)
{
    roost_scope outer, shield;

    roost_scope_enter(&outer, ROOST_NEVER);
    roost_shield_enter(&shield, ROOST_NEVER);
    roost_scope_cancel(&outer, "test");
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_cancelled(), 0);
    EXPECT_INT(roost_sleep(ROOST_MS(100)), 0);
    EXPECT_INT(roost_scope_leave(&shield, 5), 5);
    EXPECT_INT(roost_cancelled(), -ECANCELED);
    EXPECT_INT(roost_sleep(ROOST_MS(100)), -ECANCELED);
    EXPECT_INT(kit_ms(), 100);
    EXPECT(!roost_scope_caught(&shield));
    EXPECT_INT(roost_scope_leave(&outer, -ECANCELED), 0);
    return 0;
}

IN_TASK(a_task_parked_in_a_shield_is_not_woken_S12)
{
    roost_scope outer, shield;
    int r;

    ROOST_NURSERY(n);
    roost_scope_enter(&outer, ROOST_NEVER);
    cancel_later(n, &outer, 3);
    roost_shield_enter(&shield, ROOST_NEVER);
    EXPECT_INT(roost_sleep(ROOST_MS(10)), 0);
    EXPECT_INT(kit_ms(), 10);
    EXPECT(roost_scope_cancelled(&outer) && !roost_scope_cancelled(&shield));
    r = roost_scope_leave(&shield, 0);
    EXPECT_INT(roost_scope_leave(&outer, roost_checkpoint()), 0);
    return roost_nursery_close(n, r);
}

IN_TASK(scopes_inside_a_shield_cancel_as_usual_S12)
{
    roost_scope outer, shield, inner;

    roost_scope_enter(&outer, ROOST_NEVER);
    roost_scope_cancel(&outer, "outer");
    roost_shield_enter(&shield, ROOST_NEVER);
    roost_scope_enter(&inner, ROOST_NEVER);
    roost_scope_cancel(&inner, "inner");
    EXPECT_INT(roost_scope_leave(&inner, roost_checkpoint()), 0);
    EXPECT(roost_scope_caught(&inner));
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(4), roost_sleep(ROOST_SEC(1))),
               -ETIMEDOUT);
    EXPECT_INT(kit_ms(), 4);
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_scope_leave(&shield, 0), 0);
    EXPECT_INT(roost_scope_leave(&outer, roost_checkpoint()), 0);
    return 0;
}

IN_TASK(a_shields_own_cancel_works_and_ends_at_its_leave_S12)
{
    roost_scope shield;

    roost_shield_enter(&shield, ROOST_NEVER);
    roost_scope_cancel(&shield, "the shield itself");
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&shield, -ECANCELED), 0);
    EXPECT(roost_scope_caught(&shield));
    return 0;
}

/* Around it, up to the nearest unused shield, which it is, there is nothing. */
IN_TASK(a_cancelled_shield_absorbs_also_under_an_outer_cancellation_S4)
{
    roost_scope outer, shield;

    roost_scope_enter(&outer, ROOST_NEVER);
    roost_scope_cancel(&outer, "outer");
    roost_shield_enter(&shield, ROOST_NEVER);
    EXPECT_INT(roost_checkpoint(), 0);
    roost_scope_cancel(&shield, "the shield itself");
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&shield, -ECANCELED), 0);
    EXPECT(roost_scope_caught(&shield));
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&outer, -ECANCELED), 0);
    return 0;
}

/* The same the other way round, and with the budget gone before the leave. */
IN_TASK(a_cancelled_shield_whose_budget_is_gone_lets_it_pass_S5)
{
    roost_scope outer, shield, deaf;

    roost_scope_enter(&outer, ROOST_NEVER);
    roost_shield_enter(&shield, ROOST_MS(5));
    roost_scope_cancel(&shield, "the shield itself");
    roost_scope_cancel(&outer, "outer");
    roost_shield_enter(&deaf, ROOST_NEVER);
    EXPECT_INT(roost_sleep(ROOST_MS(9)), 0);
    EXPECT_INT(roost_scope_leave(&deaf, 0), 0);
    EXPECT_INT(roost_scope_leave(&shield, -ECANCELED), -ECANCELED);
    EXPECT(roost_scope_cancelled(&shield) && !roost_scope_caught(&shield));
    EXPECT_INT(roost_scope_leave(&outer, -ECANCELED), 0);
    return 0;
}

IN_TASK(after_its_own_deadline_a_shields_budget_runs_on_S5)
{
    roost_scope outer, shield, deaf;

    roost_scope_enter(&outer, ROOST_NEVER);
    roost_scope_cancel(&outer, "outer");
    roost_shield_enter(&shield, ROOST_MS(5));
    roost_scope_set_deadline(&shield, roost_after(ROOST_MS(3)));
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_INT(kit_ms(), 3);
    roost_shield_enter(&deaf, ROOST_NEVER);
    EXPECT_INT(roost_sleep(ROOST_MS(6)), 0);
    EXPECT_INT(roost_scope_leave(&deaf, 0), 0);
    EXPECT_INT(roost_scope_leave(&shield, -ECANCELED), -ECANCELED);
    EXPECT(roost_scope_cancelled(&shield) && !roost_scope_caught(&shield));
    return roost_scope_leave(&outer, -ECANCELED);
}

IN_TASK(a_shields_own_deadline_fires_S12)
{
    roost_scope shield, outer;

    roost_scope_enter(&outer, ROOST_NEVER);
    roost_shield_enter(&shield, ROOST_NEVER);
    roost_scope_set_deadline(&shield, roost_after(ROOST_MS(6)));
    roost_scope_cancel(&outer, "outer");
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_INT(kit_ms(), 6);
    EXPECT_INT(roost_scope_leave(&shield, -ECANCELED), -ETIMEDOUT);
    EXPECT(roost_scope_caught(&shield));
    EXPECT_INT(roost_scope_leave(&outer, roost_checkpoint()), 0);
    return 0;
}

IN_TASK(a_child_may_cancel_the_shield_that_the_body_sleeps_in_S12)
{
    roost_scope shield;

    ROOST_NURSERY(n);
    cancel_later(n, &shield, 2);
    roost_shield_enter(&shield, ROOST_NEVER);
    EXPECT_INT(roost_scope_leave(&shield, roost_sleep(ROOST_SEC(1))), 0);
    EXPECT_INT(kit_ms(), 2);
    return roost_nursery_close(n, 0);
}

/* ---- budgets ---- */

IN_TASK(a_budget_counts_from_the_arrival_of_the_cancellation_S12)
{
    roost_scope outer, shield;
    int r;

    ROOST_NURSERY(n);
    roost_scope_enter(&outer, ROOST_NEVER);
    cancel_later(n, &outer, 20);
    roost_shield_enter(&shield, ROOST_MS(5));
    r = roost_sleep(ROOST_SEC(1));
    EXPECT_INT(r, -ECANCELED);
    EXPECT_INT(kit_ms(), 25);
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    r = roost_scope_leave(&shield, r);
    EXPECT_INT(r, -ECANCELED);
    EXPECT(!roost_scope_cancelled(&shield) && !roost_scope_caught(&shield));
    EXPECT_INT(roost_scope_leave(&outer, r), 0);
    return roost_nursery_close(n, 0);
}

IN_TASK(a_budget_counts_from_entry_if_the_cancellation_was_there_S12)
{
    roost_scope outer, shield;
    int i;

    roost_scope_enter(&outer, ROOST_NEVER);
    roost_scope_cancel(&outer, "test");
    for (i = 1; i <= 3; i++) { /* in sequence: a budget each */
        roost_shield_enter(&shield, ROOST_MS(5));
        EXPECT_INT(roost_sleep(ROOST_MS(3)), 0);
        EXPECT_INT(roost_sleep(ROOST_MS(3)), -ECANCELED);
        EXPECT_INT(kit_ms(), i * 5);
        EXPECT_INT(roost_scope_leave(&shield, 0), 0);
    }
    return roost_scope_leave(&outer, -ECANCELED);
}

IN_TASK(a_budget_of_nothing_keeps_nothing_out_S12)
{
    roost_scope outer, shield;

    roost_shield_enter(&shield, 0);
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_scope_leave(&shield, 0), 0);
    roost_scope_enter(&outer, ROOST_NEVER);
    roost_scope_cancel(&outer, "test");
    roost_shield_enter(&shield, 0);
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&shield, -ECANCELED), -ECANCELED);
    roost_shield_enter(&shield, -1);
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&shield, -ECANCELED), -ECANCELED);
    return roost_scope_leave(&outer, -ECANCELED);
}

/* A cancellation arrives when it is made, whatever instant its deadline has. */
IN_TASK(a_deadline_moved_far_into_the_past_arrives_now_S12)
{
    roost_scope outer, shield;

    EXPECT_INT(roost_sleep(ROOST_SEC(60)), 0);
    roost_scope_enter(&outer, ROOST_NEVER);
    roost_shield_enter(&shield, ROOST_MS(5));
    roost_scope_set_deadline(&outer, roost_after(-ROOST_SEC(30)));
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_time_left(), ROOST_MS(5));
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_INT(kit_ms(), 60005);
    EXPECT_INT(roost_deadline(), roost_now());
    EXPECT_HAS(kit_why(&outer), "5.000 ms ago");
    EXPECT_INT(roost_scope_leave(&shield, -ECANCELED), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&outer, -ECANCELED), -ETIMEDOUT);
    return 0;
}

IN_TASK(nested_shields_add_their_budgets_S12)
{
    roost_scope outer, first, second;

    roost_scope_enter(&outer, roost_after(ROOST_MS(10)));
    roost_shield_enter(&first, ROOST_MS(5));
    roost_shield_enter(&second, ROOST_MS(3));
    EXPECT_INT(roost_time_left(), ROOST_MS(18));
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_INT(kit_ms(), 18);
    EXPECT_INT(roost_scope_leave(&second, -ECANCELED), -ECANCELED);
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&first, -ECANCELED), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&outer, -ECANCELED), -ETIMEDOUT);
    return 0;
}

IN_TASK(under_a_spent_outer_shield_the_inner_one_still_holds_S12)
{
    roost_scope outer, first, second;

    roost_scope_enter(&outer, ROOST_NEVER);
    roost_scope_cancel(&outer, "test");
    roost_shield_enter(&first, ROOST_MS(5));
    EXPECT_INT(roost_sleep(ROOST_MS(9)), -ECANCELED);
    roost_shield_enter(&second, ROOST_MS(4));
    EXPECT_INT(roost_sleep(ROOST_MS(3)), 0);
    EXPECT_INT(roost_scope_leave(&second, 0), 0);
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(kit_ms(), 8);
    EXPECT_INT(roost_scope_leave(&first, 0), 0);
    return roost_scope_leave(&outer, -ECANCELED);
}

/* ---- deadlines seen through shields ---- */

IN_TASK(the_deadline_through_a_shield_is_the_outer_one_plus_its_budget_S3)
{
    roost_time begin = roost_now();
    roost_scope outer, shield, inner;

    EXPECT_INT(roost_deadline(), ROOST_NEVER);
    EXPECT_INT(roost_time_left(), ROOST_NEVER);
    roost_scope_enter(&outer, begin + ROOST_MS(10));
    EXPECT_INT(roost_deadline(), begin + ROOST_MS(10));
    roost_shield_enter(&shield, ROOST_MS(5));
    EXPECT_INT(roost_deadline(), begin + ROOST_MS(15));
    EXPECT_INT(roost_time_left(), ROOST_MS(15));
    roost_scope_enter(&inner, begin + ROOST_MS(12));
    EXPECT_INT(roost_deadline(), begin + ROOST_MS(12));
    roost_scope_set_deadline(&inner, begin + ROOST_MS(17));
    EXPECT_INT(roost_deadline(), begin + ROOST_MS(15));
    EXPECT_INT(roost_scope_leave(&inner, 0), 0);
    EXPECT_INT(roost_sleep(ROOST_MS(11)), 0); /* outer is cancelled by now */
    EXPECT_INT(roost_deadline(), begin + ROOST_MS(15));
    EXPECT_INT(roost_time_left(), ROOST_MS(4));
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_INT(roost_now() - begin, ROOST_MS(15));
    EXPECT_INT(roost_deadline(), begin + ROOST_MS(15));
    EXPECT_INT(roost_time_left(), 0);
    EXPECT_INT(roost_scope_leave(&shield, 0), 0);
    EXPECT_INT(roost_deadline(), begin + ROOST_MS(10)); /* its instant */
    EXPECT_INT(roost_scope_leave(&outer, -ECANCELED), -ETIMEDOUT);
    EXPECT_INT(roost_deadline(), ROOST_NEVER);
    return 0;
}

IN_TASK(an_unbounded_shield_hides_the_outer_deadline_S3)
{
    roost_scope outer, shield, inner;

    roost_scope_enter(&outer, roost_after(ROOST_MS(10)));
    roost_shield_enter(&shield, ROOST_NEVER);
    EXPECT_INT(roost_deadline(), ROOST_NEVER);
    EXPECT_INT(roost_time_left(), ROOST_NEVER);
    roost_scope_enter(&inner, roost_after(ROOST_SEC(900)));
    EXPECT_INT(roost_time_left(), ROOST_SEC(900));
    EXPECT_INT(roost_scope_leave(&inner, 0), 0);
    roost_scope_set_deadline(&shield, roost_after(ROOST_MS(40)));
    EXPECT_INT(roost_time_left(), ROOST_MS(40));
    EXPECT_INT(roost_scope_leave(&shield, 0), 0);
    EXPECT_INT(roost_time_left(), ROOST_MS(10));
    roost_scope_set_deadline(&outer, ROOST_NEVER - 1);
    roost_shield_enter(&shield, ROOST_SEC(1));
    EXPECT_INT(roost_deadline(), ROOST_NEVER); /* it saturates */
    EXPECT_INT(roost_scope_leave(&shield, 0), 0);
    return roost_scope_leave(&outer, 0);
}

IN_TASK(cleanup_in_a_shield_leaves_the_cancellation_pending_S12)
{
    roost_scope outer, shield;

    roost_scope_enter(&outer, ROOST_NEVER);
    roost_scope_cancel(&outer, "test");
    EXPECT_INT(roost_time_left(), 0);
    EXPECT(roost_deadline() <= roost_now());
    roost_shield_enter(&shield, ROOST_NEVER);
    EXPECT_INT(roost_time_left(), ROOST_NEVER);
    EXPECT_INT(roost_scope_leave(&shield, 0), 0);
    EXPECT_INT(roost_time_left(), 0);
    return roost_scope_leave(&outer, roost_checkpoint());
}

IN_TASK(an_outer_deadline_moved_while_it_is_awaited_moves_the_pierce_S10)
{
    roost_scope outer, shield;

    ROOST_NURSERY(n);
    roost_scope_enter(&outer, roost_after(ROOST_MS(10)));
    move_later(n, &outer, 4, roost_after(ROOST_MS(30)));
    roost_shield_enter(&shield, ROOST_MS(5));
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_INT(kit_ms(), 35);
    EXPECT_INT(roost_scope_leave(&shield, -ECANCELED), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&outer, -ECANCELED), -ETIMEDOUT);
    return roost_nursery_close(n, 0);
}

/* ---- with nurseries ---- */

static int sleeper(void *arg)
{
    *(int *)arg = roost_sleep(ROOST_MS(50));
    return *(int *)arg;
}

IN_TASK(a_child_spawned_from_a_shield_into_an_outer_nursery_is_cut_S13)
{
    int outside = 1, inside = 1;
    roost_scope outer, shield;

    roost_scope_enter(&outer, ROOST_NEVER);
    ROOST_NURSERY(n);
    roost_shield_enter(&shield, ROOST_NEVER);
    ROOST_NURSERY(m);
    roost_spawn(n, sleeper, &outside);
    roost_spawn(m, sleeper, &inside);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    roost_scope_cancel(&outer, "test");
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(outside, -ECANCELED);
    EXPECT_INT(roost_nursery_close(m, 0), 0);
    EXPECT_INT(inside, 0);
    EXPECT_INT(kit_ms(), 50);
    EXPECT_INT(roost_scope_leave(&shield, 0), 0);
    EXPECT_INT(roost_nursery_close(n, 0), -ECANCELED);
    return roost_scope_leave(&outer, -ECANCELED);
}

IN_TASK(a_pierced_shield_cuts_the_children_inside_it_S12)
{
    int inside = 1;
    roost_scope outer, shield;

    roost_scope_enter(&outer, ROOST_NEVER);
    roost_scope_cancel(&outer, "test");
    roost_shield_enter(&shield, ROOST_MS(7));
    ROOST_NURSERY(m);
    roost_spawn(m, sleeper, &inside);
    EXPECT_INT(roost_nursery_close(m, 0), -ECANCELED);
    EXPECT_INT(inside, -ECANCELED);
    EXPECT_INT(kit_ms(), 7);
    EXPECT_INT(roost_scope_leave(&shield, -ECANCELED), -ECANCELED);
    return roost_scope_leave(&outer, -ECANCELED);
}

IN_TASK(two_cancelled_scopes_under_a_shield_the_outer_one_still_shows_S5)
{
    roost_scope outer, middle, shield;
    int r;

    roost_scope_enter(&outer, ROOST_NEVER);
    roost_scope_enter(&middle, ROOST_NEVER);
    roost_shield_enter(&shield, ROOST_NEVER);
    roost_scope_cancel(&middle, "middle");
    roost_scope_cancel(&outer, "outer");
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_scope_leave(&shield, 0), 0);
    r = roost_scope_leave(&middle, roost_checkpoint());
    EXPECT_INT(r, -ECANCELED);
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    return roost_scope_leave(&outer, r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            an_outer_cancellation_waits_until_the_shield_is_left_S12),
        cmocka_unit_test(a_task_parked_in_a_shield_is_not_woken_S12),
        cmocka_unit_test(scopes_inside_a_shield_cancel_as_usual_S12),
        cmocka_unit_test(a_shields_own_cancel_works_and_ends_at_its_leave_S12),
        cmocka_unit_test(
            a_cancelled_shield_absorbs_also_under_an_outer_cancellation_S4),
        cmocka_unit_test(
            a_cancelled_shield_whose_budget_is_gone_lets_it_pass_S5),
        cmocka_unit_test(after_its_own_deadline_a_shields_budget_runs_on_S5),
        cmocka_unit_test(a_shields_own_deadline_fires_S12),
        cmocka_unit_test(
            a_child_may_cancel_the_shield_that_the_body_sleeps_in_S12),
        cmocka_unit_test(
            a_budget_counts_from_the_arrival_of_the_cancellation_S12),
        cmocka_unit_test(
            a_budget_counts_from_entry_if_the_cancellation_was_there_S12),
        cmocka_unit_test(a_budget_of_nothing_keeps_nothing_out_S12),
        cmocka_unit_test(a_deadline_moved_far_into_the_past_arrives_now_S12),
        cmocka_unit_test(nested_shields_add_their_budgets_S12),
        cmocka_unit_test(
            under_a_spent_outer_shield_the_inner_one_still_holds_S12),
        cmocka_unit_test(
            the_deadline_through_a_shield_is_the_outer_one_plus_its_budget_S3),
        cmocka_unit_test(an_unbounded_shield_hides_the_outer_deadline_S3),
        cmocka_unit_test(
            cleanup_in_a_shield_leaves_the_cancellation_pending_S12),
        cmocka_unit_test(
            an_outer_deadline_moved_while_it_is_awaited_moves_the_pierce_S10),
        cmocka_unit_test(
            a_child_spawned_from_a_shield_into_an_outer_nursery_is_cut_S13),
        cmocka_unit_test(a_pierced_shield_cuts_the_children_inside_it_S12),
        cmocka_unit_test(
            two_cancelled_scopes_under_a_shield_the_outer_one_still_shows_S5),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Rows of the peers' suites that do not fit:
 *
 * R25b, R25d, R29b  a shield is a scope of its own; none is switched into one.
 * A83  a start() whose child shields itself is N10, with the nurseries.
 */
