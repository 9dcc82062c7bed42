/** A move as a person sees it, from what a daemon said of it. */
#ifndef CLI_MOVE_VIEW_H
#define CLI_MOVE_VIEW_H

#include "base/error.h"
#include "output.h"

#include <jansson.h>

enum bf_move_view_detail {
    BF_MOVE_VIEW_DISKS, /* a line for each disk */
    BF_MOVE_VIEW_BUSY,  /* ... and for each bitmap that is on its way right now */
    BF_MOVE_VIEW_ALL,   /* ... and for each bitmap */
};

/** The move, its disks and their bitmaps, with a bar for all that is not done. */
void bf_move_view_print(const json_t *move, const struct bf_screen *screen,
                        enum bf_move_view_detail detail, FILE *out);

/** "STATE: PHASE", or "STATE: REASON". */
void bf_move_view_state(const json_t *move, FILE *out);

/** Only what was dropped, each with reason and consequence. */
void bf_move_view_drops(const json_t *move, FILE *out);

#endif
