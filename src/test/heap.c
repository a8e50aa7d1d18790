/* heap.c - malloc and the like, watched while a test runs.
 *
 * Owns:     the table of blocks allocated since the watch began.
 * Promises: a block that the test, or a library it calls, allocated and did not
 *           free is told, with the function that allocated it.
 * Never:    changes what an allocation returns; allocates.
 *
 * The functions of the C library are called by their other names, __libc_malloc
 * and so on. With AddressSanitizer, which defines malloc itself, its leak check
 * is asked instead; with the other sanitizers nothing is seen.
 */
#define _GNU_SOURCE
#include "test/heap.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/fiber.h"
#include "inspect/place.h"

#if defined(ROOST__ASAN) || defined(ROOST__TSAN)

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

void roost__heap_watch(void)
{
}

size_t roost__heap_left(char *text, size_t bytes)
{
    bool leaks = __lsan_do_recoverable_leak_check &&
                 __lsan_do_recoverable_leak_check() != 0;

    snprintf(text, bytes, "see the report of the sanitizer");
    return leaks;
}

#else

#define SLOTS (1U << 16)
#define GONE ((void *)1) /* was one here: a search goes on */

static struct {
    void *block;
    size_t bytes;
    void *from; /* who called malloc */
} table[SLOTS];

static atomic_flag busy = ATOMIC_FLAG_INIT;
static bool watching;
static size_t noted;

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *block, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);
void __libc_free(void *block);

static void enter(void)
{
    while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
        ;
}

static void leave(void)
{
    atomic_flag_clear_explicit(&busy, memory_order_release);
}

static unsigned slot_of(const void *block)
{
    return (unsigned)((uintptr_t)block >> 4) * 2654435761U % SLOTS;
}

/* A table that is nearly full notes no more: what is left is told in any case. */
static void *note(void *block, size_t bytes, void *from)
{
    unsigned i = slot_of(block);

    if (!watching || !block || noted > SLOTS / 4 * 3)
        return block;
    enter();
    while (table[i].block && table[i].block != GONE)
        i = (i + 1) % SLOTS;
    noted += !table[i].block;
    table[i].block = block;
    table[i].bytes = bytes;
    table[i].from = from;
    leave();
    return block;
}

static void forget(void *block)
{
    unsigned i = slot_of(block);

    if (!watching || !block)
        return;
    enter();
    for (; table[i].block; i = (i + 1) % SLOTS)
        if (table[i].block == block) {
            table[i].block = GONE;
            break;
        }
    leave();
}

#define FROM __builtin_return_address(0)
#define PUBLIC __attribute__((visibility("default")))

PUBLIC void *malloc(size_t bytes) /* lint: the test's own allocator */
{
    return note(__libc_malloc(bytes), bytes, FROM);
}

PUBLIC void *calloc(size_t count, size_t bytes) /* lint: the same */
{
    return note(__libc_calloc(count, bytes), count * bytes, FROM);
}

PUBLIC void *realloc(void *block, size_t bytes) /* lint: the same */
{
    void *more;

    forget(block); /* before another thread may be given it */
    more = __libc_realloc(block, bytes);
    if (!more && bytes)
        note(block, 0, FROM);
    return note(more, bytes, FROM);
}

PUBLIC void *memalign(size_t align, size_t bytes)
{
    return note(__libc_memalign(align, bytes), bytes, FROM);
}

PUBLIC void *aligned_alloc(size_t align, size_t bytes) /* lint: the same */
{
    return note(__libc_memalign(align, bytes), bytes, FROM);
}

PUBLIC int posix_memalign(void **ret, size_t align, size_t bytes) /* lint: the same */
{
    void *block;

    if (align < sizeof(void *) || (align & (align - 1)))
        return EINVAL;
    block = __libc_memalign(align, bytes);
    if (!block)
        return ENOMEM;
    *ret = note(block, bytes, FROM);
    return 0;
}

PUBLIC void free(void *block) /* lint: the same */
{
    forget(block);
    __libc_free(block);
}

/* ---- the watch ---- */

void roost__heap_watch(void)
{
    enter();
    memset(table, 0, sizeof table);
    noted = 0;
    watching = true;
    leave();
}

static const void *module_of(const void *code)
{
    Dl_info info;

    return code && dladdr(code, &info) ? info.dli_fbase : NULL;
}

/* Buffers of stdio, lists of cmocka's mocks. In a static program all is one
 * module, and nothing is told apart. */
static bool keeps_buffers(const void *from)
{
    const void *module = module_of(from);
    const void *libc, *mock;
    int (*print)(const char *, ...) = printf;
    void (*mock_fail)(const char *, int) = _fail;

    memcpy(&libc, &print, sizeof libc);
    memcpy(&mock, &mock_fail, sizeof mock);
    return module == module_of(libc) || module == module_of(mock) ||
           module == module_of(dlsym(RTLD_DEFAULT, "_dl_rtld_di_serinfo"));
}

size_t roost__heap_left(char *text, size_t bytes)
{
    size_t left = 0;
    char place[120];
    unsigned i;

    watching = false;
    for (i = 0; i < SLOTS; i++) {
        if (!table[i].block || table[i].block == GONE ||
            keeps_buffers(table[i].from))
            continue;
        if (left++ == 0)
            roost__place_of(table[i].from, place, sizeof place);
        if (left == 1)
            snprintf(text, bytes, "%zu bytes allocated in %s", table[i].bytes,
                     place);
    }
    return left;
}

#endif
