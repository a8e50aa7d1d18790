/* scope.h - cancel scopes: a deadline and a cancellation for a stretch of code.
 *
 * A scope is entered and left by one task; scopes nest. Cancelling one makes
 * every wait inside it, in this task and in all children of nurseries opened
 * inside it, fail with -ECANCELED until the code has come back out to the
 * scope. There the cancellation ends: leave() turns the -ECANCELED into
 * -ETIMEDOUT when the scope's deadline did it, or into 0 when somebody
 * cancelled it by hand. Whatever else the code returned passes unchanged.
 *
 *     r = ROOST_WITHIN(ROOST_SEC(2), read_reply(c, &reply));
 *     if (r == -ETIMEDOUT && roost_scope_caught(NULL))
 *         return roost_fail(r, "%s did not answer", c->host);
 *
 * The same for a block:
 *
 *     ROOST_TIMEOUT(s, ROOST_SEC(2));
 *     r = greet(c);
 *     if (r >= 0)
 *         r = read_reply(c, &reply);
 *     return roost_scope_leave(s, r);
 *
 * A shield keeps cancellations from outside away from the code in it until its
 * budget is used up: for the last words of a protocol, say. The semantics are
 * Trio's, but for the budget.
 */
#ifndef ROOST_SCOPE_H
#define ROOST_SCOPE_H

#include <roost/time.h>
#include <stdio.h>

ROOST_BEGIN_DECLS

/* The caller's memory, private by contract. Nothing in it needs to be set or
 * freed by the user. */
struct roost_scope {
    uint64_t cookie;                    /* its address ^ a constant, while open */
    roost_scope *parent;                /* the scope around it */
    roost_scope *next, *prev;           /* its siblings in that one */
    roost_scope *first, *last;          /* the scopes in it, oldest first */
    roost_scope *todo;                  /* a list of a cancellation under way */
    roost_task *task;                   /* who entered it */
    const char *site;                   /* where */
    const char *inner_site;             /* where its task entered the next one */
    struct roost__timer timer;
    roost_time deadline;
    roost_time budget;                  /* of a shield */
    roost_time pierce_at;               /* when the shield is used up */
    roost_time cancelled_at;
    const char *reason, *cancel_site;   /* of a cancellation of this very scope */
    uint64_t seq;                       /* order of entering, or of parking */
    int code;                           /* the failure that cancelled it */
    uint8_t effective;                  /* cancelled, from here or from outside */
    uint8_t armed;
    uint8_t stop;                       /* how far it is stopped */
    uint8_t kind;
    uint8_t cause;                      /* 0: not cancelled itself */
    uint8_t used_up, expression, caught, has_portals, has_stop;
    char by[42];                        /* path of the task that cancelled it */
    void *reserved[2];
};

/* Begins a scope. `deadline` is an instant, or ROOST_NEVER; one in the past
 * cancels it from the start. */
ROOST_API void roost_scope_enter(roost_scope *s, roost_time deadline);
ROOST_API void roost_scope_enter_at(roost_scope *s, roost_time deadline,
                                    const char *site);

/* Ends the innermost scope of the running task. `result` is what the code in it
 * came to. Returns -ETIMEDOUT or 0 when it was -ECANCELED because of this scope
 * and nothing around it is cancelled, otherwise `result`. */
ROOST_API int roost_scope_leave(roost_scope *s, int result) ROOST_MUST;
ROOST_API int roost_scope_leave_at(roost_scope *s, int result,
                                   const char *site) ROOST_MUST;

/* Cancels all that runs in the scope, at once; no task runs before it returns.
 * The first cause is kept. `reason` is a string literal. Any task of the same
 * runtime may call it, and callbacks of its loop; not other threads. */
ROOST_API void roost_scope_cancel(roost_scope *s, const char *reason);
ROOST_API void roost_scope_cancel_at(roost_scope *s, const char *reason,
                                     const char *site);

/* This very scope is cancelled: by hand, by its deadline, or, a nursery's, by a
 * failure, its close or its guard. Readable after leave. */
ROOST_API bool roost_scope_cancelled(const roost_scope *s);

