/* test_child_handle.c - ending one child by its handle.
 */
#include "rules/children.h"

#include <stdlib.h>
#include <string.h>

/* ---- when it is ended ---- */

IN_TASK(before_it_ran_it_runs_to_its_first_checkpoint_N17)
{
    roost_child c = { 0 };

    ROOST_NURSERY(n);
    HANDLED(n, &c, .forever = true, .name = "ran");
    EXPECT_INT(roost_child_end(&c, "test"), 0);
    EXPECT_LOG("ran");
    EXPECT_INT(roost_nursery_count(n), 0);
    return roost_nursery_close(n, 0);
}

IN_TASK(while_it_waits_it_is_cut_and_joined_N17)
{
    roost_child c = { 0 };

    ROOST_NURSERY(n);
    HANDLED(n, &c, .forever = true, .cleanup_ms = 9, .name = "home");
    KID(n, .ms = 30, .name = "sibling");
    EXPECT_INT(roost_sleep(ROOST_MS(5)), 0);
    EXPECT_INT(roost_child_end(&c, "test"), 0);
    EXPECT_INT(kit_ms(), 14);
    EXPECT_LOG("home");
    EXPECT(!roost_scope_cancelled(roost_nursery_scope(n)));
    EXPECT_INT(roost_nursery_close(n, 3), 3); /* cut, but not from outside */
    EXPECT_LOG("sibling");
    return 0;
}

IN_TASK(after_its_end_the_kept_result_is_returned_N17)
{
    roost_child c = { 0 };

    ROOST_NURSERY(n);
    HANDLED(n, &c, .ms = 5, .result = 7);
    EXPECT_INT(roost_sleep(ROOST_MS(9)), 0);
    EXPECT_INT(roost_child_end(&c, "test"), 7);
    EXPECT_INT(roost_child_end(&c, "twice"), 7);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(roost_child_end(&c, "after close"), 7);
    EXPECT_INT(kit_ms(), 9);
    return 0;
}

IN_TASK(twice_gives_the_same_N17)
{
    roost_child c = { 0 };

    ROOST_NURSERY(n);
    HANDLED(n, &c, .forever = true);
    EXPECT_INT(roost_child_end(&c, "test"), 0);
    EXPECT_INT(roost_child_end(&c, "test"), 0);
    return roost_nursery_close(n, 0);
}

IN_TASK(one_that_swallows_has_its_own_result_N17)
{
    roost_child c = { 0 };

    ROOST_NURSERY(n);
    HANDLED(n, &c, .forever = true, .cut = 8);
    EXPECT_INT(roost_child_end(&c, "test"), 8);
    return roost_nursery_close(n, 0);
}

IN_TASK(a_failure_in_cleanup_is_returned_and_the_nurserys_N17)
{
    roost_child c = { 0 };

    ROOST_NURSERY(n);
    HANDLED(n, &c, .forever = true, .cut = -EIO);
    KID(n, .forever = true, .name = "cut");
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_child_end(&c, "test"), -EIO);
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_nursery_close(n, -ECANCELED), -EIO);
    EXPECT_INT(roost_child_end(&c, "test"), -EIO);
    return 0;
}

IN_TASK(one_cut_by_others_was_not_cut_by_end_but_gives_0_N17)
{
    roost_child c = { 0 };

    ROOST_NURSERY(n);
    HANDLED(n, &c, .forever = true);
    KID(n, .result = -EIO);
    EXPECT_INT(roost_nursery_close(n, 0), -EIO);
    EXPECT_INT(roost_child_end(&c, "test"), 0);
    return 0;
}

static int foreign(void *arg)
{
    (void)arg;
    return -ECANCELED;
}

IN_TASK(a_foreign_ECANCELED_is_kept_as_EPROTO_N16)
{
    roost_child c = { 0 };
    roost_spawn_options o = { .child = &c };

    ROOST_NURSERY(n);
    roost_spawn_with(n, foreign, NULL, &o);
    EXPECT_INT(roost_nursery_close(n, 0), -EPROTO);
    EXPECT_INT(roost_child_end(&c, "test"), -EPROTO);
    return 0;
}

/* ---- whatever is cancelled ---- */

IN_TASK(in_a_cancelled_task_it_joins_all_the_same_C1)
{
    roost_child c = { 0 };

    ROOST_NURSERY(n);
    HANDLED(n, &c, .forever = true, .cleanup_ms = 9);
    EXPECT_INT(roost_checkpoint(), 0);
    ROOST_SCOPE(s);
    roost_scope_cancel(s, "test");
    EXPECT_INT(roost_child_end(&c, "test"), 0);
    EXPECT_INT(kit_ms(), 9);
    EXPECT_INT(roost_nursery_count(n), 0);
    EXPECT_INT(roost_scope_leave(s, roost_checkpoint()), 0);
    return roost_nursery_close(n, 0);
}

