/* core_owned.c - what nurseries know besides: guards, rooms, services, handles,
 *                policies.
 */
#include "torture/ledger.h"

/* ---- left without close ---- */

/* N5: returned out of; the guard cancels and joins. */
static void leave_open(struct ledger *l, int cut)
{
    ROOST_NURSERY(n);
    KID(n, l, .ms = EVER, .cut = cut);
    KID(n, l, .ms = EVER, .cleanup_ms = 2);
    roost_ignore(roost_checkpoint());
}

/* What the guard found comes out at the next close. */
static int left_open(void *arg)
{
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    leave_open(&l, 0);
    ledger_all_home(&l);
    r = roost_nursery_close(n, 0);
    roost_check(r == l.first);
    return r;
}

static int left_open_with_a_failure(void *arg)
{
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    leave_open(&l, -EIO);
    ledger_all_home(&l);
    r = roost_nursery_close(n, roost_checkpoint());
    roost_check(r < 0 && r == l.first);
    return r;
}

/* A real failure of the body stays the verdict; the kept one stands beside it. */
static int left_open_beside_a_failure(void *arg)
{
    struct ledger l = { 0 };

    (void)arg;
    ROOST_NURSERY(n);
    leave_open(&l, -EIO);
    roost_check(roost_nursery_close(n, -EPROTOTYPE) == -EPROTOTYPE);
    ledger_all_home(&l);
    return 0;
}

static int left_by_a_loop(void *arg)
{
    struct ledger l = { 0 };
    int i, r;

    (void)arg;
    ROOST_NURSERY(outer);
    for (i = 0; i < 3; i++) {
        ROOST_NURSERY(n);
        KID(n, &l, .ms = EVER);
        if (i == 1)
            continue;
        roost_ignore(roost_sleep(ROOST_MS(1)));
    }
    ledger_all_home(&l);
    r = roost_nursery_close(outer, 0);
    roost_check(r == l.first);
    return r;
}

/* ---- rooms ---- */

struct pool {
    struct ledger l;
    roost_nursery *n;
    int busy, busy_max;
};

static int works(void *arg)
{
    struct pool *p = arg;
    int r;

    ledger_begins(&p->l);
    p->busy++;
    roost_check(p->busy <= p->busy_max);
    r = clean(roost_sleep(ROOST_MS(1)));
    p->busy--;
    return ledger_ends(&p->l, r);
}

/* N11: the room is ours until we suspend, so the spawn is never refused. */
static int fill(struct pool *p, int jobs)
{
    int r = 0;

    for (; r >= 0 && jobs > 0; jobs--) {
        r = clean(roost_nursery_wait_room(p->n));
        if (r < 0)
            break;
        r = ledger_spawned(&p->l, roost_spawn(p->n, works, p));
        roost_check(r != -EAGAIN);
    }
    return r;
}

static int rooms(void *arg)
{
    struct pool p = { .busy_max = 2 };
    int r;

    (void)arg;
    ROOST_NURSERY_WITH(n, .children_max = 2);
    p.n = n;
    r = fill(&p, 5);
    return ledger_close(&p.l, n, r == p.l.first ? 0 : r);
}

static int produces(void *arg)
{
    int r = fill(arg, 3);

    /* A spawn that failed is the pool's affair. */
    return r == -ENOMEM ? 0 : r;
}

/* First come, first served; a room that its owner does not use passes on. */
static int rooms_for_several(void *arg)
{
    struct pool p = { .busy_max = 2 };
    int i, r;

    (void)arg;
    ROOST_NURSERY_WITH(n, .children_max = 2);
    p.n = n;
    ROOST_NURSERY(producers);
    for (i = 0; i < 3; i++)
        roost_spawn(producers, produces, &p);
    r = ROOST_WITHIN(ROOST_MS(1), roost_nursery_wait_room(n)); /* not used */
    roost_check(r == 0 || sane(r) == -ECANCELED || r == -ETIMEDOUT);
    r = roost_nursery_close(producers, 0);
    return ledger_close(&p.l, n, r == p.l.first ? 0 : r);
}

static int full_and_shed(void *arg)
{
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY_WITH(n, .children_max = 1, .shed = true);
    if (KID(n, &l, .ms = 2) == 0) {
        r = roost_spawn(n, kid_body, NULL);
        roost_check(r == -EAGAIN);
    }
    return ledger_close(&l, n, 0);
}

static int full(void *arg)
{
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY_WITH(n, .children_max = 1);
    if (KID(n, &l, .ms = EVER) == 0)
        roost_check(KID(n, &l, .ms = 1) == -EAGAIN);
    r = ledger_close(&l, n, 0);
    roost_check(r < 0 && r == l.first);
    return r;
}

/* ---- services ---- */

static const roost_spawn_options a_service = { .service = true };

/* N15: gone when the ordinary ones are. They alone would stay for ever. */
static int services(void *arg)
{
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    KID_WITH(n, a_service, &l, .ms = EVER);
    KID(n, &l, .ms = 3);
    KID_WITH(n, a_service, &l, .ms = EVER, .cleanup_ms = 2);
    r = clean(roost_sleep(ROOST_MS(1)));
    return ledger_close(&l, n, r);
}

static int only_services(void *arg)
{
    struct ledger l = { 0 };

    (void)arg;
    ROOST_NURSERY(n);
    KID_WITH(n, a_service, &l, .ms = EVER);
    KID_WITH(n, a_service, &l, .ms = 1);
    return ledger_close(&l, n, 6);
}

