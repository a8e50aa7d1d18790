/* scope.c - cancel scopes: the tree that carries deadlines and cancellation
 *           down.
 *
 * Owns:     the tree of scopes of a runtime; every task's base scope is a node
 *           in it, below its nursery's.
 * Promises: `effective` of every scope is, at any time,
 *               cancelled itself, or (not an unused shield, and effective(parent))
 *           so a checkpoint reads one byte; a cancellation marks the whole
 *           subtree before any abort function runs (S2), in preorder (D5).
 * Never:    allocates; recurses; runs task code.
 *
 *     root scope
 *       `- base of main
 *            `- scope entered by main
 *                 `- nursery's scope ---- base of child 1 ---- base of child 2
 *                                           `- scope entered by child 1
 *
 * A scope is entered by one task, and every task has a base scope: so at most
 * one task is parked directly in a scope, the one whose innermost it is.
 */
#include "core/scope.h"

#include <errno.h>
#include <string.h>

#include "core/park.h"
#include "core/task.h"

/* An unused shield: what is cancelled around it does not count in it. */
static bool holds(const roost_scope *s)
{
    return (s->kind == SCOPE_SHIELD || s->kind == SCOPE_SERVICES) && !s->used_up;
}

/* ---- the timer: the next instant at which the scope wants attention ---- */

static roost_time next_attention(const roost_scope *s)
{
    roost_time at = s->cause ? ROOST_NEVER : s->deadline;

    if (!s->used_up && s->pierce_at < at)
        at = s->pierce_at;
    return at;
}

static void retime(struct roost_rt *rt, roost_scope *s)
{
    if (roost__timer_armed(&s->timer))
        roost__wheel_remove(&rt->wheel, &s->timer);
    s->timer.at = next_attention(s);
    s->timer.seq = rt->seq++;
    if (s->armed && s->timer.at != ROOST_NEVER)
        roost__wheel_add(&rt->wheel, &s->timer);
}

/* ---- spreading a cancellation ---- */

/* A list through `todo`, sorted by `seq`: as a rule things come in order. */
struct todo {
    roost_scope *first, *last;
    bool unsorted;
};

static void todo_add(struct todo *l, roost_scope *s)
{
    s->todo = NULL;
    if (!l->first)
        l->first = s;
    else
        l->last->todo = s;
    l->unsorted = l->unsorted || (l->first != s && s->seq < l->last->seq);
    l->last = s;
}

static roost_scope *merge(roost_scope *a, roost_scope *b)
{
    roost_scope *first, **end = &first;

    while (a && b) {
        roost_scope **less = a->seq < b->seq ? &a : &b;

        *end = *less;
        end = &(*less)->todo;
        *less = *end;
    }
    *end = a ? a : b;
    return first;
}

/* A merge sort without recursion: bin i holds a sorted list of 2^i. */
static void todo_sort(struct todo *l)
{
    roost_scope *bins[48] = { NULL }, *s, *rest = l->first;
    size_t i;

    if (!l->unsorted)
        return;
    while ((s = rest)) {
        rest = s->todo;
        s->todo = NULL;
        for (i = 0; bins[i]; bins[i++] = NULL)
            s = merge(bins[i], s);
        bins[i] = s;
    }
    for (i = 0; i < 48; i++)
        rest = merge(bins[i], rest);
    for (l->first = l->last = rest; l->last->todo;)
        l->last = l->last->todo;
}

static void todo_append(roost_scope **first, roost_scope **last,
                        const struct todo *l)
{
    if (!l->first)
        return;
    if (*first)
        (*last)->todo = l->first;
    else
        *first = l->first;
    *last = l->last;
}

static void mark(roost_scope *s, roost_time at)
{
    s->effective = 1;
    s->cancelled_at = at;
}

/* The task whose innermost scope this is waits, and no stop ends that by now. */
static bool is_parked_in(const roost_scope *s)
{
    const roost_task *t = s->task;

    return t && t->scope == s && t->s.wait &&
           t->s.wait->state == WAIT_PARKED && t->s.parked_idle != PARKED_ENDING;
}

