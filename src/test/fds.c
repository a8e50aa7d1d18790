/* fds.c - which descriptors the process has open.
 *
 * Promises: opens nothing that stays; the cheap look is one system call.
 */
#include "test/fds.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

int roost__fds_count(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    if (!dir)
        return -1;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 3; /* . and .. and dir itself */
}

/* poll refuses more than the limit of descriptors. */
static nfds_t numbers(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < ROOST__FDS
               ? limit.rlim_cur : ROOST__FDS;
}

void roost__fds_look(struct roost__fds *ret, bool all)
{
    static struct pollfd p[ROOST__FDS];
    static nfds_t some;
    nfds_t i, end = 0;

    if (all)
        some = numbers();
    for (i = 0; i < some; i++)
        p[i] = (struct pollfd){ .fd = (int)i };
    memset(ret, 0, sizeof *ret);
    if (poll(p, some, 0) < 0)
        return;
    for (i = 0; i < some; i++)
        if (!(p[i].revents & POLLNVAL)) {
            ret->open[i / 64] |= UINT64_C(1) << (i % 64);
            end = i + 1;
        }
    if (all && end + 128 < some)
        some = end + 128; /* new ones take low numbers */
}

int roost__fds_more(const struct roost__fds *before,
                    const struct roost__fds *after)
{
    int i;

    for (i = 0; i < ROOST__FDS; i++)
        if (after->open[i / 64] & ~before->open[i / 64] &
            UINT64_C(1) << (i % 64))
            return i;
    return -1;
}

const char *roost__fds_kind(int fd)
{
    static char text[64];
    char path[32];
    ssize_t len;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    len = readlink(path, text, sizeof text - 1);
    text[len > 0 ? len : 0] = '\0';
    text[strcspn(text, "[")] = '\0'; /* socket:[4711] */
    return text[0] ? text : "of an unknown kind";
}
