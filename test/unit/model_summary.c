#include "shadow.h"

#include "base/text.h"
#include "model/bitmap.h"
#include "model/summary.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

static void check_known(const struct bf_bits *bits, uint64_t nr_dirty_bits, const char *sha256)
{
    struct bf_summary summary;
    char text[BF_HEX_SHA256_MAX];

    assert_int_equal(bf_bits_summarize(bits, NULL, &summary, NULL), 0);
    bf_hex_encode(summary.sha256, sizeof summary.sha256, text);
    assert_string_equal(text, sha256);
    assert_int_equal(summary.nr_dirty_bits, nr_dirty_bits);
}

/* The digests are what sha256sum says of the packed bytes. */
static void test_known_digests(void **state)
{
    struct bf_geometry geometry = {0, 65536};
    struct bf_bits bits = bf_bits_dirty(&geometry);

    (void)state;
    check_known(&bits, 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    geometry.disk_size_bytes = 1;
    bits = bf_bits_clean(&geometry);
    check_known(&bits, 0, "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc");
    geometry.disk_size_bytes = 100 * 65536;
    bits = bf_bits_dirty(&geometry);
    check_known(&bits, 100, "0df78064313eebff2f2483b28380596bed9343d01151b1ee9d06d324d9882ee5");
    geometry.disk_size_bytes = UINT64_C(65536) * ((1 << 20) + 1);
    bits = bf_bits_clean(&geometry);
    check_known(&bits, 0, "aa7db7093aaece22495cdd47cd53337e361f003c48c7531b261eb6466cc8252e");
}

static void test_known_digest_of_alternate_bits(void **state)
{
    struct bf_geometry geometry = {UINT64_C(1) << 40, 65536};
    BF_CLEANUP(bf_bitmap_freep) struct bf_bitmap *bitmap = NULL;
    struct bf_bits bits;

    (void)state;
    assert_int_equal(bf_bitmap_new(&geometry, &bitmap, NULL), 0);
    for (uint64_t bit = 0; bit < bitmap->nr_bits; bit += 2)
        bf_bitmap_set(bitmap, bit);
    bits = bf_bitmap_bits(bitmap);
    check_known(&bits, 1 << 23, "aa5b27f5e2dad9c8a5a6d04320887656484d917c085a4435a919dc2aadc35ec0");
}

static struct bf_summary naive_summary(const struct shadow *shadow)
{
    struct bf_summary summary = {.nr_dirty_bits = 0};
    struct sha256_ctx ctx;
    uint64_t nr_bytes;
    uint8_t *packed = shadow_pack(shadow, &nr_bytes);

    for (uint64_t bit = 0; bit < shadow->nr_bits; bit++)
        summary.nr_dirty_bits += shadow->dirty[bit];
    sha256_init(&ctx);
    sha256_update(&ctx, nr_bytes, packed);
    sha256_digest(&ctx, sizeof summary.sha256, summary.sha256);
    free(packed);
    return summary;
}

static struct bf_summary feed_in_pieces(const struct shadow *shadow, struct rng *rng)
{
    BF_CLEANUP(bf_summarizer_freep) struct bf_summarizer *summarizer = NULL;
    struct bf_summary summary;
    uint64_t nr_bytes;
    uint64_t nr = 0;
    uint8_t *packed = shadow_pack(shadow, &nr_bytes);

    check(rng, bf_summarizer_new(&summarizer, NULL) == 0);
    for (uint64_t offset = 0; offset < nr_bytes; offset += nr) {
        uint64_t nr_clean = 0;

        while (offset + nr_clean < nr_bytes && packed[offset + nr_clean] == 0)
            nr_clean++;
        nr = 1 + rng_below(rng, nr_bytes - offset);
        if (nr_clean > 0) {
            nr = nr_clean;
            bf_summarizer_feed_clean(summarizer, nr);
        } else {
            bf_summarizer_feed(summarizer, packed + offset, nr);
        }
    }
    bf_summarizer_finish(summarizer, &summary);
    free(packed);
    return summary;
}

static void test_summary_is_that_of_the_packed_bytes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct rng rng = rng_start(seed);
        struct bf_geometry geometry = random_geometry(&rng);
        struct shadow shadow = shadow_random(&geometry, &rng);
        struct bf_summary expected = naive_summary(&shadow);
        struct shadow_source source;
        struct bf_bits bits = shadow_bits(&source, &shadow, seed);
        struct bf_summary summary;

        check(&rng, bf_bits_summarize(&bits, NULL, &summary, NULL) == 0);
        check(&rng, bf_summary_equal(&summary, &expected));
        check(&rng, bf_summary_dirty_bytes(&summary, &geometry) ==
                        expected.nr_dirty_bits * geometry.granularity_bytes);
        summary = feed_in_pieces(&shadow, &rng);
        check(&rng, bf_summary_equal(&summary, &expected));
        shadow_release(&shadow);
    }
}

