/* test_fd_order.c - claims about several tasks at one descriptor, and about
 *                   cancelling them.
 */
#define _GNU_SOURCE
#include "rules/pairs.h"
#include "rules/in_task.h"

/* Named a, b, c..., each in a task that makes one call. */
static void spawn_callers(roost_nursery *n, struct caller *c, int count,
                          roost_fd *f, int kind)
{
    int i;

    for (i = 0; i < count; i++) {
        c[i] = (struct caller){ .f = f, .kind = kind,
                                .name = { (char)('a' + i) } };
        roost_spawn(n, calls_once, &c[i]);
    }
}

/* ---- two at once ---- */

static int two_readers(void *arg)
{
    struct end e;
    struct caller first = { .f = &e.f }, again = { .f = &e.f };
    int kind;

    (void)arg;
    for (kind = DO_READ; kind <= DO_WRITE; kind++) {
        open_socket_end(&e);
        fill(roost_fd_number(&e.f));
        first = again = (struct caller){ .f = &e.f, .kind = kind };
        ROOST_NURSERY(n);
        roost_spawn(n, calls_once, &first);
        settle();
        EXPECT_INT(make_call(&e.f, kind), -EBUSY);
        roost_spawn(n, calls_once, &again);
        settle();
        EXPECT(!first.over);
        EXPECT_INT(again.r, -EBUSY);
        put_byte(e.other);
        empty(e.other);
        EXPECT_INT(roost_nursery_close(n, 0), 0);
        EXPECT_INT(first.r, 1);
        close_end(&e);
    }
    return 0;
}

static void a_second_reader_or_writer_is_refused_X2(void **state)
{
    (void)state;
    with_clocks(two_readers);
}

/* One reads and one writes; neither is in the other's way. */
static int reader_and_writer(void *arg)
{
    struct end e;
    struct caller r = { .f = &e.f, .kind = DO_READ };
    struct caller w = { .f = &e.f, .kind = DO_WRITE };

    (void)arg;
    open_socket_end(&e);
    fill(roost_fd_number(&e.f));
    ROOST_NURSERY(n);
    roost_spawn(n, calls_once, &r);
    roost_spawn(n, calls_once, &w);
    settle();
    EXPECT_INT(roost__rt->outside, 2);
    empty(e.other);
    while (!w.over)
        EXPECT_INT(roost_checkpoint(), 0);
    settle();
    EXPECT_INT(w.r, 1);
    EXPECT(!r.over);
    put_byte(e.other);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(r.r, 1);
    close_end(&e);
    return 0;
}

static void a_reader_and_a_writer_wait_for_their_own(void **state)
{
    (void)state;
    with_clocks(reader_and_writer);
}

/* ---- in order ---- */

enum { MANY = 5 };

static int messages(int kind)
{
    struct caller c[MANY];
    struct end e;
    int i;

    open_socket_end(&e);
    if (kind == DO_SENDMSG)
        fill(roost_fd_number(&e.f));
    ROOST_NURSERY(n);
    spawn_callers(n, c, MANY, &e.f, kind);
    settle();
    EXPECT_LOG("");
    if (kind == DO_SENDMSG)
        empty(e.other);
    for (i = 0; i < MANY && kind == DO_RECVMSG; i++) {
        put_byte(e.other);
        while (!c[i].over)
            EXPECT_INT(roost_checkpoint(), 0);
        settle();
        EXPECT(i == MANY - 1 || !c[i + 1].over);
    }
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("a b c d e");
    for (i = 0; i < MANY; i++)
        EXPECT_INT(c[i].r, 1);
    EXPECT_INT(roost__rt->outside, 0);
    close_end(&e);
    return 0;
}

static int receivers(void *arg)
{
    (void)arg;
    return messages(DO_RECVMSG);
}

static int senders(void *arg)
{
    (void)arg;
    return messages(DO_SENDMSG);
}

static void messages_are_received_and_sent_in_the_order_of_asking_X1(void **s)
{
    (void)s;
    with_clocks(receivers);
    with_clocks(senders);
}

