/* HOLD: when the migration begins, the recording bitmaps are taken out of QEMU.  A snapshot and
 * SINCE, which records since that very moment, together are what each of them is from then on; so
 * nobody has to ask for it in the pause, nobody can change it, and QEMU has nothing to store then
 * (3 to 5 ms for 16.7 M bits, measured on 7.2).  Frozen ones stay: handoff/source.h says why.
 *
 *     look  ->  judge, as in the pause  ->  in one transaction: add the mark HELD, remove the
 * bitmap
 */
#include "drive.h"

#include "base/fail_point.h"
#include "daemon/log.h"

#include <string.h>

/* Bits that one transaction removes: it holds QEMU's main loop, and with it the guest.  Ten bitmaps
 * of 16.7 M bits take 6.4 ms (7.2), two 1.7; but each transaction waits for the guest's I/O first,
 * and there may be little time before the pause. */
#define HOLD_BITS_MAX (UINT64_C(160) << 20)

/* A mark has no content: the coarsest that QEMU takes. */
#define MARK_GRANULARITY_BYTES (UINT64_C(1) << 31)

enum { TO_HOLD = 1, SENT = 2 };

uint64_t source_nr_bits(const struct source_drive *drive, uint32_t index)
{
    return drive->offer.disks[drive->offer.states[index].disk].size_bytes /
               drive->offer.bitmaps[index].granularity_bytes +
           1;
}

/* One that QEMU is to bring by itself must be there when QEMU looks for it; of a united one only
 * a part is here. */
static bool may_be_held(const struct source_drive *drive, uint32_t index)
{
    const struct bf_offer *offer = &drive->offer;
    uint32_t disk = offer->states[index].disk;

    return offer->states[index].recording && offer->states[index].drop == BF_DROP_NONE &&
           offer->disks[disk].mode == BF_MODE_NBD && drive->disks[disk].ready &&
           !offer->dirty_bitmaps && !offer->bitmaps[index].mapped &&
           !bf_offer_is_united(offer, index);
}

static bool too_late(const struct source_drive *drive)
{
    return drive->paused || drive->left;
}

static void finish(struct source_drive *drive)
{
    bool whole = true;

    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->offer.states[i].recording && drive->offer.states[i].drop == BF_DROP_NONE)
            whole = whole && drive->offer.bitmaps[i].held_epoch != 0;
    }
    memset(drive->drops, BF_DROP_NONE, drive->offer.nr_bitmaps);
    source_answer_held(drive, whole);
}

/* --- the transactions --- */

static void hold_next(struct source_drive *drive);

static void note_sent(struct source_drive *drive, bool held)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->drops[i] != SENT)
            continue;
        drive->drops[i] = BF_DROP_NONE;
        if (held)
            drive->offer.bitmaps[i].held_epoch = drive->wish.epoch;
    }
}

static void on_held(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    bf_fail_point("source.held");
    if (!source_op_ended(drive))
        return;
    if (end == BF_LIVE_UNKNOWN) {
        source_doubt(drive); /* HOLD again, and so we look again */
        return;
    }
    if (end == BF_LIVE_REFUSED) /* as good as without: it is stored and examined in the pause */
        bf_log(BF_LOG_INFO, "move %s: holding bitmaps: %s", drive->move->id, err->text);
    note_sent(drive, end == BF_LIVE_DONE);
    hold_next(drive);
}

static void hold(struct source_drive *drive, uint32_t index, struct bf_live_actions *actions)
{
    const struct bf_offer *offer = &drive->offer;
    const char *node = offer->disks[offer->states[index].disk].node;
    char name[BF_TEMPORARY_NAME_MAX + 1];
    struct bf_live_add mark = {
        .node = node,
        .name = bf_offer_temporary(offer, drive->wish.epoch, BF_TEMPORARY_HELD, index, name),
        .granularity_bytes = MARK_GRANULARITY_BYTES};

    bf_live_actions_add(actions, &mark);
    bf_live_actions_remove(actions, node, offer->bitmaps[index].name);
    drive->drops[index] = SENT;
}

static void hold_next(struct source_drive *drive)
{
    struct bf_live_actions actions;
    uint64_t nr_bits = 0;

    bf_live_actions_begin(&actions);
    for (; drive->cursor < drive->offer.nr_bitmaps && nr_bits < HOLD_BITS_MAX && !too_late(drive);
         drive->cursor++) {
        if (drive->drops[drive->cursor] != TO_HOLD)
            continue;
        nr_bits += source_nr_bits(drive, drive->cursor);
        hold(drive, drive->cursor, &actions);
    }
    if (nr_bits == 0) {
        bf_live_actions_release(&actions);
        finish(drive);
    } else if (bf_live_run(bf_qemu_live(drive->qemu), &actions, BF_QEMU_DEADLINE_MS, on_held, drive,
                           NULL) == 0) {
        source_op_began(drive);
    } else {
        source_doubt(drive);
    }
}

/* --- judging: whatever is not as it was offered is left to the examination --- */

static void on_measured(void *ctx, const struct bf_live_measure *measures, uint32_t nr_measures,
                        const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (err) {
        source_doubt(drive);
        return;
    }
    for (uint32_t i = 0; i < nr_measures; i++) {
        const struct bf_live_measure *found = &measures[i];

        if (found->busy || found->persistent != drive->offer.bitmaps[i].persistent ||
            source_judge(drive, i, found) != BF_DROP_NONE)
            drive->drops[i] = BF_DROP_NONE;
    }
    drive->cursor = 0;
    bf_fail_point("source.judged");
    hold_next(drive);
}

/* --- looking --- */

/* Without all that it consists of, nothing is taken away. */
static bool can_be_put_back(const struct source_drive *drive, uint32_t index,
                            const struct bf_live_survey *seen)
{
    const struct bf_live_bitmap *since =
        source_find_temporary(drive, seen, BF_TEMPORARY_SINCE, drive->offer.states[index].disk);

    return source_find_temporary(drive, seen, BF_TEMPORARY_SNAPSHOT, index) && since &&
           since->recording;
}

static void on_seen(void *ctx, struct bf_live_survey *seen, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (err) {
        source_doubt(drive);
        return;
    }
    source_report_new_bitmaps(drive, seen);
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        bool held = source_find_temporary(drive, seen, BF_TEMPORARY_HELD, i);

        drive->offer.bitmaps[i].held_epoch = held ? drive->wish.epoch : 0;
        drive->drops[i] =
            !held && may_be_held(drive, i) && can_be_put_back(drive, i, seen) ? TO_HOLD : 0;
    }
    if (too_late(drive))
        finish(drive);
    else if (source_measure_own(drive, BF_LIVE_COUNTS, on_measured) < 0)
        source_doubt(drive);
}

void source_hold(struct source_drive *drive)
{
    if (drive->move->plan.no_hold || !bf_qemu_live(drive->qemu) || source_look(drive, on_seen) < 0)
        source_answer(drive, BF_SOURCE_REFUSED);
}
