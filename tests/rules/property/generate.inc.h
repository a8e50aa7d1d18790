/* generate.inc.h - makes a random program from a seed.
 *
 * Times are few and small, so that instants collide. Each program leaves out
 * some kinds of steps, and some are crowded: most nurseries have a limit. What
 * would be misuse, or wait for ever, is taken out again at the end.
 */
#ifndef ROOST_TESTS_GENERATE_INC_H
#define ROOST_TESTS_GENERATE_INC_H

#include "rules/property/program.inc.h"

static uint64_t random_64(struct program *p)
{
    uint64_t z = p->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static int random_to(struct program *p, int below)
{
    return (int)(random_64(p) % (uint64_t)below);
}

static bool one_in(struct program *p, int n)
{
    return random_to(p, n) == 0;
}

static int pick_from(struct program *p, const int *list, int count)
{
    return list[random_to(p, count)];
}
#define PICK(p, ...) \
    pick_from((p), (const int[]){ __VA_ARGS__ }, \
              (int)(sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int)))

static int add_step(struct program *p, int parent, enum op op)
{
    int i = p->steps++, *link;
    struct step *x = &p->step[i];

    memset(x, 0, sizeof *x);
    x->op = op;
    x->parent = parent;
    x->first = x->next = x->target = x->child = NOBODY;
    if (parent == NOBODY)
        return i;
    x->task = makes_task(p->step[parent].op) ? p->step[parent].child
                                             : p->step[parent].task;
    for (link = &p->step[parent].first; *link != NOBODY;)
        link = &p->step[*link].next;
    *link = i;
    return i;
}

static int step_before(const struct program *p, int i)
{
    int before = p->step[p->step[i].parent].first;

    if (before == i)
        return NOBODY;
    while (p->step[before].next != i)
        before = p->step[before].next;
    return before;
}

/* A nursery that exists already: often the innermost around the step, the one
 * that the running task lives in, or that it waited for room in. */
static int choose_nursery(struct program *p, int from)
{
    int found[STEPS_MAX], count = 0, before = step_before(p, from);

    if (before != NOBODY && p->step[before].op == OP_ROOM && !one_in(p, 4))
        return p->step[before].target;
    for (int i = p->step[from].parent; i != NOBODY; i = p->step[i].parent) {
        if (p->step[i].op == OP_NURSERY && !one_in(p, 4))
            return i;
        if (makes_task(p->step[i].op) && !one_in(p, 3))
            return p->step[i].target;
    }
    for (int i = 1; i < p->steps; i++)
        if (p->step[i].op == OP_NURSERY)
            found[count++] = i;
    return pick_from(p, found, count);
}

/* One with a limit, if there is. */
static int choose_full_nursery(struct program *p, int from)
{
    int found[STEPS_MAX], count = 0;

    for (int i = 1; i < p->steps; i++)
        if (p->step[i].op == OP_NURSERY && p->step[i].room)
            found[count++] = i;
    return count ? pick_from(p, found, count) : choose_nursery(p, from);
}

static enum op choose_simple(struct program *p)
{
    static const struct {
        uint8_t op, weight; /* in 75 */
    } simple[] = {
        { OP_SLEEP, 14 }, { OP_CHECKPOINT, 7 }, { OP_WAIT, 5 }, { OP_JOIN, 1 },
        { OP_SET, 4 }, { OP_SEND, 3 }, { OP_RECV, 3 }, { OP_SHUT, 1 },
        { OP_STARTED, 3 }, { OP_CHILD_END, 4 }, { OP_CANCEL, 8 },
        { OP_MOVE, 4 }, { OP_LOOK, 4 }, { OP_DEADLINE, 2 },
        { OP_TIME_LEFT, 1 }, { OP_RETURN, 6 }, { OP_ROOM, 5 },
    };
    size_t i;
    int dice;

    do {
        dice = random_to(p, 75);
        for (i = 0; (dice -= simple[i].weight) >= 0;)
            i++;
    } while (p->rare & 1u << simple[i].op && !one_in(p, 8));
    return simple[i].op;
}

/* Deeper bodies have fewer bodies in them. */
static enum op choose_step(struct program *p, int depth, enum op before)
{
    if (before == OP_ROOM && p->tasks < TASKS_MAX && one_in(p, 2))
        return OP_SPAWN;
    if (p->crowded && one_in(p, 8))
        return OP_ROOM;
    if (random_to(p, 7) < depth)
        return choose_simple(p);
    switch (random_to(p, 11)) {
    case 0: case 1: return OP_SCOPE;
    case 2: return OP_SHIELD;
    case 3: case 4: return OP_NURSERY;
    case 5: case 6: case 7: return p->tasks < TASKS_MAX ? OP_SPAWN : OP_SLEEP;
    case 8: return p->tasks < TASKS_MAX ? OP_START : OP_SLEEP;
    default: return choose_simple(p);
    }
}

static int choose_code(struct program *p)
{
    return PICK(p, -EIO, -EIO, -ENOENT, -ETIMEDOUT, -ECANCELED, -EPIPE, 0, 7);
}

static void make_options(struct program *p, struct step *x)
{
    if (x->form == BY_FORM) {
        x->ms = NEVER_MS;
        return;
    }
    x->isolate = one_in(p, 6);
    x->room = one_in(p, p->crowded ? 1 : 6) ? 1 + random_to(p, 3) : 0;
    x->shed = one_in(p, 2);
}

static void make_body(struct program *p, int parent, int depth);

