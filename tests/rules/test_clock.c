/* test_clock.c - instants and durations, and that they cannot be mixed (D1).
 *
 * Virtual time is in test_virtual_clock.c, seeds (D5) in test_order.c.
 */
#include "rules/in_task.h"

#include <time.h>

#include "core/rt.h"

#define SPLIT (INT64_C(1) << 60)

static roost_time monotonic(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return ROOST_SEC((roost_time)t.tv_sec) + t.tv_nsec;
}

/* ---- D1 ---- */

static int instant_is_monotonic(void *arg)
{
    roost_time before = monotonic(), now = roost_now(), after = monotonic();

    (void)arg;
    EXPECT(before <= now - ROOST__INSTANT_BASE);
    EXPECT(now - ROOST__INSTANT_BASE <= after);
    return 0;
}

static void instants_are_CLOCK_MONOTONIC_plus_2_to_the_61_D1(void **state)
{
    roost_options real = { .clock = ROOST_CLOCK_REAL };
    roost_time before = roost_now();

    (void)state;
    assert_int_equal(kit_run_with(&real, instant_is_monotonic, NULL), 0);
    assert_int_equal(instant_is_monotonic(NULL), 0);
    assert_true(before <= roost_now());
}

IN_TASK(virtual_instants_begin_at_2_to_the_61_D1)
{
    EXPECT_INT(roost_now(), ROOST__INSTANT_BASE);
    EXPECT_INT(roost_sleep(5), 0);
    EXPECT_INT(roost_now(), ROOST__INSTANT_BASE + 5);
    return 0;
}

IN_TASK(after_saturates_D1)
{
    EXPECT_INT(roost_after(0), roost_now());
    EXPECT_INT(roost_after(7), roost_now() + 7);
    EXPECT_INT(roost_after(-7), roost_now() - 7);
    EXPECT_INT(roost_after(ROOST_NEVER), ROOST_NEVER);
    EXPECT_INT(roost_after(SPLIT - 1), roost_now() + SPLIT - 1);
    EXPECT(roost_after(INT64_MIN) >= SPLIT); /* still an instant */
    EXPECT_INT(roost_sleep_until(roost_after(INT64_MIN)), 0);
    EXPECT_INT(roost_sleep_until(SPLIT), 0);
    EXPECT_INT(roost_sleep(INT64_MIN), 0);
    return 0;
}

static void outside_a_run_there_is_a_clock_and_no_deadline_D1(void **state)
{
    (void)state;
    assert_true(roost_after(ROOST_SEC(1)) > roost_now());
    assert_true(roost_deadline() == ROOST_NEVER);
    assert_true(roost_time_left() == ROOST_NEVER);
    assert_int_equal(roost_cancelled(), 0);
    assert_true(roost_random() != roost_random());
}

static roost_time fake_now;

static roost_time fake_clock(void)
{
    return fake_now;
}

static int sees_the_clock_go_back(void *arg)
{
    roost_time t = roost_now();

    (void)arg;
    fake_now += 100;
    EXPECT_INT(roost_now(), t + 100);
    fake_now -= 60;
    EXPECT_INT(roost_now(), t + 100);
    EXPECT_INT(roost_after(1), t + 101);
    fake_now += 70;
    EXPECT_INT(roost_now(), t + 110);
    return 0;
}

static void now_never_goes_back_D1(void **state)
{
    struct roost_sys sys = roost__sys_default;
    roost_options o = { .sys = &sys };

    (void)state;
    sys.clock = fake_clock;
    fake_now = ROOST__INSTANT_BASE + ROOST_SEC(1000);
    assert_int_equal(kit_run_with(&o, sees_the_clock_go_back, NULL), 0);
}

/* ---- D1: mixing them stops the program ---- */

enum {
    SLEEP, AFTER, WITHIN, TIMEOUT, SHIELD_ENTER, SHIELD, SHIELDED,
    SLEEP_UNTIL, ENTER, SET_DEADLINE, UNTIL, DEADLINE, NURSERY
};

struct mix {
    int call;
    roost_time t;
};

