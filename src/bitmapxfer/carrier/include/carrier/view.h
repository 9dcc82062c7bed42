/** A qcow2 image that holds one bitmap, made up as it is read: nothing is stored.
 *
 * The layout is fixed by the geometry (data cluster i of the bits always lies at the same place);
 * which table entries are "all clean", "all dirty" or data, and so the refcounts, come from the bits.
 * `qemu-img check` finds it clean and `qemu-img bitmap --merge -b` reads it, over NBD for instance.
 * Threads: reading is safe from several threads if it is for the bits.
 */
#ifndef CARRIER_VIEW_H
#define CARRIER_VIEW_H

#include "base/cleanup.h"
#include "carrier/writer.h"
#include "model/bits.h"

struct bf_view;

/** @bits is copied and its source must outlive the view; the strings of @spec are copied.  The
 *  granularity is that of @bits. */
int bf_view_new(const struct bf_bits *bits, const char *name, bool recording,
                struct bf_view **ret_view, struct bf_error *err);
void bf_view_free(struct bf_view *view);
BF_DEFINE_CLEANUP(struct bf_view *, bf_view_free)

uint64_t bf_view_size_bytes(const struct bf_view *view);

int bf_view_read(struct bf_view *view, uint64_t offset_bytes, uint8_t *buf, uint64_t nr_bytes,
                 struct bf_error *err);

/** Is the range a hole that reads as zeroes, and how far does that answer go (1..@max_bytes)? */
int bf_view_hole(struct bf_view *view, uint64_t offset_bytes, uint64_t max_bytes, bool *ret_hole,
                 uint64_t *ret_nr_bytes, struct bf_error *err);

#endif
