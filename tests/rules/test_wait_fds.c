/* test_wait_fds.c - claims about waiting for several descriptors of others, and
 *                   about closing one that is waited for.
 */
#define _GNU_SOURCE
#include "rules/pairs.h"
#include "rules/in_task.h"

#include <stdlib.h>
#include <sys/epoll.h>

/* ---- several at once ---- */

enum { MANY = 100 };

static void open_many(struct fds *p, roost_fd_ready *items, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        p[i] = open_pair();
        items[i] = (roost_fd_ready){ .fd = p[i].r, .mask = ROOST_READ };
    }
}

static void close_many(struct fds *p, int count)
{
    while (count-- > 0)
        close_both(p[count]);
}

static int counts_ready(void *arg)
{
    struct fds p[MANY];
    roost_fd_ready items[MANY];
    int i;

    (void)arg;
    open_many(p, items, MANY);
    for (i = 0; i < MANY; i += 3)
        put_byte(p[i].w);
    EXPECT_INT(roost_wait_fds(items, MANY), 34);
    for (i = 0; i < MANY; i++)
        EXPECT_INT(items[i].ret_mask, i % 3 ? 0 : ROOST_READ);
    for (i = 0; i < MANY; i += 3)
        take_byte(p[i].r);
    put_byte(p[50].w);
    items[7].mask = ROOST_READ | ROOST_WRITE;
    EXPECT_INT(roost_wait_fds(items, MANY), 2);
    EXPECT_INT(items[50].ret_mask, ROOST_READ);
    EXPECT_INT(items[7].ret_mask, ROOST_WRITE);
    EXPECT_INT(items[0].ret_mask, 0);
    close_many(p, MANY);
    EXPECT_INT(roost__rt->outside, 0);
    return 0;
}

static void it_says_how_many_and_which_are_ready(void **state)
{
    (void)state;
    with_clocks(counts_ready);
}

static int odd_items(void *arg)
{
    struct fds p = open_pair();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    roost_fd_ready items[3] = { { .fd = -1, .mask = 99, .ret_mask = 5 },
                                { .fd = p.r, .mask = ROOST_READ },
                                { .fd = p.r, .mask = ROOST_WRITE } };

    (void)arg;
    EXPECT_INT(roost_wait_fds(items, 0), -EINVAL);
    EXPECT_INT(roost_wait_fds(items, 1), -EINVAL); /* nothing to wait for */
    EXPECT_INT(roost_wait_fds(items, 3), 1); /* one number twice is fine */
    EXPECT_INT(items[0].ret_mask, 0);
    EXPECT_INT(items[1].ret_mask, 0);
    EXPECT_INT(items[2].ret_mask, ROOST_WRITE);
    put_byte(p.w);
    EXPECT_INT(roost_wait_fds(items, 3), 2);
    items[0] = (roost_fd_ready){ .fd = null, .mask = ROOST_READ };
    EXPECT_INT(roost_wait_fds(items, 3), 3); /* the others do not starve */
    items[0].fd = file;
    memset(items[2].room, 0xee, sizeof items[2].room); /* of no importance */
    EXPECT_INT(roost_wait_fds(items, 3), -EPERM);
    EXPECT_HAS(kit_error(roost_error_of(-EPERM)), "is a regular file");
    close(file);
    EXPECT_INT(roost_wait_fds(items, 3), -EBADF);
    items[0].fd = null;
    items[2].mask = 0;
    EXPECT_INT(roost_wait_fds(items, 3), -EINVAL);
    close(null);
    close_both(p);
    EXPECT_INT(roost__rt->outside, 0);
    return 0;
}

static void odd_items_are_passed_over_or_refused(void **state)
{
    (void)state;
    with_clocks(odd_items);
}

struct several {
    roost_fd_ready *items;
    size_t count;
    roost_scope *scope;
    int r;
    bool over;
};

static int waits_for_several(void *arg)
{
    struct several *s = arg;
    roost_scope scope;

    roost_scope_enter(&scope, ROOST_NEVER);
    s->scope = &scope;
    s->r = roost_wait_fds(s->items, s->count);
    s->over = true;
    return roost_scope_leave(&scope, s->r < 0 && s->r != -EBADF ? s->r : 0);
}

