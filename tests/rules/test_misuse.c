/* test_misuse.c - claims about programs that break the rules of nesting: each
 *                 stops with one sentence that names both places.
 *
 * Wrong uses of scopes stand in test_scope_misuse.c, of several threads in
 * test_threads.c, of the rest in test_misuse_*.c; stack overflows in
 * test_overflow.c.
 */
#include "rules/wrong.h"

/* ---- order ---- */

static int close_outer_nursery(void *arg)
{
    roost_nursery outer, inner;

    (void)arg;
    roost_nursery_open_at(&outer, "outer.c:1");
    roost_nursery_open_at(&inner, "inner.c:2");
    return roost_nursery_close_at(&outer, 0, "close.c:3");
}

static int close_around_scope(void *arg)
{
    roost_nursery n;
    roost_scope s;

    (void)arg;
    roost_nursery_open_at(&n, "outer.c:1");
    roost_scope_enter_at(&s, ROOST_NEVER, "inner.c:2");
    return roost_nursery_close_at(&n, 0, "close.c:3");
}

static int leave_around_nursery(void *arg)
{
    roost_nursery n;
    roost_scope s;

    (void)arg;
    roost_shield_enter_at(&s, ROOST_SEC(1), "outer.c:1");
    roost_nursery_open_at(&n, "inner.c:2");
    return roost_scope_leave_at(&s, 0, "leave.c:3");
}

static int close_twice(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open_at(&n, "open.c:1");
    roost_ignore(roost_nursery_close(&n, 0));
    return roost_nursery_close_at(&n, 0, "close.c:2");
}

static int close_unopened(void *arg)
{
    static roost_nursery n;

    (void)arg;
    return roost_nursery_close_at(&n, 0, "close.c:2");
}

static int guard_around_scope(void *arg)
{
    roost_scope s;

    (void)arg;
    {
        ROOST_NURSERY(n);
        roost_scope_enter_at(&s, ROOST_NEVER, "inner.c:2");
    }
    return 0;
}

static int scope_guard_around_nursery(void *arg)
{
    static roost_nursery n;

    (void)arg;
    {
        ROOST_SCOPE(s);
        roost_nursery_open_at(&n, "inner.c:2");
    }
    return 0;
}

static void closing_out_of_order_names_the_inner_and_the_outer_T5(void **state)
{
    static const struct wrong wrong[] = {
        { close_outer_nursery, { "roost_nursery_close at close.c:3",
                                 "entered at outer.c:1", "entered at inner.c:2",
                                 "close that one first" } },
        { close_around_scope, { "roost_nursery_close at close.c:3",
                                "outer.c:1", "inner.c:2" } },
        { leave_around_nursery, { "roost_scope_leave at leave.c:3",
                                  "outer.c:1", "inner.c:2" } },
        { close_twice, { "roost_nursery_close at close.c:2", "open.c:1",
                         "is over already" } },
        { close_unopened, { "close.c:2", "never entered or opened" } },
        { guard_around_scope, { "the end of a block with a nursery",
                                "test_misuse.c:", "inner.c:2" } },
        { scope_guard_around_nursery, { "the end of a block with a scope",
                                        "test_misuse.c:", "inner.c:2" } },
    };

    (void)state;
    ALL_DIE(wrong);
}

/* Its frame is dead when the sentence is made, which must not read it. */
static void open_and_forget(const char *site)
{
    roost_nursery n;

    roost_nursery_open_at(&n, site);
}

static int return_with_nursery(void *arg)
{
    (void)arg;
    open_and_forget("open.c:1");
    return 0;
}

static int child_returns_with_nursery(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    roost_spawn_at(&n, return_with_nursery, NULL, "spawn.c:2");
    return roost_nursery_close(&n, 0);
}

/* Of several it names the outermost, whose place the task itself knows. */
static int return_with_two(void *arg)
{
    static roost_scope s;

    (void)arg;
    roost_scope_enter_at(&s, ROOST_NEVER, "enter.c:1");
    open_and_forget("open.c:2");
    return 0;
}

static int call_leaves_scope(void *arg)
{
    roost_scope_enter_at((roost_scope *)arg, ROOST_NEVER, "enter.c:1");
    return 0;
}

static int expression_left_open(void *arg)
{
    static roost_scope s;

    (void)arg;
    return ROOST_WITHIN(ROOST_SEC(1), call_leaves_scope(&s));
}

static int deferred_leaves_open(void *arg)
{
    static roost_scope s;

    (void)arg;
    return roost_defer(call_leaves_scope, &s);
}

