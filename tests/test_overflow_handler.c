/* test_overflow_handler.c - claims about the handler that tells an overflow of a
 * stack from other faults.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "arch/switch.h"
#include "core/fiber.h"
#include "core/sys.h"
#include "inspect/overflow.h"
#include "pool.h"

enum { REPORTED = 42 };

struct overrun {
    struct roost__stacks p;
    struct roost__stack *s;
    void *outside_sp;
    struct roost__fiber outside, inside;
};

static void report_by_exit(const struct roost__stack *s, const void *addr,
                           void *arg)
{
    struct overrun *o = arg;

    if (s == o->s && (const char *)addr < s->lo &&
        (const char *)addr >= s->lo - 16 * 1024)
        _exit(REPORTED);
}

static void report_nothing(const struct roost__stack *s, const void *addr,
                           void *arg)
{
    (void)s, (void)addr, (void)arg;
}

__attribute__((noinline)) static int sink_deep(volatile int *depth)
{
    volatile char page[1024];

    page[0] = (char)*depth;
    ++*depth;
    return *depth < 0 ? 0 : sink_deep(depth) + page[0];
}

static void *sink(void *arg)
{
    struct overrun *o = arg;
    volatile int depth = 0;

    roost__fiber_begin(&o->outside);
    sink_deep(&depth);
    return o->outside_sp;
}

static void overrun_a_stack(void *arg)
{
    struct overrun *o = arg;

    roost__fiber_main(&o->outside);
    roost__fiber_made(&o->inside, o->s->lo, o->s->bytes);
    roost__fiber_leave(&o->outside, &o->inside, false);
    roost__switch_fresh(&o->outside_sp, o->s, sink, o, &o->outside_sp);
}

static void an_overflow_is_reported(void **state)
{
    (void)state;
    for (size_t m = 0; m < 2; m++) {
        struct roost__overflow saved;
        struct overrun o;

        pool_init(&o.p, m == 0 ? "madvise" : "mprotect");
        o.s = roost__stack_get(&o.p, COMMON);
        assert_int_equal(
            roost__overflow_install(&o.p, report_by_exit, &o, &saved), 0);
        assert_int_equal(ending_of(overrun_a_stack, &o), REPORTED);
        roost__overflow_remove(&saved);
        assert_int_equal(
            roost__overflow_install(&o.p, report_nothing, &o, &saved), 0);
        signal(SIGABRT, SIG_DFL);
        assert_int_equal(ending_of(overrun_a_stack, &o), -SIGABRT);
        roost__overflow_remove(&saved);
        roost__stacks_done(&o.p);
    }
}

static void exit_1(int sig)
{
    _exit(sig == SIGSEGV ? 1 : 99);
}

static void exit_2(int sig, siginfo_t *info, void *context)
{
    _exit(sig == SIGSEGV && info->si_addr == (void *)16 && context ? 2 : 99);
}

static volatile char *volatile elsewhere = (volatile char *)16;

static void fault_elsewhere(void *unused)
{
    (void)unused;
    *elsewhere = 1;
}

static void sent(void *unused)
{
    (void)unused;
    raise(SIGSEGV);
}

/* How both kinds of SIGSEGV end below our handler, with `act` before it. */
static void passes_on(struct sigaction act, int fault, int signal_sent)
{
    struct roost__stacks p;
    struct roost__overflow saved;
    struct sigaction before, after;

    pool_init(&p, NULL);
    assert_non_null(roost__stack_get(&p, COMMON));
    sigaction(SIGSEGV, &act, &before);
    assert_int_equal(roost__overflow_install(&p, report_nothing, NULL, &saved),
                     0);
    assert_int_equal(ending_of(fault_elsewhere, NULL), fault);
    assert_int_equal(ending_of(sent, NULL), signal_sent);
    roost__overflow_remove(&saved);
    sigaction(SIGSEGV, &before, &after);
    assert_ptr_equal(after.sa_handler, act.sa_handler);
    roost__stacks_done(&p);
}

