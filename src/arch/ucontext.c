/* ucontext.c - stack switching over swapcontext(), for all other processors.
 *
 * Owns:     nothing; a suspended context's ucontext_t lies on its own stack.
 * Promises: the same as the assembly, at fifty times the price: swapcontext()
 *           asks the kernel for the signal mask.
 * Never:    tells unwinders about the spawner; a backtrace ends at the task.
 */
#include "arch/switch.h"

#include <stddef.h>
#include <ucontext.h>

void roost__switch(void **save, void *to)
{
    ucontext_t here;

    here.uc_stack.ss_size = 0;  /* AddressSanitizer reads it */
    *save = &here;
    swapcontext(&here, to);
}

/* What to call on the fresh stack: makecontext() hands over ints only. */
static _Thread_local struct {
    void *(*entry)(void *);
    void *arg;
} fresh;

static void fresh_main(void)
{
    ROOST__STOP_EXCEPTIONS();
    setcontext(fresh.entry(fresh.arg));
}

void roost__switch_fresh(void **save, void *top, void *(*entry)(void *),
                         void *arg, void **parent_sp)
{
    enum { FIRST_BYTES = 4096 };        /* nothing looks at the lower end */
    ucontext_t here, there;

    (void)parent_sp;
    getcontext(&there);
    there.uc_link = NULL;
    there.uc_stack.ss_sp = (char *)top - FIRST_BYTES;
    there.uc_stack.ss_size = FIRST_BYTES;
    makecontext(&there, fresh_main, 0);
    fresh.entry = entry;
    fresh.arg = arg;
    here.uc_stack.ss_size = 0;
    *save = &here;
    swapcontext(&here, &there);
}

void roost__switch_visit(void *sp, void (*fn)(void *), void *arg)
{
    (void)sp, (void)fn, (void)arg;
}
