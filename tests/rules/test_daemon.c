/* test_daemon.c - claims about programs that run until they are told to stop:
 *                 what each signal does, and what main() returns.
 */
#include "rules/daemons.h"

#include <sysexits.h>

#define LONG ROOST_SEC(1000)

static const roost_daemon_options patient = {
    .stop = { .soft = LONG, .hard = LONG, .pierce = LONG,
              .last = ROOST_LAST_EXIT, .quiet = true } };

/* ---- bodies ---- */

static int idles(void *arg)
{
    int r;

    (void)arg;
    mark("begun\n");
    r = ROOST_IDLE(roost_sleep_until(ROOST_NEVER));
    mark(r == -ESHUTDOWN ? "told\n" : "cut\n");
    return r;
}

/* Ends the wait of a task that nothing else can end: says what it sees. */
static int cannot_be_undone(void)
{
    roost_wait w;

    roost_wait_init(&w);
    return roost_park(&w, "the end of the world", NULL, NULL);
}

/* Goes on through each phase. */
static int resists(void *arg)
{
    (void)arg;
    mark("begun\n");
    while (!roost_stopping())
        roost_ignore(roost_sleep(ROOST_MS(1)));
    mark("soft\n");
    if (roost_sleep_until(ROOST_NEVER) != -ECANCELED)
        return -EPROTO;
    mark("hard\n");
    roost_ignore(ROOST_SHIELDED(ROOST_NEVER, roost_sleep_until(ROOST_NEVER)));
    mark("pierced\n");
    return cannot_be_undone();
}

static int is_cut(void *arg)
{
    (void)arg;
    mark("begun\n");
    while (!roost_stopping())
        if (roost_sleep(ROOST_MS(1)) < 0)
            return -EPROTO;
    mark("soft\n");
    return roost_sleep_until(ROOST_NEVER);
}

/* ---- signals that end ---- */

static void ends_softly(int sig)
{
    struct child c;

    child_begin(&c, idles, NULL, &patient);
    child_says(&c, "begun");
    child_gets(&c, sig);
    child_says(&c, "told");
    child_ends(&c, 0);
}

static void the_first_TERM_ends_idle_waits_and_gives_0(void **state)
{
    (void)state;
    ends_softly(SIGTERM);
}

static void so_does_INT(void **state)
{
    (void)state;
    ends_softly(SIGINT);
}

static void the_second_cancels_and_gives_128_and_its_number(void **state)
{
    static const int sigs[] = { SIGTERM, SIGINT };
    struct child c;
    int i;

    (void)state;
    for (i = 0; i < 2; i++) {
        child_begin(&c, is_cut, NULL, &patient);
        child_says(&c, "begun");
        child_gets(&c, SIGTERM);
        child_says(&c, "soft");
        child_gets(&c, sigs[i]);
        child_ends(&c, 128 + sigs[i]);
    }
}

static void the_third_takes_shields_away_and_the_fourth_ends(void **state)
{
    struct child c;

    (void)state;
    child_begin(&c, resists, NULL, &patient);
    child_says(&c, "begun");
    child_gets(&c, SIGTERM);
    child_says(&c, "soft");
    child_gets(&c, SIGINT);
    child_says(&c, "hard");
    child_gets(&c, SIGTERM);
    child_says(&c, "pierced");
    child_gets(&c, SIGINT);
    child_says(&c, "for the fourth time");
    child_ends(&c, 128 + SIGINT);
}

static void what_time_has_done_the_second_does_not_do_again(void **state)
{
    roost_daemon_options o = patient;
    struct child c;

    (void)state;
    o.stop.soft = ROOST_MS(30);
    child_begin(&c, resists, NULL, &o);
    child_says(&c, "begun");
    child_gets(&c, SIGTERM);
    child_says(&c, "hard");
    child_gets(&c, SIGTERM);
    child_gets(&c, SIGUSR1);
    child_says(&c, "nursery"); /* of the tree */
    assert_null(strstr(c.text, "pierced"));
    child_gets(&c, SIGTERM);
    child_says(&c, "pierced");
    child_gets(&c, SIGTERM);
    child_ends(&c, 128 + SIGTERM);
}

