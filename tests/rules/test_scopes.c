/* test_scopes.c - what a cancelled scope does to the code in it, and where the
 *                 cancellation ends. Misuse and crowds: test_scope_misuse.c.
 */
#include "rules/in_task.h"

/* ---- delivery ---- */

IN_TASK(a_cancelled_scope_fails_each_checkpoint_until_leave_C3)
{
    int i;

    ROOST_SCOPE(s);
    EXPECT_INT(roost_checkpoint(), 0);
    roost_scope_cancel(s, "test");
    for (i = 0; i < 10; i++)
        EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_cancelled(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), 0);
    EXPECT(roost_scope_caught(s));
    for (i = 0; i < 10; i++)
        EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_cancelled(), 0);
    return 0;
}

IN_TASK(cancelling_again_keeps_the_first_cause_S2)
{
    roost_scope s;

    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "the first");
    roost_scope_cancel(&s, "the second");
    EXPECT_HAS(kit_why(&s), "\"the first\"");
    EXPECT(!strstr(kit_why(&s), "second"));
    EXPECT_INT(roost_scope_leave(&s, roost_checkpoint()), 0);
    EXPECT(roost_scope_cancelled(&s));
    return 0;
}

IN_TASK(cancelling_after_leave_does_nothing_S2)
{
    roost_scope s;

    roost_scope_enter(&s, ROOST_NEVER);
    EXPECT_INT(roost_scope_leave(&s, 3), 3);
    roost_scope_cancel(&s, "too late");
    EXPECT(!roost_scope_cancelled(&s));
    EXPECT(!roost_scope_caught(&s));
    EXPECT_INT(roost_checkpoint(), 0);
    return 0;
}

IN_TASK(enter_initialises_whatever_the_memory_held_S2)
{
    roost_scope s;

    memset(&s, 0xff, sizeof s);
    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "test");
    EXPECT_INT(roost_scope_leave(&s, roost_checkpoint()), 0);
    roost_scope_enter(&s, ROOST_NEVER);
    EXPECT(!roost_scope_cancelled(&s));
    EXPECT(!roost_scope_caught(&s));
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_scope_leave(&s, 4), 4);
    return 0;
}

IN_TASK(a_cancelled_scope_left_before_a_checkpoint_delivers_nothing_S6)
{
    roost_scope s;

    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "test");
    EXPECT_INT(roost_scope_leave(&s, 0), 0);
    EXPECT(roost_scope_cancelled(&s));
    EXPECT(!roost_scope_caught(&s));
    EXPECT_INT(roost_checkpoint(), 0);
    return 0;
}

/* ---- which scope absorbs ---- */

IN_TASK(an_outer_cancellation_passes_through_the_inner_scope_S5)
{
    roost_scope outer, inner;
    int r;

    ROOST_NURSERY(n);
    roost_scope_enter(&outer, ROOST_NEVER);
    roost_scope_enter(&inner, ROOST_NEVER);
    cancel_later(n, &outer, 5);
    r = roost_sleep(ROOST_SEC(1));
    EXPECT_INT(kit_ms(), 5);
    EXPECT(!roost_scope_cancelled(&inner));
    r = roost_scope_leave(&inner, r);
    EXPECT_INT(r, -ECANCELED);
    EXPECT(!roost_scope_caught(&inner));
    EXPECT_INT(roost_scope_leave(&outer, r), 0);
    EXPECT(roost_scope_caught(&outer));
    return roost_nursery_close(n, 0);
}

IN_TASK(an_outer_cancellation_while_the_inner_unwinds_goes_on_S5)
{
    roost_scope outer, inner;
    int r;

    roost_scope_enter(&outer, ROOST_NEVER);
    roost_scope_enter(&inner, ROOST_NEVER);
    roost_scope_cancel(&inner, "inner");
    r = roost_checkpoint();
    roost_scope_cancel(&outer, "outer");
    r = roost_scope_leave(&inner, r);
    EXPECT_INT(r, -ECANCELED);
    EXPECT(roost_scope_cancelled(&inner) && !roost_scope_caught(&inner));
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&outer, r), 0);
    EXPECT(roost_scope_caught(&outer));
    return 0;
}

IN_TASK(an_inner_scope_cancelled_second_does_not_absorb_S5)
{
    roost_scope outer, inner;
    int r;

    roost_scope_enter(&outer, ROOST_NEVER);
    roost_scope_enter(&inner, ROOST_NEVER);
    roost_scope_cancel(&outer, "outer");
    roost_scope_cancel(&inner, "inner");
    EXPECT(roost_scope_cancelled(&inner));
    r = roost_scope_leave(&inner, roost_checkpoint());
    EXPECT_INT(r, -ECANCELED);
    EXPECT(!roost_scope_caught(&inner));
    EXPECT_INT(roost_scope_leave(&outer, r), 0);
    return 0;
}

