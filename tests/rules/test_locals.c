/* test_locals.c - task-locals: what a child sees of its spawner's bindings.
 */
#include "rules/children.h"

#include <stdlib.h>

#include "core/rt.h"

static char v1[] = "v1", v2[] = "v2", v3[] = "v3";
static roost_local key = { "key", NULL };
static roost_local other = { "other", NULL };

static void set(const roost_local *k, char *value)
{
    EXPECT_INT(roost_local_set(k, value), 0);
}

#define EXPECT_LOCAL(k, value) EXPECT(roost_local_get(k) == (value))

IN_TASK(unset_it_is_the_initial_value_T4)
{
    static roost_local given = { "given", &key };

    EXPECT_LOCAL(&key, NULL);
    EXPECT_LOCAL(&given, &key);
    set(&given, NULL); /* NULL is a value */
    EXPECT_LOCAL(&given, NULL);
    EXPECT_LOCAL(&key, NULL);
    return 0;
}

IN_TASK(nothing_is_left_from_the_run_before_T4)
{
    EXPECT_LOCAL(&key, NULL);
    set(&key, v1);
    set(&key, v2);
    set(&other, v3);
    EXPECT_LOCAL(&key, v2);
    EXPECT_LOCAL(&other, v3);
    return 0;
}

static int sees(void *value)
{
    EXPECT_LOCAL(&key, value);
    return 0;
}

static int sees_then_sets(void *value)
{
    EXPECT_LOCAL(&key, value);
    set(&key, v3);
    EXPECT_INT(roost_sleep(ROOST_MS(5)), 0);
    EXPECT_LOCAL(&key, v3);
    return 0;
}

/* trio test_contextvar_multitask */
IN_TASK(a_child_has_the_bindings_of_the_moment_of_its_spawn_T4)
{
    ROOST_NURSERY(n);
    roost_spawn(n, sees, NULL);
    set(&key, v1);
    roost_spawn(n, sees, v1);
    set(&key, v2); /* before either has run */
    roost_spawn(n, sees, v2);
    return roost_nursery_close(n, 0);
}

IN_TASK(what_either_sets_later_the_other_does_not_see_T4)
{
    ROOST_NURSERY(n);
    set(&key, v1);
    roost_spawn(n, sees_then_sets, v1);
    roost_spawn(n, sees_then_sets, v1);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    EXPECT_LOCAL(&key, v1);
    set(&key, v2);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOCAL(&key, v2);
    return 0;
}

static int set_and_spawn_up(void *n)
{
    set(&key, v2);
    roost_spawn(n, sees, v2);
    return 0;
}

/* From who spawns, not from who owns the nursery. */
IN_TASK(they_come_from_the_spawner_T4)
{
    ROOST_NURSERY(n);
    set(&key, v1);
    roost_spawn(n, set_and_spawn_up, n);
    roost_spawn_with(n, set_and_spawn_up, n,
                     &(roost_spawn_options){ .service = true });
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOCAL(&key, v1);
    return 0;
}

static int sees_and_starts(void *value)
{
    EXPECT_LOCAL(&key, value);
    roost_started(1);
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_LOCAL(&key, value);
    return 0;
}

IN_TASK(a_started_child_keeps_its_callers_T4)
{
    ROOST_NURSERY(n);
    set(&key, v1);
    EXPECT_INT(roost_start(n, sees_and_starts, v1), 1);
    set(&key, v2);
    return roost_nursery_close(n, 0);
}

static int outlives_the_spawner(void *value)
{
    EXPECT_INT(roost_sleep(ROOST_MS(9)), 0);
    return sees(value);
}

static int sets_spawns_and_ends(void *n)
{
    set(&other, v3);
    set(&key, v2);
    roost_spawn(n, outlives_the_spawner, v2);
    return 0;
}

IN_TASK(they_stay_when_the_spawner_has_ended_T4)
{
    ROOST_NURSERY(n);
    roost_spawn(n, sets_spawns_and_ends, n);
    return roost_nursery_close(n, 0);
}

/* ---- memory ---- */

static int live_blocks, allocs, allocs_left;

static void *counting_alloc(size_t bytes)
{
    void *p = allocs_left-- > 0 ? malloc(bytes) : NULL;

    live_blocks += p != NULL;
    allocs += p != NULL;
    return p;
}

static void counting_free(void *p)
{
    live_blocks -= p != NULL;
    free(p);
}

static int run_counting(roost_task_fn *fn)
{
    struct roost_sys sys = roost__sys_default;
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL, .sys = &sys };
    int r;

    sys.alloc = counting_alloc;
    sys.free = counting_free;
    live_blocks = 0;
    allocs_left = INT32_MAX;
    r = kit_run_with(&o, fn, NULL);
    assert_int_equal(live_blocks, 0);
    return r;
}

