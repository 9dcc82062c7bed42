#include "driver.h"

#include "drive.h"
#include "images.h"

#include "base/fail_point.h"
#include "base/text.h"
#include "daemon/log.h"

#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 250 };

static void trace(void *ctx, enum bf_source_state from, enum bf_source_state to)
{
    struct source_drive *drive = ctx;

    drive->state_ms = uv_now(drive->loop);
    bf_log(BF_LOG_DEBUG, "move %s: %s -> %s", drive->move->id, bf_source_state_name(from),
           bf_source_state_name(to));
}

static int init_machine(struct source_drive *drive, struct bf_error *err)
{
    const struct bf_offer *offer = &drive->offer;
    int r;

    drive->disks = calloc(offer->nr_disks + 1U, sizeof *drive->disks);
    drive->drops = calloc(offer->nr_bitmaps + 1U, 1);
    drive->marked = calloc(offer->nr_disks + 1U, sizeof *drive->marked);
    drive->opened = calloc(offer->nr_bitmaps + 1U, 1);
    if (!drive->disks || !drive->drops || !drive->marked || !drive->opened)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for one more move");
    if (drive->ledger.has_record)
        r = bf_source_resume(&drive->machine, offer->kind, offer->states, offer->nr_bitmaps,
                             drive->disks, offer->nr_disks, &drive->ledger.record, err);
    else
        r = bf_source_init(&drive->machine, offer->kind, offer->states, offer->nr_bitmaps,
                           drive->disks, offer->nr_disks, err);
    if (r < 0)
        return r;
    r = bf_move_set_checkpoints(drive->move, &offer->checkpoints, err);
    if (r < 0)
        return r;
    drive->machine.trace = trace;
    drive->machine.trace_ctx = drive;
    drive->begun = true;
    drive->peer_lost_ms = drive->state_ms = uv_now(drive->loop);
    return 0;
}

static int write_offer(struct source_drive *drive, struct bf_error *err)
{
    struct bf_saying saying = {.offer = &drive->offer,
                               .word = {.epoch = 1, .step = BF_STEP_OFFER},
                               .role = BITFERRY__ROLE__ROLE_SOURCE,
                               .vm = drive->move->plan.vm,
                               .uuid = drive->uuid};
    BF_CLEANUP(bf_said_freep) struct bf_said *said = NULL;
    struct bf_move_folder *folder = drive->move->folder;
    const char *start = drive->images ? "" : bf_qemu_start(drive->qemu);
    int r = bf_said_new(&saying, &said, err);

    if (r == 0 && start[0])
        r = bf_move_folder_append(folder, BF_LEDGER_QEMU, start, strlen(start), err);
    if (r == 0)
        r = bf_ledger_put_frame(folder, BF_LEDGER_OFFER, bf_said_envelope(said),
                                BITFERRY__ROLE__ROLE_SOURCE, err);
    return r < 0 ? r : bf_ledger_put_files(folder, &drive->offer, err);
}

void source_begin(struct source_drive *drive)
{
    struct bf_error err = BF_ERROR_INIT;
    int r = write_offer(drive, &err);

    bf_fail_point("source.offered");
    if (r == 0)
        r = init_machine(drive, &err);
    if (r < 0) {
        source_end(drive, BF_MOVE_FAILED, &err);
        return;
    }
    if (!drive->images)
        source_start_watch(drive);
    source_call(drive);
    source_pump(drive);
}

static struct source_drive *drive_new(struct bf_move *move, uv_loop_t *loop,
                                      const struct bf_config *config, struct bf_error *err)
{
    struct source_drive *drive = calloc(1, sizeof *drive);

    if (!drive) {
        (void)bf_error_set(err, BF_E_NO_MEMORY, "no memory for one more move");
        return NULL;
    }
    drive->move = move;
    drive->loop = loop;
    drive->config = config;
    (void)uv_timer_init(loop, &drive->tick);
    (void)uv_timer_init(loop, &drive->again);
    drive->tick.data = drive->again.data = drive;
    drive->nr_open = 2;
    move->driver = drive;
    return drive;
}

static void on_server_failed(void *ctx, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    /* The destination's tries come to nothing, and it drops what it could not fetch; the next round
     * begins with another nbdkit. */
    drive->serving_epoch = 0;
    bf_log(BF_LOG_ERROR, "move %s: %s", drive->move->id, err->text);
}

