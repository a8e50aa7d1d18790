/* test_order.c - in which order tasks run: what a yield owes to the others
 *                (C7), what a seed decides and what it does not (D5).
 */
#include "rules/in_task.h"

#include "core/rt.h"

static void run_seeds(roost_task_fn *fn, uint64_t from, uint64_t to)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };

    for (o.seed = from; o.seed < to; o.seed++)
        assert_int_equal(kit_run_with(&o, fn, NULL), 0);
}

/* ---- C7: a yield comes after all that were ready ---- */

#define TASKS 6
#define ROUNDS 30

static int turns[TASKS];
static bool over[TASKS];

/* Every other task is ready all the time, so each must have had a turn. */
static void expect_others_ran(size_t self, const int before[])
{
    size_t i;

    for (i = 0; i < TASKS; i++)
        EXPECT(i == self || over[i] || turns[i] > before[i]);
}

static int yield_by_checkpoint(void)
{
    return roost_checkpoint();
}

static int yield_by_close(void) /* N9 */
{
    ROOST_NURSERY(n);
    return roost_nursery_close(n, 0);
}

static int yield_by_budget(void) /* C6 */
{
    int i, r = 0;

    for (i = 0; i < 129 && r >= 0; i++)
        r = roost_sleep(0);
    return r;
}

static int (*yield)(void);

static int takes_turns(void *arg)
{
    size_t self = *(size_t *)arg;
    int before[TASKS], i;

    for (i = 0; i < ROUNDS; i++) {
        turns[self]++;
        memcpy(before, turns, sizeof before);
        EXPECT_INT(yield(), 0);
        expect_others_ran(self, before);
    }
    over[self] = true;
    return 0;
}

static int all_take_turns(void *arg)
{
    size_t i;

    (void)arg;
    memset(turns, 0, sizeof turns);
    memset(over, 0, sizeof over);
    ROOST_NURSERY(n);
    for (i = 0; i < TASKS; i++)
        roost_spawn_copy(n, takes_turns, &i, sizeof i);
    return roost_nursery_close(n, 0);
}

static void a_yield_lets_all_run_that_were_ready_with_any_seed_C7(void **state)
{
    (void)state;
    yield = yield_by_checkpoint;
    run_seeds(all_take_turns, 0, 40);
    yield = yield_by_close;
    run_seeds(all_take_turns, 0, 40);
    yield = yield_by_budget;
    run_seeds(all_take_turns, 0, 40);
}

static int count_wake(void *arg)
{
    roost_lot *lot = arg;
    int r = roost_lot_wait(lot);

    if (r >= 0)
        turns[0]++;
    return r;
}

/* Woken, spawned, cancelled: all are ready before the checkpoint. */
static int ready_in_each_way(void *arg)
{
    roost_lot lot = { 0 }, never = { 0 };
    int i;

    (void)arg;
    turns[0] = 0;
    ROOST_NURSERY(n);
    ROOST_NURSERY(cut);
    for (i = 0; i < 5; i++) {
        roost_spawn(n, count_wake, &lot);
        roost_spawn(cut, count_wake, &never);
    }
    EXPECT_INT(roost_sleep(1), 0);
    EXPECT_INT(roost_lot_wake(&lot, ROOST_ALL), 5);
    roost_nursery_cancel(cut, "test");
    roost_spawn(n, count_wake, &never);
    EXPECT_INT(ROOST_SHIELDED(ROOST_NEVER, roost_checkpoint()), 0);
    EXPECT_INT(turns[0], 5);
    EXPECT_INT(roost_nursery_count(cut), 0);
    EXPECT_INT(roost_nursery_count(n), 1);
    EXPECT_INT(roost_nursery_close(cut, 0), 0);
    roost_nursery_cancel(n, "over");
    return roost_nursery_close(n, 0);
}

static void whoever_was_woken_cancelled_or_spawned_runs_first_C7(void **state)
{
    (void)state;
    run_seeds(ready_in_each_way, 0, 40);
}

static int cancel_scope(void *arg)
{
    roost_scope_cancel((roost_scope *)arg, "while it yielded");
    return 0;
}

