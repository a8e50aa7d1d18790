/* 02_two_children.c - two children at once, and one deadline around both. The
 * server they ask is a service child here. It has three answers in it, of 1000,
 * 2000 and 3000 bytes, so the second pair waits in vain. This prints:
 *
 *     3000 bytes: both are home
 *     0 bytes: Connection timed out
 */
#include <arpa/inet.h>
#include <errno.h>
#include <roost.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct fetch { int fd; size_t *bytes; };

ROOST_TASK(fetch)(struct fetch *a)      /* reads a socket to its end */
{
    char buf[4096];
    ssize_t got = 1;
    int r = 0;

    while (got > 0 && (r = roost_wait_fd(a->fd, ROOST_READ)) >= 0) {
        got = read(a->fd, buf, sizeof buf);
        if (got > 0)
            *a->bytes += (size_t)got;
    }
    return r < 0 ? r : got < 0 ? -errno : 0;
}

static int fetch_both(int u, int v, size_t *ret_total)
{
    size_t nu = 0, nv = 0;              /* what children borrow comes first */
    int r;

    ROOST_NURSERY(n);
    roost_go(n, fetch, .fd = u, .bytes = &nu);
    roost_go(n, fetch, .fd = v, .bytes = &nv);
    r = roost_nursery_close(n, 0);      /* both are home, or were cancelled */
    if (r < 0)
        return r;
    *ret_total = nu + nv;
    return 0;
}

/* The peer: three answers, then nobody picks up. */
ROOST_TASK_OF(int, serve)(int *listener)
{
    static const char page[3000];
    int fd, r = 0;

    for (size_t i = 1; r >= 0 && i <= 3; i++) {
        r = roost_wait_fd(*listener, ROOST_READ);
        fd = r < 0 ? -1 : accept(*listener, NULL, NULL);
        if (r >= 0 && write(fd, page, i * 1000) < 0)
            r = -errno;
        close(fd);
    }
    return r;
}

static int ask_both(const struct sockaddr_in *to)
{
    int u = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int v = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), r;
    size_t total = 0;

    roost_ignore(connect(u, (const void *)to, sizeof *to)); /* read(2) says */
    roost_ignore(connect(v, (const void *)to, sizeof *to)); /* how it went */
    r = ROOST_WITHIN(ROOST_MS(250), fetch_both(u, v, &total));
    printf("%zu bytes: %s\n", total, r < 0 ? strerror(-r) : "both are home");
    close(u);
    close(v);
    return r == -ETIMEDOUT ? 0 : r;
}

static int main_task(void *arg)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    int r, listener = *(int *)arg;
    socklen_t len = sizeof at;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (void *)&at, len) < 0 || listen(listener, 8) < 0 ||
        getsockname(listener, (void *)&at, &len) < 0)
        return -errno;
    ROOST_NURSERY(n);
    roost_go_on(n, serve, &listener, .service = true);
    r = ask_both(&at);
    if (r >= 0)
        r = ask_both(&at);
    return roost_nursery_close(n, r);
}

int main(void)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    return roost_run(main_task, &listener) < 0;
}
