/* io_end.c - the end of a roost_fd under every fault: who waits is told and never
 *            looks at it again; a second one at the same end is told to go.
 */
#include "torture/ends.h"

#include <stdlib.h>

/* ---- closed while they wait ---- */

/* The roost_fd is in memory of its own, which goes with it. */
struct site {
    struct ledger l;
    roost_fd *f, *gone;
    int told; /* that it is closed */
    int peer; /* writes a byte just before it is; 0: none */
};

typedef int call_fn(roost_fd *f);

static int reads(roost_fd *f)
{
    char buf[10];

    return roost_fd_read(f, buf, sizeof buf);
}

static int writes(roost_fd *f)
{
    static const char buf[1000];
    int r = 0;

    while (r >= 0) /* until there is no room, and then until it is closed */
        r = roost_fd_write(f, buf, sizeof buf);
    return r;
}

static int looks(roost_fd *f)
{
    return roost_fd_wait(f, ROOST_READ);
}

static int receives(roost_fd *f)
{
    char buf[10];
    struct iovec part = { buf, sizeof buf };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };

    return roost_fd_recvmsg(f, &msg, 0);
}

static int accepts(roost_fd *f)
{
    return roost_fd_accept(f, NULL, NULL);
}

struct waiter {
    struct site *at;
    call_fn *call;
};

static int waits(void *arg)
{
    const struct waiter w = *(struct waiter *)arg;
    int r = -EBADF; /* gone before it ran */

    ledger_begins(&w.at->l);
    if (w.at->f)
        r = w.call(w.at->f);
    roost_check(r < 0 || (w.at->peer && w.at->f));
    if (r == -EBADF) {
        roost_check(!w.at->f);
        w.at->told++;
    } else if (r != -EBUSY && r != -ECONNREFUSED && r != -ENETUNREACH) {
        io_sane(r); /* busy: in another order one that looks came first */
    }
    return ledger_ends(&w.at->l, taken_in_stride(r));
}

static void demolish(struct site *at, int *ret_number)
{
    roost_fd *f = at->f;

    at->f = NULL; /* for those who have not begun */
    if (ret_number)
        *ret_number = roost_fd_detach(f);
    else
        roost_fd_close(f);
    roost_fd_close(f);
    roost_check(roost_fd_number(f) == -EBADF);
    memset(f, 0, sizeof *f); /* who looks at it again meets another number */
    at->gone = f;
}

/* Returns when the peer's byte is seen, at the same look at the loop, so that they
 * are woken and have not run yet. */
static void wake_with(int peer)
{
    int fd[2];

    roost_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0);
    roost_check(send(fd[1], "x", 1, 0) == 1);
    roost_check(send(peer, "x", 1, 0) == 1);
    roost_ignore(roost_wait_fd(fd[0], ROOST_READ));
    close(fd[0]);
    close(fd[1]);
}

static int end_with_waiters(struct site *at, call_fn *const *calls,
                            int *ret_number)
{
    int r, waiters = 0;

    ROOST_NURSERY(n);
    for (; *calls; calls++, waiters++) {
        struct waiter w = { at, *calls };

        ledger_spawned(&at->l, roost_spawn_copy(n, waits, &w, sizeof w));
    }
    r = clean(roost_sleep(ROOST_MS(1)));
    if (at->peer)
        wake_with(at->peer);
    demolish(at, ret_number);
    r = ledger_close(&at->l, n, r);
    free(at->gone);
    roost_check(at->told <= waiters);
    return r;
}

static int with_site(struct site *at, int fd)
{
    int r = -ENOMEM;

    at->f = malloc(sizeof *at->f);
    if (!at->f)
        close(fd);
    else
        r = take_over(at->f, fd);
    if (r < 0)
        free(at->f);
    return r;
}

static int socket_ends(call_fn *const *calls, bool detached, bool awake)
{
    struct site at = { .told = 0 };
    int fd[2], small = 1, number = -1, r;

    roost_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0);
    roost_check(setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &small,
                           sizeof small) == 0);
    at.peer = awake ? fd[1] : 0;
    r = with_site(&at, fd[0]);
    if (r >= 0)
        r = end_with_waiters(&at, calls, detached ? &number : NULL);
    if (number >= 0) { /* the caller's again */
        roost_check(number == fd[0]);
        roost_check(send(number, "x", 1, MSG_DONTWAIT) == 1 || errno == EAGAIN);
        close(number);
    }
    close(fd[1]);
    return r;
}

static call_fn *const all[] = { reads, writes, looks, looks, NULL };
static call_fn *const in_turn[] = { receives, receives, writes, looks, NULL };
static call_fn *const servers[] = { accepts, accepts, accepts, NULL };

static int closed(void *arg)
{
    (void)arg;
    return socket_ends(all, false, false);
}

static int closed_in_turn(void *arg)
{
    (void)arg;
    return socket_ends(in_turn, false, false);
}

static int closed_on_the_woken(void *arg)
{
    (void)arg;
    return socket_ends(all, false, true);
}

static int closed_on_the_woken_in_turn(void *arg)
{
    (void)arg;
    return socket_ends(in_turn, true, true);
}

static int detached(void *arg)
{
    (void)arg;
    return socket_ends(all, true, false);
}

