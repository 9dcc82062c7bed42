#include "base/cleanup.h"
#include "catalog/checkpoints.h"
#include "json_read.h"

#include <string.h>

static void checkpoints_releasep(struct bf_checkpoints *checkpoints)
{
    bf_checkpoints_release(checkpoints);
}

/* ---- from JSON ---- */

/* What the model refuses in a description from outside is the fault of whoever wrote it. */
static int blame(const struct bf_error *refusal, struct bf_error *err)
{
    enum bf_code code = refusal->code == BF_E_NO_MEMORY || refusal->code == BF_E_LIMIT
                            ? refusal->code
                            : BF_E_PROTOCOL;

    return bf_error_set(err, code, "%s", refusal->text);
}

static const json_t *get_or_null(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_null(value) ? NULL : value;
}

static int add_disk(const json_t *object, struct bf_checkpoint *checkpoint, struct bf_error *err)
{
    struct bf_error refusal = BF_ERROR_INIT;
    const char *disk;
    const char *bitmap;
    int r = bf_json_get_text(object, "disk", false, &disk, err);

    if (r == 0)
        r = bf_json_get_text(object, "bitmap", true, &bitmap, err);
    if (r < 0)
        return r;
    if (bf_checkpoint_add_disk(checkpoint, disk, bitmap ? bitmap : checkpoint->name, &refusal) < 0)
        return blame(&refusal, err);
    return 0;
}

static int add_disks(const json_t *object, struct bf_checkpoint *checkpoint, struct bf_error *err)
{
    const json_t *disks;
    int r = bf_json_get_array(object, "disks", BF_CHECKPOINT_DISKS_MAX, &disks, err);

    for (size_t i = 0; r == 0 && i < json_array_size(disks); i++) {
        r = add_disk(json_array_get(disks, i), checkpoint, err);
        if (r < 0)
            (void)bf_error_prefix(err, "disks[%zu]", i);
    }
    return r;
}

static int get_time(const json_t *object, int64_t *ret_unix_s, struct bf_error *err)
{
    const json_t *time = get_or_null(object, "time");

    *ret_unix_s = BF_NO_TIME;
    if (!time)
        return 0;
    if (!json_is_integer(time) || json_integer_value(time) < 0)
        return bf_json_malformed(err, "time", "a Unix time in whole seconds");
    *ret_unix_s = json_integer_value(time);
    return 0;
}

static int add_checkpoint(const json_t *object, struct bf_checkpoints *checkpoints,
                          struct bf_error *err)
{
    struct bf_error refusal = BF_ERROR_INIT;
    struct bf_checkpoint *checkpoint;
    const char *name;
    const char *parent = NULL;
    int64_t time_unix_s;
    int r = bf_json_get_text(object, "name", false, &name, err);

    if (r == 0 && get_or_null(object, "parent"))
        r = bf_json_get_text(object, "parent", false, &parent, err);
    if (r == 0)
        r = get_time(object, &time_unix_s, err);
    if (r < 0)
        return r;
    if (bf_checkpoints_add(checkpoints, name, parent, time_unix_s, &checkpoint, &refusal) < 0)
        return blame(&refusal, err);
    return add_disks(object, checkpoint, err);
}

static int check_schema(const json_t *json, struct bf_error *err)
{
    const json_t *schema = json_object_get(json, "schema");

    if (!json_is_integer(schema) || json_integer_value(schema) < 1)
        return bf_json_malformed(err, "schema", "a version number");
    if (json_integer_value(schema) > BF_CHECKPOINTS_SCHEMA)
        return bf_error_set(err, BF_E_VERSION,
                            "the checkpoints have schema %" JSON_INTEGER_FORMAT
                            ", this bitferry knows up to %d: use a newer bitferry here",
                            json_integer_value(schema), BF_CHECKPOINTS_SCHEMA);
    return 0;
}

