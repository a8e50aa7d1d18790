/* test_nursery_guard.c - a nursery's block left without close: by every way out
 *                        the children are joined first, and no error is lost.
 */
#include "rules/children.h"

#include <stdlib.h>
#include <string.h>

#include "core/rt.h"
#include "core/scope.h"

/* ---- every way out joins, before what is above the nursery goes ---- */

enum way { BY_RETURN, BY_BREAK, BY_CONTINUE, BY_GOTO, BY_END, WAYS };

struct borrower {
    char *buf; /* its parent's */
    int result;
};

/* Writes to what it borrowed until it is home, 7 ms after it was cancelled. */
static int borrow(void *arg)
{
    const struct borrower *b = arg;
    int i;

    b->buf[0] = 'a';
    roost_ignore(roost_sleep_until(ROOST_NEVER));
    for (i = 1; i < 8; i++) {
        roost_ignore(ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_MS(1))));
        b->buf[i] = 'b';
    }
    kit_log("home");
    return b->result;
}

static void log_freed(char **at)
{
    kit_log(*at && !strncmp(*at + 1, "bbbbbbb", 7) ? "freed" : "freed early");
}

static int leave(enum way way, int result)
{
    ROOST_FREE char *buf = calloc(1, 8);
    ROOST_CLEANUP(log_freed) char *seen = buf;
    int i;

    for (i = 0; i < 2; i++) {
        ROOST_NURSERY(n);
        roost_spawn_copy(n, borrow, &(struct borrower){ buf, result },
                         sizeof(struct borrower));
        roost_ignore(roost_checkpoint());
        if (way == BY_RETURN)
            return 5;
        if (way == BY_BREAK)
            break;
        if (way == BY_GOTO)
            goto out;
        if (way == BY_CONTINUE)
            continue;
        kit_log("end");
    }
    return 5;
out:
    return 5;
}

IN_TASK_GUARDS(every_way_out_joins_before_it_frees_N5, 7)
{
    static const char *const logs[WAYS] = {
        "home freed", "home freed", "home home freed", "home freed",
        "end home end home freed" };
    size_t tasks = roost__rt->tasks;
    enum way way;

    kit_stderr_begin();
    for (way = BY_RETURN; way < WAYS; way++) {
        EXPECT_INT(leave(way, 0), 5);
        kit_expect_log(logs[way], logs[way]);
        EXPECT_INT(roost__rt->tasks, tasks);
    }
    EXPECT_INT(kit_ms(), 7 * 7);
    EXPECT_HAS(kit_stderr_end(), "left without close: children cancelled");
    return roost_checkpoint();
}

IN_TASK_GUARDS(an_error_found_on_any_way_out_comes_out_at_the_next_close_N5, 7)
{
    enum way way;
    int r;

    kit_stderr_begin();
    for (way = BY_RETURN; way < WAYS; way++) {
        ROOST_NURSERY(o);
        EXPECT_INT(leave(way, -EIO), 5); /* cannot be changed */
        r = roost_nursery_close(o, 5);
        EXPECT_INT(r, -EIO);
        EXPECT_HAS(kit_error(roost_error_of(r)), "EIO");
    }
    kit_stderr_end();
    kit_expect_log("home freed home freed home home freed home freed end home "
                   "end home freed", ROOST_SITE);
    return 0;
}

static int allocate_three(void *arg)
{
    ROOST_FREE char *a = malloc(8);
    ROOST_NURSERY(n);
    ROOST_FREE char *b = malloc(8); /* below the nursery: freed before it */

    roost_spawn_copy(n, borrow, &(struct borrower){ a, 0 },
                     sizeof(struct borrower));
    if (b)
        b[0] = 'x';
    roost_ignore(roost_checkpoint());
    return *(int *)arg ? roost_nursery_close(n, -EPERM) : 0;
}

