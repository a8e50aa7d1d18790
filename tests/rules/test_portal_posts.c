/* test_portal_posts.c - claims about posted functions that close, open and free
 *                       portals, their own among them.
 */
#include "rules/portals.h"

/* ---- what a posted function does to portals ---- */

static void closes_p(void *arg)
{
    struct portals *w = arg;

    kit_log("<");
    roost_portal_close(w->p);
    kit_log(">");
    is_over(w->p);
    w->q = w->p;
}

static int closed_by_post(void *arg)
{
    struct portals *w = arg;

    ROOST_SCOPE(s);
    w->p = roost_portal_open(s);
    EXPECT_INT(roost_portal_post(w->p, closes_p, w), 0);
    post_both(w->p, "behind");
    let_posts_run();
    EXPECT_LOG("< behind end >");
    EXPECT_INT(roost__rt->outside, 0);
    over_and_free(w->p);
    return roost_scope_leave(s, 0);
}

static void a_post_closes_its_portal_and_those_behind_run_in_it(void **state)
{
    struct portals w;

    (void)state;
    assert_int_equal(kit_run(closed_by_post, &w), 0);
}

static void closes_q_and_frees_both(void *arg)
{
    struct portals *w = arg;

    roost_portal_close(w->q);
    roost_portal_close(w->p);
    roost_portal_free(w->q);
    roost_portal_free(w->p);
}

/* q is closed while it stands next in the look at the alarm, and at the end of
 * their scope. */
static int closes_neighbours(void *arg)
{
    struct portals *w = arg;
    int i;

    for (i = 0; i < 4; i++) {
        roost_scope s;

        roost_scope_enter(&s, ROOST_NEVER);
        w->q = i & 1 ? roost_portal_open(&s) : NULL;
        w->p = roost_portal_open(&s);
        if (!(i & 1))
            w->q = roost_portal_open(&s);
        EXPECT_INT(roost_portal_post(w->q, logs, word("in q")), 0);
        EXPECT_INT(roost_portal_post(w->p, closes_q_and_frees_both, w), 0);
        EXPECT_INT(roost_portal_post(w->p, logs, word("in p")), 0);
        w->r = roost_portal_open(&s);
        EXPECT_INT(roost_portal_post(w->r, counts, &w->ran), 0);
        if (i & 2)
            let_posts_run();
        EXPECT_INT(roost_scope_leave(&s, 0), 0);
        EXPECT_LOG("in q in p");
        over_and_free(w->r);
    }
    EXPECT_INT(w->ran, 4);
    return 0;
}

static void a_post_closes_and_frees_its_own_and_another(void **state)
{
    struct portals w = { 0 };

    (void)state;
    assert_int_equal(kit_run(closes_neighbours, &w), 0);
}

static void opens_another(void *arg)
{
    struct portals *w = arg;

    w->q = roost_portal_open(w->s);
    EXPECT_INT(roost_portal_post(w->q, logs, word("opened late")), 0);
}

