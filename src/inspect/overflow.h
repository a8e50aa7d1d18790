/* overflow.h - tells a stack overflow from any other bad memory access.
 *
 * Owns:     this thread's alternate signal stack while installed, and the
 *           process's SIGSEGV and SIGBUS actions while any thread has it.
 * Promises: a fault that is not in a guard of this thread's stacks goes to
 *           whoever had the signals before, as if roost were not there.
 */
#ifndef ROOST_INSPECT_OVERFLOW_H
#define ROOST_INSPECT_OVERFLOW_H

#include <signal.h>

#include "core/stack.h"

/* Runs on the alternate stack, in the signal handler: async-signal-safe calls
 * only. If it returns, the program aborts. */
typedef void roost__overflow_fn(const struct roost__stack *s,
                                const void *fault_addr, void *arg);

struct roost__overflow {
    const struct roost__stacks *p;
    roost__overflow_fn *report;
    void *arg;
    struct roost__overflow *outer;      /* of this thread; NULL as a rule */
    void *alternate;
    stack_t before;
};

/* For this thread, until removed; the last one installed goes first. `saved`
 * is kept until then. 0, or a negative errno and nothing has changed. */
int roost__overflow_install(const struct roost__stacks *p,
                            roost__overflow_fn *report, void *arg,
                            struct roost__overflow *saved);

/* From the thread that installed it. */
void roost__overflow_remove(struct roost__overflow *saved);

#endif
