/* stop.h - clean shutdown: first idle waits end, then all is cancelled, then
 *          shields are taken away; and each time it is said who has not ended.
 *
 *     while ((r = ROOST_IDLE(roost_fd_accept(&listener, NULL, NULL))) >= 0)
 *         ...                         serves r; not asked for while stopping
 *     return r;                       -ESHUTDOWN, of a stop, is no failure
 *
 *     roost_stop(NULL, &(roost_stop_budget){ .soft = ROOST_SEC(20),
 *                                            .hard = ROOST_SEC(5),
 *                                            .pierce = ROOST_SEC(2) });
 *
 * soft    Waits marked ROOST_IDLE return -ESHUTDOWN, unless they can complete at
 *         once; roost_stopping() is true. What is under way goes on.
 * hard    Cancellation. Shields hold for their budgets.
 * pierce  Shields, those of deferred functions too, hold no longer.
 *
 * Service children are not told before the last ordinary child of their nursery is
 * gone and it closes; then their soft phase begins.
 */
#ifndef ROOST_STOP_H
#define ROOST_STOP_H

#include <roost/scope.h>

ROOST_BEGIN_DECLS

/* What is done when tasks have not ended after all three phases. */
enum roost_last_act {
    ROOST_LAST_WAIT = 0, /* nothing more: the run goes on until they end */
    ROOST_LAST_RETURN,   /* the whole run returns -EBUSY at once; the stacks of its
                            tasks, and what they hold, are lost. Not in a guest */
    ROOST_LAST_EXIT,     /* _exit(.exit_status); of stdio only stdout is flushed,
                            and not if that could wait */
    ROOST_LAST_ABORT     /* abort(), for a core */
};

/* How long each phase may take: durations; 0 passes over it, ROOST_NEVER does not
 * end it. After each phase that is used up a report of who has not ended goes to
 * stderr (see roost_blame_print; 100 tasks, of the others their number). */
typedef struct roost_stop_budget {
    roost_time soft, hard, pierce;
    enum roost_last_act last;
    int exit_status;
    bool quiet; /* no reports */
} roost_stop_budget;

/* Begins to stop all that runs in the scope (a nursery's: &n->scope; NULL: the
 * whole run), and returns at once. NULL for 10 s, 5 s, 5 s and ROOST_LAST_WAIT. Once
 * more hurries: each phase ends at the earlier of the two instants, and so does
 * that of a scope in it or around it; the later of the two last acts in the list
 * above is done. The scope may be left meanwhile. Any task of the runtime, and
 * callbacks of its loop; other threads through a portal. 0, or -ENOMEM and nothing
 * was done. */
ROOST_API int roost_stop(roost_scope *scope, const roost_stop_budget *budget);
ROOST_API int roost_stop_at(roost_scope *scope, const roost_stop_budget *budget,
                            const char *site);

/* The next phase begins now; of a scope that is not stopping, the first. */
ROOST_API int roost_stop_escalate(roost_scope *scope);

/* The running task is in a scope that is being stopped. Never waits: who asks in a
 * loop without a wait keeps the run from hearing of one; roost_checkpoint there. */
ROOST_API bool roost_stopping(void);

/* Every task in the scope (NULL: of the run) that has not ended: path, where it
 * was spawned, what it waits for and where and since when, the shields around it,
 * how many waits it was refused since it was cancelled and where, and a backtrace
 * of its stack. Returns how many there are. */
ROOST_API size_t roost_blame_print(FILE *out, const roost_scope *scope);

#define roost_stop(...) roost_stop_at(__VA_ARGS__, ROOST_SITE)

ROOST_END_DECLS

#endif
