/* portals.h - threads that use portals, and functions to hand in.
 *
 * EXPECT is not made for threads: what they find is their result.
 */
#ifndef ROOST_TESTS_RULES_PORTALS_H
#define ROOST_TESTS_RULES_PORTALS_H

#include "kit/kit.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/rt.h"

/* A thread that calls fn(arg); with a portal it then sets `over`. */
struct thread {
    pthread_t id;
    roost_task_fn *fn;
    void *arg;
    int r;
    roost_portal *p;
    roost_event over;
};

static inline void sets_event(void *event)
{
    roost_event_set(event);
}

static inline int returns_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Until there is room: a call comes back when the loop has run what was posted
 * before. Who would only try again takes the processor from the loop, for ever
 * under valgrind, which runs one thread at a time and is not fair. */
static inline int post_surely(roost_portal *p, void (*fn)(void *arg), void *arg)
{
    int r;

    while ((r = roost_portal_post(p, fn, arg)) == -EAGAIN)
        if ((r = roost_portal_call(p, returns_nothing, NULL)) < 0)
            break;
    return r;
}

static inline void *thread_life(void *arg)
{
    struct thread *t = arg;

    t->r = t->fn(t->arg);
    if (t->p && post_surely(t->p, sets_event, &t->over) < 0)
        t->r = -EPROTO;
    return NULL;
}

static inline void begin_thread(struct thread *t, roost_task_fn *fn, void *arg)
{
    *t = (struct thread){ .fn = fn, .arg = arg };
    roost_event_init(&t->over);
    EXPECT_INT(pthread_create(&t->id, NULL, thread_life, t), 0);
}

static inline int join_thread(struct thread *t)
{
    EXPECT_INT(pthread_join(t->id, NULL), 0);
    return t->r;
}

/* A thread calls fn(arg) while the loop goes on; its result. */
static inline int in_thread(roost_portal *p, roost_task_fn *fn, void *arg)
{
    struct thread t = { .fn = fn, .arg = arg, .p = p };

    roost_event_init(&t.over);
    EXPECT_INT(pthread_create(&t.id, NULL, thread_life, &t), 0);
    EXPECT_INT(roost_event_join(&t.over), 0);
    return join_thread(&t);
}

/* fn(arg) in a thread, which is joined at once: for what needs no loop. */
static inline int in_thread_at_once(roost_task_fn *fn, void *arg)
{
    struct thread t;

    begin_thread(&t, fn, arg);
    return join_thread(&t);
}

/* Functions to hand in, and a literal for them. */
static inline void *word(const char *text)
{
    return (void *)(uintptr_t)text;
}

static inline void logs(void *text)
{
    EXPECT(!roost__self());
    kit_log(text);
}

static inline void counts(void *counter)
{
    ++*(int *)counter;
}

/* One more than what it was given. */
static inline int adds_one(void *arg)
{
    return *(int *)arg + 1;
}

/* The loop is looked at, and what was handed in runs. */
static inline void let_posts_run(void)
{
    EXPECT_INT(roost_sleep(1), 0);
}

/* Closed by its scope's end, or now. */
static inline void is_over(roost_portal *p)
{
    int nothing = 0;

    EXPECT_INT(roost_portal_post(p, counts, &nothing), -ESHUTDOWN);
    EXPECT_INT(roost_portal_call(p, adds_one, &nothing), -ESHUTDOWN);
    EXPECT_INT(roost_portal_cancel(p, "too late"), -ESHUTDOWN);
    EXPECT_INT(nothing, 0);
}

static inline void over_and_free(roost_portal *p)
{
    is_over(p);
    roost_portal_free(p);
}

/* What a thread is told. */
struct told {
    roost_portal *p;
    roost_nursery *n;
    roost_task_fn *fn;
    void *arg;
    int r, ran, cleaned;
    roost_scope *s;
    roost_event e;
    pthread_t loop;
};

static inline int calls(void *arg)
{
    struct told *t = arg;

    return roost_portal_call(t->p, t->fn, t->arg);
}

static inline int runs_task(void *arg)
{
    struct told *t = arg;

    return roost_portal_run(t->p, t->n, t->fn, t->arg);
}

static inline void open_for(struct told *t, roost_nursery *n)
{
    t->n = n;
    t->p = roost_portal_open(roost_nursery_scope(n));
    EXPECT(t->p);
}

/* What posts are about. */
struct portals {
    roost_portal *p, *q, *r;
    roost_nursery *n;
    roost_scope *s;
    int ran;
    roost_event e;
};

static inline void post_both(roost_portal *p, const char *text)
{
    EXPECT_INT(roost_portal_post(p, logs, word(text)), 0);
    EXPECT_INT(roost_portal_post(p, logs, word("end")), 0);
}

#endif
