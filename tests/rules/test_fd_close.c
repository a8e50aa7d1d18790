/* test_fd_close.c - claims about closing a descriptor of ours, and about the run
 *                   and the loop that it belongs to.
 */
#define _GNU_SOURCE
#include "rules/pairs.h"
#include "rules/in_task.h"

#include <ev.h>
#include <stdlib.h>

/* ---- waiters ---- */

/* The memory goes in the same breath: sanitizers see who looks at it again. */
static int closed_under_waiters(void *arg)
{
    bool detach = arg;
    struct caller c[DO_ACCEPT];
    int kind, fd, other;

    for (kind = 0; kind < DO_ACCEPT; kind++) {
        struct end *e = malloc(sizeof *e);

        open_socket_end(e);
        fd = roost_fd_number(&e->f);
        fill(fd);
        c[kind] = (struct caller){ .f = &e->f, .kind = kind };
        ROOST_NURSERY(n);
        roost_spawn(n, calls_once, &c[kind]);
        settle();
        EXPECT_INT(roost__rt->outside, 1);
        if (detach)
            EXPECT_INT(roost_fd_detach(&e->f), fd);
        else
            roost_fd_close(&e->f);
        EXPECT_INT(roost__rt->outside, 0);
        EXPECT_INT(fcntl(fd, F_GETFD), detach ? FD_CLOEXEC : -1);
        other = e->other;
        memset(e, 0xee, sizeof *e);
        free(e);
        EXPECT_INT(roost_nursery_close(n, 0), 0);
        EXPECT_INT(c[kind].r, -EBADF);
        close(other);
        if (detach)
            close(fd);
    }
    return 0;
}

static int detached_under_waiters(void *arg)
{
    int yes;

    (void)arg;
    return closed_under_waiters(&yes);
}

static void close_and_detach_wake_all_with_EBADF_X1(void **state)
{
    (void)state;
    with_clocks(closed_under_waiters);
    with_clocks(detached_under_waiters);
}

/* Many on both sides, and one who waits for both. */
static int waits_for_both(void *arg)
{
    return roost_fd_wait(arg, ROOST_READ | ROOST_WRITE) == -EBADF ? 0 : -EIO;
}

static int closed_under_a_crowd(void *arg)
{
    struct caller c[6];
    struct end *e = malloc(sizeof *e);
    int i, other;

    (void)arg;
    open_socket_end(e);
    fill(roost_fd_number(&e->f));
    other = e->other;
    ROOST_NURSERY(n);
    for (i = 0; i < 6; i++) {
        c[i] = (struct caller){ .f = &e->f,
                                .kind = i & 1 ? DO_RECVMSG : DO_SENDMSG,
                                .name = { (char)('a' + i) } };
        roost_spawn(n, calls_once, &c[i]);
        if (i == 2)
            roost_spawn(n, waits_for_both, &e->f);
    }
    settle();
    EXPECT_INT(roost__rt->outside, 7);
    roost_fd_close(&e->f);
    EXPECT_INT(roost__rt->outside, 0);
    free(e);
    close(other);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("b d f a c e"); /* readers, then writers, in order */
    for (i = 0; i < 6; i++)
        EXPECT_INT(c[i].r, -EBADF);
    return 0;
}

static void all_who_wait_on_it_wake_in_order_X1(void **state)
{
    (void)state;
    with_clocks(closed_under_a_crowd);
}

/* Woken by the loop, not run yet, and then it is closed: gone is gone. */
static int closed_under_the_woken(void *arg)
{
    struct caller c;
    int kind, other;

    (void)arg;
    for (kind = 0; kind < DO_ACCEPT; kind++) {
        struct end *e = malloc(sizeof *e);

        open_socket_end(e);
        fill(roost_fd_number(&e->f));
        c = (struct caller){ .f = &e->f, .kind = kind };
        ROOST_NURSERY(n);
        roost_spawn(n, calls_once, &c);
        settle();
        other = e->other;
        put_byte(other);
        empty(other);
        roost__loop_poll(&roost__rt->loop);
        EXPECT_INT(roost__rt->outside, 0);
        EXPECT(!c.over);
        roost_fd_close(&e->f);
        free(e);
        EXPECT_INT(roost_nursery_close(n, 0), 0);
        EXPECT_INT(c.r, -EBADF);
        close(other);
    }
    return 0;
}

static void closing_reaches_who_is_woken_but_has_not_run(void **state)
{
    (void)state;
    with_clocks(closed_under_the_woken);
}

