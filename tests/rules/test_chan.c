/* test_chan.c - claims about channels: bounds, sizes, closing, order.
 *
 * What is misuse of a channel stands in test_misuse_waits.c. Roost's channels
 * have one handle, always a bound and no bulk calls, so what other libraries
 * claim about clones of ends, unbounded ones, statistics and bulk has no test.
 */
#include "rules/passes.h"

#include <string.h>

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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
