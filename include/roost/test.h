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

ROOST_END_DECLS

#endif
