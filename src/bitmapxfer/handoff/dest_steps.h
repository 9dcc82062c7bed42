/** The parts of the destination's machine, each in a file of its own.  Private. */
#ifndef DEST_STEPS_H
#define DEST_STEPS_H

#include "handoff/dest.h"

/* dest_steps.c: the steps that the source asks for, and giving up */

/** Every change of state goes through here. */
void bf_dest_set_state(struct bf_dest *dest, enum bf_dest_state state);
void bf_dest_begin_epoch(struct bf_dest *dest, uint32_t epoch);

/** Begin what @word asks for; the step under way is done, and said. */
void bf_dest_start_step(struct bf_dest *dest, const struct bf_word *word);
void bf_dest_finish_step(struct bf_dest *dest, enum bf_dest_state state);
void bf_dest_note_loaded(struct bf_dest *dest);
enum bf_round bf_dest_round_of(enum bf_step step);
bool bf_dest_wants_any(const struct bf_dest *dest, enum bf_round round);

/* of the bitmaps that are still carried: see set.h */
bool bf_dest_has(const struct bf_dest *dest, enum bf_round round);
void bf_dest_drop(struct bf_dest *dest, enum bf_round round, enum bf_drop reason);
void bf_dest_merge(struct bf_dest *dest, const uint8_t *drops);

void bf_dest_want_abort(struct bf_dest *dest, enum bf_drop reason);
void bf_dest_abandon(struct bf_dest *dest);

/** Give up or begin anew, if there is reason to and the machine is free. */
void bf_dest_interrupt(struct bf_dest *dest);

/* dest_answer.c: answers to what was wished */

void bf_dest_be_done(struct bf_dest *dest, const struct bf_dest_fact *fact);
void bf_dest_not_done(struct bf_dest *dest, bool refused);
void bf_dest_be_armed(struct bf_dest *dest, bool before_guest);
void bf_dest_note_published(struct bf_dest *dest);

/* dest_survey.c: what is found in QEMU, and what follows from it */

void bf_dest_inspected(struct bf_dest *dest, const struct bf_dest_fact *fact);

#endif
