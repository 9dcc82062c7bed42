#include "drive/words.h"

#include "base/text.h"
#include "offer_checkpoints.h"
#include "offer_layers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXPORT_NAME_BYTES = BF_EXPORT_DISK_BYTES + sizeof "/bits" };

struct bf_said {
    Bitferry__Envelope envelope;
    Bitferry__Word word;
    Bitferry__Offer offer;
    Bitferry__Placement placement;
    Bitferry__Exports exports;
    Bitferry__Results results;
    Bitferry__Reason reason;
    struct bf_offered_checkpoints *checkpoints;
    struct bf_offered_layers *layers;
    uint8_t *drops;
    uint8_t *proofs; /* or NULL */
    void *list;      /* of pointers to items */
    void *items;     /* disks, exports, results */
    void *sub_list;  /* offer: pointers to bitmaps */
    void *sub_items; /* offer: bitmaps; exports: their names */
};

void bf_said_free(struct bf_said *said)
{
    free(said->drops);
    free(said->proofs);
    if (said->checkpoints)
        bf_offered_checkpoints_free(said->checkpoints);
    if (said->layers)
        bf_offered_layers_free(said->layers);
    free(said->list);
    free(said->items);
    free(said->sub_list);
    free(said->sub_items);
    free(said);
}

static ProtobufCBinaryData bytes_of(const void *data, size_t nr_bytes)
{
    return (ProtobufCBinaryData){.len = nr_bytes, .data = (uint8_t *)(uintptr_t)data};
}

static ProtobufCBinaryData text_bytes(const char *text)
{
    return bytes_of(text, strlen(text));
}

static Bitferry__Method method_of(enum bf_handoff_kind kind)
{
    static const Bitferry__Method methods[] = {
        [BF_HANDOFF_TRACKER] = BITFERRY__METHOD__METHOD_TRACKER,
        [BF_HANDOFF_FREEZE] = BITFERRY__METHOD__METHOD_FREEZE,
        [BF_HANDOFF_STILL] = BITFERRY__METHOD__METHOD_STILL,
        [BF_HANDOFF_NATIVE] = BITFERRY__METHOD__METHOD_NATIVE,
    };

    return methods[kind];
}

