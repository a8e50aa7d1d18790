/* test_idle_mark.c - claims about ROOST_IDLE: which wait bears the mark, as the
 *                    tree shows it. What a soft stop does with it comes with the
 *                    soft stop.
 */
#include "rules/in_task.h"
#include "rules/tree_line.h"

#include <sys/socket.h>
#include <unistd.h>

static bool is_idle(void)
{
    return strstr(tree_line("child.c:1"), " (idle) ");
}

/* Runs fn as a child until it waits, and says whether its wait is marked. */
static bool marked(roost_nursery *n, roost_task_fn *fn, void *arg)
{
    EXPECT_INT(roost_spawn_at(n, fn, arg, "child.c:1"), 0);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    EXPECT_HAS(tree_line("child.c:1"), "waits for");
    return is_idle();
}

static int plain(void *arg)
{
    return roost_event_wait(arg);
}

static int idle(void *arg)
{
    return ROOST_IDLE(roost_event_wait(arg));
}

static int idle_in_limit(void *arg)
{
    return ROOST_WITHIN(ROOST_SEC(5), ROOST_IDLE(roost_event_wait(arg)));
}

static int limit_in_idle(void *arg)
{
    return ROOST_IDLE(ROOST_WITHIN(ROOST_SEC(5), roost_event_wait(arg)));
}

static int in_condition(void *arg)
{
    int r;

    while ((r = ROOST_IDLE(roost_event_wait(arg))) != 0)
        if (r < 0)
            break;
    return r;
}

/* Several words, as a compound literal has them, are one call. */
static int with_commas(void *arg)
{
    return ROOST_IDLE(plain(((void *[]){ arg, NULL })[0]));
}

IN_TASK(a_marked_wait_is_shown_as_idle_X5)
{
    static roost_task_fn *const marks[] = { idle, idle_in_limit, limit_in_idle,
                                            in_condition, with_commas };
    roost_event e;
    size_t i;

    for (i = 0; i < sizeof marks / sizeof *marks; i++) {
        roost_event_init(&e);
        ROOST_NURSERY(n);
        EXPECT(marked(n, marks[i], &e));
        roost_event_set(&e);
        EXPECT_INT(roost_nursery_close(n, 0), 0);
    }
    return 0;
}

IN_TASK(an_unmarked_wait_is_not_X5)
{
    roost_event e;

    roost_event_init(&e);
    ROOST_NURSERY(n);
    EXPECT(!marked(n, plain, &e));
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

static int waits_twice(void *arg)
{
    roost_event *e = arg;
    int r = roost_event_wait(&e[0]);

    return r < 0 ? r : roost_event_wait(&e[1]);
}

static int marks_two_waits(void *arg)
{
    return ROOST_IDLE(waits_twice(arg));
}

IN_TASK(the_mark_covers_the_first_park_only_X5)
{
    roost_event e[2];

    roost_event_init(&e[0]);
    roost_event_init(&e[1]);
    ROOST_NURSERY(n);
    EXPECT(marked(n, marks_two_waits, e));
    roost_event_set(&e[0]);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    EXPECT(!is_idle());
    roost_event_set(&e[1]);
    return roost_nursery_close(n, 0);
}

/* A call that had not to wait takes its mark along. */
static int marks_no_wait(void *arg)
{
    roost_event *e = arg;
    int r;

    r = ROOST_IDLE(roost_event_wait(&e[0]));
    return r < 0 ? r : roost_event_wait(&e[1]);
}

IN_TASK(the_mark_ends_with_the_call_X5)
{
    roost_event e[2];

    roost_event_init(&e[0]);
    roost_event_init(&e[1]);
    roost_event_set(&e[0]);
    ROOST_NURSERY(n);
    EXPECT(!marked(n, marks_no_wait, e));
    roost_event_set(&e[1]);
    return roost_nursery_close(n, 0);
}

static int spawns_and_joins(void *arg)
{
    ROOST_NURSERY(n);
    roost_spawn_at(n, plain, arg, "grandchild.c:2");
    return roost_nursery_close(n, 0);
}

static int marks_a_tree(void *arg)
{
    return ROOST_IDLE(spawns_and_joins(arg));
}

IN_TASK(the_mark_is_the_tasks_not_its_childrens_X5)
{
    roost_event e;

    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_ignore(marked(n, marks_a_tree, &e));
    EXPECT_HAS(tree_line("grandchild.c:2"), "waits for an event");
    EXPECT(!strstr(tree_line("grandchild.c:2"), "(idle)"));
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

static int idle_fd(void *arg)
{
    return ROOST_IDLE(roost_wait_fd(*(int *)arg, ROOST_READ));
}

static int idle_recv(void *arg)
{
    int item, r;

    r = ROOST_IDLE(roost_chan_recv(arg, &item));
    return r == 1 ? item : r;
}

/* The mark changes nothing about what comes. */
IN_TASK(a_marked_wait_returns_what_it_would_without_X5)
{
    roost_chan *c = roost_chan_new(sizeof(int), 1);
    int fd[2], item = 6;

    EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    ROOST_NURSERY(n);
    EXPECT(marked(n, idle_fd, &fd[0]));
    EXPECT_INT(write(fd[1], "x", 1), 1);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    EXPECT_INT(idle_fd(&fd[0]), ROOST_READ);
    EXPECT(marked(n, idle_recv, c));
    EXPECT_INT(roost_chan_send(c, &item), 0);
    EXPECT_INT(roost_chan_send(c, &item), 0);
    EXPECT_INT(idle_recv(c), 6);
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(3), idle_recv(c)), -ETIMEDOUT);
    roost_chan_free(c);
    close(fd[0]);
    close(fd[1]);
    return roost_nursery_close(n, 0);
}

/* Outside a task the mark is nothing at all. */
static void outside_a_task_the_mark_does_nothing(void **state)
{
    (void)state;
    assert_int_equal(ROOST_IDLE(7), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_marked_wait_is_shown_as_idle_X5),
        cmocka_unit_test(an_unmarked_wait_is_not_X5),
        cmocka_unit_test(the_mark_covers_the_first_park_only_X5),
        cmocka_unit_test(the_mark_ends_with_the_call_X5),
        cmocka_unit_test(the_mark_is_the_tasks_not_its_childrens_X5),
        cmocka_unit_test(a_marked_wait_returns_what_it_would_without_X5),
        cmocka_unit_test(outside_a_task_the_mark_does_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
