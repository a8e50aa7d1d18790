/* run.c - a runtime's life: made for one main task, gone when all are home.
 *
 * Owns:     the runtime structure, on the stack of roost_run's caller.
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
#include <string.h>

#include <roost/trace.h>

#include "core/error.h"
#include "core/nursery.h"
#include "inspect/overflow.h"
#include "core/scope.h"
#include "core/sched.h"
#include "core/task.h"

#define STANDSTILL ROOST_SEC(5) /* of real time under the virtual clock (D3) */

/* ---- making and unmaking ---- */

static int bad_option(const char *site, const char *what, long long value,
                      const char *wanted)
{
    roost__say("roost_run_with at %s: options.%s is %lld; it must be %s",
               roost__place(site), what, value, wanted);
    return -EINVAL;
}

static int check_options(const roost_options *o, const char *site)
{
    if (o->clock != ROOST_CLOCK_REAL && o->clock != ROOST_CLOCK_VIRTUAL)
        return bad_option(site, "clock", (int)o->clock,
                          "ROOST_CLOCK_REAL or ROOST_CLOCK_VIRTUAL");
    if (o->hold_clock != ROOST_HOLD_WORK && o->hold_clock != ROOST_HOLD_IO)
        return bad_option(site, "hold_clock", (int)o->hold_clock,
                          "0 or ROOST_HOLD_IO");
    if (roost__stack_class(o->stack_bytes) < 0)
        return bad_option(site, "stack_bytes", (long long)o->stack_bytes,
                          "48 MiB at most");
    if (o->defer_budget < 0)
        return bad_option(site, "defer_budget", (long long)o->defer_budget,
                          "a duration");
    return 0;
}

static void root_home(roost_task *t, int result)
{
    struct roost_rt *rt = t->rt;

    result = roost__task_settle(t, result);
    if (t->s.promise)
        roost__nursery_pass_room(t);
    roost__error_drop(rt, t->links.errors);
    t->links.errors = NULL;
    roost__scope_unlink(&t->base);
    rt->result = result;
    rt->finished = true;
}

/* A stack overflowed; on the alternate stack, in a signal handler, or found by
 * the canary. Nothing can be saved, but it can be said whose it was. */
static void report_overflow(const roost_task *t)
{
    const struct roost__stack *s = roost__task_stack(t);
    char path[160];

    roost__task_path(t, path, sizeof path);
    roost__misuse("the stack of task %s, spawned at %s, overflowed: more than its "
                  "%zu KiB were wanted; give it a larger .stack_bytes, or keep "
                  "large arrays off the stack", path, roost__place(t->site),
                  s->bytes / 1024);
}

static void overflow_fault(const struct roost__stack *s, const void *addr,
                           void *arg)
{
    (void)addr, (void)arg;
    report_overflow((const roost_task *)(const void *)s - 1);
}

static void overflow_canary(roost_task *t)
{
    report_overflow(t);
}

static void seed_randoms(struct roost_rt *rt)
{
    rt->randoms = ~rt->seed;
    if (!rt->seed && rt->o.clock == ROOST_CLOCK_REAL &&
        rt->sys->getrandom(&rt->randoms, sizeof rt->randoms, 0) < 0)
        rt->randoms = (uint64_t)rt->sys->clock();
}

static void root_scope(struct roost_rt *rt)
{
    roost__scope_init(&rt->scope, NULL, &rt->scope, SCOPE_PLAIN, rt->site);
    rt->scope.parent = NULL;
    rt->scope.armed = 1;
}

static int make_root(struct roost_rt *rt, roost_task_fn *fn, void *arg)
{
    root_scope(rt);
    rt->root = roost__task_new(rt, rt->default_class, arg, 0);
    if (!rt->root)
        return -ENOMEM;
    rt->root->fn = fn;
    rt->root->home = root_home;
    rt->root->parent = NULL;
    rt->root->name = "main";
    rt->root->site = rt->site;
    roost__task_begin(rt->root, &rt->scope);
    rt->scope.task = rt->root;
    return 0;
}

static int make_runtime(struct roost_rt *rt, const roost_options *o,
                        const char *site)
{
    int r;

    memset(rt, 0, sizeof *rt);
    rt->o = *o;
    rt->site = site;
    rt->sys = roost__sys = o->sys ? o->sys : &roost__sys_default;
    rt->fire[TIMER_SLEEP] = roost__sleep_fire;
    rt->fire[TIMER_SCOPE] = roost__scope_fire;
    rt->pass_room = roost__nursery_pass_room;
    rt->overflowed = overflow_canary;
    rt->default_class = roost__stack_class(o->stack_bytes);
    roost__sched_init(rt);
    seed_randoms(rt);
    r = roost__loop_open(&rt->loop, o->loop, o->precise_timers);
    if (r < 0)
        return r;
    r = roost__stacks_init(&rt->stacks, o->guards_demanded);
    if (r >= 0)
        r = roost__errors_init(rt);
    if (r < 0)
        roost__loop_close(&rt->loop);
    return r;
}

