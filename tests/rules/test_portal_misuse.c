/* test_portal_misuse.c - claims about portals used wrongly: a sentence each.
 */
#include "rules/portals.h"
#include "rules/wrong.h"

#include <ev.h>

/* ---- where it cannot be opened ---- */

static int opens_outside(void *arg)
{
    (void)arg;
    return roost_portal_open_at(NULL, "open.c:1") != NULL;
}

static int opens_left(void *arg)
{
    roost_scope s;

    (void)arg;
    roost_scope_enter(&s, ROOST_NEVER);
    roost_ignore(roost_scope_leave(&s, 0));
    return roost_portal_open_at(&s, "open.c:1") != NULL;
}

static int opens_never_entered(void *arg)
{
    static roost_scope s;

    (void)arg;
    return roost_portal_open_at(&s, "open.c:1") != NULL;
}

static int opens_closed_nursery(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    roost_ignore(roost_nursery_close(&n, 0));
    return roost_portal_open_at(roost_nursery_scope(&n), "open.c:1") != NULL;
}

static void opens_unnamed(void *arg)
{
    roost_ignore(opens_outside(arg));
}

static int posts_and_sleeps(void (*fn)(void *arg), roost_scope *s)
{
    roost_portal *p = roost_portal_open(s);

    EXPECT_INT(roost_portal_post(p, fn, p), 0);
    return roost_sleep(ROOST_SEC(1));
}

static int opens_in_post(void *arg)
{
    (void)arg;
    return posts_and_sleeps(opens_unnamed, NULL);
}

static int opens_for_other(void *arg)
{
    return roost_portal_open_at(arg, "open.c:1") != NULL;
}

static int run_opens_for_other(void *arg)
{
    return roost_run(opens_for_other, arg);
}

static int opens_in_threads(void *arg)
{
    ROOST_SCOPE(s);
    return roost_scope_leave(s, in_thread_at_once(arg ? run_opens_for_other
                                                      : opens_for_other, s));
}

static int opens_in_other_run(void *arg)
{
    return opens_in_threads(&arg);
}

static void a_portal_is_opened_in_the_run_of_an_open_scope(void **state)
{
    static const struct wrong wrong[] = {
        { opens_left, { "open.c:1", "a scope that is not open in this run" } },
        { opens_never_entered, { "open.c:1", "not open in this run" } },
        { opens_closed_nursery, { "open.c:1", "not open in this run" } },
        { opens_in_post, { "open.c:1", "outside a task; name the scope" } },
        { opens_in_threads, { "open.c:1", "outside a run" } },
        { opens_in_other_run, { "open.c:1", "not open in this run" } },
    };

    (void)state;
    ALL_DIE(wrong);
    kit_dies_outside(opens_outside, NULL, "open.c:1", "outside a run", NULL);
}

/* ---- closing and freeing ---- */

static int closes(void *p)
{
    roost_portal_close(p);
    return 0;
}

static int closes_in_thread(void *arg)
{
    (void)arg;
    ROOST_SCOPE(s);
    return roost_scope_leave(
        s, in_thread_at_once(closes, roost_portal_open_at(s, "open.c:1")));
}

static int closes_in_other_run(void *p)
{
    return roost_run(closes, p);
}

static int closes_in_runs_thread(void *arg)
{
    (void)arg;
    ROOST_SCOPE(s);
    return roost_scope_leave(
        s, in_thread_at_once(closes_in_other_run,
                             roost_portal_open_at(s, "open.c:1")));
}

static int frees_open(void *arg)
{
    (void)arg;
    ROOST_SCOPE(s);
    roost_portal_free(roost_portal_open_at(s, "open.c:1"));
    return roost_scope_leave(s, 0);
}

static void frees_own(void *p)
{
    roost_portal_free(p);
}

static int frees_open_in_post(void *arg)
{
    (void)arg;
    ROOST_SCOPE(s);
    return roost_scope_leave(s, posts_and_sleeps(frees_own, s));
}

static void closing_elsewhere_and_freeing_an_open_one_are_named(void **state)
{
    static const struct wrong wrong[] = {
        { closes_in_thread, { "roost_portal_close", "another thread",
                              "open.c:1" } },
        { closes_in_runs_thread, { "roost_portal_close", "another thread",
                                   "open.c:1" } },
        { frees_open, { "roost_portal_free", "is open", "open.c:1" } },
        { frees_open_in_post, { "roost_portal_free", "is open",
                                "test_portal_misuse.c:" } },
    };

    (void)state;
    ALL_DIE(wrong);
}

/* ---- posted functions that wait ---- */

static void sleeps(void *arg)
{
    (void)arg;
    roost_ignore(roost_sleep(1));
}

static void checks(void *arg)
{
    (void)arg;
    roost_ignore(roost_checkpoint());
}

static void enters(void *arg)
{
    static roost_scope s;

    (void)arg;
    roost_scope_enter(&s, ROOST_NEVER);
}

