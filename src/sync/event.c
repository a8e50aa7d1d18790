/* event.c - something that happens once, and those who wait for it.
 *
 * Promises: whoever waited when it was set gets 0, also if cancelled in between
 *           (C4).
 */
#include <roost/sync.h>

#include <errno.h>

#include "core/park.h"

void roost_event_init(roost_event *e)
{
    *e = (roost_event){ 0 };
}

void roost_event_set(roost_event *e)
{
    e->set = 1;
    roost_lot_wake(&e->lot, ROOST_ALL);
}

bool roost_event_is_set(const roost_event *e)
{
    return e->set;
}

static int wait_for(roost_event *e, roost_task *t, roost_abort_fn *abort,
                    void *place)
{
    roost_wait w;

    roost__wait_init(&w, t);
    roost__lot_append(&e->lot, &w);
    return roost__park(&w, "an event", abort, &e->lot, place);
}

int roost_event_wait(roost_event *e)
{
    roost_task *t = roost__waiter("roost_event_wait");

    if (t->scope->effective)
        return -ECANCELED;
    if (e->set)
        return 0;
    return wait_for(e, t, roost__lot_abort, ROOST__PLACE);
}

int roost_event_join(roost_event *e)
{
    roost_task *t = roost__waiter("roost_event_join");

    if (e->set)
        return 0;
    return wait_for(e, t, NULL, ROOST__PLACE);
}
