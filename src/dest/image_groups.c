/* Bitmaps of one name in layers that became one image are one bitmap there. */
#include "images.h"

#include "carrier/reader.h"

#include <stdlib.h>
#include <string.h>

uint32_t dest_image_of(const struct dest_drive *drive, uint32_t bitmap)
{
    return drive->images->image_of[drive->offer.states[bitmap].disk];
}

static bool is_dropped(const struct dest_drive *drive, uint32_t bitmap)
{
    return drive->images->dropped[bitmap] != BF_DROP_NONE || drive->drops[bitmap] != BF_DROP_NONE;
}

static bool together(const struct dest_drive *drive, uint32_t a, uint32_t b)
{
    return dest_image_of(drive, a) != DEST_NO_IMAGE &&
           dest_image_of(drive, a) == dest_image_of(drive, b) &&
           strcmp(drive->offer.bitmaps[a].name, drive->offer.bitmaps[b].name) == 0;
}

/* The offer has the layers of a disk from the top down. */
uint32_t dest_image_head(const struct dest_drive *drive, uint32_t bitmap)
{
    uint32_t head = 0;

    while (head < bitmap && !together(drive, head, bitmap))
        head++;
    return head;
}

bool dest_image_is_head(const struct dest_drive *drive, uint32_t bitmap)
{
    return !is_dropped(drive, bitmap) && dest_image_of(drive, bitmap) != DEST_NO_IMAGE &&
           dest_image_head(drive, bitmap) == bitmap;
}

void dest_images_drop_together(struct dest_drive *drive)
{
    for (uint32_t i = 0; i < drive->offer.nr_bitmaps; i++) {
        if (!is_dropped(drive, i))
            continue;
        for (uint32_t j = 0; j < drive->offer.nr_bitmaps; j++) {
            if (!is_dropped(drive, j) && together(drive, i, j))
                drive->drops[j] =
                    drive->drops[i] != BF_DROP_NONE ? drive->drops[i] : drive->images->dropped[i];
        }
    }
}

/* --- bits --- */

/* What was written when it was pulled; after a restart, what was announced, if it was not laid out
 * for a larger disk. */
static const struct bf_known *wanted(const struct dest_drive *drive, uint32_t bitmap)
{
    const struct bf_offer_bitmap *offered = &drive->offer.bitmaps[bitmap];
    const struct bf_offer_disk *disk = &drive->offer.disks[drive->offer.states[bitmap].disk];

    return offered->loaded.known || disk->size_bytes != disk->placed_size_bytes
               ? &offered->loaded
               : &offered->announced;
}

static int open_carrier(const struct dest_drive *drive, uint32_t bitmap,
                        struct bf_reader **ret_reader, struct bf_bits *ret_bits,
                        struct bf_error *err)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    const struct bf_known *known = wanted(drive, bitmap);
    char path[BF_CARRIER_PATH_MAX + 1];
    struct bf_summary summary;
    uint32_t at = 0;
    int r;

    (void)bf_carrier_path(drive->config, drive->move->id, BF_ROUND_FROZEN, bitmap, path);
    r = bf_reader_open_path(path, 0, &reader, err);
    if (r == 0)
        r = bf_reader_find(reader, BF_FETCH_BITMAP, &at, err);
    if (r == 0)
        r = bf_reader_bits(reader, at, ret_bits, err);
    if (r == 0)
        r = bf_bits_summarize(ret_bits, NULL, &summary, err);
    if (r < 0)
        return r;
    if (!known->known || !bf_summary_equal(&summary, &known->summary))
        return bf_error_set(err, BF_E_DIGEST_MISMATCH,
                            "the carrier of '%s' is not what was announced",
                            drive->offer.bitmaps[bitmap].name);
    *ret_reader = bf_steal_ptr(&reader);
    return 0;
}

bool dest_carrier_is_whole(const struct dest_drive *drive, uint32_t bitmap)
{
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    struct bf_bits bits;

    return open_carrier(drive, bitmap, &reader, &bits, NULL) == 0;
}

static int add_source(const struct dest_drive *drive, uint32_t bitmap, uint64_t granularity_bytes,
                      struct dest_bits *bits, struct bf_error *err)
{
    uint32_t at = bits->nr_sources;
    struct bf_bits *source = &bits->sources[at];
    int r = open_carrier(drive, bitmap, &bits->readers[at], source, err);

    if (r < 0)
        return r;
    bits->nr_sources++;
    if (source->geometry.granularity_bytes == granularity_bytes)
        return 0;
    return bf_regrain_init(&bits->regrains[at], source, granularity_bytes, source, err);
}

static int open_group(const struct dest_drive *drive, uint32_t head, struct dest_bits *bits,
                      struct bf_error *err)
{
    uint32_t nr = drive->offer.nr_bitmaps;
    int r = 0;

    bits->readers = calloc(nr, sizeof(struct bf_reader *));
    bits->regrains = calloc(nr, sizeof *bits->regrains);
    bits->sources = calloc(nr, sizeof *bits->sources);
    if (!bits->readers || !bits->regrains || !bits->sources)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the bits of a bitmap");
    for (uint32_t i = head; r == 0 && i < nr; i++) {
        if (together(drive, head, i))
            r = add_source(drive, i, drive->offer.bitmaps[head].granularity_bytes, bits, err);
    }
    return r < 0 ? r
                 : bf_union_init(&bits->join, bits->sources, bits->nr_sources, &bits->bits, err);
}

int dest_bits_open(const struct dest_drive *drive, uint32_t head, struct dest_bits *ret_bits,
                   struct bf_error *err)
{
    int r;

    *ret_bits = (struct dest_bits){.nr_sources = 0};
    r = open_group(drive, head, ret_bits, err);
    if (r < 0)
        dest_bits_close(ret_bits);
    return r;
}

void dest_bits_close(struct dest_bits *bits)
{
    for (uint32_t i = 0; i < bits->nr_sources; i++)
        bf_reader_free(bits->readers[i]);
    free(bits->readers);
    free(bits->regrains);
    free(bits->sources);
    *bits = (struct dest_bits){.nr_sources = 0};
}
