/* error.h - words for a negative errno, and the tree of what went wrong.
 *
 *     if (fd < 0)
 *         return roost_fail(-errno, "opening %s", path);
 *
 * The int is the contract, the record is for people. Records live in a fixed
 * pool of the runtime: nothing allocates, and when it is full words are lost,
 * never codes. A nursery's close gathers the records of its children, so the
 * one that the outermost caller prints is the whole story.
 */
#ifndef ROOST_ERROR_H
#define ROOST_ERROR_H

#include <roost/api.h>
#include <stdio.h>

ROOST_BEGIN_DECLS

/* Keeps a record of a failure of the running task: words, place, task path; and
 * returns `code`, a negative errno. With the code of the record before, it is
 * appended to that one's chain (at most 8); with another it begins a new one. A
 * chain whose code is not the task's result in the end is dropped. */
ROOST_API int roost_fail(int code, const char *fmt, ...) ROOST_PRINTF(2, 3);
ROOST_API int roost_fail_at(const char *site, int code, const char *fmt, ...)
    ROOST_PRINTF(3, 4);

/* The running task's latest record if it is about code `r`, else NULL. The
 * library's; valid until the task's next close or roost_fail. */
ROOST_API const roost_error *roost_error_of(int r);

/* Prints a record with all it was caused by, a line each. NULL prints a line
 * that says there are no words. */
ROOST_API void roost_error_print(FILE *out, const roost_error *e);

#define roost_fail(...) roost_fail_at(ROOST_SITE, __VA_ARGS__)

ROOST_END_DECLS

#endif
