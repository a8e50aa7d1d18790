/* daemons.h - daemons in child processes: begun, signalled, waited for; and a
 *             service manager's socket.
 *
 * Everything is bounded: a child that hangs is ended by its own alarm.
 */
#ifndef ROOST_TESTS_RULES_DAEMONS_H
#define ROOST_TESTS_RULES_DAEMONS_H

#include "kit/kit.h"
#include "test/valgrind.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <roost/daemon.h>

#include "core/rt.h"

#ifdef ROOST__TSAN
#define UNDER_TSAN 1
#else
#define UNDER_TSAN 0
#endif

enum { PATIENCE_S = 30 };

struct child {
    pid_t pid;
    int said; /* its stderr */
    char text[1 << 16];
    size_t len, seen;
};

/* What a body says to the test, on stderr. */
static inline void mark(const char *word)
{
    roost_ignore((int)write(STDERR_FILENO, word, strlen(word)));
}

static inline void child_begin(struct child *c, roost_task_fn *fn, void *arg,
                               const roost_daemon_options *o)
{
    int fds[2];

    *c = (struct child){ 0 };
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    c->pid = fork();
    assert_true(c->pid >= 0);
    if (c->pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        signal(SIGABRT, SIG_DFL);
        alarm(PATIENCE_S);
        _exit(roost_daemon_run(fn, arg, o));
    }
    close(fds[1]);
    c->said = fds[0];
}

/* Reads on until `word` comes, behind what was seen before. */
static inline void child_says(struct child *c, const char *word)
{
    const char *at;
    ssize_t got;

    while (!(at = strstr(c->text + c->seen, word))) {
        got = read(c->said, c->text + c->len, sizeof c->text - 1 - c->len);
        if (got <= 0)
            fail_msg("it ended without \"%s\", but said: %s", word, c->text);
        c->len += (size_t)got;
        c->text[c->len] = '\0';
    }
    c->seen = (size_t)(at - c->text) + strlen(word);
}

static inline void child_gets(struct child *c, int sig)
{
    assert_int_equal(kill(c->pid, sig), 0);
}

/* Its status when it has ended: what it returned, or -n if signal n killed it. */
static inline int child_end(struct child *c)
{
    ssize_t got;
    int status;

    while ((got = read(c->said, c->text + c->len,
                       sizeof c->text - 1 - c->len)) > 0)
        c->len += (size_t)got;
    close(c->said);
    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline void child_ends(struct child *c, int wanted)
{
    int status = child_end(c);

    if (RUNNING_ON_VALGRIND && status == 99)
        return; /* its own: what _exit leaves is a leak to it */
    if (status != wanted)
        fail_msg("it ended with %d, not %d, and said: %s", status, wanted,
                 c->text);
}

/* ---- the service manager ---- */

/* Listens where NOTIFY_SOCKET says, from now on. */
static inline int manager_begin(void)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    socklen_t len = sizeof a;
    char name[sizeof a.sun_path + 1] = "@";

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (void *)&a, sizeof a.sun_family), 0);
    assert_int_equal(getsockname(fd, (void *)&a, &len), 0);
    memcpy(name + 1, a.sun_path + 1,
           len - offsetof(struct sockaddr_un, sun_path) - 1);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static inline void manager_end(int fd)
{
    unsetenv("NOTIFY_SOCKET");
    close(fd);
}

/* The next message, "" if none comes in time. */
static inline const char *manager_hears_in(int fd, int ms)
{
    static char text[4096];
    struct pollfd p = { .fd = fd, .events = POLLIN };
    ssize_t got = poll(&p, 1, ms) > 0 ? read(fd, text, sizeof text - 1) : 0;

    text[got > 0 ? got : 0] = '\0';
    return text;
}

static inline const char *manager_hears(int fd)
{
    return manager_hears_in(fd, PATIENCE_S * 1000);
}

#endif
