#include "model/bitmap.h"

#include "base/math.h"
#include "packed.h"

#include <string.h>

int bf_bitmap_new(const struct bf_geometry *geometry, struct bf_bitmap **ret_bitmap,
                  struct bf_error *err)
{
    BF_CLEANUP(bf_bitmap_freep) struct bf_bitmap *bitmap = NULL;
    int r = bf_geometry_check(geometry, err);

    if (r < 0)
        return r;
    bitmap = calloc(1, sizeof *bitmap);
    if (!bitmap)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a bitmap");
    bitmap->geometry = *geometry;
    bitmap->nr_bits = bf_geometry_nr_bits(geometry);
    bitmap->packed = calloc(1, bf_max_u64(bf_geometry_packed_bytes(geometry), 1));
    if (!bitmap->packed)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the bits of a bitmap");
    *ret_bitmap = bf_steal_ptr(&bitmap);
    return 0;
}

void bf_bitmap_free(struct bf_bitmap *bitmap)
{
    if (!bitmap)
        return;
    free(bitmap->packed);
    free(bitmap);
}

bool bf_bitmap_get(const struct bf_bitmap *bitmap, uint64_t bit)
{
    return bitmap->packed[bit / 8] >> (bit % 8) & 1;
}

void bf_bitmap_set(struct bf_bitmap *bitmap, uint64_t bit)
{
    bitmap->packed[bit / 8] |= (uint8_t)(1U << (bit % 8));
}

void bf_bitmap_write(struct bf_bitmap *bitmap, uint64_t offset_bytes, uint64_t length_bytes)
{
    uint64_t granularity_bytes = bitmap->geometry.granularity_bytes;
    uint64_t disk_size_bytes = bitmap->geometry.disk_size_bytes;

    if (offset_bytes >= disk_size_bytes || length_bytes == 0)
        return;
    length_bytes = bf_min_u64(length_bytes, disk_size_bytes - offset_bytes);
    bf_packed_set(bitmap->packed, offset_bytes / granularity_bytes,
                  (offset_bytes + length_bytes - 1) / granularity_bytes + 1);
}

static int load_stretch(struct bf_bitmap *bitmap, const struct bf_bits *bits, uint64_t offset_bytes,
                        uint64_t max_bytes, uint64_t *ret_nr_bytes, struct bf_error *err)
{
    uint8_t *to = bitmap->packed + offset_bytes;
    enum bf_run_kind kind;
    int r = bf_bits_run(bits, offset_bytes, max_bytes, &kind, ret_nr_bytes, err);

    if (r < 0)
        return r;
    if (kind == BF_RUN_MIXED)
        return bf_bits_read(bits, offset_bytes, to, *ret_nr_bytes, err);
    if (kind == BF_RUN_DIRTY)
        bf_bits_fill_dirty(&bits->geometry, offset_bytes, to, *ret_nr_bytes);
    return 0;
}

int bf_bitmap_load(const struct bf_bits *bits, struct bf_bitmap **ret_bitmap, struct bf_error *err)
{
    BF_CLEANUP(bf_bitmap_freep) struct bf_bitmap *bitmap = NULL;
    uint64_t packed_bytes = bf_geometry_packed_bytes(&bits->geometry);
    uint64_t nr_bytes = 0;
    int r = bf_bitmap_new(&bits->geometry, &bitmap, err);

    if (r < 0)
        return r;
    for (uint64_t offset = 0; offset < packed_bytes; offset += nr_bytes) {
        r = load_stretch(bitmap, bits, offset, packed_bytes - offset, &nr_bytes, err);
        if (r < 0)
            return r;
    }
    *ret_bitmap = bf_steal_ptr(&bitmap);
    return 0;
}

static int memory_read(void *ctx, uint64_t offset_bytes, uint8_t *buf, uint64_t nr_bytes,
                       struct bf_error *err)
{
    const struct bf_bitmap *bitmap = ctx;

    (void)err;
    memcpy(buf, bitmap->packed + offset_bytes, nr_bytes);
    return 0;
}

static int memory_run(void *ctx, uint64_t offset_bytes, uint64_t max_bytes,
                      enum bf_run_kind *ret_kind, uint64_t *ret_nr_bytes, struct bf_error *err)
{
    (void)ctx;
    (void)offset_bytes;
    (void)err;
    *ret_kind = BF_RUN_MIXED;
    *ret_nr_bytes = max_bytes;
    return 0;
}

struct bf_bits bf_bitmap_bits(const struct bf_bitmap *bitmap)
{
    static const struct bf_bits_ops ops = {.read = memory_read, .run = memory_run};

    return (struct bf_bits){.ops = &ops, .ctx = (void *)bitmap, .geometry = bitmap->geometry};
}
