/* torture.c - a body run again and again, with each thing gone wrong once.
 *
 * Owns:     the order of things: undisturbed, swept, reordered; then a failure
 *           shrunk and told, or none.
 * Promises: what is told is repeated by the line that is printed.
 * Never:    runs the body in this process, but for ROOST_TORTURE.
 */
#define _GNU_SOURCE
#include <roost/test.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/sched.h"
#include "test/batch.h"
#include "test/faults.h"
#include "test/heap.h"
#include "test/report.h"
#include "test/sweep.h"

#define FIRST_BATCH 32 /* so that a limit of time is seen */
#define ORDERS 200

struct torture {
    struct roost__victim victim;
    roost_torture_options o;
    const char *name;
    struct roost__board *board;
    struct roost__sweep sweep;
    struct roost__plan failing;
    struct roost__verdict verdict; /* of it */
    bool differs; /* from an equal run, which is the failure */
    roost_torture_report report;
    roost_time began;
    int output; /* a file for what the runs print */
    uint8_t *reached; /* of the sweep's points */
    size_t batch;
};

/* ---- batches ---- */

static bool time_is_up(const struct torture *t)
{
    return t->o.max_time && roost__sys_default.clock() - t->began > t->o.max_time;
}

static void progress(const struct torture *t, bool last)
{
    double took = (double)(roost__sys_default.clock() - t->began) / 1e9;

    if (t->o.quiet || !isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\rtorture: %s: %zu of %zu runs, %.0f/s%s", t->name,
            t->report.runs, t->report.planned,
            (double)t->report.runs / (took > 0 ? took : 1), last ? "\n" : "");
    fflush(stderr);
}

static void note_reached(struct torture *t, const struct roost__plan *plans,
                         size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        uint32_t point = plans[i].point;

        t->report.schedules += plans[i].seed != 0;
        if (!point || !t->board->struck[i] || !t->reached ||
            t->reached[point - 1])
            continue;
        t->reached[point - 1] = 1;
        t->report.points++;
    }
}

/* 0: they kept their promises; 1: one of them did not, and it is t->failing. */
static int run_batch(struct torture *t, const struct roost__batch *b)
{
    int r = roost__batch_run(t->board, b);
    size_t at = atomic_load(&t->board->at);

    if (r < 0)
        return r;
    t->report.runs += at < b->count ? at : b->count;
    note_reached(t, b->plans, r ? at : b->count);
    if (r) {
        t->verdict = t->board->verdict;
        t->failing = at ? b->plans[at - 1] : (struct roost__plan){ .count = 0 };
    }
    progress(t, false);
    return r;
}

static struct roost__batch batch_of(struct torture *t,
                                    const struct roost__plan *plans,
                                    size_t count)
{
    return (struct roost__batch){ .victim = &t->victim, .plans = plans,
                                  .count = count, .output = t->output };
}

static int run_all(struct torture *t, const struct roost__plan *plans,
                   size_t count)
{
    struct roost__batch b;
    size_t n;
    int r = 0;

    while (count > 0 && r == 0 && !time_is_up(t)) {
        n = count < t->batch ? count : t->batch;
        b = batch_of(t, plans, n);
        r = run_batch(t, &b);
        plans += n;
        count -= n;
        t->batch = ROOST__BATCH;
    }
    return r;
}

/* ---- undisturbed ---- */

/* Two runs must be the same: a plan counts on it. */
static int compare(struct torture *t)
{
    const struct roost__record *a = &t->board->record[0];
    const struct roost__record *b = &t->board->record[1];

    if (t->o.varies ||
        (a->moments == b->moments && a->allocations == b->allocations &&
         a->calls == b->calls && a->trace == b->trace))
        return 0;
    t->differs = true;
    t->failing = (struct roost__plan){ .count = 0 };
    t->verdict = (struct roost__verdict){ .failed = true };
    snprintf(t->verdict.what, sizeof t->verdict.what, "it is not repeatable: "
             "%u moments of waits, %u allocations, %u calls; then %u, %u, %u%s",
             a->moments, a->allocations, a->calls, b->moments, b->allocations,
             b->calls, a->trace == b->trace ? "" : "; other tasks ran");
    return 1;
}

