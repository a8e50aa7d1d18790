/* core_nursery.c - nurseries under every fault: who comes home, and with what.
 *
 * What each body asks at its closes is in ledger.h; it adds what is its own.
 */
#include "torture/ledger.h"

/* ---- children ---- */

/* N9: nobody was cut, so the body's result is not thrown away. */
static int of_none(void *arg)
{
    (void)arg;
    ROOST_NURSERY(n);
    roost_check(roost_nursery_count(n) == 0);
    roost_check(roost_nursery_close(n, 5) == 5);
    return 0;
}

static int of_one(void *arg)
{
    struct ledger l = { 0 };

    (void)arg;
    ROOST_NURSERY(n);
    KID(n, &l, .ms = 5);
    roost_check(roost_nursery_count(n) == (size_t)l.spawned);
    return ledger_close(&l, n, 3);
}

static int of_three(void *arg)
{
    struct ledger l = { 0 };

    (void)arg;
    ROOST_NURSERY(n);
    KID(n, &l, .ms = 0);
    KID(n, &l, .ms = 3, .cleanup_ms = 2);
    KID(n, &l, .ms = 5);
    return ledger_close(&l, n, clean(roost_sleep(ROOST_MS(1))));
}

static int of_forty(void *arg)
{
    struct ledger l = { 0 };
    int i;

    (void)arg;
    ROOST_NURSERY_WITH(n, .stack_bytes = ROOST_STACK_SMALL);
    for (i = 0; i < 40; i++)
        KID(n, &l, .ms = i % 4);
    return ledger_close(&l, n, 0);
}

/* ---- failures ---- */

/* N3: those that wait for ever are cancelled in the same turn. */
static int child_fails(void *arg)
{
    struct ledger l = { 0 };

    (void)arg;
    ROOST_NURSERY(n);
    KID(n, &l, .ms = EVER);
    KID(n, &l, .ms = 2, .result = -EIO, .cut = -EIO);
    KID(n, &l, .ms = EVER, .cleanup_ms = 3);
    return ledger_close(&l, n, clean(roost_sleep_until(ROOST_NEVER)));
}

static int body_fails(void *arg)
{
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    KID(n, &l, .ms = EVER);
    KID(n, &l, .ms = EVER);
    roost_ignore(roost_sleep(ROOST_MS(1)));
    r = ledger_close(&l, n, -EPIPE);
    roost_check(r == l.first);
    return r;
}

/* N4: the failures of cleaning up, after a cancellation by hand, beat it. */
static int all_fail_when_cut(void *arg)
{
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    KID(n, &l, .ms = EVER, .cut = -EBADF);
    KID(n, &l, .ms = EVER, .cut = -EIO, .cleanup_ms = 1);
    KID(n, &l, .ms = EVER);
    roost_ignore(roost_sleep(ROOST_MS(2)));
    roost_nursery_cancel(n, "enough");
    r = ledger_close(&l, n, roost_checkpoint());
    roost_check(r < 0 && r != -ECANCELED);
    return r;
}

/* More failures than the first record has room for beside it. */
static int twelve_fail(void *arg)
{
    struct ledger l = { 0 };
    int i, r;

    (void)arg;
    ROOST_NURSERY(n);
    for (i = 0; i < 12; i++)
        KID(n, &l, .ms = i % 3, .result = -EIO - i, .cut = -ENXIO);
    r = ledger_close(&l, n, 0);
    roost_check(r == l.first && l.failed >= l.ended);
    return r;
}

/* ---- trees ---- */

struct branch {
    struct ledger *l;
    int depth, leaf_result;
};

static int branch_body(void *arg);

static int grow(const struct branch *b)
{
    struct ledger l = { 0 };
    struct branch below = { &l, b->depth - 1, b->leaf_result };
    int i;

    ROOST_NURSERY(n);
    for (i = 0; i < 2; i++)
        ledger_spawned(&l, roost_spawn(n, branch_body, &below));
    return ledger_close(&l, n, 0);
}

static int branch_body(void *arg)
{
    const struct branch *b = arg;
    int r;

    ledger_begins(b->l);
    if (b->depth > 0)
        return ledger_ends(b->l, grow(b));
    r = clean(roost_sleep(ROOST_MS(2)));
    return ledger_ends(b->l, r >= 0 ? b->leaf_result : r);
}

static int children_of_children(void *arg)
{
    (void)arg;
    return grow(&(struct branch){ NULL, 3, 0 });
}

/* A leaf's failure goes up through all of them. */
static int leaves_fail(void *arg)
{
    (void)arg;
    return grow(&(struct branch){ NULL, 2, -EMLINK });
}

struct breeder {
    struct ledger *l;
    roost_nursery *n;
    int left;
};

/* N6: into the nursery that it lives in, which may be closing. */
static int breed(void *arg)
{
    struct breeder b = *(struct breeder *)arg;
    int r;

    ledger_begins(b.l);
    r = clean(roost_sleep(ROOST_MS(1)));
    if (b.left-- > 0)
        ledger_spawned(b.l, roost_spawn_copy(b.n, breed, &b, sizeof b));
    return ledger_ends(b.l, r);
}

