/* children.h - a child whose whole behaviour is in its argument.
 *
 *     KID(n, .ms = 20);                         sleeps 20 ms, returns 0
 *     KID(n, .ms = 5, .result = -EIO);          fails after 5 ms
 *     KID(n, .forever = true, .cut = -EBADF);   fails when it is cancelled
 *     KID(n, .forever = true, .cleanup_ms = 7, .name = "a");
 *
 * The last one takes 7 ms (under a shield) to go home, then logs "a". KID is a
 * spawn with a copied argument and has its result.
 */
#ifndef ROOST_TESTS_RULES_CHILDREN_H
#define ROOST_TESTS_RULES_CHILDREN_H

#include "rules/in_task.h"

struct kid {
    const char *name; /* logged at its end */
    int ms;
    bool forever;
    int result;     /* if nobody cut it */
    int cut;        /* if it was cut; 0: -ECANCELED */
    int cleanup_ms; /* what it then takes, under a shield */
    int *ended;     /* counts it */
};

static inline int kid_body(void *arg)
{
    const struct kid *k = arg;
    int r = 0;

    if (k->forever)
        r = roost_sleep_until(ROOST_NEVER);
    else if (k->ms)
        r = roost_sleep(ROOST_MS(k->ms));
    if (r < 0 && k->cleanup_ms)
        roost_ignore(ROOST_SHIELDED(ROOST_NEVER,
                                    roost_sleep(ROOST_MS(k->cleanup_ms))));
    if (k->name)
        kit_log(k->name);
    if (k->ended)
        ++*k->ended;
    return r >= 0 ? k->result : k->cut ? k->cut : r;
}

#define KID(n, ...) \
    roost_spawn_copy(n, kid_body, &(struct kid){ __VA_ARGS__ }, \
                     sizeof(struct kid))

/* The same as a service child, and with a handle. */
static inline int kid_with(roost_nursery *n, const roost_spawn_options *o,
                           const struct kid *k)
{
    roost_spawn_options copy = *o;

    copy.copy_bytes = sizeof *k;
    return roost_spawn_with(n, kid_body, (void *)(uintptr_t)k, &copy);
}
#define SERVICE(n, ...) \
    kid_with(n, &(roost_spawn_options){ .service = true }, \
             &(struct kid){ __VA_ARGS__ })
#define HANDLED(n, handle, ...) \
    kid_with(n, &(roost_spawn_options){ .child = (handle) }, \
             &(struct kid){ __VA_ARGS__ })

#endif
