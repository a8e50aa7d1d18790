/* sys.h - the one table of system calls, clock and allocator.
 *
 * Owns:     nothing.
 * Promises: no room reaches the kernel or the allocator past this table, so a
 *           test that swaps it can fail, count or fake every such call.
 *
 * Each runtime may have its own table; the running thread's is roost__sys. The
 * calls return what their libc namesakes return: -1 and errno, MAP_FAILED.
 */
#ifndef ROOST_CORE_SYS_H
#define ROOST_CORE_SYS_H

#include <signal.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include <roost/time.h>

/* Instants are CLOCK_MONOTONIC plus this, to tell them from durations. */
#define ROOST__INSTANT_BASE (INT64_C(1) << 61)

/* <sys/socket.h> would take the names bind, send, accept... from every room. */
struct sockaddr;
struct msghdr;
struct iovec;
struct epoll_event;
struct pollfd;

struct roost_sys {
    void *(*alloc)(size_t bytes);               /* as malloc: not zeroed */
    void (*free)(void *block);
    roost_time (*clock)(void);                  /* an instant */

    void *(*mmap)(void *at, size_t bytes, int prot, int flags, int fd,
                  off_t offset);
    int (*munmap)(void *at, size_t bytes);
    int (*mprotect)(void *at, size_t bytes, int prot);
    int (*madvise)(void *at, size_t bytes, int advice);
    int (*mincore)(void *at, size_t bytes, unsigned char *ret_pages);

    int (*open)(const char *path, int flags);
    ssize_t (*read)(int fd, void *buf, size_t len);
    ssize_t (*write)(int fd, const void *buf, size_t len);
    int (*close)(int fd);
    int (*fstat)(int fd, struct stat *ret);
    ssize_t (*getrandom)(void *buf, size_t len, unsigned flags);

    int (*eventfd)(unsigned count, int flags);
    /* Descriptors: of io/. */
    ssize_t (*pwritev2)(int fd, const struct iovec *parts, int count, off_t at,
                        int flags);
    int (*socket)(int domain, int type, int protocol);
    ssize_t (*send)(int fd, const void *buf, size_t len, int flags);
    ssize_t (*sendmsg)(int fd, const struct msghdr *msg, int flags);
    ssize_t (*recvmsg)(int fd, struct msghdr *msg, int flags);
    int (*accept4)(int fd, struct sockaddr *ret_addr, unsigned *len, int flags);
    int (*connect)(int fd, const struct sockaddr *addr, unsigned len);
    int (*getsockopt)(int fd, int level, int name, void *ret, unsigned *len);
    int (*fcntl)(int fd, int command, int arg);
    int (*poll)(struct pollfd *fds, unsigned long count, int ms);
    int (*epoll_create1)(int flags);
    int (*epoll_ctl)(int epoll, int op, int fd, struct epoll_event *e);
    int (*epoll_wait)(int epoll, struct epoll_event *ret, int count, int ms);

    int (*nanosleep)(const struct timespec *t, struct timespec *ret_left);
    int (*timerfd_create)(int clock, int flags);
    int (*timerfd_settime)(int fd, int flags, const struct itimerspec *at,
                           struct itimerspec *ret_before);

    int (*sigaction)(int sig, const struct sigaction *now,
                     struct sigaction *ret_before);
    int (*sigaltstack)(const stack_t *now, stack_t *ret_before);
    int (*pthread_sigmask)(int how, const sigset_t *now, sigset_t *ret_before);
    int (*sigpending)(sigset_t *ret);
    int (*sigtimedwait)(const sigset_t *set, siginfo_t *ret,
                        const struct timespec *longest);
};

extern const struct roost_sys roost__sys_default;

/* Initial-exec: one load, also in a shared library. Never NULL. */
extern _Thread_local const struct roost_sys *roost__sys
    __attribute__((tls_model("initial-exec")));

#endif
