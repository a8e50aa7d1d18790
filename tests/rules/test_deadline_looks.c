/* test_deadline_looks.c - a deadline takes effect when the runtime looks (S18):
 *                         which calls look, and which do not even read.
 *
 * The real clock option over a table of system calls whose clock is ours: it
 * stands still until a test moves it, and counts how often it is read.
 */
#include "rules/in_task.h"

#include "core/rt.h"

static roost_time fake_now;
static unsigned reads;

static roost_time fake_clock(void)
{
    reads++;
    return fake_now;
}

/* Runs fn with the fake clock. */
static void look(roost_task_fn *fn)
{
    struct roost_sys sys = roost__sys_default;
    roost_options o = { .sys = &sys };

    fake_now = ROOST__INSTANT_BASE + ROOST_SEC(1000);
    sys.clock = fake_clock;
    assert_int_equal(kit_run_with(&o, fn, NULL), 0);
}

#define LOOK(name)                                    \
    static int name##_body(void *arg);                \
    static void name(void **state)                    \
    {                                                 \
        (void)state;                                  \
        look(name##_body);                            \
    }                                                 \
    static int name##_body(__attribute__((unused)) void *arg)

/* A scope whose deadline has passed without anybody having looked. */
static void enter_passed(roost_scope *s, bool armed)
{
    roost_scope_enter(s, roost_after(ROOST_SEC(5)));
    if (armed)
        EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost__timer_armed(&s->timer), armed);
    fake_now += ROOST_SEC(10);
}

/* ---- enter and set_deadline: against the last value read ---- */

LOOK(enter_compares_with_the_clocks_last_value_S18)
{
    roost_time t = roost_now();
    unsigned before = reads;
    roost_scope s;

    fake_now += ROOST_SEC(10);
    roost_scope_enter(&s, t + ROOST_SEC(5));
    EXPECT(!s.cause);
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(reads, before);
    EXPECT_INT(roost_scope_leave(&s, roost_cancelled()), -ETIMEDOUT);

    t = roost_now(); /* refreshes it */
    roost_scope_enter(&s, t);
    EXPECT(s.cause);
    EXPECT_INT(roost_scope_leave(&s, roost_checkpoint()), -ETIMEDOUT);
    fake_now += ROOST_SEC(10);
    EXPECT_INT(roost_after(1), fake_now + 1); /* and so does this */
    roost_scope_enter(&s, t + ROOST_SEC(5));
    EXPECT_INT(roost_scope_leave(&s, roost_checkpoint()), -ETIMEDOUT);
    return 0;
}

LOOK(set_deadline_on_a_deadline_not_armed_does_not_look_S18)
{
    roost_scope s;
    unsigned before;

    enter_passed(&s, false);
    before = reads;
    roost_scope_set_deadline(&s, fake_now - ROOST_SEC(2));
    EXPECT(!s.cause);
    roost_scope_set_deadline(&s, fake_now + ROOST_SEC(90));
    EXPECT_INT(reads, before);
    EXPECT(!roost_scope_cancelled(&s));
    EXPECT_INT(roost_scope_leave(&s, 0), 0);
    return 0;
}

LOOK(set_deadline_on_an_armed_deadline_looks_first_S18)
{
    roost_scope s;

    enter_passed(&s, true);
    roost_scope_set_deadline(&s, fake_now + ROOST_SEC(90));
    EXPECT(s.cause);
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), -ETIMEDOUT);
    return 0;
}

/* ---- the calls that look ---- */

LOOK(cancelled_looks_S18)
{
    roost_scope s;

    enter_passed(&s, false);
    EXPECT_INT(roost_cancelled(), -ECANCELED);
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    return roost_scope_leave(&s, -ECANCELED) == -ETIMEDOUT ? 0 : 1;
}

LOOK(scope_cancelled_looks_also_at_the_deadlines_around_S18)
{
    roost_scope s, inner;

    enter_passed(&s, true);
    EXPECT(roost_scope_cancelled(&s));
    EXPECT_INT(roost_scope_leave(&s, 0), 0);
    EXPECT(roost_scope_cancelled(&s));

    enter_passed(&s, false);
    roost_scope_enter(&inner, ROOST_NEVER);
    EXPECT(!roost_scope_cancelled(&inner));
    EXPECT(s.cause);
    EXPECT_INT(roost_scope_leave(&inner, roost_checkpoint()), -ECANCELED);
    return roost_scope_leave(&s, -ECANCELED) == -ETIMEDOUT ? 0 : 1;
}

