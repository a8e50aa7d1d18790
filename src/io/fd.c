/* fd.c - a descriptor of ours: taken over, waited for, closed.
 *
 * Owns:     the number, one watcher a direction, the queues of who waits.
 * Promises: in the steady state no epoll_ctl and no call that finds nothing; who
 *           was woken by a close does not look at the roost_fd again.
 * Never:    allocates; makes the calls that move bytes: fd_calls.c does.
 * Wakes:    one waiter a direction, when the loop says ready; all, from close.
 *
 * Readiness. libev is level-triggered: it says "ready" at each look for as long
 * as it is true. So a direction needs one bit, `maybe`: set by the callback,
 * and cleared by whoever finds out or has good reason to think that it is over;
 * a bit cleared too early costs one look at the loop, never a lost event. With
 * the bit a call is tried first, without it the task parks first.
 *
 * The watcher of a direction, from the first park to the close:
 *
 *     ready, somebody waits       wakes the first; stays started
 *     ready, one is awake         nothing: he has not run yet
 *     ready, nobody waits         is stopped, or the loop would spin
 *     somebody parks              is started, if it was stopped
 *
 * so who reads and parks again before the loop is looked at touches no kernel.
 * Parked => started. One waiter at most is awake: this keeps them in order.
 *
 * A fresh descriptor may be written to, which is nearly always so. It may not
 * be read from: what was just accepted or connected has its first bytes half a
 * round trip away; the watcher has to be told to the kernel anyway, and the
 * look at the loop that follows finds bytes that are there already. Only
 * devices, which the kernel often cannot watch, are tried at once.
 */
#include "io/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include <roost/error.h>

struct waiter;

struct link {
    struct link *next, *prev;
    struct waiter *of;
};

/* On the stack of the task that is parked. */
struct waiter {
    roost_wait w;
    roost_fd *f;
    const struct roost__fd_park *p;
    bool awake; /* the loop says "ready" until we have run */
    struct link in[2];
};

_Static_assert(sizeof(struct roost__loop_fd) <=
               sizeof((roost_fd_side *)0)->watcher, "room for a watcher");

static struct roost__loop_fd *watcher(roost_fd_side *s)
{
    return (struct roost__loop_fd *)(void *)s->watcher;
}

/* ---- the queues ---- */

static void queue_add(roost_fd_side *s, struct link *l, bool first)
{
    struct link *head = s->first, *tail = s->last;

    if (!head) { /* nearly always: one reads, one writes */
        l->next = l->prev = NULL;
        s->first = s->last = l;
        return;
    }
    l->next = first ? head : NULL;
    l->prev = first ? NULL : tail;
    if (l->next)
        l->next->prev = l;
    else
        s->last = l;
    if (l->prev)
        l->prev->next = l;
    else
        s->first = l;
}

static void queue_remove(roost_fd_side *s, struct link *l)
{
    if (s->first == s->last) {
        s->first = s->last = NULL;
        return;
    }
    if (l->prev)
        l->prev->next = l->next;
    else
        s->first = l->next;
    if (l->next)
        l->next->prev = l->prev;
    else
        s->last = l->prev;
}

/* Off both queues, and no longer a reason to wait for the loop. */
static void unpark(struct waiter *x)
{
    int side;

    for (side = 0; side < 2; side++)
        if (x->p->mask & SIDE_BIT(side))
            queue_remove(&x->f->sides[side], &x->in[side]);
    x->w.task->rt->outside--;
}

static struct waiter *first_of(const roost_fd_side *s)
{
    struct link *l = s->first;

    return l ? l->of : NULL;
}

/* ---- readiness ---- */

static void wake(struct waiter *x, int mask)
{
    int side;

    unpark(x);
    for (side = 0; side < 2; side++)
        if ((x->p->mask & SIDE_BIT(side)) && !x->f->sides[side].awake)
            x->f->sides[side].awake = x;
    x->awake = true;
    x->w.task->rt->fd_awake++;
    roost_wake(&x->w, mask);
}

/* The kernel has no room for the watcher, or somebody closed the number. */
static void refused(roost_fd_side *s)
{
    int r = roost__sys->fcntl(s->of->fd, F_GETFD, 0) < 0 ? -errno : -ENOSPC;
    struct waiter *x;

    while ((x = first_of(s))) {
        unpark(x);
        roost_wake(&x->w, r);
    }
}

static void side_ready(struct roost__loop_fd *io, int mask)
{
    roost_fd_side *s = ROOST__CONTAINER(io, roost_fd_side, watcher);
    struct waiter *x = s->awake;

    if (!mask) {
        refused(s);
        return;
    }
    s->of->maybe |= (uint8_t)mask;
    if (x)
        x->w.result |= mask;
    else if ((x = first_of(s)))
        wake(x, mask);
    else
        roost__loop_fd_stop(&roost__rt->loop, io);
}

