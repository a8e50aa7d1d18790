/* in_task.h - a test whose whole body runs as the main task.
 *
 *     IN_TASK(sleep_returns_0)
 *     {
 *         EXPECT_INT(roost_sleep(ROOST_SEC(1)), 0);
 *         return 0;
 *     }
 *
 * The body has `arg`, which is NULL, and returns 0; it uses EXPECT, see kit.h.
 * IN_TASK_GUARDS(name, n) is the same for a body that leaves n guards open on
 * purpose.
 */
#ifndef ROOST_TESTS_RULES_IN_TASK_H
#define ROOST_TESTS_RULES_IN_TASK_H

#include <string.h>

#include "kit/kit.h"

#define IN_TASK(name) IN_TASK_GUARDS(name, 0)
#define IN_TASK_GUARDS(name, guards)                      \
    static int name##_body(void *arg);                    \
    static void name(void **state)                        \
    {                                                     \
        (void)state;                                      \
        kit_allow_guards(guards);                         \
        assert_int_equal(kit_run(name##_body, NULL), 0);  \
    }                                                     \
    static int name##_body(__attribute__((unused)) void *arg)

/* A child that cancels a scope or moves its deadline when `ms` have passed. */
struct later {
    int ms;
    roost_scope *scope;
    roost_time deadline; /* 0: cancel */
};

static inline int later_body(void *arg)
{
    struct later *a = arg;
    int r = roost_sleep(ROOST_MS(a->ms));

    if (r < 0)
        return r;
    if (a->deadline)
        roost_scope_set_deadline(a->scope, a->deadline);
    else
        roost_scope_cancel(a->scope, "later");
    return 0;
}

static inline void cancel_later(roost_nursery *n, roost_scope *s, int ms)
{
    struct later a = { ms, s, 0 };

    EXPECT_INT(roost_spawn_copy(n, later_body, &a, sizeof a), 0);
}

static inline void move_later(roost_nursery *n, roost_scope *s, int ms,
                              roost_time deadline)
{
    struct later a = { ms, s, deadline };

    EXPECT_INT(roost_spawn_copy(n, later_body, &a, sizeof a), 0);
}

#endif
