/* core_task.c - what a task has of its own, under every fault: deferred functions,
 *               locals, words for errors, the clock.
 */
#include "torture/ledger.h"

/* ---- deferred functions ---- */

/* They run in reverse, each once: the next to run has the highest number. */
struct defers {
    int made, ran;
};

struct deferred {
    struct defers *of;
    int number, result;
};

static int run_deferred(void *arg)
{
    struct deferred *d = arg;

    d->of->ran++;
    roost_check(d->number == d->of->made - d->of->ran, "number %d is the %d. of %d",
                d->number, d->of->ran, d->of->made);
    return d->result;
}

/* T6: together under one shield with a budget of 5 s. */
static int run_deferred_slowly(void *arg)
{
    roost_ignore(shielded(roost_sleep(ROOST_MS(3))));
    return run_deferred(arg);
}

static int defer_next(struct defers *s, struct deferred *d, roost_task_fn *fn)
{
    int r;

    *d = (struct deferred){ s, s->made, d->result };
    r = roost_defer(fn, d);
    roost_check(r == 0 || r == -ENOMEM);
    s->made += r == 0;
    return r;
}

/* More than the list has room for at first. */
static int defers_many(void *arg)
{
    struct deferred *d = arg;
    int i, r = 0;

    for (i = 0; r >= 0 && i < 12; i++) {
        r = defer_next(d->of, &d[i], i % 4 == 3 ? run_deferred_slowly : run_deferred);
        if (r >= 0 && i % 5 == 0)
            r = clean(roost_checkpoint());
    }
    return r >= 0 ? clean(roost_sleep(ROOST_MS(2))) : r;
}

static int deferred_in_children(void *arg)
{
    struct defers s[2] = { { 0 }, { 0 } };
    struct deferred d[2][12] = { { { 0 } } };
    int i, r;

    (void)arg;
    ROOST_NURSERY(n);
    for (i = 0; i < 2; i++) {
        d[i][0].of = &s[i];
        roost_spawn(n, defers_many, d[i]);
    }
    r = roost_nursery_close(n, 0);
    for (i = 0; i < 2; i++)
        roost_check(s[i].ran == s[i].made, "%d of %d ran", s[i].ran, s[i].made);
    roost_check(r == 0 || r == -ENOMEM || sane(r) == -ECANCELED);
    return r;
}

/* Of the main task itself; what they use must outlive its body. */
static int deferred_in_main(void *arg)
{
    static struct defers s;
    static struct deferred d[3];
    int i, r = 0;

    (void)arg;
    s = (struct defers){ 0 };
    for (i = 0; i < 3 && r >= 0; i++)
        r = defer_next(&s, &d[i], run_deferred_slowly);
    return r >= 0 ? clean(roost_sleep(ROOST_MS(1))) : r;
}

static int defers_failures(void *arg)
{
    struct deferred *d = arg;
    int i, r = 0;

    for (i = 0; i < 3 && r >= 0; i++) {
        d[i].result = i == 1 ? 0 : -EIO - i;
        r = defer_next(d->of, &d[i], run_deferred);
    }
    return r >= 0 ? clean(roost_sleep(ROOST_MS(1))) : r;
}

/* A real failure of one beats a cancellation of the body. */
static int deferred_fails(void *arg)
{
    struct defers s = { 0 };
    struct deferred d[3] = { { 0 } };
    int r;

    (void)arg;
    d[0].of = &s;
    ROOST_NURSERY(n);
    roost_spawn(n, defers_failures, d);
    r = roost_nursery_close(n, 0);
    roost_check(s.ran == s.made);
    /* The last one made is the first to fail. */
    roost_check(r == (s.made == 3 ? -EIO - 2 : -ENOMEM), "%d", r);
    return r;
}

struct home {
    struct ledger l;
    int done;
};

static int deferred_nursery(void *arg)
{
    struct home *h = arg;
    int r;

    ROOST_NURSERY(n);
    KID(n, &h->l, .ms = 2);
    KID(n, &h->l, .ms = 1);
    r = roost_nursery_close(n, 0);
    ledger_all_home(&h->l);
    roost_check(r == h->l.first || r == shielded(-ECANCELED));
    h->done++;
    return r;
}

