/* test_guest_roots.c - claims about roots: how they end, are cancelled, and
 *                      what is left of them.
 */
#include "rules/counted.h"
#include "rules/hosts.h"

#include <pthread.h>

static int at_once(void *arg)
{
    (void)arg;
    return 5;
}

/* ---- several ---- */

static void roots_end_in_any_order_each_once_G1(void **state)
{
    static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                      { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    struct ev_loop *loop = host_begin();
    struct root root[3];
    roost_event e[3];
    int i, j;

    (void)state;
    for (i = 0; i < 6; i++) {
        roots_ended = 0;
        for (j = 0; j < 3; j++) {
            roost_event_init(&e[j]);
            begin_root(&root[j], loop, waits_for_event, &e[j]);
        }
        for (j = 0; j < 3; j++) {
            EXPECT_INT(ev_run(loop, EVRUN_NOWAIT), 3 - j);
            roost_event_set(&e[orders[i][j]]);
            ev_run(loop, EVRUN_NOWAIT);
            EXPECT_INT(root[orders[i][j]].place, j + 1);
        }
        for (j = 0; j < 3; j++)
            EXPECT_ENDED(&root[j], 0);
    }
    host_end(loop);
}

static void roots_that_end_in_one_turn_end_in_order_of_attaching(void **state)
{
    struct ev_loop *loop = host_begin();
    struct root root[10];
    int i;

    (void)state;
    roots_ended = 0;
    for (i = 0; i < 10; i++)
        begin_root(&root[i], loop, at_once, NULL);
    ev_run(loop, EVRUN_ONCE);
    for (i = 0; i < 10; i++) {
        EXPECT_ENDED(&root[i], 5);
        EXPECT_INT(root[i].place, i + 1);
    }
    host_end(loop);
}

static int fails_in_a_child(void *arg)
{
    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, kit_fail_eio, NULL);
    roost_spawn(n, kit_sleep_forever, NULL);
    return roost_nursery_close(n, 0);
}

static void a_failure_stays_in_its_root_N3(void **state)
{
    struct ev_loop *loop = host_begin();
    struct root root, other;
    roost_event e;

    (void)state;
    roost_event_init(&e);
    begin_root(&other, loop, waits_for_event, &e);
    begin_root(&root, loop, fails_in_a_child, NULL);
    ev_run(loop, EVRUN_NOWAIT);
    EXPECT_ENDED(&root, -EIO);
    EXPECT_INT(other.ended, 0);
    roost_event_set(&e);
    ev_run(loop, 0);
    EXPECT_ENDED(&other, 0);
    host_end(loop);
}

static void nobody_need_be_told(void **state)
{
    struct ev_loop *loop = host_begin();

    (void)state;
    assert_non_null(roost_attach(loop, at_once, NULL, NULL, NULL));
    assert_non_null(roost_attach(loop, kit_fail_eio, NULL, NULL, NULL));
    ev_run(loop, 0);
    host_end(loop);
}

/* ---- cancelled ---- */

static int first_wait_says(void *arg)
{
    int r = roost_checkpoint();

    kit_log("ran");
    return arg ? 9 : r;
}

static void a_root_cancelled_before_it_ran_still_runs_T3(void **state)
{
    struct ev_loop *loop = host_begin();
    struct root root, stubborn;

    (void)state;
    begin_root(&root, loop, first_wait_says, NULL);
    begin_root(&stubborn, loop, first_wait_says, loop);
    roost_root_cancel(root.handle, "too late");
    roost_root_cancel(stubborn.handle, "too late");
    roost_root_cancel(root.handle, "twice");
    ev_run(loop, 0);
    EXPECT_LOG("ran ran");
    EXPECT_ENDED(&root, -ECANCELED);
    EXPECT_ENDED(&stubborn, 9);
    host_end(loop);
}

static int says_why(void *arg)
{
    int r = kit_sleep_forever(arg);

    EXPECT_HAS(kit_why(NULL), "\"first\"");
    EXPECT_HAS(kit_why(NULL), "test_guest_roots.c:");
    return r;
}

static int has_children(void *arg)
{
    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, says_why, NULL);
    roost_spawn(n, says_why, NULL);
    return roost_nursery_close(n, 0);
}

