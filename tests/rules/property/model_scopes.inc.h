/* model_scopes.inc.h - the model's state, ready tasks, scopes and time.
 *
 * There are no marks to keep right: whether a scope is cancelled is worked out
 * from the definition each time it is asked, waiting tasks are found by looking
 * at all of them, and the next timer by looking at all timers.
 */
#ifndef ROOST_TESTS_MODEL_SCOPES_INC_H
#define ROOST_TESTS_MODEL_SCOPES_INC_H

#include "rules/property/program.inc.h"

enum cause { NO_CAUSE, BY_HAND, BY_DEADLINE, BY_FAILURE, BY_LEAVING };

struct m_scope {
    int parent, next, first, last; /* inner ones in order of entering */
    int task;                      /* who entered it */
    bool entered, open;
    int seq;          /* order of entering */
    int cause, since; /* since when it is effective, or -1 */
    int deadline, deadline_seq;
    bool shield, used_up;
    int budget, pierce_at, pierce_seq;
};

struct m_nursery {
    bool entered, over, guard;
    bool unseen; /* its services were cancelled since the last entry */
    int count, ordinary, promised, result, verdict, kept;
    bool foreign, cut_outside, cut_deadline, cut_by_hand;
};

/* Why a task does not run; kept until it has run again. */
enum wait {
    W_NEW, W_YIELD, W_SLEEP, W_EVENT, W_JOIN, W_SEND, W_RECV, W_ROOM, W_START,
    W_END, W_CLOSE, W_OVER
};

struct m_task {
    bool spawned, parked, ended, service;
    enum wait wait;
    int object, until, seq; /* what for; until when; in which order it parked */
    int result;             /* of the wait; of the task, when it has ended */
    int item;
    int inner;              /* its innermost scope */
    int at, left_with;      /* the step to do; or the body to leave, and how */
    bool leaving;
    int starter, value;     /* of a start that is pending */
    int kept;
    int promise;            /* the nursery that has room for it, N11 */
    unsigned behind;        /* who must run before it, C7 */
};

struct model {
    const struct program *p;
    const struct trace *follow; /* NULL: first in, first out */
    struct trace *out;
    int wrong; /* a rule to get wrong, to see that it is noticed */
    int now, seq;
    struct m_scope scope[2 * STEPS_MAX]; /* second half: of services */
    struct m_nursery nursery[STEPS_MAX];
    struct m_task task[TASKS_MAX];
    int queue[TASKS_MAX], queued;
    int unseen;
    bool set[EVENTS], shut;
    int item[4], items;
    const char *stuck;
};

static void m_log(struct model *m, int what, int t, int step, int result,
                  int flags)
{
    struct trace *out = m->out;

    for (int n = 0; m->unseen && n < m->p->steps; n++)
        if (m->nursery[n].unseen) {
            m->nursery[n].unseen = false;
            m->unseen--;
            out->entry[out->count++] = (struct entry){
                SERVICES_END, m->p->step[n].task, n, 0, 0, 0
            };
        }
    if (out->count < TRACE_MAX - STEPS_MAX)
        out->entry[out->count++] =
            (struct entry){ what, t, step, m->now, result, flags };
}

/* ---- tasks that are ready ---- */

static void ready(struct model *m, int t)
{
    m->queue[m->queued++] = t;
}

static void wake(struct model *m, int t, int result)
{
    m->task[t].parked = false;
    m->task[t].result = result;
    ready(m, t);
}

static void park(struct model *m, int t, enum wait wait, int object)
{
    struct m_task *x = &m->task[t];

    x->wait = wait;
    x->object = object;
    x->parked = true;
    x->seq = m->seq++;
}

/* Whoever waits longest for this, or NOBODY. */
static int first_waiting(const struct model *m, enum wait wait, int object)
{
    int best = NOBODY;

    for (int t = 0; t < m->p->tasks; t++) {
        const struct m_task *x = &m->task[t];

        if (x->parked && x->wait == wait && x->object == object &&
            (best == NOBODY || x->seq < m->task[best].seq))
            best = t;
    }
    return best;
}

/* ---- scopes ---- */

/* By definition: cancelled itself, or not shielded and what is around it is. */
static bool effective(const struct model *m, int s)
{
    for (; s != NOBODY; s = m->scope[s].parent) {
        if (m->scope[s].cause)
            return true;
        if (m->scope[s].shield && !m->scope[s].used_up)
            return false;
    }
    return false;
}

