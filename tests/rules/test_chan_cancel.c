/* test_chan_cancel.c - claims about channels whose users are cancelled: nothing
 *                      has moved, at whatever step it was.
 */
#include "rules/passes.h"

/* ---- cancellation ---- */

/* In a cancelled scope both calls fail, though there is room and an item. */
static int cancelled_at_entry(void *arg)
{
    roost_chan *c = roost_chan_new(sizeof(int), 2);
    roost_scope s;
    int item = 5, i;

    (void)arg;
    EXPECT_INT(send_int(c, 1), 0);
    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "a test");
    for (i = 0; i < 10; i++) {
        EXPECT_INT(roost_chan_send(c, &item), -ECANCELED);
        EXPECT_INT(roost_chan_recv(c, &item), -ECANCELED);
    }
    roost_chan_close(c); /* also where they would fail otherwise */
    EXPECT_INT(roost_chan_send(c, &item), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), 0);
    EXPECT_INT(item, 5);
    EXPECT_INT(recv_int(c), 1);
    EXPECT_INT(recv_int(c), -1000);
    roost_chan_free(c);
    return 0;
}

static void in_a_cancelled_task_nothing_is_sent_or_taken_C1(void **state)
{
    (void)state;
    assert_int_equal(kit_run(cancelled_at_entry, NULL), 0);
}

/* The waiter is off the queue in the very call that cancels it. */
static int cancelled_while_waiting(void *arg)
{
    roost_chan *c = roost_chan_new(sizeof(int), 0);
    struct pass recv = { .c = c, .item = -1 }, send = { .c = c, .item = 3 };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, receiver, &recv);
    settle();
    roost_scope_cancel(recv.scope, "a test");
    EXPECT_INT(send_int(c, 1), -EAGAIN);
    settle();
    EXPECT_INT(recv.r, -ECANCELED);
    EXPECT_INT(recv.item, -1);
    roost_spawn(n, sender, &send);
    settle();
    roost_scope_cancel(send.scope, "a test");
    EXPECT_INT(recv_int(c), -EAGAIN);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(send.r, -ECANCELED);
    roost_chan_free(c);
    return 0;
}

static void a_cancelled_waiter_is_not_seen_by_the_other_side_C4(void **state)
{
    (void)state;
    with_seeds(cancelled_while_waiting, NULL, 0, 5);
}

/* Matched first, cancelled in the same turn: it is done, once. */
static int matched_then_cancelled(void *arg)
{
    roost_chan *c = roost_chan_new(sizeof(int), 0);
    struct pass recv = { .c = c }, send = { .c = c, .item = 3 };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, sender, &send);
    settle();
    EXPECT_INT(recv_int(c), 3);
    roost_scope_cancel(send.scope, "a test");
    roost_spawn(n, receiver, &recv);
    settle();
    EXPECT_INT(send.r, 0);
    EXPECT_INT(send.after, -ECANCELED);
    EXPECT_INT(send_int(c, 4), 0);
    roost_scope_cancel(recv.scope, "a test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(recv.r, 1);
    EXPECT_INT(recv.item, 4);
    EXPECT_INT(recv.after, -ECANCELED);
    EXPECT_INT(recv_int(c), -EAGAIN);
    roost_chan_free(c);
    return 0;
}

static void matched_in_the_turn_of_the_cancel_is_done_C4(void **state)
{
    (void)state;
    with_seeds(matched_then_cancelled, NULL, 0, 5);
}

/* The first of three waiting senders goes: the others move up. */
static int cancelled_in_the_queue(void *arg)
{
    int which = *(int *)arg, i, wanted = 1;
    roost_chan *c = roost_chan_new(sizeof(int), 0);
    struct pass p[3] = { { .c = c, .item = 1 }, { .c = c, .item = 2 },
                         { .c = c, .item = 3 } };

    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++) {
        roost_spawn(n, sender, &p[i]);
        settle();
    }
    roost_scope_cancel(p[which].scope, "a test");
    for (i = 0; i < 2; i++, wanted++) {
        wanted += wanted == which + 1;
        EXPECT_INT(recv_int(c), wanted);
    }
    EXPECT_INT(recv_int(c), -EAGAIN);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    for (i = 0; i < 3; i++)
        EXPECT_INT(p[i].r, i == which ? -ECANCELED : 0);
    roost_chan_free(c);
    return 0;
}

static void a_cancelled_waiter_leaves_the_others_in_order_C5(void **state)
{
    int which;

    (void)state;
    for (which = 0; which < 3; which++)
        assert_int_equal(kit_run(cancelled_in_the_queue, &which), 0);
}

