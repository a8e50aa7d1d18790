/* test_test_review.c - where roost_torture could pass wrongly, or tell a line that
 * does not repeat what it found. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kit/kit.h"

#include <roost/test.h>

#include "core/fiber.h"
#include "test/heap.h"

#define ONLY(what) .skip = ~0U & ~(unsigned)(what)

static roost_torture_report report;

static int torture(roost_task_fn *body, roost_torture_options o)
{
    o.quiet = true;
    o.ret_report = &report;
    return roost_torture(body, NULL, &o);
}

/* Found, by such a plan; the plan alone says the same once more. */
static void assert_repeats(roost_task_fn *body, roost_torture_options o,
                           const char *what, const char *plan)
{
    roost_torture_report first;

    assert_int_equal(torture(body, o), 1);
    if (!strstr(report.what, what) || strncmp(report.plan, plan, strlen(plan)))
        fail_msg("%s: %s (%s)", report.plan, report.what, report.where);
    assert_null(strstr(report.what, "alone"));
    first = report;
    setenv("ROOST_TORTURE", first.plan, 1);
    assert_int_equal(torture(body, o), 1);
    unsetenv("ROOST_TORTURE");
    assert_string_equal(report.what, first.what);
    assert_string_equal(report.where, first.where);
}

__attribute__((noinline)) static int nap(void)
{
    int r = roost_sleep(ROOST_MS(1));

    return r > 0 ? -EIO : r; /* no tail call: it is a place of its own */
}

static int sleeps(void *arg)
{
    (void)arg;
    return nap();
}

/* ---- passed, though nothing was run ---- */

static int exits_the_fourth_time(void *arg)
{
    static int times;

    (void)arg;
    if (++times == 4)
        _exit(0);
    return nap();
}

static void a_batch_that_ends_early_but_well_has_failed(void **state)
{
    (void)state; /* three moments: the last run of the second batch */
    assert_int_equal(torture(exits_the_fourth_time, (roost_torture_options){
        ONLY(ROOST_TORTURE_CANCEL) }), 1);
    assert_non_null(strstr(report.what, "ended the process, exit status 0"));
}

static void a_body_that_cannot_be_run_has_not_passed(void **state)
{
    (void)state;
    kit_stderr_begin();
    assert_true(torture(sleeps, (roost_torture_options){
        .stack_bytes = (size_t)1 << 60 }) < 0);
    assert_int_equal(report.waits, 0);
    setenv("ROOST_TORTURE", "cancel@1", 1);
    assert_true(torture(sleeps, (roost_torture_options){
        .stack_bytes = (size_t)1 << 60 }) < 0);
    unsetenv("ROOST_TORTURE");
    kit_stderr_end();
}

/* ---- who else waits for children ---- */

static int leaks(void *arg)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), r = nap();

    (void)arg;
    if (r >= 0)
        close(fd);
    return r;
}

static int dies(void *arg)
{
    (void)arg;
    if (nap() < 0)
        raise(SIGKILL);
    return 0;
}

static void take_all(int sig)
{
    int error = errno;

    (void)sig;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    errno = error;
}

/* What it is when the body runs. */
static int asks_for_children(void *arg)
{
    struct sigaction now;

    (void)arg;
    sigaction(SIGCHLD, NULL, &now);
    roost_check(now.sa_handler == take_all);
    return 0;
}

static void a_program_may_have_its_own_idea_of_children(void **state)
{
    void (*before)(int) = signal(SIGCHLD, SIG_IGN);

    (void)state;
    assert_int_equal(torture(sleeps, (roost_torture_options){ .pairs = -1 }), 0);
    assert_repeats(leaks, (roost_torture_options){ .pairs = -1 },
                   "left open", "cancel@1");
    signal(SIGCHLD, take_all);
    assert_int_equal(torture(asks_for_children,
                             (roost_torture_options){ .pairs = -1 }), 0);
    assert_int_equal(torture(dies, (roost_torture_options){ .pairs = -1 }), 1);
    assert_non_null(strstr(report.what, "died of signal 9"));
    assert_ptr_equal(signal(SIGCHLD, before), take_all);
}

