/* test_scope_guards.c - scopes declared in a block and left by every way out of
 *                       it (S17), and the forms for one call (ROOST_WITHIN).
 */
#include "rules/in_task.h"

#include "core/rt.h"
#include "core/scope.h"

/* ---- ways out of a block; each returns what is left of a cancellation ---- */

static int by_return(bool cancel)
{
    ROOST_SCOPE(s);
    if (cancel)
        roost_scope_cancel(s, "test");
    return roost_checkpoint();
}

static int by_break(bool cancel)
{
    int r = 1;

    for (;;) {
        ROOST_SCOPE(s);
        if (cancel)
            roost_scope_cancel(s, "test");
        r = roost_checkpoint();
        if (r <= 0)
            break;
    }
    return r;
}

static int by_continue(bool cancel)
{
    int i, r = 1;

    for (i = 0; i < 1; i++) {
        ROOST_SCOPE(s);
        if (cancel)
            roost_scope_cancel(s, "test");
        r = roost_checkpoint();
        if (r <= 0)
            continue;
        r = 2;
    }
    return r;
}

static int by_goto(bool cancel)
{
    int r = 1;

    {
        ROOST_SCOPE(s);
        if (cancel)
            roost_scope_cancel(s, "test");
        r = roost_checkpoint();
        if (r <= 0)
            goto out;
    }
    r = 2;
out:
    return r;
}

static int by_end_of_block(bool cancel)
{
    int r;

    {
        ROOST_SCOPE(s);
        if (cancel)
            roost_scope_cancel(s, "test");
        r = roost_checkpoint();
    }
    return r;
}

static int (*const ways[])(bool cancel) = { by_return, by_break, by_continue,
                                            by_goto, by_end_of_block };
#define WAYS (sizeof ways / sizeof *ways)

static size_t count(const char *text, const char *part)
{
    size_t n = 0;

    while ((text = strstr(text, part))) {
        text += strlen(part);
        n++;
    }
    return n;
}

IN_TASK_GUARDS(a_guard_left_by_any_way_closes_and_absorbs_nothing_S17, 2 * WAYS)
{
    roost_scope *around = roost__self()->scope;
    const char *said;
    size_t i;

    kit_stderr_begin();
    for (i = 0; i < 2 * WAYS; i++) {
        EXPECT_INT(ways[i % WAYS](true), -ECANCELED);
        EXPECT(roost__self()->scope == around);
        EXPECT(!roost_scope_caught(NULL));
        EXPECT_INT(roost_checkpoint(), 0);
    }
    said = kit_stderr_end();
    EXPECT_INT(count(said, "its -ECANCELED leaks"), WAYS); /* once a site */
    EXPECT_INT(count(said, "test_scope_guards.c:"), WAYS);
    EXPECT_INT(count(said, "roost_scope_leave(s, r)"), WAYS);
    return 0;
}

IN_TASK_GUARDS(a_guard_of_a_scope_that_is_not_cancelled_says_nothing_S17, WAYS)
{
    roost_scope *around = roost__self()->scope;
    size_t i;

    kit_stderr_begin();
    for (i = 0; i < WAYS; i++) {
        EXPECT_INT(ways[i](false), 0);
        EXPECT(roost__self()->scope == around);
    }
    EXPECT_INT(strlen(kit_stderr_end()), 0);
    return 0;
}

static int deadline_leaks(void)
{
    ROOST_TIMEOUT(s, ROOST_MS(3));
    return roost_sleep(ROOST_SEC(1));
}

static int outer_passes(void)
{
    ROOST_DEADLINE(s, roost_after(ROOST_SEC(1)));
    return roost_checkpoint();
}

IN_TASK_GUARDS(only_the_scopes_own_cancellation_leaks_S17, 2)
{
    roost_scope outer;
    int r;

    kit_stderr_begin();
    roost_scope_enter(&outer, ROOST_NEVER);
    roost_scope_cancel(&outer, "test");
    r = outer_passes();
    EXPECT_INT(strlen(kit_stderr_end()), 0);
    EXPECT_INT(roost_scope_leave(&outer, r), 0);
    kit_stderr_begin();
    EXPECT_INT(deadline_leaks(), -ECANCELED);
    EXPECT_HAS(kit_stderr_end(), "its -ECANCELED leaks");
    EXPECT_INT(roost__rt->wheel.count, 0);
    return 0;
}

/* ---- shields: there the guard is the normal use ---- */

static int shield_return(void)
{
    ROOST_SHIELD(s, ROOST_SEC(1));
    return roost_checkpoint();
}

static int shield_other_ways(void)
{
    int i, r = 1;

    for (i = 0; i < 3; i++) {
        ROOST_SHIELD(s, ROOST_NEVER);
        r = roost_checkpoint();
        if (i == 0)
            continue;
        if (i == 1)
            break;
    }
    {
        ROOST_SHIELD(s, ROOST_SEC(1));
        r += roost_checkpoint();
        if (r == 0)
            goto out;
    }
    r = 2;
out:
    return r;
}

