/* test_signals_refused.c - claims about signals that cannot be received, and
 *                          about those that a host's loop has.
 */
#include "rules/signals.h"

#include <ev.h>

#include "core/sys.h"
#include "rules/wrong.h"

static void some_handler(int sig)
{
    (void)sig;
}

/* ---- refusals ---- */

/* A list with something that cannot be has no effect at all. */
static void refused(const int *signals, int code, const char *words)
{
    struct sigaction before = action_of(SIGUSR1), after;
    roost_signals other = open_one(SIGHUP), s = other;

    roost_fail(-EIO, "so that a new chain begins");
    EXPECT_INT(roost_signals_open_at(&s, signals, "open.c:1"), code);
    EXPECT_HAS(kit_error(roost_error_of(code)), words);
    EXPECT_HAS(kit_error(roost_error_of(code)), "open.c:1");
    EXPECT_INT(roost_signals_nowait(&s), -EBADF);
    roost_signals_close(&s); /* what was in it by chance stays open */
    EXPECT_INT(roost_signals_nowait(&other), -EAGAIN);
    roost_signals_close(&other);
    after = action_of(SIGUSR1);
    EXPECT(same_action(&before, &after));
    EXPECT(!roost__rt->alarm.first);
}

IN_TASK(what_cannot_be_received_is_refused_with_words)
{
    int bad[] = { SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
                  SIGSYS, SIGABRT, -1, 32, 33, 65, 1000, INT32_MAX, INT32_MIN };
    char words[60];
    size_t i;

    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(words, sizeof words, "signal %d cannot be received", bad[i]);
        refused((int[]){ bad[i], 0 }, -EINVAL, words);
        refused((int[]){ SIGUSR1, bad[i], SIGUSR2, 0 }, -EINVAL, words);
    }
    refused((int[]){ 0 }, -EINVAL, "the list names no signal");
    refused(NULL, -EINVAL, "the list names no signal");
    return 0;
}

static void on_siginfo(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info, (void)context;
}

IN_TASK(a_signal_that_has_a_handler_is_refused_and_the_handler_named)
{
    struct sigaction act = { .sa_sigaction = on_siginfo,
                             .sa_flags = SA_SIGINFO };
    char words[60];

    set_handler(SIGUSR2, some_handler);
    snprintf(words, sizeof words, "signal %d has a handler, some_handler;",
             SIGUSR2);
    refused((int[]){ SIGUSR1, SIGUSR2, 0 }, -EBUSY, words);
    EXPECT(action_of(SIGUSR2).sa_handler == some_handler);
    EXPECT_INT(sigaction(SIGUSR2, &act, NULL), 0);
    refused((int[]){ SIGUSR2, SIGUSR1, 0 }, -EBUSY, "a handler, on_siginfo;");
    EXPECT(action_of(SIGUSR2).sa_sigaction == on_siginfo);
    signal(SIGUSR2, SIG_DFL);
    return 0;
}

static void on_ev_signal(struct ev_loop *loop, ev_signal *w, int events)
{
    (void)loop, (void)events;
    ++*(int *)w->data;
}

static int beside_the_host(void *arg)
{
    struct ev_loop *loop = arg;
    roost_signals s = { 0 };
    int count = 0;
    ev_signal host;

    ev_signal_init(&host, on_ev_signal, SIGUSR1);
    host.data = &count;
    ev_signal_start(loop, &host);
    refused((int[]){ SIGUSR2, SIGUSR1, 0 }, -EBUSY, "has a handler, ");
    s = open_one(SIGUSR2);
    send_self(SIGUSR2);
    send_self(SIGUSR1);
    EXPECT_INT(roost_signals_wait(&s), SIGUSR2);
    look();
    EXPECT_INT(count, 1);
    ev_signal_stop(loop, &host);
    roost_signals_close(&s);
    s = open_one(SIGUSR1);
    send_self(SIGUSR1);
    EXPECT_INT(roost_signals_wait(&s), SIGUSR1);
    EXPECT_INT(count, 1);
    roost_signals_close(&s);
    return 0;
}

static void an_ev_signal_of_the_hosts_loop_is_a_handler(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };
    ev_signal host;

    (void)state;
    o.loop = ev_loop_new(EVFLAG_AUTO);
    ev_signal_init(&host, on_ev_signal, SIGUSR1);
    ev_signal_start(o.loop, &host); /* makes its descriptors, which stay */
    ev_signal_stop(o.loop, &host);
    assert_int_equal(kit_run_with(&o, beside_the_host, o.loop), 0);
    ev_loop_destroy(o.loop);
}

/* ---- in a host's loop ---- */

struct host {
    ev_timer timer;
    bool listening;
    int sent, seen, r; /* the root's result, once it is over */
};

/* As a callback of the host meets it; the next when the one before was seen. */
static void on_round(struct ev_loop *loop, ev_timer *w, int events)
{
    struct host *h = w->data;

    (void)events;
    if (!h->listening || h->sent > h->seen)
        return;
    if (h->sent == 10) {
        ev_timer_stop(loop, w);
        return;
    }
    h->sent++;
    raise(SIGUSR1);
}

