/* wheel.h - the deadline structure: which timer is the earliest, and when.
 *
 * Most deadlines are taken back before they come. So adding and removing a far
 * timer costs a few stores, and only what is about to fire is sorted.
 *
 * Instants are grouped into ticks of 2^14 ns. The wheel stands at one tick, its
 * position, and keeps a timer in one of two kinds of place:
 *
 *     near     ticks <= position: a pairing heap in the order (at, seq)
 *     slots    ticks >  position: unsorted lists, 64 a level; the level is that
 *              of the highest base-64 digit in which tick and position differ,
 *              the slot is the tick's digit there
 *
 *     level          0      1       2      3      4        5  ...  8
 *     slot's width   16 us  1.0 ms  67 ms  4.3 s  4.6 min  4.9 h   146 years
 *
 * Two facts follow that the code lives by. Whatever is near comes before
 * whatever is in a slot; and the first occupied slot of the lowest occupied
 * level comes before all other slots.
 */
#ifndef ROOST_BASE_WHEEL_H
#define ROOST_BASE_WHEEL_H

#include <roost/time.h>

#define ROOST__WHEEL_LEVELS 9 /* 50 bits of tick, six a level */
#define ROOST__WHEEL_SLOTS 64
#define ROOST__WHEEL_AHEAD 8

struct roost__wheel {
    uint64_t position;         /* a tick; never goes back */
    size_t count;              /* timers in the wheel */
    struct roost__timer *near; /* the root of the heap */
    uint64_t occupied[ROOST__WHEEL_LEVELS]; /* a bit for each slot with one */
    struct roost__timer *slots[ROOST__WHEEL_LEVELS][ROOST__WHEEL_SLOTS];
    struct roost__timer *recent[ROOST__WHEEL_SLOTS][ROOST__WHEEL_AHEAD];
    uint8_t puts[ROOST__WHEEL_SLOTS]; /* into `recent`: all levels mixed */
};

/* The timer is in a wheel. A zeroed, popped or removed one is not. */
static inline bool roost__timer_armed(const struct roost__timer *t)
{
    return t->where != 0;
}

void roost__wheel_init(struct roost__wheel *w, roost_time now);

/* The caller has set `at`, which may have passed but is not ROOST_NEVER, and
 * `seq`, which differs from that of every other timer of the same instant.
 * Both stay as they are while the timer is armed. O(1). */
void roost__wheel_add(struct roost__wheel *w, struct roost__timer *t);

/* The timer is in this wheel. O(1), or O(log n) amortised when it is near. */
void roost__wheel_remove(struct roost__wheel *w, struct roost__timer *t);

/* Removes and returns the earliest timer in the order (at, seq) if its instant
 * is <= now, else returns NULL. */
struct roost__timer *roost__wheel_pop_due(struct roost__wheel *w,
                                          roost_time now);

/* When to look again: never later than the earliest timer, and exact if that
 * one is near, on level 0 or alone in its slot. Whoever sleeps until then, pops
 * what is due and asks again meets the timer within ten steps. ROOST_NEVER when
 * the wheel is empty. */
roost_time roost__wheel_next(struct roost__wheel *w);

/* Exactly the instant of the earliest timer, or ROOST_NEVER. Moves the position
 * there: meant for a clock that is about to jump to it. With a clock that stays
 * behind all is still right, but timers in between cost what the heap costs. */
roost_time roost__wheel_nearest(struct roost__wheel *w);

#endif
