/* What a round is about: bitmaps, or, for the deltas, disks. */
#include "drive.h"

static bool is_delta(const struct source_drive *drive)
{
    return drive->wish.round == BF_ROUND_DELTA;
}

uint32_t source_nr_items(const struct source_drive *drive)
{
    return is_delta(drive) ? drive->offer.nr_disks : drive->offer.nr_bitmaps;
}

/* The disk of a delta serves all its recording bitmaps. */
static bool concerns(const struct source_drive *drive, uint32_t item, uint32_t bitmap)
{
    if (!is_delta(drive))
        return bitmap == item;
    return drive->offer.states[bitmap].disk == item && drive->offer.states[bitmap].recording;
}

bool source_item_wanted(const struct source_drive *drive, uint32_t item)
{
    if (!bf_offer_travels(&drive->offer, drive->wish.round, item))
        return false;
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (concerns(drive, item, i) && drive->drops[i] != BF_DROP_NONE)
            return false;
    }
    return true;
}

bool source_any_item_wanted(const struct source_drive *drive)
{
    for (uint32_t i = 0; i < source_nr_items(drive); i++) {
        if (source_item_wanted(drive, i))
            return true;
    }
    return false;
}

/* Of a bitmap that QEMU brings nothing but the proof is lost with it. */
void source_item_drop(struct source_drive *drive, uint32_t item, enum bf_drop reason)
{
    source_item_known(drive, item)->known = false;
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (concerns(drive, item, i))
            drive->drops[i] = (uint8_t)reason;
    }
}

/* Where nothing was written since the snapshot, that count is all there is to tell. */
bool source_item_is_empty(const struct source_drive *drive, uint32_t item)
{
    return drive->offer.kind == BF_HANDOFF_NATIVE && is_delta(drive) &&
           drive->offer.deltas[item].known && drive->offer.deltas[item].summary.nr_dirty_bits == 0;
}

/* An exported bitmap is busy, and a migration that QEMU begins just then fails with it. */
bool source_must_not_export(const struct source_drive *drive)
{
    return drive->offer.kind == BF_HANDOFF_NATIVE && !is_delta(drive);
}

uint32_t source_item_disk(const struct source_drive *drive, uint32_t item)
{
    return is_delta(drive) ? item : drive->offer.states[item].disk;
}

uint64_t source_item_granularity(const struct source_drive *drive, uint32_t item)
{
    return is_delta(drive) ? bf_offer_finest(&drive->offer, item)
                           : drive->offer.bitmaps[item].granularity_bytes;
}

uint64_t source_item_bytes(const struct source_drive *drive, uint32_t item)
{
    struct bf_geometry geometry = {
        drive->offer.disks[source_item_disk(drive, item)].size_bytes,
        source_item_granularity(drive, item),
    };

    return bf_geometry_packed_bytes(&geometry);
}

struct bf_known *source_item_known(struct source_drive *drive, uint32_t item)
{
    return is_delta(drive) ? &drive->offer.deltas[item] : &drive->offer.bitmaps[item].announced;
}

const char *source_item_temporary(const struct source_drive *drive, uint32_t item,
                                  char buf[BF_TEMPORARY_NAME_MAX + 1])
{
    return bf_offer_temporary(&drive->offer, drive->wish.epoch,
                              is_delta(drive) ? BF_TEMPORARY_DELTA : BF_TEMPORARY_SNAPSHOT, item,
                              buf);
}

/* The bar of a bitmap is about its snapshot; deltas have none. */
void source_item_progress(struct source_drive *drive, uint32_t item, uint64_t done_bytes,
                          uint64_t total_bytes)
{
    struct bf_move_row *row;

    if (is_delta(drive))
        return;
    row = bf_move_row(drive->move, drive->offer.disks[source_item_disk(drive, item)].name,
                      drive->offer.bitmaps[item].name);
    if (!row)
        return;
    row->done_bytes = done_bytes;
    row->total_bytes = total_bytes;
    bf_move_changed(drive->move);
}

void source_note(struct source_drive *drive, uint32_t bitmap, const char *text)
{
    const struct bf_offer *offer = &drive->offer;
    const char *disk = offer->disks[offer->states[bitmap].disk].name;
    struct bf_move_row *row = bf_move_row(drive->move, disk, offer->bitmaps[bitmap].name);

    if (row)
        bf_move_row_note(row, text);
}
