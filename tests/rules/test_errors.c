/* test_errors.c - words for failures: records, chains, trees, and a pool that
 *                 runs out of words before it loses a code.
 */
#include "rules/children.h"

#include <string.h>

#define POOL 128 /* records of a run */
#define CHAIN 8  /* of one task */

static int count(const char *text, const char *part)
{
    int n = 0;

    for (; (text = strstr(text, part)); text += strlen(part))
        n++;
    return n;
}

/* ---- one record ---- */

IN_TASK(a_failure_carries_words_task_and_site_R1)
{
    int r = roost_fail_at("reader.c:7", -EIO, "reading %s, %d bytes", "x", 3);

    EXPECT_INT(r, -EIO);
    EXPECT_HAS(kit_error(roost_error_of(r)), "reading x, 3 bytes");
    EXPECT_HAS(kit_error(roost_error_of(r)), "reader.c:7");
    EXPECT_HAS(kit_error(roost_error_of(r)), "in main,");
    EXPECT_HAS(kit_error(roost_error_of(r)), "Input/output error");
    EXPECT_HAS(kit_error(roost_error_of(r)), "EIO");
    r = roost_fail(-EPERM, "no arguments");
    EXPECT_HAS(kit_error(roost_error_of(r)), __FILE__);
    r = (roost_fail)(-EBADF, "no %s", "site");
    EXPECT_HAS(kit_error(roost_error_of(r)), "no site");
    return 0;
}

IN_TASK(without_words_a_code_is_as_good_R1)
{
    ROOST_NURSERY(n);
    KID(n, .result = -EIO);
    EXPECT_INT(roost_nursery_close(n, 0), -EIO);
    EXPECT_HAS(kit_error(roost_error_of(-EIO)), "Input/output error");
    EXPECT_HAS(kit_error(NULL), "no words");
    return 0;
}

IN_TASK(only_the_latest_record_about_that_code_is_given_R1)
{
    EXPECT(!roost_error_of(-EIO));
    roost_fail(-EIO, "first");
    EXPECT(!roost_error_of(-EPERM));
    EXPECT(!roost_error_of(0));
    roost_fail(-EPERM, "second");
    EXPECT(!roost_error_of(-EIO));
    EXPECT_HAS(kit_error(roost_error_of(-EPERM)), "second");
    return 0;
}

static int fail_deep(void *arg)
{
    int depth = *(int *)arg, next = depth - 1;

    if (!depth)
        return roost_fail(-EIO, "%0500d", 1);
    ROOST_NURSERY_WITH(n, .name = "one of many");
    roost_spawn_with(n, fail_deep, &next,
                     &(roost_spawn_options){ .name = "a_task_with_a_name" });
    return roost_nursery_close(n, 0);
}

IN_TASK(long_words_and_paths_are_cut_not_overrun_R1)
{
    int depth = 12;

    EXPECT_INT(fail_deep(&depth), -EIO);
    EXPECT_HAS(kit_error(roost_error_of(-EIO)), "0000000");
    EXPECT_HAS(kit_error(roost_error_of(-EIO)), "a_task_with_a_name#13, at");
    EXPECT(strlen(kit_error(roost_error_of(-EIO))) < 600);
    return 0;
}

static void outside_a_task_it_is_just_the_code_R1(void **state)
{
    (void)state;
    assert_int_equal(roost_fail(-EIO, "nobody keeps this"), -EIO);
    assert_null(roost_error_of(-EIO));
}

static int fail_well(void *arg)
{
    return roost_fail_at("well.c:1", *(int *)arg, "it went well");
}

static void a_success_is_no_failure_R1(void **state)
{
    int zero = 0, one = 1;

    (void)state;
    kit_dies(fail_well, &zero, "roost_fail", "well.c:1", "given 0", NULL);
    kit_dies(fail_well, &one, "roost_fail", "well.c:1", "given 1", NULL);
}

