#include "suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The definition, without a table. */
static size_t naive_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t best;

    if (a_length == 0 || b_length == 0)
        return a_length + b_length;
    best = naive_distance(a, a_length - 1, b, b_length - 1) + (a[a_length - 1] != b[b_length - 1]);
    best = least(best, naive_distance(a, a_length - 1, b, b_length) + 1);
    best = least(best, naive_distance(a, a_length, b, b_length - 1) + 1);
    if (a_length > 1 && b_length > 1 && a[a_length - 1] == b[b_length - 2] &&
        a[a_length - 2] == b[b_length - 1])
        best = least(best, naive_distance(a, a_length - 2, b, b_length - 2) + 1);
    return best;
}

/* All words of up to 5 letters of a small alphabet, as numbers in base 3. */
static void make_word(unsigned number, char word[6])
{
    size_t length = 0;

    for (; number > 0; number /= 3)
        word[length++] = (char)('a' + number % 3);
    word[length] = '\0';
}

static void distance_equals_its_definition(void **state)
{
    enum { NR_WORDS = 243 };

    (void)state;
    for (unsigned i = 0; i < NR_WORDS; i++) {
        for (unsigned j = 0; j < NR_WORDS; j++) {
            char a[6];
            char b[6];

            make_word(i, a);
            make_word(j, b);
            assert_int_equal(bf_edit_distance(a, b), naive_distance(a, strlen(a), b, strlen(b)));
        }
    }
}

static void overlong_words_are_far(void **state)
{
    char word[100];

    (void)state;
    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    assert_true(bf_edit_distance(word, word) == SIZE_MAX);
    word[63] = '\0';
    assert_int_equal(bf_edit_distance(word, word), 0);
}

static const char *suggest(const char *typed)
{
    static const char *const known[] = {"inspect", "serve", "pull", "archive", "restore", "verify"};
    struct bf_suggestion suggestion = bf_suggestion_for(typed);

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        bf_suggestion_offer(&suggestion, known[i]);
    return suggestion.best;
}

static void what_is_near_is_suggested_and_nothing_else(void **state)
{
    (void)state;
    assert_string_equal(suggest("insepct"), "inspect");
    assert_string_equal(suggest("vrfy"), "verify");
    assert_string_equal(suggest("arch"), "archive");
    assert_string_equal(suggest("pul"), "pull");
    assert_null(suggest("migrate"));
    assert_null(suggest("x"));
    assert_null(suggest(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance_equals_its_definition),
        cmocka_unit_test(overlong_words_are_far),
        cmocka_unit_test(what_is_near_is_suggested_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
