/* nursery.h - a nursery owns tasks: none of them outlives it.
 *
 *     size_t nu = 0, nv = 0;                 (what children borrow comes first)
 *     int r;
 *
 *     ROOST_NURSERY(n);
 *     roost_go(n, fetch, .host = u, .bytes = &nu);
 *     roost_go(n, fetch, .host = v, .bytes = &nv);
 *     r = roost_nursery_close(n, 0);         (both are home, or both cancelled)
 *
 * When a child fails, its siblings and the body are cancelled at once, and close
 * returns the failure. Three rules: what children borrow is declared above the
 * nursery; what owns memory is a guard (ROOST_FREE char *buf) declared above it;
 * every return closes: if (r < 0) return roost_nursery_close(n, r);
 *
 * The idea is Nathaniel J. Smith's (Trio); the service children, handles and
 * rooms are answers to what its users asked for.
 */
#ifndef ROOST_NURSERY_H
#define ROOST_NURSERY_H

#include <roost/error.h>
#include <roost/scope.h>
#include <roost/task.h>

ROOST_BEGIN_DECLS

enum roost_policy {
    ROOST_FAIL_FAST = 0, /* a failure cancels the siblings and the body */
    ROOST_ISOLATE = 1    /* it goes to on_error, and nobody is cancelled */
};

/* All zero: no deadline, no limit, fail fast. */
typedef struct roost_nursery_options {
    int roost_zero;
    const char *name;    /* a literal, for reports */
    roost_time deadline; /* an instant; 0 or ROOST_NEVER: none */
    size_t children_max; /* live children; 0: no limit */
    bool shed;           /* refusing a spawn at the limit is no failure */
    enum roost_policy policy;
    void (*on_error)(int code, const roost_error *e, void *arg);
    void *on_error_arg;
    size_t stack_bytes; /* of its children; 0: the run's */
    void *reserved[4];
} roost_nursery_options;

/* The caller's memory, private by contract. */
struct roost_nursery {
    roost_scope scope;    /* the body and all children live in it */
    roost_scope services; /* a shield in it, where service children live */
    roost_nursery_options o;
    const char *close_site;
    struct roost__nursery_state { /* zero at open */
        roost_wait *closer;
        size_t count, ordinary, promised;
        roost_lot rooms; /* who waits for one */
        roost_error *error, *kept_error;
        int verdict, kept;
        uint8_t closing, has_services, foreign;
        uint8_t cut_outside, cut_deadline, cut_by_hand;
    } s;
    void *reserved[4];
};

/* A handle to one child, in the caller's memory until the child has ended. All
 * zero, as it should be before the spawn, it names nobody. */
typedef struct roost_child {
    uint64_t cookie;
    roost_task *task;
    roost_lot enders;
    int result;
} roost_child;

typedef struct roost_spawn_options {
    int roost_zero;
    bool service;       /* ends when the ordinary children are gone */
    roost_child *child; /* filled in by the spawn; zeroed when it fails */
    const char *name;   /* a literal, or outlives the child */
    size_t stack_bytes; /* 0: the nursery's */
    size_t copy_bytes;  /* > 0: arg is copied to the child's own stack */
    void *reserved[2];
} roost_spawn_options;

/* Opens a nursery in the running task. It is also a cancel scope. */
ROOST_API void roost_nursery_open(roost_nursery *n);
ROOST_API void roost_nursery_open_at(roost_nursery *n, const char *site);
ROOST_API void roost_nursery_open_with(roost_nursery *n,
                                       const roost_nursery_options *o);
ROOST_API void roost_nursery_open_with_at(roost_nursery *n,
                                          const roost_nursery_options *o,
                                          const char *site);

/* Makes a child that will run fn(arg) once the spawner suspends. `arg` is
 * borrowed. 0, or a negative errno that is the nursery's failure too: -ENOMEM;
 * -EAGAIN at children_max (with .shed: only returned); -EINVAL for a stack
 * beyond 48 MiB. Any task of the runtime may spawn into an open nursery. */
ROOST_API int roost_spawn(roost_nursery *n, roost_task_fn *fn, void *arg);
ROOST_API int roost_spawn_at(roost_nursery *n, roost_task_fn *fn, void *arg,
                             const char *site);

/* The same with `bytes` of arg copied to the child's stack; -E2BIG beyond 4096. */
ROOST_API int roost_spawn_copy(roost_nursery *n, roost_task_fn *fn,
                               const void *arg, size_t bytes);
ROOST_API int roost_spawn_copy_at(roost_nursery *n, roost_task_fn *fn,
                                  const void *arg, size_t bytes,
                                  const char *site);
ROOST_API int roost_spawn_with(roost_nursery *n, roost_task_fn *fn, void *arg,
                               const roost_spawn_options *o);
