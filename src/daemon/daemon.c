/* daemon.c - a run that signals stop, reload and look at, and that tells a
 *            service manager how it is.
 *
 * Owns:     a record on the caller's stack, one of the sources of its run's alarm:
 *           so it hears signals in the loop, outside any task, also when no task
 *           can wait any more.
 * Promises: each signal that ends is a step: soft, cancelled, pierced, _exit; the
 *           last also when the loop does not turn, in the handler itself. After
 *           the run all signals are as before.
 * Never:    stops anything itself: stop.c does.
 */
#define _GNU_SOURCE
#include <roost/daemon.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <roost/trace.h>

#include "core/error.h"
#include "core/park.h"
#include "daemon/notify.h"
#include "daemon/reserve.h"
#include "inspect/urgent.h"
#include "inspect/watchdog.h"
#include "os/signal_hub.h"

#define BLOCKED ROOST_SEC(1)
#define FINEST ROOST_MS(1) /* less is below what a scheduler does to a thread */
#define SLACK ROOST_SEC(1) /* for what comes after the last phase */

enum { STEPS = 3 };

struct daemon {
    struct roost__source source;     /* of the run's alarm */
    struct roost__listener listener; /* to signals */
    struct roost__watchdog watchdog;
    const roost_daemon_options *o;
    roost_stop_budget budget;
    roost_task_fn *fn;
    void *arg;
    struct roost_rt *rt;
    roost_time ping_every; /* 0: not wanted */
    atomic_int ends, end_signal;     /* how many; the last one. Of the handler */
    atomic_int last, exit_status;    /* of the stop under way */
    int steps;                       /* of `ends`, made */
    bool stopping, ended;            /* begun, by whomever; fn is over */
    bool reload_due;                 /* a SIGHUP that nobody was there for */
    int reloading;                   /* tasks that were told of one */
    roost_lot reloaders;
};

/* ---- the handler and the watchdog's thread ---- */

static roost_time sum_from(const roost_stop_budget *b, int phase)
{
    const roost_time longest[] = { b->soft, b->hard, b->pierce };
    roost_time sum = 0;

    for (; phase < STEPS; phase++)
        sum = longest[phase] == ROOST_NEVER || sum == ROOST_NEVER
                  ? ROOST_NEVER : sum + longest[phase];
    return sum;
}

/* Should the loop never turn again, it ends so long after the signal. */
static void bound_end(struct daemon *d, int step)
{
    roost_time sum = sum_from(&d->budget, step - 1), at;

    at = sum == ROOST_NEVER ? sum : d->rt->sys->clock() + sum;
    if (at < atomic_load(&d->watchdog.end_at))
        atomic_store(&d->watchdog.end_at, at);
}

static void say_raw(const char *words)
{
    roost__say_now(words, strlen(words));
}

static void seen(struct roost__listener *l, int sig)
{
    struct daemon *d = ROOST__CONTAINER(l, struct daemon, listener);
    int step;

    if (sig != SIGTERM && sig != SIGINT)
        return;
    atomic_store(&d->end_signal, sig);
    step = atomic_fetch_add(&d->ends, 1) + 1;
    if (step > STEPS) {
        say_raw("roost: asked to end for the fourth time: the process ends\n");
        _exit(128 + sig); /* asked for */
    }
    bound_end(d, step);
}

static int ended_status(struct daemon *d, int status)
{
    int sig = atomic_load(&d->end_signal);

    return status ? status : sig ? 128 + sig : EX_SOFTWARE;
}

static void end_blocked(struct roost__watchdog *w)
{
    struct daemon *d = ROOST__CONTAINER(w, struct daemon, watchdog);
    int last = atomic_load(&d->last), status = atomic_load(&d->exit_status);

    /* A signal that the loop has not heard, in a stop of the program's own. */
    if (atomic_load(&d->ends) > 0 && (int)d->budget.last > last) {
        last = (int)d->budget.last;
        status = d->o->stop.exit_status;
    }
    if (last == ROOST_LAST_WAIT)
        return;
    say_raw("roost: the time to stop is over and the loop does not turn: the "
            "process ends\n");
    if (last == ROOST_LAST_ABORT)
        abort();
    _exit(ended_status(d, status));
}

