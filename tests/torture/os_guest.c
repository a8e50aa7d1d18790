/* os_guest.c - a guest of a host's loop under every fault.
 *
 * roost_torture makes runs of its own, in which nobody may attach. So this sweeps by
 * itself, in one process: each allocation and system call of the attach, of the
 * tasks and of the end fails; at each wait the root is cancelled, or the host
 * breaks its loop off and destroys it with the tasks alive (G3). A promise that is
 * broken ends the program; it says in which run.
 */
#include "torture/ends.h"

#include <ev.h>
#include <poll.h>
#include <signal.h>

#include "core/rt.h"
#include "core/sched.h"
#include "test/faults.h"
#include "test/heap.h"

enum what { NOTHING, CANCEL, BREAK, FAULT }; /* FAULT: as the plan says */

struct guest {
    struct ledger l;
    struct stream {
        roost_fd in, out;
        struct flow w;
    } s;
    roost_event host_did;
    int ended, result;
};

static struct {
    struct guest guests[2];
    roost_root *root;
    struct ev_loop *loop;
    enum what what;
    uint32_t at, moments;
    struct roost__plan plan;
    char text[ROOST__PLAN_TEXT + 32];
} now;

/* ---- the guest ---- */

static int puts_all(void *arg)
{
    struct guest *g = arg;
    int r;

    ledger_begins(&g->l);
    r = put_until(&g->s.out, &g->s.w, 10);
    if (r >= 0)
        r = clean(roost_sleep(ROOST_US(20)));
    if (r >= 0)
        r = put_until(&g->s.out, &g->s.w, 20);
    shutdown(roost_fd_number(&g->s.out), SHUT_WR);
    return ledger_ends(&g->l, r < 0 ? taken_in_stride(r) : 0);
}

static int gets_all(void *arg)
{
    struct guest *g = arg;
    int r;

    ledger_begins(&g->l);
    while ((r = get_some(&g->s.in, &g->s.w, 8)) > 0)
        ;
    shutdown(roost_fd_number(&g->s.in), SHUT_RDWR);
    return ledger_ends(&g->l, r < 0 ? taken_in_stride(r) : 0);
}

static int waits_for_host(void *arg)
{
    struct guest *g = arg;

    ledger_begins(&g->l);
    return ledger_ends(&g->l, clean(roost_event_wait(&g->host_did)));
}

static int session(void *arg)
{
    struct guest *g = arg;
    int r = open_sockets(SOCK_STREAM, &g->s.in, &g->s.out);

    if (r >= 0) {
        ROOST_NURSERY(n);
        ledger_spawned(&g->l, roost_spawn(n, gets_all, g));
        ledger_spawned(&g->l, roost_spawn(n, puts_all, g));
        ledger_spawned(&g->l, roost_spawn(n, waits_for_host, g));
        r = ledger_close(&g->l, n, clean(roost_sleep(ROOST_US(10))));
        end_flow(&g->s.in, &g->s.w);
    }
    roost_fd_close(&g->s.in);
    roost_fd_close(&g->s.out);
    return r;
}

/* ---- what is done to it ---- */

static void saw_wait(roost_task *t, int moment, const char *what, void *place)
{
    (void)t;
    (void)moment;
    (void)what;
    (void)place;
    if (++now.moments != now.at || now.guests[0].ended)
        return;
    if (now.what == CANCEL)
        roost_root_cancel(now.root, "it was chosen");
    else if (now.what == BREAK)
        ev_break(now.loop, EVBREAK_ALL);
}

static size_t first(size_t count)
{
    (void)count;
    return 0;
}

static void is_over(struct roost_rt *rt)
{
    roost_check(rt->outside == 0, "somebody still waits for the outside");
}

static int cut; /* runs that a cancellation ended */
static int8_t call_of[4096];

static void saw_fault(uint32_t number, int call, const void *from)
{
    (void)from;
    if (call >= 0 && number < sizeof call_of)
        call_of[number] = (int8_t)call;
}

static void say_which(int sig)
{
    static const char words[] = "os_guest: in this run: ";

    if (write(2, words, sizeof words - 1) > 0 &&
        write(2, now.text, strlen(now.text)) > 0 && write(2, "\n", 1) > 0)
        signal(sig, SIG_DFL);
    raise(sig);
}

/* ---- the host ---- */

static void host_does(struct ev_loop *loop, ev_timer *w, int events)
{
    int i;

    (void)loop;
    (void)w;
    (void)events;
    for (i = 0; i < 2; i++)
        roost_event_set(&now.guests[i].host_did);
}

static void ended(int result, void *arg)
{
    struct guest *g = arg;

    g->ended++;
    g->result = result;
    roost_check(g->l.ran == g->l.spawned && g->l.ended == g->l.ran);
    roost_check(result == 0 || now.what != NOTHING, "it ended with %d", result);
    cut += result == -ECANCELED && now.what == CANCEL;
    roost_check(result != -ECANCELED || now.what == CANCEL || now.what == BREAK);
}

