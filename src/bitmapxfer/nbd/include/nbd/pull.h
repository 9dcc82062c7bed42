/** Read an export, all of it or some ranges, in order, skipping holes, with many requests under
 * way.
 *
 *     connecting -> opening -> pulling -> ended
 *
 * The data goes to a sink as it becomes contiguous.  Holes come from base:allocation where the
 * server has it; everything that it says is checked (an extent that is empty or leaves the export
 * ends the pull with PROTOCOL).  Neither libnbd nor nbdkit has time-outs, so the pull has: when
 * nothing arrives for the endpoint's deadline it fails with DEADLINE. Memory: BF_NBD_IN_FLIGHT
 * requests of BF_NBD_REQUEST_BYTES, and 256 KiB.
 */
#ifndef NBD_PULL_H
#define NBD_PULL_H

#include "nbd/endpoint.h"

#include <uv.h>

enum {
    BF_NBD_IN_FLIGHT = 16,
    BF_NBD_REQUEST_BYTES = 256 << 10, /* larger ones leave the CPU's cache (measured) */
};

struct bf_nbd_sink {
    /** The export is open; its size is known.  A non-zero return ends the pull. */
    int (*begin)(void *ctx, uint64_t size_bytes, struct bf_error *err);
    /** In order, gapless, and never more than was asked for.  A non-zero return ends the pull. */
    int (*data)(void *ctx, const uint8_t *bytes, uint64_t nr_bytes, struct bf_error *err);
    int (*hole)(void *ctx, uint64_t nr_bytes, struct bf_error *err);
    void *ctx;
};

struct bf_nbd_range {
    uint64_t offset_bytes;
    uint64_t nr_bytes; /* at least 1 */
};

struct bf_nbd_pull;

/** @err NULL: everything went to the sink.  Called once, when everything of the pull is closed; the
 *  pull frees itself afterwards. */
typedef void (*bf_nbd_done_fn)(void *ctx, const struct bf_error *err);

/** Start on a running loop.  Strings and the sink are copied, sink.ctx must live until @done.
 *  @export_name NULL: the one that the URI names; otherwise it is that of the URI that does not
 * count. Resolving a host name blocks (libnbd). Errors at once (@done is not called): those of
 * bf_nbd_endpoint_check(), PEER for a connection that is refused at once, NO_MEMORY.  Later: PEER
 * (connection lost, the server failed), NOT_FOUND (no such export), AUTH, DEADLINE, PROTOCOL,
 * INTERRUPTED, and what the sink says. */
int bf_nbd_pull_start(uv_loop_t *loop, const struct bf_nbd_endpoint *endpoint,
                      const char *export_name, const struct bf_nbd_sink *sink, bf_nbd_done_fn done,
                      void *ctx, struct bf_nbd_pull **ret_pull, struct bf_error *err);

/** Before the loop runs: read only @ranges, which are in order and do not overlap, and give the
 * sink what is in them, one behind the other as if nothing were between.  The sink's begin() is
 * told the size of the whole export.  @ranges is borrowed until @done.  0 ranges: all of the
 * export. Errors, to @done: INVALID (the order), PROTOCOL for an export that ends before they do.
 */
void bf_nbd_pull_only(struct bf_nbd_pull *pull, const struct bf_nbd_range *ranges,
                      size_t nr_ranges);

/** @done follows with INTERRUPTED, unless the pull has ended already.  Fine in the sink's
 * functions. */
void bf_nbd_pull_cancel(struct bf_nbd_pull *pull);

/** The same for all of an export, start to end, on a loop of its own. */
int bf_nbd_pull_run(const struct bf_nbd_endpoint *endpoint, const char *export_name,
                    const struct bf_nbd_sink *sink, struct bf_error *err);

#endif
