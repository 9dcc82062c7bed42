/* The map of an export against a naive model: one char for every 512 bytes. */
#include "map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    SECTOR = 512,
    REQUEST = 256 << 10,
};

static struct bf_nbd_map map;

static void begin_map(uint64_t size_bytes, bool has_extents)
{
    assert_int_equal(bf_nbd_map_init(&map, size_bytes, has_extents, NULL, 0, NULL), 0);
    map.piece_bytes = BF_NBD_PIECE_BYTES; /* the largest questions at once */
}

/* Answer the question that the map has, from @model ('0' hole, '1' data), in extents of at most
 * @max_sectors; covering @share per cent of it, but something. */
static bool answer(const char *model, size_t max_sectors, unsigned share)
{
    uint64_t offset_bytes;
    uint64_t nr_bytes;
    size_t at;
    size_t end;

    if (!bf_nbd_map_ask(&map, &offset_bytes, &nr_bytes))
        return false;
    assert_int_equal(offset_bytes % SECTOR, 0);
    at = offset_bytes / SECTOR;
    end = at + nr_bytes / SECTOR * share / 100 + (share < 100);
    while (at < end) {
        size_t nr = 1;
        while (at + nr < end && nr < max_sectors && model[at + nr] == model[at])
            nr++;
        assert_int_equal(bf_nbd_map_extent(&map, nr * SECTOR, model[at] == '0', NULL), 0);
        at += nr;
    }
    assert_int_equal(bf_nbd_map_answered(&map, NULL), 0);
    return true;
}

/* What is taken must be in order, gapless, and call nothing a hole that is data. */
static uint64_t take_all(const char *model, uint64_t from, uint64_t *nr_read_bytes)
{
    struct bf_nbd_run run;

    while (bf_nbd_map_take(&map, REQUEST, &run)) {
        assert_int_equal(run.offset_bytes, from);
        assert_true(run.nr_bytes > 0);
        if (run.hole)
            assert_null(memchr(model + from / SECTOR, '1', run.nr_bytes / SECTOR));
        else
            *nr_read_bytes += run.nr_bytes;
        assert_true(run.hole || run.nr_bytes <= REQUEST);
        from += run.nr_bytes;
    }
    return from;
}

static uint64_t walk(const char *model, size_t nr_sectors, size_t max_sectors, unsigned share)
{
    uint64_t nr_read_bytes = 0;
    uint64_t taken = 0;

    begin_map(nr_sectors * SECTOR, true);
    while (answer(model, max_sectors, share))
        taken = take_all(model, taken, &nr_read_bytes);
    assert_int_equal(taken, nr_sectors * SECTOR);
    return nr_read_bytes;
}

static char *model_new(size_t nr_sectors, char fill)
{
    char *model = malloc(nr_sectors + 1);

    assert_non_null(model);
    memset(model, fill, nr_sectors);
    return model;
}

static void random_maps_are_covered_in_order(void **state)
{
    unsigned seed = 7;

    (void)state;
    for (unsigned n = 0; n < 60; n++) {
        size_t nr_sectors = 1 + (size_t)rand_r(&seed) % 200000;
        size_t max_run = 1 + (size_t)rand_r(&seed) % (n % 2 ? 100 : 20000);
        char *model = model_new(nr_sectors, '0');
        for (size_t at = 0; at < nr_sectors;) {
            size_t nr = 1 + (size_t)rand_r(&seed) % max_run;
            nr = nr < nr_sectors - at ? nr : nr_sectors - at;
            memset(model + at, rand_r(&seed) % 2 ? '1' : '0', nr);
            at += nr;
        }
        walk(model, nr_sectors, 1 + (size_t)rand_r(&seed) % 300, 1 + (unsigned)rand_r(&seed) % 100);
        free(model);
    }
}

static void an_all_zero_export_is_not_read(void **state)
{
    char *model = model_new(300000, '0');

    (void)state;
    assert_int_equal(walk(model, 300000, SIZE_MAX, 100), 0);
    assert_int_equal(walk(model, 300000, 1, 100), 0);
    assert_int_equal(walk(model, 300000, 3, 1), 0);
    free(model);
}

static void short_holes_are_read_and_long_ones_are_not(void **state)
{
    const size_t min = BF_NBD_HOLE_MIN_BYTES / SECTOR;
    char *model = model_new(10000, '1');

    (void)state;
    memset(model + 100, '0', min - 1);
    memset(model + 5000, '0', min);
    assert_int_equal(walk(model, 10000, SIZE_MAX, 100), (10000 - min) * SECTOR);
    memset(model, '0', min - 1); /* at the beginning, with nothing before it */
    assert_int_equal(walk(model, 10000, SIZE_MAX, 100), (10000 - min) * SECTOR);
    free(model);
}

