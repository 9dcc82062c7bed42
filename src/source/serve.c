/* SERVE: snapshots and deltas into carriers, one bitmap a file, and nbdkit in front of them.
 *
 *     DELTA: disable all of them  ->  measure  ->  spill one after the other  ->  serve
 */
#include "drive.h"

#include "daemon/log.h"
#include "drive/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CARRIER_PATH_BYTES = 512 };

static const char *round_name(enum bf_round round)
{
    return round == BF_ROUND_DELTA ? "delta" : round == BF_ROUND_FROZEN ? "frozen" : "recording";
}

void source_carrier_path(const struct source_drive *drive, enum bf_round round, uint32_t index,
                         char *buf, size_t nr_bytes)
{
    (void)snprintf(buf, nr_bytes, "%s/%s.%u.carrier.qcow2", drive->move->folder->path,
                   round_name(round), (unsigned)index);
}

void source_delete_carriers(struct source_drive *drive)
{
    char path[CARRIER_PATH_BYTES];

    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        source_carrier_path(drive,
                            drive->offer.states[i].recording ? BF_ROUND_RECORDING : BF_ROUND_FROZEN,
                            i, path, sizeof path);
        (void)unlink(path);
    }
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        source_carrier_path(drive, BF_ROUND_DELTA, i, path, sizeof path);
        (void)unlink(path);
    }
}

static bool is_delta(const struct source_drive *drive)
{
    return drive->wish.round == BF_ROUND_DELTA;
}

static uint32_t nr_items(const struct source_drive *drive)
{
    return is_delta(drive) ? drive->offer.nr_disks : drive->offer.nr_bitmaps;
}

static const char *temporary(const struct source_drive *drive, uint32_t index, char *buf)
{
    return bf_offer_temporary(&drive->offer, drive->wish.epoch,
                              is_delta(drive) ? BF_TEMPORARY_DELTA : BF_TEMPORARY_SNAPSHOT, index,
                              buf);
}

static uint32_t disk_of(const struct source_drive *drive, uint32_t index)
{
    return is_delta(drive) ? index : drive->offer.states[index].disk;
}

static void drop_item(struct source_drive *drive, uint32_t index, enum bf_drop reason)
{
    if (!is_delta(drive)) {
        drive->drops[index] = (uint8_t)reason;
        return;
    }
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->offer.states[i].disk == index && drive->offer.states[i].recording)
            drive->drops[i] = (uint8_t)reason;
    }
}

static bool travels(const struct source_drive *drive, uint32_t index)
{
    return bf_offer_travels(&drive->offer, drive->wish.round, index);
}

static bool is_dropped(const struct source_drive *drive, uint32_t index)
{
    if (!is_delta(drive))
        return drive->drops[index] != BF_DROP_NONE;
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (drive->offer.states[i].disk == index && drive->offer.states[i].recording &&
            drive->drops[i] != BF_DROP_NONE)
            return true;
    }
    return false;
}

/* --- serve -------------------------------------------------------------------------------------
 */

static void on_server_failed(void *ctx, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    bf_log(BF_LOG_ERROR, "move %s: %s", drive->move->id, err->text);
    /* The destination's tries come to nothing, and it drops what it could not fetch. */
}

static int ensure_server(struct source_drive *drive, struct bf_error *err)
{
    char log_path[CARRIER_PATH_BYTES];
    struct bf_server_spec spec = {.address = drive->config->address,
                                  .tls_certificates = source_tls_certificates(),
                                  .log_path = log_path};

    if (drive->server)
        return 0;
    (void)snprintf(log_path, sizeof log_path, "%s/nbdkit.log", drive->move->folder->path);
    return bf_server_new(drive->loop, &spec, on_server_failed, drive, &drive->server, err);
}

static int serve_all(struct source_drive *drive, struct bf_error *err)
{
    uint32_t nr = nr_items(drive);
    struct bf_server_carrier *carriers = calloc(nr + 1U, sizeof *carriers);
    char(*paths)[CARRIER_PATH_BYTES] = calloc(nr + 1U, sizeof *paths);
    char(*names)[16] = calloc(nr + 1U, sizeof *names);
    size_t nr_carriers = 0;
    int r = carriers && paths && names ? ensure_server(drive, err)
                                       : bf_error_set(err, BF_E_NO_MEMORY, "no memory to serve");

    for (uint32_t i = 0; i < nr && r == 0; i++) {
        if (!travels(drive, i) || is_dropped(drive, i))
            continue;
        source_carrier_path(drive, drive->wish.round, i, paths[i], sizeof paths[i]);
        (void)snprintf(names[i], sizeof names[i], "%u", (unsigned)i);
        carriers[nr_carriers++] = (struct bf_server_carrier){names[i], paths[i]};
    }
    if (r == 0 && nr_carriers == 0)
        r = bf_error_set(err, BF_E_IO, "no bitmap could be read");
    if (r == 0)
        r = bf_server_serve(drive->server, carriers, nr_carriers, err);
    free(carriers);
    free(paths);
    free(names);
    return r;
}

static void finish(struct source_drive *drive)
{
    struct bf_error err = BF_ERROR_INIT;

    if (serve_all(drive, &err) == 0) {
        source_answer(drive, BF_SOURCE_DONE);
        return;
    }
    bf_log(BF_LOG_WARNING, "move %s: serving: %s", drive->move->id, err.text);
    source_answer(drive, BF_SOURCE_REFUSED);
}

