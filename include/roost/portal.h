/* portal.h - the way in for other threads and for signal handlers.
 *
 * A runtime belongs to one thread. Others hand it functions through a portal,
 * which is opened for a scope and closes with it:
 *
 *     ROOST_NURSERY(n);
 *     p = roost_portal_open(roost_nursery_scope(n));
 *     if (!p)
 *         return roost_nursery_close(n, -errno);
 *     camera_start(camera, p);            a library with threads of its own
 *     ...
 *
 *     static void on_frame(void *frame)   runs on the loop
 *     {
 *         if (roost_chan_send_nowait(frames, &frame) < 0)
 *             frame_drop(frame);
 *     }
 *
 *     in a thread of the camera:
 *         if (roost_portal_post(p, on_frame, frame) < 0)
 *             frame_drop(frame);
 *
 * What was accepted runs, before the scope is left; what comes later is refused
 * with -ESHUTDOWN. Nothing is unbounded: a full portal refuses with -EAGAIN.
 * While a portal is open its run is not taken for deadlocked. Like a descriptor
 * it holds the virtual clock only with ROOST_HOLD_IO.
 *
 * Posted functions run outside any task, in turn. They may spawn into an open
 * nursery, set events, send without waiting, wake and cancel; not wait. At the
 * scope's end they run on the stack of the task that leaves it, which is small.
 */
#ifndef ROOST_PORTAL_H
#define ROOST_PORTAL_H

#include <roost/task.h>

ROOST_BEGIN_DECLS

typedef struct roost_portal roost_portal;

/* Posts that may stand in the queue of one portal. */
#define ROOST_PORTAL_POSTS 1024

/* Opens a portal for a scope that is open (NULL: the main task's outermost), in
 * the scope's own thread. It closes when the scope is left; for a nursery's
 * scope, when the nursery has closed and no child is left.
 * NULL and errno: ENOMEM, EMFILE. The memory is the caller's to free. */
ROOST_API roost_portal *roost_portal_open(roost_scope *s) ROOST_MUST;
ROOST_API roost_portal *roost_portal_open_at(roost_scope *s, const char *site)
    ROOST_MUST;

/* Closes it before its scope does. Accepted posts run in the call. Closing twice
 * does nothing. In the loop's thread. */
ROOST_API void roost_portal_close(roost_portal *p);

/* Frees a closed portal, from any thread and from posted functions, when none will
 * use it any more: after joining the threads that got it, say. NULL is fine. */
ROOST_API void roost_portal_free(roost_portal *p);

/* Has fn(arg) run on the loop. From any thread, and from signal handlers: it
 * takes no lock and allocates nothing. Posts of one thread run in order.
 * 0; -EAGAIN when ROOST_PORTAL_POSTS are waiting: a thread waits for room with
 * roost_portal_call, which comes back when they have run; -ESHUTDOWN. */
ROOST_API int roost_portal_post(roost_portal *p, void (*fn)(void *arg),
                                void *arg) ROOST_MUST;

/* Has fn(arg) run on the loop and waits for it, blocking the thread: its result,
 * or -ESHUTDOWN. -EDEADLK in the loop's own thread, which would wait for itself:
 * fn does not run. Not for signal handlers. */
ROOST_API int roost_portal_call(roost_portal *p, roost_task_fn *fn, void *arg)
    ROOST_MUST;

/* The same, with fn as a task of nursery `n`, so that it may wait. `n` must stay
 * open as long as the portal: a portal of its scope, or of one inside it. An
 * error is the calling thread's affair and does not fail the nursery. What
 * cancels the nursery cancels fn. -ENOMEM, -EAGAIN (no room): it did not run. */
ROOST_API int roost_portal_run(roost_portal *p, roost_nursery *n,
                               roost_task_fn *fn, void *arg) ROOST_MUST;
ROOST_API int roost_portal_run_at(roost_portal *p, roost_nursery *n,
                                  roost_task_fn *fn, void *arg,
                                  const char *site) ROOST_MUST;

/* Cancels the portal's scope, behind what the thread posted before and ahead of
 * what it calls afterwards. From any thread, and from signal handlers. `reason`
 * is a string literal. 0, or -ESHUTDOWN: the scope is over. */
ROOST_API int roost_portal_cancel(roost_portal *p, const char *reason);
ROOST_API int roost_portal_cancel_at(roost_portal *p, const char *reason,
                                     const char *site);

#define roost_portal_open(...) roost_portal_open_at(__VA_ARGS__, ROOST_SITE)
#define roost_portal_run(...) roost_portal_run_at(__VA_ARGS__, ROOST_SITE)
#define roost_portal_cancel(...) \
    roost_portal_cancel_at(__VA_ARGS__ "", ROOST_SITE)

ROOST_END_DECLS

#endif
