/* Without QEMU's digests: is a frozen bitmap still what its snapshot is?  It is if both, and what
 * they have together, count the same.
 *
 *     one transaction: UNITED = the bitmap + its snapshot, for each  ->  counts
 */
#include "drive.h"

#include "daemon/log.h"

#include <stdlib.h>

enum { KINDS = 3 };

/* Of the names in this order: the bitmap, its snapshot, both. */
typedef char temporary_name[BF_TEMPORARY_NAME_MAX + 1];

static bool is_candidate(const struct source_drive *drive, uint32_t index)
{
    return !drive->offer.states[index].recording &&
           drive->offer.states[index].drop == BF_DROP_NONE &&
           !bf_offer_is_united(&drive->offer, index) &&
           drive->drops[index] == BF_DROP_BITMAP_UNSEEN;
}

static const char *node_of(const struct source_drive *drive, uint32_t index)
{
    return drive->offer.disks[drive->offer.states[index].disk].node;
}

static const char *name_of(const struct source_drive *drive, uint32_t index,
                           enum bf_temporary_kind kind, temporary_name buf)
{
    return bf_offer_temporary(&drive->offer, drive->wish.epoch, kind, index, buf);
}

static enum bf_drop judge(const struct bf_live_measure measures[KINDS])
{
    for (unsigned i = 0; i < KINDS; i++) {
        if (!measures[i].found || measures[i].inconsistent)
            return BF_DROP_BITMAP_UNSEEN;
        if (measures[i].summary.nr_dirty_bits != measures[0].summary.nr_dirty_bits)
            return BF_DROP_BITMAP_CHANGED;
    }
    return BF_DROP_NONE;
}

static void on_counted(void *ctx, const struct bf_live_measure *measures, uint32_t nr_measures,
                       const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    uint32_t at = 0;

    if (!source_op_ended(drive))
        return;
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps && !err && at < nr_measures; i++) {
        if (!is_candidate(drive, i))
            continue;
        drive->drops[i] = (uint8_t)judge(&measures[at]);
        at += KINDS;
    }
    drive->work_then(drive);
}

static bool count(struct source_drive *drive)
{
    size_t nr = (size_t)drive->offer.nr_bitmaps * KINDS;
    BF_CLEANUP(bf_freep) struct bf_live_place *places = calloc(nr + 1, sizeof *places);
    BF_CLEANUP(bf_freep) temporary_name *names = calloc(nr + 1, sizeof *names);
    struct bf_live *live = bf_qemu_live(drive->qemu);
    uint32_t at = 0;

    for (uint32_t i = 0; places && names && i < drive->offer.nr_bitmaps; i++) {
        if (!is_candidate(drive, i))
            continue;
        places[at++] = (struct bf_live_place){node_of(drive, i), drive->offer.bitmaps[i].name};
        places[at] = (struct bf_live_place){node_of(drive, i),
                                            name_of(drive, i, BF_TEMPORARY_SNAPSHOT, names[at])};
        at++;
        places[at] = (struct bf_live_place){node_of(drive, i),
                                            name_of(drive, i, BF_TEMPORARY_UNITED, names[at])};
        at++;
    }
    if (!live || at == 0 ||
        bf_live_measure(live, places, at, BF_LIVE_COUNTS, BF_QEMU_DEADLINE_MS, on_counted, drive,
                        NULL) < 0)
        return false;
    source_op_began(drive);
    return true;
}

static void on_united(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (end != BF_LIVE_DONE)
        bf_log(BF_LOG_WARNING, "move %s: comparing frozen bitmaps: %s", drive->move->id, err->text);
    if (end != BF_LIVE_DONE || !count(drive))
        drive->work_then(drive);
}

void source_compare(struct source_drive *drive, void (*next)(struct source_drive *drive))
{
    struct bf_live *live = bf_qemu_live(drive->qemu);
    struct bf_live_actions actions;
    temporary_name snapshot;
    temporary_name united;
    bool any = false;

    bf_live_actions_begin(&actions);
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (!is_candidate(drive, i))
            continue;
        any = true;
        bf_live_actions_snapshot(
            &actions, node_of(drive, i), name_of(drive, i, BF_TEMPORARY_UNITED, united),
            drive->offer.bitmaps[i].name, drive->offer.bitmaps[i].granularity_bytes);
        bf_live_actions_merge(&actions, node_of(drive, i), united, node_of(drive, i),
                              name_of(drive, i, BF_TEMPORARY_SNAPSHOT, snapshot));
    }
    drive->work_then = next;
    if (any && live &&
        bf_live_run(live, &actions, BF_QEMU_DEADLINE_MS, on_united, drive, NULL) == 0) {
        source_op_began(drive);
        return;
    }
    if (!any || !live)
        bf_live_actions_release(&actions);
    next(drive);
}
