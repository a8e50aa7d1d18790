/* test_stop.c - claims about the phases of a stop (X5, N15). */
#include "kit/kit.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- helpers ---- */

#define BUDGET(s, h, p) \
    &(roost_stop_budget){ .soft = ROOST_SEC(s), .hard = ROOST_SEC(h), \
                          .pierce = ROOST_SEC(p), .quiet = true }

static int idle_sleep(void *arg)
{
    int r = ROOST_IDLE(roost_sleep(ROOST_NEVER));

    if (arg)
        *(int *)arg = r;
    return r;
}

static int busy_sleep(void *arg)
{
    int r = roost_sleep(ROOST_SEC(3));

    if (arg)
        *(int *)arg = r;
    return r;
}

/* Stops the scope of its nursery after a second. */
static int stops(void *arg)
{
    int r = roost_sleep(ROOST_SEC(1));

    return r < 0 ? r : roost_stop(arg, BUDGET(10, 5, 5));
}

/* ---- soft ---- */

static int soft_ends_idle_waits_only(void *arg)
{
    int idle = 1, busy = 1, r;
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, idle_sleep, &idle), 0);
    EXPECT_INT(roost_spawn(&n, busy_sleep, &busy), 0);
    EXPECT_INT(roost_spawn(&n, stops, &n.scope), 0);
    EXPECT(!roost_stopping());
    r = ROOST_IDLE(roost_sleep(ROOST_NEVER));
    EXPECT_INT(r, -ESHUTDOWN);
    EXPECT_INT(kit_ms(), 1000);
    EXPECT(roost_stopping());
    EXPECT_INT(roost_nursery_close(&n, r), -ESHUTDOWN);
    EXPECT_INT(idle, -ESHUTDOWN);
    EXPECT_INT(busy, 0);
    EXPECT_INT(kit_ms(), 3000);
    EXPECT(!roost_stopping());
    EXPECT_INT(roost_sleep(ROOST_SEC(100)), 0); /* its timer went with it */
    return r; /* of a stop: no failure */
}

static void a_soft_stop_ends_idle_waits_and_nothing_else_X5(void **state)
{
    (void)state;
    assert_int_equal(kit_run(soft_ends_idle_waits_only, NULL), 0);
}

static int foreign(void *arg)
{
    (void)arg;
    return -ESHUTDOWN;
}

static int foreign_shutdown_fails(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, foreign, NULL), 0);
    return roost_nursery_close(&n, 0);
}

static void a_foreign_ESHUTDOWN_is_a_failure_X5(void **state)
{
    (void)state;
    assert_int_equal(kit_run(foreign_shutdown_fails, NULL), -ESHUTDOWN);
}

/* What can complete at once does; what would park does not. */
static int ready_beats_stop(void *arg)
{
    roost_chan *c = roost_chan_new(sizeof(int), 2);
    int i = 7, fd[2];
    char byte = 'x';
    roost_scope s;
    roost_fd f;

    (void)arg;
    EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    EXPECT_INT(roost_fd_open(&f, fd[0]), 0);
    EXPECT_INT(write(fd[1], &byte, 1), 1);
    EXPECT_INT(roost_chan_send(c, &i), 0);
    roost_scope_enter(&s, ROOST_NEVER);
    EXPECT_INT(roost_stop(&s, BUDGET(10, 5, 5)), 0);
    EXPECT_INT(ROOST_IDLE(roost_chan_recv(c, &i)), 1);
    EXPECT_INT(i, 7);
    EXPECT_INT(ROOST_IDLE(roost_chan_recv(c, &i)), -ESHUTDOWN);
    EXPECT_INT(ROOST_IDLE(roost_fd_read(&f, &byte, 1)), 1);
    EXPECT_INT(ROOST_IDLE(roost_fd_read(&f, &byte, 1)), -ESHUTDOWN);
    EXPECT_INT(ROOST_IDLE(roost_checkpoint()), 0);
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), 0); /* the mark went with its call */
    EXPECT_INT(roost_scope_leave(&s, 0), 0);
    EXPECT_INT(ROOST_IDLE(roost_sleep(ROOST_SEC(1))), 0);
    roost_fd_close(&f);
    close(fd[1]);
    roost_chan_free(c);
    return 0;
}

static void what_is_ready_beats_the_stop_X5(void **state)
{
    (void)state;
    assert_int_equal(kit_run(ready_beats_stop, NULL), 0);
}

