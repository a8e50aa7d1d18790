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

enum { PAIRS = 4, ENDS = 2 * PAIRS, CHAOS = 5, MOST = 24000 };
#define LOOKS_AN_OP 6

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

static struct shared {
    uint64_t seed, programs;
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
    r = roost_fd_write(l->from->f, buf, (size_t)n);
    l->writing = false;
    if (r > 0) {
        l->sent += r;
        l->put_at = roost_now();
    }
    if (over(&c, r))
        claim_nothing_was_lost(l->sent == l->got && limit, l->got_at, limit);
    if (r != -EPIPE && r != -ECONNRESET) {
        CLAIM(r > 0 || r == -EBUSY || r == -EBADF || r == -ECANCELED, "r %d", r);
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
    r = roost_fd_read(l->to->f, buf, (size_t)chunk());
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
        CLAIM(r > 0 || r == -EBUSY || r == -EBADF || r == -ECANCELED, "r %d", r);
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

    while (l->sent < l->total && l->from->f && !shared->broken[0])
        if (l->writing || l->from->inside[1])
            pause_ms(1);
        else if (!write_some(l, some_limit()))
            break;
    return 0;
}

static int reads_all(void *arg)
{
    struct lane *l = arg;

    while (l->got < l->total && l->to->f && !shared->broken[0])
        if (l->reading || l->to->inside[0])
            pause_ms(1);
        else if (!read_some(l, some_limit()))
            break;
    return 0;
}

/* ---- chaos ---- */

static void wait_for(struct end *e)
{
    int mask = 1 + below(3), side = mask == 2, r;
    struct call c;

    begin(&c, e, side, below(4));
    if (mask == 3)
        e->inside[1]++;
    r = roost_fd_wait(e->f, mask);
    if (mask == 3)
        e->inside[1]--;
    CLAIM(r < 0 || (r && !(r & ~mask)), "wanted %d, r %d", mask, r);
    over(&c, r);
}

static void wait_for_numbers(void)
{
    roost_fd_ready items[3] = { { .fd = -1 }, { .fd = -1 }, { .fd = -1 } };
    int gens = 0, before = 0, i, n = 0, r;
    struct call c;

    for (i = 0; i < w.ends; i++)
        before += w.end[i].gen;
    for (i = 0; i < 3; i++) {
        struct end *e = &w.end[below(w.ends)];

        if (e->f && below(4))
            items[i] = (roost_fd_ready){ .fd = e->number, .mask = 1 + below(3) };
        n += items[i].fd >= 0;
    }
    begin(&c, NULL, 0, below(4));
    if (n == 1 && items[0].fd >= 0)
        r = items[0].ret_mask = roost_wait_fd(items[0].fd, items[0].mask);
    else
        r = roost_wait_fds(items, 3);
    for (i = 0; i < w.ends; i++)
        gens += w.end[i].gen;
    CLAIM(r != -EINVAL || !n, "%d items", n);
    CLAIM(r != -EBADF || gens != before, "none was closed");
    for (i = 0; i < 3 && r > 0; i++)
        CLAIM(items[i].fd < 0 || !(items[i].ret_mask & ~items[i].mask), "mask");
    over(&c, r);
}

static void end_it(struct end *e, bool reopen)
{
    roost_fd *f = e->f;
    int number = e->number;

    CLAIM(roost_fd_number(f) == number, "its number");
    if (!reopen && below(2))
        roost_fd_closing(number);
    if (reopen)
        CLAIM(roost_fd_detach(f) == number, "its number");
    else
        roost_fd_close(f);
    memset(f, 0xee, sizeof *f);
    free(f);
    e->gen++;
    e->f = NULL;
    if (reopen) {
        e->f = malloc(sizeof *e->f);
        CLAIM(roost_fd_open(e->f, number) == 0, "opened again");
    }
}

/* A pair that lives for a moment, with numbers that others have just had. */
static void come_and_go(void)
{
    struct fds p = below(2) ? open_pair() : open_pipe();
    char byte = 0;
    roost_fd f;

    CLAIM(roost_fd_open(&f, p.r) == 0, "opened");
    if (below(2))
        CLAIM(ROOST_WITHIN(ROOST_US(below(100)),
                           roost_fd_read(&f, &byte, 1)) == -ETIMEDOUT,
              "there is nothing to read");
    put_byte(p.w);
    CLAIM(ROOST_WITHIN(ROOST_SEC(20), roost_fd_read(&f, &byte, 1)) == 1 &&
              byte == 'x', "a byte");
    if (below(2))
        put_byte(p.w);
    roost_fd_close(&f);
    close(p.w);
}

/* Somebody waits there; without a yield in between it must be -EBUSY. */
static void disturb(struct end *e, int side)
{
    char byte = 0;
    int r;

    roost__rt->current->s.budget = 50;
    if (!e->f->sides[side].first && !e->f->sides[side].awake)
        return;
    r = side ? roost_fd_write(e->f, &byte, 1) : roost_fd_read(e->f, &byte, 1);
    CLAIM(r == -EBUSY, "r %d", r);
}

static void do_something(void)
{
    struct end *e = &w.end[below(w.ends)];
    struct lane *l = &w.lane[below(w.lanes)];
    int what = below(100);

    if (what < 15 && e->f)
        wait_for(e);
    else if (what < 30)
        wait_for_numbers();
    else if (what < 40 && w.calls)
        roost_scope_cancel(&w.call[below(w.calls)]->s, "chaos");
    else if (what < 50 && l->from->f && !l->writing && l->sent < l->total)
        write_some(l, below(4));
    else if (what < 60 && l->to->f && !l->reading)
        read_some(l, below(4));
    else if (what < 70 && e->f)
        end_it(e, true);
    else if (what < 72 && e->f)
        end_it(e, false);
    else if (what < 77)
        come_and_go();
    else if (what < 87 && e->f)
        disturb(e, below(2));
    else
        pause_ms(below(4));
}

static int causes_chaos(void *arg)
{
    int steps = 5 + below(60);

    (void)arg;
    while (steps-- && !shared->broken[0])
        do_something();
    return 0;
}

/* ---- a program ---- */

static void set_end(struct end *e, int number)
{
    *e = (struct end){ .number = number, .f = malloc(sizeof *e->f) };
    CLAIM(roost_fd_open(e->f, number) == 0, "opened");
}

static void add_lane(struct end *from, struct end *to)
{
    w.lane[w.lanes++] = (struct lane){ .from = from, .to = to,
                                       .total = below(MOST) };
}

static void make_world(void)
{
    int pairs = 1 + below(PAIRS);

    while (pairs--) {
        bool socket = below(2);
        struct fds p = socket ? open_pair() : open_pipe();
        struct end *a = &w.end[w.ends++], *b = &w.end[w.ends++];
        int room = 4096;

        if (socket)
            setsockopt(p.w, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        else
            fcntl(p.w, F_SETPIPE_SZ, room);
        set_end(a, p.r);
        set_end(b, p.w);
        add_lane(b, a);
        if (socket)
            add_lane(a, b);
    }
}

/* What is still in the kernel is the rest of the stream. */
static void check_rest(struct lane *l)
{
    char buf[4096];
    ssize_t r;

    while (l->to->f) {
        r = read(l->to->number, buf, sizeof buf);
        if (r > 0)
            take(l, buf, (int)r);
        else if (r == 0 || errno == EAGAIN)
            break;
    }
    if (l->to->f)
        CLAIM(l->got == l->sent, "%ld of %ld bytes", l->got, l->sent);
}

static int program(void *arg)
{
    int i, chaos = below(CHAOS + 1);

    (void)arg;
    make_world();
    ROOST_NURSERY(n);
    for (i = 0; i < w.lanes; i++) {
        CLAIM(roost_spawn(n, writes_all, &w.lane[i]) == 0, "spawned");
        CLAIM(roost_spawn(n, reads_all, &w.lane[i]) == 0, "spawned");
    }
    while (chaos--)
        CLAIM(roost_spawn(n, causes_chaos, NULL) == 0, "spawned");
    CLAIM(roost_nursery_close(n, 0) == 0, "closed");
    for (i = 0; i < w.lanes; i++)
        check_rest(&w.lane[i]);
    for (i = 0; i < w.ends; i++)
        if (w.end[i].f)
            end_it(&w.end[i], false);
    CLAIM(roost__rt->outside == 0, "%zu", roost__rt->outside);
    CLAIM(roost__rt->fd_awake == 0, "%u", roost__rt->fd_awake);
    CLAIM(roost__rt->tasks == 1, "%zu", roost__rt->tasks);
    CLAIM(roost__rt->loop.fds.open == 0, "%zu", roost__rt->loop.fds.open);
    return 7;
}

static void note_result(int result, void *arg)
{
    *(int *)arg = result;
}

/* On a loop of its own, on one that is given, or as a guest. */
static int run_somewhere(const roost_options *o, bool guest)
{
    struct ev_loop *loop = guest ? ev_loop_new(EVFLAG_AUTO) : o->loop;
    int result = 0;

    if (!guest)
        return roost_run_with(o, program, NULL);
    CLAIM(roost_attach(loop, program, NULL, note_result, &result), "attached");
    ev_run(loop, 0);
    CLAIM(ev_run(loop, EVRUN_NOWAIT) == 0, "a reference is left");
    ev_loop_destroy(loop);
    return result;
}

static void run_program(uint64_t seed)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };
    int fds = kit_descriptors(), where, r;
    double ratio;

