/* faults.h - a table of system calls that counts, and fails one when told. */
#ifndef ROOST_TEST_FAULTS_H
#define ROOST_TEST_FAULTS_H

#include "core/sys.h"
#include "test/plan.h"

/* The table; one thread's at a time, the one that armed it. Until armed, and in
 * other threads, calls go through as they are. */
extern const struct roost_sys roost__faulty_sys;

/* Where an allocation or a call was made, for whoever records a run. `number` from
 * 1; `call` an index for the functions below, -1 for an allocation; `from` the code
 * that made it. */
typedef void roost__fault_seen_fn(uint32_t number, int call, const void *from);

/* From here on this thread's allocations and calls are counted from 1, and those
 * that the plan says fail. `seen` may be NULL. Keeps the pointer. */
void roost__faults_arm(const struct roost__plan *plan,
                       roost__fault_seen_fn *seen);
void roost__faults_disarm(void);

/* Since armed. `closed_twice`: close(2) met EBADF, by whomever. */
struct roost__fault_counts {
    uint32_t allocations, calls, struck, closed_twice;
    const void *closed_from; /* who did, the first time */
};
struct roost__fault_counts roost__faults_counts(void);

/* Asked by malloc and the like, on the way in: true, this one shall fail. */
bool roost__faults_allocation(const void *from);

/* The name of a call ("recvmsg"); which errnos it can be failed with (ended by 0,
 * empty: none makes sense); whether it can be shortened. */
const char *roost__fault_name(int call);
const int *roost__fault_errnos(int call);
bool roost__fault_shortens(int call);

/* Unmaps the stacks that runs left to later ones. */
void roost__faults_release(void);

#endif
