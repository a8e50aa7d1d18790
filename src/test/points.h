/* points.h - the places of a run where something can be injected, but for the many
 * rounds of a loop. */
#ifndef ROOST_TEST_POINTS_H
#define ROOST_TEST_POINTS_H

#include <stdbool.h>
#include <stdint.h>

/* A visit to a place, as an undisturbed run made it. */
struct roost__point {
    uint64_t key;    /* the same for the same call in the source */
    uint32_t number; /* of all moments, allocations or calls of the run */
    uint8_t moment;  /* PROBE_..., of a wait */
    int8_t call;     /* of a system call */
    bool main_task, deadline, shield; /* of a wait: who waits, what is around it */
};

#define ROOST__POINTS 16384
#define ROOST__PLACES 4096 /* a power of two */

/* Of the visits to one place the 1st to 4th are kept, then the 5th, 9th, 17th...,
 * and the last. All zero is empty. */
struct roost__points {
    uint32_t count, places;
    uint32_t lost; /* visits for which there was no room */
    struct roost__point at[ROOST__POINTS];
    struct roost__place_visits {
        uint32_t count;           /* 0: a free slot */
        struct roost__point last; /* its number 0: that one is kept already */
    } visits[ROOST__PLACES];
};

void roost__points_visit(struct roost__points *all, const struct roost__point *p);

/* The run is over: the last ones are kept. */
void roost__points_end(struct roost__points *all);

#endif
