/* maps.c - the mappings of one run, kept for the next.
 *
 * Owns:     up to eight mappings a thread, in use or kept.
 * Promises: a run that gets one cannot tell it from a fresh one, but for the old
 *           contents of stacks, which nobody may read.
 * Never:    keeps one with sanitizers or valgrind, who know of contents.
 *
 * Most of what a short run costs is its first chunk of stacks (core/stack.c): to
 * map it, to touch its pages and to set its guards. So guards stay as well. They
 * stand at the beginning of equal slots, from the first slot on:
 *
 *     | guard | slot 0 ...... | guard | slot 1 ...... |  ...  | the chunk's notes |
 *     |<------- stride ------>|                       |<------- CHUNK_BYTES
 *
 * The next run may cut the chunk otherwise. It says so before it asks for its
 * first guard, in its notes: unless our stride is among their first words, all the
 * guards are taken away.
 */
#define _GNU_SOURCE
#include "test/maps.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "core/fiber.h"
#include "core/sys.h"
#include "test/valgrind.h"

enum {
    KEPT_MAX = 8,
    CHUNK_BYTES = 64 << 20, /* of stacks; what follows is wanted zeroed */
    NOTES_LOOKED_AT = 16    /* words */
};

static _Thread_local struct kept {
    char *at; /* NULL: unused */
    size_t bytes;
    int prot, flags;
    bool in_use;
    bool odd;         /* guards that are not as drawn above */
    bool fits;        /* in this use guards were asked for, and ours are right */
    size_t guards;    /* in place */
    size_t guard_bytes, stride;
    int advice;       /* for all of it; -1: none */
} all[KEPT_MAX];

#if defined(ROOST__ASAN) || defined(ROOST__TSAN)
#define CAN_KEEP false
#else
#define CAN_KEEP (!RUNNING_ON_VALGRIND)
#endif

static const struct roost_sys *const sys = &roost__sys_default;

static struct kept *find(const char *at)
{
    struct kept *k;

    for (k = all; k < all + KEPT_MAX; k++)
        if (k->at && (uintptr_t)at - (uintptr_t)k->at < k->bytes)
            return k;
    return NULL;
}

void *roost__maps_take(size_t bytes, int prot, int flags)
{
    struct kept *k;

    for (k = all; k < all + KEPT_MAX; k++) {
        if (!k->at || k->in_use || k->bytes != bytes || k->prot != prot ||
            k->flags != flags)
            continue;
        k->in_use = true;
        k->fits = false;
        if (bytes > CHUNK_BYTES)
            memset(k->at + CHUNK_BYTES, 0, bytes - CHUNK_BYTES);
        return k->at;
    }
    return NULL;
}

void roost__maps_made(void *at, size_t bytes, int prot, int flags)
{
    struct kept *k;

    for (k = all; CAN_KEEP && k < all + KEPT_MAX; k++)
        if (!k->at) {
            *k = (struct kept){ .at = at, .bytes = bytes, .prot = prot,
                                .flags = flags, .in_use = true, .advice = -1 };
            return;
        }
}

bool roost__maps_keep(void *at, size_t bytes)
{
    struct kept *k = find(at);

    if (!k)
        return false;
    if (k->at != at || k->bytes != bytes || k->odd) {
        k->at = NULL;
        return false;
    }
    k->in_use = false;
    return true;
}

/* ---- guards ---- */

static bool is_in_notes(const struct kept *k, size_t value)
{
    const size_t *words = (const void *)(k->at + CHUNK_BYTES);
    int i = 0;

    while (i < NOTES_LOOKED_AT && words[i] != value)
        i++;
    return i < NOTES_LOOKED_AT;
}

/* A new mapping in the place of all slots; the notes stay. */
static bool take_guards_away(struct kept *k)
{
    if (sys->mmap(k->at, CHUNK_BYTES, k->prot, k->flags | MAP_FIXED, -1, 0) ==
        MAP_FAILED)
        return false;
    k->guards = 0;
    k->advice = -1;
    return true;
}

/* false: they do not fit, and cannot be taken away. */
static bool make_fit(struct kept *k)
{
    if (k->fits || k->guards < 2 || is_in_notes(k, k->stride))
        return k->fits = true;
    return k->fits = take_guards_away(k);
}

bool roost__maps_has_guard(void *at, size_t bytes)
{
    struct kept *k = find(at);
    size_t offset;

    if (!k || k->odd || k->bytes <= CHUNK_BYTES || !make_fit(k) || !k->guards)
        return false;
    offset = (size_t)((char *)at - k->at);
    if (bytes != k->guard_bytes)
        return false;
    return offset == 0 || (k->guards > 1 && offset % k->stride == 0 &&
                           offset / k->stride < k->guards);
}

void roost__maps_guarded(void *at, size_t bytes)
{
    struct kept *k = find(at);
    size_t offset;

    if (!k)
        return;
    offset = (size_t)((char *)at - k->at);
    if (k->guards == 0 && offset == 0)
        k->guard_bytes = bytes;
    else if (k->guards == 1 && bytes == k->guard_bytes)
        k->stride = offset;
    else if (k->guards < 2 || bytes != k->guard_bytes ||
             offset != k->guards * k->stride)
        k->odd = true;
    k->guards++;
}

/* ---- advice ---- */

bool roost__maps_has_advice(void *at, size_t bytes, int advice)
{
    struct kept *k = find(at);

    return k && k->at == at && k->bytes == bytes && k->advice == advice;
}

void roost__maps_advised(void *at, size_t bytes, int advice)
{
    struct kept *k = find(at);

    if (k && k->at == at && k->bytes == bytes)
        k->advice = advice;
}

void roost__maps_release(void)
{
    struct kept *k;

    for (k = all; k < all + KEPT_MAX; k++)
        if (k->at && !k->in_use) {
            sys->munmap(k->at, k->bytes);
            k->at = NULL;
        }
}
