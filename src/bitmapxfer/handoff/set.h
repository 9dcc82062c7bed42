/** The bitmaps of a move as a set: who is still carried, and why not.  Private to both machines. */
#ifndef SET_H
#define SET_H

#include "handoff/word.h"

struct bf_handoff_set {
    struct bf_handoff_bitmap *bitmaps;
    uint32_t nr_bitmaps;
};

enum {
    BF_SET_LOADED = 1,    /* destination: its checked snapshot is in QEMU */
    BF_SET_STALE = 2,     /* destination: its name is taken by what a former visit left */
    BF_SET_PUBLISHED = 4, /* destination: its final name is in QEMU, put there by us */
};

bool bf_set_in_round(const struct bf_handoff_bitmap *bitmap, enum bf_round round);

/** Is any bitmap of the round still carried? */
bool bf_set_has(const struct bf_handoff_set *set, enum bf_round round);

/** Drop what is still carried of the round (NONE: of all).  The first reason wins. */
void bf_set_drop(struct bf_handoff_set *set, enum bf_round round, enum bf_drop drop);

/** Take over reasons (of a word or an answer; NULL: none). */
void bf_set_merge(struct bf_handoff_set *set, const uint8_t *drops);

/** As offered: a new epoch finds out everything again. */
void bf_set_restart(struct bf_handoff_set *set);

/** Remember what the driver filled in as the state to restart from. */
void bf_set_init(struct bf_handoff_set *set);

#endif
