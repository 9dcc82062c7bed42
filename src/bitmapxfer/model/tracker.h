/** Joins dirty bits into maximal extents as they are seen, in order. */
#ifndef TRACKER_H
#define TRACKER_H

#include "model/extents.h"

#include <stdbool.h>

struct bf_tracker {
    struct bf_geometry geometry; /* extents are cut at this disk's end */
    int (*function)(void *ctx, const struct bf_extent *extent);
    void *ctx;
    uint64_t first_bit; /* of the extent that is open */
    bool open;
};

/** From @bit on the bits are dirty, until something else is said. */
void bf_tracker_dirty(struct bf_tracker *tracker, uint64_t bit);

/** From @bit on the bits are clean.  Returns what the function returned, else 0. */
int bf_tracker_clean(struct bf_tracker *tracker, uint64_t bit);

/** @bit and the 63 behind it are as @word says. */
int bf_tracker_word(struct bf_tracker *tracker, uint64_t bit, uint64_t word);

/** There are no more bits. */
int bf_tracker_finish(struct bf_tracker *tracker);

#endif
