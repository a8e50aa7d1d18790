/* test_deadlock.c - claims about tasks that wait for each other for ever.
 *
 * There is no mutex yet, so the cycle of locks is made of parking lots.
 */
#include "kit/kit.h"

#include <string.h>

/* Runs it and expects -EDEADLK; returns what was said on stderr. */
static const char *deadlocks_with(const roost_options *o, roost_task_fn *fn,
                                  void *arg)
{
    const char *said;
    int r;

    kit_stderr_begin();
    r = kit_run_with(o, fn, arg);
    said = kit_stderr_end();
    assert_int_equal(r, -EDEADLK);
    return said;
}

static const char *deadlocks(roost_task_fn *fn, void *arg)
{
    return deadlocks_with(&(roost_options){ .clock = ROOST_CLOCK_VIRTUAL }, fn,
                          arg);
}

static void says(const char *said, const char *words)
{
    if (!strstr(said, words))
        fail_msg("\"%s\" is not in: %s", words, said);
}

static int times_said(const char *said, const char *words)
{
    int n = 0;

    while ((said = strstr(said, words))) {
        n++;
        said += strlen(words);
    }
    return n;
}

/* ---- who waits for whom ---- */

static int waits_for_event(void *arg)
{
    int r = roost_event_wait(arg);

    EXPECT_INT(r, -ECANCELED);
    EXPECT_HAS(kit_why(NULL), "\"deadlock\"");
    return r;
}

static int two_on_an_event(void *arg)
{
    roost_event e;

    (void)arg;
    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn(n, waits_for_event, &e);
    roost_spawn(n, waits_for_event, &e);
    return roost_nursery_close(n, 0);
}

static void two_tasks_on_one_event_are_found_D4(void **state)
{
    const char *said = deadlocks(two_on_an_event, NULL);

    (void)state;
    says(said, "roost: deadlock: nothing can wake any of these tasks");
    says(said, "main ");
    says(said, "waits for its children");
    says(said, "task#2 ");
    says(said, "task#3 ");
    assert_int_equal(times_said(said, "waits for an event"), 2);
    assert_int_equal(times_said(said, "roost: "), 1); /* said once */
}

struct pair {
    roost_chan *mine, *theirs;
};

static int sends_first(void *arg)
{
    struct pair *p = arg;
    int item = 1, r;

    r = roost_chan_send(p->theirs, &item);
    EXPECT_INT(r, -ECANCELED);
    return r < 0 ? r : roost_chan_recv(p->mine, &item);
}

static int receives_first(void *arg)
{
    struct pair *p = arg;
    int item, r;

    r = roost_chan_recv(p->mine, &item);
    EXPECT_INT(r, -ECANCELED);
    return r < 0 ? r : roost_chan_send(p->theirs, &item);
}

static int each_on_the_others_channel(void *arg)
{
    roost_task_fn *fn = arg ? receives_first : sends_first;
    roost_chan *a = roost_chan_new(sizeof(int), 0);
    roost_chan *b = roost_chan_new(sizeof(int), 0);
    struct pair p = { a, b }, q = { b, a };
    int r;

    ROOST_NURSERY(n);
    roost_spawn(n, fn, &p);
    roost_spawn(n, fn, &q);
    r = roost_nursery_close(n, 0);
    roost_chan_free(a);
    roost_chan_free(b);
    return r;
}

static void two_tasks_on_each_others_channel_are_found_D4(void **state)
{
    int yes;

    (void)state;
    assert_int_equal(times_said(deadlocks(each_on_the_others_channel, NULL),
                                "waits for room in a channel"), 2);
    assert_int_equal(times_said(deadlocks(each_on_the_others_channel, &yes),
                                "waits for an item of a channel"), 2);
}

/* A lock as anyone would make it of a lot. */
struct lock {
    roost_lot lot;
    bool held;
};

static int acquire(struct lock *l)
{
    int r = l->held ? roost_lot_wait(&l->lot) : roost_checkpoint();

    if (r >= 0)
        l->held = true;
    return r;
}

static int takes_both(void *arg)
{
    struct lock **l = arg;
    int r = acquire(l[0]);

    return r < 0 ? r : acquire(l[1]);
}