/* ---- a chain ---- */

IN_TASK(a_later_record_is_appended_not_written_over_R2)
{
    const char *text;

    roost_fail(-EIO, "reading the frame");
    roost_fail(-EIO, "serving the client");
    text = kit_error(roost_error_of(-EIO));
    EXPECT_HAS(text, "serving the client");
    EXPECT_HAS(text, "because: reading the frame");
    EXPECT(strstr(text, "serving") < strstr(text, "reading"));
    return 0;
}

IN_TASK(another_code_starts_a_new_chain_R2)
{
    roost_fail(-EIO, "reading");
    roost_fail(-EPERM, "refused");
    roost_fail(-EPERM, "giving up");
    EXPECT_INT(count(kit_error(roost_error_of(-EPERM)), "\n"), 2);
    EXPECT(!strstr(kit_error(roost_error_of(-EPERM)), "reading"));
    return 0;
}

IN_TASK(a_chain_has_8_records_and_counts_the_rest_R2)
{
    int i;

    for (i = 1; i <= 11; i++)
        roost_fail(-EIO, "level %d.", i);
    EXPECT_HAS(kit_error(roost_error_of(-EIO)), "level 1.");
    EXPECT_HAS(kit_error(roost_error_of(-EIO)), "level 8.");
    EXPECT(!strstr(kit_error(roost_error_of(-EIO)), "level 9."));
    EXPECT_HAS(kit_error(roost_error_of(-EIO)), "3 more");
    return 0;
}

static int says_one_returns_another(void *arg)
{
    roost_fail(-EIO, "a leftover");
    return *(int *)arg;
}

IN_TASK(a_chain_not_about_the_result_is_dropped_R2)
{
    int results[] = { -EPERM, 0, 3 }, i, r;

    for (i = 0; i < 3; i++) {
        ROOST_NURSERY(n);
        roost_spawn(n, says_one_returns_another, &results[i]);
        r = roost_nursery_close(n, 0);
        EXPECT_INT(r, results[i] < 0 ? results[i] : 0);
        EXPECT(!roost_error_of(-EIO));
        EXPECT(!strstr(kit_error(roost_error_of(r)), "leftover"));
    }
    return 0;
}

IN_TASK(a_record_is_valid_until_the_next_close_or_fail_R2)
{
    const roost_error *e;

    roost_fail(-EIO, "kept");
    e = roost_error_of(-EIO);
    EXPECT_INT(roost_sleep(ROOST_MS(5)), 0);
    EXPECT(roost_error_of(-EIO) == e);
    EXPECT_HAS(kit_error(e), "kept");
    return 0;
}

/* ---- a tree ---- */

static int fails_when_cut(void *arg)
{
    roost_ignore(roost_sleep_until(ROOST_NEVER));
    return roost_fail(-EBADF, "closing %d", *(int *)arg);
}

IN_TASK(the_first_8_beside_it_are_kept_the_rest_counted_N4)
{
    const char *text;
    int i, r;

    ROOST_NURSERY(n);
    for (i = 0; i < 12; i++)
        roost_spawn_copy(n, fails_when_cut, &i, sizeof i);
    KID(n, .ms = 1, .result = -EIO);
    r = roost_nursery_close(n, 0);
    EXPECT_INT(r, -EIO);
    text = kit_error(roost_error_of(r));
    EXPECT_INT(count(text, "also: closing"), 8);
    EXPECT_HAS(text, "closing 0");
    EXPECT_HAS(text, "closing 7");
    EXPECT_HAS(text, "also: 4 more");
    return 0;
}

static int serve(void *arg)
{
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, fails_when_cut, &(int){ 1 });
    KID(n, .ms = 1, .result = -EIO);
    r = roost_nursery_close(n, roost_sleep(ROOST_SEC(1)));
    return r < 0 ? roost_fail(r, "serving") : r;
}

