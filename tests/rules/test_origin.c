/* test_origin.c - every cancellation has an origin, and roost_why prints the
 *                 chain of them from the inside out (S16).
 *
 * The failing child, the failing body and the reason given to a nursery are in
 * test_nursery_trees.c; the deadlock in test_deadlock.c.
 */
#include "rules/in_task.h"

#include <stdio.h>

/* Where `part` begins in what was printed, to compare orders. */
static long at(const char *text, const char *part)
{
    const char *found = strstr(text, part);

    EXPECT_HAS(text, part);
    return found ? (long)(found - text) : -1;
}

static size_t lines(const char *text)
{
    size_t n = 0;

    for (; (text = strchr(text, '\n')); text++)
        n++;
    return n;
}

IN_TASK(what_is_not_cancelled_says_so_S16)
{
    roost_scope s;

    EXPECT_HAS(kit_why(NULL), "not cancelled");
    roost_scope_enter(&s, ROOST_NEVER);
    EXPECT_HAS(kit_why(&s), "not cancelled");
    EXPECT_INT(roost_scope_leave(&s, 0), 0);
    EXPECT_HAS(kit_why(&s), "not cancelled");
    return 0;
}

static void outside_a_task_nothing_is_cancelled_S16(void **state)
{
    (void)state;
    assert_non_null(strstr(kit_why(NULL), "not cancelled"));
}

static void expect_by_hand(const char *why)
{
    EXPECT_HAS(why, "scope entered at enter.c:1 was cancelled: by hand");
    EXPECT_HAS(why, "at cancel.c:2, by main: \"enough\"");
    EXPECT_HAS(why, "7.000 ms ago");
    EXPECT_INT(lines(why), 1);
}

IN_TASK(by_hand_it_has_the_place_the_task_the_reason_and_the_time_S16)
{
    roost_scope s, shield;

    roost_scope_enter_at(&s, ROOST_NEVER, "enter.c:1");
    roost_scope_cancel_at(&s, "enough", "cancel.c:2");
    roost_shield_enter(&shield, ROOST_NEVER);
    EXPECT_INT(roost_sleep(ROOST_MS(7)), 0);
    EXPECT_HAS(kit_why(NULL), "not cancelled"); /* in the shield */
    EXPECT_INT(roost_scope_leave(&shield, 0), 0);
    expect_by_hand(kit_why(NULL));
    expect_by_hand(kit_why(&s));
    EXPECT_INT(roost_scope_leave(&s, roost_checkpoint()), 0);
    expect_by_hand(kit_why(&s)); /* readable after leave, too */
    EXPECT_HAS(kit_why(NULL), "not cancelled");
    return 0;
}

static int cancels_outer(void *arg)
{
    roost_scope_cancel((roost_scope *)arg, "a child's wish");
    return 0;
}

static int spawns_canceller(void *arg)
{
    ROOST_NURSERY(n);
    roost_spawn_with(n, cancels_outer, arg,
                     &(roost_spawn_options){ .name = "critic" });
    return roost_nursery_close(n, 0);
}

IN_TASK(the_task_is_named_by_its_path_S16)
{
    roost_scope s;

    ROOST_NURSERY(n);
    roost_scope_enter(&s, ROOST_NEVER);
    roost_spawn_with(n, spawns_canceller, &s,
                     &(roost_spawn_options){ .name = "desk" });
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_HAS(kit_why(NULL), "by main/desk#2/critic#3: \"a child's wish\"");
    EXPECT_HAS(kit_why(NULL), "test_origin.c:");
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), 0);
    return roost_nursery_close(n, 0);
}

IN_TASK(by_deadline_it_has_the_scope_and_the_instant_S16)
{
    roost_scope s;

    roost_scope_enter_at(&s, roost_after(ROOST_MS(3)), "enter.c:1");
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_HAS(kit_why(NULL), "scope entered at enter.c:1 was cancelled: its "
                              "deadline passed, at enter.c:1, 0.000 ms ago");
    EXPECT_INT(lines(kit_why(NULL)), 1);
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), -ETIMEDOUT);
    return 0;
}

static int looks_why(void *arg)
{
    char *why = arg;
    int r = roost_sleep(ROOST_SEC(1));

    snprintf(why, 1000, "%s", kit_why(NULL));
    return r;
}

IN_TASK(by_a_siblings_failure_it_names_the_failing_task_S16)
{
    char why[1000];

    ROOST_NURSERY(n);
    roost_spawn(n, looks_why, why);
    roost_spawn_with_at(n, kit_fail_eio, NULL,
                        &(roost_spawn_options){ .name = "culprit" },
                        "spawn.c:4");
    EXPECT_INT(roost_nursery_close(n, 0), -EIO);
    EXPECT_HAS(why, "nursery entered at ");
    EXPECT_HAS(why, "a failure in it (Input/output error), at spawn.c:4, by "
                    "main/culprit#3,");
    EXPECT_INT(lines(why), 1);
    return 0;
}

static int fails_to_start(void *arg)
{
    (void)arg;
    return -EIO;
}

/* A child that fails before it has started fails its starter alone, who makes
 * it the nursery's: so the siblings see the body (peers: K03). */
