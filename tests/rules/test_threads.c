/* test_threads.c - claims about runs in several threads: they share nothing, and
 *                  a handle of one used from another is misuse.
 *
 * EXPECT is not made for threads, so tasks here return what they found.
 */
#include "kit/kit.h"

#include <pthread.h>
#include <unistd.h>

enum { THREADS = 8, ITEMS = 50 };

/* ---- eight at once ---- */

/* A small program with a bit of everything; the sum is its result. */
struct program {
    roost_chan *c;
    roost_event go;
    long sum;
};

static int produce(void *arg)
{
    struct program *p = arg;
    int i, r = roost_event_wait(&p->go);

    for (i = 1; i <= ITEMS && r >= 0; i++) {
        r = roost_chan_send(p->c, &i);
        if (r >= 0 && i % 7 == 0)
            r = roost_sleep(ROOST_US((int64_t)(roost_random() % 100)));
    }
    roost_chan_close(p->c);
    return r;
}

static int consume(void *arg)
{
    struct program *p = arg;
    int item, r;

    while ((r = ROOST_WITHIN(ROOST_US(50), roost_chan_recv(p->c, &item))) != 0) {
        if (r == 1)
            p->sum += item;
        else if (r != -ETIMEDOUT)
            return r;
    }
    return 0;
}

static int program(void *arg)
{
    struct program p = { .c = roost_chan_new(sizeof(int), 3) };
    int r;

    (void)arg;
    roost_event_init(&p.go);
    ROOST_NURSERY(n);
    roost_spawn(n, produce, &p);
    roost_spawn(n, consume, &p);
    roost_spawn(n, consume, &p);
    roost_spawn(n, kit_sleep_forever, NULL);
    r = roost_checkpoint();
    roost_event_set(&p.go);
    while (r >= 0 && roost_nursery_count(n) > 1)
        r = roost_sleep(ROOST_US(10));
    roost_nursery_cancel(n, "the others are done");
    r = roost_nursery_close(n, r);
    roost_chan_free(p.c);
    return r < 0 ? r : (int)p.sum;
}

struct job {
    pthread_t thread;
    pthread_barrier_t *begin;
    roost_options o;
    roost_task_fn *fn;
    void *arg;
    uint64_t trace;
    int r;
};

static void *run_job(void *arg)
{
    struct job *j = arg;

    pthread_barrier_wait(j->begin);
    j->o.ret_trace = &j->trace;
    j->r = roost_run_with(&j->o, j->fn, j->arg);
    return NULL;
}

/* Starts a thread for each job and waits until all have run. */
static void run_jobs(struct job *j, int count)
{
    pthread_barrier_t begin;
    int i;

    assert_int_equal(pthread_barrier_init(&begin, NULL, (unsigned)count), 0);
    for (i = 0; i < count; i++) {
        j[i].begin = &begin;
        assert_int_equal(pthread_create(&j[i].thread, NULL, run_job, &j[i]), 0);
    }
    for (i = 0; i < count; i++)
        assert_int_equal(pthread_join(j[i].thread, NULL), 0);
    pthread_barrier_destroy(&begin);
}

/* What thread i does alone it does beside the others too, decision by decision. */
static void eight_runs_at_once_decide_as_each_does_alone_G4_D5(void **state)
{
    struct job j[THREADS] = { { .r = 0 } };
    uint64_t alone[THREADS];
    int i, round, fds = kit_descriptors();

    (void)state;
    for (i = 0; i < THREADS; i++) {
        j[i].fn = program;
        j[i].o = (roost_options){ .clock = ROOST_CLOCK_VIRTUAL,
                                  .seed = (uint64_t)i };
        run_jobs(&j[i], 1);
        assert_int_equal(j[i].r, ITEMS * (ITEMS + 1) / 2);
        alone[i] = j[i].trace;
    }
    assert_true(alone[1] != alone[2]);
    for (round = 0; round < 10; round++) {
        run_jobs(j, THREADS);
        for (i = 0; i < THREADS; i++) {
            assert_int_equal(j[i].r, ITEMS * (ITEMS + 1) / 2);
            assert_true(j[i].trace == alone[i]);
        }
    }
    assert_int_equal(kit_descriptors(), fds);
}

/* Bytes go round a ring of threads, each with the real clock and a pipe. */
struct ring {
    int in, out;
};

static int pass_on(void *arg)
{
    struct ring *ring = arg;
    int i, r = 0;
    char byte;

    for (i = 0; i < 20 && r >= 0; i++) {
        r = roost_wait_fd(ring->in, ROOST_READ);
        if (r >= 0 && read(ring->in, &byte, 1) != 1)
            r = -errno;
        if (r >= 0 && write(ring->out, &byte, 1) != 1)
            r = -errno;
    }
    return r < 0 ? r : i;
}

