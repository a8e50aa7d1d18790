/* faults.c - a table of system calls that counts, and fails one when told.
 *
 * Owns:     the counts of the thread that is armed, and close(2).
 * Promises: a call is failed only in ways in which the kernel may fail it there,
 *           and then has not been made, but for close, which Linux makes in any
 *           case; what is not failed goes through as it is.
 * Never:    counts anything of other threads, or while disarmed.
 *
 * Not counted are calls that do not fail when asked for what roost asks: free,
 * the clock, munmap of a whole mapping, and those about actions and masks of
 * signals. Nor are there faults for timerfd_settime, and not for epoll_ctl that
 * removes, a write to an eventfd, or what puts back a signal stack.
 */
#define _GNU_SOURCE
#include "test/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/fiber.h"
#include "test/heap.h"
#include "test/maps.h"

#define FROM __builtin_return_address(0)
#define NONE (-1)
#define GUARD_ADVICE 102      /* MADV_GUARD_INSTALL: our headers are older */
#define NO_SIGNAL 0x00000100  /* RWF_NOSIGNAL: the same */

static const struct roost_sys *const sys = &roost__sys_default;

/* ---- what can go wrong ---- */

enum call {
    CALL_mmap, CALL_mprotect, CALL_madvise, CALL_mincore, CALL_open, CALL_read,
    CALL_write, CALL_close, CALL_fstat, CALL_getrandom, CALL_eventfd,
    CALL_pwritev2, CALL_send, CALL_sendmsg, CALL_recvmsg, CALL_accept4,
    CALL_connect, CALL_getsockopt, CALL_fcntl, CALL_epoll_create1,
    CALL_epoll_ctl, CALL_epoll_wait, CALL_nanosleep, CALL_timerfd_create,
    CALL_timerfd_settime, CALL_sigaltstack, CALL_sigtimedwait, CALLS
};

