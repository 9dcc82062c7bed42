#include "shadow.h"

#include "model/bitmap.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t ONE = 1;

static struct bf_geometry geometry_of(uint64_t disk_size_bytes, uint64_t granularity_bytes)
{
    return (struct bf_geometry){disk_size_bytes, granularity_bytes};
}

static enum bf_code code_of(uint64_t disk_size_bytes, uint64_t granularity_bytes)
{
    struct bf_geometry geometry = geometry_of(disk_size_bytes, granularity_bytes);
    struct bf_error err = BF_ERROR_INIT;
    int r = bf_geometry_check(&geometry, &err);

    assert_int_equal(r, -bf_code_errno(err.code));
    return err.code;
}

static void test_granularity_is_a_power_of_two_that_qemu_has(void **state)
{
    (void)state;
    assert_int_equal(code_of(4096, 0), BF_E_INVALID);
    assert_int_equal(code_of(4096, 256), BF_E_INVALID);
    assert_int_equal(code_of(4096, 512), BF_E_NONE);
    assert_int_equal(code_of(4096, 513), BF_E_INVALID);
    assert_int_equal(code_of(4096, 65536 + 512), BF_E_INVALID);
    assert_int_equal(code_of(4096, ONE << 31), BF_E_NONE);
    assert_int_equal(code_of(4096, ONE << 32), BF_E_INVALID);
    assert_int_equal(code_of(4096, ONE << 63), BF_E_INVALID);
}

static void test_more_bits_than_qemu_stores_are_refused(void **state)
{
    (void)state;
    assert_int_equal(code_of(ONE << 41, 512), BF_E_NONE);
    assert_int_equal(code_of((ONE << 41) + 1, 512), BF_E_LIMIT);
    assert_int_equal(code_of(ONE << 44, 4096), BF_E_NONE);
    assert_int_equal(code_of((ONE << 44) + 1, 4096), BF_E_LIMIT);
    assert_int_equal(code_of(ONE << 63, ONE << 31), BF_E_NONE);
    assert_int_equal(code_of((ONE << 63) + 1, ONE << 31), BF_E_LIMIT);
    assert_int_equal(code_of(UINT64_MAX, ONE << 31), BF_E_LIMIT);
}

static void check_lengths(uint64_t size, uint64_t granularity, uint64_t nr_bits, uint64_t nr_bytes)
{
    struct bf_geometry geometry = geometry_of(size, granularity);

    assert_int_equal(bf_geometry_nr_bits(&geometry), nr_bits);
    assert_int_equal(bf_geometry_packed_bytes(&geometry), nr_bytes);
}

static void test_lengths_round_up_to_bits_and_words(void **state)
{
    (void)state;
    check_lengths(0, 65536, 0, 0);
    check_lengths(1, 65536, 1, 8);
    check_lengths(65536, 65536, 1, 8);
    check_lengths(65537, 65536, 2, 8);
    check_lengths(64 * 65536, 65536, 64, 8);
    check_lengths(64 * 65536 + 1, 65536, 65, 16);
    check_lengths(512, ONE << 31, 1, 8);
    check_lengths(ONE << 63, ONE << 31, ONE << 32, ONE << 29);
    check_lengths(UINT64_MAX, ONE << 31, ONE << 33, ONE << 30);
}

static void check_window(const struct bf_geometry *geometry, uint64_t offset, uint64_t nr)
{
    uint64_t nr_bits = bf_geometry_nr_bits(geometry);
    uint8_t filled[40];
    uint8_t masked[40];

    memset(filled, 0x5a, sizeof filled);
    memset(masked, 0x5a, sizeof masked);
    memset(masked + 1, 0xc3, nr);
    bf_bits_fill_dirty(geometry, offset, filled + 1, nr);
    bf_bits_mask_padding(geometry, offset, masked + 1, nr);
    for (uint64_t i = 0; i < nr * 8; i++) {
        bool real = offset * 8 + i < nr_bits;
        assert_int_equal(filled[1 + i / 8] >> (i % 8) & 1, real);
        assert_int_equal(masked[1 + i / 8] >> (i % 8) & 1, real && (0xc3 >> (i % 8) & 1));
    }
    assert_int_equal(filled[0], 0x5a);
    assert_int_equal(filled[nr + 1], 0x5a);
    assert_int_equal(masked[0], 0x5a);
    assert_int_equal(masked[nr + 1], 0x5a);
}

