/* reserve.h - a stop that needs no memory when it comes. */
#ifndef ROOST_DAEMON_RESERVE_H
#define ROOST_DAEMON_RESERVE_H

#include "core/rt.h"

/* From now on the root of this runtime can always be stopped. 0 or -ENOMEM. */
int roost__stop_reserve(struct roost_rt *rt);

/* At the end of the run, or when it could not begin; twice does no harm. */
void roost__stop_let_go(struct roost_rt *rt);

#endif
