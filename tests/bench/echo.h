/* echo.h - the door of an echo server: a listening socket on a port that the
 *          kernel chooses, and the line that tells echo_load which.
 */
#ifndef TESTS_BENCH_ECHO_H
#define TESTS_BENCH_ECHO_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"

enum { ECHO_BUFFER = 4096 };

/* More than a thousand connections need more than the usual 1024. */
static inline void echo_allow_descriptors(void)
{
    struct rlimit files = { 0, 0 };

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

/* The listening socket, not blocking. */
static inline int echo_listen(void)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    bench_must(fd >= 0 && bind(fd, (void *)&at, size) == 0 &&
                   listen(fd, SOMAXCONN) == 0 &&
                   getsockname(fd, (void *)&at, &size) == 0, "no socket");
    echo_allow_descriptors();
    printf("listening on 127.0.0.1:%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

/* What every server does to a connection that it has accepted. */
static inline void echo_prepare(int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

#endif
