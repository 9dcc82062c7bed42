/* The catalog's JSON: what goes out comes back, and nothing malformed comes in. */
#include "base/text.h"
#include "catalog/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define BITMAP(fields)                                                                             \
    "{\"schema\":1,\"disks\":[{\"name\":\"vda\",\"virtual_size_bytes\":1048576,"                   \
    "\"bitmaps\":[{" fields "}]}]}"
#define REST "\"recording\":true,\"persistent\":true,\"consistent\":true"

static struct bf_catalog_bitmap sample_bitmap(char *name)
{
    struct bf_catalog_bitmap bitmap = {
        .name = name,
        .granularity_bytes = 65536,
        .recording = true,
        .persistent = true,
        .consistent = true,
        .has_summary = true,
        .summary.nr_dirty_bits = 3,
    };

    assert_true(bf_hex_decode(SHA, BF_SHA256_BYTES, bitmap.summary.sha256));
    return bitmap;
}

static void build_sample(struct bf_catalog *catalog)
{
    struct bf_catalog_bitmap good = sample_bitmap("check/point 100% \xc3\xa9");
    struct bf_catalog_bitmap raw = sample_bitmap("not \xff utf-8");
    struct bf_catalog_bitmap broken = {
        .name = "broken",
        .granularity_bytes = 512,
        .persistent = true,
        .problem = "in use \xfe",
    };
    struct bf_catalog_disk *disk;

    assert_int_equal(bf_catalog_add_disk(catalog, "vda", 1 << 20, &disk, NULL), 0);
    assert_int_equal(bf_catalog_add_bitmap(disk, &good, NULL), 0);
    assert_int_equal(bf_catalog_add_bitmap(disk, &raw, NULL), 0);
    assert_int_equal(bf_catalog_add_bitmap(disk, &broken, NULL), 0);
    disk->note = strdup("written by an old program");
    assert_int_equal(bf_catalog_add_disk(catalog, "empty", 0, &disk, NULL), 0);
}

static void assert_same_bitmap(const struct bf_catalog_bitmap *a, const struct bf_catalog_bitmap *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->granularity_bytes, b->granularity_bytes);
    assert_int_equal(a->recording, b->recording);
    assert_int_equal(a->persistent, b->persistent);
    assert_int_equal(a->consistent, b->consistent);
    assert_int_equal(a->has_summary, b->has_summary);
    if (a->has_summary)
        assert_true(bf_summary_equal(&a->summary, &b->summary));
}

static void what_is_written_reads_back(void **state)
{
    struct bf_catalog catalog = {0};
    struct bf_catalog back = {0};
    char *text;
    size_t nr_bytes;

    (void)state;
    build_sample(&catalog);
    assert_int_equal(bf_catalog_format(&catalog, &text, &nr_bytes, NULL), 0);
    assert_int_equal(strlen(text), nr_bytes);
    assert_int_equal(text[nr_bytes - 1], '\n');
    assert_int_equal(bf_catalog_parse(text, nr_bytes, &back, NULL), 0);
    assert_int_equal(back.nr_disks, 2);
    assert_string_equal(back.disks[0].name, "vda");
    assert_int_equal(back.disks[0].virtual_size_bytes, 1 << 20);
    assert_string_equal(back.disks[0].note, "written by an old program");
    assert_null(back.disks[1].note);
    assert_int_equal(back.disks[0].nr_bitmaps, 3);
    for (size_t i = 0; i < 3; i++)
        assert_same_bitmap(&catalog.disks[0].bitmaps[i], &back.disks[0].bitmaps[i]);
    assert_string_equal(back.disks[0].bitmaps[2].problem, "in use ?");
    free(text);
    bf_catalog_release(&catalog);
    bf_catalog_release(&back);
}

static void the_keys_are_those_of_the_interface(void **state)
{
    struct bf_catalog catalog = {0};
    const char *expected =
        "{\"schema\":1,\"disks\":[{\"name\":\"vda\",\"virtual_size_bytes\":1048576,\"bitmaps\":["
        "{\"name\":\"b\",\"granularity_bytes\":65536,\"dirty_bytes\":196608,\"sha256\":\"" SHA
        "\"," REST "}]}]}";
    struct bf_catalog_bitmap bitmap = sample_bitmap("b");
    struct bf_catalog_disk *disk;

    (void)state;
    assert_int_equal(bf_catalog_add_disk(&catalog, "vda", 1 << 20, &disk, NULL), 0);
    assert_int_equal(bf_catalog_add_bitmap(disk, &bitmap, NULL), 0);
    json_t *json = bf_catalog_to_json(&catalog, NULL);
    char *text = json_dumps(json, JSON_COMPACT);
    assert_string_equal(text, expected);
    free(text);
    json_decref(json);
    bf_catalog_release(&catalog);
}

