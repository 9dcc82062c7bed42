/** The steps of bf_mode_plan_make(). */
#ifndef MODES_PRIVATE_H
#define MODES_PRIVATE_H

#include "modes/plan.h"

/** match.c.  Fills in @partner or @drop. */
void bf_match_disk(const struct bf_vm_facts *source, uint32_t index, const struct bf_vm_facts *dest,
                   struct bf_disk_plan *ret_plan);

/** No disk can be two: where two have the same partner, neither has one. */
void bf_refuse_shared_partners(struct bf_mode_plan *plan);

/** chain.c.  Fills in @nr_merged and @chain_broken. */
void bf_match_chain(const struct bf_disk_facts *source, const struct bf_disk_facts *dest,
                    struct bf_disk_plan *ret_plan);

/** NONE, or why the bitmaps of this name in the merged layers do not make one checkpoint. */
enum bf_drop bf_chain_gap(const struct bf_disk_facts *disk, uint32_t nr_merged, const char *name);

bool bf_same_layer(const struct bf_layer_facts *a, const struct bf_layer_facts *b);
const struct bf_bitmap_facts *bf_layer_find(const struct bf_layer_facts *layer, const char *name);

/** fate.c */
struct bf_fate_context {
    const struct bf_vm_facts *source, *dest;
    const struct bf_disk_facts *disk, *partner; /* @partner may be NULL */
    const struct bf_disk_plan *plan;
    enum bf_handoff_kind kind;
};
void bf_decide_fate(const struct bf_fate_context *context, struct bf_bitmap_plan *plan);

#endif
