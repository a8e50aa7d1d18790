/* test_signals_actions.c - claims about what opening and closing receivers does
 *                          to the actions of the process.
 */
#include "rules/signals.h"

#include <sys/wait.h>

#include "core/sys.h"

static void some_handler(int sig)
{
    (void)sig;
}

/* ---- the action of before ---- */

static const struct {
    void (*handler)(int sig);
    int flags, masked;
} befores[] = {
    { SIG_DFL, 0, 0 },
    { SIG_IGN, 0, 0 },
    { SIG_IGN, SA_RESTART | SA_NODEFER, SIGUSR2 },
    { SIG_DFL, SA_SIGINFO | SA_ONSTACK | SA_NOCLDSTOP, SIGHUP },
};

static struct sigaction set_before(size_t i)
{
    struct sigaction act = { .sa_handler = befores[i].handler,
                             .sa_flags = befores[i].flags };

    sigemptyset(&act.sa_mask);
    if (befores[i].masked)
        sigaddset(&act.sa_mask, befores[i].masked);
    EXPECT_INT(sigaction(SIGUSR1, &act, NULL), 0);
    return action_of(SIGUSR1); /* the C library adds to the flags */
}

IN_TASK(the_last_to_close_gives_the_action_of_before_back_to_the_bit)
{
    struct sigaction before, now;
    roost_signals s, t;
    size_t i;

    for (i = 0; i < sizeof befores / sizeof *befores; i++) {
        before = set_before(i);
        s = open_one(SIGUSR1);
        t = open_two(SIGUSR2, SIGUSR1);
        now = action_of(SIGUSR1);
        EXPECT(!same_action(&before, &now));
        EXPECT((now.sa_flags & (SA_ONSTACK | SA_RESTART)) ==
               (SA_ONSTACK | SA_RESTART));
        EXPECT_INT(sigismember(&now.sa_mask, SIGTERM), 1); /* none nests */
        roost_signals_close(&s);
        send_self(SIGUSR1);
        EXPECT_INT(roost_signals_wait(&t), SIGUSR1);
        roost_signals_close(&t);
        now = action_of(SIGUSR1);
        EXPECT(same_action(&before, &now));
    }
    signal(SIGUSR1, SIG_DFL);
    return 0;
}

IN_TASK(what_becomes_of_children_is_left_as_it_was)
{
    struct sigaction act = { .sa_handler = SIG_DFL,
                             .sa_flags = SA_NOCLDSTOP | SA_NOCLDWAIT };
    roost_signals s;

    EXPECT_INT(sigaction(SIGCHLD, &act, NULL), 0);
    s = open_one(SIGCHLD);
    EXPECT_INT(action_of(SIGCHLD).sa_flags & (SA_NOCLDSTOP | SA_NOCLDWAIT),
               SA_NOCLDSTOP | SA_NOCLDWAIT);
    roost_signals_close(&s);
    signal(SIGCHLD, SIG_DFL);
    return 0;
}

/* Who ignores SIGCHLD has no zombies, and no wait that finds a child. */
IN_TASK(children_of_one_who_ignored_SIGCHLD_are_not_waited_for)
{
    roost_signals s;
    pid_t pid;

    signal(SIGCHLD, SIG_IGN);
    s = open_one(SIGCHLD);
    pid = fork();
    if (pid == 0)
        _exit(3);
    pid = waitpid(pid, NULL, 0);
#ifdef __aarch64__
    pid = -1, errno = ECHILD; /* qemu-user does not hand SA_NOCLDWAIT on */
#endif
    EXPECT_INT(pid, -1);
    EXPECT_INT(errno, ECHILD);
    EXPECT(action_of(SIGCHLD).sa_flags & SA_NOCLDWAIT);
    roost_signals_close(&s);
    EXPECT(action_of(SIGCHLD).sa_handler == SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    return 0;
}

IN_TASK(an_action_that_somebody_set_meanwhile_is_left_alone)
{
    static void (*const theirs[])(int) = { some_handler, SIG_IGN, SIG_DFL };
    roost_signals s;
    size_t i;

    for (i = 0; i < 3; i++) {
        signal(SIGUSR1, i == 2 ? SIG_IGN : SIG_DFL);
        s = open_one(SIGUSR1);
        set_handler(SIGUSR1, theirs[i]);
        roost_signals_close(&s);
        EXPECT(action_of(SIGUSR1).sa_handler == theirs[i]);
    }
    return 0;
}

/* Somebody took the signal away from an open receiver. The next one takes it
 * again, and gives back what it has found. */
IN_TASK(a_signal_that_was_taken_away_is_taken_again_by_the_next)
{
    roost_signals s, t;

    signal(SIGUSR1, SIG_DFL);
    s = open_one(SIGUSR1);
    signal(SIGUSR1, SIG_IGN);
    t = open_one(SIGUSR1);
    send_self(SIGUSR1);
    EXPECT_INT(roost_signals_wait(&s), SIGUSR1);
    EXPECT_INT(roost_signals_wait(&t), SIGUSR1);
    roost_signals_close(&s);
    roost_signals_close(&t);
    EXPECT(action_of(SIGUSR1).sa_handler == SIG_IGN);
    signal(SIGUSR1, SIG_DFL);
    return 0;
}

/* They took it for a while and put ours back when nobody listened any more. */
IN_TASK(our_handler_put_back_by_others_is_not_taken_for_the_action_of_before)
{
    struct sigaction ours;
    roost_signals s;

    signal(SIGUSR1, SIG_DFL);
    s = open_one(SIGUSR1);
    ours = action_of(SIGUSR1);
    set_handler(SIGUSR1, some_handler);
    roost_signals_close(&s);
    EXPECT_INT(sigaction(SIGUSR1, &ours, NULL), 0);
    send_self(SIGUSR1); /* nobody listens */
    s = open_one(SIGUSR1);
    expect_empty(&s);
    send_self(SIGUSR1);
    EXPECT_INT(roost_signals_wait(&s), SIGUSR1);
    roost_signals_close(&s);
    EXPECT(action_of(SIGUSR1).sa_handler == SIG_DFL);
    return 0;
}

IN_TASK(no_signal_mask_is_touched)
{
    sigset_t before, now;
    roost_signals s;
    int sig;

    pthread_sigmask(SIG_SETMASK, NULL, &before);
    s = open_two(SIGUSR1, SIGUSR2);
    send_self(SIGUSR1);
    EXPECT_INT(roost_signals_wait(&s), SIGUSR1);
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    for (sig = 1; sig <= SIGRTMAX; sig++)
        EXPECT_INT(sigismember(&now, sig), sigismember(&before, sig));
    roost_signals_close(&s);
    return 0;
}

/* Blocked, it waits in the kernel; unblocked, it comes. */
IN_TASK(a_blocked_signal_comes_when_it_is_unblocked)
{
    roost_signals s = open_one(SIGUSR1);
    sigset_t one;

    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &one, NULL);
    send_self(SIGUSR1);
    expect_empty(&s);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    EXPECT_INT(roost_signals_wait(&s), SIGUSR1);
    roost_signals_close(&s);
    return 0;
}

