/* ends.h - two ends of a descriptor, and what was written to one and read from the
 *          other.
 *
 * The bytes of a flow are numbered, so that one that is lost, twice or out of order
 * is seen at once. What the writer was told that he wrote is held against what
 * came and what is still on its way (C5).
 *
 * Who ends his work shuts his direction down, so that nobody waits in vain for one
 * who was cut alone.
 */
#ifndef ROOST_TESTS_ENDS_H
#define ROOST_TESTS_ENDS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "torture/ledger.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CLOSED_AFTER ROOST_CLEANUP(roost_fd_close) roost_fd

/* What a call on a descriptor may say. -EAGAIN and -EINTR are never the caller's;
 * the rest is what the kernel may say, or was made to. */
static inline int io_sane(int r)
{
    roost_check(r >= 0 || r == -ECANCELED || r == -ETIMEDOUT || r == -EIO ||
                r == -ECONNRESET || r == -EPIPE || r == -ENOBUFS ||
                r == -ENOMEM || r == -ENOSPC, "it gave %d", r);
    return sane(r);
}

/* C1: what a call gave whose caller was cut, or not, when he entered it. */
static inline int entered(int cut, int r)
{
    roost_check(cut == 0 || r == -ECANCELED, "cancelled, it gave %d", r);
    return r;
}

/* The errors above that a body takes in its stride: the other side hears of it. */
static inline int taken_in_stride(int r)
{
    return r == -ECANCELED ? r : 0;
}

/* ---- opening ---- */

/* The number is ours, or closed. */
static inline int take_over(roost_fd *f, int fd)
{
    int before = fcntl(fd, F_GETFL) & O_NONBLOCK, r;

    r = roost_fd_open(f, fd);
    roost_check(r == 0 || r == -EPERM || r == -EIO, "it gave %d", r);
    if (r == 0) {
        roost_check(fcntl(fd, F_GETFL) & O_NONBLOCK);
        roost_check(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        return 0;
    }
    roost_check((fcntl(fd, F_GETFL) & O_NONBLOCK) == before);
    close(fd);
    return r;
}

static inline int take_both(const int fd[2], roost_fd *a, roost_fd *b)
{
    int r = take_over(a, fd[0]);

    if (r < 0) {
        close(fd[1]);
        return r;
    }
    return take_over(b, fd[1]);
}

static inline int open_sockets(int type, roost_fd *a, roost_fd *b)
{
    int fd[2];

    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fd) < 0)
        return -errno;
    return take_both(fd, a, b);
}

/* a is read, b written. */
static inline int open_pipe(roost_fd *a, roost_fd *b)
{
    int fd[2];

    if (pipe2(fd, O_CLOEXEC) < 0)
        return -errno;
    return take_both(fd, a, b);
}

/* The smallest that there is: a writer has to wait after a few writes, however
 * small they are. */
static inline void make_narrow(const roost_fd *f)
{
    int bytes = 1;

    roost_check(setsockopt(roost_fd_number(f), SOL_SOCKET, SO_SNDBUF, &bytes,
                           sizeof bytes) == 0);
}

/* ---- a listening socket that has no name in the file system ---- */

struct place {
    struct sockaddr_un addr;
    unsigned len;
};

/* The kernel chooses the name. */
static inline int listen_somewhere(roost_fd *f, int backlog, struct place *ret)
{
    struct sockaddr_un any = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    ret->len = sizeof ret->addr;
    roost_check(bind(fd, (struct sockaddr *)&any, sizeof any.sun_family) == 0);
    roost_check(listen(fd, backlog) == 0);
    roost_check(getsockname(fd, (struct sockaddr *)&ret->addr, &ret->len) == 0);
    return take_over(f, fd);
}

static inline int open_socket(roost_fd *f)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd < 0 ? -errno : take_over(f, fd);
}

/* ---- a flow ---- */

struct flow {
    size_t put, got;
};

static inline char byte_at(size_t number)
{
    return (char)(number * 7 % 251);
}

static inline void check_bytes(struct flow *w, const char *buf, int count)
{
    int i;

    for (i = 0; i < count; i++)
        roost_check(buf[i] == byte_at(w->got + (size_t)i), "byte %zu is another",
                    w->got + (size_t)i);
    w->got += count > 0 ? (size_t)count : 0;
}

enum { CHUNK = 1000 };

/* One write of at most so much. */
static inline int put_some(roost_fd *f, struct flow *w, size_t bytes)
{
    char buf[CHUNK];
    int cut = roost_cancelled(), r;
    size_t i;

    bytes = bytes < CHUNK ? bytes : CHUNK;
    for (i = 0; i < bytes; i++)
        buf[i] = byte_at(w->put + i);
    r = entered(cut, io_sane(roost_fd_write(f, buf, bytes)));
    roost_check(r != 0 && (r < 0 || (size_t)r <= bytes), "it wrote %d", r);
    w->put += r > 0 ? (size_t)r : 0;
    return r;
}

/* One read; 0 at the end. */
static inline int get_some(roost_fd *f, struct flow *w, size_t bytes)
{
    char buf[CHUNK];
    int cut = roost_cancelled();
    int r = io_sane(roost_fd_read(f, buf, bytes < CHUNK ? bytes : CHUNK));

    entered(cut, r);
    check_bytes(w, buf, r);
    return r;
}

/* Until `end` bytes were written in all, or an error. */
static inline int put_until(roost_fd *f, struct flow *w, size_t end)
{
    int r = 0;

    while (w->put < end && r >= 0)
        r = put_some(f, w, end - w->put);
    return r < 0 ? r : 0;
}

static inline int get_until(roost_fd *f, struct flow *w, size_t end)
{
    int r = 1;

    while (w->got < end && r > 0)
        r = get_some(f, w, end - w->got);
    return r;
}

/* Nobody reads or writes any more: what is still on its way completes it. */
static inline void end_flow(const roost_fd *reader, struct flow *w)
{
    char buf[CHUNK];
    ssize_t r;

    while ((r = recv(roost_fd_number(reader), buf, sizeof buf,
                     MSG_DONTWAIT)) > 0)
        check_bytes(w, buf, (int)r);
    roost_check(w->put == w->got, "%zu written, %zu came", w->put, w->got);
}

#endif
