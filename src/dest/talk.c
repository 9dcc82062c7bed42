/* Words with the source: what is said and heard, what was announced, and how long to wait. */
#include "drive.h"

#include "base/text.h"
#include "daemon/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKEN_HEX_BYTES = 2 * BF_RPC_TOKEN_MAX_BYTES + 1 };

/* --- what is said --- */

/* NULL: nothing is known of them. */
static uint8_t *pack_definitions(const struct dest_drive *drive)
{
    const struct bf_move *move = drive->move;
    uint8_t *bytes = move->definitions ? calloc(move->checkpoints.nr_items + 1, 1) : NULL;

    for (size_t i = 0; bytes && i < move->checkpoints.nr_items; i++)
        bytes[i] = (uint8_t)move->definitions[i];
    return bytes;
}

void dest_say(struct dest_drive *drive, const struct bf_word *word)
{
    BF_CLEANUP(bf_freep) uint8_t *definitions = pack_definitions(drive);
    uint8_t move_id[BF_RPC_ID_BYTES];
    struct bf_saying saying = {
        .offer = &drive->offer,
        .word = *word,
        .role = BITFERRY__ROLE__ROLE_DEST,
        .reason = drive->machine.reason,
        .dest_move_id = bf_hex_decode(drive->move->id, BF_RPC_ID_BYTES, move_id) ? move_id : NULL,
        .definitions = definitions,
    };
    BF_CLEANUP(bf_said_freep) struct bf_said *said = NULL;
    struct bf_error err = BF_ERROR_INIT;

    if (!drive->caller)
        return; /* it is said again when there is a connection */
    if (bf_said_new(&saying, &said, &err) < 0 ||
        dest_caller_send(drive->caller, bf_said_envelope(said), &err) < 0)
        bf_log(BF_LOG_WARNING, "move %s: a word was not sent: %s", drive->move->id, err.text);
}

/* --- what was announced --- */

static void free_names(char **names, uint32_t nr_names)
{
    for (uint32_t i = 0; names && i < nr_names; i++)
        free(names[i]);
    free(names);
}

static void forget_exports(struct dest_drive *drive)
{
    struct dest_exports *exports = &drive->exports;

    free(exports->uri);
    free_names(exports->names, drive->offer.nr_bitmaps);
    free_names(exports->deltas, drive->offer.nr_disks);
    *exports = (struct dest_exports){.uri = NULL};
}

void dest_forget_announcements(struct dest_drive *drive)
{
    bool in_offer = drive->offer.kind == BF_HANDOFF_NATIVE; /* it says what there is */

    forget_exports(drive);
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        drive->offer.bitmaps[i].announced.known &= in_offer;
        drive->offer.bitmaps[i].served = false;
        drive->offer.bitmaps[i].loaded.known = false;
    }
    for (uint32_t i = 0; i < drive->offer.nr_disks; i++)
        drive->offer.deltas[i].known = drive->offer.loaded_deltas[i].known = false;
}

static int check_export(const struct bf_offer *offer, bool delta, const Bitferry__Export *export,
                        struct bf_error *err)
{
    uint32_t nr = delta ? offer->nr_disks : offer->nr_bitmaps;
    uint32_t disk = delta ? export->index : 0;

    if (export->index >= nr)
        return bf_error_set(err, BF_E_PROTOCOL, "the source announces number %u of %u",
                            (unsigned)export->index, (unsigned)nr);
    if (!delta)
        disk = offer->states[export->index].disk;
    if (export->disk_size_bytes != offer->disks[disk].size_bytes ||
        export->granularity_bytes != (delta ? bf_offer_finest(offer, disk)
                                            : offer->bitmaps[export->index].granularity_bytes))
        return bf_error_set(err, BF_E_PROTOCOL,
                            "size or granularity of an announced bitmap of disk '%s' are not those "
                            "of the offer",
                            offer->disks[disk].name);
    return 0;
}

static struct bf_known *announced(struct bf_offer *offer, bool delta, uint32_t index)
{
    return delta ? &offer->deltas[index] : &offer->bitmaps[index].announced;
}

/* @ret_news: something that was not known. */
static int take_summaries(struct bf_offer *offer, const Bitferry__Word *word, bool *ret_news,
                          struct bf_error *err)
{
    bool delta = (enum bf_step)word->step == BF_STEP_DELTA;
    int r = 0;

    *ret_news = false;
    for (size_t i = 0; i < word->exports->n_exports && r == 0; i++)
        r = check_export(offer, delta, word->exports->exports[i], err);
    for (size_t i = 0; i < word->exports->n_exports && r == 0; i++) {
        const Bitferry__Export *export = word->exports->exports[i];
        struct bf_known *known = announced(offer, delta, export->index);
        struct bf_known now = {.known = true, .summary.nr_dirty_bits = export->nr_dirty_bits};

        memcpy(now.summary.sha256, export->sha256.data, BF_SHA256_BYTES);
        *ret_news = *ret_news || !known->known || !bf_summary_equal(&known->summary, &now.summary);
        *known = now;
        if (delta)
            continue;
        *ret_news = *ret_news || !offer->bitmaps[export->index].served;
        offer->bitmaps[export->index].served = true;
    }
    return r;
}

static char *uri_of(const struct dest_drive *drive, const Bitferry__Exports *exports)
{
    const char *scheme = dest_settings()->credentials ? "nbds" : "nbd";
    const char *host = (const char *)exports->host.data;
    char *uri = NULL;

    if (exports->host.len == 0)
        host = dest_caller_host(drive->caller);
    if (asprintf(&uri, strchr(host, ':') ? "%s://[%s]:%u" : "%s://%s:%u", scheme, host,
                 (unsigned)exports->port) < 0)
        return NULL;
    return uri;
}

