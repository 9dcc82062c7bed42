/* SNAPSHOT, bitmap by bitmap.
 *
 *     of each disk: a delta  ->  of each bitmap: twin, snapshot  ->  a look at what that has made
 *
 * Not in one transaction, which waits for the mirrors' I/O and holds QEMU's main loop until all is
 * done (42 ms with ten bitmaps of 16.7 M bits, measured on 7.2).  A copy that was taken after a
 * delta began, united with what that has, is at any later moment exactly the bitmap; whatever does
 * not record is the same at any time.
 */
#include "drive.h"

#include "base/fail_point.h"
#include "daemon/log.h"

/* --- the look --- */

/* The snapshot of a united bitmap says nothing of its own part, by which it will be examined. */
static void on_own_measured(void *ctx, const struct bf_live_measure *measures, uint32_t nr_measures,
                            const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (err) {
        source_doubt(drive);
        return;
    }
    for (uint32_t i = 0; i < nr_measures; i++)
        drive->offer.bitmaps[i].own =
            (struct bf_known){measures[i].found && measures[i].digested, measures[i].summary};
    source_answer(drive, BF_SOURCE_DONE);
}

static void on_seen(void *ctx, struct bf_live_survey *seen, const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    bool any_united = false;

    if (!source_op_ended(drive))
        return;
    if (err) {
        source_doubt(drive);
        return;
    }
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        struct bf_offer_bitmap *bitmap = &drive->offer.bitmaps[i];
        const struct bf_live_bitmap *snapshot;

        if (!bf_offer_travels(&drive->offer, drive->wish.round, i))
            continue;
        snapshot = source_find_temporary(drive, seen, BF_TEMPORARY_SNAPSHOT, i);
        if (!snapshot || snapshot->dirty_bytes < bitmap->dirty_bytes)
            drive->drops[i] = BF_DROP_BITMAP_CLEARED;
        else
            bitmap->dirty_bytes = snapshot->dirty_bytes;
        any_united = any_united || bf_offer_is_united(&drive->offer, i);
    }
    if (!any_united)
        source_answer(drive, BF_SOURCE_DONE);
    else if (source_measure_own(drive, BF_LIVE_DIGESTS, on_own_measured) < 0)
        source_doubt(drive);
}

static void look_at_snapshots(struct source_drive *drive)
{
    drive->snapping.whole = true;
    bf_fail_point("source.snapped");
    if (source_look(drive, on_seen) < 0)
        source_doubt(drive);
}

/* --- what an earlier try has left --- */

static void take_next(struct source_drive *drive);

/* Whatever is left now is in the way of the next try, which is refused then. */
static void on_removed(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (end == BF_LIVE_REFUSED)
        bf_log(BF_LOG_WARNING, "move %s: removing snapshots: %s", drive->move->id, err->text);
    if (end == BF_LIVE_UNKNOWN)
        source_doubt(drive);
    else
        drive->again_step(drive);
}

static void remove_found(const struct source_drive *drive, const struct bf_live_survey *seen,
                         enum bf_temporary_kind kind, uint32_t index,
                         struct bf_live_actions *actions)
{
    const struct bf_live_bitmap *found = source_find_temporary(drive, seen, kind, index);
    uint32_t disk = kind == BF_TEMPORARY_DELTA ? index : drive->offer.states[index].disk;

    if (found)
        bf_live_actions_remove(actions, drive->offer.disks[disk].node, found->name);
}

static void on_left_seen(void *ctx, struct bf_live_survey *seen, const struct bf_error *err)
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
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (!bf_offer_travels(&drive->offer, drive->wish.round, i))
            continue;
        remove_found(drive, seen, BF_TEMPORARY_SNAPSHOT, i, &actions);
        remove_found(drive, seen, BF_TEMPORARY_TWIN, i, &actions);
    }
    for (uint32_t i = 0; i < drive->offer.nr_disks && drive->wish.with_delta; i++)
        remove_found(drive, seen, BF_TEMPORARY_DELTA, i, &actions);
    if (json_array_size(actions.list) == 0) {
        bf_live_actions_release(&actions);
        drive->again_step(drive);
    } else if (bf_live_run_apart(bf_qemu_live(drive->qemu), &actions, BF_QEMU_DEADLINE_MS,
                                 on_removed, drive, NULL) == 0) {
        source_op_began(drive);
    } else {
        source_doubt(drive);
    }
}

/* What was dropped meanwhile is left to CLEAN. */
static void remove_left(struct source_drive *drive, void (*then)(struct source_drive *drive))
{
    drive->again_step = then;
    if (source_look(drive, on_left_seen) < 0)
        source_doubt(drive);
}

/* --- step by step: the recorders, then one bitmap after the other --- */

static bool may_wait(const struct source_drive *drive)
{
    return drive->offer.kind != BF_HANDOFF_NATIVE && /* there its migration has begun */
           uv_now(drive->loop) - drive->wish_ms < drive->config->busy_timeout_s * 1000;
}

static void refuse(struct source_drive *drive)
{
    drive->snapping.begun = false;
    source_answer(drive, BF_SOURCE_REFUSED);
}

static void on_taken(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    bf_fail_point("source.snapping");
    if (!source_op_ended(drive))
        return;
    if (end == BF_LIVE_UNKNOWN) {
        source_doubt(drive);
    } else if (end == BF_LIVE_DONE) {
        drive->run_at = 0;
        drive->cursor++;
        take_next(drive);
    } else if (err->code == BF_E_BITMAP_BUSY && may_wait(drive)) {
        source_again(drive, take_next); /* from run_at on */
    } else {
        bf_log(BF_LOG_WARNING, "move %s: snapshot: %s", drive->move->id, err->text);
        remove_left(drive, refuse);
    }
}

