/* echo_load.c - the client of every echo server here, and the one who measures.
 *
 *     echo_load [--calls] SERVER [ARGUMENT...] echo_N [REQUESTS]
 *     echo_load --list
 *
 * Starts SERVER --serve, which says "listening on 127.0.0.1:PORT" in its first
 * line and ends on SIGTERM; keeps N connections, each of which sends 64 bytes,
 * waits for all of them to come back, looks at each, and sends again. Prints the
 * CPU time of the server for one request, user and system, in us; with --calls
 * its system calls instead, which the kernel counts where it lets us.
 *
 * The server's clock is read from outside, so that it is the same for every
 * language, while nothing is on its way: start and warm-up are not in it. Server
 * and client have a CPU each; where there is one, they share it. A wrong byte,
 * one too many, a connection that ends, and ECHO_PATIENCE ms (10,000) without
 * any byte are failures, not figures.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

enum { MESSAGE = 64, EVENTS = 256, COUNTERS = 64 };

struct connection {
    int fd;
    uint32_t number, sent; /* the last of them is on its way */
    size_t got;            /* bytes of its answer */
    char answer[MESSAGE + 1];
};

static struct connection *connections;
static uint64_t nconnections;
static int poller, patience_ms = 10000, want_calls;
static int counters[COUNTERS], ncounters;
static pid_t server;
static char **server_command;
static cpu_set_t server_cpu;

/* ---- the server's process ---- */

static void server_stop(void)
{
    if (server <= 0)
        return;
    kill(-server, SIGTERM); /* the group: it may run under another program */
    waitpid(server, NULL, 0);
    server = 0;
}

/* The first CPU that we may use for the server, the last one for us. */
static void choose_cpus(void)
{
    cpu_set_t all, own;
    size_t first = CPU_SETSIZE, last = 0;

    bench_must(sched_getaffinity(0, sizeof all, &all) == 0, "no affinity");
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, &all))
            continue;
        first = first < i ? first : i;
        last = i;
    }
    CPU_ZERO(&server_cpu);
    CPU_SET(first, &server_cpu);
    CPU_ZERO(&own);
    CPU_SET(last, &own);
    sched_setaffinity(0, sizeof own, &own);
}

static void server_run(int out)
{
    bench_must(server_command != NULL, "which server?");
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sched_setaffinity(0, sizeof server_cpu, &server_cpu);
    dup2(out, STDOUT_FILENO);
    execvp(server_command[0], server_command);
    perror(server_command[0]);
    _exit(127);
}

/* Starts it and returns the port that it says. */
static in_port_t server_start(void)
{
    unsigned port = 0;
    int out[2];
    FILE *said;

    bench_must(pipe2(out, O_CLOEXEC) == 0, "no pipe");
    server = fork();
    bench_must(server >= 0, "no process");
    if (server == 0)
        server_run(out[1]);
    atexit(server_stop);
    close(out[1]);
    said = fdopen(out[0], "r");
    bench_must(said && fscanf(said, "listening on 127.0.0.1:%u", &port) == 1,
               "the server does not listen");
    return (in_port_t)port; /* `said` stays open: what it says has a reader */
}

