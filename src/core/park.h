/* park.h - the one wait function, for the rooms of the library. */
#ifndef ROOST_CORE_PARK_H
#define ROOST_CORE_PARK_H

#include "core/sched.h"

/* Where a public call was made from, for reports. */
#define ROOST__PLACE __builtin_return_address(0)

/* roost_park without its checkpoint: the caller has made it. `place` is the
 * return address of the public call. */
int roost__park(roost_wait *w, const char *what, roost_abort_fn *abort,
                void *arg, void *place);

/* A scope around the parked task was cancelled: asks its abort function. */
void roost__park_cancel(roost_task *t);

static inline void roost__wait_init(roost_wait *w, roost_task *t)
{
    w->task = t;
    w->state = WAIT_NEW;
}

/* roost_wake for the rooms: `w` came off a queue of ours, so it is parked. */
static inline void roost__wake_parked(roost_wait *w, int result)
{
    if (__builtin_expect(w->task->rt != roost__rt, 0)) {
        roost_wake(w, result); /* says whose mistake it is (G4) */
        return;
    }
    w->result = result;
    w->state = WAIT_DONE;
    roost__sched_ready(w->task);
}

/* Queues of waits, as a roost_lot keeps them. */
static inline void roost__lot_append(roost_lot *l, roost_wait *w)
{
    w->next = NULL;
    w->prev = l->last;
    if (l->last)
        l->last->next = w;
    else
        l->first = w;
    l->last = w;
}

static inline void roost__lot_remove(roost_lot *l, roost_wait *w)
{
    if (w->prev)
        w->prev->next = w->next;
    else
        l->first = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else
        l->last = w->prev;
}

static inline roost_wait *roost__lot_take(roost_lot *l)
{
    roost_wait *w = l->first;

    if (w)
        roost__lot_remove(l, w);
    return w;
}

/* The abort function of whoever waits on a lot; arg is the lot. */
bool roost__lot_abort(roost_wait *w, void *lot);

#endif
