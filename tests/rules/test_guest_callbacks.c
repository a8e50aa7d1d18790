/* test_guest_callbacks.c - claims about what callbacks of the host may do to
 *                          tasks, and what they may not.
 */
#include "rules/hosts.h"

/* ---- what callbacks of the host do ---- */

struct setters {
    roost_event e;
    ev_timer timer;
    ev_io io;
    ev_idle idle;
    ev_check check;
    ev_prepare prepare;
};

static void timer_sets(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop, (void)events;
    roost_event_set(w->data);
}

static void io_sets(struct ev_loop *loop, ev_io *w, int events)
{
    (void)events;
    ev_io_stop(loop, w);
    roost_event_set(w->data);
}

static void idle_sets(struct ev_loop *loop, ev_idle *w, int events)
{
    (void)events;
    ev_idle_stop(loop, w);
    roost_event_set(w->data);
}

static void check_sets(struct ev_loop *loop, ev_check *w, int events)
{
    (void)events;
    ev_check_stop(loop, w);
    roost_event_set(w->data);
}

static void prepare_sets(struct ev_loop *loop, ev_prepare *w, int events)
{
    (void)events;
    ev_prepare_stop(loop, w);
    roost_event_set(w->data);
}

enum { TIMER, IO, IDLE, CHECK, PREPARE, KINDS };

static void start_setter(struct setters *s, struct ev_loop *loop, int kind,
                         int priority)
{
    ev_timer_init(&s->timer, timer_sets, 0., 0.);
    ev_io_init(&s->io, io_sets, 0, EV_READ);
    ev_idle_init(&s->idle, idle_sets);
    ev_check_init(&s->check, check_sets);
    ev_prepare_init(&s->prepare, prepare_sets);
    ev_set_priority(&s->timer, priority);
    ev_set_priority(&s->io, priority);
    ev_set_priority(&s->idle, priority);
    ev_set_priority(&s->check, priority);
    ev_set_priority(&s->prepare, priority);
    s->timer.data = s->io.data = s->idle.data = s->check.data =
        s->prepare.data = &s->e;
    switch (kind) {
    case TIMER:
        ev_timer_start(loop, &s->timer);
        break;
    case IO:
        ev_feed_event(loop, &s->io, EV_READ);
        break;
    case IDLE:
        ev_idle_start(loop, &s->idle);
        break;
    case CHECK:
        ev_check_start(loop, &s->check);
        break;
    default:
        ev_prepare_start(loop, &s->prepare);
    }
}

/* Before the host's timer, that is. */
static void set_by(int kind, int priority)
{
    struct ev_loop *loop = host_begin();
    struct later far;
    struct setters s;
    struct root root;

    roost_event_init(&s.e);
    begin_root(&root, loop, waits_for_event, &s.e);
    ev_run(loop, EVRUN_NOWAIT);
    call_later(&far, loop, 1000, NULL, NULL);
    start_setter(&s, loop, kind, priority);
    ev_run(loop, kind == CHECK ? EVRUN_NOWAIT : EVRUN_ONCE);
    EXPECT(roost_event_is_set(&s.e));
    EXPECT_ENDED(&root, 0);
    EXPECT_INT(far.calls, 0);
    stop_calling(&far, loop);
    host_end(loop);
}

static void what_a_callback_sets_wakes_in_the_same_iteration_G2(void **state)
{
    int kind, priority;

    (void)state;
    for (kind = 0; kind < KINDS; kind++)
        for (priority = EV_MINPRI; priority <= EV_MAXPRI; priority++)
            set_by(kind, priority);
}

static void set_when_told(struct ev_loop *loop, ev_prepare *w, int events)
{
    (void)loop, (void)events;
    if (w->data)
        roost_event_set(w->data);
}

/* libev calls the youngest of one priority first: this one after ours. */
static void a_prepare_callback_older_than_the_roots_counts_too_G2(void **state)
{
    struct ev_loop *loop = host_begin();
    struct later far;
    struct root root;
    ev_prepare old;
    roost_event e;

    (void)state;
    ev_prepare_init(&old, set_when_told);
    ev_set_priority(&old, EV_MINPRI);
    old.data = NULL;
    ev_prepare_start(loop, &old);
    roost_event_init(&e);
    begin_root(&root, loop, waits_for_event, &e);
    ev_run(loop, EVRUN_NOWAIT);
    call_later(&far, loop, 1000, NULL, NULL);
    old.data = &e;
    ev_run(loop, EVRUN_ONCE);
    EXPECT_ENDED(&root, 0);
    EXPECT_INT(far.calls, 0);
    stop_calling(&far, loop);
    ev_prepare_stop(loop, &old);
    host_end(loop);
}

