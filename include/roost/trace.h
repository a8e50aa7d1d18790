/* trace.h - looking at what runs.
 *
 *     roost_tree_print(stderr);
 *
 *     main                                app.c:88   in close app.c:41
 *     `- nursery app.c:30, 2 children, 4.2 s left
 *        |- fetch#2                       app.c:33   waits for an event, 0.8 s
 *        `- fetch#3                       app.c:34   sleeps, 0.3 s
 */
#ifndef ROOST_TRACE_H
#define ROOST_TRACE_H

#include <roost/api.h>
#include <stdio.h>

ROOST_BEGIN_DECLS

/* Draws the tree of all tasks of the running runtime: nurseries, children, what
 * each waits for, since when and where, deadlines, shields, cancellations. From
 * a task or a callback of its loop; elsewhere a line that says there is none. */
ROOST_API void roost_tree_print(FILE *out);

ROOST_END_DECLS

#endif
