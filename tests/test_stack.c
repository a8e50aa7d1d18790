/* test_stack.c - claims about the pool of stacks and the overflow handler. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_DISABLE_ERROR_REPORTING ((void)0)
#endif

#include "arch/switch.h"
#include "core/fiber.h"
#include "inspect/overflow.h"
#include "core/stack.h"
#include "core/sys.h"

enum { SMALL = 0, COMMON = 1, PAGE = 4096, CROWD = 2000, REPORTED = 42 };

static const char *const guard_modes[] = {"madvise", "mprotect", "none"};

/* The whole suite may run with one kind of guard; these tests choose. */
static const char *mode_of_suite;

static void pool_init(struct roost__stacks *p, const char *mode)
{
    if (mode)
        setenv("ROOST_TEST_GUARD", mode, 1);
    assert_int_equal(roost__stacks_init(p, false), 0);
    if (mode_of_suite)
        setenv("ROOST_TEST_GUARD", mode_of_suite, 1);
    else
        unsetenv("ROOST_TEST_GUARD");
}

/* Pages of the whole stack that are in memory. */
static size_t pages_of(const char *lo, size_t bytes)
{
    static unsigned char pages[48 * 1024 * 1024 / PAGE];
    size_t count = 0;

    assert_int_equal(mincore((void *)(uintptr_t)lo, bytes, pages), 0);
    for (size_t i = 0; i < bytes / PAGE; i++)
        count += pages[i] & 1;
    return count;
}

/* Of the mappings, those that a pool could have made: a sanitizer or valgrind
 * may map for itself meanwhile. */
static size_t maps_count(void)
{
    FILE *f = fopen("/proc/self/maps", "re");
    size_t count = 0;
    char line[512];

    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        count += strchr(line, '/') == NULL;
    fclose(f);
    return count;
}

/* How a child that runs fn(arg) ends: its exit status, or -signal. */
static int ending_of(void (*fn)(void *), void *arg)
{
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);

        dup2(null, STDERR_FILENO);
        VALGRIND_DISABLE_ERROR_REPORTING;       /* bad accesses are the point */
        fn(arg);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- classes ---- */

static void the_smallest_class_that_holds_the_wish_is_chosen(void **state)
{
    (void)state;
    assert_int_equal(roost__stack_class(0), COMMON);
    assert_int_equal(roost__stack_class(1), SMALL);
    assert_int_equal(roost__stack_class(48 * 1024), SMALL);
    assert_int_equal(roost__stack_class(48 * 1024 + 1), COMMON);
    assert_int_equal(roost__stack_class(256 * 1024), COMMON);
    assert_int_equal(roost__stack_class((size_t)48 << 20), 5);
}

static void a_wish_above_the_largest_class_is_refused(void **state)
{
    (void)state;
    assert_int_equal(roost__stack_class(((size_t)48 << 20) + 1), -EINVAL);
    assert_int_equal(roost__stack_class(SIZE_MAX), -EINVAL);
}

static void every_class_gives_what_it_promises(void **state)
{
    static const size_t usable[] = {48 << 10, 256 << 10, 1 << 20,
                                    4 << 20, 16 << 20, 48 << 20};
    struct roost__stacks p;

    (void)state;
    pool_init(&p, NULL);
    for (int i = 0; i < ROOST__STACK_CLASSES; i++) {
        struct roost__stack *s = roost__stack_get(&p, i);

        assert_non_null(s);
        assert_int_equal(s->bytes, usable[i]);
        assert_int_equal(s->class_index, i);
        assert_ptr_equal(s->lo + s->bytes, (char *)(s + 1));
        assert_int_equal((uintptr_t)s % 16, 0);
        s->lo[s->bytes / 2] = 1;
        roost__stack_put(&p, s);
    }
    roost__stacks_done(&p);
}

