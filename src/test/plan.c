/* plan.c - one line of text for what is done to a run, written and read.
 *
 * Owns:     the grammar of ROOST_TORTURE.
 * Promises: what was printed is read back as it was; any text at all is either
 *           a plan or refused, with what was expected and where.
 * Never:    allocates; prints half an item: without room it ends before it.
 *
 *     plan:  strike [+ strike] [:seed=0x2a] [:pick=3.1,8.2]
 *     strike: none | cancel@N child@N pierce@N early@N late@N alloc@N
 *             call@N=ERRNO short@N | short@all
 */
#define _GNU_SOURCE
#include "test/plan.h"

#include <stdio.h>
#include <string.h>

_Static_assert(ROOST__PICKS == 4, "the words below say so");

static const char *const kinds[] = {
    [STRIKE_NONE] = "none",   [STRIKE_CANCEL] = "cancel",
    [STRIKE_CHILD] = "child", [STRIKE_PIERCE] = "pierce",
    [STRIKE_EARLY] = "early", [STRIKE_LATE] = "late",
    [STRIKE_ALLOC] = "alloc", [STRIKE_CALL] = "call",
    [STRIKE_SHORT] = "short",
    [STRIKE_ALL_SHORT] = "short@all",
};

#define STRIKES "cancel@N, child@N, pierce@N, early@N, late@N, alloc@N, " \
                "call@N=ERRNO, short@N or short@all"

#define ERRNO_MAX 4095 /* of the kernel */

/* ---- printing ---- */

struct out {
    char *text;
    size_t bytes, used;
};

static void put(struct out *o, const char *item)
{
    size_t len = strlen(item);

    if (len >= o->bytes - o->used)
        o->bytes = o->used + 1; /* nor has any other */
    if (o->bytes == o->used + 1)
        return;
    memcpy(o->text + o->used, item, len + 1);
    o->used += len;
}

static void put_injection(struct out *o, const struct roost__injection *in)
{
    const char *name = strerrorname_np(in->code);
    char item[64];
    int n;

    n = snprintf(item, sizeof item, "%s%s", o->used ? "+" : "", kinds[in->what]);
    if (in->what != STRIKE_ALL_SHORT)
        n += snprintf(item + n, sizeof item - (size_t)n, "@%u", in->at);
    if (in->what == STRIKE_CALL && name)
        snprintf(item + n, sizeof item - (size_t)n, "=%s", name);
    else if (in->what == STRIKE_CALL)
        snprintf(item + n, sizeof item - (size_t)n, "=%d", in->code);
    put(o, item);
}

void roost__plan_print(const struct roost__plan *p, char *text, size_t bytes)
{
    struct out o = { text, bytes, 0 };
    char item[64];
    size_t i;

    if (!bytes)
        return;
    text[0] = '\0';
    for (i = 0; i < p->count; i++)
        if (p->in[i].what != STRIKE_NONE)
            put_injection(&o, &p->in[i]);
    if (!o.used)
        put(&o, kinds[STRIKE_NONE]);
    if (p->seed) {
        snprintf(item, sizeof item, ":seed=0x%llx", (unsigned long long)p->seed);
        put(&o, item);
    }
    for (i = 0; i < p->pick_count; i++) {
        snprintf(item, sizeof item, "%s%u.%u", i ? "," : ":pick=",
                 p->picks[i].at, p->picks[i].index);
        put(&o, item);
    }
}

/* ---- reading ---- */

struct in {
    const char *at;
    const char *expected; /* once refused, at `at` */
};

static bool refuse(struct in *in, const char *at, const char *expected)
{
    in->at = at;
    in->expected = expected;
    return false;
}

/* Goes past the word if it stands here. */
static bool take(struct in *in, const char *word)
{
    size_t len = strlen(word);

    if (strncmp(in->at, word, len) != 0)
        return false;
    in->at += len;
    return true;
}

static int digit_of(char c, unsigned base)
{
    int value = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : 99;

    return value < (int)base ? value : -1;
}

static bool read_digits(struct in *in, unsigned base, uint64_t max, uint64_t *ret)
{
    const char *begin = in->at;
    uint64_t n = 0;
    int digit;

    for (; (digit = digit_of(*in->at, base)) >= 0; in->at++) {
        if (n > (max - (uint64_t)digit) / base)
            return false;
        n = n * base + (uint64_t)digit;
    }
    *ret = n;
    return in->at > begin && n > 0;
}

static bool read_number(struct in *in, uint32_t *ret)
{
    const char *begin = in->at;
    uint64_t n;

    if (!read_digits(in, 10, UINT32_MAX, &n))
        return refuse(in, begin, "a number from 1 to 4294967295");
    *ret = (uint32_t)n;
    return true;
}

