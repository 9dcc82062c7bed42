/* What the machine wishes from QEMU: look, snapshot, wait for the mirror, clean up. */
#include "drive.h"

#include "base/text.h"
#include "daemon/log.h"

#include <stdlib.h>
#include <string.h>

enum { BUSY_RETRY_MS = 500, BUSY_DEADLINE_MS = 20000 };

static const char *node_of(const struct source_drive *drive, uint32_t bitmap)
{
    return drive->offer.disks[drive->offer.states[bitmap].disk].node;
}

/* --- the offer ---------------------------------------------------------------------------------
 */

static bool fill_disk(struct bf_offer *offer, uint32_t index, const struct bf_live_disk *from,
                      uint32_t *at)
{
    struct bf_offer_disk *disk = &offer->disks[index];
    bool whole = true;

    disk->name = strdup(from->name);
    disk->node = strdup(from->node);
    disk->file = from->file ? strdup(from->file) : NULL;
    disk->size_bytes = from->size_bytes;
    for (uint32_t i = 0; i < from->nr_bitmaps; i++, (*at)++) {
        const struct bf_live_bitmap *bitmap = &from->bitmaps[i];

        offer->bitmaps[*at] = (struct bf_offer_bitmap){
            .name = strdup(bitmap->name),
            .granularity_bytes = bitmap->granularity_bytes,
            .dirty_bytes = bitmap->dirty_bytes,
            .persistent = bitmap->persistent,
        };
        whole = whole && offer->bitmaps[*at].name;
        offer->states[*at].disk = (uint16_t)index;
        offer->states[*at].recording = bitmap->recording;
        if (bf_temporary_name_reserved(bitmap->name))
            offer->states[*at].drop = BF_DROP_NAME_RESERVED;
        else if (bitmap->inconsistent)
            offer->states[*at].drop = BF_DROP_BITMAP_INCONSISTENT;
    }
    return whole && disk->name && disk->node;
}

static int make_offer(struct source_drive *drive, const struct bf_live_survey *survey,
                      struct bf_error *err)
{
    uint32_t nr_bitmaps = 0;
    uint32_t at = 0;
    bool whole = true;
    int r;

    for (uint32_t i = 0; i < survey->nr_disks; i++) {
        if (survey->disks[i].node[0] == '\0')
            return bf_error_set(err, BF_E_NOT_FOUND, "QEMU has no node for the disk %s",
                                survey->disks[i].name);
        nr_bitmaps += survey->disks[i].nr_bitmaps;
    }
    if (nr_bitmaps == 0)
        return bf_error_set(err, BF_E_BITMAP_NOT_FOUND,
                            "the VM's disks have no bitmaps: there is nothing to carry");
    r = bf_offer_init(&drive->offer, survey->nr_disks, nr_bitmaps, err);
    if (r < 0)
        return r;
    if (!bf_hex_decode(drive->move->id, BF_MOVE_ID_BYTES, drive->offer.move_id))
        return bf_error_set(err, BF_E_INVALID, "'%s' is no id of a move", drive->move->id);
    drive->offer.kind = BF_HANDOFF_TRACKER;
    for (uint32_t i = 0; i < survey->nr_disks; i++)
        whole = fill_disk(&drive->offer, i, &survey->disks[i], &at) && whole;
    return whole ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "no memory for the bitmaps of a move");
}

static void on_offer_surveyed(void *ctx, struct bf_live_survey *survey, const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    struct bf_error why = BF_ERROR_INIT;

    drive->busy = false;
    if (drive->freed || drive->ended)
        return;
    if (err)
        (void)bf_error_set(&why, err->code, "%s", err->text);
    else if (make_offer(drive, survey, &why) == 0) {
        source_begin(drive);
        return;
    }
    drive->ended = true;
    bf_move_end(drive->move, BF_MOVE_FAILED, &why);
}

