/* ledger.h - who was spawned, who came home, who failed first.
 *
 * One ledger for one nursery: each spawn and each child writes into it, and the
 * close is held against it. What is asked there holds whatever was injected:
 *
 *     N1     all that were spawned ran and have ended
 *     N2 N4  the first failure in time is the verdict, before any cancellation
 *     N2     without one, -ECANCELED if somebody was cut from outside, -ETIMEDOUT
 *            if the nursery's own deadline cut somebody
 *     N9     without any of these the body's result comes back
 *
 * A child may be cut alone at any wait: its -ECANCELED then means nothing to the
 * nursery, so a body must not wait for what only that child would do.
 */
#ifndef ROOST_TESTS_LEDGER_H
#define ROOST_TESTS_LEDGER_H

#include "core/rt.h"
#include "torture/torture.h"

/* Bodies in which nobody waits in vain for a child that was cancelled alone. */
#define STRICT(f) TORTURE_WITH(f, .stalls = true)
#define STRICT_WITH(f, ...) TORTURE_WITH(f, .stalls = true, __VA_ARGS__)

struct ledger {
    int spawned, ran, ended, failed;
    int first; /* failure in time; 0: none */
    bool cut_outside, cut_deadline; /* somebody was: N2 */
};

/* Somebody ends with -ECANCELED: whose cancellation is it? */
static inline int ledger_cut(struct ledger *l, const roost_nursery *n, int r)
{
    if (r == -ECANCELED && n->scope.parent->effective)
        l->cut_outside = true;
    else if (r == -ECANCELED && n->scope.cause == CAUSE_DEADLINE)
        l->cut_deadline = true;
    return r;
}

static inline void ledger_failure(struct ledger *l, int r)
{
    if (r >= 0 || r == -ECANCELED)
        return;
    l->failed++;
    if (!l->first)
        l->first = r;
}

/* The result of a spawn; it goes through. */
static inline int ledger_spawned(struct ledger *l, int r)
{
    roost_check(r <= 0);
    l->spawned += r == 0;
    ledger_failure(l, r);
    return r;
}

/* A child's first and last act. */
static inline void ledger_begins(struct ledger *l)
{
    l->ran++;
    roost_check(l->ran <= l->spawned);
}

static inline int ledger_ends(struct ledger *l, int r)
{
    const roost_task *t = roost__self();

    l->ended++;
    ledger_failure(l, r);
    if (!t->s.service || t->nursery->services.cause != CAUSE_CLOSE)
        ledger_cut(l, t->nursery, r);
    return r;
}

static inline void ledger_all_home(const struct ledger *l)
{
    roost_check(l->ran == l->spawned && l->ended == l->ran,
                "%d spawned, %d ran, %d ended", l->spawned, l->ran, l->ended);
}

/* A wait or a leave: what it may say of cancellation. */
static inline int sane(int r)
{
    if (r == -ECANCELED)
        roost_check(roost_cancelled() == -ECANCELED);
    if (r == -ETIMEDOUT)
        roost_check(roost_scope_caught(NULL));
    return r;
}

/* A shield around us was used up: a stop's last phase, or torture, pierced it. */
static inline bool pierced(void)
{
    const roost_scope *s;

    for (s = roost__self()->scope; s; s = s->parent)
        if (s->kind == SCOPE_SHIELD && s->used_up)
            return true;
    return false;
}

/* What is done behind a shield whose budget is larger than all it takes: nothing
 * but its piercing can cut it. */
static inline int shielded(int r)
{
    roost_check(r != -ECANCELED || pierced());
    return r;
}

/* A wait that nothing but a cancellation can fail. */
static inline int clean(int r)
{
    roost_check(r >= 0 || r == -ECANCELED, "it gave %d", r);
    return sane(r);
}

/* The verdict by the rules. A cancellation that comes when the close is entered
 * may still have cut the body. */