IN_TASK_GUARDS(owning_guards_are_undone_around_the_join_in_reverse_N5, 1)
{
    int with_close = 1;

    EXPECT_INT(allocate_three(&with_close), -EPERM);
    with_close = 0;
    kit_stderr_begin();
    EXPECT_INT(allocate_three(&with_close), 0);
    kit_stderr_end();
    EXPECT_LOG("home home");
    return 0;
}

/* ---- whose a found error is ---- */

/* Fails 5 ms after it was left. */
static void leave_a_failure(int code)
{
    ROOST_NURSERY(n);
    KID(n, .forever = true, .cleanup_ms = 5, .cut = code);
    roost_ignore(roost_checkpoint());
}

static int leaves_a_failure(void *arg)
{
    leave_a_failure(-EIO);
    return *(int *)arg;
}

IN_TASK_GUARDS(it_belongs_to_the_nearest_open_nursery_of_the_task_N5, 1)
{
    int r;

    ROOST_NURSERY(o);
    ROOST_NURSERY(m);
    ROOST_SCOPE(s); /* is none */
    kit_stderr_begin();
    leave_a_failure(-EIO);
    kit_stderr_end();
    EXPECT_INT(roost_scope_leave(s, 0), 0);
    EXPECT(!roost_scope_cancelled(roost_nursery_scope(m)));
    r = roost_nursery_close(m, 3);
    EXPECT_INT(r, -EIO);
    return roost_nursery_close(o, 0);
}

IN_TASK_GUARDS(with_no_nursery_open_it_is_the_tasks_N5, 3)
{
    int results[] = { 7, -ECANCELED, -EPERM }, i, r;

    kit_stderr_begin();
    for (i = 0; i < 3; i++) {
        ROOST_NURSERY(o);
        roost_spawn(o, leaves_a_failure, &results[i]);
        r = roost_nursery_close(o, 3);
        EXPECT_INT(r, i < 2 ? -EIO : -EPERM);
        EXPECT_HAS(kit_error(roost_error_of(r)), "EIO");
    }
    kit_stderr_end();
    return 0;
}

static void a_main_task_too_returns_what_its_guard_found_N5(void **state)
{
    int results[] = { 7, -ECANCELED, -EPERM };

    (void)state;
    kit_stderr_begin();
    kit_allow_guards(1);
    assert_int_equal(kit_run(leaves_a_failure, &results[0]), -EIO);
    kit_allow_guards(1);
    assert_int_equal(kit_run(leaves_a_failure, &results[1]), -EIO);
    kit_allow_guards(1);
    assert_int_equal(kit_run(leaves_a_failure, &results[2]), -EPERM);
    kit_stderr_end();
}

IN_TASK_GUARDS(it_replaces_an_ECANCELED_at_close_N5, 1)
{
    ROOST_NURSERY(o);
    kit_stderr_begin();
    leave_a_failure(-EIO);
    kit_stderr_end();
    roost_nursery_cancel(o, "test");
    EXPECT_INT(roost_nursery_close(o, -ECANCELED), -EIO);
    return 0;
}

IN_TASK_GUARDS(beside_a_real_error_it_is_a_secondary_record_N5, 2)
{
    int r;

    ROOST_NURSERY(o);
    kit_stderr_begin();
    leave_a_failure(-EIO);
    leave_a_failure(-EBADF);
    kit_stderr_end();
    r = roost_nursery_close(o, roost_fail(-EPERM, "the body"));
    EXPECT_INT(r, -EPERM);
    EXPECT_HAS(kit_error(roost_error_of(r)), "the body");
    EXPECT_HAS(kit_error(roost_error_of(r)), "EIO");
    EXPECT_HAS(kit_error(roost_error_of(r)), "EBADF");
    return 0;
}

IN_TASK_GUARDS(the_first_found_is_the_result_the_next_beside_it_N5, 2)
{
    int r;

    ROOST_NURSERY(o);
    kit_stderr_begin();
    leave_a_failure(-EIO);
    leave_a_failure(-EBADF);
    kit_stderr_end();
    r = roost_nursery_close(o, 0);
    EXPECT_INT(r, -EIO);
    EXPECT_HAS(kit_error(roost_error_of(r)), "also: Bad file");
    return 0;
}

