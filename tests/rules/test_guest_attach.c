/* test_guest_attach.c - claims about attaching: from where, what is refused,
 *                       what is left of an attach that failed.
 */
#include "rules/counted.h"
#include "rules/hosts.h"

static int at_once(void *arg)
{
    (void)arg;
    return 5;
}

/* ---- attached from anywhere ---- */

struct second {
    struct ev_loop *loop;
    struct root root;
    ev_prepare prepare;
};

static void attaches(struct ev_loop *loop, void *arg)
{
    struct second *s = arg;

    begin_root(&s->root, loop, at_once, NULL);
}

static void prepare_attaches(struct ev_loop *loop, ev_prepare *w, int events)
{
    (void)events;
    ev_prepare_stop(loop, w);
    attaches(loop, w->data);
}

static void ended_attaches(int result, void *arg)
{
    struct second *s = arg;

    (void)result;
    attaches(s->loop, s);
}

static roost_local colour = { .name = "colour" };

static int wants_no_colour(void *arg)
{
    (void)arg;
    EXPECT(!roost_local_get(&colour));
    return roost_sleep(ROOST_MS(1));
}

static int task_attaches(void *arg)
{
    struct second *s = arg;
    int on_our_stack = 1;

    EXPECT_INT(roost_local_set(&colour, &on_our_stack), 0);
    begin_root(&s->root, s->loop, wants_no_colour, NULL);
    EXPECT_INT(s->root.ended, 0);
    return 1;
}

static void a_root_is_attached_from_a_task_and_outlives_it_T4(void **state)
{
    struct ev_loop *loop = host_begin();
    struct second s = { .loop = loop };
    struct root root;

    (void)state;
    begin_root(&root, loop, task_attaches, &s);
    ev_run(loop, EVRUN_NOWAIT);
    EXPECT_ENDED(&root, 1);
    EXPECT_INT(s.root.ended, 0);
    ev_run(loop, 0);
    EXPECT_ENDED(&s.root, 0);
    host_end(loop);
}

/* A timer of the host is far away: the loop must not wait for it. */
static void ends_soon(struct ev_loop *loop, struct second *s)
{
    roost_time before = roost_now();
    struct later far;

    call_later(&far, loop, 2000, NULL, NULL);
    while (!s->root.ended && !far.calls)
        ev_run(loop, EVRUN_ONCE);
    EXPECT(roost_now() - before < ROOST_SEC(1));
    EXPECT_ENDED(&s->root, 5);
    stop_calling(&far, loop);
}

static void a_root_is_attached_from_callbacks_of_the_host_G2(void **state)
{
    struct ev_loop *loop = host_begin();
    struct second s = { .loop = loop };
    struct later l;
    int priority;

    (void)state;
    for (priority = EV_MINPRI; priority <= EV_MAXPRI; priority++) {
        s.root.ended = 0;
        ev_prepare_init(&s.prepare, prepare_attaches);
        ev_set_priority(&s.prepare, priority);
        s.prepare.data = &s;
        ev_prepare_start(loop, &s.prepare);
        ends_soon(loop, &s);
        s.root.ended = 0;
        l = (struct later){ .fn = attaches, .arg = &s };
        call_later_at(&l, loop, 0, priority);
        ends_soon(loop, &s);
    }
    host_end(loop);
}

static void a_root_is_attached_from_done_of_the_last_and_others_G2(void **state)
{
    struct ev_loop *loop = host_begin();
    struct second s = { .loop = loop };
    struct root other;
    int last;

    (void)state;
    for (last = 0; last < 2; last++) {
        s.root.ended = 0;
        if (!last)
            begin_root(&other, loop, kit_sleep_forever, NULL);
        assert_non_null(roost_attach(loop, at_once, NULL, ended_attaches, &s));
        ends_soon(loop, &s);
        if (!last)
            roost_root_cancel(other.handle, "enough");
        ev_run(loop, 0);
    }
    host_end(loop);
}

/* ---- refused ---- */

static int runs(void *arg)
{
    (void)arg;
    return roost_run(at_once, NULL);
}

static void inside_a_live_guest(struct ev_loop *loop, void *arg)
{
    (void)loop;
    runs(arg);
}

static int run_in_guest(void *arg)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct root root;
    struct later l;

    begin_root(&root, loop, arg ? runs : kit_sleep_forever, NULL);
    call_later(&l, loop, 1, inside_a_live_guest, NULL);
    return ev_run(loop, 0);
}

static int attach_in_run(void *loop)
{
    return roost_attach(loop, at_once, NULL, NULL, NULL) != NULL;
}

static void a_run_in_a_guests_thread_and_the_reverse_are_misuse_T5(void **state)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    int yes;

    (void)state;
    kit_dies_outside(run_in_guest, NULL, "roost_run at ",
                     "test_guest_attach.c:", "is inside the run begun at ",
                     "hosts.h:", NULL);
    kit_dies_outside(run_in_guest, &yes, "roost_run at ",
                     "test_guest_attach.c:", "is inside the run begun at ",
                     "hosts.h:", NULL);
    kit_dies(attach_in_run, loop, "roost_attach at ", "test_guest_attach.c:",
             "is inside the run begun at ", "kit.c:", NULL);
    ev_loop_destroy(loop);
}

