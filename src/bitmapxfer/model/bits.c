#include "model/bits.h"

#include "base/math.h"

#include <inttypes.h>
#include <string.h>

static int check_range(const struct bf_bits *bits, uint64_t offset_bytes, uint64_t nr_bytes,
                       struct bf_error *err)
{
    uint64_t packed_bytes = bf_geometry_packed_bytes(&bits->geometry);

    if (offset_bytes > packed_bytes || nr_bytes > packed_bytes - offset_bytes)
        return bf_error_set(err, BF_E_INVALID,
                            "%" PRIu64 " bytes at %" PRIu64 " lie outside of a bitmap of %" PRIu64
                            " packed bytes",
                            nr_bytes, offset_bytes, packed_bytes);
    return 0;
}

int bf_bits_read(const struct bf_bits *bits, uint64_t offset_bytes, uint8_t *buf, uint64_t nr_bytes,
                 struct bf_error *err)
{
    int r = check_range(bits, offset_bytes, nr_bytes, err);

    if (r < 0 || nr_bytes == 0)
        return r;
    r = bits->ops->read(bits->ctx, offset_bytes, buf, nr_bytes, err);
    if (r < 0)
        return r;
    bf_bits_mask_padding(&bits->geometry, offset_bytes, buf, nr_bytes);
    return 0;
}

int bf_bits_run(const struct bf_bits *bits, uint64_t offset_bytes, uint64_t max_bytes,
                enum bf_run_kind *ret_kind, uint64_t *ret_nr_bytes, struct bf_error *err)
{
    enum bf_run_kind kind = BF_RUN_MIXED;
    uint64_t nr_bytes = 0;
    int r = check_range(bits, offset_bytes, max_bytes, err);

    if (r < 0)
        return r;
    if (max_bytes == 0)
        return bf_error_set(err, BF_E_INVALID, "a run of no bytes was asked for");
    r = bits->ops->run(bits->ctx, offset_bytes, max_bytes, &kind, &nr_bytes, err);
    if (r < 0)
        return r;
    if (nr_bytes == 0) { /* a source that says nothing: then only reading tells */
        kind = BF_RUN_MIXED;
        nr_bytes = max_bytes;
    }
    *ret_kind = kind;
    *ret_nr_bytes = bf_min_u64(nr_bytes, max_bytes);
    return 0;
}

void bf_bits_fill_dirty(const struct bf_geometry *geometry, uint64_t offset_bytes, uint8_t *buf,
                        uint64_t nr_bytes)
{
    memset(buf, 0xff, nr_bytes);
    bf_bits_mask_padding(geometry, offset_bytes, buf, nr_bytes);
}

void bf_bits_mask_padding(const struct bf_geometry *geometry, uint64_t offset_bytes, uint8_t *buf,
                          uint64_t nr_bytes)
{
    uint64_t nr_bits = bf_geometry_nr_bits(geometry);
    uint64_t end_bytes = offset_bytes + nr_bytes;
    uint64_t padding_bytes = bf_max_u64(bf_div_round_up_u64(nr_bits, 8), offset_bytes);
    uint64_t cut_byte = nr_bits / 8; /* holds the last bits and the first padding, if nr_bits % 8 */

    if (nr_bits % 8 != 0 && cut_byte >= offset_bytes && cut_byte < end_bytes)
        buf[cut_byte - offset_bytes] &= (uint8_t)((1U << (nr_bits % 8)) - 1);
    if (padding_bytes < end_bytes)
        memset(buf + (padding_bytes - offset_bytes), 0, end_bytes - padding_bytes);
}

static int clean_read(void *ctx, uint64_t offset_bytes, uint8_t *buf, uint64_t nr_bytes,
                      struct bf_error *err)
{
    (void)ctx;
    (void)offset_bytes;
    (void)err;
    memset(buf, 0, nr_bytes);
    return 0;
}

static int clean_run(void *ctx, uint64_t offset_bytes, uint64_t max_bytes,
                     enum bf_run_kind *ret_kind, uint64_t *ret_nr_bytes, struct bf_error *err)
{
    (void)ctx;
    (void)offset_bytes;
    (void)err;
    *ret_kind = BF_RUN_CLEAN;
    *ret_nr_bytes = max_bytes;
    return 0;
}

struct bf_bits bf_bits_clean(const struct bf_geometry *geometry)
{
    static const struct bf_bits_ops ops = {.read = clean_read, .run = clean_run};

    return (struct bf_bits){.ops = &ops, .geometry = *geometry};
}

static int dirty_read(void *ctx, uint64_t offset_bytes, uint8_t *buf, uint64_t nr_bytes,
                      struct bf_error *err)
{
    (void)ctx;
    (void)offset_bytes;
    (void)err;
    memset(buf, 0xff, nr_bytes);
    return 0;
}

static int dirty_run(void *ctx, uint64_t offset_bytes, uint64_t max_bytes,
                     enum bf_run_kind *ret_kind, uint64_t *ret_nr_bytes, struct bf_error *err)
{
    (void)ctx;
    (void)offset_bytes;
    (void)err;
    *ret_kind = BF_RUN_DIRTY;
    *ret_nr_bytes = max_bytes;
    return 0;
}

struct bf_bits bf_bits_dirty(const struct bf_geometry *geometry)
{
    static const struct bf_bits_ops ops = {.read = dirty_read, .run = dirty_run};

    return (struct bf_bits){.ops = &ops, .geometry = *geometry};
}
