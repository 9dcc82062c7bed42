/* EXAMINING and RETIRING: the source's own bitmaps once the guest is paused or gone - in QEMU, or
 * in the image, where QEMU puts persistent ones when it lets go of it. */
#include "drive.h"

#include "carrier/reader.h"
#include "daemon/log.h"
#include "daemon/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* What is now to be held against what was offered and taken. */
static enum bf_drop judge(const struct source_drive *drive, uint32_t index, bool recording,
                          bool inconsistent, const struct bf_summary *summary)
{
    const struct bf_offer_bitmap *bitmap = &drive->offer.bitmaps[index];
    bool offered = drive->offer.states[index].recording;

    if (inconsistent)
        return BF_DROP_BITMAP_INCONSISTENT;
    if (recording != offered)
        return offered ? BF_DROP_BITMAP_SWITCHED_OFF : BF_DROP_BITMAP_SWITCHED_ON;
    if (!summary || !bitmap->announced.known)
        return BF_DROP_BITMAP_UNSEEN;
    if (summary->nr_dirty_bits < bitmap->announced.summary.nr_dirty_bits)
        return BF_DROP_BITMAP_CLEARED;
    if (!offered && !bf_summary_equal(summary, &bitmap->announced.summary))
        return BF_DROP_BITMAP_CHANGED;
    return BF_DROP_NONE;
}

/* --- in the image --------------------------------------------------------------------------------
 */

static enum bf_drop judge_stored(const struct source_drive *drive, uint32_t index,
                                 struct bf_reader *reader)
{
    struct bf_image_bitmap found;
    struct bf_summary summary;
    struct bf_bits bits;
    uint32_t at;

    if (bf_reader_find(reader, drive->offer.bitmaps[index].name, &at, NULL) < 0)
        return BF_DROP_BITMAP_VANISHED;
    bf_reader_bitmap(reader, at, &found);
    if (found.unusable)
        return BF_DROP_BITMAP_INCONSISTENT;
    if (bf_reader_bits(reader, at, &bits, NULL) < 0 ||
        bf_bits_summarize(&bits, NULL, &summary, NULL) < 0)
        return BF_DROP_BITMAP_UNSEEN;
    return judge(drive, index, found.recording, found.in_use, &summary);
}

static void judge_disk_stored(struct source_drive *drive, uint32_t disk)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    const char *file = drive->offer.disks[disk].file;
    struct bf_error err = BF_ERROR_INIT;
    int r = file && file[0] == '/' ? bf_reader_open_path(file, 0, &reader, &err) : -ENOENT;

    if (r < 0)
        bf_log(BF_LOG_WARNING, "move %s: the image of %s cannot be examined: %s", drive->move->id,
               drive->offer.disks[disk].name, err.text);
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->offer.states[i].disk == disk && drive->drops[i] == BF_DROP_BITMAP_UNSEEN &&
            reader && drive->offer.bitmaps[i].persistent)
            drive->drops[i] = (uint8_t)judge_stored(drive, i, reader);
    }
}

static void judge_stored_ones(struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++)
        judge_disk_stored(drive, i);
}

/* --- EXAMINING
 * ------------------------------------------------------------------------------------ */

static int measure_all(struct source_drive *drive, bf_live_measure_fn done, bool with_digests)
{
    struct bf_live_place *places = calloc(drive->offer.nr_bitmaps + 1U, sizeof *places);
    int r = -1;

    for (uint32_t i = 0; i < drive->offer.nr_bitmaps && places; i++)
        places[i] = (struct bf_live_place){drive->offer.disks[drive->offer.states[i].disk].node,
                                           drive->offer.bitmaps[i].name};
    if (places)
        r = bf_live_measure(bf_qemu_live(drive->qemu), places, drive->offer.nr_bitmaps,
                            with_digests, BF_QEMU_SPILL_MS, done, drive, NULL);
    free(places);
    if (r == 0)
        source_op_began(drive);
    return r;
}

static void finish_examining(struct source_drive *drive)
{
    judge_stored_ones(drive);
    source_answer_inspected(drive, drive->left ? BF_SOURCE_GUEST_LEFT : BF_SOURCE_GUEST_PAUSED,
                            true);
}

