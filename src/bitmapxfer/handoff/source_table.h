/** What each state of the source's machine wishes and takes.  Private. */
#ifndef SOURCE_TABLE_H
#define SOURCE_TABLE_H

#include "handoff/source.h"

enum bf_source_trait {
    BF_SOURCE_FREE = 1,  /* may be left at once: nothing is under way that changes anything */
    BF_SOURCE_EPOCH = 2, /* relies on mirrors since t0, and may begin anew */
    BF_SOURCE_ALIVE = 4, /* before the seal: any reason gives the move up */
};

struct bf_source_row {
    enum bf_source_wish_kind wish; /* SAY: none but the word */
    enum bf_round round;
    enum bf_mark mark;
    enum bf_step step;          /* the word that is said on entry */
    enum bf_source_state after; /* DONE leads there, where nothing must be decided */
    unsigned traits;
    enum bf_source_milestone milestone;
    uint32_t facts; /* 1 << each legal fact */
};

const struct bf_source_row *bf_source_row(enum bf_source_state state);

#endif