/* ---- lines that do not repeat it ---- */

static int remembers(void *arg)
{
    static int cancelled;
    int r = nap();

    (void)arg;
    if (r < 0 && ++cancelled == 2)
        roost_check(0);
    return r;
}

static void what_a_run_alone_does_not_show_is_told_to_be_so(void **state)
{
    (void)state;
    assert_int_equal(torture(remembers, (roost_torture_options){
        ONLY(ROOST_TORTURE_CANCEL) }), 1);
    assert_non_null(strstr(report.what, "does not hold; alone this run kept its "
                                        "promises"));
}

struct pipe { roost_fd to; int from; };

static int pipe_open(struct pipe *p)
{
    int fd[2], r;

    if (pipe(fd) < 0)
        return -errno;
    r = roost_fd_open(&p->to, fd[1]);
    p->from = fd[0];
    if (r < 0) {
        close(fd[0]);
        close(fd[1]);
    }
    return r;
}

static void pipe_close(struct pipe *p)
{
    roost_fd_close(&p->to);
    close(p->from);
}

/* Takes what it wrote for all that it was to write. */
static int writes_once(void *arg)
{
    struct pipe p;
    char c[2];
    int r = pipe_open(&p);

    (void)arg;
    if (r < 0)
        return r;
    r = (int)roost_fd_write(&p.to, "ab", 2);
    roost_check(r < 0 || read(p.from, c, 2) == 2);
    pipe_close(&p);
    return r;
}

/* Bears one short write, not two. */
static int writes_twice(void *arg)
{
    struct pipe p;
    int r = pipe_open(&p), a, b;

    (void)arg;
    if (r < 0)
        return r;
    a = (int)roost_fd_write(&p.to, "ab", 2);
    b = (int)roost_fd_write(&p.to, "ab", 2);
    roost_check(a != 1 || b != 1);
    pipe_close(&p);
    return r;
}

static void calls_are_counted_alike_when_repeated_aloud(void **state)
{
    roost_torture_options o = { ONLY(ROOST_TORTURE_SHORT) };

    (void)state;
    assert_int_equal(torture(writes_once, o), 1);
    setenv("ROOST_TORTURE", report.plan, 1);
    kit_stderr_begin();
    assert_int_equal(roost_torture(writes_once, NULL, NULL), 1);
    assert_non_null(strstr(kit_stderr_end(), "cutting short "));
    unsetenv("ROOST_TORTURE");
    assert_repeats(writes_once, o, "does not hold", "short@");
    assert_string_not_equal(report.plan, "short@all");
    assert_repeats(writes_twice, o, "does not hold", "short@all");
}

static int says_much_then_dies(void *arg)
{
    int i, r;

    (void)arg;
    for (i = 0; i < 1000; i++)
        printf("a line of very many that nobody reads: %d\n", i);
    r = nap();
    if (r < 0) {
        fprintf(stderr, "runtime error: the last word\n");
        abort();
    }
    fprintf(stderr, "roost: this one is well\n");
    return r;
}

static int says_so_when_well(void *arg)
{
    int r = nap();

    (void)arg;
    if (r < 0)
        raise(SIGKILL);
    fprintf(stderr, "roost: this one is well\n");
    return r;
}

static void of_what_was_said_the_dying_run_is_quoted(void **state)
{
    assert_int_equal(torture(says_so_when_well, (roost_torture_options){
        ONLY(ROOST_TORTURE_CANCEL) }), 1);
    assert_string_equal(report.what, "the run died of signal 9 (Killed)");
    (void)state;
    assert_int_equal(torture(says_much_then_dies, (roost_torture_options){
        ONLY(ROOST_TORTURE_CANCEL) }), 1);
    if (!strstr(report.what, ": runtime error: the last word"))
        fail_msg("%s", report.what);
}

