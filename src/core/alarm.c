/* alarm.c - how other threads and signal handlers wake the loop.
 *
 * Owns:     one eventfd per runtime, made when the first source comes.
 * Promises: a ring never blocks, takes no lock and touches nothing of libev; of
 *           many rings between two looks one makes a system call; none is lost.
 * Never:    knows what its sources carry.
 *
 * Not ev_async: libev ends the process when it has no descriptor for it.
 */
#include "core/alarm.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include <roost/io.h>

#include "base/misuse.h"

static void rung(struct roost__loop_fd *watch, int mask)
{
    struct roost__alarm *a = ROOST__CONTAINER(watch, struct roost__alarm, watch);
    struct roost__source *s;
    uint64_t count;

    if (!mask) /* refused; who is deaf would leave threads waiting for ever */
        roost__loop_fd_start(a->loop, watch);
    roost_ignore((int)a->sys->read(a->fd, &count, sizeof count));
    /* Before the drain: who comes later rings again. */
    atomic_exchange(&a->rung, 0);
    for (s = a->first; s; s = a->cursor) {
        a->cursor = s->next;
        s->drain(s);
    }
}

static int alarm_open(struct roost__alarm *a, struct roost__loop *l)
{
    int fd = roost__sys->eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (fd < 0)
        return -errno;
    a->loop = l;
    a->sys = roost__sys;
    a->fd = fd;
    atomic_init(&a->rung, 0);
    roost__loop_fd_init(&a->watch, fd, ROOST_READ, rung);
    roost__loop_fd_start(l, &a->watch);
    return 0;
}

int roost__alarm_add(struct roost__alarm *a, struct roost__loop *l,
                     struct roost__source *s)
{
    int r = a->loop ? 0 : alarm_open(a, l);

    if (r < 0)
        return r;
    s->next = a->first;
    a->first = s;
    return 0;
}

void roost__alarm_remove(struct roost__alarm *a, struct roost__source *s)
{
    struct roost__source **at = &a->first;

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    if (a->cursor == s)
        a->cursor = s->next;
}

void roost__alarm_ring(struct roost__alarm *a)
{
    static const uint64_t one = 1;
    int before = errno, cancelling;

    if (atomic_exchange(&a->rung, 1))
        return;
    /* A write is where a pthread_cancel would take effect: in the midst of a post,
     * and its portal would wait for that thread for ever. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelling);
    /* It cannot fail but when the count is full, and then it is readable. */
    roost_ignore((int)a->sys->write(a->fd, &one, sizeof one));
    pthread_setcancelstate(cancelling, NULL);
    errno = before;
}

void roost__alarm_close(struct roost__alarm *a)
{
    struct roost__source *s;

    while ((s = a->first)) {
        ROOST_ASSERT(s->over);
        s->over(s);
        ROOST_ASSERT(a->first != s);
    }
    if (!a->loop)
        return;
    roost__loop_fd_stop(a->loop, &a->watch);
    a->sys->close(a->fd);
    a->loop = NULL;
}
