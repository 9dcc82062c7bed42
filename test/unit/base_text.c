#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check_size(uint64_t size_bytes, const char *text)
{
    char buf[BF_SIZE_TEXT_MAX];

    assert_ptr_equal(bf_size_text(size_bytes, buf), buf);
    assert_string_equal(buf, text);
}

static void test_sizes_read_well(void **state)
{
    (void)state;
    check_size(0, "0 B");
    check_size(512, "512 B");
    check_size(1023, "1023 B");
    check_size(1024, "1 KiB");
    check_size(65536, "64 KiB");
    check_size((1 << 20) - 1, "1023.9 KiB");
    check_size(1536, "1.5 KiB");
    check_size(UINT64_C(3) << 39, "1.5 TiB");
    check_size(UINT64_C(1) << 60, "1 EiB");
    check_size(UINT64_MAX, "15.9 EiB");
}

static void check_parse(const char *text, uint64_t size_bytes)
{
    uint64_t parsed = 1;

    assert_true(bf_size_parse(text, &parsed));
    assert_int_equal(parsed, size_bytes);
}

static void test_sizes_are_parsed(void **state)
{
    (void)state;
    check_parse("0", 0);
    check_parse("65536", 65536);
    check_parse("512B", 512);
    check_parse("64k", 65536);
    check_parse("64K", 65536);
    check_parse("64KiB", 65536);
    check_parse("1M", 1 << 20);
    check_parse("2G", UINT64_C(2) << 30);
    check_parse("16T", UINT64_C(16) << 40);
    check_parse("3P", UINT64_C(3) << 50);
    check_parse("18446744073709551615", UINT64_MAX);
    check_parse("18014398509481983K", UINT64_MAX - 1023);
    check_parse("16383P", UINT64_C(16383) << 50);
}

static void test_what_is_no_size_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        " 1",
        "1 ",
        "-1",
        "+1",
        "K",
        "1KB",
        "1Ki",
        "1KiBs",
        "1.5G",
        "0x10",
        "1kk",
        "1Z",
        "18446744073709551616",
        "99999999999999999999999",
        "18014398509481984K",
        "16384P",
    };
    uint64_t parsed = 4711;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (bf_size_parse(bad[i], &parsed))
            fail_msg("'%s' was taken for %llu", bad[i], (unsigned long long)parsed);
    }
    assert_int_equal(parsed, 4711);
}

static void test_hex_goes_there_and_back(void **state)
{
    uint8_t bytes[256];
    uint8_t back[256];
    char text[2 * sizeof bytes + 1];

    (void)state;
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    bf_hex_encode(bytes, sizeof bytes, text);
    assert_int_equal(strlen(text), 2 * sizeof bytes);
    assert_memory_equal(text + 2 * 0xab, "abacad", 6);
    assert_true(bf_hex_decode(text, sizeof bytes, back));
    assert_memory_equal(back, bytes, sizeof bytes);
    assert_true(bf_hex_decode("DeadBEEF", 4, back));
    assert_memory_equal(back, "\xde\xad\xbe\xef", 4);
    bf_hex_encode(bytes, 0, text);
    assert_string_equal(text, "");
    assert_true(bf_hex_decode("", 0, back));
}

static void test_hex_of_another_length_or_alphabet_is_refused(void **state)
{
    uint8_t bytes[8];

    (void)state;
    assert_false(bf_hex_decode("abc", 2, bytes));
    assert_false(bf_hex_decode("abcde", 2, bytes));
    assert_false(bf_hex_decode("", 2, bytes));
    assert_false(bf_hex_decode("abcg", 2, bytes));
    assert_false(bf_hex_decode("ab d", 2, bytes));
    assert_false(bf_hex_decode("0x12", 2, bytes));
}

static bool valid(const char *text)
{
    return bf_utf8_valid(text, strlen(text));
}

static void test_utf8_is_well_formed_or_not(void **state)
{
    (void)state;
    assert_true(valid(""));
    assert_true(valid("plain"));
    assert_true(valid("\x7f"));
    assert_true(valid("\xc2\x80\xdf\xbf"));
    assert_true(valid("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"));
    assert_true(valid("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
    assert_false(bf_utf8_valid("a\0b", 3));
    assert_false(valid("\x80"));
    assert_false(valid("\xc0\x80"));
    assert_false(valid("\xc1\xbf"));
    assert_false(valid("\xe0\x9f\xbf"));
    assert_false(valid("\xed\xa0\x80"));
    assert_false(valid("\xf0\x8f\xbf\xbf"));
    assert_false(valid("\xf4\x90\x80\x80"));
    assert_false(valid("\xf5\x80\x80\x80"));
    assert_false(valid("\xff"));
    assert_false(valid("\xc3("));
    assert_false(valid("\xe2\x82("));
    assert_false(valid("\xf0\x9f\x92("));
}

/* The copy is as long as what is looked at, so that the sanitizer sees a look behind its end. */
static bool valid_prefix(const char *text, size_t nr_bytes)
{
    char *copy = malloc(nr_bytes);
    bool is_valid;

    assert_non_null(copy);
    memcpy(copy, text, nr_bytes);
    is_valid = bf_utf8_valid(copy, nr_bytes);
    free(copy);
    return is_valid;
}

static void test_utf8_cut_short_is_not_valid(void **state)
{
    (void)state;
    for (size_t nr = 1; nr < 4; nr++)
        assert_false(valid_prefix("\xf0\x9f\x92\xa9", nr));
    assert_true(valid_prefix("\xf0\x9f\x92\xa9", 4));
    assert_false(valid_prefix("\xc3\xb6", 1));
    assert_false(valid_prefix("\xe2\x82\xac", 2));
}

static void check_word(const char *text, const char *word)
{
    char *found = bf_shell_word(text);

    assert_string_equal(found, word);
    free(found);
}

static void test_words_of_a_shell_are_quoted_where_they_must_be(void **state)
{
    (void)state;
    check_word("/var/lib/a.qcow2", "/var/lib/a.qcow2");
    check_word("", "''");
    check_word("my disk", "'my disk'");
    check_word("it's $HOME", "'it'\\''s $HOME'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_read_well),
        cmocka_unit_test(test_sizes_are_parsed),
        cmocka_unit_test(test_what_is_no_size_is_refused),
        cmocka_unit_test(test_hex_goes_there_and_back),
        cmocka_unit_test(test_hex_of_another_length_or_alphabet_is_refused),
        cmocka_unit_test(test_utf8_is_well_formed_or_not),
        cmocka_unit_test(test_utf8_cut_short_is_not_valid),
        cmocka_unit_test(test_words_of_a_shell_are_quoted_where_they_must_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
