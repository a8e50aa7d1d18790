/* test_signals_waits.c - claims about waiting for a signal: what ends a wait, and
 *                        how it gets on with the scheduler.
 */
#include "rules/signals.h"
#include "rules/tree_line.h"

/* ---- what ends a wait ---- */

static int cancelled_already(void *arg)
{
    roost_signals s = open_one(SIGUSR1);
    roost_scope scope;
    int i;

    (void)arg;
    send_self(SIGUSR1);
    roost_scope_enter(&scope, ROOST_NEVER);
    roost_scope_cancel(&scope, "a test");
    for (i = 0; i < 10; i++)
        EXPECT_INT(roost_signals_wait(&s), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&scope, -ECANCELED), 0);
    EXPECT_INT(roost_signals_wait(&s), SIGUSR1);
    roost_signals_close(&s);
    roost_scope_enter(&scope, ROOST_NEVER);
    roost_scope_cancel(&scope, "a test");
    EXPECT_INT(roost_signals_wait(&s), -ECANCELED); /* before -EBADF */
    EXPECT_INT(roost_scope_leave(&scope, -ECANCELED), 0);
    return 0;
}

static void a_cancelled_task_takes_no_signal_C1(void **state)
{
    (void)state;
    with_clocks(cancelled_already);
}

static int cancelled_wait(void *arg)
{
    roost_signals s = open_one(SIGUSR1);
    struct taker w[2] = { { .s = &s }, { .s = &s } };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, takes, &w[0]);
    settle();
    roost_spawn(n, takes, &w[1]);
    settle();
    EXPECT_INT(roost__rt->outside, 2);
    roost_scope_cancel(w[0].scope, "a test");
    EXPECT_INT(roost__rt->outside, 1); /* in the very call */
    send_self(SIGUSR1);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(w[0].r, -ECANCELED);
    EXPECT_INT(w[1].r, SIGUSR1);
    EXPECT_INT(roost__rt->outside, 0);
    roost_signals_close(&s);
    return 0;
}

static void a_cancelled_wait_leaves_the_signal_to_the_next_C4_C5(void **state)
{
    (void)state;
    with_clocks(cancelled_wait);
}

IN_TASK(a_signal_handed_out_beats_a_cancellation_C4)
{
    roost_signals s = open_one(SIGUSR1);
    struct taker w = { .s = &s };

    ROOST_NURSERY(n);
    roost_spawn(n, takes, &w);
    settle();
    send_self(SIGUSR1);
    expect_empty(&s); /* hands it to who waits */
    roost_scope_cancel(w.scope, "a test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(w.r, SIGUSR1);
    EXPECT_INT(w.after, -ECANCELED);
    roost_signals_close(&s);
    return 0;
}

static int timed_out(void *arg)
{
    roost_signals s = open_one(SIGUSR1);
    roost_time before = roost_now();

    (void)arg;
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(2), roost_signals_wait(&s)), -ETIMEDOUT);
    EXPECT(roost_now() - before >= ROOST_MS(2));
    send_self(SIGUSR1);
    EXPECT_INT(ROOST_WITHIN(ROOST_SEC(5), roost_signals_wait(&s)), SIGUSR1);
    roost_signals_close(&s);
    return 0;
}

static void a_time_limit_cuts_the_wait_S4(void **state)
{
    (void)state;
    assert_int_equal(kit_run(timed_out, NULL), 0);
    assert_int_equal(kit_run_with(&(roost_options){ 0 }, timed_out, NULL), 0);
}

static int closed_meanwhile(void *arg)
{
    roost_signals s = open_one(SIGUSR1), none = { 0 };
    struct taker w[2] = { { .s = &s }, { .s = &s } };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, takes, &w[0]);
    roost_spawn(n, takes, &w[1]);
    settle();
    roost_signals_close(&s);
    EXPECT_INT(roost__rt->outside, 0);
    roost_signals_close(&s);
    roost_signals_close(&none);
    EXPECT_INT(roost_signals_wait(&s), -EBADF);
    EXPECT_INT(roost_signals_nowait(&s), -EBADF);
    EXPECT_INT(roost_signals_wait(&none), -EBADF);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(w[0].r, -EBADF);
    EXPECT_INT(w[1].r, -EBADF);
    return 0;
}