/* ---- the service manager ---- */

/* A manager that reads slowly is given time: without this line it gives up. */
static int say_ready(void)
{
    int r;

    while ((r = roost_notify("READY=1")) == -EAGAIN)
        if (ROOST_IDLE(roost_sleep(ROOST_MS(10))) < 0)
            return -ECANCELED;
    if (r < 0)
        roost__say("the service manager was not told READY=1: %s", strerror(-r));
    return 0;
}

/* A day or more is left to what its configuration says. */
static void say_stopping(roost_time longest)
{
    if (longest >= ROOST_SEC(86400))
        roost_ignore(roost_notify("STOPPING=1"));
    else
        roost_ignore(roost_notifyf(
            "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld",
            (long long)(longest + SLACK) / 1000));
}

static struct daemon *find(const struct roost_rt *rt);

/* The program's own stops come by here, too. */
static void on_stop(struct roost_rt *rt, const roost_stop_budget *b,
                    roost_time last_at)
{
    struct daemon *d = find(rt);

    if (!d)
        return;
    atomic_store(&d->last, (int)b->last);
    atomic_store(&d->exit_status, b->exit_status);
    atomic_store(&d->watchdog.end_at, last_at);
    if (!d->stopping)
        say_stopping(last_at - rt->now);
    d->stopping = true;
}

/* 0: no WATCHDOG_USEC, it is not meant for us, or is no duration. */
static roost_time find_ping(void)
{
    int64_t usec = roost__environment_number("WATCHDOG_USEC", INT64_MAX / 8000);
    int64_t pid = roost__environment_number("WATCHDOG_PID", INT32_MAX);

    if (usec <= 0 || (pid != -1 && pid != getpid()))
        return 0;
    return usec * 1000 / 2;
}

/* That it comes around to this is what is to be proved. */
static int ping(void *arg)
{
    const struct daemon *d = arg;

    do
        roost_ignore(roost_notify("WATCHDOG=1"));
    while (ROOST_IDLE(roost_sleep(d->ping_every)) == 0);
    return 0;
}

/* ---- reloading ---- */

static int begin_reload(struct daemon *d)
{
    if (d->reloading++ == 0)
        roost_ignore(roost_notifyf(
            "RELOADING=1\nMONOTONIC_USEC=%lld",
            (long long)(d->rt->sys->clock() - ROOST__INSTANT_BASE) / 1000));
    return 1;
}

static void reload(struct daemon *d)
{
    roost_wait *w = roost__lot_take(&d->reloaders);

    d->reload_due = !w;
    for (; w; w = roost__lot_take(&d->reloaders))
        roost__wake_parked(w, begin_reload(d));
}

static void end_reload(struct daemon *d)
{
    if (d->reloading > 0 && --d->reloading == 0 && !d->stopping)
        roost_ignore(roost_notify("READY=1"));
}

/* In a run that is no daemon's nobody wakes it. */
int roost_reload_wait(void)
{
    roost_task *t = roost__waiter("roost_reload_wait");
    struct daemon *d = find(t->rt);
    roost_lot none = { 0 }, *lot = d ? &d->reloaders : &none;
    roost_wait w;

    if (d)
        end_reload(d);
    if (t->scope->effective)
        return -ECANCELED;
    if (d && d->reload_due) {
        d->reload_due = false;
        return begin_reload(d);
    }
    roost__wait_init(&w, t);
    roost__lot_append(lot, &w);
    return roost__park(&w, "a reload", roost__lot_abort, lot, ROOST__PLACE);
}

/* ---- signals, in the loop ---- */