/* It was let wait on in a stop since something had arrived, perhaps for one who
 * came first: it is to look once more. */
static bool is_ending(const roost_task *t)
{
    return t->s.parked_idle && t->scope->stop;
}

void roost__fd_pass_on(roost_fd *f, int side)
{
    roost_fd_side *s = &f->sides[side];
    struct waiter *x = first_of(s);

    if (x && x->p->turn && !s->awake &&
        ((f->maybe & SIDE_BIT(side)) || is_ending(x->w.task)))
        wake(x, SIDE_BIT(side));
}

void roost__fd_quiet(roost_fd *f, int side)
{
    if (!f->sides[side].first)
        roost__loop_fd_stop(&roost__rt->loop, watcher(&f->sides[side]));
}

/* What has arrived is served, though the loop has not said so yet. */
static bool has_arrived(const struct waiter *x)
{
    struct pollfd p = { .fd = x->f->fd,
        .events = (short)((x->p->mask & ROOST_READ ? POLLIN : 0) |
                          (x->p->mask & ROOST_WRITE ? POLLOUT : 0)) };

    return roost__sys->poll(&p, 1, 0) > 0;
}

/* A stop is refused then; a cancellation is not. */
static bool fd_abort(roost_wait *w, void *arg)
{
    struct waiter *x = ROOST__CONTAINER(w, struct waiter, w);
    bool stop = !w->task->scope->effective;

    if (stop && has_arrived(x))
        return false;
    unpark(x);
    if (stop && x->p->turn)
        roost__fd_pass_on(arg, x->p->mask & ROOST_READ ? SIDE_READ : SIDE_WRITE);
    return true;
}

int roost__fd_park(roost_fd *f, roost_task *t, const struct roost__fd_park *p)
{
    struct waiter x; /* links of a side that is not waited for stay unset */
    int side, r;

    x.f = f;
    x.p = p;
    x.awake = false;
    roost__wait_init(&x.w, t);
    for (side = 0; side < 2; side++)
        if (p->mask & SIDE_BIT(side)) {
            x.in[side].of = &x;
            queue_add(&f->sides[side], &x.in[side], p->again);
            if (!watcher(&f->sides[side])->started)
                roost__loop_fd_start(&t->rt->loop, watcher(&f->sides[side]));
        }
    t->rt->outside++;
    r = roost__park(&x.w, p->what, fd_abort, f, p->place);
    t->rt->fd_awake -= x.awake;
    if (r < 0)
        return r;
    for (side = 0; side < 2; side++)
        if (f->sides[side].awake == &x)
            f->sides[side].awake = NULL;
    return r;
}

/* ---- taking over ---- */

int roost__fd_kind(int fd, mode_t *ret_mode)
{
    struct stat st;
    const char *what;

    if (roost__sys->fstat(fd, &st) < 0)
        return -errno;
    *ret_mode = st.st_mode;
    if (S_ISREG(st.st_mode))
        what = "regular file";
    else if (S_ISDIR(st.st_mode))
        what = "directory";
    else if (S_ISBLK(st.st_mode))
        what = "disk";
    else
        return 0;
    return roost_fail(-EPERM, "descriptor %d is a %s, which no loop can wait "
                      "for: read it directly, or in a worker thread", fd, what);
}

static void fd_init(roost_fd *f, int fd, int kind)
{
    memset(f, 0, sizeof *f);
    f->fd = fd;
    f->kind = (uint8_t)kind;
    f->maybe = ROOST_WRITE;
    f->open = 1;
}

