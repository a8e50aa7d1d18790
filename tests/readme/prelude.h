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
#include <roost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef FRAGMENT
struct job { int number; };
struct modem;
typedef void modem_reply(int reply, void *user);

extern int r, fd, u, v, command;
extern const char *path;
extern char buf[4096];
extern size_t total;
extern struct job job;
extern struct modem *m;
extern roost_chan *c;
extern roost_event event;

extern int fetch_both(int u, int v, size_t *ret_total) ROOST_WAITS;
extern int greet(int fd) ROOST_WAITS;
extern int read_reply(int fd, char *buf, size_t bytes) ROOST_WAITS;
extern int say_goodbye(int fd) ROOST_WAITS;
extern int work(const struct job *job) ROOST_WAITS;
extern void modem_send(struct modem *m, int command, modem_reply *done,
                       void *user);
extern modem_reply on_reply;
extern roost_abort_fn on_cancel;
#endif

#endif
