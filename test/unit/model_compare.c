#include "shadow.h"

#include "base/math.h"
#include "model/compare.h"

#include <stdlib.h>
#include <string.h>

enum { NR_EXTENTS_MAX = 800000 };

struct expected {
    uint64_t missing_bytes;
    uint64_t extra_bytes;
    struct bf_extent *extents;
    size_t nr_extents;
    size_t nr_seen;
    size_t stop_after;
    struct rng *rng;
};

static bool dirty_at(const struct shadow *shadow, uint64_t offset_bytes)
{
    return offset_bytes < shadow->geometry.disk_size_bytes &&
           shadow->dirty[offset_bytes / shadow->geometry.granularity_bytes];
}

static void expect_missing(struct expected *expected, uint64_t start, uint64_t end)
{
    struct bf_extent *next = &expected->extents[expected->nr_extents];

    expected->missing_bytes += end - start;
    if (expected->nr_extents > 0 && next[-1].offset_bytes + next[-1].length_bytes == start) {
        next[-1].length_bytes += end - start;
        return;
    }
    assert_true(expected->nr_extents < NR_EXTENTS_MAX);
    expected->extents[expected->nr_extents++] = (struct bf_extent){start, end - start};
}

static struct expected compare_naively(const struct shadow *reference,
                                       const struct shadow *candidate)
{
    uint64_t reference_size = reference->geometry.disk_size_bytes;
    uint64_t candidate_size = candidate->geometry.disk_size_bytes;
    uint64_t block =
        bf_min_u64(reference->geometry.granularity_bytes, candidate->geometry.granularity_bytes);
    struct expected expected = {.extents = calloc(NR_EXTENTS_MAX, sizeof(struct bf_extent))};

    assert_non_null(expected.extents);
    for (uint64_t at = 0; at < reference_size || at < candidate_size; at += block) {
        bool needed = dirty_at(reference, at);
        bool there = dirty_at(candidate, at);
        uint64_t needed_end = bf_min_u64(at + block, reference_size);

        if (needed && !(there && candidate_size >= needed_end))
            expect_missing(&expected, at, needed_end);
        if (there && !needed)
            expected.extra_bytes += bf_min_u64(at + block, candidate_size) - at;
    }
    return expected;
}

static int check_missing(void *ctx, const struct bf_extent *extent)
{
    struct expected *expected = ctx;
    const struct bf_extent *wanted = &expected->extents[expected->nr_seen];

    check(expected->rng, expected->nr_seen < expected->nr_extents);
    check(expected->rng, expected->stop_after == 0 || expected->nr_seen < expected->stop_after);
    check(expected->rng, extent->offset_bytes == wanted->offset_bytes);
    check(expected->rng, extent->length_bytes == wanted->length_bytes);
    return ++expected->nr_seen == expected->stop_after;
}

static void check_comparison(struct rng *rng, const struct shadow *reference,
                             const struct shadow *candidate)
{
    struct expected expected = compare_naively(reference, candidate);
    struct shadow_source sources[2];
    struct bf_bits a = shadow_bits(&sources[0], reference, rng->seed);
    struct bf_bits b = shadow_bits(&sources[1], candidate, rng->seed + 1);
    struct bf_comparison result;

    expected.rng = rng;
    expected.stop_after = rng_below(rng, 3);
    check(rng, bf_bits_compare(&a, &b, check_missing, &expected, &result, NULL) == 0);
    if (expected.stop_after == 0)
        check(rng, expected.nr_seen == expected.nr_extents);
    check(rng, result.missing_bytes == expected.missing_bytes);
    check(rng, result.extra_bytes == expected.extra_bytes);
    if (expected.missing_bytes > 0) {
        check(rng, result.relation == BF_RELATION_MISSING);
        check(rng, result.first_missing.offset_bytes == expected.extents[0].offset_bytes);
        check(rng, result.first_missing.length_bytes == expected.extents[0].length_bytes);
    } else if (expected.extra_bytes > 0) {
        check(rng, result.relation == BF_RELATION_SUPERSET);
    } else {
        check(rng, result.relation == BF_RELATION_EQUAL);
    }
    free(expected.extents);
}

