/** Digest and count: what proves that two bitmaps are the same. */
#ifndef MODEL_SUMMARY_H
#define MODEL_SUMMARY_H

#include "base/cleanup.h"
#include "model/bits.h"

#include <stdbool.h>

enum { BF_SHA256_BYTES = 32 };

struct bf_summary {
    uint64_t nr_dirty_bits;
    uint8_t sha256[BF_SHA256_BYTES]; /* over the packed bits */
};

/** One pass over @bits, BF_WINDOW_BYTES at a time. */
int bf_bits_summarize(const struct bf_bits *bits, const struct bf_progress *progress,
                      struct bf_summary *ret_summary, struct bf_error *err);

/** QEMU's `count`: dirty bits times granularity, the last granule not cut at the end of the disk
 *  (hbitmap_count() in util/hbitmap.c). */
uint64_t bf_summary_dirty_bytes(const struct bf_summary *summary,
                                const struct bf_geometry *geometry);

bool bf_summary_equal(const struct bf_summary *a, const struct bf_summary *b);

/** The same summary for bits that come as a stream of packed bytes, in order.  Feed in any pieces;
 *  the caller sees to it that padding bits are 0. */
struct bf_summarizer;
int bf_summarizer_new(struct bf_summarizer **ret_summarizer, struct bf_error *err);
void bf_summarizer_free(struct bf_summarizer *summarizer);
void bf_summarizer_feed(struct bf_summarizer *summarizer, const uint8_t *packed, uint64_t nr_bytes);
void bf_summarizer_feed_clean(struct bf_summarizer *summarizer, uint64_t nr_bytes);
void bf_summarizer_finish(struct bf_summarizer *summarizer, struct bf_summary *ret_summary);
BF_DEFINE_CLEANUP(struct bf_summarizer *, bf_summarizer_free)

#endif
