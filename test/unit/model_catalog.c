#include "model/catalog.h"

#include "base/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* The linker sends the catalog's allocations here (--wrap, see model.cmake). */
static int allocations_left = -1;

void *__real_malloc(size_t nr_bytes);
void *__real_reallocarray(void *old, size_t nr_items, size_t item_bytes);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t nr_bytes);
void *__wrap_reallocarray(void *old, size_t nr_items, size_t item_bytes);
char *__wrap_strdup(const char *text);

static bool may_allocate(void)
{
    if (allocations_left < 0)
        return true;
    return allocations_left-- > 0;
}

void *__wrap_malloc(size_t nr_bytes)
{
    return may_allocate() ? __real_malloc(nr_bytes) : NULL;
}

void *__wrap_reallocarray(void *old, size_t nr_items, size_t item_bytes)
{
    return may_allocate() ? __real_reallocarray(old, nr_items, item_bytes) : NULL;
}

char *__wrap_strdup(const char *text)
{
    return may_allocate() ? __real_strdup(text) : NULL;
}

static enum bf_code add_disk(struct bf_catalog *catalog, const char *name)
{
    struct bf_error err = BF_ERROR_INIT;
    size_t nr_disks = catalog->nr_disks;
    int r = bf_catalog_add_disk(catalog, name, 1 << 20, NULL, &err);

    assert_int_equal(r, -bf_code_errno(err.code));
    assert_int_equal(catalog->nr_disks, nr_disks + (r == 0));
    return err.code;
}

static enum bf_code add_bitmap(struct bf_catalog_disk *disk, const struct bf_catalog_bitmap *bitmap)
{
    struct bf_error err = BF_ERROR_INIT;
    size_t nr_bitmaps = disk->nr_bitmaps;
    int r = bf_catalog_add_bitmap(disk, bitmap, &err);

    assert_int_equal(r, -bf_code_errno(err.code));
    assert_int_equal(disk->nr_bitmaps, nr_bitmaps + (r == 0));
    return err.code;
}

static struct bf_catalog_bitmap bitmap_named(char *name)
{
    return (struct bf_catalog_bitmap){
        .name = name, .granularity_bytes = 65536, .persistent = true, .consistent = true};
}

static void test_disk_names(void **state)
{
    struct bf_catalog catalog = {0};
    char name[BF_DISK_NAME_MAX + 2];

    (void)state;
    assert_int_equal(add_disk(&catalog, ""), BF_E_INVALID);
    assert_int_equal(add_disk(&catalog, "a/b"), BF_E_INVALID);
    assert_int_equal(add_disk(&catalog, "a\nb"), BF_E_INVALID);
    assert_int_equal(add_disk(&catalog, "a\x7f"), BF_E_INVALID);
    assert_int_equal(add_disk(&catalog, "a\xff"), BF_E_INVALID);
    memset(name, 'x', sizeof name);
    name[BF_DISK_NAME_MAX + 1] = '\0';
    assert_int_equal(add_disk(&catalog, name), BF_E_INVALID);
    name[BF_DISK_NAME_MAX] = '\0';
    assert_int_equal(add_disk(&catalog, name), BF_E_NONE);
    assert_int_equal(add_disk(&catalog, "vda"), BF_E_NONE);
    assert_int_equal(add_disk(&catalog, "Gr\xc3\xb6\xc3\x9f"
                                        "e 1"),
                     BF_E_NONE);
    assert_int_equal(add_disk(&catalog, "vda"), BF_E_EXISTS);
    assert_int_equal(catalog.nr_disks, 3);
    assert_ptr_equal(bf_catalog_find_disk(&catalog, "vda"), &catalog.disks[1]);
    assert_null(bf_catalog_find_disk(&catalog, "vdb"));
    bf_catalog_release(&catalog);
    assert_int_equal(catalog.nr_disks, 0);
    assert_null(bf_catalog_find_disk(&catalog, "vda"));
    bf_catalog_release(&catalog);
}

static void test_bitmap_names(void **state)
{
    struct bf_catalog catalog = {0};
    struct bf_catalog_disk *disk = NULL;
    char name[BF_BITMAP_NAME_MAX + 2] = "";
    struct bf_catalog_bitmap bitmap = bitmap_named(name);

    (void)state;
    assert_int_equal(bf_catalog_add_disk(&catalog, "vda", 1 << 20, &disk, NULL), 0);
    assert_int_equal(add_bitmap(disk, &bitmap), BF_E_INVALID);
    memset(name, '/', sizeof name);
    name[BF_BITMAP_NAME_MAX + 1] = '\0';
    assert_int_equal(add_bitmap(disk, &bitmap), BF_E_INVALID);
    name[BF_BITMAP_NAME_MAX] = '\0';
    assert_int_equal(add_bitmap(disk, &bitmap), BF_E_NONE);
    assert_int_equal(add_bitmap(disk, &bitmap), BF_E_EXISTS);
    bitmap.name = (char[]){"\xff\n2->3"};
    assert_int_equal(add_bitmap(disk, &bitmap), BF_E_NONE);
    assert_ptr_equal(bf_catalog_find_bitmap(disk, "\xff\n2->3"), &disk->bitmaps[1]);
    assert_null(bf_catalog_find_bitmap(disk, "2->3"));
    bf_catalog_release(&catalog);
}

