/* test_fd_sigpipe.c - claims about SIGPIPE: never raised by a write of ours, and
 *                     what the process does with it is not touched.
 */
#define _GNU_SOURCE
#include "rules/pairs.h"

#include <pthread.h>
#include <signal.h>
#include <sys/uio.h>

#include "core/sys.h"

static volatile sig_atomic_t delivered;

static void on_pipe(int sig)
{
    (void)sig;
    delivered = delivered + 1;
}

static sigset_t mask_now(void)
{
    sigset_t mask;

    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    return mask;
}

static bool is_pending(void)
{
    sigset_t set;

    sigpending(&set);
    return sigismember(&set, SIGPIPE) == 1;
}

static void expect_same_mask(const sigset_t *before)
{
    sigset_t now = mask_now();
    int sig;

    for (sig = 1; sig < NSIG; sig++)
        EXPECT_INT(sigismember(&now, sig), sigismember(before, sig));
}

/* Written to until nobody reads: by each call, on each kind. */
static int writes(void *arg)
{
    char byte = 'x';
    struct iovec part = { &byte, 1 };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
    sigset_t before = mask_now();
    bool pending = is_pending();
    struct end pipe_end, socket_end;
    int i;

    (void)arg;
    open_write_end(&pipe_end);
    open_socket_end(&socket_end);
    for (i = 0; i < 2; i++) {
        EXPECT_INT(roost_fd_write(&pipe_end.f, &byte, 1), i ? -EPIPE : 1);
        EXPECT_INT(roost_fd_write(&socket_end.f, &byte, 1), i ? -EPIPE : 1);
        EXPECT_INT(roost_fd_sendmsg(&socket_end.f, &msg, 0), i ? -EPIPE : 1);
        expect_same_mask(&before);
        EXPECT_INT(is_pending(), pending);
        if (i == 0) {
            close(pipe_end.other);
            close(socket_end.other);
        }
    }
    roost_fd_close(&pipe_end.f);
    roost_fd_close(&socket_end.f);
    return 0;
}

static int flags_refused; /* errno; 0: the kernel is asked */
static int flag_calls;

static ssize_t old_pwritev2(int fd, const struct iovec *parts, int count,
                            off_t at, int flags)
{
    flag_calls++;
    if (!flags_refused)
        return pwritev2(fd, parts, count, at, flags);
    errno = flags_refused;
    return -1;
}

static void run_writes(void)
{
    static const int kernels[] = { 0, EOPNOTSUPP, EINVAL, ENOSYS };
    struct roost_sys sys = roost__sys_default;
    struct sigaction before, after;
    size_t i;

    sys.pwritev2 = old_pwritev2;
    for (i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        flags_refused = kernels[i];
        flag_calls = 0;
        delivered = 0;
        assert_int_equal(sigaction(SIGPIPE, NULL, &before), 0);
        assert_int_equal(kit_run_with(&(roost_options){ .sys = &sys }, writes,
                                      NULL), 0);
        assert_int_equal(sigaction(SIGPIPE, NULL, &after), 0);
        assert_true(before.sa_handler == after.sa_handler);
        assert_int_equal(delivered, 0);
        if (flags_refused)
            assert_int_equal(flag_calls, 1); /* asked once a run */
    }
}

static void handle(void (*handler)(int))
{
    struct sigaction a = { .sa_handler = handler };

    assert_int_equal(sigaction(SIGPIPE, &a, NULL), 0);
}

static void a_write_that_nobody_reads_raises_no_SIGPIPE(void **state)
{
    (void)state;
    handle(SIG_DFL); /* it would be the end of us */
    run_writes();
    handle(SIG_IGN);
    run_writes();
    handle(on_pipe);
    run_writes();
    handle(SIG_DFL);
}

static void block(int how)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    assert_int_equal(pthread_sigmask(how, &set, NULL), 0);
}

static void nor_when_the_signal_is_blocked(void **state)
{
    (void)state;
    handle(on_pipe);
    block(SIG_BLOCK);
    run_writes();
    assert_false(is_pending());
    block(SIG_UNBLOCK);
    assert_int_equal(delivered, 0);
    handle(SIG_DFL);
}

/* Somebody else's signal waits already: it is not ours to take. */
static void one_that_was_pending_before_stays(void **state)
{
    (void)state;
    handle(on_pipe);
    block(SIG_BLOCK);
    pthread_kill(pthread_self(), SIGPIPE);
    run_writes();
    assert_true(is_pending());
    block(SIG_UNBLOCK);
    assert_int_equal(delivered, 1);
    handle(SIG_DFL);
}

/* Sent to the process while we write: it arrives. */
static ssize_t write_and_be_signalled(int fd, const void *buf, size_t bytes)
{
    kill(getpid(), SIGPIPE);
    return write(fd, buf, bytes);
}

static int one_write(void *arg)
{
    struct end e;

    (void)arg;
    open_write_end(&e);
    close(e.other);
    EXPECT_INT(roost_fd_write(&e.f, "x", 1), -EPIPE);
    roost_fd_close(&e.f);
    return 0;
}

static void one_sent_to_the_process_meanwhile_arrives(void **state)
{
    struct roost_sys sys = roost__sys_default;

    (void)state;
    handle(on_pipe);
    delivered = 0;
    flags_refused = EOPNOTSUPP;
    sys.pwritev2 = old_pwritev2;
    sys.write = write_and_be_signalled;
    assert_int_equal(kit_run_with(&(roost_options){ .sys = &sys }, one_write,
                                  NULL), 0);
    assert_int_equal(delivered, 1);
    handle(SIG_DFL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_that_nobody_reads_raises_no_SIGPIPE),
        cmocka_unit_test(nor_when_the_signal_is_blocked),
        cmocka_unit_test(one_that_was_pending_before_stays),
        cmocka_unit_test(one_sent_to_the_process_meanwhile_arrives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
