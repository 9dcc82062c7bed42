#include "driver.h"

#include "drive.h"

#include "base/text.h"
#include "daemon/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TICK_MS = 250,
    NUDGE_MS = 2000,
    FAREWELL_MS = 10000, /* for the destination to confirm that nothing is left */
};

/* For the whole process: connections that are being closed still use them when their move is gone.
 */
static struct bf_peer_settings settings;
static bool settings_loaded;

const char *source_tls_certificates(void)
{
    return settings.tls_certificates;
}

static uint64_t now_ms(const struct source_drive *drive)
{
    return uv_now(drive->loop);
}

/* --- the end --------------------------------------------------------------------------------- */

static void end_move(struct source_drive *drive, enum bf_move_state state,
                     const struct bf_error *err)
{
    if (drive->ended)
        return;
    drive->ended = true;
    bf_move_end(drive->move, state, err);
}

static void fail(struct source_drive *drive, const struct bf_error *err)
{
    end_move(drive, BF_MOVE_FAILED, err);
}

static void end_by_outcome(struct source_drive *drive)
{
    const struct bf_source *machine = &drive->machine;
    struct bf_error err = BF_ERROR_INIT;
    bool carried = machine->outcome == BF_OUTCOME_COMMITTED;

    bf_offer_report(&drive->offer, drive->move, carried, carried ? "ended" : "given up");
    if (carried) {
        bf_move_reach(drive->move, BF_MILESTONE_COMMITTED);
        end_move(drive, BF_MOVE_COMMITTED, NULL);
        return;
    }
    if (machine->outcome == BF_OUTCOME_UNCONFIRMED)
        (void)bf_error_set(&err, BF_E_DEADLINE,
                           "the destination never confirmed: its bitmaps may be there or not, and "
                           "the source's were left; look with 'bitferry status' over there");
    else if (drive->why.code != BF_E_NONE)
        (void)bf_error_set(&err, drive->why.code, "%s: %s", bf_drop_name(machine->reason),
                           drive->why.text);
    else
        (void)bf_error_set(&err, bf_drop_code(machine->reason), "%s: %s",
                           bf_drop_name(machine->reason), bf_drop_text(machine->reason));
    end_move(drive, machine->reason == BF_DROP_OPERATOR_ABORT ? BF_MOVE_ABORTED : BF_MOVE_FAILED,
             &err);
}

/* --- words ------------------------------------------------------------------------------------ */

static void say(struct source_drive *drive, const struct bf_word *word)
{
    struct bf_saying saying = {
        .offer = &drive->offer,
        .word = *word,
        .role = BITFERRY__ROLE__ROLE_SOURCE,
        .vm = drive->move->plan.vm,
        .uuid = drive->uuid,
        .host = drive->config->host,
        .port = drive->server ? bf_server_port(drive->server) : 0,
        .token = drive->server ? bf_server_token(drive->server) : NULL,
        .nr_token_bytes = BF_SERVER_TOKEN_BYTES,
        .reason = drive->machine.reason,
    };
    BF_CLEANUP(bf_said_freep) struct bf_said *said = NULL;
    struct bf_error err = BF_ERROR_INIT;

    drive->said_ms = now_ms(drive);
    if (!drive->peer_open)
        return; /* it is said again when the connection is open */
    if (bf_said_new(&saying, &said, &err) < 0 ||
        bf_rpc_send(drive->peer, bf_said_envelope(said), &err) < 0)
        bf_log(BF_LOG_WARNING, "move %s: a word was not sent: %s", drive->move->id, err.text);
}

static void on_peer_opened(void *ctx, struct bf_rpc_peer *peer)
{
    struct source_drive *drive = ctx;

    (void)peer;
    drive->peer_open = true;
    if (drive->begun)
        source_feed(drive, &(struct bf_source_fact){.kind = BF_SOURCE_NUDGE});
}

