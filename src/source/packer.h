/** Extents of a disk, clean and dirty in turn, become packed bits in a carrier.
 *
 * A granule of which any byte is dirty is dirty, wherever the extents are cut.
 */
#ifndef SOURCE_PACKER_H
#define SOURCE_PACKER_H

#include "carrier/writer.h"

struct source_packer {
    struct bf_writer *writer; /* borrowed; the bitmap is begun */
    struct bf_geometry geometry;
    uint64_t at_bytes; /* of the disk: extents were put up to here */
    /* private */
    uint64_t nr_bits; /* written or in the window */
    size_t nr_window_bits;
    uint8_t window[BF_WINDOW_BYTES];
};

void source_packer_init(struct source_packer *packer, struct bf_writer *writer,
                        const struct bf_geometry *geometry);

/** The next extent; what reaches past the disk's end is cut off.  Errors: the writer's. */
int source_packer_put(struct source_packer *packer, bool dirty, uint64_t length_bytes,
                      struct bf_error *err);

/** All of the disk was put.  Errors: the writer's. */
int source_packer_end(struct source_packer *packer, struct bf_error *err);

#endif
