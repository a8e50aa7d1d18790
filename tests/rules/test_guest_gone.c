/* test_guest_gone.c - claims about a host that destroys its loop while tasks
 *                     live, and about the default loop.
 */
#define _GNU_SOURCE
#include "rules/hosts.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static struct ev_loop *going;

/* The loop goes first; nothing of ours is left in the thread. */
static void destroy(struct ev_loop *loop)
{
    ev_loop_destroy(loop);
    assert_null(roost__rt);
}

/* ---- tasks that sleep, hold shields, serve... ---- */

static int in_shields(void *arg)
{
    int r;

    (void)arg;
    r = ROOST_SHIELDED(ROOST_NEVER, kit_sleep_forever(NULL));
    EXPECT_INT(r, -ECANCELED);
    r = ROOST_SHIELDED(ROOST_SEC(60), roost_sleep(1)); /* later ones too */
    EXPECT_INT(r, -ECANCELED);
    EXPECT_HAS(kit_why(NULL), "\"the host destroyed its loop\"");
    kit_log("shields");
    return r;
}

static int deferred(void *arg)
{
    int r = roost_sleep(ROOST_MS(1)); /* there is no time left for it */

    EXPECT_INT(r, -ECANCELED);
    kit_log(arg ? "second" : "first");
    return r;
}

static int with_deferred(void *arg)
{
    EXPECT_INT(roost_defer(deferred, NULL), 0);
    EXPECT_INT(roost_defer(deferred, &going), 0);
    return kit_sleep_forever(arg);
}

static int serves(void *arg)
{
    int r = kit_sleep_forever(arg);

    kit_log("service");
    return r;
}

static int with_service(void *arg)
{
    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn_with(n, serves, NULL,
                     &(roost_spawn_options){ .service = true });
    roost_spawn(n, kit_sleep_forever, NULL);
    return roost_nursery_close(n, 0);
}

static int waits_for_fd(void *arg)
{
    int fds[2], r;

    (void)arg;
    EXPECT_INT(pipe(fds), 0);
    r = roost_wait_fd(fds[0], ROOST_READ);
    close(fds[0]);
    close(fds[1]);
    return r;
}

static int in_a_deadline(void *arg)
{
    return ROOST_WITHIN(ROOST_SEC(60), kit_sleep_forever(arg));
}

/* Sets an event for one whose wait cannot be undone. */
struct rescue {
    roost_event e;
};

static int joins(void *arg)
{
    struct rescue *s = arg;

    return roost_event_join(&s->e);
}

static int rescues(void *arg)
{
    struct rescue *s = arg;
    int r = kit_sleep_forever(NULL);

    roost_event_set(&s->e);
    return r;
}

static int with_rescue(void *arg)
{
    struct rescue s;

    (void)arg;
    roost_event_init(&s.e);
    ROOST_NURSERY(n);
    roost_spawn(n, joins, &s);
    roost_spawn(n, rescues, &s);
    return roost_nursery_close(n, 0);
}

static void whatever_its_tasks_wait_for_they_end_G3(void **state)
{
    static const struct {
        roost_task_fn *fn;
        const char *log;
    } cases[] = {
        { kit_sleep_forever, "" },
        { in_shields, "shields" },
        { with_deferred, "second first" },
        { with_service, "service" },
        { waits_for_fd, "" },
        { in_a_deadline, "" },
        { with_rescue, "" },
    };
    struct ev_loop *loop;
    struct root root;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        loop = host_begin();
        begin_root(&root, loop, cases[i].fn, NULL);
        ev_run(loop, EVRUN_NOWAIT);
        ev_run(loop, EVRUN_NOWAIT);
        EXPECT_INT(root.ended, 0);
        destroy(loop);
        EXPECT_ENDED(&root, -ECANCELED);
        EXPECT_LOG(cases[i].log);
        kit_end();
    }
}

static void all_roots_of_it_end_also_those_that_never_ran_G3_T3(void **state)
{
    struct ev_loop *loop = host_begin();
    struct root root[20];
    int i;

    (void)state;
    for (i = 0; i < 10; i++)
        begin_root(&root[i], loop, i % 2 ? with_service : kit_sleep_forever,
                   NULL);
    ev_run(loop, EVRUN_NOWAIT);
    for (; i < 20; i++)
        begin_root(&root[i], loop, i % 2 ? with_service : kit_sleep_forever,
                   NULL);
    destroy(loop);
    for (i = 0; i < 20; i++)
        EXPECT_ENDED(&root[i], -ECANCELED);
    kit_end();
}

static int needs_many_turns(void *arg)
{
    int i, r = kit_sleep_forever(arg);

    for (i = 0; i < 2000; i++)
        EXPECT_INT(roost_checkpoint(), -ECANCELED);
    return r;
}

static void they_may_take_their_time_G3(void **state)
{
    struct ev_loop *loop = host_begin();
    struct root root[3];
    int i;

    (void)state;
    for (i = 0; i < 3; i++)
        begin_root(&root[i], loop, needs_many_turns, NULL);
    ev_run(loop, EVRUN_NOWAIT);
    destroy(loop);
    for (i = 0; i < 3; i++)
        EXPECT_ENDED(&root[i], -ECANCELED);
    kit_end();
}

static int returns_anyway(void *arg)
{
    EXPECT_INT(kit_sleep_forever(arg), -ECANCELED);
    return 8;
}

static void a_result_of_its_own_is_told_as_ever_G3(void **state)
{
    struct ev_loop *loop = host_begin();
    struct root root;

    (void)state;
    begin_root(&root, loop, returns_anyway, NULL);
    ev_run(loop, EVRUN_NOWAIT);
    destroy(loop);
    EXPECT_ENDED(&root, 8);
    kit_end();
}

