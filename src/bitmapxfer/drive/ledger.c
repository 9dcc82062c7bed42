#include "drive/ledger.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECORD_VERSION = 1,
    RECORD_HEAD_BYTES = 12, /* version, mark, outcome, reason, epoch, flags, three of zero */
    FLAG_WITH_DELTA = 1,
    FLAG_PUBLISHED = 2,
    IMAGE_SHIFT = 4, /* in the byte of a disk's mode: what is known of the images */
};

int bf_ledger_put_frame(struct bf_move_folder *folder, enum bf_ledger_kind kind,
                        const Bitferry__Envelope *envelope, Bitferry__Role sender,
                        struct bf_error *err)
{
    BF_CLEANUP(bf_freep) uint8_t *frame = NULL;
    size_t nr_bytes = 0;
    int r = bf_rpc_frame_pack(envelope, sender, &frame, &nr_bytes, err);

    return r < 0 ? r : bf_move_folder_append(folder, kind, frame, nr_bytes, err);
}

uint8_t *bf_ledger_pack_record(const struct bf_record *record, const struct bf_offer *offer,
                               size_t *ret_nr_bytes)
{
    size_t nr_bytes = RECORD_HEAD_BYTES + offer->nr_bitmaps;
    uint8_t *bytes = calloc(1, nr_bytes);

    if (!bytes)
        return NULL;
    bytes[0] = RECORD_VERSION;
    bytes[1] = (uint8_t)record->mark;
    bytes[2] = (uint8_t)record->outcome;
    bytes[3] = (uint8_t)record->reason;
    for (unsigned i = 0; i < 4; i++)
        bytes[4 + i] = (uint8_t)(record->epoch >> (8 * i));
    bytes[8] = (uint8_t)((record->with_delta ? FLAG_WITH_DELTA : 0) |
                         (record->published ? FLAG_PUBLISHED : 0));
    for (uint32_t i = 0; i < offer->nr_bitmaps; i++)
        bytes[RECORD_HEAD_BYTES + i] = offer->states[i].drop;
    *ret_nr_bytes = nr_bytes;
    return bytes;
}

int bf_ledger_put_record(struct bf_move_folder *folder, const struct bf_record *record,
                         const struct bf_offer *offer, struct bf_error *err)
{
    size_t nr_bytes = 0;
    BF_CLEANUP(bf_freep) uint8_t *bytes = bf_ledger_pack_record(record, offer, &nr_bytes);

    if (!bytes)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a record of the journal");
    return bf_move_folder_append(folder, BF_LEDGER_RECORD, bytes, nr_bytes, err);
}

int bf_ledger_put_files(struct bf_move_folder *folder, const struct bf_offer *offer,
                        struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *bytes = NULL;
    size_t nr_bytes = 0;
    size_t at = 0;

    for (uint32_t i = 0; i < offer->nr_disks; i++)
        nr_bytes += (offer->disks[i].file ? strlen(offer->disks[i].file) : 0) + 1;
    bytes = calloc(1, nr_bytes + 1);
    if (!bytes)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a record of the journal");
    for (uint32_t i = 0; i < offer->nr_disks; i++)
        at +=
            (size_t)sprintf(bytes + at, "%s", offer->disks[i].file ? offer->disks[i].file : "") + 1;
    return bf_move_folder_append(folder, BF_LEDGER_FILES, bytes, nr_bytes, err);
}

int bf_ledger_put_modes(struct bf_move_folder *folder, const struct bf_offer *offer,
                        struct bf_error *err)
{
    BF_CLEANUP(bf_freep) uint8_t *bytes = calloc(1, offer->nr_disks + 1U);

    if (!bytes)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a record of the journal");
    for (uint32_t i = 0; i < offer->nr_disks; i++)
        bytes[i] = (uint8_t)(offer->disks[i].mode | offer->disks[i].image << IMAGE_SHIFT);
    return bf_move_folder_append(folder, BF_LEDGER_MODES, bytes, offer->nr_disks, err);
}

