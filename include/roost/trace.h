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
 * a task or a callback of its loop; elsewhere a line that says there is none. In
 * colours where `out` is a terminal, unless NO_COLOR is set or TERM is dumb. */
ROOST_API void roost_tree_print(FILE *out);

/* The same as one JSON object in one line, for programs:
 *
 *     {"kind":"run","site":"app.c:88","tasks":3,"children":[
 *      {"kind":"task","name":"main","id":1,"path":"main","site":"app.c:88",
 *       "state":"waits","wait":{"what":"its children","place":"main_task+0x1f",
 *       "since_ns":800000000,"idle":false,"abortable":false},"children":[...]}]}
 *
 * kind      "run", "task", "scope", "nursery", "services", "shield"; elsewhere than
 *           in a run the object has the kind "none" and nothing else
 * always    site (not of "services") and children, in the order they began
 * a task    name, id, path, state ("runs", "ready", "waits"), wait if it waits (with
 *           left_ns if it has an end), starting: true until roost_started
 * nursery   name if it has one, count of its children, closing
 * shield    used_up, left_ns while it is being used up
 * any       deadline_left_ns (negative: passed), cancelled {kind: "hand", "deadline",
 *           "failure", "close", "guard"; site; reason; by; code}, stop: "soft",
 *           "hard", "pierced"; each only where there is one
 *
 * Fields may be added. Times are durations. Bytes that are no UTF-8 come out as
 * U+FFFD. */
ROOST_API void roost_tree_json(FILE *out);

ROOST_END_DECLS

#endif
