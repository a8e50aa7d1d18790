/* roost_torture.c - how many runs of a small body roost_torture makes in a second.
 *
 * The body: a socketpair, four tasks, two channels, one timeout; two numbers pass
 * through all of them. The sweep is made again and again until there were enough
 * runs, in child processes, and with all that is looked at after each run, as in
 * anybody's tests. By the wall clock: the children work, this process waits.
 */
#include <errno.h>
#include <roost.h>
#include <roost/test.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"

struct line {
    roost_chan *first, *second;
    roost_fd in, out;
};

static int says(void *arg)
{
    struct line *l = arg;
    int r = 0;

    for (int number = 0; number < 2 && r >= 0; number++)
        r = roost_chan_send(l->first, &number);
    roost_chan_close(l->first);
    return r;
}

static int passes_on(void *arg)
{
    struct line *l = arg;
    int number, r;

    while ((r = roost_chan_recv(l->first, &number)) > 0)
        if ((r = roost_chan_send(l->second, &number)) < 0)
            break;
    roost_chan_close(l->second);
    return r;
}

static int writes(void *arg)
{
    struct line *l = arg;
    int number, r;

    while ((r = roost_chan_recv(l->second, &number)) > 0)
        if ((r = roost_fd_write(&l->in, &number, sizeof number)) < 0)
            break;
    roost_fd_close(&l->in);
    return r;
}

static int reads(void *arg)
{
    struct line *l = arg;
    int number, r;

    do
        r = roost_fd_read(&l->out, &number, sizeof number);
    while (r > 0);
    return r;
}

static int all_four(struct line *l)
{
    roost_nursery n;

    roost_nursery_open(&n);
    roost_ignore(roost_spawn(&n, says, l));
    roost_ignore(roost_spawn(&n, passes_on, l));
    roost_ignore(roost_spawn(&n, writes, l));
    roost_ignore(roost_spawn(&n, reads, l));
    return roost_nursery_close(&n, 0);
}

static int line_open(struct line *l)
{
    int ends[2], r;

    l->first = roost_chan_new(sizeof(int), 0);
    l->second = roost_chan_new(sizeof(int), 1);
    if (!l->first || !l->second)
        return -ENOMEM;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    r = roost_fd_open(&l->in, ends[0]);
    if (r < 0)
        close(ends[0]);
    if (r >= 0 && (r = roost_fd_open(&l->out, ends[1])) >= 0)
        return 0;
    close(ends[1]);
    return r;
}

static int body(void *arg)
{
    struct line l = { 0 };
    int r = line_open(&l);

    (void)arg;
    if (r >= 0)
        r = ROOST_WITHIN(ROOST_SEC(1), all_four(&l));
    roost_fd_close(&l.in);
    roost_fd_close(&l.out);
    roost_chan_free(l.first);
    roost_chan_free(l.second);
    return r;
}

static void torture(const struct bench *b, uint64_t ops)
{
    uint64_t runs = 0;
    roost_time took = 0;

    while (runs < ops) {
        roost_torture_report report;

        bench_must(roost_torture(body, NULL, &(roost_torture_options){
            .name = b->name, .max_runs = ops, .quiet = true,
            .ret_report = &report }) == 0 && report.runs > 0, b->name);
        runs += report.runs;
        took += report.took;
    }
    bench_figure(b->name, "", "runs/s", (double)runs * 1e9 / (double)took);
}

int main(int argc, char **argv)
{
    static const struct bench table[] = {
        { "torture_runs", torture, 10000, 0 },
        { 0 },
    };

    return bench_main(argc, argv, table);
}
