/* sched.c - the run queue and the switch from task to task.
 *
 * Owns:     the ready tasks, the turn, the clock's last value, the dead task
 *           whose stack is still in use.
 * Promises: tasks run in the order they became ready (seed 0), or in one drawn
 *           from the seed; a task that yields comes after all that were ready
 *           (C7); every turn ends, so the loop is looked at (C6).
 * Never:    allocates after reserve; knows a scope's or nursery's meaning.
 *
 * A suspending task switches straight to the next ready one; the main stack,
 * where libev runs, is returned to only when none is ready or the turn is over.
 */
#include "core/sched.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/switch.h"

#define TURN_RESUMES 256          /* then one look at the loop */
#define TURN_TIME ROOST_US(200)   /* the same, if the tasks are slow */
#define TURN_TIME_EVERY 32        /* resumes between looks at the clock */
#define TURN_AWAKE 16             /* so many make the look wait, */
#define TURN_PARTS 16             /* for so many turns at most */

_Thread_local struct roost_rt *roost__rt;

uint64_t roost__random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

size_t roost__choose(struct roost_rt *rt, size_t n)
{
    if (n < 2 || !rt->seed)
        return 0;
    return rt->probe ? rt->probe->choose(n)
                     : (size_t)(roost__random_next(&rt->choices) % n);
}

roost_time roost__sched_now(struct roost_rt *rt)
{
    if (rt->o.clock == ROOST_CLOCK_REAL) {
        roost_time now = rt->sys->clock();

        if (now > rt->now)
            rt->now = now;
    }
    return rt->now;
}

void roost__sched_look(struct roost_rt *rt)
{
    roost_time now = roost__sched_now(rt);
    struct roost__timer *t;

    while ((t = roost__wheel_pop_due(&rt->wheel, now)))
        rt->fire[t->kind](rt, t);
}

/* The seeded order: what may be drawn is in the pool. Whoever yields queues up
 * behind it, and so does what becomes ready after him (C7). */
void roost__pool_add(struct roost_rt *rt, roost_task *t, bool behind)
{
    t->s.behind = behind;
    if (behind || rt->ready_first) {
        roost__queue_add(rt, t);
        return;
    }
    ROOST_ASSERT(rt->pool_count < rt->pool_capacity);
    rt->pool[rt->pool_count++] = t;
}

int roost__pool_grow(struct roost_rt *rt)
{
    size_t capacity = rt->pool_capacity ? rt->pool_capacity * 2 : 64;
    roost_task **pool;

    pool = rt->sys->alloc(capacity * sizeof *pool);
    if (!pool)
        return -ENOMEM;
    if (rt->pool_count)
        memcpy(pool, rt->pool, rt->pool_count * sizeof *pool);
    rt->sys->free(rt->pool);
    rt->pool = pool;
    rt->pool_capacity = capacity;
    return 0;
}

/* Of a million tasks none is in the cache: while one runs, the frames of the next
 * and four lines of the one after it are on their way. */
static inline void prefetch_after(const roost_task *next)
{
    const roost_task *far = next->ready_next;

    __builtin_prefetch(far, 1);
    __builtin_prefetch(&far->timer, 1);
    __builtin_prefetch(&far->abort, 1);
    __builtin_prefetch(&far->base.seq, 1);
    for (int line = 0; line < 5; line++)
        __builtin_prefetch((const char *)next->sp + line * 64, 1);
}

static roost_task *queue_take(struct roost_rt *rt)
{
    roost_task *t = rt->ready_first, *next = t->ready_next;

    rt->ready_first = next;
    if (!next)
        rt->ready_last = NULL;
    else if (next->ready_next)
        prefetch_after(next);
    return t;
}

/* An empty pool is filled from the queue, up to the next who yielded. */
static roost_task *pool_draw(struct roost_rt *rt)
{
    size_t i;
    roost_task *t;

    if (!rt->pool_count)
        do
            rt->pool[rt->pool_count++] = queue_take(rt);
        while (rt->ready_first && !rt->ready_first->s.behind);
    i = roost__choose(rt, rt->pool_count);
    t = rt->pool[i];
    rt->pool_count--;
    if (rt->probe) /* whose first choice is the first come */
        memmove(rt->pool + i, rt->pool + i + 1,
                (rt->pool_count - i) * sizeof *rt->pool);
    else
        rt->pool[i] = rt->pool[rt->pool_count];
    return t;
}

