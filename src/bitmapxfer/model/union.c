#include "model/transform.h"

#include "base/math.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

static int add_mixed(const struct bf_bits *source, uint64_t offset_bytes, uint8_t *buf,
                     uint64_t nr_bytes, struct bf_error *err)
{
    uint8_t window[BF_WINDOW_BYTES];
    int r = bf_bits_read(source, offset_bytes, window, nr_bytes, err);

    if (r < 0)
        return r;
    for (uint64_t i = 0; i < nr_bytes; i++)
        buf[i] |= window[i];
    return 0;
}

static int add_source(const struct bf_bits *source, uint64_t offset_bytes, uint8_t *buf,
                      uint64_t nr_bytes, struct bf_error *err)
{
    uint64_t nr = 0;

    for (uint64_t at = 0; at < nr_bytes; at += nr) {
        enum bf_run_kind kind;
        int r = bf_bits_run(source, offset_bytes + at, nr_bytes - at, &kind, &nr, err);

        if (r < 0)
            return r;
        if (kind == BF_RUN_DIRTY)
            memset(buf + at, 0xff, nr);
        if (kind != BF_RUN_MIXED)
            continue;
        nr = bf_min_u64(nr, BF_WINDOW_BYTES);
        r = add_mixed(source, offset_bytes + at, buf + at, nr, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int union_read(void *ctx, uint64_t offset_bytes, uint8_t *buf, uint64_t nr_bytes,
                      struct bf_error *err)
{
    const struct bf_union *join = ctx;

    memset(buf, 0, nr_bytes);
    for (size_t i = 0; i < join->nr_sources; i++) {
        int r = add_source(&join->sources[i], offset_bytes, buf, nr_bytes, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int union_run(void *ctx, uint64_t offset_bytes, uint64_t max_bytes,
                     enum bf_run_kind *ret_kind, uint64_t *ret_nr_bytes, struct bf_error *err)
{
    const struct bf_union *join = ctx;
    bool seen[] = {[BF_RUN_CLEAN] = false, [BF_RUN_DIRTY] = false, [BF_RUN_MIXED] = false};

    *ret_nr_bytes = max_bytes;
    for (size_t i = 0; i < join->nr_sources; i++) {
        enum bf_run_kind kind;
        int r =
            bf_bits_run(&join->sources[i], offset_bytes, *ret_nr_bytes, &kind, ret_nr_bytes, err);
        if (r < 0)
            return r;
        seen[kind] = true;
    }
    if (seen[BF_RUN_DIRTY])
        *ret_kind = BF_RUN_DIRTY;
    else
        *ret_kind = seen[BF_RUN_MIXED] ? BF_RUN_MIXED : BF_RUN_CLEAN;
    return 0;
}

int bf_union_init(struct bf_union *join, const struct bf_bits *sources, size_t nr_sources,
                  struct bf_bits *ret_bits, struct bf_error *err)
{
    static const struct bf_bits_ops ops = {.read = union_read, .run = union_run};
    const struct bf_geometry *geometry;

    if (nr_sources == 0)
        return bf_error_set(err, BF_E_INVALID, "a union needs at least one bitmap");
    geometry = &sources[0].geometry;
    for (size_t i = 1; i < nr_sources; i++) {
        const struct bf_geometry *other = &sources[i].geometry;
        if (other->disk_size_bytes != geometry->disk_size_bytes ||
            other->granularity_bytes != geometry->granularity_bytes)
            return bf_error_set(err, BF_E_INVALID,
                                "bitmaps to be joined differ: disks of %" PRIu64 " and %" PRIu64
                                " bytes, granularities %" PRIu64 " and %" PRIu64,
                                geometry->disk_size_bytes, other->disk_size_bytes,
                                geometry->granularity_bytes, other->granularity_bytes);
    }
    *join = (struct bf_union){.sources = sources, .nr_sources = nr_sources, .geometry = *geometry};
    *ret_bits = (struct bf_bits){.ops = &ops, .ctx = join, .geometry = *geometry};
    return 0;
}
