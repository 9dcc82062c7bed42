/* LOAD: what was pulled becomes temporaries in QEMU, one after the other, and is proven there.  Of
 * bitmaps that QEMU brings INSPECT does the same (brought.c), without LOAD's answer. */
#include "drive.h"

#include "base/fail_point.h"
#include "daemon/log.h"

#include <stdlib.h>
#include <unistd.h>

static const struct bf_known *written(const struct dest_drive *drive, uint32_t index)
{
    return drive->wish.round == BF_ROUND_DELTA ? &drive->offer.loaded_deltas[index]
                                               : &drive->offer.bitmaps[index].loaded;
}

static const char *temporary(const struct dest_drive *drive, uint32_t index, char *buf)
{
    return bf_offer_temporary(&drive->offer, drive->wish.epoch,
                              drive->wish.round == BF_ROUND_DELTA ? BF_TEMPORARY_LOADED_DELTA
                                                                  : BF_TEMPORARY_LOADED,
                              index, buf);
}

/* Of another run of this daemon only the file is known. */
static bool is_proof_here(const struct dest_drive *drive, uint32_t index)
{
    char path[BF_CARRIER_PATH_MAX + 1];
    bool delta = drive->wish.round == BF_ROUND_DELTA;

    if (delta ? !dest_has_delta(drive, index) || dest_is_delta_empty(drive, index)
              : !drive->offer.bitmaps[index].served || !drive->offer.states[index].recording)
        return false;
    return access(bf_carrier_path(drive->config, drive->move->id, drive->wish.round, index, path),
                  R_OK) == 0;
}

static bool is_to_load(const struct dest_drive *drive, uint32_t index)
{
    if (drive->wish.kind == BF_DEST_INSPECT)
        return drive->offer.disks[dest_disk_of(drive, index)].node[0] &&
               is_proof_here(drive, index);
    return dest_wants(drive, index) && written(drive, index)->known;
}

/* Whatever was loaded early is no less in doubt. */
static void doubt(struct dest_drive *drive)
{
    dest_early_forget(drive);
    if (drive->wish.kind == BF_DEST_INSPECT)
        dest_repeat(drive);
    else
        dest_doubt(drive);
}

/* --- proof --- */

static void on_measured(void *ctx, const struct bf_live_measure *measures, uint32_t nr_measures,
                        const struct bf_error *err)
{
    struct dest_drive *drive = ctx;
    uint32_t at = 0;

    if (!dest_op_ended(drive))
        return;
    if (err) {
        doubt(drive);
        return;
    }
    for (uint32_t i = 0; i < dest_nr_items(drive) && at < nr_measures; i++) {
        const struct bf_live_measure *measure;

        if (!is_to_load(drive, i))
            continue;
        measure = &measures[at++];
        if (drive->wish.kind == BF_DEST_INSPECT)
            dest_note_proof(drive, i, measure);
        else if (!bf_live_measure_is(measure, &written(drive, i)->summary))
            dest_drop_item(drive, i,
                           measure->found ? BF_DROP_DIGEST_MISMATCH : BF_DROP_LOAD_REFUSED);
    }
    bf_fail_point("dest.loaded");
    if (drive->wish.kind == BF_DEST_INSPECT)
        drive->loaded_step(drive);
    else
        dest_answer(drive, BF_DEST_DONE);
}

static void prove(struct dest_drive *drive)
{
    uint32_t nr = dest_nr_items(drive);
    struct bf_live_place *places = calloc(nr + 1U, sizeof *places);
    char(*names)[BF_TEMPORARY_NAME_MAX + 1] = calloc(nr + 1U, sizeof *names);
    uint32_t nr_places = 0;
    int r = -1;

    for (uint32_t i = 0; i < nr && places && names; i++) {
        if (is_to_load(drive, i))
            places[nr_places++] = (struct bf_live_place){
                drive->offer.disks[dest_disk_of(drive, i)].node, temporary(drive, i, names[i])};
    }
    if (places && names)
        r = bf_live_measure(bf_qemu_live(drive->qemu), places, nr_places, BF_LIVE_DIGESTS,
                            BF_QEMU_SPILL_MS, on_measured, drive, NULL);
    free(places);
    free(names);
    if (r == 0)
        dest_op_began(drive);
    else
        doubt(drive);
}

/* --- one after the other --- */

static void load_next(struct dest_drive *drive);

void dest_report_load(struct dest_drive *drive, const struct bf_error *err)
{
    bf_log(BF_LOG_WARNING, "move %s: loading: %s", drive->move->id, err->text);
    bf_carrier_denied(drive->config, drive->move, err);
}

static void on_loaded(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;

    if (!dest_op_ended(drive))
        return;
    if (end != BF_LIVE_DONE)
        dest_report_load(drive, err);
    if (end == BF_LIVE_UNKNOWN) {
        doubt(drive);
        return;
    }
    drive->cursor++; /* what QEMU refused is not found when it is proven */
    load_next(drive);
}

int dest_load_item(struct dest_drive *drive, uint32_t index, bf_live_done_fn done)
{
    char path[BF_CARRIER_PATH_MAX + 1];
    char name[BF_TEMPORARY_NAME_MAX + 1];
    struct bf_live_load_item item = {
        .name = BF_FETCH_BITMAP,
        .bitmap = temporary(drive, index, name),
        .granularity_bytes = dest_granularity_of(drive, index),
    };
    struct bf_live_load load = {
        .path = bf_carrier_path(drive->config, drive->move->id, drive->wish.round, index, path),
        .node = drive->offer.disks[dest_disk_of(drive, index)].node,
        .items = &item,
        .nr_items = 1,
    };

    return bf_live_load(bf_qemu_live(drive->qemu), &load, BF_QEMU_SPILL_MS, done, drive, &drive->op,
                        NULL);
}

static void load_next(struct dest_drive *drive)
{
    while (drive->cursor < dest_nr_items(drive) &&
           (!is_to_load(drive, drive->cursor) || dest_early_was_loaded(drive, drive->cursor)))
        drive->cursor++;
    if (drive->cursor == dest_nr_items(drive))
        prove(drive);
    else if (bf_qemu_live(drive->qemu) && dest_load_item(drive, drive->cursor, on_loaded) == 0)
        dest_op_began(drive);
    else
        doubt(drive);
}

void dest_load(struct dest_drive *drive)
{
    bf_fail_point("dest.pulled");
    if (drive->early_lost)
        doubt(drive);
    else
        load_next(drive);
}

void dest_load_proofs(struct dest_drive *drive, enum bf_round round,
                      void (*next)(struct dest_drive *drive))
{
    drive->wish.round = round;
    drive->loaded_step = next;
    drive->cursor = 0;
    load_next(drive);
}
