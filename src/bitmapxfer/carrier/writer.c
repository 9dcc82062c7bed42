#include "carrier/writer.h"

#include "base/endian.h"
#include "base/math.h"
#include "directory.h"
#include "layout.h"
#include "sink.h"

#include <stdlib.h>
#include <string.h>

/* IDLE -> IN_BITMAP -> IDLE -> ... -> FINISHED, and to FAILED from each of them. */
enum writer_state {
    WRITER_IDLE,
    WRITER_IN_BITMAP,
    WRITER_FINISHED,
    WRITER_FAILED,
};

/* In the file: header, L1 table (a hole), data and table of one bitmap after the other, directory,
 * refcount blocks, refcount table. */
struct bf_writer {
    struct bf_sink sink;
    uint64_t virtual_size_bytes;
    enum writer_state state;
    struct bf_directory directory;

    /* The bitmap in progress. */
    struct bf_directory_entry *entry;
    struct bf_summarizer *summarizer;
    uint64_t packed_bytes;
    uint64_t taken_bytes;   /* of the packed bytes, those in the buffer included */
    uint64_t cluster_bytes; /* in the buffer */
    uint8_t cluster[BF_CARRIER_CLUSTER_BYTES];
    uint8_t table[BF_CARRIER_CLUSTER_BYTES];
};

static int expect_state(const struct bf_writer *writer, enum writer_state state,
                        struct bf_error *err)
{
    static const char *const names[] = {
        [WRITER_IDLE] = "between bitmaps",
        [WRITER_IN_BITMAP] = "within a bitmap",
        [WRITER_FINISHED] = "finished",
        [WRITER_FAILED] = "failed",
    };
    enum writer_state now = writer->sink.failed ? WRITER_FAILED : writer->state;

    if (now == state)
        return 0;
    return bf_error_set(err, BF_E_INVALID, "the writer of carrier '%s' is %s, not %s",
                        writer->sink.path, names[now], names[state]);
}

static bool all_bytes_are(const uint8_t *bytes, uint64_t nr_bytes, uint8_t value)
{
    return bytes[0] == value && memcmp(bytes, bytes + 1, nr_bytes - 1) == 0;
}

/* An "all ones" entry makes QEMU set whole 64-bit words, padding included, and then its digest is
 * another (hbitmap_deserialize_ones() in util/hbitmap.c; measured on 7.2).  Padding is zero here,
 * so a last cluster with padding is data. */
static enum bf_qcow2_cluster_kind cluster_kind(const uint8_t *packed, uint64_t nr_bytes)
{
    if (all_bytes_are(packed, nr_bytes, 0))
        return BF_QCOW2_CLUSTER_CLEAN;
    if (all_bytes_are(packed, nr_bytes, 0xff))
        return BF_QCOW2_CLUSTER_DIRTY;
    return BF_QCOW2_CLUSTER_DATA;
}

/* The cluster of bits is complete: write it if need be and note it in the table. */
static int store_bits(struct bf_writer *writer, struct bf_error *err)
{
    uint64_t start = writer->taken_bytes - writer->cluster_bytes;
    uint64_t index = start / BF_CARRIER_CLUSTER_BYTES;
    struct bf_qcow2_cluster stored = {0};

    bf_bits_mask_padding(&writer->entry->geometry, start, writer->cluster, writer->cluster_bytes);
    stored.kind = cluster_kind(writer->cluster, writer->cluster_bytes);
    if (stored.kind == BF_QCOW2_CLUSTER_CLEAN)
        bf_summarizer_feed_clean(writer->summarizer, writer->cluster_bytes);
    else
        bf_summarizer_feed(writer->summarizer, writer->cluster, writer->cluster_bytes);
    if (stored.kind == BF_QCOW2_CLUSTER_DATA) {
        int r;

        stored.offset = writer->sink.next_offset;
        r = bf_sink_write_cluster(&writer->sink, writer->cluster, writer->cluster_bytes, err);
        if (r < 0)
            return r;
    }
    bf_qcow2_cluster_encode(&stored, writer->table + index * BF_QCOW2_TABLE_ENTRY_BYTES);
    writer->cluster_bytes = 0;
    return 0;
}

