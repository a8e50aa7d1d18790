/* test_chan.c - claims about channels: bounds, order, closing, cancellation.
 *
 * What is misuse of a channel stands in test_misuse.c. Roost's channels have one
 * handle, always a bound and no bulk calls, so what other libraries claim about
 * clones of ends, unbounded ones, statistics and bulk has no test here.
 */
#include "kit/kit.h"

#include <stdio.h>
#include <string.h>

/* One send or receive by a task of its own. */
struct pass {
    roost_chan *c;
    roost_scope *scope; /* around the call, while it lasts */
    int item, r, after; /* what the call and the checkpoint after it returned */
    long long at;       /* when it returned */
};

static int sender(void *arg)
{
    struct pass *p = arg;
    roost_scope s;
    int r;

    roost_scope_enter(&s, ROOST_NEVER);
    p->scope = &s;
    p->r = roost_chan_send(p->c, &p->item);
    p->at = kit_ms();
    p->after = roost_checkpoint();
    p->scope = NULL;
    r = roost_scope_leave(&s, p->after);
    return r;
}

static int receiver(void *arg)
{
    struct pass *p = arg;
    roost_scope s;
    int r;

    roost_scope_enter(&s, ROOST_NEVER);
    p->scope = &s;
    p->r = roost_chan_recv(p->c, &p->item);
    p->at = kit_ms();
    p->after = roost_checkpoint();
    p->scope = NULL;
    r = roost_scope_leave(&s, p->after);
    return r;
}

/* Lets the children get to where they wait. */
static void settle(void)
{
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
}

static int send_int(roost_chan *c, int item)
{
    return roost_chan_send_nowait(c, &item);
}

/* The item that is there, or a negative errno, or -1000 at the end. */
static int recv_int(roost_chan *c)
{
    int item, r = roost_chan_recv_nowait(c, &item);

    return r == 1 ? item : r == 0 ? -1000 : r;
}

/* ---- bounds ---- */

static int buffer_of_3(void *arg)
{
    roost_chan *c = roost_chan_new(sizeof(int), 3);
    struct pass p = { .c = c, .item = 4 };
    int i;

    (void)arg;
    ROOST_NURSERY(n);
    for (i = 1; i <= 3; i++)
        EXPECT_INT(roost_chan_send(c, &i), 0);
    EXPECT_INT(kit_ms(), 0);
    EXPECT_INT(send_int(c, 99), -EAGAIN);
    roost_spawn(n, sender, &p);
    EXPECT_INT(roost_sleep(ROOST_MS(10)), 0);
    EXPECT_INT(recv_int(c), 1);
    EXPECT_INT(send_int(c, 99), -EAGAIN); /* the room was the waiting sender's */
    settle();
    EXPECT_INT(p.r, 0);
    EXPECT_INT(p.at, 10);
    for (i = 2; i <= 4; i++)
        EXPECT_INT(recv_int(c), i);
    EXPECT_INT(recv_int(c), -EAGAIN);
    roost_chan_free(c);
    return roost_nursery_close(n, 0);
}

static void three_sends_fit_into_a_buffer_of_3_and_the_fourth_waits_X1(void **s)
{
    (void)s;
    assert_int_equal(kit_run(buffer_of_3, NULL), 0);
}

static int rendezvous(void *arg)
{
    roost_chan *c = roost_chan_new(sizeof(int), 0);
    struct pass send = { .c = c, .item = 7 }, recv = { .c = c };
    int item = 8;

    (void)arg;
    ROOST_NURSERY(n);
    EXPECT_INT(send_int(c, 1), -EAGAIN);
    EXPECT_INT(recv_int(c), -EAGAIN);
    roost_spawn(n, sender, &send);
    EXPECT_INT(roost_sleep(ROOST_MS(10)), 0);
    EXPECT_INT(recv_int(c), 7);
    settle();
    EXPECT_INT(send.r, 0);
    EXPECT_INT(send.at, 10);
    roost_spawn(n, receiver, &recv);
    EXPECT_INT(roost_sleep(ROOST_MS(9)), 0);
    EXPECT_INT(roost_chan_send(c, &item), 0);
    settle();
    EXPECT_INT(recv.r, 1);
    EXPECT_INT(recv.item, 8);
    EXPECT_INT(recv.at, 20);
    EXPECT_INT(recv_int(c), -EAGAIN);
    roost_chan_free(c);
    return roost_nursery_close(n, 0);
}

