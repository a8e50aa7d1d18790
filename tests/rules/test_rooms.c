/* test_rooms.c - children_max: spawns that are refused, and waiting for a room.
 */
#include "rules/children.h"

#include <sys/mman.h>

#include "core/rt.h"

/* ---- refusing ---- */

IN_TASK(at_the_limit_a_spawn_is_refused_and_sticky_N11)
{
    int r;

    ROOST_NURSERY_WITH(n, .children_max = 2);
    EXPECT_INT(KID(n, .forever = true, .name = "a"), 0);
    EXPECT_INT(KID(n, .forever = true, .name = "b"), 0);
    EXPECT_INT(KID(n, .forever = true, .name = "c"), -EAGAIN);
    EXPECT(roost_scope_cancelled(roost_nursery_scope(n)));
    EXPECT_INT(roost_nursery_count(n), 2);
    r = roost_nursery_close(n, 0);
    EXPECT_INT(r, -EAGAIN);
    EXPECT(roost_error_of(r));
    EXPECT_LOG("a b");
    return 0;
}

IN_TASK(with_shed_it_is_only_refused_N11)
{
    ROOST_NURSERY_WITH(n, .children_max = 1, .shed = true);
    EXPECT_INT(KID(n, .ms = 5, .name = "a"), 0);
    EXPECT_INT(KID(n, .ms = 5, .name = "b"), -EAGAIN);
    EXPECT_INT(roost_sleep(ROOST_MS(7)), 0);
    EXPECT_INT(KID(n, .ms = 5, .name = "c"), 0);
    EXPECT_INT(roost_nursery_close(n, 3), 3);
    EXPECT_LOG("a c");
    return 0;
}

IN_TASK(with_shed_another_failure_is_sticky_all_the_same_N11)
{
    ROOST_NURSERY_WITH(n, .children_max = 9, .shed = true);
    EXPECT_INT(roost_spawn_copy(n, kid_body, "", 5000), -E2BIG);
    EXPECT_INT(roost_nursery_close(n, 0), -E2BIG);
    return 0;
}

static int start_then_sleep(void *arg)
{
    int r = roost_sleep(ROOST_MS(5));

    (void)arg;
    if (r < 0)
        return r;
    roost_started(1);
    return roost_sleep(ROOST_MS(5));
}

static int start_it(void *n)
{
    return roost_start(n, start_then_sleep, NULL);
}

IN_TASK(services_and_pending_starts_take_a_room_N11)
{
    ROOST_NURSERY(o);
    ROOST_NURSERY_WITH(n, .children_max = 2, .shed = true);
    SERVICE(n, .forever = true);
    EXPECT_INT(KID(n, .ms = 1), 0);
    EXPECT_INT(roost_sleep(ROOST_MS(2)), 0);
    roost_spawn(o, start_it, n);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    EXPECT_INT(roost_nursery_count(n), 2);
    EXPECT_INT(KID(n, .ms = 1), -EAGAIN);
    EXPECT_INT(SERVICE(n, .ms = 1), -EAGAIN);
    EXPECT_INT(roost_start(n, start_then_sleep, NULL), -EAGAIN);
    EXPECT_INT(roost_sleep(ROOST_MS(20)), 0); /* the started one has ended */
    EXPECT_INT(KID(n, .ms = 1), 0);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    return roost_nursery_close(o, 0);
}

IN_TASK(a_refused_start_is_returned_and_makes_no_child_N11)
{
    ROOST_NURSERY_WITH(n, .children_max = 1, .shed = true);
    KID(n, .ms = 3, .name = "whole");
    EXPECT_INT(roost_start(n, start_then_sleep, NULL), -EAGAIN);
    EXPECT_INT(roost_nursery_count(n), 1);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("whole");
    return 0;
}

/* ---- waiting ---- */

IN_TASK(wait_room_returns_at_once_when_there_is_one_N11)
{
    ROOST_NURSERY(unlimited);
    ROOST_NURSERY_WITH(n, .children_max = 1);
    KID(n, .name = "not yet"); /* it does not even yield */
    EXPECT_INT(roost_nursery_wait_room(unlimited), 0);
    EXPECT_LOG("");
    EXPECT_INT(roost_nursery_wait_room(n), 0);
    EXPECT_LOG("not yet");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    return roost_nursery_close(unlimited, 0);
}

