/* io_msg.c - messages under every fault: each that was sent comes once and whole,
 *            and a descriptor that travels in one is nowhere left open.
 */
#include "torture/ends.h"

enum { MESSAGES = 24, EACH = 12 };

struct message {
    int number;
    char fill[100];
};

struct mail {
    struct ledger l;
    roost_fd in, out;
    struct place to; /* where messages are addressed to; empty: connected */
    int senders, receivers, count, flags;
    int recv_pause_ms, patience_ms;
    int sent[MESSAGES], got[MESSAGES];
};

/* ---- one message ---- */

static int send_one(struct mail *m, int number)
{
    struct message x = { .number = number };
    struct iovec part = { &x, sizeof x };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
    int cut = roost_cancelled(), r;

    memset(x.fill, number, sizeof x.fill);
    if (m->to.len) {
        msg.msg_name = &m->to.addr;
        msg.msg_namelen = m->to.len;
    }
    r = roost_fd_sendmsg(&m->out, &msg, m->flags);
    if (r == -EAGAIN)
        roost_check(m->flags & MSG_DONTWAIT);
    else
        io_sane(r);
    entered(cut, r);
    roost_check(r < 0 || r == sizeof x);
    roost_check(m->sent[number]++ == 0);
    m->sent[number] = r > 0;
    roost_check(r > 0 || !m->got[number]);
    return r;
}

static void note_message(struct mail *m, const struct message *x)
{
    size_t i;

    roost_check(x->number >= 0 && x->number < MESSAGES);
    for (i = 0; i < sizeof x->fill; i++)
        roost_check(x->fill[i] == (char)x->number);
    roost_check(m->got[x->number]++ == 0, "message %d came twice", x->number);
}

/* Its number; -EPIPE: the end. */
static int recv_one(struct mail *m)
{
    struct message x = { .number = -1 };
    struct iovec part = { &x, sizeof x };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
    int cut = roost_cancelled();
    int r = m->patience_ms
                ? ROOST_WITHIN(ROOST_MS(m->patience_ms),
                               roost_fd_recvmsg(&m->in, &msg, 0))
                : roost_fd_recvmsg(&m->in, &msg, 0);

    entered(cut, r);
    if (io_sane(r) == 0)
        return -EPIPE;
    roost_check(r < 0 ? x.number == -1 : r == sizeof x);
    if (r < 0)
        return r;
    note_message(m, &x);
    return x.number;
}

/* ---- senders and receivers ---- */

struct sender {
    struct mail *m;
    int first;
};

static int sends(void *arg)
{
    const struct sender s = *(struct sender *)arg;
    int i, r = 0;

    ledger_begins(&s.m->l);
    for (i = 0; i < s.m->count && (r >= 0 || r == -EAGAIN); i++) {
        r = send_one(s.m, s.first + i);
        if (r == -EAGAIN && (r = clean(roost_sleep(ROOST_MS(1)))) < 0)
            break;
    }
    if (--s.m->senders == 0)
        shutdown(roost_fd_number(&s.m->out), SHUT_WR);
    return ledger_ends(&s.m->l, r < 0 ? taken_in_stride(r) : 0);
}

/* From each sender they come in order. A receiver that is alone may wait too
 * short, and tries again. */
static int receives(void *arg)
{
    struct mail *m = arg;
    int last[MESSAGES / EACH] = { -1, -1 }, r = 0;

    ledger_begins(&m->l);
    for (;;) {
        r = recv_one(m);
        if (r == -ETIMEDOUT && m->senders > 0)
            continue;
        if (r < 0)
            break;
        roost_check(last[r / EACH] < r);
        last[r / EACH] = r;
        if (m->recv_pause_ms &&
            (r = clean(roost_sleep(ROOST_MS(m->recv_pause_ms)))) < 0)
            break;
    }
    if (--m->receivers == 0)
        shutdown(roost_fd_number(&m->in), SHUT_RDWR);
    return ledger_ends(&m->l, taken_in_stride(r));
}

/* ---- before and after ---- */

/* What nobody took is in the socket. */
static void end_mail(struct mail *m)
{
    struct message x;
    int i;

    while (recv(roost_fd_number(&m->in), &x, sizeof x, MSG_DONTWAIT) > 0)
        note_message(m, &x);
    for (i = 0; i < MESSAGES; i++)
        roost_check(m->sent[i] == m->got[i], "message %d: sent %d, came %d", i,
                    m->sent[i], m->got[i]);
}

static int carry(struct mail *m, int receivers)
{
    struct sender s = { .m = m };
    int i, r;

    m->receivers = receivers;
    ROOST_NURSERY(n);
    for (i = m->senders; i > 0; i--, s.first += EACH)
        ledger_spawned(&m->l, roost_spawn_copy(n, sends, &s, sizeof s));
    for (i = 0; i < receivers; i++)
        ledger_spawned(&m->l, roost_spawn(n, receives, m));
    r = ledger_close(&m->l, n, 0);
    end_mail(m);
    return r;
}

static int mail_of(struct mail m, int type, int receivers)
{
    int r = open_sockets(type, &m.in, &m.out);

    if (r >= 0)
        r = carry(&m, receivers);
    roost_fd_close(&m.in);
    roost_fd_close(&m.out);
    return r;
}