static void in_a_rendezvous_each_side_waits_for_the_other_X1(void **state)
{
    (void)state;
    assert_int_equal(kit_run(rendezvous, NULL), 0);
}

static void sizes_that_overflow_give_no_channel(void **state)
{
    (void)state;
    assert_null(roost_chan_new(1, SIZE_MAX));
    assert_null(roost_chan_new(SIZE_MAX, 1));
    assert_null(roost_chan_new(SIZE_MAX / 2, 3));
    assert_null(roost_chan_new((size_t)1 << 33, (size_t)1 << 33));
}

/* A channel needs no run to be made, filled, read, closed and freed. */
static void the_calls_that_never_wait_need_no_task_C2(void **state)
{
    roost_chan *c = roost_chan_new(sizeof(int), 2);

    (void)state;
    assert_non_null(c);
    assert_int_equal(send_int(c, 1), 0);
    assert_int_equal(send_int(c, 2), 0);
    assert_int_equal(send_int(c, 3), -EAGAIN);
    assert_int_equal(recv_int(c), 1);
    roost_chan_close(c);
    assert_int_equal(recv_int(c), 2);
    assert_int_equal(recv_int(c), -1000);
    roost_chan_free(c);
    roost_chan_free(NULL);
}

/* ---- items of any size ---- */

struct sized {
    roost_chan *c;
    size_t bytes;
};

static void fill(unsigned char *item, size_t bytes, int nth)
{
    size_t i;

    for (i = 0; i < bytes; i++)
        item[i] = (unsigned char)((size_t)nth * 31 + i * 7 + bytes);
}

static int sized_sender(void *arg)
{
    struct sized *z = arg;
    unsigned char item[100];
    int i, r;

    for (i = 0; i < 5; i++) {
        fill(item, z->bytes, i);
        r = (roost_chan_send)(z->c, item);
        if (r < 0)
            return r;
        memset(item, 0xee, sizeof item); /* it was copied */
    }
    roost_chan_close(z->c);
    return 0;
}

/* Five items arrive whole, and nothing behind them is touched. */
static void expect_items(struct sized *z)
{
    unsigned char got[108], wanted[108];
    int i;

    for (i = 0; i < 5; i++) {
        memset(got, 0xcc, sizeof got);
        memset(wanted, 0xcc, sizeof wanted);
        fill(wanted, z->bytes, i);
        EXPECT_INT((roost_chan_recv)(z->c, got), 1);
        EXPECT(memcmp(got, wanted, sizeof got) == 0);
    }
    EXPECT_INT((roost_chan_recv)(z->c, got), 0);
}

static int all_sizes(void *arg)
{
    static const size_t capacities[] = { 0, 1, 3 };
    size_t bytes, i;

    (void)arg;
    for (bytes = 1; bytes <= 100; bytes++)
        for (i = 0; i < 3; i++) {
            struct sized z = { roost_chan_new(bytes, capacities[i]), bytes };

            ROOST_NURSERY(n);
            roost_spawn(n, sized_sender, &z);
            expect_items(&z);
            EXPECT_INT(roost_nursery_close(n, 0), 0);
            roost_chan_free(z.c);
        }
    return 0;
}

static void items_of_1_to_100_bytes_arrive_whole(void **state)
{
    (void)state;
    assert_int_equal(kit_run(all_sizes, NULL), 0);
}

/* ---- closing ---- */

static int close_with_items(void *arg)
{
    roost_chan *c = roost_chan_new(sizeof(int), 3);
    struct pass late[2] = { { .c = c, .item = 4 }, { .c = c, .item = 5 } };
    int i, item = 0;

    (void)arg;
    for (i = 1; i <= 3; i++)
        EXPECT_INT(send_int(c, i), 0);
    ROOST_NURSERY(n);
    roost_spawn(n, sender, &late[0]);
    roost_spawn(n, sender, &late[1]);
    settle();
    roost_chan_close(c);
    roost_chan_close(c);
    for (i = 1; i <= 3; i++) {
        EXPECT_INT(roost_chan_recv(c, &item), 1);
        EXPECT_INT(item, i);
    }
    for (i = 0; i < 2; i++) {
        EXPECT_INT(roost_chan_recv(c, &item), 0);
        EXPECT_INT(roost_chan_recv_nowait(c, &item), 0);
        EXPECT_INT(roost_chan_send(c, &item), -EPIPE);
        EXPECT_INT(roost_chan_send_nowait(c, &item), -EPIPE);
    }
    EXPECT_INT(item, 3); /* a call without an item leaves the buffer alone */
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(late[0].r, -EPIPE);
    EXPECT_INT(late[1].r, -EPIPE);
    roost_chan_free(c);
    return 0;
}

