/* wait_fd.c - waiting for descriptors that are somebody else's.
 *
 * Owns:     an epoll set of its own inside the loop's, and the table of waits by
 *           number; both made at the first wait and gone with the run.
 * Promises: right when a library closes and reopens a number between two waits,
 *           also when two tasks wait for one number; a number closed under a
 *           waiter harms nobody; waits allocate nothing.
 * Never:    gives a foreign number to libev. That keeps a number for as long as
 *           a watcher lives, asks the kernel about it again at times of its own
 *           (another watcher comes or goes, the epoll set is made anew) and
 *           aborts when it is closed by then. Here an error of epoll_ctl is an
 *           answer like any other.
 *
 * A registration is one shot: after an event, or when its waiter has gone, it
 * is silent until the next wait arms it again, so one that was left behind
 * costs one event at most. Each arming has a number, `turn`, which comes back
 * with the event: one of an earlier owner of the number is told apart.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

#include "core/park.h"
#include "io/fd.h"

#define BUCKETS 64
#define BATCH 32

struct group;

/* In the room of an item, while it is waited for. */
struct watch {
    struct watch *next, *prev;
    struct group *group; /* NULL: not in the table */
    uint32_t turn;
};

_Static_assert(sizeof(struct watch) <= sizeof((roost_fd_ready *)0)->room,
               "room for a watch");

/* One call of a task, for all its items. */
struct group {
    roost_wait w;
    struct foreign *set;
    roost_fd_ready *items;
    size_t count;
    int ready; /* items that are */
};

struct foreign {
    struct roost_rt *rt;
    int epoll;
    uint32_t turn;
    struct roost__loop_fd io;
    struct bucket {
        struct watch *first, *last;
        int known; /* the number armed here last, plus 1 */
    } buckets[BUCKETS];
};

static struct watch *watch_of(roost_fd_ready *item)
{
    return (struct watch *)(void *)item->room;
}

static roost_fd_ready *item_of(struct watch *w)
{
    return ROOST__CONTAINER(w, roost_fd_ready, room);
}

static struct bucket *bucket_of(struct foreign *set, int fd)
{
    return &set->buckets[(unsigned)fd % BUCKETS];
}

/* ---- the table ---- */

static void table_add(struct group *g, roost_fd_ready *item)
{
    struct bucket *b = bucket_of(g->set, item->fd);
    struct watch *w = watch_of(item);

    *w = (struct watch){ .prev = b->last, .group = g };
    if (b->last)
        b->last->next = w;
    else
        b->first = w;
    b->last = w;
}

static void table_remove(struct watch *w)
{
    struct bucket *b = bucket_of(w->group->set, item_of(w)->fd);

    if (w->prev)
        w->prev->next = w->next;
    else
        b->first = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else
        b->last = w->prev;
    w->group = NULL;
}

static void remove_all(struct group *g)
{
    size_t i;

    for (i = 0; i < g->count; i++)
        if (g->items[i].fd >= 0 && watch_of(&g->items[i])->group)
            table_remove(watch_of(&g->items[i]));
}

/* What all who wait for the number want. */
static int wanted(struct foreign *set, int fd)
{
    struct watch *w;
    int mask = 0;

    for (w = bucket_of(set, fd)->first; w; w = w->next)
        if (item_of(w)->fd == fd)
            mask |= item_of(w)->mask;
    return mask;
}

/* ---- the kernel ---- */

static int epoll_set(struct foreign *set, int fd, struct epoll_event *e)
{
    const struct roost_sys *sys = set->rt->sys;
    struct bucket *b = bucket_of(set, fd);
    bool known = b->known == fd + 1;
    int r;

    b->known = fd + 1;
    r = sys->epoll_ctl(set->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, e);
    if (r < 0 && errno == (known ? ENOENT : EEXIST))
        r = sys->epoll_ctl(set->epoll, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD,
                           fd, e);
    return r < 0 ? -errno : 0;
}

