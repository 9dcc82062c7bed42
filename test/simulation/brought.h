/** What QEMU brings by itself where nobody sees it before the guest runs (BF_HANDOFF_NATIVE): it is
 * judged by state, count and digest, and, where there were a snapshot and a delta, bit by bit. */
#ifndef BROUGHT_H
#define BROUGHT_H

#include "world.h"

bool is_brought(const struct world *world);

/** What the offer says of the bitmaps. */
void brought_announce(struct world *world);

/** QEMU brings the bitmap: as it is, with less, or in another state. */
void bring(struct world *world, unsigned bitmap);

/** What proves it is fetched, as far as it is served; or forgotten. */
void brought_fetch(struct world *world);
void brought_forget(struct world *world);

void brought_answer_inspect(struct world *world);

/** NULL, or how the end does not fit what has come. */
const char *brought_check_end(const struct world *world, unsigned bitmap);

#endif
