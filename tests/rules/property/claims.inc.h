/* claims.inc.h - what a run of the library writes down, and plain claims on it.
 *
 * The claims are checked on each run, whatever the model says: library and
 * model may share a mistake.
 */
#ifndef ROOST_TESTS_CLAIMS_INC_H
#define ROOST_TESTS_CLAIMS_INC_H

#include "rules/property/program.inc.h"

enum life { UNBORN, ALIVE, OVER };

static struct {
    const struct program *p;
    struct trace *out;
    roost_time began;
    roost_event event[EVENTS];
    roost_chan *chan;
    bool open[STEPS_MAX], closing[STEPS_MAX], services_over[STEPS_MAX];
    int entered_ms[STEPS_MAX];
    roost_scope *scope[STEPS_MAX];     /* those that may be touched */
    roost_nursery *nursery[STEPS_MAX]; /* those that are open */
    roost_scope scope_memory[STEPS_MAX];
    roost_nursery nursery_memory[STEPS_MAX];
    roost_child child[STEPS_MAX];
    enum life life[TASKS_MAX];
    int result[TASKS_MAX];
    int last_ended, last_ms;
    char broken[256]; /* the first claim that does not hold */
} run;

static int number_of(const struct step *x)
{
    return (int)(x - run.p->step);
}

static int ms_of(roost_time instant)
{
    return instant == ROOST_NEVER ? NEVER_MS
                                  : (int)((instant - run.began) / ROOST_MS(1));
}

static roost_time span_of(int ms)
{
    return ms == NEVER_MS ? ROOST_NEVER : ROOST_MS(ms);
}

static void claim(bool holds, const struct step *x, const char *what)
{
    if (!holds && !run.broken[0])
        snprintf(run.broken, sizeof run.broken, "step %d, task %d, %d ms: %s",
                 number_of(x), x->task, ms_of(roost_now()), what);
}

/* Are only services left of its children, and not pending starts? */
static bool services_alone(int nursery)
{
    bool services = false;

    for (int t = 1; t < run.p->tasks; t++) {
        const struct step *y = &run.p->step[run.p->task_step[t]];

        if (y->target != nursery || run.life[t] != ALIVE)
            continue;
        if (y->op == OP_START || !y->service)
            return false;
        services = true;
    }
    return services;
}

/* Time has passed: no close waited for services that nobody had told to go. */
static void claim_services_end(void)
{
    for (int i = 0; i < run.p->steps; i++)
        if (run.closing[i] && run.nursery[i] && services_alone(i))
            claim(roost_scope_cancelled(&run.nursery[i]->services),
                  &run.p->step[i], "only services are waited for (N15)");
}

/* Were services of a nursery cancelled since the last entry? Its closer does
 * that in a turn that leaves no other trace; so a private field is read. */
static void record_services(void)
{
    struct trace *out = run.out;

    for (int i = 0; i < run.p->steps; i++) {
        roost_nursery *n = run.nursery[i];

        if (n && n->s.has_services && roost_scope_cancelled(&n->services) &&
            !run.services_over[i]) {
            run.services_over[i] = true;
            out->entry[out->count++] = (struct entry){
                SERVICES_END, run.p->step[i].task, i, 0, 0, 0
            };
        }
    }
}

static void record(int what, int t, int step, int result, int flags)
{
    struct trace *out = run.out;
    int ms = ms_of(roost_now());

    if (ms != run.last_ms)
        claim_services_end();
    run.last_ms = ms;
    record_services();
    if (out->count < TRACE_MAX - STEPS_MAX)
        out->entry[out->count++] = (struct entry){
            what, t, step, ms, result, flags
        };
}

/* ---- claims, checked without the model ---- */

/* A nursery judges when a child is cut, which may be before what is around it
 * is cancelled, N2; a shield absorbs what it keeps out. */
static void claim_caught(const struct step *x, const roost_scope *s,
                         bool caught)
{
    if (caught) {
        claim(x->op != OP_SCOPE || roost_cancelled() == 0, x,
              "caught, but what is around is cancelled (S4)");
        claim(!s || roost_scope_cancelled(s), x,
              "caught, but was not cancelled (S4)");
    }
}

static void claim_shield_held(const struct step *x, int r)
{
    int i = x->parent;
    const struct step *shield = &run.p->step[i];

    if (r == -ECANCELED && shield->op == OP_SHIELD && is_wait(x->op) &&
        !(run.scope[i] && roost_scope_cancelled(run.scope[i])))
        claim(shield->ms != NEVER_MS &&
                  ms_of(roost_now()) >= run.entered_ms[i] + shield->ms,
              x, "a shield did not hold for its budget (S12)");
}

static bool is_real(int r)
{
    return r < 0 && r != -ECANCELED;
}

/* Children made by spawn; what a start makes of a child is not simple. */
static void claim_verdict(const struct step *x, int r, int v, bool caught)
{
    int n = number_of(x);
    bool failed = is_real(r);
    bool among = v == r || v == -EPROTO || v == -EAGAIN || caught;
    bool guards = false;

    for (int t = 2; t < run.p->tasks; t++) {
        const struct step *y = &run.p->step[run.p->task_step[t]];

        if (y->target != n || run.life[t] == UNBORN)
            continue;
        claim(run.life[t] == OVER, x, "a child outlives its nursery (N1)");
        failed |= y->op == OP_SPAWN && !x->isolate && is_real(run.result[t]);
        among |= v == run.result[t];
    }
    for (int i = 0; i < run.p->steps; i++)
        guards |= run.p->step[i].op == OP_NURSERY &&
                  run.p->step[i].form == BY_GUARD;
    claim(!failed || is_real(v), x, "an error was lost (N2)");
    claim(!is_real(v) || among || guards, x, "the verdict is nobody's (N2)");
    claim(v != -ECANCELED || r == v || roost_cancelled() < 0, x,
          "cancelled by nothing (N2)");
    claim(v < 0 || v == r || (v == 0 && r == -ECANCELED), x,
          "the verdict is not the body's (N2)");
}

#endif
