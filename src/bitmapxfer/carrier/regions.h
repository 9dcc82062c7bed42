/** Which parts of an image are in use by what, to find out that two things lie in the same place.
 */
#ifndef CARRIER_REGIONS_H
#define CARRIER_REGIONS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bf_region_kind {
    BF_REGION_HEADER,
    BF_REGION_L1,
    BF_REGION_REFCOUNTS,
    BF_REGION_SNAPSHOTS,
    BF_REGION_DIRECTORY,
    BF_REGION_TABLE, /* of a bitmap */
    BF_REGION_BITS,  /* data clusters of a bitmap */
};

struct bf_region {
    uint64_t start_bytes;
    uint64_t end_bytes;
    enum bf_region_kind kind;
    uint32_t bitmap; /* index, for TABLE and BITS */
};

enum {
    /* 12 MiB.  QEMU allocates the clusters of a bitmap in a row, so that one region holds many; ten
     * bitmaps of the largest kind without any two neighbours come to 80,000. */
    BF_REGIONS_MAX = 1 << 19,
};

/** Zero-initialised is empty; free() the list. */
struct bf_regions {
    struct bf_region *list;
    size_t nr_regions;
    size_t nr_allocated;
};

/** Append; a region that goes on where the last one ended becomes a part of it.  An empty one is
 *  ignored.  Errors: LIMIT over BF_REGIONS_MAX, NO_MEMORY. */
int bf_regions_add(struct bf_regions *regions, const struct bf_region *region,
                   struct bf_error *err);

/** Sort them.  True if two overlap, which are then told. */
bool bf_regions_overlap(struct bf_regions *regions, struct bf_region *ret_first,
                        struct bf_region *ret_second);

#endif