_Static_assert((int)BF_PLAN_DISKS_MAX == 256, "an index is one byte");

int bf_ledger_put_stamp(struct bf_move_folder *folder, uint8_t index,
                        const uint8_t sha256[BF_SHA256_BYTES], struct bf_error *err)
{
    uint8_t bytes[1 + BF_SHA256_BYTES] = {index};

    memcpy(bytes + 1, sha256, BF_SHA256_BYTES);
    return bf_move_folder_append(folder, BF_LEDGER_STAMP, bytes, sizeof bytes, err);
}

static int damaged(const char *what, struct bf_error *err)
{
    return bf_error_set(err, BF_E_IMAGE_CORRUPT, "the journal holds %s that makes no sense", what);
}

static int take_record(const struct bf_journal_record *from, struct bf_ledger *ledger,
                       struct bf_offer *offer, struct bf_error *err)
{
    const uint8_t *bytes = from->payload;
    struct bf_record *record = &ledger->record;

    if (!ledger->has_offer || from->nr_payload_bytes != RECORD_HEAD_BYTES + offer->nr_bitmaps ||
        bytes[0] != RECORD_VERSION || bytes[3] >= BF_NR_DROPS || bytes[2] > BF_OUTCOME_UNCONFIRMED)
        return damaged("a record", err);
    *record = (struct bf_record){
        .mark = (enum bf_mark)bytes[1],
        .outcome = (enum bf_outcome)bytes[2],
        .reason = (enum bf_drop)bytes[3],
        .with_delta = (bytes[8] & FLAG_WITH_DELTA) != 0,
        .published = (bytes[8] & FLAG_PUBLISHED) != 0,
    };
    for (unsigned i = 0; i < 4; i++)
        record->epoch |= (uint32_t)bytes[4 + i] << (8 * i);
    for (uint32_t i = 0; i < offer->nr_bitmaps; i++) {
        if (bytes[RECORD_HEAD_BYTES + i] >= BF_NR_DROPS)
            return damaged("a reason", err);
        offer->states[i].drop = bytes[RECORD_HEAD_BYTES + i];
    }
    ledger->has_record = true;
    return 0;
}

static int take_files(const struct bf_journal_record *from, struct bf_offer *offer,
                      struct bf_error *err)
{
    const char *at = (const char *)from->payload;
    const char *end = at + from->nr_payload_bytes;

    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        size_t nr_chars = strnlen(at, (size_t)(end - at));

        if (nr_chars == (size_t)(end - at))
            return damaged("a list of files", err);
        free(offer->disks[i].file);
        offer->disks[i].file = nr_chars > 0 ? strdup(at) : NULL;
        at += nr_chars + 1;
    }
    return at == end ? 0 : damaged("a list of files", err);
}

static int take_modes(const struct bf_journal_record *from, struct bf_offer *offer,
                      struct bf_error *err)
{
    const uint8_t *modes = from->payload;

    if (from->nr_payload_bytes != offer->nr_disks)
        return damaged("a list of modes", err);
    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        unsigned mode = modes[i] & ((1U << IMAGE_SHIFT) - 1);
        unsigned image = modes[i] >> IMAGE_SHIFT;

        if (mode >= BF_NR_MODES || image > BF_SAMENESS_OTHER)
            return damaged("a mode", err);
        offer->disks[i].mode = (enum bf_mode)mode;
        offer->disks[i].image = (enum bf_sameness)image;
    }
    return 0;
}

static int take_stamp(const struct bf_journal_record *from, struct bf_ledger *ledger,
                      struct bf_error *err)
{
    const uint8_t *bytes = from->payload;
    struct bf_stamp *stamp;

    if (from->nr_payload_bytes != 1 + BF_SHA256_BYTES)
        return damaged("a stamp", err);
    stamp = &ledger->stamps[bytes[0]];
    stamp->known = true;
    memcpy(stamp->sha256, bytes + 1, BF_SHA256_BYTES);
    return 0;
}