static void a_closed_channel_gives_what_is_left_and_then_0_X1(void **state)
{
    (void)state;
    assert_int_equal(kit_run(close_with_items, NULL), 0);
}

static int close_wakes_receivers(void *arg)
{
    const size_t *capacity = arg;
    roost_chan *c = roost_chan_new(sizeof(int), *capacity);
    struct pass p[3] = { { .c = c, .item = 9 }, { .c = c }, { .c = c } };

    ROOST_NURSERY(n);
    roost_spawn(n, receiver, &p[0]);
    roost_spawn(n, receiver, &p[1]);
    roost_spawn(n, receiver, &p[2]);
    settle();
    roost_chan_close(c);
    EXPECT_INT(p[0].r, 0); /* it does not run inside the close */
    EXPECT_INT(p[0].at, 0);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(p[0].r + p[1].r + p[2].r, 0);
    EXPECT_INT(p[0].at, 1);
    EXPECT_INT(p[2].at, 1);
    EXPECT_INT(p[0].item, 9);
    roost_chan_free(c);
    return 0;
}

static void close_wakes_those_who_wait_for_items_with_0_X1(void **state)
{
    size_t capacity;

    (void)state;
    for (capacity = 0; capacity < 3; capacity++)
        assert_int_equal(kit_run(close_wakes_receivers, &capacity), 0);
}

static int close_wakes_senders(void *arg)
{
    roost_chan *c = roost_chan_new(sizeof(int), 0);
    struct pass p[2] = { { .c = c, .item = 1 }, { .c = c, .item = 2 } };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, sender, &p[0]);
    roost_spawn(n, sender, &p[1]);
    settle();
    roost_chan_close(c);
    EXPECT_INT(recv_int(c), -1000); /* what waits to be sent is not there */
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(p[0].r, -EPIPE);
    EXPECT_INT(p[1].r, -EPIPE);
    roost_chan_free(c);
    return 0;
}

static void close_wakes_those_who_wait_to_send_with_EPIPE_X1(void **state)
{
    (void)state;
    assert_int_equal(kit_run(close_wakes_senders, NULL), 0);
}

static int free_with_items(void *arg)
{
    roost_chan *c = roost_chan_new(sizeof(int), 2);

    (void)arg;
    EXPECT_INT(send_int(c, 1), 0);
    roost_chan_free(c);
    return 0;
}

static void a_channel_with_items_in_it_may_be_freed(void **state)
{
    (void)state;
    assert_int_equal(kit_run(free_with_items, NULL), 0);
}

/* ---- order ---- */

/* Three receivers wait in a known order; items go to them in that order, and
 * one who asks now does not pass them. */
static int receivers_in_order(void *arg)
{
    roost_chan *c = roost_chan_new(sizeof(int), 1);
    struct pass p[3] = { { .c = c }, { .c = c }, { .c = c } };
    int i;

    (void)arg;
    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++) {
        roost_spawn(n, receiver, &p[i]);
        settle();
    }
    EXPECT_INT(send_int(c, 10), 0);
    EXPECT_INT(send_int(c, 11), 0);
    EXPECT_INT(recv_int(c), -EAGAIN);
    EXPECT_INT(send_int(c, 12), 0);
    EXPECT_INT(send_int(c, 13), 0); /* for the buffer */
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    for (i = 0; i < 3; i++)
        EXPECT_INT(p[i].item, 10 + i);
    EXPECT_INT(recv_int(c), 13);
    roost_chan_free(c);
    return 0;
}

