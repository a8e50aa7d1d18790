/* test_fd_random.c - random programs over a few pipes and socket pairs.
 *
 * Each lane has a task that writes a known stream and one that reads it; others
 * read and write on it too, wait for its descriptors or for their numbers,
 * cancel the others, close, and put another roost_fd in the place of one:
 *
 *   - bytes arrive once and in order, also around a cancelled call (C5);
 *   - -EBUSY, -EBADF, -ECANCELED, -EPIPE and the end come for a reason only;
 *     who was in a call when its roost_fd went gets -EBADF or -ECANCELED (X1);
 *   - no wake-up is lost: under the virtual clock a limit passes only if there
 *     was nothing to do, and no limit of 20 s ever passes;
 *   - nothing is left: tasks, counts, descriptors; and the loop does not spin.
 *
 * ROOST_PROPERTY_SEED and ROOST_PROPERTY_RUNS as for test_property.
 */
#define _GNU_SOURCE
#include "rules/traffic.h"

#include <dlfcn.h>
#include <ev.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#define LOOKS_AN_OP 6

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

/* ---- chaos ---- */

/* There are bytes to read, and have been before this instant. */
static bool was_readable(const struct end *e)
{
    int i;

    for (i = 0; i < w.lanes; i++)
        if (w.lane[i].to == e)
            return e->f && w.lane[i].sent > w.lane[i].got &&
                   w.lane[i].put_at < roost_now();
    return false;
}

static void wait_for(struct end *e)
{
    int mask = 1 + below(3), side = mask == 2, limit = below(4), r;
    struct call c;

    begin(&c, e, side, limit);
    if (mask == 3)
        e->inside[1]++;
    r = roost_fd_wait(e->f, mask);
    if (mask == 3)
        e->inside[1]--;
    CLAIM(r < 0 || (r && !(r & ~mask)), "wanted %d, r %d", mask, r);
    if (over(&c, r) && limit && w.virtual && (mask & ROOST_READ))
        CLAIM(!was_readable(e), "a wake-up is lost");
}

static void wait_for_numbers(void)
{
    roost_fd_ready items[3] = { { .fd = -1 }, { .fd = -1 }, { .fd = -1 } };
    int gens = 0, before = 0, i, n = 0, limit = below(4), r;
    struct end *of[3];
    struct call c;

    for (i = 0; i < w.ends; i++)
        before += w.end[i].gen;
    for (i = 0; i < 3; i++) {
        struct end *e = of[i] = &w.end[below(w.ends)];

        if (e->f && below(4))
            items[i] = (roost_fd_ready){ .fd = e->number,
                                         .mask = 1 + below(3) };
        n += items[i].fd >= 0;
    }
    begin(&c, NULL, 0, limit);
    if (n == 1 && items[0].fd >= 0)
        r = items[0].ret_mask = roost_wait_fd(items[0].fd, items[0].mask);
    else
        r = roost_wait_fds(items, 3);
    for (i = 0; i < w.ends; i++)
        gens += w.end[i].gen;
    CLAIM(r != -EINVAL || !n || gens != before, "%d items", n);
    CLAIM(r != -EBADF || gens != before, "none was closed");
    for (i = 0; i < 3 && r > 0; i++)
        CLAIM(items[i].fd < 0 || !(items[i].ret_mask & ~items[i].mask), "mask");
    if (!over(&c, r) || !limit || !w.virtual)
        return;
    for (i = 0; i < 3; i++)
        CLAIM(items[i].fd < 0 || !(items[i].mask & ROOST_READ) ||
                  !was_readable(of[i]), "a wake-up is lost");
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
    while (steps-- && !broken[0])
        do_something();
    return 0;
}

/* ---- a program ---- */

static void set_end(struct end *e, int number, bool socket)
{
    *e = (struct end){ .number = number, .f = malloc(sizeof *e->f),
                       .socket = socket };
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
        set_end(a, p.r, socket);
        set_end(b, p.w, socket);
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

    broken = shared->broken;
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
