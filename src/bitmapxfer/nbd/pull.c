#include "nbd/pull.h"

#include "link.h"
#include "status.h"
#include "window.h"

#include <stdlib.h>
#include <string.h>

enum pull_state {
    PULL_CONNECTING, /* until TLS and the common options are settled */
    PULL_OPENING,    /* until the server has answered for the export */
    PULL_PULLING,    /* until the sink has got everything */
    PULL_ENDED,      /* the link closes; `err` says how it went */
};

struct bf_nbd_pull {
    enum pull_state state;
    struct bf_nbd_link link;
    struct bf_nbd_map map;
    struct bf_nbd_status status;
    struct bf_nbd_window window;
    struct bf_nbd_sink sink;
    const struct bf_nbd_range *ranges; /* borrowed */
    size_t nr_ranges;
    bf_nbd_done_fn done;
    void *done_ctx;
    char *export_name;
    bool opened; /* the server has answered, with open_errnum */
    int open_errnum;
    struct bf_error err;
};

static void pull_free(struct bf_nbd_pull *pull)
{
    bf_nbd_window_release(&pull->window);
    free(pull->export_name);
    free(pull);
}
BF_DEFINE_CLEANUP(struct bf_nbd_pull *, pull_free)

/* @err NULL: all is well. */
static void pull_end(struct bf_nbd_pull *pull, const struct bf_error *err)
{
    if (pull->state == PULL_ENDED)
        return;
    pull->state = PULL_ENDED;
    if (err) {
        pull->err = *err;
        bf_error_prefix(&pull->err, "export '%s'", pull->export_name);
    }
    bf_nbd_link_close(&pull->link);
}

static void on_closed(void *ctx)
{
    BF_CLEANUP(pull_freep) struct bf_nbd_pull *pull = ctx;

    pull->done(pull->done_ctx, pull->err.code == BF_E_NONE ? NULL : &pull->err);
}

static int on_opened(void *ctx, int *errnum)
{
    struct bf_nbd_pull *pull = ctx;

    pull->opened = true;
    pull->open_errnum = *errnum;
    return 1;
}

