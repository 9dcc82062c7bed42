/* EXAMINING: what became of the offered bitmaps, once the guest is paused or gone - in QEMU, or in
 * the image, where QEMU puts the persistent ones when it lets go of it. */
#include "drive.h"

#include "carrier/reader.h"
#include "daemon/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* While a backup uses it what the guest writes is kept apart from it. */
static enum bf_drop judge_by_twin(const struct bf_known *twin, const struct bf_summary *summary,
                                  bool busy)
{
    if (!twin->known)
        return BF_DROP_NONE;
    if (summary->nr_dirty_bits < twin->summary.nr_dirty_bits && !busy)
        return BF_DROP_BITMAP_CLEARED;
    return summary->nr_dirty_bits > twin->summary.nr_dirty_bits ? BF_DROP_BITMAP_CHANGED
                                                                : BF_DROP_NONE;
}

static enum bf_drop judge(const struct source_drive *drive, uint32_t index,
                          const struct bf_live_measure *found, const struct bf_summary *summary)
{
    const struct bf_offer_bitmap *bitmap = &drive->offer.bitmaps[index];
    const struct bf_known *before =
        bf_offer_is_united(&drive->offer, index) ? &bitmap->own : &bitmap->announced;
    bool offered = drive->offer.states[index].recording;

    if (found->inconsistent)
        return BF_DROP_BITMAP_INCONSISTENT;
    if (found->recording != offered)
        return offered ? BF_DROP_BITMAP_SWITCHED_OFF : BF_DROP_BITMAP_SWITCHED_ON;
    if (!summary || !before->known)
        return BF_DROP_BITMAP_UNSEEN;
    if (summary->nr_dirty_bits < before->summary.nr_dirty_bits)
        return BF_DROP_BITMAP_CLEARED;
    if (offered)
        return judge_by_twin(&bitmap->twin, summary, found->busy);
    return bf_summary_equal(summary, &before->summary) ? BF_DROP_NONE : BF_DROP_BITMAP_CHANGED;
}

/* --- in the image: in a thread, for it takes its time --- */

static enum bf_drop judge_stored(const struct source_drive *drive, uint32_t index,
                                 struct bf_reader *reader)
{
    struct bf_live_measure measure = {.found = true};
    struct bf_image_bitmap found;
    struct bf_bits bits;
    uint32_t at;

    if (bf_reader_find(reader, drive->offer.bitmaps[index].name, &at, NULL) < 0)
        return BF_DROP_BITMAP_VANISHED;
    bf_reader_bitmap(reader, at, &found);
    if (found.unusable)
        return BF_DROP_BITMAP_INCONSISTENT;
    if (bf_reader_bits(reader, at, &bits, NULL) < 0 ||
        bf_bits_summarize(&bits, NULL, &measure.summary, NULL) < 0)
        return BF_DROP_BITMAP_UNSEEN;
    measure.recording = found.recording;
    measure.inconsistent = found.in_use;
    return judge(drive, index, &measure, &measure.summary);
}

static bool is_sought(const struct source_drive *drive, uint32_t disk, uint32_t bitmap)
{
    return drive->offer.states[bitmap].disk == disk && drive->offer.bitmaps[bitmap].persistent &&
           drive->drops[bitmap] == BF_DROP_BITMAP_UNSEEN;
}

static void judge_disk(struct source_drive *drive, uint32_t disk)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    const char *file = drive->offer.disks[disk].file;
    struct bf_error err = BF_ERROR_INIT;

    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (!is_sought(drive, disk, i))
            continue;
        if (!reader && (!file || file[0] != '/' || bf_reader_open_path(file, 0, &reader, &err) < 0))
            break;
        drive->drops[i] = (uint8_t)judge_stored(drive, i, reader);
    }
    if (err.code != BF_E_NONE)
        bf_log(BF_LOG_WARNING, "move %s: the image of %s cannot be examined: %s", drive->move->id,
               drive->offer.disks[disk].name, err.text);
}

static void judge_stored_ones(struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        const struct bf_offer_disk *disk = &drive->offer.disks[i];

        if (disk->mode != BF_MODE_SHARED && disk->image != BF_SAMENESS_SAME)
            judge_disk(drive, i); /* else the image is the destination's now */
    }
}

static void finish(struct source_drive *drive)
{
    source_answer_inspected(drive, drive->left ? BF_SOURCE_GUEST_LEFT : BF_SOURCE_GUEST_PAUSED,
                            true);
}

static void look_into_images(struct source_drive *drive)
{
    source_work(drive, judge_stored_ones, finish);
}

/* --- in QEMU --- */

/* QEMU forgets persistent bitmaps when it lets go of their image; any other that is not there was
 * removed by somebody. */
static bool may_be_stored(const struct source_drive *drive, uint32_t index)
{
    return drive->drops[index] == BF_DROP_BITMAP_VANISHED && drive->offer.bitmaps[index].persistent;
}

static bool any_may_be_stored(const struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (may_be_stored(drive, i))
            return true;
    }
    return false;
}

