#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_a_failure_is_a_negative_errno_with_a_text(void **state)
{
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    assert_int_equal(bf_error_set(&err, BF_E_NOT_FOUND, "no bitmap '%s'", "b1"), -ENOENT);
    assert_int_equal(err.code, BF_E_NOT_FOUND);
    assert_string_equal(err.text, "no bitmap 'b1'");
    assert_int_equal(bf_error_set(NULL, BF_E_IO, "nobody listens"), -EIO);
}

static void test_the_first_error_wins(void **state)
{
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    (void)bf_error_set(&err, BF_E_IMAGE_IN_USE, "first");
    assert_int_equal(bf_error_set(&err, BF_E_IO, "second"), -EIO);
    assert_int_equal(bf_error_set_errno(&err, ENOSPC, "third"), -ENOSPC);
    assert_int_equal(err.code, BF_E_IMAGE_IN_USE);
    assert_string_equal(err.text, "first");
}

static void test_prefixes_are_put_in_front(void **state)
{
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    (void)bf_error_set(&err, BF_E_IMAGE_CORRUPT, "bad table");
    assert_int_equal(bf_error_prefix(&err, "bitmap '%s'", "b1"), -EUCLEAN);
    assert_int_equal(bf_error_prefix(&err, "disk.qcow2"), -EUCLEAN);
    assert_string_equal(err.text, "disk.qcow2: bitmap 'b1': bad table");
    assert_int_equal(err.code, BF_E_IMAGE_CORRUPT);
    assert_true(bf_error_prefix(NULL, "x") < 0);
}

static void test_an_error_can_be_forgotten(void **state)
{
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    (void)bf_error_set(&err, BF_E_IO, "first");
    bf_error_clear(&err);
    assert_int_equal(err.code, BF_E_NONE);
    assert_string_equal(err.text, "");
    (void)bf_error_set(&err, BF_E_LIMIT, "second");
    assert_string_equal(err.text, "second");
    bf_error_clear(NULL);
}

static void test_control_characters_never_reach_the_terminal(void **state)
{
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    (void)bf_error_set(&err, BF_E_INVALID, "a%sb", "\x1b[31m\n\r\t\x7f\x1f");
    assert_string_equal(err.text, "a?[31m?????b");
    (void)bf_error_prefix(&err, "p%s", "\a");
    assert_string_equal(err.text, "p?: a?[31m?????b");
    bf_error_clear(&err);
    (void)bf_error_set_errno(&err, ENOENT, "%s", "x\ny");
    assert_string_equal(err.text, "x?y: No such file or directory");
    bf_error_clear(&err);
    (void)bf_error_set(&err, BF_E_INVALID, "%s",
                       "Gr\xc3\xb6\xc3\x9f"
                       "e");
    assert_string_equal(err.text, "Gr\xc3\xb6\xc3\x9f"
                                  "e");
}

static void test_long_texts_are_cut(void **state)
{
    struct bf_error err = BF_ERROR_INIT;
    char text[2 * BF_ERROR_TEXT_MAX];

    (void)state;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    (void)bf_error_set(&err, BF_E_INVALID, "%s", text);
    assert_int_equal(strlen(err.text), BF_ERROR_TEXT_MAX - 1);
    (void)bf_error_prefix(&err, "in front");
    assert_int_equal(strlen(err.text), BF_ERROR_TEXT_MAX - 1);
    assert_memory_equal(err.text, "in front: xxx", 13);
    (void)bf_error_prefix(&err, "%s", text);
    assert_int_equal(strlen(err.text), BF_ERROR_TEXT_MAX - 1);
    bf_error_clear(&err);
    (void)bf_error_set_errno(&err, EIO, "%s", text);
    assert_int_equal(strlen(err.text), BF_ERROR_TEXT_MAX - 1);
}

static void check_errno(int errnum, enum bf_code code)
{
    struct bf_error err = BF_ERROR_INIT;

    assert_int_equal(bf_error_set_errno(&err, errnum, "open"), -bf_code_errno(code));
    assert_int_equal(err.code, code);
    assert_memory_equal(err.text, "open: ", 6);
    assert_string_equal(err.text + 6, strerror(errnum));
}

static void test_errnos_get_their_codes(void **state)
{
    (void)state;
    check_errno(ENOENT, BF_E_NOT_FOUND);
    check_errno(EACCES, BF_E_PERMISSION);
    check_errno(EPERM, BF_E_PERMISSION);
    check_errno(ENOSPC, BF_E_NO_SPACE);
    check_errno(EDQUOT, BF_E_NO_SPACE);
    check_errno(EROFS, BF_E_READ_ONLY);
    check_errno(ENOMEM, BF_E_NO_MEMORY);
    check_errno(EEXIST, BF_E_EXISTS);
    check_errno(EIO, BF_E_IO);
    check_errno(ENXIO, BF_E_IO);
}

/* Scripts match on these: they may be added to, never changed. */
static void test_codes_are_what_users_know(void **state)
{
    (void)state;
    assert_string_equal(bf_code_name(BF_E_NONE), "NONE");
    assert_string_equal(bf_code_name(BF_E_IMAGE_IN_USE), "IMAGE_IN_USE");
    assert_string_equal(bf_code_name(BF_E_VERSION), "VERSION");
    assert_int_equal(bf_code_exit(BF_E_NONE), 0);
    assert_int_equal(bf_code_exit(BF_E_IO), 1);
    assert_int_equal(bf_code_exit(BF_E_USAGE), 2);
    assert_int_equal(bf_code_exit(BF_E_BITMAP_NOT_FOUND), 4);
    assert_int_equal(bf_code_exit(BF_E_PEER), 10);
    assert_int_equal(bf_code_exit(BF_E_IMAGE_IN_USE), 11);
    assert_int_equal(bf_code_exit(BF_E_AUTH), 12);
    assert_int_equal(bf_code_exit(BF_E_VERSION), 13);
    assert_int_equal(bf_code_exit(BF_E_DIGEST_MISMATCH), 14);
    assert_int_equal(bf_code_exit(BF_E_QCOW2_V2), 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failure_is_a_negative_errno_with_a_text),
        cmocka_unit_test(test_the_first_error_wins),
        cmocka_unit_test(test_prefixes_are_put_in_front),
        cmocka_unit_test(test_an_error_can_be_forgotten),
        cmocka_unit_test(test_control_characters_never_reach_the_terminal),
        cmocka_unit_test(test_long_texts_are_cut),
        cmocka_unit_test(test_errnos_get_their_codes),
        cmocka_unit_test(test_codes_are_what_users_know),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