static void leave_two_deep(void)
{
    ROOST_NURSERY(outer);
    KID(outer, .forever = true, .cut = -EBADF);
    leave_a_failure(-EIO);
}

IN_TASK_GUARDS(a_guard_passes_on_what_was_kept_for_its_nursery_N5, 4)
{
    int r;

    kit_stderr_begin();
    ROOST_NURSERY(o);
    leave_two_deep();
    r = roost_nursery_close(o, 0);
    EXPECT_INT(r, -EBADF); /* a child's failure; what was kept is beside it */
    EXPECT_HAS(kit_error(roost_error_of(r)), "EIO");
    ROOST_NURSERY(p);
    {
        ROOST_NURSERY(q);
        EXPECT_INT(roost_nursery_count(q), 0);
        leave_a_failure(-EIO);
    }
    EXPECT_HAS(kit_stderr_end(), "left without close");
    EXPECT_INT(roost_nursery_close(p, 0), -EIO);
    return 0;
}

/* if (r < 0) return r; where r is -ECANCELED because a child had failed */
static int forgets_close(void *arg)
{
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    KID(n, .ms = 5, .result = -EIO);
    r = roost_sleep(ROOST_SEC(1));
    if (r < 0)
        return r;
    return roost_nursery_close(n, 0);
}

IN_TASK_GUARDS(a_forgotten_close_still_brings_out_the_childs_error_N5, 1)
{
    int r;

    ROOST_NURSERY(o);
    roost_spawn(o, forgets_close, NULL);
    kit_stderr_begin();
    r = roost_nursery_close(o, 0);
    EXPECT_HAS(kit_stderr_end(), "left without close");
    EXPECT_INT(r, -EIO); /* not -EPROTO */
    EXPECT_HAS(kit_error(roost_error_of(r)), "EIO");
    EXPECT(!strstr(kit_error(roost_error_of(r)), "EPROTO"));
    return 0;
}

/* ---- cut by its own deadline, or cancelled ---- */

static void leave_with_deadline(void)
{
    ROOST_NURSERY_WITH(n, .deadline = roost_after(ROOST_MS(5)));
    KID(n, .forever = true);
    roost_ignore(roost_sleep(ROOST_MS(20)));
}

IN_TASK_GUARDS(a_child_cut_by_the_deadline_is_a_kept_ETIMEDOUT_N5, 2)
{
    int r;

    kit_stderr_begin();
    ROOST_NURSERY(o);
    leave_with_deadline();
    EXPECT_INT(roost_nursery_close(o, 0), -ETIMEDOUT);
    EXPECT(!roost_scope_caught(NULL));
    ROOST_NURSERY(p);
    KID(p, .forever = true, .cut = -EBADF);
    EXPECT_INT(roost_checkpoint(), 0);
    leave_with_deadline();
    r = roost_nursery_close(p, 0);
    kit_stderr_end();
    EXPECT_INT(r, -ETIMEDOUT);
    EXPECT_HAS(kit_error(roost_error_of(r)), "ETIMEDOUT");
    EXPECT_HAS(kit_error(roost_error_of(r)), "EBADF"); /* N4 */
    return 0;
}

IN_TASK_GUARDS(a_deadline_that_cut_no_child_is_not_kept_N5, 1)
{
    kit_stderr_begin();
    ROOST_NURSERY(o);
    {
        ROOST_NURSERY_WITH(n, .deadline = roost_after(ROOST_MS(5)));
        KID(n, .forever = true, .cut = 1);
        EXPECT_INT(roost_sleep(ROOST_MS(20)), -ECANCELED);
    }
    EXPECT_HAS(kit_stderr_end(), "its -ECANCELED leaks");
    return roost_nursery_close(o, 0);
}

