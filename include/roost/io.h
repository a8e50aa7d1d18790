/* io.h - waiting for descriptors.
 *
 * A roost_fd owns one descriptor and makes its calls wait:
 *
 *     static int echo(int number)
 *     {
 *         char buf[4096];
 *         roost_fd f;
 *         int r = roost_fd_open(&f, number);
 *
 *         while (r >= 0 && (r = roost_fd_read(&f, buf, sizeof buf)) > 0)
 *             r = roost_fd_write(&f, buf, (size_t)r);
 *         roost_fd_close(&f);
 *         return r;
 *     }
 *
 * Each call is one system call that succeeded, or an error; streams, which
 * write all and read lines, are built on top. A descriptor that a library owns
 * (libpq, curl, c-ares) is waited for by its number: see roost_wait_fd at the
 * end.
 */
#ifndef ROOST_IO_H
#define ROOST_IO_H

#include <roost/task.h>

ROOST_BEGIN_DECLS

/* Of <sys/socket.h>, which whoever calls accept and the like includes himself;
 * there socklen_t is this unsigned. */
struct sockaddr;
struct msghdr;

enum { ROOST_READ = 1, ROOST_WRITE = 2 };

/* ---- descriptors of ours ---- */

struct roost_fd;

/* One direction of a roost_fd, and who waits there. */
typedef struct roost_fd_side {
    struct roost_fd *of;
    void *first, *last; /* parked, in order */
    void *awake;        /* woken, has not run yet */
    void *watcher[12];  /* of the loop */
} roost_fd_side;

/* In the caller's memory until it is closed; what is inside is private. All
 * zero is a closed one. */
typedef struct roost_fd {
    int fd;
    uint8_t open, kind, was_blocking;
    uint8_t maybe; /* ROOST_READ, ROOST_WRITE: may be ready, try first */
    void *pauses;  /* tasks between two attempts */
    uint64_t run;  /* the loop it is bound to; 0: none yet */
    roost_fd_side sides[2];
    void *reserved[4];
} roost_fd;

/* Takes a descriptor over: it is made non-blocking and close-on-exec, and from
 * now on f's, which closes it. 0; -EBADF; -EPERM for files, directories and
 * disks, which are always "ready" and block all the same: the task's error
 * record says so (roost_error_of). On failure the descriptor stays the
 * caller's, as it was. Does not wait; may be called outside a run: f belongs to
 * the run in which it is first waited for.
 *
 * O_NONBLOCK is a property of what the descriptor refers to: others who share
 * it (a terminal, above all) see it too. roost_fd_detach puts it back. */
ROOST_API int roost_fd_open(roost_fd *f, int fd) ROOST_MUST;

/* Ends f: tasks that wait on it get -EBADF (and do not look at f again, so its
 * memory may go at once), then the descriptor is closed. Closing what is closed
 * does nothing. Never waits. In the run that f was used in, or after it. */
ROOST_API void roost_fd_close(roost_fd *f);

/* Ends f in the same way but gives the descriptor back, blocking again if it
 * was so when taken over. The number, or -EBADF if f is closed. */
ROOST_API int roost_fd_detach(roost_fd *f);

/* The number, for setsockopt and the like; it stays f's. -EBADF if closed. */
ROOST_API int roost_fd_number(const roost_fd *f);

/* Reads what is there, at least a byte, at most `bytes`; waits if there is
 * nothing. The number of bytes, 0 at the end, or a negative errno; -ECANCELED
 * means that nothing was read. -EBUSY if another task waits to read f. More
 * than INT_MAX bytes are asked for as INT_MAX. After a read that was not full
 * the next one waits for the loop first, which spares a call that would find
 * nothing. */
ROOST_API int roost_fd_read(roost_fd *f, void *buf, size_t bytes) ROOST_WAITS;

/* Writes what there is room for, at least a byte; waits if there is none. The
 * number of bytes or a negative errno; -ECANCELED: nothing was written. -EPIPE
 * when nobody will read, never a SIGPIPE. -EBUSY if another task waits to write
 * f. Otherwise as roost_fd_read. */
