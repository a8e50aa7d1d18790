/* unit.c - a cmocka test whose body is a task.
 *
 * Owns:     the way out of a task's stack for cmocka's longjmp.
 * Promises: an assert, fail or skip on a task's stack ends the run with no task
 *           run any further, then the test, as cmocka has it; a body that ended
 *           well has left nothing behind, or the test fails.
 * Never:    prints what cmocka prints.
 *
 * cmocka ends a test by longjmp to its own frame, on the main stack. From a task's
 * stack that would leave the runtime standing on it. So __longjmp_chk, which
 * cmocka calls, is defined here: on a task's stack it notes where to, leaves the
 * run (roost__sched_abandon), and the jump is made when that is unmade. What it
 * would say it keeps for the end of its test; of one that never comes, in a child
 * process, the place is known by _fail, where all its failures pass.
 */
#define _GNU_SOURCE
#include <roost/test.h>

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/sched.h"
#include "test/fds.h"
#include "test/heap.h"
#include "test/strike.h"

/* ---- the way out ---- */

typedef void jump_fn(struct __jmp_buf_tag *to, int value);

static _Thread_local struct {
    struct __jmp_buf_tag *to; /* NULL: nobody wants out */
    int value;
    const char *file; /* of the last failure; NULL: none, or not known */
    int line;
} escape;

__attribute__((noreturn)) static void jump(struct __jmp_buf_tag *to, int value)
{
    void *found = dlsym(RTLD_NEXT, "__longjmp_chk");
    jump_fn *real;

    memcpy(&real, &found, sizeof real);
    escape.file = NULL;
    real(to, value);
    __builtin_unreachable();
}

/* A jump inside the task's own stack is the user's affair. */
static bool leaves_stack(const roost_task *t, const void *to)
{
    const struct roost__stack *s = roost__task_stack(t);

    return (const char *)to < (const char *)s->lo || (const char *)to >= (const char *)s;
}

__attribute__((noreturn, visibility("default"))) void
__longjmp_chk(struct __jmp_buf_tag *to, int value);

void __longjmp_chk(struct __jmp_buf_tag *to, int value)
{
    roost_task *t = roost__self();

    if (!t || !leaves_stack(t, to))
        jump(to, value);
    escape.to = to;
    escape.value = value;
    roost__sched_abandon(t->rt);
}

/* Weak: when cmocka is part of the program its own is the only one. */
__attribute__((weak, visibility("default"))) void _fail(const char *const file,
                                                        const int line)
{
    void *found = dlsym(RTLD_NEXT, "_fail");
    void (*real)(const char *const, const int);

    escape.file = file;
    escape.line = line;
    memcpy(&real, &found, sizeof real);
    real(file, line);
}

bool roost__unit_escaped(char *at, size_t bytes)
{
    bool yes = escape.to != NULL;

    if (yes && escape.file)
        snprintf(at, bytes, " at %s:%d", escape.file, escape.line);
    escape.to = NULL;
    escape.file = NULL;
    return yes;
}

/* ---- what a test must not leave ---- */

struct call {
    const roost_test *test;
    void *state;
    bool set_up;
    char words[512]; /* of an error that ended the body's run */
    size_t guards;
};

static void note_error(struct call *c, const char *what, int r)
{
    snprintf(c->words, sizeof c->words, "%s returned %d", what, r);
}

static int body(void *arg)
{
    struct call *c = arg;
    const roost_test *t = c->test;
    int r = t->setup ? t->setup(&c->state) : 0;

    if (r) {
        note_error(c, "the setup", r);
        return 0;
    }
    c->set_up = true;
    t->fn(&c->state);
    c->set_up = false;
    r = t->teardown ? t->teardown(&c->state) : 0;
    if (r)
        note_error(c, "the teardown", r);
    c->guards = roost__rt->guards_acted;
    return 0;
}

static int teardown_alone(void *arg)
{
    struct call *c = arg;

    return c->test->teardown(&c->state);
}

static int run(const roost_test *t, roost_task_fn *fn, struct call *c)
{
    uint64_t trace;

    return roost_run_with(&(roost_options){
        .clock = t->real_clock ? ROOST_CLOCK_REAL : ROOST_CLOCK_VIRTUAL,
        .hold_clock = t->hold_clock, .seed = t->seed,
        .stack_bytes = t->stack_bytes, .ret_trace = &trace }, fn, c);
}

/* The test has failed, or was skipped: the teardown gets a run of its own. */
static void jump_out(struct call *c)
{
    struct __jmp_buf_tag *to = escape.to;
    int value = escape.value;

    escape.to = NULL;
    if (c->set_up && c->test->teardown)
        roost_ignore(run(c->test, teardown_alone, c));
    jump(to, value);
}

void roost_test_run(void **test)
{
    const roost_test *t = *test;
    struct call c = { .test = t, .state = t->state };
    int before = roost__fds_count(), after, r;
    char words[256] = "";
    size_t left;

    roost__heap_watch();
    r = run(t, body, &c);
    if (escape.to)
        jump_out(&c);
    after = roost__fds_count(); /* a leak check may open some */
    left = roost__heap_left(words, sizeof words);
    if (c.words[0])
        fail_msg("%s", c.words);
    if (r < 0)
        fail_msg("an error that nobody had seen was left to the test's task: %s",
                 strerror(-r));
    if (after != before)
        fail_msg("%d descriptors were open before the test, %d after", before,
                 after);
    if (c.guards != t->guards)
        fail_msg("%zu guards had to act, %zu were expected: a nursery or scope "
                 "was left without its close", c.guards, t->guards);
    if (left)
        fail_msg("%zu blocks of memory were not freed: %s", left, words);
}
