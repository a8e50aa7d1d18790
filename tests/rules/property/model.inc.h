/* model.inc.h - the rules C, S and N as a machine of their own.
 *
 * Written from the numbered rules alone. It runs a program of program.inc.h by
 * its own scheduler and writes the trace that the rules demand: what each step
 * came to, when, and in which order.
 *
 * With seed 0 the model chooses the next task itself: first in, first out. With
 * another seed the library draws; the model follows the trace of that run as to
 * who goes next, and refuses one whom the rules do not let go.
 *
 * Where the rules leave an order open it is the library's: a room is passed on
 * before its holder waits; the closer ends the services in a turn of its own,
 * and not while a room is promised.
 */
#ifndef ROOST_TESTS_MODEL_INC_H
#define ROOST_TESTS_MODEL_INC_H

#include "rules/property/model_nurseries.inc.h"

/* ---- channel ---- */

static int put_item(struct model *m, int t, int item)
{
    int to = first_waiting(m, W_RECV, 0);

    if (m->shut)
        return -EPIPE;
    if (to != NOBODY) {
        m->task[to].item = item;
        wake(m, to, 1);
    } else if (m->items < m->p->capacity) {
        m->item[m->items++] = item;
    } else {
        m->task[t].item = item;
        park(m, t, W_SEND, 0);
    }
    return 0;
}

static int take_item(struct model *m, int t)
{
    int from = first_waiting(m, W_SEND, 0);

    if (m->items == 0 && from == NOBODY) {
        if (!m->shut)
            park(m, t, W_RECV, 0);
        return 0;
    }
    if (from != NOBODY) {
        m->item[m->items++] = m->task[from].item;
        wake(m, from, 0);
    }
    m->task[t].item = m->item[0];
    memmove(m->item, m->item + 1, sizeof m->item - sizeof m->item[0]);
    m->items--;
    return 1;
}

static void shut(struct model *m)
{
    int t;

    m->shut = true;
    while ((t = first_waiting(m, W_RECV, 0)) != NOBODY)
        wake(m, t, 0);
    while ((t = first_waiting(m, W_SEND, 0)) != NOBODY)
        wake(m, t, -EPIPE);
}

static void set_event(struct model *m, int e)
{
    int a, b;

    m->set[e] = true;
    for (;;) {
        a = first_waiting(m, W_EVENT, e);
        b = first_waiting(m, W_JOIN, e);
        if (a == NOBODY && b == NOBODY)
            return;
        if (a == NOBODY || (b != NOBODY && m->task[b].seq < m->task[a].seq))
            a = b;
        wake(m, a, 0);
    }
}

/* ---- steps ---- */

/* May other steps touch it: was it entered, and is its memory still there? */
static bool m_reachable(const struct model *m, int s)
{
    const struct step *x = &m->p->step[s];

    if (m->scope[s].open)
        return x->op == OP_NURSERY || x->form != BY_FORM;
    return x->form == BY_CALL && m->scope[s].entered;
}

static int look(const struct model *m, int t, int s)
{
    int r = cancelled(m, t);

    if (!m_reachable(m, s))
        return r;
    r |= m->scope[s].cause ? 2 : 0;
    if (m->p->step[s].op == OP_NURSERY)
        r |= m->nursery[s].count << 4;
    return r;
}

static int m_child_end(struct model *m, int t, int step)
{
    int child = m->p->step[step].child;
    struct m_task *x = &m->task[child];

    if (!x->spawned)
        return 0;
    if (x->ended)
        return x->result == -ECANCELED ? 0 : x->result;
    park(m, t, W_END, child);
    cancel(m, step, BY_HAND);
    return 0;
}

static int m_start(struct model *m, int t, int i)
{
    bool start = m->p->step[i].op == OP_START;
    int to = m->p->step[i].target;

    if (!m->nursery[to].entered || m->nursery[to].over)
        return 0;
    if (start && cancelled(m, t))
        return -ECANCELED;
    if (!take_room(m, t, to)) {
        if (!m->p->step[to].shed)
            fail_nursery(m, to, -EAGAIN);
        return -EAGAIN;
    }
    if (start)
        park(m, t, W_START, i);
    make_task(m, t, i);
    return 0;
}

static int m_sleep(struct model *m, int t, int ms)
{
    if (ms <= 0)
        return 0;
    m->task[t].until = m->now + ms;
    park(m, t, W_SLEEP, 0);
    return 0;
}

