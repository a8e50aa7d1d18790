/* roost.h - structured concurrency for C on libev: every task comes home.
 *
 * The five-minute tour.
 *
 * 1. roost_run(fn, arg) runs a task and all it spawns, and returns when the last
 *    of them is home (task.h).
 * 2. A task that wants others opens a nursery and spawns them into it. The block
 *    cannot be left before they have ended: close waits for them, and when one
 *    fails, cancels the rest and returns the failure (nursery.h).
 * 3. Every wait can be cut: ROOST_WITHIN(ROOST_SEC(2), call(...)) puts a deadline
 *    around one call, a cancel scope around a block (scope.h). The code in
 *    between sees -ECANCELED from each wait and goes home by its usual error
 *    path; the scope turns it into -ETIMEDOUT.
 * 4. Results are ints: >= 0 or a negative errno. roost_fail(-EIO, "reading %s",
 *    name) adds words, which close gathers into a tree (error.h).
 * 5. Tasks talk through channels and events (chan.h, sync.h), wait for
 *    descriptors (io.h), and show what they are doing (trace.h).
 *
 * What may suspend is marked ROOST_WAITS in its prototype; nothing else does.
 */
#ifndef ROOST_H
#define ROOST_H

#include <roost/api.h>
#include <roost/chan.h>
#include <roost/daemon.h>
#include <roost/error.h>
#include <roost/guest.h>
#include <roost/io.h>
#include <roost/local.h>
#include <roost/nursery.h>
#include <roost/portal.h>
#include <roost/scope.h>
#include <roost/signal.h>
#include <roost/stop.h>
#include <roost/sync.h>
#include <roost/task.h>
#include <roost/time.h>
#include <roost/trace.h>

#endif
