/** HOLD and what undoes it in the simulated world: while the guest migrates, bitmaps are not in the
 * source's QEMU; what they consist of is. */
#ifndef HOLD_H
#define HOLD_H

#include "world.h"

/** Look, then hold one more; false: none is left. */
bool hold_one(struct world *world);

/** A user changes it, perhaps behind that look. */
void hold_note_change(struct world *world, unsigned bitmap);

/** As the answer to HOLD says: all recording ones that are carried are held. */
bool hold_is_whole(const struct world *world);

/** Put one more back; false: none is left. */
bool put_back_one(struct world *world);

/** NULL, or what is wrong with the source's own bitmaps now; at the end. */
const char *hold_check(const struct world *world);
const char *hold_check_end(const struct world *world);

#endif
