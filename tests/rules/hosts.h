/* hosts.h - a program with a libev loop of its own, for tests of guests.
 *
 * Hosts live in real time: waits are a few ms. A test begins with host_begin
 * and ends with host_end, which wants the loop as it was: no watcher of ours
 * and no reference.
 */
#ifndef ROOST_TESTS_RULES_HOSTS_H
#define ROOST_TESTS_RULES_HOSTS_H

#include "kit/kit.h"

#include <ev.h>
#include <unistd.h>

#include "core/rt.h"

static inline struct ev_loop *host_begin(void)
{
    alarm(60); /* a loop that never returns */
    kit_begin();
    return ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
}

/* Nothing of ours is left in the loop. */
static inline void host_is_clean(struct ev_loop *loop)
{
    assert_int_equal(ev_run(loop, EVRUN_NOWAIT), 0);
    assert_int_equal(ev_pending_count(loop), 0);
    assert_null(roost__rt);
}

static inline void host_end(struct ev_loop *loop)
{
    host_is_clean(loop);
    ev_loop_destroy(loop);
    kit_end();
}

/* One root, and how it ended. */
struct root {
    roost_root *handle;
    int ended, result; /* how often; the last result */
    int place;         /* the how-manieth of all that ended */
};

static int roots_ended;

static inline void root_ended(int result, void *arg)
{
    struct root *root = arg;

    EXPECT(!roost__self());
    root->ended++;
    root->result = result;
    root->place = ++roots_ended;
}

static inline void begin_root(struct root *root, struct ev_loop *loop,
                              roost_task_fn *fn, void *arg)
{
    *root = (struct root){ .result = -1000 };
    root->handle = roost_attach(loop, fn, arg, root_ended, root);
    EXPECT(root->handle);
}

/* It has ended once, with this result. */
#define EXPECT_ENDED(root, with)          \
    do {                                  \
        EXPECT_INT((root)->ended, 1);     \
        EXPECT_INT((root)->result, with); \
    } while (0)

/* A callback of the host, `ms` from now. */
struct later {
    ev_timer timer;
    void (*fn)(struct ev_loop *loop, void *arg);
    void *arg;
    int calls;
};

static inline void later_due(struct ev_loop *loop, ev_timer *w, int events)
{
    struct later *l = w->data;

    (void)events;
    l->calls++;
    if (l->fn)
        l->fn(loop, l->arg);
}

static inline void call_later_at(struct later *l, struct ev_loop *loop, int ms,
                                 int priority)
{
    l->timer.data = l;
    l->calls = 0;
    ev_init(&l->timer, later_due);
    ev_set_priority(&l->timer, priority);
    ev_timer_set(&l->timer, ms * 1e-3, 0.);
    ev_now_update(loop);
    ev_timer_start(loop, &l->timer);
}

static inline void call_later(struct later *l, struct ev_loop *loop, int ms,
                              void (*fn)(struct ev_loop *loop, void *arg),
                              void *arg)
{
    *l = (struct later){ .fn = fn, .arg = arg };
    call_later_at(l, loop, ms, 0);
}

/* The same every `ms`, until stopped. */
static inline void call_every(struct later *l, struct ev_loop *loop, int ms,
                              void (*fn)(struct ev_loop *loop, void *arg),
                              void *arg)
{
    call_later(l, loop, ms, fn, arg);
    l->timer.repeat = ms * 1e-3;
}

static inline void stop_calling(struct later *l, struct ev_loop *loop)
{
    ev_timer_stop(loop, &l->timer);
}

/* Callbacks for them. */
static inline void set_event(struct ev_loop *loop, void *event)
{
    (void)loop;
    roost_event_set(event);
}

static inline void break_loop(struct ev_loop *loop, void *arg)
{
    (void)arg;
    ev_break(loop, EVBREAK_ONE);
}

static inline void cancel_root(struct ev_loop *loop, void *root)
{
    (void)loop;
    roost_root_cancel(((struct root *)root)->handle, "the host says so");
}

/* Bodies for roots. */
static inline int waits_for_event(void *event)
{
    return roost_event_wait(event);
}

/* A task that does what takes turns, a child and timers: 3. */
static inline int bit_of_everything(void *arg)
{
    int i, r = 0, ms = 1;

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, kit_sleep_ms, &ms);
    for (i = 0; i < 1000 && r >= 0; i++)
        r = roost_checkpoint();
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(1), kit_sleep_forever(NULL)), -ETIMEDOUT);
    return roost_nursery_close(n, r < 0 ? r : 3);
}

#endif
