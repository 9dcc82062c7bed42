#include "model/stretches.h"

#include "base/math.h"

#include <stdlib.h>

/* No overflow: BF_PACKED_MAX_BYTES for each of the bitmaps that fit into memory. */
static void append(struct bf_stretches *stretches, const struct bf_catalog_disk *disk,
                   size_t bitmap)
{
    struct bf_geometry geometry = bf_catalog_geometry(disk, &disk->bitmaps[bitmap]);
    uint64_t past_bytes = stretches->size_bytes % BF_STRETCH_ALIGN_BYTES;
    struct bf_stretch *stretch = &stretches->items[stretches->nr_items++];

    stretch->bitmap = bitmap;
    stretch->offset_bytes = stretches->size_bytes;
    if (past_bytes > 0)
        stretch->offset_bytes += BF_STRETCH_ALIGN_BYTES - past_bytes;
    stretch->nr_bytes = bf_geometry_packed_bytes(&geometry);
    stretches->size_bytes = stretch->offset_bytes + stretch->nr_bytes;
}

int bf_stretches_init(struct bf_stretches *ret_stretches, const struct bf_catalog_disk *disk,
                      struct bf_error *err)
{
    *ret_stretches = (struct bf_stretches){0};
    if (disk->nr_bitmaps == 0)
        return 0;
    ret_stretches->items = calloc(disk->nr_bitmaps, sizeof *ret_stretches->items);
    if (!ret_stretches->items)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the layout of a disk's bitmaps");
    for (size_t i = 0; i < disk->nr_bitmaps; i++) {
        if (disk->bitmaps[i].consistent)
            append(ret_stretches, disk, i);
    }
    return 0;
}

void bf_stretches_release(struct bf_stretches *stretches)
{
    free(stretches->items);
    *stretches = (struct bf_stretches){0};
}

size_t bf_stretches_find(const struct bf_stretches *stretches, uint64_t offset_bytes)
{
    size_t first = 0;
    size_t end = stretches->nr_items;

    while (first < end) {
        size_t middle = first + (end - first) / 2;
        const struct bf_stretch *stretch = &stretches->items[middle];

        if (stretch->offset_bytes + stretch->nr_bytes <= offset_bytes)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}