static void a_strange_guard_mode_is_refused(void **state)
{
    struct roost__stacks p;
    int keep = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
    int r;

    (void)state;
    setenv("ROOST_TEST_GUARD", "hope", 1);
    dup2(null, STDERR_FILENO);
    r = roost__stacks_init(&p, false);
    dup2(keep, STDERR_FILENO);
    close(keep);
    close(null);
    assert_int_equal(r, -EINVAL);
    pool_init(&p, mode_of_suite ? mode_of_suite : "madvise");
    roost__stacks_done(&p);
}

/* ---- get and put ---- */

static void the_last_stack_put_is_the_next_one_got(void **state)
{
    struct roost__stacks p;
    struct roost__stack *a, *b, *other;

    (void)state;
    pool_init(&p, NULL);
    a = roost__stack_get(&p, COMMON);
    b = roost__stack_get(&p, COMMON);
    other = roost__stack_get(&p, SMALL);
    assert_int_equal(p.out, 3);
    roost__stack_put(&p, a);
    roost__stack_put(&p, b);
    roost__stack_put(&p, other);
    assert_int_equal(p.out, 0);
    assert_ptr_equal(roost__stack_get(&p, COMMON), b);
    assert_ptr_equal(roost__stack_get(&p, COMMON), a);
    assert_ptr_equal(roost__stack_get(&p, SMALL), other);
    assert_int_equal(p.out, 3);
    roost__stacks_done(&p);
}

static struct roost__stack *crowd[CROWD];

static void crowd_get(struct roost__stacks *p, int class_index)
{
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = roost__stack_get(p, class_index);
        assert_non_null(crowd[i]);
    }
}

static void crowd_put(struct roost__stacks *p)
{
    for (size_t i = 0; i < CROWD; i++)
        roost__stack_put(p, crowd[i]);
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)*(struct roost__stack *const *)a;
    uintptr_t y = (uintptr_t)*(struct roost__stack *const *)b;

    return (x > y) - (x < y);
}

/* Two chunks of small stacks, eight of common ones. */
static void crowds_of_stacks_do_not_overlap(void **state)
{
    (void)state;
    for (size_t m = 0; m < 3; m++) {
        for (int class_index = SMALL; class_index <= COMMON; class_index++) {
            struct roost__stacks p;

            pool_init(&p, guard_modes[m]);
            crowd_get(&p, class_index);
            qsort(crowd, CROWD, sizeof crowd[0], by_address);
            for (size_t i = 1; i < CROWD; i++)
                assert_true(crowd[i]->lo >= (char *)(crowd[i - 1] + 1));
            roost__stacks_done(&p);
        }
    }
}

static void an_idle_small_stack_is_one_page(void **state)
{
    struct roost__stacks p;

    (void)state;
    pool_init(&p, "madvise");
    crowd_get(&p, SMALL);
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(pages_of(crowd[i]->lo, crowd[i]->bytes), 1);
    roost__stacks_done(&p);
}

static void done_gives_every_mapping_back(void **state)
{
    struct roost__stacks p;
    size_t before;

    (void)state;
    for (size_t m = 0; m < 3; m++) {
        before = maps_count();
        pool_init(&p, guard_modes[m]);
        crowd_get(&p, SMALL);
        crowd_put(&p);
        roost__stacks_trim(&p);
        crowd_get(&p, COMMON);
        roost__stacks_done(&p);
        assert_in_range(maps_count(), 0, before + 2);
    }
}

/* ---- trim ---- */

static void trim_leaves_no_page_in_cold_stacks(void **state)
{
    struct roost__stacks p;
    size_t resident = 0;

    (void)state;
    pool_init(&p, NULL);
    crowd_get(&p, SMALL);
    for (size_t i = 0; i < CROWD; i++)
        memset(crowd[i]->lo + 1024, 1, crowd[i]->bytes / 2);
    crowd_put(&p);
    assert_true(roost__stacks_trim(&p));        /* 1024 of 1936 */
    assert_false(roost__stacks_trim(&p));
    for (size_t i = 0; i < CROWD - 64; i++)
        resident += pages_of((char *)(crowd[i] + 1) - 48 * 1024, 48 * 1024);
    assert_int_equal(resident, 0);
    /* The warm ones keep their tops. */
    for (size_t i = CROWD - 64; i < CROWD; i++)
        assert_in_range(pages_of(crowd[i]->lo, crowd[i]->bytes), 1, 5);
    roost__stacks_done(&p);
}

