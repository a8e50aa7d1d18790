/* test_portal_guest.c - claims about portals of guests: roots on a host's loop.
 */
#include "rules/portals.h"

#include "rules/hosts.h"

struct host {
    struct ev_loop *loop;
    struct root root;
    roost_portal *p;
    roost_scope *s;
    roost_event e;
    struct thread t;
    int ran, callbacks;
};

/* ---- a thread wakes the host's loop ---- */

static int posts_one(void *arg)
{
    struct host *h = arg;
    int r = roost_portal_call(h->p, adds_one, &h->ran);

    return r != 1 ? -EPROTO : roost_portal_post(h->p, sets_event, &h->e);
}

static int begins_thread(void *arg)
{
    struct host *h = arg;
    int r;

    h->p = roost_portal_open(NULL);
    begin_thread(&h->t, posts_one, h);
    r = roost_event_wait(&h->e);
    EXPECT_INT(roost_portal_post(h->p, counts, &h->ran), 0);
    return r;
}

static void a_thread_wakes_a_root_on_an_idle_loop_G1_G5(void **state)
{
    struct host h = { .loop = host_begin() };

    (void)state;
    roost_event_init(&h.e);
    begin_root(&h.root, h.loop, begins_thread, &h);
    ev_run(h.loop, 0); /* returns: a portal keeps no loop */
    EXPECT_ENDED(&h.root, 0);
    EXPECT_INT(h.ran, 1); /* what came before the root's end has run */
    EXPECT_INT(join_thread(&h.t), 0);
    over_and_free(h.p);
    host_end(h.loop);
}

/* ---- a thread cancels a root ---- */

static int cancels(void *arg)
{
    return roost_portal_cancel(((struct host *)arg)->p, "the thread says so");
}

static int waits_to_be_cancelled(void *arg)
{
    struct host *h = arg;

    h->p = roost_portal_open(NULL);
    ROOST_NURSERY(n);
    roost_spawn(n, kit_sleep_forever, NULL);
    roost_spawn(n, kit_sleep_forever, NULL);
    begin_thread(&h->t, cancels, h);
    return roost_nursery_close(n, 0);
}

static void a_thread_cancels_a_root_G5(void **state)
{
    struct host h = { .loop = host_begin() };
    struct root other;

    (void)state;
    begin_root(&h.root, h.loop, waits_to_be_cancelled, &h);
    begin_root(&other, h.loop, kit_sleep_forever, NULL);
    while (!h.root.ended)
        ev_run(h.loop, EVRUN_ONCE);
    EXPECT_ENDED(&h.root, -ECANCELED);
    EXPECT_INT(join_thread(&h.t), 0);
    over_and_free(h.p);
    EXPECT_INT(other.ended, 0); /* its neighbour has a scope of its own */
    roost_root_cancel(other.handle, "a test");
    ev_run(h.loop, 0);
    EXPECT_ENDED(&other, -ECANCELED);
    host_end(h.loop);
}

/* ---- in the host's callbacks ---- */

static int opens_and_waits(void *arg)
{
    struct host *h = arg;
    roost_scope s;
    int r;

    roost_scope_enter(&s, ROOST_NEVER);
    h->s = &s;
    r = roost_event_wait(&h->e);
    EXPECT_INT(roost_scope_leave(&s, r), 0);
    over_and_free(h->p);
    return 0;
}

static void host_closes(struct ev_loop *loop, void *arg)
{
    struct host *h = arg;
    roost_portal *p = roost_portal_open(h->s);

    (void)loop;
    h->p = roost_portal_open(h->s);
    EXPECT_INT(roost_portal_call(p, adds_one, &h->ran), -EDEADLK);
    EXPECT_INT(roost_portal_post(p, counts, &h->ran), 0);
    roost_portal_close(p);
    over_and_free(p);
    EXPECT_INT(h->ran, 1);
    EXPECT_INT(roost_portal_post(h->p, counts, &h->ran), 0);
    EXPECT_INT(roost_portal_post(h->p, sets_event, &h->e), 0);
    EXPECT_INT(h->ran, 1);
}

static void callbacks_of_the_host_open_post_and_close_G2(void **state)
{
    struct host h = { .loop = host_begin() };
    struct later later;

    (void)state;
    roost_event_init(&h.e);
    begin_root(&h.root, h.loop, opens_and_waits, &h);
    ev_run(h.loop, EVRUN_NOWAIT); /* it waits now */
    call_later(&later, h.loop, 1, host_closes, &h);
    ev_run(h.loop, 0);
    EXPECT_ENDED(&h.root, 0);
    EXPECT_INT(h.ran, 2);
    host_end(h.loop);
}

/* ---- a posted function runs the host's loop ---- */

static int gets_on(void *arg)
{
    int i, r = 0;

    for (i = 0; i < 5 && r >= 0; i++, ++*(int *)arg)
        r = roost_sleep(ROOST_MS(1));
    return r;
}

static void runs_loop(void *arg)
{
    struct host *h = arg;

    while (h->ran < 3)
        ev_run(h->loop, EVRUN_ONCE);
    EXPECT(!roost__self());
}

/* In the loop, and the scope is left meanwhile; or as the scope is left, on the
 * stack of its task. */