IN_TASK(the_guard_of_a_shield_is_silent_by_any_way_S17)
{
    roost_scope outer, *around;

    kit_stderr_begin();
    roost_scope_enter(&outer, ROOST_NEVER);
    around = roost__self()->scope;
    roost_scope_cancel(&outer, "test");
    EXPECT_INT(shield_return(), 0);
    EXPECT_INT(shield_other_ways(), 0);
    EXPECT(roost__self()->scope == around);
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&outer, -ECANCELED), 0);
    EXPECT_INT(strlen(kit_stderr_end()), 0);
    return 0;
}

/* ---- what a guard trusts ---- */

/* As after a goto over the declaration: the bytes are anybody's. */
IN_TASK(a_guard_acts_on_the_open_scopes_not_on_bytes_T5)
{
    roost_scope skipped, open, *around = roost__self()->scope;

    memset(&skipped, 0x5a, sizeof skipped);
    roost_scope_guard(&skipped);
    memset(&skipped, 0, sizeof skipped);
    roost_scope_guard(&skipped);
    roost_scope_enter(&open, ROOST_NEVER);
    skipped = open;
    skipped.cookie = roost__cookie(&skipped);
    roost_scope_guard(&skipped);
    EXPECT(roost__self()->scope == &open);
    EXPECT_INT(roost_scope_leave(&open, 0), 0);
    roost_scope_guard(&open);
    EXPECT(roost__self()->scope == around);
    return 0;
}

static int guard_with_inner_open(void *arg)
{
    roost_scope inner;

    (void)arg;
    {
        ROOST_SCOPE(s);
        roost_scope_enter_at(&inner, ROOST_NEVER, "inner.c:1");
    }
    return 0;
}

static void a_guard_with_an_inner_scope_open_is_misuse_T5(void **state)
{
    (void)state;
    kit_dies(guard_with_inner_open, NULL, "test_scope_guards.c:", "inner.c:1",
             "leave or close that one first", NULL);
}

static int leaking_child(void *arg)
{
    (void)arg;
    ROOST_SCOPE(s);
    roost_scope_cancel(s, "test");
    return roost_checkpoint();
}

IN_TASK_GUARDS(a_child_whose_guard_leaked_fails_with_EPROTO_naming_it_N16, 1)
{
    int r;

    ROOST_NURSERY(n);
    kit_stderr_begin();
    roost_spawn(n, leaking_child, NULL);
    r = roost_nursery_close(n, 0);
    EXPECT_HAS(kit_stderr_end(), "its -ECANCELED leaks");
    EXPECT_INT(r, -EPROTO);
    EXPECT_HAS(kit_error(roost_error_of(r)),
               "left without leave at tests/rules/test_scope_guards.c:");
    return 0;
}

/* ---- one call: expressions ---- */

static int slow(int ms, int result)
{
    int r = roost_sleep(ROOST_MS(ms));

    return r < 0 ? r : result;
}

IN_TASK(WITHIN_gives_the_calls_result_or_ETIMEDOUT_S4)
{
    EXPECT(!roost_scope_caught(NULL));
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(5), slow(3, 42)), 42);
    EXPECT(!roost_scope_caught(NULL));
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(5), slow(9, 42)), -ETIMEDOUT);
    EXPECT(roost_scope_caught(NULL));
    EXPECT_INT(kit_ms(), 8);
    EXPECT_INT(ROOST_UNTIL(roost_after(ROOST_MS(2)), slow(9, 42)), -ETIMEDOUT);
    EXPECT(roost_scope_caught(NULL));
    EXPECT_INT(kit_ms(), 10);
    EXPECT_INT(ROOST_WITHIN(0, roost_checkpoint()), -ETIMEDOUT);
    EXPECT_INT(ROOST_WITHIN(ROOST_NEVER, slow(1, 7)), 7);
    EXPECT(!roost_scope_caught(NULL));
    return 0;
}

IN_TASK(a_real_ETIMEDOUT_of_the_call_is_not_caught_S6)
{
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(5), slow(3, -ETIMEDOUT)), -ETIMEDOUT);
    EXPECT(!roost_scope_caught(NULL));
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(5), slow(3, -EIO)), -EIO);
    EXPECT(!roost_scope_caught(NULL));
    return 0;
}

IN_TASK(expressions_nest_and_the_earlier_deadline_decides_S5)
{
    EXPECT_INT(
        ROOST_WITHIN(ROOST_MS(9), ROOST_WITHIN(ROOST_MS(4), slow(20, 1))),
        -ETIMEDOUT);
    EXPECT_INT(kit_ms(), 4);
    EXPECT(!roost_scope_caught(NULL)); /* the outer one was left last */
    EXPECT_INT(
        ROOST_WITHIN(ROOST_MS(4), ROOST_WITHIN(ROOST_MS(9), slow(20, 1))),
        -ETIMEDOUT);
    EXPECT_INT(kit_ms(), 8);
    EXPECT(roost_scope_caught(NULL));
    return 0;
}