static int take_definitions(const struct bf_journal_record *from, struct bf_ledger *ledger,
                            struct bf_error *err)
{
    uint8_t *copy = malloc(from->nr_payload_bytes + 1);

    if (!copy)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a record of the journal");
    memcpy(copy, from->payload, from->nr_payload_bytes);
    bf_ledger_release(ledger);
    ledger->definitions = copy;
    ledger->nr_definition_bytes = from->nr_payload_bytes;
    return 0;
}

struct reading {
    Bitferry__Role offerer;
    struct bf_ledger *ledger;
    struct bf_offer *offer;
    int (*exports)(void *ctx, const Bitferry__Envelope *envelope);
    void *ctx;
};

static int take_envelope(struct reading *reading, const struct bf_journal_record *record,
                         const Bitferry__Envelope *envelope, struct bf_error *err)
{
    if (envelope->body_case != BITFERRY__ENVELOPE__BODY_WORD)
        return damaged("a message", err);
    if (record->kind == BF_LEDGER_EXPORTS)
        return reading->ledger->has_offer ? reading->exports(reading->ctx, envelope)
                                          : damaged("an early message", err);
    if (reading->ledger->has_offer || envelope->word->payload_case != BITFERRY__WORD__PAYLOAD_OFFER)
        return damaged("an offer", err);
    reading->ledger->has_offer = true;
    return bf_offer_from_envelope(envelope, reading->offer, err);
}

static int take_frame(struct reading *reading, const struct bf_journal_record *record,
                      struct bf_error *err)
{
    struct bf_rpc_message message;
    int r;

    if (record->nr_payload_bytes <= BF_RPC_FRAME_HEADER_BYTES)
        return damaged("a message", err);
    r = bf_rpc_message_unpack(record->payload + BF_RPC_FRAME_HEADER_BYTES,
                              record->nr_payload_bytes - BF_RPC_FRAME_HEADER_BYTES,
                              BF_RPC_MEMORY_MAX_BYTES, reading->offerer, &message, err);
    if (r < 0)
        return r;
    r = take_envelope(reading, record, message.envelope, err);
    bf_rpc_message_release(&message);
    return r;
}

int bf_ledger_read(struct bf_journal_cursor *records, Bitferry__Role offerer,
                   struct bf_ledger *ret_ledger, struct bf_offer *ret_offer,
                   int (*exports)(void *ctx, const Bitferry__Envelope *envelope), void *ctx,
                   struct bf_error *err)
{
    struct reading reading = {offerer, ret_ledger, ret_offer, exports, ctx};
    struct bf_journal_record record;
    int r;

    *ret_ledger = (struct bf_ledger){.has_offer = false};
    *ret_offer = (struct bf_offer){.nr_disks = 0};
    while ((r = bf_journal_next(records, &record, err)) > 0) {
        if (record.kind == BF_LEDGER_RECORD)
            r = take_record(&record, ret_ledger, ret_offer, err);
        else if (record.kind == BF_LEDGER_FILES)
            r = take_files(&record, ret_offer, err);
        else if (record.kind == BF_LEDGER_MODES)
            r = take_modes(&record, ret_offer, err);
        else if (record.kind == BF_LEDGER_STAMP)
            r = take_stamp(&record, ret_ledger, err);
        else if (record.kind == BF_LEDGER_DEFINITIONS)
            r = take_definitions(&record, ret_ledger, err);
        else if (record.kind == BF_LEDGER_QEMU)
            (void)snprintf(ret_ledger->qemu_start, sizeof ret_ledger->qemu_start, "%.*s",
                           (int)record.nr_payload_bytes, (const char *)record.payload);
        else
            r = take_frame(&reading, &record, err);
        if (r < 0)
            break;
    }
    if (r < 0)
        bf_offer_release(ret_offer);
    return r < 0 ? r : 0;
}
