/* test_misuse_outside.c - claims about waits, spawns and runs where no task is
 *                         running, or one too many.
 */
#include "rules/wrong.h"

#include <ev.h>

/* ---- outside a task ---- */

static roost_nursery stray;
static roost_scope stray_scope;
static roost_event stray_event;
static roost_lot stray_lot;
static roost_wait stray_wait;

static int out_sleep(void *arg)
{
    (void)arg;
    return roost_sleep(1);
}

static int out_sleep_until(void *arg)
{
    (void)arg;
    return roost_sleep_until(ROOST_NEVER);
}

static int out_checkpoint(void *arg)
{
    (void)arg;
    return roost_checkpoint();
}

static int out_send(void *arg)
{
    roost_chan *c = roost_chan_new(sizeof(int), 1);
    int item = 1;

    (void)arg;
    return roost_chan_send(c, &item);
}

static int out_recv(void *arg)
{
    roost_chan *c = roost_chan_new(sizeof(int), 1);
    int item;

    (void)arg;
    return roost_chan_recv(c, &item);
}

static int out_event_wait(void *arg)
{
    (void)arg;
    return roost_event_wait(&stray_event);
}

static int out_event_join(void *arg)
{
    (void)arg;
    return roost_event_join(&stray_event);
}

static int out_lot_wait(void *arg)
{
    (void)arg;
    return roost_lot_wait(&stray_lot);
}

static int out_wait_init(void *arg)
{
    (void)arg;
    roost_wait_init(&stray_wait);
    return 0;
}

static int out_park(void *arg)
{
    return roost_park(&stray_wait, "a test", NULL, arg);
}

static int out_wake(void *arg)
{
    (void)arg;
    roost_wake(&stray_wait, 0);
    return 0;
}

static int out_wait_fd(void *arg)
{
    (void)arg;
    return roost_wait_fd(0, ROOST_READ);
}

static int out_wait_room(void *arg)
{
    (void)arg;
    return roost_nursery_wait_room(&stray);
}

static int out_open(void *arg)
{
    (void)arg;
    roost_nursery_open_at(&stray, "open.c:1");
    return 0;
}

static int out_close(void *arg)
{
    (void)arg;
    return roost_nursery_close_at(&stray, 0, "close.c:1");
}

static int out_spawn(void *arg)
{
    return roost_spawn_at(&stray, nothing, arg, "spawn.c:1");
}

static int out_start(void *arg)
{
    return roost_start_at(&stray, nothing, arg, "spawn.c:1");
}

static int out_child_end(void *arg)
{
    static roost_child child;

    (void)arg;
    return roost_child_end(&child, "a test");
}

static int out_started(void *arg)
{
    (void)arg;
    roost_started(0);
    return 0;
}

static int out_defer(void *arg)
{
    return roost_defer(nothing, arg);
}

static int out_enter(void *arg)
{
    (void)arg;
    roost_scope_enter_at(&stray_scope, ROOST_NEVER, "enter.c:1");
    return 0;
}

static int out_shield(void *arg)
{
    (void)arg;
    roost_shield_enter_at(&stray_scope, ROOST_SEC(1), "enter.c:1");
    return 0;
}

static int out_leave(void *arg)
{
    (void)arg;
    return roost_scope_leave_at(&stray_scope, 0, "leave.c:1");
}

static int out_within(void *arg)
{
    return ROOST_WITHIN(ROOST_SEC(1), nothing(arg));
}

static const struct wrong outside[] = {
    { out_sleep, { "roost_sleep was called outside a task" } },
    { out_sleep_until, { "roost_sleep_until was called outside a task" } },
    { out_checkpoint, { "roost_checkpoint was called outside a task" } },
    { out_send, { "roost_chan_send was called outside a task" } },
    { out_recv, { "roost_chan_recv was called outside a task" } },
    { out_event_wait, { "roost_event_wait was called outside a task" } },
    { out_event_join, { "roost_event_join was called outside a task" } },
    { out_lot_wait, { "roost_lot_wait was called outside a task" } },
    { out_wait_init, { "roost_wait_init was called outside a task" } },
    { out_park, { "roost_park was called outside a task" } },
    { out_wait_fd, { "roost_wait_fd was called outside a task" } },
    { out_wait_room, { "roost_nursery_wait_room was called outside a task" } },
    { out_open, { "open.c:1", "outside a task" } },
    { out_close, { "roost_nursery_close", "outside a task" } },
    { out_spawn, { "spawn.c:1", "outside a task" } },
    { out_start, { "roost_start", "outside a task" } },
    { out_child_end, { "roost_child_end", "outside a task" } },
    { out_started, { "roost_started was called outside a task" } },
    { out_defer, { "roost_defer was called outside a task" } },
    { out_enter, { "enter.c:1", "outside a task" } },
    { out_shield, { "enter.c:1", "outside a task" } },
    { out_leave, { "leave.c:1", "outside a task" } },
    { out_within, { "test_misuse_outside.c:", "outside a task" } },
};

static void what_waits_spawns_or_enters_outside_a_task_is_named_T5(void **state)
{
    static const struct wrong more[] = {
        { out_wake, { "roost_wake" } },
    };

    (void)state;
    ALL_DIE_OUTSIDE(outside);
    ALL_DIE_OUTSIDE(more);
}

/* A callback of the loop runs in the thread of the run, but in no task. */
static void calls_wrongly(struct ev_loop *loop, ev_idle *w, int events)
{
    const struct wrong *wrong = w->data;

    (void)loop, (void)events;
    roost_ignore(wrong->fn(NULL));
}

static int run_with_callback(void *arg)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    ev_idle idle;

    ev_idle_init(&idle, calls_wrongly);
    idle.data = arg;
    ev_idle_start(loop, &idle);
    return roost_run_with(&(roost_options){ .loop = loop }, kit_sleep_forever,
                          NULL);
}

static void so_it_is_in_a_callback_of_the_loop_T5(void **state)
{
    struct wrong w;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof outside / sizeof *outside; i++) {
        w = outside[i];
        kit_dies_outside(run_with_callback, &w, w.words[0], w.words[1], NULL);
    }
}

/* ---- a run in a run ---- */

static int run_in_task(void *arg)
{
    return roost_run_at(nothing, arg, "inner.c:2");
}

static int run_with_in_task(void *arg)
{
    return roost_run_with_at(NULL, nothing, arg, "inner.c:2");
}

static int run_in_child(void *arg)
{
    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, run_in_task, NULL);
    return roost_nursery_close(n, 0);
}

static int outer_run(void *arg)
{
    (void)arg;
    return roost_run_at(run_in_child, NULL, "outer.c:1");
}

static int run_in_callback(void *arg)
{
    struct wrong w = { run_in_task, { NULL } };

    (void)arg;
    return run_with_callback(&w);
}

static void a_run_in_a_run_names_both_T7(void **state)
{
    static const struct wrong wrong[] = {
        { run_in_task, { "inner.c:2", "kit.c:" } },
        { run_with_in_task, { "inner.c:2", "kit.c:" } },
    };
    static const struct wrong wrong_outside[] = {
        { outer_run, { "inner.c:2", "outer.c:1", "spawn a task" } },
        { run_in_callback, { "inner.c:2", "test_misuse_outside.c:" } },
    };

    (void)state;
    ALL_DIE(wrong);
    ALL_DIE_OUTSIDE(wrong_outside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            what_waits_spawns_or_enters_outside_a_task_is_named_T5),
        cmocka_unit_test(so_it_is_in_a_callback_of_the_loop_T5),
        cmocka_unit_test(a_run_in_a_run_names_both_T7),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
