/* library.inc.h - the library runs a program, and writes the same trace.
 *
 * Each step is the real call, each body a real block: left by leave or close,
 * by a guard, or in the form that is one call.
 */
#ifndef ROOST_TESTS_LIBRARY_INC_H
#define ROOST_TESTS_LIBRARY_INC_H

#include "rules/property/claims.inc.h"

/* ---- bodies ---- */

static int run_task_body(void *arg);
static int run_body(const struct step *x);

static void open_handle(const struct step *x, roost_scope *s, roost_nursery *n)
{
    int i = number_of(x);

    run.open[i] = true;
    run.entered_ms[i] = ms_of(roost_now());
    run.scope[i] = s;
    run.nursery[i] = n;
}

/* The memory of a scope that was left by a call is still there. */
static void close_handle(const struct step *x)
{
    int i = number_of(x);

    run.open[i] = false;
    run.nursery[i] = NULL;
    if (x->form != BY_CALL)
        run.scope[i] = NULL;
}

static int scope_by_call(const struct step *x, int *ret_flags)
{
    roost_scope *s = &run.scope_memory[number_of(x)];
    int r;

    if (x->op == OP_SHIELD)
        roost_shield_enter(s, span_of(x->ms));
    else
        roost_scope_enter(s, roost_after(span_of(x->ms)));
    open_handle(x, s, NULL);
    r = roost_scope_leave(s, run_body(x));
    close_handle(x);
    *ret_flags = (roost_scope_caught(s) ? CAUGHT : 0) |
                 (roost_scope_cancelled(s) ? CANCELLED : 0);
    claim_caught(x, s, roost_scope_caught(s));
    return r;
}

static int guarded_shield(const struct step *x, int *ret_flags)
{
    int r;

    ROOST_SHIELD(s, span_of(x->ms));
    open_handle(x, s, NULL);
    r = run_body(x);
    *ret_flags = roost_scope_cancelled(s) ? CANCELLED : 0;
    return r;
}

static int guarded_scope(const struct step *x, int *ret_flags)
{
    int r;

    ROOST_DEADLINE(s, roost_after(span_of(x->ms)));
    open_handle(x, s, NULL);
    r = run_body(x);
    *ret_flags = roost_scope_cancelled(s) ? CANCELLED : 0;
    return r;
}

static int scope_by_form(const struct step *x, int *ret_flags)
{
    int r;

    run.entered_ms[number_of(x)] = ms_of(roost_now());
    if (x->op == OP_SHIELD)
        r = ROOST_SHIELDED(span_of(x->ms), run_body(x));
    else
        r = ROOST_WITHIN(span_of(x->ms), run_body(x));
    *ret_flags = roost_scope_caught(NULL) ? CAUGHT : 0;
    claim_caught(x, NULL, roost_scope_caught(NULL));
    return r;
}

static int run_scope(const struct step *x, int *ret_flags)
{
    int r;

    if (x->form == BY_CALL)
        return scope_by_call(x, ret_flags);
    if (x->form == BY_FORM)
        return scope_by_form(x, ret_flags);
    r = x->op == OP_SHIELD ? guarded_shield(x, ret_flags)
                           : guarded_scope(x, ret_flags);
    close_handle(x);
    if (roost_scope_caught(NULL))
        *ret_flags |= CAUGHT;
    return r;
}

static void note_error(int code, const roost_error *e, void *arg)
{
    (void)e;
    record(ON_ERROR, run.last_ended, (int)(uintptr_t)arg, code, 0);
}

static int nursery_steps(const struct step *x)
{
    int r = run_body(x);

    run.closing[number_of(x)] = true;
    return r;
}

#define NURSERY_OPTIONS(x)                                             \
    .deadline = roost_after(span_of((x)->ms)),                         \
    .policy = (x)->isolate ? ROOST_ISOLATE : ROOST_FAIL_FAST,          \
    .children_max = (size_t)(x)->room, .shed = (x)->shed,              \
    .on_error = note_error, .on_error_arg = (void *)(uintptr_t)number_of(x)

