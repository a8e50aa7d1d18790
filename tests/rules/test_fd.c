/* test_fd.c - claims about a descriptor of ours: taken over, read, written. */
#define _GNU_SOURCE
#include "rules/pairs.h"
#include "rules/in_task.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/uio.h>

/* ---- taking over ---- */

static int flags_of(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK ? 1 : 0) |
           (fcntl(fd, F_GETFD) & FD_CLOEXEC ? 2 : 0);
}

IN_TASK(open_makes_it_non_blocking_and_close_on_exec)
{
    int fd[2], i;
    roost_fd f;

    for (i = 0; i < 4; i++) {
        EXPECT_INT(pipe2(fd, (i & 1 ? O_NONBLOCK : 0) | (i & 2 ? O_CLOEXEC : 0)),
                   0);
        EXPECT_INT(roost_fd_open(&f, fd[0]), 0);
        EXPECT_INT(roost_fd_number(&f), fd[0]);
        EXPECT_INT(flags_of(fd[0]), 3);
        roost_fd_close(&f);
        EXPECT_INT(fcntl(fd[0], F_GETFD), -1);
        close(fd[1]);
    }
    return 0;
}

IN_TASK(detach_gives_it_back_as_it_was)
{
    int fd[2], i;
    roost_fd f;

    for (i = 0; i < 2; i++) {
        EXPECT_INT(pipe2(fd, i ? O_NONBLOCK : 0), 0);
        EXPECT_INT(roost_fd_open(&f, fd[0]), 0);
        put_byte(fd[1]);
        EXPECT_INT(make_call(&f, DO_READ), 1);
        EXPECT_INT(roost_fd_detach(&f), fd[0]);
        EXPECT_INT(flags_of(fd[0]), i | 2);
        EXPECT_INT(make_call(&f, DO_READ), -EBADF);
        EXPECT_INT(roost_fd_detach(&f), -EBADF);
        EXPECT_INT(roost_fd_number(&f), -EBADF);
        roost_fd_close(&f); /* does nothing */
        close(fd[0]);
        close(fd[1]);
    }
    return 0;
}

static void expect_refused(const char *path, int flags, const char *words)
{
    int fd = open(path, flags);
    roost_fd f;

    EXPECT_INT(roost_fd_open(&f, fd), -EPERM);
    EXPECT_HAS(kit_error(roost_error_of(-EPERM)), words);
    EXPECT_HAS(kit_error(roost_error_of(-EPERM)), "which no loop can wait for");
    EXPECT_INT(flags_of(fd), 0); /* still the caller's, as it was */
    EXPECT_INT(make_call(&f, DO_READ), -EBADF);
    roost_fd_close(&f);
    EXPECT_INT(close(fd), 0);
}

IN_TASK(files_and_directories_are_refused_with_words)
{
    roost_fd f;

    expect_refused("/proc/self/exe", O_RDONLY, "is a regular file");
    expect_refused("/", O_RDONLY | O_DIRECTORY, "is a directory");
    EXPECT_INT(roost_fd_open(&f, -1), -EBADF);
    EXPECT_INT(roost_fd_open(&f, INT_MAX), -EBADF);
    return 0;
}

static void it_may_be_taken_over_outside_a_run(void **state)
{
    int fd[2];
    roost_fd f;

    (void)state;
    assert_int_equal(pipe(fd), 0);
    assert_int_equal(roost_fd_open(&f, fd[0]), 0);
    roost_fd_close(&f);
    close(fd[1]);
    assert_int_equal(open("/", O_RDONLY), fd[0]);
    assert_int_equal(roost_fd_open(&f, fd[0]), -EPERM);
    close(fd[0]);
}

/* ---- bytes ---- */

