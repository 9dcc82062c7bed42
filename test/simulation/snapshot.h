/** SNAPSHOT in the simulated world: plain commands, and a guest that writes between any two. */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include "world.h"

/** Is the bitmap to have a snapshot in this round? */
bool snapshot_is_of(const struct world *world, unsigned bitmap, unsigned round);

/** The next command; false: none is left.  One that fails is followed by the removal of all that
 *  was made, and then the action has failed. */
bool snapshot_one(struct world *world);

/** What an earlier try of this epoch has left goes. */
void snapshot_sweep(struct world *world);

/** As the answer to INSPECT says. */
bool snapshot_is_whole(const struct world *world, unsigned round);

#endif
