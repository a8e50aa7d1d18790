/* core_random.c - random programs of nurseries, scopes, shields, starts and
 *                 services, nested into each other, under every fault.
 *
 * A program is drawn from its number, so that it is the same in every run, and a
 * part of it is drawn from where it stands in it, so that a fault in one does not
 * change the others. Each part holds its own results against the rules; what comes
 * out of it is >= 0, a real failure, or the -ECANCELED of who called it.
 */
#include "torture/ledger.h"

struct part {
    uint64_t id;
    int depth; /* what may still be nested in it */
};

/* A part of it, the how-manieth. */
static struct part inner(const struct part *p, unsigned number)
{
    uint64_t z = p->id * UINT64_C(0x9e3779b97f4a7c15) + number + 1;

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (struct part){ z ^ (z >> 31), p->depth - 1 };
}

/* A number below n, one for each `which`. */
static int draw(const struct part *p, unsigned which, unsigned n)
{
    struct part q = inner(p, 1000 + which);

    return (int)(q.id % n);
}

static int play(const struct part *p);

static int play_inner(const struct part *p, unsigned number)
{
    struct part q = inner(p, number);

    return play(&q);
}

/* ---- children ---- */

struct actor {
    struct part part;
    struct ledger *l;
    bool starts;
};

static int act(void *arg)
{
    const struct actor a = *(const struct actor *)arg;
    int r;

    ledger_begins(a.l);
    r = play(&a.part);
    if (a.starts && r >= 0) {
        roost_started(3);
        r = play_inner(&a.part, 1);
    }
    return ledger_ends(a.l, r);
}

static int spawn(roost_nursery *n, struct ledger *l, struct part part,
                 roost_spawn_options o)
{
    struct actor a = { part, l, false };

    o.copy_bytes = sizeof a;
    o.stack_bytes = stack_bytes(l->spawned);
    return ledger_spawned(l, roost_spawn_with(n, act, &a, &o));
}

/* ---- the plain parts ---- */

static int idle(const struct part *p)
{
    switch (draw(p, 1, 4)) {
    case 0:
        return clean(roost_checkpoint());
    case 1:
        return clean(roost_sleep_until(roost_after(ROOST_US(draw(p, 2, 3000)))));
    case 2:
        roost_ignore(roost_sleep(ROOST_US(500)));
        return roost_cancelled();
    default:
        return clean(roost_sleep(ROOST_MS(draw(p, 2, 4))));
    }
}

static int fail_sometimes(const struct part *p)
{
    int r = idle(p);

    if (draw(p, 3, 5) == 0) /* also when cancelled: N4 */
        return roost_fail(-EIO - draw(p, 4, 9), "drawn");
    return r;
}

/* ---- what nests ---- */

static int bounded(const struct part *p)
{
    int r = ROOST_WITHIN(ROOST_US(draw(p, 1, 5000)), play_inner(p, 1));

    if (r == -ECANCELED || r == -ETIMEDOUT)
        sane(r);
    return r == -ETIMEDOUT ? 0 : r;
}

/* No cancellation from outside comes in: the budget is larger than any part. */
static int in_a_shield(const struct part *p)
{
    int r = ROOST_SHIELDED(ROOST_SEC(20), shielded(play_inner(p, 1)));

    return r >= 0 ? clean(roost_checkpoint()) : r;
}

static int nursery(const struct part *p)
{
    static const roost_spawn_options plain, service = { .service = true };
    struct ledger l = { 0 };
    int i, count = 1 + draw(p, 1, 3), r;

    ROOST_NURSERY_WITH(n, .deadline = draw(p, 2, 3) == 0
                                          ? roost_after(ROOST_US(draw(p, 3, 4000)))
                                          : ROOST_NEVER);
    for (i = 0; i < count; i++)
        spawn(n, &l, inner(p, (unsigned)i), draw(p, 4 + (unsigned)i, 4) == 0
                                                ? service : plain);
    r = ledger_close(&l, n, play_inner(p, 9));
    return r == -ETIMEDOUT ? 0 : r;
}

static int cancel_it(void *scope)
{
    roost_ignore(roost_sleep(ROOST_MS(2)));
    roost_scope_cancel(scope, "drawn");
    return 0;
}

static int cancelled(const struct part *p)
{
    struct ledger l = { 0 };
    int r;

    ROOST_NURSERY(n);
    ROOST_SCOPE(s);
    ledger_failure(&l, roost_spawn(n, cancel_it, s));
    r = play_inner(p, 1);
    if (r >= 0)
        r = clean(roost_sleep_until(ROOST_NEVER));
    r = roost_scope_leave(s, r);
    if (r == -ECANCELED)
        sane(r);
    return ledger_close(&l, n, r);
}

