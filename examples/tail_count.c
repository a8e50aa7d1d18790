/* tail_count.c - follows log files while they grow, and counts their words.
 *
 *     tail_count [--seconds N] [FILE [+ FILE]...]...
 *
 * A task per file. Files joined by + are a group: when one goes bad (it shrinks
 * or has a byte 0 in it) its group ends, and no other one. Without files three
 * are made and written to meanwhile: one of them gets a monster of a line, one
 * goes bad. After N seconds (3) or at SIGINT all go home, and what is left of
 * tasks, stacks and descriptors is counted: nothing.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <roost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tail_count_rest.h"

enum { FILES_MAX = 64, BLOCK = 65536 };

struct file {
    const char *path, *name;
    long long at; /* read so far */
    size_t lines, words, cut;
};

struct group { struct file *files; size_t count; };

static struct app {
    struct file files[FILES_MAX];
    struct group groups[FILES_MAX];
    size_t files_count, groups_count, groups_failed;
    roost_time began, length;
    struct demo demo;
} app = { .length = ROOST_SEC(3) };

/* The others run at its checkpoints, and a deadline can cut it there. */
static int count_words(struct file *f, const char *at, const char *end)
{
    bool space, was_space = true;
    size_t words = 0;
    int r;

    for (; at < end; at++, was_space = space) {
        if (*at == '\0')
            return roost_fail(-EBADMSG, "%s has a byte 0 in line %zu", f->name,
                              f->lines);
        space = isspace((unsigned char)*at);
        words += was_space && !space;
        if ((end - at) % BLOCK == 0 && (r = roost_checkpoint()) < 0)
            return r;
    }
    f->words += words;
    return 0;
}

/* Counts whole lines; `fresh` of the *len bytes are new. What is left stays. */
static int count_lines(struct file *f, char *buf, size_t *len, size_t fresh)
{
    char *line = buf, *rest = buf + *len;
    char *end = memchr(rest - fresh, '\n', fresh);
    int r = 0;

    for (; end && r >= 0; end = memchr(line, '\n', (size_t)(rest - line))) {
        f->lines++;
        r = ROOST_WITHIN(ROOST_MS(2), count_words(f, line, end));
        line = end + 1;
        if (r == -ETIMEDOUT && roost_scope_caught(NULL)) {
            f->cut++;
            r = 0;
        }
    }
    *len = (size_t)(rest - line);
    memmove(buf, line, *len);
    return r;
}

/* Nobody tells when a regular file grows (epoll refuses them), so at its end it
 * is looked at again a bit later. */
static int read_more(struct file *f, int fd, char *buf, size_t *len,
                     size_t room)
{
    ssize_t got = read(fd, buf + *len, room - *len);
    struct stat st;

    if (got < 0 || fstat(fd, &st) < 0)
        return roost_fail(-errno, "reading %s", f->name);
    f->at += got;
    *len += (size_t)got;
    if (got > 0)
        return count_lines(f, buf, len, (size_t)got);
    if (S_ISREG(st.st_mode) && st.st_size < f->at)
        return roost_fail(-EIO, "%s shrank to %lld bytes", f->name,
                          (long long)st.st_size);
    return roost_sleep(ROOST_MS(5));
}

static void close_fd(int *fd)
{
    close(*fd);
}

ROOST_TASK_OF(struct file, follow)(struct file *f)
{
    size_t len = 0, room = BLOCK;
    char *more;
    int r;

    COUNT_TASK;
    ROOST_FREE char *buf = malloc(room);
    ROOST_CLEANUP(close_fd) int fd = open(f->path, O_RDONLY | O_NONBLOCK);
    while ((r = roost_checkpoint()) >= 0) {
        more = len < room ? buf : realloc(buf, room *= 2);
        if (!more)
            return roost_fail(-ENOMEM, "a line of %zu bytes", len);
        buf = more;
        if ((r = read_more(f, fd, buf, &len, room)) < 0)
            return r;
    }
    return r;
}

