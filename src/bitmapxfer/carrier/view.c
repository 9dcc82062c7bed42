#include "carrier/view.h"

#include "base/endian.h"
#include "base/math.h"
#include "layout.h"

#include <stdlib.h>
#include <string.h>

/* One cluster for each of these, then the L1 table, then a place for every cluster of bits. */
enum view_part {
    PART_HEADER,
    PART_REFCOUNT_TABLE,
    PART_REFCOUNT_BLOCK,
    PART_DIRECTORY,
    PART_TABLE,
    NR_PARTS,
};

/* The clusters of the largest view: L1 table of 32 MiB and bits of 512 MiB. */
_Static_assert(NR_PARTS + ((UINT64_C(32) << 20) + BF_PACKED_MAX_BYTES) / BF_CARRIER_CLUSTER_BYTES <=
                   BF_LAYOUT_REFCOUNTS_PER_BLOCK,
               "one refcount block must do");

/* The beginning of a cluster, the rest is zeroes. */
struct part {
    uint8_t *bytes;
    uint64_t nr_bytes;
};

/* Immutable once it is made: the table is taken from the runs of the bits at that moment, so table,
 * refcounts and holes agree with each other for as long as the view lives. */
struct bf_view {
    struct bf_bits bits;
    uint64_t bits_offset; /* where the place of the first cluster of bits lies */
    uint64_t nr_bits_clusters;
    struct part parts[NR_PARTS];
};

/* Where the bytes of a cluster come from. */
enum cluster_source {
    SOURCE_ZEROES,
    SOURCE_PART,
    SOURCE_BITS,
};

static uint64_t part_offset(enum view_part part)
{
    return (uint64_t)part * BF_CARRIER_CLUSTER_BYTES;
}

static uint64_t bits_cluster_offset(const struct bf_view *view, uint64_t index)
{
    return view->bits_offset + index * BF_CARRIER_CLUSTER_BYTES;
}

/* How many of the packed bytes are in cluster @index. */
static uint64_t packed_in_cluster(const struct bf_view *view, uint64_t index)
{
    uint64_t start = index * BF_CARRIER_CLUSTER_BYTES;

    return bf_min_u64(BF_CARRIER_CLUSTER_BYTES,
                      bf_geometry_packed_bytes(&view->bits.geometry) - start);
}

static struct bf_qcow2_cluster table_entry(const struct bf_view *view, uint64_t index)
{
    return bf_qcow2_cluster_decode(view->parts[PART_TABLE].bytes +
                                   index * BF_QCOW2_TABLE_ENTRY_BYTES);
}

/* Does the last cluster have padding?  Then "all ones" is wrong for it: see writer.c. */
static bool has_padding(const struct bf_view *view, uint64_t index)
{
    return index + 1 == view->nr_bits_clusters &&
           bf_geometry_nr_bits(&view->bits.geometry) % 64 != 0;
}

/* What is known of cluster @index without reading it; runs may be shorter than a cluster. */
static int known_kind(const struct bf_view *view, uint64_t index,
                      enum bf_qcow2_cluster_kind *ret_kind, struct bf_error *err)
{
    uint64_t offset = index * BF_CARRIER_CLUSTER_BYTES;
    uint64_t end = offset + packed_in_cluster(view, index);
    bool clean = true;
    bool dirty = !has_padding(view, index);

    while (offset < end && (clean || dirty)) {
        enum bf_run_kind kind;
        uint64_t nr_bytes;
        int r = bf_bits_run(&view->bits, offset, end - offset, &kind, &nr_bytes, err);

        if (r < 0)
            return r;
        clean = clean && kind == BF_RUN_CLEAN;
        dirty = dirty && kind == BF_RUN_DIRTY;
        offset += nr_bytes;
    }
    *ret_kind = clean   ? BF_QCOW2_CLUSTER_CLEAN
                : dirty ? BF_QCOW2_CLUSTER_DIRTY
                        : BF_QCOW2_CLUSTER_DATA;
    return 0;
}

static int alloc_part(struct bf_view *view, enum view_part part, uint64_t nr_bytes,
                      struct bf_error *err)
{
    view->parts[part].bytes = calloc(1, nr_bytes);
    if (!view->parts[part].bytes)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the qcow2 view of a bitmap");
    view->parts[part].nr_bytes = nr_bytes;
    return 0;
}