static int pause_once_cancelled(void *arg)
{
    (void)arg;
    while (nap() < 0)
        pause();
    return 0;
}

static int takes_its_time(void *arg)
{
    struct timespec real = { 0, 8000000 };

    nanosleep(&real, NULL); /* lint: real time is the subject */
    return sleeps(arg);
}

static void a_short_limit_is_told_as_it_is(void **state)
{
    (void)state; /* and each run has all of it */
    assert_int_equal(torture(takes_its_time, (roost_torture_options){
        ONLY(ROOST_TORTURE_CANCEL | ROOST_TORTURE_PAIRS), .pairs = 100,
        .hang = ROOST_MS(300) }), 0);
    assert_int_equal(torture(pause_once_cancelled, (roost_torture_options){
        .hang = ROOST_MS(300) }), 1);
    assert_non_null(strstr(report.what, "within 0.3 s of"));
}

/* ---- what is printed ---- */

#if !defined(ROOST__ASAN) && !defined(ROOST__TSAN)
static int deep(int depth)
{
    volatile char room[4096];

    room[0] = (char)depth;
    return depth > 0 ? deep(depth - 1) + room[0] : 0;
}

static int overflows(void *arg)
{
    (void)arg;
    return nap() < 0 ? deep(100000) : 0;
}

static void an_overflow_is_told_with_its_task(void **state)
{
    const char *guard = getenv("ROOST_TEST_GUARD"); /* one without one: not told */

    (void)state;
    if (guard && !strcmp(guard, "none"))
        skip();
    kit_stderr_begin();
    assert_int_equal(roost_torture(overflows, NULL, NULL), 1);
    assert_non_null(strstr(kit_stderr_end(), "roost: the stack of task main"));
}
#endif

static void the_line_is_fit_for_a_shell(void **state)
{
    char self[500], command[600];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    int status;

    (void)state;
    assert_true(len > 0);
    self[len] = '\0';
    snprintf(command, sizeof command, "'%s' \"it's\" 'a b' '' x/y", self);
    kit_stderr_begin();
    status = WEXITSTATUS(system(command));
    if (status == 126) { /* an emulated program cannot be started as it is */
        kit_stderr_end();
        skip();
    }
    assert_int_equal(status, 1);
    assert_non_null(strstr(kit_stderr_end(), " 'it'\\''s' 'a b' '' x/y\n"));
}

static int asserts(void *arg)
{
    (void)arg;
    assert_int_equal(nap(), 0);
    return 0;
}

static void of_an_assert_its_line_is_told(void **state)
{
    char at[100];

    (void)state;
    snprintf(at, sizeof at, "an assert of the body failed at %s:", __FILE__);
    assert_repeats(asserts, (roost_torture_options){
        ONLY(ROOST_TORTURE_CANCEL) }, at, "cancel@1");
}

/* ---- points that are left out ---- */

static int leaks_at_the_end(void *arg)
{
    int i, r = 0;

    for (i = 0; i < 40000 && r >= 0; i++)
        r = roost_checkpoint();
    return r < 0 ? r : leaks(arg);
}

static void the_end_of_a_long_body_is_struck_too(void **state)
{
    (void)state;
    assert_repeats(leaks_at_the_end, (roost_torture_options){
        ONLY(ROOST_TORTURE_CANCEL) }, "left open", "cancel@40001");
}

static int fails_in_its_last_round(void *arg)
{
    int i, r = 0;

    (void)arg;
    for (i = 0; i < 7 && r >= 0; i++)
        r = nap();
    roost_check(r >= 0 || i < 7);
    return r;
}

static int many_naps(void *arg)
{
    int i, r = 0;

    (void)arg;
    for (i = 0; i < 6 && r >= 0; i++)
        r = nap();
    return r;
}

/* Not when it was cancelled before. */
static int fails_cancelled(void *arg)
{
    int r = roost_checkpoint();

    (void)arg;
    if (r < 0)
        return r;
    r = nap();
    roost_check(r >= 0);
    return r;
}

