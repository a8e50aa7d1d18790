/* test_nursery_verdict.c - what close waits for and what it returns.
 *
 * The guard's ways out are in test_nursery_guard.c, whole trees of nurseries in
 * test_nursery_trees.c.
 */
#include "rules/children.h"

#include "core/rt.h"

/* ---- waiting ---- */

IN_TASK(close_waits_whatever_order_children_end_in_N1)
{
    ROOST_NURSERY(n);
    KID(n, .ms = 30, .name = "30");
    KID(n, .ms = 10, .name = "10");
    KID(n, .ms = 20, .name = "20");
    EXPECT_INT(roost_nursery_close(n, 4), 4);
    EXPECT_INT(kit_ms(), 30);
    EXPECT_LOG("10 20 30");
    return 0;
}

IN_TASK(close_waits_though_its_task_is_cancelled_meanwhile_N1)
{
    ROOST_NURSERY(o);
    ROOST_SCOPE(s);
    cancel_later(o, s, 5);
    ROOST_NURSERY(n);
    KID(n, .forever = true, .cleanup_ms = 20);
    EXPECT_INT(roost_nursery_close(n, 0), -ECANCELED);
    EXPECT_INT(kit_ms(), 25);
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), 0);
    return roost_nursery_close(o, 0);
}

IN_TASK(close_waits_though_its_task_was_cancelled_before_N1)
{
    ROOST_SCOPE(s);
    ROOST_NURSERY(n);
    KID(n, .forever = true, .cleanup_ms = 20);
    roost_scope_cancel(s, "test");
    EXPECT_INT(roost_nursery_close(n, roost_checkpoint()), -ECANCELED);
    EXPECT_INT(kit_ms(), 20);
    return roost_scope_leave(s, -ECANCELED);
}

IN_TASK(close_waits_though_the_body_failed_N1)
{
    ROOST_NURSERY(n);
    KID(n, .forever = true, .cleanup_ms = 20);
    EXPECT_INT(roost_nursery_close(n, -EIO), -EIO);
    EXPECT_INT(kit_ms(), 20);
    return 0;
}

IN_TASK(after_close_every_stack_is_free_N1)
{
    size_t out = roost__rt->stacks.out;
    int i;

    ROOST_NURSERY(n);
    for (i = 0; i < 10; i++)
        KID(n, .ms = i % 3);
    EXPECT_INT(roost__rt->stacks.out, out + 10);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(roost__rt->stacks.out, out);
    return 0;
}

static int set_event(void *e)
{
    roost_event_set(e);
    return 0;
}

IN_TASK(close_yields_once_when_there_is_nothing_to_wait_for_N9)
{
    roost_event ran;

    roost_event_init(&ran);
    ROOST_NURSERY(o);
    roost_spawn(o, set_event, &ran);
    ROOST_NURSERY(n);
    EXPECT(!roost_event_is_set(&ran));
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT(roost_event_is_set(&ran));
    return roost_nursery_close(o, 0);
}

IN_TASK(close_is_no_cancellation_point_N9)
{
    ROOST_SCOPE(s);
    roost_scope_cancel(s, "test");
    ROOST_NURSERY(n);
    EXPECT_INT(roost_nursery_close(n, 5), 5);
    EXPECT(!roost_scope_caught(NULL));
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(s, 5), 5);
    return 0;
}

IN_TASK(finished_work_is_not_thrown_away_N9)
{
    ROOST_NURSERY(o);
    ROOST_SCOPE(s);
    cancel_later(o, s, 5);
    ROOST_NURSERY(n);
    KID(n, .ms = 3, .result = 1);
    KID(n, .ms = 9, .cut = 2); /* swallows its cancellation */
    EXPECT_INT(roost_nursery_close(n, 7), 7);
    EXPECT_INT(kit_ms(), 5);
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), 0);
    return roost_nursery_close(o, 0);
}

IN_TASK(a_failure_in_a_cancelled_scope_is_just_that_N9)
{
    ROOST_SCOPE(s);
    roost_scope_cancel(s, "test");
    ROOST_NURSERY(n);
    EXPECT_INT(roost_nursery_close(n, -EIO), -EIO);
    EXPECT_INT(roost_scope_leave(s, -EIO), -EIO);
    EXPECT(!roost_scope_caught(s));
    return 0;
}

/* ---- the first failure in time ---- */

