/* runtime.h - a runtime and its roots, for those who run or host it. */
#ifndef ROOST_RUN_RUNTIME_H
#define ROOST_RUN_RUNTIME_H

#include "core/rt.h"

/* 0, or -EINVAL and a sentence on stderr. */
int roost__runtime_check(const roost_options *o, const char *site);

/* An empty runtime, the thread's from now on. 0, -ENOMEM, -EMFILE...: then
 * nothing is left of it. */
int roost__runtime_make(struct roost_rt *rt, const roost_options *o,
                        const char *site);

/* No task may be left. */
void roost__runtime_unmake(struct roost_rt *rt);

/* Begins a main task. The caller has set the root's site, and owns its memory
 * until the task has ended and the root is taken off the list. */
int roost__root_begin(struct roost_rt *rt, roost_root *root, roost_task_fn *fn,
                      void *arg);

/* Cancels what runs in all roots. */
void roost__roots_cancel(struct roost_rt *rt, const char *reason);

/* Says whose stack overflowed, and aborts. In a signal handler. */
void roost__runtime_overflow(const struct roost__stack *s, const void *addr,
                             void *arg);

#endif