IN_TASK(it_waits_until_a_child_has_ended_N11)
{
    ROOST_NURSERY_WITH(n, .children_max = 2);
    KID(n, .ms = 9);
    KID(n, .ms = 5);
    EXPECT_INT(roost_nursery_wait_room(n), 0);
    EXPECT_INT(kit_ms(), 5);
    EXPECT_INT(KID(n, .ms = 20), 0);
    EXPECT_INT(roost_nursery_wait_room(n), 0);
    EXPECT_INT(kit_ms(), 9);
    return roost_nursery_close(n, 0);
}

struct producer {
    roost_nursery *n;
    const char *name;
    int then_ms; /* sleeps before it spawns, and so loses its room */
    bool no_spawn;
    int wanted;
};

static int produce(void *arg)
{
    struct producer *p = arg;
    int r = roost_nursery_wait_room(p->n);

    if (r < 0)
        return r;
    kit_log(p->name);
    if (p->then_ms)
        EXPECT_INT(roost_sleep(ROOST_MS(p->then_ms)), 0);
    if (p->no_spawn)
        return 0;
    EXPECT_INT(KID(p->n, .ms = 10), p->wanted);
    return 0;
}

#define PRODUCER(in, ...) \
    roost_spawn_copy(in, produce, &(struct producer){ __VA_ARGS__ }, \
                     sizeof(struct producer))

IN_TASK(who_waits_longest_is_served_first_N11)
{
    ROOST_NURSERY(o);
    ROOST_NURSERY_WITH(n, .children_max = 1);
    KID(n, .ms = 5);
    PRODUCER(o, .n = n, .name = "a");
    PRODUCER(o, .n = n, .name = "b");
    PRODUCER(o, .n = n, .name = "c");
    EXPECT_INT(roost_sleep(ROOST_MS(4)), 0);
    EXPECT_LOG("");
    EXPECT_INT(roost_sleep(ROOST_MS(2)), 0);
    EXPECT_LOG("a");
    EXPECT_INT(roost_sleep(ROOST_MS(10)), 0);
    EXPECT_LOG("b");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("c");
    EXPECT_INT(kit_ms(), 35);
    return roost_nursery_close(o, 0);
}

static int steal(void *n)
{
    int r = roost_sleep(ROOST_MS(5));

    EXPECT_INT(KID(n, .ms = 10), -EAGAIN);
    return r;
}

/* The thief is ready before the waiter runs, in the turn in which the child
 * ends: but the room was given away. */
IN_TASK(from_its_wake_the_room_is_the_waiters_N11)
{
    ROOST_NURSERY_WITH(n, .children_max = 1, .shed = true);
    ROOST_NURSERY(o);
    KID(n, .ms = 5);
    PRODUCER(o, .n = n, .name = "a");
    roost_spawn(o, steal, n);
    EXPECT_INT(roost_nursery_close(o, 0), 0);
    EXPECT_INT(roost_nursery_count(n), 1);
    EXPECT_LOG("a");
    return roost_nursery_close(n, 0);
}

IN_TASK(when_the_waiter_suspends_the_room_passes_on_N11)
{
    ROOST_NURSERY_WITH(n, .children_max = 1, .shed = true);
    ROOST_NURSERY(o);
    KID(n, .ms = 5);
    PRODUCER(o, .n = n, .name = "a", .then_ms = 1, .wanted = -EAGAIN);
    PRODUCER(o, .n = n, .name = "b");
    EXPECT_INT(roost_nursery_close(o, 0), 0);
    EXPECT_LOG("a b");
    EXPECT_INT(kit_ms(), 6);
    return roost_nursery_close(n, 0);
}

IN_TASK(when_the_waiter_ends_the_room_passes_on_N11)
{
    ROOST_NURSERY_WITH(n, .children_max = 1);
    ROOST_NURSERY(o);
    KID(n, .ms = 5);
    PRODUCER(o, .n = n, .name = "a", .no_spawn = true);
    PRODUCER(o, .n = n, .name = "b");
    EXPECT_INT(roost_nursery_close(o, 0), 0);
    EXPECT_LOG("a b");
    EXPECT_INT(kit_ms(), 5);
    return roost_nursery_close(n, 0);
}

