/* test_portal_cancel.c - claims about portals and what is around them: memory and
 *                        descriptors, cancelled scopes and threads, the clock.
 */
#define _GNU_SOURCE
#include "rules/portals.h"

#include <string.h>
#include <sys/mman.h>

#include "core/sys.h"

/* ---- what the system refuses ---- */

static struct roost_sys sys;
static int refused;

static void *no_mmap(void *at, size_t bytes, int prot, int flags, int fd,
                     off_t offset)
{
    if (!refused)
        return mmap(at, bytes, prot, flags, fd, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

static int no_eventfd(unsigned count, int flags)
{
    if (!refused)
        return roost__sys_default.eventfd(count, flags);
    errno = refused;
    return -1;
}

static void *no_alloc(size_t bytes)
{
    return refused ? NULL : roost__sys_default.alloc(bytes);
}

static int runs_without_stacks(void *arg)
{
    struct told t = { .fn = adds_one, .arg = &t.ran };
    roost_nursery_options o = { .stack_bytes = 8u << 20 };
    roost_nursery n;

    (void)arg;
    roost_nursery_open_with(&n, &o);
    open_for(&t, &n);
    refused = 1;
    EXPECT_INT(in_thread(t.p, runs_task, &t), -ENOMEM);
    refused = 0;
    EXPECT_INT(in_thread(t.p, runs_task, &t), 1);
    EXPECT_INT(roost_nursery_close(&n, 5), 5);
    roost_portal_free(t.p);
    return 0;
}

static void a_run_without_memory_did_not_run_N11(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL, .sys = &sys };

    (void)state;
    sys = roost__sys_default;
    sys.mmap = no_mmap;
    assert_int_equal(kit_run_with(&o, runs_without_stacks, NULL), 0);
}

static int opens_refused(void *arg)
{
    int ran = 0;
    roost_portal *p;

    ROOST_SCOPE(s);
    refused = *(int *)arg;
    errno = 0;
    p = roost_portal_open(s);
    EXPECT(!p);
    EXPECT_INT(errno, refused);
    refused = 0;
    EXPECT_INT(roost__rt->outside, 0);
    p = roost_portal_open(s);
    EXPECT(p);
    EXPECT_INT(roost_portal_post(p, counts, &ran), 0);
    EXPECT_INT(roost_scope_leave(s, 2), 2);
    EXPECT_INT(ran, 1);
    over_and_free(p);
    return 0;
}

static void opening_fails_with_EMFILE_and_ENOMEM_and_can_be_repeated(
    void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL, .sys = &sys };
    int code = EMFILE;

    (void)state;
    sys = roost__sys_default;
    sys.eventfd = no_eventfd;
    assert_int_equal(kit_run_with(&o, opens_refused, &code), 0);
    sys = roost__sys_default;
    sys.alloc = no_alloc;
    code = ENOMEM;
    assert_int_equal(kit_run_with(&o, opens_refused, &code), 0);
}

static ssize_t full_eventfd(int fd, const void *buf, size_t len)
{
    ssize_t r = roost__sys_default.write(fd, buf, len);

    errno = EAGAIN;
    return r > 0 ? -1 : r;
}

static int posts_into_full(void *arg)
{
    int ran = 0;
    roost_portal *p;

    (void)arg;
    ROOST_SCOPE(s);
    p = roost_portal_open(s);
    errno = 77;
    EXPECT_INT(roost_portal_post(p, counts, &ran), 0);
    EXPECT_INT(errno, 77);
    EXPECT_INT(roost_sleep(1), 0);
    EXPECT_INT(ran, 1);
    errno = 78;
    EXPECT_INT(roost_portal_cancel(p, "a test"), 0);
    EXPECT_INT(errno, 78);
    EXPECT_INT(roost_sleep(1), -ECANCELED);
    EXPECT_INT(roost_scope_leave(s, -ECANCELED), 0);
    roost_portal_free(p);
    return 0;
}

static void a_ring_that_fails_keeps_errno_as_well(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL, .sys = &sys };

    (void)state;
    sys = roost__sys_default;
    sys.write = full_eventfd;
    assert_int_equal(kit_run_with(&o, posts_into_full, NULL), 0);
}

/* ---- cancelling ---- */

static int cancels(void *p)
{
    int r = roost_portal_cancel(p, "the user's wish");

    return r < 0 ? r : roost_portal_cancel(p, "a second thought");
}

