/* urgent.h - last words, that must not keep who says them. */
#ifndef ROOST_INSPECT_URGENT_H
#define ROOST_INSPECT_URGENT_H

#include <stdbool.h>
#include <stddef.h>

/* A write of at most PIPE_BUF bytes would not wait. Any thread, a signal handler. */
bool roost__takes_now(int fd);

/* To stderr, as much of it as that takes without waiting. Likewise. */
void roost__say_now(const char *bytes, size_t len);

#endif
