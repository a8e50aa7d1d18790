/* fd.h - a descriptor of ours, as fd.c keeps it and its neighbours use it. */
#ifndef ROOST_IO_FD_H
#define ROOST_IO_FD_H

#include <roost/io.h>

#include "core/park.h"

/* What kind a roost_fd is: how a write says that nobody reads. */
enum { FD_OTHER = 0, FD_SOCKET, FD_PIPE };

/* Index of a side, and its bit. */
enum { SIDE_READ = 0, SIDE_WRITE = 1 };
#define SIDE_BIT(side) (1 << (side))

/* 0 and what st_mode says; -EBADF; -EPERM with words for what is always "ready"
 * and blocks all the same. */
int roost__fd_kind(int fd, mode_t *ret_mode);

/* The entry of every call that waits, in place of roost__waiter: -ECANCELED,
 * -EBADF, or 0 and f is bound to the run. */
int roost__fd_enter_first(roost_fd *f, roost_task *t, const char *call,
                          void *place);

/* A closed one is bound to no run. */
static inline int roost__fd_enter(roost_fd *f, const char *call, void *place,
                                  roost_task **ret_t)
{
    roost_task *t = *ret_t = roost__self();

    return t && --t->s.budget > 0 && !t->scope->effective && f->run &&
                   f->run == t->rt->loop.fds.run
               ? 0 : roost__fd_enter_first(f, t, call, place);
}

static inline bool roost__fd_waited_for(const roost_fd *f, int side)
{
    return f->sides[side].first || f->sides[side].awake;
}

/* A wait on a roost_fd: for a side or both. */
struct roost__fd_park {
    int mask;
    bool turn;  /* one of those who take turns at a call */
    bool again; /* its turn came, the call found nothing: it stays the first */
    const char *what;
    void *place;
};

/* Parks the task until f is ready: the mask. -ECANCELED, or -EBADF and the like
 * when f was closed: then f is not to be looked at again. */
int roost__fd_park(roost_fd *f, roost_task *t, const struct roost__fd_park *p);

/* There may be more for the next in turn. */
void roost__fd_pass_on(roost_fd *f, int side);

/* Does not look for events of this side until somebody parks again. */
void roost__fd_quiet(roost_fd *f, int side);

/* On roost_fd's list: a task that lets others run, and will look at f afterwards
 * unless f was closed meanwhile. */
struct roost__fd_pause {
    struct roost__fd_pause *next;
    bool tries; /* between two attempts, not before the first */
    bool gone;
};

void roost__fd_pause_begin(roost_fd *f, struct roost__fd_pause *pause);
/* false: f is gone. */
bool roost__fd_pause_end(roost_fd *f, struct roost__fd_pause *pause);

#endif