static int defers_a_nursery(void *home)
{
    int r = roost_defer(deferred_nursery, home);

    return r < 0 ? r : clean(roost_sleep(ROOST_MS(1)));
}

static int deferred_children(void *arg)
{
    struct home h = { { 0 }, 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, defers_a_nursery, &h);
    r = roost_nursery_close(n, 0);
    roost_check(h.done == 1 || r == -ENOMEM);
    roost_check(r == 0 || r == -ENOMEM || sane(r) == -ECANCELED);
    return r;
}

/* ---- locals ---- */

static char one[] = "1", two[] = "2", three[] = "3";
static roost_local first_key = { "first", NULL };
static roost_local second_key = { "second", three };

/* T4: as they were at the spawn; a set that fails changes nothing. */
static int set_and_look(const roost_local *key, void *value)
{
    const roost_local *other = key == &first_key ? &second_key : &first_key;
    void *before = roost_local_get(key), *beside = roost_local_get(other);
    int r = roost_local_set(key, value);

    roost_check(r == 0 || r == -ENOMEM);
    roost_check(roost_local_get(key) == (r == 0 ? value : before));
    roost_check(roost_local_get(other) == beside);
    return r;
}

static int inherits(void *expected)
{
    int r;

    roost_check(roost_local_get(&first_key) == expected);
    r = set_and_look(&first_key, two);
    if (r >= 0)
        r = set_and_look(&second_key, two);
    if (r >= 0)
        r = set_and_look(&first_key, three);
    if (r >= 0)
        r = clean(roost_sleep(ROOST_MS(1)));
    roost_check(r < 0 || roost_local_get(&second_key) == two);
    return r;
}

static int locals(void *arg)
{
    int r, closed;

    (void)arg;
    roost_check(!roost_local_get(&first_key));
    ROOST_NURSERY(n);
    r = set_and_look(&second_key, one);
    if (r >= 0)
        r = set_and_look(&first_key, one);
    if (r >= 0) {
        roost_spawn(n, inherits, one);
        r = set_and_look(&first_key, three);
    }
    if (r >= 0) {
        roost_spawn(n, inherits, three);
        r = clean(roost_sleep(ROOST_MS(2)));
    }
    closed = roost_nursery_close(n, r);
    roost_check(r < 0 || roost_local_get(&first_key) == three);
    roost_check(r < 0 || roost_local_get(&second_key) == one);
    return closed;
}

/* ---- words ---- */

static int fails_with_words(void *arg)
{
    int i, r = clean(roost_sleep(ROOST_MS(1)));

    if (r < 0)
        return roost_fail(r, "while asleep");
    for (i = 0; i < 10; i++)
        r = roost_fail(-EIO, "step %d of %s", i, (const char *)arg);
    roost_check(roost_error_of(-EIO));
    return r;
}

/* What it prints is read back. */
static void print_words(int r)
{
    char text[8192] = "";
    FILE *out = fmemopen(text, sizeof text, "w");

    roost_check(out);
    roost_error_print(out, roost_error_of(r));
    fclose(out);
    roost_check(text[0] != '\0' && strchr(text, '\n'));
}

static int chains(void *arg)
{
    int r, i;

    (void)arg;
    ROOST_NURSERY(n);
    ROOST_NURSERY(inner);
    for (i = 0; i < 3; i++)
        roost_spawn(inner, fails_with_words, one);
    r = roost_nursery_close(inner, 0);
    roost_check(r == -EIO || r == -ENOMEM || r == 0 || sane(r) == -ECANCELED);
    print_words(r);
    if (r < 0)
        r = roost_fail(r, "of the inner ones");
    r = roost_nursery_close(n, r);
    print_words(r);
    return r;
}

/* R2: what was dropped is there for others; so there are words at the end. */
static int words_are_given_back(void *arg)
{
    int i;

    (void)arg;
    for (i = 0; i < 300; i++)
        roost_ignore(roost_fail(i % 20 > 3 ? -EIO : -EPERM - i % 2, "again and again"));
    for (i = 0; i < 20; i++) {
        ROOST_NURSERY(n);
        roost_spawn(n, fails_with_words, two);
        roost_ignore(roost_nursery_close(n, roost_fail(-ENXIO, "of the body")));
    }
    roost_check(roost_error_of(roost_fail(-EIO, "there is room")));
    return roost_checkpoint();
}

