/* PULL: fetch what was announced into carriers of the destination's size, and check it. */
#include "drive.h"

#include "base/fail_point.h"
#include "daemon/log.h"

#include <stdlib.h>
#include <string.h>

static const char *export_of(const struct dest_drive *drive, uint32_t index)
{
    char **names =
        drive->wish.round == BF_ROUND_DELTA ? drive->exports.deltas : drive->exports.names;

    return names ? names[index] : NULL;
}

static const struct bf_known *announced(const struct dest_drive *drive, uint32_t index)
{
    return drive->wish.round == BF_ROUND_DELTA ? &drive->offer.deltas[index]
                                               : &drive->offer.bitmaps[index].announced;
}

static struct bf_known *written(struct dest_drive *drive, uint32_t index)
{
    return drive->wish.round == BF_ROUND_DELTA ? &drive->offer.loaded_deltas[index]
                                               : &drive->offer.bitmaps[index].loaded;
}

static void on_progress(void *ctx, uint32_t index, uint64_t done, uint64_t total)
{
    struct dest_drive *drive = ctx;
    struct bf_move_row *row;

    bf_fail_point("dest.pulling");
    if (drive->wish.round == BF_ROUND_DELTA)
        return;
    row = bf_move_row(drive->move, drive->offer.disks[dest_disk_of(drive, index)].name,
                      drive->offer.bitmaps[index].name);
    if (!row)
        return;
    row->done_bytes = done;
    row->total_bytes = total;
    bf_move_changed(drive->move);
}

static enum bf_drop reason_of(const struct bf_fetch_item *item)
{
    if (item->too_slow)
        return BF_DROP_TOO_SLOW;
    return item->failed == BF_E_DIGEST_MISMATCH ? BF_DROP_DIGEST_MISMATCH : BF_DROP_PULL_FAILED;
}

void dest_pull_settle(struct dest_drive *drive)
{
    if (!drive->fetch && !drive->early_busy && dest_op_ended(drive))
        dest_answer(drive, BF_DEST_DONE);
}

/* A bitmap that QEMU brings is not lost with what would prove it. */
static void not_fetched(struct dest_drive *drive, uint32_t index, enum bf_drop reason)
{
    if (drive->offer.kind != BF_HANDOFF_NATIVE)
        dest_drop_item(drive, index, reason);
    else
        bf_log(BF_LOG_WARNING, "move %s: what proves a bitmap of disk %s was not fetched: %s",
               drive->move->id, drive->offer.disks[dest_disk_of(drive, index)].name,
               bf_drop_text(reason));
}

static void pulled(struct dest_drive *drive, uint32_t index)
{
    if (drive->offer.kind != BF_HANDOFF_NATIVE) /* that is loaded when it is judged */
        dest_early_pulled(drive, index);
}

static void on_item(void *ctx, const struct bf_fetch_item *item)
{
    struct dest_drive *drive = ctx;
    struct bf_known *known = written(drive, item->index);

    known->known = item->failed == BF_E_NONE;
    known->summary = item->written;
    if (known->known)
        pulled(drive, item->index);
    else
        not_fetched(drive, item->index, reason_of(item));
}

static void on_fetched(void *ctx)
{
    struct dest_drive *drive = ctx;

    drive->fetch = NULL;
    dest_pull_settle(drive);
}

static bool fill_item(const struct dest_drive *drive, uint32_t index, struct bf_fetch_item *item)
{
    const struct bf_offer_disk *disk = &drive->offer.disks[dest_disk_of(drive, index)];
    char path[BF_CARRIER_PATH_MAX + 1];

    *item = (struct bf_fetch_item){
        .export_name = strdup(export_of(drive, index)),
        .path =
            strdup(bf_carrier_path(drive->config, drive->move->id, drive->wish.round, index, path)),
        .index = index,
        .disk_size_bytes = disk->size_bytes,
        .granularity_bytes = dest_granularity_of(drive, index),
        .announced = announced(drive, index)->summary,
        .wanted_size_bytes =
            drive->offer.kind == BF_HANDOFF_NATIVE ? disk->size_bytes : disk->placed_size_bytes,
    };
    return item->export_name && item->path;
}

/* Of a delta that proves, and is empty, the count says all. */
static bool is_empty_proof(const struct dest_drive *drive, uint32_t index)
{
    return drive->offer.kind == BF_HANDOFF_NATIVE && drive->wish.round == BF_ROUND_DELTA &&
           announced(drive, index)->known && announced(drive, index)->summary.nr_dirty_bits == 0;
}

/* What was not announced does not come. */
static uint32_t fill_items(struct dest_drive *drive, struct bf_fetch_item *items)
{
    uint32_t nr_items = 0;

    for (uint32_t i = 0; i < dest_nr_items(drive); i++) {
        if (!dest_wants(drive, i) || is_empty_proof(drive, i))
            continue;
        if (!announced(drive, i)->known || !export_of(drive, i) ||
            !fill_item(drive, i, &items[nr_items]))
            not_fetched(drive, i, BF_DROP_PULL_FAILED);
        else
            nr_items++;
    }
    return nr_items;
}

/* NULL: there is no QEMU, or none yet. */
static const struct bf_live_identity *qemu_identity(const struct dest_drive *drive)
{
    struct bf_live *live = drive->images ? NULL : bf_qemu_live(drive->qemu);

    return live ? bf_live_identity(live) : NULL;
}

void dest_stop_pull(struct dest_drive *drive)
{
    if (drive->fetch)
        bf_fetch_cancel(drive->fetch);
    drive->fetch = NULL;
}

void dest_pull(struct dest_drive *drive)
{
    struct bf_fetch_item *items = calloc(dest_nr_items(drive) + 1U, sizeof *items);
    struct bf_fetch_patience patience = {drive->config->pull_timeout_s * 1000,
                                         drive->config->pull_limit_s * 1000};
    struct bf_fetch_handlers handlers = {on_progress, on_item, on_fetched, drive};
    struct bf_error err = BF_ERROR_INIT;
    uint32_t nr_items = items ? fill_items(drive, items) : 0;
    int r;

    bf_fail_point("dest.fetching");
    dest_early_forget(drive);
    if (!items) {
        dest_answer(drive, BF_DEST_REFUSED);
        return;
    }
    if (nr_items == 0) {
        free(items);
        dest_answer(drive, BF_DEST_DONE);
        return;
    }
    r = bf_carrier_folder_make(drive->config, drive->move->id, qemu_identity(drive), &err);
    if (r < 0)
        bf_fetch_items_free(items, nr_items);
    else
        r = bf_fetch_start(drive->loop, drive->exports.uri, dest_settings(), &patience, items,
                           nr_items, &handlers, &drive->fetch, &err);
    if (r == 0) {
        dest_op_began(drive);
        return;
    }
    bf_log(BF_LOG_WARNING, "move %s: pulling: %s", drive->move->id, err.text);
    dest_answer(drive, drive->offer.kind == BF_HANDOFF_NATIVE ? BF_DEST_DONE : BF_DEST_REFUSED);
}
