/* portal.c - functions that other threads and signal handlers hand to the loop.
 *
 * Owns:     a bounded queue of posts and a list of blocked callers, per portal.
 * Promises: an accepted post runs, before its scope is left (G5); a later one is
 *           refused; posting takes no lock and allocates nothing, so a signal
 *           handler may, also one that interrupts a post.
 * Never:    lets another thread touch anything but the queue, the list of calls
 *           and the alarm.
 *
 * State:    OPEN --close, or the scope's end--> CLOSED --free--> gone
 *
 * Who posts counts himself in, looks whether the portal is closed, and counts
 * himself out. close() says "closed" first and then waits until nobody is in: what
 * was accepted is complete then, and nobody touches the runtime any more. A look
 * before counting in keeps those who go on trying from holding close() up.
 *
 * A thread that got its answer may free the portal while the loop is still at
 * it, so the loop holds it as well.
 *
 * The queue is Dmitry Vyukov's bounded one: a cell's number says whose turn it is.
 *
 *     cell i, round k:   number = kN + i      free for the poster
 *                        number = kN + i + 1  filled, for the loop
 */
#include <roost/portal.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "core/nursery.h"
#include "core/scope.h"
#include "core/sched.h"
#include "core/task.h"
#include "os/stand_in.h"

#define CELLS ROOST_PORTAL_POSTS

_Static_assert(ATOMIC_BOOL_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2 &&
               ATOMIC_LONG_LOCK_FREE == 2 && ATOMIC_POINTER_LOCK_FREE == 2,
               "a signal handler may post");

struct cell {
    atomic_size_t number;
    void (*fn)(void *arg);
    void *arg;
};

/* A thread that waits; on its stack. */
struct call {
    struct call *next;
    roost_task_fn *fn;
    void *arg;
    roost_nursery *n; /* NULL: no task of its own */
    const char *site;
    roost__home_fn *home; /* of its task: the nursery's */
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool done;
    int result;
};

struct roost_portal {
    struct roost__source source;
    struct roost_portal *next; /* of the runtime's portals */
    struct roost_rt *rt;
    const struct roost_sys *sys;
    roost_scope *scope;
    const char *site;
    pthread_t thread;
    struct call *taken; /* by the loop, not yet run; oldest first */

    atomic_int holders; /* the user, and who is at work on it in the loop */
    atomic_bool closed;
    atomic_size_t inside; /* threads that are posting */
    atomic_size_t head;   /* the next cell to fill */
    size_t tail;          /* the next cell to empty */
    _Atomic(struct call *) calls; /* newest first */
    _Atomic(const char *) cancel_site; /* of the first that cancels */
    _Atomic(const char *) reason;      /* NULL: no cancel is pending */
    struct cell cells[CELLS];
};

/* ---- from any thread ---- */

/* false: closed, and nothing of the runtime may be touched. */
static bool enter(roost_portal *p)
{
    if (atomic_load(&p->closed))
        return false;
    atomic_fetch_add(&p->inside, 1);
    if (!atomic_load(&p->closed))
        return true;
    atomic_fetch_sub(&p->inside, 1);
    return false;
}

static void leave(roost_portal *p)
{
    atomic_fetch_sub(&p->inside, 1);
}

static int fill_cell(roost_portal *p, void (*fn)(void *arg), void *arg)
{
    size_t at = atomic_load_explicit(&p->head, memory_order_relaxed), number;
    struct cell *c;

    for (;;) {
        c = &p->cells[at % CELLS];
        number = atomic_load_explicit(&c->number, memory_order_acquire);
        if (number == at) {
            if (atomic_compare_exchange_weak(&p->head, &at, at + 1))
                break;
        } else if ((ptrdiff_t)(number - at) < 0) {
            return -EAGAIN;
        } else {
            at = atomic_load_explicit(&p->head, memory_order_relaxed);
        }
    }
    c->fn = fn;
    c->arg = arg;
    atomic_store_explicit(&c->number, at + 1, memory_order_release);
    return 0;
}

int roost_portal_post(roost_portal *p, void (*fn)(void *arg), void *arg)
{
    int r;

    if (!enter(p))
        return -ESHUTDOWN;
    r = fill_cell(p, fn, arg);
    if (r >= 0)
        roost__alarm_ring(&p->rt->alarm);
    leave(p);
    return r;
}

int roost_portal_cancel_at(roost_portal *p, const char *reason,
                           const char *site)
{
    const char *none = NULL;

    if (!enter(p))
        return -ESHUTDOWN;
    if (atomic_compare_exchange_strong(&p->cancel_site, &none,
                                       roost__place(site))) {
        /* The first cause is kept (S2). */
        atomic_store(&p->reason, reason ? reason : "");
        roost__alarm_ring(&p->rt->alarm);
    }
    leave(p);
    return 0;
}

