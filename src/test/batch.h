/* batch.h - many runs in one child process. */
#ifndef ROOST_TEST_BATCH_H
#define ROOST_TEST_BATCH_H

#include <stdatomic.h>

#include "test/strike.h"

#define ROOST__BATCH 256 /* runs at most */

/* Shared by the parent and the child. */
struct roost__board {
    atomic_size_t at; /* the run under way: 0 the first, undisturbed; i + 1 */
    atomic_bool over; /* all were run, or one failed; else the child died */
    struct roost__verdict verdict; /* of the last one */
    bool struck[ROOST__BATCH]; /* was something injected? */
    struct roost__choices choices[ROOST__BATCH];
    struct roost__record record[2]; /* of the first two runs, if wanted */
};

struct roost__batch {
    const struct roost__victim *victim;
    const struct roost__plan *plans;
    size_t count;  /* at most ROOST__BATCH */
    bool record;   /* two plans, both recorded */
    bool explore;  /* choices are noted, the order is scripted */
    bool aloud;    /* what is printed is shown */
    int output;    /* a file for it otherwise */
};

/* Runs the plans one after the other, after an undisturbed run that warms up what
 * is set up once in a process. 0: all well. 1: the run before board->at failed,
 * board->verdict says how. A negative errno: nothing could be run. */
int roost__batch_run(struct roost__board *board, const struct roost__batch *b);

#endif
