/* test_wait_fd.c - claims about waiting for a descriptor, under both clocks. */
#define _GNU_SOURCE
#include "rules/fds.h"

#include <ev.h>

/* ---- what is ready ---- */

static int ready_at_once(void *arg)
{
    struct fds p = open_pipe(), q = open_pair();

    (void)arg;
    put_byte(p.w);
    EXPECT_INT(roost_wait_fd(p.r, ROOST_READ), ROOST_READ);
    EXPECT_INT(roost_wait_fd(p.w, ROOST_WRITE), ROOST_WRITE);
    EXPECT_INT(roost_wait_fd(q.r, ROOST_READ | ROOST_WRITE), ROOST_WRITE);
    put_byte(q.w);
    EXPECT_INT(roost_wait_fd(q.r, ROOST_READ), ROOST_READ);
    EXPECT_INT(roost_wait_fd(q.r, ROOST_READ | ROOST_WRITE),
               ROOST_READ | ROOST_WRITE);
    EXPECT_INT(roost__rt->outside, 0);
    close_both(p);
    close_both(q);
    return 0;
}

static void it_says_what_the_descriptor_is_ready_for(void **state)
{
    (void)state;
    with_clocks(ready_at_once);
}

static int hang_ups(void *arg)
{
    struct fds p = open_pipe(), q = open_pair(), w = open_pipe();

    (void)arg;
    close(p.w);
    EXPECT_INT(roost_wait_fd(p.r, ROOST_READ), ROOST_READ);
    close(p.r);
    close(q.w);
    EXPECT(roost_wait_fd(q.r, ROOST_READ) & ROOST_READ);
    close(q.r);
    close(w.r);
    EXPECT(roost_wait_fd(w.w, ROOST_WRITE) & ROOST_WRITE);
    close(w.w);
    return 0;
}

static void a_hang_up_counts_as_ready(void **state)
{
    (void)state;
    with_clocks(hang_ups);
}

static int byte_comes(void *arg)
{
    struct fds p = arg ? open_pipe() : open_pair();
    struct waiter w = { .fd = p.r, .mask = ROOST_READ };

    ROOST_NURSERY(n);
    roost_spawn(n, waits, &w);
    settle();
    EXPECT_INT(w.r, 0);
    EXPECT_INT(roost__rt->outside, 1);
    put_byte(p.w);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(w.r, ROOST_READ);
    close_both(p);
    return 0;
}

static int both_kinds(void *arg)
{
    int yes;

    (void)arg;
    byte_comes(NULL);
    return byte_comes(&yes);
}

static void it_waits_until_a_byte_comes(void **state)
{
    (void)state;
    with_clocks(both_kinds);
}

/* ---- what is refused ---- */

static int refusals(void *arg)
{
    struct fds p = open_pipe();
    int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    (void)arg;
    EXPECT_INT(roost_wait_fd(p.r, 0), -EINVAL);
    EXPECT_INT(roost_wait_fd(p.r, 4), -EINVAL);
    EXPECT_INT(roost_wait_fd(p.r, ROOST_READ | 8), -EINVAL);
    EXPECT_INT(roost_wait_fd(p.r, -1), -EINVAL);
    EXPECT_INT(roost_wait_fd(-1, ROOST_READ), -EBADF);
    EXPECT_INT(roost_wait_fd(file, ROOST_READ), -EPERM);
    EXPECT_INT(roost_wait_fd(dir, ROOST_READ), -EPERM);
    close(file);
    close(dir);
    close_both(p);
    EXPECT_INT(roost_wait_fd(p.r, ROOST_READ), -EBADF);
    EXPECT_INT(roost__rt->outside, 0);
    return 0;
}

static void what_cannot_be_waited_for_is_refused(void **state)
{
    (void)state;
    with_clocks(refusals);
}

/* epoll refuses it too, but it is no file: it is ready. */
static int null_device(void *arg)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)arg;
    EXPECT_INT(roost_wait_fd(fd, ROOST_READ), ROOST_READ);
    EXPECT_INT(roost_wait_fd(fd, ROOST_WRITE), ROOST_WRITE);
    close(fd);
    return 0;
}

static void a_device_that_never_blocks_is_ready(void **state)
{
    (void)state;
    with_clocks(null_device);
}

/* ---- cancellation ---- */

