/* task.h - running tasks, and the two calls that every wait is made of.
 *
 *     static int main_task(void *arg) { ... }
 *
 *     int main(void)
 *     {
 *         int r = roost_run(main_task, NULL);
 *         return r < 0;
 *     }
 *
 * roost_run returns when the last task is home. A task is a function with a
 * stack of its own; it runs until it calls something marked ROOST_WAITS, so
 * between two such calls nothing else in this thread moves.
 *
 * Authors of libraries find park and wake below: with them a callback interface
 * becomes a call that waits, can be cancelled and shows up in every report.
 */
#ifndef ROOST_TASK_H
#define ROOST_TASK_H

#include <roost/time.h>

ROOST_BEGIN_DECLS

struct ev_loop;
struct roost_sys;

enum roost_clock { ROOST_CLOCK_REAL = 0, ROOST_CLOCK_VIRTUAL = 1 };
enum roost_hold { ROOST_HOLD_WORK = 0, ROOST_HOLD_IO = 1 };

#define ROOST_STACK_DEFAULT sizeof(char[256 * 1024])
#define ROOST_STACK_SMALL sizeof(char[48 * 1024])

/* All zero is a good default. */
typedef struct roost_options {
    struct ev_loop *loop;       /* NULL: an own loop */
    enum roost_clock clock;     /* virtual: time jumps when nothing can run */
    uint64_t seed;              /* 0: tasks run in order; else drawn from it */
    size_t stack_bytes;         /* usable bytes of a task's stack, guard extra;
                                   0: ROOST_STACK_DEFAULT; 48 MiB at most */
    enum roost_hold hold_clock; /* ROOST_HOLD_IO: descriptors hold virtual time */
    roost_time defer_budget;    /* of a task's deferred functions; 0: 5 s */
    bool precise_timers;        /* 50 us instead of 1 ms, by a timerfd */
    bool guards_demanded;       /* no stack without a guard page: -ENOMEM */
    bool no_overflow_report;    /* leave SIGSEGV alone */
    uint64_t *ret_trace;        /* hash of all decisions of the scheduler */
    const struct roost_sys *sys; /* for tests: the table of system calls */
    void *reserved[6];
} roost_options;

/* Runs fn(arg) as the main task, and all it spawns, until none is left. Returns
 * the main task's result; -ECANCELED that nothing absorbed; -ENOMEM, -EMFILE...
 * when the runtime could not be made (nothing ran then); -EDEADLK when the tasks
 * waited for each other for ever: their tree was printed and they were
 * cancelled. A run inside a run of the same thread is misuse. */
ROOST_API int roost_run(roost_task_fn *fn, void *arg);
ROOST_API int roost_run_at(roost_task_fn *fn, void *arg, const char *site);

/* The same with options; -EINVAL and a sentence on stderr when one is not
 * understood. The structure is read before it returns. */
ROOST_API int roost_run_with(const roost_options *o, roost_task_fn *fn,
                             void *arg);
ROOST_API int roost_run_with_at(const roost_options *o, roost_task_fn *fn,
                                void *arg, const char *site);

#define roost_run(...) roost_run_at(__VA_ARGS__, ROOST_SITE)
#define roost_run_with(...) roost_run_with_at(__VA_ARGS__, ROOST_SITE)

/* Lets every task run that was ready before, then looks: 0, or -ECANCELED (at
 * once if the task was cancelled already). */
ROOST_API int roost_checkpoint(void) ROOST_WAITS;

/* 0, or -ECANCELED when the running task is cancelled. Never yields; for long
 * computations. Outside a task 0. */
ROOST_API int roost_cancelled(void);

/* Runs fn(arg) when the running task ends, after its nurseries are closed and
 * before its owner sees the result; several in reverse order, together under a
 * shield of options.defer_budget. `arg` must live until then, so it is not a
 * local variable of the task's body. A failure of fn becomes the task's, unless
 * that has one already; then it is appended to the record. 0, or -ENOMEM: fn
 * will not be called. */
ROOST_API int roost_defer(roost_task_fn *fn, void *arg) ROOST_MUST;

/* A place where one task waits once. On the waiter's stack, or wherever the one
 * who will wake it can find it; next and prev are for a queue of the owner's. */
typedef struct roost_wait {
    roost_task *task;
    int result;
    uint8_t state;
    struct roost_wait *next, *prev;
} roost_wait;

/* Called when a parked task is cancelled, in the context of whoever cancelled.
 * true: the operation is undone, nobody will wake `w`. false: it cannot be, the
 * task stays parked until woken. Must not suspend. */
typedef bool roost_abort_fn(roost_wait *w, void *arg);

/* Prepares `w` for one park of the running task. From here on it may be woken. */
ROOST_API void roost_wait_init(roost_wait *w);

/* Suspends the running task until roost_wake(w, result), and returns that
 * result; a wake that came before is returned at once. -ECANCELED when the task
 * is cancelled and abort(w, arg) agreed (NULL: cannot be undone). `what` is a
 * string literal for reports, `arg` also the object shown there. */
ROOST_API int roost_park(roost_wait *w, const char *what,
                         roost_abort_fn *abort, void *arg) ROOST_WAITS;

/* Ends the wait with `result`; the task runs later. Exactly once a wait, from a
 * task or callback of the same runtime. */
ROOST_API void roost_wake(roost_wait *w, int result);

/* The parking lot: a queue of waiting tasks, first in first out. All zero is an
 * empty one; it needs no end, but must not go while somebody waits. */
typedef struct roost_lot {
    roost_wait *first, *last;
} roost_lot;

#define ROOST_ALL SIZE_MAX

/* Waits for a wake: 0, or -ECANCELED. */
ROOST_API int roost_lot_wait(roost_lot *l) ROOST_WAITS;

/* Wakes the `how_many` that wait longest; returns how many there were. */
ROOST_API size_t roost_lot_wake(roost_lot *l, size_t how_many);

ROOST_END_DECLS

#endif