static double server_cpu_us(void)
{
    clockid_t clock;
    struct timespec t;

    bench_must(clock_getcpuclockid(server, &clock) == 0 &&
                   clock_gettime(clock, &t) == 0, "the server is gone");
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

/* Waits until its clock stands still: the last answers are here before it has
 * gone to sleep. One with threads of its own may never stand. */
static double server_settled_us(void)
{
    double before = -1, now = server_cpu_us();

    for (int i = 0; i < 50 && before < now; i++) {
        before = now;
        usleep(1000); /* lint: the clock is another process's */
        now = server_cpu_us();
    }
    return now;
}

/* What counts the system calls of a thread from now on. */
static int counter_open(pid_t thread)
{
    static const char path[] =
        "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id";
    struct perf_event_attr what = {
        .type = PERF_TYPE_TRACEPOINT,
        .size = sizeof what,
        .inherit = 1, /* threads that it starts later */
    };
    FILE *id = fopen(path, "r");
    int number = 0, fd;

    bench_must(id && fscanf(id, "%d", &number) == 1, "no tracefs for --calls");
    fclose(id);
    what.config = (__u64)number;
    fd = (int)syscall(SYS_perf_event_open, &what, thread, -1, -1, 0);
    bench_must(fd >= 0, "no permission for --calls");
    return fd;
}

/* One for each thread that the server has by now. */
static void counters_open(void)
{
    char path[64];
    struct dirent *entry;
    DIR *threads;

    snprintf(path, sizeof path, "/proc/%d/task", (int)server);
    threads = opendir(path);
    bench_must(threads != NULL, "the server is gone");
    while ((entry = readdir(threads)))
        if (entry->d_name[0] != '.' && ncounters < COUNTERS)
            counters[ncounters++] = counter_open(atoi(entry->d_name));
    closedir(threads);
}

static void counters_print(const struct bench *b, uint64_t ops)
{
    uint64_t calls, sum = 0;

    for (int i = 0; i < ncounters; i++) {
        bench_must(read(counters[i], &calls, sizeof calls) == sizeof calls,
                   "no count of calls");
        sum += calls;
    }
    bench_figure(b->name, "_syscalls", "calls", (double)sum / (double)ops);
}

/* ---- connections ---- */

/* No two messages of a run are alike. */
static void message_fill(const struct connection *c, char *message)
{
    uint32_t state = c->number * 2654435761u ^ (c->sent + 1) * 40503u;

    state |= state ? 0 : 1;
    for (size_t i = 0; i < MESSAGE; i += sizeof state) {
        bench_random(&state);
        memcpy(message + i, &state, sizeof state);
    }
}

static void connection_send(struct connection *c)
{
    char message[MESSAGE];

    c->sent++;
    c->got = 0;
    message_fill(c, message);
    bench_must(send(c->fd, message, MESSAGE, MSG_NOSIGNAL) == MESSAGE,
               "a message could not be sent");
}

/* True when the answer is complete, and right. */
static int connection_receive(struct connection *c)
{
    char message[MESSAGE];
    ssize_t n = recv(c->fd, c->answer + c->got, sizeof c->answer - c->got, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    bench_must(n > 0, "the server ended a connection");
    c->got += (size_t)n;
    bench_must(c->got <= MESSAGE, "the server said more than it was told");
    if (c->got < MESSAGE)
        return 0;
    message_fill(c, message);
    bench_must(memcmp(message, c->answer, MESSAGE) == 0,
               "an answer is not what was sent");
    return 1;
}

static void connection_open(struct connection *c, in_port_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
    int on = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bench_must(c->fd >= 0 && connect(c->fd, (void *)&to, sizeof to) == 0,
               "no connection");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    bench_must(fcntl(c->fd, F_SETFL, O_NONBLOCK) == 0 &&
                   epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) == 0,
               "no place in the poller");
}

static void connections_open(in_port_t port)
{
    struct rlimit files = { 0, 0 };

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    poller = epoll_create1(EPOLL_CLOEXEC);
    connections = calloc(nconnections, sizeof *connections);
    bench_must(poller >= 0 && connections, "no memory");
    for (uint32_t i = 0; i < nconnections; i++) {
        connections[i].number = i;
        connection_open(&connections[i], port);
    }
}

/* ---- requests ---- */

/* Makes `ops` requests, at most one at a time on each connection. */
static void requests(uint64_t ops)
{
    struct epoll_event events[EVENTS];
    uint64_t sent = 0, done = 0;

    while (sent < nconnections && sent < ops)
        connection_send(&connections[sent++]);
    while (done < ops) {
        int n = epoll_wait(poller, events, EVENTS, patience_ms);

        bench_must(n != 0, "the server does not answer");
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;

            if (!connection_receive(c))
                continue;
            done++;
            if (sent < ops) {
                connection_send(c);
                sent++;
            }
        }
    }
}

/* A server that has answered all is silent. */
static void silence(void)
{
    struct epoll_event event;

    bench_must(epoll_wait(poller, &event, 1, 0) == 0,
               "the server says more than it was told");
}

static void echo(const struct bench *b, uint64_t ops)
{
    double began, ended;

    nconnections = b->size;
    choose_cpus();
    connections_open(server_start());
    /* Twice each, so that every connection has been accepted and used; no more
     * for more `ops`, so that two runs differ by what is measured alone. */
    requests(500 + 2 * b->size);
    began = server_settled_us();
    if (want_calls)
        counters_open();
    requests(ops);
    ended = server_settled_us();
    silence();
    if (want_calls)
        counters_print(b, ops);
    else
        bench_figure(b->name, "_cpu", "us", (ended - began) / (double)ops);
}

/* The command before NAME [OPS], made ready to be executed; the rest is left to
 * bench_main as if it had stood alone. */
static int take_command(int argc, char **argv, char **own)
{
    static char serve[] = "--serve";
    int first = 1, name = argc - 1, n = 1;

    if (argc > 2 && strcmp(argv[1], "--calls") == 0)
        want_calls = first++;
    if (name > first && strspn(argv[name], "0123456789") == strlen(argv[name]))
        name--;
    own[0] = argv[0];
    for (int i = name; i < argc; i++)
        own[n++] = argv[i];
    if (name > first) {
        argv[name] = serve;
        argv[name + 1] = NULL; /* argv[argc] is ours too */
        server_command = argv + first;
    }
    return n;
}

int main(int argc, char **argv)
{
    static const struct bench table[] = {
        { "echo_1", echo, 3000, 1 },
        { "echo_64", echo, 60000, 64 },
        { "echo_1000", echo, 60000, 1000 },
        { 0 },
    };
    char *patience = getenv("ECHO_PATIENCE"), *own[3];

    if (patience)
        patience_ms = atoi(patience);
    argc = take_command(argc, argv, own);
    return bench_main(argc, own, table);
}
