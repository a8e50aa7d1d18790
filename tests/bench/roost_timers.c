/* roost_timers.c - 100,000 sleepers of 1 to 100 ms: CPU time of a wake-up.
 *
 * Each sleeps again as soon as it wakes. That is two million wake-ups in a second
 * if the processor keeps up; if it does not, each is late, and costs what it
 * costs.
 */
#include <roost/nursery.h>
#include <roost/task.h>

#include "bench/bench.h"

struct crowd {
    const struct bench *b;
    uint64_t each; /* sleeps of one task */
    uint64_t waiting;
    uint32_t random;
};

static int sleeper(void *arg)
{
    struct crowd *c = arg;
    int r = 0;

    c->waiting++;
    for (uint64_t i = 0; i < c->each && r >= 0; i++)
        r = roost_sleep(ROOST_MS(1 + bench_random(&c->random) % 100));
    return r;
}

static int crowd_main(void *arg)
{
    struct crowd *c = arg;
    roost_nursery n;
    double began;
    int r = 0;

    roost_nursery_open_with(&n, &(roost_nursery_options){
        .stack_bytes = ROOST_STACK_SMALL });
    for (uint64_t i = 0; i < c->b->size && r >= 0; i++)
        r = roost_spawn(&n, sleeper, c);
    while (c->waiting < c->b->size && r >= 0)
        r = roost_checkpoint();
    began = bench_cpu_ns();
    r = roost_nursery_close(&n, r);
    bench_figure_ns(c->b->name, "", began, c->each * c->b->size);
    return r;
}

static void timers(const struct bench *b, uint64_t ops)
{
    struct crowd c = { b, ops / b->size, 0, 2463534242u };

    bench_must(roost_run(crowd_main, &c) == 0, b->name);
}

int main(int argc, char **argv)
{
    static const struct bench table[] = {
        { "timers_100000_cpu", timers, 2000000, 100000 },
        { 0 },
    };

    return bench_main(argc, argv, table);
}
