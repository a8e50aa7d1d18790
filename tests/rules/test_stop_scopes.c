/* test_stop_scopes.c - claims about stops of scopes in scopes, from odd places,
 * and of what moves between them (X5, N10, N15).
 */
#define _GNU_SOURCE
#include "rules/hosts.h"
#include "rules/portals.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <roost/daemon.h>

#include "core/sched.h"

#define BUDGET(s, h, p) \
    &(roost_stop_budget){ .soft = ROOST_SEC(s), .hard = ROOST_SEC(h), \
                          .pierce = ROOST_SEC(p), .quiet = true }

static void settle(void)
{
    int i;

    for (i = 0; i < 5; i++)
        EXPECT_INT(roost_checkpoint(), 0);
}

/* Where a task noted what came over it. */
struct note {
    int r;
    long long at;
    bool stopping, over;
};

static int note(struct note *n, int r)
{
    n->r = r;
    n->at = kit_ms();
    n->stopping = roost_stopping();
    n->over = true;
    return r;
}

static int idles(void *arg)
{
    return note(arg, ROOST_IDLE(roost_sleep(ROOST_NEVER)));
}

static int works(void *arg)
{
    return note(arg, roost_sleep(ROOST_SEC(3)));
}

static int shielded(void *arg)
{
    return note(arg, ROOST_SHIELDED(ROOST_NEVER, roost_sleep(ROOST_NEVER)));
}

#define EXPECT_NOTE(n, with, when)  \
    do {                            \
        EXPECT((n).over);           \
        EXPECT_INT((n).r, with);    \
        EXPECT_INT((n).at, when);   \
    } while (0)

#define CLAIM(name, body)                                \
    static void name(void **state)                       \
    {                                                    \
        (void)state;                                     \
        assert_int_equal(kit_run(body, NULL), 0);        \
    }

/* ---- abort functions that stop and cancel ---- */

struct meddler {
    roost_scope *cancels, *stops;
};

static bool meddles(roost_wait *w, void *arg)
{
    struct meddler *m = arg;

    (void)w;
    if (m->cancels)
        roost_scope_cancel(m->cancels, "meddled with");
    if (m->stops)
        EXPECT_INT(roost_stop(m->stops, BUDGET(10, 5, 5)), 0);
    return true;
}

static int parks(void *arg)
{
    roost_wait w;

    roost_wait_init(&w);
    return ROOST_IDLE(roost_park(&w, "a meddler", meddles, arg));
}

/* All of them end at once, whoever is told twice. */
static int crowd(struct meddler *m, void (*begin)(roost_scope *s))
{
    struct note n[6] = { 0 };
    roost_nursery all, some;
    int i;

    roost_nursery_open(&all);
    EXPECT_INT(roost_spawn(&all, parks, m), 0);
    roost_nursery_open(&some);
    for (i = 0; i < 3; i++)
        EXPECT_INT(roost_spawn(&some, idles, &n[i]), 0);
    for (; i < 6; i++)
        EXPECT_INT(roost_spawn(&all, idles, &n[i]), 0);
    settle();
    m->cancels = m->cancels ? &some.scope : NULL;
    m->stops = m->stops ? &some.scope : NULL;
    begin(&all.scope);
    roost_ignore(roost_nursery_close(&some, 0));
    roost_ignore(roost_nursery_close(&all, 0));
    for (i = 0; i < 6; i++)
        EXPECT(n[i].over);
    EXPECT_INT(kit_ms(), 0);
    return 0;
}

static void soft_stop(roost_scope *s)
{
    EXPECT_INT(roost_stop(s, BUDGET(10, 5, 5)), 0);
}

static void hard_stop(roost_scope *s)
{
    EXPECT_INT(roost_stop(s, BUDGET(0, 5, 5)), 0);
}

static void plain_cancel(roost_scope *s)
{
    roost_scope_cancel(s, "a test");
}

