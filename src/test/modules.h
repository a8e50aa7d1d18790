/* modules.h - whose code it is that allocates. */
#ifndef ROOST_TEST_MODULES_H
#define ROOST_TEST_MODULES_H

#include <stdbool.h>

/* Finds them, once. false: libev is part of the program. Not from within malloc:
 * the loader may hold its lock there. */
bool roost__modules_find(void);
bool roost__modules_known(void);

/* Code of the C library, the dynamic linker or cmocka: buffers of stdio, lists of
 * mocks. Before they are found, nothing is. */
bool roost__module_keeps(const void *from);
bool roost__module_is_ev(const void *from);

#endif
