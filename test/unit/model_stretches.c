/* Where the bitmaps of a disk lie in the export of all of them, byte for byte against a naive walk.
 */
#include "model/stretches.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define GIB (UINT64_C(1) << 30)

static struct bf_catalog catalog;

static struct bf_catalog_disk *begin_disk(uint64_t size_bytes)
{
    struct bf_catalog_disk *disk;

    bf_catalog_release(&catalog);
    assert_int_equal(bf_catalog_add_disk(&catalog, "vda", size_bytes, &disk, NULL), 0);
    return disk;
}

static void add(struct bf_catalog_disk *disk, uint64_t granularity_bytes, bool consistent)
{
    char name[32];
    struct bf_catalog_bitmap bitmap = {
        .name = name, .granularity_bytes = granularity_bytes, .consistent = consistent};

    (void)snprintf(name, sizeof name, "b%zu", disk->nr_bitmaps);
    assert_int_equal(bf_catalog_add_bitmap(disk, &bitmap, NULL), 0);
}

static void expect(const struct bf_stretch *stretch, size_t bitmap, uint64_t offset_bytes,
                   uint64_t nr_bytes)
{
    assert_int_equal(stretch->bitmap, bitmap);
    assert_int_equal(stretch->offset_bytes, offset_bytes);
    assert_int_equal(stretch->nr_bytes, nr_bytes);
}

static void each_begins_at_a_multiple_of_4096(void **state)
{
    struct bf_catalog_disk *disk = begin_disk(GIB);
    struct bf_stretches stretches;

    (void)state;
    add(disk, 65536, true);   /* 2048 bytes */
    add(disk, 4096, true);    /* 32768 */
    add(disk, 4096, false);   /* left out, and takes no room */
    add(disk, 1 << 20, true); /* 128 */
    assert_int_equal(bf_stretches_init(&stretches, disk, NULL), 0);
    assert_int_equal(stretches.nr_items, 3);
    expect(&stretches.items[0], 0, 0, 2048);
    expect(&stretches.items[1], 1, 4096, 32768);
    expect(&stretches.items[2], 3, 36864, 128);
    assert_int_equal(stretches.size_bytes, 36992);
    bf_stretches_release(&stretches);
}

static void nothing_is_empty(void **state)
{
    struct bf_catalog_disk *disk = begin_disk(GIB);
    struct bf_stretches stretches;

    (void)state;
    for (unsigned n = 0; n < 2; n++) {
        assert_int_equal(bf_stretches_init(&stretches, disk, NULL), 0);
        assert_int_equal(stretches.nr_items, 0);
        assert_int_equal(stretches.size_bytes, 0);
        assert_int_equal(bf_stretches_find(&stretches, 0), 0);
        bf_stretches_release(&stretches);
        add(disk, 65536, false);
    }
}

/* The first stretch that ends behind the byte. */
static size_t naive_find(const struct bf_stretches *stretches, uint64_t offset_bytes)
{
    size_t i = 0;

    while (i < stretches->nr_items &&
           stretches->items[i].offset_bytes + stretches->items[i].nr_bytes <= offset_bytes)
        i++;
    return i;
}

static void a_byte_is_found_in_its_stretch_or_before_the_next(void **state)
{
    unsigned seed = 5;

    (void)state;
    for (unsigned n = 0; n < 20; n++) {
        struct bf_catalog_disk *disk = begin_disk(1 + (uint64_t)rand_r(&seed) % GIB);
        struct bf_stretches stretches;

        for (unsigned i = 0; i < n; i++)
            add(disk, UINT64_C(1) << (15 + rand_r(&seed) % 10), rand_r(&seed) % 4 > 0);
        assert_int_equal(bf_stretches_init(&stretches, disk, NULL), 0);
        for (uint64_t at = 0; at <= stretches.size_bytes + 1; at++)
            assert_int_equal(bf_stretches_find(&stretches, at), naive_find(&stretches, at));
        bf_stretches_release(&stretches);
    }
    bf_catalog_release(&catalog);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_begins_at_a_multiple_of_4096),
        cmocka_unit_test(nothing_is_empty),
        cmocka_unit_test(a_byte_is_found_in_its_stretch_or_before_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
