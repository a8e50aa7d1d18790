/* test_fd_counts.c - claims about system calls: none in vain in the steady state.
 *
 * The run's table counts the calls on descriptors; epoll_ctl and epoll_wait of
 * libev are counted by standing in front of the C library's.
 */
#define _GNU_SOURCE
#include "rules/fds.h"

#include <dlfcn.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include "core/sys.h"

static struct counts {
    long reads, sends, writes, again, ctl, waits, accepts, other;
} counts;

/* Libev, a shared library, finds these first. */
__attribute__((visibility("default")))
int epoll_ctl(int epoll, int op, int fd, struct epoll_event *e)
{
    static int (*real)(int, int, int, struct epoll_event *);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "epoll_ctl");
    counts.ctl++;
    return real(epoll, op, fd, e);
}

__attribute__((visibility("default")))
int epoll_wait(int epoll, struct epoll_event *events, int count, int ms)
{
    static int (*real)(int, struct epoll_event *, int, int);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "epoll_wait");
    counts.waits++;
    return real(epoll, events, count, ms);
}

static ssize_t counted(long *count, ssize_t r)
{
    ++*count;
    counts.again += r < 0 && errno == EAGAIN;
    return r;
}

static ssize_t count_read(int fd, void *buf, size_t bytes)
{
    return counted(&counts.reads, read(fd, buf, bytes));
}

static ssize_t count_send(int fd, const void *buf, size_t bytes, int flags)
{
    return counted(&counts.sends, send(fd, buf, bytes, flags));
}

static ssize_t count_write(int fd, const void *buf, size_t bytes)
{
    return counted(&counts.writes, write(fd, buf, bytes));
}

static ssize_t count_pwritev2(int fd, const struct iovec *parts, int n,
                              off_t at, int flags)
{
    return counted(&counts.writes, pwritev2(fd, parts, n, at, flags));
}

static int count_accept4(int fd, struct sockaddr *addr, unsigned *len, int flags)
{
    return (int)counted(&counts.accepts, accept4(fd, addr, len, flags));
}

static int count_fcntl(int fd, int command, int arg)
{
    counts.other++;
    return fcntl(fd, command, arg);
}

static int count_fstat(int fd, struct stat *st)
{
    counts.other++;
    return fstat(fd, st);
}

static void run_counted(roost_task_fn *fn)
{
    struct roost_sys sys = roost__sys_default;
    roost_options o = { .sys = &sys };

    sys.read = count_read;
    sys.send = count_send;
    sys.write = count_write;
    sys.pwritev2 = count_pwritev2;
    sys.accept4 = count_accept4;
    sys.fcntl = count_fcntl;
    sys.fstat = count_fstat;
    assert_int_equal(kit_run_with(&o, fn, NULL), 0);
    o.clock = ROOST_CLOCK_VIRTUAL;
    assert_int_equal(kit_run_with(&o, fn, NULL), 0);
}

/* ---- request and response ---- */

enum { ROUNDS = 1000, WARM = 3 };

struct peer {
    roost_fd f;
    bool asks;
    struct counts *warm; /* what was counted when the first rounds were over */
};

static int rounds(void *arg)
{
    struct peer *p = arg;
    char buf[256] = "hello";
    int i, r = 0;

    for (i = 0; i < ROUNDS + WARM && r >= 0; i++) {
        if (p->asks && i == WARM)
            *p->warm = counts;
        if (p->asks)
            EXPECT_INT(r = roost_fd_write(&p->f, buf, 64), 64);
        EXPECT_INT(r = roost_fd_read(&p->f, buf, sizeof buf), 64);
        if (!p->asks)
            EXPECT_INT(r = roost_fd_write(&p->f, buf, 64), 64);
    }
    return r < 0 ? r : 0;
}

static int echo(void *arg)
{
    struct fds s = open_pair();
    struct counts warm = { 0 };
    struct peer p[2] = { { .asks = true, .warm = &warm }, { .asks = false } };

    (void)arg;
    counts = (struct counts){ 0 };
    EXPECT_INT(roost_fd_open(&p[0].f, s.r), 0);
    EXPECT_INT(roost_fd_open(&p[1].f, s.w), 0);
    ROOST_NURSERY(n);
    roost_spawn(n, rounds, &p[0]);
    roost_spawn(n, rounds, &p[1]);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(counts.reads - warm.reads, 2 * ROUNDS);
    EXPECT_INT(counts.sends - warm.sends, 2 * ROUNDS);
    EXPECT_INT(counts.ctl - warm.ctl, 0);
    EXPECT_INT(counts.again, 0);
    EXPECT_INT(counts.ctl, 2); /* each made known once */
    EXPECT(counts.waits - warm.waits <= 4 * ROUNDS);
    EXPECT_INT(counts.other, 2 * 3); /* taking over */
    roost_fd_close(&p[0].f);
    roost_fd_close(&p[1].f);
    return 0;
}

static void a_round_is_one_read_and_one_write_a_side(void **state)
{
    (void)state;
    run_counted(echo);
}

/* ---- bulk ---- */

enum { PIECE = 1 << 20, BULK = 64 * PIECE };

static char bulk_out[PIECE], bulk_in[PIECE];

struct bulk {
    roost_fd f;
    size_t done;
    struct counts warm;
};

static int pours(void *arg)
{
    struct bulk *b = arg;
    int r = 0;

    while (b->done < BULK && r >= 0) {
        /* More than there can be room for: a write that is whole says nothing
         * about the next one. */
        r = roost_fd_write(&b->f, bulk_out, PIECE);
        if (r > 0)
            b->done += (size_t)r;
        if (b->done >= BULK / 2 && !b->warm.reads)
            b->warm = counts;
    }
    return r < 0 ? r : 0;
}

static int drinks(void *arg)
{
    struct bulk *b = arg;
    int r = 0;

    while (b->done < BULK && r >= 0) {
        r = roost_fd_read(&b->f, bulk_in, sizeof bulk_in);
        if (r > 0)
            b->done += (size_t)r;
    }
    return r < 0 ? r : 0;
}

static int bulk(struct fds p)
{
    static struct bulk from, to;
    int size = 1 << 18;

    from = to = (struct bulk){ 0 };
    counts = (struct counts){ 0 };
    setsockopt(p.w, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    EXPECT_INT(roost_fd_open(&from.f, p.w), 0);
    EXPECT_INT(roost_fd_open(&to.f, p.r), 0);
    ROOST_NURSERY(n);
    roost_spawn(n, pours, &from);
    roost_spawn(n, drinks, &to);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT(to.done >= BULK);
    EXPECT_INT(counts.again, 0);
    EXPECT_INT(counts.ctl - from.warm.ctl, 0);
    EXPECT(counts.ctl <= 3);
    EXPECT(counts.sends + counts.writes > 100); /* there was backpressure */
    roost_fd_close(&from.f);
    roost_fd_close(&to.f);
    return 0;
}

static int bulk_pair(void *arg)
{
    (void)arg;
    return bulk(open_pair());
}

static int bulk_pipe(void *arg)
{
    (void)arg;
    return bulk(open_pipe());
}

static void backpressure_costs_no_epoll_ctl_and_no_EAGAIN(void **state)
{
    (void)state;
    run_counted(bulk_pair);
    run_counted(bulk_pipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_is_one_read_and_one_write_a_side),
        cmocka_unit_test(backpressure_costs_no_epoll_ctl_and_no_EAGAIN),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
