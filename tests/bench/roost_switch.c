/* roost_switch.c - going from task to task: yields and channels. */
#include <roost/chan.h>
#include <roost/nursery.h>
#include <roost/task.h>

#include "bench/bench.h"

struct job {
    const struct bench *b;
    uint64_t ops;
};

struct pair {
    roost_chan *there, *back;
    uint64_t ops;
};

/* Runs `fn` as the main task; the run must go well. */
static void run(roost_task_fn *fn, const struct bench *b, uint64_t ops)
{
    struct job j = { b, ops };

    bench_must(roost_run(fn, &j) == 0, b->name);
}

/* ---- yield_N: N tasks, one checkpoint after the other ---- */

static int yielder(void *arg)
{
    uint64_t left = *(uint64_t *)arg;
    int r = 0;

    while (left-- > 0 && r >= 0)
        r = roost_checkpoint();
    return r;
}

static int yield_all(uint64_t tasks, uint64_t each)
{
    roost_nursery n;

    roost_nursery_open(&n);
    for (uint64_t i = 0; i < tasks; i++)
        roost_spawn(&n, yielder, &each);
    return roost_nursery_close(&n, 0);
}

static int yield_main(void *arg)
{
    struct job *j = arg;
    uint64_t each = j->ops / j->b->size;
    double began;
    int r = yield_all(j->b->size, each / 20);

    if (r < 0)
        return r;
    began = bench_cpu_ns();
    r = yield_all(j->b->size, each);
    bench_figure_ns(j->b->name, "", began, each * j->b->size);
    return r;
}

static void yield(const struct bench *b, uint64_t ops)
{
    run(yield_main, b, ops);
}

/* ---- chan_rendezvous: there and back over two channels without room ---- */

static int echoer(void *arg)
{
    struct pair *p = arg;
    uint64_t item;
    int r;

    while ((r = roost_chan_recv(p->there, &item)) > 0) {
        r = roost_chan_send(p->back, &item);
        if (r < 0)
            break;
    }
    return r;
}

static int ping(struct pair *p)
{
    uint64_t item;
    int r = 0;

    for (uint64_t i = 0; i < p->ops && r >= 0; i++) {
        r = roost_chan_send(p->there, &i);
        if (r >= 0)
            r = roost_chan_recv(p->back, &item);
    }
    return r < 0 ? r : 0;
}

static int rendezvous_main(void *arg)
{
    struct job *j = arg;
    struct pair p = { roost_chan_new(8, 0), roost_chan_new(8, 0), j->ops / 20 };
    roost_nursery n;
    double began;
    int r;

    bench_must(p.there && p.back, "no memory");
    roost_nursery_open(&n);
    roost_spawn(&n, echoer, &p);
    r = ping(&p);
    p.ops = j->ops;
    began = bench_cpu_ns();
    if (r >= 0)
        r = ping(&p);
    bench_figure_ns(j->b->name, "", began, j->ops);
    roost_chan_close(p.there);
    r = roost_nursery_close(&n, r);
    roost_chan_free(p.there);
    roost_chan_free(p.back);
    return r;
}

static void rendezvous(const struct bench *b, uint64_t ops)
{
    run(rendezvous_main, b, ops);
}

/* ---- chan_buffered_N: one sends, one receives ---- */

static int sender(void *arg)
{
    struct pair *p = arg;
    int r = 0;

    for (uint64_t i = 0; i < p->ops && r >= 0; i++)
        r = roost_chan_send(p->there, &i);
    roost_chan_close(p->there);
    return r;
}

static int receiver(void *arg)
{
    struct pair *p = arg;
    uint64_t item;
    int r;

    while ((r = roost_chan_recv(p->there, &item)) > 0)
        ;
    return r;
}

static int stream(uint64_t room, uint64_t ops)
{
    struct pair p = { roost_chan_new(8, room), NULL, ops };
    roost_nursery n;
    int r;

    bench_must(p.there != NULL, "no memory");
    roost_nursery_open(&n);
    roost_spawn(&n, sender, &p);
    roost_spawn(&n, receiver, &p);
    r = roost_nursery_close(&n, 0);
    roost_chan_free(p.there);
    return r;
}

static int buffered_main(void *arg)
{
    struct job *j = arg;
    int r = stream(j->b->size, j->ops / 20);
    double began = bench_cpu_ns();

    if (r >= 0)
        r = stream(j->b->size, j->ops);
    bench_figure_ns(j->b->name, "", began, j->ops);
    return r;
}

static void buffered(const struct bench *b, uint64_t ops)
{
    run(buffered_main, b, ops);
}

int main(int argc, char **argv)
{
    static const struct bench table[] = {
        { "yield_2", yield, 8000000, 2 },
        { "yield_1000", yield, 4000000, 1000 },
        { "chan_rendezvous", rendezvous, 2000000, 0 },
        { "chan_buffered_128", buffered, 6000000, 128 },
        { 0 },
    };

    return bench_main(argc, argv, table);
}
