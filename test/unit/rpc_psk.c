/* Files of pre-shared keys. */
#include "psk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KEY     "000102030405060708090a0b0c0d0e0f"
#define KEY_64  KEY KEY KEY KEY
#define NAME_64 "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"

static void keys_are_found_by_name(void **state)
{
    struct bf_psk_table table;

    (void)state;
    assert_int_equal(
        bf_psk_parse("f", "# made by hand\n\na:" KEY "\nb b:" KEY_64 "\n", &table, NULL), 0);
    assert_int_equal(table.nr_entries, 2);
    assert_string_equal(bf_psk_find(&table, NULL)->name, "a");
    assert_int_equal(bf_psk_find(&table, "a")->key_bytes, 16);
    assert_int_equal(bf_psk_find(&table, "a")->key[15], 15);
    assert_int_equal(bf_psk_find(&table, "b b")->key_bytes, 64);
    assert_null(bf_psk_find(&table, "c"));
    bf_psk_release(&table);
}

static void a_broken_file_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text, *refusal;
    } rows[] = {
        {"", "f holds no key"},
        {"# only a comment\n", "f holds no key"},
        {"a\n", "f:1: the name is missing or too long"},
        {":" KEY, "f:1: the name is missing or too long"},
        {NAME_64 NAME_64 "n:" KEY, "f:1: the name is missing or too long"},
        {"a:" KEY "\nb:0001", "f:2: the key does not have 16 to 64 bytes"},
        {"a:" KEY_64 "00", "f:1: the key does not have 16 to 64 bytes"},
        {"a:" KEY "x", "f:1: the key is not hexadecimal"},
        {"a:" KEY "\r\n", "f:1: the key is not hexadecimal"},
        {"a:g" KEY, "f:1: the key is not hexadecimal"},
        {"a:" KEY "\n\na:" KEY, "f:3: the name is there twice"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bf_error err = BF_ERROR_INIT;
        struct bf_psk_table table;

        assert_true(bf_psk_parse("f", rows[i].text, &table, &err) < 0);
        assert_int_equal(err.code, BF_E_INVALID);
        if (strncmp(err.text, rows[i].refusal, strlen(rows[i].refusal)) != 0)
            fail_msg("row %zu: %s", i, err.text);
        assert_null(table.entries);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_found_by_name),
        cmocka_unit_test(a_broken_file_is_refused_with_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
