/** A move as a person sees it, from what a daemon said of it. */
#ifndef CLI_MOVE_VIEW_H
#define CLI_MOVE_VIEW_H

#include "base/error.h"
#include "output.h"

#include <jansson.h>

/** The move with its bitmaps, a bar for each that is not done.  Returns the lines that were
 *  printed. */
size_t bf_move_view_print(const json_t *move, const struct bf_screen *screen, FILE *out);

/** "STATE: PHASE", or "STATE: REASON". */
void bf_move_view_state(const json_t *move, FILE *out);

/** Only what was dropped, each with reason and consequence. */
void bf_move_view_drops(const json_t *move, FILE *out);

#endif
