#include "model/extents.h"

#include "tracker.h"
#include "window.h"

static int track_window(struct bf_tracker *tracker, const struct bf_window *window, uint64_t bit)
{
    int r = 0;

    switch (window->kind) {
    case BF_RUN_CLEAN:
        return bf_tracker_clean(tracker, bit);
    case BF_RUN_DIRTY:
        bf_tracker_dirty(tracker, bit);
        return 0;
    case BF_RUN_MIXED:
        for (uint64_t i = 0; i < window->nr_bytes / 8 && r == 0; i++)
            r = bf_tracker_word(tracker, bit + i * 64, window->words[i]);
        break;
    }
    return r;
}

int bf_bits_each_extent(const struct bf_bits *bits,
                        int (*function)(void *ctx, const struct bf_extent *extent), void *ctx,
                        struct bf_error *err)
{
    uint64_t packed_bytes = bf_geometry_packed_bytes(&bits->geometry);
    struct bf_tracker tracker = {.geometry = bits->geometry, .function = function, .ctx = ctx};
    struct bf_window window;

    for (uint64_t offset = 0; offset < packed_bytes; offset += window.nr_bytes) {
        int r = bf_window_next(&window, bits, offset, packed_bytes - offset, err);
        if (r < 0)
            return r;
        r = track_window(&tracker, &window, offset * 8);
        if (r != 0)
            return r;
    }
    return bf_tracker_finish(&tracker);
}
