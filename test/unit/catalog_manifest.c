/* The manifest: what is packed comes back, and nothing that somebody made up gets through. */
#include "catalog/manifest.h"

#include "manifest.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t digest[BF_SHA256_BYTES] = {0xab, 0xcd, 0xef, [31] = 0x01};

/* Two disks; a bitmap that is not UTF-8, an inconsistent one, one without a digest. */
static void make_sample(struct bf_manifest *manifest)
{
    char strange[] = "\xff\n day";
    char plain[] = "monday";
    char torn[] = "torn";
    char why[] = "it was not closed cleanly";
    struct bf_catalog_bitmap bitmap = {.name = strange,
                                       .granularity_bytes = 65536,
                                       .recording = true,
                                       .persistent = true,
                                       .consistent = true,
                                       .has_summary = true,
                                       .summary.nr_dirty_bits = 16};
    struct bf_catalog_disk *disk;

    *manifest = (struct bf_manifest){.created_unix_s = 1790000000};
    manifest->creator = strdup("bitferry test");
    manifest->host = strdup("größe");
    memcpy(bitmap.summary.sha256, digest, sizeof digest);
    assert_int_equal(bf_catalog_add_disk(&manifest->catalog, "vda", 1 << 20, &disk, NULL), 0);
    disk->note = strdup("a note");
    assert_int_equal(bf_catalog_add_bitmap(disk, &bitmap, NULL), 0);
    bitmap = (struct bf_catalog_bitmap){.name = torn, .granularity_bytes = 512, .problem = why};
    assert_int_equal(bf_catalog_add_bitmap(disk, &bitmap, NULL), 0);
    assert_int_equal(bf_catalog_add_disk(&manifest->catalog, "vdb", 513, &disk, NULL), 0);
    bitmap = (struct bf_catalog_bitmap){
        .name = plain, .granularity_bytes = UINT64_C(1) << 31, .consistent = true};
    assert_int_equal(bf_catalog_add_bitmap(disk, &bitmap, NULL), 0);
    assert_int_equal(
        bf_manifest_add_file(manifest, "vda.carrier.qcow2", "vda", 197120, digest, NULL), 0);
}

static void assert_same_bitmap(const struct bf_catalog_bitmap *a, const struct bf_catalog_bitmap *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->granularity_bytes, b->granularity_bytes);
    assert_int_equal(a->recording, b->recording);
    assert_int_equal(a->persistent, b->persistent);
    assert_int_equal(a->consistent, b->consistent);
    assert_int_equal(a->has_summary, b->has_summary);
    assert_string_equal(a->problem ? a->problem : "none", b->problem ? b->problem : "none");
    if (a->has_summary)
        assert_true(bf_summary_equal(&a->summary, &b->summary));
}

static void assert_same_disk(const struct bf_catalog_disk *a, const struct bf_catalog_disk *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->virtual_size_bytes, b->virtual_size_bytes);
    assert_string_equal(a->note ? a->note : "none", b->note ? b->note : "none");
    assert_int_equal(a->nr_bitmaps, b->nr_bitmaps);
    for (size_t i = 0; i < a->nr_bitmaps; i++)
        assert_same_bitmap(&a->bitmaps[i], &b->bitmaps[i]);
}