static void test_padding_is_masked_in_every_window(void **state)
{
    (void)state;
    for (uint64_t nr_bits = 0; nr_bits <= 200; nr_bits++) {
        struct bf_geometry geometry = geometry_of(nr_bits * 512, 512);
        uint64_t packed_bytes = bf_geometry_packed_bytes(&geometry);

        for (uint64_t offset = 0; offset <= packed_bytes; offset++)
            for (uint64_t nr = 0; nr <= packed_bytes - offset; nr++)
                check_window(&geometry, offset, nr);
    }
}

static void test_reading_outside_is_refused(void **state)
{
    struct bf_geometry geometry = geometry_of(100 * 512, 512);
    struct bf_bits bits = bf_bits_dirty(&geometry);
    enum bf_run_kind kind;
    uint64_t nr;
    uint8_t buf[32];

    (void)state;
    assert_int_equal(bf_bits_read(&bits, 0, buf, 16, NULL), 0);
    assert_int_equal(bf_bits_read(&bits, 16, buf, 0, NULL), 0);
    assert_true(bf_bits_read(&bits, 0, buf, 17, NULL) < 0);
    assert_true(bf_bits_read(&bits, 17, buf, 0, NULL) < 0);
    assert_true(bf_bits_read(&bits, 8, buf, UINT64_MAX, NULL) < 0);
    assert_true(bf_bits_read(&bits, UINT64_MAX, buf, 8, NULL) < 0);
    assert_int_equal(bf_bits_run(&bits, 15, 1, &kind, &nr, NULL), 0);
    assert_true(bf_bits_run(&bits, 15, 2, &kind, &nr, NULL) < 0);
    assert_true(bf_bits_run(&bits, 0, 0, &kind, &nr, NULL) < 0);
    assert_true(bf_bits_run(&bits, 1, UINT64_MAX, &kind, &nr, NULL) < 0);
}

static int say_too_much(void *ctx, uint64_t offset_bytes, uint64_t max_bytes,
                        enum bf_run_kind *ret_kind, uint64_t *ret_nr_bytes, struct bf_error *err)
{
    (void)offset_bytes;
    (void)max_bytes;
    (void)err;
    *ret_kind = BF_RUN_CLEAN;
    *ret_nr_bytes = *(const uint64_t *)ctx;
    return 0;
}

static void test_what_a_source_says_is_clipped(void **state)
{
    uint64_t says = UINT64_MAX;
    struct bf_bits_ops ops = {.run = say_too_much};
    struct bf_bits bits = {.ops = &ops, .ctx = &says, .geometry = {64 * 512, 512}};
    enum bf_run_kind kind;
    uint64_t nr;

    (void)state;
    assert_int_equal(bf_bits_run(&bits, 2, 5, &kind, &nr, NULL), 0);
    assert_int_equal(kind, BF_RUN_CLEAN);
    assert_int_equal(nr, 5);
    says = 0;
    assert_int_equal(bf_bits_run(&bits, 2, 5, &kind, &nr, NULL), 0);
    assert_int_equal(kind, BF_RUN_MIXED);
    assert_int_equal(nr, 5);
}

static void test_sources_without_storage(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rng rng = rng_start(seed);
        struct bf_geometry geometry = random_geometry(&rng);
        struct shadow shadow = shadow_new(&geometry);
        struct bf_bits bits = bf_bits_clean(&geometry);

        check_bits(&rng, &bits, &shadow);
        memset(shadow.dirty, true, shadow.nr_bits);
        bits = bf_bits_dirty(&geometry);
        check_bits(&rng, &bits, &shadow);
        shadow_release(&shadow);
    }
}

static void write_both(struct bf_bitmap *bitmap, struct shadow *shadow, struct rng *rng)
{
    uint64_t size = shadow->geometry.disk_size_bytes;
    uint64_t granularity = shadow->geometry.granularity_bytes;
    uint64_t offset = rng_below(rng, size + granularity);
    uint64_t length = rng_below(rng, 8) == 0 ? rng_next(rng) : rng_below(rng, 20 * granularity);

    bf_bitmap_write(bitmap, offset, length);
    for (uint64_t bit = 0; bit < shadow->nr_bits && length > 0; bit++) {
        uint64_t start = bit * granularity;
        uint64_t end = start + granularity < size ? start + granularity : size;
        bool before = offset < start && length <= start - offset;

        if (offset < end && !before)
            shadow->dirty[bit] = true;
    }
}

