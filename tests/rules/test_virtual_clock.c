/* test_virtual_clock.c - virtual time jumps only when nothing can happen (D2);
 *                        who is named when it stands still (D3).
 *
 * That descriptors and ROOST_HOLD_IO hold virtual time or not is in
 * test_wait_fd.c; deadlock (D4) in test_deadlock.c; seeds (D5) in test_order.c.
 */
#include "rules/in_task.h"

#include <ev.h>
#include <time.h>
#include <unistd.h>

#include "core/rt.h"

static roost_time monotonic(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return ROOST_SEC((roost_time)t.tv_sec) + t.tv_nsec;
}

/* ---- D2 ---- */

static int wakes_at(void *arg)
{
    roost_time at = roost_now() + *(roost_time *)arg;
    int r = roost_sleep(*(roost_time *)arg);

    EXPECT_INT(roost_now(), at);
    kit_log("woke");
    return r;
}

IN_TASK(sleeps_of_a_second_to_a_year_end_exactly_and_cost_nothing_D2)
{
    const roost_time day = ROOST_SEC(86400);
    const roost_time wishes[] = { 365 * day, ROOST_SEC(1), 30 * day, 7, day,
                                  ROOST_SEC(60), 30 * 365 * day, ROOST_MS(1) };
    roost_time real = monotonic();
    size_t i;

    ROOST_NURSERY(n);
    for (i = 0; i < 8; i++)
        roost_spawn_copy(n, wakes_at, &wishes[i], sizeof wishes[i]);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(roost_now(), ROOST__INSTANT_BASE + 30 * 365 * day);
    EXPECT_LOG("woke woke woke woke woke woke woke woke");
    EXPECT(monotonic() - real < ROOST_SEC(1));
    return 0;
}

struct sleeper {
    int ms;
    const char *name;
};

static int says_name(void *arg)
{
    struct sleeper *s = arg;
    int r = roost_sleep(ROOST_MS(s->ms));

    kit_log(s->name);
    return r;
}

IN_TASK(tasks_wake_by_instant_and_equal_ones_in_order_of_setting_D2)
{
    struct sleeper all[] = { { 9, "e" }, { 3, "b" }, { 5, "c" }, { 1, "a" },
                             { 5, "d" }, { 9, "f" } };
    size_t i;

    ROOST_NURSERY(n);
    for (i = 0; i < 6; i++)
        roost_spawn(n, says_name, &all[i]);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("a b c d e f");
    return 0;
}

static int cuts_the_other(void *arg)
{
    int r = roost_sleep(ROOST_MS(5));

    roost_scope_cancel((roost_scope *)arg, "too late: it is done");
    return r;
}

IN_TASK(all_timers_of_an_instant_fire_before_any_task_runs_D2)
{
    roost_scope s;

    ROOST_NURSERY(n);
    roost_spawn(n, cuts_the_other, &s);
    EXPECT_INT(roost_checkpoint(), 0); /* its sleep is set first */
    roost_scope_enter(&s, ROOST_NEVER);
    EXPECT_INT(roost_sleep(ROOST_MS(5)), 0);
    EXPECT(roost_scope_cancelled(&s));
    EXPECT_INT(roost_scope_leave(&s, 0), 0);
    return roost_nursery_close(n, 0);
}

static int busy_for(void *arg)
{
    int i, r = 0;

    for (i = 0; i < *(int *)arg && r >= 0; i++)
        r = roost_checkpoint();
    EXPECT_INT(kit_ms(), 0);
    return r;
}

IN_TASK(time_stands_still_while_any_task_can_run_D2)
{
    int many = 3000, ms = 1;

    ROOST_NURSERY(n);
    roost_spawn(n, kit_sleep_ms, &ms);
    roost_spawn(n, busy_for, &many);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 1);
    return 0;
}

static void set_event(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop, (void)events;
    roost_event_set(w->data);
}

/* What the user's own loop has pending happens before time moves. */
static int waits_for_host(void *arg)
{
    struct ev_loop *loop = arg;
    roost_event e;
    ev_timer host;

    roost_event_init(&e);
    ev_init(&host, set_event);
    host.data = &e;
    ev_feed_event(loop, &host, EV_CUSTOM);
    EXPECT_INT(ROOST_WITHIN(ROOST_SEC(9), roost_event_wait(&e)), 0);
    EXPECT_INT(kit_ms(), 0);
    return 0;
}

static void a_loop_of_the_users_is_empty_before_time_moves_D2(void **state)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL, .loop = loop };

    (void)state;
    assert_non_null(loop);
    assert_int_equal(kit_run_with(&o, waits_for_host, loop), 0);
    ev_loop_destroy(loop);
}

