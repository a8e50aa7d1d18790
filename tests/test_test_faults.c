/* test_test_faults.c - claims about the table of system calls that fails. */
#define _GNU_SOURCE
#include "kit/kit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/fiber.h"
#include "test/faults.h"
#include "test/heap.h"

static const struct roost_sys *const sys = &roost__faulty_sys;
static struct roost__plan plan;

static int call_named(const char *name)
{
    int call = 0;

    while (strcmp(roost__fault_name(call), name) != 0)
        assert_true(++call < 100);
    return call;
}

/* What was told since armed. */
static struct {
    uint32_t number;
    int call;
    const void *from;
} told[100];
static size_t tellings;

static void seen(uint32_t number, int call, const void *from)
{
    static void *volatile sink;

    sink = malloc(1); /* is not counted */
    free(sink);
    close(-1);
    if (tellings < 100) {
        told[tellings].number = number;
        told[tellings].call = call;
        told[tellings].from = from;
    }
    tellings++;
}

static void arm(int what, uint32_t at, int code)
{
    plan = (struct roost__plan){ .in = { { (uint8_t)what, code, at } },
                                 .count = what != STRIKE_NONE };
    tellings = 0;
    roost__faults_arm(&plan, seen);
}

static int disarm(void **state)
{
    (void)state;
    roost__faults_disarm();
    roost__faults_release();
    return 0;
}

static void make_pipe(int ends[2])
{
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
}

