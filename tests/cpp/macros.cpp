/* macros.cpp - every macro of the headers that C++ can use, in a line that must
 * compile without a word. The rest (typed bodies, _WITH guards, expression forms
 * over compound literals) is for C; roost.hpp has what stands for it.
 */
#include <roost.h>

#include <cerrno>
#include <csignal>

static int nothing(void *)
{
    return 0;
}

static int body(roost_nursery *, void *)
{
    return 0;
}

static int times()
{
    return roost_sleep(ROOST_US(1) + ROOST_MS(1) + ROOST_SEC(1)) +
           roost_sleep_until(ROOST_NEVER);
}

static int nurseries(roost_child *child)
{
    roost_nursery_options o{};
    roost_spawn_options s{};
    roost_nursery plain;
    int r, item = 0;

    o.stack_bytes = ROOST_STACK_SMALL + ROOST_STACK_DEFAULT;
    roost_nursery_open(&plain);
    r = roost_nursery_close(&plain, 0);
    ROOST_NURSERY(n);
    roost_nursery_open_with(&plain, &o);
    roost_spawn(n, nothing, nullptr);
    roost_spawn_copy(n, nothing, &item, sizeof item);
    roost_spawn_with(n, nothing, &item, &s);
    r += roost_start(n, nothing, nullptr);
    r += roost_start_copy(n, nothing, &item, sizeof item);
    r += roost_start_with(n, nothing, &item, &s);
    r += roost_child_end(child, "over");
    roost_nursery_cancel(n, "over");
    roost_ignore(roost_nursery_run(body, nullptr));
    return roost_nursery_close(n, r);
}

static int scopes()
{
    roost_scope plain;
    int r;

    roost_scope_enter(&plain, ROOST_NEVER);
    roost_scope_set_deadline(&plain, roost_after(ROOST_SEC(1)));
    roost_scope_cancel(&plain, "over");
    r = roost_scope_leave(&plain, 0);
    roost_shield_enter(&plain, ROOST_SEC(1));
    r += roost_scope_leave(&plain, 0);
    ROOST_SCOPE(a);
    ROOST_TIMEOUT(b, ROOST_SEC(1));
    ROOST_DEADLINE(c, ROOST_NEVER);
    ROOST_SHIELD(d, ROOST_MS(1));
    r = ROOST_IDLE(roost_checkpoint());
    r = roost_scope_leave(d, r);
    r = roost_scope_leave(c, r);
    r = roost_scope_leave(b, r);
    return roost_scope_leave(a, r);
}

static int channels(roost_chan *c)
{
    int item = 0;

    return roost_chan_send(c, &item) + roost_chan_recv(c, &item) +
           roost_chan_send_nowait(c, &item) + roost_chan_recv_nowait(c, &item);
}

static int signals()
{
    static const int wanted[] = { SIGHUP, SIGTERM, 0 };
    ROOST_CLEANUP(roost_signals_close) roost_signals s{};
    int r = roost_signals_open(&s, wanted);

    return r < 0 ? r : ROOST_IDLE(roost_signals_wait(&s));
}

static int portals(roost_nursery *n)
{
    roost_portal *p = roost_portal_open(roost_nursery_scope(n));
    int r = roost_portal_post(p, [](void *) {}, nullptr);

    r += roost_portal_call(p, nothing, nullptr);
    r += roost_portal_run(p, n, nothing, nullptr);
    r += roost_portal_cancel(p, "over");
    roost_portal_close(p);
    roost_portal_free(p);
    return r;
}

static int descriptors(int number, char *buf)
{
    ROOST_CLEANUP(roost_fd_close) roost_fd f{};
    roost_fd_ready one{ number, ROOST_READ, 0, 0, {} };
    int r = roost_fd_open(&f, number);

    r += roost_fd_read(&f, buf, 1) + roost_fd_write(&f, buf, 1);
    return r + roost_wait_fds(&one, 1) + roost_wait_fd(number, ROOST_WRITE);
}

int all_of_them(roost_lot *lot, roost_root *root, ev_loop *loop);

int all_of_them(roost_lot *lot, roost_root *root, ev_loop *loop)
{
    roost_options o{};

    roost_lot_wake(lot, ROOST_ALL);
    root = root ? root : roost_attach(loop, nothing, nullptr, nullptr, nullptr);
    roost_root_cancel(root, "over");
    return roost_run(nothing, nullptr) + roost_run_with(&o, nothing, nullptr) +
           roost_fail(-EIO, "reading %s", ROOST_SITE) + times() +
           nurseries(nullptr) + scopes() + channels(nullptr) + signals() +
           portals(nullptr) + descriptors(0, nullptr);
}
