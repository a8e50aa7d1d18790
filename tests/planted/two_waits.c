/* two_waits.c - "whichever comes first" loses a message when both come.
 *
 * Two children wait, the first one home cancels the other: who may have received
 * already, since done beats cancelled. Its message is thrown away. In the order of
 * arrival it never happens.
 *
 * Plain:  well
 * Found:  none:pick=*
 * Words:  sent
 */
#include <errno.h>

#include "planted.h"

struct feeds {
    roost_chan *news, *prices;
    int sent, got;
};

struct take { roost_chan *from; int *ret_item; roost_nursery *among; };

ROOST_TASK(take)(struct take *t)
{
    int r = roost_chan_recv(t->from, t->ret_item);

    if (r >= 0)
        roost_nursery_cancel(t->among, "another was first");
    return r;
}

/* How many messages came of either feed: at least 1, or 0 at the end. */
static int take_either(struct feeds *f)
{
    int r, news = 0, price = 0;

    ROOST_NURSERY(n);
    roost_go(n, take, .from = f->news, .ret_item = &news, .among = n);
    roost_go(n, take, .from = f->prices, .ret_item = &price, .among = n);
    r = roost_nursery_close(n, 0);
#ifdef FIXED
    f->got += !!news + !!price;
#else
    f->got += news ? 1 : !!price;
#endif
    return r < 0 ? r : news || price;
}

struct publish { struct feeds *to; roost_chan *feed; int later; };

ROOST_TASK(publish)(struct publish *p)
{
    int i, r = 0;

    while (r >= 0 && p->later-- > 0)
        r = roost_checkpoint(); /* makes it up */
    for (i = 1; r >= 0 && i <= 2; i++) {
        r = roost_chan_send(p->feed, &i);
        p->to->sent += r >= 0;
    }
    return r;
}

ROOST_TASK_OF(struct feeds, publish_all)(struct feeds *f)
{
    int r;

    ROOST_NURSERY(n);
    roost_go(n, publish, .to = f, .feed = f->news);
    roost_go(n, publish, .to = f, .feed = f->prices, .later = 1);
    r = roost_nursery_close(n, 0);
    roost_chan_close(f->news);
    roost_chan_close(f->prices);
    return r;
}

static int follow(struct feeds *f)
{
    int r;

    if (!f->news || !f->prices)
        return -ENOMEM;
    ROOST_NURSERY(n);
    roost_go_on(n, publish_all, f, .service = true);
    while ((r = take_either(f)) > 0)
        ;
    return roost_nursery_close(n, r);
}

static int body(void *arg)
{
    struct feeds f = { roost_chan_new(sizeof(int), 0),
                       roost_chan_new(sizeof(int), 0), 0, 0 };
    int r = follow(&f);

    (void)arg;
    roost_check(f.got == f.sent, "%d were sent, %d came", f.sent, f.got);
    roost_chan_free(f.news);
    roost_chan_free(f.prices);
    return r;
}

int main(int argc, char **argv)
{
    return planted(argc, argv, "two_waits", body);
}
