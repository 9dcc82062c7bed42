/** A bitmap that can be read: where the bits come from is hidden behind two functions.
 *
 * Everything that works on bitmaps (digest, count, extents, comparison, change of granularity, the
 * carrier writer, the plugin) takes a `struct bf_bits`, so that bits of any length pass through in
 * bounded memory.  All positions are byte offsets into the packed bits (see model/geometry.h).
 *
 * Pure: the sources in this layer do no I/O; the carrier and NBD layers bring their own.
 * Thread safety: as the source says; the transformations here keep no state between calls.
 */
#ifndef MODEL_BITS_H
#define MODEL_BITS_H

#include "base/error.h"
#include "model/geometry.h"

#include <stdint.h>

enum bf_run_kind {
    BF_RUN_CLEAN, /* every bit is 0 */
    BF_RUN_DIRTY, /* every bit up to the last of the bitmap is 1 (the padding behind it is 0; a
                     run that is nothing but padding may be of either kind) */
    BF_RUN_MIXED, /* read it to know; it may still be all clean or all dirty */
};

struct bf_bits_ops {
    /** Copy packed bits.  Called only by bf_bits_read(), which keeps offset + nr_bytes within the
     *  packed length and makes the padding behind the last bit 0, whatever is left there. */
    int (*read)(void *ctx, uint64_t offset_bytes, uint8_t *buf, uint64_t nr_bytes,
                struct bf_error *err);

    /** What is known without reading: the kind at @offset_bytes and how far it goes, at most
     *  @max_bytes and at least 1.  A source that knows nothing says MIXED for all of it. */
    int (*run)(void *ctx, uint64_t offset_bytes, uint64_t max_bytes, enum bf_run_kind *ret_kind,
               uint64_t *ret_nr_bytes, struct bf_error *err);
};

/** A borrowed handle, copied by value; whoever made it says how long @ctx lives. */
struct bf_bits {
    const struct bf_bits_ops *ops;
    void *ctx;
    struct bf_geometry geometry;
};

enum {
    BF_WINDOW_BYTES = 64 << 10, /* how much the streaming functions of this layer hold at a time */
};

/** bits->ops->read() with the range checked (INVALID) and the padding made 0. */
int bf_bits_read(const struct bf_bits *bits, uint64_t offset_bytes, uint8_t *buf, uint64_t nr_bytes,
                 struct bf_error *err);

/** bits->ops->run() with the range checked (INVALID, also for @max_bytes 0) and the answer clipped
 *  to what was asked. */
int bf_bits_run(const struct bf_bits *bits, uint64_t offset_bytes, uint64_t max_bytes,
                enum bf_run_kind *ret_kind, uint64_t *ret_nr_bytes, struct bf_error *err);

/** Fill @buf with the packed form of "all dirty" for the range, padding 0. */
void bf_bits_fill_dirty(const struct bf_geometry *geometry, uint64_t offset_bytes, uint8_t *buf,
                        uint64_t nr_bytes);

/** Zero the bits in @buf (packed, from @offset_bytes) that lie past the last bit. */
void bf_bits_mask_padding(const struct bf_geometry *geometry, uint64_t offset_bytes, uint8_t *buf,
                          uint64_t nr_bytes);

/** Sources without storage: every bit clean, every bit dirty.  @geometry is copied. */
struct bf_bits bf_bits_clean(const struct bf_geometry *geometry);
struct bf_bits bf_bits_dirty(const struct bf_geometry *geometry);

/** Called now and then by long-running functions with the packed bytes done so far; NULL is fine.
 *  A non-zero return stops the work with INTERRUPTED. */
struct bf_progress {
    int (*function)(void *ctx, uint64_t done_bytes, uint64_t total_bytes);
    void *ctx;
};

#endif
