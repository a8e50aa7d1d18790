/* local.h - handing task-locals from spawner to child. */
#ifndef ROOST_CORE_LOCAL_H
#define ROOST_CORE_LOCAL_H

#include "core/rt.h"

void roost__locals_inherit(roost_task *t, const roost_task *from);
void roost__locals_drop(roost_task *t);

#endif
