/* test_backtrace.c - claims about the frames of tasks that do not run.
 *
 * The functions below call each other from the first to the last, and the last
 * one waits; none of the calls is a tail call.
 */
#include "kit/kit.h"
#include "rules/in_callback.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "core/fiber.h"
#include "inspect/backtrace.h"
#include "inspect/place.h"

#if defined(__clang__)
#define NOINLINE __attribute__((noinline, disable_tail_calls))
#else
#define NOINLINE __attribute__((noinline, noclone, noipa, \
                                optimize("no-optimize-sibling-calls")))
#endif
#ifdef ROOST_UCONTEXT
#define NEEDS_FRAMES() skip()
#else
#define NEEDS_FRAMES() ((void)0)
#endif

static struct roost__backtrace trace;
static int wrong;

/* ---- helpers ---- */

static const char *name_of(size_t i)
{
    static char place[128];

    roost__place_of(i < trace.count ? trace.frames[i] : NULL, place, sizeof place);
    place[strcspn(place, "+")] = '\0';
    return place;
}

/* The frames' names, innermost first, must be these and no others. */
static void expect_frames(const char *wanted, const char *site)
{
    char text[1024] = "";
    size_t i;

    for (i = 0; i < trace.count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s",
                 i ? " " : "", name_of(i));
    if (strcmp(text, wanted) != 0 || !trace.whole)
        fprintf(stderr, "%s: %s%s\n", site, text, trace.whole ? "" : " ...");
    kit_expect(trace.whole && strcmp(text, wanted) == 0, wanted, site);
}

#define EXPECT_FRAMES(wanted) expect_frames(wanted, ROOST_SITE)

/* The one child of the running task's innermost nursery. */
static roost_task *child(void)
{
    return roost__self()->scope->first->task;
}

static void look_at(const roost_task *t)
{
    roost__backtrace_take(&trace, t, t->wait_place);
}

static const char *printed(void)
{
    static char text[8192];
    FILE *f;

    memset(text, 0, sizeof text);
    f = fmemopen(text, sizeof text - 1, "w");
    roost__backtrace_print(f, &trace);
    fclose(f);
    return text;
}

/* More live values than a call may lose, in both kinds of registers. */
#define KEEP(call)                                                           \
    do {                                                                     \
        unsigned long a_ = (unsigned long)kit_ms() + 3, b_ = a_ * 3,         \
                      c_ = b_ ^ a_, d_ = c_ * 5, e_ = d_ + b_;               \
        double u_ = (double)a_ / 3, v_ = u_ + 1, w_ = v_ * v_;               \
        __asm__ volatile("" : "+r"(a_), "+r"(b_), "+r"(c_), "+r"(d_));       \
        call;                                                                \
        __asm__ volatile("" : "+r"(a_), "+r"(b_), "+r"(c_), "+r"(d_));       \
        wrong += b_ != a_ * 3 || c_ != (b_ ^ a_) || d_ != c_ * 5 ||          \
                 e_ != d_ + b_ || u_ != (double)a_ / 3 || v_ != u_ + 1 ||    \
                 w_ != v_ * v_;                                              \
    } while (0)

NOINLINE static int fourth(roost_event *e)
{
    int r = 0;

    KEEP(r = roost_event_wait(e));
    return r;
}

NOINLINE static int third(roost_event *e)
{
    int r = 0;

    KEEP(r = fourth(e));
    return r;
}

NOINLINE static int second(roost_event *e)
{
    int r = 0;

    KEEP(r = third(e));
    return r;
}

NOINLINE static int first(void *arg)
{
    int r = 0;

    KEEP(r = second(arg));
    return r;
}

/* ---- suspended ---- */

static int sees_a_chain(void *arg)
{
    roost_event e;

    (void)arg;
    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn(n, first, &e);
    EXPECT_INT(roost_sleep(1), 0);
    KEEP(look_at(child()));
    EXPECT_FRAMES("fourth third second first");
    roost_event_set(&e);
    KEEP(look_at(child())); /* ready, where it waited */
    EXPECT_FRAMES("fourth third second first");
    return roost_nursery_close(n, 0);
}

static void a_suspended_task_has_its_callers(void **state)
{
    (void)state;
    NEEDS_FRAMES();
    assert_int_equal(kit_run(sees_a_chain, NULL), 0);
}

