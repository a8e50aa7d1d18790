/* test_guest_nested.c - claims about a host's loop that is run inside itself:
 *                       by a callback, by a task, by done().
 */
#include "rules/hosts.h"

/* ---- by a callback ---- */

static int breaks_when_woken(void *arg)
{
    int r = roost_event_wait(arg);

    kit_log("woken");
    return r;
}

struct inner {
    struct ev_loop *loop;
    struct root root, other;
    roost_event e;
};

static void runs_until_root_ends(struct ev_loop *loop, void *arg)
{
    struct inner *in = arg;
    struct later l;

    kit_log("in");
    call_later(&l, loop, 1, set_event, &in->e);
    while (!in->root.ended)
        ev_run(loop, EVRUN_ONCE);
    EXPECT(!roost__self());
    kit_log("out");
}

static void tasks_get_on_in_a_loop_that_a_callback_runs_G2(void **state)
{
    struct ev_loop *loop = host_begin();
    struct inner in = { .loop = loop };
    struct later l;

    (void)state;
    roost_event_init(&in.e);
    begin_root(&in.root, loop, breaks_when_woken, &in.e);
    call_later(&l, loop, 1, runs_until_root_ends, &in);
    ev_run(loop, 0);
    EXPECT_LOG("in woken out");
    EXPECT_ENDED(&in.root, 0);
    host_end(loop);
}

/* The watchers of the outer iteration are all pending when the inner runs. */
static void runs_once(struct ev_loop *loop, void *arg)
{
    (void)arg;
    ev_run(loop, EVRUN_NOWAIT);
}

static void a_loop_run_in_callbacks_of_each_priority_is_fine_G2(void **state)
{
    struct ev_loop *loop = host_begin();
    struct later l[5];
    struct inner in = { .loop = loop };
    int i;

    (void)state;
    roost_event_init(&in.e);
    begin_root(&in.root, loop, breaks_when_woken, &in.e);
    for (i = 0; i < 5; i++) {
        l[i] = (struct later){ .fn = runs_once };
        call_later_at(&l[i], loop, 1, i - 2);
    }
    ev_run(loop, EVRUN_ONCE);
    ev_run(loop, EVRUN_ONCE);
    roost_event_set(&in.e);
    ev_run(loop, 0);
    EXPECT_ENDED(&in.root, 0);
    for (i = 0; i < 5; i++)
        EXPECT_INT(l[i].calls, 1);
    host_end(loop);
}

/* In there the last root ends while hooks of the outer iteration are under way:
 * at EV_MINPRI the callback is called out of them. */
static void prepare_runs(struct ev_loop *loop, ev_prepare *w, int events)
{
    (void)events;
    ev_prepare_stop(loop, w);
    runs_until_root_ends(loop, w->data);
}

static void in_a_callback_of_any_priority_the_last_root_may_end_G2(void **state)
{
    struct ev_loop *loop = host_begin();
    struct inner in = { .loop = loop };
    struct later l;
    ev_prepare w;
    int i;

    (void)state;
    for (i = 0; i < 10; i++) {
        ev_prepare_init(&w, prepare_runs);
        ev_set_priority(&w, i / 2 - 2);
        w.data = &in;
        if (i % 2)
            ev_prepare_start(loop, &w); /* before ours */
        roost_event_init(&in.e);
        begin_root(&in.root, loop, breaks_when_woken, &in.e);
        l = (struct later){ .fn = runs_until_root_ends, .arg = &in };
        if (i % 2 == 0)
            call_later_at(&l, loop, 0, i / 2 - 2);
        ev_run(loop, 0);
        EXPECT_ENDED(&in.root, 0);
        EXPECT_LOG("in woken out");
        host_is_clean(loop);
    }
    host_end(loop);
}

/* The same two levels deep: the callback runs the loop, which calls it again. */
static void prepare_runs_deeper(struct ev_loop *loop, ev_prepare *w, int events)
{
    static int depth;

    (void)events;
    if (++depth == 1) {
        ev_run(loop, EVRUN_NOWAIT);
        return;
    }
    ev_prepare_stop(loop, w);
    runs_until_root_ends(loop, w->data);
}

