/* test_overflow.c - claims about a task that needs more stack than it has: it is
 *                   named, whatever guards the stack.
 *
 * The handler alone is tested in test_stack.c.
 */
#include "rules/in_task.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/rt.h"
#include "test/valgrind.h"

#define KIB ((size_t)1024)

/* Goes 2 KiB below the end of its stack. A guard page catches it there; without
 * one the canary is found broken when the task next suspends. */
__attribute__((noinline, no_sanitize("address"))) static int
sink(const char *lo)
{
    volatile char frame[512];
    size_t i;

    for (i = 0; i < sizeof frame; i++)
        frame[i] = (char)i;
    if ((const char *)__builtin_frame_address(0) < lo - 2 * KIB)
        return roost_checkpoint();
    return sink(lo) + frame[7] - 7;
}

static int overflows(void *arg)
{
    (void)arg;
    return sink(roost__task_stack(roost__self())->lo);
}

static const char *const guards[] = { "madvise", "mprotect", "none" };

/* In a child process: with this kind of guard, whatever the suite runs with. */
struct with_guard {
    const char *guard;
    roost_task_fn *fn;
};

static int run_with_guard(void *arg)
{
    struct with_guard *w = arg;

    setenv("ROOST_TEST_GUARD", w->guard, 1);
    return roost_run_with_at(NULL, w->fn, NULL, "run.c:1");
}

static void dies_with_any_guard(roost_task_fn *fn, const char *who,
                                const char *where, const char *size)
{
    size_t i;

    for (i = 0; i < 3; i++)
        kit_dies_outside(run_with_guard, &(struct with_guard){ guards[i], fn },
                         "roost: the stack of task ", who, where, "overflowed",
                         size, ".stack_bytes", NULL);
}

/* ---- who ---- */

static void an_overflow_of_the_main_task_names_it(void **state)
{
    (void)state;
    dies_with_any_guard(overflows, "task main,", "spawned at run.c:1",
                        " its 25"); /* 256 KiB, less what is roost's own */
}

static int small_child(void *arg)
{
    roost_spawn_options o = { .name = "eater",
                              .stack_bytes = ROOST_STACK_SMALL };

    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, kit_sleep_forever, NULL);
    roost_spawn_with_at(n, overflows, NULL, &o, "spawn.c:2");
    return roost_nursery_close(n, 0);
}

static void an_overflow_of_a_child_names_its_path_and_its_spawn(void **state)
{
    (void)state;
    dies_with_any_guard(small_child, "main/eater#3,", "spawned at spawn.c:2",
                        " KiB were wanted");
}

static int middle(void *arg)
{
    (void)arg;
    ROOST_NURSERY_WITH(n, .stack_bytes = 1024 * KIB);
    roost_spawn_at(n, overflows, NULL, "spawn.c:3");
    return roost_nursery_close(n, 0);
}

static int two_deep(void *arg)
{
    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn(n, middle, NULL);
    return roost_nursery_close(n, 0);
}

static void an_overflow_of_a_grandchild_names_its_ancestors(void **state)
{
    (void)state;
    dies_with_any_guard(two_deep, "main/task#2/task#3,", "spawned at spawn.c:3",
                        " its 10");
}

/* A stack that was used and given back has its guard still. */
static int used_before(void *arg)
{
    int i, value = 0;

    (void)arg;
    ROOST_NURSERY(n);
    for (i = 0; i < 50; i++) {
        roost_spawn(n, kit_return, &value);
        roost_ignore(roost_checkpoint());
    }
    roost_spawn_at(n, overflows, NULL, "spawn.c:4");
    return roost_nursery_close(n, 0);
}

static void a_stack_in_second_hand_is_guarded_too(void **state)
{
    (void)state;
    dies_with_any_guard(used_before, "task#52,", "spawned at spawn.c:4", "KiB");
}

/* ---- what fits ---- */

__attribute__((noinline)) static int use_bytes(size_t bytes)
{
    volatile char *mine = __builtin_alloca(bytes);
    size_t i;
    int sum = 0;

    for (i = 0; i < bytes; i += 64)
        mine[i] = (char)(i / 64);
    sum += roost_checkpoint();
    for (i = 0; i < bytes; i += 64)
        sum += mine[i] != (char)(i / 64);
    return sum;
}

static int uses(void *arg)
{
    return use_bytes(*(size_t *)arg);
}

