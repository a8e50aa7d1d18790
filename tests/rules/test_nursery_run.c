/* test_nursery_run.c - roost_nursery_run and the guard form mean the same, and
 *                      both return what rule N2 says.
 *
 * Random plans: up to five children that end well, fail, are foreign, swallow a
 * cancellation or take time to go home; a body that does the like; cancellations
 * of the nursery and of what is around it, and a deadline. Each plan is run in
 * both forms, and the verdict is computed a third time from the letter of N2:
 * from who ended, when, and what was cancelled at that moment.
 */
#include "rules/children.h"

#include <string.h>

#define KIDS 5
#define PLANS 3000

struct plan {
    int kids, body_ms, body_result, body_cut; /* body_cut 1: swallows */
    int hand_ms, outside_ms, deadline_ms;     /* < 0: none */
    struct kid kid[KIDS];
};

enum cause { NOT, BY_FAILURE, BY_HAND, BY_DEADLINE };

/* What N2 is decided from, kept beside the library's own books. */
struct model {
    const struct plan *p;
    roost_time began;
    roost_nursery *outer;
    roost_scope *scope; /* the nursery's, while it is open */
    enum cause cause;
    bool outside, foreign, cut_outside, cut_deadline;
    int verdict, ends;
    char order[KIDS + 2]; /* who ended, in time */
};

struct outcome {
    int closed, left, then, ms;
    bool caught;
    char order[KIDS + 2];
};

static uint64_t dice = 1;

static int roll(int n)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (int)(dice % (uint64_t)n);
}

static int pick(const int *from, int n)
{
    return from[roll(n)];
}

static struct plan make_plan(void)
{
    static const int results[] = { 0, 0, 0, 3, -EIO, -EPERM, -ECANCELED };
    static const int cuts[] = { 0, 0, 0, 0, 1, -EBADF, -ENOENT };
    struct plan p = { .kids = roll(KIDS + 1) };
    int i;

    for (i = 0; i < p.kids; i++)
        p.kid[i] = (struct kid){ .ms = roll(12),
                                 .forever = roll(3) == 0,
                                 .result = pick(results, 7),
                                 .cut = pick(cuts, 7),
                                 .cleanup_ms = roll(2) ? 0 : roll(9) };
    p.body_ms = roll(2) ? 0 : roll(12);
    p.body_result = pick(results, 7);
    p.body_cut = pick(cuts, 7);
    p.hand_ms = roll(3) ? -1 : roll(10);
    p.outside_ms = roll(3) ? -1 : roll(10);
    p.deadline_ms = roll(3) ? 12 : roll(10); /* so nobody sleeps for ever */
    return p;
}

/* ---- the model ---- */

/* The deadline is at half a millisecond, where nothing else happens. */
static void model_look(struct model *m)
{
    if (!m->cause && roost_now() > m->began + ROOST_MS(m->p->deadline_ms))
        m->cause = BY_DEADLINE;
}

static void model_fail(struct model *m, int code)
{
    m->cause = m->cause ? m->cause : BY_FAILURE;
    m->verdict = m->verdict ? m->verdict : code;
}

/* Somebody ended with r: a child, or KIDS, the body. */
static void model_end(struct model *m, int who, int r)
{
    bool body = who == KIDS;

    m->order[m->ends++] = (char)('a' + who);
    model_look(m);
    if (r >= 0)
        return;
    if (r != -ECANCELED) {
        model_fail(m, r);
    } else if (m->outside) {
        m->cut_outside = true;
    } else if (m->cause == BY_DEADLINE) {
        m->cut_deadline = true;
    } else if (!m->cause && body) {
        m->foreign = true;
        m->cause = BY_FAILURE;
    } else if (!m->cause) {
        model_fail(m, -EPROTO);
    }
}

static int model_verdict(const struct model *m, int body)
{
    if (m->verdict)
        return m->verdict;
    if (m->foreign || m->cut_outside)
        return -ECANCELED;
    if (m->cut_deadline)
        return -ETIMEDOUT;
    return body == -ECANCELED ? 0 : body;
}

/* ---- the plan at work ---- */

struct part {
    struct model *m;
    int which; /* of the children */
    roost_scope *scope; /* that is outside */
};

static int run_kid(void *arg)
{
    struct part *part = arg;
    struct kid k = part->m->p->kid[part->which];
    int r = kid_body(&k);

    model_end(part->m, part->which, r);
    return r;
}

static int cancel_by_hand(void *arg)
{
    struct part *part = arg;

    if (roost_sleep(ROOST_MS(part->m->p->hand_ms)) < 0 || !part->m->scope)
        return 0;
    model_look(part->m);
    if (!part->m->cause)
        part->m->cause = BY_HAND;
    roost_scope_cancel(part->m->scope, "by hand");
    return 0;
}

static int cancel_outside(void *arg)
{
    struct part *part = arg;

    if (roost_sleep(ROOST_MS(part->m->p->outside_ms)) < 0)
        return 0;
    model_look(part->m);
    part->m->outside = true;
    roost_scope_cancel(part->scope, "outside");
    return 0;
}

