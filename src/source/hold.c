/* HOLD: when the migration begins, the recording bitmaps are taken out of QEMU.  The twin of each
 * is what it is from then on; so nobody has to ask for it in the pause, nobody can change it, and
 * QEMU has nothing to store then (3 to 5 ms for 16.7 M bits, measured on 7.2).  Frozen ones stay:
 * handoff/source.h says why.
 *
 *     look, and judge as in the pause  ->  LEFT of those that stay  ->  HELD of each disk  ->
 * remove
 *
 * Where HELD is, a bitmap that is not there and has a twin, but not LEFT, is held by us.  Mostly no
 * bitmap stays, so one mark of each disk is all that is said before the first is removed: fifty
 * marks took 60 ms (measured on 7.2), as long as the memory of a small guest.  Not in transactions:
 * each waits until what the mirrors have in flight is written (docs/facts.md), and lets the guest
 * read and write nothing.
 */
#include "drive.h"

#include "base/fail_point.h"
#include "daemon/log.h"

#include <string.h>

/* Bits that are removed without asking whether the guest is paused by now: enough of them that QEMU
 * does not wait for us between them, or fifty bitmaps outlast the memory of a small guest.  Each of
 * 16.7 M takes it 0.6 ms; 4 and more if it is stored in the image, but what is not removed is
 * stored in the pause, which takes no less. */
#define HOLD_BITS_MAX (UINT64_C(256) << 20)

/* A mark has no content: the coarsest that QEMU takes. */
#define MARK_GRANULARITY_BYTES (UINT64_C(1) << 31)

enum { TO_HOLD = 1, TO_LEAVE = 2, SENT = 3 };

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

static bool is_marked(const struct source_drive *drive, const struct bf_live_survey *seen,
                      uint32_t disk)
{
    return source_find_temporary(drive, seen, BF_TEMPORARY_HELD, disk);
}

static void note_held(struct source_drive *drive, const struct bf_live_survey *seen)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        uint32_t disk = drive->offer.states[i].disk;
        bool held = is_marked(drive, seen, disk) &&
                    source_find_temporary(drive, seen, BF_TEMPORARY_TWIN, i) &&
                    !source_find_temporary(drive, seen, BF_TEMPORARY_LEFT, i) &&
                    !source_find(drive, seen, disk, drive->offer.bitmaps[i].name);

        drive->offer.bitmaps[i].held_epoch = held ? drive->wish.epoch : 0;
    }
}

/* --- removing them --- */

static void on_seen_again(void *ctx, struct bf_live_survey *seen, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (err) {
        source_doubt(drive);
        return;
    }
    note_held(drive, seen);
    finish(drive);
}

static void hold_next(struct source_drive *drive);

static void note_sent(struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->drops[i] != SENT)
            continue;
        drive->drops[i] = BF_DROP_NONE;
        drive->offer.bitmaps[i].held_epoch = drive->wish.epoch;
    }
}

static void on_held(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    bf_fail_point("source.held");
    if (!source_op_ended(drive))
        return;
    if (end == BF_LIVE_DONE) {
        note_sent(drive);
        hold_next(drive);
        return;
    }
    if (end == BF_LIVE_REFUSED) /* as good as without: it is stored and examined in the pause */
        bf_log(BF_LOG_INFO, "move %s: holding bitmaps: %s", drive->move->id, err->text);
    if (end == BF_LIVE_UNKNOWN || source_look(drive, on_seen_again) < 0)
        source_doubt(drive); /* HOLD again, and so we look again */
}

static void run(struct source_drive *drive, struct bf_live_actions *actions, bf_live_done_fn done)
{
    if (bf_live_run_apart(bf_qemu_live(drive->qemu), actions, BF_QEMU_DEADLINE_MS, done, drive,
                          NULL) == 0)
        source_op_began(drive);
    else
        source_doubt(drive);
}

static void hold_next(struct source_drive *drive)
{
    const struct bf_offer *offer = &drive->offer;
    struct bf_live_actions actions;
    uint64_t nr_bits = 0;

    bf_live_actions_begin(&actions);
    for (; drive->cursor < offer->nr_bitmaps && nr_bits < HOLD_BITS_MAX && !too_late(drive);
         drive->cursor++) {
        if (drive->drops[drive->cursor] != TO_HOLD)
            continue;
        nr_bits += source_nr_bits(drive, drive->cursor);
        bf_live_actions_remove(&actions, offer->disks[offer->states[drive->cursor].disk].node,
                               offer->bitmaps[drive->cursor].name);
        drive->drops[drive->cursor] = SENT;
    }
    if (nr_bits > 0) {
        run(drive, &actions, on_held);
    } else {
        bf_live_actions_release(&actions);
        finish(drive);
    }
}

/* --- marking them --- */