static int alloc_parts(struct bf_view *view, struct bf_error *err)
{
    uint64_t nr_clusters = bf_view_size_bytes(view) / BF_CARRIER_CLUSTER_BYTES;
    const uint64_t nr_bytes[NR_PARTS] = {
        [PART_HEADER] = BF_LAYOUT_HEADER_BYTES,
        [PART_REFCOUNT_TABLE] = sizeof(uint64_t),
        [PART_REFCOUNT_BLOCK] = nr_clusters * BF_LAYOUT_REFCOUNT_BYTES,
        [PART_DIRECTORY] = BF_LAYOUT_ENTRY_MAX_BYTES,
        [PART_TABLE] = view->nr_bits_clusters * BF_QCOW2_TABLE_ENTRY_BYTES,
    };
    int r = 0;

    for (int part = 0; part < NR_PARTS && r == 0; part++)
        r = alloc_part(view, (enum view_part)part, nr_bytes[part], err);
    return r;
}

static void set_refcount(struct bf_view *view, uint64_t offset_bytes)
{
    bf_be16_put(view->parts[PART_REFCOUNT_BLOCK].bytes +
                    offset_bytes / BF_CARRIER_CLUSTER_BYTES * BF_LAYOUT_REFCOUNT_BYTES,
                1);
}

/* The table, and the refcounts of the clusters that it refers to. */
static int fill_table(struct bf_view *view, struct bf_error *err)
{
    for (uint64_t i = 0; i < view->nr_bits_clusters; i++) {
        struct bf_qcow2_cluster cluster = {.offset = bits_cluster_offset(view, i)};
        int r = known_kind(view, i, &cluster.kind, err);

        if (r < 0)
            return r;
        bf_qcow2_cluster_encode(&cluster,
                                view->parts[PART_TABLE].bytes + i * BF_QCOW2_TABLE_ENTRY_BYTES);
        if (cluster.kind == BF_QCOW2_CLUSTER_DATA)
            set_refcount(view, cluster.offset);
    }
    return 0;
}

static void fill_metadata(struct bf_view *view, const char *name, bool recording)
{
    const struct bf_geometry *geometry = &view->bits.geometry;
    struct part *directory = &view->parts[PART_DIRECTORY];
    struct bf_layout layout = {
        .virtual_size_bytes = geometry->disk_size_bytes,
        .l1_offset = part_offset(NR_PARTS),
        .refcount_table_offset = part_offset(PART_REFCOUNT_TABLE),
        .nr_refcount_table_clusters = 1,
        .directory_offset = part_offset(PART_DIRECTORY),
        .nr_bitmaps = 1,
    };

    directory->nr_bytes =
        bf_layout_put_entry(name, geometry, recording, part_offset(PART_TABLE), directory->bytes);
    layout.directory_bytes = directory->nr_bytes;
    bf_layout_put_header(&layout, view->parts[PART_HEADER].bytes);
    bf_be64_put(view->parts[PART_REFCOUNT_TABLE].bytes, part_offset(PART_REFCOUNT_BLOCK));
    for (uint64_t offset = 0; offset < view->bits_offset; offset += BF_CARRIER_CLUSTER_BYTES)
        set_refcount(view, offset);
}

static enum cluster_source cluster_source(const struct bf_view *view, uint64_t cluster)
{
    uint64_t first_of_bits = view->bits_offset / BF_CARRIER_CLUSTER_BYTES;

    if (cluster < NR_PARTS)
        return SOURCE_PART;
    if (cluster >= first_of_bits &&
        table_entry(view, cluster - first_of_bits).kind == BF_QCOW2_CLUSTER_DATA)
        return SOURCE_BITS;
    return SOURCE_ZEROES;
}

static void read_part(const struct part *part, uint64_t within, uint8_t *buf, uint64_t nr_bytes)
{
    uint64_t nr_there = within < part->nr_bytes ? part->nr_bytes - within : 0;
    uint64_t nr = bf_min_u64(nr_bytes, nr_there);

    memcpy(buf, part->bytes + part->nr_bytes - nr_there, nr);
    memset(buf + nr, 0, nr_bytes - nr);
}

/* From a place in the area of bits; behind the packed bits there are zeroes. */
static int read_bits(const struct bf_view *view, uint64_t packed_offset, uint8_t *buf,
                     uint64_t nr_bytes, struct bf_error *err)
{
    uint64_t packed_bytes = bf_geometry_packed_bytes(&view->bits.geometry);
    uint64_t nr_there = packed_offset < packed_bytes ? packed_bytes - packed_offset : 0;
    uint64_t nr = bf_min_u64(nr_bytes, nr_there);

    memset(buf + nr, 0, nr_bytes - nr);
    return nr > 0 ? bf_bits_read(&view->bits, packed_offset, buf, nr, err) : 0;
}

