#include "drive/offer.h"

#include "base/text.h"
#include "model/geometry.h"
#include "offer_checkpoints.h"
#include "offer_layers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bf_offer_release(struct bf_offer *offer)
{
    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        free(offer->disks[i].name);
        free(offer->disks[i].node);
        free(offer->disks[i].file);
        free(offer->disks[i].identity);
        free(offer->disks[i].alias);
        free(offer->disks[i].serial);
        bf_offer_release_layers(&offer->disks[i]);
    }
    for (uint32_t i = 0; i < offer->nr_bitmaps; i++)
        free(offer->bitmaps[i].name);
    free(offer->disks);
    free(offer->bitmaps);
    free(offer->states);
    free(offer->deltas);
    free(offer->loaded_deltas);
    bf_offer_release_checkpoints(offer);
    *offer = (struct bf_offer){.nr_disks = 0};
}

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the bitmaps of a move");
}

int bf_offer_init(struct bf_offer *offer, uint32_t nr_disks, uint32_t nr_bitmaps,
                  struct bf_error *err)
{
    *offer = (struct bf_offer){.nr_disks = 0};
    if (nr_disks > BF_HANDOFF_DISKS_MAX || nr_bitmaps > BF_HANDOFF_BITMAPS_MAX)
        return bf_error_set(
            err, BF_E_LIMIT, "%u disks with %u bitmaps are more than one move takes (%d, %d)",
            (unsigned)nr_disks, (unsigned)nr_bitmaps, BF_HANDOFF_DISKS_MAX, BF_HANDOFF_BITMAPS_MAX);
    offer->disks = calloc(nr_disks + 1U, sizeof *offer->disks);
    offer->bitmaps = calloc(nr_bitmaps + 1U, sizeof *offer->bitmaps);
    offer->states = calloc(nr_bitmaps + 1U, sizeof *offer->states);
    offer->deltas = calloc(nr_disks + 1U, sizeof *offer->deltas);
    offer->loaded_deltas = calloc(nr_disks + 1U, sizeof *offer->loaded_deltas);
    if (!offer->disks || !offer->bitmaps || !offer->states || !offer->deltas ||
        !offer->loaded_deltas) {
        bf_offer_release(offer);
        return no_memory(err);
    }
    offer->nr_disks = nr_disks;
    offer->nr_bitmaps = nr_bitmaps;
    return 0;
}

static char *text_of(const ProtobufCBinaryData *bytes)
{
    return bytes->len > 0 ? strndup((const char *)bytes->data, bytes->len) : strdup("");
}

static bool take_disk(struct bf_offer *offer, uint32_t index, const Bitferry__OfferedDisk *from,
                      uint32_t *at)
{
    struct bf_offer_disk *disk = &offer->disks[index];
    bool still = offer->kind == BF_HANDOFF_STILL;
    bool whole = true;

    disk->name = text_of(&from->name);
    disk->node = text_of(&from->node_name);
    disk->identity = text_of(&from->identity);
    disk->alias = text_of(&from->alias);
    disk->serial = text_of(&from->serial);
    disk->size_bytes = from->virtual_size_bytes;
    disk->mirrored = from->mirrored;
    disk->wish = (enum bf_mode)from->mode;
    disk->depth = from->depth;
    disk->content.known = from->content.len == BF_SHA256_BYTES;
    if (disk->content.known)
        memcpy(disk->content.sha256, from->content.data, BF_SHA256_BYTES);
    for (size_t i = 0; i < from->n_bitmaps; i++, (*at)++) {
        offer->bitmaps[*at] = (struct bf_offer_bitmap){
            .name = text_of(&from->bitmaps[i]->name),
            .granularity_bytes = from->bitmaps[i]->granularity_bytes,
            .persistent = from->bitmaps[i]->persistent,
            .mapped = from->bitmaps[i]->mapped,
            .recording = from->bitmaps[i]->recording,
        };
        if (from->bitmaps[i]->sha256.len > 0) {
            struct bf_known *known = &offer->bitmaps[*at].announced;

            known->known = true;
            known->summary.nr_dirty_bits = from->bitmaps[i]->nr_dirty_bits;
            memcpy(known->summary.sha256, from->bitmaps[i]->sha256.data, BF_SHA256_BYTES);
        }
        offer->states[*at].disk = (uint16_t)index;
        offer->states[*at].recording = from->bitmaps[i]->recording && !still;
        whole = whole && offer->bitmaps[*at].name;
    }
    return whole && disk->name && disk->node && disk->identity && disk->alias && disk->serial &&
           bf_offer_read_layers(disk, from, NULL) == 0;
}

static enum bf_handoff_kind kind_of(Bitferry__Method method)
{
    if (method == BITFERRY__METHOD__METHOD_STILL)
        return BF_HANDOFF_STILL;
    if (method == BITFERRY__METHOD__METHOD_NATIVE)
        return BF_HANDOFF_NATIVE;
    return method == BITFERRY__METHOD__METHOD_FREEZE ? BF_HANDOFF_FREEZE : BF_HANDOFF_TRACKER;
}

