/* sched.h - who runs next. */
#ifndef ROOST_CORE_SCHED_H
#define ROOST_CORE_SCHED_H

#include "core/rt.h"

/* Waits a task may make before it must let others run (C6). */
#define ROOST__BUDGET 128

/* The test kit's, at every wait and choice; whoever sets it sets budgets to 0. */
enum { PROBE_ENTER, PROBE_PARKED, PROBE_WOKEN };
struct roost__probe {
    void (*wait)(roost_task *t, int moment, const char *what, void *place);
    size_t (*choose)(size_t n);
    void (*over)(struct roost_rt *rt); /* before it is unmade */
    roost_time patience; /* with descriptors that are silent; 0: endless */
};

/* Prepares an empty runtime's scheduler. */
void roost__sched_init(struct roost_rt *rt);
void roost__sched_done(struct roost_rt *rt);

/* With a seed, where the order is drawn; `behind` those that are ready. */
int roost__pool_grow(struct roost_rt *rt);
void roost__pool_add(struct roost_rt *rt, roost_task *t, bool behind);

/* Room in the pool for one task more: 0 or -ENOMEM. So that making a task ready
 * never allocates. */
static inline int roost__sched_reserve(struct roost_rt *rt)
{
    return !rt->seed || rt->tasks < rt->pool_capacity ? 0
                                                      : roost__pool_grow(rt);
}

static inline void roost__queue_add(struct roost_rt *rt, roost_task *t)
{
    t->ready_next = NULL;
    if (rt->ready_last)
        rt->ready_last->ready_next = t;
    else
        rt->ready_first = t;
    rt->ready_last = t;
}

/* The task will run, in its turn. */
static inline void roost__sched_ready(roost_task *t)
{
    struct roost_rt *rt = t->rt;

    ROOST_SLOW_CHECK(!t->s.ready);
    t->s.ready = 1;
    if (rt->seed)
        roost__pool_add(rt, t, false);
    else
        roost__queue_add(rt, t);
}

/* The running task stops until somebody makes it ready. */
void roost__sched_suspend(struct roost_rt *rt);

/* For the test kit: leaves the running task, and the run, where they stand. */
_Noreturn void roost__sched_abandon(struct roost_rt *rt);

/* The running task goes behind all that are ready. `forced`: it has used up its
 * budget, so the loop is looked at even if it is alone. */
void roost__sched_yield(struct roost_rt *rt, bool forced);

/* At the entry of a wait: the budget is used up, or there is a probe. */
void roost__sched_spent(roost_task *t, const char *call, void *place);

/* Runs ready tasks until none is left or the turn is over; from the main stack.
 * Then fires what is due. */
void roost__sched_turn(struct roost_rt *rt);
static inline bool roost__sched_busy(const struct roost_rt *rt)
{
    return rt->ready_first || rt->pool_count > 0;
}

/* Reads the clock. */
roost_time roost__sched_now(struct roost_rt *rt);

/* Reads the clock and fires all timers that are due. */
void roost__sched_look(struct roost_rt *rt);

/* The one decision function: a number below `n` (> 0). */
size_t roost__choose(struct roost_rt *rt, size_t n);

/* A stream of 64-bit numbers; splitmix64 by Sebastiano Vigna. */
uint64_t roost__random_next(uint64_t *state);

/* Misuse, unless it is an instant or a duration (D1). */
void roost__need_instant(roost_time instant, const char *call,
                         const char *site);
void roost__need_duration(roost_time duration, const char *call,
                          const char *site);

/* instant + duration, saturating. */
roost_time roost__time_add(roost_time instant, roost_time duration);

void roost__sleep_fire(struct roost_rt *rt, struct roost__timer *timer);

/* The running task at the entry of a call that may wait; spends its budget. `place`
 * is the return address of the public call. */
static inline __attribute__((always_inline)) roost_task *
roost__waiter_at(const char *call, void *place)
{
    roost_task *t = roost__self();

    ROOST_USAGE(t, "%s was called outside a task, where nothing can wait; call "
                "it in a function started by roost_run or roost_spawn", call);
    if (--t->s.budget <= 0)
        roost__sched_spent(t, call, place);
    return t;
}

/* The same in the public call itself. */
static inline __attribute__((always_inline)) roost_task *
roost__waiter(const char *call)
{
    return roost__waiter_at(call, __builtin_return_address(0));
}

#endif
