/** Where the dirty blocks of a bitmap lie, as one line of text. */
#ifndef CLI_HEAT_H
#define CLI_HEAT_H

#include "model/extents.h"
#include "output.h"

/** One character a cell: blank if it is clean, the fullest only if all of it is dirty, the lowest
 * for any dirt at all; then in eight steps.  Between two marks for the ends of the disk; cells
 * without bits are left out.  The caller frees; NULL: out of memory. */
char *bf_heat_strip(const struct bf_heat_cell *cells, size_t nr_cells,
                    const struct bf_screen *screen);

enum { BF_HEAT_LEVELS = 9 };

/** 0 (clean) to 8 (all dirty). */
unsigned bf_heat_level(const struct bf_heat_cell *cell);

#endif
