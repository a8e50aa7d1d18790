/* test_tree.c - claims about the tree that roost_tree_print draws.
 *
 * The calls that stand in it are given made-up places, so each line can be found.
 */
#include "rules/in_task.h"
#include "rules/in_callback.h"
#include "rules/tree_line.h"

#include <stdio.h>
#include <unistd.h>

static void settle(void)
{
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
}

static int lines_of(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* ---- where it is ---- */

static void outside_a_run_it_says_that_there_is_none(void **state)
{
    (void)state;
    assert_string_equal(kit_tree(), "(no roost run in this thread)\n");
}

IN_TASK(main_alone_is_one_line)
{
    EXPECT_INT(lines_of(kit_tree()), 1);
    EXPECT_HAS(kit_tree(), "main ");
    EXPECT_HAS(kit_tree(), "kit.c:"); /* where the run began */
    EXPECT_HAS(kit_tree(), ", running\n");
    return 0;
}

static void print_in_callback(struct ev_loop *loop, ev_idle *w, int events)
{
    (void)events;
    EXPECT_HAS(kit_tree(), "waits for an event");
    EXPECT(!strstr(kit_tree(), "running"));
    roost_event_set(w->data);
    ev_idle_stop(loop, w);
}

static int waits_for(void *arg)
{
    return roost_event_wait(arg);
}

static void a_callback_of_the_loop_sees_everybody_waiting(void **state)
{
    roost_event e;

    (void)state;
    look_in_loop(print_in_callback, waits_for, &e);
}

/* ---- tasks and nurseries ---- */

struct typed {
    roost_event *e;
};

ROOST_TASK(typed)(struct typed *a)
{
    return roost_event_wait(a->e);
}

IN_TASK(nurseries_and_children_have_names_numbers_and_places)
{
    roost_event e;
    roost_spawn_options named = { .name = "reader" };

    roost_event_init(&e);
    ROOST_NURSERY_WITH(n, .name = "sessions");
    roost_spawn_at(n, waits_for, &e, "plain.c:1");
    roost_spawn_with_at(n, waits_for, &e, &named, "named.c:2");
    roost_go(n, typed, .e = &e);
    EXPECT_HAS(tree_line("plain.c:1"), "|- task#2 plain.c:1, ready");
    settle();
    EXPECT_HAS(kit_tree(), "`- nursery sessions ");
    EXPECT_HAS(kit_tree(), "test_tree.c:");
    EXPECT_HAS(kit_tree(), ", 3 children\n");
    EXPECT_HAS(tree_line("plain.c:1"), "   |- task#2 plain.c:1, waits for ");
    EXPECT_HAS(tree_line("named.c:2"), "   |- reader#3 named.c:2, waits for ");
    EXPECT_HAS(kit_tree(), "   `- typed#4 ");
    EXPECT_INT(lines_of(kit_tree()), 5);
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

static int short_sleep(void *arg)
{
    (void)arg;
    return roost_sleep(ROOST_MS(2));
}

IN_TASK(children_that_have_ended_are_gone)
{
    roost_nursery n;

    roost_nursery_open_at(&n, "open.c:1");
    EXPECT_HAS(tree_line("open.c:1"), "nursery open.c:1, 0 children");
    roost_spawn_at(&n, short_sleep, NULL, "child.c:2");
    EXPECT_HAS(tree_line("open.c:1"), "1 child");
    EXPECT(!strstr(tree_line("open.c:1"), "children"));
    EXPECT_INT(roost_sleep(ROOST_MS(5)), 0);
    EXPECT_HAS(tree_line("open.c:1"), "0 children");
    EXPECT_INT(lines_of(kit_tree()), 2);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_INT(lines_of(kit_tree()), 1);
    return 0;
}

static int closes_inner(void *arg)
{
    roost_nursery n;

    roost_nursery_open_at(&n, "inner.c:1");
    roost_spawn_at(&n, waits_for, arg, "leaf.c:2");
    return roost_nursery_close(&n, 0);
}

IN_TASK(who_closes_waits_for_its_children)
{
    roost_event e;

    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn_at(n, closes_inner, &e, "child.c:3");
    settle();
    EXPECT_HAS(tree_line("child.c:3"), "waits for its children (to the end)");
    EXPECT_HAS(tree_line("inner.c:1"), "1 child, closing");
    EXPECT_HAS(tree_line("leaf.c:2"), "         `- task#3 leaf.c:2");
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

IN_TASK(service_children_stand_under_a_line_of_their_own_N15)
{
    roost_nursery n;
    roost_spawn_options service = { .service = true, .name = "pinger" };
    const char *tree;

    roost_nursery_open_at(&n, "open.c:1");
    roost_spawn_with_at(&n, kit_sleep_forever, NULL, &service, "service.c:2");
    roost_spawn_at(&n, short_sleep, NULL, "child.c:3");
    settle();
    tree = kit_tree();
    EXPECT_HAS(tree, "2 children\n   |- services\n   |  `- pinger#2 service.c:2");
    EXPECT_HAS(tree, "   `- task#3 child.c:3");
    return roost_nursery_close(&n, 0);
}

static int starts_slowly(void *arg)
{
    int r = roost_event_wait(arg);

    roost_started(0);
    return r < 0 ? r : roost_sleep(ROOST_MS(5));
}

struct starter {
    roost_nursery *n;
    roost_event go;
};

static int starter(void *arg)
{
    struct starter *a = arg;
    roost_scope s;
    int r;

    roost_scope_enter_at(&s, ROOST_NEVER, "caller.c:1");
    r = roost_start_at(a->n, starts_slowly, &a->go, "start.c:2");
    return roost_scope_leave(&s, r);
}

/* Until it has started it is in its caller's scope. */
IN_TASK(a_child_that_starts_stands_where_its_caller_is_N10)
{
    roost_nursery n;
    struct starter a = { .n = &n };

    roost_event_init(&a.go);
    roost_nursery_open_at(&n, "open.c:3");
    roost_spawn_at(&n, starter, &a, "starter.c:4");
    settle();
    EXPECT_HAS(tree_line("starter.c:4"), "waits for a child to start");
    EXPECT_HAS(kit_tree(), "      `- scope caller.c:1\n         `- task#3 "
               "start.c:2, starting, waits for an event");
    EXPECT_HAS(tree_line("open.c:3"), "2 children");
    roost_event_set(&a.go);
    settle();
    EXPECT_HAS(kit_tree(), "1 child\n   `- task#3 start.c:2, waits for the clock");
    return roost_nursery_close(&n, 0);
}

/* ---- waits ---- */

static int recv_wait(void *arg)
{
    int item;

    return roost_chan_recv(arg, &item);
}

static int send_wait(void *arg)
{
    int item = 0;

    return roost_chan_send(arg, &item);
}

static int lot_wait(void *arg)
{
    return roost_lot_wait(arg);
}

static int fd_wait(void *arg)
{
    return roost_wait_fd(*(int *)arg, ROOST_READ);
}

static int room_wait(void *arg)
{
    return roost_nursery_wait_room(arg);
}

static int end_wait(void *arg)
{
    return roost_child_end(arg, "a test");
}

static int lingers(void *arg)
{
    (void)arg;
    return ROOST_SHIELDED(ROOST_SEC(5), roost_sleep(ROOST_MS(100)));
}

/* Each wait is told by what is waited for. */
IN_TASK(a_wait_says_what_for_where_and_how_long)
{
    roost_chan *in = roost_chan_new(sizeof(int), 0);
    roost_chan *out = roost_chan_new(sizeof(int), 0);
    roost_child child = { 0 };
    roost_lot lot = { 0 };
    roost_event e;
    int fd[2];

    EXPECT_INT(pipe(fd), 0);
    roost_event_init(&e);
    ROOST_NURSERY(n);
    ROOST_NURSERY_WITH(full, .children_max = 1);
    roost_spawn_with_at(full, lingers, NULL,
                        &(roost_spawn_options){ .child = &child }, "child.c:1");
    roost_spawn_at(n, recv_wait, in, "recv.c:1");
    roost_spawn_at(n, send_wait, out, "send.c:1");
    roost_spawn_at(n, lot_wait, &lot, "lot.c:1");
    roost_spawn_at(n, fd_wait, fd, "fd.c:1");
    roost_spawn_at(n, room_wait, full, "room.c:1");
    roost_spawn_at(n, end_wait, &child, "ender.c:1");
    roost_spawn_at(n, waits_for, &e, "event.c:1");
    roost_spawn_at(n, kit_sleep_forever, NULL, "sleep.c:1");
    EXPECT_INT(roost_sleep(ROOST_MS(40)), 0);
    EXPECT_HAS(tree_line("recv.c:1"), "waits for an item of a channel in ");
    EXPECT_HAS(tree_line("recv.c:1"), " 40.0 ms so far");
    EXPECT_HAS(tree_line("send.c:1"), "waits for room in a channel in ");
    EXPECT_HAS(tree_line("lot.c:1"), "waits for a wake of its lot in ");
    EXPECT_HAS(tree_line("fd.c:1"), "waits for a descriptor in ");
    EXPECT_HAS(tree_line("room.c:1"), "waits for room in a nursery in ");
    EXPECT_HAS(tree_line("ender.c:1"), "waits for a child to end (to the end)");
    EXPECT_HAS(tree_line("event.c:1"), "waits for an event in ");
    EXPECT_HAS(tree_line("sleep.c:1"), "waits for the clock in ");
    EXPECT_HAS(tree_line("child.c:1"), "waits for the clock in ");
    EXPECT_HAS(tree_line("child.c:1"), " 40.0 ms so far, 60.0 ms left");
    roost_nursery_cancel(n, "a test");
    EXPECT_INT(ROOST_SHIELDED(ROOST_SEC(1), roost_sleep(1)), 0);
    roost_chan_free(in);
    roost_chan_free(out);
    close(fd[0]);
    close(fd[1]);
    roost_ignore(roost_nursery_close(full, 0));
    return roost_nursery_close(n, 0);
}

/* ---- scopes ---- */

IN_TASK(deadlines_say_what_is_left)
{
    roost_scope s;
    roost_nursery n;

    roost_scope_enter_at(&s, roost_after(ROOST_SEC(5)), "scope.c:1");
    EXPECT_HAS(tree_line("scope.c:1"), "`- scope scope.c:1, 5.0 s left");
    roost_nursery_open_with_at(
        &n, &(roost_nursery_options){ .deadline = roost_after(ROOST_MS(700)) },
        "open.c:2");
    EXPECT_HAS(tree_line("open.c:2"), "   `- nursery open.c:2, 0 children, "
               "700.0 ms left");
    EXPECT_INT(roost_sleep(ROOST_MS(200)), 0);
    EXPECT_HAS(tree_line("scope.c:1"), "4.8 s left");
    EXPECT_HAS(tree_line("open.c:2"), "500.0 ms left");
    roost_scope_set_deadline(&s, roost_after(ROOST_SEC(7200)));
    EXPECT_HAS(tree_line("scope.c:1"), "120.0 min left");
    roost_scope_set_deadline(&s, ROOST_NEVER);
    EXPECT(!strstr(tree_line("scope.c:1"), "left"));
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    return roost_scope_leave(&s, 0);
}

IN_TASK(shields_say_how_long_they_hold_S12)
{
    roost_scope outer, bounded, unbounded;

    roost_scope_enter_at(&outer, ROOST_NEVER, "outer.c:1");
    roost_shield_enter_at(&unbounded, ROOST_NEVER, "unbounded.c:2");
    EXPECT_HAS(tree_line("unbounded.c:2"), "`- shield unbounded.c:2, unbounded");
    EXPECT_INT(roost_scope_leave(&unbounded, 0), 0);
    roost_shield_enter_at(&bounded, ROOST_SEC(3), "bounded.c:3");
    EXPECT_HAS(tree_line("bounded.c:3"), "`- shield bounded.c:3");
    roost_scope_cancel_at(&outer, "a test", "cancel.c:4");
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), 0);
    EXPECT_HAS(tree_line("bounded.c:3"), "holds for 2.0 s");
    EXPECT_INT(roost_sleep(ROOST_SEC(5)), -ECANCELED);
    EXPECT_HAS(tree_line("bounded.c:3"), "used up");
    EXPECT_INT(roost_scope_leave(&bounded, -ECANCELED), -ECANCELED);
    return roost_scope_leave(&outer, -ECANCELED);
}

IN_TASK(cancellations_say_how_and_where_S16)
{
    roost_scope s;

    roost_scope_enter_at(&s, ROOST_NEVER, "scope.c:1");
    roost_scope_cancel_at(&s, "a test", "cancel.c:2");
    EXPECT_HAS(tree_line("scope.c:1"), ", cancelled by hand at cancel.c:2");
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), 0);
    roost_scope_enter_at(&s, roost_after(ROOST_MS(1)), "scope.c:3");
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_HAS(tree_line("scope.c:3"), ", cancelled by its deadline at ");
    EXPECT(!strstr(tree_line("scope.c:3"), "left"));
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), -ETIMEDOUT);
    return 0;
}