static void returning_with_one_open_names_the_task_and_the_place_T5(void **state)
{
    static const struct wrong wrong[] = {
        { return_with_nursery, { "returned with the scope or nursery",
                                 "entered at open.c:1", "kit.c:",
                                 "leave or close it" } },
        { return_with_two, { "enter.c:1", "kit.c:" } },
        { child_returns_with_nursery, { "the task spawned at spawn.c:2",
                                        "open.c:1" } },
        { expression_left_open, { "ROOST_WITHIN", "enter.c:1",
                                  "leave or close it in the call" } },
        { deferred_leaves_open, { "a deferred function", "enter.c:1",
                                  "kit.c:" } },
    };

    (void)state;
    ALL_DIE(wrong);
}

/* ---- a nursery that is not ours, or over ---- */

static int close_of_parent(void *arg)
{
    return roost_nursery_close_at(arg, 0, "close.c:2");
}

static int child_closes(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open_at(&n, "open.c:1");
    roost_spawn(&n, close_of_parent, &n);
    return roost_nursery_close(&n, 0);
}

static void closing_anothers_nursery_names_who_opened_it_S14(void **state)
{
    static const struct wrong wrong[] = {
        { child_closes, { "roost_nursery_close at close.c:2", "open.c:1",
                          "another task" } },
    };

    (void)state;
    ALL_DIE(wrong);
}

static void close_it(roost_nursery *n)
{
    roost_nursery_open_at(n, "open.c:1");
    roost_ignore(roost_nursery_close_at(n, 0, "close.c:2"));
}

static int spawn_late(void *arg)
{
    roost_nursery n;

    (void)arg;
    close_it(&n);
    return roost_spawn_at(&n, nothing, NULL, "spawn.c:3");
}

static int spawn_copy_late(void *arg)
{
    roost_nursery n;

    close_it(&n);
    return roost_spawn_copy_at(&n, nothing, &arg, sizeof arg, "spawn.c:3");
}

static int spawn_with_late(void *arg)
{
    roost_nursery n;

    close_it(&n);
    return roost_spawn_with_at(&n, nothing, arg, &(roost_spawn_options){ 0 },
                               "spawn.c:3");
}

static int start_late(void *arg)
{
    roost_nursery n;

    close_it(&n);
    return roost_start_at(&n, nothing, arg, "spawn.c:3");
}

static int wait_room_late(void *arg)
{
    roost_nursery n;

    (void)arg;
    close_it(&n);
    return roost_nursery_wait_room(&n);
}

static int spawn_into_bytes(void *arg)
{
    static roost_nursery n;

    return roost_spawn_at(&n, nothing, arg, "spawn.c:3");
}

/* What the guard does at the end of the block is a close too. */
static int spawn_after_guard(void *arg)
{
    static roost_nursery n;

    roost_nursery_open_at(&n, "open.c:1");
    roost_nursery_guard(&n);
    return roost_spawn_at(&n, nothing, arg, "spawn.c:3");
}

static void spawning_after_the_close_names_open_and_close_N6(void **state)
{
    static const struct wrong wrong[] = {
        { spawn_late, { "spawn.c:3", "opened at open.c:1",
                        "closed at close.c:2" } },
        { spawn_copy_late, { "spawn.c:3", "open.c:1", "close.c:2" } },
        { spawn_with_late, { "spawn.c:3", "open.c:1", "close.c:2" } },
        { start_late, { "spawn.c:3", "open.c:1", "close.c:2" } },
        { wait_room_late, { "wait_room", "open.c:1", "close.c:2" } },
        { spawn_after_guard, { "spawn.c:3", "opened at open.c:1" } },
        { spawn_into_bytes, { "spawn.c:3", "never opened" } },
    };

    (void)state;
    ALL_DIE(wrong);
}

/* ---- values ---- */

static int fail_with_success(void *arg)
{
    (void)arg;
    return roost_fail_at("fail.c:1", 5, "it went well");
}

static int fail_with_0(void *arg)
{
    (void)arg;
    return roost_fail_at("fail.c:1", 0, "it went well");
}

static int odd_policy(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open_with_at(
        &n, &(roost_nursery_options){ .policy = (enum roost_policy)7 },
        "open.c:1");
    return 0;
}

static void values_without_a_meaning_are_told(void **state)
{
    static const struct wrong wrong[] = {
        { fail_with_success, { "roost_fail at fail.c:1 was given 5",
                               "negative errno" } },
        { fail_with_0, { "roost_fail at fail.c:1 was given 0" } },
        { odd_policy, { "open.c:1", "policy 7" } },
    };

    (void)state;
    ALL_DIE(wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closing_out_of_order_names_the_inner_and_the_outer_T5),
        cmocka_unit_test(
            returning_with_one_open_names_the_task_and_the_place_T5),
        cmocka_unit_test(closing_anothers_nursery_names_who_opened_it_S14),
        cmocka_unit_test(spawning_after_the_close_names_open_and_close_N6),
        cmocka_unit_test(values_without_a_meaning_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