/* The items go with the frame that held them. */
static int several_end(void *arg)
{
    struct fds p[3];
    int how, i;

    (void)arg;
    for (how = 0; how < 3; how++) {
        roost_fd_ready *items = malloc(3 * sizeof *items);
        struct several s = { .items = items, .count = 3 };

        open_many(p, items, 3);
        ROOST_NURSERY(n);
        roost_spawn(n, waits_for_several, &s);
        settle();
        EXPECT(!s.over);
        EXPECT_INT(roost__rt->outside, 1);
        if (how == 0)
            put_byte(p[2].w);
        else if (how == 1)
            roost_scope_cancel(s.scope, "a test");
        else
            EXPECT_INT(roost_fd_closing(p[1].r), 1);
        EXPECT_INT(roost_nursery_close(n, 0), 0);
        EXPECT_INT(s.r, how == 0 ? 1 : how == 1 ? -ECANCELED : -EBADF);
        EXPECT_INT(roost__rt->outside, 0);
        free(items);
        for (i = 0; i < 3; i++)
            put_byte(p[i].w); /* nobody looks at it */
        settle();
        close_many(p, 3);
    }
    return 0;
}

static void whatever_ends_the_wait_leaves_nothing_behind_C5(void **state)
{
    (void)state;
    with_clocks(several_end);
}

static int woken_then_cancelled(void *arg)
{
    struct fds p[3];
    roost_fd_ready items[3];
    struct several s = { .items = items, .count = 3 };

    (void)arg;
    open_many(p, items, 3);
    ROOST_NURSERY(n);
    roost_spawn(n, waits_for_several, &s);
    settle();
    put_byte(p[0].w);
    roost__loop_poll(&roost__rt->loop);
    put_byte(p[1].w); /* counts too: it has not run yet */
    roost__loop_poll(&roost__rt->loop);
    roost_scope_cancel(s.scope, "a test");
    EXPECT_INT(roost_fd_closing(p[0].r), 0);
    EXPECT_INT(roost_fd_closing(p[2].r), 0); /* he is done */
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(s.r, 2);
    close_many(p, 3);
    return 0;
}

static void ready_before_the_cancel_is_done_C4(void **state)
{
    (void)state;
    with_clocks(woken_then_cancelled);
}

/* ---- closing what is waited for ---- */

static int announced(void *arg)
{
    struct fds p = open_pair(), q = open_pair();
    struct waiter w[3] = { { .fd = p.r, .mask = ROOST_READ },
                           { .fd = q.r, .mask = ROOST_READ },
                           { .fd = p.r, .mask = ROOST_READ } };
    int i;

    (void)arg;
    EXPECT_INT(roost_fd_closing(p.r), 0);
    EXPECT_INT(roost_fd_closing(-1), 0);
    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++)
        roost_spawn(n, waits, &w[i]);
    settle();
    EXPECT_INT(roost__rt->outside, 3);
    EXPECT_INT(roost_fd_closing(p.r), 2);
    EXPECT_INT(roost_fd_closing(p.r), 0);
    EXPECT_INT(roost__rt->outside, 1);
    close_both(p);
    put_byte(q.w);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(w[0].r, -EBADF);
    EXPECT_INT(w[1].r, ROOST_READ);
    EXPECT_INT(w[2].r, -EBADF);
    close_both(q);
    return 0;
}

static void closing_wakes_all_who_wait_for_the_number_with_EBADF(void **state)
{
    (void)state;
    with_clocks(announced);
}

static void closing_outside_a_run_does_nothing(void **state)
{
    (void)state;
    assert_int_equal(roost_fd_closing(0), 0);
}

/* Closed without a word, in the very turn in which the wait began or later, with
 * or without others on the number: the waiter stays until it is cancelled. */
static int silent(void *arg)
{
    struct waiter w[2];
    struct fds p;
    int i;

    (void)arg;
    for (i = 0; i < 8; i++) {
        p = open_pair();
        w[0] = (struct waiter){ .fd = p.r, .mask = ROOST_READ };
        w[1] = (struct waiter){ .fd = p.r, .mask = i & 2
                                ? ROOST_READ : ROOST_READ | ROOST_WRITE };
        fill(p.r);
        ROOST_NURSERY(n);
        roost_spawn(n, waits, &w[0]);
        roost_spawn(n, waits, &w[1]);
        EXPECT_INT(roost_checkpoint(), 0);
        if (i & 1)
            settle();
        EXPECT_INT(roost__rt->outside, 2);
        close_both(p);
        if (i & 4)
            settle();
        roost_scope_cancel(w[1].scope, "a test");
        settle();
        EXPECT_INT(w[1].r, -ECANCELED);
        EXPECT_INT(w[0].r, 0);
        roost_scope_cancel(w[0].scope, "a test");
        EXPECT_INT(roost_nursery_close(n, 0), 0);
        EXPECT_INT(w[0].r, -ECANCELED);
    }
    EXPECT_INT(roost__rt->outside, 0);
    return 0;
}

