/* Words with the destination: the connection, what is said and heard, and how long to wait. */
#include "drive.h"

#include "base/math.h"
#include "base/text.h"
#include "daemon/log.h"

#include <stdlib.h>
#include <string.h>

enum {
    NUDGE_MS = 2000,
    FAREWELL_MS = 10000, /* for the destination to confirm that nothing is left */
};

/* --- certificates: for the whole process --- */

/* Connections that are being closed use their settings when their move is gone, so none is freed:
 * there is one more for each SIGHUP. */
struct generation {
    struct bf_peer_settings settings;
    struct generation *older;
};

static struct generation *newest;

int source_load_settings(const struct bf_config *config, bool anew, struct bf_error *err)
{
    struct generation *generation;
    int r;

    if (newest && !anew)
        return 0;
    generation = calloc(1, sizeof *generation);
    if (!generation)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for certificates");
    r = bf_peer_settings_load(config, &generation->settings, err);
    if (r < 0) {
        free(generation);
        return r;
    }
    generation->older = newest;
    newest = generation;
    return 0;
}

const struct bf_peer_settings *source_settings(void)
{
    return &newest->settings;
}

/* --- words --- */

void source_say(struct source_drive *drive, const struct bf_word *word)
{
    struct bf_saying saying = {
        .offer = &drive->offer,
        .word = *word,
        .role = BITFERRY__ROLE__ROLE_SOURCE,
        .vm = drive->move->plan.vm,
        .uuid = drive->uuid,
        .host = drive->config->host,
        .port = bf_server_port(drive->server),
        .token = bf_server_token(drive->server),
        .nr_token_bytes = BF_SERVER_TOKEN_BYTES,
        .reason = drive->machine.reason,
    };
    BF_CLEANUP(bf_said_freep) struct bf_said *said = NULL;
    struct bf_error err = BF_ERROR_INIT;

    drive->said_ms = uv_now(drive->loop);
    if (!drive->peer_open)
        return; /* it is said again when the connection is open */
    if (bf_said_new(&saying, &said, &err) < 0 ||
        bf_rpc_send(drive->peer, bf_said_envelope(said), &err) < 0)
        bf_log(BF_LOG_WARNING, "move %s: a word was not sent: %s", drive->move->id, err.text);
    else
        drive->farewell_said = word->step == BF_STEP_RETIRED;
}

static bool is_ours(const struct source_drive *drive, const Bitferry__Envelope *envelope)
{
    return drive->begun && !drive->ended &&
           memcmp(envelope->move_id.data, drive->offer.move_id, BF_MOVE_ID_BYTES) == 0;
}

/* A destination that tells of another number knows other bitmaps than we do: nothing is told. */
static void take_below(struct bf_offer_disk *disk, const ProtobufCBinaryData *below)
{
    if (bf_offer_init_stands(disk, NULL) < 0)
        return;
    if (below->len > 0 && below->len == disk->nr_stands)
        memcpy(disk->stands, below->data, below->len);
}

static void take_place(struct bf_offer_disk *disk, const Bitferry__PlacedDisk *placed)
{
    disk->placed_size_bytes = placed->virtual_size_bytes;
    disk->stores = placed->stores_bitmaps;
    disk->mode = (enum bf_mode)placed->mode;
    disk->image = (enum bf_sameness)placed->image;
    disk->nr_merged = placed->merged_layers;
    disk->why = placed->why < BF_NR_WHYS ? (enum bf_why)placed->why : BF_WHY_NOTHING;
}

/* The destination has seen both sides: what it decides holds, but never against a wish. */
static void take_method(struct source_drive *drive, Bitferry__Method method)
{
    if (method == BITFERRY__METHOD__METHOD_FREEZE && !drive->images)
        drive->offer.kind = BF_HANDOFF_FREEZE;
    drive->machine.kind = drive->offer.kind;
    drive->machine.early = source_reads_early(drive);
}

