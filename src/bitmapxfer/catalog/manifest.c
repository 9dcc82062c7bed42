#include "catalog/manifest.h"

#include "base/name.h"
#include "base/text.h"
#include "catalog/checkpoints.h"
#include "catalog/json.h"

#include <string.h>
#include <time.h>

static void release_file(struct bf_manifest_file *file)
{
    free(file->name);
    free(file->disk);
}

void bf_manifest_release(struct bf_manifest *manifest)
{
    bf_catalog_release(&manifest->catalog);
    for (size_t i = 0; i < manifest->nr_files; i++)
        release_file(&manifest->files[i]);
    free(manifest->files);
    free(manifest->creator);
    free(manifest->host);
    bf_checkpoints_release(&manifest->checkpoints);
    *manifest = (struct bf_manifest){0};
}

/* A plain name in the folder: nothing that leads out of it or that a terminal would obey. */
static bool is_file_name(const char *name)
{
    size_t length = strlen(name);

    if (length == 0 || length > BF_DISK_NAME_MAX || !bf_utf8_valid(name, length))
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c < 0x20 || c == 0x7f || c == '/')
            return false;
    }
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int check_file(const struct bf_manifest *manifest, const char *name, const char *disk,
                      struct bf_error *err)
{
    if (!is_file_name(name))
        return bf_error_set(err, BF_E_INVALID, "'%s' is not the name of a file in the folder",
                            name);
    if (!bf_catalog_find_disk(&manifest->catalog, disk))
        return bf_error_set(err, BF_E_INVALID,
                            "file '%s' belongs to disk '%s', which is not listed", name, disk);
    if (bf_manifest_find_file(manifest, disk))
        return bf_error_set(err, BF_E_INVALID, "disk '%s' has two files", disk);
    for (size_t i = 0; i < manifest->nr_files; i++) {
        if (strcmp(manifest->files[i].name, name) == 0)
            return bf_error_set(err, BF_E_INVALID, "file '%s' is listed twice", name);
    }
    return 0;
}

int bf_manifest_add_file(struct bf_manifest *manifest, const char *name, const char *disk,
                         uint64_t size_bytes, const uint8_t sha256[BF_SHA256_BYTES],
                         struct bf_error *err)
{
    struct bf_manifest_file file = {.size_bytes = size_bytes};
    struct bf_manifest_file *files;
    int ret = check_file(manifest, name, disk, err);

    if (ret < 0)
        return ret;
    files = realloc(manifest->files, (manifest->nr_files + 1) * sizeof *files);
    if (files)
        manifest->files = files;
    file.name = strdup(name);
    file.disk = strdup(disk);
    if (!files || !file.name || !file.disk) {
        release_file(&file);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a file of the manifest");
    }
    memcpy(file.sha256, sha256, sizeof file.sha256);
    files[manifest->nr_files++] = file;
    return 0;
}

const struct bf_manifest_file *bf_manifest_find_file(const struct bf_manifest *manifest,
                                                     const char *disk)
{
    for (size_t i = 0; i < manifest->nr_files; i++) {
        if (strcmp(manifest->files[i].disk, disk) == 0)
            return &manifest->files[i];
    }
    return NULL;
}

static json_t *file_to_json(const struct bf_manifest_file *file)
{
    char sha256[BF_HEX_SHA256_MAX];

    bf_hex_encode(file->sha256, sizeof file->sha256, sha256);
    return json_pack("{s:s, s:s, s:I, s:s}", "name", file->name, "disk", file->disk, "size_bytes",
                     (json_int_t)file->size_bytes, "sha256", sha256);
}

static json_t *files_to_json(const struct bf_manifest *manifest)
{
    json_t *files = json_array();

    for (size_t i = 0; i < manifest->nr_files; i++) {
        if (json_array_append_new(files, file_to_json(&manifest->files[i])) < 0) {
            json_decref(files);
            return NULL;
        }
    }
    return files;
}

static json_t *time_to_json(int64_t unix_s)
{
    char text[sizeof "9999-12-31T23:59:59Z"];
    time_t seconds = (time_t)unix_s;
    struct tm tm;

    if (!gmtime_r(&seconds, &tm) || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return NULL;
    return json_string(text);
}

json_t *bf_manifest_to_json(const struct bf_manifest *manifest, struct bf_error *err)
{
    json_t *json = bf_catalog_to_json(&manifest->catalog, err);

    if (!json)
        return NULL;
    if (json_object_set_new(json, "created", time_to_json(manifest->created_unix_s)) < 0 ||
        (manifest->creator &&
         json_object_set_new(json, "creator", json_string(manifest->creator)) < 0) ||
        (manifest->host && json_object_set_new(json, "host", json_string(manifest->host)) < 0) ||
        json_object_set_new(json, "files", files_to_json(manifest)) < 0 ||
        (manifest->checkpoints.nr_items > 0 &&
         json_object_set_new(json, "checkpoints", bf_checkpoints_to_json(&manifest->checkpoints)) <
             0)) {
        json_decref(json);
        (void)bf_error_set(err, BF_E_NO_MEMORY, "no memory for the manifest as JSON");
        return NULL;
    }
    return json;
}