static void on_word(void *ctx, const Bitferry__Envelope *envelope)
{
    struct source_drive *drive = ctx;
    struct bf_source_fact fact = {.kind = BF_SOURCE_HEARD};
    struct bf_error err = BF_ERROR_INIT;
    const Bitferry__Word *word = envelope->word;

    if (!drive->begun || drive->ended ||
        memcmp(envelope->move_id.data, drive->offer.move_id, BF_MOVE_ID_BYTES) != 0)
        return;
    if (bf_word_from_envelope(envelope, drive->offer.nr_bitmaps, &fact.word, &err) < 0) {
        bf_log(BF_LOG_WARNING, "move %s: %s", drive->move->id, err.text);
        return;
    }
    if (word->payload_case == BITFERRY__WORD__PAYLOAD_REASON && drive->why.code == BF_E_NONE)
        (void)bf_error_set(&drive->why, BF_E_PEER, "the destination says: %s", word->reason->text);
    source_feed(drive, &fact);
}

static bool is_lasting(enum bf_code code)
{
    return code == BF_E_AUTH || code == BF_E_VERSION || code == BF_E_PERMISSION ||
           code == BF_E_PROTOCOL;
}

static void on_peer_closed(void *ctx, const struct bf_error *err)
{
    struct source_drive *drive = ctx;
    struct bf_rpc_peer *peer = drive->peer;

    if (drive->peer_open)
        drive->peer_lost_ms = now_ms(drive);
    drive->peer = NULL;
    drive->peer_open = false;
    bf_rpc_peer_close(peer);
    bf_log(BF_LOG_WARNING, "move %s: no connection to the destination: %s", drive->move->id,
           err->text);
    if (!is_lasting(err->code) || !drive->begun)
        return;
    bf_error_clear(&drive->why);
    (void)bf_error_set(&drive->why, err->code, "%s", err->text);
    source_feed(drive, &(struct bf_source_fact){.kind = BF_SOURCE_DEADLINE});
}

static void connect_peer(struct source_drive *drive)
{
    struct bf_rpc_peer_handlers handlers = {on_peer_opened, on_word, on_peer_closed, drive};
    struct bf_error err = BF_ERROR_INIT;

    if (bf_rpc_connect(drive->loop, &settings.rpc, drive->host, drive->port, NULL,
                       drive->config->peer_timeout_s * 1000, &handlers, &drive->peer, &err) < 0)
        bf_log(BF_LOG_WARNING, "move %s: %s", drive->move->id, err.text);
}

/* --- the machine ------------------------------------------------------------------------------ */

static void journal(struct source_drive *drive, const struct bf_source_wish *wish)
{
    struct bf_source_fact fact = {.kind = BF_SOURCE_DONE, .ticket = wish->ticket};
    struct bf_error err = BF_ERROR_INIT;

    if (bf_ledger_put_record(drive->move->folder, &wish->record, &drive->offer, &err) < 0) {
        bf_log(BF_LOG_ERROR, "move %s: %s", drive->move->id, err.text);
        fact.kind = BF_SOURCE_REFUSED;
    }
    (void)bf_source_feed(&drive->machine, &fact, NULL);
}

static void show(struct source_drive *drive)
{
    enum bf_source_milestone reached = bf_source_milestone(&drive->machine);

    bf_move_set_phase(drive->move, bf_source_state_name(drive->machine.state));
    if (reached >= BF_SOURCE_REACHED_INSTALLED && reached <= BF_SOURCE_REACHED_COMMITTED)
        bf_move_reach(drive->move, BF_MILESTONE_INSTALLED);
    if (reached >= BF_SOURCE_REACHED_FROZEN && reached <= BF_SOURCE_REACHED_COMMITTED)
        bf_move_reach(drive->move, BF_MILESTONE_FROZEN);
    if (reached == BF_SOURCE_REACHED_COMMITTED)
        bf_move_reach(drive->move, BF_MILESTONE_COMMITTED);
    bf_offer_report(&drive->offer, drive->move, false, bf_source_state_name(drive->machine.state));
}