#define MAIL(name, type, receivers, ...)                                \
    static int name(void *arg)                                          \
    {                                                                   \
        (void)arg;                                                      \
        return mail_of((struct mail){ __VA_ARGS__ }, type, receivers);  \
    }

/* Of datagrams there is no end: who receives them loses patience. */
MAIL(packets, SOCK_SEQPACKET, 1, .senders = 1, .count = 3)
MAIL(packets_of_two, SOCK_SEQPACKET, 2, .senders = 2, .count = 3,
     .recv_pause_ms = 1)
MAIL(datagrams, SOCK_DGRAM, 1, .senders = 1, .count = 4, .patience_ms = 5)
MAIL(without_waiting, SOCK_DGRAM, 1, .senders = 1, .count = EACH,
     .patience_ms = 5, .recv_pause_ms = 1, .flags = MSG_DONTWAIT)

/* A receiver with a short queue, addressed by name: there is no event when it has
 * room again. */
static int to_a_full_one(void *arg)
{
    struct mail m = { .senders = 2, .count = EACH, .patience_ms = 500,
                      .recv_pause_ms = 1 };
    struct sockaddr_un any = { .sun_family = AF_UNIX };
    int fd[2], r;

    (void)arg;
    fd[0] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    fd[1] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    m.to.len = sizeof m.to.addr;
    roost_check(bind(fd[0], (void *)&any, sizeof any.sun_family) == 0);
    roost_check(getsockname(fd[0], (void *)&m.to.addr, &m.to.len) == 0);
    r = take_both(fd, &m.in, &m.out);
    if (r >= 0)
        r = carry(&m, 1);
    roost_fd_close(&m.in);
    roost_fd_close(&m.out);
    return r;
}

/* ---- descriptors that travel ---- */

struct courier {
    struct ledger l;
    roost_fd in, out;
    int sent, came;
};

union rights {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
};

static int send_rights(roost_fd *f, int fd)
{
    union rights rights = { .head = { .cmsg_level = SOL_SOCKET,
                                      .cmsg_type = SCM_RIGHTS,
                                      .cmsg_len = CMSG_LEN(sizeof fd) } };
    struct iovec part = { &(char){ 'x' }, 1 };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1,
                          .msg_control = &rights,
                          .msg_controllen = sizeof rights.room };

    memcpy(CMSG_DATA(&rights.head), &fd, sizeof fd);
    return io_sane(roost_fd_sendmsg(f, &msg, 0));
}

static int recv_rights(roost_fd *f, int *ret_fd)
{
    union rights rights;
    char byte;
    struct iovec part = { &byte, 1 };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1,
                          .msg_control = &rights,
                          .msg_controllen = sizeof rights.room };
    int r = io_sane(roost_fd_recvmsg(f, &msg, 0));

    if (r > 0) {
        roost_check(byte == 'x' && CMSG_FIRSTHDR(&msg));
        memcpy(ret_fd, CMSG_DATA(&rights.head), sizeof *ret_fd);
    }
    return r;
}

/* The writing end of a pipe, which is nobody's any more when all are home. */
static int gives_ends(void *arg)
{
    struct courier *c = arg;
    int fd[2], i, r = 0;
    char byte;

    ledger_begins(&c->l);
    for (i = 0; i < 3 && r >= 0; i++) {
        roost_check(pipe2(fd, O_CLOEXEC | O_NONBLOCK) == 0);
        r = send_rights(&c->out, fd[1]);
        c->sent += r > 0;
        close(fd[1]);
        if (r < 0)
            roost_check(read(fd[0], &byte, 1) == 0); /* it did not travel */
        close(fd[0]);
    }
    shutdown(roost_fd_number(&c->out), SHUT_WR);
    return ledger_ends(&c->l, r < 0 ? taken_in_stride(r) : 0);
}

static int takes_ends(void *arg)
{
    struct courier *c = arg;
    int fd = -1, r;

    ledger_begins(&c->l);
    while ((r = recv_rights(&c->in, &fd)) > 0) {
        CLOSED_AFTER f = { 0 };

        c->came++;
        roost_check(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        r = take_over(&f, fd);
        if (r < 0)
            break;
    }
    return ledger_ends(&c->l, taken_in_stride(r));
}

static int rights(void *arg)
{
    struct courier c = { .sent = 0 };
    int r = open_sockets(SOCK_STREAM, &c.in, &c.out);

    (void)arg;
    if (r >= 0) {
        ROOST_NURSERY(n);
        ledger_spawned(&c.l, roost_spawn(n, takes_ends, &c));
        ledger_spawned(&c.l, roost_spawn(n, gives_ends, &c));
        r = ledger_close(&c.l, n, 0);
        roost_check(c.came <= c.sent);
    }
    roost_fd_close(&c.in);
    roost_fd_close(&c.out);
    return r;
}

int main(int argc, char **argv)
{
    static const struct torture bodies[] = {
        STRICT(packets),
        STRICT(packets_of_two),
        STRICT(datagrams),
        STRICT(without_waiting),
        STRICT(to_a_full_one),
        STRICT(rights),
    };

    return TORTURE_MAIN(bodies, argc, argv);
}
