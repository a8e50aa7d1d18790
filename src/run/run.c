/* run.c - the loop run by us: for one main task, until all are home.
 *
 * Owns:     the runtime structure and its root, on roost_run's caller's stack.
 * Promises: roost_run returns only when no task is left and descriptors, memory
 *           and signal handlers are as before (T7); virtual time moves only when
 *           nothing can run (D2); tasks that wait for each other for ever are
 *           found, printed and cancelled (D4).
 * Never:    runs a task's code itself.
 *
 * The loop:  turn (run tasks, fire what is due) -> poll -> idle?
 *            idle, real:     wait in libev until the next deadline
 *            idle, virtual:  poll twice; then jump to the next deadline
 *            nothing can ever come: deadlock
 */
#include <errno.h>

#include <roost/trace.h>

#include "arch/switch.h"
#include "core/scope.h"
#include "core/sched.h"
#include "inspect/overflow.h"
#include "run/runtime.h"

#define STANDSTILL ROOST_SEC(5) /* of real time under the virtual clock (D3) */

/* ---- idle ---- */

static void deadlock(struct roost_rt *rt)
{
    if (!rt->deadlocked) {
        rt->deadlocked = true;
        roost__say("deadlock: nothing can wake any of these tasks again");
        roost_tree_print(stderr);
        roost__roots_cancel(rt, "deadlock");
    } else if (!rt->pierced) {
        roost__scope_pierce_all(rt);
    } else {
        roost_tree_print(stderr);
        roost__misuse("deadlock in the run begun at %s: cancelled, but these "
                      "tasks are in waits that cannot be undone; give their "
                      "roost_park an abort function", roost__place(rt->site));
    }
}

/* Under the virtual clock real time should not pass for long. */
static void say_standstill(struct roost_rt *rt, const char *what)
{
    if (rt->said_standstill || rt->sys->clock() - rt->moved_at < STANDSTILL)
        return;
    rt->said_standstill = true;
    roost__say("virtual time has stood still for 5 seconds: %s", what);
    roost_tree_print(stderr);
}

static void moved(struct roost_rt *rt)
{
    rt->moved_at = rt->sys->clock();
    rt->said_standstill = false;
}

/* Something outside may wake us: wait for it in real time. */
static void wait_outside(struct roost_rt *rt, const char *what)
{
    say_standstill(rt, what);
    roost__loop_wait(&rt->loop, rt->sys->clock(),
                     rt->said_standstill ? ROOST_NEVER
                                         : rt->moved_at + STANDSTILL);
}

/* A test all of whose peers are in it: what has not come in a while never will. */
static void wait_inside(struct roost_rt *rt)
{
    roost_time now = rt->sys->clock(), end = now + rt->probe->patience;

    for (; now < end && !roost__sched_busy(rt); now = rt->sys->clock())
        roost__loop_wait(&rt->loop, now, end);
    if (!roost__sched_busy(rt))
        deadlock(rt);
}

/* Nothing of ours can come. The callbacks of a loop that was given may still
 * wake somebody or set a deadline (G2), or nobody can (D4). */
static void wait_for_host(struct roost_rt *rt)
{
    if (rt->loop.own || (!roost__loop_wait_for_host(&rt->loop) &&
                         !roost__sched_busy(rt) &&
                         roost__wheel_nearest(&rt->wheel) == ROOST_NEVER))
        deadlock(rt);
}

static void idle_virtual(struct roost_rt *rt)
{
    roost_time next;
    int i;

    for (i = 0; i < 2 && (rt->outside > 0 || !rt->loop.own); i++) {
        roost__loop_poll(&rt->loop);
        if (roost__sched_busy(rt))
            return;
    }
    if (rt->holds > 0 || (rt->outside > 0 &&
                          rt->o.hold_clock == ROOST_HOLD_IO)) {
        wait_outside(rt, "something outside the run holds it");
        return;
    }
    next = roost__wheel_nearest(&rt->wheel);
    if (next != ROOST_NEVER) {
        rt->now = next > rt->now ? next : rt->now;
        moved(rt);
        roost__sched_look(rt);
    } else if (rt->outside > 0 && rt->probe && rt->probe->patience) {
        wait_inside(rt);
    } else if (rt->outside > 0) {
        wait_outside(rt, "only the outside (descriptors, signals, portals) can "
                         "wake its tasks");
    } else {
        wait_for_host(rt);
    }
}

