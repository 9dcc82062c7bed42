#include "model/extents.h"

#include "base/math.h"
#include "window.h"

#include <string.h>

/* Cell i of @nr_used has the bits from first_bit(i) to first_bit(i + 1).  The product fits: there
 * are at most 2^32 bits. */
static uint64_t first_bit(uint64_t cell, uint64_t nr_used, uint64_t nr_bits)
{
    return cell * nr_bits / nr_used;
}

/* Dirty bits in [from, to) of the window. */
static uint64_t count_words(const uint64_t *words, uint64_t from, uint64_t to)
{
    uint64_t nr_dirty = 0;

    while (from < to) {
        uint64_t nr = bf_min_u64(64 - from % 64, to - from);
        uint64_t word = words[from / 64] >> (from % 64) << (64 - nr);
        nr_dirty += (unsigned)__builtin_popcountll(word);
        from += nr;
    }
    return nr_dirty;
}

static uint64_t count_window(const struct bf_window *window, uint64_t from, uint64_t to)
{
    switch (window->kind) {
    case BF_RUN_CLEAN:
        return 0;
    case BF_RUN_DIRTY:
        return to - from;
    case BF_RUN_MIXED:
        return count_words(window->words, from, to);
    }
    return 0;
}

int bf_bits_heat(const struct bf_bits *bits, struct bf_heat_cell *ret_cells, uint32_t nr_cells,
                 struct bf_error *err)
{
    uint64_t nr_bits = bf_geometry_nr_bits(&bits->geometry);
    uint64_t packed_bytes = bf_geometry_packed_bytes(&bits->geometry);
    uint64_t nr_used = bf_min_u64(nr_cells, nr_bits);
    struct bf_window window;
    uint64_t cell = 0;

    memset(ret_cells, 0, nr_cells * sizeof *ret_cells);
    for (uint64_t offset = 0; cell < nr_used; offset += window.nr_bytes) {
        uint64_t base = offset * 8;
        uint64_t end;
        int r = bf_window_next(&window, bits, offset, packed_bytes - offset, err);

        if (r < 0)
            return r;
        end = bf_min_u64(base + window.nr_bytes * 8, nr_bits);
        for (uint64_t bit = base; bit < end;) {
            uint64_t cell_end = first_bit(cell + 1, nr_used, nr_bits);
            uint64_t stop = bf_min_u64(cell_end, end);

            ret_cells[cell].nr_bits += stop - bit;
            ret_cells[cell].nr_dirty_bits += count_window(&window, bit - base, stop - base);
            bit = stop;
            cell += stop == cell_end;
        }
    }
    return 0;
}
