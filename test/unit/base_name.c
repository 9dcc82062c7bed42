#include "base/name.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void check_encoding(const char *disk, const char *bitmap, enum bf_view_kind view,
                           const char *text)
{
    char buf[BF_EXPORT_NAME_MAX + 1];
    struct bf_export_name name;

    assert_int_equal(bf_export_name_encode(disk, bitmap, view, buf, NULL), 0);
    assert_string_equal(buf, text);
    assert_int_equal(bf_export_name_decode(buf, &name, NULL), 0);
    assert_string_equal(name.disk, disk);
    assert_string_equal(name.bitmap, bitmap);
    assert_int_equal(name.view, view);
}

static void test_names_look_like_themselves(void **state)
{
    (void)state;
    check_encoding("vda", "daily", BF_VIEW_BITS, "vda/daily");
    check_encoding("vda", "daily", BF_VIEW_QCOW2, "vda/daily.qcow2");
    check_encoding("my disk", "2->3", BF_VIEW_BITS, "my disk/2->3");
    check_encoding("Gr\xc3\xb6\xc3\x9f"
                   "e",
                   "\xe2\x82\xac", BF_VIEW_BITS,
                   "Gr\xc3\xb6\xc3\x9f"
                   "e/\xe2\x82\xac");
    check_encoding("disk.qcow2", "b", BF_VIEW_BITS, "disk.qcow2/b");
}

static void test_a_disk_alone_is_all_its_bitmaps(void **state)
{
    char text[BF_EXPORT_NAME_MAX + 1];

    (void)state;
    check_encoding("vda", "", BF_VIEW_DISK, "vda");
    check_encoding("vda.qcow2", "", BF_VIEW_DISK, "vda.qcow2");
    check_encoding("a/b%", "", BF_VIEW_DISK, "a%2Fb%25");
    assert_true(bf_export_name_encode("vda", "b", BF_VIEW_DISK, text, NULL) < 0);
    assert_true(bf_export_name_encode("", "", BF_VIEW_DISK, text, NULL) < 0);
}

static void test_bytes_in_the_way_are_encoded(void **state)
{
    (void)state;
    check_encoding("vda", "a/b", BF_VIEW_BITS, "vda/a%2Fb");
    check_encoding("vda", "50%", BF_VIEW_BITS, "vda/50%25");
    check_encoding("vda", "a\n\x7f", BF_VIEW_BITS, "vda/a%0A%7F");
    check_encoding("vda", "\xc3\xb6\xff", BF_VIEW_BITS, "vda/%C3%B6%FF");
}

static void test_a_bitmap_called_qcow2_does_not_collide(void **state)
{
    (void)state;
    check_encoding("vda", "b.qcow2", BF_VIEW_BITS, "vda/b%2Eqcow2");
    check_encoding("vda", "b.qcow2", BF_VIEW_QCOW2, "vda/b%2Eqcow2.qcow2");
    check_encoding("vda", ".qcow2", BF_VIEW_BITS, "vda/%2Eqcow2");
    check_encoding("vda", ".qcow2.qcow2", BF_VIEW_QCOW2, "vda/.qcow2%2Eqcow2.qcow2");
    check_encoding("vda", "qcow2", BF_VIEW_BITS, "vda/qcow2");
    check_encoding("vda", "b.qcow", BF_VIEW_BITS, "vda/b.qcow");
}

static void test_only_the_canonical_form_decodes(void **state)
{
    static const char *const bad[] = {
        "",         "vd%61",      "/",        "vda/",         "/b",      "vda/.qcow2", "vda/a/b",
        "vda/%61",  "vda/%2f",    "vda/%2",   "vda/%",        "vda/%zz", "vda/a%00b",  "vda/a\nb",
        "vda/\xff", "vda/%C3%B6", "%2Evda/b", "vda/b%2Eqcow", "%",       "/.qcow2",    "vda/%2E",
    };
    struct bf_export_name name = {.disk = "untouched"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct bf_error err = BF_ERROR_INIT;
        if (bf_export_name_decode(bad[i], &name, &err) >= 0)
            fail_msg("'%s' was decoded", bad[i]);
        assert_int_not_equal(err.code, BF_E_NONE);
    }
    assert_string_equal(name.disk, "untouched");
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005 + 1442695040888963407;
    return *state >> 33;
}

static void random_name(uint64_t *rng, char *buf, size_t max)
{
    static const char spice[] = "%/.qcow2\xc3\xb6\x01";
    size_t length = 1 + next_random(rng) % (next_random(rng) % 8 == 0 ? max : 12);

    for (size_t i = 0; i < length; i++)
        buf[i] = next_random(rng) % 2 == 0 ? (char)(1 + next_random(rng) % 255)
                                           : spice[next_random(rng) % (sizeof spice - 1)];
    buf[length] = '\0';
    if (length >= 6 && next_random(rng) % 3 == 0)
        memcpy(buf + length - 6, ".qcow2", 6);
}

