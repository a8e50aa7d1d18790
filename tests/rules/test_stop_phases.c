/* test_stop_phases.c - claims about the phases of a stop and all kinds of tasks:
 * when each of them ends, what close and run come to, who is named when (X5).
 */
#include "kit/kit.h"

#include <stdio.h>
#include <string.h>

#include <roost/daemon.h>

static void settle(void)
{
    int i;

    for (i = 0; i < 5; i++)
        EXPECT_INT(roost_checkpoint(), 0);
}

/* ---- kinds of tasks ---- */

static int returns_when_told(void *arg)
{
    (void)arg;
    return ROOST_IDLE(roost_sleep(ROOST_NEVER));
}

static int fails_when_told(void *arg)
{
    int r = ROOST_IDLE(roost_sleep(ROOST_NEVER));

    (void)arg;
    return r == -ESHUTDOWN ? -EIO : r;
}

static int returns_when_cancelled(void *arg)
{
    (void)arg;
    return roost_sleep(ROOST_NEVER);
}

static int fails_when_cancelled(void *arg)
{
    int r = roost_sleep(ROOST_NEVER);

    (void)arg;
    return r == -ECANCELED ? -EIO : r;
}

static int works_for_a_second(void *arg)
{
    (void)arg;
    return roost_sleep(ROOST_SEC(1));
}

/* Until pierced it does not look at what a wait says. */
static int ignores_in_a_loop(void *arg)
{
    roost_time end = roost_after(ROOST_SEC(4));
    int r = 0;

    (void)arg;
    while (roost_now() < end && r >= 0) {
        roost_ignore(roost_sleep(ROOST_MS(100)));
        roost_ignore(ROOST_SHIELDED(ROOST_MS(1), roost_sleep(ROOST_MS(100))));
        r = roost_stopping() && roost_cancelled() &&
                ROOST_SHIELDED(ROOST_NEVER, roost_checkpoint()) < 0 ? -ECANCELED
                                                                    : 0;
    }
    return r;
}

static int in_a_shield(void *arg)
{
    (void)arg;
    return ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_NEVER));
}

static int in_a_bounded_shield(void *arg)
{
    (void)arg;
    return ROOST_SHIELDED(ROOST_SEC(1), roost_sleep(ROOST_NEVER));
}

static int slow_defer(void *arg)
{
    (void)arg;
    return ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_NEVER));
}

static int defers_slowly(void *arg)
{
    (void)arg;
    EXPECT_INT(roost_defer(slow_defer, NULL), 0);
    return ROOST_IDLE(roost_sleep(ROOST_NEVER));
}

static bool refuses(roost_wait *w, void *arg)
{
    (void)w, (void)arg;
    return false;
}

static int cannot_be_undone(void *arg)
{
    roost_wait w;

    (void)arg;
    roost_wait_init(&w);
    return roost_park(&w, "godot", refuses, NULL);
}

static int grandchild(void *arg)
{
    int r = ROOST_IDLE(roost_sleep(ROOST_NEVER));

    EXPECT(roost_stopping());
    ++*(int *)arg;
    return r;
}

/* In each phase children that know of it from the start. */
static int has_children_late(void *arg)
{
    int ended = 0, r;
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    r = ROOST_IDLE(roost_sleep(ROOST_NEVER));
    EXPECT_INT(r, -ESHUTDOWN);
    EXPECT_INT(roost_spawn(&n, grandchild, &ended), 0);
    r = roost_sleep(ROOST_NEVER);
    EXPECT_INT(ended, 1);
    EXPECT_INT(roost_spawn(&n, grandchild, &ended), 0);
    r = roost_nursery_close(&n, r);
    EXPECT_INT(ended, 2);
    return r;
}

static int starter(void *arg)
{
    int r;
    roost_nursery n;

    roost_nursery_open(&n);
    r = roost_start(&n, *(roost_task_fn **)arg, NULL);
    return roost_nursery_close(&n, r);
}

