/* test_edges_review.c - claims that a second reader of the edges found wanting:
 *                       descriptors that go while a call is at its entry or are
 *                       forgotten, hosts' callbacks, a kernel without room.
 */
#define _GNU_SOURCE
#include "rules/pairs.h"
#include "rules/tree_line.h"

#include <dlfcn.h>
#include <ev.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/un.h>

#include "test/valgrind.h"

/* ---- gone while its caller yields at the entry ---- */

#define DO_CONNECT DO_KINDS

static int call_or_connect(roost_fd *f, int kind)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    if (kind == DO_CONNECT)
        return roost_fd_connect(f, (struct sockaddr *)&addr, sizeof addr);
    return make_call(f, kind);
}

static int calls_with_no_budget(void *arg)
{
    struct caller *c = arg;

    roost__rt->current->s.budget = 1; /* the call yields first (C6) */
    c->r = call_or_connect(c->f, c->kind);
    return 0;
}

/* bound: it has been waited for before. */
static void close_at_entry(int kind, bool bound, bool cancelled)
{
    struct end *e = malloc(sizeof *e);
    struct caller c = { .f = &e->f, .kind = kind };
    int other;

    open_socket_end(e);
    other = e->other;
    if (bound)
        EXPECT_INT(roost_fd_wait(&e->f, ROOST_WRITE), ROOST_WRITE);
    put_byte(other);
    ROOST_NURSERY(n);
    roost_spawn(n, calls_with_no_budget, &c);
    EXPECT_INT(roost_checkpoint(), 0);
    if (cancelled)
        roost_nursery_cancel(n, "a test");
    roost_fd_close(&e->f);
    memset(e, 0xee, sizeof *e);
    free(e);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(c.r, cancelled ? -ECANCELED : -EBADF);
    close(other);
}

static int closed_at_entry(void *arg)
{
    int kind, how;

    (void)arg;
    for (kind = 0; kind <= DO_CONNECT; kind++)
        for (how = 0; how < 4; how++)
            close_at_entry(kind, how & 1, how & 2);
    EXPECT_INT(roost__rt->outside, 0);
    return 0;
}

static void a_call_that_yields_first_finds_out_that_it_was_closed_X1(void **s)
{
    (void)s;
    with_clocks(closed_at_entry);
}

/* Several are at the entry; who is through leaves the others listed. */
static int some_at_entry(void *arg)
{
    struct caller c[3];
    struct end e;
    int i;

    (void)arg;
    open_socket_end(&e);
    ROOST_NURSERY(n);
    for (i = 0; i < 3; i++) {
        c[i] = (struct caller){ .f = &e.f, .kind = DO_WAIT_W };
        roost_spawn(n, calls_with_no_budget, &c[i]);
    }
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT(e.f.pauses != NULL);
    EXPECT_INT(call_or_connect(&e.f, DO_CONNECT) != -EBUSY, 1);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    for (i = 0; i < 3; i++)
        EXPECT_INT(c[i].r, ROOST_WRITE);
    EXPECT(e.f.pauses == NULL);
    close_end(&e);
    return 0;
}

static void who_is_at_the_entry_is_in_nobodys_way(void **state)
{
    (void)state;
    with_clocks(some_at_entry);
}

/* ---- forgotten on a stack ---- */

/* What has to be closed by hand. */
static int left[4], lefts;

static int forgets(void *arg)
{
    struct end e;

    (void)arg;
    open_socket_end(&e);
    left[lefts++] = e.other;
    left[lefts++] = roost_fd_number(&e.f);
    EXPECT_INT(ROOST_WITHIN(ROOST_MS(1), make_call(&e.f, DO_READ)),
               -ETIMEDOUT);
    return 0;
}

/* Watchers of ours stand before and behind those of the forgotten. In a loop
 * that was given only the main task's stack is still there when the run ends; a
 * sanitizer that has poisoned it says rightly whose mistake it is. */
static int forgets_among_others(void *given)
{
    struct fds p = open_pair();

    EXPECT_INT(ROOST_WITHIN(ROOST_MS(1), roost_wait_fd(p.r, ROOST_READ)),
               -ETIMEDOUT);
    close_both(p);
    ROOST_NURSERY(n);
    if (!given)
        roost_spawn(n, forgets, NULL);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    return forgets(NULL);
}

static void forget(const roost_options *o)
{
    lefts = 0;
    kit_stderr_begin();
    assert_int_equal(roost_run_with(o, forgets_among_others, o->loop), 0);
    assert_non_null(strstr(kit_stderr_end(),
                           o->loop ? "1 roost_fd still" : "2 roost_fds still"));
    assert_int_equal(lefts, o->loop ? 2 : 4);
    while (lefts)
        assert_int_equal(close(left[--lefts]), 0);
}

static void one_forgotten_on_a_stack_harms_nobody_T7(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };

    (void)state;
    forget(&o);
    o.clock = ROOST_CLOCK_REAL;
    forget(&o);