static int hand_in(roost_portal *p, struct call *c)
{
    if (!enter(p))
        return -ESHUTDOWN;
    c->next = atomic_load(&p->calls);
    while (!atomic_compare_exchange_weak(&p->calls, &c->next, c))
        ;
    roost__alarm_ring(&p->rt->alarm);
    leave(p);
    return 0;
}

static int wait_over(struct call *c)
{
    pthread_mutex_lock(&c->lock);
    while (!c->done)
        pthread_cond_wait(&c->over, &c->lock);
    pthread_mutex_unlock(&c->lock);
    return c->result;
}

/* After the unlock the thread goes on, and *c with it. */
static void complete(struct call *c, int result)
{
    pthread_mutex_lock(&c->lock);
    c->result = result;
    c->done = true;
    pthread_cond_signal(&c->over);
    pthread_mutex_unlock(&c->lock);
}

/* A pthread_cancel has to wait: the loop has a pointer to our stack. */
static int call(roost_portal *p, struct call *c)
{
    int r, before;

    if (atomic_load(&p->closed)) /* its thread's number may be ours by now */
        return -ESHUTDOWN;
    if (pthread_equal(p->thread, pthread_self()))
        return -EDEADLK;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->over, NULL);
    r = hand_in(p, c);
    if (r >= 0)
        r = wait_over(c);
    pthread_cond_destroy(&c->over);
    pthread_mutex_destroy(&c->lock);
    pthread_setcancelstate(before, NULL);
    return r;
}

int roost_portal_call(roost_portal *p, roost_task_fn *fn, void *arg)
{
    struct call c = { .fn = fn, .arg = arg };

    return call(p, &c);
}

int roost_portal_run_at(roost_portal *p, roost_nursery *n, roost_task_fn *fn,
                        void *arg, const char *site)
{
    struct call c = { .fn = fn, .arg = arg, .n = n, .site = site };

    return n ? call(p, &c) : -EINVAL;
}

/* ---- on the loop ---- */

static bool empty_cell(roost_portal *p, struct cell *ret)
{
    struct cell *c = &p->cells[p->tail % CELLS];

    if (atomic_load_explicit(&c->number, memory_order_acquire) != p->tail + 1)
        return false;
    ret->fn = c->fn;
    ret->arg = c->arg;
    atomic_store_explicit(&c->number, p->tail + CELLS, memory_order_release);
    p->tail++;
    return true;
}

static int call_task(void *c)
{
    return ((struct call *)c)->fn(((struct call *)c)->arg);
}

/* When its deferred functions have run, too: they may use what is the calling
 * thread's (T6). The error goes to that thread, so it fails nobody here. */
static void call_home(roost_task *t, int result)
{
    struct call *c = t->arg;
    roost__home_fn *home = c->home;

    result = roost__task_settle(t, result);
    complete(c, result);
    home(t, result == -ECANCELED && t->base.effective ? result : 0);
}

static void run_call(struct call *c)
{
    const roost_spawn_options o = { .name = "portal" };
    const struct roost__spawn s = { .call = "roost_portal_run", .n = c->n,
                                    .fn = call_task, .arg = c, .o = &o,
                                    .site = c->site };
    roost_task *t;
    int r;

    if (!c->n) {
        complete(c, c->fn(c->arg));
        return;
    }
    r = roost__spawn_child(&s, &t);
    if (r >= 0) {
        c->home = t->home;
        t->home = call_home;
    } else {
        complete(c, r);
    }
}

static void take_calls(roost_portal *p)
{
    struct call *newest = atomic_exchange(&p->calls, NULL), *first = NULL, *next;
    struct call **end = &p->taken;

    for (; newest; newest = next) {
        next = newest->next;
        newest->next = first;
        first = newest;
    }
    while (*end)
        end = &(*end)->next;
    *end = first;
}

static void cancel_scope(roost_portal *p, const char *reason)
{
    if (reason)
        roost__scope_cancel(p->scope, &(struct roost__cause){
            .kind = CAUSE_HAND, .reason = reason,
            .site = atomic_load(&p->cancel_site) });
}

/* Not more than there is room for: the tasks come in between. Who filled a cell
 * that we emptied has rung again. */
static void run_posts(roost_portal *p)
{
    struct cell c;
    size_t n;

    for (n = 0; n < CELLS && empty_cell(p, &c); n++)
        c.fn(c.arg);
}

static void let_go(roost_portal *p)
{
    if (atomic_fetch_sub(&p->holders, 1) == 1)
        p->sys->free(p);
}