static void trimmed_stacks_are_used_again(void **state)
{
    struct roost__stacks p;
    struct roost__chunk *newest;

    (void)state;
    pool_init(&p, NULL);
    crowd_get(&p, SMALL);
    newest = p.chunks;
    for (int round = 0; round < 5; round++) {
        crowd_put(&p);
        while (roost__stacks_trim(&p))
            ;
        crowd_get(&p, SMALL);
        for (size_t i = 0; i < CROWD; i++)
            assert_true(roost__stack_canary_ok(crowd[i]));
        assert_ptr_equal(p.chunks, newest);
    }
    qsort(crowd, CROWD, sizeof crowd[0], by_address);
    for (size_t i = 1; i < CROWD; i++)
        assert_true(crowd[i]->lo >= (char *)(crowd[i - 1] + 1));
    roost__stacks_done(&p);
}

static void a_warm_stack_that_was_deep_gives_its_depth_back(void **state)
{
    struct roost__stacks p;
    struct roost__stack *s;

    (void)state;
    pool_init(&p, NULL);
    s = roost__stack_get(&p, COMMON);
    memset(s->lo, 1, s->bytes - sizeof *s);
    assert_int_equal(pages_of(s->lo, s->bytes), 64);
    roost__stack_put(&p, s);
    roost__stacks_trim(&p);
    assert_in_range(pages_of(s->lo, s->bytes), 4, 5);
    assert_ptr_equal(roost__stack_get(&p, COMMON), s);
    roost__stacks_done(&p);
}

/* ---- high water, canary ---- */

static void high_water_is_the_deepest_page_touched(void **state)
{
    (void)state;
    for (size_t m = 0; m < 3; m++) {
        struct roost__stacks p;
        struct roost__stack *s;

        pool_init(&p, guard_modes[m]);
        s = roost__stack_get(&p, roost__stack_class(4 << 20));
        assert_int_equal(roost__stack_high_water(s), PAGE);
        s->lo[s->bytes - 10 * PAGE] = 1;
        assert_int_equal(roost__stack_high_water(s), 10 * PAGE);
        s->lo[PAGE + 8] = 1;
        assert_int_equal(roost__stack_high_water(s), s->bytes - PAGE);
        memset(s->lo, 0, PAGE);
        assert_int_equal(roost__stack_high_water(s), s->bytes);
        roost__stacks_done(&p);
    }
}

static void a_destroyed_canary_is_seen(void **state)
{
    struct roost__stacks p;
    struct roost__stack *s;

    (void)state;
    pool_init(&p, "none");
    s = roost__stack_get(&p, SMALL);
    assert_false(s->guarded);
    assert_true(roost__stack_canary_ok(s));
    memset(s->lo + 64, 1, 1024);
    assert_true(roost__stack_canary_ok(s));
    s->lo[63]++;
    assert_false(roost__stack_canary_ok(s));
    roost__stacks_done(&p);
}

/* ---- guards ---- */

static void touch(void *addr)
{
    signal(SIGSEGV, SIG_DFL);
    *(volatile char *)addr = 1;
}

