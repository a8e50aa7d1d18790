/* test_fd_sockets.c - claims about accepting, connecting and messages. */
#define _GNU_SOURCE
#include "rules/pairs.h"
#include "rules/in_task.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/un.h>

/* ---- listeners ---- */

struct place {
    struct sockaddr_storage addr;
    unsigned len;
};

/* On a port, or a name without a file, that the kernel chooses. */
static int listen_somewhere(int family, int backlog, struct place *ret)
{
    int fd = socket(family, SOCK_STREAM, 0);
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct sockaddr_un un = { .sun_family = AF_UNIX };

    if (family == AF_INET)
        EXPECT_INT(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    else
        EXPECT_INT(bind(fd, (struct sockaddr *)&un, sizeof un.sun_family), 0);
    EXPECT_INT(listen(fd, backlog), 0);
    ret->len = sizeof ret->addr;
    EXPECT_INT(getsockname(fd, (struct sockaddr *)&ret->addr, &ret->len), 0);
    return fd;
}

static void open_listener(roost_fd *f, int family, struct place *ret)
{
    EXPECT_INT(roost_fd_open(f, listen_somewhere(family, 16, ret)), 0);
}

static int connect_to(const struct place *p)
{
    int fd = socket(((const struct sockaddr *)&p->addr)->sa_family, SOCK_STREAM,
                    0);

    EXPECT_INT(connect(fd, (const struct sockaddr *)&p->addr, p->len), 0);
    return fd;
}

/* ---- accepting ---- */

static int accepts(int family)
{
    struct place place, peer = { .len = sizeof peer.addr };
    roost_fd f;
    int client, served, own;

    open_listener(&f, family, &place);
    client = connect_to(&place);
    served = roost_fd_accept(&f, (struct sockaddr *)&peer.addr, &peer.len);
    EXPECT(served >= 0);
    EXPECT(fcntl(served, F_GETFL) & O_NONBLOCK);
    EXPECT_INT(fcntl(served, F_GETFD), FD_CLOEXEC);
    EXPECT_INT(peer.addr.ss_family, family);
    if (family == AF_INET) {
        struct place name = { .len = sizeof name.addr };

        own = getsockname(client, (struct sockaddr *)&name.addr, &name.len);
        EXPECT_INT(own, 0);
        EXPECT_INT(name.len, peer.len);
        EXPECT_INT(memcmp(&name.addr, &peer.addr, peer.len), 0);
    }
    put_byte(client);
    EXPECT_INT(roost_wait_fd(served, ROOST_READ), ROOST_READ);
    take_byte(served);
    close(served);
    close(client);
    client = connect_to(&place);
    served = roost_fd_accept(&f, NULL, NULL);
    EXPECT(served >= 0);
    close(served);
    close(client);
    roost_fd_close(&f);
    return 0;
}

static int accepts_both(void *arg)
{
    (void)arg;
    accepts(AF_INET);
    return accepts(AF_UNIX);
}

static void accept_gives_a_non_blocking_close_on_exec_socket(void **state)
{
    (void)state;
    with_clocks(accepts_both);
}

enum { ACCEPTORS = 4 };

static int acceptors(void *arg)
{
    struct caller c[ACCEPTORS];
    struct place place;
    int clients[ACCEPTORS], i;
    roost_fd f;

    (void)arg;
    open_listener(&f, AF_UNIX, &place);
    ROOST_NURSERY(n);
    for (i = 0; i < ACCEPTORS; i++) {
        c[i] = (struct caller){ .f = &f, .kind = DO_ACCEPT,
                                .name = { (char)('a' + i) } };
        roost_spawn(n, calls_once, &c[i]);
    }
    settle();
    for (i = 0; i < ACCEPTORS; i++)
        clients[i] = connect_to(&place);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("a b c d");
    for (i = 0; i < ACCEPTORS; i++) {
        EXPECT(c[i].r >= 0);
        put_byte(clients[i]);
        take_byte(c[i].r); /* the first who asked has the first who came */
        close(clients[i]);
        close(c[i].r);
    }
    roost_fd_close(&f);
    return 0;
}

static void acceptors_are_served_in_order_X1(void **state)
{
    (void)state;
    with_clocks(acceptors);
}

/* What accept4 says, one after the other; then the real one. */
static const int *script;
static int said;

static int scripted_accept(int fd, struct sockaddr *addr, unsigned *len,
                           int flags)
{
    if (script && *script) {
        errno = *script++;
        said++;
        if (len)
            *len = 0; /* must not be asked with that again */
        return -1;
    }
    return accept4(fd, addr, len, flags);
}

static int accepts_after_errors(void *arg)
{
    static const int passed[] = {
        ECONNABORTED, EPROTO, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH,
        ENETUNREACH, ENETDOWN, EINTR, EAGAIN, EOPNOTSUPP, EINTR, EAGAIN, 0 };
    static const int given[] = { EMFILE, ENFILE, ENOMEM, ENOBUFS, EPERM,
                                 EINVAL, 0 };
    struct place place, peer = { .len = sizeof peer.addr };
    int client, i;
    roost_fd f;

    (void)arg;
    open_listener(&f, AF_INET, &place);
    client = connect_to(&place);
    script = passed;
    said = 0;
    i = roost_fd_accept(&f, (struct sockaddr *)&peer.addr, &peer.len);
    EXPECT(i >= 0);
    EXPECT_INT(said, 13);
    EXPECT_INT(peer.len, sizeof(struct sockaddr_in));
    EXPECT_INT(peer.addr.ss_family, AF_INET);
    close(i);
    close(client);
    client = connect_to(&place);
    script = given;
    for (i = 0; given[i]; i++)
        EXPECT_INT(roost_fd_accept(&f, NULL, NULL), -given[i]);
    i = roost_fd_accept(&f, NULL, NULL);
    EXPECT(i >= 0);
    close(i);
    close(client);
    roost_fd_close(&f);
    open_listener(&f, AF_UNIX, &place);
    client = connect_to(&place);
    script = (const int[]){ EOPNOTSUPP, 0 }; /* TCP alone means a connection */
    EXPECT_INT(roost_fd_accept(&f, NULL, NULL), -EOPNOTSUPP);
    close(client);
    roost_fd_close(&f);
    return 0;
}

static void errors_of_one_connection_are_passed_over(void **state)
{
    struct roost_sys sys = roost__sys_default;

    (void)state;
    sys.accept4 = scripted_accept;
    assert_int_equal(kit_run_with(&(roost_options){ .sys = &sys },
                                  accepts_after_errors, NULL), 0);
    script = NULL;
}

/* EOPNOTSUPP of what is no listener would come for ever. */
IN_TASK(accept_of_what_is_no_listener_fails)
{
    int fd[2];
    roost_fd f;

    EXPECT_INT(roost_fd_open(&f, socket(AF_INET, SOCK_DGRAM, 0)), 0);
    EXPECT_INT(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
    put_byte(fd[1]);
    EXPECT_INT(ROOST_WITHIN(ROOST_SEC(1), roost_fd_accept(&f, NULL, NULL)),
               -ETIMEDOUT); /* nothing to read: it is not asked */
    roost_fd_close(&f);
    EXPECT_INT(roost_fd_open(&f, fd[0]), 0);
    EXPECT_INT(roost_fd_accept(&f, NULL, NULL), -EOPNOTSUPP);
    roost_fd_close(&f);
    close(fd[1]);
    EXPECT_INT(roost_fd_open(&f, socket(AF_INET, SOCK_STREAM, 0)), 0);
    EXPECT_INT(roost_fd_accept(&f, NULL, NULL), -EINVAL);
    roost_fd_close(&f);
    EXPECT_INT(pipe(fd), 0);
    put_byte(fd[1]);
    EXPECT_INT(roost_fd_open(&f, fd[0]), 0);
    EXPECT_INT(roost_fd_accept(&f, NULL, NULL), -ENOTSOCK);
    roost_fd_close(&f);
    close(fd[1]);
    return 0;
}

/* ---- connecting ---- */

static int connects(int family)
{
    struct place place;
    roost_fd l, f;
    char byte = 'x';
    int served;

    open_listener(&l, family, &place);
    EXPECT_INT(roost_fd_open(&f, socket(family, SOCK_STREAM, 0)), 0);
    EXPECT_INT(roost_fd_connect(&f, (struct sockaddr *)&place.addr, place.len),
               0);
    served = roost_fd_accept(&l, NULL, NULL);
    EXPECT_INT(roost_fd_write(&f, &byte, 1), 1);
    EXPECT_INT(roost_wait_fd(served, ROOST_READ), ROOST_READ);
    take_byte(served);
    put_byte(served);
    EXPECT_INT(roost_fd_read(&f, &byte, 1), 1);
    close(served);
    roost_fd_close(&f);
    roost_fd_close(&l);
    EXPECT_INT(roost_fd_open(&f, socket(family, SOCK_STREAM, 0)), 0);
    EXPECT_INT(roost_fd_connect(&f, (struct sockaddr *)&place.addr, place.len),
               -ECONNREFUSED);
    roost_fd_close(&f);
    EXPECT_INT(roost__rt->outside, 0);
    return 0;
}

static int connects_both(void *arg)
{
    (void)arg;
    connects(AF_INET);
    return connects(AF_UNIX);
}

static void connect_says_0_or_why_not(void **state)
{
    (void)state;
    with_clocks(connects_both);
}

/* A Unix listener whose queue is full has no event for who wants in. */
struct hopeful {
    struct place place;
    roost_fd *f;
    int r;
    long long at;
};

static int hopes(void *arg)
{
    struct hopeful *h = arg;

    h->r = roost_fd_connect(h->f, (struct sockaddr *)&h->place.addr,
                            h->place.len);
    h->at = kit_ms();
    return 0;
}

static int full_queue(struct hopeful *h, int clients[2])
{
    int l = listen_somewhere(AF_UNIX, 0, &h->place), i;

    clients[0] = clients[1] = -1;
    for (i = 0; i < 2; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

        if (connect(fd, (struct sockaddr *)&h->place.addr, h->place.len) == 0)
            clients[i] = fd;
        else
            close(fd);
    }
    EXPECT(clients[1] < 0); /* it is full */
    return l;
}

IN_TASK(a_full_unix_listener_is_tried_again_after_pauses)
{
    struct hopeful h = { .r = 1 };
    int clients[2], l = full_queue(&h, clients), served;
    roost_fd f, other;

    EXPECT_INT(roost_fd_open(&f, socket(AF_UNIX, SOCK_STREAM, 0)), 0);
    h.f = &f;
    ROOST_NURSERY(n);
    roost_spawn(n, hopes, &h);
    EXPECT_INT(roost_sleep(ROOST_MS(100)), 0);
    EXPECT_INT(h.r, 1);
    EXPECT_INT(roost_fd_connect(&f, (struct sockaddr *)&h.place.addr,
                                h.place.len), -EBUSY);
    served = accept(l, NULL, NULL);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(h.r, 0);
    EXPECT_INT(h.at, 127); /* 1 + 2 + 4 ... + 64 */
    /* Cut in a pause. */
    EXPECT_INT(roost_fd_open(&other, socket(AF_UNIX, SOCK_STREAM, 0)), 0);
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(20), roost_fd_connect(&other,
               (struct sockaddr *)&h.place.addr, h.place.len)), -ETIMEDOUT);
    EXPECT(!other.pauses);
    roost_fd_close(&other);
    close(served);
    close(clients[0]);
    close(l);
    roost_fd_close(&f);
    return 0;
}

