#include "model/transform.h"

#include "base/math.h"
#include "packed.h"

#include <string.h>

static int resize_read(void *ctx, uint64_t offset_bytes, uint8_t *buf, uint64_t nr_bytes,
                       struct bf_error *err)
{
    const struct bf_resize *resize = ctx;
    uint64_t end_bytes = offset_bytes + nr_bytes;
    uint64_t old_end_bytes = bf_min_u64(bf_geometry_packed_bytes(&resize->source.geometry),
                                        bf_div_round_up_u64(resize->first_new_bit, 8));
    uint64_t nr_old = 0;

    if (offset_bytes < old_end_bytes)
        nr_old = bf_min_u64(nr_bytes, old_end_bytes - offset_bytes);
    if (nr_old > 0) {
        int r = bf_bits_read(&resize->source, offset_bytes, buf, nr_old, err);
        if (r < 0)
            return r;
    }
    memset(buf + nr_old, 0, nr_bytes - nr_old);
    if (resize->first_new_bit < end_bytes * 8)
        bf_packed_set(buf, bf_max_u64(resize->first_new_bit, offset_bytes * 8) - offset_bytes * 8,
                      nr_bytes * 8);
    return 0;
}

static int resize_run(void *ctx, uint64_t offset_bytes, uint64_t max_bytes,
                      enum bf_run_kind *ret_kind, uint64_t *ret_nr_bytes, struct bf_error *err)
{
    const struct bf_resize *resize = ctx;
    uint64_t source_bytes = bf_geometry_packed_bytes(&resize->source.geometry);
    uint64_t old_end_bytes = bf_min_u64(source_bytes, resize->first_new_bit / 8);

    if (offset_bytes < old_end_bytes)
        return bf_bits_run(&resize->source, offset_bytes,
                           bf_min_u64(max_bytes, old_end_bytes - offset_bytes), ret_kind,
                           ret_nr_bytes, err);
    if (offset_bytes * 8 < resize->first_new_bit) {
        *ret_kind = BF_RUN_MIXED; /* the byte in which old and new meet */
        *ret_nr_bytes = 1;
    } else {
        *ret_kind = BF_RUN_DIRTY;
        *ret_nr_bytes = max_bytes;
    }
    return 0;
}

int bf_resize_init(struct bf_resize *resize, const struct bf_bits *source, uint64_t disk_size_bytes,
                   struct bf_bits *ret_bits, struct bf_error *err)
{
    static const struct bf_bits_ops ops = {.read = resize_read, .run = resize_run};
    struct bf_geometry geometry = source->geometry;
    uint64_t old_size_bytes = geometry.disk_size_bytes;
    int r;

    geometry.disk_size_bytes = disk_size_bytes;
    r = bf_geometry_check(&geometry, err);
    if (r < 0)
        return r;
    *resize = (struct bf_resize){.source = *source, .geometry = geometry};
    resize->first_new_bit =
        disk_size_bytes > old_size_bytes ? old_size_bytes / geometry.granularity_bytes : UINT64_MAX;
    *ret_bits = (struct bf_bits){.ops = &ops, .ctx = resize, .geometry = geometry};
    return 0;
}