static int aborts_meddle(void *arg)
{
    static roost_scope some;
    void (*const begin[])(roost_scope *s) = { soft_stop, hard_stop, plain_cancel };
    int i;

    (void)arg;
    for (i = 0; i < 3; i++) {
        crowd(&(struct meddler){ .cancels = &some }, begin[i]);
        crowd(&(struct meddler){ .stops = &some }, begin[i]);
        crowd(&(struct meddler){ .stops = &some, .cancels = &some }, begin[i]);
    }
    return 0;
}
CLAIM(abort_functions_may_stop_and_cancel_and_nobody_is_forgotten, aborts_meddle)

/* ---- a started child moves ---- */

struct starter {
    roost_nursery *n;
    struct note inner, after;
    int started;
    roost_time when;
};

/* Starts in a scope that is being stopped; lives on in a nursery that is not. */
static int starts_and_lives(void *arg)
{
    struct starter *s = arg;
    roost_nursery n;

    roost_nursery_open(&n);
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), 0);
    EXPECT(roost_stopping());
    roost_started(1);
    EXPECT(!roost_stopping());
    EXPECT_INT(roost_spawn(&n, works, &s->inner), 0);
    EXPECT_INT(ROOST_IDLE(roost_sleep(ROOST_SEC(2))), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    return note(&s->after, ROOST_IDLE(roost_sleep(ROOST_SEC(1))));
}

static int moves_out(void *arg)
{
    struct starter s = { 0 };
    roost_nursery n;
    roost_scope caller;

    (void)arg;
    roost_nursery_open(&n);
    roost_scope_enter(&caller, ROOST_NEVER);
    EXPECT_INT(roost_stop(&caller, BUDGET(10, 5, 5)), 0);
    EXPECT_INT(roost_start(&n, starts_and_lives, &s), 1);
    EXPECT_INT(roost_scope_leave(&caller, 0), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_NOTE(s.inner, 0, 4000);
    EXPECT_NOTE(s.after, 0, 5000);
    EXPECT(!s.after.stopping);
    return 0;
}
CLAIM(who_moves_out_of_a_stop_is_no_longer_stopped_N10, moves_out)

/* The other way: the nursery is stopping, the caller is not. */
static int idle_in_shield(void *arg)
{
    return note(arg, ROOST_SHIELDED(ROOST_NEVER,
                                    ROOST_IDLE(roost_sleep(ROOST_NEVER))));
}

static int starts_with_family(void *arg)
{
    struct starter *s = arg;
    int r;
    roost_nursery n;

    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, idle_in_shield, &s->inner), 0);
    r = roost_sleep_until(s->when);
    EXPECT(!roost_stopping());
    roost_started(1);
    EXPECT(roost_stopping());
    r = ROOST_IDLE(roost_sleep(ROOST_SEC(50)));
    note(&s->after, r);
    return roost_nursery_close(&n, r);
}

static int calls_start(void *arg)
{
    struct starter *s = arg;

    EXPECT_INT(roost_start(s->n, starts_with_family, s), 1);
    return 0;
}

static struct starter moves_in(roost_time after, roost_stop_budget *b)
{
    struct starter s = { .when = roost_after(after) };
    roost_nursery out, n;

