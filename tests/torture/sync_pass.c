/* sync_pass.c - what tasks hand each other under every fault: items that own
 *               memory, and wake-ups by events and lots.
 *
 * What a channel loses here is memory that nobody frees. Of wake-ups as many are
 * felt as lot_wake says that it gave (C4).
 */
#include "torture/ledger.h"

#include <stdlib.h>

/* ---- items that own memory ---- */

struct pipeline {
    struct ledger l;
    roost_chan *in, *out;
};

static int makes(void *arg)
{
    struct pipeline *p = arg;
    char *block = NULL;
    int i, r = 0;

    ledger_begins(&p->l);
    for (i = 0; i < 4 && r == 0; i++) {
        block = malloc(10);
        r = block ? roost_chan_send(p->in, &block) : -ENOMEM;
        if (r < 0)
            free(block);
    }
    roost_chan_close(p->in);
    return ledger_ends(&p->l, r == -EPIPE ? 0 : r);
}

static int relays(void *arg)
{
    struct pipeline *p = arg;
    char *block;
    int r;

    ledger_begins(&p->l);
    while ((r = roost_chan_recv(p->in, &block)) == 1)
        if ((r = roost_chan_send(p->out, &block)) < 0) {
            free(block);
            break;
        }
    roost_chan_close(p->in);
    roost_chan_close(p->out);
    return ledger_ends(&p->l, r == -EPIPE ? 0 : r);
}

static int uses(void *arg)
{
    struct pipeline *p = arg;
    char *block;
    int r;

    ledger_begins(&p->l);
    while ((r = roost_chan_recv(p->out, &block)) == 1) {
        r = clean(roost_sleep(ROOST_MS(1)));
        free(block);
        if (r < 0)
            break;
    }
    roost_chan_close(p->out);
    return ledger_ends(&p->l, r);
}

static void empty(roost_chan *c)
{
    char *block;

    while (c && roost_chan_recv_nowait(c, &block) == 1)
        free(block);
    roost_chan_free(c);
}

/* What is lost here is memory that nobody frees. */
static int items_that_own(void *arg)
{
    struct pipeline p = { .in = roost_chan_new(sizeof(char *), 1),
                          .out = roost_chan_new(sizeof(char *), 0) };
    int r = -ENOMEM;

    (void)arg;
    if (p.in && p.out) {
        ROOST_NURSERY(n);
        ledger_spawned(&p.l, roost_spawn(n, makes, &p));
        ledger_spawned(&p.l, roost_spawn(n, relays, &p));
        ledger_spawned(&p.l, roost_spawn(n, uses, &p));
        r = ledger_close(&p.l, n, 0);
    }
    empty(p.in);
    empty(p.out);
    return r;
}

/* ---- events ---- */

struct gate {
    struct ledger l;
    roost_event e;
    int felt;
};

static int waits_at_gate(void *arg)
{
    struct gate *g = arg;
    int r;

    ledger_begins(&g->l);
    r = clean(roost_event_wait(&g->e));
    if (r == 0) {
        roost_check(roost_event_is_set(&g->e));
        g->felt++;
    }
    return ledger_ends(&g->l, r);
}

/* A join is no cancellation point, it always feels it. */
static int joins_at_gate(void *arg)
{
    struct gate *g = arg;

    ledger_begins(&g->l);
    roost_check(roost_event_join(&g->e) == 0);
    roost_check(roost_event_is_set(&g->e));
    return ledger_ends(&g->l, clean(roost_event_wait(&g->e))); /* at once */
}

static int sets_gate(void *arg)
{
    struct gate *g = arg;
    int r;

    ledger_begins(&g->l);
    r = clean(roost_sleep(ROOST_MS(1)));
    roost_event_set(&g->e);
    roost_event_set(&g->e);
    return ledger_ends(&g->l, r);
}

static int an_event(void *arg)
{
    struct gate g = { .felt = 0 };
    int i, r;

    (void)arg;
    roost_event_init(&g.e);
    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++)
        ledger_spawned(&g.l, roost_spawn(n, waits_at_gate, &g));
    r = ROOST_WITHIN(ROOST_US(500), roost_event_wait(&g.e));
    roost_check(r == -ETIMEDOUT || r == -ECANCELED || roost_event_is_set(&g.e));
    if (ledger_spawned(&g.l, roost_spawn(n, sets_gate, &g)) < 0)
        roost_event_set(&g.e);
    ledger_spawned(&g.l, roost_spawn(n, joins_at_gate, &g));
    r = ledger_close(&g.l, n, clean(roost_event_wait(&g.e)));
    roost_check(roost_event_is_set(&g.e) && g.felt <= 3);
    return r;
}

/* ---- lots ---- */

struct yard {
    struct ledger l;
    roost_lot lot;
    size_t given, felt;
    bool over;
};

static int waits_in_yard(void *arg)
{
    struct yard *y = arg;
    int r = 0;

    ledger_begins(&y->l);
    while (!y->over && r == 0) {
        r = clean(roost_lot_wait(&y->lot));
        y->felt += r == 0;
    }
    return ledger_ends(&y->l, r);
}

static int wakes_yard(void *arg)
{
    struct yard *y = arg;
    size_t woken;
    int i, r = 0;

    ledger_begins(&y->l);
    for (i = 0; i < 3 && r == 0; i++) {
        r = clean(roost_sleep(ROOST_MS(1)));
        woken = roost_lot_wake(&y->lot, 2);
        roost_check(woken <= 2);
        y->given += woken;
    }
    y->over = true;
    y->given += roost_lot_wake(&y->lot, ROOST_ALL);
    return ledger_ends(&y->l, r);
}

static int a_lot(void *arg)
{
    struct yard y = { .given = 0 };
    int i, r;

    (void)arg;
    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++)
        ledger_spawned(&y.l, roost_spawn(n, waits_in_yard, &y));
    ledger_spawned(&y.l, roost_spawn(n, wakes_yard, &y));
    r = ROOST_WITHIN(ROOST_US(1500), roost_lot_wait(&y.lot));
    roost_check(r == 0 || r == -ETIMEDOUT || r == -ECANCELED);
    y.felt += r == 0;
    r = ledger_close(&y.l, n, r == -ETIMEDOUT ? 0 : sane(r));
    roost_check(y.given == y.felt, "%zu given, %zu felt", y.given, y.felt);
    return r;
}

int main(int argc, char **argv)
{
    static const struct torture bodies[] = {
        STRICT(items_that_own),
        STRICT(an_event),
        STRICT(a_lot),
    };

    return TORTURE_MAIN(bodies, argc, argv);
}
