/* test_test_plan.c - claims about the line of text that repeats a tortured run. */
#include "kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/plan.h"

static const char *print(const struct roost__plan *p)
{
    static char text[ROOST__PLAN_TEXT];

    roost__plan_print(p, text, sizeof text);
    return text;
}

/* The plan is compared field by field: there are gaps between them. */
static void assert_same(const struct roost__plan *a, const struct roost__plan *b)
{
    size_t i;

    assert_int_equal(a->count, b->count);
    assert_int_equal(a->pick_count, b->pick_count);
    assert_true(a->seed == b->seed);
    for (i = 0; i < a->count; i++) {
        assert_int_equal(a->in[i].what, b->in[i].what);
        assert_int_equal(a->in[i].at, b->in[i].at);
        assert_int_equal(a->in[i].code, b->in[i].code);
    }
    for (i = 0; i < a->pick_count; i++) {
        assert_int_equal(a->picks[i].at, b->picks[i].at);
        assert_int_equal(a->picks[i].index, b->picks[i].index);
    }
}

static void assert_round(const char *text)
{
    struct roost__plan p;
    char why[200] = "";

    if (!roost__plan_parse(text, &p, why, sizeof why))
        fail_msg("%s was refused: %s", text, why);
    assert_string_equal(print(&p), text);
}

static void assert_refused(const char *text, const char *why)
{
    struct roost__plan p = { .seed = 77 };
    char said[200] = "";

    assert_false(roost__plan_parse(text, &p, said, sizeof said));
    assert_string_equal(said, why);
    assert_true(p.seed == 77); /* untouched */
}

/* ---- printing ---- */

static void all_that_a_plan_can_say_is_printed(void **state)
{
    static const struct roost__plan p = {
        .in = { { STRIKE_CANCEL, 0, 17 }, { STRIKE_CALL, EIO, 9 } }, .count = 2,
        .seed = 0x2a, .picks = { { 3, 1 }, { 8, 2 } }, .pick_count = 2 };
    static const struct roost__plan nothing;

    (void)state;
    assert_string_equal(print(&p), "cancel@17+call@9=EIO:seed=0x2a:pick=3.1,8.2");
    assert_string_equal(print(&nothing), "none");
}

static void an_errno_without_a_name_is_printed_as_a_number(void **state)
{
    static const struct roost__plan p = { .in = { { STRIKE_CALL, 999, 1 } },
                                          .count = 1 };

    (void)state;
    assert_string_equal(print(&p), "call@1=999");
}

static void a_text_that_is_too_long_ends_after_a_whole_item(void **state)
{
    static const struct roost__plan p = {
        .in = { { STRIKE_CALL, EAFNOSUPPORT, UINT32_MAX },
                { STRIKE_CALL, EPROTONOSUPPORT, UINT32_MAX } }, .count = 2,
        .seed = UINT64_MAX,
        .picks = { { UINT32_MAX, UINT32_MAX }, { UINT32_MAX, UINT32_MAX } },
        .pick_count = 2 };
    struct roost__plan back;
    char text[200], why[200];
    size_t bytes;

    (void)state;
    for (bytes = 5; bytes < sizeof text; bytes++) {
        memset(text, '#', sizeof text);
        roost__plan_print(&p, text, bytes);
        assert_true(strlen(text) < bytes);
        if (bytes >= 64) /* both injections */
            assert_true(roost__plan_parse(text, &back, why, sizeof why));
    }
    assert_same(&p, &back);
}

/* ---- reading ---- */

static void what_was_printed_is_read_back(void **state)
{
    (void)state;
    assert_round("none");
    assert_round("none:seed=0x1");
    assert_round("none:pick=1.1");
    assert_round("cancel@1");
    assert_round("child@4294967295");
    assert_round("early@3+late@4");
    assert_round("alloc@5+short@6");
    assert_round("short@all+call@2=EAGAIN");
    assert_round("call@2=EOPNOTSUPP+short@all:seed=0xffffffffffffffff");
    assert_round("call@9=4000:seed=0x2a:pick=3.1,8.2,9.9,10.1");
}

