/* SNAPSHOT, and WATCH_DRAIN, which it waits for. */
#include "drive.h"

#include "base/fail_point.h"
#include "daemon/log.h"

/* --- SNAPSHOT: one transaction, then a look at what it has made --- */

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

static bool may_wait(const struct source_drive *drive)
{
    return drive->offer.kind != BF_HANDOFF_NATIVE && /* there its migration has begun */
           uv_now(drive->loop) - drive->wish_ms < drive->config->busy_timeout_s * 1000;
}

static void on_done(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    bf_fail_point("source.snapped");
    if (!source_op_ended(drive))
        return;
    if (end == BF_LIVE_UNKNOWN) {
        source_doubt(drive);
    } else if (end == BF_LIVE_DONE) {
        if (source_look(drive, on_seen) < 0)
            source_doubt(drive);
    } else if (err->code == BF_E_BITMAP_BUSY && may_wait(drive)) {
        source_again(drive, source_snapshot);
    } else {
        bf_log(BF_LOG_WARNING, "move %s: snapshot: %s", drive->move->id, err->text);
        source_answer(drive, BF_SOURCE_REFUSED);
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

static void add_snapshots(const struct source_drive *drive, struct bf_live_actions *actions)
{
    const struct bf_offer *offer = &drive->offer;
    char name[BF_TEMPORARY_NAME_MAX + 1];

    for (uint32_t i = 0; i < offer->nr_bitmaps; i++) {
        if (!bf_offer_travels(offer, drive->wish.round, i))
            continue;
        (void)bf_offer_temporary(offer, drive->wish.epoch, BF_TEMPORARY_SNAPSHOT, i, name);
        bf_live_actions_snapshot(actions, offer->disks[offer->states[i].disk].node, name,
                                 offer->bitmaps[i].name, offer->bitmaps[i].granularity_bytes);
        unite(drive, actions, i, name);
    }
}

/* Of each disk with recording bitmaps one that records from the snapshot on. */
static void add_recorders(const struct source_drive *drive, enum bf_temporary_kind kind,
                          struct bf_live_actions *actions)
{
    const struct bf_offer *offer = &drive->offer;
    char name[BF_TEMPORARY_NAME_MAX + 1];

    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        if (!bf_offer_matters(offer, i))
            continue;
        (void)bf_offer_temporary(offer, drive->wish.epoch, kind, i, name);
        bf_live_actions_record(actions, offer->disks[i].node, name, bf_offer_finest(offer, i));
    }
}

/* Without a mapping QEMU would send what only proves along with what it brings. */
static bool would_be_sent(const struct source_drive *drive)
{
    return drive->offer.kind == BF_HANDOFF_NATIVE && drive->offer.dirty_bitmaps &&
           !drive->mapped_before;
}

bool source_takes_since(const struct source_drive *drive)
{
    return drive->wish.round == BF_ROUND_RECORDING && drive->offer.kind == BF_HANDOFF_TRACKER &&
           !drive->move->plan.no_hold;
}

void source_snapshot(struct source_drive *drive)
{
    struct bf_live_actions actions;

    drive->kept = SOURCE_KEEPS_NOTHING;
    if (!bf_qemu_live(drive->qemu) || would_be_sent(drive)) {
        source_answer(drive, BF_SOURCE_REFUSED);
        return;
    }
    bf_live_actions_begin(&actions);
    add_snapshots(drive, &actions);
    if (drive->wish.with_delta)
        add_recorders(drive, BF_TEMPORARY_DELTA, &actions);
    if (source_takes_since(drive))
        add_recorders(drive, BF_TEMPORARY_SINCE, &actions);
    if (bf_live_run(bf_qemu_live(drive->qemu), &actions, BF_QEMU_DEADLINE_MS, on_done, drive,
                    NULL) == 0)
        source_op_began(drive);
    else
        source_answer(drive, BF_SOURCE_REFUSED);
}

/* --- WATCH_DRAIN: what a later CLEARED is judged by, then the mirrors --- */

/* Whatever such a mirror has not copied yet it will write to the destination, where the tracker
 * sees it: none has to be waited for.  One that leaves zeroes out (QEMU 10.1) proves nothing by
 * being drained, of a bitmap that is cleared behind it (handoff/source.h): there, deltas. */
static bool mirrors_write_all(const struct source_drive *drive)
{
    struct bf_qmp_version version = bf_live_identity(bf_qemu_live(drive->qemu))->version;

    return version.major > 0 && (version.major < 10 || (version.major == 10 && version.minor == 0));
}

static void need_no_drain(struct source_drive *drive)
{
    if (!mirrors_write_all(drive)) {
        source_tell(drive, BF_SOURCE_TOO_BUSY);
        return;
    }
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        if (drive->machine.state == BF_SOURCE_DRAINING)
            source_feed(drive, &(struct bf_source_fact){.kind = BF_SOURCE_DRAINED,
                                                        .ticket = drive->wish.ticket,
                                                        .disk = i});
    }
}

static void on_baseline(void *ctx, struct bf_live_survey *seen, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (err) {
        source_repeat(drive);
        return;
    }
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        struct bf_offer_bitmap *bitmap = &drive->offer.bitmaps[i];
        const struct bf_live_bitmap *found =
            source_find(drive, seen, drive->offer.states[i].disk, bitmap->name);

        if (found && drive->offer.states[i].recording && found->dirty_bytes > bitmap->dirty_bytes)
            bitmap->dirty_bytes = found->dirty_bytes;
    }
    need_no_drain(drive);
}

void source_watch_drain(struct source_drive *drive)
{
    if (!bf_qemu_live(drive->qemu))
        return; /* QEMU_GONE ends this */
    if (!bf_qemu_live_watch(drive->qemu) || source_look(drive, on_baseline) < 0)
        source_repeat(drive);
}
