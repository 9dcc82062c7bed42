#include "map.h"

#include "base/math.h"

#include <inttypes.h>
#include <string.h>

/* The run that ends at @offset_bytes, if it is the last before index @end that is not taken. */
static struct bf_nbd_run *run_before(struct bf_nbd_map *map, size_t end, uint64_t offset_bytes)
{
    struct bf_nbd_run *run;

    if (end == map->first)
        return NULL;
    run = &map->runs[end - 1];
    return run->offset_bytes + run->nr_bytes == offset_bytes ? run : NULL;
}

/* Data behind a hole that is not worth a request of its own: the hole becomes data, and joins the
 * data before it. */
static void fill_short_hole(struct bf_nbd_map *map)
{
    struct bf_nbd_run *hole = run_before(map, map->end, map->mapped_bytes);
    struct bf_nbd_run *data;

    if (!hole || !hole->hole || hole->nr_bytes >= BF_NBD_HOLE_MIN_BYTES)
        return;
    hole->hole = false;
    data = run_before(map, map->end - 1, hole->offset_bytes);
    if (data) {
        data->nr_bytes += hole->nr_bytes;
        map->end--;
    }
}

static void append(struct bf_nbd_map *map, uint64_t nr_bytes, bool hole)
{
    struct bf_nbd_run *last;

    if (!hole)
        fill_short_hole(map);
    last = run_before(map, map->end, map->mapped_bytes);
    if (last && last->hole == hole)
        last->nr_bytes += nr_bytes;
    else
        map->runs[map->end++] = (struct bf_nbd_run){map->mapped_bytes, nr_bytes, hole};
    map->mapped_bytes += nr_bytes;
}

static int check_ranges(const struct bf_nbd_range *ranges, size_t nr_ranges, uint64_t size_bytes,
                        struct bf_error *err)
{
    uint64_t end_bytes = 0;

    for (size_t i = 0; i < nr_ranges; i++) {
        const struct bf_nbd_range *range = &ranges[i];

        if (range->nr_bytes == 0 || range->offset_bytes < end_bytes ||
            range->nr_bytes > UINT64_MAX - range->offset_bytes)
            return bf_error_set(err, BF_E_INVALID, "the ranges to read are not in order");
        end_bytes = range->offset_bytes + range->nr_bytes;
    }
    if (end_bytes > size_bytes)
        return bf_error_set(err, BF_E_PROTOCOL,
                            "the export has %" PRIu64 " bytes, and %" PRIu64 " are expected",
                            size_bytes, end_bytes);
    return 0;
}

int bf_nbd_map_init(struct bf_nbd_map *map, uint64_t size_bytes, bool has_extents,
                    const struct bf_nbd_range *ranges, size_t nr_ranges, struct bf_error *err)
{
    int r = check_ranges(ranges, nr_ranges, size_bytes, err);

    if (r < 0)
        return r;
    map->whole = (struct bf_nbd_range){.nr_bytes = size_bytes};
    map->ranges = nr_ranges > 0 ? ranges : &map->whole;
    map->nr_ranges = nr_ranges > 0 ? nr_ranges : size_bytes > 0;
    map->size_bytes = size_bytes;
    map->has_extents = has_extents;
    map->wanted_bytes = 0;
    for (size_t i = 0; i < map->nr_ranges; i++)
        map->wanted_bytes += map->ranges[i].nr_bytes;
    map->range_end_bytes = 0;
    map->piece_bytes = BF_NBD_FIRST_PIECE_BYTES;
    map->asked_from_bytes = 0;
    map->asked_bytes = 0;
    map->mapped_bytes = 0;
    map->first = 0;
    map->end = 0;
    return 0;
}

/* Is there something to map, and room for what will be said of it?  Then it is in one range. */
static bool is_wanting(struct bf_nbd_map *map)
{
    size_t nr_runs = map->end - map->first;

    if (nr_runs > BF_NBD_PIECE_RUNS ||
        (map->mapped_bytes == map->range_end_bytes && map->nr_ranges == 0))
        return false;
    memmove(map->runs, map->runs + map->first, nr_runs * sizeof map->runs[0]);
    map->first = 0;
    map->end = nr_runs;
    if (map->mapped_bytes == map->range_end_bytes) {
        map->mapped_bytes = map->asked_bytes = map->ranges->offset_bytes;
        map->range_end_bytes = map->mapped_bytes + map->ranges->nr_bytes;
        map->ranges++;
        map->nr_ranges--;
    }
    return true;
}

bool bf_nbd_map_ask(struct bf_nbd_map *map, uint64_t *ret_offset_bytes, uint64_t *ret_nr_bytes)
{
    while (!map->has_extents && is_wanting(map))
        append(map, map->range_end_bytes - map->mapped_bytes, false);
    if (!map->has_extents || map->asked_bytes > map->mapped_bytes || !is_wanting(map))
        return false;
    *ret_offset_bytes = map->mapped_bytes;
    *ret_nr_bytes = bf_min_u64(map->piece_bytes, map->range_end_bytes - map->mapped_bytes);
    map->asked_from_bytes = map->mapped_bytes;
    map->asked_bytes = map->mapped_bytes + *ret_nr_bytes;
    map->piece_bytes = bf_min_u64(2 * map->piece_bytes, BF_NBD_PIECE_BYTES);
    return true;
}

int bf_nbd_map_extent(struct bf_nbd_map *map, uint64_t nr_bytes, bool hole, struct bf_error *err)
{
    if (map->mapped_bytes == map->asked_bytes)
        return 0;
    if (nr_bytes == 0)
        return bf_error_set(err, BF_E_PROTOCOL,
                            "the server's block status has an empty extent at offset %" PRIu64,
                            map->mapped_bytes);
    if (nr_bytes > map->size_bytes - map->mapped_bytes)
        return bf_error_set(err, BF_E_PROTOCOL,
                            "the server's block status has an extent of %" PRIu64
                            " bytes at offset %" PRIu64 " of an export of %" PRIu64,
                            nr_bytes, map->mapped_bytes, map->size_bytes);
    append(map, bf_min_u64(nr_bytes, map->asked_bytes - map->mapped_bytes), hole);
    return 0;
}

int bf_nbd_map_answered(struct bf_nbd_map *map, struct bf_error *err)
{
    if (map->mapped_bytes == map->asked_from_bytes)
        return bf_error_set(err, BF_E_PROTOCOL,
                            "the server's block status for offset %" PRIu64 " says nothing",
                            map->mapped_bytes);
    map->asked_bytes = map->mapped_bytes;
    return 0;
}

bool bf_nbd_map_take(struct bf_nbd_map *map, uint64_t max_bytes, struct bf_nbd_run *ret_run)
{
    struct bf_nbd_run *run = &map->runs[map->first];

    if (map->first == map->end)
        return false;
    *ret_run = *run;
    if (!run->hole)
        ret_run->nr_bytes = bf_min_u64(run->nr_bytes, max_bytes);
    run->offset_bytes += ret_run->nr_bytes;
    run->nr_bytes -= ret_run->nr_bytes;
    if (run->nr_bytes == 0)
        map->first++;
    return true;
}
