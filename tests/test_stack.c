/* test_stack.c - claims about the pool of stacks. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "core/fiber.h"
#include "core/sys.h"
#include "inspect/high_water.h"
#include "pool.h"

enum { PAGE = 4096 };

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

static struct roost_sys other_sys;
static size_t maps_left, given_back;

static void *failing_mmap(void *at, size_t bytes, int prot, int flags, int fd,
                          off_t offset)
{
    errno = ENOMEM;
    return maps_left > 0 && maps_left--
               ? mmap(at, bytes, prot, flags, fd, offset) : MAP_FAILED;
}

static int counting_madvise(void *at, size_t bytes, int advice)
{
    given_back += advice == MADV_DONTNEED;
    return madvise(at, bytes, advice);
}

static void sys_swap(size_t maps)
{
    other_sys = roost__sys_default;
    other_sys.mmap = failing_mmap;
    other_sys.madvise = counting_madvise;
    maps_left = maps;
    given_back = 0;
    roost__sys = &other_sys;
}

static int sys_restore(void **state)
{
    (void)state;
    roost__sys = &roost__sys_default;
    return 0;
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
    if (!RUNNING_ON_VALGRIND)   /* and a page of notes for each chunk */
        assert_int_equal(pages_of((char *)p.chunks, 2 * (size_t)PAGE), 1);
    roost__stacks_done(&p);
}

#ifdef ROOST__TSAN
#define SANITIZER_MAPS 1
#else
#define SANITIZER_MAPS 0
#endif

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
        trim_all(&p);
        crowd_get(&p, COMMON);
        roost__stacks_done(&p);
        /* ThreadSanitizer maps shadow memory of its own meanwhile. */
        assert_in_range(maps_count(), 0, before + (SANITIZER_MAPS ? 64 : 2));
    }
}

static void out_of_memory_gives_null_and_loses_nothing(void **state)
{
    struct roost__stacks p;
    struct roost__chunk *only;
    struct roost__stack *last = NULL;

    (void)state;
    sys_swap(1);
    pool_init(&p, NULL);
    for (int i = 0; i < 1024; i++)
        assert_non_null(last = roost__stack_get(&p, SMALL));
    only = p.chunks;
    for (int i = 0; i < 3; i++)
        assert_null(roost__stack_get(&p, SMALL));
    assert_ptr_equal(p.chunks, only);
    assert_int_equal(p.out, 1024);
    roost__stack_put(&p, last);
    assert_ptr_equal(roost__stack_get(&p, SMALL), last);
    maps_left = 1;
    assert_non_null(roost__stack_get(&p, SMALL));
    roost__stacks_done(&p);
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
    assert_int_equal(roost__stacks_trim(&p, 1), 0);     /* 1024 of 1936 */
    assert_true(roost__stacks_trim(&p, 1) == ROOST_NEVER);
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
        trim_all(&p);
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

/* Also where they lie between others that are free. */
static void trim_spares_stacks_that_are_out(void **state)
{
    struct roost__stacks p;

    (void)state;
    pool_init(&p, NULL);
    crowd_get(&p, SMALL);
    for (size_t i = 0; i < CROWD; i++)
        memset(crowd[i]->lo + 64, (int)(i % 251), crowd[i]->bytes / 2);
    for (size_t i = 0; i < CROWD; i++)
        if (i % 7 < 4)
            roost__stack_put(&p, crowd[i]);
    trim_all(&p);
    for (size_t i = 0; i < CROWD; i++) {
        const char *middle = (char *)(crowd[i] + 1) - 24 * 1024;

        if (i % 7 >= 4)
            for (int at = -1024; at < 0; at++)
                assert_int_equal((unsigned char)middle[at], i % 251);
        else if (i < CROWD / 2)
            assert_int_equal(pages_of(middle - 24 * 1024, 48 * 1024), 0);
    }
    roost__stacks_done(&p);
}

static void a_warm_stack_that_was_deep_gives_its_depth_back(void **state)
{
    (void)state;
    for (size_t m = 0; m < 3; m++) {
        struct roost__stacks p;
        struct roost__stack *s;

        pool_init(&p, guard_modes[m]);
        s = roost__stack_get(&p, COMMON);
        memset(s->lo + 64, 1, s->bytes - sizeof *s - 64);
        assert_int_equal(pages_of(s->lo, s->bytes), 64);
        roost__stack_put(&p, s);
        trim_all(&p);
        assert_in_range(pages_of(s->lo, s->bytes), 4, 5);
        assert_ptr_equal(roost__stack_get(&p, COMMON), s);
        assert_true(roost__stack_canary_ok(s));
        roost__stacks_done(&p);
    }
}

static void trim_without_use_asks_the_kernel_nothing(void **state)
{
    struct roost__stacks p;

    (void)state;
    pool_init(&p, NULL);
    crowd_get(&p, SMALL);
    crowd_put(&p);
    trim_all(&p);
    sys_swap(1);
    trim_all(&p);
    assert_int_equal(given_back, 0);
    roost__stacks_done(&p);
}

/* An emptied stack costs page faults to use again. */
static void trim_works_once_a_second(void **state)
{
    struct roost__stacks p;
    roost_time now = ROOST_SEC(100);

    (void)state;
    sys_swap(1);
    pool_init(&p, NULL);
    assert_true(roost__stacks_trim(&p, now) == ROOST_NEVER);
    for (int i = 0; i < 100; i++)
        crowd[i] = roost__stack_get(&p, COMMON);
    for (int i = 0; i < 100; i++)
        roost__stack_put(&p, crowd[i]);
    now += ROOST_MS(300);
    assert_true(roost__stacks_trim(&p, now) == ROOST_MS(700));
    assert_int_equal(given_back, 0);
    now += ROOST_MS(700);
    assert_true(roost__stacks_trim(&p, now) == ROOST_NEVER);
    assert_int_equal(given_back, 65);   /* 64 warm ones, the others together */
    roost__stacks_done(&p);
}

/* ---- how deep ---- */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_class_that_holds_the_wish_is_chosen),
        cmocka_unit_test(a_wish_above_the_largest_class_is_refused),
        cmocka_unit_test(every_class_gives_what_it_promises),
        cmocka_unit_test(the_last_stack_put_is_the_next_one_got),
        cmocka_unit_test(crowds_of_stacks_do_not_overlap),
        cmocka_unit_test(an_idle_small_stack_is_one_page),
        cmocka_unit_test(done_gives_every_mapping_back),
        cmocka_unit_test(trim_leaves_no_page_in_cold_stacks),
        cmocka_unit_test(trimmed_stacks_are_used_again),
        cmocka_unit_test_teardown(trim_without_use_asks_the_kernel_nothing,
                                  sys_restore),
        cmocka_unit_test_teardown(trim_works_once_a_second, sys_restore),
        cmocka_unit_test(trim_spares_stacks_that_are_out),
        cmocka_unit_test(a_warm_stack_that_was_deep_gives_its_depth_back),
        cmocka_unit_test(high_water_is_the_deepest_page_touched),
        cmocka_unit_test_teardown(out_of_memory_gives_null_and_loses_nothing,
                                  sys_restore),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