/* Keeps the loop, and says each signal. */
static int blocks(void *arg)
{
    roost_signals s;
    int r = roost_signals_open(&s, (int[]){ SIGTERM, SIGINT, 0 });

    (void)arg;
    mark("begun\n");
    while (r >= 0 || r == -EAGAIN) {
        r = roost_signals_nowait(&s);
        if (r > 0)
            mark("signal\n");
    }
    return r;
}

static void the_fourth_ends_a_process_whose_loop_does_not_turn(void **state)
{
    roost_daemon_options o = patient;
    struct child c;
    int i;

    (void)state;
    o.blocked = ROOST_NEVER;
    child_begin(&c, blocks, NULL, &o);
    child_says(&c, "begun");
    for (i = 0; i < 3; i++) {
        child_gets(&c, SIGTERM);
        child_says(&c, "signal");
    }
    child_gets(&c, SIGINT);
    child_ends(&c, 128 + SIGINT);
}

static roost_daemon_options quick(enum roost_last_act last)
{
    return (roost_daemon_options){
        .stop = { .soft = ROOST_MS(30), .hard = ROOST_MS(30),
                  .pierce = ROOST_MS(30), .last = last } };
}

static void time_goes_through_the_phases_and_ends_the_process(void **state)
{
    static const struct {
        enum roost_last_act last;
        int status, wanted;
    } cases[] = { { ROOST_LAST_EXIT, 0, 128 + SIGTERM },
                  { ROOST_LAST_EXIT, 42, 42 },
                  { ROOST_LAST_RETURN, 0, 128 + SIGTERM },
                  { ROOST_LAST_ABORT, 0, -SIGABRT } };
    roost_daemon_options o;
    struct child c;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        o = quick(cases[i].last);
        o.stop.exit_status = cases[i].status;
        child_begin(&c, resists, NULL, &o);
        child_says(&c, "begun");
        child_gets(&c, SIGTERM);
        child_says(&c, "soft");
        child_says(&c, "hard");
        child_says(&c, "pierced");
        child_says(&c, "the end of the world"); /* who has not ended */
        child_ends(&c, cases[i].wanted);
    }
}

static void no_time_at_all_is_a_budget_too(void **state)
{
    roost_daemon_options o = {
        .stop = { .last = ROOST_LAST_EXIT, .exit_status = 9 } };
    struct child c;

    (void)state;
    child_begin(&c, idles, NULL, &o);
    child_says(&c, "begun");
    child_gets(&c, SIGTERM);
    child_ends(&c, 9);
}

static void the_last_act_may_be_to_wait(void **state)
{
    roost_daemon_options o = quick(ROOST_LAST_WAIT);
    struct child c;

    (void)state;
    child_begin(&c, resists, NULL, &o);
    child_says(&c, "begun");
    child_gets(&c, SIGTERM);
    child_says(&c, "pierced");
    child_says(&c, "the end of the world");
    child_gets(&c, SIGTERM); /* what the next ones are for is done already */
    child_gets(&c, SIGUSR1);
    child_says(&c, "nursery"); /* of the tree */
    child_gets(&c, SIGTERM);
    child_gets(&c, SIGUSR1);
    child_says(&c, "nursery");
    child_gets(&c, SIGTERM);
    child_ends(&c, 128 + SIGTERM);
}

/* Work under way, not marked idle, is done in the soft phase. */
static int finishes(void *arg)
{
    (void)arg;
    mark("begun\n");
    while (!roost_stopping())
        if (roost_sleep(ROOST_MS(1)) < 0)
            return -EPROTO;
    return roost_sleep(ROOST_MS(20));
}

static void what_ends_in_the_soft_phase_gives_0(void **state)
{
    struct child c;

    (void)state;
    child_begin(&c, finishes, NULL, NULL);
    child_says(&c, "begun");
    child_gets(&c, SIGTERM);
    child_ends(&c, 0);
}

static int fails_when_told(void *arg)
{
    int r = idles(arg);

    return r == -ESHUTDOWN ? roost_fail(-ENOENT, "looking for the exit") : r;
}

static void a_failure_while_stopping_is_a_failure(void **state)
{
    struct child c;

    (void)state;
    child_begin(&c, fails_when_told, NULL, &patient);
    child_says(&c, "begun");
    child_gets(&c, SIGTERM);
    child_says(&c, "looking for the exit");
    child_ends(&c, EX_NOINPUT);
}

