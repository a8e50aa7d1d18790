/* test_switch.c - claims about the bare change of stacks, below any scheduler.
 *
 * With the argument "chain" the program only builds a chain of contexts and
 * ends: gdb is pointed at that. With "speed" it prints what a switch costs.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <unwind.h>
#if defined(__GLIBC__)
#include <execinfo.h>
#endif

#include "arch/switch.h"
#include "core/fiber.h"
#include "test/valgrind.h"

#define STACK_BYTES ((size_t)256 * 1024)
#if defined(__clang__)
#define NOINLINE __attribute__((noinline, disable_tail_calls))
#else
#define NOINLINE __attribute__((noinline, noclone, noipa, \
                                optimize("no-optimize-sibling-calls")))
#endif

/* A context with what AddressSanitizer and ThreadSanitizer must hear of it. */
struct context {
    void *sp;
    char *lo;
    unsigned valgrind_id;
    struct roost__fiber fiber;
    struct context *back;       /* where to go when it is over */
    void *(*run)(struct context *self);
};

static struct context outside;  /* cmocka's own stack */

static void *stacks_map(size_t count)
{
    void *at = mmap(NULL, count * STACK_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert_true(at != MAP_FAILED);
    return at;
}

static void go(struct context *from, struct context *to)
{
    roost__fiber_leave(&from->fiber, &to->fiber, false);
    roost__switch(&from->sp, to->sp);
    roost__fiber_arrive(&from->fiber);
}

/* It ends on another stack than it began, which ThreadSanitizer, noting each
 * function's begin and end, would take amiss. */
#if defined(ROOST__TSAN) && defined(__clang__)
__attribute__((disable_sanitizer_instrumentation))
#elif defined(ROOST__TSAN)
__attribute__((no_sanitize_thread))
#endif
static void *context_life(void *arg)
{
    struct context *self = arg;

    roost__fiber_begin(self->back == &outside ? &outside.fiber : NULL);
    self->run(self);
    roost__fiber_leave(&self->fiber, &self->back->fiber, true);
    return self->back->sp;
}

static void begin(struct context *from, struct context *to, char *lo,
                  void *(*run)(struct context *))
{
    *to = (struct context){.lo = lo, .back = from, .run = run};
    to->valgrind_id = VALGRIND_STACK_REGISTER(lo, lo + STACK_BYTES - 1);
    roost__fiber_made(&to->fiber, lo, STACK_BYTES);
    roost__fiber_leave(&from->fiber, &to->fiber, false);
    roost__switch_fresh(&from->sp, lo + STACK_BYTES, context_life, to,
                        &from->sp);
    roost__fiber_arrive(&from->fiber);
}

static void finish(struct context *c)
{
    roost__fiber_gone(&c->fiber);
    VALGRIND_STACK_DEREGISTER(c->valgrind_id);
    munmap(c->lo, STACK_BYTES);
}

/* ---- order ---- */

static char trail[64];

static void note(char what)
{
    size_t len = strlen(trail);

    trail[len] = what;
    trail[len + 1] = '\0';
}

static void *ping(struct context *self)
{
    for (char c = 'a'; c < 'd'; c++) {
        note(c);
        go(self, self->back);
    }
    note('.');
    return NULL;
}

static void ping_pong_alternates_and_returns(void **state)
{
    struct context child;

    (void)state;
    trail[0] = '\0';
    begin(&outside, &child, stacks_map(1), ping);
    for (char c = '1'; c < '4'; c++) {
        note(c);
        go(&outside, &child);
    }
    assert_string_equal(trail, "a1b2c3.");
    finish(&child);
}

/* ---- registers ---- */

static volatile unsigned long seed = 3;

/* More live values than a caller may lose, in both kinds of registers. */
#define KEEP(call)                                                           \
    do {                                                                     \
        unsigned long a = seed, b = a * 3, c = b ^ a, d = c * 5, e = d + b,  \
                      f = e ^ c, g = f * 7;                                  \
        double t = (double)a, u = t / 3, v = u + 1, w = v * v, x = w - u,    \
               y = x / 7, z = y + w;                                         \
        __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e));  \
        call;                                                                \
        __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e));  \
        wrong += b != a * 3 || c != (b ^ a) || d != c * 5 || e != d + b ||   \
                 f != (e ^ c) || g != f * 7;                                 \
        wrong += t != (double)a || u != t / 3 || v != u + 1 || w != v * v || \
                 x != w - u || y != x / 7 || z != y + w;                     \
    } while (0)