/* All at once: one look at the loop shows them all, and each wakes the next. */
static int a_burst(void *arg)
{
    struct caller c[MANY], late;
    struct end e;
    int i;

    (void)arg;
    open_socket_end(&e);
    ROOST_NURSERY(n);
    spawn_callers(n, c, MANY, &e.f, DO_RECVMSG);
    settle();
    for (i = 0; i < MANY + 1; i++)
        put_byte(e.other);
    while (!c[0].over)
        EXPECT_INT(roost_checkpoint(), 0);
    /* There is more to read, but those who wait come first. */
    late = (struct caller){ .f = &e.f, .kind = DO_RECVMSG, .name = "z" };
    roost_spawn(n, calls_once, &late);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("a b c d e z");
    close_end(&e);
    return 0;
}

static void who_comes_later_does_not_pass_those_who_wait_X1(void **state)
{
    (void)state;
    with_clocks(a_burst);
}

/* The first is woken, but another has taken what there was: he stays first. */
static int robbed(void *arg)
{
    struct caller c[2];
    struct end e;

    (void)arg;
    open_socket_end(&e);
    ROOST_NURSERY(n);
    spawn_callers(n, c, 2, &e.f, DO_RECVMSG);
    settle();
    put_byte(e.other);
    roost__loop_poll(&roost__rt->loop);
    take_byte(roost_fd_number(&e.f));
    settle();
    EXPECT(!c[0].over && !c[1].over);
    EXPECT_INT(roost__rt->outside, 2);
    put_byte(e.other);
    put_byte(e.other);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("a b");
    close_end(&e);
    return 0;
}

static void who_was_woken_in_vain_keeps_his_place_X1(void **state)
{
    (void)state;
    with_clocks(robbed);
}

/* ---- cancelling ---- */

static void prepare(struct end *e, struct caller *c, int kind)
{
    open_socket_end(e);
    fill(roost_fd_number(&e->f));
    *c = (struct caller){ .f = &e->f, .kind = kind };
}

static void let_it_be(struct end *e)
{
    put_byte(e->other);
    empty(e->other);
}

static int cancelled_waits(void *arg)
{
    struct caller c;
    struct end e;
    int kind;
    char byte;

    (void)arg;
    for (kind = 0; kind < DO_ACCEPT; kind++) {
        prepare(&e, &c, kind);
        ROOST_NURSERY(n);
        roost_spawn(n, calls_once, &c);
        settle();
        EXPECT_INT(roost__rt->outside, 1);
        roost_scope_cancel(c.scope, "a test");
        EXPECT_INT(roost__rt->outside, 0); /* in the very call */
        let_it_be(&e);
        EXPECT_INT(roost_nursery_close(n, 0), 0);
        EXPECT_INT(c.r, -ECANCELED);
        /* Nothing was read or written, and nobody is in the way. */
        EXPECT_INT(read(e.other, &byte, 1), -1);
        EXPECT_INT(roost_fd_read(&e.f, &byte, 1), 1);
        EXPECT_INT(roost_fd_write(&e.f, &byte, 1), 1);
        close_end(&e);
    }
    return 0;
}

static void a_cancelled_call_has_moved_nothing_C5(void **state)
{
    (void)state;
    with_clocks(cancelled_waits);
}

/* Woken by the loop, then cancelled before it ran: the call is made. */
static int ready_then_cancelled(void *arg)
{
    struct caller c;
    struct end e;
    int kind;

    (void)arg;
    for (kind = 0; kind < DO_ACCEPT; kind++) {
        prepare(&e, &c, kind);
        ROOST_NURSERY(n);
        roost_spawn(n, calls_once, &c);
        settle();
        let_it_be(&e);
        roost__loop_poll(&roost__rt->loop);
        EXPECT_INT(roost__rt->outside, 0);
        roost_scope_cancel(c.scope, "a test");
        EXPECT_INT(roost_nursery_close(n, 0), 0);
        EXPECT_INT(c.r, kind == DO_WAIT_W ? ROOST_WRITE : 1);
        EXPECT_INT(c.after, -ECANCELED);
        close_end(&e);
    }
    return 0;
}

static void ready_before_the_cancel_is_done_C4(void **state)
{
    (void)state;
    with_clocks(ready_then_cancelled);
}

