/* in_callback.h - what a callback of the loop sees, on the main stack. */
#ifndef ROOST_TESTS_RULES_IN_CALLBACK_H
#define ROOST_TESTS_RULES_IN_CALLBACK_H

#include "kit/kit.h"

#include <ev.h>

typedef void idle_fn(struct ev_loop *loop, ev_idle *w, int events);

/* Runs fn(e) in a loop of the test's, which calls `look` when nothing else is to
 * be done; w->data is e. */
static inline void look_in_loop(idle_fn *look, roost_task_fn *fn, roost_event *e)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };
    ev_idle idle;

    roost_event_init(e);
    o.loop = ev_loop_new(EVFLAG_AUTO);
    ev_idle_init(&idle, look);
    idle.data = e;
    ev_idle_start(o.loop, &idle);
    assert_int_equal(kit_run_with(&o, fn, e), 0);
    ev_loop_destroy(o.loop);
}

#endif
