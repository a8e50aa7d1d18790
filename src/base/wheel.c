/* wheel.c - timers in exact order, cheap to add and to take back.
 *
 * Owns:     next, link, child and where of every timer that is in a wheel.
 * Promises: timers leave in the order (at, seq), in whatever order they came
 *           and however late the caller is, so that a run can be replayed.
 * Never:    allocates, recurses, reads a clock.
 *
 * The wheel is Varghese and Lauck's, with the level chosen as in William
 * Ahern's timeout.c and in tokio. What differs: a slot whose turn has come is
 * spread over lower levels or the heap, never fired whole.
 *
 * A position that moves without reaching the first occupied slot changes no
 * timer's highest differing digit: no timer moves, and the move is one store.
 */
#include "base/wheel.h"

#include "base/misuse.h"

enum { TICK_BITS = 14, DIGIT_BITS = 6 };
enum { UNARMED, NEAR, SLOTS }; /* `where`; SLOTS + n is level n */

#define SIGN_BIT (UINT64_C(1) << 63)

/* Without its sign bit flipped a negative instant would be the latest. */
static uint64_t tick_of(roost_time at)
{
    return ((uint64_t)at ^ SIGN_BIT) >> TICK_BITS;
}

/* A slot's timers and a heap node's children are lists, `link` being what points
 * at the timer: the head or the `next` of the one before. */
static void list_push(struct roost__timer **head, struct roost__timer *t)
{
    t->next = *head;
    if (t->next != NULL)
        t->next->link = &t->next;
    t->link = head;
    *head = t;
}

/* Leaves the winner's own links as they are: callers meld nodes out of lists
 * that they are taking apart. */
static struct roost__timer *heap_meld(struct roost__timer *a,
                                      struct roost__timer *b)
{
    struct roost__timer *top = a, *sub = b;

    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    if (a->at != b->at ? a->at > b->at : a->seq > b->seq) {
        top = b;
        sub = a;
    }
    list_push(&top->child, sub);
    return top;
}

/* Melds siblings in pairs from left to right, then the pairs from right to
 * left; one pass alone could cost O(n) every time. */
static struct roost__timer *heap_meld_siblings(struct roost__timer *first)
{
    struct roost__timer *pairs = NULL, *heap = NULL, *pair;

    while ((pair = first) != NULL) {
        struct roost__timer *second = first->next;
        first = second != NULL ? second->next : NULL;
        pair = heap_meld(pair, second);
        pair->next = pairs;
        pairs = pair;
    }
    while ((pair = pairs) != NULL) {
        pairs = pair->next;
        heap = heap_meld(heap, pair);
    }
    return heap;
}

static void near_meld(struct roost__wheel *w, struct roost__timer *heap)
{
    heap = heap_meld(w->near, heap);
    w->near = NULL;
    if (heap != NULL)
        list_push(&w->near, heap);
}

/* `where` remembers the level, for the position by which it was chosen may be
 * gone. The tick's digit there is still the slot. */
static unsigned level_of(const struct roost__timer *t)
{
    return (unsigned)t->where - SLOTS;
}

static unsigned slot_of(const struct roost__timer *t)
{
    return tick_of(t->at) >> level_of(t) * DIGIT_BITS & 63;
}

/* Some timer of the first occupied slot, NULL if there is none. */
static struct roost__timer *slot_first(const struct roost__wheel *w)
{
    for (int level = 0; level < ROOST__WHEEL_LEVELS; level++)
        if (w->occupied[level] != 0)
            return w->slots[level][__builtin_ctzll(w->occupied[level])];
    return NULL;
}

/* The tick at which the slot of `t` begins. */
static uint64_t slot_start(const struct roost__timer *t)
{
    unsigned shift = level_of(t) * DIGIT_BITS;

    return tick_of(t->at) >> shift << shift;
}

static void slot_empty(struct roost__wheel *w, const struct roost__timer *t)
{
    w->slots[level_of(t)][slot_of(t)] = NULL;
    w->occupied[level_of(t)] &= ~(UINT64_C(1) << slot_of(t));
}

/* In a slot `child` is a hint what to fetch early when the slot is opened: the
 * timer eight places on, if levels do not mix and none has gone. Never read. */
