/** bf_nbd_pull_run() that a signal ends at once, however still the server is. */
#ifndef CLI_INTERRUPTIBLE_PULL_H
#define CLI_INTERRUPTIBLE_PULL_H

#include "nbd/pull.h"

struct bf_nbd_ranges {
    const struct bf_nbd_range *ranges; /* see bf_nbd_pull_only() */
    size_t nr_ranges;
};

/** @ranges NULL: all of the export.  Errors: as bf_nbd_pull_run(), and INTERRUPTED. */
int bf_interruptible_pull(const struct bf_nbd_endpoint *endpoint, const char *export_name,
                          const struct bf_nbd_ranges *ranges, const struct bf_nbd_sink *sink,
                          struct bf_error *err);

/** A small export whole, in memory; *ret_bytes is the caller's to free().  Errors: LIMIT if it is
 *  larger than @max_bytes, else as above. */
int bf_interruptible_fetch(const struct bf_nbd_endpoint *endpoint, const char *export_name,
                           uint64_t max_bytes, char **ret_bytes, size_t *ret_nr_bytes,
                           struct bf_error *err);

#endif
