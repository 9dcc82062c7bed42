/* Whatever a malformed image says, the reader refuses it by name, or reads within it: never past
 * it. */
#include "carrier_image.h"

struct spoiled {
    uint64_t offset;
    unsigned nr_bytes;
    uint64_t value;
    enum bf_code code;
    const char *text; /* part of the message */
};

#define CORRUPT BF_E_IMAGE_CORRUPT

static const struct spoiled spoiled[] = {
    {0, 4, 0x12345678, BF_E_NOT_QCOW2, "not a qcow2 image"},
    {4, 4, 2, BF_E_QCOW2_V2, "compat=0.10"},
    {4, 4, 4, BF_E_QCOW2_FEATURE, "qcow2 version 4"},
    {8, 8, 100, CORRUPT, "backing file, 0 bytes at byte 100"},
    {8, 8, 513, CORRUPT, "outside the first cluster"},
    {20, 4, 8, CORRUPT, "clusters of 2^8 bytes"},
    {20, 4, 22, CORRUPT, "clusters of 2^22 bytes"},
    {20, 4, UINT32_MAX, CORRUPT, "clusters of 2^4294967295 bytes"},
    {20, 4, 21, CORRUPT, "ends within its first cluster of 2097152 bytes"},
    {24, 8, UINT64_MAX, CORRUPT, "a disk of 18446744073709551615 bytes"},
    {24, 8, 512, CORRUPT, "a bitmap table of 21 entries; 1 are needed"},
    {24, 8, INT64_MAX, BF_E_LIMIT, "directory, entry 1 of 2"},
    {36, 4, UINT32_MAX, CORRUPT, "the L1 table, 34359738360 bytes at byte 1024, lies past the end"},
    {36, 4, 65, CORRUPT, "the L1 table and the bitmap directory overlap at byte 1536"},
    {40, 8, 1025, CORRUPT, "the L1 table is at byte 1025"},
    {40, 8, 0, CORRUPT, "overlap at byte 0"},
    {40, 8, UINT64_MAX - 511, CORRUPT, "the L1 table, 512 bytes at byte 18446744073709551104"},
    {48, 8, IMAGE_TABLE_1, CORRUPT, "overlap at byte 2560"},
    {56, 4, UINT32_MAX, CORRUPT, "the refcount table, 2199023255040 bytes"},
    {60, 4, 65537, CORRUPT, "65537 snapshots"},
    {60, 4, 1, CORRUPT, "overlap at byte 0"},
    {72, 8, 1 << 5, BF_E_QCOW2_FEATURE, "feature \"without a name\" (bit 5)"},
    {72, 8, UINT64_C(1) << 63, BF_E_QCOW2_FEATURE, "(bit 63)"},
    {96, 4, 7, CORRUPT, "refcounts of 2^7 bits"},
    {100, 4, 96, CORRUPT, "a length of 96 bytes"},
    {100, 4, 108, CORRUPT, "a length of 108 bytes"},
    {100, 4, 520, CORRUPT, "a length of 520 bytes"},
    {IMAGE_EXTENSION + 4, 4, 16, CORRUPT, "bitmaps extension: 16 bytes instead of 24"},
    {IMAGE_EXTENSION + 4, 4, UINT32_MAX, CORRUPT, "0x23852875 at byte 112: its length"},
    {IMAGE_BITMAPS, 4, 0, CORRUPT, "bitmaps extension: 0 bitmaps"},
    {IMAGE_BITMAPS, 4, 65536, CORRUPT, "bitmaps extension: 65536 bitmaps"},
    {IMAGE_BITMAPS, 4, 65535, CORRUPT,
     "entry 3 of 65535 at byte 1600: the directory ends too early"},
    {IMAGE_BITMAPS, 4, 1, CORRUPT, "bitmap directory: 32 bytes behind its last entry"},
    {IMAGE_BITMAPS + 4, 4, 1, CORRUPT, "reserved field is 0x00000001"},
    {IMAGE_BITMAPS + 8, 8, UINT64_C(65535) * 1024 + 1, CORRUPT, "a directory of 67107841 bytes"},
    {IMAGE_BITMAPS + 8, 8, UINT64_C(65535) * 1024, CORRUPT,
     "directory, 67107840 bytes at byte 1536, lies past"},
    {IMAGE_BITMAPS + 8, 8, 56, CORRUPT, "the entry, 32 bytes, goes past the end of the directory"},
    {IMAGE_BITMAPS + 8, 8, 33, CORRUPT, "the directory ends too early"},
    {IMAGE_BITMAPS + 8, 8, 0, CORRUPT, "the directory ends too early"},
    {IMAGE_BITMAPS + 16, 8, UINT64_MAX - 511, CORRUPT, "bitmap directory, 64 bytes at byte"},
    {IMAGE_ENTRY_0, 8, 0, CORRUPT, "the header and the table of bitmap \"alpha\" overlap"},
    {IMAGE_ENTRY_0, 8, IMAGE_TABLE_1, CORRUPT, "\"beta\" overlap at byte 2560"},
    {IMAGE_ENTRY_0, 8, IMAGE_TABLE_0 + 8, CORRUPT,
     "\"alpha\" is at byte 2056, which is not the start"},
    {IMAGE_ENTRY_0, 8, IMAGE_BYTES, CORRUPT,
     "\"alpha\", 168 bytes at byte 35840, lies past the end"},
    {IMAGE_ENTRY_0, 8, UINT64_MAX - 511, CORRUPT, "lies past the end of the file"},
    {IMAGE_ENTRY_0 + 8, 4, 20, CORRUPT, "a bitmap table of 20 entries; 21 are needed"},
    {IMAGE_ENTRY_0 + 8, 4, UINT32_MAX, CORRUPT, "a bitmap table of 4294967295 entries"},
    {IMAGE_ENTRY_0 + 12, 4, 8, BF_E_QCOW2_FEATURE, "unknown flags 0x8"},
    {IMAGE_ENTRY_0 + 12, 4, 0x80000000, BF_E_QCOW2_FEATURE, "unknown flags 0x80000000"},
    {IMAGE_ENTRY_0 + 16, 1, 2, BF_E_QCOW2_FEATURE, "unknown bitmap type 2"},
    {IMAGE_ENTRY_0 + 17, 1, 8, CORRUPT, "a granularity of 2^8 bytes"},
    {IMAGE_ENTRY_0 + 17, 1, 32, CORRUPT, "a granularity of 2^32 bytes"},
    {IMAGE_ENTRY_0 + 17, 1, 10, CORRUPT, "a bitmap table of 21 entries; 11 are needed"},
    {IMAGE_ENTRY_0 + 18, 2, 0, CORRUPT, "a bitmap name of 0 bytes"},
    {IMAGE_ENTRY_0 + 18, 2, 1024, CORRUPT, "entry 1 of 2 at byte 1536: the entry, 1048 bytes"},
    {IMAGE_ENTRY_0 + 18, 2, 6, CORRUPT, "a bitmap name with a NUL byte in it"},
    {IMAGE_ENTRY_0 + 18, 2, 4, CORRUPT, "the padding behind a bitmap name is not zero"},
    {IMAGE_ENTRY_0 + 20, 4, UINT32_MAX, CORRUPT, "goes past the end of the directory"},
    {IMAGE_TABLE_0 + 8, 8, 3, CORRUPT, "table of bitmap \"alpha\", entry 1: reserved bits are set"},
    {IMAGE_TABLE_0 + 8, 8, UINT64_C(1) << 56, CORRUPT, "entry 1: reserved bits"},
    {IMAGE_TABLE_0 + 8, 8, IMAGE_DATA | 1, CORRUPT, "entry 1: reserved bits"},
    {IMAGE_TABLE_0 + 160, 8, IMAGE_BYTES, CORRUPT, "entry 20: the cluster at byte 35840 lies past"},
    {IMAGE_TABLE_0 + 8, 8, 0x00fffffffffffe00, CORRUPT,
     "entry 1: the cluster at byte 720575940379"},
    {IMAGE_TABLE_0 + 8, 8, IMAGE_DATA, CORRUPT,
     "the bits of bitmap \"alpha\" overlap at byte 3072"},
    {IMAGE_TABLE_1 + 8, 8, IMAGE_DATA + 512, CORRUPT, "bits of bitmap \"beta\""},
    {IMAGE_TABLE_1 + 8, 8, IMAGE_TABLE_0, CORRUPT, "the table of bitmap \"alpha\""},
    {IMAGE_TABLE_1 + 8, 8, IMAGE_DIRECTORY, CORRUPT, "the bitmap directory"},
    {IMAGE_TABLE_1 + 8, 8, IMAGE_REFCOUNTS, CORRUPT, "the refcount table"},
};

