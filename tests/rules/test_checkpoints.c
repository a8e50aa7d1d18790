/* test_checkpoints.c - what a waiting call owes to the others and to its object
 *                      (C2, C4 - C8), and those that wait to the end (C1).
 *
 * That every marked call fails in a cancelled task and spends its budget is in
 * test_waits.c; what parking promises (C9) in test_park.c.
 */
#define _GNU_SOURCE
#include "rules/in_task.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/rt.h"

/* ---- C1: those that wait to the end ---- */

static int short_cleanup(void *arg)
{
    int r = roost_sleep_until(ROOST_NEVER);

    *(int *)arg = ROOST_SHIELDED(ROOST_SEC(1), roost_sleep(ROOST_MS(5)));
    return r;
}

static int set_later(void *arg)
{
    int r = ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_MS(3)));

    roost_event_set((roost_event *)arg);
    return r;
}

static int run_body(roost_nursery *n, void *arg)
{
    (void)n;
    *(int *)arg = roost_checkpoint();
    return *(int *)arg;
}

IN_TASK(those_that_wait_to_the_end_do_so_in_a_cancelled_task_C1)
{
    int cleaned = -1, other = -1, seen = 1;
    roost_child child = { 0 };
    roost_event e;
    roost_scope s;

    roost_event_init(&e);
    ROOST_NURSERY(outside);
    roost_spawn(outside, set_later, &e);
    roost_scope_enter(&s, ROOST_NEVER);
    ROOST_NURSERY(n);
    roost_spawn(n, short_cleanup, &cleaned);
    roost_spawn_with(n, short_cleanup, &other,
                     &(roost_spawn_options){ .child = &child });
    EXPECT_INT(roost_checkpoint(), 0);
    roost_scope_cancel(&s, "test");
    EXPECT_INT(roost_event_join(&e), 0);
    EXPECT_INT(kit_ms(), 3);
    EXPECT_INT(roost_child_end(&child, "test"), 0);
    EXPECT_INT(other, 0);
    EXPECT_INT(kit_ms(), 5);
    EXPECT_INT(roost_nursery_close(n, 0), -ECANCELED);
    EXPECT_INT(cleaned, 0);
    EXPECT_INT(roost_nursery_run(run_body, &seen), -ECANCELED);
    EXPECT_INT(seen, -ECANCELED); /* it was called, and met it there */
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), 0);
    return roost_nursery_close(outside, 0);
}

IN_TASK(cancelled_comes_before_any_other_failure_C1)
{
    roost_chan *c = roost_chan_new(sizeof(int), 1);
    int item = 1;
    roost_scope s;

    roost_chan_close(c);
    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "test");
    EXPECT_INT(roost_chan_send(c, &item), -ECANCELED);
    EXPECT_INT(roost_chan_recv(c, &item), -ECANCELED);
    EXPECT_INT(roost_wait_fd(-1, ROOST_READ), -ECANCELED);
    EXPECT_INT(roost_wait_fd(0, 0), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&s, 0), 0);
    EXPECT_INT(roost_chan_send(c, &item), -EPIPE);
    EXPECT_INT(roost_chan_recv(c, &item), 0);
    roost_chan_free(c);
    return 0;
}

/* ---- C2: calls without the mark ---- */

static int witness(void *arg)
{
    ++*(int *)arg;
    return 0;
}

static int deferred(void *arg)
{
    (void)arg;
    return 0;
}

/* All but roost_cancelled, which alone may say -ECANCELED without a leave. */
static void unmarked_calls(roost_nursery *n, roost_chan *c, roost_event *e)
{
    static roost_local key = { "key", NULL };
    FILE *out = fopen("/dev/null", "w");
    roost_lot lot = { 0 };
    roost_scope s;
    int item = 3;

    roost_scope_enter(&s, roost_after(ROOST_SEC(1)));
    roost_scope_set_deadline(&s, ROOST_NEVER);
    EXPECT_INT(roost_scope_leave(&s, 0), 0);
    roost_shield_enter(&s, ROOST_SEC(1));
    roost_scope_cancel(&s, "test");
    EXPECT_INT(roost_scope_leave(&s, 2), 2);
    EXPECT_INT(ROOST_WITHIN(ROOST_SEC(1), 4), 4);
    EXPECT_INT(roost_chan_send_nowait(c, &item), 0);
    EXPECT_INT(roost_chan_send_nowait(c, &item), -EAGAIN);
    EXPECT_INT(roost_chan_recv_nowait(c, &item), 1);
    EXPECT_INT(roost_chan_recv_nowait(c, &item), -EAGAIN);
    roost_event_set(e);
    EXPECT_INT(roost_lot_wake(&lot, ROOST_ALL), 0);
    EXPECT_INT(roost_defer(deferred, NULL), 0);
    EXPECT_INT(roost_local_set(&key, &key), 0);
    EXPECT_INT(roost_fail(-EIO, "words"), -EIO);
    EXPECT(roost_error_of(-EIO) != NULL);
    EXPECT(roost_random() != roost_random());
    EXPECT(roost_now() > 0 && roost_deadline() > 0 && roost_time_left() >= 0);
    EXPECT_INT(roost_nursery_count(n), 1);
    roost_started(1); /* in a task that nobody starts: nothing */
    roost_tree_print(out);
    roost_why(out, NULL);
    fclose(out);
}

