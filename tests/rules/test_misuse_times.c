/* test_misuse_times.c - claims about durations and instants that were mixed. */
#include "rules/wrong.h"

/* ---- durations and instants ---- */

#define SPLIT (INT64_C(1) << 60)

static int enter_duration(void *arg)
{
    roost_scope s;

    (void)arg;
    roost_scope_enter_at(&s, ROOST_SEC(5), "enter.c:1");
    return 0;
}

static int enter_longest_duration(void *arg)
{
    roost_scope s;

    (void)arg;
    roost_scope_enter_at(&s, SPLIT - 1, "enter.c:1");
    return 0;
}

static int set_duration(void *arg)
{
    ROOST_SCOPE(s);

    (void)arg;
    roost_scope_set_deadline_at(s, ROOST_SEC(5), "set.c:1");
    return 0;
}

static int open_duration(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open_with_at(
        &n, &(roost_nursery_options){ .deadline = ROOST_SEC(5) }, "open.c:1");
    return 0;
}

static int sleep_until_duration(void *arg)
{
    (void)arg;
    return roost_sleep_until(ROOST_SEC(5));
}

static int until_duration(void *arg)
{
    return ROOST_UNTIL(ROOST_SEC(5), nothing(arg));
}

static int negative_instant(void *arg)
{
    (void)arg;
    return roost_sleep_until(-1);
}

static void a_duration_given_as_an_instant_is_told_D1(void **state)
{
    static const char hint[] = "use roost_after";
    static const struct wrong wrong[] = {
        { enter_duration, { "enter.c:1", "5000000000",
                            "looks like a duration", hint } },
        { enter_longest_duration, { "enter.c:1", "looks like a duration" } },
        { set_duration, { "roost_scope_set_deadline", "set.c:1", hint } },
        { open_duration, { "open.c:1", hint } },
        { sleep_until_duration, { "roost_sleep_until", hint } },
        { until_duration, { "test_misuse_times.c:", hint } },
        { negative_instant, { "roost_sleep_until", hint } },
    };

    (void)state;
    ALL_DIE(wrong);
}

static int sleep_instant(void *arg)
{
    (void)arg;
    return roost_sleep(roost_after(ROOST_SEC(1)));
}

static int sleep_shortest_instant(void *arg)
{
    (void)arg;
    return roost_sleep(SPLIT);
}

static int after_instant(void *arg)
{
    (void)arg;
    return roost_after(roost_now()) > 0;
}

static int shield_instant(void *arg)
{
    roost_scope s;

    (void)arg;
    roost_shield_enter_at(&s, roost_now(), "enter.c:1");
    return 0;
}

static int within_instant(void *arg)
{
    return ROOST_WITHIN(roost_now(), nothing(arg));
}

static int shielded_instant(void *arg)
{
    return ROOST_SHIELDED(roost_now(), nothing(arg));
}

static void an_instant_given_as_a_duration_is_told_D1(void **state)
{
    static const char hint[] = "looks like an instant";
    static const struct wrong wrong[] = {
        { sleep_instant, { "roost_sleep", hint, "subtract roost_now()" } },
        { sleep_shortest_instant, { "roost_sleep", hint } },
        { after_instant, { "roost_after", hint } },
        { shield_instant, { "a shield's budget", "enter.c:1", hint } },
        { within_instant, { "roost_after", hint } },
        { shielded_instant, { "test_misuse_times.c:", hint } },
    };

    (void)state;
    ALL_DIE(wrong);
}

/* What is right lies as near as can be. */
static int right_times(void *arg)
{
    ROOST_SCOPE(s);

    (void)arg;
    roost_scope_set_deadline(s, roost_after(SPLIT - 1));
    roost_scope_set_deadline(s, ROOST_NEVER);
    EXPECT_INT(roost_sleep_until(SPLIT), 0);
    EXPECT_INT(roost_sleep(-SPLIT), 0);
    EXPECT_INT(ROOST_WITHIN(ROOST_NEVER, roost_sleep(0)), 0);
    EXPECT_INT(ROOST_SHIELDED(ROOST_NEVER, roost_sleep(0)), 0);
    EXPECT_INT(roost_sleep(SPLIT - 1), 0);
    EXPECT(roost_after(ROOST_NEVER) == ROOST_NEVER);
    EXPECT(roost_after(-SPLIT + 1) >= SPLIT);
    return roost_scope_leave(s, 0);
}

static void times_next_to_the_border_are_taken_D1(void **state)
{
    (void)state;
    assert_int_equal(kit_run(right_times, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_duration_given_as_an_instant_is_told_D1),
        cmocka_unit_test(an_instant_given_as_a_duration_is_told_D1),
        cmocka_unit_test(times_next_to_the_border_are_taken_D1),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
