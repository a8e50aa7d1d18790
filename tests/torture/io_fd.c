/* io_fd.c - reads and writes of roost_fd under every fault: the bytes that were
 *           written come once and in order, and end the same way on both sides.
 */
#include "torture/ends.h"

/* ---- one writes, one reads ---- */

struct stream {
    struct ledger l;
    roost_fd *in, *out; /* read, written */
    struct flow w;
    size_t bytes, chunk; /* in all; asked for at once */
    int put_pause_ms, get_pause_ms, patience_ms;
};

/* Of a reader both: a writer that waits for room is not told of SHUT_RD alone. */
static void shut(const roost_fd *f, int how)
{
    if (roost_fd_number(f) >= 0)
        shutdown(roost_fd_number(f), how);
}

static int puts_all(void *arg)
{
    struct stream *s = arg;
    int r = 0;

    ledger_begins(&s->l);
    while (s->w.put < s->bytes && r >= 0) {
        r = put_some(s->out, &s->w, s->chunk);
        if (r >= 0 && s->put_pause_ms)
            r = clean(roost_sleep(ROOST_MS(s->put_pause_ms)));
    }
    shut(s->out, SHUT_WR);
    return ledger_ends(&s->l, r < 0 ? taken_in_stride(r) : 0);
}

static int get_patiently(struct stream *s)
{
    int r;

    if (!s->patience_ms)
        return get_some(s->in, &s->w, s->chunk);
    do
        r = ROOST_WITHIN(ROOST_MS(s->patience_ms),
                         get_some(s->in, &s->w, s->chunk));
    while (r == -ETIMEDOUT);
    return r;
}

static int gets_all(void *arg)
{
    struct stream *s = arg;
    int r;

    ledger_begins(&s->l);
    while ((r = get_patiently(s)) > 0)
        if (s->get_pause_ms &&
            (r = clean(roost_sleep(ROOST_MS(s->get_pause_ms)))) < 0)
            break;
    shut(s->in, SHUT_RDWR);
    return ledger_ends(&s->l, taken_in_stride(r));
}

/* What had come is still there after a shutdown. */
static int flow_through(struct stream *s)
{
    int r;

    ROOST_NURSERY(n);
    ledger_spawned(&s->l, roost_spawn(n, gets_all, s));
    ledger_spawned(&s->l, roost_spawn(n, puts_all, s));
    r = ledger_close(&s->l, n, 0);
    end_flow(s->in, &s->w);
    return r;
}

static int over_sockets(struct stream s, bool narrow)
{
    CLOSED_AFTER in = { 0 };
    CLOSED_AFTER out = { 0 };
    int r = open_sockets(SOCK_STREAM, &in, &out);

    if (r < 0)
        return r;
    if (narrow)
        make_narrow(&out);
    s.in = &in;
    s.out = &out;
    return flow_through(&s);
}

#define OVER_SOCKETS(name, narrow, ...)                              \
    static int name(void *arg)                                       \
    {                                                                \
        (void)arg;                                                   \
        return over_sockets((struct stream){ __VA_ARGS__ }, narrow); \
    }

OVER_SOCKETS(small, false, .bytes = 60, .chunk = 25)
OVER_SOCKETS(slow_writer, false, .bytes = 60, .chunk = 20, .put_pause_ms = 2)
OVER_SOCKETS(slow_reader, true, .bytes = 400, .chunk = 40, .get_pause_ms = 2)
OVER_SOCKETS(no_room, true, .bytes = 400, .chunk = 40)
OVER_SOCKETS(impatient_reader, false, .bytes = 60, .chunk = 20,
             .put_pause_ms = 3, .patience_ms = 2)

/* ---- a pipe, whose ends are closed instead ---- */

struct piped {
    struct ledger l;
    roost_fd in, out;
    struct flow w;
    bool whole; /* the reader has seen the end */
};

static int writes_pipe(void *arg)
{
    struct piped *p = arg;
    int r;

    ledger_begins(&p->l);
    r = put_until(&p->out, &p->w, 90);
    if (r >= 0)
        r = clean(roost_sleep(ROOST_MS(1)));
    if (r >= 0)
        r = put_until(&p->out, &p->w, 100);
    roost_fd_close(&p->out);
    return ledger_ends(&p->l, taken_in_stride(r));
}

static int reads_pipe(void *arg)
{
    struct piped *p = arg;
    int r;

    ledger_begins(&p->l);
    while ((r = get_some(&p->in, &p->w, 40)) > 0)
        ;
    p->whole = r == 0;
    roost_fd_close(&p->in);
    return ledger_ends(&p->l, taken_in_stride(r));
}

static int close_pipe(struct piped *p, int r)
{
    roost_fd_close(&p->in);
    roost_fd_close(&p->out);
    roost_check(p->w.got <= p->w.put);
    roost_check(!p->whole || p->w.got == p->w.put);
    return r;
}

static int a_pipe(void *arg)
{
    struct piped p = { .whole = false };
    int r = open_pipe(&p.in, &p.out);

    (void)arg;
    if (r < 0)
        return close_pipe(&p, r);
    ROOST_NURSERY(n);
    ledger_spawned(&p.l, roost_spawn(n, reads_pipe, &p));
    ledger_spawned(&p.l, roost_spawn(n, writes_pipe, &p));
    return close_pipe(&p, ledger_close(&p.l, n, 0));
}

/* Nobody reads: an error, no signal. */
static int broken_pipe(void *arg)
{
    struct piped p = { .whole = false };
    int r = open_pipe(&p.in, &p.out);

    (void)arg;
    if (r < 0)
        return close_pipe(&p, r);
    roost_fd_close(&p.in);
    r = roost_fd_write(&p.out, "x", 1);
    roost_check(r < 0);
    io_sane(r);
    return close_pipe(&p, r);
}

