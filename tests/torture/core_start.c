/* core_start.c - roost_start under every fault: whose is what was handed over,
 *                and where did the child's end go?
 */
#include "torture/ledger.h"

#include <stdlib.h>

/* A child that is started. It may have run or not, but once start has returned
 * negative, it is over. */
struct starter {
    int before_ms, after_ms; /* EVER: until it is cut */
    int fails;               /* with this, before it has started */
    bool never_started;      /* it ends well without */
    bool here, started;
    bool too_late;           /* its caller was cancelled before it had started */
    int result;
};

static int nap(int ms)
{
    return clean(ms == EVER ? roost_sleep_until(ROOST_NEVER)
                            : roost_sleep(ROOST_MS(ms)));
}

static int starter_life(struct starter *s)
{
    int r = nap(s->before_ms);

    if (r < 0)
        return r;
    if (s->fails)
        return roost_fail(s->fails, "before it had started");
    if (s->never_started)
        return 0;
    s->started = true;
    s->too_late = roost__self()->scope->parent->effective;
    roost_started(7);
    return nap(s->after_ms);
}

static int starter_body(void *arg)
{
    struct starter *s = arg;

    s->here = true;
    s->result = starter_life(s);
    s->here = false;
    return s->result;
}

/* N10: what start may return, when the child fails the way it says. */
static int start_sane(const struct starter *s, int r)
{
    roost_check(r < 0 || (r == 7 && s->started));
    if (s->too_late) /* so it counts only if the child ended well */
        roost_check(!s->here && (r < 0) == (s->result < 0));
    if (r >= 0)
        return r;
    roost_check(!s->here);
    if (r == -ECANCELED)
        roost_check(roost_cancelled() == -ECANCELED);
    else /* -EPROTO also: it was cut alone */
        roost_check(r == -ENOMEM || r == -EPROTO || r == s->fails,
                    "it gave %d", r);
    return r;
}

/* A start decides nothing but itself: the nursery closes well. */
static int close_well(roost_nursery *n, int r)
{
    r = roost_nursery_close(n, r < 0 && r != -ECANCELED ? 0 : r);
    return clean(r);
}

/* ---- it starts ---- */

