/* stack.c - stacks are cut from large mappings and used again, warmest first.
 *
 * Owns:     the chunks: mappings of up to 64 MiB, each cut into slots of one
 *           class, each with one kind of guard.
 * Promises: a failed get leaves the pool as it was; free slots beyond the hot
 *           ones hold no page and cost eight bytes of notes.
 * Never:    allocates in put or trim.
 *
 * A chunk's slots, in the order in which they were cut:
 *
 *     0 ....... used ....... ready ....... slots
 *      given before | guard set | not prepared yet
 *
 * Of those given before, the cold ones stand in the notes, as a stack of slot
 * numbers; the others are out or hot. A chunk is on its class's open list while
 * it has a cold or a never used slot.
 *
 * Guards are decided per chunk, best kind first:
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/sys.h"

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_NOACCESS(at, bytes) ((void)0)
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_STACK_REGISTER(lo, hi) 0u
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum {
    KIB = 1024,
    MIB = 1024 * KIB,
    CHUNK_BYTES = 64 * MIB,
    GUARD_BYTES = 16 * KIB,
    DEFAULT_CLASS = 1,
    BATCH = 256,                /* ranges per system call: 4 KiB of our stack */
    FIRST_BATCH = 8,
    HOT_KEPT = 64,              /* per class, by a trim */
    WARM_BYTES = 16 * KIB,      /* of each of those */
    TRIM_MAX = 1024,
    MAPS_SPARED = 8192,         /* mappings left to the rest of the process */
    MAPS_MAX_DEFAULT = 65530,
    BOGUS_ADVICE = 0x5a5a,
    SELF = -10000,              /* PIDFD_SELF */
};

enum guard { GUARD_NONE, GUARD_MPROTECT, GUARD_MADVISE };

struct slot_note {
    uint32_t valgrind_id;       /* of this slot */
    uint16_t cold;              /* the number of another one, see above */
};

struct roost__chunk {
    struct roost__chunk *next;
    struct roost__chunk *next_open;
    char *base;
    size_t bytes;
    size_t slot_bytes;
    uint32_t slots, ready, used, cold;
    long maps;                  /* that we count for it */
    uint8_t class_index;
    bool open;                  /* on its class's open list */
    enum guard guard;
    struct slot_note notes[];
};

static const size_t class_bytes[ROOST__STACK_CLASSES] = {
    48 * KIB, 256 * KIB, 1 * MIB, 4 * MIB, 16 * MIB, 48 * MIB,
};

/* Both are the process's, like the mappings. */
static atomic_long maps_made;
static atomic_flag notice_given = ATOMIC_FLAG_INIT;

static size_t page_bytes(void)
{
#ifdef __x86_64__
    return 4096;
#else
    return (size_t)sysconf(_SC_PAGESIZE);
#endif
}

static size_t page_up(size_t bytes)
{
    return (bytes + page_bytes() - 1) & ~(page_bytes() - 1);
}

static size_t guard_bytes(void)
{
    return page_up(GUARD_BYTES);
}

static void say(const char *sentence)
{
    roost_ignore(roost__sys->write(STDERR_FILENO, sentence, strlen(sentence)));
}

int roost__stack_class(size_t bytes)
{
    if (bytes == 0)
        return DEFAULT_CLASS;
    for (int i = 0; i < ROOST__STACK_CLASSES; i++)
        if (bytes <= class_bytes[i])
            return i;
    return -EINVAL;
}

int roost__stacks_init(struct roost__stacks *p, bool guards_demanded)
{
    static const char *const names[] = {"none", "mprotect", "madvise"};
    const char *wish = getenv("ROOST_TEST_GUARD");
    int best = GUARD_MADVISE;

    if (wish)
        while (best >= 0 && strcmp(wish, names[best]) != 0)
            best--;
    if (best < 0) {
        say("roost: ROOST_TEST_GUARD must be madvise, mprotect or none.\n");
        return -EINVAL;
    }
    *p = (struct roost__stacks){
        .guards_demanded = guards_demanded,
        .guard_best = best,
        .batches = !RUNNING_ON_VALGRIND,    /* which would say it knows it not */
    };
    return 0;
}