static int basics(void *arg)
{
    struct end r, w, s;
    char buf[8] = "";

    (void)arg;
    open_read_end(&r);
    open_write_end(&w);
    open_socket_end(&s);
    EXPECT_INT(write(r.other, "abcdef", 6), 6);
    EXPECT_INT(roost_fd_read(&r.f, buf, 4), 4);
    EXPECT_INT(memcmp(buf, "abcd", 4), 0);
    EXPECT_INT(roost_fd_read(&r.f, buf, sizeof buf), 2);
    EXPECT_INT(memcmp(buf, "ef", 2), 0);
    EXPECT_INT(roost_fd_write(&w.f, "xyz", 3), 3);
    EXPECT_INT(read(w.other, buf, sizeof buf), 3);
    EXPECT_INT(roost_fd_write(&s.f, "hello", 5), 5);
    EXPECT_INT(read(s.other, buf, sizeof buf), 5);
    EXPECT_INT(write(s.other, "you", 3), 3);
    EXPECT_INT(roost_fd_read(&s.f, buf, sizeof buf), 3);
    close_end(&r);
    close_end(&w);
    close_end(&s);
    EXPECT_INT(roost__rt->outside, 0);
    return 0;
}

static void bytes_come_and_go(void **state)
{
    (void)state;
    with_clocks(basics);
}

static int ends(void *arg)
{
    struct end r, w, s;
    char byte;
    int i;

    (void)arg;
    open_read_end(&r);
    open_write_end(&w);
    open_socket_end(&s);
    put_byte(r.other);
    close(r.other);
    EXPECT_INT(roost_fd_read(&r.f, &byte, 1), 1);
    for (i = 0; i < 3; i++)
        EXPECT_INT(roost_fd_read(&r.f, &byte, 1), 0);
    close(w.other);
    EXPECT_INT(roost_fd_write(&w.f, "x", 1), -EPIPE);
    close(s.other);
    EXPECT_INT(roost_fd_read(&s.f, &byte, 1), 0);
    EXPECT_INT(roost_fd_write(&s.f, "x", 1), -EPIPE);
    roost_fd_close(&r.f);
    roost_fd_close(&w.f);
    roost_fd_close(&s.f);
    return 0;
}

static void the_end_is_0_and_a_reader_gone_EPIPE(void **state)
{
    (void)state;
    with_clocks(ends);
}

/* Each kind of call, on something where it has to wait, and what ends that. */
static int one_waits(int kind)
{
    struct caller c = { .kind = kind };
    struct end e;
    bool writes = kind == DO_WRITE || kind == DO_SENDMSG || kind == DO_WAIT_W;

    open_socket_end(&e);
    c.f = &e.f;
    if (writes)
        fill(roost_fd_number(&e.f));
    ROOST_NURSERY(n);
    roost_spawn(n, calls_once, &c);
    settle();
    EXPECT(!c.over);
    EXPECT_INT(roost__rt->outside, 1);
    if (writes)
        empty(e.other);
    else
        put_byte(e.other);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(c.r, kind == DO_WAIT_W ? ROOST_WRITE : 1);
    EXPECT_INT(roost__rt->outside, 0);
    close_end(&e);
    return 0;
}

static int each_kind_waits(void *arg)
{
    int kind;

    (void)arg;
    for (kind = 0; kind < DO_ACCEPT; kind++)
        one_waits(kind);
    return 0;
}

static void each_call_waits_until_it_can_be_made(void **state)
{
    (void)state;
    with_clocks(each_kind_waits);
}

static int wants_too_much(void *arg)
{
    char *buf = arg;
    struct end e;

    open_socket_end(&e);
    put_byte(e.other);
    EXPECT_INT(roost_fd_read(&e.f, buf, SIZE_MAX), 1);
    EXPECT_INT(roost_fd_write(&e.f, buf, (size_t)INT_MAX + 1) > 0, 1);
    close_end(&e);
    return 0;
}

static size_t asked; /* of the last read or send */

static ssize_t note_read(int fd, void *buf, size_t bytes)
{
    asked = bytes;
    return read(fd, buf, bytes < 4096 ? bytes : 4096);
}

static ssize_t note_send(int fd, const void *buf, size_t bytes, int flags)
{
    EXPECT_INT(asked, INT_MAX);
    asked = bytes;
    return send(fd, buf, bytes < 4096 ? bytes : 4096, flags);
}

