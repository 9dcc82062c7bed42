/** Read a whole export, in order, skipping holes, with many requests under way.
 *
 * The data goes to a sink as it becomes contiguous.  Holes come from base:allocation where the server
 * has it; everything that it says is checked (extents that overlap, do not advance or leave the export
 * end the pull with PROTOCOL).  Neither libnbd nor nbdkit has time-outs, so the pull has: when nothing
 * arrives for the endpoint's deadline it fails with DEADLINE.
 * Memory: BF_NBD_IN_FLIGHT requests of BF_NBD_REQUEST_BYTES.
 */
#ifndef NBD_PULL_H
#define NBD_PULL_H

#include "nbd/endpoint.h"

#include <uv.h>

enum {
    BF_NBD_IN_FLIGHT = 16,
    BF_NBD_REQUEST_BYTES = 1 << 20,
};

struct bf_nbd_sink {
    /** The export is open; its size is known.  A non-zero return ends the pull. */
    int (*begin)(void *ctx, uint64_t size_bytes, struct bf_error *err);
    /** In order, gapless. */
    int (*data)(void *ctx, const uint8_t *bytes, uint64_t nr_bytes, struct bf_error *err);
    int (*hole)(void *ctx, uint64_t nr_bytes, struct bf_error *err);
    void *ctx;
};

struct bf_nbd_pull;

/** @err NULL: everything went to the sink.  Called once; the pull frees itself afterwards. */
typedef void (*bf_nbd_done_fn)(void *ctx, const struct bf_error *err);

/** Start on a running loop.  Strings and the sink are copied, sink.ctx must live until @done. */
int bf_nbd_pull_start(uv_loop_t *loop, const struct bf_nbd_endpoint *endpoint,
                      const char *export_name, const struct bf_nbd_sink *sink, bf_nbd_done_fn done,
                      void *ctx, struct bf_nbd_pull **ret_pull, struct bf_error *err);

/** @done follows with INTERRUPTED. */
void bf_nbd_pull_cancel(struct bf_nbd_pull *pull);

/** The same, start to end, on a loop of its own. */
int bf_nbd_pull_run(const struct bf_nbd_endpoint *endpoint, const char *export_name,
                    const struct bf_nbd_sink *sink, struct bf_error *err);

#endif
