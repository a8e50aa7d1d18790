/* activate.c - sockets that a service manager handed over.
 *
 * Owns:     the memory of which were given.
 * Promises: believes the environment only where all of it fits together; gives
 *           each once, close-on-exec, whichever thread asks.
 * Never:    changes the environment: threads read it.
 */
#define _GNU_SOURCE
#include <roost/daemon.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/sys.h"
#include "daemon/notify.h"

enum { FIRST = 3, MOST = 1024 };

static atomic_bool given[MOST];

/* How many there are for us. */
static int count(void)
{
    int64_t pid = roost__environment_number("LISTEN_PID", INT_MAX);
    int64_t n = roost__environment_number("LISTEN_FDS", MOST);

    if (pid == -1 || n == -1)
        return -ENOENT;
    if (pid < 1 || n < 0)
        return -EINVAL;
    return pid == getpid() ? (int)n : -ENOENT;
}

/* "http:admin:" are three. */
static int count_names(const char *names)
{
    int n = 1;

    for (; *names; names++)
        n += *names == ':';
    return n;
}

/* The index of the nth one with that name. */
static int find(const char *names, int n, const char *name, unsigned nth)
{
    size_t wanted = strlen(name), len;
    int i;

    for (i = 0; i < n; i++, names += len + 1) {
        len = strcspn(names, ":");
        if (len == wanted && !memcmp(names, name, len) && nth-- == 0)
            return i;
    }
    return -ENOENT;
}

/* Without names each is called so, as with systemd. */
static int find_unnamed(int n, const char *name, unsigned nth)
{
    bool fits = !name || !strcmp(name, "unknown");

    return fits && nth < (unsigned)n ? (int)nth : -ENOENT;
}

/* A number that the manager said and that was not open at exec may be ours by now:
 * what no file system knows (an epoll set, a timer) is nothing to listen on. */
static bool is_handed_over(int fd)
{
    struct stat st;

    return roost__sys->fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) != 0;
}

/* The number is a socket's or whatever was handed over. */
static int give(int i)
{
    if (atomic_exchange(&given[i], true))
        return -ENOENT;
    if (is_handed_over(FIRST + i) && roost__sys->fcntl(FIRST + i, F_SETFD, FD_CLOEXEC) >= 0)
        return FIRST + i;
    atomic_store(&given[i], false);
    return -EINVAL;
}

int roost_listen_fd(const char *name, unsigned nth)
{
    const char *names = getenv("LISTEN_FDNAMES");
    int n = count(), i;

    if (n < 0)
        return n;
    if (names && n > 0 && count_names(names) != n)
        return -EINVAL;
    i = names && name ? find(names, n, name, nth) : find_unnamed(n, name, nth);
    return i < 0 ? i : give(i);
}