/* One is woken for writing, one who waits for both for reading. The latter runs
 * first, with some seed, and closes. */
struct both {
    roost_fd *f;
    int r;
};

static int waits_for_both_and_closes(void *arg)
{
    struct both *b = arg;

    b->r = roost_fd_wait(b->f, ROOST_READ | ROOST_WRITE);
    if (b->r >= 0) {
        roost_fd_close(b->f);
        free(b->f);
    }
    return 0;
}

static int two_are_awake(void *arg)
{
    struct fds p = open_pair();
    roost_fd *f = malloc(sizeof *f);
    struct caller w = { .f = f, .kind = DO_WAIT_W };
    struct both b = { .f = f };

    (void)arg;
    EXPECT_INT(roost_fd_open(f, p.r), 0);
    fill(p.r);
    ROOST_NURSERY(n);
    roost_spawn(n, calls_once, &w);
    settle();
    roost_spawn(n, waits_for_both_and_closes, &b);
    settle();
    put_byte(p.w);
    empty(p.w);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT(b.r > 0);
    EXPECT(w.r == ROOST_WRITE || w.r == -EBADF);
    close(p.w);
    return w.r == -EBADF;
}

static void of_two_who_are_woken_one_may_close(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };
    int closed = 0;

    (void)state;
    for (o.seed = 0; o.seed < 20; o.seed++)
        closed += kit_run_with(&o, two_are_awake, NULL);
    assert_true(closed > 0);
    assert_true(closed < 20);
}

static int closed_under_the_cancelled(void *arg)
{
    struct caller c = { .kind = DO_READ };
    struct end *e = malloc(sizeof *e);
    int other;

    (void)arg;
    open_socket_end(e);
    other = e->other;
    c.f = &e->f;
    ROOST_NURSERY(n);
    roost_spawn(n, calls_once, &c);
    settle();
    roost_scope_cancel(c.scope, "a test");
    roost_fd_close(&e->f);
    free(e);
    close(other);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(c.r, -ECANCELED);
    return 0;
}

static void a_cancelled_waiter_does_not_look_at_it_again(void **state)
{
    (void)state;
    with_clocks(closed_under_the_cancelled);
}

IN_TASK(closing_twice_or_what_is_zero_does_nothing)
{
    roost_fd f;
    int fd[2], number;

    memset(&f, 0, sizeof f);
    roost_fd_close(&f);
    EXPECT(fcntl(0, F_GETFD) >= 0);
    EXPECT_INT(roost_fd_number(&f), -EBADF);
    EXPECT_INT(make_call(&f, DO_READ), -EBADF);
    EXPECT_INT(pipe(fd), 0);
    EXPECT_INT(roost_fd_open(&f, fd[0]), 0);
    EXPECT_INT(ROOST_WITHIN(0, make_call(&f, DO_READ)), -ETIMEDOUT);
    roost_fd_close(&f);
    number = dup(fd[1]); /* takes the number that was freed */
    EXPECT_INT(number, fd[0]);
    roost_fd_close(&f);
    EXPECT(fcntl(number, F_GETFD) >= 0);
    for (int kind = 0; kind < DO_KINDS; kind++)
        EXPECT_INT(make_call(&f, kind), -EBADF);
    close(number);
    close(fd[1]);
    return 0;
}

/* The number is used again at once, while libev still has the old one in its
 * books. */
static int reused(void *arg)
{
    struct caller c = { .kind = DO_READ };
    struct end e, next;
    int i, number = -1;

    (void)arg;
    for (i = 0; i < 20; i++) {
        open_socket_end(&e);
        EXPECT(number < 0 || roost_fd_number(&e.f) == number);
        number = roost_fd_number(&e.f);
        c = (struct caller){ .f = &e.f, .kind = DO_READ };
        ROOST_NURSERY(n);
        roost_spawn(n, calls_once, &c);
        settle();
        if (i & 1)
            put_byte(e.other);
        roost_fd_close(&e.f);
        close(e.other);
        open_socket_end(&next);
        EXPECT_INT(roost_fd_number(&next.f), number);
        EXPECT_INT(roost_nursery_close(n, 0), 0);
        EXPECT_INT(c.r, -EBADF);
        put_byte(next.other);
        EXPECT_INT(make_call(&next.f, DO_READ), 1);
        close_end(&next);
    }
    return 0;
}