static roost_task_fn *starts[] = { returns_when_told, returns_when_cancelled,
                                   in_a_shield, fails_when_told };

static int starts_idle(void *arg)
{
    (void)arg;
    return starter(&starts[0]);
}

static int starts_busy(void *arg)
{
    (void)arg;
    return starter(&starts[1]);
}

static int starts_shielded(void *arg)
{
    (void)arg;
    return starter(&starts[2]);
}

static int starts_failing(void *arg)
{
    (void)arg;
    return starter(&starts[3]);
}

/* ---- the matrix ---- */

enum { IN_SOFT, IN_HARD, IN_PIERCE, NEVER_ENDS };

/* A stop with phases of 2, 3 and 4 seconds, begun at 1 s. */
static const struct kind {
    const char *name;
    roost_task_fn *fn;
    int phase;   /* it ends in */
    int after;   /* ms after that one began */
    int verdict; /* of the nursery with the stop */
    bool well;   /* its body had ended before it was cancelled */
} kinds[] = {
    { "returns when told", returns_when_told, IN_SOFT, 0, 0, false },
    { "fails when told", fails_when_told, IN_SOFT, 0, -EIO, false },
    { "starts, idle", starts_idle, IN_SOFT, 0, 0, false },
    { "starts, failing", starts_failing, IN_SOFT, 0, -EIO, false },
    { "works for a second", works_for_a_second, IN_SOFT, 0, 0, false },
    { "returns when cancelled", returns_when_cancelled, IN_HARD, 0, 0, false },
    { "fails when cancelled", fails_when_cancelled, IN_HARD, 0, -EIO, false },
    { "in a bounded shield", in_a_bounded_shield, IN_HARD, 1000, 0, false },
    { "has children late", has_children_late, IN_HARD, 0, 0, false },
    { "starts, busy", starts_busy, IN_HARD, 0, 0, false },
    { "in a shield", in_a_shield, IN_PIERCE, 0, 0, false },
    { "defers slowly", defers_slowly, IN_PIERCE, 0, 0, true },
    { "starts, shielded", starts_shielded, IN_PIERCE, 0, 0, false },
};

static roost_stop_budget phases_of(roost_time soft, roost_time hard,
                                   roost_time pierce)
{
    return (roost_stop_budget){ .soft = soft, .hard = hard, .pierce = pierce };
}

struct stop {
    const struct kind *kind;
    int how_many;
    roost_stop_budget budget;
    bool run; /* stops the whole run, not the nursery */
};

/* When the last of them is gone: ms. */
static int ends_at(const struct stop *s)
{
    const roost_time begins[] = { 0, s->budget.soft,
                                  s->budget.soft + s->budget.hard };
    long long at = begins[s->kind->phase] / 1000000 + s->kind->after;
    long long pierced = begins[IN_PIERCE] / 1000000;

    if (at > pierced) /* whatever it waits for then */
        at = pierced;
    return (int)at + 1000;
}

static int stopped(void *arg)
{
    const struct stop *s = arg;
    int i, r;
    roost_nursery n;

    roost_nursery_open(&n);
    for (i = 0; i < s->how_many; i++)
        EXPECT_INT(roost_spawn_with(&n, s->kind->fn, NULL,
                                    &(roost_spawn_options){
                                        .name = "stubborn" }), 0);
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), 0);
    EXPECT_INT(roost_stop(s->run ? NULL : &n.scope, &s->budget), 0);
    r = roost_nursery_close(&n, 0);
    if (kit_ms() != ends_at(s)) {
        kit_expect(false, s->kind->name, ROOST_SITE);
        EXPECT_INT(kit_ms(), ends_at(s));
    }
    return r;
}

static int count_of(const char *text, const char *part)
{
    int n = 0;

    for (; (text = strstr(text, part)); text += strlen(part))
        n++;
    return n;
}

