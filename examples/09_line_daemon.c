/* 09_line_daemon.c - a daemon to copy from: a server of lines over TCP.
 *
 *     --listen HOST:PORT  --health HOST:PORT  --config FILE  --clients N  --grace MS
 *
 * It prints where it listens and serves until it is told to stop. Then clients who
 * are silent are let go; what has arrived is answered; who has not read his answers
 * when the grace is over is cut. Its health, a line on a port of its own, can be
 * asked until the last client is gone. SIGHUP reads the limits again. A service
 * manager may hand over the sockets, named "listening" and "health".
 */
#include <netinet/tcp.h>
#include <roost.h>
#include <roost/daemon.h>
#include <stdlib.h>

#include "09_line_rest.h"

struct server {
    const char *listen, *health, *config, *clients, *grace; /* as given */
    roost_fd listener, health_listener;
    bool draining;
    struct store store;
};

/* ---- a client ---- */

struct client { struct server *server; int number; };

struct conn {
    roost_fd fd;
    size_t len, used; /* bytes in buf; of these the line before */
    char buf[512];
};

/* 1; 0 at the end. Between two requests nothing is in flight, so a stop may end
 * that wait, and no other. */
static int read_line(struct conn *c)
{
    char *end;
    int r;

    c->len -= c->used;
    memmove(c->buf, c->buf + c->used, c->len);
    c->used = 0;
    while (!(end = memchr(c->buf, '\n', c->len))) {
        if (c->len == sizeof c->buf)
            return -EMSGSIZE;
        if (c->len == 0)
            r = ROOST_IDLE(roost_fd_read(&c->fd, c->buf, sizeof c->buf));
        else
            r = roost_fd_read(&c->fd, c->buf + c->len, sizeof c->buf - c->len);
        if (r <= 0)
            return r;
        c->len += (size_t)r;
    }
    c->used = (size_t)(end + 1 - c->buf);
    end[end > c->buf && end[-1] == '\r' ? -1 : 0] = '\0';
    return 1;
}

static int write_all(roost_fd *f, const char *text)
{
    size_t left = strlen(text);
    int r = 0;

    for (; left > 0 && r >= 0; text += r, left -= (size_t)r)
        if ((r = roost_fd_write(f, text, left)) < 0)
            return r;
    return 0;
}

/* A socket that is closed with something unread resets the connection, and answers
 * on their way are lost: so it is read to its end. */
static int say_goodbye(struct conn *c, const char *why)
{
    int r = write_all(&c->fd, why);

    shutdown(roost_fd_number(&c->fd), SHUT_WR);
    while (r >= 0 && (r = roost_fd_read(&c->fd, c->buf, sizeof c->buf)) > 0)
        continue;
    return r;
}

static int serve(struct store *s, struct conn *c)
{
    char reply[256];
    int r, more;

    do {
        roost_time idle = ROOST_MS(s->idle_ms);

        more = 0;
        r = ROOST_WITHIN(idle, read_line(c));
        if (r == 1) {
            more = store_answer(s, c->buf, reply, sizeof reply);
            r = ROOST_WITHIN(idle, write_all(&c->fd, reply));
        }
    } while (more && r >= 0);
    if (r != -ECANCELED)
        roost_ignore(ROOST_WITHIN(ROOST_SEC(1), say_goodbye(c,
            r == -ETIMEDOUT ? "ERR idle\n" : r == -EMSGSIZE ? "ERR long\n" : "")));
    return r;
}

