/* SERVE: snapshots or deltas out of QEMU into carriers, one bitmap a file, and nbdkit before them.
 *
 *     start nbdkit  ->  deltas: stop them recording  ->  measure  ->  read one after the other
 * (read.c)
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

static int serve_all(struct source_drive *drive, struct bf_error *err)
{
    uint32_t nr = source_nr_items(drive);
    BF_CLEANUP(bf_freep) struct bf_server_carrier *carriers = calloc(nr + 1U, sizeof *carriers);
    BF_CLEANUP(bf_freep) char(*paths)[SOURCE_PATH_BYTES] = calloc(nr + 1U, sizeof *paths);
    BF_CLEANUP(bf_freep) char(*names)[16] = calloc(nr + 1U, sizeof *names);
    size_t nr_carriers = 0;

    if (!carriers || !paths || !names)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to serve bitmaps");
    for (uint32_t i = 0; i < nr; i++) {
        if (!source_item_wanted(drive, i))
            continue;
        source_carrier_path(drive, drive->wish.round, i, paths[i]);
        (void)snprintf(names[i], sizeof names[i], "%u", (unsigned)i);
        carriers[nr_carriers++] = (struct bf_server_carrier){names[i], paths[i]};
    }
    if (nr_carriers == 0)
        return bf_error_set(err, BF_E_IO, "no bitmap could be read");
    return bf_server_serve(drive->server, carriers, nr_carriers, err);
}

/* The destination has the snapshots when it asks for the deltas, which may need their room. */
static void delete_snapshots(const struct source_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++)
        source_carrier_delete(drive, BF_ROUND_RECORDING, i);
}

/* Nothing of an earlier try may be taken for what is to come. */
static int serve_anew(struct source_drive *drive, struct bf_error *err)
{
    if (drive->wish.round == BF_ROUND_DELTA)
        delete_snapshots(drive);
    for (uint32_t i = 0; i < source_nr_items(drive); i++)
        source_carrier_delete(drive, drive->wish.round, i);
    return serve_all(drive, err);
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

    if (serve_all(drive, &err) < 0)
        source_serve_refuse(drive, "serving", &err);
    else
        source_serve_answer(drive);
}

/* --- measure --- */

static bool can_be_summarized(const struct bf_live_measure *measure)
{
    return measure->found && measure->no_digests && !measure->inconsistent;
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
        if (!bf_offer_travels(&drive->offer, drive->wish.round, i))
            continue;
        *source_item_known(drive, i) = (struct bf_known){
            measures[at].digested && source_item_wanted(drive, i), measures[at].summary};
        if (!measures[at].digested && !can_be_summarized(&measures[at]) &&
            source_item_wanted(drive, i))
            source_item_drop(drive, i, BF_DROP_SERVE_FAILED);
        else
            source_item_progress(drive, i, 0, source_item_bytes(drive, i));
        at++;
    }
    if (!source_must_not_export(drive))
        drive->no_spill = drive->no_spill || drive->move->plan.read == BF_READ_BLOCK_STATUS;
    source_read_next(drive);
}

static void measure(struct source_drive *drive)
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

/* --- deltas --- */

static void on_disabled(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (end == BF_LIVE_DONE)
        measure(drive);
    else
        source_serve_refuse(drive, "ending the deltas", err);
}

static void disable_deltas(struct source_drive *drive)
{
    struct bf_live_actions actions;
    char name[BF_TEMPORARY_NAME_MAX + 1];
    struct bf_error err = BF_ERROR_INIT;

    bf_live_actions_begin(&actions);
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        if (source_item_wanted(drive, i))
            bf_live_actions_disable(&actions, drive->offer.disks[i].node,
                                    source_item_temporary(drive, i, name));
    }
    if (bf_live_run(bf_qemu_live(drive->qemu), &actions, BF_QEMU_DEADLINE_MS, on_disabled, drive,
                    &err) == 0)
        source_op_began(drive);
    else
        source_serve_refuse(drive, "ending the deltas", &err);
}

/* Disks that were unplugged, swapped or resized meanwhile must not cost the others. */
static enum bf_drop judge_disk(const struct source_drive *drive, uint32_t disk,
                               const struct bf_live_survey *seen)
{
    const struct bf_offer_disk *offered = &drive->offer.disks[disk];
    const struct bf_live_disk *found = bf_live_survey_disk(seen, offered->name);

    if (!found || found->node[0] == '\0')
        return BF_DROP_BITMAP_VANISHED;
    if (found->size_bytes != offered->size_bytes)
        return BF_DROP_DISK_RESIZED;
    return source_find_temporary(drive, seen, BF_TEMPORARY_DELTA, disk) ? BF_DROP_NONE
                                                                        : BF_DROP_DELTA_LOST;
}

static void on_disks_seen(void *ctx, struct bf_live_survey *seen, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (err) {
        source_serve_refuse(drive, "looking at the disks", err);
        return;
    }
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        enum bf_drop drop = judge_disk(drive, i, seen);

        if (drop != BF_DROP_NONE && source_item_wanted(drive, i))
            source_item_drop(drive, i, drop);
    }
    disable_deltas(drive);
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
    else if (drive->wish.round != BF_ROUND_DELTA)
        measure(drive);
    else if (source_look(drive, on_disks_seen) < 0)
        disable_deltas(drive);
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
