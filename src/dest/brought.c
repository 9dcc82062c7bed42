/* INSPECT where QEMU brings all bitmaps by itself, and nothing of ours could be in it before the
 * guest ran.
 *
 *     final names, with digests  ->  snapshots and deltas are loaded  ->  native.c compares  ->
 *     query-status
 *
 * What was announced says what must be there at least.  Of a recording bitmap that is a count, for
 * which the guest may have made up before anybody looked; so the snapshot that the source took
 * while the guest was there still, and the delta of what was written until it was paused, are
 * compared bit by bit with what came.  Where either could not be had, the count is all there is.
 */
#include "drive.h"

#include "daemon/log.h"

#include <stdlib.h>
#include <string.h>

static bool is_here(const struct dest_drive *drive, uint32_t disk)
{
    return drive->offer.disks[disk].node[0] != '\0';
}

static void look_again(struct dest_drive *drive, const struct bf_error *err)
{
    bf_log(BF_LOG_WARNING, "move %s: looking at what QEMU has brought: %s", drive->move->id,
           err ? err->text : "not connected");
    dest_repeat(drive);
}

static void on_status(void *ctx, const json_t *result, const struct bf_error *err)
{
    struct dest_drive *drive = ctx;
    const char *status = json_string_value(json_object_get(result, "status"));

    if (!dest_op_ended(drive))
        return;
    if (err) {
        look_again(drive, err);
        return;
    }
    drive->found.guest_runs = dest_may_have_run(drive, status ? status : "");
    dest_answer_inspected(drive);
}

/* --- the verdict --- */

static void drop(struct dest_drive *drive, uint32_t index, enum bf_drop reason)
{
    drive->found.bitmaps[index] &= BF_FOUND_FINAL;
    drive->offer.bitmaps[index].proof = BF_BY_NOTHING;
    drive->drops[index] = (uint8_t)reason;
}

/* With the snapshot alone it is open what was written behind it. */
static bool has_all_bits(const struct dest_drive *drive, uint32_t index)
{
    uint32_t disk = drive->offer.states[index].disk;

    return (drive->found.bitmaps[index] & BF_FOUND_SNAPSHOT) &&
           (dest_is_delta_empty(drive, disk) || (drive->found.bitmaps[index] & BF_FOUND_DELTA));
}

static void note_count(struct dest_drive *drive, uint32_t index)
{
    const char *disk = drive->offer.disks[drive->offer.states[index].disk].name;
    const char *name = drive->offer.bitmaps[index].name;
    struct bf_move_row *row = bf_move_row(drive->move, disk, name);

    bf_log(BF_LOG_WARNING,
           "move %s: only its count speaks for bitmap %s of disk %s: the snapshot, or what was "
           "written behind it, is not here to compare it with",
           drive->move->id, name, disk);
    if (row)
        bf_move_row_note(row, "proven by its count alone, for which writes of the guest may have "
                              "made up; 'require_bits = yes' drops such a bitmap");
}

static void conclude_one(struct dest_drive *drive, uint32_t index)
{
    enum bf_proof_of *proof = &drive->offer.bitmaps[index].proof;

    if (drive->proven[index] == DEST_SHORT) {
        drop(drive, index, BF_DROP_BROUGHT_SHORT);
        return;
    }
    if (drive->proven[index] == DEST_PROVEN && has_all_bits(drive, index))
        *proof = BF_BY_BITS;
    if (*proof == BF_BY_COUNT && drive->config->require_bits)
        drop(drive, index, BF_DROP_BROUGHT_UNPROVEN);
    else if (*proof == BF_BY_COUNT)
        note_count(drive, index);
    if (*proof != BF_BY_NOTHING)
        drive->found.bitmaps[index] |= BF_FOUND_SNAPSHOT | BF_FOUND_NATIVE;
}

static void ask_status(struct dest_drive *drive)
{
    if (!dest_query_status(drive, on_status))
        look_again(drive, NULL);
}

static void conclude(struct dest_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++)
        conclude_one(drive, i);
    ask_status(drive);
}

/* --- bit by bit --- */

bool dest_has_delta(const struct dest_drive *drive, uint32_t disk)
{
    return drive->offer.deltas[disk].known && bf_offer_matters(&drive->offer, disk);
}

bool dest_is_delta_empty(const struct dest_drive *drive, uint32_t disk)
{
    return dest_has_delta(drive, disk) && drive->offer.deltas[disk].summary.nr_dirty_bits == 0;
}

void dest_note_proof(struct dest_drive *drive, uint32_t index,
                     const struct bf_live_measure *measure)
{
    const struct bf_offer *offer = &drive->offer;
    bool delta = drive->wish.round == BF_ROUND_DELTA;
    const struct bf_known *known = delta ? &offer->deltas[index] : &offer->bitmaps[index].announced;

    if (measure->recording || !bf_live_measure_is(measure, &known->summary))
        return;
    if (!delta)
        drive->found.bitmaps[index] |= BF_FOUND_SNAPSHOT;
    for (uint32_t i = 0; i < offer->nr_bitmaps && delta; i++) {
        if (offer->states[i].disk == index && offer->states[i].recording)
            drive->found.bitmaps[i] |= BF_FOUND_DELTA;
    }
}