static int yields_then_looks(void *arg)
{
    roost_scope s;

    (void)arg;
    ROOST_NURSERY(n);
    roost_scope_enter(&s, ROOST_NEVER);
    roost_spawn(n, cancel_scope, &s);
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), 0);
    return roost_nursery_close(n, 0);
}

static void a_checkpoint_yields_first_and_looks_then_C7(void **state)
{
    (void)state;
    run_seeds(yields_then_looks, 0, 10);
}

static int mark_ran(void *arg)
{
    *(bool *)arg = true;
    return 0;
}

IN_TASK(a_cancelled_checkpoint_and_roost_cancelled_do_not_yield_C7)
{
    bool ran = false;
    roost_scope s;
    int i;

    ROOST_NURSERY(n);
    roost_spawn(n, mark_ran, &ran);
    for (i = 0; i < 1000; i++)
        EXPECT_INT(roost_cancelled(), 0);
    EXPECT_INT(roost_sleep(0), 0);
    EXPECT_INT(roost_sleep(-ROOST_SEC(5)), 0);
    EXPECT_INT(roost_sleep_until(roost_after(-1)), 0);
    EXPECT_INT(kit_ms(), 0);
    roost_scope_enter(&s, ROOST_NEVER);
    roost_scope_cancel(&s, "test");
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_sleep(0), -ECANCELED);
    EXPECT_INT(roost_sleep(-1), -ECANCELED);
    EXPECT(!ran);
    EXPECT_INT(roost_scope_leave(&s, 0), 0);
    return roost_nursery_close(n, 0);
}

/* ---- D5: seeds and traces ---- */

static char order[64];

static int note_letter(void *arg)
{
    size_t at = strlen(order);
    const char *letter = arg;

    order[at] = *letter;
    order[at + 1] = '\0';
    return 0;
}

static int spawn_letters(void *arg)
{
    const char *letter;

    (void)arg;
    order[0] = '\0';
    ROOST_NURSERY(n);
    for (letter = "abcde"; *letter; letter++)
        roost_spawn(n, note_letter, (void *)(uintptr_t)letter);
    return roost_nursery_close(n, 0);
}

static void without_a_seed_tasks_run_in_the_order_of_spawning_D5(void **state)
{
    (void)state;
    run_seeds(spawn_letters, 0, 1);
    assert_string_equal(order, "abcde");
}

/* 100 seeds: of 120 orders many are seen, and each letter comes first. */
static void different_seeds_give_different_orders_D5(void **state)
{
    char seen[100][8];
    bool first[5] = { false };
    size_t i, j, distinct = 0;

    (void)state;
    for (i = 0; i < 100; i++) {
        run_seeds(spawn_letters, i + 1, i + 2);
        memcpy(seen[i], order, sizeof seen[i]);
        first[seen[i][0] - 'a'] = true;
        for (j = 0; j < i && strcmp(seen[i], seen[j]); j++)
            ;
        distinct += j == i;
    }
    assert_true(distinct > 40);
    for (i = 0; i < 5; i++)
        assert_true(first[i]);
}

/* A program with something of everything. */
struct busy {
    roost_chan *c;
    roost_event e;
    int jitter;
};

static int busy_child(void *arg)
{
    struct busy *b = arg;
    int i, item, r = 0;

    for (i = 0; i < 20 && r >= 0; i++) {
        if (b->jitter)
            roost_random();
        r = ROOST_WITHIN(ROOST_MS(i % 4), i % 3 ? roost_chan_send(b->c, &i)
                                                : roost_chan_recv(b->c, &item));
        if (r == -ETIMEDOUT)
            r = roost_checkpoint();
        if (i % 5 == 0)
            r = roost_sleep(ROOST_MS(1));
    }
    if (i > 17)
        roost_event_set(&b->e);
    return r < 0 ? r : 0;
}

static int checkpoints(void *arg)
{
    int i, r = 0;

    for (i = 0; i < *(int *)arg && r >= 0; i++)
        r = roost_checkpoint();
    return r;
}

