/** The qcow2 structures that carry bitmaps: bytes to fields and back, nothing judged.
 *
 * Whoever decodes checks the values; only bf_qcow2_cluster_decode() tells a malformed entry, as its
 * reserved bits would be lost otherwise.  All fields are big-endian on disk.
 * Source: docs/interop/qcow2.txt of QEMU; the limits from block/qcow2-bitmap.c and block/qcow2.h.
 */
#ifndef CARRIER_FORMAT_H
#define CARRIER_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#define BF_QCOW2_MAGIC               UINT32_C(0x514649fb) /* "QFI\xfb" */
#define BF_QCOW2_EXT_BITMAPS         UINT32_C(0x23852875)
#define BF_QCOW2_EXT_FEATURE_NAMES   UINT32_C(0x6803f857)
#define BF_QCOW2_EXT_END             UINT32_C(0)
#define BF_QCOW2_AUTOCLEAR_BITMAPS   (UINT64_C(1) << 0)
#define BF_QCOW2_DIRECTORY_MAX_BYTES (UINT64_C(65535) * 1024)

enum {
    BF_QCOW2_HEADER_BYTES = 112,    /* with compression type and padding; what we write */
    BF_QCOW2_HEADER_V3_BYTES = 104, /* the least that version 3 has */
    BF_QCOW2_EXTENSION_BYTES = 8,   /* type and length; the data is padded to 8 */
    BF_QCOW2_BITMAPS_BYTES = 24,
    BF_QCOW2_ENTRY_BYTES = 24, /* of a directory entry, before extra data and name */
    BF_QCOW2_TABLE_ENTRY_BYTES = 8,
    BF_QCOW2_FEATURE_NAME_BYTES = 48, /* one row of the feature name table: type, bit, 46 of name */

    BF_QCOW2_CLUSTER_BITS_MIN = 9,
    BF_QCOW2_CLUSTER_BITS_MAX = 21,
    BF_QCOW2_REFCOUNT_ORDER_MAX = 6,
    BF_QCOW2_BITMAPS_MAX = 65535,
    BF_QCOW2_GRANULARITY_BITS_MIN = 9,
    BF_QCOW2_GRANULARITY_BITS_MAX = 31,
    BF_QCOW2_BITMAP_TYPE_DIRTY = 1,
};

/** Incompatible features, by bit number. */
enum bf_qcow2_incompatible {
    BF_QCOW2_INCOMPATIBLE_DIRTY = 0,
    BF_QCOW2_INCOMPATIBLE_CORRUPT = 1,
    BF_QCOW2_INCOMPATIBLE_EXTERNAL_DATA = 2,
    BF_QCOW2_INCOMPATIBLE_COMPRESSION = 3,
    BF_QCOW2_INCOMPATIBLE_EXTENDED_L2 = 4,
};

/** Flags of a directory entry. */
enum bf_qcow2_entry_flags {
    BF_QCOW2_ENTRY_IN_USE = 1 << 0,
    BF_QCOW2_ENTRY_AUTO = 1 << 1,
    BF_QCOW2_ENTRY_EXTRA_COMPATIBLE = 1 << 2,
};

struct bf_qcow2_header {
    uint32_t magic;
    uint32_t version;
    uint64_t backing_offset;
    uint32_t backing_name_bytes;
    uint32_t cluster_bits;
    uint64_t virtual_size_bytes;
    uint32_t crypt_method;
    uint32_t nr_l1_entries;
    uint64_t l1_offset;
    uint64_t refcount_table_offset;
    uint32_t refcount_table_clusters;
    uint32_t nr_snapshots;
    uint64_t snapshots_offset;
    uint64_t incompatible;
    uint64_t compatible;
    uint64_t autoclear;
    uint32_t refcount_order;
    uint32_t header_bytes;
    uint8_t compression_type; /* means nothing unless header_bytes > 104 */
};

struct bf_qcow2_extension {
    uint32_t type;
    uint32_t data_bytes;
};

/** Data of the bitmaps extension. */
struct bf_qcow2_bitmaps {
    uint32_t nr_bitmaps;
    uint32_t reserved;
    uint64_t directory_bytes;
    uint64_t directory_offset;
};

/** The fixed part of a directory entry; extra data and name follow, then zeroes to a multiple of 8.
 */
struct bf_qcow2_entry {
    uint64_t table_offset;
    uint32_t nr_table_entries;
    uint32_t flags;
    uint8_t type;
    uint8_t granularity_bits;
    uint16_t name_bytes;
    uint32_t extra_bytes;
};

enum bf_qcow2_cluster_kind {
    BF_QCOW2_CLUSTER_CLEAN,
    BF_QCOW2_CLUSTER_DIRTY,
    BF_QCOW2_CLUSTER_DATA,
    BF_QCOW2_CLUSTER_MALFORMED, /* reserved bits set */
};

/** One entry of a bitmap table. */
struct bf_qcow2_cluster {
    enum bf_qcow2_cluster_kind kind;
    uint64_t offset; /* of the data; 0 unless DATA */
};

void bf_qcow2_header_decode(const uint8_t from[BF_QCOW2_HEADER_BYTES],
                            struct bf_qcow2_header *ret_header);
/** The seven bytes behind the compression type become 0. */
void bf_qcow2_header_encode(const struct bf_qcow2_header *header,
                            uint8_t to[BF_QCOW2_HEADER_BYTES]);

void bf_qcow2_extension_decode(const uint8_t from[BF_QCOW2_EXTENSION_BYTES],
                               struct bf_qcow2_extension *ret_extension);
void bf_qcow2_extension_encode(const struct bf_qcow2_extension *extension,
                               uint8_t to[BF_QCOW2_EXTENSION_BYTES]);

void bf_qcow2_bitmaps_decode(const uint8_t from[BF_QCOW2_BITMAPS_BYTES],
                             struct bf_qcow2_bitmaps *ret_bitmaps);
void bf_qcow2_bitmaps_encode(const struct bf_qcow2_bitmaps *bitmaps,
                             uint8_t to[BF_QCOW2_BITMAPS_BYTES]);

void bf_qcow2_entry_decode(const uint8_t from[BF_QCOW2_ENTRY_BYTES],
                           struct bf_qcow2_entry *ret_entry);
void bf_qcow2_entry_encode(const struct bf_qcow2_entry *entry, uint8_t to[BF_QCOW2_ENTRY_BYTES]);

/** Length of the whole directory entry with extra data, name and padding. */
uint64_t bf_qcow2_entry_bytes(const struct bf_qcow2_entry *entry);

/** Alignment of the offset is not looked at: it takes the cluster size to judge. */
struct bf_qcow2_cluster bf_qcow2_cluster_decode(const uint8_t from[BF_QCOW2_TABLE_ENTRY_BYTES]);
/** @cluster must not be MALFORMED. */
void bf_qcow2_cluster_encode(const struct bf_qcow2_cluster *cluster,
                             uint8_t to[BF_QCOW2_TABLE_ENTRY_BYTES]);

#endif
