/* test_misuse_waits.c - claims about park, wake and channels used wrongly. */
#include "rules/wrong.h"

/* ---- park and wake ---- */

static bool agree(roost_wait *w, void *arg)
{
    (void)w, (void)arg;
    return true;
}

static int wake_twice(void *arg)
{
    roost_wait w;

    (void)arg;
    roost_wait_init(&w);
    roost_wake(&w, 0);
    roost_wake(&w, 0);
    return 0;
}

static int parked(void *arg)
{
    roost_wait *w = arg;

    roost_wait_init(w);
    return roost_park(w, "a test", agree, NULL);
}

static int wake_twice_parked(void *arg)
{
    roost_wait w;

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, parked, &w);
    roost_ignore(roost_sleep(1));
    roost_wake(&w, 0);
    roost_wake(&w, 0);
    return roost_nursery_close(n, 0);
}

static int wake_cancelled(void *arg)
{
    roost_wait w;

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, parked, &w);
    roost_ignore(roost_sleep(1));
    roost_nursery_cancel(n, "a test");
    roost_wake(&w, 0);
    return roost_nursery_close(n, 0);
}

static int wake_aborted_early(void *arg)
{
    roost_wait w;
    ROOST_SCOPE(s);

    (void)arg;
    roost_scope_cancel(s, "a test");
    roost_ignore(parked(&w));
    roost_wake(&w, 0);
    return roost_scope_leave(s, 0);
}

static void a_second_wake_is_told_C9(void **state)
{
    static const struct wrong wrong[] = {
        { wake_twice, { "roost_wake", "already woken" } },
        { wake_twice_parked, { "roost_wake", "already woken" } },
        { wake_cancelled, { "roost_wake", "already cancelled" } },
        { wake_aborted_early, { "roost_wake", "already cancelled" } },
    };

    (void)state;
    ALL_DIE(wrong);
}

static int park_again(void *arg)
{
    roost_wait w;
    ROOST_SCOPE(s);

    (void)arg;
    roost_scope_cancel(s, "a test");
    roost_ignore(parked(&w));
    return roost_scope_leave(s, roost_park(&w, "another", agree, NULL));
}

static int park_anothers(void *arg)
{
    return roost_park(arg, "another's", agree, NULL);
}

static int parks_anothers(void *arg)
{
    roost_wait w;

    (void)arg;
    ROOST_NURSERY(n);
    roost_wait_init(&w);
    roost_spawn(n, park_anothers, &w);
    return roost_nursery_close(n, 0);
}

static void parking_on_a_wait_not_prepared_for_it_is_told_C9(void **state)
{
    static const struct wrong wrong[] = {
        { park_again, { "roost_park(\"another\")", "has been used" } },
        { parks_anothers, { "roost_park(\"another's\")",
                            "another task prepared" } },
    };

    (void)state;
    ALL_DIE(wrong);
}

/* An abort function runs in the context of whoever cancelled. */
static bool waits_in_abort(roost_wait *w, void *arg)
{
    (void)w, (void)arg;
    roost_ignore(roost_checkpoint());
    return true;
}

static int parked_badly(void *arg)
{
    roost_wait w;

    roost_wait_init(&w);
    return roost_park(&w, "a test", waits_in_abort, arg);
}

static int cancels_it(void *arg)
{
    roost_nursery_cancel((roost_nursery *)arg, "a test");
    return 0;
}

static int abort_waits(void *arg)
{
    int r;

    (void)arg;
    ROOST_NURSERY(outer);
    ROOST_NURSERY(n);
    roost_spawn(n, parked_badly, NULL);
    r = roost_sleep(1);
    roost_spawn_at(outer, cancels_it, n, "canceller.c:1");
    r = roost_nursery_close(n, r);
    return roost_nursery_close(outer, r);
}

static void an_abort_function_that_waits_is_told_C9(void **state)
{
    static const struct wrong wrong[] = {
        { abort_waits, { "an abort function called something that waits",
                         "canceller.c:1" } },
    };

    (void)state;
    ALL_DIE(wrong);
}

/* ---- channels ---- */

static int items_of_nothing(void *arg)
{
    (void)arg;
    roost_chan_free(roost_chan_new(0, 3));
    return 0;
}

static int send_pointer(void *arg)
{
    roost_chan *c = roost_chan_new(100, 1);
    char item[100] = "";
    char *p = item;

    (void)arg;
    return roost_chan_send(c, &p);
}

static int send_pointer_nowait(void *arg)
{
    roost_chan *c = roost_chan_new(100, 1);
    char item[100] = "";
    char *p = item;

    (void)arg;
    return roost_chan_send_nowait(c, &p);
}

static int recv_short(void *arg)
{
    roost_chan *c = roost_chan_new(8, 1);
    int32_t item;

    (void)arg;
    return roost_chan_recv(c, &item);
}

static int recv_short_nowait(void *arg)
{
    roost_chan *c = roost_chan_new(8, 1);
    int32_t item;

    (void)arg;
    return roost_chan_recv_nowait(c, &item);
}

static void an_item_of_the_wrong_size_is_told_X1(void **state)
{
    static const struct wrong wrong[] = {
        { items_of_nothing, { "roost_chan_new", "0 bytes" } },
        { send_pointer, { "roost_chan_send was", "an item of 8 bytes",
                          "made for 100", "pass the item's address" } },
        { send_pointer_nowait, { "roost_chan_send_nowait", "8 bytes", "100" } },
        { recv_short, { "roost_chan_recv was", "4 bytes", "for 8" } },
        { recv_short_nowait, { "roost_chan_recv_nowait", "4 bytes", "for 8" } },
    };

    (void)state;
    ALL_DIE(wrong);
}

static int send_one(void *arg)
{
    int item = 1;

    return roost_chan_send(arg, &item);
}

static int recv_one(void *arg)
{
    int item;

    return roost_chan_recv(arg, &item);
}

static int free_under(roost_task_fn *fn)
{
    roost_chan *c = roost_chan_new(sizeof(int), 0);

    ROOST_NURSERY(n);
    roost_spawn(n, fn, c);
    roost_ignore(roost_sleep(1));
    roost_chan_free(c);
    return roost_nursery_close(n, 0);
}

static int free_under_sender(void *arg)
{
    (void)arg;
    return free_under(send_one);
}

static int free_under_receiver(void *arg)
{
    (void)arg;
    return free_under(recv_one);
}

static void freeing_a_channel_with_waiters_is_told_X1(void **state)
{
    static const struct wrong wrong[] = {
        { free_under_sender, { "roost_chan_free while a task waits" } },
        { free_under_receiver, { "roost_chan_free while a task waits" } },
    };

    (void)state;
    ALL_DIE(wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_wake_is_told_C9),
        cmocka_unit_test(parking_on_a_wait_not_prepared_for_it_is_told_C9),
        cmocka_unit_test(an_abort_function_that_waits_is_told_C9),
        cmocka_unit_test(an_item_of_the_wrong_size_is_told_X1),
        cmocka_unit_test(freeing_a_channel_with_waiters_is_told_X1),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