static void a_number_used_again_is_the_new_descriptor(void **state)
{
    (void)state;
    with_clocks(reused);
}

/* ---- runs ---- */

static struct end forgotten;

static int forgets(void *arg)
{
    (void)arg;
    open_socket_end(&forgotten);
    put_byte(forgotten.other);
    EXPECT_INT(make_call(&forgotten.f, DO_READ), 1);
    return 0;
}

static int uses_forgotten(void *arg)
{
    (void)arg;
    return make_call(&forgotten.f, DO_READ);
}

static int closes_forgotten(void *arg)
{
    (void)arg;
    roost_fd_close(&forgotten.f);
    return 0;
}

static void expect_usable_no_more(void)
{
    char byte;

    kit_dies(uses_forgotten, NULL, "roost_fd_read was given a roost_fd", "that "
             "another run has used", NULL);
    kit_dies(closes_forgotten, NULL, "roost_fd_close was given a roost_fd",
             "outside of any run", NULL);
    put_byte(forgotten.other); /* the descriptor itself is as it was */
    assert_int_equal(read(roost_fd_number(&forgotten.f), &byte, 1), 1);
    close_end(&forgotten);
}

static void one_left_open_is_said_and_can_be_closed_after_the_run_T7(void **s)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };
    const char *said;

    (void)s;
    kit_stderr_begin();
    assert_int_equal(roost_run_with(&o, forgets, NULL), 0);
    assert_int_equal(roost_run_with(&o, closed_under_waiters, NULL), 0);
    said = kit_stderr_end();
    assert_null(strstr(strstr(said, "a run ended") + 1, "a run ended"));
    assert_non_null(strstr(said, "a run ended with 1 roost_fd still open"));
    expect_usable_no_more();
}

/* The host's loop goes on: nothing of ours may be left in it. */
static void one_left_open_is_taken_off_a_loop_that_was_given_T7(void **state)
{
    roost_options o = { .loop = ev_loop_new(EVFLAG_AUTO) };

    (void)state;
    kit_stderr_begin();
    assert_int_equal(roost_run_with(&o, forgets, NULL), 0);
    assert_non_null(strstr(kit_stderr_end(), "1 roost_fd still open"));
    put_byte(forgotten.other);
    assert_int_equal(ev_run(o.loop, EVRUN_NOWAIT), 0);
    ev_ref(o.loop); /* would be 0 below if a count had been lost */
    assert_int_not_equal(ev_run(o.loop, EVRUN_NOWAIT), 0);
    ev_unref(o.loop);
    take_byte(roost_fd_number(&forgotten.f));
    expect_usable_no_more();
    ev_loop_destroy(o.loop);
}

/* Watchers that nobody waits for do not keep a host's loop, or a run, alive. */
static int idle_ones(void *arg)
{
    struct end e;

    (void)arg;
    open_socket_end(&e);
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(1), make_call(&e.f, DO_READ)),
               -ETIMEDOUT);
    EXPECT(((struct roost__loop_fd *)(void *)e.f.sides[0].watcher)->started);
    EXPECT_INT(roost__rt->outside, 0);
    EXPECT_INT(roost_sleep_until(ROOST_NEVER), -ECANCELED);
    close_end(&e);
    return 0;
}

static void one_that_is_only_open_keeps_no_run_alive_D4(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_REAL };
    int i;

    (void)state;
    for (i = 0; i < 2; i++) {
        kit_stderr_begin();
        assert_int_equal(roost_run_with(&o, idle_ones, NULL), -EDEADLK);
        assert_non_null(strstr(kit_stderr_end(), "deadlock"));
        o.clock = ROOST_CLOCK_VIRTUAL;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_and_detach_wake_all_with_EBADF_X1),
        cmocka_unit_test(all_who_wait_on_it_wake_in_order_X1),
        cmocka_unit_test(closing_reaches_who_is_woken_but_has_not_run),
        cmocka_unit_test(of_two_who_are_woken_one_may_close),
        cmocka_unit_test(a_cancelled_waiter_does_not_look_at_it_again),
        cmocka_unit_test(closing_twice_or_what_is_zero_does_nothing),
        cmocka_unit_test(a_number_used_again_is_the_new_descriptor),
        cmocka_unit_test(one_left_open_is_said_and_can_be_closed_after_the_run_T7),
        cmocka_unit_test(one_left_open_is_taken_off_a_loop_that_was_given_T7),
        cmocka_unit_test(one_that_is_only_open_keeps_no_run_alive_D4),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
