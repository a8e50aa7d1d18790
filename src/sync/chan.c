/* chan.c - bounded channels.
 *
 * Owns:     a ring of items; the queues of those who wait for room or for one.
 * Promises: an item is received once or stays where it was (C5); waiters are
 *           served in order, and one who comes later does not pass them (X1).
 * Never:    allocates after new.
 * Wakes:    a receiver from send, a sender from recv, all from close.
 *
 * An item goes straight from sender to receiver when one of them waits, so
 *
 *     receivers wait  =>  the ring is empty and nobody waits to send
 *     senders wait    =>  the ring is full
 */
#include <roost/chan.h>

#include <errno.h>
#include <string.h>

#include "core/park.h"

struct roost_chan {
    size_t item_bytes, capacity, first, count;
    roost_lot senders, receivers;
    const struct roost_sys *sys;
    bool closed;
    _Alignas(16) char items[];
};

/* Who waits, and where the item is or goes. */
struct waiter {
    roost_wait w;
    void *item;
    roost_lot *lot;
};

roost_chan *roost_chan_new(size_t item_bytes, size_t capacity)
{
    size_t bytes;
    roost_chan *c;

    ROOST_USAGE(item_bytes > 0, "roost_chan_new was given items of 0 bytes; give "
                "the size of what is sent, sizeof(struct job) for example");
    if (__builtin_mul_overflow(item_bytes, capacity, &bytes) ||
        __builtin_add_overflow(bytes, sizeof *c, &bytes))
        return NULL;
    c = roost__sys->alloc(bytes);
    if (c)
        *c = (roost_chan){ .item_bytes = item_bytes, .capacity = capacity,
                           .sys = roost__sys };
    return c;
}

void roost_chan_free(roost_chan *c)
{
    if (!c)
        return;
    ROOST_USAGE(!c->senders.first && !c->receivers.first, "roost_chan_free while "
                "a task waits on the channel; close it and join the tasks first");
    c->sys->free(c);
}

static void need_size(const roost_chan *c, size_t bytes, const char *call)
{
    ROOST_USAGE(bytes == c->item_bytes, "%s was given an item of %zu bytes on a "
                "channel made for %zu; pass the item's address, not the address "
                "of a pointer to it", call, bytes, c->item_bytes);
}

/* Most items are a word or two: a call of memcpy would cost more than all else. */
static inline void copy_item(const roost_chan *c, void *to, const void *from)
{
    if (c->item_bytes == 8)
        memcpy(to, from, 8);
    else if (c->item_bytes == 4)
        memcpy(to, from, 4);
    else
        memcpy(to, from, c->item_bytes);
}

static void push(roost_chan *c, const void *item)
{
    size_t at = c->first + c->count;

    if (at >= c->capacity)
        at -= c->capacity;
    copy_item(c, c->items + at * c->item_bytes, item);
    c->count++;
}

static void pop(roost_chan *c, void *item)
{
    copy_item(c, item, c->items + c->first * c->item_bytes);
    if (++c->first == c->capacity)
        c->first = 0;
    c->count--;
}

/* The first members of both structures coincide. */
static struct waiter *waiter_of(roost_wait *w)
{
    return (struct waiter *)(void *)w;
}

/* 0, -EPIPE, or -EAGAIN: it would have to wait. */
static int try_send(roost_chan *c, const void *item)
{
    roost_wait *w;

    if (c->closed)
        return -EPIPE;
    if ((w = roost__lot_take(&c->receivers))) {
        copy_item(c, waiter_of(w)->item, item);
        roost__wake_parked(w, 1);
        return 0;
    }
    if (c->count == c->capacity)
        return -EAGAIN;
    push(c, item);
    return 0;
}

/* 1, 0: closed and drained, or -EAGAIN: it would have to wait. */
static int try_recv(roost_chan *c, void *item)
{
    roost_wait *w;

    if (c->count > 0) {
        pop(c, item);
        if ((w = roost__lot_take(&c->senders))) {
            push(c, waiter_of(w)->item);
            roost__wake_parked(w, 0);
        }
        return 1;
    }
    if ((w = roost__lot_take(&c->senders))) {
        copy_item(c, item, waiter_of(w)->item);
        roost__wake_parked(w, 0);
        return 1;
    }
    return c->closed ? 0 : -EAGAIN;
}

/* Tests ask who waits for the channel, in either lot. */
static bool wait_abort(roost_wait *w, void *c)
{
    (void)c;
    return roost__lot_abort(w, waiter_of(w)->lot);
}

static int wait_in(roost_chan *c, roost_task *t, struct waiter *w,
                   const char *what, void *place)
{
    roost__wait_init(&w->w, t);
    roost__lot_append(w->lot, &w->w);
    return roost__park(&w->w, what, wait_abort, c, place);
}

static int send_item(roost_chan *c, const void *item, void *place)
{
    roost_task *t = roost__waiter_at("roost_chan_send", place);
    struct waiter w;
    int r;

    if (t->scope->effective)
        return -ECANCELED;
    r = try_send(c, item);
    if (r != -EAGAIN)
        return r;
    w.item = (void *)(uintptr_t)item;
    w.lot = &c->senders;
    return wait_in(c, t, &w, "room in a channel", place);
}

static int recv_item(roost_chan *c, void *item, void *place)
{
    roost_task *t = roost__waiter_at("roost_chan_recv", place);
    struct waiter w;
    int r;

    if (t->scope->effective)
        return -ECANCELED;
    r = try_recv(c, item);
    if (r != -EAGAIN)
        return r;
    w.item = item;
    w.lot = &c->receivers;
    return wait_in(c, t, &w, "an item of a channel", place);
}

int (roost_chan_send)(roost_chan *c, const void *item)
{
    return send_item(c, item, ROOST__PLACE);
}

int roost_chan_send_sized(roost_chan *c, const void *item, size_t item_bytes)
{
    need_size(c, item_bytes, "roost_chan_send");
    return send_item(c, item, ROOST__PLACE);
}

int (roost_chan_recv)(roost_chan *c, void *item)
{
    return recv_item(c, item, ROOST__PLACE);
}

int roost_chan_recv_sized(roost_chan *c, void *item, size_t item_bytes)
{
    need_size(c, item_bytes, "roost_chan_recv");
    return recv_item(c, item, ROOST__PLACE);
}

int (roost_chan_send_nowait)(roost_chan *c, const void *item)
{
    return try_send(c, item);
}

int roost_chan_send_nowait_sized(roost_chan *c, const void *item,
                                 size_t item_bytes)
{
    need_size(c, item_bytes, "roost_chan_send_nowait");
    return try_send(c, item);
}

int (roost_chan_recv_nowait)(roost_chan *c, void *item)
{
    return try_recv(c, item);
}

int roost_chan_recv_nowait_sized(roost_chan *c, void *item, size_t item_bytes)
{
    need_size(c, item_bytes, "roost_chan_recv_nowait");
    return try_recv(c, item);
}

static void wake_all(roost_lot *lot, int result)
{
    roost_wait *w;

    while ((w = roost__lot_take(lot)))
        roost__wake_parked(w, result);
}

/* Receivers wait only on an empty ring, so 0 is the truth for them. */
void roost_chan_close(roost_chan *c)
{
    c->closed = true;
    wake_all(&c->senders, -EPIPE);
    wake_all(&c->receivers, 0);
}
