/* test_signals.c - claims about receivers of signals within one run: what is
 *                  handed out, and to whom.
 */
#define _GNU_SOURCE
#include "rules/signals.h"

#include <pthread.h>
#include <sys/wait.h>

/* ---- what is handed out ---- */

static int sent_before(void *arg)
{
    roost_signals s = open_one(SIGUSR1);

    (void)arg;
    expect_empty(&s);
    send_self(SIGUSR1);
    EXPECT_INT(roost_signals_wait(&s), SIGUSR1);
    expect_empty(&s);
    send_self(SIGUSR1);
    EXPECT_INT(roost_signals_nowait(&s), SIGUSR1);
    expect_empty(&s);
    EXPECT_INT(roost__rt->outside, 0);
    roost_signals_close(&s);
    return 0;
}

static void a_signal_between_two_waits_is_not_missed_X6(void **state)
{
    (void)state;
    with_clocks(sent_before);
}

static int sent_to_a_waiter(void *arg)
{
    roost_signals s = open_two(SIGUSR1, SIGHUP);
    struct taker w = { .s = &s };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, takes, &w);
    settle();
    EXPECT_INT(w.r, 0);
    EXPECT_INT(roost__rt->outside, 1);
    send_self(SIGHUP);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(w.r, SIGHUP);
    EXPECT_INT(roost__rt->outside, 0);
    expect_empty(&s);
    roost_signals_close(&s);
    return 0;
}

static void a_signal_wakes_who_waits(void **state)
{
    (void)state;
    with_clocks(sent_to_a_waiter);
}

static int busy_meanwhile(void *arg)
{
    roost_signals s = open_one(SIGUSR1);

    (void)arg;
    send_self(SIGUSR1);
    EXPECT_INT(roost_sleep(ROOST_MS(2)), 0); /* the loop is looked at */
    send_self(SIGUSR1);
    EXPECT_INT(roost_sleep(ROOST_MS(2)), 0);
    EXPECT_INT(roost_signals_wait(&s), SIGUSR1);
    expect_empty(&s);
    roost_signals_close(&s);
    return 0;
}

static void equal_pending_signals_merge_X6(void **state)
{
    (void)state;
    with_clocks(busy_meanwhile);
}

IN_TASK(different_signals_do_not_merge_X6)
{
    roost_signals s = open_two(SIGUSR1, SIGUSR2);
    int seen = 0, i;

    for (i = 0; i < 3; i++)
        send_self(i % 2 ? SIGUSR1 : SIGUSR2);
    for (i = 0; i < 2; i++)
        seen |= 1 << roost_signals_wait(&s);
    EXPECT_INT(seen, 1 << SIGUSR1 | 1 << SIGUSR2);
    expect_empty(&s);
    roost_signals_close(&s);
    return 0;
}

IN_TASK(a_signal_that_keeps_coming_holds_no_other_back)
{
    roost_signals s = open_two(SIGHUP, SIGTERM);
    int i, r = 0;

    send_self(SIGTERM);
    for (i = 0; i < 3 && r != SIGTERM; i++) {
        send_self(SIGHUP);
        r = roost_signals_wait(&s);
    }
    EXPECT_INT(r, SIGTERM);
    roost_signals_close(&s);
    return 0;
}

/* Emulators keep some of the real-time ones for themselves. */
IN_TASK(every_signal_that_can_be_received_is)
{
    int sig, classic = 0, real_time = 0;
    roost_signals s;

    for (sig = 1; sig <= SIGRTMAX; sig++) {
        if (roost_signals_open(&s, (int[]){ sig, 0 }) < 0)
            continue;
        if (raise(sig) == 0) {
            EXPECT_INT(roost_signals_nowait(&s), sig);
            ++*(sig <= 31 ? &classic : &real_time);
        }
        roost_signals_close(&s);
    }
    EXPECT_INT(classic, 31 - 9);
    EXPECT(real_time > 20);
    return 0;
}

IN_TASK(a_signal_named_twice_counts_once)
{
    struct sigaction before = action_of(SIGUSR1), after;
    roost_signals s = { 0 };

    EXPECT_INT(roost_signals_open(&s, (int[]){ SIGUSR1, SIGUSR1, SIGUSR1, 0 }), 0);
    send_self(SIGUSR1);
    EXPECT_INT(roost_signals_wait(&s), SIGUSR1);
    expect_empty(&s);
    roost_signals_close(&s);
    after = action_of(SIGUSR1);
    EXPECT(same_action(&before, &after));
    return 0;
}

/* ---- several receivers ---- */

IN_TASK(each_receiver_sees_each_signal_once_X6)
{
    roost_signals s[3] = { open_one(SIGUSR1), open_two(SIGUSR1, SIGUSR2),
                           open_one(SIGUSR2) };
    struct taker w[3] = { { .s = &s[0] }, { .s = &s[1] }, { .s = &s[2] } };
    int i;

    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++)
        roost_spawn(n, takes, &w[i]);
    settle();
    send_self(SIGUSR1);
    look();
    EXPECT_INT(w[0].r, SIGUSR1);
    EXPECT_INT(w[1].r, SIGUSR1);
    EXPECT_INT(w[2].r, 0);
    send_self(SIGUSR2);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(w[2].r, SIGUSR2);
    EXPECT_INT(roost_signals_nowait(&s[1]), SIGUSR2);
    for (i = 0; i < 3; i++) {
        expect_empty(&s[i]);
        roost_signals_close(&s[i]);
    }
    return 0;
}

