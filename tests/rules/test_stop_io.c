/* test_stop_io.c - claims about a stop and what tasks wait for (X5): every call
 * that waits, under ROOST_IDLE, and the loops that drain.
 */
#define _GNU_SOURCE
#include "rules/pairs.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <roost/daemon.h>
#include <roost/test.h>

static const roost_stop_budget patient = {
    .soft = ROOST_SEC(10), .hard = ROOST_SEC(5), .pierce = ROOST_SEC(5),
    .quiet = true };

/* ---- a table of all calls that wait ---- */

/* Of each kind one that makes its caller wait. */
struct things {
    roost_chan *empty, *full;
    struct end in, out, accepts;
    roost_fd connects;
    struct sockaddr_un at;
    socklen_t len;
    struct fds foreign;
    roost_event event;
    roost_lot lot;
    roost_signals signals;
    roost_nursery *crowd; /* of one, and that is all */
    roost_wait *park;
    roost_child child; /* in the crowd */
    roost_event child_ends;
};

static int recv_one(struct things *t)
{
    int i;

    return ROOST_IDLE(roost_chan_recv(t->empty, &i));
}

static void fill_chan(struct things *t)
{
    int i = 1;

    EXPECT_INT(roost_chan_send_nowait(t->empty, &i), 0);
}

static int send_one(struct things *t)
{
    int i = 2;

    return ROOST_IDLE(roost_chan_send(t->full, &i));
}

static void empty_chan(struct things *t)
{
    int i;

    EXPECT_INT(roost_chan_recv_nowait(t->full, &i), 1);
}

static int read_one(struct things *t)
{
    return ROOST_IDLE(make_call(&t->in.f, DO_READ));
}

static int recvmsg_one(struct things *t)
{
    return ROOST_IDLE(make_call(&t->in.f, DO_RECVMSG));
}

static int wait_to_read(struct things *t)
{
    return ROOST_IDLE(make_call(&t->in.f, DO_WAIT_R));
}

static void bytes_come(struct things *t)
{
    put_byte(t->in.other);
}

static int write_one(struct things *t)
{
    return ROOST_IDLE(make_call(&t->out.f, DO_WRITE));
}

static int sendmsg_one(struct things *t)
{
    return ROOST_IDLE(make_call(&t->out.f, DO_SENDMSG));
}

static int wait_to_write(struct things *t)
{
    return ROOST_IDLE(make_call(&t->out.f, DO_WAIT_W));
}

static void room_comes(struct things *t)
{
    empty(t->out.other);
}

static int accept_one(struct things *t)
{
    int r = ROOST_IDLE(roost_fd_accept(&t->accepts.f, NULL, NULL));

    if (r >= 0)
        close(r);
    return r < 0 ? r : 0;
}

static void somebody_connects(struct things *t)
{
    EXPECT_INT(connect(t->accepts.other, (void *)&t->at, t->len), 0);
}

/* Somebody else was there first, and the queue is full. */
static int connect_one(struct things *t)
{
    return ROOST_IDLE(roost_fd_connect(&t->connects, (void *)&t->at,
                                       t->len));
}

static void queue_is_full(struct things *t)
{
    somebody_connects(t);
}

static void queue_has_room(struct things *t)
{
    int fd = accept4(roost_fd_number(&t->accepts.f), NULL, NULL, SOCK_CLOEXEC);

    EXPECT(fd >= 0);
    close(fd);
}

static int wait_foreign(struct things *t)
{
    return ROOST_IDLE(roost_wait_fd(t->foreign.r, ROOST_READ));
}

static int wait_foreigns(struct things *t)
{
    roost_fd_ready two[] = { { .fd = t->foreign.r, .mask = ROOST_READ },
                             { .fd = t->in.other, .mask = ROOST_READ } };

    return ROOST_IDLE(roost_wait_fds(two, 2));
}

static void foreign_bytes(struct things *t)
{
    put_byte(t->foreign.w);
}

static int wait_event(struct things *t)
{
    return ROOST_IDLE(roost_event_wait(&t->event));
}

static int join_event(struct things *t)
{
    return ROOST_IDLE(roost_event_join(&t->event));
}