/* leave() ended a cancellation here. NULL: in the scope or nursery that the
 * running task left last (the expression forms have no name). */
ROOST_API bool roost_scope_caught(const roost_scope *s);

/* Moves the deadline, also while tasks wait under it, both ways. A scope that is
 * cancelled stays so. */
ROOST_API void roost_scope_set_deadline(roost_scope *s, roost_time deadline);
ROOST_API void roost_scope_set_deadline_at(roost_scope *s, roost_time deadline,
                                           const char *site);

/* Begins a shield; roost_scope_leave ends it. `budget` is a duration, counted
 * from the arrival of a cancellation from outside (or from here, if it is there
 * already); ROOST_NEVER: no bound, and every report says so. */
ROOST_API void roost_shield_enter(roost_scope *s, roost_time budget);
ROOST_API void roost_shield_enter_at(roost_scope *s, roost_time budget,
                                     const char *site);

/* Why is the scope (NULL: the running task) cancelled? Prints the chain of
 * scopes from the inside out: cause, reason, place, task, time. */
ROOST_API void roost_why(FILE *out, const roost_scope *s);

/* One call in a scope of its own: expressions, so they cannot be left early. */
#define ROOST_WITHIN(duration, ...) \
    ROOST__EXPRESSION(roost_after(duration), 0, __VA_ARGS__)
#define ROOST_UNTIL(instant, ...) ROOST__EXPRESSION(instant, 0, __VA_ARGS__)
#define ROOST_SHIELDED(budget, ...) ROOST__EXPRESSION(budget, 1, __VA_ARGS__)

/* A block in a scope: declares roost_scope *s. Close it with roost_scope_leave
 * on every path; left without, the guard closes it and absorbs nothing. */
#define ROOST_SCOPE(s) ROOST__SCOPE(s, roost_scope_enter_at, ROOST_NEVER)
#define ROOST_DEADLINE(s, instant) \
    ROOST__SCOPE(s, roost_scope_enter_at, instant)
#define ROOST_TIMEOUT(s, duration) \
    ROOST__SCOPE(s, roost_scope_enter_at, roost_after(duration))
#define ROOST_SHIELD(s, budget) ROOST__SCOPE(s, roost_shield_enter_at, budget)

/* "Nothing is in flight here": a soft stop may end this wait. */
#define ROOST_IDLE(...) (roost_idle_begin(), roost_idle_end(__VA_ARGS__))

/* What the forms above are made of. */
ROOST_API void roost_expression_enter(roost_scope *s, roost_time bound,
                                      int shield, const char *site);
ROOST_API int roost_expression_leave(int result) ROOST_MUST;
ROOST_API void roost_scope_guard(roost_scope *s);
ROOST_API void roost_idle_begin(void);
ROOST_API int roost_idle_end(int result) ROOST_MUST;

#define ROOST__EXPRESSION(bound, shield, ...)                               \
    (roost_expression_enter(&(roost_scope){ 0 }, bound, shield, ROOST_SITE), \
     roost_expression_leave(__VA_ARGS__))
#define ROOST__SCOPE(s, enter, bound)                                        \
    __attribute__((cleanup(roost_scope_guard), unused))                      \
    roost_scope roost_guard_of_##s;                                          \
    __attribute__((unused)) roost_scope *s =                                 \
        (enter(&roost_guard_of_##s, bound, ROOST_SITE), &roost_guard_of_##s)

#define roost_scope_enter(...) roost_scope_enter_at(__VA_ARGS__, ROOST_SITE)
#define roost_scope_leave(...) roost_scope_leave_at(__VA_ARGS__, ROOST_SITE)
#define roost_scope_cancel(...) \
    roost_scope_cancel_at(__VA_ARGS__ "", ROOST_SITE)
#define roost_scope_set_deadline(...) \
    roost_scope_set_deadline_at(__VA_ARGS__, ROOST_SITE)
#define roost_shield_enter(...) roost_shield_enter_at(__VA_ARGS__, ROOST_SITE)

ROOST_END_DECLS

#endif