/* How much of @nr_bytes goes into the current cluster of bits. */
static uint64_t piece_bytes(const struct bf_writer *writer, uint64_t nr_bytes)
{
    return bf_min_u64(nr_bytes, BF_CARRIER_CLUSTER_BYTES - writer->cluster_bytes);
}

static int take_piece(struct bf_writer *writer, uint64_t nr_bytes, struct bf_error *err)
{
    writer->cluster_bytes += nr_bytes;
    writer->taken_bytes += nr_bytes;
    if (writer->cluster_bytes == BF_CARRIER_CLUSTER_BYTES ||
        writer->taken_bytes == writer->packed_bytes)
        return store_bits(writer, err);
    return 0;
}

static int expect_room(const struct bf_writer *writer, uint64_t nr_bytes, struct bf_error *err)
{
    int r = expect_state(writer, WRITER_IN_BITMAP, err);

    if (r < 0)
        return r;
    if (nr_bytes > writer->packed_bytes - writer->taken_bytes)
        return bf_error_set(err, BF_E_INVALID,
                            "more bits for bitmap '%.255s' than the %llu bytes that it has",
                            writer->entry->name, (unsigned long long)writer->packed_bytes);
    return 0;
}

static int append_same(struct bf_writer *writer, uint8_t value, uint64_t nr_bytes,
                       struct bf_error *err)
{
    int r = expect_room(writer, nr_bytes, err);

    while (r == 0 && nr_bytes > 0) {
        uint64_t nr = piece_bytes(writer, nr_bytes);

        memset(writer->cluster + writer->cluster_bytes, value, nr);
        nr_bytes -= nr;
        r = take_piece(writer, nr, err);
    }
    return r;
}

/* Append the run of @bits at @offset_bytes, or what fits into one window of it. */
static int append_run(struct bf_writer *writer, const struct bf_bits *bits, uint64_t offset_bytes,
                      uint64_t *ret_nr_bytes, struct bf_error *err)
{
    enum bf_run_kind kind;
    uint64_t nr_bytes;
    int r =
        bf_bits_run(bits, offset_bytes, writer->packed_bytes - offset_bytes, &kind, &nr_bytes, err);

    if (r < 0)
        return r;
    if (kind == BF_RUN_MIXED) {
        nr_bytes = piece_bytes(writer, nr_bytes);
        r = bf_bits_read(bits, offset_bytes, writer->cluster + writer->cluster_bytes, nr_bytes,
                         err);
        if (r == 0)
            r = take_piece(writer, nr_bytes, err);
    } else {
        nr_bytes = bf_min_u64(nr_bytes, BF_WINDOW_BYTES);
        r = append_same(writer, kind == BF_RUN_DIRTY ? 0xff : 0, nr_bytes, err);
    }
    *ret_nr_bytes = nr_bytes;
    return r;
}

static int append_all(struct bf_writer *writer, const struct bf_bits *bits,
                      const struct bf_progress *progress, struct bf_error *err)
{
    uint64_t done = 0;

    while (done < writer->packed_bytes) {
        uint64_t nr_bytes;
        int r = append_run(writer, bits, done, &nr_bytes, err);

        if (r < 0)
            return r;
        done += nr_bytes;
        if (progress && progress->function &&
            progress->function(progress->ctx, done, writer->packed_bytes) != 0)
            return bf_error_set(err, BF_E_INTERRUPTED, "writing carrier '%s' was interrupted",
                                writer->sink.path);
    }
    return 0;
}

static int write_directory(struct bf_writer *writer, struct bf_error *err)
{
    uint8_t stored[BF_LAYOUT_ENTRY_MAX_BYTES];
    const struct bf_directory_entry *entry;

    for (entry = writer->directory.first; entry; entry = entry->next) {
        uint64_t nr_bytes = bf_layout_put_entry(entry->name, &entry->geometry, entry->recording,
                                                entry->table_offset, stored);
        int r = bf_sink_put(&writer->sink, stored, nr_bytes, err);

        if (r < 0)
            return r;
    }
    return bf_sink_end_put(&writer->sink, err);
}