static int run_undisturbed(struct torture *t)
{
    static const struct roost__plan none[2];
    struct roost__batch b = batch_of(t, none, 2);
    const struct roost__record *r = &t->board->record[0];
    int e;

    b.record = true;
    e = run_batch(t, &b);
    if (e == 0)
        e = compare(t);
    t->victim.moments = r->moments;
    t->report.waits = r->waits;
    t->report.allocations = r->allocations;
    t->report.calls = r->calls;
    if (r->moment.lost + r->allocation.lost + r->call.lost > 0 && !t->o.quiet)
        fprintf(stderr, "torture: %s: it has more places than there is room for; "
                "nothing is injected in the last of them\n", t->name);
    return e;
}

/* ---- orders of tasks ---- */

/* The plan, with one choice delayed more: all that come after its last. */
static int add_delayed(struct roost__sweep *s, const struct roost__plan *p,
                       const struct roost__choices *c)
{
    uint32_t at = p->pick_count ? p->picks[p->pick_count - 1].at : 0, index;
    struct roost__plan more = *p;
    int r = 0;

    more.pick_count++;
    for (at++; at <= c->count && r >= 0; at++)
        for (index = 1; index < c->of[at - 1] && r >= 0; index++) {
            more.picks[more.pick_count - 1].at = at;
            more.picks[more.pick_count - 1].index = index;
            r = roost__sweep_add(s, &more);
        }
    return r;
}

/* One batch of orders from *at on; those one delay further go to the list's end. */
static int explore_batch(struct torture *t, struct roost__sweep *s, size_t *at,
                         size_t limit)
{
    size_t n = s->count - *at, i, delays = t->o.delays ? (size_t)t->o.delays : 1;
    struct roost__plan plans[ROOST__BATCH];
    struct roost__batch b;
    int r;

    n = n < ROOST__BATCH ? n : ROOST__BATCH;
    n = n < limit - *at ? n : limit - *at;
    memcpy(plans, s->plans + *at, n * sizeof *plans);
    b = batch_of(t, plans, n);
    b.explore = true;
    memset(t->board->choices, 0, sizeof t->board->choices);
    r = run_batch(t, &b);
    for (i = 0; r == 0 && i < n; i++)
        if (plans[i].pick_count < delays && s->count < limit)
            r = add_delayed(s, &plans[i], &t->board->choices[i]);
    *at += n;
    t->report.schedules += n;
    return r;
}

static int explore(struct torture *t, size_t limit)
{
    struct roost__sweep s = { .plans = NULL };
    size_t at = 0;
    int r;

    if (t->o.skip & ROOST_TORTURE_ORDER || t->o.max_orders < 0 || !limit)
        return 0;
    r = roost__sweep_add(&s, &(struct roost__plan){ .count = 0 });
    while (r == 0 && at < s.count && at < limit && !time_is_up(t))
        r = explore_batch(t, &s, &at, limit);
    roost__sweep_free(&s);
    return r;
}

/* ---- the whole ---- */

static size_t orders_wanted(const struct torture *t)
{
    size_t most = t->o.max_orders > 0 ? (size_t)t->o.max_orders : ORDERS;

    if (t->o.max_runs && t->o.max_runs / 8 < most)
        most = t->o.max_runs / 8;
    return t->o.skip & ROOST_TORTURE_ORDER || t->o.max_orders < 0 ? 0 : most;
}

static int sweep(struct torture *t)
{
    size_t orders = orders_wanted(t);
    int r = roost__sweep_make(&t->sweep, &t->board->record[0], &t->o);

    if (r < 0)
        return r;
    if (t->o.max_runs)
        roost__sweep_cut(&t->sweep, t->o.max_runs - orders);
    t->reached = calloc(t->sweep.points + 1, 1); /* lint: the kit's own */
    if (!t->reached)
        return -ENOMEM;
    t->report.planned = t->report.runs + t->sweep.count + orders;
    t->batch = FIRST_BATCH;
    r = explore(t, orders);
    t->report.planned -= orders - t->report.schedules; /* there are no more */
    return r ? r : run_all(t, t->sweep.plans, t->sweep.count);
}