/* A cancellation of the parent arrives at `s`. true: it goes on below. */
static bool reach(struct roost_rt *rt, roost_scope *s, roost_time at)
{
    if (holds(s)) {
        if (s->pierce_at == ROOST_NEVER)
            s->pierce_at = roost__time_add(at, s->budget);
        s->used_up = s->parent->stop == STOP_PIERCED || s->pierce_at <= rt->now;
        if (!s->used_up) {
            retime(rt, s);
            return false;
        }
    }
    if (s->effective)
        return false;
    mark(s, at);
    return true;
}

/* What follows c in s. A base scope is only its task: what is in it, if the
 * cancellation goes `down`, counts as its parent's. */
static roost_scope *next_in(const roost_scope *s, roost_scope *c, bool down)
{
    if (down && c->first)
        return c->first;
    while (!c->next && c->parent != s)
        c = c->parent;
    return c->next;
}

/* One scope of a cancellation: the tasks parked in it, in order of parking, are
 * to be aborted; the scopes in it, in order of entering, come next (D5). */
static struct todo visit(struct roost_rt *rt, roost_scope *s, roost_time at)
{
    struct todo parked = { 0 }, inner = { 0 };
    roost_scope *c;
    bool down;

    if (is_parked_in(s))
        todo_add(&parked, &s->task->base);
    for (c = s->first; c; c = next_in(s, c, down)) {
        down = c->kind == SCOPE_TASK && reach(rt, c, at);
        if (c->kind != SCOPE_TASK)
            todo_add(&inner, c);
        else if (down && is_parked_in(c))
            todo_add(&parked, c);
    }
    todo_sort(&parked);
    todo_sort(&inner);
    todo_append(&rt->aborting_first, &rt->aborting_last, &parked);
    return inner;
}

/* Marks `top` and, in preorder, all that it makes effective. */
static void spread(struct roost_rt *rt, roost_scope *top, roost_time at)
{
    roost_scope *s, *rest = NULL;
    struct todo inner;

    mark(top, at);
    for (s = top; s; s = rest, rest = s ? s->todo : NULL) {
        if (s != top && !reach(rt, s, at))
            continue;
        inner = visit(rt, s, at);
        if (inner.first) {
            inner.last->todo = rest;
            rest = inner.first;
        }
    }
}

/* After all is marked: abort functions, which may themselves cancel or wake. A
 * nested call leaves its tasks to the outer one. */
static void run_aborts(struct roost_rt *rt)
{
    roost_scope *s;

    if (rt->aborting)
        return;
    rt->aborting = true;
    while ((s = rt->aborting_first)) {
        rt->aborting_first = s->todo;
        roost__park_cancel(s->task);
    }
    rt->aborting = false;
}

static void note_author(roost_scope *s, const roost_task *by)
{
    if (by)
        roost__task_path(by, s->by, sizeof s->by);
    else
        s->by[0] = '\0';
}

static void cancel_at(struct roost_rt *rt, roost_scope *s, roost_time at,
                      const struct roost__cause *cause)
{
    if (s->cause)
        return;
    s->cause = (uint8_t)cause->kind;
    s->code = cause->code;
    s->reason = cause->reason;
    s->cancel_site = cause->site;
    note_author(s, cause->by);
    if (s->timer.at != ROOST_NEVER)
        retime(rt, s);
    if (s->effective)
        return;
    spread(rt, s, at);
    run_aborts(rt);
}

static void pierce(struct roost_rt *rt, roost_scope *s)
{
    s->used_up = 1;
    if (s->effective || !s->parent->effective)
        return;
    spread(rt, s, s->pierce_at < rt->now ? s->pierce_at : rt->now);
    run_aborts(rt);
}

/* The scope's timer is due and out of the wheel. */
static void expire(struct roost_rt *rt, roost_scope *s)
{
    roost_time at = s->timer.at;

    s->timer.at = ROOST_NEVER;
    if (!s->cause && s->deadline <= at)
        cancel_at(rt, s, s->deadline,
                  &(struct roost__cause){ .kind = CAUSE_DEADLINE,
                                          .reason = "its deadline passed",
                                          .site = s->site });
    if (!s->used_up && s->pierce_at <= at)
        pierce(rt, s);
    if (s->timer.at == ROOST_NEVER && next_attention(s) != ROOST_NEVER)
        retime(rt, s);
}

