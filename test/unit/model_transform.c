#include "shadow.h"

#include "base/math.h"
#include "model/bitmap.h"
#include "model/transform.h"

#include <stdlib.h>
#include <string.h>

enum { NR_BITS_MAX = 3000000 };

/* Is a block dirty that the bytes [start, end) of the disk touch? */
static bool any_dirty(const struct shadow *shadow, uint64_t start, uint64_t end)
{
    uint64_t granularity = shadow->geometry.granularity_bytes;

    for (uint64_t bit = start / granularity; bit <= (end - 1) / granularity; bit++) {
        if (shadow->dirty[bit])
            return true;
    }
    return false;
}

static struct shadow regrained(const struct shadow *source, uint64_t granularity)
{
    struct bf_geometry geometry = {source->geometry.disk_size_bytes, granularity};
    struct shadow shadow = shadow_new(&geometry);

    for (uint64_t bit = 0; bit < shadow.nr_bits; bit++)
        shadow.dirty[bit] =
            any_dirty(source, bit * granularity,
                      bf_min_u64((bit + 1) * granularity, geometry.disk_size_bytes));
    return shadow;
}

static struct shadow resized(const struct shadow *source, uint64_t disk_size_bytes)
{
    struct bf_geometry geometry = {disk_size_bytes, source->geometry.granularity_bytes};
    struct shadow shadow = shadow_new(&geometry);

    for (uint64_t bit = 0; bit < shadow.nr_bits; bit++) {
        uint64_t end = bf_min_u64((bit + 1) * geometry.granularity_bytes, disk_size_bytes);
        bool has_new = end > source->geometry.disk_size_bytes;

        shadow.dirty[bit] = has_new || source->dirty[bit];
    }
    return shadow;
}

/* A random granularity that does not make too many bits for the shadow. */
static uint64_t other_granularity(const struct bf_geometry *geometry, struct rng *rng)
{
    uint64_t granularity;

    do
        granularity = BF_GRANULARITY_MIN_BYTES << rng_below(rng, 23);
    while (geometry->disk_size_bytes / granularity > NR_BITS_MAX);
    return granularity;
}

static void check_regrain(uint64_t seed, uint64_t granularity, const struct bf_geometry *geometry)
{
    struct rng rng = rng_start(seed);
    struct shadow shadow = shadow_random(geometry, &rng);
    struct shadow expected = regrained(&shadow, granularity);
    struct shadow_source source;
    struct bf_bits from = shadow_bits(&source, &shadow, seed);
    struct bf_regrain regrain;
    struct bf_bits bits;

    check(&rng, bf_regrain_init(&regrain, &from, granularity, &bits, NULL) == 0);
    check_bits(&rng, &bits, &expected);
    shadow_release(&expected);
    shadow_release(&shadow);
}

static void test_regrain_keeps_what_is_dirty(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct rng rng = rng_start(~seed);
        struct bf_geometry geometry = random_geometry(&rng);

        check_regrain(seed, other_granularity(&geometry, &rng), &geometry);
    }
}

/* Each factor has its own way through the words. */
static void test_regrain_by_every_factor(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift <= 22; shift++) {
        uint64_t coarse = BF_GRANULARITY_MIN_BYTES << shift;
        uint64_t nr_blocks = shift < 12 ? 300 : 1;
        struct bf_geometry geometry = {coarse * nr_blocks - shift, BF_GRANULARITY_MIN_BYTES};

        for (uint64_t seed = 1; seed <= (shift < 12 ? 12 : 1); seed++) {
            check_regrain(seed, coarse, &geometry);
            geometry.granularity_bytes = coarse;
            check_regrain(seed, BF_GRANULARITY_MIN_BYTES, &geometry);
            geometry.granularity_bytes = BF_GRANULARITY_MIN_BYTES;
        }
    }
}