IN_TASK(success_of_a_child_cancels_nobody_N3)
{
    ROOST_NURSERY(n);
    KID(n, .result = 9);
    KID(n, .ms = 20, .name = "whole");
    EXPECT_INT(roost_nursery_close(n, 3), 3);
    EXPECT_INT(kit_ms(), 20);
    EXPECT_LOG("whole");
    return 0;
}

IN_TASK(a_child_that_failed_before_the_body_is_the_verdict_N2)
{
    int r;

    ROOST_NURSERY(n);
    KID(n, .ms = 5, .result = -EIO);
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    r = roost_nursery_close(n, roost_fail(-EPERM, "of the body"));
    EXPECT_INT(r, -EIO);
    EXPECT_HAS(kit_error(roost_error_of(-EIO)), "of the body");
    return 0;
}

IN_TASK(a_body_that_failed_first_is_the_verdict_N2)
{
    int r;

    ROOST_NURSERY(n);
    KID(n, .forever = true, .cut = -EIO);
    EXPECT_INT(roost_checkpoint(), 0);
    r = roost_nursery_close(n, roost_fail(-EPERM, "of the body"));
    EXPECT_INT(r, -EPERM);
    EXPECT_HAS(kit_error(roost_error_of(-EPERM)), "of the body");
    EXPECT_HAS(kit_error(roost_error_of(-EPERM)), "EIO");
    return 0;
}

IN_TASK(of_two_failures_in_one_turn_the_first_in_order_is_returned_N2)
{
    ROOST_NURSERY(n);
    KID(n, .ms = 5, .result = -EIO);
    KID(n, .ms = 5, .result = -EPERM);
    KID(n, .ms = 5, .result = -EBADF);
    EXPECT_INT(roost_nursery_close(n, 0), -EIO);
    EXPECT_HAS(kit_error(roost_error_of(-EIO)), "also: Operation not");
    EXPECT_HAS(kit_error(roost_error_of(-EIO)), "also: Bad file");
    return 0;
}

IN_TASK(a_failure_in_cleanup_beats_the_cancellation_before_it_N4)
{
    ROOST_NURSERY(o);
    ROOST_SCOPE(s);
    cancel_later(o, s, 5);
    ROOST_NURSERY(n);
    KID(n, .forever = true);
    KID(n, .forever = true, .cleanup_ms = 9, .cut = -EIO);
    EXPECT_INT(roost_nursery_close(n, roost_sleep(ROOST_SEC(1))), -EIO);
    EXPECT_INT(roost_scope_leave(s, -EIO), -EIO);
    return roost_nursery_close(o, 0);
}

IN_TASK(a_failure_in_cleanup_beats_the_nurserys_deadline_N4)
{
    ROOST_NURSERY_WITH(n, .deadline = roost_after(ROOST_MS(5)));
    KID(n, .forever = true);
    KID(n, .forever = true, .cleanup_ms = 9, .cut = -EIO);
    EXPECT_INT(roost_nursery_close(n, 0), -EIO);
    EXPECT(!roost_scope_caught(roost_nursery_scope(n)));
    return 0;
}

/* ---- failing cancels, all at once, before anybody is joined ---- */

struct look {
    roost_nursery *n;
    int seen;
};

static int look_at_once(void *arg)
{
    struct look *l = arg;

    l->seen = roost_cancelled() == -ECANCELED &&
              roost_scope_cancelled(roost_nursery_scope(l->n));
    return 0;
}

IN_TASK(a_failure_cancels_the_others_in_the_same_turn_N3)
{
    struct look l = { NULL, 0 };

    ROOST_NURSERY(n);
    l.n = n;
    KID(n, .result = -EIO);
    roost_spawn(n, look_at_once, &l);
    EXPECT(!roost_scope_cancelled(roost_nursery_scope(n)));
    EXPECT_INT(roost_nursery_close(n, 0), -EIO);
    EXPECT_INT(l.seen, 1);
    EXPECT(roost_scope_cancelled(roost_nursery_scope(n)));
    return 0;
}

IN_TASK(all_are_cancelled_before_any_is_joined_N3)
{
    ROOST_NURSERY(n);
    KID(n, .forever = true, .cleanup_ms = 30, .name = "a");
    KID(n, .forever = true, .cleanup_ms = 20, .name = "b");
    KID(n, .forever = true, .cleanup_ms = 10, .name = "c");
    KID(n, .ms = 5, .result = -EIO);
    EXPECT_INT(roost_nursery_close(n, 0), -EIO);
    EXPECT_INT(kit_ms(), 35); /* not 5 + 30 + 20 + 10 */
    EXPECT_LOG("c b a");
    return 0;
}

