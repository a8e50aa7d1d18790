/* ucontext.c - stack switching over swapcontext(), for all other processors.
 *
 * Owns:     nothing; a suspended context's ucontext_t lies on its own stack.
 * Promises: the same as the assembly, at fifty times the price: swapcontext()
 *           asks the kernel for the signal mask.
 * Never:    tells unwinders about the spawner; a backtrace ends at the task.
 */
#include "arch/switch.h"

#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

struct fresh {
    void *(*entry)(void *);
    void *arg;
};

void roost__switch(void **save, void *to)
{
    ucontext_t here;

    here.uc_stack.ss_size = 0;  /* AddressSanitizer reads it */
    *save = &here;
    swapcontext(&here, to);
}

/* makecontext() hands over ints only, so the pointer comes in two halves. */
static void fresh_main(unsigned high, unsigned low)
{
    const struct fresh *f =
        (const struct fresh *)(uintptr_t)((uint64_t)high << 32 | low);

    setcontext(f->entry(f->arg));
}

void roost__switch_fresh(void **save, void *top, void *(*entry)(void *),
                         void *arg, void **parent_sp)
{
    enum { FIRST_BYTES = 4096 };        /* nothing looks at the lower end */
    struct fresh f = {entry, arg};
    uint64_t address = (uintptr_t)&f;   /* read before anyone resumes us */
    ucontext_t here, there;

    (void)parent_sp;
    getcontext(&there);
    there.uc_link = NULL;
    there.uc_stack.ss_sp = (char *)top - FIRST_BYTES;
    there.uc_stack.ss_size = FIRST_BYTES;
    makecontext(&there, (void (*)(void))fresh_main, 2,
                (unsigned)(address >> 32), (unsigned)address);
    here.uc_stack.ss_size = 0;
    *save = &here;
    swapcontext(&here, &there);
}
