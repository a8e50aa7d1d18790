/* aarch64.S - stack switching for the procedure call standard of aarch64.
 *
 * A suspended context is twenty words, and its saved stack pointer is where the
 * first of them lies:
 *
 *     sp ->  x19 ... x28  x29  x30  d8 ... d15  | CFA
 *             +0     +72  +80  +88  +96   +152  | +160
 *
 * A fresh stack begins with two words: parent_sp at top - 8, nothing below it.
 * x86_64.S tells the reasons; here are the same functions.
 */
    .macro  function name
    .p2align 4
    .hidden \name
    .type   \name, %function
\name:
    .cfi_startproc
    .endm

    .macro  end name
    .cfi_endproc
    .size   \name, . - \name
    .endm

    .macro  note_registers              /* where the unwinder finds them */
    .set    at, -160
    .irp    reg, x19, x20, x21, x22, x23, x24, x25, x26, x27, x28, x29, x30
    .cfi_offset \reg, at
    .set    at, at + 8
    .endr
    .irp    reg, d8, d9, d10, d11, d12, d13, d14, d15
    .cfi_offset \reg, at
    .set    at, at + 8
    .endr
    .endm

    .macro  move_registers op           /* all that a callee must save */
    \op     x19, x20, [sp, #0]
    \op     x21, x22, [sp, #16]
    \op     x23, x24, [sp, #32]
    \op     x25, x26, [sp, #48]
    \op     x27, x28, [sp, #64]
    \op     x29, x30, [sp, #80]         /* frame pointer, return address */
    \op     d8, d9, [sp, #96]
    \op     d10, d11, [sp, #112]
    \op     d12, d13, [sp, #128]
    \op     d14, d15, [sp, #144]
    .endm

    .macro  save_registers
    sub     sp, sp, #160                /* room for the context */
    .cfi_adjust_cfa_offset 160
    move_registers stp
    note_registers
    mov     x9, sp                      /* sp itself cannot be stored */
    str     x9, [x0]                    /* *save = this context */
    .endm

    .macro  load_registers_and_return
    move_registers ldp                  /* those of the other context */
    add     sp, sp, #160                /* leave no trace on its stack */
    .cfi_def_cfa_offset 0
    ret                                 /* to where that context called us */
    .endm

    .text
    .globl  roost__switch, roost__switch_fresh, roost__switch_visit
    .globl  roost__switch_base

/* void roost__switch(void **save [x0], void *to [x1]) */
function roost__switch
    hint    #34                         /* bti c: called through a pointer */
    save_registers
    mov     sp, x1                      /* same layout there: same CFI */
    load_registers_and_return
end roost__switch

/* void roost__switch_fresh(void **save [x0], void *top [x1],
 *     void *(*entry)(void *) [x2], void *arg [x3], void **parent_sp [x4]) */
function roost__switch_fresh
    hint    #34                         /* bti c: called through a pointer */
    save_registers
    ldr     x9, [x4]                    /* the spawner, suspended by now ... */
    ldr     x29, [x9, #80]              /* ... its x29, for `perf -g` */
    str     x4, [x1, #-8]               /* parent_sp, for the CFI below */
    sub     sp, x1, #16                 /* now on the fresh stack; falls on */
end roost__switch_fresh

/* The outermost function of every fresh stack: CFA = **(sp + 8) + 160. */
    .hidden roost__switch_stop, roost__switch_base
    .type   roost__switch_base, %function
roost__switch_base:
    .cfi_startproc
    .cfi_signal_frame
    .cfi_personality 0x1b, roost__switch_stop   /* pc-relative, 4 bytes */
    /* DW_CFA_def_cfa_expression, 7 bytes: DW_OP_breg31(sp) 8, DW_OP_deref,
     * DW_OP_deref, DW_OP_plus_uconst 160 */
    .cfi_escape 0x0f, 7, 0x8f, 8, 0x06, 0x06, 0x23, 0xa0, 0x01
    note_registers
    mov     x0, x3                      /* the argument */
    blr     x2                          /* entry(arg), on an aligned stack */
    mov     sp, x0                      /* this stack is over; go on there */
    .cfi_def_cfa sp, 160
    load_registers_and_return
end roost__switch_base

/* void roost__switch_visit(void *sp [x0], void (*fn)(void *) [x1],
 *     void *arg [x2]). While fn runs, CFA = *sp + 160. */
function roost__switch_visit
    .cfi_signal_frame
    hint    #34                         /* bti c: called through a pointer */
    .cfi_remember_state
    stp     x0, x30, [sp, #-16]!        /* for the CFI; the way back */
    /* DW_CFA_def_cfa_expression, 6 bytes: DW_OP_breg31(sp) 0, DW_OP_deref,
     * DW_OP_plus_uconst 160 */
    .cfi_escape 0x0f, 6, 0x8f, 0, 0x06, 0x23, 0xa0, 0x01
    note_registers
    mov     x0, x2                      /* the argument */
    blr     x1                          /* fn(arg), on the caller's stack */
    ldp     x0, x30, [sp], #16
    .cfi_restore_state
    ret
end roost__switch_visit

/* Branch target identification yes (1); return addresses are not signed (2). */
    .section .note.gnu.property, "a"
    .p2align 3
    .long   4, 16, 5                    /* sizes of name and data; type */
    .asciz  "GNU"
    .long   0xc0000000, 4, 1, 0         /* FEATURE_1_AND, size, BTI, pad */

    .section .note.GNU-stack, "", %progbits
