#include "base/name.h"
#include "base/text.h"
#include "migrate_capture.h"

#include <string.h>

enum { SCHEMA = 1, DISKS_MAX = 4096, LAYERS_MAX = 200, BITMAPS_MAX = 65535, TARGET_MAX = 64 };

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
}

static int malformed(struct bf_error *err, const char *what)
{
    return bf_error_set(err, BF_E_PROTOCOL, BF_CAPTURE_FILE ": %s", what);
}

/* Writing */

static json_t *bitmap_to_json(const struct bf_look_bitmap *bitmap)
{
    char sha256[BF_HEX_SHA256_MAX];

    bf_hex_encode(bitmap->sha256, BF_SHA256_BYTES, sha256);
    return json_pack("{s:s, s:I, s:I, s:b, s:b, s:b, s:s*}", "name", bitmap->name,
                     "granularity_bytes", (json_int_t)bitmap->granularity_bytes, "dirty_bytes",
                     (json_int_t)bitmap->dirty_bytes, "recording", bitmap->recording, "persistent",
                     bitmap->persistent, "consistent", bitmap->consistent, "sha256",
                     bitmap->digested ? sha256 : NULL);
}

static json_t *layer_to_json(const struct bf_look_layer *layer)
{
    json_t *bitmaps = json_array();

    for (size_t i = 0; i < layer->nr_bitmaps; i++)
        (void)json_array_append_new(bitmaps, bitmap_to_json(&layer->bitmaps[i]));
    return json_pack("{s:s, s:s, s:I, s:o}", "node", layer->node, "path", layer->path, "size_bytes",
                     (json_int_t)layer->size_bytes, "bitmaps", bitmaps);
}

static json_t *disk_to_json(const struct bf_look_disk *disk)
{
    json_t *layers = json_array();

    for (size_t i = 0; i < disk->nr_layers; i++)
        (void)json_array_append_new(layers, layer_to_json(&disk->layers[i]));
    return json_pack("{s:s, s:b, s:b, s:s*, s:o}", "target", disk->target, "seen", disk->seen,
                     "copied", disk->copied, "problem", disk->problem, "layers", layers);
}

json_t *bf_capture_to_json(const struct bf_capture *capture)
{
    json_t *disks = json_array();
    json_t *names = json_array();

    for (size_t i = 0; i < capture->before.nr_disks; i++)
        (void)json_array_append_new(disks, disk_to_json(&capture->before.disks[i]));
    for (size_t i = 0; i < capture->checkpoints.nr_items; i++)
        (void)json_array_append_new(names, json_string(capture->checkpoints.items[i].name));
    return json_pack("{s:i, s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:o, s:o}", "schema", SCHEMA,
                     "domain", capture->domain, "uuid", capture->uuid, "source",
                     capture->source_uri, "destination", capture->dest_uri, "offline",
                     capture->offline, "copied", capture->copied, "quiet", capture->before.quiet,
                     "disks", disks, "checkpoints", names);
}

/* Reading */

static uint64_t number_of(const json_t *object, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(object, key));

    return number > 0 ? (uint64_t)number : 0;
}