static void pump(struct source_drive *drive)
{
    struct bf_source_wish wish;

    if (drive->pumping || drive->ended)
        return;
    drive->pumping = true;
    while (bf_source_next(&drive->machine, &wish)) {
        if (wish.kind == BF_SOURCE_SAY) {
            say(drive, &wish.word);
        } else if (wish.kind == BF_SOURCE_JOURNAL) {
            journal(drive, &wish);
        } else {
            drive->wish = wish;
            drive->wish_open = true;
            drive->wish_started = false;
            source_try_wish(drive);
        }
    }
    drive->pumping = false;
    show(drive);
    if (drive->machine.state == BF_SOURCE_ENDED)
        end_by_outcome(drive);
}

void source_feed(struct source_drive *drive, const struct bf_source_fact *fact)
{
    struct bf_error err = BF_ERROR_INIT;

    if (!drive->begun || drive->ended || drive->freed)
        return;
    if (bf_source_feed(&drive->machine, fact, &err) < 0)
        bf_log(BF_LOG_WARNING, "move %s: %s", drive->move->id, err.text);
    pump(drive);
}

static void answer(struct source_drive *drive, struct bf_source_fact *fact)
{
    fact->ticket = drive->wish.ticket;
    fact->drops = drive->drops;
    drive->wish_open = false;
    source_feed(drive, fact);
}

void source_answer(struct source_drive *drive, enum bf_source_fact_kind kind)
{
    answer(drive, &(struct bf_source_fact){.kind = kind});
}

void source_answer_inspected(struct source_drive *drive, enum bf_source_guest guest,
                             bool snapshots_found)
{
    answer(drive, &(struct bf_source_fact){.kind = BF_SOURCE_INSPECTED,
                                           .guest = guest,
                                           .snapshots_found = snapshots_found});
}

/* --- wishes that need QEMU ---------------------------------------------------------------------
 */

void source_try_wish(struct source_drive *drive)
{
    if (!drive->wish_open || drive->wish_started || drive->freed)
        return;
    if (drive->busy) {
        if (drive->op)
            bf_live_op_stop(drive->op);
        return;
    }
    if (!bf_qemu_is_gone(drive->qemu) && !bf_qemu_live(drive->qemu))
        return; /* it is looked for */
    drive->wish_started = true;
    drive->wish_ms = now_ms(drive);
    drive->cursor = 0;
    memset(drive->drops, BF_DROP_NONE, drive->offer.nr_bitmaps);
    if (bf_qemu_is_gone(drive->qemu))
        source_carry_out_gone(drive);
    else
        source_carry_out(drive);
}

void source_op_began(struct source_drive *drive)
{
    drive->busy = true;
    drive->op_ticket = drive->wish.ticket;
}

bool source_op_ended(struct source_drive *drive)
{
    drive->busy = false;
    drive->op = NULL;
    if (drive->freed || drive->ended)
        return false;
    if (drive->wish_open && drive->wish_started && drive->op_ticket == drive->wish.ticket)
        return true;
    source_try_wish(drive);
    return false;
}

void source_doubt(struct source_drive *drive)
{
    bf_qemu_restart(drive->qemu);
    source_answer(drive, BF_SOURCE_UNKNOWN);
}

/* --- QEMU's facts ------------------------------------------------------------------------------
 */

static void on_migration(struct source_drive *drive, enum bf_live_migration migration)
{
    switch (migration) {
    case BF_LIVE_MIGRATION_PRE_SWITCHOVER:
        drive->migrating = drive->paused = true;
        source_feed(drive, &(struct bf_source_fact){.kind = BF_SOURCE_PAUSED});
        break;
    case BF_LIVE_MIGRATION_POSTCOPY:
    case BF_LIVE_MIGRATION_COMPLETED:
        drive->migrating = drive->left = true;
        source_feed(drive, &(struct bf_source_fact){.kind = BF_SOURCE_SWITCHED});
        break;
    case BF_LIVE_MIGRATION_FAILED:
    case BF_LIVE_MIGRATION_CANCELLED:
        if (drive->migrating) /* else it is an old one */
            source_feed(drive, &(struct bf_source_fact){.kind = BF_SOURCE_KEPT});
        drive->migrating = drive->paused = drive->left = false;
        break;
    case BF_LIVE_MIGRATION_SETUP:
    case BF_LIVE_MIGRATION_ACTIVE:
    case BF_LIVE_MIGRATION_DEVICE:
        drive->migrating = true;
        break;
    case BF_LIVE_MIGRATION_NONE:
        break;
    }
}