IN_TASK_GUARDS(a_child_cut_from_outside_is_not_kept_N5, 1)
{
    ROOST_NURSERY(o);
    ROOST_SCOPE(s);
    kit_stderr_begin();
    {
        ROOST_NURSERY(n);
        KID(n, .forever = true);
        EXPECT_INT(roost_checkpoint(), 0);
        roost_scope_cancel(s, "test");
        EXPECT_INT(roost_nursery_count(n), 1);
    }
    EXPECT_INT(strlen(kit_stderr_end()), 0); /* alive, but cancelled already */
    EXPECT_INT(roost_scope_leave(s, roost_checkpoint()), 0);
    return roost_nursery_close(o, 0);
}

IN_TASK_GUARDS(a_cancelled_nursery_left_is_told_that_it_leaks_S17, 1)
{
    int i;

    kit_stderr_begin();
    for (i = 0; i < 1; i++) {
        ROOST_NURSERY(n);
        KID(n, .forever = true);
        roost_nursery_cancel(n, "test");
        continue;
    }
    EXPECT_HAS(kit_stderr_end(), "its -ECANCELED leaks");
    return roost_checkpoint();
}

/* ---- what it says ---- */

static int count(const char *text, const char *part)
{
    int n = 0;

    for (; (text = strstr(text, part)); text += strlen(part))
        n++;
    return n;
}

IN_TASK_GUARDS(one_sentence_for_each_site_N5, 6)
{
    const char *said;
    int i;

    kit_stderr_begin();
    for (i = 0; i < 3; i++) {
        ROOST_NURSERY(n);
        KID(n, .forever = true);
    }
    for (i = 0; i < 3; i++) {
        ROOST_NURSERY(n);
        KID(n, .forever = true);
    }
    said = kit_stderr_end();
    EXPECT_INT(count(said, "children cancelled"), 2);
    EXPECT_INT(count(said, __FILE__), 2);
    return 0;
}

IN_TASK_GUARDS(it_is_silent_when_nothing_was_lost_N5, 2)
{
    kit_stderr_begin();
    {
        ROOST_NURSERY(n);
        (void)n;
    }
    {
        ROOST_NURSERY(n);
        KID(n, .ms = 1);
        EXPECT_INT(roost_sleep(ROOST_MS(2)), 0);
    }
    EXPECT_INT(strlen(kit_stderr_end()), 0);
    return 0;
}

/* ---- who else waits with it ---- */

IN_TASK_GUARDS(the_guard_waits_to_the_end_though_its_task_is_cancelled_N1, 1)
{
    ROOST_NURSERY(o);
    ROOST_SCOPE(s);
    cancel_later(o, s, 5);
    kit_stderr_begin();
    {
        ROOST_NURSERY(n);
        KID(n, .forever = true, .cleanup_ms = 20, .name = "home");
        EXPECT_INT(roost_checkpoint(), 0);
    }
    kit_stderr_end();
    EXPECT_INT(kit_ms(), 20);
    EXPECT_LOG("home");
    EXPECT_INT(roost_scope_leave(s, roost_checkpoint()), 0);
    return roost_nursery_close(o, 0);
}

IN_TASK_GUARDS(children_that_never_ran_run_to_their_first_checkpoint_T3, 1)
{
    kit_stderr_begin();
    {
        ROOST_NURSERY(n);
        KID(n, .forever = true, .name = "ran");
    }
    kit_stderr_end();
    EXPECT_LOG("ran");
    return 0;
}

IN_TASK_GUARDS(the_guard_ends_the_services_after_the_others_N15, 1)
{
    kit_stderr_begin();
    {
        ROOST_NURSERY(n);
        SERVICE(n, .forever = true, .cleanup_ms = 1, .name = "service");
        KID(n, .forever = true, .cleanup_ms = 9, .name = "other");
        EXPECT_INT(roost_checkpoint(), 0);
    }
    kit_stderr_end();
    EXPECT_INT(kit_ms(), 10);
    EXPECT_LOG("other service");
    return 0;
}

