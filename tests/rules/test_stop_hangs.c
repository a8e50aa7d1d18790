/* test_stop_hangs.c - claims that nothing around a process keeps it from ending: no
 *                     stderr that nobody reads, no lock of stdio, no want of
 *                     memory, no crowd.
 *
 * Children are waited for with a bound of our own: in a handler that hangs not even
 * their alarm is heard.
 */
#define _GNU_SOURCE
#include "rules/daemons.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>

#include "core/sys.h"

enum { CROWD = 150 };

/* ---- helpers ---- */

/* As child_end, but reads nothing: the pipe hangs up when its writer has ended. */
static int end_unread(struct child *c)
{
    struct pollfd p = { .fd = c->said };
    int status = 0;

    if (poll(&p, 1, 10000) == 0)
        kill(c->pid, SIGKILL);
    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    close(c->said);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* valgrind has last words of its own for that stderr, and a status of its own. */
static void ends_unread(struct child *c, int wanted)
{
    int status = end_unread(c);

    if (!RUNNING_ON_VALGRIND)
        assert_int_equal(status, wanted);
}

static void fill(int fd)
{
    static const char bytes[4096];
    int flags = fcntl(fd, F_GETFL);

    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    while (write(fd, bytes, sizeof bytes) > 0)
        continue;
    while (write(fd, bytes, 1) > 0)
        continue;
    fcntl(fd, F_SETFL, flags);
}

/* ---- a stderr that nobody reads ---- */

static int keeps_the_loop(void *arg)
{
    int i, signals = *(const int *)arg;

    fill(STDERR_FILENO);
    for (i = 0; i < signals; i++)
        raise(SIGTERM);
    while (signals > 0)
        pause();
    return 0;
}

static void a_stderr_that_is_full_keeps_no_fourth_signal(void **state)
{
    roost_daemon_options o = { .blocked = ROOST_NEVER };
    struct child c;
    int signals = 4;

    (void)state;
    child_begin(&c, keeps_the_loop, &signals, &o);
    ends_unread(&c, 128 + SIGTERM);
}

static void a_stderr_that_is_full_keeps_no_last_act(void **state)
{
    roost_daemon_options o = { .blocked = ROOST_MS(20), .stop = {
        .soft = ROOST_MS(20), .last = ROOST_LAST_EXIT, .exit_status = 9 } };
    struct child c;
    int signals = 1;

    (void)state;
    child_begin(&c, keeps_the_loop, &signals, &o);
    ends_unread(&c, 9);
}

/* ---- a stop of the program's own, and then a signal that the loop never hears ---- */

static int stops_and_keeps_the_loop(void *arg)
{
    roost_ignore(roost_stop(NULL, &(roost_stop_budget){ .soft = ROOST_SEC(1000) }));
    raise(SIGTERM);
    while (!arg)
        pause();
    return 0;
}

static void a_signal_ends_it_though_its_own_stop_would_wait(void **state)
{
    roost_daemon_options o = { .blocked = ROOST_MS(20), .stop = {
        .soft = ROOST_MS(20), .last = ROOST_LAST_EXIT, .exit_status = 9 } };
    struct child c;

    (void)state;
    child_begin(&c, stops_and_keeps_the_loop, NULL, &o);
    ends_unread(&c, 9);
}

/* ---- stdio ---- */

static void *reads_a_line(void *arg)
{
    (void)arg;
    getchar();
    return NULL;
}

/* Until the reader has the lock of stdin. */
static void begin_reader(void)
{
    pthread_t reader;
    int fds[2];

    if (pipe(fds) < 0 || dup2(fds[0], STDIN_FILENO) < 0 ||
        pthread_create(&reader, NULL, reads_a_line, NULL) != 0)
        _exit(99);
    while (ftrylockfile(stdin) == 0) {
        funlockfile(stdin);
        sched_yield();
    }
}

static int exits_beside_a_reader(void *arg)
{
    (void)arg;
    begin_reader();
    roost_ignore(roost_stop(NULL, &(roost_stop_budget){
        .last = ROOST_LAST_EXIT, .exit_status = 7 }));
    return 0;
}

static void a_thread_that_reads_stdin_keeps_no_last_act(void **state)
{
    roost_daemon_options o = { .blocked = ROOST_NEVER };
    struct child c;

    (void)state;
    child_begin(&c, exits_beside_a_reader, NULL, &o);
    ends_unread(&c, 7);
}

static int exits_with_words(void *arg)
{
    dup2(STDERR_FILENO, STDOUT_FILENO);
    setvbuf(stdout, NULL, _IOFBF, 256);
    printf("last words\n");
    if (*(const int *)arg)
        fill(STDOUT_FILENO);
    roost_ignore(roost_stop(NULL, &(roost_stop_budget){
        .last = ROOST_LAST_EXIT, .exit_status = 7 }));
    return 0;
}

static void the_last_act_flushes_stdout_if_that_does_not_wait(void **state)
{
    roost_daemon_options o = { .blocked = ROOST_NEVER };
    struct child c;
    int full = 0;

    (void)state;
    child_begin(&c, exits_with_words, &full, &o);
    child_says(&c, "last words\n");
    child_ends(&c, 7);
    if (UNDER_TSAN) /* which flushes at _exit itself */
        return;
    full = 1;
    child_begin(&c, exits_with_words, &full, &o);
    ends_unread(&c, 7);
}

/* ---- memory ---- */

static bool is_poor;

static void *poor_alloc(size_t bytes)
{
    return is_poor ? NULL : malloc(bytes);
}

static int is_told_without_memory(void *arg)
{
    int r;

    (void)arg;
    is_poor = true;
    raise(SIGTERM);
    r = ROOST_IDLE(roost_sleep(ROOST_SEC(PATIENCE_S)));
    is_poor = false;
    mark(r == -ESHUTDOWN ? "told\n" : "not told\n");
    return r;
}

static void a_signal_stops_also_without_memory(void **state)
{
    struct roost_sys poor = roost__sys_default;
    roost_daemon_options o = { .run = { .sys = &poor } };
    struct child c;

    (void)state;
    poor.alloc = poor_alloc;
    child_begin(&c, is_told_without_memory, NULL, &o);
    child_says(&c, "told\n");
    child_ends(&c, 0);
    assert_null(strstr(c.text, "not told"));
}

/* ---- the environment, the options ---- */

static int ends_soon(void *arg)
{
    (void)arg;
    return roost_sleep(ROOST_MS(1));
}

static void a_WATCHDOG_USEC_that_is_no_duration_does_nothing(void **state)
{
    struct child c;
    int manager = manager_begin();

    (void)state;
    setenv("WATCHDOG_USEC", "9223372036854775", 1);
    child_begin(&c, ends_soon, NULL, NULL);
    child_ends(&c, 0);
    unsetenv("WATCHDOG_USEC");
    assert_string_equal(manager_hears(manager), "READY=1");
    assert_string_equal(manager_hears_in(manager, 0), "");
    manager_end(manager);
}

static void a_negative_blocked_is_misuse_and_a_tiny_one_is_not(void **state)
{
    roost_daemon_options o = { .blocked = -ROOST_SEC(1000000000) };
    struct child c;

    (void)state;
    child_begin(&c, ends_soon, NULL, &o);
    child_says(&c, "was given a .blocked of -1000000000000000000");
    child_ends(&c, -SIGABRT);
    o.blocked = 1;
    child_begin(&c, ends_soon, NULL, &o);
    child_ends(&c, 0);
}

/* ---- a crowd ---- */

static int waits(void *arg)
{
    (void)arg;
    return roost_sleep(ROOST_NEVER);
}

static int is_many(void *arg)
{
    roost_nursery n;
    int i, r = 0;

    (void)arg;
    roost_nursery_open(&n);
    for (i = 0; i < CROWD && r >= 0; i++)
        r = roost_spawn(&n, waits, NULL);
    raise(SIGTERM);
    return roost_nursery_close(&n, r);
}

/* main, its program, and the crowd. */
static void a_stop_names_100_and_counts_the_others_X5(void **state)
{
    roost_daemon_options o = { .stop = { .soft = ROOST_MS(20), .hard = ROOST_SEC(20),
                                         .last = ROOST_LAST_EXIT } };
    const char *at;
    struct child c;
    int told = 0;

    (void)state;
    child_begin(&c, is_many, NULL, &o);
    child_says(&c, "\nand 52 more\n");
    child_ends(&c, 128 + SIGTERM);
    for (at = c.text; (at = strstr(at, "/task#")); at++)
        told++;
    assert_int_equal(told, 98);
}

/* ---- a loop that was kept ---- */

static int says_that_it_was_cut(void *arg)
{
    int r = roost_sleep(ROOST_NEVER);

    (void)arg;
    mark("cut\n");
    return r;
}

/* Beyond the end of the last phase; beside it, one who would have ended at once. */
static int keeps_the_loop_too_long(void *arg)
{
    const roost_stop_budget *b = arg;
    roost_nursery n;
    roost_time end;
    int r;

    roost_nursery_open(&n);
    r = roost_spawn(&n, says_that_it_was_cut, NULL);
    r = r < 0 ? r : roost_sleep(ROOST_MS(1));
    roost_ignore(roost_stop(NULL, b));
    for (end = roost_now() + ROOST_MS(100); roost_now() < end;)
        continue;
    mark("the loop turns\n");
    return roost_nursery_close(&n, r);
}

static void who_is_cut_late_has_a_turn_before_the_last_act_X5(void **state)
{
    roost_stop_budget b = { .soft = ROOST_MS(10), .hard = ROOST_MS(10),
                            .pierce = ROOST_MS(40), .last = ROOST_LAST_EXIT,
                            .exit_status = 7, .quiet = true };
    roost_daemon_options o = { .blocked = ROOST_NEVER };
    struct child c;

    (void)state;
    child_begin(&c, keeps_the_loop_too_long, &b, &o);
    child_says(&c, "the loop turns\n");
    child_says(&c, "cut\n");
    child_ends(&c, 0);
    b.pierce = 0; /* no phase, no turn */
    b.soft = b.hard = ROOST_MS(1);
    child_begin(&c, keeps_the_loop_too_long, &b, &o);
    child_ends(&c, 7);
    assert_null(strstr(c.text, "cut"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stderr_that_is_full_keeps_no_fourth_signal),
        cmocka_unit_test(a_stderr_that_is_full_keeps_no_last_act),
        cmocka_unit_test(a_signal_ends_it_though_its_own_stop_would_wait),
        cmocka_unit_test(a_thread_that_reads_stdin_keeps_no_last_act),
        cmocka_unit_test(the_last_act_flushes_stdout_if_that_does_not_wait),
        cmocka_unit_test(a_signal_stops_also_without_memory),
        cmocka_unit_test(a_WATCHDOG_USEC_that_is_no_duration_does_nothing),
        cmocka_unit_test(a_negative_blocked_is_misuse_and_a_tiny_one_is_not),
        cmocka_unit_test(a_stop_names_100_and_counts_the_others_X5),
        cmocka_unit_test(who_is_cut_late_has_a_turn_before_the_last_act_X5),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
