/* The qcow2 view, read with our own reader; test/integration/carrier_write.sh asks QEMU. */
#include "base/math.h"
#include "carrier/refcounts.h"
#include "carrier/view.h"
#include "carrier_support.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CLUSTER = 64 << 10 };

static const uint64_t GIB = UINT64_C(1) << 30;
static const uint64_t PIB = UINT64_C(1) << 50;

/* Bits that know about themselves as much as the shadow bitmap tells, in stretches of @step_bytes.
 */
struct source {
    struct bf_bitmap *bitmap;
    uint64_t step_bytes;
    bool knows_nothing;
    int read_result;
    int run_result;
};

static int source_read(void *ctx, uint64_t offset_bytes, uint8_t *buf, uint64_t nr_bytes,
                       struct bf_error *err)
{
    struct source *source = ctx;

    if (source->read_result < 0)
        return bf_error_set(err, BF_E_IMAGE_CHANGED, "changed underneath");
    memcpy(buf, source->bitmap->packed + offset_bytes, nr_bytes);
    return 0;
}

/* Is [start, end) what an all dirty bitmap has there? */
static bool all_dirty(const struct bf_bitmap *bitmap, uint64_t start, uint64_t end)
{
    for (uint64_t bit = start * 8; bit < bf_min_u64(end * 8, bitmap->nr_bits); bit++) {
        if (!bf_bitmap_get(bitmap, bit))
            return false;
    }
    return true;
}

