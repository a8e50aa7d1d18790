/* cases.c - mistakes that must not compile, each beside what was meant.
 *
 * A case is a name and, in the comment of the same line, what the compiler must
 * say (an extended regular expression; "clang:" before it when gcc has no word
 * for it). With GOOD the case must compile; without it it must not.
 */
#include <errno.h>
#include <roost.h>

struct other {
    int x;
};

struct fetch {
    const char *url;
    int *bytes;
};

struct pool {
    roost_child checker;
    int size;
};

ROOST_TASK(fetch)(struct fetch *a)
{
    return a->url && a->bytes ? 0 : -EINVAL;
}

ROOST_TASK_OF(struct pool, pool_checker)(struct pool *p)
{
    return p->size;
}

int plain_task(void *arg);
int int_task(int arg);
int fails_to_abort(roost_wait *w, void *arg);
bool agrees_to_abort(roost_wait *w, void *arg);

/* ---- typed spawns ---- */

#if defined ALL || defined go_field /* no member named|not refer to any field */
void go_field(roost_nursery *n, int *bytes)
{
#ifdef GOOD
    roost_go(n, fetch, .url = "x", .bytes = bytes);
#else
    roost_go(n, fetch, .uri = "x", .bytes = bytes);
#endif
}
#endif

#if defined ALL || defined go_type /* pointer from integer|integer to pointer */
void go_type(roost_nursery *n)
{
#ifdef GOOD
    roost_go(n, fetch, .url = "x");
#else
    roost_go(n, fetch, .url = 17);
#endif
}
#endif

#if defined ALL || defined go_pointer /* incompatible pointer type */
void go_pointer(roost_nursery *n, int *bytes, long *others)
{
    (void)bytes, (void)others;
#ifdef GOOD
    roost_go(n, fetch, .bytes = bytes);
#else
    roost_go(n, fetch, .bytes = others);
#endif
}
#endif

#if defined ALL || defined go_untyped /* roost_go_copy_plain_task */
void go_untyped(roost_nursery *n)
{
#ifdef GOOD
    roost_spawn(n, plain_task, NULL);
#else
    roost_go_copy(n, plain_task, &(struct other){ .x = 1 });
#endif
}
#endif

#if defined ALL || defined go_nursery /* incompatible pointer type */
void go_nursery(roost_nursery *n, roost_scope *s)
{
    (void)n, (void)s;
#ifdef GOOD
    roost_go(n, fetch, .url = "x");
#else
    roost_go(s, fetch, .url = "x");
#endif
}
#endif

#if defined ALL || defined go_copy_struct /* incompatible pointer type */
void go_copy_struct(roost_nursery *n, struct fetch a, struct other b)
{
    (void)a, (void)b;
#ifdef GOOD
    roost_go_copy(n, fetch, &a);
#else
    roost_go_copy(n, fetch, &b);
#endif
}
#endif

#if defined ALL || defined go_copy_value /* unary|indirection|incompatible type */
void go_copy_value(roost_nursery *n, struct fetch a)
{
#ifdef GOOD
    roost_go_copy(n, fetch, &a);
#else
    roost_go_copy(n, fetch, a);
#endif
}
#endif

#if defined ALL || defined go_on_object /* incompatible pointer type */
void go_on_object(roost_nursery *n, struct pool *p, struct other *o)
{
    (void)p, (void)o;
#ifdef GOOD
    roost_go_on(n, pool_checker, p);
#else
    roost_go_on(n, pool_checker, o);
#endif
}
#endif

#if defined ALL || defined go_on_const /* discards */
void go_on_const(roost_nursery *n, struct pool *p, const struct pool *fixed)
{
    (void)p, (void)fixed;
#ifdef GOOD
    roost_go_on(n, pool_checker, p, .service = true, .child = &p->checker);
#else
    roost_go_on(n, pool_checker, fixed, .service = true);
#endif
}
#endif

