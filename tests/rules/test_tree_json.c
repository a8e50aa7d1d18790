/* test_tree_json.c - claims about the object that roost_tree_json writes.
 *
 * Whatever is written is read by a strict reader first (RFC 8259 and RFC 3629).
 */
#include "rules/in_task.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a strict reader: each function returns what follows, or NULL ---- */

static const char *after_utf8(const char *s)
{
    const unsigned char *b = (const void *)s;
    unsigned long c = b[0], lowest[] = { 0, 0x80, 0x800, 0x10000 };
    int more = c < 0x80 ? 0 : c < 0xc0 ? -1 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3, i;

    if (more < 0 || c >= 0xf8 || c < 0x20)
        return NULL;
    c &= more == 0 ? 0x7f : more == 1 ? 0x1f : more == 2 ? 0x0f : 0x07;
    for (i = 1; i <= more; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return NULL;
        c = c << 6 | (b[i] & 0x3f);
    }
    if (c < lowest[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return NULL;
    return s + more + 1;
}

static const char *after_string(const char *s)
{
    if (*s++ != '"')
        return NULL;
    while (s && *s != '"') {
        if (*s != '\\')
            s = after_utf8(s);
        else if (s[1] == 'u')
            s = strspn(s + 2, "0123456789abcdefABCDEF") >= 4 ? s + 6 : NULL;
        else
            s = s[1] && strchr("\"\\/bfnrt", s[1]) ? s + 2 : NULL;
    }
    return s ? s + 1 : NULL;
}

static const char *after_plain(const char *s)
{
    static const char *const words[] = { "true", "false", "null" };
    size_t i, digits;

    for (i = 0; i < 3; i++)
        if (!strncmp(s, words[i], strlen(words[i])))
            return s + strlen(words[i]);
    s += *s == '-';
    digits = strspn(s, "0123456789");
    return digits == 0 || (digits > 1 && *s == '0') ? NULL : s + digits;
}

/* Not recursive: a stack of brackets, as deep as the tree may be. */
static const char *after_value(const char *s)
{
    static char open[8192];
    size_t depth = 0;

    for (;;) {
        if (s && (*s == '{' || *s == '[') && depth < sizeof open) {
            open[depth++] = *s++;
            if (*s != open[depth - 1] + 2 && open[depth - 1] == '[')
                continue;
        } else {
            s = !s ? NULL : *s == '"' ? after_string(s) : after_plain(s);
        }
        for (; s && depth && *s == open[depth - 1] + 2; s++)
            depth--;
        if (!s || depth == 0)
            return s;
        if (s[-1] != '{' && *s++ != ',')
            return NULL;
        if (open[depth - 1] == '{') {
            s = after_string(s);
            s = s && *s == ':' ? s + 1 : NULL;
        }
    }
}

static bool is_json(const char *text)
{
    const char *end = after_value(text);

    return end && !strcmp(end, "\n");
}

static void the_reader_itself_is_strict(void **state)
{
    static const char *const good[] = {
        "{}\n", "[]\n", "{\"a\":[1,-2,{\"b\":\"\\u00e4\\\"\"}],\"c\":true}\n",
        "[[],{},\"\xc3\xa4\xf0\x9f\x90\xa6\"]\n" };
    static const char *const bad[] = {
        "{", "{}", "{,}\n", "{\"a\"}\n", "{\"a\":}\n", "[1,]\n", "[1 2]\n",
        "[01]\n", "{\"a\":1,}\n", "[\"\x01\"]\n", "[\"\\x\"]\n", "[\"\\u12g4\"]\n",
        "[\"\xc3\"]\n", "[\"\xc0\x80\"]\n", "[\"\xed\xa0\x80\"]\n",
        "[\"\xf4\x90\x80\x80\"]\n", "[}\n", "{}{}\n", "[\"a]\n" };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof good / sizeof *good; i++)
        if (!is_json(good[i]))
            fail_msg("refused: %s", good[i]);
    for (i = 0; i < sizeof bad / sizeof *bad; i++)
        if (is_json(bad[i]))
            fail_msg("taken: %s", bad[i]);
}

/* What is written, in a buffer that is kept until the next call. */
static const char *json(void)
{
    static char *text;
    size_t bytes;
    FILE *f;

    free(text);
    text = NULL;
    f = open_memstream(&text, &bytes);
    roost_tree_json(f);
    fclose(f);
    EXPECT(is_json(text));
    if (!is_json(text))
        fprintf(stderr, "%s", text);
    return text;
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;

    for (text = strstr(text, part); text; text = strstr(text + 1, part))
        n++;
    return n;
}

/* ---- claims ---- */

static void outside_a_run_it_is_an_object_that_says_so(void **state)
{
    (void)state;
    assert_string_equal(json(), "{\"kind\":\"none\"}\n");
}

IN_TASK(main_alone_is_a_run_with_one_child)
{
    EXPECT_HAS(json(), "{\"kind\":\"run\",\"site\":\"");
    EXPECT_HAS(json(), ",\"tasks\":1,\"children\":[{\"kind\":\"task\","
                       "\"name\":\"main\",\"id\":1,\"path\":\"main\","
                       "\"state\":\"runs\",\"site\":\"");
    EXPECT_HAS(json(), ",\"children\":[]}]}\n");
    return 0;
}

static int idles(void *arg)
{
    return ROOST_IDLE(roost_event_wait(arg));
}

static int joins(void *arg)
{
    return roost_event_join(arg);
}

static int sleeps(void *arg)
{
    (void)arg;
    return roost_sleep(ROOST_MS(7));
}

IN_TASK(a_wait_says_what_where_how_long_and_how_it_may_end)
{
    roost_event e;
    roost_nursery n;
    const char *text;

    roost_event_init(&e);
    roost_nursery_open_with_at(&n, &(roost_nursery_options){ .name = "all" },
                               "all.c:1");
    roost_spawn_at(&n, idles, &e, "idle.c:2");
    roost_spawn_at(&n, joins, &e, "join.c:3");
    roost_spawn_at(&n, sleeps, NULL, "sleep.c:4");
    EXPECT_HAS(json(), "\"path\":\"main/task#2\",\"state\":\"ready\","
                       "\"site\":\"idle.c:2\",\"children\":[]},{");
    EXPECT_INT(roost_sleep(ROOST_MS(5)), 0);
    text = json();
    EXPECT_HAS(text, "{\"kind\":\"nursery\",\"name\":\"all\",\"count\":3,"
                     "\"closing\":false,\"site\":\"all.c:1\",\"children\":[{");
    EXPECT_HAS(text, "\"wait\":{\"what\":\"an event\",\"place\":\"idles+0x");
    EXPECT_HAS(text, "\"since_ns\":5000000,\"idle\":true,\"abortable\":true},"
                     "\"site\":\"idle.c:2\"");
    EXPECT_HAS(text, "\"since_ns\":5000000,\"idle\":false,\"abortable\":false},"
                     "\"site\":\"join.c:3\"");
    EXPECT_HAS(text, "\"what\":\"the clock\",\"place\":\"sleeps+0x");
    EXPECT_HAS(text, ",\"left_ns\":2000000},\"site\":\"sleep.c:4\"");
    roost_event_set(&e);
    return roost_nursery_close(&n, 0);
}

IN_TASK(deadlines_shields_and_cancellations_stand_where_they_are_S16)
{
    roost_scope outer, shield, inner;

    roost_scope_enter_at(&outer, roost_after(ROOST_MS(30)), "outer.c:1");
    EXPECT_HAS(json(), "{\"kind\":\"scope\",\"site\":\"outer.c:1\","
                       "\"deadline_left_ns\":30000000,\"children\":[]}");
    roost_shield_enter_at(&shield, ROOST_MS(9), "shield.c:2");
    EXPECT_HAS(json(), "{\"kind\":\"shield\",\"used_up\":false,"
                       "\"site\":\"shield.c:2\",\"children\":[]}");
    roost_scope_cancel_at(&outer, "so be it", "cancel.c:3");
    EXPECT_HAS(json(), "\"cancelled\":{\"kind\":\"hand\",\"site\":\"cancel.c:3\","
                       "\"reason\":\"so be it\",\"by\":\"main\"},\"children\":[{"
                       "\"kind\":\"shield\",\"used_up\":false,"
                       "\"left_ns\":9000000,");
    EXPECT_INT(roost_sleep(ROOST_MS(20)), -ECANCELED);
    EXPECT_HAS(json(), "{\"kind\":\"shield\",\"used_up\":true,\"site\"");
    EXPECT_INT(roost_scope_leave(&shield, 0), 0);
    EXPECT_INT(roost_scope_leave(&outer, -ECANCELED), 0);
    roost_scope_enter_at(&inner, roost_after(-ROOST_MS(1)), "late.c:4");
    EXPECT_HAS(json(), "\"cancelled\":{\"kind\":\"deadline\",");
    EXPECT_INT(roost_scope_leave(&inner, -ECANCELED), -ETIMEDOUT);
    return 0;
}

IN_TASK(a_failure_tells_its_code)
{
    roost_event e;
    roost_nursery n;

    roost_event_init(&e);
    roost_nursery_open_at(&n, "all.c:1");
    roost_spawn(&n, joins, &e);
    roost_spawn_at(&n, kit_fail_eio, NULL, "fails.c:2");
    EXPECT_INT(roost_checkpoint(), -ECANCELED);
    EXPECT_HAS(json(), "\"cancelled\":{\"kind\":\"failure\",");
    EXPECT_HAS(json(), ",\"code\":-5}");
    roost_event_set(&e);
    EXPECT_INT(roost_nursery_close(&n, -ECANCELED), -EIO);
    return 0;
}

IN_TASK(services_and_who_starts_are_told_apart_N15)
{
    roost_event e;
    roost_spawn_options service = { .service = true, .name = "health" };

    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn_with_at(n, idles, &e, &service, "service.c:1");
    EXPECT_HAS(json(), "{\"kind\":\"services\",\"children\":[{\"kind\":\"task\","
                       "\"name\":\"health\",\"id\":2,");
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

static int shows_start(void *arg)
{
    (void)arg;
    EXPECT_HAS(json(), "\"starting\":true,\"state\":\"runs\"");
    roost_started(3);
    EXPECT(!strstr(json(), "starting"));
    return 0;
}

IN_TASK(a_child_that_starts_says_so_until_it_has_N10)
{
    ROOST_NURSERY(n);
    EXPECT_INT(roost_start(n, shows_start, NULL), 3);
    return roost_nursery_close(n, 0);
}

/* Each name as a task and as a nursery, and what it must have become. */
static const struct { const char *name, *wanted; } hostile[] = {
    { "a\"b\\c/", "\"name\":\"a\\\"b\\\\c/\"" },
    { "\",\"kind\":\"run", "\"name\":\"\\\",\\\"kind\\\":\\\"run\"" },
    { "\n\t\x01\x1f\x7f", "\"name\":\"\\u000a\\u0009\\u0001\\u001f\\u007f\"" },
    { "gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xa6", "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xa6\"" },
    { "\xff\xc3", "\"name\":\"\\ufffd\\ufffd\"" },
    { "\xc0\x80\xe0\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"" },
    { "\xed\xa0\x80\xf4\x90\x80\x80",
      "\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"" },
    { "\xf0\x80\x80\x80\xf8", "\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"" },
    { "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf",
      "\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"" },
    { "", "\"name\":\"\"" },
};

IN_TASK(names_of_any_bytes_are_strings_all_the_same)
{
    const char *text;
    size_t i;

    for (i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        roost_nursery_options o = { .name = hostile[i].name };
        roost_spawn_options s = { .name = hostile[i].name };
        roost_nursery n;

        roost_nursery_open_with_at(&n, &o, hostile[i].name);
        roost_spawn_with_at(&n, kit_sleep_forever, NULL, &s, "x.c:1");
        text = json();
        EXPECT_INT(count(text, hostile[i].wanted) >= 2, 1);
        EXPECT_HAS(text, hostile[i].wanted);
        roost_nursery_cancel(&n, "enough");
        EXPECT_INT(roost_nursery_close(&n, 0), 0);
    }
    return 0;
}

/* The path is cut on the left, in the middle of a character too. */
static int nest_long(void *arg)
{
    static const char name[] = "gr\xc3\xb6\xc3\x9f\x65rgr\xc3\xb6\xc3\x9f\x65r";
    int depth = *(int *)arg - 1, r;

    if (depth == 0) {
        EXPECT_INT(count(json(), "\"kind\":\"task\""), 42);
        return 0;
    }
    ROOST_NURSERY(n);
    roost_spawn_with(n, nest_long, &depth, &(roost_spawn_options){ .name = name });
    r = roost_nursery_close(n, 0);
    return r;
}

IN_TASK(long_names_and_long_paths_are_whole_or_cut_but_valid)
{
    static char longest[5000];
    int depth = 41;

    memset(longest, '"', sizeof longest - 1);
    ROOST_NURSERY_WITH(n, .name = longest);
    EXPECT_INT(count(json(), "\\\""), sizeof longest - 1);
    roost_spawn(n, nest_long, &depth);
    return roost_nursery_close(n, 0);
}

/* Preorder, closed properly wherever a line of descent ends. */
IN_TASK(two_thousand_nested_scopes_with_a_sibling_at_each_end)
{
    enum { DEPTH = 2000 };
    roost_scope *s = calloc(DEPTH, sizeof *s);
    int i;

    ROOST_NURSERY(n);
    roost_spawn_at(n, kit_sleep_forever, NULL, "first.c:1");
    for (i = 0; i < DEPTH; i++)
        roost_scope_enter(&s[i], ROOST_NEVER);
    EXPECT_INT(count(json(), "\"kind\":\"scope\""), DEPTH);
    while (i-- > 0)
        EXPECT_INT(roost_scope_leave(&s[i], 0), 0);
    free(s);
    roost_nursery_cancel(n, "enough");
    return roost_nursery_close(n, 0);
}

static int runs_two_deep(void *arg)
{
    (void)arg;
    ROOST_NURSERY(n);
    roost_spawn_at(n, sleeps, NULL, "leaf.c:1");
    roost_spawn_at(n, sleeps, NULL, "leaf.c:2");
    return roost_nursery_close(n, 0);
}

IN_TASK(siblings_and_cousins_stand_where_they_belong)
{
    roost_nursery n;
    const char *text, *first, *second;

    roost_nursery_open_at(&n, "outer.c:1");
    roost_spawn_at(&n, runs_two_deep, NULL, "a.c:1");
    roost_spawn_at(&n, runs_two_deep, NULL, "b.c:2");
    EXPECT_INT(roost_sleep(ROOST_MS(1)), 0);
    text = json();
    first = strstr(text, "leaf.c:2");
    second = strstr(text, "b.c:2");
    EXPECT_HAS(text, "\"leaf.c:1\",\"children\":[]},{");
    EXPECT(first && second && first < second);
    /* leaf, its nursery and a.c:1 are closed, then comes b.c:2. */
    EXPECT(first && !strncmp(first, "leaf.c:2\",\"children\":[]}]}]},{", 30));
    EXPECT_HAS(text, "\"leaf.c:2\",\"children\":[]}]}]}]}]}]}\n");
    return roost_nursery_close(&n, 0);
}

IN_TASK(a_stop_is_told_at_all_it_concerns_X1)
{
    roost_event e;

    roost_event_init(&e);
    ROOST_NURSERY(n);
    roost_spawn_at(n, joins, &e, "child.c:1");
    EXPECT_INT(roost_checkpoint(), 0);
    EXPECT(!strstr(json(), "\"stop\""));
    EXPECT_INT(roost_stop(&n->scope, NULL), 0);
    EXPECT_INT(count(json(), "\"stop\":\"soft\""), 2);
    EXPECT_HAS(kit_tree(), "1 child, stopping (soft)\n");
    EXPECT_INT(roost_stop_escalate(&n->scope), 0);
    EXPECT_INT(count(json(), "\"stop\":\"hard\""), 2);
    roost_event_set(&e);
    return roost_nursery_close(n, 0);
}

/* The root has no object of its own. */
IN_TASK(what_befalls_the_whole_run_is_told_at_main_X1)
{
    EXPECT_INT(roost_stop(NULL, NULL), 0);
    EXPECT_HAS(kit_tree(), ", running, stopping (soft)\n");
    EXPECT_HAS(json(), ",\"stop\":\"soft\",\"children\":[]}]}\n");
    EXPECT(!strstr(json(), "cancelled"));
    EXPECT_INT(roost_stop_escalate(NULL), 0);
    EXPECT_HAS(kit_tree(), ", running, cancelled by hand at ");
    EXPECT_HAS(json(), ",\"cancelled\":{\"kind\":\"hand\",");
    EXPECT_HAS(json(), ",\"stop\":\"hard\",");
    return 0;
}

IN_TASK(what_there_is_not_has_no_field)
{
    roost_scope s;

    ROOST_NURSERY(n);
    EXPECT_INT(count(json(), "\"name\""), 1); /* main's */
    roost_scope_enter(&s, roost_after(ROOST_SEC(1)));
    EXPECT_INT(count(json(), "deadline_left_ns"), 1);
    roost_scope_cancel(&s, "");
    EXPECT_HAS(json(), ",\"reason\":\"\",");
    EXPECT(!strstr(json(), "deadline_left_ns"));
    EXPECT_INT(roost_scope_leave(&s, 0), 0);
    return roost_nursery_close(n, 0);
}

IN_TASK(it_is_flushed)
{
    char text[512] = "";
    FILE *f = fmemopen(text, sizeof text - 1, "w");

    roost_tree_json(f);
    EXPECT(is_json(text));
    fclose(f);
    return 0;
}

/* ---- a guest may have several main tasks ---- */

static void two_roots_are_two_children_G1(void **state)
{
    struct ev_loop *loop;
    const char *text;
    roost_event e;
    int i;

    (void)state;
    kit_begin();
    loop = ev_loop_new(EVFLAG_AUTO);
    roost_event_init(&e);
    for (i = 0; i < 2; i++)
        EXPECT(roost_attach(loop, joins, &e, NULL, NULL));
    ev_run(loop, EVRUN_NOWAIT);
    text = json();
    EXPECT_INT(count(text, "{\"kind\":\"task\",\"name\":\"main\""), 2);
    EXPECT_HAS(text, "\"children\":[]},{\"kind\":\"task\"");
    roost_event_set(&e);
    ev_run(loop, 0);
    ev_loop_destroy(loop);
    kit_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reader_itself_is_strict),
        cmocka_unit_test(outside_a_run_it_is_an_object_that_says_so),
        cmocka_unit_test(main_alone_is_a_run_with_one_child),
        cmocka_unit_test(a_wait_says_what_where_how_long_and_how_it_may_end),
        cmocka_unit_test(deadlines_shields_and_cancellations_stand_where_they_are_S16),
        cmocka_unit_test(a_failure_tells_its_code),
        cmocka_unit_test(services_and_who_starts_are_told_apart_N15),
        cmocka_unit_test(a_child_that_starts_says_so_until_it_has_N10),
        cmocka_unit_test(names_of_any_bytes_are_strings_all_the_same),
        cmocka_unit_test(long_names_and_long_paths_are_whole_or_cut_but_valid),
        cmocka_unit_test(two_thousand_nested_scopes_with_a_sibling_at_each_end),
        cmocka_unit_test(siblings_and_cousins_stand_where_they_belong),
        cmocka_unit_test(a_stop_is_told_at_all_it_concerns_X1),
        cmocka_unit_test(what_befalls_the_whole_run_is_told_at_main_X1),
        cmocka_unit_test(what_there_is_not_has_no_field),
        cmocka_unit_test(it_is_flushed),
        cmocka_unit_test(two_roots_are_two_children_G1),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
