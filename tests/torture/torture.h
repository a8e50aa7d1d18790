/* torture.h - a program of bodies that are tortured one after the other.
 *
 *     static int two_children(void *arg) { ... }     a task; see roost_torture
 *
 *     int main(int argc, char **argv)
 *     {
 *         static const struct torture bodies[] = {
 *             TORTURE(two_children),
 *             TORTURE_WITH(left_open, .guards = 1),  options of roost_torture
 *         };
 *
 *         return TORTURE_MAIN(bodies, argc, argv);
 *     }
 *
 * PROGRAM [NAME...] runs all or those named; --list prints the names. A line for
 * each body, which tests/torture/run adds up; exit 1 if one failed, 2 if a name is
 * unknown. ROOST_TORTURE_RUNS and ROOST_TORTURE are as roost/test.h has them;
 * TORTURE_SEED is a number.
 */
#ifndef ROOST_TESTS_TORTURE_H
#define ROOST_TESTS_TORTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <roost/test.h>

struct torture {
    const char *name;
    roost_task_fn *fn;
    roost_torture_options o;
};

#define TORTURE(f) { #f, f, { .name = #f } }
#define TORTURE_WITH(f, ...) { #f, f, { .name = #f, __VA_ARGS__ } }
#define TORTURE_MAIN(bodies, argc, argv) \
    torture_main(bodies, sizeof(bodies) / sizeof *(bodies), argc, argv)

/* One line; the numbers stand behind their names. */
static inline void torture_print(const char *name,
                                 const roost_torture_report *r, int result)
{
    printf("%-4s %-32s runs %zu/%zu waits %zu allocations %zu calls %zu "
           "points %zu schedules %zu seconds %.2f\n",
           result == 0 ? "ok" : "FAIL", name, r->runs, r->planned, r->waits,
           r->allocations, r->calls, r->points, r->schedules,
           (double)r->took / 1e9);
    if (result < 0)
        printf("     %s could not be run: %s\n", name, strerror(-result));
    fflush(stdout);
}

/* With all the time in the world more pairs and orders are tried, other ones with
 * another TORTURE_SEED. */
static inline void torture_deeper(roost_torture_options *o)
{
    const char *seed = getenv("TORTURE_SEED");

    if (seed)
        o->seed += strtoull(seed, NULL, 0);
    if (getenv("ROOST_TORTURE_RUNS"))
        return;
    o->pairs = o->pairs ? o->pairs : 10000;
    o->seeds = o->seeds ? o->seeds : 2000;
    o->delays = o->delays ? o->delays : 2;
    o->max_orders = o->max_orders ? o->max_orders : 4000;
}

static inline int torture_one(const struct torture *t)
{
    roost_torture_report report = { 0 };
    roost_torture_options o = t->o;
    int r;

    torture_deeper(&o);
    o.ret_report = &report;
    r = roost_torture(t->fn, NULL, &o);
    torture_print(t->name, &report, r);
    return r != 0;
}

static inline const struct torture *torture_find(const struct torture *bodies,
                                                 size_t count, const char *name)
{
    size_t i;

    for (i = 0; i < count; i++)
        if (strcmp(bodies[i].name, name) == 0)
            return &bodies[i];
    fprintf(stderr, "there is no body %s; --list prints them\n", name);
    return NULL;
}

static inline int torture_list(const struct torture *bodies, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        puts(bodies[i].name);
    return 0;
}

static inline int torture_main(const struct torture *bodies, size_t count,
                               int argc, char **argv)
{
    const struct torture *t;
    size_t i;
    int bad = 0, a;

    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return torture_list(bodies, count);
    for (i = 0; argc < 2 && i < count; i++)
        bad |= torture_one(&bodies[i]);
    for (a = 1; a < argc; a++) {
        t = torture_find(bodies, count, argv[a]);
        if (!t)
            return 2;
        bad |= torture_one(t);
    }
    return bad;
}

#endif
