/* strike.c - one run of a tortured body, with a plan.
 *
 * Owns:     the probe that sees every wait of the run, and what it injects.
 * Promises: the same plan does the same to the same body; what a run must have
 *           kept is judged when it is over, by what is left and by what it did.
 * Never:    forks; prints, unless aloud.
 *
 * A wait has three moments: it is entered, parked (already in its queue, still on
 * the processor), and woken. The probe counts them all. A cancellation that comes
 * while the task is parked finds it through its abort function; one that comes when
 * it is woken is too late for this wait (C4) and meets the next.
 */
#include "test/strike.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <roost/trace.h>

#include "core/scope.h"
#include "core/sched.h"
#include "core/task.h"
#include "inspect/overflow.h"
#include "inspect/place.h"
#include "run/runtime.h"
#include "test/faults.h"
#include "test/fds.h"
#include "test/heap.h"

#define DAY (ROOST_SEC(3600) * 24)
#define SWALLOW ROOST_SEC(60)

static struct {
    const struct roost__attempt *s;
    struct roost__verdict *v;
    struct roost_rt *rt; /* while the body runs */
    roost_scope *whole;
    bool began, foreign;
    uint32_t moment, waits, choice, refused;
    roost_time cancelled_at; /* the first cancellation of ours; 0: none yet */
    uint64_t cancelled_task; /* of that task alone; 0: of all */
    uint64_t randoms;
    size_t guards, defers; /* that acted; that did not run */
    size_t outside; /* waits that were not taken back */
    struct roost__overflow overflow;
    bool reports_overflow;
} now;

/* ---- the verdict ---- */

ROOST_PRINTF(1, 2) static void fail_run(const char *format, ...)
{
    va_list args;

    if (now.v->failed)
        return;
    now.v->failed = true;
    va_start(args, format);
    vsnprintf(now.v->what, sizeof now.v->what, format, args);
    va_end(args);
}

bool roost__strike_broke(const char *site, const char *words)
{
    struct roost_rt *rt = roost__rt;

    if (!now.s)
        return false;
    fail_run("%s: %s", site, words);
    if (rt && rt->current)
        roost__sched_abandon(rt);
    return true;
}

/* ---- striking ---- */

static void note_where(const roost_task *t, const char *doing,
                       const char *what, const void *place)
{
    char path[96] = "no task";

    if (now.v->where[0])
        return;
    if (t)
        roost__task_path(t, path, sizeof path);
    now.v->place = place;
    snprintf(now.v->where, sizeof now.v->where, "%s %s, in task %s", doing, what,
             path);
}

/* What is printed makes no calls that count. */
static void show_tree(void)
{
    const struct roost_sys *sys = roost__sys;

    if (!now.rt)
        return;
    roost__sys = now.rt->sys = &roost__sys_default;
    fprintf(stderr, "torture: the tasks when it struck:\n");
    roost_tree_print(stderr);
    roost__sys = now.rt->sys = sys;
}

static void struck(const roost_task *t, const char *doing, const char *what,
                   const void *place)
{
    note_where(t, doing, what, place);
    if (now.s->aloud)
        show_tree();
}

static roost_scope *deadline_around(const roost_task *t)
{
    roost_scope *s;

    for (s = t->scope; s && s != now.whole; s = s->parent)
        if (s->deadline != ROOST_NEVER && !s->cause)
            return s;
    return NULL;
}

/* The shields around the task, up to the body. */
static bool is_shielded(const roost_task *t)
{
    const roost_scope *s;

    for (s = t->scope; s && s != now.whole; s = s->parent)
        if (s->kind == SCOPE_SHIELD && !s->used_up)
            return true;
    return false;
}

static void use_up_shields(const roost_task *t)
{
    roost_scope *s;

    for (s = t->scope; s && s != now.whole; s = s->parent)
        if (s->kind == SCOPE_SHIELD)
            s->budget = 0;
}