void source_survey_offer(struct source_drive *drive)
{
    const struct bf_plan *plan = &drive->move->plan;
    struct bf_live_disk_wish *disks = calloc(plan->nr_disks + 1, sizeof *disks);
    struct bf_error err = BF_ERROR_INIT;

    if (!disks)
        return;
    for (size_t i = 0; i < plan->nr_disks; i++)
        disks[i] = (struct bf_live_disk_wish){plan->disks[i].name, plan->disks[i].node};
    if (!drive->busy && bf_live_survey(bf_qemu_live(drive->qemu), disks, (uint32_t)plan->nr_disks,
                                       BF_QEMU_DEADLINE_MS, on_offer_surveyed, drive, &err) == 0)
        drive->busy = true;
    free(disks);
}

/* --- one look at all disks of the offer ---------------------------------------------------------
 */

static int survey(struct source_drive *drive, bf_live_survey_fn done)
{
    struct bf_live_disk_wish *disks = calloc(drive->offer.nr_disks + 1U, sizeof *disks);
    struct bf_error err = BF_ERROR_INIT;
    int r;

    if (!disks)
        return -1;
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++)
        disks[i] =
            (struct bf_live_disk_wish){drive->offer.disks[i].name, drive->offer.disks[i].node};
    r = bf_live_survey(bf_qemu_live(drive->qemu), disks, drive->offer.nr_disks, BF_QEMU_DEADLINE_MS,
                       done, drive, &err);
    free(disks);
    if (r == 0)
        source_op_began(drive);
    return r;
}

static const struct bf_live_bitmap *find(const struct source_drive *drive,
                                         const struct bf_live_survey *seen, uint32_t disk,
                                         const char *name)
{
    const struct bf_live_disk *found = bf_live_survey_disk(seen, drive->offer.disks[disk].name);

    return found ? bf_live_disk_bitmap(found, name) : NULL;
}

static const struct bf_live_bitmap *find_temporary(const struct source_drive *drive,
                                                   const struct bf_live_survey *seen,
                                                   enum bf_temporary_kind kind, uint32_t index)
{
    char name[BF_TEMPORARY_NAME_MAX + 1];
    uint32_t disk = kind == BF_TEMPORARY_SNAPSHOT ? drive->offer.states[index].disk : index;

    return find(drive, seen, disk,
                bf_offer_temporary(&drive->offer, drive->wish.epoch, kind, index, name));
}

/* --- SNAPSHOT -----------------------------------------------------------------------------------
 */

static void on_snapshot_seen(void *ctx, struct bf_live_survey *seen, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (err) {
        source_doubt(drive);
        return;
    }
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        const struct bf_live_bitmap *snapshot;

        if (!bf_offer_travels(&drive->offer, drive->wish.round, i))
            continue;
        snapshot = find_temporary(drive, seen, BF_TEMPORARY_SNAPSHOT, i);
        if (!snapshot || snapshot->dirty_bytes < drive->offer.bitmaps[i].dirty_bytes)
            drive->drops[i] = BF_DROP_BITMAP_CLEARED;
        else
            drive->offer.bitmaps[i].dirty_bytes = snapshot->dirty_bytes;
    }
    source_answer(drive, BF_SOURCE_DONE);
}

static void snapshot(struct source_drive *drive);

static void on_again(uv_timer_t *timer)
{
    struct source_drive *drive = timer->data;

    if (source_op_ended(drive))
        snapshot(drive);
}

static void on_snapshot_done(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (end == BF_LIVE_UNKNOWN) {
        source_doubt(drive);
    } else if (end == BF_LIVE_DONE) {
        if (survey(drive, on_snapshot_seen) < 0)
            source_doubt(drive);
    } else if (err->code == BF_E_BITMAP_BUSY &&
               uv_now(drive->loop) - drive->wish_ms < BUSY_DEADLINE_MS) {
        source_op_began(drive); /* the timer holds the place */
        (void)uv_timer_start(&drive->again, on_again, BUSY_RETRY_MS, 0);
    } else {
        bf_log(BF_LOG_WARNING, "move %s: snapshot: %s", drive->move->id, err->text);
        source_answer(drive, BF_SOURCE_REFUSED);
    }
}

