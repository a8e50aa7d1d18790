/* backtrace.h - where in C a task stands. */
#ifndef ROOST_INSPECT_BACKTRACE_H
#define ROOST_INSPECT_BACKTRACE_H

#include <stdio.h>

#include "core/rt.h"

/* The return addresses of a task's frames, innermost first. */
struct roost__backtrace {
    void *frames[40];
    size_t count;
    bool whole; /* down to the task's function, and no further */
};

/* Of a task that has run: of a suspended one, and of the running one. `from` is a
 * return address: what lies inside it is the library's and left out; where it is
 * not found, frames with names of the library are. Nothing, and not whole, where
 * the processor's switch tells unwinders nothing (arch/ucontext.c). */
void roost__backtrace_take(struct roost__backtrace *b, const roost_task *t,
                           const void *from);

/* "    f+0x1c", a line for each of at most 24 frames. */
void roost__backtrace_print(FILE *out, const struct roost__backtrace *b);

#endif
