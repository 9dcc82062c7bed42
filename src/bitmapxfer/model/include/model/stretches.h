/** Where the bitmaps of a disk lie in the one export that holds all of them.
 *
 *     | bits of the first, padding | bits of the second, padding | ... | bits of the last |
 *
 * The consistent bitmaps in the order of the catalog, each from the next multiple of
 * BF_STRETCH_ALIGN_BYTES on; what is between them reads as zeroes.  Server and client compute the
 * same from the same catalog, so nothing of it is sent.
 */
#ifndef MODEL_STRETCHES_H
#define MODEL_STRETCHES_H

#include "model/catalog.h"

enum { BF_STRETCH_ALIGN_BYTES = 4096 };

struct bf_stretch {
    size_t bitmap; /* index into the disk's bitmaps */
    uint64_t offset_bytes;
    uint64_t nr_bytes; /* of packed bits */
};

struct bf_stretches {
    struct bf_stretch *items; /* owned; in order */
    size_t nr_items;
    uint64_t size_bytes; /* up to the end of the last */
};

/** Release @ret_stretches in the end; after a failure it is empty.  Errors: NO_MEMORY. */
int bf_stretches_init(struct bf_stretches *ret_stretches, const struct bf_catalog_disk *disk,
                      struct bf_error *err);
void bf_stretches_release(struct bf_stretches *stretches);

/** The stretch that the byte at @offset_bytes is in, or the next behind it; nr_items if there is
 * none. */
size_t bf_stretches_find(const struct bf_stretches *stretches, uint64_t offset_bytes);

#endif
