/* RETIRE: the source's own copies go, or a former visit's bitmaps would look usable one day.  An
 * image that the destination has open too holds no copy, and is not touched. */
#include "drive.h"

#include "base/fail_point.h"
#include "carrier/reader.h"
#include "daemon/log.h"
#include "daemon/process.h"
#include "live/activate.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- in the images, one bitmap after the other --- */

static void retire_next_stored(struct source_drive *drive);

static void on_removed_from_image(void *ctx, struct bf_process *process, int64_t status, int signum)
{
    struct source_drive *drive = ctx;

    (void)process;
    if (source_op_ended(drive)) {
        if ((status != 0 || signum != 0) && drive->cursor < drive->offer.nr_bitmaps)
            drive->drops[drive->cursor] = BF_DROP_BITMAP_BUSY;
        drive->cursor++;
        retire_next_stored(drive);
    }
    source_closed_one(drive);
}

static const char *image_of(const struct source_drive *drive, uint32_t index)
{
    const char *file = drive->offer.disks[drive->offer.states[index].disk].file;

    return file && file[0] == '/' ? file : NULL;
}

/* An image that a mirror has copied is another one than the copy.  Where nothing is known the
 * copies are left, and that is told. */
static bool may_touch(const struct source_drive *drive, uint32_t disk)
{
    const struct bf_offer_disk *of = &drive->offer.disks[disk];

    if (of->mode == BF_MODE_SHARED || of->image == BF_SAMENESS_SAME)
        return false;
    return of->image == BF_SAMENESS_OTHER || of->mirrored || drive->disks[disk].ready;
}

static bool may_touch_of(const struct source_drive *drive, uint32_t bitmap)
{
    return may_touch(drive, drive->offer.states[bitmap].disk);
}

/* Of an image that both have open there is no copy; of one that perhaps is one, there may be. */
static bool may_be_left(const struct source_drive *drive, uint32_t bitmap)
{
    const struct bf_offer_disk *of = &drive->offer.disks[drive->offer.states[bitmap].disk];

    return drive->offer.bitmaps[bitmap].persistent && of->mode != BF_MODE_SHARED &&
           of->image == BF_SAMENESS_UNKNOWN && !may_touch_of(drive, bitmap);
}

static bool has_bitmap(const char *file, const char *name)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    uint32_t at;

    return bf_reader_open_path(file, 0, &reader, NULL) == 0 &&
           bf_reader_find(reader, name, &at, NULL) == 0;
}

static bool is_stored(const struct source_drive *drive, uint32_t index)
{
    const char *file = image_of(drive, index);

    return drive->offer.bitmaps[index].persistent && file && may_touch_of(drive, index) &&
           has_bitmap(file, drive->offer.bitmaps[index].name);
}

static int remove_from_image(struct source_drive *drive, const char *file, const char *name,
                             struct bf_error *err)
{
    const char *argv[] = {"qemu-img", "bitmap", "--remove", file, name, NULL};
    struct bf_process *process;
    int r = bf_process_start(drive->loop, argv, 2, -1, on_removed_from_image, drive, &process, err);

    if (r == 0) {
        drive->nr_open++;
        source_op_began(drive);
    }
    return r;
}

static void finish(struct source_drive *drive)
{
    uint32_t nr_left = 0;

    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++)
        nr_left += drive->drops[i] != BF_DROP_NONE || may_be_left(drive, i);
    memset(drive->drops, BF_DROP_NONE, drive->offer.nr_bitmaps);
    source_answer(drive, nr_left > 0 ? BF_SOURCE_REFUSED : BF_SOURCE_DONE);
}

/* What kept.c has put there; the cursor counts on. */
static void retire_next_kept(struct source_drive *drive)
{
    const struct bf_offer *offer = &drive->offer;
    char name[BF_TEMPORARY_NAME_MAX + 1];

    for (; drive->cursor < offer->nr_bitmaps + offer->nr_disks; drive->cursor++) {
        uint32_t disk = drive->cursor - offer->nr_bitmaps;
        const char *file = offer->disks[disk].file;

        (void)bf_offer_temporary(offer, drive->wish.epoch, BF_TEMPORARY_KEPT, disk, name);
        if (file && file[0] == '/' && offer->kind == BF_HANDOFF_NATIVE && may_touch(drive, disk) &&
            has_bitmap(file, name) && remove_from_image(drive, file, name, NULL) == 0)
            return;
    }
    finish(drive);
}

static void retire_next_stored(struct source_drive *drive)
{
    struct bf_error err = BF_ERROR_INIT;

    for (; drive->cursor < drive->offer.nr_bitmaps; drive->cursor++) {
        if (!is_stored(drive, drive->cursor))
            continue;
        if (remove_from_image(drive, image_of(drive, drive->cursor),
                              drive->offer.bitmaps[drive->cursor].name, &err) == 0)
            return;
        bf_log(BF_LOG_WARNING, "move %s: %s", drive->move->id, err.text);
        drive->drops[drive->cursor] = BF_DROP_BITMAP_BUSY;
    }
    retire_next_kept(drive);
}