static void every_malformed_field_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof spoiled / sizeof spoiled[0]; i++) {
        struct image *image = image_new_plain();
        struct bf_error err = BF_ERROR_INIT;
        struct bf_reader *reader = NULL;

        image_put(image->bytes + spoiled[i].offset, spoiled[i].nr_bytes, spoiled[i].value);
        if (image_open(image->bytes, sizeof image->bytes, &reader, &err) == 0)
            fail_msg("case %zu is read, not refused with '%s'", i, spoiled[i].text);
        if (err.code != spoiled[i].code || !strstr(err.text, spoiled[i].text))
            fail_msg("case %zu: %s: %s, not '%s'", i, bf_code_name(err.code), err.text,
                     spoiled[i].text);
        assert_memory_equal(err.text, "image in memory: ", 17);
        image_free(image);
    }
}

static void two_bitmaps_of_one_name_are_refused(void **state)
{
    struct image *image = image_new_plain();
    struct bf_error err = BF_ERROR_INIT;
    struct bf_reader *reader = NULL;

    (void)state;
    image_put_entry(image, IMAGE_ENTRY_1, IMAGE_TABLE_1, "alpha", 0);
    assert_true(image_open(image->bytes, sizeof image->bytes, &reader, &err) < 0);
    assert_int_equal(err.code, BF_E_IMAGE_CORRUPT);
    assert_non_null(strstr(err.text, "two bitmaps with the name \"alpha\""));
    image_free(image);
}