static void the_first_cancellation_of_a_root_ends_all_below_it_S2(void **s)
{
    struct ev_loop *loop = host_begin();
    struct root root, other;

    (void)s;
    begin_root(&root, loop, has_children, NULL);
    begin_root(&other, loop, kit_sleep_forever, NULL);
    ev_run(loop, EVRUN_NOWAIT);
    roost_root_cancel(root.handle, "first"); /* between runs of the loop */
    roost_root_cancel(root.handle, "second");
    EXPECT_INT(root.ended, 0); /* no task runs before it returns */
    ev_run(loop, EVRUN_NOWAIT);
    EXPECT_ENDED(&root, -ECANCELED);
    EXPECT_INT(other.ended, 0);
    roost_root_cancel(other.handle, "enough");
    ev_run(loop, 0);
    EXPECT_ENDED(&other, -ECANCELED);
    host_end(loop);
}

/* Both ended in one turn: the second has, but its done() was not called yet. */
static struct root pair[2];

static void first_cancels_both(int result, void *arg)
{
    root_ended(result, arg);
    EXPECT_INT(pair[1].ended, 0);
    roost_root_cancel(pair[0].handle, "over already");
    roost_root_cancel(pair[1].handle, "over already");
}

static void second_cancels_itself(int result, void *arg)
{
    root_ended(result, arg);
    roost_root_cancel(pair[1].handle, "over already");
}

static void cancelling_a_root_that_has_ended_does_nothing_S2(void **state)
{
    struct ev_loop *loop = host_begin();

    (void)state;
    pair[0] = pair[1] = (struct root){ .result = -1000 };
    pair[0].handle = roost_attach(loop, at_once, NULL, first_cancels_both,
                                  &pair[0]);
    pair[1].handle = roost_attach(loop, at_once, NULL, second_cancels_itself,
                                  &pair[1]);
    ev_run(loop, 0);
    EXPECT_ENDED(&pair[0], 5);
    EXPECT_ENDED(&pair[1], 5);
    host_end(loop);
}

static int task_cancels(void *root)
{
    roost_root_cancel(((struct root *)root)->handle, "a task says so");
    return roost_checkpoint();
}

static void a_task_cancels_its_own_root_or_another_S14(void **state)
{
    struct ev_loop *loop = host_begin();
    struct root own, other, third;

    (void)state;
    begin_root(&other, loop, kit_sleep_forever, NULL);
    begin_root(&own, loop, task_cancels, &own);
    begin_root(&third, loop, task_cancels, &other);
    ev_run(loop, 0);
    EXPECT_ENDED(&own, -ECANCELED);
    EXPECT_ENDED(&other, -ECANCELED);
    EXPECT_ENDED(&third, 0);
    host_end(loop);
}

static void *cancel_from_thread(void *root)
{
    roost_root_cancel(((struct root *)root)->handle, "from afar");
    return NULL;
}

static int cancels_in_thread(void *arg)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct root root;
    pthread_t thread;

    begin_root(&root, loop, kit_sleep_forever, arg);
    pthread_create(&thread, NULL, cancel_from_thread, &root);
    return pthread_join(thread, NULL);
}

static void cancelling_from_another_thread_is_misuse_G4(void **state)
{
    (void)state;
    kit_dies_outside(cancels_in_thread, NULL, "roost_root_cancel at ",
                     "belongs to another thread", NULL);
}

/* ---- what is left ---- */

static roost_local colour = { .name = "colour" };

static int sleeps_a_bit(void *arg)
{
    (void)arg;
    return roost_sleep(ROOST_MS(1));
}

static int uses_much(void *arg)
{
    int fds[2], i;

    EXPECT_INT(pipe(fds), 0);
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(1), roost_wait_fd(fds[0], ROOST_READ)),
               -ETIMEDOUT);
    close(fds[0]);
    close(fds[1]);
    EXPECT_INT(roost_defer(at_once, NULL), 0);
    EXPECT_INT(roost_local_set(&colour, arg), 0);
    ROOST_NURSERY(n);
    for (i = 0; i < 100; i++)
        roost_spawn(n, sleeps_a_bit, NULL);
    roost_fail(-EIO, "a record");
    return roost_nursery_close(n, 1);
}

static void nothing_is_left(int result, void *arg)
{
    int *descriptors = arg;

    EXPECT_INT(result, 1);
    EXPECT(!roost__self());
    EXPECT(!roost__rt);
    EXPECT_INT(kit_descriptors(), *descriptors);
    EXPECT_INT(bytes_mapped, 0);
    EXPECT_INT(blocks, 1); /* the root */
    EXPECT(roost_now() > 0);
    EXPECT_INT(roost_cancelled(), 0);
    EXPECT_INT(roost_run(at_once, NULL), 5);
    EXPECT(!roost__rt);
    *descriptors = -1;
}