static bool around_effective(const struct model *m, int s)
{
    return effective(m, m->scope[s].parent);
}

static bool cancelled(const struct model *m, int t)
{
    return effective(m, m->task[t].inner);
}

/* A shield that a cancellation has arrived at is used up `budget` later. S12 */
static void arrive(struct model *m, struct m_scope *x)
{
    if (!x->shield || x->used_up || x->pierce_at != NEVER_MS ||
        x->budget == NEVER_MS || !effective(m, x->parent))
        return;
    x->pierce_at = m->now + x->budget;
    x->pierce_seq = m->seq++;
    x->used_up = x->budget == 0;
}

static bool can_be_cancelled(const struct m_task *x)
{
    return x->wait == W_SLEEP || x->wait == W_EVENT || x->wait == W_SEND ||
           x->wait == W_RECV || x->wait == W_ROOM;
}

/* Is it a task's own, around its body? What lies in it lies in its parent: D5
 * knows tasks and the scopes that they enter. */
static bool is_base(const struct model *m, int s)
{
    return s < STEPS_MAX && makes_task(m->p->step[s].op);
}

/* The cancellation has come to s, if nothing keeps it out. */
static bool comes_to(struct model *m, int s)
{
    struct m_scope *x = &m->scope[s];

    arrive(m, x);
    if (!effective(m, s))
        return false;
    if (x->since < 0)
        x->since = x->cause || x->shield ? m->now : m->scope[x->parent].since;
    return true;
}

/* Who waits in s, in order of parking. */
static void wake_parked_in(struct model *m, int s)
{
    int best;

    do {
        best = NOBODY;
        for (int t = 0; t < m->p->tasks; t++) {
            const struct m_task *x = &m->task[t];
            int in = x->inner;

            while (in != s && is_base(m, in) && m->scope[in].open)
                in = m->scope[in].parent;
            if (in == s && x->parked && can_be_cancelled(x) &&
                effective(m, x->inner) &&
                (best == NOBODY || x->seq < m->task[best].seq))
                best = t;
        }
        if (best != NOBODY)
            wake(m, best, -ECANCELED);
    } while (best != NOBODY);
}

static void inner_of(struct model *m, int s, int *list, int *count)
{
    for (int i = m->scope[s].first; i != NOBODY; i = m->scope[i].next)
        if (is_base(m, i)) {
            comes_to(m, i);
            inner_of(m, i, list, count);
        } else {
            list[(*count)++] = i;
        }
}

/* Something in or around s was cancelled: in preorder, tasks that wait in a
 * scope in order of parking, then the scopes in it in order of entering. D5 */
static void sweep(struct model *m, int s)
{
    int list[STEPS_MAX], count = 0, first;

    if (comes_to(m, s))
        wake_parked_in(m, s);
    inner_of(m, s, list, &count);
    while (count > 0) {
        first = 0;
        for (int i = 1; i < count; i++)
            if (m->scope[list[i]].seq < m->scope[list[first]].seq)
                first = i;
        sweep(m, list[first]);
        list[first] = list[--count];
    }
}

static void cancel(struct model *m, int s, enum cause cause)
{
    struct m_scope *x = &m->scope[s];

    if (!x->open || x->cause)
        return;
    x->cause = (int)cause;
    sweep(m, s);
}

static void link_scope(struct model *m, int s, int parent)
{
    struct m_scope *x = &m->scope[s], *around = &m->scope[parent];

    x->parent = parent;
    x->next = NOBODY;
    if (around->last == NOBODY)
        around->first = s;
    else
        m->scope[around->last].next = s;
    around->last = s;
}

static void unlink_scope(struct model *m, int s)
{
    struct m_scope *around = &m->scope[m->scope[s].parent];
    int *link = &around->first, before = NOBODY;

    while (*link != s) {
        before = *link;
        link = &m->scope[*link].next;
    }
    *link = m->scope[s].next;
    if (around->last == s)
        around->last = before;
}

