/* After a migration with `dirty-bitmaps` that failed or was cancelled QEMU (7.2 to 10.0) shows the
 * source's bitmaps as persistent, and does not store them any more: after the next shutdown they
 * are gone or inconsistent.  Made anew, they are stored again:
 *
 *     look  ->  copy (recording, if it records)  ->  remove  ->  add, merge the copy, remove it
 *
 * Three transactions, because one cannot hold a name twice.  The copy records from the moment at
 * which it has all, so nothing is missed in between; and it is found by its name when we are cut
 * short, and gone on with.
 */
#include "drive.h"

#include "daemon/log.h"

#include <string.h>

/** What a look found of one bitmap. */
enum { SEEN_BITMAP = 1, SEEN_COPY = 2, SEEN_BUSY = 4 };

static bool is_afflicted(const struct source_drive *drive, uint32_t index)
{
    const struct bf_offer *offer = &drive->offer;
    const struct bf_offer_bitmap *bitmap = &offer->bitmaps[index];

    return bitmap->persistent && (bitmap->mapped || offer->kind == BF_HANDOFF_NATIVE ||
                                  offer->disks[offer->states[index].disk].mode == BF_MODE_STREAM);
}

bool source_needs_repair(const struct source_drive *drive)
{
    if (drive->machine.state != BF_SOURCE_CLEANING ||
        drive->machine.reason != BF_DROP_MIGRATION_FAILED || drive->repaired)
        return false;
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (is_afflicted(drive, i))
            return true;
    }
    return false;
}

static const char *node_of(const struct source_drive *drive, uint32_t index)
{
    return drive->offer.disks[drive->offer.states[index].disk].node;
}

static const char *copy_of(const struct source_drive *drive, uint32_t index,
                           char buf[BF_TEMPORARY_NAME_MAX + 1])
{
    return bf_offer_temporary(&drive->offer, drive->wish.epoch, BF_TEMPORARY_REPAIR, index, buf);
}

/* --- what is told --- */

static void tell_all(struct source_drive *drive, const char *text)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (is_afflicted(drive, i) && drive->drops[i] & SEEN_BITMAP)
            source_note(drive, i, text);
    }
    bf_log(BF_LOG_WARNING, "move %s: %s", drive->move->id, text);
    bf_move_warn(drive->move, text);
}

static void finish(struct source_drive *drive)
{
    drive->repaired = true;
    memset(drive->drops, BF_DROP_NONE, drive->offer.nr_bitmaps);
    source_clean(drive);
}

/* --- the transactions --- */

typedef void add_fn(struct source_drive *drive, uint32_t index, struct bf_live_actions *actions);

static void save(struct source_drive *drive, uint32_t index, struct bf_live_actions *actions)
{
    const struct bf_offer_bitmap *bitmap = &drive->offer.bitmaps[index];
    const char *node = node_of(drive, index);
    char copy[BF_TEMPORARY_NAME_MAX + 1];
    struct bf_live_add add = {.node = node,
                              .name = copy_of(drive, index, copy),
                              .granularity_bytes = bitmap->granularity_bytes,
                              .recording = drive->offer.states[index].recording};

    if (drive->drops[index] != SEEN_BITMAP)
        return; /* nothing to save, or saved by a former run */
    bf_live_actions_add(actions, &add);
    bf_live_actions_merge(actions, node, copy, node, bitmap->name);
}

static void take_away(struct source_drive *drive, uint32_t index, struct bf_live_actions *actions)
{
    if (drive->drops[index] & SEEN_BITMAP)
        bf_live_actions_remove(actions, node_of(drive, index), drive->offer.bitmaps[index].name);
}

