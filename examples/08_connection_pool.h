/* 08_connection_pool.h - connections to one server, lent to tasks; a few at most.
 *
 *     r = pool_checkout(&pool, roost_after(ROOST_MS(30)), &c);
 *     if (r < 0)
 *         return r;                       (-ETIMEDOUT: all were lent)
 *     r = ask(&c->fd, question, &answer);
 *     pool_return(&pool, c);
 *
 * Who comes when all are lent waits in line. A connection is dialled when it is
 * first lent, and anew when the server was found dead.
 *
 * Promises: whatever fails and whoever is cancelled, once no task is in here or
 *           has a connection, all of them are in `idle`; what a server says is
 *           for the task that asked.
 */
#ifndef EXAMPLES_CONNECTION_POOL_H
#define EXAMPLES_CONNECTION_POOL_H

#include <errno.h>
#include <roost.h>

/* true: the pool as it was before its test, 08_connection_pool_test.c. */
#ifndef POOL_BUG
#define POOL_BUG false
#endif

#define POOL_MAX 8

struct connection { roost_fd fd; }; /* closed: to be dialled */

typedef int pool_dial(roost_fd *f, void *arg); /* opens it, or an error; waits */

struct pool {
    pool_dial *dial;
    void *dial_arg;
    roost_chan *idle; /* of struct connection *; its receivers are the line */
    size_t count;
    struct connection all[POOL_MAX];
};

/* There is room for all of them: this never fails. */
static void pool_put(struct pool *p, struct connection *c)
{
    roost_ignore(roost_chan_send_nowait(p->idle, &c));
}

/* At most POOL_MAX connections. 0 or -ENOMEM. */
static int pool_open(struct pool *p, size_t count, pool_dial *dial, void *arg)
{
    *p = (struct pool){ .dial = dial, .dial_arg = arg, .count = count };
    p->idle = roost_chan_new(sizeof(struct connection *), count);
    for (size_t i = 0; p->idle && i < count; i++)
        pool_put(p, &p->all[i]);
    return p->idle ? 0 : -ENOMEM;
}

/* When all are back. */
static void pool_close(struct pool *p)
{
    for (size_t i = 0; i < p->count; i++)
        roost_fd_close(&p->all[i].fd);
    roost_chan_free(p->idle);
}

static int pool_wait_in_line(struct pool *p, roost_time deadline,
                             struct connection **ret)
{
    int r;

    ROOST_DEADLINE(s, deadline);
    r = roost_scope_leave(s, roost_chan_recv(p->idle, ret));
    /* Too late is too late? A task that was woken by a connection may find, when
     * its turn comes, that its deadline has passed as well. It has the connection
     * all the same: the result says what happened, not the scope. */
    if (POOL_BUG && roost_scope_cancelled(s))
        return -ETIMEDOUT;
    return r;
}

/* 0 with a connection, which must be returned; -ETIMEDOUT, -ECANCELED, or what
 * dialling came to. */
static int pool_checkout(struct pool *p, roost_time deadline,
                         struct connection **ret)
{
    struct connection *c;
    int r = pool_wait_in_line(p, deadline, &c);

    if (r < 0)
        return r;
    if (roost_fd_number(&c->fd) < 0)
        r = ROOST_UNTIL(deadline, p->dial(&c->fd, p->dial_arg));
    if (r < 0) {
        pool_put(p, c);
        return r;
    }
    *ret = c;
    return 0;
}

/* The server is there and has no more to say: its answer to a task that was
 * cancelled meanwhile must not be the next one's. */
static int pool_check(roost_fd *f)
{
    char answer = 0;
    int r = roost_fd_write(f, "?", 1);

    if (r > 0)
        r = roost_fd_read(f, &answer, 1);
    return r < 0 || answer == '?' ? r : -EPROTO;
}

/* Takes a connection back, in whatever state. Waits, 50 ms at most; in a task
 * that is cancelled too. */
static void pool_return(struct pool *p, struct connection *c)
{
    int r = ROOST_SHIELDED(ROOST_MS(50),
                           ROOST_WITHIN(ROOST_MS(50), pool_check(&c->fd)));

    if (r < 0)
        roost_fd_close(&c->fd);
    pool_put(p, c);
}

#endif
