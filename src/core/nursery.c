/* nursery.c - a nursery is a set of child tasks and one place to wait for them.
 *
 * Owns:     the count of children, the verdict, the cancel scope around them.
 * Promises: close() returns only when every child's stack is free (N1); the
 *           first failure in time is the verdict (N2) and cancels the others
 *           before any is joined (N3); no failure is dropped silently (N4, N5).
 * Never:    allocates but for a child's stack; touches libev.
 * Wakes:    the closing task, from the last child's end, through roost_wake.
 *
 * State:    OPEN --close or guard--> JOINING --nobody, after a yield--> CLOSED
 *
 * The children's base scopes are nodes of the nursery's scope, service children
 * of a shield in it, so the set itself needs no list:
 *
 *     n->scope -- base of child 1 -- base of child 2 -- n->services
 *                                                         `- base of service 3
 */
#include "core/nursery.h"

#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "core/park.h"
#include "core/scope.h"
#include "core/task.h"

#define COPY_MAX 4096

/* ---- opening ---- */

static void need_sane(const roost_nursery_options *o, const char *site)
{
    ROOST_USAGE(o->policy == ROOST_FAIL_FAST || o->policy == ROOST_ISOLATE,
                "the nursery opened at %s has the policy %d; it is "
                "ROOST_FAIL_FAST or ROOST_ISOLATE", roost__place(site),
                (int)o->policy);
}

void roost_nursery_open_with_at(roost_nursery *n,
                                const roost_nursery_options *o,
                                const char *site)
{
    static const roost_nursery_options defaults;
    roost_time deadline = o && o->deadline ? o->deadline : ROOST_NEVER;

    roost__scope_begin(&n->scope, SCOPE_NURSERY, deadline, site);
    memset(&n->s, 0, sizeof n->s);
    if (o)
        need_sane(o, site);
    n->o = o ? *o : defaults;
}

/* ---- failing, and being cut ---- */

/* The verdict if it is the first; beside it otherwise (N4). */
static void fail_nursery(roost_nursery *n, int code, roost_error *e,
                         const roost_task *by, const char *site)
{
    struct roost_rt *rt = n->scope.task->rt;

    if (n->s.verdict) {
        roost__error_beside(rt, n->s.error, e);
        return;
    }
    n->s.verdict = code;
    n->s.error = e;
    roost__scope_cancel(&n->scope,
                        &(struct roost__cause){ .kind = CAUSE_FAILURE,
                                                .code = code,
                                                .reason = "a failure",
                                                .site = site,
                                                .by = by });
}

/* Somebody ended with the -ECANCELED of a cancellation around him: whose was
 * it? (N2) */
static void note_cut(roost_nursery *n)
{
    if (n->scope.parent->effective)
        n->s.cut_outside = 1;
    else if (n->scope.cause == CAUSE_DEADLINE)
        n->s.cut_deadline = 1;
    else if (n->scope.cause == CAUSE_HAND)
        n->s.cut_by_hand = 1;
}

int roost__foreign_cancel(roost_task *t, int result)
{
    const char *leak = t->links.leak_site;

    if (t->base.effective)
        return result;
    roost__error_drop(t->rt, t->links.errors);
    t->links.errors = roost__error_new(
        t, -EPROTO, t->site, "returned -ECANCELED though nothing around it was "
        "cancelled; its nursery is at %s%s%s", roost__place(t->nursery->scope.site),
        leak ? "; a cancelled scope was left without leave at " : "",
        leak ? leak : "");
    return -EPROTO;
}

/* A child's failure or -ECANCELED, while the nursery is its owner. */
static void judge(roost_nursery *n, roost_task *t, int result)
{
    roost_error *e;

    if (result == -ECANCELED) {
        if (!t->s.service || n->services.cause != CAUSE_CLOSE)
            note_cut(n);
        return;
    }
    e = roost__error_take(t, result);
    if (n->o.policy == ROOST_FAIL_FAST) {
        fail_nursery(n, result, e, t, t->site);
        return;
    }
    if (n->o.on_error)
        n->o.on_error(result, e, n->o.on_error_arg);
    roost__error_drop(t->rt, e);
}

/* ---- rooms ---- */

static bool has_room(const roost_nursery *n)
{
    return !n->o.children_max || n->s.count + n->s.promised < n->o.children_max;
}

static bool nobody(const roost_nursery *n)
{
    return n->s.count == 0 && n->s.promised == 0;
}

/* Closing, it has cancelled its services, or begun to stop them (N15). */
static bool services_told(const roost_nursery *n)
{
    return n->services.cause == CAUSE_CLOSE ||
           (n->s.closing && n->services.used_up);
}