static void check_round_trip(uint64_t seed)
{
    uint64_t rng = seed;
    char disk[BF_DISK_NAME_MAX + 1];
    char bitmap[BF_BITMAP_NAME_MAX + 1];
    char text[BF_EXPORT_NAME_MAX + 1];
    enum bf_view_kind view = seed % 2 == 0 ? BF_VIEW_BITS : BF_VIEW_QCOW2;
    struct bf_export_name name;

    random_name(&rng, disk, BF_DISK_NAME_MAX);
    random_name(&rng, bitmap, BF_BITMAP_NAME_MAX);
    if (bf_export_name_encode(disk, bitmap, view, text, NULL) < 0 ||
        bf_export_name_decode(text, &name, NULL) < 0 || strcmp(name.disk, disk) != 0 ||
        strcmp(name.bitmap, bitmap) != 0 || name.view != view || !bf_utf8_valid(text, strlen(text)))
        fail_msg("seed %llu: '%s' does not come back", (unsigned long long)seed, text);
}

static void test_any_bytes_go_there_and_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20000; seed++)
        check_round_trip(seed);
}

/* Whatever decodes, encodes to the same text. */
static void test_random_text_decodes_only_if_canonical(void **state)
{
    uint64_t rng = 1;
    unsigned nr_decoded = 0;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        static const char alphabet[] = "a%2F5E/.qcow2";
        char text[32];
        char again[BF_EXPORT_NAME_MAX + 1];
        struct bf_export_name name;
        size_t length = next_random(&rng) % sizeof text;

        for (size_t at = 0; at < length; at++)
            text[at] = alphabet[next_random(&rng) % (sizeof alphabet - 1)];
        text[length] = '\0';
        if (bf_export_name_decode(text, &name, NULL) < 0)
            continue;
        nr_decoded++;
        assert_int_equal(bf_export_name_encode(name.disk, name.bitmap, name.view, again, NULL), 0);
        assert_string_equal(again, text);
    }
    assert_true(nr_decoded > 100);
}

static void test_lengths_have_limits(void **state)
{
    char disk[BF_DISK_NAME_MAX + 2];
    char bitmap[BF_BITMAP_NAME_MAX + 2];
    char text[BF_EXPORT_NAME_MAX + 1];
    char plain[BF_EXPORT_NAME_MAX + 1] = "vda/";
    struct bf_export_name name;

    (void)state;
    memset(disk, '\xff', sizeof disk);
    memset(bitmap, '\xff', sizeof bitmap);
    disk[BF_DISK_NAME_MAX + 1] = '\0';
    bitmap[BF_BITMAP_NAME_MAX + 1] = '\0';
    assert_true(bf_export_name_encode(disk, "b", BF_VIEW_BITS, text, NULL) < 0);
    assert_true(bf_export_name_encode("d", bitmap, BF_VIEW_BITS, text, NULL) < 0);
    assert_true(bf_export_name_encode("", "b", BF_VIEW_BITS, text, NULL) < 0);
    assert_true(bf_export_name_encode("d", "", BF_VIEW_BITS, text, NULL) < 0);
    disk[BF_DISK_NAME_MAX] = '\0';
    bitmap[BF_BITMAP_NAME_MAX] = '\0';
    assert_int_equal(bf_export_name_encode(disk, bitmap, BF_VIEW_QCOW2, text, NULL), 0);
    assert_int_equal(strlen(text), 3 * (255 + 1023) + 1 + 6);
    assert_int_equal(bf_export_name_decode(text, &name, NULL), 0);
    assert_string_equal(name.bitmap, bitmap);
    memset(plain + 4, 'x', BF_BITMAP_NAME_MAX + 1);
    assert_true(bf_export_name_decode(plain, &name, NULL) < 0);
    plain[4 + BF_BITMAP_NAME_MAX] = '\0';
    assert_int_equal(bf_export_name_decode(plain, &name, NULL), 0);
}

static void test_images_below_have_names(void **state)
{
    static const struct {
        const char *name, *disk;
        unsigned depth;
    } rows[] = {
        {"vda", "vda", 0},      {"vda[1]", "vda", 1},      {"vda[12]", "vda", 12},
        {"a[2][1]", "a[2]", 1}, {"vda[0]", "vda[0]", 0},   {"vda[01]", "vda[01]", 0},
        {"vda[1", "vda[1", 0},  {"vda[1]x", "vda[1]x", 0}, {"[1]", "[1]", 0},
        {"vda[]", "vda[]", 0},  {"vda[-1]", "vda[-1]", 0}, {"vda[12345]", "vda[12345]", 0},
    };
    char long_name[BF_DISK_NAME_MAX + 1];
    char buf[BF_DISK_NAME_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(bf_layer_name_decode(rows[i].name, buf), rows[i].depth);
        assert_string_equal(buf, rows[i].disk);
        assert_int_equal(bf_layer_name_encode(rows[i].disk, rows[i].depth, buf, NULL), 0);
        assert_string_equal(buf, rows[i].name);
    }
    memset(long_name, 'x', BF_DISK_NAME_MAX);
    long_name[BF_DISK_NAME_MAX] = '\0';
    assert_int_equal(bf_layer_name_encode(long_name, 0, buf, NULL), 0);
    assert_true(bf_layer_name_encode(long_name, 1, buf, NULL) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_disk_alone_is_all_its_bitmaps),
        cmocka_unit_test(test_names_look_like_themselves),
        cmocka_unit_test(test_bytes_in_the_way_are_encoded),
        cmocka_unit_test(test_a_bitmap_called_qcow2_does_not_collide),
        cmocka_unit_test(test_only_the_canonical_form_decodes),
        cmocka_unit_test(test_any_bytes_go_there_and_back),
        cmocka_unit_test(test_random_text_decodes_only_if_canonical),
        cmocka_unit_test(test_lengths_have_limits),
        cmocka_unit_test(test_images_below_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
