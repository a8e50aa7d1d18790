/* chan.h - channels: items handed from task to task, with a bound.
 *
 *     roost_chan *c = roost_chan_new(sizeof(struct job), 16);
 *
 *     r = roost_chan_send(c, &job);            (waits while 16 are in it)
 *     while ((r = roost_chan_recv(c, &job)) > 0)   (0: closed and drained)
 *         work(&job);
 *
 * Capacity 0 is a rendezvous: send returns when a receiver has the item. There
 * is no channel without a bound. A call that returns negative has moved
 * nothing: the item is still the caller's, or still in the channel. Those who
 * wait are served first in, first out. The shape is Go's, the end of it read(2)'s.
 */
#ifndef ROOST_CHAN_H
#define ROOST_CHAN_H

#include <roost/task.h>

ROOST_BEGIN_DECLS

typedef struct roost_chan roost_chan;

/* A channel of items of `item_bytes` (> 0) that holds `capacity` of them. NULL:
 * no memory. */
ROOST_API roost_chan *roost_chan_new(size_t item_bytes, size_t capacity);

/* 0, the item was copied; -EPIPE once the channel is closed; -ECANCELED. */
ROOST_API int roost_chan_send(roost_chan *c, const void *item) ROOST_WAITS;
ROOST_API int roost_chan_send_sized(roost_chan *c, const void *item,
                                    size_t item_bytes) ROOST_WAITS;

/* 1 with an item; 0 closed and drained; -ECANCELED. */
ROOST_API int roost_chan_recv(roost_chan *c, void *item) ROOST_WAITS;
ROOST_API int roost_chan_recv_sized(roost_chan *c, void *item,
                                    size_t item_bytes) ROOST_WAITS;

/* Never wait: -EAGAIN where the above would. */
ROOST_API int roost_chan_send_nowait(roost_chan *c, const void *item) ROOST_MUST;
ROOST_API int roost_chan_send_nowait_sized(roost_chan *c, const void *item,
                                           size_t item_bytes) ROOST_MUST;
ROOST_API int roost_chan_recv_nowait(roost_chan *c, void *item) ROOST_MUST;
ROOST_API int roost_chan_recv_nowait_sized(roost_chan *c, void *item,
                                           size_t item_bytes) ROOST_MUST;

/* No more sends: waiting senders get -EPIPE, receivers what is left, then 0.
 * Again is no error. */
ROOST_API void roost_chan_close(roost_chan *c);

/* Frees it and the items in it; NULL is fine. With somebody waiting: misuse. */
ROOST_API void roost_chan_free(roost_chan *c);

/* The item's size is checked against the channel's, so that a pointer given in
 * place of what it points to is caught. Generic code that has only a void *
 * calls (roost_chan_send)(c, p). */
#define roost_chan_send(c, ...) \
    roost_chan_send_sized(c, __VA_ARGS__, sizeof *(__VA_ARGS__))
#define roost_chan_recv(c, ...) \
    roost_chan_recv_sized(c, __VA_ARGS__, sizeof *(__VA_ARGS__))
#define roost_chan_send_nowait(c, ...) \
    roost_chan_send_nowait_sized(c, __VA_ARGS__, sizeof *(__VA_ARGS__))
#define roost_chan_recv_nowait(c, ...) \
    roost_chan_recv_nowait_sized(c, __VA_ARGS__, sizeof *(__VA_ARGS__))

ROOST_END_DECLS

#endif
