/* 05_own_primitive.c - a callback library becomes a call that waits.
 *
 * roost_park() suspends the task until the callback calls roost_wake(). Either
 * side may give up: a cancelled task aborts its command, unless the reply has
 * begun; a driver that closes calls back with an error. In virtual time prints:
 *
 *      30 ms  asked: OK
 *      55 ms  aborted: Connection timed out
 *      80 ms  too late to abort: OK
 *     120 ms  the modem is gone: Broken pipe
 */
#include <errno.h>
#include <roost.h>
#include <stdio.h>
#include <string.h>

/* A driver, as one finds them: it calls back, and knows no tasks. */
struct modem {
    int turns; /* until the reply is here; 0: no command */
    void (*done)(int reply, void *user);
    void *user;
};

static void modem_send(struct modem *m, int turns,
                       void (*done)(int reply, void *user), void *user)
{
    *m = (struct modem){ turns, done, user };
}

static bool modem_abort(struct modem *m)
{
    if (m->turns == 1)
        return false; /* the reply has begun: done() will be called */
    m->turns = 0;
    return true;
}

static void modem_turn(struct modem *m, bool close) /* to be called often */
{
    if (m->turns > 0 && (--m->turns == 0 || close))
        m->done(close ? -EPIPE : 0, m->user);
}

/* The adapter: this is all that it takes. */
static void on_reply(int reply, void *user)
{
    roost_wake(user, reply);
}

static bool on_cancel(roost_wait *w, void *modem)
{
    (void)w;
    return modem_abort(modem);
}

static int ask(struct modem *m, int turns)
{
    roost_wait w;

    roost_wait_init(&w);
    modem_send(m, turns, on_reply, &w);
    return roost_park(&w, "a reply of the modem", on_cancel, m);
}

/* Its use. */
ROOST_TASK_OF(struct modem, turn)(struct modem *m)
{
    int i, r = 0;

    for (i = 1; r >= 0 && i <= 12; i++) {
        r = roost_sleep(ROOST_MS(10));
        modem_turn(m, r < 0 || i == 12);
    }
    return r;
}

static void show(roost_time began, const char *what, int r)
{
    printf("%3d ms  %s: %s\n", (int)((roost_now() - began) / ROOST_MS(1)),
           what, r < 0 ? strerror(-r) : "OK");
}

static int main_task(void *modem)
{
    roost_time t = roost_now();

    ROOST_NURSERY(n);
    roost_go_on(n, turn, modem, .service = true);
    show(t, "asked", ask(modem, 3));
    show(t, "aborted", ROOST_WITHIN(ROOST_MS(25), ask(modem, 9)));
    show(t, "too late to abort", ROOST_WITHIN(ROOST_MS(20), ask(modem, 3)));
    show(t, "the modem is gone", ask(modem, 99));
    return roost_nursery_close(n, 0);
}

int main(void)
{
    return roost_run_with(&(roost_options){ .clock = ROOST_CLOCK_VIRTUAL },
                          main_task, &(struct modem){ 0 }) < 0;
}