static int nests(struct host *h, bool sleeps)
{
    roost_portal *p;

    ROOST_NURSERY(n);
    h->ran = 0;
    roost_spawn(n, gets_on, &h->ran);
    roost_scope_enter(h->s, ROOST_NEVER);
    p = roost_portal_open(h->s);
    EXPECT_INT(roost_portal_post(p, runs_loop, h), 0);
    if (sleeps)
        EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    EXPECT_INT(roost_scope_leave(h->s, 0), 0);
    EXPECT(sleeps || h->ran >= 3);
    over_and_free(p);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    return roost_nursery_close(n, 0);
}

static int nests_both(void *arg)
{
    roost_scope s;

    ((struct host *)arg)->s = &s;
    EXPECT_INT(nests(arg, true), 0);
    return nests(arg, false);
}

static void a_posted_function_may_run_the_hosts_loop_G2(void **state)
{
    struct host h = { .loop = host_begin() };

    (void)state;
    begin_root(&h.root, h.loop, nests_both, &h);
    ev_run(h.loop, 0);
    EXPECT_ENDED(&h.root, 0);
    host_end(h.loop);
}

/* ---- the loop goes first ---- */

static void runs_to_the_end(void *arg)
{
    struct host *h = arg;

    ev_run(h->loop, 0);
    EXPECT_INT(h->root.ended, 1);
    h->ran++;
}

/* Sleeps until the post has run the loop, which then has no root left. */
static int ends_meanwhile(void *arg)
{
    struct host *h = arg;

    h->p = roost_portal_open(NULL);
    EXPECT_INT(roost_portal_post(h->p, runs_to_the_end, h), 0);
    return roost_sleep(ROOST_MS(2));
}

static void a_post_may_run_the_loop_until_no_root_is_left_G2(void **state)
{
    struct host h = { .loop = host_begin() };

    (void)state;
    begin_root(&h.root, h.loop, ends_meanwhile, &h);
    ev_run(h.loop, 0);
    EXPECT_ENDED(&h.root, 0);
    EXPECT_INT(h.ran, 1);
    roost_portal_free(h.p);
    host_end(h.loop);
}

static int waits_with_portal(void *arg)
{
    struct host *h = arg;

    ROOST_NURSERY(n);
    h->p = roost_portal_open(roost_nursery_scope(n));
    roost_spawn(n, kit_sleep_forever, NULL);
    return roost_nursery_close(n, 0);
}

static void a_loop_that_is_destroyed_closes_its_portals_G3_G5(void **state)
{
    struct host h = { .loop = host_begin() };

    (void)state;
    begin_root(&h.root, h.loop, waits_with_portal, &h);
    ev_run(h.loop, EVRUN_NOWAIT);
    ev_run(h.loop, EVRUN_NOWAIT);
    EXPECT(h.p);
    EXPECT_INT(roost_portal_post(h.p, counts, &h.ran), 0);
    ev_loop_destroy(h.loop);
    EXPECT_ENDED(&h.root, -ECANCELED);
    EXPECT_INT(h.ran, 1);
    over_and_free(h.p);
    kit_end();
}

/* ---- guests in several threads ---- */

enum { HOSTS = 4, PASSES = 2000 };

struct link {
    struct thread t;
    roost_portal *p;
    int passed;
    roost_event over;
};

static struct link links[HOSTS];
static pthread_barrier_t have_portals;

static void pass_on(void *arg)
{
    struct link *l = arg;

    if (++l->passed == PASSES)
        roost_event_set(&l->over);
    roost_ignore(roost_portal_post(links[(l - links + 1) % HOSTS].p, pass_on,
                                   &links[(l - links + 1) % HOSTS]));
}

static int link_root(void *arg)
{
    struct link *l = arg;

    l->p = roost_portal_open(NULL);
    pthread_barrier_wait(&have_portals);
    if (l == links)
        pass_on(l);
    return roost_event_wait(&l->over);
}

static void link_over(int result, void *arg)
{
    ((struct link *)arg)->t.r = result;
}

static int link_host(void *arg)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    struct link *l = arg;
    int r = -ENOMEM;

    l->t.r = -EPROTO;
    if (roost_attach(loop, link_root, l, link_over, l)) {
        ev_run(loop, 0);
        r = l->t.r;
    }
    ev_loop_destroy(loop);
    return r;
}

static void guests_in_threads_post_to_each_other_G4_G5(void **state)
{
    int i;

    (void)state;
    alarm(60);
    kit_begin();
    pthread_barrier_init(&have_portals, NULL, HOSTS);
    for (i = 0; i < HOSTS; i++) {
        links[i] = (struct link){ 0 };
        roost_event_init(&links[i].over);
        begin_thread(&links[i].t, link_host, &links[i]);
    }
    for (i = 0; i < HOSTS; i++) {
        EXPECT_INT(join_thread(&links[i].t), 0);
        EXPECT(links[i].passed >= PASSES);
    }
    for (i = 0; i < HOSTS; i++)
        over_and_free(links[i].p);
    kit_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_wakes_a_root_on_an_idle_loop_G1_G5),
        cmocka_unit_test(a_thread_cancels_a_root_G5),
        cmocka_unit_test(callbacks_of_the_host_open_post_and_close_G2),
        cmocka_unit_test(a_posted_function_may_run_the_hosts_loop_G2),
        cmocka_unit_test(a_post_may_run_the_loop_until_no_root_is_left_G2),
        cmocka_unit_test(a_loop_that_is_destroyed_closes_its_portals_G3_G5),
        cmocka_unit_test(guests_in_threads_post_to_each_other_G4_G5),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
