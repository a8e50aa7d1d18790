/* daemon.h - a program that runs until it is told to stop.
 *
 *     static int server(void *arg) { ... }   the main task
 *
 *     int main(void)
 *     {
 *         return roost_daemon_run(server, NULL, NULL);
 *     }
 *
 *     SIGTERM, SIGINT  the first stops softly, the second cancels, the third takes
 *                      shields away, the fourth ends the process, also when the
 *                      loop does not turn
 *     SIGHUP           to roost_reload_wait
 *     SIGUSR1          the task tree to stderr
 *
 * With systemd (Type=notify): READY=1 before fn begins (a server that is not
 * listening by then sets .ready_by_hand and says so itself), RELOADING=1,
 * STOPPING=1, STATUS=, EXTEND_TIMEOUT_USEC= while it stops, WATCHDOG=1 as long as
 * the loop turns. Without NOTIFY_SOCKET nothing of this does anything.
 */
#ifndef ROOST_DAEMON_H
#define ROOST_DAEMON_H

#include <roost/stop.h>
#include <roost/task.h>

ROOST_BEGIN_DECLS

typedef struct roost_daemon_options {
    roost_options run;         /* loop, clock, seed... */
    roost_stop_budget stop;    /* all zero: 20 s, 5 s, 2 s, ROOST_LAST_EXIT */
    roost_time blocked;        /* how long a task may keep the loop before that is
                                  said; 0: 1 s, ROOST_NEVER: no watch, and a loop
                                  that stands still is ended by nobody but the
                                  fourth signal */
    bool ready_by_hand;        /* READY=1 is sent by the program with roost_notify
                                  ("READY=1"), not before fn begins */
} roost_daemon_options;

/* Runs fn(arg) as roost_run does, until it ends, or a signal has stopped it. What
 * main() should return: 0, also when the program stopped itself; 128 + n if it was
 * cut by signal n, or the process had to be ended; the number of <sysexits.h> that
 * is nearest to an error (its record is printed): EX_OSERR, EX_NOINPUT, EX_NOPERM,
 * EX_TEMPFAIL, EX_UNAVAILABLE, EX_SOFTWARE. Once in a process at a time; signal
 * handlers are as before when it returns.
 *
 * A thread watches the loop, if it is our own and the clock real. Once a turn has
 * taken .blocked, it says which task is at it and where in its code, and once more
 * when the loop turns again. For this it sends the loop's thread a SIGURG, which
 * interrupts a system call there as any signal does. If the loop does not turn
 * when the time to stop is over, that thread does the last act. */
ROOST_API int roost_daemon_run(roost_task_fn *fn, void *arg,
                               const roost_daemon_options *o) ROOST_MUST;
ROOST_API int roost_daemon_run_at(roost_task_fn *fn, void *arg,
                                  const roost_daemon_options *o,
                                  const char *site) ROOST_MUST;

/* Waits for the next SIGHUP of a roost_daemon_run; several that came meanwhile are
 * one, and all who wait are told; it is kept for who is busy with the last one only
 * if nobody else waits, so let one task reload for all. Mark it ROOST_IDLE. 1;
 * -ECANCELED; -ESHUTDOWN. To systemd, the reload is over when it is called again.
 * In a run that is no daemon's nothing comes. */
ROOST_API int roost_reload_wait(void) ROOST_WAITS;

/* Lines for systemd's notify socket, as sd_notify(3) has them: "READY=1",
 * "STATUS=serving 3 clients". Does not wait. 1 sent; 0 there is no NOTIFY_SOCKET; a
 * negative errno. Any thread. */
ROOST_API int roost_notify(const char *lines);
ROOST_API int roost_notifyf(const char *format, ...) ROOST_PRINTF(1, 2);

/* Sockets handed over by a service manager (LISTEN_FDS, LISTEN_PID,
 * LISTEN_FDNAMES): the number of the one called `name` (NULL: any), the `nth` of
 * these from 0 on. It is close-on-exec and the caller's from then on; each is given
 * once. -ENOENT if there is none; -EINVAL if the environment says what cannot be. */
ROOST_API int roost_listen_fd(const char *name, unsigned nth) ROOST_MUST;

#define roost_daemon_run(...) roost_daemon_run_at(__VA_ARGS__, ROOST_SITE)

ROOST_END_DECLS

#endif
