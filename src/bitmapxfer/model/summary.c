#include "model/summary.h"

#include "base/math.h"
#include "packed.h"

#include <nettle/sha2.h>
#include <string.h>

struct bf_summarizer {
    struct sha256_ctx sha256;
    uint64_t nr_dirty_bits;
};

static void start(struct bf_summarizer *summarizer)
{
    sha256_init(&summarizer->sha256);
    summarizer->nr_dirty_bits = 0;
}

int bf_summarizer_new(struct bf_summarizer **ret_summarizer, struct bf_error *err)
{
    struct bf_summarizer *summarizer = malloc(sizeof *summarizer);

    if (!summarizer)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a digest");
    start(summarizer);
    *ret_summarizer = summarizer;
    return 0;
}

void bf_summarizer_free(struct bf_summarizer *summarizer)
{
    free(summarizer);
}

void bf_summarizer_feed(struct bf_summarizer *summarizer, const uint8_t *packed, uint64_t nr_bytes)
{
    summarizer->nr_dirty_bits += bf_packed_count(packed, nr_bytes);
    sha256_update(&summarizer->sha256, nr_bytes, packed);
}

void bf_summarizer_feed_clean(struct bf_summarizer *summarizer, uint64_t nr_bytes)
{
    static const uint8_t clean[BF_WINDOW_BYTES];

    while (nr_bytes > 0) {
        uint64_t nr = bf_min_u64(nr_bytes, sizeof clean);
        sha256_update(&summarizer->sha256, nr, clean);
        nr_bytes -= nr;
    }
}

void bf_summarizer_finish(struct bf_summarizer *summarizer, struct bf_summary *ret_summary)
{
    ret_summary->nr_dirty_bits = summarizer->nr_dirty_bits;
    sha256_digest(&summarizer->sha256, BF_SHA256_BYTES, ret_summary->sha256);
}

static int feed_stretch(struct bf_summarizer *summarizer, const struct bf_bits *bits,
                        uint64_t offset_bytes, uint64_t max_bytes, uint64_t *ret_nr_bytes,
                        struct bf_error *err)
{
    uint8_t window[BF_WINDOW_BYTES];
    enum bf_run_kind kind;
    int r = bf_bits_run(bits, offset_bytes, max_bytes, &kind, ret_nr_bytes, err);

    if (r < 0)
        return r;
    switch (kind) {
    case BF_RUN_CLEAN:
        bf_summarizer_feed_clean(summarizer, *ret_nr_bytes);
        return 0;
    case BF_RUN_DIRTY:
        bf_bits_fill_dirty(&bits->geometry, offset_bytes, window, *ret_nr_bytes);
        break;
    case BF_RUN_MIXED:
        r = bf_bits_read(bits, offset_bytes, window, *ret_nr_bytes, err);
        break;
    }
    if (r < 0)
        return r;
    bf_summarizer_feed(summarizer, window, *ret_nr_bytes);
    return 0;
}

int bf_bits_summarize(const struct bf_bits *bits, const struct bf_progress *progress,
                      struct bf_summary *ret_summary, struct bf_error *err)
{
    uint64_t packed_bytes = bf_geometry_packed_bytes(&bits->geometry);
    struct bf_summarizer summarizer;
    uint64_t nr_bytes = 0;

    start(&summarizer);
    for (uint64_t offset = 0; offset < packed_bytes; offset += nr_bytes) {
        int r = feed_stretch(&summarizer, bits, offset,
                             bf_min_u64(packed_bytes - offset, BF_WINDOW_BYTES), &nr_bytes, err);
        if (r < 0)
            return r;
        if (progress && progress->function(progress->ctx, offset + nr_bytes, packed_bytes) != 0)
            return bf_error_set(err, BF_E_INTERRUPTED, "interrupted while reading a bitmap");
    }
    bf_summarizer_finish(&summarizer, ret_summary);
    return 0;
}

uint64_t bf_summary_dirty_bytes(const struct bf_summary *summary,
                                const struct bf_geometry *geometry)
{
    return summary->nr_dirty_bits * geometry->granularity_bytes;
}

bool bf_summary_equal(const struct bf_summary *a, const struct bf_summary *b)
{
    return a->nr_dirty_bits == b->nr_dirty_bits &&
           memcmp(a->sha256, b->sha256, BF_SHA256_BYTES) == 0;
}
