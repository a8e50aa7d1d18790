/* test_stop_places.c - claims about where a stop may be called, how often, and
 * what the last act leaves (X5, T7).
 */
#define _GNU_SOURCE
#include "rules/hosts.h"
#include "rules/portals.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <roost/daemon.h>

#include "core/sched.h"
#include "core/sys.h"

#define BUDGET(s, h, p) \
    &(roost_stop_budget){ .soft = (s) < 0 ? ROOST_NEVER : ROOST_SEC(s), \
                          .hard = (h) < 0 ? ROOST_NEVER : ROOST_SEC(h), \
                          .pierce = (p) < 0 ? ROOST_NEVER : ROOST_SEC(p), \
                          .quiet = true }

static void settle(void)
{
    int i;

    for (i = 0; i < 5; i++)
        EXPECT_INT(roost_checkpoint(), 0);
}

#define CLAIM(name, body)                         \
    static void name(void **state)                \
    {                                             \
        (void)state;                              \
        assert_int_equal(kit_run(body, NULL), 0); \
    }

/* Meets the three phases one after the other: when did each begin? */
struct phases {
    long long soft, hard, pierce;
};

static int meets(void *arg)
{
    struct phases *p = arg;

    EXPECT_INT(ROOST_IDLE(roost_sleep(ROOST_NEVER)), -ESHUTDOWN);
    p->soft = kit_ms();
    EXPECT_INT(roost_sleep(ROOST_NEVER), -ECANCELED);
    p->hard = kit_ms();
    EXPECT_INT(ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_NEVER)), -ECANCELED);
    p->pierce = kit_ms();
    return -ECANCELED;
}

#define EXPECT_PHASES(p, s, h, t)      \
    do {                               \
        EXPECT_INT((p).soft, (s));     \
        EXPECT_INT((p).hard, (h));     \
        EXPECT_INT((p).pierce, (t));   \
    } while (0)

/* ---- twice, hurried, escalated ---- */

static int escalated(void *arg)
{
    struct phases p;
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, meets, &p), 0);
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), 0);
    kit_stderr_begin(); /* nobody has said .quiet */
    EXPECT_INT(roost_stop_escalate(&n.scope), 0); /* the first */
    EXPECT(roost_stopping());
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), 0);
    EXPECT_INT(roost_stop_escalate(&n.scope), 0);
    EXPECT_INT(ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_SEC(1))), 0);
    EXPECT_INT(roost_stop_escalate(&n.scope), 0);
    EXPECT_INT(roost_stop_escalate(&n.scope), 0); /* the last act: waits */
    EXPECT_INT(roost_stop_escalate(&n.scope), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_HAS(kit_stderr_end(), "the soft phase");
    EXPECT_PHASES(p, 1000, 2000, 3000);
    EXPECT_INT(roost_stop_escalate(&n.scope), 0); /* closed: nothing */
    return roost_sleep(ROOST_SEC(100));
}
CLAIM(escalate_goes_from_phase_to_phase, escalated)

/* A scope in one that is being stopped goes on from where that one is. */
static int escalated_inside(void *arg)
{
    struct phases in, out;
    roost_nursery a, b;

    (void)arg;
    roost_nursery_open(&a);
    EXPECT_INT(roost_spawn(&a, meets, &out), 0);
    roost_nursery_open(&b);
    EXPECT_INT(roost_spawn(&b, meets, &in), 0);
    settle();
    EXPECT_INT(roost_stop(&a.scope, BUDGET(10, 10, 10)), 0);
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), 0);
    kit_stderr_begin();
    EXPECT_INT(roost_stop_escalate(&b.scope), 0);
    EXPECT_INT(roost_cancelled(), -ECANCELED);
    EXPECT_INT(ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_SEC(1))), 0);
    EXPECT_INT(roost_stop_escalate(&b.scope), 0);
    EXPECT_INT(roost_nursery_close(&b, 0), 0);
    kit_stderr_end();
    EXPECT_PHASES(in, 0, 1000, 2000);
    EXPECT_INT(roost_nursery_close(&a, 0), 0);
    EXPECT_PHASES(out, 0, 10000, 20000);
    return 0;
}
CLAIM(escalate_goes_on_from_the_stop_around_it, escalated_inside)