/* ---- hard, pierce ---- */

static int shielded(void *arg)
{
    int r = roost_sleep(ROOST_NEVER);

    EXPECT_INT(r, -ECANCELED);
    EXPECT_INT(kit_ms(), 11000);
    EXPECT_INT(ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_NEVER)), -ECANCELED);
    EXPECT_INT(kit_ms(), 16000);
    EXPECT_INT(ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_NEVER)), -ECANCELED);
    EXPECT_INT(kit_ms(), 16000); /* later ones from the start */
    *(int *)arg = 1;
    return r;
}

static int phases_in_turn(void *arg)
{
    int done = 0;
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, shielded, &done), 0);
    EXPECT_INT(roost_spawn(&n, stops, &n.scope), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_INT(done, 1);
    EXPECT_INT(kit_ms(), 16000);
    return 0;
}

static void hard_cancels_and_pierce_takes_shields_at_their_times(void **state)
{
    (void)state;
    assert_int_equal(kit_run(phases_in_turn, NULL), 0);
}

static int slow_defer(void *arg)
{
    (void)arg;
    return roost_sleep(ROOST_SEC(3600));
}

static int defers(void *arg)
{
    EXPECT_INT(roost_defer(slow_defer, NULL), 0);
    return busy_sleep(arg);
}

static int defers_are_pierced(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, defers, NULL), 0);
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_stop(&n.scope, BUDGET(1, 2, 1)), 0);
    roost_ignore(roost_nursery_close(&n, 0));
    EXPECT_INT(kit_ms(), 3000);
    return 0;
}

static void deferred_functions_lose_their_shield(void **state)
{
    (void)state;
    assert_int_equal(kit_run(defers_are_pierced, NULL), 0);
}

static int hurried(void *arg)
{
    roost_scope s;

    (void)arg;
    roost_scope_enter(&s, ROOST_NEVER);
    EXPECT_INT(roost_stop(&s, BUDGET(100, 50, 50)), 0);
    EXPECT_INT(roost_stop(&s, BUDGET(200, 50, 50)), 0); /* no later */
    EXPECT_INT(roost_stop(&s, BUDGET(3, 50, 50)), 0);
    EXPECT_INT(roost_sleep(ROOST_SEC(200)), -ECANCELED);
    EXPECT_INT(kit_ms(), 3000);
    EXPECT_INT(ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_SEC(1))), 0);
    EXPECT_INT(roost_stop_escalate(&s), 0);
    EXPECT_INT(ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_SEC(1))), -ECANCELED);
    EXPECT_INT(kit_ms(), 4000);
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), 0);
    EXPECT_INT(roost_stop(&s, NULL), 0); /* it is over: nothing */
    return roost_sleep(ROOST_SEC(1));
}

static void a_second_call_hurries_and_never_delays(void **state)
{
    (void)state;
    assert_int_equal(kit_run(hurried, NULL), 0);
}

static int nested(void *arg)
{
    roost_scope outer, inner;

    (void)arg;
    roost_scope_enter(&outer, ROOST_NEVER);
    roost_scope_enter(&inner, ROOST_NEVER);
    EXPECT_INT(roost_stop(&inner, BUDGET(100, 1, 1)), 0);
    EXPECT_INT(roost_stop(&outer, BUDGET(2, 1, 1)), 0);
    EXPECT_INT(roost_sleep(ROOST_SEC(50)), -ECANCELED);
    EXPECT_INT(kit_ms(), 2000);
    EXPECT_INT(roost_scope_leave(&inner, -ECANCELED), -ECANCELED);
    return roost_scope_leave(&outer, -ECANCELED);
}

static void nested_scopes_take_the_smaller_budget(void **state)
{
    (void)state;
    assert_int_equal(kit_run(nested, NULL), 0);
}

/* ---- services ---- */

static int service(void *arg)
{
    int *told = arg;
    int r = ROOST_IDLE(roost_sleep(ROOST_NEVER));

    EXPECT(roost_stopping());
    *told = (int)kit_ms();
    return r;
}

static int services_are_told_last(void *arg)
{
    int told = 0, busy = 1;
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn_with(&n, service, &told,
                                &(roost_spawn_options){ .service = true }), 0);
    EXPECT_INT(roost_spawn(&n, busy_sleep, &busy), 0);
    EXPECT_INT(roost_spawn(&n, stops, NULL), 0); /* the whole run */
    EXPECT_INT(ROOST_IDLE(roost_sleep(ROOST_NEVER)), -ESHUTDOWN);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_INT(told, 3000); /* when the last ordinary child was gone */
    EXPECT_INT(kit_ms(), 3000);
    return 0;
}