/* Advises the ranges one after the other. Returns how many were done before the
 * first that was refused. */
static uint32_t ranges_advise(struct roost__stacks *p, struct iovec *ranges,
                              uint32_t count, int advice)
{
    uint32_t done = 0;

    if (p->batches && count > 1) {
        ssize_t bytes =
            roost__sys->process_madvise(SELF, ranges, count, advice, 0);
        for (; bytes > 0 && done < count; done++) {
            bytes -= (ssize_t)ranges[done].iov_len;
            if (bytes < 0)
                break;
        }
        p->batches = done > 0;
    }
    for (; done < count; done++)
        if (roost__sys->madvise(ranges[done].iov_base, ranges[done].iov_len,
                                advice) != 0)
            break;
    return done;
}

static uint32_t ranges_protect(struct iovec *ranges, uint32_t count)
{
    uint32_t done = 0;

    while (done < count &&
           roost__sys->mprotect(ranges[done].iov_base, ranges[done].iov_len,
                                PROT_NONE) == 0)
        done++;
    return done;
}

/* Sets the guards of the chunk's next slots, more each time. A chunk whose kind
 * of guard no longer works is closed where it stands: the next one decides
 * anew. Returns whether a slot became ready. */
static bool chunk_prepare(struct roost__stacks *p, struct roost__chunk *c)
{
    struct iovec ranges[BATCH];
    uint32_t count = c->used < FIRST_BATCH ? FIRST_BATCH : c->used;
    uint32_t done;

    if (count > BATCH)
        count = BATCH;
    if (count > c->slots - c->ready)
        count = c->slots - c->ready;
    for (uint32_t i = 0; i < count; i++) {
        ranges[i].iov_base = c->base + (c->ready + i) * c->slot_bytes;
        ranges[i].iov_len = guard_bytes();
        VALGRIND_MAKE_MEM_NOACCESS(ranges[i].iov_base, guard_bytes());
    }
    done = count;
    if (c->guard == GUARD_MADVISE)
        done = ranges_advise(p, ranges, count, MADV_GUARD_INSTALL);
    else if (c->guard == GUARD_MPROTECT)
        done = ranges_protect(ranges, count);
    c->ready += done;
    if (done < count)
        c->slots = c->ready;
    return done > 0;
}

static long maps_max_read(void)
{
    char text[32];
    ssize_t len = -1;
    int fd = roost__sys->open("/proc/sys/vm/max_map_count",
                              O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        len = roost__sys->read(fd, text, sizeof text - 1);
        roost__sys->close(fd);
    }
    if (len <= 0)
        return MAPS_MAX_DEFAULT;
    text[len] = '\0';
    return strtol(text, NULL, 10);
}

/* Two for each slot, the guard and what follows it. */
static bool maps_reserve(struct roost__stacks *p, struct roost__chunk *c)
{
    if (p->maps_max == 0)
        p->maps_max = maps_max_read();
    c->maps = 2 * (long)c->slots;
    if (atomic_fetch_add(&maps_made, c->maps) + c->maps <
        p->maps_max - MAPS_SPARED)
        return true;
    atomic_fetch_sub(&maps_made, c->maps);
    c->maps = 0;
    return false;
}

static void maps_release(struct roost__chunk *c)
{
    atomic_fetch_sub(&maps_made, c->maps);
    c->maps = 0;
}

/* Whether this kind of guard may be tried in this chunk at all. */
static bool guard_possible(struct roost__stacks *p, struct roost__chunk *c)
{
    if (c->guard == GUARD_MADVISE)
        return roost__sys->madvise(c->base, page_bytes(), BOGUS_ADVICE) != 0;
    if (c->guard == GUARD_MPROTECT)
        return maps_reserve(p, c);
    if (p->guards_demanded)
        return false;
    if (p->guard_best != GUARD_NONE && !atomic_flag_test_and_set(&notice_given))
        say("roost: there are too many stacks for vm.max_map_count; further "
            "ones have no guard page, only a canary.\n");
    return true;
}