static inline int ledger_wants(const struct ledger *l, const roost_nursery *n,
                               int body, int r)
{
    bool late = body == -ECANCELED && (r == -ECANCELED || r == -ETIMEDOUT);
    struct ledger now = *l;

    if (late)
        ledger_cut(&now, n, body);
    if (l->first)
        return l->first;
    if (now.cut_outside && r == -ECANCELED)
        return -ECANCELED;
    if (l->cut_outside)
        return -ECANCELED;
    if (l->cut_deadline || (now.cut_deadline && r == -ETIMEDOUT))
        return -ETIMEDOUT;
    return body == -ECANCELED ? 0 : body;
}

static inline void ledger_verdict(const struct ledger *l, roost_nursery *n,
                                  int body, int r)
{
    int wanted = ledger_wants(l, n, body, r);

    roost_check(r == wanted, "it is %d, not %d, of a body's %d", r, wanted, body);
    ledger_all_home(l);
    if (r == -ECANCELED)
        roost_check(roost_cancelled() == -ECANCELED);
    if (l->first || r != -ETIMEDOUT)
        return;
    roost_check(roost_scope_caught(roost_nursery_scope(n)));
    roost_check(roost_scope_cancelled(roost_nursery_scope(n)));
}

static inline int ledger_close(struct ledger *l, roost_nursery *n, int body)
{
    int r;

    ledger_failure(l, body);
    roost_cancelled(); /* looks at the clock, as close will */
    ledger_cut(l, n, body);
    r = roost_nursery_close(n, body);
    ledger_verdict(l, n, body, r);
    return r;
}

/* ---- a child whose whole behaviour is in its argument ---- */

struct kid {
    struct ledger *l;
    int ms;         /* it sleeps so long; EVER: until it is cut */
    int result;     /* if nobody cut it */
    int cut;        /* if it was cut; 0: -ECANCELED */
    int cleanup_ms; /* what it then takes, under a shield */
    bool *here;     /* true while it runs */
};

#define EVER (-1)

static inline int kid_sleep(const struct kid *k)
{
    int r = k->ms == EVER ? roost_sleep_until(ROOST_NEVER)
                          : roost_sleep(ROOST_MS(k->ms));

    roost_check(r == 0 || r == -ECANCELED);
    roost_check(k->ms != EVER || r == -ECANCELED);
    if (r < 0)
        roost_check(roost_cancelled() == -ECANCELED);
    return r;
}

static inline int kid_body(void *arg)
{
    const struct kid *k = arg;
    int r;

    ledger_begins(k->l);
    if (k->here)
        *k->here = true;
    r = kid_sleep(k);
    if (r < 0 && k->cleanup_ms)
        roost_ignore(ROOST_SHIELDED(ROOST_SEC(1), shielded(roost_sleep(
                         ROOST_MS(k->cleanup_ms)))));
    if (k->here)
        *k->here = false;
    return ledger_ends(k->l, r >= 0 ? k->result : k->cut ? k->cut : r);
}

/* KID(n, &ledger, .ms = 3, .result = -EIO): a spawn; it has its result. */
#define KID(n, ...) KID_WITH(n, (roost_spawn_options){ 0 }, __VA_ARGS__)
#define KID_WITH(n, options, ...) \
    kid_spawn(n, options, &(struct kid){ __VA_ARGS__ })

/* Stacks of other sizes are memory of their own: so not only the first spawn of a
 * run asks for some, which may be refused. */
static inline size_t stack_bytes(int number)
{
    return (size_t)(number % 4) * 300000;
}

static inline int kid_spawn(roost_nursery *n, roost_spawn_options o,
                            struct kid *k)
{
    o.copy_bytes = sizeof *k;
    if (!n->o.stack_bytes)
        o.stack_bytes = stack_bytes(k->l->spawned);
    return ledger_spawned(k->l, roost_spawn_with(n, kid_body, k, &o));
}

#endif
