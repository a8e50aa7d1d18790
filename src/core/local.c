/* local.c - task-locals: a list of bindings, shared by those who inherited it.
 *
 * Owns:     the bindings, counted by the tasks and bindings that point at them.
 * Promises: a child sees its spawner's bindings as they were at the spawn (T4);
 *           a list is as long as there are keys, however often they are set.
 * Never:    changes a binding that somebody else can see; owns a value.
 */
#include "core/local.h"

#include <errno.h>

static void release(struct roost_rt *rt, struct local_binding *b)
{
    while (b && --b->refs == 0) {
        struct local_binding *next = b->next;

        rt->sys->free(b);
        b = next;
    }
}

void roost__locals_drop(roost_task *t)
{
    release(t->rt, t->links.locals);
    t->links.locals = NULL;
}

/* The key's binding if nobody else sees it. */
static struct local_binding *find_own(struct local_binding *b,
                                      const roost_local *key)
{
    for (; b && b->refs == 1; b = b->next)
        if (b->key == key)
            return b;
    return NULL;
}

static struct local_binding *new_binding(struct roost_rt *rt,
                                         const roost_local *key, void *value)
{
    struct local_binding *b = rt->sys->alloc(sizeof *b);

    if (b)
        *b = (struct local_binding){ NULL, key, value, 1 };
    return b;
}

/* A list of our own: the new binding, then copies of all but the key's old. */
static int copy_list(roost_task *t, const roost_local *key, void *value)
{
    struct local_binding *list = new_binding(t->rt, key, value), *end = list;
    const struct local_binding *b;

    for (b = t->links.locals; end && b; b = b->next) {
        if (b->key == key)
            continue;
        end = end->next = new_binding(t->rt, b->key, b->value);
    }
    if (!end) {
        release(t->rt, list);
        return -ENOMEM;
    }
    release(t->rt, t->links.locals);
    t->links.locals = list;
    return 0;
}

int roost_local_set(const roost_local *key, void *value)
{
    roost_task *t = roost__self();
    struct local_binding *own;

    ROOST_USAGE(t, "roost_local_set(\"%s\") was called outside a task; a binding "
                "belongs to the task that makes it", key->name);
    own = find_own(t->links.locals, key);
    if (!own)
        return copy_list(t, key, value);
    own->value = value;
    return 0;
}

void *roost_local_get(const roost_local *key)
{
    roost_task *t = roost__self();
    const struct local_binding *b;

    for (b = t ? t->links.locals : NULL; b; b = b->next)
        if (b->key == key)
            return b->value;
    return key->initial;
}
