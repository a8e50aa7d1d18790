/* heap.h - what a test allocates and does not free. */
#ifndef ROOST_TEST_HEAP_H
#define ROOST_TEST_HEAP_H

#include <stddef.h>

/* From here on blocks are noted. */
void roost__heap_watch(void);

/* Until here: how many of them were not freed, and words about the first into
 * text. Those of the C library and of cmocka do not count: they keep buffers. */
size_t roost__heap_left(char *text, size_t bytes);

#endif
