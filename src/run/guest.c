/* guest.c - the loop is the host's: tasks get their turns in its iterations.
 *
 * Owns:     the runtime of the thread's roots while there is one, and the roots.
 * Promises: it never blocks the host's loop nor wakes it for nothing (G1); tasks
 *           get on in every iteration, whoever drives it (G2); a loop destroyed
 *           early has no task left, or the program stops with a sentence (G3).
 * Never:    runs the loop; calls done() while a task's stack is in use.
 *
 * State:    no runtime --first attach--> RUNNING --last root ends--> none
 *                                           `--loop destroyed--> GOING --> none
 */
#include <errno.h>

#include <roost/guest.h>
#include <roost/trace.h>

#include "core/scope.h"
#include "core/sched.h"
#include "os/stand_in.h"
#include "run/runtime.h"

struct roost__guest {
    struct roost_rt rt;
    struct roost__loop_guest hooks;
    bool going; /* the loop is being destroyed */
};

static struct roost__guest *guest_of(struct roost__loop_guest *hooks)
{
    return ROOST__CONTAINER(hooks, struct roost__guest, hooks);
}

/* ---- roots that have ended ---- */

static roost_root *take_finished(struct roost_rt *rt)
{
    roost_root **at = &rt->roots, *root, *first = NULL, **end = &first;

    while ((root = *at)) {
        if (!root->finished) {
            at = &root->next;
            continue;
        }
        *at = root->next;
        root->next = NULL;
        *end = root;
        end = &root->next;
        roost__loop_let_go(&rt->loop);
    }
    return first;
}

static void tell_host(roost_root *root, const struct roost_sys *sys)
{
    roost_root *next;

    for (; root; root = next) {
        next = root->next;
        if (root->done)
            root->done(root->result, root->done_arg);
        sys->free(root);
    }
}

static void unmake(struct roost__guest *g)
{
    const struct roost_sys *sys = g->rt.sys;

    roost__loop_guest_stop(&g->hooks);
    roost__runtime_unmake(&g->rt);
    sys->free(g);
}

/* Nobody is left, nor a post under way that has run the loop to this end. */
static bool is_over(const struct roost__guest *g)
{
    return !g->rt.roots && !g->rt.visits && !g->going;
}

/* With its last root the guest is gone; done() may also run the loop, or attach. */
static void settle(struct roost__guest *g)
{
    const struct roost_sys *sys = g->rt.sys;
    roost_root *finished = take_finished(&g->rt);

    if (is_over(g))
        unmake(g);
    tell_host(finished, sys);
}

/* ---- turns ---- */

/* A task may itself run its host's loop: it then stands for the main stack
 * until that has returned, and its root keeps the guest. Otherwise the guest may
 * be gone after this. */
static void turn(struct roost__guest *g)
{
    struct roost__stand_in stand_in;

    roost__stand_in_begin(&stand_in, &g->rt);
    roost__sched_turn(&g->rt);
    settle(g);
    roost__stand_in_end(&stand_in, &g->rt);
}

/* After the host's callbacks. */
static void after_callbacks(struct roost__loop_guest *hooks)
{
    struct roost__guest *g = guest_of(hooks);

    roost__sched_look(&g->rt);
    if (roost__sched_busy(&g->rt))
        turn(g);
    else if (is_over(g))
        settle(g);
}

/* Tasks that are ready run after a look at what else is. Not here: ev_run with
 * EVRUN_ONCE would go on to wait although done() has been called. */
static void before_wait(struct roost__loop_guest *hooks)
{
    struct roost_rt *rt = &guest_of(hooks)->rt;
    roost_time next;

    if (roost__sched_busy(rt)) {
        roost__loop_guest_no_wait(hooks);
        return;
    }
    next = roost__wheel_next(&rt->wheel);
    roost__loop_guest_wait_until(hooks, roost__sched_now(rt), next);
    roost__stacks_trim(&rt->stacks, rt->now);
}

/* ---- the loop goes first ---- */

