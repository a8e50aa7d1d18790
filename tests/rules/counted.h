/* counted.h - a table of system calls that counts what is held, and fails. */
#ifndef ROOST_TESTS_RULES_COUNTED_H
#define ROOST_TESTS_RULES_COUNTED_H

#include "kit/kit.h"

#include <stdlib.h>

#include "core/sys.h"

static struct roost_sys table;
static int calls, fail_at; /* the how-manieth call fails; 0: none */
static long blocks, bytes_mapped;

static inline bool fails_now(int code)
{
    errno = code;
    return ++calls == fail_at;
}

static inline void *counted_alloc(size_t bytes)
{
    if (fails_now(ENOMEM))
        return NULL;
    blocks++;
    return malloc(bytes);
}

static inline void counted_free(void *block)
{
    blocks -= block != NULL;
    free(block);
}

static inline void *counted_mmap(void *at, size_t bytes, int prot,
                                 int flags, int fd, off_t offset)
{
    if (fails_now(ENOMEM))
        return (void *)-1;
    bytes_mapped += (long)bytes;
    return roost__sys_default.mmap(at, bytes, prot, flags, fd, offset);
}

static inline int counted_munmap(void *at, size_t bytes)
{
    bytes_mapped -= (long)bytes;
    return roost__sys_default.munmap(at, bytes);
}

static inline int counted_open(const char *path, int flags)
{
    return fails_now(EMFILE) ? -1 : roost__sys_default.open(path, flags);
}

static inline int counted_epoll_create1(int flags)
{
    return fails_now(EMFILE) ? -1 : roost__sys_default.epoll_create1(flags);
}

/* The thread's table is ours from now on; the fail-th call fails (0: none). */
static inline void count_calls(int fail)
{
    table = roost__sys_default;
    table.alloc = counted_alloc;
    table.free = counted_free;
    table.mmap = counted_mmap;
    table.munmap = counted_munmap;
    table.open = counted_open;
    table.epoll_create1 = counted_epoll_create1;
    calls = 0;
    fail_at = fail;
    roost__sys = &table;
}

/* Nothing is held any more. */
static inline void stop_counting(void)
{
    assert_ptr_equal(roost__sys, &table);
    assert_int_equal(blocks, 0);
    assert_int_equal(bytes_mapped, 0);
    roost__sys = &roost__sys_default;
}

#endif