/* Every cluster of the image is used once. */
static int write_refcount_blocks(struct bf_sink *sink, uint64_t nr_clusters, struct bf_error *err)
{
    static const uint8_t one[BF_LAYOUT_REFCOUNT_BYTES] = {0, 1};

    for (uint64_t i = 0; i < nr_clusters; i++) {
        int r = bf_sink_put(sink, one, sizeof one, err);

        if (r < 0)
            return r;
    }
    return bf_sink_end_put(sink, err);
}

static int write_refcount_table(struct bf_sink *sink, uint64_t blocks_offset, uint64_t nr_blocks,
                                struct bf_error *err)
{
    for (uint64_t i = 0; i < nr_blocks; i++) {
        uint8_t block_offset[8];
        int r;

        bf_be64_put(block_offset, blocks_offset + i * BF_CARRIER_CLUSTER_BYTES);
        r = bf_sink_put(sink, block_offset, sizeof block_offset, err);
        if (r < 0)
            return r;
    }
    return bf_sink_end_put(sink, err);
}

/* Refcounts of all that was written, and of themselves. */
static int write_refcounts(struct bf_sink *sink, struct bf_layout *layout, struct bf_error *err)
{
    uint64_t blocks_offset = sink->next_offset;
    uint64_t nr_clusters = blocks_offset / BF_CARRIER_CLUSTER_BYTES;
    uint64_t nr_blocks;
    int r;

    bf_layout_refcount_clusters(nr_clusters, &nr_blocks, &layout->nr_refcount_table_clusters);
    nr_clusters += nr_blocks + layout->nr_refcount_table_clusters;
    r = write_refcount_blocks(sink, nr_clusters, err);
    if (r < 0)
        return r;
    layout->refcount_table_offset = sink->next_offset;
    return write_refcount_table(sink, blocks_offset, nr_blocks, err);
}

int bf_writer_new(int fd, const char *path, uint64_t virtual_size_bytes,
                  struct bf_writer **ret_writer, struct bf_error *err)
{
    BF_CLEANUP(bf_writer_freep) struct bf_writer *writer = NULL;
    uint64_t bits_offset;
    int r = bf_layout_check_disk(virtual_size_bytes, err);

    if (r < 0)
        return r;
    writer = calloc(1, sizeof *writer);
    if (!writer)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to write carrier '%s'", path);
    bits_offset = (1 + bf_layout_l1_clusters(virtual_size_bytes)) * BF_CARRIER_CLUSTER_BYTES;
    r = bf_sink_init(&writer->sink, fd, path, bits_offset, err);
    if (r < 0)
        return r;
    writer->virtual_size_bytes = virtual_size_bytes;
    *ret_writer = bf_steal_ptr(&writer);
    return 0;
}

void bf_writer_free(struct bf_writer *writer)
{
    bf_directory_release(&writer->directory);
    bf_summarizer_freep(&writer->summarizer);
    bf_sink_release(&writer->sink);
    free(writer);
}

int bf_writer_begin(struct bf_writer *writer, const struct bf_bitmap_spec *spec,
                    struct bf_error *err)
{
    BF_CLEANUP(bf_summarizer_freep) struct bf_summarizer *summarizer = NULL;
    struct bf_geometry geometry = {writer->virtual_size_bytes, spec->granularity_bytes};
    int r = expect_state(writer, WRITER_IDLE, err);

    if (r == 0)
        r = bf_layout_check_bitmap(spec->name, &geometry, err);
    if (r == 0)
        r = bf_summarizer_new(&summarizer, err);
    if (r == 0)
        r = bf_directory_add(&writer->directory, spec->name, &geometry, spec->recording,
                             &writer->entry, err);
    if (r < 0)
        return r;
    writer->summarizer = bf_steal_ptr(&summarizer);
    writer->packed_bytes = bf_geometry_packed_bytes(&geometry);
    writer->taken_bytes = 0;
    writer->cluster_bytes = 0;
    writer->state = WRITER_IN_BITMAP;
    return 0;
}

