/* api.h - the words that every roost header is written in.
 *
 * ROOST_API     exported from the shared library; everything else is hidden.
 * ROOST_WAITS   the call may suspend the running task. It is a cancellation
 *               point on every call, also when it need not block, and its
 *               result must be read: a loop that ignores it spins for ever
 *               once its task is cancelled. Calls without the mark never
 *               suspend, so state between two marked calls needs no lock.
 * ROOST_MUST    the result must be read.
 * ROOST_SITE    the place in the source as one literal, "file.c:17".
 *
 * A name with the tail _at is the same function told where it is called from;
 * the plain name is a macro over it and, for bindings, a function too.
 */
#ifndef ROOST_API_H
#define ROOST_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define ROOST_BEGIN_DECLS extern "C" {
#define ROOST_END_DECLS }
#else
#define ROOST_BEGIN_DECLS
#define ROOST_END_DECLS
#endif

#define ROOST_API __attribute__((visibility("default")))
#define ROOST_MUST __attribute__((warn_unused_result))
#define ROOST_WAITS ROOST_MUST
#define ROOST_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#define ROOST_TEXT_1(x) #x
#define ROOST_TEXT(x) ROOST_TEXT_1(x)
#define ROOST_SITE __FILE__ ":" ROOST_TEXT(__LINE__)

/* Says that a result is not read on purpose. */
#define roost_ignore(...) ((void)!(__VA_ARGS__))

typedef struct roost_task roost_task;
typedef struct roost_scope roost_scope;
typedef struct roost_nursery roost_nursery;
typedef struct roost_error roost_error;
typedef struct roost_root roost_root;

/* What a task runs. The result is >= 0 for success, else a negative errno. */
typedef int roost_task_fn(void *arg);

#endif
