/* rt.h - the runtime and the task: the two structures that the core shares.
 *
 * One runtime per thread, found through a thread-local pointer. A task's control
 * block sits at the top of its own stack, below the stack's header, so an idle
 * task is one page:
 *
 *     slot lo                                              slot top
 *     | guard | ... frames grow down <- | copied arg | task | stack header |
 */
#ifndef ROOST_CORE_RT_H
#define ROOST_CORE_RT_H

#include <roost/nursery.h>

#include "base/misuse.h"
#include "base/wheel.h"
#include "core/alarm.h"
#include "core/cxx.h"
#include "core/fiber.h"
#include "core/loop.h"
#include "core/stack.h"
#include "core/sys.h"

/* A roost_wait's state: one word, decided once. */
enum { WAIT_NEW = 0, WAIT_PARKED, WAIT_DONE, WAIT_CANCELLED };

/* A park that is ROOST_IDLE; a stop is about to end it. */
enum { PARKED_IDLE = 1, PARKED_ENDING };

/* A timer's kind: who is told when it is due. */
enum { TIMER_SLEEP = 0, TIMER_SCOPE, TIMER_STOP, TIMER_KINDS };

/* How far a scope is stopped; each holds for all in it, services see below. */
enum { STOP_NOT = 0, STOP_SOFT, STOP_HARD, STOP_PIERCED };

/* A scope's kind. */
enum { SCOPE_PLAIN = 0, SCOPE_SHIELD, SCOPE_NURSERY, SCOPE_SERVICES, SCOPE_TASK };

/* Why a scope is cancelled. */
enum {
    CAUSE_NONE = 0, CAUSE_HAND, CAUSE_DEADLINE, CAUSE_FAILURE, CAUSE_CLOSE,
    CAUSE_GUARD
};

/* What happens when a task's body is over: told to its owner. */
typedef void roost__home_fn(roost_task *t, int result);

struct roost__deferred {
    roost_task_fn *fn;
    void *arg;
};

/* A wake-up meets it cold, so it touches four lines of the cache: down to `s`,
 * the timer and who sleeps, the park, and the end of the base scope. */
struct __attribute__((aligned(64))) roost_task {
    void *sp;               /* saved context, while suspended */
    roost_task *ready_next; /* run queue */
    struct roost_rt *rt;
    roost_scope *scope; /* innermost */
    struct roost__task_state { /* zero at birth */
        int32_t budget; /* waits left before a forced yield (C6) */
        int kept;       /* a failure that a guard found (N5) */
        uint8_t fresh, canary; /* has not run yet; has one, no guard */
        uint8_t idle, parked_idle; /* the next park, this park is ROOST_IDLE */
        uint8_t ready, behind; /* behind: yielded */
        uint8_t service : 1, started : 1;
        uint8_t stopped : 1; /* a soft stop has given it -ESHUTDOWN (X5) */
        uint8_t last_caught; /* of the scope left last */
        roost_wait *wait;    /* while parked */
        roost_nursery *promise; /* a room in it is ours until we suspend */
    } s;

    struct roost__timer timer; /* of a sleep */
    roost_wait sleep;

    roost_time wait_since; /* from here on: of the park under way */
    void *wait_place; /* return address of the public call */
    const char *wait_what;
    roost_abort_fn *abort;
    void *wait_object;
    roost_task_fn *fn;

    roost_scope base; /* around the whole body; a node of its nursery */
    void *arg;
    roost__home_fn *home;
    roost_task *parent;
    roost_nursery *nursery;
    struct roost__task_links { /* NULL at birth */
        roost_child *handle;
        roost_error *errors; /* our chain, newest first */
        roost_error *kept_error;
        const char *leak_site; /* a cancelled scope closed by its guard (N16) */
        struct local_binding *locals;
        struct start *start; /* the roost_start that waits for us */
        struct roost__deferred *defers;
        uint64_t defer_count;
        void *refused_place; /* in a hard stop: of the last wait refused, */
    } links;
    const char *name, *site;
    uint64_t id;
    uint32_t defer_capacity, refused; /* and how many were */
    struct roost__fiber fiber; /* what sanitizers want to know of a stack */
};

