/* test_portal_close.c - claims about the end of portals: what was accepted runs
 *                       before the scope is left, whatever the posts do.
 */
#include "rules/portals.h"

#include <string.h>

/* ---- every kind of scope ---- */

static int leaves_scopes(void *arg)
{
    struct portals *w = arg;
    roost_scope s;

    roost_scope_enter(&s, ROOST_NEVER);
    w->p = roost_portal_open(&s);
    post_both(w->p, "scope");
    EXPECT_INT(roost_scope_leave(&s, 3), 3);
    EXPECT_LOG("scope end");
    over_and_free(w->p);

    roost_shield_enter(&s, ROOST_SEC(1));
    w->p = roost_portal_open(&s);
    post_both(w->p, "shield");
    EXPECT_INT(roost_scope_leave(&s, 3), 3);
    EXPECT_LOG("shield end");
    over_and_free(w->p);

    roost_scope_enter(&s, ROOST_NEVER);
    w->p = roost_portal_open(&s);
    roost_scope_cancel(&s, "a test");
    post_both(w->p, "cancelled");
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), 0);
    EXPECT_LOG("cancelled end");
    over_and_free(w->p);
    return 0;
}

static void what_was_accepted_runs_before_a_scope_is_left_G5(void **state)
{
    struct portals w;

    (void)state;
    assert_int_equal(kit_run(leaves_scopes, &w), 0);
}

static int falls_out(struct portals *w)
{
    {
        ROOST_SCOPE(s);
        w->p = roost_portal_open(s);
        post_both(w->p, "guard");
    }
    {
        ROOST_NURSERY(n);
        w->q = roost_portal_open(roost_nursery_scope(n));
        post_both(w->q, "nursery");
    }
    return 5;
}

static int leaves_guards(void *arg)
{
    struct portals *w = arg;

    EXPECT_INT(falls_out(w), 5);
    EXPECT_LOG("guard end nursery end");
    over_and_free(w->p);
    over_and_free(w->q);
    return 0;
}

static void and_before_a_guard_has_left_it_N5_G5(void **state)
{
    struct portals w;

    (void)state;
    kit_allow_guards(2);
    assert_int_equal(kit_run(leaves_guards, &w), 0);
}

static int posts_last(void *arg)
{
    struct portals *w = arg;
    int r = roost_sleep_until(ROOST_NEVER);

    post_both(w->p, "child");
    return r;
}

static int closes_nursery(void *arg)
{
    struct portals *w = arg;

    ROOST_NURSERY(n);
    w->p = roost_portal_open(roost_nursery_scope(n));
    roost_spawn(n, posts_last, w);
    roost_spawn(n, kit_fail_eio, NULL);
    EXPECT_INT(roost_nursery_close(n, 0), -EIO);
    EXPECT_LOG("child end");
    over_and_free(w->p);
    return 0;
}

static void a_nurserys_is_open_until_no_child_is_left_G5(void **state)
{
    struct portals w;

    (void)state;
    assert_int_equal(kit_run(closes_nursery, &w), 0);
}

static int posts_to_root(void *arg)
{
    struct portals *w = arg;

    w->p = roost_portal_open(NULL);
    post_both(w->p, "root");
    EXPECT_INT(roost_portal_post(w->p, counts, &w->ran), 0);
    return w->ran;
}

static void a_roots_closes_at_the_end_of_the_run_G5(void **state)
{
    struct portals w = { 0 };

    (void)state;
    assert_int_equal(kit_run(posts_to_root, &w), 0);
    kit_begin();
    over_and_free(w.p);
    kit_end();
    assert_int_equal(w.ran, 1);
}

static int opens_and_leaves(void *arg)
{
    struct portals *w = arg;

    ROOST_SCOPE(s);
    w->q = roost_portal_open(s);
    post_both(w->q, "child's");
    return roost_scope_leave(s, 0);
}

static int ends_child(void *arg)
{
    struct portals *w = arg;
    roost_child child = { 0 };

    ROOST_NURSERY(n);
    w->p = roost_portal_open(roost_nursery_scope(n));
    roost_spawn_with(n, opens_and_leaves, w,
                     &(roost_spawn_options){ .child = &child });
    EXPECT_INT(roost_child_end(&child, "a test"), 0);
    over_and_free(w->q);
    EXPECT_INT(roost_portal_post(w->p, logs, word("n")), 0);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("child's end n");
    over_and_free(w->p);
    return 0;
}

static void a_childs_ends_before_its_nurserys_G5(void **state)
{
    struct portals w;

    (void)state;
    assert_int_equal(kit_run(ends_child, &w), 0);
}

