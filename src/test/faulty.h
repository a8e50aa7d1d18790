/* faulty.h - how the entries of the faulty table ask what shall become of them. */
#ifndef ROOST_TEST_FAULTY_H
#define ROOST_TEST_FAULTY_H

#include "test/faults.h"

enum call {
    CALL_mmap, CALL_mprotect, CALL_madvise, CALL_mincore, CALL_open, CALL_read,
    CALL_write, CALL_close, CALL_fstat, CALL_getrandom, CALL_eventfd,
    CALL_pwritev2, CALL_send, CALL_sendmsg, CALL_recvmsg, CALL_accept4,
    CALL_connect, CALL_getsockopt, CALL_fcntl, CALL_poll, CALL_epoll_create1,
    CALL_epoll_ctl, CALL_epoll_wait, CALL_nanosleep, CALL_timerfd_create,
    CALL_timerfd_settime, CALL_sigaltstack, CALL_sigtimedwait, CALL_socket, CALLS
};

#define ROOST__NO_FD (-1)

/* Counts a call of that descriptor, with MSG_... flags if it has any. true: it has
 * failed, and errno says how. */
bool roost__fault_struck(int call, int fd, int flags, const void *from);

/* The same for one that cannot fail if `sure`. */
bool roost__fault_struck_unless(bool sure, int call, const void *from);

/* How many of `len` bytes the call that was counted last may move. */
size_t roost__fault_cut(int call, int fd, size_t len);

/* close(2) for somebody. */
int roost__fault_close(int fd, const void *from);

/* Whether this thread's calls are counted. */
bool roost__faults_armed(void);

#endif