IN_TASK(cancelled_while_it_waits_it_goes_on_waiting_C1)
{
    roost_child c = { 0 };

    ROOST_NURSERY(n);
    HANDLED(n, &c, .forever = true, .cleanup_ms = 9);
    EXPECT_INT(roost_checkpoint(), 0);
    ROOST_SCOPE(s);
    cancel_later(n, s, 3);
    EXPECT_INT(roost_child_end(&c, "test"), 0);
    EXPECT_INT(kit_ms(), 9);
    EXPECT_INT(roost_scope_leave(s, roost_checkpoint()), 0);
    return roost_nursery_close(n, 0);
}

IN_TASK(under_an_outside_cancellation_its_cut_counts_as_outside_N2)
{
    roost_child c = { 0 };

    ROOST_SCOPE(s);
    ROOST_NURSERY(n);
    HANDLED(n, &c, .forever = true);
    roost_scope_cancel(s, "test");
    EXPECT_INT(roost_child_end(&c, "test"), 0);
    EXPECT_INT(roost_nursery_close(n, 5), -ECANCELED);
    return roost_scope_leave(s, -ECANCELED);
}

IN_TASK(ending_the_ended_counts_against_the_budget_C6)
{
    roost_child c = { 0 };
    int i, others = 0;

    ROOST_NURSERY(n);
    KID(n, .ended = &others);
    for (i = 0; i < 1000 && !others; i++)
        EXPECT_INT(roost_child_end(&c, "nobody"), 0);
    EXPECT(i < 1000);
    return roost_nursery_close(n, 0);
}

/* ---- who it is of, and who may ---- */

IN_TASK(a_zeroed_handle_names_nobody_N17)
{
    roost_child c = { 0 };

    EXPECT_INT(roost_child_end(&c, "nobody"), 0);
    return 0;
}

IN_TASK(a_handle_can_be_given_again_when_its_child_has_ended_N17)
{
    roost_child c = { 0 };
    int i;

    memset(&c, 0xa5, sizeof c); /* a spawn initialises it */
    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++) {
        EXPECT_INT(HANDLED(n, &c, .forever = true, .cut = i), 0);
        EXPECT_INT(roost_child_end(&c, "test"), i);
    }
    return roost_nursery_close(n, 0);
}

static bool names_nobody(const roost_child *c)
{
    return !c->cookie && !c->task && !c->result && !c->enders.first &&
           !c->enders.last;
}

IN_TASK(a_failed_or_refused_spawn_leaves_it_zeroed_N17)
{
    roost_child c = { 0 };
    roost_spawn_options o = { .child = &c, .stack_bytes = (size_t)1 << 30 };

    memset(&c, 0xa5, sizeof c);
    ROOST_NURSERY_WITH(n, .children_max = 1, .shed = true);
    KID(n, .forever = true);
    EXPECT_INT(HANDLED(n, &c, .forever = true), -EAGAIN);
    EXPECT(names_nobody(&c));
    EXPECT_INT(roost_child_end(&c, "nobody"), 0);
    memset(&c, 0xa5, sizeof c);
    EXPECT_INT(roost_spawn_with(n, foreign, NULL, &o), -EINVAL);
    EXPECT(names_nobody(&c));
    EXPECT_INT(roost_nursery_close(n, 0), -EINVAL);
    return 0;
}

static int give_twice(void *arg)
{
    roost_child c = { 0 };
    roost_spawn_options o = { .child = &c };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn_with_at(n, kit_sleep_forever, NULL, &o, "first.c:1");
    roost_spawn_with_at(n, kit_sleep_forever, NULL, &o, "second.c:2");
    return roost_nursery_close(n, 0);
}

static void the_handle_of_a_live_child_may_not_be_given_again_N17(void **state)
{
    (void)state;
    kit_dies(give_twice, NULL, "first.c:1", "second.c:2", "alive", NULL);
}

static int end_it(void *c)
{
    return roost_child_end_at(c, "test", "end.c:3");
}

static int spawn_one_that_ends_it(void *c)
{
    ROOST_NURSERY(n);
    roost_spawn(n, end_it, c);
    return roost_nursery_close(n, 0);
}

static int end_oneself(void *fn)
{
    roost_child c = { 0 };
    roost_spawn_options o = { .child = &c };
    roost_task_fn **which = fn;

    ROOST_NURSERY(n);
    roost_spawn_with_at(n, *which, &c, &o, "spawn.c:1");
    return roost_nursery_close(n, 0);
}

static void of_oneself_or_an_ancestor_it_is_misuse_N17(void **state)
{
    roost_task_fn *oneself = end_it, *ancestor = spawn_one_that_ends_it;

    (void)state;
    kit_dies(end_oneself, &oneself, "end.c:3", "spawn.c:1", "itself", NULL);
    kit_dies(end_oneself, &ancestor, "end.c:3", "spawn.c:1", "below it", NULL);
}

static void outside_a_task_it_is_misuse_T5(void **state)
{
    roost_child c = { 0 };

    (void)state;
    kit_dies_outside(end_it, &c, "roost_child_end", "outside a task", NULL);
}

IN_TASK(a_sibling_or_its_child_may_end_it_N17)
{
    roost_child c = { 0 };

    ROOST_NURSERY(n);
    HANDLED(n, &c, .forever = true, .name = "ended");
    roost_spawn(n, spawn_one_that_ends_it, &c);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("ended");
    return 0;
}