/* ---- posts that spawn while the nursery closes ---- */

static int goes_on(void *arg)
{
    struct portals *w = arg;
    int r = roost_sleep(ROOST_SEC(1));

    w->ran++;
    return r;
}

static void spawns(void *arg)
{
    roost_spawn(((struct portals *)arg)->n, goes_on, arg);
}

static int spawns_at_close(void *arg)
{
    struct portals *w = arg;
    int i;

    ROOST_NURSERY(n);
    w->n = n;
    w->p = roost_portal_open(roost_nursery_scope(n));
    for (i = 0; i < 5; i++)
        EXPECT_INT(roost_portal_post(w->p, spawns, w), 0);
    EXPECT_INT(roost_nursery_close(n, 8), 8);
    EXPECT_INT(w->ran, 5);
    EXPECT_INT(kit_ms(), 1000);
    over_and_free(w->p);
    return 0;
}

static void children_it_spawns_at_the_close_are_joined_N6(void **state)
{
    struct portals w = { 0 };

    (void)state;
    assert_int_equal(kit_run(spawns_at_close, &w), 0);
}

static void spawns_a_failure(void *arg)
{
    roost_spawn(((struct portals *)arg)->n, kit_fail_eio, NULL);
}

static int fails_at_close(void *arg)
{
    struct portals *w = arg;
    int r;

    ROOST_NURSERY(n);
    w->n = n;
    w->p = roost_portal_open(roost_nursery_scope(n));
    EXPECT_INT(roost_portal_post(w->p, spawns_a_failure, w), 0);
    r = roost_nursery_close(n, 8);
    roost_portal_free(w->p);
    return r;
}

static void and_their_failure_is_the_verdict_N2(void **state)
{
    struct portals w = { 0 };

    (void)state;
    assert_int_equal(kit_run(fails_at_close, &w), -EIO);
}

static int guard_spawns(void *arg)
{
    struct portals *w = arg;

    {
        ROOST_NURSERY(n);
        w->n = n;
        w->p = roost_portal_open(roost_nursery_scope(n));
        EXPECT_INT(roost_portal_post(w->p, spawns, w), 0);
        EXPECT_INT(roost_portal_post(w->p, logs, word("last")), 0);
    }
    EXPECT_LOG("last");
    EXPECT_INT(w->ran, 1); /* to its first checkpoint, and cut there (N7) */
    EXPECT_INT(kit_ms(), 0);
    over_and_free(w->p);
    return 0;
}

static void a_child_spawned_as_the_guard_closes_is_cut_and_joined_N7(void **state)
{
    struct portals w = { 0 };

    (void)state;
    kit_allow_guards(1);
    assert_int_equal(kit_run(guard_spawns, &w), 0);
}

static int runs_last(void *arg)
{
    return roost_portal_run(((struct portals *)arg)->p,
                            ((struct portals *)arg)->n, goes_on, arg);
}

/* The thread's call is in the list when close comes: nobody has looked. */
static int closes_upon_call(void *arg)
{
    struct portals *w = arg;
    struct thread t;

    ROOST_NURSERY(n);
    w->n = n;
    w->p = roost_portal_open(roost_nursery_scope(n));
    begin_thread(&t, runs_last, w);
    while (!atomic_load(&roost__rt->alarm.rung))
        sched_yield();
    EXPECT_INT(roost_nursery_close(n, 8), 8);
    EXPECT_INT(join_thread(&t), 0);
    EXPECT_INT(w->ran, 1);
    over_and_free(w->p);
    return 0;
}

static void a_run_that_comes_at_the_close_ends_well_G5_N6(void **state)
{
    struct portals w = { 0 };

    (void)state;
    assert_int_equal(kit_run(closes_upon_call, &w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_accepted_runs_before_a_scope_is_left_G5),
        cmocka_unit_test(and_before_a_guard_has_left_it_N5_G5),
        cmocka_unit_test(a_nurserys_is_open_until_no_child_is_left_G5),
        cmocka_unit_test(a_roots_closes_at_the_end_of_the_run_G5),
        cmocka_unit_test(a_childs_ends_before_its_nurserys_G5),
        cmocka_unit_test(children_it_spawns_at_the_close_are_joined_N6),
        cmocka_unit_test(and_their_failure_is_the_verdict_N2),
        cmocka_unit_test(
            a_child_spawned_as_the_guard_closes_is_cut_and_joined_N7),
        cmocka_unit_test(a_run_that_comes_at_the_close_ends_well_G5_N6),
    };

    alarm(60);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
