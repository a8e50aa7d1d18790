/* park.c - park and wake: the two calls that every wait is made of.
 *
 * Owns:     the wait word of a parked task, and the parking lot on top of it.
 * Promises: a wait is decided once, here: DONE by its waker or CANCELLED by a
 *           cancellation whose abort function agreed, never both; done beats
 *           cancelled (C4); a wake before the park is kept (C9).
 * Never:    allocates.
 *
 * State:    NEW --park--> PARKED --wake--> DONE
 *            \                `--cancel, abort agrees--> CANCELLED
 *             `--wake--> DONE (park returns at once)
 */
#include "core/park.h"

#include <errno.h>

#include "core/sched.h"

/* abort() may itself wake the wait: then it is done, not cancelled. */
static bool try_abort(roost_wait *w, roost_abort_fn *abort, void *arg)
{
    if (!abort || !abort(w, arg))
        return false;
    if (w->state == WAIT_DONE)
        return false;
    w->state = WAIT_CANCELLED;
    w->result = -ECANCELED;
    if (!w->task->scope->effective) { /* a stop, then */
        w->result = -ESHUTDOWN;
        w->task->s.stopped = 1;
    }
    return true;
}

static __attribute__((noinline)) void suspend_probed(roost_task *t)
{
    struct roost__probe *p = t->rt->probe;

    p->wait(t, PROBE_PARKED, t->wait_what, t->wait_place);
    roost__sched_suspend(t->rt);
    p->wait(t, PROBE_WOKEN, t->wait_what, t->wait_place);
}

/* An idle wait in a scope that is stopping. */
static __attribute__((noinline)) bool ends_at_once(roost_wait *w,
                                                   roost_abort_fn *abort,
                                                   void *arg)
{
    if (!w->task->scope->stop)
        return false;
    w->task->s.idle = 0;
    return try_abort(w, abort, arg) || w->state == WAIT_DONE;
}

int roost__park(roost_wait *w, const char *what, roost_abort_fn *abort,
                void *arg, void *place)
{
    roost_task *t = w->task;

    if (w->state == WAIT_DONE)
        return w->result;
    if (__builtin_expect(t->s.idle, 0) && ends_at_once(w, abort, arg))
        return w->result;
    w->state = WAIT_PARKED;
    t->s.wait = w;
    t->abort = abort;
    t->wait_object = arg;
    t->wait_what = what;
    t->wait_place = place;
    t->wait_since = t->rt->now;
    t->base.seq = t->rt->seq++; /* order of parking (D5) */
    t->s.parked_idle = t->s.idle;
    t->s.idle = 0;
    if (__builtin_expect(t->rt->probe != NULL, 0))
        suspend_probed(t);
    else
        roost__sched_suspend(t->rt);
    t->s.wait = NULL;
    return w->result;
}

void roost__park_cancel(roost_task *t)
{
    roost_wait *w = t->s.wait;

    if (!w || w->state != WAIT_PARKED)
        return;
    t->s.parked_idle = t->s.parked_idle != 0; /* it may refuse, and be asked again */
    if (try_abort(w, t->abort, t->wait_object))
        roost__sched_ready(t);
    else if (t->scope->effective)
        t->abort = NULL; /* refused: reports show it so (C9) */
}

void roost_wait_init(roost_wait *w)
{
    roost_task *t = roost__self();

    ROOST_USAGE(t, "roost_wait_init was called outside a task; the task that "
                "will park calls it");
    roost__wait_init(w, t);
}

int roost_park(roost_wait *w, const char *what, roost_abort_fn *abort, void *arg)
{
    roost_task *t = roost__waiter("roost_park");

    ROOST_USAGE(w->task == t, "roost_park(\"%s\") was given a wait that another "
                "task prepared; call roost_wait_init in the task that parks",
                what);
    ROOST_USAGE(w->state == WAIT_NEW || w->state == WAIT_DONE,
                "roost_park(\"%s\") was given a wait that has been used; call "
                "roost_wait_init before each park", what);
    if (w->state == WAIT_NEW && t->scope->effective) {
        if (try_abort(w, abort, arg))
            return -ECANCELED;
        abort = NULL; /* refused */
    }
    return roost__park(w, what, abort, arg, ROOST__PLACE);
}

void roost_wake(roost_wait *w, int result)
{
    ROOST_USAGE(w->task && w->task->rt == roost__rt,
                "roost_wake was called from another thread or runtime than the "
                "task that waits; only the waiter's own loop may wake it");
    ROOST_USAGE(w->state == WAIT_NEW || w->state == WAIT_PARKED,
                "roost_wake was called on a wait that is already %s; an "
                "operation ends once: by its waker, or by its abort function",
                w->state == WAIT_DONE ? "woken" : "cancelled");
    w->result = result;
    if (w->state == WAIT_PARKED) {
        w->state = WAIT_DONE;
        roost__sched_ready(w->task);
    }
    w->state = WAIT_DONE;
}

bool roost__lot_abort(roost_wait *w, void *lot)
{
    roost__lot_remove(lot, w);
    return true;
}

int roost_lot_wait(roost_lot *l)
{
    roost_task *t = roost__waiter("roost_lot_wait");
    roost_wait w;

    if (t->scope->effective)
        return -ECANCELED;
    roost__wait_init(&w, t);
    roost__lot_append(l, &w);
    return roost__park(&w, "a wake of its lot", roost__lot_abort, l,
                       ROOST__PLACE);
}

size_t roost_lot_wake(roost_lot *l, size_t how_many)
{
    size_t woken = 0;
    roost_wait *w;

    while (woken < how_many && (w = roost__lot_take(l))) {
        roost__wake_parked(w, 0);
        woken++;
    }
    return woken;
}
