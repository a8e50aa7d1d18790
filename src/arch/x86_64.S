/* x86_64.S - stack switching for the System V ABI of x86_64.
 *
 * A suspended context is seven words, and its saved stack pointer is where the
 * first of them lies:
 *
 *     sp ->  r15  r14  r13  r12  rbx  rbp  return address  | CFA
 *             +0   +8  +16  +24  +32  +40       +48        | +56
 *
 * Both ways out end in `ret`, the partner of the `call` that led in, so that
 * the processor's return predictor stays in step. A `jmp` was 7 ns slower.
 *
 * A fresh stack begins with two words:
 *
 *     top - 8    parent_sp, read by the CFI expression below
 *     top - 16   nothing, keeps the stack aligned
 */
    .macro  function name
    .p2align 4
    .hidden \name
    .type   \name, @function
\name:
    .cfi_startproc
    .endm

    .macro  end name
    .cfi_endproc
    .size   \name, . - \name
    .endm

    .macro  note_registers              /* where the unwinder finds them */
    .set    at, -16
    .irp    reg, rbp, rbx, r12, r13, r14, r15
    .cfi_offset \reg, at
    .set    at, at - 8
    .endr
    .endm

    .macro  save_registers
    .irp    reg, rbp, rbx, r12, r13, r14, r15
    pushq   %\reg                       /* the six that a callee must save */
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset \reg, 0
    .endr
    .endm

    .macro  load_registers_and_return
    .irp    reg, r15, r14, r13, r12, rbx, rbp
    popq    %\reg                       /* those of the other context */
    .cfi_adjust_cfa_offset -8
    .cfi_restore \reg
    .endr
    ret                                 /* to where that context called us */
    .endm

    .text
    .globl  roost__switch, roost__switch_fresh, roost__switch_visit
    .globl  roost__switch_base

/* void roost__switch(void **save [rdi], void *to [rsi]) */
function roost__switch
    endbr64                             /* may be called through a pointer */
    save_registers
    movq    %rsp, (%rdi)                /* *save = this context */
    movq    %rsi, %rsp                  /* same layout there: same CFI */
    load_registers_and_return
end roost__switch

/* void roost__switch_fresh(void **save [rdi], void *top [rsi],
 *     void *(*entry)(void *) [rdx], void *arg [rcx], void **parent_sp [r8]) */
function roost__switch_fresh
    endbr64                             /* may be called through a pointer */
    save_registers
    movq    %rsp, (%rdi)                /* *save = this context */
    movq    (%r8), %rax                 /* the spawner, suspended by now ... */
    movq    40(%rax), %rbp              /* ... its rbp, for `perf -g` */
    movq    %r8, -8(%rsi)               /* parent_sp, for the CFI below */
    leaq    -16(%rsi), %rsp             /* now on the fresh stack; falls on */
end roost__switch_fresh

/* The outermost function of every fresh stack. The frame outside it is the
 * spawner's, wherever the spawner is suspended now: CFA = **(rsp + 8) + 56.
 *
 * It passes for a signal frame since gdb stops at a normal frame whose caller
 * has a lower stack ("previous frame inner to this frame"), and stacks lie in
 * any order. A debugger looks up the exact return address of a signal frame,
 * libgcc the byte before it: both lie inside, in one row of the table.
 *
 * An exception stops here, at a personality routine written in C: what left a
 * task would be caught on the stack of its parent, which never called it. */
    .hidden roost__switch_stop, roost__switch_base
    .type   roost__switch_base, @function
roost__switch_base:
    .cfi_startproc
    .cfi_signal_frame
    .cfi_personality 0x1b, roost__switch_stop   /* pc-relative, 4 bytes */
    /* DW_CFA_def_cfa_expression, 6 bytes: DW_OP_breg7(rsp) 8, DW_OP_deref,
     * DW_OP_deref, DW_OP_plus_uconst 56 */
    .cfi_escape 0x0f, 6, 0x77, 8, 0x06, 0x06, 0x23, 56
    note_registers
    movq    %rcx, %rdi                  /* the argument */
    call    *%rdx                       /* entry(arg), on an aligned stack */
    movq    %rax, %rsp                  /* this stack is over; go on there */
    .cfi_def_cfa rsp, 56
    load_registers_and_return
end roost__switch_base

/* void roost__switch_visit(void *sp [rdi], void (*fn)(void *) [rsi],
 *     void *arg [rdx]). While fn runs, CFA = *rsp + 56: the frame outside is the
 * suspended one. A signal frame for the same reason as above. */
function roost__switch_visit
    .cfi_signal_frame
    endbr64                             /* may be called through a pointer */
    .cfi_remember_state
    pushq   %rdi                        /* for the CFI; aligns the stack */
    /* DW_CFA_def_cfa_expression, 5 bytes: DW_OP_breg7(rsp) 0, DW_OP_deref,
     * DW_OP_plus_uconst 56 */
    .cfi_escape 0x0f, 5, 0x77, 0, 0x06, 0x23, 56
    note_registers
    movq    %rdx, %rdi                  /* the argument */
    call    *%rsi                       /* fn(arg), on the caller's stack */
    popq    %rdi
    .cfi_restore_state
    ret
end roost__switch_visit

/* Indirect branch tracking yes (1); no shadow stack (2), for it would have to
 * be switched too. */
    .section .note.gnu.property, "a"
    .p2align 3
    .long   4, 16, 5                    /* sizes of name and data; type */
    .asciz  "GNU"
    .long   0xc0000002, 4, 1, 0         /* X86_FEATURE_1_AND, size, IBT, pad */

    .section .note.GNU-stack, "", @progbits