static void services_get_their_soft_phase_when_they_are_alone_N15(void **state)
{
    (void)state;
    assert_int_equal(kit_run(services_are_told_last, NULL), 0);
}

static int stubborn_service(void *arg)
{
    int r = roost_sleep(ROOST_NEVER); /* not idle */

    *(int *)arg = (int)kit_ms();
    return r;
}

static int hard_reaches_services(void *arg)
{
    int ended = 0;
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn_with(&n, stubborn_service, &ended,
                                &(roost_spawn_options){ .service = true }), 0);
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_stop(&n.scope, BUDGET(5, 5, 5)), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_INT(ended, 5000);
    return 0;
}

static void services_that_stay_meet_the_hard_phase_N15(void **state)
{
    (void)state;
    assert_int_equal(kit_run(hard_reaches_services, NULL), 0);
}

/* ---- the last act, reports ---- */

static bool refuses(roost_wait *w, void *arg)
{
    (void)w, (void)arg;
    return false;
}

static int cannot_be_cancelled(void *arg)
{
    roost_wait w;

    (void)arg;
    roost_wait_init(&w);
    return roost_park(&w, "godot", refuses, NULL);
}

static int returns_busy(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, cannot_be_cancelled, NULL), 0);
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_stop(NULL, &(roost_stop_budget){
        .soft = ROOST_SEC(1), .hard = ROOST_SEC(1), .pierce = ROOST_SEC(1),
        .last = ROOST_LAST_RETURN }), 0);
    return roost_nursery_close(&n, 0);
}

static void who_stays_to_the_end_is_named_and_the_run_returns(void **state)
{
    const char *said, *at;
    int r, times = 0;

    (void)state;
    kit_stderr_begin();
    r = roost_run_with(&(roost_options){ .clock = ROOST_CLOCK_VIRTUAL },
                       returns_busy, NULL);
    said = kit_stderr_end();
    assert_int_equal(r, -EBUSY);
    for (at = said; (at = strstr(at, "phase of the stop begun at ")); at++)
        times++;
    assert_int_equal(times, 3);
    assert_non_null(strstr(said, "the pierce phase"));
    assert_non_null(strstr(said, "godot"));
}

/* ---- who starts late ---- */

static int never_starts(void *arg)
{
    (void)arg;
    return ROOST_IDLE(roost_sleep(ROOST_NEVER));
}

static int stopped_while_starting(void *arg)
{
    roost_nursery n;
    int r;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, stops, NULL), 0);
    r = roost_start(&n, never_starts, NULL);
    EXPECT_INT(r, -ESHUTDOWN);
    return roost_nursery_close(&n, r);
}

static void a_stop_during_a_start_is_no_failure(void **state)
{
    (void)state;
    assert_int_equal(kit_run(stopped_while_starting, NULL), 0);
}

static int spawned_later(void *arg)
{
    int r = 1;
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_stop(&n.scope, BUDGET(5, 5, 5)), 0);
    EXPECT_INT(roost_spawn(&n, idle_sleep, &r), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_INT(r, -ESHUTDOWN);
    EXPECT_INT(kit_ms(), 0);
    return 0;
}

static void who_comes_later_is_stopping_from_the_start(void **state)
{
    (void)state;
    assert_int_equal(kit_run(spawned_later, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_soft_stop_ends_idle_waits_and_nothing_else_X5),
        cmocka_unit_test(a_foreign_ESHUTDOWN_is_a_failure_X5),
        cmocka_unit_test(what_is_ready_beats_the_stop_X5),
        cmocka_unit_test(hard_cancels_and_pierce_takes_shields_at_their_times),
        cmocka_unit_test(deferred_functions_lose_their_shield),
        cmocka_unit_test(a_second_call_hurries_and_never_delays),
        cmocka_unit_test(nested_scopes_take_the_smaller_budget),
        cmocka_unit_test(services_get_their_soft_phase_when_they_are_alone_N15),
        cmocka_unit_test(services_that_stay_meet_the_hard_phase_N15),
        cmocka_unit_test(who_stays_to_the_end_is_named_and_the_run_returns),
        cmocka_unit_test(a_stop_during_a_start_is_no_failure),
        cmocka_unit_test(who_comes_later_is_stopping_from_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