static int starts(void *arg)
{
    struct starter s = { .before_ms = 1, .after_ms = 2 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    r = start_sane(&s, roost_start(n, starter_body, &s));
    roost_check(roost_nursery_count(n) == (s.here ? 1 : 0));
    return close_well(n, r);
}

static int starts_at_once(void *arg)
{
    struct starter s = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    r = start_sane(&s, roost_start(n, starter_body, &s));
    return close_well(n, r);
}

/* Once started it is the nursery's, and so is its failure. */
static int fails_afterwards(void *arg)
{
    struct starter *s = arg;

    s->here = true;
    s->result = starter_life(s);
    s->here = false;
    return s->result < 0 && !s->started ? s->result : -EIO;
}

static int starts_then_fails(void *arg)
{
    struct starter s = { .before_ms = 1, .after_ms = 2 };
    int r, closed;

    (void)arg;
    ROOST_NURSERY(n);
    r = roost_start(n, fails_afterwards, &s);
    roost_check(r < 0 || (r == 7 && s.started));
    roost_check(r >= 0 || !s.here);
    closed = roost_nursery_close(n, 0);
    roost_check(closed == (r >= 0 ? -EIO : 0), "%d after %d", closed, r);
    return closed;
}

/* Until then the caller's deadline is the child's, after that it is not. */
static int starts_within(void *arg)
{
    struct starter s = { .before_ms = 1, .after_ms = 5 };
    roost_time after;
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    r = ROOST_WITHIN(ROOST_MS(3), roost_start(n, starter_body, &s));
    if (r == -ETIMEDOUT)
        roost_check(roost_scope_caught(NULL) && !s.here);
    else
        start_sane(&s, r);
    after = roost_now() + ROOST_MS(5);
    r = close_well(n, r);
    roost_check(r < 0 || !s.started || s.result < 0 || roost_now() >= after);
    return r;
}

/* ---- it does not ---- */

static int fails_before(void *arg)
{
    struct starter s = { .before_ms = 1, .fails = -ENOENT };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    r = start_sane(&s, roost_start(n, starter_body, &s));
    roost_check(r < 0);
    return close_well(n, r);
}

static int ends_without(void *arg)
{
    struct starter s = { .before_ms = 1, .never_started = true };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    r = start_sane(&s, roost_start(n, starter_body, &s));
    roost_check(r == -EPROTO || r == -ECANCELED || r == -ENOMEM);
    return close_well(n, r);
}

static int never_ready(void *arg)
{
    struct starter s = { .before_ms = EVER };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    r = ROOST_WITHIN(ROOST_MS(2), roost_start(n, starter_body, &s));
    roost_check(r < 0 && !s.here);
    if (r == -ETIMEDOUT)
        roost_check(roost_scope_caught(NULL));
    else
        start_sane(&s, r);
    return close_well(n, r);
}

/* ---- who owns what was handed over ---- */

struct parcel {
    char *block;
};

/* Ours once it has started, which it does only uncancelled. */
static int takes(void *arg)
{
    struct parcel p = *(struct parcel *)arg;
    int r = nap(1);

    if (r < 0)
        return r;
    r = roost_cancelled();
    if (r < 0)
        return r;
    roost_started(0);
    p.block[0] = 'x';
    r = nap(1);
    free(p.block);
    return r;
}

static int hands_over(void *arg)
{
    struct parcel p;
    int i, r = 0;

    (void)arg;
    ROOST_NURSERY(n);
    for (i = 0; r >= 0 && i < 2; i++) {
        p.block = malloc(100);
        if (!p.block)
            return roost_nursery_close(n, -ENOMEM);
        r = roost_start_copy(n, takes, &p, sizeof p);
        roost_check(r <= 0);
        if (r < 0)
            free(p.block);
    }
    return roost_nursery_close(n, r);
}

/* ---- with options, and in company ---- */

static int service_with_a_handle(void *arg)
{
    struct starter s = { .before_ms = 1, .after_ms = EVER };
    struct ledger l = { 0 };
    roost_child c = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    r = roost_start_with(n, starter_body, &s,
                         &(roost_spawn_options){ .service = true, .child = &c,
                                                 .name = "service" });
    start_sane(&s, r);
    KID(n, &l, .ms = 2);
    if (roost_random() % 2) {
        roost_check(roost_child_end(&c, "enough") == 0);
        roost_check(!s.here);
    }
    r = ledger_close(&l, n, r < 0 && r != -ECANCELED ? 0 : r);
    roost_check(!s.here);
    return r;
}

struct caller {
    roost_nursery *n;
    struct starter s;
};

static int calls_start(void *arg)
{
    struct caller *c = arg;
    int r = start_sane(&c->s, roost_start(c->n, starter_body, &c->s));

    return r == -ECANCELED ? r : 0;
}

/* Two are pending in one nursery; a third ends it all. */
static int two_pending(void *arg)
{
    struct caller a = { .s = { .before_ms = 2, .after_ms = 2 } };
    struct caller b = { .s = { .before_ms = 4, .fails = -ENOENT } };
    int r, closed;

    (void)arg;
    ROOST_NURSERY(n);
    a.n = b.n = n;
    ROOST_NURSERY(callers);
    r = roost_spawn(callers, calls_start, &a);
    if (r == 0)
        r = roost_spawn(callers, calls_start, &b);
    closed = roost_nursery_close(callers, 0);
    roost_check(r < 0 ? closed == r : closed == 0 || sane(closed) == -ECANCELED);
    return close_well(n, closed);
}

/* N6 N10: the nursery stays open while a start into it is pending. */
static int into_a_closing_one(void *arg)
{
    struct caller c = { .s = { .before_ms = 3, .after_ms = 1 } };
    int r, closed;

    (void)arg;
    ROOST_NURSERY(n);
    c.n = n;
    r = roost_spawn(n, calls_start, &c);
    closed = roost_nursery_close(n, 0);
    roost_check(!c.s.here);
    roost_check(r < 0 ? closed == r : closed == 0 || sane(closed) == -ECANCELED);
    return closed;
}

/* Under plain spawn it does nothing. */
static int only_spawned(void *arg)
{
    struct starter s = { .before_ms = 1, .after_ms = 1 };
    int r, closed;

    (void)arg;
    ROOST_NURSERY(n);
    r = roost_spawn(n, starter_body, &s);
    closed = roost_nursery_close(n, 0);
    roost_check(r < 0 ? closed == r : closed == 0 || sane(closed) == -ECANCELED);
    return closed;
}

static int fail_soon(void *arg)
{
    (void)arg;
    roost_ignore(roost_sleep(ROOST_MS(2)));
    return -EIO;
}

/* The nursery fails while the start is pending: it reaches the child through its
 * caller, who lives there. */
static int nursery_fails_meanwhile(void *arg)
{
    struct starter s = { .before_ms = EVER };
    int r, spawned;

    (void)arg;
    ROOST_NURSERY(n);
    spawned = roost_spawn(n, fail_soon, NULL);
    r = start_sane(&s, roost_start(n, starter_body, &s));
    roost_check(r < 0 && !s.here);
    r = roost_nursery_close(n, 0);
    roost_check(r == (spawned < 0 ? spawned : -EIO));
    return r;
}

int main(int argc, char **argv)
{
    static const struct torture bodies[] = {
        STRICT(starts),
        STRICT(starts_at_once),
        STRICT(starts_then_fails),
        STRICT(starts_within),
        STRICT(fails_before),
        STRICT(ends_without),
        STRICT(never_ready),
        STRICT(hands_over),
        STRICT(service_with_a_handle),
        STRICT(two_pending),
        STRICT(into_a_closing_one),
        STRICT(only_spawned),
        STRICT(nursery_fails_meanwhile),
    };

    return TORTURE_MAIN(bodies, argc, argv);
}
