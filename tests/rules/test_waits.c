/* test_waits.c - claims that hold for every call marked ROOST_WAITS.
 *
 * The table below names them all but roost_nursery_close, roost_nursery_run,
 * roost_child_end and roost_event_join, which wait to the end; that no other
 * call carries the mark is checked in tests/compile.
 */
#define _GNU_SOURCE
#include "kit/kit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/rt.h"

/* One of everything that can be waited for, so prepared that no call has to
 * wait: there is room, an item, a byte, a set event. */
struct world {
    roost_chan *c; /* one item of two */
    roost_event e;
    roost_lot lot;
    roost_nursery *n; /* with a room limit */
    roost_child child;
    int fd[2];
    roost_fd f[3]; /* a pair, the first readable; a socket */
    roost_signals signals; /* one has come */
    int ran; /* children that began */
};

static int child_ran(void *arg)
{
    ++*(int *)arg;
    roost_started(1);
    return 0;
}

static int child_of_copy(void *arg)
{
    return child_ran(*(void **)arg);
}

static bool agree(roost_wait *w, void *arg)
{
    (void)w, (void)arg;
    return true;
}

static int do_sleep(struct world *w)
{
    (void)w;
    return roost_sleep(0);
}

static int do_sleep_long(struct world *w)
{
    (void)w;
    return roost_sleep(ROOST_SEC(3600));
}

static int do_sleep_until(struct world *w)
{
    (void)w;
    return roost_sleep_until(roost_now());
}

static int do_checkpoint(struct world *w)
{
    (void)w;
    return roost_checkpoint();
}

static int do_park(struct world *w)
{
    roost_wait wait;

    roost_wait_init(&wait);
    if (!roost_cancelled()) /* a wake before the park would be kept */
        roost_wake(&wait, 0);
    return roost_park(&wait, "a test", agree, w);
}

static int do_lot_wait(struct world *w)
{
    return roost_lot_wait(&w->lot);
}

static int do_send(struct world *w)
{
    int item = 8, r = roost_chan_send(w->c, &item);

    return r == 0 ? roost_chan_recv_nowait(w->c, &item) : r;
}

static int do_send_plain(struct world *w)
{
    int item = 8, r = (roost_chan_send)(w->c, &item);

    return r == 0 ? roost_chan_recv_nowait(w->c, &item) : r;
}

static int do_recv(struct world *w)
{
    int item, r = roost_chan_recv(w->c, &item);

    return r == 1 ? roost_chan_send_nowait(w->c, &item) : r;
}

static int do_recv_plain(struct world *w)
{
    int item, r = (roost_chan_recv)(w->c, &item);

    return r == 1 ? roost_chan_send_nowait(w->c, &item) : r;
}

static int do_event_wait(struct world *w)
{
    return roost_event_wait(&w->e);
}

static int do_wait_fd(struct world *w)
{
    return roost_wait_fd(w->fd[0], ROOST_READ);
}

static int do_wait_bad_fd(struct world *w)
{
    (void)w;
    return roost_wait_fd(-1, ROOST_READ);
}

static int do_wait_fds(struct world *w)
{
    roost_fd_ready items[2] = { { .fd = w->fd[0], .mask = ROOST_READ },
                                { .fd = w->fd[1], .mask = ROOST_WRITE } };

    return roost_wait_fds(items, 2);
}

static int do_fd_read(struct world *w)
{
    char byte;
    int r = roost_fd_read(&w->f[0], &byte, 1);

    if (r == 1)
        EXPECT_INT(write(roost_fd_number(&w->f[1]), &byte, 1), 1);
    return r;
}

static int do_fd_write(struct world *w)
{
    char byte;
    int r = roost_fd_write(&w->f[1], "x", 1);

    if (r == 1)
        EXPECT_INT(read(roost_fd_number(&w->f[0]), &byte, 1), 1);
    return r;
}

static int do_fd_messages(struct world *w)
{
    char byte = 'x';
    struct iovec part = { &byte, 1 };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
    int r = roost_fd_sendmsg(&w->f[1], &msg, 0), s;

    s = roost_fd_recvmsg(&w->f[0], &msg, 0);
    EXPECT_INT(r, s);
    return s;
}