static void opens_nursery(void *arg)
{
    static roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
}

static void runs_loop(void *arg)
{
    roost_ignore(roost_run(nothing, arg));
}

static roost_nursery *of_posts;

static void starts(void *arg)
{
    roost_ignore(roost_start(of_posts, nothing, arg));
}

static void waits_for_room(void *arg)
{
    (void)arg;
    roost_ignore(roost_nursery_wait_room(of_posts));
}

static void closes_nursery(void *arg)
{
    (void)arg;
    roost_ignore(roost_nursery_close(of_posts, 0));
}

static void spawns(void *arg)
{
    roost_spawn_at(of_posts, nothing, arg, "spawn.c:1");
}

/* In the loop, when `fn` is posted and the task sleeps; or on the task's stack,
 * when the portal closes. */
struct posted {
    void (*fn)(void *arg);
    bool at_close;
};

static int is_posted(void *arg)
{
    const struct posted *post = arg;
    roost_portal *p;

    ROOST_NURSERY(n);
    of_posts = n;
    p = roost_portal_open(NULL);
    EXPECT_INT(roost_portal_post(p, post->fn, NULL), 0);
    if (post->at_close)
        roost_portal_close(p);
    return roost_nursery_close(n, roost_sleep(1));
}

static void dies_posted(void (*fn)(void *arg), const char *a, const char *b)
{
    struct posted post = { fn, false };

    kit_dies(is_posted, &post, "roost: ", a, b, NULL);
    post.at_close = true;
    kit_dies(is_posted, &post, "roost: ", a, b, NULL);
}

static void a_posted_function_cannot_wait_T5(void **state)
{
    (void)state;
    dies_posted(sleeps, "roost_sleep", "outside a task");
    dies_posted(checks, "roost_checkpoint", "outside a task");
    dies_posted(enters, "test_portal_misuse.c:", "outside a task");
    dies_posted(opens_nursery, "test_portal_misuse.c:", "outside a task");
    dies_posted(starts, "roost_start", "outside a task");
    dies_posted(waits_for_room, "roost_nursery_wait_room", "outside a task");
    dies_posted(closes_nursery, "roost_nursery_close", "outside a task");
    dies_posted(runs_loop, "roost_run", "inside the run begun at");
}

/* ---- into nurseries that are no more ---- */

static int spawns_into_closed(void *arg)
{
    roost_portal *p = roost_portal_open(NULL);

    (void)arg;
    ROOST_NURSERY(n);
    of_posts = n;
    EXPECT_INT(roost_nursery_close_at(n, 0, "close.c:1"), 0);
    EXPECT_INT(roost_portal_post(p, spawns, NULL), 0);
    return roost_sleep(1);
}

static int runs_into(void *p)
{
    return roost_portal_run_at(p, of_posts, nothing, NULL, "spawn.c:1");
}

static int runs_into_closed(void *arg)
{
    roost_portal *p = roost_portal_open(NULL);

    (void)arg;
    ROOST_NURSERY(n);
    of_posts = n;
    EXPECT_INT(roost_nursery_close_at(n, 0, "close.c:1"), 0);
    return in_thread(p, runs_into, p);
}

static void a_post_that_spawns_into_a_closed_nursery_is_named_N6(void **state)
{
    static const struct wrong wrong[] = {
        { spawns_into_closed, { "spawn.c:1", "close.c:1", "a spawn" } },
        { runs_into_closed, { "spawn.c:1", "close.c:1", "roost_portal_run" } },
    };

    (void)state;
    ALL_DIE(wrong);
}

/* ---- a callback of the host is no posted function ---- */

static void callback_spawns(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop, (void)w, (void)events;
    spawns(NULL);
}

static void does_nothing(void *arg)
{
    (void)arg;
}

static int posts_before(void *arg)
{
    (void)arg;
    ROOST_NURSERY(n);
    of_posts = n;
    return roost_nursery_close(
        n, posts_and_sleeps(does_nothing, roost_nursery_scope(n)));
}

static int runs_with_callback(void *arg)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    ev_timer timer;

    (void)arg;
    ev_timer_init(&timer, callback_spawns, .02, 0.);
    ev_timer_start(loop, &timer);
    return roost_run_with(&(roost_options){ .loop = loop }, posts_before, NULL);
}

static void a_hosts_callback_cannot_spawn_behind_a_post_T5(void **state)
{
    (void)state;
    kit_dies_outside(runs_with_callback, NULL, "spawn.c:1", "outside a task",
                     NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_portal_is_opened_in_the_run_of_an_open_scope),
        cmocka_unit_test(closing_elsewhere_and_freeing_an_open_one_are_named),
        cmocka_unit_test(a_posted_function_cannot_wait_T5),
        cmocka_unit_test(a_hosts_callback_cannot_spawn_behind_a_post_T5),
        cmocka_unit_test(a_post_that_spawns_into_a_closed_nursery_is_named_N6),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
