/* fd_calls.c - the calls on a descriptor of ours: try, wait, try again.
 *
 * Promises: done beats cancelled (C4): once the loop said ready, the call is
 *           made before the cancellation is looked at; a cancelled call has
 *           moved nothing (C5); SIGPIPE is neither raised nor seen, and the
 *           process's handling of it is not touched.
 * Never:    allocates.
 *
 * Short means over: a read that was not full has emptied the descriptor, a
 * write that was not whole has filled it, and a listener has rarely two
 * connections at once. So the next call waits for the loop instead of finding
 * EAGAIN, which would cost more than half of a call that finds something.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "io/fd.h"

#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100 /* Linux 6.18 */
#endif

/* One call, taken apart by the compiler: all that has it in hand is inlined. */
struct op {
    /* What the system call returns, or a negative errno. */
    ssize_t (*call)(roost_fd *f, struct op *o);
    const char *what; /* for reports: what it waits for */
    void *place;
    int side, flags;
    int misses;       /* sendmsg: woken in vain so often */
    bool idle;        /* ROOST_IDLE: each of its waits is */
    roost_time delay; /* of its next pause */
    bool more; /* out: the next call may find something too */
    void *buf;
    size_t bytes;
    struct sockaddr *addr;
    unsigned *len;
};

#define INLINE static inline __attribute__((always_inline))

_Static_assert(_Generic((socklen_t)0, unsigned: 1, default: 0),
               "what roost/io.h says of socklen_t");

/* ---- one try ---- */

INLINE ssize_t try_read(roost_fd *f, struct op *o)
{
    ssize_t got = roost__sys->read(f->fd, o->buf, o->bytes);

    if (got < 0)
        return -errno;
    o->more = got == 0 || (size_t)got == o->bytes;
    return got;
}

static void pipe_signal(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGPIPE);
}

/* The signal goes to this thread; blocked, it waits there until it is taken.
 * One that waited before us stays. */
static ssize_t write_masked(int fd, const void *buf, size_t bytes)
{
    const struct roost_sys *sys = roost__sys;
    sigset_t pipe_set, before, pending;
    bool ours = true;
    ssize_t put;

    pipe_signal(&pipe_set);
    sys->pthread_sigmask(SIG_BLOCK, &pipe_set, &before);
    if (sigismember(&before, SIGPIPE) && sys->sigpending(&pending) == 0)
        ours = !sigismember(&pending, SIGPIPE);
    put = sys->write(fd, buf, bytes);
    if (put < 0) {
        int error = errno;

        if (error == EPIPE && ours)
            while (sys->sigtimedwait(&pipe_set, NULL,
                                     &(struct timespec){ 0, 0 }) < 0 &&
                   errno == EINTR)
                ;
        put = -error;
    }
    sys->pthread_sigmask(SIG_SETMASK, &before, NULL);
    return put;
}

static ssize_t write_pipe(roost_fd *f, void *buf, size_t bytes)
{
    struct roost__loop_fds *fds = &roost__rt->loop.fds;
    struct iovec part = { buf, bytes };
    ssize_t put;

    if (!fds->no_rwf) {
        put = roost__sys->pwritev2(f->fd, &part, 1, -1, RWF_NOSIGNAL);
        if (put >= 0)
            return put;
        if (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS)
            return -errno;
        fds->no_rwf = true;
    }
    return write_masked(f->fd, buf, bytes);
}

/* Of all kinds only pipes and sockets raise SIGPIPE. */
INLINE ssize_t try_write(roost_fd *f, struct op *o)
{
    ssize_t put;

    if (f->kind == FD_PIPE) {
        put = write_pipe(f, o->buf, o->bytes);
    } else {
        put = f->kind == FD_SOCKET
                  ? roost__sys->send(f->fd, o->buf, o->bytes, MSG_NOSIGNAL)
                  : roost__sys->write(f->fd, o->buf, o->bytes);
        if (put < 0)
            put = -errno;
    }
    o->more = put >= 0 && (size_t)put == o->bytes;
    return put;
}

INLINE ssize_t try_recvmsg(roost_fd *f, struct op *o)
{
    ssize_t got = roost__sys->recvmsg(f->fd, o->buf,
                                      o->flags | MSG_CMSG_CLOEXEC);

    if (got < 0)
        return -errno;
    o->more = (size_t)got >= o->bytes;
    return got;
}

INLINE ssize_t try_sendmsg(roost_fd *f, struct op *o)
{
    ssize_t put = roost__sys->sendmsg(f->fd, o->buf, o->flags | MSG_NOSIGNAL);

    if (put < 0)
        return -errno;
    o->more = (size_t)put >= o->bytes;
    return put;
}