int bf_offer_from_envelope(const Bitferry__Envelope *envelope, struct bf_offer *ret_offer,
                           struct bf_error *err)
{
    const Bitferry__Word *word = envelope->word;
    const Bitferry__Offer *from = word->offer;
    struct bf_offer offer;
    uint32_t nr_bitmaps = 0;
    uint32_t at = 0;
    bool whole = true;
    int r;

    for (size_t i = 0; i < from->n_disks; i++)
        nr_bitmaps += (uint32_t)from->disks[i]->n_bitmaps;
    r = bf_offer_init(&offer, (uint32_t)from->n_disks, nr_bitmaps, err);
    if (r < 0)
        return r;
    memcpy(offer.move_id, envelope->move_id.data, sizeof offer.move_id);
    offer.kind = kind_of(from->method);
    offer.dirty_bitmaps = from->dirty_bitmaps;
    offer.block_copy = from->block_copy;
    offer.pauses = from->pauses;
    for (uint32_t i = 0; i < offer.nr_disks; i++)
        whole = take_disk(&offer, i, from->disks[i], &at) && whole;
    for (uint32_t i = 0; i < nr_bitmaps && word->drops.len == nr_bitmaps; i++)
        offer.states[i].drop = word->drops.data[i];
    r = whole ? bf_offer_read_checkpoints(&offer, from, err) : no_memory(err);
    if (r < 0) {
        bf_offer_release(&offer);
        return r;
    }
    *ret_offer = offer;
    return 0;
}

static bool same_text(const char *text, const ProtobufCBinaryData *bytes)
{
    return strlen(text) == bytes->len && memcmp(text, bytes->data, bytes->len) == 0;
}

bool bf_offer_same(const struct bf_offer *offer, const Bitferry__Offer *other)
{
    uint32_t at = 0;

    if (other->n_disks != offer->nr_disks)
        return false;
    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        const Bitferry__OfferedDisk *disk = other->disks[i];

        if (!same_text(offer->disks[i].name, &disk->name) ||
            offer->disks[i].size_bytes != disk->virtual_size_bytes)
            return false;
        for (size_t j = 0; j < disk->n_bitmaps; j++, at++) {
            if (at >= offer->nr_bitmaps || offer->states[at].disk != i ||
                !same_text(offer->bitmaps[at].name, &disk->bitmaps[j]->name) ||
                offer->bitmaps[at].granularity_bytes != disk->bitmaps[j]->granularity_bytes ||
                offer->bitmaps[at].recording != (bool)disk->bitmaps[j]->recording)
                return false;
        }
    }
    return at == offer->nr_bitmaps;
}

uint64_t bf_offer_finest(const struct bf_offer *offer, uint32_t disk)
{
    uint64_t finest = 0;

    for (uint32_t i = 0; i < offer->nr_bitmaps; i++) {
        uint64_t granularity = offer->bitmaps[i].granularity_bytes;

        if (offer->states[i].disk == disk && offer->states[i].recording &&
            (finest == 0 || granularity < finest))
            finest = granularity;
    }
    return finest;
}

bool bf_offer_matters(const struct bf_offer *offer, uint32_t disk)
{
    for (uint32_t i = 0; i < offer->nr_bitmaps; i++) {
        if (offer->states[i].disk == disk && offer->states[i].recording &&
            offer->states[i].drop == BF_DROP_NONE)
            return true;
    }
    return false;
}

const char *bf_offer_temporary(const struct bf_offer *offer, uint32_t epoch,
                               enum bf_temporary_kind kind, uint32_t index,
                               char buf[BF_TEMPORARY_NAME_MAX + 1])
{
    struct bf_temporary_name name = {.epoch = epoch, .kind = kind, .index = index};

    memcpy(name.move_id, offer->move_id, sizeof name.move_id);
    return bf_temporary_name_encode(&name, buf);
}

void bf_offer_prefix(const struct bf_offer *offer, char buf[BF_TEMPORARY_NAME_MAX + 1])
{
    char id[BF_MOVE_ID_BYTES * 2 + 1];

    bf_hex_encode(offer->move_id, BF_MOVE_ID_BYTES, id);
    (void)snprintf(buf, BF_TEMPORARY_NAME_MAX + 1, BF_TEMPORARY_PREFIX "%s.", id);
}