static void snapshot(struct source_drive *drive)
{
    const struct bf_offer *offer = &drive->offer;
    struct bf_live_actions actions;
    char name[BF_TEMPORARY_NAME_MAX + 1];

    bf_live_actions_begin(&actions);
    for (uint32_t i = 0; i < offer->nr_bitmaps; i++) {
        if (bf_offer_travels(offer, drive->wish.round, i))
            bf_live_actions_snapshot(
                &actions, node_of(drive, i),
                bf_offer_temporary(offer, drive->wish.epoch, BF_TEMPORARY_SNAPSHOT, i, name),
                offer->bitmaps[i].name, offer->bitmaps[i].granularity_bytes);
    }
    for (uint32_t i = 0; i < offer->nr_disks && drive->wish.with_delta; i++) {
        if (bf_offer_matters(offer, i))
            bf_live_actions_record(
                &actions, offer->disks[i].node,
                bf_offer_temporary(offer, drive->wish.epoch, BF_TEMPORARY_DELTA, i, name),
                bf_offer_finest(offer, i));
    }
    if (bf_live_run(bf_qemu_live(drive->qemu), &actions, BF_QEMU_DEADLINE_MS, on_snapshot_done,
                    drive, NULL) == 0)
        source_op_began(drive);
    else
        source_answer(drive, BF_SOURCE_REFUSED);
}

/* --- WATCH_DRAIN
 * ---------------------------------------------------------------------------------- */

static void on_baseline(void *ctx, struct bf_live_survey *seen, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps && !err; i++) {
        const struct bf_live_bitmap *bitmap =
            find(drive, seen, drive->offer.states[i].disk, drive->offer.bitmaps[i].name);

        if (bitmap && drive->offer.states[i].recording &&
            bitmap->dirty_bytes > drive->offer.bitmaps[i].dirty_bytes)
            drive->offer.bitmaps[i].dirty_bytes = bitmap->dirty_bytes;
    }
    if (bf_qemu_live_watch(drive->qemu))
        bf_live_watch_drain(bf_qemu_live_watch(drive->qemu));
}

/* --- INSPECT
 * --------------------------------------------------------------------------------------- */

static bool all_snapshots(const struct source_drive *drive, const struct bf_live_survey *seen)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (bf_offer_travels(&drive->offer, drive->wish.round, i) &&
            !find_temporary(drive, seen, BF_TEMPORARY_SNAPSHOT, i))
            return false;
    }
    for (uint32_t i = 0; i < drive->offer.nr_disks && drive->machine.with_delta; i++) {
        if (bf_offer_matters(&drive->offer, i) &&
            !find_temporary(drive, seen, BF_TEMPORARY_DELTA, i))
            return false;
    }
    return true;
}

static enum bf_drop judge(const struct source_drive *drive, const struct bf_live_bitmap *bitmap,
                          uint32_t index)
{
    bool recording = drive->offer.states[index].recording;

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

static enum bf_source_guest guest_of(const json_t *migrate)
{
    const char *status = json_string_value(json_object_get(migrate, "status"));

    if (!status)
        return BF_SOURCE_GUEST_HERE;
    if (strcmp(status, "completed") == 0 || strncmp(status, "postcopy", 8) == 0)
        return BF_SOURCE_GUEST_LEFT;
    if (strcmp(status, "pre-switchover") == 0 || strcmp(status, "device") == 0)
        return BF_SOURCE_GUEST_PAUSED;
    return BF_SOURCE_GUEST_HERE;
}

static void on_migrate_seen(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    enum bf_source_guest guest;

    if (!source_op_ended(drive))
        return;
    if (err) {
        bf_qemu_restart(drive->qemu);
        drive->wish_started = false; /* again, when it is there */
        return;
    }
    guest = guest_of(result);
    drive->left = guest == BF_SOURCE_GUEST_LEFT;
    drive->paused = guest == BF_SOURCE_GUEST_PAUSED;
    drive->migrating = drive->left || drive->paused;
    source_answer_inspected(drive, guest, false);
}

static void on_inspected(void *ctx, struct bf_live_survey *seen, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (err) {
        bf_qemu_restart(drive->qemu);
        drive->wish_started = false; /* again, when it is there */
        return;
    }
    if (drive->machine.state == BF_SOURCE_RESUMING) {
        if (bf_qmp_send(bf_live_qmp(bf_qemu_live(drive->qemu)), "query-migrate", NULL,
                        BF_QEMU_DEADLINE_MS, on_migrate_seen, drive, NULL) == 0)
            source_op_began(drive);
        else
            drive->wish_started = false;
        return;
    }
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (bf_offer_travels(&drive->offer, drive->wish.round, i))
            drive->drops[i] = (uint8_t)judge(
                drive, find(drive, seen, drive->offer.states[i].disk, drive->offer.bitmaps[i].name),
                i);
    }
    source_answer_inspected(drive, BF_SOURCE_GUEST_HERE, all_snapshots(drive, seen));
}