/* In a buffer of just that length, so that a sanitizer sees a read past it. */
static void an_image_cut_anywhere_is_refused(void **state)
{
    const uint64_t needed = IMAGE_DATA + IMAGE_TABLE_ENTRIES * IMAGE_CLUSTER;
    struct image *image = image_new_plain();

    (void)state;
    for (uint64_t length = 0; length < needed + 3; length++) {
        struct bf_error err = BF_ERROR_INIT;
        struct bf_reader *reader = NULL;
        uint8_t *cut = malloc(length + 1);
        uint8_t *end = cut + 1 + length;

        assert_non_null(cut);
        memcpy(end - length, image->bytes, length);
        if (image_open(end - length, length, &reader, &err) == 0)
            assert_true(length >= needed);
        else
            assert_true(length < needed && (err.code == BF_E_IMAGE_CORRUPT || length < 4));
        bf_reader_free(reader);
        free(cut);
    }
    image_free(image);
}

/* Any one byte of the metadata changed: refused, or read without harm. */
static void one_wrong_byte_does_no_harm(void **state)
{
    struct image *image = image_new_plain();
    uint8_t buf[1024];
    unsigned nr_refused = 0;

    (void)state;
    for (unsigned at = 0; at < IMAGE_DATA; at++) {
        struct bf_reader *reader = NULL;
        struct bf_bits bits;
        uint8_t was = image->bytes[at];

        image->bytes[at] = (uint8_t)(was ^ (1U << rand() % 8));
        if (image_open(image->bytes, sizeof image->bytes, &reader, NULL) < 0)
            nr_refused++;
        else if (bf_reader_image(reader)->nr_bitmaps > 0 &&
                 bf_reader_bits(reader, 0, &bits, NULL) == 0 &&
                 bf_geometry_packed_bytes(&bits.geometry) >= sizeof buf)
            assert_int_equal(bf_bits_read(&bits, 0, buf, sizeof buf, NULL), 0);
        bf_reader_free(reader);
        image->bytes[at] = was;
    }
    assert_true(nr_refused > 200);
    image_free(image);
}

static struct bf_reader *must_open(const struct image *image)
{
    struct bf_error err = BF_ERROR_INIT;
    struct bf_reader *reader = NULL;

