/* swallowed_cancel.c - a connection waits in its shield for the next question.
 *
 * An answer must not be torn, so it is made in a shield; but the wait for the next
 * question stands in the shield too, with its two hours of patience. Cancelled, the
 * asker waits for this child, and the child for the asker.
 *
 * Plain:  well
 * Found:  cancel@*
 * Words:  swallowed
 * Line:   return ROOST_WITHIN(ROOST_SEC(7200), roost_chan_recv(c->questions, ret));
 */
#include <errno.h>

#include "planted.h"

struct conn { roost_chan *questions, *answers; };

static int recv_question(struct conn *c, int *ret)
{
    return ROOST_WITHIN(ROOST_SEC(7200), roost_chan_recv(c->questions, ret));
}

static int send_answer(struct conn *c, int question)
{
    int r = roost_sleep(ROOST_MS(10)), answer = question * 2;

    if (r >= 0)
        r = roost_chan_send(c->answers, &answer);
    return r < 0 ? r : 1;
}

/* 1, 0 at the end. */
static int serve_one(struct conn *c)
{
    int question, r;

#ifdef FIXED
    r = recv_question(c, &question);
    if (r > 0)
        r = ROOST_SHIELDED(ROOST_SEC(1), send_answer(c, question));
    return r;
#endif
    ROOST_SHIELD(s, ROOST_NEVER);
    r = recv_question(c, &question);
    if (r > 0)
        r = send_answer(c, question);
    return roost_scope_leave(s, r);
}

ROOST_TASK_OF(struct conn, serve)(struct conn *c)
{
    int r;

    while ((r = serve_one(c)) > 0)
        ;
    roost_chan_close(c->questions);
    roost_chan_close(c->answers);
    return r;
}

static int ask_all(struct conn *c)
{
    int i, answer, r = 1;

    for (i = 0; r > 0 && i < 3; i++) {
        r = roost_chan_send(c->questions, &i);
        if (r >= 0)
            r = roost_chan_recv(c->answers, &answer);
        roost_check(r <= 0 || answer == i * 2, "%d is answered %d", i, answer);
    }
    if (r >= 0)
        roost_chan_close(c->questions);
    return r;
}

static int body(void *arg)
{
    struct conn c = { roost_chan_new(sizeof(int), 0),
                      roost_chan_new(sizeof(int), 1) };
    int r = -ENOMEM;

    (void)arg;
    if (c.questions && c.answers) {
        ROOST_NURSERY(n);
        roost_go_on(n, serve, &c);
        r = roost_nursery_close(n, ask_all(&c));
    }
    roost_chan_free(c.questions);
    roost_chan_free(c.answers);
    return r;
}

int main(int argc, char **argv)
{
    return planted(argc, argv, "swallowed_cancel", body);
}
