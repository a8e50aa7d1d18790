/* pool.h - what the tests of stacks and of the overflow handler share: a pool
 * with a given kind of guard, a crowd out of it, children that die.
 */
#ifndef ROOST_TESTS_POOL_H
#define ROOST_TESTS_POOL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/stack.h"
#include "test/valgrind.h"

enum { SMALL = 0, COMMON = 1, CROWD = 2000 };

static const char *const guard_modes[] = {"madvise", "mprotect", "none"};

/* `guard`: NULL is the one of the suite, which may run with one kind. */
static inline int pool_try_init(struct roost__stacks *p, const char *guard,
                                bool demanded)
{
    const char *now = getenv("ROOST_TEST_GUARD");
    char *of_suite = now ? strdup(now) : NULL;
    int r;

    if (guard)
        setenv("ROOST_TEST_GUARD", guard, 1);
    r = roost__stacks_init(p, demanded);
    if (of_suite)
        setenv("ROOST_TEST_GUARD", of_suite, 1);
    else
        unsetenv("ROOST_TEST_GUARD");
    free(of_suite);
    return r;
}

static inline void pool_init(struct roost__stacks *p, const char *guard)
{
    assert_int_equal(pool_try_init(p, guard, false), 0);
}

static struct roost__stack *crowd[CROWD];

static inline void crowd_get(struct roost__stacks *p, int class_index)
{
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = roost__stack_get(p, class_index);
        assert_non_null(crowd[i]);
    }
}

static inline void crowd_put(struct roost__stacks *p)
{
    for (size_t i = 0; i < CROWD; i++)
        roost__stack_put(p, crowd[i]);
}

/* As an idle loop does that nothing wakes. */
static inline void trim_all(struct roost__stacks *p)
{
    roost_time now = p->trim_at, delay;

    while ((delay = roost__stacks_trim(p, now)) != ROOST_NEVER)
        now += delay;
}

/* How a child that runs fn(arg) ends: its exit status, or -signal. */
static inline int ending_of(void (*fn)(void *), void *arg)
{
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);

        dup2(null, STDERR_FILENO);
        VALGRIND_DISABLE_ERROR_REPORTING;       /* bad accesses are the point */
        fn(arg);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

#endif