    if (image_open(image->bytes, sizeof image->bytes, &reader, &err) < 0)
        fail_msg("%s", err.text);
    return reader;
}

static void bits_are_refused(struct bf_reader *reader, uint32_t index, const char *reason)
{
    struct bf_error err = BF_ERROR_INIT;
    struct bf_image_bitmap bitmap;
    struct bf_bits bits;

    bf_reader_bitmap(reader, index, &bitmap);
    assert_non_null(bitmap.unusable);
    assert_non_null(strstr(bitmap.unusable, reason));
    assert_true(bf_reader_bits(reader, index, &bits, &err) < 0);
    assert_int_equal(err.code, BF_E_BITMAP_INCONSISTENT);
    assert_non_null(strstr(err.text, reason));
}

/* Eight bytes of it, behind the fixed part of alpha's entry. */
static void put_extra_data(struct image *image, uint32_t flags)
{
    uint8_t *entry = image->bytes + IMAGE_ENTRY_0;

    memmove(entry + 40, entry + 32, 32);
    memmove(entry + 32, entry + 24, 8);
    memset(entry + 24, 0xee, 8);
    image_put(entry + 12, 4, flags);
    image_put(entry + 20, 4, 8);
    image_put(image->bytes + IMAGE_BITMAPS + 8, 8, 72);
}

static void unknown_extra_data_makes_one_bitmap_unusable(void **state)
{
    struct image *image = image_new_plain();
    struct bf_reader *reader;
    struct bf_bits bits;

    (void)state;
    put_extra_data(image, 0);
    reader = must_open(image);
    bits_are_refused(reader, 0, "extra data");
    assert_int_equal(bf_reader_bits(reader, 1, &bits, NULL), 0);
    bf_reader_free(reader);
    image_free(image);
}

static void extra_data_that_may_be_ignored_is(void **state)
{
    struct image *image = image_new_plain();
    struct bf_image_bitmap bitmap;
    struct bf_reader *reader;
    struct bf_bits bits;

    (void)state;
    put_extra_data(image, BF_QCOW2_ENTRY_EXTRA_COMPATIBLE);
    reader = must_open(image);
    assert_int_equal(bf_reader_bits(reader, 0, &bits, NULL), 0);
    bf_reader_bitmap(reader, 0, &bitmap);
    assert_string_equal(bitmap.name, "alpha");
    bf_reader_bitmap(reader, 1, &bitmap);
    assert_string_equal(bitmap.name, "beta");
    bf_reader_free(reader);
    image_free(image);
}

/* QEMU leaves the table of a bitmap in use as it was, even when the disk grows. */
static void a_bitmap_in_use_is_listed_whatever_its_table(void **state)
{
    struct image *image = image_new_plain();
    struct bf_reader *reader;

    (void)state;
    image_put(image->bytes + IMAGE_ENTRY_0 + 8, 4, 7);
    image_put(image->bytes + IMAGE_ENTRY_0 + 12, 4, BF_QCOW2_ENTRY_IN_USE);
    image_put(image->bytes + IMAGE_TABLE_0, 8, UINT64_MAX);
    reader = must_open(image);
    bits_are_refused(reader, 0, "in use");
    bf_reader_free(reader);
    image_free(image);
}

static void no_bitmap_of_a_corrupt_image_is_usable(void **state)
{
    struct image *image = image_new_plain();
    struct bf_reader *reader;

    (void)state;
    image_put(image->bytes + 72, 8, 1 << BF_QCOW2_INCOMPATIBLE_CORRUPT);
    reader = must_open(image);
    assert_true(bf_reader_image(reader)->corrupt);
    bits_are_refused(reader, 0, "marked as corrupt");
    bits_are_refused(reader, 1, "marked as corrupt");
    bf_reader_free(reader);
    image_free(image);
}

/* Then the extension may point anywhere: clusters that it names may have been given to the guest.
 */
static void stale_bitmaps_count_as_absent(void **state)
{
    struct image *image = image_new_plain();
    struct bf_reader *reader;

    (void)state;
    image_put(image->bytes + 88, 8, 0);
    memset(image->bytes + IMAGE_BITMAPS, 0xff, BF_QCOW2_BITMAPS_BYTES);
    reader = must_open(image);
    assert_true(bf_reader_image(reader)->has_bitmaps_extension);
    assert_true(bf_reader_image(reader)->bitmaps_stale);
    assert_int_equal(bf_reader_image(reader)->nr_bitmaps, 0);
    bf_reader_free(reader);
    image_free(image);
}