static int set_flags(int fd, bool *ret_was_blocking)
{
    const struct roost_sys *sys = roost__sys;
    int flags = sys->fcntl(fd, F_GETFL, 0), cloexec, r;

    if (flags < 0)
        return -errno;
    cloexec = sys->fcntl(fd, F_GETFD, 0);
    if (cloexec < 0)
        return -errno;
    if (!(flags & O_NONBLOCK) &&
        sys->fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    if (!(cloexec & FD_CLOEXEC) &&
        sys->fcntl(fd, F_SETFD, cloexec | FD_CLOEXEC) < 0) {
        r = -errno;
        if (!(flags & O_NONBLOCK))
            sys->fcntl(fd, F_SETFL, flags);
        return r;
    }
    *ret_was_blocking = !(flags & O_NONBLOCK);
    return 0;
}

int roost_fd_open(roost_fd *f, int fd)
{
    bool was_blocking = false;
    mode_t mode;
    int r;

    memset(f, 0, sizeof *f);
    r = roost__fd_kind(fd, &mode);
    if (r >= 0)
        r = set_flags(fd, &was_blocking);
    if (r < 0)
        return r;
    fd_init(f, fd, S_ISSOCK(mode) ? FD_SOCKET
                                  : S_ISFIFO(mode) ? FD_PIPE : FD_OTHER);
    f->was_blocking = was_blocking;
    if (S_ISCHR(mode))
        f->maybe |= ROOST_READ;
    return 0;
}

/* The first wait binds f to the run whose loop will watch it. */
static void bind_to_run(roost_fd *f, struct roost_rt *rt)
{
    int side;

    f->run = roost__loop_fds_run(&rt->loop);
    rt->loop.fds.open++;
    for (side = 0; side < 2; side++) {
        f->sides[side].of = f;
        roost__loop_fd_init(watcher(&f->sides[side]), f->fd, SIDE_BIT(side),
                            side_ready);
    }
}

void roost__fd_pause_begin(roost_fd *f, struct roost__fd_pause *pause)
{
    pause->next = f->pauses;
    pause->gone = false;
    f->pauses = pause;
}

bool roost__fd_pause_end(roost_fd *f, struct roost__fd_pause *pause)
{
    struct roost__fd_pause *p;

    if (pause->gone)
        return false;
    if (f->pauses == pause) {
        f->pauses = pause->next;
        return true;
    }
    for (p = f->pauses; p->next != pause; p = p->next)
        ;
    p->next = pause->next;
    return true;
}

/* roost__waiter, which lets others run when the budget is used up; one of them
 * may close f, and its memory may go with it. false: it did. */
static bool spend_budget(roost_fd *f, roost_task *t, const char *call,
                         void *place)
{
    struct roost__fd_pause pause = { 0 };
    bool open = t && t->s.budget <= 0 && f->open;

    if (t && t->s.budget > 0)
        return true; /* spent by roost__fd_enter */
    if (t)
        t->s.budget++;
    if (open)
        roost__fd_pause_begin(f, &pause);
    roost__waiter_at(call, place);
    return !open || roost__fd_pause_end(f, &pause);
}

int roost__fd_enter_first(roost_fd *f, roost_task *t, const char *call,
                          void *place)
{
    bool here = spend_budget(f, t, call, place);

    if (t->scope->effective)
        return -ECANCELED;
    if (!here || !f->open)
        return -EBADF;
    if (!f->run)
        bind_to_run(f, t->rt);
    ROOST_USAGE(f->run == t->rt->loop.fds.run, "%s was given a roost_fd "
                "(descriptor %d) that another run has used; a roost_fd belongs "
                "to one run: detach it there, and open it here", call, f->fd);
    return 0;
}

/* ---- closing ---- */

static void wake_all(roost_fd_side *s)
{
    struct waiter *x;

    while ((x = first_of(s))) {
        unpark(x);
        roost_wake(&x->w, -EBADF);
    }
    x = s->awake;
    if (x)
        x->w.result = -EBADF; /* he has not read it yet */
    s->awake = NULL;
}

/* After its run f is no more than a number: the loop is gone. */
static void let_go(roost_fd *f, const char *call)
{
    struct roost_rt *rt = roost__rt;
    struct roost__fd_pause *pause;
    int side;

    f->open = 0;
    for (pause = f->pauses; pause; pause = pause->next)
        pause->gone = true;
    f->pauses = NULL;
    if (!f->run || !rt)
        return;
    ROOST_USAGE(f->run == rt->loop.fds.run, "%s was given a roost_fd (descriptor "
                "%d) that another run has used; end it there, or outside of any "
                "run when that one is over", call, f->fd);
    for (side = 0; side < 2; side++)
        wake_all(&f->sides[side]);
    for (side = 0; side < 2; side++)
        roost__loop_fd_stop(&rt->loop, watcher(&f->sides[side]));
    rt->loop.fds.open--;
    f->run = 0;
}

void roost_fd_close(roost_fd *f)
{
    if (!f->open)
        return;
    let_go(f, "roost_fd_close");
    roost__sys->close(f->fd);
}

int roost_fd_detach(roost_fd *f)
{
    int flags;

    if (!f->open)
        return -EBADF;
    let_go(f, "roost_fd_detach");
    if (f->was_blocking) {
        flags = roost__sys->fcntl(f->fd, F_GETFL, 0);
        if (flags >= 0)
            roost__sys->fcntl(f->fd, F_SETFL, flags & ~O_NONBLOCK);
    }
    return f->fd;
}

int roost_fd_number(const roost_fd *f)
{
    return f->open ? f->fd : -EBADF;
}