#define CALL(name, shortens, ...) \
    [CALL_##name] = { #name, (shortens), { __VA_ARGS__ } }

static const struct {
    const char *name;
    bool shortens;
    int errnos[6];
} calls[CALLS] = {
    CALL(mmap, false, ENOMEM, 0),
    CALL(mprotect, false, ENOMEM, 0),
    CALL(madvise, false, EINVAL, ENOMEM, 0),
    CALL(mincore, false, EAGAIN, 0),
    CALL(open, false, EMFILE, ENOENT, 0),
    CALL(read, true, EINTR, EAGAIN, EIO, ECONNRESET, 0),
    CALL(write, true, EINTR, EAGAIN, EIO, EPIPE, 0),
    CALL(close, false, EIO, EINTR, 0),
    CALL(fstat, false, EIO, 0),
    CALL(getrandom, false, ENOSYS, EINTR, 0),
    CALL(eventfd, false, EMFILE, ENOMEM, 0),
    CALL(pwritev2, true, EOPNOTSUPP, EAGAIN, EPIPE, EINTR, 0),
    CALL(send, true, EINTR, EAGAIN, EPIPE, ECONNRESET, ENOBUFS, 0),
    CALL(sendmsg, true, EINTR, EAGAIN, EPIPE, ECONNRESET, ENOBUFS, 0),
    CALL(recvmsg, true, EINTR, EAGAIN, ECONNRESET, ENOMEM, 0),
    CALL(accept4, false, EINTR, EAGAIN, ECONNABORTED, EMFILE, 0),
    CALL(connect, false, EINTR, EAGAIN, ECONNREFUSED, ENETUNREACH, 0),
    CALL(getsockopt, false, ENOBUFS, 0),
    CALL(fcntl, false, EPERM, 0), /* F_SETFL */
    CALL(epoll_create1, false, EMFILE, ENOMEM, 0),
    CALL(epoll_ctl, false, ENOMEM, ENOSPC, 0),
    CALL(epoll_wait, false, EINTR, 0),
    CALL(nanosleep, false, EINTR, 0),
    CALL(timerfd_create, false, EMFILE, ENOMEM, 0),
    CALL(timerfd_settime, false, 0),
    CALL(sigaltstack, false, ENOMEM, 0),
    CALL(sigtimedwait, false, EINTR, 0),
};

const char *roost__fault_name(int call)
{
    return call < 0 || call >= CALLS ? "alloc" : calls[call].name;
}

const int *roost__fault_errnos(int call)
{
    static const int alloc[] = { ENOMEM, 0 };

    return call < 0 || call >= CALLS ? alloc : calls[call].errnos;
}

bool roost__fault_shortens(int call)
{
    return call >= 0 && call < CALLS && calls[call].shortens;
}

/* ---- counting and striking ---- */

static _Thread_local struct {
    const struct roost__plan *plan; /* NULL: disarmed */
    roost__fault_seen_fn *seen;
    struct roost__fault_counts counts;
    const void *own_stack; /* for signals: of our run */
} t __attribute__((tls_model("initial-exec")));

void roost__faults_arm(const struct roost__plan *plan, roost__fault_seen_fn *seen)
{
    static const struct roost__plan none;

    roost__heap_keeps(NULL); /* it learns of the libraries now, not in a malloc */
    t.counts = (struct roost__fault_counts){ 0 };
    t.own_stack = NULL;
    t.seen = seen;
    t.plan = plan ? plan : &none;
}

void roost__faults_disarm(void)
{
    t.plan = NULL;
}

struct roost__fault_counts roost__faults_counts(void)
{
    return t.counts;
}

static const struct roost__injection *due(int what, uint32_t number)
{
    size_t i;

    for (i = 0; i < t.plan->count; i++)
        if (t.plan->in[i].what == what && t.plan->in[i].at == number)
            return &t.plan->in[i];
    return NULL;
}

/* What the one who is told does is not counted. */
static void tell(uint32_t number, int call, const void *from)
{
    const struct roost__plan *plan = t.plan;

    if (!t.seen)
        return;
    t.plan = NULL;
    t.seen(number, call, from);
    t.plan = plan;
}

bool roost__faults_allocation(const void *from)
{
    if (!t.plan)
        return false;
    tell(++t.counts.allocations, NONE, from);
    if (!due(STRIKE_ALLOC, t.counts.allocations))
        return false;
    t.counts.struck++;
    return true;
}

static bool never_waits(int fd, int flags)
{
    int now = sys->fcntl(fd, F_GETFL, 0);

    return (flags & MSG_DONTWAIT) || (now >= 0 && now & O_NONBLOCK);
}

/* An eventfd or timerfd has no type. It may be found empty, never full. */
static bool moves_bytes(int call, int fd, int code)
{
    struct stat st;

    if (sys->fstat(fd, &st) != 0 || !(st.st_mode & S_IFMT))
        return call == CALL_read && code == EAGAIN;
    return code != ECONNRESET || S_ISSOCK(st.st_mode);
}

static bool can_be(int call, int fd, int flags, int code)
{
    if (fd < 0)
        return true;
    if (code == EAGAIN && call != CALL_connect && !never_waits(fd, flags))
        return false;
    return (call != CALL_read && call != CALL_write) ||
           moves_bytes(call, fd, code);
}

/* Counts a call. true: it has failed, and errno says how. */
static bool struck(int call, int fd, int flags, const void *from)
{
    const struct roost__injection *in;

    if (!t.plan)
        return false;
    tell(++t.counts.calls, call, from);
    in = due(STRIKE_CALL, t.counts.calls);
    if (!in || !can_be(call, fd, flags, in->code))
        return false;
    t.counts.struck++;
    errno = in->code;
    return true;
}

/* ---- memory ---- */

static void *faulty_alloc(size_t bytes)
{
    if (!roost__heap_can_fail() && roost__faults_allocation(FROM)) {
        errno = ENOMEM;
        return NULL;
    }
    return roost__heap_alloc(bytes, FROM);
}

static void *faulty_mmap(void *at, size_t bytes, int prot, int flags, int fd,
                         off_t offset)
{
    bool ours = t.plan && !at && fd < 0;
    void *got = NULL;

    if (struck(CALL_mmap, NONE, 0, FROM))
        return MAP_FAILED;
    if (ours)
        got = roost__maps_take(bytes, prot, flags);
    if (got)
        return got;
    got = sys->mmap(at, bytes, prot, flags, fd, offset);
    if (ours && got != MAP_FAILED)
        roost__maps_made(got, bytes, prot, flags);
    return got;
}

static int faulty_munmap(void *at, size_t bytes)
{
    return roost__maps_keep(at, bytes) ? 0 : sys->munmap(at, bytes);
}

/* Asked first, also if it then fails: see maps.c. */
static int faulty_mprotect(void *at, size_t bytes, int prot)
{
    bool guard = prot == PROT_NONE, has = guard && roost__maps_has_guard(at, bytes);
    int r;

    if (struck(CALL_mprotect, NONE, 0, FROM))
        return -1;
    if (has)
        return 0;
    r = sys->mprotect(at, bytes, prot);
    if (r == 0 && guard)
        roost__maps_guarded(at, bytes);
    return r;
}

static int faulty_madvise(void *at, size_t bytes, int advice)
{
    bool guard = advice == GUARD_ADVICE, whole = advice == MADV_NOHUGEPAGE;
    bool has = (guard && roost__maps_has_guard(at, bytes)) ||
               (whole && roost__maps_has_advice(at, bytes, advice));
    int r;

    if (struck(CALL_madvise, NONE, 0, FROM))
        return -1;
    if (has)
        return 0;
    r = sys->madvise(at, bytes, advice);
    if (r == 0 && guard)
        roost__maps_guarded(at, bytes);
    if (r == 0 && whole)
        roost__maps_advised(at, bytes, advice);
    return r;
}

/* ---- bytes ---- */

/* Bytes that may be had one by one; a file of /proc may not. */
static bool is_stream(int fd, bool reads)
{
    int type = 0;
    unsigned len = sizeof type;
    struct stat st;

    if (sys->fstat(fd, &st) != 0)
        return false;
    if (S_ISSOCK(st.st_mode))
        return sys->getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
               type == SOCK_STREAM;
    return S_ISFIFO(st.st_mode) ||
           (S_ISREG(st.st_mode) && (!reads || st.st_size > 0));
}

/* How many bytes the call that was counted last may move. */
static size_t cut(int call, int fd, size_t len)
{
    bool reads = call == CALL_read || call == CALL_recvmsg;

    if (!t.plan || len <= 1 ||
        (!due(STRIKE_SHORT, t.counts.calls) && !due(STRIKE_ALL_SHORT, 0)) ||
        !is_stream(fd, reads))
        return len;
    t.counts.struck++;
    return 1;
}

/* The kernel sends the signal with the error. */
static ssize_t failed_write(bool quiet)
{
    if (errno == EPIPE && !quiet) {
        raise(SIGPIPE);
        errno = EPIPE;
    }
    return -1;
}

static ssize_t faulty_read(int fd, void *buf, size_t len)
{
    if (struck(CALL_read, fd, 0, FROM))
        return -1;
    return sys->read(fd, buf, cut(CALL_read, fd, len));
}

static ssize_t faulty_write(int fd, const void *buf, size_t len)
{
    if (struck(CALL_write, fd, 0, FROM))
        return failed_write(false);
    return sys->write(fd, buf, cut(CALL_write, fd, len));
}

static ssize_t faulty_send(int fd, const void *buf, size_t len, int flags)
{
    if (struck(CALL_send, fd, flags, FROM))
        return failed_write(flags & MSG_NOSIGNAL);
    return sys->send(fd, buf, cut(CALL_send, fd, len), flags);
}

/* Of several parts, the first that is not empty and how much of it; all of them
 * as they are if nothing is to be cut. */
static const struct iovec *cut_parts(int call, int fd, const struct iovec *parts,
                                     size_t *count, struct iovec *room)
{
    size_t all = 0, i;

    for (i = 0; i < *count; i++)
        all += parts[i].iov_len;
    if (cut(call, fd, all) == all)
        return parts;
    for (i = 0; !parts[i].iov_len; i++)
        ;
    *room = (struct iovec){ parts[i].iov_base, 1 };
    *count = 1;
    return room;
}

static ssize_t faulty_pwritev2(int fd, const struct iovec *parts, int count,
                               off_t at, int flags)
{
    size_t n = count > 0 ? (size_t)count : 0;
    struct iovec room;

    if (struck(CALL_pwritev2, fd, 0, FROM))
        return failed_write(flags & NO_SIGNAL);
    parts = cut_parts(CALL_pwritev2, fd, parts, &n, &room);
    return sys->pwritev2(fd, parts, n == 1 ? 1 : count, at, flags);
}

static ssize_t faulty_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    struct msghdr copy = *msg;
    struct iovec room;

    if (struck(CALL_sendmsg, fd, flags, FROM))
        return failed_write(flags & MSG_NOSIGNAL);
    if (flags & MSG_OOB)
        return sys->sendmsg(fd, msg, flags);
    copy.msg_iov = (struct iovec *)(uintptr_t)cut_parts(
        CALL_sendmsg, fd, msg->msg_iov, &copy.msg_iovlen, &room);
    return sys->sendmsg(fd, &copy, flags);
}

