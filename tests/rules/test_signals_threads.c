/* test_signals_threads.c - claims about signals that other threads and processes
 *                          send, and about receivers in several runs at once.
 *
 * EXPECT is not made for threads, so tasks there return what they found.
 */
#define _GNU_SOURCE
#include "rules/signals.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "core/sys.h"

enum { THREADS = 4, ROUNDS = 50, PINGS = 1000, STORM = 10000, CHURN = 200 };

/* A signal that is lost shows as -ETIMEDOUT. */
static int next_of(roost_signals *s)
{
    return ROOST_WITHIN(ROOST_SEC(30), roost_signals_wait(s));
}

static int open_usr1(roost_signals *s)
{
    return roost_signals_open(s, (int[]){ SIGUSR1, 0 });
}

/* ---- from another process ---- */

static pid_t fork_sender(void (*fn)(pid_t to, const int *ack), const int *ack)
{
    pid_t parent = getpid(), pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        alarm(60);
        fn(parent, ack);
        _exit(0);
    }
    return pid;
}

static void send_pings(pid_t to, const int *ack)
{
    char byte;
    int i;

    for (i = 0; i < PINGS; i++) {
        kill(to, SIGUSR1);
        if (read(ack[0], &byte, 1) != 1)
            _exit(1);
    }
}

static int answers(void *arg)
{
    roost_signals s = open_one(SIGUSR1);
    int ack[2], i, status = -1;
    pid_t pid;

    (void)arg;
    EXPECT_INT(pipe(ack), 0);
    pid = fork_sender(send_pings, ack);
    for (i = 0; i < PINGS; i++) {
        int r = next_of(&s);

        if (r != SIGUSR1) {
            EXPECT_INT(r, SIGUSR1);
            break;
        }
        EXPECT_INT(write(ack[1], "x", 1), 1);
        if (i % 7 == 0)
            EXPECT_INT(roost_checkpoint(), 0);
    }
    close(ack[0]);
    close(ack[1]);
    EXPECT_INT(waitpid(pid, &status, 0), pid);
    EXPECT_INT(status, 0);
    expect_empty(&s);
    roost_signals_close(&s);
    return 0;
}

/* The next is sent when the one before was handed out, so none may merge. */
static void a_thousand_signals_one_by_one_all_arrive_X6(void **state)
{
    struct catcher c;

    (void)state;
    catch_elsewhere(&c);
    assert_int_equal(kit_run_with(&(roost_options){ 0 }, answers, NULL), 0);
    catch_here(&c);
}

static void send_storm(pid_t to, const int *ack)
{
    int i;

    (void)ack;
    for (i = 0; i < STORM; i++)
        kill(to, i % 3 ? SIGUSR1 : SIGHUP);
    kill(to, SIGUSR2);
}

static int sits_out_a_storm(void *arg)
{
    roost_signals s = open_two(SIGUSR1, SIGUSR2), t = open_one(SIGHUP);
    int r = 0, count = 0, status = -1;
    pid_t pid = fork_sender(send_storm, NULL);

    (void)arg;
    while (r >= 0 && r != SIGUSR2) {
        r = next_of(&s);
        count++;
    }
    EXPECT_INT(r, SIGUSR2);
    EXPECT(count > 1 && count <= STORM + 1);
    EXPECT_INT(waitpid(pid, &status, 0), pid);
    EXPECT_INT(status, 0);
    EXPECT_INT(next_of(&t), SIGHUP);
    while (roost_signals_nowait(&s) >= 0)
        ;
    EXPECT_INT(kill(getpid(), SIGUSR1), 0);
    EXPECT_INT(next_of(&s), SIGUSR1);
    roost_signals_close(&s);
    roost_signals_close(&t);
    return 0;
}

static void ten_thousand_signals_at_once_lose_none_X6(void **state)
{
    struct catcher c;

    (void)state;
    catch_elsewhere(&c);
    assert_int_equal(kit_run_with(&(roost_options){ 0 }, sits_out_a_storm, NULL),
                     0);
    catch_here(&c);
}

/* ---- several runs ---- */

static pthread_barrier_t barrier;

static int sees_every_round(void *arg)
{
    roost_signals s[2];
    int i, r = open_usr1(&s[0]);

    (void)arg;
    if (r >= 0)
        r = open_usr1(&s[1]);
    for (i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&barrier); /* all listen */
        if (r >= 0)
            r = next_of(&s[0]) == SIGUSR1 ? 0 : -EIO;
        if (r >= 0)
            r = next_of(&s[1]) == SIGUSR1 ? 0 : -EIO;
        if (r >= 0 && roost_signals_nowait(&s[0]) != -EAGAIN)
            r = -EPROTO;
        pthread_barrier_wait(&barrier); /* all have seen it */
    }
    roost_signals_close(&s[0]);
    roost_signals_close(&s[1]);
    return r;
}

struct job {
    pthread_t thread;
    roost_task_fn *fn;
    void *arg;
    roost_options o;
    int r;
};

static void *run_job(void *arg)
{
    struct job *j = arg;

    j->r = roost_run_with(&j->o, j->fn, j->arg);
    return NULL;
}

static void start_job(struct job *j, roost_task_fn *fn, void *arg)
{
    j->fn = fn;
    j->arg = arg;
    assert_int_equal(pthread_create(&j->thread, NULL, run_job, j), 0);
}