/* Finds the best kind of guard and prepares the first slots. */
static bool chunk_guard(struct roost__stacks *p, struct roost__chunk *c)
{
    uint32_t slots = c->slots;

    for (int kind = p->guard_best; kind >= GUARD_NONE; kind--) {
        c->guard = (enum guard)kind;
        c->slots = slots;
        if (!guard_possible(p, c))
            continue;
        if (chunk_prepare(p, c))
            return true;
        maps_release(c);
    }
    return false;
}

static void chunk_free(struct roost__chunk *c)
{
    maps_release(c);
    roost__sys->munmap(c->base, c->bytes);
    roost__sys->free(c);
}

static struct roost__chunk *chunk_new(struct roost__stacks *p, int class_index)
{
    size_t slot_bytes = page_up(class_bytes[class_index]) + guard_bytes();
    size_t slots = CHUNK_BYTES / slot_bytes;
    struct roost__chunk *c;
    void *base;

    c = roost__sys->alloc(sizeof *c + slots * sizeof c->notes[0]);
    if (!c)
        return NULL;
    base = roost__sys->mmap(NULL, slots * slot_bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        roost__sys->free(c);
        return NULL;
    }
    /* A huge page would make every small stack 2 MiB. A kernel without them
     * refuses, which is as good. */
    roost__sys->madvise(base, slots * slot_bytes, MADV_NOHUGEPAGE);
    *c = (struct roost__chunk){
        .base = base,
        .bytes = slots * slot_bytes,
        .slot_bytes = slot_bytes,
        .slots = (uint32_t)slots,
        .class_index = (uint8_t)class_index,
    };
    if (!chunk_guard(p, c)) {
        chunk_free(c);
        return NULL;
    }
    return c;
}

static void chunk_open(struct roost__stacks *p, struct roost__chunk *c)
{
    c->open = true;
    c->next_open = p->open[c->class_index];
    p->open[c->class_index] = c;
}

static struct roost__stack *slot_stack(const struct roost__chunk *c,
                                       uint32_t slot)
{
    char *end = c->base + (slot + 1) * c->slot_bytes;

    return (struct roost__stack *)(void *)end - 1;
}

/* Writes the struct (again): an empty slot has kept nothing. */
static struct roost__stack *slot_init(struct roost__chunk *c, uint32_t slot)
{
    struct roost__stack *s = slot_stack(c, slot);

    *s = (struct roost__stack){
        .lo = c->base + slot * c->slot_bytes + guard_bytes(),
        .bytes = c->slot_bytes - guard_bytes(),
        .chunk = c,
        .class_index = c->class_index,
        .guarded = c->guard != GUARD_NONE,
    };
    roost__stack_unpoison(s);
    if (!s->guarded)
        for (int i = 0; i < ROOST__STACK_CANARY_WORDS; i++)
            ((uint64_t *)(void *)s->lo)[i] = ROOST__STACK_CANARY;
    return s;
}

/* A slot of this chunk that holds no page, a cold one first: its page tables
 * are there already. NULL when there is none. */
static struct roost__stack *chunk_take(struct roost__stacks *p,
                                       struct roost__chunk *c)
{
    struct roost__stack *s;

    if (c->cold > 0)
        return slot_init(c, c->notes[--c->cold].cold);
    if (c->used == c->ready && (c->ready == c->slots || !chunk_prepare(p, c)))
        return NULL;
    s = slot_init(c, c->used);
    c->notes[c->used++].valgrind_id =
        VALGRIND_STACK_REGISTER(s->lo, s->lo + s->bytes - 1);
    return s;
}

struct roost__stack *roost__stack_get_cold(struct roost__stacks *p,
                                           int class_index)
{
    for (;;) {
        struct roost__chunk *c = p->open[class_index];
        struct roost__stack *s;

        if (!c) {
            c = chunk_new(p, class_index);
            if (!c)
                return NULL;
            c->next = p->chunks;
            p->chunks = c;
            chunk_open(p, c);
        }
        s = chunk_take(p, c);
        if (s) {
            p->out++;
            return s;
        }
        p->open[class_index] = c->next_open;
        c->open = false;
    }
}