/* ---- stops of the program's own ---- */

static int stops_itself(void *arg)
{
    const roost_stop_budget *b = arg;
    int r = roost_stop(NULL, b);

    if (r >= 0)
        r = roost_stop(NULL, b); /* which hurries nothing */
    return r < 0 ? r : ROOST_IDLE(roost_sleep_until(ROOST_NEVER));
}

static void a_stop_of_its_own_gives_0(void **state)
{
    roost_stop_budget soft = { .soft = LONG }, hard = { .hard = LONG };

    (void)state;
    assert_int_equal(roost_daemon_run(stops_itself, &soft, NULL), 0);
    assert_int_equal(roost_daemon_run(stops_itself, &hard, NULL), 0);
    assert_int_equal(roost_daemon_run(stops_itself, NULL, NULL), 0);
}

static int stops_itself_and_resists(void *arg)
{
    int r = roost_stop(NULL, NULL); /* whose last act is to wait */

    return r < 0 ? r : resists(arg);
}

static void the_stronger_of_two_last_acts_holds(void **state)
{
    roost_daemon_options o = quick(ROOST_LAST_EXIT);
    struct child c;

    (void)state;
    o.stop.exit_status = 43;
    o.stop.quiet = true;
    child_begin(&c, stops_itself_and_resists, NULL, &o);
    child_says(&c, "begun");
    child_gets(&c, SIGTERM);
    child_says(&c, "pierced");
    child_ends(&c, 43);
}

/* ---- results ---- */

struct failure { int code, status; };

static int fails(void *arg)
{
    const struct failure *f = arg;

    return roost_fail(f->code, "on purpose");
}

static void an_error_is_printed_and_gives_the_nearest_of_sysexits(void **state)
{
    static struct failure cases[] = {
        { -ENOENT, EX_NOINPUT }, { -EACCES, EX_NOPERM }, { -EPERM, EX_NOPERM },
        { -EMFILE, EX_OSERR }, { -EIO, EX_OSERR }, { -ENOMEM, EX_OSERR },
        { -ETIMEDOUT, EX_TEMPFAIL }, { -ECONNREFUSED, EX_TEMPFAIL },
        { -EADDRINUSE, EX_UNAVAILABLE }, { -EINVAL, EX_SOFTWARE },
        { -EPROTO, EX_SOFTWARE }, { -ESHUTDOWN, EX_SOFTWARE } };
    const char *said;
    size_t i;
    int status;

    (void)state;
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        kit_stderr_begin();
        status = roost_daemon_run(fails, &cases[i], NULL);
        said = kit_stderr_end();
        assert_int_equal(status, cases[i].status);
        if (!strstr(said, "on purpose") || !strstr(said, "main/program#"))
            fail_msg("it said: %s", said);
    }
}

static void a_result_that_is_no_error_gives_0(void **state)
{
    int results[] = { 0, 1, 77 }, i;

    (void)state;
    for (i = 0; i < 3; i++) {
        kit_stderr_begin();
        assert_int_equal(roost_daemon_run(kit_return, &results[i], NULL), 0);
        assert_string_equal(kit_stderr_end(), "");
    }
}

static int cleans_up_badly(void *arg)
{
    (void)arg;
    return roost_fail(-EIO, "flushing the log");
}

static int defers(void *arg)
{
    return roost_defer(cleans_up_badly, arg);
}

static void a_deferred_failure_is_printed_too(void **state)
{
    const char *said;
    int status;

    (void)state;
    kit_stderr_begin();
    status = roost_daemon_run(defers, NULL, NULL);
    said = kit_stderr_end();
    assert_int_equal(status, EX_OSERR);
    assert_non_null(strstr(said, "flushing the log"));
}

static void a_run_that_cannot_begin_says_so(void **state)
{
    roost_daemon_options o = { .run = { .clock = 7 } };
    const char *said;
    int status;

    (void)state;
    kit_stderr_begin();
    status = roost_daemon_run(kit_return, NULL, &o);
    said = kit_stderr_end();
    assert_int_equal(status, EX_SOFTWARE);
    assert_non_null(strstr(said, "could not begin"));
}

/* ---- signals that do not end ---- */

static int reloads(void *arg)
{
    int r;

    (void)arg;
    mark("begun\n");
    while ((r = ROOST_IDLE(roost_reload_wait())) == 1)
        mark("reload\n");
    return r;
}

