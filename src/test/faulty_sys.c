/* faulty_sys.c - the table of system calls that counts, and fails one when told.
 *
 * Owns:     nothing; faults.c counts and decides, maps.c keeps mappings.
 * Promises: what fails has not been made, but for close, which Linux makes in any
 *           case; what does not goes through as it is, or moves one byte.
 *
 * Not counted are calls that do not fail when asked for what roost asks: free,
 * the clock, munmap of a whole mapping, and those about actions and masks of
 * signals.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "test/faulty.h"
#include "test/heap.h"
#include "test/maps.h"

#define FROM __builtin_return_address(0)
#define GUARD_ADVICE 102      /* MADV_GUARD_INSTALL: our headers are older */
#define NO_SIGNAL 0x00000100  /* RWF_NOSIGNAL: the same */

static const struct roost_sys *const sys = &roost__sys_default;

/* ---- memory ---- */

static void *faulty_alloc(size_t bytes)
{
    if (roost__heap_can_fail())
        return roost__heap_alloc(bytes, FROM); /* which asks */
    if (!roost__faults_allocation(FROM))
        return sys->alloc(bytes);
    errno = ENOMEM;
    return NULL;
}

static void *faulty_mmap(void *at, size_t bytes, int prot, int flags, int fd,
                         off_t offset)
{
    bool ours = roost__faults_armed() && !at && fd < 0;
    void *got = NULL;

    if (roost__fault_struck(CALL_mmap, ROOST__NO_FD, 0, FROM))
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

    if (roost__fault_struck(CALL_mprotect, ROOST__NO_FD, 0, FROM))
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

    if (roost__fault_struck(CALL_madvise, ROOST__NO_FD, 0, FROM))
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
    if (roost__fault_struck(CALL_read, fd, 0, FROM))
        return -1;
    return sys->read(fd, buf, roost__fault_cut(CALL_read, fd, len));
}

static ssize_t faulty_write(int fd, const void *buf, size_t len)
{
    if (roost__fault_struck(CALL_write, fd, 0, FROM))
        return failed_write(false);
    return sys->write(fd, buf, roost__fault_cut(CALL_write, fd, len));
}

static ssize_t faulty_send(int fd, const void *buf, size_t len, int flags)
{
    if (roost__fault_struck(CALL_send, fd, flags, FROM))
        return failed_write(flags & MSG_NOSIGNAL);
    return sys->send(fd, buf, roost__fault_cut(CALL_send, fd, len), flags);
}

/* Of several parts, the first that is not empty and how much of it; all of them
 * as they are if nothing is to be cut. */
static const struct iovec *cut_parts(int call, int fd, const struct iovec *parts,
                                     size_t *count, struct iovec *room)
{
    size_t all = 0, i;

    for (i = 0; i < *count; i++)
        all += parts[i].iov_len;
    if (roost__fault_cut(call, fd, all) == all)
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

    if (roost__fault_struck(CALL_pwritev2, fd, 0, FROM))
        return failed_write(flags & NO_SIGNAL);
    parts = cut_parts(CALL_pwritev2, fd, parts, &n, &room);
    return sys->pwritev2(fd, parts, n == 1 ? 1 : count, at, flags);
}

static ssize_t faulty_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    struct msghdr copy = *msg;
    struct iovec room;

    if (roost__fault_struck(CALL_sendmsg, fd, flags, FROM))
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

    if (roost__fault_struck(CALL_recvmsg, fd, flags, FROM))
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

static int faulty_close(int fd)
{
    bool fails = roost__fault_struck(CALL_close, ROOST__NO_FD, 0, FROM);
    int error = errno, r = roost__fault_close(fd, FROM);

    if (!fails || r < 0)
        return r;
    errno = error;
    return -1;
}

/* ---- the rest ---- */

#define PLAIN(name, fd, parameters, arguments) \
    static int faulty_##name parameters \
    { \
        if (roost__fault_struck(CALL_##name, fd, 0, FROM)) \
            return -1; \
        return sys->name arguments; \
    }

PLAIN(mincore, ROOST__NO_FD, (void *at, size_t bytes, unsigned char *ret),
      (at, bytes, ret))
PLAIN(open, ROOST__NO_FD, (const char *path, int flags), (path, flags))
PLAIN(fstat, fd, (int fd, struct stat *ret), (fd, ret))
PLAIN(eventfd, ROOST__NO_FD, (unsigned count, int flags), (count, flags))
PLAIN(socket, ROOST__NO_FD, (int domain, int type, int protocol),
      (domain, type, protocol))
PLAIN(accept4, fd, (int fd, struct sockaddr *ret, unsigned *len, int flags),
      (fd, ret, len, flags))
PLAIN(connect, fd, (int fd, const struct sockaddr *addr, unsigned len),
      (fd, addr, len))
PLAIN(getsockopt, fd, (int fd, int level, int name, void *ret, unsigned *len),
      (fd, level, name, ret, len))
PLAIN(poll, ROOST__NO_FD, (struct pollfd *fds, unsigned long count, int ms),
      (fds, count, ms))
PLAIN(epoll_create1, ROOST__NO_FD, (int flags), (flags))
PLAIN(epoll_wait, epoll,
      (int epoll, struct epoll_event *ret, int count, int ms),
      (epoll, ret, count, ms))
PLAIN(nanosleep, ROOST__NO_FD,
      (const struct timespec *time, struct timespec *ret_left), (time, ret_left))
PLAIN(timerfd_create, ROOST__NO_FD, (int clock, int flags), (clock, flags))
PLAIN(timerfd_settime, fd,
      (int fd, int flags, const struct itimerspec *at, struct itimerspec *ret),
      (fd, flags, at, ret))
PLAIN(sigtimedwait, ROOST__NO_FD,
      (const sigset_t *set, siginfo_t *ret, const struct timespec *longest),
      (set, ret, longest))

static ssize_t faulty_getrandom(void *buf, size_t len, unsigned flags)
{
    if (roost__fault_struck(CALL_getrandom, ROOST__NO_FD, 0, FROM))
        return -1;
    return sys->getrandom(buf, len, flags);
}

static int faulty_fcntl(int fd, int command, int arg)
{
    if (roost__fault_struck_unless(command != F_SETFL, CALL_fcntl, FROM))
        return -1;
    return sys->fcntl(fd, command, arg);
}

static int faulty_epoll_ctl(int epoll, int op, int fd, struct epoll_event *e)
{
    if (roost__fault_struck_unless(op == EPOLL_CTL_DEL, CALL_epoll_ctl, FROM))
        return -1;
    return sys->epoll_ctl(epoll, op, fd, e);
}

/* The first one of a run may be refused; the next puts back what was. */
static int faulty_sigaltstack(const stack_t *now, stack_t *ret_before)
{
    static _Thread_local const void *own_stack;
    int r;

    if (roost__fault_struck_unless(!now || own_stack, CALL_sigaltstack, FROM))
        return -1;
    r = sys->sigaltstack(now, ret_before);
    if (r == 0 && now)
        own_stack = own_stack ? NULL : now->ss_sp;
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
    .socket = faulty_socket,
    .send = faulty_send,
    .sendmsg = faulty_sendmsg,
    .recvmsg = faulty_recvmsg,
    .accept4 = faulty_accept4,
    .connect = faulty_connect,
    .getsockopt = faulty_getsockopt,
    .fcntl = faulty_fcntl,
    .poll = faulty_poll,
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
