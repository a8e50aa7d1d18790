/* heap.h - what a test allocates and does not free. */
#ifndef ROOST_TEST_HEAP_H
#define ROOST_TEST_HEAP_H

#include <stdbool.h>
#include <stddef.h>

/* From here on blocks are noted. */
void roost__heap_watch(void);

/* Until here: how many of them were not freed, and words about the first into
 * text. Those of the C library and of cmocka do not count: they keep buffers. */
size_t roost__heap_left(char *text, size_t bytes);

/* For many short runs: watch once; at the end of each run ask what of all noted
 * since the last question is still there. No cost when nothing is; what was told
 * once is not told again. */
size_t roost__heap_left_since(char *text, size_t bytes);

/* malloc and the like can be made to fail here (not with a sanitizer). */
bool roost__heap_can_fail(void);

/* `from` is code of the C library, the dynamic linker, libev or cmocka, whose
 * buffers stay, and which die of a failure. */
bool roost__heap_keeps(const void *from);

/* malloc as if `from` had called it. */
void *roost__heap_alloc(size_t bytes, const void *from);

#endif
