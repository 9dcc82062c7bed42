/** What carriers and views have in common: the parts of a qcow2 image that are not bits.
 *
 * Both are version 3 with clusters of BF_CARRIER_CLUSTER_BYTES and refcounts of 16 bits; there is
 * no guest data, so the L1 table is all zeroes and there is no L2 table.
 */
#ifndef CARRIER_LAYOUT_H
#define CARRIER_LAYOUT_H

#include "base/name.h"
#include "carrier/writer.h"
#include "format.h"
#include "model/geometry.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    /* Header, bitmaps extension, end of the extensions. */
    BF_LAYOUT_HEADER_BYTES =
        BF_QCOW2_HEADER_BYTES + 2 * BF_QCOW2_EXTENSION_BYTES + BF_QCOW2_BITMAPS_BYTES,
    BF_LAYOUT_ENTRY_MAX_BYTES = BF_QCOW2_ENTRY_BYTES + BF_BITMAP_NAME_MAX + 1,
    BF_LAYOUT_REFCOUNT_BYTES = 2,
    BF_LAYOUT_REFCOUNTS_PER_BLOCK = BF_CARRIER_CLUSTER_BYTES / BF_LAYOUT_REFCOUNT_BYTES,
    BF_LAYOUT_OFFSETS_PER_CLUSTER = BF_CARRIER_CLUSTER_BYTES / 8,
};

/* The table of the largest bitmap fills exactly one cluster. */
_Static_assert(BF_PACKED_MAX_BYTES / BF_CARRIER_CLUSTER_BYTES * BF_QCOW2_TABLE_ENTRY_BYTES <=
                   BF_CARRIER_CLUSTER_BYTES,
               "a bitmap table must fit into one cluster");

/** Where the parts lie. */
struct bf_layout {
    uint64_t virtual_size_bytes;
    uint64_t l1_offset;
    uint64_t refcount_table_offset;
    uint64_t nr_refcount_table_clusters;
    uint64_t directory_offset;
    uint64_t directory_bytes;
    uint32_t nr_bitmaps;
};

/** Can there be a carrier for such a disk?  Errors: INVALID (empty, no multiple of 512), LIMIT (the
 *  L1 table would be larger than QEMU accepts). */
int bf_layout_check_disk(uint64_t virtual_size_bytes, struct bf_error *err);

/** Name and geometry.  Errors: INVALID, LIMIT. */
int bf_layout_check_bitmap(const char *name, const struct bf_geometry *geometry,
                           struct bf_error *err);

uint64_t bf_layout_l1_clusters(uint64_t virtual_size_bytes);

/** Number of clusters, and so of table entries, that the bits take. */
uint64_t bf_layout_bits_clusters(const struct bf_geometry *geometry);

/** The beginning of the image; the rest of its cluster is zeroes. */
void bf_layout_put_header(const struct bf_layout *layout, uint8_t to[BF_LAYOUT_HEADER_BYTES]);

/** The directory entry of a bitmap; returns its length. */
uint64_t bf_layout_put_entry(const char *name, const struct bf_geometry *geometry, bool recording,
                             uint64_t table_offset, uint8_t to[BF_LAYOUT_ENTRY_MAX_BYTES]);

/** How many refcount blocks and table clusters an image of @nr_other_clusters other clusters needs,
 *  when they are counted too. */
void bf_layout_refcount_clusters(uint64_t nr_other_clusters, uint64_t *ret_nr_blocks,
                                 uint64_t *ret_nr_table_clusters);

#endif
