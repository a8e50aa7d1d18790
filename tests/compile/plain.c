/* plain.c - the functions behind the macros, as bindings and C++ call them.
 *
 * Compiled as C11 and as C++17, linked with the static and the shared library.
 * Every macro that stands before a function is gone around here: (roost_x)(...).
 */
#include <errno.h>
#include <ev.h>
#include <roost.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static int wrong;

#define CHECK(cond) \
    ((cond) ? (void)0 : (void)(wrong++, fprintf(stderr, "%s: %s\n", ROOST_SITE, #cond)))

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

static int adds(void *arg)
{
    ++*(int *)arg;
    return 0;
}

static int adds_to(void *arg)
{
    ++**(int **)arg;
    roost_started(3);
    return 0;
}

static int starts(void *arg)
{
    ++*(int *)arg;
    roost_started(4);
    return 0;
}

static int waits(void *arg)
{
    roost_scope s;
    int r;

    (void)arg;
    (roost_scope_enter)(&s, ROOST_NEVER);
    r = roost_sleep_until(ROOST_NEVER);
    return (roost_scope_leave)(&s, r);
}

static int fails(void *arg)
{
    (void)arg;
    return (roost_fail)(-EIO, "reading %s", "a file");
}

static void scopes(void)
{
    roost_scope s;

    (roost_scope_enter)(&s, ROOST_NEVER);
    (roost_scope_set_deadline)(&s, roost_after(ROOST_MS(1)));
    CHECK(roost_sleep(ROOST_SEC(1)) == -ECANCELED);
    CHECK((roost_scope_leave)(&s, -ECANCELED) == -ETIMEDOUT);
    (roost_shield_enter)(&s, ROOST_SEC(1));
    (roost_scope_cancel)(&s, "a test");
    CHECK(roost_checkpoint() == -ECANCELED);
    CHECK((roost_scope_leave)(&s, -ECANCELED) == 0);
}

static void spawns(void)
{
    roost_nursery n;
    roost_nursery_options o;
    roost_spawn_options so;
    roost_child child;
    int count = 0, *p = &count;

    memset(&o, 0, sizeof o);
    memset(&so, 0, sizeof so);
    memset(&child, 0, sizeof child);
    so.child = &child;
    (roost_nursery_open_with)(&n, &o);
    CHECK((roost_spawn)(&n, adds, &count) == 0);
    CHECK((roost_spawn_copy)(&n, adds_to, &p, sizeof p) == 0);
    CHECK((roost_start)(&n, starts, &count) == 4);
    CHECK((roost_start_copy)(&n, adds_to, &p, sizeof p) == 3);
    CHECK((roost_start_with)(&n, starts, &count, &so) == 4);
    CHECK((roost_child_end)(&child, "a test") == 0);
    CHECK((roost_spawn_with)(&n, waits, NULL, &so) == 0);
    CHECK((roost_child_end)(&child, "a test") == 0);
    CHECK((roost_spawn)(&n, fails, NULL) == 0);
    CHECK((roost_nursery_close)(&n, 0) == -EIO);
    CHECK(roost_error_of(-EIO) != NULL);
    CHECK(count == 5);
    (roost_nursery_open)(&n);
    CHECK((roost_spawn)(&n, waits, NULL) == 0);
    (roost_nursery_cancel)(&n, "a test");
    CHECK((roost_nursery_close)(&n, 0) == 0);
}

static int body(roost_nursery *n, void *arg)
{
    CHECK((roost_spawn)(n, adds, arg) == 0);
    return 9;
}

static void channels(void)
{
    roost_chan *c = roost_chan_new(sizeof(int), 1);
    int item = 5, got = 0;

    CHECK((roost_chan_send)(c, &item) == 0);
    CHECK((roost_chan_send_nowait)(c, &item) == -EAGAIN);
    CHECK((roost_chan_recv)(c, &got) == 1);
    CHECK((roost_chan_recv_nowait)(c, &got) == -EAGAIN);
    CHECK(got == 5);
    CHECK(roost_chan_send(c, &item) == 0);
    CHECK(roost_chan_recv_nowait(c, &got) == 1);
    roost_chan_free(c);
}

/* The loop's own thread may not wait for itself; (roost_portal_run) says so. */
static void portals(void)
{
    roost_scope s;
    roost_nursery n;
    roost_portal *p;
    int count = 0;

    (roost_nursery_open)(&n);
    (roost_scope_enter)(&s, ROOST_NEVER);
    p = (roost_portal_open)(&s);
    CHECK(p != NULL);
    CHECK((roost_portal_run)(p, &n, adds, &count) == -EDEADLK);
    CHECK((roost_portal_cancel)(p, "a test") == 0);
    CHECK(roost_sleep(ROOST_NEVER) == -ECANCELED);
    CHECK((roost_scope_leave)(&s, -ECANCELED) == 0);
    CHECK((roost_portal_cancel)(p, "a test") == -ESHUTDOWN);
    CHECK((roost_nursery_close)(&n, 0) == 0);
    roost_portal_free(p);
}

static void signals_come(void)
{
    static const int list[] = { SIGUSR1, 0 };
    roost_signals s;

    CHECK((roost_signals_open)(&s, list) == 0);
    CHECK(raise(SIGUSR1) == 0);
    CHECK(roost_signals_wait(&s) == SIGUSR1);
    roost_signals_close(&s);
}

static void over(int result, void *arg)
{
    *(int *)arg = result;
}

/* In a loop of the host's. */
static void guests(void)
{
    struct ev_loop *loop = ev_loop_new(0);
    roost_root *root;
    int count = 0, result = 0;

    root = (roost_attach)(loop, seven, NULL, over, &result);
    CHECK(root != NULL);
    root = (roost_attach)(loop, waits, NULL, over, &count);
    CHECK(root != NULL);
    (roost_root_cancel)(root, "a test");
    ev_run(loop, 0);
    CHECK(result == 7 && count == -ECANCELED);
    ev_loop_destroy(loop);
}

static int stops(void *arg)
{
    (void)arg;
    CHECK((roost_stop)(NULL, NULL) == 0);
    return ROOST_IDLE(roost_sleep(ROOST_SEC(1)));
}

static int main_task(void *arg)
{
    int count = 0;

    (void)arg;
    scopes();
    spawns();
    channels();
    portals();
    signals_come();
    CHECK((roost_nursery_run)(body, &count) == 9);
    CHECK(count == 1);
    return 0;
}

/* The guards work in C++ too. */
static int with_guards(void *arg)
{
    int count = 0, r;

    (void)arg;
    ROOST_SCOPE(s);
    ROOST_NURSERY(n);
    roost_spawn(n, adds, &count);
    roost_spawn(n, waits, NULL);
    r = roost_checkpoint();
    CHECK(r == 0 && count == 1);
    roost_nursery_cancel(n, "a test");
    r = roost_nursery_close(n, r);
    return roost_scope_leave(s, r);
}

int main(void)
{
    roost_options o;

    memset(&o, 0, sizeof o);
    o.clock = ROOST_CLOCK_VIRTUAL;
    CHECK((roost_run)(seven, NULL) == 7);
    CHECK((roost_run_with)(NULL, seven, NULL) == 7);
    CHECK((roost_run_with)(&o, main_task, NULL) == 0);
    CHECK(roost_run_with(&o, with_guards, NULL) == 0);
    CHECK((roost_daemon_run)(stops, NULL, NULL) == 0);
    guests();
    CHECK((roost_fail)(-EIO, "outside %s", "a task") == -EIO);
    return wrong != 0;
}
