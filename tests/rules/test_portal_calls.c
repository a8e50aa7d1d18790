/* test_portal_calls.c - claims about threads that call through a portal and wait
 *                       for the answer.
 */
#include "rules/portals.h"

#include <string.h>

/* ---- calls ---- */

static int on_the_loop(void *arg)
{
    struct told *t = arg;

    EXPECT(!roost__self());
    EXPECT(pthread_equal(t->loop, pthread_self()));
    t->ran++;
    return t->r;
}

static int waits_on_the_loop(void *arg)
{
    struct told *t = arg;
    int r = roost_sleep(ROOST_MS(1));

    EXPECT(roost__self());
    EXPECT(pthread_equal(t->loop, pthread_self()));
    t->ran++;
    return r < 0 ? r : t->r;
}

static int calls_and_runs(void *arg)
{
    static const int results[] = { 0, 41, -EIO, -ECANCELED, -ESHUTDOWN };
    struct told t = { .arg = &t, .loop = pthread_self() };
    size_t i;

    (void)arg;
    ROOST_NURSERY(n);
    open_for(&t, n);
    for (i = 0; i < sizeof results / sizeof *results; i++) {
        t.r = results[i];
        t.fn = on_the_loop;
        EXPECT_INT(in_thread(t.p, calls, &t), results[i]);
        t.fn = waits_on_the_loop;
        EXPECT_INT(in_thread(t.p, runs_task, &t), results[i]);
        EXPECT_INT(t.ran, 2 * (int)i + 2);
    }
    EXPECT_INT(roost_nursery_close(n, 6), 6); /* no failure of its own */
    over_and_free(t.p);
    return 0;
}

static void a_thread_gets_result_or_error_the_nursery_none_H01_H16(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_REAL };

    (void)state;
    assert_int_equal(kit_run(calls_and_runs, NULL), 0);
    assert_int_equal(kit_run_with(&o, calls_and_runs, NULL), 0);
}

static int calls_itself(void *arg)
{
    struct told *t = arg;

    EXPECT_INT(roost_portal_call(t->p, adds_one, &t->ran), -EDEADLK);
    EXPECT_INT(roost_portal_run(t->p, t->n, adds_one, &t->ran), -EDEADLK);
    return 9;
}

static void post_calls_itself(void *arg)
{
    struct told *t = arg;

    t->r = calls_itself(t);
}

static int calls_from_all_sides(void *arg)
{
    struct told t = { .fn = calls_itself, .arg = &t };

    (void)arg;
    ROOST_NURSERY(n);
    open_for(&t, n);
    roost_ignore(calls_itself(&t));
    EXPECT_INT(roost_portal_post(t.p, post_calls_itself, &t), 0);
    let_posts_run();
    EXPECT_INT(t.r, 9);
    EXPECT_INT(in_thread(t.p, calls, &t), 9);
    EXPECT_INT(in_thread(t.p, runs_task, &t), 9);
    EXPECT_INT(roost_portal_run(t.p, NULL, adds_one, &t), -EINVAL);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    over_and_free(t.p);
    EXPECT_INT(t.ran, 0);
    return 0;
}

static void in_the_loops_thread_it_would_wait_for_itself_H19(void **state)
{
    (void)state;
    assert_int_equal(kit_run(calls_from_all_sides, NULL), 0);
}

static int posts_then_calls(void *arg)
{
    struct told *t = arg;
    int i, last = 0, r = 0;

    for (i = 0; i < 500 && r == i; i++) {
        if (roost_portal_post(t->p, counts, &last) < 0)
            return -EPROTO;
        r = roost_portal_call(t->p, adds_one, &last) - 1;
        r = r == i + 1 ? i + 1 : -EPROTO;
    }
    return r;
}

static int orders(void *arg)
{
    struct told t = { 0 };

    (void)arg;
    ROOST_NURSERY(n);
    open_for(&t, n);
    EXPECT_INT(in_thread(t.p, posts_then_calls, &t), 500);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    roost_portal_free(t.p);
    return 0;
}

static void what_a_thread_posted_before_it_called_has_run(void **state)
{
    (void)state;
    assert_int_equal(kit_run(orders, NULL), 0);
}

/* ---- a task of its own ---- */

static int cleans(void *arg)
{
    int *cleaned = arg, r = roost_sleep(ROOST_MS(5));

    *cleaned = 1;
    return r;
}

/* What is cleaned is on the stack of the thread. */
static int defers(void *arg)
{
    int r = roost_defer(cleans, arg);

    return r < 0 ? r : 4;
}

