/* A move begins, is resumed, and ends. */
#include "driver.h"

#include "drive.h"
#include "images.h"

#include "base/fail_point.h"
#include "base/text.h"
#include "daemon/log.h"
#include "domain/way.h"

#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 250 };

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "no memory for one more move");
}

static void trace(void *ctx, enum bf_dest_state from, enum bf_dest_state to)
{
    const struct dest_drive *drive = ctx;

    bf_log(BF_LOG_DEBUG, "move %s: %s -> %s", drive->move->id, bf_dest_state_name(from),
           bf_dest_state_name(to));
}

/* --- the offer --- */

/* The source's nodes are not ours. */
static bool forget_nodes(struct bf_offer *offer)
{
    bool whole = true;

    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        free(offer->disks[i].node);
        offer->disks[i].node = strdup("");
        whole = whole && offer->disks[i].node;
    }
    return whole;
}

/* Until the disks are seen here, they are taken to be as over there. */
static void expect_natives(struct bf_offer *offer)
{
    for (uint32_t i = 0; i < offer->nr_bitmaps; i++)
        offer->states[i].native = true;
    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        offer->disks[i].placed_size_bytes = offer->disks[i].size_bytes;
        offer->disks[i].stores = true;
    }
}

static int init_machine(struct dest_drive *drive, uint32_t epoch, struct bf_error *err)
{
    struct bf_offer *offer = &drive->offer;
    int r;

    if (offer->kind == BF_HANDOFF_NATIVE)
        expect_natives(offer);

    drive->drops = calloc(offer->nr_bitmaps + 1U, 1);
    drive->found.bitmaps = calloc(offer->nr_bitmaps + 1U, 1);
    drive->proven = calloc(offer->nr_bitmaps + 1U, sizeof *drive->proven);
    drive->early = calloc(dest_nr_early(drive) + 1, 1);
    if (!drive->drops || !drive->found.bitmaps || !drive->proven || !drive->early ||
        !forget_nodes(offer))
        return no_memory(err);
    if (drive->ledger.has_record)
        r = bf_dest_resume(&drive->machine, offer->states, offer->nr_bitmaps, &drive->ledger.record,
                           err);
    else
        r = bf_dest_init(&drive->machine, epoch, offer->states, offer->nr_bitmaps, err);
    if (r < 0)
        return r;
    r = bf_move_set_checkpoints(drive->move, &offer->checkpoints, err);
    if (r == 0)
        r = bf_ledger_tell_definitions(&drive->ledger, drive->move, err);
    if (r < 0)
        return r;
    bf_hex_encode(offer->move_id, sizeof offer->move_id, drive->move->peer_id);
    drive->machine.trace = trace;
    drive->machine.trace_ctx = drive;
    drive->begun = true;
    drive->silent_since_ms = uv_now(drive->loop);
    return 0;
}

static int note_offer(struct dest_drive *drive, const Bitferry__Envelope *envelope,
                      struct bf_error *err)
{
    const char *start = drive->images ? "" : bf_qemu_start(drive->qemu);
    int r;

    /* A former run of the daemon got this far, and not further. */
    if (drive->offered)
        return bf_offer_same(&drive->offer, envelope->word->offer)
                   ? 0
                   : bf_error_set(err, BF_E_PROTOCOL,
                                  "the source offers other bitmaps than before");
    r = bf_offer_from_envelope(envelope, &drive->offer, err);
    if (r == 0)
        r = bf_ledger_put_frame(drive->move->folder, BF_LEDGER_OFFER, envelope,
                                BITFERRY__ROLE__ROLE_SOURCE, err);
    if (r == 0 && start[0])
        r = bf_move_folder_append(drive->move->folder, BF_LEDGER_QEMU, start, strlen(start), err);
    drive->offered = r == 0;
    return r;
}

/* Bits of a machine that is shut off are complete; those of one that runs are not. */
static int check_kind(const struct dest_drive *drive, struct bf_error *err)
{
    if ((drive->offer.kind == BF_HANDOFF_STILL) == (drive->images != NULL))
        return 0;
    return bf_error_set(err, BF_E_UNSUPPORTED,
                        drive->images ? "the source has a machine that runs, but shut-off images "
                                        "are expected here (--image)"
                                      : "the source has a machine that is shut off, but a QEMU is "
                                        "expected here (--qmp)");
}