static void on_examined(void *ctx, const struct bf_live_measure *measures, uint32_t nr_measures,
                        const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    memset(drive->drops, BF_DROP_BITMAP_UNSEEN, drive->offer.nr_bitmaps);
    for (uint32_t i = 0; i < nr_measures && !err; i++) {
        if (measures[i].found)
            drive->drops[i] =
                (uint8_t)judge(drive, i, measures[i].recording, measures[i].inconsistent,
                               measures[i].digested ? &measures[i].summary : NULL);
    }
    finish_examining(drive);
}

void source_examine(struct source_drive *drive)
{
    if (bf_qemu_live(drive->qemu) && measure_all(drive, on_examined, true) == 0)
        return;
    memset(drive->drops, BF_DROP_BITMAP_UNSEEN, drive->offer.nr_bitmaps);
    finish_examining(drive);
}

/* --- RETIRING
 * ------------------------------------------------------------------------------------- */

static void retire_next_stored(struct source_drive *drive);

static void on_removed_from_image(void *ctx, struct bf_process *process, int64_t status, int signum)
{
    struct source_drive *drive = ctx;

    (void)process;
    if (!source_op_ended(drive))
        return;
    if (status != 0 || signum != 0)
        drive->drops[drive->cursor] = BF_DROP_BITMAP_BUSY;
    drive->cursor++;
    retire_next_stored(drive);
}

static bool is_stored(const struct source_drive *drive, uint32_t index)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    const char *file = drive->offer.disks[drive->offer.states[index].disk].file;
    uint32_t at;

    return drive->offer.bitmaps[index].persistent && file && file[0] == '/' &&
           bf_reader_open_path(file, 0, &reader, NULL) == 0 &&
           bf_reader_find(reader, drive->offer.bitmaps[index].name, &at, NULL) == 0;
}

static int remove_from_image(struct source_drive *drive, uint32_t index, struct bf_error *err)
{
    const char *argv[] = {"qemu-img",
                          "bitmap",
                          "--remove",
                          drive->offer.disks[drive->offer.states[index].disk].file,
                          drive->offer.bitmaps[index].name,
                          NULL};
    struct bf_process *process;

    return bf_process_start(drive->loop, argv, 2, -1, on_removed_from_image, drive, &process, err);
}

static void retire_next_stored(struct source_drive *drive)
{
    bool left = false;

    while (drive->cursor < drive->offer.nr_bitmaps && !is_stored(drive, drive->cursor))
        drive->cursor++;
    if (drive->cursor < drive->offer.nr_bitmaps &&
        remove_from_image(drive, drive->cursor, NULL) == 0) {
        source_op_began(drive);
        return;
    }
    left = drive->cursor < drive->offer.nr_bitmaps;
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++)
        left = left || drive->drops[i] != BF_DROP_NONE;
    memset(drive->drops, BF_DROP_NONE, drive->offer.nr_bitmaps);
    source_answer(drive, left ? BF_SOURCE_REFUSED : BF_SOURCE_DONE);
}

static void on_removed(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (end == BF_LIVE_UNKNOWN) {
        source_doubt(drive);
        return;
    }
    if (end == BF_LIVE_REFUSED) {
        bf_log(BF_LOG_WARNING, "move %s: removing the source's copies: %s", drive->move->id,
               err->text);
        source_answer(drive, BF_SOURCE_REFUSED);
        return;
    }
    drive->cursor = 0;
    retire_next_stored(drive);
}

static void on_found(void *ctx, const struct bf_live_measure *measures, uint32_t nr_measures,
                     const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    struct bf_live_actions actions;

    if (!source_op_ended(drive))
        return;
    if (err) {
        source_doubt(drive);
        return;
    }
    bf_live_actions_begin(&actions);
    for (uint32_t i = 0; i < nr_measures; i++) {
        if (measures[i].found)
            bf_live_actions_remove(&actions, drive->offer.disks[drive->offer.states[i].disk].node,
                                   drive->offer.bitmaps[i].name);
    }
    if (bf_live_run(bf_qemu_live(drive->qemu), &actions, BF_QEMU_DEADLINE_MS, on_removed, drive,
                    NULL) == 0)
        source_op_began(drive);
    else
        source_doubt(drive);
}

void source_retire(struct source_drive *drive)
{
    if (bf_qemu_live(drive->qemu)) {
        if (measure_all(drive, on_found, false) < 0)
            source_doubt(drive);
        return;
    }
    retire_next_stored(drive);
}
