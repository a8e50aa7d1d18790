/* stack.c - stacks are cut from large mappings and used again, warmest first.
 *
 * Owns:     the chunks: mappings of up to 64 MiB, each cut into slots of one
 *           class and ended by the notes about them.
 * Promises: a failed get leaves the pool as it was; a cold slot costs two bytes
 *           of notes and page tables, no page.
 * Never:    allocates.
 *
 * A chunk notes its cold slots by number, the never used ones last, and is on
 * its class's open list while it has one. Guards, best kind first:
 *
 *   madvise   MADV_GUARD_INSTALL, Linux 6.13. No limit on their number. Refused
 *             under mlockall(); qemu-user accepts any advice and does nothing.
 *   mprotect  two mappings a slot, so only while the process is well below
 *             vm.max_map_count: other people's mmap() must go on working.
 *   none      a canary at the low end, and one notice.
 */
#define _GNU_SOURCE
#include "core/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/misuse.h"
#include "core/sys.h"

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_MAKE_MEM_NOACCESS(at, bytes) ((void)0)
#define VALGRIND_STACK_REGISTER(lo, hi) 0u
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

enum {
    CHUNK_BYTES = 64 << 20,
    GUARD_BYTES = 16 << 10,
    SLOTS_MAX = CHUNK_BYTES / ((48 << 10) + GUARD_BYTES),
    HOT_KEPT = 64,              /* per class, by a trim */
    WARM_BYTES = 16 << 10,      /* of each of those */
    TRIM_MAX = 1024,
    AHEAD = 64,                 /* guards that are set before they are wanted */
    MAPS_SPARED = 8192,         /* mappings left to the rest of the process */
    ADVICE_GUARD = 102,         /* MADV_GUARD_INSTALL: our headers are older */
    ADVICE_BOGUS = 0x5a5a,
};

enum guard { GUARD_NONE, GUARD_MPROTECT, GUARD_MADVISE };

/* Lies in the mapping, after the last slot. */
struct roost__chunk {
    struct roost__chunk *next, *next_open;
    char *base;                 /* of slot 0 */
    size_t slot_bytes;
    uint32_t ready;             /* slots below are fit for use */
    uint32_t guarded;           /* slots below have a guard */
    uint32_t colds;
    long maps;                  /* that we counted for it */
    uint16_t cold[SLOTS_MAX];   /* last in, first out */
    unsigned valgrind_ids[SLOTS_MAX];   /* holds pages only under valgrind */
};

static const size_t class_bytes[ROOST__STACK_CLASSES] = {
    48 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 48 << 20,
};

static atomic_long maps_made;   /* in the process, by guards */

static size_t page_up(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (bytes + page - 1) & ~(page - 1);
}

int roost__stack_class(size_t bytes)
{
    int i = 0;

    while (i < ROOST__STACK_CLASSES && class_bytes[i] < bytes)
        i++;
    return bytes == 0 ? 1 : i < ROOST__STACK_CLASSES ? i : -EINVAL;
}

int roost__stacks_init(struct roost__stacks *p, bool demanded)
{
    static const char *const names[] = {"none", "mprotect", "madvise"};
    const char *wish = getenv("ROOST_TEST_GUARD");
    int kind = GUARD_MADVISE;

    while (wish && kind >= 0 && strcmp(wish, names[kind]) != 0)
        kind--;
    if (kind < 0) {
        roost__say("ROOST_TEST_GUARD must be madvise, mprotect or none");
        return -EINVAL;
    }
    if (kind == GUARD_MADVISE &&
        roost__sys->madvise(NULL, 0, ADVICE_BOGUS) == 0)
        kind = GUARD_MPROTECT;
    *p = (struct roost__stacks){.guard = kind, .guards_demanded = demanded};
    return 0;
}

static long maps_max(struct roost__stacks *p)
{
    char text[32] = "65530";
    int fd;

    if (p->maps_max > 0)
        return p->maps_max;
    fd = roost__sys->open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        roost_ignore(roost__sys->read(fd, text, sizeof text - 1));
        roost__sys->close(fd);
    }
    return p->maps_max = strtol(text, NULL, 10);
}

/* Whether the slot that begins here got a guard, of the best kind there is. */
static bool guard_set(struct roost__stacks *p, struct roost__chunk *c, char *at)
{
    size_t bytes = page_up(GUARD_BYTES);

    if (p->guard == GUARD_MADVISE) {
        if (roost__sys->madvise(at, bytes, ADVICE_GUARD) == 0)
            return true;
        p->guard = GUARD_MPROTECT;
    }
    if (p->guard == GUARD_MPROTECT &&
        maps_made + 2 <= maps_max(p) - MAPS_SPARED &&
        roost__sys->mprotect(at, bytes, PROT_NONE) == 0) {
        maps_made += 2;         /* the guard, and what follows it */
        c->maps += 2;
        return true;
    }
    if (p->guard != GUARD_NONE && !p->guards_demanded) {
        p->guard = GUARD_NONE;
        if (roost__first_time(ROOST_SITE))
            roost__say("there are too many stacks for vm.max_map_count; "
                       "further ones have no guard page, only a canary");
    }
    return false;
}

/* Makes the chunk's next never used slot fit for use, and more: guards are
 * set faster in a row. */
static bool slots_prepare(struct roost__stacks *p, struct roost__chunk *c)
{
    uint32_t before = c->ready, ahead = before < AHEAD ? before : AHEAD;

    do {
        char *at = c->base + c->ready * c->slot_bytes;
        bool guarded = guard_set(p, c, at);

        if (!guarded && p->guards_demanded)
            break;
        c->guarded += guarded;
        VALGRIND_MAKE_MEM_NOACCESS(at, page_up(GUARD_BYTES));
        if (RUNNING_ON_VALGRIND)
            c->valgrind_ids[c->ready] =
                VALGRIND_STACK_REGISTER(at, at + c->slot_bytes - 1);
        c->ready++;
    } while (ahead-- > 0 && c->ready < CHUNK_BYTES / c->slot_bytes);
    return c->ready > before;
}

