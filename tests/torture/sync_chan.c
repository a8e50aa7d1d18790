/* sync_chan.c - channels under every fault: each item that was sent is received
 *               exactly once or is still in the channel; what was not sent is still
 *               its sender's (C4, C5, X1).
 *
 * Who ends his work closes the channel if he is the last of his kind, so that
 * nobody waits in vain for one who was cut alone.
 */
#include "torture/ledger.h"

enum { EACH = 8, ITEMS = 4 * EACH }; /* of one sender; of all */

struct traffic {
    struct ledger l;
    roost_chan *c;
    size_t capacity;
    int senders, receivers; /* at work */
    int sent[ITEMS], got[ITEMS];
};

/* ---- one item ---- */

/* What a wait on the channel may say; `good` is its success. */
static int chan_sane(int r, int good)
{
    roost_check(r == good || r == -ECANCELED || r == -ETIMEDOUT ||
                (good == 0 ? r == -EPIPE : r == 0), "it gave %d", r);
    return sane(r);
}

static void note_sent(struct traffic *t, int item, int r)
{
    roost_check(t->sent[item] == 0);
    t->sent[item] = r == 0;
    roost_check(r == 0 || t->got[item] == 0, "received, but its send gave %d", r);
}

static void note_got(struct traffic *t, int item)
{
    roost_check(item >= 0 && item < ITEMS);
    roost_check(t->got[item]++ == 0, "item %d came twice", item);
}

/* `patience_ms` 0: without end. */
static int send_item(struct traffic *t, int item, int patience_ms)
{
    int cut = roost_cancelled();
    int r = patience_ms ? ROOST_WITHIN(ROOST_MS(patience_ms),
                                       roost_chan_send(t->c, &item))
                        : roost_chan_send(t->c, &item);

    roost_check(cut == 0 || r == -ECANCELED); /* C1 */
    note_sent(t, item, chan_sane(r, 0));
    return r;
}

static int recv_item(struct traffic *t, int *ret_item, int patience_ms)
{
    int item = -1, cut = roost_cancelled();
    int r = patience_ms ? ROOST_WITHIN(ROOST_MS(patience_ms),
                                       roost_chan_recv(t->c, &item))
                        : ROOST_IDLE(roost_chan_recv(t->c, &item));

    roost_check(cut == 0 || r == -ECANCELED);
    roost_check(r == 1 || item == -1, "it took one, and gave %d", r);
    if (chan_sane(r, 1) == 1) {
        note_got(t, item);
        *ret_item = item;
    }
    return r;
}

/* ---- those who send and receive ---- */

struct worker {
    struct traffic *t;
    int first, count; /* items */
    int pause_ms, patience_ms;
};

static int pause_of(const struct worker *w)
{
    return w->pause_ms ? clean(roost_sleep(ROOST_MS(w->pause_ms))) : 0;
}

/* A timeout is no reason to give the item up. */
static int sends(void *arg)
{
    const struct worker *w = arg;
    int i, r = 0;

    ledger_begins(&w->t->l);
    for (i = 0; i < w->count && r == 0; i++) {
        do
            r = send_item(w->t, w->first + i, w->patience_ms);
        while (r == -ETIMEDOUT);
        if (r == 0)
            r = pause_of(w);
    }
    if (--w->t->senders == 0)
        roost_chan_close(w->t->c);
    return ledger_ends(&w->t->l, r == -EPIPE ? 0 : r);
}

/* Of each sender they come in order. */
static int receives(void *arg)
{
    const struct worker *w = arg;
    int last[ITEMS / EACH] = { -1, -1, -1, -1 }, item = 0, r;

    ledger_begins(&w->t->l);
    while ((r = recv_item(w->t, &item, w->patience_ms)) != 0) {
        if (r == -ETIMEDOUT)
            continue;
        if (r < 0)
            break;
        roost_check(last[item / EACH] < item);
        last[item / EACH] = item;
        if ((r = pause_of(w)) < 0)
            break;
    }
    if (--w->t->receivers == 0)
        roost_chan_close(w->t->c);
    return ledger_ends(&w->t->l, r);
}

static int employ(roost_nursery *n, roost_task_fn *fn, struct worker w)
{
    return ledger_spawned(&w.t->l, roost_spawn_copy(n, fn, &w, sizeof w));
}

/* ---- before and after ---- */

static int open_traffic(struct traffic *t, size_t capacity)
{
    *t = (struct traffic){ .capacity = capacity };
    t->c = roost_chan_new(sizeof(int), capacity);
    return t->c ? 0 : -ENOMEM;
}

