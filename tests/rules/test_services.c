/* test_services.c - service children: alive as long as an ordinary child is, and
 *                   no longer; and the library object that rests on one.
 */
#include "rules/children.h"

/* ---- how long they live ---- */

IN_TASK(they_live_until_the_last_ordinary_child_is_gone_N15)
{
    ROOST_NURSERY(n);
    SERVICE(n, .forever = true, .name = "service");
    KID(n, .ms = 10, .name = "10");
    KID(n, .ms = 20, .name = "20");
    EXPECT_INT(roost_nursery_count(n), 3);
    EXPECT_INT(roost_nursery_close(n, 4), 4);
    EXPECT_INT(kit_ms(), 20);
    EXPECT_LOG("10 20 service");
    return 0;
}

IN_TASK(while_the_body_is_open_they_stay_though_alone_N15)
{
    ROOST_NURSERY(n);
    SERVICE(n, .forever = true, .name = "service");
    KID(n, .ms = 10);
    EXPECT_INT(roost_sleep(ROOST_MS(50)), 0);
    EXPECT_INT(roost_nursery_count(n), 1);
    kit_log("body");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 50);
    EXPECT_LOG("body service");
    return 0;
}

IN_TASK(close_waits_for_their_cleanup_N1)
{
    ROOST_NURSERY(n);
    SERVICE(n, .forever = true, .cleanup_ms = 9);
    SERVICE(n, .forever = true, .cleanup_ms = 7);
    EXPECT_INT(roost_nursery_close(n, 1), 1);
    EXPECT_INT(kit_ms(), 9); /* both were told at once */
    return 0;
}

IN_TASK(one_that_ends_by_itself_is_no_event_N15)
{
    ROOST_NURSERY(n);
    SERVICE(n, .ms = 5, .result = 3);
    KID(n, .ms = 10);
    EXPECT_INT(roost_nursery_close(n, 1), 1);
    EXPECT_INT(kit_ms(), 10);
    return 0;
}

IN_TASK(a_failure_reaches_them_after_the_others_are_gone_N15)
{
    ROOST_NURSERY(n);
    SERVICE(n, .forever = true, .name = "service");
    KID(n, .forever = true, .cleanup_ms = 10, .name = "cleaned");
    KID(n, .ms = 5, .result = -EIO);
    EXPECT_INT(roost_nursery_close(n, roost_sleep(ROOST_SEC(1))), -EIO);
    EXPECT_INT(kit_ms(), 15);
    EXPECT_LOG("cleaned service");
    return 0;
}

IN_TASK(outside_reaches_them_after_the_others_are_gone_N15)
{
    ROOST_NURSERY(o);
    ROOST_SCOPE(s);
    cancel_later(o, s, 5);
    ROOST_NURSERY(n);
    SERVICE(n, .forever = true, .name = "service");
    KID(n, .forever = true, .cleanup_ms = 10, .name = "cleaned");
    EXPECT_INT(roost_nursery_close(n, 0), -ECANCELED);
    EXPECT_LOG("cleaned service");
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), 0);
    return roost_nursery_close(o, 0);
}

IN_TASK(by_hand_they_stay_until_close_N15)
{
    ROOST_NURSERY(n);
    SERVICE(n, .forever = true, .name = "service");
    KID(n, .forever = true, .name = "other");
    EXPECT_INT(roost_checkpoint(), 0);
    roost_nursery_cancel(n, "test");
    EXPECT_INT(ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_MS(20))), 0);
    kit_log("body");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("other body service");
    return 0;
}

static int spawn_ordinary(void *n)
{
    EXPECT_INT(roost_sleep_until(ROOST_NEVER), -ECANCELED);
    KID(n, .ms = 10, .name = "last words");
    return 0;
}

IN_TASK(in_its_end_one_may_spawn_an_ordinary_child_N6)
{
    ROOST_NURSERY(n);
    roost_spawn_with(n, spawn_ordinary, n,
                     &(roost_spawn_options){ .service = true });
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 10);
    EXPECT_LOG("last words");
    return 0;
}