static void cancel(roost_task *t, bool alone)
{
    if (!now.cancelled_at) {
        now.cancelled_at = t->rt->now;
        now.cancelled_task = alone ? t->id : 0;
    }
    roost__scope_cancel(alone ? &t->base : now.whole, &(struct roost__cause){
        .kind = CAUSE_HAND, .site = "torture", .reason = alone
            ? "this child was chosen" : "the whole body was chosen" });
}

static bool can_inject(const roost_task *t, int what)
{
    switch (what) {
    case STRIKE_CANCEL:
        return true;
    case STRIKE_CHILD:
        return t->parent != NULL;
    case STRIKE_PIERCE:
        return is_shielded(t) && !now.whole->cause;
    case STRIKE_EARLY:
    case STRIKE_LATE:
        return deadline_around(t) != NULL;
    default:
        return false;
    }
}

static void inject(roost_task *t, int what)
{
    roost_time late = now.s->victim->o->real_clock ? ROOST_MS(100) : DAY;
    roost_scope *s;

    if (what == STRIKE_PIERCE)
        use_up_shields(t);
    if (what < STRIKE_EARLY) {
        cancel(t, what == STRIKE_CHILD);
        return;
    }
    s = deadline_around(t);
    roost_scope_set_deadline(s, what == STRIKE_EARLY
        ? t->rt->now : roost__time_add(s->deadline, late));
}

/* ---- the probe ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
    a ^= b + UINT64_C(0x9e3779b97f4a7c15) + (a << 6) + (a >> 2);
    return a * UINT64_C(0xff51afd7ed558ccd);
}

static void record_moment(roost_task *t, int moment, void *place)
{
    struct roost__record *r = now.s->record;

    struct roost__point p = { .number = now.moment, .moment = (uint8_t)moment,
        .main_task = !t->parent, .deadline = deadline_around(t) != NULL,
        .shield = is_shielded(t) };

    p.key = mix(mix((uintptr_t)place, (uintptr_t)t->fn),
                (uint64_t)(moment * 8 + p.main_task * 4 + p.deadline * 2 +
                           p.shield));
    roost__points_visit(&r->moment, &p);
}

/* Did the body take its cancellation? It may clean up, within limits. */
static void watch_cancelled(roost_task *t, int moment, const char *what,
                            void *place)
{
    roost_time longest = now.s->victim->o->swallow;
    uint32_t base = now.s->victim->moments;
    const char *wrong = NULL;

    if (moment == PROBE_ENTER && t->scope->effective)
        now.refused++;
    if (now.refused > 1000 + base * 10)
        wrong = "a cancellation was ignored in a loop: its waits were refused "
                "1000 times and more";
    else if (now.moment > (base ? 20000 + base * 50 : 10000000))
        wrong = "the body does not end: it waits and waits";
    else if (now.cancelled_at &&
             (!now.cancelled_task || now.cancelled_task == t->id) &&
             t->rt->now - now.cancelled_at > (longest ? longest : SWALLOW))
        wrong = "a cancellation was swallowed: the cancelled task went on for "
                "longer than options.swallow";
    if (!wrong || (now.s->victim->o->varies && !t->scope->effective))
        return;
    now.v->where[0] = '\0'; /* where it is, not where it began */
    note_where(t, "in", what, place);
    fail_run("%s", wrong);
    roost__sched_abandon(t->rt);
}

static void saw_wait(roost_task *t, int moment, const char *what, void *place)
{
    static const char *const doing[] = { "entering", "parked for",
                                         "woken, having waited for" };
    const struct roost__plan *p = now.s->plan;
    size_t i;

    now.moment++;
    now.waits += moment == PROBE_ENTER;
    if (now.s->record)
        record_moment(t, moment, place);
    for (i = 0; i < p->count; i++)
        if (p->in[i].at == now.moment && can_inject(t, p->in[i].what)) {
            now.v->struck++;
            struck(t, doing[moment], what, place); /* the tree before it */
            inject(t, p->in[i].what);
        }
    watch_cancelled(t, moment, what, place);
}