/* Moves up to BATCH stacks from *at on to their chunks' cold slots. */
static uint32_t batch_chill(struct roost__stacks *p, struct roost__stack **at)
{
    struct iovec ranges[BATCH];
    uint32_t count = 0;

    for (; *at && count < BATCH; count++) {
        struct roost__stack *s = *at;
        struct roost__chunk *c = s->chunk;

        *at = s->next;
        c->notes[c->cold++].cold =
            (uint16_t)((size_t)(s->lo - c->base) / c->slot_bytes);
        if (!c->open)
            chunk_open(p, c);
        ranges[count] = (struct iovec){s->lo, s->bytes};
    }
    ranges_advise(p, ranges, count, MADV_DONTNEED);
    return count;
}

/* Empties the lower parts of the stacks that stay hot. Without looking whether
 * they hold pages: to ask the kernel costs more. Returns where the rest of the
 * list begins. */
static struct roost__stack **hot_shallow(struct roost__stacks *p,
                                         struct roost__stack **at)
{
    struct iovec ranges[HOT_KEPT];
    uint32_t count = 0;

    for (int kept = 0; *at && kept < HOT_KEPT; kept++) {
        struct roost__stack *s = *at;
        size_t canary_page = s->guarded ? 0 : page_bytes();

        at = &s->next;
        if (!s->used || s->bytes <= WARM_BYTES + canary_page)
            continue;
        s->used = false;
        ranges[count++] = (struct iovec){
            s->lo + canary_page, s->bytes - page_up(WARM_BYTES) - canary_page};
    }
    ranges_advise(p, ranges, count, MADV_DONTNEED);
    return at;
}

bool roost__stacks_trim(struct roost__stacks *p)
{
    bool worn = p->worn;

    p->worn = false;
    for (int i = 0; worn && i < ROOST__STACK_CLASSES; i++) {
        struct roost__stack **at = hot_shallow(p, &p->hot[i]);

        for (uint32_t done = 0; *at && done < TRIM_MAX;)
            done += batch_chill(p, at);
        p->worn |= *at != NULL;
    }
    return p->worn;
}

void roost__stacks_done(struct roost__stacks *p)
{
    while (p->chunks) {
        struct roost__chunk *c = p->chunks;

        p->chunks = c->next;
        for (uint32_t i = 0; i < c->used; i++)
            VALGRIND_STACK_DEREGISTER(c->notes[i].valgrind_id);
#ifdef ROOST__ASAN
        __asan_unpoison_memory_region(c->base, c->bytes);
#endif
        chunk_free(c);
    }
    *p = (struct roost__stacks){0};
}

size_t roost__stack_high_water(const struct roost__stack *s)
{
    unsigned char pages[BATCH];
    size_t page = page_bytes();
    /* The canary has touched the lowest page, the task perhaps not. */
    bool skip = !s->guarded && roost__stack_canary_ok(s);

    for (size_t at = skip ? page : 0; at < s->bytes; at += BATCH * page) {
        size_t len = s->bytes - at;

        if (len > BATCH * page)
            len = BATCH * page;
        if (roost__sys->mincore(s->lo + at, len, pages) != 0)
            return 0;
        for (size_t i = 0; i < len / page; i++)
            if (pages[i] & 1)
                return s->bytes - at - i * page;
    }
    return 0;
}

struct roost__stack *roost__stack_of_guard(const struct roost__stacks *p,
                                           const void *addr)
{
    for (const struct roost__chunk *c = p->chunks; c; c = c->next) {
        size_t at = (size_t)((uintptr_t)addr - (uintptr_t)c->base);
        size_t slot = at / c->slot_bytes;
        struct roost__stack *s;

        if (at >= c->bytes)
            continue;
        if (slot >= c->used || at % c->slot_bytes >= guard_bytes())
            return NULL;
        s = slot_stack(c, (uint32_t)slot);
        /* A cold slot has forgotten who it is. */
        return s->guarded && s->chunk == c ? s : NULL;
    }
    return NULL;
}