static void each_HUP_is_a_reload(void **state)
{
    struct child c;
    int i;

    (void)state;
    child_begin(&c, reloads, NULL, &patient);
    child_says(&c, "begun");
    for (i = 0; i < 3; i++) {
        child_gets(&c, SIGHUP);
        child_says(&c, "reload");
    }
    child_gets(&c, SIGTERM);
    child_ends(&c, 0);
}

/* In one process: the body sends the signals itself. */
static int reloads_slowly(void *arg)
{
    int *times = arg, i, r;
    roost_scope s;

    for (i = 0; i < 5; i++)
        EXPECT_INT(raise(SIGHUP), 0);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    EXPECT_INT(raise(SIGHUP), 0);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "a test");
    EXPECT_INT(roost_reload_wait(), -ECANCELED); /* which takes nothing */
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), 0);
    EXPECT_INT(roost_reload_wait(), 1);
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(20), roost_reload_wait()), -ETIMEDOUT);
    EXPECT_INT(roost_stop(NULL, &patient.stop), 0);
    r = ROOST_IDLE(roost_reload_wait());
    EXPECT_INT(r, -ESHUTDOWN);
    *times = 1;
    return r;
}

static void several_HUPs_that_came_meanwhile_are_one(void **state)
{
    int done = 0;

    (void)state;
    kit_begin();
    assert_int_equal(roost_daemon_run(reloads_slowly, &done, NULL), 0);
    kit_end();
    assert_int_equal(done, 1);
}

static int waits_for_reload(void *arg)
{
    int *count = arg;

    EXPECT_INT(roost_reload_wait(), 1);
    ++*count;
    return 0;
}

static int two_wait(void *arg)
{
    int *count = arg, r;

    ROOST_NURSERY(n);
    EXPECT_INT(roost_spawn(n, waits_for_reload, count), 0);
    EXPECT_INT(roost_spawn(n, waits_for_reload, count), 0);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    EXPECT_INT(raise(SIGHUP), 0);
    r = roost_nursery_close(n, 0);
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(1), roost_reload_wait()), -ETIMEDOUT);
    return r;
}

static void all_who_wait_for_a_reload_are_told(void **state)
{
    int count = 0;

    (void)state;
    kit_begin();
    assert_int_equal(roost_daemon_run(two_wait, &count, NULL), 0);
    kit_end();
    assert_int_equal(count, 2);
}

static int no_reload(void *arg)
{
    (void)arg;
    EXPECT_INT(ROOST_WITHIN(ROOST_SEC(5), roost_reload_wait()), -ETIMEDOUT);
    return 0;
}

static void in_a_run_that_is_no_daemon_no_reload_comes(void **state)
{
    (void)state;
    assert_int_equal(kit_run(no_reload, NULL), 0);
}

static void USR1_prints_the_tree_and_it_goes_on(void **state)
{
    struct child c;

    (void)state;
    child_begin(&c, reloads, NULL, &patient);
    child_says(&c, "begun");
    child_gets(&c, SIGUSR1);
    child_says(&c, "program#");
    child_says(&c, "waits for a reload");
    child_gets(&c, SIGHUP);
    child_says(&c, "reload");
    child_gets(&c, SIGTERM);
    child_ends(&c, 0);
}

