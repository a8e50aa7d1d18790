/* trace.h - looking at what runs.
 *
 *     roost_tree_print(stderr);
 *
 *     main app.c:88, waits for its children (to the end) in main_task+0x1f,
 *         0.8 s so far
 *     `- nursery app.c:30, 2 children, closing, 4.2 s left
 *        |- fetch#2 app.c:33, waits for an event in fetch+0x4b, 0.8 s so far
 *        `- fetch#3 app.c:34, waits for the clock in fetch+0x91, 2.1 ms so far,
 *            7.0 ms left
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
