/* The reader finds the bits that are there, wherever they lie. */
#include "carrier_image.h"

#include "base/math.h"
#include "carrier/describe.h"
#include "carrier/reader.h"

#include <pthread.h>

static struct bf_reader *open_image(const void *bytes, uint64_t nr_bytes)
{
    struct bf_error err = BF_ERROR_INIT;
    struct bf_reader *reader = NULL;
    struct bf_blob *blob = NULL;

    assert_int_equal(bf_blob_open_memory(bytes, nr_bytes, &blob, &err), 0);
    if (bf_reader_open(blob, &reader, &err) != 0)
        fail_msg("%s", err.text);
    return reader;
}

static struct bf_bits bits_of(struct bf_reader *reader, uint32_t index)
{
    struct bf_error err = BF_ERROR_INIT;
    struct bf_bits bits = {0};

    if (bf_reader_bits(reader, index, &bits, &err) != 0)
        fail_msg("%s", err.text);
    return bits;
}

static void tells_the_image_and_its_bitmaps(void **state)
{
    struct image *image = image_new(1);
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    struct bf_image_bitmap bitmap;

    (void)state;
    reader = open_image(image->bytes, sizeof image->bytes);
    assert_int_equal(bf_reader_image(reader)->virtual_size_bytes, UINT64_C(512) * IMAGE_NR_BITS);
    assert_int_equal(bf_reader_image(reader)->cluster_size_bytes, IMAGE_CLUSTER);
    assert_int_equal(bf_reader_image(reader)->nr_bitmaps, IMAGE_NR_BITMAPS);
    assert_true(bf_reader_image(reader)->has_bitmaps_extension);
    assert_false(bf_reader_image(reader)->bitmaps_stale);
    bf_reader_bitmap(reader, 0, &bitmap);
    assert_string_equal(bitmap.name, "alpha");
    assert_int_equal(bitmap.geometry.granularity_bytes, 512);
    assert_true(bitmap.recording);
    assert_false(bitmap.in_use);
    assert_null(bitmap.unusable);
    bf_reader_bitmap(reader, 1, &bitmap);
    assert_string_equal(bitmap.name, "beta");
    assert_false(bitmap.recording);
    image_free(image);
}

static void finds_a_bitmap_by_its_name(void **state)
{
    struct image *image = image_new(1);
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    struct bf_error err = BF_ERROR_INIT;
    uint32_t index = 99;

    (void)state;
    reader = open_image(image->bytes, sizeof image->bytes);
    assert_int_equal(bf_reader_find(reader, "beta", &index, &err), 0);
    assert_int_equal(index, 1);
    assert_int_equal(bf_reader_find(reader, "alpha", &index, &err), 0);
    assert_int_equal(index, 0);
    assert_true(bf_reader_find(reader, "alph", &index, &err) < 0);
    assert_int_equal(err.code, BF_E_BITMAP_NOT_FOUND);
    image_free(image);
}

/* Any part of the bits, against the shadow. */
static void reads_any_part(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 200; seed++) {
        struct image *image = image_new(seed);
        struct bf_reader *reader = open_image(image->bytes, sizeof image->bytes);
        uint8_t buf[IMAGE_PACKED];

        for (unsigned i = 0; i < 40; i++) {
            uint32_t index = (uint32_t)rand() % 2;
            struct bf_bits bits = bits_of(reader, index);
            uint64_t at = (uint64_t)rand() % IMAGE_PACKED;
            uint64_t nr = 1 + (uint64_t)rand() % (IMAGE_PACKED - at);

            assert_int_equal(bf_bits_read(&bits, at, buf, nr, NULL), 0);
            assert_memory_equal(buf, image->bits[index] + at, nr);
        }
        bf_reader_free(reader);
        image_free(image);
    }
}

static enum bf_run_kind expected_kind(enum bf_qcow2_cluster_kind kind)
{
    if (kind == BF_QCOW2_CLUSTER_DATA)
        return BF_RUN_MIXED;
    return kind == BF_QCOW2_CLUSTER_DIRTY ? BF_RUN_DIRTY : BF_RUN_CLEAN;
}

/* From any place, a run goes to where the kind changes, and no farther than asked. */
static void tells_runs(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 200; seed++) {
        struct image *image = image_new(seed);
        struct bf_reader *reader = open_image(image->bytes, sizeof image->bytes);
        uint32_t index = (uint32_t)rand() % 2;
        struct bf_bits bits = bits_of(reader, index);
        uint64_t at = (uint64_t)rand() % IMAGE_PACKED;
        uint64_t max = 1 + (uint64_t)rand() % (IMAGE_PACKED - at);
        uint64_t cluster = at / IMAGE_CLUSTER;
        enum bf_run_kind expected = expected_kind(image->kinds[index][cluster]);
        enum bf_run_kind kind;
        uint64_t nr = 0;

        assert_int_equal(bf_bits_run(&bits, at, max, &kind, &nr, NULL), 0);
        assert_int_equal(kind, expected);
        while (cluster < IMAGE_TABLE_ENTRIES &&
               expected_kind(image->kinds[index][cluster]) == expected)
            cluster++;
        assert_int_equal(nr, bf_min_u64(max, cluster * IMAGE_CLUSTER - at));
        bf_reader_free(reader);
        image_free(image);
    }
}

