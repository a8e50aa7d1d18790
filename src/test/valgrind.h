/* valgrind.h - what the kit and tests ask valgrind, and its answers where it is not installed.
 *
 * Owns:     the requests that they use, each as good as nothing without its
 *           headers.
 */
#ifndef ROOST_TEST_VALGRIND_H
#define ROOST_TEST_VALGRIND_H

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_DISABLE_ERROR_REPORTING ((void)0)
#define VALGRIND_STACK_REGISTER(lo, hi) 0u
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

#endif