static int close_while_promised(void *arg)
{
    bool with_service = *(bool *)arg;

    ROOST_NURSERY(o);
    ROOST_NURSERY_WITH(n, .children_max = with_service ? 2 : 1);
    if (with_service)
        SERVICE(n, .forever = true, .name = "service");
    KID(n, .ms = 5);
    PRODUCER(o, .n = n, .name = "a");
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 15);
    kit_expect_log(with_service ? "a service" : "a", ROOST_SITE);
    return roost_nursery_close(o, 0);
}

/* With seeds the closer is drawn before the waiter now and then. */
static void a_promised_room_keeps_the_nursery_open_N11(void **state)
{
    uint64_t seed;

    (void)state;
    for (seed = 0; seed < 32; seed++) {
        roost_options o = { .clock = ROOST_CLOCK_VIRTUAL, .seed = seed };
        bool with_service = seed % 4 < 2;

        assert_int_equal(kit_run_with(&o, close_while_promised, &with_service),
                         0);
    }
}

IN_TASK(a_promised_room_that_is_not_used_lets_it_close_N11)
{
    ROOST_NURSERY(o);
    ROOST_NURSERY_WITH(n, .children_max = 1);
    KID(n, .ms = 5);
    PRODUCER(o, .n = n, .name = "a", .no_spawn = true);
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 5);
    return roost_nursery_close(o, 0);
}

IN_TASK(who_closes_with_a_room_in_hand_gives_it_up_N11)
{
    ROOST_NURSERY_WITH(n, .children_max = 1);
    KID(n, .ms = 5);
    EXPECT_INT(roost_nursery_wait_room(n), 0);
    EXPECT_INT(roost_nursery_close(n, 3), 3);
    EXPECT_INT(kit_ms(), 5);
    return 0;
}

IN_TASK_GUARDS(who_leaves_with_a_room_in_hand_gives_it_up_N11, 1)
{
    {
        ROOST_NURSERY_WITH(n, .children_max = 1);
        KID(n, .ms = 5);
        EXPECT_INT(roost_nursery_wait_room(n), 0);
    }
    return 0;
}

IN_TASK(who_closes_with_a_room_in_hand_lets_the_next_have_it_N11)
{
    ROOST_NURSERY(o);
    ROOST_NURSERY_WITH(n, .children_max = 1);
    KID(n, .ms = 5);
    EXPECT_INT(roost_nursery_wait_room(n), 0);
    KID(n, .ms = 5);
    PRODUCER(o, .n = n, .name = "a");
    EXPECT_INT(roost_nursery_close(n, 3), 3);
    EXPECT_INT(kit_ms(), 20);
    EXPECT_LOG("a");
    return roost_nursery_close(o, 0);
}

IN_TASK(the_main_task_may_end_with_a_room_in_hand_N11)
{
    ROOST_NURSERY_WITH(n, .children_max = 1);
    KID(n, .ms = 1);
    EXPECT_INT(roost_nursery_wait_room(n), 0);
    EXPECT_INT(roost_nursery_wait_room(n), 0); /* it still has it */
    EXPECT_INT(KID(n, .ms = 5), 0);
    return roost_nursery_close(n, 0);
}

IN_TASK(the_room_serves_a_start_too_N11)
{
    ROOST_NURSERY_WITH(n, .children_max = 1);
    KID(n, .ms = 5);
    EXPECT_INT(roost_nursery_wait_room(n), 0);
    EXPECT_INT(roost_start(n, start_then_sleep, NULL), 1);
    EXPECT_INT(kit_ms(), 10);
    return roost_nursery_close(n, 0);
}

IN_TASK(a_service_that_ends_makes_room_too_N11)
{
    ROOST_NURSERY_WITH(n, .children_max = 1);
    SERVICE(n, .ms = 5);
    EXPECT_INT(roost_nursery_wait_room(n), 0);
    EXPECT_INT(kit_ms(), 5);
    return roost_nursery_close(n, 0);
}

/* ---- cancelled ---- */

IN_TASK(in_a_cancelled_task_it_returns_ECANCELED_though_there_is_room_C1)
{
    ROOST_NURSERY_WITH(n, .children_max = 1);
    ROOST_SCOPE(s);
    roost_scope_cancel(s, "test");
    EXPECT_INT(roost_nursery_wait_room(n), -ECANCELED);
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), 0);
    EXPECT_INT(KID(n, .ms = 1), 0);
    return roost_nursery_close(n, 0);
}

