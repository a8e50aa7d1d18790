/* test_wheel.c - the wheel against a sorted array, and its order, bounds and
 * structure.
 *
 * The wheel is a private structure of the library, so the test is linked with
 * src/base/wheel.c or with the static library. All numbers come from one small
 * generator with fixed seeds: a failure repeats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/wheel.h"
#include "core/rt.h"

#define ORIGIN (INT64_C(1) << 61)
#define LIVE_MAX 400
#define OPERATIONS 1000000

static uint64_t random_state;

static uint64_t random_bits(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static size_t random_below(size_t n)
{
    return (size_t)(random_bits() % n);
}

/* 0 to 2^60, with every power of two as likely as any other. */
static roost_time random_distance(unsigned bits_max)
{
    unsigned bits = (unsigned)random_below(bits_max + 1);

    return (roost_time)(random_bits() & ((UINT64_C(1) << bits) - 1));
}

/* An order of `seq` that is not the order of adding. */
static uint64_t next_seq(void)
{
    static uint64_t counter;

    return ++counter * UINT64_C(0x9e3779b97f4a7c15);
}

static bool before(const struct roost__timer *a, const struct roost__timer *b)
{
    return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static int compare(const void *a, const void *b)
{
    const struct roost__timer *const *x = a, *const *y = b;

    return before(*x, *y) ? -1 : before(*y, *x);
}

static uint64_t tick_of(roost_time at)
{
    return ((uint64_t)at ^ UINT64_C(1) << 63) >> 14;
}

/* Walks a slot or a list of siblings, then down into each child, and checks
 * every link. Recursive: only for small heaps. */
static size_t check_siblings(const struct roost__wheel *w,
                             struct roost__timer *const *head,
                             const struct roost__timer *parent)
{
    struct roost__timer *const *link = head;
    const struct roost__timer *t;
    size_t count = 0;

    for (; (t = *link) != NULL; link = &t->next) {
        assert_ptr_equal(t->link, link);
        assert_int_equal(t->where, (*head)->where);
        assert_true(parent == NULL || before(parent, t));
        assert_int_equal(tick_of(t->at) <= w->position, t->where == 1);
        count += 1; /* in a slot `child` is only a hint */
        if (t->where == 1)
            count += check_siblings(w, &t->child, t);
    }
    return count;
}

static void check_structure(const struct roost__wheel *w)
{
    size_t count = check_siblings(w, &w->near, NULL);

    assert_true(w->near == NULL || w->near->next == NULL);
    for (unsigned l = 0; l < ROOST__WHEEL_LEVELS; l++) {
        for (unsigned s = 0; s < ROOST__WHEEL_SLOTS; s++) {
            const struct roost__timer *t = w->slots[l][s];
            assert_int_equal(w->occupied[l] >> s & 1, t != NULL);
            count += check_siblings(w, &w->slots[l][s], NULL);
            for (; t != NULL; t = t->next) {
                assert_int_equal(t->where, 2 + l);
                assert_int_equal(tick_of(t->at) >> 6 * l & 63, s);
                assert_int_equal(tick_of(t->at) >> 6 * l >> 6,
                                 w->position >> 6 * l >> 6);
            }
        }
    }
    assert_int_equal(count, w->count);
}

/* A wheel and what it should hold: live[0..count), sorted. The rest of live[]
 * are the timers that are not armed. */
struct model {
    struct roost__wheel wheel;
    struct roost__timer timers[LIVE_MAX];
    struct roost__timer *live[LIVE_MAX];
    size_t count;
    roost_time now;
    unsigned bits_max; /* how far apart things are, in this epoch */
};

static void model_init(struct model *m, roost_time now, unsigned bits_max)
{
    memset(m, 0, sizeof *m);
    for (size_t i = 0; i < LIVE_MAX; i++)
        m->live[i] = &m->timers[i];
    m->now = now;
    m->bits_max = bits_max;
    roost__wheel_init(&m->wheel, now);
}

static roost_time model_earliest(const struct model *m)
{
    return m->count > 0 ? m->live[0]->at : ROOST_NEVER;
}

static roost_time model_choose_instant(const struct model *m)
{
    roost_time distance = random_distance(m->bits_max);

    if (m->count > 0 && random_below(3) == 0)
        return m->live[random_below(m->count)]->at;
    if (random_below(8) == 0)
        return m->now - distance;
    if (random_below(8) == 0) /* the first or last instant of a tick */
        distance = (distance >> 14 << 14) - (roost_time)random_below(2);
    return distance < ROOST_NEVER - m->now ? m->now + distance : m->now;
}

static void model_add(struct model *m)
{
    struct roost__timer *t = m->live[m->count];
    size_t i;

    assert_false(roost__timer_armed(t));
    memset(t, 0xa5, sizeof *t);
    t->where = 0;
    t->at = model_choose_instant(m);
    t->seq = next_seq();
    roost__wheel_add(&m->wheel, t);
    for (i = m->count++; i > 0 && before(t, m->live[i - 1]); i--)
        m->live[i] = m->live[i - 1];
    m->live[i] = t;
}

static void model_forget(struct model *m, size_t index)
{
    struct roost__timer *t = m->live[index];

    m->count--;
    memmove(&m->live[index], &m->live[index + 1],
            (m->count - index) * sizeof m->live[0]);
    m->live[m->count] = t;
    assert_false(roost__timer_armed(t));
}

static void model_remove(struct model *m)
{
    size_t index = random_below(m->count);

    if (random_below(4) == 0) /* among the first: likely in the heap */
        index = random_below(m->count < 8 ? m->count : 8);
    assert_true(roost__timer_armed(m->live[index]));
    roost__wheel_remove(&m->wheel, m->live[index]);
    model_forget(m, index);
}

/* At most `max` of the due timers, since others come and go in between. */
static void model_pop(struct model *m, size_t max)
{
    for (size_t i = 0; i < max; i++) {
        struct roost__timer *t = roost__wheel_pop_due(&m->wheel, m->now);
        if (t == NULL) {
            assert_true(m->count == 0 || m->live[0]->at > m->now);
            assert_true(m->wheel.position >= tick_of(m->now));
            return;
        }
        assert_true(t->at <= m->now);
        assert_true(m->count > 0);
        assert_ptr_equal(t, m->live[0]);
        model_forget(m, 0);
    }
}

static void model_advance(struct model *m)
{
    roost_time to = m->now + random_distance(m->bits_max);

    switch (random_below(4)) {
    case 0:
        to = roost__wheel_next(&m->wheel);
        break;
    case 1:
        to = roost__wheel_nearest(&m->wheel);
        assert_true(to == model_earliest(m));
        break;
    default:
        break;
    }
    if (to != ROOST_NEVER && to > m->now)
        m->now = to;
}

static void model_check(struct model *m)
{
    assert_int_equal(m->wheel.count, m->count);
    if (random_below(64) == 0)
        check_structure(&m->wheel);
    /* Asking may open a slot, so do not always ask. */
    if (random_below(3) == 0) {
        bool exact = m->count == 0 || m->live[0]->where <= 2;
        roost_time next = roost__wheel_next(&m->wheel);
        assert_true(next <= model_earliest(m));
        assert_true(!exact || next == model_earliest(m));
        assert_true(roost__wheel_next(&m->wheel) == next);
    }
    if (random_below(64) == 0)
        assert_true(roost__wheel_nearest(&m->wheel) == model_earliest(m));
}

static void model_step(struct model *m, size_t population)
{
    switch (random_below(8)) {
    case 0:
        model_advance(m);
        break;
    case 1:
        model_pop(m, 1 + random_below(4));
        break;
    case 2:
        model_pop(m, LIVE_MAX);
        break;
    default:
        if (m->count > 0 && (m->count == population || random_below(5) < 2))
            model_remove(m);
        else
            model_add(m);
    }
    model_check(m);
}

static void wheel_agrees_with_a_sorted_array(void **state)
{
    static const unsigned scales[] = { 4, 13, 15, 20, 26, 32, 45, 60 };
    static struct model m;
    size_t epochs = 250;

    (void)state;
    random_state = 1;
    for (size_t e = 0; e < epochs; e++) {
        size_t population = 1 + random_below(LIVE_MAX);
        model_init(&m, ORIGIN + random_distance(60), scales[e % 8]);
        for (size_t i = 0; i < OPERATIONS / epochs; i++) {
            /* The clock ends at ROOST_NEVER: leave room for two jumps. */
            if (m.now > INT64_MAX - (INT64_C(1) << 61))
                model_init(&m, ORIGIN, scales[e % 8]);
            model_step(&m, population);
        }
        check_structure(&m.wheel);
        m.now = ROOST_NEVER;
        model_pop(&m, LIVE_MAX + 1);
        assert_int_equal(m.count, 0);
    }
}

/* Fires `n` timers within `span` of each other in steps of `step`, 0 for all at
 * once, and compares with the sorted order. */
static void check_order(size_t n, roost_time span, roost_time step)
{
    struct roost__timer *timers = calloc(n, sizeof *timers);
    struct roost__timer **sorted = calloc(n, sizeof *sorted);
    struct roost__wheel w;
    roost_time now = ORIGIN + 12345;
    size_t fired = 0;

    assert_true(timers != NULL && sorted != NULL);
    roost__wheel_init(&w, now);
    for (size_t i = 0; i < n; i++) {
        sorted[i] = &timers[i];
        timers[i].at = now + (roost_time)random_below((size_t)span);
        timers[i].seq = next_seq();
        roost__wheel_add(&w, &timers[i]);
    }
    qsort(sorted, n, sizeof *sorted, compare);
    while (fired < n) {
        struct roost__timer *t;
        now = step == 0 ? ORIGIN + 12345 + span : now + step;
        while ((t = roost__wheel_pop_due(&w, now)) != NULL) {
            assert_ptr_equal(t, sorted[fired++]);
            assert_true(t->at <= now && (step == 0 || t->at > now - step));
        }
        assert_true(fired == n || sorted[fired]->at > now);
    }
    assert_int_equal(w.count, 0);
    free(sorted);
    free(timers);
}

static void timers_fire_in_exact_order(void **state)
{
    (void)state;
    random_state = 2;
    check_order(100000, ROOST_MS(100), ROOST_US(50));
    check_order(100000, ROOST_MS(100), 0);
    check_order(100000, ROOST_SEC(3600), ROOST_SEC(7));
    check_order(100000, INT64_C(1) << 60, 0);
    check_order(100000, 1000, 0); /* a hundred timers an instant */
}

static void timers_of_one_instant_fire_by_seq(void **state)
{
    struct roost__timer timers[200] = { 0 };
    struct roost__wheel w;
    roost_time distances[] = { -5, 0, 1, ROOST_US(20), ROOST_SEC(90) };

    (void)state;
    for (size_t d = 0; d < 5; d++) {
        roost__wheel_init(&w, ORIGIN);
        for (size_t i = 0; i < 200; i++) {
            timers[i].at = ORIGIN + distances[d];
            timers[i].seq = i * 77 % 200; /* 77 and 200 share no factor */
            roost__wheel_add(&w, &timers[i]);
        }
        for (size_t i = 0; i < 200; i++)
            assert_int_equal(
                roost__wheel_pop_due(&w, ORIGIN + ROOST_SEC(90))->seq, i);
        assert_int_equal(w.count, 0);
    }
}

/* What the driver does. Counts the wake-ups until the last timer is popped. */
static size_t count_wakeups(struct roost__wheel *w, roost_time earliest)
{
    size_t steps = 0;

    while (w->count > 0) {
        roost_time next = roost__wheel_next(w);
        assert_true(next <= earliest);
        assert_true(next != ROOST_NEVER);
        while (roost__wheel_pop_due(w, next) != NULL)
            ;
        steps++;
        assert_true(steps < 100);
    }
    return steps;
}

static void next_reaches_far_timers_in_few_steps(void **state)
{
    struct roost__timer timers[2] = { 0 };
    struct roost__wheel w;
    size_t most = 0;

    (void)state;
    random_state = 3;
    for (size_t i = 0; i < 200000; i++) {
        roost_time now = ORIGIN + random_distance(60);
        roost_time distance = random_distance(60), apart;
        roost__wheel_init(&w, now);
        timers[0].at = now + distance;
        roost__wheel_add(&w, &timers[0]);
        assert_int_equal(count_wakeups(&w, timers[0].at), 1);
        apart = random_distance(20);
        roost__wheel_init(&w, now);
        timers[1].at = timers[0].at + apart;
        timers[1].seq = 1;
        roost__wheel_add(&w, &timers[0]);
        roost__wheel_add(&w, &timers[1]);
        while (timers[0].where != 0) {
            size_t steps = 0;
            roost_time next = 0;
            while (next < timers[0].at) {
                next = roost__wheel_next(&w);
                assert_true(next <= timers[0].at);
                roost__wheel_pop_due(&w, next);
                steps++;
            }
            most = steps > most ? steps : most;
        }
        roost__wheel_remove(&w, &timers[1]);
        assert_int_equal(w.count, 0);
    }
    assert_in_range(most, 2, 10);
}

static void removal_anywhere_in_the_heap_keeps_order(void **state)
{
    enum { N = 24 };

    (void)state;
    for (size_t victim = 0; victim < N; victim++) {
        for (size_t popped = 0; popped <= 8; popped++) {
            struct roost__timer timers[N] = { 0 };
            struct roost__wheel w;
            roost_time last = 0;
            roost__wheel_init(&w, ORIGIN);
            for (size_t i = 0; i < N; i++) {
                timers[i].at = ORIGIN - (roost_time)(i * 7 % N);
                timers[i].seq = i;
                roost__wheel_add(&w, &timers[i]);
            }
            /* The first pops make a tree with inner nodes out of a root with
             * leaves, so that each kind of node is the victim in its turn. */
            for (size_t i = 0; i < popped; i++)
                last = roost__wheel_pop_due(&w, ORIGIN)->at;
            check_structure(&w);
            if (roost__timer_armed(&timers[victim]))
                roost__wheel_remove(&w, &timers[victim]);
            check_structure(&w);
            while (w.count > 0) {
                struct roost__timer *t = roost__wheel_pop_due(&w, ORIGIN);
                assert_true(t != &timers[victim] && t->at > last);
                last = t->at;
                check_structure(&w);
            }
        }
    }
}

static void an_empty_wheel_says_never(void **state)
{
    struct roost__timer t = { .at = ORIGIN + ROOST_SEC(1) };
    struct roost__wheel w;

    (void)state;
    roost__wheel_init(&w, ORIGIN);
    for (int i = 0; i < 2; i++) {
        assert_true(roost__wheel_next(&w) == ROOST_NEVER);
        assert_true(roost__wheel_nearest(&w) == ROOST_NEVER);
        assert_null(roost__wheel_pop_due(&w, ROOST_NEVER - 1));
        assert_int_equal(w.count, 0);
        roost__wheel_init(&w, ORIGIN);
        roost__wheel_add(&w, &t);
        assert_true(roost__timer_armed(&t));
        assert_true(roost__wheel_next(&w) == t.at);
        roost__wheel_remove(&w, &t);
        assert_false(roost__timer_armed(&t));
    }
}

static void the_ends_of_the_clock_are_ordered(void **state)
{
    static const roost_time ends[] = { INT64_MIN, INT64_MIN + 1, -1, 0, 1,
                                       ORIGIN, INT64_MAX - 1 };

    (void)state;
    for (size_t from = 0; from < 7; from++) {
        struct roost__timer timers[7] = { 0 };
        struct roost__wheel w;
        roost__wheel_init(&w, ends[from]);
        for (size_t i = 0; i < 7; i++) {
            timers[i].at = ends[i];
            roost__wheel_add(&w, &timers[i]);
        }
        check_structure(&w);
        for (size_t i = 0; i < 7; i++) {
            assert_true(roost__wheel_next(&w) <= ends[i]);
            assert_true(roost__wheel_nearest(&w) == ends[i]);
            if (i > 0)
                assert_null(roost__wheel_pop_due(&w, ends[i] - 1));
            assert_ptr_equal(roost__wheel_pop_due(&w, ends[i]), &timers[i]);
        }
    }
}

static void a_position_ahead_of_the_clock_does_no_harm(void **state)
{
    struct roost__timer far = { .at = ORIGIN + ROOST_SEC(1000) };
    struct roost__timer soon = { .at = ORIGIN + ROOST_SEC(1), .seq = 1 };
    struct roost__timer later = { .at = ORIGIN + ROOST_SEC(2000), .seq = 2 };
    struct roost__wheel w;

    (void)state;
    roost__wheel_init(&w, ORIGIN);
    roost__wheel_add(&w, &far);
    assert_true(roost__wheel_nearest(&w) == far.at);
    roost__wheel_add(&w, &soon);
    roost__wheel_add(&w, &later);
    check_structure(&w);
    assert_true(roost__wheel_next(&w) == soon.at);
    assert_null(roost__wheel_pop_due(&w, soon.at - 1));
    assert_ptr_equal(roost__wheel_pop_due(&w, soon.at), &soon);
    assert_null(roost__wheel_pop_due(&w, soon.at));
    roost__wheel_remove(&w, &far);
    assert_true(roost__wheel_next(&w) == later.at);
    assert_ptr_equal(roost__wheel_pop_due(&w, later.at), &later);
}

static void a_late_caller_sorts_one_tick_at_a_time(void **state)
{
    enum { N = 1000 };
    static struct roost__timer timers[N];
    struct roost__wheel w;

    (void)state;
    roost__wheel_init(&w, ORIGIN);
    for (size_t i = 0; i < N; i++) {
        timers[i].at = ORIGIN + ROOST_MS((roost_time)(i * 7 % N));
        roost__wheel_add(&w, &timers[i]);
    }
    for (size_t i = 0; i < N; i++) {
        assert_non_null(roost__wheel_pop_due(&w, ORIGIN + ROOST_SEC(2)));
        assert_null(w.near);
    }
}

/* Speed hangs on it, nothing else: no test of behaviour would tell. */
static void a_slot_hints_at_what_comes_eight_places_on(void **state)
{
    enum { N = 40 };
    struct roost__timer timers[2 * N] = { 0 };
    struct roost__wheel w;

    (void)state;
    roost__wheel_init(&w, ORIGIN);
    for (size_t i = 0; i < 2 * N; i++) { /* into two slots in turn */
        timers[i].at = ORIGIN + ROOST_MS(i % 2 ? 5 : 10);
        timers[i].seq = i;
        roost__wheel_add(&w, &timers[i]);
    }
    for (size_t i = 0; i < 2 * N; i++)
        assert_ptr_equal(timers[i].child, i < 16 ? NULL : &timers[i - 16]);
    /* A hint at what has gone does no harm, and a heap begins without any. */
    for (size_t i = 0; i < 2 * N; i += 3) {
        roost__wheel_remove(&w, &timers[i]);
        memset(&timers[i], 0xa5, sizeof timers[i]);
    }
    for (size_t n = 0, i = 1; n < 2 * N; n++, i = (i + 2) % (2 * N + 1)) {
        if (i < 2 * N && i % 3 != 0)
            assert_ptr_equal(roost__wheel_pop_due(&w, ORIGIN + ROOST_MS(10)),
                             &timers[i]);
    }
    assert_int_equal(w.count, 0);
}

/* The same; the numbers are those of a machine with 64 bits. */
static void a_wake_up_touches_four_lines_of_a_task(void **state)
{
    size_t base = offsetof(struct roost_task, base);

    (void)state;
    if (sizeof(void *) != 8)
        skip();
    assert_int_equal(sizeof(struct roost__stack) % 64, 0);
    assert_int_equal(_Alignof(struct roost_task), 64);
    assert_int_equal(offsetof(struct roost_task, timer), 64);
    assert_in_range(offsetof(struct roost_task, sleep.state), 64, 127);
    assert_in_range(offsetof(struct roost_task, wait_since), 128, 191);
    assert_in_range(offsetof(struct roost_task, wait_object), 128, 191);
    assert_int_equal((base + offsetof(roost_scope, seq)) / 64,
                     (base + offsetof(roost_scope, armed)) / 64);
    assert_int_equal((base + offsetof(roost_scope, seq)) / 64,
                     (base + offsetof(roost_scope, effective)) / 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wheel_agrees_with_a_sorted_array),
        cmocka_unit_test(timers_fire_in_exact_order),
        cmocka_unit_test(timers_of_one_instant_fire_by_seq),
        cmocka_unit_test(next_reaches_far_timers_in_few_steps),
        cmocka_unit_test(removal_anywhere_in_the_heap_keeps_order),
        cmocka_unit_test(an_empty_wheel_says_never),
        cmocka_unit_test(the_ends_of_the_clock_are_ordered),
        cmocka_unit_test(a_position_ahead_of_the_clock_does_no_harm),
        cmocka_unit_test(a_late_caller_sorts_one_tick_at_a_time),
        cmocka_unit_test(a_slot_hints_at_what_comes_eight_places_on),
        cmocka_unit_test(a_wake_up_touches_four_lines_of_a_task),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
