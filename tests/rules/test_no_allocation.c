/* test_no_allocation.c - wait, wake, cancel, deadline and join do not allocate.
 *
 * The run's table of system calls counts what is allocated and mapped. After one
 * round that warms the stacks, a hundred more must leave the counts as they are.
 */
#include "kit/kit.h"

#include "core/sys.h"

static size_t calls;

static void *counting_alloc(size_t bytes)
{
    calls++;
    return roost__sys_default.alloc(bytes);
}

static void *counting_mmap(void *at, size_t bytes, int prot, int flags, int fd,
                           off_t offset)
{
    calls++;
    return roost__sys_default.mmap(at, bytes, prot, flags, fd, offset);
}

struct round {
    roost_event *never, *soon;
    roost_lot *lot;
    roost_chan *c;
};

static int waits_in_every_way(void *arg)
{
    struct round *w = arg;
    int item = 1, r;

    EXPECT_INT(roost_event_wait(w->soon), 0);
    EXPECT_INT(roost_lot_wait(w->lot), 0);
    EXPECT_INT(roost_chan_recv(w->c, &item), 1);
    r = ROOST_WITHIN(ROOST_MS(3), roost_event_wait(w->never));
    EXPECT_INT(r, -ETIMEDOUT);
    r = ROOST_SHIELDED(ROOST_MS(1), roost_sleep(ROOST_SEC(1)));
    EXPECT_INT(r, -ECANCELED); /* the nursery is cancelled meanwhile */
    return roost_sleep_until(ROOST_NEVER);
}

static void round_of_all(void)
{
    roost_event never, soon;
    roost_lot lot = { 0 };
    roost_chan *c;
    int i, r = 0;
    size_t before;

    roost_event_init(&never);
    roost_event_init(&soon);
    c = roost_chan_new(sizeof i, 2);
    before = calls; /* the channel itself is allocated, its use is not */
    {
        struct round w = { &never, &soon, &lot, c };

        ROOST_NURSERY(n);
        for (i = 0; i < 10; i++)
            roost_spawn(n, waits_in_every_way, &w);
        EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
        roost_event_set(&soon);
        EXPECT_INT(roost_checkpoint(), 0);
        EXPECT_INT(roost_lot_wake(&lot, ROOST_ALL), 10);
        for (i = 0; i < 10; i++)
            EXPECT_INT(roost_chan_send(c, &i), 0);
        EXPECT_INT(roost_sleep(ROOST_MS(5)), 0);
        roost_scope_set_deadline(roost_nursery_scope(n),
                                 roost_after(ROOST_MS(2)));
        r = roost_nursery_close(n, 0);
        EXPECT_INT(r, -ETIMEDOUT);
    }
    EXPECT_INT(calls - before, 0);
    roost_chan_free(c);
}

static int many_rounds(void *arg)
{
    int i;
    size_t before;

    (void)arg;
    calls = 0;
    {
        /* Stacks are warmed by as many tasks as a round has. */
        int ms = 1;

        ROOST_NURSERY(n);
        for (i = 0; i < 10; i++)
            roost_spawn(n, kit_sleep_ms, &ms);
        EXPECT_INT(roost_nursery_close(n, 0), 0);
    }
    before = calls;
    for (i = 0; i < 100; i++)
        round_of_all();
    EXPECT_INT(calls - before, 100); /* the channels */
    return 0;
}

static void waiting_waking_cancelling_and_joining_allocate_nothing(void **state)
{
    struct roost_sys sys = roost__sys_default;
    uint64_t seeds[] = { 0, 7 };
    size_t i;

    (void)state;
    sys.alloc = counting_alloc;
    sys.mmap = counting_mmap;
    for (i = 0; i < 2; i++)
        assert_int_equal(kit_run_with(&(roost_options){
            .clock = ROOST_CLOCK_VIRTUAL, .seed = seeds[i], .sys = &sys },
            many_rounds, NULL), 0);
    assert_true(calls > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_waking_cancelling_and_joining_allocate_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