static int in_a_child(roost_task_fn *fn)
{
    roost_nursery n;

    roost_nursery_open(&n);
    return roost_nursery_close(&n, roost_spawn(&n, fn, NULL));
}

/* The same nap, of three kinds of tasks: the middle one has the bug. */
static int one_kind_fails(void *arg)
{
    int r = in_a_child(many_naps);

    (void)arg;
    if (r >= 0)
        r = in_a_child(fails_cancelled);
    return r < 0 ? r : in_a_child(many_naps);
}

/* The same nap, once with a deadline, in the middle. */
static int fails_when_late(void *arg)
{
    roost_scope s;
    int r = many_naps(arg);

    roost_scope_enter(&s, roost_after(ROOST_SEC(1)));
    r = roost_scope_leave(&s, r < 0 ? r : nap());
    roost_check(r != -ETIMEDOUT);
    return r < 0 ? r : many_naps(arg);
}

static void of_many_visits_those_that_differ_are_struck(void **state)
{
    roost_torture_options o = {
        ONLY(ROOST_TORTURE_CANCEL | ROOST_TORTURE_DEADLINE) };

    (void)state;
    assert_repeats(fails_in_its_last_round, o, "does not hold", "cancel@");
    assert_repeats(one_kind_fails, o, "does not hold", "");
    assert_repeats(fails_when_late, o, "does not hold", "early@");
}

static int dislikes_connreset(void *arg)
{
    char c;
    roost_fd a;
    int fd[2], r;

    (void)arg;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
        return -errno;
    r = roost_fd_open(&a, fd[0]);
    if (r < 0)
        close(fd[0]);
    if (r >= 0 && write(fd[1], "x", 1) == 1) {
        r = (int)roost_fd_read(&a, &c, 1);
        roost_check(r != -ECONNRESET);
        roost_fd_close(&a);
    }
    close(fd[1]);
    return r;
}

static void a_call_fails_in_each_of_its_ways(void **state)
{
    (void)state;
    assert_repeats(dislikes_connreset, (roost_torture_options){
        ONLY(ROOST_TORTURE_CALL) }, "does not hold", "call@");
    assert_non_null(strstr(report.plan, "=ECONNRESET"));
}

/* Neither a pipe nor a socket: nothing that breaks, so no SIGPIPE. */
static int writes_to_a_device(void *arg)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC), r;
    roost_fd f;

    (void)arg;
    if (fd < 0)
        return -errno;
    r = roost_fd_open(&f, fd);
    if (r < 0) {
        close(fd);
        return r;
    }
    r = (int)roost_fd_write(&f, "ab", 2);
    roost_check(r != -EPIPE);
    roost_fd_close(&f);
    return r;
}

static void only_what_breaks_gives_a_broken_pipe(void **state)
{
    (void)state;
    assert_int_equal(torture(writes_to_a_device, (roost_torture_options){
        ONLY(ROOST_TORTURE_CALL) }), 0);
    assert_true(report.calls > 5);
    assert_int_equal(torture(writes_to_a_device, (roost_torture_options){
        ONLY(ROOST_TORTURE_SHORT) }), 0);
    assert_int_equal(report.points, 0); /* it is no stream: none was cut */
}

/* ---- what else is left ---- */

static int closes_stdin(void *arg)
{
    int r = nap();

    (void)arg;
    if (r < 0)
        close(STDIN_FILENO);
    return r;
}

static int fails(void *arg)
{
    (void)arg;
    return -EIO;
}

/* Its nursery's guard finds an error for which there is nobody. */
static int loses_an_error(void *arg)
{
    ROOST_NURSERY(n);
    (void)arg;
    return roost_spawn(n, fails, NULL);
}