#if defined ALL || defined go_on_option /* no member named|not refer to any field */
void go_on_option(roost_nursery *n, struct pool *p)
{
#ifdef GOOD
    roost_go_on(n, pool_checker, p, .name = "checker", .stack_bytes = 65536);
#else
    roost_go_on(n, pool_checker, p, .copy_bytes = 7);
#endif
}
#endif

#if defined ALL || defined task_argument /* conflicting types */
struct job {
    int x;
};

#ifdef GOOD
ROOST_TASK(job)(struct job *a)
#else
ROOST_TASK(job)(struct other *a)
#endif
{
    return a->x;
}
#endif

#if defined ALL || defined task_result /* conflicting types */
struct quiet {
    int x;
};

/* A task has a result. */
#ifdef GOOD
ROOST_TASK(quiet)(struct quiet *a)
{
    return a->x;
}
#else
static void quiet(struct quiet *a);
ROOST_TASK(quiet)(struct quiet *a)
{
    return a->x;
}
#endif
#endif

/* ---- plain spawns ---- */

#if defined ALL || defined spawn_function /* incompatible (pointer type|function pointer) */
void spawn_function(roost_nursery *n)
{
#ifdef GOOD
    roost_spawn(n, plain_task, NULL);
#else
    roost_spawn(n, int_task, NULL);
#endif
}
#endif

#if defined ALL || defined spawn_nursery /* incompatible pointer type */
void spawn_nursery(roost_nursery *n)
{
#ifdef GOOD
    roost_spawn(n, plain_task, NULL);
#else
    roost_spawn(roost_nursery_scope(n), plain_task, NULL);
#endif
}
#endif

#if defined ALL || defined spawn_options /* no member named|not refer to any field */
void spawn_options(roost_nursery *n)
{
#ifdef GOOD
    const roost_spawn_options o = { .service = true };
#else
    const roost_spawn_options o = { .daemon = true };
#endif
    roost_spawn_with(n, plain_task, NULL, &o);
}
#endif

#if defined ALL || defined nursery_options /* no member named|not refer to any field */
int nursery_options(void)
{
#ifdef GOOD
    ROOST_NURSERY_WITH(n, .children_max = 3, .shed = true);
#else
    ROOST_NURSERY_WITH(n, .max_children = 3, .shed = true);
#endif
    return roost_nursery_close(n, 0);
}
#endif

#if defined ALL || defined close_without_verdict /* too few arguments */
int close_without_verdict(roost_nursery *n)
{
#ifdef GOOD
    return roost_nursery_close(n, 0);
#else
    return roost_nursery_close_at(n, ROOST_SITE);
#endif
}
#endif

#if defined ALL || defined close_a_scope /* incompatible pointer type */
int close_a_scope(roost_nursery *n)
{
#ifdef GOOD
    return roost_nursery_close(n, 0);
#else
    return roost_nursery_close(roost_nursery_scope(n), 0);
#endif
}
#endif

#if defined ALL || defined leave_a_nursery /* incompatible pointer type */
int leave_a_nursery(roost_scope *s, roost_nursery *n)
{
    (void)s, (void)n;
#ifdef GOOD
    return roost_scope_leave(s, 0);
#else
    return roost_scope_leave(n, 0);
#endif
}
#endif

/* ---- reasons are literals ---- */

#if defined ALL || defined reason_of_scope /* expected '\)' */
void reason_of_scope(roost_scope *s, const char *why)
{
    (void)why;
#ifdef GOOD
    roost_scope_cancel(s, "enough");
#else
    roost_scope_cancel(s, why);
#endif
}
#endif

#if defined ALL || defined reason_of_nursery /* expected '\)' */
void reason_of_nursery(roost_nursery *n, const char *why)
{
    (void)why;
#ifdef GOOD
    roost_nursery_cancel(n, "enough");
#else
    roost_nursery_cancel(n, why);
#endif
}
#endif