static void the_last_root_may_end_two_runs_of_the_loop_deep_G2(void **state)
{
    struct ev_loop *loop = host_begin();
    struct inner in = { .loop = loop };
    ev_prepare w;

    (void)state;
    ev_prepare_init(&w, prepare_runs_deeper);
    ev_set_priority(&w, EV_MINPRI);
    w.data = &in;
    ev_prepare_start(loop, &w);
    roost_event_init(&in.e);
    begin_root(&in.root, loop, breaks_when_woken, &in.e);
    ev_run(loop, 0);
    EXPECT_ENDED(&in.root, 0);
    EXPECT_LOG("in woken out");
    host_end(loop);
}

/* ---- by a task ---- */

/* Enough of a stack that a mix-up would show. */
static int fill(volatile int *numbers, int count)
{
    int i;

    for (i = 0; i < count; i++)
        numbers[i] = i;
    return count;
}

static int sum(volatile const int *numbers, int count)
{
    int i, total = 0;

    for (i = 0; i < count; i++)
        total += numbers[i];
    return total;
}

static int runs_the_loop(void *arg)
{
    struct inner *in = arg;
    const roost_task *self = roost__self();
    volatile int numbers[1000];
    struct later l;
    int r, count = fill(numbers, 1000);

    kit_log("in");
    call_later(&l, in->loop, 1, set_event, &in->e);
    while (!in->other.ended)
        ev_run(in->loop, EVRUN_ONCE);
    EXPECT(roost__self() == self);
    EXPECT_INT(sum(numbers, count), 999 * 1000 / 2);
    kit_log("out");
    r = roost_sleep(ROOST_MS(1)); /* and it can still wait */
    EXPECT(roost__self() == self);
    return r < 0 ? r : 4;
}

static void tasks_get_on_in_a_loop_that_a_task_runs_G2(void **state)
{
    struct ev_loop *loop = host_begin();
    struct inner in = { .loop = loop };

    (void)state;
    roost_event_init(&in.e);
    begin_root(&in.root, loop, runs_the_loop, &in);
    begin_root(&in.other, loop, breaks_when_woken, &in.e);
    ev_run(loop, 0);
    EXPECT_LOG("in woken out");
    EXPECT_ENDED(&in.root, 4);
    EXPECT_ENDED(&in.other, 0); /* and its done() was outside any task */
    host_end(loop);
}

/* Two of them: the second is inside the first. */
struct levels {
    struct ev_loop *loop;
    roost_event deep, deeper;
    struct root root[2], woken[2], timed;
};

static int runs_deeper(void *arg)
{
    struct levels *v = arg;
    volatile int numbers[1000];
    struct later l;
    int count = fill(numbers, 1000);

    kit_log("deeper");
    call_later(&l, v->loop, 1, set_event, &v->deeper);
    while (!v->woken[1].ended)
        ev_run(v->loop, EVRUN_ONCE);
    EXPECT_INT(sum(numbers, count), 999 * 1000 / 2);
    kit_log("less");
    return roost_sleep(ROOST_MS(1));
}

static int runs_deep(void *arg)
{
    struct levels *v = arg;
    volatile int numbers[1000];
    struct later l;
    int count = fill(numbers, 1000);

    kit_log("deep");
    begin_root(&v->root[1], v->loop, runs_deeper, v);
    call_later(&l, v->loop, 1, set_event, &v->deep);
    while (!v->woken[0].ended || !v->woken[1].ended)
        ev_run(v->loop, EVRUN_ONCE);
    EXPECT_INT(sum(numbers, count), 999 * 1000 / 2);
    kit_log("out");
    return roost_sleep(ROOST_MS(3));
}

static int sleeps_beside(void *arg)
{
    int i, r = 0;

    (void)arg;
    for (i = 0; i < 6 && r >= 0; i++)
        r = roost_sleep(ROOST_US(700));
    return r;
}

static void two_tasks_may_each_run_the_loop_G2(void **state)
{
    struct ev_loop *loop = host_begin();
    struct levels v = { .loop = loop };

    (void)state;
    roost_event_init(&v.deep);
    roost_event_init(&v.deeper);
    begin_root(&v.root[0], loop, runs_deep, &v);
    begin_root(&v.woken[0], loop, waits_for_event, &v.deep);
    begin_root(&v.woken[1], loop, waits_for_event, &v.deeper);
    begin_root(&v.timed, loop, sleeps_beside, NULL);
    ev_run(loop, 0);
    EXPECT_LOG("deep deeper less out");
    EXPECT_ENDED(&v.root[0], 0);
    EXPECT_ENDED(&v.root[1], 0);
    EXPECT_ENDED(&v.woken[0], 0);
    EXPECT_ENDED(&v.woken[1], 0);
    EXPECT_ENDED(&v.timed, 0);
    host_end(loop);
}

