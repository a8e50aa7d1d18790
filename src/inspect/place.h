/* place.h - what stands at a code address, for reports. */
#ifndef ROOST_INSPECT_PLACE_H
#define ROOST_INSPECT_PLACE_H

#include <stddef.h>

/* Writes "function+0x1c", or "program+0x1234" where no symbol is known. */
void roost__place_of(const void *pc, char *buf, size_t bytes);

#endif
