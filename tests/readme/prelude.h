/* prelude.h - what a block of C in README.md or design/ may take for granted.
 *
 * All blocks get the headers. One that opens with a "fragment" comment becomes
 * the body of a function that returns int, and the names below are those it may
 * speak of; a new fragment adds its own, if the text makes clear what they are.
 */
#ifndef ROOST_TESTS_README_PRELUDE_H
#define ROOST_TESTS_README_PRELUDE_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <roost.h>
#include <roost/test.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef FRAGMENT
struct job { int number; };
struct modem;
typedef void modem_reply(int reply, void *user);

struct ev_loop;
struct session;
struct frame;

extern int r, fd, command;
extern const char *path;
extern char buf[4096];
extern size_t total;
extern struct job job;
extern struct modem *m;
extern roost_chan *c;
extern roost_event event;

extern const struct sockaddr_in *from;
extern struct ev_loop *loop;
extern struct session *session;
extern struct frame *frame;
extern roost_root *root;
extern roost_portal *p;
extern roost_nursery *n;
extern int serve(void *session) ROOST_WAITS;
extern int reload(void) ROOST_WAITS;
extern void session_over(int result, void *session);
extern void on_frame(void *frame);
extern void camera_start(roost_portal *p);
extern void frame_drop(struct frame *frame);
extern int fetch_both(const struct sockaddr_in *from,
                      size_t *ret_total) ROOST_WAITS;
extern int greet(int fd) ROOST_WAITS;
extern int read_reply(int fd, char *buf, size_t bytes) ROOST_WAITS;
extern int say_goodbye(int fd) ROOST_WAITS;
extern int work(const struct job *job) ROOST_WAITS;
extern void modem_send(struct modem *m, int command, modem_reply *done,
                       void *user);
extern modem_reply on_reply;
extern roost_abort_fn on_cancel;

extern roost_fd listener;
extern int talk(void *connection) ROOST_WAITS;

struct pool { int count; };
extern struct pool pool;
extern int pool_open(struct pool *p, size_t count);
extern size_t pool_idle(const struct pool *p);
extern void pool_close(struct pool *p);
extern int four_users(struct pool *p) ROOST_WAITS;
#endif

#endif
