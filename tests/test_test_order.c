/* test_test_order.c - claims about the test kit's time, rest and turns.
 */
#include "kit/kit.h"

#include <roost/test.h>
#include <unistd.h>

/* ---- time ---- */

static int note_after(void *arg)
{
    int r = roost_sleep(ROOST_MS(*(int *)arg));

    kit_log(*(int *)arg == 10 ? "10" : "20");
    return r;
}

static void advance_moves_time_at_once_and_fires_in_order_D2(void **state)
{
    int late = 20, soon = 10;
    roost_time began = roost_now();

    (void)state;
    ROOST_NURSERY(n);
    roost_spawn(n, note_after, &late);
    roost_spawn(n, note_after, &soon);
    assert_int_equal(roost_test_wait_all_blocked(), 0);
    assert_int_equal(roost_now() - began, 0);
    roost_test_advance(ROOST_MS(30));
    assert_int_equal(roost_now() - began, ROOST_MS(30));
    EXPECT_LOG(""); /* nobody has run yet */
    assert_int_equal(roost_checkpoint(), 0);
    EXPECT_LOG("10 20");
    assert_int_equal(roost_nursery_close(n, 0), 0);
    assert_int_equal(roost_now() - began, ROOST_MS(30));
}

static void advance_reaches_the_callers_own_deadline_S18(void **state)
{
    (void)state;
    ROOST_TIMEOUT(s, ROOST_MS(5));
    roost_test_advance(ROOST_MS(6));
    assert_int_equal(roost_checkpoint(), -ECANCELED);
    assert_int_equal(roost_scope_leave(s, -ECANCELED), -ETIMEDOUT);
}

/* ---- rest ---- */

static int works_in_steps(void *arg)
{
    int i, r = 0;

    for (i = 0; i < 10 && r >= 0; i++) {
        r = roost_checkpoint();
        ++*(int *)arg;
    }
    return r < 0 ? r : roost_sleep(ROOST_SEC(1));
}

static void rest_comes_when_nobody_else_can_run(void **state)
{
    int steps = 0;

    (void)state;
    ROOST_NURSERY(n);
    roost_spawn(n, works_in_steps, &steps);
    assert_int_equal(roost_test_wait_all_blocked(), 0);
    assert_int_equal(steps, 10);
    roost_nursery_cancel(n, "enough");
    assert_int_equal(roost_nursery_close(n, 0), 0);
}

static int reads_byte(void *arg)
{
    char byte;
    int *fd = arg, r = roost_wait_fd(*fd, ROOST_READ);

    if (r >= 0 && read(*fd, &byte, 1) == 1)
        kit_log("read");
    return r < 0 ? r : roost_sleep(ROOST_SEC(1));
}

static void rest_waits_for_what_is_in_descriptors(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    ROOST_NURSERY(n);
    roost_spawn(n, reads_byte, &fds[0]);
    assert_int_equal(roost_test_wait_all_blocked(), 0);
    EXPECT_LOG("read");
    roost_nursery_cancel(n, "enough");
    assert_int_equal(roost_nursery_close(n, 0), 0);
    close(fds[0]);
    close(fds[1]);
}

static void rest_is_a_cancellation_point_C1(void **state)
{
    (void)state;
    ROOST_TEST_CHECKPOINT(roost_test_wait_all_blocked());
    ROOST_TEST_CHECKPOINT(roost_test_wait_parked(state, 1));
}

static int waits_for_event(void *arg)
{
    int r = roost_checkpoint();

    return r < 0 ? r : roost_event_wait(arg);
}

static void parked_counts_those_who_wait_for_the_object(void **state)
{
    roost_event e;

    (void)state;
    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn(n, waits_for_event, &e);
    roost_spawn(n, waits_for_event, &e);
    assert_int_equal(roost_test_wait_parked(&e, 2), 0);
    assert_int_equal(roost_test_wait_parked(&e, 3), -EDEADLK);
    roost_event_set(&e);
    assert_int_equal(roost_nursery_close(n, 0), 0);
}

static int sends_two(void *c)
{
    int i, r = 0;

    for (i = 0; i < 2 && r == 0; i++)
        r = roost_chan_send((roost_chan *)c, &i);
    return r == -EPIPE ? 0 : r;
}

static int receives_two(void *c)
{
    int i, item, r = 1;

    for (i = 0; i < 2 && r == 1; i++)
        r = roost_chan_recv((roost_chan *)c, &item);
    return r;
}

static void parked_counts_both_sides_of_a_channel(void **state)
{
    roost_chan *c = roost_chan_new(sizeof(int), 1);

    (void)state;
    ROOST_NURSERY(n);
    roost_spawn(n, sends_two, c);
    assert_int_equal(roost_test_wait_parked(c, 1), 0);
    assert_int_equal(roost_test_wait_parked(c, 2), -EDEADLK);
    roost_spawn(n, receives_two, c);
    roost_spawn(n, receives_two, c);
    assert_int_equal(roost_test_wait_parked(c, 1), 0);
    roost_chan_close(c);
    assert_int_equal(roost_nursery_close(n, 0), 0);
    roost_chan_free(c);
}

/* ---- turns ---- */

struct player { roost_sequencer *s; unsigned first, second; const char *a, *b; };

ROOST_TASK(player)(struct player *p)
{
    int r = roost_sequencer_turn(p->s, p->first);

    if (r >= 0) {
        kit_log(p->a);
        r = roost_sequencer_turn(p->s, p->second);
    }
    if (r >= 0) {
        kit_log(p->b);
        roost_sequencer_done(p->s);
    }
    return r;
}

static void turns_come_in_their_order(void **state)
{
    roost_sequencer s = { 0 };

    (void)state;
    ROOST_NURSERY(n);
    roost_go(n, player, .s = &s, .first = 1, .second = 2, .a = "b", .b = "c");
    roost_go(n, player, .s = &s, .first = 0, .second = 3, .a = "a", .b = "d");
    assert_int_equal(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("a b c d");
}

/* ---- what a call is ---- */

static void waits_are_cancellation_points_and_others_stay_C1_C2(void **state)
{
    roost_event e;
    roost_lot lot = { 0 };

    (void)state;
    roost_event_init(&e);
    ROOST_TEST_CHECKPOINT(roost_sleep(0));
    ROOST_TEST_CHECKPOINT(roost_event_wait(&e));
    ROOST_TEST_CHECKPOINT(roost_lot_wait(&lot));
    assert_int_equal(ROOST_TEST_NEVER_YIELDS(roost_cancelled()), 0);
    assert_int_equal(ROOST_TEST_NEVER_YIELDS((int)roost_lot_wake(&lot, 1)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        roost_unit_test(advance_moves_time_at_once_and_fires_in_order_D2),
        roost_unit_test(advance_reaches_the_callers_own_deadline_S18),
        roost_unit_test(rest_comes_when_nobody_else_can_run),
        roost_unit_test(rest_waits_for_what_is_in_descriptors),
        roost_unit_test(rest_is_a_cancellation_point_C1),
        roost_unit_test(parked_counts_those_who_wait_for_the_object),
        roost_unit_test(parked_counts_both_sides_of_a_channel),
        roost_unit_test(turns_come_in_their_order),
        roost_unit_test(waits_are_cancellation_points_and_others_stay_C1_C2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