static void idle_real(struct roost_rt *rt)
{
    roost_time next = roost__wheel_next(&rt->wheel), now, again;

    if (next == ROOST_NEVER && rt->outside == 0 && rt->holds == 0) {
        wait_for_host(rt);
        return;
    }
    now = rt->now; /* of the look that ended the turn */
    if (next - now > ROOST_MS(1)) {
        again = roost__stacks_trim(&rt->stacks, now);
        if (again < next - now)
            next = now + again;
    }
    roost__loop_wait(&rt->loop, now, next);
    roost__sched_look(rt);
}

/* Nobody is ready, nor made so by what the loop has: a test may go on. */
static bool comes_to_rest(struct roost_rt *rt)
{
    roost__loop_poll(&rt->loop);
    roost__loop_poll(&rt->loop);
    return roost__sched_busy(rt) || rt->at_rest(rt);
}

static void run_loop(struct roost_rt *rt)
{
    bool virtual = rt->o.clock == ROOST_CLOCK_VIRTUAL;

    moved(rt);
    for (;;) {
        if (!rt->abandoned) /* a timer of a stop, say */
            roost__sched_turn(rt);
        if (rt->roots->finished || rt->abandoned)
            return;
        if (roost__sched_busy(rt)) {
            if (rt->outside > 0 || !rt->loop.own)
                roost__loop_poll(&rt->loop);
            if (virtual)
                say_standstill(rt, "some task never stops being ready");
        } else if (rt->at_rest && comes_to_rest(rt)) {
            continue;
        } else if (virtual) {
            idle_virtual(rt);
        } else {
            idle_real(rt);
        }
    }
}

/* ---- the calls ---- */

/* The last act of a stop has left the tasks where they were: other threads may
 * still hold their portals. */
static void let_go(struct roost_rt *rt, roost_scope *s)
{
    for (; s; s = roost__scope_following(s)) {
        roost__scope_end_portals(s);
        if (s->has_stop)
            rt->end_stop(rt, s);
    }
}

static int run(struct roost_rt *rt, roost_task_fn *fn, void *arg)
{
    roost_root root = { .site = rt->site };
    struct roost__overflow overflow;
    bool report = !rt->o.no_overflow_report;
    int r = 0;

    if (report)
        r = roost__overflow_install(&rt->stacks, roost__runtime_overflow, NULL,
                                    &overflow);
    if (r < 0)
        return r;
    r = roost__root_begin(rt, &root, fn, arg);
    if (r >= 0)
        run_loop(rt);
    if (rt->busy)
        let_go(rt, &root.scope);
    if (report)
        roost__overflow_remove(&overflow);
    if (r >= 0 && rt->o.ret_trace)
        *rt->o.ret_trace = rt->trace;
    if (rt->abandoned)
        return rt->busy ? -EBUSY : -ECANCELED;
    return r < 0 ? r : rt->deadlocked ? -EDEADLK : root.result;
}

int roost_run_with_at(const roost_options *o, roost_task_fn *fn, void *arg,
                      const char *site)
{
    static const roost_options defaults;
    struct roost_rt rt;
    int r;

    ROOST__STOP_EXCEPTIONS(); /* of callbacks: its tasks would hang in the air */
    ROOST_USAGE(!roost__rt, "roost_run at %s is inside the run begun at %s; spawn "
                "a task, or use another thread", roost__place(site),
                roost__place(roost__rt->site));
    if (!o)
        o = &defaults;
    r = roost__runtime_check(o, site);
    if (r >= 0)
        r = roost__runtime_make(&rt, o, site);
    if (r < 0)
        return r;
    r = run(&rt, fn, arg);
    roost__runtime_unmake(&rt);
    return r;
}

int roost_run_at(roost_task_fn *fn, void *arg, const char *site)
{
    return roost_run_with_at(NULL, fn, arg, site);
}