/* ---- what is left ---- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void signals_and_descriptors_are_as_before_afterwards(void **state)
{
    static const int sigs[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGURG };
    struct sigaction act = { .sa_handler = SIG_IGN, .sa_flags = SA_RESTART }, now;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof sigs / sizeof *sigs; i++)
        assert_int_equal(sigaction(sigs[i], &act, NULL), 0);
    kit_begin();
    assert_int_equal(roost_daemon_run(nothing, NULL, NULL), 0);
    kit_end();
    for (i = 0; i < sizeof sigs / sizeof *sigs; i++) {
        assert_int_equal(sigaction(sigs[i], NULL, &now), 0);
        assert_true(now.sa_handler == SIG_IGN);
        signal(sigs[i], SIG_DFL);
    }
}

static void somebody(int sig)
{
    (void)sig;
}

static void a_handler_of_somebody_else_is_named_and_kept(void **state)
{
    struct sigaction now;
    const char *said;
    int status;

    (void)state;
    signal(SIGHUP, somebody);
    kit_stderr_begin();
    status = roost_daemon_run(nothing, NULL, NULL);
    said = kit_stderr_end();
    assert_int_equal(status, EX_UNAVAILABLE);
    if (!strstr(said, "somebody"))
        fail_msg("it said: %s", said);
    assert_int_equal(sigaction(SIGHUP, NULL, &now), 0);
    assert_true(now.sa_handler == somebody);
    signal(SIGHUP, SIG_DFL);
}

static int hears_too(void *arg)
{
    ROOST_CLEANUP(roost_signals_close) roost_signals s = { 0 };

    (void)arg;
    EXPECT_INT(roost_signals_open(&s, (int[]){ SIGHUP, SIGTERM, 0 }), 0);
    EXPECT_INT(raise(SIGHUP), 0);
    EXPECT_INT(roost_signals_wait(&s), SIGHUP);
    EXPECT_INT(roost_reload_wait(), 1);
    EXPECT_INT(raise(SIGTERM), 0);
    EXPECT_INT(roost_signals_wait(&s), SIGTERM);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    EXPECT(roost_stopping());
    return 0;
}

static void receivers_beside_it_hear_the_same_signals_X6(void **state)
{
    (void)state;
    kit_begin();
    assert_int_equal(roost_daemon_run(hears_too, NULL, &patient), 0);
    kit_end();
}

static int within_virtual_time(void *arg)
{
    (void)arg;
    EXPECT_INT(roost_sleep(ROOST_SEC(100000)), 0);
    EXPECT_INT(raise(SIGTERM), 0);
    EXPECT_INT(ROOST_IDLE(roost_sleep_until(ROOST_NEVER)), -ESHUTDOWN);
    return 0;
}

static void it_runs_under_the_virtual_clock_too(void **state)
{
    roost_daemon_options o = { .run = { .clock = ROOST_CLOCK_VIRTUAL } };

    (void)state;
    kit_begin();
    assert_int_equal(roost_daemon_run(within_virtual_time, NULL, &o), 0);
    kit_end();
}

static int bad_budget(void *arg)
{
    (void)arg;
    return roost_daemon_run(nothing, NULL, &(roost_daemon_options){
                                               .stop = { .hard = roost_now() } });
}

static int again(void *arg)
{
    (void)arg;
    return roost_daemon_run(nothing, NULL, NULL);
}

static int inside(void *arg)
{
    (void)arg;
    return roost_daemon_run(again, NULL, NULL);
}

static void misuse_is_said(void **state)
{
    (void)state;
    kit_dies_outside(bad_budget, NULL, "hard budget", NULL);
    kit_dies_outside(inside, NULL, "another one runs", NULL);
}

/* ---- the service manager ---- */