static void closing_wakes_who_waits_and_is_idempotent_X1(void **state)
{
    (void)state;
    with_clocks(closed_meanwhile);
}

/* A copy of a receiver's bytes is no second owner. */
IN_TASK(a_copy_of_a_closed_receiver_names_nothing)
{
    roost_signals s = open_one(SIGUSR1), copy = s;

    roost_signals_close(&s);
    s = open_one(SIGUSR1);
    EXPECT_INT(roost_signals_nowait(&copy), -EBADF);
    roost_signals_close(&copy);
    expect_empty(&s);
    roost_signals_close(&s);
    return 0;
}

static int idles(void *arg)
{
    return ROOST_IDLE(roost_signals_wait(arg));
}

IN_TASK(the_wait_can_be_marked_idle_and_is_named_X5)
{
    roost_signals s = open_one(SIGUSR1);

    ROOST_NURSERY(n);
    EXPECT_INT(roost_spawn_at(n, idles, &s, "child.c:1"), 0);
    settle();
    EXPECT_HAS(tree_line("child.c:1"), "waits for a signal (idle) in idles+");
    send_self(SIGUSR1);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    roost_signals_close(&s);
    return 0;
}

/* ---- the scheduler ---- */

static int counts(void *arg)
{
    int r = 0;

    while (r >= 0) {
        r = roost_checkpoint();
        ++*(int *)arg;
    }
    return r;
}

IN_TASK(a_loop_over_ready_signals_starves_nobody_C6)
{
    roost_signals s = open_one(SIGUSR1);
    int count = 0, i;

    ROOST_NURSERY(n);
    roost_spawn(n, counts, &count);
    for (i = 0; i < 1000; i++) {
        send_self(SIGUSR1);
        EXPECT_INT(roost_signals_wait(&s), SIGUSR1);
    }
    EXPECT(count > 3);
    roost_nursery_cancel(n, "a test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    roost_signals_close(&s);
    return 0;
}

static int waits_for_nothing(void *arg)
{
    roost_signals s = open_one(SIGUSR1);
    roost_event never;
    int r;

    (void)arg;
    roost_event_init(&never);
    kit_stderr_begin();
    r = roost_event_wait(&never);
    EXPECT_HAS(kit_stderr_end(), "deadlock");
    roost_signals_close(&s);
    return r;
}

static void an_open_receiver_without_a_waiter_is_no_hope_D4(void **state)
{
    (void)state;
    assert_int_equal(kit_run(waits_for_nothing, NULL), -EDEADLK);
}

static int time_jumps(void *arg)
{
    roost_signals s = open_one(SIGUSR1);
    struct taker w = { .s = &s };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, takes, &w);
    EXPECT_INT(roost_sleep(ROOST_SEC(3600)), 0);
    send_self(SIGUSR1);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(w.at, 3600 * 1000);
    roost_signals_close(&s);
    return 0;
}

static void a_signal_does_not_hold_virtual_time_D3(void **state)
{
    (void)state;
    assert_int_equal(kit_run(time_jumps, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cancelled_task_takes_no_signal_C1),
        cmocka_unit_test(a_cancelled_wait_leaves_the_signal_to_the_next_C4_C5),
        cmocka_unit_test(a_signal_handed_out_beats_a_cancellation_C4),
        cmocka_unit_test(a_time_limit_cuts_the_wait_S4),
        cmocka_unit_test(closing_wakes_who_waits_and_is_idempotent_X1),
        cmocka_unit_test(a_copy_of_a_closed_receiver_names_nothing),
        cmocka_unit_test(the_wait_can_be_marked_idle_and_is_named_X5),
        cmocka_unit_test(a_loop_over_ready_signals_starves_nobody_C6),
        cmocka_unit_test(an_open_receiver_without_a_waiter_is_no_hope_D4),
        cmocka_unit_test(a_signal_does_not_hold_virtual_time_D3),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