static int senders_in_order(void *arg)
{
    roost_chan *c = roost_chan_new(sizeof(int), 1);
    struct pass p[3] = { { .c = c, .item = 1 }, { .c = c, .item = 2 },
                         { .c = c, .item = 3 } };
    int i;

    (void)arg;
    ROOST_NURSERY(n);
    EXPECT_INT(send_int(c, 0), 0);
    for (i = 0; i < 3; i++) {
        roost_spawn(n, sender, &p[i]);
        settle();
    }
    for (i = 0; i <= 3; i++) {
        EXPECT_INT(recv_int(c), i);
        EXPECT_INT(send_int(c, 99), i < 3 ? -EAGAIN : 0);
    }
    EXPECT_INT(recv_int(c), 99);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    roost_chan_free(c);
    return 0;
}

static void with_seeds(roost_task_fn *fn, void *arg, uint64_t first,
                       uint64_t last)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };

    for (o.seed = first; o.seed <= last; o.seed++)
        assert_int_equal(kit_run_with(&o, fn, arg), 0);
}

static void those_who_wait_are_served_first_in_first_out_X1(void **state)
{
    (void)state;
    with_seeds(receivers_in_order, NULL, 0, 20);
    with_seeds(senders_in_order, NULL, 0, 20);
}

static int taker(void *arg)
{
    struct pass *p = arg;
    int item, r;

    while ((r = roost_chan_recv(p->c, &item)) > 0) {
        p->item |= 1 << item;
        p->after++;
        r = roost_checkpoint();
        if (r < 0)
            break;
    }
    return r;
}

static int five_share_ten(void *arg)
{
    roost_chan *c = roost_chan_new(sizeof(int), 0);
    struct pass p[5] = { { .c = c }, { .c = c }, { .c = c }, { .c = c },
                         { .c = c } };
    int i, all = 0, count = 0;

    (void)arg;
    ROOST_NURSERY(n);
    for (i = 0; i < 5; i++)
        roost_spawn(n, taker, &p[i]);
    for (i = 0; i < 10; i++)
        EXPECT_INT(roost_chan_send(c, &i), 0);
    roost_chan_close(c);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    for (i = 0; i < 5; i++) {
        EXPECT(p[i].after >= 1);
        all |= p[i].item;
        count += p[i].after;
    }
    EXPECT_INT(all, (1 << 10) - 1);
    EXPECT_INT(count, 10);
    roost_chan_free(c);
    return 0;
}

static void five_receivers_share_ten_items_and_none_goes_without_X1(void **s)
{
    (void)s;
    assert_int_equal(kit_run(five_share_ten, NULL), 0);
}

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

/* ---- many producers, many consumers, impatient all of them ---- */

enum { PRODUCERS = 5, CONSUMERS = 4, EACH = 20 };

struct item {
    int producer, seq;
};

struct market {
    roost_chan *c;
    int producers, producing;
    bool impatient; /* calls have a short time limit */
    int count[PRODUCERS][EACH];
};

struct actor {
    struct market *m;
    int id;
};

static roost_time patience(const struct market *m)
{
    return m->impatient ? ROOST_US((int64_t)(roost_random() % 40)) : ROOST_NEVER;
}

static int pause_a_little(const struct market *m)
{
    if (!m->impatient || roost_random() % 2)
        return 0;
    return roost_sleep(ROOST_US((int64_t)(roost_random() % 30)));
}

/* An item that was not sent is sent again; one that was is not. */
static int producer(void *arg)
{
    struct actor *a = arg;
    struct item item = { .producer = a->id };
    int r = 0;

    while (item.seq < EACH && r >= 0) {
        r = ROOST_WITHIN(patience(a->m), roost_chan_send(a->m->c, &item));
        item.seq += r == 0;
        if (r == 0 || r == -ETIMEDOUT)
            r = pause_a_little(a->m);
    }
    if (--a->m->producing == 0)
        roost_chan_close(a->m->c);
    return r;
}

static int consumer(void *arg)
{
    struct actor *a = arg;
    int last[PRODUCERS] = { 0 }, r = 1;
    struct item item;

    while (r > 0) {
        r = ROOST_WITHIN(patience(a->m), roost_chan_recv(a->m->c, &item));
        if (r == 1) {
            EXPECT(item.seq >= last[item.producer]);
            last[item.producer] = item.seq + 1;
            a->m->count[item.producer][item.seq]++;
        } else if (r == 0) {
            break;
        }
        if (r == -ETIMEDOUT || r == 1)
            r = pause_a_little(a->m) < 0 ? -ECANCELED : 1;
    }
    return r;
}