static void the_worst_map_fits_while_nothing_is_taken(void **state)
{
    const size_t min = BF_NBD_HOLE_MIN_BYTES / SECTOR;
    const size_t nr_sectors = 4u * BF_NBD_PIECE_BYTES / SECTOR;
    char *model = model_new(nr_sectors, '0');
    uint64_t nr_read_bytes = 0;
    unsigned nr_answers = 0;

    (void)state;
    for (size_t at = 0; at < nr_sectors; at += min + 1)
        model[at] = '1';
    begin_map(nr_sectors * SECTOR, true);
    while (answer(model, SIZE_MAX, 100)) {
        nr_answers++;
        assert_true(map.end <= sizeof map.runs / sizeof map.runs[0]);
    }
    assert_in_range(nr_answers, 1, 3); /* it stopped asking */
    take_all(model, 0, &nr_read_bytes);
    assert_true(answer(model, SIZE_MAX, 100));
    free(model);
}

static void without_extents_all_is_data_and_nothing_is_asked(void **state)
{
    char *model = model_new(1000, '1');
    uint64_t nr_read_bytes = 0;
    uint64_t ignored;

    (void)state;
    begin_map(1000 * SECTOR, false);
    assert_false(bf_nbd_map_ask(&map, &ignored, &ignored));
    assert_int_equal(take_all(model, 0, &nr_read_bytes), 1000 * SECTOR);
    assert_int_equal(nr_read_bytes, 1000 * SECTOR);
    begin_map(0, false);
    assert_int_equal(take_all(model, 0, &nr_read_bytes), 0);
    begin_map(0, true);
    assert_false(bf_nbd_map_ask(&map, &ignored, &ignored));
    free(model);
}

static void one_question_is_under_way_and_never_4_gib_long(void **state)
{
    uint64_t offset_bytes;
    uint64_t nr_bytes;

    (void)state;
    begin_map(UINT64_C(1) << 60, true);
    assert_true(bf_nbd_map_ask(&map, &offset_bytes, &nr_bytes));
    assert_int_equal(nr_bytes, BF_NBD_PIECE_BYTES);
    assert_false(bf_nbd_map_ask(&map, &offset_bytes, &nr_bytes));
}

static void what_the_server_says_is_clipped_or_refused(void **state)
{
    struct bf_error err = BF_ERROR_INIT;
    const uint64_t size_bytes = 2 * (uint64_t)BF_NBD_PIECE_BYTES;
    uint64_t ignored;

    (void)state;
    begin_map(size_bytes, true);
    bf_nbd_map_ask(&map, &ignored, &ignored);
    assert_true(bf_nbd_map_answered(&map, &err) < 0);
    assert_int_equal(err.code, BF_E_PROTOCOL);
    assert_true(bf_nbd_map_extent(&map, 0, true, NULL) < 0);
    assert_true(bf_nbd_map_extent(&map, size_bytes + 1, true, NULL) < 0);
    assert_true(bf_nbd_map_extent(&map, UINT64_MAX, true, NULL) < 0);
    assert_int_equal(bf_nbd_map_extent(&map, SECTOR, true, NULL), 0);
    assert_true(bf_nbd_map_extent(&map, size_bytes, true, NULL) < 0);
    assert_int_equal(bf_nbd_map_extent(&map, size_bytes - SECTOR, true, NULL), 0);
    assert_int_equal(map.mapped_bytes, BF_NBD_PIECE_BYTES);
    assert_int_equal(bf_nbd_map_extent(&map, SECTOR, true, NULL), 0); /* past it: not heard */
    assert_int_equal(map.mapped_bytes, BF_NBD_PIECE_BYTES);
    assert_int_equal(bf_nbd_map_answered(&map, NULL), 0);
}

static void questions_begin_small_and_grow(void **state)
{
    uint64_t expected_bytes = BF_NBD_FIRST_PIECE_BYTES;
    uint64_t offset_bytes;
    uint64_t nr_bytes;

    (void)state;
    assert_int_equal(bf_nbd_map_init(&map, UINT64_C(1) << 40, true, NULL, 0, NULL), 0);
    for (unsigned n = 0; n < 20; n++) {
        assert_true(bf_nbd_map_ask(&map, &offset_bytes, &nr_bytes));
        assert_int_equal(nr_bytes, expected_bytes);
        assert_int_equal(bf_nbd_map_extent(&map, nr_bytes, true, NULL), 0);
        assert_int_equal(bf_nbd_map_answered(&map, NULL), 0);
        if (expected_bytes < BF_NBD_PIECE_BYTES)
            expected_bytes *= 2;
    }
}

