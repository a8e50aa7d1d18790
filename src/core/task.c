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

/* The argument's copy goes between the task and its first frame. */
static void *copy_argument(void *top, const struct roost__birth *b, void **ret)
{
    if (b->copy_bytes) {
        top = (char *)top - ((b->copy_bytes + 15) & ~(size_t)15);
        memcpy(top, b->arg, b->copy_bytes);
        *ret = top;
    } else {
        *ret = b->arg;
    }
    return top;
}

roost_task *roost__task_new(struct roost_rt *rt, const struct roost__birth *b)
{
    struct roost__stack *stack;
    roost_task *t;

    if (roost__sched_reserve(rt) < 0)
        return NULL;
    stack = roost__stack_get(&rt->stacks, b->stack_class);
    if (!stack)
        return NULL;
    t = (roost_task *)(void *)stack - 1;
    memset(t, 0, offsetof(roost_task, base));
    memset((char *)t + offsetof(roost_task, parent), 0,
           sizeof *t - offsetof(roost_task, parent));
    t->sp = copy_argument(t, b, &t->arg);
    t->rt = rt;
    t->fn = b->fn;
    t->home = b->home;
    t->parent = b->parent;
    t->name = b->name;
    t->site = b->site;
    t->id = ++rt->next_id;
    t->fresh = 1;
    roost__scope_init(&t->base, t, b->scope, SCOPE_TASK, b->site);
    roost__scope_link(&t->base, b->scope);
    t->scope = &t->base;
    roost__fiber_made(&t->fiber, stack->lo, (size_t)((char *)t - stack->lo));
    if (rt->current)
        roost__locals_inherit(t, rt->current); /* the spawner (T4) */
    rt->tasks++;
    roost__sched_ready(t);
    return t;
}

/* ---- deferred functions ---- */

static int grow_defers(roost_task *t)
{
    uint32_t capacity = t->defer_capacity ? t->defer_capacity * 2 : 8;
    struct roost__deferred *more;

    if (t->defer_count < t->defer_capacity)
        return 0;
    more = t->rt->sys->alloc(capacity * sizeof *more);
    if (!more)
        return -ENOMEM;
    if (t->defer_count)
        memcpy(more, t->defers, t->defer_count * sizeof *more);
    t->rt->sys->free(t->defers);
    t->defers = more;
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
    t->defers[t->defer_count++] = (struct roost__deferred){ fn, arg };
    return 0;
}

/* A failure found after the body: it becomes the result, or stands beside it. */
static int add_failure(roost_task *t, int result, int code, roost_error *e)
{
    if (result >= 0 || result == -ECANCELED) {
        roost__error_drop(t->rt, t->errors);
        t->errors = e;
        return code;
    }
    t->errors = roost__error_take(t, result);
    roost__error_beside(t->rt, t->errors, e);
    return result;
}

static int run_defers(roost_task *t, int result)
{
    struct roost__deferred d;
    roost_error *before;
    int r;

    while (t->defer_count > 0) {
        d = t->defers[--t->defer_count];
        before = t->errors;
        t->errors = NULL;
        r = d.fn(d.arg);
        ROOST_USAGE(t->scope->parent == &t->base, "a deferred function of the "
                    "task spawned at %s left the scope entered at %s open; leave "
                    "or close it", roost__place(t->site),
                    roost__place(t->scope->site));
        if (r < 0 && r != -ECANCELED) {
            roost_error *e = roost__error_take(t, r);

            t->errors = before;
            result = add_failure(t, result, r, e);
        } else {
            roost__error_drop(t->rt, t->errors);
            t->errors = before;
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
    t->rt->sys->free(t->defers);
    return result;
}

int roost__task_settle(roost_task *t, int result)
{
    ROOST_USAGE(t->scope == &t->base, "the task spawned at %s returned with the "
                "scope or nursery entered at %s open; leave or close it on every "
                "path", roost__place(t->site), roost__place(t->base.inner_site));
    if (t->defer_count)
        result = defers_in_shield(t, result);
    if (t->kept)
        result = add_failure(t, result, t->kept, t->kept_error);
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
