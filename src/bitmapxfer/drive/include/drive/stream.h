/** QEMU's own transfer of bitmaps, set up by us: capability `dirty-bitmaps` and
 *  `block-bitmap-mapping`, the same aliases on both sides.
 *
 * Bitmaps that are not in the mapping stay out of the stream: our temporaries above all.  QEMU
 * cannot take a mapping back, only the capability.
 */
#ifndef DRIVE_STREAM_H
#define DRIVE_STREAM_H

#include "drive/offer.h"
#include "live/session.h"

#include <jansson.h>

/** Is @disk carried in the stream because a person or `migrate -b` wants it, and not by a mapping
 *  of the orchestrator's? */
bool bf_stream_is_ours(const struct bf_offer *offer, uint32_t disk);

/** The mapping for these nodes; @dest: with what the images there can store.  NULL: no memory, or
 *  no disk goes that way. */
json_t *bf_stream_mapping(const struct bf_offer *offer, bool dest);

/** Tell QEMU; it carries out commands in order, so whatever follows finds it set.  What QEMU
 *  refuses is told to @done, and then the bitmaps do not go that way. */
void bf_stream_set(struct bf_live *live, json_t *mapping, bool capability, bf_qmp_reply_fn done,
                   void *ctx);

/** Take the capability back. */
void bf_stream_unset(struct bf_live *live, bf_qmp_reply_fn done, void *ctx);

#endif