static int cycle_of_locks(void *arg)
{
    struct lock a = { .held = false }, b = { .held = false };
    struct lock *ab[] = { &a, &b }, *ba[] = { &b, &a };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, takes_both, ab);
    roost_spawn(n, takes_both, ba);
    return roost_nursery_close(n, 0);
}

static void a_cycle_of_locks_is_found_D4(void **state)
{
    (void)state;
    says(deadlocks(cycle_of_locks, NULL), "waits for a wake of its lot");
}

static void main_alone_that_sleeps_for_ever_is_found_D4(void **state)
{
    (void)state;
    says(deadlocks(kit_sleep_forever, NULL), "waits for the clock");
}

static void it_is_found_with_any_seed_and_under_the_real_clock_D4(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };

    (void)state;
    for (o.seed = 1; o.seed < 10; o.seed++)
        deadlocks_with(&o, two_on_an_event, NULL);
    o = (roost_options){ .clock = ROOST_CLOCK_REAL };
    deadlocks_with(&o, two_on_an_event, NULL);
    o.precise_timers = true;
    deadlocks_with(&o, two_on_an_event, NULL);
}

/* ---- the result ---- */

static int returns_anyway(void *arg)
{
    EXPECT_INT(kit_sleep_forever(NULL), -ECANCELED);
    return *(int *)arg;
}

static void EDEADLK_beats_any_result_of_main_D4(void **state)
{
    static const int results[] = { 0, 7, -EIO, -ECANCELED };
    int i, r;

    (void)state;
    for (i = 0; i < 4; i++) {
        r = results[i];
        deadlocks(returns_anyway, &r);
    }
}

/* ---- what is none ---- */

static int late_set(void *arg)
{
    int r = roost_sleep(ROOST_SEC(3600));

    roost_event_set(arg);
    return r;
}

static int woken_in_an_hour(void *arg)
{
    roost_event e;
    int r;

    (void)arg;
    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn(n, late_set, &e);
    r = roost_event_wait(&e);
    EXPECT_INT(kit_ms(), 3600000);
    return roost_nursery_close(n, r);
}

static int deadline_in_an_hour(void *arg)
{
    (void)arg;
    return ROOST_WITHIN(ROOST_SEC(3600), kit_sleep_forever(NULL));
}

static int only_services_left(void *arg)
{
    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn_with(n, kit_sleep_forever, NULL,
                     &(roost_spawn_options){ .service = true });
    return roost_nursery_close(n, 3);
}

static void whoever_has_a_deadline_or_is_about_to_close_is_not_in_one_D4(void **s)
{
    (void)s;
    assert_int_equal(kit_run(woken_in_an_hour, NULL), 0);
    assert_int_equal(kit_run(deadline_in_an_hour, NULL), -ETIMEDOUT);
    assert_int_equal(kit_run(only_services_left, NULL), 3);
}

/* ---- the way out ---- */

/* Cleaning up works as ever: under a shield with a budget time goes on. */
static int cleans_up(void *arg)
{
    int r = roost_event_wait(arg);

    EXPECT_INT(r, -ECANCELED);
    EXPECT_INT(ROOST_SHIELDED(ROOST_SEC(5), roost_sleep(ROOST_SEC(2))), 0);
    EXPECT_INT(kit_ms(), 2000);
    kit_log("cleaned");
    return r;
}

/* Ends only with its budget, which is a deadline like others. */
static int overdoes_it(void *arg)
{
    int r = roost_event_wait(arg);

    EXPECT_INT(ROOST_SHIELDED(ROOST_SEC(3), kit_sleep_forever(NULL)),
               -ECANCELED);
    EXPECT_INT(kit_ms(), 3000);
    kit_log("cut");
    return r;
}

static int with_cleanup(void *arg)
{
    roost_event e;
    int r;

    (void)arg;
    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn(n, cleans_up, &e);
    roost_spawn(n, overdoes_it, &e);
    r = roost_nursery_close(n, 0);
    EXPECT_LOG("cleaned cut");
    return r;
}

static void the_cancelled_tasks_may_clean_up_within_their_budgets_D4(void **s)
{
    (void)s;
    assert_int_equal(times_said(deadlocks(with_cleanup, NULL), "roost: "), 1);
}