static int is_looked_at_often(void *arg)
{
    roost_event e;
    int i;

    (void)arg;
    wrong = 0;
    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn(n, first, &e);
    EXPECT_INT(roost_sleep(1), 0);
    for (i = 0; i < 100; i++)
        KEEP(look_at(child()));
    EXPECT_INT(roost_sleep(1), 0);
    EXPECT_HAS(kit_tree(), "waits for an event in fourth+0x");
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

static void neither_side_is_disturbed(void **state)
{
    (void)state;
    assert_int_equal(kit_run(is_looked_at_often, NULL), 0);
    assert_int_equal(wrong, 0);
}

/* Stacks lie in any order: some of these are above, some below who looks. */
NOINLINE static int looks_at_all(void *arg)
{
    roost_nursery *n = arg;
    const roost_scope *s;

    for (s = n->scope.first; s; s = s->next)
        if (s->task != roost__self()) {
            look_at(s->task);
            EXPECT_FRAMES("fourth third second first");
        }
    wrong++;
    return 0;
}

static int crowds(void *arg)
{
    roost_event e;
    int i;

    (void)arg;
    wrong = 0;
    roost_event_init(&e);
    ROOST_NURSERY(n);
    for (i = 0; i < 40; i++)
        roost_spawn(n, first, &e);
    EXPECT_INT(roost_sleep(1), 0);
    roost_spawn(n, looks_at_all, n);
    EXPECT_INT(roost_sleep(1), 0);
    EXPECT_INT(looks_at_all(n), 0);
    EXPECT_INT(wrong, 2);
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

static void any_task_can_look_at_any_other(void **state)
{
    (void)state;
    NEEDS_FRAMES();
    assert_int_equal(kit_run(crowds, NULL), 0);
}

static struct {
    roost_task *waiter;
    roost_event e;
} shared;

static void look_in_callback(struct ev_loop *loop, ev_idle *w, int events)
{
    (void)events;
    if (!shared.waiter)
        return;
    look_at(shared.waiter);
    EXPECT_FRAMES("fourth third second first waits_for_callback");
    roost_event_set(&shared.e);
    ev_idle_stop(loop, w);
}

NOINLINE static int waits_for_callback(void *arg)
{
    int r;

    shared.waiter = roost__self();
    r = first(arg);
    wrong = r;
    return r;
}

NOINLINE static int looks_at_itself(void)
{
    roost__backtrace_take(&trace, roost__self(), NULL);
    return wrong;
}

NOINLINE static int calls_itself_be_looked_at(void *arg)
{
    int r = looks_at_itself();

    (void)arg;
    EXPECT(trace.whole && trace.count >= 2);
    EXPECT_INT(strcmp(name_of(trace.count - 1), "calls_itself_be_looked_at"), 0);
    EXPECT_INT(strcmp(name_of(trace.count - 2), "looks_at_itself"), 0);
    return r;
}

static int spawns(void *arg)
{
    ROOST_NURSERY(n);
    roost_spawn(n, arg ? waits_for_callback : calls_itself_be_looked_at, arg);
    return roost_nursery_close(n, 0);
}

static void the_main_stack_can_look(void **state)
{
    (void)state;
    NEEDS_FRAMES();
    shared.waiter = NULL;
    look_in_loop(look_in_callback, spawns, &shared.e);
}

/* ---- other states ---- */

NOINLINE static int yields(void *arg)
{
    int r = 0;

    while (*(int *)arg == 0)
        r = roost_checkpoint();
    return r;
}

static int sees_a_ready_one(void *arg)
{
    int over = 0;

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, yields, &over);
    EXPECT_INT(roost_checkpoint(), 0);
    look_at(child());
    EXPECT_FRAMES("yields");
    over = 1;
    return roost_nursery_close(n, 0);
}

static void a_ready_task_has_its_callers(void **state)
{
    (void)state;
#if defined(ROOST_UCONTEXT) || !defined(__OPTIMIZE__)
    skip(); /* the scheduler's static functions are frames of their own */
#endif
    assert_int_equal(kit_run(sees_a_ready_one, NULL), 0);
}

/* The compiler may jump, then the wait has no frame of this function. */
static int only_waits(void *arg)
{
    return roost_event_wait(arg);
}

static int sees_a_tail_call(void *arg)
{
    roost_event e;

    (void)arg;
    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn(n, only_waits, &e);
    EXPECT_INT(roost_sleep(1), 0);
    look_at(child());
    EXPECT_FRAMES("only_waits");
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

static void a_task_that_waits_last_has_its_function(void **state)
{
    (void)state;
    NEEDS_FRAMES();
    assert_int_equal(kit_run(sees_a_tail_call, NULL), 0);
}

static void the_running_task_has_its_callers(void **state)
{
    (void)state;
    NEEDS_FRAMES();
    wrong = 0;
    assert_int_equal(kit_run(spawns, NULL), 0);
}

/* What was copied for a task lies between it and its first frame. */
NOINLINE static int copied(void *arg)
{
    int r = roost_event_wait(*(roost_event **)arg);

    wrong = r;
    return r;
}

static int sees_a_copier(void *arg)
{
    struct { roost_event *e; char rest[1000]; } big = { 0 };
    roost_event e;

    (void)arg;
    roost_event_init(&e);
    big.e = &e;
    ROOST_NURSERY(n);
    roost_spawn_copy(n, copied, &big, sizeof big);
    EXPECT_INT(roost_sleep(1), 0);
    look_at(child());
    EXPECT_FRAMES("copied");
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

static void a_copied_argument_is_no_frame(void **state)
{
    (void)state;
    NEEDS_FRAMES();
    assert_int_equal(kit_run(sees_a_copier, NULL), 0);
}

/* ---- large ---- */

NOINLINE static int dives(int more, roost_event *e)
{
    int r = more > 0 ? dives(more - 1, e) : roost_event_wait(e);

    wrong = more;
    return r;
}

static int depth;

NOINLINE static int diver(void *arg)
{
    int r = dives(depth, arg);

    wrong = r;
    return r;
}

static int sees_a_diver(void *arg)
{
    const char *text;
    int lines = 0;
    roost_event e;

    (void)arg;
    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn(n, diver, &e);
    EXPECT_INT(roost_sleep(1), 0);
    look_at(child());
    EXPECT(trace.whole == (depth < 100) && trace.count > 24);
    EXPECT_INT(strncmp(printed(), "    dives+0x", 12), 0);
    for (text = printed(); *text; text++)
        lines += *text == '\n';
    EXPECT_INT(lines, 25);
    EXPECT_HAS(printed(), "\n    ...\n");
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

static void of_many_frames_the_innermost_are_shown(void **state)
{
    (void)state;
    NEEDS_FRAMES();
    depth = 25;
    assert_int_equal(kit_run(sees_a_diver, NULL), 0);
    depth = 100;
    assert_int_equal(kit_run(sees_a_diver, NULL), 0);
}

/* Waits with hardly any stack left: an unwinder has no room there. */
NOINLINE static int fills(void *arg)
{
    char *lo = roost__task_stack(roost__self())->lo, *here;
    size_t left = (size_t)((char *)__builtin_frame_address(0) - lo);
    int r;

    here = __builtin_alloca(left - 2048);
    here[0] = 1;
    r = roost_event_wait(arg);
    wrong = here[0] != 1;
    return r;
}

static int sees_a_full_stack(void *arg)
{
    roost_event e;

    (void)arg;
    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn_with(n, fills, &e, &(roost_spawn_options){ .stack_bytes = 1 });
    EXPECT_INT(roost_sleep(1), 0);
    look_at(child());
    EXPECT_FRAMES("fills");
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

static void a_full_stack_is_no_hindrance(void **state)
{
    (void)state;
    NEEDS_FRAMES();
#if defined(ROOST__ASAN) || defined(ROOST__TSAN)
    skip(); /* their frames are larger than what is left */
#endif
    assert_int_equal(kit_run(sees_a_full_stack, NULL), 0);
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

static int measures(void *arg)
{
    size_t before;
    roost_event e;

    (void)arg;
    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn(n, first, &e);
    EXPECT_INT(roost_sleep(1), 0);
    before = allocated();
    look_at(child());
    EXPECT_INT(allocated(), before);
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

static void the_first_of_the_process_allocates_nothing(void **state)
{
    (void)state;
    assert_int_equal(kit_run(measures, NULL), 0);
}

static int sees_nothing(void *arg)
{
    roost_event e;

    (void)arg;
    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn(n, first, &e);
    EXPECT_INT(roost_sleep(1), 0);
    look_at(child());
    EXPECT_INT(trace.count, 0);
    EXPECT_INT(strcmp(printed(), "    (no backtrace here)\n"), 0);
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

static void over_ucontext_it_says_that_there_is_none(void **state)
{
    (void)state;
#ifndef ROOST_UCONTEXT
    skip();
#endif
    assert_int_equal(kit_run(sees_nothing, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_of_the_process_allocates_nothing),
        cmocka_unit_test(a_suspended_task_has_its_callers),
        cmocka_unit_test(neither_side_is_disturbed),
        cmocka_unit_test(any_task_can_look_at_any_other),
        cmocka_unit_test(the_main_stack_can_look),
        cmocka_unit_test(a_ready_task_has_its_callers),
        cmocka_unit_test(a_task_that_waits_last_has_its_function),
        cmocka_unit_test(the_running_task_has_its_callers),
        cmocka_unit_test(a_copied_argument_is_no_frame),
        cmocka_unit_test(of_many_frames_the_innermost_are_shown),
        cmocka_unit_test(a_full_stack_is_no_hindrance),
        cmocka_unit_test(over_ucontext_it_says_that_there_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
