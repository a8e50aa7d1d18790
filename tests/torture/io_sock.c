/* io_sock.c - accept and connect under every fault: each connection is served once
 *             or its client is told, and no number is lost on the way.
 *
 * The server is a service: it ends when its clients are gone. It closes its
 * listening socket when it ends, so that nobody waits for it in vain.
 */
#include "torture/ends.h"

#include <arpa/inet.h>
#include <netinet/in.h>

enum { GUESTS = 4 };

struct house {
    struct ledger l;
    roost_fd listener;
    struct sockaddr_storage addr;
    unsigned addr_len;
    int family, servers, slow_ms;
    int seen[GUESTS], answered[GUESTS];
};

/* ---- the server ---- */

struct guest {
    struct house *house;
    int fd;
};

static int treats(void *arg)
{
    const struct guest g = *(struct guest *)arg;
    CLOSED_AFTER f = { 0 };
    signed char number = -1;
    int r = take_over(&f, g.fd);

    while (r >= 0 && (r = io_sane(roost_fd_read(&f, &number, 1))) > 0) {
        roost_check(number >= 0 && number < GUESTS);
        roost_check(g.house->seen[(int)number]++ == 0);
        r = io_sane(roost_fd_write(&f, &number, 1));
    }
    return r < 0 ? taken_in_stride(r) : 0;
}

