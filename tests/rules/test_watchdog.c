/* test_watchdog.c - claims about who is blamed when the loop does not turn.
 *
 * Real time is the subject: what is too long is tens of milliseconds here.
 */
#include "rules/daemons.h"

#include "test/valgrind.h"

#include <pthread.h>
#include <sys/time.h>
#include <time.h>

static roost_daemon_options blocked_after(int ms)
{
    return (roost_daemon_options){ .blocked = ROOST_MS(ms) };
}

static roost_time real_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return ROOST_SEC((roost_time)t.tv_sec) + t.tv_nsec;
}

static atomic_int numbers;

__attribute__((noinline)) static void computes_for(int ms)
{
    roost_time end = real_now() + ROOST_MS(ms);

    while (real_now() < end)
        atomic_fetch_add(&numbers, 1);
    atomic_fetch_add(&numbers, 1); /* no tail call */
}

/* In one process; what it said. */
static const char *said_by(roost_task_fn *fn, void *arg,
                           const roost_daemon_options *o)
{
    const char *said;
    int status;

    kit_stderr_begin();
    status = roost_daemon_run(fn, arg, o);
    said = kit_stderr_end();
    if (status != 0)
        fail_msg("it returned %d, and said: %s", status, said);
    return said;
}

static void want(const char *said, const char *word)
{
    if (!strstr(said, word))
        fail_msg("\"%s\" is not in: %s", word, said);
}

static int times(const char *said, const char *word)
{
    int n = 0;

    for (; (said = strstr(said, word)); said += strlen(word))
        n++;
    return n;
}

/* ---- bodies ---- */

static int child_computes(void *arg)
{
    computes_for(*(int *)arg);
    return 0;
}

static int spawns_who_computes(void *arg)
{
    roost_spawn_options o = { .name = "miner" };
    ROOST_NURSERY(n);
    int r = roost_spawn_with(n, child_computes, arg, &o);

    return roost_nursery_close(n, r);
}

static int sleeps_in_the_kernel(void *arg)
{
    poll(NULL, 0, *(int *)arg);
    return roost_sleep(ROOST_MS(1));
}

static int waits(void *arg)
{
    return roost_sleep(ROOST_MS(*(int *)arg));
}

/* Busy, but always going through the loop. */
static int yields(void *arg)
{
    roost_time end = roost_now() + ROOST_MS(*(int *)arg);
    int r = 0;

    while (r == 0 && roost_now() < end)
        r = roost_checkpoint();
    return r;
}

/* Each turn is short; all together they are not. */
static int computes_in_pieces(void *arg)
{
    int i, r = 0;

    (void)arg;
    for (i = 0; i < 60 && r == 0; i++) {
        computes_for(5);
        r = roost_sleep(1);
    }
    return r;
}

static int blocks_twice(void *arg)
{
    int r;

    (void)arg;
    computes_for(250);
    r = roost_sleep(ROOST_MS(50));
    computes_for(250);
    return r < 0 ? r : roost_sleep(ROOST_MS(50));
}

/* ---- who is blamed ---- */

static void the_task_that_keeps_the_loop_is_named_once_with_its_place(void **state)
{
    roost_daemon_options o = blocked_after(40);
    int ms = 200;
    const char *said;

    (void)state;
    said = said_by(spawns_who_computes, &ms, &o);
    assert_int_equal(times(said, "has not turned"), 1);
    if (UNDER_TSAN) /* which keeps the question back until it is over */
        return;
    want(said, "task main/program#");
    want(said, "/miner#");
    want(said, "spawned at tests/rules/test_watchdog.c:");
#ifdef __GLIBC__
    want(said, "    computes_for+");
    want(said, "    child_computes+");
#endif
    assert_null(strstr(said, "task_life"));
    assert_null(strstr(said, "spawns_who"));
}

static volatile sig_atomic_t enough;

static void is_enough(int sig)
{
    (void)sig;
    enough = 1;
}

/* Calls nothing. */
static int spins(void *arg)
{
    struct itimerval once = { .it_value.tv_usec = 200000 };

    (void)arg;
    enough = 0;
    signal(SIGALRM, is_enough);
    setitimer(ITIMER_REAL, &once, NULL);
    while (!enough)
        ;
    signal(SIGALRM, SIG_DFL);
    return 0;
}

static void the_first_place_is_where_it_is(void **state)
{
    roost_daemon_options o = blocked_after(40);
    const char *said;

    (void)state;
    if (UNDER_TSAN)
        return;
    said = said_by(spins, NULL, &o);
#ifdef __GLIBC__
    want(said, "roost:     spins+");
    assert_in_range(times(said, "roost:     "), 1, 2); /* ASan's and its own */
#endif
    want(said, "turns again");
}

