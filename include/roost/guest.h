/* guest.h - roost inside a program that has a libev loop of its own.
 *
 * The host keeps its loop and runs it as ever: with ev_run(loop, 0), ONCE or
 * NOWAIT, broken off or nested. Tasks get their turns in each iteration.
 *
 *     static void session_over(int result, void *arg) { ... }
 *
 *     root = roost_attach(loop, session, client, session_over, client);
 *     if (!root)
 *         return -errno;
 *     ev_run(loop, 0);    returns when neither host nor tasks have work left
 *
 * What is attached is a root: a main task with all it spawns. There may be many
 * on one loop. They belong to nobody's nursery, so the host owns them: each ends
 * with done(), and roost_root_cancel asks for that.
 *
 * Callbacks of the host run outside any task: they may cancel, set events, move
 * deadlines, send without waiting and wake; they cannot wait or spawn.
 *
 * roost's watchers have the priority EV_MINPRI and do not keep the loop alive;
 * each live root holds one reference to it. When nothing is due they wake
 * nobody. What a callback of the host makes ready runs in the same iteration,
 * whatever its priority; tasks run, and done() is called, after the callbacks.
 *
 * ev_loop_destroy ends the tasks first: they are cancelled, shields and all, and
 * run to their ends without any I/O, then done() is called. A task that cannot be
 * cancelled then stops the program with a sentence.
 */
#ifndef ROOST_GUEST_H
#define ROOST_GUEST_H

#include <roost/task.h>

ROOST_BEGIN_DECLS

/* Makes fn(arg) a main task on the host's `loop`; it first runs in the loop's
 * next iteration. When it and all below it have ended, done(result, done_arg) is
 * called from the loop, outside any task, with everything of the root released
 * (NULL: nobody wants to know). `arg` is borrowed until then.
 *
 * NULL and errno: EINVAL (no loop, no function), ENOMEM, EMFILE; EBUSY when the
 * thread has roots on another loop; ESHUTDOWN when the loop is being destroyed.
 * done() is not called then. Inside roost_run it is misuse.
 *
 * The handle is good until done() returns. Source: Trio's guest mode. */
ROOST_API roost_root *roost_attach(struct ev_loop *loop, roost_task_fn *fn,
                                   void *arg,
                                   void (*done)(int result, void *done_arg),
                                   void *done_arg) ROOST_MUST;
ROOST_API roost_root *roost_attach_at(struct ev_loop *loop, roost_task_fn *fn,
                                      void *arg,
                                      void (*done)(int result, void *done_arg),
                                      void *done_arg,
                                      const char *site) ROOST_MUST;

/* Cancels all that runs in the root, at once; no task runs before it returns.
 * `reason` is a string literal. From the loop's thread: tasks, callbacks of the
 * host, or between its runs. Other threads need a portal. */
ROOST_API void roost_root_cancel(roost_root *root, const char *reason);
ROOST_API void roost_root_cancel_at(roost_root *root, const char *reason,
                                    const char *site);

#define roost_attach(...) roost_attach_at(__VA_ARGS__, ROOST_SITE)
#define roost_root_cancel(...) \
    roost_root_cancel_at(__VA_ARGS__ "", ROOST_SITE)

ROOST_END_DECLS

#endif
