/* heap.c - malloc and the like, watched and made to fail while a test runs.
 *
 * Owns:     the table of blocks allocated since the watch began.
 * Promises: a block that the test, or a library it calls, allocated and did not
 *           free is told, with the function that allocated it; a table without
 *           live blocks is empty, so a watch may go on for ever.
 * Never:    changes what an allocation returns, unless faults.c says it fails;
 *           allocates.
 *
 * The functions of the C library are called by their other names, __libc_malloc
 * and so on. AddressSanitizer defines malloc itself and tells hooks of it: they
 * note blocks here too, and who allocated one is asked when it is left. With the
 * other sanitizers nothing is seen.
 *
 * Blocks are noted by a number made of their address: as an address, the note
 * itself would keep them alive in the eyes of a leak check.
 */
#define _GNU_SOURCE
#include "test/heap.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fiber.h"
#include "inspect/place.h"
#include "test/faults.h"
#include "test/modules.h"
#include "test/valgrind.h"

/* ---- libraries ---- */

static void spare_ev(void);

static void know_modules(void)
{
    if (!roost__modules_known() && !roost__modules_find())
        spare_ev();
}

bool roost__heap_keeps(const void *from)
{
    know_modules();
    return roost__module_keeps(from) || roost__module_is_ev(from);
}

/* <ev.h> is not for this room. */
void ev_set_allocator(void *(*resize)(void *block, long bytes));

/* ---- the table: open addressing, no gaps ---- */

#define SLOTS (1U << 16)

static struct slot {
    uintptr_t key; /* ~block; 0: free */
    size_t bytes;
    const void *from; /* who allocated it; NULL: ask the sanitizer */
    uint64_t number;
} table[SLOTS];

static atomic_flag busy = ATOMIC_FLAG_INIT;
static atomic_bool watching;
static size_t live;    /* slots in use */
static size_t fresh;   /* of them, noted since the last question */
static uint64_t last;  /* number given */
static uint64_t asked; /* the last one at the last question */

static void enter(void)
{
    while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
        ;
}

static void leave(void)
{
    atomic_flag_clear_explicit(&busy, memory_order_release);
}

static bool is_watching(void)
{
    return atomic_load_explicit(&watching, memory_order_relaxed);
}

static unsigned slot_of(uintptr_t key)
{
    return (unsigned)(key >> 4) * 2654435761U >> 16;
}

/* A table that is nearly full notes no more: what is left is told in any case. */
static void note(const volatile void *block, size_t bytes, const void *from)
{
    uintptr_t key = ~(uintptr_t)block;
    unsigned i = slot_of(key);

    if (!is_watching() || !block || roost__module_keeps(from))
        return;
    enter();
    if (live < SLOTS / 4 * 3) {
        while (table[i].key)
            i = (i + 1) % SLOTS;
        table[i] = (struct slot){ key, bytes, from, ++last };
        live++;
        fresh++;
    }
    leave();
}

/* Those behind it move up to where they are looked for. */
static void close_gap(unsigned gap)
{
    unsigned i, home;

    for (i = (gap + 1) % SLOTS; table[i].key; i = (i + 1) % SLOTS) {
        home = slot_of(table[i].key);
        if ((i - home) % SLOTS >= (i - gap) % SLOTS) {
            table[gap] = table[i];
            gap = i;
        }
    }
    table[gap].key = 0;
}

static void forget(const volatile void *block)
{
    uintptr_t key = ~(uintptr_t)block;
    unsigned i = slot_of(key);

    if (!is_watching() || !block)
        return;
    enter();
    while (table[i].key && table[i].key != key)
        i = (i + 1) % SLOTS;
    if (table[i].key) {
        live--;
        fresh -= table[i].number > asked;
        close_gap(i);
    }
    leave();
}

/* ---- questions ---- */

/* A child that is forked meanwhile goes on with the table. */
static void prepare(void)
{
    static bool once;

    if (!once)
        pthread_atfork(enter, leave, leave);
    once = true;
    know_modules();
}

#ifdef ROOST__ASAN
#define KNOWS_WHO true
/* The first frame is the sanitizer's own. */
static const void *who(const struct slot *s)
{
    void *frames[2];
    int thread;

    return __asan_get_alloc_stack((void *)~s->key, frames, 2, &thread) == 2
               ? frames[1] : NULL;
}
#else
#define KNOWS_WHO false
static const void *who(const struct slot *s)
{
    return s->from;
}
#endif

/* How many with higher numbers are left, and the first of them. */
static size_t count_left(uint64_t after, struct slot *ret_first)
{
    struct slot first = { .number = UINT64_MAX };
    size_t left = 0;
    unsigned i;

    for (i = 0; i < SLOTS && live; i++) {
        struct slot s = table[i];

        if (!s.key || s.number <= after || roost__module_keeps(s.from = who(&s)))
            continue;
        left++;
        if (s.number < first.number)
            first = s;
    }
    *ret_first = first;
    return left;
}

static size_t tell(size_t left, const struct slot *first, char *text, size_t bytes)
{
    char place[120];

    if (!left)
        return 0;
    roost__place_of(first->from, place, sizeof place);
    snprintf(text, bytes, "%zu bytes allocated in %s", first->bytes, place);
    return left;
}