/* Where QEMU brings everything by itself, it need not be seen before that. */
static bool may_be_blind(const struct dest_drive *drive, Bitferry__Method method)
{
    return drive->move->plan.domain && method == BITFERRY__METHOD__METHOD_NATIVE;
}

/* What has to be done before the guest runs cannot be done here: better now than after the time for
 * it has passed. */
static void refuse_hidden(struct dest_drive *drive, const Bitferry__Envelope *envelope)
{
    struct bf_word word = {.epoch = envelope->epoch, .step = BF_STEP_ABORT};
    struct bf_error err = BF_ERROR_INIT;

    if (note_offer(drive, envelope, &err) == 0) {
        drive->machine.reason = BF_DROP_ARRIVES_HIDDEN;
        dest_say(drive, &word);
        (void)bf_error_set(&err, BF_E_UNSUPPORTED, "%s: %s", bf_drop_name(BF_DROP_ARRIVES_HIDDEN),
                           bf_drop_text(BF_DROP_ARRIVES_HIDDEN));
    }
    dest_end(drive, BF_MOVE_FAILED, &err);
}

void dest_begin(struct dest_drive *drive, const Bitferry__Envelope *envelope)
{
    struct bf_error err = BF_ERROR_INIT;
    int r;

    if (!drive->images && !bf_qemu_live(drive->qemu) &&
        !may_be_blind(drive, envelope->word->offer->method)) {
        if (bf_qemu_is_hidden(drive->qemu))
            refuse_hidden(drive, envelope);
        return; /* it is said again */
    }
    r = note_offer(drive, envelope, &err);
    if (r == 0)
        r = check_kind(drive, &err);
    bf_fail_point("dest.offered");
    if (r == 0)
        r = init_machine(drive, envelope->epoch, &err);
    if (r < 0)
        dest_end(drive, BF_MOVE_FAILED, &err);
    else if (drive->guest_ran) /* seen before there was a machine to be told */
        dest_tell(drive, BF_DEST_GUEST_RUNS);
    else
        dest_pump(drive);
}

/* --- the end --- */

static void release(struct dest_drive *drive)
{
    dest_forget_announcements(drive);
    dest_former_keep(drive);
    bf_offer_release(&drive->offer);
    bf_ledger_release(&drive->ledger);
    bf_live_survey_release(&drive->here);
    json_decref(drive->exports_seen);
    free(drive->drops);
    free(drive->found.bitmaps);
    free(drive->proven);
    free(drive->early);
    free(drive->source_name);
    dest_images_free(drive->images);
    if (drive->closed)
        drive->closed(drive->move);
    free(drive);
}

void dest_closed_one(struct dest_drive *drive)
{
    if (--drive->nr_open == 0)
        release(drive);
}

static void on_timer_closed(uv_handle_t *handle)
{
    dest_closed_one(handle->data);
}

static void free_drive(struct bf_move *move, void (*closed)(struct bf_move *move))
{
    struct dest_drive *drive = move->driver;

    drive->freed = true;
    drive->closed = closed;
    dest_exchange_remove(drive);
    dest_stop_pull(drive);
    if (drive->qemu)
        bf_qemu_free(drive->qemu);
    if (drive->images)
        dest_images_stop(drive->images);
    uv_close((uv_handle_t *)&drive->tick, on_timer_closed);
    uv_close((uv_handle_t *)&drive->again, on_timer_closed);
}

/* --- the beginning --- */

static struct dest_drive *drive_new(struct bf_move *move, uv_loop_t *loop,
                                    const struct bf_config *config, struct bf_error *err)
{
    struct dest_drive *drive = calloc(1, sizeof *drive);

    if (!drive) {
        (void)no_memory(err);
        return NULL;
    }
    drive->move = move;
    drive->loop = loop;
    drive->config = config;
    (void)uv_timer_init(loop, &drive->tick);
    (void)uv_timer_init(loop, &drive->again);
    drive->tick.data = drive->again.data = drive;
    drive->nr_open = 2;
    drive->silent_since_ms = uv_now(loop);
    move->driver = drive;
    return drive;
}

