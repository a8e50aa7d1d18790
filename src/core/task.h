/* task.h - making a task and ending it, for the rooms that own tasks. */
#ifndef ROOST_CORE_TASK_H
#define ROOST_CORE_TASK_H

#include "core/rt.h"

/* What a new task is. */
struct roost__birth {
    roost_task_fn *fn;
    void *arg;
    size_t copy_bytes; /* > 0: arg is copied to its stack */
    int stack_class;
    roost__home_fn *home;
    roost_scope *scope; /* around it */
    roost_task *parent;
    const char *name, *site;
};

/* A task that is ready to run, or NULL when there is no memory. */
roost_task *roost__task_new(struct roost_rt *rt, const struct roost__birth *b);

/* In the ending task: nothing may be open; kept errors, deferred functions and
 * locals are seen to. Returns the result its owner gets. */
int roost__task_settle(roost_task *t, int result);

/* "main/fetch#3/parse#9", cut at the left when it does not fit. */
void roost__task_path(const roost_task *t, char *buf, size_t bytes);

#endif
