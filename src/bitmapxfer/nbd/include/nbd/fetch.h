/** A small export whole, in memory: the index of a bitferry server. */
#ifndef NBD_FETCH_H
#define NBD_FETCH_H

#include "nbd/endpoint.h"

#include <stddef.h>

/** Errors: LIMIT if the export is larger than @max_bytes, else as bf_nbd_pull_run().  *ret_bytes is
 *  the caller's to free(); a NUL that is not counted follows the bytes. */
int bf_nbd_fetch(const struct bf_nbd_endpoint *endpoint, const char *export_name,
                 uint64_t max_bytes, char **ret_bytes, size_t *ret_nr_bytes, struct bf_error *err);

#endif
