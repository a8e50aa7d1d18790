/* watchdog.c - a thread that looks whether the loop turns, and says who is to
 *              blame when it does not.
 *
 * Owns:     the thread; SIGURG's action while it lives. SIGURG: nobody uses it, and
 *           one too many is ignored (Go's runtime has it for the same).
 * Promises: a loop that waits for events is never accused; each blockage is said
 *           once, and once more when it is over; a blocked stdio lock, or a
 *           stderr that nobody reads, blocks nothing here.
 * Never:    reads a task from its own thread: the loop's thread is asked.
 *
 * The loop counts when it enters and leaves the kernel's wait. An even count that
 * stays the same is a turn that does not end. The loop's thread is then sent a
 * signal; its handler only notes task and return addresses, the thread finds the
 * names and prints.
 *
 * A stopped process (SIGSTOP, a debugger) counts as one look: time alone is no
 * proof.
 */
#define _GNU_SOURCE
#include "inspect/watchdog.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#if __has_include(<execinfo.h>)
#include <execinfo.h>
#else
#define backtrace(frames, most) 0
#endif

#include "core/task.h"
#include "inspect/place.h"
#include "inspect/urgent.h"

enum { LOOKS = 2, ASK_MS = 500 };
enum { NOTHING = 0, ASKED, ANSWERING, ANSWERED };

static _Atomic(struct roost__watchdog *) watching;

/* ---- in the loop's thread ---- */

static void pass_on(const struct sigaction *to, int sig, siginfo_t *info,
                    void *context)
{
    if (to->sa_flags & SA_SIGINFO)
        to->sa_sigaction(sig, info, context);
    else if (to->sa_handler != SIG_DFL && to->sa_handler != SIG_IGN)
        to->sa_handler(sig);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    struct roost__watchdog *w = atomic_load(&watching);
    const roost_task *t;
    int asked = ASKED, before = errno;

    if (!w || roost__rt != w->rt ||
        !atomic_compare_exchange_strong(&w->answer, &asked, ANSWERING)) {
        if (w)
            pass_on(&w->before, sig, info, context);
        return;
    }
    t = w->rt->current;
    w->asked_in = atomic_load(&w->crossings);
    w->site = t ? roost__place(t->site) : NULL;
    if (t)
        roost__task_path(t, w->path, sizeof w->path);
    w->count = backtrace(w->frames, ROOST__WATCHDOG_FRAMES);
    atomic_store(&w->answer, ANSWERED);
    errno = before;
}

/* ---- in the watchdog's ---- */

struct text {
    char bytes[8192];
    size_t len;
};

static void add(struct text *to, const char *fmt, ...) ROOST_PRINTF(2, 3);