static void event_comes(struct things *t)
{
    roost_event_set(&t->event);
}

static int wait_lot(struct things *t)
{
    return ROOST_IDLE(roost_lot_wait(&t->lot));
}

static void lot_wakes(struct things *t)
{
    roost_lot_wake(&t->lot, ROOST_ALL);
}

static int wait_signal(struct things *t)
{
    return ROOST_IDLE(roost_signals_wait(&t->signals));
}

static void signal_comes(struct things *t)
{
    (void)t;
    EXPECT_INT(raise(SIGUSR1), 0);
}

static int wait_room(struct things *t)
{
    return ROOST_IDLE(roost_nursery_wait_room(t->crowd));
}

static void child_goes(struct things *t)
{
    roost_event_set(&t->child_ends);
}

static bool undo_park(roost_wait *w, void *arg)
{
    struct things *t = arg;

    EXPECT(t->park == w);
    t->park = NULL;
    return true;
}

static int park_once(struct things *t)
{
    roost_wait w;

    roost_wait_init(&w);
    t->park = &w;
    return ROOST_IDLE(roost_park(&w, "a test", undo_park, t));
}

static void park_ends(struct things *t)
{
    roost_wait *w = t->park;

    t->park = NULL;
    if (w)
        roost_wake(w, 9);
}

static int sleep_some(struct things *t)
{
    (void)t;
    return ROOST_IDLE(roost_sleep(ROOST_MS(20)));
}

static int sleep_till(struct things *t)
{
    (void)t;
    return ROOST_IDLE(roost_sleep_until(roost_after(ROOST_MS(20))));
}

static int end_child(struct things *t)
{
    return ROOST_IDLE(roost_child_end(&t->child, "no longer wanted"));
}

/* What stops: the last ones whatever comes. KEEPS: the call cannot be undone.
 * LATER: that it could complete shows to a wait that is parked only. */
enum { KEEPS = 1, LATER = 2 };

static const struct row {
    const char *name;
    int (*call)(struct things *t);
    void (*unready)(struct things *t);
    void (*ready)(struct things *t);
    int result; /* when it completes */
    int flags;
} rows[] = {
    { "roost_chan_recv", recv_one, NULL, fill_chan, 1, 0 },
    { "roost_chan_send", send_one, NULL, empty_chan, 0, 0 },
    { "roost_fd_read", read_one, NULL, bytes_come, 1, 0 },
    { "roost_fd_recvmsg", recvmsg_one, NULL, bytes_come, 1, 0 },
    { "roost_fd_wait r", wait_to_read, NULL, bytes_come, ROOST_READ, 0 },
    { "roost_fd_write", write_one, NULL, room_comes, 1, 0 },
    { "roost_fd_sendmsg", sendmsg_one, NULL, room_comes, 1, 0 },
    { "roost_fd_wait w", wait_to_write, NULL, room_comes, ROOST_WRITE, 0 },
    { "roost_fd_accept", accept_one, NULL, somebody_connects, 0, 0 },
    { "roost_wait_fd", wait_foreign, NULL, foreign_bytes, ROOST_READ, 0 },
    { "roost_wait_fds", wait_foreigns, NULL, foreign_bytes, 1, 0 },
    { "roost_event_wait", wait_event, NULL, event_comes, 0, 0 },
    { "roost_event_join", join_event, NULL, event_comes, 0, KEEPS },
    { "roost_lot_wait", wait_lot, NULL, lot_wakes, 0, LATER },
    { "roost_signals_wait", wait_signal, NULL, signal_comes, SIGUSR1, LATER },
    { "roost_nursery_wait_room", wait_room, NULL, child_goes, 0, LATER },
    { "roost_park", park_once, NULL, park_ends, 9, LATER },
    { "roost_sleep", sleep_some, NULL, NULL, 0, LATER },
    { "roost_sleep_until", sleep_till, NULL, NULL, 0, LATER },
    { "roost_child_end", end_child, NULL, NULL, 0, KEEPS },
    { "roost_fd_connect", connect_one, queue_is_full, queue_has_room, 0,
      LATER },
};

static const struct row *row; /* the one under test */

static int crowds(void *arg)
{
    return roost_event_wait(arg);
}

