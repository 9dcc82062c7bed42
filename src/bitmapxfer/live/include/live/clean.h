/** Take everything of a move out of QEMU, whatever state it was left in.
 *
 * Bitmaps whose name begins with the prefix (handoff/names.h: prefix, move, dot), on all nodes;
 * exports and nodes that this session's tag names.  Never anything else: a user's bitmap cannot
 * begin with the prefix.
 */
#ifndef LIVE_CLEAN_H
#define LIVE_CLEAN_H

#include "live/session.h"

/** @bitmap_prefix: at least BF_LIVE_TAG_CHARS long (INVALID), so that no slip empties a VM.
 *  Repeatable.  Ends: DONE: nothing of it is there; REFUSED: something is left, first error (a
 *  temporary that somebody exports is BITMAP_BUSY); UNKNOWN. */
int bf_live_clean(struct bf_live *live, const char *bitmap_prefix, uint64_t deadline_ms,
                  bf_live_done_fn done, void *ctx, struct bf_error *err);

#endif
