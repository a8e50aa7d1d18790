/* urgent.c - last words, that must not keep who says them.
 *
 * Promises: whoever is about to end the process does not hang on a reader who does
 *           not read; allocates nothing, takes no lock.
 */
#include "inspect/urgent.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "core/sys.h"

bool roost__takes_now(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };

    return roost__sys->poll(&p, 1, 0) > 0;
}

void roost__say_now(const char *bytes, size_t len)
{
    size_t part;

    for (; len > 0 && roost__takes_now(STDERR_FILENO); bytes += part, len -= part) {
        part = len < PIPE_BUF ? len : PIPE_BUF;
        if (roost__sys->write(STDERR_FILENO, bytes, part) < 0)
            return;
    }
}
