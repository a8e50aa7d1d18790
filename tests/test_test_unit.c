/* test_test_unit.c - claims about roost_unit_test: bodies that are tasks, and what
 *                    fails one.
 *
 * The failing ones run in a child process, whose words are looked at.
 */
#include "kit/kit.h"

#include <roost/test.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/fiber.h"
#include "test/valgrind.h"

/* ThreadSanitizer and Valgrind have a malloc of their own, and say nothing. */
#ifdef ROOST__TSAN
#define SEES_MEMORY 0
#else
#define SEES_MEMORY !RUNNING_ON_VALGRIND
#endif

/* ---- bodies ---- */

static int child_asserts(void *arg)
{
    (void)arg;
    assert_int_equal(1, 2);
    return 0;
}

static void asserts_in_child(void **state)
{
    (void)state;
    ROOST_NURSERY(n);
    roost_spawn(n, child_asserts, NULL);
    roost_spawn(n, kit_sleep_forever, NULL);
    assert_int_equal(roost_nursery_close(n, 0), 0);
    print_message("never here\n");
}

static void asserts(void **state)
{
    (void)state;
    assert_string_equal("yes", "no");
}

static void skips(void **state)
{
    (void)state;
    skip();
}

static void fails(void **state)
{
    (void)state;
    assert_int_equal(roost_sleep(ROOST_SEC(1)), 0);
    fail_msg("%s", "as it was meant");
}

static void mock_has_nothing(void **state)
{
    (void)state;
    (void)mock_type(int);
}

static void leaks_memory(void **state)
{
    void *volatile p = malloc(77);

    (void)state;
    p = NULL;
    (void)p;
}

static void leaks_descriptor(void **state)
{
    (void)state;
    assert_true(dup(0) >= 0);
}

static void leaves_guard(void **state)
{
    (void)state;
    ROOST_NURSERY(n);
    roost_spawn(n, kit_sleep_forever, NULL);
}

static void keeps_error(void **state)
{
    (void)state;
    ROOST_NURSERY(n);
    roost_spawn(n, kit_fail_eio, NULL);
    roost_ignore(roost_checkpoint());
}

static void sleeps_a_year(void **state)
{
    (void)state;
    assert_int_equal(roost_sleep(ROOST_SEC(365 * 86400)), 0);
}

static char set_up[] = "set up", changed[] = "changed";

static void sees_state(void **state)
{
    assert_string_equal(*state, "set up");
    *state = changed;
}

static int sets_up(void **state)
{
    assert_int_equal(roost_sleep(ROOST_MS(1)), 0);
    *state = set_up;
    return 0;
}

static int tears_down(void **state)
{
    assert_int_equal(roost_checkpoint(), 0);
    print_message("torn down: %s\n", *(char **)state);
    return 0;
}

static int no_setup(void **state)
{
    (void)state;
    return 3;
}

static void never(void **state)
{
    (void)state;
    print_message("never here\n");
}

static void allowed_guard(void **state)
{
    (void)state;
    ROOST_NURSERY(n);
}

static void no_checkpoint(void **state)
{
    (void)state;
    ROOST_TEST_CHECKPOINT(roost_cancelled() ? 0 : 1);
}

static int another(void *arg)
{
    ++*(int *)arg;
    return 0;
}

static void does_yield(void **state)
{
    int ran = 0;

    (void)state;
    ROOST_NURSERY(n);
    roost_spawn(n, another, &ran);
    roost_ignore(ROOST_TEST_NEVER_YIELDS(roost_checkpoint()));
    roost_ignore(roost_nursery_close(n, 0));
}

/* ---- one body in a child process ---- */

static char said[65536];

/* Runs them in a child process: how many failed; `said` is what was printed. */
static int outcome_of(const struct CMUnitTest *tests, size_t count)
{
    int fds[2], status;
    size_t len = 0;
    ssize_t got;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        alarm(60);
        status = _cmocka_run_group_tests("some", tests, count, NULL, NULL);
        fflush(NULL);
        _exit(status);
    }
    close(fds[1]);
    while ((got = read(fds[0], said + len, sizeof said - 1 - len)) > 0)
        len += (size_t)got;
    said[len] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status))
        fail_msg("it ended by signal %d: %s", WTERMSIG(status), said);
    return WEXITSTATUS(status);
}