/* Those that leave others in peace, or are cancellation points (C1). */
static int do_wait(struct model *m, int t, const struct step *x)
{
    if (is_wait(x->op) && cancelled(m, t))
        return -ECANCELED;
    switch (x->op) {
    case OP_SLEEP:
        return m_sleep(m, t, x->ms);
    case OP_CHECKPOINT:
        pass_room(m, t);
        park(m, t, W_YIELD, 0);
        wake(m, t, 0);
        return 0;
    case OP_WAIT:
    case OP_JOIN:
        if (!m->set[x->target])
            park(m, t, x->op == OP_WAIT ? W_EVENT : W_JOIN, x->target);
        return 0;
    case OP_SEND:
        return put_item(m, t, (int)(x - m->p->step));
    case OP_RECV:
        return take_item(m, t);
    case OP_ROOM:
        return wait_room(m, t, x->target);
    default:
        return 0;
    }
}

static int time_left(const struct model *m, int t)
{
    int at = deadline_of(m, m->task[t].inner);

    return cancelled(m, t) ? 0 : at == NEVER_MS ? NEVER_MS : at - m->now;
}

static int do_step(struct model *m, int t, int i)
{
    const struct step *x = &m->p->step[i];

    switch (x->op) {
    case OP_SET: set_event(m, x->target); return 0;
    case OP_SHUT: shut(m); return 0;
    case OP_STARTED: started(m, t, x->value); return 0;
    case OP_CHILD_END: return m_child_end(m, t, x->target);
    case OP_CANCEL:
        if (m_reachable(m, x->target))
            cancel(m, x->target, BY_HAND);
        return 0;
    case OP_MOVE:
        if (m->scope[x->target].open && m_reachable(m, x->target))
            set_deadline(m, x->target, instant(m, x->ms));
        return 0;
    case OP_LOOK: return look(m, t, x->target);
    case OP_DEADLINE: return deadline_of(m, m->task[t].inner);
    case OP_TIME_LEFT: return time_left(m, t);
    case OP_RETURN: return x->value;
    case OP_SPAWN:
    case OP_START: return m_start(m, t, i);
    default: return do_wait(m, t, x);
    }
}

/* The step is done: what is next? */
static void go_on(struct model *m, int t, int i, int r, int flags)
{
    const struct step *x = &m->p->step[i];
    struct m_task *k = &m->task[t];

    m_log(m, STEP, t, i, x->op == OP_RECV && r == 1 ? 1000 + k->item : r,
          flags);
    k->left_with = x->on_error == TURN ? x->value : r;
    k->at = x->parent;
    k->leaving = true;
    if (x->op == OP_RETURN || (r < 0 && x->on_error != IGNORE))
        return;
    k->left_with = end_value(&m->p->step[x->parent]);
    i = alive_from(m->p, x->next);
    k->leaving = i == NOBODY;
    k->at = k->leaving ? x->parent : i;
}

static void go_in(struct model *m, int t, int i)
{
    struct m_task *k = &m->task[t];
    int first = alive_from(m->p, m->p->step[i].first);

    k->leaving = first == NOBODY;
    k->at = k->leaving ? i : first;
    k->left_with = end_value(&m->p->step[i]);
}

static void leave_body(struct model *m, int t, int i)
{
    const struct step *x = &m->p->step[i];
    int r = m->task[t].left_with, flags = 0;

    if (x->op == OP_NURSERY && x->form == BY_GUARD) {
        begin_guard(m, t, i, r);
    } else if (x->op == OP_NURSERY) {
        begin_close(m, t, i, r);
    } else if (!is_scope(x->op)) {
        end_task(m, t, r);
    } else {
        if (x->form == BY_GUARD)
            exit_scope(m, t, i);
        else
            r = leave(m, t, i, r, &flags);
        if (m->scope[i].cause && x->form != BY_FORM)
            flags |= CANCELLED;
        go_on(m, t, i, r, flags);
    }
}

static void do_next(struct model *m, int t)
{
    struct m_task *k = &m->task[t];
    int i = k->at, r;

    if (k->leaving) {
        leave_body(m, t, i);
    } else if (m->p->step[i].op == OP_NURSERY) {
        open_nursery(m, t, i);
        go_in(m, t, i);
    } else if (is_scope(m->p->step[i].op)) {
        enter_step(m, t, i);
        go_in(m, t, i);
    } else {
        k->wait = W_NEW;
        r = do_step(m, t, i);
        if (k->wait == W_NEW)
            go_on(m, t, i, r, 0);
    }
}

