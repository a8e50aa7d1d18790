/* signal_hub.c - the one signal handler of the process, and who listens to it.
 *
 * Owns:     the handler; the list of listeners of all runs; the actions that
 *           ours replaced, and how many listeners each signal has.
 * Promises: the handler takes no lock, allocates nothing and keeps errno; it may
 *           run in any thread, with a run or not, at any instant. A listener and
 *           its alarm are not looked at any more when remove() returns. The
 *           action of before comes back with the last listener, to the bit,
 *           unless somebody has set another meanwhile.
 * Never:    touches a signal mask; sets an action over a handler not ours.
 *
 * fork() waits for the lock: what it guards is whole in the child, and the child
 * forgets the handlers of threads that it has not got.
 *
 * The list is changed under the lock and walked without it:
 *
 *     first -> listener -> listener -> NULL      next and arrived are atomic
 *
 * remove() unlinks, then waits out the handlers that may have seen the listener.
 * They are counted in two counters, of which `side` is the one for newcomers: it
 * is turned over before each is waited for, so a storm of signals cannot keep
 * the count above zero.
 *
 * Not signalfd: every thread would have to block the signal. Not ev_signal: no
 * SA_ONSTACK, one loop for each signal.
 */
#include "os/signal_hub.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/misuse.h"

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_POINTER_LOCK_FREE == 2,
               "a handler takes no lock");

static _Atomic(struct roost__listener *) first;
static atomic_uint inside[2], side;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static uint64_t last_id;
static bool forks_are_seen;
static struct {
    unsigned listeners;
    struct sigaction before; /* what ours replaced */
} action[ROOST__SIGNALS + 1];

/* ---- the handler ---- */

static void on_signal(int sig)
{
    unsigned mine = atomic_load(&side);
    struct roost__listener *l;

    atomic_fetch_add(&inside[mine], 1);
    for (l = atomic_load(&first); l; l = atomic_load(&l->next))
        if (l->wanted & roost__signal_bit(sig)) {
            if (l->seen)
                l->seen(l, sig);
            atomic_fetch_or(&l->arrived, roost__signal_bit(sig));
            roost__alarm_ring(l->alarm);
        }
    atomic_fetch_sub(&inside[mine], 1);
}

/* Whoever was inside before the call has left when it returns. One that has read
 * `side` and is not counted yet finds the list as it is by then. */
static void wait_out(void)
{
    static const struct timespec briefly = { .tv_nsec = 10000 };
    unsigned before;
    int i;

    for (i = 0; i < 2; i++) {
        before = atomic_fetch_xor(&side, 1);
        while (atomic_load(&inside[before]) > 0)
            roost__sys->nanosleep(&briefly, NULL);
    }
}

/* ---- actions; under the lock ---- */

static bool is_ours(const struct sigaction *a)
{
    return !(a->sa_flags & SA_SIGINFO) && a->sa_handler == on_signal;
}

static bool is_free(const struct sigaction *a)
{
    return a->sa_handler == SIG_DFL || a->sa_handler == SIG_IGN || is_ours(a);
}

/* What becomes of children stays as it was; for those of SIGCHLD. Ignored, it
 * leaves no zombies either. */
static int flags_of_children(int sig, const struct sigaction *before)
{
    if (sig == SIGCHLD && before->sa_handler == SIG_IGN)
        return SA_NOCLDSTOP | SA_NOCLDWAIT;
    return before->sa_flags & (SA_NOCLDSTOP | SA_NOCLDWAIT);
}

/* Blocks all others meanwhile, so that they do not pile up on a small stack. */
static int take_signal(int sig)
{
    struct sigaction before, ours = { .sa_handler = on_signal };

    if (roost__sys->sigaction(sig, NULL, &before) != 0)
        return -errno;
    if (!is_ours(&before)) {
        sigfillset(&ours.sa_mask);
        ours.sa_flags = SA_ONSTACK | SA_RESTART | flags_of_children(sig, &before);
        if (roost__sys->sigaction(sig, &ours, NULL) != 0)
            return -errno;
        action[sig].before = before;
    }
    action[sig].listeners++;
    return 0;
}