static void add_mark(const struct source_drive *drive, enum bf_temporary_kind kind, uint32_t index,
                     uint32_t disk, struct bf_live_actions *actions)
{
    char name[BF_TEMPORARY_NAME_MAX + 1];
    struct bf_live_add mark = {
        .node = drive->offer.disks[disk].node,
        .name = bf_offer_temporary(&drive->offer, drive->wish.epoch, kind, index, name),
        .granularity_bytes = MARK_GRANULARITY_BYTES};

    bf_live_actions_add(actions, &mark);
}

/* Without its mark nothing is taken away. */
static bool marked(struct source_drive *drive, enum bf_live_end end, const struct bf_error *err)
{
    bf_fail_point("source.marked");
    if (!source_op_ended(drive))
        return false;
    if (end == BF_LIVE_REFUSED) {
        bf_log(BF_LOG_INFO, "move %s: holding bitmaps: %s", drive->move->id, err->text);
        finish(drive);
    } else if (end == BF_LIVE_UNKNOWN) {
        source_doubt(drive);
    }
    return end == BF_LIVE_DONE;
}

/* Send them, if there are any; then @then.  Where there is no memory for one, nothing is taken. */
static void run_marks(struct source_drive *drive, struct bf_live_actions *actions,
                      bf_live_done_fn done, void (*then)(struct source_drive *drive))
{
    if ((json_array_size(actions->list) > 0 || actions->broken) && !too_late(drive)) {
        run(drive, actions, done);
        return;
    }
    bf_live_actions_release(actions);
    then(drive);
}

static void on_disks_marked(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    if (marked(ctx, end, err))
        hold_next(ctx);
}

static bool any_to_hold(const struct source_drive *drive, uint32_t disk)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->offer.states[i].disk == disk && drive->drops[i] == TO_HOLD)
            return true;
    }
    return false;
}

static void mark_disks(struct source_drive *drive)
{
    struct bf_live_actions actions;

    bf_live_actions_begin(&actions);
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        if (any_to_hold(drive, i) && !drive->marked[i])
            add_mark(drive, BF_TEMPORARY_HELD, i, i, &actions);
    }
    run_marks(drive, &actions, on_disks_marked, hold_next);
}

static void on_left_marked(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    if (marked(ctx, end, err))
        mark_disks(ctx);
}

/* Whatever has a twin and is not to be held must say so before HELD says the contrary. */
static void mark_left(struct source_drive *drive)
{
    struct bf_live_actions actions;

    bf_live_actions_begin(&actions);
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        uint32_t disk = drive->offer.states[i].disk;

        if (drive->drops[i] == TO_LEAVE && (drive->marked[disk] || any_to_hold(drive, disk)))
            add_mark(drive, BF_TEMPORARY_LEFT, i, disk, &actions);
    }
    run_marks(drive, &actions, on_left_marked, mark_disks);
}

/* --- looking --- */

/* Whatever is not as it was offered is left to the examination, which is told. */
static bool is_as_offered(struct source_drive *drive, uint32_t index,
                          const struct bf_live_survey *seen)
{
    struct bf_offer *offer = &drive->offer;
    uint32_t of = offer->states[index].disk;
    const struct bf_live_disk *disk = bf_live_survey_disk(seen, offer->disks[of].name);
    const struct bf_live_bitmap *found = source_find(drive, seen, of, offer->bitmaps[index].name);
    struct bf_live_measure measure;

    if (!found || found->busy || found->persistent != offer->bitmaps[index].persistent)
        return false;
    measure = (struct bf_live_measure){
        .found = true,
        .recording = found->recording,
        .inconsistent = found->inconsistent,
        .disk_size_bytes = disk->size_bytes,
        .summary.nr_dirty_bits = found->dirty_bytes / found->granularity_bytes,
    };
    if (offer->bitmaps[index].changed == BF_DROP_NONE)
        offer->bitmaps[index].changed = (uint8_t)source_judge(drive, index, &measure);
    return offer->bitmaps[index].changed == BF_DROP_NONE;
}

/* Without its twin one could not be put back; one that was left once stays so. */
static int decide(struct source_drive *drive, uint32_t index, const struct bf_live_survey *seen)
{
    const struct bf_offer_bitmap *bitmap = &drive->offer.bitmaps[index];
    bool as_offered;

    if (bitmap->held_epoch != 0 || !drive->offer.states[index].recording)
        return BF_DROP_NONE;
    as_offered = is_as_offered(drive, index, seen);
    if (!bitmap->twin.known || source_find_temporary(drive, seen, BF_TEMPORARY_LEFT, index))
        return BF_DROP_NONE;
    return as_offered && may_be_held(drive, index) ? TO_HOLD : TO_LEAVE;
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
    note_held(drive, seen);
    source_note_twins(drive, seen);
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++)
        drive->marked[i] = is_marked(drive, seen, i);
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++)
        drive->drops[i] = (uint8_t)decide(drive, i, seen);
    drive->cursor = 0;
    mark_left(drive);
}

void source_hold(struct source_drive *drive)
{
    if (drive->move->plan.no_hold || !bf_qemu_live(drive->qemu) || source_look(drive, on_seen) < 0)
        source_answer(drive, BF_SOURCE_REFUSED);
}