    roost_nursery_open(&out);
    roost_nursery_open(&n);
    s.n = &n;
    EXPECT_INT(roost_spawn(&out, calls_start, &s), 0);
    settle();
    EXPECT_INT(roost_stop(&n.scope, b), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_INT(roost_nursery_close(&out, 0), 0);
    return s;
}

static int moves_into_each_phase(void *arg)
{
    struct starter s;
    long long began;

    (void)arg;
    s = moves_in(ROOST_SEC(1), BUDGET(10, 5, 5));
    EXPECT_NOTE(s.inner, -ESHUTDOWN, 1000);
    EXPECT_NOTE(s.after, -ESHUTDOWN, 1000);
    began = kit_ms();
    s = moves_in(ROOST_SEC(11), BUDGET(10, 5, 5));
    EXPECT_NOTE(s.inner, -ESHUTDOWN, began + 11000);
    EXPECT_NOTE(s.after, -ECANCELED, began + 11000);
    began = kit_ms();
    s = moves_in(ROOST_SEC(16), BUDGET(10, 5, 5));
    EXPECT(s.inner.r < 0);
    EXPECT_INT(s.inner.at, began + 16000);
    EXPECT_NOTE(s.after, -ECANCELED, began + 16000);
    return 0;
}
CLAIM(who_moves_into_a_stop_is_stopped_as_far_N10, moves_into_each_phase)

/* ---- services ---- */

/* What an ordinary child still needs: it serves on request. */
struct desk {
    roost_chan *asks;
    int served;
    struct note end;
};

static int desk_serves(void *arg)
{
    struct desk *d = arg;
    int i, r;

    while ((r = ROOST_IDLE(roost_chan_recv(d->asks, &i))) == 1) {
        d->served++;
        EXPECT(!roost_stopping());
    }
    return note(&d->end, r);
}

/* It needs the service while it is shielded, in the hard phase too. */
static int asks_late(void *arg)
{
    struct desk *d = arg;
    int i = 1, j;
    roost_scope s;

    roost_shield_enter(&s, ROOST_NEVER);
    for (j = 0; j < 4; j++) {
        EXPECT_INT(roost_sleep(ROOST_SEC(2)), 0);
        EXPECT_INT(roost_chan_send(d->asks, &i), 0);
    }
    return roost_scope_leave(&s, 0);
}

static int service_serves_to_the_end(void *arg)
{
    struct desk d = { .asks = roost_chan_new(sizeof(int), 0) };
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn_with(&n, desk_serves, &d,
                                &(roost_spawn_options){ .service = true }), 0);
    EXPECT_INT(roost_spawn(&n, asks_late, &d), 0);
    settle();
    EXPECT_INT(roost_stop(&n.scope, BUDGET(1, 20, 5)), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_INT(d.served, 4);
    EXPECT_NOTE(d.end, -ECANCELED, 8000); /* when it was alone; too late for soft */
    roost_chan_free(d.asks);
    return 0;
}
CLAIM(a_service_is_not_told_in_the_hard_phase_either_N15,
      service_serves_to_the_end)

/* Made in the hard phase, for whoever is shielded. */
static int service_made_late(void *arg)
{
    struct desk d = { .asks = roost_chan_new(sizeof(int), 0) };
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, asks_late, &d), 0);
    settle();
    EXPECT_INT(roost_stop(&n.scope, BUDGET(0, 20, 5)), 0);
    EXPECT_INT(roost_spawn_with(&n, desk_serves, &d,
                                &(roost_spawn_options){ .service = true }), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_INT(d.served, 4);
    EXPECT_NOTE(d.end, -ECANCELED, 8000);
    roost_chan_free(d.asks);
    return 0;
}
CLAIM(nor_one_that_is_made_in_it_N15, service_made_late)

static int pierced_service(void *arg)
{
    struct note s = { 0 }, o = { 0 };
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn_with(&n, idles, &s,
                                &(roost_spawn_options){ .service = true }), 0);
    EXPECT_INT(roost_spawn(&n, shielded, &o), 0);
    settle();
    EXPECT_INT(roost_stop(&n.scope, BUDGET(1, 2, 5)), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_NOTE(s, -ECANCELED, 3000);
    EXPECT_NOTE(o, -ECANCELED, 3000);
    return 0;
}
CLAIM(pierce_goes_through_services_N15, pierced_service)

/* A service with a nursery of its own, that has a service again. */
struct tower {
    struct note inner_work, inner_service, self;
};

static int tower(void *arg)
{
    struct tower *t = arg;
    roost_nursery n;
    int r;

    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, works, &t->inner_work), 0);
    EXPECT_INT(roost_spawn_with(&n, idles, &t->inner_service,
                                &(roost_spawn_options){ .service = true }), 0);
    r = note(&t->self, ROOST_IDLE(roost_sleep(ROOST_NEVER)));
    r = roost_nursery_close(&n, r);
    EXPECT_INT(r, -ESHUTDOWN);
    return r;
}

