/* child.c - handles: a name for one child, to end it alone.
 *
 * Promises: a handle names its child from the spawn on, also before it ran; when
 *           the child has ended it keeps the result; zeroed it names nobody.
 */
#include <errno.h>

#include "core/nursery.h"
#include "core/park.h"
#include "core/scope.h"

/* A live one may not be given again: its child would lose its name. */
void roost__handle_set(const struct roost__spawn *s, roost_task *t)
{
    roost_child *c = s->o ? s->o->child : NULL;

    if (!c)
        return;
    ROOST_USAGE(t || c->cookie != roost__cookie(c) || !c->task, "%s at %s was "
                "given the handle of a child that is alive, spawned at %s; use "
                "another handle, or end that child first", s->call,
                roost__place(s->site), roost__place(c->task->site));
    *c = (roost_child){ .task = t, .cookie = t ? roost__cookie(c) : 0 };
    if (t)
        t->links.handle = c;
}

void roost__handle_end(roost_task *t, int result)
{
    roost_child *c = t->links.handle;

    c->task = NULL;
    c->result = result;
    roost_lot_wake(&c->enders, ROOST_ALL);
}

static void need_other(const roost_task *t, const roost_child *c,
                       const char *site)
{
    const roost_task *up;

    ROOST_USAGE(c->task->rt == t->rt, "roost_child_end at %s: the child spawned "
                "at %s belongs to another thread's run", roost__place(site),
                roost__place(c->task->site));
    for (up = t; up; up = up->parent)
        ROOST_USAGE(up != c->task, "roost_child_end at %s was called by the child "
                    "itself, spawned at %s, or by a task below it; return from "
                    "it instead", roost__place(site), roost__place(up->site));
}

int roost_child_end_at(roost_child *c, const char *reason, const char *site)
{
    roost_task *t = roost__waiter("roost_child_end");
    roost_wait w;

    if (c->task) {
        need_other(t, c, site);
        roost__scope_cancel(&c->task->base,
                            &(struct roost__cause){ .kind = CAUSE_HAND,
                                                    .reason = reason,
                                                    .site = site, .by = t });
        roost__wait_init(&w, t);
        roost__lot_append(&c->enders, &w);
        roost_ignore(roost__park(&w, "a child to end", NULL, c,
                                 ROOST__PLACE));
    }
    return c->result == -ECANCELED ? 0 : c->result;
}
