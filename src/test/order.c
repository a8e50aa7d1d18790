/* order.c - time, rest and turns, for tests.
 *
 * Owns:     the tasks that wait for the run to come to rest.
 * Promises: at rest nobody else can run and time has not moved.
 * Never:    lets real time pass.
 */
#include <roost/test.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/park.h"
#include "core/scope.h"
#include "core/sched.h"
#include "inspect/tree.h"

static roost_task *need_task(const char *call)
{
    roost_task *t = roost__self();

    ROOST_USAGE(t, "%s was called outside a task; it belongs in a test's body",
                call);
    return t;
}

void roost_test_advance(roost_time duration)
{
    roost_task *t = need_task("roost_test_advance");
    struct roost_rt *rt = t->rt;

    ROOST_USAGE(rt->o.clock == ROOST_CLOCK_VIRTUAL, "roost_test_advance was called "
                "under the real clock, which nobody can move");
    roost__need_duration(duration, "roost_test_advance", NULL);
    rt->now = roost__time_add(rt->now, duration);
    roost__sched_look(rt);
    roost__scope_look(rt, t->scope); /* those that never waited are not armed */
}

/* ---- rest ---- */

static _Thread_local roost_lot resting; /* who waits for it */

static bool wake_resting(struct roost_rt *rt)
{
    (void)rt;
    return roost_lot_wake(&resting, ROOST_ALL) > 0;
}

int roost_test_wait_all_blocked(void)
{
    roost_task *t = need_task("roost_test_wait_all_blocked");

    t->rt->at_rest = wake_resting;
    return roost_lot_wait(&resting);
}

static size_t parked_on(const struct roost_rt *rt, const void *object)
{
    const roost_scope *s;
    size_t count = 0;

    for (s = &rt->roots->scope; s; s = roost__scope_following(s))
        count += s->kind == SCOPE_TASK && roost__is_parked(s->task) &&
                 s->task->wait_object == object;
    return count;
}

int roost_test_wait_parked(const void *object, size_t how_many)
{
    roost_task *t = need_task("roost_test_wait_parked");
    int r = roost_checkpoint();

    if (r >= 0 && parked_on(t->rt, object) < how_many)
        r = roost_test_wait_all_blocked();
    if (r < 0)
        return r;
    return parked_on(t->rt, object) < how_many ? -EDEADLK : 0;
}

/* ---- turns ---- */

int roost_sequencer_turn(roost_sequencer *s, unsigned turn)
{
    int r = roost_checkpoint();

    while (r >= 0 && s->next < turn)
        r = roost_lot_wait(&s->lot);
    if (r >= 0)
        roost_sequencer_done(s);
    return r;
}

void roost_sequencer_done(roost_sequencer *s)
{
    s->next++;
    roost_lot_wake(&s->lot, ROOST_ALL);
}

/* ---- what a call is ---- */

__attribute__((noreturn)) static void fail_at(const char *file, int line,
                                              const char *call,
                                              const char *what)
{
    print_error("%s:%d: %s: %s\n", file, line, call, what);
    _fail(file, line);
    __builtin_unreachable();
}

void roost_test_cancelled_begin(roost_scope *s)
{
    roost_scope_enter(s, ROOST_NEVER);
    roost_scope_cancel(s, "a test of a cancellation point");
}

int roost_test_cancelled_end(int result)
{
    int r = roost_scope_leave(need_task("ROOST_TEST_CHECKPOINT")->scope, result);

    return roost_scope_caught(NULL) ? -ECANCELED : r;
}

void roost_test_checkpoint(int result, const char *call, const char *file,
                           int line)
{
    if (result != -ECANCELED)
        fail_at(file, line, call,
                "is no cancellation point: in a cancelled scope it did not "
                "return -ECANCELED");
}

static _Thread_local uint64_t trace_before;

void roost_test_resumes_begin(void)
{
    trace_before = need_task("ROOST_TEST_NEVER_YIELDS")->rt->trace;
}

int roost_test_stayed(int result, const char *call, const char *file, int line)
{
    if (need_task("ROOST_TEST_NEVER_YIELDS")->rt->trace != trace_before)
        fail_at(file, line, call, "let another task run");
    return result;
}
