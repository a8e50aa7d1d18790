/* leak_on_cancel.c - a request that is cancelled leaves its descriptor open.
 *
 * The early return was written before the connection was, and closes the nursery
 * only. Any answer that does not come will do.
 *
 * Plain:  well
 * Found:  cancel@*
 * Words:  descriptor .* left open
 * Line:   int r = roost_fd_write(f, "?", 1);
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "planted.h"

struct answer { int fd; };

/* The peer, which owns its end. */
ROOST_TASK(answer)(struct answer *a)
{
    char question;
    roost_fd f;
    int r = roost_fd_open(&f, a->fd);

    if (r < 0) {
        close(a->fd);
        return r;
    }
    r = roost_fd_read(&f, &question, 1);
    if (r > 0)
        r = roost_fd_write(&f, question == '?' ? "!" : "~", 1);
    roost_fd_close(&f);
    return r;
}

static int ask(roost_fd *f, char *ret_answer)
{
    int r = roost_fd_write(f, "?", 1);

    if (r >= 0)
        r = roost_fd_read(f, ret_answer, 1);
    return r == 0 ? -EPIPE : r;
}

static int request(char *ret_answer)
{
    roost_fd f;
    int r, ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    ROOST_NURSERY(n);
    if (roost_go(n, answer, .fd = ends[1]) < 0)
        close(ends[1]);
    r = roost_fd_open(&f, ends[0]);
    if (r < 0) {
        close(ends[0]);
        return roost_nursery_close(n, r);
    }
    r = ask(&f, ret_answer);
    if (r < 0) {
#ifdef FIXED
        roost_fd_close(&f);
#endif
        return roost_nursery_close(n, r);
    }
    roost_fd_close(&f);
    return roost_nursery_close(n, r);
}

static int body(void *arg)
{
    char answer = 0;
    int r = ROOST_WITHIN(ROOST_SEC(1), request(&answer));

    (void)arg;
    roost_check(r < 0 || answer == '!', "answered '%c'", answer);
    return r;
}

int main(int argc, char **argv)
{
    return planted(argc, argv, "leak_on_cancel", body);
}