struct thread_job {
    struct bf_bits bits;
    const uint8_t *expected;
    bool differs;
};

static void *read_again_and_again(void *ctx)
{
    struct thread_job *job = ctx;
    uint8_t buf[IMAGE_PACKED];

    for (int i = 0; i < 300 && !job->differs; i++) {
        job->differs = bf_bits_read(&job->bits, 0, buf, sizeof buf, NULL) < 0 ||
                       memcmp(buf, job->expected, sizeof buf) != 0;
    }
    return NULL;
}

static void serves_several_threads(void **state)
{
    enum { NR_THREADS = 4 };
    struct image *image = image_new(7);
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    struct thread_job jobs[NR_THREADS];
    pthread_t threads[NR_THREADS];

    (void)state;
    reader = open_image(image->bytes, sizeof image->bytes);
    for (uint32_t i = 0; i < NR_THREADS; i++) {
        jobs[i] =
            (struct thread_job){.bits = bits_of(reader, i % 2), .expected = image->bits[i % 2]};
        assert_int_equal(pthread_create(&threads[i], NULL, read_again_and_again, &jobs[i]), 0);
    }
    for (int i = 0; i < NR_THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(jobs[i].differs);
    }
    image_free(image);
}

static uint64_t count_bits(const uint8_t *bits)
{
    uint64_t nr = 0;

    for (unsigned bit = 0; bit < IMAGE_NR_BITS; bit++)
        nr += bits[bit / 8] >> bit % 8 & 1;
    return nr;
}

static int note_progress(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
    uint64_t *seen = ctx;

    assert_in_range(done_bytes, *seen, total_bytes);
    assert_int_equal(total_bytes, 2 * IMAGE_PACKED);
    *seen = done_bytes;
    return 0;
}

static void describes_an_image(void **state)
{
    struct image *image = image_new(3);
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    struct bf_catalog catalog = {0};
    uint64_t seen = 0;
    struct bf_progress progress = {.function = note_progress, .ctx = &seen};

    (void)state;
    image->bytes[IMAGE_ENTRY_1 + 15] |= BF_QCOW2_ENTRY_IN_USE;
    reader = open_image(image->bytes, sizeof image->bytes);
    assert_int_equal(bf_describe_image(reader, "vda", false, NULL, &catalog, NULL), 0);
    assert_false(catalog.disks[0].bitmaps[0].has_summary);
    bf_reader_free(bf_steal_ptr(&reader));

    image->bytes[IMAGE_ENTRY_1 + 15] = 0;
    reader = open_image(image->bytes, sizeof image->bytes);
    assert_int_equal(bf_describe_image(reader, "vdb", true, &progress, &catalog, NULL), 0);
    assert_int_equal(catalog.nr_disks, 2);
    assert_false(catalog.disks[0].bitmaps[1].consistent);
    assert_non_null(strstr(catalog.disks[0].bitmaps[1].problem, "in use"));
    assert_true(catalog.disks[1].bitmaps[1].consistent);
    for (int i = 0; i < IMAGE_NR_BITMAPS; i++)
        assert_int_equal(catalog.disks[1].bitmaps[i].summary.nr_dirty_bits,
                         count_bits(image->bits[i]));
    assert_ptr_equal(bf_catalog_find_bitmap(&catalog.disks[1], "beta"),
                     &catalog.disks[1].bitmaps[1]);
    assert_int_equal(seen, 2 * IMAGE_PACKED);
    bf_catalog_release(&catalog);
    image_free(image);
}

/* What fails leaves the catalog as it was. */
static int give_up(void *ctx, uint64_t done_bytes, uint64_t total_bytes)
{
    (void)ctx;
    (void)done_bytes;
    (void)total_bytes;
    return 1;
}

static void a_description_that_fails_adds_nothing(void **state)
{
    struct image *image = image_new(3);
    BF_CLEANUP(bf_reader_freep) struct bf_reader *reader = NULL;
    struct bf_progress progress = {.function = give_up};
    struct bf_catalog catalog = {0};
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    reader = open_image(image->bytes, sizeof image->bytes);
    assert_true(bf_describe_image(reader, "vda", true, &progress, &catalog, &err) < 0);
    assert_int_equal(err.code, BF_E_INTERRUPTED);
    assert_int_equal(catalog.nr_disks, 0);
    bf_catalog_release(&catalog);
    image_free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_the_image_and_its_bitmaps),
        cmocka_unit_test(finds_a_bitmap_by_its_name),
        cmocka_unit_test(reads_any_part),
        cmocka_unit_test(tells_runs),
        cmocka_unit_test(serves_several_threads),
        cmocka_unit_test(describes_an_image),
        cmocka_unit_test(a_description_that_fails_adds_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
