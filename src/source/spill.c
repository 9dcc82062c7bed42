/* One bitmap out of QEMU by QEMU's own hand: it writes the carrier itself. */
#include "drive.h"

#include "carrier/reader.h"
#include "drive/fetch.h"

#include <unistd.h>

/* A full disk loses the bitmap at the close, with no error from QEMU. */
static int check_written(const char *path, struct bf_error *err)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    struct bf_image_bitmap found;
    uint32_t at = 0;
    int r = bf_reader_open_path(path, 0, &reader, err);

    if (r == 0)
        r = bf_reader_find(reader, BF_FETCH_BITMAP, &at, err);
    if (r < 0)
        return r;
    bf_reader_bitmap(reader, at, &found);
    return found.unusable
               ? bf_error_set(err, BF_E_IO, "QEMU wrote %s, but: %s", path, found.unusable)
               : 0;
}

static void on_spilled(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    char path[SOURCE_PATH_BYTES];
    struct bf_error found = BF_ERROR_INIT;

    if (!source_op_ended(drive))
        return;
    source_carrier_draft(drive, drive->wish.round, drive->cursor, path);
    if (end == BF_LIVE_UNKNOWN) {
        source_read_lost(drive);
        return;
    }
    if (end == BF_LIVE_REFUSED)
        (void)bf_error_set(&found, err->code, "%s", err->text);
    else if (check_written(path, &found) < 0)
        (void)unlink(path);
    source_read_ended(drive, found.code != BF_E_NONE ? &found : NULL);
}

void source_read_spill(struct source_drive *drive)
{
    const struct bf_offer_disk *disk = &drive->offer.disks[source_item_disk(drive, drive->cursor)];
    char path[SOURCE_PATH_BYTES];
    char name[BF_TEMPORARY_NAME_MAX + 1];
    char node[BF_LIVE_NODE_NAME_MAX + 1];
    struct bf_live_spill_item item = {
        .node = disk->node,
        .bitmap = source_item_temporary(drive, drive->cursor, name),
        .name = BF_FETCH_BITMAP,
        .granularity_bytes = source_item_granularity(drive, drive->cursor),
    };
    struct bf_live_spill spill = {
        .path = path, .size_bytes = disk->size_bytes, .items = &item, .nr_items = 1};
    struct bf_error err = BF_ERROR_INIT;

    source_carrier_draft(drive, drive->wish.round, drive->cursor, path);
    if (drive->wish.round != BF_ROUND_DELTA)
        spill.open_node = source_open_carrier(drive, drive->cursor, node);
    if (spill.open_node)
        drive->opened[drive->cursor] = SOURCE_SPILLED;
    else
        (void)unlink(path);
    if (bf_live_spill(bf_qemu_live(drive->qemu), &spill, BF_QEMU_SPILL_MS, on_spilled, drive,
                      &drive->op, &err) == 0)
        source_op_began(drive);
    else
        source_read_ended(drive, &err);
}