static bool put_offer(struct bf_said *said, const struct bf_saying *saying)
{
    const struct bf_offer *offer = saying->offer;
    Bitferry__OfferedDisk *disks = calloc(offer->nr_disks + 1U, sizeof *disks);
    Bitferry__OfferedDisk **disk_list = calloc(offer->nr_disks + 1U, sizeof *disk_list);
    Bitferry__OfferedBitmap *bitmaps = calloc(offer->nr_bitmaps + 1U, sizeof *bitmaps);
    Bitferry__OfferedBitmap **bitmap_list = calloc(offer->nr_bitmaps + 1U, sizeof *bitmap_list);
    uint32_t at = 0;

    said->items = disks;
    said->list = disk_list;
    said->sub_items = bitmaps;
    said->sub_list = bitmap_list;
    said->checkpoints = bf_offer_put_checkpoints(offer, &said->offer);
    if (!disks || !disk_list || !bitmaps || !bitmap_list || !said->checkpoints)
        return false;
    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        bitferry__offered_disk__init(&disks[i]);
        disk_list[i] = &disks[i];
        disks[i].name = text_bytes(offer->disks[i].name);
        disks[i].node_name = text_bytes(offer->disks[i].node);
        disks[i].virtual_size_bytes = offer->disks[i].size_bytes;
        disks[i].identity = text_bytes(offer->disks[i].identity ? offer->disks[i].identity : "");
        disks[i].alias = text_bytes(offer->disks[i].alias ? offer->disks[i].alias : "");
        disks[i].serial = text_bytes(offer->disks[i].serial ? offer->disks[i].serial : "");
        disks[i].mirrored = offer->disks[i].mirrored;
        disks[i].mode = (Bitferry__Mode)offer->disks[i].wish;
        disks[i].depth = offer->disks[i].depth;
        if (offer->disks[i].content.known)
            disks[i].content = bytes_of(offer->disks[i].content.sha256, BF_SHA256_BYTES);
        disks[i].bitmaps = &bitmap_list[at];
        for (; at < offer->nr_bitmaps && offer->states[at].disk == i; at++) {
            bitferry__offered_bitmap__init(&bitmaps[at]);
            bitmap_list[at] = &bitmaps[at];
            bitmaps[at].name = text_bytes(offer->bitmaps[at].name);
            bitmaps[at].granularity_bytes = offer->bitmaps[at].granularity_bytes;
            bitmaps[at].recording = offer->bitmaps[at].recording;
            bitmaps[at].persistent = offer->bitmaps[at].persistent;
            bitmaps[at].mapped = offer->bitmaps[at].mapped;
            if (offer->kind == BF_HANDOFF_NATIVE && offer->bitmaps[at].announced.known) {
                bitmaps[at].nr_dirty_bits = offer->bitmaps[at].announced.summary.nr_dirty_bits;
                bitmaps[at].sha256 =
                    bytes_of(offer->bitmaps[at].announced.summary.sha256, BF_SHA256_BYTES);
            }
            disks[i].n_bitmaps++;
        }
    }
    said->layers = bf_offer_put_layers(offer, disks);
    if (!said->layers)
        return false;
    said->offer.vm_name = text_bytes(saying->vm);
    said->offer.vm_uuid = bytes_of(saying->uuid, 16);
    said->offer.dirty_bitmaps = offer->dirty_bitmaps;
    said->offer.block_copy = offer->block_copy;
    said->offer.pauses = offer->pauses;
    said->offer.method = method_of(offer->kind);
    said->offer.n_disks = offer->nr_disks;
    said->offer.disks = disk_list;
    said->word.payload_case = BITFERRY__WORD__PAYLOAD_OFFER;
    said->word.offer = &said->offer;
    return true;
}

static bool put_placement(struct bf_said *said, const struct bf_saying *saying)
{
    const struct bf_offer *offer = saying->offer;
    Bitferry__PlacedDisk *disks = calloc(offer->nr_disks + 1U, sizeof *disks);
    Bitferry__PlacedDisk **list = calloc(offer->nr_disks + 1U, sizeof *list);

    said->items = disks;
    said->list = list;
    if (!disks || !list)
        return false;
    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        bitferry__placed_disk__init(&disks[i]);
        list[i] = &disks[i];
        disks[i].virtual_size_bytes = offer->disks[i].placed_size_bytes;
        disks[i].stores_bitmaps = offer->disks[i].stores;
        disks[i].mode = (Bitferry__Mode)offer->disks[i].mode;
        disks[i].why = offer->disks[i].why;
        disks[i].image = (Bitferry__Sameness)offer->disks[i].image;
        disks[i].merged_layers = offer->disks[i].nr_merged;
        disks[i].below = bytes_of(offer->disks[i].stands, offer->disks[i].nr_stands);
    }
    said->placement.method = method_of(offer->kind);
    if (saying->dest_move_id)
        said->placement.dest_move_id = bytes_of(saying->dest_move_id, BF_RPC_ID_BYTES);
    said->placement.n_disks = offer->nr_disks;
    said->placement.disks = list;
    said->word.payload_case = BITFERRY__WORD__PAYLOAD_PLACEMENT;
    said->word.placement = &said->placement;
    return true;
}

bool bf_offer_travels(const struct bf_offer *offer, enum bf_round round, uint32_t index)
{
    if (round == BF_ROUND_DELTA)
        return bf_offer_matters(offer, index);
    return offer->states[index].drop == BF_DROP_NONE &&
           offer->states[index].recording == (round == BF_ROUND_RECORDING);
}