static int mix_blocks(int call, roost_time t)
{
    if (call == TIMEOUT) {
        ROOST_TIMEOUT(s, t);
        return roost_scope_leave(s, 0);
    }
    if (call == DEADLINE) {
        ROOST_DEADLINE(s, t);
        return roost_scope_leave(s, 0);
    }
    if (call == SHIELD) {
        ROOST_SHIELD(s, t);
        return roost_scope_leave(s, 0);
    }
    ROOST_NURSERY_WITH(n, .deadline = t);
    return roost_nursery_close(n, 0);
}

static int mix(void *arg)
{
    const struct mix *m = arg;
    roost_scope s;

    switch (m->call) {
    case SLEEP:
        return roost_sleep(m->t);
    case AFTER:
        return roost_after(m->t) > 0;
    case WITHIN:
        return ROOST_WITHIN(m->t, 0);
    case SHIELD_ENTER:
        roost_shield_enter(&s, m->t);
        return roost_scope_leave(&s, 0);
    case SHIELDED:
        return ROOST_SHIELDED(m->t, 0);
    case SLEEP_UNTIL:
        return roost_sleep_until(m->t);
    case ENTER:
        roost_scope_enter(&s, m->t);
        return roost_scope_leave(&s, 0);
    case SET_DEADLINE:
        roost_scope_enter(&s, ROOST_NEVER);
        roost_scope_set_deadline(&s, m->t);
        return roost_scope_leave(&s, 0);
    case UNTIL:
        return ROOST_UNTIL(m->t, 0);
    default:
        return mix_blocks(m->call, m->t);
    }
}

static void an_instant_where_a_duration_is_wanted_stops_D1(void **state)
{
    struct mix m = { .t = ROOST__INSTANT_BASE + ROOST_SEC(1) };

    (void)state;
    for (m.call = SLEEP; m.call <= SHIELDED; m.call++)
        kit_dies(mix, &m, "looks like an instant", "subtract roost_now()",
                 NULL);
    m = (struct mix){ SLEEP, SPLIT };
    kit_dies(mix, &m, "roost_sleep", "looks like an instant", NULL);
}

static void a_duration_where_an_instant_is_wanted_stops_D1(void **state)
{
    struct mix m = { .t = ROOST_SEC(1) };

    (void)state;
    for (m.call = SLEEP_UNTIL; m.call <= NURSERY; m.call++)
        kit_dies(mix, &m, "looks like a duration", "use roost_after", NULL);
    m = (struct mix){ ENTER, SPLIT - 1 };
    kit_dies(mix, &m, "test_clock.c:", "looks like a duration", NULL);
    m = (struct mix){ SLEEP_UNTIL, -1 };
    kit_dies(mix, &m, "roost_sleep_until", "looks like a duration", NULL);
    m = (struct mix){ ENTER, 0 };
    kit_dies(mix, &m, "looks like a duration", NULL);
}

/* ---- the real clock: its subject is real time ---- */

static int sleeps_really(void *arg)
{
    roost_time begin = monotonic();

    (void)arg;
    EXPECT_INT(roost_sleep(ROOST_MS(3)), 0);
    EXPECT(monotonic() - begin >= ROOST_MS(3));
    begin = monotonic();
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(2), roost_sleep(ROOST_SEC(3600))),
               -ETIMEDOUT);
    EXPECT(monotonic() - begin >= ROOST_MS(2));
    return 0;
}

static void a_real_sleep_is_never_shorter_than_asked_D1(void **state)
{
    roost_options o = { .precise_timers = false };

    (void)state;
    assert_int_equal(kit_run_with(&o, sleeps_really, NULL), 0);
    o.precise_timers = true;
    assert_int_equal(kit_run_with(&o, sleeps_really, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instants_are_CLOCK_MONOTONIC_plus_2_to_the_61_D1),
        cmocka_unit_test(virtual_instants_begin_at_2_to_the_61_D1),
        cmocka_unit_test(after_saturates_D1),
        cmocka_unit_test(outside_a_run_there_is_a_clock_and_no_deadline_D1),
        cmocka_unit_test(now_never_goes_back_D1),
        cmocka_unit_test(an_instant_where_a_duration_is_wanted_stops_D1),
        cmocka_unit_test(a_duration_where_an_instant_is_wanted_stops_D1),
        cmocka_unit_test(a_real_sleep_is_never_shorter_than_asked_D1),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
