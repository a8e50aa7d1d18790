/* tail_count_rest.h - what tail_count.c needs besides: its arguments, SIGINT as
 * a descriptor, files that somebody writes, a count of what a run leaves over.
 */
#ifndef TAIL_COUNT_REST_H
#define TAIL_COUNT_REST_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <roost.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void refuse(const char *what, const char *why)
{
    fprintf(stderr, "tail_count: %s: %s\nusage: tail_count [--seconds N] "
            "[FILE [+ FILE]...]...\n", what, why);
    exit(2);
}

static roost_time read_seconds(const char *text)
{
    char *end = NULL;
    double seconds = text ? strtod(text, &end) : 0;

    if (!(seconds >= 0.1 && seconds <= 1e6) || *end)
        refuse(text ? text : "--seconds", "no number of seconds from 0.1 on");
    return (roost_time)(seconds * 1e9);
}

/* --- What is left: each task notes that it begins, and on which stack; a guard
 * notes that it ends. */

enum { STACKS_MAX = 256 };

static uintptr_t stacks[STACKS_MAX];
static int tasks_begun, tasks_left;

#define COUNT_TASK ROOST_CLEANUP(task_ends) int counted = task_begins()

static int task_begins(void)
{
    stacks[tasks_begun++ % STACKS_MAX] = (uintptr_t)__builtin_frame_address(0);
    return ++tasks_left;
}

static void task_ends(int *counted)
{
    (void)counted;
    tasks_left--;
}

/* How many of the stacks are memory still. */
static int stacks_left(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long low, high;
    int i, left = maps ? 0 : -1;

    while (maps && fscanf(maps, "%lx-%lx%*[^\n]", &low, &high) == 2)
        for (i = 0; i < tasks_begun && i < STACKS_MAX; i++)
            left += stacks[i] >= low && stacks[i] < high;
    if (maps)
        fclose(maps);
    return left;
}

static int descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = -3; /* ".", ".." and its own */

    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

/* Returns true if anything is left. */
static bool print_left(int descriptors_before)
{
    int stacks_there = stacks_left();
    int descriptors_more = descriptors() - descriptors_before;

    printf("left: %d tasks, %d stacks, %d descriptors\n", tasks_left,
           stacks_there, descriptors_more);
    return tasks_left || stacks_there || descriptors_more;
}

/* --- SIGINT: the handler writes to a pipe, a task waits at the other end. */

static int sigint_pipe[2];
static struct sigaction sigint_before;

static void on_sigint(int signal)
{
    int kept = errno;

    (void)signal;
    roost_ignore((int)write(sigint_pipe[1], "", 1));
    errno = kept;
}

/* From here on sigint_pipe[0] can be read once there was a SIGINT. */
static void sigint_open(void)
{
    struct sigaction act = { .sa_handler = on_sigint, .sa_flags = SA_RESTART };

    if (pipe2(sigint_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        refuse("a pipe", strerror(errno));
    sigaction(SIGINT, &act, &sigint_before);
}

static void sigint_close(void)
{
    sigaction(SIGINT, &sigint_before, NULL);
    close(sigint_pipe[0]);
    close(sigint_pipe[1]);
}

/* --- The demonstration's files. */

enum { DEMO_FILES = 3, DEMO_ROUNDS = 300, MONSTER_WORDS = 1 << 20 };

struct demo {
    char dir[256], paths[DEMO_FILES][288];
    roost_time length;
};

static void demo_make_files(struct demo *d, roost_time length)
{
    static const char *const names[] = { "web.log", "app.log", "audit.log" };
    const char *tmp = getenv("TMPDIR");
    int i, fd;

    d->length = length;
    snprintf(d->dir, sizeof d->dir, "%s/tail_count.XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(d->dir))
        refuse(d->dir, strerror(errno));
    for (i = 0; i < DEMO_FILES; i++) {
        snprintf(d->paths[i], sizeof d->paths[i], "%s/%s", d->dir, names[i]);
        fd = open(d->paths[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0)
            refuse(d->paths[i], strerror(errno));
        close(fd);
    }
}

static void demo_remove_files(const struct demo *d)
{
    int i;

    for (i = 0; d->dir[0] && i < DEMO_FILES; i++)
        unlink(d->paths[i]);
    if (d->dir[0])
        rmdir(d->dir);
}

/* After a third of the rounds web.log gets a line of 8 MiB, after half of them
 * audit.log gets garbage. */
static int demo_write(const char *path, int which, int round)
{
    FILE *log = fopen(path, "a");
    int i;

    if (!log)
        return roost_fail(-errno, "writing to %s", path);
    fprintf(log, "round %d of the demonstration\n", round);
    if (which == 0 && round == DEMO_ROUNDS / 3) {
        for (i = 0; i < MONSTER_WORDS; i++)
            fputs("monster ", log);
        fputs("\n", log);
    }
    if (which == 2 && round == DEMO_ROUNDS / 2)
        fwrite("garbage \0\n", 1, 10, log);
    fclose(log);
    return 0;
}

ROOST_TASK_OF(struct demo, demo_writer)(struct demo *d)
{
    roost_time began = roost_now();
    int i, round, r = 0;

    COUNT_TASK;
    for (round = 1; r >= 0; round++) {
        for (i = 0; r >= 0 && i < DEMO_FILES; i++)
            r = demo_write(d->paths[i], i, round);
        if (r >= 0)
            r = roost_sleep_until(began + d->length / DEMO_ROUNDS * round);
    }
    return r;
}

#endif
