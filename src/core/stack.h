/* stack.h - one runtime's pool of stacks.
 *
 * Owns:     the memory of all stacks, their guards, the lists of free ones.
 * Promises: a warm get or put is a handful of instructions and no system call;
 *           a stack that was never used, or was trimmed, holds no page.
 * Never:    is used by two threads; knows what a task is.
 *
 * A slot, low addresses to the left:
 *
 *     | guard, 16 KiB | usable: calls grow this way <--- [task] [roost__stack] |
 *                     ^ lo                                                     ^
 *                     |<------------------------ bytes ----------------------->|
 *
 * The task control block goes right below the struct, so that an idle task with
 * a shallow stack is one page.
 *
 * State:    unused --get--> out --put--> hot --trim--> cold --get--> out
 *                                  hot --get--> out
 */
#ifndef ROOST_CORE_STACK_H
#define ROOST_CORE_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ROOST__ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(ROOST__ASAN)
#define ROOST__ASAN 1
#endif
#ifdef ROOST__ASAN
#include <sanitizer/asan_interface.h>
#endif

#define ROOST__STACK_CLASSES 6
#define ROOST__STACK_CANARY UINT64_C(0x726f6f7374656767)
#define ROOST__STACK_CANARY_WORDS 8

struct roost__chunk;

struct roost__stack {
    _Alignas(16) struct roost__stack *next;     /* hot list */
    char *lo;                   /* lowest usable byte */
    size_t bytes;               /* from lo up to and including this struct */
    struct roost__chunk *chunk; /* that it was cut from */
    uint8_t class_index;
    bool guarded;               /* else there is a canary at lo */
    bool used;                  /* out at least once since the last trim */
};

struct roost__stacks {
    struct roost__stack *hot[ROOST__STACK_CLASSES];     /* last in, first out */
    size_t out;                 /* stacks that were got and not yet put */
    bool worn;                  /* something was put since the last trim */
    bool guards_demanded;       /* fail rather than go without */
    bool batches;               /* process_madvise() works on ourselves */
    int guard_best;             /* the kind of guard to try first; 0: none */
    long maps_max;              /* vm.max_map_count; 0: not read yet */
    struct roost__chunk *open[ROOST__STACK_CLASSES];    /* with a slot left */
    struct roost__chunk *chunks;                        /* all of them */
};

/* The class of the smallest stack of at least `bytes` usable bytes (0: 256 KiB,
 * the default), or -EINVAL above the largest, 48 MiB. */
int roost__stack_class(size_t bytes);

/* 0, or -EINVAL and a sentence on stderr when ROOST_TEST_GUARD has a strange
 * value. Maps nothing yet. */
int roost__stacks_init(struct roost__stacks *p, bool guards_demanded);

/* Unmaps everything, also what is still out. */
void roost__stacks_done(struct roost__stacks *p);

/* Gives the memory of long-unused stacks back, and the deep pages of those that
 * stay warm. At most 1024 stacks of a class in one call: true when more is
 * left. A stack that it emptied costs page faults to use again, so call it when
 * there is nothing to run, and not a thousand times a second. */
bool roost__stacks_trim(struct roost__stacks *p);

/* Bytes from the deepest page ever touched (since it was last trimmed) to the
 * top. Async-signal-safe. */
size_t roost__stack_high_water(const struct roost__stack *s);

/* The stack whose guard holds addr, or NULL. Async-signal-safe. */
struct roost__stack *roost__stack_of_guard(const struct roost__stacks *p,
                                           const void *addr);

/* The slow half of roost__stack_get. */
struct roost__stack *roost__stack_get_cold(struct roost__stacks *p,
                                           int class_index);

/* Poison outlives the mapping, so it is lifted when a stack is handed out. */
static inline void roost__stack_unpoison(struct roost__stack *s)
{
#ifdef ROOST__ASAN
    __asan_unpoison_memory_region(s->lo, (size_t)((char *)s - s->lo));
#else
    (void)s;
#endif
}

/* A stack, or NULL: out of memory, or guards are demanded and not to be had. */
static inline struct roost__stack *roost__stack_get(struct roost__stacks *p,
                                                    int class_index)
{
    struct roost__stack *s = p->hot[class_index];

    if (__builtin_expect(!s, 0))
        return roost__stack_get_cold(p, class_index);
    p->hot[class_index] = s->next;
    p->out++;
    roost__stack_unpoison(s);
    return s;
}

/* Takes it back. To be called on another stack than s. */
static inline void roost__stack_put(struct roost__stacks *p,
                                    struct roost__stack *s)
{
    s->used = true;
    s->next = p->hot[s->class_index];
    p->hot[s->class_index] = s;
    p->out--;
    p->worn = true;
#ifdef ROOST__ASAN
    __asan_poison_memory_region(s->lo, (size_t)((char *)s - s->lo));
#endif
}

/* False when a stack without a guard has been overrun. An overflow arrives from
 * above, so the highest word of the canary is the one to look at. */
static inline bool roost__stack_canary_ok(const struct roost__stack *s)
{
    return s->guarded || ((const uint64_t *)(const void *)s->lo)
                             [ROOST__STACK_CANARY_WORDS - 1] ==
                             ROOST__STACK_CANARY;
}

#endif
