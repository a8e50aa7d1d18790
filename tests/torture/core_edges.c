/* core_edges.c - where things meet: rooms, starts and services wanted from outside
 *                the nursery while it closes; abort functions that do more; calls
 *                in a cancelled task.
 */
#include "torture/ledger.h"

/* ---- every call that waits, in a cancelled task: C1 ---- */

static int must_not_run(void *arg)
{
    roost_check(!arg, "a task was made by a call that was refused");
    return 0;
}

static bool undone(roost_wait *w, void *arg)
{
    (void)w;
    ++*(int *)arg;
    return true;
}

static void refused_all(roost_nursery *n)
{
    static const roost_spawn_options o = { .copy_bytes = 1 };
    roost_event e = { .set = 1 };
    roost_lot l = { NULL, NULL };
    char c = 0;
    roost_wait w;
    int undo = 0;

    roost_check(roost_checkpoint() == -ECANCELED);
    roost_check(roost_sleep(0) == -ECANCELED);
    roost_check(roost_sleep_until(ROOST_NEVER) == -ECANCELED);
    roost_check(roost_lot_wait(&l) == -ECANCELED && !l.first);
    roost_check(roost_event_wait(&e) == -ECANCELED);
    roost_check(roost_event_join(&e) == 0);
    roost_check(roost_nursery_wait_room(n) == -ECANCELED);
    roost_check(roost_start(n, must_not_run, n) == -ECANCELED);
    roost_check(roost_start_copy(n, must_not_run, &c, 1) == -ECANCELED);
    roost_check(roost_start_with(n, must_not_run, &c, &o) == -ECANCELED);
    roost_check(roost_nursery_count(n) == 0);
    roost_wait_init(&w);
    roost_check(roost_park(&w, "nothing", undone, &undo) == -ECANCELED);
    roost_check(undo == 1);
}

static int all_refused(void *arg)
{
    (void)arg;
    ROOST_NURSERY_WITH(n, .children_max = 3);
    ROOST_SCOPE(s);
    roost_scope_cancel(s, "to see what is refused");
    refused_all(n);
    roost_ignore(roost_scope_leave(s, 0));
    return roost_nursery_close(n, roost_checkpoint());
}

/* ---- -ECANCELED of somebody else ---- */

static int returns_it(void *cut)
{
    int r = roost_sleep(ROOST_MS(1));

    *(bool *)cut = r < 0 || roost_cancelled();
    return -ECANCELED;
}

/* N16: nobody cancelled it, so it has failed. */
static int foreign_cancellation(void *arg)
{
    bool cut = false;
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    if (roost_spawn(n, returns_it, &cut) < 0)
        cut = true;
    r = roost_nursery_close(n, 0);
    roost_check(cut || r == -EPROTO);
    roost_check(r == -EPROTO || r == -ENOMEM || r == 0 || sane(r) == -ECANCELED);
    return r;
}

/* S7: the body's own, given to close, comes back as it was. */
static int foreign_body(void *arg)
{
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(outer);
    ROOST_NURSERY(n);
    KID(n, &l, .ms = EVER);
    r = roost_nursery_close(n, -ECANCELED);
    roost_check(r == (l.first ? l.first : -ECANCELED));
    ledger_all_home(&l);
    return roost_nursery_close(outer, l.first ? l.first : roost_checkpoint());
}

/* ---- N9: close yields ---- */

static int says_ran(void *ran)
{
    *(bool *)ran = true;
    return 0;
}

static int close_of_an_empty_one(void *arg)
{
    bool ran = false;
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    r = roost_spawn(n, says_ran, &ran);
    ROOST_NURSERY(empty);
    roost_check(roost_nursery_close(empty, 4) == 4);
    roost_check(r < 0 || ran);
    return roost_nursery_close(n, 0);
}

/* ---- rooms that nobody uses, rooms wanted from outside ---- */

struct queue {
    struct ledger l;
    roost_nursery *pool;
    roost_event over;
    int left; /* who may still spawn into the pool */
};

struct place {
    struct queue *q;
    int how; /* it uses its room: 0 at once, 1 not, 2 not even after a sleep, 3 for
                a service */
};

static int uses_room(const struct place *p)
{
    int r = clean(roost_nursery_wait_room(p->q->pool));

    if (r < 0 || p->how == 1)
        return 0;
    if (p->how == 2)
        roost_ignore(roost_sleep(ROOST_MS(1)));
    else
        KID_WITH(p->q->pool, (roost_spawn_options){ .service = p->how == 3 },
                 &p->q->l, .ms = p->how == 3 ? EVER : 1);
    return 0;
}

static int stands_in_queue(void *place)
{
    const struct place *p = place;
    int r = uses_room(p);

    if (--p->q->left == 0)
        roost_event_set(&p->q->over);
    return r;
}

/* The pool is inside, those who want its rooms are not: what befalls it does not
 * cut them. N11: a room that is not used passes on. */