/* --- spill --------------------------------------------------------------------------------------
 */

static void spill_next(struct source_drive *drive);

static void on_spilled(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (end != BF_LIVE_DONE) {
        bf_log(BF_LOG_WARNING, "move %s: spilling: %s", drive->move->id, err->text);
        drop_item(drive, drive->cursor, BF_DROP_SERVE_FAILED);
        if (end == BF_LIVE_UNKNOWN) {
            bf_qemu_restart(drive->qemu);
            source_answer(drive, BF_SOURCE_REFUSED);
            return;
        }
    }
    drive->cursor++;
    spill_next(drive);
}

static void spill_next(struct source_drive *drive)
{
    const struct bf_offer *offer = &drive->offer;
    char path[CARRIER_PATH_BYTES];
    char name[BF_TEMPORARY_NAME_MAX + 1];
    struct bf_live_spill_item item = {.bitmap = name, .name = BF_FETCH_BITMAP};
    struct bf_live_spill spill = {.path = path, .items = &item, .nr_items = 1};
    uint32_t disk;

    while (drive->cursor < nr_items(drive) &&
           (!travels(drive, drive->cursor) || is_dropped(drive, drive->cursor)))
        drive->cursor++;
    if (drive->cursor == nr_items(drive)) {
        finish(drive);
        return;
    }
    disk = disk_of(drive, drive->cursor);
    (void)temporary(drive, drive->cursor, name);
    source_carrier_path(drive, drive->wish.round, drive->cursor, path, sizeof path);
    (void)unlink(path);
    item.node = offer->disks[disk].node;
    item.granularity_bytes = is_delta(drive) ? bf_offer_finest(offer, disk)
                                             : offer->bitmaps[drive->cursor].granularity_bytes;
    spill.size_bytes = offer->disks[disk].size_bytes;
    if (bf_live_spill(bf_qemu_live(drive->qemu), &spill, BF_QEMU_SPILL_MS, on_spilled, drive,
                      &drive->op, NULL) == 0)
        source_op_began(drive);
    else
        source_answer(drive, BF_SOURCE_REFUSED);
}

/* --- measure ------------------------------------------------------------------------------------
 */

static void on_measured(void *ctx, const struct bf_live_measure *measures, uint32_t nr_measures,
                        const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    uint32_t at = 0;

    if (!source_op_ended(drive))
        return;
    if (err) {
        bf_log(BF_LOG_WARNING, "move %s: measuring: %s", drive->move->id, err->text);
        source_answer(drive, BF_SOURCE_REFUSED);
        return;
    }
    for (uint32_t i = 0; i < nr_items(drive); i++) {
        struct bf_known *known =
            is_delta(drive) ? &drive->offer.deltas[i] : &drive->offer.bitmaps[i].announced;

        if (!travels(drive, i) || at >= nr_measures)
            continue;
        *known = (struct bf_known){measures[at].digested, measures[at].summary};
        if (!known->known)
            drop_item(drive, i, BF_DROP_SERVE_FAILED);
        at++;
    }
    spill_next(drive);
}

static void measure(struct source_drive *drive)
{
    uint32_t nr = nr_items(drive);
    struct bf_live_place *places = calloc(nr + 1U, sizeof *places);
    char(*names)[BF_TEMPORARY_NAME_MAX + 1] = calloc(nr + 1U, sizeof *names);
    uint32_t nr_places = 0;
    int r = -1;

    for (uint32_t i = 0; i < nr && places && names; i++) {
        if (travels(drive, i))
            places[nr_places++] = (struct bf_live_place){drive->offer.disks[disk_of(drive, i)].node,
                                                         temporary(drive, i, names[i])};
    }
    if (places && names)
        r = bf_live_measure(bf_qemu_live(drive->qemu), places, nr_places, true, BF_QEMU_SPILL_MS,
                            on_measured, drive, NULL);
    free(places);
    free(names);
    if (r == 0)
        source_op_began(drive);
    else
        source_answer(drive, BF_SOURCE_REFUSED);
}

static void on_disabled(void *ctx, enum bf_live_end end, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!source_op_ended(drive))
        return;
    if (end == BF_LIVE_DONE) {
        measure(drive);
        return;
    }
    bf_log(BF_LOG_WARNING, "move %s: ending the deltas: %s", drive->move->id, err->text);
    source_answer(drive, BF_SOURCE_REFUSED);
}

void source_serve(struct source_drive *drive)
{
    struct bf_live_actions actions;
    char name[BF_TEMPORARY_NAME_MAX + 1];

    if (!is_delta(drive)) {
        measure(drive);
        return;
    }
    bf_live_actions_begin(&actions);
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        if (travels(drive, i))
            bf_live_actions_disable(&actions, drive->offer.disks[i].node,
                                    temporary(drive, i, name));
    }
    if (bf_live_run(bf_qemu_live(drive->qemu), &actions, BF_QEMU_DEADLINE_MS, on_disabled, drive,
                    NULL) == 0)
        source_op_began(drive);
    else
        source_answer(drive, BF_SOURCE_REFUSED);
}
