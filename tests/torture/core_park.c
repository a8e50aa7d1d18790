/* core_park.c - park and wake, lots and events under every fault: no wake-up is
 *               lost, none comes twice.
 */
#include "torture/ledger.h"

/* ---- park and wake ---- */

/* A mailbox of one place, as a library would write it. */
struct mailbox {
    roost_wait *reader; /* parked */
    int undone;
};

static bool give_up(roost_wait *w, void *mailbox)
{
    struct mailbox *m = mailbox;

    roost_check(m->reader == w);
    m->reader = NULL;
    m->undone++;
    return true;
}

static int read_mail(struct mailbox *m, roost_abort_fn *abort)
{
    roost_wait w;
    int r;

    roost_wait_init(&w);
    m->reader = &w;
    r = roost_park(&w, "mail", abort, m);
    roost_check(!m->reader);
    return r;
}

static int brings_mail(void *arg)
{
    struct mailbox *m = arg;
    roost_wait *reader;

    roost_ignore(roost_sleep(ROOST_MS(2)));
    reader = m->reader;
    m->reader = NULL;
    if (reader)
        roost_wake(reader, 42);
    return 0;
}

static int abort_agrees(void *arg)
{
    struct mailbox m = { NULL, 0 };
    int r, spawned;

    (void)arg;
    ROOST_NURSERY(n);
    spawned = roost_spawn(n, brings_mail, &m);
    r = read_mail(&m, give_up);
    roost_check(r == 42 || clean(r) == -ECANCELED);
    roost_check(m.undone == (r == -ECANCELED));
    r = roost_nursery_close(n, r < 0 ? r : 0);
    roost_check(spawned == 0 || r == spawned);
    return r;
}

static bool refuse(roost_wait *w, void *mailbox)
{
    struct mailbox *m = mailbox;

    roost_check(m->reader == w);
    m->undone++;
    return false;
}

/* C9: it stays parked until it is woken, and is asked once. */
static int refused(roost_abort_fn *abort)
{
    struct mailbox m = { NULL, 0 };
    int r, spawned;

    ROOST_NURSERY(n);
    spawned = roost_spawn(n, brings_mail, &m);
    if (spawned < 0)
        return roost_nursery_close(n, 0);
    r = read_mail(&m, abort);
    roost_check(r == 42 && !m.reader && m.undone <= 1, "%d", r);
    return roost_nursery_close(n, roost_checkpoint());
}

static int abort_refuses(void *arg)
{
    (void)arg;
    return refused(refuse);
}

static int no_abort(void *arg)
{
    (void)arg;
    return refused(NULL);
}

/* A wake before the park is kept, also in a cancelled task. */
static int woken_before(void *arg)
{
    roost_wait w;
    int i, r = 0;

    (void)arg;
    for (i = 0; i < 3; i++) {
        ROOST_SCOPE(s);
        roost_wait_init(&w);
        if (i == 1)
            roost_scope_cancel(s, "before the park");
        roost_wake(&w, i);
        r = roost_park(&w, "what has come", NULL, NULL);
        roost_check(r == i);
        r = roost_scope_leave(s, r);
        roost_check(r == i);
    }
    return roost_checkpoint();
}

static bool completes(roost_wait *w, void *waiter)
{
    *(roost_wait **)waiter = NULL;
    roost_wake(w, 11); /* it turns out to be done */
    return true;
}

static int wakes_waiter(void *waiter)
{
    roost_wait **w = waiter, *it;

    roost_ignore(roost_sleep(ROOST_MS(1)));
    it = *w;
    *w = NULL;
    if (it)
        roost_wake(it, 12);
    return 0;
}

