#include "shadow.h"

#include "model/extents.h"

#include <stdlib.h>
#include <string.h>

struct extents {
    struct rng *rng;
    const struct shadow *shadow;
    uint64_t bit; /* up to here the extents agree with the shadow */
    uint64_t nr_extents;
    uint64_t stop_after;
};

/* Each extent is the next maximal one of the shadow. */
static int check_extent(void *ctx, const struct bf_extent *extent)
{
    struct extents *extents = ctx;
    const struct shadow *shadow = extents->shadow;
    uint64_t granularity = shadow->geometry.granularity_bytes;
    uint64_t bit = extents->bit;
    uint64_t end;

    while (bit < shadow->nr_bits && !shadow->dirty[bit])
        bit++;
    check(extents->rng, extent->offset_bytes == bit * granularity);
    while (bit < shadow->nr_bits && shadow->dirty[bit])
        bit++;
    end = bit * granularity;
    if (end > shadow->geometry.disk_size_bytes)
        end = shadow->geometry.disk_size_bytes;
    check(extents->rng, extent->length_bytes > 0);
    check(extents->rng, extent->offset_bytes + extent->length_bytes == end);
    extents->bit = bit;
    return ++extents->nr_extents == extents->stop_after ? 77 : 0;
}

static void test_extents_are_the_dirty_runs(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct rng rng = rng_start(seed);
        struct bf_geometry geometry = random_geometry(&rng);
        struct shadow shadow = shadow_random(&geometry, &rng);
        struct shadow_source source;
        struct bf_bits bits = shadow_bits(&source, &shadow, seed);
        struct extents extents = {.rng = &rng, .shadow = &shadow};

        check(&rng, bf_bits_each_extent(&bits, check_extent, &extents, NULL) == 0);
        for (uint64_t bit = extents.bit; bit < shadow.nr_bits; bit++)
            check(&rng, !shadow.dirty[bit]);
        if (extents.nr_extents > 0) {
            struct extents again = {
                .rng = &rng, .shadow = &shadow, .stop_after = extents.nr_extents};
            check(&rng, bf_bits_each_extent(&bits, check_extent, &again, NULL) == 77);
        }
        shadow_release(&shadow);
    }
}

static int keep_extent(void *ctx, const struct bf_extent *extent)
{
    *(struct bf_extent *)ctx = *extent;
    return 0;
}

static void test_a_disk_of_eight_exbibytes_is_one_extent(void **state)
{
    struct bf_geometry geometry = {UINT64_C(1) << 63, UINT64_C(1) << 31};
    struct bf_bits bits = bf_bits_dirty(&geometry);
    struct bf_extent extent = {0};

    (void)state;
    assert_int_equal(bf_bits_each_extent(&bits, keep_extent, &extent, NULL), 0);
    assert_int_equal(extent.offset_bytes, 0);
    assert_int_equal(extent.length_bytes, UINT64_C(1) << 63);
}

static void check_heat(struct rng *rng, const struct bf_bits *bits, const struct shadow *shadow)
{
    static const uint32_t counts[] = {0, 1, 2, 3, 64, 80, 1000};
    uint32_t nr_cells = counts[rng_below(rng, sizeof counts / sizeof counts[0])];
    struct bf_heat_cell *cells = calloc(nr_cells + 1, sizeof *cells);
    uint64_t bit = 0;
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;

    assert_non_null(cells);
    memset(cells, 0xa5, nr_cells * sizeof *cells);
    check(rng, bf_bits_heat(bits, cells, nr_cells, NULL) == 0);
    for (uint32_t i = 0; i < nr_cells; i++) {
        uint64_t end = bit + cells[i].nr_bits;
        uint64_t nr_dirty = 0;

        check(rng, end <= shadow->nr_bits);
        for (; bit < end; bit++)
            nr_dirty += shadow->dirty[bit];
        check(rng, cells[i].nr_dirty_bits == nr_dirty);
        least = cells[i].nr_bits < least ? cells[i].nr_bits : least;
        most = cells[i].nr_bits > most ? cells[i].nr_bits : most;
    }
    check(rng, nr_cells == 0 || bit == shadow->nr_bits);
    check(rng, nr_cells == 0 || most - least <= 1);
    check(rng, nr_cells <= shadow->nr_bits || cells[shadow->nr_bits].nr_bits == 0);
    free(cells);
}

static void test_heat_counts_every_bit_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct rng rng = rng_start(seed);
        struct bf_geometry geometry = random_geometry(&rng);
        struct shadow shadow = shadow_random(&geometry, &rng);
        struct shadow_source source;
        struct bf_bits bits = shadow_bits(&source, &shadow, seed);

        check_heat(&rng, &bits, &shadow);
        shadow_release(&shadow);
    }
}

static void test_heat_of_the_largest_bitmap(void **state)
{
    struct bf_geometry geometry = {UINT64_C(1) << 63, UINT64_C(1) << 31};
    struct bf_bits bits = bf_bits_dirty(&geometry);
    struct bf_heat_cell cells[7];
    uint64_t nr_bits = 0;

    (void)state;
    assert_int_equal(bf_bits_heat(&bits, cells, 7, NULL), 0);
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(cells[i].nr_dirty_bits, cells[i].nr_bits);
        nr_bits += cells[i].nr_bits;
    }
    assert_int_equal(nr_bits, UINT64_C(1) << 32);
}

static int count_extent(void *ctx, const struct bf_extent *extent)
{
    (void)extent;
    ++*(unsigned *)ctx;
    return 0;
}

static void test_a_source_that_fails_is_seen(void **state)
{
    struct bf_geometry geometry = {1000 * 512, 512};
    struct rng rng = rng_start(1);
    struct shadow shadow = shadow_random(&geometry, &rng);
    struct bf_heat_cell cells[10];
    struct shadow_source source;
    struct bf_bits bits = shadow_bits(&source, &shadow, 1);
    unsigned nr_extents = 0;

    (void)state;
    for (int calls = 0; calls < 2; calls++) {
        struct bf_error err = BF_ERROR_INIT;

        source.mixed_percent = 100;
        source.fail_after = calls;
        assert_true(bf_bits_each_extent(&bits, count_extent, &nr_extents, &err) < 0);
        assert_int_equal(err.code, BF_E_IO);
        source.fail_after = calls;
        assert_true(bf_bits_heat(&bits, cells, 10, NULL) < 0);
    }
    assert_int_equal(nr_extents, 0);
    shadow_release(&shadow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_extents_are_the_dirty_runs),
        cmocka_unit_test(test_a_disk_of_eight_exbibytes_is_one_extent),
        cmocka_unit_test(test_heat_counts_every_bit_once),
        cmocka_unit_test(test_heat_of_the_largest_bitmap),
        cmocka_unit_test(test_a_source_that_fails_is_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