/* Only those that there is something to compare with. */
static void compare(struct dest_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->offer.bitmaps[i].proof == BF_BY_COUNT &&
            (drive->found.bitmaps[i] & BF_FOUND_SNAPSHOT))
            drive->found.bitmaps[i] |= BF_FOUND_NATIVE;
    }
    dest_prove_natives(drive, conclude);
}

static void load_deltas(struct dest_drive *drive)
{
    dest_load_proofs(drive, BF_ROUND_DELTA, compare);
}

/* The folder was made when nobody knew as whom QEMU would run.  What cannot be loaded time and
 * again is done without. */
static void load_proofs(struct dest_drive *drive)
{
    enum { TRIES_MAX = 3 };
    struct bf_live *live = bf_qemu_live(drive->qemu);

    if (!live || drive->nr_proofs++ >= TRIES_MAX) {
        conclude(drive);
        return;
    }
    (void)bf_carrier_folder_make(drive->config, drive->move->id, bf_live_identity(live), NULL);
    dest_load_proofs(drive, BF_ROUND_RECORDING, load_deltas);
}

/* --- what was announced --- */

/* All of it, if it was frozen; no less, if it has recorded since. */
static enum bf_proof_of judge(const struct dest_drive *drive, uint32_t index,
                              const struct bf_live_measure *measure)
{
    const struct bf_offer_bitmap *bitmap = &drive->offer.bitmaps[index];
    bool recording = drive->offer.states[index].recording;

    if (!bitmap->announced.known || measure->inconsistent || !measure->digested ||
        measure->recording != recording || measure->granularity_bytes != bitmap->granularity_bytes)
        return BF_BY_NOTHING;
    if (!recording)
        return bf_summary_equal(&measure->summary, &bitmap->announced.summary) ? BF_BY_DIGEST
                                                                               : BF_BY_NOTHING;
    return measure->summary.nr_dirty_bits >= bitmap->announced.summary.nr_dirty_bits
               ? BF_BY_COUNT
               : BF_BY_NOTHING;
}

static void judge_brought(struct dest_drive *drive, uint32_t index,
                          const struct bf_live_measure *measure)
{
    enum bf_proof_of *proof = &drive->offer.bitmaps[index].proof;

    if (!measure) {
        drive->drops[index] = BF_DROP_NODE_MISSING;
    } else if (!measure->found) {
        drive->drops[index] = BF_DROP_BROUGHT_BY_NOBODY;
    } else {
        drive->found.bitmaps[index] |= BF_FOUND_FINAL | BF_FOUND_FRESH;
        *proof = judge(drive, index, measure);
        if (*proof == BF_BY_NOTHING)
            drop(drive, index, BF_DROP_BROUGHT_SHORT);
    }
}

static bool is_judging(const struct dest_drive *drive)
{
    return drive->machine.state == BF_DEST_SURVEYING;
}

static void on_brought_seen(void *ctx, const struct bf_live_measure *measures, uint32_t nr_measures,
                            const struct bf_error *err)
{
    struct dest_drive *drive = ctx;
    uint32_t at = 0;

    if (!dest_op_ended(drive))
        return;
    if (err) {
        look_again(drive, err);
        return;
    }
    memset(drive->found.bitmaps, 0, drive->offer.nr_bitmaps);
    memset(drive->proven, DEST_UNCOMPARED, drive->offer.nr_bitmaps);
    drive->found.trackers = drive->found.deltas = false;
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        bool here = is_here(drive, drive->offer.states[i].disk) && at < nr_measures;
        const struct bf_live_measure *measure = here ? &measures[at++] : NULL;

        drive->offer.bitmaps[i].proof = BF_BY_NOTHING;
        if (is_judging(drive))
            judge_brought(drive, i, measure);
        else
            drive->found.bitmaps[i] |=
                measure && measure->found ? BF_FOUND_FINAL | BF_FOUND_FRESH : 0;
    }
    if (is_judging(drive))
        load_proofs(drive);
    else
        ask_status(drive);
}

void dest_inspect_brought(struct dest_drive *drive)
{
    struct bf_live_place *places = calloc(drive->offer.nr_bitmaps + 1U, sizeof *places);
    struct bf_live *live = bf_qemu_live(drive->qemu);
    uint32_t nr_places = 0;
    int r = -1;

    for (uint32_t i = 0; places && i < drive->offer.nr_bitmaps; i++) {
        if (is_here(drive, drive->offer.states[i].disk))
            places[nr_places++] =
                (struct bf_live_place){dest_node_of(drive, i), drive->offer.bitmaps[i].name};
    }
    if (places && live)
        r = bf_live_measure(live, places, nr_places, BF_LIVE_DIGESTS, BF_QEMU_SPILL_MS,
                            on_brought_seen, drive, NULL);
    free(places);
    if (r == 0)
        dest_op_began(drive);
    else
        look_again(drive, NULL);
}
