/* kit.c - what the suite's tests are written with. See kit.h. */
#include "kit/kit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/rt.h"
#include "test/fds.h"

static char failures[4096];
static char log_line[4096];
static size_t guards_allowed;
static roost_time began;

static void note(const char *site, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void note(const char *site, const char *fmt, ...)
{
    size_t used = strlen(failures);
    va_list args;

    used += (size_t)snprintf(failures + used, sizeof failures - used, "%s: ",
                             site);
    if (used >= sizeof failures)
        return;
    va_start(args, fmt);
    used += (size_t)vsnprintf(failures + used, sizeof failures - used, fmt,
                              args);
    va_end(args);
    if (used < sizeof failures)
        snprintf(failures + used, sizeof failures - used, "\n");
}

void kit_expect(bool ok, const char *what, const char *site)
{
    if (!ok)
        note(site, "%s does not hold", what);
}

void kit_expect_int(long long actual, long long wanted, const char *what,
                    const char *site)
{
    if (actual != wanted)
        note(site, "%s is %lld, not %lld", what, actual, wanted);
}

void kit_expect_has(const char *text, const char *part, const char *site)
{
    if (!strstr(text, part))
        note(site, "\"%s\" is not in:\n%s", part, text);
}

int kit_descriptors(void)
{
    return roost__fds_count();
}

int kit_maps(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    int c, lines = 0;

    while (f && (c = getc(f)) != EOF)
        lines += c == '\n';
    if (f)
        fclose(f);
    return lines;
}

struct body {
    roost_task_fn *fn;
    void *arg;
    size_t guards;
};

static int run_body(void *arg)
{
    struct body *b = arg;
    int r;

    began = roost_now();
    r = b->fn(b->arg);
    b->guards = roost__rt->guards_acted;
    return r;
}

void kit_allow_guards(size_t how_many)
{
    guards_allowed = how_many;
}

static int descriptors_before;

void kit_begin(void)
{
    failures[0] = log_line[0] = '\0';
    began = roost_now();
    descriptors_before = kit_descriptors();
}

void kit_end(void)
{
    if (kit_descriptors() != descriptors_before)
        note("kit_end", "%d descriptors before, %d after", descriptors_before,
             kit_descriptors());
    if (failures[0])
        fail_msg("%s", failures);
}

int kit_run_with(const roost_options *o, roost_task_fn *fn, void *arg)
{
    struct body b = { fn, arg, 0 };
    int fds = kit_descriptors(), r;

    failures[0] = log_line[0] = '\0';
    r = roost_run_with(o, run_body, &b);
    if (kit_descriptors() != fds)
        note("kit_run", "%d descriptors before, %d after", fds,
             kit_descriptors());
    if (b.guards != guards_allowed)
        note("kit_run", "%zu guards had to act, %zu were expected", b.guards,
             guards_allowed);
    guards_allowed = 0;
    if (failures[0])
        fail_msg("%s", failures);
    return r;
}

int kit_run(roost_task_fn *fn, void *arg)
{
    return kit_run_with(&(roost_options){ .clock = ROOST_CLOCK_VIRTUAL }, fn,
                        arg);
}

/* ---- sentences on stderr ---- */

static int saved_stderr = -1;
static FILE *captured;

void kit_stderr_begin(void)
{
    fflush(stderr);
    captured = tmpfile();
    saved_stderr = dup(STDERR_FILENO);
    dup2(fileno(captured), STDERR_FILENO);
}

const char *kit_stderr_end(void)
{
    static char text[16384];
    size_t len;

    fflush(stderr);
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    rewind(captured);
    len = fread(text, 1, sizeof text - 1, captured);
    text[len] = '\0';
    fclose(captured);
    return text;
}

static void die_in_child(roost_task_fn *fn, void *arg, bool run, int fd)
{
    dup2(fd, STDERR_FILENO);
    signal(SIGABRT, SIG_DFL);
    alarm(60);
    if (run)
        roost_ignore(roost_run_with(
            &(roost_options){ .clock = ROOST_CLOCK_VIRTUAL }, fn, arg));
    else
        fn(arg);
    _exit(0);
}

static void dies(roost_task_fn *fn, void *arg, bool run, va_list words)
{
    static char text[65536];
    const char *word;
    size_t len = 0;
    ssize_t got;
    int fds[2], status = 0;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        die_in_child(fn, arg, run, fds[1]);
    close(fds[1]);
    while ((got = read(fds[0], text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        fail_msg("it did not abort (status %#x), but said: %s", status, text);
    while ((word = va_arg(words, const char *)))
        if (!strstr(text, word))
            fail_msg("\"%s\" is not in: %s", word, text);
}

void kit_dies(roost_task_fn *fn, void *arg, ...)
{
    va_list words;

    va_start(words, arg);
    dies(fn, arg, true, words);
    va_end(words);
}

void kit_dies_outside(roost_task_fn *fn, void *arg, ...)
{
    va_list words;

    va_start(words, arg);
    dies(fn, arg, false, words);
    va_end(words);
}

/* ---- printed things ---- */

static FILE *open_text(char *buf, size_t bytes)
{
    memset(buf, 0, bytes);
    return fmemopen(buf, bytes - 1, "w");
}

const char *kit_tree(void)
{
    static char text[32768];
    FILE *f = open_text(text, sizeof text);

    roost_tree_print(f);
    fclose(f);
    return text;
}

const char *kit_error(const roost_error *e)
{
    static char text[16384];
    FILE *f = open_text(text, sizeof text);

    roost_error_print(f, e);
    fclose(f);
    return text;
}

const char *kit_why(const roost_scope *s)
{
    static char text[16384];
    FILE *f = open_text(text, sizeof text);

    roost_why(f, s);
    fclose(f);
    return text;
}

void kit_log(const char *word)
{
    size_t used = strlen(log_line);

    snprintf(log_line + used, sizeof log_line - used, "%s%s", used ? " " : "",
             word);
}

void kit_expect_log(const char *wanted, const char *site)
{
    if (strcmp(log_line, wanted))
        note(site, "the log is \"%s\", not \"%s\"", log_line, wanted);
    log_line[0] = '\0';
}

long long kit_ms(void)
{
    return (roost_now() - began) / ROOST_MS(1);
}

/* ---- common bodies ---- */

int kit_sleep_forever(void *arg)
{
    (void)arg;
    return roost_sleep_until(ROOST_NEVER);
}

int kit_sleep_ms(void *arg)
{
    return roost_sleep(ROOST_MS(*(int *)arg));
}

int kit_return(void *arg)
{
    return *(int *)arg;
}

int kit_fail_eio(void *arg)
{
    (void)arg;
    return -EIO;
}
