/* libev_timers.c - 100,000 timers of 1 to 100 ms, raw: the work of
 *                  roost_timers.c with a callback that starts its timer again.
 */
#include <ev.h>

#include "bench/bench.h"

struct sleeper {
    ev_timer w;
    uint64_t left;
};

static uint32_t random_state = 2463534242u;

static double duration(void)
{
    return (1 + bench_random(&random_state) % 100) * 1e-3;
}

static void sleeper_due(struct ev_loop *l, ev_timer *w, int events)
{
    struct sleeper *s = (struct sleeper *)(void *)w;

    (void)events;
    if (--s->left == 0)
        return;
    ev_timer_set(w, duration(), 0.);
    ev_timer_start(l, w);
}

static void timers(const struct bench *b, uint64_t ops)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct sleeper *crowd = calloc(b->size, sizeof *crowd);
    uint64_t each = ops / b->size;
    double began;

    bench_must(loop && crowd, "no memory");
    for (uint64_t i = 0; i < b->size; i++) {
        crowd[i].left = each;
        ev_timer_init(&crowd[i].w, sleeper_due, duration(), 0.);
        ev_timer_start(loop, &crowd[i].w);
    }
    began = bench_cpu_ns();
    ev_run(loop, 0);
    bench_figure_ns(b->name, "", began, each * b->size);
    free(crowd);
}

int main(int argc, char **argv)
{
    static const struct bench table[] = {
        { "timers_100000_cpu", timers, 2000000, 100000 },
        { 0 },
    };

    return bench_main(argc, argv, table);
}
