/* test_wait_fd_clock.c - claims about descriptors and the clock: what holds
 *                        virtual time, and that nobody is starved.
 */
#define _GNU_SOURCE
#include "rules/fds.h"

#include <pthread.h>

/* ---- the virtual clock ---- */

static int writes_later(void *arg)
{
    int r = roost_sleep(ROOST_MS(10));

    put_byte(*(int *)arg);
    return r;
}

/* Time may jump although a descriptor is waited for. */
static int time_jumps(void *arg)
{
    struct fds p = open_pipe();
    struct waiter w = { .fd = p.r, .mask = ROOST_READ };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, waits, &w);
    roost_spawn(n, writes_later, &p.w);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(w.r, ROOST_READ);
    EXPECT_INT(w.at, 10);
    close_both(p);
    return 0;
}

static void descriptors_do_not_hold_virtual_time_D3(void **state)
{
    (void)state;
    assert_int_equal(kit_run(time_jumps, NULL), 0);
}

/* What is ready is seen before time jumps, however near the deadline. */
static int looked_at_first(void *arg)
{
    struct fds p = open_pair();
    int i;

    (void)arg;
    for (i = 0; i < 20; i++) {
        put_byte(p.w);
        EXPECT_INT(ROOST_WITHIN(1, roost_wait_fd(p.r, ROOST_READ)), ROOST_READ);
        take_byte(p.r);
    }
    EXPECT_INT(kit_ms(), 0);
    close_both(p);
    return 0;
}

static void the_loop_is_empty_before_virtual_time_moves_D2(void **state)
{
    (void)state;
    assert_int_equal(kit_run(looked_at_first, NULL), 0);
}

/* A peer in another thread, which answers a byte with a byte. */
static void *answers(void *arg)
{
    int fd = *(int *)arg;
    char byte;
    ssize_t got = read(fd, &byte, 1);

    if (got == 1)
        got = write(fd, &byte, 1);
    return NULL;
}

struct peer {
    int fd;
    long long ms; /* when the answer came */
};

/* Says its byte as the last thing before it waits, so the answer takes longer
 * than time would to jump. */
static int asks(void *arg)
{
    struct peer *p = arg;
    int r;

    put_byte(p->fd);
    r = ROOST_WITHIN(ROOST_MS(10), roost_wait_fd(p->fd, ROOST_READ));
    p->ms = kit_ms();
    return r;
}

static int ask_peer(const roost_options *o, struct peer *p)
{
    pthread_t thread;
    int fd[2], r;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    assert_int_equal(pthread_create(&thread, NULL, answers, &fd[1]), 0);
    p->fd = fd[0];
    r = kit_run_with(o, asks, p);
    shutdown(fd[0], SHUT_RDWR);
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(fd[0]);
    close(fd[1]);
    return r;
}

static void with_HOLD_IO_virtual_time_stands_until_the_byte_comes_D3(void **s)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL,
                        .hold_clock = ROOST_HOLD_IO };
    struct peer p = { .ms = -1 };
    int i;

    (void)s;
    for (i = 0; i < 20; i++) {
        assert_int_equal(ask_peer(&o, &p), ROOST_READ);
        assert_int_equal(p.ms, 0);
    }
}

/* Only a descriptor is left to wake anyone: that is no deadlock. */
static int only_a_descriptor(void *arg)
{
    struct peer *p = arg;

    put_byte(p->fd);
    return roost_wait_fd(p->fd, ROOST_READ);
}

static void waiting_for_a_peer_outside_is_no_deadlock_D4(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };
    pthread_t thread;
    struct peer p;
    int fd[2], i;

    (void)state;
    for (i = 0; i < 3; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
        assert_int_equal(pthread_create(&thread, NULL, answers, &fd[1]), 0);
        p.fd = fd[0];
        assert_int_equal(kit_run_with(&o, only_a_descriptor, &p), ROOST_READ);
        assert_int_equal(pthread_join(thread, NULL), 0);
        close(fd[0]);
        close(fd[1]);
        o.hold_clock = ROOST_HOLD_IO;
        o.clock = i == 0 ? ROOST_CLOCK_VIRTUAL : ROOST_CLOCK_REAL;
    }
}

/* ---- fairness ---- */

struct busy {
    struct fds p;
    bool over;
    int turns;
};

static int spins(void *arg)
{
    struct busy *b = arg;
    int r = 0;

    for (; !b->over && r >= 0; b->turns++)
        r = roost_checkpoint();
    return r;
}

static int ends_the_spin(void *arg)
{
    struct busy *b = arg;
    int r = roost_wait_fd(b->p.r, ROOST_READ);

    b->over = true;
    return r;
}

/* Two tasks never stop being ready; the loop is looked at all the same. */
static int busy_tasks(void *arg)
{
    struct busy b = { .p = open_pipe() };
    int r;

    (void)arg;
    put_byte(b.p.w);
    ROOST_NURSERY(n);
    roost_spawn(n, spins, &b);
    roost_spawn(n, spins, &b);
    roost_spawn(n, ends_the_spin, &b);
    r = roost_nursery_close(n, 0);
    EXPECT(b.turns < 2000);
    close_both(b.p);
    return r;
}

static void busy_tasks_do_not_starve_a_descriptor_C6(void **state)
{
    (void)state;
    with_clocks(busy_tasks);
}

static int drains(void *arg)
{
    struct busy *b = arg;
    int r = 0;

    while (!b->over && r >= 0) {
        r = roost_wait_fd(b->p.r, ROOST_READ);
        take_byte(b->p.r);
    }
    return r < 0 ? r : 0;
}

/* Two tasks read from a full pipe, byte by byte; a third gets its turns. */
static int full_pipe(void *arg)
{
    struct busy b = { .p = open_pipe() };
    char bytes[4096] = { 0 };
    int i, r;

    (void)arg;
    while (write(b.p.w, bytes, sizeof bytes) > 0)
        ;
    ROOST_NURSERY(n);
    roost_spawn(n, drains, &b);
    roost_spawn(n, drains, &b);
    for (i = 0; i < 100; i++)
        EXPECT_INT(roost_checkpoint(), 0);
    b.over = true;
    r = roost_nursery_close(n, 0);
    close_both(b.p);
    return r;
}

static void readers_of_a_full_pipe_do_not_starve_a_third_C6(void **state)
{
    (void)state;
    with_clocks(full_pipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_do_not_hold_virtual_time_D3),
        cmocka_unit_test(the_loop_is_empty_before_virtual_time_moves_D2),
        cmocka_unit_test(
            with_HOLD_IO_virtual_time_stands_until_the_byte_comes_D3),
        cmocka_unit_test(waiting_for_a_peer_outside_is_no_deadlock_D4),
        cmocka_unit_test(busy_tasks_do_not_starve_a_descriptor_C6),
        cmocka_unit_test(readers_of_a_full_pipe_do_not_starve_a_third_C6),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