int bf_writer_append(struct bf_writer *writer, const uint8_t *packed, uint64_t nr_bytes,
                     struct bf_error *err)
{
    int r = expect_room(writer, nr_bytes, err);

    while (r == 0 && nr_bytes > 0) {
        uint64_t nr = piece_bytes(writer, nr_bytes);

        memcpy(writer->cluster + writer->cluster_bytes, packed, nr);
        packed += nr;
        nr_bytes -= nr;
        r = take_piece(writer, nr, err);
    }
    return r;
}

int bf_writer_append_clean(struct bf_writer *writer, uint64_t nr_bytes, struct bf_error *err)
{
    return append_same(writer, 0, nr_bytes, err);
}

int bf_writer_append_dirty(struct bf_writer *writer, uint64_t nr_bytes, struct bf_error *err)
{
    return append_same(writer, 0xff, nr_bytes, err);
}

int bf_writer_end(struct bf_writer *writer, struct bf_summary *ret_summary, struct bf_error *err)
{
    struct bf_summary summary;
    int r = expect_state(writer, WRITER_IN_BITMAP, err);

    if (r < 0)
        return r;
    if (writer->taken_bytes != writer->packed_bytes)
        return bf_error_set(err, BF_E_INVALID, "bitmap '%.255s' ends after %llu of its %llu bytes",
                            writer->entry->name, (unsigned long long)writer->taken_bytes,
                            (unsigned long long)writer->packed_bytes);
    writer->entry->table_offset = writer->sink.next_offset;
    r = bf_sink_write_cluster(
        &writer->sink, writer->table,
        bf_layout_bits_clusters(&writer->entry->geometry) * BF_QCOW2_TABLE_ENTRY_BYTES, err);
    if (r < 0)
        return r;
    bf_summarizer_finish(writer->summarizer, &summary);
    bf_summarizer_free(bf_steal_ptr(&writer->summarizer));
    if (ret_summary)
        *ret_summary = summary;
    writer->state = WRITER_IDLE;
    return 0;
}

int bf_writer_add(struct bf_writer *writer, const struct bf_bitmap_spec *spec,
                  const struct bf_bits *bits, const struct bf_progress *progress,
                  struct bf_summary *ret_summary, struct bf_error *err)
{
    int r;

    if (bits->geometry.disk_size_bytes != writer->virtual_size_bytes ||
        bits->geometry.granularity_bytes != spec->granularity_bytes)
        return bf_error_set(err, BF_E_INVALID,
                            "the bits for bitmap '%.255s' are of another disk size or granularity",
                            spec->name);
    r = bf_writer_begin(writer, spec, err);
    if (r < 0)
        return r;
    r = append_all(writer, bits, progress, err);
    if (r == 0)
        r = bf_writer_end(writer, ret_summary, err);
    if (r < 0)
        writer->state = WRITER_FAILED;
    return r;
}

int bf_writer_finish(struct bf_writer *writer, struct bf_error *err)
{
    struct bf_layout layout = {
        .virtual_size_bytes = writer->virtual_size_bytes,
        .l1_offset = BF_CARRIER_CLUSTER_BYTES,
        .directory_bytes = writer->directory.nr_bytes,
        .nr_bitmaps = writer->directory.nr_bitmaps,
    };
    uint8_t header[BF_LAYOUT_HEADER_BYTES];
    int r = expect_state(writer, WRITER_IDLE, err);

    if (r < 0)
        return r;
    if (layout.nr_bitmaps == 0)
        return bf_error_set(err, BF_E_INVALID, "carrier '%s' has no bitmap: it needs at least one",
                            writer->sink.path);
    layout.directory_offset = writer->sink.next_offset;
    r = write_directory(writer, err);
    if (r == 0)
        r = write_refcounts(&writer->sink, &layout, err);
    if (r < 0)
        return r;
    bf_layout_put_header(&layout, header);
    r = bf_sink_finish(&writer->sink, header, sizeof header, err);
    if (r == 0)
        writer->state = WRITER_FINISHED;
    return r;
}
