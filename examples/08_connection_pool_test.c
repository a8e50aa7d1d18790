/* 08_connection_pool_test.c - tests for a library that must not lose anything.
 *
 *     08_connection_pool_test             all pass
 *     08_connection_pool_test --buggy     the pool as it once was: one fails
 *
 * The pool once had an `if` more, of the kind that is written in good faith;
 * 08_connection_pool.h shows it still. With it the plain tests pass as well, and
 * they run every line. In production a connection was gone every few hours:
 * handed over to a task in the very turn in which its deadline passed. (asyncpg,
 * a pool on Python's asyncio, had this one: see its issue 467.) Some day all were.
 *
 * To see it, a test must let a deadline pass just there. roost_torture() lets
 * everything go wrong everywhere, one thing at a time, and the roost_check() in
 * with_pool() tells when the pool did not stand that:
 *
 *     what:  08_connection_pool_test.c:161: left == 2 does not hold: 1 of 2
 *            connections are in the pool
 *     where: woken, having waited for an item of a channel, in task main/user#4,
 *            called in pool_checkout+0x42 (08_connection_pool.h:71)
 *     again: ROOST_TORTURE=early@63 08_connection_pool_test --buggy
 *
 * A deadline had passed when user#4 woke up. The last line repeats this very run,
 * in a debugger if need be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <roost/test.h>

static bool buggy; /* --buggy */
#define POOL_BUG buggy
#include "08_connection_pool.h"

/* ---- a server: answers with the question, and hangs up at '!' ---- */

struct server {
    roost_nursery *connections;
    int dialled;
    bool refuses, slow;
};

struct connected { struct server *server; int fd; };

ROOST_TASK(connected)(struct connected *to)
{
    char question;
    roost_fd f;
    int r = roost_fd_open(&f, to->fd);

    if (r < 0) {
        close(to->fd);
        return r;
    }
    while ((r = roost_fd_read(&f, &question, 1)) > 0 && question != '!') {
        r = roost_sleep(to->server->slow ? ROOST_MS(20) : ROOST_MS(5));
        if (r >= 0)
            r = roost_fd_write(&f, &question, 1);
        if (r < 0)
            break;
    }
    roost_fd_close(&f);
    return r == -EPIPE || r == -ECONNRESET ? 0 : r; /* the client has gone */
}

static int dial(roost_fd *f, void *arg)
{
    struct server *s = arg;
    int ends[2], r = roost_sleep(ROOST_MS(5));

    if (r < 0 || s->refuses)
        return r < 0 ? r : -ECONNREFUSED;
    s->dialled++;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    r = roost_fd_open(f, ends[0]);
    if (r < 0)
        close(ends[0]);
    else
        r = roost_go(s->connections, connected, .server = s, .fd = ends[1]);
    if (r < 0) {
        close(ends[1]);
        roost_fd_close(f);
    }
    return r;
}

/* ---- what the pool's users do ---- */

/* 1 with an answer; 0, the server hung up; or an error. */
static int ask(struct pool *p, char question)
{
    struct connection *c;
    char answer;
    int r = pool_checkout(p, roost_after(ROOST_MS(30)), &c);

    if (r < 0)
        return r;
    r = roost_fd_write(&c->fd, &question, 1);
    if (r > 0)
        r = roost_fd_read(&c->fd, &answer, 1);
    if (r > 0)
        roost_check(answer == question, "%c was told %c", question, answer);
    pool_return(p, c);
    return r;
}

static int three_questions(struct pool *p, char first)
{
    int r = ask(p, first);

    if (r >= 0)
        r = ask(p, 'y');
    return r < 0 ? r : ask(p, 'z');
}

struct user { struct pool *pool; char question; };

ROOST_TASK(user)(struct user *u)
{
    return ask(u->pool, u->question);
}

static int four_users(struct pool *p, char first)
{
    ROOST_NURSERY(n);
    for (char i = 0; i < 4; i++)
        roost_go(n, user, .pool = p, .question = (char)(first + i));
    return roost_nursery_close(n, 0);
}

static size_t idle(struct pool *p)
{
    struct connection *c;
    size_t n = 0;

    while (roost_chan_recv_nowait(p->idle, &c) > 0)
        n++;
    return n;
}

/* Users of a pool of two, up to the promises that it must have kept. */
static int with_pool(struct server *s, int (*use)(struct pool *, char), char question)
{
    struct pool pool;
    size_t left;
    int r;

    ROOST_NURSERY(n);
    s->connections = n;
    r = pool_open(&pool, 2, dial, s);
    if (r < 0)
        return roost_nursery_close(n, r);
    r = use(&pool, question);
    left = idle(&pool);
    roost_check(left == 2, "%zu of 2 connections are in the pool", left);
    pool_close(&pool);
    return roost_nursery_close(n, r);
}

/* ---- plain tests ---- */

static void connections_are_used_again(void **state)
{
    struct server s = { 0 };

    (void)state;
    assert_int_equal(with_pool(&s, three_questions, 'a'), 1);
    assert_int_equal(s.dialled, 2);
}

static void one_that_the_server_closed_is_replaced(void **state)
{
    struct server s = { 0 };

    (void)state;
    assert_int_equal(with_pool(&s, three_questions, '!'), 1);
    assert_int_equal(s.dialled, 3);
}

static void a_server_that_refuses_is_an_error(void **state)
{
    struct server s = { .refuses = true };

    (void)state;
    assert_int_equal(with_pool(&s, ask, 'a'), -ECONNREFUSED);
}

static void two_are_enough_for_four_users(void **state)
{
    struct server s = { 0 };

    (void)state;
    assert_int_equal(with_pool(&s, four_users, 'a'), 0);
    assert_int_equal(s.dialled, 2);
}

static void nobody_waits_longer_than_he_said(void **state)
{
    struct server s = { .slow = true };

    (void)state;
    assert_int_equal(with_pool(&s, four_users, 'a'), -ETIMEDOUT);
}

/* ---- and the one that finds it ---- */

static int body(void *arg)
{
    struct server s = { 0 };

    (void)arg;
    return with_pool(&s, four_users, 'a');
}

static void nothing_is_lost_whatever_goes_wrong(void **state)
{
    (void)state;
    assert_int_equal(roost_torture(body, NULL, NULL), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        roost_unit_test(connections_are_used_again),
        roost_unit_test(one_that_the_server_closed_is_replaced),
        roost_unit_test(a_server_that_refuses_is_an_error),
        roost_unit_test(two_are_enough_for_four_users),
        roost_unit_test(nobody_waits_longer_than_he_said),
        cmocka_unit_test(nothing_is_lost_whatever_goes_wrong),
    };

    buggy = argc > 1 && strcmp(argv[1], "--buggy") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