/* Asks for one event of what is wanted of the number now. */
static int arm(struct foreign *set, int fd)
{
    int mask = wanted(set, fd), r;
    struct epoll_event e = { .events = EPOLLONESHOT };
    struct watch *w;

    e.events |= mask & ROOST_READ ? (uint32_t)EPOLLIN : 0;
    e.events |= mask & ROOST_WRITE ? (uint32_t)EPOLLOUT : 0;
    e.data.u64 = (uint32_t)fd | (uint64_t)++set->turn << 32;
    r = epoll_set(set, fd, &e);
    if (r < 0)
        return r;
    for (w = bucket_of(set, fd)->first; w; w = w->next)
        if (item_of(w)->fd == fd)
            w->turn = set->turn;
    return 0;
}

/* ---- waking ---- */

/* A second item that is ready before the task has run counts too. */
static void item_ready(struct watch *w, int mask)
{
    struct group *g = w->group;

    table_remove(w);
    item_of(w)->ret_mask = mask;
    g->ready++;
    if (g->w.state == WAIT_PARKED) {
        g->set->rt->outside--;
        roost_wake(&g->w, 0);
    }
}

/* Waking takes watches off the table, so each search begins anew. */
static struct watch *find(struct foreign *set, int fd, uint32_t turn, int mask)
{
    struct watch *w;

    for (w = bucket_of(set, fd)->first; w; w = w->next)
        if (item_of(w)->fd == fd && w->turn == turn &&
            (item_of(w)->mask & mask))
            return w;
    return NULL;
}

/* Ends the wait of a parked task with an error. */
static void fail(struct group *g, int r)
{
    remove_all(g);
    g->set->rt->outside--;
    roost_wake(&g->w, r);
}

/* For those who want more of the number than what came. If it is closed meanwhile
 * they wait on; a kernel that has no room for it would tell them nothing. */
static void arm_again(struct foreign *set, int fd, uint32_t turn)
{
    struct watch *w;
    int r;

    if (!find(set, fd, turn, ROOST_READ | ROOST_WRITE))
        return;
    r = arm(set, fd);
    if (r != -ENOMEM && r != -ENOSPC)
        return;
    while ((w = find(set, fd, turn, ROOST_READ | ROOST_WRITE)))
        if (w->group->w.state == WAIT_PARKED)
            fail(w->group, r);
        else
            table_remove(w);
}

