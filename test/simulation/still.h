/** A machine that is shut off (BF_HANDOFF_STILL): its images, and who runs it meanwhile.
 *
 * The source's helper holds locks on the images as long as it lives; once it is dead anybody can
 * start the machine, and a stamp tells it afterwards.  Until it has looked for the last time, also
 * one who takes no locks is noticed.  The copy is made before the destination hears of the move.
 */
#ifndef STILL_H
#define STILL_H

#include "world.h"

bool is_still(const struct world *world);

/* each returns false when it cannot happen now */
bool machine_start_here(struct world *world, unsigned unused);
bool machine_start_there(struct world *world, unsigned unused);
bool machine_start_early(struct world *world, unsigned unused);
bool machine_stop(struct world *world, unsigned unused);

/* the source's helper */
void still_open(struct world *world);
void still_reopen(struct world *world);
bool still_follow(struct world *world);
void still_serve(struct world *world);
void still_answer_inspect(struct world *world);

/* the destination's helper */
bool still_copy(struct world *world);
void still_make_carriers(struct world *world);

/** False: the wish is carried out as in QEMU. */
bool still_carry_out(struct world *world);
void still_note_patience(struct world *world, unsigned fact);
bool still_keeps_carriers(const struct world *world);
void still_answer_dest_inspect(struct world *world);

/** Must what is published cover all by now?  The source may take back the rest. */
bool still_is_settled(const struct world *world);

#endif
