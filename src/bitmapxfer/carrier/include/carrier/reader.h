/** The bitmaps of a qcow2 image, read without QEMU, in bounded memory.
 *
 * Only the header, the bitmaps extension and what it points to are read, so the image may be of any
 * cluster size and refcount width, with external data file, compression, encryption, backing file
 * or extended L2.  Every offset and length is checked before it is used; a malformed image is
 * refused with IMAGE_CORRUPT and never costs more than the documented memory.
 *
 * Opening also reads the tables of all bitmaps whose bits may be read, to make sure that every
 * cluster of bits lies within the file, and that none lies in another structure or is used twice.
 * Clusters of the guest's data are not compared: that is what `qemu-img check` is for.
 *
 * Memory: the directory (at most 64 MiB, and about its own size), 48 bytes per bitmap, and 4 KiB of
 * stack per call; while opening, 24 bytes per stretch of neighbouring clusters of bits, at most
 * 12 MiB, and the same again while they are sorted.
 *
 * Threads: an open reader may be read from several threads at once.
 *
 * Source: docs/interop/qcow2.txt of QEMU ("Bitmaps extension", "Bitmap directory", "Bitmap table").
 */
#ifndef CARRIER_READER_H
#define CARRIER_READER_H

#include "base/cleanup.h"
#include "carrier/blob.h"
#include "model/bits.h"
#include "model/catalog.h"

#include <stdbool.h>
#include <stddef.h>

struct bf_reader;

struct bf_image_info {
    uint64_t virtual_size_bytes;
    uint64_t cluster_size_bytes;
    uint32_t nr_bitmaps;
    bool has_bitmaps_extension;
    bool bitmaps_stale; /* there is an extension, but a program that does not know bitmaps wrote the
                           image since (autoclear bit 0 is off): they count as absent */
    bool dirty;         /* incompatible bit 0: not closed cleanly, refcounts may be wrong */
    bool corrupt;       /* incompatible bit 1; no bitmap is usable */
    bool external_data; /* incompatible bit 2 */
    const char *encryption; /* NULL, "aes" or "luks", as QEMU's -blockdev has it */
    bool has_backing;
    uint64_t directory_offset_bytes; /* the bitmap directory; 0 if there is none that counts */
    uint64_t directory_bytes;
};

/** One bitmap of the image as its directory describes it. */
struct bf_image_bitmap {
    const char *name; /* borrowed from the reader, NUL-terminated */
    struct bf_geometry geometry;
    bool recording;       /* flag `auto` */
    bool in_use;          /* flag `in_use`: not closed cleanly; the bits must not be used */
    const char *unusable; /* NULL, or why the bits cannot be read: in use, unknown extra data that
                             is not compatible, or an image that is marked as corrupt */
};

/** Takes @blob over, on failure too.  Errors: NOT_QCOW2, QCOW2_V2, QCOW2_FEATURE (by name),
 *  IMAGE_CORRUPT (what and where), IMAGE_CHANGED, LIMIT (bitmaps larger or more scattered than QEMU
 *  makes them), IO, NO_MEMORY. */
int bf_reader_open(struct bf_blob *blob, struct bf_reader **ret_reader, struct bf_error *err);

/** bf_blob_open_file() and bf_reader_open(). */
int bf_reader_open_path(const char *path, unsigned blob_flags, struct bf_reader **ret_reader,
                        struct bf_error *err);
void bf_reader_free(struct bf_reader *reader);
BF_DEFINE_CLEANUP(struct bf_reader *, bf_reader_free)

const struct bf_image_info *bf_reader_image(const struct bf_reader *reader);
void bf_reader_bitmap(const struct bf_reader *reader, uint32_t index,
                      struct bf_image_bitmap *ret_bitmap);

/** Errors: BITMAP_NOT_FOUND. */
int bf_reader_find(const struct bf_reader *reader, const char *name, uint32_t *ret_index,
                   struct bf_error *err);

/** The bits of bitmap @index; valid as long as the reader.  Errors: BITMAP_INCONSISTENT with the
 *  reason.  Every read and run of them ends with a look at the file: IMAGE_CHANGED if it was
 * changed or replaced after it was opened.  (With BF_BLOB_FORCE_SHARE, IMAGE_CORRUPT if a change
 * shows.) */
int bf_reader_bits(struct bf_reader *reader, uint32_t index, struct bf_bits *ret_bits,
                   struct bf_error *err);

/** Errors: IMAGE_CHANGED. */
int bf_reader_check_unchanged(struct bf_reader *reader, struct bf_error *err);

#endif
