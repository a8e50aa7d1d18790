/* core_scope.c - cancel scopes under every fault: an -ECANCELED ends where it
 *                belongs, a shield holds, a deadline is kept.
 */
#include "torture/ledger.h"

/* A sleep cut by a deadline, or from outside, or done. */
static int bounded(int r)
{
    roost_check(r == 0 || r == -ETIMEDOUT || r == -ECANCELED, "it gave %d", r);
    return sane(r);
}

/* S10: a wait in s is cut at its deadline; the virtual clock is exact. */
static int kept(const roost_scope *s, int r)
{
    if (r == -ECANCELED && s->cause == CAUSE_DEADLINE)
        roost_check(roost_now() == s->deadline);
    if (r != -ECANCELED)
        roost_check(roost_now() <= s->deadline);
    return r;
}

static int sleep_ms(int ms)
{
    return clean(roost_sleep(ROOST_MS(ms)));
}

/* ---- deadlines ---- */

static int within(void *arg)
{
    roost_time began = roost_now();
    int r;

    (void)arg;
    r = bounded(ROOST_WITHIN(ROOST_MS(2), roost_sleep(ROOST_MS(5))));
    roost_check(r != 0 || roost_now() >= began + ROOST_MS(5));
    if (r == -ECANCELED)
        return r;
    r = bounded(ROOST_WITHIN(ROOST_MS(5), roost_sleep(ROOST_MS(2))));
    roost_check(roost_scope_caught(NULL) == (r == -ETIMEDOUT));
    return r;
}

static int expressions(void *arg)
{
    roost_time soon = roost_after(ROOST_MS(3));
    int r;

    (void)arg;
    r = ROOST_UNTIL(soon, ROOST_WITHIN(ROOST_MS(1), sleep_ms(5)));
    roost_check(r == 0 || r == -ETIMEDOUT || sane(r) == -ECANCELED);
    if (r == -ECANCELED)
        return r;
    r = ROOST_UNTIL(roost_after(-ROOST_MS(1)), roost_checkpoint()); /* S9 */
    roost_check(sane(r) < 0);
    r = ROOST_SHIELDED(ROOST_SEC(1), shielded(ROOST_WITHIN(ROOST_MS(1),
                                                           sleep_ms(2))));
    roost_check(r <= 0);
    return roost_checkpoint();
}

static int two_deadlines(roost_time outer, roost_time inner)
{
    int r;

    ROOST_TIMEOUT(a, outer);
    ROOST_TIMEOUT(b, inner);
    roost_check(roost_deadline() <= roost_after(inner) || roost_cancelled());
    r = kept(b, clean(roost_sleep_until(ROOST_NEVER)));
    r = roost_scope_leave(b, r);
    roost_check(r == -ETIMEDOUT || sane(r) == -ECANCELED);
    roost_check(roost_scope_caught(b) == (r == -ETIMEDOUT));
    if (r == -ETIMEDOUT) /* cut here, so the outer one has nothing to do */
        r = clean(roost_sleep(ROOST_MS(1)));
    return bounded(roost_scope_leave(a, r));
}

static int nested_deadlines(void *arg)
{
    int r;

    (void)arg;
    r = two_deadlines(ROOST_MS(2), ROOST_MS(9));
    if (r == -ECANCELED)
        return r;
    r = two_deadlines(ROOST_MS(9), ROOST_MS(2));
    if (r == -ECANCELED)
        return r;
    return two_deadlines(ROOST_MS(2), ROOST_MS(2));
}

/* S11, S18: what falls due together fires in the order of setting. */
static int at_one_instant(void *arg)
{
    roost_time at = roost_after(ROOST_MS(3));
    int r;

    (void)arg;
    ROOST_DEADLINE(s, at);
    r = kept(s, clean(roost_sleep_until(at)));
    roost_check(r == 0 || roost_cancelled() == -ECANCELED);
    roost_check(r < 0 || roost_now() >= at);
    return bounded(roost_scope_leave(s, r));
}

struct mover {
    roost_scope *s;
    int after_ms, to_ms;
};

static int moves(void *arg)
{
    const struct mover *m = arg;

    roost_ignore(roost_sleep(ROOST_MS(m->after_ms)));
    roost_scope_set_deadline(m->s, roost_after(ROOST_MS(m->to_ms)));
    return 0;
}

/* S10: while tasks wait under it, there and back. */
static int moved_deadline(void *arg)
{
    struct ledger l = { 0 };
    int i, r;

    (void)arg;
    ROOST_NURSERY(n);
    ROOST_TIMEOUT(s, ROOST_MS(4));
    for (i = 1; i < 4; i++) {
        struct mover m = { s, i, i == 2 ? 1 : 20 };

        ledger_failure(&l, roost_spawn_copy(n, moves, &m, sizeof m));
    }
    r = kept(s, clean(roost_sleep(ROOST_MS(12))));
    if (r >= 0)
        roost_scope_set_deadline(s, roost_after(-1)); /* cancels it here */
    r = roost_checkpoint();
    roost_check(r == -ECANCELED);
    r = bounded(roost_scope_leave(s, r));
    return ledger_close(&l, n, r == -ETIMEDOUT ? 0 : r);
}