/* What is done last is taken first: so what a thread posted before it cancelled
 * or called runs before, and a cancel comes before its call. All of it runs outside
 * any task, also when a task's end of a scope has called us; and a guest's function
 * may run its host's loop. */
static void drain(roost_portal *p)
{
    struct roost_rt *rt = p->rt;
    struct roost__stand_in stand_in;
    const char *reason;
    struct call *c;

    rt->visits++;
    roost__stand_in_begin(&stand_in, rt);
    atomic_fetch_add(&p->holders, 1);
    take_calls(p);
    reason = atomic_exchange(&p->reason, NULL);
    run_posts(p);
    cancel_scope(p, reason);
    while ((c = p->taken)) { /* or a close in one of them has run the rest */
        p->taken = c->next;
        run_call(c);
    }
    let_go(p);
    rt->visits--;
    roost__stand_in_end(&stand_in, rt);
}

static void drain_source(struct roost__source *s)
{
    drain(ROOST__CONTAINER(s, roost_portal, source));
}

/* ---- opening and closing ---- */

static void init_cells(roost_portal *p)
{
    size_t i;

    for (i = 0; i < CELLS; i++)
        atomic_init(&p->cells[i].number, i);
    atomic_init(&p->head, 0);
    p->tail = 0;
}

static roost_scope *scope_of(roost_scope *s, const char *site)
{
    struct roost_rt *rt = roost__rt;

    ROOST_USAGE(rt, "roost_portal_open at %s is outside a run; open it in a task, "
                "and give it to the other threads", roost__place(site));
    ROOST_USAGE(s || rt->current, "roost_portal_open at %s without a scope is "
                "outside a task; name the scope", roost__place(site));
    if (!s)
        for (s = rt->current->scope; s->parent;)
            s = s->parent;
    ROOST_USAGE(roost__scope_open(s) && s->task->rt == rt, "roost_portal_open at "
                "%s was given a scope that is not open in this run",
                roost__place(site));
    return s;
}

static void unlink_portal(roost_portal *p)
{
    struct roost_rt *rt = p->rt;
    struct roost_portal **at = &rt->portals;

    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    roost__alarm_remove(&rt->alarm, &p->source);
    rt->outside--;
}

static bool is_empty(const roost_portal *p)
{
    return atomic_load(&p->head) == p->tail && !p->taken &&
           !atomic_load(&p->calls) && !atomic_load(&p->reason);
}

void roost_portal_close(roost_portal *p)
{
    ROOST_USAGE(pthread_equal(p->thread, pthread_self()), "roost_portal_close was "
                "called in another thread than the one that opened it at %s; post "
                "a function that closes it", roost__place(p->site));
    if (atomic_load(&p->closed))
        return;
    atomic_fetch_add(&p->holders, 1);
    atomic_store(&p->closed, true);
    while (atomic_load(&p->inside))
        sched_yield();
    unlink_portal(p);
    while (!is_empty(p))
        drain(p);
    let_go(p);
}

/* For the scope that is about to end. */
static void end_portals(struct roost_rt *rt, roost_scope *s)
{
    roost_portal *p, *next;

    s->has_portals = 0;
    for (p = rt->portals; p; p = next) {
        next = p->next;
        if (p->scope == s) {
            roost_portal_close(p);
            next = rt->portals; /* what it ran may have closed others */
        }
    }
}

roost_portal *roost_portal_open_at(roost_scope *s, const char *site)
{
    struct roost_rt *rt;
    roost_portal *p;
    int r;

    s = scope_of(s, site);
    rt = s->task->rt;
    p = rt->sys->alloc(sizeof *p);
    if (!p) {
        errno = ENOMEM;
        return NULL;
    }
    memset(p, 0, sizeof *p); /* no literal: it is half a small stack */
    p->source.drain = drain_source;
    p->rt = rt;
    p->sys = rt->sys;
    p->scope = s;
    p->site = site;
    p->thread = pthread_self();
    atomic_init(&p->holders, 1);
    init_cells(p);
    r = roost__alarm_add(&rt->alarm, &rt->loop, &p->source);
    if (r < 0) {
        rt->sys->free(p);
        errno = -r;
        return NULL;
    }
    p->next = rt->portals;
    rt->portals = p;
    rt->end_portals = end_portals;
    s->has_portals = 1;
    rt->outside++;
    return p;
}

void roost_portal_free(roost_portal *p)
{
    if (!p)
        return;
    ROOST_USAGE(atomic_load(&p->closed), "roost_portal_free was given the portal "
                "opened at %s, which is open; close it, or leave its scope, first",
                roost__place(p->site));
    let_go(p);
}
