#include "carrier/describe.h"

#include <string.h>

/* The progress of one bitmap as a part of that of the image. */
struct share {
    const struct bf_progress *progress;
    uint64_t before_bytes;
    uint64_t total_bytes;
};

static int share_progress(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
    const struct share *share = ctx;

    (void)total_bytes;
    return share->progress->function(share->progress->ctx, share->before_bytes + done_bytes,
                                     share->total_bytes);
}

static void release_catalog(struct bf_catalog *catalog)
{
    bf_catalog_release(catalog);
}

static const char *note_of(const struct bf_image_info *image)
{
    if (image->bitmaps_stale)
        return "it has bitmaps, but a program that does not know bitmaps wrote to it since: they "
               "do "
               "not count";
    if (image->corrupt)
        return "the image is marked as corrupt: see `qemu-img check`";
    if (image->dirty)
        return "the image was not closed cleanly: see `qemu-img check`";
    return NULL;
}

static uint64_t usable_bytes(const struct bf_reader *reader)
{
    uint64_t nr_bytes = 0;

    for (uint32_t i = 0; i < bf_reader_image(reader)->nr_bitmaps; i++) {
        struct bf_image_bitmap bitmap;

        bf_reader_bitmap(reader, i, &bitmap);
        if (!bitmap.unusable)
            nr_bytes += bf_geometry_packed_bytes(&bitmap.geometry);
    }
    return nr_bytes;
}

static int summarize(struct bf_reader *reader, uint32_t index, struct share *share,
                     struct bf_summary *ret_summary, struct bf_error *err)
{
    struct bf_progress progress = {.function = share_progress, .ctx = share};
    struct bf_bits bits;
    int r = bf_reader_bits(reader, index, &bits, err);

    if (r == 0)
        r = bf_bits_summarize(&bits, share->progress ? &progress : NULL, ret_summary, err);
    if (r == 0)
        share->before_bytes += bf_geometry_packed_bytes(&bits.geometry);
    return r;
}

/* The strings are borrowed: bf_catalog_add_bitmap() copies them. */
static int describe_bitmap(struct bf_reader *reader, uint32_t index, bool wants_summary,
                           struct share *share, struct bf_catalog_disk *disk, struct bf_error *err)
{
    struct bf_image_bitmap bitmap;
    struct bf_catalog_bitmap entry;
    int r = 0;

    bf_reader_bitmap(reader, index, &bitmap);
    entry = (struct bf_catalog_bitmap){
        .name = (char *)(uintptr_t)bitmap.name,
        .granularity_bytes = bitmap.geometry.granularity_bytes,
        .recording = bitmap.recording,
        .persistent = true,
        .consistent = !bitmap.unusable,
        .problem = (char *)(uintptr_t)bitmap.unusable,
        .has_summary = wants_summary && !bitmap.unusable,
    };
    if (entry.has_summary)
        r = summarize(reader, index, share, &entry.summary, err);
    if (r < 0)
        return r;
    return bf_catalog_add_bitmap(disk, &entry, err);
}

static int describe_bitmaps(struct bf_reader *reader, bool wants_summary,
                            const struct bf_progress *progress, struct bf_catalog_disk *disk,
                            struct bf_error *err)
{
    const char *note = note_of(bf_reader_image(reader));
    struct share share = {.progress = progress && progress->function ? progress : NULL,
                          .total_bytes = usable_bytes(reader)};
    int r = 0;

    if (note) {
        disk->note = strdup(note);
        if (!disk->note)
            return bf_error_set(err, BF_E_NO_MEMORY, "no memory to describe an image");
    }
    for (uint32_t i = 0; i < bf_reader_image(reader)->nr_bitmaps && r == 0; i++)
        r = describe_bitmap(reader, i, wants_summary, &share, disk, err);
    return r;
}

/* All but the name, which the catalog knows the disk by. */
static void move_contents(struct bf_catalog_disk *from, struct bf_catalog_disk *to)
{
    char *from_name = from->name;
    char *to_name = to->name;

    *to = *from;
    to->name = to_name;
    *from = (struct bf_catalog_disk){.name = from_name};
}

int bf_describe_image(struct bf_reader *reader, const char *disk_name, bool summarize_bitmaps,
                      const struct bf_progress *progress, struct bf_catalog *catalog,
                      struct bf_error *err)
{
    BF_CLEANUP(release_catalog) struct bf_catalog draft = {0};
    uint64_t size_bytes = bf_reader_image(reader)->virtual_size_bytes;
    struct bf_catalog_disk *described;
    struct bf_catalog_disk *disk;
    int r = bf_catalog_add_disk(&draft, disk_name, size_bytes, &described, err);

    if (r == 0)
        r = describe_bitmaps(reader, summarize_bitmaps, progress, described, err);
    if (r == 0)
        r = bf_catalog_add_disk(catalog, disk_name, size_bytes, &disk, err);
    if (r < 0)
        return r;
    move_contents(described, disk);
    return 0;
}
