#include "catalog/json.h"

#include "base/name.h"
#include "base/text.h"
#include "json_read.h"

#include <string.h>

static void catalog_releasep(struct bf_catalog *catalog)
{
    bf_catalog_release(catalog);
}

/* ---- to JSON ---- */

/* Text from a file or a peer: what is not UTF-8 becomes '?', because JSON has no other way. */
static json_t *lossy_string(const char *text)
{
    BF_CLEANUP(bf_freep) char *copy = NULL;

    if (bf_utf8_valid(text, strlen(text)))
        return json_string(text);
    copy = strdup(text);
    if (!copy)
        return NULL;
    for (char *at = copy; *at; at++) {
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    }
    return json_string(copy);
}

static json_t *hex_string(const void *bytes, size_t nr_bytes)
{
    BF_CLEANUP(bf_freep) char *hex = malloc(nr_bytes * 2 + 1);

    if (!hex)
        return NULL;
    bf_hex_encode(bytes, nr_bytes, hex);
    return json_string(hex);
}

/* json_object_set_new() takes NULL for "no memory" and fails: so do the functions below. */
static bool put_summary(json_t *object, const struct bf_catalog_disk *disk,
                        const struct bf_catalog_bitmap *bitmap)
{
    struct bf_geometry geometry = bf_catalog_geometry(disk, bitmap);
    uint64_t dirty_bytes = bf_summary_dirty_bytes(&bitmap->summary, &geometry);
    json_t *sha256 = hex_string(bitmap->summary.sha256, BF_SHA256_BYTES);

    return json_object_set_new(object, "dirty_bytes", json_integer((json_int_t)dirty_bytes)) == 0 &&
           json_object_set_new(object, "sha256", sha256) == 0;
}

static bool put_name(json_t *object, const char *name)
{
    size_t length = strlen(name);

    return json_object_set_new(object, "name", lossy_string(name)) == 0 &&
           (bf_utf8_valid(name, length) ||
            json_object_set_new(object, "name_hex", hex_string(name, length)) == 0);
}

static json_t *bitmap_to_json(const struct bf_catalog_disk *disk,
                              const struct bf_catalog_bitmap *bitmap)
{
    json_int_t granularity_bytes = (json_int_t)bitmap->granularity_bytes;
    BF_CLEANUP(json_decrefp) json_t *object = json_object();

    if (!object || !put_name(object, bitmap->name) ||
        json_object_set_new(object, "granularity_bytes", json_integer(granularity_bytes)) < 0 ||
        (bitmap->has_summary && !put_summary(object, disk, bitmap)) ||
        json_object_set_new(object, "recording", json_boolean(bitmap->recording)) < 0 ||
        json_object_set_new(object, "persistent", json_boolean(bitmap->persistent)) < 0 ||
        json_object_set_new(object, "consistent", json_boolean(bitmap->consistent)) < 0 ||
        (bitmap->problem &&
         json_object_set_new(object, "problem", lossy_string(bitmap->problem)) < 0))
        return NULL;
    return bf_steal_ptr(&object);
}

static json_t *bitmaps_to_json(const struct bf_catalog_disk *disk)
{
    BF_CLEANUP(json_decrefp) json_t *array = json_array();

    for (size_t i = 0; i < disk->nr_bitmaps; i++) {
        if (json_array_append_new(array, bitmap_to_json(disk, &disk->bitmaps[i])) < 0)
            return NULL;
    }
    return bf_steal_ptr(&array);
}

static json_t *disk_to_json(const struct bf_catalog_disk *disk)
{
    json_int_t size_bytes = (json_int_t)disk->virtual_size_bytes;
    BF_CLEANUP(json_decrefp) json_t *object = json_object();

    if (!object || json_object_set_new(object, "name", lossy_string(disk->name)) < 0 ||
        json_object_set_new(object, "virtual_size_bytes", json_integer(size_bytes)) < 0 ||
        (disk->note && json_object_set_new(object, "note", lossy_string(disk->note)) < 0) ||
        json_object_set_new(object, "bitmaps", bitmaps_to_json(disk)) < 0)
        return NULL;
    return bf_steal_ptr(&object);
}

/* A count ends less than a granule after the disk does, so this covers dirty_bytes too. */
static int check_representable(const struct bf_catalog *catalog, struct bf_error *err)
{
    for (size_t i = 0; i < catalog->nr_disks; i++) {
        const struct bf_catalog_disk *disk = &catalog->disks[i];
        if (disk->virtual_size_bytes > BF_CATALOG_DISK_MAX_BYTES)
            return bf_error_set(err, BF_E_LIMIT, "disk '%s' is too large to be described in JSON",
                                disk->name);
    }
    return 0;
}