static int escalated_in_hard(void *arg)
{
    struct phases in, out;
    roost_nursery a, b;

    (void)arg;
    roost_nursery_open(&a);
    EXPECT_INT(roost_spawn(&a, meets, &out), 0);
    roost_nursery_open(&b);
    EXPECT_INT(roost_spawn(&b, meets, &in), 0);
    settle();
    EXPECT_INT(roost_stop(&a.scope, BUDGET(0, 10, 10)), 0);
    EXPECT_INT(ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_SEC(1))), 0);
    kit_stderr_begin();
    EXPECT_INT(roost_stop_escalate(&b.scope), 0);
    kit_stderr_end();
    roost_ignore(roost_nursery_close(&b, 0));
    EXPECT_PHASES(in, 0, 0, 1000);
    EXPECT_INT(roost_nursery_close(&a, 0), 0);
    EXPECT_PHASES(out, 0, 0, 10000);
    return 0;
}
CLAIM(escalate_goes_on_from_a_hard_phase_around_it, escalated_in_hard)

/* Around it all is cancelled, but it is shielded: it has phases of its own. */
static int behind_a_shield(void *arg)
{
    roost_scope outer, shield, inner;

    (void)arg;
    roost_scope_enter(&outer, ROOST_NEVER);
    roost_shield_enter(&shield, ROOST_NEVER);
    roost_scope_enter(&inner, ROOST_NEVER);
    EXPECT_INT(roost_stop(&outer, BUDGET(0, 100, 5)), 0);
    EXPECT_INT(roost_stop(&inner, BUDGET(3, 5, 5)), 0);
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), 0);
    EXPECT_INT(roost_sleep(ROOST_SEC(10)), -ECANCELED);
    EXPECT_INT(kit_ms(), 3000);
    EXPECT_INT(ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_SEC(10))),
               -ECANCELED);
    EXPECT_INT(kit_ms(), 8000);
    EXPECT_INT(roost_scope_leave(&inner, -ECANCELED), 0);
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), 0);
    EXPECT_INT(roost_scope_leave(&shield, 0), 0);
    return roost_scope_leave(&outer, roost_cancelled());
}

/* With a child that meets each phase, and waits for the first. */
static void open_with_phases(roost_nursery *n, struct phases *p)
{
    roost_nursery_open(n);
    EXPECT_INT(roost_spawn(n, meets, p), 0);
    settle();
}
CLAIM(behind_a_shield_a_stop_has_its_own_phases_S12, behind_a_shield)

/* Longer ones change nothing, shorter ones what they shorten. */
static int only_earlier(void *arg)
{
    struct phases p;
    roost_nursery n;

    (void)arg;
    open_with_phases(&n, &p);
    EXPECT_INT(roost_stop(&n.scope, BUDGET(5, 20, 5)), 0);
    EXPECT_INT(roost_stop(&n.scope, BUDGET(100, 100, 100)), 0);
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), 0);
    EXPECT_INT(roost_stop(&n.scope, BUDGET(10, 6, 5)), 0);
    EXPECT_INT(roost_stop(&n.scope, BUDGET(-1, -1, -1)), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_PHASES(p, 0, 5000, 17000);
    return 0;
}
CLAIM(of_each_phase_the_earlier_end_counts, only_earlier)

