/* sweep.h - all plans for a body, from what an undisturbed run met. */
#ifndef ROOST_TEST_SWEEP_H
#define ROOST_TEST_SWEEP_H

#include "test/strike.h"

struct roost__sweep {
    struct roost__plan *plans;
    size_t count, capacity;
    uint32_t points; /* that are struck by some plan: their numbers from 1 on */
    uint64_t randoms;
};

/* One plan for each thing that can go wrong at each point, random orders, pairs.
 * 0 or -ENOMEM. */
int roost__sweep_make(struct roost__sweep *s, const struct roost__record *r,
                      const roost_torture_options *o);
int roost__sweep_add(struct roost__sweep *s, const struct roost__plan *p);

/* `count` of them, drawn at random, and no more. */
void roost__sweep_cut(struct roost__sweep *s, size_t count);
void roost__sweep_free(struct roost__sweep *s);

#endif
