/* SERVE: snapshots or deltas out of QEMU into carriers, one bitmap a file, and nbdkit before them.
 *
 *     start nbdkit  ->  deltas: stop them recording (deltas.c)  ->  measure  ->  read one after the
 * other (read.c)
 */
#include "drive.h"

#include "base/fail_point.h"
#include "daemon/log.h"

#include <stdio.h>
#include <stdlib.h>

void source_serve_refuse(struct source_drive *drive, const char *doing, const struct bf_error *err)
{
    bf_log(BF_LOG_WARNING, "move %s: %s: %s", drive->move->id, doing, err->text);
    source_answer(drive, BF_SOURCE_REFUSED);
}

/* --- serve --- */

/** What nbdkit is told of, all of an epoch at once: what is not there yet is waited for. */
struct listing {
    struct bf_server_carrier *carriers;
    char (*paths)[SOURCE_PATH_BYTES];
    char (*names)[BF_EXPORT_DISK_BYTES];
    size_t nr;
};

static void release(struct listing *listing)
{
    free(listing->carriers);
    free(listing->paths);
    free(listing->names);
}

static bool reserve(struct listing *listing, size_t nr)
{
    *listing = (struct listing){.carriers = calloc(nr + 1, sizeof *listing->carriers),
                                .paths = calloc(nr + 1, sizeof *listing->paths),
                                .names = calloc(nr + 1, sizeof *listing->names)};
    return listing->carriers && listing->paths && listing->names;
}

static void list(const struct source_drive *drive, enum bf_round round, uint32_t index,
                 struct listing *listing)
{
    char *path = listing->paths[listing->nr];
    char *name = listing->names[listing->nr];

    source_carrier_path(drive, round, index, path);
    listing->carriers[listing->nr++] =
        (struct bf_server_carrier){bf_export_disk(round, index, name), path};
}

static void list_all(const struct source_drive *drive, struct listing *listing)
{
    const struct bf_offer *offer = &drive->offer;

    for (uint32_t i = 0; i < offer->nr_bitmaps; i++) {
        if (bf_offer_travels(offer, BF_ROUND_FROZEN, i))
            list(drive, BF_ROUND_FROZEN, i, listing);
        else if (bf_offer_travels(offer, BF_ROUND_RECORDING, i))
            list(drive, BF_ROUND_RECORDING, i, listing);
    }
    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        if (bf_offer_travels(offer, BF_ROUND_DELTA, i))
            list(drive, BF_ROUND_DELTA, i, listing);
    }
}

/* A client that comes for a delta finds an nbdkit that runs; one that hung before that is replaced.
 */
static bool is_served(const struct source_drive *drive)
{
    return drive->wish.round == BF_ROUND_DELTA && drive->serving_epoch == drive->wish.epoch;
}

static int serve_epoch(struct source_drive *drive, struct bf_error *err)
{
    struct listing listing;
    int r = 0;

    if (is_served(drive))
        return 0;
    if (reserve(&listing, (size_t)drive->offer.nr_bitmaps + drive->offer.nr_disks))
        list_all(drive, &listing);
    else
        r = bf_error_set(err, BF_E_NO_MEMORY, "no memory to serve bitmaps");
    if (r == 0)
        r = bf_server_serve(drive->server, listing.carriers, listing.nr, err);
    release(&listing);
    if (r == 0)
        drive->serving_epoch = drive->wish.epoch;
    return r;
}

static void delete_carriers(const struct source_drive *drive, enum bf_round round, uint32_t nr)
{
    for (uint32_t i = 0; i < nr; i++)
        source_carrier_delete(drive, round, i);
}

/* Nothing of an earlier epoch may be taken for what is to come.  The destination has the snapshots
 * when it asks for the deltas, which may need their room. */
static int serve_anew(struct source_drive *drive, struct bf_error *err)
{
    bool again = is_served(drive);

    if (!again || drive->wish.round == BF_ROUND_DELTA)
        delete_carriers(drive, BF_ROUND_RECORDING, drive->offer.nr_bitmaps);
    if (!again)
        delete_carriers(drive, BF_ROUND_DELTA, drive->offer.nr_disks);
    return serve_epoch(drive, err);
}

void source_serve_answer(struct source_drive *drive)
{
    bf_fail_point("source.read");
    source_answer(drive, BF_SOURCE_DONE);
    bf_fail_point("source.served");
}