#if defined ALL || defined reason_of_child /* expected '\)' */
int reason_of_child(roost_child *c, const char *why)
{
    (void)why;
#ifdef GOOD
    return roost_child_end(c, "enough");
#else
    return roost_child_end(c, why);
#endif
}
#endif

#if defined ALL || defined reason_missing /* expected|too few */
void reason_missing(roost_scope *s)
{
#ifdef GOOD
    roost_scope_cancel(s, "enough");
#else
    roost_scope_cancel(s);
#endif
}
#endif

/* ---- words ---- */

#if defined ALL || defined fail_format /* format */
int fail_format(const char *path)
{
    (void)path;
#ifdef GOOD
    return roost_fail(-EIO, "reading %s", path);
#else
    return roost_fail(-EIO, "reading %s", 17);
#endif
}
#endif

#if defined ALL || defined fail_argument /* format */
int fail_argument(const char *path)
{
    (void)path;
#ifdef GOOD
    return roost_fail(-EIO, "reading %s", path);
#else
    return roost_fail(-EIO, "reading %s");
#endif
}
#endif

/* ---- channels, events, lots ---- */

#if defined ALL || defined send_value /* unary|indirection requires pointer */
int send_value(roost_chan *c, int item)
{
#ifdef GOOD
    return roost_chan_send(c, &item);
#else
    return roost_chan_send(c, item);
#endif
}
#endif

#if defined ALL || defined send_untyped /* void type */
int send_untyped(roost_chan *c, void *item)
{
#ifdef GOOD
    return (roost_chan_send)(c, item);
#else
    return roost_chan_send(c, item);
#endif
}
#endif

#if defined ALL || defined recv_const /* discards */
int recv_const(roost_chan *c, int *item, const int *fixed)
{
    (void)item, (void)fixed;
#ifdef GOOD
    return roost_chan_recv(c, item);
#else
    return roost_chan_recv(c, fixed);
#endif
}
#endif

#if defined ALL || defined wait_on_lot /* incompatible pointer type */
int wait_on_lot(roost_event *e)
{
#ifdef GOOD
    return roost_event_wait(e);
#else
    return roost_lot_wait(e);
#endif
}
#endif

#if defined ALL || defined abort_function /* incompatible (pointer type|function pointer) */
int abort_function(roost_wait *w)
{
#ifdef GOOD
    return roost_park(w, "a test", agrees_to_abort, NULL);
#else
    return roost_park(w, "a test", fails_to_abort, NULL);
#endif
}
#endif

/* ---- expressions and guards ---- */

#if defined ALL || defined within_nothing /* too few arguments|expected expression */
int within_nothing(void)
{
#ifdef GOOD
    return ROOST_WITHIN(ROOST_SEC(1), roost_checkpoint());
#else
    return ROOST_WITHIN(ROOST_SEC(1), );
#endif
}
#endif

#if defined ALL || defined within_no_result /* void|incompatible type */
int within_no_result(roost_chan *c)
{
    (void)c;
#ifdef GOOD
    return ROOST_WITHIN(ROOST_SEC(1), roost_checkpoint());
#else
    return ROOST_WITHIN(ROOST_SEC(1), roost_chan_close(c));
#endif
}
#endif

#if defined ALL || defined guard_twice /* redeclar|redefinition */
int guard_twice(void)
{
    ROOST_NURSERY(n);
#ifdef GOOD
    ROOST_NURSERY(m);
    (void)m;
#else
    ROOST_NURSERY(n);
#endif
    return roost_nursery_close(n, 0);
}
#endif

#if defined ALL || defined goto_over_guard /* clang: cannot jump */
int goto_over_guard(int x)
{
#ifndef GOOD
    if (x < 0)
        goto out;
#endif
    ROOST_NURSERY(n);
    x = roost_nursery_close(n, x);
#ifndef GOOD
out:
#endif
    return x;
}
#endif