static bool still_fails(struct torture *t, const struct roost__plan *p)
{
    struct roost__batch b = batch_of(t, p, 1);

    if (roost__batch_run(t->board, &b) != 1 || atomic_load(&t->board->at) != 1)
        return false;
    t->verdict = t->board->verdict;
    t->failing = *p;
    return true;
}

/* What of the plan is not needed is left out; fewer picks were tried before. */
static void shrink(struct torture *t)
{
    struct roost__plan p = t->failing;
    size_t i;

    for (i = p.count; i-- > 0;) {
        p.in[i] = p.in[--p.count];
        if (!still_fails(t, &p))
            p = t->failing;
    }
    p.seed = 0;
    if (t->failing.seed && !still_fails(t, &p))
        p = t->failing;
}

static void fill_report(struct torture *t, const char *more)
{
    t->report.failures = 1;
    roost__plan_print(&t->failing, t->report.plan, sizeof t->report.plan);
    snprintf(t->report.what, sizeof t->report.what, "%.430s%s", t->verdict.what,
             more);
    roost__report_where(&t->verdict, t->report.where, sizeof t->report.where);
}

static void tell(struct torture *t)
{
    struct roost__batch b = batch_of(t, &t->failing, 1);

    bool again;

    b.aloud = !t->o.quiet;
    if (b.aloud)
        fprintf(stderr, "torture: %s: a run failed; here it is once more:\n",
                t->name);
    again = t->differs || roost__batch_run(t->board, &b) != 0;
    fill_report(t, again ? "" : "; alone this run kept its promises: the body "
                                "remembers earlier runs, or varies");
    if (b.aloud)
        roost__report_failure(&t->report, t->name, t->o.name);
}

static int torture(struct torture *t)
{
    int r = run_undisturbed(t);

    if (r == 0)
        r = sweep(t);
    if (r == 1 && t->failing.count + (t->failing.seed != 0) > 1)
        shrink(t);
    t->report.took = roost__sys_default.clock() - t->began;
    progress(t, true);
    if (r == 1)
        tell(t);
    return r;
}

/* ---- once more: ROOST_TORTURE ---- */

static int repeat(struct torture *t, const struct roost__plan *p)
{
    static const struct roost__plan none;
    struct roost__attempt a = { .victim = &t->victim, .plan = &none,
                                .first = true };
    char words[64];

    roost__strike(&a, &t->verdict);
    t->victim.moments = t->verdict.moments;
    a.plan = p;
    a.first = false;
    a.aloud = !t->o.quiet;
    if (!t->verdict.failed || !p->count)
        roost__strike(&a, &t->verdict);
    roost__heap_left(words, sizeof words);
    if (t->verdict.error)
        return t->verdict.error;
    t->failing = *p;
    t->report.runs = 2;
    t->report.took = roost__sys_default.clock() - t->began;
    if (!t->o.quiet && t->verdict.struck < p->count)
        fprintf(stderr, "torture: %s: the body has no such point as the plan "
                "says: %u of %zu injections were made\n", t->name,
                t->verdict.struck, p->count);
    if (!t->verdict.failed) {
        fprintf(stderr, "torture: %s: this run kept its promises\n", t->name);
        return 0;
    }
    fill_report(t, "");
    if (!t->o.quiet)
        roost__report_failure(&t->report, t->name, t->o.name);
    return 1;
}

/* ---- the calls ---- */

