/* test_start.c - roost_start: a child that is the caller's until it is ready, and
 *                the nursery's from then on.
 */
#include "rules/children.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/rt.h"

/* A child that takes `ready_ms`, says started(value), and goes on for `ms`. */
struct server {
    int ready_ms, value, ms, result;
    int early; /* returned in place of roost_started, if not 0 */
    int cut;   /* returned when cut; 0: -ECANCELED */
    bool shielded, stubborn; /* getting ready is; being cut does not end it */
    roost_scope **ret_scope;
};

static int serve(void *arg)
{
    const struct server *s = arg;
    int r;

    if (s->shielded)
        r = ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_MS(s->ready_ms)));
    else
        r = roost_sleep(ROOST_MS(s->ready_ms));
    if (r < 0 && !s->stubborn)
        return s->cut ? s->cut : r;
    if (s->early)
        return s->early;
    roost_started(s->value);
    kit_log("started");
    r = roost_sleep(ROOST_MS(s->ms));
    kit_log(r < 0 ? "cut" : "whole");
    return r < 0 && !s->stubborn ? (s->cut ? s->cut : r) : s->result;
}

#define START(n, ...) \
    roost_start_copy(n, serve, &(struct server){ __VA_ARGS__ }, \
                     sizeof(struct server))

/* The same from another task: its result goes to *ret. */
struct starter {
    roost_nursery *n;
    struct server server;
    int *ret;
    roost_scope **ret_scope;
};

static int start_here(void *arg)
{
    struct starter *a = arg;

    ROOST_SCOPE(s);
    if (a->ret_scope)
        *a->ret_scope = s;
    *a->ret = roost_start(a->n, serve, &a->server);
    kit_log("start is over");
    return roost_scope_leave(s, roost_checkpoint());
}

/* ---- handing over ---- */

IN_TASK(the_value_arrives_when_the_child_is_ready_N10)
{
    ROOST_NURSERY(n);
    EXPECT_INT(START(n, .ready_ms = 5, .value = 42, .ms = 10), 42);
    EXPECT_INT(kit_ms(), 5);
    EXPECT_INT(roost_nursery_count(n), 1);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 15);
    EXPECT_LOG("started whole");
    return 0;
}

IN_TASK(a_child_may_be_ready_at_once_and_end_at_once_N10)
{
    ROOST_NURSERY(n);
    EXPECT_INT(START(n, .value = 0), 0);
    EXPECT_INT(START(n, .value = INT32_MAX), INT32_MAX);
    EXPECT_INT(roost_nursery_count(n), 0);
    EXPECT_INT(kit_ms(), 0);
    return roost_nursery_close(n, 0);
}

IN_TASK(after_started_a_failure_is_the_nurserys_N10)
{
    ROOST_NURSERY(n);
    EXPECT_INT(START(n, .value = 2, .ms = 5, .result = -EIO), 2);
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_INT(kit_ms(), 5);
    EXPECT_INT(roost_nursery_close(n, -ECANCELED), -EIO);
    return 0;
}

/* anyio test_start_crash_after_started_call */
IN_TASK(a_failure_right_after_started_leaves_start_its_value_N10)
{
    ROOST_NURSERY(n);
    EXPECT_INT(START(n, .value = 2, .result = -EIO), 2);
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_nursery_close(n, -ECANCELED), -EIO);
    return 0;
}

IN_TASK(the_callers_deadline_covers_the_time_until_started_only_N10)
{
    ROOST_NURSERY(n);
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(10), START(n, .ready_ms = 5, .value = 1,
                                                .ms = 100)), 1);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 105);
    EXPECT_LOG("started whole");
    return 0;
}

IN_TASK(a_deadline_around_start_cuts_the_child_and_not_the_nursery_N10)
{
    ROOST_NURSERY(n);
    KID(n, .ms = 30, .name = "sibling");
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(10), START(n, .ready_ms = 50)),
               -ETIMEDOUT);
    EXPECT(roost_scope_caught(NULL));
    EXPECT_INT(kit_ms(), 10);
    EXPECT_INT(roost_nursery_count(n), 1);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("sibling");
    return 0;
}

