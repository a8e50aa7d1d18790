/* loop_fd.c - watchers of descriptors, as libev keeps them.
 *
 * Owns:     the list of watchers that are started in a given loop.
 * Promises: no watcher keeps a loop alive, a host's least of all (G1); none stays
 *           in a loop that goes on without us; stop and start between two looks at
 *           the loop reach no kernel.
 * Never:    knows what a descriptor is used for.
 */
#include "core/loop.h"

#include <ev.h>
#include <stdatomic.h>
#include <roost/io.h>

#include "base/misuse.h"

_Static_assert(sizeof(ev_io) <= sizeof((struct roost__loop_fd *)0)->io,
               "room for a watcher");

static ev_io *io_of(struct roost__loop_fd *w)
{
    return (ev_io *)(void *)w->io;
}

/* Only a loop that goes on without us has to be rid of its watchers; in our own a
 * neighbour in the list may be one that was forgotten, on a stack that is gone. */
static void list_add(struct roost__loop *l, struct roost__loop_fd *w)
{
    struct roost__loop_fds *fds = &l->fds;

    if (l->own)
        return;
    w->prev = NULL;
    w->next = fds->active;
    if (w->next)
        w->next->prev = w;
    fds->active = w;
}

static void list_remove(struct roost__loop *l, struct roost__loop_fd *w)
{
    if (l->own)
        return;
    if (w->prev)
        w->prev->next = w->next;
    else
        l->fds.active = w->next;
    if (w->next)
        w->next->prev = w->prev;
}

/* On an error libev has stopped the watcher, counted it as one that keeps the
 * loop alive, and taken note as if the kernel knew of it; set anew, it is told
 * to the kernel at the next start. */
static void fd_ready(struct ev_loop *ev, ev_io *io, int events)
{
    struct roost__loop_fd *w = ROOST__CONTAINER(io, struct roost__loop_fd, io);
    struct roost__loop *l = io->data;
    int mask = 0;

    if (events & EV_ERROR) {
        ev_ref(ev);
        list_remove(l, w);
        w->started = false;
        ev_io_set(io, io->fd, io->events);
    } else {
        mask = (events & EV_READ ? ROOST_READ : 0) |
               (events & EV_WRITE ? ROOST_WRITE : 0);
    }
    w->ready(w, mask);
}

void roost__loop_fd_init(struct roost__loop_fd *w, int fd, int mask,
                         void (*ready)(struct roost__loop_fd *w, int mask))
{
    ev_io_init(io_of(w), fd_ready, fd,
               (mask & ROOST_READ ? EV_READ : 0) |
               (mask & ROOST_WRITE ? EV_WRITE : 0));
    w->ready = ready;
    w->started = false;
}

void roost__loop_fd_start(struct roost__loop *l, struct roost__loop_fd *w)
{
    ev_io *io = io_of(w);

    if (w->started)
        return;
    io->data = l;
    ev_io_start(l->ev, io);
    ev_unref(l->ev);
    list_add(l, w);
    w->started = true;
}

void roost__loop_fd_stop(struct roost__loop *l, struct roost__loop_fd *w)
{
    ev_io *io = io_of(w);

    if (!w->started)
        return;
    list_remove(l, w);
    w->started = false;
    ev_ref(l->ev);
    ev_io_stop(l->ev, io);
}

uint64_t roost__loop_fds_run(struct roost__loop *l)
{
    static _Atomic uint64_t last;

    if (!l->fds.run)
        l->fds.run = atomic_fetch_add_explicit(&last, 1,
                                               memory_order_relaxed) + 1;
    return l->fds.run;
}

/* An own loop is destroyed with its lists, so nothing is touched there: a
 * roost_fd that was forgotten may be gone. Libev itself links through those
 * that are started, so taking them off a host's loop is as safe as leaving
 * them. */
void roost__loop_fds_close(struct roost__loop *l)
{
    if (l->fds.foreign)
        l->fds.close_foreign(l->fds.foreign);
    if (l->fds.open)
        roost__say("a run ended with %zu roost_fd%s still open; nothing can wait "
                   "for them any more: call roost_fd_close before the run ends",
                   l->fds.open, l->fds.open == 1 ? "" : "s");
    while (l->fds.active)
        roost__loop_fd_stop(l, l->fds.active);
    l->fds = (struct roost__loop_fds){ 0 };
}
