/* many.c - a program with tasks in many states, for a debugger. See run.
 *
 * It calls stopped(1) in a task and stopped(2) in a callback of the loop, when none
 * runs; a second thread has a run of its own all the while. It prints nothing and
 * returns 0. With "abort" it aborts in stopped(2).
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <ev.h>
#include <roost.h>

#define NOINLINE __attribute__((noinline))

NOINLINE void stopped(int how);

static int abort_at;
static roost_event never;
static int end[2], ready[2];    /* pipes of the second thread */
static _Thread_local volatile char own[100]; /* so libroost's are not the first */

/* What is kept of it is in the registers that a callee must save. */
NOINLINE static int opaque(int value)
{
    __asm__ volatile("" : "+r"(value));
    return value;
}

NOINLINE void stopped(int how)
{
    if (opaque(how) == abort_at)
        abort();
}

NOINLINE static int deep(int level)
{
    int a = opaque(level * 10 + 1), b = opaque(level * 10 + 2), r;

    r = level ? deep(level - 1) : ROOST_IDLE(roost_event_wait(&never));
    return r < 0 ? r : opaque(a) + opaque(b);
}

static int waits_deep(void *arg)
{
    return deep(*(int *)arg);
}

static int closes(void *arg)
{
    ROOST_NURSERY(n);
    roost_spawn_at(n, waits_deep, arg, "deep.c:1");
    return roost_nursery_close(n, 0);
}

static int never_runs(void *arg)
{
    (void)arg;
    return 0;
}

static int stops(void *nursery)
{
    int r = roost_sleep(ROOST_MS(1));

    roost_spawn_at(nursery, never_runs, NULL, "fresh.c:1");
    if (r == 0)
        stopped(1);
    return r;
}

static int main_task(void *arg)
{
    int level = 3;

    ROOST_NURSERY_WITH(n, .name = "all");
    roost_spawn_with_at(n, closes, &level,
                        &(roost_spawn_options){ .name = "closer" }, "closer.c:1");
    roost_spawn_at(n, stops, n, "stops.c:1");
    (void)arg;
    return roost_nursery_close(n, 0);
}

static void in_loop(struct ev_loop *loop, ev_timer *w, int events)
{
    (void)loop, (void)w, (void)events;
    stopped(2);
    roost_event_set(&never);
}

/* ---- the second thread ---- */

static int listens(void *arg)
{
    (void)arg;
    return roost_wait_fd(end[0], ROOST_READ);
}

static int says_ready(void *arg)
{
    (void)arg;
    return (int)write(ready[1], "", 1);
}

static int other_main(void *arg)
{
    ROOST_NURSERY(n);
    roost_spawn_at(n, listens, arg, "listens.c:1");
    roost_spawn_at(n, says_ready, arg, "ready.c:1"); /* that one waits by then */
    return roost_nursery_close(n, 0);
}

static void *other_thread(void *arg)
{
    roost_ignore(roost_run_at(other_main, arg, "other.c:1"));
    return NULL;
}

int main(int argc, char **argv)
{
    roost_options o = { .loop = ev_loop_new(EVFLAG_AUTO) };
    pthread_t thread;
    ev_timer timer;
    char byte;
    int r;

    abort_at = argc > 1 ? atoi(argv[1]) : 0;
    own[argc] = 1;
    roost_event_init(&never);
    if (pipe(end) != 0 || pipe(ready) != 0 ||
        pthread_create(&thread, NULL, other_thread, NULL) != 0 ||
        read(ready[0], &byte, 1) != 1)
        return 2;
    ev_timer_init(&timer, in_loop, 0.05, 0);
    ev_timer_start(o.loop, &timer);
    r = roost_run_with_at(&o, main_task, NULL, "run.c:1");
    close(end[1]);
    pthread_join(thread, NULL);
    ev_loop_destroy(o.loop);
    return r != 0;
}