static int runs_one_that_defers(void *arg)
{
    struct told *t = arg;
    int i, cleaned = 0, r = 0;

    for (i = 0; i < 100; i++, cleaned = 0) {
        r = roost_portal_run(t->p, t->n, defers, &cleaned);
        if (!cleaned)
            return -EPROTO;
    }
    return r;
}

static int fails_later(void *arg)
{
    (void)arg;
    return -EIO;
}

static int defers_failure(void *arg)
{
    int r = roost_defer(fails_later, arg);

    return r < 0 ? r : 4;
}

/* A nursery left without close keeps its failure for the task. */
static int leaves_guard(void *arg)
{
    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, kit_fail_eio, NULL);
    roost_ignore(roost_sleep(1));
    return 4;
}

static int runs_with_ends(void *arg)
{
    struct told t = { 0 };

    (void)arg;
    ROOST_NURSERY(n);
    open_for(&t, n);
    EXPECT_INT(in_thread(t.p, runs_one_that_defers, &t), 4);
    t.fn = defers_failure;
    EXPECT_INT(in_thread(t.p, runs_task, &t), -EIO);
    t.fn = leaves_guard;
    EXPECT_INT(in_thread(t.p, runs_task, &t), -EIO);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    roost_portal_free(t.p);
    return 0;
}

static void the_answer_comes_after_deferred_functions_and_guards_T6_N5(
    void **state)
{
    (void)state;
    kit_allow_guards(1);
    kit_stderr_begin();
    assert_int_equal(kit_run(runs_with_ends, NULL), 0);
    assert_non_null(strstr(kit_stderr_end(), "left without close"));
}

static int sleeps_and_tells(void *arg)
{
    struct told *t = arg;

    roost_event_set(&t->e);
    return kit_sleep_forever(NULL);
}

static int cancels_a_run(void *arg)
{
    struct told t = { .fn = sleeps_and_tells, .arg = &t };
    struct thread thread;
    roost_nursery outer, n;

    (void)arg;
    roost_event_init(&t.e);
    roost_nursery_open(&outer);
    roost_nursery_open(&n);
    open_for(&t, &n);
    begin_thread(&thread, runs_task, &t);
    EXPECT_INT(roost_event_wait(&t.e), 0);
    EXPECT_INT(roost_nursery_count(&n), 1);
    if (arg)
        roost_nursery_cancel(&outer, "main exits");
    else
        roost_nursery_cancel(&n, "main exits");
    EXPECT_INT(roost_nursery_close(&n, 0), arg ? -ECANCELED : 0);
    EXPECT_INT(join_thread(&thread), -ECANCELED);
    over_and_free(t.p);
    return roost_nursery_close(&outer, 0);
}

static void a_run_ends_cancelled_with_its_nursery_H03_N2(void **state)
{
    int outside;

    (void)state;
    assert_int_equal(kit_run(cancels_a_run, NULL), 0);
    assert_int_equal(kit_run(cancels_a_run, &outside), 0);
}

static int runs_into_full(void *arg)
{
    struct told t = { .fn = waits_on_the_loop, .arg = &t, .r = 3,
                      .loop = pthread_self() };
    roost_nursery_options o = { .children_max = 1 };
    roost_nursery n;

    (void)arg;
    roost_nursery_open_with(&n, &o);
    open_for(&t, &n);
    roost_spawn(&n, kit_sleep_forever, NULL);
    EXPECT_INT(in_thread(t.p, runs_task, &t), -EAGAIN);
    EXPECT_INT(t.ran, 0);
    EXPECT_INT(roost_scope_cancelled(roost_nursery_scope(&n)), false);
    roost_nursery_cancel(&n, "a test");
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    over_and_free(t.p);
    return 0;
}

static void a_run_into_a_full_nursery_is_refused_N11(void **state)
{
    (void)state;
    assert_int_equal(kit_run(runs_into_full, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_thread_gets_result_or_error_the_nursery_none_H01_H16),
        cmocka_unit_test(in_the_loops_thread_it_would_wait_for_itself_H19),
        cmocka_unit_test(what_a_thread_posted_before_it_called_has_run),
        cmocka_unit_test(
            the_answer_comes_after_deferred_functions_and_guards_T6_N5),
        cmocka_unit_test(a_run_ends_cancelled_with_its_nursery_H03_N2),
        cmocka_unit_test(a_run_into_a_full_nursery_is_refused_N11),
    };

    alarm(60);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
