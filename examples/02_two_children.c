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

struct fetch { const struct sockaddr_in *from; size_t *bytes; };

ROOST_TASK(fetch)(struct fetch *a)      /* reads an answer to its end */
{
    char buf[4096];
    roost_fd f;
    int r = roost_fd_open(&f, socket(AF_INET, SOCK_STREAM, 0));

    if (r >= 0)
        r = roost_fd_connect(&f, (const void *)a->from, sizeof *a->from);
    while (r >= 0 && (r = roost_fd_read(&f, buf, sizeof buf)) > 0)
        *a->bytes += (size_t)r;
    roost_fd_close(&f);
    return r;
}

static int fetch_both(const struct sockaddr_in *from, size_t *ret_total)
{
    size_t nu = 0, nv = 0;              /* what children borrow comes first */
    int r;

    ROOST_NURSERY(n);
    roost_go(n, fetch, .from = from, .bytes = &nu);
    roost_go(n, fetch, .from = from, .bytes = &nv);
    r = roost_nursery_close(n, 0);      /* both are home, or were cancelled */
    if (r < 0)
        return r;
    *ret_total = nu + nv;
    return 0;
}

/* The peer: three answers, then nobody picks up. */
ROOST_TASK_OF(roost_fd, serve)(roost_fd *listener)
{
    static const char page[3000];
    int r = 0;

    for (size_t i = 1; r >= 0 && i <= 3; i++) {
        int fd = roost_fd_accept(listener, NULL, NULL);

        r = fd < 0 ? fd : write(fd, page, i * 1000) < 0 ? -errno : 0;
        close(fd);
    }
    return r;
}

static int ask_both(const struct sockaddr_in *from)
{
    size_t total = 0;
    int r = ROOST_WITHIN(ROOST_MS(250), fetch_both(from, &total));

    printf("%zu bytes: %s\n", total, r < 0 ? strerror(-r) : "both are home");
    return r == -ETIMEDOUT ? 0 : r;
}

static int main_task(void *arg)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    int r, fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof at;
    roost_fd listener;

    (void)arg;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (void *)&at, len) < 0 || listen(fd, 8) < 0 ||
        getsockname(fd, (void *)&at, &len) < 0)
        return -errno;
    r = roost_fd_open(&listener, fd);
    if (r < 0)
        return r;
    ROOST_NURSERY(n);
    roost_go_on(n, serve, &listener, .service = true);
    r = ask_both(&at);
    if (r >= 0)
        r = ask_both(&at);
    r = roost_nursery_close(n, r);
    roost_fd_close(&listener);
    return r;
}

int main(void)
{
    return roost_run(main_task, NULL) < 0;
}
