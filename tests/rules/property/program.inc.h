/* program.inc.h - small random programs of tasks, scopes and nurseries.
 *
 * A program is a tree of steps in one array, made from a seed. The body of a
 * task is the list below its spawn step; scope, shield and nursery are steps
 * with a body too. A step below 0 ends the body that it stands in (KEEP), is
 * ignored, or is turned into a failure (TURN): so -ECANCELED runs on, is
 * swallowed, or becomes an error of the cleanup. A body that reaches its end
 * results in its `value`. No step runs twice, so a step's number names its
 * scope, task or handle.
 *
 * All waits end. Step 2 is a service that ends every wait after END_MS, or when
 * it is cancelled. What cannot be cancelled (close, child_end, start) waits
 * only for tasks of a higher number, so never in a circle.
 */
#ifndef ROOST_TESTS_PROGRAM_INC_H
#define ROOST_TESTS_PROGRAM_INC_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { STEPS_MAX = 128, TASKS_MAX = 12, EVENTS = 3, END_MS = 100,
       FIXED = 6 + EVENTS }; /* the steps that each program begins with */
enum { NEVER_MS = 1 << 20, NOBODY = -1 };

enum op {
    OP_SLEEP,
    OP_CHECKPOINT,
    OP_WAIT, /* for event `target` */
    OP_JOIN, /* the same to the end */
    OP_SET,
    OP_SEND,
    OP_RECV,
    OP_ROOM, /* wait_room of nursery `target` */
    OP_SHUT, /* the channel */
    OP_STARTED,
    OP_CHILD_END, /* of the task of step `target` */
    OP_CANCEL,    /* scope, shield or nursery `target` */
    OP_MOVE,      /* its deadline to `ms` from now */
    OP_LOOK,      /* is it cancelled, is the task, how many children */
    OP_DEADLINE,  /* of the running task */
    OP_TIME_LEFT,
    OP_RETURN,    /* `value`; -ECANCELED is a foreign one */
    OP_SCOPE,     /* with a deadline `ms` from now */
    OP_SHIELD,    /* with a budget of `ms` */
    OP_NURSERY,   /* with a deadline `ms` from now, for `room` children */
    OP_SPAWN,     /* into nursery `target` */
    OP_START,
    OP_MAIN
};

enum on_error { KEEP, IGNORE, TURN };

/* How a body is left: by leave or close; by the guard; by the form that is one
 * call (ROOST_WITHIN, ROOST_SHIELDED, roost_nursery_run). */
enum form { BY_CALL, BY_GUARD, BY_FORM };

struct step {
    enum op op;
    enum on_error on_error;
    enum form form;
    bool dead;    /* removed by shrinking */
    bool service; /* of spawn and start */
    bool handle;  /* somebody ends it by its handle */
    bool isolate, shed; /* of a nursery */
    int room;           /* of a nursery: 0, or how many children at most */
    int parent, first, next; /* steps, or NOBODY */
    int task;     /* who runs it */
    int child;    /* of spawn and start: the task that is made */
    int target, ms, value;
};

struct program {
    struct step step[STEPS_MAX];
    int steps, tasks;
    int task_step[TASKS_MAX]; /* main, spawn or start */
    int capacity;             /* of the channel */
    bool probe;               /* ask roost_cancelled before each wait */
    bool crowded;             /* most nurseries have room for few children */
    unsigned rare;            /* ops that are left out mostly */
    uint64_t seed, random;
};

/* ---- what a run leaves behind, the library's or the model's ---- */

enum what { BEGIN, STEP, ON_ERROR, SERVICES_END, END };
enum { CAUGHT = 1, CANCELLED = 2, TRACE_MAX = 512 };

struct entry {
    int what, task, step, ms, result, flags;
};

struct trace {
    struct entry entry[TRACE_MAX];
    int count;
};

/* ---- reading ---- */

static bool has_body(enum op op)
{
    return op >= OP_SCOPE;
}

static bool is_scope(enum op op)
{
    return op == OP_SCOPE || op == OP_SHIELD || op == OP_NURSERY;
}

static bool makes_task(enum op op)
{
    return op == OP_SPAWN || op == OP_START;
}

/* What a body that reaches its end results in. */
static int end_value(const struct step *x)
{
    return x->on_error == TURN ? 0 : x->value;
}

/* A cancellation point that the cancelled task leaves at once. C1 */
static bool is_wait(enum op op)
{
    return op == OP_SLEEP || op == OP_CHECKPOINT || op == OP_WAIT ||
           op == OP_SEND || op == OP_RECV || op == OP_ROOM || op == OP_START;
}

/* The first step that is not dead, from i on. */
static int alive_from(const struct program *p, int i)
{
    while (i != NOBODY && p->step[i].dead)
        i = p->step[i].next;
    return i;
}

/* ---- printing ---- */