/* Now several tasks, now one alone, which needs no switch to yield. */
static int crowds_and_loners(void)
{
    int many, alone, r = 0;

    for (many = 40, alone = 13; many < 60 && r >= 0; many++, alone++) {
        ROOST_NURSERY(n);
        roost_spawn(n, checkpoints, &many);
        roost_spawn(n, checkpoints, &many);
        r = roost_nursery_close(n, 0);
        r = r < 0 ? r : checkpoints(&alone);
    }
    return r;
}

static int busy_program(void *arg)
{
    struct busy b = { .jitter = arg != NULL };
    int i, r;

    b.c = roost_chan_new(sizeof(int), 2);
    roost_event_init(&b.e);
    ROOST_NURSERY(n);
    for (i = 0; i < 7; i++)
        roost_spawn(n, busy_child, &b);
    r = roost_event_wait(&b.e);
    roost_nursery_cancel(n, "enough");
    r = roost_nursery_close(n, r);
    roost_chan_free(b.c);
    return r < 0 ? r : crowds_and_loners();
}

static uint64_t trace_of(uint64_t seed, void *arg, const struct roost_sys *sys)
{
    uint64_t trace = 0;
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL, .seed = seed,
                        .ret_trace = &trace, .sys = sys };

    assert_int_equal(kit_run_with(&o, busy_program, arg), 0);
    assert_true(trace != 0);
    return trace;
}

static void the_same_seed_gives_the_same_trace_D5(void **state)
{
    uint64_t seed, last = 0, trace;

    (void)state;
    for (seed = 0; seed < 50; seed++) {
        trace = trace_of(seed, NULL, NULL);
        assert_true(trace == trace_of(seed, NULL, NULL));
        assert_true(trace != last);
        last = trace;
    }
}

static void drawing_random_numbers_changes_no_decision_D5(void **state)
{
    int yes;

    (void)state;
    assert_true(trace_of(5, NULL, NULL) == trace_of(5, &yes, NULL));
}

static roost_time slow_now;

static roost_time slow_clock(void)
{
    return slow_now += ROOST_MS(1);
}

/* A machine under load, where each turn takes long. */
static void the_speed_of_the_machine_changes_no_decision_D5(void **state)
{
    struct roost_sys slow = roost__sys_default;
    uint64_t seed;

    (void)state;
    slow.clock = slow_clock;
    slow_now = ROOST__INSTANT_BASE;
    for (seed = 0; seed < 10; seed++)
        assert_true(trace_of(seed, NULL, NULL) == trace_of(seed, NULL, &slow));
}

static uint64_t drawn[4];

static int draw(void *arg)
{
    size_t i;

    (void)arg;
    for (i = 0; i < 4; i++)
        drawn[i] = roost_random();
    return 0;
}

static void random_numbers_come_from_the_seed_D5(void **state)
{
    uint64_t first[4];

    (void)state;
    run_seeds(draw, 3, 4);
    memcpy(first, drawn, sizeof first);
    run_seeds(draw, 3, 4);
    assert_memory_equal(first, drawn, sizeof first);
    assert_true(first[0] != first[1]);
    run_seeds(draw, 4, 5);
    assert_true(first[0] != drawn[0]);
    run_seeds(draw, 0, 1); /* the virtual clock replays without a seed, too */
    memcpy(first, drawn, sizeof first);
    run_seeds(draw, 0, 1);
    assert_memory_equal(first, drawn, sizeof first);
}

/* ---- D5: the order of a cancel ---- */

static int parks(void *arg)
{
    int r = roost_sleep_until(ROOST_NEVER);

    kit_log(arg);
    return r;
}

static int parks_in_scope(void *arg)
{
    roost_scope s;

    roost_scope_enter(&s, ROOST_NEVER);
    return roost_scope_leave(&s, parks(arg));
}

static void spawn_named(roost_nursery *n, roost_task_fn *fn, const char *name)
{
    roost_spawn(n, fn, (void *)(uintptr_t)name);
}

static int parks_with_children(void *arg)
{
    int r;

    ROOST_NURSERY(n);
    spawn_named(n, parks, "inner-1");
    spawn_named(n, parks_in_scope, "inner-2");
    r = parks(arg);
    return roost_nursery_close(n, r);
}