static void a_name_that_is_not_utf8_is_given_in_hex(void **state)
{
    struct bf_catalog catalog = {0};
    struct bf_catalog_bitmap bitmap = sample_bitmap("a\xff");
    struct bf_catalog_disk *disk;

    (void)state;
    assert_int_equal(bf_catalog_add_disk(&catalog, "vda", 1 << 20, &disk, NULL), 0);
    assert_int_equal(bf_catalog_add_bitmap(disk, &bitmap, NULL), 0);
    json_t *json = bf_catalog_to_json(&catalog, NULL);
    const char *name;
    const char *hex;
    assert_int_equal(json_unpack(json, "{s:[{s:[{s:s,s:s}]}]}", "disks", "bitmaps", "name", &name,
                                 "name_hex", &hex),
                     0);
    assert_string_equal(name, "a?");
    assert_string_equal(hex, "61ff");
    json_decref(json);
    bf_catalog_release(&catalog);
}

static void unknown_keys_are_ignored(void **state)
{
    static const char text[] =
        "{\"schema\":1,\"later\":[],\"disks\":[{\"name\":\"a\",\"virtual_size_bytes\":0,\"x\":{},"
        "\"bitmaps\":[{\"name\":\"b\",\"granularity_bytes\":512," REST ",\"new\":null}]}]}";
    struct bf_catalog catalog = {0};

    (void)state;
    assert_int_equal(bf_catalog_parse(text, sizeof text - 1, &catalog, NULL), 0);
    assert_false(catalog.disks[0].bitmaps[0].has_summary);
    bf_catalog_release(&catalog);
}

static void an_inconsistent_bitmap_has_no_digest(void **state)
{
    static const char text[] =
        BITMAP("\"name\":\"b\",\"granularity_bytes\":512,\"recording\":true,\"persistent\":true,"
               "\"consistent\":false,\"dirty_bytes\":0,\"sha256\":\"" SHA "\"");
    struct bf_catalog catalog = {0};

    (void)state;
    assert_int_equal(bf_catalog_parse(text, sizeof text - 1, &catalog, NULL), 0);
    assert_false(catalog.disks[0].bitmaps[0].has_summary);
    bf_catalog_release(&catalog);
}

struct bad_input {
    const char *text;
    enum bf_code code;
    const char *says;
};

static const struct bad_input bad_inputs[] = {
    {"", BF_E_PROTOCOL, "not JSON"},
    {"{\"schema\":1,\"disks\":[", BF_E_PROTOCOL, "not JSON"},
    {"{\"schema\":1,\"schema\":1,\"disks\":[]}", BF_E_PROTOCOL, "not JSON"},
    {"[]", BF_E_PROTOCOL, "\"schema\""},
    {"{\"schema\":0,\"disks\":[]}", BF_E_PROTOCOL, "\"schema\""},
    {"{\"schema\":2,\"disks\":[]}", BF_E_VERSION, "newer bitferry"},
    {"{\"schema\":1}", BF_E_PROTOCOL, "\"disks\""},
    {"{\"schema\":1,\"disks\":[7]}", BF_E_PROTOCOL, "disks[0]"},
    {"{\"schema\":1,\"disks\":[{\"name\":\"a/b\",\"virtual_size_bytes\":0,\"bitmaps\":[]}]}",
     BF_E_PROTOCOL, "disks[0]"},
    {"{\"schema\":1,\"disks\":[{\"name\":\"a\",\"virtual_size_bytes\":-1,\"bitmaps\":[]}]}",
     BF_E_PROTOCOL, "\"virtual_size_bytes\""},
    {"{\"schema\":1,\"disks\":[{\"name\":\"a\",\"virtual_size_bytes\":0,\"bitmaps\":[]},"
     "{\"name\":\"a\",\"virtual_size_bytes\":0,\"bitmaps\":[]}]}",
     BF_E_PROTOCOL, "disks[1]"},
    {BITMAP("\"granularity_bytes\":512," REST), BF_E_PROTOCOL, "disks[0]: bitmaps[0]: \"name\""},
    {BITMAP("\"name\":\"\",\"granularity_bytes\":512," REST), BF_E_PROTOCOL, "bitmaps[0]"},
    {BITMAP("\"name\":\"b\",\"granularity_bytes\":500," REST), BF_E_PROTOCOL, "bitmaps[0]"},
    {BITMAP("\"name\":\"b\",\"granularity_bytes\":0," REST), BF_E_PROTOCOL, "bitmaps[0]"},
    {BITMAP("\"name\":\"b\",\"granularity_bytes\":9223372036854775808," REST), BF_E_PROTOCOL,
     "not JSON"},
    {BITMAP("\"name\":\"b\",\"granularity_bytes\":512,\"recording\":true,\"persistent\":true"),
     BF_E_PROTOCOL, "\"consistent\""},
    {BITMAP("\"name\":\"b\",\"granularity_bytes\":512,\"dirty_bytes\":0," REST), BF_E_PROTOCOL,
     "\"sha256\""},
    {BITMAP("\"name\":\"b\",\"granularity_bytes\":512,\"sha256\":\"" SHA "\"," REST), BF_E_PROTOCOL,
     "\"dirty_bytes\""},
    {BITMAP("\"name\":\"b\",\"granularity_bytes\":512,\"dirty_bytes\":0,\"sha256\":\"12\"," REST),
     BF_E_PROTOCOL, "\"sha256\""},
    {BITMAP("\"name\":\"b\",\"granularity_bytes\":512,\"dirty_bytes\":100,\"sha256\":\"" SHA
            "\"," REST),
     BF_E_PROTOCOL, "\"dirty_bytes\""},
    {BITMAP("\"name\":\"b\",\"granularity_bytes\":65536,\"dirty_bytes\":1114112,\"sha256\":\"" SHA
            "\"," REST),
     BF_E_PROTOCOL, "\"dirty_bytes\""},
    {BITMAP("\"name\":\"b\",\"name_hex\":\"6\",\"granularity_bytes\":512," REST), BF_E_PROTOCOL,
     "\"name_hex\""},
    {BITMAP("\"name\":\"b\",\"name_hex\":\"610062\",\"granularity_bytes\":512," REST),
     BF_E_PROTOCOL, "\"name_hex\""},
};