static int leaks_a_text(void *arg)
{
    const char *format = arg;
    char *text, *volatile copy, *volatile begin;
    int len = asprintf(&text, "%s %d", format, 7), r;

    if (len < 0)
        return -ENOMEM;
    copy = strdup(text);
    begin = strndup(text, 2);
    roost_check(!copy || !strcmp(copy, "a text 7"));
    roost_check(!begin || !strcmp(begin, "a "));
    r = nap();
    if (format[0] == 'a' && r < 0)
        return r;
    free(begin);
    free(copy);
    free(text);
    return r;
}

/* The C library allocates them, for the body. */
static void texts_that_were_not_freed_are_found(void **state)
{
    char format[] = "a text";

    (void)state;
    if (!roost__heap_can_fail())
        return;
    assert_int_equal(roost_torture(leaks_a_text, format,
        &(roost_torture_options){ ONLY(ROOST_TORTURE_CANCEL |
                                       ROOST_TORTURE_ALLOCATION),
                                  .quiet = true, .ret_report = &report }), 1);
    assert_string_equal(report.plan, "cancel@1");
    assert_non_null(strstr(report.what, "3 blocks of memory were not freed"));
    assert_non_null(strstr(report.what, "leaks_a_text"));
    assert_true(report.allocations >= 3);
}

static void a_loss_of_what_was_there_is_found(void **state)
{
    (void)state;
    assert_repeats(loses_an_error, (roost_torture_options){ .guards = 1 },
                   "an error that nobody had seen", "none");
    if (fcntl(STDIN_FILENO, F_GETFD) >= 0) {
        assert_int_equal(torture(closes_stdin, (roost_torture_options){
            ONLY(ROOST_TORTURE_CANCEL) }), 1);
        assert_non_null(strstr(report.what, "open before the body is closed"));
    }
}

/* ---- orders, pairs ---- */

struct order { unsigned *all, number; };

static int comes(void *arg)
{
    const struct order *o = arg;

    *o->all = *o->all * 10 + o->number;
    return 0;
}

static unsigned order_of(int tasks)
{
    unsigned all = 0;
    struct order o = { .all = &all };
    roost_nursery n;
    int r = 0;

    roost_nursery_open(&n);
    for (o.number = 1; o.number <= (unsigned)tasks && r >= 0; o.number++)
        r = roost_spawn_copy(&n, comes, &o, sizeof o);
    return roost_nursery_close(&n, r) < 0 ? 0 : all;
}

static int wants_the_order_of_arrival(void *arg)
{
    unsigned all = order_of(4);

    (void)arg;
    roost_check(all == 0 || all == 1234, "%u", all);
    return 0;
}

static int wants_another_order(void *arg)
{
    unsigned all = order_of(4);

    (void)arg;
    roost_check(all != 1432, "%u", all);
    return 0;
}

/* Late, and another than the first came first. */
static int bears_one_of_two(void *arg)
{
    roost_scope s;
    unsigned all;
    int r;

    (void)arg;
    roost_scope_enter(&s, roost_after(ROOST_SEC(1)));
    r = roost_scope_leave(&s, nap());
    if (r == -ECANCELED)
        return r;
    all = order_of(3);
    roost_check(r != -ETIMEDOUT || all == 0 || all == 123);
    return r;
}

static void orders_are_as_their_plan_says(void **state)
{
    (void)state;
    assert_int_equal(torture(wants_the_order_of_arrival,
        (roost_torture_options){ ONLY(ROOST_TORTURE_ORDER), .seeds = -1,
                                 .max_orders = 1 }), 0);
    assert_repeats(wants_another_order, (roost_torture_options){
        ONLY(ROOST_TORTURE_ORDER), .delays = 2, .seeds = -1 },
        "1432", "none:pick=");
    assert_repeats(wants_another_order, (roost_torture_options){
        ONLY(ROOST_TORTURE_ORDER), .max_orders = -1 }, "1432", "none:seed=");
}

/* Each of its two naps may fail, not both. */
static int bears_one_early(void *arg)
{
    roost_scope s;
    int late = 0, i;

    (void)arg;
    for (i = 0; i < 2; i++) {
        roost_scope_enter(&s, roost_after(ROOST_SEC(1)));
        late += roost_scope_leave(&s, nap()) == -ETIMEDOUT;
    }
    roost_check(late < 2);
    return 0;
}

