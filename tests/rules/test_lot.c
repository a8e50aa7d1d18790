/* test_lot.c - claims about the parking lot.
 *
 * Roost's lots have no repark and no breaker tasks: a lot whose waking task ends
 * is found by the deadlock report instead, so there is no test of those here.
 */
#include "kit/kit.h"

static void settle(void)
{
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
}

/* ---- the lot ---- */

struct guest {
    roost_lot *lot;
    const char *name;
    roost_scope *scope;
    int r;
};

static int in_lot(void *arg)
{
    struct guest *g = arg;
    roost_scope s;
    int r;

    roost_scope_enter(&s, ROOST_NEVER);
    g->scope = &s;
    g->r = roost_lot_wait(g->lot);
    kit_log(g->name);
    r = roost_scope_leave(&s, g->r);
    return r;
}

static void fill_lot(roost_nursery *n, roost_lot *lot, struct guest *g)
{
    static const char *const names[] = { "a", "b", "c", "d", "e" };
    int i;

    for (i = 0; i < 5; i++) {
        g[i] = (struct guest){ .lot = lot, .name = names[i] };
        roost_spawn(n, in_lot, &g[i]);
    }
    settle();
}

static int lot_basics(void *arg)
{
    roost_lot lot = { 0 };
    struct guest g[5];

    (void)arg;
    EXPECT_INT(roost_lot_wake(&lot, 1), 0);
    EXPECT_INT(roost_lot_wake(&lot, ROOST_ALL), 0);
    ROOST_NURSERY(n);
    fill_lot(n, &lot, g);
    EXPECT_INT(roost_lot_wake(&lot, 0), 0);
    settle();
    EXPECT_LOG("");
    EXPECT_INT(roost_lot_wake(&lot, 1), 1);
    settle();
    EXPECT_LOG("a");
    EXPECT_INT(roost_lot_wake(&lot, 2), 2);
    settle();
    EXPECT_LOG("b c");
    EXPECT_INT(roost_lot_wake(&lot, ROOST_ALL), 2);
    EXPECT(!lot.first && !lot.last); /* before they have run */
    EXPECT_INT(roost_lot_wake(&lot, ROOST_ALL), 0);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("d e");
    return 0;
}

static void a_lot_wakes_as_many_as_asked_the_longest_waiting_first(void **state)
{
    (void)state;
    assert_int_equal(kit_run(lot_basics, NULL), 0);
}

static int lot_more_than_there_are(void *arg)
{
    roost_lot lot = { 0 };
    struct guest g[5];

    (void)arg;
    ROOST_NURSERY(n);
    fill_lot(n, &lot, g);
    EXPECT_INT(roost_lot_wake(&lot, 100), 5);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("a b c d e");
    return 0;
}

static void a_lot_says_how_many_there_were(void **state)
{
    (void)state;
    assert_int_equal(kit_run(lot_more_than_there_are, NULL), 0);
}

static int lot_cancel(void *arg)
{
    const int *which = arg;
    roost_lot lot = { 0 };
    struct guest g[5];
    int i;

    ROOST_NURSERY(n);
    fill_lot(n, &lot, g);
    roost_scope_cancel(g[*which].scope, "a test");
    EXPECT_INT(roost_lot_wake(&lot, ROOST_ALL), 4); /* in the same turn */
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    for (i = 0; i < 5; i++)
        EXPECT_INT(g[i].r, i == *which ? -ECANCELED : 0);
    return 0;
}

static void a_cancelled_waiter_is_off_the_lot_at_once_C4(void **state)
{
    int which;

    (void)state;
    for (which = 0; which < 5; which++)
        assert_int_equal(kit_run(lot_cancel, &which), 0);
}

static int lot_cancelled_already(void *arg)
{
    roost_lot lot = { 0 };
    roost_scope s;
    int i;

    (void)arg;
    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "a test");
    for (i = 0; i < 10; i++)
        EXPECT_INT(roost_lot_wait(&lot), -ECANCELED);
    EXPECT(!lot.first);
    return roost_scope_leave(&s, -ECANCELED);
}

static void a_cancelled_task_does_not_queue_C1(void **state)
{
    (void)state;
    assert_int_equal(kit_run(lot_cancelled_already, NULL), 0);
}

/* ---- impatient guests of one lot, with seeds ---- */

struct crossing {
    roost_lot lot;
    int waited, woken, timed_out; /* by what they came to */
    size_t told;                  /* what the lot said it woke */
    int guests;
};

static int impatient(void *arg)
{
    struct crossing *c = arg;
    int i, r = 0;

    for (i = 0; i < 10 && (r >= 0 || r == -ETIMEDOUT); i++) {
        c->waited++;
        r = ROOST_WITHIN(ROOST_US((int64_t)(roost_random() % 50)),
                         roost_lot_wait(&c->lot));
        c->woken += r == 0;
        c->timed_out += r == -ETIMEDOUT;
    }
    c->guests--;
    return 0;
}

static int crossing(void *arg)
{
    struct crossing c = { .guests = 8 };
    int i;

    (void)arg;
    ROOST_NURSERY(n);
    for (i = 0; i < 8; i++)
        roost_spawn(n, impatient, &c);
    while (c.guests > 0) {
        EXPECT_INT(roost_sleep(ROOST_US((int64_t)(roost_random() % 40))), 0);
        EXPECT_INT(roost_checkpoint(), 0);
        c.told += roost_lot_wake(&c.lot, roost_random() % 4);
    }
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(c.waited, 80);
    EXPECT_INT(c.woken + c.timed_out, 80);
    EXPECT_INT(c.woken, c.told);
    EXPECT(c.woken > 0);
    return 0;
}

static void no_wake_is_lost_and_none_is_made_up_C5(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };

    (void)state;
    for (o.seed = 1; o.seed <= 100; o.seed++)
        assert_int_equal(kit_run_with(&o, crossing, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_lot_wakes_as_many_as_asked_the_longest_waiting_first),
        cmocka_unit_test(a_lot_says_how_many_there_were),
        cmocka_unit_test(a_cancelled_waiter_is_off_the_lot_at_once_C4),
        cmocka_unit_test(a_cancelled_task_does_not_queue_C1),
        cmocka_unit_test(no_wake_is_lost_and_none_is_made_up_C5),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