static void close_both(const int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

/* ---- counting ---- */

static void calls_are_numbered_from_1_and_told(void **state)
{
    char byte;
    int ends[2];

    (void)state;
    make_pipe(ends);
    arm(STRIKE_NONE, 0, 0);
    assert_int_equal(sys->write(ends[1], "a", 1), 1);
    assert_int_equal(sys->read(ends[0], &byte, 1), 1);
    sys->clock();
    roost__faults_disarm();
    assert_int_equal(roost__faults_counts().calls, 2);
    assert_int_equal(roost__faults_counts().allocations, 0);
    assert_int_equal(roost__faults_counts().struck, 0);
    assert_int_equal(tellings, 2);
    assert_int_equal(told[0].number, 1);
    assert_int_equal(told[0].call, call_named("write"));
    assert_int_equal(told[1].number, 2);
    assert_int_equal(told[1].call, call_named("read"));
    assert_true(told[0].from != told[1].from && told[0].from);
    arm(STRIKE_NONE, 0, 0);
    assert_int_equal(roost__faults_counts().calls, 0); /* anew */
    close_both(ends);
}

static void *reads(void *arg)
{
    char byte;

    return (void *)(intptr_t)sys->read(*(int *)arg, &byte, 1);
}

static void other_threads_and_the_disarmed_are_left_alone(void **state)
{
    pthread_t thread;
    void *got;
    int ends[2];

    (void)state;
    make_pipe(ends);
    assert_int_equal(write(ends[1], "ab", 2), 2);
    arm(STRIKE_CALL, 1, EIO);
    assert_int_equal(pthread_create(&thread, NULL, reads, &ends[0]), 0);
    pthread_join(thread, &got);
    roost__faults_disarm();
    assert_true(got == (void *)1);
    assert_int_equal(roost__faults_counts().calls, 0);
    assert_int_equal((intptr_t)reads(&ends[0]), 1);
    assert_int_equal(roost__faults_counts().calls, 0);
    close_both(ends);
}

static void an_allocation_of_roost_is_counted_once(void **state)
{
    void *p;

    (void)state;
    arm(STRIKE_ALLOC, 2, 0);
    p = sys->alloc(10);
    assert_non_null(p);
    sys->free(p);
    errno = 0;
    assert_null(sys->alloc(10));
    assert_int_equal(errno, ENOMEM);
    roost__faults_disarm();
    assert_int_equal(roost__faults_counts().allocations, 2);
    assert_int_equal(roost__faults_counts().calls, 0);
    assert_int_equal(tellings, 2);
    assert_int_equal(told[1].call, -1);
    assert_string_equal(roost__fault_name(-1), "alloc");
}

/* ---- failing ---- */

/* Makes the call by name; on descriptors that suit it. */
static long make_call(const char *name, int fd)
{
    struct epoll_event e = { .events = EPOLLIN };
    struct iovec part = { (char[]){ 'x' }, 1 };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
    struct timespec none = { 0, 0 };
    unsigned len = 0;
    sigset_t set;
    stack_t now = { .ss_flags = SS_DISABLE };
    struct stat st;
    char byte;

    sigemptyset(&set);
#define IS(what) (strcmp(name, #what) == 0)
    if (IS(mmap))
        return sys->mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                         0) == MAP_FAILED ? -1 : 0;
    return IS(mprotect)         ? sys->mprotect(NULL, 0, PROT_READ)
           : IS(madvise)        ? sys->madvise(NULL, 0, MADV_NORMAL)
           : IS(mincore)        ? sys->mincore(NULL, 0, NULL)
           : IS(open)           ? sys->open("/dev/null", O_RDONLY)
           : IS(read)           ? sys->read(fd, &byte, 1)
           : IS(write)          ? sys->write(fd, "x", 1)
           : IS(close)          ? sys->close(dup(fd))
           : IS(fstat)          ? sys->fstat(fd, &st)
           : IS(getrandom)      ? sys->getrandom(&byte, 1, 0)
           : IS(eventfd)        ? sys->eventfd(0, 0)
           : IS(pwritev2)       ? sys->pwritev2(fd, &part, 1, -1, 0x100)
           : IS(socket)         ? sys->socket(AF_UNIX, SOCK_DGRAM, 0)
           : IS(send)           ? sys->send(fd, "x", 1, MSG_NOSIGNAL)
           : IS(sendmsg)        ? sys->sendmsg(fd, &msg, MSG_NOSIGNAL)
           : IS(recvmsg)        ? sys->recvmsg(fd, &msg, 0)
           : IS(accept4)        ? sys->accept4(fd, NULL, NULL, 0)
           : IS(connect)        ? sys->connect(fd, NULL, 0)
           : IS(getsockopt)     ? sys->getsockopt(fd, 0, 0, NULL, &len)
           : IS(fcntl)          ? sys->fcntl(fd, F_SETFL, O_NONBLOCK)
           : IS(epoll_create1)  ? sys->epoll_create1(0)
           : IS(epoll_ctl)      ? sys->epoll_ctl(fd, EPOLL_CTL_ADD, fd, &e)
           : IS(epoll_wait)     ? sys->epoll_wait(fd, &e, 1, 0)
           : IS(nanosleep)      ? sys->nanosleep(&none, NULL)
           : IS(timerfd_create) ? sys->timerfd_create(CLOCK_MONOTONIC, 0)
           : IS(sigaltstack)    ? sys->sigaltstack(&now, NULL)
           : IS(sigtimedwait)   ? sys->sigtimedwait(&set, NULL, &none)
                                : 7;
}

static void every_call_fails_with_every_errno_of_its_list(void **state)
{
    int ends[2], call, i, before = kit_descriptors();
    const int *codes;
    const char *name;
    struct sigaction ignore = { .sa_handler = SIG_IGN }, was;

    (void)state;
    sigaction(SIGPIPE, &ignore, &was);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    for (call = 0; strcmp(name = roost__fault_name(call), "alloc") != 0; call++) {
        codes = roost__fault_errnos(call);
        for (i = 0; codes[i]; i++) {
            arm(STRIKE_CALL, 1, codes[i]);
            errno = 0;
            assert_int_equal(make_call(name, ends[0]), -1);
            assert_int_equal(errno, codes[i]);
            roost__faults_disarm();
            assert_int_equal(roost__faults_counts().struck, 1);
            assert_int_equal(roost__faults_counts().calls, 1);
        }
        if (!codes[0])
            assert_true(!strcmp(name, "timerfd_settime") ||
                        !strcmp(name, "poll"));
    }
    assert_int_equal(call, 29);
    sigaction(SIGPIPE, &was, NULL);
    close_both(ends);
    assert_int_equal(kit_descriptors(), before);
}

