/** A streaming writer of carriers: qcow2 images without guest data that only hold bitmaps.
 *
 *     begin(spec) append* end   begin ... end   finish
 *
 * Bits come in order and are never held whole; clusters that are all clean or all dirty take no
 * space.  The header is written last, by finish(): a carrier that was not finished is no qcow2
 * image, so it is never mistaken for a complete one.  The result is clean for `qemu-img check` and
 * QEMU loads it.
 *
 * Memory: two clusters, one table (64 KiB) and the directory (about 120 bytes and the name for each
 * bitmap).
 *
 * Errors: after NO_SPACE or IO the writer has failed and can only be freed; after any other error,
 * where nothing else is said, it is as it was before the call.
 */
#ifndef CARRIER_WRITER_H
#define CARRIER_WRITER_H

#include "base/cleanup.h"
#include "model/bits.h"
#include "model/summary.h"

#include <stdbool.h>

struct bf_writer;

struct bf_bitmap_spec {
    const char *name;
    uint64_t granularity_bytes;
    bool recording;
};

enum {
    BF_CARRIER_CLUSTER_BYTES = 64 << 10,
};

/** Start a carrier for a disk of @virtual_size_bytes (a multiple of 512) in the empty regular file
 * @fd, which stays the caller's, who closes it and removes what was not finished.  @path is for
 * messages. Errors: INVALID (size, @fd), LIMIT (more than 2 PiB, the largest that QEMU opens with
 * these clusters), NO_MEMORY. */
int bf_writer_new(int fd, const char *path, uint64_t virtual_size_bytes,
                  struct bf_writer **ret_writer, struct bf_error *err);
void bf_writer_free(struct bf_writer *writer);
BF_DEFINE_CLEANUP(struct bf_writer *, bf_writer_free)

/** Errors: INVALID (name, geometry), EXISTS for a name that the carrier has already, LIMIT (more
 * bits or more bitmaps than QEMU reads), NO_MEMORY. */
int bf_writer_begin(struct bf_writer *writer, const struct bf_bitmap_spec *spec,
                    struct bf_error *err);

/** Packed bits, in order, in any pieces; padding bits are dropped.  Errors: INVALID for more than
 * the bitmap has, NO_SPACE, IO. */
int bf_writer_append(struct bf_writer *writer, const uint8_t *packed, uint64_t nr_bytes,
                     struct bf_error *err);
int bf_writer_append_clean(struct bf_writer *writer, uint64_t nr_bytes, struct bf_error *err);
int bf_writer_append_dirty(struct bf_writer *writer, uint64_t nr_bytes, struct bf_error *err);

/** Errors: INVALID if bits are missing.  *ret_summary (may be NULL) tells what was written. */
int bf_writer_end(struct bf_writer *writer, struct bf_summary *ret_summary, struct bf_error *err);

/** begin, all of @bits, end.  Errors: theirs and those of @bits, INTERRUPTED.  When it fails after
 *  begin, the writer has failed. */
int bf_writer_add(struct bf_writer *writer, const struct bf_bitmap_spec *spec,
                  const struct bf_bits *bits, const struct bf_progress *progress,
                  struct bf_summary *ret_summary, struct bf_error *err);

/** Directory, refcounts, fdatasync, header, fdatasync.  Errors: INVALID if no bitmap was written (a
 *  qcow2 bitmaps extension must hold at least one). */
int bf_writer_finish(struct bf_writer *writer, struct bf_error *err);

#endif