static struct roost__chunk *chunk_new(struct roost__stacks *p, int class_index)
{
    struct roost__chunk *c;
    size_t bytes = CHUNK_BYTES + sizeof *c;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    char *base = roost__sys->mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags,
                                  -1, 0);

    if (base == MAP_FAILED)
        return NULL;
    /* A huge page would make every small stack 2 MiB. A kernel without them
     * refuses, which is as good. */
    roost__sys->madvise(base, bytes, MADV_NOHUGEPAGE);
    c = (struct roost__chunk *)(void *)(base + CHUNK_BYTES);
    c->base = base;
    c->slot_bytes = page_up(class_bytes[class_index]) + page_up(GUARD_BYTES);
    for (size_t slot = CHUNK_BYTES / c->slot_bytes; slot > 0;)
        c->cold[c->colds++] = (uint16_t)--slot;
    c->next = p->chunks;
    return p->chunks = p->open[class_index] = c;
}

static struct roost__stack *slot_stack(const struct roost__chunk *c, size_t i)
{
    char *end = c->base + (i + 1) * c->slot_bytes;

    return (struct roost__stack *)(void *)end - 1;
}

/* Its struct is written anew: a cold slot has kept nothing. */
struct roost__stack *roost__stack_get_cold(struct roost__stacks *p,
                                           int class_index)
{
    struct roost__chunk *c = p->open[class_index];
    struct roost__stack *s;
    uint32_t slot;

    if (!c && !(c = chunk_new(p, class_index)))
        return NULL;
    slot = c->cold[c->colds - 1];
    if (slot == c->ready && !slots_prepare(p, c))
        return NULL;
    if (--c->colds == 0)
        p->open[class_index] = c->next_open;
    p->out++;
    s = slot_stack(c, slot);
    *s = (struct roost__stack){
        .lo = c->base + slot * c->slot_bytes + page_up(GUARD_BYTES),
        .bytes = c->slot_bytes - page_up(GUARD_BYTES),
        .chunk = c,
        .class_index = (uint8_t)class_index,
        .guarded = slot < c->guarded,
    };
    ROOST__IF_ASAN(__asan_unpoison_memory_region(s->lo, s->bytes);)
    for (int i = 0; i < ROOST__CANARY_WORDS && !s->guarded; i++)
        ((uint64_t *)(void *)s->lo)[i] = ROOST__STACK_CANARY;
    return s;
}

static void give_back(char *from, char *to)
{
    if (from < to)
        roost__sys->madvise(from, (size_t)(to - from), MADV_DONTNEED);
}

/* The tops of the warmest stay; their lowest page too, where a canary may be.
 * The others go, neighbours together, in half the time: a crowd that was born
 * in order lies here in order. The guards between them are spared. */
static void hot_trim(struct roost__stacks *p, int class_index, int *budget)
{
    struct roost__stack **at = &p->hot[class_index], *s;
    char *from = NULL, *to = NULL;

    for (int kept = 0; (s = *at) && kept < HOT_KEPT; kept++, at = &s->next) {
        if (s->used)
            give_back(s->lo + page_up(1),
                      s->lo + s->bytes - page_up(WARM_BYTES));
        s->used = false;
    }
    for (; (s = *at) && *budget > 0; --*budget) {
        struct roost__chunk *c = s->chunk;
        size_t slot = (size_t)(s->lo - c->base) / c->slot_bytes;

        *at = s->next;
        if (c->colds == 0) {
            c->next_open = p->open[class_index];
            p->open[class_index] = c;
        }
        c->cold[c->colds++] = (uint16_t)slot;
        if (s->lo + s->bytes + page_up(GUARD_BYTES) != from) {
            give_back(from, to);
            to = s->lo + s->bytes;
        }
        from = s->lo;
    }
    give_back(from, to);
}

roost_time roost__stacks_trim(struct roost__stacks *p, roost_time now)
{
    int budget = TRIM_MAX;

    if (now < p->trim_at)
        return p->trim_at - now;
    for (int i = 0; i < ROOST__STACK_CLASSES; i++)
        hot_trim(p, i, &budget);
    if (budget == 0)
        return 0;
    p->trim_at = now + ROOST_SEC(1);
    return ROOST_NEVER;
}

void roost__stacks_done(struct roost__stacks *p)
{
    struct roost__chunk *c;

    while ((c = p->chunks)) {
        p->chunks = c->next;
        maps_made -= c->maps;
        for (uint32_t i = 0; i < c->ready && RUNNING_ON_VALGRIND; i++)
            VALGRIND_STACK_DEREGISTER(c->valgrind_ids[i]);
        ROOST__IF_ASAN(__asan_unpoison_memory_region(c->base, CHUNK_BYTES);)
        roost__sys->munmap(c->base, CHUNK_BYTES + sizeof *c);
    }
    *p = (struct roost__stacks){0};
}

struct roost__stack *roost__stack_of_guard(const struct roost__stacks *p,
                                           const void *addr)
{
    for (const struct roost__chunk *c = p->chunks; c; c = c->next) {
        size_t at = (size_t)((uintptr_t)addr - (uintptr_t)c->base);
        size_t slot = at / c->slot_bytes;

        if (slot < c->guarded && at % c->slot_bytes < page_up(GUARD_BYTES) &&
            slot_stack(c, slot)->chunk == c)    /* a cold one has forgotten */
            return slot_stack(c, slot);
    }
    return NULL;
}