static void test_resize_makes_the_new_part_dirty(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct rng rng = rng_start(seed);
        struct bf_geometry geometry = random_geometry(&rng);
        uint64_t granularity = geometry.granularity_bytes;
        struct shadow shadow = shadow_random(&geometry, &rng);
        uint64_t range = granularity << rng_below(&rng, 12);
        uint64_t size = geometry.disk_size_bytes + rng_below(&rng, 2 * range + 1);
        struct shadow_source source;
        struct bf_bits from = shadow_bits(&source, &shadow, seed);
        struct bf_resize resize;
        struct shadow expected;
        struct bf_bits bits;

        size -= bf_min_u64(size, range);
        expected = resized(&shadow, size);
        check(&rng, bf_resize_init(&resize, &from, size, &bits, NULL) == 0);
        check_bits(&rng, &bits, &expected);
        shadow_release(&expected);
        shadow_release(&shadow);
    }
}

static void check_growth(uint64_t old_size, uint64_t new_size, uint64_t first_dirty_bit)
{
    struct bf_geometry geometry = {old_size, 65536};
    struct bf_bits clean = bf_bits_clean(&geometry);
    struct bf_resize resize;
    struct bf_bits bits;
    uint8_t packed[8];

    assert_int_equal(bf_resize_init(&resize, &clean, new_size, &bits, NULL), 0);
    assert_int_equal(bf_bits_read(&bits, 0, packed, 8, NULL), 0);
    for (uint64_t bit = 0; bit < 64; bit++)
        assert_int_equal(packed[bit / 8] >> (bit % 8) & 1,
                         bit >= first_dirty_bit && bit < bf_geometry_nr_bits(&bits.geometry));
}

static void test_the_granule_of_the_old_end_becomes_dirty(void **state)
{
    (void)state;
    check_growth(65536 * 3, 65536 * 5, 3);
    check_growth(65536 * 3 + 1, 65536 * 5, 3);
    check_growth(65536 * 4 - 1, 65536 * 5, 3);
    check_growth(65536 * 3 + 512, 65536 * 3 + 1024, 3);
    check_growth(65536 * 3 + 512, 65536 * 3 + 512, 64);
    check_growth(65536 * 3 + 512, 65536 * 3 + 511, 64);
    check_growth(0, 65536 * 5, 0);
    check_growth(65536 * 5, 1, 64);
}

static void check_union(uint64_t seed)
{
    struct rng rng = rng_start(seed);
    struct bf_geometry geometry = random_geometry(&rng);
    size_t nr_sources = 1 + rng_below(&rng, 4);
    struct shadow_source sources[4];
    struct shadow shadows[4];
    struct bf_bits from[4];
    struct shadow expected = shadow_new(&geometry);
    struct bf_union join;
    struct bf_bits bits;

    for (size_t i = 0; i < nr_sources; i++) {
        shadows[i] = shadow_random(&geometry, &rng);
        from[i] = shadow_bits(&sources[i], &shadows[i], seed + i);
        for (uint64_t bit = 0; bit < expected.nr_bits; bit++)
            expected.dirty[bit] = expected.dirty[bit] || shadows[i].dirty[bit];
    }
    check(&rng, bf_union_init(&join, from, nr_sources, &bits, NULL) == 0);
    check_bits(&rng, &bits, &expected);
    for (size_t i = 0; i < nr_sources; i++)
        shadow_release(&shadows[i]);
    shadow_release(&expected);
}

static void test_union_is_dirty_where_any_source_is(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++)
        check_union(seed);
}

static void test_union_refuses_other_geometries_and_none(void **state)
{
    struct bf_geometry geometry = {1 << 20, 65536};
    struct bf_geometry longer = {(1 << 20) + 512, 65536};
    struct bf_geometry finer = {1 << 20, 512};
    struct bf_bits sources[2] = {bf_bits_clean(&geometry), bf_bits_clean(&longer)};
    struct bf_error err = BF_ERROR_INIT;
    struct bf_union join;
    struct bf_bits bits;

    (void)state;
    assert_int_equal(bf_union_init(&join, sources, 1, &bits, NULL), 0);
    assert_true(bf_union_init(&join, sources, 2, &bits, &err) < 0);
    assert_int_equal(err.code, BF_E_INVALID);
    sources[1] = bf_bits_clean(&finer);
    assert_true(bf_union_init(&join, sources, 2, &bits, NULL) < 0);
    assert_true(bf_union_init(&join, sources, 0, &bits, NULL) < 0);
}