static int open_and_start(void *arg)
{
    roost_scope **grandchildrens = arg;
    int r;

    ROOST_NURSERY(n);
    KID(n, .forever = true, .name = "grandchild");
    ROOST_SCOPE(s);
    *grandchildrens = s;
    EXPECT_INT(roost_checkpoint(), 0);
    roost_started(0);
    r = roost_scope_leave(s, roost_sleep_until(ROOST_NEVER));
    kit_log("child");
    return roost_nursery_close(n, r);
}

/* trio test_nursery_start_with_cancelled_nursery: what sleeps in the child moves
 * with it, out of the caller's scope into the nursery's. */
IN_TASK(the_childs_own_subtree_moves_along_N10)
{
    roost_scope *inner = NULL;

    ROOST_NURSERY(n);
    ROOST_TIMEOUT(s, ROOST_MS(20));
    EXPECT_INT(roost_start(n, open_and_start, &inner), 0);
    roost_scope_cancel(s, "too late to reach the child");
    EXPECT_INT(roost_scope_leave(s, roost_checkpoint()), 0);
    EXPECT_INT(roost_sleep(ROOST_MS(50)), 0);
    EXPECT_LOG("");
    EXPECT(!roost_scope_cancelled(inner));
    roost_nursery_cancel(n, "test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 50);
    EXPECT_LOG("grandchild child");
    return 0;
}

static int start_under_own_shield(void *arg)
{
    int r;

    (void)arg;
    ROOST_SHIELD(sh, ROOST_MS(7));
    EXPECT_INT(roost_sleep(ROOST_MS(5)), 0);
    roost_started(1);
    r = roost_sleep(ROOST_SEC(1));
    kit_log("pierced");
    return roost_scope_leave(sh, r);
}

/* anyio test_cancel_shielding_start, and a shield that moves: its budget counts
 * from when the nursery's cancellation meets it. */
IN_TASK(a_shield_in_the_child_holds_before_and_after_it_moved_N10)
{
    roost_nursery n;

    ROOST_NURSERY(o);
    roost_nursery_open(&n);
    cancel_later(o, roost_nursery_scope(&n), 2);
    EXPECT_INT(ROOST_SHIELDED(ROOST_NEVER,
                              roost_start(&n, start_under_own_shield, NULL)),
               1);
    EXPECT_INT(kit_ms(), 5);
    EXPECT_INT(roost_nursery_close(&n, roost_checkpoint()), 0);
    EXPECT_INT(kit_ms(), 12);
    EXPECT_LOG("pierced");
    return roost_nursery_close(o, 0);
}

IN_TASK(a_shield_around_start_protects_until_started_N10)
{
    ROOST_SCOPE(s);
    ROOST_NURSERY(n);
    roost_scope_cancel(s, "test");
    EXPECT_INT(ROOST_SHIELDED(ROOST_SEC(1), START(n, .ready_ms = 5, .value = 3,
                                                  .ms = 100)), 3);
    EXPECT_INT(roost_nursery_close(n, roost_checkpoint()), -ECANCELED);
    EXPECT_INT(kit_ms(), 5);
    EXPECT_LOG("started cut");
    return roost_scope_leave(s, -ECANCELED);
}

/* ---- ending before it started ---- */

IN_TASK(a_failure_before_started_is_starts_alone_N10)
{
    int r;

    ROOST_NURSERY(n);
    KID(n, .ms = 30, .name = "sibling");
    r = START(n, .ready_ms = 5, .early = -EIO);
    EXPECT_INT(r, -EIO);
    EXPECT_HAS(kit_error(roost_error_of(r)), "EIO");
    EXPECT_INT(roost_nursery_count(n), 1);
    EXPECT(!roost_scope_cancelled(roost_nursery_scope(n)));
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("sibling");
    return 0;
}

IN_TASK(an_end_without_started_is_EPROTO_N10)
{
    int r;

    ROOST_NURSERY(n);
    r = START(n, .ready_ms = 5, .early = 7);
    EXPECT_INT(r, -EPROTO);
    EXPECT_HAS(kit_error(roost_error_of(r)), "without roost_started");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    return 0;
}

IN_TASK(a_foreign_ECANCELED_before_started_is_EPROTO_N10)
{
    ROOST_NURSERY(n);
    EXPECT_INT(START(n, .early = -ECANCELED), -EPROTO);
    EXPECT(roost_error_of(-EPROTO));
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    return 0;
}

static int end_child(void *handle)
{
    int r = roost_sleep(ROOST_MS(5));

    EXPECT_INT(roost_child_end(handle, "test"), 0);
    return r;
}

IN_TASK(a_child_ended_by_its_handle_before_started_is_EPROTO_N10)
{
    roost_child c = { 0 };
    struct server wait = { .ready_ms = 100 };

    ROOST_NURSERY(n);
    roost_spawn(n, end_child, &c);
    EXPECT_INT(roost_start_with(n, serve, &wait,
                                &(roost_spawn_options){ .child = &c }),
               -EPROTO);
    EXPECT_INT(kit_ms(), 5);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    return 0;
}

/* ---- a caller that is cancelled ---- */

static int log_child(void *arg)
{
    (void)arg;
    kit_log("a child was made");
    return -EIO;
}

IN_TASK(in_a_cancelled_caller_start_makes_no_child_C1)
{
    roost_child c = { 0 };

    ROOST_NURSERY(n);
    ROOST_SCOPE(sc);
    roost_scope_cancel(sc, "test");
    EXPECT_INT(roost_start_with(n, log_child, NULL,
                                &(roost_spawn_options){ .child = &c }),
               -ECANCELED);
    EXPECT_INT(roost_nursery_count(n), 0);
    EXPECT_INT(roost_scope_leave(sc, -ECANCELED), 0);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("");
    return 0;
}

IN_TASK(cancelling_the_caller_cancels_the_child_and_joins_it_N10)
{
    ROOST_NURSERY(n);
    ROOST_SCOPE(s);
    cancel_later(n, s, 5);
    EXPECT_INT(START(n, .ready_ms = 20, .shielded = true, .early = -ECANCELED),
               -ECANCELED);
    EXPECT_INT(kit_ms(), 20);
    EXPECT_INT(roost_nursery_count(n), 0);
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), 0);
    return roost_nursery_close(n, 0);
}

