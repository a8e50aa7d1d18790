/* test_activate.c - claims about sockets that a service manager handed over.
 *
 * Each case is a child process: what was given is remembered for ever.
 */
#include "rules/daemons.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

/* Descriptors 3 to 3 + n - 1 are there, and nothing else of note. */
static void hand_over(int n)
{
    int i, fd = open("/dev/null", O_RDWR);

    for (i = 0; i < 40; i++)
        if (i < n)
            dup2(fd, 100 + i);
    for (i = 3; i < 100; i++)
        close(i);
    for (i = 0; i < n; i++) {
        dup2(100 + i, 3 + i);
        close(100 + i);
    }
}

static void set(const char *fds, const char *pid, const char *names)
{
    char self[32];

    snprintf(self, sizeof self, "%d", getpid());
    pid = pid && !strcmp(pid, "self") ? self : pid;
    fds ? setenv("LISTEN_FDS", fds, 1) : unsetenv("LISTEN_FDS");
    pid ? setenv("LISTEN_PID", pid, 1) : unsetenv("LISTEN_PID");
    names ? setenv("LISTEN_FDNAMES", names, 1) : unsetenv("LISTEN_FDNAMES");
}

static int wrong; /* in the child: the line */

#define WANT(actual, wanted) \
    (wrong = wrong || (actual) == (wanted) ? wrong : __LINE__)

static void in_child(void (*fn)(void))
{
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        alarm(PATIENCE_S);
        hand_over(3);
        fn();
        if (wrong)
            dprintf(STDERR_FILENO, "line %d\n", wrong);
        _exit(wrong != 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

#define IN_CHILD(name)           \
    static void name##_body(void); \
    static void name(void **state) \
    {                            \
        (void)state;             \
        in_child(name##_body);   \
    }                            \
    static void name##_body(void)

IN_CHILD(each_is_given_once_by_its_name)
{
    set("3", "self", "http:admin:http");
    WANT(roost_listen_fd("http", 1), 5);
    WANT(roost_listen_fd("http", 0), 3);
    WANT(roost_listen_fd("http", 2), -ENOENT);
    WANT(roost_listen_fd("http", 0), -ENOENT);
    WANT(roost_listen_fd("htt", 0), -ENOENT);
    WANT(roost_listen_fd("https", 0), -ENOENT);
    WANT(roost_listen_fd(NULL, 0), -ENOENT); /* it is http's first */
    WANT(roost_listen_fd(NULL, 1), 4);
    WANT(roost_listen_fd("admin", 0), -ENOENT);
}

IN_CHILD(what_is_given_is_close_on_exec_and_the_rest_untouched)
{
    set("3", "self", "a:b:c");
    WANT(fcntl(4, F_GETFD), 0);
    WANT(roost_listen_fd("b", 0), 4);
    WANT(fcntl(4, F_GETFD), FD_CLOEXEC);
    WANT(fcntl(3, F_GETFD), 0);
    WANT(fcntl(5, F_GETFD), 0);
}

IN_CHILD(without_names_each_is_unknown)
{
    set("3", "self", NULL);
    WANT(roost_listen_fd("http", 0), -ENOENT);
    WANT(roost_listen_fd("unknown", 1), 4);
    WANT(roost_listen_fd(NULL, 0), 3);
    WANT(roost_listen_fd(NULL, 3), -ENOENT);
    WANT(roost_listen_fd(NULL, 4294967295u), -ENOENT);
}

IN_CHILD(empty_names_are_names)
{
    set("3", "self", "::x");
    WANT(roost_listen_fd("", 1), 4);
    WANT(roost_listen_fd("x", 0), 5);
    WANT(roost_listen_fd("", 2), -ENOENT);
}

IN_CHILD(what_is_meant_for_others_is_not_there)
{
    set("3", "1", "a:b:c");
    WANT(roost_listen_fd(NULL, 0), -ENOENT);
    set("3", NULL, "a:b:c");
    WANT(roost_listen_fd(NULL, 0), -ENOENT);
    set(NULL, "self", "a:b:c");
    WANT(roost_listen_fd(NULL, 0), -ENOENT);
    set(NULL, NULL, NULL);
    WANT(roost_listen_fd(NULL, 0), -ENOENT);
    set("0", "self", "");
    WANT(roost_listen_fd(NULL, 0), -ENOENT);
    WANT(fcntl(3, F_GETFD), 0);
}

IN_CHILD(an_environment_that_cannot_be_is_refused)
{
    static const char *const no_counts[] = {
        "", " 3", "3 ", "+3", "-1", "0x3", "3a", "1025", "99999999999999999999" };
    static const char *const no_pids[] = { "", "0", "-1", "12x", "2147483648" };
    size_t i;

    for (i = 0; i < sizeof no_counts / sizeof *no_counts; i++) {
        set(no_counts[i], "self", NULL);
        WANT(roost_listen_fd(NULL, 0), -EINVAL);
    }
    for (i = 0; i < sizeof no_pids / sizeof *no_pids; i++) {
        set("3", no_pids[i], NULL);
        WANT(roost_listen_fd(NULL, 0), -EINVAL);
    }
    set("3", "self", "a:b");
    WANT(roost_listen_fd("a", 0), -EINVAL);
    set("3", "self", "a:b:c:d");
    WANT(roost_listen_fd(NULL, 0), -EINVAL);
}

IN_CHILD(a_number_that_is_not_open_is_refused_and_may_come_later)
{
    set("4", "self", NULL);
    WANT(roost_listen_fd(NULL, 3), -EINVAL);
    WANT(dup2(3, 6), 6);
    WANT(roost_listen_fd(NULL, 3), 6);
}

IN_CHILD(a_child_of_fork_is_given_none)
{
    pid_t pid;
    int status = -1;

    set("3", "self", NULL);
    pid = fork();
    if (pid == 0)
        _exit(roost_listen_fd(NULL, 0) == -ENOENT ? 0 : 1);
    WANT(waitpid(pid, &status, 0), pid);
    WANT(status, 0);
    WANT(roost_listen_fd(NULL, 0), 3);
}

IN_CHILD(what_is_the_librarys_own_is_never_given)
{
    set("1", "self", NULL);
    dup2(eventfd(0, EFD_CLOEXEC), 3);
    WANT(roost_listen_fd(NULL, 0), -EINVAL);
    dup2(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), 3);
    WANT(roost_listen_fd(NULL, 0), -EINVAL);
    dup2(epoll_create1(EPOLL_CLOEXEC), 3);
    WANT(roost_listen_fd(NULL, 0), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_given_once_by_its_name),
        cmocka_unit_test(what_is_given_is_close_on_exec_and_the_rest_untouched),
        cmocka_unit_test(without_names_each_is_unknown),
        cmocka_unit_test(empty_names_are_names),
        cmocka_unit_test(what_is_meant_for_others_is_not_there),
        cmocka_unit_test(an_environment_that_cannot_be_is_refused),
        cmocka_unit_test(
            a_number_that_is_not_open_is_refused_and_may_come_later),
        cmocka_unit_test(a_child_of_fork_is_given_none),
        cmocka_unit_test(what_is_the_librarys_own_is_never_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