static int tower_falls(void *arg)
{
    struct tower t = { 0 };
    struct note work = { 0 };
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn_with(&n, tower, &t,
                                &(roost_spawn_options){ .service = true }), 0);
    settle();
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), 0);
    EXPECT_INT(roost_spawn(&n, works, &work), 0);
    EXPECT_INT(roost_stop(NULL, BUDGET(20, 5, 5)), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_NOTE(work, 0, 4000);
    EXPECT_NOTE(t.inner_work, 0, 3000);
    EXPECT_NOTE(t.self, -ESHUTDOWN, 4000);
    EXPECT_NOTE(t.inner_service, -ESHUTDOWN, 4000);
    EXPECT_INT(kit_ms(), 4000);
    return 0;
}
CLAIM(services_in_services_are_told_in_turn_N15, tower_falls)

/* Told softly, it stays: the hard phase finds it. */
static int told_and_stays(void *arg)
{
    struct note *n = arg;
    int r = ROOST_IDLE(roost_sleep(ROOST_NEVER));

    EXPECT_INT(r, -ESHUTDOWN);
    EXPECT_INT(kit_ms(), 0);
    return note(n, roost_sleep(ROOST_NEVER));
}

static int told_then_cancelled(void *arg)
{
    struct note s = { 0 };
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn_with(&n, told_and_stays, &s,
                                &(roost_spawn_options){ .service = true }), 0);
    settle();
    EXPECT_INT(roost_stop(&n.scope, BUDGET(6, 5, 5)), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_NOTE(s, -ECANCELED, 6000);
    return 0;
}
CLAIM(a_service_that_was_told_meets_the_hard_phase_N15, told_then_cancelled)

/* The stop comes when the nursery closes already, and is alone with services
 * that it has cancelled, or waits for work. */
static int stops_all(void *arg)
{
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), 0);
    return roost_stop(arg, BUDGET(20, 5, 5));
}

static int closing_already(void *arg)
{
    struct note s = { 0 }, w = { 0 };
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn_with(&n, idles, &s,
                                &(roost_spawn_options){ .service = true }), 0);
    EXPECT_INT(roost_spawn(&n, works, &w), 0);
    EXPECT_INT(roost_spawn(&n, stops_all, NULL), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_NOTE(s, -ESHUTDOWN, 3000);
    return 0;
}
CLAIM(services_of_a_closing_nursery_get_their_phase_too_N15, closing_already)

/* A failure while they are asked softly: they are cancelled, as ever. */
static int fails_when_told(void *arg)
{
    int r = ROOST_IDLE(roost_sleep(ROOST_NEVER));

    EXPECT_INT(r, -ESHUTDOWN);
    return note(arg, -EIO);
}

static int failing_service(void *arg)
{
    struct note f = { 0 }, s = { 0 };
    const roost_spawn_options service = { .service = true };
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn_with(&n, fails_when_told, &f, &service), 0);
    EXPECT_INT(roost_spawn_with(&n, told_and_stays, &s, &service), 0);
    settle();
    EXPECT_INT(roost_stop(&n.scope, BUDGET(6, 5, 5)), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), -EIO);
    EXPECT_NOTE(s, -ECANCELED, 0);
    return 0;
}
CLAIM(a_failing_service_ends_the_others_in_a_stop_too_N3, failing_service)

/* ---- what ends with -ESHUTDOWN ---- */

static int idle_defer(void *arg)
{
    (void)arg;
    return ROOST_IDLE(roost_sleep(ROOST_SEC(1)));
}

static int defers(void *arg)
{
    EXPECT_INT(roost_defer(idle_defer, NULL), 0);
    return note(arg, roost_sleep(ROOST_SEC(1)));
}

static int stopped_defer(void *arg)
{
    struct note d = { 0 };
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, defers, &d), 0);
    settle();
    EXPECT_INT(roost_stop(&n.scope, BUDGET(6, 5, 5)), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_NOTE(d, 0, 1000);
    return 0;
}
CLAIM(a_deferred_function_that_a_stop_ended_did_not_fail_X5, stopped_defer)

static void never_called(int code, const roost_error *e, void *arg)
{
    (void)e;
    *(int *)arg = code;
}

