/* 07_guest.c - roost inside a libev program that keeps its loop and callbacks.
 *
 * Each request that it reads becomes a root: a main task with two children
 * and a time limit. The host is told when all of it is home, and may cancel it
 * before. A timer plays the client: one fast request, two slow, one taken back.
 */
#include <errno.h>
#include <ev.h>
#include <roost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request { int number; char kind; roost_root *root; };
struct ask { roost_time takes; };

static struct request *latest; /* NULL: it is over */
static int client, requests;

ROOST_TASK(ask)(struct ask *a) /* a backend */
{
    return roost_sleep(a->takes);
}

ROOST_TASK_OF(struct request, serve)(struct request *q)
{
    ROOST_NURSERY_WITH(n, .deadline = roost_after(ROOST_MS(400)));
    roost_go(n, ask, .takes = ROOST_MS(1));
    roost_go(n, ask, .takes = q->kind == 'f' ? ROOST_MS(2) : ROOST_SEC(60));
    return roost_nursery_close(n, 0);
}

static void served(int result, void *arg) /* outside any task */
{
    struct request *q = arg;

    printf("request %d: %s\n", q->number, strerror(-result));
    if (latest == q)
        latest = NULL;
    free(q);
}

static void begin(struct ev_loop *loop, char kind)
{
    struct request *q = latest = malloc(sizeof *q);

    if (!q)
        return;
    *q = (struct request){ .number = ++requests, .kind = kind };
    q->root = roost_attach(loop, roost_task_serve, q, served, q);
    if (!q->root)
        served(-errno, q);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int events)
{
    char byte;

    (void)events;
    if (read(w->fd, &byte, 1) != 1) {
        printf("the client has left\n");
        ev_io_stop(loop, w);
    } else if (byte != 'x') {
        begin(loop, byte);
    } else if (latest) {
        roost_root_cancel(latest->root, "the client takes it back");
    }
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
    static const char *next = "fssx"; /* fast, slow, slow, cancel */

    (void)events;
    if (*next && write(client, next++, 1) == 1)
        return;
    close(client);
    ev_timer_stop(loop, w);
}

int main(void)
{
    struct ev_loop *loop = ev_default_loop(0);
    ev_timer timer;
    ev_io readable;
    int pair[2];

    if (!loop || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return 1;
    client = pair[1];
    ev_io_init(&readable, on_readable, pair[0], EV_READ);
    ev_io_start(loop, &readable);
    ev_timer_init(&timer, on_timer, 0.02, 0.02);
    ev_timer_start(loop, &timer);
    ev_run(loop, 0); /* returns when host and roots have no work left */
    printf("all are home\n");
    return 0;
}
