/* Final names: put into place, read back, and taken away again where they are not right. */
#include "drive.h"

#include "base/fail_point.h"
#include "daemon/log.h"

#include <stdlib.h>

/* --- removing --- */

static bool is_mine_to_remove(const struct dest_drive *drive, uint32_t index)
{
    return bf_dest_is_published(&drive->machine, index) &&
           drive->offer.states[index].drop != BF_DROP_NONE;
}

static void on_unpublished(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;

    if (!dest_op_ended(drive))
        return;
    if (end == BF_LIVE_DONE) {
        dest_answer(drive, BF_DEST_DONE);
    } else if (end == BF_LIVE_UNKNOWN) {
        dest_doubt(drive);
    } else {
        bf_log(BF_LOG_WARNING, "move %s: removing what is not right: %s", drive->move->id,
               err->text);
        dest_again(drive, dest_unpublish); /* somebody uses it: it must not stay */
    }
}

static void on_seen_to_unpublish(void *ctx, const struct bf_live_measure *measures,
                                 uint32_t nr_measures, const struct bf_error *err)
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
        if (is_mine_to_remove(drive, i) && measures[at++].found)
            bf_live_actions_remove(&actions, dest_node_of(drive, i), drive->offer.bitmaps[i].name);
    }
    if (bf_live_run(bf_qemu_live(drive->qemu), &actions, BF_QEMU_DEADLINE_MS, on_unpublished, drive,
                    NULL) == 0)
        dest_op_began(drive);
    else
        dest_doubt(drive);
}

/* --- looking at final names --- */

static void look(struct dest_drive *drive,
                 bool (*wanted)(const struct dest_drive *drive, uint32_t index),
                 enum bf_live_digests digests, bf_live_measure_fn done)
{
    struct bf_live_place *places = calloc(drive->offer.nr_bitmaps + 1U, sizeof *places);
    struct bf_live *live = bf_qemu_live(drive->qemu);
    uint32_t nr_places = 0;
    int r = -1;

    for (uint32_t i = 0; places && i < drive->offer.nr_bitmaps; i++) {
        if (wanted(drive, i))
            places[nr_places++] =
                (struct bf_live_place){dest_node_of(drive, i), drive->offer.bitmaps[i].name};
    }
    if (places && live)
        r = bf_live_measure(live, places, nr_places, digests, BF_QEMU_SPILL_MS, done, drive, NULL);
    free(places);
    if (r == 0)
        dest_op_began(drive);
    else
        dest_repeat(drive);
}

void dest_unpublish(struct dest_drive *drive)
{
    look(drive, is_mine_to_remove, BF_LIVE_COUNTS, on_seen_to_unpublish);
}

/* --- COMMIT --- */

/* Bits of the bitmaps that one transaction publishes, unless one alone has more.  Measured on QEMU
 * 7.2: its main loop, and with it the guest, is held for 3.4 ms by a bitmap of 16.7 M bits; beside
 * a guest that writes two of them took 20 ms, waiting for its writes included. */
#define COMMIT_BITS_MAX (UINT64_C(16) << 20)

static void commit_next(struct dest_drive *drive);

static bool is_left(const struct dest_drive *drive, uint32_t index)
{
    return drive->offer.states[index].drop == BF_DROP_NONE &&
           !bf_dest_is_published(&drive->machine, index);
}

static void skip_to_left(struct dest_drive *drive)
{
    while (drive->cursor < drive->offer.nr_bitmaps && !is_left(drive, drive->cursor))
        drive->cursor++;
}

static bool all_sent(const struct dest_drive *drive)
{
    return drive->cursor == drive->offer.nr_bitmaps;
}

static void on_committed(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;

    bf_fail_point("dest.commit_sent");
    if (!dest_op_ended(drive))
        return;
    if (end == BF_LIVE_UNKNOWN) {
        dest_doubt(drive);
    } else if (end == BF_LIVE_DONE) {
        if (all_sent(drive))
            dest_answer(drive, BF_DEST_DONE);
        else
            commit_next(drive);
    } else {
        bf_log(BF_LOG_WARNING, "move %s: the commit: %s", drive->move->id, err->text);
        dest_answer(drive, BF_DEST_REFUSED);
    }
}