enum { NR_RANGES = 40 };

/* Ranges over a model, some of them adjacent. */
static size_t draw_ranges(unsigned *seed, size_t nr_sectors, struct bf_nbd_range *ranges)
{
    size_t nr_ranges = 0;

    for (size_t at = 0; nr_ranges < NR_RANGES; nr_ranges++) {
        size_t nr;

        at += rand_r(seed) % 3 ? (size_t)rand_r(seed) % (nr_sectors / 20) : 0;
        nr = 1 + (size_t)rand_r(seed) % (nr_sectors / 20);
        if (at + nr > nr_sectors)
            break;
        ranges[nr_ranges] = (struct bf_nbd_range){at * SECTOR, nr * SECTOR};
        at += nr;
    }
    return nr_ranges;
}

/* Take all that is mapped: within the ranges, in order, and no data called a hole.  @done is how
 * many bytes of the ranges were taken before. */
static uint64_t take_ranges(const char *model, const struct bf_nbd_range *ranges, uint64_t done)
{
    struct bf_nbd_run run;

    while (bf_nbd_map_take(&map, REQUEST, &run)) {
        assert_true(run.nr_bytes > 0);
        for (uint64_t at = 0; at < run.nr_bytes; at += SECTOR, done += SECTOR) {
            const struct bf_nbd_range *range = ranges;
            uint64_t before = 0;

            for (; done - before >= range->nr_bytes; range++)
                before += range->nr_bytes;
            assert_int_equal(run.offset_bytes + at, range->offset_bytes + (done - before));
            assert_true(!run.hole || model[(run.offset_bytes + at) / SECTOR] == '0');
        }
    }
    return done;
}

static void only_ranges_are_asked_for_and_taken(void **state)
{
    unsigned seed = 11;

    (void)state;
    for (unsigned n = 0; n < 60; n++) {
        size_t nr_sectors = 400 + (size_t)rand_r(&seed) % 20000;
        char *model = model_new(nr_sectors, '1');
        struct bf_nbd_range ranges[NR_RANGES];
        size_t nr_ranges = draw_ranges(&seed, nr_sectors, ranges);
        bool has_extents = n % 4 != 0;
        uint64_t wanted = 0;
        uint64_t done = 0;

        for (size_t at = 0; at < nr_sectors; at += 1 + (size_t)rand_r(&seed) % 400)
            memset(model + at, '0', (size_t)rand_r(&seed) % (nr_sectors - at) % 200);
        for (size_t i = 0; i < nr_ranges; i++)
            wanted += ranges[i].nr_bytes;
        assert_int_equal(
            bf_nbd_map_init(&map, nr_sectors * SECTOR, has_extents, ranges, nr_ranges, NULL), 0);
        assert_int_equal(map.wanted_bytes, wanted);
        while (answer(model, 1 + (size_t)rand_r(&seed) % 300, 100))
            done = take_ranges(model, ranges, done);
        assert_int_equal(take_ranges(model, ranges, done), wanted);
        free(model);
    }
}

static void ranges_out_of_order_or_bounds_are_refused(void **state)
{
    static const struct {
        struct bf_nbd_range ranges[2];
        enum bf_code code;
    } bad[] = {
        {{{0, 10}, {9, 1}}, BF_E_INVALID},   {{{10, 10}, {0, 5}}, BF_E_INVALID},
        {{{0, 10}, {10, 0}}, BF_E_INVALID},  {{{1, UINT64_MAX}, {5, 1}}, BF_E_INVALID},
        {{{0, 10}, {95, 6}}, BF_E_PROTOCOL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct bf_error err = BF_ERROR_INIT;

        assert_true(bf_nbd_map_init(&map, 100, true, bad[i].ranges, 2, &err) < 0);
        assert_int_equal(err.code, bad[i].code);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_maps_are_covered_in_order),
        cmocka_unit_test(an_all_zero_export_is_not_read),
        cmocka_unit_test(short_holes_are_read_and_long_ones_are_not),
        cmocka_unit_test(the_worst_map_fits_while_nothing_is_taken),
        cmocka_unit_test(without_extents_all_is_data_and_nothing_is_asked),
        cmocka_unit_test(one_question_is_under_way_and_never_4_gib_long),
        cmocka_unit_test(what_the_server_says_is_clipped_or_refused),
        cmocka_unit_test(questions_begin_small_and_grow),
        cmocka_unit_test(only_ranges_are_asked_for_and_taken),
        cmocka_unit_test(ranges_out_of_order_or_bounds_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