static void test_limits_of_the_new_geometry_are_checked(void **state)
{
    struct bf_geometry geometry = {UINT64_C(1) << 50, UINT64_C(1) << 31};
    struct bf_bits source = bf_bits_clean(&geometry);
    struct bf_error err = BF_ERROR_INIT;
    struct bf_regrain regrain;
    struct bf_resize resize;
    struct bf_bits bits;

    (void)state;
    assert_true(bf_regrain_init(&regrain, &source, 512, &bits, &err) < 0);
    assert_int_equal(err.code, BF_E_LIMIT);
    assert_true(bf_regrain_init(&regrain, &source, 1000, &bits, NULL) < 0);
    assert_int_equal(bf_regrain_init(&regrain, &source, 1 << 18, &bits, NULL), 0);
    assert_true(bf_resize_init(&resize, &source, UINT64_MAX, &bits, NULL) < 0);
    assert_int_equal(bf_resize_init(&resize, &source, UINT64_C(1) << 63, &bits, NULL), 0);
}

/* Grow, coarsen and join at once, as an install does it. */
static void test_transformations_stack(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct rng rng = rng_start(seed);
        struct bf_geometry geometry = random_geometry(&rng);
        uint64_t size = geometry.disk_size_bytes + rng_below(&rng, geometry.granularity_bytes * 99);
        struct shadow shadow = shadow_random(&geometry, &rng);
        struct shadow grown = resized(&shadow, size);
        uint64_t granularity = other_granularity(&grown.geometry, &rng);
        struct shadow expected = regrained(&grown, granularity);
        struct shadow_source source;
        struct bf_bits bits = shadow_bits(&source, &shadow, seed);
        struct bf_bits twin[2];
        struct bf_resize resize;
        struct bf_regrain regrain;
        struct bf_union join;

        check(&rng, bf_resize_init(&resize, &bits, size, &bits, NULL) == 0);
        check(&rng, bf_regrain_init(&regrain, &bits, granularity, &bits, NULL) == 0);
        twin[0] = bits;
        twin[1] = bf_bits_clean(&bits.geometry);
        check(&rng, bf_union_init(&join, twin, 2, &bits, NULL) == 0);
        check_bits(&rng, &bits, &expected);
        shadow_release(&expected);
        shadow_release(&grown);
        shadow_release(&shadow);
    }
}

static void check_one_run(const struct bf_bits *bits, enum bf_run_kind kind)
{
    uint64_t packed_bytes = bf_geometry_packed_bytes(&bits->geometry);
    enum bf_run_kind said = BF_RUN_MIXED;
    uint64_t nr = 0;

    assert_int_equal(bf_bits_run(bits, 0, packed_bytes, &said, &nr, NULL), 0);
    assert_int_equal(said, kind);
    assert_int_equal(nr, packed_bytes);
}

/* A clean disk must not become one that has to be read. */
static void test_what_is_known_stays_known(void **state)
{
    struct bf_geometry geometry = {(UINT64_C(100) << 30) + 512, 65536};
    struct bf_bits sources[] = {bf_bits_clean(&geometry), bf_bits_dirty(&geometry)};
    struct bf_regrain regrain;
    struct bf_resize resize;
    struct bf_union join;
    struct bf_bits bits;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        enum bf_run_kind kind = i == 0 ? BF_RUN_CLEAN : BF_RUN_DIRTY;

        for (uint64_t granularity = 4096; granularity <= BF_GRANULARITY_MAX_BYTES;
             granularity *= 2) {
            assert_int_equal(bf_regrain_init(&regrain, &sources[i], granularity, &bits, NULL), 0);
            check_one_run(&bits, kind);
        }
        assert_int_equal(bf_resize_init(&resize, &sources[i], 12345678, &bits, NULL), 0);
        check_one_run(&bits, kind);
        assert_int_equal(bf_union_init(&join, &sources[i], 1, &bits, NULL), 0);
        check_one_run(&bits, kind);
    }
}

