/* place.h - what stands at a code address, for reports. */
#ifndef ROOST_CORE_PLACE_H
#define ROOST_CORE_PLACE_H

#include <stddef.h>

/* Writes "function+0x1c", or "program+0x1234" where no symbol is known. */
void roost__place_of(const void *pc, char *buf, size_t bytes);

#endif