IN_TASK(a_cancelled_waiter_leaves_the_queue_C5)
{
    ROOST_NURSERY(o);
    ROOST_NURSERY_WITH(n, .children_max = 1);
    KID(n, .ms = 5);
    ROOST_NURSERY(m);
    PRODUCER(m, .n = n, .name = "a");
    PRODUCER(o, .n = n, .name = "b");
    EXPECT_INT(roost_checkpoint(), 0);
    roost_nursery_cancel(m, "test");
    EXPECT_INT(roost_nursery_close(m, 0), 0);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("b");
    EXPECT_INT(kit_ms(), 15);
    return roost_nursery_close(o, 0);
}

static int cancel_at_5(void *scope)
{
    int r = roost_sleep(ROOST_MS(5));

    roost_scope_cancel(scope, "after the room was promised");
    return r;
}

IN_TASK(a_room_promised_before_the_cancellation_is_kept_C4)
{
    ROOST_NURSERY(o);
    ROOST_NURSERY_WITH(n, .children_max = 1);
    KID(n, .ms = 5);
    ROOST_NURSERY(m);
    PRODUCER(m, .n = n, .name = "a");
    roost_spawn(o, cancel_at_5, roost_nursery_scope(m));
    EXPECT_INT(roost_nursery_close(m, 0), 0);
    EXPECT_LOG("a");
    EXPECT_INT(roost_nursery_count(n), 1);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    return roost_nursery_close(o, 0);
}

/* ---- rooms that a failed spawn gives back, and a producer at work ---- */

static bool no_memory;

