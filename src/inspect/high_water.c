/* high_water.c - asks the kernel which pages of a stack are there. */
#include "inspect/high_water.h"

#include <unistd.h>

#include "core/sys.h"

size_t roost__stack_high_water(const struct roost__stack *s)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char there = 0;
    /* The canary has touched the lowest page, the task perhaps not. */
    size_t at = !s->guarded && roost__stack_canary_ok(s) ? page : 0;

    for (; at < s->bytes; at += page)
        if (roost__sys->mincore(s->lo + at, page, &there) == 0 && there & 1)
            return s->bytes - at;
    return 0;
}