/* ---- the guard trusts the list, not the bytes ---- */

IN_TASK(the_guard_of_a_closed_nursery_does_nothing_N5)
{
    ROOST_NURSERY(n);
    return roost_nursery_close(n, 0);
}

IN_TASK(the_guard_believes_no_bytes_that_a_goto_skipped_T5)
{
    static roost_nursery junk;
    roost_nursery copy;

    roost_nursery_guard(&junk);
    memset(&junk, 0xa5, sizeof junk);
    roost_nursery_guard(&junk);
    ROOST_NURSERY(n);
    memcpy(&copy, n, sizeof copy); /* open, but not here */
    roost_nursery_guard(&copy);
    junk.scope.cookie = roost__cookie(&junk.scope); /* says so, in no list */
    roost_nursery_guard(&junk);
    return roost_nursery_close(n, 0);
}

static void outside_a_task_the_guard_does_nothing_T5(void **state)
{
    static roost_nursery n;

    (void)state;
    n.scope.cookie = roost__cookie(&n.scope);
    roost_nursery_guard(&n);
}

static int leave_with_another_open(void *arg)
{
    roost_nursery m;

    (void)arg;
    {
        ROOST_NURSERY(n);
        (void)n;
        roost_nursery_open_at(&m, "inner.c:9");
    }
    return roost_nursery_close(&m, 0);
}

static void a_block_left_with_an_inner_nursery_open_is_misuse_T5(void **state)
{
    (void)state;
    kit_dies(leave_with_another_open, NULL, "the end of a block with a nursery",
             __FILE__, "inner.c:9", "still open", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_out_joins_before_it_frees_N5),
        cmocka_unit_test(an_error_found_on_any_way_out_comes_out_at_the_next_close_N5),
        cmocka_unit_test(owning_guards_are_undone_around_the_join_in_reverse_N5),
        cmocka_unit_test(it_belongs_to_the_nearest_open_nursery_of_the_task_N5),
        cmocka_unit_test(with_no_nursery_open_it_is_the_tasks_N5),
        cmocka_unit_test(a_main_task_too_returns_what_its_guard_found_N5),
        cmocka_unit_test(it_replaces_an_ECANCELED_at_close_N5),
        cmocka_unit_test(beside_a_real_error_it_is_a_secondary_record_N5),
        cmocka_unit_test(the_first_found_is_the_result_the_next_beside_it_N5),
        cmocka_unit_test(a_guard_passes_on_what_was_kept_for_its_nursery_N5),
        cmocka_unit_test(a_forgotten_close_still_brings_out_the_childs_error_N5),
        cmocka_unit_test(a_child_cut_by_the_deadline_is_a_kept_ETIMEDOUT_N5),
        cmocka_unit_test(a_deadline_that_cut_no_child_is_not_kept_N5),
        cmocka_unit_test(a_child_cut_from_outside_is_not_kept_N5),
        cmocka_unit_test(a_cancelled_nursery_left_is_told_that_it_leaks_S17),
        cmocka_unit_test(one_sentence_for_each_site_N5),
        cmocka_unit_test(it_is_silent_when_nothing_was_lost_N5),
        cmocka_unit_test(the_guard_waits_to_the_end_though_its_task_is_cancelled_N1),
        cmocka_unit_test(children_that_never_ran_run_to_their_first_checkpoint_T3),
        cmocka_unit_test(the_guard_ends_the_services_after_the_others_N15),
        cmocka_unit_test(the_guard_of_a_closed_nursery_does_nothing_N5),
        cmocka_unit_test(the_guard_believes_no_bytes_that_a_goto_skipped_T5),
        cmocka_unit_test(outside_a_task_the_guard_does_nothing_T5),
        cmocka_unit_test(a_block_left_with_an_inner_nursery_open_is_misuse_T5),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
