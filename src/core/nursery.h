/* nursery.h - what roost_start and the child handles need of a nursery. */
#ifndef ROOST_CORE_NURSERY_H
#define ROOST_CORE_NURSERY_H

#include "core/rt.h"

/* One spawn, in any of its forms. */
struct roost__spawn {
    const char *call; /* for sentences */
    roost_nursery *n;
    roost_task_fn *fn;
    void *arg;
    const roost_spawn_options *o;
    const char *site;
    struct start *start; /* of roost_start: whom to tell */
};

/* Makes the child: 0, or a negative errno. */
int roost__spawn_child(const struct roost__spawn *s, roost_task **ret_child);

/* That is the nursery's failure, unless it was full and sheds (N11); returns r. */
int roost__spawn_failed(const struct roost__spawn *s, int r);

/* Something changed that the closer, or who waits for a room, may wait for. */
void roost__nursery_changed(roost_nursery *n);

/* The task no longer holds the room that it was promised. */
void roost__nursery_pass_room(roost_task *t);

/* In start.c: the child under a pending roost_start has ended. */
void roost__start_over(roost_task *t, int result);

/* In child.c: the handle of a child that is born, or ended with `result`. */
void roost__handle_set(const struct roost__spawn *s, roost_task *t);
void roost__handle_end(roost_task *t, int result);

/* A child ended with -ECANCELED: -EPROTO with a record when nothing around it was
 * cancelled (N16), else unchanged. */
int roost__foreign_cancel(roost_task *t, int result);

#endif
