#include "reader_private.h"
#include "regions.h"

#include "base/math.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    SNAPSHOT_MIN_BYTES = 40,
    SNAPSHOTS_MAX = 65536, /* QCOW_MAX_SNAPSHOTS of QEMU */
    ENTRIES_AT_A_TIME = 4096,
    REGION_TEXT_MAX = 320,
};

/* All bitmap tables of an image together: half a gigabyte, read once when it is opened.  It bounds
 * the time that a sparse file full of enormous tables can take. */
#define TABLE_ENTRIES_MAX (UINT64_C(1) << 26)

static void release_regions(struct bf_regions *regions)
{
    free(regions->list);
}

static const char *region_text(const struct bf_reader *reader, const struct bf_region *region,
                               char buf[REGION_TEXT_MAX])
{
    static const char *const names[] = {
        [BF_REGION_HEADER] = "the header",
        [BF_REGION_L1] = "the L1 table",
        [BF_REGION_REFCOUNTS] = "the refcount table",
        [BF_REGION_SNAPSHOTS] = "the snapshot table",
        [BF_REGION_DIRECTORY] = "the bitmap directory",
        [BF_REGION_TABLE] = "the table of bitmap",
        [BF_REGION_BITS] = "the bits of bitmap",
    };

    if (region->kind != BF_REGION_TABLE && region->kind != BF_REGION_BITS)
        return names[region->kind];
    (void)snprintf(buf, REGION_TEXT_MAX, "%s \"%.255s\"", names[region->kind],
                   reader->bitmaps[region->bitmap].name);
    return buf;
}

/* A structure of its own, which has its clusters for itself. */
static int add_structure(struct bf_reader *reader, struct bf_regions *regions,
                         struct bf_region region, uint64_t nr_bytes, struct bf_error *err)
{
    uint64_t cluster_bytes = reader->image.cluster_size_bytes;
    uint64_t size_bytes = reader->blob->size_bytes;
    char text[REGION_TEXT_MAX];

    if (region.start_bytes % cluster_bytes != 0)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "%s is at byte %" PRIu64 ", which is not the start of a cluster",
                            region_text(reader, &region, text), region.start_bytes);
    if (region.start_bytes > size_bytes || nr_bytes > size_bytes - region.start_bytes)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT,
                            "%s, %" PRIu64 " bytes at byte %" PRIu64
                            ", lies past the end of the file (%" PRIu64 " bytes)",
                            region_text(reader, &region, text), nr_bytes, region.start_bytes,
                            size_bytes);
    region.end_bytes =
        region.start_bytes + bf_div_round_up_u64(nr_bytes, cluster_bytes) * cluster_bytes;
    return bf_regions_add(regions, &region, err);
}

static int add_structures(struct bf_reader *reader, struct bf_regions *regions,
                          struct bf_error *err)
{
    const struct bf_qcow2_header *header = &reader->header;
    const struct {
        enum bf_region_kind kind;
        uint64_t start_bytes;
        uint64_t nr_bytes;
    } structures[] = {
        {BF_REGION_HEADER, 0, header->header_bytes},
        {BF_REGION_L1, header->l1_offset, UINT64_C(8) * header->nr_l1_entries},
        {BF_REGION_REFCOUNTS, header->refcount_table_offset,
         (uint64_t)header->refcount_table_clusters << header->cluster_bits},
        /* Snapshots vary in length; this is the part that is certain. */
        {BF_REGION_SNAPSHOTS, header->snapshots_offset,
         UINT64_C(1) * SNAPSHOT_MIN_BYTES * header->nr_snapshots},
        {BF_REGION_DIRECTORY, reader->extension.directory_offset,
         reader->extension.directory_bytes},
    };

    if (header->nr_snapshots > SNAPSHOTS_MAX)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT, "header: %" PRIu32 " snapshots",
                            header->nr_snapshots);
    for (size_t i = 0; i < sizeof structures / sizeof structures[0]; i++) {
        struct bf_region region = {.start_bytes = structures[i].start_bytes,
                                   .kind = structures[i].kind};
        int r = add_structure(reader, regions, region, structures[i].nr_bytes, err);

        if (r < 0)
            return r;
    }
    return 0;
}