static int catalog_to_json(const struct bf_catalog *catalog, json_t **ret_json,
                           struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *disks = json_array();
    int ret = check_representable(catalog, err);

    if (ret < 0)
        return ret;
    for (size_t i = 0; i < catalog->nr_disks; i++) {
        if (json_array_append_new(disks, disk_to_json(&catalog->disks[i])) < 0)
            return bf_error_set(err, BF_E_NO_MEMORY, "no memory for JSON");
    }
    *ret_json = json_pack("{s:i, s:O}", "schema", BF_CATALOG_SCHEMA, "disks", disks);
    return *ret_json ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "no memory for JSON");
}

json_t *bf_catalog_to_json(const struct bf_catalog *catalog, struct bf_error *err)
{
    json_t *json;

    return catalog_to_json(catalog, &json, err) < 0 ? NULL : json;
}

int bf_catalog_format(const struct bf_catalog *catalog, char **ret_text, size_t *ret_nr_bytes,
                      struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *json = NULL;
    int ret = catalog_to_json(catalog, &json, err);
    size_t nr_bytes;
    char *text;

    if (ret < 0)
        return ret;
    nr_bytes = json_dumpb(json, NULL, 0, JSON_INDENT(2));
    text = malloc(nr_bytes + 2);
    if (!text || json_dumpb(json, text, nr_bytes, JSON_INDENT(2)) != nr_bytes) {
        free(text);
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for JSON");
    }
    memcpy(text + nr_bytes, "\n", 2);
    *ret_text = text;
    *ret_nr_bytes = nr_bytes + 1;
    return 0;
}

/* ---- from JSON ---- */

/* The bytes of the name into @buf: "name_hex" where the peer gave it, else "name". */
static int get_name(const json_t *object, char buf[BF_BITMAP_NAME_MAX + 1], struct bf_error *err)
{
    const char *name;
    const char *hex;
    int ret;

    if ((ret = bf_json_get_text(object, "name", false, &name, err)) < 0 ||
        (ret = bf_json_get_text(object, "name_hex", true, &hex, err)) < 0)
        return ret;
    if (!hex) {
        if (strlen(name) > BF_BITMAP_NAME_MAX)
            return bf_json_malformed(err, "name", "a bitmap name of at most 1023 bytes");
        strcpy(buf, name);
        return 0;
    }
    size_t nr_bytes = strlen(hex) / 2;
    if (nr_bytes > BF_BITMAP_NAME_MAX || !bf_hex_decode(hex, nr_bytes, (uint8_t *)buf) ||
        memchr(buf, '\0', nr_bytes))
        return bf_json_malformed(err, "name_hex", "a bitmap name in hexadecimal");
    buf[nr_bytes] = '\0';
    return 0;
}

/* "dirty_bytes" and "sha256": both or neither. */
static int get_summary(const json_t *object, const struct bf_catalog_disk *disk,
                       struct bf_catalog_bitmap *bitmap, struct bf_error *err)
{
    const char *sha256;
    uint64_t dirty_bytes;
    int ret;

    bitmap->has_summary = false;
    if (!bitmap->consistent ||
        (!json_object_get(object, "dirty_bytes") && !json_object_get(object, "sha256")))
        return 0;
    if ((ret = bf_json_get_bytes(object, "dirty_bytes", &dirty_bytes, err)) < 0 ||
        (ret = bf_json_get_text(object, "sha256", false, &sha256, err)) < 0)
        return ret;
    struct bf_geometry geometry = bf_catalog_geometry(disk, bitmap);
    bitmap->summary.nr_dirty_bits = dirty_bytes / bitmap->granularity_bytes;
    if (dirty_bytes % bitmap->granularity_bytes != 0 ||
        bitmap->summary.nr_dirty_bits > bf_geometry_nr_bits(&geometry))
        return bf_json_malformed(err, "dirty_bytes",
                                 "what a bitmap of this size and granularity can count");
    if (!bf_hex_decode(sha256, BF_SHA256_BYTES, bitmap->summary.sha256))
        return bf_json_malformed(err, "sha256", "a digest in hexadecimal");
    bitmap->has_summary = true;
    return 0;
}

/* What the model refuses in a catalog from outside is the fault of whoever sent it. */
static int blame_peer(const struct bf_error *refusal, struct bf_error *err)
{
    enum bf_code code = refusal->code == BF_E_NO_MEMORY ? BF_E_NO_MEMORY : BF_E_PROTOCOL;

    return bf_error_set(err, code, "%s", refusal->text);
}