/* A stretch within one cluster. */
static int read_within(const struct bf_view *view, uint64_t offset_bytes, uint8_t *buf,
                       uint64_t nr_bytes, struct bf_error *err)
{
    uint64_t cluster = offset_bytes / BF_CARRIER_CLUSTER_BYTES;

    switch (cluster_source(view, cluster)) {
    case SOURCE_PART:
        read_part(&view->parts[cluster], offset_bytes % BF_CARRIER_CLUSTER_BYTES, buf, nr_bytes);
        return 0;
    case SOURCE_BITS:
        return read_bits(view, offset_bytes - view->bits_offset, buf, nr_bytes, err);
    case SOURCE_ZEROES:
        break;
    }
    memset(buf, 0, nr_bytes);
    return 0;
}

static uint64_t to_cluster_end(uint64_t offset_bytes)
{
    return BF_CARRIER_CLUSTER_BYTES - offset_bytes % BF_CARRIER_CLUSTER_BYTES;
}

static int check_range(const struct bf_view *view, uint64_t offset_bytes, uint64_t nr_bytes,
                       struct bf_error *err)
{
    uint64_t size_bytes = bf_view_size_bytes(view);

    if (offset_bytes > size_bytes || nr_bytes > size_bytes - offset_bytes)
        return bf_error_set(err, BF_E_INVALID, "%llu bytes at %llu are not within the view of %llu",
                            (unsigned long long)nr_bytes, (unsigned long long)offset_bytes,
                            (unsigned long long)size_bytes);
    return 0;
}

int bf_view_new(const struct bf_bits *bits, const char *name, bool recording,
                struct bf_view **ret_view, struct bf_error *err)
{
    BF_CLEANUP(bf_view_freep) struct bf_view *view = NULL;
    uint64_t disk_size_bytes = bits->geometry.disk_size_bytes;
    int r = bf_layout_check_disk(disk_size_bytes, err);

    if (r == 0)
        r = bf_layout_check_bitmap(name, &bits->geometry, err);
    if (r < 0)
        return r;
    view = calloc(1, sizeof *view);
    if (!view)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the qcow2 view of a bitmap");
    view->bits = *bits;
    view->nr_bits_clusters = bf_layout_bits_clusters(&bits->geometry);
    view->bits_offset =
        (NR_PARTS + bf_layout_l1_clusters(disk_size_bytes)) * BF_CARRIER_CLUSTER_BYTES;
    r = alloc_parts(view, err);
    if (r == 0)
        r = fill_table(view, err);
    if (r < 0)
        return r;
    fill_metadata(view, name, recording);
    *ret_view = bf_steal_ptr(&view);
    return 0;
}

void bf_view_free(struct bf_view *view)
{
    for (int part = 0; part < NR_PARTS; part++)
        free(view->parts[part].bytes);
    free(view);
}

uint64_t bf_view_size_bytes(const struct bf_view *view)
{
    return bits_cluster_offset(view, view->nr_bits_clusters);
}

int bf_view_read(struct bf_view *view, uint64_t offset_bytes, uint8_t *buf, uint64_t nr_bytes,
                 struct bf_error *err)
{
    int r = check_range(view, offset_bytes, nr_bytes, err);

    while (r == 0 && nr_bytes > 0) {
        uint64_t nr = bf_min_u64(nr_bytes, to_cluster_end(offset_bytes));

        r = read_within(view, offset_bytes, buf, nr, err);
        offset_bytes += nr;
        buf += nr;
        nr_bytes -= nr;
    }
    return r;
}

int bf_view_hole(struct bf_view *view, uint64_t offset_bytes, uint64_t max_bytes, bool *ret_hole,
                 uint64_t *ret_nr_bytes, struct bf_error *err)
{
    uint64_t cluster = offset_bytes / BF_CARRIER_CLUSTER_BYTES;
    uint64_t done = to_cluster_end(offset_bytes);
    int r = check_range(view, offset_bytes, max_bytes, err);

    if (r < 0)
        return r;
    if (max_bytes == 0)
        return bf_error_set(err, BF_E_INVALID, "an empty range of a view is neither hole nor data");
    *ret_hole = cluster_source(view, cluster) == SOURCE_ZEROES;
    while (done < max_bytes && (cluster_source(view, ++cluster) == SOURCE_ZEROES) == *ret_hole)
        done += BF_CARRIER_CLUSTER_BYTES;
    *ret_nr_bytes = bf_min_u64(done, max_bytes);
    return 0;
}