IN_TASK(SIGPIPE_is_a_signal_like_any_other)
{
    struct sigaction before, after;
    roost_signals s;
    int fd[2];

    signal(SIGPIPE, SIG_IGN);
    before = action_of(SIGPIPE);
    s = open_one(SIGPIPE);
    EXPECT_INT(pipe(fd), 0);
    close(fd[0]);
    EXPECT_INT(write(fd[1], "x", 1), -1);
    EXPECT_INT(errno, EPIPE);
    close(fd[1]);
    EXPECT_INT(roost_signals_wait(&s), SIGPIPE);
    roost_signals_close(&s);
    after = action_of(SIGPIPE);
    EXPECT(same_action(&before, &after));
    signal(SIGPIPE, SIG_DFL);
    return 0;
}

/* ---- a signal at the very moment ---- */

/* One that comes right after an action was changed, before anything else. */
static int raising_sigaction(int sig, const struct sigaction *now,
                             struct sigaction *ret_before)
{
    int r = roost__sys_default.sigaction(sig, now, ret_before);

    if (now && sig == SIGUSR1)
        raise(sig);
    return r;
}

static int opens_in_a_storm(void *arg)
{
    roost_signals s = open_one(SIGUSR1);

    (void)arg;
    EXPECT_INT(roost_signals_nowait(&s), SIGUSR1);
    roost_signals_close(&s);
    return 0;
}

static void from_the_first_moment_on_none_is_swallowed_X6(void **state)
{
    struct roost_sys sys = roost__sys_default;
    roost_options o = { .sys = &sys };

    (void)state;
    sys.sigaction = raising_sigaction;
    signal(SIGUSR1, SIG_IGN);
    assert_int_equal(kit_run_with(&o, opens_in_a_storm, NULL), 0);
    assert_true(signal(SIGUSR1, SIG_DFL) == SIG_IGN);
}

/* ---- the end of the run ---- */

static int opens_and_forgets(void *arg)
{
    static const int wanted[] = { SIGUSR1, SIGHUP, 0 };
    roost_signals s = { 0 };

    if (roost_signals_open_at(&s, wanted, "open.c:7") < 0)
        return -EIO;
    if (arg)
        *(roost_signals *)arg = s;
    return 0;
}

static int forgets_in_a_child(void *arg)
{
    ROOST_NURSERY(n);
    roost_spawn(n, opens_and_forgets, arg);
    roost_spawn(n, opens_and_forgets, NULL);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    send_self(SIGUSR1); /* the frames are gone */
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    return 0;
}

static int closes_late(void *arg)
{
    roost_signals_close(arg);
    return 0;
}

static void the_end_of_the_run_closes_and_says_so_T7(void **state)
{
    roost_signals s;
    const char *said;
    int r;

    (void)state;
    kit_stderr_begin();
    r = kit_run(forgets_in_a_child, &s);
    said = kit_stderr_end();
    assert_int_equal(r, 0);
    assert_non_null(strstr(said, "roost: the signals opened at open.c:7 were "
                                 "still open at the end of the run"));
    assert_true(signal(SIGUSR1, SIG_DFL) == SIG_DFL);
    assert_true(signal(SIGHUP, SIG_DFL) == SIG_DFL);
    assert_int_equal(kit_run(closes_late, &s), 0);
    roost_signals_close(&s); /* closed, and outside */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            the_last_to_close_gives_the_action_of_before_back_to_the_bit),
        cmocka_unit_test(what_becomes_of_children_is_left_as_it_was),
        cmocka_unit_test(
            children_of_one_who_ignored_SIGCHLD_are_not_waited_for),
        cmocka_unit_test(an_action_that_somebody_set_meanwhile_is_left_alone),
        cmocka_unit_test(
            a_signal_that_was_taken_away_is_taken_again_by_the_next),
        cmocka_unit_test(
            our_handler_put_back_by_others_is_not_taken_for_the_action_of_before),
        cmocka_unit_test(no_signal_mask_is_touched),
        cmocka_unit_test(a_blocked_signal_comes_when_it_is_unblocked),
        cmocka_unit_test(SIGPIPE_is_a_signal_like_any_other),
        cmocka_unit_test(from_the_first_moment_on_none_is_swallowed_X6),
        cmocka_unit_test(the_end_of_the_run_closes_and_says_so_T7),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
