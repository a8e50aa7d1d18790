/* test_deadlines.c - when deadlines cut, and which of several decides (S3, S6,
 *                    S8, S9, S11). Moving them: test_deadline_moves.c. When
 *                    the runtime looks at the clock: test_deadline_looks.c.
 */
#include "rules/in_task.h"

/* ---- one deadline ---- */

IN_TASK(a_wait_is_cut_at_exactly_the_deadline_S9)
{
    roost_time begin = roost_now();

    ROOST_TIMEOUT(s, ROOST_SEC(1) + 7);
    EXPECT_INT(roost_sleep(ROOST_SEC(100)), -ECANCELED);
    EXPECT_INT(roost_now() - begin, ROOST_SEC(1) + 7);
    EXPECT_INT(roost_deadline(), begin + ROOST_SEC(1) + 7);
    EXPECT(roost_scope_cancelled(s));
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), -ETIMEDOUT);
    EXPECT(roost_scope_caught(s));
    EXPECT_INT(roost_checkpoint(), 0);
    return 0;
}

IN_TASK(a_wait_without_an_end_is_cut_too_S9)
{
    roost_lot lot = { 0 };

    ROOST_DEADLINE(s, roost_after(ROOST_MS(5)));
    EXPECT_INT(roost_lot_wait(&lot), -ECANCELED);
    EXPECT_INT(roost_sleep_until(ROOST_NEVER), -ECANCELED);
    EXPECT_INT(kit_ms(), 5);
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), -ETIMEDOUT);
    return 0;
}

IN_TASK(a_scope_left_in_time_is_never_cancelled_later_S6)
{
    roost_scope s;

    roost_scope_enter(&s, roost_after(ROOST_MS(5)));
    EXPECT_INT(roost_sleep(ROOST_MS(4)), 0);
    EXPECT_INT(roost_scope_leave(&s, 4), 4);
    EXPECT_INT(roost_sleep(ROOST_MS(40)), 0);
    EXPECT(!roost_scope_cancelled(&s) && !roost_scope_caught(&s));
    return 0;
}

IN_TASK(a_deadline_in_the_past_cancels_from_the_start_S9)
{
    roost_time ago[] = { 0, -1, -ROOST_SEC(1), INT64_MIN };
    size_t i;

    for (i = 0; i < 4; i++) {
        roost_scope s;

        roost_scope_enter(&s, roost_after(ago[i]));
        EXPECT(roost_scope_cancelled(&s)); /* and yet the body runs */
        EXPECT_INT(roost_deadline(), roost_now());
        EXPECT_INT(roost_scope_leave(&s, roost_checkpoint()), -ETIMEDOUT);
        EXPECT(roost_scope_caught(&s));
        EXPECT_INT(roost_checkpoint(), 0);
    }
    EXPECT_INT(kit_ms(), 0);
    return 0;
}

IN_TASK(a_cancelled_task_times_out_anew_after_it_was_absorbed_S4)
{
    roost_scope s;

    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "test");
    EXPECT_INT(roost_scope_leave(&s, roost_checkpoint()), 0);
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(3), roost_sleep(ROOST_SEC(1))),
               -ETIMEDOUT);
    EXPECT_INT(kit_ms(), 3);
    return 0;
}

/* ---- done, or cut, in the turn of the deadline ---- */

IN_TASK(a_body_that_ends_well_past_its_deadline_is_a_success_S6)
{
    roost_scope s, shield;

    roost_scope_enter(&s, roost_after(ROOST_MS(5)));
    roost_shield_enter(&shield, ROOST_NEVER);
    EXPECT_INT(roost_sleep(ROOST_MS(9)), 0);
    EXPECT_INT(roost_scope_leave(&shield, 0), 0);
    EXPECT_INT(roost_scope_leave(&s, 42), 42);
    EXPECT(roost_scope_cancelled(&s) && !roost_scope_caught(&s));
    return 0;
}

IN_TASK(of_a_deadline_and_a_sleep_the_one_set_first_decides_S11)
{
    roost_time at = roost_after(ROOST_MS(5));
    roost_scope s;

    roost_scope_enter(&s, at);
    EXPECT_INT(roost_sleep_until(at), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), -ETIMEDOUT);
    return 0;
}

/* The sleep was set first, so it is done; done beats cancelled, and a body that
 * ends then has succeeded. */
IN_TASK(a_body_done_in_the_turn_of_its_deadline_is_a_success_C4)
{
    roost_time at = roost_after(ROOST_MS(5));
    roost_scope s;
    int r;

    ROOST_NURSERY(n);
    move_later(n, &s, 1, at);
    roost_scope_enter(&s, ROOST_NEVER);
    r = roost_sleep_until(at);
    EXPECT_INT(r, 0);
    EXPECT(roost_scope_cancelled(&s));
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&s, r), 0);
    EXPECT(!roost_scope_caught(&s));
    return roost_nursery_close(n, 0);
}

