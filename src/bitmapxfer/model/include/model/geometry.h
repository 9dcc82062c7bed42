/** The shape of a dirty bitmap: how large the disk is and how much of it one bit stands for.
 *
 * Bit i covers the bytes [i * granularity, (i + 1) * granularity) of the disk; the last bit may
 * reach past the end.  *Packed bits* are the form in which a bitmap is stored, sent and hashed: bit
 * i is bit (i % 8) of byte (i / 8), padded with zero bits to a multiple of 8 bytes.  That is what
 * QEMU keeps in qcow2 bitmap clusters and what x-debug-block-dirty-bitmap-sha256 hashes (measured
 * on QEMU 7.2 and 10.0; hbitmap_sha256() in util/hbitmap.c).
 */
#ifndef MODEL_GEOMETRY_H
#define MODEL_GEOMETRY_H

#include "base/error.h"

#include <stdint.h>

/* QEMU's own limits: block/qcow2-bitmap.c, BME_MIN/MAX_GRANULARITY_BITS, BME_MAX_PHYS_SIZE. */
#define BF_GRANULARITY_MIN_BYTES (UINT64_C(1) << 9)
#define BF_GRANULARITY_MAX_BYTES (UINT64_C(1) << 31)
#define BF_PACKED_MAX_BYTES      (UINT64_C(512) << 20)

struct bf_geometry {
    uint64_t disk_size_bytes;
    uint64_t granularity_bytes; /* a power of two, BF_GRANULARITY_MIN_BYTES..MAX_BYTES */
};

/** Errors: INVALID for a granularity that is no power of two or out of range, LIMIT for more bits
 *  than QEMU can store (BF_PACKED_MAX_BYTES). */
int bf_geometry_check(const struct bf_geometry *geometry, struct bf_error *err);

/** Number of bits: ceil(disk size / granularity); at most 2^32 in a geometry that was checked, so
 *  that bits times granularity never overflows (2^63 at most). */
uint64_t bf_geometry_nr_bits(const struct bf_geometry *geometry);

/** Length of the packed bits: ceil(bits / 64) * 8. */
uint64_t bf_geometry_packed_bytes(const struct bf_geometry *geometry);

#endif
