/* test_event.c - claims about events: once, for everybody, also from callbacks.
 */
#include "kit/kit.h"

#include <ev.h>
#include <string.h>

/* One who waits, in a scope that others may cancel. */
struct waiter {
    roost_event *e;
    roost_scope *scope;
    const char *name;
    int r, after;
    long long at;
};

static int waits(void *arg)
{
    struct waiter *w = arg;
    roost_scope s;
    int r;

    roost_scope_enter(&s, ROOST_NEVER);
    w->scope = &s;
    w->r = roost_event_wait(w->e);
    w->at = kit_ms();
    kit_log(w->name);
    w->after = roost_checkpoint();
    r = roost_scope_leave(&s, w->after);
    return r;
}

static int joins(void *arg)
{
    struct waiter *w = arg;
    roost_scope s;
    int r;

    roost_scope_enter(&s, ROOST_NEVER);
    w->scope = &s;
    w->r = roost_event_join(w->e);
    w->at = kit_ms();
    kit_log(w->name);
    w->after = roost_checkpoint();
    r = roost_scope_leave(&s, w->after);
    return r;
}

static void settle(void)
{
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
}

/* ---- before and after ---- */

static int set_before(void *arg)
{
    roost_event e;

    (void)arg;
    roost_event_init(&e);
    EXPECT(!roost_event_is_set(&e));
    roost_event_set(&e);
    roost_event_set(&e);
    EXPECT(roost_event_is_set(&e));
    EXPECT_INT(roost_event_wait(&e), 0);
    EXPECT_INT(roost_event_wait(&e), 0);
    EXPECT_INT(roost_event_join(&e), 0);
    EXPECT_INT(kit_ms(), 0);
    return 0;
}

static void waiting_for_what_has_happened_returns_0_at_once(void **state)
{
    (void)state;
    assert_int_equal(kit_run(set_before, NULL), 0);
}

static int set_after(void *arg)
{
    roost_event e;
    struct waiter w[3] = { { .e = &e, .name = "a", .r = 9 },
                           { .e = &e, .name = "b" }, { .e = &e, .name = "c" } };
    int i;

    (void)arg;
    roost_event_init(&e);
    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++)
        roost_spawn(n, i == 1 ? joins : waits, &w[i]);
    EXPECT_INT(roost_sleep(ROOST_MS(7)), 0);
    roost_event_set(&e);
    EXPECT_INT(w[0].r, 9); /* nobody runs inside the call */
    EXPECT_LOG("");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("a b c");
    for (i = 0; i < 3; i++) {
        EXPECT_INT(w[i].r, 0);
        EXPECT_INT(w[i].at, 7);
    }
    return 0;
}

static void set_wakes_all_who_wait_first_in_first_out_X1(void **state)
{
    (void)state;
    assert_int_equal(kit_run(set_after, NULL), 0);
}

static int zeroed(void *arg)
{
    static roost_event e; /* all zero is an event that has not happened */

    (void)arg;
    EXPECT(!roost_event_is_set(&e));
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(1), roost_event_wait(&e)), -ETIMEDOUT);
    EXPECT(!e.lot.first);
    return 0;
}

static void a_wait_that_timed_out_is_off_the_queue_C5(void **state)
{
    (void)state;
    assert_int_equal(kit_run(zeroed, NULL), 0);
}

/* ---- cancellation ---- */

static int cancel_one(void *arg)
{
    roost_event e;
    struct waiter w[3] = { { .e = &e, .name = "a" }, { .e = &e, .name = "b" },
                           { .e = &e, .name = "c" } };
    int i;

    (void)arg;
    roost_event_init(&e);
    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++)
        roost_spawn(n, waits, &w[i]);
    settle();
    roost_scope_cancel(w[1].scope, "a test");
    settle();
    EXPECT_LOG("b");
    roost_event_set(&e);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("a c");
    EXPECT_INT(w[0].r, 0);
    EXPECT_INT(w[1].r, -ECANCELED);
    EXPECT_INT(w[2].r, 0);
    return 0;
}

static void cancelling_one_who_waits_leaves_the_others_C5(void **state)
{
    (void)state;
    assert_int_equal(kit_run(cancel_one, NULL), 0);
}

static int set_then_cancel(void *arg)
{
    bool cancel_first = arg;
    roost_event e;
    struct waiter w = { .e = &e, .name = "a" };

    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn(n, waits, &w);
    settle();
    if (cancel_first)
        roost_scope_cancel(w.scope, "a test");
    roost_event_set(&e);
    if (!cancel_first)
        roost_scope_cancel(w.scope, "a test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(w.r, cancel_first ? -ECANCELED : 0);
    EXPECT_INT(w.after, -ECANCELED);
    return 0;
}

static void set_and_cancelled_in_one_turn_the_earlier_decides_C4(void **state)
{
    int yes;

    (void)state;
    assert_int_equal(kit_run(set_then_cancel, NULL), 0);
    assert_int_equal(kit_run(set_then_cancel, &yes), 0);
}

static int cancelled_already(void *arg)
{
    roost_event e;
    roost_scope s;
    int i;

    (void)arg;
    roost_event_init(&e);
    roost_event_set(&e);
    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "a test");
    for (i = 0; i < 10; i++)
        EXPECT_INT(roost_event_wait(&e), -ECANCELED);
    EXPECT_INT(roost_event_join(&e), 0);
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), 0);
    EXPECT_INT(roost_event_wait(&e), 0);
    return 0;
}

static void in_a_cancelled_task_only_join_looks_at_the_event_C1(void **state)
{
    (void)state;
    assert_int_equal(kit_run(cancelled_already, NULL), 0);
}

