/* signals.h - receivers opened, signals sent, tasks that wait for one. */
#ifndef ROOST_TESTS_RULES_SIGNALS_H
#define ROOST_TESTS_RULES_SIGNALS_H

#include "rules/in_task.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/rt.h"

#ifdef ROOST__TSAN
#define UNDER_TSAN 1
#else
#define UNDER_TSAN 0
#endif

/* A receiver of one signal, or of two. */
static inline roost_signals open_two(int one, int two)
{
    roost_signals s = { 0 };

    EXPECT_INT(roost_signals_open(&s, (int[]){ one, two, 0 }), 0);
    return s;
}

static inline roost_signals open_one(int sig)
{
    return open_two(sig, 0);
}

static inline void send_self(int sig)
{
    EXPECT_INT(raise(sig), 0);
}

/* Nothing is left in it. */
static inline void expect_empty(roost_signals *s)
{
    EXPECT_INT(roost_signals_nowait(s), -EAGAIN);
}

/* One who waits, in a scope that others may cancel. */
struct taker {
    roost_signals *s;
    roost_scope *scope;
    int r, after;
    long long at;
};

static inline int takes(void *arg)
{
    struct taker *w = arg;
    roost_scope s;

    roost_scope_enter(&s, ROOST_NEVER);
    w->scope = &s;
    w->r = roost_signals_wait(w->s);
    w->at = kit_ms();
    w->after = roost_checkpoint();
    return roost_scope_leave(&s, w->after);
}

/* Lets the children get to where they wait. */
static inline void settle(void)
{
    int i;

    for (i = 0; i < 5; i++)
        EXPECT_INT(roost_checkpoint(), 0);
}

/* Lets the loop be looked at too; under the virtual clock. */
static inline void look(void)
{
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
}

/* The same claim under both clocks, the virtual one also held by descriptors. */
static inline void with_clocks(roost_task_fn *fn)
{
    roost_options o = { .clock = ROOST_CLOCK_REAL };

    assert_int_equal(kit_run_with(&o, fn, NULL), 0);
    o = (roost_options){ .clock = ROOST_CLOCK_VIRTUAL };
    assert_int_equal(kit_run_with(&o, fn, NULL), 0);
    o.hold_clock = ROOST_HOLD_IO;
    assert_int_equal(kit_run_with(&o, fn, NULL), 0);
    o.seed = 7;
    assert_int_equal(kit_run_with(&o, fn, NULL), 0);
}

/* TSan keeps a signal back until the fiber that it hit calls something again, and
 * a task that waits does not. So what others send is caught there by a thread
 * without a run; threads made in between leave it alone. It takes signals only when
 * it has begun: one that hits a thread before TSan knows it is lost, and with it
 * all of its kind. Else this is nothing. */
struct catcher {
    pthread_t thread;
    atomic_int begun, over;
    sigset_t set, before;
};

static inline void *catches(void *arg)
{
    struct catcher *c = arg;

    pthread_sigmask(SIG_UNBLOCK, &c->set, NULL);
    atomic_store(&c->begun, 1);
    while (!atomic_load(&c->over))
        poll(NULL, 0, 10);
    return NULL;
}

static inline void catch_elsewhere(struct catcher *c)
{
    static const int sent[] = { SIGUSR1, SIGUSR2, SIGHUP, SIGALRM, SIGCHLD };
    size_t i;

    if (!UNDER_TSAN)
        return;
    atomic_init(&c->begun, 0);
    atomic_init(&c->over, 0);
    sigemptyset(&c->set);
    for (i = 0; i < sizeof sent / sizeof *sent; i++)
        sigaddset(&c->set, sent[i]);
    pthread_sigmask(SIG_BLOCK, &c->set, &c->before);
    assert_int_equal(pthread_create(&c->thread, NULL, catches, c), 0);
    while (!atomic_load(&c->begun))
        poll(NULL, 0, 1);
}

static inline void catch_here(struct catcher *c)
{
    if (!UNDER_TSAN)
        return;
    atomic_store(&c->over, 1);
    pthread_join(c->thread, NULL);
    pthread_sigmask(SIG_SETMASK, &c->before, NULL);
}

/* What the process does now with a signal. */
static inline struct sigaction action_of(int sig)
{
    struct sigaction now;

    EXPECT_INT(sigaction(sig, NULL, &now), 0);
    return now;
}

/* But for a flag that the C library sets and means nothing to others. */
static inline bool same_action(const struct sigaction *a,
                               const struct sigaction *b)
{
    const int restorer = 0x04000000;
    int sig;

    for (sig = 1; sig <= SIGRTMAX; sig++)
        if (sigismember(&a->sa_mask, sig) != sigismember(&b->sa_mask, sig))
            return false;
    return a->sa_handler == b->sa_handler &&
           (a->sa_flags | restorer) == (b->sa_flags | restorer);
}

static inline void set_handler(int sig, void (*handler)(int sig))
{
    struct sigaction act = { .sa_handler = handler };

    EXPECT_INT(sigaction(sig, &act, NULL), 0);
}

#endif
