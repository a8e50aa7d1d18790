/* test_park.c - claims about park and wake; those about lots: test_lot.c. */
#include "kit/kit.h"

#include <string.h>

/* One operation that somebody else ends. */
struct op {
    roost_wait w;
    roost_scope *scope; /* around the park */
    int asked;          /* how often abort was called */
    bool agrees;
    int abort_result;   /* of the wake that abort makes itself; 0: none */
    int r, after;
    long long at;
    bool done;
};

static bool op_abort(roost_wait *w, void *arg)
{
    struct op *o = arg;

    EXPECT(w == &o->w);
    o->asked++;
    if (o->abort_result)
        roost_wake(w, o->abort_result);
    return o->agrees;
}

static int park(struct op *o)
{
    return roost_park(&o->w, "a test's operation", op_abort, o);
}

/* Parks in a scope of its own and looks once afterwards. */
static int parker(void *arg)
{
    struct op *o = arg;
    roost_scope s;
    int r;

    roost_scope_enter(&s, ROOST_NEVER);
    o->scope = &s;
    roost_wait_init(&o->w);
    o->r = park(o);
    o->at = kit_ms();
    o->done = true;
    o->after = roost_checkpoint();
    r = roost_scope_leave(&s, o->after);
    return r;
}

static void settle(void)
{
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
}

/* ---- park and wake ---- */

static int hands_over(void *arg)
{
    const int *result = arg;
    struct op o = { .agrees = true };

    ROOST_NURSERY(n);
    roost_spawn(n, parker, &o);
    EXPECT_INT(roost_sleep(ROOST_MS(5)), 0);
    roost_wake(&o.w, *result);
    EXPECT(!o.done); /* not inside the call */
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(o.r, *result);
    EXPECT_INT(o.at, 5);
    EXPECT_INT(o.after, 0);
    EXPECT_INT(o.asked, 0);
    return 0;
}

static void what_wake_was_given_is_what_park_returns_C9(void **state)
{
    static int results[] = { 0, 1, 4711, -EIO, -ECANCELED };
    int i;

    (void)state;
    for (i = 0; i < 5; i++)
        assert_int_equal(kit_run(hands_over, &results[i]), 0);
}

static int early_wake(void *arg)
{
    bool cancelled = arg;
    struct op o = { .agrees = true };
    roost_scope s;

    roost_scope_enter(&s, ROOST_NEVER);
    if (cancelled)
        roost_scope_cancel(&s, "a test");
    roost_wait_init(&o.w);
    roost_wake(&o.w, 42);
    EXPECT_INT(park(&o), 42);
    EXPECT_INT(o.asked, 0);
    EXPECT_INT(kit_ms(), 0);
    EXPECT_INT(roost_checkpoint(), cancelled ? -ECANCELED : 0);
    return roost_scope_leave(&s, cancelled ? -ECANCELED : 0);
}

static void a_wake_before_the_park_is_kept_C9(void **state)
{
    int yes;

    (void)state;
    assert_int_equal(kit_run(early_wake, NULL), 0);
    assert_int_equal(kit_run(early_wake, &yes), 0);
}

/* A wait can be prepared again and again. */
static int again(void *arg)
{
    struct op o = { .agrees = true };
    int i;

    (void)arg;
    for (i = 0; i < 3; i++) {
        roost_wait_init(&o.w);
        roost_wake(&o.w, i);
        EXPECT_INT(park(&o), i);
    }
    return 0;
}

static void a_wait_is_used_again_after_init_C9(void **state)
{
    (void)state;
    assert_int_equal(kit_run(again, NULL), 0);
}

/* ---- abort ---- */

static int abort_agrees(void *arg)
{
    struct op o = { .agrees = true };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, parker, &o);
    settle();
    roost_scope_cancel(o.scope, "a test");
    EXPECT_INT(o.asked, 1); /* in the very call */
    EXPECT(!o.done);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(o.r, -ECANCELED);
    EXPECT_INT(o.asked, 1);
    return 0;
}

static void an_abort_that_agrees_ends_the_wait_with_ECANCELED_C9(void **state)
{
    (void)state;
    assert_int_equal(kit_run(abort_agrees, NULL), 0);
}

static int abort_refuses(void *arg)
{
    struct op o = { .agrees = false };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, parker, &o);
    settle();
    EXPECT(!strstr(kit_tree(), "(to the end)"));
    roost_scope_cancel(o.scope, "a test");
    EXPECT_INT(o.asked, 1);
    settle();
    EXPECT(!o.done);
    EXPECT_HAS(kit_tree(), "waits for a test's operation (to the end)");
    roost_wake(&o.w, 7);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(o.r, 7);
    EXPECT_INT(o.at, 2);
    EXPECT_INT(o.after, -ECANCELED);
    return 0;
}

