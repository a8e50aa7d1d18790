/* stop.c - staged stop: the phases of a scope, one after the other.
 *
 * Owns:     a record and a timer for each scope that is being stopped.
 * Promises: each phase begins at its instant, or earlier if hurried; who has not
 *           ended when one is used up is named; a scope that is left is forgotten.
 * Never:    waits; decides what a phase does to a wait (core/scope, core/park).
 */
#define _GNU_SOURCE
#include <roost/stop.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/scope.h"
#include "core/sched.h"
#include "daemon/reserve.h"
#include "inspect/blame.h"
#include "inspect/urgent.h"

#define LAST_TURN ROOST_MS(100)

/* In a report that nobody asked for: the loop stands still meanwhile. */
enum { NAMED_MAX = 100 };

struct roost__stop {
    struct roost__timer timer;
    struct roost__stop *next;
    roost_scope *scope;
    roost_stop_budget budget;
    const char *site;
    int level;         /* STOP_..., reached */
    roost_time at[4];  /* when the phases end: [0] now, [STOP_SOFT]... */
};

static const roost_stop_budget usual = {
    .soft = ROOST_SEC(10), .hard = ROOST_SEC(5), .pierce = ROOST_SEC(5) };

static const char *const phases[] = { "nothing", "soft", "hard", "pierce" };

/* ---- records ---- */

static struct roost__stop **find(struct roost_rt *rt, const roost_scope *s)
{
    struct roost__stop **at = &rt->stops;

    while (*at && (*at)->scope != s)
        at = &(*at)->next;
    return at;
}

static void forget(struct roost_rt *rt, roost_scope *s)
{
    struct roost__stop **at = find(rt, s), *gone = *at;

    s->has_stop = 0;
    *at = gone->next;
    if (roost__timer_armed(&gone->timer))
        roost__wheel_remove(&rt->wheel, &gone->timer);
    rt->sys->free(gone);
    if (!rt->stops && !rt->probe)
        rt->budget = ROOST__BUDGET;
}

/* As far as the scopes around it have brought it; past a shield, it is not yet
 * cancelled. */
static struct roost__stop *remember(struct roost_rt *rt, roost_scope *s,
                                    const roost_stop_budget *b,
                                    const char *site)
{
    struct roost__stop *stop = rt->sys->alloc(sizeof *stop);
    int level = s->effective || !s->stop ? s->stop : STOP_SOFT, i;

    if (!stop && !s->parent) {
        stop = rt->spare_stop;
        rt->spare_stop = NULL;
    }
    if (!stop)
        return NULL;
    *stop = (struct roost__stop){ .scope = s, .next = rt->stops,
                                  .timer = { .kind = TIMER_STOP },
                                  .level = level, .budget = *b,
                                  .site = site };
    for (i = 0; i < 4; i++)
        stop->at[i] = i < level ? rt->now : ROOST_NEVER;
    rt->stops = stop;
    s->has_stop = 1;
    return stop;
}

int roost__stop_reserve(struct roost_rt *rt)
{
    if (!rt->spare_stop)
        rt->spare_stop = rt->sys->alloc(sizeof *rt->spare_stop);
    return rt->spare_stop ? 0 : -ENOMEM;
}

void roost__stop_let_go(struct roost_rt *rt)
{
    rt->sys->free(rt->spare_stop);
    rt->spare_stop = NULL;
}

/* ---- phases ---- */

static void report(const struct roost__stop *s, int over)
{
    if (s->budget.quiet)
        return;
    fprintf(stderr, "roost: the %s phase of the stop begun at %s is over, and "
            "these have not ended:\n", phases[over], roost__place(s->site));
    roost__blame_print(stderr, s->scope, NAMED_MAX);
}

/* Not fflush(NULL): a thread that reads stdin has its lock until a line comes. */
static void flush_what_can_be(void)
{
    if (ftrylockfile(stdout) != 0)
        return;
    if (roost__takes_now(STDOUT_FILENO))
        fflush(stdout);
    funlockfile(stdout);
}

static void act_last(struct roost_rt *rt, const struct roost__stop *s)
{
    switch (s->budget.last) {
    case ROOST_LAST_EXIT:
        flush_what_can_be();
        _exit(s->budget.exit_status); /* lint: asked for */
    case ROOST_LAST_ABORT:
        abort();
    case ROOST_LAST_RETURN:
        if (rt->guest)
            break; /* it is the host that waits */
        rt->busy = true;
        if (rt->current)
            roost__sched_abandon(rt);
        rt->abandoned = true;
        rt->turn_left = 0;
        break;
    case ROOST_LAST_WAIT:
        break;
    }
}

static void enter(struct roost_rt *rt, struct roost__stop *s)
{
    roost_scope *scope = s->scope;

    s->level++;
    if (s->level == STOP_HARD) {
        rt->budget = 0; /* each wait is looked at, and counted if refused */
        roost__scope_cancel(scope, &(struct roost__cause){ .kind = CAUSE_HAND,
            .reason = "it is being stopped", .site = s->site });
    }
    if (s->level <= STOP_PIERCED)
        roost__scope_stop(scope, s->level);
    else
        act_last(rt, s);
}

static void retime(struct roost_rt *rt, struct roost__stop *s)
{
    if (roost__timer_armed(&s->timer))
        roost__wheel_remove(&rt->wheel, &s->timer);
    s->timer.at = s->level <= STOP_PIERCED ? s->at[s->level] : ROOST_NEVER;
    s->timer.seq = rt->seq++;
    if (s->timer.at != ROOST_NEVER)
        roost__wheel_add(&rt->wheel, &s->timer);
}

