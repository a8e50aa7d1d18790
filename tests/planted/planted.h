/* planted.h - what the planted bugs share: their main.
 *
 * Each program has one bug of the kind that people write, fixed under -DFIXED. Its
 * head says what finds it, in lines that `run` reads:
 *
 *     Plain:  what `./NAME plain` comes to, a single run without a fault
 *     Found:  the plan that torture prints, a pattern of the shell
 *     Words:  what it says was wrong, an extended regular expression
 *     Unseen: a variant of the build in which torture is blind to it
 *     Line:   the source line that it points to, if it injected something there
 */
#ifndef ROOST_TESTS_PLANTED_H
#define ROOST_TESTS_PLANTED_H

#include <roost/test.h>
#include <stdio.h>
#include <string.h>

static inline int planted(int argc, char **argv, const char *name,
                          roost_task_fn *body)
{
    int r;

    if (argc > 1 && strcmp(argv[1], "plain") == 0)
        return roost_run_with(
                   &(roost_options){ .clock = ROOST_CLOCK_VIRTUAL }, body,
                   NULL) < 0;
    r = roost_torture(body, NULL, &(roost_torture_options){ .name = name });
    return r < 0 ? 2 : r;
}

#endif