IN_TASK(a_scope_entered_under_a_cancellation_does_not_absorb_S5)
{
    roost_scope outer, inner;
    int r;

    roost_scope_enter(&outer, ROOST_NEVER);
    roost_scope_cancel(&outer, "outer");
    roost_scope_enter(&inner, ROOST_NEVER);
    EXPECT(!roost_scope_cancelled(&inner));
    r = roost_checkpoint();
    EXPECT_INT(r, -ECANCELED);
    roost_scope_cancel(&inner, "inner");
    EXPECT_INT(roost_scope_leave(&inner, r), -ECANCELED);
    EXPECT(!roost_scope_caught(&inner));
    EXPECT_INT(roost_scope_leave(&outer, r), 0);
    return 0;
}

IN_TASK(the_outermost_cancelled_of_three_absorbs_S4)
{
    roost_scope outer, middle, inner;
    int r;

    roost_scope_enter(&outer, ROOST_NEVER);
    roost_scope_enter(&middle, ROOST_NEVER);
    roost_scope_enter(&inner, ROOST_NEVER);
    roost_scope_cancel(&inner, "inner");
    roost_scope_cancel(&middle, "middle");
    r = roost_scope_leave(&inner, roost_checkpoint());
    EXPECT_INT(r, -ECANCELED);
    EXPECT_INT(roost_scope_leave(&middle, r), 0);
    EXPECT(!roost_scope_caught(&inner));
    EXPECT(roost_scope_caught(&middle));
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT(!roost_scope_cancelled(&outer));
    EXPECT_INT(roost_scope_leave(&outer, 1), 1);
    return 0;
}

IN_TASK(one_task_is_cancelled_in_two_scopes_in_turn_S4)
{
    int i;

    for (i = 0; i < 2; i++) {
        roost_scope s;

        roost_scope_enter(&s, ROOST_NEVER);
        EXPECT_INT(roost_checkpoint(), 0);
        roost_scope_cancel(&s, "test");
        EXPECT_INT(roost_scope_leave(&s, roost_checkpoint()), 0);
        EXPECT(roost_scope_caught(&s));
    }
    return 0;
}

IN_TASK(a_scope_cancelled_after_an_inner_timeout_has_nothing_to_absorb_S6)
{
    roost_scope s;
    int r;

    roost_scope_enter(&s, ROOST_NEVER);
    r = ROOST_WITHIN(ROOST_MS(1), roost_sleep(ROOST_SEC(1)));
    EXPECT_INT(r, -ETIMEDOUT);
    roost_scope_cancel(&s, "no checkpoint follows");
    EXPECT_INT(roost_scope_leave(&s, 0), 0);
    EXPECT(!roost_scope_caught(&s));
    return 0;
}

/* ---- what is not absorbed ---- */

IN_TASK(a_body_that_swallows_the_cancellation_is_not_caught_S6)
{
    roost_scope s;

    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "test");
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&s, 0), 0);
    EXPECT(roost_scope_cancelled(&s));
    EXPECT(!roost_scope_caught(&s));
    return 0;
}

IN_TASK(a_real_error_passes_a_cancelled_scope_S6)
{
    roost_scope s;

    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "test");
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&s, -EIO), -EIO);
    EXPECT(!roost_scope_caught(&s));
    EXPECT_INT(roost_checkpoint(), 0);
    return 0;
}

IN_TASK(a_foreign_ECANCELED_passes_a_scope_that_is_not_cancelled_S7)
{
    roost_scope outer, inner;

    roost_scope_enter(&outer, ROOST_NEVER);
    roost_scope_enter(&inner, roost_after(ROOST_SEC(1)));
    EXPECT_INT(roost_scope_leave(&inner, -ECANCELED), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&outer, -ECANCELED), -ECANCELED);
    EXPECT(!roost_scope_caught(&inner) && !roost_scope_caught(&outer));
    EXPECT(!roost_scope_cancelled(&inner));
    return 0;
}

/* ---- children ---- */

static int leaf(void *arg)
{
    int *cut = arg;
    int r = roost_sleep_until(ROOST_NEVER);

    *cut += r == -ECANCELED;
    return r;
}

static int branch(void *arg)
{
    ROOST_NURSERY(n);
    roost_spawn(n, leaf, arg);
    roost_spawn(n, leaf, arg);
    return roost_nursery_close(n, 0);
}

