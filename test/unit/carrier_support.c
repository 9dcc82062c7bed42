#include "carrier_support.h"

#include "base/math.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BITS_PER_CLUSTER = 8 * 65536 };

uint64_t chance(uint64_t *seed, uint64_t below)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(0x2545f4914f6cdd1d) % below;
}

static void fill_stretches(uint64_t *seed, struct bf_bitmap *bitmap)
{
    uint64_t packed_bytes = bf_geometry_packed_bytes(&bitmap->geometry);
    uint64_t length;

    for (uint64_t at = 0; at < packed_bytes; at += length) {
        uint64_t kind = chance(seed, 4);

        length =
            bf_min_u64(1 + chance(seed, chance(seed, 3) == 0 ? 200000 : 3000), packed_bytes - at);
        for (uint64_t i = 0; i < length; i++)
            bitmap->packed[at + i] = kind == 0 ? (uint8_t)chance(seed, 256) : kind == 1 ? 0xff : 0;
    }
    bf_bits_mask_padding(&bitmap->geometry, 0, bitmap->packed, packed_bytes);
}

static struct bf_bitmap *filled_bitmap(uint64_t *seed, struct bf_geometry geometry)
{
    struct bf_bitmap *bitmap = NULL;
    uint64_t form = chance(seed, 6);

    assert_int_equal(bf_bitmap_new(&geometry, &bitmap, NULL), 0);
    if (form == 0)
        bf_bitmap_write(bitmap, 0, geometry.disk_size_bytes);
    else if (form > 1)
        fill_stretches(seed, bitmap);
    return bitmap;
}

struct bf_bitmap *random_bitmap(uint64_t *seed, uint64_t max_disk_bytes)
{
    static const uint64_t edges[] = {1,
                                     8,
                                     63,
                                     64,
                                     65,
                                     BITS_PER_CLUSTER - 1,
                                     BITS_PER_CLUSTER,
                                     BITS_PER_CLUSTER + 1,
                                     2 * BITS_PER_CLUSTER};
    uint64_t nr_bits = chance(seed, 2) ? edges[chance(seed, sizeof edges / sizeof edges[0])]
                                       : 1 + chance(seed, 4 * BITS_PER_CLUSTER);
    struct bf_geometry geometry = {.granularity_bytes = UINT64_C(512) << chance(seed, 23)};

    while (nr_bits > max_disk_bytes / geometry.granularity_bytes)
        geometry.granularity_bytes /= 2;
    geometry.disk_size_bytes =
        nr_bits * geometry.granularity_bytes - 512 * chance(seed, geometry.granularity_bytes / 512);
    return filled_bitmap(seed, geometry);
}

struct bf_bitmap *random_bitmap_of_disk(uint64_t *seed, uint64_t disk_size_bytes)
{
    struct bf_geometry geometry = {disk_size_bytes, UINT64_C(512) << chance(seed, 23)};

    while (bf_geometry_nr_bits(&geometry) > 4 * BITS_PER_CLUSTER)
        geometry.granularity_bytes *= 2;
    return filled_bitmap(seed, geometry);
}

uint64_t nr_l1_clusters(uint64_t disk_size_bytes)
{
    return bf_div_round_up_u64(disk_size_bytes, UINT64_C(8192) * 8192 * 65536);
}

struct bf_reader *open_image(const uint8_t *image, uint64_t size_bytes)
{
    struct bf_error err = BF_ERROR_INIT;
    struct bf_reader *reader = NULL;
    struct bf_blob *blob = NULL;

    assert_int_equal(bf_blob_open_memory(image, size_bytes, &blob, &err), 0);
    if (bf_reader_open(blob, &reader, &err) < 0)
        fail_msg("%s", err.text);
    return reader;
}

void assert_bitmap(struct bf_reader *reader, uint32_t index, const char *name, bool recording,
                   const struct bf_bitmap *expected)
{
    BF_CLEANUP(bf_bitmap_freep) struct bf_bitmap *got = NULL;
    struct bf_error err = BF_ERROR_INIT;
    struct bf_image_bitmap described;
    struct bf_bits bits;

    bf_reader_bitmap(reader, index, &described);
    assert_string_equal(described.name, name);
    assert_int_equal(described.recording, recording);
    assert_false(described.in_use);
    assert_int_equal(described.geometry.disk_size_bytes, expected->geometry.disk_size_bytes);
    assert_int_equal(described.geometry.granularity_bytes, expected->geometry.granularity_bytes);
    if (bf_reader_bits(reader, index, &bits, &err) < 0 || bf_bitmap_load(&bits, &got, &err) < 0)
        fail_msg("%s", err.text);
    assert_memory_equal(got->packed, expected->packed,
                        bf_geometry_packed_bytes(&expected->geometry));
}