static int end_and_log(void *c)
{
    int r = roost_child_end(c, "test");

    kit_log("over");
    return r;
}

IN_TASK(several_may_wait_for_one_end_N17)
{
    roost_child c = { 0 };

    ROOST_NURSERY(n);
    HANDLED(n, &c, .forever = true, .cleanup_ms = 5, .cut = 4, .name = "home");
    roost_spawn(n, end_and_log, &c);
    roost_spawn(n, end_and_log, &c);
    EXPECT_INT(roost_child_end(&c, "test"), 4);
    EXPECT_INT(kit_ms(), 5);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("home over over");
    return 0;
}

static int has_a_family(void *arg)
{
    ROOST_NURSERY(n);
    KID(n, .forever = true, .cleanup_ms = 8, .ended = arg);
    KID(n, .forever = true, .ended = arg);
    return roost_nursery_close(n, 0);
}

IN_TASK(with_the_child_goes_all_below_it_N17)
{
    int ended = 0;
    roost_child c = { 0 };

    ROOST_NURSERY(n);
    roost_spawn_with(n, has_a_family, &ended,
                     &(roost_spawn_options){ .child = &c });
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    EXPECT_INT(roost_child_end(&c, "test"), 0);
    EXPECT_INT(ended, 2);
    EXPECT_INT(kit_ms(), 9);
    return roost_nursery_close(n, 0);
}

static int say_why(void *arg)
{
    int r = roost_sleep_until(ROOST_NEVER);

    (void)arg;
    EXPECT_HAS(kit_why(NULL), "\"not needed any more\"");
    EXPECT_HAS(kit_why(NULL), __FILE__);
    return r;
}

IN_TASK(the_child_can_tell_why_S16)
{
    roost_child c = { 0 };

    ROOST_NURSERY(n);
    roost_spawn_with(n, say_why, NULL, &(roost_spawn_options){ .child = &c });
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_child_end(&c, "not needed any more"), 0);
    return roost_nursery_close(n, 0);
}

/* In the caller's memory until the child has ended: not a moment longer. */
IN_TASK(its_memory_may_go_when_end_returned_N17)
{
    roost_child *c = calloc(1, sizeof *c);

    ROOST_NURSERY(n);
    HANDLED(n, c, .forever = true);
    EXPECT_INT(roost_child_end(c, "test"), 0);
    memset(c, 0xa5, sizeof *c);
    free(c);
    KID(n, .ms = 1);
    return roost_nursery_close(n, 0);
}

IN_TASK(isolated_a_failure_of_it_is_returned_all_the_same_N18)
{
    roost_child c = { 0 };

    ROOST_NURSERY_WITH(n, .policy = ROOST_ISOLATE);
    HANDLED(n, &c, .forever = true, .cut = -EIO);
    EXPECT_INT(roost_child_end(&c, "test"), -EIO);
    EXPECT_INT(roost_nursery_close(n, 2), 2);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_it_ran_it_runs_to_its_first_checkpoint_N17),
        cmocka_unit_test(while_it_waits_it_is_cut_and_joined_N17),
        cmocka_unit_test(after_its_end_the_kept_result_is_returned_N17),
        cmocka_unit_test(twice_gives_the_same_N17),
        cmocka_unit_test(one_that_swallows_has_its_own_result_N17),
        cmocka_unit_test(a_failure_in_cleanup_is_returned_and_the_nurserys_N17),
        cmocka_unit_test(one_cut_by_others_was_not_cut_by_end_but_gives_0_N17),
        cmocka_unit_test(a_foreign_ECANCELED_is_kept_as_EPROTO_N16),
        cmocka_unit_test(in_a_cancelled_task_it_joins_all_the_same_C1),
        cmocka_unit_test(cancelled_while_it_waits_it_goes_on_waiting_C1),
        cmocka_unit_test(under_an_outside_cancellation_its_cut_counts_as_outside_N2),
        cmocka_unit_test(ending_the_ended_counts_against_the_budget_C6),
        cmocka_unit_test(a_zeroed_handle_names_nobody_N17),
        cmocka_unit_test(a_handle_can_be_given_again_when_its_child_has_ended_N17),
        cmocka_unit_test(a_failed_or_refused_spawn_leaves_it_zeroed_N17),
        cmocka_unit_test(the_handle_of_a_live_child_may_not_be_given_again_N17),
        cmocka_unit_test(of_oneself_or_an_ancestor_it_is_misuse_N17),
        cmocka_unit_test(outside_a_task_it_is_misuse_T5),
        cmocka_unit_test(a_sibling_or_its_child_may_end_it_N17),
        cmocka_unit_test(several_may_wait_for_one_end_N17),
        cmocka_unit_test(with_the_child_goes_all_below_it_N17),
        cmocka_unit_test(the_child_can_tell_why_S16),
        cmocka_unit_test(its_memory_may_go_when_end_returned_N17),
        cmocka_unit_test(isolated_a_failure_of_it_is_returned_all_the_same_N18),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