IN_TASK(cancelling_a_nursery_reaches_the_leaves_below_inner_nurseries_S1)
{
    int cut = 0;

    ROOST_NURSERY(n);
    roost_spawn(n, branch, &cut);
    roost_spawn(n, branch, &cut);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    roost_nursery_cancel(n, "test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(cut, 4);
    EXPECT_INT(kit_ms(), 1);
    return 0;
}

/* A scope opened after the nursery is not around the nursery's children. */
IN_TASK(children_do_not_live_in_scopes_that_the_body_opens_later_S1)
{
    int ms = 7;
    roost_scope s;

    ROOST_NURSERY(n);
    roost_scope_enter(&s, ROOST_NEVER);
    roost_spawn(n, kit_sleep_ms, &ms);
    roost_scope_cancel(&s, "test");
    EXPECT_INT(roost_scope_leave(&s, roost_checkpoint()), 0);
    EXPECT_INT(roost_nursery_close(n, 2), 2);
    EXPECT_INT(kit_ms(), 7);
    return 0;
}

static int spawn_into(void *arg)
{
    static int ms = 7;
    roost_nursery *n = arg;
    roost_scope s;
    int r;

    roost_scope_enter(&s, ROOST_NEVER);
    roost_spawn(n, kit_sleep_ms, &ms);
    roost_scope_cancel(&s, "test");
    r = roost_checkpoint();
    return roost_scope_leave(&s, r);
}

IN_TASK(a_child_lives_in_its_nursery_wherever_the_spawner_was_S1)
{
    ROOST_NURSERY(n);
    ROOST_NURSERY(other);
    roost_spawn(other, spawn_into, n);
    EXPECT_INT(roost_nursery_close(other, 0), 0);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 7);
    return 0;
}

static int own_scope(void *arg)
{
    roost_scope *s = arg;
    int r;

    roost_scope_enter(s, ROOST_NEVER);
    r = roost_sleep_until(ROOST_NEVER);
    return roost_scope_leave(s, r);
}

IN_TASK(a_parent_may_cancel_a_scope_of_its_child_S14)
{
    roost_scope s;

    ROOST_NURSERY(n);
    roost_spawn(n, own_scope, &s);
    EXPECT_INT(roost_sleep(ROOST_MS(3)), 0);
    roost_scope_cancel(&s, "test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT(roost_scope_caught(&s));
    EXPECT(!roost_scope_cancelled(roost_nursery_scope(n)));
    return 0;
}

IN_TASK(a_parent_may_move_a_deadline_of_its_child_and_ask_S14)
{
    roost_scope s;

    ROOST_NURSERY(n);
    roost_spawn(n, own_scope, &s);
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT(!roost_scope_cancelled(&s));
    roost_scope_set_deadline(&s, roost_after(ROOST_MS(4)));
    EXPECT(!roost_scope_cancelled(&s));
    EXPECT_INT(roost_nursery_close(n, 0), -ETIMEDOUT);
    EXPECT_INT(kit_ms(), 4);
    EXPECT(roost_scope_cancelled(&s) && roost_scope_caught(&s));
    return 0;
}

IN_TASK(closing_an_empty_nursery_in_a_cancelled_scope_returns_0_N9)
{
    roost_scope s;

    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "test");
    ROOST_NURSERY(n);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(roost_scope_leave(&s, 0), 0);
    EXPECT(!roost_scope_caught(&s));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_cancelled_scope_fails_each_checkpoint_until_leave_C3),
        cmocka_unit_test(cancelling_again_keeps_the_first_cause_S2),
        cmocka_unit_test(cancelling_after_leave_does_nothing_S2),
        cmocka_unit_test(enter_initialises_whatever_the_memory_held_S2),
        cmocka_unit_test(
            a_cancelled_scope_left_before_a_checkpoint_delivers_nothing_S6),
        cmocka_unit_test(
            an_outer_cancellation_passes_through_the_inner_scope_S5),
        cmocka_unit_test(
            an_outer_cancellation_while_the_inner_unwinds_goes_on_S5),
        cmocka_unit_test(an_inner_scope_cancelled_second_does_not_absorb_S5),
        cmocka_unit_test(
            a_scope_entered_under_a_cancellation_does_not_absorb_S5),
        cmocka_unit_test(the_outermost_cancelled_of_three_absorbs_S4),
        cmocka_unit_test(one_task_is_cancelled_in_two_scopes_in_turn_S4),
        cmocka_unit_test(
            a_scope_cancelled_after_an_inner_timeout_has_nothing_to_absorb_S6),
        cmocka_unit_test(
            a_body_that_swallows_the_cancellation_is_not_caught_S6),
        cmocka_unit_test(a_real_error_passes_a_cancelled_scope_S6),
        cmocka_unit_test(
            a_foreign_ECANCELED_passes_a_scope_that_is_not_cancelled_S7),
        cmocka_unit_test(
            cancelling_a_nursery_reaches_the_leaves_below_inner_nurseries_S1),
        cmocka_unit_test(
            children_do_not_live_in_scopes_that_the_body_opens_later_S1),
        cmocka_unit_test(
            a_child_lives_in_its_nursery_wherever_the_spawner_was_S1),
        cmocka_unit_test(a_parent_may_cancel_a_scope_of_its_child_S14),
        cmocka_unit_test(a_parent_may_move_a_deadline_of_its_child_and_ask_S14),
        cmocka_unit_test(
            closing_an_empty_nursery_in_a_cancelled_scope_returns_0_N9),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