static int setting_up(struct torture *t)
{
    t->board = mmap(NULL, sizeof *t->board, PROT_READ | PROT_WRITE, /* lint: own */
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (t->board == MAP_FAILED)
        return -errno;
    t->output = memfd_create("torture", MFD_CLOEXEC);
    return t->output < 0 ? -errno : 0;
}

static int search(struct torture *t)
{
    int r = setting_up(t);

    if (r >= 0)
        r = torture(t);
    free(t->reached); /* lint: the kit's own */
    roost__sweep_free(&t->sweep);
    if (t->output >= 0)
        close(t->output); /* lint: the same */
    if (t->board != MAP_FAILED)
        munmap(t->board, sizeof *t->board); /* lint: the same */
    return r;
}

static int bad_value(const char *name, const char *value, const char *why)
{
    fprintf(stderr, "torture: %s=%s: %s\n", name, value, why);
    return -EINVAL;
}

/* Of all bodies in a hurry: so many runs each. */
static int take_budget(struct torture *t)
{
    const char *text = getenv("ROOST_TORTURE_RUNS");
    unsigned long long count;
    char *end;

    if (!text)
        return 0;
    errno = 0;
    count = strtoull(text, &end, 10);
    if (!(text[0] >= '0' && text[0] <= '9') || *end || errno || count < 16)
        return bad_value("ROOST_TORTURE_RUNS", text,
                         "expected a number of runs, 16 or more");
    if (!t->o.max_runs || count < t->o.max_runs)
        t->o.max_runs = (size_t)count;
    return 0;
}

/* 1: this body is not the one meant. */
static int take_plan(const struct torture *t, const char *text,
                     struct roost__plan *ret)
{
    char plan[ROOST__PLAN_TEXT * 2], why[200];
    const char *of = strstr(text, ":body=");
    size_t len = of ? (size_t)(of - text) : strlen(text);

    if (len >= sizeof plan)
        return bad_value("ROOST_TORTURE", text, "expected less");
    memcpy(plan, text, len);
    plan[len] = '\0';
    if (!roost__plan_parse(plan, ret, why, sizeof why))
        return bad_value("ROOST_TORTURE", text, why);
    return of && (!t->o.name || strcmp(of + 6, t->o.name) != 0);
}

static int check_options(const roost_torture_options *o, const char *site)
{
    const char *wrong = NULL;

    if (o->delays < 0 || o->delays > ROOST__PICKS)
        wrong = "delays is not 0 to 4";
    else if (o->max_runs && o->max_runs < 16)
        wrong = "max_runs is less than 16";
    else if (o->max_time < 0 || o->hang < 0 || o->swallow < 0)
        wrong = "a time is negative";
    if (wrong)
        fprintf(stderr, "torture: options at %s: %s\n", site, wrong);
    return wrong ? -EINVAL : 0;
}

int (roost_torture)(roost_task_fn *body, void *arg,
                    const roost_torture_options *o)
{
    return roost_torture_at(body, arg, o, NULL);
}

int roost_torture_at(roost_task_fn *body, void *arg,
                       const roost_torture_options *o, const char *site)
{
    static const roost_torture_options defaults;
    const char *text = getenv("ROOST_TORTURE");
    struct torture t = { .o = o ? *o : defaults, .output = -1,
                         .board = MAP_FAILED };
    struct roost__plan plan;
    int r;

    ROOST_USAGE(!roost__rt, "roost_torture at %s is inside the run begun at %s; "
                "it makes runs of its own, so call it outside of one",
                roost__place(site), roost__place(roost__rt->site));
    t.name = t.o.name ? t.o.name : roost__place(site);
    t.victim = (struct roost__victim){ .body = body, .arg = arg, .o = &t.o,
                                        .site = site };
    t.began = roost__sys_default.clock();
    r = check_options(&t.o, roost__place(site));
    if (r >= 0)
        r = take_budget(&t);
    if (r >= 0 && text) {
        r = take_plan(&t, text, &plan);
        if (r == 1)
            fprintf(stderr, "torture: %s: left out, another one is meant\n",
                    t.name);
        r = r == 0 ? repeat(&t, &plan) : r < 0 ? r : 0;
    } else if (r >= 0) {
        r = search(&t);
    }
    if (t.o.ret_report)
        *t.o.ret_report = t.report;
    return r;
}

void roost_check_failed(const char *site, const char *cond, const char *format,
                        ...)
{
    char words[400], more[256] = "";
    va_list args;

    va_start(args, format);
    vsnprintf(more, sizeof more, format, args);
    va_end(args);
    snprintf(words, sizeof words, "%s does not hold%s%s", cond,
             more[0] ? ": " : "", more);
    if (roost__strike_broke(site, words))
        return;
    print_error("%s: roost_check: %s\n", site, words);
    _fail(site, 0);
}
