/* model.inc.h - the rules S, N and C as a small machine, apart from the library.
 *
 * Written from the numbered rules alone. It runs a program of program.inc.h by
 * its own scheduler and writes the trace that the rules demand: what each step
 * came to, when, and in which order. There are no marks to keep right here:
 * whether a scope is cancelled is worked out from the definition each time it is
 * asked, waiting tasks are found by looking at all of them, and the next timer by
 * looking at all timers.
 *
 * With seed 0 the model chooses the next task itself (first in, first out). With
 * another seed the library draws; the model follows the trace of that run as to
 * who goes next, and refuses one whom the rules do not let go.
 */
#include "program.inc.h"

enum what { BEGIN, STEP, ON_ERROR, SERVICES_END, END };
enum { CAUGHT = 1, CANCELLED = 2, TRACE_MAX = 512 };

struct entry {
    int what, task, step, ms, result, flags;
};

struct trace {
    struct entry entry[TRACE_MAX];
    int count;
};

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

/* The definition: cancelled itself, or not shielded and what is around it is. */
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

/* Something in or around s was cancelled: in preorder, tasks that wait in a scope
 * in order of parking, then the scopes in it in order of entering. D5 */
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
        .task = t, .seq = m->seq++, .entered = true, .open = true, .since = -1, .deadline = NEVER_MS,
        .budget = NEVER_MS, .pierce_at = NEVER_MS,
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

/* Is there something to do for who closes it: to end the services, which is done
 * when no ordinary child is left (N15), or to return? */
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

/* An error that a guard found: of the nearest open nursery, or the task's. N5 */
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

static bool is_wait(enum op op)
{
    return op == OP_SLEEP || op == OP_CHECKPOINT || op == OP_WAIT ||
           op == OP_SEND || op == OP_RECV || op == OP_ROOM || op == OP_START;
}

/* A scope that other steps may touch: entered, and its memory is still there. */
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