static void feed_disk(struct source_drive *drive, enum bf_source_fact_kind kind, uint32_t disk)
{
    source_feed(drive,
                &(struct bf_source_fact){.kind = kind, .ticket = drive->wish.ticket, .disk = disk});
}

static void on_fact(void *ctx, const struct bf_live_fact *fact)
{
    struct source_drive *drive = ctx;

    switch (fact->kind) {
    case BF_LIVE_MIRROR_READY:
        feed_disk(drive, BF_SOURCE_MIRROR_READY, fact->disk);
        break;
    case BF_LIVE_MIRROR_DRAINED:
        if (drive->machine.state == BF_SOURCE_DRAINING)
            feed_disk(drive, BF_SOURCE_DRAINED, fact->disk);
        break;
    case BF_LIVE_MIRROR_ERROR:
        bf_log(BF_LOG_WARNING, "move %s: mirror: %s", drive->move->id, fact->text);
        feed_disk(drive, BF_SOURCE_MIRROR_VOID, fact->disk);
        break;
    case BF_LIVE_MIRROR_GONE:
        if (!fact->clean || (!drive->paused && !drive->left))
            feed_disk(drive, BF_SOURCE_MIRROR_VOID, fact->disk);
        break;
    case BF_LIVE_MIGRATION:
        on_migration(drive, fact->migration);
        break;
    case BF_LIVE_GUEST_RUNS:
        if (drive->paused || drive->left)
            source_feed(drive, &(struct bf_source_fact){.kind = BF_SOURCE_KEPT});
        drive->paused = drive->left = false;
        break;
    case BF_LIVE_GUEST_STOPPED:
    case BF_LIVE_SHUTDOWN:
    case BF_LIVE_LOST:
        break;
    }
}

static void start_watch(struct source_drive *drive)
{
    struct bf_live_watch_disk *disks = calloc(drive->offer.nr_disks + 1U, sizeof *disks);
    struct bf_error err = BF_ERROR_INIT;

    if (!disks)
        return;
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++)
        disks[i] =
            (struct bf_live_watch_disk){drive->offer.disks[i].name, drive->offer.disks[i].node};
    if (bf_qemu_watch(drive->qemu, disks, drive->offer.nr_disks, &err) < 0)
        bf_log(BF_LOG_WARNING, "move %s: %s", drive->move->id, err.text);
    free(disks);
}

static void on_up(void *ctx)
{
    struct source_drive *drive = ctx;

    if (drive->begun) {
        start_watch(drive);
        source_try_wish(drive);
    } else {
        source_survey_offer(drive);
    }
}

/* Nobody has watched the mirrors meanwhile. */
static void on_lost(void *ctx)
{
    struct source_drive *drive = ctx;

    for (uint32_t i = 0; i < drive->offer.nr_disks && !drive->paused && !drive->left; i++)
        feed_disk(drive, BF_SOURCE_MIRROR_VOID, i);
}

static void on_gone(void *ctx, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    if (!drive->begun) {
        fail(drive, err);
        return;
    }
    source_feed(drive, &(struct bf_source_fact){.kind = BF_SOURCE_QEMU_GONE});
    source_try_wish(drive);
}

/* --- deadlines ---------------------------------------------------------------------------------
 */

static bool awaits_word(enum bf_source_state state)
{
    return state == BF_SOURCE_OFFERING || state == BF_SOURCE_LOADING_FROZEN ||
           state == BF_SOURCE_ARMING || state == BF_SOURCE_LOADING ||
           state == BF_SOURCE_ARMING_PAUSED || state == BF_SOURCE_LOADING_DELTA ||
           state == BF_SOURCE_SEALED || state == BF_SOURCE_ABORTING;
}

static bool is_overdue(const struct source_drive *drive)
{
    enum bf_source_state state = drive->machine.state;
    uint64_t in_state_ms = now_ms(drive) - drive->state_ms;

    if (state == BF_SOURCE_ABORTING && (is_lasting(drive->why.code) || in_state_ms > FAREWELL_MS))
        return true;
    if (state == BF_SOURCE_OFFERING && in_state_ms > drive->config->expect_timeout_s * 1000)
        return true;
    return !drive->peer_open &&
           now_ms(drive) - drive->peer_lost_ms > drive->config->peer_timeout_s * 1000;
}

