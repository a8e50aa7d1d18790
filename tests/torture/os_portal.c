/* os_portal.c - portals under every fault: what was accepted runs once, before the
 *               scope is left, whatever is cancelled; what comes later is told so
 *               (G5).
 *
 * Posts of the loop's own thread and of a signal handler come at the same place in
 * every run. Those of a real thread do not: less is found there.
 */
#include "torture/ledger.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

struct desk {
    struct ledger l;
    roost_portal *p;
    roost_nursery *n;
    int accepted, ran;
    bool stopped; /* by a cancel through the portal */
};

static int open_desk(struct desk *d, roost_scope *s)
{
    d->p = roost_portal_open(s);
    if (d->p)
        return 0;
    roost_check(errno == ENOMEM || errno == EMFILE);
    return -errno;
}

static void is_over(struct desk *d, void (*fn)(void *arg))
{
    roost_check(d->ran == d->accepted, "%d accepted, %d ran", d->accepted, d->ran);
    if (d->p)
        roost_check(roost_portal_post(d->p, fn, d) == -ESHUTDOWN);
    roost_portal_free(d->p);
}

static void counts(void *desk)
{
    ((struct desk *)desk)->ran++;
}

static int post(struct desk *d, void (*fn)(void *arg))
{
    int r = roost_portal_post(d->p, fn, d);

    roost_check(r == 0 || r == -EAGAIN || r == -ESHUTDOWN);
    d->accepted += r == 0;
    return r;
}

/* ---- posts of the loop's own thread ---- */

static int posts(void *arg)
{
    struct desk *d = arg;
    int i, r = 0;

    ledger_begins(&d->l);
    for (i = 0; i < 4 && r >= 0; i++) {
        roost_check(post(d, counts) == 0);
        if (i % 2)
            r = clean(roost_sleep(ROOST_MS(1)));
    }
    return ledger_ends(&d->l, r);
}

static int home(struct desk *d, roost_nursery *n, int r)
{
    r = ledger_close(&d->l, n, r);
    is_over(d, counts);
    return r;
}