static void test_writes_set_every_bit_they_touch(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct rng rng = rng_start(seed);
        struct bf_geometry geometry = random_geometry(&rng);
        struct shadow shadow = shadow_new(&geometry);
        BF_CLEANUP(bf_bitmap_freep) struct bf_bitmap *bitmap = NULL;
        struct bf_bits bits;

        check(&rng, bf_bitmap_new(&geometry, &bitmap, NULL) == 0);
        check(&rng, bitmap->nr_bits == shadow.nr_bits);
        for (unsigned i = 0; i < 6; i++)
            write_both(bitmap, &shadow, &rng);
        if (shadow.nr_bits > 0) {
            uint64_t bit = rng_below(&rng, shadow.nr_bits);
            check(&rng, bf_bitmap_get(bitmap, bit) == shadow.dirty[bit]);
            bf_bitmap_set(bitmap, bit);
            shadow.dirty[bit] = true;
            check(&rng, bf_bitmap_get(bitmap, bit));
        }
        bits = bf_bitmap_bits(bitmap);
        check_bits(&rng, &bits, &shadow);
        shadow_release(&shadow);
    }
}

static void test_loading_gives_the_same_bits(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct rng rng = rng_start(seed);
        struct bf_geometry geometry = random_geometry(&rng);
        struct shadow shadow = shadow_random(&geometry, &rng);
        BF_CLEANUP(bf_bitmap_freep) struct bf_bitmap *bitmap = NULL;
        struct shadow_source source;
        struct bf_bits bits = shadow_bits(&source, &shadow, seed);
        struct bf_bits loaded;

        check(&rng, bf_bitmap_load(&bits, &bitmap, NULL) == 0);
        loaded = bf_bitmap_bits(bitmap);
        check_bits(&rng, &loaded, &shadow);
        shadow_release(&shadow);
    }
}

static void test_loading_does_not_read_what_is_known(void **state)
{
    struct bf_geometry geometry = geometry_of(100000 * 512, 512);
    struct shadow shadow = shadow_new(&geometry);
    BF_CLEANUP(bf_bitmap_freep) struct bf_bitmap *bitmap = NULL;
    struct shadow_source source;
    struct bf_bits bits = shadow_bits(&source, &shadow, 1);

    (void)state;
    memset(shadow.dirty + 8000, true, 72000);
    source.mixed_percent = 0;
    assert_int_equal(bf_bitmap_load(&bits, &bitmap, NULL), 0);
    assert_int_equal(source.nr_read_bytes, 0);
    assert_false(bf_bitmap_get(bitmap, 7999));
    assert_true(bf_bitmap_get(bitmap, 8000));
    shadow_release(&shadow);
}

static void test_a_source_that_fails_fails_the_load(void **state)
{
    struct bf_geometry geometry = geometry_of(1000 * 512, 512);
    struct rng rng = rng_start(1);
    struct shadow shadow = shadow_random(&geometry, &rng);
    int r = -1;

    (void)state;
    for (int calls = 0; r < 0; calls++) {
        struct bf_bitmap *bitmap = NULL;
        struct shadow_source source;
        struct bf_bits bits = shadow_bits(&source, &shadow, 1);
        struct bf_error err = BF_ERROR_INIT;

        source.fail_after = calls;
        r = bf_bitmap_load(&bits, &bitmap, &err);
        assert_true(r == 0 ? bitmap != NULL : bitmap == NULL && err.code == BF_E_IO);
        bf_bitmap_free(bitmap);
        assert_true(calls < 10000);
    }
    shadow_release(&shadow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_granularity_is_a_power_of_two_that_qemu_has),
        cmocka_unit_test(test_more_bits_than_qemu_stores_are_refused),
        cmocka_unit_test(test_lengths_round_up_to_bits_and_words),
        cmocka_unit_test(test_padding_is_masked_in_every_window),
        cmocka_unit_test(test_reading_outside_is_refused),
        cmocka_unit_test(test_what_a_source_says_is_clipped),
        cmocka_unit_test(test_sources_without_storage),
        cmocka_unit_test(test_writes_set_every_bit_they_touch),
        cmocka_unit_test(test_loading_gives_the_same_bits),
        cmocka_unit_test(test_loading_does_not_read_what_is_known),
        cmocka_unit_test(test_a_source_that_fails_fails_the_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