struct handover {
    roost_event e;
    roost_scope s;
    int r;
};

static int take_over(void *arg)
{
    struct handover *h = arg;

    roost_scope_enter(&h->s, ROOST_NEVER);
    h->r = roost_event_wait(&h->e);
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    return roost_scope_leave(&h->s, h->r);
}

IN_TASK(a_wait_that_was_woken_is_done_though_cancelled_before_it_ran_C4)
{
    struct handover h = { .r = 1 };

    roost_event_init(&h.e);
    ROOST_NURSERY(n);
    roost_spawn(n, take_over, &h);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    roost_event_set(&h.e);
    roost_scope_set_deadline(&h.s, roost_now());
    EXPECT(roost_scope_cancelled(&h.s));
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(h.r, 0);
    EXPECT(!roost_scope_caught(&h.s));
    return 0;
}

/* ---- several ---- */

static int nest(int outer_ms, int inner_ms, roost_scope *outer,
                roost_scope *inner)
{
    int r;

    roost_scope_enter(outer, roost_after(ROOST_MS(outer_ms)));
    roost_scope_enter(inner, roost_after(ROOST_MS(inner_ms)));
    EXPECT_INT(roost_time_left(),
               ROOST_MS(inner_ms < outer_ms ? inner_ms : outer_ms));
    r = roost_sleep(ROOST_SEC(1));
    EXPECT_INT(r, -ECANCELED);
    return roost_scope_leave(inner, r);
}

IN_TASK(the_earlier_of_two_deadlines_cuts_and_its_scope_absorbs_S3)
{
    roost_scope outer, inner;

    EXPECT_INT(nest(20, 10, &outer, &inner), -ETIMEDOUT);
    EXPECT_INT(kit_ms(), 10);
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_scope_leave(&outer, 0), 0);
    EXPECT(!roost_scope_cancelled(&outer) && roost_scope_caught(&inner));

    EXPECT_INT(nest(10, 20, &outer, &inner), -ECANCELED);
    EXPECT_INT(kit_ms(), 20);
    EXPECT_INT(roost_scope_leave(&outer, -ECANCELED), -ETIMEDOUT);
    EXPECT(!roost_scope_cancelled(&inner) && !roost_scope_caught(&inner));
    EXPECT(roost_scope_caught(&outer));
    return 0;
}

IN_TASK(of_two_equal_deadlines_the_outer_scope_absorbs_S5)
{
    roost_scope outer, inner;
    roost_time at;

    EXPECT_INT(nest(10, 10, &outer, &inner), -ECANCELED);
    EXPECT(roost_scope_cancelled(&outer) && roost_scope_cancelled(&inner));
    EXPECT_INT(roost_scope_leave(&outer, -ECANCELED), -ETIMEDOUT);

    at = roost_after(ROOST_MS(5)); /* also when the inner one was set first */
    roost_scope_enter(&outer, ROOST_NEVER);
    roost_scope_enter(&inner, at);
    roost_scope_set_deadline(&outer, at);
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&inner, -ECANCELED), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&outer, -ECANCELED), -ETIMEDOUT);
    return 0;
}

IN_TASK(an_outer_deadline_that_passes_while_the_inner_unwinds_wins_S5)
{
    roost_scope outer, inner, shield;

    EXPECT_INT(nest(20, 10, &outer, &inner), -ETIMEDOUT);
    EXPECT_INT(roost_scope_leave(&outer, 0), 0);
    roost_scope_enter(&outer, roost_after(ROOST_MS(20)));
    roost_scope_enter(&inner, roost_after(ROOST_MS(10)));
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    roost_shield_enter(&shield, ROOST_NEVER);
    EXPECT_INT(roost_sleep(ROOST_MS(15)), 0);
    EXPECT_INT(roost_scope_leave(&shield, 0), 0);
    EXPECT_INT(roost_scope_leave(&inner, -ECANCELED), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&outer, -ECANCELED), -ETIMEDOUT);
    return 0;
}

IN_TASK(by_hand_and_by_deadline_the_earlier_decides_the_code_S8)
{
    roost_scope s, shield;

    roost_scope_enter(&s, roost_after(ROOST_MS(10)));
    roost_scope_cancel(&s, "by hand, first");
    roost_shield_enter(&shield, ROOST_NEVER);
    EXPECT_INT(roost_sleep(ROOST_MS(20)), 0);
    EXPECT_INT(roost_scope_leave(&shield, 0), 0);
    EXPECT_INT(roost_scope_leave(&s, roost_checkpoint()), 0);
    EXPECT(roost_scope_caught(&s));

    roost_scope_enter(&s, roost_after(ROOST_MS(10)));
    EXPECT_INT(roost_sleep(ROOST_MS(20)), -ECANCELED);
    roost_scope_cancel(&s, "by hand, too late");
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), -ETIMEDOUT);
    return 0;
}