IN_TASK(of_a_cancelled_start_the_childs_own_failure_is_the_result_N10)
{
    int r;

    ROOST_NURSERY(n);
    ROOST_SCOPE(s);
    cancel_later(n, s, 5);
    r = START(n, .ready_ms = 20, .cut = -EIO);
    EXPECT_INT(r, -EIO);
    EXPECT(roost_error_of(r));
    EXPECT_INT(roost_scope_leave(s, r), -EIO);
    return roost_nursery_close(n, 0);
}

IN_TASK(a_value_given_by_a_child_of_a_cancelled_caller_counts_N10)
{
    ROOST_NURSERY(n);
    ROOST_SCOPE(s);
    cancel_later(n, s, 5);
    /* started at 10, in a cancelled caller; stays under start until its end */
    EXPECT_INT(START(n, .ready_ms = 10, .shielded = true, .value = 8,
                     .stubborn = true), 8);
    EXPECT_LOG("started cut");
    EXPECT_INT(kit_ms(), 10);
    EXPECT_INT(roost_nursery_count(n), 0);
    EXPECT_INT(roost_scope_leave(s, roost_checkpoint()), 0);
    return roost_nursery_close(n, 0);
}

IN_TASK(it_does_not_count_if_that_child_fails_N10)
{
    ROOST_NURSERY(n);
    ROOST_SCOPE(s);
    cancel_later(n, s, 5);
    EXPECT_INT(START(n, .ready_ms = 10, .shielded = true, .value = 8,
                     .cut = -EIO), -EIO);
    EXPECT_INT(roost_scope_leave(s, -EIO), -EIO);
    EXPECT_INT(roost_nursery_close(n, 0), 0); /* starts alone */
    return 0;
}