IN_TASK(a_call_without_the_mark_never_suspends_nor_says_ECANCELED_C2)
{
    roost_chan *c = roost_chan_new(sizeof(int), 1);
    int i, ran = 0;
    roost_event e;
    roost_scope s;

    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn(n, witness, &ran);
    for (i = 0; i < 300; i++) {
        unmarked_calls(n, c, &e);
        EXPECT_INT(roost_cancelled(), 0);
    }
    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "test");
    for (i = 0; i < 300; i++)
        unmarked_calls(n, c, &e);
    EXPECT_INT(ran, 0);
    EXPECT_INT(ROOST_WITHIN(ROOST_SEC(1), roost_cancelled()), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&s, roost_cancelled()), 0);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    roost_chan_free(c);
    return 0;
}

/* ---- C4, C5: the object ---- */

struct exchange {
    roost_chan *c;
    roost_scope s;
    int item, r;
};

static int receive(void *arg)
{
    struct exchange *x = arg;

    roost_scope_enter(&x->s, ROOST_NEVER);
    x->r = roost_chan_recv(x->c, &x->item);
    return roost_scope_leave(&x->s, x->r < 0 ? x->r : 0);
}

IN_TASK(what_was_done_before_the_cancel_counts_and_nothing_after_it_C4)
{
    struct exchange done = { .item = 0 }, cut = { .item = 0 };
    int item = 8;

    done.c = cut.c = roost_chan_new(sizeof item, 0);
    ROOST_NURSERY(n);
    roost_spawn(n, receive, &done);
    roost_spawn(n, receive, &cut);
    EXPECT_INT(roost_sleep(1), 0);
    EXPECT_INT(roost_chan_send_nowait(done.c, &item), 0);
    roost_scope_cancel(&done.s, "too late: it has its item");
    roost_scope_cancel(&cut.s, "in time");
    EXPECT_INT(roost_chan_send_nowait(cut.c, &item), -EAGAIN); /* C5 */
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(done.r, 1);
    EXPECT_INT(done.item, 8);
    EXPECT_INT(cut.r, -ECANCELED);
    EXPECT_INT(cut.item, 0);
    roost_chan_free(done.c);
    return 0;
}

/* ---- C6: nobody starves ---- */

static int call_close(void)
{
    ROOST_NURSERY(n);
    return roost_nursery_close(n, 0);
}

static int nothing_in_it(roost_nursery *n, void *arg)
{
    (void)n, (void)arg;
    return 0;
}

static int call_run(void)
{
    return roost_nursery_run(nothing_in_it, NULL);
}

static int call_child_end(void)
{
    roost_child nobody = { 0 };

    return roost_child_end(&nobody, "nobody");
}

static int call_event_join(void)
{
    roost_event e;

    roost_event_init(&e);
    roost_event_set(&e);
    return roost_event_join(&e);
}

/* Row 61: who does not read the result. */
static int call_ignored(void)
{
    roost_ignore(roost_sleep(ROOST_MS(1)));
    return 0;
}

IN_TASK(also_a_loop_over_those_that_wait_to_the_end_lets_others_run_C6)
{
    int (*const calls[])(void) = { call_close, call_run, call_child_end,
                                   call_event_join, call_ignored };
    int i, cancelled, turns, ran;
    roost_scope s;

    ROOST_NURSERY(n);
    for (i = 0; i < 10; i++) {
        cancelled = i % 2;
        roost_scope_enter(&s, ROOST_NEVER);
        if (cancelled)
            roost_scope_cancel(&s, "test");
        ran = 0;
        roost_spawn(n, witness, &ran);
        for (turns = 0; !ran && turns < 1000; turns++)
            EXPECT_INT(calls[i / 2](), 0);
        EXPECT(turns < 1000);
        EXPECT_INT(roost_scope_leave(&s, 0), 0);
    }
    return roost_nursery_close(n, 0);
}

static int cancel_it(void *arg)
{
    roost_scope_cancel((roost_scope *)arg, "while it yielded");
    return 0;
}

/* The call that has used up the budget yields first: it sees the cancel, and
 * has sent nothing. */
IN_TASK(out_of_budget_a_call_yields_first_then_looks_then_tries_C6)
{
    roost_chan *c = roost_chan_new(sizeof(int), 1000);
    int sent = 0, there = 0, r = 0;
    roost_scope s;

    ROOST_NURSERY(n);
    roost_scope_enter(&s, ROOST_NEVER);
    roost_spawn(n, cancel_it, &s);
    while (r == 0 && sent < 900) {
        r = roost_chan_send(c, &sent);
        sent += r == 0;
    }
    EXPECT_INT(r, -ECANCELED);
    EXPECT(sent > 0 && sent < 900);
    EXPECT_INT(roost_scope_leave(&s, r), 0);
    while (roost_chan_recv_nowait(c, &r) == 1)
        EXPECT_INT(r, there++);
    EXPECT_INT(there, sent);
    roost_chan_free(c);
    return roost_nursery_close(n, 0);
}