ROOST_API int roost_fd_write(roost_fd *f, const void *buf, size_t bytes)
    ROOST_WAITS;

/* The next connection of a listening socket: its number, non-blocking and
 * close-on-exec, the caller's; or a negative errno. Who called is written to
 * ret_addr (NULL: not), *len bytes of it, as accept(2) does. Connections that
 * failed before they were taken are passed over; -EMFILE and the like are the
 * caller's to handle (sleep a little: the connection stays in the queue).
 * Several tasks may accept; they are served in order. */
ROOST_API int roost_fd_accept(roost_fd *f, struct sockaddr *ret_addr,
                              unsigned *len) ROOST_WAITS;

/* Connects a socket: 0 or a negative errno (its -ETIMEDOUT is the kernel's: see
 * roost_scope_caught). A Unix socket whose listener's queue is full is tried
 * again after 1, 2, 4... 64 ms, since there is no event for it. Cancelled, the
 * attempt may go on in the kernel: close f, or call it again to go on waiting.
 * -EBUSY if another task connects or waits to write. */
ROOST_API int roost_fd_connect(roost_fd *f, const struct sockaddr *addr,
                               unsigned len) ROOST_WAITS;

/* recvmsg(2) and sendmsg(2) that wait: bytes or a negative errno. Descriptors
 * that come along are close-on-exec; no SIGPIPE. Several tasks may wait; they
 * are served in order, a message each. A Unix datagram to a full receiver, for
 * which there is no event, is tried again after pauses. With MSG_DONTWAIT in
 * flags, and to read the error queue, they try once: -EAGAIN. */
ROOST_API int roost_fd_recvmsg(roost_fd *f, struct msghdr *msg, int flags)
    ROOST_WAITS;
ROOST_API int roost_fd_sendmsg(roost_fd *f, const struct msghdr *msg, int flags)
    ROOST_WAITS;

/* Waits until f can be read and/or written, for who makes the calls himself,
 * such as a TLS library that was told EAGAIN: what it is ready for, or a
 * negative errno. -EINVAL: no such mask. Call it after EAGAIN, not before each
 * call. */
ROOST_API int roost_fd_wait(roost_fd *f, int mask) ROOST_WAITS;

/* ---- descriptors of others ---- */

/* Waits until `fd` can be read and/or written (hang-ups and errors count): the
 * mask of what it is ready for, or -ECANCELED, -EBADF, -EINVAL (no such mask);
 * -ENOMEM, -EMFILE, -ENOSPC when there is no room to watch it.
 * The descriptor stays the caller's; it should be non-blocking. Files,
 * directories and disks give -EPERM; a device that never blocks is ready at
 * once. It is right also when the owner closes the number and opens it anew
 * between two waits. While somebody waits, who closes it says so first: */
ROOST_API int roost_wait_fd(int fd, int mask) ROOST_WAITS;

/* Called before a number is closed: the tasks of this run that wait for it get
 * -EBADF; how many there were. Without it they wait on until they are
 * cancelled, or until somebody waits for the number again and it is ready. (The
 * idea is Trio's notify_closing.) A roost_fd needs it not: roost_fd_close does
 * it. */
ROOST_API size_t roost_fd_closing(int fd);

/* One of several to wait for. Set the first two and zero the rest; the room
 * inside is the library's while a task waits. */
typedef struct roost_fd_ready {
    int fd;       /* negative: passed over */
    int mask;     /* wanted: ROOST_READ, ROOST_WRITE */
    int ret_mask; /* what it is ready for; 0: not ready */
    int reserved;
    void *room[6];
} roost_fd_ready;

/* Waits until at least one of `count` descriptors is ready, as poll(2) does:
 * how many are, with ret_mask set in each item; or a negative errno as
 * roost_wait_fd, and no ret_mask is of use. -EINVAL also when there is nothing
 * to wait for. The items are the caller's and not copied. */
ROOST_API int roost_wait_fds(roost_fd_ready *items, size_t count) ROOST_WAITS;

ROOST_END_DECLS

#endif
