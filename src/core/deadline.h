/* deadline.h - the deadlines of scopes get into the wheel late.
 *
 * A scope that is entered and left without a suspension costs no timer
 * operation (S15): its timer is armed only when a task suspends in it. `armed`
 * means that this scope and all around it are; so the usual suspension tests one
 * byte.
 */
#ifndef ROOST_CORE_DEADLINE_H
#define ROOST_CORE_DEADLINE_H

#include "core/rt.h"

static inline void roost__deadline_arm(roost_task *t)
{
    roost_scope *s;

    for (s = t->scope; !s->armed; s = s->parent) {
        s->armed = 1;
        if (s->timer.at != ROOST_NEVER && !roost__timer_armed(&s->timer))
            roost__wheel_add(&t->rt->wheel, &s->timer);
    }
}

#endif