static void on_tick(uv_timer_t *timer)
{
    struct source_drive *drive = timer->data;
    enum bf_source_state state = drive->machine.state;

    if (!drive->begun || drive->ended)
        return;
    if (!drive->peer && !is_lasting(drive->why.code))
        connect_peer(drive);
    if (awaits_word(state) && is_overdue(drive))
        source_feed(drive, &(struct bf_source_fact){.kind = BF_SOURCE_DEADLINE});
    else if (awaits_word(state) && now_ms(drive) - drive->said_ms > NUDGE_MS)
        source_feed(drive, &(struct bf_source_fact){.kind = BF_SOURCE_NUDGE});
    else if (state == BF_SOURCE_DRAINING &&
             now_ms(drive) - drive->state_ms > drive->config->drain_timeout_s * 1000)
        source_feed(drive, &(struct bf_source_fact){.kind = BF_SOURCE_TOO_BUSY});
}

/* --- beginning ---------------------------------------------------------------------------------
 */

static void trace(void *ctx, enum bf_source_state from, enum bf_source_state to)
{
    struct source_drive *drive = ctx;

    drive->state_ms = now_ms(drive);
    bf_log(BF_LOG_DEBUG, "move %s: %s -> %s", drive->move->id, bf_source_state_name(from),
           bf_source_state_name(to));
}

static int init_machine(struct source_drive *drive, struct bf_error *err)
{
    const struct bf_offer *offer = &drive->offer;
    int r;

    drive->disks = calloc(offer->nr_disks + 1U, sizeof *drive->disks);
    drive->drops = calloc(offer->nr_bitmaps + 1U, 1);
    if (!drive->disks || !drive->drops)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for one more move");
    if (drive->ledger.has_record)
        r = bf_source_resume(&drive->machine, offer->kind, offer->states, offer->nr_bitmaps,
                             drive->disks, offer->nr_disks, &drive->ledger.record, err);
    else
        r = bf_source_init(&drive->machine, offer->kind, offer->states, offer->nr_bitmaps,
                           drive->disks, offer->nr_disks, err);
    if (r < 0)
        return r;
    drive->machine.trace = trace;
    drive->machine.trace_ctx = drive;
    drive->begun = true;
    drive->peer_lost_ms = drive->state_ms = now_ms(drive);
    return 0;
}

/* The offer is known for the first time: make it durable, then begin. */
void source_begin(struct source_drive *drive)
{
    struct bf_saying saying = {.offer = &drive->offer,
                               .word = {.epoch = 1, .step = BF_STEP_OFFER},
                               .role = BITFERRY__ROLE__ROLE_SOURCE,
                               .vm = drive->move->plan.vm,
                               .uuid = drive->uuid};
    BF_CLEANUP(bf_said_freep) struct bf_said *said = NULL;
    const char *start = bf_qemu_start(drive->qemu);
    struct bf_error err = BF_ERROR_INIT;
    int r = bf_said_new(&saying, &said, &err);

    if (r == 0)
        r = bf_ledger_put_frame(drive->move->folder, BF_LEDGER_OFFER, bf_said_envelope(said),
                                BITFERRY__ROLE__ROLE_SOURCE, &err);
    if (r == 0)
        r = bf_move_folder_append(drive->move->folder, BF_LEDGER_QEMU, start, strlen(start), &err);
    if (r == 0)
        r = init_machine(drive, &err);
    if (r < 0) {
        fail(drive, &err);
        return;
    }
    start_watch(drive);
    pump(drive);
}

static struct source_drive *drive_new(struct bf_move *move, uv_loop_t *loop,
                                      const struct bf_config *config)
{
    struct source_drive *drive = calloc(1, sizeof *drive);

    if (!drive)
        return NULL;
    drive->move = move;
    drive->loop = loop;
    drive->config = config;
    (void)uv_timer_init(loop, &drive->tick);
    (void)uv_timer_init(loop, &drive->again);
    drive->tick.data = drive->again.data = drive;
    drive->nr_open = 2;
    return drive;
}

