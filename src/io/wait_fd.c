/* wait_fd.c - waiting for a descriptor that is somebody else's.
 *
 * Promises: a watcher lives as long as one wait, so it is right even when a
 *           library closes and reopens the number in between.
 */
#include <roost/io.h>

#include <errno.h>
#include <sys/stat.h>

#include "core/park.h"

struct fd_wait {
    roost_wait w;
    struct roost__loop_fd io;
};

static void stop(struct fd_wait *f)
{
    struct roost_rt *rt = f->w.task->rt;

    roost__loop_fd_stop(&rt->loop, &f->io);
    rt->outside--;
}

static void fd_ready(struct roost__loop_fd *io, int mask)
{
    struct fd_wait *f = ROOST__CONTAINER(io, struct fd_wait, io);

    stop(f);
    roost_wake(&f->w, mask ? mask : -EBADF);
}

static bool fd_abort(roost_wait *w, void *arg)
{
    (void)arg;
    stop(ROOST__CONTAINER(w, struct fd_wait, w));
    return true;
}

/* epoll refuses regular files and directories, and libev would spin on them. */
static int check_fd(int fd, int mask)
{
    struct stat st;

    if (!mask || (mask & ~(ROOST_READ | ROOST_WRITE)))
        return -EINVAL;
    if (roost__sys->fstat(fd, &st) < 0)
        return -errno;
    return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? -EPERM : 0;
}

int roost_wait_fd(int fd, int mask)
{
    roost_task *t = roost__waiter("roost_wait_fd");
    struct fd_wait f;
    int r;

    if (t->scope->effective)
        return -ECANCELED;
    r = check_fd(fd, mask);
    if (r < 0)
        return r;
    roost__wait_init(&f.w, t);
    f.io.ready = fd_ready;
    roost__loop_fd_start(&t->rt->loop, &f.io, fd, mask);
    t->rt->outside++;
    return roost__park(&f.w, "a descriptor", fd_abort, (void *)(intptr_t)fd,
                       ROOST__PLACE);
}
