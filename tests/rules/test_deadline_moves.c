/* test_deadline_moves.c - deadlines moved, both ways, while tasks wait (S10).
 */
#include "rules/in_task.h"

#include "core/rt.h"

IN_TASK(a_deadline_is_moved_later_while_its_task_waits_S10)
{
    ROOST_NURSERY(n);
    ROOST_TIMEOUT(s, ROOST_MS(10));
    move_later(n, s, 5, roost_after(ROOST_MS(30)));
    EXPECT_INT(roost_scope_leave(s, roost_sleep(ROOST_SEC(1))), -ETIMEDOUT);
    EXPECT_INT(kit_ms(), 30);
    return roost_nursery_close(n, 0);
}

IN_TASK(a_deadline_is_moved_earlier_while_its_task_waits_S10)
{
    ROOST_NURSERY(n);
    ROOST_TIMEOUT(s, ROOST_MS(100));
    move_later(n, s, 5, roost_after(ROOST_MS(30)));
    EXPECT_INT(roost_scope_leave(s, roost_sleep(ROOST_SEC(1))), -ETIMEDOUT);
    EXPECT_INT(kit_ms(), 30);
    return roost_nursery_close(n, 0);
}

IN_TASK(a_deadline_moved_into_the_past_cuts_at_once_S10)
{
    ROOST_NURSERY(n);
    ROOST_TIMEOUT(s, ROOST_MS(100));
    move_later(n, s, 5, roost_after(ROOST_MS(2)));
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_INT(kit_ms(), 5);
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), -ETIMEDOUT);
    return roost_nursery_close(n, 0);
}

IN_TASK(a_deadline_moved_to_now_cuts_the_very_next_checkpoint_S10)
{
    roost_scope s;

    roost_scope_enter(&s, roost_after(ROOST_MS(100)));
    roost_scope_set_deadline(&s, roost_now());
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(kit_ms(), 0);
    return roost_scope_leave(&s, -ECANCELED) == -ETIMEDOUT ? 0 : 1;
}

IN_TASK(a_deadline_is_taken_away_and_given_while_its_task_waits_S10)
{
    ROOST_NURSERY(n);
    ROOST_TIMEOUT(s, ROOST_MS(10));
    move_later(n, s, 5, ROOST_NEVER);
    EXPECT_INT(roost_sleep(ROOST_MS(40)), 0);
    EXPECT_INT(roost_deadline(), ROOST_NEVER);
    EXPECT_INT(roost_scope_leave(s, 0), 0);
    EXPECT(!roost_scope_cancelled(s));
    EXPECT_INT(roost_nursery_close(n, 0), 0);

    ROOST_NURSERY(m);
    ROOST_SCOPE(none);
    move_later(m, none, 5, roost_after(ROOST_MS(8)));
    EXPECT_INT(roost_scope_leave(none, roost_sleep(ROOST_SEC(1))), -ETIMEDOUT);
    EXPECT_INT(kit_ms(), 48);
    return roost_nursery_close(m, 0);
}

IN_TASK(a_scope_that_is_cancelled_stays_so_whatever_its_deadline_S10)
{
    roost_scope s;

    roost_scope_enter(&s, roost_after(ROOST_MS(5)));
    EXPECT_INT(roost_sleep(ROOST_MS(9)), -ECANCELED);
    roost_scope_set_deadline(&s, roost_after(ROOST_SEC(1)));
    roost_scope_set_deadline(&s, ROOST_NEVER);
    EXPECT(roost_scope_cancelled(&s));
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), -ETIMEDOUT);
    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "by hand");
    roost_scope_set_deadline(&s, roost_after(-1));
    EXPECT_INT(roost_scope_leave(&s, roost_checkpoint()), 0);
    roost_scope_set_deadline(&s, roost_after(-1)); /* left: nothing */
    EXPECT_INT(roost_checkpoint(), 0);
    return 0;
}

IN_TASK(the_effective_deadline_follows_every_move_S3)
{
    roost_time begin = roost_now();
    roost_scope outer, inner;

    roost_scope_enter(&outer, begin + 5);
    roost_scope_enter(&inner, begin + 3);
    EXPECT_INT(roost_deadline(), begin + 3);
    roost_scope_set_deadline(&inner, begin + 8);
    EXPECT_INT(roost_deadline(), begin + 5);
    roost_scope_set_deadline(&outer, begin + 10);
    EXPECT_INT(roost_deadline(), begin + 8);
    roost_scope_set_deadline(&inner, ROOST_NEVER);
    EXPECT_INT(roost_deadline(), begin + 10);
    EXPECT_INT(roost_time_left(), 10);
    EXPECT_INT(roost_scope_leave(&inner, 0), 0);
    roost_scope_set_deadline(&outer, ROOST_NEVER);
    EXPECT_INT(roost_time_left(), ROOST_NEVER);
    return roost_scope_leave(&outer, 0);
}

IN_TASK(a_deadline_toggled_two_thousand_times_leaves_one_timer_S10)
{
    roost_time far = roost_after(ROOST_SEC(1000));
    roost_time near = roost_after(ROOST_SEC(9));
    roost_scope s;
    int i;

    roost_scope_enter(&s, far);
    EXPECT_INT(roost_checkpoint(), 0); /* from here on it is armed */
    for (i = 0; i < 2000; i++) {
        roost_scope_set_deadline(&s, i % 2 ? far : near);
        EXPECT_INT(roost__rt->wheel.count, 1);
    }
    for (i = 0; i < 2000; i++)
        roost_scope_set_deadline(&s, i % 2 ? ROOST_NEVER : near + i);
    EXPECT_INT(roost__rt->wheel.count, 0);
    EXPECT_INT(roost_sleep(ROOST_MS(10)), 0);
    roost_scope_set_deadline(&s, near);
    EXPECT_INT(roost_sleep(ROOST_SEC(100)), -ECANCELED);
    EXPECT_INT(kit_ms(), 9000);
    return roost_scope_leave(&s, -ECANCELED) == -ETIMEDOUT ? 0 : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_is_moved_later_while_its_task_waits_S10),
        cmocka_unit_test(a_deadline_is_moved_earlier_while_its_task_waits_S10),
        cmocka_unit_test(a_deadline_moved_into_the_past_cuts_at_once_S10),
        cmocka_unit_test(
            a_deadline_moved_to_now_cuts_the_very_next_checkpoint_S10),
        cmocka_unit_test(
            a_deadline_is_taken_away_and_given_while_its_task_waits_S10),
        cmocka_unit_test(
            a_scope_that_is_cancelled_stays_so_whatever_its_deadline_S10),
        cmocka_unit_test(the_effective_deadline_follows_every_move_S3),
        cmocka_unit_test(
            a_deadline_toggled_two_thousand_times_leaves_one_timer_S10),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