static void one_thread_has_roots_on_one_loop_at_a_time(void **state)
{
    struct ev_loop *loop = host_begin(), *other = ev_loop_new(EVFLAG_AUTO);
    struct root root;

    (void)state;
    begin_root(&root, loop, at_once, NULL);
    errno = 0;
    assert_null(roost_attach(other, at_once, NULL, root_ended, NULL));
    assert_int_equal(errno, EBUSY);
    ev_run(loop, 0);
    EXPECT_ENDED(&root, 5);
    begin_root(&root, other, at_once, NULL);
    ev_run(other, 0);
    EXPECT_ENDED(&root, 5);
    host_is_clean(other);
    ev_loop_destroy(other);
    host_end(loop);
}

static void no_loop_or_function_is_EINVAL(void **state)
{
    struct ev_loop *loop = host_begin();

    (void)state;
    assert_null(roost_attach(NULL, at_once, NULL, root_ended, NULL));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(roost_attach(loop, NULL, NULL, root_ended, NULL));
    assert_int_equal(errno, EINVAL);
    host_end(loop);
}

/* ---- calls that fail ---- */

/* Each call that attaching makes fails once: then nothing is left of it. */
static void an_attach_that_fails_leaves_nothing_T7(void **state)
{
    struct ev_loop *loop = host_begin();
    struct root root;
    int fail, refused = 0;

    (void)state;
    for (fail = 1;; fail++) {
        count_calls(fail);
        root = (struct root){ .result = -1000 };
        errno = 0;
        root.handle = roost_attach(loop, at_once, NULL, root_ended, &root);
        if (!root.handle) {
            refused++;
            EXPECT(errno == ENOMEM || errno == EMFILE);
            host_is_clean(loop);
        }
        ev_run(loop, 0);
        EXPECT_INT(root.ended, root.handle != NULL);
        stop_counting();
        if (calls < fail)
            break;
    }
    EXPECT(refused >= 3);
    host_end(loop);
}

/* Whatever is refused to a root while it runs. */
static int needs_much(void *arg)
{
    int r, one = 1;

    EXPECT_INT(roost_defer(at_once, NULL) > 0, 0);
    ROOST_NURSERY(n);
    roost_spawn(n, kit_return, &one);
    r = roost_wait_fd(*(int *)arg, ROOST_READ);
    EXPECT(r == ROOST_READ || r == -ENOMEM || r == -EMFILE);
    return roost_nursery_close(n, r);
}

static void a_root_that_gets_no_memory_or_descriptor_leaves_nothing_T7(void **s)
{
    struct ev_loop *loop = host_begin();
    int fail, failed = 0, fds[2];
    struct root root;

    (void)s;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    for (fail = 1;; fail++) {
        count_calls(fail);
        root = (struct root){ .result = -1000 };
        root.handle = roost_attach(loop, needs_much, fds, root_ended, &root);
        ev_run(loop, 0);
        EXPECT_INT(root.ended, root.handle != NULL);
        failed += root.handle && root.result < 0;
        host_is_clean(loop);
        stop_counting();
        if (calls < fail)
            break;
    }
    EXPECT(failed >= 2);
    EXPECT_ENDED(&root, ROOST_READ);
    close(fds[0]);
    close(fds[1]);
    host_end(loop);
}

/* The same for one more root beside one that lives on. */
static void a_second_attach_that_fails_harms_nobody_T7(void **state)
{
    struct ev_loop *loop = host_begin();
    struct root root, second;
    int fail;

    (void)state;
    for (fail = 1; fail < 4; fail++) {
        count_calls(0);
        begin_root(&root, loop, kit_sleep_forever, NULL);
        calls = 0;
        fail_at = fail;
        second = (struct root){ .result = -1000 };
        second.handle = roost_attach(loop, at_once, NULL, root_ended, &second);
        ev_run(loop, EVRUN_NOWAIT);
        EXPECT_INT(second.ended, second.handle != NULL);
        EXPECT_INT(root.ended, 0);
        roost_root_cancel(root.handle, "enough");
        ev_run(loop, 0);
        EXPECT_ENDED(&root, -ECANCELED);
        stop_counting();
    }
    host_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_root_is_attached_from_a_task_and_outlives_it_T4),
        cmocka_unit_test(a_root_is_attached_from_callbacks_of_the_host_G2),
        cmocka_unit_test(
            a_root_is_attached_from_done_of_the_last_and_others_G2),
        cmocka_unit_test(
            a_run_in_a_guests_thread_and_the_reverse_are_misuse_T5),
        cmocka_unit_test(one_thread_has_roots_on_one_loop_at_a_time),
        cmocka_unit_test(no_loop_or_function_is_EINVAL),
        cmocka_unit_test(an_attach_that_fails_leaves_nothing_T7),
        cmocka_unit_test(
            a_root_that_gets_no_memory_or_descriptor_leaves_nothing_T7),
        cmocka_unit_test(a_second_attach_that_fails_harms_nobody_T7),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