static void other_faults_go_to_the_handler_before(void **state)
{
    (void)state;
    passes_on((struct sigaction){.sa_handler = SIG_DFL}, -SIGSEGV, -SIGSEGV);
    passes_on((struct sigaction){.sa_handler = SIG_IGN}, -SIGSEGV, 0);
    passes_on((struct sigaction){.sa_handler = exit_1}, 1, 1);
    passes_on((struct sigaction){.sa_sigaction = exit_2,
                                 .sa_flags = SA_SIGINFO | SA_ONSTACK}, 2, 99);
}

static void the_alternate_stack_comes_back(void **state)
{
    static char mine[64 * 1024];
    stack_t act = {.ss_sp = mine, .ss_size = sizeof mine}, before, after;
    struct roost__stacks p;
    struct roost__overflow saved;

    (void)state;
    pool_init(&p, NULL);
    assert_int_equal(sigaltstack(&act, &before), 0);
    assert_int_equal(roost__overflow_install(&p, report_nothing, NULL, &saved),
                     0);
    assert_int_equal(sigaltstack(NULL, &after), 0);
    assert_ptr_not_equal(after.ss_sp, mine);
    roost__overflow_remove(&saved);
    assert_int_equal(sigaltstack(&before, &after), 0);
    assert_ptr_equal(after.ss_sp, mine);
    roost__stacks_done(&p);
}

static struct sigaction below;

static void passes_to_below(int sig, siginfo_t *info, void *context)
{
    below.sa_sigaction(sig, info, context);
}

static void a_handler_over_ours_is_left_alone(void **state)
{
    struct sigaction act = {.sa_sigaction = passes_to_below,
                            .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction base = {.sa_handler = exit_1}, before, now;
    struct roost__overflow saved;
    struct overrun o;

    (void)state;
    pool_init(&o.p, "mprotect");
    o.s = roost__stack_get(&o.p, COMMON);
    sigaction(SIGSEGV, &base, &before);
    roost__overflow_install(&o.p, report_by_exit, &o, &saved);
    sigaction(SIGSEGV, &act, &below);
    roost__overflow_remove(&saved);
    sigaction(SIGSEGV, NULL, &now);
    assert_true(now.sa_sigaction == passes_to_below);
    if (!RUNNING_ON_VALGRIND)   /* 3.19 does not know SS_DISABLE for a no */
        assert_int_equal(ending_of(fault_elsewhere, NULL), 1);

    /* The next runtime is found through it. */
    roost__overflow_install(&o.p, report_by_exit, &o, &saved);
    assert_int_equal(ending_of(overrun_a_stack, &o), REPORTED);
    assert_int_equal(ending_of(fault_elsewhere, NULL), 1);
    sigaction(SIGSEGV, &below, NULL);
    roost__overflow_remove(&saved);
    sigaction(SIGSEGV, &before, &now);
    assert_true(now.sa_handler == exit_1);
    roost__stacks_done(&o.p);
}

static void *no_mmap(void *at, size_t bytes, int prot, int flags, int fd,
                     off_t offset)
{
    (void)at, (void)bytes, (void)prot, (void)flags, (void)fd, (void)offset;
    errno = ENOMEM;
    return MAP_FAILED;
}

static int sys_restore(void **state)
{
    (void)state;
    roost__sys = &roost__sys_default;
    return 0;
}

static void install_fails_without_memory_and_changes_nothing(void **state)
{
    struct roost_sys sys = roost__sys_default;
    struct roost__stacks p;
    struct roost__overflow saved;
    struct sigaction before, after;

    (void)state;
    pool_init(&p, NULL);
    sigaction(SIGSEGV, NULL, &before);
    sys.mmap = no_mmap;
    roost__sys = &sys;
    assert_int_equal(roost__overflow_install(&p, report_nothing, NULL, &saved),
                     -ENOMEM);
    sigaction(SIGSEGV, NULL, &after);
    assert_ptr_equal(before.sa_handler, after.sa_handler);
    roost__stacks_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_overflow_is_reported),
        cmocka_unit_test(other_faults_go_to_the_handler_before),
        cmocka_unit_test(the_alternate_stack_comes_back),
        cmocka_unit_test(a_handler_over_ours_is_left_alone),
        cmocka_unit_test_teardown(
            install_fails_without_memory_and_changes_nothing, sys_restore),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