static int getters(void *arg)
{
    roost_time outer, left;
    int r;

    (void)arg;
    ROOST_TIMEOUT(a, ROOST_MS(8));
    outer = roost_deadline();
    ROOST_TIMEOUT(b, ROOST_MS(4));
    roost_check(roost_cancelled() || roost_deadline() <= outer);
    r = kept(b, sleep_ms(2));
    left = roost_time_left();
    roost_check(left >= 0 && (r >= 0 || left == 0));
    roost_check((left == 0) == (roost_cancelled() == -ECANCELED));
    r = roost_scope_leave(b, r);
    roost_check(r != -ETIMEDOUT || roost_scope_cancelled(b));
    return bounded(roost_scope_leave(a, r == -ETIMEDOUT ? 0 : r));
}

/* ---- by hand ---- */

static int cancels_scope(void *arg)
{
    roost_ignore(roost_sleep(ROOST_MS(2)));
    roost_scope_cancel(arg, "by a child");
    roost_scope_cancel(arg, "again");
    return 0;
}

static int cancelled_by_hand(void *arg)
{
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    ROOST_SCOPE(s);
    ledger_failure(&l, roost_spawn(n, cancels_scope, s));
    r = clean(roost_sleep_until(ROOST_NEVER));
    r = roost_scope_leave(s, r);
    roost_check(r == 0 || sane(r) == -ECANCELED);
    roost_check(roost_scope_caught(s) == (r == 0));
    return ledger_close(&l, n, r);
}

/* C3: as long as it is cancelled, every checkpoint says so. */
static int level_triggered(void *arg)
{
    int i, r;

    (void)arg;
    ROOST_SCOPE(s);
    roost_scope_cancel(s, "at once");
    for (i = 0; i < 3; i++) {
        roost_check(roost_checkpoint() == -ECANCELED);
        roost_check(roost_sleep(ROOST_MS(1)) == -ECANCELED);
        roost_check(ROOST_SHIELDED(0, roost_checkpoint()) == -ECANCELED);
    }
    r = roost_scope_leave(s, -ECANCELED);
    roost_check(r == 0 || sane(r) == -ECANCELED);
    return r;
}

/* S6, S7: what is not this scope's passes. */
static int others_results(void *arg)
{
    roost_scope s;

    (void)arg;
    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "for nothing");
    roost_check(roost_scope_leave(&s, 7) == 7 && !roost_scope_caught(&s));
    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "for nothing");
    roost_check(roost_scope_leave(&s, -EIO) == -EIO && !roost_scope_caught(&s));
    roost_scope_enter(&s, ROOST_NEVER);
    roost_check(roost_scope_leave(&s, -ECANCELED) == -ECANCELED);
    roost_check(!roost_scope_caught(&s));
    roost_scope_cancel(&s, "left already");
    return roost_checkpoint();
}

/* S8: the first of two causes decides. */
static int two_causes(void *arg)
{
    struct ledger l = { 0 };
    roost_time cut;
    int r, cause;

    (void)arg;
    ROOST_NURSERY(n);
    ROOST_TIMEOUT(s, ROOST_MS(1));
    ledger_failure(&l, roost_spawn(n, cancels_scope, s)); /* after 2 ms */
    r = ROOST_SHIELDED(ROOST_SEC(1), shielded(roost_sleep(ROOST_MS(5))));
    cause = s->cause;
    cut = s->cancelled_at;
    roost_scope_cancel(s, "too late, as a rule");
    r = roost_scope_leave(s, roost_checkpoint());
    roost_check(cause != CAUSE_HAND || cut < s->deadline);
    roost_check(!cause || (cause == s->cause && cut == s->cancelled_at));
    roost_check(sane(r) == -ECANCELED ||
                r == (s->cause == CAUSE_HAND ? 0 : -ETIMEDOUT));
    return ledger_close(&l, n, r == -ETIMEDOUT ? 0 : r);
}

#define DEEP 60

/* S2: a child cancels the outermost of many. */
static int deep(void *arg)
{
    struct ledger l = { 0 };
    roost_scope s[DEEP];
    int i, r;

    (void)arg;
    ROOST_NURSERY(n);
    for (i = 0; i < DEEP; i++)
        roost_scope_enter(&s[i], i % 2 ? ROOST_NEVER : roost_after(ROOST_SEC(1)));
    ledger_failure(&l, roost_spawn(n, cancels_scope, &s[0]));
    r = clean(roost_sleep(ROOST_MS(4)));
    while (i-- > 0) {
        r = bounded(roost_scope_leave(&s[i], r));
        if (r == -ETIMEDOUT)
            r = 0;
    }
    return ledger_close(&l, n, r);
}

