/* os_signal.c - receivers of signals under every fault: what was raised is seen, by
 *               each receiver, at least once and never for nothing (X6); with the
 *               last one the action of before is back.
 */
#include "torture/ledger.h"

#include <signal.h>

enum { KINDS = 3 };

static const int kinds[KINDS] = { SIGUSR1, SIGUSR2, SIGHUP };

static int kind_of(int sig)
{
    return sig == SIGUSR1 ? 0 : sig == SIGUSR2 ? 1 : 2;
}

struct post {
    struct ledger l;
    roost_signals s[2]; /* two receivers of all kinds */
    int count;          /* receivers */
    int raised[2][KINDS], taken[2][KINDS];
    bool due[2][KINDS]; /* raised, and nobody has taken one since */
    bool over;
};

/* ---- before and after ---- */

static bool is_default(int sig)
{
    struct sigaction now;

    roost_check(sigaction(sig, NULL, &now) == 0);
    return now.sa_handler == SIG_DFL;
}

static void all_default(void)
{
    int i;

    for (i = 0; i < KINDS; i++)
        roost_check(is_default(kinds[i]));
}

static int open_all(struct post *p, int count)
{
    static const int list[] = { SIGUSR1, SIGUSR2, SIGHUP, SIGUSR1, 0 };
    int r;

    for (; p->count < count; p->count++) {
        r = roost_signals_open(&p->s[p->count], list);
        roost_check(r == 0 || r == -ENOMEM || r == -EMFILE, "it gave %d", r);
        if (r < 0)
            return r;
        roost_check(!is_default(SIGUSR2));
    }
    return 0;
}

/* Equal ones merge, so that fewer are taken, but not none after the last. */
static void note_taken(struct post *p, int which, int sig)
{
    int k = kind_of(sig);

    roost_check(sig == kinds[k]);
    roost_check(++p->taken[which][k] <= p->raised[which][k],
                "%d came for nothing", sig);
    p->due[which][k] = false;
}

/* What is left has waited there. */
static void close_all(struct post *p)
{
    int i, k, r;

    for (i = 0; i < p->count; i++) {
        while ((r = roost_signals_nowait(&p->s[i])) > 0)
            note_taken(p, i, r);
        roost_check(r == -EAGAIN || r == -EBADF);
        for (k = 0; k < KINDS; k++)
            roost_check(!p->due[i][k] || r == -EBADF, "%d was lost", kinds[k]);
        roost_signals_close(&p->s[i]);
        roost_signals_close(&p->s[i]);
    }
    all_default();
}

static void raise_one(struct post *p, int kind)
{
    int i;

    for (i = 0; i < p->count; i++) {
        p->due[i][kind] = true;
        p->raised[i][kind]++;
    }
    raise(kinds[kind]);
}

/* ---- those who wait ---- */

struct reader {
    struct post *p;
    int which, patience_us, pause_ms;
};

static int take_one(const struct reader *w)
{
    roost_signals *s = &w->p->s[w->which];
    int cut = roost_cancelled();
    int r = w->patience_us ? ROOST_WITHIN(ROOST_US(w->patience_us),
                                          roost_signals_wait(s))
                           : ROOST_IDLE(roost_signals_wait(s));

    roost_check(r > 0 || r == -ECANCELED || r == -ETIMEDOUT || r == -EBADF,
                "it gave %d", r);
    roost_check(cut == 0 || r == -ECANCELED); /* C1 */
    if (sane(r) > 0)
        note_taken(w->p, w->which, r);
    return r;
}

static int takes(void *arg)
{
    const struct reader w = *(struct reader *)arg;
    int r;

    ledger_begins(&w.p->l);
    do {
        r = take_one(&w);
        if (r > 0 && w.pause_ms)
            r = clean(roost_sleep(ROOST_MS(w.pause_ms)));
    } while (r >= 0 || (r == -ETIMEDOUT && !w.p->over));
    return ledger_ends(&w.p->l, r == -ECANCELED ? r : 0);
}

