#include "reader_private.h"

#include "base/math.h"

#include <inttypes.h>
#include <string.h>

enum {
    BATCH = 512, /* table entries looked at together: 4 KiB on the stack */
};

/* Neighbouring data clusters, to be read at once. */
struct stretch {
    uint64_t offset_bytes;
    uint8_t *to;
    uint64_t nr_bytes;
};

static int named(const struct bf_reader_bitmap *bitmap, int r, struct bf_error *err)
{
    if (r < 0 && err)
        return bf_error_prefix(err, "%s: bitmap \"%.255s\"", bitmap->reader->blob->name,
                               bitmap->name);
    return r;
}

int bf_reader_table(const struct bf_reader_bitmap *bitmap, uint64_t first, uint64_t nr_entries,
                    uint8_t *buf, struct bf_error *err)
{
    return bf_blob_read(bitmap->reader->blob,
                        bitmap->entry.table_offset + first * BF_QCOW2_TABLE_ENTRY_BYTES, buf,
                        nr_entries * BF_QCOW2_TABLE_ENTRY_BYTES, "bitmap table", err);
}

int bf_reader_cluster(const struct bf_reader_bitmap *bitmap, uint64_t index, const uint8_t *from,
                      struct bf_qcow2_cluster *ret_cluster, struct bf_error *err)
{
    uint64_t cluster_bytes = bitmap->reader->image.cluster_size_bytes;
    uint64_t size_bytes = bitmap->reader->blob->size_bytes;

    *ret_cluster = bf_qcow2_cluster_decode(from);
    if (ret_cluster->kind == BF_QCOW2_CLUSTER_MALFORMED)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "table of bitmap \"%.255s\", entry %" PRIu64 ": reserved bits are set",
                            bitmap->name, index);
    if (ret_cluster->offset % cluster_bytes != 0)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "table of bitmap \"%.255s\", entry %" PRIu64 ": byte %" PRIu64
                            " is not the start of a cluster",
                            bitmap->name, index, ret_cluster->offset);
    if (ret_cluster->kind == BF_QCOW2_CLUSTER_DATA &&
        (cluster_bytes > size_bytes || ret_cluster->offset > size_bytes - cluster_bytes))
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "table of bitmap \"%.255s\", entry %" PRIu64
                            ": the cluster at byte %" PRIu64
                            " lies past the end of the file (%" PRIu64 " bytes)",
                            bitmap->name, index, ret_cluster->offset, size_bytes);
    return 0;
}

static int read_stretch(const struct bf_reader_bitmap *bitmap, struct stretch *stretch,
                        struct bf_error *err)
{
    int r = 0;

    if (stretch->nr_bytes > 0)
        r = bf_blob_read(bitmap->reader->blob, stretch->offset_bytes, stretch->to,
                         stretch->nr_bytes, "bits", err);
    stretch->nr_bytes = 0;
    return r;
}

/* The part of one cluster that is wanted: @nr_bytes from @offset_in_cluster on. */
static int read_cluster(const struct bf_reader_bitmap *bitmap,
                        const struct bf_qcow2_cluster *cluster, uint64_t offset_in_cluster,
                        uint8_t *to, uint64_t nr_bytes, struct stretch *stretch,
                        struct bf_error *err)
{
    uint64_t from = cluster->offset + offset_in_cluster;
    int r;

    if (cluster->kind != BF_QCOW2_CLUSTER_DATA) {
        memset(to, cluster->kind == BF_QCOW2_CLUSTER_DIRTY ? 0xff : 0, nr_bytes);
        return 0;
    }
    if (stretch->nr_bytes > 0 && stretch->offset_bytes + stretch->nr_bytes == from &&
        stretch->to + stretch->nr_bytes == to) {
        stretch->nr_bytes += nr_bytes;
        return 0;
    }
    r = read_stretch(bitmap, stretch, err);
    *stretch = (struct stretch){.offset_bytes = from, .to = to, .nr_bytes = nr_bytes};
    return r;
}

