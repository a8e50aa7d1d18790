/* sync.h - how tasks wait for each other.
 *
 *     roost_event ready;
 *
 *     roost_event_init(&ready);
 *     ...                                  (a child: roost_event_set(&ready))
 *     r = ROOST_WITHIN(ROOST_SEC(1), roost_event_wait(&ready));
 */
#ifndef ROOST_SYNC_H
#define ROOST_SYNC_H

#include <roost/task.h>

ROOST_BEGIN_DECLS

/* Something that happens once. */
typedef struct roost_event {
    roost_lot lot;
    uint8_t set;
} roost_event;

ROOST_API void roost_event_init(roost_event *e);

/* It has happened: wakes all who wait. Again is no error. */
ROOST_API void roost_event_set(roost_event *e);
ROOST_API bool roost_event_is_set(const roost_event *e);

/* Waits until it is set: 0, or -ECANCELED. */
ROOST_API int roost_event_wait(roost_event *e) ROOST_WAITS;

/* The same to the end, whatever is cancelled; always 0. For memory lent to a
 * callback, which must have come back before the frame may go. */
ROOST_API int roost_event_join(roost_event *e) ROOST_WAITS;

ROOST_END_DECLS

#endif
