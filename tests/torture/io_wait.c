/* io_wait.c - waiting for descriptors of others under every fault: what is there is
 *             seen, also of several, also when the number is closed and opened
 *             anew; who closes one says so, and the waiters are told.
 */
#include "torture/ends.h"

/* What a wait may say; the descriptors are the body's. */
static int wait_sane(int r)
{
    roost_check(r > 0 || r == -ECANCELED || r == -ETIMEDOUT || r == -EBADF ||
                r == -ENOMEM || r == -ENOSPC || r == -EMFILE, "it gave %d", r);
    return sane(r);
}

static void open_numbers(int fd[2])
{
    roost_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                           0, fd) == 0);
}

/* ---- one byte at a time, by a library that has its own calls ---- */

struct library {
    struct ledger l;
    int fd[2];
    struct flow w;
    size_t end;
    int put_pause_ms, get_pause_ms, patience_ms;
};

static int library_gets(struct library *b)
{
    char buf[8];
    ssize_t got;
    int r;

    while ((got = recv(b->fd[0], buf, sizeof buf, 0)) < 0) {
        roost_check(errno == EAGAIN);
        do
            r = b->patience_ms ? ROOST_WITHIN(ROOST_MS(b->patience_ms),
                                              roost_wait_fd(b->fd[0], ROOST_READ))
                               : roost_wait_fd(b->fd[0], ROOST_READ);
        while (r == -ETIMEDOUT);
        roost_check(wait_sane(r) < 0 || r == ROOST_READ);
        if (r < 0)
            return r;
    }
    check_bytes(&b->w, buf, (int)got);
    return (int)got;
}

static int library_puts(struct library *b)
{
    char byte = byte_at(b->w.put);
    int r;

    while (send(b->fd[1], &byte, 1, MSG_NOSIGNAL) < 0) {
        if (errno != EAGAIN)
            return -errno;
        r = roost_wait_fd(b->fd[1], ROOST_WRITE);
        roost_check(wait_sane(r) < 0 || r == ROOST_WRITE);
        if (r < 0)
            return r;
    }
    b->w.put++;
    return 0;
}

static int pause_ms(int ms)
{
    return ms ? clean(roost_sleep(ROOST_MS(ms))) : 0;
}

static int gets_bytes(void *arg)
{
    struct library *b = arg;
    int r;

    ledger_begins(&b->l);
    while ((r = library_gets(b)) > 0)
        if ((r = pause_ms(b->get_pause_ms)) < 0)
            break;
    shutdown(b->fd[0], SHUT_RDWR);
    return ledger_ends(&b->l, r < 0 ? taken_in_stride(r) : 0);
}

static int puts_bytes(void *arg)
{
    struct library *b = arg;
    int r = 0;

    ledger_begins(&b->l);
    while (b->w.put < b->end && r >= 0)
        if ((r = library_puts(b)) >= 0)
            r = pause_ms(b->put_pause_ms);
    shutdown(b->fd[1], SHUT_WR);
    return ledger_ends(&b->l, r < 0 ? taken_in_stride(r) : 0);
}

static void end_library(struct library *b)
{
    char buf[100];
    ssize_t got;

    while ((got = recv(b->fd[0], buf, sizeof buf, 0)) > 0)
        check_bytes(&b->w, buf, (int)got);
    roost_check(b->w.put == b->w.got);
    close(b->fd[0]);
    close(b->fd[1]);
}

static int use_library(struct library b)
{
    int small = 1, r;

    open_numbers(b.fd);
    roost_check(setsockopt(b.fd[1], SOL_SOCKET, SO_SNDBUF, &small,
                           sizeof small) == 0);
    ROOST_NURSERY(n);
    ledger_spawned(&b.l, roost_spawn(n, gets_bytes, &b));
    ledger_spawned(&b.l, roost_spawn(n, puts_bytes, &b));
    r = ledger_close(&b.l, n, 0);
    end_library(&b);
    return r;
}

#define LIBRARY(name, ...)                                    \
    static int name(void *arg)                                \
    {                                                         \
        (void)arg;                                            \
        return use_library((struct library){ __VA_ARGS__ });  \
    }