static int add_bits(const struct bf_reader_bitmap *bitmap, uint32_t index, uint8_t *buf,
                    struct bf_regions *regions, struct bf_error *err)
{
    uint64_t nr_entries = bitmap->entry.nr_table_entries;
    int r = 0;

    for (uint64_t first = 0; first < nr_entries && r == 0; first += ENTRIES_AT_A_TIME) {
        uint64_t nr = bf_min_u64(nr_entries - first, ENTRIES_AT_A_TIME);

        r = bf_reader_table(bitmap, first, nr, buf, err);
        for (uint64_t i = 0; i < nr && r == 0; i++) {
            struct bf_region region = {.kind = BF_REGION_BITS, .bitmap = index};
            struct bf_qcow2_cluster cluster;

            r = bf_reader_cluster(bitmap, first + i, buf + i * BF_QCOW2_TABLE_ENTRY_BYTES, &cluster,
                                  err);
            if (r < 0 || cluster.kind != BF_QCOW2_CLUSTER_DATA)
                continue;
            region.start_bytes = cluster.offset;
            region.end_bytes = cluster.offset + bitmap->reader->image.cluster_size_bytes;
            r = bf_regions_add(regions, &region, err);
        }
    }
    return r;
}

static int add_tables(struct bf_reader *reader, struct bf_regions *regions, struct bf_error *err)
{
    int r = 0;

    for (uint32_t i = 0; i < reader->image.nr_bitmaps && r == 0; i++) {
        const struct bf_qcow2_entry *entry = &reader->bitmaps[i].entry;
        struct bf_region region = {
            .start_bytes = entry->table_offset, .kind = BF_REGION_TABLE, .bitmap = i};

        r = add_structure(reader, regions, region,
                          UINT64_C(1) * BF_QCOW2_TABLE_ENTRY_BYTES * entry->nr_table_entries, err);
    }
    return r;
}

static int add_all_bits(struct bf_reader *reader, struct bf_regions *regions, struct bf_error *err)
{
    BF_CLEANUP(bf_freep)
    uint8_t *buf = malloc((size_t)ENTRIES_AT_A_TIME * BF_QCOW2_TABLE_ENTRY_BYTES);
    uint64_t nr_entries = 0;
    int r = 0;

    if (!buf)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the bitmap tables");
    for (uint32_t i = 0; i < reader->image.nr_bitmaps && r == 0; i++) {
        const struct bf_reader_bitmap *bitmap = &reader->bitmaps[i];

        if (bitmap->unusable)
            continue;
        nr_entries += bitmap->entry.nr_table_entries;
        if (nr_entries > TABLE_ENTRIES_MAX)
            return bf_error_set(err, BF_E_LIMIT,
                                "the bitmap tables have more than %" PRIu64 " entries together",
                                TABLE_ENTRIES_MAX);
        r = add_bits(bitmap, i, buf, regions, err);
    }
    return r;
}

static int check_overlap(const struct bf_reader *reader, struct bf_regions *regions,
                         struct bf_error *err)
{
    struct bf_region a;
    struct bf_region b;
    char text_a[REGION_TEXT_MAX];
    char text_b[REGION_TEXT_MAX];

    if (!bf_regions_overlap(regions, &a, &b))
        return 0;
    return bf_error_set(err, BF_E_IMAGE_CORRUPT, "%s and %s overlap at byte %" PRIu64,
                        region_text(reader, &a, text_a), region_text(reader, &b, text_b),
                        b.start_bytes);
}

/* The tables are looked into when it is known that they are where nothing else is. */
int bf_reader_check_map(struct bf_reader *reader, struct bf_error *err)
{
    BF_CLEANUP(release_regions) struct bf_regions regions = {0};
    int r;

    if (reader->image.nr_bitmaps == 0)
        return 0;
    r = add_structures(reader, &regions, err);
    if (r == 0)
        r = add_tables(reader, &regions, err);
    if (r == 0)
        r = check_overlap(reader, &regions, err);
    if (r == 0)
        r = add_all_bits(reader, &regions, err);
    if (r == 0)
        r = check_overlap(reader, &regions, err);
    return r;
}