/* Only service children are left, and have not been told to go. */
static bool services_are_alone(const roost_nursery *n)
{
    return n->s.has_services && !n->s.ordinary && !n->s.promised &&
           !services_told(n);
}

void roost__nursery_changed(roost_nursery *n)
{
    roost_wait *w;

    while (n->s.rooms.first && has_room(n)) {
        w = roost__lot_take(&n->s.rooms);
        w->task->s.promise = n;
        n->s.promised++;
        roost__wake_parked(w, 0);
    }
    if (!n->s.closer || (!nobody(n) && !services_are_alone(n)))
        return;
    w = n->s.closer;
    n->s.closer = NULL;
    roost__wake_parked(w, 0);
}

void roost__nursery_pass_room(roost_task *t)
{
    roost_nursery *n = t->s.promise;

    t->s.promise = NULL;
    n->s.promised--;
    roost__nursery_changed(n);
}

static void need_open(const roost_nursery *n, const char *call,
                      const char *site)
{
    ROOST_USAGE(!roost__scope_left(&n->scope), "%s at %s: the nursery opened at "
                "%s was closed at %s; spawn before its close, or open another",
                call, roost__place(site), roost__place(n->scope.site),
                roost__place(n->close_site));
    ROOST_USAGE(roost__scope_open(&n->scope), "%s at %s was given a nursery that "
                "was never opened", call, roost__place(site));
    ROOST_USAGE(n->scope.task->rt == roost__rt, "%s at %s: the nursery opened at "
                "%s belongs to another thread's run", call, roost__place(site),
                roost__place(n->scope.site));
}

int roost_nursery_wait_room(roost_nursery *n)
{
    roost_task *t = roost__waiter("roost_nursery_wait_room");
    roost_wait w;

    need_open(n, "roost_nursery_wait_room", NULL);
    if (t->scope->effective)
        return -ECANCELED;
    if (t->s.promise == n || (has_room(n) && !n->s.rooms.first))
        return 0;
    roost__wait_init(&w, t);
    roost__lot_append(&n->s.rooms, &w);
    return roost__park(&w, "room in a nursery", roost__lot_abort, &n->s.rooms,
                       ROOST__PLACE);
}

/* ---- children ---- */

static void child_home(roost_task *t, int result)
{
    roost_nursery *n = t->nursery;

    result = roost__task_settle(t, result);
    if (result == -ECANCELED)
        result = roost__foreign_cancel(t, result);
    if (t->s.promise)
        roost__nursery_pass_room(t);
    if (t->links.start)
        roost__start_over(t, result);
    else if (result < 0)
        judge(n, t, result);
    if (t->links.errors)
        roost__error_drop(t->rt, t->links.errors);
    roost__scope_unlink(&t->base);
    if (t->links.handle)
        roost__handle_end(t, result);
    n->s.count--;
    if (!t->s.service || t->links.start)
        n->s.ordinary--;
    if (n->s.closer || n->s.rooms.first)
        roost__nursery_changed(n);
}

static void link_services(roost_nursery *n)
{
    if (n->s.has_services)
        return;
    n->s.has_services = 1;
    roost__scope_init(&n->services, n->scope.task, &n->scope, SCOPE_SERVICES,
                      n->scope.site);
    roost__scope_link(&n->services, &n->scope);
    n->services.stop = n->scope.stop == STOP_PIERCED ? STOP_PIERCED : STOP_NOT;
    n->services.effective = n->scope.effective && n->services.stop;
    n->services.used_up = n->services.effective;
}

/* Uses the room promised to the spawner, or one that is there. */
static bool take_room(roost_nursery *n, roost_task *spawner)
{
    if (spawner->s.promise == n && spawner == roost__self()) {
        spawner->s.promise = NULL;
        n->s.promised--;
        return true;
    }
    return has_room(n);
}

static size_t stack_wish(const struct roost__spawn *s)
{
    size_t wish = s->o ? s->o->stack_bytes : 0;

    return wish ? wish : s->n->o.stack_bytes;
}