static void eight_runs_wait_for_each_others_descriptors_G4(void **state)
{
    struct job j[THREADS] = { { .r = 0 } };
    struct ring ring[THREADS];
    int fd[THREADS][2], i;

    (void)state;
    for (i = 0; i < THREADS; i++)
        assert_int_equal(pipe(fd[i]), 0);
    for (i = 0; i < THREADS; i++) {
        ring[i] = (struct ring){ fd[i][0], fd[(i + 1) % THREADS][1] };
        j[i].fn = pass_on;
        j[i].arg = &ring[i];
        j[i].o.precise_timers = i % 2;
    }
    assert_int_equal(write(fd[0][1], "x", 1), 1);
    run_jobs(j, THREADS);
    for (i = 0; i < THREADS; i++) {
        assert_int_equal(j[i].r, 20);
        close(fd[i][0]);
        close(fd[i][1]);
    }
}

/* One run ends badly, the others do not hear of it. */
static int fails(void *arg)
{
    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, kit_sleep_forever, NULL);
    roost_spawn(n, kit_fail_eio, NULL);
    return roost_nursery_close(n, 0);
}

static void a_failure_stays_in_its_run_G4(void **state)
{
    struct job j[4] = { { .fn = fails }, { .fn = program }, { .fn = fails },
                        { .fn = program } };
    int i;

    (void)state;
    for (i = 0; i < 4; i++)
        j[i].o.clock = ROOST_CLOCK_VIRTUAL;
    run_jobs(j, 4);
    for (i = 0; i < 4; i++)
        assert_int_equal(j[i].r, i % 2 ? ITEMS * (ITEMS + 1) / 2 : -EIO);
}

/* ---- handles in the wrong thread ---- */

/* What the run of the first thread shows to the second. */
static struct shown {
    roost_scope *scope;
    roost_nursery *n;
    roost_child *child;
    roost_wait wait;
    roost_event event;
    roost_lot lot;
    roost_chan *c;
    roost_task_fn *wrong; /* what the second does with it */
    bool in_task;         /* and where: in a run of its own */
} shown;

static void *second_thread(void *arg)
{
    if (shown.in_task)
        roost_ignore(roost_run(shown.wrong, arg));
    else
        roost_ignore(shown.wrong(arg));
    return NULL;
}

static int parks(void *arg)
{
    (void)arg;
    roost_wait_init(&shown.wait);
    return roost_park(&shown.wait, "a test", NULL, NULL);
}

static int waits_for_event(void *arg)
{
    (void)arg;
    return roost_event_wait(&shown.event);
}

static int waits_in_lot(void *arg)
{
    (void)arg;
    return roost_lot_wait(&shown.lot);
}

static int receives(void *arg)
{
    int item;

    (void)arg;
    return roost_chan_recv(shown.c, &item);
}

static int first_run(void *arg)
{
    roost_child child = { 0 };
    roost_scope s;
    pthread_t thread;
    int r;

    ROOST_NURSERY(n);
    roost_scope_enter_at(&s, roost_after(ROOST_SEC(100)), "enter.c:1");
    shown.scope = &s;
    shown.n = n;
    shown.child = &child;
    shown.c = roost_chan_new(sizeof(int), 0);
    roost_spawn_with_at(n, parks, NULL,
                        &(roost_spawn_options){ .child = &child }, "spawn.c:2");
    roost_spawn(n, waits_for_event, NULL);
    roost_spawn(n, waits_in_lot, NULL);
    roost_spawn(n, receives, NULL);
    r = roost_sleep(1);
    if (pthread_create(&thread, NULL, second_thread, arg) == 0)
        pthread_join(thread, NULL);
    return roost_nursery_close(n, roost_scope_leave(&s, r));
}

/* In the child process that kit_dies makes. */
static int two_threads(void *arg)
{
    shown.wrong = *(roost_task_fn **)arg;
    return roost_run_with(&(roost_options){ .clock = ROOST_CLOCK_VIRTUAL },
                          first_run, NULL);
}

static void dies_from_a_thread(roost_task_fn *fn, const char *a, const char *b)
{
    shown.in_task = false;
    kit_dies_outside(two_threads, &fn, "roost: ", a, b, NULL);
}

static void dies_from_a_run(roost_task_fn *fn, const char *a, const char *b)
{
    shown.in_task = true;
    kit_dies_outside(two_threads, &fn, "roost: ", a, b, NULL);
}

static void dies_from_both(roost_task_fn *fn, const char *a, const char *b)
{
    dies_from_a_thread(fn, a, b);
    dies_from_a_run(fn, a, b);
}

static int cancels(void *arg)
{
    (void)arg;
    roost_scope_cancel_at(shown.scope, "a test", "wrong.c:9");
    return 0;
}

static int cancels_nursery(void *arg)
{
    (void)arg;
    roost_nursery_cancel_at(shown.n, "a test", "wrong.c:9");
    return 0;
}

static int moves_deadline(void *arg)
{
    (void)arg;
    roost_scope_set_deadline_at(shown.scope, ROOST_NEVER, "wrong.c:9");
    return 0;
}