static void a_guard_faults(const char *mode)
{
    struct roost__stacks p;

    pool_init(&p, mode);
    crowd_get(&p, SMALL);
    for (size_t i = 0; i < CROWD; i += CROWD / 4) {
        struct roost__stack *s = crowd[i];

        assert_true(s->guarded);
        assert_int_equal(ending_of(touch, s->lo), 0);
        assert_int_equal(ending_of(touch, s->lo - 1), -SIGSEGV);
        assert_int_equal(ending_of(touch, s->lo - 16 * 1024), -SIGSEGV);
        assert_ptr_equal(roost__stack_of_guard(&p, s->lo - 1), s);
        assert_ptr_equal(roost__stack_of_guard(&p, s->lo - 16 * 1024), s);
        assert_null(roost__stack_of_guard(&p, s->lo));
    }
    assert_null(roost__stack_of_guard(&p, NULL));
    assert_null(roost__stack_of_guard(&p, &p));
    roost__stacks_done(&p);
}

static void a_guard_set_by_madvise_faults(void **state)
{
    (void)state;
    a_guard_faults("madvise");
}

static void a_guard_set_by_mprotect_faults(void **state)
{
    (void)state;
    a_guard_faults("mprotect");
}

static void a_guard_outlives_a_trim(void **state)
{
    struct roost__stacks p;

    (void)state;
    pool_init(&p, "madvise");
    crowd_get(&p, SMALL);
    crowd_put(&p);
    while (roost__stacks_trim(&p))
        ;
    assert_null(roost__stack_of_guard(&p, (char *)(crowd[0] + 1) - 49 * 1024));
    crowd_get(&p, SMALL);
    for (size_t i = 0; i < CROWD; i += CROWD / 4)
        assert_int_equal(ending_of(touch, crowd[i]->lo - 1), -SIGSEGV);
    roost__stacks_done(&p);
}

/* ---- a kernel that refuses ---- */

static struct roost_sys other_sys;
static size_t calls, allocations;
static size_t calls_until_failure;      /* of the kind that the test swaps */
static int failing_advice;

static bool call_fails(int error)
{
    errno = error;
    return ++calls > calls_until_failure;
}

static void *counting_alloc(size_t bytes)
{
    void *block = call_fails(ENOMEM) ? NULL : malloc(bytes);

    allocations += block != NULL;
    return block;
}

static void counting_free(void *block)
{
    allocations--;
    free(block);
}

static void *failing_mmap(void *at, size_t bytes, int prot, int flags, int fd,
                          off_t offset)
{
    return call_fails(ENOMEM) ? MAP_FAILED
                              : mmap(at, bytes, prot, flags, fd, offset);
}

static int failing_mprotect(void *at, size_t bytes, int prot)
{
    return call_fails(ENOMEM) ? -1 : mprotect(at, bytes, prot);
}

static int failing_madvise(void *at, size_t bytes, int advice)
{
    if (advice == failing_advice && call_fails(EINVAL))
        return -1;
    return madvise(at, bytes, advice);
}

static ssize_t no_process_madvise(int pidfd, const struct iovec *ranges,
                                  size_t count, int advice, unsigned flags)
{
    (void)pidfd, (void)ranges, (void)count, (void)advice, (void)flags;
    calls++;
    errno = ENOSYS;
    return -1;
}

/* A program emulator that lies as qemu-user does. */
static int lying_madvise(void *at, size_t bytes, int advice)
{
    (void)at, (void)bytes, (void)advice;
    return 0;
}

static void sys_swap(size_t calls_before_failure)
{
    other_sys = roost__sys_default;
    other_sys.free = counting_free;
    calls = allocations = 0;
    calls_until_failure = calls_before_failure;
    failing_advice = 0;
    roost__sys = &other_sys;
}

static int sys_restore(void **state)
{
    (void)state;
    roost__sys = &roost__sys_default;
    return 0;
}

