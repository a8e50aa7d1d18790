/* roost_nursery.c - what a nursery, a child and a scope cost. */
#include <roost/nursery.h>
#include <roost/scope.h>
#include <roost/task.h>

#include "bench/bench.h"

struct job {
    const struct bench *b;
    uint64_t ops;
    int (*part)(const struct bench *b, uint64_t ops);
};

/* A twentieth to warm up, then all of it. */
static int job_main(void *arg)
{
    struct job *j = arg;
    int r = j->part(j->b, j->ops / 20);
    double began = bench_cpu_ns();

    if (r >= 0)
        r = j->part(j->b, j->ops);
    bench_figure_ns(j->b->name, "", began, j->ops);
    return r;
}

static void run(const struct bench *b, uint64_t ops,
                int (*part)(const struct bench *b, uint64_t ops))
{
    struct job j = { b, ops, part };

    bench_must(roost_run(job_main, &j) == 0, b->name);
}

/* ---- nursery_1, spawn_N: open, N children that do nothing, close ---- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int spawn_part(const struct bench *b, uint64_t ops)
{
    roost_nursery n;
    int r = 0;

    for (uint64_t i = 0; i < ops && r >= 0; i += b->size) {
        roost_nursery_open(&n);
        for (uint64_t k = 0; k < b->size; k++)
            roost_spawn(&n, nothing, NULL);
        r = roost_nursery_close(&n, 0);
    }
    return r;
}

static void spawn(const struct bench *b, uint64_t ops)
{
    run(b, ops, spawn_part);
}

/* ---- scopes ---- */

static int scope_part(const struct bench *b, uint64_t ops)
{
    roost_scope s;
    int r = 0;

    (void)b;
    for (uint64_t i = 0; i < ops && r >= 0; i++) {
        roost_scope_enter(&s, ROOST_NEVER);
        r = roost_scope_leave(&s, 0);
    }
    return r;
}

static int deadline_part(const struct bench *b, uint64_t ops)
{
    roost_time at = roost_after(ROOST_SEC(3600));
    roost_scope s;
    int r = 0;

    (void)b;
    for (uint64_t i = 0; i < ops && r >= 0; i++) {
        roost_scope_enter(&s, at);
        r = roost_scope_leave(&s, 0);
    }
    return r;
}

static int after_part(const struct bench *b, uint64_t ops)
{
    roost_scope s;
    int r = 0;

    (void)b;
    for (uint64_t i = 0; i < ops && r >= 0; i++) {
        roost_scope_enter(&s, roost_after(ROOST_SEC(3600)));
        r = roost_scope_leave(&s, 0);
    }
    return r;
}

static void scope(const struct bench *b, uint64_t ops)
{
    run(b, ops, scope_part);
}

static void deadline(const struct bench *b, uint64_t ops)
{
    run(b, ops, deadline_part);
}

static void after(const struct bench *b, uint64_t ops)
{
    run(b, ops, after_part);
}

int main(int argc, char **argv)
{
    static const struct bench table[] = {
        { "nursery_1", spawn, 2000000, 1 },
        { "spawn_1000", spawn, 2000000, 1000 },
        { "scope_enter_leave", scope, 8000000, 0 },
        { "scope_deadline", deadline, 8000000, 0 },
        { "scope_deadline_after", after, 2000000, 0 },
        { 0 },
    };

    return bench_main(argc, argv, table);
}
