/* loop.c - the loop underneath: libev, driven one step at a time.
 *
 * Owns:     the ev_loop (unless it was given), the one driver timer.
 * Promises: libev's cached clock is never used to compute an instant; a wait
 *           may end early, never late by our doing.
 * Never:    touches ev_set_userdata or the invoke-pending hook; uses the
 *           default loop, which would reap every child process.
 */
#include "core/loop.h"

#include <errno.h>
#include <ev.h>
#include <sys/timerfd.h>
#include <roost/io.h>

#include "base/misuse.h"
#include "core/sys.h"

/* A day: far deadlines are looked at again, so that a double keeps its digits. */
#define LONGEST_WAIT ROOST_SEC(86400)

_Static_assert(sizeof(ev_timer) <= sizeof((struct roost__loop *)0)->driver,
               "room for the driver");

static ev_timer *driver_of(struct roost__loop *l)
{
    return (ev_timer *)(void *)l->driver;
}

static ev_io *timer_io_of(struct roost__loop *l)
{
    return (ev_io *)(void *)l->timer_io;
}

/* The driver only ends the wait; what is due is looked up by our own clock, and
 * should that be earlier than libev's, it is armed again. */
static void driver_due(struct ev_loop *ev, ev_timer *w, int events)
{
    struct roost__loop *l = w->data;

    (void)events;
    l->armed_at = ROOST_NEVER;
    ev_ref(ev);
    ev_timer_stop(ev, w);
}

static void timer_fd_due(struct ev_loop *ev, ev_io *w, int events)
{
    struct roost__loop *l = w->data;
    uint64_t expirations;

    (void)ev, (void)events;
    l->armed_at = ROOST_NEVER;
    roost_ignore((int)roost__sys->read(w->fd, &expirations,
                                       sizeof expirations));
}

static int open_timer_fd(struct roost__loop *l)
{
    ev_io *io = timer_io_of(l);
    int fd = roost__sys->timerfd_create(CLOCK_MONOTONIC,
                                        TFD_NONBLOCK | TFD_CLOEXEC);

    if (fd < 0)
        return -errno;
    l->timer_fd = fd;
    ev_io_init(io, timer_fd_due, fd, EV_READ);
    io->data = l;
    ev_io_start(l->ev, io);
    ev_unref(l->ev);
    return 0;
}

int roost__loop_open(struct roost__loop *l, struct ev_loop *given, bool precise)
{
    int r = 0;

    *l = (struct roost__loop){ .ev = given, .own = !given,
                                .timer_fd = -1, .armed_at = ROOST_NEVER };
    errno = 0;
    if (!given)
        l->ev = ev_loop_new(EVFLAG_NOENV | EVFLAG_NOSIGMASK | EVBACKEND_EPOLL);
    if (!l->ev)
        return errno ? -errno : -EMFILE;
    ev_init(driver_of(l), driver_due);
    driver_of(l)->data = l;
    if (precise)
        r = open_timer_fd(l);
    if (r < 0)
        roost__loop_close(l);
    return r;
}

void roost__loop_close(struct roost__loop *l)
{
    roost__loop_fds_close(l);
    roost__loop_disarm(l);
    if (l->timer_fd >= 0) {
        ev_ref(l->ev);
        ev_io_stop(l->ev, timer_io_of(l));
        roost__sys->close(l->timer_fd);
    }
    if (l->own)
        ev_loop_destroy(l->ev);
    l->ev = NULL;
}

void roost__loop_poll(struct roost__loop *l)
{
    ev_run(l->ev, EVRUN_NOWAIT);
}

static void arm_timer_fd(struct roost__loop *l, roost_time delay)
{
    struct itimerspec spec = { .it_value = {
        .tv_sec = (time_t)(delay / ROOST_SEC(1)),
        .tv_nsec = (long)(delay % ROOST_SEC(1)),
    } };

    roost__sys->timerfd_settime(l->timer_fd, 0, &spec, NULL);
}

/* ev_timer counts from libev's idea of now, which is as old as the last poll:
 * it is brought up to date first. */
static void arm_driver(struct roost__loop *l, roost_time delay)
{
    ev_timer *driver = driver_of(l);

    ev_now_update(l->ev);
    ev_timer_set(driver, (double)delay * 1e-9, 0.);
    ev_timer_start(l->ev, driver);
    ev_unref(l->ev);
}

void roost__loop_arm(struct roost__loop *l, roost_time now, roost_time at)
{
    roost_time delay = at > now ? at - now : 0;

    roost__loop_disarm(l);
    if (at == ROOST_NEVER)
        return;
    delay = delay > LONGEST_WAIT ? LONGEST_WAIT : delay;
    if (l->timer_fd >= 0)
        arm_timer_fd(l, delay);
    else
        arm_driver(l, delay);
    l->armed_at = at;
}

void roost__loop_disarm(struct roost__loop *l)
{
    ev_timer *driver = driver_of(l);

    l->armed_at = ROOST_NEVER;
    if (!ev_is_active(driver))
        return;
    ev_ref(l->ev);
    ev_timer_stop(l->ev, driver);
}

/* A driver that is armed for something earlier stays so: to wake once for nothing
 * is cheaper than to move it at each wait. None of our watchers counts for libev
 * (a guest must not keep its host's loop alive), so while we wait we do. */
void roost__loop_wait(struct roost__loop *l, roost_time now, roost_time at)
{
    if (at <= now) {
        roost__loop_poll(l);
        return;
    }
    if (at < l->armed_at)
        roost__loop_arm(l, now, at);
    ev_ref(l->ev);
    ev_run(l->ev, EVRUN_ONCE);
    ev_unref(l->ev);
}

static _Thread_local atomic_uint *counted;

static void cross(struct ev_loop *ev)
{
    (void)ev;
    atomic_store_explicit(counted, atomic_load_explicit(
        counted, memory_order_relaxed) + 1, memory_order_release);
}

void roost__loop_count(struct roost__loop *l, atomic_uint *crossings)
{
    counted = crossings;
    ev_set_loop_release_cb(l->ev, crossings ? cross : NULL,
                           crossings ? cross : NULL);
}

bool roost__loop_wait_for_host(struct roost__loop *l)
{
    return ev_run(l->ev, EVRUN_ONCE) != 0;
}
