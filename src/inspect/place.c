/* place.c - what stands at a code address, for reports. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "inspect/place.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void roost__place_of(const void *pc, char *buf, size_t bytes)
{
    Dl_info info;
    const char *file;

    if (!dladdr(pc, &info) || !info.dli_fname) {
        snprintf(buf, bytes, "%p", pc);
        return;
    }
    file = strrchr(info.dli_fname, '/');
    file = file ? file + 1 : info.dli_fname;
    if (info.dli_sname)
        snprintf(buf, bytes, "%s+0x%zx", info.dli_sname,
                 (size_t)((uintptr_t)pc - (uintptr_t)info.dli_saddr));
    else
        snprintf(buf, bytes, "%s+0x%zx", file,
                 (size_t)((uintptr_t)pc - (uintptr_t)info.dli_fbase));
}