static size_t chosen(size_t n)
{
    const struct roost__plan *p = now.s->plan;
    struct roost__choices *c = now.s->choices;
    size_t i;

    now.choice++;
    if (p->seed)
        return (size_t)(roost__random_next(&now.randoms) % n);
    if (c && now.choice <= ROOST__CHOICES) {
        c->of[now.choice - 1] = (uint8_t)(n < 255 ? n : 255);
        c->count = (uint16_t)now.choice;
    }
    for (i = 0; i < p->pick_count; i++)
        if (p->picks[i].at == now.choice)
            return p->picks[i].index < n ? p->picks[i].index : n - 1;
    return 0;
}

/* ---- allocations and calls ---- */

static void record_fault(uint32_t number, int call, const void *from)
{
    struct roost__record *r = now.s->record;
    const roost_task *t = roost__self();

    roost__points_visit(call < 0 ? &r->allocation : &r->call,
                        &(struct roost__point){
        .key = mix(mix((uintptr_t)from, t ? (uintptr_t)t->fn : 0),
                   (uint64_t)(call + 1)),
        .number = number, .call = (int8_t)call });
}

static void saw_fault(uint32_t number, int call, const void *from)
{
    const struct roost__plan *p = now.s->plan;
    size_t i;

    if (now.s->record)
        record_fault(number, call, from);
    for (i = 0; i < p->count; i++)
        if (p->in[i].what >= STRIKE_ALLOC && p->in[i].at == number &&
            (p->in[i].what == STRIKE_ALLOC) == (call < 0))
            struck(roost__self(), p->in[i].what == STRIKE_SHORT
                   ? "cutting short" : "failing", call < 0
                   ? "an allocation" : roost__fault_name(call), from);
}

/* ---- what is left ---- */

static void judge_fds(const struct roost__fds *before)
{
    struct roost__fds after;

    roost__fds_look(&after, false);
    if (roost__fds_more(before, &after) >= 0)
        fail_run("a descriptor was left open: %s",
                 roost__fds_kind(roost__fds_more(before, &after)));
    if (roost__fds_more(&after, before) >= 0)
        fail_run("a descriptor that was open before the body is closed");
}

/* A child cancelled alone leaves who waits for it waiting. */
static bool forgives_stall(void)
{
    const struct roost__plan *p = now.s->plan;
    size_t i;

    for (i = 0; i < p->count && !now.s->victim->o->stalls; i++)
        if (p->in[i].what == STRIKE_CHILD)
            return true;
    return false;
}

/* The run returned r. Its siblings may wait in vain for a child that was cancelled
 * alone: then the deadlock's end is what is judged. */
static void judge_result(int r)
{
    const roost_torture_options *o = now.s->victim->o;
    struct roost__fault_counts c = roost__faults_counts();
    char at[200] = "";

    if (roost__unit_escaped(at, sizeof at))
        fail_run("an assert of the body failed%s", at);
    if (now.v->failed || !now.began)
        return;
    if (r == -EDEADLK && !forgives_stall())
        fail_run("deadlock: its tasks wait for what nobody will do");
    else if (r < 0 && r != -EDEADLK)
        fail_run("an error that nobody had seen was left: %s", strerror(-r));
    if (now.foreign && r != -EDEADLK)
        fail_run("the body returned -ECANCELED, but it was not cancelled: "
                 "somebody else's cancellation came home");
    if (now.guards != o->guards)
        fail_run("%zu guards had to act, %zu were expected: a nursery or scope "
                 "was left without its close", now.guards, o->guards);
    if (now.outside)
        fail_run("%zu waits for the outside are still counted though nobody waits: "
                 "a deadlock would not be seen", now.outside);
    if (now.defers)
        fail_run("%zu deferred functions have not run", now.defers);
    if (c.closed_twice) {
        roost__place_of(c.closed_from, at, sizeof at);
        fail_run("a descriptor was closed that was closed already, in %s", at);
    }
}

