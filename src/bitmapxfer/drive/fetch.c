#include "drive/fetch.h"

#include "base/cleanup.h"
#include "daemon/log.h"
#include "intake.h"
#include "nbd/pull.h"
#include "pace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { TICK_MS = 250 };

struct bf_fetch {
    uv_loop_t *loop;
    char *uri;
    const struct bf_peer_settings *settings;
    struct bf_fetch_patience patience;
    struct bf_fetch_item *items;
    uint32_t nr_items;
    uint32_t at;
    unsigned tries;
    struct bf_nbd_pull *pull;
    uv_timer_t timer;
    /* the item under way */
    struct bf_intake intake;
    uint64_t data_bytes; /* without holes, with those of earlier tries */
    uint64_t begun_ms;   /* the first try */
    bool cancelled;
    struct bf_fetch_handlers handlers;
};

void bf_fetch_items_free(struct bf_fetch_item *items, uint32_t nr_items)
{
    for (uint32_t i = 0; i < nr_items; i++) {
        free(items[i].export_name);
        free(items[i].path);
    }
    free(items);
}

static struct bf_fetch_item *item_of(struct bf_fetch *fetch)
{
    return &fetch->items[fetch->at];
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct bf_fetch *fetch = handle->data;

    bf_fetch_items_free(fetch->items, fetch->nr_items);
    free(fetch->uri);
    free(fetch);
}

static void release(struct bf_fetch *fetch)
{
    bf_intake_release(&fetch->intake);
    uv_close((uv_handle_t *)&fetch->timer, on_timer_closed);
}

static int sink_begin(void *ctx, uint64_t size_bytes, struct bf_error *err)
{
    const struct bf_fetch *fetch = ctx;

    if (size_bytes != fetch->intake.total_bytes)
        return bf_error_set(
            err, BF_E_DIGEST_MISMATCH, "the export has %llu bytes, and %llu were announced",
            (unsigned long long)size_bytes, (unsigned long long)fetch->intake.total_bytes);
    return 0;
}

static int take(struct bf_fetch *fetch, const uint8_t *bytes, uint64_t nr_bytes,
                struct bf_error *err)
{
    int r = bf_intake_feed(&fetch->intake, bytes, nr_bytes, err);

    fetch->handlers.progress(fetch->handlers.ctx, item_of(fetch)->index, fetch->intake.done_bytes,
                             fetch->intake.total_bytes);
    return r;
}

static int sink_data(void *ctx, const uint8_t *bytes, uint64_t nr_bytes, struct bf_error *err)
{
    struct bf_fetch *fetch = ctx;

    fetch->data_bytes += nr_bytes;
    return take(fetch, bytes, nr_bytes, err);
}

static int sink_hole(void *ctx, uint64_t nr_bytes, struct bf_error *err)
{
    return take(ctx, NULL, nr_bytes, err);
}

static void next_item(struct bf_fetch *fetch);
static void start_item(struct bf_fetch *fetch);

static void on_retry(uv_timer_t *timer)
{
    start_item(timer->data);
}

static void fail_item(struct bf_fetch *fetch, const struct bf_error *err)
{
    bool lasting = err->code == BF_E_NO_SPACE || err->code == BF_E_AUTH ||
                   err->code == BF_E_SIZE_MISMATCH || err->code == BF_E_PERMISSION ||
                   item_of(fetch)->too_slow;

    bf_intake_release(&fetch->intake);
    (void)unlink(item_of(fetch)->path);
    bf_log(BF_LOG_WARNING, "a bitmap could not be fetched: %s", err->text);
    if (!lasting && ++fetch->tries < BF_FETCH_TRIES_MAX) {
        (void)uv_timer_start(&fetch->timer, on_retry, BF_FETCH_RETRY_MS, 0);
        return;
    }
    item_of(fetch)->failed = err->code;
    next_item(fetch);
}

/* From outside of the pull: what trickles in keeps it alive. */
static void on_tick(uv_timer_t *timer)
{
    struct bf_fetch *fetch = timer->data;

    if (!bf_pace_is_hopeless(uv_now(fetch->loop) - fetch->begun_ms, fetch->patience.limit_ms,
                             fetch->data_bytes,
                             fetch->intake.total_bytes - fetch->intake.done_bytes))
        return;
    item_of(fetch)->too_slow = true;
    (void)uv_timer_stop(timer);
    bf_nbd_pull_cancel(fetch->pull);
}