static int is_cancelled_by_thread(void *arg)
{
    roost_portal *p;
    const char *why;

    (void)arg;
    ROOST_SCOPE(s);
    p = roost_portal_open(s);
    EXPECT_INT(in_thread_at_once(cancels, p), 0);
    EXPECT(!roost_scope_cancelled(s));
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_INT(kit_ms(), 0);
    why = kit_why(s);
    EXPECT_HAS(why, "the user's wish");
    EXPECT_HAS(why, "test_portal_cancel.c:");
    EXPECT(!strstr(why, "a second thought"));
    EXPECT_INT(roost_portal_cancel(p, "a third"), 0);
    roost_ignore(roost_sleep(1));
    EXPECT(!strstr(kit_why(s), "a third"));
    roost_portal_close(p);
    over_and_free(p);
    return roost_scope_leave(s, -ECANCELED);
}

static void a_thread_cancels_the_scope_the_first_cause_is_kept_S2_S14_S16(
    void **state)
{
    (void)state;
    assert_int_equal(kit_run(is_cancelled_by_thread, NULL), 0);
}

static roost_portal *of_handler;

static void cancels_in_handler(int sig)
{
    (void)sig;
    roost_portal_cancel(of_handler, "interrupted");
}

static int is_interrupted(void *arg)
{
    roost_nursery n;

    (void)arg;
    signal(SIGUSR1, cancels_in_handler);
    roost_nursery_open(&n);
    of_handler = roost_portal_open(roost_nursery_scope(&n));
    roost_spawn(&n, kit_sleep_forever, NULL);
    raise(SIGUSR1);
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), -ECANCELED);
    EXPECT_HAS(kit_why(roost_nursery_scope(&n)), "interrupted");
    EXPECT_INT(roost_nursery_close(&n, -ECANCELED), 0);
    raise(SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
    over_and_free(of_handler);
    return 0;
}

static void a_signal_handler_cancels_the_scope_S14(void **state)
{
    (void)state;
    assert_int_equal(kit_run(is_interrupted, NULL), 0);
}

static void logs_state(void *s)
{
    kit_log(roost_scope_cancelled(s) ? "cancelled" : "not yet");
}

static int tells_state(void *s)
{
    return roost_scope_cancelled(s);
}

static int checks(void *arg)
{
    (void)arg;
    return roost_checkpoint();
}

static int posts_cancels_calls(void *arg)
{
    struct told *t = arg;
    int r = roost_portal_post(t->p, logs_state, t->s);

    if (r < 0 || roost_portal_cancel(t->p, "now") < 0 ||
        roost_portal_call(t->p, tells_state, t->s) != 1)
        return -EPROTO;
    return roost_portal_run(t->p, t->n, checks, NULL);
}

static int orders_cancel(void *arg)
{
    struct told t = { 0 };
    int i;

    (void)arg;
    for (i = 0; i < 50; i++) {
        ROOST_NURSERY(n);
        open_for(&t, n);
        t.s = roost_nursery_scope(n);
        EXPECT_INT(in_thread(t.p, posts_cancels_calls, &t), -ECANCELED);
        EXPECT_LOG("not yet");
        EXPECT_INT(roost_nursery_close(n, 0), 0);
        roost_portal_free(t.p);
    }
    return 0;
}

static void a_cancel_comes_between_a_threads_posts_and_its_next_call(
    void **state)
{
    (void)state;
    assert_int_equal(kit_run(orders_cancel, NULL), 0);
}

/* ---- the clock ---- */

static int posts_later(void *arg)
{
    struct told *t = arg;

    usleep(5000); /* lint: the loop is idle by then, in real time */
    return roost_portal_post(t->p, sets_event, &t->e);
}

static int waits_for_thread(void *arg)
{
    struct told t = { 0 };
    struct thread thread;
    roost_scope s;

    roost_event_init(&t.e);
    roost_scope_enter(&s, ROOST_NEVER);
    t.p = roost_portal_open(&s);
    begin_thread(&thread, posts_later, &t);
    EXPECT_INT(roost_event_wait(&t.e), 0);
    EXPECT_INT(join_thread(&thread), 0);
    EXPECT_INT(roost_scope_leave(&s, 0), 0);
    over_and_free(t.p);
    return arg ? roost_event_wait(arg) : 0; /* which nobody sets any more */
}

