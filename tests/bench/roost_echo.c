/* roost_echo.c - the echo server with a task for each connection, on small
 *                stacks: what one would write, nothing is tuned for the bench.
 */
#include <roost/io.h>
#include <roost/nursery.h>
#include <roost/task.h>

#include "bench/echo.h"

struct connection {
    int fd;
};

/* Writes all; the loop runs twice only when the socket is full. */
static int answer(roost_fd *f, const char *buf, int bytes)
{
    int r = 0;

    for (int done = 0; done < bytes && r >= 0; done += r)
        r = roost_fd_write(f, buf + done, (size_t)(bytes - done));
    return r;
}

ROOST_TASK(connection)(struct connection *c)
{
    char buf[ECHO_BUFFER];
    roost_fd f;
    int r;

    echo_prepare(c->fd);
    r = roost_fd_open(&f, c->fd);
    while (r >= 0 && (r = roost_fd_read(&f, buf, sizeof buf)) > 0)
        r = answer(&f, buf, r);
    roost_fd_close(&f);
    return 0; /* a connection that breaks is its own affair */
}

static int server_main(void *arg)
{
    roost_fd door;
    int r = roost_fd_open(&door, echo_listen());

    (void)arg;
    ROOST_NURSERY_WITH(n, .stack_bytes = ROOST_STACK_SMALL);
    while (r >= 0 && (r = roost_fd_accept(&door, NULL, NULL)) >= 0)
        roost_go(n, connection, .fd = r);
    r = roost_nursery_close(n, r);
    roost_fd_close(&door);
    return r;
}

int main(void)
{
    return roost_run(server_main, NULL) < 0;
}
