/* What is captured comes back as it was; what is not sound does not. */
#include "migrate_capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char scratch[64];
static char folder_path[128];

static int make_scratch(void **state)
{
    (void)state;
    strcpy(scratch, "/tmp/bitferry-capture.XXXXXX");
    if (!mkdtemp(scratch))
        return -1;
    (void)snprintf(folder_path, sizeof folder_path, "%s/deep/er", scratch);
    return 0;
}

static int remove_scratch(void **state)
{
    char path[160];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/deep", scratch);
    (void)rmdir(path);
    return rmdir(scratch);
}

static void fill(struct bf_capture *capture)
{
    struct bf_error err = BF_ERROR_INIT;
    struct bf_look_disk *disk = bf_look_add_disk(&capture->before, "vda");
    struct bf_look_layer *layer = bf_look_add_layer(disk, "libvirt-1-format", "/i/vda.qcow2");
    struct bf_look_bitmap *bitmap = bf_look_add_bitmap(layer, "chk1");

    capture->domain = strdup("web1");
    capture->uuid = strdup("aaaaaaaa-0000-0000-0000-000000000001");
    capture->source_uri = strdup("qemu:///system");
    capture->dest_uri = strdup("qemu+tls://b/system");
    capture->copied = capture->before.quiet = disk->seen = disk->copied = true;
    layer->size_bytes = 1 << 20;
    bitmap->granularity_bytes = 65536;
    bitmap->dirty_bytes = 3 * 65536;
    bitmap->recording = bitmap->consistent = bitmap->digested = true;
    memset(bitmap->sha256, 0xa5, sizeof bitmap->sha256);
    for (int i = 2; i >= 1; i--) {
        char xml[200];

        (void)snprintf(xml, sizeof xml,
                       "<domaincheckpoint><name>chk%d</name>%s<creationTime>%d</creationTime>"
                       "</domaincheckpoint>",
                       i, i == 2 ? "<parent><name>chk1</name></parent>" : "", i);
        assert_int_equal(bf_virt_checkpoints_add(&capture->checkpoints, xml, &err), 0);
    }
    assert_int_equal(bf_virt_checkpoints_order(&capture->checkpoints, &err), 0);
}

static struct bf_capture_folder *open_folder(void)
{
    struct bf_capture_folder *folder = NULL;
    struct bf_error err = BF_ERROR_INIT;

    if (bf_capture_folder_open(folder_path, &folder, &err) < 0)
        fail_msg("%s", err.text);
    return folder;
}

static void assert_same(const struct bf_capture *one, const struct bf_capture *other)
{
    json_t *a = bf_capture_to_json(one);
    json_t *b = bf_capture_to_json(other);

    assert_non_null(a);
    assert_true(json_equal(a, b));
    json_decref(a);
    json_decref(b);
}

static void what_is_written_comes_back(void **state)
{
    struct bf_capture capture = {.domain = NULL};
    struct bf_capture read = {.domain = NULL};
    struct bf_capture_folder *folder = open_folder();
    struct bf_error err = BF_ERROR_INIT;

    (void)state;
    fill(&capture);
    assert_false(bf_capture_folder_is_full(folder));
    assert_int_equal(bf_capture_write(folder, &capture, &err), 0);
    assert_int_equal(bf_capture_write(folder, &capture, &err), 0); /* again: after a crash */
    assert_true(bf_capture_folder_is_full(folder));
    if (bf_capture_read(folder, &read, &err) < 0)
        fail_msg("%s", err.text);
    assert_same(&capture, &read);
    assert_string_equal(read.checkpoints.items[1].parent, "chk1");
    assert_string_equal(read.checkpoints.items[1].xml, capture.checkpoints.items[1].xml);
    assert_int_equal(bf_capture_folder_remove(folder, &read, &err), 0);
    bf_capture_release(&read);
    bf_capture_release(&capture);
    bf_capture_folder_close(folder);
}

static void two_runs_exclude_each_other(void **state)
{
    struct bf_capture_folder *folder = open_folder();
    struct bf_capture_folder *second = NULL;
    struct bf_error err = BF_ERROR_INIT;
    const struct bf_capture nothing = {.domain = NULL};

    (void)state;
    assert_true(bf_capture_folder_open(folder_path, &second, &err) < 0);
    assert_int_equal(err.code, BF_E_WORK_IN_PROGRESS);
    bf_error_clear(&err);
    assert_int_equal(bf_capture_folder_remove(folder, &nothing, &err), 0);
    bf_capture_folder_close(folder);
}

static void put_file(const char *name, const char *text)
{
    char path[256];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s", folder_path, name);
    file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

static void assert_unreadable(const char *json, enum bf_code code)
{
    struct bf_capture_folder *folder = open_folder();
    struct bf_capture read = {.domain = NULL};
    struct bf_error err = BF_ERROR_INIT;

    put_file(BF_CAPTURE_FILE, json);
    if (bf_capture_read(folder, &read, &err) == 0)
        fail_msg("taken: %s", json);
    if (err.code != code)
        fail_msg("%s for %s", err.text, json);
    bf_error_clear(&err);
    assert_int_equal(bf_capture_folder_remove(folder, &read, &err), 0);
    bf_capture_folder_close(folder);
}

#define TEXTS "\"domain\":\"d\",\"uuid\":\"u\",\"source\":\"s\",\"destination\":\"t\""

static void what_is_not_sound_is_refused(void **state)
{
    (void)state;
    assert_unreadable("", BF_E_PROTOCOL);
    assert_unreadable("[]", BF_E_PROTOCOL);
    assert_unreadable("{\"schema\":2}", BF_E_VERSION);
    assert_unreadable("{\"schema\":1,\"checkpoints\":[]}", BF_E_PROTOCOL);
    assert_unreadable("{\"schema\":1,\"checkpoints\":[],\"disks\":[{}]," TEXTS "}", BF_E_PROTOCOL);
    assert_unreadable("{\"schema\":1,\"checkpoints\":[],\"disks\":[{\"target\":\"vda\"}]," TEXTS
                      "}",
                      BF_E_PROTOCOL);
    assert_unreadable("{\"schema\":1,\"checkpoints\":[],\"disks\":[{\"target\":\"vda\",\"layers\":"
                      "[{\"node\":\"\",\"path\":\"\",\"bitmaps\":[{\"name\":\"b\",\"sha256\":\"x\"}"
                      "]}]}]," TEXTS "}",
                      BF_E_PROTOCOL);
    assert_unreadable("{\"schema\":1,\"checkpoints\":[\"../../../etc/passwd\"]," TEXTS "}",
                      BF_E_PROTOCOL);
    assert_unreadable("{\"schema\":1,\"checkpoints\":[7]," TEXTS "}", BF_E_PROTOCOL);
    assert_unreadable("{\"schema\":1,\"checkpoints\":[\"missing\"]," TEXTS "}", BF_E_NOT_FOUND);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch, remove_scratch)
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_comes_back),
        TEST(two_runs_exclude_each_other),
        TEST(what_is_not_sound_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