static int spawn_service(void *n)
{
    roost_ignore(roost_sleep_until(ROOST_NEVER));
    SERVICE(n, .forever = true, .name = "born late");
    return 0;
}

IN_TASK(one_born_after_they_were_told_runs_to_its_first_checkpoint_N7)
{
    ROOST_NURSERY(n);
    roost_spawn_with(n, spawn_service, n,
                     &(roost_spawn_options){ .service = true });
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 0);
    EXPECT_LOG("born late");
    return 0;
}

/* ---- pierce ---- */

static int set_at_the_end(void *e)
{
    int r = roost_sleep_until(ROOST_NEVER);

    kit_log("pierced");
    roost_event_set(e);
    return r;
}

static int join_it(void *e)
{
    return roost_event_join(e); /* is cut by nothing */
}

/* The ordinary child waits for the service, which waits for its end: cancelling
 * is not enough. What was cut was not cut by close, so it counts. */
static void wait_for_a_service(void)
{
    roost_event e;

    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn_with(n, set_at_the_end, &e,
                     &(roost_spawn_options){ .service = true });
    roost_spawn(n, join_it, &e);
    EXPECT_INT(roost_nursery_close(n, 7), -ECANCELED);
    EXPECT_LOG("pierced");
}

static int wait_for_two(void *arg)
{
    (void)arg;
    wait_for_a_service();
    wait_for_a_service(); /* born after the pierce: cut from the start */
    return 0;
}

static void piercing_goes_through_to_them_N15(void **state)
{
    (void)state;
    kit_stderr_begin();
    assert_int_equal(kit_run(wait_for_two, NULL), -EDEADLK);
    kit_stderr_end();
}

/* ---- the verdict ---- */

IN_TASK(what_close_cut_never_decides_the_verdict_N15)
{
    ROOST_NURSERY(o);
    ROOST_SCOPE(s);
    ROOST_NURSERY(n);
    SERVICE(n, .forever = true, .cleanup_ms = 20);
    KID(n, .ms = 5);
    cancel_later(o, s, 10); /* while the service cleans up */
    EXPECT_INT(roost_nursery_close(n, 7), 7);
    EXPECT_INT(kit_ms(), 25);
    EXPECT_INT(roost_scope_leave(s, roost_checkpoint()), 0);
    return roost_nursery_close(o, 0);
}

IN_TASK(nor_does_it_under_a_deadline_that_cut_nobody_else_N15)
{
    ROOST_NURSERY_WITH(n, .deadline = roost_after(ROOST_MS(10)));
    SERVICE(n, .forever = true, .cleanup_ms = 20);
    KID(n, .ms = 5);
    EXPECT_INT(roost_nursery_close(n, 7), 7);
    EXPECT(!roost_scope_caught(NULL));
    return 0;
}

IN_TASK(their_failure_is_the_nurserys_N15)
{
    ROOST_NURSERY(n);
    SERVICE(n, .ms = 5, .result = -EIO);
    KID(n, .forever = true, .name = "cut");
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_INT(kit_ms(), 5);
    EXPECT_INT(roost_nursery_close(n, -ECANCELED), -EIO);
    EXPECT_LOG("cut");
    return 0;
}

IN_TASK(their_failure_at_the_very_end_is_the_nurserys_too_N15)
{
    ROOST_NURSERY(n);
    SERVICE(n, .forever = true, .cleanup_ms = 3, .cut = -EIO);
    EXPECT_INT(roost_nursery_close(n, 7), -EIO);
    return 0;
}

static int foreign(void *arg)
{
    (void)arg;
    return -ECANCELED;
}

IN_TASK(their_foreign_ECANCELED_is_EPROTO_N16)
{
    ROOST_NURSERY(n);
    roost_spawn_with(n, foreign, NULL,
                     &(roost_spawn_options){ .service = true });
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_INT(roost_nursery_close(n, -ECANCELED), -EPROTO);
    return 0;
}

