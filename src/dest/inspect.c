/* INSPECT: what of this move is in QEMU.
 *
 *     snapshots and deltas, with digests  ->  final names and trackers  ->  what QEMU has brought
 *     (native.c)  ->  query-status
 *
 * On one connection, in this order: when query-status says that the guest does not run, it did not
 * when the bitmaps were looked at either.
 */
#include "drive.h"

#include "daemon/log.h"

#include <stdlib.h>
#include <string.h>

/** Places to measure, and whose they are. */
struct looks {
    struct bf_live_place *places;
    char (*names)[BF_TEMPORARY_NAME_MAX + 1];
    uint32_t nr_places;
};

static void release(struct looks *looks)
{
    free(looks->places);
    free(looks->names);
}

static bool reserve(struct looks *looks, const struct bf_offer *offer)
{
    uint32_t nr = offer->nr_bitmaps + offer->nr_disks;

    *looks = (struct looks){.places = calloc(nr + 1U, sizeof *looks->places),
                            .names = calloc(nr + 1U, sizeof *looks->names)};
    return looks->places && looks->names;
}

static void add_temporary(struct looks *looks, const struct dest_drive *drive, uint32_t disk,
                          enum bf_temporary_kind kind, uint32_t index)
{
    looks->places[looks->nr_places] = (struct bf_live_place){
        drive->offer.disks[disk].node, bf_offer_temporary(&drive->offer, drive->wish.epoch, kind,
                                                          index, looks->names[looks->nr_places])};
    looks->nr_places++;
}

static bool is_here(const struct dest_drive *drive, uint32_t disk)
{
    return drive->offer.disks[disk].node[0] != '\0';
}

static bool wants_disk(const struct dest_drive *drive, uint32_t disk)
{
    return is_here(drive, disk) && bf_offer_matters(&drive->offer, disk);
}

static void look_again(struct dest_drive *drive, const struct bf_error *err)
{
    bf_log(BF_LOG_WARNING, "move %s: looking at QEMU's bitmaps: %s", drive->move->id,
           err ? err->text : "not connected");
    dest_repeat(drive);
}

static bool measure(struct dest_drive *drive, struct looks *looks, enum bf_live_digests digests,
                    bf_live_measure_fn done)
{
    struct bf_live *live = bf_qemu_live(drive->qemu);
    int r = -1;

    if (live && looks->places)
        r = bf_live_measure(live, looks->places, looks->nr_places, digests, BF_QEMU_SPILL_MS, done,
                            drive, NULL);
    release(looks);
    if (r == 0)
        dest_op_began(drive);
    return r == 0;
}

/* --- query-status --- */

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

/* --- final names and trackers --- */

static void ask_status(struct dest_drive *drive)
{
    if (!dest_query_status(drive, on_status))
        look_again(drive, NULL);
}

/* It stays only if nothing of ours is missing in it. */
static void on_natives_compared(struct dest_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->proven[i] != DEST_PROVEN)
            drive->found.bitmaps[i] &= (uint8_t)~BF_FOUND_NATIVE;
        else if (drive->found.bitmaps[i] & BF_FOUND_SNAPSHOT)
            drive->offer.bitmaps[i].proof = BF_BY_BITS;
    }
    ask_status(drive);
}

/* What QEMU has brought counts where it is decided what stays. */
static bool judges_natives(const struct dest_drive *drive)
{
    return drive->machine.state == BF_DEST_SURVEYING ||
           drive->machine.state == BF_DEST_SURVEYING_UNDO;
}

static uint8_t judge_final(const struct dest_drive *drive, uint32_t index,
                           const struct bf_live_measure *measure)
{
    const struct bf_offer_bitmap *bitmap = &drive->offer.bitmaps[index];
    bool stores = drive->offer.disks[drive->offer.states[index].disk].stores;
    uint8_t found = BF_FOUND_FINAL;

    if (bitmap->fresh && !measure->inconsistent) /* such a one nobody has brought */
        found |= BF_FOUND_FRESH;
    /* one that is called persistent, and cannot be stored, is none that could stay */
    if (drive->offer.states[index].native && judges_natives(drive) && !measure->inconsistent &&
        measure->persistent == (bitmap->persistent && stores) &&
        measure->recording == drive->offer.states[index].recording &&
        measure->granularity_bytes == bitmap->granularity_bytes)
        found |= BF_FOUND_NATIVE; /* to be proven */
    return found;
}

