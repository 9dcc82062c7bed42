/* The deltas end.
 *
 *     stop them recording  ->  refused: a look, and once more without what is to blame
 *
 * Each by itself: the tracker of its disk records already, or nobody writes, so it matters to no
 * bitmap that other disks' deltas end a moment later.  A transaction would wait for what the
 * mirrors have in flight first.
 */
#include "drive.h"

static bool disable(struct source_drive *drive, bf_live_done_fn done, struct bf_error *err)
{
    struct bf_live *live = bf_qemu_live(drive->qemu);
    struct bf_live_actions actions;
    char name[BF_TEMPORARY_NAME_MAX + 1];
    int r;

    bf_live_actions_begin(&actions);
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        if (source_item_wanted(drive, i))
            bf_live_actions_disable(&actions, drive->offer.disks[i].node,
                                    source_item_temporary(drive, i, name));
    }
    if (json_array_size(actions.list) == 0) {
        bf_live_actions_release(&actions);
        (void)bf_error_set(err, BF_E_NOT_FOUND, "none is left");
        return false;
    }
    r = bf_live_run_apart(live, &actions, BF_QEMU_DEADLINE_MS, done, drive, err);
    if (r == 0)
        source_op_began(drive);
    return r == 0;
}

static const char ending[] = "ending the deltas";

static void on_disabled_rest(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (end == BF_LIVE_DONE)
        source_serve_measure(drive);
    else
        source_serve_refuse(drive, ending, err);
}

/* Disks that were unplugged, swapped or resized meanwhile must not cost the others. */
static enum bf_drop judge_disk(const struct source_drive *drive, uint32_t disk,
                               const struct bf_live_survey *seen)
{
    const struct bf_offer_disk *offered = &drive->offer.disks[disk];
    const struct bf_live_disk *found = bf_live_survey_disk(seen, offered->name);

    if (!found || found->node[0] == '\0')
        return BF_DROP_BITMAP_VANISHED;
    if (found->size_bytes != offered->size_bytes)
        return BF_DROP_DISK_RESIZED;
    return source_find_temporary(drive, seen, BF_TEMPORARY_DELTA, disk) ? BF_DROP_NONE
                                                                        : BF_DROP_DELTA_LOST;
}

static void on_disks_seen(void *ctx, struct bf_live_survey *seen, const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    struct bf_error found = BF_ERROR_INIT;

    if (!source_op_ended(drive))
        return;
    if (err) {
        source_serve_refuse(drive, "looking at the disks", err);
        return;
    }
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        enum bf_drop drop = judge_disk(drive, i, seen);

        if (drop != BF_DROP_NONE && source_item_wanted(drive, i))
            source_item_drop(drive, i, drop);
    }
    if (!disable(drive, on_disabled_rest, &found))
        source_serve_refuse(drive, ending, &found);
}

static void on_disabled(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (end == BF_LIVE_DONE)
        source_serve_measure(drive);
    else if (end == BF_LIVE_UNKNOWN || source_look(drive, on_disks_seen) < 0)
        source_serve_refuse(drive, ending, err);
}

void source_end_deltas(struct source_drive *drive)
{
    struct bf_error err = BF_ERROR_INIT;

    if (!disable(drive, on_disabled, &err))
        source_serve_refuse(drive, ending, &err);
}
