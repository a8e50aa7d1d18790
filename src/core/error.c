/* error.c - words for failures: a pool of records, chains and trees of them.
 *
 * Owns:     the pool of a runtime, made at its start.
 * Promises: nothing allocates after that; codes are never lost, words are when
 *           the pool is full (R2); no record is overwritten by a later one.
 * Never:    decides a verdict.
 */
#include "core/error.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "core/task.h"

#define RECORDS 128
#define CHAIN_MAX 8
#define BESIDE_MAX 8

struct roost__errors {
    roost_error *free; /* were used, and given back */
    size_t used;       /* those behind it have never been */
    roost_error records[RECORDS];
};

int roost__errors_init(struct roost_rt *rt)
{
    rt->errors = rt->sys->alloc(sizeof *rt->errors);
    if (!rt->errors)
        return -ENOMEM;
    rt->errors->free = NULL;
    rt->errors->used = 0;
    return 0;
}

void roost__errors_done(struct roost_rt *rt)
{
    rt->sys->free(rt->errors);
}

static roost_error *take_free(struct roost_rt *rt)
{
    struct roost__errors *pool = rt->errors;
    roost_error *e = pool->free;

    if (!e && pool->used == RECORDS)
        return NULL;
    if (e)
        pool->free = e->older;
    else
        e = &pool->records[pool->used++];
    e->older = e->also = e->next = NULL;
    e->beside = e->lost = 0;
    return e;
}

static roost_error *vnew(const roost_task *t, int code, const char *site,
                         const char *fmt, va_list args)
{
    roost_error *e = take_free(t->rt);

    if (!e)
        return NULL;
    e->code = code;
    e->site = site;
    roost__task_path(t, e->path, sizeof e->path);
    if (vsnprintf(e->text, sizeof e->text, fmt, args) < 0)
        e->text[0] = '\0';
    return e;
}

roost_error *roost__error_new(const roost_task *t, int code, const char *site,
                              const char *fmt, ...)
{
    va_list args;
    roost_error *e;

    va_start(args, fmt);
    e = vnew(t, code, site, fmt, args);
    va_end(args);
    return e;
}

/* Trees are as deep as nurseries nest, and hold RECORDS nodes at most; each
 * step takes one node off, so no stack is needed: a node's lists are spliced
 * into one before it goes. */
void roost__error_drop(struct roost_rt *rt, roost_error *e)
{
    while (e) {
        roost_error *rest = e->older, **end;

        for (end = &rest; *end; end = &(*end)->older)
            ;
        *end = e->also;
        while (*end) {
            roost_error *sibling = (*end)->next;

            for (; *end; end = &(*end)->older)
                ;
            *end = sibling;
        }
        e->older = rt->errors->free;
        rt->errors->free = e;
        e = rest;
    }
}

roost_error *roost__error_take(roost_task *t, int code)
{
    roost_error *e = t->links.errors;

    t->links.errors = NULL;
    if (e && e->code == code)
        return e;
    roost__error_drop(t->rt, e);
    return roost__error_new(t, code, t->site, "%s", "");
}

void roost__error_beside(struct roost_rt *rt, roost_error *to, roost_error *e)
{
    roost_error **end;

    if (to && e && to->beside < BESIDE_MAX) {
        for (end = &to->also; *end; end = &(*end)->next)
            ;
        *end = e;
        to->beside++;
        return;
    }
    if (to)
        to->lost++;
    roost__error_drop(rt, e);
}

static int chain_length(const roost_error *e)
{
    int n = 0;

    for (; e; e = e->older)
        n++;
    return n;
}

static void append(roost_task *t, roost_error *e)
{
    if (!e)
        return;
    if (t->links.errors && t->links.errors->code != e->code) {
        roost__error_drop(t->rt, t->links.errors);
        t->links.errors = NULL;
    }
    if (chain_length(t->links.errors) == CHAIN_MAX) {
        t->links.errors->lost++;
        roost__error_drop(t->rt, e);
        return;
    }
    e->older = t->links.errors;
    t->links.errors = e;
}

int roost__fail(const char *site, int code, const char *fmt, va_list args)
{
    roost_task *t = roost__self();

    ROOST_USAGE(code < 0, "roost_fail at %s was given %d; a failure is a "
                "negative errno: roost_fail(-EIO, ...)", roost__place(site),
                code);
    if (t)
        append(t, vnew(t, code, site, fmt, args));
    return code;
}

int roost_fail_at(const char *site, int code, const char *fmt, ...)
{
    va_list args;
    int r;

    va_start(args, fmt);
    r = roost__fail(site, code, fmt, args);
    va_end(args);
    return r;
}

const roost_error *roost_error_of(int r)
{
    roost_task *t = roost__self();

    return t && t->links.errors && t->links.errors->code == r ? t->links.errors : NULL;
}