/* The turn has gone on for too long; looked at now and then. Virtual time knows
 * no slow machine (D5). */
static bool turn_is_long(struct roost_rt *rt)
{
    return rt->turn_left % TURN_TIME_EVERY == 0 &&
           rt->o.clock == ROOST_CLOCK_REAL &&
           rt->sys->clock() - rt->turn_began > TURN_TIME;
}

/* The task to resume, or NULL: the main stack. */
static inline roost_task *next_task(struct roost_rt *rt)
{
    roost_task *t;

    if (!rt->turn_left || !roost__sched_busy(rt))
        return NULL;
    rt->turn_left--;
    if (turn_is_long(rt))
        rt->turn_left = 0;
    t = __builtin_expect(rt->seed != 0, 0) ? pool_draw(rt) : queue_take(rt);
    t->s.ready = 0;
    t->s.budget = rt->budget;
    if (rt->o.ret_trace)
        rt->trace = (rt->trace ^ t->id) * UINT64_C(0x100000001b3);
    return t;
}

/* Gives back the stack of a task that has ended, from another one. */
static inline void reap(struct roost_rt *rt)
{
    roost_task *t = rt->dead;

    if (!t)
        return;
    rt->dead = NULL;
    roost__fiber_gone(&t->fiber);
    roost__stack_put(&rt->stacks, roost__task_stack(t));
}

/* What runs at the bottom of every task's stack. Returns the saved context that
 * goes on when the task is over: a fresh one cannot be returned into, so then it
 * is the main stack, which will start it. */
ROOST__UNCOUNTED static void *task_life(void *arg)
{
    roost_task *t = arg, *next;
    struct roost_rt *rt = t->rt;

    roost__fiber_begin(rt->main_known ? NULL : &rt->main_fiber);
    rt->main_known = true;
    if (rt->cxx)
        *rt->cxx = (struct roost__cxx){ 0 };
    reap(rt);
    t->home(t, t->fn(t->arg));
    rt->dead = t;
    rt->tasks--;
    next = !rt->ready_first || rt->ready_first->s.fresh || rt->seed
               ? NULL : next_task(rt);
    rt->current = next;
    roost__fiber_leave(&t->fiber, next ? &next->fiber : &rt->main_fiber, true);
    return next ? next->sp : rt->main_sp;
}

static inline __attribute__((always_inline)) void
cross(struct roost_rt *rt, void **save, struct roost__fiber *self,
      roost_task *next)
{
    rt->current = next;
    roost__fiber_leave(self, next ? &next->fiber : &rt->main_fiber, false);
    if (!next) {
        roost__switch(save, rt->main_sp);
    } else if (next->s.fresh) {
        next->s.fresh = 0;
        roost__switch_fresh(save, next->sp, task_life, next,
                            next->parent ? &next->parent->sp : &rt->main_sp);
    } else {
        roost__switch(save, next->sp);
    }
    roost__fiber_arrive(self);
    reap(rt);
}

/* In a program with C++: exceptions caught or in flight are the context's own,
 * and what the thread knows of them waits on its stack. */
static __attribute__((noinline)) void
roost__go_with_exceptions(struct roost_rt *rt, void **save,
                          struct roost__fiber *self, roost_task *next)
{
    struct roost__cxx mine = *rt->cxx;

    cross(rt, save, self, next);
    *rt->cxx = mine;
}

/* Leaves the running context, saved at *save, for `next` or the main stack. */
static inline __attribute__((always_inline)) void
go(struct roost_rt *rt, void **save, struct roost__fiber *self, roost_task *next)
{
    if (__builtin_expect(rt->cxx != NULL, 0))
        roost__go_with_exceptions(rt, save, self, next);
    else
        cross(rt, save, self, next);
}

