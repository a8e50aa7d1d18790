/* alarm.h - how other threads and signal handlers wake the loop. */
#ifndef ROOST_CORE_ALARM_H
#define ROOST_CORE_ALARM_H

#include <stdatomic.h>

#include "core/loop.h"
#include "core/sys.h"

/* Something that is filled from outside: after a ring each source is asked to
 * hand on what it has got, on the loop's thread, outside any task. */
struct roost__source {
    struct roost__source *next;
    void (*drain)(struct roost__source *s);
    void (*over)(struct roost__source *s); /* the run ends: it removes itself */
};

/* All zero until the first source comes. */
struct roost__alarm {
    struct roost__loop *loop; /* NULL: not open */
    const struct roost_sys *sys;
    struct roost__source *first;
    struct roost__source *cursor; /* the next one of a drain under way */
    struct roost__loop_fd watch;
    int fd;
    atomic_int rung; /* the descriptor has been written to */
};

/* On the loop's thread. 0, or -EMFILE, -ENFILE, -ENOMEM of the first source. */
int roost__alarm_add(struct roost__alarm *a, struct roost__loop *l,
                     struct roost__source *s);
void roost__alarm_remove(struct roost__alarm *a, struct roost__source *s);

/* From any thread or signal handler, while its source is there. errno is kept.
 * What was made visible before is seen by the drain that follows. */
void roost__alarm_ring(struct roost__alarm *a);

/* Tells the sources that are left that the run is over. */
void roost__alarm_close(struct roost__alarm *a);

#endif
