/* test_tree_colours.c - claims about when roost_tree_print uses colours.
 *
 * The terminal is a pseudo-terminal of the test's own.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "rules/in_task.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a terminal (or else a pipe) is sent for the tree; the static buffer is
 * kept until the next call. The tree is short enough for either's buffer. */
static const char *sent(bool terminal)
{
    static char text[4096];
    int ends[2] = { -1, -1 };
    size_t len = 0;
    ssize_t got;
    FILE *f;

    if (terminal) {
        ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
        if (grantpt(ends[0]) == 0 && unlockpt(ends[0]) == 0)
            ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY);
    } else {
        EXPECT_INT(pipe(ends), 0);
    }
    f = fdopen(ends[1], "w");
    EXPECT(f);
    if (!f)
        return "";
    roost_tree_print(f);
    fclose(f); /* so reading ends, of a terminal with an error */
    while ((got = read(ends[0], text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    close(ends[0]);
    return text;
}

static int idles(void *arg)
{
    return ROOST_IDLE(roost_event_wait(arg));
}

static int waits(void *arg)
{
    return roost_event_wait(arg);
}

static void plain_is(const char *text)
{
    EXPECT_HAS(text, "idle.c:2, waits for an event (idle) in ");
    EXPECT(!strchr(text, '\033'));
}

IN_TASK(on_a_terminal_waits_are_dim_idle_ones_green_cancellations_red)
{
    roost_event e;
    roost_nursery n;
    roost_scope s;

    roost_event_init(&e);
    unsetenv("NO_COLOR");
    setenv("TERM", "xterm", 1);
    roost_nursery_open_at(&n, "all.c:1");
    roost_spawn_at(&n, idles, &e, "idle.c:2");
    roost_spawn_at(&n, waits, &e, "wait.c:3");
    EXPECT_INT(roost_checkpoint(), 0);
    roost_scope_enter_at(&s, ROOST_NEVER, "scope.c:4");
    roost_scope_cancel_at(&s, "red", "cancel.c:5");
    EXPECT_HAS(sent(true), "idle.c:2\033[32m, waits for an event (idle) in ");
    EXPECT_HAS(sent(true), "wait.c:3\033[2m, waits for an event in ");
    EXPECT_HAS(sent(true), " so far\033[0m\r\n");
    EXPECT_HAS(sent(true), "scope.c:4\033[31m, cancelled by hand at cancel.c:5"
                           "\033[0m\r\n");
    plain_is(sent(false));
    setenv("NO_COLOR", "1", 1);
    plain_is(sent(true));
    setenv("NO_COLOR", "", 1); /* as if it were not there */
    EXPECT_HAS(sent(true), "\033[32m");
    setenv("TERM", "dumb", 1);
    plain_is(sent(true));
    unsetenv("TERM");
    plain_is(sent(true));
    plain_is(kit_tree()); /* which has no descriptor at all */
    EXPECT_INT(roost_scope_leave(&s, 0), 0);
    roost_event_set(&e);
    return roost_nursery_close(&n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            on_a_terminal_waits_are_dim_idle_ones_green_cancellations_red),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
