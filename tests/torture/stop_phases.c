/* stop_phases.c - stops under every fault: all that were spawned come home, in the
 *                 phase that is theirs; what was taken in is served.
 */
#include "torture/ledger.h"

#include <roost/io.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a stop, or what takes its place when there is no memory ---- */

#define PHASES(s, h, p) \
    &(roost_stop_budget){ .soft = ROOST_MS(s), .hard = ROOST_MS(h), \
                          .pierce = ROOST_MS(p), .quiet = true }

static bool stop(roost_scope *s, const roost_stop_budget *b)
{
    int r = roost_stop(s, b);

    roost_check(r == 0 || r == -ENOMEM, "it gave %d", r);
    if (r == 0)
        return true;
    roost_scope_cancel(s, "no memory to stop it");
    return false;
}

/* An idle wait: done, told, or cut. */
static int idle(int r)
{
    roost_check(r >= 0 || r == -ESHUTDOWN || r == -ECANCELED, "it gave %d", r);
    roost_check(r != -ESHUTDOWN || roost_stopping());
    return sane(r);
}

/* ---- children ---- */

struct crowd {
    struct ledger l;
    int told, served;
    roost_chan *items;
};

static int idles(void *arg)
{
    struct crowd *c = arg;
    int r;

    ledger_begins(&c->l);
    r = idle(ROOST_IDLE(roost_sleep_until(ROOST_NEVER)));
    c->told += r == -ESHUTDOWN;
    return ledger_ends(&c->l, r == -ESHUTDOWN ? 0 : r);
}

static int works(void *arg)
{
    struct crowd *c = arg;
    int r;

    ledger_begins(&c->l);
    r = clean(roost_sleep(ROOST_MS(2)));
    if (r >= 0)
        r = idle(ROOST_IDLE(roost_sleep(ROOST_MS(9))));
    return ledger_ends(&c->l, r == -ESHUTDOWN ? 0 : r);
}

static int shields(void *arg)
{
    struct crowd *c = arg;
    int r;

    ledger_begins(&c->l);
    r = ROOST_SHIELDED(ROOST_NEVER, roost_sleep_until(ROOST_NEVER));
    roost_check(r == -ECANCELED);
    return ledger_ends(&c->l, r);
}

static int spawn(roost_nursery *n, roost_task_fn *fn, struct crowd *c)
{
    return ledger_spawned(&c->l, roost_spawn(n, fn, c));
}

static int spawn_service(roost_nursery *n, roost_task_fn *fn, struct crowd *c)
{
    return ledger_spawned(&c->l, roost_spawn_with(n, fn, c,
                              &(roost_spawn_options){ .service = true }));
}

static int close_crowd(struct crowd *c, roost_nursery *n, int r)
{
    r = roost_nursery_close(n, r);
    ledger_all_home(&c->l);
    roost_check(!c->l.first || r == c->l.first);
    roost_check(c->l.first || r == 0 || r == -ECANCELED || r == -ESHUTDOWN,
                "it is %d", r);
    return r;
}

/* ---- the phases ---- */

static int in_the_middle(void *arg)
{
    struct crowd c = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    spawn(n, idles, &c);
    spawn(n, works, &c);
    spawn(n, idles, &c);
    r = clean(roost_sleep(ROOST_MS(1)));
    stop(&n->scope, PHASES(20, 5, 5));
    return close_crowd(&c, n, r);
}

static int to_the_end(void *arg)
{
    struct crowd c = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    spawn(n, shields, &c);
    spawn(n, idles, &c);
    r = clean(roost_sleep(ROOST_MS(1)));
    if (!stop(&n->scope, PHASES(1, 2, 50)))
        roost_ignore(stop(&n->scope, PHASES(0, 0, 50)));
    while (roost_nursery_count(n) && roost_stop_escalate(&n->scope) < 0)
        ; /* no memory was there once */
    return close_crowd(&c, n, r);
}

static int hurried(void *arg)
{
    struct crowd c = { 0 };
    roost_scope s;
    int r;

    (void)arg;
    roost_scope_enter(&s, ROOST_NEVER);
    ROOST_NURSERY(n);
    spawn(n, works, &c);
    spawn(n, idles, &c);
    stop(&n->scope, PHASES(100, 5, 5));
    r = clean(roost_sleep(ROOST_MS(1)));
    stop(&s, PHASES(2, 5, 5));
    stop(&n->scope, PHASES(50, 0, 5));
    roost_ignore(roost_stop_escalate(&n->scope));
    r = close_crowd(&c, n, r);
    return roost_scope_leave(&s, r);
}

static int left_in_the_middle(void *arg)
{
    int i, r = 0;

    (void)arg;
    for (i = 0; i < 3 && r >= 0; i++) {
        ROOST_SCOPE(s);
        stop(s, PHASES(i, 1, 1));
        r = idle(ROOST_IDLE(roost_sleep(ROOST_MS(i))));
        r = roost_scope_leave(s, r == -ESHUTDOWN ? 0 : r);
    }
    return r < 0 ? r : clean(roost_sleep(ROOST_MS(9)));
}

/* ---- services ---- */

static int told_last(void *arg)
{
    struct crowd c = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    spawn_service(n, idles, &c);
    spawn(n, works, &c);
    spawn_service(n, works, &c);
    r = clean(roost_sleep(ROOST_MS(1)));
    stop(&n->scope, PHASES(30, 5, 5));
    return close_crowd(&c, n, r);
}

