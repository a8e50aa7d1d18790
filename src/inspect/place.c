/* place.c - what stands at a code address, for reports.
 *
 * Promises: allocates nothing, does not recurse; believes nothing that a file
 *           says of itself, and no file that is not the one in memory.
 *
 * The dynamic linker knows exported functions; the names of the others are in
 * the file only, unless it was stripped.
 */
#define _GNU_SOURCE
#include "inspect/place.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "core/sys.h"

/* An ELF file, mapped as it lies on the disk. */
struct image { char *bytes; size_t len; };

/* A table of the file; NULL if it does not lie in there, or not aligned. */
static const void *table(const struct image *f, size_t offset, size_t count,
                         size_t item_bytes)
{
    bool bad = offset > f->len || count > (f->len - offset) / item_bytes ||
               (item_bytes > 1 && offset % sizeof(ElfW(Addr)) != 0);

    return bad ? NULL : f->bytes + offset;
}

/* The function around `at`, where a return address may be just behind it. */
static const ElfW(Sym) *symbol_at(const struct image *f, const ElfW(Shdr) *in,
                                  ElfW(Addr) at)
{
    size_t n = in->sh_size / sizeof(ElfW(Sym));
    const ElfW(Sym) *s = table(f, in->sh_offset, n, sizeof *s), *best = NULL;

    for (; s && n > 0; s++, n--)
        if (ELF64_ST_TYPE(s->st_info) == STT_FUNC &&
            at - s->st_value <= s->st_size &&
            (!best || s->st_value > best->st_value))
            best = s;
    return best;
}

static bool write_name(const struct image *f, ElfW(Addr) at, char *buf,
                       size_t bytes)
{
    const ElfW(Ehdr) *head = (const void *)f->bytes;
    const ElfW(Shdr) *all = table(f, head->e_shoff, head->e_shnum, sizeof *all);
    const ElfW(Shdr) *s = all, *end = all ? all + head->e_shnum : NULL, *text;
    const ElfW(Sym) *symbol;
    const char *names;

    while (s < end && s->sh_type != SHT_SYMTAB)
        s++;
    if (s == end || s->sh_link >= head->e_shnum)
        return false;
    text = all + s->sh_link;
    names = table(f, text->sh_offset, text->sh_size, 1);
    symbol = symbol_at(f, s, at);
    if (!names || !symbol || symbol->st_name >= text->sh_size ||
        names[text->sh_size - 1] != '\0')
        return false;
    return snprintf(buf, bytes, "%s+0x%zx", names + symbol->st_name,
                    (size_t)(at - symbol->st_value)) >= 0;
}

static bool write_from_file(const Dl_info *o, uintptr_t pc, char *buf,
                            size_t bytes)
{
    const void *headers = (const void *)(uintptr_t)getauxval(AT_PHDR);
    const ElfW(Ehdr) *head = o->dli_fbase;
    struct image f = {MAP_FAILED, 0};
    struct stat st;
    Dl_info program;    /* its name may be relative, or be gone */
    bool own = dladdr(headers, &program) && program.dli_fbase == head, found;
    int fd = roost__sys->open(own ? "/proc/self/exe" : o->dli_fname,
                              O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    if (roost__sys->fstat(fd, &st) == 0 && st.st_size > (off_t)sizeof *head) {
        f.len = (size_t)st.st_size;
        f.bytes = roost__sys->mmap(NULL, f.len, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    roost__sys->close(fd);
    if (f.bytes == MAP_FAILED)
        return false;
    found = memcmp(f.bytes, head, sizeof *head) == 0 &&
            write_name(&f, head->e_type == ET_EXEC ? pc : pc - (uintptr_t)head,
                       buf, bytes);
    roost__sys->munmap(f.bytes, f.len);
    return found;
}

void roost__place_of(const void *pc, char *buf, size_t bytes)
{
    const char *at = pc, *slash;
    Dl_info o;

    if (!dladdr(pc, &o) || !o.dli_fname) {
        snprintf(buf, bytes, "%p", pc);
    } else if (o.dli_sname) {
        snprintf(buf, bytes, "%s+0x%zx", o.dli_sname,
                 (size_t)(at - (const char *)o.dli_saddr));
    } else if (!write_from_file(&o, (uintptr_t)pc, buf, bytes)) {
        slash = strrchr(o.dli_fname, '/');
        snprintf(buf, bytes, "%s+0x%zx", slash ? slash + 1 : o.dli_fname,
                 (size_t)(at - (const char *)o.dli_fbase));
    }
}