/* Children of the task that runs the loop end inside; its nursery is told. */
static int has_children_and_loop(void *arg)
{
    struct inner *in = arg;
    int ms = 1, r;

    ROOST_NURSERY(n);
    roost_spawn(n, kit_sleep_ms, &ms);
    roost_spawn(n, kit_sleep_ms, &ms);
    while (roost_nursery_count(n) > 0)
        ev_run(in->loop, EVRUN_ONCE);
    roost_spawn(n, kit_fail_eio, NULL);
    ev_run(in->loop, EVRUN_NOWAIT);
    EXPECT_INT(roost_nursery_count(n), 0);
    EXPECT_INT(roost_cancelled(), -ECANCELED); /* N3 */
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    r = roost_nursery_close(n, 0);
    return r == -EIO ? 6 : r;
}

static void children_end_and_fail_while_their_owner_loops_N3(void **state)
{
    struct ev_loop *loop = host_begin();
    struct inner in = { .loop = loop };

    (void)state;
    begin_root(&in.root, loop, has_children_and_loop, &in);
    ev_run(loop, 0);
    EXPECT_ENDED(&in.root, 6);
    host_end(loop);
}

/* A callback inside the task's own run of the loop breaks that one only. */
static int runs_until_broken(void *arg)
{
    struct inner *in = arg;
    struct later l;

    call_later(&l, in->loop, 1, break_loop, NULL);
    ev_run(in->loop, 0);
    EXPECT_INT(l.calls, 1);
    kit_log("broken");
    return roost_event_wait(&in->e);
}

static void a_break_ends_the_innermost_run_G2(void **state)
{
    struct ev_loop *loop = host_begin();
    struct inner in = { .loop = loop };
    struct later l;

    (void)state;
    roost_event_init(&in.e);
    begin_root(&in.root, loop, runs_until_broken, &in);
    call_later(&l, loop, 3, set_event, &in.e);
    ev_run(loop, 0);
    EXPECT_LOG("broken");
    EXPECT_ENDED(&in.root, 0);
    host_end(loop);
}

/* ---- by done() ---- */

static void runs_to_the_end(int result, void *arg)
{
    struct inner *in = arg;

    EXPECT_INT(result, 0);
    EXPECT(!roost__self());
    ev_run(in->loop, 0);
    kit_log("end");
}

/* The guest goes while done() is under way. */
static void done_may_run_the_loop_until_the_last_root_ends_G2(void **state)
{
    struct ev_loop *loop = host_begin();
    struct inner in = { .loop = loop };
    struct later l;

    (void)state;
    roost_event_init(&in.e);
    begin_root(&in.root, loop, breaks_when_woken, &in.e);
    assert_non_null(roost_attach(loop, kit_return, &(int){ 0 }, runs_to_the_end,
                                 &in));
    call_later(&l, loop, 1, set_event, &in.e);
    ev_run(loop, 0);
    EXPECT_LOG("woken end");
    EXPECT_ENDED(&in.root, 0);
    host_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_get_on_in_a_loop_that_a_callback_runs_G2),
        cmocka_unit_test(a_loop_run_in_callbacks_of_each_priority_is_fine_G2),
        cmocka_unit_test(
            in_a_callback_of_any_priority_the_last_root_may_end_G2),
        cmocka_unit_test(the_last_root_may_end_two_runs_of_the_loop_deep_G2),
        cmocka_unit_test(tasks_get_on_in_a_loop_that_a_task_runs_G2),
        cmocka_unit_test(two_tasks_may_each_run_the_loop_G2),
        cmocka_unit_test(
            children_end_and_fail_while_their_owner_loops_N3),
        cmocka_unit_test(a_break_ends_the_innermost_run_G2),
        cmocka_unit_test(done_may_run_the_loop_until_the_last_root_ends_G2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