IN_TASK(closing_ends_a_connect_in_its_pause)
{
    struct hopeful h = { .r = 1 };
    int clients[2], l = full_queue(&h, clients);

    h.f = malloc(sizeof *h.f);
    EXPECT_INT(roost_fd_open(h.f, socket(AF_UNIX, SOCK_STREAM, 0)), 0);
    ROOST_NURSERY(n);
    roost_spawn(n, hopes, &h);
    EXPECT_INT(roost_sleep(ROOST_MS(10)), 0);
    roost_fd_close(h.f);
    free(h.f);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(h.r, -EBADF);
    close(clients[0]);
    close(l);
    return 0;
}

/* A connection that takes its time, by a script: under way, then an error. */
static int connect_error, interruptions;

static int slow_connect(int fd, const struct sockaddr *addr, unsigned len)
{
    (void)fd, (void)addr, (void)len;
    errno = interruptions-- > 0 ? EINTR : connect_error;
    return -1;
}

static int late_errors(void *arg)
{
    static const int under_way[] = { EINPROGRESS, EALREADY };
    struct sockaddr nowhere = { .sa_family = AF_INET };
    struct end e;
    int i;

    (void)arg;
    for (i = 0; i < 4; i++) {
        open_socket_end(&e);
        interruptions = i & 2;
        connect_error = under_way[i & 1];
        EXPECT_INT(roost_fd_connect(&e.f, &nowhere, sizeof nowhere), 0);
        fill(roost_fd_number(&e.f));
        EXPECT_INT(ROOST_WITHIN(ROOST_MS(5), roost_fd_connect(&e.f, &nowhere,
                                sizeof nowhere)), -ETIMEDOUT);
        EXPECT(roost_scope_caught(NULL));
        EXPECT_INT(roost__rt->outside, 0);
        close_end(&e);
    }
    open_socket_end(&e);
    interruptions = 1;
    connect_error = EISCONN; /* it was done when the signal came */
    EXPECT_INT(roost_fd_connect(&e.f, &nowhere, sizeof nowhere), 0);
    EXPECT_INT(roost_fd_connect(&e.f, &nowhere, sizeof nowhere), -EISCONN);
    connect_error = EAGAIN; /* of what is not a Unix socket: no ports left */
    EXPECT_INT(roost_fd_connect(&e.f, &nowhere, sizeof nowhere), -EAGAIN);
    connect_error = ENETUNREACH;
    EXPECT_INT(roost_fd_connect(&e.f, &nowhere, sizeof nowhere), -ENETUNREACH);
    close_end(&e);
    return 0;
}

