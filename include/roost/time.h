/* time.h - instants and durations, one type, two ranges that cannot be mixed.
 *
 * A roost_time is a signed count of nanoseconds: a duration, or an instant of
 * the runtime's monotonic clock. Instants are CLOCK_MONOTONIC + 2^61 (with the
 * virtual clock they begin at 2^61), so that a duration given where an instant
 * is wanted, or the reverse, is recognised and stops the program with a
 * sentence instead of waiting for 73 years.
 *
 *     roost_time until = roost_after(ROOST_SEC(5));
 *     int r = roost_sleep(ROOST_MS(20));
 *     if (r < 0)
 *         return r;
 */
#ifndef ROOST_TIME_H
#define ROOST_TIME_H

#include <roost/api.h>

ROOST_BEGIN_DECLS

typedef int64_t roost_time;

#define ROOST_NEVER INT64_MAX
#define ROOST_US(n) ((n) * INT64_C(1000))
#define ROOST_MS(n) ((n) * INT64_C(1000000))
#define ROOST_SEC(n) ((n) * INT64_C(1000000000))

/* An entry of the runtime's deadline structure. Private; it stands here since
 * scopes and tasks embed it. */
struct roost__timer {
    struct roost__timer *next, **link, *child;
    roost_time at;
    uint64_t seq;
    uint8_t where, kind;
};

/* Reads the clock: the running runtime's (real or virtual), outside a run the
 * real one. Never goes back. */
ROOST_API roost_time roost_now(void);

/* The instant `duration` from now; saturates at ROOST_NEVER. A negative
 * duration is an instant in the past. */
ROOST_API roost_time roost_after(roost_time duration);

/* Nanoseconds until the running task's effective deadline, >= 0; 0 when it is
 * cancelled; ROOST_NEVER without a deadline. Reads the clock. */
ROOST_API roost_time roost_time_left(void);

/* The effective deadline of the running task: the earliest of the scopes around
 * it; a shield contributes the deadline outside it + its budget. In a cancelled
 * task the instant of the cancellation. */
ROOST_API roost_time roost_deadline(void);

/* Suspends the task for `duration` (<= 0: returns 0 at once). 0, or -ECANCELED.
 * Resolution is that of the loop, 1 ms with epoll, or 50 us when the run was
 * given .precise_timers; never shorter than asked. */
ROOST_API int roost_sleep(roost_time duration) ROOST_WAITS;

/* The same to an instant; one in the past returns 0 at once. ROOST_NEVER waits
 * until the task is cancelled. */
ROOST_API int roost_sleep_until(roost_time instant) ROOST_WAITS;

/* 64 random bits from the runtime's seed, apart from those that drive the
 * scheduler: for jitter that replays. With seed 0 and the real clock they are
 * seeded by the kernel. */
ROOST_API uint64_t roost_random(void);

ROOST_END_DECLS

#endif