static int set_up(struct dest_drive *drive, struct bf_error *err)
{
    const struct bf_plan *plan = &drive->move->plan;
    struct bf_qemu_target target = {.socket_path = plan->qmp,
                                    .uuid = plan->uuid,
                                    .start = drive->ledger.qemu_start,
                                    .tag = drive->move->id};
    struct bf_way way;
    struct bf_qemu_handlers handlers = dest_qemu_handlers;

    if (!bf_uuid_parse(drive->move->plan.uuid, drive->uuid))
        return bf_error_set(err, BF_E_INVALID, "'%s' is no UUID", drive->move->plan.uuid);
    if (dest_exchange_open(drive->loop, drive->config, err) < 0)
        return -1;
    if (bf_plan_is_shut_off(&drive->move->plan))
        return dest_images_open(drive, err);
    handlers.ctx = drive;
    if (plan->domain) {
        if (bf_domain_way(plan->connect, plan->uuid, true, &way, err) < 0)
            return -1;
        target.way = &way;
        target.patient = true;
    }
    return bf_qemu_new(drive->loop, &target, &handlers, &drive->qemu, err);
}

static int give_up(struct dest_drive *drive, int r)
{
    struct bf_move *move = drive->move;

    free_drive(move, NULL);
    move->driver = NULL;
    return r;
}

static int begin(struct dest_drive *drive, struct bf_error *err)
{
    int r = set_up(drive, err);

    if (r == 0 && drive->ledger.has_record)
        r = init_machine(drive, 0, err);
    if (r < 0)
        return give_up(drive, r);
    dest_exchange_add(drive);
    bf_move_set_phase(drive->move, drive->images ? "waiting for the source" : "looking at QEMU");
    (void)uv_timer_start(&drive->tick, dest_on_tick, TICK_MS, TICK_MS);
    if (drive->begun)
        dest_pump(drive);
    return 0;
}

static int start(struct bf_move *move, uv_loop_t *loop, const struct bf_config *config,
                 struct bf_error *err)
{
    struct dest_drive *drive = drive_new(move, loop, config, err);

    return drive ? begin(drive, err) : -1;
}

static int recover(struct bf_move *move, uv_loop_t *loop, const struct bf_config *config,
                   struct bf_journal_cursor *records, struct bf_error *err)
{
    struct dest_drive *drive = drive_new(move, loop, config, err);
    int r;

    if (!drive)
        return -1;
    r = bf_ledger_read(records, BITFERRY__ROLE__ROLE_SOURCE, &drive->ledger, &drive->offer,
                       dest_take_announcements, drive, err);
    if (r < 0)
        return give_up(drive, r);
    drive->offered = drive->ledger.has_offer;
    if (drive->ledger.has_record && drive->ledger.record.epoch != drive->announced_epoch)
        dest_forget_announcements(drive);
    return begin(drive, err);
}

/* At a stop a move is left as it is: its journal resumes it. */
static void event(struct bf_move *move, enum bf_driver_event what)
{
    (void)move;
    (void)what;
}

static void abort_move(struct bf_move *move)
{
    struct dest_drive *drive = move->driver;
    struct bf_error err = BF_ERROR_INIT;

    if (drive->begun) {
        dest_tell(drive, BF_DEST_ABORT);
        return;
    }
    (void)bf_error_set(&err, BF_E_INTERRUPTED, "aborted before anything was done");
    dest_end(drive, BF_MOVE_ABORTED, &err);
}

static void listen_early(uv_loop_t *loop, const struct bf_config *config,
                         const struct bf_driver_host *host)
{
    struct bf_error err = BF_ERROR_INIT;

    dest_exchange_set_host(config, host);
    if (dest_exchange_open(loop, config, &err) < 0)
        bf_log(BF_LOG_WARNING, "sources cannot call yet: %s", err.text);
}

static void reload(uv_loop_t *loop, const struct bf_config *config)
{
    struct bf_error err = BF_ERROR_INIT;

    if (dest_exchange_reload(loop, config, &err) < 0)
        bf_log(BF_LOG_ERROR, "certificates: %s", err.text);
}

const struct bf_move_driver_ops dest_driver = {
    .name = "nbd",
    .last_record_kind = BF_LEDGER_LAST,
    .open = listen_early,
    .close = dest_exchange_close,
    .reload = reload,
    .start = start,
    .recover = recover,
    .event = event,
    .abort = abort_move,
    .free = free_drive,
};
