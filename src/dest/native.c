/* Is anything missing in a bitmap that QEMU has brought by itself?
 *
 *     sweep  ->  for each: one transaction  ->  digests  ->  sweep
 *
 * The transaction makes two copies: NATIVE is what QEMU brought, UNITED the same with our snapshot,
 * and with the delta where there is one.  If their digests are equal, all that we have is in what
 * QEMU brought.  What the guest writes meanwhile is in both or in neither.
 */
#include "drive.h"

#include "daemon/log.h"

#include <stdlib.h>

enum { BUSY_MS = 60000 }; /* after a switch to postcopy QEMU works on its bitmaps for a while */

static void prove_next(struct dest_drive *drive);

static bool is_candidate(const struct dest_drive *drive, uint32_t index)
{
    return (drive->found.bitmaps[index] & BF_FOUND_NATIVE) != 0;
}

static void look_again(struct dest_drive *drive, const char *text)
{
    bf_log(BF_LOG_WARNING, "move %s: looking at what QEMU has brought: %s", drive->move->id, text);
    dest_repeat(drive);
}

/* --- both copies of all candidates, measured --- */

static bool measure(struct dest_drive *drive, enum bf_live_digests digests, bf_live_measure_fn done)
{
    const struct bf_offer *offer = &drive->offer;
    struct bf_live *live = bf_qemu_live(drive->qemu);
    size_t nr_max = 2U * (size_t)offer->nr_bitmaps + 1;
    struct bf_live_place *places = calloc(nr_max, sizeof *places);
    char(*names)[BF_TEMPORARY_NAME_MAX + 1] = calloc(nr_max, sizeof *names);
    uint32_t nr = 0;
    int r = -1;

    for (uint32_t i = 0; places && names && i < offer->nr_bitmaps; i++) {
        for (int kind = BF_TEMPORARY_NATIVE; is_candidate(drive, i) && kind <= BF_TEMPORARY_UNITED;
             kind++, nr++)
            places[nr] = (struct bf_live_place){dest_node_of(drive, i),
                                                bf_offer_temporary(offer, drive->wish.epoch,
                                                                   (enum bf_temporary_kind)kind, i,
                                                                   names[nr])};
    }
    if (places && names && live)
        r = bf_live_measure(live, places, nr, digests, BF_QEMU_SPILL_MS, done, drive, NULL);
    free(places);
    free(names);
    if (r == 0)
        dest_op_began(drive);
    return r == 0;
}

/* --- sweep: copies of this attempt, or of one that was cut short --- */

static void on_swept(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;

    if (!dest_op_ended(drive))
        return;
    if (end == BF_LIVE_DONE)
        drive->swept_step(drive);
    else
        look_again(drive, err->text);
}

static void on_seen(void *ctx, const struct bf_live_measure *measures, uint32_t nr_measures,
                    const struct bf_error *err)
{
    struct dest_drive *drive = ctx;
    char name[BF_TEMPORARY_NAME_MAX + 1];
    struct bf_live_actions actions;
    uint32_t at = 0;

    if (!dest_op_ended(drive))
        return;
    if (err || !bf_qemu_live(drive->qemu)) {
        look_again(drive, err ? err->text : "not connected");
        return;
    }
    bf_live_actions_begin(&actions);
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps && at + 1 < nr_measures; i++) {
        for (int kind = BF_TEMPORARY_NATIVE; is_candidate(drive, i) && kind <= BF_TEMPORARY_UNITED;
             kind++) {
            if (measures[at++].found)
                bf_live_actions_remove(&actions, dest_node_of(drive, i),
                                       bf_offer_temporary(&drive->offer, drive->wish.epoch,
                                                          (enum bf_temporary_kind)kind, i, name));
        }
    }
    if (bf_live_run(bf_qemu_live(drive->qemu), &actions, BF_QEMU_DEADLINE_MS, on_swept, drive,
                    NULL) == 0)
        dest_op_began(drive);
    else
        look_again(drive, "not connected");
}

static void sweep(struct dest_drive *drive, void (*next)(struct dest_drive *drive))
{
    drive->swept_step = next;
    if (!measure(drive, BF_LIVE_COUNTS, on_seen))
        look_again(drive, "not connected");
}

/* --- digests --- */

static void finish(struct dest_drive *drive)
{
    drive->proven_step(drive);
}

static enum dest_proven compare(const struct bf_live_measure *native,
                                const struct bf_live_measure *united)
{
    if (!native->found || !native->digested || !united->found || !united->digested)
        return DEST_UNCOMPARED;
    return bf_summary_equal(&native->summary, &united->summary) ? DEST_PROVEN : DEST_SHORT;
}

