/* deadline_race.c - a reply that came in time is freed, since the deadline passed.
 *
 * Done beats cancelled: the reply was handed over, then the deadline passed before
 * the task ran, and leave() says success. This code asks the scope instead of the
 * result, frees the reply, and the caller uses it.
 *
 * Plain:  well
 * Found:  early@*
 * Words:  success, but no reply
 * Line:   r = roost_chan_recv(v->replies, ret);
 */
#include <errno.h>
#include <stdlib.h>

#include "planted.h"

struct reply { char text[8]; };

struct server { roost_chan *questions, *replies; };

static int answer(struct server *v)
{
    struct reply *reply = malloc(sizeof *reply);
    int r = reply ? roost_sleep(ROOST_MS(10)) : -ENOMEM;

    if (r >= 0) {
        *reply = (struct reply){ "yes" };
        r = roost_chan_send(v->replies, &reply);
    }
    if (r < 0)
        free(reply);
    return r == -EPIPE ? 0 : r;
}

ROOST_TASK_OF(struct server, serve)(struct server *v)
{
    int question, r;

    while ((r = roost_chan_recv(v->questions, &question)) > 0)
        if ((r = answer(v)) < 0)
            break;
    roost_chan_close(v->replies);
    return r;
}

/* 1 with a reply, the caller's. */
static int ask(struct server *v, struct reply **ret)
{
    int question = '?', r;

    *ret = NULL;
    ROOST_TIMEOUT(s, ROOST_SEC(1));
    r = roost_chan_send(v->questions, &question);
    if (r >= 0)
        r = roost_chan_recv(v->replies, ret);
    r = roost_scope_leave(s, r);
#ifndef FIXED
    if (roost_scope_cancelled(s)) { /* late: nobody wants it */
        free(*ret);
        *ret = NULL;
    }
#endif
    return r;
}

static int ask_all(struct server *v)
{
    struct reply *reply;
    int i, r = 1;

    for (i = 0; r > 0 && i < 2; i++) {
        r = ask(v, &reply);
        roost_check(r <= 0 || reply, "success, but no reply");
        if (r > 0)
            free(reply);
    }
    roost_chan_close(v->questions);
    roost_chan_close(v->replies);
    return r;
}

static int body(void *arg)
{
    struct server v = { roost_chan_new(sizeof(int), 0),
                        roost_chan_new(sizeof(struct reply *), 0) };
    int r = -ENOMEM;

    (void)arg;
    if (v.questions && v.replies) {
        ROOST_NURSERY(n);
        roost_go_on(n, serve, &v);
        r = roost_nursery_close(n, ask_all(&v));
    }
    roost_chan_free(v.questions);
    roost_chan_free(v.replies);
    return r;
}

int main(int argc, char **argv)
{
    return planted(argc, argv, "deadline_race", body);
}