static int isolated(void *arg)
{
    struct note i = { 0 };
    int told = 0;
    roost_child child = { 0 };
    roost_nursery n;

    (void)arg;
    roost_nursery_open_with(&n, &(roost_nursery_options){
        .policy = ROOST_ISOLATE, .on_error = never_called,
        .on_error_arg = &told });
    EXPECT_INT(roost_spawn_with(&n, idles, &i,
                                &(roost_spawn_options){ .child = &child }), 0);
    settle();
    EXPECT_INT(roost_stop(&n.scope, BUDGET(6, 5, 5)), 0);
    settle();
    EXPECT_INT(roost_child_end(&child, "a test"), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_INT(told, 0);
    return 0;
}
CLAIM(an_isolated_child_that_a_stop_ended_did_not_fail_X5, isolated)

static int drains_in_nurseries(void *arg)
{
    struct note a = { 0 }, b = { 0 };
    int r;
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, idles, &a), 0);
    EXPECT_INT(roost_spawn(&n, works, &b), 0);
    r = ROOST_IDLE(roost_sleep(ROOST_NEVER));
    EXPECT_INT(r, -ESHUTDOWN);
    r = roost_nursery_close(&n, r);
    EXPECT_INT(r, -ESHUTDOWN);
    EXPECT_NOTE(a, -ESHUTDOWN, 1000);
    EXPECT_NOTE(b, 0, 3000); /* nobody was cancelled */
    return r;
}

static int bodies_end(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, drains_in_nurseries, NULL), 0);
    EXPECT_INT(roost_spawn(&n, stops_all, &n.scope), 0);
    return roost_nursery_close(&n, 0);
}
CLAIM(a_body_that_a_stop_ended_cancels_nobody_X5, bodies_end)

static int real_errors_count(void *arg)
{
    struct note w = { 0 };
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, fails_when_told, &(struct note){ 0 }), 0);
    EXPECT_INT(roost_spawn(&n, works, &w), 0);
    settle();
    EXPECT_INT(roost_stop(&n.scope, BUDGET(6, 5, 5)), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), -EIO);
    EXPECT_NOTE(w, -ECANCELED, 0);
    return 0;
}
CLAIM(a_failure_in_a_stop_is_one_N2, real_errors_count)

/* ---- what a stop asks, and how often ---- */

/* It refuses a stop, and agrees to a cancellation. */
static bool only_cancelled(roost_wait *w, void *arg)
{
    (void)w;
    ++*(int *)arg;
    return roost_scope_cancelled(w->task->scope->parent);
}

static int refuses_stops(void *arg)
{
    roost_wait w;

    roost_wait_init(&w);
    return ROOST_IDLE(roost_park(&w, "a test", only_cancelled, arg));
}

static int asked_twice(void *arg)
{
    int asked = 0, asked_new = 0;
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_spawn(&n, refuses_stops, &asked), 0);
    settle();
    EXPECT_INT(roost_stop(&n.scope, BUDGET(2, 5, 5)), 0);
    EXPECT_INT(roost_spawn(&n, refuses_stops, &asked_new), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_INT(kit_ms(), 2000);
    EXPECT_INT(asked, 2);
    EXPECT_INT(asked_new, 2);
    return 0;
}
CLAIM(who_refuses_a_stop_is_asked_again_when_cancelled_C9, asked_twice)

/* Two waits in one call: it has begun with the first. */
static int waits_twice(void)
{
    int r = roost_sleep(ROOST_SEC(1));

    return r < 0 ? r : roost_sleep(ROOST_SEC(2));
}

static int idle_twice(void *arg)
{
    return note(arg, ROOST_IDLE(waits_twice()));
}

static int first_wait_only(void *arg)
{
    struct note n = { 0 };
    roost_nursery all;

    (void)arg;
    roost_nursery_open(&all);
    EXPECT_INT(roost_spawn(&all, idle_twice, &n), 0);
    EXPECT_INT(roost_sleep(ROOST_SEC(2)), 0);
    EXPECT_INT(roost_stop(&all.scope, BUDGET(9, 5, 5)), 0);
    EXPECT_INT(roost_nursery_close(&all, 0), 0);
    EXPECT_NOTE(n, 0, 3000);
    return 0;
}
CLAIM(the_mark_is_of_the_first_wait_only_X5, first_wait_only)

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int foreign(void *arg)
{
    (void)arg;
    EXPECT_INT(roost_defer(nothing, NULL), 0);
    return -ESHUTDOWN;
}