/* From then on the phases take their time again. */
static int escalated_once(void *arg)
{
    struct phases p;
    roost_nursery n;

    (void)arg;
    open_with_phases(&n, &p);
    EXPECT_INT(roost_stop(&n.scope, BUDGET(100, 7, 5)), 0);
    EXPECT_INT(roost_sleep(ROOST_SEC(2)), 0);
    EXPECT_INT(roost_stop_escalate(&n.scope), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_PHASES(p, 0, 2000, 9000);
    return 0;
}
CLAIM(after_an_escalation_the_next_phase_has_its_budget, escalated_once)

static int endless(void *arg)
{
    struct phases p;
    roost_nursery n;

    (void)arg;
    open_with_phases(&n, &p);
    EXPECT_INT(roost_stop(&n.scope, BUDGET(-1, -1, -1)), 0);
    EXPECT_INT(roost_sleep(ROOST_SEC(100000)), 0);
    EXPECT_INT(roost_stop_escalate(&n.scope), 0);
    EXPECT_INT(ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_SEC(100000))), 0);
    EXPECT_INT(roost_stop(&n.scope, BUDGET(1, 1, 1)), 0); /* hurries what is left */
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_PHASES(p, 0, 100000000, 200001000);
    return 0;
}
CLAIM(ROOST_NEVER_ends_no_phase_and_a_second_stop_does, endless)

static int passed_over(void *arg)
{
    struct phases p;
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, meets, &p), 0);
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), 0);
    EXPECT_INT(roost_stop(&n.scope, BUDGET(0, 3, 0)), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_PHASES(p, 1000, 1000, 4000);
    open_with_phases(&n, &p);
    EXPECT_INT(roost_stop(&n.scope, BUDGET(0, 0, 0)), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_PHASES(p, 4000, 4000, 4000);
    return 0;
}
CLAIM(phases_of_no_length_are_passed_over, passed_over)

/* Many at once, of scopes in each other; the earliest counts for each. */
static int several(void *arg)
{
    struct phases outer, middle, inner;
    roost_nursery a, b, c;

    (void)arg;
    roost_nursery_open(&a);
    EXPECT_INT(roost_spawn(&a, meets, &outer), 0);
    roost_nursery_open(&b);
    EXPECT_INT(roost_spawn(&b, meets, &middle), 0);
    roost_nursery_open(&c);
    EXPECT_INT(roost_spawn(&c, meets, &inner), 0);
    settle();
    EXPECT_INT(roost_stop(&b.scope, BUDGET(10, 10, 10)), 0);
    EXPECT_INT(roost_stop(&c.scope, BUDGET(5, 50, 1)), 0);
    EXPECT_INT(roost_stop(NULL, BUDGET(20, 5, 1)), 0);
    EXPECT_INT(roost_stop(&a.scope, BUDGET(-1, -1, -1)), 0);
    roost_ignore(roost_nursery_close(&c, 0));
    EXPECT_PHASES(inner, 0, 5000, 20000);
    roost_ignore(roost_nursery_close(&b, 0));
    EXPECT_PHASES(middle, 0, 10000, 20000);
    roost_ignore(roost_nursery_close(&a, 0));
    EXPECT_PHASES(outer, 0, 20000, 25000);
    return 0;
}
CLAIM(of_several_stops_the_earliest_counts, several)

/* ---- scopes that end in the middle ---- */

/* The same memory again, and again: no timer of an old stop hits a new scope. */
static int left_and_entered(void *arg)
{
    roost_scope s;
    int i;

    (void)arg;
    for (i = 0; i < 6; i++) {
        roost_scope_enter(&s, ROOST_NEVER);
        EXPECT_INT(roost_stop(&s, BUDGET(1, 1, 1)), 0);
        roost_ignore(ROOST_SHIELDED(ROOST_NEVER,
                                    roost_sleep(ROOST_MS(600 * i))));
        EXPECT_INT(roost_scope_leave(&s, 0), 0);
        roost_scope_enter(&s, ROOST_NEVER);
        EXPECT(!roost_stopping());
        EXPECT_INT(ROOST_IDLE(roost_sleep(ROOST_SEC(5))), 0);
        EXPECT_INT(roost_scope_leave(&s, 0), 0);
        EXPECT(!roost__rt->stops);
        EXPECT_INT(roost__rt->budget, ROOST__BUDGET);
    }
    return 0;
}
CLAIM(a_scope_that_is_left_forgets_its_stop, left_and_entered)

static int due_at_once(void *arg)
{
    roost_scope s;

    (void)arg;
    roost_scope_enter(&s, ROOST_NEVER);
    EXPECT_INT(roost_stop(&s, BUDGET(1, 1, 1)), 0);
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED); /* the stop's came first */
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), 0);
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), 0);
    roost_scope_enter(&s, roost_after(ROOST_SEC(1)));
    EXPECT_INT(roost_stop(&s, BUDGET(1, 1, 1)), 0);
    EXPECT_INT(roost_sleep(ROOST_SEC(9)), -ECANCELED); /* its deadline, then it */
    EXPECT_INT(roost_scope_leave(&s, -ECANCELED), -ETIMEDOUT);
    return 0;
}
CLAIM(what_falls_due_together_is_told_in_the_order_of_setting_S11, due_at_once)

