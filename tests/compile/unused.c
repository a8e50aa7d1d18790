/* unused.c - a result that nobody reads: each line marked so must be refused.
 *
 * With GOOD the same calls are given to roost_ignore, and compile. All names of
 * the file `waits` must stand here.
 */
#include <roost.h>

#ifdef GOOD
#define CALL(...) roost_ignore(__VA_ARGS__)
#else
#define CALL(...) __VA_ARGS__
#endif

int task(void *arg);
int body(roost_nursery *n, void *arg);
bool undo(roost_wait *w, void *arg);
void all(roost_nursery *n, roost_scope *s, roost_chan *c, roost_child *child,
         const roost_spawn_options *o, roost_event *e);

void all(roost_nursery *n, roost_scope *s, roost_chan *c, roost_child *child,
         const roost_spawn_options *o, roost_event *e)
{
    static const roost_local key = { "key", NULL };
    roost_wait w;
    roost_lot lot = { NULL, NULL };
    int item = 0;

    CALL(roost_sleep(ROOST_MS(1))); /* unused */
    CALL(roost_sleep_until(roost_now())); /* unused */
    CALL(roost_checkpoint()); /* unused */
    CALL(roost_park(&w, "a test", undo, NULL)); /* unused */
    CALL(roost_lot_wait(&lot)); /* unused */
    CALL(roost_start(n, task, NULL)); /* unused */
    CALL((roost_start)(n, task, NULL)); /* unused */
    CALL(roost_start_copy(n, task, &item, sizeof item)); /* unused */
    CALL((roost_start_copy)(n, task, &item, sizeof item)); /* unused */
    CALL(roost_start_with(n, task, NULL, o)); /* unused */
    CALL((roost_start_with)(n, task, NULL, o)); /* unused */
    CALL(roost_child_end(child, "enough")); /* unused */
    CALL((roost_child_end)(child, "enough")); /* unused */
    CALL(roost_nursery_wait_room(n)); /* unused */
    CALL(roost_nursery_close(n, 0)); /* unused */
    CALL((roost_nursery_close)(n, 0)); /* unused */
    CALL(roost_nursery_run(body, NULL)); /* unused */
    CALL((roost_nursery_run)(body, NULL)); /* unused */
    CALL(roost_chan_send(c, &item)); /* unused */
    CALL((roost_chan_send)(c, &item)); /* unused */
    CALL(roost_chan_recv(c, &item)); /* unused */
    CALL((roost_chan_recv)(c, &item)); /* unused */
    CALL(roost_event_wait(e)); /* unused */
    CALL(roost_event_join(e)); /* unused */

    CALL(ROOST_WITHIN(ROOST_SEC(1), roost_checkpoint())); /* unused */
    CALL(ROOST_UNTIL(roost_now(), roost_checkpoint())); /* unused */
    CALL(ROOST_SHIELDED(ROOST_SEC(1), roost_checkpoint())); /* unused */
    CALL(ROOST_IDLE(roost_checkpoint())); /* unused */
    CALL(ROOST_WITHIN(ROOST_SEC(1), ROOST_IDLE(roost_checkpoint()))); /* unused */

    CALL(roost_scope_leave(s, 0)); /* unused */
    CALL((roost_scope_leave)(s, 0)); /* unused */
    CALL(roost_defer(task, NULL)); /* unused */
    CALL(roost_local_set(&key, NULL)); /* unused */
    CALL(roost_chan_send_nowait(c, &item)); /* unused */
    CALL((roost_chan_send_nowait)(c, &item)); /* unused */
    CALL(roost_chan_recv_nowait(c, &item)); /* unused */
    CALL((roost_chan_recv_nowait)(c, &item)); /* unused */

    /* A failed spawn is the nursery's failure too, so it need not be read. */
    roost_spawn(n, task, NULL);
    roost_spawn_copy(n, task, &item, sizeof item);
    roost_spawn_with(n, task, NULL, o);
}

void edges(roost_nursery *n, roost_scope *s);

void edges(roost_nursery *n, roost_scope *s)
{
    roost_fd fd;
    struct msghdr *msg = NULL;
    roost_fd_ready ready;
    roost_signals signals;
    int item = 0;

    CALL(roost_wait_fd(0, ROOST_READ)); /* unused */
    CALL(roost_wait_fds(&ready, 1)); /* unused */
    CALL(roost_fd_wait(&fd, ROOST_READ)); /* unused */
    CALL(roost_fd_read(&fd, &item, sizeof item)); /* unused */
    CALL(roost_fd_write(&fd, &item, sizeof item)); /* unused */
    CALL(roost_fd_accept(&fd, NULL, NULL)); /* unused */
    CALL(roost_fd_connect(&fd, NULL, 0)); /* unused */
    CALL(roost_fd_recvmsg(&fd, msg, 0)); /* unused */
    CALL(roost_fd_sendmsg(&fd, msg, 0)); /* unused */
    CALL(roost_signals_wait(&signals)); /* unused */
    CALL(roost_reload_wait()); /* unused */

    CALL(roost_fd_open(&fd, 0)); /* unused */
    CALL(roost_daemon_run(task, NULL, NULL)); /* unused */
    CALL((roost_daemon_run)(task, NULL, NULL)); /* unused */
    CALL(roost_listen_fd(NULL, 0)); /* unused */
    CALL(roost_signals_open(&signals, &item)); /* unused */
    CALL((roost_signals_open)(&signals, &item)); /* unused */
    CALL(roost_signals_nowait(&signals)); /* unused */
    CALL(roost_attach(NULL, task, NULL, NULL, NULL)); /* unused */
    CALL((roost_attach)(NULL, task, NULL, NULL, NULL)); /* unused */
    CALL(roost_portal_open(s)); /* unused */
    CALL((roost_portal_open)(s)); /* unused */
    CALL(roost_portal_post(NULL, NULL, NULL)); /* unused */
    CALL(roost_portal_call(NULL, task, NULL)); /* unused */
    CALL(roost_portal_run(NULL, n, task, NULL)); /* unused */
    CALL((roost_portal_run)(NULL, n, task, NULL)); /* unused */
}