/* The nth that ends makes sure of the nth phase; time may have been faster. */
static void make_step(struct daemon *d)
{
    const roost_scope *all = &d->rt->roots->scope;
    int i;

    d->steps++;
    if (d->steps == STOP_SOFT) {
        d->budget.exit_status = d->budget.exit_status
                                    ? d->budget.exit_status
                                    : 128 + atomic_load(&d->end_signal);
        roost_ignore(roost_stop_at(NULL, &d->budget, d->listener.site)); /* reserved */
        return;
    }
    for (i = 0; i < STEPS && all->stop < d->steps; i++)
        if (roost_stop_escalate(NULL) < 0)
            return;
}

static void rung(struct roost__source *s)
{
    struct daemon *d = ROOST__CONTAINER(s, struct daemon, source);
    uint64_t arrived = atomic_exchange(&d->listener.arrived, 0);

    if (arrived & roost__signal_bit(SIGUSR1))
        roost_tree_print(stderr);
    if (arrived & roost__signal_bit(SIGHUP))
        reload(d);
    while (d->steps < STEPS && d->steps < atomic_load(&d->ends))
        make_step(d);
}

/* The run is over. */
static void over(struct roost__source *s)
{
    struct daemon *d = ROOST__CONTAINER(s, struct daemon, source);

    roost__watchdog_stop(&d->watchdog);
    roost__hub_remove(&d->listener);
    roost__alarm_remove(&d->rt->alarm, s);
    roost__stop_let_go(d->rt);
}

static struct daemon *find(const struct roost_rt *rt)
{
    struct roost__source *s = rt->alarm.first;

    while (s && s->drain != rung)
        s = s->next;
    return s ? ROOST__CONTAINER(s, struct daemon, source) : NULL;
}

/* ---- the run ---- */

static int hear(struct daemon *d)
{
    struct roost_rt *rt = d->rt;
    struct roost__stranger who;
    int r = roost__stop_reserve(rt);

    if (r >= 0)
        r = roost__alarm_add(&rt->alarm, &rt->loop, &d->source);
    if (r >= 0) {
        d->listener.alarm = &rt->alarm;
        r = roost__hub_add(&d->listener, &who);
        if (r < 0)
            roost__alarm_remove(&rt->alarm, &d->source);
    }
    if (r < 0)
        roost__stop_let_go(rt);
    if (r == -EBUSY)
        return roost__hub_busy(&who, d->listener.site);
    if (r < 0)
        return roost_fail_at(d->listener.site, r, "to hear signals");
    rt->outside++; /* a signal may always come */
    rt->stopping = on_stop;
    return 0;
}

/* Without it the daemon is as good, only not as quick to tell. */
static void watch(struct daemon *d)
{
    int r;

    d->watchdog.blocked = !d->o->blocked         ? BLOCKED
                          : d->o->blocked < FINEST ? FINEST
                                                   : d->o->blocked;
    d->watchdog.end = end_blocked;
    if (d->watchdog.blocked == ROOST_NEVER || !d->rt->loop.own ||
        d->rt->o.clock != ROOST_CLOCK_REAL)
        return;
    r = roost__watchdog_start(&d->watchdog, d->rt);
    if (r < 0)
        roost__say("nobody watches whether the loop turns: %s", strerror(-r));
}

static int spawn_all(struct daemon *d, roost_nursery *n)
{
    roost_spawn_options program = { .name = "program" };
    roost_spawn_options service = { .name = "ping", .service = true,
                                    .stack_bytes = ROOST_STACK_SMALL };
    int r = 0;

    d->ping_every = d->rt->o.clock == ROOST_CLOCK_REAL ? find_ping() : 0;
    if (!d->o->ready_by_hand)
        r = say_ready();
    if (r >= 0 && d->ping_every)
        r = roost_spawn_with_at(n, ping, d, &service, d->listener.site);
    if (r >= 0)
        r = roost_spawn_with_at(n, d->fn, d->arg, &program, d->listener.site);
    return r;
}

