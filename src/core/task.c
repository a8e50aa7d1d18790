/* task.c - a task's birth on a stack of its own, and the last things it does.
 *
 * Owns:     the control block's contents; the list of deferred functions.
 * Promises: a task that ends has nothing open (T5), its kept errors replace a
 *           result that hides them (N5), its deferred functions have run once
 *           each, newest first, under one shield (T6).
 * Never:    decides what the result means; its owner does, in `home`.
 */
#include "core/task.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/local.h"
#include "core/sched.h"
#include "core/scope.h"

#define DEFER_BUDGET ROOST_SEC(5)

roost_task *roost__task_new(struct roost_rt *rt, int stack_class, void *arg,
                            size_t copy_bytes)
{
    struct roost__stack *stack;
    roost_task *t;

    if (roost__sched_reserve(rt) < 0)
        return NULL;
    stack = roost__stack_get(&rt->stacks, stack_class);
    if (!stack)
        return NULL;
    t = (roost_task *)(void *)stack - 1;
    t->s = (struct roost__task_state){ .canary = !stack->guarded };
    t->links = (struct roost__task_links){ 0 };
    t->timer.where = 0;
    t->rt = rt;
    t->sp = t;
    t->arg = arg;
    if (copy_bytes) { /* it goes between the task and its first frame */
        t->arg = t->sp = (char *)t - ((copy_bytes + 15) & ~(size_t)15);
        memcpy(t->arg, arg, copy_bytes);
    }
    roost__fiber_made(&t->fiber, stack->lo, (size_t)((char *)t - stack->lo));
    return t;
}

void roost__task_begin(roost_task *t, roost_scope *scope)
{
    struct roost_rt *rt = t->rt;

    t->id = ++rt->next_id;
    t->s.fresh = 1;
    roost__scope_init(&t->base, t, scope, SCOPE_TASK, t->site);
    roost__scope_link(&t->base, scope);
    t->scope = &t->base;
    if (rt->current || t->parent) /* the spawner, or who stands in for him (T4) */
        roost__locals_inherit(t, rt->current ? rt->current : t->parent);
    rt->tasks++;
    roost__sched_ready(t);
}

/* ---- deferred functions ---- */

static int grow_defers(roost_task *t)
{
    uint32_t capacity = t->links.defers ? t->defer_capacity * 2 : 8;
    struct roost__deferred *more;

    if (t->links.defers && t->links.defer_count < t->defer_capacity)
        return 0;
    more = t->rt->sys->alloc(capacity * sizeof *more);
    if (!more)
        return -ENOMEM;
    if (t->links.defer_count)
        memcpy(more, t->links.defers, t->links.defer_count * sizeof *more);
    t->rt->sys->free(t->links.defers);
    t->links.defers = more;
    t->defer_capacity = capacity;
    return 0;
}

int roost_defer(roost_task_fn *fn, void *arg)
{
    roost_task *t = roost__self();

    ROOST_USAGE(t, "roost_defer was called outside a task; it defers to the end "
                "of the task that calls it");
    if (grow_defers(t) < 0)
        return -ENOMEM;
    t->links.defers[t->links.defer_count++] = (struct roost__deferred){ fn, arg };
    t->rt->defers_due++;
    return 0;
}

/* A failure found after the body: it becomes the result, or stands beside it. */
static int add_failure(roost_task *t, int result, int code, roost_error *e)
{
    if (result >= 0 || result == -ECANCELED) {
        roost__error_drop(t->rt, t->links.errors);
        t->links.errors = e;
        return code;
    }
    t->links.errors = roost__error_take(t, result);
    roost__error_beside(t->rt, t->links.errors, e);
    return result;
}

/* What its guards found, in its body or in a deferred function (N5). */
static int take_kept(roost_task *t, int result)
{
    int code = t->s.kept;

    t->s.kept = 0;
    return code ? add_failure(t, result, code, t->links.kept_error) : result;
}

static int run_defers(roost_task *t, int result)
{
    struct roost__deferred d;
    roost_error *before;
    int r;

    while (t->links.defer_count > 0) {
        d = t->links.defers[--t->links.defer_count];
        t->rt->defers_due--;
        before = t->links.errors;
        t->links.errors = NULL;
        r = d.fn(d.arg);
        ROOST_USAGE(t->scope->parent == &t->base, "a deferred function of the "
                    "task spawned at %s left the scope entered at %s open; leave "
                    "or close it", roost__place(t->site),
                    roost__place(t->scope->site));
        if (r < 0 && r != -ECANCELED && !(r == -ESHUTDOWN && t->s.stopped)) {
            roost_error *e = roost__error_take(t, r);

            t->links.errors = before;
            result = add_failure(t, result, r, e);
        } else {
            roost__error_drop(t->rt, t->links.errors);
            t->links.errors = before;
        }
    }
    return result;
}

static int defers_in_shield(roost_task *t, int result)
{
    roost_time budget = t->rt->o.defer_budget;
    roost_scope shield;

    roost_shield_enter_at(&shield, budget ? budget : DEFER_BUDGET, t->site);
    result = run_defers(t, result);
    roost__scope_end(&shield);
    t->rt->sys->free(t->links.defers);
    return result;
}

int roost__task_settle_slowly(roost_task *t, int result)
{
    if (result == -ESHUTDOWN && t->s.stopped)
        result = 0;
    ROOST_USAGE(t->scope == &t->base, "the task spawned at %s returned with the "
                "scope or nursery entered at %s open; leave or close it on every "
                "path", roost__place(t->site), roost__place(t->base.inner_site));
    result = take_kept(t, result);
    if (t->links.defer_count)
        result = take_kept(t, defers_in_shield(t, result));
    if (t->links.locals)
        roost__locals_drop(t);
    return result;
}

/* ---- names ---- */

/* Writes backwards from the end of buf, so that the task itself is never what
 * is cut. Returns where the text begins. */
static size_t prepend(char *buf, size_t at, const char *text, size_t len)
{
    if (len > at) {
        text += len - at;
        len = at;
    }
    memcpy(buf + at - len, text, len);
    return at - len;
}

void roost__task_path(const roost_task *t, char *buf, size_t bytes)
{
    size_t at = bytes - 1;
    char one[64];
    int len;

    buf[at] = '\0';
    for (; t && at > 0; t = t->parent) {
        len = t->parent ? snprintf(one, sizeof one, "/%.40s#%llu",
                                   t->name ? t->name : "task",
                                   (unsigned long long)t->id)
                        : snprintf(one, sizeof one, "main");
        at = prepend(buf, at, one, (size_t)len);
    }
    memmove(buf, buf + at, bytes - at);
}
