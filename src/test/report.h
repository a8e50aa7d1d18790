/* report.h - what a failure of a tortured body looks like. */
#ifndef ROOST_TEST_REPORT_H
#define ROOST_TEST_REPORT_H

#include "test/strike.h"

/* Where it was struck, with the line of the source if a tool knows it. */
void roost__report_where(const struct roost__verdict *v, char *text,
                         size_t bytes);

/* On stderr. `own_name`: the user's name of the body, or NULL. */
void roost__report_failure(const roost_torture_report *r, const char *name,
                           const char *own_name);

#endif