/* A main task and the scope around it: of roost_run one, of a guest several. */
struct roost_root {
    roost_root *next;
    struct roost_rt *rt;
    roost_scope scope;
    roost_task *task;
    int result;
    bool finished;
    void (*done)(int result, void *arg); /* a guest's: tells the host */
    void *done_arg;
    const char *site;
};

struct roost_stop_budget;
struct roost_rt {
    roost_task *current; /* NULL on the main stack */
    void *main_sp;
    roost_task *ready_first, *ready_last;
    int32_t budget;       /* of waits, for each resume (C6); 0: probed */
    uint32_t turn_left;   /* resumes before the loop is looked at */
    uint32_t fd_awake;    /* woken by a descriptor that the loop still sees */
    roost_time turn_began;
    roost_task *dead; /* its stack is still in use until the next switch */
    struct roost__cxx *cxx; /* the thread's; NULL in a program without C++ */
    roost_time now;   /* the clock's last value read */
    uint64_t seq;     /* order of setting timers */
    struct roost__wheel wheel;
    /* What the scheduler asks of rooms above it. */
    void (*fire[TIMER_KINDS])(struct roost_rt *rt, struct roost__timer *t);
    void (*pass_room)(roost_task *t);
    void (*overflowed)(roost_task *t);
    void (*end_portals)(struct roost_rt *rt, roost_scope *s);
    void (*end_stop)(struct roost_rt *rt, roost_scope *s);
    /* A root is being stopped, or hurried; by then the last act is due. */
    void (*stopping)(struct roost_rt *rt, const struct roost_stop_budget *b,
                     roost_time last_at);

    uint64_t seed, choices, randoms; /* streams of decisions and of jitter */
    uint64_t trace;
    roost_task **pool; /* seeded order: what may be drawn */
    size_t pool_count, pool_capacity;

    struct roost__stacks stacks;
    struct roost__loop loop;
    struct roost__alarm alarm;
    struct roost_portal *portals;
    struct roost__stop *stops, *spare_stop; /* see daemon/reserve.h */
    size_t visits; /* a function from a portal runs */
    const struct roost_sys *sys, *outer_sys; /* of the thread before us */
    roost_options o;
    int default_class;
    const char *site; /* of roost_run, or of the first attach */
    roost_root *roots;
    struct roost__guest *guest; /* NULL: the loop is run by us */
    bool deadlocked, pierced, main_known;
    bool busy; /* abandoned by a stop: tasks have not ended */
    bool abandoned; /* by a test that failed: no task runs again */
    bool (*at_rest)(struct roost_rt *rt); /* of a test: true, it woke somebody */
    bool said_standstill;
    roost_time moved_at; /* real time when virtual time last moved */
    uint64_t next_id;
    size_t tasks;
    /* What may wake us from outside; of that, what holds the virtual clock. */
    size_t outside, holds;
    roost_scope *aborting_first, *aborting_last; /* bases of tasks to abort */
    bool aborting;
    struct roost__fiber main_fiber;
    struct roost__errors *errors;
    struct roost__probe *probe; /* of the test kit; NULL */
    size_t guards_acted, defers_due; /* for it, too */
};

extern _Thread_local struct roost_rt *roost__rt
    __attribute__((tls_model("initial-exec")));

/* The header of the task's stack sits above the task. */
static inline struct roost__stack *roost__task_stack(const roost_task *t)
{
    return (struct roost__stack *)(uintptr_t)(t + 1);
}

static inline roost_task *roost__self(void)
{
    struct roost_rt *rt = roost__rt;

    return rt ? rt->current : NULL;
}

#endif