LOOK(cancel_looks_so_the_earlier_deadline_decides_S8)
{
    roost_scope s;

    enter_passed(&s, false);
    roost_scope_cancel(&s, "too late");
    EXPECT_HAS(kit_why(&s), "its deadline passed");
    EXPECT_INT(roost_scope_leave(&s, roost_checkpoint()), -ETIMEDOUT);

    roost_scope_enter(&s, roost_after(ROOST_SEC(5)));
    roost_scope_cancel(&s, "in time");
    fake_now += ROOST_SEC(10);
    return roost_scope_leave(&s, roost_checkpoint());
}

LOOK(leave_with_ECANCELED_looks_S18)
{
    roost_scope s;

    enter_passed(&s, true);
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), -ETIMEDOUT);
    EXPECT(roost_scope_caught(&s));
    return 0;
}

LOOK(leave_with_another_result_does_not_and_what_was_known_stays_S18)
{
    roost_scope s;
    unsigned before;

    enter_passed(&s, true);
    before = reads;
    EXPECT_INT(roost_scope_leave(&s, 3), 3);
    EXPECT(!roost_scope_cancelled(&s));
    EXPECT_INT(reads, before);
    EXPECT_INT(roost_now(), fake_now);
    EXPECT(!roost_scope_cancelled(&s));
    return 0;
}

LOOK(time_left_looks_and_the_deadline_does_not_S18)
{
    roost_time at = roost_after(ROOST_SEC(5));
    roost_scope s;

    enter_passed(&s, false);
    EXPECT_INT(roost_deadline(), at);
    EXPECT(!s.cause);
    EXPECT_INT(roost_time_left(), 0);
    EXPECT(s.cause);
    EXPECT_INT(roost_deadline(), at);
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), -ETIMEDOUT);
    roost_scope_enter(&s, roost_after(ROOST_SEC(5)));
    fake_now += ROOST_SEC(2);
    EXPECT_INT(roost_time_left(), ROOST_SEC(3));
    return roost_scope_leave(&s, 0);
}

/* ---- the calls that do not ---- */


static bool agree(roost_wait *w, void *arg)
{
    (void)w, (void)arg;
    return true;
}

static int pings(roost_chan *c)
{
    int item = 1, r;

    r = roost_chan_send(c, &item);
    return r < 0 ? r : roost_chan_recv(c, &item);
}

/* Every checkpoint but the sleeps, which need the time of day. */
static void checkpoints(roost_nursery *n, roost_chan *c)
{
    roost_event e;
    roost_wait w;

    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(pings(c), 1);
    roost_event_init(&e);
    roost_event_set(&e);
    EXPECT_INT(roost_event_wait(&e), 0);
    EXPECT_INT(roost_event_join(&e), 0);
    roost_wait_init(&w);
    roost_wake(&w, 8);
    EXPECT_INT(roost_park(&w, "a test", agree, NULL), 8);
    EXPECT_INT(roost_nursery_wait_room(n), 0);
    EXPECT_INT(roost_wait_fd(-1, ROOST_READ), -EBADF);
    EXPECT_INT(roost_child_end(&(roost_child){ 0 }, "nobody"), 0);
    EXPECT_INT(roost_sleep(0), 0);
}

LOOK(other_checkpoints_do_not_read_the_clock_S18)
{
    roost_chan *c = roost_chan_new(sizeof(int), 1);
    roost_scope s;
    unsigned before;

    ROOST_NURSERY(n);
    enter_passed(&s, true);
    before = reads;
    checkpoints(n, c);
    EXPECT_INT(reads, before);
    EXPECT(!s.cause);
    EXPECT_INT(roost_scope_leave(&s, roost_cancelled()), -ETIMEDOUT);
    roost_chan_free(c);
    return roost_nursery_close(n, 0);
}

LOOK(without_a_deadline_around_nobody_reads_the_clock_S18)
{
    unsigned before = reads;
    roost_scope s, shield;

    roost_scope_enter(&s, ROOST_NEVER);
    EXPECT_INT(roost_cancelled(), 0);
    EXPECT(!roost_scope_cancelled(&s));
    roost_shield_enter(&shield, ROOST_SEC(1));
    roost_scope_set_deadline(&s, ROOST_NEVER);
    EXPECT_INT(roost_scope_leave(&shield, -ECANCELED), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), -ECANCELED);
    EXPECT_INT(reads, before);
    return 0;
}

/* ---- each turn of the scheduler ---- */

static int move_clock(void *arg)
{
    (void)arg;
    fake_now += ROOST_SEC(10);
    return 0;
}

LOOK(the_scheduler_looks_when_nothing_can_run_S18)
{
    roost_lot lot = { 0 };

    ROOST_NURSERY(n);
    ROOST_TIMEOUT(s, ROOST_SEC(5));
    roost_spawn(n, move_clock, NULL);
    EXPECT_INT(roost_lot_wait(&lot), -ECANCELED);
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), -ETIMEDOUT);
    return roost_nursery_close(n, 0);
}