static void test_equal_means_count_and_digest(void **state)
{
    struct bf_summary a = {.nr_dirty_bits = 5, .sha256 = {1, 2, 3}};
    struct bf_summary b = a;

    (void)state;
    assert_true(bf_summary_equal(&a, &b));
    b.nr_dirty_bits = 6;
    assert_false(bf_summary_equal(&a, &b));
    b = a;
    b.sha256[BF_SHA256_BYTES - 1] = 1;
    assert_false(bf_summary_equal(&a, &b));
}

static void test_runs_are_not_read(void **state)
{
    struct bf_geometry geometry = {UINT64_C(512) * 3000000, 512};
    struct shadow shadow = shadow_new(&geometry);
    struct shadow_source source;
    struct bf_bits bits = shadow_bits(&source, &shadow, 3);
    struct bf_summary summary;

    (void)state;
    memset(shadow.dirty + 1000000, true, 1000000);
    source.mixed_percent = 0;
    assert_int_equal(bf_bits_summarize(&bits, NULL, &summary, NULL), 0);
    assert_int_equal(summary.nr_dirty_bits, 1000000);
    assert_int_equal(source.nr_read_bytes, 0);
    shadow_release(&shadow);
}

static int stop_at(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
    uint64_t *stop_bytes = ctx;

    assert_int_equal(total_bytes, 1 << 20);
    assert_true(done_bytes <= total_bytes);
    if (done_bytes < *stop_bytes)
        return 0;
    *stop_bytes = UINT64_MAX;
    return 1;
}

static void test_progress_can_stop_the_work(void **state)
{
    struct bf_geometry geometry = {UINT64_C(512) << 23, 512};
    struct bf_bits bits = bf_bits_dirty(&geometry);
    uint64_t stop_bytes = 300000;
    struct bf_progress progress = {.function = stop_at, .ctx = &stop_bytes};
    struct bf_error err = BF_ERROR_INIT;
    struct bf_summary summary;

    (void)state;
    assert_true(bf_bits_summarize(&bits, &progress, &summary, &err) < 0);
    assert_int_equal(err.code, BF_E_INTERRUPTED);
    assert_int_equal(stop_bytes, UINT64_MAX);
    assert_int_equal(bf_bits_summarize(&bits, &progress, &summary, NULL), 0);
}

static void test_a_source_that_fails_fails_the_summary(void **state)
{
    struct bf_geometry geometry = {1000 * 512, 512};
    struct rng rng = rng_start(3);
    struct shadow shadow = shadow_random(&geometry, &rng);
    int r = -1;

    (void)state;
    for (int calls = 0; r < 0; calls++) {
        struct shadow_source source;
        struct bf_bits bits = shadow_bits(&source, &shadow, 1);
        struct bf_error err = BF_ERROR_INIT;
        struct bf_summary summary;

        source.fail_after = calls;
        r = bf_bits_summarize(&bits, NULL, &summary, &err);
        assert_true(r == 0 ? calls > 0 : err.code == BF_E_IO);
    }
    shadow_release(&shadow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_digests),
        cmocka_unit_test(test_known_digest_of_alternate_bits),
        cmocka_unit_test(test_summary_is_that_of_the_packed_bytes),
        cmocka_unit_test(test_equal_means_count_and_digest),
        cmocka_unit_test(test_runs_are_not_read),
        cmocka_unit_test(test_progress_can_stop_the_work),
        cmocka_unit_test(test_a_source_that_fails_fails_the_summary),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