/* A candidate that is like @reference in most blocks. */
static struct shadow shadow_like(const struct shadow *reference, const struct bf_geometry *geometry,
                                 struct rng *rng)
{
    struct shadow shadow = shadow_new(geometry);
    bool more = rng_below(rng, 2) == 0;

    for (uint64_t bit = 0; bit < shadow.nr_bits; bit++) {
        uint64_t start = bit * geometry->granularity_bytes;
        uint64_t end = bf_min_u64(start + geometry->granularity_bytes, geometry->disk_size_bytes);
        uint64_t step =
            bf_min_u64(geometry->granularity_bytes, reference->geometry.granularity_bytes);

        for (uint64_t at = start; at < end && !shadow.dirty[bit]; at += step)
            shadow.dirty[bit] = dirty_at(reference, at);
    }
    for (uint64_t i = rng_below(rng, 4); i > 0 && shadow.nr_bits > 0; i--)
        shadow.dirty[rng_below(rng, shadow.nr_bits)] = more;
    return shadow;
}

static struct bf_geometry similar_geometry(const struct bf_geometry *geometry, struct rng *rng)
{
    struct bf_geometry similar = *geometry;
    uint64_t granularity = geometry->granularity_bytes;
    uint64_t other = rng_below(rng, 2) == 0 ? granularity << rng_below(rng, 7)
                                            : granularity >> rng_below(rng, 4);

    if (other >= BF_GRANULARITY_MIN_BYTES && other <= BF_GRANULARITY_MAX_BYTES)
        similar.granularity_bytes = other;
    if (rng_below(rng, 2) == 0)
        return similar;
    if (rng_below(rng, 2) == 0)
        similar.disk_size_bytes += rng_below(rng, granularity * 70);
    else
        similar.disk_size_bytes -=
            bf_min_u64(similar.disk_size_bytes, rng_below(rng, granularity * 70));
    return similar;
}

static void test_comparison_agrees_with_block_by_block(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct rng rng = rng_start(seed);
        struct bf_geometry geometry = random_geometry(&rng);
        struct bf_geometry similar = similar_geometry(&geometry, &rng);
        struct shadow reference = shadow_random(&geometry, &rng);
        struct shadow candidate = rng_below(&rng, 3) == 0 ? shadow_random(&similar, &rng)
                                                          : shadow_like(&reference, &similar, &rng);

        check_comparison(&rng, &reference, &candidate);
        check_comparison(&rng, &candidate, &reference);
        shadow_release(&reference);
        shadow_release(&candidate);
    }
}

static void check_dirty_disks(struct bf_geometry reference, struct bf_geometry candidate,
                              enum bf_relation relation, uint64_t missing_bytes,
                              uint64_t extra_bytes)
{
    struct bf_bits a = bf_bits_dirty(&reference);
    struct bf_bits b = bf_bits_dirty(&candidate);
    struct bf_comparison result;

    assert_int_equal(bf_bits_compare(&a, &b, NULL, NULL, &result, NULL), 0);
    assert_int_equal(result.missing_bytes, missing_bytes);
    assert_int_equal(result.extra_bytes, extra_bytes);
    assert_int_equal(result.relation, relation);
}

