/* blame.h - the report of who has not ended, of bounded length. */
#ifndef ROOST_INSPECT_BLAME_H
#define ROOST_INSPECT_BLAME_H

#include <roost/stop.h>

/* As roost_blame_print; behind the first `most` the rest is only counted. */
size_t roost__blame_print(FILE *out, const roost_scope *scope, size_t most);

#endif
