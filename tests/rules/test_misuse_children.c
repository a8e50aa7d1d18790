/* test_misuse_children.c - claims about roost_started and handles used wrongly. */
#include "rules/wrong.h"

#include <string.h>

/* ---- start ---- */

static int twice(void *arg)
{
    (void)arg;
    roost_started(1);
    roost_started(2);
    return 0;
}

static int negative(void *arg)
{
    (void)arg;
    roost_started(-5);
    return 0;
}

static int starts_twice(void *arg)
{
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    r = roost_start_at(n, twice, NULL, "start.c:1");
    return roost_nursery_close(n, r);
}

static int starts_negative(void *arg)
{
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    r = roost_start_at(n, negative, NULL, "start.c:1");
    return roost_nursery_close(n, r);
}

/* Also when the first came too late: the caller was cancelled. */
static int twice_when_cancelled(void *arg)
{
    roost_scope_cancel(arg, "a test");
    return twice(NULL);
}

static int starts_twice_cancelled(void *arg)
{
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    ROOST_SCOPE(s);
    r = roost_start_at(n, twice_when_cancelled, s, "start.c:1");
    return roost_nursery_close(n, roost_scope_leave(s, r));
}

static void starting_twice_names_the_task_N10(void **state)
{
    static const struct wrong wrong[] = {
        { starts_twice, { "roost_started was called twice", "start.c:1" } },
        { starts_twice_cancelled, { "called twice", "start.c:1" } },
        { starts_negative, { "roost_started was given -5", "start.c:1" } },
    };

    (void)state;
    ALL_DIE(wrong);
}

static int twice_in_a_spawn(void *arg)
{
    ROOST_NURSERY(n);
    roost_spawn(n, twice, arg);
    return roost_nursery_close(n, 0);
}

static void in_a_plain_spawn_it_does_nothing_however_often_N10(void **state)
{
    (void)state;
    assert_int_equal(kit_run(twice_in_a_spawn, NULL), 0);
}

/* ---- handles ---- */

static int same_handle(void *arg)
{
    roost_child c = { 0 };
    roost_spawn_options o = { .child = &c };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn_with_at(n, kit_sleep_forever, NULL, &o, "first.c:1");
    roost_spawn_with_at(n, kit_sleep_forever, NULL, &o, "second.c:2");
    return roost_nursery_close(n, 0);
}

static int same_handle_start(void *arg)
{
    roost_child c = { 0 };
    roost_spawn_options o = { .child = &c };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn_with_at(n, kit_sleep_forever, NULL, &o, "first.c:1");
    r = roost_start_with_at(n, kit_sleep_forever, NULL, &o, "second.c:2");
    return roost_nursery_close(n, r);
}

/* Also in a start that is not made since its caller is cancelled. */
static int same_handle_cancelled(void *arg)
{
    roost_child c = { 0 };
    roost_spawn_options o = { .child = &c };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn_with_at(n, kit_sleep_forever, NULL, &o, "first.c:1");
    roost_nursery_cancel(n, "a test");
    r = roost_start_with_at(n, kit_sleep_forever, NULL, &o, "second.c:2");
    return roost_nursery_close(n, r);
}

static void the_handle_of_a_live_child_given_again_names_both_N17(void **state)
{
    static const struct wrong wrong[] = {
        { same_handle, { "second.c:2", "first.c:1", "child that is alive" } },
        { same_handle_start, { "second.c:2", "first.c:1", "alive" } },
        { same_handle_cancelled, { "second.c:2", "first.c:1", "alive" } },
    };

    (void)state;
    ALL_DIE(wrong);
}

static int handle_again(void *arg)
{
    roost_child c;
    roost_spawn_options o = { .child = &c };
    int i, r, value = 3;

    (void)arg;
    memset(&c, 0x5a, sizeof c); /* what stands in it does not matter */
    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++) {
        roost_spawn_with(n, kit_return, &value, &o);
        r = roost_sleep(1);
        EXPECT_INT(r, 0);
        EXPECT_INT(roost_child_end(&c, "a test"), 3);
    }
    return roost_nursery_close(n, 0);
}

static void the_handle_of_an_ended_child_is_used_again_N17(void **state)
{
    (void)state;
    assert_int_equal(kit_run(handle_again, NULL), 0);
}

static int end_myself(void *arg)
{
    return roost_child_end_at(arg, "a test", "end.c:2");
}

static int ends_itself(void *arg)
{
    roost_child c = { 0 };
    roost_spawn_options o = { .child = &c };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn_with_at(n, end_myself, &c, &o, "spawn.c:1");
    return roost_nursery_close(n, 0);
}

static int two_below(void *arg)
{
    ROOST_NURSERY(n);
    roost_spawn(n, end_myself, arg);
    return roost_nursery_close(n, 0);
}

static int one_below(void *arg)
{
    ROOST_NURSERY(n);
    roost_spawn(n, two_below, arg);
    return roost_nursery_close(n, 0);
}

static int ends_an_ancestor(void *arg)
{
    roost_child c = { 0 };
    roost_spawn_options o = { .child = &c };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn_with_at(n, one_below, &c, &o, "spawn.c:1");
    return roost_nursery_close(n, 0);
}

static void ending_oneself_or_an_ancestor_names_both_N17(void **state)
{
    static const struct wrong wrong[] = {
        { ends_itself, { "roost_child_end at end.c:2", "spawn.c:1",
                         "return from it instead" } },
        { ends_an_ancestor, { "end.c:2", "spawn.c:1",
                              "return from it instead" } },
    };

    (void)state;
    ALL_DIE(wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starting_twice_names_the_task_N10),
        cmocka_unit_test(in_a_plain_spawn_it_does_nothing_however_often_N10),
        cmocka_unit_test(the_handle_of_a_live_child_given_again_names_both_N17),
        cmocka_unit_test(the_handle_of_an_ended_child_is_used_again_N17),
        cmocka_unit_test(ending_oneself_or_an_ancestor_names_both_N17),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
