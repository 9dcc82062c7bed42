/* A small qcow2 image made in memory, with two bitmaps whose bits are known: for the tests to read
 * and to spoil.  Clusters of 512 bytes; every field of it can be found by the offsets below. */
#ifndef CARRIER_IMAGE_H
#define CARRIER_IMAGE_H

#include "base/endian.h"
#include "carrier/reader.h"
#include "format.h"
#include "model/geometry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

enum {
    IMAGE_CLUSTER = 512,
    IMAGE_TABLE_ENTRIES = 21,
    IMAGE_DATA_CLUSTERS = 64,
    IMAGE_NR_BITMAPS = 2,
    IMAGE_NR_BITS = 20 * IMAGE_CLUSTER * 8 + 701, /* the last byte and the last word are partial */
    IMAGE_PACKED = (IMAGE_NR_BITS + 63) / 64 * 8,

    IMAGE_EXTENSION = 112, /* type and length, then the data */
    IMAGE_BITMAPS = IMAGE_EXTENSION + 8,
    IMAGE_REFCOUNTS = 512,
    IMAGE_L1 = 1024,
    IMAGE_DIRECTORY = 1536,
    IMAGE_ENTRY_0 = IMAGE_DIRECTORY,
    IMAGE_ENTRY_1 = IMAGE_DIRECTORY + 32,
    IMAGE_DIRECTORY_END = IMAGE_DIRECTORY + 64,
    IMAGE_TABLE_0 = 2048,
    IMAGE_TABLE_1 = 2560,
    IMAGE_DATA = 3072,
    IMAGE_BYTES = IMAGE_DATA + IMAGE_DATA_CLUSTERS * IMAGE_CLUSTER,
};

struct image {
    uint8_t bytes[IMAGE_BYTES];
    uint8_t bits[IMAGE_NR_BITMAPS][IMAGE_PACKED]; /* what a reader must find */
    enum bf_qcow2_cluster_kind kinds[IMAGE_NR_BITMAPS][IMAGE_TABLE_ENTRIES];
};

static const uint64_t image_tables[IMAGE_NR_BITMAPS] = {IMAGE_TABLE_0, IMAGE_TABLE_1};

static inline void image_put_header(struct image *image)
{
    const struct bf_qcow2_header header = {
        .magic = BF_QCOW2_MAGIC,
        .version = 3,
        .cluster_bits = 9,
        .virtual_size_bytes = UINT64_C(512) * IMAGE_NR_BITS,
        .nr_l1_entries = 64,
        .l1_offset = IMAGE_L1,
        .refcount_table_offset = IMAGE_REFCOUNTS,
        .refcount_table_clusters = 1,
        .autoclear = BF_QCOW2_AUTOCLEAR_BITMAPS,
        .refcount_order = 4,
        .header_bytes = BF_QCOW2_HEADER_BYTES,
    };
    const struct bf_qcow2_extension extension = {BF_QCOW2_EXT_BITMAPS, BF_QCOW2_BITMAPS_BYTES};
    const struct bf_qcow2_bitmaps bitmaps = {
        .nr_bitmaps = IMAGE_NR_BITMAPS,
        .directory_bytes = IMAGE_DIRECTORY_END - IMAGE_DIRECTORY,
        .directory_offset = IMAGE_DIRECTORY,
    };

    bf_qcow2_header_encode(&header, image->bytes);
    bf_qcow2_extension_encode(&extension, image->bytes + IMAGE_EXTENSION);
    bf_qcow2_bitmaps_encode(&bitmaps, image->bytes + IMAGE_EXTENSION + BF_QCOW2_EXTENSION_BYTES);
}

static inline void image_put_entry(struct image *image, uint64_t at, uint64_t table_offset,
                                   const char *name, uint32_t flags)
{
    const struct bf_qcow2_entry entry = {
        .table_offset = table_offset,
        .nr_table_entries = IMAGE_TABLE_ENTRIES,
        .flags = flags,
        .type = BF_QCOW2_BITMAP_TYPE_DIRTY,
        .granularity_bits = 9,
        .name_bytes = (uint16_t)strlen(name),
    };

    bf_qcow2_entry_encode(&entry, image->bytes + at);
    memcpy(image->bytes + at + BF_QCOW2_ENTRY_BYTES, name, strlen(name));
}