LIBRARY(slow_writer, .end = 4, .put_pause_ms = 1)
LIBRARY(slow_reader, .end = 12, .get_pause_ms = 1)
LIBRARY(impatient, .end = 4, .put_pause_ms = 3, .patience_ms = 2)

/* ---- two wait for one number ---- */

struct both {
    struct ledger l;
    int fd[2];
    size_t closing;
};

static int waits_for(struct both *b, int mask)
{
    int cut, r;

    ledger_begins(&b->l);
    cut = roost_cancelled();
    r = entered(cut, wait_sane(roost_wait_fd(b->fd[0], mask)));
    roost_check(r < 0 || (r & mask) == r);
    return ledger_ends(&b->l, r < 0 ? taken_in_stride(r) : 0);
}

static int waits_to_read(void *arg)
{
    return waits_for(arg, ROOST_READ);
}

static int waits_to_write(void *arg)
{
    return waits_for(arg, ROOST_WRITE);
}

static int waits_for_both(void *arg)
{
    return waits_for(arg, ROOST_READ | ROOST_WRITE);
}

static void fill(int fd)
{
    char buf[1000] = { 0 };

    while (send(fd, buf, sizeof buf, MSG_NOSIGNAL) > 0)
        ;
}

static void drain(int fd)
{
    char buf[1000];

    while (recv(fd, buf, sizeof buf, 0) > 0)
        ;
}

/* First there is room to write, then something to read; each is told of his. */
static int both_directions(void *arg)
{
    struct both b = { .closing = 0 };
    int r;

    (void)arg;
    open_numbers(b.fd);
    fill(b.fd[0]);
    ROOST_NURSERY(n);
    ledger_spawned(&b.l, roost_spawn(n, waits_to_read, &b));
    ledger_spawned(&b.l, roost_spawn(n, waits_to_write, &b));
    ledger_spawned(&b.l, roost_spawn(n, waits_for_both, &b));
    r = clean(roost_sleep(ROOST_MS(1)));
    drain(b.fd[1]);
    if (r >= 0)
        r = clean(roost_sleep(ROOST_MS(1)));
    roost_check(send(b.fd[1], "x", 1, 0) == 1);
    r = ledger_close(&b.l, n, r);
    close(b.fd[0]);
    close(b.fd[1]);
    return r;
}

/* Who closes it says so; the number is then another's. */
static int closed_and_reopened(void *arg)
{
    struct both b = { .closing = 0 };
    int other[2], i, r = 0;

    (void)arg;
    open_numbers(b.fd);
    open_numbers(other);
    ROOST_NURSERY(n);
    for (i = 0; i < 3 && r >= 0; i++) {
        ledger_spawned(&b.l, roost_spawn(n, waits_to_read, &b));
        ledger_spawned(&b.l, roost_spawn(n, waits_to_read, &b));
        r = clean(roost_sleep(ROOST_MS(1)));
        b.closing += roost_fd_closing(b.fd[0]);
        roost_check(dup3(other[0], b.fd[0], O_CLOEXEC) == b.fd[0]);
    }
    roost_fd_closing(b.fd[0]);
    shutdown(other[0], SHUT_RDWR); /* for those who have not looked yet */
    r = ledger_close(&b.l, n, r);
    roost_check(b.closing <= (size_t)b.l.spawned);
    for (i = 0; i < 2; i++) {
        close(b.fd[i]);
        close(other[i]);
    }
    return r;
}

/* What is armed in the kernel lives as long as any number of the same socket. The
 * wait for its next owner is not told of the earlier one's bytes. */
static int not_of_an_earlier_owner(void *arg)
{
    int old[2], new[2], kept, r;

    (void)arg;
    open_numbers(old);
    open_numbers(new);
    r = ROOST_WITHIN(ROOST_MS(1), roost_wait_fd(old[0], ROOST_READ));
    roost_check(wait_sane(r) < 0);
    kept = dup(old[0]);
    roost_check(dup3(new[0], old[0], O_CLOEXEC) == old[0]);
    roost_check(send(old[1], "x", 1, 0) == 1);
    if (r == -ETIMEDOUT) {
        r = ROOST_WITHIN(ROOST_MS(1), roost_wait_fd(old[0], ROOST_READ));
        roost_check(wait_sane(r) < 0, "nothing had come for it");
    }
    close(kept);
    for (kept = 0; kept < 2; kept++) {
        close(old[kept]);
        close(new[kept]);
    }
    return r == -ETIMEDOUT ? 0 : r;
}

