/* strike.h - one run of a tortured body, with a plan, and what is to be said of it.
 */
#ifndef ROOST_TEST_STRIKE_H
#define ROOST_TEST_STRIKE_H

#include <roost/test.h>

#include "test/plan.h"
#include "test/points.h"

/* What is run; the same for all runs of a roost_torture. */
struct roost__victim {
    roost_task_fn *body;
    void *arg;
    const roost_torture_options *o;
    const char *site; /* of the call, for reports */
    uint32_t moments; /* of the undisturbed body; 0: not known yet */
};

/* What happened in a run. In memory shared with the parent. */
struct roost__record {
    uint32_t moments, waits, allocations, calls;
    uint64_t trace;
    struct roost__points moment, allocation, call;
};

#define ROOST__CHOICES 250

/* The choices that the run had: of how many each. */
struct roost__choices {
    uint16_t count; /* at most ROOST__CHOICES of them are kept */
    uint8_t of[ROOST__CHOICES];
};

struct roost__verdict {
    bool failed;
    int error;       /* the body was not even begun; a negative errno */
    uint32_t struck; /* injections that were made */
    uint32_t moments;
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

/* From unit.c: an assert of cmocka has left the run; where it is, if known, " at
 * file.c:88". Forgets it. */
bool roost__unit_escaped(char *at, size_t bytes);

#endif
