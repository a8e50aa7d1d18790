/* loop.h - all that roost wants of libev, and the only room that knows it. */
#ifndef ROOST_CORE_LOOP_H
#define ROOST_CORE_LOOP_H

#include <stdatomic.h>

#include <roost/time.h>

struct ev_loop;

struct roost__loop_fd;

/* The descriptors of a loop; all zero is none. */
struct roost__loop_fds {
    struct roost__loop_fd *active; /* watchers in a given loop */
    uint64_t run;  /* a number of its own, once a roost_fd was bound to it */
    size_t open;   /* roost_fds bound and not closed */
    bool no_rwf;   /* the kernel has no RWF_NOSIGNAL */
    void *foreign; /* of io/wait_fd.c, which closes it through: */
    void (*close_foreign)(void *foreign);
};

struct roost__loop {
    struct ev_loop *ev;
    bool own;
    int timer_fd; /* -1: the driver is an ev_timer */
    roost_time armed_at; /* of the driver, in real time; ROOST_NEVER: it is not */
    _Alignas(8) char driver[64];
    _Alignas(8) char timer_io[64];
    struct roost__loop_fds fds;
};

/* A watcher of one descriptor in one direction, as long as the owner likes. It
 * does not count among those that keep libev's loop alive. */
struct roost__loop_fd {
    void (*ready)(struct roost__loop_fd *w, int mask);
    struct roost__loop_fd *next, *prev; /* in a given loop */
    bool started; /* so that it need not be asked for */
    _Alignas(8) char io[64];
};

/* Opens a loop of our own, or takes the one given. -EMFILE, -ENOMEM... */
int roost__loop_open(struct roost__loop *l, struct ev_loop *given,
                     bool precise);
void roost__loop_close(struct roost__loop *l);

/* Runs the callbacks of what is ready, without waiting. */
void roost__loop_poll(struct roost__loop *l);

/* Waits for a callback until the instant `at` of real time at the latest, where it
 * is `now` (ROOST_NEVER: no bound). May come back early. */
void roost__loop_wait(struct roost__loop *l, roost_time now, roost_time at);

/* Waits for a callback of watchers that are not ours. false: there is none. */
bool roost__loop_wait_for_host(struct roost__loop *l);

/* Counts each entry into the kernel's wait and each return from it, so while it
 * waits the count is odd; NULL: no more. One loop of the thread, of our own. */
void roost__loop_count(struct roost__loop *l, atomic_uint *crossings);

/* The driver timer ends a wait at the instant `at` (ROOST_NEVER: it does not);
 * once, and libev's clock may be early by a hair. */
void roost__loop_arm(struct roost__loop *l, roost_time now, roost_time at);
void roost__loop_disarm(struct roost__loop *l);

/* ---- descriptors: loop_fd.c ---- */

/* mask: ROOST_READ, ROOST_WRITE. ready() gets the mask each time the loop is
 * looked at, for as long as it is true; or 0 when the kernel refuses to watch:
 * then the watcher is stopped. */
void roost__loop_fd_init(struct roost__loop_fd *w, int fd, int mask,
                         void (*ready)(struct roost__loop_fd *w, int mask));

/* Starting twice, or stopping twice, does nothing. Stopped and started again
 * before the loop is looked at costs no system call. */
void roost__loop_fd_start(struct roost__loop *l, struct roost__loop_fd *w);
void roost__loop_fd_stop(struct roost__loop *l, struct roost__loop_fd *w);

/* The loop's number among all loops of the process; never 0. */
uint64_t roost__loop_fds_run(struct roost__loop *l);

/* Lets go of all descriptors, for roost__loop_close: in a loop that is not ours
 * no watcher may stay. Says so if some are still open. */
void roost__loop_fds_close(struct roost__loop *l);

/* ---- a host's loop: loop_guest.c ---- */

/* A loop that the host runs. Our part is done in two hooks of each of its
 * iterations, after its callbacks and before it waits. */
struct roost__loop_guest {
    struct roost__loop *loop;
    void (*after)(struct roost__loop_guest *g);  /* the callbacks */
    void (*before)(struct roost__loop_guest *g); /* the wait */
    void (*gone)(struct roost__loop_guest *g);   /* the loop is being destroyed */
    bool *stopped;                               /* of a hook under way */
    bool idling;
    _Alignas(8) char check[48], prepare[48], idle[48], cleanup[48];
};

void roost__loop_guest_start(struct roost__loop_guest *g);
void roost__loop_guest_stop(struct roost__loop_guest *g);

/* The host's next wait: none at all, or until the instant `at` at most. */
void roost__loop_guest_no_wait(struct roost__loop_guest *g);
void roost__loop_guest_wait_until(struct roost__loop_guest *g, roost_time now,
                                  roost_time at);

/* A root keeps the host's ev_run from returning, and does so no more. */
void roost__loop_keep(struct roost__loop *l);
void roost__loop_let_go(struct roost__loop *l);

#endif
