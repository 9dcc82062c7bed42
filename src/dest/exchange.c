/* Where sources call.  A caller says words of any number of moves; each goes to the move that it
 * names, and the first one (OFFER) to the move that was expected for its VM. */
#include "drive.h"

#include "daemon/log.h"
#include "rpc/allow.h"
#include "rpc/listener.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMPLAINTS_MAX = 20, COMPLAINTS_MS = 60000, WARNINGS_MAX = 8 };

struct dest_caller {
    struct bf_rpc_peer *peer;
    struct dest_caller *next;
};

/* Open connections use the settings that they were made with, so none is freed: there is one more
 * for each SIGHUP. */
struct generation {
    struct bf_peer_settings settings;
    struct generation *older;
};

/* One for the process: it has one port. */
static struct {
    struct bf_rpc_listener *listener;
    struct generation *newest;
    struct dest_caller *callers;
    struct dest_drive *drives;
    const struct bf_config *config;
    const struct bf_driver_host *host;
    struct {
        uint64_t since_ms;
        unsigned nr;
    } complaints; /* of those who were not let in */
} exchange;

const struct bf_peer_settings *dest_settings(void)
{
    return &exchange.newest->settings;
}

int dest_caller_send(struct dest_caller *caller, const Bitferry__Envelope *envelope,
                     struct bf_error *err)
{
    if (!caller)
        return bf_error_set(err, BF_E_PEER, "the source is not connected");
    return bf_rpc_send(caller->peer, envelope, err);
}

const char *dest_caller_host(const struct dest_caller *caller)
{
    return bf_rpc_peer_host(caller->peer);
}

const char *dest_caller_name(const struct dest_caller *caller)
{
    return bf_rpc_peer_name(caller->peer);
}

void dest_exchange_set_host(const struct bf_config *config, const struct bf_driver_host *host)
{
    exchange.config = config;
    exchange.host = host;
}

static bool is_of(const struct dest_drive *drive, const Bitferry__Envelope *envelope)
{
    return drive->offered &&
           memcmp(drive->offer.move_id, envelope->move_id.data, BF_MOVE_ID_BYTES) == 0;
}

static bool is_expected(const struct dest_drive *drive, const Bitferry__Envelope *envelope)
{
    const Bitferry__Word *word = envelope->word;

    return !drive->offered && word->payload_case == BITFERRY__WORD__PAYLOAD_OFFER &&
           memcmp(drive->uuid, word->offer->vm_uuid.data, BF_RPC_ID_BYTES) == 0;
}

static struct dest_drive *find(const Bitferry__Envelope *envelope)
{
    struct dest_drive *drive;

    for (drive = exchange.drives; drive; drive = drive->next) {
        if (is_of(drive, envelope))
            return drive;
    }
    for (drive = exchange.drives; drive; drive = drive->next) {
        if (is_expected(drive, envelope))
            return drive;
    }
    return NULL;
}

/* A move is of the source that offered it; whoever else was let in has no say in it. */
static bool may_speak(const struct dest_drive *drive, const struct dest_caller *caller)
{
    return !drive->source_name || strcmp(drive->source_name, dest_caller_name(caller)) == 0;
}

/* What a source that may announce offers is expected: a domain whose bitmaps QEMU itself brings, so
 * that nothing has to be known of it here but its UUID. */
static struct dest_drive *take_announced(const struct dest_caller *caller,
                                         const Bitferry__Envelope *envelope)
{
    const Bitferry__Word *word = envelope->word;
    const Bitferry__Offer *offer = word->offer;
    char uuid[BF_PLAN_UUID_CHARS + 1];

    if (word->payload_case != BITFERRY__WORD__PAYLOAD_OFFER ||
        offer->method != BITFERRY__METHOD__METHOD_NATIVE ||
        !bf_rpc_list_matches(exchange.config->may_announce, dest_caller_name(caller)))
        return NULL;
    bf_uuid_text(offer->vm_uuid.data, uuid);
    if (!exchange.host->expect(exchange.host->ctx, (const char *)offer->vm_name.data, uuid))
        return NULL;
    bf_log(BF_LOG_INFO, "%s (%s) was announced by %s", (const char *)offer->vm_name.data, uuid,
           dest_caller_name(caller));
    return find(envelope);
}

/* A word that nobody is waiting for yet is said again. */
static void on_word(void *ctx, const Bitferry__Envelope *envelope)
{
    struct dest_caller *caller = ctx;
    struct dest_drive *drive = find(envelope);
    bool is_new;

    if (!drive && !dest_former_answer(caller, envelope))
        drive = take_announced(caller, envelope);
    if (!drive || drive->ended || drive->freed)
        return;
    if (!may_speak(drive, caller)) {
        bf_log(BF_LOG_WARNING, "move %s: a word of '%s' is not heeded: the move is of '%s'",
               drive->move->id, dest_caller_name(caller), drive->source_name);
        return;
    }
    is_new = drive->caller != caller;
    drive->caller = caller; /* the newest connection is the one that lives */
    dest_hear(drive, envelope);
    if (is_new)
        dest_tell(drive, BF_DEST_NUDGE);
}