static void let_signal_go(int sig)
{
    struct sigaction now;

    if (--action[sig].listeners > 0)
        return;
    if (roost__sys->sigaction(sig, NULL, &now) == 0 && is_ours(&now))
        roost__sys->sigaction(sig, &action[sig].before, NULL);
}

static void let_go(uint64_t signals)
{
    int sig;

    for (sig = 1; sig <= ROOST__SIGNALS; sig++)
        if (signals & roost__signal_bit(sig))
            let_signal_go(sig);
}

static int take(uint64_t signals)
{
    uint64_t taken = 0;
    int sig, r = 0;

    for (sig = 1; sig <= ROOST__SIGNALS && r >= 0; sig++) {
        if (!(signals & roost__signal_bit(sig)))
            continue;
        r = take_signal(sig);
        if (r >= 0)
            taken |= roost__signal_bit(sig);
    }
    if (r < 0)
        let_go(taken);
    return r;
}

static int find_stranger(uint64_t signals, struct roost__stranger *ret_who)
{
    struct sigaction now;
    int sig;

    for (sig = 1; sig <= ROOST__SIGNALS; sig++) {
        if (!(signals & roost__signal_bit(sig)))
            continue;
        if (roost__sys->sigaction(sig, NULL, &now) != 0)
            return -errno;
        if (!is_free(&now)) {
            *ret_who = (struct roost__stranger){ sig, now.sa_handler };
            return -EBUSY;
        }
    }
    return 0;
}

/* ---- listeners; under the lock ---- */

static void link_listener(struct roost__listener *l)
{
    l->id = ++last_id;
    atomic_init(&l->arrived, 0);
    atomic_init(&l->next, atomic_load(&first));
    atomic_store(&first, l);
}

static void unlink_listener(struct roost__listener *l)
{
    _Atomic(struct roost__listener *) *at = &first;

    while (atomic_load(at) != l)
        at = &atomic_load(at)->next;
    atomic_store(at, atomic_load(&l->next));
    wait_out();
}

/* ---- forks ---- */

static void fork_comes(void)
{
    pthread_mutex_lock(&lock);
}

static void fork_was_parent(void)
{
    pthread_mutex_unlock(&lock);
}

static void fork_was_child(void)
{
    atomic_store(&inside[0], 0);
    atomic_store(&inside[1], 0);
    pthread_mutex_unlock(&lock);
}

/* Under the lock. */
static int see_forks(void)
{
    int r = 0;

    if (!forks_are_seen)
        r = -pthread_atfork(fork_comes, fork_was_parent, fork_was_child);
    forks_are_seen = r == 0;
    return r;
}

/* It listens before the first action is ours: what comes earlier meets the action
 * of before, and none is swallowed. */
int roost__hub_add(struct roost__listener *l, struct roost__stranger *ret_who)
{
    int r;

    pthread_mutex_lock(&lock);
    r = see_forks();
    if (r >= 0)
        r = find_stranger(l->wanted, ret_who);
    if (r >= 0) {
        link_listener(l);
        r = take(l->wanted);
        if (r < 0)
            unlink_listener(l);
    }
    pthread_mutex_unlock(&lock);
    return r;
}

void roost__hub_remove(struct roost__listener *l)
{
    pthread_mutex_lock(&lock);
    let_go(l->wanted);
    unlink_listener(l);
    pthread_mutex_unlock(&lock);
}

const char *roost__hub_site(uint64_t id)
{
    const struct roost__listener *l;
    const char *site = "";

    pthread_mutex_lock(&lock);
    for (l = atomic_load(&first); l; l = atomic_load(&l->next))
        if (l->id == id)
            site = roost__place(l->site);
    pthread_mutex_unlock(&lock);
    return site;
}