/* An address of the kernel's choice, without a name in any directory. */
static void make_sockets(struct things *t)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    t->at = (struct sockaddr_un){ .sun_family = AF_UNIX };
    EXPECT_INT(bind(fd, (void *)&t->at, sizeof(sa_family_t)), 0);
    EXPECT_INT(listen(fd, 0), 0);
    t->len = sizeof t->at;
    EXPECT_INT(getsockname(fd, (void *)&t->at, &t->len), 0);
    EXPECT_INT(roost_fd_open(&t->accepts.f, fd), 0);
    t->accepts.other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_INT(roost_fd_open(&t->connects, socket(AF_UNIX, SOCK_STREAM |
                                                  SOCK_CLOEXEC, 0)), 0);
}

static void make_things(struct things *t)
{
    int i = 0;

    memset(t, 0, sizeof *t);
    t->empty = roost_chan_new(sizeof(int), 1);
    t->full = roost_chan_new(sizeof(int), 1);
    EXPECT_INT(roost_chan_send_nowait(t->full, &i), 0);
    open_socket_end(&t->in);
    open_socket_end(&t->out);
    fill(roost_fd_number(&t->out.f));
    make_sockets(t);
    t->foreign = open_pipe();
    EXPECT_INT(roost_signals_open(&t->signals, (int[]){ SIGUSR1, 0 }), 0);
}

static void end_things(struct things *t)
{
    roost_signals_close(&t->signals);
    close_both(t->foreign);
    close_end(&t->accepts);
    roost_fd_close(&t->connects);
    close_end(&t->out);
    close_end(&t->in);
    roost_chan_free(t->full);
    roost_chan_free(t->empty);
}

/* In a crowd of one child, so that there is no room. */
static int with_things(void (*fn)(struct things *t))
{
    struct things t;
    roost_nursery n;

    make_things(&t);
    roost_nursery_open_with(&n, &(roost_nursery_options){ .children_max = 1 });
    t.crowd = &n;
    EXPECT_INT(roost_spawn_with(&n, crowds, &t.child_ends,
                                &(roost_spawn_options){ .child = &t.child }), 0);
    settle();
    if (row->unready)
        row->unready(&t);
    fn(&t);
    child_goes(&t);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    end_things(&t);
    return 0;
}

static void expect(int got, int wanted, const char *when)
{
    char what[96];

    if (got == wanted)
        return;
    snprintf(what, sizeof what, "%s %s: %d, not %d", row->name, when, got,
             wanted);
    EXPECT_INT(got, wanted);
    kit_expect(false, what, ROOST_SITE);
}

/* What it gives without a stop. */
static int plainly(struct things *t)
{
    return row->ready && row->ready != park_ends ? row->call(t) : row->result;
}

static void in_a_stop(struct things *t)
{
    roost_scope s;
    int r;

    roost_scope_enter(&s, ROOST_NEVER);
    EXPECT_INT(roost_stop(&s, &patient), 0);
    if (!(row->flags & KEEPS))
        expect(row->call(t), -ESHUTDOWN, "in a stop, not ready");
    if (row->ready && !(row->flags & LATER)) {
        row->ready(t);
        expect(row->call(t), row->result, "in a stop, ready");
        expect(roost_checkpoint(), 0, "and after it");
    }
    r = roost_scope_leave(&s, 0);
    expect(r, 0, "leaves");
    if (row->flags & LATER && row->ready && row->call != wait_lot) {
        row->ready(t);
        expect(plainly(t), row->result, "after the stop");
    }
}

struct parked {
    struct things *t;
    int r, after;
    bool over;
};

static int parks(void *arg)
{
    struct parked *p = arg;

    p->r = row->call(p->t);
    p->after = roost_sleep(ROOST_MS(1)); /* the mark went with its call */
    p->over = true;
    return p->r < 0 ? p->r : 0;
}

