/** A qcow2 image that holds one bitmap, made up as it is read: nothing is stored.
 *
 * The layout is fixed by the geometry (data cluster i of the bits always lies at the same place).
 * Which table entries are "all clean", "all dirty" or data, and so the refcounts, come from what
 * the bits know of themselves (bf_bits_run()) when the view is made: two views of bits that say the
 * same are the same, and nothing but the contents of data clusters can change under a reader.
 *
 * `qemu-img check` finds it clean and `qemu-img bitmap --merge -b` reads it, over NBD for instance.
 *
 * Memory: 10 bytes for every 64 KiB of bits, at most 90 KiB.
 *
 * Threads: reading is safe from several threads if it is for the bits.
 */
#ifndef CARRIER_VIEW_H
#define CARRIER_VIEW_H

#include "base/cleanup.h"
#include "model/bits.h"

#include <stdbool.h>
#include <stdint.h>

struct bf_view;

/** @bits is copied and its source must outlive the view; @name is copied.  No bits are read, but
 * their runs are walked.  Errors: INVALID (name, geometry), LIMIT, NO_MEMORY, those of
 * bf_bits_run(). */
int bf_view_new(const struct bf_bits *bits, const char *name, bool recording,
                struct bf_view **ret_view, struct bf_error *err);
void bf_view_free(struct bf_view *view);
BF_DEFINE_CLEANUP(struct bf_view *, bf_view_free)

/** A multiple of the cluster size. */
uint64_t bf_view_size_bytes(const struct bf_view *view);

/** Errors: INVALID past the end, those of the bits. */
int bf_view_read(struct bf_view *view, uint64_t offset_bytes, uint8_t *buf, uint64_t nr_bytes,
                 struct bf_error *err);

/** Is there a hole, which reads as zeroes, at @offset_bytes, and how far does that answer go
 *  (1..@max_bytes)?  Whole clusters; what is no hole may still read as zeroes.  Errors: INVALID if
 * the range is empty or goes past the end. */
int bf_view_hole(struct bf_view *view, uint64_t offset_bytes, uint64_t max_bytes, bool *ret_hole,
                 uint64_t *ret_nr_bytes, struct bf_error *err);

#endif