/* A task that triggers what cancels itself meets it at its next wait. */
static int cancels_itself(void *arg)
{
    roost_scope s;
    roost_event e;

    (void)arg;
    roost_event_init(&e);
    roost_scope_enter(&s, ROOST_NEVER);
    roost_event_set(&e);
    EXPECT_INT(roost_event_wait(&e), 0);
    roost_scope_cancel(&s, "a test");
    EXPECT_INT(roost_event_wait(&e), -ECANCELED);
    return roost_scope_leave(&s, -ECANCELED);
}

static void cancelling_oneself_shows_at_the_next_wait_C1(void **state)
{
    (void)state;
    assert_int_equal(kit_run(cancels_itself, NULL), 0);
}

/* ---- join ---- */

static int join_holds(void *arg)
{
    roost_event e;
    struct waiter w = { .e = &e, .name = "a" };

    (void)arg;
    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn(n, joins, &w);
    settle();
    roost_scope_cancel(w.scope, "a test");
    roost_nursery_cancel(n, "all of it");
    EXPECT_INT(ROOST_SHIELDED(ROOST_SEC(1), roost_sleep(ROOST_MS(9))), 0);
    EXPECT_LOG(""); /* still there */
    EXPECT_HAS(kit_tree(), "waits for an event (to the end)");
    roost_event_set(&e);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(w.r, 0);
    EXPECT_INT(w.at, 10);
    EXPECT_INT(w.after, -ECANCELED);
    return 0;
}

static void join_waits_to_the_end_whatever_is_cancelled_C1(void **state)
{
    (void)state;
    assert_int_equal(kit_run(join_holds, NULL), 0);
}

struct lent {
    roost_event back;
    bool held; /* when the run stood still for the second time */
};

static int lends(void *arg)
{
    struct lent *l = arg;
    roost_scope s;
    int r;

    roost_shield_enter(&s, ROOST_NEVER);
    r = roost_event_join(&l->back);
    EXPECT_INT(r, 0);
    EXPECT_INT(roost_checkpoint(), -ECANCELED); /* pierced it is */
    r = roost_scope_leave(&s, -ECANCELED);
    return r;
}

/* Wakes when shields are pierced, and only then gives the memory back. */
static int gives_back(void *arg)
{
    struct lent *l = arg;

    EXPECT_INT(ROOST_SHIELDED(ROOST_NEVER, kit_sleep_forever(NULL)),
               -ECANCELED);
    l->held = true;
    roost_event_set(&l->back);
    return -ECANCELED;
}

static int pierced(void *arg)
{
    ROOST_NURSERY(n);
    roost_spawn(n, lends, arg);
    roost_spawn(n, gives_back, arg);
    return roost_nursery_close(n, 0);
}

static void join_outlasts_the_piercing_of_shields_C9(void **state)
{
    struct lent l = { .held = false };

    (void)state;
    roost_event_init(&l.back);
    kit_stderr_begin();
    assert_int_equal(kit_run(pierced, &l), -EDEADLK);
    assert_non_null(strstr(kit_stderr_end(), "waits for an event (to the end)"));
    assert_true(l.held);
}

/* ---- callbacks of the host's loop ---- */

struct bridge {
    roost_chan *messages;
    roost_event done;
    int calls;
};

/* The host's library calls back three times, twice in one turn of its loop. */
static void called_back(struct ev_loop *loop, ev_idle *w, int events)
{
    struct bridge *b = w->data;

    (void)events;
    do {
        b->calls++;
        EXPECT_INT(roost_chan_send_nowait(b->messages, &b->calls), 0);
    } while (b->calls < 2);
    if (b->calls < 3)
        return;
    roost_chan_close(b->messages);
    roost_event_set(&b->done);
    ev_idle_stop(loop, w);
}

static int bridged(void *arg)
{
    struct bridge *b = arg;
    int r, item, wanted = 1;

    while ((r = roost_chan_recv(b->messages, &item)) == 1)
        EXPECT_INT(item, wanted++);
    EXPECT_INT(r, 0);
    EXPECT_INT(wanted, 4);
    return roost_event_wait(&b->done);
}

static void callbacks_of_the_loop_wake_tasks_in_order_G2(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };
    struct bridge b = { .messages = roost_chan_new(sizeof(int), 3) };
    ev_idle idle;

    (void)state;
    o.loop = ev_loop_new(EVFLAG_AUTO);
    roost_event_init(&b.done);
    ev_idle_init(&idle, called_back);
    idle.data = &b;
    ev_idle_start(o.loop, &idle);
    assert_int_equal(kit_run_with(&o, bridged, &b), 0);
    assert_int_equal(b.calls, 3);
    roost_chan_free(b.messages);
    ev_loop_destroy(o.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_for_what_has_happened_returns_0_at_once),
        cmocka_unit_test(set_wakes_all_who_wait_first_in_first_out_X1),
        cmocka_unit_test(a_wait_that_timed_out_is_off_the_queue_C5),
        cmocka_unit_test(cancelling_one_who_waits_leaves_the_others_C5),
        cmocka_unit_test(set_and_cancelled_in_one_turn_the_earlier_decides_C4),
        cmocka_unit_test(in_a_cancelled_task_only_join_looks_at_the_event_C1),
        cmocka_unit_test(cancelling_oneself_shows_at_the_next_wait_C1),
        cmocka_unit_test(join_waits_to_the_end_whatever_is_cancelled_C1),
        cmocka_unit_test(join_outlasts_the_piercing_of_shields_C9),
        cmocka_unit_test(callbacks_of_the_loop_wake_tasks_in_order_G2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
