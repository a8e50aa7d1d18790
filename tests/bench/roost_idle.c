/* roost_idle.c - a crowd of tasks that do nothing: memory, birth and end of each.
 *
 * spawn   from the call until the task has run and waits, on new memory
 * rss     resident bytes of one that waits; pte: its share of the page tables
 * cancel  from the nursery's cancellation until its close has seen all go
 *
 * They wait in a sleep that never ends. With 1,000,000 of them the three touch
 * memory that no cache holds.
 */
#include <roost/nursery.h>
#include <roost/task.h>

#include "bench/bench.h"

struct crowd {
    const char *name;
    uint64_t count, waiting;
};

static int sleeper(void *arg)
{
    struct crowd *c = arg;

    c->waiting++;
    return roost_sleep_until(ROOST_NEVER);
}

static int crowd_main(void *arg)
{
    struct crowd *c = arg;
    struct bench_memory before = bench_memory();
    roost_nursery n;
    double began;
    int r = 0;

    roost_nursery_open_with(&n, &(roost_nursery_options){
        .stack_bytes = ROOST_STACK_SMALL });
    began = bench_cpu_ns();
    for (uint64_t i = 0; i < c->count && r >= 0; i++)
        r = roost_spawn(&n, sleeper, c);
    while (c->waiting < c->count && r >= 0)
        r = roost_checkpoint();
    bench_figure_ns(c->name, "_spawn", began, c->count);
    bench_figure_memory(c->name, before, c->count);
    began = bench_cpu_ns();
    roost_nursery_cancel(&n, "the end of the bench");
    r = roost_nursery_close(&n, r);
    bench_figure_ns(c->name, "_cancel", began, c->count);
    return r;
}

static void idle(const struct bench *b, uint64_t ops)
{
    struct crowd c = { b->name, ops, 0 };

    if (bench_has_memory(b->name, 4400.0 * (double)ops))
        bench_must(roost_run(crowd_main, &c) == 0, b->name);
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