static void other_extensions_are_passed_over(void **state)
{
    struct image *image = image_new_plain();
    struct bf_reader *reader;
    uint8_t bitmaps[32];

    (void)state;
    memcpy(bitmaps, image->bytes + IMAGE_EXTENSION, sizeof bitmaps);
    image_put(image->bytes + IMAGE_EXTENSION, 4, 0x12345678);
    image_put(image->bytes + IMAGE_EXTENSION + 4, 4, 13); /* padded to 16 */
    memcpy(image->bytes + IMAGE_EXTENSION + 24, bitmaps, sizeof bitmaps);
    reader = must_open(image);
    assert_int_equal(bf_reader_image(reader)->nr_bitmaps, IMAGE_NR_BITMAPS);
    bf_reader_free(reader);
    image_free(image);
}

static void two_bitmaps_extensions_are_refused(void **state)
{
    struct image *image = image_new_plain();
    struct bf_error err = BF_ERROR_INIT;
    struct bf_reader *reader = NULL;

    (void)state;
    memcpy(image->bytes + IMAGE_EXTENSION + 32, image->bytes + IMAGE_EXTENSION, 32);
    assert_true(image_open(image->bytes, sizeof image->bytes, &reader, &err) < 0);
    assert_int_equal(err.code, BF_E_IMAGE_CORRUPT);
    assert_non_null(strstr(err.text, "two bitmaps extensions"));
    image_free(image);
}

/* With clusters of 512 bytes no offset of a table entry can be wrong in this way. */
static void bits_that_begin_within_a_cluster_are_refused(void **state)
{
    struct image *image = image_new_plain();
    struct bf_error err = BF_ERROR_INIT;
    struct bf_reader *reader = NULL;

    (void)state;
    image_put(image->bytes + 20, 4, 12); /* clusters of 4 KiB: everything moves */
    image_put(image->bytes + 24, 8, 512);
    image_put(image->bytes + 36, 4, 0);
    image_put(image->bytes + 40, 8, 0);
    image_put(image->bytes + 48, 8, 0);
    image_put(image->bytes + 56, 4, 0);
    memcpy(image->bytes + 4096, image->bytes + IMAGE_DIRECTORY, 32);
    image_put(image->bytes + IMAGE_BITMAPS, 4, 1);
    image_put(image->bytes + IMAGE_BITMAPS + 8, 8, 32);
    image_put(image->bytes + IMAGE_BITMAPS + 16, 8, 4096);
    image_put(image->bytes + 4096, 8, 8192);
    image_put(image->bytes + 4096 + 8, 4, 1);
    image_put(image->bytes + 8192, 8, 12288);
    bf_reader_free(must_open(image));

    image_put(image->bytes + 8192, 8, 12288 + 512);
    assert_true(image_open(image->bytes, sizeof image->bytes, &reader, &err) < 0);
    assert_int_equal(err.code, BF_E_IMAGE_CORRUPT);
    assert_non_null(strstr(err.text, "entry 0: byte 12800 is not the start of a cluster"));
    image_free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_malformed_field_is_named),
        cmocka_unit_test(two_bitmaps_of_one_name_are_refused),
        cmocka_unit_test(an_image_cut_anywhere_is_refused),
        cmocka_unit_test(one_wrong_byte_does_no_harm),
        cmocka_unit_test(unknown_extra_data_makes_one_bitmap_unusable),
        cmocka_unit_test(extra_data_that_may_be_ignored_is),
        cmocka_unit_test(a_bitmap_in_use_is_listed_whatever_its_table),
        cmocka_unit_test(no_bitmap_of_a_corrupt_image_is_usable),
        cmocka_unit_test(stale_bitmaps_count_as_absent),
        cmocka_unit_test(other_extensions_are_passed_over),
        cmocka_unit_test(two_bitmaps_extensions_are_refused),
        cmocka_unit_test(bits_that_begin_within_a_cluster_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