static void the_manager_hears_of_start_reload_and_stop(void **state)
{
    int fd = manager_begin();
    struct child c;
    const char *said;

    (void)state;
    child_begin(&c, reloads, NULL, NULL);
    assert_string_equal(manager_hears(fd), "READY=1");
    child_says(&c, "begun");
    child_gets(&c, SIGHUP);
    said = manager_hears(fd);
    assert_int_equal(strncmp(said, "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
    assert_true(llabs(atoll(said + 27) -
                      (roost_now() - ROOST__INSTANT_BASE) / 1000) < 30000000);
    assert_string_equal(manager_hears(fd), "READY=1");
    child_gets(&c, SIGTERM);
    assert_string_equal(manager_hears(fd),
                        "STOPPING=1\nEXTEND_TIMEOUT_USEC=28000000");
    child_ends(&c, 0);
    assert_string_equal(manager_hears_in(fd, 0), "");
    manager_end(fd);
}

static int reloads_twice(void *arg)
{
    int i;

    (void)arg;
    for (i = 0; i < 2; i++)
        EXPECT_INT(roost_reload_wait(), 1);
    return 0;
}

/* Two who reload, twice; the second time it is stopped meanwhile. */
static int two_reload(void *arg)
{
    ROOST_NURSERY(n);
    EXPECT_INT(roost_spawn(n, reloads_twice, arg), 0);
    EXPECT_INT(roost_spawn(n, reloads_twice, arg), 0);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    EXPECT_INT(raise(SIGHUP), 0);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    EXPECT_INT(raise(SIGHUP), 0);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    EXPECT_INT(roost_stop(NULL, &patient.stop), 0);
    EXPECT_INT(ROOST_IDLE(roost_reload_wait()), -ESHUTDOWN);
    EXPECT_INT(ROOST_IDLE(roost_reload_wait()), -ESHUTDOWN);
    return roost_nursery_close(n, 0);
}

static void several_who_reload_are_one_to_the_manager(void **state)
{
    int fd = manager_begin();

    (void)state;
    kit_begin();
    assert_int_equal(roost_daemon_run(two_reload, NULL, NULL), 0);
    kit_end();
    assert_string_equal(manager_hears(fd), "READY=1");
    assert_int_equal(strncmp(manager_hears(fd), "RELOADING=1\n", 12), 0);
    assert_string_equal(manager_hears(fd), "READY=1");
    assert_int_equal(strncmp(manager_hears(fd), "RELOADING=1\n", 12), 0);
    assert_int_equal(strncmp(manager_hears(fd), "STOPPING=1\n", 11), 0);
    assert_string_equal(manager_hears_in(fd, 0), "");
    manager_end(fd);
}

static void a_stop_of_its_own_and_an_endless_one_are_told(void **state)
{
    int fd = manager_begin();
    roost_stop_budget b = { .soft = ROOST_NEVER };

    (void)state;
    assert_int_equal(roost_daemon_run(stops_itself, &b, NULL), 0);
    assert_string_equal(manager_hears(fd), "READY=1");
    assert_string_equal(manager_hears(fd), "STOPPING=1");
    assert_string_equal(manager_hears_in(fd, 0), "");
    manager_end(fd);
}

/* Also, it stops a part of itself, which is nobody else's business. */
static int says_itself(void *arg)
{
    roost_scope s;

    (void)arg;
    EXPECT_INT(roost_sleep(ROOST_MS(5)), 0);
    roost_scope_enter(&s, ROOST_NEVER);
    EXPECT_INT(roost_stop(&s, &patient.stop), 0);
    EXPECT_INT(roost_scope_leave(&s, 0), 0);
    EXPECT_INT(roost_notify("READY=1\nSTATUS=by hand"), 1);
    return 0;
}

static void READY_may_be_left_to_the_program(void **state)
{
    int fd = manager_begin();
    roost_daemon_options o = { .ready_by_hand = true };

    (void)state;
    kit_begin();
    assert_int_equal(roost_daemon_run(says_itself, NULL, &o), 0);
    kit_end();
    assert_string_equal(manager_hears(fd), "READY=1\nSTATUS=by hand");
    assert_string_equal(manager_hears_in(fd, 0), "");
    manager_end(fd);
}

static void a_manager_that_reads_late_still_hears_READY(void **state)
{
    int fd = manager_begin(), i;
    struct child c;

    (void)state;
    while (roost_notify("X=1") == 1)
        ;
    child_begin(&c, idles, NULL, &patient);
    poll(NULL, 0, 50); /* let it meet the full queue */
    for (i = 0; i < 10000 && strcmp(manager_hears(fd), "READY=1") != 0; i++)
        ;
    child_says(&c, "begun");
    child_gets(&c, SIGTERM);
    child_ends(&c, 0);
    manager_end(fd);
}

static int sleeps_110_ms(void *arg)
{
    (void)arg;
    return roost_sleep(ROOST_MS(110));
}

static int count_pings(const char *usec, const char *pid)
{
    int fd = manager_begin(), pings = 0;
    const char *said;

    setenv("WATCHDOG_USEC", usec, 1);
    pid ? setenv("WATCHDOG_PID", pid, 1) : unsetenv("WATCHDOG_PID");
    assert_int_equal(roost_daemon_run(sleeps_110_ms, NULL, NULL), 0);
    assert_string_equal(manager_hears(fd), "READY=1");
    while (*(said = manager_hears_in(fd, 0))) {
        assert_string_equal(said, "WATCHDOG=1");
        pings++;
    }
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    manager_end(fd);
    return pings;
}

static void the_watchdog_is_fed_twice_in_its_time(void **state)
{
    char self[16];
    int pings;

    (void)state;
    snprintf(self, sizeof self, "%d", getpid());
    pings = count_pings("40000", NULL); /* at 0, 20, 40, 60, 80, 100 ms */
    assert_in_range(pings, 4, 6);
    pings = count_pings("40000", self);
    assert_in_range(pings, 4, 6);
    assert_int_equal(count_pings("40000", "1"), 0);
    assert_int_equal(count_pings("0", NULL), 0);
    assert_int_equal(count_pings("20ms", NULL), 0);
}

static int keeps_the_loop(void *arg)
{
    (void)arg;
    poll(NULL, 0, 100);
    return 0;
}

static void who_feeds_the_watchdog_keeps_no_stop_waiting(void **state)
{
    int fd = manager_begin();
    struct child c;

    (void)state;
    setenv("WATCHDOG_USEC", "3600000000", 1);
    child_begin(&c, idles, NULL, &patient);
    unsetenv("WATCHDOG_USEC");
    child_says(&c, "begun");
    child_gets(&c, SIGTERM);
    child_ends(&c, 0);
    manager_end(fd);
}

static void a_loop_that_does_not_turn_feeds_nobody(void **state)
{
    int fd = manager_begin();

    (void)state;
    setenv("WATCHDOG_USEC", "20000", 1);
    assert_int_equal(roost_daemon_run(keeps_the_loop, NULL, NULL), 0);
    unsetenv("WATCHDOG_USEC");
    assert_string_equal(manager_hears(fd), "READY=1");
    assert_string_equal(manager_hears(fd), "WATCHDOG=1");
    manager_hears_in(fd, 0); /* one may be due when it turns again */
    assert_string_equal(manager_hears_in(fd, 0), "");
    manager_end(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_TERM_ends_idle_waits_and_gives_0),
        cmocka_unit_test(so_does_INT),
        cmocka_unit_test(the_second_cancels_and_gives_128_and_its_number),
        cmocka_unit_test(the_third_takes_shields_away_and_the_fourth_ends),
        cmocka_unit_test(what_time_has_done_the_second_does_not_do_again),
        cmocka_unit_test(the_fourth_ends_a_process_whose_loop_does_not_turn),
        cmocka_unit_test(time_goes_through_the_phases_and_ends_the_process),
        cmocka_unit_test(no_time_at_all_is_a_budget_too),
        cmocka_unit_test(the_last_act_may_be_to_wait),
        cmocka_unit_test(what_ends_in_the_soft_phase_gives_0),
        cmocka_unit_test(a_failure_while_stopping_is_a_failure),
        cmocka_unit_test(a_stop_of_its_own_gives_0),
        cmocka_unit_test(the_stronger_of_two_last_acts_holds),
        cmocka_unit_test(an_error_is_printed_and_gives_the_nearest_of_sysexits),
        cmocka_unit_test(a_result_that_is_no_error_gives_0),
        cmocka_unit_test(a_deferred_failure_is_printed_too),
        cmocka_unit_test(a_run_that_cannot_begin_says_so),
        cmocka_unit_test(each_HUP_is_a_reload),
        cmocka_unit_test(several_HUPs_that_came_meanwhile_are_one),
        cmocka_unit_test(all_who_wait_for_a_reload_are_told),
        cmocka_unit_test(in_a_run_that_is_no_daemon_no_reload_comes),
        cmocka_unit_test(USR1_prints_the_tree_and_it_goes_on),
        cmocka_unit_test(signals_and_descriptors_are_as_before_afterwards),
        cmocka_unit_test(a_handler_of_somebody_else_is_named_and_kept),
        cmocka_unit_test(receivers_beside_it_hear_the_same_signals_X6),
        cmocka_unit_test(it_runs_under_the_virtual_clock_too),
        cmocka_unit_test(misuse_is_said),
        cmocka_unit_test(the_manager_hears_of_start_reload_and_stop),
        cmocka_unit_test(several_who_reload_are_one_to_the_manager),
        cmocka_unit_test(a_stop_of_its_own_and_an_endless_one_are_told),
        cmocka_unit_test(READY_may_be_left_to_the_program),
        cmocka_unit_test(a_manager_that_reads_late_still_hears_READY),
        cmocka_unit_test(the_watchdog_is_fed_twice_in_its_time),
        cmocka_unit_test(who_feeds_the_watchdog_keeps_no_stop_waiting),
        cmocka_unit_test(a_loop_that_does_not_turn_feeds_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