static int cancelled_already(void *arg)
{
    struct fds p = open_pipe();
    roost_scope s;
    int i;

    (void)arg;
    put_byte(p.w);
    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "a test");
    for (i = 0; i < 10; i++)
        EXPECT_INT(roost_wait_fd(p.r, ROOST_READ), -ECANCELED);
    EXPECT_INT(roost_wait_fd(-1, ROOST_READ), -ECANCELED);
    EXPECT_INT(roost_wait_fd(p.r, 0), -ECANCELED);
    EXPECT_INT(roost__rt->outside, 0);
    close_both(p);
    return roost_scope_leave(&s, -ECANCELED);
}

static void a_cancelled_task_does_not_look_at_the_descriptor_C1(void **state)
{
    (void)state;
    with_clocks(cancelled_already);
}

static int cancelled_wait(void *arg)
{
    struct fds p = open_pipe();
    struct waiter w = { .fd = p.r, .mask = ROOST_READ };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, waits, &w);
    settle();
    EXPECT_INT(roost__rt->outside, 1);
    roost_scope_cancel(w.scope, "a test");
    EXPECT_INT(roost__rt->outside, 0); /* in the very call */
    put_byte(p.w);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(w.r, -ECANCELED);
    close_both(p);
    return 0;
}

static void a_cancelled_wait_ends_with_ECANCELED_C4(void **state)
{
    (void)state;
    with_clocks(cancelled_wait);
}

/* A watcher left behind in the host's loop would count as active. */
static void a_cancelled_wait_leaves_no_watcher_C5(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };
    int i;

    (void)state;
    o.loop = ev_loop_new(EVFLAG_AUTO);
    for (i = 0; i < 3; i++) {
        assert_int_equal(kit_run_with(&o, cancelled_wait, NULL), 0);
        assert_int_equal(ev_run(o.loop, EVRUN_NOWAIT), 0);
        assert_int_equal(ev_pending_count(o.loop), 0);
        o.clock = ROOST_CLOCK_REAL;
        o.precise_timers = i == 1;
    }
    ev_loop_destroy(o.loop);
}

static int timed_out(void *arg)
{
    struct fds p = open_pipe();
    roost_time before = roost_now();

    (void)arg;
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(2), roost_wait_fd(p.r, ROOST_READ)),
               -ETIMEDOUT);
    EXPECT(roost_scope_caught(NULL));
    EXPECT(roost_now() - before >= ROOST_MS(2));
    put_byte(p.w);
    EXPECT_INT(ROOST_WITHIN(ROOST_SEC(5), roost_wait_fd(p.r, ROOST_READ)),
               ROOST_READ);
    close_both(p);
    return 0;
}

static void a_time_limit_cuts_the_wait_S4(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_REAL }; /* 2 ms, really */

    (void)state;
    assert_int_equal(kit_run_with(&o, timed_out, NULL), 0);
    o.precise_timers = true;
    assert_int_equal(kit_run_with(&o, timed_out, NULL), 0);
    assert_int_equal(kit_run(timed_out, NULL), 0);
}

/* ---- two on one descriptor ---- */

static int two_readers(void *arg)
{
    struct fds p = open_pipe();
    struct waiter w[2] = { { .fd = p.r, .mask = ROOST_READ },
                           { .fd = p.r, .mask = ROOST_READ } };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, waits, &w[0]);
    roost_spawn(n, waits, &w[1]);
    settle();
    EXPECT_INT(roost__rt->outside, 2);
    put_byte(p.w);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(w[0].r, ROOST_READ);
    EXPECT_INT(w[1].r, ROOST_READ);
    close_both(p);
    return 0;
}

static void two_who_wait_to_read_one_descriptor_both_wake(void **state)
{
    (void)state;
    with_clocks(two_readers);
}

static int reader_and_writer(void *arg)
{
    struct fds p = open_pair();
    struct waiter r = { .fd = p.r, .mask = ROOST_READ };
    struct waiter w = { .fd = p.r, .mask = ROOST_WRITE };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, waits, &r);
    roost_spawn(n, waits, &w);
    while (!w.r)
        EXPECT_INT(roost_checkpoint(), 0);
    settle();
    EXPECT_INT(w.r, ROOST_WRITE);
    EXPECT_INT(r.r, 0);
    EXPECT_INT(roost__rt->outside, 1);
    put_byte(p.w);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(r.r, ROOST_READ);
    close_both(p);
    return 0;
}

static void reader_and_writer_of_one_descriptor_wake_for_their_own(void **state)
{
    (void)state;
    with_clocks(reader_and_writer);
}