static void on_names_seen(void *ctx, const struct bf_live_measure *measures, uint32_t nr_measures,
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
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps && at < nr_measures; i++) {
        if (!is_here(drive, drive->offer.states[i].disk) || !measures[at++].found)
            continue;
        drive->offer.bitmaps[i].locked = measures[at - 1].locked;
        if (!drive->offer.bitmaps[i].stays)
            drive->found.bitmaps[i] |= judge_final(drive, i, &measures[at - 1]);
    }
    drive->found.trackers = true;
    for (uint32_t i = 0; i < drive->offer.nr_disks && at < nr_measures; i++) {
        if (!wants_disk(drive, i))
            continue;
        drive->found.trackers =
            drive->found.trackers && measures[at].found && measures[at].recording;
        at++;
    }
    dest_prove_natives(drive, on_natives_compared);
}

static void look_at_names(struct dest_drive *drive)
{
    struct looks looks;

    if (!reserve(&looks, &drive->offer)) {
        release(&looks);
        look_again(drive, NULL);
        return;
    }
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (is_here(drive, drive->offer.states[i].disk))
            looks.places[looks.nr_places++] =
                (struct bf_live_place){dest_node_of(drive, i), drive->offer.bitmaps[i].name};
    }
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        if (wants_disk(drive, i))
            add_temporary(&looks, drive, i, BF_TEMPORARY_TRACKER, i);
    }
    if (!measure(drive, &looks, BF_LIVE_COUNTS, on_names_seen))
        look_again(drive, NULL);
}

/* --- snapshots and deltas --- */

/* What a temporary must hold: what was loaded, or, after a restart, what was announced, if it was
 * not laid out for a larger disk. */
static bool is_expected(const struct bf_live_measure *measure, const struct bf_known *loaded,
                        const struct bf_known *announced, const struct bf_offer_disk *disk)
{
    if (measure->recording)
        return false;
    if (loaded->known)
        return bf_live_measure_is(measure, &loaded->summary);
    return announced->known && disk->size_bytes == disk->placed_size_bytes &&
           bf_live_measure_is(measure, &announced->summary);
}

static void note_delta(struct dest_drive *drive, uint32_t disk, bool is_there)
{
    const struct bf_offer *offer = &drive->offer;

    drive->found.deltas = drive->found.deltas && is_there;
    for (uint32_t i = 0; i < offer->nr_bitmaps && is_there; i++) {
        if (offer->states[i].disk == disk && offer->states[i].recording)
            drive->found.bitmaps[i] |= BF_FOUND_DELTA;
    }
}

static void on_loads_seen(void *ctx, const struct bf_live_measure *measures, uint32_t nr_measures,
                          const struct bf_error *err)
{
    struct dest_drive *drive = ctx;
    const struct bf_offer *offer = &drive->offer;
    uint32_t at = 0;

    if (!dest_op_ended(drive))
        return;
    if (err) {
        look_again(drive, err);
        return;
    }
    memset(drive->found.bitmaps, 0, offer->nr_bitmaps);
    for (uint32_t i = 0; i < offer->nr_bitmaps && at < nr_measures; i++) {
        uint32_t disk = offer->states[i].disk;

        if (is_here(drive, disk) && is_expected(&measures[at++], &offer->bitmaps[i].loaded,
                                                &offer->bitmaps[i].announced, &offer->disks[disk]))
            drive->found.bitmaps[i] |= BF_FOUND_SNAPSHOT;
    }
    drive->found.deltas = true;
    for (uint32_t i = 0; i < offer->nr_disks && at < nr_measures; i++) {
        if (wants_disk(drive, i))
            note_delta(drive, i,
                       is_expected(&measures[at++], &offer->loaded_deltas[i], &offer->deltas[i],
                                   &offer->disks[i]));
    }
    look_at_names(drive);
}

void dest_inspect(struct dest_drive *drive)
{
    struct looks looks;

    if (drive->offer.kind == BF_HANDOFF_NATIVE) {
        dest_inspect_brought(drive);
        return;
    }

    if (!reserve(&looks, &drive->offer)) {
        release(&looks);
        look_again(drive, NULL);
        return;
    }
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (is_here(drive, drive->offer.states[i].disk))
            add_temporary(&looks, drive, drive->offer.states[i].disk, BF_TEMPORARY_LOADED, i);
    }
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        if (wants_disk(drive, i))
            add_temporary(&looks, drive, i, BF_TEMPORARY_LOADED_DELTA, i);
    }
    if (!measure(drive, &looks, BF_LIVE_DIGESTS, on_loads_seen))
        look_again(drive, NULL);
}
