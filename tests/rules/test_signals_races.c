/* test_signals_races.c - claims about a signal that arrives at a bad moment: while
 *                        another is taken, while its receiver closes, while
 *                        the process forks or the thread is being cancelled.
 */
#define _GNU_SOURCE
#include "rules/signals.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "core/sys.h"
#include "test/valgrind.h"

/* Valgrind runs one thread at a time: nothing can meet there. */
#define PAIRS (RUNNING_ON_VALGRIND ? 50 : 12000)

/* ---- one arrives while another is taken ---- */

static atomic_int taken;

/* The calling thread stays on the nth processor of those it may use, so that two
 * threads run at once where there are two. */
static void stay_on(int n)
{
    cpu_set_t all, one;
    size_t cpu;

    pthread_getaffinity_np(pthread_self(), sizeof all, &all);
    n %= CPU_COUNT(&all);
    for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && n-- == 0)
            break;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
}

static void *sends_pairs(void *arg)
{
    int i;

    stay_on(1);
    for (i = 0; i < PAIRS && atomic_load(&taken) >= 0; i++) {
        raise(SIGUSR1);
        raise(SIGUSR2);
        while (atomic_load(&taken) == i)
            sched_yield();
    }
    return arg;
}

/* A microsecond or two. */
static void dawdle(void)
{
    volatile int i = (int)(roost_random() % 2000);

    while (i > 0)
        i--;
}

/* Both of a pair, or false. Without a wait, and at any distance from the sender:
 * the second comes while the first is being taken. */
static bool take_pair(roost_signals *s)
{
    roost_time end = roost_after(ROOST_SEC(10));
    int seen = 0, r, spins = 0;

    while (seen != (1 << SIGUSR1 | 1 << SIGUSR2)) {
        dawdle();
        r = roost_signals_nowait(s);
        if (r > 0)
            seen |= 1 << r;
        else if (++spins % 1000 == 0 && roost_now() > end)
            return false;
        else if (spins % 100 == 0)
            sched_yield();
    }
    return true;
}

static int takes_pairs(void *arg)
{
    roost_signals s = open_two(SIGUSR1, SIGUSR2);
    pthread_t thread;
    cpu_set_t all;
    int i;

    (void)arg;
    atomic_store(&taken, 0);
    EXPECT_INT(pthread_create(&thread, NULL, sends_pairs, NULL), 0);
    pthread_getaffinity_np(pthread_self(), sizeof all, &all);
    stay_on(0);
    for (i = 0; i < PAIRS; i++) {
        if (!take_pair(&s))
            break;
        atomic_store(&taken, i + 1);
    }
    EXPECT_INT(i, PAIRS);
    pthread_setaffinity_np(pthread_self(), sizeof all, &all);
    atomic_store(&taken, -1);
    EXPECT_INT(pthread_join(thread, NULL), 0);
    roost_signals_close(&s);
    return 0;
}

static void one_that_arrives_while_another_is_taken_is_kept_X6(void **state)
{
    (void)state;
    assert_int_equal(kit_run_with(&(roost_options){ 0 }, takes_pairs, NULL), 0);
}

/* ---- close waits for handlers ---- */

static atomic_int in_handler, released, left;

/* The ring of a handler in another thread, which stays there. */
static ssize_t slow_write(int fd, const void *buf, size_t len)
{
    ssize_t r;

    atomic_store(&in_handler, 1);
    while (!atomic_load(&released))
        sched_yield();
    r = roost__sys_default.write(fd, buf, len);
    atomic_store(&left, 1);
    return r;
}

/* close() waits, so the handler may go on. */
static int releasing_nanosleep(const struct timespec *t, struct timespec *ret)
{
    atomic_store(&released, 1);
    return roost__sys_default.nanosleep(t, ret);
}

static void *raises(void *arg)
{
    raise(SIGUSR1);
    return arg;
}

static int closes_meanwhile(void *arg)
{
    roost_signals s = open_one(SIGUSR1);
    pthread_t thread;

    (void)arg;
    EXPECT_INT(pthread_create(&thread, NULL, raises, NULL), 0);
    while (!atomic_load(&in_handler))
        sched_yield();
    roost_signals_close(&s);
    EXPECT_INT(atomic_load(&left), 1);
    atomic_store(&released, 1);
    EXPECT_INT(pthread_join(thread, NULL), 0);
    return 0;
}