struct pingpong {
    roost_chan *to, *from;
    int fd;
    bool over;
};

static int ping(void *arg)
{
    struct pingpong *p = arg;
    int item = 0, r = 0;

    while (!p->over && r >= 0) {
        r = roost_chan_send(p->to, &item);
        if (r >= 0)
            r = roost_chan_recv(p->from, &item);
    }
    roost_chan_close(p->to);
    return 0;
}

static int pong(void *arg)
{
    struct pingpong *p = arg;
    int item, r = 0;

    while (r >= 0 && (r = roost_chan_recv(p->to, &item)) > 0)
        r = roost_chan_send(p->from, &item);
    return 0;
}

static int wait_full_pipe(void *arg)
{
    struct pingpong *p = arg;
    int r = 0;

    while (!p->over && r >= 0)
        r = roost_wait_fd(p->fd, ROOST_READ);
    return r < 0 ? r : 0;
}

static int third(void *arg)
{
    struct pingpong p = { .over = false };
    int fd[2], i;

    (void)arg;
    EXPECT_INT(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
    EXPECT_INT(write(fd[1], "x", 1), 1);
    p.fd = fd[0];
    p.to = roost_chan_new(sizeof(int), 1);
    p.from = roost_chan_new(sizeof(int), 0);
    ROOST_NURSERY(n);
    roost_spawn(n, ping, &p);
    roost_spawn(n, pong, &p);
    roost_spawn(n, wait_full_pipe, &p);
    for (i = 0; i < 50; i++)
        EXPECT_INT(roost_checkpoint(), 0);
    p.over = true;
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    roost_chan_free(p.to);
    roost_chan_free(p.from);
    close(fd[0]);
    close(fd[1]);
    return 0;
}

static void tasks_that_never_stop_do_not_starve_a_third_C6(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };

    (void)state;
    for (o.seed = 0; o.seed < 8; o.seed++)
        assert_int_equal(kit_run_with(&o, third, NULL), 0);
}

/* ---- C8 ---- */

IN_TASK(results_are_codes_and_errno_says_nothing_C8)
{
    errno = EDOM;
    EXPECT_INT(roost_wait_fd(-1, ROOST_READ), -EBADF);
    errno = EDOM;
    EXPECT_INT(ROOST_WITHIN(0, roost_checkpoint()), -ETIMEDOUT);
    errno = EDOM;
    EXPECT_INT(roost_sleep(1), 0);
    return 0;
}

/* ---- row 33: two roost_start at once ---- */

struct starter {
    roost_nursery *n;
    int ms, r;
};

static int get_ready(void *arg)
{
    int ms = *(int *)arg, r = roost_sleep(ROOST_MS(ms));

    if (r >= 0)
        roost_started(ms);
    return r;
}

static int start_one(void *arg)
{
    struct starter *a = arg;

    a->r = roost_start_copy(a->n, get_ready, &a->ms, sizeof a->ms);
    return 0;
}

IN_TASK(two_tasks_start_into_one_nursery_at_once_N10)
{
    struct starter a = { .ms = 6 }, b = { .ms = 3 };

    ROOST_NURSERY(n);
    ROOST_NURSERY(starters);
    a.n = b.n = n;
    roost_spawn(starters, start_one, &a);
    roost_spawn(starters, start_one, &b);
    EXPECT_INT(roost_nursery_close(starters, 0), 0);
    EXPECT_INT(kit_ms(), 6);
    EXPECT_INT(a.r, 6);
    EXPECT_INT(b.r, 3);
    return roost_nursery_close(n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            those_that_wait_to_the_end_do_so_in_a_cancelled_task_C1),
        cmocka_unit_test(cancelled_comes_before_any_other_failure_C1),
        cmocka_unit_test(
            a_call_without_the_mark_never_suspends_nor_says_ECANCELED_C2),
        cmocka_unit_test(
            what_was_done_before_the_cancel_counts_and_nothing_after_it_C4),
        cmocka_unit_test(
            also_a_loop_over_those_that_wait_to_the_end_lets_others_run_C6),
        cmocka_unit_test(
            out_of_budget_a_call_yields_first_then_looks_then_tries_C6),
        cmocka_unit_test(tasks_that_never_stop_do_not_starve_a_third_C6),
        cmocka_unit_test(results_are_codes_and_errno_says_nothing_C8),
        cmocka_unit_test(two_tasks_start_into_one_nursery_at_once_N10),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Rows of the peers' suites that do not fit:
 *
 * R47  errno is not kept across a wait (C8).
 * R49 - R58  there are no portals yet: nothing is posted into a running loop.
 */