int roost__spawn_child(const struct roost__spawn *s, roost_task **ret_child)
{
    static const roost_spawn_options none;
    const roost_spawn_options *o = s->o ? s->o : &none;
    roost_nursery *n = s->n;
    roost_task *spawner = roost__self(), *t;
    size_t wish = stack_wish(s);
    int class_index;

    ROOST_USAGE(spawner || (roost__rt && roost__rt->visits), "%s at %s is outside "
                "a task; spawn from a function started by roost_run, or handed "
                "in through a portal", s->call, roost__place(s->site));
    need_open(n, s->call, s->site);
    if (!spawner) /* N8: for a portal's function the nursery's task stands in */
        spawner = n->scope.task;
    if (o->child)
        roost__handle_set(s, NULL);
    class_index = wish ? roost__stack_class(wish) : spawner->rt->default_class;
    if (class_index < 0)
        return class_index;
    if (o->copy_bytes > COPY_MAX)
        return -E2BIG;
    if (!take_room(n, spawner))
        return -EAGAIN;
    if (o->service)
        link_services(n);
    t = roost__task_new(spawner->rt, class_index, s->arg, o->copy_bytes);
    if (!t) {
        roost__nursery_changed(n);
        return -ENOMEM;
    }
    t->fn = s->fn;
    t->home = child_home;
    t->parent = n->scope.task;
    t->name = o->name;
    t->site = s->site;
    t->nursery = n;
    t->s.service = o->service;
    t->links.start = s->start;
    roost__task_begin(t, s->start ? spawner->scope
                         : o->service ? &n->services : &n->scope);
    if (o->child)
        roost__handle_set(s, t);
    n->s.count++;
    if (!o->service || s->start)
        n->s.ordinary++;
    *ret_child = t;
    if (n->s.closer) /* a service in a promised room may be alone (N15) */
        roost__nursery_changed(n);
    return 0;
}

int roost__spawn_failed(const struct roost__spawn *s, int r)
{
    roost_task *t = roost__self() ? roost__self() : s->n->scope.task;

    if (r != -EAGAIN || !s->n->o.shed)
        fail_nursery(s->n, r,
                     roost__error_new(t, r, s->site, "spawning %s",
                                      s->o && s->o->name ? s->o->name
                                                         : "a task"),
                     t, s->site);
    return r;
}

int roost_spawn_with_at(roost_nursery *n, roost_task_fn *fn, void *arg,
                        const roost_spawn_options *o, const char *site)
{
    const struct roost__spawn s = { .call = "a spawn", .n = n, .fn = fn,
                                    .arg = arg, .o = o, .site = site };
    roost_task *t;
    int r = roost__spawn_child(&s, &t);

    return r < 0 ? roost__spawn_failed(&s, r) : r;
}

/* ---- joining ---- */

/* In the soft phase of a stop they are asked first; what comes next reaches them,
 * since their shield is over. */
static void end_services(roost_nursery *n, roost_task *t)
{
    if (n->scope.stop == STOP_SOFT && !n->scope.effective) {
        n->services.used_up = 1;
        roost__scope_stop(&n->services, STOP_SOFT);
        return;
    }
    roost__scope_cancel(&n->services, &(struct roost__cause){
        .kind = CAUSE_CLOSE, .site = n->close_site, .by = t,
        .reason = "the nursery closes and only services are left" });
}

/* Until nobody is left after the last yield (N6, N9). */
static void join(roost_nursery *n, roost_task *t, void *place)
{
    bool yielded = false;
    roost_wait w;

    n->s.closing = 1;
    if (t->s.promise) /* here: suspending must not wake ourselves */
        roost__nursery_pass_room(t);
    while (!nobody(n) || !yielded || roost__scope_end_portals(&n->scope)) {
        yielded = true;
        if (nobody(n)) {
            roost__sched_yield(t->rt, false);
            continue;
        }
        if (services_are_alone(n))
            end_services(n, t);
        roost__wait_init(&w, t);
        n->s.closer = &w;
        roost__park(&w, "its children", NULL, n, place);
    }
}

/* The body's result, with what a guard had kept for it (N5). */
static void take_body(roost_nursery *n, roost_task *t, int *result,
                      const char *site)
{
    if (*result == -ECANCELED || n->s.kept)
        roost__scope_look(t->rt, &n->scope);
    if (n->s.kept && (*result >= 0 || *result == -ECANCELED)) {
        *result = n->s.kept;
        fail_nursery(n, *result, n->s.kept_error, t, site);
    } else if (*result == -ECANCELED) {
        if (n->scope.effective)
            note_cut(n);
        else
            n->s.foreign = 1;
    } else if (*result < 0 && !(*result == -ESHUTDOWN && t->s.stopped)) {
        fail_nursery(n, *result, roost__error_take(t, *result), t, site);
        if (n->s.kept)
            roost__error_beside(t->rt, n->s.error, n->s.kept_error);
    }
    n->s.kept_error = NULL;
    if (n->s.foreign) /* S7: it fails the body, and is no cancellation's */
        roost__scope_cancel(&n->scope, &(struct roost__cause){
            .kind = CAUSE_FAILURE, .code = -ECANCELED, .site = site, .by = t,
            .reason = "the body failed with a foreign -ECANCELED" });
}