static void put_back(struct source_drive *drive, uint32_t index, struct bf_live_actions *actions)
{
    const struct bf_offer_bitmap *bitmap = &drive->offer.bitmaps[index];
    char copy[BF_TEMPORARY_NAME_MAX + 1];
    struct bf_live_publish anew = {
        .final = {.node = node_of(drive, index),
                  .name = bitmap->name,
                  .granularity_bytes = bitmap->granularity_bytes,
                  .recording = drive->offer.states[index].recording,
                  .persistent = true},
        .snapshot = copy_of(drive, index, copy),
    };

    if (drive->drops[index] != 0)
        bf_live_actions_publish(actions, &anew);
}

static add_fn *const steps[] = {save, take_away, put_back};
enum { NR_STEPS = sizeof steps / sizeof steps[0] };

static void run_step(struct source_drive *drive);

static void on_step(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (end == BF_LIVE_UNKNOWN) {
        source_doubt(drive); /* CLEAN again, and so we look again */
    } else if (end == BF_LIVE_DONE) {
        drive->cursor++;
        run_step(drive);
    } else if (err->code == BF_E_BITMAP_BUSY) {
        source_again(drive, source_repair); /* the migration is still being cancelled */
    } else {
        bf_log(BF_LOG_ERROR, "move %s: mending bitmaps: %s", drive->move->id, err->text);
        tell_all(drive, "after the failed migration QEMU does not store this bitmap any more, and "
                        "it could not be made anew: take a full backup after the next shutdown");
        finish(drive);
    }
}

static void run_step(struct source_drive *drive)
{
    struct bf_live_actions actions;

    if (drive->cursor == NR_STEPS) {
        tell_all(drive, "made anew after the failed migration: QEMU would not have stored it at "
                        "the next shutdown");
        finish(drive);
        return;
    }
    bf_live_actions_begin(&actions);
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (is_afflicted(drive, i))
            steps[drive->cursor](drive, i, &actions);
    }
    if (bf_live_run(bf_qemu_live(drive->qemu), &actions, BF_QEMU_DEADLINE_MS, on_step, drive,
                    NULL) == 0)
        source_op_began(drive);
    else
        source_doubt(drive);
}

/* --- looking --- */

static uint8_t look_for(const struct source_drive *drive, uint32_t index,
                        const struct bf_live_survey *seen)
{
    const struct bf_live_bitmap *bitmap =
        source_find(drive, seen, drive->offer.states[index].disk, drive->offer.bitmaps[index].name);
    const struct bf_live_bitmap *copy =
        source_find_temporary(drive, seen, BF_TEMPORARY_REPAIR, index);
    uint8_t found = copy ? SEEN_COPY : 0;

    if (bitmap && !bitmap->inconsistent && bitmap->persistent)
        found |= SEEN_BITMAP;
    if (bitmap && bitmap->busy)
        found |= SEEN_BUSY;
    return found;
}

static void on_seen(void *ctx, struct bf_live_survey *seen, const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    bool busy = false;

    if (!source_op_ended(drive))
        return;
    if (err) {
        source_doubt(drive);
        return;
    }
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        drive->drops[i] = is_afflicted(drive, i) ? look_for(drive, i, seen) : 0;
        busy = busy || drive->drops[i] & SEEN_BUSY;
    }
    if (busy && uv_now(drive->loop) - drive->wish_ms < drive->config->busy_timeout_s * 1000) {
        source_again(drive, source_repair);
        return;
    }
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->drops[i] & SEEN_BUSY) {
            source_note(drive, i,
                        "in use, so it could not be made anew after the failed migration: QEMU "
                        "does not store it at the next shutdown");
            drive->drops[i] = 0;
        }
    }
    drive->cursor = 0;
    run_step(drive);
}

void source_repair(struct source_drive *drive)
{
    if (drive->move->plan.no_repair) {
        memset(drive->drops, SEEN_BITMAP, drive->offer.nr_bitmaps);
        tell_all(drive, "not mended, as asked: after the failed migration QEMU does not store this "
                        "bitmap at the next shutdown; remove it and make it anew, or take a full "
                        "backup then");
        finish(drive);
    } else if (!bf_qemu_live(drive->qemu) || source_look(drive, on_seen) < 0) {
        source_doubt(drive);
    }
}