IN_TASK(close_makes_a_tree_of_its_childrens_records_R2)
{
    const char *text;
    int r;

    ROOST_NURSERY(n);
    roost_spawn(n, fails_when_cut, &(int){ 2 });
    roost_spawn(n, serve, NULL);
    r = roost_nursery_close(n, 0);
    EXPECT_INT(r, -EIO);
    roost_fail(r, "the whole");
    text = kit_error(roost_error_of(r));
    EXPECT_HAS(text, "the whole");
    EXPECT_HAS(text, "because: serving");
    EXPECT_HAS(text, "closing 1");
    EXPECT_HAS(text, "closing 2");
    EXPECT_INT(count(text, "\n"), 5);
    EXPECT_HAS(text, "in main/task#3/task#5, ");
    return 0;
}

IN_TASK(start_brings_its_childs_words_to_the_caller_R2)
{
    int one = 1;

    ROOST_NURSERY(n);
    ROOST_TIMEOUT(s, ROOST_MS(5));
    EXPECT_INT(roost_start(n, fails_when_cut, &one), -EBADF);
    EXPECT_HAS(kit_error(roost_error_of(-EBADF)), "closing 1");
    EXPECT_INT(roost_scope_leave(s, -EBADF), -EBADF);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    return 0;
}

/* ---- the pool ---- */

static int fill_and_wait(void *arg)
{
    int i;

    for (i = 0; i < CHAIN; i++)
        roost_fail(-EIO, "filler");
    *(int *)arg += count(kit_error(roost_error_of(-EIO)), "filler");
    roost_ignore(roost_sleep_until(ROOST_NEVER));
    return 0;
}

/* How many records this many tasks at once can have. */
static int records_for(int tasks)
{
    int i, words = 0;

    ROOST_NURSERY(n);
    for (i = 0; i < tasks; i++)
        roost_spawn(n, fill_and_wait, &words);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    roost_nursery_cancel(n, "enough");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    return words;
}

/* Trees, chains and leftovers, of every owner that a record can have. */
static void fail_in_every_way(int i)
{
    int zero = 0;

    ROOST_NURSERY(n);
    roost_spawn(n, serve, NULL);
    roost_spawn(n, fails_when_cut, &i);
    roost_spawn(n, says_one_returns_another, &zero);
    EXPECT_INT(roost_start(n, kit_return, &zero), -EPROTO);
    EXPECT_INT(roost_start(n, says_one_returns_another, &(int){ -EPERM }),
               -EPERM);
    EXPECT_INT(roost_nursery_close(n, roost_sleep(ROOST_SEC(1))), -EIO);
    roost_fail(-EPERM, "drops the tree");
}

IN_TASK(all_records_come_back_R2)
{
    int i;

    EXPECT_INT(records_for(POOL / CHAIN), POOL);
    EXPECT_INT(records_for(20), POOL); /* and there are no more */
    for (i = 0; i < 300; i++)
        fail_in_every_way(i);
    EXPECT_INT(records_for(20), POOL - 1); /* "drops the tree" is main's */
    return 0;
}

IN_TASK(with_an_empty_pool_words_are_lost_and_no_code_R2)
{
    int i, r, words = 0;

    ROOST_NURSERY(n);
    for (i = 0; i < 20; i++)
        roost_spawn(n, fill_and_wait, &words);
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(words, POOL);
    EXPECT_INT(roost_fail(-EPERM, "unheard"), -EPERM);
    EXPECT(!roost_error_of(-EPERM));
    ROOST_NURSERY(m);
    KID(m, .forever = true, .cut = -EBADF);
    KID(m, .result = -ENOENT);
    r = roost_nursery_close(m, 0);
    EXPECT_INT(r, -ENOENT);
    EXPECT_HAS(kit_error(roost_error_of(r)), "no words");
    roost_nursery_cancel(n, "enough");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(roost_fail(-EPERM, "heard"), -EPERM);
    EXPECT_HAS(kit_error(roost_error_of(-EPERM)), "heard");
    return 0;
}

