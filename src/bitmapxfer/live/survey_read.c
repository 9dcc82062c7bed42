#include "survey_read.h"

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

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "no memory for what QEMU says of its disks");
}

/* Looking things up in what QEMU says */

static const json_t *find(const json_t *list, const char *key, const char *value)
{
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item)
    {
        const char *text = json_string_value(json_object_get(item, key));

        if (text && strcmp(text, value) == 0)
            return item;
    }
    return NULL;
}

const json_t *bf_live_nodes_find(const json_t *nodes, const json_t *devices, const char *name)
{
    const json_t *node = find(nodes, "node-name", name);
    const json_t *device;

    if (node || !name[0])
        return node;
    device = find(devices, "device", name);
    return device
               ? find(nodes, "node-name", text_of(json_object_get(device, "inserted"), "node-name"))
               : NULL;
}

const json_t *bf_live_node_bitmap(const json_t *node, const char *name)
{
    return find(json_object_get(node, "dirty-bitmaps"), "name", name);
}

/* One disk */

static int read_bitmap(struct bf_live_bitmap *bitmap, const json_t *from, struct bf_error *err)
{
    bitmap->granularity_bytes = number_of(from, "granularity");
    bitmap->dirty_bytes = number_of(from, "count");
    bitmap->recording = flag_of(from, "recording");
    bitmap->persistent = flag_of(from, "persistent");
    bitmap->busy = flag_of(from, "busy");
    bitmap->inconsistent = flag_of(from, "inconsistent");
    bitmap->name = strdup(text_of(from, "name"));
    return bitmap->name ? 0 : no_memory(err);
}

static int read_bitmaps(struct bf_live_disk *disk, const json_t *list, struct bf_error *err)
{
    size_t i;
    json_t *item;

    disk->bitmaps = calloc(json_array_size(list) + 1, sizeof *disk->bitmaps);
    if (!disk->bitmaps)
        return no_memory(err);
    json_array_foreach(list, i, item)
    {
        int r;

        if (!text_of(item, "name")[0]) /* a job's own */
            continue;
        r = read_bitmap(&disk->bitmaps[disk->nr_bitmaps++], item, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool can_persist(const json_t *node, const json_t *image)
{
    const json_t *data = json_object_get(json_object_get(image, "format-specific"), "data");

    return strcmp(text_of(node, "drv"), "qcow2") == 0 &&
           strcmp(text_of(data, "compat"), "1.1") == 0;
}

static int read_disk(struct bf_live_disk *disk, const char *name, const json_t *node,
                     struct bf_error *err)
{
    const json_t *image = json_object_get(node, "image");

    disk->name = strdup(name);
    disk->node = strdup(text_of(node, "node-name"));
    disk->format = strdup(text_of(node, "drv"));
    disk->file = strdup(text_of(node, "file"));
    if (!disk->name || !disk->node || !disk->format || !disk->file)
        return no_memory(err);
    disk->size_bytes = number_of(image, "virtual-size");
    disk->backing_depth = number_of(node, "backing_file_depth");
    disk->writable = node && !flag_of(node, "ro");
    disk->inactive = json_is_false(json_object_get(node, "active"));
    disk->can_persist = can_persist(node, image);
    return read_bitmaps(disk, json_object_get(node, "dirty-bitmaps"), err);
}

/* All disks */

static int read_wished(struct bf_live_survey *survey, const json_t *devices, const json_t *nodes,
                       const struct bf_live_disk_wish *wishes, uint32_t nr_wishes,
                       struct bf_error *err)
{
    for (uint32_t i = 0; i < nr_wishes; i++) {
        const json_t *node = bf_live_nodes_find(nodes, devices, wishes[i].node);
        int r = read_disk(&survey->disks[survey->nr_disks++], wishes[i].name, node, err);

        if (r < 0)
            return r;
    }
    return 0;
}

/* "vda" of "/machine/peripheral/vda/virtio-backend".  *ret_chars is its length. */
static const char *device_name(const json_t *device, size_t *ret_chars)
{
    static const char backend[] = "/virtio-backend";
    const char *name = text_of(device, "device");
    const char *path = text_of(device, "qdev");
    size_t chars = strlen(path);
    const char *last;

    *ret_chars = strlen(name);
    if (*ret_chars > 0)
        return name;
    if (chars >= sizeof backend - 1 && strcmp(path + chars - (sizeof backend - 1), backend) == 0)
        chars -= sizeof backend - 1;
    last = memrchr(path, '/', chars);
    *ret_chars = last ? chars - (size_t)(last + 1 - path) : chars;
    return last ? last + 1 : path;
}

static int read_device(struct bf_live_survey *survey, const json_t *device, const json_t *nodes,
                       struct bf_error *err)
{
    const json_t *inserted = json_object_get(device, "inserted");
    const json_t *node = find(nodes, "node-name", text_of(inserted, "node-name"));
    size_t chars;
    const char *name = device_name(device, &chars);
    char *copy;
    int r;

    if (!node || flag_of(inserted, "ro"))
        return 0;
    copy = strndup(name, chars);
    if (!copy)
        return no_memory(err);
    r = read_disk(&survey->disks[survey->nr_disks++], copy, node, err);
    free(copy);
    return r;
}

int bf_live_survey_read(struct bf_live_survey *survey, const json_t *devices, const json_t *nodes,
                        const struct bf_live_disk_wish *wishes, uint32_t nr_wishes,
                        struct bf_error *err)
{
    size_t nr_max = nr_wishes > 0 ? nr_wishes : json_array_size(devices);
    size_t i;
    json_t *device;

    if (!json_is_array(nodes) || !json_is_array(devices))
        return bf_error_set(err, BF_E_PROTOCOL, "QEMU's list of block nodes is none");
    survey->disks = calloc(nr_max + 1, sizeof *survey->disks);
    if (!survey->disks)
        return no_memory(err);
    if (nr_wishes > 0)
        return read_wished(survey, devices, nodes, wishes, nr_wishes, err);
    json_array_foreach(devices, i, device)
    {
        int r = read_device(survey, device, nodes, err);

        if (r < 0)
            return r;
    }
    return 0;
}
