/* switch.h - the one place where the processor changes stacks.
 *
 * Owns:     nothing; a suspended context is what it left on its own stack.
 * Promises: callee-saved registers and the stack survive; signal mask, rounding
 *           mode and errno are not touched, they belong to the thread.
 * Never:    calls the kernel (but for ucontext.c, the portable fallback).
 *
 * One of x86_64.S, aarch64.S and ucontext.c is built. `save` and `to` of one
 * call must be of different contexts. A saved stack pointer is good for one
 * resumption.
 */
#ifndef ROOST_ARCH_SWITCH_H
#define ROOST_ARCH_SWITCH_H

#include <stdbool.h>
#include <stdint.h>

#define ROOST__HIDDEN __attribute__((visibility("hidden")))

/* Saves the callee-saved registers on the running stack, stores the stack
 * pointer in *save and goes on with the context whose saved stack pointer is
 * `to`. */
ROOST__HIDDEN void roost__switch(void **save, void *to);

/* The same, but begins a fresh context on the stack that ends at `top` (16-byte
 * aligned): calls entry(arg) there. When entry returns, the fresh context is
 * over for ever, and the context whose saved stack pointer it returned goes on.
 *
 * `parent_sp` (not NULL; may be `save`) is where the spawner's saved stack
 * pointer is kept: unwinders (gdb, backtrace()) continue there, so it must stay
 * readable, and the spawner suspended, for as long as this context runs. A C++
 * exception does not continue: it meets roost__switch_stop. */
ROOST__HIDDEN void roost__switch_fresh(void **save, void *top,
                                       void *(*entry)(void *), void *arg,
                                       void **parent_sp);

/* Calls fn(arg) on the running stack, in a frame outside of which an unwinder
 * finds those of the context suspended at `sp`, which is only read. It must stop
 * at that context's outermost frame: its spawner may be the one that runs, with
 * nothing saved. ucontext.c cannot do all that, and does not call fn. */
ROOST__HIDDEN void roost__switch_visit(void *sp, void (*fn)(void *), void *arg);

/* The code of that frame; NULL with ucontext.c. */
extern const char roost__switch_base[] ROOST__HIDDEN __attribute__((weak));

/* `at`, a return address, lies in an outermost frame. */
static inline bool roost__switch_is_base(const void *at)
{
    return (uintptr_t)at - (uintptr_t)roost__switch_base < 16;
}

/* The personality routine of the outermost frame, in the room that knows whose
 * stack it is: speaks, and returns _URC_END_OF_STACK. */
ROOST__HIDDEN int roost__switch_stop(int version, int actions, uint64_t kind,
                                     void *exception, void *context);

/* In a function of C that calls a user's function: the same for its frame. */
#ifdef __GCC_HAVE_DWARF2_CFI_ASM
#define ROOST__STOP_EXCEPTIONS() \
    __asm__ volatile(".cfi_personality 0x1b, roost__switch_stop")
#else
#define ROOST__STOP_EXCEPTIONS() ((void)0)
#endif

#endif