static int foreign_in_a_stop(void *arg)
{
    roost_nursery n;

    (void)arg;
    roost_nursery_open(&n);
    EXPECT_INT(roost_stop(&n.scope, BUDGET(9, 5, 5)), 0);
    EXPECT_INT(roost_spawn(&n, foreign, NULL), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), -ESHUTDOWN);
    return 0;
}
CLAIM(a_foreign_ESHUTDOWN_in_a_stop_is_a_failure_too_X5, foreign_in_a_stop)

/* What stops by itself in who moves out of another stop goes on stopping. */
static int stops_inside(void *arg)
{
    struct starter *s = arg;
    roost_scope own;

    roost_scope_enter(&own, ROOST_NEVER);
    EXPECT_INT(roost_stop(&own, BUDGET(3, 5, 5)), 0);
    roost_started(1);
    EXPECT(roost_stopping());
    EXPECT_INT(ROOST_IDLE(roost_sleep(ROOST_SEC(1))), -ESHUTDOWN);
    EXPECT_INT(roost_sleep(ROOST_NEVER), -ECANCELED);
    EXPECT_INT(roost_scope_leave(&own, -ECANCELED), 0);
    EXPECT(!roost_stopping());
    return note(&s->after, ROOST_IDLE(roost_sleep(ROOST_SEC(1))));
}

static int moves_with_a_stop(void *arg)
{
    struct starter s = { 0 };
    roost_nursery n;
    roost_scope caller;

    (void)arg;
    roost_nursery_open(&n);
    roost_scope_enter(&caller, ROOST_NEVER);
    EXPECT_INT(roost_stop(&caller, BUDGET(10, 5, 5)), 0);
    EXPECT_INT(roost_start(&n, stops_inside, &s), 1);
    EXPECT_INT(roost_scope_leave(&caller, 0), 0);
    EXPECT_INT(roost_nursery_close(&n, 0), 0);
    EXPECT_NOTE(s.after, 0, 4000);
    return 0;
}
CLAIM(who_moves_keeps_the_stops_of_his_own_N10, moves_with_a_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(abort_functions_may_stop_and_cancel_and_nobody_is_forgotten),
        cmocka_unit_test(who_moves_out_of_a_stop_is_no_longer_stopped_N10),
        cmocka_unit_test(who_moves_into_a_stop_is_stopped_as_far_N10),
        cmocka_unit_test(a_service_is_not_told_in_the_hard_phase_either_N15),
        cmocka_unit_test(nor_one_that_is_made_in_it_N15),
        cmocka_unit_test(pierce_goes_through_services_N15),
        cmocka_unit_test(services_in_services_are_told_in_turn_N15),
        cmocka_unit_test(a_service_that_was_told_meets_the_hard_phase_N15),
        cmocka_unit_test(services_of_a_closing_nursery_get_their_phase_too_N15),
        cmocka_unit_test(a_failing_service_ends_the_others_in_a_stop_too_N3),
        cmocka_unit_test(a_deferred_function_that_a_stop_ended_did_not_fail_X5),
        cmocka_unit_test(an_isolated_child_that_a_stop_ended_did_not_fail_X5),
        cmocka_unit_test(a_body_that_a_stop_ended_cancels_nobody_X5),
        cmocka_unit_test(a_failure_in_a_stop_is_one_N2),
        cmocka_unit_test(who_refuses_a_stop_is_asked_again_when_cancelled_C9),
        cmocka_unit_test(the_mark_is_of_the_first_wait_only_X5),
        cmocka_unit_test(a_foreign_ESHUTDOWN_in_a_stop_is_a_failure_too_X5),
        cmocka_unit_test(who_moves_keeps_the_stops_of_his_own_N10),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