static void loop_gone(struct roost__loop_guest *hooks)
{
    struct roost__guest *g = guest_of(hooks);
    struct roost_rt *rt = &g->rt;

    ROOST_USAGE(!rt->current, "ev_loop_destroy was called by a task spawned at "
                "%s, which that loop runs; destroy it when ev_run has returned",
                roost__place(rt->current->site));
    g->going = true;
    roost__roots_cancel(rt, "the host destroyed its loop");
    roost__scope_pierce_all(rt);
    while (rt->roots) {
        if (!roost__sched_busy(rt)) {
            roost_tree_print(stderr);
            roost__misuse("the host destroyed its loop while tasks attached at "
                          "%s are in waits that cannot be undone; let done() "
                          "come first, or give their roost_park an abort "
                          "function", roost__place(rt->roots->site));
        }
        turn(g);
    }
    unmake(g);
}

/* ---- the calls ---- */

static int make(struct ev_loop *loop, const char *site,
                struct roost__guest **ret_guest)
{
    const roost_options o = { .loop = loop, .sys = roost__sys };
    const struct roost_sys *sys = roost__sys;
    struct roost__guest *g = sys->alloc(sizeof *g);
    int r;

    if (!g)
        return -ENOMEM;
    r = roost__runtime_make(&g->rt, &o, site);
    if (r < 0) {
        sys->free(g);
        return r;
    }
    g->rt.guest = g;
    g->going = false;
    g->hooks = (struct roost__loop_guest){ .loop = &g->rt.loop,
                                           .after = after_callbacks,
                                           .before = before_wait,
                                           .gone = loop_gone };
    roost__loop_guest_start(&g->hooks);
    *ret_guest = g;
    return 0;
}

/* The thread's guest, which must be on this loop, or a new one. */
static int find_or_make(struct ev_loop *loop, const char *site,
                        struct roost__guest **ret_guest)
{
    struct roost__guest *g = roost__rt ? roost__rt->guest : NULL;

    if (!g)
        return make(loop, site, ret_guest);
    if (g->rt.loop.ev != loop)
        return -EBUSY;
    if (g->going)
        return -ESHUTDOWN;
    *ret_guest = g;
    return 0;
}

static int attach(roost_root *root, struct ev_loop *loop, roost_task_fn *fn,
                  void *arg)
{
    struct roost__guest *g;
    roost_task *by;
    int r = find_or_make(loop, root->site, &g);

    if (r < 0)
        return r;
    by = g->rt.current;
    g->rt.current = NULL; /* a root inherits no locals: it may outlive them */
    r = roost__root_begin(&g->rt, root, fn, arg);
    g->rt.current = by;
    if (r >= 0) {
        roost__loop_keep(&g->rt.loop);
        roost__loop_guest_no_wait(&g->hooks); /* our hook may have been called */
    } else if (!g->rt.roots) {
        unmake(g);
    }
    return r;
}

roost_root *roost_attach_at(struct ev_loop *loop, roost_task_fn *fn, void *arg,
                            void (*done)(int result, void *done_arg),
                            void *done_arg, const char *site)
{
    const struct roost_sys *sys = roost__sys;
    roost_root *root;
    int r = -EINVAL;

    ROOST_USAGE(!roost__rt || roost__rt->guest, "roost_attach at %s is inside the "
                "run begun at %s, whose loop is not the host's; spawn a task",
                roost__place(site), roost__place(roost__rt->site));
    root = sys->alloc(sizeof *root);
    if (!root) {
        errno = ENOMEM;
        return NULL;
    }
    root->done = done;
    root->done_arg = done_arg;
    root->site = site;
    if (loop && fn)
        r = attach(root, loop, fn, arg);
    if (r >= 0)
        return root;
    sys->free(root);
    errno = -r;
    return NULL;
}

void roost_root_cancel_at(roost_root *root, const char *reason,
                          const char *site)
{
    if (root->finished)
        return;
    ROOST_USAGE(root->rt == roost__rt, "roost_root_cancel at %s: the root attached "
                "at %s belongs to another thread; use a portal",
                roost__place(site), roost__place(root->site));
    roost__scope_cancel(&root->scope, &(struct roost__cause){
        .kind = CAUSE_HAND, .reason = reason, .site = site,
        .by = roost__self() });
}