IN_TASK(a_receiver_does_not_see_what_came_before_it_was_opened_X6)
{
    roost_signals old = open_one(SIGUSR1), new;

    send_self(SIGUSR1);
    new = open_one(SIGUSR1);
    look();
    expect_empty(&new);
    EXPECT_INT(roost_signals_nowait(&old), SIGUSR1);
    roost_signals_close(&new);
    send_self(SIGUSR1);
    roost_signals_close(&old);
    old = open_one(SIGUSR1);
    look();
    expect_empty(&old);
    roost_signals_close(&old);
    return 0;
}

IN_TASK(those_who_wait_on_one_receiver_are_served_in_order_X1)
{
    roost_signals s = open_two(SIGUSR1, SIGUSR2);
    struct taker w[3] = { { .s = &s }, { .s = &s }, { .s = &s } };
    int i;

    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++)
        roost_spawn(n, takes, &w[i]);
    settle();
    send_self(SIGUSR1);
    look();
    EXPECT_INT(w[0].r, SIGUSR1);
    EXPECT_INT(w[1].r, 0);
    send_self(SIGUSR2);
    EXPECT_INT(roost_signals_nowait(&s), -EAGAIN); /* it is the second's */
    look();
    EXPECT_INT(w[1].r, SIGUSR2);
    EXPECT_INT(w[2].r, 0);
    send_self(SIGUSR1);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(w[2].r, SIGUSR1);
    roost_signals_close(&s);
    return 0;
}

IN_TASK(two_that_arrive_together_serve_two)
{
    roost_signals s = open_two(SIGUSR1, SIGUSR2);
    struct taker w[2] = { { .s = &s }, { .s = &s } };

    ROOST_NURSERY(n);
    roost_spawn(n, takes, &w[0]);
    roost_spawn(n, takes, &w[1]);
    settle();
    send_self(SIGUSR2);
    send_self(SIGUSR1);
    look();
    EXPECT_INT(w[0].r + w[1].r, SIGUSR1 + SIGUSR2);
    roost_nursery_cancel(n, "a test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    roost_signals_close(&s);
    return 0;
}

/* ---- from outside ---- */

static int child_kills(void *arg)
{
    roost_signals s = open_two(SIGUSR1, SIGCHLD);
    int status = 0, seen = 0;
    pid_t pid;

    (void)arg;
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        kill(getppid(), SIGUSR1);
        _exit(7);
    }
    while (seen != (1 << SIGUSR1 | 1 << SIGCHLD)) {
        int r = roost_signals_wait(&s);

        EXPECT(r == SIGUSR1 || r == SIGCHLD);
        if (r < 0)
            break;
        seen |= 1 << r;
    }
    EXPECT_INT(waitpid(pid, &status, WNOHANG), pid);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    roost_signals_close(&s);
    return 0;
}

static void a_child_sends_one_and_ends_with_another(void **state)
{
    struct catcher c;

    (void)state;
    catch_elsewhere(&c);
    with_clocks(child_kills);
    catch_here(&c);
}

/* A child that goes without a receiver meets the action of before. */
static int child_execs(void *arg)
{
    roost_signals s = open_one(SIGTERM);
    int status = 0;
    pid_t pid;

    (void)arg;
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "kill -TERM $$; exit 3", (char *)NULL);
        _exit(4);
    }
    EXPECT_INT(waitpid(pid, &status, 0), pid);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    expect_empty(&s);
    roost_signals_close(&s);
    return 0;
}

static void exec_gives_a_child_the_default_action(void **state)
{
    (void)state;
    assert_int_equal(kit_run(child_execs, NULL), 0);
}

static void *sends_to_itself(void *arg)
{
    errno = EDOM;
    raise(SIGUSR1);
    *(int *)arg = errno;
    return NULL;
}

/* A thread that knows nothing of roost; its errno is its own. */
IN_TASK(the_handler_runs_in_any_thread_and_keeps_errno)
{
    roost_signals s = open_one(SIGUSR1);
    pthread_t thread;
    int kept = 0;

    EXPECT_INT(pthread_create(&thread, NULL, sends_to_itself, &kept), 0);
    EXPECT_INT(roost_signals_wait(&s), SIGUSR1);
    EXPECT_INT(pthread_join(thread, NULL), 0);
    EXPECT_INT(kept, EDOM);
    expect_empty(&s);
    roost_signals_close(&s);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_between_two_waits_is_not_missed_X6),
        cmocka_unit_test(a_signal_wakes_who_waits),
        cmocka_unit_test(equal_pending_signals_merge_X6),
        cmocka_unit_test(different_signals_do_not_merge_X6),
        cmocka_unit_test(a_signal_that_keeps_coming_holds_no_other_back),
        cmocka_unit_test(every_signal_that_can_be_received_is),
        cmocka_unit_test(a_signal_named_twice_counts_once),
        cmocka_unit_test(each_receiver_sees_each_signal_once_X6),
        cmocka_unit_test(
            a_receiver_does_not_see_what_came_before_it_was_opened_X6),
        cmocka_unit_test(those_who_wait_on_one_receiver_are_served_in_order_X1),
        cmocka_unit_test(two_that_arrive_together_serve_two),
        cmocka_unit_test(a_child_sends_one_and_ends_with_another),
        cmocka_unit_test(exec_gives_a_child_the_default_action),
        cmocka_unit_test(the_handler_runs_in_any_thread_and_keeps_errno),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
