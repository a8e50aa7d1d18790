/* fiber.h - what AddressSanitizer and ThreadSanitizer are told of a switch.
 *
 * Without them all of this is nothing. The order matters: leave() right before
 * the switch, on the old stack; arrive() right after it, on the new one.
 */
#ifndef ROOST_CORE_FIBER_H
#define ROOST_CORE_FIBER_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define ROOST__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ROOST__ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define ROOST__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ROOST__TSAN 1
#endif
#endif

#ifdef ROOST__ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef ROOST__TSAN
#include <sanitizer/tsan_interface.h>
#endif

struct roost__fiber {
#ifdef ROOST__ASAN
    void *fake;
    const void *lo;
    size_t bytes;
#endif
#ifdef ROOST__TSAN
    void *tsan;
#endif
    char none;
};

static inline void roost__fiber_made(struct roost__fiber *f, const void *lo,
                                     size_t bytes)
{
#ifdef ROOST__ASAN
    f->fake = NULL;
    f->lo = lo;
    f->bytes = bytes;
#endif
#ifdef ROOST__TSAN
    f->tsan = __tsan_create_fiber(0);
#endif
    (void)f, (void)lo, (void)bytes;
}

/* From another fiber. */
static inline void roost__fiber_gone(struct roost__fiber *f)
{
#ifdef ROOST__TSAN
    __tsan_destroy_fiber(f->tsan);
#endif
    (void)f;
}

static inline void roost__fiber_main(struct roost__fiber *f)
{
#ifdef ROOST__TSAN
    f->tsan = __tsan_get_current_fiber();
#endif
    (void)f;
}

static inline void roost__fiber_leave(struct roost__fiber *from,
                                      struct roost__fiber *to, bool dying)
{
#ifdef ROOST__ASAN
    __sanitizer_start_switch_fiber(dying ? NULL : &from->fake, to->lo,
                                   to->bytes);
#endif
#ifdef ROOST__TSAN
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
    (void)from, (void)to, (void)dying;
}

static inline void roost__fiber_arrive(struct roost__fiber *self)
{
#ifdef ROOST__ASAN
    __sanitizer_finish_switch_fiber(self->fake, NULL, NULL);
#endif
    (void)self;
}

/* The first thing on a fresh stack; `from` is the main fiber when its bounds
 * are not known yet. */
static inline void roost__fiber_begin(struct roost__fiber *from)
{
#ifdef ROOST__ASAN
    if (from)
        __sanitizer_finish_switch_fiber(NULL, &from->lo, &from->bytes);
    else
        __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
    (void)from;
}

#endif