static int service_fails(void *arg)
{
    struct ledger l = { 0 };

    (void)arg;
    ROOST_NURSERY(n);
    KID_WITH(n, a_service, &l, .ms = 2, .result = -ENETDOWN, .cut = -ENETDOWN);
    KID(n, &l, .ms = EVER);
    return ledger_close(&l, n, 0);
}

/* ---- handles ---- */

static roost_spawn_options handled(roost_child *c)
{
    return (roost_spawn_options){ .child = c };
}

/* N17: it returns when the child is home, whatever is cancelled. */
static int end_of_one(void *arg)
{
    struct ledger l = { 0 };
    roost_child c = { 0 };
    bool here = false;
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    roost_check(roost_child_end(&c, "nobody") == 0);
    KID_WITH(n, handled(&c), &l, .ms = EVER, .cleanup_ms = 3, .here = &here);
    KID(n, &l, .ms = 2);
    roost_ignore(roost_sleep(ROOST_MS(1)));
    r = roost_child_end(&c, "enough");
    roost_check(r == 0 && !here);
    roost_check(roost_child_end(&c, "again") == 0);
    return ledger_close(&l, n, 0);
}

static int end_of_one_that_ended(void *arg)
{
    struct ledger l = { 0 };
    roost_child c = { 0 };
    int r, ended;

    (void)arg;
    ROOST_NURSERY(n);
    KID_WITH(n, handled(&c), &l, .ms = 1, .result = 9);
    r = clean(roost_sleep(ROOST_MS(2)));
    ended = roost_child_end(&c, "late");
    roost_check(ended == 9 || ended == 0);
    return ledger_close(&l, n, r);
}

static int end_of_one_that_fails(void *arg)
{
    struct ledger l = { 0 };
    roost_child c = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    KID_WITH(n, handled(&c), &l, .ms = EVER, .cut = -EIO, .cleanup_ms = 1);
    r = roost_child_end(&c, "enough");
    roost_check(l.spawned == 0 ? r == 0 : r == -EIO);
    return ledger_close(&l, n, 0);
}

struct ender {
    roost_child *c;
    bool *here;
};

static int ends_it(void *arg)
{
    struct ender *e = arg;

    roost_check(roost_child_end(e->c, "by one of two") == 0);
    roost_check(!*e->here);
    return 0;
}

static int end_by_two(void *arg)
{
    struct ledger l = { 0 };
    roost_child c = { 0 };
    bool here = false;
    struct ender e = { &c, &here };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    KID_WITH(n, handled(&c), &l, .ms = EVER, .cleanup_ms = 2, .here = &here);
    ROOST_NURSERY(enders);
    roost_spawn(enders, ends_it, &e);
    roost_spawn(enders, ends_it, &e);
    roost_check(roost_child_end(&c, "by a third") == 0);
    r = roost_nursery_close(enders, 0);
    roost_check(r == 0 || r == -ENOMEM || sane(r) == -ECANCELED);
    ledger_failure(&l, r);
    r = ledger_close(&l, n, r);
    return r;
}

/* One handle for one child after the other. */
static int ends_in_turn(void *arg)
{
    struct ledger l = { 0 };
    roost_child c = { 0 };
    int i;

    (void)arg;
    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++) {
        KID_WITH(n, handled(&c), &l, .ms = i == 1 ? 0 : EVER);
        roost_ignore(roost_checkpoint());
        roost_check(roost_child_end(&c, "next") == 0);
    }
    return ledger_close(&l, n, 0);
}

/* ---- policies ---- */

struct errors {
    struct ledger *l;
    int count, sum;
};

static void count_error(int code, const roost_error *e, void *arg)
{
    struct errors *seen = arg;

    (void)e;
    seen->count++;
    seen->sum += code;
}

static int fails_alone(void *arg)
{
    struct errors *returned = arg;
    int r = clean(roost_sleep(ROOST_MS(1)));

    if (r >= 0) {
        returned->count++;
        returned->sum += r = roost_fail(-EIO, "alone");
    }
    return ledger_cut(returned->l, roost__self()->nursery, r);
}

/* N18: each failure to on_error, once, and nobody is cancelled for it. */
static int isolated(void *arg)
{
    struct ledger l = { 0 };
    struct errors returned = { .l = &l }, seen = { 0 };
    int i;

    (void)arg;
    ROOST_NURSERY_WITH(n, .policy = ROOST_ISOLATE, .on_error = count_error,
                       .on_error_arg = &seen);
    KID(n, &l, .ms = 4);
    for (i = 0; i < 3; i++) {
        int r = roost_spawn(n, fails_alone, &returned);

        ledger_failure(&l, r); /* this is the nursery's all the same */
    }
    i = ledger_close(&l, n, clean(roost_sleep(ROOST_MS(2))));
    roost_check(seen.count == returned.count && seen.sum == returned.sum);
    return i;
}

int main(int argc, char **argv)
{
    static const struct torture bodies[] = {
        STRICT_WITH(left_open, .guards = 1),
        STRICT_WITH(left_open_with_a_failure, .guards = 1),
        STRICT_WITH(left_open_beside_a_failure, .guards = 1),
        STRICT_WITH(left_by_a_loop, .guards = 3),
        STRICT(rooms),
        STRICT(rooms_for_several),
        STRICT(full_and_shed),
        STRICT(full),
        STRICT(services),
        STRICT(only_services),
        STRICT(service_fails),
        STRICT(end_of_one),
        STRICT(end_of_one_that_ended),
        STRICT(end_of_one_that_fails),
        STRICT(end_by_two),
        STRICT(ends_in_turn),
        STRICT(isolated),
    };

    return TORTURE_MAIN(bodies, argc, argv);
}