/* Woken in vain and cancelled: it does not wait again. */
static int robbed_and_cancelled(void *arg)
{
    struct caller c = { .kind = DO_READ };
    struct end e;

    (void)arg;
    open_socket_end(&e);
    c.f = &e.f;
    ROOST_NURSERY(n);
    roost_spawn(n, calls_once, &c);
    settle();
    put_byte(e.other);
    roost__loop_poll(&roost__rt->loop);
    take_byte(roost_fd_number(&e.f));
    roost_scope_cancel(c.scope, "a test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(c.r, -ECANCELED);
    EXPECT_INT(roost__rt->outside, 0);
    close_end(&e);
    return 0;
}

static void woken_in_vain_it_looks_at_its_cancellation_C3(void **state)
{
    (void)state;
    with_clocks(robbed_and_cancelled);
}

/* The middle one goes; the others are served in order. */
static int one_leaves(void *arg)
{
    struct caller c[3];
    struct end e;

    (void)arg;
    open_socket_end(&e);
    ROOST_NURSERY(n);
    spawn_callers(n, c, 3, &e.f, DO_RECVMSG);
    settle();
    roost_scope_cancel(c[1].scope, "a test");
    settle();
    put_byte(e.other);
    put_byte(e.other);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("b a c");
    EXPECT_INT(c[1].r, -ECANCELED);
    EXPECT_INT(c[2].r, 1);
    close_end(&e);
    return 0;
}

static void a_cancelled_waiter_is_passed_over_C4(void **state)
{
    (void)state;
    with_clocks(one_leaves);
}

static int timed_out(void *arg)
{
    struct end e;
    char byte;

    (void)arg;
    open_socket_end(&e);
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(2), roost_fd_read(&e.f, &byte, 1)),
               -ETIMEDOUT);
    put_byte(e.other);
    EXPECT_INT(ROOST_WITHIN(ROOST_SEC(5), roost_fd_read(&e.f, &byte, 1)), 1);
    close_end(&e);
    return 0;
}

static void a_time_limit_cuts_a_read_S4(void **state)
{
    (void)state;
    with_moving_clocks(timed_out);
}

/* ---- readiness alone ---- */

static int both_sides(void *arg)
{
    struct end e;
    char byte;

    (void)arg;
    open_socket_end(&e);
    EXPECT_INT(roost_fd_wait(&e.f, 0), -EINVAL);
    EXPECT_INT(roost_fd_wait(&e.f, 4), -EINVAL);
    EXPECT_INT(roost_fd_wait(&e.f, ROOST_READ | ROOST_WRITE), ROOST_WRITE);
    put_byte(e.other);
    EXPECT_INT(roost_fd_wait(&e.f, ROOST_READ | ROOST_WRITE),
               ROOST_READ | ROOST_WRITE);
    EXPECT_INT(roost_fd_wait(&e.f, ROOST_READ), ROOST_READ);
    EXPECT_INT(roost_fd_read(&e.f, &byte, 1), 1);
    fill(roost_fd_number(&e.f));
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(1),
                            roost_fd_wait(&e.f, ROOST_READ | ROOST_WRITE)),
               -ETIMEDOUT);
    EXPECT(!e.f.sides[0].first && !e.f.sides[1].first);
    put_byte(e.other);
    EXPECT_INT(roost_fd_wait(&e.f, ROOST_READ | ROOST_WRITE), ROOST_READ);
    EXPECT(!e.f.sides[0].awake && !e.f.sides[1].awake);
    EXPECT_INT(roost__rt->outside, 0);
    close_end(&e);
    return 0;
}

static void wait_says_which_sides_are_ready(void **state)
{
    (void)state;
    with_moving_clocks(both_sides);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_reader_or_writer_is_refused_X2),
        cmocka_unit_test(a_reader_and_a_writer_wait_for_their_own),
        cmocka_unit_test(
            messages_are_received_and_sent_in_the_order_of_asking_X1),
        cmocka_unit_test(who_comes_later_does_not_pass_those_who_wait_X1),
        cmocka_unit_test(who_was_woken_in_vain_keeps_his_place_X1),
        cmocka_unit_test(a_cancelled_call_has_moved_nothing_C5),
        cmocka_unit_test(ready_before_the_cancel_is_done_C4),
        cmocka_unit_test(woken_in_vain_it_looks_at_its_cancellation_C3),
        cmocka_unit_test(a_cancelled_waiter_is_passed_over_C4),
        cmocka_unit_test(a_time_limit_cuts_a_read_S4),
        cmocka_unit_test(wait_says_which_sides_are_ready),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