static int nursery_by_call(const struct step *x, int *ret_flags)
{
    roost_nursery *n = &run.nursery_memory[number_of(x)];
    const roost_scope *s = roost_nursery_scope(n);
    bool caught;
    int r, v;

    if (x->ms == NEVER_MS && !x->isolate && !x->room)
        roost_nursery_open(n);
    else
        roost_nursery_open_with(
            n, &(roost_nursery_options){ NURSERY_OPTIONS(x) });
    open_handle(x, roost_nursery_scope(n), n);
    r = nursery_steps(x);
    v = roost_nursery_close(n, r);
    close_handle(x);
    caught = roost_scope_caught(s);
    *ret_flags = (caught ? CAUGHT : 0) |
                 (roost_scope_cancelled(s) ? CANCELLED : 0);
    claim_caught(x, s, caught);
    claim_verdict(x, r, v, caught);
    return v;
}

static int guarded_nursery(const struct step *x)
{
    ROOST_NURSERY_WITH(n, NURSERY_OPTIONS(x));
    open_handle(x, roost_nursery_scope(n), n);
    return nursery_steps(x);
}

static int nursery_body(roost_nursery *n, void *arg)
{
    const struct step *x = arg;

    open_handle(x, roost_nursery_scope(n), n);
    return nursery_steps(x);
}

static int run_nursery(const struct step *x, int *ret_flags)
{
    int r;

    *ret_flags = 0;
    if (x->form == BY_CALL)
        return nursery_by_call(x, ret_flags);
    r = x->form == BY_FORM ? roost_nursery_run(nursery_body, (void *)x)
                           : guarded_nursery(x);
    close_handle(x);
    if (roost_scope_caught(NULL) && x->form == BY_FORM)
        *ret_flags |= CAUGHT;
    return r;
}

/* ---- steps ---- */

static int make_child(const struct step *x)
{
    roost_nursery *n = run.nursery[x->target];
    int i = number_of(x);
    void *arg = (void *)(uintptr_t)i;
    roost_spawn_options o = { .service = x->service };
    int r;

    if (!n)
        return 0;
    if (x->handle)
        o.child = &run.child[i];
    if (x->op == OP_START)
        return x->service || x->handle
                   ? roost_start_with(n, run_task_body, arg, &o)
                   : roost_start(n, run_task_body, arg);
    r = x->service || x->handle ? roost_spawn_with(n, run_task_body, arg, &o)
                                : roost_spawn(n, run_task_body, arg);
    if (r == 0)
        run.life[x->child] = ALIVE;
    return r;
}

static int look_at(int target)
{
    int r = roost_cancelled() ? 1 : 0;

    if (run.scope[target] && roost_scope_cancelled(run.scope[target]))
        r |= 2;
    if (run.nursery[target])
        r |= (int)roost_nursery_count(run.nursery[target]) << 4;
    return r;
}

static void cancel_target(int target)
{
    if (run.nursery[target])
        roost_nursery_cancel(run.nursery[target], "a step");
    else if (run.scope[target])
        roost_scope_cancel(run.scope[target], "a step");
}

static int receive(void)
{
    int item = 0, r = roost_chan_recv(run.chan, &item);

    return r == 1 ? 1000 + item : r;
}

static int time_left_ms(void)
{
    roost_time left = roost_time_left();

    return left == ROOST_NEVER ? NEVER_MS : (int)(left / ROOST_MS(1));
}