/* What a client does to his connection is no failure of the daemon. */
ROOST_TASK(client)(struct client *a)
{
    struct store *s = &a->server->store;
    struct conn c = { .len = 0 };
    int one = 1, r = roost_fd_open(&c.fd, a->number);

    if (r < 0) {
        close(a->number);
        return r;
    }
    setsockopt(a->number, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    s->clients++;
    r = serve(s, &c);
    s->clients--;
    roost_fd_close(&c.fd);
    return r == -ECANCELED || r == -ESHUTDOWN ? r : 0;
}

/* Who finds no room stays in the kernel's queue, which a stop still serves: accept
 * is ended only when it would have to wait. */
static int accept_clients(struct server *s)
{
    int r, number;

    ROOST_NURSERY_WITH(n, .name = "clients", .stack_bytes = ROOST_STACK_SMALL,
                       .children_max = strtoul(s->clients, NULL, 10));
    while ((r = roost_nursery_wait_room(n)) >= 0) {
        r = number = ROOST_IDLE(roost_fd_accept(&s->listener, NULL, NULL));
        if (r >= 0 && (r = roost_go(n, client, .server = s, .number = number)) < 0)
            close(number);
        if (r == -EMFILE || r == -ENFILE || r == -ENOBUFS)
            r = roost_sleep(ROOST_MS(100));
        if (r < 0)
            break;
    }
    s->draining = true;
    roost_fd_close(&s->listener);
    return roost_nursery_close(n, r);
}

/* ---- beside the clients ---- */

ROOST_TASK_OF(struct server, health)(struct server *s)
{
    char line[80];
    roost_fd f;
    int r;

    while ((r = ROOST_IDLE(roost_fd_accept(&s->health_listener, NULL, NULL))) >= 0)
        if (roost_fd_open(&f, r) == 0) {
            snprintf(line, sizeof line, "%s clients=%zu requests=%zu\n",
                     s->draining ? "draining" : "ok", s->store.clients,
                     s->store.requests);
            roost_ignore(ROOST_WITHIN(ROOST_SEC(1), write_all(&f, line)));
            roost_fd_close(&f);
        }
    return r;
}

ROOST_TASK_OF(struct server, status)(struct server *s)
{
    int r;

    while ((r = ROOST_IDLE(roost_sleep(ROOST_SEC(1)))) >= 0)
        roost_notifyf("STATUS=%zu clients, %zu requests", s->store.clients,
                      s->store.requests);
    return r;
}

ROOST_TASK_OF(struct server, reload)(struct server *s)
{
    int r;

    while ((r = ROOST_IDLE(roost_reload_wait())) >= 0)
        fprintf(stderr, "limits: %s\n", store_read_limits(&s->store, s->config) < 0
                    ? "not understood, they stay as they were" : "read again");
    return r;
}

/* ---- the program ---- */

static int open_listener(roost_fd *f, const char *name, const char *at)
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;
    char host[64], port[8];
    int fd = roost_listen_fd(name, 0);

    if (fd == -ENOENT)
        fd = bind_socket(at);
    if (fd < 0)
        return fd;
    if (getsockname(fd, (struct sockaddr *)&bound, &len) == 0 &&
        getnameinfo((struct sockaddr *)&bound, len, host, sizeof host, port,
                    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        printf("%s on %s:%s\n", name, host, port);
    fflush(stdout);
    return roost_fd_open(f, fd);
}

static int run(struct server *s)
{
    ROOST_NURSERY(n);
    if (s->health)
        roost_go_on(n, health, s, .service = true);
    roost_go_on(n, status, s, .service = true);
    roost_go_on(n, reload, s);
    roost_notify("READY=1");
    return roost_nursery_close(n, accept_clients(s));
}

static int main_task(void *arg)
{
    struct server *s = arg;
    int r = store_read_limits(&s->store, s->config);

    if (r < 0)
        return roost_fail(r, "%s: wanted idle_ms N keys_max N", s->config);
    r = open_listener(&s->listener, "listening", s->listen);
    if (r >= 0 && s->health)
        r = open_listener(&s->health_listener, "health", s->health);
    if (r >= 0)
        r = run(s);
    roost_fd_close(&s->listener);
    roost_fd_close(&s->health_listener);
    return r;
}

int main(int argc, char **argv)
{
    static struct server s = { .listen = "127.0.0.1:0", .clients = "1000",
                               .grace = "20000" };
    const struct option known[] = {
        { "--listen", &s.listen }, { "--health", &s.health },
        { "--config", &s.config }, { "--clients", &s.clients },
        { "--grace", &s.grace }, { NULL, NULL } };
    roost_daemon_options o = { .ready_by_hand = true };

    if (argc < 1 || !read_options(argv + 1, known))
        return 64;
    o.stop = (roost_stop_budget){ .soft = ROOST_MS(strtol(s.grace, NULL, 10)),
        .hard = ROOST_SEC(5), .pierce = ROOST_SEC(2), .last = ROOST_LAST_EXIT,
        .exit_status = 1 };
    return roost_daemon_run(main_task, &s, &o);
}