static int shielded(void *arg)
{
    int r;

    (void)arg;
    r = ROOST_SHIELDED(ROOST_NEVER, kit_sleep_forever(NULL));
    EXPECT_INT(r, -ECANCELED);
    kit_log("pierced");
    EXPECT_INT(ROOST_SHIELDED(ROOST_NEVER, roost_checkpoint()), -ECANCELED);
    EXPECT_INT(ROOST_SHIELDED(ROOST_SEC(5), roost_sleep(1)), -ECANCELED);
    kit_log("later ones too");
    return r;
}

static int unshielded(void *arg)
{
    (void)arg;
    EXPECT_INT(kit_sleep_forever(NULL), -ECANCELED);
    kit_log("cancelled");
    return -ECANCELED;
}

static int shields_in_the_way(void *arg)
{
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, shielded, NULL);
    roost_spawn(n, unshielded, NULL);
    r = roost_nursery_close(n, 0);
    EXPECT_LOG("cancelled pierced later ones too");
    EXPECT_INT(kit_ms(), 0);
    return r;
}

static void when_it_stands_still_again_shields_are_pierced_D4(void **state)
{
    const char *said = deadlocks(shields_in_the_way, NULL);

    (void)state;
    says(said, "unbounded"); /* the shield, in the tree */
}

/* Service children are shielded too, and their nursery need not close. */
static int in_a_service(void *arg)
{
    (void)arg;
    return ROOST_SHIELDED(ROOST_NEVER, kit_sleep_forever(NULL));
}

static int service_holds(void *arg)
{
    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn_with(n, in_a_service, NULL,
                     &(roost_spawn_options){ .service = true });
    return roost_nursery_close(n, 0);
}

static void a_shield_in_a_service_is_pierced_too_D4_N15(void **state)
{
    (void)state;
    deadlocks(service_holds, NULL);
}

/* ---- no way out ---- */

static int joins_for_ever(void *arg)
{
    return roost_event_join(arg);
}

static bool refuse(roost_wait *w, void *arg)
{
    (void)w, (void)arg;
    return false;
}

static int parks_for_ever(void *arg)
{
    roost_wait w;

    roost_wait_init(&w);
    return roost_park(&w, "a wait of the third kind", arg ? refuse : NULL, arg);
}

static int with_a_join(void *arg)
{
    roost_event e;

    (void)arg;
    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn(n, joins_for_ever, &e);
    return roost_nursery_close(n, 0);
}

static int with_a_park(void *arg)
{
    ROOST_NURSERY(n);
    roost_spawn(n, parks_for_ever, arg);
    return roost_nursery_close(n, 0);
}

static void waits_that_cannot_be_undone_stop_the_program_D4(void **state)
{
    static const char *const sentence =
        "these tasks are in waits that cannot be undone";
    int yes;

    (void)state;
    kit_dies(with_a_join, NULL, "deadlock in the run begun at ", "kit.c:",
             sentence, "waits for an event (to the end)", NULL);
    kit_dies(with_a_park, NULL, sentence,
             "waits for a wait of the third kind (to the end)", NULL);
    kit_dies(with_a_park, &yes, sentence,
             "waits for a wait of the third kind (to the end)", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_tasks_on_one_event_are_found_D4),
        cmocka_unit_test(two_tasks_on_each_others_channel_are_found_D4),
        cmocka_unit_test(a_cycle_of_locks_is_found_D4),
        cmocka_unit_test(main_alone_that_sleeps_for_ever_is_found_D4),
        cmocka_unit_test(it_is_found_with_any_seed_and_under_the_real_clock_D4),
        cmocka_unit_test(EDEADLK_beats_any_result_of_main_D4),
        cmocka_unit_test(
            whoever_has_a_deadline_or_is_about_to_close_is_not_in_one_D4),
        cmocka_unit_test(
            the_cancelled_tasks_may_clean_up_within_their_budgets_D4),
        cmocka_unit_test(when_it_stands_still_again_shields_are_pierced_D4),
        cmocka_unit_test(a_shield_in_a_service_is_pierced_too_D4_N15),
        cmocka_unit_test(waits_that_cannot_be_undone_stop_the_program_D4),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
