/* tree.c - the tree of all tasks and scopes, drawn.
 *
 * Promises: allocates nothing and does not recurse, so it can be printed when
 *           everything else has gone wrong; reads only what is alive.
 *
 * A line for every scope: a task is its base scope. The lines come in preorder;
 * the strokes at the left are found by asking each ancestor whether a sibling
 * follows.
 */
#include <roost/trace.h>

#include <inttypes.h>
#include <string.h>

#include "inspect/place.h"
#include "core/rt.h"
#include "core/scope.h"
#include "core/sched.h"
#include "core/task.h"

#define DEPTH_MAX 40

static void print_duration(FILE *out, roost_time ns)
{
    if (ns < 0)
        ns = 0;
    if (ns < ROOST_SEC(1))
        fprintf(out, "%.1f ms", (double)ns * 1e-6);
    else if (ns < ROOST_SEC(600))
        fprintf(out, "%.1f s", (double)ns * 1e-9);
    else
        fprintf(out, "%.1f min", (double)ns * 1e-9 / 60);
}

static int depth_of(const roost_scope *s)
{
    int depth = 0;

    for (s = s->parent; s && s->parent; s = s->parent)
        depth++;
    return depth;
}

/* "|  |  `- ": the ancestors outside in. */
static void print_strokes(FILE *out, const roost_scope *s)
{
    const roost_scope *line[DEPTH_MAX];
    int depth = depth_of(s), shown = 0, i;

    for (i = 0; i < depth; i++, s = s->parent)
        if (i < DEPTH_MAX)
            line[shown++] = s;
    if (depth > DEPTH_MAX)
        fprintf(out, "(%d levels) ", depth - DEPTH_MAX);
    for (i = shown; i-- > 1;)
        fputs(line[i]->next ? "|  " : "   ", out);
    if (shown)
        fputs(line[0]->next ? "|- " : "`- ", out);
}

static void print_cancel(FILE *out, const roost_scope *s)
{
    static const char *const causes[] = {
        "", "by hand", "by its deadline", "by a failure", "by its close",
        "by its guard" };

    if (s->cause != CAUSE_NONE)
        fprintf(out, ", cancelled %s at %s", causes[s->cause],
                roost__place(s->cancel_site));
}

static void print_deadline(FILE *out, const roost_scope *s, roost_time now)
{
    if (s->cause != CAUSE_NONE || s->deadline == ROOST_NEVER)
        return;
    fputs(", ", out);
    print_duration(out, s->deadline - now);
    fputs(" left", out);
}

static void print_shield(FILE *out, const roost_scope *s, roost_time now)
{
    fprintf(out, "shield %s", roost__place(s->site));
    if (s->used_up) {
        fputs(", used up", out);
    } else if (s->pierce_at != ROOST_NEVER) {
        fputs(", holds for ", out);
        print_duration(out, s->pierce_at - now);
    } else if (s->budget == ROOST_NEVER) {
        fputs(", unbounded", out);
    }
}

static void print_nursery(FILE *out, const roost_scope *s)
{
    const roost_nursery *n = (const roost_nursery *)(const void *)s;

    fprintf(out, "nursery %s%s%s, %zu %s%s", n->o.name ? n->o.name : "",
            n->o.name ? " " : "", roost__place(s->site), n->s.count,
            n->s.count == 1 ? "child" : "children",
            n->s.closing ? ", closing" : "");
}

/* A wait that was the last call of the task's function has no frame of that
 * function any more: its name says where. */
static void place_of_wait(const roost_task *t, char *place, size_t bytes)
{
    static const char bottom[] = "task_life+";

    roost__place_of(t->wait_place, place, bytes);
    if (!strncmp(place, bottom, sizeof bottom - 1))
        roost__place_of((void *)(uintptr_t)t->fn, place, bytes);
}

static void print_wait(FILE *out, const roost_task *t, roost_time now)
{
    char place[160];

    place_of_wait(t, place, sizeof place);
    fprintf(out, ", waits for %s%s%s in %s, ", t->wait_what,
            t->s.parked_idle ? " (idle)" : "",
            t->abort ? "" : " (to the end)", place);
    print_duration(out, now - t->wait_since);
    fputs(" so far", out);
    if (t->timer.where) {
        fputs(", ", out);
        print_duration(out, t->timer.at - now);
        fputs(" left", out);
    }
}

static void print_task(FILE *out, const roost_task *t, roost_time now)
{
    if (t->parent)
        fprintf(out, "%s#%" PRIu64 " %s", t->name ? t->name : "task", t->id,
                roost__place(t->site));
    else
        fprintf(out, "main %s", roost__place(t->site));
    if (t->links.start)
        fputs(", starting", out);
    if (t->s.wait && t->s.wait->state == WAIT_PARKED)
        print_wait(out, t, now);
    else
        fputs(t == t->rt->current ? ", running" : ", ready", out);
}

static void print_scope(FILE *out, const roost_scope *s, roost_time now)
{
    print_strokes(out, s);
    if (s->kind == SCOPE_TASK)
        print_task(out, s->task, now);
    else if (s->kind == SCOPE_NURSERY)
        print_nursery(out, s);
    else if (s->kind == SCOPE_SHIELD)
        print_shield(out, s, now);
    else if (s->kind == SCOPE_SERVICES)
        fputs("services", out);
    else
        fprintf(out, "scope %s", roost__place(s->site));
    print_deadline(out, s, now);
    print_cancel(out, s);
    fputc('\n', out);
}

void roost_tree_print(FILE *out)
{
    struct roost_rt *rt = roost__rt;
    const roost_root *root;
    const roost_scope *s;
    roost_time now;

    if (!rt) {
        fputs("(no roost run in this thread)\n", out);
        return;
    }
    now = roost__sched_now(rt);
    for (root = rt->roots; root; root = root->next)
        for (s = root->scope.first; s; s = roost__scope_following(s))
            print_scope(out, s, now);
    fflush(out);
}
