/* signal.c - receivers of signals, and the tasks that wait for them.
 *
 * Owns:     a block for each open receiver, among the sources of its runtime's
 *           alarm. The caller's structure is only a number, so a frame that went
 *           without close leaves nothing that points into it.
 * Promises: what arrives while a receiver is open is handed out once (X6), in
 *           turn, to those who wait in order (X1).
 * Never:    runs in a signal handler: signal_hub.c does.
 */
#include <roost/signal.h>

#include <errno.h>
#include <string.h>

#include <roost/error.h>

#include "core/park.h"
#include "inspect/place.h"
#include "os/signal_hub.h"

struct receiver {
    struct roost__source source; /* of the runtime's alarm */
    struct roost__listener listener;
    struct roost_rt *rt;
    roost_lot lot; /* who waits */
    int last;      /* the signal handed out last */
};

/* ---- what has arrived ---- */

/* Takes one, beginning behind the last: a storm of one keeps no other waiting.
 * 0 if there is none. */
static int take(struct receiver *r)
{
    uint64_t arrived = atomic_load(&r->listener.arrived);
    int i, sig;

    for (i = 0; arrived && i < ROOST__SIGNALS; i++) {
        sig = (r->last + i) % ROOST__SIGNALS + 1;
        if (arrived & roost__signal_bit(sig)) {
            atomic_fetch_and(&r->listener.arrived, ~roost__signal_bit(sig));
            r->last = sig;
            return sig;
        }
    }
    return 0;
}

static void end_wait(roost_wait *w, int result)
{
    w->task->rt->outside--;
    roost__wake_parked(w, result);
}

static void hand_out(struct receiver *r)
{
    int sig;

    while (r->lot.first && (sig = take(r)) > 0)
        end_wait(roost__lot_take(&r->lot), sig);
}

static void rung(struct roost__source *s)
{
    hand_out(ROOST__CONTAINER(s, struct receiver, source));
}

/* ---- opening and closing ---- */

static void end(struct receiver *r)
{
    while (r->lot.first)
        end_wait(roost__lot_take(&r->lot), -EBADF);
    roost__hub_remove(&r->listener);
    roost__alarm_remove(&r->rt->alarm, &r->source);
    roost__sys->free(r);
}

static void run_is_over(struct roost__source *s)
{
    struct receiver *r = ROOST__CONTAINER(s, struct receiver, source);

    roost__say("the signals opened at %s were still open at the end of the run, "
               "which has closed them; call roost_signals_close before",
               roost__place(r->listener.site));
    end(r);
}

/* SIGRTMIN: the C library keeps those below it for itself. */
static bool can_receive(int sig)
{
    static const int never[] = { SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE,
                                 SIGILL, SIGTRAP, SIGSYS, SIGABRT };
    size_t i;

    for (i = 0; i < sizeof never / sizeof *never; i++)
        if (sig == never[i])
            return false;
    return sig > 0 && sig <= ROOST__SIGNALS && sig <= SIGRTMAX &&
           (sig < 32 || sig >= SIGRTMIN);
}

/* The list as bits; 0, and words, if it cannot be. */
static uint64_t read_list(const int *signals, const char *site)
{
    uint64_t wanted = 0;

    for (; signals && *signals; signals++) {
        if (!can_receive(*signals)) {
            roost_fail_at(site, -EINVAL, "signal %d cannot be received",
                          *signals);
            return 0;
        }
        wanted |= roost__signal_bit(*signals);
    }
    if (!wanted)
        roost_fail_at(site, -EINVAL, "the list names no signal");
    return wanted;
}

int roost__hub_busy(const struct roost__stranger *who, const char *site)
{
    char place[120], *start;
    const void *code;

    memcpy(&code, &who->handler, sizeof code);
    roost__place_of(code, place, sizeof place);
    start = strstr(place, "+0x0"); /* a function's first byte is its name */
    if (start && !start[4])
        *start = '\0';
    return roost_fail_at(site, -EBUSY, "signal %d has a handler, %s; receive it "
                         "there, or take that handler away first", who->sig,
                         place);
}

static int start_listening(struct receiver *r)
{
    struct roost__stranger who;
    int code = roost__alarm_add(&r->rt->alarm, &r->rt->loop, &r->source);

    if (code < 0)
        return code;
    code = roost__hub_add(&r->listener, &who);
    if (code < 0)
        roost__alarm_remove(&r->rt->alarm, &r->source);
    return code == -EBUSY ? roost__hub_busy(&who, r->listener.site) : code;
}

int roost_signals_open_at(roost_signals *s, const int *signals,
                          const char *site)
{
    roost_task *t = roost__self();
    struct receiver *r;
    uint64_t wanted;
    int code;

    ROOST_USAGE(t, "roost_signals_open at %s was called outside a task; call it "
                "in a function started by roost_run or roost_spawn",
                roost__place(site));
    *s = (roost_signals){ 0 };
    wanted = read_list(signals, site);
    if (!wanted)
        return -EINVAL;
    r = roost__sys->alloc(sizeof *r);
    if (!r)
        return -ENOMEM;
    *r = (struct receiver){ .source = { .drain = rung, .over = run_is_over },
                            .listener = { .wanted = wanted, .site = site,
                                          .alarm = &t->rt->alarm },
                            .rt = t->rt };
    code = start_listening(r);
    if (code < 0)
        roost__sys->free(r);
    else
        *s = (roost_signals){ .id = r->listener.id };
    return code;
}

/* The receiver that `s` names, NULL if it is closed; another thread's is misuse
 * (G4). */
static struct receiver *find(const roost_signals *s, const char *call)
{
    struct roost__source *at = roost__rt ? roost__rt->alarm.first : NULL;
    struct receiver *r;
    const char *site;

    if (!s->id)
        return NULL;
    for (; at; at = at->next) {
        r = ROOST__CONTAINER(at, struct receiver, source);
        if (at->drain == rung && r->listener.id == s->id)
            return r;
    }
    site = roost__hub_site(s->id);
    ROOST_USAGE(!*site, "%s was given signals that another thread's run opened "
                "at %s; open them in each run that wants them", call, site);
    return NULL;
}

void roost_signals_close(roost_signals *s)
{
    struct receiver *r = find(s, "roost_signals_close");

    s->id = 0;
    if (r)
        end(r);
}

/* ---- waiting ---- */

static bool wait_abort(roost_wait *w, void *lot)
{
    w->task->rt->outside--;
    return roost__lot_abort(w, lot);
}

/* Those who wait already come first. */
static int next(struct receiver *r)
{
    int sig;

    if (!r)
        return -EBADF;
    hand_out(r);
    sig = take(r);
    return sig ? sig : -EAGAIN;
}

int roost_signals_nowait(roost_signals *s)
{
    return next(find(s, "roost_signals_nowait"));
}

int roost_signals_wait(roost_signals *s)
{
    roost_task *t = roost__waiter("roost_signals_wait");
    struct receiver *r;
    roost_wait w;
    int sig;

    if (t->scope->effective)
        return -ECANCELED;
    r = find(s, "roost_signals_wait");
    sig = next(r);
    if (sig != -EAGAIN)
        return sig;
    roost__wait_init(&w, t);
    roost__lot_append(&r->lot, &w);
    t->rt->outside++;
    return roost__park(&w, "a signal", wait_abort, &r->lot, ROOST__PLACE);
}
