/* Overlaps are found exactly where a comparison of every pair finds them. */
#include "regions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

static bool meet(const struct bf_region *a, const struct bf_region *b)
{
    return a->start_bytes < b->end_bytes && b->start_bytes < a->end_bytes;
}

static bool any_pair_meets(const struct bf_region *list, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        for (unsigned k = i + 1; k < nr; k++) {
            if (meet(&list[i], &list[k]))
                return true;
        }
    }
    return false;
}

static void overlaps_are_those_of_all_pairs(void **state)
{
    unsigned nr_overlaps = 0;

    (void)state;
    srand(1);
    for (unsigned round = 0; round < 2000; round++) {
        struct bf_regions regions = {0};
        struct bf_region list[8];
        struct bf_region a;
        struct bf_region b;

        for (unsigned i = 0; i < 8; i++) {
            uint64_t start = (uint64_t)rand() % 60;

            list[i] = (struct bf_region){.start_bytes = start,
                                         .end_bytes = start + (uint64_t)rand() % 5,
                                         .kind = BF_REGION_BITS,
                                         .bitmap = (uint32_t)rand() % 2};
            if (list[i].start_bytes == list[i].end_bytes) /* nothing meets it, wherever it is */
                list[i].start_bytes = list[i].end_bytes = 1000;
            assert_int_equal(bf_regions_add(&regions, &list[i], NULL), 0);
        }
        if (bf_regions_overlap(&regions, &a, &b)) {
            assert_true(any_pair_meets(list, 8));
            assert_true(meet(&a, &b));
            nr_overlaps++;
        } else {
            assert_false(any_pair_meets(list, 8));
        }
        free(regions.list);
    }
    assert_in_range(nr_overlaps, 200, 1900);
}

static void neighbours_become_one(void **state)
{
    struct bf_regions regions = {0};

    (void)state;
    for (uint64_t i = 0; i < 100000; i++) {
        const struct bf_region region = {
            .start_bytes = 10 * i, .end_bytes = 10 * i + 10, .kind = BF_REGION_BITS};

        assert_int_equal(bf_regions_add(&regions, &region, NULL), 0);
    }
    assert_int_equal(regions.nr_regions, 1);
    assert_int_equal(regions.list[0].end_bytes, 1000000);
    free(regions.list);
}

static void neighbours_of_two_bitmaps_stay_two(void **state)
{
    const struct bf_region list[] = {
        {.start_bytes = 0, .end_bytes = 10, .kind = BF_REGION_BITS, .bitmap = 0},
        {.start_bytes = 10, .end_bytes = 20, .kind = BF_REGION_BITS, .bitmap = 1},
        {.start_bytes = 20, .end_bytes = 30, .kind = BF_REGION_TABLE, .bitmap = 1},
    };
    struct bf_regions regions = {0};

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(bf_regions_add(&regions, &list[i], NULL), 0);
    assert_int_equal(regions.nr_regions, 3);
    free(regions.list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overlaps_are_those_of_all_pairs),
        cmocka_unit_test(neighbours_become_one),
        cmocka_unit_test(neighbours_of_two_bitmaps_stay_two),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