static int listener_closed(void *arg)
{
    struct sockaddr_un any = { .sun_family = AF_UNIX };
    struct site at = { .told = 0 };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

    (void)arg;
    roost_check(bind(fd, (void *)&any, sizeof any.sun_family) == 0);
    roost_check(listen(fd, 4) == 0);
    r = with_site(&at, fd);
    return r < 0 ? r : end_with_waiters(&at, servers, NULL);
}

/* ---- closed while they sleep between two attempts ---- */

static struct sockaddr_un full_addr;
static unsigned full_len;

/* A listener without room, and a receiver that is full, have no event. */
static int connects(roost_fd *f)
{
    return roost_fd_connect(f, (void *)&full_addr, full_len);
}

static int open_full(int type, int fd[3])
{
    struct sockaddr_un any = { .sun_family = AF_UNIX };
    int i;

    for (i = 0; i < 3; i++)
        fd[i] = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    roost_check(bind(fd[0], (void *)&any, sizeof any.sun_family) == 0);
    roost_check(type == SOCK_DGRAM || listen(fd[0], 0) == 0);
    full_len = sizeof full_addr;
    roost_check(getsockname(fd[0], (void *)&full_addr, &full_len) == 0);
    return connect(fd[1], (void *)&full_addr, full_len);
}

static int addresses(roost_fd *f)
{
    struct iovec part = { &(char){ 'x' }, 1 };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1,
                          .msg_name = &full_addr, .msg_namelen = full_len };
    int r;

    do
        r = roost_fd_sendmsg(f, &msg, 0);
    while (r >= 0);
    return r;
}

static int pausing_ends(int type, call_fn *const *calls)
{
    struct site at = { .told = 0 };
    int fd[3], r;

    roost_check(open_full(type, fd) == 0);
    r = with_site(&at, fd[2]);
    if (r >= 0)
        r = end_with_waiters(&at, calls, NULL);
    close(fd[0]);
    close(fd[1]);
    return r;
}

static int closed_on_one_who_connects(void *arg)
{
    static call_fn *const calls[] = { connects, NULL };

    (void)arg;
    return pausing_ends(SOCK_STREAM, calls);
}

static int closed_on_senders(void *arg)
{
    static call_fn *const calls[] = { addresses, addresses, NULL };

    (void)arg;
    return pausing_ends(SOCK_DGRAM, calls);
}

/* ---- detached and taken over again ---- */

static int again(void *arg)
{
    CLOSED_AFTER a = { 0 };
    CLOSED_AFTER b = { 0 };
    struct flow w = { 0 };
    int i, r = open_sockets(SOCK_STREAM, &a, &b);

    (void)arg;
    for (i = 1; i <= 3 && r >= 0; i++) {
        r = put_until(&b, &w, (size_t)i * 10);
        if (r >= 0)
            r = get_until(&a, &w, (size_t)i * 10);
        if (r >= 0)
            r = take_over(&a, roost_fd_detach(&a));
    }
    if (roost_fd_number(&a) >= 0)
        end_flow(&a, &w);
    return r < 0 ? r : 0;
}

/* ---- somebody is there already ---- */

struct busy {
    struct ledger l;
    roost_fd a, b;
};

static int reads_first(void *arg)
{
    struct busy *x = arg;
    char byte;
    int r;

    ledger_begins(&x->l);
    r = roost_fd_read(&x->a, &byte, 1);
    roost_check(r != -EBUSY && r != -EBADF);
    return ledger_ends(&x->l, taken_in_stride(io_sane(r)));
}

/* X2: it is refused without a look at what there is, and disturbs nobody. */
static int second_reader(struct busy *x)
{
    char byte;
    int r = roost_test_wait_parked(&x->a, 1);

    if (r == -EDEADLK) /* the first was cut, and will not come */
        return 0;
    if (clean(r) < 0)
        return r;
    r = roost_fd_read(&x->a, &byte, 1);
    roost_check(r == -EBUSY || r == -ECANCELED, "it gave %d", r);
    if (sane(r) == -EBUSY)
        r = io_sane(roost_fd_write(&x->b, "x", 1));
    return r;
}

static int busy(void *arg)
{
    struct busy x = { .l.spawned = 0 };
    int r = open_sockets(SOCK_STREAM, &x.a, &x.b);

    (void)arg;
    if (r >= 0) {
        ROOST_NURSERY(n);
        if (ledger_spawned(&x.l, roost_spawn(n, reads_first, &x)) == 0)
            r = second_reader(&x);
        shutdown(roost_fd_number(&x.b), SHUT_WR);
        r = ledger_close(&x.l, n, r < 0 ? taken_in_stride(r) : 0);
    }
    roost_fd_close(&x.a);
    roost_fd_close(&x.b);
    return r;
}

int main(int argc, char **argv)
{
    static const struct torture bodies[] = {
        STRICT(closed),
        STRICT(closed_in_turn),
        STRICT(closed_on_the_woken),
        STRICT(closed_on_the_woken_in_turn),
        STRICT(detached),
        STRICT(listener_closed),
        STRICT(closed_on_one_who_connects),
        STRICT(closed_on_senders),
        STRICT(again),
        STRICT(busy),
    };

    return TORTURE_MAIN(bodies, argc, argv);
}