/* N10: until it has started it is the caller's; its failure too. */
static int started(const struct part *p)
{
    struct ledger before = { 0 };
    struct actor a = { inner(p, 1), &before, true };
    int r, closed;

    ROOST_NURSERY(n);
    before.spawned = 1;
    r = roost_start_copy(n, act, &a, sizeof a);
    roost_check(r < 0 || r == 3);
    roost_check(r >= 0 || before.ran == before.ended);
    if (r == -ECANCELED)
        sane(r);
    closed = roost_nursery_close(n, 0);
    roost_check(before.ran == before.ended && before.ran <= 1);
    roost_check(r >= 0 || closed == 0);
    roost_check(closed == before.first || closed == 0 || sane(closed) == -ECANCELED);
    return r < 0 ? r : closed;
}

static int ended(const struct part *p)
{
    struct ledger l = { 0 };
    roost_child c = { 0 };
    int r;

    ROOST_NURSERY(n);
    spawn(n, &l, inner(p, 1), (roost_spawn_options){ .child = &c });
    r = play_inner(p, 2);
    if (draw(p, 1, 2))
        roost_check(roost_child_end(&c, "drawn") >= 0 || l.first);
    return ledger_close(&l, n, r);
}

struct late {
    struct part part;
    struct ledger *l;
    int result; /* of the body */
};

/* The task ends here, not with its body. */
static int put_off(void *arg)
{
    struct late *late = arg;
    int r = idle(&late->part);

    ledger_ends(late->l, late->result);
    return r;
}

static int deferring(void *arg)
{
    struct late *late = arg;
    int r;

    ledger_begins(late->l);
    r = roost_defer(put_off, late);
    if (r < 0)
        return ledger_ends(late->l, r);
    return late->result = play_inner(&late->part, 1);
}

static int deferred(const struct part *p)
{
    struct ledger l = { 0 };
    struct late late = { inner(p, 1), &l, 0 };

    ROOST_NURSERY(n);
    ledger_spawned(&l, roost_spawn(n, deferring, &late));
    return ledger_close(&l, n, play_inner(p, 2));
}

/* ---- the whole ---- */

static int play_one(const struct part *p)
{
    switch (p->depth > 0 ? draw(p, 0, 12) : draw(p, 0, 3)) {
    case 0: case 1: return idle(p);
    case 2: return fail_sometimes(p);
    case 3: case 4: return bounded(p);
    case 5: return in_a_shield(p);
    case 6: case 7: return nursery(p);
    case 8: return cancelled(p);
    case 9: return started(p);
    case 10: return ended(p);
    default: return deferred(p);
    }
}

/* One to three in sequence. */
static int play(const struct part *p)
{
    unsigned i, count = 1 + (unsigned)draw(p, 99, 3);
    int r = 0;

    for (i = 0; i < count && r >= 0; i++) {
        struct part q = inner(p, 100 + i);

        q.depth = p->depth;
        r = play_one(&q);
        roost_check(r != -ETIMEDOUT);
    }
    return r;
}

static uint64_t others; /* with another TORTURE_SEED */

static int program(uint64_t number)
{
    struct part p = { others * 16 + number, number % 2 ? 3 : 4 };

    return nursery(&p);
}

#define PROGRAM(number)                     \
    static int program_##number(void *arg)  \
    {                                       \
        (void)arg;                          \
        return program(number);             \
    }
PROGRAM(1) PROGRAM(2) PROGRAM(3) PROGRAM(4) PROGRAM(5) PROGRAM(6) PROGRAM(7)
PROGRAM(8) PROGRAM(9) PROGRAM(10) PROGRAM(11) PROGRAM(12) PROGRAM(13) PROGRAM(14)
PROGRAM(15) PROGRAM(16)

int main(int argc, char **argv)
{
    static const struct torture bodies[] = {
        STRICT(program_1),  STRICT(program_2),  STRICT(program_3),
        STRICT(program_4),  STRICT(program_5),  STRICT(program_6),
        STRICT(program_7),  STRICT(program_8),  STRICT(program_9),
        STRICT(program_10), STRICT(program_11), STRICT(program_12),
        STRICT(program_13), STRICT(program_14), STRICT(program_15),
        STRICT(program_16),
    };
    const char *seed = getenv("TORTURE_SEED");

    others = seed ? strtoull(seed, NULL, 0) : 0;
    return TORTURE_MAIN(bodies, argc, argv);
}
