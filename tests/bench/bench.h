/* bench.h - what every benchmark program is made of.
 *
 *     PROGRAM --list            the benches it has
 *     PROGRAM NAME [OPS]        measures one, once; prints "NAME UNIT VALUE", a
 *                               line for each figure
 *
 * A program is called PEER_room, so that tests/bench/run knows whose figures
 * they are; what two peers do under one name is the same work. One process makes
 * one sample, so that no bench profits from another's warm memory.
 *
 * Times are the CPU time of the process, user and system: on a machine that is
 * shared the wall clock measures the neighbours, and a sleep is not work.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Measures `ops` operations and prints what it found. `size` is the table's. */
struct bench {
    const char *name;
    void (*run)(const struct bench *b, uint64_t ops);
    uint64_t ops;  /* by default: for 50 to 100 ms */
    uint64_t size; /* of tasks, mostly */
};

/* Nothing here goes on after a failure: figures of a broken run are lies. */
static inline void bench_must(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static inline double bench_cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline void bench_figure(const char *name, const char *tail,
                                const char *unit, double value)
{
    printf("%s%s %s %.6g\n", name, tail, unit, value);
}

/* Nanoseconds for each of `ops` since `began`. */
static inline void bench_figure_ns(const char *name, const char *tail,
                                   double began, uint64_t ops)
{
    bench_figure(name, tail, "ns", (bench_cpu_ns() - began) / (double)ops);
}

/* Marsaglia's xorshift: the same sequence for every peer. */
static inline uint32_t bench_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* ---- memory ---- */

struct bench_memory {
    double rss, tables; /* bytes: resident pages; page tables */
};

/* The number after `key` in a file of /proc, 0 when it is not there. */
static inline double bench_proc(const char *path, const char *key)
{
    FILE *f = fopen(path, "r");
    char line[256];
    double value = 0;

    bench_must(f != NULL, path);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtod(line + strlen(key), NULL);
    fclose(f);
    return value;
}

static inline struct bench_memory bench_memory(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long pages = 0;

    bench_must(f && fscanf(f, "%*d %ld", &pages) == 1, "no /proc/self/statm");
    fclose(f);
    return (struct bench_memory){
        .rss = (double)pages * 4096,
        .tables = 1024 * bench_proc("/proc/self/status", "VmPTE:"),
    };
}

static inline void bench_figure_memory(const char *name,
                                       struct bench_memory before, uint64_t n)
{
    struct bench_memory now = bench_memory();

    bench_figure(name, "_rss", "bytes", (now.rss - before.rss) / (double)n);
    bench_figure(name, "_pte", "bytes",
                 (now.tables - before.tables) / (double)n);
}

/* False, with a word about it, on a machine that would begin to swap. */
static inline int bench_has_memory(const char *name, double bytes)
{
    if (1024 * bench_proc("/proc/meminfo", "MemAvailable:") > bytes * 1.25)
        return 1;
    fprintf(stderr, "%s: skipped, it needs %.1f GB\n", name, bytes * 1.25e-9);
    return 0;
}

/* ---- main ---- */

static inline int bench_main(int argc, char **argv, const struct bench *table)
{
    const struct bench *b;

    for (b = table; b->name; b++) {
        if (argc == 2 && strcmp(argv[1], "--list") == 0)
            printf("%s\n", b->name);
        else if (argc >= 2 && strcmp(argv[1], b->name) == 0)
            break;
    }
    if (b->name)
        b->run(b, argc > 2 ? strtoull(argv[2], NULL, 10) : b->ops);
    else if (argc != 2 || strcmp(argv[1], "--list") != 0)
        return 2;
    return 0;
}

#endif