static void add(struct text *to, const char *fmt, ...)
{
    size_t room = sizeof to->bytes - to->len;
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(to->bytes + to->len, room, fmt, args);
    va_end(args);
    if (n > 0)
        to->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void say(const struct text *t)
{
    roost__say_now(t->bytes, t->len);
}

/* From the frame that the signal met, behind the kernel's, to the task's first. */
static void add_frames(struct text *to, const struct roost__watchdog *w)
{
    char place[160];
    int i;

    for (i = 2; i < w->count; i++) {
        roost__place_of(w->frames[i], place, sizeof place);
        if (!strncmp(place, "task_life", 9))
            return;
        add(to, "roost:     %s\n", place);
    }
}

static void add_who(struct text *to, const struct roost__watchdog *w)
{
    if (w->site)
        add(to, "task %s, spawned at %s,", w->path, w->site);
    else
        add(to, "a callback of the loop, outside any task,");
}

/* false: it has not answered: it blocks the signal, or is deep in the kernel. */
static bool ask(struct roost__watchdog *w)
{
    static const struct timespec briefly = { .tv_nsec = 1000000 };
    int i, asked = ASKED;

    atomic_store(&w->answer, ASKED);
    if (pthread_kill(w->loop_thread, SIGURG) != 0)
        return false;
    for (i = 0; i < ASK_MS && atomic_load(&w->answer) != ANSWERED; i++)
        roost__sys->nanosleep(&briefly, NULL);
    if (atomic_compare_exchange_strong(&w->answer, &asked, NOTHING))
        return false;
    while (atomic_load(&w->answer) != ANSWERED)
        roost__sys->nanosleep(&briefly, NULL);
    return true;
}

/* What the thread knows of the turn under way. */
struct turn {
    unsigned crossings;
    int looks;         /* that found it the same */
    roost_time since;  /* the first of them */
    bool said, known;
};

static double seconds_since(roost_time since)
{
    return (double)(roost__sys->clock() - since) * 1e-9;
}

static void say_blocked(struct roost__watchdog *w, struct turn *turn)
{
    struct text text = { .len = 0 };
    unsigned now;

    turn->known = ask(w);
    now = turn->known ? w->asked_in : atomic_load(&w->crossings);
    if (now != turn->crossings)
        return; /* over just before */
    turn->said = true;
    add(&text, "roost: the loop has not turned for %.2f s: ",
        seconds_since(turn->since));
    if (turn->known)
        add_who(&text, w);
    else
        add(&text, "its thread, which does not answer,");
    add(&text, " runs and does not wait\n");
    if (turn->known)
        add_frames(&text, w);
    say(&text);
}

static void say_over(const struct roost__watchdog *w, const struct turn *turn)
{
    struct text text = { .len = 0 };

    add(&text, "roost: the loop turns again after %.2f s; ",
        seconds_since(turn->since));
    if (turn->known)
        add_who(&text, w);
    else
        add(&text, "something");
    add(&text, " had kept it\n");
    say(&text);
}

static void look(struct roost__watchdog *w, struct turn *turn)
{
    unsigned now = atomic_load(&w->crossings);

    if (now % 2 == 1 || now != turn->crossings) {
        if (turn->said)
            say_over(w, turn);
        *turn = (struct turn){ .crossings = now, .since = roost__sys->clock() };
        return;
    }
    if (++turn->looks < LOOKS)
        return;
    if (!turn->said)
        say_blocked(w, turn);
    if (turn->said && w->end && roost__sys->clock() >= atomic_load(&w->end_at))
        w->end(w);
}

/* Until it is over: half of what is too long; then often, to see the end. */
static bool wait_for_next(struct roost__watchdog *w, roost_time longest)
{
    roost_time at = roost__sys->clock() - ROOST__INSTANT_BASE + longest;
    struct timespec until = { .tv_sec = (time_t)(at / ROOST_SEC(1)),
                              .tv_nsec = (long)(at % ROOST_SEC(1)) };
    bool over;

    pthread_mutex_lock(&w->lock);
    while (!w->over &&
           pthread_cond_timedwait(&w->hurry, &w->lock, &until) != ETIMEDOUT)
        ;
    over = w->over;
    pthread_mutex_unlock(&w->lock);
    return !over;
}

static void *watch(void *arg)
{
    struct roost__watchdog *w = arg;
    struct turn turn = { .crossings = 1 };

    while (wait_for_next(w, turn.said ? w->blocked / 16 + 1 : w->blocked / LOOKS))
        look(w, &turn);
    if (turn.said)
        say_over(w, &turn);
    return NULL;
}

/* ---- starting and stopping ---- */

/* Signals of the process are for threads that expect them. */
static int start_thread(struct roost__watchdog *w)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    w->rt->sys->pthread_sigmask(SIG_BLOCK, &all, &before);
    r = -pthread_create(&w->thread, NULL, watch, w);
    w->rt->sys->pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

static void take_signal(struct roost__watchdog *w)
{
    struct sigaction ours = { .sa_sigaction = on_signal,
                              .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };

    (void)backtrace(w->frames, 1); /* loads libgcc; not in a handler */
    w->rt->sys->sigaction(SIGURG, &ours, &w->before);
    atomic_store(&watching, w);
}

static void let_signal_go(struct roost__watchdog *w)
{
    struct sigaction now;

    w->rt->sys->sigaction(SIGURG, NULL, &now);
    if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_signal)
        w->rt->sys->sigaction(SIGURG, &w->before, NULL);
    atomic_store(&watching, NULL);
}

int roost__watchdog_start(struct roost__watchdog *w, struct roost_rt *rt)
{
    pthread_condattr_t monotonic;
    int r;

    w->rt = rt;
    w->loop_thread = pthread_self();
    w->over = false;
    atomic_init(&w->crossings, 0);
    atomic_init(&w->answer, NOTHING);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->hurry, &monotonic);
    pthread_condattr_destroy(&monotonic);
    take_signal(w);
    roost__loop_count(&rt->loop, &w->crossings);
    r = start_thread(w);
    w->runs = r == 0;
    if (w->runs)
        return 0;
    roost__loop_count(&rt->loop, NULL);
    let_signal_go(w);
    return r;
}

void roost__watchdog_stop(struct roost__watchdog *w)
{
    if (!w->runs)
        return;
    pthread_mutex_lock(&w->lock);
    w->over = true;
    pthread_cond_signal(&w->hurry);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    w->runs = false;
    roost__loop_count(&w->rt->loop, NULL);
    let_signal_go(w);
}