/* The reports say so of each phase that was used up, with all that remain. */
static void expect_reports(const struct stop *s, const char *said)
{
    static const char *const names[] = { "the soft phase", "the hard phase",
                                         "the pierce phase" };
    int used = ends_at(s) >= 1000 + (s->budget.soft + s->budget.hard) / 1000000
                   ? 2 : ends_at(s) >= 1000 + s->budget.soft / 1000000 ? 1 : 0;
    const char *at = said, *next;
    int i;

    for (i = 0; i < 3; i++)
        if (count_of(said, names[i]) != (i < used)) {
            print_error("%s: %s: %s\n", s->kind->name, names[i], said);
            fail();
        }
    for (i = 0; i < used; i++, at = next) {
        at = strstr(at, names[i]);
        next = i + 1 < used ? strstr(at, names[i + 1]) : at + strlen(at);
        assert_non_null(next);
        if (count_of(at, "stubborn#") < s->how_many) {
            print_error("%s: %s\n", s->kind->name, said);
            fail();
        }
    }
}

static void check_kind(struct stop s)
{
    int r, verdict = s.kind->verdict;

    if (s.run && s.kind->phase != IN_SOFT && !verdict && !s.kind->well)
        verdict = -ECANCELED; /* of the scope around the nursery */
    kit_stderr_begin();
    r = kit_run(stopped, &s);
    expect_reports(&s, kit_stderr_end());
    if (r == verdict)
        return;
    print_error("%s: the verdict is %d\n", s.kind->name, r);
    fail();
}

#define EACH(k) (k) = kinds; (k) < kinds + sizeof kinds / sizeof *kinds; (k)++

static void each_kind_ends_in_its_phase_and_not_later_X5(void **state)
{
    const struct kind *k;
    int many;

    (void)state;
    for (EACH(k))
        for (many = 1; many <= 3; many += 2) {
            struct stop s = { k, many, phases_of(ROOST_SEC(2), ROOST_SEC(3),
                                                 ROOST_SEC(4)), false };

            if (k->fn == works_for_a_second)
                continue; /* it is over when the stop comes */
            check_kind(s);
            s.run = true;
            check_kind(s);
        }
}

static void budgets_of_other_lengths_bound_it_as_exactly_X5(void **state)
{
    static const roost_time lengths[][3] = {
        { ROOST_MS(7), ROOST_MS(5001), ROOST_MS(3) },
        { ROOST_SEC(3600), ROOST_SEC(60), ROOST_SEC(1) },
        { ROOST_MS(1), ROOST_MS(1), ROOST_MS(1) },
    };
    const struct kind *k;
    int i;

    (void)state;
    for (EACH(k))
        for (i = 0; i < 3; i++)
            check_kind((struct stop){ k, 2, phases_of(lengths[i][0],
                                                      lengths[i][1],
                                                      lengths[i][2]), i == 1 });
}

/* ---- together ---- */

static int all_kinds(void *arg)
{
    const struct kind *k;
    roost_stop_budget b = phases_of(ROOST_SEC(2), ROOST_SEC(3), ROOST_SEC(4));
    roost_nursery n;

    b.quiet = arg != NULL;
    roost_nursery_open(&n);
    for (EACH(k))
        if (!k->verdict)
            EXPECT_INT(roost_spawn_with(&n, k->fn, NULL,
                                        &(roost_spawn_options){
                                            .name = k->name }), 0);
    EXPECT_INT(roost_spawn(&n, ignores_in_a_loop, NULL), 0);
    settle();
    EXPECT_INT(roost_stop(&n.scope, &b), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_INT(kit_ms(), 5000);
    return 0;
}

static void together_they_end_as_alone_in_any_order_D5(void **state)
{
    uint64_t seed, trace[2];
    int i;

    (void)state;
    for (seed = 0; seed < 20; seed++) {
        for (i = 0; i < 2; i++)
            assert_int_equal(kit_run_with(&(roost_options){
                .clock = ROOST_CLOCK_VIRTUAL, .seed = seed,
                .ret_trace = &trace[i] }, all_kinds, (void *)state), 0);
        assert_true(trace[0] == trace[1]);
    }
}

static void a_quiet_stop_says_nothing(void **state)
{
    (void)state;
    kit_stderr_begin();
    assert_int_equal(kit_run(all_kinds, state), 0);
    assert_string_equal(kit_stderr_end(), "");
}

/* ---- who never ends ---- */

static int never_ends(void *arg)
{
    const roost_stop_budget *b = arg;
    roost_nursery n;

    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, cannot_be_undone, NULL), 0);
    settle();
    EXPECT_INT(roost_stop(NULL, b), 0);
    return roost_nursery_close(&n, 0);
}