static int into_their_own(void *arg)
{
    struct ledger l = { 0 };
    struct breeder b = { &l, NULL, 4 };

    (void)arg;
    ROOST_NURSERY(n);
    b.n = n;
    ledger_spawned(&l, roost_spawn_copy(n, breed, &b, sizeof b));
    return ledger_close(&l, n, 0);
}

/* N7: each runs to its first checkpoint all the same. */
static int into_a_cancelled_one(void *arg)
{
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    KID(n, &l, .ms = EVER);
    roost_nursery_cancel(n, "from the start");
    KID(n, &l, .ms = EVER);
    KID(n, &l, .ms = 2);
    r = ledger_close(&l, n, 4);
    roost_check(l.first || r == -ECANCELED || r == 4);
    return r;
}

/* ---- cancellation of the nursery itself ---- */

static int deadline_passes(void *arg)
{
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY_WITH(n, .name = "bounded", .deadline = roost_after(ROOST_MS(2)));
    KID(n, &l, .ms = EVER);
    KID(n, &l, .ms = EVER, .cleanup_ms = 4);
    r = ledger_close(&l, n, 0);
    roost_check(r < 0 || !l.ended || !roost_scope_cancelled(roost_nursery_scope(n)));
    return r;
}

static int cancels(void *nursery)
{
    roost_ignore(roost_sleep(ROOST_MS(3)));
    roost_nursery_cancel(nursery, "by a child");
    return 0;
}

static int cancelled_by_a_child(void *arg)
{
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    KID(n, &l, .ms = EVER);
    ledger_failure(&l, roost_spawn(n, cancels, n));
    r = clean(roost_sleep_until(ROOST_NEVER));
    r = ledger_close(&l, n, r);
    roost_check(r != -ETIMEDOUT);
    return r;
}

/* ---- other forms ---- */

static int run_body(roost_nursery *n, void *arg)
{
    struct ledger *l = arg;

    KID(n, l, .ms = 3);
    KID(n, l, .ms = 1);
    return clean(roost_sleep(ROOST_MS(2)));
}

static int run_with_a_body(void *arg)
{
    struct ledger l = { 0 };
    int r = roost_nursery_run(run_body, &l);

    (void)arg;
    ledger_all_home(&l);
    roost_check(!l.first || r == l.first);
    return l.first ? r : clean(r);
}

struct typed {
    struct ledger *l;
    int ms;
};

ROOST_TASK(typed)(struct typed *a)
{
    ledger_begins(a->l);
    return ledger_ends(a->l, clean(roost_sleep(ROOST_MS(a->ms))));
}

ROOST_TASK_OF(struct ledger, on_ledger)(struct ledger *l)
{
    ledger_begins(l);
    return ledger_ends(l, clean(roost_checkpoint()));
}

static int typed_forms(void *arg)
{
    struct ledger l = { 0 };
    struct typed prepared = { &l, 2 };

    (void)arg;
    ROOST_NURSERY(n);
    ledger_spawned(&l, roost_go(n, typed, .l = &l, .ms = 1));
    ledger_spawned(&l, roost_go_copy(n, typed, &prepared));
    ledger_spawned(&l, roost_go_on(n, on_ledger, &l));
    ledger_spawned(&l, roost_go_on(n, on_ledger, &l, .name = "named",
                                   .stack_bytes = ROOST_STACK_SMALL));
    return ledger_close(&l, n, 0);
}

/* N11: what cannot be spawned is the nursery's failure. */
static int too_big(void *arg)
{
    static char block[5000];
    struct ledger l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    KID(n, &l, .ms = EVER);
    r = ledger_spawned(&l, roost_spawn_copy(n, kid_body, block, sizeof block));
    roost_check(r == -E2BIG);
    r = ledger_spawned(&l, roost_spawn_with(n, kid_body, block,
                                            &(roost_spawn_options){
                                                .stack_bytes = SIZE_MAX / 2 }));
    roost_check(r == -EINVAL);
    r = ledger_close(&l, n, 0);
    roost_check(r == l.first);
    return r;
}

int main(int argc, char **argv)
{
    static const struct torture bodies[] = {
        STRICT(of_none),
        STRICT(of_one),
        STRICT(of_three),
        STRICT(of_forty),
        STRICT(child_fails),
        STRICT(body_fails),
        STRICT(all_fail_when_cut),
        STRICT(twelve_fail),
        STRICT(children_of_children),
        STRICT(leaves_fail),
        STRICT(into_their_own),
        STRICT(into_a_cancelled_one),
        STRICT(deadline_passes),
        STRICT(cancelled_by_a_child),
        STRICT(run_with_a_body),
        STRICT(typed_forms),
        STRICT(too_big),
    };

    return TORTURE_MAIN(bodies, argc, argv);
}
