/** The parts of the source's machine, each in a file of its own.  Private. */
#ifndef SOURCE_STEPS_H
#define SOURCE_STEPS_H

#include "handoff/source.h"

/* source_ladder.c: the states of an epoch, one after the other */

/** Every change of state goes through here. */
void bf_source_set_state(struct bf_source *source, enum bf_source_state state);
void bf_source_begin_epoch(struct bf_source *source);

/** Go to the first stage from here on that has work. */
void bf_source_go_frozen(struct bf_source *source);
void bf_source_go_recording(struct bf_source *source);
void bf_source_go_tracker(struct bf_source *source);
void bf_source_go_delta(struct bf_source *source);
void bf_source_go_stopped(struct bf_source *source);

/** NATIVE: what would prove the bitmaps that QEMU brings is not to be had; without it. */
void bf_source_go_unproven(struct bf_source *source);

/** Leave a state that waits for an event, if it has come. */
void bf_source_proceed(struct bf_source *source);

/* of the bitmaps that are still carried: see set.h */
bool bf_source_has(const struct bf_source *source, enum bf_round round);
void bf_source_drop(struct bf_source *source, enum bf_round round, enum bf_drop reason);
void bf_source_merge(struct bf_source *source, const uint8_t *drops);

/* source_event.c: what happens by itself, and giving up */

void bf_source_take_event(struct bf_source *source, const struct bf_source_fact *fact);
void bf_source_want_abort(struct bf_source *source, enum bf_drop reason);
void bf_source_abort_because(struct bf_source *source, enum bf_drop reason);
void bf_source_abandon(struct bf_source *source);

/** Give up or begin anew, if there is reason to and the machine is free. */
void bf_source_interrupt(struct bf_source *source);

/* source_answer.c */

void bf_source_take_answer(struct bf_source *source, const struct bf_source_fact *fact);

#endif
