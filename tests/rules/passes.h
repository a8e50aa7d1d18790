/* passes.h - sends and receives by tasks of their own, for tests of channels. */
#ifndef ROOST_TESTS_RULES_PASSES_H
#define ROOST_TESTS_RULES_PASSES_H

#include "kit/kit.h"

/* One send or receive by a task of its own. */
struct pass {
    roost_chan *c;
    roost_scope *scope; /* around the call, while it lasts */
    int item, r, after; /* what the call and the checkpoint after it returned */
    long long at;       /* when it returned */
};

static inline int sender(void *arg)
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

static inline int receiver(void *arg)
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
static inline void settle(void)
{
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
}

static inline int send_int(roost_chan *c, int item)
{
    return roost_chan_send_nowait(c, &item);
}

/* The item that is there, or a negative errno, or -1000 at the end. */
static inline int recv_int(roost_chan *c)
{
    int item, r = roost_chan_recv_nowait(c, &item);

    return r == 1 ? item : r == 0 ? -1000 : r;
}

/* Runs fn with each seed of a range. */
static inline void with_seeds(roost_task_fn *fn, void *arg, uint64_t first,
                       uint64_t last)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };

    for (o.seed = first; o.seed <= last; o.seed++)
        assert_int_equal(kit_run_with(&o, fn, arg), 0);
}

#endif
