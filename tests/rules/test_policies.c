/* test_policies.c - what a child's failure does: fail fast, or isolated.
 */
#include "rules/children.h"

#include <stdio.h>
#include <string.h>

/* What on_error was told. */
struct told {
    int times, codes[16];
    char words[1024];
};

static void tell(int code, const roost_error *e, void *arg)
{
    struct told *t = arg;

    if (t->times < 16)
        t->codes[t->times] = code;
    t->times++;
    snprintf(t->words, sizeof t->words, "%s", kit_error(e));
}

#define ISOLATED(n, t, ...) \
    ROOST_NURSERY_WITH(n, .policy = ROOST_ISOLATE, .on_error = tell, \
                       .on_error_arg = (t), __VA_ARGS__)

/* ---- fail fast ---- */

IN_TASK(losers_are_cancelled_and_joined_N12)
{
    ROOST_NURSERY(n);
    KID(n, .forever = true, .cleanup_ms = 20, .name = "loser");
    KID(n, .ms = 5, .result = -EIO);
    EXPECT_INT(roost_nursery_close(n, 0), -EIO);
    EXPECT_INT(kit_ms(), 25);
    EXPECT_LOG("loser");
    return 0;
}

static int first_wins(void *arg)
{
    struct kid *k = *(struct kid **)arg;
    int r = kid_body(k);

    if (r >= 0)
        roost_scope_cancel(*((roost_scope **)arg + 1), "somebody won");
    return r;
}

static int race(struct kid *a, struct kid *b)
{
    struct kid *both[] = { a, b };
    int i;

    ROOST_NURSERY(n);
    for (i = 0; i < 2; i++) {
        void *pair[] = { both[i], roost_nursery_scope(n) };

        roost_spawn_copy(n, first_wins, pair, sizeof pair);
    }
    return roost_nursery_close(n, 0);
}

/* A race in user's code: the first to end well cancels the others, and they are
 * home before it is over. */
IN_TASK(a_race_written_with_it_joins_its_losers_N12)
{
    struct kid quick = { .ms = 5, .name = "quick" };
    struct kid slow = { .forever = true, .cleanup_ms = 7, .name = "slow" };
    struct kid bad = { .ms = 3, .result = -EIO };

    EXPECT_INT(race(&slow, &quick), 0);
    EXPECT_INT(kit_ms(), 12);
    EXPECT_LOG("quick slow");
    EXPECT_INT(race(&slow, &bad), -EIO);
    EXPECT_LOG("slow");
    return 0;
}

IN_TASK(on_error_is_not_called_when_failing_fast_N18)
{
    struct told t = { 0 };

    ROOST_NURSERY_WITH(n, .on_error = tell, .on_error_arg = &t);
    KID(n, .result = -EIO);
    EXPECT_INT(roost_nursery_close(n, 0), -EIO);
    EXPECT_INT(t.times, 0);
    return 0;
}

/* ---- isolated ---- */

static int fail_with_words(void *arg)
{
    (void)arg;
    return roost_fail(-ENOENT, "looking for it");
}

IN_TASK(a_failure_is_told_and_cancels_nobody_N18)
{
    struct told t = { 0 };

    ISOLATED(n, &t, .name = "isolated");
    KID(n, .ms = 20, .name = "whole");
    roost_spawn_at(n, fail_with_words, NULL, "spawned.c:1");
    EXPECT_INT(roost_sleep(ROOST_MS(10)), 0);
    EXPECT_INT(t.times, 1); /* at its end, not at close */
    EXPECT_INT(t.codes[0], -ENOENT);
    EXPECT_HAS(t.words, "looking for it");
    EXPECT_HAS(t.words, "main/task#");
    EXPECT(!roost_scope_cancelled(roost_nursery_scope(n)));
    EXPECT_INT(roost_nursery_close(n, 5), 5);
    EXPECT(!roost_error_of(-ENOENT));
    EXPECT_LOG("whole");
    return 0;
}