static int has_services(void *arg)
{
    struct crowd *c = arg;
    int r;

    ledger_begins(&c->l);
    {
        ROOST_NURSERY(n);
        spawn_service(n, idles, c);
        spawn(n, works, c);
        r = idle(ROOST_IDLE(roost_sleep_until(ROOST_NEVER)));
        r = roost_nursery_close(n, r);
    }
    return ledger_ends(&c->l, r == -ESHUTDOWN ? 0 : r);
}

static int services_in_services(void *arg)
{
    struct crowd c = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    spawn_service(n, has_services, &c);
    spawn(n, works, &c);
    r = clean(roost_sleep(ROOST_MS(1)));
    stop(&n->scope, PHASES(30, 5, 5));
    r = roost_nursery_close(n, r);
    ledger_all_home(&c.l);
    return r;
}

/* ---- starts ---- */

static int starts_idly(void *arg)
{
    (void)arg;
    return idle(ROOST_IDLE(roost_sleep_until(ROOST_NEVER)));
}

static int starts_and_stays(void *arg)
{
    int r = clean(roost_sleep(ROOST_MS(1)));

    (void)arg;
    if (r < 0)
        return r;
    roost_started(3);
    return idle(ROOST_IDLE(roost_sleep_until(ROOST_NEVER)));
}

static int stops_later(void *arg)
{
    int r = clean(roost_sleep(ROOST_MS(2)));

    stop(arg, PHASES(10, 5, 5));
    return r;
}

static int starting(void *arg)
{
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    r = roost_spawn(n, stops_later, &n->scope);
    if (r >= 0)
        r = roost_start(n, starts_and_stays, NULL);
    if (r >= 0)
        r = roost_start(n, starts_idly, NULL);
    return roost_nursery_close(n, r);
}

/* ---- what was taken in ---- */

static int consumes(void *arg)
{
    struct crowd *c = arg;
    int item, r;

    ledger_begins(&c->l);
    while ((r = idle(ROOST_IDLE(roost_chan_recv(c->items, &item)))) == 1)
        c->served++;
    return ledger_ends(&c->l, r == -ESHUTDOWN ? 0 : r);
}

static int queue_drains(void *arg)
{
    struct crowd c = { .items = roost_chan_new(sizeof(int), 4) };
    int i, sent = 0, r;

    (void)arg;
    if (!c.items)
        return -ENOMEM;
    {
        ROOST_NURSERY(n);
        spawn(n, consumes, &c);
        spawn(n, consumes, &c);
        r = clean(roost_sleep(ROOST_MS(1)));
        for (i = 0; i < 3; i++)
            sent += roost_chan_send_nowait(c.items, &i) == 0;
        stop(&n->scope, PHASES(10, 5, 5));
        r = close_crowd(&c, n, r);
    }
    while (roost_chan_recv_nowait(c.items, &i) == 1)
        c.served++;
    roost_check(c.served == sent, "%d served of %d", c.served, sent);
    roost_chan_free(c.items);
    return r;
}

struct line {
    struct crowd c;
    roost_fd f;
};

static int answers(void *arg)
{
    struct line *l = arg;
    char byte;
    int r;

    ledger_begins(&l->c.l);
    while ((r = ROOST_IDLE(roost_fd_read(&l->f, &byte, 1))) == 1)
        l->c.served++;
    return ledger_ends(&l->c.l, r == -ESHUTDOWN ? 0 : r);
}

/* What had arrived is read by him or is still there. */
static int bytes_drain(void *arg)
{
    struct line l = { 0 };
    int fd[2], r;
    char rest[8];

    (void)arg;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
        return -errno;
    r = roost_fd_open(&l.f, fd[0]);
    if (r < 0)
        close(fd[0]);
    if (r >= 0) {
        ROOST_NURSERY(n);
        ledger_spawned(&l.c.l, roost_spawn(n, answers, &l));
        r = clean(roost_sleep(ROOST_MS(1)));
        roost_check(write(fd[1], "abc", 3) == 3);
        stop(&n->scope, PHASES(10, 5, 5));
        r = roost_nursery_close(n, r);
        ledger_all_home(&l.c.l);
        roost_check(l.c.served + recv(fd[0], rest, sizeof rest, MSG_DONTWAIT) ==
                    (l.c.served == 3 ? 2 : 3));
        roost_fd_close(&l.f);
    }
    close(fd[1]);
    return r;
}

/* ---- deferred functions ---- */

static int cleans_slowly(void *arg)
{
    struct crowd *c = arg;

    c->served++;
    return roost_sleep(ROOST_SEC(3600)) == -ECANCELED ? 0 : -EPROTO;
}

static int defers(void *arg)
{
    struct crowd *c = arg;
    int r;

    ledger_begins(&c->l);
    r = roost_defer(cleans_slowly, c);
    if (r < 0)
        return ledger_ends(&c->l, r);
    r = idle(ROOST_IDLE(roost_sleep_until(ROOST_NEVER)));
    return ledger_ends(&c->l, r == -ESHUTDOWN ? 0 : r);
}

static int defers_are_pierced(void *arg)
{
    struct crowd c = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    spawn(n, defers, &c);
    r = clean(roost_sleep(ROOST_MS(1)));
    stop(&n->scope, PHASES(1, 2, 5));
    return close_crowd(&c, n, r);
}

int main(int argc, char **argv)
{
    static const struct torture bodies[] = {
        TORTURE(in_the_middle),
        TORTURE(to_the_end),
        TORTURE(hurried),
        TORTURE(left_in_the_middle),
        TORTURE(told_last),
        TORTURE(services_in_services),
        TORTURE(starting),
        TORTURE(queue_drains),
        TORTURE(bytes_drain),
        TORTURE(defers_are_pierced),
    };

    return TORTURE_MAIN(bodies, argc, argv);
}
