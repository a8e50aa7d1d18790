/* error.h - records of failures, as nurseries and tasks pass them on. */
#ifndef ROOST_CORE_ERROR_H
#define ROOST_CORE_ERROR_H

#include <stdarg.h>

#include "core/rt.h"

/* A record. Its links:
 *
 *     task->links.errors -> "serving GET /x" -older-> "reading x" -older-> NULL
 *                          |also                (one code: a chain)
 *                          v
 *                     "closing x" -next-> "flushing log" -next-> NULL
 *                                               (other failures beside it)
 */
struct roost_error {
    roost_error *older; /* in the chain; of a free record: the next free one */
    roost_error *also;  /* what failed beside it */
    roost_error *next;  /* in that list */
    const char *site;
    int code;
    unsigned beside, lost; /* kept, and only counted */
    char path[60], text[228];
};

int roost__errors_init(struct roost_rt *rt);
void roost__errors_done(struct roost_rt *rt);

/* A record of `t`, or NULL when the pool is full. */
roost_error *roost__error_new(const roost_task *t, int code, const char *site,
                              const char *fmt, ...) ROOST_PRINTF(4, 5);

/* roost_fail_at with its words in a list. */
int roost__fail(const char *site, int code, const char *fmt, va_list args)
    ROOST_PRINTF(3, 0);

/* Gives a record and all below it back; NULL is fine. */
void roost__error_drop(struct roost_rt *rt, roost_error *e);

/* The task's chain if it is about `code` (the caller's from now on), else a new
 * record without words, or NULL. A chain about something else is dropped. */
roost_error *roost__error_take(roost_task *t, int code);

/* `e` happened beside `to`: kept there (the first 8), else counted. */
void roost__error_beside(struct roost_rt *rt, roost_error *to, roost_error *e);

#endif
