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

/* Waits for a callback, `delay` nanoseconds at most (ROOST_NEVER: no bound).
 * false: the loop has nothing that could ever call back. */
bool roost__loop_wait(struct roost__loop *l, roost_time delay);

/* mask: ROOST_READ, ROOST_WRITE. ready() gets the mask, or 0 when the number
 * is no descriptor. */
void roost__loop_fd_start(struct roost__loop *l, struct roost__loop_fd *w,
                          int fd, int mask);
void roost__loop_fd_stop(struct roost__loop *l, struct roost__loop_fd *w);

#endif