/* Its shield keeps the cancellation out: nothing around it is cancelled. */
IN_TASK(in_a_cancelled_nursery_it_is_foreign_still_N16)
{
    ROOST_NURSERY(n);
    roost_nursery_cancel(n, "test");
    roost_spawn_with(n, foreign, NULL,
                     &(roost_spawn_options){ .service = true });
    EXPECT_INT(ROOST_SHIELDED(ROOST_NEVER, roost_checkpoint()), 0);
    EXPECT_INT(roost_nursery_close(n, 0), -EPROTO);
    return 0;
}

/* ---- started ones ---- */

struct reader {
    int ready_ms, *live;
};

static int read_on(void *arg)
{
    struct reader *a = arg;
    int r = roost_sleep(ROOST_MS(a->ready_ms));

    if (r < 0)
        return r;
    roost_started(1);
    kit_log("ready");
    ++*a->live;
    r = roost_sleep_until(ROOST_NEVER);
    --*a->live;
    kit_log("reader");
    return r;
}

static const roost_spawn_options a_service = { .service = true };

IN_TASK(started_ones_are_services_from_then_on_N15)
{
    int live = 0;
    struct reader a = { 5, &live };

    ROOST_NURSERY(n);
    EXPECT_INT(roost_start_with(n, read_on, &a, &a_service), 1);
    KID(n, .ms = 20, .name = "ordinary");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 25);
    EXPECT_LOG("ready ordinary reader");
    EXPECT_INT(live, 0);
    return 0;
}

struct start {
    roost_nursery *n;
    struct reader a;
};

static int start_it(void *arg)
{
    struct start *s = arg;

    EXPECT_INT(roost_start_with(s->n, read_on, &s->a, &a_service), 1);
    kit_log("returned");
    return 0;
}

IN_TASK(until_started_they_count_as_ordinary_N15)
{
    int live = 0;
    struct start s = { NULL, { 10, &live } };

    ROOST_NURSERY(o);
    ROOST_NURSERY(n);
    s.n = n;
    SERVICE(n, .forever = true, .name = "other service");
    roost_spawn(o, start_it, &s); /* the starter is not a child of n */
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 10);
    EXPECT_INT(roost_nursery_close(o, 0), 0);
    EXPECT_LOG("ready returned other service reader");
    return 0;
}

IN_TASK(one_that_fails_before_started_is_starts_alone_N10)
{
    int zero = 0;

    ROOST_NURSERY(n);
    SERVICE(n, .forever = true, .name = "service");
    EXPECT_INT(roost_start_with(n, kit_return, &zero, &a_service), -EPROTO);
    EXPECT_INT(roost_start_with(n, kit_fail_eio, NULL, &a_service), -EIO);
    EXPECT_INT(roost_nursery_count(n), 1);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("service");
    return 0;
}

/* ---- a library's object ---- */

/* A client with a reader in the background: in its user's nursery, so it can
 * neither outlive the user nor keep the user's close waiting. */
struct client {
    int live;
    struct reader reader;
    roost_child task;
};

static int client_open(struct client *c, roost_nursery *n)
{
    c->live = 0;
    c->reader = (struct reader){ 3, &c->live };
    return roost_start_with(n, read_on, &c->reader,
                            &(roost_spawn_options){ .service = true,
                                                    .child = &c->task });
}

static void client_close(struct client *c)
{
    roost_ignore(roost_child_end(&c->task, "the client closes"));
}

static int use_client(void *arg)
{
    struct client *c = arg;
    int i;

    for (i = 0; i < 3; i++) {
        EXPECT_INT(c->live, 1);
        EXPECT_INT(roost_sleep(ROOST_MS(10)), 0);
    }
    EXPECT_INT(c->live, 1);
    kit_log("user");
    return 0;
}

