/* test_scope_misuse.c - scopes used wrongly, many scopes at once, and what a
 *                       cancel promises while it spreads (S2, S14, S15, T5).
 */
#include "rules/in_task.h"

#include "core/rt.h"
#include "core/scope.h"

/* ---- misuse ---- */

static int leave_out_of_order(void *arg)
{
    roost_scope outer, inner;

    (void)arg;
    roost_scope_enter_at(&outer, ROOST_NEVER, "outer.c:1");
    roost_scope_enter_at(&inner, ROOST_NEVER, "inner.c:2");
    return roost_scope_leave_at(&outer, 0, "leave.c:3");
}

static void leaving_out_of_order_is_misuse_naming_both_T5(void **state)
{
    (void)state;
    kit_dies(leave_out_of_order, NULL, "roost_scope_leave at leave.c:3",
             "outer.c:1", "inner.c:2", "leave or close that one first", NULL);
}

static int leave_twice(void *arg)
{
    roost_scope s;

    (void)arg;
    roost_scope_enter_at(&s, ROOST_NEVER, "enter.c:1");
    roost_ignore(roost_scope_leave(&s, 0));
    return roost_scope_leave_at(&s, 0, "leave.c:2");
}

static void leaving_twice_is_misuse_T5(void **state)
{
    (void)state;
    kit_dies(leave_twice, NULL, "roost_scope_leave at leave.c:2", "enter.c:1",
             "is over already", NULL);
}

static int leave_unentered(void *arg)
{
    roost_scope s;

    (void)arg;
    memset(&s, 0, sizeof s);
    return roost_scope_leave(&s, 0);
}

static void leaving_what_was_never_entered_is_misuse_T5(void **state)
{
    (void)state;
    kit_dies(leave_unentered, NULL, "roost_scope_leave at",
             "test_scope_misuse.c:", "never entered", NULL);
}

static int leave_of_parent(void *arg)
{
    return roost_scope_leave_at((roost_scope *)arg, 0, "leave.c:2");
}

static int leave_in_child(void *arg)
{
    roost_scope s;

    (void)arg;
    ROOST_NURSERY(n);
    roost_scope_enter_at(&s, ROOST_NEVER, "enter.c:1");
    roost_spawn(n, leave_of_parent, &s);
    roost_ignore(roost_checkpoint());
    return roost_nursery_close(n, roost_scope_leave(&s, 0));
}

static void leaving_in_another_task_is_misuse_S14(void **state)
{
    (void)state;
    kit_dies(leave_in_child, NULL, "roost_scope_leave at leave.c:2",
             "enter.c:1", "another task", NULL);
}

static int return_with_it_open(void *arg)
{
    roost_scope *s = arg;

    roost_scope_enter_at(s, ROOST_NEVER, "enter.c:1");
    return 0;
}

static int spawn_it(void *arg)
{
    ROOST_NURSERY(n);
    roost_spawn_at(n, return_with_it_open, arg, "spawn.c:2");
    return roost_nursery_close(n, 0);
}

static void returning_with_a_scope_open_is_misuse_naming_both_T5(void **state)
{
    static roost_scope s;

    (void)state;
    kit_dies(return_with_it_open, &s, "enter.c:1", "kit.c:",
             "open; leave or close it", NULL);
    kit_dies(spawn_it, &s, "enter.c:1", "spawn.c:2", NULL);
}

static int leave_nursery(void *arg)
{
    (void)arg;
    ROOST_NURSERY(n);
    return roost_scope_leave(roost_nursery_scope(n), 0);
}

static void leaving_the_scope_of_a_nursery_is_misuse_T5(void **state)
{
    (void)state;
    kit_dies(leave_nursery, NULL, "roost_scope_leave", "nursery opened at",
             "close the nursery", NULL);
}

static int enter_outside(void *arg)
{
    roost_scope_enter_at((roost_scope *)arg, ROOST_NEVER, "enter.c:1");
    return 0;
}

static void entering_outside_a_task_is_misuse_T5(void **state)
{
    static roost_scope s;

    (void)state;
    kit_dies_outside(enter_outside, &s, "outside a task", "enter.c:1",
                     NULL);
}

/* ---- while a cancel spreads ---- */