IN_TASK(close_with_a_failure_cancels_before_it_joins_N3)
{
    struct look l = { NULL, 0 };

    ROOST_NURSERY(n);
    l.n = n;
    KID(n, .forever = true, .name = "cut");
    roost_spawn(n, look_at_once, &l);
    EXPECT_INT(roost_nursery_close(n, -EIO), -EIO);
    EXPECT_INT(kit_ms(), 0);
    EXPECT_INT(l.seen, 1);
    EXPECT_LOG("cut");
    return 0;
}

IN_TASK(a_body_that_computes_sees_it_at_its_next_checkpoint_N3)
{
    roost_event e;

    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn(n, set_event, &e);
    KID(n, .result = -EIO);
    EXPECT_INT(roost_event_wait(&e), 0); /* was done before the failure */
    EXPECT_INT(roost_cancelled(), -ECANCELED);
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_nursery_close(n, -ECANCELED), -EIO);
    return 0;
}

IN_TASK(a_body_cut_by_a_child_returns_the_childs_failure_N2)
{
    int r;

    ROOST_NURSERY(n);
    KID(n, .ms = 5, .result = -EIO);
    r = roost_sleep(ROOST_SEC(1));
    EXPECT_INT(r, -ECANCELED);
    EXPECT_INT(roost_nursery_close(n, r), -EIO);
    EXPECT(!roost_scope_caught(NULL));
    return roost_checkpoint();
}

/* ---- cut from outside ---- */

IN_TASK(a_child_cut_from_outside_gives_ECANCELED_N2)
{
    ROOST_NURSERY(o);
    ROOST_SCOPE(s);
    cancel_later(o, s, 5);
    ROOST_NURSERY(n);
    KID(n, .forever = true);
    EXPECT_INT(roost_nursery_close(n, 7), -ECANCELED);
    EXPECT(!roost_scope_cancelled(roost_nursery_scope(n)));
    EXPECT(!roost_scope_caught(roost_nursery_scope(n)));
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), 0);
    return roost_nursery_close(o, 0);
}

IN_TASK(a_body_cut_from_outside_gives_ECANCELED_N2)
{
    ROOST_NURSERY(o);
    ROOST_SCOPE(s);
    cancel_later(o, s, 5);
    ROOST_NURSERY(n);
    KID(n, .ms = 3);
    EXPECT_INT(roost_nursery_close(n, roost_sleep(ROOST_SEC(1))), -ECANCELED);
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), 0);
    return roost_nursery_close(o, 0);
}

IN_TASK(a_deadline_around_the_nursery_is_outside_N2)
{
    ROOST_TIMEOUT(s, ROOST_MS(5));
    ROOST_NURSERY(n);
    KID(n, .forever = true);
    KID(n, .forever = true);
    EXPECT_INT(roost_nursery_close(n, roost_sleep(ROOST_SEC(1))), -ECANCELED);
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), -ETIMEDOUT);
    EXPECT_INT(kit_ms(), 5);
    return 0;
}

/* Whose a cut was is decided when the child ends: not later. */
IN_TASK(who_was_cut_by_hand_stays_so_when_outside_follows_N2)
{
    ROOST_NURSERY(o);
    ROOST_SCOPE(s);
    cancel_later(o, s, 10);
    ROOST_NURSERY(n);
    cancel_later(o, roost_nursery_scope(n), 5);
    KID(n, .forever = true);                              /* ends at 5 */
    KID(n, .forever = true, .cleanup_ms = 25, .cut = 1);  /* well, at 30 */
    EXPECT_INT(roost_nursery_close(n, 3), 3);
    EXPECT_INT(kit_ms(), 30);
    EXPECT_INT(roost_scope_leave(s, roost_checkpoint()), 0);
    return roost_nursery_close(o, 0);
}

/* ... and not earlier. */
IN_TASK(who_is_cut_by_hand_and_ends_after_outside_was_cancelled_is_outside_N2)
{
    ROOST_NURSERY(o);
    ROOST_SCOPE(s);
    cancel_later(o, s, 10);
    ROOST_NURSERY(n);
    cancel_later(o, roost_nursery_scope(n), 5);
    KID(n, .forever = true, .cleanup_ms = 25);
    EXPECT_INT(roost_nursery_close(n, 3), -ECANCELED);
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), 0);
    return roost_nursery_close(o, 0);
}

