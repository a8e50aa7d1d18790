/* strike.h - one run of a tortured body, with a plan, and what is to be said of it.
 */
#ifndef ROOST_TEST_STRIKE_H
#define ROOST_TEST_STRIKE_H

#include <roost/test.h>

#include "test/plan.h"

/* What is run; the same for all runs of a roost_torture. */
struct roost__victim {
    roost_task_fn *body;
    void *arg;
    const roost_torture_options *o;
    const char *site; /* of the call, for reports */
    uint32_t moments; /* of the undisturbed body; 0: not known yet */
};

/* A place where something can be injected, as an undisturbed run met it. */
struct roost__point {
    uint64_t key;  /* the same for the same call in the source */
    uint8_t moment; /* PROBE_..., of a wait */
    int8_t call;   /* of a system call */
    bool main_task, deadline, shield; /* of a wait: who waits, what is around it */
};

#define ROOST__POINTS 32768 /* more of a kind are counted, not kept */

/* What happened in a run. In memory shared with the parent. */
struct roost__record {
    uint32_t moments, waits, allocations, calls;
    uint64_t trace;
    struct roost__point moment[ROOST__POINTS], allocation[ROOST__POINTS],
        call[ROOST__POINTS];
};

#define ROOST__CHOICES 250

/* The choices that the run had: of how many each. */
struct roost__choices {
    uint16_t count; /* at most ROOST__CHOICES of them are kept */
    uint8_t of[ROOST__CHOICES];
};

struct roost__verdict {
    bool failed;
    uint32_t struck; /* injections that were made */
    char what[512];  /* what was wrong */
    char where[160]; /* what was going on when the first was made */
    const void *place; /* and the call's return address */
};

struct roost__attempt {
    const struct roost__victim *victim;
    const struct roost__plan *plan;
    struct roost__record *record;   /* NULL: not wanted */
    struct roost__choices *choices; /* NULL: not wanted; the order is scripted */
    bool first; /* of its process: memory may be kept for later ones */
    bool aloud; /* prints the tree where the plan strikes */
};

/* Runs the body once. At the first failure in a process that process should end:
 * what the run left is not cleaned up. */
void roost__strike(const struct roost__attempt *s, struct roost__verdict *ret);

/* A body that is being tortured broke its promise: true, if there is one. */
bool roost__strike_broke(const char *site, const char *words);

/* From unit.c: an assert of cmocka has left the run. Forgets it. */
bool roost__unit_escaped(void);

#endif