static int add_bitmap(const json_t *object, struct bf_catalog_disk *disk, struct bf_error *err)
{
    struct bf_error refusal = BF_ERROR_INIT;
    struct bf_catalog_bitmap bitmap = {0};
    char name[BF_BITMAP_NAME_MAX + 1];
    const char *problem;
    int ret;

    if ((ret = get_name(object, name, err)) < 0 ||
        (ret = bf_json_get_bytes(object, "granularity_bytes", &bitmap.granularity_bytes, err)) <
            0 ||
        (ret = bf_json_get_bool(object, "recording", &bitmap.recording, err)) < 0 ||
        (ret = bf_json_get_bool(object, "persistent", &bitmap.persistent, err)) < 0 ||
        (ret = bf_json_get_bool(object, "consistent", &bitmap.consistent, err)) < 0 ||
        (ret = bf_json_get_text(object, "problem", true, &problem, err)) < 0)
        return ret;
    struct bf_geometry geometry = bf_catalog_geometry(disk, &bitmap);
    if (bf_geometry_check(&geometry, &refusal) < 0)
        return blame_peer(&refusal, err);
    if ((ret = get_summary(object, disk, &bitmap, err)) < 0)
        return ret;
    bitmap.name = name;
    bitmap.problem = (char *)problem;
    if (bf_catalog_add_bitmap(disk, &bitmap, &refusal) < 0)
        return blame_peer(&refusal, err);
    return 0;
}

static int set_note(struct bf_catalog_disk *disk, const char *note, struct bf_error *err)
{
    if (!note)
        return 0;
    disk->note = strdup(note);
    return disk->note ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "no memory for a note");
}

static int add_disk(const json_t *object, struct bf_catalog *catalog, struct bf_error *err)
{
    struct bf_error refusal = BF_ERROR_INIT;
    struct bf_catalog_disk *disk;
    const json_t *bitmaps;
    const char *name;
    const char *note;
    uint64_t size_bytes;
    int ret;

    if ((ret = bf_json_get_text(object, "name", false, &name, err)) < 0 ||
        (ret = bf_json_get_bytes(object, "virtual_size_bytes", &size_bytes, err)) < 0 ||
        (ret = bf_json_get_text(object, "note", true, &note, err)) < 0 ||
        (ret = bf_json_get_array(object, "bitmaps", BF_CATALOG_BITMAPS_MAX, &bitmaps, err)) < 0)
        return ret;
    if (bf_catalog_add_disk(catalog, name, size_bytes, &disk, &refusal) < 0)
        return blame_peer(&refusal, err);
    if ((ret = set_note(disk, note, err)) < 0)
        return ret;
    for (size_t i = 0; i < json_array_size(bitmaps); i++) {
        if ((ret = add_bitmap(json_array_get(bitmaps, i), disk, err)) < 0) {
            (void)bf_error_prefix(err, "bitmaps[%zu]", i);
            return ret;
        }
    }
    return 0;
}

static int check_schema(const json_t *json, struct bf_error *err)
{
    const json_t *schema = json_object_get(json, "schema");

    if (!json_is_integer(schema) || json_integer_value(schema) < 1)
        return bf_json_malformed(err, "schema", "a version number");
    if (json_integer_value(schema) > BF_CATALOG_SCHEMA)
        return bf_error_set(err, BF_E_VERSION,
                            "the index has schema %" JSON_INTEGER_FORMAT
                            ", this bitferry knows up to %d: use a newer bitferry here",
                            json_integer_value(schema), BF_CATALOG_SCHEMA);
    return 0;
}

int bf_catalog_from_json(const json_t *json, struct bf_catalog *ret_catalog, struct bf_error *err)
{
    BF_CLEANUP(catalog_releasep) struct bf_catalog catalog = {0};
    const json_t *disks;
    int ret;

    if ((ret = check_schema(json, err)) < 0 ||
        (ret = bf_json_get_array(json, "disks", BF_CATALOG_DISKS_MAX, &disks, err)) < 0)
        return ret;
    for (size_t i = 0; i < json_array_size(disks); i++) {
        if ((ret = add_disk(json_array_get(disks, i), &catalog, err)) < 0) {
            (void)bf_error_prefix(err, "index of bitmaps: disks[%zu]", i);
            return ret;
        }
    }
    *ret_catalog = catalog;
    catalog = (struct bf_catalog){0};
    return 0;
}

int bf_catalog_parse(const char *text, size_t nr_bytes, struct bf_catalog *ret_catalog,
                     struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *json = NULL;
    json_error_t where;

    if (nr_bytes > BF_CATALOG_JSON_MAX_BYTES)
        return bf_error_set(err, BF_E_LIMIT, "the index of bitmaps is longer than %d MiB",
                            BF_CATALOG_JSON_MAX_BYTES >> 20);
    json = json_loadb(text, nr_bytes, JSON_REJECT_DUPLICATES, &where);
    if (!json)
        return bf_error_set(err, BF_E_PROTOCOL, "the index of bitmaps is not JSON: line %d: %s",
                            where.line, where.text);
    return bf_catalog_from_json(json, ret_catalog, err);
}