static void an_open_portal_is_no_deadlock_a_closed_one_is_D4(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_REAL };
    roost_event never;

    (void)state;
    roost_event_init(&never);
    assert_int_equal(kit_run(waits_for_thread, NULL), 0);
    assert_int_equal(kit_run_with(&o, waits_for_thread, NULL), 0);
    kit_stderr_begin();
    assert_int_equal(kit_run(waits_for_thread, &never), -EDEADLK);
    assert_int_equal(kit_run_with(&o, waits_for_thread, &never), -EDEADLK);
    assert_non_null(strstr(kit_stderr_end(), "deadlock"));
}

static int sleeps_long(void *arg)
{
    struct told t = { 0 };
    struct thread thread;
    roost_scope s;

    roost_event_init(&t.e);
    roost_scope_enter(&s, ROOST_NEVER);
    t.p = roost_portal_open(&s);
    if (arg)
        begin_thread(&thread, posts_later, &t);
    EXPECT_INT(ROOST_WITHIN(ROOST_SEC(3600), roost_event_wait(&t.e)),
               arg ? 0 : -ETIMEDOUT);
    EXPECT_INT(kit_ms(), arg ? 0 : 3600000);
    if (arg)
        EXPECT_INT(join_thread(&thread), 0);
    roost_portal_close(t.p);
    EXPECT_INT(roost_sleep(ROOST_SEC(1)), 0);
    roost_portal_free(t.p);
    return roost_scope_leave(&s, 0);
}

static void an_open_portal_holds_virtual_time_with_HOLD_IO_alone_D3(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL,
                        .hold_clock = ROOST_HOLD_IO };

    (void)state;
    assert_int_equal(kit_run(sleeps_long, NULL), 0);
    assert_int_equal(kit_run_with(&o, sleeps_long, &o), 0);
}

/* ---- threads that are cancelled ---- */

static int answers_late(void *arg)
{
    usleep(2000); /* lint: the thread waits by then, in real time */
    return adds_one(arg);
}

static void *posts_cancelled(void *arg)
{
    struct told *t = arg;

    pthread_cancel(pthread_self()); /* the next cancellation point */
    t->r = roost_portal_post(t->p, counts, &t->ran);
    t->ran += roost_portal_call(t->p, answers_late, &t->ran) == 2;
    roost_ignore(roost_portal_post(t->p, sets_event, &t->e));
    pthread_testcancel();
    return NULL;
}

static int cancels_thread(void *arg)
{
    struct told t = { .r = -1 };
    pthread_t thread;
    void *end;

    (void)arg;
    roost_event_init(&t.e);
    ROOST_SCOPE(s);
    t.p = roost_portal_open(s);
    EXPECT_INT(pthread_create(&thread, NULL, posts_cancelled, &t), 0);
    EXPECT_INT(roost_event_join(&t.e), 0);
    EXPECT_INT(pthread_join(thread, &end), 0);
    EXPECT(end == PTHREAD_CANCELED);
    EXPECT_INT(t.r, 0);
    EXPECT_INT(t.ran, 2);
    EXPECT_INT(roost_scope_leave(s, 0), 0);
    roost_portal_free(t.p);
    return 0;
}

static void a_thread_that_is_cancelled_ends_behind_its_post_and_call(
    void **state)
{
    (void)state;
    assert_int_equal(kit_run(cancels_thread, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_without_memory_did_not_run_N11),
        cmocka_unit_test(
            opening_fails_with_EMFILE_and_ENOMEM_and_can_be_repeated),
        cmocka_unit_test(a_ring_that_fails_keeps_errno_as_well),
        cmocka_unit_test(
            a_thread_cancels_the_scope_the_first_cause_is_kept_S2_S14_S16),
        cmocka_unit_test(a_signal_handler_cancels_the_scope_S14),
        cmocka_unit_test(
            a_cancel_comes_between_a_threads_posts_and_its_next_call),
        cmocka_unit_test(an_open_portal_is_no_deadlock_a_closed_one_is_D4),
        cmocka_unit_test(
            an_open_portal_holds_virtual_time_with_HOLD_IO_alone_D3),
        cmocka_unit_test(
            a_thread_that_is_cancelled_ends_behind_its_post_and_call),
    };

    alarm(60);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
