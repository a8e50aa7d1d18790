/* stack.h - one runtime's pool of stacks.
 *
 * Owns:     the memory of all stacks, their guards, the lists of free ones.
 * Promises: a warm get or put is a handful of instructions and no system call;
 *           a stack that was never used, or was trimmed, holds no page.
 * Never:    is used by two threads; knows what a task is.
 *
 * A slot, low addresses to the left:
 *
 *     | guard, 16 KiB | usable: calls grow this way <-- [task] [roost__stack] |
 *                     ^ lo                                                    ^
 *                     |<----------------------- bytes ----------------------->|
 *
 * State:    cold --get--> out --put--> hot --get--> out, or --trim--> cold
 */
#ifndef ROOST_CORE_STACK_H
#define ROOST_CORE_STACK_H

#include <roost/time.h>

#if defined(__SANITIZE_ADDRESS__)
#define ROOST__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ROOST__ASAN 1
#endif
#endif
#ifdef ROOST__ASAN
#include <sanitizer/asan_interface.h>
#define ROOST__IF_ASAN(...) __VA_ARGS__
#else
#define ROOST__IF_ASAN(...)
#endif

#define ROOST__STACK_CLASSES 6
#define ROOST__STACK_CANARY UINT64_C(0x726f6f7374656767)
#define ROOST__CANARY_WORDS 8 /* more than a frame leaves untouched in a row */

struct roost__stack {
    _Alignas(64) struct roost__stack *next;     /* hot list */
    char *lo;                   /* lowest usable byte */
    size_t bytes;               /* from lo up to and including this struct */
    struct roost__chunk *chunk; /* that it was cut from */
    uint8_t class_index;
    bool guarded;               /* else there is a canary at lo */
    bool used;                  /* was out since the last trim */
};

struct roost__stacks {
    struct roost__stack *hot[ROOST__STACK_CLASSES];     /* last in, first out */
    struct roost__chunk *open[ROOST__STACK_CLASSES];    /* with a cold slot */
    struct roost__chunk *chunks;                        /* all of them */
    size_t out;                 /* stacks that were got and not yet put */
    roost_time trim_at;         /* not before this instant */
    long maps_max;              /* vm.max_map_count; 0: not read yet */
    int guard;                  /* the best kind that works, as far as known */
    bool guards_demanded;       /* fail rather than go without */
};

/* The class of the smallest stack of at least `bytes` usable bytes (0: 256 KiB,
 * the default), or -EINVAL above the largest, 48 MiB. */
int roost__stack_class(size_t bytes);

/* `demanded`: guards are. 0, or -EINVAL and a sentence on stderr when
 * ROOST_TEST_GUARD has a strange value. Maps nothing yet. */
int roost__stacks_init(struct roost__stacks *p, bool demanded);

/* Unmaps everything, also what is still out. */
void roost__stacks_done(struct roost__stacks *p);

/* Gives the memory of free stacks back, but for the tops of each class's 64
 * warmest. To be called when there is nothing to run, as often as you like: it
 * works once a second, since an emptied stack costs page faults to use again,
 * and not for longer than 1024 stacks take. Returns after how long it wants to
 * be called again if nothing else happens, or ROOST_NEVER. */
roost_time roost__stacks_trim(struct roost__stacks *p, roost_time now);

/* The stack whose guard holds addr, or NULL. Async-signal-safe. */
struct roost__stack *roost__stack_of_guard(const struct roost__stacks *p,
                                           const void *addr);

/* The slow half of roost__stack_get. */
struct roost__stack *roost__stack_get_cold(struct roost__stacks *p,
                                           int class_index);

/* A stack, or NULL: out of memory, or guards are demanded and not to be had. */
static inline struct roost__stack *roost__stack_get(struct roost__stacks *p,
                                                    int class_index)
{
    struct roost__stack *s = p->hot[class_index];

    if (__builtin_expect(!s, 0))
        return roost__stack_get_cold(p, class_index);
    p->hot[class_index] = s->next;
    p->out++;
    ROOST__IF_ASAN(__asan_unpoison_memory_region(s->lo, s->bytes);)
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
    ROOST__IF_ASAN(__asan_poison_memory_region(s->lo, s->bytes - sizeof *s);)
}

/* False when a stack without a guard has been overrun. */
static inline bool roost__stack_canary_ok(const struct roost__stack *s)
{
    const uint64_t *words = (const void *)s->lo;
    int i = s->guarded ? ROOST__CANARY_WORDS : 0;

    while (i < ROOST__CANARY_WORDS && words[i] == ROOST__STACK_CANARY)
        i++;
    return i == ROOST__CANARY_WORDS;
}

#endif
