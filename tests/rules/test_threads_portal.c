/* test_threads_portal.c - claims about many threads at one portal, and about
 *                         runs in threads that hand each other work.
 *
 * In a race nothing may be lost, and nothing run twice: who was told 0 is counted
 * against what ran.
 */
#include "rules/portals.h"

#include <time.h>

enum { THREADS = 6, ROUNDS = 4000 };

/* ---- open, a storm of posts, close ---- */

/* The portal of the round, which the threads post to until it refuses. Two
 * barriers apart from that: all have it; all have done with it. */
struct storm {
    roost_portal *p;
    roost_nursery *n;
    atomic_int accepted, ran, stop;
    pthread_barrier_t begin, end;
};

static struct storm storm;

static void ran(void *arg)
{
    (void)arg;
    atomic_fetch_add_explicit(&storm.ran, 1, memory_order_relaxed);
}

static int ran_and_yields(void *arg)
{
    ran(arg);
    roost_ignore(roost_checkpoint()); /* a cut one has run as well */
    return 3;
}

static int ran_in_call(void *arg)
{
    ran(arg);
    return 2;
}

/* Posts, calls or runs; whether it goes on. */
static bool one_post(int kind)
{
    int r = kind == 1   ? roost_portal_call(storm.p, ran_in_call, NULL)
            : kind == 2 ? roost_portal_run(storm.p, storm.n, ran_and_yields, NULL)
                        : roost_portal_post(storm.p, ran, NULL);

    if (r == -EAGAIN)
        sched_yield();
    if (r >= 0)
        atomic_fetch_add_explicit(&storm.accepted, 1, memory_order_relaxed);
    return r != -ESHUTDOWN;
}

/* Two threads only post, two call, two do all in turn. */
static int storms(void *arg)
{
    int i, me = *(int *)arg;

    for (;;) {
        pthread_barrier_wait(&storm.begin);
        if (storm.stop)
            return 0;
        for (i = 0; one_post(me < 2 ? 0 : me < 4 ? 1 : i % 3); i++)
            ;
        pthread_barrier_wait(&storm.end);
    }
}

/* The close comes early or late, with much in the queue or little. */
static void some_turns(int round)
{
    while (atomic_load(&storm.accepted) < round % 50)
        if (round % 4)
            EXPECT_INT(roost_sleep(1), 0);
        else if (atomic_load(&storm.accepted) > 5)
            break;
        else
            sched_yield();
}

