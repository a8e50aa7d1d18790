/* loop_guest.c - in a loop that the host runs: two hooks and a timer.
 *
 * Owns:     a prepare, check, idle and cleanup watcher in the host's loop, and
 *           through struct roost__loop the driver timer.
 * Promises: none of them keeps ev_run from returning (G1); the host's wait is
 *           cut short only when tasks are ready or a deadline is due, so an idle
 *           host is not woken by us.
 * Never:    runs the loop; touches the host's hooks and data.
 *
 * An iteration of libev; all of them have the lowest priority, and let others of
 * that priority go first:
 *
 *     prepare: before() -> wait -> callbacks of the host -> check: after()
 */
#include "core/loop.h"

#include <ev.h>

#include "base/misuse.h"

#define WATCHER(g, kind) ((ev_##kind *)(void *)(g)->kind)

_Static_assert(sizeof(ev_prepare) <= 48 && sizeof(ev_check) <= 48 &&
               sizeof(ev_idle) <= 48 && sizeof(ev_cleanup) <= 48,
               "room for the watchers");

/* Callbacks of the host at EV_MINPRI that are still pending come before us. false:
 * one of them has run the loop, and in there the guest has stopped. */
static bool others_first(struct roost__loop_guest *g)
{
    bool stopped = false, *outer = g->stopped;

    g->stopped = &stopped;
    ev_invoke_pending(g->loop->ev);
    if (!stopped)
        g->stopped = outer;
    else if (outer)
        *outer = true;
    return !stopped;
}

static void prepared(struct ev_loop *ev, ev_prepare *w, int events)
{
    struct roost__loop_guest *g = w->data;

    (void)ev, (void)events;
    if (others_first(g))
        g->before(g);
}

static void checked(struct ev_loop *ev, ev_check *w, int events)
{
    struct roost__loop_guest *g = w->data;

    (void)ev, (void)events;
    if (others_first(g))
        g->after(g);
}

/* That it is active is all: libev does not wait then. */
static void idled(struct ev_loop *ev, ev_idle *w, int events)
{
    (void)ev, (void)w, (void)events;
}

static void destroyed(struct ev_loop *ev, ev_cleanup *w, int events)
{
    struct roost__loop_guest *g = w->data;

    (void)ev, (void)events;
    g->gone(g);
}

void roost__loop_guest_start(struct roost__loop_guest *g)
{
    struct ev_loop *ev = g->loop->ev;

    g->stopped = NULL;
    g->idling = false;
    ev_prepare_init(WATCHER(g, prepare), prepared);
    ev_check_init(WATCHER(g, check), checked);
    ev_idle_init(WATCHER(g, idle), idled);
    ev_cleanup_init(WATCHER(g, cleanup), destroyed);
    ev_set_priority(WATCHER(g, prepare), EV_MINPRI);
    ev_set_priority(WATCHER(g, check), EV_MINPRI);
    ev_set_priority(WATCHER(g, idle), EV_MINPRI);
    WATCHER(g, prepare)->data = WATCHER(g, check)->data =
        WATCHER(g, cleanup)->data = g;
    ev_prepare_start(ev, WATCHER(g, prepare));
    ev_unref(ev);
    ev_check_start(ev, WATCHER(g, check));
    ev_unref(ev);
    ev_cleanup_start(ev, WATCHER(g, cleanup)); /* never counts */
}

static void set_idle(struct roost__loop_guest *g, bool on)
{
    struct ev_loop *ev = g->loop->ev;

    if (g->idling == on)
        return;
    g->idling = on;
    if (on) {
        ev_idle_start(ev, WATCHER(g, idle));
        ev_unref(ev);
    } else {
        ev_ref(ev);
        ev_idle_stop(ev, WATCHER(g, idle));
    }
}

void roost__loop_guest_stop(struct roost__loop_guest *g)
{
    struct ev_loop *ev = g->loop->ev;

    if (g->stopped)
        *g->stopped = true;
    set_idle(g, false);
    roost__loop_disarm(g->loop);
    ev_ref(ev);
    ev_prepare_stop(ev, WATCHER(g, prepare));
    ev_ref(ev);
    ev_check_stop(ev, WATCHER(g, check));
    ev_cleanup_stop(ev, WATCHER(g, cleanup));
}

void roost__loop_guest_no_wait(struct roost__loop_guest *g)
{
    set_idle(g, true);
}

/* Exactly then: a host that is idle should not be woken for nothing. */
void roost__loop_guest_wait_until(struct roost__loop_guest *g, roost_time now,
                                  roost_time at)
{
    set_idle(g, false);
    if (at != g->loop->armed_at)
        roost__loop_arm(g->loop, now, at);
}

void roost__loop_keep(struct roost__loop *l)
{
    ev_ref(l->ev);
}

void roost__loop_let_go(struct roost__loop *l)
{
    ev_unref(l->ev);
}
