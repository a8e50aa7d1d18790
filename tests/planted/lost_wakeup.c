/* lost_wakeup.c - a log's flusher looks, yields, and then waits for news.
 *
 * What was added while it yielded woke nobody. Mostly the next line wakes it, but
 * after the last one nothing comes. Run as they come the two take turns such that
 * it goes well; in the other order it does not.
 *
 * Plain:  well
 * Found:  none:pick=*
 * Words:  deadlock
 */
#include "planted.h"

struct log {
    int lines, flushed;
    bool over;
    roost_lot news;
};

ROOST_TASK_OF(struct log, flush)(struct log *l)
{
    int r = 0;

    while (r >= 0 && (l->lines || !l->over)) {
        if (l->lines) {
            l->flushed += l->lines; /* all in one write */
            l->lines = 0;
            continue;
        }
        r = roost_checkpoint(); /* let a batch gather */
#ifdef FIXED
        if (l->lines || l->over)
            continue;
#endif
        if (r >= 0)
            r = roost_lot_wait(&l->news);
    }
    return r;
}

static int write_lines(struct log *l)
{
    int i, r = 0;

    for (i = 0; r >= 0 && i < 3; i++) {
        l->lines++;
        roost_lot_wake(&l->news, 1);
        r = roost_checkpoint();
    }
    return r;
}

ROOST_TASK_OF(struct log, write_all)(struct log *l)
{
    int r = write_lines(l);

    l->over = true;
    roost_lot_wake(&l->news, 1);
    return r;
}

static int body(void *arg)
{
    struct log l = { 0 };
    int r;

    (void)arg;
    ROOST_NURSERY(n);
    roost_go_on(n, flush, &l);
    roost_go_on(n, write_all, &l);
    r = roost_nursery_close(n, 0);
    return r;
}

int main(int argc, char **argv)
{
    return planted(argc, argv, "lost_wakeup", body);
}
