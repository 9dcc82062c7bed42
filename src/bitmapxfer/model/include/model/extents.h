/** The dirty extents of a bitmap, in order: maximal, not touching, in bytes of the disk. */
#ifndef MODEL_EXTENTS_H
#define MODEL_EXTENTS_H

#include "model/bits.h"

struct bf_extent {
    uint64_t offset_bytes;
    uint64_t length_bytes; /* multiple of the granularity, but the last ends with the disk */
};

/** Call @function for every dirty extent.  Its non-zero return ends the walk and is returned. */
int bf_bits_each_extent(const struct bf_bits *bits,
                        int (*function)(void *ctx, const struct bf_extent *extent), void *ctx,
                        struct bf_error *err);

/** Where the dirty blocks lie, coarsely: cell i of @nr_cells gets how many of its bits are dirty
 *  and how many it has; the cells divide the disk as evenly as bits allow, each bit in exactly one
 *  cell. Fewer bits than cells: the cells past the last bit get nr_bits 0. */
struct bf_heat_cell {
    uint64_t nr_dirty_bits;
    uint64_t nr_bits;
};
int bf_bits_heat(const struct bf_bits *bits, struct bf_heat_cell *ret_cells, uint32_t nr_cells,
                 struct bf_error *err);

#endif