IN_TASK(whose_cut_the_bodys_was_is_decided_at_close_N2)
{
    ROOST_NURSERY(o);
    ROOST_SCOPE(s);
    cancel_later(o, s, 10);
    ROOST_NURSERY(n);
    cancel_later(o, roost_nursery_scope(n), 5);
    KID(n, .forever = true, .cleanup_ms = 25, .cut = 1);
    EXPECT_INT(roost_nursery_close(n, roost_sleep(ROOST_SEC(1))), 0);
    EXPECT_INT(kit_ms(), 30);
    EXPECT_INT(roost_scope_leave(s, roost_checkpoint()), 0);
    return roost_nursery_close(o, 0);
}

/* A shield is around it: what it keeps out is not "outside" yet. */
IN_TASK(behind_a_shield_outside_is_the_shield_N2)
{
    ROOST_SCOPE(s);
    roost_scope_cancel(s, "test");
    ROOST_SHIELD(sh, ROOST_SEC(1));
    ROOST_NURSERY(n);
    KID(n, .forever = true);
    EXPECT_INT(roost_checkpoint(), 0);
    roost_nursery_cancel(n, "test");
    EXPECT_INT(roost_nursery_close(n, 2), 2);
    EXPECT_INT(roost_scope_leave(sh, 0), 0);
    EXPECT_INT(roost_scope_leave(s, roost_checkpoint()), 0);
    return 0;
}

/* ---- the nursery's own deadline, and by hand ---- */

IN_TASK(its_own_deadline_that_cut_a_child_gives_ETIMEDOUT_N2)
{
    ROOST_NURSERY_WITH(n, .deadline = roost_after(ROOST_MS(5)));
    KID(n, .forever = true);
    EXPECT_INT(roost_nursery_close(n, 7), -ETIMEDOUT);
    EXPECT_INT(kit_ms(), 5);
    EXPECT(roost_scope_caught(roost_nursery_scope(n)));
    EXPECT(roost_scope_caught(NULL));
    EXPECT(roost_scope_cancelled(roost_nursery_scope(n)));
    return roost_checkpoint();
}

IN_TASK(its_own_deadline_that_cut_the_body_gives_ETIMEDOUT_N2)
{
    ROOST_NURSERY_WITH(n, .deadline = roost_after(ROOST_MS(5)));
    EXPECT_INT(roost_nursery_close(n, roost_sleep(ROOST_SEC(1))), -ETIMEDOUT);
    EXPECT(roost_scope_caught(NULL));
    return roost_checkpoint();
}

IN_TASK(its_own_deadline_that_cut_nobody_leaves_the_bodys_result_N2)
{
    ROOST_NURSERY_WITH(n, .deadline = roost_after(ROOST_MS(5)));
    KID(n, .forever = true, .cut = 2);
    EXPECT_INT(roost_nursery_close(n, 7), 7);
    EXPECT(roost_scope_cancelled(roost_nursery_scope(n)));
    EXPECT(!roost_scope_caught(roost_nursery_scope(n)));
    return roost_checkpoint();
}

IN_TASK(its_own_deadline_counts_less_than_outside_N2)
{
    ROOST_NURSERY(o);
    ROOST_SCOPE(s);
    cancel_later(o, s, 10);
    ROOST_NURSERY_WITH(n, .deadline = roost_after(ROOST_MS(5)));
    KID(n, .forever = true);
    KID(n, .forever = true, .cleanup_ms = 10);
    EXPECT_INT(roost_nursery_close(n, 0), -ECANCELED);
    EXPECT(!roost_scope_caught(roost_nursery_scope(n)));
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), 0);
    return roost_nursery_close(o, 0);
}

IN_TASK(its_deadline_can_be_set_through_its_scope_N2)
{
    ROOST_NURSERY(n);
    KID(n, .forever = true);
    EXPECT_INT(roost_checkpoint(), 0);
    roost_scope_set_deadline(roost_nursery_scope(n), roost_after(ROOST_MS(8)));
    EXPECT_INT(roost_nursery_close(n, 0), -ETIMEDOUT);
    EXPECT_INT(kit_ms(), 8);
    return 0;
}

IN_TASK(by_hand_the_bodys_ECANCELED_becomes_0_N2)
{
    ROOST_NURSERY(n);
    cancel_later(n, roost_nursery_scope(n), 5);
    KID(n, .forever = true);
    EXPECT_INT(roost_nursery_close(n, roost_sleep(ROOST_SEC(1))), 0);
    EXPECT_INT(kit_ms(), 5);
    EXPECT(roost_scope_caught(roost_nursery_scope(n)));
    return roost_checkpoint();
}