void source_retire_stored(struct source_drive *drive)
{
    retire_next_stored(drive);
}

/* --- in QEMU, where they still are --- */

static void on_removed(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    bf_fail_point("source.retired");
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
        if (measures[i].found && may_touch_of(drive, i))
            bf_live_actions_remove(&actions, drive->offer.disks[drive->offer.states[i].disk].node,
                                   drive->offer.bitmaps[i].name);
    }
    if (bf_live_run(bf_qemu_live(drive->qemu), &actions, BF_QEMU_DEADLINE_MS, on_removed, drive,
                    NULL) == 0)
        source_op_began(drive);
    else
        source_doubt(drive);
}

static void on_activated(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    char path[SOURCE_PATH_BYTES];

    source_carrier_socket(drive, path);
    (void)unlink(path);
    if (!source_op_ended(drive))
        return;
    if (end == BF_LIVE_REFUSED) {
        bf_log(BF_LOG_WARNING, "move %s: removing the source's copies: %s", drive->move->id,
               err->text);
        source_answer(drive, BF_SOURCE_REFUSED);
    } else if (end == BF_LIVE_UNKNOWN || source_measure_own(drive, BF_LIVE_COUNTS, on_found) < 0) {
        source_doubt(drive);
    }
}

/* The images are changed by the QEMU that has them open, as long as there is one: removed behind
 * its back, they would make it read a directory of bitmaps that is not there any more (seen on 7.2:
 * query-named-block-nodes fails). */
int source_activate(struct source_drive *drive, bf_live_done_fn done)
{
    const struct bf_offer *offer = &drive->offer;
    BF_CLEANUP(bf_freep) const char **nodes = calloc(offer->nr_disks + 1U, sizeof *nodes);
    char path[SOURCE_PATH_BYTES];
    uint32_t nr_nodes = 0;
    int r;

    if (!nodes)
        return -1;
    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        if (may_touch(drive, i))
            nodes[nr_nodes++] = offer->disks[i].node;
    }
    source_carrier_socket(drive, path);
    (void)unlink(path);
    r = bf_live_activate(bf_qemu_live(drive->qemu), nodes, nr_nodes, path, BF_QEMU_DEADLINE_MS,
                         done, drive, NULL);
    if (r == 0)
        source_op_began(drive);
    return r;
}

static void retire_in_qemu(struct source_drive *drive)
{
    struct bf_error err = BF_ERROR_INIT;

    if (source_carriers_begin(drive, &err) < 0) { /* the socket has no place */
        bf_log(BF_LOG_WARNING, "move %s: removing the source's copies: %s", drive->move->id,
               err.text);
        source_answer(drive, BF_SOURCE_REFUSED);
    } else if (source_activate(drive, on_activated) < 0) {
        source_doubt(drive);
    }
}

/* --- what QEMU has brought by itself --- */

enum { NATIVE_END_MS = 30000 }; /* libvirt ends QEMU here once it runs over there */

static void retire_images(struct source_drive *drive)
{
    drive->cursor = 0;
    retire_next_stored(drive);
}

/* After a restart the destination has to say once more what became of the definitions. */
static bool must_hear_fates(const struct source_drive *drive)
{
    return drive->ledger.has_record && drive->offer.definitions && !drive->move->definitions &&
           !drive->answered;
}

/* Only an image that was mirrored is a copy, and only nobody's: QEMU let go of it without a word of
 * its bitmaps, but an older state of them may stand in it. */
static void retire_native(struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++)
        drive->offer.disks[i].mode = drive->disks[i].ready ? BF_MODE_STREAM : BF_MODE_SHARED;
    if (bf_qemu_live(drive->qemu) && uv_now(drive->loop) - drive->wish_ms < NATIVE_END_MS)
        source_again(drive, source_retire);
    else
        source_forget_definitions(drive, retire_images);
}

/* Whoever moved the domain: QEMU is still there, as a rule. */
static void retire_copies(struct source_drive *drive)
{
    if (bf_qemu_live(drive->qemu))
        retire_in_qemu(drive);
    else
        retire_images(drive);
}

void source_retire(struct source_drive *drive)
{
    if (must_hear_fates(drive) && uv_now(drive->loop) - drive->wish_ms < NATIVE_END_MS)
        source_again(drive, source_retire);
    else if (drive->offer.kind == BF_HANDOFF_NATIVE)
        retire_native(drive);
    else
        source_forget_definitions(drive, retire_copies);
}
