/* model_nurseries.inc.h - children, rooms and verdicts of the model.
 *
 * A failure is noted when it happens, a cut when somebody comes to -ECANCELED;
 * the verdict is made of these notes when nobody is left (N2).
 */
#ifndef ROOST_TESTS_MODEL_NURSERIES_INC_H
#define ROOST_TESTS_MODEL_NURSERIES_INC_H

#include "rules/property/model_scopes.inc.h"

/* ---- nurseries ---- */

static int services_of(int n)
{
    return STEPS_MAX + n;
}

static void open_nursery(struct model *m, int t, int n)
{
    m->nursery[n] = (struct m_nursery){ .entered = true };
    enter_step(m, t, n);
    enter(m, services_of(n), n, t);
    m->scope[services_of(n)].shield = true;
}

/* A failure in time: the first is the verdict, all are cancelled. N2, N3 */
static void fail_nursery(struct model *m, int n, int code)
{
    if (!m->nursery[n].verdict && m->wrong != 2)
        m->nursery[n].verdict = code;
    cancel(m, n, BY_FAILURE);
}

/* Somebody in it came to -ECANCELED now. N2 */
static void note_cut(struct model *m, int n)
{
    if (around_effective(m, n))
        m->nursery[n].cut_outside = true;
    else if (m->scope[n].cause == BY_DEADLINE)
        m->nursery[n].cut_deadline = true;
    else if (m->scope[n].cause == BY_HAND)
        m->nursery[n].cut_by_hand = true;
}

static bool is_empty(const struct m_nursery *x)
{
    return x->count == 0 && x->promised == 0;
}

/* Is there something to do for who closes it: to end the services, when no
 * ordinary child is left (N15), or to return? */
static bool wants_closer(const struct model *m, int n)
{
    const struct m_nursery *x = &m->nursery[n];

    return is_empty(x) || (x->ordinary == 0 && x->promised == 0 &&
                           !m->scope[services_of(n)].cause);
}

/* The closer finds children: it ends the services, or waits. */
static void close_on(struct model *m, int t, int n)
{
    struct m_nursery *x = &m->nursery[n];

    park(m, t, W_CLOSE, n);
    if (!wants_closer(m, n) || is_empty(x))
        return;
    cancel(m, services_of(n), BY_LEAVING);
    x->unseen = true;
    m->unseen++;
}

static void wake_closer(struct model *m, int n)
{
    int t = first_waiting(m, W_CLOSE, n);

    if (t != NOBODY && wants_closer(m, n))
        wake(m, t, 0);
}

/* ---- room, N11 ---- */

static bool has_room(const struct model *m, int n)
{
    const struct m_nursery *x = &m->nursery[n];
    int most = m->p->step[n].room;

    return most == 0 || x->count + x->promised < most;
}

/* Room is promised to who waits longest. */
static void promise_room(struct model *m, int n)
{
    int t;

    while (has_room(m, n) && (t = first_waiting(m, W_ROOM, n)) != NOBODY) {
        m->task[t].promise = n;
        m->nursery[n].promised++;
        wake(m, t, 0);
    }
    wake_closer(m, n);
}

/* A task that suspends or ends has its promise no more. */
static void pass_room(struct model *m, int t)
{
    int n = m->task[t].promise;

    if (n == NOBODY)
        return;
    m->task[t].promise = NOBODY;
    m->nursery[n].promised--;
    promise_room(m, n);
}

static int wait_room(struct model *m, int t, int n)
{
    if (m->nursery[n].entered && !m->nursery[n].over &&
        m->task[t].promise != n &&
        (!has_room(m, n) || first_waiting(m, W_ROOM, n) != NOBODY))
        park(m, t, W_ROOM, n);
    return 0;
}

/* May the task make a child there? It takes the room that is promised to it. */
static bool take_room(struct model *m, int t, int n)
{
    if (m->task[t].promise == n) {
        m->task[t].promise = NOBODY;
        m->nursery[n].promised--;
        return true;
    }
    return has_room(m, n);
}

/* ---- closing ---- */

static void close_for(struct model *m, int t, int n)
{
    pass_room(m, t);
    close_on(m, t, n);
    if (is_empty(&m->nursery[n]))
        wake(m, t, 0); /* yields once, N9 */
}

static void begin_close(struct model *m, int t, int n, int r)
{
    struct m_nursery *x = &m->nursery[n];

    if (x->kept && (r >= 0 || r == -ECANCELED))
        r = x->kept; /* N5 */
    x->result = r;
    if (r < 0 && r != -ECANCELED) {
        fail_nursery(m, n, r);
    } else if (r == -ECANCELED && !effective(m, n)) {
        x->foreign = true;
        cancel(m, n, BY_FAILURE);
    } else if (r == -ECANCELED) {
        note_cut(m, n);
    }
    close_for(m, t, n);
}

static void begin_guard(struct model *m, int t, int n, int r)
{
    m->nursery[n].result = r;
    m->nursery[n].guard = true;
    cancel(m, n, BY_LEAVING);
    close_for(m, t, n);
}

