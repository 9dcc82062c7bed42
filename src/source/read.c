/* Reading, a part of SERVE: one bitmap after the other out of QEMU into its carrier, in one of two
 * ways (spill.c, block_status.c).
 *
 * Counts and digests are known before, so the wish is answered with the first carrier that QEMU has
 * written; the destination waits at nbdkit for those that follow, and loads one while the next is
 * written.
 */
#include "drive.h"

#include "carrier/reader.h"
#include "daemon/log.h"
#include "drive/carriers.h"
#include "drive/fetch.h"

static void read_all_ended(struct source_drive *drive)
{
    struct bf_error err = BF_ERROR_INIT;

    if (drive->behind) {
        drive->behind = false;
    } else if (source_any_item_wanted(drive)) {
        source_serve_answer(drive);
    } else {
        (void)bf_error_set(&err, BF_E_IO, "no bitmap could be read");
        source_serve_refuse(drive, "serving", &err);
    }
}

void source_read_next(struct source_drive *drive)
{
    while (drive->cursor < source_nr_items(drive) && (!source_item_wanted(drive, drive->cursor) ||
                                                      source_item_is_empty(drive, drive->cursor)))
        drive->cursor++;
    if (drive->cursor == source_nr_items(drive))
        read_all_ended(drive);
    else if (drive->no_spill)
        source_read_block_status(drive);
    else
        source_read_spill(drive);
}

/* What the destination was told of cannot be dropped any more: it drops what it does not get. */
static void fail_item(struct source_drive *drive)
{
    if (drive->behind)
        source_carrier_spoil(drive, drive->wish.round, drive->cursor);
    else
        source_item_drop(drive, drive->cursor, BF_DROP_SERVE_FAILED);
    drive->cursor++;
}

static void finish_item(struct source_drive *drive)
{
    uint64_t nr_bytes = source_item_bytes(drive, drive->cursor);
    struct bf_error err = BF_ERROR_INIT;

    if (source_carrier_publish(drive, drive->wish.round, drive->cursor, &err) == 0) {
        source_item_progress(drive, drive->cursor++, nr_bytes, nr_bytes);
        return;
    }
    bf_log(BF_LOG_WARNING, "move %s: %s", drive->move->id, err.text);
    fail_item(drive);
}

/* QEMU gave no digest, but a count: that of what was read must be the same. */
static void summarize_carrier(struct source_drive *drive)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    struct bf_known *known = source_item_known(drive, drive->cursor);
    char path[SOURCE_PATH_BYTES];
    struct bf_summary summary;
    struct bf_bits bits;
    uint32_t at = 0;

    source_carrier_draft(drive, drive->wish.round, drive->cursor, path);
    if (bf_reader_open_path(path, 0, &reader, NULL) < 0 ||
        bf_reader_find(reader, BF_FETCH_BITMAP, &at, NULL) < 0 ||
        bf_reader_bits(reader, at, &bits, NULL) < 0 ||
        bf_bits_summarize(&bits, NULL, &summary, NULL) < 0)
        return;
    known->known = summary.nr_dirty_bits == known->summary.nr_dirty_bits;
    known->summary = summary;
}

static void on_summarized(struct source_drive *drive)
{
    if (source_item_known(drive, drive->cursor)->known) {
        finish_item(drive);
    } else {
        bf_log(BF_LOG_WARNING, "move %s: what was read is not what QEMU counts", drive->move->id);
        fail_item(drive);
    }
    source_read_next(drive);
}

/* Where QEMU may not write a file of ours, or there is no room for it, all are read the other way,
 * unless this way was ordered. */
static bool may_change_way(const struct source_drive *drive, const struct bf_error *err)
{
    return !drive->no_spill && drive->move->plan.read == BF_READ_AUTO &&
           err->code != BF_E_INTERRUPTED && !source_must_not_export(drive);
}

/* QEMU writes carriers, and all is known that the destination must be told. */
static bool may_answer(struct source_drive *drive)
{
    for (uint32_t i = 0; i < source_nr_items(drive); i++) {
        if (source_item_wanted(drive, i) && !source_item_known(drive, i)->known)
            return false;
    }
    return !drive->behind && !drive->no_spill && source_any_item_wanted(drive);
}

/* True: read on. */
static bool answer_early(struct source_drive *drive)
{
    uint32_t ticket = drive->wish.ticket;

    if (!may_answer(drive))
        return true;
    drive->behind = true;
    source_serve_answer(drive);
    return drive->behind && drive->wish.ticket == ticket && !drive->ended && !drive->freed;
}

void source_read_lost(struct source_drive *drive)
{
    if (!drive->behind) {
        uint32_t ticket = drive->wish.ticket;

        bf_qemu_restart(drive->qemu); /* it may write to the file for ever */
        if (drive->wish_open && drive->wish.ticket == ticket)
            source_answer(drive, BF_SOURCE_REFUSED);
        return;
    }
    for (; drive->cursor < source_nr_items(drive);) {
        if (source_item_wanted(drive, drive->cursor))
            fail_item(drive);
        else
            drive->cursor++;
    }
    drive->behind = false;
    bf_qemu_restart(drive->qemu);
}

void source_read_ended(struct source_drive *drive, const struct bf_error *err)
{
    if (!err && !source_item_known(drive, drive->cursor)->known) {
        source_work(drive, summarize_carrier, on_summarized);
        return;
    }
    if (!err) {
        finish_item(drive);
    } else if (may_change_way(drive, err)) {
        bf_log(BF_LOG_INFO, "move %s: bitmaps are read by block status: %s", drive->move->id,
               err->text);
        bf_carrier_denied(drive->config, drive->move, err);
        drive->no_spill = true;
    } else {
        bf_log(BF_LOG_WARNING, "move %s: reading: %s", drive->move->id, err->text);
        bf_carrier_denied(drive->config, drive->move, err);
        fail_item(drive);
    }
    if (err || answer_early(drive))
        source_read_next(drive);
}