static int wrong;

static void *spoiler(struct context *self)
{
    for (int i = 0; i < 3; i++) {
        seed = seed * 17 + 1;
        KEEP(go(self, self->back));
    }
    return NULL;
}

static void registers_and_doubles_survive(void **state)
{
    struct context child;

    (void)state;
    wrong = 0;
    KEEP(begin(&outside, &child, stacks_map(1), spoiler));
    for (int i = 0; i < 3; i++) {
        seed = seed * 13 + 5;
        KEEP(go(&outside, &child));
    }
    assert_int_equal(wrong, 0);
    finish(&child);
}

#if defined(__x86_64__) && !defined(ROOST_UCONTEXT) && !defined(ROOST__ASAN)
/* Each callee-saved register by name. */
NOINLINE static int registers_lost(void **save, void *to)
{
    int lost;

    __asm__ volatile(
        "pushq %%rbp\n\t subq $136, %%rsp\n\t"      /* past the red zone */
        "movq $11, %%rbx\n\t movq $12, %%rbp\n\t movq $13, %%r12\n\t"
        "movq $14, %%r13\n\t movq $15, %%r14\n\t movq $16, %%r15\n\t"
        "call roost__switch\n\t"
        "xorl %%eax, %%eax\n\t"
        "subq $11, %%rbx\n\t orq %%rbx, %%rax\n\t"
        "subq $12, %%rbp\n\t orq %%rbp, %%rax\n\t"
        "subq $13, %%r12\n\t orq %%r12, %%rax\n\t"
        "subq $14, %%r13\n\t orq %%r13, %%rax\n\t"
        "subq $15, %%r14\n\t orq %%r14, %%rax\n\t"
        "subq $16, %%r15\n\t orq %%r15, %%rax\n\t"
        "addq $136, %%rsp\n\t popq %%rbp\n\t"
        : "=&a"(lost), "+D"(save), "+S"(to)
        :
        : "rbx", "r12", "r13", "r14", "r15", "rcx", "rdx", "r8", "r9", "r10",
          "r11", "memory", "cc");
    return lost;
}

static void *zero_registers(struct context *self)
{
    __asm__ volatile("" ::: "rbx", "r12", "r13", "r14", "r15");
    wrong |= registers_lost(&self->sp, outside.sp);
    return NULL;
}

static void each_callee_saved_register_survives(void **state)
{
    struct context child;

    (void)state;
    wrong = 0;
    begin(&outside, &child, stacks_map(1), zero_registers);
    wrong |= registers_lost(&outside.sp, child.sp);
    assert_int_equal(wrong, 0);
    finish(&child);
}
#elif defined(__aarch64__) && !defined(ROOST_UCONTEXT) && !defined(ROOST__ASAN)
/* Each callee-saved register by name; one context keeps its number in it, the
 * other its number with a minus. */