static void what_takes_two_is_found_and_repeated(void **state)
{
    const unsigned two = ROOST_TORTURE_DEADLINE | ROOST_TORTURE_PAIRS;

    (void)state;
    assert_repeats(bears_one_early, (roost_torture_options){ ONLY(two) },
                   "does not hold", "early@");
    assert_non_null(strstr(report.plan, "+early@"));
    assert_repeats(bears_one_of_two, (roost_torture_options){
        ONLY(two | ROOST_TORTURE_ORDER), .seeds = -1, .max_orders = -1 },
        "does not hold", "early@");
    assert_non_null(strstr(report.plan, ":seed="));
}

/* Of so few runs nearly all are pairs. */
static void of_a_plan_only_what_it_takes_is_told(void **state)
{
    const unsigned two = ROOST_TORTURE_CANCEL | ROOST_TORTURE_PAIRS;
    uint64_t seed;

    (void)state;
    for (seed = 0; seed < 6; seed++) {
        assert_repeats(fails_cancelled, (roost_torture_options){
            ONLY(two | ROOST_TORTURE_ORDER), .pairs = 5000, .max_runs = 16,
            .seeds = -1, .max_orders = -1, .seed = seed },
            "does not hold", "cancel@");
        assert_null(strpbrk(report.plan, "+:"));
    }
    assert_repeats(wants_another_order, (roost_torture_options){
        ONLY(two | ROOST_TORTURE_ORDER), .pairs = 5000, .max_runs = 400,
        .seeds = -1, .max_orders = -1 }, "1432", "none:seed=");
}

static int waits_for_its_deadline(void *arg)
{
    roost_scope s;
    int r;

    (void)arg;
    roost_scope_enter(&s, roost_after(ROOST_MS(5)));
    r = roost_scope_leave(&s, roost_sleep(ROOST_SEC(3600)));
    return r == -ETIMEDOUT ? 0 : r;
}

static void a_late_deadline_comes_in_real_time_too(void **state)
{
    (void)state;
    assert_int_equal(torture(waits_for_its_deadline, (roost_torture_options){
        ONLY(ROOST_TORTURE_DEADLINE), .real_clock = true,
        .hang = ROOST_SEC(2) }), 0);
    assert_true(report.points > 0);
}

/* ---- limits ---- */

static int goes_on_for_a_while(void *arg)
{
    roost_scope s;
    int r = nap();

    (void)arg;
    if (r < 0) {
        roost_shield_enter(&s, ROOST_SEC(1000));
        roost_ignore(roost_sleep(ROOST_SEC(30)));
        roost_ignore(roost_scope_leave(&s, 0));
    }
    return r;
}

static void how_long_a_cancelled_body_may_go_on_is_its_own_affair(void **state)
{
    roost_torture_options o = { ONLY(ROOST_TORTURE_CANCEL) };

    (void)state;
    assert_int_equal(torture(goes_on_for_a_while, o), 0);
    o.swallow = ROOST_SEC(20);
    assert_repeats(goes_on_for_a_while, o, "was swallowed", "cancel@");
    o.varies = true; /* its cancellation is not to be seen in there */
    assert_int_equal(torture(goes_on_for_a_while, o), 0);
}

/* Its cleanup is as long as the rest. */
static int tidies_up_at_length(void *arg)
{
    int i, r = 0;

    (void)arg;
    for (i = 0; i < 200 && r >= 0; i++)
        r = nap();
    for (i = 0; i < 1500 && r < 0; i++)
        roost_ignore(roost_checkpoint());
    return r;
}

static void a_long_body_may_refuse_as_often_when_repeated(void **state)
{
    roost_torture_options o = { ONLY(ROOST_TORTURE_CANCEL) };

    (void)state;
    assert_int_equal(torture(tidies_up_at_length, o), 0);
    setenv("ROOST_TORTURE", "cancel@1", 1);
    kit_stderr_begin();
    assert_int_equal(torture(tidies_up_at_length, o), 0);
    kit_stderr_end();
    unsetenv("ROOST_TORTURE");
}

