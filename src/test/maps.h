/* maps.h - the mappings of one run, kept for the next. */
#ifndef ROOST_TEST_MAPS_H
#define ROOST_TEST_MAPS_H

#include <stdbool.h>
#include <stddef.h>

/* A mapping as this was asked for that an earlier run has left, or NULL. */
void *roost__maps_take(size_t bytes, int prot, int flags);

/* Notes one that was made for this thread, so that it is kept when it goes. */
void roost__maps_made(void *at, size_t bytes, int prot, int flags);

/* It goes. false: it was not noted, or cannot be used again; unmap it. */
bool roost__maps_keep(void *at, size_t bytes);

/* A guard, or advice, that it has already from an earlier run. What is answered
 * false is to be done, and then told by roost__maps_guarded or _advised. */
bool roost__maps_has_guard(void *at, size_t bytes);
void roost__maps_guarded(void *at, size_t bytes);
bool roost__maps_has_advice(void *at, size_t bytes, int advice);
void roost__maps_advised(void *at, size_t bytes, int advice);

/* Unmaps what is kept in this thread. */
void roost__maps_release(void);

#endif
