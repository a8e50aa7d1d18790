/* test_nursery_first.c - the first things one would try with a nursery. */
#include "kit/kit.h"

static int two_children(void *arg)
{
    int a = 20, b = 10, r;

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, kit_sleep_ms, &a);
    roost_spawn(n, kit_sleep_ms, &b);
    EXPECT_INT(roost_nursery_count(n), 2);
    r = roost_nursery_close(n, 5);
    EXPECT_INT(kit_ms(), 20);
    return r;
}

static void close_waits_for_every_child_N1(void **state)
{
    (void)state;
    assert_int_equal(kit_run(two_children, NULL), 5);
}

static int first_failure(void *arg)
{
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, kit_sleep_forever, NULL);
    roost_spawn(n, kit_fail_eio, NULL);
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_INT(kit_ms(), 0);
    r = roost_nursery_close(n, -ECANCELED);
    EXPECT_HAS(kit_error(roost_error_of(r)), "EIO");
    return r;
}

static void failure_of_a_child_cancels_the_others_N3(void **state)
{
    (void)state;
    assert_int_equal(kit_run(first_failure, NULL), -EIO);
}

static int close_twice(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    roost_ignore(roost_nursery_close(&n, 0));
    return roost_nursery_close(&n, 0);
}

static void closing_twice_is_misuse_T5(void **state)
{
    (void)state;
    kit_dies(close_twice, NULL, "roost_nursery_close", "test_nursery_first.c",
             "is over already", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_waits_for_every_child_N1),
        cmocka_unit_test(failure_of_a_child_cancels_the_others_N3),
        cmocka_unit_test(closing_twice_is_misuse_T5),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
