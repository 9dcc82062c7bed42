/** The two helpers of the simulated world: drivers that carry out the machines' wishes, piece by
 * piece. */
#ifndef HELPERS_H
#define HELPERS_H

#include "world.h"

void source_feed(struct world *world, const struct bf_source_fact *fact);
void dest_feed(struct world *world, const struct bf_dest_fact *fact);
void source_begin(struct world *world);

/* each returns false when it cannot happen now */
bool source_carry_out(struct world *world, unsigned unused);
bool source_answer(struct world *world, unsigned unused);
bool source_in_doubt(struct world *world, unsigned unused);
bool source_refuse(struct world *world, unsigned unused);
bool source_poll(struct world *world, unsigned disk);
bool source_notice(struct world *world, unsigned unused);
bool source_crash(struct world *world, unsigned carried_out);
bool source_restart(struct world *world, unsigned unused);
uint8_t source_compare(const struct world *world, unsigned bitmap); /* enum bf_drop */
bool source_tell(struct world *world, unsigned fact);

bool dest_carry_out(struct world *world, unsigned unused);
bool dest_answer(struct world *world, unsigned unused);
bool dest_in_doubt(struct world *world, unsigned unused);
bool dest_refuse(struct world *world, unsigned unused);
bool dest_notice(struct world *world, unsigned unused);
bool dest_crash(struct world *world, unsigned carried_out);
bool dest_restart(struct world *world, unsigned unused);
bool dest_tell(struct world *world, unsigned fact);
void dest_arrive(struct world *world, const struct wire_word *word);

/* records.c */
struct kept_record keep_record(const struct bf_record *record);
struct bf_record kept(const struct kept_record *record);

/* wire.c */
bool deliver(struct world *world, unsigned which);
bool lose(struct world *world, unsigned which);
bool duplicate(struct world *world, unsigned which);

/** Its drops are the wire's. */
struct bf_word heard_word(const struct wire_word *word);
void put_on_wire(struct world *world, unsigned direction, const struct bf_word *word,
                 const struct bf_handoff_bitmap *bitmaps);

#endif
