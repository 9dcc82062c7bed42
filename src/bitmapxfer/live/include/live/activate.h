/** Make inactive nodes active again: after a migration has completed, QEMU no longer holds the
 *  images, and the bitmaps that it stored are in the files only.
 *
 * By `blockdev-set-active` where QEMU has it (10.0), else by a read-only NBD export of a moment
 * (measured on QEMU 7.2: the bitmaps are loaded again, and those that are removed then are removed
 * from the image).  The image stays locked until QEMU ends.  QEMU refuses where somebody else has
 * it.
 */
#ifndef LIVE_ACTIVATE_H
#define LIVE_ACTIVATE_H

#include "live/session.h"

/** @server_path: a Unix socket that does not exist, for a QEMU whose NBD server does not run; it is
 *  left to the caller to unlink.  NULL: none is started, the attempt to export activates a node
 *  too, and what could not be activated is found out by whoever uses it.  Nodes that are active
 * stay so.  Ends: DONE; REFUSED: some nodes may be active; UNKNOWN: an export and the server may be
 * left, too. */
int bf_live_activate(struct bf_live *live, const char *const *nodes, uint32_t nr_nodes,
                     const char *server_path, uint64_t deadline_ms, bf_live_done_fn done, void *ctx,
                     struct bf_error *err);

#endif