static void a_connection_under_way_is_waited_for(void **state)
{
    struct roost_sys sys = roost__sys_default;

    (void)state;
    sys.connect = slow_connect;
    assert_int_equal(kit_run_with(&(roost_options){
        .clock = ROOST_CLOCK_VIRTUAL, .sys = &sys }, late_errors, NULL), 0);
}

/* ---- messages ---- */

static int passes_descriptor(void *arg)
{
    union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int))]; } control;
    struct fds s = open_pair();
    struct iovec part = { (char[1]){ 'x' }, 1 };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof control };
    struct cmsghdr *c = &control.h;
    roost_fd f[2];
    int number = 0;

    (void)arg;
    memset(&control, 0, sizeof control);
    *c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
                           .cmsg_len = CMSG_LEN(sizeof number) };
    memcpy(CMSG_DATA(c), &number, sizeof number);
    EXPECT_INT(roost_fd_open(&f[0], s.r), 0);
    EXPECT_INT(roost_fd_open(&f[1], s.w), 0);
    EXPECT_INT(roost_fd_sendmsg(&f[0], &msg, 0), 1);
    memset(&control, 0, sizeof control);
    EXPECT_INT(roost_fd_recvmsg(&f[1], &msg, 0), 1);
    memcpy(&number, CMSG_DATA(c), sizeof number);
    EXPECT(number > 0);
    EXPECT_INT(fcntl(number, F_GETFD), FD_CLOEXEC);
    close(number);
    EXPECT_INT(roost_fd_recvmsg(&f[1], &msg, MSG_DONTWAIT), -EAGAIN);
    EXPECT_INT(roost_fd_recvmsg(&f[1], &msg, MSG_ERRQUEUE), -EAGAIN);
    roost_fd_close(&f[0]);
    EXPECT_INT(roost_fd_recvmsg(&f[1], &msg, 0), 0);
    EXPECT_INT(roost_fd_sendmsg(&f[1], &msg, 0), -EPIPE);
    roost_fd_close(&f[1]);
    return 0;
}

