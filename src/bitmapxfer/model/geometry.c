#include "model/geometry.h"

#include "base/math.h"
#include "base/text.h"

#include <inttypes.h>

enum { PACKED_ALIGN_BITS = 64 };

int bf_geometry_check(const struct bf_geometry *geometry, struct bf_error *err)
{
    char size[BF_SIZE_TEXT_MAX];
    char granularity[BF_SIZE_TEXT_MAX];

    if (!bf_is_power_of_two_u64(geometry->granularity_bytes) ||
        geometry->granularity_bytes < BF_GRANULARITY_MIN_BYTES ||
        geometry->granularity_bytes > BF_GRANULARITY_MAX_BYTES)
        return bf_error_set(err, BF_E_INVALID,
                            "a granularity of %" PRIu64
                            " bytes is impossible: QEMU has powers of two from 512 B to 2 GiB",
                            geometry->granularity_bytes);
    if (bf_geometry_packed_bytes(geometry) > BF_PACKED_MAX_BYTES)
        return bf_error_set(
            err, BF_E_LIMIT,
            "a bitmap of granularity %s for a disk of %s needs more than the 512 MiB "
            "of bits that QEMU can store; use a coarser granularity",
            bf_size_text(geometry->granularity_bytes, granularity),
            bf_size_text(geometry->disk_size_bytes, size));
    return 0;
}

uint64_t bf_geometry_nr_bits(const struct bf_geometry *geometry)
{
    return bf_div_round_up_u64(geometry->disk_size_bytes, geometry->granularity_bytes);
}

uint64_t bf_geometry_packed_bytes(const struct bf_geometry *geometry)
{
    return bf_div_round_up_u64(bf_geometry_nr_bits(geometry), PACKED_ALIGN_BITS) *
           (PACKED_ALIGN_BITS / 8);
}