static int one_of_two_cancelled(void *arg)
{
    struct fds p = open_pipe();
    struct waiter w[2] = { { .fd = p.r, .mask = ROOST_READ },
                           { .fd = p.r, .mask = ROOST_READ } };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, waits, &w[0]);
    roost_spawn(n, waits, &w[1]);
    settle();
    roost_scope_cancel(w[0].scope, "a test");
    settle();
    EXPECT_INT(w[0].r, -ECANCELED);
    put_byte(p.w);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(w[1].r, ROOST_READ);
    close_both(p);
    return 0;
}

static void cancelling_one_of_two_leaves_the_other_waiting_C5(void **state)
{
    (void)state;
    with_clocks(one_of_two_cancelled);
}

/* Both are woken by one look at the loop. The first that runs cancels the other,
 * who is done all the same. */
struct rivals {
    struct waiter w[2];
    int first; /* who ran first */
};

static struct rivals *rivals;

static int rival(void *arg)
{
    struct waiter *w = arg;
    int me = (int)(w - rivals->w), r;

    ROOST_SCOPE(s);
    w->scope = s;
    w->r = roost_wait_fd(w->fd, w->mask);
    if (rivals->first < 0) {
        rivals->first = me;
        roost_scope_cancel(rivals->w[1 - me].scope, "a test");
    }
    w->after = r = roost_checkpoint();
    return roost_scope_leave(s, r);
}

static int ready_then_cancelled(void *arg)
{
    struct fds p = open_pipe();
    struct rivals c = { .w = { { .fd = p.r, .mask = ROOST_READ },
                               { .fd = p.r, .mask = ROOST_READ } },
                        .first = -1 };

    (void)arg;
    rivals = &c;
    ROOST_NURSERY(n);
    roost_spawn(n, rival, &c.w[0]);
    roost_spawn(n, rival, &c.w[1]);
    settle();
    put_byte(p.w);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(c.w[0].r, ROOST_READ);
    EXPECT_INT(c.w[1].r, ROOST_READ);
    EXPECT_INT(c.w[c.first].after, 0);
    EXPECT_INT(c.w[1 - c.first].after, -ECANCELED);
    close_both(p);
    return 0;
}

static void ready_in_the_turn_of_the_cancel_is_done_C4(void **state)
{
    (void)state;
    with_clocks(ready_then_cancelled);
}

/* ---- the number comes back as another descriptor ---- */

static int reopened(void *arg)
{
    struct fds p = open_pipe(), q = open_pipe();
    int i;

    (void)arg;
    for (i = 0; i < 3; i++) {
        put_byte(p.w);
        EXPECT_INT(roost_wait_fd(p.r, ROOST_READ), ROOST_READ);
        take_byte(p.r);
        EXPECT_INT(dup2(q.r, p.r), p.r); /* closes and opens the number */
        put_byte(q.w);
        EXPECT_INT(roost_wait_fd(p.r, ROOST_READ), ROOST_READ);
        take_byte(p.r);
        close_both(p);
        p = open_pipe();
    }
    close_both(p);
    close_both(q);
    return 0;
}

static void a_number_closed_and_opened_between_waits_is_the_new_one(void **state)
{
    (void)state;
    with_clocks(reopened);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_what_the_descriptor_is_ready_for),
        cmocka_unit_test(a_hang_up_counts_as_ready),
        cmocka_unit_test(it_waits_until_a_byte_comes),
        cmocka_unit_test(what_cannot_be_waited_for_is_refused),
        cmocka_unit_test(a_device_that_never_blocks_is_ready),
        cmocka_unit_test(a_cancelled_task_does_not_look_at_the_descriptor_C1),
        cmocka_unit_test(a_cancelled_wait_ends_with_ECANCELED_C4),
        cmocka_unit_test(a_cancelled_wait_leaves_no_watcher_C5),
        cmocka_unit_test(a_time_limit_cuts_the_wait_S4),
        cmocka_unit_test(two_who_wait_to_read_one_descriptor_both_wake),
        cmocka_unit_test(
            reader_and_writer_of_one_descriptor_wake_for_their_own),
        cmocka_unit_test(cancelling_one_of_two_leaves_the_other_waiting_C5),
        cmocka_unit_test(ready_in_the_turn_of_the_cancel_is_done_C4),
        cmocka_unit_test(
            a_number_closed_and_opened_between_waits_is_the_new_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
