#include "tracker.h"

#include "base/math.h"

void bf_tracker_dirty(struct bf_tracker *tracker, uint64_t bit)
{
    if (tracker->open)
        return;
    tracker->open = true;
    tracker->first_bit = bit;
}

int bf_tracker_clean(struct bf_tracker *tracker, uint64_t bit)
{
    uint64_t granularity_bytes = tracker->geometry.granularity_bytes;
    struct bf_extent extent;

    if (!tracker->open)
        return 0;
    tracker->open = false;
    extent.offset_bytes = tracker->first_bit * granularity_bytes;
    extent.length_bytes = bf_min_u64(bit * granularity_bytes, tracker->geometry.disk_size_bytes) -
                          extent.offset_bytes;
    return tracker->function(tracker->ctx, &extent);
}

int bf_tracker_word(struct bf_tracker *tracker, uint64_t bit, uint64_t word)
{
    uint64_t edges = word ^ (word << 1 | tracker->open);

    for (; edges != 0; edges &= edges - 1) {
        uint64_t edge = bit + (unsigned)__builtin_ctzll(edges);
        int r;

        if (!tracker->open) {
            bf_tracker_dirty(tracker, edge);
            continue;
        }
        r = bf_tracker_clean(tracker, edge);
        if (r != 0)
            return r;
    }
    return 0;
}

int bf_tracker_finish(struct bf_tracker *tracker)
{
    return bf_tracker_clean(tracker, bf_geometry_nr_bits(&tracker->geometry));
}
