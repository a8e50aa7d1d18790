/* batch.c - many runs in one child process.
 *
 * Owns:     the child of a batch, ended by its pid.
 * Promises: a run that crashes, hangs or ends the process costs its batch only,
 *           and is told from the others.
 */
#define _GNU_SOURCE
#include "test/batch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/sys.h"

#define HANG ROOST_SEC(10)
#define LOOK_MS 20 /* where the kernel has no pidfd */

/* ---- the child ---- */

static void redirect(const struct roost__batch *b)
{
    if (b->aloud)
        return;
    dup2(b->output, STDOUT_FILENO);
    dup2(b->output, STDERR_FILENO);
    setvbuf(stdout, NULL, _IOLBF, 0); /* what it says before it dies */
}

/* Of the runs before this one, and all that they said. */
static void forget_output(int output)
{
    fflush(NULL);
    if (lseek(output, 0, SEEK_CUR) > 0 && ftruncate(output, 0) == 0)
        lseek(output, 0, SEEK_SET);
}

static void child(struct roost__board *board, const struct roost__batch *b)
{
    static const struct roost__plan undisturbed;
    size_t i;

    for (i = 0; i <= b->count; i++) {
        struct roost__attempt a = {
            .victim = b->victim, .plan = i ? &b->plans[i - 1] : &undisturbed,
            .record = b->record && i ? &board->record[i - 1] : NULL,
            .choices = b->explore && i ? &board->choices[i - 1] : NULL,
            .first = i == 0, .aloud = b->aloud && i > 0 };

        forget_output(b->output);
        atomic_store(&board->at, i);
        roost__strike(&a, &board->verdict);
        if (i)
            board->struck[i - 1] = board->verdict.struck > 0;
        if (board->verdict.failed)
            break;
    }
    fflush(NULL);
    atomic_store(&board->over, true);
    _exit(0); /* lint: a child ends here, without its parent's exits */
}

/* ---- the parent ---- */

/* Waits until the process ends, a while. */
static bool ended(pid_t pid, int pidfd, int ms, int *ret_status)
{
    struct pollfd p = { .fd = pidfd, .events = POLLIN };

    poll(&p, pidfd >= 0, pidfd < 0 && ms > LOOK_MS ? LOOK_MS : ms);
    return waitpid(pid, ret_status, WNOHANG) != 0; /* or another took it */
}

/* true: it ended by itself. */
static bool wait_for(struct roost__board *board, const struct roost__batch *b,
                     pid_t pid, int *ret_status)
{
    roost_time limit = b->victim->o->hang ? b->victim->o->hang : HANG;
    roost_time moved = roost__sys_default.clock();
    size_t at = 0, seen;
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    bool hangs = false;

    while (!ended(pid, pidfd, 200, ret_status)) {
        seen = atomic_load(&board->at);
        if (seen != at)
            moved = roost__sys_default.clock();
        at = seen;
        if (hangs || roost__sys_default.clock() - moved < limit)
            continue;
        kill(pid, SIGKILL);
        hangs = true;
    }
    if (pidfd >= 0)
        close(pidfd);
    return !hangs;
}

/* What it said last, or first of an error, is likely to say why it died. */
static void quote(const struct roost__batch *b, char *words, size_t bytes)
{
    static char text[16384];
    off_t from = lseek(b->output, 0, SEEK_END) - (off_t)sizeof text + 1;
    ssize_t len = pread(b->output, text, sizeof text - 1, from > 0 ? from : 0);
    char *line = NULL, *found = NULL, *rest;

    text[len > 0 ? len : 0] = '\0';
    for (line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        found = line;
        if (!strncmp(line, "roost: ", 7) || strstr(line, "ERROR: ") ||
            strstr(line, "runtime error: "))
            break;
    }
    if (found)
        snprintf(words, bytes, ": %.300s", found);
}

static void judge_death(struct roost__board *board, const struct roost__batch *b,
                        bool by_itself, int status)
{
    struct roost__verdict *v = &board->verdict;
    char words[320] = "";

    quote(b, words, sizeof words);
    v->failed = true;
    if (!by_itself)
        snprintf(v->what, sizeof v->what, "the run did not end within %g s of "
                 "real time", (double)(b->victim->o->hang ? b->victim->o->hang
                                                          : HANG) / 1e9);
    else if (WIFSIGNALED(status))
        snprintf(v->what, sizeof v->what, "the run died of signal %d (%s)%s",
                 WTERMSIG(status), strsignal(WTERMSIG(status)), words);
    else
        snprintf(v->what, sizeof v->what, "the run ended the process, exit "
                 "status %d%s", WEXITSTATUS(status), words);
}

static void clear(struct roost__board *board, const struct roost__batch *b)
{
    atomic_store(&board->at, 0);
    atomic_store(&board->over, false);
    memset(&board->verdict, 0, sizeof board->verdict);
    memset(board->struck, 0, sizeof board->struck);
    forget_output(b->output);
}

int roost__batch_run(struct roost__board *board, const struct roost__batch *b)
{
    struct sigaction plain = { .sa_handler = SIG_DFL }, programs;
    int status = 0, e;
    bool by_itself;
    pid_t pid, self = getpid();

    clear(board, b);
    sigaction(SIGCHLD, &plain, &programs); /* nobody else takes its status */
    pid = fork();
    e = errno;
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != self)
            _exit(1); /* lint: the parent is gone already */
        sigaction(SIGCHLD, &programs, NULL);
        redirect(b);
        child(board, b);
    }
    by_itself = pid < 0 || wait_for(board, b, pid, &status);
    sigaction(SIGCHLD, &programs, NULL);
    if (pid < 0)
        return -e;
    if (!atomic_load(&board->over))
        judge_death(board, b, by_itself, status);
    return board->verdict.error ? board->verdict.error : board->verdict.failed;
}