static void wheel_place(struct roost__wheel *w, struct roost__timer *t)
{
    uint64_t differ = tick_of(t->at) ^ w->position;
    struct roost__timer **oldest;

    t->where = NEAR;
    if (tick_of(t->at) <= w->position) {
        t->child = NULL;
        near_meld(w, t);
        return;
    }
    t->where = (uint8_t)(SLOTS + (63 - __builtin_clzll(differ)) / DIGIT_BITS);
    list_push(&w->slots[level_of(t)][slot_of(t)], t);
    oldest = &w->recent[slot_of(t)][w->puts[slot_of(t)]++ % ROOST__WHEEL_AHEAD];
    t->child = *oldest;
    *oldest = t;
    w->occupied[level_of(t)] |= UINT64_C(1) << slot_of(t);
}

/* Opens the first occupied slot if it begins at `limit` or before: moves the
 * position to the slot's earliest tick, or to `limit` if that comes first, and
 * places its timers anew. By the earliest tick, not the slot's start, a lone
 * timer comes down all levels at once. Afterwards the earliest timer is near,
 * or all timers lie beyond `limit`. */
static void wheel_open_slot(struct roost__wheel *w, uint64_t limit)
{
    struct roost__timer *list = slot_first(w), *t;
    uint64_t start, earliest = limit;

    if (list == NULL || (start = slot_start(list)) > limit)
        return;
    ROOST_ASSERT(start > w->position);
    for (t = list; t != NULL && earliest > start; t = t->next) {
        __builtin_prefetch(t->child, 1);
        earliest = tick_of(t->at) < earliest ? tick_of(t->at) : earliest;
    }
    w->position = earliest;
    slot_empty(w, list);
    while ((t = list) != NULL) {
        list = t->next;
        __builtin_prefetch(t->child, 1);
        wheel_place(w, t);
    }
}

void roost__wheel_init(struct roost__wheel *w, roost_time now)
{
    *w = (struct roost__wheel){ .position = tick_of(now) };
}

void roost__wheel_add(struct roost__wheel *w, struct roost__timer *t)
{
    ROOST_ASSERT(!roost__timer_armed(t) && t->at != ROOST_NEVER);
    wheel_place(w, t);
    w->count++;
}

void roost__wheel_remove(struct roost__wheel *w, struct roost__timer *t)
{
    ROOST_ASSERT(roost__timer_armed(t) && w->count > 0);
    *t->link = t->next;
    if (t->next != NULL)
        t->next->link = t->link;
    if (t->where == NEAR)
        near_meld(w, heap_meld_siblings(t->child));
    else if (w->slots[level_of(t)][slot_of(t)] == NULL)
        slot_empty(w, t);
    t->where = UNARMED;
    w->count--;
}

/* Opens no slot while a timer is near: also after a long sleep the heap holds
 * one tick's worth of timers at a time. */
struct roost__timer *roost__wheel_pop_due(struct roost__wheel *w,
                                          roost_time now)
{
    struct roost__timer *t;

    if (w->near == NULL && w->count > 0)
        wheel_open_slot(w, tick_of(now));
    t = w->near;
    if (t == NULL && tick_of(now) > w->position)
        w->position = tick_of(now);
    if (t == NULL || t->at > now)
        return NULL;
    roost__wheel_remove(w, t);
    return t;
}

/* A timer alone in its slot is told exactly: an idle program often has just
 * one, and should sleep through to it, not wake once a level. */
roost_time roost__wheel_next(struct roost__wheel *w)
{
    struct roost__timer *t;

    if (w->count == 0)
        return ROOST_NEVER;
    t = w->near != NULL ? w->near : slot_first(w);
    if (t->where <= SLOTS)
        return roost__wheel_nearest(w);
    if (t->next == NULL)
        return t->at;
    return (roost_time)(slot_start(t) << TICK_BITS ^ SIGN_BIT);
}

roost_time roost__wheel_nearest(struct roost__wheel *w)
{
    if (w->near == NULL)
        wheel_open_slot(w, UINT64_MAX);
    return w->near != NULL ? w->near->at : ROOST_NEVER;
}