static int own_posts(void *arg)
{
    struct desk d = { .ran = 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    r = open_desk(&d, roost_nursery_scope(n));
    if (r >= 0) {
        ledger_spawned(&d.l, roost_spawn(n, posts, &d));
        ledger_spawned(&d.l, roost_spawn(n, posts, &d));
        r = clean(roost_checkpoint());
        roost_check(post(&d, counts) == 0);
    }
    return home(&d, n, r);
}

static int full(void *arg)
{
    struct desk d = { .ran = 0 };
    int i, r;

    (void)arg;
    ROOST_NURSERY(n);
    r = open_desk(&d, roost_nursery_scope(n));
    if (r >= 0) {
        for (i = 0; i < ROOST_PORTAL_POSTS; i++)
            roost_check(post(&d, counts) == 0);
        roost_check(post(&d, counts) == -EAGAIN);
        r = clean(roost_sleep(ROOST_MS(1)));
        roost_check(r < 0 || post(&d, counts) == 0);
    }
    return home(&d, n, r);
}

/* ---- what posted functions do ---- */

/* It posts once more, until the portal is closed or enough have run. */
static void goes_on(void *desk)
{
    struct desk *d = desk;

    d->ran++;
    if (d->ran < 6)
        roost_check(post(d, goes_on) != -EAGAIN);
}

static int chain(void *arg)
{
    struct desk d = { .ran = 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    r = open_desk(&d, roost_nursery_scope(n));
    if (r >= 0) {
        roost_check(post(&d, goes_on) == 0);
        r = clean(roost_sleep(ROOST_MS(1)));
    }
    return home(&d, n, r);
}

static int naps(void *arg)
{
    struct desk *d = arg;

    ledger_begins(&d->l);
    return ledger_ends(&d->l, clean(roost_sleep(ROOST_MS(1))));
}

/* The portal of the nursery's scope closes when the last child has gone, so a child
 * that is spawned here still finds it open. */
static void spawns(void *desk)
{
    struct desk *d = desk;

    d->ran++;
    ledger_spawned(&d->l, roost_spawn(d->n, naps, d));
}

static int spawning(void *arg)
{
    struct desk d = { .ran = 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    d.n = n;
    ROOST_SCOPE(s);
    r = open_desk(&d, s);
    if (r >= 0) {
        roost_check(post(&d, spawns) == 0);
        r = clean(roost_sleep(ROOST_MS(1)));
        roost_check(post(&d, spawns) == 0); /* runs when the scope is left */
    }
    r = roost_scope_leave(s, r);
    roost_check(d.ran == d.accepted);
    return home(&d, n, r);
}

/* Closed by one of its own posts, with others before and behind it. */
static void closes(void *desk)
{
    struct desk *d = desk;

    d->ran++;
    roost_portal_close(d->p);
    roost_check(post(d, counts) == -ESHUTDOWN);
}

static int closed_by_a_post(void *arg)
{
    struct desk d = { .ran = 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    r = open_desk(&d, roost_nursery_scope(n));
    if (r >= 0) {
        roost_check(post(&d, counts) == 0 && post(&d, closes) == 0 &&
                    post(&d, counts) == 0);
        r = clean(roost_sleep(ROOST_MS(1)));
        roost_check(r < 0 || d.ran == 3);
    }
    return home(&d, n, r);
}

/* ---- cancelled through it ---- */

static int sleeps(void *arg)
{
    struct desk *d = arg;

    ledger_begins(&d->l);
    return ledger_ends(&d->l, clean(roost_sleep_until(ROOST_NEVER)));
}

static int stops(void *arg)
{
    struct desk *d = arg;

    ledger_begins(&d->l);
    roost_ignore(roost_sleep(ROOST_MS(1)));
    roost_check(post(d, counts) == 0);
    roost_check(roost_portal_cancel(d->p, "enough") == 0);
    d->stopped = true;
    return ledger_ends(&d->l, 0);
}

static int cancelled_through_it(void *arg)
{
    struct desk d = { .ran = 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    r = open_desk(&d, roost_nursery_scope(n));
    if (r >= 0) {
        ledger_spawned(&d.l, roost_spawn(n, stops, &d));
        ledger_spawned(&d.l, roost_spawn(n, sleeps, &d));
        r = clean(roost_sleep_until(ROOST_NEVER));
        roost_check(r < 0);
    }
    return home(&d, n, r);
}

/* ---- from a signal handler ---- */

static struct desk *of_handler;

static void posts_in_handler(int sig)
{
    (void)sig;
    if (roost_portal_post(of_handler->p, counts, of_handler) == 0)
        of_handler->accepted++;
}

static int is_hit(void *arg)
{
    struct desk *d = arg;
    int i, r = 0;

    ledger_begins(&d->l);
    for (i = 0; i < 3 && r >= 0; i++) {
        raise(SIGUSR2);
        r = clean(roost_sleep(ROOST_US(500)));
    }
    raise(SIGUSR2);
    return ledger_ends(&d->l, r);
}

static int from_a_handler(void *arg)
{
    struct desk d = { .ran = 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    r = open_desk(&d, roost_nursery_scope(n));
    of_handler = &d;
    signal(SIGUSR2, posts_in_handler);
    if (r >= 0) {
        ledger_spawned(&d.l, roost_spawn(n, is_hit, &d));
        ledger_spawned(&d.l, roost_spawn(n, posts, &d));
        raise(SIGUSR2);
    }
    r = ledger_close(&d.l, n, r);
    if (d.p)
        raise(SIGUSR2); /* refused */
    signal(SIGUSR2, SIG_DFL);
    is_over(&d, counts);
    return r;
}

/* ---- from a thread ---- */

struct outsider {
    struct desk d; /* `accepted` is the thread's, until it is joined */
    pthread_t id;
    roost_event over;
    int called, calls_ran, tasks_ran, wrong;
};

static int answers(void *arg)
{
    struct outsider *o = arg;

    o->calls_ran++;
    return o->d.ran;
}

static int task_of_thread(void *arg)
{
    struct outsider *o = arg;
    int r = roost_sleep(ROOST_MS(1));

    o->tasks_ran++;
    return r < 0 ? r : 5;
}

static void ends(void *arg)
{
    struct outsider *o = arg;

    o->d.ran++;
    roost_event_set(&o->over);
}

/* It cannot roost_check: the run is not its own. */
static void *thread_life(void *arg)
{
    struct outsider *o = arg;
    struct desk *d = &o->d;
    int i, r;

    for (i = 0; i < 20; i++)
        if (roost_portal_post(d->p, counts, d) == 0)
            d->accepted++;
    r = roost_portal_call(d->p, answers, o);
    o->called = r >= 0;
    o->wrong += r != -ESHUTDOWN && r != d->accepted; /* those came before it */
    r = roost_portal_run(d->p, d->n, task_of_thread, o);
    o->wrong += r != 5 && r != -ECANCELED && r != -ENOMEM && r != -ESHUTDOWN &&
                r != -EAGAIN;
    if (roost_portal_post(d->p, ends, o) == 0)
        d->accepted++;
    return NULL;
}

/* When the portal is closed the thread waits for nobody. */
static int join(struct outsider *o, int r)
{
    roost_check(pthread_join(o->id, NULL) == 0);
    roost_check(!o->wrong && o->called == o->calls_ran && o->tasks_ran <= 1);
    is_over(&o->d, counts);
    return r;
}

static int with_room_for(size_t children)
{
    static const roost_spawn_options service = { .service = true };
    struct outsider o = { .called = 0 };
    int r;

    roost_event_init(&o.over);
    ROOST_NURSERY_WITH(n, .children_max = children, .shed = true);
    o.d.n = n;
    r = open_desk(&o.d, roost_nursery_scope(n));
    if (r < 0)
        return roost_nursery_close(n, r);
    roost_check(pthread_create(&o.id, NULL, thread_life, &o) == 0);
    if (children)
        ledger_spawned(&o.d.l, roost_spawn_with(n, sleeps, &o.d, &service));
    r = clean(roost_event_wait(&o.over));
    return join(&o, roost_nursery_close(n, r));
}

static int from_a_thread(void *arg)
{
    (void)arg;
    return with_room_for(0);
}

/* Its task is refused, and the thread is told. */
static int without_room(void *arg)
{
    (void)arg;
    return with_room_for(1);
}

/* Not waited for: the close comes at any time. */
static int close_in_a_hurry(void *arg)
{
    struct outsider o = { .called = 0 };
    int r;

    (void)arg;
    roost_event_init(&o.over);
    ROOST_NURSERY(n);
    o.d.n = n;
    r = open_desk(&o.d, roost_nursery_scope(n));
    if (r < 0)
        return roost_nursery_close(n, r);
    roost_check(pthread_create(&o.id, NULL, thread_life, &o) == 0);
    r = clean(roost_sleep(ROOST_US(50)));
    return join(&o, roost_nursery_close(n, r));
}

#define WITH_A_THREAD(f) \
    TORTURE_WITH(f, .varies = true, .pairs = 300, .seeds = 50, .max_orders = 50)

int main(int argc, char **argv)
{
    static const struct torture bodies[] = {
        STRICT(own_posts),
        STRICT(full),
        STRICT(chain),
        STRICT(spawning),
        STRICT(closed_by_a_post),
        STRICT(cancelled_through_it),
        STRICT(from_a_handler),
        WITH_A_THREAD(from_a_thread),
        WITH_A_THREAD(without_room),
        WITH_A_THREAD(close_in_a_hurry),
    };

    return TORTURE_MAIN(bodies, argc, argv);
}