/* ---- from a deferred function, from main's last, of the run ---- */

static int stops_run(void *arg)
{
    (void)arg;
    EXPECT(!roost_stopping());
    EXPECT_INT(roost_stop(NULL, BUDGET(2, 1, 1)), 0);
    EXPECT(roost_stopping());
    EXPECT_INT(ROOST_IDLE(roost_sleep(ROOST_SEC(1))), -ESHUTDOWN);
    EXPECT_INT(roost_sleep(ROOST_SEC(60)), -ECANCELED); /* 2, 1 and its shield's */
    EXPECT_INT(kit_ms(), 3000);
    return 0;
}

static int deferred_stop(void *arg)
{
    (void)arg;
    EXPECT_INT(roost_defer(stops_run, NULL), 0);
    return 0;
}
CLAIM(a_deferred_function_may_stop_the_run, deferred_stop)

/* ---- roost_stopping in each place ---- */

static int stopping_places(void *arg)
{
    roost_scope a, b, c;

    (void)arg;
    EXPECT(!roost_stopping());
    roost_scope_enter(&a, ROOST_NEVER);
    roost_scope_enter(&b, ROOST_NEVER);
    EXPECT_INT(roost_stop(&b, BUDGET(1, 1, 1)), 0);
    EXPECT(roost_stopping());
    roost_shield_enter(&c, ROOST_NEVER);
    EXPECT(roost_stopping()); /* a shield keeps cancellations out, not this */
    EXPECT_INT(roost_scope_leave(&c, 0), 0);
    EXPECT_INT(roost_scope_leave(&b, 0), 0);
    EXPECT(!roost_stopping());
    EXPECT_INT(roost_scope_leave(&a, 0), 0);
    return 0;
}

static void roost_stopping_is_of_the_innermost_scope(void **state)
{
    (void)state;
    assert_int_equal(kit_run(stopping_places, NULL), 0);
    assert_false(roost_stopping());
}

/* ---- no memory ---- */

static int allocations_left;

static void *scarce(size_t bytes)
{
    return allocations_left-- > 0 ? malloc(bytes) : NULL;
}

static int no_memory(void *arg)
{
    roost_scope s;

    (void)arg;
    roost_scope_enter(&s, ROOST_NEVER);
    allocations_left = 0;
    EXPECT_INT(roost_stop(&s, BUDGET(0, 0, 0)), -ENOMEM);
    EXPECT_INT(roost_stop_escalate(&s), -ENOMEM);
    EXPECT_INT(roost_stop(NULL, BUDGET(0, 0, 0)), -ENOMEM);
    EXPECT(!roost_stopping());
    EXPECT_INT(ROOST_IDLE(roost_sleep(ROOST_SEC(9))), 0);
    allocations_left = 1;
    EXPECT_INT(roost_stop(&s, BUDGET(1, 1, 1)), 0);
    EXPECT_INT(roost_stop(&s, BUDGET(0, 1, 1)), 0); /* needs no more */
    allocations_left = 1000;
    EXPECT_INT(roost_sleep(ROOST_SEC(9)), -ECANCELED);
    return roost_scope_leave(&s, -ECANCELED);
}

static void without_memory_nothing_is_stopped(void **state)
{
    struct roost_sys sys = roost__sys_default;

    (void)state;
    sys.alloc = scarce;
    allocations_left = 1000;
    assert_int_equal(kit_run_with(&(roost_options){
        .clock = ROOST_CLOCK_VIRTUAL, .sys = &sys }, no_memory, NULL), 0);
}