void roost__scope_fire(struct roost_rt *rt, struct roost__timer *timer)
{
    expire(rt, ROOST__CONTAINER(timer, roost_scope, timer));
}

static roost_scope *earliest_due(roost_scope *s, roost_time now)
{
    roost_scope *best = NULL;

    for (; s; s = s->parent)
        if (s->timer.at <= now &&
            (!best || s->timer.at < best->timer.at ||
             (s->timer.at == best->timer.at && s->timer.seq < best->timer.seq)))
            best = s;
    return best;
}

void roost__scope_look(struct roost_rt *rt, roost_scope *from)
{
    roost_scope *s = from;

    while (s && s->timer.at == ROOST_NEVER)
        s = s->parent;
    if (!s)
        return;
    roost__sched_now(rt);
    while ((s = earliest_due(from, rt->now))) {
        if (roost__timer_armed(&s->timer))
            roost__wheel_remove(&rt->wheel, &s->timer);
        expire(rt, s);
    }
}

void roost__scope_cancel(roost_scope *s, const struct roost__cause *cause)
{
    struct roost_rt *rt = s->task->rt;

    roost__scope_look(rt, s);
    cancel_at(rt, s, roost__sched_now(rt), cause);
}

/* What follows s in `top`, with what is in s or without. */
static roost_scope *following_in(const roost_scope *top, const roost_scope *s,
                                 bool down)
{
    if (down && s->first)
        return s->first;
    while (s != top && !s->next)
        s = s->parent;
    return s == top ? NULL : s->next;
}

/* It came out of a stop; what is stopped in it remains so. */
static void calm(roost_scope *top, int level)
{
    roost_scope *s;
    bool down;

    for (s = top; s; s = following_in(top, s, down)) {
        down = s->stop > level && !s->has_stop && !s->used_up;
        if (down)
            s->stop = (uint8_t)level;
    }
}

void roost__scope_move(roost_scope *base, roost_scope *to)
{
    struct roost_rt *rt = base->task->rt;

    roost__scope_unlink(base);
    roost__scope_link(base, to);
    retime(rt, base);
    if (base->stop < to->stop)
        roost__scope_stop(base, to->stop);
    calm(base, to->stop);
    if (!base->effective && to->effective) {
        spread(rt, base, roost__sched_now(rt)); /* S12: it arrives now */
        run_aborts(rt);
    }
}

roost_scope *roost__scope_following(const roost_scope *s)
{
    if (s->first)
        return s->first;
    while (s && !s->next)
        s = s->parent;
    return s ? s->next : NULL;
}

/* Services are told when their nursery closes and is alone with them (N15). */
static bool is_told(const roost_scope *top, const roost_scope *s, int level)
{
    return s->stop < level && (s == top || s->stop || level == STOP_PIERCED ||
                               s->kind != SCOPE_SERVICES);
}

void roost__scope_stop(roost_scope *top, int level)
{
    struct roost_rt *rt = top->task->rt;
    struct todo idle = { 0 };
    roost_scope *s, *next;
    bool first;

    for (s = top; s; s = next) {
        next = following_in(top, s, is_told(top, s, level));
        if (!is_told(top, s, level))
            continue;
        first = !s->stop && !s->effective;
        s->stop = (uint8_t)level;
        if (level == STOP_PIERCED && s != top && holds(s)) {
            pierce(rt, s);
        } else if (first && is_parked_in(s) && s->task->s.parked_idle) {
            s->task->s.parked_idle = PARKED_ENDING;
            todo_add(&idle, &s->task->base);
        }
    }
    todo_sort(&idle);
    todo_append(&rt->aborting_first, &rt->aborting_last, &idle);
    run_aborts(rt);
}

void roost__scope_pierce_all(struct roost_rt *rt)
{
    roost_root *root;

    rt->pierced = true;
    for (root = rt->roots; root; root = root->next)
        roost__scope_stop(&root->scope, STOP_PIERCED);
}

