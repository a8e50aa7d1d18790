/* sleep.h - time arithmetic and the sleep's timer, for the core. */
#ifndef ROOST_CORE_SLEEP_H
#define ROOST_CORE_SLEEP_H

#include "core/deadline.h"

/* Misuse, unless it is an instant or a duration (D1). */
void roost__need_instant(roost_time instant, const char *call,
                         const char *site);
void roost__need_duration(roost_time duration, const char *call,
                          const char *site);

/* instant + duration, saturating. */
roost_time roost__time_add(roost_time instant, roost_time duration);

void roost__sleep_fire(struct roost_rt *rt, struct roost__timer *timer);

#endif