/* ---- through a portal, from a host ---- */

static void stops_scope(void *arg)
{
    EXPECT(!roost__self());
    EXPECT_INT(roost_stop(arg, BUDGET(1, 1, 1)), 0);
}

static void *stop_from_thread(void *arg)
{
    void **a = arg;

    post_surely(a[0], stops_scope, a[1]);
    return NULL;
}

static int through_portal(void *whole)
{
    roost_nursery n;
    pthread_t thread;
    roost_portal *p;
    void *args[2];
    int r;

    roost_nursery_open(&n);
    p = roost_portal_open(&n.scope);
    args[0] = p;
    args[1] = whole ? NULL : &n.scope;
    EXPECT_INT(pthread_create(&thread, NULL, stop_from_thread, args), 0);
    r = ROOST_IDLE(roost_sleep(ROOST_SEC(30)));
    EXPECT_INT(r, -ESHUTDOWN);
    EXPECT_INT(pthread_join(thread, NULL), 0);
    EXPECT_INT(roost_nursery_close(&n, r), -ESHUTDOWN);
    roost_portal_free(p);
    return r;
}

static void a_thread_stops_through_a_portal_G5(void **state)
{
    const roost_options o = { .clock = ROOST_CLOCK_REAL };

    (void)state;
    assert_int_equal(kit_run_with(&o, through_portal, NULL), 0);
    assert_int_equal(kit_run_with(&o, through_portal, word("all")), 0);
}

static void host_stops(struct ev_loop *loop, void *arg)
{
    (void)loop;
    EXPECT_INT(roost_stop(arg, &(roost_stop_budget){
        .soft = ROOST_MS(20), .hard = ROOST_MS(20), .pierce = ROOST_MS(20),
        .last = ROOST_LAST_RETURN, .quiet = true }), 0);
}

static int guest_meets(void *arg)
{
    roost_time began = roost_now();
    roost_scope s;

    (void)arg;
    EXPECT_INT(ROOST_IDLE(roost_sleep(ROOST_SEC(9))), -ESHUTDOWN);
    EXPECT_INT(roost_sleep(ROOST_SEC(9)), -ECANCELED);
    roost_shield_enter(&s, ROOST_NEVER);
    EXPECT_INT(roost_sleep(ROOST_SEC(9)), -ECANCELED);
    EXPECT(roost_now() - began >= ROOST_MS(40));
    EXPECT(roost_now() - began < ROOST_SEC(2));
    return roost_scope_leave(&s, -ECANCELED);
}

static int guest_drains(void *arg)
{
    int r = ROOST_IDLE(roost_sleep(ROOST_SEC(9)));

    (void)arg;
    EXPECT_INT(r, -ESHUTDOWN);
    return r;
}

static void a_host_stops_all_its_roots(void **state)
{
    struct ev_loop *loop = host_begin();
    struct root a = { 0 }, b = { 0 };
    struct later l;

    (void)state;
    begin_root(&a, loop, guest_meets, NULL);
    begin_root(&b, loop, guest_drains, NULL);
    call_later(&l, loop, 5, host_stops, NULL);
    ev_run(loop, 0);
    EXPECT_ENDED(&a, -ECANCELED);
    EXPECT_ENDED(&b, 0);
    host_end(loop);
}

/* It stops its own root, and is gone before the phases are over. */
static int guest_stops_itself(void *arg)
{
    (void)arg;
    host_stops(NULL, NULL);
    EXPECT(roost__rt->stops);
    return ROOST_IDLE(roost_sleep(ROOST_SEC(9)));
}

static int guest_outlives(void *arg)
{
    (void)arg;
    EXPECT_INT(ROOST_IDLE(roost_sleep(ROOST_MS(100))), 0);
    EXPECT(!roost__rt->stops);
    EXPECT(!roost_stopping());
    return 0;
}

