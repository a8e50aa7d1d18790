/* test.h - tests of code that uses roost, written with cmocka.
 *
 *     #include <setjmp.h>       as ever before <cmocka.h>
 *     ...
 *     #include <cmocka.h>
 *     #include <roost/test.h>
 *
 *     static void a_reply_comes_within_its_deadline(void **state)
 *     {
 *         struct reply reply;
 *
 *         (void)state;
 *         assert_int_equal(ROOST_WITHIN(ROOST_SEC(1), ask(&reply)), 0);
 *         assert_string_equal(reply.text, "yes");
 *     }
 *
 *     int main(void)
 *     {
 *         const struct CMUnitTest tests[] = {
 *             roost_unit_test(a_reply_comes_within_its_deadline),
 *         };
 *
 *         return cmocka_run_group_tests(tests, NULL, NULL);
 *     }
 *
 * The body runs as the main task of a run of its own, under the virtual clock. All
 * of cmocka works in it and in its children: an assert, fail() or skip() that
 * fires on a task's stack ends the run at once, without running any task further,
 * and then the test. A body that came to its end fails all the same if
 *
 *     it left a descriptor open, or memory that it allocated;
 *     a guard had to act: a nursery or scope was left without its close;
 *     an error was kept for the main task and nobody has seen it.
 *
 * Link with -lroost-test -lroost -lcmocka, in this order. A library of its own:
 * nothing of it belongs in a program. It defines malloc and the like, to see what
 * is left; with a sanitizer that does so itself, its leak check is asked instead.
 */
#ifndef ROOST_TEST_H
#define ROOST_TEST_H

#include <roost.h>

ROOST_BEGIN_DECLS

/* ---- cmocka ---- */

/* What a test is made of; all zero but fn is a good default. */
typedef struct roost_test {
    void (*fn)(void **state);
    int (*setup)(void **state);    /* 0, or the test fails; a task too */
    int (*teardown)(void **state); /* also after a failure, in a new run then */
    void *state;                   /* *state at the beginning */
    uint64_t seed;                 /* order of ready tasks; 0: as they come */
    bool real_clock;               /* not the virtual one */
    enum roost_hold hold_clock;    /* ROOST_HOLD_IO: descriptors hold it */
    size_t stack_bytes;
    size_t guards; /* the body leaves so many guards on purpose */
} roost_test;

/* An entry of the array for cmocka_run_group_tests. */
#define roost_unit_test(f) ROOST__TEST(f, .fn = (f))
#define roost_unit_test_setup_teardown(f, before, after) \
    ROOST__TEST(f, .fn = (f), .setup = (before), .teardown = (after))
#define roost_unit_test_with(f, ...) ROOST__TEST(f, .fn = (f), __VA_ARGS__)

/* Runs a test; what the entries above call. */
void roost_test_run(void **test);

