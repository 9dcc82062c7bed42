/** Let a running QEMU write bitmaps into a carrier file.
 *
 * An empty qcow2 is made here, added to QEMU, each bitmap is added and merged into it, and the
 * removal of the node makes QEMU store all of them.  That last step holds QEMU's main loop: it
 * grows with the bitmaps in the file, so a guest with large bitmaps wants one bitmap a file.
 *
 * From QEMU 8 on, to add or remove a node waits for what mirrors have in flight, and the guest with
 * it.  With QEMU 10.0 and later it can be added before the mirrors begin (bf_live_carrier_open()),
 * and made to store what it has without being removed.
 *
 * Merging needs nodes of equal size, so a carrier has the *source's* size; whoever needs another
 * size rewrites it (model/transform.h, carrier/writer.h).
 */
#ifndef LIVE_SPILL_H
#define LIVE_SPILL_H

#include "live/session.h"

struct bf_live_spill_item {
    const char *node;
    const char *bitmap; /* must not record, or the file shows some moment of it */
    const char *name;   /* in the carrier */
    uint64_t granularity_bytes;
    bool recording; /* flag in the carrier */
};

struct bf_live_spill {
    const char *path;    /* must not exist; its folder must be one that QEMU may enter.  The file
                            becomes QEMU's user's where we are root */
    uint64_t size_bytes; /* of all the nodes */
    const struct bf_live_spill_item *items;
    uint32_t nr_items;
    const char *open_node; /* as of bf_live_carrier_open(), for @path; NULL: there is none */
};

/** Ends: DONE: closed by QEMU, to be read with carrier/reader.h, where every bitmap must be found
 *  and compared with bf_live_measure(): a full disk loses bitmaps at close with no error.  REFUSED:
 *  EXISTS, IO and NO_SPACE of the file, QMP_ERROR, INTERRUPTED; the file is removed.  UNKNOWN: file
 *  and node may be left (bf_live_clean()).  @ret_op may be NULL. */
int bf_live_spill(struct bf_live *live, const struct bf_live_spill *spill, uint64_t deadline_ms,
                  bf_live_done_fn done, void *ctx, struct bf_live_op **ret_op,
                  struct bf_error *err);

/** Can carriers be opened before they are written? */
bool bf_live_can_open_carriers(const struct bf_live *live);

/** The node of the carrier number @index. */
void bf_live_carrier_node(const struct bf_live *live, uint32_t index,
                          char buf[BF_LIVE_NODE_NAME_MAX + 1]);

/** Make the carrier at @path, and open it for one spill that is to come.  It stays open until
 *  bf_live_clean().  Ends: DONE; REFUSED as of bf_live_spill(); UNKNOWN. */
int bf_live_carrier_open(struct bf_live *live, const char *path, uint64_t size_bytes,
                         const char *node, uint64_t deadline_ms, bf_live_done_fn done, void *ctx,
                         struct bf_error *err);

#endif