static const char *code_name(int r)
{
    static char text[4][32];
    static int turn;
    char *out = text[turn++ % 4];

    switch (r) {
    case -ECANCELED: return "-ECANCELED";
    case -ETIMEDOUT: return "-ETIMEDOUT";
    case -EPROTO: return "-EPROTO";
    case -EIO: return "-EIO";
    case -ENOENT: return "-ENOENT";
    case -EPIPE: return "-EPIPE";
    case -EAGAIN: return "-EAGAIN";
    case -EDEADLK: return "-EDEADLK";
    default: snprintf(out, sizeof text[0], "%d", r); return out;
    }
}

static const char *ms_name(int ms)
{
    static char text[4][32];
    static int turn;
    char *out = text[turn++ % 4];

    if (ms == NEVER_MS)
        return "never";
    snprintf(out, sizeof text[0], "%d ms", ms);
    return out;
}

static void print_words(FILE *out, const struct step *x)
{
    static const char *const name[] = {
        "sleep", "checkpoint", "event_wait", "event_join", "event_set", "send",
        "recv", "wait_room", "chan_close", "started", "child_end", "cancel",
        "set_deadline", "look", "deadline", "time_left", "return", "scope",
        "shield", "nursery", "spawn", "start", "main",
    };

    fputs(name[x->op], out);
    if (x->op == OP_SLEEP || x->op == OP_MOVE || is_scope(x->op))
        fprintf(out, " %s", ms_name(x->ms));
    if (makes_task(x->op))
        fprintf(out, "%s into", x->service ? " service" : "");
    if (x->target != NOBODY)
        fprintf(out, " %d", x->target);
    if (makes_task(x->op))
        fprintf(out, " as task %d", x->child);
    if (x->op == OP_RETURN || x->op == OP_STARTED)
        fprintf(out, " %s", code_name(x->value));
    if (x->room)
        fprintf(out, ", room for %d%s", x->room, x->shed ? ", shed" : "");
    if (x->isolate)
        fputs(", isolate", out);
    if (is_scope(x->op) && x->form != BY_CALL)
        fputs(x->form == BY_GUARD ? ", left by guard" : ", one call", out);
    if (x->on_error == IGNORE)
        fputs(", ignore", out);
    if (x->on_error == TURN)
        fprintf(out, ", on error return %s", code_name(x->value));
    if (has_body(x->op) && x->on_error != TURN && x->value)
        fprintf(out, ", value %d", x->value);
}

static void print_steps(FILE *out, const struct program *p, int i, int depth)
{
    for (; (i = alive_from(p, i)) != NOBODY; i = p->step[i].next) {
        fprintf(out, "    %3d %*s", i, depth * 2, "");
        print_words(out, &p->step[i]);
        fputc('\n', out);
        print_steps(out, p, p->step[i].first, depth + 1);
    }
}

static void print_program(FILE *out, const struct program *p)
{
    fprintf(out, "program %llu, a channel of %d%s\n",
            (unsigned long long)p->seed, p->capacity,
            p->probe ? ", roost_cancelled before each wait" : "");
    print_steps(out, p, 0, 0);
}

/* ---- making smaller ---- */

/* The steps of a scope's body take its place. */
static void unwrap(struct program *p, int i)
{
    struct step *x = &p->step[i];
    int last = x->first;

    x->dead = true;
    if (last == NOBODY)
        return;
    for (int j = x->first; j != NOBODY; j = p->step[j].next) {
        p->step[j].parent = x->parent;
        last = j;
    }
    p->step[last].next = x->next;
    x->next = x->first;
    x->first = NOBODY;
}

enum { WAYS = 8 };

/* Changes the program in way number `way`; false: this way changes nothing. */
static bool simplify(struct program *p, int way)
{
    int i = way / WAYS;
    struct step *x = &p->step[i], was = *x;

    if (i < FIXED || x->dead)
        return false;
    switch (way % WAYS) {
    case 0: x->dead = true; break;
    case 1:
        if (is_scope(x->op))
            unwrap(p, i);
        break;
    case 2: x->form = BY_CALL; break;
    case 3: x->service = x->isolate = x->shed = false; break;
    case 4: x->on_error = x->on_error == TURN ? TURN : KEEP; break;
    case 5:
        if (x->on_error == TURN) {
            x->on_error = KEEP;
            x->value = 0;
        }
        break;
    case 6:
        if (x->value > 0)
            x->value = 0;
        x->room = 0;
        break;
    default:
        if (x->ms > 1 && x->ms < NEVER_MS)
            x->ms--;
        else if (is_scope(x->op))
            x->ms = NEVER_MS;
    }
    return memcmp(&was, x, sizeof was) != 0;
}

static int steps_left(const struct program *p, int i)
{
    int count = 0;

    for (; (i = alive_from(p, i)) != NOBODY; i = p->step[i].next)
        count += 1 + steps_left(p, p->step[i].first);
    return count;
}

#endif
