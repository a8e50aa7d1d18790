/* wrong.h - lists of wrong programs, each of which must stop with a sentence.
 *
 *     static const struct wrong wrong[] = {
 *         { close_twice, { "close.c:2", "is over already" } },
 *     };
 *     ALL_DIE(wrong);
 *
 * Calls that record where they stand are given made-up places by their _at
 * twins, so that a test can ask for both.
 */
#ifndef ROOST_TESTS_RULES_WRONG_H
#define ROOST_TESTS_RULES_WRONG_H

#include "kit/kit.h"

/* One wrong program: the sentence has these words, NULL ends them. */
struct wrong {
    roost_task_fn *fn;
    const char *words[5];
};

/* Each as the main task of a run; or called where there is none. */
#define ALL_DIE(list) all_die(list, sizeof(list) / sizeof *(list))
#define ALL_DIE_OUTSIDE(list) \
    all_die_outside(list, sizeof(list) / sizeof *(list))

static inline void all_die(const struct wrong *w, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        kit_dies(w[i].fn, NULL, "roost: ", w[i].words[0], w[i].words[1],
                 w[i].words[2], w[i].words[3], w[i].words[4], NULL);
}

static inline void all_die_outside(const struct wrong *w, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        kit_dies_outside(w[i].fn, NULL, "roost: ", w[i].words[0],
                         w[i].words[1], w[i].words[2], w[i].words[3],
                         w[i].words[4], NULL);
}

/* A task that does nothing wrong. */
static inline int nothing(void *arg)
{
    (void)arg;
    return 0;
}

#endif