static void so_is_one_that_sleeps_in_the_kernel(void **state)
{
    roost_daemon_options o = blocked_after(40);
    int ms = 200;
    const char *said;

    (void)state;
    said = said_by(sleeps_in_the_kernel, &ms, &o);
    assert_int_equal(times(said, "has not turned"), 1);
    if (!UNDER_TSAN)
        want(said, "task main/program#");
}

static void that_it_goes_on_is_said_with_how_long_it_took(void **state)
{
    roost_daemon_options o = blocked_after(40);
    const char *said, *at;
    double took;
    int i;

    (void)state;
    at = said = said_by(blocks_twice, NULL, &o);
    assert_int_equal(times(said, "has not turned"), 2);
    assert_int_equal(times(said, "turns again after"), 2);
    for (i = 0; i < 2; i++) {
        at = strstr(at, "turns again after ") + 18;
        took = atof(at);
        if (took < 0.05 || took > 5)
            fail_msg("it took %f s, and said: %s", took, said);
    }
}

static atomic_int posted;

static void posts_late(void *arg)
{
    (void)arg;
    computes_for(200);
    atomic_store(&posted, 1);
}

static int is_posted_to(void *arg)
{
    roost_scope s;
    roost_portal *p;
    int r;

    (void)arg;
    roost_scope_enter(&s, ROOST_NEVER);
    p = roost_portal_open(&s);
    r = p ? roost_portal_post(p, posts_late, NULL) : -ENOMEM;
    while (r >= 0 && !atomic_load(&posted))
        r = roost_sleep(ROOST_MS(1));
    r = roost_scope_leave(&s, r);
    roost_portal_free(p);
    return r;
}

static void a_callback_outside_any_task_is_blamed_too(void **state)
{
    roost_daemon_options o = blocked_after(40);
    const char *said;

    (void)state;
    said = said_by(is_posted_to, NULL, &o);
    assert_int_equal(times(said, "has not turned"), 1);
    if (UNDER_TSAN)
        return;
    want(said, "a callback of the loop");
#ifdef __GLIBC__
    want(said, "    posts_late+");
#endif
}

/* ---- who is not ---- */

static void silent(roost_task_fn *fn, int ms, const roost_daemon_options *o)
{
    const char *said = said_by(fn, &ms, o);

    if (*said)
        fail_msg("it said: %s", said);
}

static void a_loop_that_waits_or_turns_is_not_accused(void **state)
{
    roost_daemon_options o = blocked_after(150);

    (void)state;
    silent(waits, 320, &o);
    silent(yields, 320, &o);
    silent(computes_in_pieces, 0, &o);
}

static void a_process_that_was_stopped_is_not_accused(void **state)
{
    roost_daemon_options o = blocked_after(150);
    struct child c;
    int ms = 500;

    (void)state;
    child_begin(&c, yields, &ms, &o);
    poll(NULL, 0, 100);
    child_gets(&c, SIGSTOP);
    poll(NULL, 0, 200);
    child_gets(&c, SIGCONT);
    child_ends(&c, 0);
    assert_string_equal(c.text, "");
}

static void less_than_too_long_is_not_said(void **state)
{
    roost_daemon_options o = blocked_after(2000);

    (void)state;
    silent(child_computes, 40, &o);
    silent(child_computes, 40, NULL); /* 1 s */
}

static void without_a_bound_or_a_real_clock_nobody_watches(void **state)
{
    roost_daemon_options o = { .blocked = ROOST_NEVER };

    (void)state;
    silent(child_computes, 90, &o);
    o = blocked_after(20);
    o.run.clock = ROOST_CLOCK_VIRTUAL;
    silent(child_computes, 90, &o);
}

/* ---- the end ---- */

static int never_comes_back(void *arg)
{
    (void)arg;
    mark("begun\n");
    for (;;)
        computes_for(1000);
    return 0;
}

static void a_process_that_must_stop_ends_though_its_loop_does_not_turn(
    void **state)
{
    static const struct {
        enum roost_last_act last;
        int wanted;
    } cases[] = { { ROOST_LAST_EXIT, 128 + SIGTERM },
                  { ROOST_LAST_RETURN, 128 + SIGTERM },
                  { ROOST_LAST_ABORT, -SIGABRT } };
    roost_daemon_options o = blocked_after(40);
    struct child c;
    size_t i;

    (void)state;
    if (UNDER_TSAN) /* the handler would not run */
        return;
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        o.stop = (roost_stop_budget){ .soft = ROOST_MS(50), .hard = ROOST_MS(50),
                                      .last = cases[i].last };
        child_begin(&c, never_comes_back, NULL, &o);
        child_says(&c, "begun");
        child_gets(&c, SIGTERM);
        child_says(&c, "has not turned");
        child_says(&c, "the loop does not turn: the process ends");
        child_ends(&c, cases[i].wanted);
    }
}