static int do_fd_accept(struct world *w)
{
    int r = roost_fd_accept(&w->f[2], NULL, NULL);

    if (r >= 0)
        close(r);
    return r;
}

static int do_fd_connect(struct world *w)
{
    struct sockaddr nowhere = { .sa_family = AF_UNIX };

    return roost_fd_connect(&w->f[2], &nowhere, sizeof nowhere);
}

static int do_fd_wait(struct world *w)
{
    return roost_fd_wait(&w->f[0], ROOST_READ | ROOST_WRITE);
}

static int do_signals_wait(struct world *w)
{
    int r = roost_signals_wait(&w->signals);

    if (r == SIGUSR1)
        raise(r);
    return r;
}

static int do_wait_room(struct world *w)
{
    return roost_nursery_wait_room(w->n);
}

static int do_start(struct world *w)
{
    return roost_start(w->n, child_ran, &w->ran);
}

static int do_start_copy(struct world *w)
{
    int *ran = &w->ran;

    return roost_start_copy(w->n, child_of_copy, &ran, sizeof ran);
}

static int do_start_with(struct world *w)
{
    return roost_start_with(w->n, child_ran, &w->ran,
                            &(roost_spawn_options){ .child = &w->child });
}

static const struct wait_call {
    const char *name;
    int (*call)(struct world *w);
    bool returns; /* at once or soon, in this world, if not cancelled */
} calls[] = {
    { "sleep", do_sleep, true },
    { "sleep 1 h", do_sleep_long, false },
    { "sleep_until", do_sleep_until, true },
    { "checkpoint", do_checkpoint, true },
    { "park", do_park, true },
    { "lot_wait", do_lot_wait, false },
    { "chan_send", do_send, true },
    { "(chan_send)", do_send_plain, true },
    { "chan_recv", do_recv, true },
    { "(chan_recv)", do_recv_plain, true },
    { "event_wait", do_event_wait, true },
    { "wait_fd", do_wait_fd, true },
    { "wait_fd of none", do_wait_bad_fd, true },
    { "wait_fds", do_wait_fds, true },
    { "fd_read", do_fd_read, true },
    { "fd_write", do_fd_write, true },
    { "fd messages", do_fd_messages, true },
    { "fd_accept", do_fd_accept, true },
    { "fd_connect", do_fd_connect, true },
    { "fd_wait", do_fd_wait, true },
    { "signals_wait", do_signals_wait, true },
    { "wait_room", do_wait_room, true },
    { "start", do_start, true },
    { "start_copy", do_start_copy, true },
    { "start_with", do_start_with, true },
};

enum { CALLS = sizeof calls / sizeof *calls };

static void make_fds(struct world *w)
{
    int fd[3], i;

    EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    EXPECT_INT(write(fd[1], "x", 1), 1);
    fd[2] = socket(AF_UNIX, SOCK_STREAM, 0);
    for (i = 0; i < 3; i++)
        EXPECT_INT(roost_fd_open(&w->f[i], fd[i]), 0);
}

static void make_world(struct world *w, roost_nursery *n)
{
    int item = 7;

    memset(w, 0, sizeof *w);
    w->n = n;
    w->c = roost_chan_new(sizeof(int), 2);
    EXPECT_INT(roost_chan_send_nowait(w->c, &item), 0);
    roost_event_init(&w->e);
    roost_event_set(&w->e);
    EXPECT_INT(pipe2(w->fd, O_NONBLOCK | O_CLOEXEC), 0);
    EXPECT_INT(write(w->fd[1], "x", 1), 1);
    make_fds(w);
    EXPECT_INT(roost_signals_open(&w->signals, (int[]){ SIGUSR1, 0 }), 0);
    raise(SIGUSR1);
}

static void unmake_world(struct world *w)
{
    int i;

    for (i = 0; i < 3; i++)
        roost_fd_close(&w->f[i]);
    roost_signals_close(&w->signals);
    roost_chan_free(w->c);
    close(w->fd[0]);
    close(w->fd[1]);
}