static int daemon_main(void *arg)
{
    struct daemon *d = arg;
    roost_nursery n;
    int r;

    d->rt = roost__rt;
    r = hear(d);
    if (r >= 0) {
        watch(d);
        roost_nursery_open_at(&n, d->listener.site);
        r = spawn_all(d, &n);
        r = roost_nursery_close_at(&n, r, d->listener.site);
    }
    d->ended = true;
    if (r < 0 && r != -ECANCELED)
        roost_error_print(stderr, roost_error_of(r));
    return r;
}

/* ---- what main() returns ---- */

static int status_of_error(int code)
{
    static const struct {
        int status, codes[9];
    } near[] = {
        { EX_NOINPUT, { ENOENT, ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG } },
        { EX_NOPERM, { EACCES, EPERM, EROFS } },
        { EX_OSERR, { ENOMEM, EMFILE, ENFILE, ENOBUFS, ENOSPC, EIO, ENODEV } },
        { EX_TEMPFAIL, { EAGAIN, ETIMEDOUT, ECONNREFUSED, ECONNRESET, EPIPE,
                         EHOSTUNREACH, ENETUNREACH, EINTR } },
        { EX_UNAVAILABLE, { EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EBUSY,
                            EPROTONOSUPPORT, EOPNOTSUPP, ENOSYS } },
    };
    size_t i, k;

    for (i = 0; i < sizeof near / sizeof *near; i++)
        for (k = 0; near[i].codes[k]; k++)
            if (near[i].codes[k] == -code)
                return near[i].status;
    return EX_SOFTWARE;
}

static int status_of(struct daemon *d, int r)
{
    int sig = atomic_load(&d->end_signal);

    if (r >= 0)
        return 0;
    if (sig && (r == -ECANCELED || !d->ended))
        return 128 + sig;
    if (r == -ECANCELED && d->stopping)
        return 0; /* the program's own wish */
    if (!d->rt)
        roost__say("the run at %s could not begin: %s",
                   roost__place(d->listener.site), strerror(-r));
    return status_of_error(r);
}

static roost_stop_budget budget_of(const roost_stop_budget *b, const char *site)
{
    roost_stop_budget usual = { .soft = ROOST_SEC(20), .hard = ROOST_SEC(5),
                                .pierce = ROOST_SEC(2), ROOST_LAST_EXIT,
                                b->exit_status, b->quiet };

    roost__need_duration(b->soft, "a daemon's soft budget set", site);
    roost__need_duration(b->hard, "a daemon's hard budget set", site);
    roost__need_duration(b->pierce, "a daemon's pierce budget set", site);
    return b->soft || b->hard || b->pierce || b->last ? *b : usual;
}

int roost_daemon_run_at(roost_task_fn *fn, void *arg,
                        const roost_daemon_options *o, const char *site)
{
    static const roost_daemon_options defaults;
    static atomic_flag runs = ATOMIC_FLAG_INIT;
    struct daemon d = { .source = { .drain = rung, .over = over },
                        .listener = { .site = site, .seen = seen },
                        .o = o ? o : &defaults, .fn = fn, .arg = arg };
    static const int wanted[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };
    size_t i;
    int r;

    for (i = 0; i < sizeof wanted / sizeof *wanted; i++)
        d.listener.wanted |= roost__signal_bit(wanted[i]);
    d.budget = budget_of(&d.o->stop, site);
    roost__need_duration(d.o->blocked, "a daemon's .blocked set", site);
    ROOST_USAGE(d.o->blocked >= 0, "roost_daemon_run at %s was given a .blocked of "
                "%lld; a duration, 0 for one second, or ROOST_NEVER",
                roost__place(site), (long long)d.o->blocked);
    atomic_store(&d.watchdog.end_at, ROOST_NEVER);
    atomic_store(&d.last, (int)d.budget.last);
    atomic_store(&d.exit_status, d.budget.exit_status);
    ROOST_USAGE(!atomic_flag_test_and_set(&runs), "roost_daemon_run at %s while "
                "another one runs; the signals of a process are for one, use "
                "roost_run in other threads", roost__place(site));
    r = roost_run_with_at(&d.o->run, daemon_main, &d, site);
    atomic_flag_clear(&runs);
    return status_of(&d, r);
}
