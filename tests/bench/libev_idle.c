/* libev_idle.c - a crowd of callbacks that wait: a watcher on the heap each, on a
 *                list so that they can be told to go. What roost_idle.c has but
 *                for the stack, the scope and the join.
 */
#include <ev.h>

#include "bench/bench.h"

struct op {
    struct ev_watcher w;
    struct op *next, *prev;
    void *arg;
};

static struct op list = { .next = &list, .prev = &list };
static uint64_t live;

static void op_ended(struct ev_loop *l, struct ev_watcher *w, int events)
{
    struct op *o = (struct op *)(void *)w;

    (void)l, (void)events;
    o->prev->next = o->next;
    o->next->prev = o->prev;
    free(o);
    live--;
}

static void op_new(void)
{
    struct op *o = malloc(sizeof *o);

    bench_must(o != NULL, "no memory");
    ev_init(&o->w, op_ended);
    o->arg = NULL;
    o->next = &list;
    o->prev = list.prev;
    o->prev->next = o;
    list.prev = o;
    live++;
}

static void idle(const struct bench *b, uint64_t ops)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct bench_memory before = bench_memory();
    double began = bench_cpu_ns();

    bench_must(loop != NULL, "no loop");
    for (uint64_t i = 0; i < ops; i++)
        op_new();
    bench_figure_ns(b->name, "_spawn", began, ops);
    bench_figure_memory(b->name, before, ops);
    began = bench_cpu_ns();
    for (struct op *o = list.next; o != &list; o = o->next)
        ev_feed_event(loop, &o->w, EV_CUSTOM);
    ev_invoke_pending(loop);
    bench_figure_ns(b->name, "_cancel", began, ops);
    bench_must(live == 0, "somebody stayed");
    ev_loop_destroy(loop);
}

int main(int argc, char **argv)
{
    static const struct bench table[] = {
        { "idle_10000", idle, 10000, 0 },
        { "idle_100000", idle, 100000, 0 },
        { "idle_1000000", idle, 1000000, 0 },
        { 0 },
    };

    return bench_main(argc, argv, table);
}
