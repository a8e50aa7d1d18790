/* tree_json.c - the tree of all tasks and scopes, for programs.
 *
 * Promises: valid JSON (RFC 8259) whatever names users give; allocates nothing and
 *           does not recurse, like tree.c.
 *
 * An object for every scope, in preorder; who ends a line of descent closes the
 * objects of all that end with it.
 */
#include <roost/trace.h>

#include <inttypes.h>
#include <string.h>

#include "inspect/tree.h"
#include "core/sched.h"
#include "core/task.h"

/* ---- values ---- */

/* Bytes of the character at s, as RFC 3629 has it; 0: it is none. */
static int character(const unsigned char *s)
{
    unsigned char lowest = 0x80, highest = 0xbf;
    int bytes = s[0] < 0x80   ? 1
                : s[0] < 0xc2 ? 0
                : s[0] < 0xe0 ? 2
                : s[0] < 0xf0 ? 3
                : s[0] < 0xf5 ? 4
                              : 0, i;

    if (s[0] == 0xe0)
        lowest = 0xa0; /* shorter forms exist */
    if (s[0] == 0xed)
        highest = 0x9f; /* halves of UTF-16's pairs */
    if (s[0] == 0xf0)
        lowest = 0x90;
    if (s[0] == 0xf4)
        highest = 0x8f; /* beyond U+10FFFF */
    for (i = 1; i < bytes; i++, lowest = 0x80, highest = 0xbf)
        if (s[i] < lowest || s[i] > highest)
            return 0;
    return bytes;
}

static void put_string(FILE *out, const char *text)
{
    const unsigned char *s = (const void *)text;
    int bytes;

    fputc('"', out);
    for (; *s; s += bytes ? bytes : 1) {
        bytes = character(s);
        if (bytes == 0)
            fputs("\\ufffd", out);
        else if (*s < 0x20 || *s == 0x7f)
            fprintf(out, "\\u%04x", *s);
        else if (*s == '"' || *s == '\\')
            fprintf(out, "\\%c", *s);
        else
            fwrite(s, 1, (size_t)bytes, out);
    }
    fputc('"', out);
}

/* ,"key":"text", or nothing where there is no text. */
static void put_text(FILE *out, const char *key, const char *text)
{
    if (!text)
        return;
    fprintf(out, ",\"%s\":", key);
    put_string(out, text);
}

static void put_number(FILE *out, const char *key, int64_t number)
{
    fprintf(out, ",\"%s\":%" PRId64, key, number);
}

static void put_bool(FILE *out, const char *key, bool value)
{
    fprintf(out, ",\"%s\":%s", key, value ? "true" : "false");
}

/* ---- what a scope has to say ---- */

static void put_wait(FILE *out, const roost_task *t, roost_time now)
{
    char place[160];

    fputs(",\"wait\":{\"what\":", out);
    put_string(out, t->wait_what);
    roost__wait_place(t, place, sizeof place);
    put_text(out, "place", place);
    put_number(out, "since_ns", now - t->wait_since);
    put_bool(out, "idle", t->s.parked_idle);
    put_bool(out, "abortable", t->abort != NULL);
    if (t->timer.where)
        put_number(out, "left_ns", t->timer.at - now);
    fputc('}', out);
}

static void put_task(FILE *out, const roost_task *t, roost_time now)
{
    bool waits = roost__is_parked(t);
    char path[256];

    put_text(out, "name", !t->parent ? "main" : t->name ? t->name : "task");
    put_number(out, "id", (int64_t)t->id);
    roost__task_path(t, path, sizeof path);
    put_text(out, "path", path);
    if (t->links.start)
        put_bool(out, "starting", true);
    put_text(out, "state", waits                   ? "waits"
                           : t == t->rt->current ? "runs"
                                                   : "ready");
    if (waits)
        put_wait(out, t, now);
}

static void put_nursery(FILE *out, const roost_scope *s)
{
    const roost_nursery *n = (const roost_nursery *)(const void *)s;

    put_text(out, "name", n->o.name);
    put_number(out, "count", (int64_t)n->s.count);
    put_bool(out, "closing", n->s.closing);
}

static void put_shield(FILE *out, const roost_scope *s, roost_time now)
{
    put_bool(out, "used_up", s->used_up);
    if (!s->used_up && s->pierce_at != ROOST_NEVER)
        put_number(out, "left_ns", s->pierce_at - now);
}

static void put_cancel(FILE *out, const roost_scope *s)
{
    static const char *const causes[] = { "", "hand", "deadline", "failure",
                                          "close", "guard" };

    if (s->cause == CAUSE_NONE)
        return;
    fprintf(out, ",\"cancelled\":{\"kind\":\"%s\"", causes[s->cause]);
    put_text(out, "site", roost__place(s->cancel_site));
    put_text(out, "reason", s->reason);
    put_text(out, "by", s->by[0] ? s->by : NULL);
    if (s->code)
        put_number(out, "code", s->code);
    fputc('}', out);
}

/* All but the bracket at the end, and the children. */
static void put_scope(FILE *out, const roost_scope *s, roost_time now)
{
    static const char *const kinds[] = { "scope", "shield", "nursery", "services",
                                         "task" };

    fprintf(out, "{\"kind\":\"%s\"", kinds[s->kind]);
    if (s->kind == SCOPE_TASK)
        put_task(out, s->task, now);
    else if (s->kind == SCOPE_NURSERY)
        put_nursery(out, s);
    else if (s->kind == SCOPE_SHIELD)
        put_shield(out, s, now);
    if (s->kind != SCOPE_SERVICES)
        put_text(out, "site", roost__place(s->kind == SCOPE_TASK ? s->task->site
                                                                 : s->site));
    if (s->cause == CAUSE_NONE && s->deadline != ROOST_NEVER)
        put_number(out, "deadline_left_ns", s->deadline - now);
    put_cancel(out, s->cause != CAUSE_NONE ? s : roost__told_by(s));
    if (s->stop != STOP_NOT)
        put_text(out, "stop", roost__stop_names[s->stop]);
    fputs(",\"children\":[", out);
}

/* A root's scope, and all in it. */
static void put_root(FILE *out, const roost_scope *top, roost_time now)
{
    const roost_scope *s = top->first;

    while (s) {
        put_scope(out, s, now);
        if (s->first) {
            s = s->first;
            continue;
        }
        for (fputs("]}", out); !s->next && s->parent != top; fputs("]}", out))
            s = s->parent;
        if (s->next)
            fputc(',', out);
        s = s->next;
    }
}

void roost_tree_json(FILE *out)
{
    struct roost_rt *rt = roost__rt;
    const roost_root *root;
    roost_time now;
    bool some = false;

    if (!rt) {
        fputs("{\"kind\":\"none\"}\n", out);
        return;
    }
    now = roost__sched_now(rt);
    fputs("{\"kind\":\"run\"", out);
    put_text(out, "site", roost__place(rt->site));
    put_number(out, "tasks", (int64_t)rt->tasks);
    fputs(",\"children\":[", out);
    for (root = rt->roots; root; root = root->next) {
        fputs(some && root->scope.first ? "," : "", out);
        some = some || root->scope.first;
        put_root(out, &root->scope, now);
    }
    fputs("]}\n", out);
    fflush(out);
}
