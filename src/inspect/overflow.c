/* overflow.c - one SIGSEGV and SIGBUS handler for all runtimes of the process.
 *
 * Owns:     the handler, the count of those who want it, whom it replaced.
 * Promises: the previous actions come back with the last remove(), unless
 *           somebody else's handler stands over ours by then: that one may
 *           still pass faults on to us, so ours stays and passes them on too.
 * Never:    takes a lock in the handler.
 */
#define _GNU_SOURCE
#include "inspect/overflow.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core/sys.h"

enum { ALTERNATE_BYTES = 64 * 1024, SIGNALS = 2 };

static const int signals[SIGNALS] = {SIGSEGV, SIGBUS};

/* Under the lock, but for the handler, which reads `previous` only. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned installed;
static bool stands[SIGNALS];    /* ours, if only below another's handler */
static struct sigaction previous[SIGNALS];

static _Thread_local struct roost__overflow *innermost
    __attribute__((tls_model("initial-exec")));

/* The default action must meet the fault itself, for the core dump; a signal
 * that was sent does not come again by returning. */
static void die_by_default(int sig, const siginfo_t *info)
{
    struct sigaction act = {.sa_handler = SIG_DFL};

    roost__sys->sigaction(sig, &act, NULL);
    if (info->si_code <= 0)
        raise(sig);             /* blocked until the handler returns */
}

static void pass_on(int sig, siginfo_t *info, void *context)
{
    const struct sigaction *act = &previous[sig == signals[1]];

    if (act->sa_flags & SA_SIGINFO)
        act->sa_sigaction(sig, info, context);
    else if (act->sa_handler == SIG_DFL)
        die_by_default(sig, info);
    else if (act->sa_handler != SIG_IGN)
        act->sa_handler(sig);
    else if (info->si_code > 0)         /* a real fault cannot be ignored */
        die_by_default(sig, info);
}

static void fault_handler(int sig, siginfo_t *info, void *context)
{
    struct roost__overflow *o = info->si_code > 0 ? innermost : NULL;

    for (; o; o = o->outer) {
        struct roost__stack *s = roost__stack_of_guard(o->p, info->si_addr);

        if (s) {
            o->report(s, info->si_addr, o->arg);
            abort();
        }
    }
    pass_on(sig, info, context);
}

/* Best effort: without it an overflow is a plain segmentation fault. */
static void handler_set(int i)
{
    struct sigaction act = {.sa_sigaction = fault_handler,
                            .sa_flags = SA_SIGINFO | SA_ONSTACK};

    if (stands[i] || roost__sys->sigaction(signals[i], NULL, &previous[i]) != 0)
        return;
    stands[i] = roost__sys->sigaction(signals[i], &act, NULL) == 0;
}

static void handler_reset(int i)
{
    struct sigaction act;

    if (!stands[i] || roost__sys->sigaction(signals[i], NULL, &act) != 0)
        return;
    if (act.sa_flags & SA_SIGINFO && act.sa_sigaction == fault_handler)
        stands[i] = roost__sys->sigaction(signals[i], &previous[i], NULL) != 0;
}

int roost__overflow_install(const struct roost__stacks *p,
                            roost__overflow_fn *report, void *arg,
                            struct roost__overflow *saved)
{
    stack_t now = {.ss_size = ALTERNATE_BYTES};

    *saved = (struct roost__overflow){p, report, arg, .outer = innermost};
    now.ss_sp = roost__sys->mmap(NULL, ALTERNATE_BYTES, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (now.ss_sp == MAP_FAILED)
        return -errno;
    if (roost__sys->sigaltstack(&now, &saved->before) != 0) {
        int r = -errno;         /* we are on an alternate stack ourselves */

        roost__sys->munmap(now.ss_sp, ALTERNATE_BYTES);
        return r;
    }
    saved->alternate = now.ss_sp;
    innermost = saved;
    pthread_mutex_lock(&lock);
    if (installed++ == 0)
        for (int i = 0; i < SIGNALS; i++)
            handler_set(i);
    pthread_mutex_unlock(&lock);
    return 0;
}

void roost__overflow_remove(struct roost__overflow *saved)
{
    stack_t now;

    pthread_mutex_lock(&lock);
    if (--installed == 0)
        for (int i = 0; i < SIGNALS; i++)
            handler_reset(i);
    pthread_mutex_unlock(&lock);
    innermost = saved->outer;
    roost__sys->sigaltstack(NULL, &now);
    if (now.ss_sp == saved->alternate)
        roost__sys->sigaltstack(&saved->before, NULL);
    roost__sys->munmap(saved->alternate, ALTERNATE_BYTES);
}