static void say_too_slow(struct bf_fetch *fetch, struct bf_error *err)
{
    (void)bf_error_set(err, BF_E_DEADLINE,
                       "'%s': %llu of %llu bytes in %.1f s, and the limit is %.1f s",
                       item_of(fetch)->export_name, (unsigned long long)fetch->intake.done_bytes,
                       (unsigned long long)fetch->intake.total_bytes,
                       (double)(uv_now(fetch->loop) - fetch->begun_ms) / 1000,
                       (double)fetch->patience.limit_ms / 1000);
}

static void on_pulled(void *ctx, const struct bf_error *err)
{
    struct bf_fetch *fetch = ctx;
    struct bf_error found = BF_ERROR_INIT;

    (void)uv_timer_stop(&fetch->timer);
    fetch->pull = NULL;
    if (fetch->cancelled) {
        release(fetch);
        return;
    }
    if (item_of(fetch)->too_slow)
        say_too_slow(fetch, &found);
    else if (err)
        (void)bf_error_set(&found, err->code, "%s", err->text);
    else
        (void)bf_intake_finish(&fetch->intake, item_of(fetch), &found);
    if (found.code != BF_E_NONE) {
        fail_item(fetch, &found);
        return;
    }
    bf_intake_release(&fetch->intake);
    next_item(fetch);
}

static void start_item(struct bf_fetch *fetch)
{
    struct bf_nbd_endpoint endpoint = {.uri = fetch->uri,
                                       .tls_certificates = fetch->settings->tls_certificates,
                                       .tls_psk_file = fetch->settings->psk_file,
                                       .tls_psk_name = fetch->settings->psk_name,
                                       .deadline_ms = fetch->patience.deadline_ms};
    struct bf_nbd_sink sink = {sink_begin, sink_data, sink_hole, fetch};
    struct bf_error err = BF_ERROR_INIT;
    int r = bf_intake_open(&fetch->intake, item_of(fetch), &err);

    if (r == 0)
        r = bf_nbd_pull_start(fetch->loop, &endpoint, item_of(fetch)->export_name, &sink, on_pulled,
                              fetch, &fetch->pull, &err);
    if (r < 0)
        fail_item(fetch, &err);
    else
        (void)uv_timer_start(&fetch->timer, on_tick, TICK_MS, TICK_MS);
}

static void begin_item(struct bf_fetch *fetch)
{
    fetch->tries = 0;
    fetch->data_bytes = 0;
    fetch->begun_ms = uv_now(fetch->loop);
    start_item(fetch);
}

static void next_item(struct bf_fetch *fetch)
{
    const struct bf_fetch_handlers handlers = fetch->handlers;
    const struct bf_fetch_item *ended = item_of(fetch);

    if (++fetch->at < fetch->nr_items) {
        begin_item(fetch);
        handlers.item(handlers.ctx, ended);
        return;
    }
    handlers.item(handlers.ctx, ended);
    handlers.done(handlers.ctx);
    release(fetch);
}

static void on_start(uv_timer_t *timer)
{
    begin_item(timer->data);
}

int bf_fetch_start(uv_loop_t *loop, const char *uri, const struct bf_peer_settings *settings,
                   const struct bf_fetch_patience *patience, struct bf_fetch_item *items,
                   uint32_t nr_items, const struct bf_fetch_handlers *handlers,
                   struct bf_fetch **ret_fetch, struct bf_error *err)
{
    struct bf_fetch *fetch = calloc(1, sizeof *fetch);
    char *uri_copy = strdup(uri);

    if (!fetch || !uri_copy) {
        free(fetch);
        free(uri_copy);
        bf_fetch_items_free(items, nr_items);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to fetch bitmaps");
    }
    *fetch = (struct bf_fetch){.loop = loop,
                               .uri = uri_copy,
                               .settings = settings,
                               .patience = *patience,
                               .items = items,
                               .nr_items = nr_items,
                               .intake.fd = -1,
                               .handlers = *handlers};
    (void)uv_timer_init(loop, &fetch->timer);
    fetch->timer.data = fetch;
    (void)uv_timer_start(&fetch->timer, on_start, 0, 0);
    *ret_fetch = fetch;
    return 0;
}

void bf_fetch_cancel(struct bf_fetch *fetch)
{
    fetch->cancelled = true;
    if (fetch->pull)
        bf_nbd_pull_cancel(fetch->pull);
    else
        release(fetch);
}
