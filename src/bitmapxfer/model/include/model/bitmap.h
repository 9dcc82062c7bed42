/** A bitmap wholly in memory, for small ones: tests, masks, results of a few megabytes. */
#ifndef MODEL_BITMAP_H
#define MODEL_BITMAP_H

#include "base/cleanup.h"
#include "model/bits.h"

#include <stdbool.h>

struct bf_bitmap {
    struct bf_geometry geometry;
    uint64_t nr_bits;
    uint8_t *packed; /* bf_geometry_packed_bytes() */
};

/** All clean.  Errors: as bf_geometry_check(), NO_MEMORY. */
int bf_bitmap_new(const struct bf_geometry *geometry, struct bf_bitmap **ret_bitmap,
                  struct bf_error *err);
void bf_bitmap_free(struct bf_bitmap *bitmap);
BF_DEFINE_CLEANUP(struct bf_bitmap *, bf_bitmap_free)

bool bf_bitmap_get(const struct bf_bitmap *bitmap, uint64_t bit);
void bf_bitmap_set(struct bf_bitmap *bitmap, uint64_t bit);

/** Set every bit that a write of [offset, offset + length) touches; outside the disk: ignored. */
void bf_bitmap_write(struct bf_bitmap *bitmap, uint64_t offset_bytes, uint64_t length_bytes);

/** Read all of @bits into memory. */
int bf_bitmap_load(const struct bf_bits *bits, struct bf_bitmap **ret_bitmap, struct bf_error *err);

/** A source that reads @bitmap, which must outlive it. */
struct bf_bits bf_bitmap_bits(const struct bf_bitmap *bitmap);

#endif
