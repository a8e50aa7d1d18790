/* fds.h - which descriptors the process has open. */
#ifndef ROOST_TEST_FDS_H
#define ROOST_TEST_FDS_H

#include <stdint.h>

/* How many; -1 if /proc is not there. */
int roost__fds_count(void);

/* Which of the low numbers, where a leak of few shows: cheap. */
#define ROOST__FDS 128
struct roost__fds { uint64_t open[ROOST__FDS / 64]; };
void roost__fds_look(struct roost__fds *ret);

/* Opened, or closed, between two looks: a number, or -1. */
int roost__fds_more(const struct roost__fds *before,
                    const struct roost__fds *after);

/* "socket:", "/dev/null", without numbers, which differ from process to process.
 * A static buffer. */
const char *roost__fds_kind(int fd);

#endif
