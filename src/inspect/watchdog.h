/* watchdog.h - says which task keeps the loop from turning. */
#ifndef ROOST_INSPECT_WATCHDOG_H
#define ROOST_INSPECT_WATCHDOG_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "core/rt.h"

#define ROOST__WATCHDOG_FRAMES 48

struct roost__watchdog {
    roost_time blocked; /* > 0; how long without a look at the loop is said */
    /* Called by the watchdog's thread when the instant `end_at` is over and the
     * loop does not turn. */
    void (*end)(struct roost__watchdog *w);
    _Atomic roost_time end_at; /* ROOST_NEVER: not at all; any thread sets it */

    struct roost_rt *rt; /* private from here on */
    pthread_t loop_thread, thread;
    pthread_mutex_t lock;
    pthread_cond_t hurry; /* with `over` */
    bool over, runs;
    atomic_uint crossings; /* odd: the loop waits in the kernel */
    struct sigaction before;
    /* What the loop's thread answers when it is asked, in a signal handler. */
    atomic_int answer;
    unsigned asked_in; /* the turn: what is asked may end its wait */
    char path[160];
    const char *site; /* NULL: no task runs */
    int count;
    void *frames[ROOST__WATCHDOG_FRAMES];
};

/* Watches the loop of this thread's run: a real clock and a loop of our own. One
 * in a process. -EAGAIN... and there is no watch. */
int roost__watchdog_start(struct roost__watchdog *w, struct roost_rt *rt);

/* From the same thread. Not started, or stopped already: nothing. */
void roost__watchdog_stop(struct roost__watchdog *w);

#endif