/* ---- entering and leaving ---- */

static roost_task *need_task(const char *call, const char *site)
{
    roost_task *t = roost__self();

    ROOST_USAGE(t, "%s at %s is outside a task; call it in a function started "
                "by roost_run or roost_spawn", call, roost__place(site));
    return t;
}

void roost__scope_begin(roost_scope *s, int kind, roost_time deadline,
                        const char *site)
{
    roost_task *t = need_task("a scope entered", site);
    struct roost_rt *rt = t->rt;

    roost__need_instant(deadline, "a deadline set", site);
    roost__scope_init(s, t, t->scope, kind, site);
    roost__scope_link(s, t->scope);
    t->scope->inner_site = site;
    t->scope = s;
    if (deadline == ROOST_NEVER)
        return;
    s->deadline = s->timer.at = deadline > rt->now ? deadline : rt->now;
    s->timer.seq = rt->seq++;
    if (deadline <= rt->now)
        expire(rt, s);
}

void roost__scope_end(roost_scope *s)
{
    roost_task *t = s->task;

    roost__scope_end_portals(s);
    if (__builtin_expect(s->has_stop, 0))
        s->task->rt->end_stop(s->task->rt, s);
    roost__scope_unlink(s);
    s->cookie = ~s->cookie;
    s->timer.at = ROOST_NEVER;
    t->scope = s->parent;
    t->scope->inner_site = NULL;
    t->s.last_caught = s->caught;
}

bool roost__scope_is_ours(const roost_task *t, const roost_scope *s)
{
    const roost_scope *open;

    for (open = t->scope; open != &t->base; open = open->parent)
        if (open == s)
            return true;
    return false;
}

void roost__scope_misused(const roost_task *t, const roost_scope *s,
                          const char *call, const char *site)
{
    const char *where = roost__place(site);

    ROOST_USAGE(!roost__scope_left(s), "%s at %s: what was entered or opened at "
                "%s is over already; each enter has one leave, each open one "
                "close", call, where, roost__place(s->site));
    ROOST_USAGE(roost__scope_open(s), "%s at %s: it was never entered or opened",
                call, where);
    ROOST_USAGE(s->task == t, "%s at %s: it was entered at %s by another task; "
                "only that task may leave it", call, where,
                roost__place(s->site));
    roost__misuse("%s at %s: inside the one entered at %s the one entered at %s "
                  "is still open; leave or close that one first", call, where,
                  roost__place(s->site), roost__place(s->inner_site));
}

void roost_scope_enter_at(roost_scope *s, roost_time deadline, const char *site)
{
    roost__scope_begin(s, SCOPE_PLAIN, deadline, site);
}

void roost_shield_enter_at(roost_scope *s, roost_time budget, const char *site)
{
    struct roost_rt *rt = need_task("a shield entered", site)->rt;

    roost__need_duration(budget, "a shield's budget set", site);
    roost__scope_begin(s, SCOPE_SHIELD, ROOST_NEVER, site);
    s->budget = budget > 0 ? budget : 0;
    if (!s->parent->effective)
        return;
    s->effective = 0;
    roost__sched_now(rt);
    reach(rt, s, rt->now);
}

/* S4: absorbed here if this scope is cancelled and nothing around it is, or it
 * keeps that out. */
static int absorb(roost_scope *s, int result)
{
    roost__scope_look(s->task->rt, s);
    if (!s->effective || (s->parent->effective && !holds(s)))
        return result;
    s->caught = 1;
    return s->cause == CAUSE_DEADLINE ? -ETIMEDOUT : 0;
}

int roost_scope_leave_at(roost_scope *s, int result, const char *site)
{
    roost_task *t = need_task("roost_scope_leave", site);

    roost__scope_need_innermost(t, s, "roost_scope_leave", site);
    ROOST_USAGE(s->kind != SCOPE_NURSERY, "roost_scope_leave at %s was given the "
                "scope of the nursery opened at %s; close the nursery",
                roost__place(site), roost__place(s->site));
    if (result == -ECANCELED)
        result = absorb(s, result);
    roost__scope_end(s);
    return result;
}