static void a_seed_may_be_decimal(void **state)
{
    struct roost__plan p;
    char why[200];

    (void)state;
    assert_true(roost__plan_parse("none:seed=42", &p, why, sizeof why));
    assert_string_equal(print(&p), "none:seed=0x2a");
}

static void a_refusal_names_place_found_and_expected(void **state)
{
    (void)state;
    assert_refused("cancle@17", "cancle@17 (at character 1): expected none, "
                   "cancel@N, child@N, pierce@N, early@N, late@N, alloc@N, "
                   "call@N=ERRNO, short@N or short@all");
    assert_refused("", "the text ends (at character 1): expected none, cancel@N, "
                   "child@N, pierce@N, early@N, late@N, alloc@N, "
                   "call@N=ERRNO, short@N or short@all");
    assert_refused("cancel@1+none", "none (at character 10): expected cancel@N, "
                   "child@N, pierce@N, early@N, late@N, alloc@N, "
                   "call@N=ERRNO, short@N or short@all");
    assert_refused("cancel@", "the text ends (at character 8): expected a number "
                   "from 1 to 4294967295");
    assert_refused("cancel@0", "0 (at character 8): expected a number from 1 to "
                   "4294967295");
    assert_refused("cancel@4294967296", "4294967296 (at character 8): expected a "
                   "number from 1 to 4294967295");
    assert_refused("cancel@1x", "x (at character 9): expected +, :seed=N, "
                   ":pick=N.N or the end");
    assert_refused("none+cancel@1", "+cancel@1 (at character 5): expected "
                   ":seed=N, :pick=N.N or the end");
    assert_refused("call@9", "the text ends (at character 7): expected = and an "
                   "errno, as in call@9=EIO");
    assert_refused("call@9=EIOU", "EIOU (at character 8): expected an errno: a "
                   "name such as EIO, or a number");
    assert_refused("call@9=5x+none", "5x (at character 8): expected an errno: a "
                   "name such as EIO, or a number");
    assert_refused("call@9=4096", "4096 (at character 8): expected an errno: a "
                   "name such as EIO, or a number");
    assert_refused("late@1+late@2+late@3", "+late@3 (at character 14): expected "
                   ":seed=N, :pick=N.N or the end");
    assert_refused("none:seed=0", "0 (at character 11): expected a seed: a number "
                   "from 1, such as 0x2a");
    assert_refused("none:seed=0x10000000000000000", "0x10000000000000000 (at "
                   "character 11): expected a seed: a number from 1, such as "
                   "0x2a");
    assert_refused("none:seed=0x2g", "g (at character 14): expected :pick=N.N or "
                   "the end");
    assert_refused("none:pick=3", "the text ends (at character 12): expected . "
                   "and a number, as in pick=3.1");
    assert_refused("none:pick=3.0", "0 (at character 13): expected a number from "
                   "1 to 4294967295");
    assert_refused("none:pick=1.1,2.1,3.1,4.1,5.1", "5.1 (at character 27): "
                   "expected the end: there are four picks at most");
    assert_refused("none:pick=1.1:seed=0x1", ":seed=0x1 (at character 14): "
                   "expected a comma and a pick, or the end");
    assert_refused("call@1=A_WORD_THAT_IS_LONGER_THAN_IT_SHOULD_BE",
                   "A_WORD_THAT_IS_LONGER_THAN_IT_S (at character 8): expected an "
                   "errno: a name such as EIO, or a number");
    assert_refused("late@\xff\n:", "?? (at character 6): expected a number from 1 "
                   "to 4294967295");
}

static void a_refusal_fits_the_room_it_has(void **state)
{
    struct roost__plan p;
    char why[40];

    (void)state;
    memset(why, '#', sizeof why);
    assert_false(roost__plan_parse("a_word_that_is_longer_than_any_room_for_it",
                                   &p, why, 20));
    assert_int_equal(strlen(why), 19);
    assert_int_equal(why[20], '#');
}