static void closed_without_a_word_the_waiter_stays_until_cancelled(void **state)
{
    (void)state;
    with_clocks(silent);
}

/* ...or until somebody waits for the number again and it is ready. */
static int silent_and_reopened(void *arg)
{
    struct fds p = open_pair(), q;
    struct waiter old = { .fd = p.r, .mask = ROOST_READ }, late;

    (void)arg;
    late = old;
    ROOST_NURSERY(n);
    roost_spawn(n, waits, &old);
    settle();
    close_both(p);
    q = open_pair();
    EXPECT_INT(q.r, p.r);
    settle();
    EXPECT_INT(old.r, 0);
    roost_spawn(n, waits, &late);
    settle();
    EXPECT_INT(old.r, 0);
    EXPECT_INT(late.r, 0);
    put_byte(q.w);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(old.r, ROOST_READ);
    EXPECT_INT(late.r, ROOST_READ);
    close_both(q);
    return 0;
}

static void or_until_the_number_is_waited_for_again_and_ready(void **state)
{
    (void)state;
    with_clocks(silent_and_reopened);
}

/* The number is another descriptor now, but what it was lives on as a copy and
 * becomes ready: that is not what the second task waits for. */
static int copy_lives_on(void *arg)
{
    struct fds p = open_pair(), q = open_pair();
    int copy = fcntl(p.r, F_DUPFD_CLOEXEC, 0);
    struct waiter first = { .fd = p.r, .mask = ROOST_READ }, late = first;

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, waits, &first);
    settle();
    roost_scope_cancel(first.scope, "a test");
    settle();
    EXPECT_INT(dup3(q.r, p.r, O_CLOEXEC), p.r);
    roost_spawn(n, waits, &late);
    settle();
    put_byte(p.w); /* the copy */
    settle();
    EXPECT_INT(late.r, 0);
    put_byte(q.w);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(late.r, ROOST_READ);
    close(copy);
    close_both(p);
    close_both(q);
    return 0;
}

static void events_of_an_earlier_owner_of_the_number_are_told_apart(void **state)
{
    (void)state;
    with_clocks(copy_lives_on);
}

/* A set that contains itself, and the like: the kernel's answer is ours. */
IN_TASK(what_the_kernel_refuses_is_an_error_like_any_other)
{
    int set = epoll_create1(EPOLL_CLOEXEC), other = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = { .events = EPOLLIN };

    EXPECT_INT(ROOST_WITHIN(1, roost_wait_fd(set, ROOST_READ)), -ETIMEDOUT);
    EXPECT_INT(epoll_ctl(set, EPOLL_CTL_ADD, other, &e), 0);
    EXPECT_INT(ROOST_WITHIN(1, roost_wait_fd(other, ROOST_READ)), -ETIMEDOUT);
    EXPECT_INT(epoll_ctl(other, EPOLL_CTL_ADD, set, &e), -1);
    close(set);
    close(other);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_how_many_and_which_are_ready),
        cmocka_unit_test(odd_items_are_passed_over_or_refused),
        cmocka_unit_test(whatever_ends_the_wait_leaves_nothing_behind_C5),
        cmocka_unit_test(ready_before_the_cancel_is_done_C4),
        cmocka_unit_test(closing_wakes_all_who_wait_for_the_number_with_EBADF),
        cmocka_unit_test(closing_outside_a_run_does_nothing),
        cmocka_unit_test(closed_without_a_word_the_waiter_stays_until_cancelled),
        cmocka_unit_test(or_until_the_number_is_waited_for_again_and_ready),
        cmocka_unit_test(
            events_of_an_earlier_owner_of_the_number_are_told_apart),
        cmocka_unit_test(what_the_kernel_refuses_is_an_error_like_any_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