static void look_for_stored_ones(struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (may_be_stored(drive, i))
            drive->drops[i] = BF_DROP_BITMAP_UNSEEN;
    }
    look_into_images(drive);
}

/* Between the pause and the end of the migration QEMU stores them: the images are read after it. */
static void on_migration(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    const char *status = json_string_value(json_object_get(result, "status"));

    if (!source_op_ended(drive))
        return;
    if (drive->left)
        look_for_stored_ones(drive);
    else if (err || !status || strcmp(status, "device") == 0 || strcmp(status, "completed") == 0)
        source_again(drive, source_examine);
    else
        source_compare(drive, look_into_images);
}

static void ask_migration(struct source_drive *drive)
{
    struct bf_live *live = bf_qemu_live(drive->qemu);

    if (live && bf_qmp_send(bf_live_qmp(live), "query-migrate", NULL, BF_QEMU_DEADLINE_MS,
                            on_migration, drive, NULL) == 0)
        source_op_began(drive);
    else
        source_again(drive, source_examine);
}

/* Nothing is known yet but of those that we took away, and those that HOLD has found changed: these
 * may look as they should by now, or nobody may be there any more to compare them with. */
static void begin_unseen(struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        const struct bf_offer_bitmap *bitmap = &drive->offer.bitmaps[i];

        drive->drops[i] = bitmap->changed;
        if (bitmap->changed == BF_DROP_NONE && bitmap->held_epoch == 0)
            drive->drops[i] = BF_DROP_BITMAP_UNSEEN;
    }
}

enum bf_drop source_judge(const struct source_drive *drive, uint32_t index,
                          const struct bf_live_measure *found)
{
    if (drive->offer.bitmaps[index].held_epoch != 0)
        return BF_DROP_NONE; /* that was judged when we took it away */
    if (!found->found)
        return BF_DROP_BITMAP_VANISHED;
    if (found->disk_size_bytes != drive->offer.disks[drive->offer.states[index].disk].size_bytes)
        return BF_DROP_DISK_RESIZED;
    return judge(drive, index, found, found->digested || found->recording ? &found->summary : NULL);
}

static void on_measured(void *ctx, const struct bf_live_measure *measures, uint32_t nr_measures,
                        const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    begin_unseen(drive);
    for (uint32_t i = 0; i < nr_measures && !err; i++) {
        if (drive->drops[i] == BF_DROP_BITMAP_UNSEEN)
            drive->drops[i] = (uint8_t)source_judge(drive, i, &measures[i]);
    }
    if (drive->left)
        look_for_stored_ones(drive);
    else if (any_may_be_stored(drive))
        ask_migration(drive);
    else
        source_compare(drive, look_into_images);
}

int source_measure_own(struct source_drive *drive, enum bf_live_digests digests,
                       bf_live_measure_fn done)
{
    const struct bf_offer *offer = &drive->offer;
    BF_CLEANUP(bf_freep)
    struct bf_live_place *places = calloc(offer->nr_bitmaps + 1U, sizeof *places);
    int r;

    if (!places)
        return -1;
    for (uint32_t i = 0; i < offer->nr_bitmaps; i++)
        places[i] = (struct bf_live_place){offer->disks[offer->states[i].disk].node,
                                           offer->bitmaps[i].name};
    r = bf_live_measure(bf_qemu_live(drive->qemu), places, offer->nr_bitmaps, digests,
                        BF_QEMU_SPILL_MS, done, drive, NULL);
    if (r == 0)
        source_op_began(drive);
    return r;
}

/* --- first, what nobody knew of --- */

static void look_at_own(struct source_drive *drive);

static void on_all_seen(void *ctx, struct bf_live_survey *seen, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (!err)
        source_report_new_disks(drive, seen);
    look_at_own(drive);
}

static void look_at_all(struct source_drive *drive)
{
    struct bf_live *live = bf_qemu_live(drive->qemu);

    if (drive->move->plan.nr_disks == 0 && live &&
        bf_live_survey(live, NULL, 0, BF_QEMU_DEADLINE_MS, on_all_seen, drive, NULL) == 0)
        source_op_began(drive);
    else
        look_at_own(drive);
}

static void look_only_into_images(struct source_drive *drive)
{
    begin_unseen(drive);
    look_into_images(drive);
}

static void on_seen(void *ctx, struct bf_live_survey *seen, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (!err) {
        source_report_new_bitmaps(drive, seen);
        source_note_twins(drive, seen);
    }
    look_at_all(drive);
}

static void look_at_own(struct source_drive *drive)
{
    if (!bf_qemu_live(drive->qemu) ||
        source_measure_own(drive, BF_LIVE_DIGESTS_OF_FROZEN, on_measured) < 0)
        look_only_into_images(drive);
}

/* The guest may be paused meanwhile: no digest is taken that is not needed. */
void source_examine(struct source_drive *drive)
{
    source_forget_twins(drive);
    if (!bf_qemu_live(drive->qemu) || source_look(drive, on_seen) < 0)
        look_only_into_images(drive);
}