void source_serve_carriers(struct source_drive *drive)
{
    struct bf_error err = BF_ERROR_INIT;
    int r = source_any_item_wanted(drive) ? serve_epoch(drive, &err)
                                          : bf_error_set(&err, BF_E_IO, "no bitmap could be read");

    if (r < 0)
        source_serve_refuse(drive, "serving", &err);
    else
        source_serve_answer(drive);
}

/* --- measure --- */

static bool can_be_summarized(const struct bf_live_measure *measure)
{
    return measure->found && measure->no_digests && !measure->inconsistent;
}

static enum bf_drop judge(const struct source_drive *drive, uint32_t item,
                          const struct bf_live_measure *measure)
{
    const struct bf_offer_disk *disk = &drive->offer.disks[source_item_disk(drive, item)];

    if (measure->found && measure->disk_size_bytes != disk->size_bytes)
        return BF_DROP_DISK_RESIZED;
    return measure->digested || can_be_summarized(measure) ? BF_DROP_NONE : BF_DROP_SERVE_FAILED;
}

static void on_measured(void *ctx, const struct bf_live_measure *measures, uint32_t nr_measures,
                        const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    uint32_t at = 0;

    if (!source_op_ended(drive))
        return;
    if (err) {
        source_serve_refuse(drive, "measuring", err);
        return;
    }
    for (uint32_t i = 0; i < source_nr_items(drive) && at < nr_measures; i++) {
        enum bf_drop drop;

        if (!bf_offer_travels(&drive->offer, drive->wish.round, i))
            continue;
        drop = judge(drive, i, &measures[at]);
        *source_item_known(drive, i) = (struct bf_known){
            measures[at].digested && source_item_wanted(drive, i), measures[at].summary};
        if (drop != BF_DROP_NONE && source_item_wanted(drive, i))
            source_item_drop(drive, i, drop);
        else
            source_item_progress(drive, i, 0, source_item_bytes(drive, i));
        at++;
    }
    if (!source_must_not_export(drive))
        drive->no_spill = drive->no_spill || drive->move->plan.read == BF_READ_BLOCK_STATUS;
    source_read_next(drive);
}

void source_serve_measure(struct source_drive *drive)
{
    uint32_t nr = source_nr_items(drive);
    BF_CLEANUP(bf_freep) struct bf_live_place *places = calloc(nr + 1U, sizeof *places);
    BF_CLEANUP(bf_freep)
    char(*names)[BF_TEMPORARY_NAME_MAX + 1] = calloc(nr + 1U, sizeof *names);
    struct bf_error err = BF_ERROR_INIT;
    uint32_t nr_places = 0;
    int r = places && names ? 0 : bf_error_set(&err, BF_E_NO_MEMORY, "no memory to measure");

    for (uint32_t i = 0; i < nr && r == 0; i++) {
        if (bf_offer_travels(&drive->offer, drive->wish.round, i))
            places[nr_places++] =
                (struct bf_live_place){drive->offer.disks[source_item_disk(drive, i)].node,
                                       source_item_temporary(drive, i, names[i])};
    }
    if (r == 0)
        r = bf_live_measure(bf_qemu_live(drive->qemu), places, nr_places, BF_LIVE_DIGESTS,
                            BF_QEMU_SPILL_MS, on_measured, drive, &err);
    if (r == 0)
        source_op_began(drive);
    else
        source_serve_refuse(drive, "measuring", &err);
}

static void forget_deltas(struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++)
        drive->offer.deltas[i].known = false;
}

static void serve_out_of_qemu(struct source_drive *drive)
{
    struct bf_error err = BF_ERROR_INIT;

    if (!bf_qemu_live(drive->qemu))
        (void)bf_error_set(&err, BF_E_PEER, "QEMU is gone");
    else if (source_carriers_begin(drive, &err) == 0)
        (void)serve_anew(drive, &err);
    if (err.code != BF_E_NONE)
        source_serve_refuse(drive, "reading", &err);
    else if (drive->wish.round == BF_ROUND_DELTA)
        source_end_deltas(drive);
    else
        source_serve_measure(drive);
}

void source_serve(struct source_drive *drive)
{
    bool delta = drive->wish.round == BF_ROUND_DELTA;

    if (delta)
        forget_deltas(drive);
    if (delta && drive->kept == SOURCE_KEPT)
        source_serve_kept(drive);
    else
        serve_out_of_qemu(drive);
}