/* All but the parts is the caller's: lengths and flags are told in it. */
static ssize_t faulty_recvmsg(int fd, struct msghdr *msg, int flags)
{
    struct iovec room, *parts = msg->msg_iov;
    size_t count = msg->msg_iovlen;
    ssize_t got;

    if (struck(CALL_recvmsg, fd, flags, FROM))
        return -1;
    if (flags & (MSG_OOB | MSG_ERRQUEUE))
        return sys->recvmsg(fd, msg, flags);
    msg->msg_iov = (struct iovec *)(uintptr_t)cut_parts(
        CALL_recvmsg, fd, parts, &msg->msg_iovlen, &room);
    got = sys->recvmsg(fd, msg, flags);
    msg->msg_iov = parts;
    msg->msg_iovlen = count;
    return got;
}

/* ---- closing ---- */

/* A number below 0 is no descriptor that was closed before. */
static int close_for(int fd, const void *from)
{
    int r = (int)syscall(SYS_close, fd);

    if (r == 0 || errno != EBADF || fd < 0 || !t.plan)
        return r;
    if (t.counts.closed_twice++ == 0)
        t.counts.closed_from = from;
    return r;
}

#ifndef ROOST__TSAN /* which has one of its own */
__attribute__((visibility("default"))) int close(int fd)
{
    return close_for(fd, FROM);
}
#endif

