/* modules.c - whose code it is that allocates.
 *
 * Owns:     where the C library, the dynamic linker, cmocka and libev are mapped.
 * Promises: a library that is linked into the program is not taken for one.
 * Never:    allocates.
 */
#define _GNU_SOURCE
#include "test/modules.h"

#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>

#include <cmocka.h>

static struct module {
    uintptr_t lo, hi;
} libc, loader, mock, ev;
static atomic_bool known;

int ev_version_major(void); /* <ev.h> is not for this room */
const char *gnu_get_libc_version(void);

static bool holds(const struct module *m, uintptr_t at)
{
    return at - m->lo < m->hi - m->lo;
}

static struct module extent_of(const struct dl_phdr_info *info)
{
    struct module m = { UINTPTR_MAX, 0 };
    const ElfW(Phdr) *h = info->dlpi_phdr;
    int i;

    for (i = 0; i < info->dlpi_phnum; i++, h++)
        if (h->p_type == PT_LOAD) {
            uintptr_t at = info->dlpi_addr + h->p_vaddr;

            m.lo = at < m.lo ? at : m.lo;
            m.hi = at + h->p_memsz > m.hi ? at + h->p_memsz : m.hi;
        }
    return m;
}

/* By one function of each; the program is told by one of ours. */
static int look_at(struct dl_phdr_info *info, size_t bytes, void *arg)
{
    struct module m = extent_of(info);

    (void)bytes, (void)arg;
    if (m.lo > m.hi || holds(&m, (uintptr_t)roost__modules_find))
        return 0;
    if (holds(&m, (uintptr_t)gnu_get_libc_version))
        libc = m;
    if (holds(&m, getauxval(AT_BASE)))
        loader = m;
    if (holds(&m, (uintptr_t)_assert_true))
        mock = m;
    if (holds(&m, (uintptr_t)ev_version_major))
        ev = m;
    return 0;
}

bool roost__modules_find(void)
{
    dl_iterate_phdr(look_at, NULL);
    atomic_store_explicit(&known, true, memory_order_release);
    return ev.hi;
}

bool roost__modules_known(void)
{
    return atomic_load_explicit(&known, memory_order_acquire);
}

bool roost__module_keeps(const void *from)
{
    uintptr_t at = (uintptr_t)from;

    return holds(&libc, at) || holds(&loader, at) || holds(&mock, at);
}

bool roost__module_is_ev(const void *from)
{
    return holds(&ev, (uintptr_t)from);
}