static void an_abort_that_refuses_leaves_the_task_parked_C9(void **state)
{
    (void)state;
    assert_int_equal(kit_run(abort_refuses, NULL), 0);
}

static int wake_later(void *arg)
{
    struct op *o = arg;
    int r = roost_sleep(ROOST_MS(4));

    roost_wake(&o->w, -ECANCELED);
    return r;
}

/* The operation is told to stop and says so when it has. */
static int abort_takes_time(void *arg)
{
    struct op o = { .agrees = false };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, parker, &o);
    settle();
    roost_scope_cancel(o.scope, "a test");
    roost_spawn(n, wake_later, &o);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(o.r, -ECANCELED);
    EXPECT_INT(o.at, 5);
    return 0;
}

static void an_abort_may_ask_and_let_the_waker_say_when_C9(void **state)
{
    (void)state;
    assert_int_equal(kit_run(abort_takes_time, NULL), 0);
}

static int abort_wakes(void *arg)
{
    bool agrees = arg; /* which is then too late */
    struct op o = { .agrees = agrees, .abort_result = 11 };

    ROOST_NURSERY(n);
    roost_spawn(n, parker, &o);
    settle();
    roost_scope_cancel(o.scope, "a test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(o.r, 11);
    EXPECT_INT(o.after, -ECANCELED);
    return 0;
}

static void an_abort_that_wakes_is_the_waker_C4(void **state)
{
    int yes;

    (void)state;
    assert_int_equal(kit_run(abort_wakes, NULL), 0);
    assert_int_equal(kit_run(abort_wakes, &yes), 0);
}

/* The abort of one operation completes another one, cancelled with it. */
static bool completes_next(roost_wait *w, void *arg)
{
    struct op *o = arg;

    (void)w;
    roost_wake(&o[1].w, 12);
    return true;
}

static int first_of_two(void *arg)
{
    struct op *o = arg;

    roost_wait_init(&o->w);
    o->r = roost_park(&o->w, "a test's operation", completes_next, o);
    return o->r;
}

static int abort_completes_next(void *arg)
{
    struct op o[2] = { { .asked = 0 }, { .agrees = true } };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, first_of_two, &o[0]);
    roost_spawn(n, parker, &o[1]);
    settle();
    roost_nursery_cancel(n, "a test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(o[0].r, -ECANCELED);
    EXPECT_INT(o[1].r, 12);
    EXPECT_INT(o[1].asked, 0);
    EXPECT_INT(o[1].after, -ECANCELED);
    return 0;
}

static void what_an_abort_completes_is_done_though_cancelled_too_C4(void **state)
{
    (void)state;
    assert_int_equal(kit_run(abort_completes_next, NULL), 0);
}

static int done_then_cancelled(void *arg)
{
    struct op o = { .agrees = true };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, parker, &o);
    settle();
    roost_wake(&o.w, 3);
    roost_scope_cancel(o.scope, "a test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(o.r, 3);
    EXPECT_INT(o.asked, 0);
    EXPECT_INT(o.after, -ECANCELED);
    return 0;
}

static void done_beats_cancelled_C4(void **state)
{
    (void)state;
    assert_int_equal(kit_run(done_then_cancelled, NULL), 0);
}

/* ---- parking in a cancelled task ---- */

static int cancelled_agrees(void *arg)
{
    struct op o = { .agrees = true };
    roost_scope s;
    int i;

    (void)arg;
    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "a test");
    for (i = 1; i <= 10; i++) {
        roost_wait_init(&o.w);
        EXPECT_INT(park(&o), -ECANCELED);
        EXPECT_INT(o.asked, i);
    }
    return roost_scope_leave(&s, -ECANCELED);
}

static void a_cancelled_task_is_asked_to_abort_before_it_parks_C9(void **state)
{
    (void)state;
    assert_int_equal(kit_run(cancelled_agrees, NULL), 0);
}

static int wake_at_once(void *arg)
{
    struct op *o = arg;

    EXPECT_HAS(kit_tree(), "(to the end)");
    roost_wake(&o->w, 5);
    return 0;
}