static void unmake_runtime(struct roost_rt *rt)
{
    roost__sched_done(rt);
    roost__errors_done(rt);
    roost__stacks_done(&rt->stacks);
    roost__loop_close(&rt->loop);
    roost__rt = NULL;
}

/* ---- idle ---- */

static void deadlock(struct roost_rt *rt)
{
    if (!rt->deadlocked) {
        rt->deadlocked = true;
        roost__say("deadlock: nothing can wake any of these tasks again");
        roost_tree_print(stderr);
        roost__scope_cancel(&rt->scope, &(struct roost__cause){
            .kind = CAUSE_HAND, .reason = "deadlock", .site = rt->site });
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
    roost_time left = rt->moved_at + STANDSTILL - rt->sys->clock();

    say_standstill(rt, what);
    roost__loop_wait(&rt->loop, rt->said_standstill ? ROOST_NEVER
                                                    : left > 0 ? left : 1);
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
    } else if (rt->outside > 0 || !rt->loop.own) {
        if (rt->outside > 0)
            wait_outside(rt, "only descriptors can wake its tasks");
        else if (!roost__loop_wait(&rt->loop, ROOST_NEVER) &&
                 !roost__sched_busy(rt))
            deadlock(rt);
    } else {
        deadlock(rt);
    }
}

static void idle_real(struct roost_rt *rt)
{
    roost_time next = roost__wheel_next(&rt->wheel), delay = ROOST_NEVER, again;

    if (next != ROOST_NEVER)
        delay = next - roost__sched_now(rt);
    else if (rt->outside == 0 && rt->holds == 0 && rt->loop.own) {
        deadlock(rt);
        return;
    }
    if (delay > ROOST_MS(1)) {
        again = roost__stacks_trim(&rt->stacks, rt->now);
        delay = again < delay ? again : delay;
    }
    if (!roost__loop_wait(&rt->loop, delay) && !roost__sched_busy(rt))
        deadlock(rt);
    roost__sched_look(rt);
}

static void run_loop(struct roost_rt *rt)
{
    bool virtual = rt->o.clock == ROOST_CLOCK_VIRTUAL;

    moved(rt);
    for (;;) {
        roost__sched_turn(rt);
        if (rt->finished)
            return;
        if (roost__sched_busy(rt)) {
            if (rt->outside > 0 || !rt->loop.own)
                roost__loop_poll(&rt->loop);
            if (virtual)
                say_standstill(rt, "some task never stops being ready");
        } else if (virtual) {
            idle_virtual(rt);
        } else {
            idle_real(rt);
        }
    }
}

/* ---- the calls ---- */

static int run(struct roost_rt *rt, roost_task_fn *fn, void *arg)
{
    struct roost__overflow overflow;
    int r = make_root(rt, fn, arg);

    if (r < 0)
        return r;
    if (!rt->o.no_overflow_report) {
        r = roost__overflow_install(&rt->stacks, overflow_fault, NULL,
                                    &overflow);
        if (r < 0)
            return r;
    }
    run_loop(rt);
    if (!rt->o.no_overflow_report)
        roost__overflow_remove(&overflow);
    if (rt->o.ret_trace)
        *rt->o.ret_trace = rt->trace;
    return rt->deadlocked ? -EDEADLK : rt->result;
}

int roost_run_with_at(const roost_options *o, roost_task_fn *fn, void *arg,
                      const char *site)
{
    static const roost_options defaults;
    const struct roost_sys *outer = roost__sys;
    struct roost_rt rt;
    int r;

    ROOST_USAGE(!roost__rt, "roost_run at %s is inside the run begun at %s; spawn "
                "a task, or use another thread", roost__place(site),
                roost__place(roost__rt->site));
    if (!o)
        o = &defaults;
    r = check_options(o, site);
    if (r >= 0)
        r = make_runtime(&rt, o, site);
    if (r < 0) {
        roost__sys = outer;
        return r;
    }
    roost__rt = &rt;
    r = run(&rt, fn, arg);
    unmake_runtime(&rt);
    roost__sys = outer;
    return r;
}

int roost_run_at(roost_task_fn *fn, void *arg, const char *site)
{
    return roost_run_with_at(NULL, fn, arg, site);
}