/* When nobody is at it any more. */
static void end_traffic(struct traffic *t)
{
    size_t left = 0;
    int item, r;

    while ((r = roost_chan_recv_nowait(t->c, &item)) == 1) {
        note_got(t, item);
        left++;
    }
    roost_check(r == 0 || r == -EAGAIN);
    roost_check(left <= t->capacity);
    for (item = 0; item < ITEMS; item++)
        roost_check(t->sent[item] == t->got[item], "item %d: sent %d, came %d",
                    item, t->sent[item], t->got[item]);
    roost_chan_free(t->c);
}

struct plan {
    size_t capacity;
    int senders, receivers, count;
    int send_pause_ms, recv_pause_ms, send_patience_ms, recv_patience_ms;
};

static int traffic_of(const struct plan *p)
{
    struct traffic t;
    int i, r = open_traffic(&t, p->capacity);

    if (r < 0)
        return r;
    t.senders = p->senders;
    t.receivers = p->receivers;
    ROOST_NURSERY(n);
    for (i = 0; i < p->senders; i++)
        employ(n, sends, (struct worker){ &t, i * EACH, p->count,
                                          p->send_pause_ms,
                                          p->send_patience_ms });
    for (i = 0; i < p->receivers; i++)
        employ(n, receives, (struct worker){ .t = &t,
                                             .pause_ms = p->recv_pause_ms,
                                             .patience_ms = p->recv_patience_ms });
    r = ledger_close(&t.l, n, 0);
    end_traffic(&t);
    return r;
}

#define TRAFFIC(name, ...)                                  \
    static int name(void *arg)                              \
    {                                                       \
        (void)arg;                                          \
        return traffic_of(&(struct plan){ __VA_ARGS__ });   \
    }

TRAFFIC(rendezvous, .senders = 1, .receivers = 1, .count = 3)
TRAFFIC(rendezvous_of_many, .senders = 3, .receivers = 2, .count = 3)
TRAFFIC(rendezvous_slow_receiver, .senders = 2, .receivers = 1, .count = 3,
        .recv_pause_ms = 2)
TRAFFIC(buffered, .capacity = 2, .senders = 1, .receivers = 1, .count = 5)
TRAFFIC(buffered_slow_receivers, .capacity = 2, .senders = 2, .receivers = 2,
        .count = 4, .recv_pause_ms = 2)
TRAFFIC(buffered_slow_senders, .capacity = 3, .senders = 2, .receivers = 3,
        .count = 3, .send_pause_ms = 1)
TRAFFIC(many_to_one, .capacity = 1, .senders = 4, .receivers = 1, .count = 2)
TRAFFIC(one_to_many, .capacity = 1, .senders = 1, .receivers = 4, .count = 8)
TRAFFIC(many_to_many, .capacity = 1, .senders = 3, .receivers = 3, .count = 4,
        .send_pause_ms = 1, .recv_pause_ms = 1)
TRAFFIC(impatient, .senders = 2, .receivers = 2, .count = 3, .send_pause_ms = 3,
        .recv_pause_ms = 5, .send_patience_ms = 2, .recv_patience_ms = 1)
TRAFFIC(impatient_buffered, .capacity = 1, .senders = 2, .receivers = 1, .count = 4,
        .recv_pause_ms = 3, .send_patience_ms = 3)

/* ---- closed while they wait ---- */

static int closed_on_senders(void *arg)
{
    struct traffic t;
    int i, r = open_traffic(&t, 1);

    (void)arg;
    if (r < 0)
        return r;
    t.senders = 9;
    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++)
        employ(n, sends, (struct worker){ .t = &t, .first = i * EACH,
                                          .count = 2 });
    r = clean(roost_sleep(ROOST_MS(1)));
    roost_chan_close(t.c);
    roost_chan_close(t.c);
    r = ledger_close(&t.l, n, r);
    roost_check(roost_chan_send_nowait(t.c, &i) == -EPIPE);
    end_traffic(&t);
    return r;
}

static int closed_on_receivers(void *arg)
{
    struct traffic t;
    int i, r = open_traffic(&t, 2);

    (void)arg;
    if (r < 0)
        return r;
    t.receivers = 9;
    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++)
        employ(n, receives, (struct worker){ .t = &t });
    r = send_item(&t, 0, 0);
    if (r >= 0)
        r = clean(roost_sleep(ROOST_MS(1)));
    if (r >= 0)
        r = send_item(&t, 1, 0);
    roost_chan_close(t.c);
    r = ledger_close(&t.l, n, r);
    end_traffic(&t);
    return r;
}