static void publish(struct dest_drive *drive, struct bf_live_actions *actions, uint32_t index)
{
    const struct bf_offer *offer = &drive->offer;
    const struct bf_offer_bitmap *bitmap = &offer->bitmaps[index];
    uint32_t disk = offer->states[index].disk;
    uint32_t epoch = drive->wish.epoch;
    bool recording = offer->states[index].recording;
    char snapshot[BF_TEMPORARY_NAME_MAX + 1];
    char tracker[BF_TEMPORARY_NAME_MAX + 1];
    char delta[BF_TEMPORARY_NAME_MAX + 1];
    struct bf_live_publish final = {
        .final = {.node = offer->disks[disk].node,
                  .name = bitmap->name,
                  .granularity_bytes = bitmap->granularity_bytes,
                  .recording = recording,
                  .persistent = bitmap->persistent && offer->disks[disk].stores},
        .snapshot = bf_offer_temporary(offer, epoch, BF_TEMPORARY_LOADED, index, snapshot),
    };

    if (recording)
        final.tracker = bf_offer_temporary(offer, epoch, BF_TEMPORARY_TRACKER, disk, tracker);
    if (recording && drive->wish.with_delta)
        final.delta = bf_offer_temporary(offer, epoch, BF_TEMPORARY_LOADED_DELTA, disk, delta);
    bf_live_actions_publish(actions, &final);
}

static uint64_t nr_bits_of(const struct dest_drive *drive, uint32_t index)
{
    const struct bf_offer *offer = &drive->offer;

    return offer->disks[offer->states[index].disk].placed_size_bytes /
           offer->bitmaps[index].granularity_bytes;
}

/* Trackers and deltas are needed until the last one, and go when all is tidied up. */
static void commit_next(struct dest_drive *drive)
{
    struct bf_live *live = bf_qemu_live(drive->qemu);
    struct bf_live_actions actions;
    uint64_t nr_bits = 0;

    if (!live) {
        dest_doubt(drive);
        return;
    }
    bf_live_actions_begin(&actions);
    for (skip_to_left(drive); !all_sent(drive); skip_to_left(drive)) {
        nr_bits += nr_bits_of(drive, drive->cursor);
        if (nr_bits > COMMIT_BITS_MAX && json_array_size(actions.list) > 0)
            break;
        publish(drive, &actions, drive->cursor++);
    }
    if (bf_live_run(live, &actions, BF_QEMU_DEADLINE_MS, on_committed, drive, NULL) == 0)
        dest_op_began(drive);
    else
        dest_doubt(drive);
}

void dest_commit(struct dest_drive *drive)
{
    drive->cursor = 0;
    commit_next(drive);
}

/* --- READ_BACK --- */

static bool was_published(const struct dest_drive *drive, uint32_t index)
{
    return bf_dest_is_published(&drive->machine, index) &&
           drive->offer.states[index].drop == BF_DROP_NONE;
}

/* What was committed: as it was loaded, or, after a restart, as it was announced, if it was not
 * laid out for a larger disk. */
static const struct bf_known *committed(const struct bf_offer *offer, uint32_t index)
{
    const struct bf_offer_disk *disk = &offer->disks[offer->states[index].disk];
    const struct bf_offer_bitmap *bitmap = &offer->bitmaps[index];

    return bitmap->loaded.known || disk->size_bytes != disk->placed_size_bytes ? &bitmap->loaded
                                                                               : &bitmap->announced;
}

/* A recording bitmap has grown since; a frozen one is what was committed, bit by bit. */
static enum bf_drop judge(const struct dest_drive *drive, uint32_t index,
                          const struct bf_live_measure *measure)
{
    const struct bf_known *wanted = committed(&drive->offer, index);
    bool recording = drive->offer.states[index].recording;

    if (!measure->found)
        return BF_DROP_COMMIT_LOST;
    if (!(measure->digested || measure->no_digests) || measure->inconsistent ||
        measure->recording != recording)
        return BF_DROP_READ_BACK_FAILED;
    if (!wanted->known)
        return BF_DROP_NONE;
    if (measure->summary.nr_dirty_bits < wanted->summary.nr_dirty_bits ||
        (!recording && !bf_live_measure_is(measure, &wanted->summary)))
        return BF_DROP_READ_BACK_FAILED;
    return BF_DROP_NONE;
}

static void on_read_back(void *ctx, const struct bf_live_measure *measures, uint32_t nr_measures,
                         const struct bf_error *err)
{
    struct dest_drive *drive = ctx;
    uint32_t at = 0;

    if (!dest_op_ended(drive))
        return;
    if (err) {
        dest_repeat(drive);
        return;
    }
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps && at < nr_measures; i++) {
        if (!was_published(drive, i))
            continue;
        drive->drops[i] = (uint8_t)judge(drive, i, &measures[at]);
        drive->offer.bitmaps[i].published =
            (struct bf_known){measures[at].digested, measures[at].summary};
        at++;
    }
    dest_answer(drive, BF_DEST_DONE);
}

void dest_read_back(struct dest_drive *drive)
{
    bf_fail_point("dest.commit_done");
    look(drive, was_published, BF_LIVE_DIGESTS, on_read_back);
}