ROOST_API int roost_spawn_with_at(roost_nursery *n, roost_task_fn *fn,
                                  void *arg, const roost_spawn_options *o,
                                  const char *site);

/* Spawns and waits until the child calls roost_started(value); returns that
 * value. Until then the child runs inside the caller's scopes, and its end
 * decides this call alone: its failure, or -EPROTO if it ended well without
 * roost_started. What it was given stays the caller's unless this returns >= 0.
 * -ECANCELED when the caller is cancelled: the child is too, and is over. */
ROOST_API int roost_start(roost_nursery *n, roost_task_fn *fn,
                          void *arg) ROOST_WAITS;
ROOST_API int roost_start_at(roost_nursery *n, roost_task_fn *fn, void *arg,
                             const char *site) ROOST_WAITS;
ROOST_API int roost_start_copy(roost_nursery *n, roost_task_fn *fn,
                               const void *arg, size_t bytes) ROOST_WAITS;
ROOST_API int roost_start_copy_at(roost_nursery *n, roost_task_fn *fn,
                                  const void *arg, size_t bytes,
                                  const char *site) ROOST_WAITS;
ROOST_API int roost_start_with(roost_nursery *n, roost_task_fn *fn, void *arg,
                               const roost_spawn_options *o) ROOST_WAITS;
ROOST_API int roost_start_with_at(roost_nursery *n, roost_task_fn *fn,
                                  void *arg, const roost_spawn_options *o,
                                  const char *site) ROOST_WAITS;

/* In the child: "I am ready". `value` >= 0 is what roost_start returns, unless its
 * caller is cancelled by now: whoever takes something over here asks first,
 * `r = roost_cancelled(); if (r < 0) return r;`. Twice is misuse; in a child that
 * was only spawned it does nothing. */
ROOST_API void roost_started(int value);

/* Cancels one child and waits for its end, whatever is cancelled. Its result, or
 * 0 if this cut it; the kept result if it had ended; 0 for a zeroed handle. A
 * failure is the nursery's as ever. Not of oneself nor of a task one descends
 * from. */
ROOST_API int roost_child_end(roost_child *c, const char *reason) ROOST_WAITS;
ROOST_API int roost_child_end_at(roost_child *c, const char *reason,
                                 const char *site) ROOST_WAITS;

/* Cancels all children and the body. `reason` is a string literal. */
ROOST_API void roost_nursery_cancel(roost_nursery *n, const char *reason);
ROOST_API void roost_nursery_cancel_at(roost_nursery *n, const char *reason,
                                       const char *site);

/* The nursery's cancel scope: to move its deadline, to ask what happened. Valid
 * as long as the nursery's memory. */
ROOST_API roost_scope *roost_nursery_scope(roost_nursery *n);

/* How many children have not ended yet. */
ROOST_API size_t roost_nursery_count(const roost_nursery *n);

/* Waits until children_max allows a spawn, first come first served: 0, or
 * -ECANCELED. The room is the caller's until it suspends again. */
ROOST_API int roost_nursery_wait_room(roost_nursery *n) ROOST_WAITS;

/* Takes the body's verdict and waits until the last child is home, whatever is
 * cancelled. Returns the first failure in time; else -ECANCELED if somebody here
 * was cut by a cancellation from outside; else -ETIMEDOUT if the nursery's own
 * deadline cut somebody; else `result` (0 for an -ECANCELED that the nursery's
 * own cancellation caused). */
ROOST_API int roost_nursery_close(roost_nursery *n, int result) ROOST_WAITS;
ROOST_API int roost_nursery_close_at(roost_nursery *n, int result,
                                     const char *site) ROOST_WAITS;

/* Opens a nursery, runs body(n, arg), closes with its result: for bindings and
 * for code without guards. */
ROOST_API int roost_nursery_run(int (*body)(roost_nursery *n, void *arg),
                                void *arg) ROOST_WAITS;
ROOST_API int roost_nursery_run_at(int (*body)(roost_nursery *n, void *arg),
                                   void *arg, const char *site) ROOST_WAITS;

#define roost_nursery_open(...) roost_nursery_open_at(__VA_ARGS__, ROOST_SITE)
#define roost_nursery_open_with(...) \
    roost_nursery_open_with_at(__VA_ARGS__, ROOST_SITE)
#define roost_spawn(...) roost_spawn_at(__VA_ARGS__, ROOST_SITE)
#define roost_spawn_copy(...) roost_spawn_copy_at(__VA_ARGS__, ROOST_SITE)
#define roost_spawn_with(...) roost_spawn_with_at(__VA_ARGS__, ROOST_SITE)
#define roost_start(...) roost_start_at(__VA_ARGS__, ROOST_SITE)
#define roost_start_copy(...) roost_start_copy_at(__VA_ARGS__, ROOST_SITE)
#define roost_start_with(...) roost_start_with_at(__VA_ARGS__, ROOST_SITE)
#define roost_child_end(...) roost_child_end_at(__VA_ARGS__ "", ROOST_SITE)
#define roost_nursery_cancel(...) \
    roost_nursery_cancel_at(__VA_ARGS__ "", ROOST_SITE)