static int guest_counts(void *arg)
{
    roost_signals s = open_one(SIGUSR1);
    struct host *h = arg;
    int r = 0;

    h->listening = true;
    while (h->seen < 10 && r >= 0) {
        r = ROOST_WITHIN(ROOST_SEC(20), roost_signals_wait(&s));
        h->seen++;
    }
    roost_signals_close(&s);
    return r;
}

static void guest_is_over(int result, void *arg)
{
    ((struct host *)arg)->r = result;
}

static void a_guest_is_woken_in_its_hosts_loop_G1(void **state)
{
    int fds = kit_descriptors();
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct host h = { 0 };

    (void)state;
    assert_non_null(roost_attach(loop, guest_counts, &h, guest_is_over, &h));
    ev_timer_init(&h.timer, on_round, 0.001, 0.001);
    h.timer.data = &h;
    ev_timer_start(loop, &h.timer);
    ev_run(loop, 0);
    assert_int_equal(h.sent, 10);
    assert_int_equal(h.r, SIGUSR1);
    assert_true(signal(SIGUSR1, SIG_DFL) == SIG_DFL);
    ev_loop_destroy(loop);
    assert_int_equal(kit_descriptors(), fds);
}

/* ---- what the system refuses ---- */

static int fail_at; /* this call of the table fails, the others do not */
static int calls;

static bool fails_now(int code)
{
    if (++calls != fail_at)
        return false;
    errno = code;
    return true;
}

static void *failing_alloc(size_t bytes)
{
    return fails_now(ENOMEM) ? NULL : roost__sys_default.alloc(bytes);
}

static int failing_eventfd(unsigned count, int flags)
{
    return fails_now(EMFILE) ? -1 : roost__sys_default.eventfd(count, flags);
}

static int failing_sigaction(int sig, const struct sigaction *now,
                             struct sigaction *ret_before)
{
    return fails_now(EPERM) ? -1
                            : roost__sys_default.sigaction(sig, now, ret_before);
}

/* Two signals, with the call of that number failing; its result. */
static int open_failing(roost_signals *s, int at)
{
    struct sigaction before[2] = { action_of(SIGUSR1), action_of(SIGUSR2) };
    struct sigaction after[2];
    struct roost__source *first = roost__rt->alarm.first;
    int r;

    calls = 0;
    fail_at = at;
    r = roost_signals_open(s, (int[]){ SIGUSR1, SIGUSR2, 0 });
    fail_at = 0;
    if (r >= 0)
        return r;
    EXPECT_INT(roost_signals_nowait(s), -EBADF);
    EXPECT(roost__rt->alarm.first == first);
    after[0] = action_of(SIGUSR1);
    after[1] = action_of(SIGUSR2);
    EXPECT(same_action(&before[0], &after[0]));
    EXPECT(same_action(&before[1], &after[1]));
    return r;
}

static int opens_with_faults(void *arg)
{
    roost_signals s = { 0 }, other;
    int r, at;

    (void)arg;
    EXPECT_INT(open_failing(&s, 1), -ENOMEM);
    EXPECT_INT(open_failing(&s, 2), -EMFILE);
    other = open_one(SIGHUP); /* the descriptor stays from here on */
    EXPECT_INT(open_failing(&s, 1), -ENOMEM);
    for (at = 2; (r = open_failing(&s, at)) < 0 && at < 50; at++)
        EXPECT_INT(r, -EPERM);
    EXPECT_INT(at, 8); /* two looks, then a look and a change for each */
    send_self(SIGUSR2);
    EXPECT_INT(roost_signals_wait(&s), SIGUSR2);
    roost_signals_close(&s);
    roost_signals_close(&other);
    return 0;
}

static void an_open_that_fails_anywhere_changes_nothing(void **state)
{
    struct roost_sys sys = roost__sys_default;
    roost_options o = { .sys = &sys };

    (void)state;
    sys.alloc = failing_alloc;
    sys.eventfd = failing_eventfd;
    sys.sigaction = failing_sigaction;
    assert_int_equal(kit_run_with(&o, opens_with_faults, NULL), 0);
}

/* ---- misuse ---- */

static int opens_outside(void *arg)
{
    roost_signals s;

    (void)arg;
    return roost_signals_open_at(&s, (int[]){ SIGUSR1, 0 }, "open.c:1");
}

static int waits_outside(void *arg)
{
    roost_signals s = { 0 };

    (void)arg;
    return roost_signals_wait(&s);
}

static void a_receiver_wants_a_run_T5(void **state)
{
    static const struct wrong wrong[] = {
        { opens_outside, { "roost_signals_open at open.c:1", "outside a task" } },
        { waits_outside, { "roost_signals_wait was called outside a task" } },
    };

    (void)state;
    ALL_DIE_OUTSIDE(wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_received_is_refused_with_words),
        cmocka_unit_test(
            a_signal_that_has_a_handler_is_refused_and_the_handler_named),
        cmocka_unit_test(an_ev_signal_of_the_hosts_loop_is_a_handler),
        cmocka_unit_test(a_guest_is_woken_in_its_hosts_loop_G1),
        cmocka_unit_test(an_open_that_fails_anywhere_changes_nothing),
        cmocka_unit_test(a_receiver_wants_a_run_T5),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