struct parked {
    roost_wait w;
    roost_scope mine;
    struct parked *other;
    roost_scope *also; /* cancelled by the abort function */
    const char *name;
};

static bool park_abort(roost_wait *w, void *arg)
{
    struct parked *p = arg;

    EXPECT(w == &p->w);
    EXPECT(p->mine.effective && p->other->mine.effective);
    if (p->also)
        roost_scope_cancel(p->also, "from an abort function");
    kit_log(p->name);
    return true;
}

static int park(void *arg)
{
    struct parked *p = arg;
    int r;

    roost_wait_init(&p->w);
    roost_scope_enter(&p->mine, ROOST_NEVER);
    r = roost_park(&p->w, "the test", park_abort, p);
    kit_log("ran");
    return roost_scope_leave(&p->mine, r);
}

IN_TASK(all_is_marked_before_an_abort_function_runs_and_no_task_does_S2)
{
    struct parked a = { .name = "a" }, b = { .name = "b", .other = &a };

    a.other = &b;
    ROOST_NURSERY(n);
    roost_spawn(n, park, &a);
    roost_spawn(n, park, &b);
    EXPECT_INT(roost_sleep(1), 0);
    roost_nursery_cancel(n, "test");
    kit_log("cancelled");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("a b cancelled ran ran");
    return 0;
}

IN_TASK(an_abort_function_may_cancel_and_the_outer_cancel_sees_to_it_S2)
{
    struct parked a = { .name = "a" }, b = { .name = "b", .other = &a };
    struct parked c = { .name = "c", .other = &a };

    a.other = &b;
    ROOST_NURSERY(elsewhere);
    ROOST_NURSERY(n);
    a.also = roost_nursery_scope(elsewhere);
    roost_spawn(elsewhere, park, &c);
    roost_spawn(n, park, &a);
    roost_spawn(n, park, &b);
    EXPECT_INT(roost_sleep(1), 0);
    roost_nursery_cancel(n, "test");
    EXPECT_LOG("a b c");
    EXPECT_INT(roost_nursery_close(n, 0), -ECANCELED); /* elsewhere is around */
    EXPECT_INT(roost_nursery_close(elsewhere, 0), 0);
    EXPECT_LOG("ran ran ran");
    return 0;
}

/* The word that says what abort may say: it cannot be undone. */
static bool refuse(roost_wait *w, void *arg)
{
    (void)w;
    ++*(int *)arg;
    return false;
}

static int wake_later(void *arg)
{
    roost_ignore(roost_sleep(ROOST_MS(9)));
    roost_wake((roost_wait *)arg, 1);
    return 0;
}

IN_TASK(a_wait_whose_abort_refuses_ends_by_its_waker_and_is_cut_after_C9)
{
    int asked = 0;
    roost_wait w;
    roost_scope s;

    ROOST_NURSERY(n);
    roost_wait_init(&w);
    roost_spawn(n, wake_later, &w);
    roost_scope_enter(&s, roost_after(ROOST_MS(2)));
    EXPECT_INT(roost_park(&w, "the test", refuse, &asked), 1);
    EXPECT_INT(kit_ms(), 9);
    EXPECT_INT(asked, 1);
    EXPECT_INT(roost_scope_leave(&s, roost_checkpoint()), -ETIMEDOUT);
    return roost_nursery_close(n, 0);
}

/* ---- thousands ---- */

#define MANY 4000

static roost_scope many[MANY];

static int leave_all(int r, int from, int to)
{
    while (from-- > to) {
        r = roost_scope_leave(&many[from], r);
        EXPECT_INT(r, from == to ? 0 : -ECANCELED);
        EXPECT_INT(roost_scope_caught(&many[from]), from == to);
    }
    return r;
}

IN_TASK(thousands_of_nested_scopes_are_cancelled_without_recursion_S2)
{
    int i;

    for (i = 0; i < MANY; i++)
        roost_scope_enter(&many[i], ROOST_NEVER);
    roost_scope_cancel(&many[MANY / 2], "the one in the middle");
    leave_all(roost_checkpoint(), MANY, MANY / 2);
    EXPECT_INT(roost_checkpoint(), 0);
    roost_scope_cancel(&many[0], "the outermost");
    leave_all(roost_checkpoint(), MANY / 2, 0);
    return 0;
}

