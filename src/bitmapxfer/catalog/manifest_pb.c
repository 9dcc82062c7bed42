/* The manifest as protobuf.  What is unpacked lives in a pool: protobuf-c's messages go with it in
 * one piece, and what they may take is capped, whatever the file says. */
#include "catalog/manifest.h"

#include "base/name.h"
#include "base/text.h"
#include "catalog/checkpoints.h"
#include "manifest.pb-c.h"

#include <stdalign.h>
#include <string.h>

enum { TEXT_MAX_BYTES = 1023 }; /* of notes, problems and the like */

struct block {
    struct block *next;
    alignas(max_align_t) char bytes[];
};

struct pool {
    struct block *blocks;
    size_t left_bytes;
    bool exhausted; /* the cap was reached, or memory was */
};

static void *pool_alloc(void *ctx, size_t nr_bytes)
{
    struct pool *pool = ctx;
    struct block *block = NULL;

    if (nr_bytes <= pool->left_bytes)
        block = calloc(1, sizeof *block + nr_bytes);
    if (!block) {
        pool->exhausted = true;
        return NULL;
    }
    pool->left_bytes -= nr_bytes;
    block->next = pool->blocks;
    pool->blocks = block;
    return block->bytes;
}

static void pool_free(void *ctx, void *ptr)
{
    (void)ctx;
    (void)ptr;
}

static void pool_release(struct pool *pool)
{
    while (pool->blocks) {
        struct block *next = pool->blocks->next;
        free(pool->blocks);
        pool->blocks = next;
    }
}

/* Packing: messages in the pool, strings borrowed from the manifest (protobuf-c takes no const). */

static ProtobufCBinaryData bytes_of(const void *bytes, size_t nr_bytes)
{
    return (ProtobufCBinaryData){.len = nr_bytes, .data = (uint8_t *)(uintptr_t)bytes};
}

static ProtobufCBinaryData name_of(const char *name)
{
    return bytes_of(name, strlen(name));
}

static char *text_of(const char *text)
{
    return (char *)(uintptr_t)(text ? text : "");
}

static Bitferry__Bitmap *bitmap_message(struct pool *pool, const struct bf_catalog_bitmap *bitmap)
{
    Bitferry__Bitmap *message = pool_alloc(pool, sizeof *message);

    if (!message)
        return NULL;
    bitferry__bitmap__init(message);
    message->name = name_of(bitmap->name);
    message->granularity_bytes = bitmap->granularity_bytes;
    message->recording = bitmap->recording;
    message->persistent = bitmap->persistent;
    message->consistent = bitmap->consistent;
    message->problem = text_of(bitmap->problem);
    if (bitmap->has_summary) {
        message->sha256 = bytes_of(bitmap->summary.sha256, BF_SHA256_BYTES);
        message->nr_dirty_bits = bitmap->summary.nr_dirty_bits;
    }
    return message;
}

static Bitferry__Disk *disk_message(struct pool *pool, const struct bf_catalog_disk *disk)
{
    Bitferry__Disk *message = pool_alloc(pool, sizeof *message);

    if (!message)
        return NULL;
    bitferry__disk__init(message);
    message->name = name_of(disk->name);
    message->virtual_size_bytes = disk->virtual_size_bytes;
    message->note = text_of(disk->note);
    message->bitmaps = pool_alloc(pool, disk->nr_bitmaps * sizeof *message->bitmaps);
    for (; message->bitmaps && message->n_bitmaps < disk->nr_bitmaps; message->n_bitmaps++)
        message->bitmaps[message->n_bitmaps] =
            bitmap_message(pool, &disk->bitmaps[message->n_bitmaps]);
    return message;
}

static Bitferry__File *file_message(struct pool *pool, const struct bf_manifest_file *file)
{
    Bitferry__File *message = pool_alloc(pool, sizeof *message);

    if (!message)
        return NULL;
    bitferry__file__init(message);
    message->name = name_of(file->name);
    message->disk = name_of(file->disk);
    message->size_bytes = file->size_bytes;
    message->sha256 = bytes_of(file->sha256, BF_SHA256_BYTES);
    return message;
}

