/* task.h - making a task and ending it, for the rooms that own tasks. */
#ifndef ROOST_CORE_TASK_H
#define ROOST_CORE_TASK_H

#include <errno.h>

#include "core/rt.h"

/* A task on a stack of its own, not yet in any scope or queue, or NULL when
 * there is no memory. With copy_bytes > 0 `arg` is copied to that stack. The
 * caller sets fn, home, parent, name and site, then calls begin. */
roost_task *roost__task_new(struct roost_rt *rt, int stack_class, void *arg,
                            size_t copy_bytes);

/* It lives in `scope` from now on, and will run. */
void roost__task_begin(roost_task *t, roost_scope *scope);

/* In the ending task: nothing may be open; kept errors, deferred functions and
 * locals are seen to. Returns the result its owner gets. */
int roost__task_settle_slowly(roost_task *t, int result);
static inline int roost__task_settle(roost_task *t, int result)
{
    if (t->scope == &t->base && !t->links.defer_count && !t->s.kept &&
        !t->links.locals && result != -ESHUTDOWN)
        return result;
    return roost__task_settle_slowly(t, result);
}

/* "main/fetch#3/parse#9", cut at the left when it does not fit. */
void roost__task_path(const roost_task *t, char *buf, size_t bytes);

#endif