/* A task waits on each of a callback's means, one after the other. */
enum { NOTHING, CHANNEL, LOT, PARK, SCOPE, DEADLINE, SHORTER };

struct means {
    int wanted;
    roost_chan *c;
    roost_lot lot;
    roost_wait wait;
    roost_scope *scope;
    int item;
};

static int is_cut(struct means *m, int how)
{
    int r;

    ROOST_TIMEOUT(s, ROOST_SEC(3600));
    m->scope = s;
    m->wanted = how;
    r = roost_scope_leave(s, kit_sleep_forever(NULL));
    EXPECT(roost_scope_caught(NULL));
    return r;
}

static int wants_each(void *arg)
{
    struct means *m = arg;

    m->wanted = CHANNEL;
    EXPECT_INT(roost_chan_recv(m->c, &m->item), 1);
    EXPECT_INT(m->item, 5);
    m->wanted = LOT;
    EXPECT_INT(roost_lot_wait(&m->lot), 0);
    roost_wait_init(&m->wait);
    m->wanted = PARK;
    EXPECT_INT(roost_park(&m->wait, "the host", NULL, NULL), 11);
    EXPECT_INT(is_cut(m, SCOPE), 0);
    EXPECT_INT(is_cut(m, DEADLINE), -ETIMEDOUT);
    EXPECT_INT(is_cut(m, SHORTER), -ETIMEDOUT);
    return 1;
}

static void helps(struct ev_loop *loop, void *arg)
{
    struct means *m = arg;
    int item = 5, wanted = m->wanted;

    (void)loop;
    EXPECT(!roost__self());
    m->wanted = NOTHING;
    if (wanted == CHANNEL) {
        EXPECT_INT(roost_chan_recv_nowait(m->c, &m->item), -EAGAIN);
        EXPECT_INT(roost_chan_send_nowait(m->c, &item), 0);
    } else if (wanted == LOT) {
        EXPECT_INT(roost_lot_wake(&m->lot, ROOST_ALL), 1);
    } else if (wanted == PARK) {
        roost_wake(&m->wait, 11);
    } else if (wanted == SCOPE) {
        roost_scope_cancel(m->scope, "the host says so");
        EXPECT(roost_scope_cancelled(m->scope));
    } else if (wanted == DEADLINE) {
        roost_scope_set_deadline(m->scope, roost_now());
        EXPECT(roost_scope_cancelled(m->scope));
    } else if (wanted == SHORTER) {
        roost_scope_set_deadline(m->scope, roost_after(ROOST_MS(1)));
    }
}

static void callbacks_wake_cancel_send_and_move_deadlines_G2(void **state)
{
    struct ev_loop *loop = host_begin();
    struct means m = { .c = roost_chan_new(sizeof(int), 0) };
    struct root root;
    struct later l;

    (void)state;
    begin_root(&root, loop, wants_each, &m);
    call_every(&l, loop, 1, helps, &m);
    while (!root.ended)
        ev_run(loop, EVRUN_ONCE);
    EXPECT_ENDED(&root, 1);
    stop_calling(&l, loop);
    roost_chan_free(m.c);
    host_end(loop);
}

struct moved {
    roost_scope *scope;
    roost_time to; /* 0: it was too late for that */
};

static int is_moved(void *arg)
{
    struct moved *m = arg;
    int r;

    ROOST_TIMEOUT(s, ROOST_MS(3));
    m->scope = s;
    r = roost_scope_leave(s, kit_sleep_forever(NULL));
    EXPECT(roost_now() >= m->to);
    return r;
}

static void a_deadline_moved_away_by_the_host_comes_later_S10(void **state)
{
    struct ev_loop *loop = host_begin();
    struct moved m = { .to = 0 };
    struct root root;
    int i;

    (void)state;
    for (i = 0; i < 50 && !m.to; i++) {
        begin_root(&root, loop, is_moved, &m);
        ev_run(loop, EVRUN_NOWAIT);
        if (!roost_scope_cancelled(m.scope)) {
            m.to = roost_after(ROOST_MS(6));
            roost_scope_set_deadline(m.scope, m.to);
        }
        ev_run(loop, 0);
        EXPECT_ENDED(&root, -ETIMEDOUT);
    }
    EXPECT(m.to);
    host_end(loop);
}