/* Nothing was sent, taken, queued, spawned or armed. */
static void expect_untouched(struct world *w)
{
    int item = 0;
    char byte;

    EXPECT_INT(roost_chan_recv_nowait(w->c, &item), 1);
    EXPECT_INT(item, 7);
    EXPECT_INT(roost_chan_recv_nowait(w->c, &item), -EAGAIN);
    EXPECT(!w->lot.first);
    EXPECT_INT(read(w->fd[0], &byte, 1), 1);
    EXPECT_INT(read(roost_fd_number(&w->f[0]), &byte, 1), 1);
    EXPECT_INT(roost_signals_nowait(&w->signals), SIGUSR1);
    EXPECT_INT(roost_nursery_count(w->n), 0);
    EXPECT_INT(w->ran, 0);
    EXPECT(!w->child.task);
    EXPECT_INT(roost__rt->outside, 0);
}

static int all_cancelled(void *arg)
{
    struct world w;
    roost_scope s;
    int i, j;

    (void)arg;
    ROOST_NURSERY_WITH(n, .children_max = 2);
    for (i = 0; i < CALLS; i++) {
        make_world(&w, n);
        roost_scope_enter(&s, ROOST_NEVER);
        roost_scope_cancel(&s, "a test");
        for (j = 0; j < 10; j++)
            kit_expect_int(calls[i].call(&w), -ECANCELED, calls[i].name,
                           ROOST_SITE);
        EXPECT_INT(roost_scope_leave(&s, -ECANCELED), 0);
        expect_untouched(&w);
        unmake_world(&w);
    }
    EXPECT_INT(kit_ms(), 0);
    return roost_nursery_close(n, 0);
}

static void each_fails_in_a_cancelled_task_without_side_effect_C1(void **state)
{
    (void)state;
    assert_int_equal(kit_run(all_cancelled, NULL), 0);
}

/* ---- the budget ---- */

struct witness {
    bool over;
    int turns;
};

static int watch(void *arg)
{
    struct witness *w = arg;
    int r = 0;

    while (!w->over && r >= 0) {
        w->turns++;
        r = roost_checkpoint();
    }
    return r;
}

/* 500 calls in a row that do not have to wait let another task run at least
 * three times. */
static void expect_turns(const struct wait_call *call, struct world *w,
                         roost_nursery *n, bool cancelled)
{
    struct witness witness = { .over = false };
    int i, r = 0;

    roost_spawn(n, watch, &witness);
    for (i = 0; i < 500; i++)
        r = call->call(w);
    EXPECT(cancelled ? r == -ECANCELED : r != -ECANCELED);
    kit_expect(witness.turns >= 3, call->name, ROOST_SITE);
    witness.over = true;
    EXPECT_INT(ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_MS(1))), 0);
}

static int all_yield(void *arg)
{
    bool cancelled = arg;
    struct world w;
    roost_scope s;
    int i;

    ROOST_NURSERY(n);
    ROOST_NURSERY_WITH(inner, .children_max = 2);
    for (i = 0; i < CALLS; i++) {
        if (!cancelled && !calls[i].returns)
            continue;
        make_world(&w, inner);
        roost_scope_enter(&s, ROOST_NEVER);
        if (cancelled)
            roost_scope_cancel(&s, "a test");
        expect_turns(&calls[i], &w, n, cancelled);
        EXPECT_INT(roost_scope_leave(&s, 0), 0);
        unmake_world(&w);
    }
    EXPECT_INT(roost_nursery_close(inner, 0), 0);
    return roost_nursery_close(n, 0);
}

static void a_loop_over_any_of_them_lets_others_run_C6(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };

    (void)state;
    for (o.seed = 0; o.seed < 5; o.seed++)
        assert_int_equal(kit_run_with(&o, all_yield, NULL), 0);
}

static void also_when_it_is_cancelled_C6(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };
    int yes;

    (void)state;
    for (o.seed = 0; o.seed < 5; o.seed++)
        assert_int_equal(kit_run_with(&o, all_yield, &yes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fails_in_a_cancelled_task_without_side_effect_C1),
        cmocka_unit_test(a_loop_over_any_of_them_lets_others_run_C6),
        cmocka_unit_test(also_when_it_is_cancelled_C6),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
