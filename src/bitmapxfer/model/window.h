/** How the functions of this layer walk over a bitmap: stretch by stretch, whole words at a time.
 *
 * A stretch that is known to be all clean or all dirty is never read, however long it is; the
 * others come BF_WINDOW_BYTES at a time.  A walk that starts at a multiple of 8 bytes stays on one,
 * so that the words of every stretch are whole; only a walk that ends elsewhere gets a last short
 * one.
 */
#ifndef WINDOW_H
#define WINDOW_H

#include "model/bits.h"

enum { BF_WINDOW_WORDS = BF_WINDOW_BYTES / 8 };

struct bf_window {
    enum bf_run_kind kind;
    uint64_t nr_bytes;
    uint64_t words[BF_WINDOW_WORDS]; /* MIXED: bit i is bit (i % 64) of word (i / 64); 0 behind */
};

/** bf_bits_run() in whole words: less than a word of one kind counts as MIXED. */
int bf_window_run(const struct bf_bits *bits, uint64_t offset_bytes, uint64_t max_bytes,
                  enum bf_run_kind *ret_kind, uint64_t *ret_nr_bytes, struct bf_error *err);

/** Fill @window's words with @nr_bytes (at most BF_WINDOW_BYTES) that are known to be of @kind. */
int bf_window_load(struct bf_window *window, const struct bf_bits *bits, enum bf_run_kind kind,
                   uint64_t offset_bytes, uint64_t nr_bytes, struct bf_error *err);

/** The stretch at @offset_bytes, at most @max_bytes long; the words are loaded if it is MIXED. */
int bf_window_next(struct bf_window *window, const struct bf_bits *bits, uint64_t offset_bytes,
                   uint64_t max_bytes, struct bf_error *err);

#endif