static int get_style(const json_t *json, enum bf_chain_style *ret_style, struct bf_error *err)
{
    const char *style;
    int r = bf_json_get_text(json, "style", false, &style, err);

    if (r < 0)
        return r;
    if (strcmp(style, "links") == 0)
        *ret_style = BF_CHAIN_LINKS;
    else if (strcmp(style, "nested") == 0)
        *ret_style = BF_CHAIN_NESTED;
    else
        return bf_json_malformed(err, "style", "\"links\" or \"nested\"");
    return 0;
}

int bf_checkpoints_from_json(const json_t *json, struct bf_checkpoints *ret_checkpoints,
                             struct bf_error *err)
{
    BF_CLEANUP(checkpoints_releasep) struct bf_checkpoints checkpoints = {.nr_items = 0};
    struct bf_error refusal = BF_ERROR_INIT;
    const json_t *items;
    int r = check_schema(json, err);

    if (r == 0)
        r = get_style(json, &checkpoints.style, err);
    if (r == 0)
        r = bf_json_get_array(json, "checkpoints", BF_CHECKPOINTS_MAX, &items, err);
    for (size_t i = 0; r == 0 && i < json_array_size(items); i++) {
        r = add_checkpoint(json_array_get(items, i), &checkpoints, err);
        if (r < 0)
            (void)bf_error_prefix(err, "checkpoints[%zu]", i);
    }
    if (r == 0 && bf_checkpoints_settle(&checkpoints, &refusal) < 0)
        r = blame(&refusal, err);
    if (r < 0)
        return r;
    *ret_checkpoints = checkpoints;
    checkpoints = (struct bf_checkpoints){.nr_items = 0};
    return 0;
}

int bf_checkpoints_parse(const char *text, size_t nr_bytes, struct bf_checkpoints *ret_checkpoints,
                         struct bf_error *err)
{
    BF_CLEANUP(json_decrefp) json_t *json = NULL;
    json_error_t where;

    if (nr_bytes > BF_CHECKPOINTS_JSON_MAX_BYTES)
        return bf_error_set(err, BF_E_LIMIT, "the description of checkpoints is longer than %d MiB",
                            BF_CHECKPOINTS_JSON_MAX_BYTES >> 20);
    json = json_loadb(text, nr_bytes, JSON_REJECT_DUPLICATES, &where);
    if (!json)
        return bf_error_set(err, BF_E_PROTOCOL,
                            "the description of checkpoints is not JSON: line %d: %s", where.line,
                            where.text);
    return bf_checkpoints_from_json(json, ret_checkpoints, err);
}

/* ---- to JSON ---- */

/* json_array_append_new() and json_object_set_new() take NULL for "no memory" and fail. */
static json_t *disks_to_json(const struct bf_checkpoint *checkpoint)
{
    BF_CLEANUP(json_decrefp) json_t *array = json_array();

    for (size_t i = 0; i < checkpoint->nr_disks; i++) {
        const struct bf_checkpoint_disk *disk = &checkpoint->disks[i];

        if (json_array_append_new(
                array, json_pack("{s:s, s:s}", "disk", disk->disk, "bitmap", disk->bitmap)) < 0)
            return NULL;
    }
    return bf_steal_ptr(&array);
}

static json_t *checkpoint_to_json(const struct bf_checkpoint *checkpoint)
{
    json_t *time =
        checkpoint->time_unix_s == BF_NO_TIME ? json_null() : json_integer(checkpoint->time_unix_s);

    return json_pack("{s:s, s:s?, s:o, s:o}", "name", checkpoint->name, "parent",
                     checkpoint->parent, "time", time, "disks", disks_to_json(checkpoint));
}

json_t *bf_checkpoints_to_json(const struct bf_checkpoints *checkpoints)
{
    BF_CLEANUP(json_decrefp) json_t *array = json_array();

    for (size_t i = 0; i < checkpoints->nr_items; i++) {
        if (json_array_append_new(array, checkpoint_to_json(&checkpoints->items[i])) < 0)
            return NULL;
    }
    return json_pack("{s:i, s:s, s:O}", "schema", BF_CHECKPOINTS_SCHEMA, "style",
                     bf_chain_style_name(checkpoints->style), "checkpoints", array);
}
