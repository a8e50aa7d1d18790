/* notify.c - lines to the service manager, by its datagram socket.
 *
 * Owns:     nothing: a socket for each call, closed in it.
 * Promises: waits for nobody and raises no signal; in any thread.
 */
#define _GNU_SOURCE
#include <roost/daemon.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/sys.h"
#include "daemon/notify.h"

int64_t roost__environment_number(const char *name, int64_t most)
{
    const char *text = getenv(name);
    int64_t n = 0;

    if (!text)
        return -1;
    if (!*text)
        return -2;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || n > (most - (*text - '0')) / 10)
            return -2;
        n = n * 10 + (*text - '0');
    }
    return n;
}

/* "/path" or "@abstract"; others, such as vsock, are not for us. Returns the
 * length. */
static int read_address(const char *text, struct sockaddr_un *ret)
{
    size_t len = strlen(text);

    if (text[0] != '/' && text[0] != '@')
        return -EAFNOSUPPORT;
    if (len < 2)
        return -EINVAL;
    if (len >= sizeof ret->sun_path)
        return -ENAMETOOLONG;
    *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
    memcpy(ret->sun_path, text, len);
    if (text[0] == '@')
        ret->sun_path[0] = '\0';
    return (int)(offsetof(struct sockaddr_un, sun_path) + len);
}

static int send_once(int fd, const struct msghdr *m)
{
    ssize_t n;

    do
        n = roost__sys->sendmsg(fd, m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 1;
}

int roost_notify(const char *lines)
{
    const char *where = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to;
    struct iovec part = { (void *)(uintptr_t)lines, strlen(lines) };
    struct msghdr m = { .msg_name = &to, .msg_iov = &part, .msg_iovlen = 1 };
    int fd, r;

    if (!where || !*where)
        return 0;
    r = read_address(where, &to);
    if (r < 0)
        return r;
    m.msg_namelen = (socklen_t)r;
    fd = roost__sys->socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    r = send_once(fd, &m);
    roost__sys->close(fd);
    return r;
}

int roost_notifyf(const char *format, ...)
{
    char lines[2048];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(lines, sizeof lines, format, args);
    va_end(args);
    if (len < 0)
        return -EINVAL;
    return (size_t)len < sizeof lines ? roost_notify(lines) : -EMSGSIZE;
}
