/* sweep.c - all plans for a body.
 *
 * Owns:     the list of plans.
 * Promises: the same record and options give the same list.
 * Never:    runs anything.
 */
#include "test/sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/sched.h"
#include "test/faults.h"

#define PAIRS 500
#define SEEDS 100

int roost__sweep_add(struct roost__sweep *s, const struct roost__plan *p)
{
    struct roost__plan *more;
    size_t capacity = s->capacity ? s->capacity * 2 : 256;

    if (s->count == s->capacity) {
        more = realloc(s->plans, /* lint: the kit's own list */
                       capacity * sizeof *more);
        if (!more)
            return -ENOMEM;
        s->plans = more;
        s->capacity = capacity;
    }
    s->plans[s->count++] = *p;
    return 0;
}

void roost__sweep_free(struct roost__sweep *s)
{
    free(s->plans); /* lint: the same */
    *s = (struct roost__sweep){ .plans = NULL };
}

void roost__sweep_cut(struct roost__sweep *s, size_t count)
{
    struct roost__plan p;
    size_t i, j;

    if (s->count <= count)
        return;
    for (i = 0; i < count; i++) {
        j = i + (size_t)(roost__random_next(&s->randoms) % (s->count - i));
        p = s->plans[i];
        s->plans[i] = s->plans[j];
        s->plans[j] = p;
    }
    s->count = count;
}

typedef int add_fn(struct roost__sweep *s, const struct roost__point *p,
                   unsigned skip);

static int each(struct roost__sweep *s, const struct roost__points *points,
                unsigned skip, add_fn *add)
{
    uint32_t i;
    int r = 0;

    for (i = 0; i < points->count && r >= 0; i++) {
        size_t before = s->count;

        s->points++;
        r = add(s, &points->at[i], skip);
        s->points -= s->count == before; /* nothing can go wrong there */
    }
    return r;
}

/* ---- what can go wrong ---- */

static int add_one(struct roost__sweep *s, int what, uint32_t at, int code)
{
    return roost__sweep_add(s, &(struct roost__plan){
        .in = { { .what = (uint8_t)what, .at = at, .code = code } },
        .count = 1, .point = s->points });
}

static int add_moment(struct roost__sweep *s, const struct roost__point *p,
                      unsigned skip)
{
    int r = 0;

    if (!(skip & ROOST_TORTURE_CANCEL)) {
        r = add_one(s, STRIKE_CANCEL, p->number, 0);
        if (r >= 0 && !p->main_task)
            r = add_one(s, STRIKE_CHILD, p->number, 0);
        if (r >= 0 && p->shield)
            r = add_one(s, STRIKE_PIERCE, p->number, 0);
    }
    if (r >= 0 && p->deadline && !(skip & ROOST_TORTURE_DEADLINE)) {
        r = add_one(s, STRIKE_EARLY, p->number, 0);
        if (r >= 0 && p->moment == PROBE_ENTER)
            r = add_one(s, STRIKE_LATE, p->number, 0);
    }
    return r;
}

static int add_allocation(struct roost__sweep *s, const struct roost__point *p,
                          unsigned skip)
{
    return skip & ROOST_TORTURE_ALLOCATION ? 0
                                           : add_one(s, STRIKE_ALLOC, p->number, 0);
}

static int add_call(struct roost__sweep *s, const struct roost__point *p,
                    unsigned skip)
{
    const int *code = roost__fault_errnos(p->call);
    int r = 0;

    for (; *code && r >= 0 && !(skip & ROOST_TORTURE_CALL); code++)
        r = add_one(s, STRIKE_CALL, p->number, *code);
    if (r >= 0 && roost__fault_shortens(p->call) &&
        !(skip & ROOST_TORTURE_SHORT))
        r = add_one(s, STRIKE_SHORT, p->number, 0);
    return r;
}

static bool shortens(const struct roost__record *r)
{
    uint32_t i;

    for (i = 0; i < r->call.count; i++)
        if (roost__fault_shortens(r->call.at[i].call))
            return true;
    return false;
}

static int add_seeds(struct roost__sweep *s, const roost_torture_options *o)
{
    int i, count = o->seeds ? o->seeds : SEEDS, r = 0;

    for (i = 0; i < count && r >= 0; i++)
        r = roost__sweep_add(s, &(struct roost__plan){
            .seed = roost__random_next(&s->randoms) % UINT32_MAX + 1 });
    return r;
}

/* Two of what was made so far, or one and an order. */
static int add_pairs(struct roost__sweep *s, size_t singles,
                     const roost_torture_options *o)
{
    int i, count = o->pairs ? o->pairs : PAIRS, r = 0;
    struct roost__plan p;
    uint64_t a, b;

    for (i = 0; i < count && r >= 0 && singles > 1; i++) {
        a = roost__random_next(&s->randoms) % singles;
        b = (a + 1 + roost__random_next(&s->randoms) % (singles - 1)) % singles;
        p = s->plans[a];
        p.point = 0;
        if (i % 2 == 0 || o->skip & ROOST_TORTURE_ORDER)
            p.in[p.count++] = s->plans[b].in[0];
        else
            p.seed = roost__random_next(&s->randoms) % UINT32_MAX + 1;
        r = roost__sweep_add(s, &p);
    }
    return r;
}

int roost__sweep_make(struct roost__sweep *s, const struct roost__record *r,
                      const roost_torture_options *o)
{
    size_t singles;
    int e;

    *s = (struct roost__sweep){ .randoms = o->seed };
    e = each(s, &r->moment, o->skip, add_moment);
    if (e >= 0)
        e = each(s, &r->allocation, o->skip, add_allocation);
    if (e >= 0)
        e = each(s, &r->call, o->skip, add_call);
    if (e >= 0 && shortens(r) && !(o->skip & ROOST_TORTURE_SHORT))
        e = roost__sweep_add(s, &(struct roost__plan){
            .in = { { .what = STRIKE_ALL_SHORT } }, .count = 1 });
    singles = s->count;
    if (e >= 0 && !(o->skip & ROOST_TORTURE_ORDER))
        e = add_seeds(s, o);
    if (e >= 0 && !(o->skip & ROOST_TORTURE_PAIRS))
        e = add_pairs(s, singles, o);
    return e;
}
