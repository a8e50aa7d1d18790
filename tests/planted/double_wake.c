/* double_wake.c - a driver calls back for a command that was given up.
 *
 * The abort function says that it is undone, but has not told the driver: this one
 * calls back all the same when it is closed, and wakes a wait that is over. The
 * library stops the program there; torture tells that one run died, and how.
 *
 * Plain:  well
 * Found:  cancel@*
 * Words:  roost_wake
 * Line:   r = roost_park(&m->asker, "a reply of the modem", give_up, m);
 */
#include <errno.h>

#include "planted.h"

struct modem {
    int turns; /* until the reply is here; 0: no command */
    int replies;
    roost_wait asker;
};

static void modem_turn(struct modem *m, bool close)
{
    if (m->turns == 0 || (--m->turns > 0 && !close))
        return;
    m->turns = 0;
    roost_wake(&m->asker, close ? -EPIPE : 0);
}

static bool give_up(roost_wait *w, void *modem)
{
    struct modem *m = modem;

#ifdef FIXED
    m->turns = 0;
#endif
    return w == &m->asker;
}

static int ask(struct modem *m, int turns)
{
    int r;

    roost_wait_init(&m->asker);
    m->turns = turns;
    r = roost_park(&m->asker, "a reply of the modem", give_up, m);
    if (r >= 0)
        m->replies++;
    return r;
}

/* Until its user is gone. */
ROOST_TASK_OF(struct modem, drive)(struct modem *m)
{
    int r;

    do {
        r = roost_sleep(ROOST_MS(10));
        modem_turn(m, r < 0);
    } while (r >= 0);
    return r;
}

static int body(void *arg)
{
    struct modem m = { .turns = 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    if (roost_go_on(n, drive, &m, .service = true) < 0)
        return roost_nursery_close(n, 0);
    r = ask(&m, 3);
    if (r >= 0)
        r = ask(&m, 2);
    return roost_nursery_close(n, r);
}

int main(int argc, char **argv)
{
    return planted(argc, argv, "double_wake", body);
}
