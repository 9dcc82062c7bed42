#include "shadow.h"

#include "base/math.h"

#include <stdlib.h>
#include <string.h>

struct rng rng_start(uint64_t seed)
{
    return (struct rng){.seed = seed, .state = seed};
}

/* splitmix64 */
uint64_t rng_next(struct rng *rng)
{
    uint64_t z = rng->state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    return rng_next(rng) % bound;
}

static uint64_t random_nr_bits(struct rng *rng)
{
    static const uint64_t edges[] = {0,  1,   2,   7,   8,    9,    63,        64,
                                     65, 127, 128, 129, 4095, 4096, 8 * 65536, 8 * 65536 + 1};

    switch (rng_below(rng, 8)) {
    case 0:
        return rng_below(rng, 700000);
    case 1:
    case 2:
    case 3:
        return rng_below(rng, 3000);
    default:
        return edges[rng_below(rng, sizeof edges / sizeof edges[0])];
    }
}

struct bf_geometry random_geometry(struct rng *rng)
{
    uint64_t granularity_bytes = BF_GRANULARITY_MIN_BYTES << rng_below(rng, 23);
    uint64_t size_bytes = random_nr_bits(rng) * granularity_bytes;

    if (size_bytes > 0 && rng_below(rng, 2) == 0)
        size_bytes -=
            rng_below(rng, 2) == 0 ? granularity_bytes - 1 : rng_below(rng, granularity_bytes);
    return (struct bf_geometry){.disk_size_bytes = size_bytes,
                                .granularity_bytes = granularity_bytes};
}

struct shadow shadow_new(const struct bf_geometry *geometry)
{
    uint64_t nr_bits =
        (geometry->disk_size_bytes + geometry->granularity_bytes - 1) / geometry->granularity_bytes;
    struct shadow shadow = {.geometry = *geometry, .nr_bits = nr_bits};

    shadow.dirty = calloc(nr_bits + 1, sizeof *shadow.dirty);
    assert_non_null(shadow.dirty);
    return shadow;
}

void shadow_release(struct shadow *shadow)
{
    free(shadow->dirty);
    shadow->dirty = NULL;
}

static void fill_runs(struct shadow *shadow, struct rng *rng)
{
    uint64_t bit = 0;
    bool dirty = rng_below(rng, 2) == 0;

    while (bit < shadow->nr_bits) {
        uint64_t bound = UINT64_C(1) << rng_below(rng, 17);
        uint64_t end = bf_min_u64(bit + 1 + rng_below(rng, bound), shadow->nr_bits);

        memset(shadow->dirty + bit, dirty, end - bit);
        bit = end;
        dirty = !dirty;
    }
}

struct shadow shadow_random(const struct bf_geometry *geometry, struct rng *rng)
{
    struct shadow shadow = shadow_new(geometry);

    switch (rng_below(rng, 6)) {
    case 0:
        break;
    case 1:
        memset(shadow.dirty, true, shadow.nr_bits);
        break;
    case 2:
        for (unsigned i = 0; i < 5 && shadow.nr_bits > 0; i++)
            shadow.dirty[rng_below(rng, shadow.nr_bits)] = true;
        if (shadow.nr_bits > 0)
            shadow.dirty[shadow.nr_bits - 1] = true;
        break;
    case 3:
        for (uint64_t bit = 0; bit < shadow.nr_bits; bit++)
            shadow.dirty[bit] = rng_next(rng) & 1;
        break;
    default:
        fill_runs(&shadow, rng);
        break;
    }
    return shadow;
}

uint8_t *shadow_pack(const struct shadow *shadow, uint64_t *ret_nr_bytes)
{
    uint8_t *packed;

    *ret_nr_bytes = (shadow->nr_bits + 63) / 64 * 8;
    packed = calloc(1, *ret_nr_bytes + 1);
    assert_non_null(packed);
    for (uint64_t bit = 0; bit < shadow->nr_bits; bit++) {
        if (shadow->dirty[bit])
            packed[bit / 8] |= (uint8_t)(1 << (bit % 8));
    }
    return packed;
}

/* Are all the bits of packed byte @offset_bytes @dirty?  Vacuously so in the padding. */
static bool byte_is(const struct shadow *shadow, uint64_t offset_bytes, bool dirty)
{
    for (uint64_t bit = offset_bytes * 8; bit < offset_bytes * 8 + 8; bit++) {
        if (bit < shadow->nr_bits && shadow->dirty[bit] != dirty)
            return false;
    }
    return true;
}

static int source_call(struct shadow_source *source, struct bf_error *err)
{
    if (source->fail_after == 0)
        return bf_error_set(err, BF_E_IO, "the test's source fails");
    if (source->fail_after > 0)
        source->fail_after--;
    return 0;
}

static int source_read(void *ctx, uint64_t offset_bytes, uint8_t *buf, uint64_t nr_bytes,
                       struct bf_error *err)
{
    struct shadow_source *source = ctx;
    int r = source_call(source, err);

