/* backtrace.c - where in C a task stands: its frames, by the unwinder.
 *
 * Promises: allocates nothing, and needs nothing of the task's own stack: the
 *           unwinder runs on the caller's, from a frame whose outer one is the
 *           suspended task's. A switch costs nothing more for it.
 *
 * Outside a task's outermost frame unwinders find the spawner. We must not go on
 * there: it may be the one that runs, and what it saved last is no frame now.
 */
#include "inspect/backtrace.h"

#include <string.h>
#include <unwind.h>

#include "arch/switch.h"
#include "inspect/place.h"

enum { SHOWN_MAX = 24 };

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *frame, void *arg)
{
    struct roost__backtrace *b = arg;
    void *at = (void *)_Unwind_GetIP(frame);

    b->whole = roost__switch_is_base(at);
    if (b->whole || b->count == sizeof b->frames / sizeof b->frames[0])
        return _URC_END_OF_STACK;
    b->frames[b->count++] = at;
    return _URC_NO_REASON;
}

static void walk(void *b)
{
    _Unwind_Backtrace(note_frame, b);
}

static bool is_ours(const void *frame)
{
    static const char prefix[] = "roost_";
    char place[sizeof prefix];

    roost__place_of(frame, place, sizeof place);
    return !strcmp(place, prefix);
}

/* How many frames lie inside `from`; the innermost of all is walk. */
static size_t inner_frames(const struct roost__backtrace *b, const void *from)
{
    size_t i = 0;

    while (i < b->count && b->frames[i] != from)
        i++;
    if (i < b->count)
        return i;
    for (i = 1; i < b->count && is_ours(b->frames[i]);)
        i++;
    return b->count ? i : 0;
}

void roost__backtrace_take(struct roost__backtrace *b, const roost_task *t,
                           const void *from)
{
    size_t inner;

    b->count = 0;
    b->whole = false;
    if (t == t->rt->current)
        walk(b);
    else
        roost__switch_visit(t->sp, walk, b);
    inner = inner_frames(b, from);
    b->count -= inner;
    memmove(b->frames, b->frames + inner, b->count * sizeof b->frames[0]);
    if (!b->whole)
        return;
    if (b->count > 1)
        b->count--; /* task_life */
    else /* the wait was the last call of its function, whose frame has gone */
        b->frames[0] = (void *)(uintptr_t)t->fn;
}

void roost__backtrace_print(FILE *out, const struct roost__backtrace *b)
{
    char place[160];
    size_t i;

    for (i = 0; i < b->count && i < SHOWN_MAX; i++) {
        roost__place_of(b->frames[i], place, sizeof place);
        fprintf(out, "    %s\n", place);
    }
    if (i < b->count || !b->whole)
        fputs(b->count ? "    ...\n" : "    (no backtrace here)\n", out);
}
