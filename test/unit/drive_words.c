/* Words as they come from the other helper. */
#include "drive/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { NR_BITMAPS = 3 };

static int read_word(uint8_t *drops, size_t nr_drops, struct bf_word *ret_word)
{
    Bitferry__Envelope envelope = BITFERRY__ENVELOPE__INIT;
    Bitferry__Word word = BITFERRY__WORD__INIT;
    struct bf_error err = BF_ERROR_INIT;

    word.step = (Bitferry__Step)BF_STEP_SEAL;
    word.drops = (ProtobufCBinaryData){.data = drops, .len = nr_drops};
    envelope.epoch = 7;
    envelope.body_case = BITFERRY__ENVELOPE__BODY_WORD;
    envelope.word = &word;
    return bf_word_from_envelope(&envelope, NR_BITMAPS, ret_word, &err);
}

static void a_reason_of_a_newer_peer_is_still_a_drop(void **state)
{
    uint8_t drops[NR_BITMAPS] = {BF_DROP_NONE, BF_NR_DROPS, 255};
    struct bf_word word;

    (void)state;
    assert_int_equal(read_word(drops, sizeof drops, &word), 0);
    assert_int_equal(word.epoch, 7);
    assert_int_equal(word.step, BF_STEP_SEAL);
    assert_int_equal(word.drops[0], BF_DROP_NONE);
    assert_int_equal(word.drops[1], BF_DROP_FOREIGN);
    assert_int_equal(word.drops[2], BF_DROP_FOREIGN);
}

static void a_word_is_about_all_bitmaps_or_none(void **state)
{
    uint8_t drops[NR_BITMAPS + 1] = {0};
    struct bf_word word;

    (void)state;
    assert_int_equal(read_word(NULL, 0, &word), 0);
    assert_null(word.drops);
    assert_true(read_word(drops, NR_BITMAPS - 1, &word) < 0);
    assert_true(read_word(drops, NR_BITMAPS + 1, &word) < 0);
}

static void a_uuid_is_read_back_as_it_was_written(void **state)
{
    static const char text[] = "0f3a5b7c-9d1e-4f20-8142-63748596a7b8";
    uint8_t uuid[16];
    char again[sizeof text];

    (void)state;
    assert_true(bf_uuid_parse(text, uuid));
    bf_uuid_text(uuid, again);
    assert_string_equal(again, text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reason_of_a_newer_peer_is_still_a_drop),
        cmocka_unit_test(a_word_is_about_all_bitmaps_or_none),
        cmocka_unit_test(a_uuid_is_read_back_as_it_was_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