    if (r < 0)
        return r;
    source->nr_read_bytes += nr_bytes;
    memset(buf, 0, nr_bytes);
    for (uint64_t i = 0; i < nr_bytes * 8; i++) {
        uint64_t bit = offset_bytes * 8 + i;
        if (bit >= source->shadow->nr_bits || source->shadow->dirty[bit])
            buf[i / 8] |= (uint8_t)(1 << (i % 8));
    }
    return 0;
}

static int source_run(void *ctx, uint64_t offset_bytes, uint64_t max_bytes,
                      enum bf_run_kind *ret_kind, uint64_t *ret_nr_bytes, struct bf_error *err)
{
    struct shadow_source *source = ctx;
    uint64_t limit = max_bytes;
    uint64_t nr_bytes = 0;
    bool dirty = byte_is(source->shadow, offset_bytes, true);
    int r = source_call(source, err);

    if (r < 0)
        return r;
    if (offset_bytes * 8 >= source->shadow->nr_bits)
        dirty = rng_below(&source->rng, 2) == 0; /* padding is of either kind */
    if (rng_below(&source->rng, 4) == 0)
        limit = 1 + rng_below(&source->rng, max_bytes);
    if (rng_below(&source->rng, 100) >= source->mixed_percent)
        while (nr_bytes < limit && byte_is(source->shadow, offset_bytes + nr_bytes, dirty))
            nr_bytes++;
    *ret_kind = dirty ? BF_RUN_DIRTY : BF_RUN_CLEAN;
    *ret_nr_bytes = nr_bytes;
    if (nr_bytes == 0) {
        *ret_kind = BF_RUN_MIXED;
        *ret_nr_bytes = limit;
    }
    return 0;
}

struct bf_bits shadow_bits(struct shadow_source *source, const struct shadow *shadow, uint64_t seed)
{
    static const struct bf_bits_ops ops = {.read = source_read, .run = source_run};

    *source = (struct shadow_source){.shadow = shadow,
                                     .rng = rng_start(seed),
                                     .mixed_percent = (unsigned)(seed % 3 * 50),
                                     .fail_after = -1};
    return (struct bf_bits){.ops = &ops, .ctx = source, .geometry = shadow->geometry};
}

static void check_read(struct rng *rng, const struct bf_bits *bits, const uint8_t *packed,
                       uint64_t offset_bytes, uint64_t nr_bytes)
{
    uint8_t *buf = malloc(nr_bytes + 2);

    assert_non_null(buf);
    memset(buf, 0xa5, nr_bytes + 2);
    check(rng, bf_bits_read(bits, offset_bytes, buf + 1, nr_bytes, NULL) == 0);
    check(rng, memcmp(buf + 1, packed + offset_bytes, nr_bytes) == 0);
    check(rng, buf[0] == 0xa5 && buf[nr_bytes + 1] == 0xa5);
    free(buf);
}

static void check_run(struct rng *rng, const struct bf_bits *bits, const struct shadow *expected,
                      uint64_t offset_bytes, uint64_t max_bytes, uint64_t *ret_nr_bytes)
{
    enum bf_run_kind kind;

    check(rng, bf_bits_run(bits, offset_bytes, max_bytes, &kind, ret_nr_bytes, NULL) == 0);
    check(rng, *ret_nr_bytes >= 1 && *ret_nr_bytes <= max_bytes);
    if (kind == BF_RUN_MIXED)
        return;
    for (uint64_t i = 0; i < *ret_nr_bytes; i++)
        check(rng, byte_is(expected, offset_bytes + i, kind == BF_RUN_DIRTY));
}

void check_bits(struct rng *rng, const struct bf_bits *bits, const struct shadow *expected)
{
    uint64_t nr_bytes;
    uint64_t nr_run = 0;
    uint8_t *packed = shadow_pack(expected, &nr_bytes);

    check(rng, bits->geometry.disk_size_bytes == expected->geometry.disk_size_bytes);
    check(rng, bits->geometry.granularity_bytes == expected->geometry.granularity_bytes);
    check(rng, bf_geometry_packed_bytes(&bits->geometry) == nr_bytes);
    check_read(rng, bits, packed, 0, nr_bytes);
    for (uint64_t offset = 0; offset < nr_bytes; offset += nr_run)
        check_run(rng, bits, expected, offset, nr_bytes - offset, &nr_run);
    for (unsigned i = 0; i < 8 && nr_bytes > 0; i++) {
        uint64_t offset = rng_below(rng, nr_bytes);
        uint64_t nr =
            1 + rng_below(rng, bf_min_u64(nr_bytes - offset, UINT64_C(1) << rng_below(rng, 18)));

        check_read(rng, bits, packed, offset, nr);
        check_run(rng, bits, expected, offset, nr, &nr_run);
    }
    free(packed);
}
