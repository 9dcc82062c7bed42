/** Bitmaps made from bitmaps, without storage: read through to the sources window by window.
 *
 * Every transformation covers at least what its sources cover: what is uncertain is dirty.  The
 * transformation struct and its sources must outlive the bf_bits that they give.  Reading takes one
 * window of stack for each transformation on the way.  Errors of the _init functions: as
 * bf_geometry_check().
 */
#ifndef MODEL_TRANSFORM_H
#define MODEL_TRANSFORM_H

#include "model/bits.h"

#include <stddef.h>

/** Another granularity on the same disk.  Coarser: a bit is dirty if any bit under it is.  Finer:
 *  all bits under a dirty one are dirty. */
struct bf_regrain {
    struct bf_bits source;
    struct bf_geometry geometry;
};
int bf_regrain_init(struct bf_regrain *regrain, const struct bf_bits *source,
                    uint64_t granularity_bytes, struct bf_bits *ret_bits, struct bf_error *err);

/** Another disk size at the same granularity.  What is new is dirty, the granule in which the old
 *  end lies included if any of the new area falls into it; what is cut off is forgotten. */
struct bf_resize {
    struct bf_bits source;
    struct bf_geometry geometry;
    uint64_t first_new_bit; /* UINT64_MAX: the disk did not grow */
};
int bf_resize_init(struct bf_resize *resize, const struct bf_bits *source, uint64_t disk_size_bytes,
                   struct bf_bits *ret_bits, struct bf_error *err);

/** Dirty where any source is.  There is at least one, and all have the same geometry (else
 *  INVALID): bring them there with the two above first.  @sources is borrowed. */
struct bf_union {
    const struct bf_bits *sources;
    size_t nr_sources;
    struct bf_geometry geometry;
};
int bf_union_init(struct bf_union *join, const struct bf_bits *sources, size_t nr_sources,
                  struct bf_bits *ret_bits, struct bf_error *err);

#endif