static int rooms_from_outside(void *arg)
{
    struct queue q = { .left = 1 };
    int i, r;

    (void)arg;
    roost_event_init(&q.over);
    ROOST_NURSERY(users);
    ROOST_NURSERY_WITH(pool, .children_max = 1);
    q.pool = pool;
    KID(pool, &q.l, .ms = 1);
    for (i = 0; i < 6; i++) {
        struct place p = { &q, (i + 1) % 3 };

        q.left += roost_spawn_copy(users, stands_in_queue, &p, sizeof p) == 0;
    }
    if (--q.left == 0)
        roost_event_set(&q.over);
    roost_check(roost_event_join(&q.over) == 0);
    r = ledger_close(&q.l, pool, 0);
    return roost_nursery_close(users, r);
}

/* Its own room, too, is given back when it closes. */
static int closes_with_a_room(void *arg)
{
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY_WITH(n, .children_max = 1);
    KID(n, &l, .ms = 1);
    r = clean(roost_nursery_wait_room(n));
    return ledger_close(&l, n, r);
}

/* N11: it closes while they stand in the queue; a promised room keeps it open. */
static int closing_with_a_queue(void *arg)
{
    struct queue q = { .left = 1 };
    struct place p[2] = { { &q, 0 }, { &q, 3 } };
    int i, r;

    (void)arg;
    roost_event_init(&q.over);
    ROOST_NURSERY(users);
    ROOST_NURSERY_WITH(pool, .children_max = 1);
    q.pool = pool;
    KID(pool, &q.l, .ms = 3, .cleanup_ms = 2);
    for (i = 0; i < 2; i++)
        roost_spawn(users, stands_in_queue, &p[i]);
    /* Only while the kid is there do they stand in the queue. */
    ROOST_SHIELD(s, ROOST_SEC(1));
    roost_ignore(roost_checkpoint());
    r = roost_scope_leave(s, 0);
    if (!roost_nursery_count(pool) || !pool->s.rooms.first)
        roost_nursery_cancel(users, "the queue is not there");
    r = ledger_close(&q.l, pool, r);
    return roost_nursery_close(users, r);
}

/* ---- starts from outside ---- */

struct guest {
    roost_nursery *into;
    roost_event begun;
    roost_spawn_options o;
    int fails; /* the child, before it has started */
    int started;
    bool cut; /* by the nursery, which it then belonged to */
};

static int guest_child(void *arg)
{
    struct guest *g = arg;
    int r = clean(roost_sleep(ROOST_MS(2)));

    if (r < 0 || g->fails)
        return r < 0 ? r : g->fails;
    roost_started(5);
    r = clean(roost_sleep_until(ROOST_NEVER));
    g->cut = true;
    return r;
}

static int calls_start(void *arg)
{
    struct guest *g = arg;

    roost_event_set(&g->begun);
    g->started = roost_start_with(g->into, guest_child, g, &g->o);
    roost_check(g->started == 5 || g->started == -EPROTO ||
                g->started == -ENOMEM || g->started == g->fails ||
                sane(g->started) == -ECANCELED);
    return 0;
}

/* The caller lives outside of `n`; it has begun when this returns. */
static int let_in(roost_nursery *callers, struct guest *g, roost_nursery *n)
{
    int r;

    g->into = n;
    roost_event_init(&g->begun);
    r = roost_spawn(callers, calls_start, g);
    if (r == 0)
        roost_check(roost_event_join(&g->begun) == 0);
    return r;
}