static void forget(struct dest_caller *caller)
{
    struct dest_caller **at = &exchange.callers;

    while (*at != caller)
        at = &(*at)->next;
    *at = caller->next;
    for (struct dest_drive *drive = exchange.drives; drive; drive = drive->next) {
        if (drive->caller == caller) {
            drive->caller = NULL;
            drive->silent_since_ms = uv_now(drive->loop);
        }
    }
    bf_rpc_peer_close(caller->peer);
    free(caller);
}

static void on_closed(void *ctx, const struct bf_error *err)
{
    struct dest_caller *caller = ctx;

    bf_log(BF_LOG_INFO, "the connection of %s ended: %s", bf_rpc_peer_address(caller->peer),
           err->text);
    forget(caller);
}

static void on_opened(void *ctx, struct bf_rpc_peer *peer)
{
    struct dest_caller *caller = calloc(1, sizeof *caller);
    struct bf_rpc_peer_handlers handlers = {.word = on_word, .closed = on_closed, .ctx = caller};

    (void)ctx;
    if (!caller) {
        bf_rpc_peer_close(peer);
        return;
    }
    caller->peer = peer;
    caller->next = exchange.callers;
    exchange.callers = caller;
    bf_rpc_peer_set_handlers(peer, &handlers);
    bf_log(BF_LOG_INFO, "%s called, as %s", bf_rpc_peer_address(peer),
           bf_rpc_peer_name(peer)[0] ? bf_rpc_peer_name(peer) : "nobody (plain TCP)");
}

/* A crowd does not fill the log: so many lines a minute, then a number. */
static bool may_complain(void)
{
    uint64_t now_ms = uv_hrtime() / 1000000;

    if (now_ms - exchange.complaints.since_ms > COMPLAINTS_MS) {
        if (exchange.complaints.nr > COMPLAINTS_MAX)
            bf_log(BF_LOG_WARNING, "%u more were not let in",
                   exchange.complaints.nr - COMPLAINTS_MAX);
        exchange.complaints.since_ms = now_ms;
        exchange.complaints.nr = 0;
    }
    return ++exchange.complaints.nr <= COMPLAINTS_MAX;
}

/* Which move it meant nobody knows; those that wait for their source may wait for this one. */
static void warn_of_version(const struct bf_error *err)
{
    char text[BF_ERROR_TEXT_MAX + 32];

    (void)snprintf(text, sizeof text, "a source was not let in: %s", err->text);
    for (struct dest_drive *drive = exchange.drives; drive; drive = drive->next) {
        if (!drive->offered && !drive->ended && drive->move->nr_warnings < WARNINGS_MAX)
            bf_move_warn(drive->move, text);
    }
}

static void on_refused(void *ctx, const char *address, const struct bf_error *err)
{
    (void)ctx;
    if (err->code == BF_E_VERSION)
        warn_of_version(err);
    if (!may_complain())
        return;
    bf_log(BF_LOG_WARNING, "%s was not let in: %s", address, err->text);
}

static int load_settings(const struct bf_config *config, struct bf_error *err)
{
    struct generation *generation = calloc(1, sizeof *generation);
    int r;

    if (!generation)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for certificates");
    r = bf_peer_settings_load(config, &generation->settings, err);
    if (r < 0) {
        free(generation);
        return r;
    }
    generation->older = exchange.newest;
    exchange.newest = generation;
    return 0;
}

static int listen_anew(uv_loop_t *loop, const struct bf_config *config, struct bf_error *err)
{
    const struct bf_peer_settings *settings = &exchange.newest->settings;
    struct bf_rpc_listener_handlers handlers = {on_opened, on_refused, NULL};
    int r = bf_rpc_listen(loop, &settings->rpc, config->address, (uint16_t)config->port, &handlers,
                          &exchange.listener, err);

    if (r == 0)
        bf_log(BF_LOG_INFO, "sources may call %s port %u%s", config->address,
               (unsigned)bf_rpc_listener_port(exchange.listener),
               settings->credentials ? "" : ", without TLS");
    return r;
}

int dest_exchange_open(uv_loop_t *loop, const struct bf_config *config, struct bf_error *err)
{
    int r = 0;

    if (exchange.listener)
        return 0;
    if (!exchange.newest)
        r = load_settings(config, err);
    return r < 0 ? r : listen_anew(loop, config, err);
}

int dest_exchange_reload(uv_loop_t *loop, const struct bf_config *config, struct bf_error *err)
{
    int r = load_settings(config, err);

    if (r < 0)
        return r;
    if (exchange.listener)
        bf_rpc_listener_close(exchange.listener);
    exchange.listener = NULL;
    return listen_anew(loop, config, err);
}

void dest_exchange_close(void)
{
    if (!exchange.listener)
        return;
    while (exchange.callers)
        forget(exchange.callers);
    dest_former_forget();
    bf_rpc_listener_close(exchange.listener);
    exchange.listener = NULL;
}

void dest_exchange_add(struct dest_drive *drive)
{
    drive->next = exchange.drives;
    exchange.drives = drive;
}

void dest_exchange_remove(struct dest_drive *drive)
{
    struct dest_drive **at = &exchange.drives;

    while (*at && *at != drive)
        at = &(*at)->next;
    if (*at)
        *at = drive->next;
}
