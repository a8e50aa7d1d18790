/* liar.c - an echo server for one connection that does one thing wrong, to see
 *          that echo_load notices.
 *
 *     liar LIE --serve
 *
 * none       it is honest; the 300th answer comes in two halves
 * corrupt    one bit of the 300th answer is not what was sent
 * repeats    the 300th answer is the 299th once more
 * surplus    a byte more after the 300th answer
 * closes     ends the connection after the 300th answer
 * silent     reads and answers no more after the 300th
 * mute       never says where it listens
 */
#include "bench/echo.h"

static int is(const char *lie, const char *name)
{
    return strcmp(lie, name) == 0;
}

static int answer(int fd, const char *lie, char *buf, size_t size)
{
    static int answers;
    static char before[ECHO_BUFFER];
    int now = ++answers == 300;

    if (now && is(lie, "corrupt"))
        buf[size / 2] ^= 1;
    if (now && is(lie, "none")) {
        if (write(fd, buf, size / 2) != (ssize_t)(size / 2))
            return 0;
        usleep(2000); /* lint: real time lets the client see the first */
        return write(fd, buf + size / 2, size - size / 2) > 0;
    }
    if (now && is(lie, "repeats"))
        memcpy(buf, before, size);
    memcpy(before, buf, size);
    if (now && is(lie, "surplus"))
        buf[size++] = 0;
    if (answers > 300 && is(lie, "closes"))
        return 0;
    if (answers > 300 && is(lie, "silent"))
        return 1;
    return write(fd, buf, size) == (ssize_t)size;
}

int main(int argc, char **argv)
{
    char buf[ECHO_BUFFER + 1];
    ssize_t n = 1;
    int door, fd;

    bench_must(argc == 3, "liar LIE --serve");
    if (is(argv[1], "mute"))
        return 0;
    door = echo_listen();
    fcntl(door, F_SETFL, 0);
    fd = accept(door, NULL, NULL);
    bench_must(fd >= 0, "nobody came");
    echo_prepare(fd);
    while (n > 0) {
        n = read(fd, buf, ECHO_BUFFER);
        if (n > 0 && !answer(fd, argv[1], buf, (size_t)n))
            return 0;
    }
    return 0;
}