static void what_is_packed_comes_back(void **state)
{
    BF_CLEANUP(bf_manifest_release) struct bf_manifest before;
    BF_CLEANUP(bf_manifest_release) struct bf_manifest after = {0};
    BF_CLEANUP(bf_freep) uint8_t *bytes = NULL;
    struct bf_error err = BF_ERROR_INIT;
    size_t nr_bytes = 0;

    (void)state;
    make_sample(&before);
    assert_int_equal(bf_manifest_pack(&before, &bytes, &nr_bytes, NULL), 0);
    (void)bf_manifest_unpack(bytes, nr_bytes, &after, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(after.created_unix_s, 1790000000);
    assert_string_equal(after.creator, "bitferry test");
    assert_string_equal(after.host, "größe");
    assert_int_equal(after.catalog.nr_disks, 2);
    for (size_t i = 0; i < 2; i++)
        assert_same_disk(&before.catalog.disks[i], &after.catalog.disks[i]);
    assert_int_equal(after.nr_files, 1);
    assert_string_equal(bf_manifest_find_file(&after, "vda")->name, "vda.carrier.qcow2");
    assert_int_equal(after.files[0].size_bytes, 197120);
    assert_memory_equal(after.files[0].sha256, digest, sizeof digest);
    assert_null(bf_manifest_find_file(&after, "vdb"));
}

static void checkpoints_come_back(void **state)
{
    BF_CLEANUP(bf_manifest_release) struct bf_manifest before;
    BF_CLEANUP(bf_manifest_release) struct bf_manifest after = {0};
    BF_CLEANUP(bf_freep) uint8_t *bytes = NULL;
    struct bf_checkpoint *checkpoint;
    size_t nr_bytes = 0;

    (void)state;
    make_sample(&before);
    before.checkpoints.style = BF_CHAIN_LINKS;
    assert_int_equal(bf_checkpoints_add(&before.checkpoints, "c1", NULL, 7, &checkpoint, NULL), 0);
    assert_int_equal(bf_checkpoint_add_disk(checkpoint, "vda", "other", NULL), 0);
    assert_int_equal(bf_checkpoints_add(&before.checkpoints, "c2", "c1", 8, NULL, NULL), 0);
    assert_int_equal(bf_checkpoints_settle(&before.checkpoints, NULL), 0);
    assert_int_equal(bf_manifest_pack(&before, &bytes, &nr_bytes, NULL), 0);
    assert_int_equal(bf_manifest_unpack(bytes, nr_bytes, &after, NULL), 0);
    assert_int_equal(after.checkpoints.style, BF_CHAIN_LINKS);
    assert_int_equal(after.checkpoints.nr_items, 2);
    assert_string_equal(bf_checkpoint_bitmap(&after.checkpoints.items[0], "vda"), "other");
    assert_string_equal(after.checkpoints.items[1].parent, "c1");
    assert_int_equal(after.checkpoints.items[0].next_index, 1);
}

/* What is no JSON of checkpoints is refused with its place. */
static void made_up_checkpoints_are_refused(void **state)
{
    static char text[] = "{\"schema\":1,\"style\":\"links\",\"checkpoints\":[{\"name\":\"\"}]}";
    Bitferry__Manifest message = BITFERRY__MANIFEST__INIT;
    struct bf_manifest manifest = {0};
    struct bf_error err = BF_ERROR_INIT;
    uint8_t bytes[256];

    (void)state;
    message.version = 1;
    message.checkpoints = (ProtobufCBinaryData){.len = sizeof text - 1, .data = (uint8_t *)text};
    assert_true(
        bf_manifest_unpack(bytes, bitferry__manifest__pack(&message, bytes), &manifest, &err) < 0);
    assert_non_null(strstr(err.text, "its checkpoints: "));
}

static void an_empty_manifest_is_one(void **state)
{
    BF_CLEANUP(bf_manifest_release) struct bf_manifest before = {0};
    BF_CLEANUP(bf_manifest_release) struct bf_manifest after = {0};
    BF_CLEANUP(bf_freep) uint8_t *bytes = NULL;
    size_t nr_bytes = 0;

    (void)state;
    assert_int_equal(bf_manifest_pack(&before, &bytes, &nr_bytes, NULL), 0);
    assert_int_equal(bf_manifest_unpack(bytes, nr_bytes, &after, NULL), 0);
    assert_null(after.creator);
    assert_int_equal(after.catalog.nr_disks, 0);
}

/* A message tree whose parts can be spoiled one at a time. */
struct tree {
    Bitferry__Manifest manifest;
    Bitferry__Disk disks[2], *disk_pointers[2];
    Bitferry__Bitmap bitmaps[2], *bitmap_pointers[2];
    Bitferry__File files[2], *file_pointers[2];
};

static ProtobufCBinaryData bytes_of(const char *text, size_t nr_bytes)
{
    return (ProtobufCBinaryData){.len = nr_bytes, .data = (uint8_t *)(uintptr_t)text};
}

static ProtobufCBinaryData name_of(const char *text)
{
    return bytes_of(text, strlen(text));
}

static void plant(struct tree *tree)
{
    static const char *const names[] = {"first", "second"};

    bitferry__manifest__init(&tree->manifest);
    tree->manifest.version = BF_MANIFEST_VERSION;
    for (size_t i = 0; i < 2; i++) {
        bitferry__disk__init(&tree->disks[i]);
        tree->disks[i].name = name_of(names[i]);
        tree->disks[i].virtual_size_bytes = 1 << 20;
        tree->disk_pointers[i] = &tree->disks[i];
        bitferry__bitmap__init(&tree->bitmaps[i]);
        tree->bitmaps[i].name = name_of(names[i]);
        tree->bitmaps[i].granularity_bytes = 65536;
        tree->bitmaps[i].consistent = true;
        tree->bitmaps[i].nr_dirty_bits = 16;
        tree->bitmaps[i].sha256 = bytes_of((const char *)digest, sizeof digest);
        tree->bitmap_pointers[i] = &tree->bitmaps[i];
        bitferry__file__init(&tree->files[i]);
        tree->files[i].name = name_of(names[i]);
        tree->files[i].disk = name_of(names[i]);
        tree->files[i].sha256 = bytes_of((const char *)digest, sizeof digest);
        tree->file_pointers[i] = &tree->files[i];
    }
    tree->manifest.disks = tree->disk_pointers;
    tree->manifest.files = tree->file_pointers;
    tree->disks[0].bitmaps = tree->bitmap_pointers;
    tree->manifest.n_disks = tree->manifest.n_files = tree->disks[0].n_bitmaps = 2;
}

static void harvest(const struct tree *tree, struct bf_error *err)
{
    BF_CLEANUP(bf_manifest_release) struct bf_manifest manifest = {0};
    BF_CLEANUP(bf_freep)
    uint8_t *bytes = malloc(bitferry__manifest__get_packed_size(&tree->manifest));

    (void)bf_manifest_unpack(bytes, bitferry__manifest__pack(&tree->manifest, bytes), &manifest,
                             err);
    if (err->code != BF_E_NONE)
        assert_null(manifest.catalog.disks);
}

/* Every case spoils one thing in a tree that is accepted as planted. */
#define REFUSED(name, statement, error_code, words)                                                \
    static void name(void **state)                                                                 \
    {                                                                                              \
        struct bf_error err = BF_ERROR_INIT;                                                       \
        struct tree tree;                                                                          \
                                                                                                   \
        (void)state;                                                                               \
        plant(&tree);                                                                              \
        harvest(&tree, &err);                                                                      \
        assert_string_equal(err.text, "");                                                         \
        statement;                                                                                 \
        harvest(&tree, &err);                                                                      \
        if (!strstr(err.text, words))                                                              \
            fail_msg("it says '%s', not '%s'", err.text, words);                                   \
        assert_int_equal(err.code, error_code);                                                    \
    }

static char long_text[2000]; /* filled by main() */

REFUSED(a_missing_version, tree.manifest.version = 0, BF_E_PROTOCOL, "not a manifest")
REFUSED(a_newer_version, tree.manifest.version = 2, BF_E_VERSION, "use a newer one")
REFUSED(a_time_before_1970, tree.manifest.created_unix_s = -1, BF_E_PROTOCOL, "time of creation")
REFUSED(a_time_past_9999, tree.manifest.created_unix_s = BF_MANIFEST_TIME_MAX_S + 1, BF_E_PROTOCOL,
        "time of creation")
REFUSED(a_host_with_controls, tree.manifest.host = "a\033[2Jb", BF_E_PROTOCOL, "the host")
REFUSED(a_creator_that_is_not_utf8, tree.manifest.creator = "\xc3", BF_E_PROTOCOL, "the creator")
REFUSED(a_note_that_is_too_long, tree.disks[1].note = long_text, BF_E_PROTOCOL, "the note")
REFUSED(a_problem_with_controls, tree.bitmaps[1].problem = "\n", BF_E_PROTOCOL, "the problem")
REFUSED(a_disk_without_name, tree.disks[0].name.len = 0, BF_E_PROTOCOL, "name of a disk")
REFUSED(a_disk_name_with_nul, tree.disks[0].name = bytes_of("a\0b", 3), BF_E_PROTOCOL, "NUL")
REFUSED(a_disk_name_that_is_too_long, tree.disks[0].name = bytes_of(long_text, 256), BF_E_PROTOCOL,
        "name of a disk")
REFUSED(a_disk_name_with_a_slash, tree.disks[0].name = name_of("../x"), BF_E_PROTOCOL, "../x")
REFUSED(two_disks_of_one_name, tree.disks[0].name = name_of("second"), BF_E_PROTOCOL, "second")
REFUSED(an_absurd_disk, tree.disks[1].virtual_size_bytes = UINT64_MAX, BF_E_PROTOCOL, "larger than")
REFUSED(a_bitmap_without_name, tree.bitmaps[0].name.len = 0, BF_E_PROTOCOL, "name of a bitmap")
REFUSED(a_bitmap_name_with_nul, tree.bitmaps[0].name = bytes_of("a\0b", 3), BF_E_PROTOCOL, "NUL")
REFUSED(a_bitmap_name_that_is_too_long, tree.bitmaps[0].name = bytes_of(long_text, 1024),
        BF_E_PROTOCOL, "name of a bitmap")
REFUSED(two_bitmaps_of_one_name, tree.bitmaps[0].name = name_of("second"), BF_E_PROTOCOL, "second")
REFUSED(a_granularity_that_is_no_power_of_two, tree.bitmaps[0].granularity_bytes = 65537,
        BF_E_PROTOCOL, "granularity")
REFUSED(a_granularity_that_is_too_fine, tree.bitmaps[0].granularity_bytes = 256, BF_E_PROTOCOL,
        "granularity")
REFUSED(a_granularity_that_is_too_coarse, tree.bitmaps[0].granularity_bytes = UINT64_C(1) << 32,
        BF_E_PROTOCOL, "granularity")
REFUSED(
    more_bits_than_qemu_can_store,
    {
        tree.disks[0].virtual_size_bytes = UINT64_C(1) << 60;
        tree.bitmaps[0].granularity_bytes = 512;
    },
    BF_E_PROTOCOL, "first")
REFUSED(a_digest_of_31_bytes, tree.bitmaps[0].sha256.len = 31, BF_E_PROTOCOL, "SHA-256 of 31")
REFUSED(a_digest_of_an_inconsistent_bitmap, tree.bitmaps[0].consistent = false, BF_E_PROTOCOL,
        "not consistent and has a digest")
REFUSED(more_dirty_bits_than_bits, tree.bitmaps[0].nr_dirty_bits = 17, BF_E_PROTOCOL,
        "more dirty bits")
REFUSED(a_file_name_with_a_slash, tree.files[0].name = name_of("../x"), BF_E_PROTOCOL, "folder")
REFUSED(a_file_named_dot_dot, tree.files[0].name = name_of(".."), BF_E_PROTOCOL, "folder")
REFUSED(a_file_name_with_nul, tree.files[0].name = bytes_of("a\0b", 3), BF_E_PROTOCOL, "NUL")
REFUSED(a_file_name_with_controls, tree.files[0].name = name_of("a\rb"), BF_E_PROTOCOL, "folder")
REFUSED(two_files_of_one_name, tree.files[1].name = name_of("first"), BF_E_PROTOCOL, "listed twice")
REFUSED(two_files_of_one_disk, tree.files[1].disk = name_of("first"), BF_E_PROTOCOL, "two files")
REFUSED(a_file_of_an_unknown_disk, tree.files[0].disk = name_of("third"), BF_E_PROTOCOL,
        "not listed")
REFUSED(a_file_digest_of_33_bytes, tree.files[0].sha256 = bytes_of(long_text, 33), BF_E_PROTOCOL,
        "SHA-256 of 33")
REFUSED(an_absurd_file, tree.files[0].size_bytes = UINT64_MAX, BF_E_PROTOCOL, "larger than")

static void check_refused(const uint8_t *bytes, size_t nr_bytes, enum bf_code code)
{
    BF_CLEANUP(bf_manifest_release) struct bf_manifest manifest = {0};
    struct bf_error err = BF_ERROR_INIT;

    assert_true(bf_manifest_unpack(bytes, nr_bytes, &manifest, &err) < 0);
    assert_int_equal(err.code, code);
    assert_true(strlen(err.text) > 0);
}

static void a_file_over_the_cap_is_refused(void **state)
{
    BF_CLEANUP(bf_freep) uint8_t *bytes = calloc(1, BF_MANIFEST_MAX_BYTES + 1);

    (void)state;
    check_refused(bytes, BF_MANIFEST_MAX_BYTES + 1, BF_E_LIMIT);
}

/* 8 Mi messages in 16 MiB: 112 bytes and a pointer each if they were all made. */
static void a_flood_of_empty_messages_is_refused(void **state)
{
    BF_CLEANUP(bf_freep) uint8_t *bytes = calloc(1, BF_MANIFEST_MAX_BYTES);

    (void)state;
    for (size_t i = 0; i < BF_MANIFEST_MAX_BYTES; i += 2)
        bytes[i] = 10 << 3 | 2; /* field 10, length-delimited; length 0 */
    check_refused(bytes, BF_MANIFEST_MAX_BYTES, BF_E_LIMIT);
}

/* Unknown fields are carried along by protobuf-c, groups and nested lengths included. */
static void text_and_groups_are_refused(void **state)
{
    static const char text[] = "{\"schema\":1,\"disks\":[]}";
    static const uint8_t groups[] = {0x0b, 0x0b, 0x0b, 0x0c};

    (void)state;
    check_refused((const uint8_t *)text, sizeof text - 1, BF_E_PROTOCOL);
    check_refused(groups, sizeof groups, BF_E_PROTOCOL);
    check_refused(groups, 0, BF_E_PROTOCOL);
}

/* Unpack; what is accepted must be a manifest that can be packed and unpacked again. */
static void try_bytes(const uint8_t *bytes, size_t nr_bytes)
{
    BF_CLEANUP(bf_manifest_release) struct bf_manifest manifest = {0};
    BF_CLEANUP(bf_manifest_release) struct bf_manifest again = {0};
    BF_CLEANUP(bf_freep) uint8_t *packed = NULL;
    size_t nr_packed = 0;

    if (bf_manifest_unpack(bytes, nr_bytes, &manifest, NULL) < 0)
        return;
    assert_int_equal(bf_manifest_pack(&manifest, &packed, &nr_packed, NULL), 0);
    assert_int_equal(bf_manifest_unpack(packed, nr_packed, &again, NULL), 0);
    assert_int_equal(again.catalog.nr_disks, manifest.catalog.nr_disks);
}

static void every_cut_and_every_changed_byte_is_survived(void **state)
{
    BF_CLEANUP(bf_manifest_release) struct bf_manifest manifest;
    BF_CLEANUP(bf_freep) uint8_t *bytes = NULL;
    size_t nr_bytes = 0;

    (void)state;
    make_sample(&manifest);
    assert_int_equal(bf_manifest_pack(&manifest, &bytes, &nr_bytes, NULL), 0);
    for (size_t i = 0; i < nr_bytes; i++) {
        uint8_t *cut = malloc(i + 1); /* of its very size, so that a sanitizer sees the end */
        uint8_t saved = bytes[i];

        memcpy(cut, bytes, i + 1);
        try_bytes(cut, i + 1);
        free(cut);
        for (unsigned value = 0; value < 256; value++) {
            bytes[i] = (uint8_t)value;
            try_bytes(bytes, nr_bytes);
        }
        bytes[i] = saved;
    }
}

static void json_says_the_same(void **state)
{
    BF_CLEANUP(bf_manifest_release) struct bf_manifest manifest;
    const char *created, *creator, *disk, *name, *file_disk, *sha256;
    json_int_t size_bytes;
    json_t *json;

    (void)state;
    make_sample(&manifest);
    json = bf_manifest_to_json(&manifest, NULL);
    assert_int_equal(json_unpack(json, "{s:s, s:s, s:[{s:s}], s:[{s:s, s:s, s:I, s:s}]}", "created",
                                 &created, "creator", &creator, "disks", "name", &disk, "files",
                                 "name", &name, "disk", &file_disk, "size_bytes", &size_bytes,
                                 "sha256", &sha256),
                     0);
    assert_string_equal(created, "2026-09-21T14:13:20Z");
    assert_string_equal(creator, "bitferry test");
    assert_string_equal(disk, "vda");
    assert_string_equal(name, "vda.carrier.qcow2");
    assert_string_equal(file_disk, "vda");
    assert_int_equal(size_bytes, 197120);
    assert_string_equal(sha256, "abcdef0000000000000000000000000000000000000000000000000000000001");
    json_decref(json);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_packed_comes_back),
        T(an_empty_manifest_is_one),
        T(a_missing_version),
        T(a_newer_version),
        T(a_time_before_1970),
        T(a_time_past_9999),
        T(a_host_with_controls),
        T(a_creator_that_is_not_utf8),
        T(a_note_that_is_too_long),
        T(a_problem_with_controls),
        T(a_disk_without_name),
        T(a_disk_name_with_nul),
        T(a_disk_name_that_is_too_long),
        T(a_disk_name_with_a_slash),
        T(two_disks_of_one_name),
        T(an_absurd_disk),
        T(a_bitmap_without_name),
        T(a_bitmap_name_with_nul),
        T(a_bitmap_name_that_is_too_long),
        T(two_bitmaps_of_one_name),
        T(a_granularity_that_is_no_power_of_two),
        T(a_granularity_that_is_too_fine),
        T(a_granularity_that_is_too_coarse),
        T(more_bits_than_qemu_can_store),
        T(a_digest_of_31_bytes),
        T(a_digest_of_an_inconsistent_bitmap),
        T(more_dirty_bits_than_bits),
        T(a_file_name_with_a_slash),
        T(a_file_named_dot_dot),
        T(a_file_name_with_nul),
        T(a_file_name_with_controls),
        T(two_files_of_one_name),
        T(two_files_of_one_disk),
        T(a_file_of_an_unknown_disk),
        T(a_file_digest_of_33_bytes),
        T(an_absurd_file),
        T(a_file_over_the_cap_is_refused),
        T(a_flood_of_empty_messages_is_refused),
        T(text_and_groups_are_refused),
        T(checkpoints_come_back),
        T(made_up_checkpoints_are_refused),
        T(every_cut_and_every_changed_byte_is_survived),
        T(json_says_the_same),
    };

    memset(long_text, 'x', sizeof long_text - 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
