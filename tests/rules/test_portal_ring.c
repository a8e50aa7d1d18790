/* test_portal_ring.c - claims about the queue of a portal that need its inside:
 *                      numbers that wrap, and a thread stopped in a post.
 *
 * The room's source is part of this program, in place of the library's, and its
 * rings pass through here.
 */
#include "core/rt.h"

static void ring(struct roost__alarm *a);

#define roost__alarm_ring ring
#include "os/portal.c"
#undef roost__alarm_ring

#include "rules/portals.h"

/* What is rung for must be there already; and who rings must be counted in, so
 * that the alarm cannot go meanwhile. */
static roost_portal *watched;
static atomic_int rings, too_early, not_inside;

static void ring(struct roost__alarm *a)
{
    if (watched) {
        atomic_fetch_add(&rings, 1);
        if (is_empty(watched))
            atomic_fetch_add(&too_early, 1);
        if (!atomic_load(&watched->inside))
            atomic_fetch_add(&not_inside, 1);
    }
    roost__alarm_ring(a);
}

/* As after `posts` that were all taken. */
static void pretend(roost_portal *p, size_t posts)
{
    size_t i, at = posts;

    for (i = 0; i < CELLS; i++, at++)
        atomic_store(&p->cells[at % CELLS].number, at);
    atomic_store(&p->head, posts);
    p->tail = posts;
}

/* ---- numbers that wrap ---- */

static int goes_round(void *arg)
{
    roost_portal *p;
    int i, ran = 0, posted = 0;

    (void)arg;
    ROOST_SCOPE(s);
    p = roost_portal_open(s);
    pretend(p, SIZE_MAX - 10);
    for (i = 0; i < 5; i++, posted++)
        EXPECT_INT(roost_portal_post(p, counts, &ran), 0);
    let_posts_run();
    EXPECT_INT(ran, posted);
    for (i = 0; i < CELLS; i++, posted++)
        EXPECT_INT(roost_portal_post(p, counts, &ran), 0);
    EXPECT(atomic_load(&p->head) < CELLS);
    EXPECT_INT(roost_portal_post(p, counts, &ran), -EAGAIN);
    let_posts_run();
    EXPECT_INT(ran, posted);
    for (i = 0; i < 3 * CELLS; i++, posted++) {
        EXPECT_INT(roost_portal_post(p, counts, &ran), 0);
        if (i % 700 == 0)
            let_posts_run();
    }
    EXPECT_INT(roost_scope_leave(s, 0), 0);
    EXPECT_INT(ran, posted);
    roost_portal_free(p);
    return 0;
}

static void the_numbers_of_its_cells_may_wrap(void **state)
{
    (void)state;
    assert_int_equal(kit_run(goes_round, NULL), 0);
}

/* A quarter of them either side of where a signed difference would change. */
static int goes_past_the_middle(void *arg)
{
    roost_portal *p;
    int i, ran = 0;

    (void)arg;
    ROOST_SCOPE(s);
    p = roost_portal_open(s);
    pretend(p, (size_t)PTRDIFF_MAX - 500);
    for (i = 0; i < CELLS; i++)
        EXPECT_INT(roost_portal_post(p, counts, &ran), 0);
    EXPECT_INT(roost_portal_post(p, counts, &ran), -EAGAIN);
    EXPECT_INT(roost_scope_leave(s, 0), 0);
    EXPECT_INT(ran, CELLS);
    roost_portal_free(p);
    return 0;
}

static void and_pass_half_their_range(void **state)
{
    (void)state;
    assert_int_equal(kit_run(goes_past_the_middle, NULL), 0);
}

/* ---- a thread that is stopped in a post ---- */

/* The cell is its own, but not filled. */
static size_t begin_post(roost_portal *p)
{
    EXPECT(enter(p));
    return atomic_fetch_add(&p->head, 1);
}