static void a_root_that_has_ended_forgets_its_stop(void **state)
{
    struct ev_loop *loop = host_begin();
    struct root a = { 0 }, b = { 0 };

    (void)state;
    begin_root(&a, loop, guest_stops_itself, NULL);
    begin_root(&b, loop, guest_outlives, NULL);
    ev_run(loop, 0);
    EXPECT_ENDED(&a, 0);
    EXPECT_ENDED(&b, 0);
    host_end(loop);
}

/* ---- the last act ---- */

static bool refuses(roost_wait *w, void *arg)
{
    (void)w, (void)arg;
    return false;
}

static int cannot_end(void *arg)
{
    roost_wait w;

    (void)arg;
    roost_wait_init(&w);
    return roost_park(&w, "godot", refuses, NULL);
}

struct act {
    roost_stop_budget budget;
    roost_scope *scope;
    int woken; /* after the last act */
    bool ended;
    roost_portal *portal;
};

static struct act act;

static int ends_badly(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, cannot_end, NULL), 0);
    settle();
    EXPECT_INT(roost_stop(act.scope, &act.budget), 0);
    return roost_nursery_close(&n, 0);
}

static int status_of(enum roost_last_act last, int exit_status)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        act.budget = (roost_stop_budget){
            .soft = ROOST_SEC(1), .hard = ROOST_SEC(1), .pierce = ROOST_SEC(1),
            .last = last, .exit_status = exit_status, .quiet = true };
        signal(SIGABRT, SIG_DFL);
        roost_ignore(roost_run_with(&(roost_options){
            .clock = ROOST_CLOCK_VIRTUAL }, ends_badly, NULL));
        _exit(99);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void the_last_act_exits_or_aborts(void **state)
{
    int status;

    (void)state;
    status = status_of(ROOST_LAST_EXIT, 7);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    status = status_of(ROOST_LAST_ABORT, 0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* All phases passed over: who stops does not come back. */
static int at_once(void *arg)
{
    roost_nursery n;

    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, cannot_end, NULL), 0);
    settle();
    roost_ignore(roost_stop(arg ? NULL : &n.scope, &(roost_stop_budget){
        .last = ROOST_LAST_RETURN }));
    act.ended = true;
    return roost_nursery_close(&n, 0);
}

static void a_run_can_be_left_at_once(void **state)
{
    const char *said;
    int seed;

    act.ended = false;
    kit_stderr_begin();
    for (seed = 0; seed < 3; seed++) {
        const roost_options o = { .clock = ROOST_CLOCK_VIRTUAL,
                                  .seed = (uint64_t)seed };

        assert_int_equal(roost_run_with(&o, at_once, NULL), -EBUSY);
        assert_int_equal(roost_run_with(&o, at_once, (void *)state), -EBUSY);
    }
    said = kit_stderr_end();
    assert_string_equal(said, ""); /* no phase took any time */
    assert_false(act.ended);
}

/* A program that is patient, a signal that is not. */
static int two_last_acts(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, cannot_end, NULL), 0);
    settle();
    EXPECT_INT(roost_stop(NULL, BUDGET(1, 1, 1)), 0);
    EXPECT_INT(roost_stop(NULL, &act.budget), 0);
    EXPECT_INT(roost_stop(NULL, BUDGET(1, 1, 1)), 0);
    return roost_nursery_close(&n, 0);
}

static void of_two_last_acts_the_later_in_the_list_is_done(void **state)
{
    (void)state;
    act = (struct act){ .budget = { .soft = ROOST_SEC(9), .hard = ROOST_SEC(9),
        .pierce = ROOST_SEC(9), .last = ROOST_LAST_RETURN, .quiet = true } };
    assert_int_equal(roost_run_with(&(roost_options){
        .clock = ROOST_CLOCK_VIRTUAL }, two_last_acts, NULL), -EBUSY);
}

/* In the very instant of the last act somebody is woken: he does not run. */
static int runs_no_more(void *arg)
{
    (void)arg;
    roost_ignore(ROOST_SHIELDED(ROOST_NEVER, cannot_end(NULL)));
    act.ended = true;
    return 0;
}

