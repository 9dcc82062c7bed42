/** Asking an export's block status (base:allocation), one question at a time.
 *
 * libnbd's callbacks run under its lock, so they only store; the pull asks afterwards.
 */
#ifndef NBD_STATUS_H
#define NBD_STATUS_H

#include "map.h"

#include <libnbd.h>

struct bf_nbd_status {
    struct bf_nbd_map *map;
    uint64_t offset_bytes;
    bool under_way;
    bool complete;
    bool seen; /* extents came */
    int errnum;
    struct bf_error err; /* set: what is wrong with the extents */
};

/** Ask what the map wants to know, if anything, and if no question is under way.  Errors: PEER. */
int bf_nbd_status_ask(struct bf_nbd_status *status, struct nbd_handle *nbd, struct bf_error *err);

/** Is there an answer that was not settled? */
bool bf_nbd_status_is_new(const struct bf_nbd_status *status);

/** Hand a complete answer over to the map.  Errors: PROTOCOL, PEER (the server failed to tell). */
int bf_nbd_status_settle(struct bf_nbd_status *status, struct bf_error *err);

#endif