enum bf_round bf_step_round(enum bf_step step)
{
    switch ((int)step) {
    case BF_STEP_FROZEN:
        return BF_ROUND_FROZEN;
    case BF_STEP_RECORDING:
        return BF_ROUND_RECORDING;
    case BF_STEP_DELTA:
        return BF_ROUND_DELTA;
    default:
        return BF_ROUND_NONE;
    }
}

const char *bf_export_disk(enum bf_round round, uint32_t index, char buf[BF_EXPORT_DISK_BYTES])
{
    (void)snprintf(buf, BF_EXPORT_DISK_BYTES, round == BF_ROUND_DELTA ? "delta%u" : "%u",
                   (unsigned)index);
    return buf;
}

static void fill_export(Bitferry__Export *export, const struct bf_offer *offer, bool delta,
                        uint32_t index, char *name)
{
    const struct bf_known *known = delta ? &offer->deltas[index] : &offer->bitmaps[index].announced;
    uint32_t disk = delta ? index : offer->states[index].disk;
    char served[BF_EXPORT_DISK_BYTES];

    (void)snprintf(name, EXPORT_NAME_BYTES, "%s/bits",
                   bf_export_disk(delta ? BF_ROUND_DELTA : BF_ROUND_RECORDING, index, served));
    bitferry__export__init(export);
    export->index = index;
    export->name = text_bytes(name);
    export->disk_size_bytes = offer->disks[disk].size_bytes;
    export->granularity_bytes =
        delta ? bf_offer_finest(offer, disk) : offer->bitmaps[index].granularity_bytes;
    export->nr_dirty_bits = known->summary.nr_dirty_bits;
    export->sha256 = bytes_of(known->summary.sha256, BF_SHA256_BYTES);
}

static bool put_exports(struct bf_said *said, const struct bf_saying *saying)
{
    const struct bf_offer *offer = saying->offer;
    enum bf_round round = bf_step_round(saying->word.step);
    bool delta = round == BF_ROUND_DELTA;
    uint32_t nr = delta ? offer->nr_disks : offer->nr_bitmaps;
    Bitferry__Export *exports = calloc(nr + 1U, sizeof *exports);
    Bitferry__Export **list = calloc(nr + 1U, sizeof *list);
    char *names = calloc(nr + 1U, EXPORT_NAME_BYTES);

    said->items = exports;
    said->list = list;
    said->sub_items = names;
    if (!exports || !list || !names)
        return false;
    for (uint32_t i = 0; i < nr; i++) {
        const struct bf_known *known = delta ? &offer->deltas[i] : &offer->bitmaps[i].announced;

        if (!bf_offer_travels(offer, round, i) || !known->known)
            continue;
        fill_export(&exports[i], offer, delta, i, names + (size_t)i * EXPORT_NAME_BYTES);
        list[said->exports.n_exports++] = &exports[i];
    }
    said->exports.host = text_bytes(saying->host);
    said->exports.port = saying->port;
    said->exports.token = bytes_of(saying->token, saying->nr_token_bytes);
    said->exports.exports = list;
    said->word.payload_case = BITFERRY__WORD__PAYLOAD_EXPORTS;
    said->word.exports = &said->exports;
    return true;
}

static const struct bf_known *result_of(const struct bf_offer *offer, enum bf_step step,
                                        uint32_t index)
{
    if (step == BF_STEP_SEAL)
        return &offer->bitmaps[index].published;
    return step == BF_STEP_DELTA ? &offer->loaded_deltas[index] : &offer->bitmaps[index].loaded;
}

static bool put_proofs(struct bf_said *said, const struct bf_offer *offer)
{
    said->proofs = calloc(offer->nr_bitmaps + 1U, 1);
    if (!said->proofs)
        return false;
    for (uint32_t i = 0; i < offer->nr_bitmaps; i++)
        said->proofs[i] = (uint8_t)offer->bitmaps[i].proof;
    said->results.proofs = bytes_of(said->proofs, offer->nr_bitmaps);
    return true;
}