static void judge_heap(void)
{
    char words[256] = "";
    size_t left = roost__heap_left_since(words, sizeof words);

    if (left && !now.s->first)
        fail_run("%zu block%s of memory %s not freed: %s", left,
                 left == 1 ? "" : "s", left == 1 ? "was" : "were", words);
}

/* ---- the run ---- */

static void run_over(struct roost_rt *rt)
{
    if (rt->abandoned)
        rt->loop.fds.open = 0; /* by us, so nothing is to be said of them */
    now.guards = rt->guards_acted;
    now.defers = rt->defers_due;
    now.outside = rt->abandoned ? 0 : rt->outside;
    now.rt = NULL;
}

/* Aloud, an overflow is told. The run does not see to it itself: its calls would
 * be counted, and the plan would strike others than before. */
static void report_overflow(struct roost_rt *rt)
{
    roost__sys = &roost__sys_default;
    now.reports_overflow = now.s->aloud &&
        roost__overflow_install(&rt->stacks, roost__runtime_overflow, NULL,
                                &now.overflow) == 0;
    roost__sys = rt->sys;
}

static int main_task(void *arg)
{
    static struct roost__probe probe = { .wait = saw_wait, .choose = chosen,
                                         .over = run_over };
    const struct roost__victim *v = arg;
    struct roost_rt *rt = roost__rt;
    roost_scope whole;
    int r;

    probe.patience = v->o->varies ? 0 : forgives_stall() ? ROOST_MS(20)
                                                         : ROOST_MS(500);
    report_overflow(rt);
    now.rt = rt;
    now.began = true;
    now.randoms = now.s->plan->seed;
    rt->probe = &probe;
    rt->budget = rt->current->s.budget = 0;
    roost_scope_enter_at(&whole, ROOST_NEVER, v->site);
    now.whole = &whole;
    r = v->body(v->arg);
    r = roost_scope_leave_at(&whole, r, v->site);
    now.foreign = r == -ECANCELED;
    now.whole = &rt->roots->scope; /* deferred functions are still to come */
    return 0;
}

static void note_counts(uint64_t trace)
{
    struct roost__record *r = now.s->record;
    struct roost__fault_counts c = roost__faults_counts();

    if (!r)
        return;
    r->moments = now.moment;
    r->waits = now.waits;
    r->allocations = c.allocations;
    r->calls = c.calls;
    r->trace = trace;
    roost__points_end(&r->moment);
    roost__points_end(&r->allocation);
    roost__points_end(&r->call);
}

void roost__strike(const struct roost__attempt *s, struct roost__verdict *ret)
{
    const roost_torture_options *o = s->victim->o;
    static struct roost__fds before;
    uint64_t trace = 0;
    bool scripted = s->choices || s->plan->pick_count > 0;
    int r;

    memset(&now, 0, sizeof now);
    *ret = (struct roost__verdict){ .failed = false };
    now.s = s;
    now.v = ret;
    if (s->first)
        roost__heap_watch();
    roost__faults_arm(s->plan, saw_fault);
    r = roost_run_with_at(&(roost_options){
        .clock = o->real_clock ? ROOST_CLOCK_REAL : ROOST_CLOCK_VIRTUAL,
        .seed = s->plan->seed ? s->plan->seed : scripted,
        .stack_bytes = o->stack_bytes, .sys = &roost__faulty_sys,
        .no_overflow_report = true, .ret_trace = &trace },
        main_task, (void *)(uintptr_t)s->victim, s->victim->site);
    roost__faults_disarm();
    if (now.reports_overflow)
        roost__overflow_remove(&now.overflow);
    ret->struck += roost__faults_counts().struck;
    ret->moments = now.moment;
    note_counts(trace);
    if (!now.began && r < 0 && !ret->struck) {
        ret->error = r;
        ret->failed = true;
    }
    judge_result(r);
    if (s->first)
        roost__fds_look(&before, true);
    judge_fds(&before);
    judge_heap();
    now.s = NULL;
}