/* A scope entered and left without a suspension costs no timer operation (S15):
 * its timer is armed when its task first suspends in it. `armed` means that all
 * scopes around it are, too, so as a rule this tests one byte. */
static inline void arm_deadlines(roost_task *t)
{
    roost_scope *s;

    for (s = t->scope; !s->armed; s = s->parent) {
        s->armed = 1;
        if (s->timer.at != ROOST_NEVER && !roost__timer_armed(&s->timer))
            roost__wheel_add(&t->rt->wheel, &s->timer);
    }
}

/* Before any switch away from a task. */
static inline void before_suspend(struct roost_rt *rt, roost_task *t)
{
    ROOST_USAGE(!rt->aborting, "an abort function called something that waits, "
                "in the task spawned at %s; it may only undo the operation",
                roost__place(t->site));
    arm_deadlines(t);
    if (t->s.promise)
        rt->pass_room(t);
    if (__builtin_expect(t->s.canary, 0) &&
        !roost__stack_canary_ok(roost__task_stack(t)))
        rt->overflowed(t);
}

void roost__sched_suspend(struct roost_rt *rt)
{
    roost_task *t = rt->current, *next;

    before_suspend(rt, t);
    next = next_task(rt);
    ROOST_ASSERT(next != t || rt->probe); /* which may cancel the wait */
    if (next != t)
        go(rt, &t->sp, &t->fiber, next);
}

_Noreturn void roost__sched_abandon(struct roost_rt *rt)
{
    roost_task *t = rt->current;

    rt->abandoned = true;
    rt->turn_left = 0;
    go(rt, &t->sp, &t->fiber, NULL);
    abort();
}

void roost__sched_yield(struct roost_rt *rt, bool forced)
{
    roost_task *t = rt->current, *next;

    before_suspend(rt, t);
    t->s.budget = rt->budget;
    if (!roost__sched_busy(rt)) {
        if (!forced && rt->turn_left > 8) {
            rt->turn_left -= 8;
            return;
        }
        rt->turn_left = 0;
    }
    t->s.ready = 1;
    if (rt->seed)
        roost__pool_add(rt, t, true);
    else
        roost__queue_add(rt, t);
    next = next_task(rt);
    if (next != t)
        go(rt, &t->sp, &t->fiber, next);
}

void roost__sched_spent(roost_task *t, const char *call, void *place)
{
    struct roost_rt *rt = t->rt;

    if (rt->probe)
        rt->probe->wait(t, PROBE_ENTER, call, place);
    if (t->scope->effective) {
        t->refused = t->links.refused_place ? t->refused + 1 : 1;
        t->links.refused_place = place;
    }
    if (t->s.budget <= rt->budget - ROOST__BUDGET)
        roost__sched_yield(rt, true);
}

static void turn_part(struct roost_rt *rt)
{
    roost_task *t;

    rt->turn_left = TURN_RESUMES;
    rt->turn_began = rt->now; /* the last look, at most a poll ago */
    while ((t = next_task(rt)))
        go(rt, &rt->main_sp, &rt->main_fiber, t);
    roost__sched_look(rt);
}

/* What a task was woken for is still there until it has run, so the loop would
 * say it again: with a crowd of them the look waits, the deadlines do not. */
void roost__sched_turn(struct roost_rt *rt)
{
    int parts = TURN_PARTS;

    do
        turn_part(rt);
    while (rt->fd_awake > TURN_AWAKE && --parts && !rt->abandoned);
}

void roost__sched_init(struct roost_rt *rt)
{
    roost__fiber_main(&rt->main_fiber);
    rt->budget = ROOST__BUDGET;
    rt->cxx = roost__cxx_find();
    rt->choices = rt->seed = rt->o.seed;
    rt->now = rt->o.clock == ROOST_CLOCK_REAL
                  ? rt->sys->clock() : INT64_C(1) << 61;
    roost__wheel_init(&rt->wheel, rt->now);
}

void roost__sched_done(struct roost_rt *rt)
{
    reap(rt);
    rt->sys->free(rt->pool);
}
