/* why.c - why something is cancelled: the chain of scopes, inside out. */
#include <roost/scope.h>

#include <string.h>

#include "core/rt.h"
#include "core/sched.h"
#include "core/scope.h"

static const char *cause_text(const roost_scope *s)
{
    switch (s->cause) {
    case CAUSE_HAND:
        return "by hand";
    case CAUSE_DEADLINE:
        return "its deadline passed";
    case CAUSE_FAILURE:
        return "a failure in it";
    case CAUSE_CLOSE:
        return "its nursery closed";
    default:
        return "its block was left without close";
    }
}

static void print_origin(FILE *out, const roost_scope *s, roost_time now)
{
    fprintf(out, "%s entered at %s was cancelled: %s",
            s->kind == SCOPE_TASK ? "task"
            : s->kind == SCOPE_NURSERY ? "nursery" : "scope",
            roost__place(s->site), cause_text(s));
    if (s->cause == CAUSE_FAILURE)
        fprintf(out, " (%s)", strerror(-s->code));
    fprintf(out, ", at %s", roost__place(s->cancel_site));
    if (s->by[0])
        fprintf(out, ", by %s", s->by);
    if (s->cause == CAUSE_HAND)
        fprintf(out, ": \"%s\"", s->reason ? s->reason : "");
    fprintf(out, ", %.3f ms ago\n",
            (double)(now - s->cancelled_at) * 1e-6);
}

void roost_why(FILE *out, const roost_scope *s)
{
    struct roost_rt *rt = roost__rt;
    roost_task *t = roost__self();
    roost_time now = rt ? roost__sched_now(rt) : 0;
    bool any = false;

    if (!s && t)
        s = t->scope;
    if (s && !roost__scope_open(s) && s->cause != CAUSE_NONE) {
        print_origin(out, s, now);
        return;
    }
    for (; s && s->effective; s = s->parent) {
        if (s->cause != CAUSE_NONE) {
            print_origin(out, s, now);
            any = true;
        } else if (s->kind == SCOPE_SHIELD && s->used_up) {
            fprintf(out, "the shield entered at %s is used up\n",
                    roost__place(s->site));
        }
    }
    if (!any)
        fputs("not cancelled\n", out);
}
