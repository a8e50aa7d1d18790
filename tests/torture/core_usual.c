/* core_usual.c - what programs do with the core every day, under every fault:
 *                retries, races, restarts, permits, deep calls, cleaning up.
 */
#include "torture/ledger.h"

/* ---- a race: the first one home wins, the others are cancelled and joined ---- */

struct race {
    roost_nursery *n;
    int winner, ended;
};

struct racer {
    struct race *race;
    int number, ms;
};

static int runs_a_race(void *arg)
{
    const struct racer *a = arg;
    int r = clean(roost_sleep(ROOST_MS(a->ms)));

    a->race->ended++;
    if (r < 0 || a->race->winner)
        return r;
    a->race->winner = a->number;
    roost_nursery_cancel(a->race->n, "there is a winner");
    return 0;
}

static int race(void *arg)
{
    struct race race = { NULL, 0, 0 };
    int i, r, spawned = 0;

    (void)arg;
    ROOST_NURSERY(n);
    race.n = n;
    for (i = 1; i <= 3; i++) {
        struct racer a = { &race, i, 4 - i };

        spawned += roost_spawn_copy(n, runs_a_race, &a, sizeof a) == 0;
    }
    r = roost_nursery_close(n, 0);
    roost_check(race.ended == spawned);
    roost_check(r == 0 || r == -ENOMEM || sane(r) == -ECANCELED);
    return r;
}

/* ---- a try again, with a deadline each and a pause in between ---- */

static int flaky(int attempt)
{
    int r = clean(roost_sleep(attempt < 2 ? ROOST_MS(9) : ROOST_MS(1)));

    return r < 0 ? r : attempt;
}

static int retries(void *arg)
{
    int i, r = -ETIMEDOUT;

    (void)arg;
    for (i = 0; i < 5 && r == -ETIMEDOUT; i++) {
        r = ROOST_WITHIN(ROOST_MS(3), flaky(i));
        roost_check(r == -ETIMEDOUT || r == i || sane(r) == -ECANCELED);
        if (r == -ETIMEDOUT && roost_scope_caught(NULL)) {
            int paused = clean(roost_sleep(ROOST_MS(1) << i));

            r = paused < 0 ? paused : r;
        }
    }
    return r;
}

/* ---- permits: a semaphore as its first user would write it ---- */

struct permits {
    roost_lot lot;
    int left, held, held_max;
};

static int take_permit(struct permits *p)
{
    int r = roost_cancelled();

    while (r >= 0 && p->left == 0)
        r = clean(roost_lot_wait(&p->lot));
    if (r < 0 && p->left > 0) /* who was woken and cannot take it passes it on */
        roost_lot_wake(&p->lot, 1);
    if (r < 0)
        return r;
    p->left--;
    p->held++;
    roost_check(p->held <= p->held_max);
    return 0;
}

static void give_permit(struct permits *p)
{
    p->held--;
    p->left++;
    roost_lot_wake(&p->lot, 1);
}

static int works_with_permit(void *arg)
{
    struct permits *p = arg;
    int i, r = 0;

    for (i = 0; i < 2 && r >= 0; i++) {
        r = take_permit(p);
        if (r < 0)
            return r;
        r = clean(roost_sleep(ROOST_MS(1)));
        give_permit(p);
    }
    return r;
}

static int permits(void *arg)
{
    struct permits p = { { NULL, NULL }, 2, 0, 2 };
    int i, r;

    (void)arg;
    ROOST_NURSERY(n);
    for (i = 0; i < 4; i++)
        roost_spawn(n, works_with_permit, &p);
    r = roost_nursery_close(n, 0);
    roost_check(p.left == 2 && p.held == 0 && !p.lot.first);
    return r;
}

/* ---- restarts: on_error puts another one in the place of who failed ---- */

struct crew {
    struct ledger l;
    roost_nursery *n;
    int starts, failures, told;
};

static int serves_a_while(void *arg)
{
    struct crew *c = arg;
    int r;

    ledger_begins(&c->l);
    c->starts++;
    r = clean(roost_sleep(ROOST_MS(1)));
    c->l.ended++;
    ledger_cut(&c->l, c->n, r);
    if (r < 0)
        return r;
    c->failures++;
    return roost_fail(-EIO, "broke down");
}

static void restart(int code, const roost_error *e, void *arg)
{
    struct crew *c = arg;

    (void)e;
    roost_check(code == -EIO);
    c->told++;
    if (c->starts < 4)
        ledger_spawned(&c->l, roost_spawn(c->n, serves_a_while, c));
    else
        roost_nursery_cancel(c->n, "that is enough");
}

static int restarts(void *arg)
{
    struct crew c = { .starts = 0 };
    int r;

    (void)arg;
    ROOST_NURSERY_WITH(n, .policy = ROOST_ISOLATE, .on_error = restart,
                       .on_error_arg = &c);
    c.n = n;
    ledger_spawned(&c.l, roost_spawn(n, serves_a_while, &c));
    r = ledger_close(&c.l, n, clean(roost_sleep(ROOST_MS(20))));
    roost_check(c.failures == c.told);
    return r;
}

/* ---- deep calls ---- */

/* A failure at the bottom comes up through all the closes. */
static int go_down(int depth)
{
    struct ledger l = { 0 };
    int r;

    ROOST_NURSERY(n);
    if (depth % 4 == 0)
        KID(n, &l, .ms = EVER);
    r = depth ? go_down(depth - 1) : clean(roost_sleep(ROOST_MS(1)));
    return ledger_close(&l, n, r >= 0 && depth == 0 ? -EDOM : r);
}

