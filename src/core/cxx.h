/* cxx.h - what C++ keeps per thread about exceptions, and we keep per task.
 *
 * Its runtime (libstdc++ and libc++ alike) has a list of the exceptions that are
 * being handled and a count of those in flight. A task may suspend inside a catch
 * clause, or in a destructor during unwinding: the next one must not see that.
 */
#ifndef ROOST_CORE_CXX_H
#define ROOST_CORE_CXX_H

#include <roost/api.h>

/* __cxa_eh_globals of the C++ ABI. */
struct roost__cxx {
    void *caught;
    unsigned in_flight;
#if defined(__arm__)
    void *propagating;
#endif
};

/* The running thread's, or NULL when no C++ runtime is linked. */
struct roost__cxx *roost__cxx_find(void);

#endif
