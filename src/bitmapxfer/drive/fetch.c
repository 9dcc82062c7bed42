#include "drive/fetch.h"

#include "base/cleanup.h"
#include "carrier/writer.h"
#include "daemon/log.h"
#include "nbd/pull.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { WORD_BYTES = 8 };

struct bf_fetch {
    uv_loop_t *loop;
    char *uri;
    const struct bf_peer_settings *settings;
    uint64_t deadline_ms;
    struct bf_fetch_item *items;
    uint32_t nr_items;
    uint32_t at;
    unsigned tries;
    struct bf_nbd_pull *pull;
    uv_timer_t timer;
    /* the item under way */
    int fd;
    struct bf_writer *writer;
    struct bf_summarizer *summarizer;
    uint64_t done_bytes, total_bytes;
    uint8_t last[WORD_BYTES]; /* held back: the end of the smaller disk lies in it */
    bool cancelled;
    void (*progress)(void *ctx, uint32_t index, uint64_t done, uint64_t total);
    bf_fetch_fn done;
    void *ctx;
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

static struct bf_geometry geometry_of(const struct bf_fetch_item *item, uint64_t size_bytes)
{
    return (struct bf_geometry){size_bytes, item->granularity_bytes};
}

static void end_item(struct bf_fetch *fetch)
{
    if (fetch->writer)
        bf_writer_free(fetch->writer);
    if (fetch->summarizer)
        bf_summarizer_free(fetch->summarizer);
    if (fetch->fd >= 0)
        (void)close(fetch->fd);
    fetch->writer = NULL;
    fetch->summarizer = NULL;
    fetch->fd = -1;
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
    end_item(fetch);
    uv_close((uv_handle_t *)&fetch->timer, on_timer_closed);
}

static int sink_begin(void *ctx, uint64_t size_bytes, struct bf_error *err)
{
    struct bf_fetch *fetch = ctx;

    if (size_bytes != fetch->total_bytes)
        return bf_error_set(err, BF_E_DIGEST_MISMATCH,
                            "the export has %llu bytes, and %llu were announced",
                            (unsigned long long)size_bytes, (unsigned long long)fetch->total_bytes);
    return 0;
}

/* All but the last word goes to the writer as it is. */
static int sink_data(void *ctx, const uint8_t *bytes, uint64_t nr_bytes, struct bf_error *err)
{
    struct bf_fetch *fetch = ctx;
    uint64_t body = fetch->total_bytes - WORD_BYTES;
    uint64_t at = fetch->done_bytes;
    uint64_t now = at < body ? (nr_bytes < body - at ? nr_bytes : body - at) : 0;

    bf_summarizer_feed(fetch->summarizer, bytes, nr_bytes);
    if (nr_bytes > now)
        memcpy(fetch->last + (at + now - body), bytes + now, nr_bytes - now);
    fetch->done_bytes += nr_bytes;
    fetch->progress(fetch->ctx, item_of(fetch)->index, fetch->done_bytes, fetch->total_bytes);
    return now > 0 ? bf_writer_append(fetch->writer, bytes, now, err) : 0;
}

static int sink_hole(void *ctx, uint64_t nr_bytes, struct bf_error *err)
{
    struct bf_fetch *fetch = ctx;
    uint64_t body = fetch->total_bytes - WORD_BYTES;
    uint64_t at = fetch->done_bytes;
    uint64_t now = at < body ? (nr_bytes < body - at ? nr_bytes : body - at) : 0;

    bf_summarizer_feed_clean(fetch->summarizer, nr_bytes);
    fetch->done_bytes += nr_bytes;
    fetch->progress(fetch->ctx, item_of(fetch)->index, fetch->done_bytes, fetch->total_bytes);
    return now > 0 ? bf_writer_append_clean(fetch->writer, now, err) : 0;
}

/* Where the disk is larger here: bits of the granule in which the old disk ends, and of all behind
 * it, are dirty. */
static int write_end(struct bf_fetch *fetch, struct bf_error *err)
{
    const struct bf_fetch_item *item = item_of(fetch);
    struct bf_geometry wanted = geometry_of(item, item->wanted_size_bytes);
    uint64_t first_new = item->disk_size_bytes / item->granularity_bytes;
    uint64_t word_first = (fetch->total_bytes - WORD_BYTES) * 8;
    uint64_t word_end = fetch->total_bytes * 8;
    uint64_t more = bf_geometry_packed_bytes(&wanted) - fetch->total_bytes;
    int r;

    if (item->wanted_size_bytes > item->disk_size_bytes) {
        for (uint64_t bit = first_new; bit < word_end; bit++)
            fetch->last[(bit - word_first) / 8] |= (uint8_t)(1U << (bit % 8));
    }
    r = bf_writer_append(fetch->writer, fetch->last, WORD_BYTES, err);
    if (r == 0 && more > 0)
        r = bf_writer_append_dirty(fetch->writer, more, err);
    return r;
}

static int finish_item(struct bf_fetch *fetch, struct bf_error *err)
{
    struct bf_fetch_item *item = item_of(fetch);
    struct bf_summary arrived;
    int r;

    bf_summarizer_finish(fetch->summarizer, &arrived);
    if (!bf_summary_equal(&arrived, &item->announced))
        return bf_error_set(err, BF_E_DIGEST_MISMATCH,
                            "count or digest of '%s' are not what was announced",
                            item->export_name);
    r = write_end(fetch, err);
    if (r == 0)
        r = bf_writer_end(fetch->writer, &item->written, err);
    return r < 0 ? r : bf_writer_finish(fetch->writer, err);
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
                   err->code == BF_E_SIZE_MISMATCH || err->code == BF_E_PERMISSION;

    end_item(fetch);
    (void)unlink(item_of(fetch)->path);
    bf_log(BF_LOG_WARNING, "a bitmap could not be fetched: %s", err->text);
    if (!lasting && ++fetch->tries < BF_FETCH_TRIES_MAX) {
        (void)uv_timer_start(&fetch->timer, on_retry, BF_FETCH_RETRY_MS, 0);
        return;
    }
    item_of(fetch)->failed = err->code;
    next_item(fetch);
}

static void on_pulled(void *ctx, const struct bf_error *err)
{
    struct bf_fetch *fetch = ctx;
    struct bf_error found = BF_ERROR_INIT;

    fetch->pull = NULL;
    if (fetch->cancelled) {
        release(fetch);
        return;
    }
    if (err)
        (void)bf_error_set(&found, err->code, "%s", err->text);
    else
        (void)finish_item(fetch, &found);
    if (found.code != BF_E_NONE) {
        fail_item(fetch, &found);
        return;
    }
    end_item(fetch);
    next_item(fetch);
}

static int open_item(struct bf_fetch *fetch, struct bf_error *err)
{
    struct bf_fetch_item *item = item_of(fetch);
    struct bf_geometry exported = geometry_of(item, item->disk_size_bytes);
    struct bf_bitmap_spec spec = {.name = BF_FETCH_BITMAP,
                                  .granularity_bytes = item->granularity_bytes};
    int r;

    fetch->done_bytes = 0;
    fetch->total_bytes = bf_geometry_packed_bytes(&exported);
    memset(fetch->last, 0, sizeof fetch->last);
    if (item->wanted_size_bytes < item->disk_size_bytes)
        return bf_error_set(err, BF_E_SIZE_MISMATCH, "the disk is smaller here");
    (void)unlink(item->path);
    fetch->fd = open(item->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fetch->fd < 0)
        return bf_error_set_errno(err, errno, "cannot make %s", item->path);
    r = bf_writer_new(fetch->fd, item->path, item->wanted_size_bytes, &fetch->writer, err);
    if (r == 0)
        r = bf_writer_begin(fetch->writer, &spec, err);
    return r < 0 ? r : bf_summarizer_new(&fetch->summarizer, err);
}

static void start_item(struct bf_fetch *fetch)
{
    struct bf_nbd_endpoint endpoint = {.uri = fetch->uri,
                                       .tls_certificates = fetch->settings->tls_certificates,
                                       .tls_psk_file = fetch->settings->psk_file,
                                       .tls_psk_name = fetch->settings->psk_name,
                                       .deadline_ms = fetch->deadline_ms};
    struct bf_nbd_sink sink = {sink_begin, sink_data, sink_hole, fetch};
    struct bf_error err = BF_ERROR_INIT;
    int r = open_item(fetch, &err);

    if (r == 0)
        r = bf_nbd_pull_start(fetch->loop, &endpoint, item_of(fetch)->export_name, &sink, on_pulled,
                              fetch, &fetch->pull, &err);
    if (r < 0)
        fail_item(fetch, &err);
}

static void next_item(struct bf_fetch *fetch)
{
    fetch->tries = 0;
    if (++fetch->at < fetch->nr_items) {
        start_item(fetch);
        return;
    }
    fetch->done(fetch->ctx, fetch->items, fetch->nr_items);
    release(fetch);
}

static void on_start(uv_timer_t *timer)
{
    struct bf_fetch *fetch = timer->data;

    fetch->at = UINT32_MAX; /* next_item() begins with 0 */
    next_item(fetch);
}

int bf_fetch_start(uv_loop_t *loop, const char *uri, const struct bf_peer_settings *settings,
                   uint64_t deadline_ms, struct bf_fetch_item *items, uint32_t nr_items,
                   void (*progress)(void *ctx, uint32_t index, uint64_t done, uint64_t total),
                   bf_fetch_fn done, void *ctx, struct bf_fetch **ret_fetch, struct bf_error *err)
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
                               .deadline_ms = deadline_ms,
                               .items = items,
                               .nr_items = nr_items,
                               .fd = -1,
                               .progress = progress,
                               .done = done,
                               .ctx = ctx};
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