static void end_post(roost_portal *p, size_t at, const char *text)
{
    p->cells[at % CELLS].fn = logs;
    p->cells[at % CELLS].arg = word(text);
    atomic_store(&p->cells[at % CELLS].number, at + 1);
    ring(&p->rt->alarm);
    leave(p);
}

static int stopped_once(void *arg)
{
    roost_portal *p;
    size_t at;
    int i, ran = 0;

    (void)arg;
    ROOST_SCOPE(s);
    p = roost_portal_open(s);
    EXPECT_INT(roost_portal_post(p, logs, word("a")), 0);
    at = begin_post(p);
    EXPECT_INT(roost_portal_post(p, logs, word("c")), 0);
    let_posts_run();
    EXPECT_LOG("a"); /* in turn, so the third waits */
    for (i = 0; i < CELLS - 2; i++)
        EXPECT_INT(roost_portal_post(p, counts, &ran), 0);
    EXPECT_INT(roost_portal_post(p, counts, &ran), -EAGAIN);
    let_posts_run();
    EXPECT_INT(ran, 0);
    end_post(p, at, "b");
    let_posts_run();
    EXPECT_LOG("b c");
    EXPECT_INT(ran, CELLS - 2);
    EXPECT_INT(roost_scope_leave(s, 0), 0);
    roost_portal_free(p);
    return 0;
}

static void behind_a_thread_stopped_in_a_post_the_others_wait_in_turn(
    void **state)
{
    (void)state;
    assert_int_equal(kit_run(stopped_once, NULL), 0);
}

/* It has counted itself in, when close comes; or it has its cell, too. */
struct stopped {
    roost_portal *p;
    bool has_cell;
    size_t at;
};

static int ends_late(void *arg)
{
    struct stopped *stopped = arg;
    roost_portal *p = stopped->p;
    int r = 0;

    while (!atomic_load(&p->closed))
        sched_yield();
    usleep(2000); /* lint: close() waits meanwhile, in real time */
    if (stopped->has_cell) {
        end_post(p, stopped->at, "late");
        return 0;
    }
    r = fill_cell(p, logs, word("late"));
    ring(&p->rt->alarm);
    leave(p);
    return r;
}

static int closes_on_stopped(void *arg)
{
    struct stopped stopped = { .has_cell = arg };
    struct thread t;

    ROOST_SCOPE(s);
    stopped.p = roost_portal_open(s);
    if (arg)
        stopped.at = begin_post(stopped.p);
    else
        EXPECT(enter(stopped.p));
    begin_thread(&t, ends_late, &stopped);
    EXPECT_INT(roost_scope_leave(s, 0), 0);
    EXPECT_LOG("late");
    EXPECT_INT(join_thread(&t), 0);
    over_and_free(stopped.p);
    return 0;
}

static void close_waits_for_the_post_under_way_G5(void **state)
{
    assert_int_equal(kit_run(closes_on_stopped, NULL), 0);
    assert_int_equal(kit_run(closes_on_stopped, state), 0);
}

/* Between its first look and counting in. */
static int comes_too_late(void *arg)
{
    roost_portal *p;

    (void)arg;
    ROOST_SCOPE(s);
    p = roost_portal_open(s);
    EXPECT_INT(roost_scope_leave(s, 0), 0);
    EXPECT(!enter(p));
    EXPECT_INT(atomic_load(&p->inside), 0);
    over_and_free(p);
    return 0;
}

static void who_finds_it_closed_is_not_inside_G5(void **state)
{
    (void)state;
    assert_int_equal(kit_run(comes_too_late, NULL), 0);
}

/* ---- threads that wait for an answer ---- */

struct caller {
    roost_portal *p;
    const char *name;
    bool answered;
    struct thread t;
};

static int says_name(void *arg)
{
    struct caller *c = arg;

    kit_log(c->name);
    c->answered = true;
    return 0;
}

static int calls_by_name(void *arg)
{
    return roost_portal_call(((struct caller *)arg)->p, says_name, arg);
}