static int fails_sticky_and_foreign(void *arg)
{
    roost_nursery n;

    if (*(int *)arg)
        return -ECANCELED;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn_copy(&n, kit_return, "", 5000), -E2BIG);
    return roost_nursery_close(&n, 0);
}

IN_TASK(nor_the_codes_that_the_library_makes_R2)
{
    int i, r, words = 0, zero = 0, one = 1;

    ROOST_NURSERY(n);
    for (i = 0; i < 20; i++)
        roost_spawn(n, fill_and_wait, &words);
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_start(n, fails_sticky_and_foreign, &zero), -E2BIG);
    EXPECT_INT(roost_start(n, fails_sticky_and_foreign, &one), -EPROTO);
    EXPECT_INT(roost_start(n, kit_return, &zero), -EPROTO);
    ROOST_NURSERY(m);
    roost_spawn(m, fails_sticky_and_foreign, &one);
    r = roost_nursery_close(m, 0);
    EXPECT_INT(r, -EPROTO);
    roost_nursery_cancel(n, "enough");
    return roost_nursery_close(n, 0);
}

/* ---- to the root ---- */

static int foreign(void *arg)
{
    (void)arg;
    return -ECANCELED;
}

static void an_ECANCELED_at_the_root_is_the_runs_result_R3(void **state)
{
    (void)state;
    assert_int_equal(kit_run(foreign, NULL), -ECANCELED);
}

static int swallow(void *arg)
{
    EXPECT_INT(roost_sleep_until(ROOST_NEVER), -ECANCELED);
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    return *(int *)arg;
}

IN_TASK(a_task_that_swallows_its_cancellation_is_legal_R4)
{
    int seven = 7;
    roost_child c = { 0 };

    ROOST_NURSERY(n);
    roost_spawn_with(n, swallow, &seven, &(roost_spawn_options){ .child = &c });
    EXPECT_INT(roost_checkpoint(), 0);
    roost_nursery_cancel(n, "test");
    EXPECT_INT(roost_nursery_close(n, 3), 3);
    EXPECT_INT(roost_child_end(&c, "test"), 7);
    return 0;
}

/* R4's other half, that tests are told of a swallowed cancellation, belongs to
 * the library for users' tests.
 */
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_carries_words_task_and_site_R1),
        cmocka_unit_test(without_words_a_code_is_as_good_R1),
        cmocka_unit_test(only_the_latest_record_about_that_code_is_given_R1),
        cmocka_unit_test(long_words_and_paths_are_cut_not_overrun_R1),
        cmocka_unit_test(outside_a_task_it_is_just_the_code_R1),
        cmocka_unit_test(a_success_is_no_failure_R1),
        cmocka_unit_test(a_later_record_is_appended_not_written_over_R2),
        cmocka_unit_test(another_code_starts_a_new_chain_R2),
        cmocka_unit_test(a_chain_has_8_records_and_counts_the_rest_R2),
        cmocka_unit_test(a_chain_not_about_the_result_is_dropped_R2),
        cmocka_unit_test(a_record_is_valid_until_the_next_close_or_fail_R2),
        cmocka_unit_test(the_first_8_beside_it_are_kept_the_rest_counted_N4),
        cmocka_unit_test(close_makes_a_tree_of_its_childrens_records_R2),
        cmocka_unit_test(start_brings_its_childs_words_to_the_caller_R2),
        cmocka_unit_test(all_records_come_back_R2),
        cmocka_unit_test(with_an_empty_pool_words_are_lost_and_no_code_R2),
        cmocka_unit_test(nor_the_codes_that_the_library_makes_R2),
        cmocka_unit_test(an_ECANCELED_at_the_root_is_the_runs_result_R3),
        cmocka_unit_test(a_task_that_swallows_its_cancellation_is_legal_R4),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