static void one_round(int round)
{
    roost_nursery n;
    roost_scope s;

    roost_nursery_open(&n);
    roost_scope_enter(&s, ROOST_NEVER);
    storm.n = &n;
    storm.p = roost_portal_open(round % 3 ? roost_nursery_scope(&n) : &s);
    atomic_store(&storm.accepted, 0);
    atomic_store(&storm.ran, 0);
    pthread_barrier_wait(&storm.begin);
    some_turns(round);
    if (round % 3 == 1)
        roost_portal_close(storm.p);
    EXPECT_INT(roost_scope_leave(&s, 0), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    pthread_barrier_wait(&storm.end);
    EXPECT_INT(atomic_load(&storm.ran), atomic_load(&storm.accepted));
    roost_portal_free(storm.p);
}

static int rounds(void *arg)
{
    struct thread t[THREADS];
    int number[THREADS], i;

    (void)arg;
    storm.stop = 0;
    pthread_barrier_init(&storm.begin, NULL, THREADS + 1);
    pthread_barrier_init(&storm.end, NULL, THREADS + 1);
    for (i = 0; i < THREADS; i++) {
        number[i] = i;
        begin_thread(&t[i], storms, &number[i]);
    }
    for (i = 0; i < ROUNDS; i++)
        one_round(i);
    storm.stop = 1;
    pthread_barrier_wait(&storm.begin);
    for (i = 0; i < THREADS; i++)
        EXPECT_INT(join_thread(&t[i]), 0);
    return 0;
}

static void what_is_accepted_runs_once_in_any_race_with_the_close_G5(void **state)
{
    (void)state;
    assert_int_equal(kit_run(rounds, NULL), 0);
}

/* ---- the order of each ---- */

enum { EACH = 20000 };

struct line {
    roost_portal *p;
    int posted, ran;
    bool out_of_order;
};

struct item {
    struct line *line;
    int number;
};

static struct item items[4][EACH];

static void takes_item(void *arg)
{
    struct item *item = arg;

    item->line->out_of_order |= item->number != item->line->ran;
    item->line->ran++;
}

static int posts_items(void *arg)
{
    struct item *item = arg;
    int i;

    for (i = 0; i < EACH; i++)
        if (post_surely(item->line->p, takes_item, &item[i]) < 0)
            return -EPROTO;
    return 0;
}

static int keeps_orders(void *arg)
{
    struct line lines[4] = { 0 };
    struct thread t[4];
    roost_portal *p;
    int i, k;

    (void)arg;
    ROOST_SCOPE(s);
    p = roost_portal_open(s);
    for (i = 0; i < 4; i++) {
        lines[i].p = p;
        for (k = 0; k < EACH; k++)
            items[i][k] = (struct item){ &lines[i], k };
        t[i] = (struct thread){ .fn = posts_items, .arg = items[i], .p = p };
        roost_event_init(&t[i].over);
        EXPECT_INT(pthread_create(&t[i].id, NULL, thread_life, &t[i]), 0);
    }
    for (i = 0; i < 4; i++) {
        EXPECT_INT(roost_event_join(&t[i].over), 0);
        EXPECT_INT(join_thread(&t[i]), 0);
        EXPECT_INT(lines[i].ran, EACH);
        EXPECT(!lines[i].out_of_order);
    }
    EXPECT_INT(roost_scope_leave(s, 0), 0);
    roost_portal_free(p);
    return 0;
}

static void posts_of_one_thread_run_in_order_G5(void **state)
{
    (void)state;
    assert_int_equal(kit_run(keeps_orders, NULL), 0);
}

/* ---- handlers that interrupt posts ---- */

static roost_portal *of_handler;
static atomic_int handled;

static void posts_in_handler(int sig)
{
    (void)sig;
    if (roost_portal_post(of_handler, ran, NULL) == 0)
        atomic_fetch_add(&storm.accepted, 1);
    atomic_fetch_add(&handled, 1);
}

static int posts_until_told(void *arg)
{
    roost_portal *p = arg;

    while (!storm.stop)
        if (post_surely(p, ran, NULL) == 0)
            atomic_fetch_add(&storm.accepted, 1);
    return 0;
}

/* Signals hit two threads that post, and the loop's own. */
static int interrupts(void *arg)
{
    struct thread t[2];
    int i;

    (void)arg;
    ROOST_SCOPE(s);
    of_handler = roost_portal_open(s);
    storm.accepted = storm.ran = storm.stop = handled = 0;
    signal(SIGUSR1, posts_in_handler);
    begin_thread(&t[0], posts_until_told, of_handler);
    begin_thread(&t[1], posts_until_told, of_handler);
    for (i = 0; i < 3000 || atomic_load(&handled) < 1000; i++) {
        pthread_kill(i % 3 < 2 ? t[i % 3].id : pthread_self(), SIGUSR1);
        if (i % 20 == 0)
            EXPECT_INT(roost_sleep(1), 0);
    }
    pthread_kill(t[0].id, SIGUSR1);
    EXPECT_INT(roost_scope_leave(s, 0), 0);
    storm.stop = 1;
    EXPECT_INT(join_thread(&t[0]), 0);
    EXPECT_INT(join_thread(&t[1]), 0);
    signal(SIGUSR1, SIG_DFL);
    EXPECT_INT(atomic_load(&storm.ran), atomic_load(&storm.accepted));
    roost_portal_free(of_handler);
    return 0;
}

static void a_handler_may_interrupt_a_post_and_post_G5(void **state)
{
    (void)state;
    assert_int_equal(kit_run(interrupts, NULL), 0);
}

/* ---- runs that hand each other work ---- */

enum { RUNS = 6, STEPS = 3000, TOKENS = 4 };

struct node {
    struct thread t;
    roost_portal *p, *next; /* its own, its neighbour's */
    roost_event over;
    int steps;
};

static struct node nodes[RUNS];
static pthread_barrier_t have_portals, have_ended;

/* On the loop of `node`: handed to its neighbour, as long as it is there. */
static void passes(void *arg)
{
    struct node *node = arg;
    struct node *next = &nodes[(node - nodes + 1) % RUNS];

    node->steps++;
    if (node->steps == STEPS)
        roost_event_set(&node->over);
    /* Refused when the neighbour has gone. */
    roost_ignore(roost_portal_post(node->next, passes, next));
}

static int reads_steps(void *node)
{
    return ((struct node *)node)->steps;
}

static int child_counts(void *arg)
{
    int r = roost_checkpoint();

    return r < 0 ? r : reads_steps(arg);
}

/* The first leaves while the others still post to it. */
static int passes_round(void *arg)
{
    struct node *node = arg;
    int i, r = 0;

    ROOST_NURSERY(n);
    node->p = roost_portal_open(roost_nursery_scope(n));
    pthread_barrier_wait(&have_portals);
    node->next = nodes[(node - nodes + 1) % RUNS].p;
    pthread_barrier_wait(&have_portals);
    roost_spawn(n, child_counts, node);
    for (i = 0; i < TOKENS && node == nodes && r >= 0; i++)
        r = roost_portal_post(node->p, passes, node);
    if (node == nodes)
        r = roost_event_wait(&node->over);
    else
        r = ROOST_WITHIN(ROOST_SEC(20), roost_event_wait(&node->over));
    return roost_nursery_close(n, r);
}

static int run_node(void *arg)
{
    struct node *node = arg;
    int r = roost_run(passes_round, arg);

    if (r >= 0 && roost_portal_post(node->p, passes, node) != -ESHUTDOWN)
        r = -EPROTO;
    if (r >= 0 && roost_portal_call(node->p, reads_steps, node) != -ESHUTDOWN)
        r = -EPROTO;
    pthread_barrier_wait(&have_ended);
    return r;
}

static void runs_in_threads_post_to_each_other_and_outlive_none_G4_G5(
    void **state)
{
    int i;

    (void)state;
    kit_begin();
    pthread_barrier_init(&have_portals, NULL, RUNS);
    pthread_barrier_init(&have_ended, NULL, RUNS);
    for (i = 0; i < RUNS; i++) {
        nodes[i] = (struct node){ 0 };
        roost_event_init(&nodes[i].over);
        begin_thread(&nodes[i].t, run_node, &nodes[i]);
    }
    for (i = 0; i < RUNS; i++)
        assert_int_equal(join_thread(&nodes[i].t), 0);
    for (i = 0; i < RUNS; i++) {
        assert_true(nodes[i].steps >= STEPS);
        roost_portal_free(nodes[i].p);
    }
    kit_end();
}

/* ---- an idle portal costs nothing ---- */

static int sleeps_idle(void *arg)
{
    struct timespec before, after;
    roost_portal *p;

    (void)arg;
    ROOST_SCOPE(s);
    p = roost_portal_open(s);
    EXPECT_INT(roost_portal_post(p, ran, NULL), 0);
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    EXPECT_INT(roost_sleep(ROOST_MS(100)), 0);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    EXPECT((after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec -
           before.tv_nsec < 50000000L);
    EXPECT_INT(roost_scope_leave(s, 0), 0);
    roost_portal_free(p);
    return 0;
}

static void after_a_look_the_alarm_is_quiet(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_REAL };

    (void)state;
    assert_int_equal(kit_run_with(&o, sleeps_idle, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_accepted_runs_once_in_any_race_with_the_close_G5),
        cmocka_unit_test(posts_of_one_thread_run_in_order_G5),
        cmocka_unit_test(a_handler_may_interrupt_a_post_and_post_G5),
        cmocka_unit_test(
            runs_in_threads_post_to_each_other_and_outlive_none_G4_G5),
        cmocka_unit_test(after_a_look_the_alarm_is_quiet),
    };

    alarm(120);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
