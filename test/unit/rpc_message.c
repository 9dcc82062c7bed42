/* Messages as a whole: who says what, what is unknown, what is too much, and what fits. */
#include "rpc_message_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* Which side may say what; the whole grammar, step by payload by sender. */
static void each_side_says_its_own_words(void **state)
{
    static const struct {
        void (*make)(struct sample *s);
        Bitferry__Step step;
        bool source, dest;
    } grammar[] = {
#define STEP_ROW(make, step, source, dest) {make, BITFERRY__STEP__STEP_##step, source, dest}
        STEP_ROW(as_offer, OFFER, true, false),
        STEP_ROW(as_placement, OFFER, false, true),
        STEP_ROW(as_exports, FROZEN, true, false),
        STEP_ROW(as_results, FROZEN, false, true),
        STEP_ROW(as_arm, ARM, true, true),
        STEP_ROW(as_exports, RECORDING, true, false),
        STEP_ROW(as_results, RECORDING, false, true),
        STEP_ROW(as_deltas, DELTA, true, false),
        STEP_ROW(as_results, DELTA, false, true),
        STEP_ROW(as_seal, SEAL, true, false),
        STEP_ROW(as_arm, SEAL, true, false),
        STEP_ROW(as_results, SEAL, false, true),
        STEP_ROW(as_arm, RETIRED, true, false),
        STEP_ROW(as_abort, ABORT, true, true),
    };
    void (*const makes[])(struct sample *) = {as_offer,   as_placement, as_exports, as_deltas,
                                              as_results, as_abort,     as_arm,     as_seal};
    struct sample s;

    (void)state;
    for (size_t i = 0; i < sizeof makes / sizeof makes[0] * 9; i++) {
        Bitferry__Step step = (Bitferry__Step)(i % 9 + 1);
        bool source = false;
        bool dest = false;

        sample_fill(&s);
        makes[i / 9](&s);
        s.word.step = step;
        for (size_t j = 0; j < sizeof grammar / sizeof grammar[0]; j++) {
            struct sample model;

            sample_fill(&model);
            grammar[j].make(&model);
            if (grammar[j].step != step || model.word.payload_case != s.word.payload_case ||
                (s.word.with_delta && !model.word.with_delta))
                continue;
            source |= grammar[j].source;
            dest |= grammar[j].dest;
        }
        assert_int_equal(bf_rpc_envelope_check(&s.envelope, BITFERRY__ROLE__ROLE_SOURCE, NULL) == 0,
                         source);
        assert_int_equal(bf_rpc_envelope_check(&s.envelope, BITFERRY__ROLE__ROLE_DEST, NULL) == 0,
                         dest);
        assert_int_equal(bf_rpc_envelope_check(&s.envelope, ANYBODY, NULL) == 0, source || dest);
    }
}

static int unpack(const uint8_t *bytes, size_t nr_bytes, size_t memory_max_bytes,
                  struct bf_rpc_message *message, struct bf_error *err)
{
    return bf_rpc_message_unpack(bytes, nr_bytes, memory_max_bytes, ANYBODY, message, err);
}

static void unknown_bodies_and_fields_are_ignored(void **state)
{
    /* Body 31, with something in it; field 15 of the envelope; a Heartbeat with a field 1. */
    static const uint8_t body[] = {0xfa, 0x01, 0x02, 0x08, 0x01};
    static const uint8_t field[] = {0x78, 0x05, 0x8a, 0x01, 0x02, 0x08, 0x07};
    BF_CLEANUP(bf_rpc_message_release) struct bf_rpc_message first = {0};
    BF_CLEANUP(bf_rpc_message_release) struct bf_rpc_message second = {0};

    (void)state;
    assert_int_equal(unpack(body, sizeof body, 4096, &first, NULL), 0);
    assert_int_equal(first.envelope->body_case, BITFERRY__ENVELOPE__BODY__NOT_SET);
    assert_string_equal(bf_rpc_envelope_name(first.envelope), "unknown");
    assert_int_equal(unpack(field, sizeof field, 4096, &second, NULL), 0);
    assert_int_equal(second.envelope->body_case, BITFERRY__ENVELOPE__BODY_HEARTBEAT);
}

