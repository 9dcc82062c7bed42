#include "layout.h"

#include "base/math.h"
#include "base/text.h"

#include <string.h>

enum { SECTOR_BYTES = 512 };

/* QCOW_MAX_L1_SIZE in block/qcow2.h. */
#define L1_MAX_BYTES (UINT64_C(32) << 20)

/* An L2 table is one cluster of offsets, each of one cluster of guest data. */
#define L1_ENTRY_COVERS_BYTES ((uint64_t)BF_LAYOUT_OFFSETS_PER_CLUSTER * BF_CARRIER_CLUSTER_BYTES)
#define DISK_MAX_BYTES        (L1_MAX_BYTES / 8 * L1_ENTRY_COVERS_BYTES)

_Static_assert((BF_CARRIER_CLUSTER_BYTES & (BF_CARRIER_CLUSTER_BYTES - 1)) == 0,
               "a cluster is a power of two");

static uint32_t nr_l1_entries(uint64_t virtual_size_bytes)
{
    return (uint32_t)bf_div_round_up_u64(virtual_size_bytes, L1_ENTRY_COVERS_BYTES);
}

int bf_layout_check_disk(uint64_t virtual_size_bytes, struct bf_error *err)
{
    char max[BF_SIZE_TEXT_MAX];

    if (virtual_size_bytes == 0)
        return bf_error_set(err, BF_E_INVALID, "a disk of 0 bytes has no bitmaps to carry");
    if (virtual_size_bytes % SECTOR_BYTES != 0)
        return bf_error_set(err, BF_E_INVALID,
                            "a disk of %llu bytes cannot be carried: its size is no multiple of %d",
                            (unsigned long long)virtual_size_bytes, SECTOR_BYTES);
    if (virtual_size_bytes > DISK_MAX_BYTES)
        return bf_error_set(
            err, BF_E_LIMIT, "a disk of %llu bytes is larger than a carrier can be for (%s)",
            (unsigned long long)virtual_size_bytes, bf_size_text(DISK_MAX_BYTES, max));
    return 0;
}

int bf_layout_check_bitmap(const char *name, const struct bf_geometry *geometry,
                           struct bf_error *err)
{
    size_t name_bytes = strlen(name);

    if (name_bytes == 0 || name_bytes > BF_BITMAP_NAME_MAX)
        return bf_error_set(err, BF_E_INVALID, "a bitmap name has 1 to %d bytes, this one has %zu",
                            BF_BITMAP_NAME_MAX, name_bytes);
    return bf_geometry_check(geometry, err);
}

uint64_t bf_layout_l1_clusters(uint64_t virtual_size_bytes)
{
    return bf_div_round_up_u64(nr_l1_entries(virtual_size_bytes), BF_LAYOUT_OFFSETS_PER_CLUSTER);
}

uint64_t bf_layout_bits_clusters(const struct bf_geometry *geometry)
{
    return bf_div_round_up_u64(bf_geometry_packed_bytes(geometry), BF_CARRIER_CLUSTER_BYTES);
}

void bf_layout_put_header(const struct bf_layout *layout, uint8_t to[BF_LAYOUT_HEADER_BYTES])
{
    struct bf_qcow2_header header = {
        .magic = BF_QCOW2_MAGIC,
        .version = 3,
        .cluster_bits = (uint32_t)__builtin_ctz(BF_CARRIER_CLUSTER_BYTES),
        .virtual_size_bytes = layout->virtual_size_bytes,
        .nr_l1_entries = nr_l1_entries(layout->virtual_size_bytes),
        .l1_offset = layout->l1_offset,
        .refcount_table_offset = layout->refcount_table_offset,
        .refcount_table_clusters = (uint32_t)layout->nr_refcount_table_clusters,
        .autoclear = BF_QCOW2_AUTOCLEAR_BITMAPS,
        .refcount_order = (uint32_t)__builtin_ctz(BF_LAYOUT_REFCOUNT_BYTES * 8),
        .header_bytes = BF_QCOW2_HEADER_BYTES,
    };
    struct bf_qcow2_extension extension = {BF_QCOW2_EXT_BITMAPS, BF_QCOW2_BITMAPS_BYTES};
    struct bf_qcow2_extension end = {BF_QCOW2_EXT_END, 0};
    struct bf_qcow2_bitmaps bitmaps = {
        .nr_bitmaps = layout->nr_bitmaps,
        .directory_bytes = layout->directory_bytes,
        .directory_offset = layout->directory_offset,
    };

    bf_qcow2_header_encode(&header, to);
    to += BF_QCOW2_HEADER_BYTES;
    bf_qcow2_extension_encode(&extension, to);
    to += BF_QCOW2_EXTENSION_BYTES;
    bf_qcow2_bitmaps_encode(&bitmaps, to);
    to += BF_QCOW2_BITMAPS_BYTES;
    bf_qcow2_extension_encode(&end, to);
}

uint64_t bf_layout_put_entry(const char *name, const struct bf_geometry *geometry, bool recording,
                             uint64_t table_offset, uint8_t to[BF_LAYOUT_ENTRY_MAX_BYTES])
{
    struct bf_qcow2_entry entry = {
        .table_offset = table_offset,
        .nr_table_entries = (uint32_t)bf_layout_bits_clusters(geometry),
        .flags = recording ? BF_QCOW2_ENTRY_AUTO : 0,
        .type = BF_QCOW2_BITMAP_TYPE_DIRTY,
        .granularity_bits = (uint8_t)__builtin_ctzll(geometry->granularity_bytes),
        .name_bytes = (uint16_t)strlen(name),
    };
    uint64_t nr_bytes = bf_qcow2_entry_bytes(&entry);

    memset(to, 0, nr_bytes);
    bf_qcow2_entry_encode(&entry, to);
    memcpy(to + BF_QCOW2_ENTRY_BYTES, name, entry.name_bytes);
    return nr_bytes;
}

void bf_layout_refcount_clusters(uint64_t nr_other_clusters, uint64_t *ret_nr_blocks,
                                 uint64_t *ret_nr_table_clusters)
{
    uint64_t nr_blocks = 0;
    uint64_t nr_table = 0;
    uint64_t nr_known;

    do {
        nr_known = nr_blocks + nr_table;
        nr_blocks =
            bf_div_round_up_u64(nr_other_clusters + nr_known, BF_LAYOUT_REFCOUNTS_PER_BLOCK);
        nr_table = bf_div_round_up_u64(nr_blocks, BF_LAYOUT_OFFSETS_PER_CLUSTER);
    } while (nr_blocks + nr_table != nr_known);
    *ret_nr_blocks = nr_blocks;
    *ret_nr_table_clusters = nr_table;
}
