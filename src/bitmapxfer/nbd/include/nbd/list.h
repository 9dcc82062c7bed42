/** What an NBD server says it exports. */
#ifndef NBD_LIST_H
#define NBD_LIST_H

#include "nbd/endpoint.h"

#include <stddef.h>

enum {
    BF_NBD_EXPORTS_MAX = 100000,         /* a bitmap each of thousands of disks */
    BF_NBD_EXPORTS_MAX_BYTES = 64 << 20, /* names and descriptions: 4,096 bytes each are legal */
};

struct bf_nbd_export {
    char *name;        /* owned */
    char *description; /* owned; "" for none */
};

struct bf_nbd_exports {
    struct bf_nbd_export *exports; /* owned; in the server's order */
    size_t nr_exports;
};

void bf_nbd_exports_release(struct bf_nbd_exports *list);

/** Ask the server for its exports, on a loop of its own.  The export in the URI does not matter.
 *  Names and descriptions are whatever the server sends: not checked to be UTF-8.
 *  *ret_list is empty on failure.  Errors: as bf_nbd_pull_run(); LIMIT for too many; PEER for a
 *  server that does not tell. */
int bf_nbd_list(const struct bf_nbd_endpoint *endpoint, struct bf_nbd_exports *ret_list,
                struct bf_error *err);

#endif