IN_TASK(by_hand_the_bodys_own_result_stands_N2)
{
    ROOST_NURSERY(n);
    KID(n, .forever = true);
    EXPECT_INT(roost_checkpoint(), 0);
    roost_nursery_cancel(n, "enough");
    EXPECT_INT(roost_nursery_close(n, 5), 5);
    return roost_checkpoint();
}

IN_TASK(of_hand_and_deadline_the_earlier_decides_N2)
{
    roost_nursery n;
    int by_hand;

    for (by_hand = 0; by_hand < 2; by_hand++) {
        ROOST_NURSERY(o);
        roost_nursery_open(&n);
        cancel_later(o, roost_nursery_scope(&n), by_hand ? 5 : 10);
        roost_scope_set_deadline(roost_nursery_scope(&n),
                                 roost_after(ROOST_MS(by_hand ? 10 : 5)));
        KID(&n, .forever = true, .cleanup_ms = 15);
        EXPECT_INT(roost_nursery_close(&n, 0), by_hand ? 0 : -ETIMEDOUT);
        EXPECT_INT(roost_nursery_close(o, 0), 0);
    }
    return 0;
}

/* ---- an -ECANCELED that nobody made ---- */

IN_TASK(a_foreign_ECANCELED_of_the_body_is_its_failure_N2)
{
    ROOST_SCOPE(s);
    ROOST_NURSERY(n);
    KID(n, .forever = true, .name = "cut");
    EXPECT_INT(roost_nursery_close(n, -ECANCELED), -ECANCELED);
    EXPECT_LOG("cut");
    EXPECT(!roost_scope_caught(NULL));
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), -ECANCELED);
    EXPECT(!roost_scope_caught(s));
    return 0;
}

IN_TASK(a_real_failure_beats_the_bodys_foreign_ECANCELED_N2)
{
    ROOST_NURSERY(n);
    KID(n, .forever = true, .cut = -EIO);
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_nursery_close(n, -ECANCELED), -EIO);
    return 0;
}

static int foreign(void *arg)
{
    (void)arg;
    return -ECANCELED;
}

IN_TASK(a_foreign_ECANCELED_of_a_child_is_EPROTO_with_both_sites_N16)
{
    roost_nursery n;
    int r;

    roost_nursery_open_at(&n, "opened.c:1");
    KID(&n, .forever = true, .name = "cut");
    roost_spawn_at(&n, foreign, NULL, "spawned.c:2");
    r = roost_nursery_close(&n, 0);
    EXPECT_INT(r, -EPROTO);
    EXPECT_LOG("cut");
    EXPECT_HAS(kit_error(roost_error_of(r)), "opened.c:1");
    EXPECT_HAS(kit_error(roost_error_of(r)), "spawned.c:2");
    EXPECT_HAS(kit_error(roost_error_of(r)), "-ECANCELED");
    EXPECT(!strstr(kit_error(roost_error_of(r)), "without leave"));
    return 0;
}

IN_TASK(with_an_uncancelled_scope_around_it_it_is_foreign_too_N16)
{
    ROOST_TIMEOUT(s, ROOST_SEC(1));
    ROOST_NURSERY_WITH(n, .deadline = roost_after(ROOST_SEC(1)));
    roost_spawn(n, foreign, NULL);
    EXPECT_INT(roost_nursery_close(n, 0), -EPROTO);
    return roost_scope_leave(s, 0);
}

IN_TASK(in_a_cancelled_nursery_ECANCELED_is_not_foreign_N16)
{
    ROOST_NURSERY(n);
    roost_nursery_cancel(n, "test");
    roost_spawn(n, foreign, NULL);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    return 0;
}

/* The scope is cancelled, not the task: its -ECANCELED should have ended there. */
static int leak_a_cancellation(void *arg)
{
    roost_scope_guard(arg); /* no scope: does nothing */
    ROOST_SCOPE(s);
    roost_scope_cancel(s, "test");
    return roost_checkpoint();
}

static int leak_a_nurserys(void *arg)
{
    (void)arg;
    ROOST_NURSERY(n);
    roost_nursery_cancel(n, "test");
    return roost_checkpoint();
}