static int group(void)
{
    ROOST_NURSERY(n);
    roost_spawn(n, kit_sleep_forever, NULL);
    roost_spawn(n, kit_sleep_forever, NULL);
    roost_spawn(n, kit_sleep_forever, NULL);
    return roost_nursery_close(n, roost_sleep_until(ROOST_NEVER));
}

IN_TASK(a_deadline_around_many_waits_is_one_timeout_S4)
{
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(5), group()), -ETIMEDOUT);
    EXPECT(roost_scope_caught(NULL));
    EXPECT_INT(kit_ms(), 5);
    EXPECT_INT(roost_checkpoint(), 0);
    return 0;
}

static int child_left(void *arg)
{
    *(roost_time *)arg = roost_time_left();
    return 0;
}

IN_TASK(children_see_the_deadlines_around_their_nursery_S3)
{
    roost_time plain = 0, service = 0;

    ROOST_TIMEOUT(s, ROOST_MS(30));
    ROOST_NURSERY_WITH(n, .deadline = roost_after(ROOST_MS(20)));
    ROOST_TIMEOUT(inner, ROOST_MS(10)); /* the body's alone (S1) */
    roost_spawn(n, child_left, &plain);
    roost_spawn_with(n, child_left, &service,
                     &(roost_spawn_options){ .service = true });
    EXPECT_INT(roost_scope_leave(inner, roost_checkpoint()), 0);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(plain, ROOST_MS(20));
    EXPECT(service == ROOST_NEVER); /* in an unbounded shield (N15) */
    return roost_scope_leave(s, 0);
}

struct in_turn {
    roost_time at;
    const char *name;
};

static int by_sleep(void *arg)
{
    struct in_turn *t = arg;
    int r = roost_sleep_until(t->at);

    kit_log(t->name);
    return r;
}

static int by_scope(void *arg)
{
    struct in_turn *t = arg;
    roost_scope s;
    int r;

    roost_scope_enter(&s, t->at);
    r = roost_sleep_until(ROOST_NEVER);
    kit_log(t->name);
    return roost_scope_leave(&s, r) == -ETIMEDOUT ? 0 : 1;
}

IN_TASK(sleeps_and_deadlines_of_an_instant_fire_in_order_of_setting_S11)
{
    struct in_turn a = { roost_after(ROOST_MS(5)), "a" }, b = a, c = a, d = a;

    b.name = "b", c.name = "c", d.name = "d";
    ROOST_NURSERY(n);
    roost_spawn(n, by_scope, &a);
    roost_spawn(n, by_sleep, &b);
    roost_spawn(n, by_scope, &c);
    roost_spawn(n, by_sleep, &d);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("a b c d");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wait_is_cut_at_exactly_the_deadline_S9),
        cmocka_unit_test(a_wait_without_an_end_is_cut_too_S9),
        cmocka_unit_test(a_scope_left_in_time_is_never_cancelled_later_S6),
        cmocka_unit_test(a_deadline_in_the_past_cancels_from_the_start_S9),
        cmocka_unit_test(
            a_cancelled_task_times_out_anew_after_it_was_absorbed_S4),
        cmocka_unit_test(
            a_body_that_ends_well_past_its_deadline_is_a_success_S6),
        cmocka_unit_test(
            of_a_deadline_and_a_sleep_the_one_set_first_decides_S11),
        cmocka_unit_test(
            a_body_done_in_the_turn_of_its_deadline_is_a_success_C4),
        cmocka_unit_test(
            a_wait_that_was_woken_is_done_though_cancelled_before_it_ran_C4),
        cmocka_unit_test(
            the_earlier_of_two_deadlines_cuts_and_its_scope_absorbs_S3),
        cmocka_unit_test(of_two_equal_deadlines_the_outer_scope_absorbs_S5),
        cmocka_unit_test(
            an_outer_deadline_that_passes_while_the_inner_unwinds_wins_S5),
        cmocka_unit_test(
            by_hand_and_by_deadline_the_earlier_decides_the_code_S8),
        cmocka_unit_test(a_deadline_around_many_waits_is_one_timeout_S4),
        cmocka_unit_test(children_see_the_deadlines_around_their_nursery_S3),
        cmocka_unit_test(
            sleeps_and_deadlines_of_an_instant_fire_in_order_of_setting_S11),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Rows of the peers' suites that do not fit:
 *
 * R20, T08  instants are integers, and what is none stops the program (D1).
 * T09  a scope has no life before enter: its deadline is an instant at once.
 */
