/* test_notify.c - claims about lines sent to a service manager. */
#include "rules/daemons.h"

#include "core/sys.h"
#include "test/faults.h"

static void without_a_socket_nothing_is_sent(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(roost_notify("READY=1"), 0);
    setenv("NOTIFY_SOCKET", "", 1);
    assert_int_equal(roost_notify("READY=1"), 0);
    unsetenv("NOTIFY_SOCKET");
}

static void lines_arrive_whole_at_an_abstract_socket(void **state)
{
    int fd = manager_begin();

    (void)state;
    assert_int_equal(roost_notify("READY=1\nSTATUS=hello"), 1);
    assert_string_equal(manager_hears(fd), "READY=1\nSTATUS=hello");
    assert_int_equal(roost_notifyf("STATUS=%d clients of %s", 3, "x"), 1);
    assert_string_equal(manager_hears(fd), "STATUS=3 clients of x");
    manager_end(fd);
}

static void lines_arrive_at_a_socket_with_a_path(void **state)
{
    char dir[] = "/tmp/roost-notify-XXXXXX";
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(a.sun_path, sizeof a.sun_path, "%s/s", dir);
    assert_int_equal(bind(fd, (void *)&a, sizeof a), 0);
    setenv("NOTIFY_SOCKET", a.sun_path, 1);
    assert_int_equal(roost_notify("X=1"), 1);
    assert_string_equal(manager_hears(fd), "X=1");
    manager_end(fd);
    setenv("NOTIFY_SOCKET", a.sun_path, 1);
    assert_int_equal(roost_notify("X=1"), -ECONNREFUSED); /* nobody listens */
    unlink(a.sun_path);
    assert_int_equal(roost_notify("X=1"), -ENOENT);
    unsetenv("NOTIFY_SOCKET");
    rmdir(dir);
}

static void addresses_that_cannot_be_are_told_apart(void **state)
{
    char longest[200];

    (void)state;
    memset(longest, 'x', sizeof longest);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    setenv("NOTIFY_SOCKET", longest, 1);
    assert_int_equal(roost_notify("X=1"), -ENAMETOOLONG);
    longest[0] = '@';
    setenv("NOTIFY_SOCKET", longest, 1);
    assert_int_equal(roost_notify("X=1"), -ENAMETOOLONG);
    setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
    assert_int_equal(roost_notify("X=1"), -EAFNOSUPPORT);
    setenv("NOTIFY_SOCKET", "relative/path", 1);
    assert_int_equal(roost_notify("X=1"), -EAFNOSUPPORT);
    setenv("NOTIFY_SOCKET", "@", 1);
    assert_int_equal(roost_notify("X=1"), -EINVAL);
    unsetenv("NOTIFY_SOCKET");
}

static void lines_that_are_too_long_are_not_cut(void **state)
{
    static char much[3000];
    int fd = manager_begin();

    (void)state;
    memset(much, 'x', sizeof much - 1);
    assert_int_equal(roost_notifyf("STATUS=%s", much), -EMSGSIZE);
    assert_int_equal(roost_notifyf("%.2047s", much), 1);
    assert_int_equal(strlen(manager_hears(fd)), 2047);
    assert_int_equal(roost_notifyf("%.2048s", much), -EMSGSIZE);
    assert_int_equal(roost_notify(much), 1);
    assert_int_equal(strlen(manager_hears(fd)), sizeof much - 1);
    manager_end(fd);
}

/* A manager that does not read keeps nobody. */
static void a_full_socket_is_no_reason_to_wait(void **state)
{
    int fd = manager_begin(), i, r = 1;

    (void)state;
    alarm(PATIENCE_S);
    for (i = 0; i < 100000 && r == 1; i++)
        r = roost_notify("X=1");
    alarm(0);
    assert_int_equal(r, -EAGAIN);
    manager_end(fd);
}

static void nothing_is_left_open(void **state)
{
    int fd = manager_begin(), before = kit_descriptors();

    (void)state;
    assert_int_equal(roost_notify("X=1"), 1);
    setenv("NOTIFY_SOCKET", "@nobody-listens-here", 1);
    assert_int_equal(roost_notify("X=1"), -ECONNREFUSED);
    assert_int_equal(kit_descriptors(), before);
    manager_end(fd);
}

/* Each system call of it fails in turn. */
static void what_the_kernel_refuses_is_returned(void **state)
{
    static const struct {
        unsigned at;
        int code, wanted;
    } cases[] = { { 1, EMFILE, -EMFILE }, { 1, ENOMEM, -ENOMEM },
                  { 2, EINTR, 1 }, { 2, ENOBUFS, -ENOBUFS },
                  { 2, ECONNRESET, -ECONNRESET } };
    int fd = manager_begin(), before = kit_descriptors(), r;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct roost__plan plan = { .count = 1 };

        plan.in[0] = (struct roost__injection){
            .what = STRIKE_CALL, .at = cases[i].at, .code = cases[i].code };
        roost__sys = &roost__faulty_sys;
        roost__faults_arm(&plan, NULL);
        r = roost_notify("X=1");
        roost__faults_disarm();
        roost__sys = &roost__sys_default;
        assert_int_equal(r, cases[i].wanted);
        assert_int_equal(kit_descriptors(), before);
    }
    manager_end(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_socket_nothing_is_sent),
        cmocka_unit_test(lines_arrive_whole_at_an_abstract_socket),
        cmocka_unit_test(lines_arrive_at_a_socket_with_a_path),
        cmocka_unit_test(addresses_that_cannot_be_are_told_apart),
        cmocka_unit_test(lines_that_are_too_long_are_not_cut),
        cmocka_unit_test(a_full_socket_is_no_reason_to_wait),
        cmocka_unit_test(nothing_is_left_open),
        cmocka_unit_test(what_the_kernel_refuses_is_returned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