static int faulty_close(int fd)
{
    bool fails = struck(CALL_close, NONE, 0, FROM);
    int error = errno, r = close_for(fd, FROM);

    if (!fails || r < 0)
        return r;
    errno = error;
    return -1;
}

/* ---- the rest ---- */

#define PLAIN(name, fd, parameters, arguments) \
    static int faulty_##name parameters \
    { \
        return struck(CALL_##name, fd, 0, FROM) ? -1 : sys->name arguments; \
    }

PLAIN(mincore, NONE, (void *at, size_t bytes, unsigned char *ret),
      (at, bytes, ret))
PLAIN(open, NONE, (const char *path, int flags), (path, flags))
PLAIN(fstat, fd, (int fd, struct stat *ret), (fd, ret))
PLAIN(eventfd, NONE, (unsigned count, int flags), (count, flags))
PLAIN(accept4, fd, (int fd, struct sockaddr *ret, unsigned *len, int flags),
      (fd, ret, len, flags))
PLAIN(connect, fd, (int fd, const struct sockaddr *addr, unsigned len),
      (fd, addr, len))
PLAIN(getsockopt, fd, (int fd, int level, int name, void *ret, unsigned *len),
      (fd, level, name, ret, len))
PLAIN(epoll_create1, NONE, (int flags), (flags))
PLAIN(epoll_wait, epoll,
      (int epoll, struct epoll_event *ret, int count, int ms),
      (epoll, ret, count, ms))
PLAIN(nanosleep, NONE, (const struct timespec *time, struct timespec *ret_left),
      (time, ret_left))
PLAIN(timerfd_create, NONE, (int clock, int flags), (clock, flags))
PLAIN(timerfd_settime, fd,
      (int fd, int flags, const struct itimerspec *at, struct itimerspec *ret),
      (fd, flags, at, ret))
PLAIN(sigtimedwait, NONE,
      (const sigset_t *set, siginfo_t *ret, const struct timespec *longest),
      (set, ret, longest))

static ssize_t faulty_getrandom(void *buf, size_t len, unsigned flags)
{
    return struck(CALL_getrandom, NONE, 0, FROM) ? -1
                                                 : sys->getrandom(buf, len, flags);
}

/* Counts a call that cannot fail if `sure`. */
static bool struck_unless(bool sure, int call, const void *from)
{
    static const struct roost__plan none;
    const struct roost__plan *plan = t.plan;
    bool fails;

    if (plan && sure)
        t.plan = &none;
    fails = struck(call, NONE, 0, from);
    t.plan = plan;
    return fails;
}

static int faulty_fcntl(int fd, int command, int arg)
{
    if (struck_unless(command != F_SETFL, CALL_fcntl, FROM))
        return -1;
    return sys->fcntl(fd, command, arg);
}

static int faulty_epoll_ctl(int epoll, int op, int fd, struct epoll_event *e)
{
    if (struck_unless(op == EPOLL_CTL_DEL, CALL_epoll_ctl, FROM))
        return -1;
    return sys->epoll_ctl(epoll, op, fd, e);
}

/* After the first one of a run, which may be refused, all put back. */
static int faulty_sigaltstack(const stack_t *now, stack_t *ret_before)
{
    int r;

    if (struck_unless(!now || t.own_stack, CALL_sigaltstack, FROM))
        return -1;
    r = sys->sigaltstack(now, ret_before);
    if (r == 0 && now)
        t.own_stack = t.own_stack ? NULL : now->ss_sp;
    return r;
}

static roost_time plain_clock(void)
{
    return sys->clock();
}

const struct roost_sys roost__faulty_sys = {
    .alloc = faulty_alloc,
    .free = free,
    .clock = plain_clock,
    .mmap = faulty_mmap,
    .munmap = faulty_munmap,
    .mprotect = faulty_mprotect,
    .madvise = faulty_madvise,
    .mincore = faulty_mincore,
    .open = faulty_open,
    .read = faulty_read,
    .write = faulty_write,
    .close = faulty_close,
    .fstat = faulty_fstat,
    .getrandom = faulty_getrandom,
    .eventfd = faulty_eventfd,
    .pwritev2 = faulty_pwritev2,
    .send = faulty_send,
    .sendmsg = faulty_sendmsg,
    .recvmsg = faulty_recvmsg,
    .accept4 = faulty_accept4,
    .connect = faulty_connect,
    .getsockopt = faulty_getsockopt,
    .fcntl = faulty_fcntl,
    .epoll_create1 = faulty_epoll_create1,
    .epoll_ctl = faulty_epoll_ctl,
    .epoll_wait = faulty_epoll_wait,
    .nanosleep = faulty_nanosleep,
    .timerfd_create = faulty_timerfd_create,
    .timerfd_settime = faulty_timerfd_settime,
    .sigaltstack = faulty_sigaltstack,
    .sigtimedwait = faulty_sigtimedwait,
    .sigaction = sigaction,
    .pthread_sigmask = pthread_sigmask,
    .sigpending = sigpending,
};

void roost__faults_release(void)
{
    roost__maps_release();
}