/* ---- what is refused meanwhile ---- */

static void ended_wants_more(int result, void *arg)
{
    root_ended(result, arg);
    EXPECT(!roost_attach(going, kit_sleep_forever, NULL, NULL, NULL));
    EXPECT_INT(errno, ESHUTDOWN);
}

static int wants_more(void *arg)
{
    int r = kit_sleep_forever(arg);

    EXPECT(!roost_attach(going, kit_sleep_forever, NULL, NULL, NULL));
    EXPECT_INT(errno, ESHUTDOWN);
    return r;
}

static void nothing_more_is_attached_G3(void **state)
{
    struct root root = { .result = -1000 };

    (void)state;
    going = host_begin();
    root.handle = roost_attach(going, wants_more, NULL, ended_wants_more,
                               &root);
    ev_run(going, EVRUN_NOWAIT);
    destroy(going);
    EXPECT_ENDED(&root, -ECANCELED);
    kit_end();
    going = host_begin(); /* another is fine */
    begin_root(&root, going, kit_return, &(int){ 3 });
    ev_run(going, 0);
    EXPECT_ENDED(&root, 3);
    host_end(going);
}

/* ---- a sentence ---- */

static bool refuses(roost_wait *w, void *arg)
{
    (void)w, (void)arg;
    return false;
}

static int parks_for_ever(void *arg)
{
    roost_wait w;

    roost_wait_init(&w);
    return roost_park(&w, "a wait of the third kind", refuses, arg);
}

static int joins_for_ever(void *arg)
{
    roost_event e;

    (void)arg;
    roost_event_init(&e);
    return roost_event_join(&e);
}

static int destroyed_under(void *fn)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct root root;

    begin_root(&root, loop, *(roost_task_fn **)fn, NULL);
    ev_run(loop, EVRUN_NOWAIT);
    ev_loop_destroy(loop);
    return 0;
}

static int destroys(void *loop)
{
    ev_loop_destroy(loop);
    return 0;
}

static int destroyed_by_task(void *arg)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct root root;

    (void)arg;
    begin_root(&root, loop, destroys, loop);
    return ev_run(loop, 0);
}

static void a_wait_that_cannot_be_undone_stops_the_program_G3(void **state)
{
    static const char *const sentence =
        "the host destroyed its loop while tasks attached at ";
    roost_task_fn *fn = parks_for_ever;

    (void)state;
    kit_dies_outside(destroyed_under, &fn, sentence, "hosts.h:",
                     "waits for a wait of the third kind (to the end)", NULL);
    fn = joins_for_ever;
    kit_dies_outside(destroyed_under, &fn, sentence,
                     "waits for an event (to the end)", NULL);
}

static void a_task_that_destroys_its_own_loop_stops_the_program_G3(void **state)
{
    (void)state;
    kit_dies_outside(destroyed_by_task, NULL,
                     "ev_loop_destroy was called by a task spawned at ",
                     "hosts.h:", NULL);
}

/* ---- the default loop ---- */

struct watchers {
    ev_signal signal;
    ev_child child;
    int signals, status;
};

static void on_signal(struct ev_loop *loop, ev_signal *w, int events)
{
    struct watchers *ws = w->data;

    (void)events;
    ws->signals++;
    ev_signal_stop(loop, w);
}

static void on_child(struct ev_loop *loop, ev_child *w, int events)
{
    struct watchers *ws = w->data;

    (void)events;
    ws->status = w->rstatus;
    ev_child_stop(loop, w);
}

static int raises(void *arg)
{
    int r = roost_sleep(ROOST_MS(1));

    raise(SIGUSR1);
    return r < 0 ? r : kit_return(arg);
}

static void begin_watchers(struct watchers *ws, struct ev_loop *loop)
{
    pid_t pid;

    *ws = (struct watchers){ .status = -1 };
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(42);
    ev_child_init(&ws->child, on_child, pid, 0);
    ev_signal_init(&ws->signal, on_signal, SIGUSR1);
    ws->child.data = ws->signal.data = ws;
    ev_child_start(loop, &ws->child);
    ev_signal_start(loop, &ws->signal);
}

static void signals_and_children_of_the_default_loops_host_reach_it_G1(void **s)
{
    struct ev_loop *loop;
    struct watchers ws;
    struct root root;
    int i;

    (void)s;
    for (i = 0; i < 2; i++) {
        alarm(60);
        kit_begin();
        loop = ev_default_loop(EVFLAG_NOENV);
        begin_watchers(&ws, loop);
        begin_root(&root, loop, raises, &(int){ 2 });
        ev_run(loop, 0);
        EXPECT_ENDED(&root, 2);
        EXPECT_INT(ws.signals, 1);
        EXPECT(WIFEXITED(ws.status) && WEXITSTATUS(ws.status) == 42);
        begin_root(&root, loop, in_shields, NULL);
        if (i)
            ev_run(loop, EVRUN_NOWAIT);
        destroy(loop);
        EXPECT_ENDED(&root, -ECANCELED);
        kit_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_its_tasks_wait_for_they_end_G3),
        cmocka_unit_test(all_roots_of_it_end_also_those_that_never_ran_G3_T3),
        cmocka_unit_test(they_may_take_their_time_G3),
        cmocka_unit_test(a_result_of_its_own_is_told_as_ever_G3),
        cmocka_unit_test(nothing_more_is_attached_G3),
        cmocka_unit_test(a_wait_that_cannot_be_undone_stops_the_program_G3),
        cmocka_unit_test(
            a_task_that_destroys_its_own_loop_stops_the_program_G3),
        cmocka_unit_test(
            signals_and_children_of_the_default_loops_host_reach_it_G1),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
