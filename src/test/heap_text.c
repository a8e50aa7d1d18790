/* heap_text.c - texts that the C library allocates for its caller.
 *
 * Promises: they are noted, and fail, as the caller's own.
 *
 * What the C library asks malloc for is else taken for its buffers (heap.c). A
 * sanitizer has these functions of its own.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fiber.h"
#include "test/heap.h"

#if !defined(ROOST__ASAN) && !defined(ROOST__TSAN)

#define FROM __builtin_return_address(0)
#define PUBLIC __attribute__((visibility("default")))

/* Under valgrind malloc is its own. */
static void *room(size_t bytes, const void *from)
{
    return roost__heap_can_fail() ? roost__heap_alloc(bytes, from)
                                  : malloc(bytes); /* lint: the test's own */
}

static char *copied(const char *text, size_t len, const void *from)
{
    char *copy = room(len + 1, from);

    if (!copy)
        return NULL;
    copy[len] = '\0';
    return memcpy(copy, text, len);
}

PUBLIC char *strdup(const char *text) /* lint: the test's own allocator */
{
    return copied(text, strlen(text), FROM);
}

PUBLIC char *strndup(const char *text, size_t longest) /* lint: the same */
{
    return copied(text, strnlen(text, longest), FROM);
}

static int printed(char **ret, const char *format, va_list args, const void *from)
{
    va_list again;
    int len;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    *ret = len < 0 ? NULL : room((size_t)len + 1, from);
    return *ret ? vsnprintf(*ret, (size_t)len + 1, format, args) : -1;
}

PUBLIC int vasprintf(char **ret, const char *format, va_list args) /* lint: same */
{
    return printed(ret, format, args, FROM);
}

PUBLIC int asprintf(char **ret, const char *format, ...) /* lint: the same */
{
    va_list args;
    int r;

    va_start(args, format);
    r = printed(ret, format, args, FROM);
    va_end(args);
    return r;
}

/* These are called in their place with _FORTIFY_SOURCE. */
PUBLIC int __vasprintf_chk(char **ret, int flag, const char *format, va_list args);
PUBLIC int __asprintf_chk(char **ret, int flag, const char *format, ...);

int __vasprintf_chk(char **ret, int flag, const char *format, va_list args)
{
    (void)flag;
    return printed(ret, format, args, FROM);
}

int __asprintf_chk(char **ret, int flag, const char *format, ...)
{
    va_list args;
    int r;

    (void)flag;
    va_start(args, format);
    r = printed(ret, format, args, FROM);
    va_end(args);
    return r;
}

#endif
