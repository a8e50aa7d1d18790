/* fds.h - pipes, socket pairs and tasks that wait for them.
 *
 * Whoever includes it defines _GNU_SOURCE first.
 */
#ifndef ROOST_TESTS_RULES_FDS_H
#define ROOST_TESTS_RULES_FDS_H

#include "kit/kit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/rt.h"

struct fds {
    int r, w; /* of a pipe, or the two ends of a socket pair */
};

static inline struct fds open_pipe(void)
{
    int fd[2] = { -1, -1 };

    EXPECT_INT(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
    return (struct fds){ fd[0], fd[1] };
}

static inline struct fds open_pair(void)
{
    int fd[2] = { -1, -1 };

    EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                          0, fd), 0);
    return (struct fds){ fd[0], fd[1] };
}

static inline void close_both(struct fds p)
{
    close(p.r);
    close(p.w);
}

static inline void put_byte(int fd)
{
    EXPECT_INT(write(fd, "x", 1), 1);
}

static inline void take_byte(int fd)
{
    char byte;

    EXPECT_INT(read(fd, &byte, 1), 1);
}

/* One who waits, in a scope that others may cancel. */
struct waiter {
    int fd, mask;
    roost_scope *scope;
    int r, after;
    long long at;
};

static inline int waits(void *arg)
{
    struct waiter *w = arg;
    roost_scope s;
    int r;

    roost_scope_enter(&s, ROOST_NEVER);
    w->scope = &s;
    w->r = roost_wait_fd(w->fd, w->mask);
    w->at = kit_ms();
    w->after = roost_checkpoint();
    r = roost_scope_leave(&s, w->after);
    return r;
}

/* Lets the children get to where they wait, and the loop say what is ready: a
 * checkpoint alone need not look at it. */
static inline void settle(void)
{
    int i;

    for (i = 0; i < 5; i++) {
        EXPECT_INT(roost_checkpoint(), 0);
        roost__loop_poll(&roost__rt->loop);
    }
    EXPECT_INT(roost_checkpoint(), 0);
}

/* The same claim under both clocks, the virtual one also held by descriptors. */
static inline void with_clocks(roost_task_fn *fn)
{
    roost_options o = { .clock = ROOST_CLOCK_REAL };

    assert_int_equal(kit_run_with(&o, fn, NULL), 0);
    o.precise_timers = true;
    assert_int_equal(kit_run_with(&o, fn, NULL), 0);
    o = (roost_options){ .clock = ROOST_CLOCK_VIRTUAL };
    assert_int_equal(kit_run_with(&o, fn, NULL), 0);
    o.hold_clock = ROOST_HOLD_IO;
    assert_int_equal(kit_run_with(&o, fn, NULL), 0);
}

#endif
