/* CLEAN and UNDO: everything of the move out of QEMU and off the disk; UNDO: and the final names
 * that are ours, or that a former visit left and that miss what the guest has written since. */
#include "drive.h"

#include "daemon/log.h"

#include <stdlib.h>

static bool is_to_undo(const struct dest_drive *drive, uint32_t index)
{
    return drive->wish.kind == BF_DEST_UNDO && dest_node_of(drive, index)[0] != '\0' &&
           (bf_dest_is_published(&drive->machine, index) ||
            bf_dest_is_stale(&drive->machine, index));
}

/* Whatever is in the way may go away: what is ours must not stay. */
static void complain(struct dest_drive *drive, enum bf_live_end end, const struct bf_error *err)
{
    if (end == BF_LIVE_UNKNOWN) {
        dest_doubt(drive);
        return;
    }
    bf_log(BF_LOG_WARNING, "move %s: tidying up: %s", drive->move->id, err->text);
    dest_again(drive, dest_clean);
}

static void on_undone(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;

    if (!dest_op_ended(drive))
        return;
    if (end == BF_LIVE_DONE)
        dest_answer(drive, BF_DEST_DONE);
    else
        complain(drive, end, err);
}

static void on_seen(void *ctx, const struct bf_live_measure *measures, uint32_t nr_measures,
                    const struct bf_error *err)
{
    struct dest_drive *drive = ctx;
    struct bf_live_actions actions;
    uint32_t at = 0;

    if (!dest_op_ended(drive))
        return;
    if (err || !bf_qemu_live(drive->qemu)) {
        dest_repeat(drive);
        return;
    }
    bf_live_actions_begin(&actions);
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps && at < nr_measures; i++) {
        if (is_to_undo(drive, i) && measures[at++].found)
            bf_live_actions_remove(&actions, dest_node_of(drive, i), drive->offer.bitmaps[i].name);
    }
    if (bf_live_run(bf_qemu_live(drive->qemu), &actions, BF_QEMU_DEADLINE_MS, on_undone, drive,
                    NULL) == 0)
        dest_op_began(drive);
    else
        dest_doubt(drive);
}

static void undo(struct dest_drive *drive)
{
    struct bf_live_place *places = calloc(drive->offer.nr_bitmaps + 1U, sizeof *places);
    struct bf_live *live = bf_qemu_live(drive->qemu);
    uint32_t nr_places = 0;
    int r = -1;

    for (uint32_t i = 0; places && i < drive->offer.nr_bitmaps; i++) {
        if (is_to_undo(drive, i))
            places[nr_places++] =
                (struct bf_live_place){dest_node_of(drive, i), drive->offer.bitmaps[i].name};
    }
    if (places && live)
        r = bf_live_measure(live, places, nr_places, BF_LIVE_COUNTS, BF_QEMU_DEADLINE_MS, on_seen,
                            drive, NULL);
    free(places);
    if (r == 0)
        dest_op_began(drive);
    else
        dest_repeat(drive);
}

static void on_cleaned(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;

    if (!dest_op_ended(drive))
        return;
    if (end != BF_LIVE_DONE)
        complain(drive, end, err);
    else if (drive->wish.kind == BF_DEST_UNDO)
        undo(drive);
    else
        dest_answer(drive, BF_DEST_DONE);
}

static void clean_bitmaps(struct dest_drive *drive)
{
    char prefix[BF_TEMPORARY_NAME_MAX + 1];

    bf_carrier_folder_remove(drive->config, drive->move->id, drive->offer.nr_bitmaps,
                             drive->offer.nr_disks);
    if (bf_qemu_is_gone(drive->qemu)) {
        dest_answer(drive, BF_DEST_DONE);
        return;
    }
    bf_offer_prefix(&drive->offer, prefix);
    if (bf_qemu_live(drive->qemu) &&
        bf_live_clean(bf_qemu_live(drive->qemu), prefix, BF_QEMU_DEADLINE_MS, on_cleaned, drive,
                      NULL) == 0)
        dest_op_began(drive);
    else
        dest_doubt(drive);
}

void dest_clean(struct dest_drive *drive)
{
    dest_stop_pull(drive);
    dest_put_stream_back(drive);
    clean_bitmaps(drive);
}
