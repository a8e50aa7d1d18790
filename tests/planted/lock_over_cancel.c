/* lock_over_cancel.c - a cache's lock stays held when its owner is cancelled.
 *
 * The early return out of the critical section forgets it. Those who come next
 * wait for ever. Whoever cancels all of them at once does not see it; an early
 * deadline around one of them shows it.
 *
 * Plain:  well
 * Found:  early@*
 * Words:  deadlock
 * Line:   int r = roost_sleep(ROOST_MS(20));
 */
#include <errno.h>

#include "planted.h"

struct lock {
    bool held;
    roost_lot waiters;
};

static int lock(struct lock *l)
{
    int r = roost_cancelled();

    while (r >= 0 && l->held)
        r = roost_lot_wait(&l->waiters);
    if (r >= 0)
        l->held = true;
    return r;
}

static void unlock(struct lock *l)
{
    l->held = false;
    roost_lot_wake(&l->waiters, 1);
}

struct cache {
    struct lock lock;
    int value, uses;
};

static int fetch(struct cache *c)
{
    int r = roost_sleep(ROOST_MS(20));

    if (r >= 0)
        c->value++;
    return r;
}

/* The value, fetched anew by every second of those who want it. */
static int get(struct cache *c)
{
    int r = lock(&c->lock);

    if (r < 0)
        return r;
    if (c->uses++ % 2 == 0) {
        r = fetch(c);
        if (r < 0) {
#ifdef FIXED
            unlock(&c->lock);
#endif
            return r;
        }
    }
    unlock(&c->lock);
    return c->value;
}

ROOST_TASK_OF(struct cache, use)(struct cache *c)
{
    int r = ROOST_WITHIN(ROOST_SEC(5), get(c));

    if (r == -ETIMEDOUT)
        r = get(c); /* patience, then */
    return r;
}

static int body(void *arg)
{
    struct cache c = { .value = 1 };
    int i;

    (void)arg;
    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++)
        roost_go_on(n, use, &c);
    return roost_nursery_close(n, 0);
}

int main(int argc, char **argv)
{
    return planted(argc, argv, "lock_over_cancel", body);
}
