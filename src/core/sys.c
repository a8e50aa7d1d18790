/* sys.c - the table of system calls as the C library has them.
 *
 * Owns:     the default table, and each thread's pointer to the one in use.
 * Promises: nothing is wrapped that can be pointed at.
 */
#define _GNU_SOURCE
#include "core/sys.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

static roost_time sys_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);       /* cannot fail */
    return ROOST__INSTANT_BASE + ROOST_SEC((int64_t)now.tv_sec) + now.tv_nsec;
}

/* Without the ellipsis; roost creates no files here. */
static int sys_open(const char *path, int flags)
{
    return open(path, flags);
}

static int sys_fcntl(int fd, int command, int arg)
{
    return fcntl(fd, command, arg);
}

const struct roost_sys roost__sys_default = {
    .alloc = malloc,
    .free = free,
    .clock = sys_clock,
    .mmap = mmap,
    .munmap = munmap,
    .mprotect = mprotect,
    .madvise = madvise,
    .mincore = mincore,
    .open = sys_open,
    .read = read,
    .write = write,
    .close = close,
    .fstat = fstat,
    .getrandom = getrandom,
    .eventfd = eventfd,
    .pwritev2 = pwritev2,
    .socket = socket,
    .send = send,
    .sendmsg = sendmsg,
    .recvmsg = recvmsg,
    .accept4 = accept4,
    .connect = connect,
    .getsockopt = getsockopt,
    .fcntl = sys_fcntl,
    .poll = poll,
    .epoll_create1 = epoll_create1,
    .epoll_ctl = epoll_ctl,
    .epoll_wait = epoll_wait,
    .nanosleep = nanosleep,
    .timerfd_create = timerfd_create,
    .timerfd_settime = timerfd_settime,
    .sigaction = sigaction,
    .sigaltstack = sigaltstack,
    .pthread_sigmask = pthread_sigmask,
    .sigpending = sigpending,
    .sigtimedwait = sigtimedwait,
};

_Thread_local const struct roost_sys *roost__sys = &roost__sys_default;
