#include "base/text.h"
#include "migrate_look.h"
#include "migrate_monitor.h"

#include <string.h>

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "out of memory");
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

/* A refusal only leaves the bitmap without a digest: it may have gone since. */
static void digest(struct bf_monitor *monitor, const char *node, struct bf_look_bitmap *bitmap)
{
    BF_CLEANUP(json_decrefp) json_t *result = NULL;
    struct bf_error ignored = BF_ERROR_INIT;
    const char *text;

    (void)bf_monitor_call(monitor, "x-debug-block-dirty-bitmap-sha256",
                          json_pack("{s:s, s:s}", "node", node, "name", bitmap->name), &result,
                          &ignored);
    text = json_string_value(json_object_get(result, "sha256"));
    bitmap->digested = text && bf_hex_decode(text, BF_SHA256_BYTES, bitmap->sha256);
}

static int read_bitmap(struct bf_monitor *monitor, struct bf_look_layer *layer, const json_t *from,
                       struct bf_error *err)
{
    const char *name = json_string_value(json_object_get(from, "name"));
    struct bf_look_bitmap *bitmap;

    if (!name || !name[0]) /* a job's own */
        return 0;
    bitmap = bf_look_add_bitmap(layer, name);
    if (!bitmap)
        return no_memory(err);
    bitmap->granularity_bytes = number_of(from, "granularity");
    bitmap->dirty_bytes = number_of(from, "count");
    bitmap->recording = flag_of(from, "recording");
    bitmap->persistent = flag_of(from, "persistent");
    bitmap->busy = flag_of(from, "busy");
    bitmap->consistent = !flag_of(from, "inconsistent");
    if (bitmap->consistent)
        digest(monitor, layer->node, bitmap);
    return 0;
}

static const json_t *find_node(const json_t *nodes, const char *name)
{
    size_t i;
    json_t *node;

    json_array_foreach(nodes, i, node)
    {
        const char *found = json_string_value(json_object_get(node, "node-name"));

        if (found && strcmp(found, name) == 0)
            return node;
    }
    return NULL;
}

static int read_layer(struct bf_monitor *monitor, struct bf_look_disk *disk,
                      const struct bf_virt_layer *from, const json_t *nodes, struct bf_error *err)
{
    struct bf_look_layer *layer = bf_look_add_layer(disk, from->node, from->path);
    const json_t *node = find_node(nodes, from->node);
    size_t i;
    json_t *bitmap;
    int r = 0;

    if (!layer)
        return no_memory(err);
    if (!node) {
        disk->seen = false;
        return 0;
    }
    layer->size_bytes = number_of(json_object_get(node, "image"), "virtual-size");
    json_array_foreach(json_object_get(node, "dirty-bitmaps"), i, bitmap)
    {
        r = read_bitmap(monitor, layer, bitmap, err);
        if (r < 0)
            break;
    }
    return r;
}

static int read_disk(struct bf_monitor *monitor, struct bf_look *look,
                     const struct bf_virt_disk *from, const json_t *nodes, struct bf_error *err)
{
    struct bf_look_disk *disk = bf_look_add_disk(look, from->target);
    int r = 0;

    if (!disk)
        return no_memory(err);
    disk->seen = true;
    for (size_t i = 0; r == 0 && i < from->nr_layers; i++)
        r = read_layer(monitor, disk, &from->layers[i], nodes, err);
    if (r == 0 && !disk->seen && !(disk->problem = strdup("QEMU has no block node of its name")))
        r = no_memory(err);
    return r;
}

static int look(struct bf_virt_domain *domain, const struct bf_virt_description *description,
                struct bf_look *ret_look, struct bf_error *err)
{
    BF_CLEANUP(bf_monitor_closep) struct bf_monitor *monitor = NULL;
    BF_CLEANUP(json_decrefp) json_t *nodes = NULL;
    int r = bf_monitor_open(domain, &monitor, err);

    if (r == 0)
        r = bf_monitor_call(monitor, "query-named-block-nodes", json_pack("{s:b}", "flat", 1),
                            &nodes, err);
    for (size_t i = 0; r == 0 && i < description->nr_disks; i++) {
        if (!description->disks[i].read_only)
            r = read_disk(monitor, ret_look, &description->disks[i], nodes, err);
    }
    return r;
}

int bf_look_running(struct bf_virt_domain *domain, struct bf_look *ret_look, struct bf_error *err)
{
    BF_CLEANUP(bf_virt_description_release)
    struct bf_virt_description description = {.name = NULL};
    enum bf_virt_state state;
    int r = bf_virt_domain_describe(domain, &description, err);

    *ret_look = (struct bf_look){.nr_disks = 0};
    if (r == 0)
        r = bf_virt_domain_state(domain, &state, err);
    if (r < 0)
        return r;
    ret_look->quiet = state != BF_VIRT_RUNNING;
    r = look(domain, &description, ret_look, err);
    if (r < 0)
        bf_look_release(ret_look);
    return r;
}