/* Parked in the order of spawning, so in the order of entering as well. */
IN_TASK(a_cancel_wakes_in_preorder_of_the_scope_tree_D5)
{
    roost_scope outer;

    roost_scope_enter(&outer, ROOST_NEVER);
    ROOST_NURSERY(n);
    spawn_named(n, parks, "first");
    spawn_named(n, parks, "second");
    spawn_named(n, parks_with_children, "third");
    spawn_named(n, parks_in_scope, "fourth");
    EXPECT_INT(roost_sleep(1), 0);
    roost_scope_cancel(&outer, "test");
    EXPECT_INT(roost_nursery_close(n, 0), -ECANCELED);
    EXPECT_LOG("first second third inner-1 inner-2 fourth");
    return roost_scope_leave(&outer, -ECANCELED);
}

/* Sleeps its milliseconds, parks, and logs its name when it is cut. */
struct late {
    int ms;
    const char *name;
    bool in_scope;
};

static int parks_late(void *arg)
{
    const struct late *l = arg;
    int r = roost_sleep(ROOST_MS(l->ms));

    if (r >= 0 && l->in_scope)
        r = ROOST_WITHIN(ROOST_NEVER, roost_sleep_until(ROOST_NEVER));
    else if (r >= 0)
        r = roost_sleep_until(ROOST_NEVER);
    kit_log(l->name);
    return r;
}

IN_TASK(a_cancel_wakes_in_order_of_parking_then_of_entering_D5)
{
    static struct late late[] = {
        { 5, "scope-5", true }, { 4, "park-4", false }, { 2, "scope-2", true },
        { 3, "park-3", false }, { 1, "park-1", false }, { 6, "park-6", false },
    };
    size_t i;

    ROOST_NURSERY(n);
    for (i = 0; i < sizeof late / sizeof *late; i++)
        roost_spawn(n, parks_late, &late[i]);
    EXPECT_INT(roost_sleep(ROOST_MS(10)), 0);
    roost_nursery_cancel(n, "test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("park-1 park-3 park-4 park-6 scope-2 scope-5");
    return 0;
}

#define MANY 1000
static int woken[MANY], woken_count;

static int parks_after(void *arg)
{
    int ms = *(int *)arg, r = roost_sleep(ROOST_MS(ms));

    if (r >= 0)
        r = roost_sleep_until(ROOST_NEVER);
    woken[woken_count++] = ms;
    return r;
}

IN_TASK(a_thousand_that_parked_in_any_order_wake_in_it_D5)
{
    int i, ms;

    ROOST_NURSERY_WITH(n, .stack_bytes = ROOST_STACK_SMALL);
    for (i = 0; i < MANY; i++) {
        ms = 1 + i * 7919 % MANY; /* a permutation: 7919 is prime */
        roost_spawn_copy(n, parks_after, &ms, sizeof ms);
    }
    EXPECT_INT(roost_sleep(ROOST_SEC(10)), 0);
    roost_nursery_cancel(n, "test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(woken_count, MANY);
    for (i = 0; i < woken_count; i++)
        EXPECT_INT(woken[i], i + 1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_yield_lets_all_run_that_were_ready_with_any_seed_C7),
        cmocka_unit_test(whoever_was_woken_cancelled_or_spawned_runs_first_C7),
        cmocka_unit_test(a_checkpoint_yields_first_and_looks_then_C7),
        cmocka_unit_test(
            a_cancelled_checkpoint_and_roost_cancelled_do_not_yield_C7),
        cmocka_unit_test(without_a_seed_tasks_run_in_the_order_of_spawning_D5),
        cmocka_unit_test(different_seeds_give_different_orders_D5),
        cmocka_unit_test(the_same_seed_gives_the_same_trace_D5),
        cmocka_unit_test(drawing_random_numbers_changes_no_decision_D5),
        cmocka_unit_test(the_speed_of_the_machine_changes_no_decision_D5),
        cmocka_unit_test(random_numbers_come_from_the_seed_D5),
        cmocka_unit_test(a_cancel_wakes_in_preorder_of_the_scope_tree_D5),
        cmocka_unit_test(a_cancel_wakes_in_order_of_parking_then_of_entering_D5),
        cmocka_unit_test(a_thousand_that_parked_in_any_order_wake_in_it_D5),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
