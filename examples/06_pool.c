/* 06_pool.c - a library object with tasks of its own: a pool of connections.
 *
 * It takes its user's nursery and spawns service children into it, which never
 * keep the user's close waiting. pool_open() returns when the connections are
 * there, pool_close() ends the children by their handles. A checkout is a wait
 * like any other, its deadline a scope around it. Prints that ann and bob got a
 * connection, that eve's wait timed out, and that no child is left at the end.
 */
#include <errno.h>
#include <roost.h>
#include <stdio.h>
#include <string.h>

struct pool {
    roost_chan *idle; /* connections, mere numbers here; users wait in line */
    roost_child connector, checker;
};

ROOST_TASK_OF(struct pool, connector)(struct pool *p)
{
    int c, r = 0;

    for (c = 1; r >= 0 && c <= 2; c++)
        if ((r = roost_sleep(ROOST_MS(10))) >= 0) /* connect(2), say */
            r = roost_chan_send(p->idle, &c);
    if (r < 0)
        return r;
    roost_started(2); /* this is what roost_start_with() returns */
    return roost_sleep_until(ROOST_NEVER);
}

ROOST_TASK_OF(struct pool, checker)(struct pool *p)
{
    int c, r;

    while ((r = roost_sleep(ROOST_MS(100))) >= 0)
        if (roost_chan_recv_nowait(p->idle, &c) > 0) {
            printf("connection %d was checked\n", c);
            roost_ignore(roost_chan_send_nowait(p->idle, &c));
        }
    return r;
}

/* The number of connections, or a negative errno; to be closed in any case. */
static int pool_open(struct pool *p, roost_nursery *n)
{
    *p = (struct pool){ .idle = roost_chan_new(sizeof(int), 2) };
    if (!p->idle)
        return -ENOMEM;
    roost_go_on(n, checker, p, .service = true, .child = &p->checker);
    return roost_start_with(n, roost_task_connector, p,
                            &(roost_spawn_options){ .service = true,
                                                    .child = &p->connector });
}

/* A child that failed has told the nursery; a handle of nobody is fine. */
static void pool_close(struct pool *p)
{
    roost_ignore(roost_child_end(&p->checker, "pool closed"));
    roost_ignore(roost_child_end(&p->connector, "pool closed"));
    roost_chan_free(p->idle);
}

struct user { const char *name; struct pool *pool; };

ROOST_TASK(user)(struct user *u)
{
    int c, r = ROOST_WITHIN(ROOST_MS(30), roost_chan_recv(u->pool->idle, &c));

    printf("%s: %s\n", u->name, r < 0 ? strerror(-r) : "has a connection");
    if (r < 0)
        return r == -ETIMEDOUT ? 0 : r;
    r = roost_sleep(c == 1 ? ROOST_MS(60) : ROOST_MS(120));
    roost_ignore(roost_chan_send_nowait(u->pool->idle, &c));
    return r;
}

static int main_task(void *pool)
{
    int r;

    ROOST_NURSERY(n);
    r = pool_open(pool, n);
    if (r >= 0) {
        ROOST_NURSERY(users);
        roost_go(users, user, .name = "ann", .pool = pool);
        roost_go(users, user, .name = "bob", .pool = pool);
        roost_go(users, user, .name = "eve", .pool = pool);
        r = roost_nursery_close(users, 0);
    }
    pool_close(pool);
    printf("closed, %zu children are left\n", roost_nursery_count(n));
    return roost_nursery_close(n, r);
}

int main(void)
{
    return roost_run_with(&(roost_options){ .clock = ROOST_CLOCK_VIRTUAL },
                          main_task, &(struct pool){ 0 }) < 0;
}