/* ---- without waiting ---- */

static int nowait(void *arg)
{
    struct traffic t;
    int item, r = open_traffic(&t, 2);

    (void)arg;
    if (r < 0)
        return r;
    t.receivers = 1;
    ROOST_NURSERY(n);
    employ(n, receives, (struct worker){ .t = &t, .pause_ms = 1 });
    for (item = 0; item < 6 && r != -EPIPE; item++) {
        r = roost_chan_send_nowait(t.c, &item);
        roost_check(r == 0 || r == -EAGAIN || r == -EPIPE);
        note_sent(&t, item, r);
        if (r == -EAGAIN && (r = clean(roost_sleep(ROOST_US(700)))) < 0)
            break;
    }
    roost_chan_close(t.c);
    r = ledger_close(&t.l, n, r == -EPIPE ? 0 : r);
    end_traffic(&t);
    return r;
}

/* ---- who waits goes first ---- */

/* X1: room goes to the sender that waits for it, not to one that comes by. */
static int no_passing(void *arg)
{
    struct traffic t;
    int item = 2, r = open_traffic(&t, 1);

    (void)arg;
    if (r < 0)
        return r;
    t.senders = 1;
    ROOST_NURSERY(n);
    employ(n, sends, (struct worker){ .t = &t, .count = 2 });
    r = roost_test_wait_parked(t.c, 1);
    if (r == 0 && (r = recv_item(&t, &item, 0)) == 1) {
        roost_check(item == 0);
        roost_check(roost_chan_send_nowait(t.c, &item) == -EAGAIN);
    }
    roost_chan_close(t.c);
    r = ledger_close(&t.l, n, r == -EDEADLK ? 0 : clean(r));
    end_traffic(&t);
    return r;
}

/* ---- cancelled as it is taken ---- */

struct cut_send {
    struct traffic *t;
    roost_scope *s;
};

static int sends_in_scope(void *arg)
{
    struct cut_send *c = arg;
    roost_scope s;
    int r;

    ledger_begins(&c->t->l);
    roost_scope_enter(&s, ROOST_NEVER);
    c->s = &s;
    r = send_item(c->t, 0, 0);
    c->s = NULL;
    roost_chan_close(c->t->c);
    r = roost_scope_leave(&s, r);
    return ledger_ends(&c->t->l, r == -EPIPE ? 0 : r);
}

static int cuts_it(void *arg)
{
    struct cut_send *c = arg;
    int r;

    ledger_begins(&c->t->l);
    r = clean(roost_sleep(ROOST_MS(1)));
    if (c->s)
        roost_scope_cancel(c->s, "taken or not");
    return ledger_ends(&c->t->l, r);
}

/* The one who takes and the one who cancels are ready at the same instant. */
static int cut_as_it_is_taken(void *arg)
{
    struct traffic t;
    struct cut_send c = { .t = &t };
    int item, r = open_traffic(&t, 0);

    (void)arg;
    if (r < 0)
        return r;
    ROOST_NURSERY(n);
    ledger_spawned(&t.l, roost_spawn(n, sends_in_scope, &c));
    ledger_spawned(&t.l, roost_spawn(n, cuts_it, &c));
    r = clean(roost_sleep(ROOST_MS(1)));
    if (r >= 0)
        r = recv_item(&t, &item, 1);
    roost_chan_close(t.c);
    r = ledger_close(&t.l, n, r == -ETIMEDOUT ? 0 : r);
    end_traffic(&t);
    return r > 0 ? 0 : r;
}

int main(int argc, char **argv)
{
    static const struct torture bodies[] = {
        STRICT(rendezvous),
        STRICT(rendezvous_of_many),
        STRICT(rendezvous_slow_receiver),
        STRICT(buffered),
        STRICT(buffered_slow_receivers),
        STRICT(buffered_slow_senders),
        STRICT(many_to_one),
        STRICT(one_to_many),
        STRICT(many_to_many),
        STRICT(impatient),
        STRICT(impatient_buffered),
        STRICT(closed_on_senders),
        STRICT(closed_on_receivers),
        STRICT(nowait),
        STRICT(no_passing),
        STRICT(cut_as_it_is_taken),
    };

    return TORTURE_MAIN(bodies, argc, argv);
}
