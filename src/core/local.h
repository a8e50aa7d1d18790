/* local.h - handing task-locals from spawner to child. */
#ifndef ROOST_CORE_LOCAL_H
#define ROOST_CORE_LOCAL_H

#include <roost/local.h>

#include "core/rt.h"

struct local_binding {
    struct local_binding *next;
    const roost_local *key;
    void *value;
    size_t refs;
};

static inline void roost__locals_inherit(roost_task *t, const roost_task *from)
{
    t->links.locals = from->links.locals;
    if (t->links.locals)
        t->links.locals->refs++;
}

/* The task ends. */
void roost__locals_drop(roost_task *t);

#endif