/* Its scope is cancelled when the child comes to live in it. */
static int start_into_a_cancelled_one(void *arg)
{
    struct guest g = { .fails = 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(callers);
    ROOST_NURSERY(n);
    let_in(callers, &g, n);
    roost_nursery_cancel(n, "before it has started");
    r = roost_nursery_close(n, 0);
    roost_check(r == 0 || sane(r) == -ECANCELED);
    r = roost_nursery_close(callers, r);
    roost_check(g.started != 5 || g.cut);
    return r;
}

/* N15: once it has started, the service alone does not keep the nursery open. */
static int service_into_a_closing_one(void *arg)
{
    struct guest g = { .o = { .service = true } };
    int r;

    (void)arg;
    ROOST_NURSERY(callers);
    ROOST_NURSERY(n);
    let_in(callers, &g, n);
    r = roost_nursery_close(n, 6);
    roost_check(r == 6 || sane(r) == -ECANCELED);
    return roost_nursery_close(callers, r);
}

/* It counts as ordinary until it has started; and it never does. */
static int service_that_cannot_start(void *arg)
{
    struct guest g = { .o = { .service = true }, .fails = -ENODEV };
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(callers);
    ROOST_NURSERY(n);
    KID_WITH(n, (roost_spawn_options){ .service = true }, &l, .ms = EVER);
    let_in(callers, &g, n);
    r = ledger_close(&l, n, 6);
    return roost_nursery_close(callers, r);
}

/* ---- services and those they serve ---- */

struct served {
    struct ledger l;
    bool ordinary; /* the ordinary child is there */
};

/* Cut by the close it is only when nobody ordinary is left. */
static int serves(void *arg)
{
    struct served *s = arg;
    int r;

    ledger_begins(&s->l);
    if (roost_cancelled())
        roost_check(!s->ordinary);
    r = clean(roost_sleep_until(ROOST_NEVER));
    if (roost__self()->nursery->services.cause == CAUSE_CLOSE)
        roost_check(!s->ordinary);
    return ledger_ends(&s->l, r);
}

static int serve(roost_nursery *n, struct served *s)
{
    return ledger_spawned(&s->l, roost_spawn_with(n, serves, s,
                                                  &(roost_spawn_options){
                                                      .service = true }));
}

static int service_outlives_the_ordinary(void *arg)
{
    struct served s = { .ordinary = false };

    (void)arg;
    ROOST_NURSERY(n);
    serve(n, &s);
    KID(n, &s.l, .ms = 3, .cleanup_ms = 2, .here = &s.ordinary);
    return ledger_close(&s.l, n, 0);
}

static int service_of_a_cancelled_one(void *arg)
{
    struct served s = { .ordinary = false };

    (void)arg;
    ROOST_NURSERY(n);
    KID(n, &s.l, .ms = EVER, .cleanup_ms = 2, .here = &s.ordinary);
    roost_ignore(roost_checkpoint());
    roost_nursery_cancel(n, "enough");
    serve(n, &s);
    return ledger_close(&s.l, n, 0);
}

/* ---- abort functions that do more ---- */

struct pair {
    roost_wait *waits[2];
    roost_scope *scope; /* to cancel, too */
    int handed, undone;
};

/* The one who is cut hands what it had been promised to the other. */
static bool hand_over(roost_wait *w, void *arg)
{
    struct pair *p = arg;
    int other = p->waits[0] == w;

    p->waits[!other] = NULL;
    p->undone++;
    if (p->waits[other]) {
        w = p->waits[other];
        p->waits[other] = NULL;
        p->handed++;
        roost_wake(w, 1);
    }
    if (p->scope)
        roost_scope_cancel(p->scope, "in an abort function");
    return true;
}

struct side {
    struct pair *p;
    int number;
};

static int waits_beside(void *arg)
{
    const struct side *s = arg;
    roost_wait w;
    int r;

    roost_wait_init(&w);
    s->p->waits[s->number] = &w;
    r = roost_park(&w, "the other", hand_over, s->p);
    roost_check(r == 1 || sane(r) == -ECANCELED);
    roost_check(s->p->waits[s->number] != &w);
    return r < 0 ? r : clean(roost_checkpoint());
}

/* C4: who was woken by an abort function is done, though it is cancelled, too. */
static int abort_wakes_another(void *arg)
{
    struct pair p = { .handed = 0 };
    struct side sides[2] = { { &p, 0 }, { &p, 1 } };
    int i, r;

    (void)arg;
    ROOST_NURSERY_WITH(n, .deadline = roost_after(ROOST_MS(2)));
    for (i = 0; i < 2; i++)
        roost_spawn(n, waits_beside, &sides[i]);
    r = roost_nursery_close(n, 0);
    roost_check(p.handed <= p.undone && p.handed + p.undone <= 2); /* C9 */
    roost_check(!p.waits[0] && !p.waits[1]);
    return r == -ETIMEDOUT ? 0 : r;
}

static int abort_cancels_others(void *arg)
{
    struct pair p = { .handed = 0 };
    struct side sides[2] = { { &p, 0 }, { &p, 1 } };
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(outer);
    ROOST_SCOPE(s);
    ROOST_NURSERY(n);
    p.scope = s;
    KID(n, &l, .ms = EVER);
    roost_spawn(outer, waits_beside, &sides[0]);
    roost_spawn(outer, waits_beside, &sides[1]);
    roost_ignore(roost_sleep(ROOST_MS(1)));
    if (p.waits[0] && !roost_scope_cancelled(s))
        roost_scope_cancel(&p.waits[0]->task->base, "one of the two");
    roost_scope_cancel(s, "if none of them was there");
    r = roost_scope_leave(s, roost_nursery_close(n, roost_checkpoint()));
    roost_nursery_cancel(outer, "the other one may be there");
    return roost_nursery_close(outer, r);
}

int main(int argc, char **argv)
{
    static const struct torture bodies[] = {
        STRICT(all_refused),
        STRICT(foreign_cancellation),
        STRICT(foreign_body),
        STRICT(close_of_an_empty_one),
        STRICT(rooms_from_outside),
        STRICT(closes_with_a_room),
        STRICT(closing_with_a_queue),
        STRICT(start_into_a_cancelled_one),
        STRICT(service_into_a_closing_one),
        STRICT(service_that_cannot_start),
        STRICT(service_outlives_the_ordinary),
        STRICT(service_of_a_cancelled_one),
        STRICT(abort_wakes_another),
        STRICT(abort_cancels_others),
    };

    return TORTURE_MAIN(bodies, argc, argv);
}