/* Done beats cancelled, also when the abort function finds it out. */
static int abort_completes(void *arg)
{
    roost_wait w, *waiting = &w;
    int r, spawned;

    (void)arg;
    ROOST_NURSERY(n);
    spawned = roost_spawn(n, wakes_waiter, &waiting);
    roost_wait_init(&w);
    if (spawned < 0)
        roost_wake(&w, 12);
    r = ROOST_WITHIN(ROOST_SEC(1), roost_park(&w, "an answer", completes,
                                              &waiting));
    roost_check(r == 11 || r == 12, "%d", r);
    return roost_nursery_close(n, roost_checkpoint());
}

/* ---- parking lots ---- */

struct lot {
    roost_lot lot;
    int waiting, woken, homes; /* woken: by the wakers' count; homes: got 0 */
};

static void wake_some(struct lot *l, size_t how_many)
{
    size_t woken = roost_lot_wake(&l->lot, how_many);

    roost_check(woken <= how_many && (woken == how_many || !l->lot.first));
    l->woken += (int)woken;
}

static int waits_in_lot(void *arg)
{
    struct lot *l = arg;
    int r;

    l->waiting++;
    r = clean(roost_lot_wait(&l->lot));
    l->waiting--;
    l->homes += r == 0;
    return r;
}

/* A wake is never lost: C4 C5. */
static int lot_close(struct lot *l, roost_nursery *n, int r)
{
    r = roost_nursery_close(n, r);
    roost_check(l->woken == l->homes, "%d woken, %d went home", l->woken, l->homes);
    roost_check(l->waiting == 0 && !l->lot.first && !l->lot.last);
    return r;
}

static int hands_over(void *arg)
{
    struct lot *l = arg;
    int r = waits_in_lot(l);

    if (r < 0)
        return r;
    roost_ignore(roost_sleep(ROOST_MS(1)));
    wake_some(l, 1);
    return 0;
}

/* Each wakes the next. Who was cut leaves the queue, so it goes on. */
static int hand_over(void *arg)
{
    struct lot l = { { NULL, NULL }, 0, 0, 0 };
    int i, r;

    (void)arg;
    ROOST_NURSERY(n);
    for (i = 0; i < 5; i++)
        roost_spawn(n, hands_over, &l);
    r = clean(roost_sleep(ROOST_MS(1)));
    if (r >= 0)
        wake_some(&l, 1);
    r = lot_close(&l, n, r);
    roost_check(r == 0 || r == -ENOMEM || sane(r) == -ECANCELED);
    return r;
}

static int a_hundred(void *arg)
{
    struct lot l = { { NULL, NULL }, 0, 0, 0 };
    int i, r = 0;

    (void)arg;
    ROOST_NURSERY_WITH(n, .stack_bytes = ROOST_STACK_SMALL);
    for (i = 0; i < 100 && r >= 0; i++)
        r = roost_spawn(n, waits_in_lot, &l);
    r = clean(roost_checkpoint());
    for (i = 0; r >= 0 && l.lot.first && i < 4; i++) {
        wake_some(&l, 10);
        r = clean(roost_checkpoint());
    }
    wake_some(&l, ROOST_ALL);
    return lot_close(&l, n, r);
}

struct gate {
    struct lot l;
    bool open;
};

static int through_gate(void *arg)
{
    struct gate *g = arg;
    int r = 0;

    while (r >= 0 && !g->open)
        r = waits_in_lot(&g->l);
    roost_check(r < 0 || g->open);
    return r;
}

/* The loop around a wait, as every user of a lot writes it. */
static int gate(void *arg)
{
    struct gate g = { { { NULL, NULL }, 0, 0, 0 }, false };
    int i, r;

    (void)arg;
    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++)
        roost_spawn(n, through_gate, &g);
    wake_some(&g.l, ROOST_ALL); /* for nothing */
    r = clean(roost_sleep(ROOST_MS(1)));
    wake_some(&g.l, 2); /* also for nothing: they wait again */
    r = clean(roost_checkpoint());
    g.open = true;
    wake_some(&g.l, ROOST_ALL);
    return lot_close(&g.l, n, r);
}

/* ---- events ---- */