IN_TASK(each_failure_is_told_in_order_N18)
{
    struct told t = { 0 };

    ISOLATED(n, &t, .name = "isolated");
    KID(n, .ms = 3, .result = -EIO);
    KID(n, .ms = 1, .result = -EPERM);
    KID(n, .ms = 2, .result = 4);
    KID(n, .ms = 2, .result = -EBADF);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(t.times, 3);
    EXPECT_INT(t.codes[0], -EPERM);
    EXPECT_INT(t.codes[1], -EBADF);
    EXPECT_INT(t.codes[2], -EIO);
    return 0;
}

IN_TASK(a_crowd_of_failures_leaves_no_record_behind_R2)
{
    struct told t = { 0 };
    int i;

    ISOLATED(n, &t, .name = "isolated");
    for (i = 0; i < 1000; i++) {
        roost_spawn(n, fail_with_words, NULL);
        EXPECT_INT(roost_checkpoint(), 0);
        EXPECT_HAS(t.words, "looking for it");
        t.words[0] = '\0';
    }
    EXPECT_INT(t.times, 1000);
    return roost_nursery_close(n, 0);
}

IN_TASK(without_on_error_it_is_silent_N18)
{
    kit_stderr_begin();
    ROOST_NURSERY_WITH(n, .policy = ROOST_ISOLATE);
    KID(n, .result = -EIO);
    EXPECT_INT(roost_nursery_close(n, 5), 5);
    EXPECT_INT(strlen(kit_stderr_end()), 0);
    return 0;
}

IN_TASK(the_bodys_failure_is_one_N18)
{
    struct told t = { 0 };

    ISOLATED(n, &t, .name = "isolated");
    KID(n, .forever = true, .cut = -EBADF, .name = "cut");
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_nursery_close(n, -EIO), -EIO);
    EXPECT_LOG("cut");
    EXPECT_INT(t.times, 1);
    EXPECT_INT(t.codes[0], -EBADF);
    return 0;
}

IN_TASK(a_failed_spawn_is_one_N11)
{
    struct told t = { 0 };

    ISOLATED(n, &t, .children_max = 1);
    KID(n, .forever = true);
    EXPECT_INT(KID(n, .ms = 1), -EAGAIN);
    EXPECT_INT(roost_nursery_close(n, 0), -EAGAIN);
    EXPECT_INT(t.times, 0);
    return 0;
}

IN_TASK(being_cut_from_outside_counts_as_ever_N18)
{
    struct told t = { 0 };

    ROOST_NURSERY(o);
    ROOST_SCOPE(s);
    cancel_later(o, s, 5);
    ISOLATED(n, &t, .name = "isolated");
    KID(n, .forever = true);
    EXPECT_INT(roost_nursery_close(n, 7), -ECANCELED);
    EXPECT_INT(t.times, 0);
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), 0);
    return roost_nursery_close(o, 0);
}

/* A child's failure "is no failure": it hides no cancellation. */
IN_TASK(a_failure_in_cleanup_hides_no_cancellation_N18)
{
    struct told t = { 0 };

    ROOST_NURSERY(o);
    ROOST_SCOPE(s);
    cancel_later(o, s, 5);
    ISOLATED(n, &t, .name = "isolated");
    KID(n, .forever = true, .cut = -EIO);
    KID(n, .forever = true);
    EXPECT_INT(roost_nursery_close(n, 7), -ECANCELED);
    EXPECT_INT(t.times, 1);
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), 0);
    return roost_nursery_close(o, 0);
}

