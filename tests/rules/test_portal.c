/* test_portal.c - claims about functions that are posted, called and run through
 *                 a portal, while it is open.
 */
#include "rules/portals.h"

#include <string.h>

/* ---- posting ---- */

static int posts_own(void *arg)
{
    roost_portal *p;

    (void)arg;
    ROOST_SCOPE(s);
    p = roost_portal_open(s);
    EXPECT_INT(roost_portal_post(p, logs, word("a")), 0);
    EXPECT_INT(roost_portal_post(p, logs, word("b")), 0);
    EXPECT_INT(roost_portal_post(p, logs, word("c")), 0);
    EXPECT_LOG("");
    let_posts_run();
    EXPECT_LOG("a b c");
    roost_portal_close(p);
    over_and_free(p);
    return roost_scope_leave(s, 7);
}

static void a_post_runs_later_outside_any_task_in_turn_R49_G5(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_REAL };

    (void)state;
    assert_int_equal(kit_run(posts_own, NULL), 7);
    assert_int_equal(kit_run_with(&o, posts_own, NULL), 7);
    o.seed = 5;
    assert_int_equal(kit_run_with(&o, posts_own, NULL), 7);
}

static int posts_with_errno(void *arg)
{
    roost_portal *p = arg;
    int r;

    errno = 77;
    r = roost_portal_post(p, logs, word("x"));
    return r < 0 || errno != 77 ? -EPROTO : roost_portal_post(p, logs, word("y"));
}

static int thread_posts(void *arg)
{
    roost_portal *p;

    (void)arg;
    ROOST_SCOPE(s);
    p = roost_portal_open(s);
    EXPECT_INT(in_thread(p, posts_with_errno, p), 0);
    EXPECT_LOG("x y");
    roost_portal_close(p);
    roost_portal_free(p);
    return roost_scope_leave(s, 0);
}

static void a_thread_posts_in_order_and_keeps_errno_G5(void **state)
{
    (void)state;
    assert_int_equal(kit_run(thread_posts, NULL), 0);
}

static roost_portal *of_handler;

static void handler(int sig)
{
    (void)sig;
    roost_ignore(roost_portal_post(of_handler, logs, word("signal")));
}

static int handler_posts(void *arg)
{
    roost_portal *p;

    (void)arg;
    ROOST_SCOPE(s);
    of_handler = p = roost_portal_open(s);
    signal(SIGUSR1, handler);
    errno = 78;
    raise(SIGUSR1);
    EXPECT_INT(errno, 78);
    EXPECT_LOG("");
    let_posts_run();
    EXPECT_LOG("signal");
    roost_portal_close(p);
    raise(SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
    EXPECT_LOG("");
    roost_portal_free(p);
    return roost_scope_leave(s, 0);
}

static void a_signal_handler_posts_G5(void **state)
{
    (void)state;
    assert_int_equal(kit_run(handler_posts, NULL), 0);
}

static int fills(void *arg)
{
    roost_portal *p;
    int i, round, count = 0;

    (void)arg;
    ROOST_SCOPE(s);
    p = roost_portal_open(s);
    for (round = 1; round <= 3; round++) {
        for (i = 0; i < ROOST_PORTAL_POSTS; i++)
            EXPECT_INT(roost_portal_post(p, counts, &count), 0);
        EXPECT_INT(roost_portal_post(p, counts, &count), -EAGAIN);
        EXPECT_INT(roost_portal_post(p, counts, &count), -EAGAIN);
        let_posts_run();
        EXPECT_INT(count, round * ROOST_PORTAL_POSTS);
    }
    EXPECT_INT(roost_portal_post(p, counts, &count), 0);
    roost_portal_close(p);
    EXPECT_INT(count, 3 * ROOST_PORTAL_POSTS + 1);
    roost_portal_free(p);
    return roost_scope_leave(s, 0);
}

static void a_full_portal_refuses_until_the_loop_has_looked(void **state)
{
    (void)state;
    assert_int_equal(kit_run(fills, NULL), 0);
}

/* ---- a flood ---- */

static roost_portal *flooded;

static void posts_again(void *counter)
{
    counts(counter);
    roost_ignore(roost_portal_post(flooded, posts_again, counter));
}

static int works_in_flood(void *arg)
{
    int i, count = 0, r = 0;

    (void)arg;
    ROOST_SCOPE(s);
    flooded = roost_portal_open(s);
    EXPECT_INT(roost_portal_post(flooded, posts_again, &count), 0);
    for (i = 0; i < 100 && r >= 0; i++)
        r = roost_sleep(ROOST_US(1));
    EXPECT_INT(r, 0);
    EXPECT(count > 100);
    roost_portal_close(flooded);
    roost_portal_free(flooded);
    return roost_scope_leave(s, 0);
}

static void a_flood_of_posts_starves_no_task(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_REAL };

    (void)state;
    assert_int_equal(kit_run_with(&o, works_in_flood, NULL), 0);
}