static int no_ghost(void *arg)
{
    roost_chan *c = roost_chan_new(sizeof(int), 1);
    int item = 1, other = 2;

    (void)arg;
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(5), roost_chan_recv(c, &item)),
               -ETIMEDOUT);
    EXPECT(roost_scope_caught(NULL));
    EXPECT_INT(kit_ms(), 5);
    EXPECT_INT(roost_chan_send(c, &item), 0);
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(5), roost_chan_send(c, &other)),
               -ETIMEDOUT);
    EXPECT_INT(kit_ms(), 10);
    EXPECT_INT(recv_int(c), 1);
    EXPECT_INT(recv_int(c), -EAGAIN);
    roost_chan_free(c);
    return 0;
}

static void a_call_that_timed_out_leaves_no_ghost_C5(void **state)
{
    (void)state;
    assert_int_equal(kit_run(no_ghost, NULL), 0);
}

/* ---- a cancellation at every step of an exchange ---- */

enum { TRIAL_ITEMS = 6, TRIAL_STEPS = 24 };

struct trial {
    roost_chan *c;
    roost_scope *target; /* of the side that will be cancelled */
    bool cancel_sender;
    int steps, sent, got;
};

static int trial_sender(void *arg)
{
    struct trial *t = arg;
    roost_scope s;
    int r = 0;

    roost_scope_enter(&s, ROOST_NEVER);
    t->target = t->cancel_sender ? &s : t->target;
    while (r >= 0 && t->sent < TRIAL_ITEMS) {
        r = roost_chan_send(t->c, &t->sent);
        t->sent += r == 0;
    }
    t->target = t->cancel_sender ? NULL : t->target;
    r = roost_scope_leave(&s, r);
    roost_chan_close(t->c);
    return r == -EPIPE ? 0 : r;
}

static int trial_receiver(void *arg)
{
    struct trial *t = arg;
    roost_scope s;
    int r = 1, item;

    roost_scope_enter(&s, ROOST_NEVER);
    t->target = t->cancel_sender ? t->target : &s;
    while (r > 0) {
        r = roost_chan_recv(t->c, &item);
        if (r > 0)
            EXPECT_INT(item, t->got++);
    }
    t->target = t->cancel_sender ? t->target : NULL;
    r = roost_scope_leave(&s, r);
    roost_chan_close(t->c);
    return r;
}

static int trial_canceller(void *arg)
{
    struct trial *t = arg;
    int i, r;

    for (i = 0; i < t->steps; i++) {
        r = roost_checkpoint();
        if (r < 0)
            return r;
    }
    if (t->target)
        roost_scope_cancel(t->target, "a test");
    return 0;
}

/* Every item that was sent was received or is still there, in order. */
static void try_one(size_t capacity, bool cancel_sender, int steps)
{
    struct trial t = { .c = roost_chan_new(sizeof(int), capacity),
                       .cancel_sender = cancel_sender, .steps = steps };

    ROOST_NURSERY(n);
    roost_spawn(n, trial_sender, &t);
    roost_spawn(n, trial_receiver, &t);
    roost_spawn(n, trial_canceller, &t);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    for (; t.got < t.sent; t.got++)
        EXPECT_INT(recv_int(t.c), t.got);
    EXPECT_INT(t.got, t.sent);
    EXPECT_INT(recv_int(t.c), -1000);
    roost_chan_free(t.c);
}

static int every_step(void *arg)
{
    static const size_t capacities[] = { 0, 1, 3 };
    size_t c;
    int side, steps;

    (void)arg;
    for (c = 0; c < 3; c++)
        for (side = 0; side < 2; side++)
            for (steps = 0; steps < TRIAL_STEPS; steps++)
                try_one(capacities[c], side, steps);
    return 0;
}

static void a_cancellation_at_any_step_moves_nothing_C5(void **state)
{
    (void)state;
    with_seeds(every_step, NULL, 0, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_a_cancelled_task_nothing_is_sent_or_taken_C1),
        cmocka_unit_test(a_cancelled_waiter_is_not_seen_by_the_other_side_C4),
        cmocka_unit_test(matched_in_the_turn_of_the_cancel_is_done_C4),
        cmocka_unit_test(a_cancelled_waiter_leaves_the_others_in_order_C5),
        cmocka_unit_test(a_call_that_timed_out_leaves_no_ghost_C5),
        cmocka_unit_test(a_cancellation_at_any_step_moves_nothing_C5),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