/* ---- several at once ---- */

enum { LINES = 4, BYTES = 2 };

struct lines {
    struct ledger l;
    int fd[LINES][2], put[LINES], got[LINES], ended;
};

static int feeds(void *arg)
{
    struct lines *x = arg;
    int i, r = 0;

    ledger_begins(&x->l);
    for (i = 0; i < LINES * BYTES && r >= 0; i++) {
        roost_check(send(x->fd[i * 3 % LINES][1], "x", 1, 0) == 1);
        x->put[i * 3 % LINES]++;
        if (i % 3 == 2)
            r = clean(roost_sleep(ROOST_MS(1)));
    }
    for (i = 0; i < LINES; i++)
        shutdown(x->fd[i][1], SHUT_WR);
    return ledger_ends(&x->l, r);
}

/* Of those that are ready one byte is taken, or their end. */
static void take_ready(struct lines *x, roost_fd_ready *items, int ready)
{
    char byte;
    int i, count = 0;

    for (i = 0; i < LINES; i++) {
        if (!items[i].ret_mask)
            continue;
        count++;
        roost_check(items[i].fd >= 0 && items[i].ret_mask == ROOST_READ);
        if (recv(items[i].fd, &byte, 1, 0) == 1) {
            x->got[i]++;
        } else {
            items[i].fd = -1;
            x->ended++;
        }
    }
    roost_check(count == ready && count > 0);
}

static int reads_lines(void *arg)
{
    struct lines *x = arg;
    roost_fd_ready items[LINES] = { { 0 } };
    int i, cut, r = 0;

    ledger_begins(&x->l);
    for (i = 0; i < LINES; i++)
        items[i] = (roost_fd_ready){ .fd = x->fd[i][0], .mask = ROOST_READ };
    while (x->ended < LINES) {
        cut = roost_cancelled();
        r = entered(cut, ROOST_WITHIN(ROOST_US(1500),
                                      roost_wait_fds(items, LINES)));
        if (wait_sane(r) == -ETIMEDOUT)
            continue;
        if (r < 0)
            break;
        take_ready(x, items, r);
    }
    return ledger_ends(&x->l, r < 0 ? taken_in_stride(r) : 0);
}

static int several(void *arg)
{
    struct lines x = { .ended = 0 };
    int i, r;

    (void)arg;
    for (i = 0; i < LINES; i++)
        open_numbers(x.fd[i]);
    ROOST_NURSERY(n);
    ledger_spawned(&x.l, roost_spawn(n, reads_lines, &x));
    ledger_spawned(&x.l, roost_spawn(n, feeds, &x));
    r = ledger_close(&x.l, n, 0);
    for (i = 0; i < LINES; i++) {
        roost_check(x.got[i] <= x.put[i]);
        roost_check(x.ended < LINES || x.got[i] == x.put[i]);
        close(x.fd[i][0]);
        close(x.fd[i][1]);
    }
    return r;
}

/* ---- what is refused, and what cancellation comes before ---- */

static int refusals(void *arg)
{
    roost_fd_ready nothing = { .fd = -1, .mask = ROOST_READ };
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), r;

    (void)arg;
    r = roost_wait_fd(fd, ROOST_READ);
    close(fd);
    roost_check(r == -EPERM || r == -EIO || wait_sane(r) < 0, "it gave %d", r);
    r = roost_wait_fd(9999, ROOST_READ); /* nobody's */
    roost_check(wait_sane(r) < 0, "it gave %d", r);
    r = roost_wait_fds(&nothing, 1);
    roost_check(r == -EINVAL || wait_sane(r) < 0, "it gave %d", r);
    r = roost_wait_fd(0, 8);
    roost_check(r == -EINVAL || wait_sane(r) < 0, "it gave %d", r);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct torture bodies[] = {
        STRICT(slow_writer),
        STRICT(slow_reader),
        STRICT(impatient),
        STRICT(both_directions),
        STRICT(closed_and_reopened),
        STRICT(not_of_an_earlier_owner),
        STRICT(several),
        STRICT(refusals),
    };

    return TORTURE_MAIN(bodies, argc, argv);
}