static int ask_to_open(struct bf_nbd_pull *pull, struct bf_error *err)
{
    struct nbd_handle *nbd = pull->link.nbd;

    if (!nbd_aio_is_negotiating(nbd))
        return nbd_aio_is_connecting(nbd) ? 0
                                          : bf_error_set(err, BF_E_PROTOCOL,
                                                         "the server speaks the old handshake, "
                                                         "which knows no exports");
    pull->state = PULL_OPENING;
    if (nbd_add_meta_context(nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0 ||
        nbd_set_export_name(nbd, pull->export_name) < 0 ||
        nbd_aio_opt_go(nbd, (nbd_completion_callback){.callback = on_opened, .user_data = pull}) <
            0)
        return bf_nbd_error(err, "asking for the export");
    return 0;
}

static int begin(struct bf_nbd_pull *pull, struct bf_error *err)
{
    struct nbd_handle *nbd = pull->link.nbd;
    int64_t size_bytes;
    int r;

    if (!pull->opened)
        return 0;
    if (pull->open_errnum == ENOENT)
        return bf_error_set(err, BF_E_NOT_FOUND, "the server at '%s' has no such export",
                            pull->link.uri);
    if (pull->open_errnum != 0)
        return bf_nbd_error(err, pull->link.uri);
    size_bytes = nbd_get_size(nbd);
    if (size_bytes < 0)
        return bf_error_set(err, BF_E_PROTOCOL, "the server gives no usable size");
    r = pull->sink.begin(pull->sink.ctx, (uint64_t)size_bytes, err);
    if (r != 0 || pull->state != PULL_OPENING) /* refused, or cancelled */
        return r;
    r = bf_nbd_map_init(&pull->map, (uint64_t)size_bytes,
                        nbd_can_meta_context(nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) == 1,
                        pull->ranges, pull->nr_ranges, err);
    if (r < 0)
        return r;
    pull->status.map = &pull->map;
    bf_nbd_window_init(&pull->window, nbd);
    pull->state = PULL_PULLING;
    return 0;
}

/* Give the sink what has arrived and keep the server busy, until there is nothing left to do. */
static int move_data(struct bf_nbd_pull *pull, struct bf_error *err)
{
    bool given = true;
    int r = 0;

    while (r == 0 && pull->state == PULL_PULLING &&
           (given || bf_nbd_status_is_new(&pull->status))) {
        r = bf_nbd_status_settle(&pull->status, err);
        if (r == 0)
            r = bf_nbd_status_ask(&pull->status, pull->link.nbd, err);
        if (r == 0)
            r = bf_nbd_window_fill(&pull->window, &pull->map, pull->link.nbd, err);
        if (r == 0)
            r = bf_nbd_window_give(&pull->window, &pull->sink, &given, err);
    }
    return r;
}

/* No waiting between the states: libnbd may answer inside the call that asks, when the server was
 * quick, and then the socket stays silent. */
static int step(struct bf_nbd_pull *pull, struct bf_error *err)
{
    int r = 0;

    if (pull->state == PULL_CONNECTING)
        r = ask_to_open(pull, err);
    if (r == 0 && pull->state == PULL_OPENING)
        r = begin(pull, err);
    if (r == 0 && pull->state == PULL_PULLING)
        r = move_data(pull, err);
    return r;
}

static void on_event(void *ctx, struct bf_error *err)
{
    struct bf_nbd_pull *pull = ctx;
    struct bf_error failure = BF_ERROR_INIT;

    if (!err && step(pull, &failure) != 0) {
        bf_error_set(&failure, BF_E_INVALID, "the receiver refused without a reason");
        err = &failure;
    }
    if (err)
        pull_end(pull, err);
    else if (pull->state == PULL_PULLING && pull->window.delivered_bytes == pull->map.wanted_bytes)
        pull_end(pull, NULL);
}

static int pull_new(const struct bf_nbd_endpoint *endpoint, const char *export_name,
                    struct bf_nbd_pull **ret_pull, struct bf_error *err)
{
    BF_CLEANUP(pull_freep) struct bf_nbd_pull *pull = calloc(1, sizeof *pull);
    int r;

    if (!pull)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a pull");
    if (export_name) {
        pull->export_name = strdup(export_name);
        if (!pull->export_name)
            return bf_error_set(err, BF_E_NO_MEMORY, "no memory for an export name");
    } else {
        r = bf_nbd_uri_export(endpoint->uri, &pull->export_name, err);
        if (r < 0)
            return r;
    }
    *ret_pull = bf_steal_ptr(&pull);
    return 0;
}

int bf_nbd_pull_start(uv_loop_t *loop, const struct bf_nbd_endpoint *endpoint,
                      const char *export_name, const struct bf_nbd_sink *sink, bf_nbd_done_fn done,
                      void *ctx, struct bf_nbd_pull **ret_pull, struct bf_error *err)
{
    BF_CLEANUP(pull_freep) struct bf_nbd_pull *pull = NULL;
    int r = pull_new(endpoint, export_name, &pull, err);

    if (r < 0)
        return r;
    pull->sink = *sink;
    pull->done = done;
    pull->done_ctx = ctx;
    pull->link.event = on_event;
    pull->link.closed = on_closed;
    pull->link.ctx = pull;
    r = bf_nbd_link_open(&pull->link, loop, endpoint, err);
    if (r < 0)
        return r;
    *ret_pull = bf_steal_ptr(&pull);
    return 0;
}

void bf_nbd_pull_only(struct bf_nbd_pull *pull, const struct bf_nbd_range *ranges, size_t nr_ranges)
{
    pull->ranges = ranges;
    pull->nr_ranges = nr_ranges;
}

void bf_nbd_pull_cancel(struct bf_nbd_pull *pull)
{
    struct bf_error err = BF_ERROR_INIT;

    bf_error_set(&err, BF_E_INTERRUPTED, "cancelled");
    pull_end(pull, &err);
}

static void on_run_done(void *ctx, const struct bf_error *err)
{
    if (err)
        *(struct bf_error *)ctx = *err;
}

int bf_nbd_pull_run(const struct bf_nbd_endpoint *endpoint, const char *export_name,
                    const struct bf_nbd_sink *sink, struct bf_error *err)
{
    struct bf_error outcome = BF_ERROR_INIT;
    struct bf_nbd_pull *pull;
    uv_loop_t loop;
    int r = uv_loop_init(&loop);

    if (r < 0)
        return bf_error_set(err, BF_E_IO, "cannot make an event loop: %s", uv_strerror(r));
    r = bf_nbd_pull_start(&loop, endpoint, export_name, sink, on_run_done, &outcome, &pull,
                          &outcome);
    if (r == 0)
        uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return outcome.code == BF_E_NONE ? 0 : bf_error_set(err, outcome.code, "%s", outcome.text);
}