static void messages_carry_descriptors_which_are_close_on_exec(void **state)
{
    (void)state;
    with_clocks(passes_descriptor);
}

static int datagrams(void *arg)
{
    char buf[8];
    int s[2];
    roost_fd f[2];

    (void)arg;
    EXPECT_INT(socketpair(AF_UNIX, SOCK_DGRAM, 0, s), 0);
    EXPECT_INT(roost_fd_open(&f[0], s[0]), 0);
    EXPECT_INT(roost_fd_open(&f[1], s[1]), 0);
    EXPECT_INT(roost_fd_write(&f[0], "abc", 3), 3);
    EXPECT_INT(roost_fd_write(&f[0], "", 0), 0); /* is one too */
    EXPECT_INT(roost_fd_write(&f[0], "de", 2), 2);
    EXPECT_INT(roost_fd_read(&f[1], buf, sizeof buf), 3);
    EXPECT_INT(roost_fd_read(&f[1], buf, sizeof buf), 0);
    EXPECT_INT(roost_fd_read(&f[1], buf, sizeof buf), 2);
    roost_fd_close(&f[0]);
    roost_fd_close(&f[1]);
    return 0;
}

/* A sender that is not connected is writable however full the receiver is. */
struct datagram {
    roost_fd *f;
    struct sockaddr_un *to;
    unsigned len;
    int r;
};

