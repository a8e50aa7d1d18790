/* runtime.c - a runtime made, its main tasks begun and ended, and unmade.
 *
 * Owns:     the contents of struct roost_rt between make and unmake, and the
 *           thread's pointer to it; the list of its roots.
 * Promises: what was made is released, in reverse order (T7); a runtime that
 *           could not be made has left nothing.
 * Never:    decides when tasks run: run.c and guest.c do.
 */
#include "run/runtime.h"

#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "core/nursery.h"
#include "core/scope.h"
#include "core/sched.h"
#include "core/task.h"

/* ---- options ---- */

static int bad_option(const char *site, const char *what, long long value,
                      const char *wanted)
{
    roost__say("roost_run_with at %s: options.%s is %lld; it must be %s",
               roost__place(site), what, value, wanted);
    return -EINVAL;
}

int roost__runtime_check(const roost_options *o, const char *site)
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

/* ---- roots ---- */

static void root_home(roost_task *t, int result)
{
    roost_root *root = ROOST__CONTAINER(t->base.parent, roost_root, scope);
    struct roost_rt *rt = t->rt;

    result = roost__task_settle(t, result);
    if (t->s.promise)
        roost__nursery_pass_room(t);
    roost__error_drop(rt, t->links.errors);
    t->links.errors = NULL;
    roost__scope_unlink(&t->base);
    roost__scope_end_portals(&root->scope);
    if (root->scope.has_stop)
        rt->end_stop(rt, &root->scope);
    root->result = result;
    root->finished = true;
}

static roost_root **end_of_roots(struct roost_rt *rt)
{
    roost_root **end = &rt->roots;

    while (*end)
        end = &(*end)->next;
    return end;
}

int roost__root_begin(struct roost_rt *rt, roost_root *root, roost_task_fn *fn,
                      void *arg)
{
    roost_task *t = roost__task_new(rt, rt->default_class, arg, 0);

    if (!t)
        return -ENOMEM;
    root->scope = (roost_scope){ 0 }; /* it inherits from itself */
    roost__scope_init(&root->scope, t, &root->scope, SCOPE_PLAIN, root->site);
    root->scope.parent = NULL;
    root->scope.armed = 1;
    root->rt = rt;
    root->task = t;
    root->finished = false;
    root->next = NULL;
    t->fn = fn;
    t->home = root_home;
    t->parent = NULL;
    t->name = "main";
    t->site = root->site;
    roost__task_begin(t, &root->scope);
    *end_of_roots(rt) = root;
    return 0;
}

void roost__roots_cancel(struct roost_rt *rt, const char *reason)
{
    roost_root *root;

    for (root = rt->roots; root; root = root->next)
        if (!root->finished)
            roost__scope_cancel(&root->scope, &(struct roost__cause){
                .kind = CAUSE_HAND, .reason = reason, .site = root->site });
}

/* ---- overflows ---- */

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

void roost__runtime_overflow(const struct roost__stack *s, const void *addr,
                             void *arg)
{
    (void)addr, (void)arg;
    report_overflow((const roost_task *)(const void *)s - 1);
}

static void overflow_canary(roost_task *t)
{
    report_overflow(t);
}

/* ---- making and unmaking ---- */

static void seed_randoms(struct roost_rt *rt)
{
    rt->randoms = ~rt->seed;
    if (!rt->seed && rt->o.clock == ROOST_CLOCK_REAL &&
        rt->sys->getrandom(&rt->randoms, sizeof rt->randoms, 0) < 0)
        rt->randoms = (uint64_t)rt->sys->clock();
}

int roost__runtime_make(struct roost_rt *rt, const roost_options *o,
                        const char *site)
{
    int r;

    memset(rt, 0, sizeof *rt);
    rt->outer_sys = roost__sys;
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
    if (r >= 0) {
        r = roost__stacks_init(&rt->stacks, o->guards_demanded);
        if (r >= 0)
            r = roost__errors_init(rt);
        if (r < 0)
            roost__loop_close(&rt->loop);
    }
    if (r < 0)
        roost__sys = rt->outer_sys;
    else
        roost__rt = rt;
    return r;
}

/* Descriptors first: one that was forgotten is on a stack, as a rule. */
void roost__runtime_unmake(struct roost_rt *rt)
{
    if (rt->probe)
        rt->probe->over(rt);
    roost__loop_fds_close(&rt->loop);
    roost__sched_done(rt);
    roost__errors_done(rt);
    roost__stacks_done(&rt->stacks);
    roost__alarm_close(&rt->alarm);
    roost__loop_close(&rt->loop);
    roost__rt = NULL;
    roost__sys = rt->outer_sys;
}