static void make_step(struct program *p, int parent, int depth)
{
    int i = add_step(p, parent, OP_SLEEP), before = step_before(p, i);
    struct step *x = &p->step[i];

    x->op = choose_step(p, depth,
                        before == NOBODY ? OP_SLEEP : p->step[before].op);
    x->on_error = one_in(p, 3) ? IGNORE : one_in(p, 8) ? TURN : KEEP;
    x->value = x->op == OP_RETURN || x->on_error == TURN ? choose_code(p)
               : one_in(p, 5)                            ? random_to(p, 9)
                                                         : 0;
    x->ms = PICK(p, 0, 1, 1, 2, 2, 3, 3, 4, 5, 8);
    x->form = one_in(p, 3) ? BY_GUARD : one_in(p, 5) ? BY_FORM : BY_CALL;
    if (x->op == OP_WAIT || x->op == OP_JOIN || x->op == OP_SET)
        x->target = random_to(p, EVENTS);
    if (x->op == OP_NURSERY ? !one_in(p, 4) : is_scope(x->op) && one_in(p, 3))
        x->ms = NEVER_MS;
    if (x->op == OP_STARTED) {
        x->on_error = KEEP;
        x->value = random_to(p, 9);
    }
    if (x->op == OP_MOVE && one_in(p, 4))
        x->ms = PICK(p, NEVER_MS, -1);
    if (x->op == OP_NURSERY)
        make_options(p, x);
    if (x->op == OP_ROOM)
        x->target = choose_full_nursery(p, i);
    if (makes_task(x->op)) {
        x->target = choose_nursery(p, i);
        x->service = one_in(p, 4);
        x->child = p->tasks;
        p->task_step[p->tasks++] = i;
    }
    if (has_body(x->op))
        make_body(p, i, depth + 1);
}

static void make_body(struct program *p, int parent, int depth)
{
    int count = depth == 1 ? 3 + random_to(p, 5) : random_to(p, 6);

    if (count == 0 && !one_in(p, 4))
        count = 1;
    while (count-- > 0 && p->steps < STEPS_MAX)
        make_step(p, parent, depth);
}

/* A started twice is misuse: a task keeps its first, main has none. */
static void keep_one_started(struct program *p)
{
    bool seen[TASKS_MAX] = { true };

    for (int i = 0; i < p->steps; i++)
        if (p->step[i].op == OP_STARTED) {
            if (seen[p->step[i].task])
                p->step[i].op = OP_CHECKPOINT;
            seen[p->step[i].task] = true;
        }
}

/* Can a cancellation of step 1 be kept from step i for ever? Looks up through
 * what is around it, and around who made the task. */
static bool sheltered(const struct program *p, int i)
{
    for (; i > 1; i = p->step[i].parent)
        if ((p->step[i].op == OP_SHIELD && p->step[i].ms == NEVER_MS) ||
            p->step[i].service ||
            (makes_task(p->step[i].op) && sheltered(p, p->step[i].target)))
            return true;
    return false;
}

/* Who waits for room may wait for one who waits for him: until step 1 is
 * cancelled. So he must be within its reach. */
static void keep_reachable_rooms(struct program *p)
{
    for (int i = FIXED; i < p->steps; i++)
        if (p->step[i].op == OP_ROOM && sheltered(p, i)) {
            p->step[i].op = OP_CHECKPOINT;
            p->step[i].target = NOBODY;
        }
}

static void aim(struct program *p, struct step *x)
{
    int found[STEPS_MAX], count = 0, op = (int)x->op;

    for (int i = FIXED; i < p->steps; i++) {
        const struct step *y = &p->step[i];

        if (op == OP_CHILD_END ? makes_task(y->op) && y->child > x->task
                               : is_scope(y->op) &&
                                     (op != OP_MOVE || y->op != OP_SHIELD))
            found[count++] = i;
    }
    if (count == 0) {
        x->op = OP_CHECKPOINT;
        return;
    }
    x->target = pick_from(p, found, count);
    if (op == OP_CHILD_END)
        p->step[x->target].handle = true;
}

/* Step 0 is main, 1 the nursery around all, 2 the service that ends waits. */
static void make_program(struct program *p, uint64_t seed)
{
    int end, i;

    memset(p, 0, sizeof *p);
    p->seed = p->random = seed;
    p->probe = one_in(p, 2);
    p->crowded = one_in(p, 5);
    p->rare = (unsigned)(random_64(p) & random_64(p));
    p->capacity = random_to(p, 3);
    p->tasks = 2;
    p->task_step[1] = 2;
    add_step(p, NOBODY, OP_MAIN);
    add_step(p, 0, OP_NURSERY);
    p->step[1].ms = NEVER_MS;
    end = add_step(p, 1, OP_SPAWN);
    p->step[end].target = p->step[end].child = 1;
    p->step[end].service = true;
    i = add_step(p, end, OP_SLEEP);
    p->step[i].ms = END_MS;
    p->step[i].on_error = IGNORE;
    for (int e = 0; e < EVENTS; e++)
        p->step[add_step(p, end, OP_SET)].target = e;
    add_step(p, end, OP_SHUT);
    p->step[add_step(p, end, OP_CANCEL)].target = 1;
    make_body(p, 1, 1);
    keep_one_started(p);
    keep_reachable_rooms(p);
    for (i = FIXED; i < p->steps; i++)
        if (p->step[i].op == OP_CHILD_END || p->step[i].op == OP_CANCEL ||
            p->step[i].op == OP_MOVE || p->step[i].op == OP_LOOK)
            aim(p, &p->step[i]);
}

#endif