/* With the second chunk's mmap failing, then its allocation. */
static void out_of_memory_gives_null_and_loses_nothing(void **state)
{
    (void)state;
    for (int what = 0; what < 2; what++) {
        struct roost__stacks p;
        struct roost__stack *s, *first = NULL;
        size_t got = 0;

        sys_swap(SIZE_MAX);
        other_sys.alloc = counting_alloc;
        pool_init(&p, NULL);
        while (got < 1024 && (s = roost__stack_get(&p, SMALL))) {
            s->next = first;
            first = s;
            got++;
        }
        assert_int_equal(got, 1024);
        calls = calls_until_failure = 0;
        if (what == 0) {
            other_sys.alloc = malloc;
            other_sys.mmap = failing_mmap;
        }
        assert_int_equal(allocations, 1);
        if (what == 0)
            allocations++;      /* by plain malloc, freed after the mmap */
        for (int i = 0; i < 3 && what == 1; i++)
            assert_null(roost__stack_get(&p, SMALL));
        if (what == 0)
            assert_null(roost__stack_get(&p, SMALL));
        assert_int_equal(allocations, 1);
        assert_int_equal(p.out, 1024);
        roost__stack_put(&p, first);
        assert_ptr_equal(roost__stack_get(&p, SMALL), first);
        calls_until_failure = SIZE_MAX;
        assert_non_null(roost__stack_get(&p, SMALL));
        roost__stacks_done(&p);
        sys_restore(NULL);
    }
}

static void a_lying_madvise_is_not_believed(void **state)
{
    struct roost__stacks p;
    struct roost__stack *s;

    (void)state;
    sys_swap(SIZE_MAX);
    other_sys.free = free;
    other_sys.madvise = lying_madvise;
    other_sys.mprotect = failing_mprotect;
    pool_init(&p, "madvise");
    s = roost__stack_get(&p, SMALL);
    assert_true(s->guarded);
    assert_true(calls > 0);
    assert_int_equal(ending_of(touch, s->lo - 1), -SIGSEGV);
    roost__stacks_done(&p);
}

static void without_process_madvise_each_guard_is_a_call(void **state)
{
    struct roost__stacks p;

    (void)state;
    sys_swap(SIZE_MAX);
    other_sys.free = free;
    other_sys.process_madvise = no_process_madvise;
    pool_init(&p, "madvise");
    crowd_get(&p, SMALL);
    assert_in_range(calls, 0, 1);       /* asked once, not again */
    assert_int_equal(ending_of(touch, crowd[CROWD - 1]->lo - 1), -SIGSEGV);
    roost__stacks_done(&p);
}

/* As after mlockall(): the guards of new slots are refused from now on. */
static void a_kind_of_guard_that_stops_working_is_replaced(void **state)
{
    struct roost__stacks p;

    (void)state;
    sys_swap(20);
    other_sys.free = free;
    other_sys.process_madvise = no_process_madvise;
    other_sys.madvise = failing_madvise;
    failing_advice = 102;
    pool_init(&p, "madvise");
    crowd_get(&p, SMALL);
    for (size_t i = 0; i < CROWD; i += CROWD / 4)
        assert_int_equal(ending_of(touch, crowd[i]->lo - 1), -SIGSEGV);
    roost__stacks_done(&p);
}

static size_t written;

static ssize_t counting_write(int fd, const void *buf, size_t len)
{
    (void)fd, (void)buf;
    written++;
    return (ssize_t)len;
}

static int few_maps_open(const char *path, int flags)
{
    static const char text[] = "8200\n";
    int ends[2];

    (void)path, (void)flags;
    if (pipe(ends) != 0)
        return -1;
    assert_int_equal(write(ends[1], text, sizeof text - 1), sizeof text - 1);
    close(ends[1]);
    return ends[0];
}

static void guards_end_before_the_mappings_do(void **state)
{
    struct roost__stacks p;

    (void)state;
    sys_swap(0);
    other_sys.free = free;
    other_sys.open = few_maps_open;
    other_sys.write = counting_write;
    other_sys.madvise = lying_madvise;
    unsetenv("ROOST_TEST_GUARD");
    assert_int_equal(roost__stacks_init(&p, false), 0);
    crowd_get(&p, SMALL);
    assert_false(crowd[0]->guarded);
    assert_int_equal(written, 1);       /* one notice, for two chunks */
    roost__stacks_done(&p);

    assert_int_equal(roost__stacks_init(&p, true), 0);
    assert_null(roost__stack_get(&p, SMALL));
    assert_int_equal(p.out, 0);
    roost__stacks_done(&p);
    pool_init(&p, NULL);
}