static int spin(void *arg)
{
    int *turns = arg, r = 0;

    fake_now += ROOST_SEC(10);
    while (*turns < 5000 && r >= 0) {
        ++*turns;
        r = roost_checkpoint();
    }
    return r;
}

LOOK(the_scheduler_looks_while_tasks_never_stop_being_ready_S18)
{
    int turns = 0;
    roost_lot lot = { 0 };

    ROOST_NURSERY(n);
    ROOST_TIMEOUT(s, ROOST_SEC(5));
    roost_spawn(n, spin, &turns);
    EXPECT_INT(roost_lot_wait(&lot), -ECANCELED);
    EXPECT(turns < 2000);
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), -ETIMEDOUT);
    roost_nursery_cancel(n, "seen");
    return roost_nursery_close(n, 0);
}

LOOK(a_loop_over_checkpoints_alone_meets_its_deadline_S18)
{
    int turns = 0;
    roost_scope s;

    enter_passed(&s, false);
    while (turns < 5000 && roost_checkpoint() == 0)
        turns++;
    EXPECT(turns < 2000);
    return roost_scope_leave(&s, -ECANCELED) == -ETIMEDOUT ? 0 : 1;
}

/* ---- a late look ---- */

LOOK(a_late_look_fires_in_the_order_of_the_instants_S11)
{
    roost_scope outer, inner;
    int inner_first;

    for (inner_first = 0; inner_first < 2; inner_first++) {
        roost_time t = roost_now();

        roost_scope_enter(&outer, t + ROOST_SEC(inner_first ? 5 : 3));
        roost_scope_enter(&inner, t + ROOST_SEC(inner_first ? 3 : 5));
        fake_now += ROOST_SEC(10);
        EXPECT_INT(roost_cancelled(), -ECANCELED);
        EXPECT_INT(roost_deadline(), t + ROOST_SEC(3));
        EXPECT_INT(roost_scope_leave(&inner, -ECANCELED), -ECANCELED);
        EXPECT(!roost_scope_caught(&inner));
        EXPECT_INT(roost_deadline(), t + ROOST_SEC(inner_first ? 5 : 3));
        EXPECT_INT(roost_scope_leave(&outer, -ECANCELED), -ETIMEDOUT);
    }
    return 0;
}

LOOK(a_late_look_takes_nothing_off_the_time_of_a_shield_S3)
{
    roost_time t = roost_now();
    roost_scope outer, shield;

    roost_scope_enter(&outer, t + ROOST_SEC(10));
    roost_shield_enter(&shield, ROOST_SEC(5));
    EXPECT_INT(roost_deadline(), t + ROOST_SEC(15));
    fake_now += ROOST_SEC(12);
    EXPECT_INT(roost_cancelled(), 0);
    EXPECT(roost_scope_cancelled(&outer));
    EXPECT_INT(roost_deadline(), t + ROOST_SEC(15));
    fake_now += ROOST_SEC(12); /* now the budget is gone, and it shows */
    EXPECT_INT(roost_cancelled(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&shield, -ECANCELED), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&outer, -ECANCELED), -ETIMEDOUT);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enter_compares_with_the_clocks_last_value_S18),
        cmocka_unit_test(
            set_deadline_on_a_deadline_not_armed_does_not_look_S18),
        cmocka_unit_test(set_deadline_on_an_armed_deadline_looks_first_S18),
        cmocka_unit_test(cancelled_looks_S18),
        cmocka_unit_test(
            scope_cancelled_looks_also_at_the_deadlines_around_S18),
        cmocka_unit_test(cancel_looks_so_the_earlier_deadline_decides_S8),
        cmocka_unit_test(leave_with_ECANCELED_looks_S18),
        cmocka_unit_test(
            leave_with_another_result_does_not_and_what_was_known_stays_S18),
        cmocka_unit_test(time_left_looks_and_the_deadline_does_not_S18),
        cmocka_unit_test(other_checkpoints_do_not_read_the_clock_S18),
        cmocka_unit_test(without_a_deadline_around_nobody_reads_the_clock_S18),
        cmocka_unit_test(the_scheduler_looks_when_nothing_can_run_S18),
        cmocka_unit_test(
            the_scheduler_looks_while_tasks_never_stop_being_ready_S18),
        cmocka_unit_test(a_loop_over_checkpoints_alone_meets_its_deadline_S18),
        cmocka_unit_test(a_late_look_fires_in_the_order_of_the_instants_S11),
        cmocka_unit_test(a_late_look_takes_nothing_off_the_time_of_a_shield_S3),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