static int opens_at_end(void *arg)
{
    struct portals *w = arg;
    roost_nursery n;
    roost_scope s;

    roost_scope_enter(&s, ROOST_NEVER);
    w->s = &s;
    w->p = roost_portal_open(&s);
    EXPECT_INT(roost_portal_post(w->p, opens_another, w), 0);
    EXPECT_INT(roost_scope_leave(&s, 0), 0);
    EXPECT_LOG("opened late");
    over_and_free(w->p);
    over_and_free(w->q);

    roost_nursery_open(&n);
    w->s = roost_nursery_scope(&n);
    w->p = roost_portal_open(w->s);
    EXPECT_INT(roost_portal_post(w->p, opens_another, w), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_LOG("opened late");
    over_and_free(w->p);
    over_and_free(w->q);
    EXPECT_INT(roost__rt->outside, 0);
    return 0;
}

static void a_portal_opened_by_a_post_at_the_end_ends_too_G5(void **state)
{
    struct portals w;

    (void)state;
    assert_int_equal(kit_run(opens_at_end, &w), 0);
}

static void cancels_and_sets(void *arg)
{
    struct portals *w = arg;

    roost_scope_cancel(w->s, "a last post");
    roost_event_set(&w->e);
}

static int waits_for_e(void *arg)
{
    return roost_event_wait(&((struct portals *)arg)->e);
}

static int cancelled_by_last_post(void *arg)
{
    struct portals *w = arg;
    roost_scope s;

    roost_event_init(&w->e);
    ROOST_NURSERY(n);
    roost_spawn(n, waits_for_e, w);
    EXPECT_INT(roost_sleep(1), 0);
    roost_scope_enter(&s, ROOST_NEVER);
    w->s = &s;
    w->p = roost_portal_open(&s);
    EXPECT_INT(roost_portal_cancel(w->p, "pending"), 0);
    EXPECT_INT(roost_portal_post(w->p, cancels_and_sets, w), 0);
    EXPECT_INT(roost_scope_leave(&s, 6), 6);
    EXPECT(roost_scope_cancelled(&s));
    EXPECT(!roost_scope_caught(&s));
    over_and_free(w->p);

    roost_scope_enter(&s, ROOST_NEVER);
    w->p = roost_portal_open(&s);
    EXPECT_INT(roost_portal_cancel(w->p, "pending"), 0);
    EXPECT_INT(roost_scope_leave(&s, 6), 6);
    EXPECT(roost_scope_cancelled(&s));
    over_and_free(w->p);
    return roost_nursery_close(n, 0);
}

static void a_scope_cancelled_by_its_last_post_keeps_its_result_S6(void **state)
{
    struct portals w;

    (void)state;
    assert_int_equal(kit_run(cancelled_by_last_post, &w), 0);
}

/* ---- calls behind a post that closes ---- */

static int answers(void *arg)
{
    kit_log("answer");
    return *(int *)arg + 1;
}

static int calls_behind(void *arg)
{
    struct portals *w = arg;

    return roost_portal_call(w->p, answers, &w->ran);
}

static int calls_behind_close(void *arg)
{
    struct portals *w = arg;
    struct thread t;
    roost_scope s;
    int round;

    w->r = roost_portal_open(NULL);
    for (round = 0; round < 2; round++) {
        roost_scope_enter(&s, ROOST_NEVER);
        w->p = roost_portal_open(&s);
        begin_thread(&t, calls_behind, w);
        while (!atomic_load(&roost__rt->alarm.rung))
            sched_yield();
        EXPECT_INT(roost_portal_post(w->p, closes_p, w), 0);
        w->q = NULL;
        while (round && !w->q) /* the thread may be slow to write */
            let_posts_run();
        EXPECT_INT(roost_scope_leave(&s, 0), 0);
        EXPECT_INT(join_thread(&t), 1);
        /* In the scope's end it is closed already, and closing does nothing. */
        EXPECT_LOG(round ? "< answer >" : "< > answer");
        over_and_free(w->p);
        let_posts_run(); /* the alarm is quiet again */
    }
    roost_portal_close(w->r);
    roost_portal_free(w->r);
    return 0;
}

static void a_call_behind_a_post_that_closes_is_answered(void **state)
{
    struct portals w = { 0 };

    (void)state;
    assert_int_equal(kit_run(calls_behind_close, &w), 0);
}

static int closes_q(void *arg)
{
    struct portals *w = arg;

    roost_portal_close(w->q);
    return 12;
}

static int calls_and_frees(void *arg)
{
    struct portals *w = arg;
    int r = roost_portal_call(w->q, closes_q, w);

    if (roost_portal_call(w->q, closes_q, w) != -ESHUTDOWN)
        return -EPROTO;
    roost_portal_free(w->q);
    return r;
}

static int frees_in_thread(void *arg)
{
    struct portals *w = arg;
    int i;

    ROOST_SCOPE(s);
    w->p = roost_portal_open(s);
    for (i = 0; i < 200; i++) {
        w->q = roost_portal_open(s);
        EXPECT_INT(in_thread(w->p, calls_and_frees, w), 12);
    }
    EXPECT_INT(roost_scope_leave(s, 0), 0);
    over_and_free(w->p);
    return 0;
}

static void the_thread_that_had_it_closed_frees_it_at_once(void **state)
{
    struct portals w;

    (void)state;
    assert_int_equal(kit_run(frees_in_thread, &w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_post_closes_its_portal_and_those_behind_run_in_it),
        cmocka_unit_test(a_post_closes_and_frees_its_own_and_another),
        cmocka_unit_test(a_portal_opened_by_a_post_at_the_end_ends_too_G5),
        cmocka_unit_test(
            a_scope_cancelled_by_its_last_post_keeps_its_result_S6),
        cmocka_unit_test(a_call_behind_a_post_that_closes_is_answered),
        cmocka_unit_test(the_thread_that_had_it_closed_frees_it_at_once),
    };

    alarm(60);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
