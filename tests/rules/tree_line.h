/* tree_line.h - one line of roost_tree_print, found by a made-up place.
 *
 *     roost_spawn_at(n, fn, arg, "child.c:1");
 *     EXPECT_HAS(tree_line("child.c:1"), "waits for the clock");
 */
#ifndef ROOST_TESTS_RULES_TREE_LINE_H
#define ROOST_TESTS_RULES_TREE_LINE_H

#include <string.h>

#include "kit/kit.h"

/* The first line that names `site`, or "". A static buffer, kept until the next
 * call. */
static inline const char *tree_line(const char *site)
{
    static char line[512];
    const char *tree = kit_tree(), *at = strstr(tree, site);
    size_t len;

    line[0] = '\0';
    if (!at)
        return line;
    while (at > tree && at[-1] != '\n')
        at--;
    len = strcspn(at, "\n");
    if (len >= sizeof line)
        len = sizeof line - 1;
    memcpy(line, at, len);
    line[len] = '\0';
    return line;
}

#endif