static int verdict(roost_nursery *n, int result)
{
    if (n->s.verdict)
        return n->s.verdict;
    if (n->s.foreign || n->s.cut_outside)
        return -ECANCELED;
    if (n->s.cut_deadline) {
        n->scope.caught = 1;
        return -ETIMEDOUT;
    }
    if (n->s.cut_by_hand)
        n->scope.caught = 1;
    return result == -ECANCELED ? 0 : result;
}

static void end_scopes(roost_nursery *n)
{
    if (n->s.has_services)
        roost__scope_unlink(&n->services);
    roost__scope_end(&n->scope);
}

int roost_nursery_close_at(roost_nursery *n, int result, const char *site)
{
    roost_task *t = roost__waiter("roost_nursery_close");

    roost__scope_need_innermost(t, &n->scope, "roost_nursery_close", site);
    n->close_site = site;
    take_body(n, t, &result, site);
    join(n, t, ROOST__PLACE);
    result = verdict(n, result);
    end_scopes(n);
    if (n->s.error) {
        roost__error_drop(t->rt, t->links.errors);
        t->links.errors = n->s.error;
    }
    return result;
}

/* ---- the guard ---- */

/* A failure that a guard found belongs to the nearest open nursery of the same
 * task, else to the task (N5). */
static void keep(roost_task *t, int code, roost_error *e)
{
    roost_scope *s = t->scope;
    roost_nursery *n = NULL;
    int *kept = &t->s.kept;
    roost_error **kept_error = &t->links.kept_error;

    for (; s != &t->base && !n; s = s->parent)
        if (s->kind == SCOPE_NURSERY)
            n = ROOST__CONTAINER(s, roost_nursery, scope);
    if (n) {
        kept = &n->s.kept;
        kept_error = &n->s.kept_error;
    }
    if (*kept) {
        roost__error_beside(t->rt, *kept_error, e);
        return;
    }
    *kept = code;
    *kept_error = e;
}

static void say_left(const roost_nursery *n, bool leaked)
{
    const char *site = n->scope.site;

    if (!roost__first_time(site))
        return;
    if (leaked)
        roost__say("the nursery opened at %s was cancelled and its block left "
                   "without close: its -ECANCELED leaks; return "
                   "roost_nursery_close(n, r)", roost__place(site));
    else
        roost__say("the nursery opened at %s was left without close: children "
                   "cancelled; return roost_nursery_close(n, r) on every path",
                   roost__place(site));
}

/* What the guard must not lose: a failure, its own or one kept for it. */
static int found(roost_nursery *n, roost_task *t, roost_error **ret_error)
{
    if (n->s.verdict && n->s.kept)
        roost__error_beside(t->rt, n->s.error, n->s.kept_error);
    *ret_error = n->s.verdict ? n->s.error : n->s.kept_error;
    if (n->s.verdict || n->s.kept)
        return n->s.verdict ? n->s.verdict : n->s.kept;
    if (!n->s.cut_deadline)
        return 0;
    *ret_error = roost__error_new(t, -ETIMEDOUT, n->scope.site,
                                  "the nursery's deadline passed");
    return -ETIMEDOUT;
}

void roost_nursery_guard(roost_nursery *n)
{
    roost_task *t = roost__self();
    bool leaked, abandoned;
    roost_error *e;
    int code;

    if (!t || !roost__scope_open(&n->scope) ||
        !roost__scope_is_ours(t, &n->scope))
        return;
    roost__scope_need_innermost(t, &n->scope, "the end of a block with a "
                                "nursery", n->scope.site);
    t->rt->guards_acted++;
    leaked = n->scope.cause == CAUSE_HAND || n->scope.cause == CAUSE_DEADLINE;
    abandoned = n->s.count > 0 && !n->scope.effective;
    n->close_site = n->scope.site;
    roost__scope_cancel(&n->scope, &(struct roost__cause){
        .kind = CAUSE_GUARD, .site = n->scope.site, .by = t,
        .reason = "its block was left without close" });
    join(n, t, ROOST__PLACE);
    code = found(n, t, &e);
    end_scopes(n);
    if (code)
        keep(t, code, e);
    if (leaked)
        t->links.leak_site = n->scope.site;
    if (code || abandoned || leaked)
        say_left(n, leaked && !code && !abandoned);
}

/* ---- small questions ---- */

void roost_nursery_cancel_at(roost_nursery *n, const char *reason,
                             const char *site)
{
    roost_scope_cancel_at(&n->scope, reason, site);
}

roost_scope *roost_nursery_scope(roost_nursery *n)
{
    return &n->scope;
}

size_t roost_nursery_count(const roost_nursery *n)
{
    return n->s.count;
}