static ProtobufCBinaryData checkpoints_bytes(struct pool *pool,
                                             const struct bf_checkpoints *checkpoints)
{
    json_t *json = bf_checkpoints_to_json(checkpoints);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    size_t nr_bytes = text ? strlen(text) : 0;
    char *copy = text ? pool_alloc(pool, nr_bytes) : NULL;

    if (copy)
        memcpy(copy, text, nr_bytes);
    else
        pool->exhausted = true;
    free(text);
    json_decref(json);
    return bytes_of(copy, copy ? nr_bytes : 0);
}

/* Incomplete if the pool is exhausted. */
static void fill_message(struct pool *pool, const struct bf_manifest *manifest,
                         Bitferry__Manifest *message)
{
    size_t nr_disks = manifest->catalog.nr_disks;

    bitferry__manifest__init(message);
    message->version = BF_MANIFEST_VERSION;
    message->creator = text_of(manifest->creator);
    message->host = text_of(manifest->host);
    message->created_unix_s = manifest->created_unix_s;
    message->disks = pool_alloc(pool, nr_disks * sizeof *message->disks);
    for (; message->disks && message->n_disks < nr_disks; message->n_disks++)
        message->disks[message->n_disks] =
            disk_message(pool, &manifest->catalog.disks[message->n_disks]);
    if (manifest->checkpoints.nr_items > 0)
        message->checkpoints = checkpoints_bytes(pool, &manifest->checkpoints);
    message->files = pool_alloc(pool, manifest->nr_files * sizeof *message->files);
    for (; message->files && message->n_files < manifest->nr_files; message->n_files++)
        message->files[message->n_files] = file_message(pool, &manifest->files[message->n_files]);
}

int bf_manifest_pack(const struct bf_manifest *manifest, uint8_t **ret_bytes, size_t *ret_nr_bytes,
                     struct bf_error *err)
{
    BF_CLEANUP(pool_release) struct pool pool = {.left_bytes = SIZE_MAX};
    Bitferry__Manifest message;
    size_t nr_bytes;

    fill_message(&pool, manifest, &message);
    if (pool.exhausted)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to pack the manifest");
    nr_bytes = bitferry__manifest__get_packed_size(&message);
    if (nr_bytes > BF_MANIFEST_MAX_BYTES)
        return bf_error_set(err, BF_E_LIMIT, "the manifest would have %zu bytes, %d are allowed",
                            nr_bytes, BF_MANIFEST_MAX_BYTES);
    *ret_bytes = malloc(nr_bytes);
    if (!*ret_bytes)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory to pack the manifest");
    *ret_nr_bytes = bitferry__manifest__pack(&message, *ret_bytes);
    return 0;
}

/* Unpacking: everything comes from a file that somebody may have made up. */

/* The model's own checks say INVALID; here it is the file that is wrong. */
static int refuse(const struct bf_error *why, struct bf_error *err)
{
    return bf_error_set(err, why->code == BF_E_NO_MEMORY ? BF_E_NO_MEMORY : BF_E_PROTOCOL, "%s",
                        why->text);
}

static bool has_controls(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    }
    return false;
}

/* *ret_text is NULL for an empty one. */
static int take_text(const char *text, const char *what, char **ret_text, struct bf_error *err)
{
    size_t length = strlen(text);

    *ret_text = NULL;
    if (length == 0)
        return 0;
    if (length > TEXT_MAX_BYTES || !bf_utf8_valid(text, length) || has_controls(text))
        return bf_error_set(err, BF_E_PROTOCOL, "%s is not plain UTF-8 text of at most %d bytes",
                            what, TEXT_MAX_BYTES);
    *ret_text = strdup(text);
    if (!*ret_text)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for %s", what);
    return 0;
}

/* Copy a name to @buf of @max_bytes + 1.  Its characters are the model's to judge. */
static int take_name(const ProtobufCBinaryData *name, const char *what, size_t max_bytes, char *buf,
                     struct bf_error *err)
{
    if (name->len == 0 || name->len > max_bytes)
        return bf_error_set(err, BF_E_PROTOCOL, "the name of %s has %zu bytes instead of 1 to %zu",
                            what, name->len, max_bytes);
    if (memchr(name->data, '\0', name->len))
        return bf_error_set(err, BF_E_PROTOCOL, "the name of %s has a NUL in it", what);
    memcpy(buf, name->data, name->len);
    buf[name->len] = '\0';
    return 0;
}