/* The loop has been kept until all was over: those who are only now cut have their
 * turn before the last act. */
static void allow_a_turn(const struct roost_rt *rt, struct roost__stop *s)
{
    roost_time length = s->at[STOP_PIERCED] - s->at[STOP_HARD];

    if (s->level != STOP_PIERCED || s->at[STOP_PIERCED] > rt->now || length <= 0)
        return;
    s->at[STOP_PIERCED] = rt->now + (length < LAST_TURN ? length : LAST_TURN);
}

/* A phase that took no time is not worth a report. */
static void advance(struct roost_rt *rt, struct roost__stop *s)
{
    while (s->level <= STOP_PIERCED && s->at[s->level] <= rt->now) {
        if (s->level > STOP_NOT && s->at[s->level] > s->at[s->level - 1])
            report(s, s->level);
        enter(rt, s);
        allow_a_turn(rt, s);
    }
    retime(rt, s);
}

static void fire(struct roost_rt *rt, struct roost__timer *timer)
{
    advance(rt, ROOST__CONTAINER(timer, struct roost__stop, timer));
}

/* From phase `from` on: each ends at the earlier of what it did and what the
 * budget says from now on. */
static void hurry(struct roost_rt *rt, struct roost__stop *s, int from,
                  const roost_stop_budget *b)
{
    const roost_time longest[] = { 0, b->soft, b->hard, b->pierce };
    roost_time at = rt->now;
    int i;

    for (i = from; i <= STOP_PIERCED; i++) {
        at = roost__time_add(at, longest[i]);
        if (at < s->at[i])
            s->at[i] = at;
    }
}

/* ---- the calls ---- */

static void check(const roost_stop_budget *b, const char *site)
{
    roost__need_duration(b->soft, "a stop's soft budget set", site);
    roost__need_duration(b->hard, "a stop's hard budget set", site);
    roost__need_duration(b->pierce, "a stop's pierce budget set", site);
}

static void need_ours(const struct roost_rt *rt, const roost_scope *scope,
                      const char *call, const char *site)
{
    ROOST_USAGE(scope->task->rt == rt, "%s at %s was given the scope entered at "
                "%s, which belongs to another thread's run; send it there through "
                "a portal", call, roost__place(site), roost__place(scope->site));
}

static int stop_one(struct roost_rt *rt, roost_scope *scope,
                    const roost_stop_budget *b, const char *site)
{
    struct roost__stop *s = *find(rt, scope);

    if (!roost__scope_open(scope))
        return 0;
    need_ours(rt, scope, "roost_stop", site);
    roost__sched_now(rt);
    if (!s)
        s = remember(rt, scope, b, site);
    if (!s)
        return -ENOMEM;
    if (b->last > s->budget.last) {
        s->budget.last = b->last; /* a signal's, over a stop of the program's */
        s->budget.exit_status = b->exit_status;
    }
    rt->fire[TIMER_STOP] = fire;
    rt->end_stop = forget;
    hurry(rt, s, s->level, b);
    if (rt->stopping && !scope->parent)
        rt->stopping(rt, &s->budget, s->at[STOP_PIERCED]);
    advance(rt, s);
    return 0;
}

static roost_scope *root_of(roost_scope *s)
{
    while (s->parent)
        s = s->parent;
    return s;
}

/* NULL: the root around the running task, or, from a callback, every root. */
static int stop_all(struct roost_rt *rt, const roost_stop_budget *b,
                    const char *site)
{
    roost_root *root;
    int r = 0, one;

    if (rt->current)
        return stop_one(rt, root_of(rt->current->scope), b, site);
    for (root = rt->roots; root; root = root->next) {
        one = root->finished ? 0 : stop_one(rt, &root->scope, b, site);
        r = r < 0 ? r : one;
    }
    return r;
}

int roost_stop_at(roost_scope *scope, const roost_stop_budget *budget,
                  const char *site)
{
    struct roost_rt *rt = roost__rt;
    const roost_stop_budget *b = budget ? budget : &usual;

    ROOST_USAGE(rt, "roost_stop at %s is outside a run; call it in a task, in a "
                "callback of the run's loop, or through a portal",
                roost__place(site));
    check(b, site);
    return scope ? stop_one(rt, scope, b, site) : stop_all(rt, b, site);
}

static int escalate_one(struct roost_rt *rt, roost_scope *scope)
{
    bool stopping = scope->stop != STOP_NOT;
    struct roost__stop *s;
    int r;

    if (!scope->has_stop) {
        r = stop_one(rt, scope, &usual, NULL);
        if (r < 0 || !stopping || !scope->has_stop)
            return r;
    }
    need_ours(rt, scope, "roost_stop_escalate", NULL);
    s = *find(rt, scope);
    roost__sched_now(rt);
    if (s->level <= STOP_PIERCED) {
        s->at[s->level] = rt->now;
        hurry(rt, s, s->level + 1, &s->budget);
        advance(rt, s);
    }
    return 0;
}

int roost_stop_escalate(roost_scope *scope)
{
    struct roost_rt *rt = roost__rt;
    roost_root *root;
    int r = 0, one;

    ROOST_USAGE(rt, "roost_stop_escalate was called outside a run");
    if (scope || rt->current)
        return escalate_one(rt, scope ? scope : root_of(rt->current->scope));
    for (root = rt->roots; root; root = root->next) {
        one = root->finished ? 0 : escalate_one(rt, &root->scope);
        r = r < 0 ? r : one;
    }
    return r;
}

bool roost_stopping(void)
{
    const roost_task *t = roost__self();

    return t && t->scope->stop != STOP_NOT;
}
