/* test_stack_guards.c - claims about the guards of stacks, and about kernels that
 * refuse to set them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "core/sys.h"
#include "kit/kit.h"
#include "pool.h"

static void a_strange_guard_mode_is_refused(void **state)
{
    struct roost__stacks p;

    (void)state;
    kit_stderr_begin();
    assert_int_equal(pool_try_init(&p, "hope", false), -EINVAL);
    assert_non_null(strstr(kit_stderr_end(), "madvise, mprotect or none"));
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
    s->lo[63]--;
    assert_true(roost__stack_canary_ok(s));
    s->lo[0]++;
    assert_false(roost__stack_canary_ok(s));
    roost__stacks_done(&p);
}

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
    (void)state;
    for (size_t m = 0; m < 2; m++) {
        struct roost__stacks p;

        pool_init(&p, guard_modes[m]);
        crowd_get(&p, SMALL);
        crowd_put(&p);
        trim_all(&p);
        assert_null(
            roost__stack_of_guard(&p, (char *)(crowd[0] + 1) - 49 * 1024));
        crowd_get(&p, SMALL);
        for (size_t i = 0; i < CROWD; i += CROWD / 4)
            assert_int_equal(ending_of(touch, crowd[i]->lo - 1), -SIGSEGV);
        roost__stacks_done(&p);
    }
}

/* ---- a kernel that refuses ---- */

static struct roost_sys other_sys;
static size_t calls;
static size_t calls_until_failure;      /* of the kind that the test swaps */
static int failing_advice;

static bool call_fails(int error)
{
    errno = error;
    return ++calls > calls_until_failure;
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

/* A program emulator that lies as qemu-user does. */
static int lying_madvise(void *at, size_t bytes, int advice)
{
    (void)at, (void)bytes, (void)advice;
    return 0;
}

static void sys_swap(size_t calls_before_failure)
{
    other_sys = roost__sys_default;
    calls = 0;
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

static void a_lying_madvise_is_not_believed(void **state)
{
    struct roost__stacks p;
    struct roost__stack *s;

    (void)state;
    sys_swap(SIZE_MAX);
    other_sys.madvise = lying_madvise;
    other_sys.mprotect = failing_mprotect;
    pool_init(&p, "madvise");
    s = roost__stack_get(&p, SMALL);
    assert_true(s->guarded);
    assert_true(calls > 0);
    assert_int_equal(ending_of(touch, s->lo - 1), -SIGSEGV);
    roost__stacks_done(&p);
}

/* True where the kernel takes any advice, as qemu-user does: then the pool never
 * uses MADV_GUARD_INSTALL, and tests of it have no subject. */
static bool advice_is_not_believed(void)
{
    return roost__sys_default.madvise(NULL, 0, 0x5a5a) == 0;
}

/* As after mlockall(): the guards of new slots are refused from now on. */
static void a_kind_of_guard_that_stops_working_is_replaced(void **state)
{
    struct roost__stacks p;

    (void)state;
    if (advice_is_not_believed())
        skip();
    sys_swap(20);
    other_sys.madvise = failing_madvise;
    failing_advice = 102;
    pool_init(&p, "madvise");
    crowd_get(&p, SMALL);
    assert_int_equal(calls, 21);        /* once refused is enough */
    for (size_t i = 0; i < CROWD; i += CROWD / 4)
        assert_int_equal(ending_of(touch, crowd[i]->lo - 1), -SIGSEGV);
    roost__stacks_done(&p);
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

/* The room of 8 mappings is that of 4 guards. */
static void guards_end_before_the_mappings_do(void **state)
{
    struct roost__stacks p;
    size_t guards = 0;
    const char *said;

    (void)state;
    if (advice_is_not_believed())
        skip();
    sys_swap(0);
    other_sys.open = few_maps_open;
    pool_init(&p, "mprotect");
    kit_stderr_begin();
    crowd_get(&p, SMALL);
    said = strstr(kit_stderr_end(), "vm.max_map_count");
    assert_non_null(said);
    assert_null(strstr(said + 1, "vm.max_map_count"));
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(crowd[i]->guarded, i < 4);
    crowd_put(&p);
    trim_all(&p);
    crowd_get(&p, SMALL);
    for (size_t i = 0; i < CROWD; i++) {
        guards += crowd[i]->guarded;
        if (crowd[i]->guarded || i % (CROWD / 4) == 0)
            assert_int_equal(ending_of(touch, crowd[i]->lo - 1),
                             crowd[i]->guarded ? -SIGSEGV : 0);
    }
    assert_int_equal(guards, 4);
    roost__stacks_done(&p);
}

static void demanded_guards_that_are_not_to_be_had_give_null(void **state)
{
    struct roost__stacks p;

    (void)state;
    if (advice_is_not_believed())
        skip();
    for (size_t m = 1; m < 3; m++) {
        size_t got = 0;

        sys_swap(0);
        other_sys.open = few_maps_open;
        assert_int_equal(pool_try_init(&p, guard_modes[m], true), 0);
        while (roost__stack_get(&p, SMALL))
            got++;
        assert_int_equal(got, m == 1 ? 4 : 0);
        assert_int_equal(p.out, got);
        roost__stacks_done(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_strange_guard_mode_is_refused),
        cmocka_unit_test(a_destroyed_canary_is_seen),
        cmocka_unit_test(a_guard_set_by_madvise_faults),
        cmocka_unit_test(a_guard_set_by_mprotect_faults),
        cmocka_unit_test(a_guard_outlives_a_trim),
        cmocka_unit_test_teardown(a_lying_madvise_is_not_believed, sys_restore),
        cmocka_unit_test_teardown(
            a_kind_of_guard_that_stops_working_is_replaced, sys_restore),
        cmocka_unit_test_teardown(guards_end_before_the_mappings_do,
                                  sys_restore),
        cmocka_unit_test_teardown(
            demanded_guards_that_are_not_to_be_had_give_null, sys_restore),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