/* Prints while it is being cancelled. */
static int looks_around(void *arg)
{
    const char *const *words = arg;
    int r = kit_sleep_forever(NULL);

    EXPECT_HAS(tree_line(words[0]), words[1]);
    return r;
}

IN_TASK(a_failure_and_a_close_are_told_too_S16)
{
    static const char *failure[] = { "open.c:1",
                                     ", cancelled by a failure at fails.c:2" };
    static const char *closing[] = { "services", ", cancelled by its close at " };
    roost_spawn_options service = { .service = true };
    roost_nursery n;

    roost_nursery_open_at(&n, "open.c:1");
    roost_spawn_at(&n, looks_around, failure, "looks.c:3");
    settle();
    roost_spawn_at(&n, kit_fail_eio, NULL, "fails.c:2");
    EXPECT_INT(roost_nursery_close(&n, 0), -EIO);
    roost_nursery_open_at(&n, "open.c:1");
    roost_spawn_with(&n, looks_around, closing, &service);
    return roost_nursery_close(&n, 0);
}

IN_TASK_GUARDS(what_a_guard_cancelled_says_so_S16, 1)
{
    static const char *guard[] = { "nursery", ", cancelled by its guard at " };

    kit_stderr_begin();
    {
        ROOST_NURSERY(n);
        roost_spawn(n, looks_around, guard);
        settle();
    }
    EXPECT_HAS(kit_stderr_end(), "left without close");
    return 0;
}

