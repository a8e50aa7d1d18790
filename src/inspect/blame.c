/* blame.c - who has not ended, and what holds them.
 *
 * Promises: allocates nothing and does not recurse; reads only what is alive.
 *
 * Tasks come in preorder, parents before their children, a paragraph each. The
 * task that entered the scope is in it, and comes first.
 */
#include <roost/stop.h>

#include <inttypes.h>
#include <string.h>

#include "core/park.h"
#include "core/scope.h"
#include "core/task.h"
#include "inspect/backtrace.h"
#include "inspect/blame.h"
#include "inspect/place.h"
#include "inspect/tree.h"

enum { TOLD_MAX = 8 };

struct report {
    FILE *out;
    roost_time now;
    const void *place; /* who asks: of the running task */
    size_t count, most; /* of them so many are told of */
    struct {
        struct roost__backtrace b;
        uint64_t id;
    } told[TOLD_MAX]; /* the last ones: a crowd stands at few places */
    size_t told_count;
};

static void print_head(const struct report *r, const roost_task *t)
{
    char path[160];

    roost__task_path(t, path, sizeof path);
    fprintf(r->out, "%s%s, %s at %s\n    ", path,
            t->s.service ? " (service)" : "", t->parent ? "spawned" : "begun",
            roost__place(t->site));
    if (t->links.start)
        fputs("starting, ", r->out);
    if (t->s.fresh)
        fputs("has not run", r->out);
    else if (roost__is_parked(t))
        roost__print_wait(r->out, t, r->now);
    else
        fputs(t == t->rt->current ? "running" : "ready", r->out);
    if (roost__is_parked(t) && !t->abort)
        fputs("; it cannot be cancelled", r->out);
    fputc('\n', r->out);
}

static void print_shield(const struct report *r, const roost_scope *s)
{
    fprintf(r->out, "    shield entered at %s, ", roost__place(s->site));
    if (s->used_up) {
        fputs("used up\n", r->out);
    } else if (s->pierce_at == ROOST_NEVER && s->budget == ROOST_NEVER) {
        fputs("unbounded\n", r->out);
    } else {
        roost__print_duration(r->out, s->pierce_at == ROOST_NEVER
                                          ? s->budget : s->pierce_at - r->now);
        fputs(" left\n", r->out);
    }
}

/* Those outside `scope` hold off what comes from outside it. */
static void print_shields(const struct report *r, const roost_task *t,
                          const roost_scope *scope)
{
    const roost_scope *s;

    for (s = t->scope; s && s != scope; s = s->parent)
        if (s->kind == SCOPE_SHIELD)
            print_shield(r, s);
}

static void print_refused(const struct report *r, const roost_task *t)
{
    char place[160];

    if (!t->links.refused_place)
        return;
    roost__place_of(t->links.refused_place, place, sizeof place);
    fprintf(r->out, "    refused %" PRIu32 " wait%s since it was cancelled, last "
            "in %s\n", t->refused, t->refused == 1 ? "" : "s", place);
}

/* The task that was told of with the same backtrace, or 0. */
static uint64_t same_as(const struct report *r, const struct roost__backtrace *b)
{
    size_t i;

    for (i = 0; i < r->told_count && i < TOLD_MAX; i++)
        if (b->count == r->told[i].b.count && b->whole == r->told[i].b.whole &&
            !memcmp(b->frames, r->told[i].b.frames,
                    b->count * sizeof b->frames[0]))
            return r->told[i].id;
    return 0;
}

static void print_backtrace(struct report *r, const roost_task *t)
{
    size_t next = r->told_count % TOLD_MAX;
    struct roost__backtrace b;
    uint64_t same;

    if (t->s.fresh)
        return;
    roost__backtrace_take(&b, t,
                          t == t->rt->current ? r->place : t->wait_place);
    same = b.count > 1 ? same_as(r, &b) : 0;
    if (same) {
        fprintf(r->out, "    (backtrace as of #%" PRIu64 ")\n", same);
        return;
    }
    roost__backtrace_print(r->out, &b);
    r->told[next].b = b;
    r->told[next].id = t->id;
    r->told_count++;
}

static void print_task(struct report *r, const roost_task *t,
                       const roost_scope *scope)
{
    if (r->count++ >= r->most)
        return;
    print_head(r, t);
    print_shields(r, t, scope);
    print_refused(r, t);
    print_backtrace(r, t);
}

static bool is_in(const roost_scope *s, const roost_scope *scope)
{
    while (s && s != scope)
        s = s->parent;
    return s != NULL;
}

static void print_scope(struct report *r, const roost_scope *scope)
{
    const roost_scope *s = scope;

    if (!roost__scope_open(scope))
        return;
    if (!is_in(&scope->task->base, scope))
        print_task(r, scope->task, scope);
    for (; s && is_in(s, scope); s = roost__scope_following(s))
        if (s->kind == SCOPE_TASK)
            print_task(r, s->task, scope);
}

static size_t print_all(FILE *out, const roost_scope *scope, size_t most,
                        const void *place)
{
    struct roost_rt *rt = roost__rt;
    struct report r;
    const roost_root *root;

    if (!rt) {
        fputs("(no roost run in this thread)\n", out);
        return 0;
    }
    r.out = out;
    r.now = roost__sched_now(rt);
    r.place = place;
    r.most = most;
    r.count = r.told_count = 0;
    if (scope)
        print_scope(&r, scope);
    for (root = rt->roots; root && !scope; root = root->next)
        if (!root->finished)
            print_scope(&r, &root->scope);
    if (r.count > most)
        fprintf(out, "and %zu more\n", r.count - most);
    fflush(out);
    return r.count;
}

size_t roost__blame_print(FILE *out, const roost_scope *scope, size_t most)
{
    return print_all(out, scope, most, NULL);
}

size_t roost_blame_print(FILE *out, const roost_scope *scope)
{
    return print_all(out, scope, SIZE_MAX, ROOST__PLACE);
}