static void test_a_half_covered_block_is_missing(void **state)
{
    const uint64_t k = 65536;

    (void)state;
    check_dirty_disks((struct bf_geometry){4 * k, k}, (struct bf_geometry){4 * k, k},
                      BF_RELATION_EQUAL, 0, 0);
    check_dirty_disks((struct bf_geometry){4 * k, k}, (struct bf_geometry){4 * k - 1, k},
                      BF_RELATION_MISSING, k, 0);
    check_dirty_disks((struct bf_geometry){4 * k, k}, (struct bf_geometry){3 * k, k},
                      BF_RELATION_MISSING, k, 0);
    check_dirty_disks((struct bf_geometry){4 * k - 5, k}, (struct bf_geometry){4 * k - 6, k},
                      BF_RELATION_MISSING, k - 5, 0);
    check_dirty_disks((struct bf_geometry){4 * k - 6, k}, (struct bf_geometry){4 * k - 5, k},
                      BF_RELATION_EQUAL, 0, 0);
    check_dirty_disks((struct bf_geometry){4 * k, k}, (struct bf_geometry){6 * k + 1, 16 * k},
                      BF_RELATION_SUPERSET, 0, 2 * k + 1);
    check_dirty_disks((struct bf_geometry){0, k}, (struct bf_geometry){0, 16 * k},
                      BF_RELATION_EQUAL, 0, 0);
    check_dirty_disks((struct bf_geometry){7, k}, (struct bf_geometry){0, 16 * k},
                      BF_RELATION_MISSING, 7, 0);
}

static void test_clean_runs_are_not_read(void **state)
{
    struct bf_geometry geometry = {UINT64_C(512) * 3000000, 512};
    struct shadow shadow = shadow_new(&geometry);
    struct shadow_source sources[2];
    struct bf_bits a = shadow_bits(&sources[0], &shadow, 3);
    struct bf_bits b = shadow_bits(&sources[1], &shadow, 6);
    struct bf_comparison result;

    (void)state;
    memset(shadow.dirty + 999936, true, 1000000 / 64 * 64);
    sources[0].mixed_percent = 0;
    sources[1].mixed_percent = 0;
    assert_int_equal(bf_bits_compare(&a, &b, NULL, NULL, &result, NULL), 0);
    assert_int_equal(result.relation, BF_RELATION_EQUAL);
    assert_in_range(sources[0].nr_read_bytes, 0, 1000);
    assert_in_range(sources[1].nr_read_bytes, 0, 1000);
    shadow_release(&shadow);
}

static void test_disks_too_different_are_refused(void **state)
{
    struct bf_geometry fine = {1 << 20, 512};
    struct bf_geometry huge = {UINT64_C(1) << 62, UINT64_C(1) << 31};
    struct bf_bits a = bf_bits_dirty(&fine);
    struct bf_bits b = bf_bits_dirty(&huge);
    struct bf_comparison result;
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    assert_true(bf_bits_compare(&a, &b, NULL, NULL, &result, &err) < 0);
    assert_int_equal(err.code, BF_E_LIMIT);
}

static void test_a_source_that_fails_fails_the_comparison(void **state)
{
    struct bf_geometry geometry = {1000 * 512, 512};
    struct rng rng = rng_start(1);
    struct shadow shadow = shadow_random(&geometry, &rng);

    (void)state;
    for (unsigned which = 0; which < 2; which++) {
        int r = -1;

        for (int calls = 0; r < 0; calls++) {
            struct shadow_source sources[2];
            struct bf_bits a = shadow_bits(&sources[0], &shadow, 1);
            struct bf_bits b = shadow_bits(&sources[1], &shadow, 2);
            struct bf_error err = BF_ERROR_INIT;
            struct bf_comparison result;

            sources[which].fail_after = calls;
            r = bf_bits_compare(&a, &b, NULL, NULL, &result, &err);
            assert_true(r == 0 ? calls > 0 : err.code == BF_E_IO);
        }
    }
    shadow_release(&shadow);
}

static void test_relations_have_names(void **state)
{
    (void)state;
    assert_string_equal(bf_relation_name(BF_RELATION_EQUAL), "equal");
    assert_string_equal(bf_relation_name(BF_RELATION_SUPERSET), "superset");
    assert_string_equal(bf_relation_name(BF_RELATION_MISSING), "missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comparison_agrees_with_block_by_block),
        cmocka_unit_test(test_a_half_covered_block_is_missing),
        cmocka_unit_test(test_clean_runs_are_not_read),
        cmocka_unit_test(test_disks_too_different_are_refused),
        cmocka_unit_test(test_a_source_that_fails_fails_the_comparison),
        cmocka_unit_test(test_relations_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