static void close_waits_until_no_handler_looks_at_the_receiver(void **state)
{
    struct roost_sys sys = roost__sys_default;
    roost_options o = { .sys = &sys };

    (void)state;
    sys.write = slow_write;
    sys.nanosleep = releasing_nanosleep;
    assert_int_equal(kit_run_with(&o, closes_meanwhile, NULL), 0);
}

/* ---- a handler in a thread that the child of a fork has not got ---- */

static int opens_and_closes(void)
{
    roost_signals s;
    int r = roost_signals_open(&s, (int[]){ SIGUSR1, 0 });

    roost_signals_close(&s);
    return r;
}

static int forks_meanwhile(void *arg)
{
    roost_signals s = open_one(SIGUSR1);
    pthread_t thread;
    int status = -1;
    pid_t pid;

    (void)arg;
    atomic_store(&in_handler, 0);
    atomic_store(&released, 0);
    EXPECT_INT(pthread_create(&thread, NULL, raises, NULL), 0);
    while (!atomic_load(&in_handler))
        sched_yield();
    pid = fork();
    if (pid == 0) {
        alarm(5);
        _exit(opens_and_closes() != 0);
    }
    EXPECT_INT(waitpid(pid, &status, 0), pid);
    EXPECT_INT(status, 0);
    roost_signals_close(&s);
    EXPECT_INT(pthread_join(thread, NULL), 0);
    return 0;
}

static void a_forked_child_does_not_wait_for_handlers_it_has_not_got(void **state)
{
    struct roost_sys sys = roost__sys_default;
    roost_options o = { .sys = &sys };

    (void)state;
    sys.write = slow_write;
    sys.nanosleep = releasing_nanosleep;
    assert_int_equal(kit_run_with(&o, forks_meanwhile, NULL), 0);
}

/* ---- a handler in a thread that is about to end ---- */

static void *raises_when_cancelled(void *arg)
{
    int before;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    while (!atomic_load(&released))
        sched_yield();
    pthread_setcancelstate(before, NULL);
    raise(SIGUSR1);
    atomic_store(&left, 1);
    pthread_testcancel();
    return arg;
}

static int cancels_meanwhile(void *arg)
{
    roost_signals s = open_one(SIGUSR1);
    pthread_t thread;
    void *end = NULL;

    (void)arg;
    atomic_store(&released, 0);
    atomic_store(&left, 0);
    EXPECT_INT(pthread_create(&thread, NULL, raises_when_cancelled, NULL), 0);
    EXPECT_INT(pthread_cancel(thread), 0);
    atomic_store(&released, 1);
    EXPECT_INT(pthread_join(thread, &end), 0);
    EXPECT(end == PTHREAD_CANCELED);
    EXPECT_INT(atomic_load(&left), 1);
    EXPECT_INT(roost_signals_nowait(&s), SIGUSR1);
    roost_signals_close(&s);
    return 0;
}

static void a_thread_does_not_end_inside_the_handler(void **state)
{
    (void)state;
    alarm(20); /* or close() waits for it for ever */
    assert_int_equal(kit_run_with(&(roost_options){ 0 }, cancels_meanwhile, NULL),
                     0);
    alarm(0);
}

/* ---- errno of whom the handler interrupts ---- */

static ssize_t spoiling_write(int fd, const void *buf, size_t len)
{
    ssize_t r = roost__sys_default.write(fd, buf, len);

    errno = EIO;
    return r;
}

static int is_interrupted(void *arg)
{
    roost_signals s = open_one(SIGUSR1);

    (void)arg;
    errno = ENOTTY;
    send_self(SIGUSR1);
    EXPECT_INT(errno, ENOTTY);
    EXPECT_INT(roost_signals_wait(&s), SIGUSR1);
    roost_signals_close(&s);
    return 0;
}

static void the_handler_keeps_errno(void **state)
{
    struct roost_sys sys = roost__sys_default;
    roost_options o = { .sys = &sys };

    (void)state;
    sys.write = spoiling_write;
    assert_int_equal(kit_run_with(&o, is_interrupted, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_arrives_while_another_is_taken_is_kept_X6),
        cmocka_unit_test(close_waits_until_no_handler_looks_at_the_receiver),
        cmocka_unit_test(
            a_forked_child_does_not_wait_for_handlers_it_has_not_got),
        cmocka_unit_test(a_thread_does_not_end_inside_the_handler),
        cmocka_unit_test(the_handler_keeps_errno),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