static void parked_when_it_comes(struct things *t)
{
    struct parked p = { .t = t };
    roost_nursery n;

    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, parks, &p), 0);
    settle();
    EXPECT_INT(roost_stop(&n.scope, &patient), 0);
    settle();
    if (row->flags & KEEPS) {
        EXPECT(!p.over);
        if (row->ready)
            row->ready(t);
    }
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    expect(p.r, row->flags & KEEPS ? row->result : -ESHUTDOWN, "parked");
    expect(p.after, 0, "a busy wait after it");
    if (!row->ready || row->flags & KEEPS || row->call == wait_lot ||
        row->ready == park_ends)
        return;
    row->ready(t);
    expect(plainly(t), row->result, "usable after it");
}

/* What has come, and nobody was told yet, is not lost. */
static void ready_and_stopped_at_once(struct things *t)
{
    struct parked p = { .t = t };
    roost_nursery n;
    int r;

    if (!row->ready)
        return;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, parks, &p), 0);
    settle();
    row->ready(t);
    EXPECT_INT(roost_stop(&n.scope, &patient), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    r = p.r;
    if (r == -ESHUTDOWN && row->flags & LATER && row->call != wait_lot)
        r = row->call(t);
    expect(r, row->result, "parked, then ready and stopped");
}

static int all_rows(void *fn)
{
    void (*const *check)(struct things *t) = fn;

    for (row = rows; row < rows + sizeof rows / sizeof *rows; row++)
        with_things(*check);
    return 0;
}

static void all_rows_with_clocks(void (*fn)(struct things *t))
{
    roost_options o = { .clock = ROOST_CLOCK_REAL };

    assert_int_equal(kit_run_with(&o, all_rows, &fn), 0);
    o.clock = ROOST_CLOCK_VIRTUAL;
    assert_int_equal(kit_run_with(&o, all_rows, &fn), 0);
    o.seed = 7;
    assert_int_equal(kit_run_with(&o, all_rows, &fn), 0);
}

static void an_idle_call_in_a_stop_gives_its_result_or_ESHUTDOWN_X5(void **state)
{
    (void)state;
    all_rows_with_clocks(in_a_stop);
}

static void a_stop_ends_each_parked_idle_call_and_harms_nothing_X5(void **state)
{
    (void)state;
    all_rows_with_clocks(parked_when_it_comes);
}

static void what_came_before_the_stop_is_not_lost_X5(void **state)
{
    (void)state;
    all_rows_with_clocks(ready_and_stopped_at_once);
}

/* ---- servers that drain ---- */

struct server {
    int domain, how_many, acceptors;
    bool once;    /* each acceptor serves one connection */
    bool settled; /* the loop has been looked at before the stop */
    roost_fd listener;
    struct sockaddr_storage at;
    socklen_t len;
    int served, ended;
};

static int answers(struct server *s, int fd)
{
    char byte;
    roost_fd f;
    int r;

    EXPECT_INT(roost_fd_open(&f, fd), 0);
    r = roost_fd_read(&f, &byte, 1);
    EXPECT_INT(r, 1);
    if (r >= 0)
        r = roost_sleep(ROOST_MS(5)); /* it is work */
    if (r >= 0)
        r = roost_fd_write(&f, "y", 1);
    EXPECT_INT(r, 1);
    roost_fd_close(&f);
    s->served++;
    return r;
}

static int accepts(void *arg)
{
    struct server *s = arg;
    int r;

    while ((r = ROOST_IDLE(roost_fd_accept(&s->listener, NULL, NULL))) >= 0) {
        r = answers(s, r);
        if (r < 0 || s->once)
            break;
    }
    s->ended++;
    return r;
}

static void listens(struct server *s)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(s->domain, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

    if (s->domain == AF_INET)
        r = bind(fd, (void *)&in, sizeof in);
    else
        r = bind(fd, &(struct sockaddr){ .sa_family = AF_UNIX },
                 sizeof(sa_family_t));
    EXPECT_INT(r, 0);
    EXPECT_INT(listen(fd, 64), 0);
    s->len = sizeof s->at;
    EXPECT_INT(getsockname(fd, (void *)&s->at, &s->len), 0);
    EXPECT_INT(roost_fd_open(&s->listener, fd), 0);
}

static int client_of(struct server *s)
{
    int fd = socket(s->domain, SOCK_STREAM | SOCK_CLOEXEC, 0);

    EXPECT_INT(connect(fd, (void *)&s->at, s->len), 0);
    put_byte(fd);
    return fd;
}