static void malformed_input_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_inputs / sizeof bad_inputs[0]; i++) {
        const struct bad_input *bad = &bad_inputs[i];
        struct bf_error err = BF_ERROR_INIT;
        struct bf_catalog catalog = {0};

        if (bf_catalog_parse(bad->text, strlen(bad->text), &catalog, &err) >= 0)
            fail_msg("taken: %s", bad->text);
        if (err.code != bad->code || !strstr(err.text, bad->says))
            fail_msg("%s: %s instead of '%s'", bf_code_name(err.code), err.text, bad->says);
        assert_null(catalog.disks);
    }
}

static void every_cut_of_a_good_text_is_refused(void **state)
{
    struct bf_catalog catalog = {0};
    struct bf_catalog none = {0};
    char *text;
    size_t nr_bytes;

    (void)state;
    build_sample(&catalog);
    assert_int_equal(bf_catalog_format(&catalog, &text, &nr_bytes, NULL), 0);
    for (size_t cut = 0; cut + 1 < nr_bytes; cut++)
        assert_true(bf_catalog_parse(text, cut, &none, NULL) < 0);
    free(text);
    bf_catalog_release(&catalog);
}

static void too_many_disks_or_bytes_are_refused(void **state)
{
    struct bf_error err = BF_ERROR_INIT;
    struct bf_catalog catalog = {0};
    json_t *disks = json_array();

    (void)state;
    assert_true(bf_catalog_parse("", BF_CATALOG_JSON_MAX_BYTES + 1, &catalog, &err) < 0);
    assert_int_equal(err.code, BF_E_LIMIT);
    for (int i = 0; i <= BF_CATALOG_DISKS_MAX; i++)
        json_array_append_new(disks, json_object());
    json_t *json = json_pack("{s:i,s:o}", "schema", 1, "disks", disks);
    bf_error_clear(&err);
    assert_true(bf_catalog_from_json(json, &catalog, &err) < 0);
    assert_int_equal(err.code, BF_E_LIMIT);
    json_decref(json);
}

static void a_size_that_json_does_not_hold_is_refused(void **state)
{
    struct bf_error err = BF_ERROR_INIT;
    struct bf_catalog catalog = {0};
    struct bf_catalog_disk *disk;
    char *text;
    size_t nr_bytes;

    (void)state;
    assert_int_equal(bf_catalog_add_disk(&catalog, "vda", UINT64_MAX, &disk, NULL), 0);
    assert_null(bf_catalog_to_json(&catalog, NULL));
    assert_true(bf_catalog_format(&catalog, &text, &nr_bytes, &err) < 0);
    assert_int_equal(err.code, BF_E_LIMIT);
    bf_catalog_release(&catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(the_keys_are_those_of_the_interface),
        cmocka_unit_test(a_name_that_is_not_utf8_is_given_in_hex),
        cmocka_unit_test(unknown_keys_are_ignored),
        cmocka_unit_test(an_inconsistent_bitmap_has_no_digest),
        cmocka_unit_test(malformed_input_is_refused_with_its_place),
        cmocka_unit_test(every_cut_of_a_good_text_is_refused),
        cmocka_unit_test(too_many_disks_or_bytes_are_refused),
        cmocka_unit_test(a_size_that_json_does_not_hold_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