static int deep_calls(void *arg)
{
    int r;

    (void)arg;
    r = go_down(12);
    roost_check(r == -EDOM || r == -ENOMEM || sane(r) == -ECANCELED);
    return r;
}

/* ---- into the outermost, from below, while it closes ---- */

struct upward {
    struct ledger *l;
    roost_nursery *top;
};

static int spawns_upward(void *arg)
{
    const struct upward *u = arg;
    struct ledger own = { 0 };
    int r;

    ledger_begins(u->l);
    ROOST_NURSERY(n);
    KID(n, &own, .ms = 2);
    r = clean(roost_sleep(ROOST_MS(1)));
    KID(u->top, u->l, .ms = 2);
    return ledger_ends(u->l, ledger_close(&own, n, r));
}

static int into_the_outermost(void *arg)
{
    struct ledger l = { 0 };
    struct upward u = { &l, NULL };

    (void)arg;
    ROOST_NURSERY(n);
    u.top = n;
    ledger_spawned(&l, roost_spawn(n, spawns_upward, &u));
    ledger_spawned(&l, roost_spawn(n, spawns_upward, &u));
    return ledger_close(&l, n, 0);
}

/* ---- guards in children, and in what they deferred ---- */

static void leave_a_nursery(struct ledger *l)
{
    ROOST_NURSERY(n);
    KID(n, l, .ms = EVER, .cut = -EIO);
    KID(n, l, .ms = 1);
    roost_ignore(roost_checkpoint());
}

static int leaves_one(void *ledger)
{
    leave_a_nursery(ledger);
    return 3;
}

/* N5: what the guard found is its task's failure. */
static int guard_in_a_child(void *arg)
{
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    if (roost_spawn(n, leaves_one, &l) < 0)
        leave_a_nursery(&l);
    r = roost_nursery_close(n, 0);
    ledger_all_home(&l);
    roost_check(r == -EIO || r == -ENOMEM);
    return r;
}

static int defers_to_leave_one(void *ledger)
{
    int r = roost_defer(leaves_one, ledger);

    if (r < 0)
        leave_a_nursery(ledger);
    return clean(roost_sleep(ROOST_MS(1))) < 0 ? -ECANCELED : r;
}

static int guard_in_what_was_deferred(void *arg)
{
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    if (roost_spawn(n, defers_to_leave_one, &l) < 0)
        leave_a_nursery(&l);
    r = roost_nursery_close(n, 0);
    ledger_all_home(&l);
    roost_check(r == -EIO || r == -ENOMEM, "%d", r);
    return r;
}

/* ---- a start that is ended by its handle ---- */

struct pending {
    roost_nursery *n;
    roost_child c;
    int result;
    bool here;
};

static int never_starts(void *arg)
{
    struct pending *p = arg;
    int r;

    p->here = true;
    r = clean(roost_sleep_until(ROOST_NEVER));
    roost_ignore(ROOST_SHIELDED(ROOST_SEC(1), shielded(roost_sleep(ROOST_MS(1)))));
    p->here = false;
    return r;
}

static int starts_it(void *arg)
{
    struct pending *p = arg;

    p->result = roost_start_with(p->n, never_starts, p,
                                 &(roost_spawn_options){ .child = &p->c });
    roost_check(!p->here);
    roost_check(p->result == -EPROTO || p->result == -ENOMEM ||
                sane(p->result) == -ECANCELED, "%d", p->result);
    return 0;
}

static int pending_start_is_ended(void *arg)
{
    struct pending p = { .here = false };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    p.n = n;
    roost_spawn(n, starts_it, &p);
    roost_ignore(roost_sleep(ROOST_MS(1)));
    roost_check(roost_child_end(&p.c, "it takes too long") == 0);
    roost_check(!p.here);
    roost_nursery_cancel(n, "should it begin only now");
    r = roost_nursery_close(n, 0);
    roost_check(!p.here);
    return r;
}

/* ---- a nursery's deadline, moved by a child ---- */

static int puts_off(void *nursery)
{
    roost_scope *s = roost_nursery_scope(nursery);
    int i, r = 0;

    for (i = 0; i < 4 && r >= 0; i++) {
        roost_scope_set_deadline(s, roost_after(ROOST_MS(3)));
        r = clean(roost_sleep(ROOST_MS(2)));
    }
    return 0;
}

/* A watchdog that is fed four times, then bites. */
static int watchdog(void *arg)
{
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY_WITH(n, .deadline = roost_after(ROOST_MS(3)));
    ledger_failure(&l, roost_spawn(n, puts_off, n));
    KID(n, &l, .ms = EVER);
    r = ledger_close(&l, n, clean(roost_sleep(ROOST_MS(50))));
    return r == -ETIMEDOUT ? 0 : r;
}

int main(int argc, char **argv)
{
    static const struct torture bodies[] = {
        STRICT(race),
        STRICT(retries),
        STRICT(permits),
        STRICT(restarts),
        STRICT(deep_calls),
        STRICT(into_the_outermost),
        STRICT_WITH(guard_in_a_child, .guards = 1),
        STRICT_WITH(guard_in_what_was_deferred, .guards = 1),
        STRICT(pending_start_is_ended),
        STRICT(watchdog),
    };

    return TORTURE_MAIN(bodies, argc, argv);
}