#define roost_nursery_close(...) roost_nursery_close_at(__VA_ARGS__, ROOST_SITE)
#define roost_nursery_run(...) roost_nursery_run_at(__VA_ARGS__, ROOST_SITE)

/* Declares roost_nursery *n in this block. Close it on every path; left without,
 * the guard cancels the children and waits for them, but cannot change what is
 * being returned: a failure found then comes out at the next close. Do not goto
 * forward over it: open an inner block. */
#define ROOST_NURSERY(n)                                          \
    ROOST__NURSERY(n);                                            \
    __attribute__((unused)) roost_nursery *n =                    \
        (roost_nursery_open_at(&roost_guard_of_##n, ROOST_SITE),  \
         &roost_guard_of_##n)
#define ROOST_NURSERY_WITH(n, ...)                                           \
    ROOST__NURSERY(n);                                                       \
    __attribute__((unused)) roost_nursery *n =                               \
        (roost_nursery_open_with_at(                                         \
             &roost_guard_of_##n,                                            \
             &(roost_nursery_options){ .roost_zero = 0, __VA_ARGS__ },       \
             ROOST_SITE),                                                    \
         &roost_guard_of_##n)
#define ROOST__NURSERY(n)                                  \
    __attribute__((cleanup(roost_nursery_guard), unused))  \
    roost_nursery roost_guard_of_##n

/* A typed task body: ROOST_TASK(fetch)(struct fetch *a) { ... } makes the static
 * function fetch, and roost_task_fetch(void *) to give to any other form. */
#define ROOST_TASK(task) ROOST_TASK_OF(struct task, task)

/* The same on an object of any type. */
#define ROOST_TASK_OF(type, task)                                            \
    static int task(type *roost_arg);                                        \
    struct roost_on_##task {                                                 \
        int roost_zero;                                                      \
        type *roost_on;                                                      \
        bool service;                                                        \
        roost_child *child;                                                  \
        const char *name;                                                    \
        size_t stack_bytes;                                                  \
    };                                                                       \
    __attribute__((unused)) static int roost_task_##task(void *roost_arg)    \
    {                                                                        \
        return task((type *)roost_arg);                                      \
    }                                                                        \
    __attribute__((unused)) static int roost_go_copy_##task(                 \
        roost_nursery *n, const type *roost_arg, size_t bytes,               \
        const char *site)                                                    \
    {                                                                        \
        return roost_spawn_with_at(                                          \
            n, roost_task_##task, (void *)roost_arg,                         \
            &(roost_spawn_options){ .name = #task, .copy_bytes = bytes },    \
            site);                                                           \
    }                                                                        \
    __attribute__((unused)) static int roost_go_on_##task(                   \
        roost_nursery *n, const struct roost_on_##task *o, const char *site) \
    {                                                                        \
        return roost_spawn_with_at(                                          \
            n, roost_task_##task, o->roost_on,                               \
            &(roost_spawn_options){ .service = o->service,                   \
                                    .child = o->child,                       \
                                    .name = o->name ? o->name : #task,       \
                                    .stack_bytes = o->stack_bytes },         \
            site);                                                           \
    }                                                                        \
    static int task

/* Typed spawns. roost_go makes a struct of the fields given, copied to the
 * child; roost_go_copy copies a prepared one; roost_go_on lends the object, which
 * must outlive the nursery, and takes .service .child .name .stack_bytes. */
#define roost_go(n, fn, ...) \
    roost_go_copy_##fn(n, &(struct fn){ __VA_ARGS__ }, sizeof(struct fn), \
                       ROOST_SITE)
#define roost_go_copy(n, fn, ...) \
    roost_go_copy_##fn(n, __VA_ARGS__, sizeof *(__VA_ARGS__), ROOST_SITE)
#define roost_go_on(n, fn, ...)                                            \
    roost_go_on_##fn(                                                      \
        n,                                                                 \
        &(struct roost_on_##fn){ .roost_zero = 0, .roost_on = __VA_ARGS__ }, \
        ROOST_SITE)

/* Owning guards: undone at the end of the block in reverse order, so after the
 * join of a nursery declared below them. */
#define ROOST_CLEANUP(fn) __attribute__((cleanup(fn), unused))
#define ROOST_FREE ROOST_CLEANUP(roost_free_guard)

ROOST_API void roost_nursery_guard(roost_nursery *n);
ROOST_API void roost_free_guard(void *pointer_to_pointer);

ROOST_END_DECLS

#endif
