/* misuse.h - what the library says when its rules are broken.
 *
 * Three kinds. A usage error is the caller's: one sentence that names who,
 * where and what to do instead, then abort. An assertion is ours. A notice is
 * said once per place and the program goes on.
 */
#ifndef ROOST_BASE_MISUSE_H
#define ROOST_BASE_MISUSE_H

#include <roost/api.h>

_Noreturn void roost__misuse(const char *fmt, ...) ROOST_PRINTF(1, 2);
_Noreturn void roost__broken(const char *what, const char *site);

/* Prints a sentence on stderr: always, or the first time for this `site`. */
void roost__say(const char *fmt, ...) ROOST_PRINTF(1, 2);
bool roost__first_time(const char *site);

/* A literal place in the source, or words where a caller gave none. */
static inline const char *roost__place(const char *site)
{
    return site ? site : "(a place not given)";
}

#define ROOST_ASSERT(cond) \
    (__builtin_expect(!(cond), 0) ? roost__broken(#cond, ROOST_SITE) : (void)0)

/* The thing of `type` whose `member` is at `ptr`, which is not NULL. */
#define ROOST__CONTAINER(ptr, type, member) \
    ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#ifdef ROOST_DEBUG
#define ROOST_SLOW_CHECK(cond) ROOST_ASSERT(cond)
#else
#define ROOST_SLOW_CHECK(cond) ((void)0)
#endif

/* The caller's fault: if `cond` does not hold, say why and stop. */
#define ROOST_USAGE(cond, ...) \
    (__builtin_expect(!(cond), 0) ? roost__misuse(__VA_ARGS__) : (void)0)

#endif
