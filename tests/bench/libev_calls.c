/* libev_calls.c - the same with raw callbacks: from callback to callback by
 *                 ev_feed_event, and a timer where roost has a scope.
 *
 * It is the floor: no stack, no cancellation, nobody is joined, and the one who
 * is fed last runs first.
 */
#include <ev.h>

#include "bench/bench.h"

static struct ev_loop *loop;

/* libev has no call for one round of pending callbacks but ev_run itself. */
static void run_pending(void)
{
    ev_invoke_pending(loop);
}

static void feed(struct ev_watcher *w)
{
    ev_feed_event(loop, w, EV_CUSTOM);
}

/* ---- yield_N: N callbacks in a ring, each feeds the next ---- */

struct ring {
    struct ev_watcher w;
    struct ring *next;
    uint64_t *left;
};

static void ring_called(struct ev_loop *l, struct ev_watcher *w, int events)
{
    struct ring *r = (struct ring *)(void *)w;

    (void)l, (void)events;
    if (*r->left && --*r->left)
        feed(&r->next->w);
}

static void yield(const struct bench *b, uint64_t ops)
{
    struct ring *rings = calloc(b->size, sizeof *rings);
    uint64_t left = ops / 20;
    double began;

    bench_must(rings != NULL, "no memory");
    for (uint64_t i = 0; i < b->size; i++) {
        ev_init(&rings[i].w, ring_called);
        rings[i].next = &rings[(i + 1) % b->size];
        rings[i].left = &left;
    }
    feed(&rings[0].w);
    run_pending();
    left = ops;
    began = bench_cpu_ns();
    feed(&rings[0].w);
    run_pending();
    bench_figure_ns(b->name, "", began, ops);
    free(rings);
}

/* ---- nursery_1, spawn_N: N operations on the heap, the last tells ---- */

struct batch {
    struct ev_watcher done;
    uint64_t live, ended;
};

struct child {
    struct ev_watcher w;
    struct batch *batch;
};

static void child_called(struct ev_loop *l, struct ev_watcher *w, int events)
{
    struct batch *b = ((struct child *)(void *)w)->batch;

    (void)l, (void)events;
    free(w);
    if (--b->live == 0)
        feed(&b->done);
}

static void batch_done(struct ev_loop *l, struct ev_watcher *w, int events)
{
    (void)l, (void)events;
    ((struct batch *)(void *)w)->ended++;
}

static void spawn_part(uint64_t size, uint64_t ops)
{
    struct batch b = { .live = 0 };
    struct child *c;

    ev_init(&b.done, batch_done);
    for (uint64_t i = 0; i < ops; i += size) {
        for (uint64_t k = 0; k < size; k++) {
            c = malloc(sizeof *c);
            bench_must(c != NULL, "no memory");
            ev_init(&c->w, child_called);
            c->batch = &b;
            b.live++;
            feed(&c->w);
        }
        run_pending();
    }
    bench_must(b.ended > 0 || !ops, "a batch was lost");
}

static void spawn(const struct bench *b, uint64_t ops)
{
    double began;

    spawn_part(b->size, ops / 20);
    began = bench_cpu_ns();
    spawn_part(b->size, ops);
    bench_figure_ns(b->name, "", began, ops);
}

/* ---- chan_*: a ring of items between two callbacks ---- */

struct queue {
    struct ev_watcher sender, receiver;
    uint64_t items[128];
    uint64_t room, count, next, ops;
    volatile uint64_t last;
};

static struct queue queue;

static void sender_called(struct ev_loop *l, struct ev_watcher *w, int events)
{
    (void)l, (void)w, (void)events;
    while (queue.count < queue.room && queue.next < queue.ops)
        queue.items[queue.count++] = queue.next++;
    if (queue.count)
        feed(&queue.receiver);
}

static void receiver_called(struct ev_loop *l, struct ev_watcher *w, int events)
{
    (void)l, (void)w, (void)events;
    for (uint64_t i = 0; i < queue.count; i++)
        queue.last = queue.items[i];
    queue.count = 0;
    feed(&queue.sender);
}

static void stream_part(uint64_t room, uint64_t ops)
{
    queue.room = room;
    queue.next = queue.count = 0;
    queue.ops = ops;
    feed(&queue.sender);
    run_pending();
}

static void stream(const struct bench *b, uint64_t ops)
{
    double began;

    ev_init(&queue.sender, sender_called);
    ev_init(&queue.receiver, receiver_called);
    stream_part(b->size, ops / 20);
    began = bench_cpu_ns();
    stream_part(b->size, ops);
    bench_figure_ns(b->name, "", began, ops);
}

/* ---- scope_deadline: a timer that is started and stopped ---- */

static void timer_called(struct ev_loop *l, ev_timer *w, int events)
{
    (void)l, (void)w, (void)events;
}

static void timer_part(uint64_t ops, int look)
{
    ev_timer timer;

    for (uint64_t i = 0; i < ops; i++) {
        if (look)
            ev_now_update(loop);
        ev_timer_init(&timer, timer_called, 3600., 0.);
        ev_timer_start(loop, &timer);
        ev_timer_stop(loop, &timer);
    }
}

static void timer(const struct bench *b, uint64_t ops)
{
    double began;

    timer_part(ops / 20, (int)b->size);
    began = bench_cpu_ns();
    timer_part(ops, (int)b->size);
    bench_figure_ns(b->name, "", began, ops);
}

int main(int argc, char **argv)
{
    static const struct bench table[] = {
        { "yield_2", yield, 8000000, 2 },
        { "yield_1000", yield, 8000000, 1000 },
        { "nursery_1", spawn, 2000000, 1 },
        { "spawn_1000", spawn, 2000000, 1000 },
        { "chan_rendezvous", stream, 4000000, 1 },
        { "chan_buffered_128", stream, 20000000, 128 },
        { "scope_deadline", timer, 8000000, 0 },
        { "scope_deadline_after", timer, 2000000, 1 },
        { 0 },
    };

    loop = ev_loop_new(EVFLAG_AUTO);
    bench_must(loop != NULL, "no loop");
    return bench_main(argc, argv, table);
}
