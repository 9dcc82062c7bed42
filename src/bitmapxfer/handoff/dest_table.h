/** What each state of the destination's machine wishes and takes.  Private. */
#ifndef DEST_TABLE_H
#define DEST_TABLE_H

#include "handoff/dest.h"

enum bf_dest_trait {
    BF_DEST_FREE = 1,  /* may be left at once: nothing is under way that changes anything */
    BF_DEST_EPOCH = 2, /* not sealed yet: a newer epoch may be offered */
    BF_DEST_OPEN = 4,  /* not ended and not giving up: the move can be given up */
};

struct bf_dest_row {
    enum bf_dest_wish_kind wish; /* SAY: none but the word */
    enum bf_mark mark;
    enum bf_dest_state after; /* DONE leads there, where nothing must be decided */
    unsigned traits;
    uint32_t facts; /* 1 << each legal fact */
};

const struct bf_dest_row *bf_dest_row(enum bf_dest_state state);

#endif