static bool put_results(struct bf_said *said, const struct bf_saying *saying)
{
    const struct bf_offer *offer = saying->offer;
    enum bf_step step = saying->word.step;
    uint32_t nr = step == BF_STEP_DELTA ? offer->nr_disks : offer->nr_bitmaps;
    Bitferry__Result *results = calloc(nr + 1U, sizeof *results);
    Bitferry__Result **list = calloc(nr + 1U, sizeof *list);

    said->items = results;
    said->list = list;
    if (!results || !list)
        return false;
    for (uint32_t i = 0; i < nr; i++) {
        const struct bf_known *known = result_of(offer, step, i);
        bool counts = step == BF_STEP_SEAL ? offer->states[i].drop == BF_DROP_NONE
                                           : bf_offer_travels(offer, bf_step_round(step), i);

        if (!counts || !known->known)
            continue;
        bitferry__result__init(&results[i]);
        results[i].index = i;
        results[i].nr_dirty_bits = known->summary.nr_dirty_bits;
        results[i].sha256 = bytes_of(known->summary.sha256, BF_SHA256_BYTES);
        list[said->results.n_results++] = &results[i];
    }
    if (step == BF_STEP_SEAL && saying->definitions)
        said->results.definitions = bytes_of(saying->definitions, offer->checkpoints.nr_items);
    said->results.results = list;
    said->word.payload_case = BITFERRY__WORD__PAYLOAD_RESULTS;
    said->word.results = &said->results;
    return step != BF_STEP_SEAL || put_proofs(said, offer);
}

static bool put_reason(struct bf_said *said, const struct bf_saying *saying)
{
    enum bf_drop reason = saying->reason == BF_DROP_NONE ? BF_DROP_PEER_ABORTED : saying->reason;

    said->reason.code = (char *)(uintptr_t)bf_drop_name(reason);
    said->reason.text = (char *)(uintptr_t)bf_drop_text(reason);
    said->word.payload_case = BITFERRY__WORD__PAYLOAD_REASON;
    said->word.reason = &said->reason;
    return true;
}

static bool put_payload(struct bf_said *said, const struct bf_saying *saying)
{
    bool source = saying->role == BITFERRY__ROLE__ROLE_SOURCE;

    switch ((int)saying->word.step) {
    case BF_STEP_OFFER:
        return source ? put_offer(said, saying) : put_placement(said, saying);
    case BF_STEP_FROZEN:
    case BF_STEP_RECORDING:
    case BF_STEP_DELTA:
        return source ? put_exports(said, saying) : put_results(said, saying);
    case BF_STEP_SEAL:
        return source ? true : put_results(said, saying);
    case BF_STEP_ABORT:
        return put_reason(said, saying);
    default:
        return true;
    }
}

static bool put_drops(struct bf_said *said, const struct bf_offer *offer)
{
    bool any = false;

    said->drops = calloc(offer->nr_bitmaps + 1U, 1);
    if (!said->drops)
        return false;
    for (uint32_t i = 0; i < offer->nr_bitmaps; i++) {
        said->drops[i] = offer->states[i].drop;
        any = any || said->drops[i] != BF_DROP_NONE;
    }
    if (any)
        said->word.drops = bytes_of(said->drops, offer->nr_bitmaps);
    return true;
}