static int set_short_of_memory(void *arg)
{
    (void)arg;
    set(&key, v1);
    allocs_left = 0;
    EXPECT_INT(roost_local_set(&other, v1), -ENOMEM);
    EXPECT_LOCAL(&other, NULL);
    EXPECT_INT(roost_local_set(&key, v2), 0); /* its own already */
    allocs_left = INT32_MAX;
    EXPECT_LOCAL(&key, v2);
    set(&other, v1);
    ROOST_NURSERY(n);
    roost_spawn(n, outlives_the_spawner, v2); /* shares the list */
    allocs_left = 1; /* for the new binding, not for the copy of the other */
    EXPECT_INT(roost_local_set(&key, v3), -ENOMEM);
    EXPECT_LOCAL(&key, v2);
    allocs_left = INT32_MAX;
    return roost_nursery_close(n, 0);
}

static void without_memory_nothing_changes_T4(void **state)
{
    (void)state;
    assert_int_equal(run_counting(set_short_of_memory), 0);
}

static int set_often(void *arg)
{
    int before, i;

    (void)arg;
    set(&key, v1);
    set(&other, v1);
    before = live_blocks;
    for (i = 0; i < 1000; i++) {
        set(i % 2 ? &key : &other, v2);
        EXPECT_INT(live_blocks, before);
    }
    return 0;
}

static void setting_often_costs_the_memory_of_the_keys_T4(void **state)
{
    (void)state;
    assert_int_equal(run_counting(set_often), 0);
}

/* Each sets what it inherited: its list is as long as there are keys. */
static int inherit_deep(void *arg)
{
    int depth = *(int *)arg, next = depth - 1, before = allocs;

    EXPECT_LOCAL(&other, v1);
    set(&key, v2);
    EXPECT(allocs - before <= 2);
    if (!depth)
        return 0;
    ROOST_NURSERY(n);
    roost_spawn(n, inherit_deep, &next);
    roost_spawn_copy(n, kid_body, &(struct kid){ .ms = 1 }, sizeof(struct kid));
    return roost_nursery_close(n, 0);
}

static int inherit(void *arg)
{
    int depth = 30, before = allocs;

    (void)arg;
    set(&other, v1);
    EXPECT_INT(inherit_deep(&depth), 0);
    EXPECT(allocs > before);
    return 0;
}

static void all_bindings_are_freed_in_the_end_T7(void **state)
{
    (void)state;
    assert_int_equal(run_counting(inherit), 0);
    assert_int_equal(run_counting(set_often), 0);
}

/* ---- at the edges ---- */

static int sees_deferred(void *value)
{
    EXPECT_LOCAL(&key, value);
    kit_log("deferred");
    return 0;
}

static int sets_and_defers(void *arg)
{
    (void)arg;
    set(&key, v1);
    EXPECT_INT(roost_defer(sees_deferred, v2), 0);
    set(&key, v2);
    return 0;
}

IN_TASK(deferred_functions_still_see_them_T6)
{
    ROOST_NURSERY(n);
    roost_spawn(n, sets_and_defers, NULL);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("deferred");
    return 0;
}

static void outside_a_task_it_is_the_initial_value_T4(void **state)
{
    static roost_local given = { "given", &key };

    (void)state;
    assert_ptr_equal(roost_local_get(&given), &key);
}

static int set_outside(void *arg)
{
    return roost_local_set(&key, arg);
}

static void setting_outside_a_task_is_misuse_T5(void **state)
{
    (void)state;
    kit_dies_outside(set_outside, NULL, "roost_local_set(\"key\")",
                     "outside a task", NULL);
}

/* Of the other suites, not here:
 *   trio test_contextvar_support: main inherits nothing, there is nobody above.
 *   trio test_runvar_*: no run-wide variables; a static or the main task's frame.
 */
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unset_it_is_the_initial_value_T4),
        cmocka_unit_test(nothing_is_left_from_the_run_before_T4),
        cmocka_unit_test(a_child_has_the_bindings_of_the_moment_of_its_spawn_T4),
        cmocka_unit_test(what_either_sets_later_the_other_does_not_see_T4),
        cmocka_unit_test(they_come_from_the_spawner_T4),
        cmocka_unit_test(a_started_child_keeps_its_callers_T4),
        cmocka_unit_test(they_stay_when_the_spawner_has_ended_T4),
        cmocka_unit_test(without_memory_nothing_changes_T4),
        cmocka_unit_test(setting_often_costs_the_memory_of_the_keys_T4),
        cmocka_unit_test(all_bindings_are_freed_in_the_end_T7),
        cmocka_unit_test(deferred_functions_still_see_them_T6),
        cmocka_unit_test(outside_a_task_it_is_the_initial_value_T4),
        cmocka_unit_test(setting_outside_a_task_is_misuse_T5),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
