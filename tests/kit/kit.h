/* kit.h - what the suite's tests are written with.
 *
 * A test's body runs as the main task under the virtual clock. Inside tasks use
 * EXPECT, which notes the first failures and goes on: a cmocka assert would
 * longjmp away from the task's stack. kit_run fails the test afterwards, on the
 * main stack, if anything was noted, if a descriptor or memory mapping was left,
 * or if a guard had to act without the test saying so.
 *
 *     static int body(void *arg)
 *     {
 *         EXPECT_INT(roost_sleep(ROOST_SEC(1)), 0);
 *         return 7;
 *     }
 *
 *     static void sleep_returns_0(void **state)
 *     {
 *         (void)state;
 *         assert_int_equal(kit_run(body, NULL), 7);
 *     }
 */
#ifndef ROOST_TESTS_KIT_H
#define ROOST_TESTS_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <roost.h>

#define EXPECT(cond) kit_expect((cond), #cond, ROOST_SITE)
#define EXPECT_INT(actual, wanted) \
    kit_expect_int((long long)(actual), (long long)(wanted), #actual, \
                   ROOST_SITE)
/* A string holds another one. */
#define EXPECT_HAS(text, part) kit_expect_has((text), (part), ROOST_SITE)

void kit_expect(bool ok, const char *what, const char *site);
void kit_expect_int(long long actual, long long wanted, const char *what,
                    const char *site);
void kit_expect_has(const char *text, const char *part, const char *site);

/* Runs fn(arg) under the virtual clock, seed 0; fails the test as said above.
 * Returns the run's result. */
int kit_run(roost_task_fn *fn, void *arg);
/* The same with options; nothing is changed in them. */
int kit_run_with(const roost_options *o, roost_task_fn *fn, void *arg);
/* What kit_run does around a run, for tests that make their own, on the main
 * stack: the end fails the test if something was noted, or descriptors left. */
void kit_begin(void);
void kit_end(void);
/* The next kit_run's body leaves guards on purpose: how many had to act. */
void kit_allow_guards(size_t how_many);

/* Runs fn(arg) under the virtual clock in a child process, which must die of
 * SIGABRT with all the words (ended by NULL) in what it said on stderr. */
void kit_dies(roost_task_fn *fn, void *arg, ...) __attribute__((sentinel));
/* The same outside a run: fn is just called. */
void kit_dies_outside(roost_task_fn *fn, void *arg, ...)
    __attribute__((sentinel));

/* What was written to stderr from here... to there (returned; static buffer). */
void kit_stderr_begin(void);
const char *kit_stderr_end(void);

/* What roost_tree_print, roost_error_print(...) and roost_why print: a static
 * buffer each. */
const char *kit_tree(void);
const char *kit_error(const roost_error *e);
const char *kit_why(const roost_scope *s);

/* A line of words that tasks write in turn: kit_log("a"); then
 * EXPECT_LOG("a b c"), which also empties it. kit_run empties it first. */
void kit_log(const char *word);
#define EXPECT_LOG(wanted) kit_expect_log((wanted), ROOST_SITE)
void kit_expect_log(const char *wanted, const char *site);

/* Instants as milliseconds since the run began. */
long long kit_ms(void);

/* Common bodies. */
int kit_sleep_forever(void *arg);   /* until cancelled: -ECANCELED */
int kit_sleep_ms(void *arg);        /* *(int *)arg milliseconds */
int kit_return(void *arg);          /* returns *(int *)arg at once */
int kit_fail_eio(void *arg);        /* -EIO at once */

/* Open descriptors of the process, and lines of its memory map. */
int kit_descriptors(void);
int kit_maps(void);

#endif