IN_TASK_GUARDS(the_guard_that_leaked_it_is_named_N16, 2)
{
    roost_task_fn *leaks[] = { leak_a_cancellation, leak_a_nurserys };
    roost_scope none = { 0 };
    int i, r;

    for (i = 0; i < 2; i++) {
        ROOST_NURSERY(n);
        roost_spawn(n, leaks[i], &none);
        kit_stderr_begin();
        r = roost_nursery_close(n, 0);
        EXPECT_HAS(kit_stderr_end(), "its -ECANCELED leaks");
        EXPECT_INT(r, -EPROTO);
        EXPECT_HAS(kit_error(roost_error_of(r)), "left without leave at");
        EXPECT_HAS(kit_error(roost_error_of(r)), __FILE__);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_waits_whatever_order_children_end_in_N1),
        cmocka_unit_test(close_waits_though_its_task_is_cancelled_meanwhile_N1),
        cmocka_unit_test(close_waits_though_its_task_was_cancelled_before_N1),
        cmocka_unit_test(close_waits_though_the_body_failed_N1),
        cmocka_unit_test(after_close_every_stack_is_free_N1),
        cmocka_unit_test(close_yields_once_when_there_is_nothing_to_wait_for_N9),
        cmocka_unit_test(close_is_no_cancellation_point_N9),
        cmocka_unit_test(finished_work_is_not_thrown_away_N9),
        cmocka_unit_test(a_failure_in_a_cancelled_scope_is_just_that_N9),
        cmocka_unit_test(success_of_a_child_cancels_nobody_N3),
        cmocka_unit_test(a_child_that_failed_before_the_body_is_the_verdict_N2),
        cmocka_unit_test(a_body_that_failed_first_is_the_verdict_N2),
        cmocka_unit_test(of_two_failures_in_one_turn_the_first_in_order_is_returned_N2),
        cmocka_unit_test(a_failure_in_cleanup_beats_the_cancellation_before_it_N4),
        cmocka_unit_test(a_failure_in_cleanup_beats_the_nurserys_deadline_N4),
        cmocka_unit_test(a_failure_cancels_the_others_in_the_same_turn_N3),
        cmocka_unit_test(all_are_cancelled_before_any_is_joined_N3),
        cmocka_unit_test(close_with_a_failure_cancels_before_it_joins_N3),
        cmocka_unit_test(a_body_that_computes_sees_it_at_its_next_checkpoint_N3),
        cmocka_unit_test(a_body_cut_by_a_child_returns_the_childs_failure_N2),
        cmocka_unit_test(a_child_cut_from_outside_gives_ECANCELED_N2),
        cmocka_unit_test(a_body_cut_from_outside_gives_ECANCELED_N2),
        cmocka_unit_test(a_deadline_around_the_nursery_is_outside_N2),
        cmocka_unit_test(who_was_cut_by_hand_stays_so_when_outside_follows_N2),
        cmocka_unit_test(who_is_cut_by_hand_and_ends_after_outside_was_cancelled_is_outside_N2),
        cmocka_unit_test(whose_cut_the_bodys_was_is_decided_at_close_N2),
        cmocka_unit_test(behind_a_shield_outside_is_the_shield_N2),
        cmocka_unit_test(its_own_deadline_that_cut_a_child_gives_ETIMEDOUT_N2),
        cmocka_unit_test(its_own_deadline_that_cut_the_body_gives_ETIMEDOUT_N2),
        cmocka_unit_test(its_own_deadline_that_cut_nobody_leaves_the_bodys_result_N2),
        cmocka_unit_test(its_own_deadline_counts_less_than_outside_N2),
        cmocka_unit_test(its_deadline_can_be_set_through_its_scope_N2),
        cmocka_unit_test(by_hand_the_bodys_ECANCELED_becomes_0_N2),
        cmocka_unit_test(by_hand_the_bodys_own_result_stands_N2),
        cmocka_unit_test(of_hand_and_deadline_the_earlier_decides_N2),
        cmocka_unit_test(a_foreign_ECANCELED_of_the_body_is_its_failure_N2),
        cmocka_unit_test(a_real_failure_beats_the_bodys_foreign_ECANCELED_N2),
        cmocka_unit_test(a_foreign_ECANCELED_of_a_child_is_EPROTO_with_both_sites_N16),
        cmocka_unit_test(with_an_uncancelled_scope_around_it_it_is_foreign_too_N16),
        cmocka_unit_test(in_a_cancelled_nursery_ECANCELED_is_not_foreign_N16),
        cmocka_unit_test(the_guard_that_leaked_it_is_named_N16),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