static int act(const struct step *x)
{
    int i = number_of(x);

    switch (x->op) {
    case OP_SLEEP:
        return run.p->probe ? roost_sleep_until(roost_after(ROOST_MS(x->ms)))
                            : roost_sleep(ROOST_MS(x->ms));
    case OP_CHECKPOINT: return roost_checkpoint();
    case OP_WAIT: return roost_event_wait(&run.event[x->target]);
    case OP_JOIN: return roost_event_join(&run.event[x->target]);
    case OP_SET: roost_event_set(&run.event[x->target]); return 0;
    case OP_SEND: return roost_chan_send(run.chan, &i);
    case OP_RECV: return receive();
    case OP_ROOM:
        return run.nursery[x->target]
                   ? roost_nursery_wait_room(run.nursery[x->target])
               : roost_cancelled();
    case OP_SHUT: roost_chan_close(run.chan); return 0;
    case OP_STARTED: roost_started(x->value); return 0;
    case OP_CHILD_END:
        return roost_child_end(&run.child[x->target], "a step");
    case OP_CANCEL: cancel_target(x->target); return 0;
    case OP_MOVE:
        if (run.open[x->target] && run.scope[x->target])
            roost_scope_set_deadline(run.scope[x->target],
                                     roost_after(span_of(x->ms)));
        return 0;
    case OP_LOOK: return look_at(x->target);
    case OP_DEADLINE: return ms_of(roost_deadline());
    case OP_TIME_LEFT: return time_left_ms();
    case OP_RETURN: return x->value;
    default: return make_child(x);
    }
}

/* A wait in a cancelled task fails at once, and nobody runs meanwhile. C1 */
static int act_probed(const struct step *x)
{
    bool probe = run.p->probe && is_wait(x->op) &&
                 (x->op != OP_START || run.nursery[x->target]);
    bool was_cancelled = probe && roost_cancelled() < 0;
    int before = run.out->count, r;

    r = act(x);
    if (was_cancelled)
        claim(r == -ECANCELED && run.out->count == before, x,
              "a wait in a cancelled scope went on (C1, C3)");
    claim_shield_held(x, r);
    return r;
}

static int run_step(const struct step *x)
{
    int flags = 0, r;

    if (x->op == OP_NURSERY)
        r = run_nursery(x, &flags);
    else if (is_scope(x->op))
        r = run_scope(x, &flags);
    else
        r = act_probed(x);
    record(STEP, x->task, number_of(x), r, flags);
    return r;
}

static int run_body(const struct step *x)
{
    const struct step *y;
    int i = alive_from(run.p, x->first), r;

    for (; i != NOBODY; i = alive_from(run.p, y->next)) {
        y = &run.p->step[i];
        r = run_step(y);
        if (y->op == OP_RETURN || (r < 0 && y->on_error != IGNORE))
            return y->on_error == TURN ? y->value : r;
    }
    return end_value(x);
}

static int run_task_body(void *arg)
{
    int i = (int)(uintptr_t)arg, r;
    const struct step *x = &run.p->step[i];
    int t = x->op == OP_MAIN ? 0 : x->child;

    record(BEGIN, t, i, 0, 0);
    run.life[t] = ALIVE;
    r = run_body(x);
    record(END, t, i, r, 0);
    run.life[t] = OVER;
    run.result[t] = r;
    run.last_ended = t;
    return r;
}

static int main_task(void *arg)
{
    run.began = roost_now();
    return run_task_body(arg);
}

static int lowest_free_descriptor(void)
{
    int fd = dup(STDIN_FILENO);

    close(fd);
    return fd;
}

static int run_library(const struct program *p, struct trace *out,
                       uint64_t order)
{
    int fd = lowest_free_descriptor(), r;

    memset(&run, 0, sizeof run);
    run.p = p;
    run.out = out;
    out->count = 0;
    run.chan = roost_chan_new(sizeof(int), (size_t)p->capacity);
    r = roost_run_with(&(roost_options){ .clock = ROOST_CLOCK_VIRTUAL,
                                         .seed = order,
                                         .stack_bytes = ROOST_STACK_SMALL },
                       main_task, NULL);
    roost_chan_free(run.chan);
    if (lowest_free_descriptor() != fd && !run.broken[0])
        snprintf(run.broken, sizeof run.broken, "a descriptor is left (T7)");
    return r;
}

#endif