/* A destination that was restarted does not know them any more. */
static void take_proofs(struct bf_offer *offer, const ProtobufCBinaryData *proofs)
{
    for (uint32_t i = 0; i < offer->nr_bitmaps && proofs->len == offer->nr_bitmaps; i++) {
        if (proofs->data[i] != BF_BY_NOTHING && proofs->data[i] < BF_NR_BY)
            offer->bitmaps[i].proof = (enum bf_proof_of)proofs->data[i];
    }
}

/* What the word says beyond its step. */
static int take_payload(struct source_drive *drive, const Bitferry__Word *word,
                        struct bf_error *err)
{
    if (word->payload_case == BITFERRY__WORD__PAYLOAD_REASON && drive->why.code == BF_E_NONE)
        (void)bf_error_set(&drive->why, BF_E_PEER, "the destination says: %s", word->reason->text);
    if (word->payload_case == BITFERRY__WORD__PAYLOAD_RESULTS) {
        source_take_fates(drive, &word->results->definitions);
        take_proofs(&drive->offer, &word->results->proofs);
    }
    if (word->payload_case != BITFERRY__WORD__PAYLOAD_PLACEMENT)
        return 0;
    if (word->placement->n_disks != drive->offer.nr_disks)
        return bf_error_set(err, BF_E_PROTOCOL, "the destination places %zu disks, but %u move",
                            word->placement->n_disks, (unsigned)drive->offer.nr_disks);
    if (word->placement->dest_move_id.len > 0)
        bf_hex_encode(word->placement->dest_move_id.data, BF_RPC_ID_BYTES, drive->move->peer_id);
    if (drive->machine.state != BF_SOURCE_OFFERING)
        return 0; /* said twice */
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++) {
        take_place(&drive->offer.disks[i], word->placement->disks[i]);
        take_below(&drive->offer.disks[i], &word->placement->disks[i]->below);
        bf_offer_report_below(&drive->offer.disks[i], drive->move);
    }
    take_method(drive, word->placement->method);
    bf_offer_report_modes(&drive->offer, drive->move);
    source_set_up_stream(drive);
    return bf_ledger_put_modes(drive->move->folder, &drive->offer, err);
}

static void on_word(void *ctx, const Bitferry__Envelope *envelope)
{
    struct source_drive *drive = ctx;
    struct bf_source_fact fact = {.kind = BF_SOURCE_HEARD};
    struct bf_error err = BF_ERROR_INIT;

    if (!is_ours(drive, envelope))
        return;
    if (bf_word_from_envelope(envelope, drive->offer.nr_bitmaps, &fact.word, &err) < 0 ||
        take_payload(drive, envelope->word, &err) < 0) {
        bf_log(BF_LOG_WARNING, "move %s: %s", drive->move->id, err.text);
        return;
    }
    drive->heard = drive->answered = true;
    source_feed(drive, &fact);
}

/* --- the connection --- */

static void on_opened(void *ctx, struct bf_rpc_peer *peer)
{
    struct source_drive *drive = ctx;

    (void)peer;
    drive->peer_open = true;
    drive->answered = false;
    drive->opened_ms = uv_now(drive->loop);
    if (drive->begun)
        source_tell(drive, BF_SOURCE_NUDGE);
}

/* What will not change by itself. */
static bool is_lasting(enum bf_code code)
{
    return code == BF_E_AUTH || code == BF_E_VERSION || code == BF_E_PERMISSION ||
           code == BF_E_PROTOCOL;
}

void source_hang_up(struct source_drive *drive)
{
    struct bf_rpc_peer *peer = drive->peer;

    if (!peer)
        return;
    if (drive->peer_open)
        drive->peer_lost_ms = uv_now(drive->loop);
    drive->peer = NULL;
    drive->peer_open = false;
    bf_rpc_peer_close(peer);
}

static void on_closed(void *ctx, const struct bf_error *err)
{
    struct source_drive *drive = ctx;

    source_hang_up(drive);
    bf_log(BF_LOG_WARNING, "move %s: no connection to the destination: %s", drive->move->id,
           err->text);
    if (!drive->begun || !is_lasting(err->code))
        return;
    bf_error_clear(&drive->why);
    (void)bf_error_set(&drive->why, err->code, "%s", err->text);
    if (drive->machine.state != BF_SOURCE_SEALED) /* then only time tells */
        source_tell(drive, BF_SOURCE_DEADLINE);
}

