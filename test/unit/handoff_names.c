#include "handoff/drop.h"
#include "handoff/names.h"
#include "handoff/word.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ID "00112233445566778899aabbccddeeff"

static const struct bf_temporary_name largest = {
    .move_id = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                0xff, 0xff},
    .epoch = UINT32_MAX,
    .kind = BF_TEMPORARY_SNAPSHOT,
    .index = UINT32_MAX,
};

static void test_a_name_says_whose_it_is(void **state)
{
    struct bf_temporary_name name;
    char again[BF_TEMPORARY_NAME_MAX + 1];
    const char *text = BF_TEMPORARY_PREFIX ID ".3.tracker.17";

    (void)state;
    assert_true(bf_temporary_name_decode(text, &name));
    assert_int_equal(name.move_id[1], 0x11);
    assert_int_equal(name.epoch, 3);
    assert_int_equal(name.kind, BF_TEMPORARY_TRACKER);
    assert_int_equal(name.index, 17);
    assert_string_equal(bf_temporary_name_encode(&name, again), text);
}

static void test_every_name_comes_back(void **state)
{
    static const uint32_t numbers[] = {0, 1, 9, 10, 4294967295u};
    char text[BF_TEMPORARY_NAME_MAX + 1];
    struct bf_temporary_name back;

    (void)state;
    for (unsigned kind = 0; kind < BF_NR_TEMPORARY_KINDS; kind++) {
        for (unsigned i = 0; i < 5; i++) {
            struct bf_temporary_name name = largest;

            name.kind = (enum bf_temporary_kind)kind;
            name.epoch = numbers[i];
            name.index = numbers[4 - i];
            assert_true(bf_temporary_name_decode(bf_temporary_name_encode(&name, text), &back));
            assert_memory_equal(back.move_id, name.move_id, BF_MOVE_ID_BYTES);
            assert_int_equal(back.epoch, name.epoch);
            assert_int_equal(back.kind, name.kind);
            assert_int_equal(back.index, name.index);
        }
    }
}

static void test_the_longest_name_fits(void **state)
{
    char text[BF_TEMPORARY_NAME_MAX + 1];

    (void)state;
    bf_temporary_name_encode(&largest, text);
    assert_true(strlen(text) < BF_TEMPORARY_NAME_MAX);
    assert_non_null(strstr(text, ".snapshot.4294967295"));
}

static void test_only_the_canonical_form_is_ours(void **state)
{
    static const char *const strangers[] = {
        "",
        "checkpoint-1",
        BF_TEMPORARY_PREFIX,
        BF_TEMPORARY_PREFIX ID ".3.tracker",
        BF_TEMPORARY_PREFIX ID ".3.tracker.",
        BF_TEMPORARY_PREFIX ID ".3.tracker.1x",
        BF_TEMPORARY_PREFIX ID ".3.tracker.01",
        BF_TEMPORARY_PREFIX ID ".03.tracker.1",
        BF_TEMPORARY_PREFIX ID ".+3.tracker.1",
        BF_TEMPORARY_PREFIX ID ". 3.tracker.1",
        BF_TEMPORARY_PREFIX ID ".-3.tracker.1",
        BF_TEMPORARY_PREFIX ID ".4294967296.tracker.1",
        BF_TEMPORARY_PREFIX ID ".3.trackers.1",
        BF_TEMPORARY_PREFIX ID ".3.Tracker.1",
        BF_TEMPORARY_PREFIX "00112233445566778899AABBCCDDEEFF.3.tracker.1",
        BF_TEMPORARY_PREFIX "0011.3.tracker.1",
        "x" BF_TEMPORARY_PREFIX ID ".3.tracker.1",
    };
    struct bf_temporary_name name;

    (void)state;
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        if (bf_temporary_name_decode(strangers[i], &name))
            fail_msg("'%s' was taken for one of ours", strangers[i]);
    }
}

static void test_names_with_the_prefix_are_reserved(void **state)
{
    (void)state;
    assert_true(bf_temporary_name_reserved(BF_TEMPORARY_PREFIX "whatever"));
    assert_true(bf_temporary_name_reserved(BF_TEMPORARY_PREFIX ID ".3.tracker.1"));
    assert_false(bf_temporary_name_reserved("bitferry"));
    assert_false(bf_temporary_name_reserved("bitferry-tmp"));
    assert_false(bf_temporary_name_reserved(""));
}

static void test_numbers_from_newer_peers_have_a_name_too(void **state)
{
    (void)state;
    assert_string_equal(bf_drop_name(BF_DROP_BITMAP_VANISHED), "BITMAP_VANISHED");
    assert_string_equal(bf_drop_name((enum bf_drop)200), "UNKNOWN");
    assert_string_equal(bf_drop_text((enum bf_drop)200), "unknown reason");
    assert_string_equal(bf_step_name(BF_STEP_SEAL), "SEAL");
    assert_string_equal(bf_step_name((enum bf_step)200), "UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_name_says_whose_it_is),
        cmocka_unit_test(test_every_name_comes_back),
        cmocka_unit_test(test_the_longest_name_fits),
        cmocka_unit_test(test_only_the_canonical_form_is_ours),
        cmocka_unit_test(test_names_with_the_prefix_are_reserved),
        cmocka_unit_test(test_numbers_from_newer_peers_have_a_name_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