    memset(&w, 0, sizeof w);
    w.random = seed * UINT64_C(0x9e3779b97f4a7c15);
    where = below(60);
    w.virtual = where >= 4;
    o.clock = w.virtual ? ROOST_CLOCK_VIRTUAL : ROOST_CLOCK_REAL;
    o.seed = below(2) ? 0 : seed;
    o.precise_timers = where == 1;
    if (where == 2 || where == 4)
        o.loop = ev_loop_new(EVFLAG_AUTO);
    looks = 0;
    r = run_somewhere(&o, where == 3);
    CLAIM(r == 7, "the result is %d", r);
    if (o.loop) {
        CLAIM(ev_run(o.loop, EVRUN_NOWAIT) == 0, "a reference is left");
        ev_loop_destroy(o.loop);
    }
    CLAIM(kit_descriptors() == fds, "descriptors are left");
    ratio = (double)looks / (double)(w.ops + 20);
    shared->worst = ratio > shared->worst ? ratio : shared->worst;
    CLAIM(ratio < LOOKS_AN_OP, "it spins: %ld looks, %ld calls", looks, w.ops);
}

/* ---- in a child process: a crash is a finding too ---- */

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Programs from `first` on: `count`, or as many as 1 s holds. */
static void run_programs(uint64_t first, uint64_t count)
{
    double until = seconds() + 1;
    uint64_t i;

    for (i = 0; count ? i < count : seconds() < until; i++) {
        alarm(15);
        shared->seed = first + i;
        run_program(shared->seed);
        if (shared->broken[0])
            _exit(1);
        shared->programs++;
    }
}

static uint64_t number(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : fallback;
}

static void random_traffic_is_what_was_sent_C5_X1_X2(void **state)
{
    uint64_t first = number("ROOST_PROPERTY_SEED", 0);
    uint64_t count = number("ROOST_PROPERTY_RUNS", first ? 1 : 0);
    int status = 0;
    pid_t pid;

    (void)state;
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        signal(SIGABRT, SIG_DFL);
        run_programs(first ? first : 1, count);
        exit(0); /* sanitizers look for leaks */
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    print_message("%llu programs, at most %.1f looks a call\n",
                  (unsigned long long)shared->programs, shared->worst);
    if (status)
        fail_msg("ROOST_PROPERTY_SEED=%llu runs it again: %s, status %#x",
                 (unsigned long long)shared->seed,
                 shared->broken[0] ? shared->broken : "it crashed or hung",
                 (unsigned)status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_traffic_is_what_was_sent_C5_X1_X2),
    };

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