/* What a guard found: it is the nearest open nursery's, or the task's. N5 */
static void keep(struct model *m, int t, int code)
{
    int s = m->task[t].inner;
    int *kept = &m->task[t].kept;

    for (; s != NOBODY && m->scope[s].task == t; s = m->scope[s].parent)
        if (m->p->step[s].op == OP_NURSERY) {
            kept = &m->nursery[s].kept;
            break;
        }
    if (!*kept)
        *kept = code;
}

static int end_guard(struct model *m, int t, int n)
{
    const struct m_nursery *x = &m->nursery[n];
    int found = x->verdict         ? x->verdict
                : x->kept          ? x->kept
                : x->cut_deadline  ? -ETIMEDOUT
                                   : 0;

    exit_scope(m, t, n);
    if (found)
        keep(m, t, found);
    return x->result;
}

static int end_close(struct model *m, int t, int n, int *ret_flags)
{
    struct m_nursery *x = &m->nursery[n];

    x->over = true;
    m->scope[services_of(n)].open = false;
    if (x->guard)
        return end_guard(m, t, n);
    exit_scope(m, t, n);
    if (x->verdict)
        return x->verdict;
    if (x->foreign || x->cut_outside)
        return -ECANCELED;
    if (x->cut_deadline || x->cut_by_hand)
        *ret_flags |= CAUGHT;
    if (x->cut_deadline)
        return -ETIMEDOUT;
    return x->result == -ECANCELED ? 0 : x->result;
}

/* ---- children ---- */

static int home_of(const struct model *m, int t)
{
    return m->p->step[m->p->task_step[t]].target;
}

/* A closer that is awake may find the new child, and then waits anew: nobody is
 * behind it any more, and it is behind nobody. */
static void forget_closer(struct model *m, int n)
{
    for (int t = 0; t < m->p->tasks; t++)
        if (m->task[t].wait == W_CLOSE && m->task[t].object == n) {
            m->task[t].behind = 0;
            for (int k = 0; k < m->p->tasks; k++)
                m->task[k].behind &= ~(1u << t);
        }
}

static void make_task(struct model *m, int maker, int step)
{
    const struct step *x = &m->p->step[step];
    struct m_nursery *n = &m->nursery[x->target];
    bool start = x->op == OP_START;
    int parent = start        ? m->task[maker].inner
                 : x->service ? services_of(x->target)
                              : x->target;

    m->task[x->child] = (struct m_task){
        .spawned = true, .service = x->service, .inner = step, .at = step,
        .starter = start ? maker : NOBODY, .value = NOBODY, .promise = NOBODY,
    };
    n->count++;
    n->ordinary += start || !x->service;
    enter(m, step, parent, x->child);
    sweep(m, step);
    ready(m, x->child);
    forget_closer(m, x->target);
    wake_closer(m, x->target);
}

/* The child moves to the nursery, unless its caller is cancelled. N10 */
static void started(struct model *m, int t, int value)
{
    struct m_task *x = &m->task[t];
    int n = home_of(m, t), base = m->p->task_step[t];

    if (x->starter == NOBODY)
        return;
    x->value = value;
    if (cancelled(m, x->starter))
        return;
    unlink_scope(m, base);
    link_scope(m, base, x->service ? services_of(n) : n);
    wake(m, x->starter, value);
    x->starter = NOBODY;
    m->nursery[n].ordinary -= x->service;
    if (m->scope[base].since < 0 && effective(m, base))
        m->scope[base].since = m->now;
    sweep(m, base);
    wake_closer(m, n);
}

/* What a start comes to whose child ended before it had started. N10 */
static int start_result(const struct model *m, const struct m_task *x, int r)
{
    if (r >= 0)
        return x->value >= 0 ? x->value : -EPROTO;
    return r == -ECANCELED && !cancelled(m, x->starter) ? -EPROTO : r;
}

static void judge(struct model *m, int t, int r)
{
    int n = home_of(m, t);

    if (r >= 0)
        return;
    if (r != -ECANCELED && m->p->step[n].isolate)
        m_log(m, ON_ERROR, t, n, r, 0);
    else if (r != -ECANCELED)
        fail_nursery(m, n, r);
    else if (!m->task[t].service || !m->scope[services_of(n)].cause)
        note_cut(m, n);
}

static void leave_home(struct model *m, int t)
{
    struct m_nursery *n = &m->nursery[home_of(m, t)];
    struct m_task *x = &m->task[t];
    int waiting;

    n->count--;
    n->ordinary -= !x->service || x->starter != NOBODY;
    while ((waiting = first_waiting(m, W_END, t)) != NOBODY)
        wake(m, waiting, x->result == -ECANCELED ? 0 : x->result);
    promise_room(m, home_of(m, t));
}

static void end_task(struct model *m, int t, int r)
{
    struct m_task *x = &m->task[t];
    int base = m->p->task_step[t];

    m_log(m, END, t, base, r, 0);
    pass_room(m, t);
    if (x->kept && (r >= 0 || r == -ECANCELED))
        r = x->kept;
    x->wait = W_OVER;
    x->ended = true;
    x->result = r;
    if (t == 0)
        return;
    if (r == -ECANCELED && !effective(m, base))
        x->result = -EPROTO; /* N16 */
    if (x->starter != NOBODY)
        wake(m, x->starter, start_result(m, x, x->result));
    else
        judge(m, t, x->result);
    unlink_scope(m, base);
    m->scope[base].open = false;
    leave_home(m, t);
}

#endif