static bool all_zero(const uint8_t *bytes, uint64_t nr_bytes)
{
    for (uint64_t i = 0; i < nr_bytes; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

static int source_run(void *ctx, uint64_t offset_bytes, uint64_t max_bytes,
                      enum bf_run_kind *ret_kind, uint64_t *ret_nr_bytes, struct bf_error *err)
{
    struct source *source = ctx;
    uint64_t end = (offset_bytes / source->step_bytes + 1) * source->step_bytes;

    if (source->run_result < 0)
        return bf_error_set(err, BF_E_IMAGE_CORRUPT, "bad table");
    end = bf_min_u64(end, offset_bytes + max_bytes);
    *ret_nr_bytes = end - offset_bytes;
    *ret_kind = BF_RUN_MIXED;
    if (source->knows_nothing)
        return 0;
    if (all_zero(source->bitmap->packed + offset_bytes, *ret_nr_bytes))
        *ret_kind = BF_RUN_CLEAN;
    else if (all_dirty(source->bitmap, offset_bytes, end))
        *ret_kind = BF_RUN_DIRTY;
    return 0;
}

static struct bf_bits source_bits(struct source *source)
{
    static const struct bf_bits_ops ops = {.read = source_read, .run = source_run};

    return (struct bf_bits){&ops, source, source->bitmap->geometry};
}

static struct bf_view *new_view(struct source *source, const char *name, bool recording)
{
    struct bf_bits bits = source_bits(source);
    struct bf_view *view = NULL;
    struct bf_error err = BF_ERROR_INIT;

    if (bf_view_new(&bits, name, recording, &view, &err) < 0)
        fail_msg("%s", err.text);
    return view;
}

static uint8_t *read_whole(struct bf_view *view)
{
    uint64_t size_bytes = bf_view_size_bytes(view);
    uint8_t *image = malloc(size_bytes);

    assert_non_null(image);
    memset(image, 0xee, size_bytes);
    assert_int_equal(bf_view_read(view, 0, image, size_bytes, NULL), 0);
    return image;
}

static void assert_same_in_pieces(uint64_t *seed, struct bf_view *view, const uint8_t *image)
{
    uint64_t size_bytes = bf_view_size_bytes(view);
    uint64_t nr_bytes;

    for (uint64_t at = 0; at < size_bytes; at += nr_bytes) {
        static uint8_t piece[3 * CLUSTER];

        nr_bytes = bf_min_u64(1 + chance(seed, sizeof piece), size_bytes - at);
        memset(piece, 0xee, nr_bytes);
        assert_int_equal(bf_view_read(view, at, piece, nr_bytes, NULL), 0);
        assert_memory_equal(piece, image + at, nr_bytes);
    }
}

/* Every hole reads as zeroes, and every cluster without a refcount is a hole. */
static void assert_holes(uint64_t *seed, struct bf_view *view, const uint8_t *image)
{
    uint64_t size_bytes = bf_view_size_bytes(view);
    uint64_t nr_bytes;

    for (uint64_t at = 0; at < size_bytes; at += nr_bytes) {
        uint64_t max_bytes = 1 + chance(seed, size_bytes - at);
        bool hole;

        nr_bytes = 0;
        assert_int_equal(bf_view_hole(view, at, max_bytes, &hole, &nr_bytes, NULL), 0);
        assert_in_range(nr_bytes, 1, max_bytes);
        if (hole)
            assert_true(all_zero(image + at, nr_bytes));
    }
}

/* Used are exactly the clusters that are no holes, and the L1 table, which is one. */
static void assert_refcounts(struct bf_view *view, const uint8_t *image, uint64_t disk_size_bytes)
{
    BF_CLEANUP(bf_blob_freep) struct bf_blob *blob = NULL;
    BF_CLEANUP(bf_refcounts_freep) struct bf_refcounts *refcounts = NULL;
    uint64_t size_bytes = bf_view_size_bytes(view);
    uint64_t nr_used = 0;
    uint64_t nr_data = 0;

    assert_int_equal(bf_blob_open_memory(image, size_bytes, &blob, NULL), 0);
    assert_int_equal(bf_refcounts_new(blob, &refcounts, NULL), 0);
    for (uint64_t at = 0; at < size_bytes; at += CLUSTER) {
        uint64_t refcount;
        uint64_t nr_bytes;
        bool hole;

        assert_int_equal(bf_refcounts_get(refcounts, at, &refcount, NULL), 0);
        assert_int_equal(bf_view_hole(view, at, CLUSTER, &hole, &nr_bytes, NULL), 0);
        assert_in_range(refcount, 0, 1);
        assert_true(hole || refcount == 1);
        nr_used += refcount;
        nr_data += !hole;
    }
    assert_int_equal(nr_used, nr_data + nr_l1_clusters(disk_size_bytes));
}

static void one_random_view(uint64_t *seed)
{
    struct source source = {
        .bitmap = random_bitmap(seed, PIB),
        .step_bytes = UINT64_C(512) << chance(seed, 13),
        .knows_nothing = chance(seed, 4) == 0,
    };
    bool recording = chance(seed, 2);
    struct bf_view *view = new_view(&source, "some name", recording);
    struct bf_view *twin = new_view(&source, "some name", recording);
    uint8_t *image = read_whole(view);
    struct bf_reader *reader = open_image(image, bf_view_size_bytes(view));

    assert_int_equal(bf_reader_image(reader)->nr_bitmaps, 1);
    assert_bitmap(reader, 0, "some name", recording, source.bitmap);
    assert_same_in_pieces(seed, twin, image);
    assert_holes(seed, view, image);
    assert_refcounts(view, image, source.bitmap->geometry.disk_size_bytes);
    bf_reader_free(reader);
    free(image);
    bf_view_free(twin);
    bf_view_free(view);
    bf_bitmap_free(source.bitmap);
}

static void a_view_reads_as_an_image_of_the_bitmap(void **state)
{
    uint64_t seed = 42;

    (void)state;
    for (int i = 0; i < 60; i++)
        one_random_view(&seed);
}

static struct bf_bitmap *dirty_bitmap(uint64_t disk_size_bytes, uint64_t granularity_bytes)
{
    const struct bf_geometry geometry = {disk_size_bytes, granularity_bytes};
    struct bf_bitmap *bitmap = NULL;

    assert_int_equal(bf_bitmap_new(&geometry, &bitmap, NULL), 0);
    bf_bitmap_write(bitmap, 0, disk_size_bytes);
    return bitmap;
}

/* How many clusters of the view hold bits: those that are no holes, without the five of metadata.
 */
static uint64_t nr_bits_clusters(struct bf_view *view)
{
    uint64_t nr = 0;
    uint64_t nr_bytes;

    for (uint64_t at = 0; at < bf_view_size_bytes(view); at += nr_bytes) {
        bool hole;

        assert_int_equal(
            bf_view_hole(view, at, bf_view_size_bytes(view) - at, &hole, &nr_bytes, NULL), 0);
        nr += hole ? 0 : nr_bytes / CLUSTER;
    }
    return nr - 5;
}

/* QEMU would set the padding too and come to another digest. */
static void only_a_dirty_end_without_padding_is_no_data(void **state)
{
    struct source padded = {.bitmap = dirty_bitmap(GIB - 512, 512), .step_bytes = CLUSTER};
    struct source full = {.bitmap = dirty_bitmap(GIB, 512), .step_bytes = CLUSTER};
    struct bf_view *view = new_view(&padded, "b", false);

    (void)state;
    assert_int_equal(nr_bits_clusters(view), 1);
    bf_view_free(view);
    view = new_view(&full, "b", false);
    assert_int_equal(nr_bits_clusters(view), 0);
    bf_view_free(view);
    bf_bitmap_free(padded.bitmap);
    bf_bitmap_free(full.bitmap);
}

/* Table and refcounts must not come from different moments. */
static void what_the_bits_learn_later_does_not_change_a_view(void **state)
{
    struct source source = {
        .bitmap = dirty_bitmap(GIB, 512), .step_bytes = CLUSTER, .knows_nothing = true};
    struct bf_view *view = new_view(&source, "b", false);
    uint8_t *before = read_whole(view);
    uint8_t *after;

    (void)state;
    source.knows_nothing = false;
    after = read_whole(view);
    assert_memory_equal(before, after, bf_view_size_bytes(view));
    free(before);
    free(after);
    bf_view_free(view);
    bf_bitmap_free(source.bitmap);
}

static void errors_of_the_bits_are_passed_on(void **state)
{
    struct source source = {
        .bitmap = dirty_bitmap(GIB, 512), .step_bytes = CLUSTER, .knows_nothing = true};
    struct bf_bits bits = source_bits(&source);
    struct bf_view *view = new_view(&source, "b", false);
    struct bf_view *none = NULL;
    struct bf_error err = BF_ERROR_INIT;
    uint8_t last[512];

    (void)state;
    source.read_result = -1;
    assert_true(
        bf_view_read(view, bf_view_size_bytes(view) - sizeof last, last, sizeof last, &err) < 0);
    assert_int_equal(err.code, BF_E_IMAGE_CHANGED);
    assert_int_equal(bf_view_read(view, 0, last, sizeof last, NULL), 0); /* no bits in there */
    source.run_result = -1;
    bf_error_clear(&err);
    assert_true(bf_view_new(&bits, "b", false, &none, &err) < 0);
    assert_int_equal(err.code, BF_E_IMAGE_CORRUPT);
    assert_null(none);
    bf_view_free(view);
    bf_bitmap_free(source.bitmap);
}

static void ranges_outside_the_view_are_refused(void **state)
{
    struct source source = {.bitmap = dirty_bitmap(GIB, 65536), .step_bytes = CLUSTER};
    struct bf_view *view = new_view(&source, "b", false);
    uint64_t size_bytes = bf_view_size_bytes(view);
    uint64_t nr_bytes;
    uint8_t buf[2];
    bool hole;

    (void)state;
    assert_int_equal(bf_view_read(view, size_bytes - 1, buf, 2, NULL), -EINVAL);
    assert_int_equal(bf_view_read(view, size_bytes + 1, buf, 0, NULL), -EINVAL);
    assert_int_equal(bf_view_read(view, UINT64_MAX, buf, 2, NULL), -EINVAL);
    assert_int_equal(bf_view_read(view, size_bytes, buf, 0, NULL), 0);
    assert_int_equal(bf_view_hole(view, size_bytes - 1, 2, &hole, &nr_bytes, NULL), -EINVAL);
    assert_int_equal(bf_view_hole(view, size_bytes, 0, &hole, &nr_bytes, NULL), -EINVAL);
    assert_int_equal(bf_view_hole(view, size_bytes - 1, 1, &hole, &nr_bytes, NULL), 0);
    assert_int_equal(nr_bytes, 1);
    bf_view_free(view);
    bf_bitmap_free(source.bitmap);
}

static void bad_names_and_disks_are_refused(void **state)
{
    const struct bf_geometry odd = {1000, 512};
    const struct bf_geometry huge = {2 * PIB + 512, UINT64_C(1) << 31};
    const struct bf_geometry good = {GIB, 512};
    struct bf_bits bits = bf_bits_clean(&odd);
    struct bf_view *view = NULL;

    (void)state;
    assert_int_equal(bf_view_new(&bits, "b", false, &view, NULL), -EINVAL);
    bits = bf_bits_clean(&huge);
    assert_int_equal(bf_view_new(&bits, "b", false, &view, NULL), -E2BIG);
    bits = bf_bits_clean(&good);
    assert_int_equal(bf_view_new(&bits, "", false, &view, NULL), -EINVAL);
    assert_null(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_view_reads_as_an_image_of_the_bitmap),
        cmocka_unit_test(only_a_dirty_end_without_padding_is_no_data),
        cmocka_unit_test(what_the_bits_learn_later_does_not_change_a_view),
        cmocka_unit_test(errors_of_the_bits_are_passed_on),
        cmocka_unit_test(ranges_outside_the_view_are_refused),
        cmocka_unit_test(bad_names_and_disks_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
