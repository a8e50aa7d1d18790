/* libev_echo.c - the echo server in raw callbacks: an ev_io for each connection
 *                that stays in epoll, a read and a write for each request.
 *
 * A read that does not fill the buffer has drained the socket, so none ends in
 * EAGAIN. What the socket does not take waits in the connection, which then
 * watches for room and reads no more until it is gone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <ev.h>

#include "bench/echo.h"

struct connection {
    ev_io io;
    size_t from, to; /* bytes of `buf` that still have to be written */
    char buf[ECHO_BUFFER];
};

static void connection_end(struct ev_loop *loop, struct connection *c)
{
    ev_io_stop(loop, &c->io);
    close(c->io.fd);
    free(c);
}

static void connection_watch(struct ev_loop *loop, struct connection *c,
                             int for_what)
{
    if (c->io.events == for_what)
        return;
    ev_io_stop(loop, &c->io);
    ev_io_set(&c->io, c->io.fd, for_what);
    ev_io_start(loop, &c->io);
}

/* False when it is not what it was: it has ended, or waits for room. */
static int connection_flush(struct ev_loop *loop, struct connection *c)
{
    while (c->from < c->to) {
        ssize_t n = write(c->io.fd, c->buf + c->from, c->to - c->from);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            connection_watch(loop, c, EV_WRITE);
            return 0;
        }
        if (n < 0) {
            connection_end(loop, c);
            return 0;
        }
        c->from += (size_t)n;
    }
    return 1;
}

static void connection_ready(struct ev_loop *loop, ev_io *io, int events)
{
    struct connection *c = (struct connection *)(void *)io;
    ssize_t n;

    if (events & EV_WRITE) {
        if (!connection_flush(loop, c))
            return;
        connection_watch(loop, c, EV_READ);
    }
    do {
        n = read(io->fd, c->buf, sizeof c->buf);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            connection_end(loop, c);
            return;
        }
        c->from = 0;
        c->to = (size_t)n;
        if (!connection_flush(loop, c))
            return;
    } while ((size_t)n == sizeof c->buf);
}

static void accept_ready(struct ev_loop *loop, ev_io *io, int events)
{
    struct connection *c;
    int fd;

    (void)events;
    while ((fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
           0) {
        c = malloc(sizeof *c);
        bench_must(c != NULL, "no memory");
        echo_prepare(fd);
        ev_io_init(&c->io, connection_ready, fd, EV_READ);
        ev_io_start(loop, &c->io);
    }
}

int main(void)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
    ev_io io;

    bench_must(loop != NULL, "no loop");
    ev_io_init(&io, accept_ready, echo_listen(), EV_READ);
    ev_io_start(loop, &io);
    ev_run(loop, 0);
    return 0;
}
