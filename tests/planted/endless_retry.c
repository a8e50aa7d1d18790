/* endless_retry.c - "only interrupted": a lookup takes -ECANCELED for try again.
 *
 * A cancelled task is told so at each wait, at once, so this loop spins for ever
 * and time stands still.
 *
 * Plain:  well
 * Found:  cancel@*
 * Words:  ignored in a loop
 * Line:   int address, r = roost_chan_send(v->questions, &name);
 */
#include <errno.h>

#include "planted.h"

struct resolver { roost_chan *questions, *answers; };

/* Drops the first question, as networks do. */
ROOST_TASK_OF(struct resolver, answer)(struct resolver *v)
{
    int question, r, seen = 0;

    while ((r = roost_chan_recv(v->questions, &question)) > 0)
        if (seen++ > 0 && (r = roost_chan_send(v->answers, &question)) < 0)
            break;
    roost_chan_close(v->answers);
    return r == -EPIPE ? 0 : r;
}

static int ask_once(struct resolver *v, int name)
{
    int address, r = roost_chan_send(v->questions, &name);

    if (r >= 0)
        r = roost_chan_recv(v->answers, &address);
    return r == 0 ? -EPIPE : r < 0 ? r : address;
}

static int look_up(struct resolver *v, int name)
{
    int r, tries = 0;

    do {
        r = ROOST_WITHIN(ROOST_MS(200), ask_once(v, name));
        if (r == -ETIMEDOUT && ++tries == 5)
            return r;
#ifdef FIXED
    } while (r == -ETIMEDOUT);
#else
    } while (r == -ETIMEDOUT || r == -EINTR || r == -ECANCELED);
#endif
    return r;
}

static int ask_all(struct resolver *v)
{
    int i, r = 0;

    for (i = 1; r >= 0 && i <= 3; i++) {
        r = look_up(v, i);
        roost_check(r < 0 || r == i, "%d is at %d", i, r);
    }
    roost_chan_close(v->questions);
    roost_chan_close(v->answers);
    return r;
}

static int body(void *arg)
{
    struct resolver v = { roost_chan_new(sizeof(int), 0),
                          roost_chan_new(sizeof(int), 0) };
    int r = -ENOMEM;

    (void)arg;
    if (v.questions && v.answers) {
        ROOST_NURSERY(n);
        roost_go_on(n, answer, &v);
        r = roost_nursery_close(n, ask_all(&v));
    }
    roost_chan_free(v.questions);
    roost_chan_free(v.answers);
    return r;
}

int main(int argc, char **argv)
{
    return planted(argc, argv, "endless_retry", body);
}
