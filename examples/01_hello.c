/* 01_hello.c - a task, its child, and the nursery that brings the child home.
 *
 * roost_run() returns when the last task is over, roost_nursery_close() when
 * the last child is. It prints:
 *
 *     main: the child is spawned, it runs when I wait
 *     child: hello, world
 *     child: hello again, world
 *     main: everybody is home
 */
#include <roost.h>

#include <stdio.h>
#include <string.h>

struct greet {
    const char *whom;
};

/* A task: whatever is marked ROOST_WAITS may suspend it, nothing else does. */
ROOST_TASK(greet)(struct greet *g)
{
    int r;

    printf("child: hello, %s\n", g->whom);
    r = roost_sleep(ROOST_MS(10));
    if (r < 0)
        return r; /* cancelled: go home by the usual way */
    printf("child: hello again, %s\n", g->whom);
    return 0;
}

static int main_task(void *arg)
{
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    roost_go(n, greet, .whom = "world");
    printf("main: the child is spawned, it runs when I wait\n");
    r = roost_nursery_close(n, 0);
    if (r >= 0)
        printf("main: everybody is home\n");
    return r;
}

int main(void)
{
    int r = roost_run(main_task, NULL);

    if (r < 0)
        fprintf(stderr, "01_hello: %s\n", strerror(-r));
    return r < 0;
}
