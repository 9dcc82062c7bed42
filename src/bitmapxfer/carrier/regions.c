#include "regions.h"

#include <stdlib.h>

static int make_room(struct bf_regions *regions, struct bf_error *err)
{
    size_t wanted = regions->nr_allocated ? 2 * regions->nr_allocated : 64;
    struct bf_region *list;

    if (regions->nr_regions < regions->nr_allocated)
        return 0;
    if (wanted > BF_REGIONS_MAX)
        return bf_error_set(err, BF_E_LIMIT,
                            "the bitmaps are scattered over more than %d places of the image",
                            BF_REGIONS_MAX);
    list = realloc(regions->list, wanted * sizeof *list);
    if (!list)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the map of the image");
    regions->list = list;
    regions->nr_allocated = wanted;
    return 0;
}

int bf_regions_add(struct bf_regions *regions, const struct bf_region *region, struct bf_error *err)
{
    int r;

    if (region->start_bytes == region->end_bytes)
        return 0;
    if (regions->nr_regions > 0) {
        struct bf_region *last = &regions->list[regions->nr_regions - 1];

        if (last->end_bytes == region->start_bytes && last->kind == region->kind &&
            last->bitmap == region->bitmap) {
            last->end_bytes = region->end_bytes;
            return 0;
        }
    }
    r = make_room(regions, err);
    if (r < 0)
        return r;
    regions->list[regions->nr_regions++] = *region;
    return 0;
}

static int compare_starts(const void *a, const void *b)
{
    const struct bf_region *first = a;
    const struct bf_region *second = b;

    return (first->start_bytes > second->start_bytes) - (first->start_bytes < second->start_bytes);
}

bool bf_regions_overlap(struct bf_regions *regions, struct bf_region *ret_first,
                        struct bf_region *ret_second)
{
    if (regions->nr_regions > 0)
        qsort(regions->list, regions->nr_regions, sizeof *regions->list, compare_starts);
    for (size_t i = 1; i < regions->nr_regions; i++) {
        if (regions->list[i - 1].end_bytes <= regions->list[i].start_bytes)
            continue;
        *ret_first = regions->list[i - 1];
        *ret_second = regions->list[i];
        return true;
    }
    return false;
}