/* What the images below have of it, as far as they end in the same image at the destination. */
static void unite(const struct source_drive *drive, struct bf_live_actions *actions, uint32_t index,
                  const char *name)
{
    const struct bf_offer_disk *disk = &drive->offer.disks[drive->offer.states[index].disk];
    const char *bitmap = drive->offer.bitmaps[index].name;

    for (uint32_t i = 0; i + 1 < disk->nr_merged && i < disk->nr_below; i++) {
        if (bf_offer_find_below(&disk->below[i], bitmap))
            bf_live_actions_merge(actions, disk->node, name, disk->below[i].node, bitmap);
    }
}

/* Of the bitmap's own image alone: it is what that will be compared with. */
static void add_twin(const struct source_drive *drive, uint32_t index,
                     struct bf_live_actions *actions)
{
    const struct bf_offer *offer = &drive->offer;
    const struct bf_offer_bitmap *bitmap = &offer->bitmaps[index];
    const char *node = offer->disks[offer->states[index].disk].node;
    char name[BF_TEMPORARY_NAME_MAX + 1];

    (void)bf_offer_temporary(offer, drive->wish.epoch, BF_TEMPORARY_TWIN, index, name);
    bf_live_actions_record(actions, node, name, bitmap->granularity_bytes);
    bf_live_actions_merge(actions, node, name, node, bitmap->name);
}

static void add_snapshot(const struct source_drive *drive, uint32_t index,
                         struct bf_live_actions *actions)
{
    const struct bf_offer *offer = &drive->offer;
    char name[BF_TEMPORARY_NAME_MAX + 1];

    if (!bf_offer_travels(offer, drive->wish.round, index))
        return;
    if (source_takes_twins(drive))
        add_twin(drive, index, actions);
    (void)bf_offer_temporary(offer, drive->wish.epoch, BF_TEMPORARY_SNAPSHOT, index, name);
    bf_live_actions_snapshot(actions, offer->disks[offer->states[index].disk].node, name,
                             offer->bitmaps[index].name, offer->bitmaps[index].granularity_bytes);
    unite(drive, actions, index, name);
}

/* Of each disk with recording bitmaps one that records from before the first snapshot on. */
static void add_deltas(const struct source_drive *drive, struct bf_live_actions *actions)
{
    const struct bf_offer *offer = &drive->offer;
    char name[BF_TEMPORARY_NAME_MAX + 1];

    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        if (!bf_offer_matters(offer, i))
            continue;
        (void)bf_offer_temporary(offer, drive->wish.epoch, BF_TEMPORARY_DELTA, i, name);
        bf_live_actions_record(actions, offer->disks[i].node, name, bf_offer_finest(offer, i));
    }
}

static void add_step(const struct source_drive *drive, struct bf_live_actions *actions)
{
    if (drive->cursor > 0)
        add_snapshot(drive, drive->cursor - 1, actions);
    else if (drive->wish.with_delta)
        add_deltas(drive, actions);
}

static void take_next(struct source_drive *drive)
{
    struct bf_live *live = bf_qemu_live(drive->qemu);
    struct bf_live_actions actions;

    bf_live_actions_begin(&actions);
    for (; drive->cursor <= drive->offer.nr_bitmaps; drive->cursor++) {
        add_step(drive, &actions);
        if (json_array_size(actions.list) > 0 || actions.broken)
            break;
    }
    if (drive->cursor > drive->offer.nr_bitmaps && live) {
        bf_live_actions_release(&actions);
        look_at_snapshots(drive);
    } else if (live && bf_live_run_each(live, &actions, &drive->run_at, BF_QEMU_DEADLINE_MS,
                                        on_taken, drive, NULL) == 0) {
        source_op_began(drive);
    } else {
        bf_live_actions_release(&actions);
        source_answer(drive, BF_SOURCE_REFUSED);
    }
}

/* Without a mapping QEMU would send what only proves along with what it brings. */
static bool would_be_sent(const struct source_drive *drive)
{
    return drive->offer.kind == BF_HANDOFF_NATIVE && drive->offer.dirty_bitmaps &&
           !drive->mapped_before;
}

/* In NATIVE what users change QEMU brings as well. */
bool source_takes_twins(const struct source_drive *drive)
{
    return drive->wish.round == BF_ROUND_RECORDING && drive->offer.kind != BF_HANDOFF_NATIVE;
}

bool source_snapshot_is_whole(const struct source_drive *drive)
{
    return drive->snapping.whole && drive->snapping.epoch == drive->wish.epoch &&
           drive->snapping.round == drive->wish.round;
}

static void begin(struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (bf_offer_travels(&drive->offer, drive->wish.round, i))
            drive->offer.bitmaps[i].changed = BF_DROP_NONE;
    }
    drive->run_at = 0;
    drive->snapping = (struct source_snapping){
        .epoch = drive->wish.epoch, .round = drive->wish.round, .begun = true};
    take_next(drive);
}

void source_snapshot(struct source_drive *drive)
{
    const struct source_snapping *last = &drive->snapping;

    drive->kept = SOURCE_KEEPS_NOTHING;
    if (!bf_qemu_live(drive->qemu) || would_be_sent(drive))
        source_answer(drive, BF_SOURCE_REFUSED);
    else if (last->begun && last->epoch == drive->wish.epoch && last->round == drive->wish.round)
        remove_left(drive, begin);
    else
        begin(drive);
}
