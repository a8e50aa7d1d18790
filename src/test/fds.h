/* fds.h - which descriptors the process has open. */
#ifndef ROOST_TEST_FDS_H
#define ROOST_TEST_FDS_H

#include <stdbool.h>
#include <stdint.h>

/* How many; -1 if /proc is not there. */
int roost__fds_count(void);

/* Which, cheaply: one system call. The first look at `all` numbers says how far the
 * next ones go. */
#define ROOST__FDS 1024
struct roost__fds { uint64_t open[ROOST__FDS / 64]; };
void roost__fds_look(struct roost__fds *ret, bool all);

/* Opened, or closed, between two looks: a number, or -1. */
int roost__fds_more(const struct roost__fds *before,
                    const struct roost__fds *after);

/* "socket:", "/dev/null", without numbers, which differ from process to process.
 * A static buffer. */
const char *roost__fds_kind(int fd);

#endif