static int every_wait_is_cut(void *arg)
{
    int i, r = roost_event_wait(arg);

    EXPECT_INT(r, -ECANCELED);
    for (i = 0; i < 10; i++) {
        EXPECT_INT(roost_checkpoint(), -ECANCELED);
        EXPECT_INT(roost_event_wait(arg), -ECANCELED);
        EXPECT_INT(roost_wait_fd(0, ROOST_READ), -ECANCELED);
        EXPECT_INT(roost_sleep(ROOST_SEC(9)), -ECANCELED);
    }
    EXPECT_INT(ROOST_SHIELDED(ROOST_MS(50), roost_sleep(ROOST_MS(1))), 0);
    EXPECT_HAS(kit_why(NULL), "\"the host says so\"");
    return r;
}

static void every_wait_of_a_cancelled_root_says_so_C1_C3(void **state)
{
    struct ev_loop *loop = host_begin();
    struct root root;
    struct later l;
    roost_event e;

    (void)state;
    roost_event_init(&e);
    begin_root(&root, loop, every_wait_is_cut, &e);
    call_later(&l, loop, 1, cancel_root, &root);
    ev_run(loop, 0);
    EXPECT_ENDED(&root, -ECANCELED); /* R3 */
    host_end(loop);
}

/* Done beats cancelled, also if a callback does both. */
static void sets_and_cancels(struct ev_loop *loop, void *arg)
{
    struct setters *s = arg;

    roost_event_set(&s->e);
    cancel_root(loop, s->timer.data);
}

static int done_first(void *event)
{
    EXPECT_INT(roost_event_wait(event), 0);
    return roost_checkpoint();
}

static void what_a_callback_did_before_it_cancelled_counts_C4(void **state)
{
    struct ev_loop *loop = host_begin();
    struct setters s;
    struct root root;
    struct later l;

    (void)state;
    roost_event_init(&s.e);
    s.timer.data = &root;
    begin_root(&root, loop, done_first, &s.e);
    ev_run(loop, EVRUN_NOWAIT);
    call_later(&l, loop, 0, sets_and_cancels, &s);
    ev_run(loop, 0);
    EXPECT_ENDED(&root, -ECANCELED);
    host_end(loop);
}

/* ---- misuse in callbacks ---- */

static roost_nursery *open_nursery;

static int has_nursery(void *arg)
{
    (void)arg;
    ROOST_NURSERY(n);
    open_nursery = n;
    return roost_nursery_close(n, kit_sleep_forever(NULL));
}

static void callback_sleeps(struct ev_loop *loop, void *arg)
{
    (void)loop, (void)arg;
    roost_ignore(roost_sleep(ROOST_MS(1)));
}

static void callback_spawns(struct ev_loop *loop, void *arg)
{
    (void)loop;
    roost_spawn(open_nursery, kit_sleep_forever, arg);
}

static int calls_back(void *fn)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct root root;
    struct later l;

    begin_root(&root, loop, has_nursery, NULL);
    l = (struct later){ .arg = NULL };
    call_later(&l, loop, 1, *(void (**)(struct ev_loop *, void *))fn, NULL);
    return ev_run(loop, 0);
}

static void a_wait_or_spawn_in_a_callback_is_misuse_T5(void **state)
{
    void (*fn)(struct ev_loop *loop, void *arg) = callback_sleeps;

    (void)state;
    kit_dies_outside(calls_back, &fn, "roost_sleep was called outside a task",
                     NULL);
    fn = callback_spawns;
    kit_dies_outside(calls_back, &fn, "a spawn at ", "test_guest_",
                     "is outside a task", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_callback_sets_wakes_in_the_same_iteration_G2),
        cmocka_unit_test(a_prepare_callback_older_than_the_roots_counts_too_G2),
        cmocka_unit_test(callbacks_wake_cancel_send_and_move_deadlines_G2),
        cmocka_unit_test(a_deadline_moved_away_by_the_host_comes_later_S10),
        cmocka_unit_test(every_wait_of_a_cancelled_root_says_so_C1_C3),
        cmocka_unit_test(what_a_callback_did_before_it_cancelled_counts_C4),
        cmocka_unit_test(a_wait_or_spawn_in_a_callback_is_misuse_T5),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
