/* test_fd_counts.c - claims about system calls: none in vain in the steady state.
 *
 * The run's table counts the calls on descriptors; epoll_ctl and epoll_wait of
 * libev are counted by standing in front of the C library's.
 */
#define _GNU_SOURCE
#include "rules/pairs.h"

#include <dlfcn.h>
#include <ev.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include "core/sys.h"

static struct counts {
    long reads, sends, writes, again, ctl, waits, accepts, other, allocs;
} counts;

static int refuse_ctl; /* errno of the next epoll_ctl; 0: it is made */
static int refuse_after; /* not the next one, but so many later */

/* Libev, a shared library, finds these first. */
__attribute__((visibility("default")))
int epoll_ctl(int epoll, int op, int fd, struct epoll_event *e)
{
    static int (*real)(int, int, int, struct epoll_event *);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "epoll_ctl");
    counts.ctl++;
    if (refuse_ctl && refuse_after-- == 0) {
        refuse_after = 0;
        errno = refuse_ctl;
        refuse_ctl = 0;
        return -1;
    }
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

static ssize_t count_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    return counted(&counts.sends, sendmsg(fd, msg, flags));
}

static ssize_t count_recvmsg(int fd, struct msghdr *msg, int flags)
{
    return counted(&counts.reads, recvmsg(fd, msg, flags));
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

static void *count_alloc(size_t bytes)
{
    counts.allocs++;
    return roost__sys_default.alloc(bytes);
}

static void run_counted(roost_task_fn *fn)
{
    struct roost_sys sys = roost__sys_default;
    roost_options o = { .sys = &sys };

    sys.read = count_read;
    sys.send = count_send;
    sys.write = count_write;
    sys.sendmsg = count_sendmsg;
    sys.recvmsg = count_recvmsg;
    sys.pwritev2 = count_pwritev2;
    sys.accept4 = count_accept4;
    sys.fcntl = count_fcntl;
    sys.fstat = count_fstat;
    sys.alloc = count_alloc;
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
    EXPECT_INT(counts.allocs - warm.allocs, 0);
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

/* ---- accepted sockets ---- */

/* A server's first read of a connection whose request comes a little later. */
static int serves(void *arg)
{
    roost_fd *f = arg;
    char buf[64];
    int r;

    while ((r = roost_fd_read(f, buf, sizeof buf)) > 0)
        r = roost_fd_write(f, buf, (size_t)r);
    return r;
}

static int connections(void *arg)
{
    struct counts before;
    int i, round;

    (void)arg;
    for (i = 0; i < 50; i++) {
        struct fds p = open_pair();
        roost_fd f;

        EXPECT_INT(roost_fd_open(&f, p.r), 0);
        before = counts;
        ROOST_NURSERY(n);
        roost_spawn(n, serves, &f);
        if (i & 1)
            EXPECT_INT(roost_checkpoint(), 0);
        for (round = 0; round < 3; round++) {
            put_byte(p.w);
            EXPECT_INT(roost_wait_fd(p.w, ROOST_READ), ROOST_READ);
            take_byte(p.w);
        }
        shutdown(p.w, SHUT_WR);
        EXPECT_INT(roost_nursery_close(n, 0), 0);
        EXPECT_INT(counts.reads - before.reads, 4); /* and the end */
        EXPECT_INT(counts.again - before.again, 0);
        roost_fd_close(&f);
        close(p.w);
    }
    return 0;
}

static void a_served_connection_reads_nothing_in_vain(void **state)
{
    (void)state;
    run_counted(connections);
}

/* ---- more than one at a time ---- */

static int full_reads(void *arg)
{
    struct counts before;
    struct end e;
    char byte;
    int i;

    (void)arg;
    open_socket_end(&e);
    for (i = 0; i < 50; i++)
        put_byte(e.other);
    close(e.other);
    EXPECT_INT(roost_fd_read(&e.f, &byte, 1), 1);
    before = counts;
    for (i = 1; i < 50; i++)
        EXPECT_INT(roost_fd_read(&e.f, &byte, 1), 1);
    for (i = 0; i < 50; i++)
        EXPECT_INT(roost_fd_read(&e.f, &byte, 1), 0);
    EXPECT_INT(counts.waits - before.waits, 0);
    EXPECT_INT(counts.again, 0);
    roost_fd_close(&e.f);
    return 0;
}

static void full_reads_and_the_end_need_no_look_at_the_loop(void **state)
{
    (void)state;
    counts.again = 0;
    run_counted(full_reads);
}

static int a_burst(void *arg)
{
    struct caller c[20];
    struct counts before;
    struct end e;
    int i;

    (void)arg;
    open_socket_end(&e);
    ROOST_NURSERY(n);
    for (i = 0; i < 20; i++) {
        c[i] = (struct caller){ .f = &e.f, .kind = DO_RECVMSG };
        roost_spawn(n, calls_once, &c[i]);
    }
    settle();
    for (i = 0; i < 20; i++)
        put_byte(e.other);
    before = counts;
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT(counts.waits - before.waits < 10);
    close_end(&e);
    return 0;
}

static void one_look_at_the_loop_serves_all_who_wait(void **state)
{
    (void)state;
    run_counted(a_burst);
}

struct receiver {
    roost_fd f;
    int got;
};

static int receives(void *arg)
{
    struct receiver *e = arg;
    char buf[8];
    struct iovec part = { buf, sizeof buf };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
    int r = 0;

    for (; e->got < 20 && r >= 0; e->got++)
        EXPECT_INT(r = roost_fd_recvmsg(&e->f, &msg, 0), 5);
    return r < 0 ? r : 0;
}

static int messages(void *arg)
{
    struct iovec part = { (char[1]){ 'x' }, 1 };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
    struct counts before = counts;
    struct fds p = open_pair();
    struct receiver e = { .got = 0 };
    roost_fd f;
    int i, round;

    (void)arg;
    EXPECT_INT(roost_fd_open(&f, p.r), 0);
    EXPECT_INT(roost_fd_open(&e.f, p.w), 0);
    ROOST_NURSERY(n);
    roost_spawn(n, receives, &e);
    for (round = 0; round < 20; round++) {
        long waits = counts.waits;

        for (i = 0; i < 5; i++)
            EXPECT_INT(roost_fd_sendmsg(&f, &msg, 0), 1);
        EXPECT_INT(counts.waits - waits, 0);
        while (e.got == round)
            EXPECT_INT(roost_checkpoint(), 0);
    }
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(counts.reads - before.reads, 20);
    EXPECT_INT(counts.sends - before.sends, 100);
    roost_fd_close(&f);
    roost_fd_close(&e.f);
    return 0;
}

static void messages_are_tried_only_when_they_may_go(void **state)
{
    (void)state;
    run_counted(messages);
}

static int devices(void *arg)
{
    struct counts before = counts;
    char byte;
    roost_fd f;

    (void)arg;
    EXPECT_INT(roost_fd_open(&f, open("/dev/zero", O_RDWR)), 0);
    EXPECT_INT(roost_fd_read(&f, &byte, 1), 1);
    EXPECT_INT(roost_fd_write(&f, &byte, 1), 1);
    EXPECT_INT(counts.ctl - before.ctl, 0);
    EXPECT_INT(counts.waits - before.waits, 0);
    roost_fd_close(&f);
    return 0;
}

static void a_device_is_tried_at_once(void **state)
{
    (void)state;
    run_counted(devices);
}

/* ---- clients ---- */

static int answers(void *arg)
{
    roost_fd *l = arg, f;
    int r = roost_fd_accept(l, NULL, NULL);

    EXPECT_INT(roost_fd_open(&f, r), 0);
    r = serves(&f);
    roost_fd_close(&f);
    return r;
}

static struct sockaddr_in listen_here(roost_fd *l)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    unsigned len = sizeof a;

    EXPECT_INT(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    EXPECT_INT(listen(fd, 16), 0);
    EXPECT_INT(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    EXPECT_INT(roost_fd_open(l, fd), 0);
    return a;
}

static int connects(void *arg)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    EXPECT_INT(connect(fd, arg, sizeof(struct sockaddr_in)), 0);
    return close(fd);
}

static int one_by_one(void *arg)
{
    roost_fd l;
    struct sockaddr_in a = listen_here(&l);
    int i;

    (void)arg;
    counts = (struct counts){ 0 };
    for (i = 0; i < 20; i++) {
        ROOST_NURSERY(n);
        roost_spawn(n, connects, &a);
        close(roost_fd_accept(&l, NULL, NULL));
        EXPECT_INT(roost_nursery_close(n, 0), 0);
    }
    EXPECT_INT(counts.accepts, 20);
    EXPECT_INT(counts.ctl, 1);
    roost_fd_close(&l);
    return 0;
}

static void a_connection_costs_one_accept(void **state)
{
    (void)state;
    run_counted(one_by_one);
}

static int client(void *arg)
{
    roost_fd l, f;
    struct sockaddr_in a = listen_here(&l);
    char buf[64];
    int i;

    (void)arg;
    EXPECT_INT(roost_fd_open(&f, socket(AF_INET, SOCK_STREAM, 0)), 0);
    counts.ctl = counts.again = 0;
    ROOST_NURSERY(n);
    roost_spawn(n, answers, &l);
    EXPECT_INT(roost_fd_connect(&f, (struct sockaddr *)&a, sizeof a), 0);
    for (i = 0; i < 10; i++) {
        EXPECT_INT(roost_fd_write(&f, "x", 1), 1);
        EXPECT_INT(roost_fd_read(&f, buf, sizeof buf), 1);
    }
    EXPECT_INT(counts.again, 0);
    EXPECT_INT(counts.ctl, 1 + 1 + 2); /* listener, server; client: both sides */
    roost_fd_close(&f);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    roost_fd_close(&l);
    return 0;
}

static void a_client_costs_two_epoll_ctl_and_a_server_one(void **state)
{
    (void)state;
    run_counted(client);
}

/* ---- descriptors of others ---- */

static int foreign_rounds(void *arg)
{
    struct fds p = open_pair();
    struct counts warm = { 0 };
    int i;

    (void)arg;
    for (i = 0; i < ROUNDS + WARM; i++) {
        if (i == WARM)
            warm = counts;
        put_byte(p.w);
        EXPECT_INT(roost_wait_fd(p.r, ROOST_READ), ROOST_READ);
        take_byte(p.r);
    }
    EXPECT_INT(counts.ctl - warm.ctl, ROUNDS); /* one a wait */
    EXPECT_INT(counts.allocs - warm.allocs, 0);
    EXPECT_INT(counts.other - warm.other, 0);
    close_both(p);
    return 0;
}

static void a_wait_for_a_foreign_number_is_one_epoll_ctl(void **state)
{
    (void)state;
    run_counted(foreign_rounds);
}

/* ---- a kernel without room ---- */

static int no_room(void *arg)
{
    struct end e;
    struct fds p = open_pair();

    (void)arg;
    open_socket_end(&e);
    put_byte(e.other);
    refuse_ctl = ENOSPC;
    EXPECT_INT(make_call(&e.f, DO_READ), -ENOSPC);
    EXPECT_INT(roost__rt->outside, 0);
    EXPECT_INT(make_call(&e.f, DO_READ), 1);
    put_byte(p.w);
    refuse_ctl = ENOSPC;
    refuse_after = 1; /* our own is made, libev's for the set is not */
    EXPECT_INT(roost_wait_fd(p.r, ROOST_READ), -ENOSPC);
    EXPECT_INT(roost_wait_fd(p.r, ROOST_READ), ROOST_READ);
    refuse_ctl = ENOSPC;
    EXPECT_INT(roost_wait_fd(p.r, ROOST_READ), -ENOSPC);
    EXPECT_INT(roost_wait_fd(p.r, ROOST_READ), ROOST_READ);
    EXPECT_INT(roost__rt->outside, 0);
    close_end(&e);
    close_both(p);
    return 0;
}

/* libev counts what it has stopped by itself; its count must be right again. */
static void no_room_for_a_watch_is_an_error_and_passes(void **state)
{
    roost_options o = { .loop = ev_loop_new(EVBACKEND_EPOLL) };
    int i;

    (void)state;
    for (i = 0; i < 3; i++) {
        assert_int_equal(kit_run_with(&o, no_room, NULL), 0);
        ev_ref(o.loop);
        assert_int_not_equal(ev_run(o.loop, EVRUN_NOWAIT), 0);
        ev_unref(o.loop);
        assert_int_equal(ev_run(o.loop, EVRUN_NOWAIT), 0);
    }
    ev_loop_destroy(o.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_is_one_read_and_one_write_a_side),
        cmocka_unit_test(a_served_connection_reads_nothing_in_vain),
        cmocka_unit_test(full_reads_and_the_end_need_no_look_at_the_loop),
        cmocka_unit_test(one_look_at_the_loop_serves_all_who_wait),
        cmocka_unit_test(messages_are_tried_only_when_they_may_go),
        cmocka_unit_test(a_device_is_tried_at_once),
        cmocka_unit_test(a_connection_costs_one_accept),
        cmocka_unit_test(a_client_costs_two_epoll_ctl_and_a_server_one),
        cmocka_unit_test(a_wait_for_a_foreign_number_is_one_epoll_ctl),
        cmocka_unit_test(no_room_for_a_watch_is_an_error_and_passes),
        cmocka_unit_test(backpressure_costs_no_epoll_ctl_and_no_EAGAIN),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
