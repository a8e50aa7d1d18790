/* test_chan_many.c - claims about channels between many tasks. */
#include "rules/passes.h"

/* ---- many producers, many consumers, impatient all of them ---- */

enum { PRODUCERS = 5, CONSUMERS = 4, EACH = 20 };

struct item {
    int producer, seq;
};

struct market {
    roost_chan *c;
    int producers, producing;
    bool impatient; /* calls have a short time limit */
    int count[PRODUCERS][EACH];
};

struct actor {
    struct market *m;
    int id;
};

static roost_time patience(const struct market *m)
{
    return m->impatient ? ROOST_US((int64_t)(roost_random() % 40)) : ROOST_NEVER;
}

static int pause_a_little(const struct market *m)
{
    if (!m->impatient || roost_random() % 2)
        return 0;
    return roost_sleep(ROOST_US((int64_t)(roost_random() % 30)));
}

/* An item that was not sent is sent again; one that was is not. */
static int producer(void *arg)
{
    struct actor *a = arg;
    struct item item = { .producer = a->id };
    int r = 0;

    while (item.seq < EACH && r >= 0) {
        r = ROOST_WITHIN(patience(a->m), roost_chan_send(a->m->c, &item));
        item.seq += r == 0;
        if (r == 0 || r == -ETIMEDOUT)
            r = pause_a_little(a->m);
    }
    if (--a->m->producing == 0)
        roost_chan_close(a->m->c);
    return r;
}

static int consumer(void *arg)
{
    struct actor *a = arg;
    int last[PRODUCERS] = { 0 }, r = 1;
    struct item item;

    while (r > 0) {
        r = ROOST_WITHIN(patience(a->m), roost_chan_recv(a->m->c, &item));
        if (r == 1) {
            EXPECT(item.seq >= last[item.producer]);
            last[item.producer] = item.seq + 1;
            a->m->count[item.producer][item.seq]++;
        } else if (r == 0) {
            break;
        }
        if (r == -ETIMEDOUT || r == 1)
            r = pause_a_little(a->m) < 0 ? -ECANCELED : 1;
    }
    return r;
}

static int trade(void *arg)
{
    static const size_t capacities[] = { 0, 1, 3, 10 };
    uint64_t seed = *(uint64_t *)arg;
    struct market m = { .c = roost_chan_new(sizeof(struct item),
                                            capacities[seed % 4]),
                        .impatient = seed % 3 != 0 };
    struct actor a[PRODUCERS + CONSUMERS];
    int i, j, consumers = 1 + (int)(seed / 5 % CONSUMERS);

    m.producers = m.producing = 1 + (int)(seed % PRODUCERS);
    ROOST_NURSERY(n);
    for (i = 0; i < m.producers + consumers; i++) {
        a[i] = (struct actor){ &m, i };
        roost_spawn(n, i < m.producers ? producer : consumer, &a[i]);
    }
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    for (i = 0; i < PRODUCERS; i++)
        for (j = 0; j < EACH; j++)
            EXPECT_INT(m.count[i][j], i < m.producers);
    roost_chan_free(m.c);
    return 0;
}

static void every_item_arrives_once_and_in_its_producers_order_X1(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };

    (void)state;
    for (o.seed = 1; o.seed <= 200; o.seed++)
        assert_int_equal(kit_run_with(&o, trade, &o.seed), 0);
}

/* ---- fairness ---- */

struct game {
    roost_chan *ball;
    int moves, others;
    bool over;
};

/* Never has to wait: what it sends it takes back itself. */
static int juggler(void *arg)
{
    struct game *g = arg;
    int r = 0, item = 0;

    while (!g->over && r >= 0) {
        r = roost_chan_send(g->ball, &item);
        if (r >= 0)
            r = roost_chan_recv(g->ball, &item);
        g->moves++;
    }
    return r < 0 ? r : 0;
}

static int onlooker(void *arg)
{
    struct game *g = arg;
    int r = 0;

    for (; g->others < 20 && r >= 0; g->others++)
        r = roost_checkpoint();
    g->over = true;
    return r;
}

static int juggling(void *arg)
{
    struct game g = { .ball = roost_chan_new(sizeof(int), 2) };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, juggler, &g);
    roost_spawn(n, juggler, &g);
    roost_spawn(n, onlooker, &g);
    r = roost_nursery_close(n, 0);
    EXPECT_INT(g.others, 20);
    EXPECT(g.moves <= 2 * 21 * 64); /* the budget is 128 calls at a time */
    roost_chan_free(g.ball);
    return r;
}

static void two_that_never_block_do_not_starve_a_third_C6(void **state)
{
    (void)state;
    with_seeds(juggling, NULL, 0, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_arrives_once_and_in_its_producers_order_X1),
        cmocka_unit_test(two_that_never_block_do_not_starve_a_third_C6),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