static void event(struct foreign *set, const struct epoll_event *e)
{
    int fd = (int)(uint32_t)e->data.u64, mask = 0;
    uint32_t turn = (uint32_t)(e->data.u64 >> 32);
    struct watch *w;

    if (e->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        mask |= ROOST_READ;
    if (e->events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        mask |= ROOST_WRITE;
    while ((w = find(set, fd, turn, mask)))
        item_ready(w, item_of(w)->mask & mask);
    arm_again(set, fd, turn);
}

static void look(struct foreign *set)
{
    struct epoll_event events[BATCH];
    int i, count;

    do {
        count = set->rt->sys->epoll_wait(set->epoll, events, BATCH, 0);
        for (i = 0; i < count; i++)
            event(set, &events[i]);
    } while (count == BATCH);
}

/* Those who are woken already have seen what they wanted. */
static void fail_all(struct foreign *set, int r)
{
    struct bucket *b;
    struct watch *w;

    for (b = set->buckets; b < set->buckets + BUCKETS; b++)
        for (w = b->first; w;)
            if (w->group->w.state == WAIT_PARKED) {
                fail(w->group, r);
                w = b->first;
            } else {
                w = w->next;
            }
}

/* 0: the kernel has no room to watch the set itself. */
static void set_ready(struct roost__loop_fd *io, int mask)
{
    struct foreign *set = ROOST__CONTAINER(io, struct foreign, io);

    if (mask)
        look(set);
    else
        fail_all(set, -ENOSPC);
}

/* ---- the set ---- */

static void foreign_close(void *arg)
{
    struct foreign *set = arg;
    const struct roost_sys *sys = set->rt->sys;

    roost__loop_fd_stop(&set->rt->loop, &set->io);
    sys->close(set->epoll);
    sys->free(set);
}

static int foreign_open(struct roost_rt *rt)
{
    struct foreign *set = rt->sys->alloc(sizeof *set);

    if (!set)
        return -ENOMEM;
    *set = (struct foreign){ .rt = rt };
    set->epoll = rt->sys->epoll_create1(EPOLL_CLOEXEC);
    if (set->epoll < 0) {
        int r = -errno;

        rt->sys->free(set);
        return r;
    }
    roost__loop_fd_init(&set->io, set->epoll, ROOST_READ, set_ready);
    rt->loop.fds.foreign = set;
    rt->loop.fds.close_foreign = foreign_close;
    return 0;
}

/* ---- the calls ---- */

static bool fds_abort(roost_wait *w, void *arg)
{
    struct group *g = ROOST__CONTAINER(w, struct group, w);

    (void)arg;
    if (!w->task->scope->effective)
        look(g->set); /* what has arrived beats a stop */
    if (g->ready && w->state == WAIT_NEW) { /* it will not park, then */
        g->set->rt->outside--;
        roost_wake(w, 0);
    }
    if (g->ready)
        return false;
    remove_all(g);
    g->set->rt->outside--;
    return true;
}

/* What epoll refuses but is no file never blocks: it is ready. */
static int add_item(struct group *g, roost_fd_ready *item)
{
    mode_t mode;
    int r;

    table_add(g, item);
    r = arm(g->set, item->fd);
    if (r >= 0)
        return 0;
    table_remove(watch_of(item));
    if (r == -EPERM) {
        r = roost__fd_kind(item->fd, &mode);
        item->ret_mask = item->mask;
        g->ready++;
    }
    return r;
}

static int check_items(roost_fd_ready *items, size_t count)
{
    size_t i, real = 0;

    for (i = 0; i < count; i++) {
        int mask = items[i].mask;

        items[i].ret_mask = 0;
        if (items[i].fd < 0)
            continue;
        if (!mask || (mask & ~(ROOST_READ | ROOST_WRITE)))
            return -EINVAL;
        *watch_of(&items[i]) = (struct watch){ 0 };
        real++;
    }
    return real ? 0 : -EINVAL;
}

static int wait_for(roost_task *t, roost_fd_ready *items, size_t count,
                    void *place)
{
    struct group g = { .items = items, .count = count };
    size_t i;
    int r = check_items(items, count);

    if (r >= 0 && !t->rt->loop.fds.foreign)
        r = foreign_open(t->rt);
    if (r < 0)
        return r;
    g.set = t->rt->loop.fds.foreign;
    roost__wait_init(&g.w, t);
    for (i = 0; i < count && r >= 0; i++)
        if (items[i].fd >= 0)
            r = add_item(&g, &items[i]);
    if (r >= 0 && g.ready) {
        look(g.set); /* the others must not starve */
    } else if (r >= 0) {
        roost__loop_fd_start(&t->rt->loop, &g.set->io);
        t->rt->outside++;
        r = roost__park(&g.w, count == 1 ? "a descriptor" : "descriptors",
                        fds_abort, items, place);
    }
    remove_all(&g);
    return r < 0 ? r : g.ready;
}

int roost_wait_fd(int fd, int mask)
{
    roost_task *t = roost__waiter("roost_wait_fd");
    roost_fd_ready item = { .fd = fd, .mask = mask };
    int r;

    if (t->scope->effective)
        return -ECANCELED;
    if (fd < 0)
        return -EBADF;
    r = wait_for(t, &item, 1, ROOST__PLACE);
    return r < 0 ? r : item.ret_mask;
}

int roost_wait_fds(roost_fd_ready *items, size_t count)
{
    roost_task *t = roost__waiter("roost_wait_fds");

    if (t->scope->effective)
        return -ECANCELED;
    return wait_for(t, items, count, ROOST__PLACE);
}

/* Whoever was woken already is done (C4). */
size_t roost_fd_closing(int fd)
{
    struct foreign *set = roost__rt ? roost__rt->loop.fds.foreign : NULL;
    struct watch *w, *next;
    size_t woken = 0;

    if (!set || fd < 0)
        return 0;
    for (w = bucket_of(set, fd)->first; w; w = next) {
        struct group *g = w->group;

        next = w->next;
        if (item_of(w)->fd != fd || g->w.state != WAIT_PARKED)
            continue;
        fail(g, -EBADF);
        woken++;
        next = bucket_of(set, fd)->first;
    }
    if (woken)
        roost_ignore(set->rt->sys->epoll_ctl(set->epoll, EPOLL_CTL_DEL, fd,
                                             NULL));
    return woken;
}