static int cancelled_refuses(void *arg)
{
    bool no_abort = arg;
    struct op o = { .agrees = false };
    roost_scope s;

    ROOST_NURSERY(n);
    roost_spawn(n, wake_at_once, &o);
    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "a test");
    roost_wait_init(&o.w);
    EXPECT_INT(roost_park(&o.w, "a test's operation",
                          no_abort ? NULL : op_abort, &o), 5);
    EXPECT_INT(o.asked, !no_abort);
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), 0);
    return roost_nursery_close(n, 0);
}

static void a_cancelled_task_parks_when_abort_refuses_or_is_none_C9(void **s)
{
    int yes;

    (void)s;
    assert_int_equal(kit_run(cancelled_refuses, NULL), 0);
    assert_int_equal(kit_run(cancelled_refuses, &yes), 0);
}

/* ---- a cancellation of many ---- */

struct crowd {
    struct op op[4];
    roost_scope *inner[4];
    int order[4], seen;
    bool all_marked;
};

static struct crowd *crowd;

static bool crowd_abort(roost_wait *w, void *arg)
{
    int i;

    (void)w;
    for (i = 0; i < 4; i++)
        crowd->all_marked &= crowd->inner[i]->effective;
    crowd->order[crowd->seen++] = (int)((struct op *)arg - crowd->op);
    return true;
}

static int in_a_crowd(void *arg)
{
    struct op *o = arg;
    roost_scope s;

    roost_scope_enter(&s, ROOST_NEVER);
    crowd->inner[o - crowd->op] = &s;
    roost_wait_init(&o->w);
    o->r = roost_park(&o->w, "a test's operation", crowd_abort, o);
    return roost_scope_leave(&s, o->r);
}

static int crowd_cancelled(void *arg)
{
    struct crowd c = { .all_marked = true };
    int i;

    (void)arg;
    crowd = &c;
    ROOST_NURSERY(n);
    for (i = 0; i < 4; i++)
        roost_spawn(n, in_a_crowd, &c.op[i]);
    settle();
    roost_nursery_cancel(n, "a test");
    EXPECT(c.all_marked);
    EXPECT_INT(c.seen, 4);
    for (i = 0; i < 4; i++)
        EXPECT_INT(c.order[i], i);
    return roost_nursery_close(n, 0);
}

static void aborts_run_in_order_after_all_is_marked_S2_D5(void **state)
{
    (void)state;
    assert_int_equal(kit_run(crowd_cancelled, NULL), 0);
}

/* ---- callbacks ---- */

/* Two bridges to callbacks race; the first to answer ends the other's wait. */
struct race {
    struct op op[2];
    roost_nursery *n;
    int winner;
};

static struct race *race;

static int racer(void *arg)
{
    struct op *o = arg;

    roost_wait_init(&o->w);
    o->r = park(o);
    if (o->r == 1) {
        race->winner = (int)(o - race->op);
        roost_nursery_cancel(race->n, "won");
    }
    return o->r;
}

static int races(void *arg)
{
    const int *first = arg;
    struct race c = { .op = { { .agrees = true }, { .agrees = true } } };

    race = &c;
    ROOST_NURSERY(n);
    c.n = n;
    roost_spawn(n, racer, &c.op[0]);
    roost_spawn(n, racer, &c.op[1]);
    settle();
    roost_wake(&c.op[*first].w, 1);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(c.winner, *first);
    EXPECT_INT(c.op[1 - *first].r, -ECANCELED);
    return 0;
}

static void of_two_bridged_callbacks_the_first_wins(void **state)
{
    int first;

    (void)state;
    for (first = 0; first < 2; first++)
        assert_int_equal(kit_run(races, &first), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_wake_was_given_is_what_park_returns_C9),
        cmocka_unit_test(a_wake_before_the_park_is_kept_C9),
        cmocka_unit_test(a_wait_is_used_again_after_init_C9),
        cmocka_unit_test(an_abort_that_agrees_ends_the_wait_with_ECANCELED_C9),
        cmocka_unit_test(an_abort_that_refuses_leaves_the_task_parked_C9),
        cmocka_unit_test(an_abort_may_ask_and_let_the_waker_say_when_C9),
        cmocka_unit_test(an_abort_that_wakes_is_the_waker_C4),
        cmocka_unit_test(what_an_abort_completes_is_done_though_cancelled_too_C4),
        cmocka_unit_test(done_beats_cancelled_C4),
        cmocka_unit_test(a_cancelled_task_is_asked_to_abort_before_it_parks_C9),
        cmocka_unit_test(
            a_cancelled_task_parks_when_abort_refuses_or_is_none_C9),
        cmocka_unit_test(aborts_run_in_order_after_all_is_marked_S2_D5),
        cmocka_unit_test(of_two_bridged_callbacks_the_first_wins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