/* ---- at random ---- */

static uint64_t randoms = 20260915;

static uint32_t below(uint32_t limit)
{
    randoms = randoms * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((randoms >> 33) % limit);
}

static struct roost__plan any_plan(void)
{
    struct roost__plan p = { .count = below(3), .pick_count = below(5) };
    size_t i;

    for (i = 0; i < p.count; i++) {
        p.in[i].what = (uint8_t)(1 + below(STRIKE_ALL_SHORT));
        p.in[i].at = p.in[i].what == STRIKE_ALL_SHORT ? 0 : 1 + below(100000);
        p.in[i].code = p.in[i].what == STRIKE_CALL ? 1 + (int)below(200) : 0;
    }
    if (below(2))
        p.seed = ((uint64_t)below(UINT32_MAX) << below(33)) + 1;
    for (i = 0; i < p.pick_count; i++) {
        p.picks[i].at = 1 + below(10000);
        p.picks[i].index = 1 + below(100);
    }
    return p;
}

static void any_plan_comes_back_from_its_text(void **state)
{
    struct roost__plan p, back;
    char text[200], why[200];
    int i;

    (void)state;
    for (i = 0; i < 20000; i++) {
        p = any_plan();
        roost__plan_print(&p, text, sizeof text);
        if (!roost__plan_parse(text, &back, why, sizeof why))
            fail_msg("%s was refused: %s", text, why);
        assert_same(&p, &back);
    }
}

static void mutate(char *text, size_t bytes)
{
    static const char letters[] = "cancelhidrytosk@+:=.,0129xEIO \x80\xff";
    size_t len = strlen(text), at = below((uint32_t)len + 1);

    switch (below(4)) {
    case 0:
        text[at] = '\0';
        break;
    case 1:
        if (len + 1 < bytes) {
            memmove(text + at + 1, text + at, len - at + 1);
            text[at] = letters[below(sizeof letters - 1)];
        }
        break;
    case 2:
        if (at < len)
            memmove(text + at, text + at + 1, len - at);
        break;
    default:
        if (at < len)
            text[at] = (char)(1 + below(255));
    }
}

/* What is taken says the same when printed; what is not, why. The text lies at the
 * end of a block of its own: AddressSanitizer sees a step too far. */
static void any_text_is_a_plan_or_refused_with_a_reason(void **state)
{
    struct roost__plan p, back;
    char text[256], again[256], why[200];
    int i, j, taken = 0;

    (void)state;
    for (i = 0; i < 20000; i++) {
        char *own;
        size_t len;

        p = any_plan();
        roost__plan_print(&p, text, sizeof text);
        for (j = (int)below(4); j >= 0; j--)
            mutate(text, sizeof text);
        len = strlen(text) + 1;
        own = malloc(len);
        assert_non_null(own);
        memcpy(own, text, len);
        why[0] = '\0';
        if (roost__plan_parse(own, &p, why, sizeof why)) {
            taken++;
            assert_int_equal(why[0], 0);
            roost__plan_print(&p, again, sizeof again);
            assert_true(roost__plan_parse(again, &back, why, sizeof why));
            assert_same(&p, &back);
        } else {
            assert_non_null(strstr(why, "expected"));
        }
        free(own);
    }
    assert_in_range(taken, 500, 15000); /* both happen */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_a_plan_can_say_is_printed),
        cmocka_unit_test(an_errno_without_a_name_is_printed_as_a_number),
        cmocka_unit_test(a_text_that_is_too_long_ends_after_a_whole_item),
        cmocka_unit_test(what_was_printed_is_read_back),
        cmocka_unit_test(a_seed_may_be_decimal),
        cmocka_unit_test(a_refusal_names_place_found_and_expected),
        cmocka_unit_test(a_refusal_fits_the_room_it_has),
        cmocka_unit_test(any_plan_comes_back_from_its_text),
        cmocka_unit_test(any_text_is_a_plan_or_refused_with_a_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
