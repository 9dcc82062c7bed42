#include "reader_private.h"

#include "base/math.h"

#include <inttypes.h>
#include <string.h>

#define KNOWN_INCOMPATIBLE                                                                         \
    (UINT64_C(1) << BF_QCOW2_INCOMPATIBLE_DIRTY | UINT64_C(1) << BF_QCOW2_INCOMPATIBLE_CORRUPT |   \
     UINT64_C(1) << BF_QCOW2_INCOMPATIBLE_EXTERNAL_DATA |                                          \
     UINT64_C(1) << BF_QCOW2_INCOMPATIBLE_COMPRESSION |                                            \
     UINT64_C(1) << BF_QCOW2_INCOMPATIBLE_EXTENDED_L2)

/* The header extensions: a part of the first cluster. */
struct area {
    uint8_t *bytes;
    uint64_t start_bytes; /* where in the image they begin; for messages */
    uint64_t nr_bytes;
    uint64_t at;
};

static bool incompatible(const struct bf_qcow2_header *header, enum bf_qcow2_incompatible bit)
{
    return (header->incompatible >> bit & 1) != 0;
}

static int check_version(const struct bf_qcow2_header *header, struct bf_error *err)
{
    if (header->version == 2)
        return bf_error_set(err, BF_E_QCOW2_V2,
                            "qcow2 version 2 (compat=0.10) cannot hold bitmaps; `qemu-img amend -o "
                            "compat=1.1` turns it into version 3");
    if (header->version != 3)
        return bf_error_set(err, BF_E_QCOW2_FEATURE, "qcow2 version %" PRIu32 " is not known",
                            header->version);
    return 0;
}

static int check_header(const struct bf_qcow2_header *header, struct bf_error *err)
{
    uint64_t cluster_bytes;

    if (header->cluster_bits < BF_QCOW2_CLUSTER_BITS_MIN ||
        header->cluster_bits > BF_QCOW2_CLUSTER_BITS_MAX)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "header: clusters of 2^%" PRIu32 " bytes; 2^9 to 2^21 are possible",
                            header->cluster_bits);
    cluster_bytes = UINT64_C(1) << header->cluster_bits;
    if (header->header_bytes < BF_QCOW2_HEADER_V3_BYTES || header->header_bytes % 8 != 0 ||
        header->header_bytes > cluster_bytes)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT, "header: a length of %" PRIu32 " bytes",
                            header->header_bytes);
    if (header->refcount_order > BF_QCOW2_REFCOUNT_ORDER_MAX)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT, "header: refcounts of 2^%" PRIu32 " bits",
                            header->refcount_order);
    if (header->virtual_size_bytes > INT64_MAX)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT, "header: a disk of %" PRIu64 " bytes",
                            header->virtual_size_bytes);
    if (header->backing_offset != 0 &&
        (header->backing_offset < header->header_bytes || header->backing_offset > cluster_bytes ||
         header->backing_name_bytes > cluster_bytes - header->backing_offset))
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "header: the name of the backing file, %" PRIu32 " bytes at byte "
                            "%" PRIu64 ", lies outside the first cluster",
                            header->backing_name_bytes, header->backing_offset);
    return 0;
}

static int load_area(struct bf_reader *reader, struct area *area, struct bf_error *err)
{
    const struct bf_qcow2_header *header = &reader->header;
    uint64_t end = UINT64_C(1) << header->cluster_bits;

    /* Cut within the extensions it would look like an image without bitmaps. */
    if (end > reader->blob->size_bytes)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "the file ends within its first cluster of %" PRIu64 " bytes", end);
    if (header->backing_offset != 0)
        end = header->backing_offset;
    area->start_bytes = header->header_bytes;
    area->nr_bytes = end - header->header_bytes;
    area->bytes = malloc(area->nr_bytes + 1);
    if (!area->bytes)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the header extensions");
    return bf_blob_read(reader->blob, area->start_bytes, area->bytes, area->nr_bytes,
                        "header extensions", err);
}

/* The next extension and its data.  Returns 1 for one, 0 at the end. */
static int next_extension(struct area *area, struct bf_qcow2_extension *ret_extension,
                          const uint8_t **ret_data, struct bf_error *err)
{
    uint64_t left = area->nr_bytes - area->at;

    if (left < BF_QCOW2_EXTENSION_BYTES)
        return 0;
    bf_qcow2_extension_decode(area->bytes + area->at, ret_extension);
    if (ret_extension->type == BF_QCOW2_EXT_END)
        return 0;
    left -= BF_QCOW2_EXTENSION_BYTES;
    if (ret_extension->data_bytes > left)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "header extension 0x%08" PRIx32 " at byte %" PRIu64 ": its length of "
                            "%" PRIu32 " bytes goes past the end of the header",
                            ret_extension->type, area->start_bytes + area->at,
                            ret_extension->data_bytes);
    *ret_data = area->bytes + area->at + BF_QCOW2_EXTENSION_BYTES;
    area->at += BF_QCOW2_EXTENSION_BYTES +
                bf_min_u64(left, (UINT64_C(0) + ret_extension->data_bytes + 7) & ~UINT64_C(7));
    return 1;
}

/* What the image itself calls incompatible feature @bit, or "". */
static void find_feature_name(struct area area, unsigned bit,
                              char ret_name[BF_QCOW2_FEATURE_NAME_BYTES])
{
    struct bf_qcow2_extension extension;
    const uint8_t *data = NULL;

    ret_name[0] = '\0';
    while (next_extension(&area, &extension, &data, NULL) > 0) {
        if (extension.type != BF_QCOW2_EXT_FEATURE_NAMES)
            continue;
        for (uint32_t left = extension.data_bytes; left >= BF_QCOW2_FEATURE_NAME_BYTES;
             left -= BF_QCOW2_FEATURE_NAME_BYTES, data += BF_QCOW2_FEATURE_NAME_BYTES) {
            if (data[0] != 0 || data[1] != bit) /* type 0: incompatible */
                continue;
            memcpy(ret_name, data + 2, BF_QCOW2_FEATURE_NAME_BYTES - 2);
            ret_name[BF_QCOW2_FEATURE_NAME_BYTES - 2] = '\0';
            return;
        }
    }
}