/* Dirty wins over not known, in either order. */
static void test_a_dirty_run_in_a_union_is_known(void **state)
{
    struct bf_geometry geometry = {1 << 30, 65536};
    struct bf_bitmap *bitmap = NULL;
    struct bf_bits sources[3];
    struct bf_union join;
    struct bf_bits bits;

    (void)state;
    assert_int_equal(bf_bitmap_new(&geometry, &bitmap, NULL), 0);
    sources[0] = bf_bitmap_bits(bitmap);
    sources[1] = bf_bits_dirty(&geometry);
    sources[2] = sources[0];
    assert_int_equal(bf_union_init(&join, sources, 2, &bits, NULL), 0);
    check_one_run(&bits, BF_RUN_DIRTY);
    assert_int_equal(bf_union_init(&join, sources + 1, 2, &bits, NULL), 0);
    check_one_run(&bits, BF_RUN_DIRTY);
    bf_bitmap_free(bitmap);
}

static void check_failure(const struct bf_bits *bits, struct shadow_source *source)
{
    uint64_t nr_bytes = bf_geometry_packed_bytes(&bits->geometry);
    uint8_t *buf = malloc(nr_bytes);
    enum bf_run_kind kind;
    uint64_t nr;
    int r = -1;

    assert_non_null(buf);
    for (int calls = 0; r < 0; calls++) {
        struct bf_error err = BF_ERROR_INIT;

        source->fail_after = calls;
        r = bf_bits_read(bits, 0, buf, nr_bytes, &err);
        assert_true(r == 0 ? calls > 0 : err.code == BF_E_IO);
    }
    source->fail_after = 0;
    assert_true(bf_bits_run(bits, 0, nr_bytes, &kind, &nr, NULL) < 0);
    free(buf);
}

static void test_a_source_that_fails_fails_the_reading(void **state)
{
    struct bf_geometry geometry = {1000 * 65536, 65536};
    struct rng rng = rng_start(1);
    struct shadow shadow = shadow_random(&geometry, &rng);
    struct shadow_source source;
    struct bf_bits from = shadow_bits(&source, &shadow, 1);
    struct bf_regrain regrain;
    struct bf_resize resize;
    struct bf_union join;
    struct bf_bits bits;

    (void)state;
    assert_int_equal(bf_regrain_init(&regrain, &from, 1 << 20, &bits, NULL), 0);
    check_failure(&bits, &source);
    assert_int_equal(bf_regrain_init(&regrain, &from, 1 << 12, &bits, NULL), 0);
    check_failure(&bits, &source);
    assert_int_equal(bf_resize_init(&resize, &from, 1 << 30, &bits, NULL), 0);
    check_failure(&bits, &source);
    assert_int_equal(bf_union_init(&join, &from, 1, &bits, NULL), 0);
    check_failure(&bits, &source);
    shadow_release(&shadow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regrain_keeps_what_is_dirty),
        cmocka_unit_test(test_regrain_by_every_factor),
        cmocka_unit_test(test_resize_makes_the_new_part_dirty),
        cmocka_unit_test(test_the_granule_of_the_old_end_becomes_dirty),
        cmocka_unit_test(test_union_is_dirty_where_any_source_is),
        cmocka_unit_test(test_union_refuses_other_geometries_and_none),
        cmocka_unit_test(test_limits_of_the_new_geometry_are_checked),
        cmocka_unit_test(test_transformations_stack),
        cmocka_unit_test(test_what_is_known_stays_known),
        cmocka_unit_test(test_a_dirty_run_in_a_union_is_known),
        cmocka_unit_test(test_a_source_that_fails_fails_the_reading),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