static int trade(void *arg)
{
    static const size_t capacities[] = { 0, 1, 3, 10 };
    uint64_t seed = *(uint64_t *)arg;
    struct market m = { .c = roost_chan_new(sizeof(struct item),
                                            capacities[seed % 4]),
                        .impatient = seed % 3 != 0 };
    struct actor a[PRODUCERS + CONSUMERS];
    int i, j, consumers = 1 + (int)(seed / 5 % CONSUMERS);

    m.producers = m.producing = 1 + (int)(seed % PRODUCERS);
    ROOST_NURSERY(n);
    for (i = 0; i < m.producers + consumers; i++) {
        a[i] = (struct actor){ &m, i };
        roost_spawn(n, i < m.producers ? producer : consumer, &a[i]);
    }
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    for (i = 0; i < PRODUCERS; i++)
        for (j = 0; j < EACH; j++)
            EXPECT_INT(m.count[i][j], i < m.producers);
    roost_chan_free(m.c);
    return 0;
}

static void every_item_arrives_once_and_in_its_producers_order_X1(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };

    (void)state;
    for (o.seed = 1; o.seed <= 200; o.seed++)
        assert_int_equal(kit_run_with(&o, trade, &o.seed), 0);
}

/* ---- fairness ---- */

struct game {
    roost_chan *ball;
    int moves, others;
    bool over;
};

/* Never has to wait: what it sends it takes back itself. */
static int juggler(void *arg)
{
    struct game *g = arg;
    int r = 0, item = 0;

    while (!g->over && r >= 0) {
        r = roost_chan_send(g->ball, &item);
        if (r >= 0)
            r = roost_chan_recv(g->ball, &item);
        g->moves++;
    }
    return r < 0 ? r : 0;
}

static int onlooker(void *arg)
{
    struct game *g = arg;
    int r = 0;

    for (; g->others < 20 && r >= 0; g->others++)
        r = roost_checkpoint();
    g->over = true;
    return r;
}

static int juggling(void *arg)
{
    struct game g = { .ball = roost_chan_new(sizeof(int), 2) };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, juggler, &g);
    roost_spawn(n, juggler, &g);
    roost_spawn(n, onlooker, &g);
    r = roost_nursery_close(n, 0);
    EXPECT_INT(g.others, 20);
    EXPECT(g.moves <= 2 * 21 * 64); /* the budget is 128 calls at a time */
    roost_chan_free(g.ball);
    return r;
}

static void two_that_never_block_do_not_starve_a_third_C6(void **state)
{
    (void)state;
    with_seeds(juggling, NULL, 0, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            three_sends_fit_into_a_buffer_of_3_and_the_fourth_waits_X1),
        cmocka_unit_test(in_a_rendezvous_each_side_waits_for_the_other_X1),
        cmocka_unit_test(sizes_that_overflow_give_no_channel),
        cmocka_unit_test(the_calls_that_never_wait_need_no_task_C2),
        cmocka_unit_test(items_of_1_to_100_bytes_arrive_whole),
        cmocka_unit_test(a_closed_channel_gives_what_is_left_and_then_0_X1),
        cmocka_unit_test(close_wakes_those_who_wait_for_items_with_0_X1),
        cmocka_unit_test(close_wakes_those_who_wait_to_send_with_EPIPE_X1),
        cmocka_unit_test(a_channel_with_items_in_it_may_be_freed),
        cmocka_unit_test(those_who_wait_are_served_first_in_first_out_X1),
        cmocka_unit_test(
            five_receivers_share_ten_items_and_none_goes_without_X1),
        cmocka_unit_test(in_a_cancelled_task_nothing_is_sent_or_taken_C1),
        cmocka_unit_test(a_cancelled_waiter_is_not_seen_by_the_other_side_C4),
        cmocka_unit_test(matched_in_the_turn_of_the_cancel_is_done_C4),
        cmocka_unit_test(a_cancelled_waiter_leaves_the_others_in_order_C5),
        cmocka_unit_test(a_call_that_timed_out_leaves_no_ghost_C5),
        cmocka_unit_test(a_cancellation_at_any_step_moves_nothing_C5),
        cmocka_unit_test(every_item_arrives_once_and_in_its_producers_order_X1),
        cmocka_unit_test(two_that_never_block_do_not_starve_a_third_C6),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