#define REGISTERS_LOST(name, sign)                                             \
    NOINLINE static long name(void **save, void *to)                           \
    {                                                                          \
        register void *x0 __asm__("x0") = save;                                \
        register void *x1 __asm__("x1") = to;                                  \
                                                                               \
        __asm__ volatile(                                                      \
            "str x29, [sp, #-16]!\n"                                           \
            ".irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29\n"             \
            "mov x\\n, #" sign "\\n\n .endr\n"                                 \
            ".irp n, 8, 9, 10, 11, 12, 13, 14, 15\n"                           \
            "fmov d\\n, #" sign "\\n\\().0\n .endr\n"                          \
            "bl roost__switch\n mov x0, #0\n"                                  \
            ".irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29\n"             \
            "mov x9, #" sign "\\n\n eor x9, x9, x\\n\n"                        \
            "orr x0, x0, x9\n .endr\n"                                         \
            ".irp n, 8, 9, 10, 11, 12, 13, 14, 15\n"                           \
            "fmov d0, #" sign "\\n\\().0\n fmov x9, d0\n"                      \
            "fmov x10, d\\n\n eor x9, x9, x10\n orr x0, x0, x9\n .endr\n"     \
            "ldr x29, [sp], #16"                                               \
            : "+r"(x0), "+r"(x1)                                               \
            :                                                                  \
            : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11",    \
              "x12", "x13", "x14", "x15", "x16", "x17", "x19", "x20", "x21",   \
              "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30", "d0",    \
              "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9", "d10",     \
              "d11", "d12", "d13", "d14", "d15", "d16", "d17", "d18", "d19",   \
              "d20", "d21", "d22", "d23", "d24", "d25", "d26", "d27", "d28",   \
              "d29", "d30", "d31", "memory", "cc");                            \
        return (long)x0;                                                       \
    }

REGISTERS_LOST(registers_lost, "")
REGISTERS_LOST(others_lost, "-")

static void *other_registers(struct context *self)
{
    wrong |= others_lost(&self->sp, outside.sp) != 0;
    return NULL;
}

static void each_callee_saved_register_survives(void **state)
{
    struct context child;

    (void)state;
    wrong = 0;
    begin(&outside, &child, stacks_map(1), other_registers);
    wrong |= registers_lost(&outside.sp, child.sp) != 0;
    assert_int_equal(wrong, 0);
    finish(&child);
}
#else
static void each_callee_saved_register_survives(void **state)
{
    (void)state;
    skip();
}
#endif

static void *alignment(struct context *self)
{
    _Alignas(16) volatile char here[16];
    char text[32];

    wrong += (uintptr_t)here % 16 != 0;
    wrong += (uintptr_t)__builtin_frame_address(0) % 16 != 0;
    snprintf(text, sizeof text, "%.2f", (double)seed / (double)seed);
    wrong += strcmp(text, "1.00") != 0;
    here[0] = (char)(uintptr_t)self;
    return NULL;
}

static void a_fresh_stack_is_aligned(void **state)
{
    struct context child;

    (void)state;
    wrong = 0;
    begin(&outside, &child, stacks_map(1), alignment);
    assert_int_equal(wrong, 0);
    finish(&child);
}

/* ---- a visit ---- */

#if (defined(__x86_64__) || defined(__aarch64__)) && \
    !defined(ROOST_UCONTEXT) && !defined(ROOST__ASAN)
/* By their numbers in DWARF, as each_callee_saved_register_survives has them. */
#if defined(__x86_64__)
#define NUMBERED zero_registers
static const struct { int name; long value; } numbered[] = {
    { 3, 11 }, { 6, 12 }, { 12, 13 }, { 13, 14 }, { 14, 15 }, { 15, 16 } };
#else
#define NUMBERED other_registers
static const struct { int name; long value; } numbered[] = {
    { 19, -19 }, { 20, -20 }, { 21, -21 }, { 22, -22 }, { 23, -23 },
    { 24, -24 }, { 25, -25 }, { 26, -26 }, { 27, -27 }, { 28, -28 },
    { 29, -29 } };
#endif

static bool visited;

/* Of the innermost frame on the context's own stack. */
static _Unwind_Reason_Code registers_check(struct _Unwind_Context *frame,
                                           void *arg)
{
    const struct context *c = arg;

    if (_Unwind_GetCFA(frame) - (uintptr_t)c->lo >= STACK_BYTES)
        return _URC_NO_REASON;
    for (size_t i = 0; i < sizeof numbered / sizeof numbered[0]; i++)
        wrong |= (long)_Unwind_GetGR(frame, numbered[i].name) !=
                 numbered[i].value;
    visited = true;
    return _URC_END_OF_STACK;
}

static void visit(void *arg)
{
    KEEP(_Unwind_Backtrace(registers_check, arg));
}

static void a_visit_shows_the_registers_of_who_is_suspended(void **state)
{
    struct context child;

    (void)state;
    wrong = 0;
    visited = false;
    begin(&outside, &child, stacks_map(1), NUMBERED);
    KEEP(roost__switch_visit(child.sp, visit, &child));
    assert_true(visited);
    go(&outside, &child);
    assert_int_equal(wrong, 0);
    finish(&child);
}
#else
static void a_visit_shows_the_registers_of_who_is_suspended(void **state)
{
    (void)state;
    skip();
}
#endif

/* ---- many ---- */

enum { MANY = 1000 };

static size_t ended;

static void *nap(struct context *self)
{
    go(self, &outside);
    ended++;
    return NULL;
}

static void a_thousand_contexts_live_at_once(void **state)
{
    struct context *all = calloc(MANY, sizeof *all);
    char *memory = stacks_map(MANY);

    (void)state;
    ended = 0;
    for (size_t i = 0; i < MANY; i++)
        begin(&outside, &all[i], memory + i * STACK_BYTES, nap);
    assert_int_equal(ended, 0);
    for (size_t i = MANY; i-- > 0;)
        go(&outside, &all[i]);
    assert_int_equal(ended, MANY);
    for (size_t i = 0; i < MANY; i++)
        finish(&all[i]);
    free(all);
}

/* What a context returns goes on, be it not the one that began it. */
static struct context first, second;

static void *end_into_first(void *arg)
{
    roost__fiber_begin(NULL);
    note('2');
    roost__fiber_leave(&second.fiber, &first.fiber, true);
    (void)arg;
    return first.sp;
}

static void *wait_for_second(struct context *self)
{
    go(self, &outside);
    note('1');
    return NULL;
}

static void an_ending_context_chooses_the_next(void **state)
{
    (void)state;
    trail[0] = '\0';
    begin(&outside, &first, stacks_map(1), wait_for_second);
    second.lo = stacks_map(1);
    second.valgrind_id =
        VALGRIND_STACK_REGISTER(second.lo, second.lo + STACK_BYTES - 1);
    roost__fiber_made(&second.fiber, second.lo, STACK_BYTES);
    roost__fiber_leave(&outside.fiber, &second.fiber, false);
    roost__switch_fresh(&outside.sp, second.lo + STACK_BYTES, end_into_first,
                        NULL, &outside.sp);
    roost__fiber_arrive(&outside.fiber);
    assert_string_equal(trail, "21");
    finish(&first);
    finish(&second);
}

/* ---- unwinding ---- */

/* Stacks in an order that goes down and up again: main is above them all. */
static struct context outer, middle, inner;
static char *chain_memory;
static void *frames[64];
static int frame_count;

NOINLINE void *chain_inner(struct context *self);
NOINLINE void *chain_middle(struct context *self);
NOINLINE void *chain_outer(struct context *self);
NOINLINE void chain_main(void);

NOINLINE void *chain_inner(struct context *self)
{
#if defined(__GLIBC__)
    frame_count = backtrace(frames, 64);
#endif
    return (void)self, NULL;
}

NOINLINE void *chain_middle(struct context *self)
{
    begin(self, &inner, chain_memory + STACK_BYTES, chain_inner);
    return NULL;
}

NOINLINE void *chain_outer(struct context *self)
{
    begin(self, &middle, chain_memory + 2 * STACK_BYTES, chain_middle);
    return NULL;
}

NOINLINE void chain_main(void)
{
    chain_memory = stacks_map(3);
    begin(&outside, &outer, chain_memory, chain_outer);
    finish(&outer);
    finish(&middle);
    finish(&inner);
}

static bool frames_hold(void *fn)
{
    /* These functions are short; the return address is just behind `fn`. */
    for (int i = 0; i < frame_count; i++)
        if ((uintptr_t)frames[i] - (uintptr_t)fn < 1024)
            return true;
    return false;
}

static void backtrace_goes_on_in_the_spawners(void **state)
{
    (void)state;
#if defined(ROOST_UCONTEXT) || !defined(__GLIBC__)
    skip();
#endif
    frame_count = 0;
    chain_main();
    assert_true(frame_count >= 8 && frame_count < 64);
    assert_true(frames_hold((void *)(uintptr_t)chain_inner));
    assert_true(frames_hold((void *)(uintptr_t)chain_middle));
    assert_true(frames_hold((void *)(uintptr_t)chain_outer));
    assert_true(frames_hold((void *)(uintptr_t)chain_main));
    assert_true(frames_hold((void *)(uintptr_t)
                                backtrace_goes_on_in_the_spawners));
}

static char self_path[4096];

/* gdb's own output, up to the end of the buffer. */
static size_t gdb_read(char *text, size_t bytes)
{
    char command[4096 + 256];
    FILE *f;
    size_t len;

    snprintf(command, sizeof command,
             "ASAN_OPTIONS=detect_leaks=0 gdb -q -nx -batch "
             "-ex 'set debuginfod enabled off' -ex 'break chain_inner' "
             "-ex run -ex bt --args %s chain </dev/null 2>&1", self_path);
    f = popen(command, "r");
    assert_non_null(f);
    len = fread(text, 1, bytes - 1, f);
    pclose(f);
    text[len] = '\0';
    return len;
}

static void gdb_shows_the_whole_chain(void **state)
{
    static const char *const names[] = {"chain_inner", "chain_middle",
                                        "chain_outer", "chain_main", " main "};
    static char text[65536];
    const char *at;

    (void)state;
#ifdef ROOST_UCONTEXT
    skip();
#endif
    if (system("command -v gdb >/dev/null 2>&1") != 0) {
        print_message("gdb is not installed: its test is skipped\n");
        skip();
    }
    gdb_read(text, sizeof text);
    at = strstr(text, "\n#0");
    if (!at && (strstr(text, "ptrace") || strstr(text, "cannot execute"))) {
        print_message("gdb cannot run this here: its test is skipped\n");
        skip();
    }
    for (size_t i = 0; at && i < sizeof names / sizeof names[0]; i++)
        at = strstr(at, names[i]);
    if (!at)
        print_message("%s\n", text);
    assert_non_null(at);
}

/* ---- speed ---- */

enum { TURNS = 20000000 };

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *outside_sp, *child_sp;

static void *at_once(void *arg)
{
    (void)arg;
    return outside_sp;
}

/* Both contexts run this: one place in the code, as in a scheduler, so that the
 * processor foresees where the switch returns to. */
NOINLINE static void turns(void **save, void **to)
{
    for (int i = 0; i < TURNS / 2; i++)
        roost__switch(save, *to);
}

static void *turns_of_child(void *arg)
{
    (void)arg;
    turns(&child_sp, &outside_sp);
    return outside_sp;
}

static int speed(void)
{
    char *top = (char *)stacks_map(1) + STACK_BYTES;
    double t0 = now_ns(), t1, t2;

    for (int i = 0; i < TURNS; i++)
        roost__switch_fresh(&outside_sp, top, at_once, NULL, &outside_sp);
    t1 = now_ns();
    roost__switch_fresh(&outside_sp, top, turns_of_child, NULL, &outside_sp);
    turns(&outside_sp, &child_sp);
    t2 = now_ns();
    printf("a fresh context, begun and ended %.2f ns; a switch %.2f ns\n",
           (t1 - t0) / TURNS, (t2 - t1) / TURNS);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ping_pong_alternates_and_returns),
        cmocka_unit_test(registers_and_doubles_survive),
        cmocka_unit_test(each_callee_saved_register_survives),
        cmocka_unit_test(a_fresh_stack_is_aligned),
        cmocka_unit_test(a_visit_shows_the_registers_of_who_is_suspended),
        cmocka_unit_test(a_thousand_contexts_live_at_once),
        cmocka_unit_test(an_ending_context_chooses_the_next),
        cmocka_unit_test(backtrace_goes_on_in_the_spawners),
        cmocka_unit_test(gdb_shows_the_whole_chain),
    };
    ssize_t len = readlink("/proc/self/exe", self_path, sizeof self_path - 1);

    if (len < 0)
        snprintf(self_path, sizeof self_path, "%s", argv[0]);
    roost__fiber_main(&outside.fiber);
    if (argc > 1 && strcmp(argv[1], "speed") == 0)
        return speed();
    if (argc > 1 && strcmp(argv[1], "chain") == 0)
        return chain_main(), 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