/* A task runs again: first the end of its wait, if it was one. */
static void finish_wait(struct model *m, int t)
{
    struct m_task *k = &m->task[t];
    int i = k->at, r = k->result, flags = 0;

    if (k->wait == W_NEW) {
        m_log(m, BEGIN, t, i, 0, 0);
        go_in(m, t, i);
        return;
    }
    if (k->wait == W_CLOSE) {
        r = end_close(m, t, i, &flags);
        if (m->scope[i].cause && m->p->step[i].form == BY_CALL)
            flags |= CANCELLED;
    } else if (k->wait == W_YIELD) {
        r = cancelled(m, t) ? -ECANCELED : 0;
    }
    k->wait = W_NEW;
    go_on(m, t, i, r, flags);
}

static void run_task(struct model *m, int t)
{
    struct m_task *k = &m->task[t];

    if (k->wait == W_CLOSE && !is_empty(&m->nursery[k->object])) {
        close_on(m, t, k->object);
        return;
    }
    finish_wait(m, t);
    do {
        do_next(m, t);
    } while (k->wait == W_NEW);
    pass_room(m, t);
}

/* ---- the order of tasks ---- */

/* A closer that is awake and has nothing to do just waits again. */
static bool may_run(const struct model *m, int t)
{
    const struct m_task *k = &m->task[t];

    return k->wait != W_CLOSE || wants_closer(m, k->object);
}

static unsigned all_ready(const struct model *m)
{
    unsigned mask = 0;

    for (int i = 0; i < m->queued; i++)
        if (may_run(m, m->queue[i]))
            mask |= 1u << m->queue[i];
    return mask;
}

/* Who runs next in the trace that is followed. */
static int followed(const struct model *m)
{
    int at = m->out->count;

    while (at < m->follow->count &&
           m->follow->entry[at].what == SERVICES_END &&
           m->nursery[m->follow->entry[at].step].unseen)
        at++;
    return at < m->follow->count ? m->follow->entry[at].task : NOBODY;
}

/* Who goes next: an index of the queue, or NOBODY. */
static int choose(struct model *m)
{
    unsigned mask = all_ready(m);
    int t;

    if (!m->follow)
        return m->queued ? 0 : NOBODY;
    if (mask == 0)
        return NOBODY;
    t = followed(m);
    if (t == NOBODY || !(mask & 1u << t))
        m->stuck = "a task runs that is not ready";
    else if (m->task[t].behind & mask)
        m->stuck = "a task that yielded runs before those that were ready (C7)";
    for (int i = 0; i < m->queued; i++)
        if (m->queue[i] == t && !m->stuck)
            return i;
    return NOBODY;
}

static void run_next(struct model *m, int i)
{
    int t = m->queue[i];
    bool yields;

    memmove(&m->queue[i], &m->queue[i + 1],
            (size_t)(--m->queued - i) * sizeof m->queue[0]);
    for (int k = 0; k < m->p->tasks; k++)
        m->task[k].behind &= ~(1u << t);
    m->task[t].behind = 0;
    run_task(m, t);
    yields = m->queued && m->queue[m->queued - 1] == t;
    if (yields)
        m->task[t].behind = all_ready(m) & ~(1u << t);
}

/* Runs the program; the trace is in *out. NULL, or what stopped it. */
static const char *run_model(struct model *m, const struct program *p,
                             struct trace *out, const struct trace *follow)
{
    int wrong = m->wrong, i;

    memset(m, 0, sizeof *m);
    m->p = p;
    m->out = out;
    m->follow = follow;
    m->wrong = wrong;
    out->count = 0;
    enter(m, 0, NOBODY, 0);
    m->task[0] = (struct m_task){ .spawned = true, .starter = NOBODY,
                                    .promise = NOBODY };
    ready(m, 0);
    while (!m->task[0].ended) {
        i = choose(m);
        if (i != NOBODY)
            run_next(m, i);
        else if (!m->stuck && !advance_time(m))
            m->stuck = "no task can go on";
        if (m->stuck)
            return m->stuck;
    }
    return NULL;
}

#endif
