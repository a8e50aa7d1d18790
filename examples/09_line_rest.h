/* 09_line_rest.h - what is not about being a daemon: what the lines mean, a bound
 * socket, the command line.
 *
 *     SET key value   GET key   DEL key   STATS   QUIT
 */
#ifndef LINE_REST_H
#define LINE_REST_H

#include <errno.h>
#include <netdb.h>
#include <roost.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct store {
    int idle_ms, keys_max;  /* the limits */
    int keys;
    size_t clients, requests;
    struct pair { char key[32], value[128]; } pairs[1000];
};

/* Reads the limits: all or nothing. A few bytes of a local file: that may block. */
static int store_read_limits(struct store *s, const char *path)
{
    int idle_ms = 30000, keys_max = 1000, n = 0;
    FILE *f = path ? fopen(path, "r") : NULL;

    if (f) {
        n = fscanf(f, "idle_ms %d keys_max %d", &idle_ms, &keys_max);
        fclose(f);
    }
    if (path && (n != 2 || idle_ms <= 0 || keys_max < 0 || keys_max > 1000))
        return -EINVAL;
    s->idle_ms = idle_ms;
    s->keys_max = keys_max;
    return 0;
}

static struct pair *store_find(struct store *s, const char *key)
{
    int i = 0;

    while (i < s->keys && strcmp(s->pairs[i].key, key) != 0)
        i++;
    return i < s->keys ? &s->pairs[i] : NULL;
}

static const char *store_set(struct store *s, const char *key, const char *value)
{
    struct pair *p = store_find(s, key);

    if (strlen(key) >= sizeof p->key || strlen(value) >= sizeof p->value)
        return "ERR too long";
    if (!p && s->keys >= s->keys_max)
        return "ERR full";
    if (!p)
        p = &s->pairs[s->keys++];
    snprintf(p->key, sizeof p->key, "%s", key);
    snprintf(p->value, sizeof p->value, "%s", value);
    return "OK";
}

/* Writes what `line` is answered, a line too. 0: it was the last; else 1. */
static int store_answer(struct store *s, char *line, char *reply, size_t bytes)
{
    char *rest = NULL, *verb = strtok_r(line, " ", &rest),
         *key = strtok_r(NULL, " ", &rest);
    struct pair *p = key ? store_find(s, key) : NULL;

    s->requests++;
    if (!verb) {
        snprintf(reply, bytes, "ERR empty\n");
    } else if (!strcmp(verb, "GET") && key) {
        snprintf(reply, bytes, "%s%s\n", p ? "VALUE " : "NONE", p ? p->value : "");
    } else if (!strcmp(verb, "SET") && key && *rest) {
        snprintf(reply, bytes, "%s\n", store_set(s, key, rest));
    } else if (!strcmp(verb, "DEL") && key) {
        snprintf(reply, bytes, p ? "OK\n" : "NONE\n");
        if (p)
            *p = s->pairs[--s->keys];
    } else if (!strcmp(verb, "STATS")) {
        snprintf(reply, bytes, "STATS clients=%zu requests=%zu keys=%d\n",
                 s->clients, s->requests, s->keys);
    } else {
        snprintf(reply, bytes, strcmp(verb, "QUIT") ? "ERR what?\n" : "BYE\n");
    }
    return strcmp(reply, "BYE\n") != 0;
}

/* A bound socket, or a negative errno. `at` is a number, a colon and a port. */
static int bind_socket(const char *at)
{
    struct addrinfo *a = NULL, hints = { .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV };
    char host[64], port[8];
    int fd, one = 1;

    if (sscanf(at, "%63[^:]:%7s", host, port) != 2 ||
        getaddrinfo(host, port, &hints, &a) != 0)
        return roost_fail(-EINVAL, "%s: no address and port", at);
    fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, 128) < 0) {
        int r = roost_fail(-errno, "%s", at);

        close(fd);
        fd = r;
    }
    freeaddrinfo(a);
    return fd;
}

struct option { const char *name, **value; };

static bool read_options(char **argv, const struct option *known)
{
    const struct option *o;

    for (; *argv; argv += 2) {
        for (o = known; o->name && strcmp(*argv, o->name) != 0;)
            o++;
        if (!o->name || !argv[1]) {
            fprintf(stderr, "%s: no such option, or no value\n", *argv);
            return false;
        }
        *o->value = argv[1];
    }
    return true;
}

#endif