static int flag_is_set(void *flag)
{
    int r = 0;

    while (r >= 0 && !*(int *)flag)
        r = roost_checkpoint();
    return r;
}

static int posts_to_busy(void *arg)
{
    int flag = 0;
    roost_portal *p;

    (void)arg;
    ROOST_NURSERY(n);
    p = roost_portal_open(roost_nursery_scope(n));
    roost_spawn(n, flag_is_set, &flag);
    roost_spawn(n, flag_is_set, &flag);
    EXPECT_INT(roost_portal_post(p, counts, &flag), 0);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    roost_portal_free(p);
    return 0;
}

static void tasks_that_are_always_ready_starve_no_post(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_REAL };

    (void)state;
    assert_int_equal(kit_run(posts_to_busy, NULL), 0);
    assert_int_equal(kit_run_with(&o, posts_to_busy, NULL), 0);
}

/* ---- what a posted function may do ---- */

struct world {
    roost_nursery *n;
    roost_scope *s;
    roost_chan *c;
    roost_event e;
    roost_portal *p;
    int ran;
};

static int runs(void *arg)
{
    struct world *w = arg;
    int r = roost_sleep(ROOST_MS(1));

    w->ran++;
    return r;
}

static void does_what_it_may(void *arg)
{
    struct world *w = arg;
    int item = 5;

    roost_spawn(w->n, runs, w);
    EXPECT_INT(roost_chan_send_nowait(w->c, &item), 0);
    roost_event_set(&w->e);
    roost_scope_cancel(w->s, "a post");
    EXPECT_INT(roost_cancelled(), 0);
    EXPECT(roost_deadline() == ROOST_NEVER);
    EXPECT(roost_now() > 0);
}

static int gets_what_it_did(void *arg)
{
    struct world w = { .c = roost_chan_new(sizeof(int), 1) };
    int item = 0;
    roost_scope s;

    (void)arg;
    roost_event_init(&w.e);
    ROOST_NURSERY(n);
    roost_scope_enter(&s, ROOST_NEVER);
    w.n = n;
    w.s = &s;
    w.p = roost_portal_open(NULL);
    EXPECT_INT(roost_portal_post(w.p, does_what_it_may, &w), 0);
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), 0);
    EXPECT_INT(roost_event_wait(&w.e), 0);
    EXPECT_INT(roost_chan_recv(w.c, &item), 1);
    EXPECT_INT(item, 5);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(w.ran, 1);
    roost_portal_close(w.p);
    roost_portal_free(w.p);
    roost_chan_free(w.c);
    return 0;
}

static void it_may_spawn_set_send_and_cancel_N8(void **state)
{
    (void)state;
    assert_int_equal(kit_run(gets_what_it_did, NULL), 0);
}

static void spawns_a_failure(void *arg)
{
    roost_spawn(((struct world *)arg)->n, kit_fail_eio, NULL);
}

static int waits_for_failure(void *arg)
{
    struct world w = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    w.n = n;
    w.p = roost_portal_open(roost_nursery_scope(n));
    EXPECT_INT(roost_portal_post(w.p, spawns_a_failure, &w), 0);
    r = roost_sleep(ROOST_SEC(1));
    EXPECT_INT(r, -ECANCELED);
    r = roost_nursery_close(n, r);
    over_and_free(w.p);
    return r;
}

static void the_failure_of_a_child_it_spawned_is_the_nurserys_N3(void **state)
{
    (void)state;
    assert_int_equal(kit_run(waits_for_failure, NULL), -EIO);
}

static char initial[] = "initial";
static const roost_local key = { "key", initial };

static int logs_local(void *arg)
{
    (void)arg;
    kit_log(roost_local_get(&key));
    return 0;
}

static void spawns_one_that_logs(void *arg)
{
    EXPECT(!strcmp(roost_local_get(&key), "initial"));
    roost_spawn(((struct world *)arg)->n, logs_local, NULL);
}

