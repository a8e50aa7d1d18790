/* cxx.c - what libroost has to do with C++, which it does not link.
 *
 * Owns:     the personality routine of the outermost frame of every task.
 * Promises: an exception, or a forced unwinding, that has left a task's function
 *           ends the program with a sentence; it is never caught on the stack of
 *           the parent, which never called the child.
 * Never:    calls into a C++ runtime but to find the thread's state.
 */
#include "core/cxx.h"

#include <stdint.h>

#include "arch/switch.h"
#include "core/rt.h"
#include "core/task.h"

/* Weak: NULL in a program of C. */
void *__cxa_get_globals(void) __attribute__((weak));

struct roost__cxx *roost__cxx_find(void)
{
    return __cxa_get_globals ? __cxa_get_globals() : NULL;
}

/* Asked by the unwinder when it looks for a handler. After END_OF_STACK the C++
 * runtime calls std::terminate(), which says what the exception was. */
int roost__switch_stop(int version, int actions, uint64_t kind, void *exception,
                       void *context)
{
    enum { FORCED_UNWIND = 8, END_OF_STACK = 5 };
    bool forced = actions & FORCED_UNWIND;
    const roost_task *t = roost__self();
    char path[160];

    (void)version, (void)kind, (void)exception, (void)context;
    if (t)
        roost__task_path(t, path, sizeof path);
    ROOST_USAGE(!forced || !t, "the thread is being ended by pthread_exit or "
                "pthread_cancel inside task %s, spawned at %s; return from the "
                "task, and end the thread after roost_run", path,
                roost__place(t->site));
    ROOST_USAGE(!forced, "the thread is being ended by pthread_exit or "
                "pthread_cancel inside the run begun at %s; cancel its root, and "
                "end the thread after roost_run",
                roost__place(roost__rt ? roost__rt->site : NULL));
    if (t)
        roost__say("an exception left the function of task %s, spawned at %s; "
                   "catch it there, or use roost.hpp, which carries it to "
                   "close()", path, roost__place(t->site));
    else
        roost__say("an exception left a callback of the run begun at %s; catch "
                   "it there", roost__place(roost__rt ? roost__rt->site : NULL));
    return END_OF_STACK;
}