/* ---- shields ---- */

/* S12: what was being cancelled says its last words. */
static int last_words(void *arg)
{
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    KID(n, &l, .ms = 3, .cleanup_ms = 3);
    r = sleep_ms(4);
    roost_ignore(ROOST_SHIELDED(ROOST_SEC(1), shielded(sleep_ms(3))));
    roost_check(r >= 0 || roost_cancelled() == -ECANCELED);
    return ledger_close(&l, n, r);
}

/* Its budget is counted from the cancellation on: here it is too small. */
static int small_budget(void *arg)
{
    bool before = roost_cancelled() < 0;
    int r;

    (void)arg;
    ROOST_SHIELD(s, ROOST_MS(2));
    r = roost_sleep(ROOST_MS(5));
    roost_check(r == 0 || (r == -ECANCELED && roost_cancelled() == r));
    roost_check(!before || r < 0);
    r = roost_scope_leave(s, r);
    return clean(r);
}

static int shields_in_sequence(void *arg)
{
    int i, r = 0;

    (void)arg;
    for (i = 0; i < 3; i++) {
        roost_scope s;

        roost_shield_enter(&s, ROOST_MS(10));
        roost_ignore(shielded(roost_sleep(ROOST_MS(4))));
        roost_ignore(shielded(roost_checkpoint()));
        roost_check(roost_scope_leave(&s, i) == i);
        r = roost_checkpoint();
    }
    return r;
}

static int shield_in_a_deadline(void *arg)
{
    int r;

    (void)arg;
    ROOST_TIMEOUT(s, ROOST_MS(2));
    r = ROOST_SHIELDED(ROOST_MS(9), shielded(ROOST_WITHIN(ROOST_MS(20),
                                                          sleep_ms(4))));
    roost_check(r <= 0);
    r = clean(roost_checkpoint());
    return bounded(roost_scope_leave(s, r));
}

/* The nursery was opened in the shield, so its children are in it, too. */
static int children_in_a_shield(void *arg)
{
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_SHIELD(s, ROOST_SEC(1));
    ROOST_NURSERY(n);
    KID(n, &l, .ms = 2);
    KID(n, &l, .ms = 3);
    r = shielded(ledger_close(&l, n, 0));
    return roost_scope_leave(s, r);
}

/* S13: the nursery is outside, so the child is not shielded. */
static int child_outside_the_shield(void *arg)
{
    struct ledger l = { 0 };

    (void)arg;
    ROOST_NURSERY_WITH(n, .deadline = roost_after(ROOST_MS(2)));
    ROOST_SHIELD(s, ROOST_NEVER);
    KID(n, &l, .ms = EVER);
    roost_ignore(roost_scope_leave(s, shielded(sleep_ms(5))));
    return ledger_close(&l, n, clean(roost_checkpoint()));
}

/* ---- guards ---- */

static int leave_scope_open(void)
{
    ROOST_TIMEOUT(s, ROOST_MS(8));
    return roost_sleep(ROOST_MS(2));
}

/* S17: nothing is absorbed. The deadline may have been early; then it leaks. */
static int scope_left_open(void *arg)
{
    int r;

    (void)arg;
    ROOST_SCOPE(outer);
    r = leave_scope_open();
    roost_check(r == 0 || r == -ECANCELED);
    r = roost_scope_leave(outer, roost_checkpoint());
    roost_check(r == 0 || sane(r) == -ECANCELED);
    return r;
}

static int shield_by_guard(void)
{
    ROOST_SHIELD(s, ROOST_SEC(1));
    return shielded(sleep_ms(2));
}

static int shield_left_open(void *arg)
{
    (void)arg;
    return clean(shield_by_guard());
}

int main(int argc, char **argv)
{
    static const struct torture bodies[] = {
        STRICT(within),
        STRICT(expressions),
        STRICT(nested_deadlines),
        STRICT(at_one_instant),
        STRICT(moved_deadline),
        STRICT(getters),
        STRICT(cancelled_by_hand),
        STRICT(level_triggered),
        STRICT(two_causes),
        STRICT(others_results),
        STRICT(deep),
        STRICT(last_words),
        STRICT(small_budget),
        STRICT(shields_in_sequence),
        STRICT(shield_in_a_deadline),
        STRICT(children_in_a_shield),
        STRICT(child_outside_the_shield),
        STRICT_WITH(scope_left_open, .guards = 1),
        STRICT(shield_left_open),
    };

    return TORTURE_MAIN(bodies, argc, argv);
}
