/* plain.c - the functions behind the macros that record a place.
 *
 * roost_spawn(n, fn, arg) in C is a macro over roost_spawn_at(..., "file:line").
 * Bindings, and whoever takes an address, need a function of that name: it is
 * the same call from a place not given.
 */
#include <roost.h>

#include <stdarg.h>

#include "core/error.h"

int (roost_run)(roost_task_fn *fn, void *arg)
{
    return roost_run_at(fn, arg, NULL);
}

int (roost_run_with)(const roost_options *o, roost_task_fn *fn, void *arg)
{
    return roost_run_with_at(o, fn, arg, NULL);
}

roost_root *(roost_attach)(struct ev_loop *loop, roost_task_fn *fn, void *arg,
                           void (*done)(int result, void *done_arg),
                           void *done_arg)
{
    return roost_attach_at(loop, fn, arg, done, done_arg, NULL);
}

void (roost_root_cancel)(roost_root *root, const char *reason)
{
    roost_root_cancel_at(root, reason, NULL);
}

int (roost_stop)(roost_scope *scope, const roost_stop_budget *budget)
{
    return roost_stop_at(scope, budget, NULL);
}

roost_portal *(roost_portal_open)(roost_scope *s)
{
    return roost_portal_open_at(s, NULL);
}

int (roost_portal_run)(roost_portal *p, roost_nursery *n, roost_task_fn *fn,
                       void *arg)
{
    return roost_portal_run_at(p, n, fn, arg, NULL);
}

int (roost_portal_cancel)(roost_portal *p, const char *reason)
{
    return roost_portal_cancel_at(p, reason, NULL);
}

int (roost_fail)(int code, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    code = roost__fail(NULL, code, fmt, args);
    va_end(args);
    return code;
}

void (roost_scope_enter)(roost_scope *s, roost_time deadline)
{
    roost_scope_enter_at(s, deadline, NULL);
}

void (roost_shield_enter)(roost_scope *s, roost_time budget)
{
    roost_shield_enter_at(s, budget, NULL);
}

int (roost_scope_leave)(roost_scope *s, int result)
{
    return roost_scope_leave_at(s, result, NULL);
}

void (roost_scope_cancel)(roost_scope *s, const char *reason)
{
    roost_scope_cancel_at(s, reason, NULL);
}

void (roost_scope_set_deadline)(roost_scope *s, roost_time deadline)
{
    roost_scope_set_deadline_at(s, deadline, NULL);
}

void (roost_nursery_open)(roost_nursery *n)
{
    roost_nursery_open_at(n, NULL);
}

void (roost_nursery_open_with)(roost_nursery *n, const roost_nursery_options *o)
{
    roost_nursery_open_with_at(n, o, NULL);
}

void (roost_nursery_cancel)(roost_nursery *n, const char *reason)
{
    roost_nursery_cancel_at(n, reason, NULL);
}

int (roost_nursery_close)(roost_nursery *n, int result)
{
    return roost_nursery_close_at(n, result, NULL);
}

int (roost_nursery_run)(int (*body)(roost_nursery *n, void *arg), void *arg)
{
    return roost_nursery_run_at(body, arg, NULL);
}

int (roost_spawn)(roost_nursery *n, roost_task_fn *fn, void *arg)
{
    return roost_spawn_at(n, fn, arg, NULL);
}

int (roost_spawn_copy)(roost_nursery *n, roost_task_fn *fn, const void *arg,
                       size_t bytes)
{
    return roost_spawn_copy_at(n, fn, arg, bytes, NULL);
}

int (roost_spawn_with)(roost_nursery *n, roost_task_fn *fn, void *arg,
                       const roost_spawn_options *o)
{
    return roost_spawn_with_at(n, fn, arg, o, NULL);
}

int (roost_start)(roost_nursery *n, roost_task_fn *fn, void *arg)
{
    return roost_start_at(n, fn, arg, NULL);
}

int (roost_start_copy)(roost_nursery *n, roost_task_fn *fn, const void *arg,
                       size_t bytes)
{
    return roost_start_copy_at(n, fn, arg, bytes, NULL);
}

int (roost_start_with)(roost_nursery *n, roost_task_fn *fn, void *arg,
                       const roost_spawn_options *o)
{
    return roost_start_with_at(n, fn, arg, o, NULL);
}

int (roost_signals_open)(roost_signals *s, const int *signals)
{
    return roost_signals_open_at(s, signals, NULL);
}

int (roost_daemon_run)(roost_task_fn *fn, void *arg,
                       const roost_daemon_options *o)
{
    return roost_daemon_run_at(fn, arg, o, NULL);
}

int (roost_child_end)(roost_child *c, const char *reason)
{
    return roost_child_end_at(c, reason, NULL);
}
