/* test_guest.c - claims about tasks in a loop that the host runs: they get on,
 *                whoever drives it and however.
 */
#include "rules/hosts.h"

#include <sys/socket.h>

/* ---- turns ---- */

static int sleeps(void *arg)
{
    int i, r = 0;

    for (i = 0; i < 3 && r >= 0; i++) {
        roost_time before = roost_now();

        r = roost_sleep(ROOST_MS(1));
        EXPECT(roost_now() - before >= ROOST_MS(1));
        ++*(int *)arg;
    }
    return r < 0 ? r : 7;
}

static void timers_of_host_and_tasks_fire_side_by_side_G1(void **state)
{
    struct ev_loop *loop = host_begin();
    struct root a, b;
    struct later l;
    int slept[2] = { 0, 0 };

    (void)state;
    begin_root(&a, loop, sleeps, &slept[0]);
    begin_root(&b, loop, sleeps, &slept[1]);
    call_later(&l, loop, 2, NULL, NULL);
    ev_run(loop, 0);
    EXPECT_ENDED(&a, 7);
    EXPECT_ENDED(&b, 7);
    EXPECT_INT(l.calls, 1);
    EXPECT_INT(slept[0] + slept[1], 6);
    host_end(loop);
}

enum { ROUNDS = 50 };

static void echo(struct ev_loop *loop, ev_io *w, int events)
{
    char byte;

    (void)events;
    EXPECT_INT(read(w->fd, &byte, 1), 1);
    EXPECT_INT(write(w->fd, &byte, 1), 1);
    if (++*(int *)w->data == ROUNDS)
        ev_io_stop(loop, w);
}

static int asks(void *arg)
{
    int fd = *(int *)arg, i, r = 0;
    char byte = 'x';

    for (i = 0; i < ROUNDS && r >= 0; i++) {
        EXPECT_INT(write(fd, &byte, 1), 1);
        r = roost_wait_fd(fd, ROOST_READ);
        EXPECT_INT(read(fd, &byte, 1), 1);
    }
    return r;
}

static void descriptors_of_host_and_tasks_become_ready_side_by_side_G1(void **s)
{
    struct ev_loop *loop = host_begin();
    struct root root;
    int pair[2], count = 0;
    ev_io w;

    (void)s;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    ev_io_init(&w, echo, pair[1], EV_READ);
    w.data = &count;
    ev_io_start(loop, &w);
    begin_root(&root, loop, asks, &pair[0]);
    ev_run(loop, 0);
    EXPECT_ENDED(&root, ROOST_READ);
    EXPECT_INT(count, ROUNDS);
    close(pair[0]);
    close(pair[1]);
    host_end(loop);
}

/* ---- who drives ---- */

static void drive(int flags)
{
    struct ev_loop *loop = host_begin();
    struct root root;

    begin_root(&root, loop, bit_of_everything, NULL);
    EXPECT_INT(root.ended, 0); /* not before the loop is run */
    while (!root.ended)
        ev_run(loop, flags);
    EXPECT_ENDED(&root, 3);
    host_end(loop);
}

static void tasks_get_on_whoever_drives_the_loop_G2(void **state)
{
    (void)state;
    drive(0);
    drive(EVRUN_ONCE);
    drive(EVRUN_NOWAIT);
}

/* One iteration is enough for what need not wait. */
static int yields(void *arg)
{
    (void)arg;
    return roost_checkpoint();
}

static void each_iteration_gives_the_tasks_a_turn_G2(void **state)
{
    static const int flags[] = { EVRUN_ONCE, EVRUN_NOWAIT };
    struct ev_loop *loop = host_begin();
    struct root root;
    int i;

    (void)state;
    for (i = 0; i < 2; i++) {
        begin_root(&root, loop, yields, NULL);
        ev_run(loop, flags[i]);
        EXPECT_ENDED(&root, 0);
    }
    host_end(loop);
}

static int breaks_the_loop(void *loop)
{
    ev_break(loop, EVBREAK_ALL);
    return roost_sleep(ROOST_MS(1));
}

static void ended_breaks(int result, void *loop)
{
    (void)result;
    ev_break(loop, EVBREAK_ALL);
}

static void a_loop_broken_off_goes_on_when_it_is_run_again_G2(void **state)
{
    struct ev_loop *loop = host_begin();
    roost_event e;
    struct root root, other;
    struct later l;

    (void)state;
    roost_event_init(&e);
    begin_root(&root, loop, waits_for_event, &e);
    call_later(&l, loop, 0, break_loop, NULL);
    assert_true(ev_run(loop, 0) > 0); /* by a callback */
    EXPECT_INT(l.calls, 1);
    begin_root(&other, loop, breaks_the_loop, loop);
    assert_true(ev_run(loop, 0) > 0); /* by a task */
    EXPECT_INT(other.ended, 0);
    assert_non_null(roost_attach(loop, yields, NULL, ended_breaks, loop));
    assert_true(ev_run(loop, 0) > 0); /* by done() */
    EXPECT_INT(root.ended, 0);
    roost_event_set(&e); /* between its runs */
    assert_int_equal(ev_run(loop, 0), 0);
    EXPECT_ENDED(&root, 0);
    EXPECT_ENDED(&other, 0);
    host_end(loop);
}

/* ---- when ev_run returns ---- */

static int waits_then_sleeps(void *event)
{
    int r = roost_event_wait(event);

    return r < 0 ? r : roost_sleep(ROOST_MS(2));
}

static void the_loop_returns_with_the_last_watcher_and_root_G1(void **state)
{
    struct ev_loop *loop = host_begin();
    struct root root;
    struct later l;
    roost_event e;
    int i;

    (void)state;
    for (i = 0; i < 2; i++) { /* the root is last, then the host is */
        roost_event_init(&e);
        begin_root(&root, loop, i ? waits_for_event : waits_then_sleeps, &e);
        if (i)
            roost_event_set(&e);
        call_later(&l, loop, 2, set_event, &e);
        ev_run(loop, 0);
        EXPECT_INT(l.calls, 1);
        EXPECT_ENDED(&root, 0);
    }
    host_end(loop);
}

/* Only the host can know that nobody will set it. */
static void nobody_is_deadlocked_in_a_hosts_loop_D4(void **state)
{
    struct ev_loop *loop = host_begin();
    struct root root;
    roost_event e;
    const char *said;
    int i;

    (void)state;
    roost_event_init(&e);
    kit_stderr_begin();
    begin_root(&root, loop, waits_for_event, &e);
    for (i = 0; i < 10; i++)
        assert_int_equal(ev_run(loop, EVRUN_NOWAIT), 1); /* the root's */
    said = kit_stderr_end();
    assert_string_equal(said, "");
    EXPECT_INT(root.ended, 0);
    roost_event_set(&e);
    ev_run(loop, 0);
    EXPECT_ENDED(&root, 0);
    host_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_of_host_and_tasks_fire_side_by_side_G1),
        cmocka_unit_test(
            descriptors_of_host_and_tasks_become_ready_side_by_side_G1),
        cmocka_unit_test(tasks_get_on_whoever_drives_the_loop_G2),
        cmocka_unit_test(each_iteration_gives_the_tasks_a_turn_G2),
        cmocka_unit_test(a_loop_broken_off_goes_on_when_it_is_run_again_G2),
        cmocka_unit_test(the_loop_returns_with_the_last_watcher_and_root_G1),
        cmocka_unit_test(nobody_is_deadlocked_in_a_hosts_loop_D4),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
