/* The largest that an image may be, and what is past it: refused, quickly and in bounded memory. */
#include "carrier_image.h"

#include <stdio.h>
#include <sys/mman.h>

/* An image too large for an array: memory that is only there where it was written. */
static uint8_t *vast_image(uint64_t nr_bytes, uint64_t virtual_size_bytes, uint32_t nr_bitmaps)
{
    struct image *image = image_new_plain();
    uint8_t *bytes = mmap(NULL, nr_bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert_true(bytes != MAP_FAILED);
    memcpy(bytes, image->bytes, IMAGE_DIRECTORY);
    image_put(bytes + 24, 8, virtual_size_bytes);
    image_put(bytes + IMAGE_BITMAPS, 4, nr_bitmaps);
    image_put(bytes + IMAGE_BITMAPS + 8, 8, UINT64_C(32) * nr_bitmaps);
    image_free(image);
    return bytes;
}

static void put_vast_entry(uint8_t *bytes, uint32_t index, uint64_t table_offset,
                           uint32_t nr_table_entries)
{
    uint8_t *at = bytes + IMAGE_DIRECTORY + UINT64_C(32) * index;
    const struct bf_qcow2_entry entry = {
        .table_offset = table_offset,
        .nr_table_entries = nr_table_entries,
        .type = BF_QCOW2_BITMAP_TYPE_DIRTY,
        .granularity_bits = 9,
        .name_bytes = 8,
    };
    char name[9];

    bf_qcow2_entry_encode(&entry, at);
    (void)snprintf(name, sizeof name, "%08x", 65535 - index);
    memcpy(at + BF_QCOW2_ENTRY_BYTES, name, 8);
}

static void as_many_bitmaps_as_there_can_be(void **state)
{
    const uint64_t tables = IMAGE_DIRECTORY + UINT64_C(65536) * 32;
    const uint64_t nr_bytes = tables + UINT64_C(65535) * 512;
    uint8_t *bytes = vast_image(nr_bytes, 512, 65535);
    struct bf_error err = BF_ERROR_INIT;
    struct bf_reader *reader = NULL;
    uint32_t index = 0;

    (void)state;
    for (uint32_t i = 0; i < 65535; i++)
        put_vast_entry(bytes, i, tables + UINT64_C(512) * i, 1);
    if (image_open(bytes, nr_bytes, &reader, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(bf_reader_find(reader, "0000ffff", &index, NULL), 0);
    assert_int_equal(index, 0);
    assert_int_equal(bf_reader_find(reader, "00000001", &index, NULL), 0);
    assert_int_equal(index, 65534);
    bf_reader_free(reader);
    (void)munmap(bytes, nr_bytes);
}

static void is_beyond_the_limit(const uint8_t *bytes, uint64_t nr_bytes, const char *text)
{
    struct bf_error err = BF_ERROR_INIT;
    struct bf_reader *reader = NULL;

    assert_true(image_open(bytes, nr_bytes, &reader, &err) < 0);
    assert_int_equal(err.code, BF_E_LIMIT);
    assert_non_null(strstr(err.text, text));
}

/* Every second cluster of a gigabyte. */
static void bits_all_over_the_place_are_refused(void **state)
{
    const uint32_t nr_entries = (1U << 19) + 64;
    const uint64_t tables = 4096;
    const uint64_t data = tables + UINT64_C(8) * nr_entries;
    const uint64_t nr_bytes = data + UINT64_C(1024) * nr_entries;
    uint8_t *bytes = vast_image(nr_bytes, UINT64_C(512 * 8 * 512) * nr_entries, 1);

    (void)state;
    put_vast_entry(bytes, 0, tables, nr_entries);
    for (uint64_t i = 0; i < nr_entries; i++)
        image_put(bytes + tables + 8 * i, 8, data + 1024 * i);
    is_beyond_the_limit(bytes, nr_bytes, "scattered over more than 524288 places");
    (void)munmap(bytes, nr_bytes);
}

/* A sparse file can hold gigabytes of tables that say nothing. */
static void tables_without_end_are_refused(void **state)
{
    const uint32_t nr_entries = 1U << 20;
    const uint64_t tables = 8192;
    const uint64_t nr_bytes = tables + UINT64_C(8) * nr_entries * 65;
    uint8_t *bytes = vast_image(nr_bytes, UINT64_C(512 * 8 * 512) * nr_entries, 65);

    (void)state;
    for (uint32_t i = 0; i < 65; i++)
        put_vast_entry(bytes, i, tables + UINT64_C(8) * nr_entries * i, nr_entries);
    is_beyond_the_limit(bytes, nr_bytes, "more than 67108864 entries together");
    (void)munmap(bytes, nr_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_bitmaps_as_there_can_be),
        cmocka_unit_test(bits_all_over_the_place_are_refused),
        cmocka_unit_test(tables_without_end_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
