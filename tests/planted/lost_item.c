/* lost_item.c - a pool's connection is lost in the hand-off to who was cancelled.
 *
 * Who gives back hands it to the first in line. One who is cancelled after that,
 * and before it runs, has it all the same; this one looks, leaves, and the pool is
 * one connection short. It takes a cancellation in that very turn.
 *
 * Plain:  well
 * Found:  cancel@*
 * Words:  memory .*not freed
 * Unseen: tsan
 * Line:   r = roost_park(&want.w, "a connection", leave_line, p);
 */
#include <errno.h>
#include <stdlib.h>

#include "planted.h"

struct conn { int uses; };

struct pool {
    struct conn *idle;
    roost_wait *first, **end; /* the line; who stands in it is a `want` */
};

struct want {
    roost_wait w;
    struct conn *conn;
};

static void give(struct pool *p, struct conn *c)
{
    roost_wait *w = p->first;

    if (!w) {
        p->idle = c;
        return;
    }
    p->first = w->next;
    if (!p->first)
        p->end = &p->first;
    ((struct want *)(void *)w)->conn = c;
    roost_wake(w, 0);
}

static bool leave_line(roost_wait *w, void *pool)
{
    struct pool *p = pool;
    roost_wait **at = &p->first;

    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    if (!*at)
        p->end = at;
    return true;
}

static int take(struct pool *p, struct conn **ret)
{
    struct want want = { .conn = p->idle };
    int r = roost_cancelled();

    if (r < 0)
        return r;
    p->idle = NULL;
    if (!want.conn) {
        roost_wait_init(&want.w);
        want.w.next = NULL;
        *p->end = &want.w;
        p->end = &want.w.next;
        r = roost_park(&want.w, "a connection", leave_line, p);
#ifndef FIXED
        if (r >= 0)
            r = roost_cancelled();
#endif
    }
    if (r >= 0)
        *ret = want.conn;
    return r;
}

ROOST_TASK_OF(struct pool, use)(struct pool *p)
{
    struct conn *c;
    int r = take(p, &c);

    if (r < 0)
        return r;
    c->uses++;
    r = roost_sleep(ROOST_MS(10));
    give(p, c);
    return r;
}

static int body(void *arg)
{
    struct pool p = { .idle = calloc(1, sizeof(struct conn)), .end = &p.first };
    int i, r;

    (void)arg;
    if (!p.idle)
        return -ENOMEM;
    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++)
        roost_go_on(n, use, &p);
    r = roost_nursery_close(n, 0);
    free(p.idle);
    return r;
}

int main(int argc, char **argv)
{
    return planted(argc, argv, "lost_item", body);
}
