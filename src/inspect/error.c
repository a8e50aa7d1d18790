/* error.c - a failure and all it was caused by, in print. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "core/error.h"

#include <string.h>

/* "EIO"; a C library without names gives numbers. */
static const char *code_name(int code)
{
#ifdef __GLIBC__
    const char *name = strerrorname_np(code);

    if (name)
        return name;
#endif
    (void)code;
    return "no name";
}

static void print_one(FILE *out, const roost_error *e, int depth,
                      const char *how)
{
    fprintf(out, "%*s%s%s%s%s (%s, in %s, at %s)\n", depth * 2, "", how,
            e->text, e->text[0] ? ": " : "", strerror(-e->code),
            code_name(-e->code), e->path, roost__place(e->site));
}

static void print_tree(FILE *out, const roost_error *e, int depth,
                       const char *how)
{
    const roost_error *also;

    for (; e; e = e->older, how = "because: ") {
        print_one(out, e, depth, how);
        for (also = e->also; also && depth < 16; also = also->next)
            print_tree(out, also, depth + 1, "also: ");
        if (e->lost)
            fprintf(out, "%*salso: %u more\n", depth * 2 + 2, "", e->lost);
    }
}

void roost_error_print(FILE *out, const roost_error *e)
{
    if (e)
        print_tree(out, e, 0, "");
    else
        fprintf(out, "(no words about this failure were kept)\n");
}