#define ROOST__TEST(f, ...) \
    { #f, roost_test_run, NULL, NULL, &(roost_test){ __VA_ARGS__ } }

/* ---- time and order; in a task of the run ---- */

/* Virtual time jumps forward at once. What falls due meanwhile fires, in order;
 * no task runs before the caller next waits. */
void roost_test_advance(roost_time duration);

/* Waits until no other task can run: all of them wait, and neither a descriptor
 * nor a timer that is due would wake one. Time has not moved. 0 or -ECANCELED. */
int roost_test_wait_all_blocked(void) ROOST_WAITS;

/* Waits until `how_many` tasks wait for the object (a channel, an event, a lot, or
 * what roost_park was given), time standing still. 0; -ECANCELED; -EDEADLK when
 * everybody else waits and they are fewer. */
int roost_test_wait_parked(const void *object, size_t how_many) ROOST_WAITS;

/* Puts what several tasks do into an order: each waits for its turn, 0 1 2...
 * All zero is one that has not begun; see Trio's Sequencer. */
typedef struct roost_sequencer {
    unsigned next;
    roost_lot lot;
} roost_sequencer;

/* Waits until all turns below `turn` have been taken; a turn ends when its task
 * takes another one, or calls roost_sequencer_done. 0 or -ECANCELED. */
int roost_sequencer_turn(roost_sequencer *s, unsigned turn) ROOST_WAITS;
void roost_sequencer_done(roost_sequencer *s);

/* The call is a cancellation point: in a cancelled scope it gives -ECANCELED. And
 * another: it never lets another task run. Both fail the test with the call's
 * text; the second gives the call's result. */
#define ROOST_TEST_CHECKPOINT(...) \
    roost_test_checkpoint((roost_test_cancelled_begin(&(roost_scope){ 0 }), \
                           roost_test_cancelled_end(__VA_ARGS__)), \
                          #__VA_ARGS__, __FILE__, __LINE__)
#define ROOST_TEST_NEVER_YIELDS(...) \
    roost_test_stayed((roost_test_resumes_begin(), (__VA_ARGS__)), \
                      #__VA_ARGS__, __FILE__, __LINE__)

/* What these two are made of. */
void roost_test_cancelled_begin(roost_scope *s);
int roost_test_cancelled_end(int result);
void roost_test_checkpoint(int result, const char *call, const char *file,
                           int line);
void roost_test_resumes_begin(void);
int roost_test_stayed(int result, const char *call, const char *file, int line);

/* ---- torture ---- */

/* Runs a body again and again, each time with one thing gone wrong that may go
 * wrong: a cancellation at each wait, a failure of each allocation and each system
 * call, reads and writes cut short, deadlines early and late, other orders of the
 * tasks, and pairs of these. After each run it must have kept its promises:
 *
 *     nothing is left: no descriptor, no memory, no error that nobody saw;
 *     no guard had to act; nothing was closed or freed twice;
 *     it ended: no task waits for ever, none ignores its cancellation;
 *     no cancellation came home to who had not been cancelled;
 *     and what the body itself asks of roost_check and of cmocka's asserts.
 *
 *     static int body(void *arg)    a task, like roost_run's; sets up all it needs
 *     ...
 *     assert_int_equal(roost_torture(body, arg, NULL), 0);
 *
 * The body may return what it likes: an error is a fine answer to a failure. (A
 * child cancelled alone ends early and its nursery goes on: its close returns 0.) It is
 * run in child processes, many runs in each, so what it does to memory is not seen
 * here. It must be repeatable: without a fault two runs make the same waits,
 * allocations and calls. Failed are the calls that roost makes and what the body
 * and its libraries allocate; system calls that they make past roost are not.
 *
 * A failure is shrunk, then run once more with all it prints, and one line says
 * how to repeat exactly it:
 *
 *     ROOST_TORTURE=cancel@17:seed=0x2a ./test_pool
 *
 * With ROOST_TORTURE in the environment only that run is made, in this very
 * process: for a debugger. ROOST_TORTURE_RUNS limits the runs of each call, for
 * suites in a hurry: what is left is spread over the whole sweep. */
typedef struct roost_torture_report {
    size_t runs, planned; /* runs made, of how many */
    size_t waits, allocations, calls; /* of the body, undisturbed */
    size_t points;        /* of them, where something was injected at least once */
    size_t schedules;     /* orders of tasks that were tried */
    size_t failures;      /* 0 or 1: the first one ends it */
    roost_time took;      /* real */
    char plan[128];       /* the value of ROOST_TORTURE that repeats it */
    char what[512];       /* what was wrong */
    char where[256];      /* the call it was injected in, with its source line */
} roost_torture_report;

/* What is injected. */
enum {
    ROOST_TORTURE_CANCEL = 1,     /* the whole body, shields used up or not; each
                                     child alone */
    ROOST_TORTURE_DEADLINE = 2,   /* early and late */
    ROOST_TORTURE_ALLOCATION = 4, /* roost's, and malloc and the like */
    ROOST_TORTURE_CALL = 8,       /* system calls of roost */
    ROOST_TORTURE_SHORT = 16,     /* reads and writes of one byte */
    ROOST_TORTURE_ORDER = 32,     /* of ready tasks */
    ROOST_TORTURE_PAIRS = 64      /* two at random at once */
};

/* All zero is a good default. */
typedef struct roost_torture_options {
    const char *name;    /* in messages and in ROOST_TORTURE; else where called */
    unsigned skip;       /* ROOST_TORTURE_... that are not injected */
    size_t max_runs;     /* 0: the whole sweep */
    roost_time max_time; /* real; 0: no limit */
    roost_time hang;     /* real time a run may take; 0: 10 s */
    roost_time swallow;  /* virtual time that a cancelled body may go on; 0: 60 s */
    uint64_t seed;       /* where random seeds and pairs begin; order of the sweep */
    int pairs;           /* 0: 500, -1: none */
    int seeds;           /* random orders; 0: 100, -1: none */
    int delays;          /* all orders with at most so many choices delayed, */
    int max_orders;      /* so many at most; 0: 1 and 200; -1: none */
    size_t guards;       /* the body leaves so many guards on purpose */
    size_t stack_bytes;
    bool stalls;         /* siblings of a child that was cancelled alone must not
                            wait in vain: a deadlock then is a failure too */
    bool varies;         /* not repeatable: threads, real time. Less is found */
    bool real_clock;
    bool quiet;          /* no progress, no report: only ret_report */
    roost_torture_report *ret_report;
} roost_torture_options;

/* Outside a run. 0: all runs kept their promises; 1: one did not, and stderr says
 * which; -EINVAL: ROOST_TORTURE or an option says nothing that can be done;
 * -ENOMEM, -EAGAIN...: no run could be made. */
int roost_torture(roost_task_fn *body, void *arg,
                  const roost_torture_options *o) ROOST_MUST;
int roost_torture_at(roost_task_fn *body, void *arg,
                     const roost_torture_options *o, const char *site) ROOST_MUST;

/* roost_check(cond) or roost_check(cond, "words %d", x): a promise of the body's
 * own. Broken, it ends the run there; under cmocka without torture the test; else
 * the program. */
#define roost_check(...) ROOST__CHECK(__VA_ARGS__, "")
void roost_check_failed(const char *site, const char *cond, const char *format,
                        ...);

#define roost_torture(...) roost_torture_at(__VA_ARGS__, ROOST_SITE)
#define ROOST__CHECK(cond, ...) \
    ((cond) ? (void)0 : roost_check_failed(ROOST_SITE, #cond, __VA_ARGS__))

ROOST_END_DECLS

#endif