/* As much as one batch of table entries covers. */
static int read_batch(const struct bf_reader_bitmap *bitmap, uint64_t offset_bytes, uint8_t *buf,
                      uint64_t max_bytes, uint64_t *ret_nr_bytes, struct bf_error *err)
{
    uint64_t cluster_bytes = bitmap->reader->image.cluster_size_bytes;
    uint64_t first = offset_bytes / cluster_bytes;
    uint64_t last = (offset_bytes + max_bytes - 1) / cluster_bytes;
    uint64_t nr_entries = bf_min_u64(last - first + 1, BATCH);
    uint64_t in_cluster = offset_bytes % cluster_bytes;
    uint8_t table[BATCH * BF_QCOW2_TABLE_ENTRY_BYTES];
    struct stretch stretch = {0};
    uint64_t done = 0;
    int r = bf_reader_table(bitmap, first, nr_entries, table, err);

    for (uint64_t i = 0; i < nr_entries && r == 0; i++) {
        uint64_t nr = bf_min_u64(cluster_bytes - in_cluster, max_bytes - done);
        struct bf_qcow2_cluster cluster;

        r = bf_reader_cluster(bitmap, first + i, table + i * BF_QCOW2_TABLE_ENTRY_BYTES, &cluster,
                              err);
        if (r == 0)
            r = read_cluster(bitmap, &cluster, in_cluster, buf + done, nr, &stretch, err);
        done += nr;
        in_cluster = 0;
    }
    if (r == 0)
        r = read_stretch(bitmap, &stretch, err);
    *ret_nr_bytes = done;
    return r;
}

/* What was read counts only if the file is still the one that was opened. */
static int still_valid(const struct bf_reader_bitmap *bitmap, struct bf_error *err)
{
    struct bf_blob *blob = bitmap->reader->blob;

    return blob->ops->check_unchanged(blob, err);
}

static int read_bits(void *ctx, uint64_t offset_bytes, uint8_t *buf, uint64_t nr_bytes,
                     struct bf_error *err)
{
    const struct bf_reader_bitmap *bitmap = ctx;
    uint64_t done = 0;
    int r = 0;

    while (done < nr_bytes && r == 0) {
        uint64_t nr = 0;

        r = read_batch(bitmap, offset_bytes + done, buf + done, nr_bytes - done, &nr, err);
        done += nr;
    }
    if (r == 0)
        r = still_valid(bitmap, err);
    return named(bitmap, r, err);
}

static enum bf_run_kind run_kind(enum bf_qcow2_cluster_kind kind)
{
    if (kind == BF_QCOW2_CLUSTER_CLEAN)
        return BF_RUN_CLEAN;
    return kind == BF_QCOW2_CLUSTER_DIRTY ? BF_RUN_DIRTY : BF_RUN_MIXED;
}

/* How many entries from the first on are of the same kind as it. */
static int count_alike(const struct bf_reader_bitmap *bitmap, uint64_t first, uint64_t nr_entries,
                       enum bf_run_kind *ret_kind, uint64_t *ret_nr_alike, struct bf_error *err)
{
    uint8_t table[BATCH * BF_QCOW2_TABLE_ENTRY_BYTES];
    int r = bf_reader_table(bitmap, first, nr_entries, table, err);

    for (uint64_t i = 0; i < nr_entries && r == 0; i++) {
        struct bf_qcow2_cluster cluster;

        r = bf_reader_cluster(bitmap, first + i, table + i * BF_QCOW2_TABLE_ENTRY_BYTES, &cluster,
                              err);
        if (r < 0)
            break;
        if (i == 0)
            *ret_kind = run_kind(cluster.kind);
        if (run_kind(cluster.kind) != *ret_kind)
            break;
        *ret_nr_alike = i + 1;
    }
    return r;
}

static int run_of_bits(void *ctx, uint64_t offset_bytes, uint64_t max_bytes,
                       enum bf_run_kind *ret_kind, uint64_t *ret_nr_bytes, struct bf_error *err)
{
    const struct bf_reader_bitmap *bitmap = ctx;
    uint64_t cluster_bytes = bitmap->reader->image.cluster_size_bytes;
    uint64_t first = offset_bytes / cluster_bytes;
    uint64_t last = (offset_bytes + max_bytes - 1) / cluster_bytes;
    uint64_t nr_alike = 0;
    int r =
        count_alike(bitmap, first, bf_min_u64(last - first + 1, BATCH), ret_kind, &nr_alike, err);

    if (r == 0)
        r = still_valid(bitmap, err);
    if (r < 0)
        return named(bitmap, r, err);
    *ret_nr_bytes = bf_min_u64(max_bytes, (first + nr_alike) * cluster_bytes - offset_bytes);
    return 0;
}

static const struct bf_bits_ops reader_bits_ops = {
    .read = read_bits,
    .run = run_of_bits,
};

int bf_reader_bits(struct bf_reader *reader, uint32_t index, struct bf_bits *ret_bits,
                   struct bf_error *err)
{
    struct bf_reader_bitmap *bitmap = &reader->bitmaps[index];

    if (bitmap->unusable)
        return bf_error_set(err, BF_E_BITMAP_INCONSISTENT, "%s: bitmap \"%.255s\" is unusable: %s",
                            reader->blob->name, bitmap->name, bitmap->unusable);
    *ret_bits = (struct bf_bits){
        .ops = &reader_bits_ops,
        .ctx = bitmap,
        .geometry = bf_reader_geometry(bitmap),
    };
    return 0;
}
