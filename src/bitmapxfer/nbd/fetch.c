#include "nbd/fetch.h"

#include "base/cleanup.h"
#include "nbd/pull.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct fetch {
    uint64_t max_bytes;
    uint8_t *bytes; /* zeroed, so that holes need no work */
    size_t nr_bytes;
    size_t nr_done_bytes;
};

static int on_begin(void *ctx, uint64_t size_bytes, struct bf_error *err)
{
    struct fetch *fetch = ctx;

    if (size_bytes > fetch->max_bytes || size_bytes >= SIZE_MAX)
        return bf_error_set(err, BF_E_LIMIT,
                            "it has %" PRIu64 " bytes; no more than %" PRIu64 " are read at once",
                            size_bytes, fetch->max_bytes);
    fetch->nr_bytes = (size_t)size_bytes;
    fetch->bytes = calloc(1, fetch->nr_bytes + 1);
    return fetch->bytes
               ? 0
               : bf_error_set(err, BF_E_NO_MEMORY, "no memory for %zu bytes", fetch->nr_bytes);
}

static int on_data(void *ctx, const uint8_t *bytes, uint64_t nr_bytes, struct bf_error *err)
{
    struct fetch *fetch = ctx;

    (void)err;
    memcpy(fetch->bytes + fetch->nr_done_bytes, bytes, (size_t)nr_bytes);
    fetch->nr_done_bytes += (size_t)nr_bytes;
    return 0;
}

static int on_hole(void *ctx, uint64_t nr_bytes, struct bf_error *err)
{
    struct fetch *fetch = ctx;

    (void)err;
    fetch->nr_done_bytes += (size_t)nr_bytes;
    return 0;
}

int bf_nbd_fetch(const struct bf_nbd_endpoint *endpoint, const char *export_name,
                 uint64_t max_bytes, char **ret_bytes, size_t *ret_nr_bytes, struct bf_error *err)
{
    struct fetch fetch = {.max_bytes = max_bytes};
    const struct bf_nbd_sink sink = {on_begin, on_data, on_hole, &fetch};
    int r = bf_nbd_pull_run(endpoint, export_name, &sink, err);

    if (r < 0) {
        free(fetch.bytes);
        return r;
    }
    *ret_bytes = (char *)fetch.bytes;
    *ret_nr_bytes = fetch.nr_bytes;
    return 0;
}