static int take_summary(const Bitferry__Bitmap *message, const struct bf_geometry *geometry,
                        struct bf_catalog_bitmap *bitmap, struct bf_error *err)
{
    if (message->sha256.len == 0)
        return 0;
    if (message->sha256.len != BF_SHA256_BYTES)
        return bf_error_set(err, BF_E_PROTOCOL, "bitmap '%s' has a SHA-256 of %zu bytes",
                            bitmap->name, message->sha256.len);
    if (!bitmap->consistent)
        return bf_error_set(err, BF_E_PROTOCOL, "bitmap '%s' is not consistent and has a digest",
                            bitmap->name);
    if (message->nr_dirty_bits > bf_geometry_nr_bits(geometry))
        return bf_error_set(err, BF_E_PROTOCOL, "bitmap '%s' has more dirty bits than bits",
                            bitmap->name);
    bitmap->has_summary = true;
    bitmap->summary.nr_dirty_bits = message->nr_dirty_bits;
    memcpy(bitmap->summary.sha256, message->sha256.data, BF_SHA256_BYTES);
    return 0;
}

static int take_bitmap(const Bitferry__Bitmap *message, struct bf_catalog_disk *disk,
                       struct bf_error *err)
{
    struct bf_geometry geometry = {disk->virtual_size_bytes, message->granularity_bytes};
    BF_CLEANUP(bf_freep) char *problem = NULL;
    struct bf_error why = BF_ERROR_INIT;
    char name[BF_BITMAP_NAME_MAX + 1];
    struct bf_catalog_bitmap bitmap = {
        .name = name,
        .granularity_bytes = message->granularity_bytes,
        .recording = message->recording,
        .persistent = message->persistent,
        .consistent = message->consistent,
    };
    int ret = take_name(&message->name, "a bitmap", BF_BITMAP_NAME_MAX, name, err);

    if (ret == 0 && bf_geometry_check(&geometry, &why) < 0)
        return bf_error_set(err, BF_E_PROTOCOL, "bitmap '%s': %s", name, why.text);
    if (ret == 0)
        ret = take_text(message->problem, "the problem of a bitmap", &problem, err);
    if (ret == 0)
        ret = take_summary(message, &geometry, &bitmap, err);
    if (ret < 0)
        return ret;
    bitmap.problem = problem;
    return bf_catalog_add_bitmap(disk, &bitmap, &why) < 0 ? refuse(&why, err) : 0;
}

static int take_disk(const Bitferry__Disk *message, struct bf_catalog *catalog,
                     struct bf_error *err)
{
    struct bf_error why = BF_ERROR_INIT;
    struct bf_catalog_disk *disk;
    char name[BF_DISK_NAME_MAX + 1];
    int ret = take_name(&message->name, "a disk", BF_DISK_NAME_MAX, name, err);

    if (ret < 0)
        return ret;
    if (message->n_bitmaps > BF_MANIFEST_MAX_BITMAPS)
        return bf_error_set(err, BF_E_PROTOCOL, "disk '%s' has %zu bitmaps, an image holds %d",
                            name, message->n_bitmaps, BF_MANIFEST_MAX_BITMAPS);
    if (message->virtual_size_bytes > BF_CATALOG_DISK_MAX_BYTES)
        return bf_error_set(err, BF_E_PROTOCOL, "disk '%s' is larger than any disk", name);
    if (bf_catalog_add_disk(catalog, name, message->virtual_size_bytes, &disk, &why) < 0)
        return refuse(&why, err);
    ret = take_text(message->note, "the note of a disk", &disk->note, err);
    for (size_t i = 0; ret == 0 && i < message->n_bitmaps; i++)
        ret = take_bitmap(message->bitmaps[i], disk, err);
    return ret < 0 ? bf_error_prefix(err, "disk '%s'", name) : 0;
}

static int take_file(const Bitferry__File *message, struct bf_manifest *manifest,
                     struct bf_error *err)
{
    struct bf_error why = BF_ERROR_INIT;
    char name[BF_DISK_NAME_MAX + 1];
    char disk[BF_DISK_NAME_MAX + 1];
    int ret = take_name(&message->name, "a file", BF_DISK_NAME_MAX, name, err);

    if (ret == 0)
        ret = take_name(&message->disk, "a file's disk", BF_DISK_NAME_MAX, disk, err);
    if (ret < 0)
        return ret;
    if (message->sha256.len != BF_SHA256_BYTES)
        return bf_error_set(err, BF_E_PROTOCOL, "file '%s' has a SHA-256 of %zu bytes", name,
                            message->sha256.len);
    if (message->size_bytes > INT64_MAX)
        return bf_error_set(err, BF_E_PROTOCOL, "file '%s' is larger than any file", name);
    if (bf_manifest_add_file(manifest, name, disk, message->size_bytes, message->sha256.data,
                             &why) < 0)
        return refuse(&why, err);
    return 0;
}