/* The failure of a file ends the others of its group, and goes no further. */
ROOST_TASK_OF(struct group, follow_group)(struct group *g)
{
    size_t i;
    int r;

    COUNT_TASK;
    ROOST_NURSERY(n);
    for (i = 0; i < g->count; i++)
        roost_go_on(n, follow, &g->files[i], .name = g->files[i].name);
    r = roost_nursery_close(n, 0);
    if (r == -ECANCELED)
        return r;
    app.groups_failed++;
    printf("a group of %zu ends: ", g->count);
    roost_error_print(stdout, roost_error_of(r));
    return 0;
}

static void print_counts(const struct app *a)
{
    const struct file *f;

    printf("%4.1f s", (double)(roost_now() - a->began) * 1e-9);
    for (f = a->files; f < a->files + a->files_count; f++)
        printf("  %s %zu%s", f->name, f->words, f->cut ? " (cut)" : "");
    printf(" words\n");
}

/* The tree is shown near the beginning and near the end. */
ROOST_TASK_OF(struct app, report)(struct app *a)
{
    int r, i = 0, ticks = (int)(a->length / ROOST_MS(100));
    roost_time next = a->began;

    COUNT_TASK;
    while ((r = roost_sleep_until(next += ROOST_MS(100))) >= 0) {
        print_counts(a);
        i++;
        if (i != (ticks + 3) / 4 && i != ticks * 3 / 4)
            continue;
        roost_ignore(roost_sleep(ROOST_MS(2))); /* the others go first */
        roost_tree_print(stdout);
    }
    return r;
}

ROOST_TASK_OF(roost_nursery, await_sigint)(roost_nursery *n)
{
    int r;

    COUNT_TASK;
    r = roost_wait_fd(sigint_pipe[0], ROOST_READ);
    if (r >= 0)
        roost_nursery_cancel(n, "SIGINT");
    return r;
}

static int main_task(void *arg)
{
    struct app *a = arg;
    size_t i;
    int r;

    COUNT_TASK;
    a->began = roost_now();
    ROOST_NURSERY_WITH(n, .name = "all", .deadline = a->began + a->length);
    roost_go_on(n, await_sigint, n, .service = true);
    roost_go_on(n, report, a, .service = true);
    if (a->demo.dir[0])
        roost_go_on(n, demo_writer, &a->demo, .service = true);
    for (i = 0; i < a->groups_count; i++)
        roost_go_on(n, follow_group, &a->groups[i]);
    r = roost_nursery_close(n, 0);
    print_counts(a);
    roost_why(stdout, roost_nursery_scope(n));
    if (r == -ETIMEDOUT)
        return 0; /* as meant */
    if (r < 0)
        roost_error_print(stderr, roost_error_of(r));
    return r;
}

static void add_file(struct app *a, const char *path, bool joins)
{
    struct file *f = &a->files[a->files_count++];

    if (a->files_count == FILES_MAX)
        refuse(path, "too many files");
    if (access(path, R_OK) < 0)
        refuse(path, path[0] == '-' ? "no such option" : strerror(errno));
    if (!joins || a->groups_count == 0)
        a->groups[a->groups_count++].files = f;
    a->groups[a->groups_count - 1].count++;
    f->path = path;
    f->name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
}

int main(int argc, char **argv)
{
    int i, r, descriptors_before = descriptors();

    for (i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--seconds"))
            app.length = read_seconds(argv[++i]);
        else if (strcmp(argv[i], "+") != 0)
            add_file(&app, argv[i], !strcmp(argv[i - 1], "+"));
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (app.files_count == 0)
        demo_make_files(&app.demo, app.length);
    for (i = 0; app.demo.dir[0] && i < DEMO_FILES; i++)
        add_file(&app, app.demo.paths[i], i == 2);
    sigint_open();
    r = roost_run(main_task, &app);
    sigint_close();
    demo_remove_files(&app.demo);
    return print_left(descriptors_before) || r < 0 ||
           app.groups_failed > (app.demo.dir[0] ? 1 : 0);
}
