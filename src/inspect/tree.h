/* tree.h - words about a task that all reports share. */
#ifndef ROOST_INSPECT_TREE_H
#define ROOST_INSPECT_TREE_H

#include <stdio.h>

#include "core/rt.h"

static inline bool roost__is_parked(const roost_task *t)
{
    return t->s.wait && t->s.wait->state == WAIT_PARKED;
}

/* "0.8 ms", "4.2 s", "11.0 min". */
void roost__print_duration(FILE *out, roost_time ns);

/* Of a parked task: "waits for a descriptor (idle) in serve+0x4b, 0.8 s so far". */
void roost__print_wait(FILE *out, const roost_task *t, roost_time now);

/* Where a parked task waits: "serve+0x4b". */
void roost__wait_place(const roost_task *t, char *place, size_t bytes);

/* A root's scope has no line of its own: its main task tells of it. */
static inline const roost_scope *roost__told_by(const roost_scope *s)
{
    return s->parent && !s->parent->parent ? s->parent : s;
}

/* "soft", "hard", "pierced" by STOP_... */
extern const char *const roost__stop_names[];

#endif
