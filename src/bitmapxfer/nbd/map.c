#include "map.h"

#include "base/math.h"

#include <inttypes.h>
#include <string.h>

static struct bf_nbd_run *last_run(struct bf_nbd_map *map)
{
    return map->end > map->first ? &map->runs[map->end - 1] : NULL;
}

/* Data behind a hole that is not worth a request of its own: the hole becomes data, and joins the
 * data before it. */
static void fill_short_hole(struct bf_nbd_map *map)
{
    struct bf_nbd_run *hole = last_run(map);

    if (!hole || !hole->hole || hole->nr_bytes >= BF_NBD_HOLE_MIN_BYTES)
        return;
    hole->hole = false;
    if (map->end - map->first > 1) {
        hole[-1].nr_bytes += hole->nr_bytes;
        map->end--;
    }
}

static void append(struct bf_nbd_map *map, uint64_t nr_bytes, bool hole)
{
    struct bf_nbd_run *last;

    if (!hole)
        fill_short_hole(map);
    last = last_run(map);
    if (last && last->hole == hole)
        last->nr_bytes += nr_bytes;
    else
        map->runs[map->end++] = (struct bf_nbd_run){map->mapped_bytes, nr_bytes, hole};
    map->mapped_bytes += nr_bytes;
}

void bf_nbd_map_init(struct bf_nbd_map *map, uint64_t size_bytes, bool has_extents)
{
    map->size_bytes = size_bytes;
    map->asked_from_bytes = 0;
    map->asked_bytes = 0;
    map->mapped_bytes = 0;
    map->first = 0;
    map->end = 0;
    if (has_extents || size_bytes == 0)
        return;
    map->asked_bytes = size_bytes;
    append(map, size_bytes, false);
}

bool bf_nbd_map_ask(struct bf_nbd_map *map, uint64_t *ret_offset_bytes, uint64_t *ret_nr_bytes)
{
    size_t nr_runs = map->end - map->first;

    if (map->asked_bytes > map->mapped_bytes || map->mapped_bytes == map->size_bytes ||
        nr_runs > BF_NBD_PIECE_RUNS)
        return false;
    memmove(map->runs, map->runs + map->first, nr_runs * sizeof map->runs[0]);
    map->first = 0;
    map->end = nr_runs;
    *ret_offset_bytes = map->mapped_bytes;
    *ret_nr_bytes = bf_min_u64(BF_NBD_PIECE_BYTES, map->size_bytes - map->mapped_bytes);
    map->asked_from_bytes = map->mapped_bytes;
    map->asked_bytes = map->mapped_bytes + *ret_nr_bytes;
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
