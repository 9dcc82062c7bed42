/** The requests under way: a ring of slots in export order, each a read or a hole, with their
 * buffers.
 *
 * Filled at one end from the map, emptied at the other into the sink, so what the sink gets is in
 * order whatever order the server answers in.  Buffers are made when first needed and used again.
 */
#ifndef NBD_WINDOW_H
#define NBD_WINDOW_H

#include "map.h"
#include "nbd/pull.h"

#include <libnbd.h>

struct bf_nbd_slot {
    struct bf_nbd_run run;
    uint8_t *buf;           /* owned; BF_NBD_REQUEST_BYTES, or NULL */
    uint64_t nr_seen_bytes; /* of a read */
    bool arrived;
    int errnum; /* of a read that arrived */
};

struct bf_nbd_window {
    struct bf_nbd_slot slots[BF_NBD_IN_FLIGHT];
    unsigned first; /* the oldest */
    unsigned nr_used;
    uint64_t max_request_bytes;
    uint64_t delivered_bytes;
};

/** Choose the size of requests from what the server asks for. */
void bf_nbd_window_init(struct bf_nbd_window *window, struct nbd_handle *nbd);
void bf_nbd_window_release(struct bf_nbd_window *window);

/** Issue what is mapped, as far as there are slots and a connection.  Errors: PEER, NO_MEMORY. */
int bf_nbd_window_fill(struct bf_nbd_window *window, struct bf_nbd_map *map, struct nbd_handle *nbd,
                       struct bf_error *err);

/** Give the oldest to the sink if it has arrived; *ret_given says so.  Errors: the sink's; PEER if
 *  the server could not read, PROTOCOL if it sent less or more than was asked. */
int bf_nbd_window_give(struct bf_nbd_window *window, const struct bf_nbd_sink *sink,
                       bool *ret_given, struct bf_error *err);

#endif
