#include "carrier/refcounts.h"

#include "base/endian.h"
#include "format.h"

#include <stdlib.h>
#include <string.h>

/* QCOW_MAX_REFTABLE_SIZE in QEMU's block/qcow2.h */
#define TABLE_MAX_BYTES (UINT64_C(8) << 20)
/* Bits 0 to 8 of a table entry are reserved. */
#define BLOCK_OFFSET_MASK (~UINT64_C(0x1ff))
#define NO_BLOCK_CACHED   SIZE_MAX

static int compare_offsets(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static int read_header(struct bf_refcounts *refcounts, struct bf_error *err)
{
    uint8_t bytes[BF_QCOW2_HEADER_BYTES];
    struct bf_qcow2_header header;
    int r = bf_blob_read(refcounts->blob, 0, bytes, sizeof bytes, "the header", err);

    if (r < 0)
        return r;
    bf_qcow2_header_decode(bytes, &header);
    if (header.magic != BF_QCOW2_MAGIC || header.cluster_bits < BF_QCOW2_CLUSTER_BITS_MIN ||
        header.cluster_bits > BF_QCOW2_CLUSTER_BITS_MAX ||
        header.refcount_order > BF_QCOW2_REFCOUNT_ORDER_MAX)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT, "%s: the qcow2 header is malformed",
                            refcounts->blob->name);
    refcounts->cluster_bytes = UINT64_C(1) << header.cluster_bits;
    refcounts->refcount_bits = 1u << header.refcount_order;
    refcounts->table_offset_bytes = header.refcount_table_offset;
    refcounts->table_bytes = (uint64_t)header.refcount_table_clusters << header.cluster_bits;
    if (refcounts->table_bytes == 0 || refcounts->table_bytes > TABLE_MAX_BYTES)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT, "%s: a refcount table of %llu bytes",
                            refcounts->blob->name, (unsigned long long)refcounts->table_bytes);
    return 0;
}

static int read_table(struct bf_refcounts *refcounts, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) uint8_t *raw = malloc(refcounts->table_bytes);
    int r;

    refcounts->nr_blocks = refcounts->table_bytes / sizeof(uint64_t);
    refcounts->blocks = calloc(refcounts->nr_blocks, sizeof(uint64_t));
    refcounts->sorted_blocks = calloc(refcounts->nr_blocks, sizeof(uint64_t));
    refcounts->cached_block = malloc(refcounts->cluster_bytes);
    refcounts->cached_index = NO_BLOCK_CACHED;
    if (!raw || !refcounts->blocks || !refcounts->sorted_blocks || !refcounts->cached_block)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the refcounts of %s",
                            refcounts->blob->name);
    r = bf_blob_read(refcounts->blob, refcounts->table_offset_bytes, raw, refcounts->table_bytes,
                     "the refcount table", err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < refcounts->nr_blocks; i++)
        refcounts->blocks[i] = bf_be64_get(raw + i * sizeof(uint64_t)) & BLOCK_OFFSET_MASK;
    memcpy(refcounts->sorted_blocks, refcounts->blocks, refcounts->table_bytes);
    qsort(refcounts->sorted_blocks, refcounts->nr_blocks, sizeof(uint64_t), compare_offsets);
    return 0;
}

int bf_refcounts_new(struct bf_blob *blob, struct bf_refcounts **ret_refcounts,
                     struct bf_error *err)
{
    BF_CLEANUP(bf_refcounts_freep) struct bf_refcounts *refcounts = calloc(1, sizeof *refcounts);
    int r;

    if (!refcounts)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory");
    refcounts->blob = blob;
    r = read_header(refcounts, err);
    if (r == 0)
        r = read_table(refcounts, err);
    if (r < 0)
        return r;
    *ret_refcounts = bf_steal_ptr(&refcounts);
    return 0;
}

void bf_refcounts_free(struct bf_refcounts *refcounts)
{
    free(refcounts->blocks);
    free(refcounts->sorted_blocks);
    free(refcounts->cached_block);
    free(refcounts);
}

/* Entries narrower than a byte fill it from its least significant bit on; wider ones are
 * big-endian. */
static uint64_t entry_get(const uint8_t *block, unsigned bits, uint64_t index)
{
    switch (bits) {
    case 8:
        return block[index];
    case 16:
        return bf_be16_get(block + 2 * index);
    case 32:
        return bf_be32_get(block + 4 * index);
    case 64:
        return bf_be64_get(block + 8 * index);
    default:
        return (uint64_t)(block[index * bits / 8] >> (index * bits % 8)) & ((1u << bits) - 1);
    }
}

static void entry_put(uint8_t *block, unsigned bits, uint64_t index, uint64_t value)
{
    switch (bits) {
    case 8:
        block[index] = (uint8_t)value;
        break;
    case 16:
        bf_be16_put(block + 2 * index, (uint16_t)value);
        break;
    case 32:
        bf_be32_put(block + 4 * index, (uint32_t)value);
        break;
    case 64:
        bf_be64_put(block + 8 * index, value);
        break;
    default: {
        unsigned shift = (unsigned)(index * bits % 8);
        unsigned mask = ((1u << bits) - 1) << shift;
        uint8_t *byte = block + index * bits / 8;
        *byte = (uint8_t)((*byte & ~mask) | ((unsigned)value << shift & mask));
    }
    }
}

int bf_refcounts_get(struct bf_refcounts *refcounts, uint64_t offset_bytes, uint64_t *ret_refcount,
                     struct bf_error *err)
{
    uint64_t per_block = refcounts->cluster_bytes * 8 / refcounts->refcount_bits;
    uint64_t cluster = offset_bytes / refcounts->cluster_bytes;
    uint64_t index = cluster / per_block;

    *ret_refcount = 0;
    if (index >= refcounts->nr_blocks || refcounts->blocks[index] == 0)
        return 0;
    if (refcounts->cached_index != index) {
        int r = bf_blob_read(refcounts->blob, refcounts->blocks[index], refcounts->cached_block,
                             refcounts->cluster_bytes, "a refcount block", err);
        refcounts->cached_index = r < 0 ? NO_BLOCK_CACHED : index;
        if (r < 0)
            return r;
    }
    *ret_refcount =
        entry_get(refcounts->cached_block, refcounts->refcount_bits, cluster % per_block);
    return 0;
}

bool bf_refcounts_in_table(const struct bf_refcounts *refcounts, uint64_t offset_bytes)
{
    return offset_bytes >= refcounts->table_offset_bytes &&
           offset_bytes - refcounts->table_offset_bytes < refcounts->table_bytes;
}

bool bf_refcounts_in_block(const struct bf_refcounts *refcounts, uint64_t offset_bytes)
{
    uint64_t cluster = offset_bytes / refcounts->cluster_bytes * refcounts->cluster_bytes;

    return cluster != 0 && bsearch(&cluster, refcounts->sorted_blocks, refcounts->nr_blocks,
                                   sizeof cluster, compare_offsets);
}

void bf_refcounts_max(unsigned refcount_bits, const uint8_t *a, const uint8_t *b, uint8_t *ret_max,
                      size_t nr_bytes)
{
    for (uint64_t i = 0; i < nr_bytes * 8 / refcount_bits; i++) {
        uint64_t left = entry_get(a, refcount_bits, i);
        uint64_t right = entry_get(b, refcount_bits, i);

        entry_put(ret_max, refcount_bits, i, left > right ? left : right);
    }
}
