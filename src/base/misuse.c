/* misuse.c - the voice of the library on stderr.
 *
 * Owns:     the memory of which places have been spoken about.
 * Promises: a sentence goes out as one write, so threads do not mix theirs.
 * Never:    allocates.
 */
#include "base/misuse.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void say(const char *fmt, va_list args)
{
    char line[1024];
    int len = snprintf(line, sizeof line, "roost: "), more;

    more = vsnprintf(line + len, sizeof line - (size_t)len - 1, fmt, args);
    len += more < 0 ? 0 : more;
    if ((size_t)len > sizeof line - 2)
        len = (int)sizeof line - 2;
    line[len++] = '\n';
    fflush(stdout);
    roost_ignore((int)write(STDERR_FILENO, line, (size_t)len));
}

void roost__say(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(fmt, args);
    va_end(args);
}

void roost__misuse(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(fmt, args);
    va_end(args);
    abort();
}

void roost__broken(const char *what, const char *site)
{
    roost__misuse("internal error at %s: %s does not hold; please report it",
                  site, what);
}

/* Sites are literals, so their addresses name them. When the table is full the
 * place counts as known: silence is better than a flood. */
bool roost__first_time(const char *site)
{
    static _Atomic(const char *) known[256];
    size_t i = ((uintptr_t)site >> 2) % 256, steps;

    for (steps = 0; steps < 256; steps++, i = (i + 1) % 256) {
        const char *none = NULL;

        if (atomic_compare_exchange_strong(&known[i], &none, site))
            return true;
        if (none == site)
            return false;
    }
    return false;
}