static void test_impossible_bitmaps_are_refused(void **state)
{
    struct bf_catalog catalog = {0};
    struct bf_catalog_disk *disk = NULL;
    struct bf_catalog_bitmap bitmap = bitmap_named((char[]){"b"});

    (void)state;
    assert_int_equal(bf_catalog_add_disk(&catalog, "vda", UINT64_C(1) << 42, &disk, NULL), 0);
    bitmap.granularity_bytes = 65537;
    assert_int_equal(add_bitmap(disk, &bitmap), BF_E_INVALID);
    bitmap.granularity_bytes = 512;
    assert_int_equal(add_bitmap(disk, &bitmap), BF_E_LIMIT);
    bitmap.granularity_bytes = 1 << 30;
    bitmap.has_summary = true;
    bitmap.summary.nr_dirty_bits = (1 << 12) + 1;
    assert_int_equal(add_bitmap(disk, &bitmap), BF_E_INVALID);
    bitmap.summary.nr_dirty_bits = 1 << 12;
    bitmap.consistent = false;
    assert_int_equal(add_bitmap(disk, &bitmap), BF_E_INVALID);
    bitmap.consistent = true;
    assert_int_equal(add_bitmap(disk, &bitmap), BF_E_NONE);
    bf_catalog_release(&catalog);
}

static void test_what_is_added_is_a_copy(void **state)
{
    struct bf_catalog catalog = {0};
    struct bf_catalog_disk *disk = NULL;
    char name[] = "daily";
    char problem[] = "in use";
    struct bf_catalog_bitmap bitmap = bitmap_named(name);
    const struct bf_catalog_bitmap *found;
    struct bf_geometry geometry;

    (void)state;
    bitmap.recording = true;
    bitmap.consistent = false;
    bitmap.problem = problem;
    assert_int_equal(bf_catalog_add_disk(&catalog, "vda", 12345, &disk, NULL), 0);
    assert_int_equal(add_bitmap(disk, &bitmap), BF_E_NONE);
    name[0] = 'D';
    problem[0] = 'I';
    found = bf_catalog_find_bitmap(disk, "daily");
    assert_non_null(found);
    assert_string_equal(found->problem, "in use");
    assert_true(found->recording && found->persistent && !found->consistent);
    geometry = bf_catalog_geometry(disk, found);
    assert_int_equal(geometry.disk_size_bytes, 12345);
    assert_int_equal(geometry.granularity_bytes, 65536);
    bf_catalog_release(&catalog);
}

static void fill_disk(struct bf_catalog_disk *disk, unsigned nr_bitmaps)
{
    char name[40];
    struct bf_catalog_bitmap bitmap = bitmap_named(name);

    for (unsigned i = 0; i < nr_bitmaps; i++) {
        (void)snprintf(name, sizeof name, "checkpoint-of-a-long-chain-%u", i * 7919 % nr_bitmaps);
        assert_int_equal(bf_catalog_add_bitmap(disk, &bitmap, NULL), 0);
    }
    assert_int_equal(add_bitmap(disk, &bitmap), BF_E_EXISTS);
}

static void test_ten_thousand_bitmaps_take_no_time(void **state)
{
    struct bf_catalog catalog = {0};
    struct bf_catalog_disk *disk = NULL;
    clock_t start = clock();

    (void)state;
    assert_int_equal(bf_catalog_add_disk(&catalog, "vda", 1 << 20, &disk, NULL), 0);
    fill_disk(disk, 10000);
    for (unsigned i = 0; i < disk->nr_bitmaps; i++)
        assert_ptr_equal(bf_catalog_find_bitmap(disk, disk->bitmaps[i].name), &disk->bitmaps[i]);
    bf_catalog_release(&catalog);
    assert_true(clock() - start < CLOCKS_PER_SEC);
}

/* Every allocation fails once, from the first on; each time the catalog is as it was. */
static void test_without_memory_nothing_changes(void **state)
{
    struct bf_catalog catalog = {0};
    struct bf_catalog_disk *disk = NULL;
    struct bf_catalog_bitmap bitmap = bitmap_named((char[]){"b"});
    enum bf_code code = BF_E_NO_MEMORY;

    (void)state;
    bitmap.problem = (char[]){"none"};
    assert_int_equal(add_disk(&catalog, "vda"), BF_E_NONE);
    for (int nr = 0; code == BF_E_NO_MEMORY; nr++) {
        allocations_left = nr;
        code = add_disk(&catalog, "vdb");
        assert_true(code == BF_E_NO_MEMORY || nr >= 3);
    }
    allocations_left = -1;
    assert_int_equal(code, BF_E_NONE);
    disk = &catalog.disks[1];
    code = BF_E_NO_MEMORY;
    for (int nr = 0; code == BF_E_NO_MEMORY; nr++) {
        assert_null(bf_catalog_find_bitmap(disk, "b"));
        allocations_left = nr;
        code = add_bitmap(disk, &bitmap);
        assert_true(code == BF_E_NO_MEMORY || nr >= 4);
    }
    allocations_left = -1;
    assert_int_equal(code, BF_E_NONE);
    bf_catalog_release(&catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disk_names),
        cmocka_unit_test(test_bitmap_names),
        cmocka_unit_test(test_impossible_bitmaps_are_refused),
        cmocka_unit_test(test_what_is_added_is_a_copy),
        cmocka_unit_test(test_ten_thousand_bitmaps_take_no_time),
        cmocka_unit_test(test_without_memory_nothing_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