/* ---- deep and wide ---- */

static int goes_down(void *arg)
{
    int depth = *(int *)arg - 1;

    if (depth == 0) {
        EXPECT_HAS(kit_tree(), " levels) ");
        EXPECT_HAS(tree_line("bottom.c:1"), "`- task#");
        return 0;
    }
    ROOST_NURSERY(n);
    roost_spawn_at(n, goes_down, &depth, depth == 1 ? "bottom.c:1" : "down.c:2");
    return roost_nursery_close(n, 0);
}

IN_TASK(fifty_nurseries_deep_the_left_edge_is_a_number)
{
    int depth = 50;

    return goes_down(&depth);
}

IN_TASK(a_thousand_nested_scopes_are_drawn)
{
    static roost_scope s[1000];
    FILE *null = fopen("/dev/null", "w");
    int i;

    for (i = 0; i < 1000; i++)
        roost_scope_enter(&s[i], ROOST_NEVER);
    roost_tree_print(null);
    fclose(null);
    while (i-- > 0)
        EXPECT_INT(roost_scope_leave(&s[i], 0), 0);
    return 0;
}

static int has_inner(void *arg)
{
    return ROOST_WITHIN(ROOST_SEC(9), roost_event_wait(arg));
}

IN_TASK(strokes_lead_from_each_line_to_its_siblings)
{
    roost_event e;
    const char *tree;

    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn_at(n, has_inner, &e, "a.c:1");
    roost_spawn_at(n, has_inner, &e, "b.c:2");
    settle();
    tree = kit_tree();
    EXPECT_HAS(tree, "\n   |- task#2 a.c:1, ");
    EXPECT_HAS(tree, "\n   |  `- scope ");
    EXPECT_HAS(tree, "\n   `- task#3 b.c:2, ");
    EXPECT_HAS(tree, "\n      `- scope ");
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

/* ---- it only looks ---- */

static int marks(void *arg)
{
    *(bool *)arg = true;
    return 0;
}

IN_TASK(printing_neither_suspends_nor_allocates_descriptors_C2)
{
    bool ran = false;
    int fds = kit_descriptors(), i;

    ROOST_NURSERY(n);
    roost_spawn(n, marks, &ran);
    for (i = 0; i < 300; i++)
        roost_ignore((int)strlen(kit_tree()));
    EXPECT(!ran);
    EXPECT_INT(kit_descriptors(), fds);
    return roost_nursery_close(n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outside_a_run_it_says_that_there_is_none),
        cmocka_unit_test(main_alone_is_one_line),
        cmocka_unit_test(a_callback_of_the_loop_sees_everybody_waiting),
        cmocka_unit_test(nurseries_and_children_have_names_numbers_and_places),
        cmocka_unit_test(children_that_have_ended_are_gone),
        cmocka_unit_test(who_closes_waits_for_its_children),
        cmocka_unit_test(service_children_stand_under_a_line_of_their_own_N15),
        cmocka_unit_test(a_child_that_starts_stands_where_its_caller_is_N10),
        cmocka_unit_test(a_wait_says_what_for_where_and_how_long),
        cmocka_unit_test(deadlines_say_what_is_left),
        cmocka_unit_test(shields_say_how_long_they_hold_S12),
        cmocka_unit_test(cancellations_say_how_and_where_S16),
        cmocka_unit_test(a_failure_and_a_close_are_told_too_S16),
        cmocka_unit_test(what_a_guard_cancelled_says_so_S16),
        cmocka_unit_test(fifty_nurseries_deep_the_left_edge_is_a_number),
        cmocka_unit_test(a_thousand_nested_scopes_are_drawn),
        cmocka_unit_test(strokes_lead_from_each_line_to_its_siblings),
        cmocka_unit_test(printing_neither_suspends_nor_allocates_descriptors_C2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
