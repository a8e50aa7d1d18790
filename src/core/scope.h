/* scope.h - cancel scopes as the other rooms of the core see them. */
#ifndef ROOST_CORE_SCOPE_H
#define ROOST_CORE_SCOPE_H

#include "core/rt.h"

/* Who cancels, and why. */
struct roost__cause {
    int kind; /* CAUSE_... */
    int code; /* of a failure */
    const char *reason, *site;
    const roost_task *by; /* NULL: the loop, or the scope itself */
};

/* A cookie says "open" without trusting the bytes of a struct that a goto may
 * have skipped. */
static inline uint64_t roost__cookie(const void *p)
{
    return (uint64_t)(uintptr_t)p ^ UINT64_C(0x726f6f73745f6f6b);
}

static inline bool roost__scope_open(const roost_scope *s)
{
    return s->cookie == roost__cookie(s);
}

/* It was entered, and left: its fields can still be read. */
static inline bool roost__scope_left(const roost_scope *s)
{
    return s->cookie == ~roost__cookie(s);
}

static inline void roost__scope_link(roost_scope *s, roost_scope *parent)
{
    s->parent = parent;
    s->next = NULL;
    s->prev = parent->last;
    if (parent->last)
        parent->last->next = s;
    else
        parent->first = s;
    parent->last = s;
}

static inline void roost__scope_unlink(roost_scope *s)
{
    if (s->prev)
        s->prev->next = s->next;
    else
        s->parent->first = s->next;
    if (s->next)
        s->next->prev = s->prev;
    else
        s->parent->last = s->prev;
    if (roost__timer_armed(&s->timer))
        roost__wheel_remove(&s->task->rt->wheel, &s->timer);
}

/* A scope of `kind` for task `t` inside `parent`, not yet linked. Deadline and
 * budget are ROOST_NEVER. */
static inline void roost__scope_init(roost_scope *s, roost_task *t,
                                     roost_scope *parent, int kind,
                                     const char *site)
{
    s->cookie = roost__cookie(s);
    s->parent = parent;
    s->first = s->last = NULL;
    s->task = t;
    s->site = site;
    s->inner_site = NULL;
    s->seq = t ? t->rt->seq++ : 0;
    s->timer.at = ROOST_NEVER;
    s->timer.where = 0;
    s->timer.kind = TIMER_SCOPE;
    s->deadline = s->budget = s->pierce_at = ROOST_NEVER;
    s->effective = parent->effective;
    s->cancelled_at = parent->cancelled_at;
    s->kind = (uint8_t)kind;
    s->cause = s->used_up = s->armed = 0;
    s->expression = s->caught = s->has_portals = s->has_stop = 0;
    s->stop = parent->stop;
}

/* As the innermost scope of the running task, with or without a deadline. */
void roost__scope_begin(roost_scope *s, int kind, roost_time deadline,
                        const char *site);
/* Portals into a scope close before it ends, and what they took in runs (G5).
 * true: there was one. */
static inline bool roost__scope_end_portals(roost_scope *s)
{
    if (__builtin_expect(!s->has_portals, 1))
        return false;
    s->task->rt->end_portals(s->task->rt, s);
    return true;
}

/* The innermost scope is over; its getters stay readable. */
void roost__scope_end(roost_scope *s);

/* Reads the clock if a deadline is around the scope, and fires what is due
 * (S18). */
void roost__scope_look(struct roost_rt *rt, roost_scope *s);

/* Cancels; the first cause is kept. Looks first. */
void roost__scope_cancel(roost_scope *s, const struct roost__cause *cause);

/* Moves a task's base scope, with all in it, under another (N10). */
void roost__scope_move(roost_scope *base, roost_scope *to);

/* All in `top` is stopped as far as `level`: idle waits end; what it cancels its
 * caller has cancelled; shields are taken away, later ones from the start. */
void roost__scope_stop(roost_scope *top, int level);

/* That, in every root: the last means against a deadlock. */
void roost__scope_pierce_all(struct roost_rt *rt);

/* Preorder over the whole tree of scopes; NULL after the last. */
roost_scope *roost__scope_following(const roost_scope *s);

void roost__scope_fire(struct roost_rt *rt, struct roost__timer *timer);

/* Whether the running task entered it and has not left it. */
bool roost__scope_is_ours(const roost_task *t, const roost_scope *s);

/* Misuse unless it is the innermost of the running task `t`. */
_Noreturn void roost__scope_misused(const roost_task *t, const roost_scope *s,
                                    const char *call, const char *site);
static inline void roost__scope_need_innermost(const roost_task *t,
                                               const roost_scope *s,
                                               const char *call,
                                               const char *site)
{
    if (!roost__scope_open(s) || t->scope != s)
        roost__scope_misused(t, s, call, site);
}

#endif
