/* 03_cancel_and_shield.c - being cancelled, and a shield for the last words.
 *
 * A cancelled task is not killed: its waits return -ECANCELED and it goes home
 * by its usual error path. What must be said on that path, and waited for, goes
 * in a shield, which holds for as long as its budget. Time is virtual: it jumps
 * when nobody can run, so this takes no time, and always prints:
 *
 *      40 ms  ann: bla
 *      40 ms  bob: bla
 *      80 ms  ann: bla
 *      80 ms  bob: bla
 *     100 ms  the host has had enough
 *     105 ms  ann: said goodbye
 *     150 ms  bob: left without a goodbye
 *     150 ms  everybody is home: 0
 */
#include <roost.h>

#include <stdio.h>

struct guest {
    const char *name;
    roost_time goodbye; /* how long it takes */
};

static roost_time began;

static int now_ms(void)
{
    return (int)((roost_now() - began) / ROOST_MS(1));
}

static int say_goodbye(const struct guest *g)
{
    int r = roost_sleep(g->goodbye); /* until the others have answered, say */

    if (r >= 0)
        printf("%3d ms  %s: said goodbye\n", now_ms(), g->name);
    return r;
}

ROOST_TASK(guest)(struct guest *g)
{
    int r;

    while ((r = roost_sleep(ROOST_MS(40))) >= 0)
        printf("%3d ms  %s: bla\n", now_ms(), g->name);
    if (ROOST_SHIELDED(ROOST_MS(50), say_goodbye(g)) < 0)
        printf("%3d ms  %s: left without a goodbye\n", now_ms(), g->name);
    return r; /* -ECANCELED, for the nursery that caused it */
}

static int main_task(void *arg)
{
    int r;

    (void)arg;
    began = roost_now();
    ROOST_NURSERY(n);
    roost_go(n, guest, .name = "ann", .goodbye = ROOST_MS(5));
    roost_go(n, guest, .name = "bob", .goodbye = ROOST_SEC(3600));
    r = roost_sleep(ROOST_MS(100));
    if (r < 0)
        return roost_nursery_close(n, r);
    printf("%3d ms  the host has had enough\n", now_ms());
    roost_nursery_cancel(n, "the host has had enough");
    r = roost_nursery_close(n, 0);
    printf("%3d ms  everybody is home: %d\n", now_ms(), r);
    return r;
}

int main(void)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };

    return roost_run_with(&o, main_task, NULL) < 0;
}