static roost_root *attach(int i)
{
    static struct roost__probe probe = { .wait = saw_wait, .choose = first,
                                        .over = is_over };
    struct guest *g = &now.guests[i];
    roost_root *root;

    roost_event_init(&g->host_did);
    root = roost_attach(now.loop, session, g, ended, g);
    roost_check(root || errno == ENOMEM || errno == EMFILE);
    roost_check(root || now.root || !roost__rt, "a guest without a root");
    if (root) {
        roost__rt->probe = &probe;
        roost__rt->budget = 0;
    }
    return root;
}

/* Without a root the loop has only the host's own timer, and returns after it. */
static void host(void)
{
    roost_root *second;
    ev_timer timer;

    ev_timer_init(&timer, host_does, 0., 0.);
    ev_timer_start(now.loop, &timer);
    now.root = attach(0);
    second = attach(1);
    ev_run(now.loop, 0);
    if (now.what != BREAK)
        roost_check(now.guests[0].ended == (now.root != NULL) &&
                    now.guests[1].ended == (second != NULL));
    ev_timer_stop(now.loop, &timer);
    ev_loop_destroy(now.loop);
    roost_check(now.guests[0].ended == (now.root != NULL));
    roost_check(now.guests[1].ended == (second != NULL));
    roost_check(!roost__rt, "the runtime is still there");
}

/* ---- one run ---- */

static uint64_t open_numbers(void)
{
    struct pollfd p[64];
    uint64_t open = 0;
    int i;

    for (i = 0; i < 64; i++)
        p[i] = (struct pollfd){ .fd = i };
    roost_check(poll(p, 64, 0) >= 0);
    for (i = 0; i < 64; i++)
        open |= (uint64_t)!(p[i].revents & POLLNVAL) << i;
    return open;
}

static void run(enum what what, uint32_t at, const struct roost__injection *in)
{
    static bool warm; /* what is made once is made */
    uint64_t before = open_numbers();
    char words[256] = "";
    size_t left;

    memset(&now, 0, sizeof now);
    now.what = what;
    now.at = at;
    if (in)
        now.plan = (struct roost__plan){ .in = { *in }, .count = 1 };
    snprintf(now.text, sizeof now.text, "%s at wait %u, ",
             what == CANCEL ? "cancel" : what == BREAK ? "break" : "nothing", at);
    roost__plan_print(&now.plan, now.text + strlen(now.text), ROOST__PLAN_TEXT);
    alarm(20);
    now.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    roost_check(now.loop != NULL);
    roost__sys = &roost__faulty_sys;
    roost__faults_arm(&now.plan, saw_fault);
    host();
    roost__faults_disarm();
    roost__sys = &roost__sys_default;
    alarm(0);
    roost_check(open_numbers() == before, "a descriptor was left open");
    left = roost__heap_left_since(words, sizeof words);
    roost_check(!left || !warm, "memory: %s", words);
    roost_check(roost__faults_counts().closed_twice == 0);
    warm = true;
}

/* ---- all of them ---- */

static void run_calls(uint32_t calls, roost_torture_report *report)
{
    uint32_t i;
    const int *e;

    for (i = 1; i <= calls; i++) {
        for (e = roost__fault_errnos(call_of[i]); *e; e++, report->runs++)
            run(FAULT, 0, &(struct roost__injection){ STRIKE_CALL, *e, i });
        if (roost__fault_shortens(call_of[i])) {
            run(FAULT, 0, &(struct roost__injection){ STRIKE_SHORT, 0, i });
            report->runs++;
        }
    }
    run(FAULT, 0, &(struct roost__injection){ STRIKE_ALL_SHORT, 0, 0 });
}

/* In real time not each run has the same waits and calls: some more are tried. */
static void sweep(roost_torture_report *report)
{
    struct roost__fault_counts counts;
    uint32_t moments, i;
    char words[100];

    roost__heap_watch();
    for (i = 0; i < 3; i++)
        run(NOTHING, 0, NULL);
    counts = roost__faults_counts();
    moments = now.moments;
    report->waits = moments / 3;
    report->allocations = counts.allocations;
    report->calls = counts.calls;
    for (i = 1; i <= counts.allocations + 2; i++, report->runs++)
        run(FAULT, 0, &(struct roost__injection){ STRIKE_ALLOC, 0, i });
    run_calls(counts.calls + 5, report);
    for (i = 1; i <= moments + 5; i++, report->runs += 2) {
        run(CANCEL, i, NULL);
        run(BREAK, i, NULL);
    }
    roost_check(cut > 0);
    roost__heap_left(words, sizeof words);
}

int main(int argc, char **argv)
{
    roost_torture_report report = { .runs = 4 };
    roost_time begin = roost_now();

    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return puts("a_guest") < 0;
    if (argc > 2 || (argc == 2 && strcmp(argv[1], "a_guest") != 0))
        return 2;
    signal(SIGABRT, say_which);
    signal(SIGALRM, say_which);
    sweep(&report);
    report.planned = report.runs;
    report.points = report.waits + report.allocations + report.calls;
    report.took = roost_now() - begin;
    torture_print("a_guest", &report, 0);
    roost__faults_release();
    return 0;
}