/* Before anything is promised: an address that cannot be served on ends the move at once. */
static int set_up(struct source_drive *drive, struct bf_error *err)
{
    const struct bf_config *config = drive->config;
    struct bf_server_spec spec = {.address = config->address, .folder = drive->move->folder->path};
    int r = bf_peer_parse(drive->move->plan.peer, (uint16_t)config->port, drive->host, &drive->port,
                          err);

    if (r == 0 && !bf_uuid_parse(drive->move->plan.uuid, drive->uuid))
        r = bf_error_set(err, BF_E_INVALID, "'%s' is no UUID", drive->move->plan.uuid);
    if (r == 0)
        r = source_load_settings(config, false, err);
    if (r < 0)
        return r;
    spec.tls_certificates = source_settings()->tls_certificates;
    spec.psk_file = source_settings()->psk_file;
    r = bf_server_new(drive->loop, &spec, on_server_failed, drive, &drive->server, err);
    if (r < 0)
        return r;
    return bf_plan_is_shut_off(&drive->move->plan) ? source_images_open(drive, err)
                                                   : source_open_qemu(drive, err);
}

static void on_timer_closed(uv_handle_t *handle)
{
    source_closed_one(handle->data);
}

void source_closed_one(struct source_drive *drive)
{
    if (--drive->nr_open > 0)
        return;
    bf_offer_release(&drive->offer);
    bf_ledger_release(&drive->ledger);
    source_release_domain(drive);
    free(drive->disks);
    free(drive->drops);
    free(drive->marked);
    free(drive->opened);
    free(drive->reading);
    source_images_free(drive->images);
    if (drive->closed)
        drive->closed(drive->move);
    free(drive);
}

static void free_drive(struct bf_move *move, void (*closed)(struct bf_move *move))
{
    struct source_drive *drive = move->driver;

    drive->freed = true;
    drive->closed = closed;
    atomic_store(&drive->work_stop, true);
    if (drive->qemu)
        bf_qemu_free(drive->qemu);
    source_hang_up(drive);
    if (drive->server)
        bf_server_free(drive->server, NULL, NULL);
    uv_close((uv_handle_t *)&drive->tick, on_timer_closed);
    uv_close((uv_handle_t *)&drive->again, on_timer_closed);
}

static int begin(struct source_drive *drive, struct bf_error *err)
{
    int r = set_up(drive, err);

    if (r == 0 && drive->ledger.has_offer)
        r = init_machine(drive, err);
    drive->heard = drive->ledger.has_record; /* before the restart, perhaps */
    if (r < 0) {
        free_drive(drive->move, NULL);
        drive->move->driver = NULL;
        return r;
    }
    bf_move_set_phase(drive->move, drive->images ? "looking at the images" : BF_PHASE_LOOKING);
    if (drive->images)
        bf_move_reach(drive->move, BF_MILESTONE_PREPARED);
    (void)uv_timer_start(&drive->tick, source_on_tick, TICK_MS, TICK_MS);
    if (drive->begun)
        source_pump(drive);
    return 0;
}

static int start(struct bf_move *move, uv_loop_t *loop, const struct bf_config *config,
                 struct bf_error *err)
{
    struct source_drive *drive = drive_new(move, loop, config, err);

    return drive ? begin(drive, err) : -1;
}

static int no_exports(void *ctx, const Bitferry__Envelope *envelope)
{
    (void)ctx;
    (void)envelope;
    return 0;
}

static int recover(struct bf_move *move, uv_loop_t *loop, const struct bf_config *config,
                   struct bf_journal_cursor *records, struct bf_error *err)
{
    struct source_drive *drive = drive_new(move, loop, config, err);
    int r;

    if (!drive)
        return -1;
    drive->mapped_before = true;
    r = bf_ledger_read(records, BITFERRY__ROLE__ROLE_SOURCE, &drive->ledger, &drive->offer,
                       no_exports, NULL, err);
    if (r < 0) {
        free_drive(move, NULL);
        move->driver = NULL;
        return r;
    }
    return begin(drive, err);
}

/* At a stop a move is left as it is: its journal resumes it. */
static void event(struct bf_move *move, enum bf_driver_event what)
{
    struct source_drive *drive = move->driver;
    struct bf_error err = BF_ERROR_INIT;

    if (what == BF_DRIVER_RELOAD && source_load_settings(drive->config, true, &err) < 0)
        bf_log(BF_LOG_ERROR, "move %s: %s", move->id, err.text);
}

static void abort_move(struct bf_move *move)
{
    struct source_drive *drive = move->driver;
    struct bf_error err = BF_ERROR_INIT;

    if (drive->begun) {
        source_tell(drive, BF_SOURCE_ABORT);
        return;
    }
    (void)bf_error_set(&err, BF_E_INTERRUPTED, "aborted before anything was done");
    source_end(drive, BF_MOVE_ABORTED, &err);
}

const struct bf_move_driver_ops source_driver = {
    .name = "nbd",
    .last_record_kind = BF_LEDGER_LAST,
    .start = start,
    .recover = recover,
    .event = event,
    .abort = abort_move,
    .free = free_drive,
};