static void a_call_that_failed_was_not_made(void **state)
{
    char got[3] = "";
    int ends[2];

    (void)state;
    make_pipe(ends);
    arm(STRIKE_CALL, 2, EINTR);
    assert_int_equal(sys->write(ends[1], "a", 1), 1);
    assert_int_equal(sys->write(ends[1], "b", 1), -1);
    assert_int_equal(sys->write(ends[1], "c", 1), 1);
    arm(STRIKE_CALL, 1, EIO);
    assert_int_equal(sys->read(ends[0], got, 2), -1);
    assert_int_equal(sys->read(ends[0], got, 2), 2);
    assert_string_equal(got, "ac");
    close_both(ends);
}

static void a_close_that_failed_has_closed(void **state)
{
    int ends[2];

    (void)state;
    make_pipe(ends);
    arm(STRIKE_CALL, 1, EIO);
    assert_int_equal(sys->close(ends[0]), -1);
    assert_int_equal(errno, EIO);
    assert_int_equal(fcntl(ends[0], F_GETFD), -1);
    assert_int_equal(roost__faults_counts().closed_twice, 0);
    close(ends[1]);
}

static void what_cannot_fail_does_not(void **state)
{
    struct epoll_event e = { .events = EPOLLIN };
    uint64_t one = 1;
    int epoll = epoll_create1(0), fd = eventfd(0, EFD_NONBLOCK);

    (void)state;
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e), 0);
    arm(STRIKE_CALL, 1, ENOMEM);
    assert_int_equal(sys->epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL), 0);
    arm(STRIKE_CALL, 1, EAGAIN);
    assert_int_equal(sys->write(fd, &one, sizeof one), sizeof one);
    arm(STRIKE_CALL, 1, EIO);
    assert_int_equal(sys->read(fd, &one, sizeof one), sizeof one);
    arm(STRIKE_CALL, 1, EAGAIN); /* which an empty one says */
    assert_int_equal(sys->read(fd, &one, sizeof one), -1);
    assert_int_equal(roost__faults_counts().struck, 1);
    arm(STRIKE_CALL, 1, EOPNOTSUPP); /* is not in its list */
    assert_int_equal(sys->fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    arm(STRIKE_CALL, 1, EPERM);
    assert_true(sys->fcntl(fd, F_GETFL, 0) >= 0);
    arm(STRIKE_CALL, 1, ENOMEM);
    assert_int_equal(sys->sigaltstack(NULL, &(stack_t){ 0 }), 0);
    roost__faults_disarm();
    assert_int_equal(roost__faults_counts().calls, 1);
    assert_int_equal(roost__faults_counts().struck, 0);
    close(fd);
    close(epoll);
}

static void a_signal_stack_is_refused_but_can_be_put_back(void **state)
{
    static char room[64 << 10];
    stack_t now = { .ss_sp = room, .ss_size = sizeof room }, before;

    (void)state;
    arm(STRIKE_CALL, 1, ENOMEM);
    assert_int_equal(sys->sigaltstack(&now, &before), -1);
    assert_int_equal(sys->sigaltstack(&now, &before), 0);
    arm(STRIKE_CALL, 1, ENOMEM);
    assert_int_equal(sys->sigaltstack(&before, NULL), 0);
    arm(STRIKE_CALL, 1, ENOMEM); /* of the next run */
    assert_int_equal(sys->sigaltstack(&now, &before), -1);
}