static bool flag_of(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static int read_bitmap(struct bf_look_layer *layer, const json_t *from, struct bf_error *err)
{
    const char *name = json_string_value(json_object_get(from, "name"));
    const char *sha256 = json_string_value(json_object_get(from, "sha256"));
    struct bf_look_bitmap *bitmap;

    if (!name || !name[0] || strlen(name) > BF_BITMAP_NAME_MAX)
        return malformed(err, "a bitmap has no name");
    bitmap = bf_look_add_bitmap(layer, name);
    if (!bitmap)
        return no_memory(err);
    bitmap->granularity_bytes = number_of(from, "granularity_bytes");
    bitmap->dirty_bytes = number_of(from, "dirty_bytes");
    bitmap->recording = flag_of(from, "recording");
    bitmap->persistent = flag_of(from, "persistent");
    bitmap->consistent = flag_of(from, "consistent");
    bitmap->digested = sha256 != NULL;
    if (sha256 && !bf_hex_decode(sha256, BF_SHA256_BYTES, bitmap->sha256))
        return malformed(err, "a bitmap's digest is none");
    return 0;
}

static int read_layer(struct bf_look_disk *disk, const json_t *from, struct bf_error *err)
{
    const char *node = json_string_value(json_object_get(from, "node"));
    const char *path = json_string_value(json_object_get(from, "path"));
    const json_t *bitmaps = json_object_get(from, "bitmaps");
    struct bf_look_layer *layer;
    size_t i;
    json_t *bitmap;
    int r = 0;

    if (!node || !path || json_array_size(bitmaps) > BITMAPS_MAX)
        return malformed(err, "a layer of a disk is not understood");
    layer = bf_look_add_layer(disk, node, path);
    if (!layer)
        return no_memory(err);
    layer->size_bytes = number_of(from, "size_bytes");
    json_array_foreach(bitmaps, i, bitmap)
    {
        r = read_bitmap(layer, bitmap, err);
        if (r < 0)
            break;
    }
    return r;
}

/* "vda": it becomes a part of a file's name. */
static bool is_target(const char *text)
{
    size_t length = strlen(text);

    return length > 0 && length <= TARGET_MAX && !strchr(text, '/') && text[0] != '.';
}

static int read_disk(struct bf_look *look, const json_t *from, struct bf_error *err)
{
    const char *target = json_string_value(json_object_get(from, "target"));
    const char *problem = json_string_value(json_object_get(from, "problem"));
    const json_t *layers = json_object_get(from, "layers");
    struct bf_look_disk *disk;
    size_t i;
    json_t *layer;
    int r = 0;

    if (!target || !is_target(target) || json_array_size(layers) > LAYERS_MAX)
        return malformed(err, "a disk is not understood");
    disk = bf_look_add_disk(look, target);
    if (!disk || (problem && !(disk->problem = strdup(problem))))
        return no_memory(err);
    json_array_foreach(layers, i, layer)
    {
        r = read_layer(disk, layer, err);
        if (r < 0)
            return r;
    }
    disk->seen = flag_of(from, "seen");
    disk->copied = flag_of(from, "copied");
    if (disk->nr_layers == 0)
        return malformed(err, "a disk has no image");
    return 0;
}

static int read_text(const json_t *json, const char *key, char **ret_text, struct bf_error *err)
{
    const char *text = json_string_value(json_object_get(json, key));

    if (!text)
        return bf_error_set(err, BF_E_PROTOCOL, BF_CAPTURE_FILE ": \"%s\" is missing", key);
    *ret_text = strdup(text);
    return *ret_text ? 0 : no_memory(err);
}

static int read_texts(const json_t *json, struct bf_capture *capture, struct bf_error *err)
{
    int r = read_text(json, "domain", &capture->domain, err);

    if (r == 0)
        r = read_text(json, "uuid", &capture->uuid, err);
    if (r == 0)
        r = read_text(json, "source", &capture->source_uri, err);
    if (r == 0)
        r = read_text(json, "destination", &capture->dest_uri, err);
    return r;
}

int bf_capture_from_json(const json_t *json, struct bf_capture *ret_capture, json_t **ret_names,
                         struct bf_error *err)
{
    BF_CLEANUP(bf_capture_release) struct bf_capture capture = {.domain = NULL};
    const json_t *disks = json_object_get(json, "disks");
    json_t *names = json_object_get(json, "checkpoints");
    json_int_t schema = json_integer_value(json_object_get(json, "schema"));
    size_t i;
    json_t *disk;
    int r;

    if (schema > SCHEMA)
        return bf_error_set(err, BF_E_VERSION, BF_CAPTURE_FILE " is of a newer bitferry");
    if (schema != SCHEMA || !json_is_array(names) || json_array_size(disks) > DISKS_MAX ||
        json_array_size(names) > BF_VIRT_CHECKPOINTS_MAX)
        return malformed(err, "it is not what 'bitferry migrate' writes");
    r = read_texts(json, &capture, err);
    if (r < 0)
        return r;
    capture.offline = flag_of(json, "offline");
    capture.copied = flag_of(json, "copied");
    capture.before.quiet = flag_of(json, "quiet");
    json_array_foreach(disks, i, disk)
    {
        r = read_disk(&capture.before, disk, err);
        if (r < 0)
            return r;
    }
    *ret_names = json_incref(names);
    *ret_capture = capture;
    capture = (struct bf_capture){.domain = NULL};
    return 0;
}
