/* traffic.h - streams of known bytes over pipes and socket pairs, and claims
 *             about each call that moves or waits for them.
 *
 * Whoever includes it defines _GNU_SOURCE first, and points `broken` somewhere.
 */
#ifndef ROOST_TESTS_RULES_TRAFFIC_H
#define ROOST_TESTS_RULES_TRAFFIC_H

#include "rules/fds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "core/sched.h"

enum { PAIRS = 4, ENDS = 2 * PAIRS, CHAOS = 5, MOST = 24000 };
enum { FOREVER = 20000 }; /* ms; passes only if something is lost */

/* One end of a pipe or socket pair. */
struct end {
    roost_fd *f; /* NULL: closed */
    int number, gen, inside[2];
    bool socket;
};

/* A stream, from an end to its peer. */
struct lane {
    struct end *from, *to;
    long total, sent, got;
    bool writing, reading; /* by one of us */
    roost_time put_at, got_at;
};

struct call;

static struct world {
    struct end end[ENDS];
    struct lane lane[ENDS]; /* a socket pair has two */
    int ends, lanes;
    uint64_t random;
    bool virtual;
    long ops;
    struct call *call[CHAOS + 2 * ENDS]; /* that others may cancel */
    int calls;
} w;

static char *broken; /* the first claim that does not hold; 300 bytes */

#define CLAIM(cond, ...)                                                     \
    do {                                                                     \
        if (!(cond) && !broken[0])                                           \
            snprintf(broken, 300, ROOST_SITE ": " #cond ": " __VA_ARGS__);   \
    } while (0)

static int below(int n)
{
    return (int)(roost__random_next(&w.random) % (uint64_t)n);
}

static char byte_at(const struct lane *l, long at)
{
    return (char)(at * 7 + (at >> 8) * 3 + (l - w.lane) * 31);
}

/* ---- one call, in a scope that others may cancel ---- */

struct call {
    roost_scope s;
    struct end *e; /* NULL: none of ours */
    int gen, slot, side;
};

static void begin(struct call *c, struct end *e, int side, int limit_ms)
{
    roost_time limit = ROOST_MS(limit_ms);

    if (limit_ms < FOREVER && !w.virtual)
        limit /= 8;
    roost_scope_enter(&c->s, roost_after(limit));
    c->e = e;
    c->side = side;
    c->gen = e ? e->gen : 0;
    c->slot = w.calls++;
    w.call[c->slot] = c;
    w.ops++;
    if (!below(8))
        roost__rt->current->s.budget = 1; /* it yields before it looks (C6) */
    if (e)
        e->inside[side]++;
}

/* true: the limit has passed and cut the call off. */
static bool over(struct call *c, int r)
{
    w.calls--;
    w.call[c->slot] = w.call[w.calls];
    w.call[c->slot]->slot = c->slot;
    if (c->e)
        c->e->inside[c->side]--;
    CLAIM(r != -ECANCELED || roost_scope_cancelled(&c->s), "no reason");
    if (c->e && c->gen != c->e->gen)
        CLAIM(r == -EBADF || r == -ECANCELED, "it is gone, result %d", r);
    else if (c->e)
        CLAIM(r != -EBADF, "it is open");
    CLAIM(r != -EBUSY || (c->e && c->e->inside[c->side]), "nobody waits");
    return roost_scope_leave(&c->s, r) == -ETIMEDOUT;
}

static void pause_ms(int ms)
{
    struct call c;

    begin(&c, NULL, 0, FOREVER);
    CLAIM(!over(&c, roost_sleep(w.virtual ? ROOST_MS(ms) : ROOST_US(ms * 50))),
          "a sleep is lost");
}

/* ---- streams ---- */

static int chunk(void)
{
    return 1 + (below(4) ? below(700) : below(9000));
}

/* Of what nobody could do anything about while time stood still. */
static void claim_nothing_was_lost(bool possible, roost_time since, int limit)
{
    CLAIM(limit < FOREVER, "a wake-up is lost");
    CLAIM(!w.virtual || !possible || since >= roost_now(),
          "it was ready before the limit");
}

/* Either form of a call. Messages queue up where bytes are -EBUSY. */
static int put(struct end *e, char *buf, int n)
{
    struct iovec part = { buf, (size_t)n };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };

    return e->socket && below(2) ? roost_fd_sendmsg(e->f, &msg, 0)
                                 : roost_fd_write(e->f, buf, (size_t)n);
}

static int get(struct end *e, char *buf, int n)
{
    struct iovec part = { buf, (size_t)n };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };

    return e->socket && below(2) ? roost_fd_recvmsg(e->f, &msg, 0)
                                 : roost_fd_read(e->f, buf, (size_t)n);
}

/* One write. false: nobody will read. */
static bool write_some(struct lane *l, int limit)
{
    static char scratch[2 * PAIRS + CHAOS][9000];
    char *buf = scratch[l - w.lane];
    int n = chunk(), i, r;
    struct call c;

    for (i = 0; i < n; i++)
        buf[i] = byte_at(l, l->sent + i);
    l->writing = true;
    begin(&c, l->from, 1, limit);
    r = put(l->from, buf, n);
    l->writing = false;
    if (r > 0) {
        l->sent += r;
        l->put_at = roost_now();
    }
    if (over(&c, r))
        claim_nothing_was_lost(l->sent == l->got && limit, l->got_at, limit);
    if (r != -EPIPE && r != -ECONNRESET) {
        CLAIM(r > 0 || r == -EBUSY || r == -EBADF || r == -ECANCELED, "%d", r);
        return true;
    }
    CLAIM(!l->to->f, "somebody reads");
    return false;
}

static void take(struct lane *l, const char *buf, int n)
{
    int i;

    for (i = 0; i < n; i++)
        CLAIM(buf[i] == byte_at(l, l->got + i), "byte %ld of %ld", l->got + i,
              l->sent);
    l->got += n;
    l->got_at = roost_now();
}

/* One read. false: the end. */
static bool read_some(struct lane *l, int limit)
{
    char buf[9000];
    struct call c;
    int r;

    l->reading = true;
    begin(&c, l->to, 0, limit);
    r = get(l->to, buf, chunk());
    l->reading = false;
    if (r > 0)
        take(l, buf, r);
    if (over(&c, r))
        claim_nothing_was_lost(l->sent > l->got && limit, l->put_at, limit);
    if (r == -ECONNRESET) {
        CLAIM(!l->from->f, "nobody hung up");
    } else if (r == 0) {
        CLAIM(!l->from->f, "the other end is open");
        CLAIM(l->got == l->sent, "%ld of %ld bytes", l->got, l->sent);
    } else {
        CLAIM(r > 0 || r == -EBUSY || r == -EBADF || r == -ECANCELED, "%d", r);
    }
    return r != 0;
}

static int some_limit(void)
{
    return below(3) ? FOREVER : below(4);
}

static int writes_all(void *arg)
{
    struct lane *l = arg;

    while (l->sent < l->total && l->from->f && !broken[0])
        if (!below(4) || l->writing || l->from->inside[1])
            pause_ms(1 + below(3));
        else if (!write_some(l, some_limit()))
            break;
    return 0;
}

static int reads_all(void *arg)
{
    struct lane *l = arg;

    while (l->got < l->total && l->to->f && !broken[0])
        if (!below(8) || l->reading || l->to->inside[0])
            pause_ms(1 + below(3));
        else if (!read_some(l, some_limit()))
            break;
    return 0;
}

#endif