static int answers_in_turn(void *arg)
{
    struct caller callers[] = { { .name = "a" }, { .name = "b" },
                                { .name = "c" } };
    struct call *before = NULL;
    roost_portal *p;
    size_t i;

    (void)arg;
    ROOST_SCOPE(s);
    p = roost_portal_open(s);
    for (i = 0; i < 3; i++) {
        callers[i].p = p;
        begin_thread(&callers[i].t, calls_by_name, &callers[i]);
        while (atomic_load(&p->calls) == before)
            sched_yield();
        before = atomic_load(&p->calls);
    }
    EXPECT_INT(roost_scope_leave(s, 0), 0);
    EXPECT_LOG("a b c");
    for (i = 0; i < 3; i++)
        EXPECT_INT(join_thread(&callers[i].t), 0);
    roost_portal_free(p);
    return 0;
}

static void calls_are_answered_in_the_order_they_came(void **state)
{
    (void)state;
    assert_int_equal(kit_run(answers_in_turn, NULL), 0);
}

static int uses_all_ways(void *arg)
{
    struct caller c = { .name = "call" };

    (void)arg;
    ROOST_SCOPE(s);
    watched = c.p = roost_portal_open(s);
    begin_thread(&c.t, calls_by_name, &c); /* alone: the queue is empty */
    while (!c.answered)
        let_posts_run();
    EXPECT_INT(join_thread(&c.t), 0);
    EXPECT_INT(roost_portal_post(c.p, logs, word("post")), 0);
    let_posts_run();
    EXPECT_INT(roost_portal_cancel(c.p, "a test"), 0);
    EXPECT_INT(roost_sleep(1), -ECANCELED);
    EXPECT_LOG("call post");
    EXPECT_INT(atomic_load(&rings), 3);
    EXPECT_INT(atomic_load(&too_early), 0);
    EXPECT_INT(atomic_load(&not_inside), 0);
    watched = NULL;
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), 0);
    roost_portal_free(c.p);
    return 0;
}

static void who_rings_is_inside_and_has_left_something_G5(void **state)
{
    (void)state;
    assert_int_equal(kit_run(uses_all_ways, NULL), 0);
}

/* ---- one look takes no more than there is room for ---- */

struct chain {
    roost_portal *p;
    int ran;
};

static void again(void *arg)
{
    struct chain *chain = arg;

    chain->ran++;
    EXPECT_INT(roost_portal_post(chain->p, again, chain), 0);
}

static int floods(void *arg)
{
    struct chain chain = { 0 };
    int i, before;

    (void)arg;
    ROOST_SCOPE(s);
    chain.p = roost_portal_open(s);
    EXPECT_INT(roost_portal_post(chain.p, again, &chain), 0);
    for (i = 0; i < 5; i++) {
        before = chain.ran;
        drain(chain.p);
        EXPECT_INT(chain.ran - before, CELLS);
        EXPECT(atomic_load(&chain.p->rt->alarm.rung)); /* for the next look */
    }
    pretend(chain.p, 0); /* the one that waits is forgotten */
    EXPECT_INT(roost_scope_leave(s, 0), 0);
    roost_portal_free(chain.p);
    return 0;
}

static void one_look_runs_as_many_as_its_cells_at_most(void **state)
{
    (void)state;
    assert_int_equal(kit_run(floods, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_numbers_of_its_cells_may_wrap),
        cmocka_unit_test(and_pass_half_their_range),
        cmocka_unit_test(
            behind_a_thread_stopped_in_a_post_the_others_wait_in_turn),
        cmocka_unit_test(close_waits_for_the_post_under_way_G5),
        cmocka_unit_test(who_finds_it_closed_is_not_inside_G5),
        cmocka_unit_test(calls_are_answered_in_the_order_they_came),
        cmocka_unit_test(who_rings_is_inside_and_has_left_something_G5),
        cmocka_unit_test(one_look_runs_as_many_as_its_cells_at_most),
    };

    alarm(60);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