int bf_said_new(const struct bf_saying *saying, struct bf_said **ret_said, struct bf_error *err)
{
    struct bf_said *said = calloc(1, sizeof *said);

    if (said) {
        bitferry__envelope__init(&said->envelope);
        bitferry__word__init(&said->word);
        bitferry__offer__init(&said->offer);
        bitferry__placement__init(&said->placement);
        bitferry__exports__init(&said->exports);
        bitferry__results__init(&said->results);
        bitferry__reason__init(&said->reason);
        said->envelope.move_id = bytes_of(saying->offer->move_id, BF_MOVE_ID_BYTES);
        said->envelope.epoch = saying->word.epoch;
        said->envelope.body_case = BITFERRY__ENVELOPE__BODY_WORD;
        said->envelope.word = &said->word;
        said->word.step = (Bitferry__Step)saying->word.step;
        said->word.with_delta = saying->word.with_delta;
        said->word.delta_whole = saying->word.delta_whole;
    }
    if (!said || !put_drops(said, saying->offer) || !put_payload(said, saying)) {
        if (said)
            bf_said_free(said);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a message");
    }
    *ret_said = said;
    return 0;
}

const Bitferry__Envelope *bf_said_envelope(const struct bf_said *said)
{
    return &said->envelope;
}

_Static_assert((int)BITFERRY__STEP__STEP_ABORT == (int)BF_STEP_ABORT &&
                   (int)BITFERRY__STEP__STEP_SEAL == (int)BF_STEP_SEAL &&
                   (int)BITFERRY__STEP__STEP_ARM == (int)BF_STEP_ARM,
               "the steps have the same numbers in both");
_Static_assert((int)BITFERRY__MODE__MODE_AUTO == (int)BF_MODE_AUTO &&
                   (int)BITFERRY__MODE__MODE_SHARED == (int)BF_MODE_SHARED &&
                   (int)BITFERRY__MODE__MODE_STREAM == (int)BF_MODE_STREAM &&
                   (int)BITFERRY__MODE__MODE_NBD == (int)BF_MODE_NBD,
               "and so have the modes");
_Static_assert((int)BITFERRY__SAMENESS__SAMENESS_UNKNOWN == (int)BF_SAMENESS_UNKNOWN &&
                   (int)BITFERRY__SAMENESS__SAMENESS_SAME == (int)BF_SAMENESS_SAME &&
                   (int)BITFERRY__SAMENESS__SAMENESS_OTHER == (int)BF_SAMENESS_OTHER,
               "and what is known of images");

int bf_word_from_envelope(const Bitferry__Envelope *envelope, uint32_t nr_bitmaps,
                          struct bf_word *ret_word, struct bf_error *err)
{
    const Bitferry__Word *word = envelope->word;

    if (word->drops.len != 0 && word->drops.len != nr_bitmaps)
        return bf_error_set(err, BF_E_PROTOCOL,
                            "the peer speaks of %zu bitmaps, but the move has %u", word->drops.len,
                            (unsigned)nr_bitmaps);
    /* A newer peer has more reasons: dropped is dropped. */
    for (size_t i = 0; i < word->drops.len; i++) {
        if (word->drops.data[i] >= BF_NR_DROPS)
            word->drops.data[i] = BF_DROP_FOREIGN;
    }
    *ret_word = (struct bf_word){
        .epoch = envelope->epoch,
        .step = (enum bf_step)word->step,
        .with_delta = word->with_delta,
        .delta_whole = word->delta_whole,
        .drops = word->drops.len > 0 ? word->drops.data : NULL,
    };
    return 0;
}

bool bf_uuid_parse(const char *text, uint8_t ret_uuid[16])
{
    char digits[33];
    size_t nr = 0;

    for (; *text; text++) {
        if (*text == '-')
            continue;
        if (nr == 32)
            return false;
        digits[nr++] = *text;
    }
    digits[nr] = '\0';
    return nr == 32 && bf_hex_decode(digits, 16, ret_uuid);
}

void bf_uuid_text(const uint8_t uuid[16], char *buf)
{
    static const size_t hyphens_before[] = {4, 6, 8, 10};
    size_t next = 0;

    for (size_t i = 0; i < 16; i++) {
        if (next < sizeof hyphens_before / sizeof hyphens_before[0] && i == hyphens_before[next]) {
            *buf++ = '-';
            next++;
        }
        buf += sprintf(buf, "%02x", uuid[i]);
    }
}
