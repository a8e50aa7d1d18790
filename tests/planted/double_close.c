/* double_close.c - who passes a descriptor on closes it too when that fails.
 *
 * session() owns it once it is open, and closes it; before, it is the caller's.
 * The caller sees only a failure. In a busy program the second close hits whoever
 * was given the number meanwhile.
 *
 * Plain:  well
 * Found:  cancel@*
 * Words:  closed already
 * Unseen: tsan
 * Line:   while ((r = roost_fd_read(f, buf, sizeof buf)) > 0)
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "planted.h"

static int read_all(roost_fd *f, size_t *ret_bytes)
{
    char buf[64];
    int r;

    while ((r = roost_fd_read(f, buf, sizeof buf)) > 0)
        *ret_bytes += (size_t)r;
    return r;
}

/* Owns fd whatever it returns (FIXED); only when it could be opened. */
static int session(int fd, size_t *ret_bytes)
{
    roost_fd f;
    int r = roost_fd_open(&f, fd);

    if (r < 0) {
#ifdef FIXED
        close(fd);
#endif
        return r;
    }
    r = read_all(&f, ret_bytes);
    roost_fd_close(&f);
    return r;
}

static int handle(int fd, size_t *ret_bytes)
{
    int r = ROOST_WITHIN(ROOST_SEC(10), session(fd, ret_bytes));

#ifndef FIXED
    if (r < 0)
        close(fd);
#endif
    return r;
}

struct talk { int fd; };

/* The peer: says something, and hangs up. */
ROOST_TASK(talk)(struct talk *t)
{
    roost_fd f;
    int i, r = roost_fd_open(&f, t->fd);

    if (r < 0) {
        close(t->fd);
        return r;
    }
    for (i = 0; r >= 0 && i < 3; i++) {
        r = roost_fd_write(&f, "hello", 5);
        if (r >= 0)
            r = roost_sleep(ROOST_MS(10));
    }
    roost_fd_close(&f);
    return r;
}

static int body(void *arg)
{
    size_t bytes = 0;
    int ends[2], r;

    (void)arg;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    ROOST_NURSERY(n);
    if (roost_go(n, talk, .fd = ends[1]) < 0)
        close(ends[1]);
    r = handle(ends[0], &bytes);
    return roost_nursery_close(n, r);
}

int main(int argc, char **argv)
{
    return planted(argc, argv, "double_close", body);
}