static int waits_for_event(void *event)
{
    roost_event *e = event;
    int r = clean(roost_event_wait(e));

    roost_check(r < 0 || roost_event_is_set(e));
    return r;
}

static int sets_event(void *event)
{
    roost_ignore(roost_sleep(ROOST_MS(2)));
    roost_event_set(event);
    roost_event_set(event);
    return 0;
}

static int events(void *arg)
{
    roost_event e;
    int i, r, spawned;

    (void)arg;
    roost_event_init(&e);
    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++)
        roost_spawn(n, waits_for_event, &e);
    spawned = roost_spawn(n, sets_event, &e);
    r = ROOST_WITHIN(ROOST_SEC(9), roost_event_wait(&e));
    roost_check(r == -ETIMEDOUT || clean(r) <= 0);
    r = roost_nursery_close(n, r == -ETIMEDOUT ? 0 : r);
    roost_check(spawned < 0 || roost_event_is_set(&e));
    return r;
}

struct lent {
    roost_event back;
    char buf[16];
};

/* Writes into what it was lent, whatever is cancelled, and gives it back. */
static int borrows(void *arg)
{
    struct lent *l = arg;

    roost_ignore(ROOST_SHIELDED(ROOST_SEC(2), shielded(roost_sleep(ROOST_MS(3)))));
    memset(l->buf, 'x', sizeof l->buf);
    roost_event_set(&l->back);
    return 0;
}

static int lend(roost_nursery *n)
{
    struct lent l;
    int r;

    roost_event_init(&l.back);
    l.buf[0] = 'y';
    r = roost_spawn(n, borrows, &l);
    if (r < 0)
        return r;
    roost_check(roost_event_join(&l.back) == 0);
    roost_check(l.buf[0] == 'x');
    return roost_checkpoint();
}

/* C1: join waits to the end, so the frame may go. */
static int lent_memory(void *arg)
{
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    r = lend(n);
    if (r >= 0)
        r = lend(n);
    return roost_nursery_close(n, r);
}

/* ---- looking on ---- */

static void draw(void)
{
    static char text[65536];
    FILE *out = fmemopen(text, sizeof text, "w");

    roost_check(out);
    roost_tree_print(out);
    fclose(out);
    roost_check(strstr(text, "main"));
}

static bool draw_and_give_up(roost_wait *w, void *mailbox)
{
    draw(); /* while a cancellation is under way */
    return give_up(w, mailbox);
}

static int draws(void *ledger)
{
    int i, r = 0;

    for (i = 0; i < 3; i++) {
        r = roost_sleep(ROOST_MS(1));
        draw();
    }
    return ledger_cut(ledger, roost__self()->nursery, clean(r));
}

static int tree_while_cancelling(void *arg)
{
    struct ledger l = { 0 };
    struct mailbox m = { NULL, 0 };
    int r;

    (void)arg;
    ROOST_NURSERY_WITH(n, .name = "drawn", .deadline = roost_after(ROOST_MS(5)));
    KID(n, &l, .ms = EVER, .cleanup_ms = 2);
    KID_WITH(n, ((roost_spawn_options){ .service = true }), &l, .ms = EVER);
    ledger_failure(&l, roost_spawn(n, draws, &l));
    r = ROOST_WITHIN(ROOST_MS(9), read_mail(&m, draw_and_give_up));
    roost_check(r == -ETIMEDOUT || r == -ECANCELED);
    draw();
    return ledger_close(&l, n, r == -ETIMEDOUT ? 0 : r);
}

int main(int argc, char **argv)
{
    static const struct torture bodies[] = {
        STRICT(abort_agrees),
        STRICT(abort_refuses),
        STRICT(no_abort),
        STRICT(woken_before),
        STRICT(abort_completes),
        STRICT(hand_over),
        STRICT(a_hundred),
        STRICT(gate),
        STRICT(events),
        STRICT(lent_memory),
        STRICT(tree_while_cancelling),
    };

    return TORTURE_MAIN(bodies, argc, argv);
}
