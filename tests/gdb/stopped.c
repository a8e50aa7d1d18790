/* stopped.c - a program that stops in a child of a child. See run.
 *
 * It prints nothing and returns 0 when nobody stops it. With the argument
 * "abort" the innermost child aborts.
 */
#include <stdlib.h>

#include <roost.h>

#define NOINLINE __attribute__((noinline))

NOINLINE void stopped(volatile int *secret);

/* Many of these at once are kept in the registers that a callee must save. */
NOINLINE static int opaque(int value)
{
    __asm__ volatile("" : "+r"(value));
    return value;
}

NOINLINE void stopped(volatile int *secret)
{
    if (*secret == 0)
        abort();
    *secret = 0;
}

NOINLINE static int grandchild(void *arg)
{
    volatile int secret = *(int *)arg;

    stopped(&secret);
    return secret;
}

/* Waits in close. */
NOINLINE static int child(void *arg)
{
    int a = opaque(1), b = opaque(2), c = opaque(3), d = opaque(4),
        e = opaque(5), r;

    ROOST_NURSERY(n);
    roost_spawn(n, grandchild, arg);
    r = roost_nursery_close(n, 0);
    return opaque(a) + opaque(b) + opaque(c) + opaque(d) + opaque(e) - 15 + r;
}

static int child_that_starts(void *arg)
{
    roost_started(0);
    return child(arg);
}

/* Waits in its own body, after a child that ended and one that was started. */
NOINLINE static int parent(void *arg)
{
    int a = opaque(6), b = opaque(7), c = opaque(8), d = opaque(9),
        e = opaque(10), one = 1, r;

    ROOST_NURSERY(n);
    roost_spawn(n, grandchild, &one);
    r = roost_checkpoint();
    if (r >= 0)
        r = roost_start(n, child_that_starts, arg);
    if (r >= 0)
        r = roost_sleep(ROOST_MS(1));
    r = roost_nursery_close(n, r);
    return opaque(a) + opaque(b) + opaque(c) + opaque(d) + opaque(e) - 40 + r;
}

int main(int argc, char **argv)
{
    int secret = argc > 1 ? 0 : 33;

    (void)argv;
    return roost_run(parent, &secret) != 0;
}
