/** Put bitmaps from a carrier file into a running or incoming QEMU, under temporary names.
 *
 * The carrier is opened read-only, made active if QEMU keeps it inactive (during -incoming), one
 * transaction adds and merges, and it is closed.  A carrier is made active by `blockdev-set-active`
 * where QEMU has it (10.0), else by a read-only NBD export of a moment, or, should no NBD server
 * run, by the attempt (measured on 7.2: QEMU activates the node before it looks for a server).
 */
#ifndef LIVE_LOAD_H
#define LIVE_LOAD_H

#include "live/session.h"

struct bf_live_load_item {
    const char *name;   /* in the carrier */
    const char *bitmap; /* to be made on the node; transient, disabled */
    uint64_t granularity_bytes;
};

struct bf_live_load {
    const char *path; /* readable for QEMU; made so where we are root */
    const char *node; /* of the disk, of the carrier's size */
    const struct bf_live_load_item *items;
    uint32_t nr_items;
};

/** Ends: DONE, to be compared with bf_live_measure(); REFUSED: all or none, nothing is left;
 *  UNKNOWN: bitmaps, node and export may be left (bf_live_clean()).  @ret_op may be NULL. */
int bf_live_load(struct bf_live *live, const struct bf_live_load *load, uint64_t deadline_ms,
                 bf_live_done_fn done, void *ctx, struct bf_live_op **ret_op, struct bf_error *err);

#endif
