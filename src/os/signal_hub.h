/* signal_hub.h - the one signal handler of the process, and who listens to it. */
#ifndef ROOST_OS_SIGNAL_HUB_H
#define ROOST_OS_SIGNAL_HUB_H

#include "core/alarm.h"

/* Signals as bits: signal 1 is bit 0. */
#define ROOST__SIGNALS 64

static inline uint64_t roost__signal_bit(int sig)
{
    return UINT64_C(1) << (sig - 1);
}

struct roost__listener {
    _Atomic(struct roost__listener *) next;
    _Atomic uint64_t arrived;    /* set by the handler, cleared by its owner */
    uint64_t wanted;             /* fixed while it listens */
    struct roost__alarm *alarm;  /* rung for each that arrives */
    void (*seen)(struct roost__listener *l, int sig); /* in the handler, or NULL */
    uint64_t id;                 /* of all listeners there ever were; not 0 */
    const char *site;            /* where it was opened */
};

/* A handler that is not ours. */
struct roost__stranger {
    int sig;
    void (*handler)(int sig);
};

/* From here on what it wants is noted in arrived. `wanted`, `alarm` and `site`
 * are set; the alarm has a source. 0; -EBUSY, and whose signal it is; what
 * sigaction says. On failure nothing has changed. */
int roost__hub_add(struct roost__listener *l, struct roost__stranger *ret_who);

/* -EBUSY, with words about who has it. */
int roost__hub_busy(const struct roost__stranger *who, const char *site);

/* When it returns no handler looks at the listener or its alarm any more. */
void roost__hub_remove(struct roost__listener *l);

/* Where the listener of that number was opened, in whatever thread; "" if there
 * is none of it. */
const char *roost__hub_site(uint64_t id);

#endif