static int sends_datagram(void *arg)
{
    struct datagram *d = arg;
    struct iovec part = { (char[1]){ 'x' }, 1 };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1,
                          .msg_name = d->to, .msg_namelen = d->len };

    d->r = 7;
    d->r = roost_fd_sendmsg(d->f, &msg, 0);
    return 0;
}

static long sends;

static ssize_t count_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    sends++;
    return sendmsg(fd, msg, flags);
}

/* A receiver that has no room for another datagram. */
static int full_receiver(struct sockaddr_un *to, unsigned *len)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), filler;

    to->sun_family = AF_UNIX;
    *len = sizeof *to;
    EXPECT_INT(bind(fd, (struct sockaddr *)to, sizeof to->sun_family), 0);
    EXPECT_INT(getsockname(fd, (struct sockaddr *)to, len), 0);
    filler = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    while (sendto(filler, "y", 1, 0, (struct sockaddr *)to, *len) == 1)
        ;
    close(filler);
    return fd;
}

static int count_of(const struct datagram *d, int r)
{
    return (d[0].r == r) + (d[1].r == r) + (d[2].r == r);
}

static int sends_to_full(void *arg)
{
    struct sockaddr_un to = { 0 };
    roost_fd *f = malloc(sizeof *f);
    struct datagram d[3];
    unsigned len;
    int fd = full_receiver(&to, &len), i;

    (void)arg;
    EXPECT_INT(roost_fd_open(f, socket(AF_UNIX, SOCK_DGRAM, 0)), 0);
    sends = 0;
    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++) {
        d[i] = (struct datagram){ f, &to, len, 0 };
        roost_spawn(n, sends_datagram, &d[i]);
    }
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), 0);
    EXPECT_INT(count_of(d, 7), 3);
    EXPECT(sends < 100);
    take_byte(fd);
    EXPECT_INT(roost_sleep(ROOST_MS(200)), 0);
    EXPECT_INT(count_of(d, 1), 1);
    roost_fd_close(f);
    free(f);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(count_of(d, -EBADF), 2);
    close(fd);
    return 0;
}

static void a_datagram_to_a_full_receiver_does_not_spin(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };
    struct roost_sys sys = roost__sys_default;

    (void)state;
    sys.sendmsg = count_sendmsg;
    o.sys = &sys;
    assert_int_equal(kit_run_with(&o, sends_to_full, NULL), 0);
}

static void datagrams_come_one_by_one(void **state)
{
    (void)state;
    with_clocks(datagrams);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accept_gives_a_non_blocking_close_on_exec_socket),
        cmocka_unit_test(acceptors_are_served_in_order_X1),
        cmocka_unit_test(errors_of_one_connection_are_passed_over),
        cmocka_unit_test(accept_of_what_is_no_listener_fails),
        cmocka_unit_test(connect_says_0_or_why_not),
        cmocka_unit_test(a_full_unix_listener_is_tried_again_after_pauses),
        cmocka_unit_test(closing_ends_a_connect_in_its_pause),
        cmocka_unit_test(a_connection_under_way_is_waited_for),
        cmocka_unit_test(messages_carry_descriptors_which_are_close_on_exec),
        cmocka_unit_test(a_datagram_to_a_full_receiver_does_not_spin),
        cmocka_unit_test(datagrams_come_one_by_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
