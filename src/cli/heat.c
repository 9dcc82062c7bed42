#include "heat.h"

#include <stdlib.h>
#include <string.h>

static const char *const ascii_levels[BF_HEAT_LEVELS] = {" ", ".", ":", "-", "=",
                                                         "+", "*", "#", "@"};
static const char *const block_levels[BF_HEAT_LEVELS] = {" ", "▁", "▂", "▃", "▄",
                                                         "▅", "▆", "▇", "█"};

enum {
    COLOUR_BYTES = 8, /* an escape sequence and a block character */
    END_BYTES = 16,
};

unsigned bf_heat_level(const struct bf_heat_cell *cell)
{
    uint64_t part;

    if (cell->nr_dirty_bits == 0)
        return 0;
    if (cell->nr_dirty_bits >= cell->nr_bits)
        return BF_HEAT_LEVELS - 1;
    /* At most 2^32 bits a bitmap, so this does not overflow. */
    part = cell->nr_dirty_bits * (BF_HEAT_LEVELS - 2) / cell->nr_bits;
    return (unsigned)part + 1;
}

/* Green, yellow, red; none for what is clean. */
static const char *level_colour(unsigned level)
{
    if (level == 0)
        return "\033[0m";
    if (level <= 3)
        return "\033[32m";
    return level <= 6 ? "\033[33m" : "\033[31m";
}

char *bf_heat_strip(const struct bf_heat_cell *cells, size_t nr_cells,
                    const struct bf_screen *screen)
{
    const char *const *levels = screen->utf8 ? block_levels : ascii_levels;
    char *strip = malloc(nr_cells * (COLOUR_BYTES + 4) + END_BYTES);
    const char *colour = "\033[0m";
    char *to = strip;

    if (!strip)
        return NULL;
    to = stpcpy(to, screen->utf8 ? "▕" : "[");
    for (size_t i = 0; i < nr_cells && cells[i].nr_bits > 0; i++) {
        unsigned level = bf_heat_level(&cells[i]);

        if (screen->colour && strcmp(colour, level_colour(level)) != 0) {
            colour = level_colour(level);
            to = stpcpy(to, colour);
        }
        to = stpcpy(to, levels[level]);
    }
    to = stpcpy(to, screen->colour ? "\033[0m" : "");
    (void)stpcpy(to, screen->utf8 ? "▏" : "]");
    return strip;
}
