/** What QEMU brings by itself where nobody sees it before the guest runs (BF_HANDOFF_NATIVE): it is
 * judged by the state, count and digest that the offer says. */
#ifndef BROUGHT_H
#define BROUGHT_H

#include "world.h"

bool is_brought(const struct world *world);

/** What the offer says of the bitmaps. */
void brought_announce(struct world *world);

/** QEMU brings the bitmap with one bit less than was announced, or in another state. */
void bring_short(struct world *world, unsigned bitmap);

void brought_answer_inspect(struct world *world);

/** NULL, or how the end does not fit what has come. */
const char *brought_check_end(const struct world *world, unsigned bitmap);

#endif