/* It would look at the clock, and with it at the other run's timers. */
static int asks(void *arg)
{
    (void)arg;
    return roost_scope_cancelled(shown.scope);
}

static int leaves(void *arg)
{
    (void)arg;
    return roost_scope_leave_at(shown.scope, 0, "wrong.c:9");
}

static int closes(void *arg)
{
    (void)arg;
    return roost_nursery_close_at(shown.n, 0, "wrong.c:9");
}

static void scopes_and_nurseries_are_their_own_threads_G4_S14(void **state)
{
    (void)state;
    dies_from_both(cancels, "wrong.c:9", "enter.c:1");
    dies_from_both(cancels_nursery, "wrong.c:9", "test_threads.c:");
    dies_from_both(moves_deadline, "wrong.c:9", "enter.c:1");
    dies_from_both(asks, "roost_scope_cancelled", "enter.c:1");
    dies_from_a_thread(leaves, "wrong.c:9", "outside a task");
    dies_from_a_run(leaves, "wrong.c:9", "enter.c:1");
    dies_from_a_thread(closes, "roost_nursery_close", "outside a task");
    dies_from_a_run(closes, "wrong.c:9", "test_threads.c:");
}

static int spawns(void *arg)
{
    return roost_spawn_at(shown.n, kit_return, arg, "wrong.c:9");
}

static int starts(void *arg)
{
    return roost_start_at(shown.n, kit_return, arg, "wrong.c:9");
}

static int waits_for_room(void *arg)
{
    (void)arg;
    return roost_nursery_wait_room(shown.n);
}

static void spawning_from_another_thread_is_refused_N8(void **state)
{
    (void)state;
    dies_from_a_thread(spawns, "wrong.c:9", "outside a task");
    dies_from_a_run(spawns, "wrong.c:9", "another thread's run");
    dies_from_a_run(starts, "wrong.c:9", "another thread's run");
    dies_from_a_run(waits_for_room, "roost_nursery_wait_room",
                    "another thread's run");
}

static int ends_child(void *arg)
{
    (void)arg;
    return roost_child_end_at(shown.child, "a test", "wrong.c:9");
}

static void ending_a_child_of_another_run_names_both_G4(void **state)
{
    (void)state;
    dies_from_a_thread(ends_child, "roost_child_end", "outside a task");
    dies_from_a_run(ends_child, "wrong.c:9", "spawn.c:2");
}

static int wakes(void *arg)
{
    (void)arg;
    roost_wake(&shown.wait, 0);
    return 0;
}

static int sets_event(void *arg)
{
    (void)arg;
    roost_event_set(&shown.event);
    return 0;
}

static int wakes_lot(void *arg)
{
    (void)arg;
    return roost_lot_wake(&shown.lot, 1) > 0;
}

static int sends(void *arg)
{
    int item = 1;

    (void)arg;
    return roost_chan_send_nowait(shown.c, &item);
}

static int closes_channel(void *arg)
{
    (void)arg;
    roost_chan_close(shown.c);
    return 0;
}

static void waking_a_task_of_another_thread_is_told_G5(void **state)
{
    static const char *const words = "another thread or runtime";

    (void)state;
    dies_from_both(wakes, "roost_wake", words);
    dies_from_both(sets_event, "roost_wake", words);
    dies_from_both(wakes_lot, "roost_wake", words);
    dies_from_both(sends, "roost_wake", words);
    dies_from_both(closes_channel, "roost_wake", words);
}

/* A scope that was left is bytes: cancelling it does nothing, in any thread. */
static int cancels_one_left(void *arg)
{
    roost_scope *s = arg;

    roost_scope_cancel(s, "a test");
    roost_scope_set_deadline(s, ROOST_NEVER);
    return 4;
}

static int enters_and_leaves(void *arg)
{
    roost_scope *s = arg;

    roost_scope_enter(s, ROOST_NEVER);
    return roost_scope_leave(s, 3);
}

static void a_scope_that_was_left_is_nobodys_S2(void **state)
{
    static roost_scope s;
    struct job j = { .fn = cancels_one_left, .arg = &s };

    (void)state;
    assert_int_equal(kit_run(enters_and_leaves, &s), 3);
    run_jobs(&j, 1);
    assert_int_equal(j.r, 4);
    assert_false(roost_scope_cancelled(&s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_runs_at_once_decide_as_each_does_alone_G4_D5),
        cmocka_unit_test(eight_runs_wait_for_each_others_descriptors_G4),
        cmocka_unit_test(a_failure_stays_in_its_run_G4),
        cmocka_unit_test(scopes_and_nurseries_are_their_own_threads_G4_S14),
        cmocka_unit_test(spawning_from_another_thread_is_refused_N8),
        cmocka_unit_test(ending_a_child_of_another_run_names_both_G4),
        cmocka_unit_test(waking_a_task_of_another_thread_is_told_G5),
        cmocka_unit_test(a_scope_that_was_left_is_nobodys_S2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