static int socket_option(int fd, int name)
{
    int value = 0;
    socklen_t len = sizeof value;

    if (roost__sys->getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0)
        return -errno;
    return value;
}

/* Linux hands errors of the new connection to accept: they end that one, not
 * the listener. EOPNOTSUPP means it of TCP alone: else no such call. */
static bool concerns_one_connection(int fd, int error)
{
    switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
        return true;
    case EOPNOTSUPP:
        return socket_option(fd, SO_PROTOCOL) == IPPROTO_TCP &&
               socket_option(fd, SO_ACCEPTCONN) == 1;
    default:
        return false;
    }
}

static ssize_t try_accept(roost_fd *f, struct op *o)
{
    socklen_t room = o->len ? *o->len : 0;
    int fd, error;

    for (;;) {
        fd = roost__sys->accept4(f->fd, o->addr, o->len,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            return fd;
        error = errno;
        if (o->len)
            *o->len = room;
        if (!concerns_one_connection(f->fd, error))
            return -error;
    }
}

/* ---- trying and waiting ---- */

INLINE int make_call(roost_fd *f, struct op *o)
{
    ssize_t r;

    do
        r = o->call(f, o);
    while (r == -EINTR);
    if (r == -EAGAIN || (r >= 0 && !o->more))
        f->maybe &= (uint8_t)~SIDE_BIT(o->side);
    return (int)r;
}

/* One call of the user's is one wait to him, however often we park. */
INLINE void keep_idle(roost_task *t, struct op *o)
{
    o->idle |= t->s.idle;
    t->s.idle = o->idle;
}

INLINE int wait_turn(roost_fd *f, roost_task *t, struct op *o, bool again)
{
    keep_idle(t, o);
    return roost__fd_park(f, t, &(struct roost__fd_park){
        .mask = SIDE_BIT(o->side), .turn = true, .again = again,
        .what = o->what, .place = o->place });
}

/* Where there is no event: 1, 2, 4... 64 ms. f may be gone after the sleep,
 * whatever the sleep says. */
static int pause_for(roost_fd *f, roost_time *delay)
{
    struct roost__fd_pause pause = { .tries = true };
    int r;

    roost__fd_pause_begin(f, &pause);
    r = roost_sleep(*delay);
    if (!roost__fd_pause_end(f, &pause))
        return -EBADF;
    *delay = *delay < ROOST_MS(64) ? *delay * 2 : *delay;
    return r;
}

/* A Unix socket is writable as such; that a datagram's receiver is full is said
 * in sendmsg alone. So who was woken in vain more than twice sleeps a little,
 * or it would spin. */
INLINE int wait_again(roost_fd *f, roost_task *t, struct op *o)
{
    if (t->scope->effective)
        return -ECANCELED;
    if (o->call == try_sendmsg && ++o->misses > 2) {
        keep_idle(t, o);
        return pause_for(f, &o->delay);
    }
    return wait_turn(f, t, o, true);
}

/* Who has to wait in turn does so also if f may be ready: others came first. */
INLINE int run_op(roost_fd *f, roost_task *t, struct op *o)
{
    int r = 0;

    if ((!(f->maybe & SIDE_BIT(o->side)) && !(t->s.idle && t->scope->stop)) ||
        roost__fd_waited_for(f, o->side))
        r = wait_turn(f, t, o, false);
    while (r >= 0 && (r = make_call(f, o)) == -EAGAIN)
        r = wait_again(f, t, o);
    if (r >= 0 && f->sides[o->side].first)
        roost__fd_pass_on(f, o->side);
    return r;
}

INLINE int move_bytes(roost_fd *f, struct op *o, const char *call)
{
    roost_task *t;
    int r = roost__fd_enter(f, call, o->place, &t);

    if (r < 0)
        return r;
    if (roost__fd_waited_for(f, o->side))
        return -EBUSY;
    if (!o->bytes && o->side == SIDE_READ)
        return 0;
    if (o->bytes > INT_MAX)
        o->bytes = INT_MAX;
    return run_op(f, t, o);
}

int roost_fd_read(roost_fd *f, void *buf, size_t bytes)
{
    struct op o = { .call = try_read, .side = SIDE_READ, .buf = buf,
                    .bytes = bytes, .what = "bytes to read",
                    .place = ROOST__PLACE };

    return move_bytes(f, &o, "roost_fd_read");
}

int roost_fd_write(roost_fd *f, const void *buf, size_t bytes)
{
    struct op o = { .call = try_write, .side = SIDE_WRITE,
                    .buf = (void *)(uintptr_t)buf, .bytes = bytes,
                    .what = "room to write", .place = ROOST__PLACE };

    return move_bytes(f, &o, "roost_fd_write");
}

int roost_fd_accept(roost_fd *f, struct sockaddr *ret_addr, unsigned *len)
{
    struct op o = { .call = try_accept, .side = SIDE_READ, .addr = ret_addr,
                    .len = len, .what = "a connection",
                    .place = ROOST__PLACE };
    roost_task *t;
    int r = roost__fd_enter(f, "roost_fd_accept", o.place, &t);

    return r < 0 ? r : run_op(f, t, &o);
}

static size_t bytes_of(const struct msghdr *msg)
{
    size_t i, bytes = 0;

    for (i = 0; i < msg->msg_iovlen; i++)
        bytes += msg->msg_iov[i].iov_len;
    return bytes;
}

INLINE int move_message(roost_fd *f, struct op *o, const char *call)
{
    roost_task *t;
    int r = roost__fd_enter(f, call, o->place, &t);

    if (r < 0)
        return r;
    if (o->flags & (MSG_DONTWAIT | MSG_ERRQUEUE))
        return make_call(f, o);
    return run_op(f, t, o);
}

int roost_fd_recvmsg(roost_fd *f, struct msghdr *msg, int flags)
{
    struct op o = { .call = try_recvmsg, .side = SIDE_READ, .buf = msg,
                    .bytes = bytes_of(msg), .flags = flags,
                    .what = "a message", .place = ROOST__PLACE };

    return move_message(f, &o, "roost_fd_recvmsg");
}

int roost_fd_sendmsg(roost_fd *f, const struct msghdr *msg, int flags)
{
    struct op o = { .call = try_sendmsg, .side = SIDE_WRITE,
                    .delay = ROOST_MS(1),
                    .buf = (void *)(uintptr_t)msg, .bytes = bytes_of(msg),
                    .flags = flags, .what = "room for a message",
                    .place = ROOST__PLACE };

    return move_message(f, &o, "roost_fd_sendmsg");
}

/* ---- readiness alone ---- */

int roost_fd_wait(roost_fd *f, int mask)
{
    roost_task *t;
    int r = roost__fd_enter(f, "roost_fd_wait", ROOST__PLACE, &t);

    if (r < 0)
        return r;
    if (!mask || (mask & ~(ROOST_READ | ROOST_WRITE)))
        return -EINVAL;
    return roost__fd_park(f, t, &(struct roost__fd_park){
        .mask = mask, .what = "a descriptor", .place = ROOST__PLACE });
}

/* ---- connecting ---- */

/* 0, or -EINPROGRESS: then the loop will say. It may have begun also when it was
 * interrupted. */
static int connect_once(roost_fd *f, const struct sockaddr *addr, unsigned len)
{
    bool interrupted = false;

    for (;;) {
        if (roost__sys->connect(f->fd, addr, len) == 0)
            return 0;
        if (errno != EINTR)
            break;
        interrupted = true;
    }
    if (interrupted && errno == EISCONN)
        return 0;
    return errno == EALREADY ? -EINPROGRESS : -errno;
}

static int begin_connect(roost_fd *f, const struct sockaddr *addr,
                         unsigned len)
{
    roost_time delay = ROOST_MS(1);
    int r;

    for (;;) {
        r = connect_once(f, addr, len);
        if (r != -EAGAIN || addr->sa_family != AF_UNIX)
            return r;
        r = pause_for(f, &delay);
        if (r < 0)
            return r;
    }
}

/* Somebody sleeps between two attempts. */
static bool is_tried(const roost_fd *f)
{
    const struct roost__fd_pause *p = f->pauses;

    while (p && !p->tries)
        p = p->next;
    return p;
}

int roost_fd_connect(roost_fd *f, const struct sockaddr *addr, unsigned len)
{
    roost_task *t;
    int r = roost__fd_enter(f, "roost_fd_connect", ROOST__PLACE, &t);

    if (r < 0)
        return r;
    if (roost__fd_waited_for(f, SIDE_WRITE) || is_tried(f))
        return -EBUSY;
    r = begin_connect(f, addr, len);
    if (r != -EINPROGRESS)
        return r;
    r = roost__fd_park(f, t, &(struct roost__fd_park){
        .mask = ROOST_WRITE, .what = "to be connected",
        .place = ROOST__PLACE });
    if (r < 0)
        return r;
    roost__fd_quiet(f, SIDE_WRITE); /* a socket is nearly always writable */
    r = socket_option(f->fd, SO_ERROR);
    return r > 0 ? -r : r;
}
