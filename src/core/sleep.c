/* sleep.c - checkpoints, and waiting for the clock.
 *
 * Promises: a sleep ends at or after its instant, never before; it sits in the
 *           wheel beside the deadlines of scopes, so that what falls due
 *           together fires in the order of setting (S11).
 */

#include <errno.h>

#include "core/park.h"

/* Instants begin at 2^61 and durations end below 2^60: whoever mixes them is
 * told (D1). */
#define SPLIT (INT64_C(1) << 60)

/* A wait records no place; then the task's own says where to look. */
static const char *place_or_task(const char *site)
{
    const roost_task *t = roost__self();

    return site || !t ? roost__place(site) : roost__place(t->site);
}

void roost__need_instant(roost_time instant, const char *call, const char *site)
{
    ROOST_USAGE(instant >= SPLIT, "%s %s %s was given %lld, which looks like a "
                "duration where an instant is wanted: use roost_after", call,
                site ? "at" : "in the task spawned at", place_or_task(site),
                (long long)instant);
}

void roost__need_duration(roost_time duration, const char *call,
                          const char *site)
{
    ROOST_USAGE(duration < SPLIT || duration == ROOST_NEVER, "%s %s %s was given "
                "%lld, which looks like an instant where a duration is wanted: "
                "subtract roost_now()", call,
                site ? "at" : "in the task spawned at", place_or_task(site),
                (long long)duration);
}

roost_time roost__time_add(roost_time instant, roost_time duration)
{
    roost_time sum;

    if (instant == ROOST_NEVER || duration == ROOST_NEVER)
        return ROOST_NEVER;
    if (__builtin_add_overflow(instant, duration, &sum))
        return duration < 0 ? SPLIT : ROOST_NEVER;
    return sum < SPLIT ? SPLIT : sum;
}

roost_time roost_now(void)
{
    struct roost_rt *rt = roost__rt;

    return rt ? roost__sched_now(rt) : roost__sys->clock();
}

roost_time roost_after(roost_time duration)
{
    roost__need_duration(duration, "roost_after", NULL);
    return roost__time_add(roost_now(), duration);
}

static bool sleep_abort(roost_wait *w, void *arg)
{
    (void)arg;
    if (roost__timer_armed(&w->task->timer))
        roost__wheel_remove(&w->task->rt->wheel, &w->task->timer);
    return true;
}

void roost__sleep_fire(struct roost_rt *rt, struct roost__timer *timer)
{
    (void)rt;
    roost__wake_parked(&ROOST__CONTAINER(timer, roost_task, timer)->sleep, 0);
}

static int sleep_until(roost_task *t, roost_time instant, void *place)
{
    struct roost_rt *rt = t->rt;

    if (instant <= rt->now)
        return 0;
    roost__wait_init(&t->sleep, t);
    if (instant != ROOST_NEVER) {
        t->timer.at = instant;
        t->timer.seq = rt->seq++;
        t->timer.kind = TIMER_SLEEP;
        roost__wheel_add(&rt->wheel, &t->timer);
    }
    return roost__park(&t->sleep, "the clock", sleep_abort, NULL, place);
}

int roost_sleep(roost_time duration)
{
    roost_task *t = roost__waiter("roost_sleep");

    roost__need_duration(duration, "roost_sleep", NULL);
    if (t->scope->effective)
        return -ECANCELED;
    if (duration <= 0)
        return 0;
    return sleep_until(t, roost__time_add(roost__sched_now(t->rt), duration),
                       ROOST__PLACE);
}

int roost_sleep_until(roost_time instant)
{
    roost_task *t = roost__waiter("roost_sleep_until");

    roost__need_instant(instant, "roost_sleep_until", NULL);
    if (t->scope->effective)
        return -ECANCELED;
    roost__sched_now(t->rt);
    return sleep_until(t, instant, ROOST__PLACE);
}

int roost_checkpoint(void)
{
    roost_task *t = roost__waiter("roost_checkpoint");

    if (t->scope->effective)
        return -ECANCELED;
    roost__sched_yield(t->rt, false);
    return t->scope->effective ? -ECANCELED : 0;
}

uint64_t roost_random(void)
{
    static _Thread_local uint64_t outside;
    struct roost_rt *rt = roost__rt;

    if (rt)
        return roost__random_next(&rt->randoms);
    if (!outside)
        outside = (uint64_t)roost__sys->clock() ^ (uintptr_t)&outside;
    return roost__random_next(&outside);
}

void roost_idle_begin(void)
{
    roost_task *t = roost__self();

    if (t)
        t->s.idle = 1;
}

int roost_idle_end(int result)
{
    roost_task *t = roost__self();

    if (t)
        t->s.idle = 0;
    return result;
}
