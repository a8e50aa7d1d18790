/* 04_pipeline.c - stages joined by channels: backpressure, and an orderly end.
 *
 * One task makes numbers, two square them, the main task adds them up. A
 * channel has a bound, so the maker is held to the pace of those after it.
 * The end travels the same way: who has sent the last item closes the channel,
 * where two share one their nursery knows when. Prints, in virtual time: 1 to 4
 * are in at 0 ms, 5 and 6 at 30 ms, 7 and 8 at 60 ms, the sum 204 at 120 ms.
 */
#include <errno.h>
#include <roost.h>
#include <stdio.h>

struct pipeline {
    roost_chan *numbers, *squares;
    roost_time began;
};

static int now_ms(const struct pipeline *p)
{
    return (int)((roost_now() - p->began) / ROOST_MS(1));
}

ROOST_TASK_OF(struct pipeline, make)(struct pipeline *p)
{
    int i, r = 0;

    for (i = 1; r >= 0 && i <= 8; i++) {
        r = roost_chan_send(p->numbers, &i);
        if (r >= 0)
            printf("%3d ms  %d is in\n", now_ms(p), i);
    }
    roost_chan_close(p->numbers);
    return r;
}

ROOST_TASK_OF(struct pipeline, square)(struct pipeline *p)
{
    int i, r;

    while ((r = roost_chan_recv(p->numbers, &i)) > 0) {
        i *= i;
        r = roost_sleep(ROOST_MS(30)); /* it is hard work */
        if (r >= 0)
            r = roost_chan_send(p->squares, &i);
        if (r < 0)
            return r;
    }
    return r;
}

/* A stage of several tasks: its nursery knows when nobody sends any more. */
ROOST_TASK_OF(struct pipeline, square_all)(struct pipeline *p)
{
    int r;

    ROOST_NURSERY(n);
    roost_go_on(n, square, p, .name = "square a");
    roost_go_on(n, square, p, .name = "square b");
    r = roost_nursery_close(n, 0);
    roost_chan_close(p->squares);
    return r;
}

static int add_up(struct pipeline *p)
{
    int i, r, sum = 0;

    ROOST_NURSERY(n);
    roost_go_on(n, make, p);
    roost_go_on(n, square_all, p);
    while ((r = roost_chan_recv(p->squares, &i)) > 0)
        sum += i;
    r = roost_nursery_close(n, r);
    if (r >= 0)
        printf("%3d ms  the sum of the squares is %d\n", now_ms(p), sum);
    return r;
}

static int main_task(void *arg)
{
    struct pipeline p = { .began = roost_now() };
    int r = -ENOMEM;

    (void)arg;
    p.numbers = roost_chan_new(sizeof(int), 2);
    p.squares = roost_chan_new(sizeof(int), 0);
    if (p.numbers && p.squares)
        r = add_up(&p);
    roost_chan_free(p.squares);
    roost_chan_free(p.numbers);
    return r;
}

int main(void)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };

    return roost_run_with(&o, main_task, NULL) < 0;
}
