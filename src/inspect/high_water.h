/* high_water.h - how deep a stack has ever been. */
#ifndef ROOST_INSPECT_HIGH_WATER_H
#define ROOST_INSPECT_HIGH_WATER_H

#include "core/stack.h"

/* Bytes from the deepest page ever touched (since it was last trimmed) to the
 * top. Async-signal-safe; a system call for each page that was not touched. */
size_t roost__stack_high_water(const struct roost__stack *s);

#endif