size_t roost__heap_left_since(char *text, size_t bytes)
{
    struct slot first = { 0 };
    size_t left = 0;

    enter();
    if (fresh)
        left = count_left(asked, &first);
    asked = last;
    fresh = 0;
    leave();
    return tell(left, &first, text, bytes);
}

static void watch_anew(void)
{
    prepare();
    enter();
    if (live)
        memset(table, 0, sizeof table);
    live = fresh = 0;
    asked = last;
    watching = true;
    leave();
}

/* ---- under a sanitizer ---- */

#if defined(ROOST__ASAN) || defined(ROOST__TSAN)

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));
int __sanitizer_install_malloc_and_free_hooks(
    void (*allocated)(const volatile void *, size_t),
    void (*freed)(const volatile void *)) __attribute__((weak));

static void allocated(const volatile void *block, size_t bytes)
{
    note(block, bytes, NULL);
}

void roost__heap_watch(void)
{
    static bool hooked;

    if (!KNOWS_WHO || !__sanitizer_install_malloc_and_free_hooks)
        return;
    if (!hooked)
        __sanitizer_install_malloc_and_free_hooks(allocated, forget);
    hooked = true;
    watch_anew();
}

size_t roost__heap_left(char *text, size_t bytes)
{
    bool leaks = __lsan_do_recoverable_leak_check &&
                 __lsan_do_recoverable_leak_check() != 0;

    watching = false;
    snprintf(text, bytes, "see the report of the sanitizer");
    return leaks;
}

bool roost__heap_can_fail(void)
{
    return false;
}

static void spare_ev(void)
{
}

void *roost__heap_alloc(size_t bytes, const void *from)
{
    (void)from;
    return malloc(bytes); /* lint: the test's own allocator */
}

#else

/* ---- malloc and the like ---- */

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *block, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);
void __libc_free(void *block);

#define FROM __builtin_return_address(0)
#define PUBLIC __attribute__((visibility("default")))

/* The first look is for a program that has hardly begun: nothing else of it may
 * be ready. */
static bool fails(const void *from)
{
    return roost__modules_known() && !roost__module_keeps(from) &&
           !roost__module_is_ev(from) &&
           roost__faults_allocation(from);
}

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

static void *noted(void *block, size_t bytes, const void *from)
{
    note(block, bytes, from);
    return block;
}

void *roost__heap_alloc(size_t bytes, const void *from)
{
    return fails(from) ? no_memory() : noted(__libc_malloc(bytes), bytes, from);
}

static void *aligned(size_t align, size_t bytes, const void *from)
{
    return fails(from) ? no_memory()
                       : noted(__libc_memalign(align, bytes), bytes, from);
}

PUBLIC void *malloc(size_t bytes) /* lint: the test's own allocator */
{
    return roost__heap_alloc(bytes, FROM);
}

PUBLIC void *calloc(size_t count, size_t bytes) /* lint: the same */
{
    return fails(FROM) ? no_memory()
                       : noted(__libc_calloc(count, bytes), count * bytes, FROM);
}

/* The old block is forgotten before another thread may be given it. */
static void *moved(void *block, size_t bytes, const void *from)
{
    void *more;

    forget(block);
    more = __libc_realloc(block, bytes);
    if (!more && bytes)
        note(block, 0, from);
    return noted(more, bytes, from);
}

static void *resized(void *block, size_t bytes, const void *from)
{
    if ((bytes || !block) && fails(from))
        return no_memory();
    return moved(block, bytes, from);
}

/* When libev is part of the program its code cannot be told from the rest. */
static void *ev_resized(void *block, long bytes)
{
    return block || bytes ? moved(block, (size_t)bytes, FROM) : NULL;
}

static void spare_ev(void)
{
    ev_set_allocator(ev_resized);
}

PUBLIC void *realloc(void *block, size_t bytes) /* lint: the same */
{
    return resized(block, bytes, FROM);
}

PUBLIC void *reallocarray(void *block, size_t count, size_t bytes) /* lint: the same */
{
    size_t all;

    return __builtin_mul_overflow(count, bytes, &all) ? no_memory()
                                                      : resized(block, all, FROM);
}

PUBLIC void *memalign(size_t align, size_t bytes)
{
    return aligned(align, bytes, FROM);
}

PUBLIC void *aligned_alloc(size_t align, size_t bytes) /* lint: the same */
{
    return aligned(align, bytes, FROM);
}

PUBLIC int posix_memalign(void **ret, size_t align, size_t bytes) /* lint: the same */
{
    void *block;

    if (align < sizeof(void *) || (align & (align - 1)))
        return EINVAL;
    block = aligned(align, bytes, FROM);
    if (!block)
        return ENOMEM;
    *ret = block;
    return 0;
}

PUBLIC void free(void *block) /* lint: the same */
{
    forget(block);
    __libc_free(block);
}

/* Valgrind puts its own in the place of ours. */
bool roost__heap_can_fail(void)
{
    return !RUNNING_ON_VALGRIND;
}

void roost__heap_watch(void)
{
    watch_anew();
}

size_t roost__heap_left(char *text, size_t bytes)
{
    struct slot first;
    size_t left;

    watching = false;
    enter();
    left = count_left(0, &first);
    leave();
    return tell(left, &first, text, bytes);
}

#endif