static void trim_without_use_asks_the_kernel_nothing(void **state)
{
    struct roost__stacks p;

    (void)state;
    pool_init(&p, NULL);
    crowd_get(&p, SMALL);
    crowd_put(&p);
    while (roost__stacks_trim(&p))
        ;
    sys_swap(SIZE_MAX);
    other_sys.process_madvise = no_process_madvise;
    other_sys.madvise = failing_madvise;
    assert_false(roost__stacks_trim(&p));
    assert_int_equal(calls, 0);
    sys_restore(NULL);
    roost__stacks_done(&p);
}

/* ---- overflow ---- */

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

        pool_init(&o.p, guard_modes[m]);
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

static void install_fails_without_memory_and_changes_nothing(void **state)
{
    struct roost__stacks p;
    struct roost__overflow saved;
    struct sigaction before, after;

    (void)state;
    pool_init(&p, NULL);
    sigaction(SIGSEGV, NULL, &before);
    sys_swap(0);
    other_sys.mmap = failing_mmap;
    assert_int_equal(roost__overflow_install(&p, report_nothing, NULL, &saved),
                     -ENOMEM);
    sigaction(SIGSEGV, NULL, &after);
    assert_ptr_equal(before.sa_handler, after.sa_handler);
    roost__stacks_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_class_that_holds_the_wish_is_chosen),
        cmocka_unit_test(a_wish_above_the_largest_class_is_refused),
        cmocka_unit_test(every_class_gives_what_it_promises),
        cmocka_unit_test(a_strange_guard_mode_is_refused),
        cmocka_unit_test(the_last_stack_put_is_the_next_one_got),
        cmocka_unit_test(crowds_of_stacks_do_not_overlap),
        cmocka_unit_test(an_idle_small_stack_is_one_page),
        cmocka_unit_test(done_gives_every_mapping_back),
        cmocka_unit_test(trim_leaves_no_page_in_cold_stacks),
        cmocka_unit_test(trimmed_stacks_are_used_again),
        cmocka_unit_test_teardown(trim_without_use_asks_the_kernel_nothing,
                                  sys_restore),
        cmocka_unit_test(a_warm_stack_that_was_deep_gives_its_depth_back),
        cmocka_unit_test(high_water_is_the_deepest_page_touched),
        cmocka_unit_test(a_destroyed_canary_is_seen),
        cmocka_unit_test(a_guard_set_by_madvise_faults),
        cmocka_unit_test(a_guard_set_by_mprotect_faults),
        cmocka_unit_test(a_guard_outlives_a_trim),
        cmocka_unit_test_teardown(out_of_memory_gives_null_and_loses_nothing,
                                  sys_restore),
        cmocka_unit_test_teardown(a_lying_madvise_is_not_believed, sys_restore),
        cmocka_unit_test_teardown(without_process_madvise_each_guard_is_a_call,
                                  sys_restore),
        cmocka_unit_test_teardown(
            a_kind_of_guard_that_stops_working_is_replaced, sys_restore),
        cmocka_unit_test_teardown(guards_end_before_the_mappings_do,
                                  sys_restore),
        cmocka_unit_test(an_overflow_is_reported),
        cmocka_unit_test(other_faults_go_to_the_handler_before),
        cmocka_unit_test(the_alternate_stack_comes_back),
        cmocka_unit_test(a_handler_over_ours_is_left_alone),
        cmocka_unit_test_teardown(
            install_fails_without_memory_and_changes_nothing, sys_restore),
    };

    mode_of_suite = getenv("ROOST_TEST_GUARD");
    if (mode_of_suite)
        mode_of_suite = strdup(mode_of_suite);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
