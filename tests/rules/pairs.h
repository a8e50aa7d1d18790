/* pairs.h - roost_fds over pipes and socket pairs, and tasks that use them.
 *
 * Whoever includes it defines _GNU_SOURCE first.
 */
#ifndef ROOST_TESTS_RULES_PAIRS_H
#define ROOST_TESTS_RULES_PAIRS_H

#include "rules/fds.h"

#include <string.h>
#include <sys/uio.h>

/* A pipe or socket pair of which one end is ours, the other a plain number. */
struct end {
    roost_fd f;
    int other;
};

static inline void open_end(struct end *e, int ours, int other)
{
    e->other = other;
    EXPECT_INT(roost_fd_open(&e->f, ours), 0);
}

static inline void open_socket_end(struct end *e)
{
    struct fds p = open_pair();

    open_end(e, p.r, p.w);
}

static inline void open_read_end(struct end *e)
{
    struct fds p = open_pipe();

    open_end(e, p.r, p.w);
}

static inline void open_write_end(struct end *e)
{
    struct fds p = open_pipe();

    open_end(e, p.w, p.r);
}

static inline void close_end(struct end *e)
{
    roost_fd_close(&e->f);
    close(e->other);
}

/* Clocks that no descriptor holds: time limits pass. */
static inline void with_moving_clocks(roost_task_fn *fn)
{
    roost_options o = { .clock = ROOST_CLOCK_REAL };

    assert_int_equal(kit_run_with(&o, fn, NULL), 0);
    o.precise_timers = true;
    assert_int_equal(kit_run_with(&o, fn, NULL), 0);
    assert_int_equal(kit_run(fn, NULL), 0);
}

/* Until no more goes in. */
static inline void fill(int fd)
{
    static char bytes[65536];

    while (write(fd, bytes, sizeof bytes) > 0)
        ;
    while (write(fd, bytes, 1) > 0)
        ;
}

static inline void empty(int fd)
{
    static char bytes[65536];

    while (read(fd, bytes, sizeof bytes) > 0)
        ;
}

/* The calls that can be made to wait: read, write, accept, ... */
enum { DO_READ, DO_WRITE, DO_RECVMSG, DO_SENDMSG, DO_WAIT_R, DO_WAIT_W,
       DO_ACCEPT, DO_KINDS };

/* A task that makes one call, in a scope of its own. */
struct caller {
    roost_fd *f;
    int kind;
    roost_scope *scope;
    bool over;
    int r, after;
    long long at;
    char name[2]; /* logged when it is over, if not empty */
};

static inline int make_call(roost_fd *f, int kind)
{
    char byte = 'x';
    struct iovec part = { &byte, 1 };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };

    switch (kind) {
    case DO_READ:
        return roost_fd_read(f, &byte, 1);
    case DO_WRITE:
        return roost_fd_write(f, &byte, 1);
    case DO_RECVMSG:
        return roost_fd_recvmsg(f, &msg, 0);
    case DO_SENDMSG:
        return roost_fd_sendmsg(f, &msg, 0);
    case DO_WAIT_R:
        return roost_fd_wait(f, ROOST_READ);
    case DO_WAIT_W:
        return roost_fd_wait(f, ROOST_WRITE);
    default:
        return roost_fd_accept(f, NULL, NULL);
    }
}

static inline int calls_once(void *arg)
{
    struct caller *c = arg;
    roost_scope s;

    roost_scope_enter(&s, ROOST_NEVER);
    c->scope = &s;
    c->r = make_call(c->f, c->kind);
    c->at = kit_ms();
    c->over = true;
    if (c->name[0])
        kit_log(c->name);
    c->after = roost_checkpoint();
    return roost_scope_leave(&s, c->after);
}

#endif
