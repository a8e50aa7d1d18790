/* report.c - what a failure of a tortured body looks like.
 *
 * Promises: the line that repeats it is on a line of its own, whole.
 *
 * Lines of the source are addr2line's affair, if there is one: the kit reads no
 * debug information itself.
 */
#define _GNU_SOURCE
#include "test/report.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "inspect/place.h"

extern char **environ;

/* Runs addr2line with its output to fd; false if there is none. */
static bool ask_addr2line(const char *file, const char *address, int fd)
{
    char *args[] = { (char[]){ "addr2line" }, (char[]){ "-e" },
                     (char *)(uintptr_t)file, (char *)(uintptr_t)address, NULL };
    posix_spawn_file_actions_t io;
    pid_t pid;
    bool ok;

    posix_spawn_file_actions_init(&io);
    posix_spawn_file_actions_adddup2(&io, fd, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&io, STDERR_FILENO, "/dev/null", 1, 0);
    ok = posix_spawnp(&pid, args[0], &io, NULL, args, environ) == 0;
    if (ok)
        waitpid(pid, NULL, 0);
    posix_spawn_file_actions_destroy(&io);
    return ok;
}

/* "dir/file.c:88" of the call before the return address `pc`. */
static bool source_line(const void *pc, char *text, size_t bytes)
{
    static const char here;
    Dl_info o, own;
    char file[512], address[32];
    const ElfW(Ehdr) *head;
    ssize_t len = 0;
    int fd[2];
    bool ok;

    if (!pc || !dladdr(pc, &o) || pipe(fd) < 0)
        return false;
    head = o.dli_fbase;
    snprintf(address, sizeof address, "0x%zx", (size_t)((uintptr_t)pc - 1 -
             (head->e_type == ET_EXEC ? 0 : (uintptr_t)head)));
    snprintf(file, sizeof file, "%s", o.dli_fname);
    if (dladdr(&here, &own) && own.dli_fbase == o.dli_fbase) {
        len = readlink("/proc/self/exe", file, sizeof file - 1);
        file[len > 0 ? len : 0] = '\0';
    }
    ok = ask_addr2line(file, address, fd[1]);
    close(fd[1]); /* lint: the kit's own pipe */
    len = ok ? read(fd[0], text, bytes - 1) : 0; /* lint: the same */
    close(fd[0]); /* lint: the same */
    text[len > 0 ? len : 0] = '\0';
    text[strcspn(text, " \n")] = '\0'; /* no (discriminator 2) */
    return text[0] && text[0] != '?';
}

void roost__report_where(const struct roost__verdict *v, char *text,
                         size_t bytes)
{
    char line[200] = "", at[96], *name;

    if (!v->place) {
        snprintf(text, bytes, "%s", v->where);
        return;
    }
    roost__place_of(v->place, at, sizeof at);
    if (!source_line(v->place, line, sizeof line))
        line[0] = '\0';
    for (name = line + strlen(line); name > line && *name != '/'; name--)
        ;
    while (name > line && name[-1] != '/') /* the directory's name, too */
        name--;
    snprintf(text, bytes, "%s, called in %s%s%s%s", v->where, at,
             name[0] ? " (" : "", name, name[0] ? ")" : "");
}

static bool plain(const char *name)
{
    return name && name[0] && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"
                                           "KLMNOPQRSTUVWXYZ0123456789_.-/,:+@%")
                                  == strlen(name);
}

/* As a shell wants it. */
static void print_word(const char *word)
{
    if (plain(word)) {
        fputs(word, stderr);
        return;
    }
    fputc('\'', stderr);
    for (; *word; word++)
        fputs(*word == '\'' ? "'\\''" : (char[]){ *word, '\0' }, stderr);
    fputc('\'', stderr);
}

/* Those of this process. */
static void print_arguments(void)
{
    static char text[64 << 10];
    FILE *f = fopen("/proc/self/cmdline", "r");
    size_t bytes = f ? fread(text, 1, sizeof text - 1, f) : 0;
    const char *arg;

    if (f)
        fclose(f);
    text[bytes] = '\0';
    for (arg = text + strlen(text) + 1; arg < text + bytes; arg += strlen(arg) + 1) {
        fputc(' ', stderr);
        print_word(arg);
    }
    fputc('\n', stderr);
}

void roost__report_failure(const roost_torture_report *r, const char *name,
                           const char *own_name)
{
    bool named = plain(own_name);

    fprintf(stderr, "torture: %s: failed\n    what:  %s\n", name, r->what);
    if (r->where[0])
        fprintf(stderr, "    where: %s\n", r->where);
    fprintf(stderr, "    again: ROOST_TORTURE=%s%s%s ", r->plan,
            named ? ":body=" : "", named ? own_name : "");
    print_word(program_invocation_name);
    print_arguments();
}