#ifndef ROOST_DEBUG
    if (RUNNING_ON_VALGRIND)
        return;
    o.loop = ev_loop_new(EVFLAG_AUTO);
    forget(&o);
    assert_int_equal(ev_run(o.loop, EVRUN_NOWAIT), 0);
    ev_loop_destroy(o.loop);
#endif
}

/* ---- the last callback of a loop that was given ---- */

static roost_scope *limited;

static void set_deadline(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop, (void)w, (void)events;
    roost_scope_set_deadline(limited, roost_after(ROOST_MS(2)));
}

static int waits_for_a_limit(void *arg)
{
    roost_scope s;

    roost_scope_enter(&s, ROOST_NEVER);
    limited = &s;
    ev_timer_start(roost__rt->loop.ev, arg);
    return roost_scope_leave(&s, roost_sleep_until(ROOST_NEVER));
}

static void a_deadline_set_by_the_last_callback_is_no_deadlock_D4(void **state)
{
    roost_options o = { .loop = ev_loop_new(EVFLAG_AUTO) };
    ev_timer w;
    int clock;

    (void)state;
    for (clock = ROOST_CLOCK_REAL; clock <= ROOST_CLOCK_VIRTUAL; clock++) {
        ev_timer_init(&w, set_deadline, 2e-3, 0.);
        o.clock = (enum roost_clock)clock;
        assert_int_equal(kit_run_with(&o, waits_for_a_limit, &w), -ETIMEDOUT);
    }
    ev_loop_destroy(o.loop);
}

/* ---- the mark of a wait that is made in several steps ---- */

static int reads_idle(void *arg)
{
    char bytes[1];

    return ROOST_IDLE(roost_fd_read(arg, bytes, sizeof bytes));
}

static int woken_in_vain(void *arg)
{
    struct end e;

    (void)arg;
    open_socket_end(&e);
    ROOST_NURSERY(n);
    roost_spawn_at(n, reads_idle, &e.f, "child.c:1");
    settle();
    EXPECT_HAS(tree_line("child.c:1"), " (idle) ");
    put_byte(e.other);
    roost__loop_poll(&roost__rt->loop);
    take_byte(roost_fd_number(&e.f)); /* somebody else was faster */
    settle();
    EXPECT_HAS(tree_line("child.c:1"), " (idle) ");
    put_byte(e.other);
    EXPECT_INT(roost_nursery_close(n, 0), 0);
    EXPECT_INT(roost__rt->fd_awake, 0);
    close_end(&e);
    return 0;
}

static void a_call_woken_in_vain_keeps_its_idle_mark(void **state)
{
    (void)state;
    assert_int_equal(kit_run(woken_in_vain, NULL), 0);
}

/* ---- a kernel without room ---- */

static int refusals;

/* Before the one of libc, also for libev. */
__attribute__((visibility("default")))
int epoll_ctl(int epoll, int op, int fd, struct epoll_event *e)
{
    static int (*real)(int, int, int, struct epoll_event *);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "epoll_ctl");
    if (refusals > 0) {
        refusals--;
        errno = ENOSPC;
        return -1;
    }
    return real(epoll, op, fd, e);
}

static void set_event(void *event)
{
    roost_event_set(event);
}

struct poster {
    roost_portal *portal;
    roost_event event;
};

static void *posts(void *arg)
{
    struct poster *p = arg;

    return roost_portal_post(p->portal, set_event, &p->event) < 0 ? arg : NULL;
}

static int posted_to_the_deaf(void *arg)
{
    struct poster p;
    pthread_t thread;
    roost_scope s;
    int looks;

    (void)arg;
    roost_event_init(&p.event);
    roost_scope_enter(&s, ROOST_NEVER);
    p.portal = roost_portal_open(&s);
    EXPECT(p.portal);
    refusals = 3;
    for (looks = 0; refusals > 0 && looks < 100; looks++)
        EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    EXPECT_INT(refusals, 0);
    EXPECT_INT(pthread_create(&thread, NULL, posts, &p), 0);
    EXPECT_INT(ROOST_WITHIN(ROOST_SEC(5), roost_event_wait(&p.event)), 0);
    EXPECT_INT(pthread_join(thread, NULL), 0);
    roost_portal_close(p.portal);
    roost_portal_free(p.portal);
    return roost_scope_leave(&s, 0);
}

static void an_alarm_that_was_refused_is_asked_for_again_G5(void **state)
{
    (void)state;
    assert_int_equal(kit_run_with(&(roost_options){ 0 }, posted_to_the_deaf,
                                  NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_call_that_yields_first_finds_out_that_it_was_closed_X1),
        cmocka_unit_test(who_is_at_the_entry_is_in_nobodys_way),
        cmocka_unit_test(one_forgotten_on_a_stack_harms_nobody_T7),
        cmocka_unit_test(a_deadline_set_by_the_last_callback_is_no_deadlock_D4),
        cmocka_unit_test(a_call_woken_in_vain_keeps_its_idle_mark),
        cmocka_unit_test(an_alarm_that_was_refused_is_asked_for_again_G5),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
