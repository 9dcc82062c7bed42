/* What a QEMU said of its disks (facts/facts.h), as a subject's. */
#include "base/cleanup.h"
#include "facts/facts.h"
#include "subject_build.h"
#include "subject_qemu.h"

#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static uint64_t number_of(const json_t *object, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(object, key));

    return number > 0 ? (uint64_t)number : 0;
}

static bool flag_of(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static int read_bitmap(struct bf_catalog_disk *layer, const json_t *from, struct bf_error *err)
{
    BF_CLEANUP(bf_freep) char *name = strdup(text_of(from, "name"));
    struct bf_catalog_bitmap bitmap = {
        .name = name,
        .granularity_bytes = number_of(from, "granularity"),
        .recording = flag_of(from, "recording"),
        .persistent = flag_of(from, "persistent"),
        .consistent = !flag_of(from, "inconsistent"),
        .busy = flag_of(from, "busy"),
        .counted = !flag_of(from, "inconsistent"),
    };

    if (!name)
        return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
    if (bitmap.counted && bitmap.granularity_bytes > 0)
        bitmap.summary.nr_dirty_bits = number_of(from, "count") / bitmap.granularity_bytes;
    return bf_catalog_add_bitmap(layer, &bitmap, err);
}

/* Until QEMU activates an image, what is stored in it is not loaded; 7.2 shows that in no other
 * way. */
static bool is_inactive(const json_t *layer)
{
    const json_t *name;
    const json_t *bitmap;
    size_t i;
    size_t j;

    json_array_foreach(json_object_get(layer, "stored"), i, name)
    {
        bool loaded = false;

        json_array_foreach(json_object_get(layer, "bitmaps"), j, bitmap) loaded |=
            strcmp(text_of(bitmap, "name"), json_string_value(name)) == 0;
        if (!loaded)
            return true;
    }
    return flag_of(layer, "inactive");
}

static int read_layer(struct bf_subject_disk *disk, const json_t *from, struct bf_error *err)
{
    struct bf_catalog_disk *layer;
    const json_t *bitmap;
    size_t i;
    int r = bf_subject_add_layer(disk, text_of(from, "node"), text_of(from, "file"),
                                 number_of(from, "size"), &layer, err);

    if (r < 0)
        return r;
    disk->images[disk->layers.nr_disks - 1].can_store = flag_of(from, "stores");
    json_array_foreach(json_object_get(from, "bitmaps"), i, bitmap)
    {
        if (r == 0)
            r = read_bitmap(layer, bitmap, err);
    }
    return r;
}

static int read_disk(struct bf_subject *subject, const json_t *from, struct bf_error *err)
{
    const json_t *layers = json_object_get(from, "layers");
    struct bf_subject_disk *disk;
    const json_t *layer;
    size_t i;
    int r = bf_subject_add_disk(subject, text_of(from, "name"), &disk, err);

    json_array_foreach(layers, i, layer)
    {
        if (r == 0)
            r = read_layer(disk, layer, err);
    }
    if (r == 0 && is_inactive(json_array_get(layers, 0)))
        r = bf_subject_refuse_disk(disk, BF_COVERAGE_DISK_INACTIVE,
                                   "a migration is under way, or QEMU was not resumed after one",
                                   err);
    return r;
}

int bf_subject_read_disks(const json_t *facts, struct bf_subject *subject, struct bf_error *err)
{
    const json_t *disk;
    size_t i;
    int r = 0;

    json_array_foreach(json_object_get(facts, "disks"), i, disk)
    {
        if (r == 0)
            r = read_disk(subject, disk, err);
    }
    return r;
}
