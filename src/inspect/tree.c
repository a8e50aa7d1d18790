/* tree.c - the tree of all tasks and scopes, drawn.
 *
 * Promises: allocates nothing and does not recurse, so it can be printed when
 *           everything else has gone wrong; reads only what is alive.
 * Colours:  on a terminal only, and neither with NO_COLOR nor TERM=dumb: waits are
 *           dim, idle ones green, what is cancelled red.
 *
 * A line for every scope: a task is its base scope. The lines come in preorder;
 * the strokes at the left are found by asking each ancestor whether a sibling
 * follows.
 */
#include <roost/trace.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inspect/place.h"
#include "inspect/tree.h"
#include "core/scope.h"
#include "core/sched.h"

#define DEPTH_MAX 40

/* What is drawn on. */
struct page {
    FILE *out;
    roost_time now;
    bool colours;
};

#define PLAIN "0"
#define DIM "2"
#define RED "31"
#define GREEN "32"

const char *const roost__stop_names[] = { "", "soft", "hard", "pierced" };

static bool wants_colours(FILE *out)
{
    const char *never = getenv("NO_COLOR"), *term = getenv("TERM");

    return !(never && *never) && term && strcmp(term, "dumb") &&
           isatty(fileno(out));
}

static void ink(const struct page *p, const char *colour)
{
    if (p->colours)
        fprintf(p->out, "\033[%sm", colour);
}

void roost__print_duration(FILE *out, roost_time ns)
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

static void print_cancel(const struct page *p, const roost_scope *s)
{
    static const char *const causes[] = {
        "", "by hand", "by its deadline", "by a failure", "by its close",
        "by its guard" };

    if (s->cause == CAUSE_NONE)
        return;
    ink(p, RED);
    fprintf(p->out, ", cancelled %s at %s", causes[s->cause],
            roost__place(s->cancel_site));
    ink(p, PLAIN);
}

static void print_deadline(const struct page *p, const roost_scope *s)
{
    if (s->cause != CAUSE_NONE || s->deadline == ROOST_NEVER)
        return;
    fputs(", ", p->out);
    roost__print_duration(p->out, s->deadline - p->now);
    fputs(" left", p->out);
}

static void print_stop(const struct page *p, const roost_scope *s)
{
    if (s->has_stop)
        fprintf(p->out, ", stopping (%s)", roost__stop_names[s->stop]);
}

static void print_shield(const struct page *p, const roost_scope *s)
{
    fprintf(p->out, "shield %s", roost__place(s->site));
    if (s->used_up) {
        fputs(", used up", p->out);
    } else if (s->pierce_at != ROOST_NEVER) {
        fputs(", holds for ", p->out);
        roost__print_duration(p->out, s->pierce_at - p->now);
    } else if (s->budget == ROOST_NEVER) {
        fputs(", unbounded", p->out);
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
void roost__wait_place(const roost_task *t, char *place, size_t bytes)
{
    static const char bottom[] = "task_life+";

    roost__place_of(t->wait_place, place, bytes);
    if (!strncmp(place, bottom, sizeof bottom - 1))
        roost__place_of((void *)(uintptr_t)t->fn, place, bytes);
}

void roost__print_wait(FILE *out, const roost_task *t, roost_time now)
{
    char place[160];

    roost__wait_place(t, place, sizeof place);
    fprintf(out, "waits for %s%s%s in %s, ", t->wait_what,
            t->s.parked_idle ? " (idle)" : "",
            t->abort ? "" : " (to the end)", place);
    roost__print_duration(out, now - t->wait_since);
    fputs(" so far", out);
    if (t->timer.where) {
        fputs(", ", out);
        roost__print_duration(out, t->timer.at - now);
        fputs(" left", out);
    }
}

static void print_task(const struct page *p, const roost_task *t)
{
    if (t->parent)
        fprintf(p->out, "%s#%" PRIu64 " %s", t->name ? t->name : "task", t->id,
                roost__place(t->site));
    else
        fprintf(p->out, "main %s", roost__place(t->site));
    if (t->links.start)
        fputs(", starting", p->out);
    if (roost__is_parked(t)) {
        ink(p, t->s.parked_idle ? GREEN : DIM);
        fputs(", ", p->out);
        roost__print_wait(p->out, t, p->now);
        ink(p, PLAIN);
    } else {
        fputs(t == t->rt->current ? ", running" : ", ready", p->out);
    }
}

static void print_scope(const struct page *p, const roost_scope *s)
{
    print_strokes(p->out, s);
    if (s->kind == SCOPE_TASK)
        print_task(p, s->task);
    else if (s->kind == SCOPE_NURSERY)
        print_nursery(p->out, s);
    else if (s->kind == SCOPE_SHIELD)
        print_shield(p, s);
    else if (s->kind == SCOPE_SERVICES)
        fputs("services", p->out);
    else
        fprintf(p->out, "scope %s", roost__place(s->site));
    print_deadline(p, s);
    print_cancel(p, s->cause != CAUSE_NONE ? s : roost__told_by(s));
    print_stop(p, roost__told_by(s));
    fputc('\n', p->out);
}

void roost_tree_print(FILE *out)
{
    struct roost_rt *rt = roost__rt;
    struct page p = { .out = out, .colours = wants_colours(out) };
    const roost_root *root;
    const roost_scope *s;

    if (!rt) {
        fputs("(no roost run in this thread)\n", out);
        return;
    }
    p.now = roost__sched_now(rt);
    for (root = rt->roots; root; root = root->next)
        for (s = root->scope.first; s; s = roost__scope_following(s))
            print_scope(&p, s);
    fflush(out);
}