/* One cluster of bits of a bitmap, of a kind and at a place that chance gives; data at @place. */
static inline void image_put_cluster(struct image *image, int bitmap, uint64_t index,
                                     uint64_t place)
{
    static const enum bf_qcow2_cluster_kind kinds[] = {
        BF_QCOW2_CLUSTER_CLEAN, BF_QCOW2_CLUSTER_DIRTY, BF_QCOW2_CLUSTER_DATA};
    struct bf_qcow2_cluster cluster = {.kind = kinds[rand() % 3]};
    uint64_t at = index * IMAGE_CLUSTER;
    uint64_t nr = at + IMAGE_CLUSTER < IMAGE_PACKED ? IMAGE_CLUSTER : IMAGE_PACKED - at;
    uint8_t *bits = image->bits[bitmap] + at;

    if (cluster.kind == BF_QCOW2_CLUSTER_DATA) {
        cluster.offset = place;
        for (int i = 0; i < IMAGE_CLUSTER; i++) /* rubbish behind the last bit too */
            image->bytes[place + (uint64_t)i] = (uint8_t)rand();
        memcpy(bits, image->bytes + place, nr);
    } else {
        memset(bits, cluster.kind == BF_QCOW2_CLUSTER_DIRTY ? 0xff : 0, nr);
    }
    image->kinds[bitmap][index] = cluster.kind;
    bf_qcow2_cluster_encode(&cluster, image->bytes + image_tables[bitmap] + 8 * index);
}

/* Bit by bit, unlike the code under test. */
static inline void image_mask_padding(uint8_t *bits)
{
    for (unsigned bit = IMAGE_NR_BITS; bit < IMAGE_PACKED * 8; bit++)
        bits[bit / 8] &= (uint8_t) ~(1U << bit % 8);
}

/* The places of the data: in a row for the one bitmap, backwards for the other. */
static inline struct image *image_new(unsigned seed)
{
    struct image *image = test_calloc(1, sizeof *image);

    srand(seed);
    image_put_header(image);
    image_put_entry(image, IMAGE_ENTRY_0, IMAGE_TABLE_0, "alpha", BF_QCOW2_ENTRY_AUTO);
    image_put_entry(image, IMAGE_ENTRY_1, IMAGE_TABLE_1, "beta", 0);
    for (uint64_t i = 0; i < IMAGE_TABLE_ENTRIES; i++) {
        image_put_cluster(image, 0, i, IMAGE_DATA + i * IMAGE_CLUSTER);
        image_put_cluster(image, 1, i, IMAGE_BYTES - (i + 1) * IMAGE_CLUSTER);
    }
    image_mask_padding(image->bits[0]);
    image_mask_padding(image->bits[1]);
    return image;
}

static inline void image_free(struct image *image)
{
    test_free(image);
}

static inline int image_open(const void *bytes, uint64_t nr_bytes, struct bf_reader **ret_reader,
                             struct bf_error *err)
{
    struct bf_blob *blob = NULL;

    assert_int_equal(bf_blob_open_memory(bytes, nr_bytes, &blob, err), 0);
    return bf_reader_open(blob, ret_reader, err);
}

static inline void image_put(uint8_t *at, unsigned nr_bytes, uint64_t value)
{
    for (unsigned i = 0; i < nr_bytes; i++)
        at[i] = (uint8_t)(value >> 8 * (nr_bytes - 1 - i));
}

/* The bits of alpha are all data, in a row; those of beta all clean. */
static inline struct image *image_new_plain(void)
{
    struct image *image = image_new(1);

    for (uint64_t i = 0; i < IMAGE_TABLE_ENTRIES; i++) {
        image_put(image->bytes + IMAGE_TABLE_0 + 8 * i, 8, IMAGE_DATA + i * IMAGE_CLUSTER);
        image_put(image->bytes + IMAGE_TABLE_1 + 8 * i, 8, 0);
    }
    return image;
}

#endif