IN_TASK(it_does_not_count_if_that_child_is_cut_N10)
{
    ROOST_NURSERY(n);
    ROOST_SCOPE(s);
    cancel_later(n, s, 5);
    EXPECT_INT(START(n, .ready_ms = 10, .shielded = true, .value = 8),
               -ECANCELED);
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), 0);
    return roost_nursery_close(n, 0);
}

static int started_then_cancel(void *caller)
{
    roost_started(6);
    roost_scope_cancel(caller, "in the same turn");
    return roost_sleep(ROOST_MS(5));
}

IN_TASK(a_start_that_was_done_stays_done_C4)
{
    ROOST_NURSERY(n);
    ROOST_SCOPE(s);
    EXPECT_INT(roost_start(n, started_then_cancel, s), 6);
    EXPECT_INT(roost_scope_leave(s, roost_checkpoint()), 0);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 5); /* and the child had moved out of that scope */
    return 0;
}

/* ---- the nursery meanwhile ---- */

IN_TASK(while_a_start_is_pending_the_nursery_stays_open_N10)
{
    struct starter a = { .server = { .ready_ms = 20, .value = 4, .ms = 10 } };
    int r = -1;

    a.ret = &r;
    ROOST_NURSERY(o);
    ROOST_NURSERY(n);
    a.n = n;
    roost_spawn(o, start_here, &a);
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_nursery_count(n), 1);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 30);
    EXPECT_INT(r, 4);
    return roost_nursery_close(o, 0);
}