IN_TASK(a_task_may_use_nearly_all_of_what_it_was_given)
{
    static size_t sizes[] = { 48 * KIB, 256 * KIB, 1024 * KIB, 4096 * KIB };
    static size_t needs[4];
    size_t i;

    ROOST_NURSERY(n);
    for (i = 0; i < 4; i++) {
        needs[i] = sizes[i] - 12 * KIB;
        roost_spawn_with(n, uses, &needs[i],
                         &(roost_spawn_options){ .stack_bytes = sizes[i] });
    }
    return roost_nursery_close(n, 0);
}

/* ---- other faults ---- */

static void mine(int sig)
{
    _exit(sig == SIGSEGV ? 33 : 99);
}

static int writes_nowhere(void *arg)
{
    static volatile char *volatile nowhere;

    (void)arg;
    nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *nowhere = 1;
    return 0;
}

/* How fn, as the main task, ends a process whose handler is `mine`: the exit
 * status, or minus the signal. */
static int ends_process(const roost_options *o, roost_task_fn *fn)
{
    static char alternate[64 * 1024];
    struct sigaction act = { .sa_handler = mine, .sa_flags = SA_ONSTACK };
    stack_t stack = { .ss_sp = alternate, .ss_size = sizeof alternate };
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        VALGRIND_DISABLE_ERROR_REPORTING; /* bad accesses are the point */
        signal(SIGABRT, SIG_DFL);
        sigaltstack(&stack, NULL);
        sigaction(SIGSEGV, &act, NULL);
        close(STDERR_FILENO);
        roost_ignore(roost_run_with(o, fn, NULL));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void other_faults_go_to_the_programs_own_handler(void **state)
{
    roost_options o = { .clock = ROOST_CLOCK_VIRTUAL };

    (void)state;
    assert_int_equal(ends_process(&o, writes_nowhere), 33);
    assert_int_equal(ends_process(&o, overflows), -SIGABRT);
}

static void no_overflow_report_leaves_the_signal_alone(void **state)
{
    roost_options o = { .no_overflow_report = true };
    const char *guard = getenv("ROOST_TEST_GUARD");
    char before[16] = "";

    (void)state;
    if (guard)
        memcpy(before, guard, strlen(guard) + 1);
    setenv("ROOST_TEST_GUARD", "mprotect", 1);
    assert_int_equal(ends_process(&o, writes_nowhere), 33);
    assert_int_equal(ends_process(&o, overflows), 33);
    if (before[0])
        setenv("ROOST_TEST_GUARD", before, 1);
    else
        unsetenv("ROOST_TEST_GUARD");
}

static int looks_at_handler(void *arg)
{
    struct sigaction now;

    EXPECT_INT(sigaction(SIGSEGV, NULL, &now), 0);
    EXPECT((now.sa_handler == mine) == (arg != NULL));
    return 0;
}

static void the_handler_comes_back_after_the_run_T7(void **state)
{
    roost_options o = { .no_overflow_report = true };
    struct sigaction before, now;
    int yes;

    (void)state;
    assert_int_equal(sigaction(SIGSEGV, NULL, &before), 0);
    signal(SIGSEGV, mine);
    assert_int_equal(kit_run(looks_at_handler, NULL), 0);
    assert_int_equal(kit_run_with(&o, looks_at_handler, &yes), 0);
    assert_int_equal(sigaction(SIGSEGV, &before, &now), 0);
    assert_true(now.sa_handler == mine);
}

/* ---- threads ---- */

static void *other_run(void *arg)
{
    roost_ignore(roost_run_with_at(arg, overflows, NULL, "other.c:5"));
    return NULL;
}

/* The first run is alive, in another thread than the one whose task overflows. */
static int overflows_in_thread(void *arg)
{
    pthread_t thread;

    (void)arg;
    if (pthread_create(&thread, NULL, other_run, NULL) == 0)
        pthread_join(thread, NULL);
    return 0;
}

static void an_overflow_in_another_threads_run_is_named_there_G4(void **state)
{
    (void)state;
    dies_with_any_guard(overflows_in_thread, "task main,",
                        "spawned at other.c:5", "KiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_overflow_of_the_main_task_names_it),
        cmocka_unit_test(an_overflow_of_a_child_names_its_path_and_its_spawn),
        cmocka_unit_test(an_overflow_of_a_grandchild_names_its_ancestors),
        cmocka_unit_test(a_stack_in_second_hand_is_guarded_too),
        cmocka_unit_test(a_task_may_use_nearly_all_of_what_it_was_given),
        cmocka_unit_test(other_faults_go_to_the_programs_own_handler),
        cmocka_unit_test(no_overflow_report_leaves_the_signal_alone),
        cmocka_unit_test(the_handler_comes_back_after_the_run_T7),
        cmocka_unit_test(an_overflow_in_another_threads_run_is_named_there_G4),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
