/* forms.c - the short forms: each is a long one with defaults.
 *
 * The expression forms (ROOST_WITHIN and its kin) enter a scope in a compound
 * literal, evaluate the call, and leave the innermost scope with its result.
 */
#include <roost.h>

#include <stdlib.h>
#include <string.h>

#include "arch/switch.h"
#include "core/scope.h"

void roost_nursery_open_at(roost_nursery *n, const char *site)
{
    roost_nursery_open_with_at(n, NULL, site);
}

int roost_nursery_run_at(int (*body)(roost_nursery *n, void *arg), void *arg,
                         const char *site)
{
    roost_nursery n;

    ROOST__STOP_EXCEPTIONS(); /* they would leave the nursery open */
    roost_nursery_open_with_at(&n, NULL, site);
    return roost_nursery_close_at(&n, body(&n, arg), site);
}

int roost_spawn_at(roost_nursery *n, roost_task_fn *fn, void *arg,
                   const char *site)
{
    return roost_spawn_with_at(n, fn, arg, NULL, site);
}

int roost_spawn_copy_at(roost_nursery *n, roost_task_fn *fn, const void *arg,
                        size_t bytes, const char *site)
{
    roost_spawn_options o = { .copy_bytes = bytes };

    return roost_spawn_with_at(n, fn, (void *)(uintptr_t)arg, &o, site);
}

int roost_start_at(roost_nursery *n, roost_task_fn *fn, void *arg,
                   const char *site)
{
    return roost_start_with_at(n, fn, arg, NULL, site);
}

int roost_start_copy_at(roost_nursery *n, roost_task_fn *fn, const void *arg,
                        size_t bytes, const char *site)
{
    roost_spawn_options o = { .copy_bytes = bytes };

    return roost_start_with_at(n, fn, (void *)(uintptr_t)arg, &o, site);
}

void roost_expression_enter(roost_scope *s, roost_time bound, int shield,
                            const char *site)
{
    if (shield)
        roost_shield_enter_at(s, bound, site);
    else
        roost_scope_enter_at(s, bound, site);
    s->expression = 1;
}

int roost_expression_leave(int result)
{
    roost_task *t = roost__self();
    roost_scope *s = t ? t->scope : NULL;

    ROOST_USAGE(s && s->expression, "the call inside a ROOST_WITHIN, "
                "ROOST_UNTIL or ROOST_SHIELDED left the scope entered at %s "
                "open; leave or close it in the call",
                roost__place(s ? s->site : NULL));
    return roost_scope_leave_at(s, result, s->site);
}

void roost_free_guard(void *pointer_to_pointer)
{
    void *p;

    memcpy(&p, pointer_to_pointer, sizeof p);
    free(p); /* lint: the user's memory, not ours */
}