static int hoards_words(void *code)
{
    int i;

    for (i = 0; i < 8; i++)
        roost_ignore(roost_fail(*(int *)code, "word %d", i));
    roost_ignore(roost_sleep(ROOST_MS(1)));
    return *(int *)code;
}

/* R2: more records than the pool has; codes are never lost. */
static int more_words_than_room(void *arg)
{
    int code = -ENOSPC, i, r, failed = 0;

    (void)arg;
    ROOST_NURSERY_WITH(n, .stack_bytes = ROOST_STACK_SMALL);
    for (i = 0; i < 18 && !failed; i++)
        failed = roost_spawn(n, hoards_words, &code);
    r = roost_nursery_close(n, 0);
    roost_check(r == (failed ? failed : code));
    print_words(r);
    roost_check(roost_error_of(roost_fail(-EIO, "there is room again")));
    return roost_checkpoint();
}

/* ---- the clock ---- */

static int sleeps(void *arg)
{
    roost_time at = roost_after(ROOST_MS(7)), began = roost_now();
    int r = clean(roost_sleep(ROOST_MS(3)));

    (void)arg;
    roost_check(r < 0 || roost_now() >= began + ROOST_MS(3));
    if (r >= 0)
        r = clean(ROOST_IDLE(roost_sleep_until(at)));
    roost_check(r < 0 || roost_now() >= at);
    if (r >= 0)
        r = clean(roost_sleep_until(began)); /* has passed */
    if (r >= 0)
        r = clean(roost_sleep((roost_time)(roost_random() % 1000)));
    return r >= 0 ? clean(roost_sleep(-5)) : r;
}

struct turns {
    roost_lot lot;
    int woken, ran;
};

static int takes_turns(void *arg)
{
    struct turns *t = arg;
    int r;

    while ((r = clean(roost_lot_wait(&t->lot))) == 0)
        t->ran++;
    return r;
}

static int yields(void *arg)
{
    int i, r = 0;

    (void)arg;
    for (i = 0; i < 5 && r >= 0; i++)
        r = clean(roost_checkpoint());
    return r;
}

/* C7: what was ready before runs first, in any order of tasks; then it looks. */
static int checkpoints(void *arg)
{
    struct turns t = { { NULL, NULL }, 0, 0 };
    int i, r = 0;

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, takes_turns, &t);
    roost_spawn(n, yields, NULL);
    roost_spawn(n, yields, NULL);
    for (i = 0; i < 5 && r >= 0; i++) {
        t.woken += (int)roost_lot_wake(&t.lot, 1);
        r = clean(roost_checkpoint());
        roost_check(r < 0 || t.ran == t.woken, "%d of %d", t.ran, t.woken);
        roost_check(r < 0 || !roost_cancelled());
    }
    roost_nursery_cancel(n, "enough");
    return roost_nursery_close(n, r);
}

/* A long computation that looks now and then; and why it was cut. */
static int computes(void *arg)
{
    char text[4096] = "";
    FILE *out;
    int i;

    (void)arg;
    for (i = 0; i < 6; i++) {
        if (roost_cancelled() < 0)
            break;
        roost_ignore(roost_sleep(ROOST_US(100)));
    }
    out = fmemopen(text, sizeof text, "w");
    roost_check(out);
    roost_why(out, NULL);
    fclose(out);
    roost_check(i == 6 || strlen(text) > 10);
    return roost_cancelled();
}

int main(int argc, char **argv)
{
    static const struct torture bodies[] = {
        STRICT(deferred_in_children),
        STRICT(deferred_in_main),
        STRICT(deferred_fails),
        STRICT(deferred_children),
        STRICT(locals),
        STRICT(chains),
        STRICT(words_are_given_back),
        STRICT(more_words_than_room),
        STRICT(sleeps),
        STRICT(checkpoints),
        STRICT(computes),
    };

    return TORTURE_MAIN(bodies, argc, argv);
}