static void only_who_never_waits_is_told_to_try_again(void **state)
{
    char byte;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "a", 1), 1);
    arm(STRIKE_CALL, 1, EAGAIN);
    assert_int_equal(sys->read(ends[0], &byte, 1), 1);
    arm(STRIKE_CALL, 1, ECONNRESET); /* nor does a pipe break so */
    assert_int_equal(write(ends[1], "a", 1), 1);
    assert_int_equal(sys->read(ends[0], &byte, 1), 1);
    roost__faults_disarm();
    assert_int_equal(roost__faults_counts().struck, 0);
    close_both(ends);
}

static volatile sig_atomic_t pipe_signals;

static void on_pipe(int sig)
{
    (void)sig;
    pipe_signals++;
}

static void a_broken_pipe_comes_with_its_signal(void **state)
{
    struct sigaction count = { .sa_handler = on_pipe }, was;
    struct iovec part = { (char[]){ 'x' }, 1 };
    int ends[2];

    (void)state;
    make_pipe(ends);
    sigaction(SIGPIPE, &count, &was);
    pipe_signals = 0;
    arm(STRIKE_CALL, 1, EPIPE);
    assert_int_equal(sys->write(ends[1], "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(pipe_signals, 1);
    arm(STRIKE_CALL, 1, EPIPE); /* RWF_NOSIGNAL */
    assert_int_equal(sys->pwritev2(ends[1], &part, 1, -1, 0x100), -1);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(pipe_signals, 1);
    sigaction(SIGPIPE, &was, NULL);
    close_both(ends);
}

/* ---- short ---- */

static void a_short_call_moves_one_byte(void **state)
{
    char got[9] = "";
    char text[] = "cdef";
    struct iovec parts[3] = { { text + 3, 0 }, { text, 2 }, { text + 2, 2 } };
    int ends[2];

    (void)state;
    make_pipe(ends);
    arm(STRIKE_SHORT, 2, 0);
    assert_int_equal(sys->write(ends[1], "ab", 2), 2);
    assert_int_equal(sys->pwritev2(ends[1], parts, 3, -1, 0), 1);
    assert_int_equal(sys->pwritev2(ends[1], parts, 3, -1, 0), 4);
    arm(STRIKE_ALL_SHORT, 0, 0);
    assert_int_equal(sys->read(ends[0], got, 8), 1);
    assert_int_equal(sys->read(ends[0], got + 1, 8), 1);
    assert_int_equal(roost__faults_counts().struck, 2);
    assert_int_equal(sys->write(ends[1], "xy", 2), 1);
    arm(STRIKE_ALL_SHORT, 0, 0);
    assert_int_equal(sys->write(ends[1], "z", 0), 0);
    assert_int_equal(roost__faults_counts().struck, 0);
    roost__faults_disarm();
    assert_int_equal(sys->read(ends[0], got + 2, 6), 6);
    assert_string_equal(got, "abccdefx");
    close_both(ends);
}

static void a_short_message_keeps_what_comes_with_it(void **state)
{
    union { char room[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
    char data[4] = "wxyz", got[4] = "";
    struct iovec parts[2] = { { data, 2 }, { data + 2, 2 } };
    struct msghdr msg = { .msg_iov = parts, .msg_iovlen = 2,
                          .msg_control = control.room,
                          .msg_controllen = sizeof control.room };
    struct cmsghdr *c;
    int ends[2], fd;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    memset(&control, 0, sizeof control);
    c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &ends[0], sizeof(int));
    arm(STRIKE_ALL_SHORT, 0, 0);
    assert_int_equal(sys->sendmsg(ends[0], &msg, 0), 1);
    assert_int_equal(write(ends[0], "X", 1), 1);
    memset(&control, 0, sizeof control);
    parts[0].iov_base = got;
    assert_int_equal(sys->recvmsg(ends[1], &msg, MSG_CMSG_CLOEXEC), 1);
    assert_int_equal(got[0], 'w');
    assert_true(msg.msg_iov == parts && msg.msg_iovlen == 2);
    assert_int_equal(parts[0].iov_len, 2);
    c = CMSG_FIRSTHDR(&msg);
    assert_non_null(c);
    assert_int_equal(c->cmsg_type, SCM_RIGHTS);
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    close(fd);
    msg.msg_controllen = sizeof control.room;
    assert_int_equal(sys->recvmsg(ends[1], &msg, 0), 1);
    assert_int_equal(got[0], 'X');
    assert_int_equal(msg.msg_controllen, 0);
    close_both(ends);
}

static void what_moves_as_a_whole_is_not_cut(void **state)
{
    struct iovec part = { (char[4]){ 0 }, 4 };
    struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
    uint64_t one = 1;
    char text[16];
    int ends[2], fd = eventfd(0, EFD_NONBLOCK), proc;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    proc = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    arm(STRIKE_ALL_SHORT, 0, 0);
    assert_int_equal(sys->send(ends[0], "four", 4, 0), 4);
    assert_int_equal(sys->recvmsg(ends[1], &msg, 0), 4);
    assert_int_equal(sys->write(fd, &one, sizeof one), sizeof one);
    assert_int_equal(sys->read(fd, &one, sizeof one), sizeof one);
    assert_true(proc < 0 || sys->read(proc, text, sizeof text) > 2);
    roost__faults_disarm();
    assert_int_equal(roost__faults_counts().struck, 0);
    close_both(ends);
    close(fd);
    if (proc >= 0)
        close(proc);
}

/* ---- closing twice ---- */

static void *closes_again(void *arg)
{
    close(*(int *)arg);
    return NULL;
}

static void a_second_close_is_noticed(void **state)
{
    pthread_t thread;
    int ends[2];

    (void)state;
    make_pipe(ends);
    close(ends[0]);
    arm(STRIKE_NONE, 0, 0);
    close(ends[1]);
    close(-1);
    assert_int_equal(pthread_create(&thread, NULL, closes_again, &ends[0]), 0);
    pthread_join(thread, NULL);
    assert_int_equal(roost__faults_counts().closed_twice, 0);
    assert_int_equal(sys->close(ends[0]), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(roost__faults_counts().closed_twice, 1);
    assert_non_null(roost__faults_counts().closed_from);
    roost__faults_disarm();
    closes_again(&ends[0]);
    assert_int_equal(roost__faults_counts().closed_twice, 1);
}

/* ThreadSanitizer has a close of its own. */
#ifndef ROOST__TSAN
static void a_second_close_by_the_body_is_noticed_too(void **state)
{
    int ends[2];

    (void)state;
    make_pipe(ends);
    close_both(ends);
    arm(STRIKE_NONE, 0, 0);
    closes_again(&ends[0]);
    closes_again(&ends[1]);
    assert_int_equal(roost__faults_counts().closed_twice, 2);
    assert_int_equal(roost__faults_counts().calls, 0);
    assert_non_null(roost__faults_counts().closed_from);
}
#endif

#define TEST(f) cmocka_unit_test_teardown(f, disarm)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(calls_are_numbered_from_1_and_told),
        TEST(other_threads_and_the_disarmed_are_left_alone),
        TEST(an_allocation_of_roost_is_counted_once),
        TEST(every_call_fails_with_every_errno_of_its_list),
        TEST(a_call_that_failed_was_not_made),
        TEST(a_close_that_failed_has_closed),
        TEST(what_cannot_fail_does_not),
        TEST(a_signal_stack_is_refused_but_can_be_put_back),
        TEST(only_who_never_waits_is_told_to_try_again),
        TEST(a_broken_pipe_comes_with_its_signal),
        TEST(a_short_call_moves_one_byte),
        TEST(a_short_message_keeps_what_comes_with_it),
        TEST(what_moves_as_a_whole_is_not_cut),
        TEST(a_second_close_is_noticed),
#ifndef ROOST__TSAN
        TEST(a_second_close_by_the_body_is_noticed_too),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