static int check_features(const struct bf_qcow2_header *header, const struct area *area,
                          struct bf_error *err)
{
    uint64_t unknown = header->incompatible & ~KNOWN_INCOMPATIBLE;
    char name[BF_QCOW2_FEATURE_NAME_BYTES];
    unsigned bit;

    if (unknown == 0)
        return 0;
    bit = (unsigned)__builtin_ctzll(unknown);
    find_feature_name(*area, bit, name);
    return bf_error_set(err, BF_E_QCOW2_FEATURE,
                        "uses the incompatible qcow2 feature \"%s\" (bit %u), which bitferry does "
                        "not know",
                        name[0] ? name : "without a name", bit);
}

static int load_extension(struct bf_reader *reader, const struct bf_qcow2_extension *extension,
                          const uint8_t *data, struct bf_error *err)
{
    struct bf_qcow2_bitmaps *found = &reader->extension;

    if (reader->image.has_bitmaps_extension)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT, "two bitmaps extensions in the header");
    reader->image.has_bitmaps_extension = true;
    if (extension->data_bytes != BF_QCOW2_BITMAPS_BYTES)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "bitmaps extension: %" PRIu32 " bytes instead of 24",
                            extension->data_bytes);
    bf_qcow2_bitmaps_decode(data, found);
    if (!(reader->header.autoclear & BF_QCOW2_AUTOCLEAR_BITMAPS))
        return 0; /* stale: not looked at */
    if (found->reserved != 0)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "bitmaps extension: its reserved field is 0x%08" PRIx32 " instead of 0",
                            found->reserved);
    if (found->nr_bitmaps < 1 || found->nr_bitmaps > BF_QCOW2_BITMAPS_MAX)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "bitmaps extension: %" PRIu32 " bitmaps; 1 to 65535 are possible",
                            found->nr_bitmaps);
    if (found->directory_bytes > BF_QCOW2_DIRECTORY_MAX_BYTES)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "bitmaps extension: a directory of %" PRIu64 " bytes; QEMU allows "
                            "%" PRIu64,
                            found->directory_bytes, BF_QCOW2_DIRECTORY_MAX_BYTES);
    return 0;
}

static int load_extensions(struct bf_reader *reader, struct area *area, struct bf_error *err)
{
    struct bf_qcow2_extension extension;
    const uint8_t *data = NULL;
    int r;

    while ((r = next_extension(area, &extension, &data, err)) > 0) {
        if (extension.type != BF_QCOW2_EXT_BITMAPS)
            continue;
        r = load_extension(reader, &extension, data, err);
        if (r < 0)
            return r;
    }
    return r;
}

static const char *encryption_name(uint32_t crypt_method)
{
    if (crypt_method == 0)
        return NULL;
    return crypt_method == 1 ? "aes" : "luks";
}

static void fill_image_info(struct bf_reader *reader)
{
    const struct bf_qcow2_header *header = &reader->header;
    struct bf_image_info *image = &reader->image;

    image->virtual_size_bytes = header->virtual_size_bytes;
    image->cluster_size_bytes = UINT64_C(1) << header->cluster_bits;
    image->dirty = incompatible(header, BF_QCOW2_INCOMPATIBLE_DIRTY);
    image->corrupt = incompatible(header, BF_QCOW2_INCOMPATIBLE_CORRUPT);
    image->external_data = incompatible(header, BF_QCOW2_INCOMPATIBLE_EXTERNAL_DATA);
    image->encryption = encryption_name(header->crypt_method);
    image->has_backing = header->backing_offset != 0;
    image->bitmaps_stale =
        image->has_bitmaps_extension && !(header->autoclear & BF_QCOW2_AUTOCLEAR_BITMAPS);
    if (image->has_bitmaps_extension && !image->bitmaps_stale) {
        image->nr_bitmaps = reader->extension.nr_bitmaps;
        image->directory_offset_bytes = reader->extension.directory_offset;
        image->directory_bytes = reader->extension.directory_bytes;
    }
}

int bf_reader_load_header(struct bf_reader *reader, struct bf_error *err)
{
    uint8_t raw[BF_QCOW2_HEADER_BYTES] = {0};
    uint64_t nr_bytes = bf_min_u64(sizeof raw, reader->blob->size_bytes);
    struct area area = {0};
    BF_CLEANUP(bf_freep) uint8_t *bytes = NULL;
    int r = bf_blob_read(reader->blob, 0, raw, nr_bytes, "header", err);

    if (r < 0)
        return r;
    bf_qcow2_header_decode(raw, &reader->header);
    if (reader->header.magic != BF_QCOW2_MAGIC)
        return bf_error_set(err, BF_E_NOT_QCOW2, "not a qcow2 image; only those can hold bitmaps");
    if (reader->blob->size_bytes < BF_QCOW2_HEADER_V3_BYTES)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT, "the file ends within the header");
    r = check_version(&reader->header, err);
    if (r == 0)
        r = check_header(&reader->header, err);
    if (r == 0)
        r = load_area(reader, &area, err);
    bytes = area.bytes;
    if (r == 0)
        r = check_features(&reader->header, &area, err);
    if (r == 0)
        r = load_extensions(reader, &area, err);
    if (r < 0)
        return r;
    fill_image_info(reader);
    return 0;
}