static void with_the_last_done_all_is_released_T7(void **state)
{
    struct ev_loop *loop = host_begin();
    int descriptors;

    (void)state;
    count_calls(0);
    ev_run(loop, EVRUN_NOWAIT);
    descriptors = kit_descriptors();
    assert_non_null(roost_attach(loop, uses_much, loop, nothing_is_left,
                                 &descriptors));
    ev_run(loop, 0);
    EXPECT_INT(descriptors, -1); /* it was called */
    EXPECT_INT(roost_run(at_once, NULL), 5);
    stop_counting();
    host_end(loop);
}

/* One after the other, each attached by the done() of the one before. */
static int left_to_attach;

static void attaches_the_next(int result, void *loop)
{
    EXPECT_INT(result, 5);
    EXPECT_INT(blocks, 1); /* the root that is just ending */
    if (left_to_attach-- > 0)
        EXPECT(roost_attach(loop, at_once, NULL, attaches_the_next, loop));
}

static void thousands_of_roots_in_sequence_leave_nothing_N13(void **state)
{
    struct ev_loop *loop = host_begin();
    struct root keeper, root;
    long kept;
    int i;

    (void)state;
    count_calls(0);
    left_to_attach = 2000;
    EXPECT(roost_attach(loop, at_once, NULL, attaches_the_next, loop));
    ev_run(loop, 0);
    EXPECT_INT(left_to_attach, -1);
    begin_root(&keeper, loop, kit_sleep_forever, NULL);
    begin_root(&root, loop, at_once, NULL);
    ev_run(loop, EVRUN_NOWAIT);
    kept = bytes_mapped + blocks;
    for (i = 0; i < 2000; i++) {
        begin_root(&root, loop, at_once, NULL);
        ev_run(loop, EVRUN_NOWAIT);
        EXPECT_ENDED(&root, 5);
    }
    EXPECT_INT(bytes_mapped + blocks, kept);
    roost_root_cancel(keeper.handle, "enough");
    ev_run(loop, 0);
    stop_counting();
    host_end(loop);
}

/* ---- threads ---- */

static int waits_a_bit(void *arg)
{
    int i, r = 0;

    for (i = 0; i < 5 && r >= 0; i++)
        r = roost_sleep(ROOST_MS(1));
    return r < 0 ? r : *(int *)arg;
}

/* EXPECT is not made for threads. */
static void ended_in_thread(int result, void *arg)
{
    struct root *root = arg;

    root->result = result;
    root->ended++;
}

static void *host_of_its_own(void *arg)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    int *number = arg, i;
    struct root root;

    for (i = 0; i < 3; i++) {
        root = (struct root){ .result = -1000 };
        root.handle = roost_attach(loop, waits_a_bit, number, ended_in_thread,
                                   &root);
        ev_run(loop, 0);
        *number += root.result == *number && root.ended == 1;
    }
    ev_loop_destroy(loop);
    return NULL;
}

static void two_threads_have_a_guest_each_G4(void **state)
{
    struct ev_loop *loop = host_begin();
    pthread_t threads[2];
    int number[2] = { 100, 200 }, i;

    (void)state;
    for (i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, host_of_its_own,
                                        &number[i]), 0);
    for (i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    EXPECT_INT(number[0], 103);
    EXPECT_INT(number[1], 203);
    host_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_end_in_any_order_each_once_G1),
        cmocka_unit_test(roots_that_end_in_one_turn_end_in_order_of_attaching),
        cmocka_unit_test(a_failure_stays_in_its_root_N3),
        cmocka_unit_test(nobody_need_be_told),
        cmocka_unit_test(a_root_cancelled_before_it_ran_still_runs_T3),
        cmocka_unit_test(the_first_cancellation_of_a_root_ends_all_below_it_S2),
        cmocka_unit_test(cancelling_a_root_that_has_ended_does_nothing_S2),
        cmocka_unit_test(a_task_cancels_its_own_root_or_another_S14),
        cmocka_unit_test(cancelling_from_another_thread_is_misuse_G4),
        cmocka_unit_test(with_the_last_done_all_is_released_T7),
        cmocka_unit_test(thousands_of_roots_in_sequence_leave_nothing_N13),
        cmocka_unit_test(two_threads_have_a_guest_each_G4),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
