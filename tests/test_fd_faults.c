/* test_fd_faults.c - claims about system calls that fail or do less than asked.
 *
 * One scenario uses every call of the rooms fd and wait_fd. It is run again and
 * again with one call of the table failing, each of them in turn: afterwards
 * nothing may be open, parked or spinning, and the result is that error or none.
 */
#define _GNU_SOURCE
#include "rules/pairs.h"

#include <sys/epoll.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "core/sys.h"

/* ---- faults ---- */

static struct fault {
    int at;    /* which call; -1: none */
    int error; /* what it says */
    int seen;  /* calls so far */
    int cap;   /* bytes a call may move; 0: all */
} fault;

static bool fails(void)
{
    if (fault.seen++ != fault.at)
        return false;
    errno = fault.error;
    return true;
}

static size_t cut(size_t bytes)
{
    return fault.cap && bytes > (size_t)fault.cap ? (size_t)fault.cap : bytes;
}

static int f_fstat(int fd, struct stat *st)
{
    return fails() ? -1 : fstat(fd, st);
}

static int f_fcntl(int fd, int command, int arg)
{
    return fails() ? -1 : fcntl(fd, command, arg);
}

static ssize_t f_read(int fd, void *buf, size_t len)
{
    return fails() ? -1 : read(fd, buf, cut(len));
}

static ssize_t f_write(int fd, const void *buf, size_t len)
{
    return fails() ? -1 : write(fd, buf, cut(len));
}

static ssize_t f_pwritev2(int fd, const struct iovec *parts, int count, off_t at,
                          int flags)
{
    (void)parts, (void)count, (void)at, (void)flags, (void)fd;
    errno = EOPNOTSUPP;
    return -1;
}

static ssize_t f_send(int fd, const void *buf, size_t len, int flags)
{
    return fails() ? -1 : send(fd, buf, cut(len), flags);
}

static ssize_t f_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    return fails() ? -1 : sendmsg(fd, msg, flags);
}

static ssize_t f_recvmsg(int fd, struct msghdr *msg, int flags)
{
    return fails() ? -1 : recvmsg(fd, msg, flags);
}

static int f_accept4(int fd, struct sockaddr *addr, unsigned *len, int flags)
{
    return fails() ? -1 : accept4(fd, addr, len, flags);
}

static int f_connect(int fd, const struct sockaddr *addr, unsigned len)
{
    return fails() ? -1 : connect(fd, addr, len);
}

static int f_getsockopt(int fd, int level, int name, void *ret, unsigned *len)
{
    return fails() ? -1 : getsockopt(fd, level, name, ret, len);
}

static int f_epoll_create1(int flags)
{
    return fails() ? -1 : epoll_create1(flags);
}

static int f_epoll_ctl(int epoll, int op, int fd, struct epoll_event *e)
{
    return fails() ? -1 : epoll_ctl(epoll, op, fd, e);
}

static int f_epoll_wait(int epoll, struct epoll_event *e, int count, int ms)
{
    return fails() ? -1 : epoll_wait(epoll, e, count, ms);
}

static struct roost_sys faulty(void)
{
    struct roost_sys sys = roost__sys_default;

    sys.fstat = f_fstat;
    sys.fcntl = f_fcntl;
    sys.read = f_read;
    sys.write = f_write;
    sys.pwritev2 = f_pwritev2;
    sys.send = f_send;
    sys.sendmsg = f_sendmsg;
    sys.recvmsg = f_recvmsg;
    sys.accept4 = f_accept4;
    sys.connect = f_connect;
    sys.getsockopt = f_getsockopt;
    sys.epoll_create1 = f_epoll_create1;
    sys.epoll_ctl = f_epoll_ctl;
    sys.epoll_wait = f_epoll_wait;
    return sys;
}

/* ---- the scenario ---- */

enum { LISTENER, CLIENT, SERVER, PIPE_IN, PIPE_OUT, ENDS };

struct world {
    roost_fd f[ENDS];
    struct sockaddr_un addr;
    unsigned len;
};

/* The library's call failed: the number is still ours. */
static int take(roost_fd *f, int fd)
{
    int flags = fcntl(fd, F_GETFL), r = fd < 0 ? -EMFILE : roost_fd_open(f, fd);

    if (r < 0 && fd >= 0) {
        EXPECT_INT(fcntl(fd, F_GETFL), flags);
        EXPECT_INT(close(fd), 0);
    }
    return r;
}

static int open_all(struct world *w)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), ends[2], r;

    w->addr.sun_family = AF_UNIX;
    EXPECT_INT(bind(fd, (struct sockaddr *)&w->addr,
                    sizeof w->addr.sun_family), 0);
    EXPECT_INT(listen(fd, 4), 0);
    w->len = sizeof w->addr;
    EXPECT_INT(getsockname(fd, (struct sockaddr *)&w->addr, &w->len), 0);
    r = take(&w->f[LISTENER], fd);
    if (r >= 0)
        r = take(&w->f[CLIENT], socket(AF_UNIX, SOCK_STREAM, 0));
    if (r < 0)
        return r;
    EXPECT_INT(pipe(ends), 0);
    r = take(&w->f[PIPE_OUT], ends[0]);
    if (r >= 0)
        return take(&w->f[PIPE_IN], ends[1]);
    close(ends[1]);
    return r;
}

static int pass(roost_fd *from, roost_fd *to)
{
    char out[64] = "some bytes, and more than one", in[64];
    size_t put = 0, got = 0;
    int r;

    while (put < sizeof out || got < put) {
        if (put < sizeof out) {
            r = roost_fd_write(from, out + put, sizeof out - put);
            if (r < 0)
                return r;
            put += (size_t)r;
        }
        r = roost_fd_read(to, in + got, sizeof in - got);
        if (r <= 0)
            return r < 0 ? r : -ENODATA;
        got += (size_t)r;
    }
    EXPECT_INT(memcmp(in, out, sizeof out), 0);
    return 0;
}

