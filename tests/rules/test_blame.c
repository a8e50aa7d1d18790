/* test_blame.c - claims about the report of who has not ended.
 *
 * Spawns and shields are given made-up places, so each paragraph can be found.
 */
#include "rules/in_task.h"
#include "rules/in_callback.h"

#include <stdio.h>
#include <unistd.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#ifdef ROOST_UCONTEXT
#define FRAME(name) "    (no backtrace here)\n"
#else
#define FRAME(name) "    " name "+0x"
#endif

/* ---- helpers ---- */

static size_t named; /* what the last report returned */

static const char *blame(const roost_scope *s)
{
    static char text[65536];
    FILE *f;

    memset(text, 0, sizeof text);
    f = fmemopen(text, sizeof text - 1, "w");
    named = roost_blame_print(f, s);
    fclose(f);
    return text;
}

/* The paragraph of the task that was spawned at `site`, or "". */
static const char *paragraph(const char *report, const char *site)
{
    static char text[8192];
    char place[64];
    const char *at, *end;
    size_t len;

    snprintf(place, sizeof place, " at %s\n", site);
    at = strstr(report, place);
    if (!at)
        return "";
    while (at > report && at[-1] != '\n')
        at--;
    for (end = strchr(at, '\n') + 1; *end == ' '; end = strchr(end, '\n') + 1)
        ;
    len = (size_t)(end - at);
    memcpy(text, at, len);
    text[len] = '\0';
    return text;
}

static const char *blame_of(const char *site)
{
    return paragraph(blame(NULL), site);
}