static int receive_guest(struct house *h, roost_nursery *n, int fd)
{
    struct guest g = { h, fd };
    int r;

    roost_check(fcntl(fd, F_GETFL) & O_NONBLOCK);
    roost_check(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    r = roost_spawn_copy(n, treats, &g, sizeof g);
    if (r < 0)
        close(fd);
    return r;
}

/* -ECONNABORTED is passed over, it never comes here. */
static int accept_one(struct house *h)
{
    struct sockaddr_storage from;
    unsigned len = sizeof from;
    int cut = roost_cancelled(), r;

    do
        r = ROOST_IDLE(roost_fd_accept(&h->listener, (void *)&from, &len));
    while (r == -EMFILE && (r = clean(roost_sleep(ROOST_MS(1)))) == 0);
    roost_check(r >= 0 || r == -ECANCELED || r == -ETIMEDOUT || r == -ENOSPC,
                "it gave %d", r);
    entered(cut, r);
    if (r >= 0)
        roost_check(from.ss_family == h->family && len <= sizeof from);
    return sane(r);
}

static int serve_all(struct house *h)
{
    int r = 0;

    ROOST_NURSERY(n);
    while (r >= 0) {
        r = accept_one(h);
        if (r >= 0)
            r = receive_guest(h, n, r);
        if (r >= 0 && h->slow_ms)
            r = clean(roost_sleep(ROOST_MS(h->slow_ms)));
    }
    if (--h->servers <= 0)
        roost_fd_close(&h->listener);
    return roost_nursery_close(n, r);
}

static int serves(void *arg)
{
    struct house *h = arg;

    ledger_begins(&h->l);
    return ledger_ends(&h->l, serve_all(h));
}

/* ---- the clients ---- */

static int connect_to(struct house *h, roost_fd *f)
{
    struct linger gone = { 1, 0 }; /* of a port nothing stays behind */
    int fd = socket(h->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r = fd < 0 ? -errno : take_over(f, fd);

    if (r < 0)
        return r;
    if (h->family == AF_INET)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &gone, sizeof gone);
    r = roost_fd_connect(f, (void *)&h->addr, h->addr_len);
    roost_check(r == 0 || r == -ECANCELED || r == -ETIMEDOUT ||
                r == -ECONNREFUSED || r == -ENETUNREACH || r == -ECONNRESET ||
                r == -ENOBUFS || r == -ENOSPC ||
                (r == -EAGAIN && h->family == AF_INET), /* no route, or so */
                "it gave %d", r);
    return sane(r);
}

static int ask(struct house *h, char number)
{
    CLOSED_AFTER f = { 0 };
    signed char answer = -1;
    int r = connect_to(h, &f);

    if (r >= 0)
        r = io_sane(roost_fd_write(&f, &number, 1));
    if (r >= 0)
        r = io_sane(roost_fd_read(&f, &answer, 1));
    if (r == 1) {
        roost_check(answer == number && h->seen[(int)number] == 1);
        h->answered[(int)number]++;
    }
    return r;
}

struct visit {
    struct house *house;
    char number;
};

static int visits(void *arg)
{
    struct visit v = *(struct visit *)arg;
    int r;

    ledger_begins(&v.house->l);
    r = ask(v.house, v.number);
    return ledger_ends(&v.house->l, r < 0 ? taken_in_stride(r) : 0);
}

/* ---- together ---- */

static int open_house(struct house *h, int backlog)
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    bool inet = h->family == AF_INET;
    int fd = socket(h->family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    roost_check((inet ? bind(fd, (void *)&in, sizeof in) /* any port */
                      : bind(fd, (void *)&un, sizeof un.sun_family)) == 0);
    roost_check(listen(fd, backlog) == 0);
    h->addr_len = sizeof h->addr;
    roost_check(getsockname(fd, (void *)&h->addr, &h->addr_len) == 0);
    return take_over(&h->listener, fd);
}

static int invite(struct house *h, int guests)
{
    static const roost_spawn_options service = { .service = true };
    struct visit v = { .house = h };
    int r;

    ROOST_NURSERY(n);
    ledger_spawned(&h->l, roost_spawn_with(n, serves, h, &service));
    for (v.number = 0; v.number < guests; v.number++)
        ledger_spawned(&h->l, roost_spawn_copy(n, visits, &v, sizeof v));
    r = ledger_close(&h->l, n, 0);
    while (guests-- > 0)
        roost_check(h->answered[guests] <= h->seen[guests]);
    return r;
}

static int house_of(int family, int backlog, int guests, int slow_ms)
{
    struct house h = { .family = family, .servers = 1, .slow_ms = slow_ms };
    int r = open_house(&h, backlog);

    if (r >= 0)
        r = invite(&h, guests);
    roost_fd_close(&h.listener);
    return r;
}

static int one_guest(void *arg)
{
    (void)arg;
    return house_of(AF_UNIX, 8, 1, 0);
}

static int several_guests(void *arg)
{
    (void)arg;
    return house_of(AF_UNIX, 8, GUESTS, 0);
}

/* The queue is full: they try again after pauses. */
static int full_house(void *arg)
{
    (void)arg;
    return house_of(AF_UNIX, 0, GUESTS, 5);
}

static int by_tcp(void *arg)
{
    (void)arg;
    return house_of(AF_INET, 8, 2, 0);
}

/* ---- two accept at one socket ---- */

static int two_servers(void *arg)
{
    static const roost_spawn_options service = { .service = true };
    struct house h = { .family = AF_UNIX, .servers = 2 };
    struct visit v = { .house = &h };
    int i, r = open_house(&h, 8);

    (void)arg;
    if (r < 0)
        return r;
    ROOST_NURSERY(n);
    for (i = 0; i < 2; i++)
        ledger_spawned(&h.l, roost_spawn_with(n, serves, &h, &service));
    for (; v.number < 3; v.number++)
        ledger_spawned(&h.l, roost_spawn_copy(n, visits, &v, sizeof v));
    r = ledger_close(&h.l, n, 0);
    roost_fd_close(&h.listener);
    return r;
}

/* ---- nobody accepts ---- */

static int knocks(void *arg)
{
    struct house *h = arg;
    CLOSED_AFTER f = { 0 };
    int r;

    ledger_begins(&h->l);
    r = ROOST_WITHIN(ROOST_MS(20), connect_to(h, &f));
    if (r == 0) /* the first ones fit in the queue */
        r = ROOST_WITHIN(ROOST_MS(20), roost_fd_wait(&f, ROOST_READ));
    roost_check(r < 0 || roost_fd_number(&h->listener) < 0);
    return ledger_ends(&h->l, r < 0 ? taken_in_stride(r) : 0);
}

static int nobody_at_home(void *arg)
{
    struct house h = { .family = AF_UNIX };
    int i, r = open_house(&h, 0);

    (void)arg;
    if (r < 0)
        return r;
    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++)
        ledger_spawned(&h.l, roost_spawn(n, knocks, &h));
    r = clean(roost_sleep(ROOST_MS(50)));
    roost_fd_close(&h.listener);
    return ledger_close(&h.l, n, r);
}

int main(int argc, char **argv)
{
    static const struct torture bodies[] = {
        STRICT(one_guest),
        STRICT(several_guests),
        STRICT(full_house),
        STRICT_WITH(by_tcp, .varies = true, .pairs = 200, .seeds = 50,
                    .max_orders = 100),
        STRICT(two_servers),
        STRICT(nobody_at_home),
    };

    return TORTURE_MAIN(bodies, argc, argv);
}
