/* start.c - roost_start: a spawn that waits until the child is ready.
 *
 * Owns:     the moment of hand-over: before it the child lives in the caller's
 *           scopes and its end is the caller's result; after it, it is the
 *           nursery's like any other (N10).
 * Promises: what the caller gave is the caller's again unless start >= 0.
 *
 * State:    PENDING --roost_started, caller not cancelled--> the nursery's
 *              `--the child ends--> its end is start's result
 */
#include <errno.h>

#include "core/error.h"
#include "core/nursery.h"
#include "core/park.h"
#include "core/scope.h"
#include "core/task.h"

struct start {
    roost_wait w; /* of the caller, who is its task */
    int value;
};

static int start(const struct roost__spawn *wish, void *place)
{
    struct start st = { .value = -1 };
    struct roost__spawn s = *wish;
    roost_task *t = roost__waiter_at("roost_start", place), *child;
    int r;

    if (t->scope->effective) {
        roost__handle_set(wish, NULL);
        return -ECANCELED;
    }
    s.start = &st;
    roost__wait_init(&st.w, t);
    r = roost__spawn_child(&s, &child);
    if (r < 0)
        return r == -EAGAIN ? roost__spawn_failed(&s, r) : r;
    return roost__park(&st.w, "a child to start", NULL, child, place);
}

void roost_started(int value)
{
    roost_task *t = roost__self();
    roost_task *caller;

    ROOST_USAGE(t, "roost_started was called outside a task; the child that "
                "roost_start made calls it");
    ROOST_USAGE(value >= 0, "roost_started was given %d by the task spawned at "
                "%s; a child that cannot start returns its error", value,
                roost__place(t->site));
    ROOST_USAGE(!t->s.started, "roost_started was called twice by the task spawned "
                "at %s; once, when it is ready", roost__place(t->site));
    if (!t->links.start)
        return;
    t->s.started = 1;
    t->links.start->value = value;
    caller = t->links.start->w.task;
    if (caller->scope->effective)
        return;
    roost_wake(&t->links.start->w, value);
    t->links.start = NULL;
    roost__scope_move(&t->base, t->s.service ? &t->nursery->services
                                           : &t->nursery->scope);
    if (t->s.service)
        t->nursery->s.ordinary--;
    roost__nursery_changed(t->nursery);
}

void roost__start_over(roost_task *t, int result)
{
    struct start *st = t->links.start;
    roost_task *caller = st->w.task;

    if (result >= 0 && st->value >= 0) {
        result = st->value;
    } else if (result >= 0 && t->s.stopped) {
        result = -ESHUTDOWN;
        caller->s.stopped = 1;
    } else if (result >= 0) {
        result = -EPROTO;
        roost__error_drop(t->rt, t->links.errors);
        t->links.errors = roost__error_new(t, result, t->site, "the task ended without "
                                     "roost_started");
    } else if (result == -ECANCELED && !caller->scope->effective) {
        result = -EPROTO;
        roost__error_drop(t->rt, t->links.errors);
        t->links.errors = roost__error_new(t, result, t->site, "the task was cancelled "
                                     "before it had started");
    }
    if (result < 0 && result != -ECANCELED) {
        roost__error_drop(t->rt, caller->links.errors);
        caller->links.errors = roost__error_take(t, result);
    }
    roost_wake(&st->w, result);
}

int roost_start_with_at(roost_nursery *n, roost_task_fn *fn, void *arg,
                        const roost_spawn_options *o, const char *site)
{
    return start(&(struct roost__spawn){ .call = "roost_start", .n = n,
                                         .fn = fn, .arg = arg, .o = o,
                                         .site = site }, ROOST__PLACE);
}