/* All that had connected when the stop came have their answer. */
static int drains(void *arg)
{
    struct server *s = arg;
    int clients[8], i;
    roost_time began;
    roost_nursery n;
    char byte;

    s->served = s->ended = 0;
    listens(s);
    roost_nursery_open(&n);
    for (i = 0; i < s->acceptors; i++)
        EXPECT_INT(roost_spawn(&n, accepts, s), 0);
    settle();
    for (i = 0; i < s->how_many; i++)
        clients[i] = client_of(s);
    if (s->settled)
        settle();
    began = roost_now();
    EXPECT_INT(roost_stop(&n.scope, &patient), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT(roost_now() - began < ROOST_SEC(1)); /* long before the hard phase */
    EXPECT_INT(s->ended, s->acceptors);
    EXPECT_INT(s->served, s->how_many);
    for (i = 0; i < s->how_many; i++) {
        EXPECT_INT(read(clients[i], &byte, 1), 1);
        close(clients[i]);
    }
    roost_fd_close(&s->listener);
    return 0;
}

static void drains_everywhere(struct server s)
{
    static const int domains[] = { AF_UNIX, AF_INET };
    static const int many[] = { 0, 1, 2, 7 };
    roost_options o = { 0 };
    int i;

    for (i = 0; i < 2 * 4 * 2; i++) {
        s.domain = domains[i % 2];
        s.how_many = many[i / 2 % 4];
        s.settled = i >= 8;
        if (s.once && s.how_many > s.acceptors)
            s.how_many = s.acceptors;
        o.clock = ROOST_CLOCK_REAL;
        assert_int_equal(kit_run_with(&o, drains, &s), 0);
        o.clock = ROOST_CLOCK_VIRTUAL;
        o.hold_clock = ROOST_HOLD_IO;
        assert_int_equal(kit_run_with(&o, drains, &s), 0);
    }
}

static void the_obvious_accept_loop_drains_X5(void **state)
{
    (void)state;
    drains_everywhere((struct server){ .acceptors = 1 });
}

static void several_acceptors_of_one_listener_drain_and_all_end_X5(void **state)
{
    (void)state;
    drains_everywhere((struct server){ .acceptors = 2 });
    drains_everywhere((struct server){ .acceptors = 5 });
}

static void acceptors_of_one_connection_each_all_end_X5(void **state)
{
    (void)state;
    drains_everywhere((struct server){ .acceptors = 3, .once = true });
}

/* Two idle readers of messages, one message: one gets it, both end. */
static int reads_message(void *arg)
{
    return ROOST_IDLE(make_call(arg, DO_RECVMSG));
}

static int one_message_for_two(void *arg)
{
    roost_nursery n;
    struct end e;

    (void)arg;
    open_socket_end(&e);
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, reads_message, &e.f), 0);
    EXPECT_INT(roost_spawn(&n, reads_message, &e.f), 0);
    settle();
    put_byte(e.other);
    EXPECT_INT(roost_stop(&n.scope, &patient), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_INT(kit_ms(), 0);
    close_end(&e);
    return 0;
}

static void who_finds_nothing_left_ends_too_X5(void **state)
{
    (void)state;
    assert_int_equal(kit_run(one_message_for_two, NULL), 0);
}

/* A byte that comes later is not waited for, nor lost. */
static int later_bytes(void *arg)
{
    roost_scope s;
    struct end e;
    char byte;

    (void)arg;
    open_socket_end(&e);
    put_byte(e.other);
    roost_scope_enter(&s, ROOST_NEVER);
    EXPECT_INT(roost_stop(&s, &patient), 0);
    EXPECT_INT(ROOST_IDLE(roost_fd_read(&e.f, &byte, 1)), 1);
    EXPECT_INT(ROOST_IDLE(roost_fd_read(&e.f, &byte, 1)), -ESHUTDOWN);
    put_byte(e.other);
    EXPECT_INT(roost_fd_read(&e.f, &byte, 1), 1); /* not idle: as ever */
    EXPECT_INT(roost_scope_leave(&s, 0), 0);
    put_byte(e.other);
    EXPECT_INT(ROOST_IDLE(roost_fd_read(&e.f, &byte, 1)), 1);
    close_end(&e);
    return 0;
}