static void all_three_phases_name_who_never_ends(void **state)
{
    roost_stop_budget b = phases_of(ROOST_SEC(1), ROOST_SEC(1), ROOST_SEC(1));
    const char *said;

    (void)state;
    b.last = ROOST_LAST_RETURN;
    kit_stderr_begin();
    assert_int_equal(roost_run_with(&(roost_options){
        .clock = ROOST_CLOCK_VIRTUAL }, never_ends, &b), -EBUSY);
    said = kit_stderr_end();
    assert_int_equal(count_of(said, " phase"), 3);
    assert_true(count_of(said, "godot") >= 3);
}

/* ---- without a wait, by the real clock ---- */

/* Nothing can end it; what was due meanwhile comes at its next wait. */
static int spins(void *arg)
{
    roost_time end = roost_after(ROOST_MS(60));

    (void)arg;
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    while (roost_now() < end)
        ;
    return roost_sleep(ROOST_SEC(20));
}

struct bounded { roost_task_fn *fn, *beside; roost_time least; };

/* It is stopped, in 25 ms, and is home after so long at least, by the real clock. */
static int ends_bounded(void *arg)
{
    const struct bounded *b = arg;
    const roost_stop_budget budget = {
        .soft = ROOST_MS(5), .hard = ROOST_MS(20), .pierce = ROOST_SEC(20),
        .quiet = true };
    roost_time began = roost_now();
    roost_nursery n;

    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, b->fn, NULL), 0);
    if (b->beside)
        EXPECT_INT(roost_spawn(&n, b->beside, NULL), 0);
    settle();
    EXPECT_INT(roost_stop(&n.scope, &budget), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT(roost_now() - began >= b->least);
    EXPECT(roost_now() - began < ROOST_SEC(5));
    return 0;
}

static void who_never_waits_delays_the_phases_and_no_longer(void **state)
{
    struct bounded b = { spins, in_a_shield, ROOST_MS(60) };

    (void)state;
    assert_int_equal(kit_run_with(&(roost_options){ .clock = ROOST_CLOCK_REAL },
                                  ends_bounded, &b), 0);
}

/* Cancelled, and it loops over waits: the phases come all the same (C6). */
static int loops_over_waits(void *arg)
{
    int r = 0;
    long turns = 0;

    (void)arg;
    while (r == 0) {
        roost_ignore(roost_checkpoint());
        roost_ignore(roost_sleep(ROOST_MS(1)));
        if (++turns % 64 == 0)
            r = ROOST_SHIELDED(ROOST_NEVER, roost_checkpoint());
    }
    return r;
}

static void a_loop_that_ignores_its_cancellation_is_pierced_C6(void **state)
{
    struct bounded b = { loops_over_waits, NULL, ROOST_MS(25) };

    (void)state;
    assert_int_equal(kit_run_with(&(roost_options){ .clock = ROOST_CLOCK_REAL },
                                  ends_bounded, &b), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_ends_in_its_phase_and_not_later_X5),
        cmocka_unit_test(budgets_of_other_lengths_bound_it_as_exactly_X5),
        cmocka_unit_test(together_they_end_as_alone_in_any_order_D5),
        cmocka_unit_test(a_quiet_stop_says_nothing),
        cmocka_unit_test(all_three_phases_name_who_never_ends),
        cmocka_unit_test(who_never_waits_delays_the_phases_and_no_longer),
        cmocka_unit_test(a_loop_that_ignores_its_cancellation_is_pierced_C6),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