static void a_flood_of_empty_parts_is_cut_off(void **state)
{
    enum { NR_DISKS = 500000 };
    static uint8_t bytes[12 + NR_DISKS * 2];
    struct bf_rpc_message message = {0};
    struct bf_error err = BF_ERROR_INIT;
    size_t at = 0;

    (void)state;
    bytes[at++] = 0x92; /* Envelope.word, with the length of all that follows */
    bytes[at++] = 0x01;
    at += 4;
    bytes[at++] = 0x52; /* Word.offer */
    at += 4;
    for (size_t i = 0; i < NR_DISKS; i++) {
        bytes[at++] = 0x52; /* Offer.disks, empty */
        bytes[at++] = 0;
    }
    for (unsigned i = 0; i < 4; i++) {
        bytes[2 + i] = (uint8_t)((at - 6) >> (7 * i) | (i < 3 ? 0x80 : 0));
        bytes[7 + i] = (uint8_t)((at - 11) >> (7 * i) | (i < 3 ? 0x80 : 0));
    }
    assert_int_equal(unpack(bytes, at, BF_RPC_MEMORY_MAX_BYTES, &message, &err),
                     -bf_code_errno(BF_E_LIMIT));
    assert_string_equal(err.text, "the message takes more than 16777216 bytes of memory");
    assert_null(message.envelope);
}

static void names_end_with_a_nul(void **state)
{
    BF_CLEANUP(bf_rpc_message_release) struct bf_rpc_message message = {0};
    BF_CLEANUP(bf_freep) uint8_t *frame = NULL;
    size_t frame_bytes = 0;
    struct sample s;

    (void)state;
    sample_fill(&s);
    as_offer(&s);
    assert_int_equal(bf_rpc_frame_pack(&s.envelope, ANYBODY, &frame, &frame_bytes, NULL), 0);
    assert_int_equal(unpack(frame + 4, frame_bytes - 4, BF_RPC_MEMORY_MAX_BYTES, &message, NULL),
                     0);
    assert_string_equal((char *)message.envelope->word->offer->disks[1]->name.data, "größe");
    assert_string_equal((char *)message.envelope->word->offer->disks[0]->bitmaps[1]->name.data,
                        "monday");
}

/* The largest offer that the limits allow fits into a frame and into memory. */
static void the_largest_move_fits(void **state)
{
    enum { NAME_BYTES = 200 };
    BF_CLEANUP(bf_rpc_message_release) struct bf_rpc_message message = {0};
    Bitferry__OfferedBitmap *list = calloc(BF_RPC_BITMAPS_MAX, sizeof *list);
    Bitferry__OfferedBitmap **pointers = calloc(BF_RPC_BITMAPS_MAX, sizeof *pointers);
    char(*names)[NAME_BYTES + 1] = calloc(BF_RPC_BITMAPS_MAX, sizeof *names);
    uint8_t *frame = NULL;
    size_t frame_bytes = 0;
    struct sample s;

    (void)state;
    sample_fill(&s);
    as_offer(&s);
    for (unsigned i = 0; i < BF_RPC_BITMAPS_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "%0200u", i);
        list[i] = s.bitmaps[0];
        list[i].name = (ProtobufCBinaryData){NAME_BYTES, (uint8_t *)names[i]};
        pointers[i] = &list[i];
    }
    s.disks[0].bitmaps = pointers;
    s.disks[0].n_bitmaps = BF_RPC_BITMAPS_MAX;
    assert_int_equal(bf_rpc_frame_pack(&s.envelope, ANYBODY, &frame, &frame_bytes, NULL), 0);
    assert_int_equal(unpack(frame + 4, frame_bytes - 4, BF_RPC_MEMORY_MAX_BYTES, &message, NULL),
                     0);
    free(frame);
    free(names);
    free(pointers);
    free(list);
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_side_says_its_own_words),
        cmocka_unit_test(unknown_bodies_and_fields_are_ignored),
        cmocka_unit_test(a_flood_of_empty_parts_is_cut_off),
        cmocka_unit_test(names_end_with_a_nul),
        cmocka_unit_test(the_largest_move_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