IN_TASK(a_library_object_ends_after_its_users_and_by_itself_N15)
{
    struct client c = { 0 };

    ROOST_NURSERY(n);
    EXPECT_INT(client_open(&c, n), 1);
    roost_spawn(n, use_client, &c);
    roost_spawn(n, use_client, &c);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("ready user user reader");
    EXPECT_INT(c.live, 0);
    return 0;
}

IN_TASK(or_before_the_users_scope_does_when_it_is_closed_N17)
{
    struct client c = { 0 };

    ROOST_NURSERY(n);
    EXPECT_INT(client_open(&c, n), 1);
    EXPECT_INT(use_client(&c), 0);
    client_close(&c);
    EXPECT_INT(c.live, 0);
    client_close(&c);
    EXPECT_INT(client_open(&c, n), 1); /* and open again */
    client_close(&c);
    KID(n, .ms = 10, .name = "the user goes on");
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_LOG("ready user reader ready reader the user goes on");
    return 0;
}

IN_TASK(opening_one_in_a_cancelled_task_makes_no_reader_C1)
{
    struct client c = { 0 };

    ROOST_NURSERY(n);
    ROOST_SCOPE(s);
    roost_scope_cancel(s, "test");
    EXPECT_INT(client_open(&c, n), -ECANCELED);
    client_close(&c);
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), 0);
    return roost_nursery_close(n, 0);
}

/* corral with-complete-cancel */
IN_TASK(a_cancellation_after_the_body_waits_for_the_service_N1)
{
    ROOST_NURSERY(o);
    ROOST_SCOPE(s);
    cancel_later(o, s, 2);
    ROOST_NURSERY(n);
    SERVICE(n, .forever = true, .cleanup_ms = 3, .name = "service");
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(kit_ms(), 4);
    EXPECT_INT(roost_scope_leave(s, roost_checkpoint()), 0);
    return roost_nursery_close(o, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_live_until_the_last_ordinary_child_is_gone_N15),
        cmocka_unit_test(while_the_body_is_open_they_stay_though_alone_N15),
        cmocka_unit_test(close_waits_for_their_cleanup_N1),
        cmocka_unit_test(one_that_ends_by_itself_is_no_event_N15),
        cmocka_unit_test(a_failure_reaches_them_after_the_others_are_gone_N15),
        cmocka_unit_test(outside_reaches_them_after_the_others_are_gone_N15),
        cmocka_unit_test(by_hand_they_stay_until_close_N15),
        cmocka_unit_test(in_its_end_one_may_spawn_an_ordinary_child_N6),
        cmocka_unit_test(one_born_after_they_were_told_runs_to_its_first_checkpoint_N7),
        cmocka_unit_test(piercing_goes_through_to_them_N15),
        cmocka_unit_test(what_close_cut_never_decides_the_verdict_N15),
        cmocka_unit_test(nor_does_it_under_a_deadline_that_cut_nobody_else_N15),
        cmocka_unit_test(their_failure_is_the_nurserys_N15),
        cmocka_unit_test(their_failure_at_the_very_end_is_the_nurserys_too_N15),
        cmocka_unit_test(their_foreign_ECANCELED_is_EPROTO_N16),
        cmocka_unit_test(in_a_cancelled_nursery_it_is_foreign_still_N16),
        cmocka_unit_test(started_ones_are_services_from_then_on_N15),
        cmocka_unit_test(until_started_they_count_as_ordinary_N15),
        cmocka_unit_test(one_that_fails_before_started_is_starts_alone_N10),
        cmocka_unit_test(a_library_object_ends_after_its_users_and_by_itself_N15),
        cmocka_unit_test(or_before_the_users_scope_does_when_it_is_closed_N17),
        cmocka_unit_test(opening_one_in_a_cancelled_task_makes_no_reader_C1),
        cmocka_unit_test(a_cancellation_after_the_body_waits_for_the_service_N1),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