IN_TASK(its_deadline_and_by_hand_count_as_ever_N18)
{
    struct told t = { 0 };

    ISOLATED(n, &t, .deadline = roost_after(ROOST_MS(5)));
    KID(n, .forever = true);
    KID(n, .forever = true, .cut = -EIO);
    EXPECT_INT(roost_nursery_close(n, 7), -ETIMEDOUT);
    EXPECT(roost_scope_caught(NULL));
    EXPECT_INT(t.times, 1);
    ISOLATED(m, &t, .name = "by hand");
    cancel_later(m, roost_nursery_scope(m), 5);
    EXPECT_INT(roost_nursery_close(m, roost_sleep(ROOST_SEC(1))), 0);
    return 0;
}

static int foreign(void *arg)
{
    (void)arg;
    return -ECANCELED;
}

IN_TASK(a_foreign_ECANCELED_is_told_as_EPROTO_N16)
{
    struct told t = { 0 };

    ISOLATED(n, &t, .name = "isolated");
    roost_spawn_at(n, foreign, NULL, "spawned.c:1");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(t.times, 1);
    EXPECT_INT(t.codes[0], -EPROTO);
    EXPECT_HAS(t.words, "spawned.c:1");
    return 0;
}

static int start_then_fail(void *arg)
{
    roost_started(3);
    return *(int *)arg;
}

IN_TASK(a_started_child_is_isolated_from_then_on_N18)
{
    struct told t = { 0 };
    int code = -EIO;

    ISOLATED(n, &t, .name = "isolated");
    EXPECT_INT(roost_start(n, start_then_fail, &code), 3);
    EXPECT_INT(roost_start(n, kit_return, &code), -EIO);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(t.times, 1); /* of the one that had started */
    return 0;
}

IN_TASK(a_services_failure_is_told_too_N18)
{
    struct told t = { 0 };

    ISOLATED(n, &t, .name = "isolated");
    SERVICE(n, .ms = 5, .result = -EIO);
    SERVICE(n, .forever = true, .cut = -EPERM);
    KID(n, .ms = 10);
    EXPECT_INT(roost_nursery_close(n, 2), 2);
    EXPECT_INT(t.times, 2);
    return 0;
}

static int bad_policy(void *arg)
{
    roost_nursery n;
    roost_nursery_options o = { .policy = (enum roost_policy)7 };

    (void)arg;
    roost_nursery_open_with_at(&n, &o, "opened.c:1");
    return roost_nursery_close(&n, 0);
}

static void an_unknown_policy_is_misuse_N18(void **state)
{
    (void)state;
    kit_dies(bad_policy, NULL, "opened.c:1", "the policy 7", "ROOST_ISOLATE",
             NULL);
}

/* Of the suites of AnyIO and corral, not here since there is no such call:
 *   any_of, all_of, most_of, mux (corral combiner): a nursery says it; see
 *     a_race_written_with_it.
 *   errp-open-nursery (corral): there is no nursery without a body.
 */
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losers_are_cancelled_and_joined_N12),
        cmocka_unit_test(a_race_written_with_it_joins_its_losers_N12),
        cmocka_unit_test(on_error_is_not_called_when_failing_fast_N18),
        cmocka_unit_test(a_failure_is_told_and_cancels_nobody_N18),
        cmocka_unit_test(each_failure_is_told_in_order_N18),
        cmocka_unit_test(a_crowd_of_failures_leaves_no_record_behind_R2),
        cmocka_unit_test(without_on_error_it_is_silent_N18),
        cmocka_unit_test(the_bodys_failure_is_one_N18),
        cmocka_unit_test(a_failed_spawn_is_one_N11),
        cmocka_unit_test(being_cut_from_outside_counts_as_ever_N18),
        cmocka_unit_test(a_failure_in_cleanup_hides_no_cancellation_N18),
        cmocka_unit_test(its_deadline_and_by_hand_count_as_ever_N18),
        cmocka_unit_test(a_foreign_ECANCELED_is_told_as_EPROTO_N16),
        cmocka_unit_test(a_started_child_is_isolated_from_then_on_N18),
        cmocka_unit_test(a_services_failure_is_told_too_N18),
        cmocka_unit_test(an_unknown_policy_is_misuse_N18),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