enum bf_code bf_drop_code(enum bf_drop drop)
{
    switch ((int)drop) {
    case BF_DROP_NONE:
        return BF_E_NONE;
    case BF_DROP_BITMAP_VANISHED:
    case BF_DROP_BROUGHT_BY_NOBODY:
        return BF_E_BITMAP_NOT_FOUND;
    case BF_DROP_BITMAP_BUSY:
        return BF_E_BITMAP_BUSY;
    case BF_DROP_BITMAP_INCONSISTENT:
        return BF_E_BITMAP_INCONSISTENT;
    case BF_DROP_NAME_TAKEN:
        return BF_E_BITMAP_EXISTS;
    case BF_DROP_NODE_MISSING:
        return BF_E_NOT_FOUND;
    case BF_DROP_SIZE_MISMATCH:
        return BF_E_SIZE_MISMATCH;
    case BF_DROP_FORMAT_UNSUPPORTED:
    case BF_DROP_ARRIVES_HIDDEN:
    case BF_DROP_NAME_RESERVED:
        return BF_E_UNSUPPORTED;
    case BF_DROP_DIGEST_MISMATCH:
        return BF_E_DIGEST_MISMATCH;
    case BF_DROP_READ_BACK_FAILED:
    case BF_DROP_BROUGHT_SHORT:
    case BF_DROP_BROUGHT_UNPROVEN:
        return BF_E_COVERAGE_MISSING;
    case BF_DROP_SOURCE_SILENT:
    case BF_DROP_DEST_SILENT:
    case BF_DROP_TOO_SLOW:
        return BF_E_DEADLINE;
    case BF_DROP_PEER_ABORTED:
    case BF_DROP_SOURCE_QEMU_GONE:
    case BF_DROP_DEST_QEMU_GONE:
        return BF_E_PEER;
    case BF_DROP_OPERATOR_ABORT:
        return BF_E_INTERRUPTED;
    case BF_DROP_JOURNAL_FAILED:
        return BF_E_IO;
    case BF_DROP_PROTOCOL:
        return BF_E_PROTOCOL;
    case BF_DROP_SNAPSHOT_REFUSED:
    case BF_DROP_LOAD_REFUSED:
    case BF_DROP_TRACKER_REFUSED:
    case BF_DROP_COMMIT_REFUSED:
        return BF_E_QMP_ERROR;
    default:
        return BF_E_INVALID;
    }
}

bool bf_drop_is_peers(enum bf_drop drop)
{
    return drop == BF_DROP_PEER_ABORTED || drop == BF_DROP_SOURCE_SILENT ||
           drop == BF_DROP_DEST_SILENT;
}

void bf_offer_report_modes(const struct bf_offer *offer, struct bf_move *move)
{
    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        const struct bf_offer_disk *disk = &offer->disks[i];

        if (disk->mode != BF_MODE_AUTO && disk->placed_size_bytes > 0)
            bf_move_set_mode(move, disk->name, bf_mode_name(disk->mode), bf_why_text(disk->why));
    }
}

/* A bitmap that has come through has nothing to wait for that the move does not wait for. */
static void report_progress(const struct bf_offer *offer, const struct bf_move *move, uint32_t i,
                            const char *phase, struct bf_move_row *row)
{
    struct bf_geometry geometry = {offer->disks[offer->states[i].disk].size_bytes,
                                   offer->bitmaps[i].granularity_bytes};

    row->phase = phase;
    if (row->total_bytes == 0 && row->outcome == BF_ROW_PENDING &&
        bf_geometry_check(&geometry, NULL) == 0)
        row->total_bytes = bf_geometry_packed_bytes(&geometry);
    if (row->outcome == BF_ROW_PENDING && row->total_bytes > 0 &&
        row->done_bytes >= row->total_bytes)
        row->phase = move->role == BF_ROLE_SOURCE ? "read" : "fetched";
}

/* NULL: it is not known, or not any more. */
static const char *proof_name(enum bf_proof_of proof)
{
    static const char *const names[] = {
        [BF_BY_COUNT] = "count", [BF_BY_DIGEST] = "digest", [BF_BY_BITS] = "bits"};

    return proof == BF_BY_NOTHING ? NULL : names[proof];
}

void bf_offer_report(const struct bf_offer *offer, struct bf_move *move, bool ended,
                     const char *phase)
{
    char text[256];

    for (uint32_t i = 0; i < offer->nr_bitmaps; i++) {
        enum bf_drop drop = (enum bf_drop)offer->states[i].drop;
        struct bf_move_row *row =
            bf_move_row(move, offer->disks[offer->states[i].disk].name, offer->bitmaps[i].name);

        if (!row)
            continue;
        if (drop == BF_DROP_NATIVE) {
            row->outcome = BF_ROW_NATIVE;
            row->proof = proof_name(offer->bitmaps[i].proof);
        } else if (drop != BF_DROP_NONE) {
            (void)snprintf(text, sizeof text, "%s: %s", bf_drop_name(drop), bf_drop_text(drop));
            bf_move_row_drop(row, bf_drop_code(drop), bf_drop_name(drop), text);
        } else if (ended) {
            row->outcome = BF_ROW_CARRIED;
        }
        report_progress(offer, move, i, ended ? "ended" : phase, row);
    }
    bf_move_changed(move);
}
