/* notify.h - what the service manager says in the environment. */
#ifndef ROOST_DAEMON_NOTIFY_H
#define ROOST_DAEMON_NOTIFY_H

#include <stdint.h>

/* A variable that is a decimal number, nothing else, and `most` at most: that
 * number; -1 if it is not set; -2 if it is something else. */
int64_t roost__environment_number(const char *name, int64_t most);

#endif
