/* loop.h - all that roost wants of libev, and the only room that knows it. */
#ifndef ROOST_CORE_LOOP_H
#define ROOST_CORE_LOOP_H

#include <roost/time.h>

struct ev_loop;

struct roost__loop {
    struct ev_loop *ev;
    bool own;
    int timer_fd; /* -1: the driver is an ev_timer */
    _Alignas(8) char driver[64];
    _Alignas(8) char timer_io[64];
};

/* One wait for a descriptor. The watcher lives as long as the wait, so it stays
 * right when a library closes and reopens the number between two waits. */
struct roost__loop_fd {
    void (*ready)(struct roost__loop_fd *w, int mask);
    _Alignas(8) char io[64];
};

/* Opens a loop of our own, or takes the one given. -EMFILE, -ENOMEM... */
int roost__loop_open(struct roost__loop *l, struct ev_loop *given,
                     bool precise);
void roost__loop_close(struct roost__loop *l);

/* Runs the callbacks of what is ready, without waiting. */
void roost__loop_poll(struct roost__loop *l);

/* Waits for a callback, `delay` nanoseconds at most (ROOST_NEVER: no bound). */
void roost__loop_wait(struct roost__loop *l, roost_time delay);

/* Waits for a callback of watchers that are not ours. false: there is none. */
bool roost__loop_wait_for_host(struct roost__loop *l);

/* The driver timer ends a wait after `delay`; once. */
void roost__loop_arm(struct roost__loop *l, roost_time delay);
bool roost__loop_armed(const struct roost__loop *l);
void roost__loop_disarm(struct roost__loop *l);

/* mask: ROOST_READ, ROOST_WRITE. ready() gets the mask, or 0 when the number
 * is no descriptor. */
void roost__loop_fd_start(struct roost__loop *l, struct roost__loop_fd *w,
                          int fd, int mask);
void roost__loop_fd_stop(struct roost__loop *l, struct roost__loop_fd *w);

/* A loop that the host runs. Our part is done in two hooks of each of its
 * iterations, after its callbacks and before it waits. */
struct roost__loop_guest {
    struct roost__loop *loop;
    void (*after)(struct roost__loop_guest *g);  /* the callbacks */
    void (*before)(struct roost__loop_guest *g); /* the wait */
    void (*gone)(struct roost__loop_guest *g);   /* the loop is being destroyed */
    roost_time driver_at;                        /* ROOST_NEVER: not armed */
    bool idling;
    _Alignas(8) char check[48], prepare[48], idle[48], cleanup[48];
};

void roost__loop_guest_start(struct roost__loop_guest *g);
void roost__loop_guest_stop(struct roost__loop_guest *g);

/* The host's next wait: none at all, or until the instant `at` at most, which is
 * `delay` from now. */
void roost__loop_guest_no_wait(struct roost__loop_guest *g);
void roost__loop_guest_wait_until(struct roost__loop_guest *g, roost_time at,
                                  roost_time delay);

/* A root keeps the host's ev_run from returning, and does so no more. */
void roost__loop_keep(struct roost__loop *l);
void roost__loop_let_go(struct roost__loop *l);

#endif
