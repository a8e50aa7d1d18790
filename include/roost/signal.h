/* signal.h - receiving signals of the operating system.
 *
 *     static int wait_for_end(void *arg)
 *     {
 *         static const int wanted[] = { SIGTERM, SIGHUP, 0 };
 *         ROOST_CLEANUP(roost_signals_close) roost_signals s = { 0 };
 *         int r = roost_signals_open(&s, wanted);
 *
 *         while (r >= 0 && (r = ROOST_IDLE(roost_signals_wait(&s))) == SIGHUP)
 *             reload(arg);
 *         return r;
 *     }
 *
 * A receiver sees each signal of its list once that arrives while it is open,
 * whatever its tasks do meanwhile. Equal ones that have not been handed out yet
 * merge, as the kernel merges them (real-time signals too; no values are kept).
 * There may be many receivers of one signal, also in runs of other threads: each
 * sees it. With the last of the process the action of before comes back, as it
 * was; unless somebody else has set one meanwhile, which is left alone.
 *
 * No signal mask is touched. A signal that is blocked in every thread (daemons
 * that use sigwait do so) reaches nobody: unblock it in one, any. A child made by
 * fork() has the handler until exec(), and a signal sent to it is lost there: give
 * SIG_DFL back to it first where that matters. exec() itself does so, and leaves
 * ignored what was ignored. System calls of other threads are restarted.
 */
#ifndef ROOST_SIGNAL_H
#define ROOST_SIGNAL_H

#include <roost/task.h>
#include <signal.h>

ROOST_BEGIN_DECLS

/* A receiver: private, in the caller's memory. All zero names none. */
typedef struct roost_signals {
    uint64_t id;
    void *reserved[3];
} roost_signals;

/* Opens a receiver of the `signals`, a list that ends with 0; one named twice
 * counts once. The list is read before it returns. 0, or with nothing changed but
 * that *s names none:
 *
 *     -EINVAL  an empty list, or a number that cannot be received: SIGKILL and
 *              SIGSTOP; SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS and
 *              SIGABRT, which the failing code itself meets at once
 *     -EBUSY   a handler that is not ours has it, such as an ev_signal of a
 *              host's loop; roost_error_of names it
 *     -ENOMEM, -EMFILE, -ENFILE
 *
 * Belongs to the run, not to the task. Close it before the run ends: what is left
 * open then is closed, and a sentence says so. */
ROOST_API int roost_signals_open(roost_signals *s,
                                 const int *signals) ROOST_MUST;
ROOST_API int roost_signals_open_at(roost_signals *s, const int *signals,
                                    const char *site) ROOST_MUST;

/* The number of a signal that has arrived, when there is one; among several none
 * is kept waiting for ever. -ECANCELED; -EBADF if it is closed, also meanwhile.
 * Of several tasks that wait, the first gets it. */
ROOST_API int roost_signals_wait(roost_signals *s) ROOST_WAITS;

/* The same without waiting: -EAGAIN if none has arrived. */
ROOST_API int roost_signals_nowait(roost_signals *s) ROOST_MUST;

/* Wakes who waits with -EBADF and gives the actions of before back. What has
 * arrived and was not handed out is dropped. Closed already, or all zero: does
 * nothing. From the thread that opened it, in a task or not. */
ROOST_API void roost_signals_close(roost_signals *s);

#define roost_signals_open(...) roost_signals_open_at(__VA_ARGS__, ROOST_SITE)

ROOST_END_DECLS

#endif