static void enter(struct model *m, int s, int parent, int t)
{
    m->scope[s] = (struct m_scope){
        .parent = NOBODY, .next = NOBODY, .first = NOBODY, .last = NOBODY,
        .task = t, .seq = m->seq++, .entered = true, .open = true,
        .since = -1, .deadline = NEVER_MS, .budget = NEVER_MS,
        .pierce_at = NEVER_MS,
    };
    if (parent != NOBODY)
        link_scope(m, s, parent);
}

static void set_deadline(struct model *m, int s, int at)
{
    struct m_scope *x = &m->scope[s];

    if (!x->open || x->cause)
        return;
    x->deadline = at;
    x->deadline_seq = m->seq++;
    if (at <= m->now)
        cancel(m, s, BY_DEADLINE);
}

static int instant(const struct model *m, int ms)
{
    return ms == NEVER_MS ? NEVER_MS : m->now + ms;
}

static void enter_step(struct model *m, int t, int s)
{
    const struct step *x = &m->p->step[s];

    enter(m, s, m->task[t].inner, t);
    m->task[t].inner = s;
    if (x->op == OP_SHIELD) {
        m->scope[s].shield = true;
        m->scope[s].budget = x->ms;
    }
    sweep(m, s);
    if (x->op != OP_SHIELD)
        set_deadline(m, s, instant(m, x->ms));
}

static void exit_scope(struct model *m, int t, int s)
{
    m->task[t].inner = m->scope[s].parent;
    unlink_scope(m, s);
    m->scope[s].open = false;
}

/* S4..S7. An unused shield keeps out what is around it, for itself too. */
static int leave(struct model *m, int t, int s, int r, int *ret_flags)
{
    const struct m_scope *x = &m->scope[s];
    bool alone = !around_effective(m, s) || (x->shield && !x->used_up);
    bool absorbs = r == -ECANCELED && effective(m, s) &&
                   (alone || m->wrong == 1);

    exit_scope(m, t, s);
    if (!absorbs)
        return r;
    *ret_flags |= CAUGHT;
    return x->cause == BY_DEADLINE ? -ETIMEDOUT : 0;
}

/* S3 */
static int deadline_of(const struct model *m, int s)
{
    const struct m_scope *x = &m->scope[s];
    int outer;

    if (effective(m, s))
        return x->since;
    outer = x->parent == NOBODY ? NEVER_MS : deadline_of(m, x->parent);
    if (x->shield && around_effective(m, s))
        outer = x->pierce_at;
    else if (x->shield)
        outer = outer == NEVER_MS || x->budget == NEVER_MS
                    ? NEVER_MS
                    : outer + x->budget;
    return x->deadline < outer ? x->deadline : outer;
}

/* ---- time ---- */

struct m_timer {
    int at, seq, kind, whose;
};

static void earlier(struct m_timer *best, struct m_timer t)
{
    if (t.at < best->at || (t.at == best->at && t.seq < best->seq))
        *best = t;
}

/* The next timer in (instant, order of setting). S11 */
static struct m_timer next_timer(const struct model *m)
{
    struct m_timer best = { NEVER_MS, 0, 0, NOBODY };

    for (int t = 0; t < m->p->tasks; t++)
        if (m->task[t].parked && m->task[t].wait == W_SLEEP)
            earlier(&best, (struct m_timer){ m->task[t].until,
                                             m->task[t].seq, 0, t });
    for (int s = 0; s < m->p->steps; s++) {
        const struct m_scope *x = &m->scope[s];

        if (x->open && !x->cause)
            earlier(&best, (struct m_timer){ x->deadline, x->deadline_seq, 1,
                                             s });
        if (x->open && !x->used_up)
            earlier(&best, (struct m_timer){ x->pierce_at, x->pierce_seq, 2,
                                             s });
    }
    return best;
}

static void fire(struct model *m, struct m_timer t)
{
    if (t.kind == 0) {
        wake(m, t.whose, 0);
    } else if (t.kind == 1) {
        cancel(m, t.whose, BY_DEADLINE);
    } else {
        m->scope[t.whose].used_up = true;
        sweep(m, t.whose);
    }
}

/* Time jumps, and all that is due fires before any task runs. D2 */
static bool advance_time(struct model *m)
{
    struct m_timer t = next_timer(m);

    if (t.at >= NEVER_MS)
        return false;
    m->now = t.at;
    for (; t.at <= m->now; t = next_timer(m))
        fire(m, t);
    return true;
}

#endif