static int lines_of(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void settle(void)
{
    EXPECT_INT(ROOST_SHIELDED(ROOST_SEC(1), roost_sleep(ROOST_MS(1))), 0);
}

static volatile int after; /* what follows a call makes it no tail call */

__attribute__((noinline)) static int waits_for(void *arg)
{
    int r = roost_event_wait(arg);

    after++;
    return r;
}

/* ---- who ---- */

static void outside_a_run_it_says_that_there_is_none(void **state)
{
    (void)state;
    assert_string_equal(blame(NULL), "(no roost run in this thread)\n");
    assert_int_equal(named, 0);
}

IN_TASK(main_alone_is_one_paragraph)
{
    const char *text = blame(NULL);

    EXPECT_INT(named, 1);
    EXPECT_INT(strncmp(text, "main, begun at ", 15), 0);
    EXPECT_HAS(text, "kit.c:");
    EXPECT_HAS(text, "\n    running\n");
    return 0;
}

static int parent(void *arg)
{
    roost_nursery n;

    roost_nursery_open_at(&n, "parent.c:1");
    roost_spawn_at(&n, waits_for, arg, "grandchild.c:2");
    return roost_nursery_close(&n, 0);
}

IN_TASK(parents_come_before_children_and_all_are_counted)
{
    const char *text, *first, *second, *third;
    roost_event e;

    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn_at(n, parent, &e, "first.c:1");
    roost_spawn_at(n, waits_for, &e, "second.c:1");
    settle();
    text = blame(NULL);
    EXPECT_INT(named, 4);
    first = strstr(text, "main/task#2, spawned at first.c:1\n");
    second = strstr(text, "main/task#3, spawned at second.c:1\n");
    third = strstr(text, "main/task#2/task#4, spawned at grandchild.c:2\n");
    EXPECT(first && first < third && third < second);
    EXPECT_INT(strncmp(text, "main, begun at ", 15), 0);
    roost_event_set(&e);
    settle();
    blame(NULL);
    EXPECT_INT(named, 1);
    return roost_nursery_close(n, 0);
}

IN_TASK(of_a_scope_are_named_who_entered_it_and_who_is_in_it)
{
    roost_nursery one, other;
    roost_event e;

    roost_event_init(&e);
    roost_nursery_open(&other);
    roost_spawn_at(&other, waits_for, &e, "other.c:1");
    roost_nursery_open(&one);
    roost_spawn_at(&one, parent, &e, "one.c:1");
    roost_spawn_at(&one, waits_for, &e, "one.c:2");
    settle();
    EXPECT(strstr(blame(&one.scope), "main, begun at ") != NULL);
    EXPECT_INT(named, 4);
    EXPECT(!strstr(blame(&one.scope), "other.c:1"));
    EXPECT_HAS(blame(&one.scope), "one.c:2");
    EXPECT_HAS(blame(&other.scope), "other.c:1");
    EXPECT_INT(named, 5);
    roost_event_set(&e);
    EXPECT_INT(roost_nursery_close(&one, 0), 0);
    EXPECT_INT(strcmp(blame(&one.scope), ""), 0);
    EXPECT_INT(named, 0);
    return roost_nursery_close(&other, 0);
}

/* The siblings that follow a scope are not in it. */
static int has_scope(void *arg)
{
    roost_scope **ret = arg, s;

    roost_scope_enter(&s, ROOST_NEVER);
    *ret = &s;
    return roost_scope_leave(&s, roost_sleep(ROOST_MS(5)));
}

IN_TASK(a_scope_of_another_task_names_that_one)
{
    roost_scope *inner;
    roost_event e;

    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn_at(n, has_scope, &inner, "has.c:1");
    roost_spawn_at(n, waits_for, &e, "follows.c:1");
    settle();
    EXPECT_HAS(blame(inner), "spawned at has.c:1\n    waits for the clock in ");
    EXPECT_INT(named, 1);
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

/* ---- what it does ---- */

IN_TASK(a_wait_says_what_for_and_since_when_and_shows_its_callers)
{
    const char *text;
    roost_event e;

    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn_at(n, waits_for, &e, "child.c:1");
    EXPECT_INT(roost_sleep(ROOST_MS(40)), 0);
    text = blame_of("child.c:1");
    EXPECT_HAS(text, "main/task#2, spawned at child.c:1\n"
               "    waits for an event in waits_for+0x");
    EXPECT_HAS(text, ", 40.0 ms so far\n" FRAME("waits_for"));
    EXPECT_INT(lines_of(text), 3);
    roost_event_set(&e);
    EXPECT_HAS(blame_of("child.c:1"), "\n    ready\n" FRAME("waits_for"));
    return roost_nursery_close(n, 0);
}

IN_TASK(a_fresh_task_has_not_run)
{
    roost_event e;

    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn_at(n, waits_for, &e, "fresh.c:1");
    EXPECT_INT(strcmp(blame_of("fresh.c:1"), "main/task#2, spawned at fresh.c:1\n"
                      "    has not run\n"), 0);
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

static int asks(void *arg)
{
    const char *text = blame_of("asks.c:1");

    (void)arg;
    EXPECT_HAS(text, "\n    running\n");
    EXPECT(!strstr(text, "roost_blame_print"));
    EXPECT(!strstr(text, "(no backtrace"));
    EXPECT_HAS(text, "    asks+0x");
    return 0;
}

IN_TASK(the_running_task_shows_who_called_for_the_report)
{
    roost_nursery n;

#ifdef ROOST_UCONTEXT
    return 0; /* its frames end nowhere in particular */
#endif
    roost_nursery_open(&n);
    roost_spawn_at(&n, asks, NULL, "asks.c:1");
    return roost_nursery_close(&n, 0);
}

IN_TASK(a_wait_to_the_end_cannot_be_cancelled_C9)
{
    roost_event e;

    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn_at(n, parent, &e, "closes.c:1");
    settle();
    EXPECT_HAS(blame_of("closes.c:1"), "    waits for its children (to the end) in "
               "parent+0x");
    EXPECT_HAS(blame_of("closes.c:1"), " so far; it cannot be cancelled\n");
    EXPECT(!strstr(blame_of("grandchild.c:2"), "cannot"));
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

static int starts(void *arg)
{
    int r = roost_event_wait(arg);

    roost_started(0);
    return r;
}

IN_TASK(a_service_says_so_N15)
{
    roost_spawn_options service = { .service = true, .name = "pinger" };
    roost_nursery n;
    roost_event e;

    roost_event_init(&e);
    roost_nursery_open(&n);
    roost_spawn_with_at(&n, waits_for, &e, &service, "service.c:1");
    EXPECT_HAS(blame_of("service.c:1"),
               "main/pinger#2 (service), spawned at service.c:1\n");
    return roost_nursery_close(&n, 0);
}

static int starts_a_child(void *arg)
{
    roost_nursery n;
    int r;

    roost_nursery_open(&n);
    r = roost_start_at(&n, starts, arg, "start.c:1");
    return roost_nursery_close(&n, r);
}

IN_TASK(who_is_starting_says_so_N10)
{
    roost_event e;

    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn(n, starts_a_child, &e);
    settle();
    EXPECT_HAS(blame_of("start.c:1"), "\n    starting, waits for an event in ");
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

/* ---- what holds it ---- */

static int in_shields(void *arg)
{
    roost_scope unbounded, bounded;
    int r;

    roost_shield_enter_at(&unbounded, ROOST_NEVER, "outer.c:1");
    roost_shield_enter_at(&bounded, ROOST_SEC(3), "inner.c:2");
    r = roost_event_wait(arg);
    r = roost_scope_leave(&bounded, r);
    if (r == -ECANCELED)
        r = roost_event_wait(arg);
    return roost_scope_leave(&unbounded, r);
}

IN_TASK(shields_say_what_is_left_of_them_S12)
{
    roost_nursery n;
    roost_scope top;
    roost_event e;

    roost_event_init(&e);
    roost_shield_enter_at(&top, ROOST_SEC(9), "top.c:3");
    roost_nursery_open(&n);
    roost_spawn_at(&n, in_shields, &e, "child.c:4");
    settle();
    EXPECT_HAS(blame_of("child.c:4"), "    shield entered at inner.c:2, 3.0 s left\n"
               "    shield entered at outer.c:1, unbounded\n"
               "    shield entered at top.c:3, 9.0 s left\n");
    EXPECT(!strstr(blame(&n.scope), "top.c:3"));
    roost_event_set(&e);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    return roost_scope_leave(&top, 0);
}

static int cancels_in_a_shield(void *arg)
{
    const struct later *a = arg;
    roost_scope s;
    int r;

    roost_shield_enter_at(&s, ROOST_SEC(3), "shield.c:1");
    roost_scope_cancel(a->scope, "a test");
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), 0);
    EXPECT_HAS(blame_of("holds.c:2"), "shield entered at shield.c:1, 2.0 s left\n");
    r = roost_sleep(ROOST_SEC(5));
    EXPECT_INT(r, -ECANCELED);
    EXPECT_HAS(blame_of("holds.c:2"), "shield entered at shield.c:1, used up\n");
    return roost_scope_leave(&s, r);
}

IN_TASK(a_shield_under_a_cancellation_runs_down_S12)
{
    struct later a = { 0 };
    roost_nursery n;

    roost_nursery_open(&n);
    a.scope = &n.scope;
    roost_spawn_at(&n, cancels_in_a_shield, &a, "holds.c:2");
    return roost_nursery_close(&n, 0);
}

/* ---- what it was refused ---- */

/* Tries again what can only fail, then ends. */
static int stubborn(void *arg)
{
    int r = roost_sleep(ROOST_SEC(100)), i;

    EXPECT_INT(r, -ECANCELED);
    EXPECT(!strstr(blame_of("stubborn.c:1"), "refused"));
    for (i = 0; i < 3; i++) {
        r = roost_event_wait(arg);
        EXPECT_HAS(blame_of("stubborn.c:1"),
                   i == 0 ? "    refused 1 wait since it was cancelled, last in stubborn+0x"
                   : i == 1 ? "    refused 2 waits since it was cancelled, last in stubborn+0x"
                            : "    refused 3 waits since ");
    }
    after++;
    return r;
}

IN_TASK(waits_refused_since_a_hard_stop_are_counted_X5)
{
    static const roost_stop_budget budget = {
        .soft = ROOST_SEC(1), .hard = ROOST_SEC(1), .pierce = ROOST_SEC(1),
        .quiet = true };
    roost_nursery n;
    roost_event e;

    roost_event_init(&e);
    roost_nursery_open(&n);
    roost_spawn_at(&n, stubborn, &e, "stubborn.c:1");
    settle();
    EXPECT_INT(roost_stop(&n.scope, &budget), 0);
    return roost_nursery_close(&n, 0);
}

/* ---- many, and from where ---- */

__attribute__((noinline)) static int waits_elsewhere(void *arg)
{
    int r = waits_for(arg);

    after--;
    return r;
}

IN_TASK(a_crowd_at_one_place_has_one_backtrace)
{
    roost_event e;
    int i;

    roost_event_init(&e);
    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++) {
        roost_spawn_at(n, waits_elsewhere, &e, i == 0 ? "a.c:1" : i == 1 ? "a.c:2"
                                                                : "a.c:3");
        roost_spawn_at(n, parent, &e, "b.c:1");
        EXPECT_INT(roost_checkpoint(), 0);
    }
    roost_spawn_at(n, waits_elsewhere, &e, "a.c:4");
    roost_spawn_at(n, waits_elsewhere, &e, "a.c:5");
    settle();
    EXPECT_HAS(blame_of("a.c:1"), " so far\n" FRAME("waits_for"));
#ifndef ROOST_UCONTEXT
    EXPECT_HAS(blame_of("a.c:1"), FRAME("waits_elsewhere"));
    EXPECT_HAS(blame_of("a.c:2"), " so far\n    (backtrace as of #2)\n");
    EXPECT_HAS(blame_of("a.c:5"), " so far\n    (backtrace as of #2)\n");
#endif
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

/* Eight are remembered; what came before is told again. */
static int waits_at(void *arg)
{
    struct at { roost_event *e; int depth; } *a = arg;
    int r = a->depth == 0 ? roost_event_wait(a->e)
                          : waits_at(&(struct at){ a->e, a->depth - 1 });

    after++;
    return r;
}

IN_TASK(many_places_are_each_told)
{
    struct { roost_event *e; int depth; } at;
    roost_event e;
    int i, same = 0;
    const char *text;

    roost_event_init(&e);
    at.e = &e;
    ROOST_NURSERY(n);
    for (i = 0; i < 40; i++) {
        at.depth = i % 20 + 2;
        roost_spawn_copy(n, waits_at, &at, sizeof at);
    }
    settle();
    text = blame(NULL);
    EXPECT_INT(named, 41);
    for (; (text = strstr(text, "(backtrace as")); text++)
        same++;
    EXPECT_INT(same, 0);
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

static void blame_in_callback(struct ev_loop *loop, ev_idle *w, int events)
{
    const char *text = blame(NULL);

    (void)events;
    EXPECT_INT(named, 1);
    EXPECT(!strstr(text, "running"));
    EXPECT_HAS(text, "    waits for an event in waits_for+0x");
    EXPECT_HAS(text, FRAME("waits_for"));
    roost_event_set(w->data);
    ev_idle_stop(loop, w);
}

static void a_callback_of_the_loop_may_ask(void **state)
{
    roost_event e;

    (void)state;
    look_in_loop(blame_in_callback, waits_for, &e);
}

/* In this turn another main task has ended: its root is still there, and its
 * stack is the child's. */
static int asks_about_roots(void *arg)
{
    (void)arg;
    EXPECT_INT(roost_checkpoint(), 0);
    ROOST_NURSERY(n);
    roost_spawn(n, kit_sleep_forever, NULL);
    blame(NULL);
    EXPECT_INT(named, 3);
    roost_nursery_cancel(n, "a test");
    return roost_nursery_close(n, 0);
}

static int ends_at_once(void *arg)
{
    return arg != NULL;
}

static void of_a_guest_all_roots_that_run_are_told(void **state)
{
    struct ev_loop *loop;
    roost_event e;

    (void)state;
    alarm(60); /* a loop that never returns */
    kit_begin();
    loop = ev_loop_new(EVFLAG_AUTO);
    roost_event_init(&e);
    assert_non_null(roost_attach(loop, ends_at_once, NULL, NULL, NULL));
    assert_non_null(roost_attach(loop, asks_about_roots, NULL, NULL, NULL));
    assert_non_null(roost_attach(loop, waits_for, &e, NULL, NULL));
    blame(NULL);
    assert_int_equal(named, 3);
    ev_run(loop, EVRUN_NOWAIT);
    roost_event_set(&e);
    assert_int_equal(ev_run(loop, 0), 0);
    ev_loop_destroy(loop);
    kit_end();
}

/* ---- a stop's own ---- */

static int ignores(void *arg)
{
    int r = ROOST_SHIELDED(ROOST_NEVER, roost_event_wait(arg));

    after++;
    return r;
}

IN_TASK(a_stop_tells_who_is_left_after_each_phase_X5)
{
    static const roost_stop_budget budget = {
        .soft = ROOST_SEC(2), .hard = ROOST_SEC(3), .pierce = ROOST_SEC(1) };
    const char *text;
    roost_nursery n;
    roost_event e;

    roost_event_init(&e);
    roost_nursery_open(&n);
    roost_spawn_at(&n, ignores, &e, "ignores.c:1");
    settle();
    kit_stderr_begin();
    EXPECT_INT(roost_stop_at(&n.scope, &budget, "stop.c:2"), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    text = kit_stderr_end();
    EXPECT_HAS(text, "the soft phase of the stop begun at stop.c:2 is over, ");
    EXPECT_HAS(text, "the hard phase of the stop begun at stop.c:2 is over, ");
    EXPECT(!strstr(text, "the pierce phase"));
    EXPECT_HAS(paragraph(strstr(text, "the hard"), "ignores.c:1"),
               "in ignores+0x");
    EXPECT_HAS(paragraph(strstr(text, "the hard"), "ignores.c:1"),
               ", unbounded\n" FRAME("ignores"));
    return 0;
}

/* ---- it only looks ---- */

/* A block that was freed again counts, too: it stays with the thread. */
static size_t allocated(void)
{
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    return mallinfo2().uordblks;
#else
    return 0;
#endif
}

IN_TASK(a_report_neither_suspends_nor_allocates_C2)
{
    static char text[65536];
    FILE *f = fmemopen(text, sizeof text, "w");
    int fds = kit_descriptors(), before = after;
    size_t bytes;
    roost_event e;

    roost_event_init(&e);
    setvbuf(f, NULL, _IONBF, 0);
    ROOST_NURSERY(n);
    roost_spawn(n, waits_for, &e);
    roost_spawn(n, parent, &e);
    settle();
    roost_event_set(&e);
    fds = kit_descriptors();
    bytes = allocated();
    EXPECT_INT(roost_blame_print(f, NULL), 4);
    EXPECT_INT(allocated(), bytes);
    EXPECT_INT(kit_descriptors(), fds);
    EXPECT_INT(after, before);
    fclose(f);
    return roost_nursery_close(n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outside_a_run_it_says_that_there_is_none),
        cmocka_unit_test(main_alone_is_one_paragraph),
        cmocka_unit_test(parents_come_before_children_and_all_are_counted),
        cmocka_unit_test(of_a_scope_are_named_who_entered_it_and_who_is_in_it),
        cmocka_unit_test(a_scope_of_another_task_names_that_one),
        cmocka_unit_test(a_wait_says_what_for_and_since_when_and_shows_its_callers),
        cmocka_unit_test(a_fresh_task_has_not_run),
        cmocka_unit_test(the_running_task_shows_who_called_for_the_report),
        cmocka_unit_test(a_wait_to_the_end_cannot_be_cancelled_C9),
        cmocka_unit_test(a_service_says_so_N15),
        cmocka_unit_test(who_is_starting_says_so_N10),
        cmocka_unit_test(shields_say_what_is_left_of_them_S12),
        cmocka_unit_test(a_shield_under_a_cancellation_runs_down_S12),
        cmocka_unit_test(waits_refused_since_a_hard_stop_are_counted_X5),
        cmocka_unit_test(a_crowd_at_one_place_has_one_backtrace),
        cmocka_unit_test(many_places_are_each_told),
        cmocka_unit_test(a_callback_of_the_loop_may_ask),
        cmocka_unit_test(of_a_guest_all_roots_that_run_are_told),
        cmocka_unit_test(a_stop_tells_who_is_left_after_each_phase_X5),
        cmocka_unit_test(a_report_neither_suspends_nor_allocates_C2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
