/* fiber.h - what AddressSanitizer and ThreadSanitizer are told of a switch.
 *
 * Without them all of this is nothing. The order matters: leave() right before
 * the switch, on the old stack; arrive() right after it, on the new one.
 */
#ifndef ROOST_CORE_FIBER_H
#define ROOST_CORE_FIBER_H

#include "core/stack.h"

#if defined(__SANITIZE_THREAD__)
#define ROOST__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ROOST__TSAN 1
#endif
#endif

#ifdef ROOST__TSAN
#include <sanitizer/tsan_interface.h>
#define ROOST__IF_TSAN(...) __VA_ARGS__
#else
#define ROOST__IF_TSAN(...)
#endif

struct roost__fiber {
    ROOST__IF_ASAN(void *fake; const void *lo; size_t bytes;)
    ROOST__IF_TSAN(void *tsan;)
    char none;
};

static inline void roost__fiber_made(struct roost__fiber *f, const void *lo,
                                     size_t bytes)
{
    ROOST__IF_ASAN(f->fake = NULL; f->lo = lo; f->bytes = bytes;)
    ROOST__IF_TSAN(f->tsan = __tsan_create_fiber(0);)
    (void)f, (void)lo, (void)bytes;
}

/* From another fiber. */
static inline void roost__fiber_gone(struct roost__fiber *f)
{
    ROOST__IF_TSAN(__tsan_destroy_fiber(f->tsan);)
    (void)f;
}

static inline void roost__fiber_main(struct roost__fiber *f)
{
    ROOST__IF_TSAN(f->tsan = __tsan_get_current_fiber();)
    (void)f;
}

/* ThreadSanitizer counts entries and exits of functions: what leaves a dying
 * fiber would enter on one and exit on another. */
#if defined(ROOST__TSAN) && defined(__clang__)
#define ROOST__UNCOUNTED __attribute__((disable_sanitizer_instrumentation))
#elif defined(ROOST__TSAN)
#define ROOST__UNCOUNTED __attribute__((no_sanitize_thread))
#else
#define ROOST__UNCOUNTED
#endif

/* `dying`: the stack left is over, and so is its fake one. */
static inline __attribute__((always_inline)) void
roost__fiber_leave(struct roost__fiber *from, struct roost__fiber *to,
                   bool dying)
{
    ROOST__IF_ASAN(__sanitizer_start_switch_fiber(dying ? NULL : &from->fake,
                                                  to->lo, to->bytes);)
    ROOST__IF_TSAN(__tsan_switch_to_fiber(to->tsan, 0);)
    (void)from, (void)to, (void)dying;
}

static inline void roost__fiber_arrive(struct roost__fiber *self)
{
    ROOST__IF_ASAN(__sanitizer_finish_switch_fiber(self->fake, NULL, NULL);)
    (void)self;
}

/* The first thing on a fresh stack. `from`: the main fiber, whose bounds are not
 * known yet, or NULL. */
static inline void roost__fiber_begin(struct roost__fiber *from)
{
    ROOST__IF_ASAN(__sanitizer_finish_switch_fiber(
                       NULL, from ? &from->lo : NULL,
                       from ? &from->bytes : NULL);)
    (void)from;
}

#endif