static bool take_names(struct dest_drive *drive, const Bitferry__Word *word)
{
    const Bitferry__Exports *exports = word->exports;
    bool delta = (enum bf_step)word->step == BF_STEP_DELTA;
    char token[TOKEN_HEX_BYTES];
    char **names;

    forget_exports(drive);
    drive->exports.uri = uri_of(drive, exports);
    drive->exports.names = calloc(drive->offer.nr_bitmaps + 1U, sizeof *drive->exports.names);
    drive->exports.deltas = calloc(drive->offer.nr_disks + 1U, sizeof *drive->exports.deltas);
    names = delta ? drive->exports.deltas : drive->exports.names;
    if (!drive->exports.uri || !drive->exports.names || !drive->exports.deltas)
        return false;
    bf_hex_encode(exports->token.data, exports->token.len, token);
    for (size_t i = 0; i < exports->n_exports; i++) {
        uint32_t index = exports->exports[i]->index;

        free(names[index]);
        names[index] = NULL;
        if (asprintf(&names[index], "%s/%.*s", token, (int)exports->exports[i]->name.len,
                     (const char *)exports->exports[i]->name.data) < 0) {
            names[index] = NULL;
            return false;
        }
    }
    return true;
}

static int take_exports(struct dest_drive *drive, const Bitferry__Envelope *envelope,
                        struct bf_error *err)
{
    bool news;
    int r = take_summaries(&drive->offer, envelope->word, &news, err);

    if (r == 0 && news)
        r = bf_ledger_put_frame(drive->move->folder, BF_LEDGER_EXPORTS, envelope,
                                BITFERRY__ROLE__ROLE_SOURCE, err);
    if (r == 0 && !take_names(drive, envelope->word))
        r = bf_error_set(err, BF_E_NO_MEMORY, "no memory for the exports of a move");
    return r;
}

int dest_take_announcements(void *ctx, const Bitferry__Envelope *envelope)
{
    struct dest_drive *drive = ctx;
    bool news;

    if (drive->announced_epoch != envelope->epoch) /* as BEGUN did */
        dest_forget_announcements(drive);
    drive->announced_epoch = envelope->epoch;
    return take_summaries(&drive->offer, envelope->word, &news, NULL);
}

/* --- what is heard --- */

static int take_payload(struct dest_drive *drive, const Bitferry__Envelope *envelope,
                        struct bf_error *err)
{
    const Bitferry__Word *word = envelope->word;

    switch ((int)word->payload_case) {
    case BITFERRY__WORD__PAYLOAD_OFFER:
        if (!bf_offer_same(&drive->offer, word->offer))
            return bf_error_set(err, BF_E_PROTOCOL,
                                "the source offers other bitmaps than before: begin a new move");
        return 0;
    case BITFERRY__WORD__PAYLOAD_EXPORTS:
        return envelope->epoch == drive->machine.epoch ? take_exports(drive, envelope, err) : 0;
    case BITFERRY__WORD__PAYLOAD_REASON:
        if (drive->why.code == BF_E_NONE)
            (void)bf_error_set(&drive->why, BF_E_PEER, "the source says: %s", word->reason->text);
        return 0;
    default:
        return 0;
    }
}

void dest_hear(struct dest_drive *drive, const Bitferry__Envelope *envelope)
{
    struct bf_dest_fact fact = {.kind = BF_DEST_HEARD};
    struct bf_error err = BF_ERROR_INIT;

    if (!drive->source_name)
        drive->source_name = strdup(dest_caller_name(drive->caller));
    if (!drive->begun) {
        if (envelope->word->payload_case == BITFERRY__WORD__PAYLOAD_OFFER)
            dest_begin(drive, envelope);
        return;
    }
    if (bf_word_from_envelope(envelope, drive->offer.nr_bitmaps, &fact.word, &err) < 0 ||
        take_payload(drive, envelope, &err) < 0) {
        bf_log(BF_LOG_WARNING, "move %s: a word was not heeded: %s", drive->move->id, err.text);
        return;
    }
    dest_feed(drive, &fact);
}

/* --- deadlines --- */

/* An open connection is alive (heartbeats), and then what the source does may take its time. */
static bool is_overdue(const struct dest_drive *drive)
{
    uint64_t silent_ms = uv_now(drive->loop) - drive->silent_since_ms;

    if (!drive->begun)
        return silent_ms > drive->config->expect_timeout_s * 1000;
    return !drive->caller && silent_ms > drive->config->peer_timeout_s * 1000;
}

void dest_on_tick(uv_timer_t *timer)
{
    struct dest_drive *drive = timer->data;
    struct bf_error err = BF_ERROR_INIT;

    if (drive->ended || drive->freed)
        return;
    if (drive->begun && drive->machine.state == BF_DEST_ENDED)
        dest_pump(drive);
    if (drive->ended || !is_overdue(drive))
        return;
    if (drive->begun) {
        drive->silent_since_ms = uv_now(drive->loop);
        dest_tell(drive, BF_DEST_DEADLINE);
        return;
    }
    (void)bf_error_set(&err, BF_E_DEADLINE,
                       "no source has offered VM '%s' (%s) within %llu s: run 'bitferry start' "
                       "there with this host as --peer, then 'bitferry expect' here again",
                       drive->move->plan.vm, drive->move->plan.uuid,
                       (unsigned long long)drive->config->expect_timeout_s);
    dest_end(drive, BF_MOVE_FAILED, &err);
}