static int stops_and_never_comes_back(void *arg)
{
    int r = roost_stop(NULL, &(roost_stop_budget){
        .soft = ROOST_MS(50), .last = ROOST_LAST_EXIT, .exit_status = 33 });

    return r < 0 ? r : never_comes_back(arg);
}

static void so_does_one_that_stopped_itself(void **state)
{
    roost_daemon_options o = blocked_after(40);
    struct child c;

    (void)state;
    o.stop.soft = ROOST_MS(10); /* and waiting; the program's own wish counts */
    child_begin(&c, stops_and_never_comes_back, NULL, &o);
    child_ends(&c, 33);
}

static int blocks_and_comes_back(void *arg)
{
    (void)arg;
    mark("begun\n");
    computes_for(250);
    mark("back\n");
    return ROOST_IDLE(roost_sleep_until(ROOST_NEVER));
}

/* The time to stop counts from when it could begin; also if it has no end, and if
 * nothing is to be done after it. */
static void a_loop_that_turns_again_stops_as_ever(void **state)
{
    static const roost_stop_budget budgets[] = {
        { .soft = ROOST_SEC(100), .last = ROOST_LAST_EXIT },
        { .soft = ROOST_NEVER, .last = ROOST_LAST_EXIT },
        { .soft = ROOST_MS(50), .last = ROOST_LAST_WAIT } };
    roost_daemon_options o = blocked_after(40);
    struct child c;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        o.stop = budgets[i];
        child_begin(&c, blocks_and_comes_back, NULL, &o);
        child_says(&c, "begun");
        child_gets(&c, SIGTERM);
        child_says(&c, "has not turned");
        child_says(&c, "back");
        child_ends(&c, 0);
    }
}

/* ---- SIGURG ---- */

static volatile sig_atomic_t urgent;

static void counts(int sig)
{
    (void)sig;
    urgent = urgent + 1;
}

static int is_urged(void *arg)
{
    (void)arg;
    raise(SIGURG);
    return roost_sleep(ROOST_MS(1));
}

static void a_SIGURG_of_others_still_reaches_its_handler(void **state)
{
    struct sigaction now;

    (void)state;
    signal(SIGURG, counts);
    urgent = 0;
    silent(is_urged, 0, NULL);
    assert_int_equal(urgent, 1);
    assert_int_equal(sigaction(SIGURG, NULL, &now), 0);
    assert_true(now.sa_handler == counts);
    signal(SIGURG, SIG_DFL);
}

static int blocks_a_signal(void *arg)
{
    sigset_t set;
    int r;

    (void)arg;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    EXPECT_INT(kill(getpid(), SIGUSR2), 0);
    r = roost_sleep(ROOST_MS(30));
    EXPECT_INT(urgent, 0);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    EXPECT_INT(urgent, 1);
    return r;
}

static void signals_of_the_process_are_not_for_its_thread(void **state)
{
    (void)state;
    if (UNDER_TSAN) /* which keeps signals back */
        return;
#ifdef ROOST_UCONTEXT /* where each context has its own mask */
    return;
#endif
    signal(SIGUSR2, counts);
    urgent = 0;
    kit_begin();
    assert_int_equal(roost_daemon_run(blocks_a_signal, NULL, NULL), 0);
    kit_end();
    signal(SIGUSR2, SIG_DFL);
}

/* One thread at a time: who computes keeps all. */
static void is_starved_under_valgrind(void **state)
{
    (void)state;
    skip();
}

int main(void)
{
    const struct CMUnitTest starved[] = {
        cmocka_unit_test(is_starved_under_valgrind),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            the_task_that_keeps_the_loop_is_named_once_with_its_place),
        cmocka_unit_test(the_first_place_is_where_it_is),
        cmocka_unit_test(so_is_one_that_sleeps_in_the_kernel),
        cmocka_unit_test(that_it_goes_on_is_said_with_how_long_it_took),
        cmocka_unit_test(a_callback_outside_any_task_is_blamed_too),
        cmocka_unit_test(a_loop_that_waits_or_turns_is_not_accused),
        cmocka_unit_test(a_process_that_was_stopped_is_not_accused),
        cmocka_unit_test(less_than_too_long_is_not_said),
        cmocka_unit_test(without_a_bound_or_a_real_clock_nobody_watches),
        cmocka_unit_test(
            a_process_that_must_stop_ends_though_its_loop_does_not_turn),
        cmocka_unit_test(so_does_one_that_stopped_itself),
        cmocka_unit_test(a_loop_that_turns_again_stops_as_ever),
        cmocka_unit_test(a_SIGURG_of_others_still_reaches_its_handler),
        cmocka_unit_test(signals_of_the_process_are_not_for_its_thread),
    };

    if (RUNNING_ON_VALGRIND)
        return cmocka_run_group_tests(starved, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
