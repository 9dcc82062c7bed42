#include "format.h"

#include "base/endian.h"

#include <string.h>

/* Bits 9 to 55 of a bitmap table entry; bit 0 is a flag, the others are reserved. */
#define TABLE_ENTRY_OFFSET_MASK UINT64_C(0x00fffffffffffe00)
#define TABLE_ENTRY_ALL_ONES    UINT64_C(1)

void bf_qcow2_header_decode(const uint8_t from[BF_QCOW2_HEADER_BYTES],
                            struct bf_qcow2_header *ret_header)
{
    *ret_header = (struct bf_qcow2_header){
        .magic = bf_be32_get(from),
        .version = bf_be32_get(from + 4),
        .backing_offset = bf_be64_get(from + 8),
        .backing_name_bytes = bf_be32_get(from + 16),
        .cluster_bits = bf_be32_get(from + 20),
        .virtual_size_bytes = bf_be64_get(from + 24),
        .crypt_method = bf_be32_get(from + 32),
        .nr_l1_entries = bf_be32_get(from + 36),
        .l1_offset = bf_be64_get(from + 40),
        .refcount_table_offset = bf_be64_get(from + 48),
        .refcount_table_clusters = bf_be32_get(from + 56),
        .nr_snapshots = bf_be32_get(from + 60),
        .snapshots_offset = bf_be64_get(from + 64),
        .incompatible = bf_be64_get(from + 72),
        .compatible = bf_be64_get(from + 80),
        .autoclear = bf_be64_get(from + 88),
        .refcount_order = bf_be32_get(from + 96),
        .header_bytes = bf_be32_get(from + 100),
        .compression_type = from[104],
    };
}

void bf_qcow2_header_encode(const struct bf_qcow2_header *header, uint8_t to[BF_QCOW2_HEADER_BYTES])
{
    memset(to, 0, BF_QCOW2_HEADER_BYTES);
    bf_be32_put(to, header->magic);
    bf_be32_put(to + 4, header->version);
    bf_be64_put(to + 8, header->backing_offset);
    bf_be32_put(to + 16, header->backing_name_bytes);
    bf_be32_put(to + 20, header->cluster_bits);
    bf_be64_put(to + 24, header->virtual_size_bytes);
    bf_be32_put(to + 32, header->crypt_method);
    bf_be32_put(to + 36, header->nr_l1_entries);
    bf_be64_put(to + 40, header->l1_offset);
    bf_be64_put(to + 48, header->refcount_table_offset);
    bf_be32_put(to + 56, header->refcount_table_clusters);
    bf_be32_put(to + 60, header->nr_snapshots);
    bf_be64_put(to + 64, header->snapshots_offset);
    bf_be64_put(to + 72, header->incompatible);
    bf_be64_put(to + 80, header->compatible);
    bf_be64_put(to + 88, header->autoclear);
    bf_be32_put(to + 96, header->refcount_order);
    bf_be32_put(to + 100, header->header_bytes);
    to[104] = header->compression_type;
}

void bf_qcow2_extension_decode(const uint8_t from[BF_QCOW2_EXTENSION_BYTES],
                               struct bf_qcow2_extension *ret_extension)
{
    *ret_extension = (struct bf_qcow2_extension){
        .type = bf_be32_get(from),
        .data_bytes = bf_be32_get(from + 4),
    };
}

void bf_qcow2_extension_encode(const struct bf_qcow2_extension *extension,
                               uint8_t to[BF_QCOW2_EXTENSION_BYTES])
{
    bf_be32_put(to, extension->type);
    bf_be32_put(to + 4, extension->data_bytes);
}

void bf_qcow2_bitmaps_decode(const uint8_t from[BF_QCOW2_BITMAPS_BYTES],
                             struct bf_qcow2_bitmaps *ret_bitmaps)
{
    *ret_bitmaps = (struct bf_qcow2_bitmaps){
        .nr_bitmaps = bf_be32_get(from),
        .reserved = bf_be32_get(from + 4),
        .directory_bytes = bf_be64_get(from + 8),
        .directory_offset = bf_be64_get(from + 16),
    };
}

void bf_qcow2_bitmaps_encode(const struct bf_qcow2_bitmaps *bitmaps,
                             uint8_t to[BF_QCOW2_BITMAPS_BYTES])
{
    bf_be32_put(to, bitmaps->nr_bitmaps);
    bf_be32_put(to + 4, bitmaps->reserved);
    bf_be64_put(to + 8, bitmaps->directory_bytes);
    bf_be64_put(to + 16, bitmaps->directory_offset);
}

void bf_qcow2_entry_decode(const uint8_t from[BF_QCOW2_ENTRY_BYTES],
                           struct bf_qcow2_entry *ret_entry)
{
    *ret_entry = (struct bf_qcow2_entry){
        .table_offset = bf_be64_get(from),
        .nr_table_entries = bf_be32_get(from + 8),
        .flags = bf_be32_get(from + 12),
        .type = from[16],
        .granularity_bits = from[17],
        .name_bytes = bf_be16_get(from + 18),
        .extra_bytes = bf_be32_get(from + 20),
    };
}

void bf_qcow2_entry_encode(const struct bf_qcow2_entry *entry, uint8_t to[BF_QCOW2_ENTRY_BYTES])
{
    bf_be64_put(to, entry->table_offset);
    bf_be32_put(to + 8, entry->nr_table_entries);
    bf_be32_put(to + 12, entry->flags);
    to[16] = entry->type;
    to[17] = entry->granularity_bits;
    bf_be16_put(to + 18, entry->name_bytes);
    bf_be32_put(to + 20, entry->extra_bytes);
}

uint64_t bf_qcow2_entry_bytes(const struct bf_qcow2_entry *entry)
{
    uint64_t nr_bytes = UINT64_C(0) + BF_QCOW2_ENTRY_BYTES + entry->extra_bytes + entry->name_bytes;

    return (nr_bytes + 7) & ~UINT64_C(7);
}

struct bf_qcow2_cluster bf_qcow2_cluster_decode(const uint8_t from[BF_QCOW2_TABLE_ENTRY_BYTES])
{
    uint64_t raw = bf_be64_get(from);
    uint64_t offset = raw & TABLE_ENTRY_OFFSET_MASK;
    uint64_t rest = raw & ~TABLE_ENTRY_OFFSET_MASK;

    if (offset != 0)
        return (struct bf_qcow2_cluster){
            .kind = rest ? BF_QCOW2_CLUSTER_MALFORMED : BF_QCOW2_CLUSTER_DATA,
            .offset = rest ? 0 : offset,
        };
    if (rest == 0)
        return (struct bf_qcow2_cluster){.kind = BF_QCOW2_CLUSTER_CLEAN};
    if (rest == TABLE_ENTRY_ALL_ONES)
        return (struct bf_qcow2_cluster){.kind = BF_QCOW2_CLUSTER_DIRTY};
    return (struct bf_qcow2_cluster){.kind = BF_QCOW2_CLUSTER_MALFORMED};
}

void bf_qcow2_cluster_encode(const struct bf_qcow2_cluster *cluster,
                             uint8_t to[BF_QCOW2_TABLE_ENTRY_BYTES])
{
    uint64_t raw = cluster->kind == BF_QCOW2_CLUSTER_DATA ? cluster->offset : 0;

    if (cluster->kind == BF_QCOW2_CLUSTER_DIRTY)
        raw = TABLE_ENTRY_ALL_ONES;
    bf_be64_put(to, raw);
}