static size_t word_len(const char *at)
{
    return strcspn(at, "+:,");
}

static bool read_errno(struct in *in, int *ret)
{
    const char *begin = in->at, *name;
    size_t len = word_len(begin);
    uint64_t n;
    int code;

    for (code = 1; code <= ERRNO_MAX; code++) {
        name = strerrorname_np(code);
        if (name && strlen(name) == len && memcmp(name, begin, len) == 0) {
            in->at += len;
            *ret = code;
            return true;
        }
    }
    if (!read_digits(in, 10, ERRNO_MAX, &n) || in->at != begin + len)
        return refuse(in, begin, "an errno: a name such as EIO, or a number");
    *ret = (int)n;
    return true;
}

static bool read_injection(struct in *in, const char *expected,
                           struct roost__plan *p)
{
    const char *begin = in->at;
    struct roost__injection *to = &p->in[p->count];
    int what;

    *to = (struct roost__injection){ 0 };
    for (what = STRIKE_ALL_SHORT; what > STRIKE_NONE; what--)
        if (take(in, kinds[what]))
            break;
    if (what == STRIKE_NONE || (what != STRIKE_ALL_SHORT && !take(in, "@")))
        return refuse(in, begin, expected);
    if (what != STRIKE_ALL_SHORT && !read_number(in, &to->at))
        return false;
    if (what == STRIKE_CALL && !take(in, "="))
        return refuse(in, in->at, "= and an errno, as in call@9=EIO");
    if (what == STRIKE_CALL && !read_errno(in, &to->code))
        return false;
    to->what = (uint8_t)what;
    p->count++;
    return true;
}

static bool read_injections(struct in *in, struct roost__plan *p)
{
    if (take(in, kinds[STRIKE_NONE]))
        return true;
    if (!read_injection(in, "none, " STRIKES, p))
        return false;
    return !take(in, "+") || read_injection(in, STRIKES, p);
}

static bool read_seed(struct in *in, struct roost__plan *p)
{
    const char *begin = in->at;

    if (!read_digits(in, take(in, "0x") ? 16 : 10, UINT64_MAX, &p->seed))
        return refuse(in, begin, "a seed: a number from 1, such as 0x2a");
    return true;
}

static bool read_picks(struct in *in, struct roost__plan *p)
{
    do {
        if (p->pick_count == ROOST__PICKS)
            return refuse(in, in->at, "the end: there are four picks at most");
        if (!read_number(in, &p->picks[p->pick_count].at))
            return false;
        if (!take(in, "."))
            return refuse(in, in->at, ". and a number, as in pick=3.1");
        if (!read_number(in, &p->picks[p->pick_count].index))
            return false;
        p->pick_count++;
    } while (take(in, ","));
    return true;
}

/* What may come next, in words; reached with something that may not. */
static const char *may_follow(const struct roost__plan *p)
{
    if (p->pick_count)
        return p->pick_count < ROOST__PICKS ? "a comma and a pick, or the end"
                                            : "the end";
    if (p->seed)
        return ":pick=N.N or the end";
    return p->count == 1 ? "+, :seed=N, :pick=N.N or the end"
                         : ":seed=N, :pick=N.N or the end";
}

static bool read_plan(struct in *in, struct roost__plan *p)
{
    if (!read_injections(in, p))
        return false;
    if (take(in, ":seed=") && !read_seed(in, p))
        return false;
    if (take(in, ":pick=") && !read_picks(in, p))
        return false;
    return *in->at == '\0' || refuse(in, in->at, may_follow(p));
}

/* The word that stands there, fit to be printed. */
static void found(const char *at, char *word, size_t bytes)
{
    size_t len = word_len(at), i;

    if (!len && *at) /* a separator: say which */
        len = 1 + word_len(at + 1);
    if (len >= bytes)
        len = bytes - 1;
    for (i = 0; i < len; i++)
        word[i] = (char)(at[i] < ' ' || at[i] > '~' ? '?' : at[i]);
    word[len] = '\0';
}

bool roost__plan_parse(const char *text, struct roost__plan *ret, char *ret_why,
                       size_t why_bytes)
{
    struct roost__plan p = { 0 };
    struct in in = { .at = text };
    char word[32];

    if (read_plan(&in, &p)) {
        *ret = p;
        return true;
    }
    found(in.at, word, sizeof word);
    snprintf(ret_why, why_bytes, "%s (at character %zu): expected %s",
             word[0] ? word : "the text ends", (size_t)(in.at - text) + 1,
             in.expected);
    return false;
}