static int open_qemu(struct source_drive *drive, struct bf_error *err)
{
    struct bf_qemu_target target = {.socket_path = drive->move->plan.qmp,
                                    .uuid = drive->move->plan.uuid,
                                    .start = drive->ledger.qemu_start,
                                    .tag = drive->move->id};
    struct bf_qemu_handlers handlers = {on_up, on_fact, on_lost, on_gone, drive};

    return bf_qemu_new(drive->loop, &target, &handlers, &drive->qemu, err);
}

static int set_up(struct source_drive *drive, struct bf_error *err)
{
    int r = bf_peer_parse(drive->move->plan.peer, (uint16_t)drive->config->port, drive->host,
                          &drive->port, err);

    if (r == 0 && !bf_uuid_parse(drive->move->plan.uuid, drive->uuid))
        r = bf_error_set(err, BF_E_INVALID, "'%s' is no UUID", drive->move->plan.uuid);
    if (r == 0 && !settings_loaded)
        r = bf_peer_settings_load(drive->config, &settings, err);
    settings_loaded = settings_loaded || r == 0;
    return r < 0 ? r : open_qemu(drive, err);
}

static void on_timer_closed(uv_handle_t *handle);

static void free_drive(struct bf_move *move, void (*closed)(struct bf_move *move))
{
    struct source_drive *drive = move->driver;

    drive->freed = true;
    drive->closed = closed;
    if (drive->qemu)
        bf_qemu_free(drive->qemu);
    if (drive->peer)
        bf_rpc_peer_close(drive->peer);
    drive->peer = NULL;
    if (drive->server)
        bf_server_free(drive->server, NULL, NULL);
    uv_close((uv_handle_t *)&drive->tick, on_timer_closed);
    uv_close((uv_handle_t *)&drive->again, on_timer_closed);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct source_drive *drive = handle->data;

    if (--drive->nr_open > 0)
        return;
    bf_offer_release(&drive->offer);
    free(drive->disks);
    free(drive->drops);
    drive->closed(drive->move);
    free(drive);
}

static void forget(struct bf_move *move)
{
    move->driver = NULL;
}

static int begin(struct source_drive *drive, struct bf_error *err)
{
    int r = set_up(drive, err);

    drive->move->driver = drive;
    if (r == 0 && drive->ledger.has_offer)
        r = init_machine(drive, err);
    if (r < 0) {
        free_drive(drive->move, forget);
        drive->move->driver = NULL;
        return r;
    }
    bf_move_set_phase(drive->move, "looking at QEMU");
    (void)uv_timer_start(&drive->tick, on_tick, TICK_MS, TICK_MS);
    if (drive->begun)
        pump(drive);
    return 0;
}

static int start(struct bf_move *move, uv_loop_t *loop, const struct bf_config *config,
                 struct bf_error *err)
{
    struct source_drive *drive = drive_new(move, loop, config);

    if (!drive)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for one more move");
    return begin(drive, err);
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
    struct source_drive *drive = drive_new(move, loop, config);
    int r;

    if (!drive)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for one more move");
    r = bf_ledger_read(records, BITFERRY__ROLE__ROLE_SOURCE, &drive->ledger, &drive->offer,
                       no_exports, NULL, err);
    if (r < 0) {
        move->driver = drive;
        free_drive(move, forget);
        return r;
    }
    return begin(drive, err);
}

static void event(struct bf_move *move, enum bf_driver_event what)
{
    (void)move;
    (void)what; /* a move is left as it is: its journal resumes it */
}

static void abort_move(struct bf_move *move)
{
    struct source_drive *drive = move->driver;
    struct bf_error err = BF_ERROR_INIT;

    if (drive->begun) {
        source_feed(drive, &(struct bf_source_fact){.kind = BF_SOURCE_ABORT});
        return;
    }
    (void)bf_error_set(&err, BF_E_INTERRUPTED, "aborted before anything was done");
    end_move(drive, BF_MOVE_ABORTED, &err);
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