static int outcome(const struct CMUnitTest *test)
{
    return outcome_of(test, 1);
}

static void must_say(const char *words)
{
    if (!strstr(said, words))
        fail_msg("\"%s\" is not in: %s", words, said);
}

#define FAILS(entry, words)                       \
    do {                                          \
        struct CMUnitTest one = entry;            \
        assert_int_equal(outcome(&one), 1);       \
        must_say(words);                          \
        assert_null(strstr(said, "never here"));  \
    } while (0)

#define PASSES(entry)                       \
    do {                                    \
        struct CMUnitTest one = entry;      \
        assert_int_equal(outcome(&one), 0); \
    } while (0)

/* ---- claims ---- */

static void an_assert_on_a_tasks_stack_fails_the_test(void **state)
{
    (void)state;
    FAILS(roost_unit_test(asserts), "\"yes\" != \"no\"");
    FAILS(roost_unit_test(asserts_in_child), "test_test_unit.c:");
    must_say("0x1 != 0x2");
}

static void fail_skip_and_mock_work_there_too(void **state)
{
    (void)state;
    FAILS(roost_unit_test(fails), "as it was meant");
    FAILS(roost_unit_test(mock_has_nothing), "No entries for symbol");
    PASSES(roost_unit_test(skips));
    must_say("SKIPPED");
}

static void what_is_left_fails_the_test(void **state)
{
    (void)state;
    if (SEES_MEMORY)
        FAILS(roost_unit_test(leaks_memory), "not freed");
    FAILS(roost_unit_test(leaks_descriptor), "descriptors were open before");
}

static void a_guard_that_acted_fails_the_test_N5(void **state)
{
    (void)state;
    FAILS(roost_unit_test(leaves_guard), "1 guards had to act, 0 were expected");
    FAILS(roost_unit_test_with(leaves_guard, .guards = 2), "2 were expected");
    PASSES(roost_unit_test_with(allowed_guard, .guards = 1));
}

static void an_error_nobody_saw_fails_the_test_N5(void **state)
{
    (void)state;
    FAILS(roost_unit_test(keeps_error), "Input/output error");
}

static void setup_and_teardown_are_tasks_too(void **state)
{
    (void)state;
    PASSES(roost_unit_test_setup_teardown(sees_state, sets_up, tears_down));
    must_say("torn down: changed");
    FAILS(roost_unit_test_setup_teardown(asserts, sets_up, tears_down),
          "torn down: set up");
    FAILS(roost_unit_test_setup_teardown(never, no_setup, tears_down),
          "the setup returned 3");
    assert_null(strstr(said, "torn down"));
}

static void calls_are_what_they_are_said_to_be(void **state)
{
    (void)state;
    FAILS(roost_unit_test(no_checkpoint), "is no cancellation point");
    FAILS(roost_unit_test(does_yield), "let another task run");
}

/* After a failed one the next runs as if nothing had been. */
static void the_test_after_a_failed_one_is_not_harmed(void **state)
{
    const struct CMUnitTest tests[] = {
        roost_unit_test(asserts_in_child), roost_unit_test(sleeps_a_year),
        roost_unit_test(fails),            roost_unit_test(sleeps_a_year),
        roost_unit_test(skips),            roost_unit_test(sleeps_a_year),
    };

    (void)state;
    assert_int_equal(outcome_of(tests, 6), 2);
    must_say("[  PASSED  ] 3 test(s)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_assert_on_a_tasks_stack_fails_the_test),
        cmocka_unit_test(fail_skip_and_mock_work_there_too),
        cmocka_unit_test(what_is_left_fails_the_test),
        cmocka_unit_test(a_guard_that_acted_fails_the_test_N5),
        cmocka_unit_test(an_error_nobody_saw_fails_the_test_N5),
        cmocka_unit_test(setup_and_teardown_are_tasks_too),
        cmocka_unit_test(calls_are_what_they_are_said_to_be),
        cmocka_unit_test(the_test_after_a_failed_one_is_not_harmed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