static void *mmap_or_not(void *at, size_t bytes, int prot, int flags, int fd,
                         off_t offset)
{
    if (!no_memory)
        return mmap(at, bytes, prot, flags, fd, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

static int fail_to_start(void *n)
{
    roost_spawn_options large = { .stack_bytes = 9 << 20 };

    EXPECT_INT(roost_nursery_wait_room(n), 0);
    no_memory = true;
    EXPECT_INT(roost_start_with(n, start_then_sleep, NULL, &large), -ENOMEM);
    no_memory = false;
    kit_log("failed");
    return 0;
}

static int give_back(void *arg)
{
    (void)arg;
    ROOST_NURSERY_WITH(n, .children_max = 1);
    ROOST_NURSERY(o);
    KID(n, .ms = 5);
    roost_spawn(o, fail_to_start, n);
    PRODUCER(o, .n = n, .name = "next");
    EXPECT_INT(roost_nursery_close(o, 0), 0);
    EXPECT_LOG("failed next");
    EXPECT_INT(kit_ms(), 5);
    return roost_nursery_close(n, 0);
}

static void a_start_that_fails_gives_its_room_back_N11(void **state)
{
    struct roost_sys sys = roost__sys_default;
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL, .sys = &sys };

    (void)state;
    sys.mmap = mmap_or_not;
    assert_int_equal(kit_run_with(&o, give_back, NULL), 0);
}

struct work {
    int live, most, done;
};

static int work(void *arg)
{
    struct work *w = *(struct work **)arg;
    int r;

    w->most = ++w->live > w->most ? w->live : w->most;
    r = roost_sleep(ROOST_US(w->done % 7 * 100));
    w->live--;
    w->done++;
    return r;
}

struct feed {
    roost_nursery *n;
    struct work *w;
    int jobs;
};

static int feed(void *arg)
{
    struct feed *f = arg;
    int i, r = 0;

    for (i = 0; i < f->jobs && r >= 0; i++) {
        r = roost_nursery_wait_room(f->n);
        if (r >= 0)
            r = roost_spawn_copy(f->n, work, &f->w, sizeof f->w);
    }
    return r;
}

static int feed_a_crowd(void *arg)
{
    struct work w = { 0 };
    struct feed f = { NULL, &w, 1000 };
    int i;

    (void)arg;
    ROOST_NURSERY_WITH(n, .children_max = 4);
    ROOST_NURSERY(o);
    f.n = n;
    for (i = 0; i < 3; i++)
        roost_spawn(o, feed, &f);
    EXPECT_INT(roost_nursery_close(o, 0), 0);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(w.done, 3000);
    EXPECT_INT(w.most, 4);
    return 0;
}

static void producers_never_exceed_the_limit_and_lose_nothing_N11(void **state)
{
    uint64_t seed;

    (void)state;
    for (seed = 0; seed < 5; seed++) {
        roost_options o = { .clock = ROOST_CLOCK_VIRTUAL, .seed = seed };

        assert_int_equal(kit_run_with(&o, feed_a_crowd, NULL), 0);
    }
}

static int wait_in_closed(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open_at(&n, "opened.c:1");
    roost_ignore(roost_nursery_close_at(&n, 0, "closed.c:2"));
    return roost_nursery_wait_room(&n);
}

static void in_a_closed_nursery_it_is_misuse_N6(void **state)
{
    (void)state;
    kit_dies(wait_in_closed, NULL, "roost_nursery_wait_room", "opened.c:1",
             "closed.c:2", NULL);
}

static int wait_outside(void *n)
{
    return roost_nursery_wait_room(n);
}

static void outside_a_task_it_is_misuse_T5(void **state)
{
    static roost_nursery n;

    (void)state;
    kit_dies_outside(wait_outside, &n, "roost_nursery_wait_room",
                     "outside a task", NULL);
}

static int start_into_full(bool shed)
{
    int r;

    ROOST_NURSERY_WITH(n, .children_max = 1, .shed = shed);
    roost_spawn(n, kit_sleep_ms, &(int){ 5 });
    r = roost_start(n, kit_sleep_forever, NULL);
    EXPECT_INT(r, -EAGAIN);
    r = roost_nursery_close(n, 7);
    return r;
}

IN_TASK(a_start_refused_at_the_limit_fails_the_nursery_unless_it_sheds_N11)
{
    EXPECT_INT(start_into_full(false), -EAGAIN);
    EXPECT_INT(kit_ms(), 0); /* the child was cancelled */
    EXPECT_INT(start_into_full(true), 7);
    EXPECT_INT(kit_ms(), 5);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_start_refused_at_the_limit_fails_the_nursery_unless_it_sheds_N11),
        cmocka_unit_test(at_the_limit_a_spawn_is_refused_and_sticky_N11),
        cmocka_unit_test(with_shed_it_is_only_refused_N11),
        cmocka_unit_test(with_shed_another_failure_is_sticky_all_the_same_N11),
        cmocka_unit_test(services_and_pending_starts_take_a_room_N11),
        cmocka_unit_test(a_refused_start_is_returned_and_makes_no_child_N11),
        cmocka_unit_test(wait_room_returns_at_once_when_there_is_one_N11),
        cmocka_unit_test(it_waits_until_a_child_has_ended_N11),
        cmocka_unit_test(who_waits_longest_is_served_first_N11),
        cmocka_unit_test(from_its_wake_the_room_is_the_waiters_N11),
        cmocka_unit_test(when_the_waiter_suspends_the_room_passes_on_N11),
        cmocka_unit_test(when_the_waiter_ends_the_room_passes_on_N11),
        cmocka_unit_test(a_promised_room_keeps_the_nursery_open_N11),
        cmocka_unit_test(a_promised_room_that_is_not_used_lets_it_close_N11),
        cmocka_unit_test(who_closes_with_a_room_in_hand_gives_it_up_N11),
        cmocka_unit_test(who_leaves_with_a_room_in_hand_gives_it_up_N11),
        cmocka_unit_test(who_closes_with_a_room_in_hand_lets_the_next_have_it_N11),
        cmocka_unit_test(the_main_task_may_end_with_a_room_in_hand_N11),
        cmocka_unit_test(the_room_serves_a_start_too_N11),
        cmocka_unit_test(a_service_that_ends_makes_room_too_N11),
        cmocka_unit_test(in_a_cancelled_task_it_returns_ECANCELED_though_there_is_room_C1),
        cmocka_unit_test(a_cancelled_waiter_leaves_the_queue_C5),
        cmocka_unit_test(a_room_promised_before_the_cancellation_is_kept_C4),
        cmocka_unit_test(a_start_that_fails_gives_its_room_back_N11),
        cmocka_unit_test(producers_never_exceed_the_limit_and_lose_nothing_N11),
        cmocka_unit_test(in_a_closed_nursery_it_is_misuse_N6),
        cmocka_unit_test(outside_a_task_it_is_misuse_T5),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
