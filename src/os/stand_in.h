/* stand_in.h - a task's stack stands for the main one, while something runs on it
 *              that is outside any task: a posted function, a host's loop.
 */
#ifndef ROOST_OS_STAND_IN_H
#define ROOST_OS_STAND_IN_H

#include "core/rt.h"

struct roost__stand_in {
    roost_task *task; /* NULL: we are on the main stack already */
    struct roost__fiber main_fiber;
    void *main_sp;
};

static inline void roost__stand_in_begin(struct roost__stand_in *s,
                                         struct roost_rt *rt)
{
    *s = (struct roost__stand_in){ rt->current, rt->main_fiber, rt->main_sp };
    if (!s->task)
        return;
    rt->main_fiber = s->task->fiber;
    rt->current = NULL;
}

/* On the main stack the runtime may be gone by now, and is not looked at. */
static inline void roost__stand_in_end(struct roost__stand_in *s,
                                       struct roost_rt *rt)
{
    if (!s->task)
        return;
    s->task->fiber = rt->main_fiber;
    rt->main_fiber = s->main_fiber;
    rt->main_sp = s->main_sp;
    rt->current = s->task;
}

#endif