static void *posts_for_ever(void *arg)
{
    roost_portal *p = arg;
    int r;

    do
        r = roost_portal_post(p, counts, &act.woken);
    while (r != -ESHUTDOWN);
    roost_portal_free(p);
    return NULL;
}

static int signals_and_portals(void *arg)
{
    static roost_signals signals;
    roost_nursery n;

    roost_nursery_open(&n);
    act.portal = roost_portal_open(&n.scope);
    EXPECT(act.portal);
    EXPECT_INT(roost_signals_open(&signals, (int[]){ SIGUSR2, 0 }), 0);
    EXPECT_INT(pthread_create(arg, NULL, posts_for_ever, act.portal), 0);
    EXPECT_INT(roost_spawn(&n, runs_no_more, NULL), 0);
    settle();
    EXPECT_INT(roost_stop(NULL, &act.budget), 0);
    return roost_nursery_close(&n, 0);
}

/* Other threads' portals get -ESHUTDOWN; handlers come back; nothing of ours is
 * kept. */
static void the_run_that_returns_leaves_nothing_behind_T7(void **state)
{
    int before = kit_descriptors();
    struct sigaction now;
    pthread_t thread;

    (void)state;
    act = (struct act){ .budget = {
        .soft = ROOST_MS(5), .hard = ROOST_MS(5), .pierce = ROOST_MS(5),
        .last = ROOST_LAST_RETURN, .quiet = true } };
    alarm(20);
    kit_stderr_begin();
    assert_int_equal(roost_run(signals_and_portals, &thread), -EBUSY);
    kit_stderr_end();
    assert_int_equal(pthread_join(thread, NULL), 0);
    alarm(0);
    assert_false(act.ended);
    assert_int_equal(kit_descriptors(), before);
    assert_int_equal(sigaction(SIGUSR2, NULL, &now), 0);
    assert_true(now.sa_handler == SIG_DFL);
    assert_int_equal(kit_run(due_at_once, NULL), 0); /* and the next one runs */
}

/* Woken in the instant of the last act, by an older timer: nobody runs then. */
static int wakes_too_late(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, cannot_end, NULL), 0);
    settle();
    EXPECT_INT(roost_stop(NULL, &act.budget), 0);
    roost_ignore(ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_SEC(3))));
    act.woken++;
    return roost_nursery_close(&n, 0);
}

static void after_the_last_act_no_task_runs(void **state)
{
    (void)state;
    act = (struct act){ .budget = {
        .soft = ROOST_SEC(1), .hard = ROOST_SEC(2), .pierce = 0,
        .last = ROOST_LAST_RETURN, .quiet = true } };
    assert_int_equal(roost_run_with(&(roost_options){
        .clock = ROOST_CLOCK_VIRTUAL }, wakes_too_late, NULL), -EBUSY);
    assert_int_equal(act.woken, 0);
}

/* ---- misuse ---- */

static int in_another_run(void *arg)
{
    EXPECT_INT(roost_stop(arg, NULL), 0);
    return 0;
}

static int escalates_in_another_run(void *arg)
{
    EXPECT_INT(roost_stop_escalate(arg), 0);
    return 0;
}

static void *runs_elsewhere(void *arg)
{
    void **a = arg;

    EXPECT_INT(roost_run(*(roost_task_fn **)a[0], a[1]), 0);
    return NULL;
}

static int elsewhere(roost_task_fn *fn, bool stopped)
{
    pthread_t thread;
    roost_scope s;
    void *args[] = { &fn, &s };

    roost_scope_enter(&s, ROOST_NEVER);
    if (stopped)
        EXPECT_INT(roost_stop(&s, NULL), 0);
    EXPECT_INT(pthread_create(&thread, NULL, runs_elsewhere, args), 0);
    pthread_join(thread, NULL);
    return roost_scope_leave(&s, 0);
}

static int stop_elsewhere(void *arg)
{
    return elsewhere(in_another_run, arg);
}

static int escalate_elsewhere(void *arg)
{
    return elsewhere(escalates_in_another_run, arg);
}