/* corral start-cancel_nursery-confirm */
IN_TASK(a_cancelled_nursery_reaches_a_strangers_start_once_it_started_N10)
{
    struct starter a = { .server = { .ready_ms = 20, .value = 4, .ms = 99 } };
    int r = -1;

    a.ret = &r;
    ROOST_NURSERY(o);
    ROOST_NURSERY(n);
    a.n = n;
    roost_spawn(o, start_here, &a);
    EXPECT_INT(roost_checkpoint(), 0);
    roost_nursery_cancel(n, "test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 20);
    EXPECT_INT(r, 4);
    EXPECT_INT(roost_nursery_close(o, 0), 0);
    EXPECT_LOG("started cut start is over");
    return 0;
}

IN_TASK(a_failed_nursery_reaches_a_strangers_start_once_it_started_N10)
{
    struct starter a = { .server = { .ready_ms = 20, .value = 4, .ms = 99 } };
    int r = -1;

    a.ret = &r;
    ROOST_NURSERY(o);
    ROOST_NURSERY(n);
    a.n = n;
    roost_spawn(o, start_here, &a);
    KID(n, .ms = 5, .result = -EIO);
    EXPECT_INT(roost_nursery_close(n, 0), -EIO);
    EXPECT_INT(kit_ms(), 20);
    EXPECT_INT(r, 4);
    return roost_nursery_close(o, 0);
}

IN_TASK(through_its_caller_the_nursery_reaches_a_pending_start_N10)
{
    ROOST_NURSERY(n);
    KID(n, .ms = 5, .result = -EIO);
    EXPECT_INT(START(n, .ready_ms = 20), -ECANCELED);
    EXPECT_INT(kit_ms(), 5);
    EXPECT_INT(roost_nursery_close(n, -ECANCELED), -EIO);
    return 0;
}

/* anyio test_start_cancel_after_error */
IN_TASK(an_inner_failure_cuts_a_start_into_the_outer_nursery_N10)
{
    ROOST_NURSERY(o);
    ROOST_NURSERY(n);
    KID(n, .ms = 5, .result = -EIO);
    EXPECT_INT(START(o, .ready_ms = 20), -ECANCELED);
    EXPECT_INT(roost_nursery_close(n, -ECANCELED), -EIO);
    EXPECT_INT(roost_nursery_count(o), 0);
    EXPECT_INT(roost_nursery_close(o, 0), 0);
    return 0;
}

IN_TASK(two_starts_may_be_pending_in_one_nursery_N10)
{
    struct starter a = { .server = { .ready_ms = 3, .value = 1, .ms = 5 } };
    struct starter b = { .server = { .ready_ms = 6, .value = 2, .ms = 5 } };
    int ra = -1, rb = -1;

    a.ret = &ra, b.ret = &rb;
    ROOST_NURSERY(n);
    a.n = b.n = n;
    roost_spawn(n, start_here, &a);
    roost_spawn(n, start_here, &b);
    EXPECT_INT(roost_sleep(ROOST_MS(4)), 0);
    EXPECT_INT(ra, 1);
    EXPECT_INT(rb, -1);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(rb, 2);
    EXPECT_INT(kit_ms(), 11);
    return 0;
}

IN_TASK(one_of_two_starts_may_be_cut_alone_N10)
{
    roost_scope *scope = NULL;
    struct starter a = { .server = { .ready_ms = 9, .value = 1 } };
    struct starter b = { .server = { .ready_ms = 9, .value = 2 } };
    int ra = -1, rb = -1;

    a.ret = &ra, b.ret = &rb, a.ret_scope = &scope;
    ROOST_NURSERY(n);
    a.n = b.n = n;
    roost_spawn(n, start_here, &a);
    roost_spawn(n, start_here, &b);
    EXPECT_INT(roost_sleep(ROOST_MS(4)), 0);
    roost_scope_cancel(scope, "test");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(ra, -ECANCELED);
    EXPECT_INT(rb, 2);
    return 0;
}

/* ---- calling roost_started ---- */

static int started_twice(void *arg)
{
    roost_started(*(int *)arg);
    roost_started(1);
    return 0;
}

static int start_one(void *value)
{
    roost_nursery n;

    roost_nursery_open(&n);
    roost_ignore(roost_start_at(&n, started_twice, value, "start.c:1"));
    return roost_nursery_close(&n, 0);
}

static int start_one_cancelled(void *arg)
{
    struct server s = { .ready_ms = 5, .shielded = true };

    (void)arg, (void)s;
    ROOST_NURSERY(n);
    ROOST_SCOPE(sc);
    cancel_later(n, sc, 0);
    roost_ignore(roost_start_at(n, started_twice, &(int){ 0 }, "start.c:1"));
    return roost_nursery_close(n, roost_scope_leave(sc, 0));
}

static void twice_is_misuse_N10(void **state)
{
    (void)state;
    kit_dies(start_one, &(int){ 3 }, "roost_started was called twice",
             "start.c:1", NULL);
    kit_dies(start_one_cancelled, NULL, "roost_started was called twice",
             "start.c:1", NULL);
}

static void a_negative_value_is_misuse_N10(void **state)
{
    (void)state;
    kit_dies(start_one, &(int){ -3 }, "roost_started was given -3", "start.c:1",
             NULL);
}

static int call_started(void *arg)
{
    (void)arg;
    roost_started(1);
    return 0;
}

static void outside_a_task_started_is_misuse_T5(void **state)
{
    (void)state;
    kit_dies_outside(call_started, NULL, "roost_started", "outside a task",
                     NULL);
}

IN_TASK(under_plain_spawn_it_does_nothing_N10)
{
    int value = 3;

    ROOST_NURSERY(n);
    roost_spawn(n, started_twice, &value);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    roost_started(1); /* the main task was not even spawned */
    return 0;
}

/* ---- what was handed over ---- */

enum { TAKES, FAILS_EARLY, SAYS_NOTHING, IS_CUT, CALLER_CUT, NO_ROOM, NO_MEMORY,
       TOO_BIG, HANDS };

struct hand {
    int how;
    char *words;
};

static int take_over(void *arg)
{
    struct hand h = *(struct hand *)arg;
    int r = roost_sleep(ROOST_MS(5));

    EXPECT_INT(strcmp(h.words, "mine"), 0);
    if (r < 0)
        return r;
    if (h.how == FAILS_EARLY)
        return -EIO;
    if (h.how == SAYS_NOTHING)
        return 0;
    roost_started(0);
    r = roost_checkpoint();
    EXPECT_INT(strcmp(h.words, "mine"), 0);
    free(h.words);
    return r;
}

static bool no_memory;

static void *mmap_or_not(void *at, size_t bytes, int prot, int flags, int fd,
                         off_t offset)
{
    if (!no_memory)
        return mmap(at, bytes, prot, flags, fd, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

/* Whoever must free, frees: ASan sees a double free and a leak. */
static int hand_over(int how)
{
    struct hand h = { how, strdup("mine") };
    roost_spawn_options o = { .copy_bytes = sizeof h };
    int r;

    ROOST_NURSERY_WITH(n, .children_max = how == NO_ROOM ? 1 : 0, .shed = true);
    KID(n, .ms = 1);
    ROOST_TIMEOUT(s, ROOST_MS(how == IS_CUT ? 3 : 99));
    if (how == CALLER_CUT)
        roost_scope_cancel(s, "test");
    if (how == TOO_BIG)
        o.copy_bytes = 5000;
    if (how == NO_MEMORY)
        o.stack_bytes = 5 << 20;
    no_memory = how == NO_MEMORY;
    r = roost_start_with(n, take_over, &h, &o);
    no_memory = false;
    if (r < 0)
        free(h.words);
    roost_ignore(roost_scope_leave(s, 0));
    EXPECT_INT(roost_nursery_close(n, 0), 0); /* never sticky */
    return r;
}

static int hand_all(void *arg)
{
    static const int wanted[HANDS] = {
        [TAKES] = 0, [FAILS_EARLY] = -EIO, [SAYS_NOTHING] = -EPROTO,
        [IS_CUT] = -ECANCELED, [CALLER_CUT] = -ECANCELED, [NO_ROOM] = -EAGAIN,
        [NO_MEMORY] = -ENOMEM, [TOO_BIG] = -E2BIG };
    int how;

    (void)arg;
    for (how = TAKES; how < HANDS; how++)
        EXPECT_INT(hand_over(how), wanted[how]);
    return 0;
}

static void what_a_start_is_given_is_the_callers_until_it_returned_N10(void **state)
{
    struct roost_sys sys = roost__sys_default;
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL, .sys = &sys };

    (void)state;
    sys.mmap = mmap_or_not;
    assert_int_equal(kit_run_with(&o, hand_all, NULL), 0);
}

static int start_short_of_memory(void *arg)
{
    struct server s = { .value = 1 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    KID(n, .ms = 5, .name = "sibling");
    EXPECT_INT(roost_checkpoint(), 0);
    no_memory = true;
    r = roost_start_with(n, serve, &s,
                         &(roost_spawn_options){ .stack_bytes = 6 << 20 });
    no_memory = false;
    EXPECT_INT(r, -ENOMEM);
    EXPECT_INT(START(n, .value = 3), 3);
    r = roost_nursery_close(n, 2);
    EXPECT_LOG("started whole sibling");
    return r;
}

static void a_start_that_could_not_be_made_is_only_returned_N11(void **state)
{
    struct roost_sys sys = roost__sys_default;
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL, .sys = &sys };

    (void)state;
    sys.mmap = mmap_or_not;
    assert_int_equal(kit_run_with(&o, start_short_of_memory, NULL), 2);
}

static int start_a_sibling(void *n)
{
    EXPECT_INT(START(n, .ready_ms = 5, .value = 3, .ms = 20), 3);
    return 0;
}

IN_TASK(a_child_may_start_another_in_its_own_nursery_N6)
{
    ROOST_NURSERY(n);
    roost_spawn(n, start_a_sibling, n);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 25);
    return 0;
}

/* Of the other suites, not here since start is a cancellation point at entry (C1)
 * and then makes no child:
 *   trio test_cancel_reason_nursery, its start into a cancelled nursery
 *   anyio test_start_cancelled, test_start_cancels_parent_scope,
 *     test_no_called_started_twice
 *   corral nursery-task-started-early-cancel
 * and trio's private nursery of a start, into which others spawn: there is none.
 */
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_value_arrives_when_the_child_is_ready_N10),
        cmocka_unit_test(a_child_may_be_ready_at_once_and_end_at_once_N10),
        cmocka_unit_test(after_started_a_failure_is_the_nurserys_N10),
        cmocka_unit_test(a_failure_right_after_started_leaves_start_its_value_N10),
        cmocka_unit_test(the_callers_deadline_covers_the_time_until_started_only_N10),
        cmocka_unit_test(a_deadline_around_start_cuts_the_child_and_not_the_nursery_N10),
        cmocka_unit_test(the_childs_own_subtree_moves_along_N10),
        cmocka_unit_test(a_shield_in_the_child_holds_before_and_after_it_moved_N10),
        cmocka_unit_test(a_shield_around_start_protects_until_started_N10),
        cmocka_unit_test(a_failure_before_started_is_starts_alone_N10),
        cmocka_unit_test(an_end_without_started_is_EPROTO_N10),
        cmocka_unit_test(a_foreign_ECANCELED_before_started_is_EPROTO_N10),
        cmocka_unit_test(a_child_ended_by_its_handle_before_started_is_EPROTO_N10),
        cmocka_unit_test(in_a_cancelled_caller_start_makes_no_child_C1),
        cmocka_unit_test(cancelling_the_caller_cancels_the_child_and_joins_it_N10),
        cmocka_unit_test(of_a_cancelled_start_the_childs_own_failure_is_the_result_N10),
        cmocka_unit_test(a_value_given_by_a_child_of_a_cancelled_caller_counts_N10),
        cmocka_unit_test(it_does_not_count_if_that_child_fails_N10),
        cmocka_unit_test(it_does_not_count_if_that_child_is_cut_N10),
        cmocka_unit_test(a_start_that_was_done_stays_done_C4),
        cmocka_unit_test(while_a_start_is_pending_the_nursery_stays_open_N10),
        cmocka_unit_test(a_cancelled_nursery_reaches_a_strangers_start_once_it_started_N10),
        cmocka_unit_test(a_failed_nursery_reaches_a_strangers_start_once_it_started_N10),
        cmocka_unit_test(through_its_caller_the_nursery_reaches_a_pending_start_N10),
        cmocka_unit_test(an_inner_failure_cuts_a_start_into_the_outer_nursery_N10),
        cmocka_unit_test(two_starts_may_be_pending_in_one_nursery_N10),
        cmocka_unit_test(one_of_two_starts_may_be_cut_alone_N10),
        cmocka_unit_test(twice_is_misuse_N10),
        cmocka_unit_test(a_negative_value_is_misuse_N10),
        cmocka_unit_test(outside_a_task_started_is_misuse_T5),
        cmocka_unit_test(under_plain_spawn_it_does_nothing_N10),
        cmocka_unit_test(what_a_start_is_given_is_the_callers_until_it_returned_N10),
        cmocka_unit_test(a_start_that_could_not_be_made_is_only_returned_N11),
        cmocka_unit_test(a_child_may_start_another_in_its_own_nursery_N6),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