/* ---- there and back ---- */

struct talk {
    struct ledger l;
    roost_fd *here, *there;
    struct flow question, answer;
};

static int answers(void *arg)
{
    struct talk *k = arg;
    char buf[64];
    int r;

    ledger_begins(&k->l);
    while ((r = io_sane(roost_fd_read(k->there, buf, sizeof buf))) > 0) {
        check_bytes(&k->question, buf, r);
        r = put_until(k->there, &k->answer, k->question.got);
        if (r < 0)
            break;
    }
    shut(k->there, SHUT_RDWR);
    return ledger_ends(&k->l, taken_in_stride(r));
}

static int asks(void *arg)
{
    struct talk *k = arg;
    int i, r = 1;

    ledger_begins(&k->l);
    for (i = 1; i <= 3 && r > 0; i++) {
        r = put_until(k->here, &k->question, (size_t)i * 20);
        if (r >= 0)
            r = get_until(k->here, &k->answer, (size_t)i * 20);
        roost_check(r <= 0 || k->answer.got == (size_t)i * 20);
    }
    shut(k->here, SHUT_RDWR);
    return ledger_ends(&k->l, r < 0 ? taken_in_stride(r) : 0);
}

static int there_and_back(void *arg)
{
    CLOSED_AFTER here = { 0 };
    CLOSED_AFTER there = { 0 };
    struct talk k = { .here = &here, .there = &there };
    int r = open_sockets(SOCK_STREAM, &here, &there);

    (void)arg;
    if (r < 0)
        return r;
    ROOST_NURSERY(n);
    ledger_spawned(&k.l, roost_spawn(n, answers, &k));
    ledger_spawned(&k.l, roost_spawn(n, asks, &k));
    r = ledger_close(&k.l, n, 0);
    end_flow(&there, &k.question);
    end_flow(&here, &k.answer);
    return r;
}

/* Both directions of both at once: two tasks on each roost_fd. */
static int crosswise(void *arg)
{
    CLOSED_AFTER here = { 0 };
    CLOSED_AFTER there = { 0 };
    struct stream to = { .in = &there, .out = &here, .bytes = 150, .chunk = 15,
                         .get_pause_ms = 1 };
    struct stream back = { .in = &here, .out = &there, .bytes = 60,
                           .chunk = 20, .put_pause_ms = 1 };
    int r = open_sockets(SOCK_STREAM, &here, &there);

    (void)arg;
    if (r < 0)
        return r;
    make_narrow(&here);
    ROOST_NURSERY(n);
    ledger_spawned(&to.l, roost_spawn(n, puts_all, &to));
    ledger_spawned(&to.l, roost_spawn(n, gets_all, &to));
    ledger_spawned(&back.l, roost_spawn(n, puts_all, &back));
    ledger_spawned(&back.l, roost_spawn(n, gets_all, &back));
    r = roost_nursery_close(n, 0);
    ledger_all_home(&to.l);
    ledger_all_home(&back.l);
    roost_check(r == (to.l.first ? to.l.first : back.l.first) ||
                sane(r) == -ECANCELED);
    end_flow(&there, &to.w);
    end_flow(&here, &back.w);
    return r;
}

/* ---- readiness alone, and calls of one's own ---- */

/* What a TLS library does: try, and wait only when told so. */
static int own_get(roost_fd *f, struct flow *w, int patience_ms)
{
    char buf[40];
    ssize_t got;
    int r;

    for (;;) {
        got = recv(roost_fd_number(f), buf, sizeof buf, MSG_DONTWAIT);
        if (got >= 0)
            break;
        roost_check(errno == EAGAIN);
        r = ROOST_WITHIN(ROOST_MS(patience_ms), roost_fd_wait(f, ROOST_READ));
        roost_check(r < 0 || r == ROOST_READ);
        if (r != -ETIMEDOUT && io_sane(r) < 0)
            return r;
    }
    check_bytes(w, buf, (int)got);
    return (int)got;
}

static int gets_by_itself(void *arg)
{
    struct stream *s = arg;
    int r;

    ledger_begins(&s->l);
    while ((r = own_get(s->in, &s->w, 3)) > 0)
        ;
    if (r == 0) /* it may be read and written, now and later */
        r = io_sane(roost_fd_wait(s->in, ROOST_READ | ROOST_WRITE));
    shut(s->in, SHUT_RDWR);
    return ledger_ends(&s->l, r < 0 ? taken_in_stride(r) : 0);
}

static int readiness_alone(void *arg)
{
    CLOSED_AFTER in = { 0 };
    CLOSED_AFTER out = { 0 };
    struct stream s = { .in = &in, .out = &out, .bytes = 80, .chunk = 20,
                        .put_pause_ms = 2 };
    int r = open_sockets(SOCK_STREAM, &in, &out);

    (void)arg;
    if (r < 0)
        return r;
    ROOST_NURSERY(n);
    ledger_spawned(&s.l, roost_spawn(n, gets_by_itself, &s));
    ledger_spawned(&s.l, roost_spawn(n, puts_all, &s));
    r = ledger_close(&s.l, n, 0);
    end_flow(&in, &s.w);
    return r;
}

int main(int argc, char **argv)
{
    static const struct torture bodies[] = {
        STRICT(small),
        STRICT(slow_writer),
        STRICT(slow_reader),
        STRICT(no_room),
        STRICT(impatient_reader),
        STRICT(a_pipe),
        STRICT(broken_pipe),
        STRICT(there_and_back),
        STRICT(crosswise),
        STRICT(readiness_alone),
    };

    return TORTURE_MAIN(bodies, argc, argv);
}
