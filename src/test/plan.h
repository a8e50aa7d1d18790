/* plan.h - what is done to one run of a tortured body, and its line of text. */
#ifndef ROOST_TEST_PLAN_H
#define ROOST_TEST_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is injected. At a moment (a wait is entered, parked, woken: see core's
 * probe), an allocation or a system call, each counted from 1 in its run. */
enum roost__strike {
    STRIKE_NONE = 0,
    STRIKE_CANCEL,   /* at a moment: the whole body */
    STRIKE_CHILD,    /* at a moment: the task that waits, alone */
    STRIKE_PIERCE,   /* at a moment: the whole body, and the shields around the
                        wait have no budget left */
    STRIKE_EARLY,    /* at a moment: the innermost deadline around the wait */
    STRIKE_LATE,     /* at a moment: that deadline, put off by a day,
                        or by 0.1 s of the real clock */
    STRIKE_ALLOC,    /* an allocation fails */
    STRIKE_CALL,     /* a system call fails with errno `code` */
    STRIKE_SHORT,    /* a read or write moves one byte */
    STRIKE_ALL_SHORT /* all of them do; `at` is 0 */
};

struct roost__injection {
    uint8_t what; /* STRIKE_... */
    int code;
    uint32_t at;
};

#define ROOST__PICKS 4

struct roost__plan {
    struct roost__injection in[2];
    size_t count;
    uint64_t seed; /* order of tasks; 0: as they come, but for the picks */
    /* At these choices, counted from 1, not the first but a later one. */
    struct { uint32_t at, index; } picks[ROOST__PICKS];
    size_t pick_count;
    uint32_t point; /* of a sweep, from 1; not in the text */
};

#define ROOST__PLAN_TEXT 128

/* cancel@17+call@9=EIO:seed=0x2a:pick=3.1,8.2 - "none" with no injection; seed
 * and pick only if there are any. Always a whole text. */
void roost__plan_print(const struct roost__plan *p, char *text, size_t bytes);

/* The reverse. false: `ret_why` says what was expected, and where. */
bool roost__plan_parse(const char *text, struct roost__plan *ret, char *ret_why,
                       size_t why_bytes);

#endif