IN_TASK(thousands_of_nested_deadlines_fire_together_outermost_first_S11)
{
    roost_time at = roost_after(ROOST_MS(3));
    int i, r;

    for (i = 0; i < MANY; i++)
        roost_scope_enter(&many[i], at);
    r = roost_sleep(ROOST_SEC(1));
    EXPECT_INT(kit_ms(), 3);
    for (i = MANY; i-- > 0;) {
        EXPECT(many[i].cause == CAUSE_DEADLINE);
        r = roost_scope_leave(&many[i], r);
    }
    EXPECT_INT(r, -ETIMEDOUT);
    EXPECT(roost_scope_caught(&many[0]) && !roost_scope_caught(&many[1]));
    EXPECT_INT(roost__rt->wheel.count, 0);
    return 0;
}

IN_TASK(a_scope_left_without_a_suspension_costs_no_timer_S15)
{
    int i, maps = kit_maps();
    roost_time far = roost_after(ROOST_SEC(86400));

    for (i = 0; i < 20000; i++) {
        roost_scope s;

        roost_scope_enter(&s, far + i);
        EXPECT(!roost__timer_armed(&s.timer));
        EXPECT_INT(roost_scope_leave(&s, 0), 0);
    }
    EXPECT_INT(roost__rt->wheel.count, 0);
    EXPECT_INT(kit_maps(), maps);
    return 0;
}

IN_TASK(a_suspension_arms_the_deadlines_around_and_leave_disarms_S15)
{
    roost_scope outer, inner;

    roost_scope_enter(&outer, roost_after(ROOST_SEC(50)));
    roost_scope_enter(&inner, roost_after(ROOST_SEC(90)));
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    EXPECT_INT(roost__rt->wheel.count, 2);
    EXPECT_INT(roost_scope_leave(&inner, 0), 0);
    EXPECT_INT(roost__rt->wheel.count, 1);
    EXPECT_INT(roost_scope_leave(&outer, 0), 0);
    EXPECT_INT(roost__rt->wheel.count, 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaving_out_of_order_is_misuse_naming_both_T5),
        cmocka_unit_test(leaving_twice_is_misuse_T5),
        cmocka_unit_test(leaving_what_was_never_entered_is_misuse_T5),
        cmocka_unit_test(leaving_in_another_task_is_misuse_S14),
        cmocka_unit_test(returning_with_a_scope_open_is_misuse_naming_both_T5),
        cmocka_unit_test(leaving_the_scope_of_a_nursery_is_misuse_T5),
        cmocka_unit_test(entering_outside_a_task_is_misuse_T5),
        cmocka_unit_test(
            all_is_marked_before_an_abort_function_runs_and_no_task_does_S2),
        cmocka_unit_test(
            an_abort_function_may_cancel_and_the_outer_cancel_sees_to_it_S2),
        cmocka_unit_test(
            a_wait_whose_abort_refuses_ends_by_its_waker_and_is_cut_after_C9),
        cmocka_unit_test(
            thousands_of_nested_scopes_are_cancelled_without_recursion_S2),
        cmocka_unit_test(
            thousands_of_nested_deadlines_fire_together_outermost_first_S11),
        cmocka_unit_test(a_scope_left_without_a_suspension_costs_no_timer_S15),
        cmocka_unit_test(
            a_suspension_arms_the_deadlines_around_and_leave_disarms_S15),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Rows of the peers' suites about scopes that do not fit:
 *
 * R19  a scope is asked by cancelled and caught; there is no enum of states.
 * R31a, R31c, R31g  before enter a scope is bare memory: there is nothing to
 *      cancel, to shield or to ask.
 * R31e enter initialises (S2), so a scope that was left may be entered anew.
 * R31f enter cannot tell an open scope from bytes that look like one.
 * R37, R38  a nursery is closed by the task that opened it, else T5 aborts.
 * R41  an abort function returns bool: there is no illegal value.
 * R43, R44  there are no system tasks; a library's own task is a service (N15).
 * R73  what a wait keeps lives in the waiter's own frame.
 * T03  nobody but the clock holds the wait of a sleep, so none can wake it.
 */
