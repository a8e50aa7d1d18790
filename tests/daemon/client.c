/* client.c - clients of the line daemon, good and bad, and its service manager. See
 *            run. Plain sockets; every one ends after 30 s at the latest.
 *
 *     ask PORT LINE...     each line and what it is answered; then "end" at the end
 *     slow PORT A B        sends A, says "sent", waits for a line on stdin, sends B
 *     silent PORT          says what it gets without ever having asked
 *     stall PORT           asks and asks and never reads; says "stalled", then "cut"
 *     flood PORT N         N that ask, QUIT and more, all at once, and reads slowly;
 *                          says how many lines it got, and how it ended
 *     load PORT N          N who ask as soon as they are answered, until all are let go
 *     exec PATH PROGRAM... the program with a socket handed over as "listening" and
 *                          a notify socket at PATH; says what comes there
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int die(const char *what)
{
    perror(what);
    exit(3);
}

static int connected(const char *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(port)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
        die("connect");
    return fd;
}

static void send_all(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
        die("send");
}

/* A line, or "end" or "reset". */
static const char *line_of(int fd)
{
    static char line[1024];
    size_t len = 0;
    ssize_t r;

    while ((r = read(fd, line + len, 1)) == 1 && line[len] != '\n' &&
           len + 1 < sizeof line)
        len++;
    line[len] = '\0';
    return r == 1 ? line : r == 0 ? "end" : "reset";
}

static void told(const char *line)
{
    puts(line);
    fflush(stdout);
}

static int ask(const char *port, char **lines)
{
    int fd = connected(port);

    for (; *lines; lines++) {
        send_all(fd, *lines);
        send_all(fd, "\n");
        told(line_of(fd));
        if (!strncmp(*lines, "QUIT", 4))
            told(line_of(fd));
    }
    return 0;
}

static int slow(const char *port, const char *a, const char *b)
{
    int fd = connected(port);

    send_all(fd, a);
    told("sent");
    line_of(STDIN_FILENO);
    send_all(fd, b);
    send_all(fd, "\n");
    told(line_of(fd));
    told(line_of(fd));
    return 0;
}

static int silent(const char *port)
{
    int fd = connected(port);
    const char *line;

    told("connected");
    do
        told(line = line_of(fd));
    while (strcmp(line, "end") && strcmp(line, "reset"));
    return 0;
}

static int stall(const char *port)
{
    static const char asked[] = "STATS\nSTATS\nSTATS\nSTATS\n";
    int fd = connected(port);
    struct pollfd p = { .fd = fd, .events = POLLOUT };

    fcntl(fd, F_SETFL, O_NONBLOCK);
    while (poll(&p, 1, 300) == 1) /* 0: nobody has read for so long */
        if (send(fd, asked, sizeof asked - 1, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
            return 4;
    told("stalled");
    p.events = 0;
    poll(&p, 1, -1); /* for the hang-up */
    told("cut");
    return 0;
}

static int flood(const char *port, int n)
{
    const struct timespec pause = { .tv_nsec = 500000 };
    static char buf[65536];
    int fd = connected(port), lines = 0;
    ssize_t r, i;

    if (fork() == 0) {
        for (; n > -500; n--) /* more than the daemon will look at */
            send_all(fd, n ? "GET big\n" : "QUIT\n");
        _exit(0);
    }
    do {
        nanosleep(&pause, NULL); /* lint: a slow reader is what this is about */
        r = read(fd, buf, sizeof buf);
        for (i = 0; i < r; i++)
            lines += buf[i] == '\n';
    } while (r > 0);
    printf("%d lines, %s\n", lines, r == 0 ? "end" : "reset");
    return 0;
}

/* One of the load: whether it was answered, and asks again. false: let go. */
static bool go_on(int fd, long *answered)
{
    char buf[64];
    ssize_t r = read(fd, buf, sizeof buf);

    if (r <= 0)
        return false;
    *answered += buf[r - 1] == '\n';
    return send(fd, "SET load 1\n", 11, MSG_NOSIGNAL) == 11;
}

static int load(const char *port, int n)
{
    struct pollfd p[256];
    long answered = 0;
    int i, left = n;
    bool said = false;

    for (i = 0; i < n; i++) {
        p[i] = (struct pollfd){ .fd = connected(port), .events = POLLIN };
        send_all(p[i].fd, "SET load 1\n");
    }
    while (left > 0) {
        poll(p, (nfds_t)n, -1);
        for (i = 0; i < n; i++)
            if (p[i].fd >= 0 && p[i].revents && !go_on(p[i].fd, &answered)) {
                close(p[i].fd);
                p[i].fd = -1;
                left--;
            }
        if (answered > 1000 && !said) {
            told("loaded");
            said = true;
        }
    }
    printf("answered %ld\n", answered);
    return 0;
}

static int manage(const char *path, char **program)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
        notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), status;
    struct sockaddr_in bound;
    socklen_t len = sizeof bound;
    char line[512];
    ssize_t r;
    pid_t pid;

    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    if (listen(listener, 16) < 0 ||
        getsockname(listener, (struct sockaddr *)&bound, &len) < 0 ||
        bind(notify, (struct sockaddr *)&a, sizeof a) < 0)
        die("bind");
    pid = fork();
    if (pid == 0) {
        snprintf(line, sizeof line, "%d", (int)getpid());
        setenv("LISTEN_PID", line, 1);
        setenv("LISTEN_FDS", "1", 1);
        setenv("LISTEN_FDNAMES", "listening", 1);
        setenv("NOTIFY_SOCKET", path, 1);
        fcntl(listener, F_SETFD, 0); /* dup2 does not, if it is 3 already */
        dup2(listener, 3);
        execv(program[0], program);
        _exit(127);
    }
    printf("pid %d port %d\n", (int)pid, ntohs(bound.sin_port));
    fcntl(notify, F_SETFL, O_NONBLOCK);
    do {
        status = waitpid(pid, &status, WNOHANG) == pid ? status : -1;
        poll(&(struct pollfd){ .fd = notify, .events = POLLIN }, 1, 20);
        while ((r = recv(notify, line, sizeof line - 1, 0)) > 0) {
            line[r] = '\0';
            told(line);
        }
    } while (status == -1);
    printf("ended %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "";

    alarm(30);
    if (!strcmp(what, "ask"))
        return ask(argv[2], argv + 3);
    if (!strcmp(what, "slow") && argc == 5)
        return slow(argv[2], argv[3], argv[4]);
    if (!strcmp(what, "silent"))
        return silent(argv[2]);
    if (!strcmp(what, "stall"))
        return stall(argv[2]);
    if (!strcmp(what, "flood") && argc == 4)
        return flood(argv[2], atoi(argv[3]));
    if (!strcmp(what, "load") && argc == 4)
        return load(argv[2], atoi(argv[3]));
    if (!strcmp(what, "exec") && argc > 3)
        return manage(argv[2], argv + 3);
    return 2;
}