/* ---- D3: five real seconds of standstill are spoken about ---- */

static roost_time fake_now, fake_step;
static int fd_to_fill = -1; /* gets a byte when the clock is read next */

static roost_time filling_clock(void)
{
    if (fd_to_fill >= 0)
        roost_ignore((int)write(fd_to_fill, "x", 1));
    fd_to_fill = -1;
    return fake_now += fake_step;
}

/* Returns what was said while fn ran with a clock that runs `step` a read. */
static const char *said_by(roost_task_fn *fn, void *arg, roost_time step,
                           enum roost_hold hold)
{
    struct roost_sys sys = roost__sys_default;
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL, .sys = &sys,
                        .hold_clock = hold };
    const char *said;
    int r;

    sys.clock = filling_clock;
    fake_now = ROOST__INSTANT_BASE;
    fake_step = step;
    kit_stderr_begin();
    r = kit_run_with(&o, fn, arg);
    said = kit_stderr_end();
    assert_int_equal(r, 0);
    return said;
}

static int never_stops(void *arg)
{
    int i, r = 0;

    for (i = 0; i < *(int *)arg && r >= 0; i++)
        r = roost_checkpoint();
    return r;
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;

    for (; (text = strstr(text, part)); text += strlen(part))
        n++;
    return n;
}

static void a_task_that_never_stops_being_ready_is_named_once_D3(void **state)
{
    int many = 5000;
    const char *said = said_by(never_stops, &many, ROOST_SEC(1),
                               ROOST_HOLD_WORK);

    (void)state;
    assert_int_equal(count(said, "virtual time has stood still for 5 seconds"),
                     1);
    assert_non_null(strstr(said, "never stops being ready"));
    assert_non_null(strstr(said, "main "));
    said = said_by(never_stops, &many, 1, ROOST_HOLD_WORK);
    assert_string_equal(said, "");
}

/* Works for a turn or two between its sleeps, so that the loop looks. */
static int sleeps_much(void *arg)
{
    int i, turn = 50, r = 0;

    for (i = 0; i < *(int *)arg && r >= 0; i++) {
        r = roost_sleep(ROOST_SEC(1000));
        r = r < 0 ? r : never_stops(&turn);
    }
    return r;
}

static void time_that_moves_is_not_spoken_about_D3(void **state)
{
    int many = 200;

    (void)state;
    assert_string_equal(said_by(sleeps_much, &many, ROOST_MS(500),
                                ROOST_HOLD_WORK), "");
}

static int waits_for_byte(void *arg)
{
    const int *fd = arg;

    fd_to_fill = fd[1];
    EXPECT_INT(roost_wait_fd(fd[0], ROOST_READ), ROOST_READ);
    return 0;
}

static void whoever_holds_the_clock_for_long_is_named_D3(void **state)
{
    const char *words[] = { "only the outside (descriptors, signals, portals) can wake its tasks",
                            "something outside the run holds it" };
    const char *said;
    int fd[2], i;

    (void)state;
    for (i = 0; i < 2; i++) {
        assert_int_equal(pipe(fd), 0);
        said = said_by(waits_for_byte, fd, ROOST_SEC(10),
                       i ? ROOST_HOLD_IO : ROOST_HOLD_WORK);
        if (!strstr(said, words[i]) || !strstr(said, "a descriptor"))
            fail_msg("not \"%s\", but: %s", words[i], said);
        close(fd[0]);
        close(fd[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            sleeps_of_a_second_to_a_year_end_exactly_and_cost_nothing_D2),
        cmocka_unit_test(
            tasks_wake_by_instant_and_equal_ones_in_order_of_setting_D2),
        cmocka_unit_test(all_timers_of_an_instant_fire_before_any_task_runs_D2),
        cmocka_unit_test(time_stands_still_while_any_task_can_run_D2),
        cmocka_unit_test(a_loop_of_the_users_is_empty_before_time_moves_D2),
        cmocka_unit_test(a_task_that_never_stops_being_ready_is_named_once_D3),
        cmocka_unit_test(time_that_moves_is_not_spoken_about_D3),
        cmocka_unit_test(whoever_holds_the_clock_for_long_is_named_D3),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Rows of the peers' suites that do not fit:
 *
 * R13, R14, M01, M02c, M04, M07  there is no clock object to jump by hand, to
 *      give a rate or a threshold: the virtual clock is an option of the run.
 * M02b, M05  there is no wait for idleness to compete with the jump.
 */