static void sizes_are_cut_to_INT_MAX(void **state)
{
    struct roost_sys sys = roost__sys_default;
    static char buf[8192];

    (void)state;
    sys.read = note_read;
    sys.send = note_send;
    assert_int_equal(kit_run_with(&(roost_options){ .sys = &sys },
                                  wants_too_much, buf), 0);
    assert_int_equal(asked, INT_MAX);
}

/* Reading no bytes is no end. */
IN_TASK(nothing_asked_is_nothing_read)
{
    struct end e;
    char byte;

    open_socket_end(&e);
    EXPECT_INT(roost_fd_read(&e.f, &byte, 0), 0);
    EXPECT_INT(roost_fd_write(&e.f, &byte, 0), 0);
    put_byte(e.other);
    EXPECT_INT(roost_fd_read(&e.f, &byte, 0), 0);
    EXPECT_INT(roost_fd_read(&e.f, &byte, 1), 1);
    close_end(&e);
    return 0;
}

/* ---- devices ---- */

/* A reader of a terminal waits; epoll knows terminals. */
static int terminal(void *arg)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), slave;
    struct caller c = { .kind = DO_READ };
    roost_fd f;

    (void)arg;
    EXPECT_INT(grantpt(master), 0);
    EXPECT_INT(unlockpt(master), 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    EXPECT_INT(roost_fd_open(&f, slave), 0);
    c.f = &f;
    ROOST_NURSERY(n);
    roost_spawn(n, calls_once, &c);
    settle();
    EXPECT(!c.over);
    EXPECT_INT(write(master, "a\n", 2), 2);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(c.r, 1);
    EXPECT_INT(roost_fd_write(&f, "b", 1), 1);
    roost_fd_close(&f);
    close(master);
    return 0;
}

static void a_terminal_can_be_waited_for(void **state)
{
    (void)state;
    with_clocks(terminal);
}

/* epoll refuses it, libev takes it for ready. It must not keep the loop from
 * waiting: there is real time to pass, and few looks. */
static int null_device(void *arg)
{
    int number = open("/dev/null", O_RDWR), i;
    char byte = 0;
    roost_fd f;

    EXPECT_INT(roost_fd_open(&f, number), 0);
    for (i = 0; i < 300; i++) {
        EXPECT_INT(roost_fd_read(&f, &byte, 1), 0);
        EXPECT_INT(roost_fd_write(&f, &byte, 1), 1);
        EXPECT_INT(roost_fd_wait(&f, ROOST_READ), ROOST_READ);
        EXPECT_INT(roost_fd_wait(&f, ROOST_WRITE), ROOST_WRITE);
    }
    EXPECT_INT(roost_sleep(ROOST_MS(2)), 0);
    /* The loop that was looked at meanwhile watches none of it any more. */
    for (i = 0; i < 2; i++)
        EXPECT(arg || !((struct roost__loop_fd *)(void *)
                        f.sides[i].watcher)->started);
    roost_fd_close(&f);
    return 0;
}

static void the_null_device_is_always_ready_and_does_not_spin(void **state)
{
    bool virtual = true;

    (void)state;
    assert_int_equal(kit_run_with(&(roost_options){ 0 }, null_device, NULL), 0);
    assert_int_equal(kit_run(null_device, &virtual), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_makes_it_non_blocking_and_close_on_exec),
        cmocka_unit_test(detach_gives_it_back_as_it_was),
        cmocka_unit_test(files_and_directories_are_refused_with_words),
        cmocka_unit_test(it_may_be_taken_over_outside_a_run),
        cmocka_unit_test(bytes_come_and_go),
        cmocka_unit_test(the_end_is_0_and_a_reader_gone_EPIPE),
        cmocka_unit_test(each_call_waits_until_it_can_be_made),
        cmocka_unit_test(sizes_are_cut_to_INT_MAX),
        cmocka_unit_test(nothing_asked_is_nothing_read),
        cmocka_unit_test(a_terminal_can_be_waited_for),
        cmocka_unit_test(the_null_device_is_always_ready_and_does_not_spin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