static int run_body(roost_nursery *n, void *arg)
{
    struct model *m = arg;
    const struct plan *p = m->p;
    struct part part = { m, 0, NULL };
    int r;

    m->scope = roost_nursery_scope(n);
    roost_scope_set_deadline(m->scope, m->began + ROOST_MS(p->deadline_ms) +
                                           ROOST_US(500));
    for (; part.which < p->kids; part.which++)
        roost_spawn_copy(n, run_kid, &part, sizeof part);
    if (p->hand_ms >= 0)
        roost_spawn_copy(m->outer, cancel_by_hand, &part, sizeof part);
    r = p->body_ms ? roost_sleep(ROOST_MS(p->body_ms)) : 0;
    if (r < 0)
        r = p->body_cut ? p->body_cut : r;
    else
        r = p->body_result;
    model_end(m, KIDS, r);
    return r;
}

static int run_in_guard(struct model *m, int *ret_body)
{
    ROOST_NURSERY(n);
    *ret_body = run_body(n, m);
    return roost_nursery_close(n, *ret_body);
}

static int body_and_note(roost_nursery *n, void *arg)
{
    void **both = arg;

    return *(int *)both[1] = run_body(n, both[0]);
}

static int run_in_function(struct model *m, int *ret_body)
{
    void *both[] = { m, ret_body };

    return roost_nursery_run(body_and_note, both);
}

static struct outcome run_plan(const struct plan *p, bool function)
{
    struct model m = { .p = p, .began = roost_now() };
    struct outcome o = { 0 };
    struct part part = { &m, 0, NULL };
    int body = 0;

    ROOST_NURSERY(outer);
    ROOST_SCOPE(s);
    m.outer = outer;
    part.scope = s;
    if (p->outside_ms >= 0)
        roost_spawn_copy(outer, cancel_outside, &part, sizeof part);
    o.closed = function ? run_in_function(&m, &body) : run_in_guard(&m, &body);
    m.scope = NULL;
    o.caught = roost_scope_caught(NULL);
    o.ms = (int)((roost_now() - m.began) / ROOST_US(500));
    EXPECT_INT(o.closed, model_verdict(&m, body));
    EXPECT(!m.cut_deadline || o.closed != -ETIMEDOUT || o.caught);
    o.then = roost_checkpoint();
    o.left = roost_scope_leave(s, o.closed < 0 ? o.closed : o.then);
    roost_nursery_cancel(outer, "the plan is over");
    EXPECT_INT(roost_nursery_close(outer, 0), 0);
    memcpy(o.order, m.order, sizeof o.order);
    return o;
}

static int both_forms(void *arg)
{
    struct plan p;
    struct outcome a, b;
    bool in_order = *(bool *)arg;
    int i;

    for (i = 0; i < PLANS; i++) {
        p = make_plan();
        a = run_plan(&p, false);
        b = run_plan(&p, true);
        if (!in_order)
            continue; /* drawn orders differ from form to form */
        EXPECT_INT(a.closed, b.closed);
        EXPECT_INT(a.caught, b.caught);
        EXPECT_INT(a.left, b.left);
        EXPECT_INT(a.then, b.then);
        EXPECT_INT(a.ms, b.ms);
        EXPECT_INT(memcmp(a.order, b.order, sizeof a.order), 0);
    }
    return 0;
}

static void run_and_guard_give_the_verdict_of_the_rule_N2(void **state)
{
    uint64_t seed;

    (void)state;
    for (seed = 0; seed < 4; seed++) {
        roost_options o = { .clock = ROOST_CLOCK_VIRTUAL, .seed = seed };
        bool in_order = !seed;

        dice = 0x9e3779b97f4a7c15u + seed;
        assert_int_equal(kit_run_with(&o, both_forms, &in_order), 0);
    }
}

static int says_no(roost_nursery *n, void *arg)
{
    EXPECT_INT(roost_nursery_count(n), 0);
    return *(int *)arg;
}

IN_TASK(run_has_the_bodys_result_and_its_site_N2)
{
    int result = 5, no = -EIO;

    EXPECT_INT(roost_nursery_run(says_no, &result), 5);
    EXPECT_INT(roost_nursery_run(says_no, &no), -EIO);
    EXPECT_INT((roost_nursery_run)(says_no, &no), -EIO);
    EXPECT_HAS(kit_error(roost_error_of(-EIO)), "EIO");
    return 0;
}

static int meets_it(roost_nursery *n, void *arg)
{
    (void)arg;
    KID(n, .forever = true, .name = "ran");
    return roost_checkpoint();
}

IN_TASK(run_in_a_cancelled_task_calls_its_body_which_meets_it_C1)
{
    ROOST_SCOPE(s);
    roost_scope_cancel(s, "test");
    EXPECT_INT(roost_nursery_run(meets_it, NULL), -ECANCELED);
    EXPECT_LOG("ran");
    return roost_scope_leave(s, -ECANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_and_guard_give_the_verdict_of_the_rule_N2),
        cmocka_unit_test(run_has_the_bodys_result_and_its_site_N2),
        cmocka_unit_test(run_in_a_cancelled_task_calls_its_body_which_meets_it_C1),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
