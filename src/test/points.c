/* points.c - the places of a run where something can be injected.
 *
 * Promises: a run may be as long as it likes; only the places in its code count.
 * Never:    allocates.
 */
#include "test/points.h"

#include <stddef.h>

static void keep(struct roost__points *all, const struct roost__point *p)
{
    if (all->count < ROOST__POINTS)
        all->at[all->count++] = *p;
    else
        all->lost++;
}

/* Open addressing, a quarter free; NULL: no room for one more. */
static struct roost__place_visits *find(struct roost__points *all, uint64_t key)
{
    uint64_t i = key % ROOST__PLACES;

    while (all->visits[i].count && all->visits[i].last.key != key)
        i = (i + 1) % ROOST__PLACES;
    if (!all->visits[i].count) {
        if (all->places >= ROOST__PLACES / 4 * 3)
            return NULL;
        all->places++;
    }
    return &all->visits[i];
}

static bool is_chosen(uint32_t count)
{
    return count <= 4 || ((count - 1) & (count - 2)) == 0;
}

void roost__points_visit(struct roost__points *all, const struct roost__point *p)
{
    struct roost__place_visits *v = find(all, p->key);

    if (!v) {
        all->lost++;
        return;
    }
    v->last = *p;
    if (!is_chosen(++v->count))
        return;
    keep(all, p);
    v->last.number = 0;
}

void roost__points_end(struct roost__points *all)
{
    uint32_t i;

    for (i = 0; i < ROOST__PLACES; i++)
        if (all->visits[i].last.number)
            keep(all, &all->visits[i].last);
}