static int pass_message(roost_fd *from, roost_fd *to)
{
    char byte = 'm';
    struct iovec part = { &byte, 1 };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
    int r = roost_fd_sendmsg(from, &msg, 0);

    return r < 0 ? r : roost_fd_recvmsg(to, &msg, 0);
}

static int wait_for_foreign(void)
{
    struct fds p = open_pair();
    roost_fd_ready items[2] = { { .fd = p.r, .mask = ROOST_READ },
                                { .fd = p.w, .mask = ROOST_WRITE } };
    int r = roost_wait_fds(items, 2), i;

    for (i = 0; i < 3 && r >= 0; i++) {
        put_byte(p.w);
        r = roost_wait_fd(p.r, ROOST_READ);
        if (r >= 0)
            take_byte(p.r);
    }
    close_both(p);
    return r;
}

static int use_all(struct world *w)
{
    int r = roost_fd_connect(&w->f[CLIENT], (struct sockaddr *)&w->addr, w->len);

    if (r >= 0)
        r = roost_fd_accept(&w->f[LISTENER], NULL, NULL);
    if (r >= 0)
        r = take(&w->f[SERVER], r);
    if (r >= 0)
        r = pass(&w->f[CLIENT], &w->f[SERVER]);
    if (r >= 0)
        r = pass(&w->f[PIPE_IN], &w->f[PIPE_OUT]);
    if (r >= 0)
        r = pass_message(&w->f[SERVER], &w->f[CLIENT]);
    if (r >= 0)
        r = roost_fd_wait(&w->f[CLIENT], ROOST_WRITE);
    return r < 0 ? r : wait_for_foreign();
}

static int within_limit(void *arg)
{
    struct world w;
    int i, r;

    (void)arg;
    memset(&w, 0, sizeof w);
    r = open_all(&w);
    if (r >= 0)
        r = ROOST_WITHIN(ROOST_SEC(5), use_all(&w));
    EXPECT_INT(roost__rt->outside, 0);
    for (i = 0; i < ENDS; i++)
        roost_fd_close(&w.f[i]);
    return r < 0 ? r : 0;
}

/* How many calls there are in a run without faults. */
static int run_once(int at, int error)
{
    struct roost_sys sys = faulty();

    fault.at = at;
    fault.error = error;
    fault.seen = 0;
    return kit_run_with(&(roost_options){ .sys = &sys }, within_limit, NULL);
}

static void a_call_that_fails_is_the_result_or_made_again(void **state)
{
    static const int errors[] = { EINTR, EIO, ENOMEM };
    int calls, at;
    size_t e;

    (void)state;
    fault.cap = 0;
    assert_int_equal(run_once(-1, 0), 0);
    calls = fault.seen;
    assert_true(calls > 40);
    for (e = 0; e < 3; e++)
        for (at = 0; at < calls; at++) {
            int r = run_once(at, errors[e]);

            if (r != 0 && r != -errors[e])
                fail_msg("call %d with %d: the result is %d", at, errors[e], r);
        }
}

/* ...of what moves bytes, at once or again. */
static void nothing_there_after_all_is_waited_for_again(void **state)
{
    int calls, at, spared = 0;

    (void)state;
    fault.cap = 0;
    assert_int_equal(run_once(-1, 0), 0);
    calls = fault.seen;
    for (at = 0; at < calls; at++) {
        int r = run_once(at, EAGAIN);

        if (r != 0 && r != -EAGAIN)
            fail_msg("call %d with EAGAIN: the result is %d", at, r);
        spared += r == 0;
    }
    assert_true(spared >= 10); /* the rest are fstat, fcntl, epoll_ctl */
}

static void a_byte_at_a_time_is_enough(void **state)
{
    (void)state;
    for (fault.cap = 1; fault.cap < 4; fault.cap++)
        assert_int_equal(run_once(-1, 0), 0);
    fault.cap = 0;
}

/* ---- two wait for one number ---- */

/* When the first has his, the kernel is asked again for the second. */
static int both_wait(void *arg)
{
    struct fds p = open_pair();
    struct waiter in = { .fd = p.r, .mask = ROOST_READ };
    struct waiter out = { .fd = p.r, .mask = ROOST_WRITE };

    (void)arg;
    ROOST_NURSERY_WITH(n, .deadline = roost_after(ROOST_SEC(5)));
    roost_spawn(n, waits, &in);
    roost_spawn(n, waits, &out);
    roost_ignore(roost_sleep(ROOST_MS(1)));
    put_byte(p.w);
    roost_ignore(roost_nursery_close(n, 0));
    EXPECT(in.r == ROOST_READ || in.r == -fault.error);
    EXPECT(out.r == ROOST_WRITE || out.r == -fault.error);
    close_both(p);
    return 0;
}

static void who_cannot_be_told_of_his_number_is_told_that(void **state)
{
    struct roost_sys sys = faulty();
    int calls = 0;

    (void)state;
    fault.error = ENOSPC;
    for (fault.at = -1; fault.at <= calls; fault.at++) {
        fault.seen = 0;
        kit_run_with(&(roost_options){ .sys = &sys }, both_wait, NULL);
        if (fault.at < 0)
            calls = fault.seen;
    }
    assert_true(calls >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_fails_is_the_result_or_made_again),
        cmocka_unit_test(nothing_there_after_all_is_waited_for_again),
        cmocka_unit_test(a_byte_at_a_time_is_enough),
        cmocka_unit_test(who_cannot_be_told_of_his_number_is_told_that),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