void roost_scope_guard(roost_scope *s)
{
    roost_task *t = roost__self();

    if (!t || !roost__scope_open(s) || !roost__scope_is_ours(t, s))
        return;
    roost__scope_need_innermost(t, s, "the end of a block with a scope guard",
                                s->site);
    roost__scope_end(s);
    if (s->kind == SCOPE_SHIELD)
        return;
    t->rt->guards_acted++;
    if (!s->cause)
        return;
    t->links.leak_site = s->site;
    if (roost__first_time(s->site))
        roost__say("the scope entered at %s was cancelled and its block left "
                   "without roost_scope_leave: its -ECANCELED leaks; return "
                   "roost_scope_leave(s, r)", roost__place(s->site));
}

/* ---- cancelling, deadlines, questions ---- */

static void need_same_runtime(const roost_scope *s, const char *call,
                              const char *site)
{
    ROOST_USAGE(s->task->rt == roost__rt, "%s at %s was called from another "
                "thread than the one that runs the scope entered at %s",
                call, roost__place(site), roost__place(s->site));
}

void roost_scope_cancel_at(roost_scope *s, const char *reason, const char *site)
{
    if (!roost__scope_open(s))
        return;
    need_same_runtime(s, "roost_scope_cancel", site);
    roost__scope_cancel(s, &(struct roost__cause){ .kind = CAUSE_HAND,
                                                   .reason = reason,
                                                   .site = site,
                                                   .by = roost__self() });
}

void roost_scope_set_deadline_at(roost_scope *s, roost_time deadline,
                                 const char *site)
{
    struct roost_rt *rt;

    roost__need_instant(deadline, "roost_scope_set_deadline", site);
    if (!roost__scope_open(s))
        return;
    need_same_runtime(s, "roost_scope_set_deadline", site);
    rt = s->task->rt;
    if (roost__timer_armed(&s->timer))
        roost__scope_look(rt, s);
    if (s->cause)
        return;
    s->deadline = deadline > rt->now ? deadline : rt->now; /* arrives now */
    retime(rt, s);
    if (deadline > rt->now)
        return;
    if (roost__timer_armed(&s->timer))
        roost__wheel_remove(&rt->wheel, &s->timer);
    expire(rt, s);
}

bool roost_scope_cancelled(const roost_scope *s)
{
    /* The getter looks at the clock, which may cancel: a change of what is
     * known, not of what is. */
    roost_scope *known = (roost_scope *)(uintptr_t)s;

    if (!s->cause && roost__scope_open(s)) {
        need_same_runtime(s, "roost_scope_cancelled", NULL);
        roost__scope_look(s->task->rt, known);
    }
    return s->cause != CAUSE_NONE;
}

bool roost_scope_caught(const roost_scope *s)
{
    roost_task *t = roost__self();

    if (s)
        return s->caught;
    return t && t->s.last_caught;
}

int roost_cancelled(void)
{
    roost_task *t = roost__self();

    if (!t)
        return 0;
    if (!t->scope->effective)
        roost__scope_look(t->rt, t->scope);
    return t->scope->effective ? -ECANCELED : 0;
}

roost_time roost_deadline(void)
{
    const roost_task *t = roost__self();
    const roost_scope *s = t ? t->scope : NULL;
    roost_time best = ROOST_NEVER, later = 0, at;

    if (s && s->effective)
        return s->cancelled_at;
    for (; s; s = s->parent) {
        at = s->cause ? ROOST_NEVER : roost__time_add(s->deadline, later);
        best = at < best ? at : best;
        if (!holds(s))
            continue;
        at = roost__time_add(s->pierce_at, later);
        best = at < best ? at : best;
        if (s->parent->effective || s->budget == ROOST_NEVER)
            break;
        if (__builtin_add_overflow(later, s->budget, &later))
            break;
    }
    return best;
}

roost_time roost_time_left(void)
{
    roost_time deadline = roost_deadline(), now;

    if (roost_cancelled())
        return 0;
    if (deadline == ROOST_NEVER)
        return ROOST_NEVER;
    now = roost_now();
    return deadline > now ? deadline - now : 0;
}