IN_TASK(an_expression_may_be_a_loops_condition_S4)
{
    int ms = 1, turns = 0;

    while (ROOST_WITHIN(ROOST_MS(5), slow(ms, ms)) == ms) {
        EXPECT(!roost_scope_caught(NULL));
        ms *= 2;
        turns++;
    }
    EXPECT(roost_scope_caught(NULL));
    EXPECT_INT(turns, 3);
    EXPECT_INT(kit_ms(), 1 + 2 + 4 + 5);
    return 0;
}

IN_TASK(expressions_go_around_IDLE_S4)
{
    roost_lot lot = { 0 };

    EXPECT_INT(ROOST_WITHIN(ROOST_MS(5), ROOST_IDLE(roost_lot_wait(&lot))),
               -ETIMEDOUT);
    EXPECT(roost_scope_caught(NULL));
    EXPECT_INT(ROOST_IDLE(ROOST_WITHIN(ROOST_MS(5), roost_lot_wait(&lot))),
               -ETIMEDOUT);
    EXPECT(roost_scope_caught(NULL));
    EXPECT_INT(kit_ms(), 10);
    return 0;
}

IN_TASK(SHIELDED_runs_one_call_under_a_cancellation_S12)
{
    roost_scope outer;

    roost_scope_enter(&outer, ROOST_NEVER);
    roost_scope_cancel(&outer, "test");
    EXPECT_INT(ROOST_SHIELDED(ROOST_MS(9), slow(3, 42)), 42);
    EXPECT_INT(ROOST_SHIELDED(ROOST_MS(9), slow(30, 42)), -ECANCELED);
    EXPECT(!roost_scope_caught(NULL));
    EXPECT_INT(kit_ms(), 12);
    EXPECT_INT(
        ROOST_SHIELDED(ROOST_MS(9), ROOST_WITHIN(ROOST_MS(1), slow(3, 1))),
        -ETIMEDOUT);
    EXPECT_INT(roost_scope_leave(&outer, roost_checkpoint()), 0);
    EXPECT(roost_scope_caught(NULL));
    return 0;
}

static int leaves_open(void)
{
    static roost_scope s;

    roost_scope_enter_at(&s, ROOST_NEVER, "open.c:1");
    return 0;
}

static int expression_over_open(void *arg)
{
    (void)arg;
    return ROOST_WITHIN(ROOST_SEC(1), leaves_open());
}

static void a_call_in_WITHIN_that_leaves_a_scope_open_is_misuse_T5(void **state)
{
    (void)state;
    kit_dies(expression_over_open, NULL, "ROOST_WITHIN", "open.c:1",
             "leave or close it in the call", NULL);
}

/* ---- roost_scope_caught(NULL) ---- */

static int caught_first(void *arg)
{
    (void)arg;
    return roost_scope_caught(NULL);
}

IN_TASK_GUARDS(caught_NULL_speaks_of_what_the_task_left_last_S4, 1)
{
    EXPECT(!roost_scope_caught(NULL));
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(1), slow(5, 0)), -ETIMEDOUT);
    EXPECT(roost_scope_caught(NULL));
    ROOST_NURSERY(n);
    roost_spawn(n, caught_first, NULL); /* its own, not its spawner's */
    EXPECT_INT(roost_nursery_close(n, 9), 9);
    EXPECT(!roost_scope_caught(NULL)); /* a close counts */
    ROOST_NURSERY_WITH(late, .deadline = roost_after(ROOST_MS(1)));
    EXPECT_INT(roost_nursery_close(late, slow(5, 0)), -ETIMEDOUT);
    EXPECT(roost_scope_caught(NULL));
    EXPECT_INT(by_return(false), 0);
    EXPECT(!roost_scope_caught(NULL)); /* and so does a guard */
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_guard_left_by_any_way_closes_and_absorbs_nothing_S17),
        cmocka_unit_test(
            a_guard_of_a_scope_that_is_not_cancelled_says_nothing_S17),
        cmocka_unit_test(only_the_scopes_own_cancellation_leaks_S17),
        cmocka_unit_test(the_guard_of_a_shield_is_silent_by_any_way_S17),
        cmocka_unit_test(a_guard_acts_on_the_open_scopes_not_on_bytes_T5),
        cmocka_unit_test(a_guard_with_an_inner_scope_open_is_misuse_T5),
        cmocka_unit_test(
            a_child_whose_guard_leaked_fails_with_EPROTO_naming_it_N16),
        cmocka_unit_test(WITHIN_gives_the_calls_result_or_ETIMEDOUT_S4),
        cmocka_unit_test(a_real_ETIMEDOUT_of_the_call_is_not_caught_S6),
        cmocka_unit_test(expressions_nest_and_the_earlier_deadline_decides_S5),
        cmocka_unit_test(an_expression_may_be_a_loops_condition_S4),
        cmocka_unit_test(expressions_go_around_IDLE_S4),
        cmocka_unit_test(SHIELDED_runs_one_call_under_a_cancellation_S12),
        cmocka_unit_test(
            a_call_in_WITHIN_that_leaves_a_scope_open_is_misuse_T5),
        cmocka_unit_test(caught_NULL_speaks_of_what_the_task_left_last_S4),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
