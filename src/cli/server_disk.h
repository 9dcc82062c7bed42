/** Several bitmaps of a disk from a bitferry server through one connection: the export that has the
 * disk's name only holds the packed bits of all of them (model/stretches.h), of which those that
 * are wanted are read.  Connections are what costs most with small bitmaps (docs/measured.md).
 */
#ifndef CLI_SERVER_DISK_H
#define CLI_SERVER_DISK_H

#include "nbd/endpoint.h"
#include "target.h"

/** @disk has all bitmaps that the server's index has.  *ret_done false: the server has no such
 *  export, or @copies are not in the catalog's order; nothing was written.  Errors: as
 *  bf_interruptible_pull(), PROTOCOL for an export of another size, DIGEST_MISMATCH, the writer's;
 *  what was written is then of no use. */
int bf_server_disk_append(const struct bf_nbd_endpoint *endpoint, const struct bf_arguments *args,
                          const struct bf_catalog_disk *disk, struct bf_writer *writer,
                          struct bf_target_copy *copies, size_t nr_copies, bool *ret_done,
                          struct bf_error *err);

#endif
