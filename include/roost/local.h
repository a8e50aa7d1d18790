/* local.h - task-locals: context that every child inherits.
 *
 *     static roost_local request_id = { "request id" };
 *
 *     roost_local_set(&request_id, id);       (in the task that serves it)
 *     log("%s: ...", (char *)roost_local_get(&request_id));   (far below)
 *
 * A child has the bindings that its spawner had at the spawn; what either sets
 * later the other does not see. The values are borrowed: they must live as long
 * as a task that inherited them.
 */
#ifndef ROOST_LOCAL_H
#define ROOST_LOCAL_H

#include <roost/api.h>

ROOST_BEGIN_DECLS

/* The key: a static object; its address is what counts. */
typedef struct roost_local {
    const char *name;
    void *initial; /* what get returns where nothing was set */
} roost_local;

/* Binds the key in the running task: 0, or -ENOMEM (nothing changed). */
ROOST_API int roost_local_set(const roost_local *key, void *value) ROOST_MUST;

/* The value bound in the running task, else key->initial. Outside a task the
 * latter. */
ROOST_API void *roost_local_get(const roost_local *key);

ROOST_END_DECLS

#endif