static int sleeps_so_long(void *arg)
{
    return roost_sleep(*(roost_time *)arg);
}

/* As many waits each time, in another order. */
static int takes_turns(void *arg)
{
    static int times;
    roost_time long_or_short[2] = { ROOST_MS(1), ROOST_MS(2) };
    roost_nursery n;
    int r;

    (void)arg;
    times++;
    roost_nursery_open(&n);
    r = roost_spawn(&n, sleeps_so_long, &long_or_short[times % 2]);
    if (r >= 0)
        r = roost_spawn(&n, sleeps_so_long, &long_or_short[(times + 1) % 2]);
    return roost_nursery_close(&n, r);
}

static void another_order_each_time_is_not_repeatable(void **state)
{
    (void)state;
    assert_int_equal(torture(takes_turns, (roost_torture_options){ 0 }), 1);
    assert_non_null(strstr(report.what, "other tasks ran"));
    assert_null(strstr(report.what, "alone"));
}

static void a_sweep_is_whole_or_spread_or_said_to_be_cut(void **state)
{
    (void)state;
    assert_int_equal(torture(many_naps, (roost_torture_options){ 0 }), 0);
    assert_true(report.runs > 600);
    assert_int_equal(report.runs, report.planned);
    assert_int_equal(torture(many_naps, (roost_torture_options){
        .max_runs = 16, .max_orders = -1, .pairs = -1 }), 0);
    assert_int_equal(report.runs, 2 + 16);
    assert_true(report.schedules > 0 && report.points > 0);
    assert_int_equal(torture(many_naps, (roost_torture_options){
        .max_time = 1 }), 0);
    assert_int_equal(report.runs, 2);
    assert_true(report.planned > 600);
}

/* With arguments: one body that fails. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_that_ends_early_but_well_has_failed),
        cmocka_unit_test(a_body_that_cannot_be_run_has_not_passed),
        cmocka_unit_test(a_program_may_have_its_own_idea_of_children),
        cmocka_unit_test(what_a_run_alone_does_not_show_is_told_to_be_so),
        cmocka_unit_test(calls_are_counted_alike_when_repeated_aloud),
        cmocka_unit_test(of_what_was_said_the_dying_run_is_quoted),
        cmocka_unit_test(a_short_limit_is_told_as_it_is),
#if !defined(ROOST__ASAN) && !defined(ROOST__TSAN)
        cmocka_unit_test(an_overflow_is_told_with_its_task),
#endif
        cmocka_unit_test(the_line_is_fit_for_a_shell),
        cmocka_unit_test(of_an_assert_its_line_is_told),
        cmocka_unit_test(the_end_of_a_long_body_is_struck_too),
        cmocka_unit_test(of_many_visits_those_that_differ_are_struck),
        cmocka_unit_test(a_call_fails_in_each_of_its_ways),
        cmocka_unit_test(only_what_breaks_gives_a_broken_pipe),
        cmocka_unit_test(texts_that_were_not_freed_are_found),
        cmocka_unit_test(a_loss_of_what_was_there_is_found),
        cmocka_unit_test(orders_are_as_their_plan_says),
        cmocka_unit_test(what_takes_two_is_found_and_repeated),
        cmocka_unit_test(of_a_plan_only_what_it_takes_is_told),
        cmocka_unit_test(a_late_deadline_comes_in_real_time_too),
        cmocka_unit_test(how_long_a_cancelled_body_may_go_on_is_its_own_affair),
        cmocka_unit_test(a_long_body_may_refuse_as_often_when_repeated),
        cmocka_unit_test(another_order_each_time_is_not_repeatable),
        cmocka_unit_test(a_sweep_is_whole_or_spread_or_said_to_be_cut),
    };

    (void)argv;
    if (argc > 1)
        return roost_torture(leaks, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
