/* INSPECT in doubt: was the snapshot taken, and where is the guest? */
#include "drive.h"

#include <stdio.h>
#include <string.h>

static bool all_deltas(const struct source_drive *drive, const struct bf_live_survey *seen)
{
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        if (bf_offer_matters(&drive->offer, i) &&
            !source_find_temporary(drive, seen, BF_TEMPORARY_DELTA, i))
            return false;
    }
    return true;
}

/* A snapshot that was added, but not merged into, looks like one. */
static bool all_snapshots(const struct source_drive *drive, const struct bf_live_survey *seen)
{
    if (!source_snapshot_is_whole(drive))
        return false;
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (!bf_offer_travels(&drive->offer, drive->wish.round, i))
            continue;
        if (!source_find_temporary(drive, seen, BF_TEMPORARY_SNAPSHOT, i) ||
            (source_takes_twins(drive) &&
             !source_find_temporary(drive, seen, BF_TEMPORARY_TWIN, i)))
            return false;
    }
    return !drive->machine.with_delta || all_deltas(drive, seen);
}

static enum bf_drop judge(const struct bf_live_bitmap *bitmap, bool recording)
{
    if (!bitmap)
        return BF_DROP_BITMAP_VANISHED;
    if (bitmap->inconsistent)
        return BF_DROP_BITMAP_INCONSISTENT;
    if (bitmap->busy)
        return BF_DROP_BITMAP_BUSY;
    if (bitmap->recording != recording)
        return recording ? BF_DROP_BITMAP_SWITCHED_OFF : BF_DROP_BITMAP_SWITCHED_ON;
    return BF_DROP_NONE;
}

static void on_snapshots_seen(void *ctx, struct bf_live_survey *seen, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (err) {
        source_repeat(drive);
        return;
    }
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        const struct bf_handoff_bitmap *state = &drive->offer.states[i];

        if (bf_offer_travels(&drive->offer, drive->wish.round, i))
            drive->drops[i] =
                (uint8_t)judge(source_find(drive, seen, state->disk, drive->offer.bitmaps[i].name),
                               state->recording);
    }
    source_answer_inspected(drive, BF_SOURCE_GUEST_HERE, all_snapshots(drive, seen));
}

/* --- RESUMING --- */

static void on_status(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    const char *status = json_string_value(json_object_get(result, "status"));
    enum bf_source_guest guest;

    if (!source_op_ended(drive))
        return;
    if (err) {
        source_repeat(drive);
        return;
    }
    guest = source_guest_of(drive->migration, status ? status : "");
    drive->left = guest == BF_SOURCE_GUEST_LEFT;
    drive->paused = guest == BF_SOURCE_GUEST_PAUSED;
    drive->migrating = drive->migrating || drive->left || drive->paused; /* the watch may know */
    source_answer_inspected(drive, guest, false);
}

static void ask(struct source_drive *drive, const char *command, bf_qmp_reply_fn done)
{
    if (bf_qmp_send(bf_live_qmp(bf_qemu_live(drive->qemu)), command, NULL, BF_QEMU_DEADLINE_MS,
                    done, drive, NULL) == 0)
        source_op_began(drive);
    else
        source_repeat(drive);
}

static void on_migration(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    const char *status = json_string_value(json_object_get(result, "status"));

    if (!source_op_ended(drive))
        return;
    if (err) {
        source_repeat(drive);
        return;
    }
    (void)snprintf(drive->migration, sizeof drive->migration, "%s", status ? status : "");
    ask(drive, "query-status", on_status);
}

void source_inspect(struct source_drive *drive)
{
    if (!bf_qemu_live(drive->qemu))
        source_answer_inspected(drive, BF_SOURCE_GUEST_LOST, false);
    else if (drive->machine.state == BF_SOURCE_RESUMING)
        ask(drive, "query-migrate", on_migration);
    else if (source_look(drive, on_snapshots_seen) < 0)
        source_repeat(drive);
}