static void on_measured(void *ctx, const struct bf_live_measure *measures, uint32_t nr_measures,
                        const struct bf_error *err)
{
    struct dest_drive *drive = ctx;
    uint32_t at = 0;

    if (!dest_op_ended(drive))
        return;
    if (err) {
        look_again(drive, err->text);
        return;
    }
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps && at + 1 < nr_measures; i++) {
        const struct bf_live_measure *native = &measures[at];
        const struct bf_live_measure *united = &measures[at + 1];

        if (!is_candidate(drive, i))
            continue;
        drive->proven[i] = (uint8_t)compare(native, united);
        if (drive->proven[i] == DEST_SHORT)
            bf_log(BF_LOG_WARNING,
                   "move %s: of bitmap %s QEMU has brought %llu dirty blocks, but %llu are needed",
                   drive->move->id, drive->offer.bitmaps[i].name,
                   (unsigned long long)native->summary.nr_dirty_bits,
                   (unsigned long long)united->summary.nr_dirty_bits);
        at += 2;
    }
    sweep(drive, finish);
}

/* --- one transaction each --- */

static void merge_into(const struct dest_drive *drive, struct bf_live_actions *actions,
                       const char *target, const char *source, uint32_t index)
{
    const char *node = dest_node_of(drive, index);

    bf_live_actions_merge(actions, node, target, node, source);
}

static void copy_twice(const struct dest_drive *drive, uint32_t index,
                       struct bf_live_actions *actions)
{
    const struct bf_offer *offer = &drive->offer;
    const struct bf_offer_bitmap *bitmap = &offer->bitmaps[index];
    uint32_t epoch = drive->wish.epoch;
    char native[BF_TEMPORARY_NAME_MAX + 1];
    char united[BF_TEMPORARY_NAME_MAX + 1];
    char name[BF_TEMPORARY_NAME_MAX + 1];

    (void)bf_offer_temporary(offer, epoch, BF_TEMPORARY_NATIVE, index, native);
    (void)bf_offer_temporary(offer, epoch, BF_TEMPORARY_UNITED, index, united);
    bf_live_actions_snapshot(actions, dest_node_of(drive, index), native, bitmap->name,
                             bitmap->granularity_bytes);
    /* not of the bitmap: a thread of the guest's may have written since */
    bf_live_actions_snapshot(actions, dest_node_of(drive, index), united, native,
                             bitmap->granularity_bytes);
    if (drive->found.bitmaps[index] & BF_FOUND_SNAPSHOT)
        merge_into(drive, actions, united,
                   bf_offer_temporary(offer, epoch, BF_TEMPORARY_LOADED, index, name), index);
    if (drive->found.bitmaps[index] & BF_FOUND_DELTA)
        merge_into(drive, actions, united,
                   bf_offer_temporary(offer, epoch, BF_TEMPORARY_LOADED_DELTA,
                                      offer->states[index].disk, name),
                   index);
}

static void on_copied(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;

    if (!dest_op_ended(drive))
        return;
    if (end == BF_LIVE_UNKNOWN) {
        look_again(drive, err->text);
        return;
    }
    if (end == BF_LIVE_REFUSED && err->code == BF_E_BITMAP_BUSY &&
        uv_now(drive->loop) - drive->wish_ms < BUSY_MS) {
        dest_warn_in_use(drive, err);
        dest_again(drive, prove_next);
        return;
    }
    if (end == BF_LIVE_REFUSED)
        bf_log(BF_LOG_WARNING, "move %s: proving bitmap %s: %s", drive->move->id,
               drive->offer.bitmaps[drive->cursor].name, err->text);
    drive->cursor++;
    prove_next(drive);
}

static void prove_next(struct dest_drive *drive)
{
    struct bf_live_actions actions;

    while (drive->cursor < drive->offer.nr_bitmaps && !is_candidate(drive, drive->cursor))
        drive->cursor++;
    if (drive->cursor == drive->offer.nr_bitmaps) {
        if (!measure(drive, BF_LIVE_DIGESTS, on_measured))
            look_again(drive, "not connected");
        return;
    }
    bf_live_actions_begin(&actions);
    copy_twice(drive, drive->cursor, &actions);
    if (!bf_qemu_live(drive->qemu)) {
        bf_live_actions_release(&actions);
        look_again(drive, "not connected");
    } else if (bf_live_run(bf_qemu_live(drive->qemu), &actions, BF_QEMU_DEADLINE_MS, on_copied,
                           drive, NULL) == 0) {
        dest_op_began(drive);
    } else {
        look_again(drive, "not connected");
    }
}

void dest_prove_natives(struct dest_drive *drive, void (*next)(struct dest_drive *drive))
{
    bool any = false;

    drive->proven_step = next;
    drive->cursor = 0;
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        drive->proven[i] = DEST_UNCOMPARED;
        any = any || is_candidate(drive, i);
    }
    if (any)
        sweep(drive, prove_next);
    else
        next(drive);
}