static int stops_outside(void *arg)
{
    return roost_stop(arg, NULL);
}

static int escalates_outside(void *arg)
{
    return roost_stop_escalate(arg);
}

static int odd_budget(void *arg)
{
    (void)arg;
    return roost_stop(NULL, &(roost_stop_budget){ .hard = roost_now() });
}

static void stops_of_other_runs_and_outside_of_one_are_misuse(void **state)
{
    (void)state;
#ifndef ROOST__TSAN /* a thread after a fork: it does not know */
    kit_dies(stop_elsewhere, NULL, "another thread's run", NULL);
    kit_dies(stop_elsewhere, word("stopped"), "another thread's run", NULL);
    kit_dies(escalate_elsewhere, NULL, "another thread's run", NULL);
    kit_dies(escalate_elsewhere, word("stopped"), "another thread's run", NULL);
#else
    (void)stop_elsewhere, (void)escalate_elsewhere;
#endif
    kit_dies_outside(stops_outside, NULL, "outside a run", NULL);
    kit_dies_outside(escalates_outside, NULL, "outside a run", NULL);
    kit_dies(odd_budget, NULL, "hard budget", "instant", NULL);
}

/* ---- a deadlock meets a stop ---- */

static int waits_for_ever(void *arg)
{
    (void)arg;
    EXPECT_INT(roost_stop(NULL, BUDGET(1, 1, 1)), 0);
    EXPECT_INT(roost_event_join(&(roost_event){ 0 }), 0); /* cannot be undone */
    return 0;
}

static int locks_up(void *arg)
{
    roost_event e = { 0 };
    int r;

    (void)arg;
    EXPECT_INT(roost_stop(NULL, BUDGET(1, 1, 1)), 0);
    r = roost_event_wait(&e); /* nobody sets it; the stop's timer is a hope */
    EXPECT_INT(kit_ms(), 1000);
    return r;
}

static void a_stop_under_way_is_a_hope_against_deadlock_D4(void **state)
{
    (void)state;
    assert_int_equal(kit_run(locks_up, NULL), -ECANCELED);
    kit_dies(waits_for_ever, NULL, "deadlock", "cannot be undone", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escalate_goes_from_phase_to_phase),
        cmocka_unit_test(escalate_goes_on_from_the_stop_around_it),
        cmocka_unit_test(after_an_escalation_the_next_phase_has_its_budget),
        cmocka_unit_test(ROOST_NEVER_ends_no_phase_and_a_second_stop_does),
        cmocka_unit_test(phases_of_no_length_are_passed_over),
        cmocka_unit_test(of_several_stops_the_earliest_counts),
        cmocka_unit_test(a_scope_that_is_left_forgets_its_stop),
        cmocka_unit_test(what_falls_due_together_is_told_in_the_order_of_setting_S11),
        cmocka_unit_test(a_deferred_function_may_stop_the_run),
        cmocka_unit_test(roost_stopping_is_of_the_innermost_scope),
        cmocka_unit_test(without_memory_nothing_is_stopped),
        cmocka_unit_test(a_thread_stops_through_a_portal_G5),
        cmocka_unit_test(a_host_stops_all_its_roots),
        cmocka_unit_test(the_last_act_exits_or_aborts),
        cmocka_unit_test(the_run_that_returns_leaves_nothing_behind_T7),
        cmocka_unit_test(after_the_last_act_no_task_runs),
        cmocka_unit_test(stops_of_other_runs_and_outside_of_one_are_misuse),
        cmocka_unit_test(a_stop_under_way_is_a_hope_against_deadlock_D4),
        cmocka_unit_test(escalate_goes_on_from_a_hard_phase_around_it),
        cmocka_unit_test(of_each_phase_the_earlier_end_counts),
        cmocka_unit_test(of_two_last_acts_the_later_in_the_list_is_done),
        cmocka_unit_test(a_run_can_be_left_at_once),
        cmocka_unit_test(a_root_that_has_ended_forgets_its_stop),
        cmocka_unit_test(behind_a_shield_a_stop_has_its_own_phases_S12),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