/* It posts, with other locals than the nursery's task. */
static int posts_a_spawn(void *arg)
{
    struct world *w = arg;

    EXPECT_INT(roost_local_set(&key, word("poster")), 0);
    return roost_portal_post(w->p, spawns_one_that_logs, w);
}

static int inherits(void *arg)
{
    struct world w = { 0 };
    roost_portal *p;

    (void)arg;
    EXPECT_INT(roost_local_set(&key, word("owner")), 0);
    ROOST_NURSERY(n);
    w.n = n;
    w.p = p = roost_portal_open(roost_nursery_scope(n));
    roost_spawn(n, posts_a_spawn, &w);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("owner");
    roost_portal_free(p);
    return 0;
}

static void its_child_inherits_the_locals_of_the_nurserys_task_T4(void **state)
{
    (void)state;
    assert_int_equal(kit_run(inherits, NULL), 0);
}

/* ---- which scope ---- */

static int logs_when_cancelled(void *arg)
{
    int r = roost_sleep_until(ROOST_NEVER);

    kit_log(arg);
    return r;
}

struct deep {
    roost_portal *root, *nursery, *own;
};

static int opens_deep(void *arg)
{
    struct deep *d = arg;

    ROOST_SCOPE(s);
    d->root = roost_portal_open(NULL);
    d->own = roost_portal_open(s);
    EXPECT_INT(roost_portal_cancel(d->own, "own"), 0);
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), 0);
    over_and_free(d->own);
    EXPECT_INT(roost_portal_post(d->nursery, logs, word("open")), 0);
    EXPECT_INT(roost_portal_cancel(d->nursery, "the nursery"), 0);
    return logs_when_cancelled(word("child"));
}

static int two_deep(void *arg)
{
    struct deep *d = arg;

    ROOST_NURSERY(n);
    d->nursery = roost_portal_open(roost_nursery_scope(n));
    roost_spawn(n, opens_deep, d);
    roost_spawn(n, logs_when_cancelled, word("sibling"));
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    over_and_free(d->nursery);
    EXPECT_LOG("open sibling child");
    EXPECT_INT(roost_portal_post(d->root, logs, word("last")), 0);
    EXPECT_INT(roost_portal_cancel(d->root, "all"), 0);
    return logs_when_cancelled(word("main"));
}

static void each_scope_has_its_portals_the_inner_ends_first_G5(void **state)
{
    struct deep d;

    (void)state;
    assert_int_equal(kit_run(two_deep, &d), -ECANCELED);
    over_and_free(d.root);
}

static int two_on_one(void *arg)
{
    roost_portal *p, *q;

    (void)arg;
    ROOST_SCOPE(s);
    p = roost_portal_open(s);
    q = roost_portal_open(s);
    EXPECT_INT(roost_portal_post(p, logs, word("p")), 0);
    EXPECT_INT(roost_portal_post(q, logs, word("q")), 0);
    roost_portal_close(p);
    roost_portal_close(p);
    EXPECT_LOG("p");
    over_and_free(p);
    let_posts_run();
    EXPECT_LOG("q");
    EXPECT_INT(roost_portal_post(q, logs, word("q")), 0);
    EXPECT_INT(roost_scope_leave(s, 3), 3);
    EXPECT_LOG("q");
    roost_portal_close(q);
    over_and_free(q);
    roost_portal_free(NULL);
    return 0;
}

static void two_of_one_scope_close_each_for_itself(void **state)
{
    (void)state;
    assert_int_equal(kit_run(two_on_one, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_post_runs_later_outside_any_task_in_turn_R49_G5),
        cmocka_unit_test(a_thread_posts_in_order_and_keeps_errno_G5),
        cmocka_unit_test(a_signal_handler_posts_G5),
        cmocka_unit_test(a_full_portal_refuses_until_the_loop_has_looked),
        cmocka_unit_test(a_flood_of_posts_starves_no_task),
        cmocka_unit_test(tasks_that_are_always_ready_starve_no_post),
        cmocka_unit_test(it_may_spawn_set_send_and_cancel_N8),
        cmocka_unit_test(the_failure_of_a_child_it_spawned_is_the_nurserys_N3),
        cmocka_unit_test(its_child_inherits_the_locals_of_the_nurserys_task_T4),
        cmocka_unit_test(each_scope_has_its_portals_the_inner_ends_first_G5),
        cmocka_unit_test(two_of_one_scope_close_each_for_itself),
    };

    alarm(60);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