static int take_checkpoints(const ProtobufCBinaryData *bytes, struct bf_manifest *manifest,
                            struct bf_error *err)
{
    struct bf_error why = BF_ERROR_INIT;

    if (bytes->len > BF_CHECKPOINTS_JSON_MAX_BYTES)
        return bf_error_set(err, BF_E_PROTOCOL, "its checkpoints have %zu bytes", bytes->len);
    return bf_checkpoints_parse((const char *)bytes->data, bytes->len, &manifest->checkpoints,
                                &why) < 0
               ? bf_error_set(err, why.code, "its checkpoints: %s", why.text)
               : 0;
}

static int check_version(const Bitferry__Manifest *message, struct bf_error *err)
{
    if (message->version == 0)
        return bf_error_set(err, BF_E_PROTOCOL, "it is not a manifest: it has no version");
    if (message->version > BF_MANIFEST_VERSION)
        return bf_error_set(
            err, BF_E_VERSION,
            "the manifest has version %u and this bitferry knows %d: use a newer one",
            message->version, BF_MANIFEST_VERSION);
    return 0;
}

static int take_header(const Bitferry__Manifest *message, struct bf_manifest *manifest,
                       struct bf_error *err)
{
    int ret = take_text(message->creator, "the creator", &manifest->creator, err);

    if (ret == 0)
        ret = take_text(message->host, "the host", &manifest->host, err);
    if (ret < 0)
        return ret;
    if (message->created_unix_s < 0 || message->created_unix_s > BF_MANIFEST_TIME_MAX_S)
        return bf_error_set(err, BF_E_PROTOCOL, "the time of creation is out of range");
    manifest->created_unix_s = message->created_unix_s;
    if (message->n_disks > BF_MANIFEST_MAX_DISKS)
        return bf_error_set(err, BF_E_PROTOCOL, "it lists %zu disks, %d are allowed",
                            message->n_disks, BF_MANIFEST_MAX_DISKS);
    return 0;
}

static int take_manifest(const Bitferry__Manifest *message, struct bf_manifest *manifest,
                         struct bf_error *err)
{
    int ret = check_version(message, err);

    if (ret == 0)
        ret = take_header(message, manifest, err);
    for (size_t i = 0; ret == 0 && i < message->n_disks; i++)
        ret = take_disk(message->disks[i], &manifest->catalog, err);
    for (size_t i = 0; ret == 0 && i < message->n_files; i++)
        ret = take_file(message->files[i], manifest, err);
    if (ret == 0 && message->checkpoints.len > 0)
        ret = take_checkpoints(&message->checkpoints, manifest, err);
    return ret;
}

int bf_manifest_unpack(const uint8_t *bytes, size_t nr_bytes, struct bf_manifest *ret_manifest,
                       struct bf_error *err)
{
    BF_CLEANUP(pool_release) struct pool pool = {.left_bytes = BF_MANIFEST_MAX_MEMORY_BYTES};
    BF_CLEANUP(bf_manifest_release) struct bf_manifest manifest = {0};
    ProtobufCAllocator allocator = {pool_alloc, pool_free, &pool};
    const Bitferry__Manifest *message;
    int ret;

    if (nr_bytes > BF_MANIFEST_MAX_BYTES)
        return bf_error_set(err, BF_E_LIMIT, "the manifest has %zu bytes, %d are allowed", nr_bytes,
                            BF_MANIFEST_MAX_BYTES);
    message = bitferry__manifest__unpack(&allocator, nr_bytes, bytes);
    if (!message && pool.exhausted)
        return bf_error_set(err, BF_E_LIMIT, "the manifest takes more than %d bytes of memory",
                            BF_MANIFEST_MAX_MEMORY_BYTES);
    if (!message)
        return bf_error_set(err, BF_E_PROTOCOL, "it is not a manifest, or it is damaged");
    ret = take_manifest(message, &manifest, err);
    if (ret < 0)
        return ret;
    *ret_manifest = manifest;
    manifest = (struct bf_manifest){0};
    return 0;
}
