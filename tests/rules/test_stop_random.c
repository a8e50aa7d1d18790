/* test_stop_random.c - random families of tasks that stop, hurry and cancel each
 * other: a stop of the run bounds them all, and the same seed does the same (X5,
 * D5).
 */
#include "kit/kit.h"

#include <string.h>

#include <roost/daemon.h>

#define TASKS_MAX 60
#define SCOPES_MAX 64

static struct {
    uint64_t state;
    int tasks, alive;
    roost_scope *open[SCOPES_MAX]; /* of whomever */
    unsigned open_count;
} w;

static unsigned draw(unsigned n)
{
    w.state = w.state * UINT64_C(6364136223846793005) +
              UINT64_C(1442695040888963407);
    return (unsigned)(w.state >> 33) % n;
}

static roost_time some_ms(unsigned most)
{
    return ROOST_MS((int)draw(most));
}

static void remember(roost_scope *s)
{
    if (w.open_count < SCOPES_MAX)
        w.open[w.open_count++] = s;
}

static void forget(roost_scope *s)
{
    unsigned i;

    for (i = 0; i < w.open_count; i++)
        if (w.open[i] == s)
            w.open[i] = w.open[--w.open_count];
}

static int waits(void)
{
    roost_event never = { 0 };

    switch (draw(8)) {
    case 0:
        return ROOST_IDLE(roost_sleep(some_ms(3000)));
    case 1:
        return ROOST_IDLE(roost_sleep(ROOST_SEC(100000)));
    case 2:
        return roost_sleep(some_ms(2000));
    case 3:
        return ROOST_IDLE(roost_event_wait(&never));
    case 4:
        return ROOST_SHIELDED(draw(2) ? ROOST_NEVER : some_ms(3000),
                              roost_sleep(some_ms(5000)));
    case 5:
        return ROOST_WITHIN(some_ms(500), roost_sleep(some_ms(1000)));
    case 6:
        return ROOST_IDLE(roost_checkpoint());
    default:
        return roost_checkpoint();
    }
}

static int waits_at_last(void *arg)
{
    (void)arg;
    return waits();
}

/* Some scope that is open, by one of the ways that there are. */
static void meddles(void)
{
    roost_stop_budget b = { .quiet = true };
    roost_scope *s;

    if (!w.open_count)
        return;
    s = w.open[draw(w.open_count)];
    b.soft = some_ms(3) * 700;
    b.hard = some_ms(3) * 700;
    b.pierce = some_ms(3) * 700;
    EXPECT_INT(roost_stop(s, &b), 0);
    if (draw(4) == 0)
        EXPECT_INT(roost_stop_escalate(s), 0);
    if (draw(9) == 0)
        roost_scope_cancel(s, "a random test");
}

static int lives(void *arg);
static int starts(void *arg);

static void has_child(roost_nursery *n, void *depth)
{
    const roost_spawn_options service = { .service = true };

    switch (draw(5)) {
    case 0:
        EXPECT_INT(roost_spawn_with(n, lives, depth, &service), 0);
        break;
    case 1:
        roost_ignore(roost_start(n, starts, depth));
        break;
    case 2:
        roost_ignore(roost_start_with(n, starts, depth, &service));
        break;
    default:
        EXPECT_INT(roost_spawn(n, lives, depth), 0);
    }
}

static int family(int depth)
{
    int inner = depth + 1, r = 0;
    unsigned i, count = draw(4);
    roost_nursery n;

    roost_nursery_open(&n);
    remember(&n.scope);
    for (i = 0; i < count && w.tasks < TASKS_MAX; i++) {
        has_child(&n, &inner);
        if (draw(3) == 0)
            meddles();
        if (draw(2))
            r = waits();
    }
    if (r != -ECANCELED || !roost_cancelled())
        r = 0;
    r = roost_nursery_close(&n, r);
    forget(&n.scope);
    return r;
}

static int family_in_scope(int depth)
{
    roost_scope s;
    int r;

    if (draw(3) == 0)
        roost_shield_enter(&s, draw(2) ? ROOST_NEVER : some_ms(2000));
    else
        roost_scope_enter(&s, ROOST_NEVER);
    remember(&s);
    r = family(depth);
    forget(&s);
    return roost_scope_leave(&s, r);
}

static int lives(void *arg)
{
    int depth = *(const int *)arg, i, r = 0;

    w.tasks++;
    w.alive++;
    if (draw(6) == 0)
        EXPECT_INT(roost_defer(waits_at_last, NULL), 0);
    for (i = 0; i < 3 && r != -ESHUTDOWN; i++) {
        r = draw(3) == 0 && depth < 4 ? family_in_scope(depth) : waits();
        if (draw(5) == 0)
            meddles();
    }
    w.alive--;
    return r == -ESHUTDOWN ? r : 0;
}

static int starts(void *arg)
{
    if (draw(2))
        roost_ignore(waits());
    roost_started(1);
    return lives(arg);
}

/* From the stop of the run on, all are gone in the time that it has. */
static int body(void *arg)
{
    const roost_stop_budget b = { .soft = ROOST_SEC(1), .hard = ROOST_SEC(1),
                                  .pierce = ROOST_SEC(1), .quiet = true };
    roost_time began;
    roost_nursery n;
    int depth = 0;

    (void)arg;
    roost_nursery_open(&n);
    has_child(&n, &depth);
    has_child(&n, &depth);
    roost_ignore(roost_sleep(ROOST_SEC(1)));
    began = roost_now();
    EXPECT_INT(roost_stop(NULL, &b), 0);
    roost_ignore(roost_nursery_close(&n, 0));
    EXPECT_INT(w.alive, 0);
    EXPECT(roost_now() - began <= ROOST_SEC(2));
    return 0;
}

static void any_family_ends_within_its_stop_X5_D5(void **state)
{
    uint64_t seed, trace[2];
    int i, r;

    (void)state;
    kit_stderr_begin(); /* escalations report */
    for (seed = 1; seed <= 300; seed++) {
        for (i = 0; i < 2; i++) {
            memset(&w, 0, sizeof w);
            w.state = seed * 77777;
            r = kit_run_with(&(roost_options){
                .clock = ROOST_CLOCK_VIRTUAL, .seed = seed % 3 ? seed : 0,
                .ret_trace = &trace[i] }, body, NULL);
            assert_true(r == 0 || r == -EDEADLK);
        }
        assert_true(trace[0] == trace[1]);
    }
    kit_stderr_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_family_ends_within_its_stop_X5_D5),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