static void a_byte_after_the_stop_stays_for_who_reads_next_X5(void **state)
{
    (void)state;
    with_clocks(later_bytes);
}

/* ---- a channel drains; a ticker ticks no more ---- */

static int consumes(void *arg)
{
    roost_chan *c = arg;
    int i, sum = 0, r;

    while ((r = ROOST_IDLE(roost_chan_recv(c, &i))) == 1) {
        sum += i;
        EXPECT_INT(roost_sleep(ROOST_MS(10)), 0);
    }
    EXPECT_INT(r, -ESHUTDOWN);
    EXPECT_INT(sum, 1 + 2 + 3);
    return r;
}

static int ticks(void *arg)
{
    int r, *ticked = arg;

    while ((r = ROOST_IDLE(roost_sleep(ROOST_SEC(1)))) >= 0)
        ++*ticked;
    return r;
}

static int queue_and_ticker(void *arg)
{
    roost_chan *c = roost_chan_new(sizeof(int), 4);
    int i, ticked = 0;
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, ticks, &ticked), 0);
    EXPECT_INT(roost_sleep(ROOST_MS(3500)), 0);
    for (i = 1; i <= 3; i++)
        EXPECT_INT(roost_chan_send_nowait(c, &i), 0);
    EXPECT_INT(roost_spawn(&n, consumes, c), 0);
    EXPECT_INT(roost_stop(&n.scope, &patient), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_INT(ticked, 3);
    EXPECT_INT(kit_ms(), 3530);
    roost_chan_free(c);
    return 0;
}

static void a_queue_drains_and_a_ticker_ends_X5(void **state)
{
    (void)state;
    assert_int_equal(kit_run(queue_and_ticker, NULL), 0);
}

/* ---- who is only near ---- */

/* Waits for the same things, but is not in the scope, or not idle. */
static int neighbours(void *arg)
{
    struct things t;
    struct parked p = { .t = &t }, q = { .t = &t };
    roost_nursery in, out;

    (void)arg;
    make_things(&t);
    roost_nursery_open(&out);
    EXPECT_INT(roost_spawn(&out, parks, &p), 0);
    roost_nursery_open(&in);
    EXPECT_INT(roost_spawn(&in, parks, &q), 0);
    settle();
    EXPECT_INT(roost_stop(&in.scope, &patient), 0);
    EXPECT_INT(roost_nursery_close(&in, 0), 0);
    expect(q.r, -ESHUTDOWN, "inside");
    EXPECT(!p.over);
    if (row->ready)
        row->ready(&t);
    EXPECT_INT(roost_nursery_close(&out, 0), 0);
    expect(p.r, row->result, "its neighbour");
    end_things(&t);
    return 0;
}

static void a_stop_concerns_nobody_outside_its_scope_X5(void **state)
{
    (void)state;
    for (row = rows; row < rows + sizeof rows / sizeof *rows; row++)
        if (!(row->flags & KEEPS) && row->call != wait_room &&
            row->call != connect_one && row->call != park_once &&
            row->call != read_one && row->call != write_one &&
            row->result != SIGUSR1 && strncmp(row->name, "roost_fd_w", 10))
            assert_int_equal(kit_run(neighbours, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_call_in_a_stop_gives_its_result_or_ESHUTDOWN_X5),
        cmocka_unit_test(a_stop_ends_each_parked_idle_call_and_harms_nothing_X5),
        cmocka_unit_test(what_came_before_the_stop_is_not_lost_X5),
        cmocka_unit_test(the_obvious_accept_loop_drains_X5),
        cmocka_unit_test(several_acceptors_of_one_listener_drain_and_all_end_X5),
        cmocka_unit_test(acceptors_of_one_connection_each_all_end_X5),
        cmocka_unit_test(who_finds_nothing_left_ends_too_X5),
        cmocka_unit_test(a_byte_after_the_stop_stays_for_who_reads_next_X5),
        cmocka_unit_test(a_queue_drains_and_a_ticker_ends_X5),
        cmocka_unit_test(a_stop_concerns_nobody_outside_its_scope_X5),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
