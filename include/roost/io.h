/* io.h - waiting for descriptors.
 *
 *     r = ROOST_WITHIN(ROOST_SEC(1), roost_wait_fd(fd, ROOST_READ));
 *     if (r >= 0)
 *         got = read(fd, buf, sizeof buf);
 */
#ifndef ROOST_IO_H
#define ROOST_IO_H

#include <roost/task.h>

ROOST_BEGIN_DECLS

enum { ROOST_READ = 1, ROOST_WRITE = 2 };

/* Waits until `fd` can be read and/or written (hang-ups and errors count): the
 * mask of what it is ready for, or -ECANCELED, -EBADF, -EINVAL (no such mask).
 * The descriptor stays the caller's; it should be non-blocking. Regular files,
 * which are always ready, give -EPERM. */
ROOST_API int roost_wait_fd(int fd, int mask) ROOST_WAITS;

ROOST_END_DECLS

#endif