static int raises(void *arg)
{
    struct post *p = arg;
    int i, r = 0;

    ledger_begins(&p->l);
    for (i = 0; i < 6 && r >= 0; i++) {
        raise_one(p, i % KINDS);
        if (i % 2)
            r = clean(roost_sleep(ROOST_MS(1)));
    }
    p->over = true;
    return ledger_ends(&p->l, r);
}

/* They wait until they are closed or have lost patience; services end of
 * themselves. */
static int deliver(struct post *p, struct reader w, int readers)
{
    static const roost_spawn_options service = { .service = true,
                                                 .copy_bytes = sizeof w };
    int i, r;

    ROOST_NURSERY(n);
    for (i = 0; i < readers; i++) {
        w.p = p;
        w.which = i % p->count;
        ledger_spawned(&p->l, roost_spawn_with(n, takes, &w, &service));
    }
    ledger_spawned(&p->l, roost_spawn(n, raises, p));
    r = clean(roost_checkpoint());
    raise_one(p, 0);
    return ledger_close(&p->l, n, r);
}

static int signals_of(int receivers, int readers, struct reader w)
{
    struct post p = { .count = 0 };
    int r = open_all(&p, receivers);

    if (r >= 0)
        r = deliver(&p, w, readers);
    close_all(&p);
    return r;
}

static int one_reader(void *arg)
{
    (void)arg;
    return signals_of(1, 1, (struct reader){ .pause_ms = 0 });
}

static int slow_reader(void *arg)
{
    (void)arg;
    return signals_of(1, 1, (struct reader){ .pause_ms = 2 });
}

static int impatient_reader(void *arg)
{
    (void)arg;
    return signals_of(1, 1, (struct reader){ .patience_us = 700 });
}

static int three_at_one(void *arg)
{
    (void)arg;
    return signals_of(1, 3, (struct reader){ .pause_ms = 1 });
}

static int two_receivers(void *arg)
{
    (void)arg;
    return signals_of(2, 3, (struct reader){ .pause_ms = 1 });
}

/* ---- closed while they wait ---- */

static int closed(void *arg)
{
    struct post p = { .count = 0 };
    struct reader w = { .p = &p };
    int i, r = open_all(&p, 1);

    (void)arg;
    if (r >= 0) {
        ROOST_NURSERY(n);
        for (i = 0; i < 3; i++)
            ledger_spawned(&p.l, roost_spawn_copy(n, takes, &w, sizeof w));
        r = clean(roost_sleep(ROOST_MS(1)));
        raise_one(&p, 1);
        if (r >= 0)
            r = clean(roost_checkpoint());
        roost_signals_close(&p.s[0]);
        all_default();
        r = ledger_close(&p.l, n, r);
    }
    close_all(&p);
    return r;
}

/* ---- refused ---- */

static void not_ours(int sig)
{
    (void)sig;
}

static int refused(void *arg)
{
    static const int list[] = { SIGUSR1, SIGUSR2, 0 };
    static const int never[] = { SIGUSR1, SIGKILL, 0 };
    roost_signals s;
    int r;

    (void)arg;
    r = roost_signals_open(&s, never);
    roost_check(r == -EINVAL || r == -ENOMEM || r == -EMFILE);
    all_default();
    signal(SIGUSR2, not_ours);
    r = roost_signals_open(&s, list);
    roost_check(r == -EBUSY || r == -ENOMEM || r == -EMFILE);
    roost_check(is_default(SIGUSR1) && !is_default(SIGUSR2));
    roost_check(roost_signals_nowait(&s) == -EBADF);
    roost_signals_close(&s);
    signal(SIGUSR2, SIG_DFL);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct torture bodies[] = {
        STRICT(one_reader),
        STRICT(slow_reader),
        STRICT(impatient_reader),
        STRICT(three_at_one),
        STRICT(two_receivers),
        STRICT(closed),
        STRICT(refused),
    };

    return TORTURE_MAIN(bodies, argc, argv);
}
