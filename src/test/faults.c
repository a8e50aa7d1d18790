/* faults.c - which call or allocation of a run fails, and how.
 *
 * Owns:     the counts of the thread that is armed, and close(2).
 * Promises: a call is failed only in ways in which the kernel may fail it there.
 * Never:    counts anything of other threads, or while disarmed.
 *
 * There are no faults for timerfd_settime, and not for epoll_ctl that removes, a
 * write to an eventfd, or what puts back a signal stack: the kernel has none.
 */
#define _GNU_SOURCE
#include "test/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/fiber.h"
#include "test/faulty.h"
#include "test/heap.h"
#include "test/maps.h"

static const struct roost_sys *const sys = &roost__sys_default;

/* ---- what can go wrong ---- */

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
    CALL(poll, false, 0),
    CALL(epoll_create1, false, EMFILE, ENOMEM, 0),
    CALL(epoll_ctl, false, ENOMEM, ENOSPC, 0),
    CALL(epoll_wait, false, EINTR, 0),
    CALL(nanosleep, false, EINTR, 0),
    CALL(timerfd_create, false, EMFILE, ENOMEM, 0),
    CALL(timerfd_settime, false, 0),
    CALL(sigaltstack, false, ENOMEM, 0),
    CALL(sigtimedwait, false, EINTR, 0),
    CALL(socket, false, EMFILE, ENOMEM, 0),
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
} t __attribute__((tls_model("initial-exec")));

void roost__faults_arm(const struct roost__plan *plan, roost__fault_seen_fn *seen)
{
    static const struct roost__plan none;

    roost__heap_keeps(NULL); /* it learns of the libraries now, not in a malloc */
    t.counts = (struct roost__fault_counts){ 0 };
    t.seen = seen;
    t.plan = plan ? plan : &none;
}

void roost__faults_disarm(void)
{
    t.plan = NULL;
}

bool roost__faults_armed(void)
{
    return t.plan;
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
    tell(++t.counts.allocations, -1, from);
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
    if (code == EPIPE && S_ISFIFO(st.st_mode))
        return true;
    return (code != ECONNRESET && code != EPIPE) || S_ISSOCK(st.st_mode);
}

/* With two injections the first may have changed what the second one meets. */
static bool can_be(int call, int fd, int flags, int code)
{
    const int *listed = calls[call].errnos;

    while (*listed && *listed != code)
        listed++;
    if (!*listed || fd < 0)
        return *listed;
    if (code == EAGAIN && call != CALL_connect && !never_waits(fd, flags))
        return false;
    return (call != CALL_read && call != CALL_write) ||
           moves_bytes(call, fd, code);
}

bool roost__fault_struck(int call, int fd, int flags, const void *from)
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

bool roost__fault_struck_unless(bool sure, int call, const void *from)
{
    static const struct roost__plan none;
    const struct roost__plan *plan = t.plan;
    bool fails;

    if (plan && sure)
        t.plan = &none;
    fails = roost__fault_struck(call, ROOST__NO_FD, 0, from);
    t.plan = plan;
    return fails;
}

/* ---- short ---- */

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

size_t roost__fault_cut(int call, int fd, size_t len)
{
    bool reads = call == CALL_read || call == CALL_recvmsg;

    if (!t.plan || len <= 1 ||
        (!due(STRIKE_SHORT, t.counts.calls) && !due(STRIKE_ALL_SHORT, 0)) ||
        !is_stream(fd, reads))
        return len;
    t.counts.struck++;
    return 1;
}

/* ---- closing ---- */

/* A number below 0 is no descriptor that was closed before. */
int roost__fault_close(int fd, const void *from)
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
    return roost__fault_close(fd, __builtin_return_address(0));
}
#endif

void roost__faults_release(void)
{
    roost__maps_release();
}