static void each_run_sees_each_signal_once_X6_G4(void **state)
{
    struct job jobs[THREADS] = { 0 };
    struct catcher c;
    int i;

    (void)state;
    catch_elsewhere(&c);
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (i = 0; i < THREADS; i++) {
        jobs[i].o.clock = i % 2 ? ROOST_CLOCK_VIRTUAL : ROOST_CLOCK_REAL;
        jobs[i].o.hold_clock = ROOST_HOLD_IO;
        start_job(&jobs[i], sees_every_round, NULL);
    }
    for (i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&barrier);
        if (i % 2 || UNDER_TSAN)
            kill(getpid(), SIGUSR1);
        else
            pthread_kill(jobs[i % THREADS].thread, SIGUSR1);
        pthread_barrier_wait(&barrier);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(jobs[i].thread, NULL);
        assert_int_equal(jobs[i].r, 0);
    }
    pthread_barrier_destroy(&barrier);
    catch_here(&c);
    assert_true(signal(SIGUSR1, SIG_DFL) == SIG_DFL);
}

/* ---- receivers that come and go in a storm ---- */

static atomic_int storm_is_over;

static void *storms(void *arg)
{
    (void)arg;
    while (!atomic_load(&storm_is_over)) {
        kill(getpid(), SIGUSR1);
        sched_yield();
    }
    return NULL;
}

static int churns(void *arg)
{
    roost_signals s = { 0 };
    int r = open_usr1(&s);

    if (r >= 0 && *(int *)arg % 2)
        r = next_of(&s) == SIGUSR1 ? 0 : -EIO;
    roost_signals_close(&s);
    return r;
}

static void *churns_runs(void *arg)
{
    struct job *j = arg;
    int i;

    for (i = 0; i < CHURN && j->r >= 0; i++)
        j->r = roost_run(churns, &i);
    return NULL;
}

/* Memory and descriptors go while handlers run in other threads. */
static void receivers_may_come_and_go_in_a_storm(void **state)
{
    struct job jobs[2] = { 0 };
    struct catcher c;
    pthread_t storm;
    int i;

    (void)state;
#ifdef __aarch64__
    skip(); /* qemu-user calls SIG_IGN when an action changes under a signal */
#endif
    catch_elsewhere(&c);
    signal(SIGUSR1, SIG_IGN);
    atomic_store(&storm_is_over, 0);
    assert_int_equal(pthread_create(&storm, NULL, storms, NULL), 0);
    for (i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&jobs[i].thread, NULL, churns_runs,
                                        &jobs[i]), 0);
    for (i = 0; i < 2; i++) {
        pthread_join(jobs[i].thread, NULL);
        assert_int_equal(jobs[i].r, 0);
    }
    atomic_store(&storm_is_over, 1);
    pthread_join(storm, NULL);
    catch_here(&c);
    assert_true(signal(SIGUSR1, SIG_DFL) == SIG_IGN);
}

/* The handler meets its own thread at any instruction: in open and close, with
 * the lock held, while it changes stacks. */
static int meets_an_alarm(void *arg)
{
    struct itimerval often = { { 0, 50 }, { 0, 50 } }, never = { 0 };
    roost_signals all = open_one(SIGALRM), s;
    int i, r;

    (void)arg;
    EXPECT_INT(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (i = 0; i < 5000; i++) {
        s = open_two(SIGALRM, SIGUSR1);
        EXPECT_INT(roost_checkpoint(), 0);
        r = roost_signals_nowait(&s);
        EXPECT(r == SIGALRM || r == -EAGAIN);
        roost_signals_close(&s);
    }
    EXPECT_INT(next_of(&all), SIGALRM);
    EXPECT_INT(next_of(&all), SIGALRM);
    EXPECT_INT(setitimer(ITIMER_REAL, &never, NULL), 0);
    roost_signals_close(&all);
    return 0;
}

static void a_handler_may_interrupt_anything(void **state)
{
    struct catcher c;

    (void)state;
    signal(SIGALRM, SIG_IGN); /* the last one may be late */
    catch_elsewhere(&c);
    assert_int_equal(kit_run_with(&(roost_options){ 0 }, meets_an_alarm, NULL), 0);
    catch_here(&c);
    assert_true(signal(SIGALRM, SIG_DFL) == SIG_IGN);
}

/* ---- a receiver of another thread's run ---- */

static int waits_for_foreign(void *arg)
{
    return roost_signals_nowait(arg);
}

static int closes_foreign(void *arg)
{
    roost_signals_close(arg);
    return 0;
}

static int lends(roost_task_fn *fn)
{
    static const int wanted[] = { SIGUSR1, 0 };
    struct job j = { .fn = fn };
    roost_signals s;
    int r = roost_signals_open_at(&s, wanted, "open.c:1");

    j.arg = &s;
    if (r >= 0 && pthread_create(&j.thread, NULL, run_job, &j) == 0)
        pthread_join(j.thread, NULL);
    return r;
}

static int lends_to_a_waiter(void *arg)
{
    (void)arg;
    return lends(waits_for_foreign);
}

static int lends_to_a_closer(void *arg)
{
    (void)arg;
    return lends(closes_foreign);
}

static void a_receiver_of_another_run_is_misuse_G4(void **state)
{
    (void)state;
    kit_dies(lends_to_a_waiter, NULL, "roost_signals_nowait was given signals",
             "another thread's run opened at open.c:1", NULL);
    kit_dies(lends_to_a_closer, NULL, "roost_signals_close was given signals",
             "another thread's run opened at open.c:1", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_signals_one_by_one_all_arrive_X6),
        cmocka_unit_test(ten_thousand_signals_at_once_lose_none_X6),
        cmocka_unit_test(each_run_sees_each_signal_once_X6_G4),
        cmocka_unit_test(receivers_may_come_and_go_in_a_storm),
        cmocka_unit_test(a_handler_may_interrupt_anything),
        cmocka_unit_test(a_receiver_of_another_run_is_misuse_G4),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
