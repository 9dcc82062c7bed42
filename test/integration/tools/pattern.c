#include "pattern.h"

#include "base/math.h"

#include <string.h>

static const char *const names[] = {
    [PATTERN_CLEAN] = "clean",   [PATTERN_DIRTY] = "dirty",   [PATTERN_ALTERNATE] = "alternate",
    [PATTERN_RANDOM] = "random", [PATTERN_BLOCKS] = "blocks", [PATTERN_PIECES] = "pieces",
    [PATTERN_SPARSE] = "sparse",
};

/* splitmix64: every position has its own noise, whatever is read before. */
static uint64_t noise(uint64_t position)
{
    uint64_t x = (position + 1) * UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* What is known of the block at @offset, and where it ends. */
static enum bf_run_kind block_kind(const struct pattern *pattern, uint64_t offset,
                                   uint64_t *ret_end)
{
    static const enum bf_run_kind kinds[] = {BF_RUN_CLEAN, BF_RUN_DIRTY, BF_RUN_MIXED};
    uint64_t block_bytes = pattern->kind == PATTERN_PIECES ? 4 << 10 : 64 << 10;
    uint64_t block = offset / block_bytes;

    *ret_end = (block + 1) * block_bytes;
    switch (pattern->kind) {
    case PATTERN_CLEAN:
        return BF_RUN_CLEAN;
    case PATTERN_DIRTY:
        return BF_RUN_DIRTY;
    case PATTERN_BLOCKS:
    case PATTERN_PIECES:
        return kinds[noise(block) % 3];
    case PATTERN_SPARSE:
        return block % 64 == 5 ? BF_RUN_MIXED : BF_RUN_CLEAN;
    case PATTERN_ALTERNATE:
    case PATTERN_RANDOM:
        break;
    }
    return BF_RUN_MIXED;
}

static uint8_t mixed_byte(const struct pattern *pattern, uint64_t offset)
{
    uint64_t chance = noise(offset);

    switch (pattern->kind) {
    case PATTERN_ALTERNATE:
        return 0x55;
    case PATTERN_RANDOM:
        return chance % 12 == 0 ? (uint8_t)(1 << (chance >> 32) % 8) : 0;
    case PATTERN_CLEAN:
    case PATTERN_DIRTY:
    case PATTERN_BLOCKS:
    case PATTERN_PIECES:
    case PATTERN_SPARSE:
        break;
    }
    return (uint8_t)chance;
}

static void fill(const struct pattern *pattern, enum bf_run_kind kind, uint64_t offset,
                 uint8_t *buf, uint64_t nr_bytes)
{
    if (kind != BF_RUN_MIXED) {
        memset(buf, kind == BF_RUN_DIRTY ? 0xff : 0, nr_bytes);
        return;
    }
    for (uint64_t i = 0; i < nr_bytes; i++)
        buf[i] = mixed_byte(pattern, offset + i);
}

static int read_pattern(void *ctx, uint64_t offset_bytes, uint8_t *buf, uint64_t nr_bytes,
                        struct bf_error *err)
{
    struct pattern *pattern = ctx;

    (void)err;
    for (uint64_t done = 0; done < nr_bytes;) {
        uint64_t at = offset_bytes + done;
        uint64_t end;
        enum bf_run_kind kind = block_kind(pattern, at, &end);
        uint64_t nr = bf_min_u64(end - at, nr_bytes - done);

        fill(pattern, kind, at, buf + done, nr);
        done += nr;
    }
    bf_bits_mask_padding(&pattern->geometry, offset_bytes, buf, nr_bytes);
    return 0;
}

static int pattern_run(void *ctx, uint64_t offset_bytes, uint64_t max_bytes,
                       enum bf_run_kind *ret_kind, uint64_t *ret_nr_bytes, struct bf_error *err)
{
    uint64_t end;

    (void)err;
    *ret_kind = block_kind(ctx, offset_bytes, &end);
    *ret_nr_bytes = bf_min_u64(end - offset_bytes, max_bytes);
    return 0;
}

bool pattern_parse(const char *name, enum pattern_kind *ret_kind)
{
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_kind = (enum pattern_kind)i;
            return true;
        }
    }
    return false;
}

struct bf_bits pattern_bits(struct pattern *pattern)
{
    static const struct bf_bits_ops ops = {.read = read_pattern, .run = pattern_run};

    return (struct bf_bits){.ops = &ops, .ctx = pattern, .geometry = pattern->geometry};
}