static void call(struct source_drive *drive)
{
    struct bf_rpc_peer_handlers handlers = {on_opened, on_word, on_closed, drive};
    struct bf_error err = BF_ERROR_INIT;

    if (bf_rpc_connect(drive->loop, &newest->settings.rpc, drive->host, drive->port, NULL,
                       drive->config->peer_timeout_s * 1000, &handlers, &drive->peer, &err) < 0)
        bf_log(BF_LOG_WARNING, "move %s: %s", drive->move->id, err.text);
}

void source_call(struct source_drive *drive)
{
    if (!drive->peer && (!is_lasting(drive->why.code) || drive->machine.state == BF_SOURCE_SEALED))
        call(drive);
}

/* --- deadlines --- */

static bool awaits_word(enum bf_source_state state)
{
    return state == BF_SOURCE_OFFERING || state == BF_SOURCE_LOADING_FROZEN ||
           state == BF_SOURCE_ARMING || state == BF_SOURCE_LOADING ||
           state == BF_SOURCE_LOADING_CATCH_UP || state == BF_SOURCE_ARMING_PAUSED ||
           state == BF_SOURCE_LOADING_DELTA || state == BF_SOURCE_SEALED ||
           state == BF_SOURCE_ABORTING;
}

/* A destination that knows the move answers the first word on each connection at once. */
static bool is_unknown_there(const struct source_drive *drive)
{
    uint64_t waited_ms = uv_now(drive->loop) - bf_max_u64(drive->opened_ms, drive->state_ms);

    return drive->peer_open && !drive->answered && waited_ms > drive->config->peer_timeout_s * 1000;
}

/* An open connection is alive (heartbeats), and then what the destination does may take its time:
 * it has deadlines of its own. */
static bool is_overdue(const struct source_drive *drive)
{
    enum bf_source_state state = drive->machine.state;
    uint64_t now_ms = uv_now(drive->loop);
    uint64_t in_state_ms = now_ms - drive->state_ms;

    if (state == BF_SOURCE_ABORTING &&
        (!drive->heard || drive->machine.reason == BF_DROP_PEER_ABORTED || /* it has said so */
         is_lasting(drive->why.code) || in_state_ms > FAREWELL_MS))
        return true;
    if (state == BF_SOURCE_OFFERING)
        return in_state_ms > drive->config->expect_timeout_s * 1000;
    if (is_unknown_there(drive))
        return true;
    return !drive->peer_open && now_ms - drive->peer_lost_ms > drive->config->peer_timeout_s * 1000;
}

static void explain_silence(struct source_drive *drive)
{
    if (drive->machine.state != BF_SOURCE_OFFERING || drive->why.code != BF_E_NONE)
        return;
    if (drive->peer_open)
        (void)bf_error_set(&drive->why, BF_E_DEADLINE,
                           "bitferry-dest on %s was not told of the machine ('bitferry expect')",
                           drive->host);
    else
        (void)bf_error_set(&drive->why, BF_E_PEER, "no bitferry-dest answers on %s port %u: %s",
                           drive->host, (unsigned)drive->port,
                           drive->peer ? bf_rpc_peer_failure(drive->peer) : "nobody is there");
}

static void look_at_clock(struct source_drive *drive)
{
    enum bf_source_state state = drive->machine.state;
    uint64_t now_ms = uv_now(drive->loop);

    if (awaits_word(state) && is_overdue(drive)) {
        explain_silence(drive);
        source_tell(drive, BF_SOURCE_DEADLINE);
    } else if (awaits_word(state) && now_ms - drive->said_ms > NUDGE_MS) {
        source_tell(drive, BF_SOURCE_NUDGE);
    }
}

void source_on_tick(uv_timer_t *timer)
{
    struct source_drive *drive = timer->data;

    if (!drive->begun || drive->ended)
        return;
    source_call(drive);
    source_show_mirrors(drive);
    source_keep_deltas(drive);
    if (drive->machine.state == BF_SOURCE_ENDED)
        source_pump(drive);
    else
        look_at_clock(drive);
}