IN_TASK(a_failed_start_is_the_bodys_failure_S16)
{
    char why[1000];
    int r;

    ROOST_NURSERY(n);
    roost_spawn(n, looks_why, why);
    r = roost_start(n, fails_to_start, NULL);
    EXPECT_INT(r, -EIO);
    EXPECT_INT(roost_nursery_close_at(n, r, "close.c:9"), -EIO);
    EXPECT_HAS(why, "a failure in it (Input/output error), at close.c:9, by "
                    "main,");
    return 0;
}

IN_TASK(from_outside_the_chain_goes_from_the_inside_out_S16)
{
    roost_scope outer, middle, inner;
    const char *why;

    roost_scope_enter_at(&outer, roost_after(ROOST_MS(3)), "outer.c:1");
    roost_scope_enter_at(&middle, ROOST_NEVER, "middle.c:2");
    roost_scope_enter_at(&inner, ROOST_NEVER, "inner.c:3");
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    why = kit_why(NULL);
    EXPECT_INT(lines(why), 1); /* the others are not cancelled themselves */
    EXPECT_HAS(why, "scope entered at outer.c:1");
    roost_scope_cancel(&inner, "as well");
    why = kit_why(&inner);
    EXPECT_INT(lines(why), 2);
    EXPECT(at(why, "inner.c:3") < at(why, "outer.c:1"));
    EXPECT(!strstr(kit_why(&middle), "inner.c:3"));
    EXPECT_INT(roost_scope_leave(&inner, -ECANCELED), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&middle, -ECANCELED), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&outer, -ECANCELED), -ETIMEDOUT);
    return 0;
}

IN_TASK(a_shield_that_is_used_up_stands_in_the_chain_S16)
{
    roost_scope outer, shield;
    const char *why;

    roost_scope_enter_at(&outer, ROOST_NEVER, "outer.c:1");
    roost_scope_cancel(&outer, "over");
    roost_shield_enter_at(&shield, ROOST_MS(4), "shield.c:2");
    EXPECT_INT(roost_sleep(ROOST_MS(9)), -ECANCELED);
    why = kit_why(NULL);
    EXPECT(at(why, "the shield entered at shield.c:2 is used up") <
           at(why, "outer.c:1"));
    EXPECT_HAS(why, "4.000 ms ago");
    EXPECT_INT(roost_scope_leave(&shield, -ECANCELED), -ECANCELED);
    return roost_scope_leave(&outer, -ECANCELED);
}

static int waits_for_close(void *arg)
{
    int r = roost_sleep_until(ROOST_NEVER);

    snprintf(arg, 1000, "%s", kit_why(NULL));
    return r;
}

IN_TASK(a_service_names_the_close_that_ended_it_S16)
{
    char why[1000];

    ROOST_NURSERY(n);
    roost_spawn_with(n, waits_for_close, why,
                     &(roost_spawn_options){ .service = true });
    EXPECT_INT(roost_nursery_close_at(n, 0, "close.c:5"), 0);
    EXPECT_HAS(why, "its nursery closed, at close.c:5, by main");
    return 0;
}

IN_TASK(a_child_that_was_ended_names_who_ended_it_S16)
{
    roost_child child = { 0 };
    char why[1000];

    ROOST_NURSERY(n);
    roost_spawn_with_at(n, waits_for_close, why,
                        &(roost_spawn_options){ .child = &child }, "spawn.c:1");
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_child_end_at(&child, "not needed", "end.c:2"), 0);
    EXPECT_HAS(why, "task entered at spawn.c:1 was cancelled: by hand, at "
                    "end.c:2, by main: \"not needed\"");
    return roost_nursery_close(n, 0);
}

static void leave_open(char *why)
{
    ROOST_NURSERY(n);
    roost_spawn(n, waits_for_close, why);
    roost_ignore(roost_checkpoint());
}

IN_TASK_GUARDS(children_of_a_block_left_open_are_told_so_S16, 1)
{
    char why[1000];

    kit_stderr_begin();
    leave_open(why);
    EXPECT_HAS(kit_stderr_end(), "left without close");
    EXPECT_HAS(why, "its block was left without close");
    EXPECT_HAS(why, "test_origin.c:");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_cancelled_says_so_S16),
        cmocka_unit_test(outside_a_task_nothing_is_cancelled_S16),
        cmocka_unit_test(
            by_hand_it_has_the_place_the_task_the_reason_and_the_time_S16),
        cmocka_unit_test(the_task_is_named_by_its_path_S16),
        cmocka_unit_test(by_deadline_it_has_the_scope_and_the_instant_S16),
        cmocka_unit_test(by_a_siblings_failure_it_names_the_failing_task_S16),
        cmocka_unit_test(a_failed_start_is_the_bodys_failure_S16),
        cmocka_unit_test(from_outside_the_chain_goes_from_the_inside_out_S16),
        cmocka_unit_test(a_shield_that_is_used_up_stands_in_the_chain_S16),
        cmocka_unit_test(a_service_names_the_close_that_ended_it_S16),
        cmocka_unit_test(a_child_that_was_ended_names_who_ended_it_S16),
        cmocka_unit_test(children_of_a_block_left_open_are_told_so_S16),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