/* --- CLEAN
 * ----------------------------------------------------------------------------------------- */

static void on_clean_again(uv_timer_t *timer);

static void on_cleaned(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (end == BF_LIVE_UNKNOWN) {
        source_doubt(drive);
    } else if (end == BF_LIVE_REFUSED) {
        bf_log(BF_LOG_WARNING, "move %s: cleaning up: %s", drive->move->id, err->text);
        source_op_began(drive);
        (void)uv_timer_start(&drive->again, on_clean_again, BUSY_RETRY_MS, 0);
    } else {
        source_answer(drive, BF_SOURCE_DONE);
    }
}

static void clean(struct source_drive *drive)
{
    char prefix[BF_TEMPORARY_NAME_MAX + 1];

    if (drive->server)
        bf_server_stop(drive->server);
    source_delete_carriers(drive);
    bf_offer_prefix(&drive->offer, prefix);
    if (bf_live_clean(bf_qemu_live(drive->qemu), prefix, BF_QEMU_DEADLINE_MS, on_cleaned, drive,
                      NULL) == 0)
        source_op_began(drive);
    else
        source_doubt(drive);
}

static void on_clean_again(uv_timer_t *timer)
{
    struct source_drive *drive = timer->data;

    if (source_op_ended(drive))
        clean(drive);
}

/* --- all of them
 * ------------------------------------------------------------------------------------ */

void source_carry_out(struct source_drive *drive)
{
    switch (drive->wish.kind) {
    case BF_SOURCE_SNAPSHOT:
        snapshot(drive);
        break;
    case BF_SOURCE_SERVE:
        source_serve(drive);
        break;
    case BF_SOURCE_WATCH_DRAIN:
        if (survey(drive, on_baseline) < 0)
            bf_qemu_restart(drive->qemu);
        break;
    case BF_SOURCE_INSPECT:
        if (drive->machine.state == BF_SOURCE_EXAMINING)
            source_examine(drive);
        else if (survey(drive, on_inspected) < 0)
            drive->wish_started = false;
        break;
    case BF_SOURCE_RETIRE:
        source_retire(drive);
        break;
    case BF_SOURCE_CLEAN:
        clean(drive);
        break;
    case BF_SOURCE_SAY:
    case BF_SOURCE_JOURNAL:
        break;
    }
}

/* There is no QEMU any more. */
void source_carry_out_gone(struct source_drive *drive)
{
    switch (drive->wish.kind) {
    case BF_SOURCE_SNAPSHOT:
        source_answer(drive, BF_SOURCE_REFUSED);
        break;
    case BF_SOURCE_SERVE:
        source_answer(drive, BF_SOURCE_REFUSED);
        break;
    case BF_SOURCE_WATCH_DRAIN:
        break;
    case BF_SOURCE_INSPECT:
        if (drive->machine.state == BF_SOURCE_EXAMINING)
            source_examine(drive);
        else
            source_answer_inspected(drive, BF_SOURCE_GUEST_LOST, false);
        break;
    case BF_SOURCE_RETIRE:
        source_retire(drive);
        break;
    case BF_SOURCE_CLEAN:
        if (drive->server)
            bf_server_stop(drive->server);
        source_delete_carriers(drive);
        source_answer(drive, BF_SOURCE_DONE);
        break;
    case BF_SOURCE_SAY:
    case BF_SOURCE_JOURNAL:
        break;
    }
}
