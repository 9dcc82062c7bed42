#include "private.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

enum { LAYERS_MAX = 64 };

/* What the migration would carry of a node, by the mapping, or by default. */
struct stream {
    bool set; /* the capability */
    const json_t *mapping;
};

static bool is_capable(const struct bf_answers *answers, const char *name)
{
    return json_is_true(
        json_object_get(bf_list_find(answers->capabilities, "capability", name), "state"));
}

static const json_t *image_of(const json_t *node)
{
    return json_object_get(node, "image");
}

/* --- bitmaps --- */

static bool is_mapped(const struct stream *stream, const char *node, const char *bitmap)
{
    const json_t *entry = bf_list_find(stream->mapping, "node-name", node);

    if (!stream->set)
        return false;
    return !stream->mapping || bf_list_find(json_object_get(entry, "bitmaps"), "name", bitmap);
}

static json_t *bitmap_to_json(const json_t *from, const struct stream *stream, const char *node)
{
    const char *name = bf_facts_text(from, "name");

    return json_pack("{s:s, s:I, s:I, s:b, s:b, s:b, s:b, s:b}", "name", name, "granularity",
                     json_integer_value(json_object_get(from, "granularity")), "count",
                     json_integer_value(json_object_get(from, "count")), "recording",
                     json_is_true(json_object_get(from, "recording")), "persistent",
                     json_is_true(json_object_get(from, "persistent")), "busy",
                     json_is_true(json_object_get(from, "busy")), "inconsistent",
                     json_is_true(json_object_get(from, "inconsistent")), "mapped",
                     is_mapped(stream, node, name));
}

static json_t *bitmaps_to_json(const json_t *node, const struct stream *stream)
{
    BF_CLEANUP(json_decrefp) json_t *list = json_array();
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(node, "dirty-bitmaps"), i, item)
    {
        if (bf_facts_text(item, "name")[0] &&
            json_array_append_new(
                list, bitmap_to_json(item, stream, bf_facts_text(node, "node-name"))) < 0)
            return NULL;
    }
    return bf_steal_ptr(&list);
}

/* --- layers --- */

static json_t *stored_to_json(const json_t *node)
{
    const json_t *data =
        json_object_get(json_object_get(image_of(node), "format-specific"), "data");
    BF_CLEANUP(json_decrefp) json_t *names = json_array();
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(data, "bitmaps"), i, item)
    {
        if (json_array_append_new(names, json_string(bf_facts_text(item, "name"))) < 0)
            return NULL;
    }
    return bf_steal_ptr(&names);
}

static bool stores(const json_t *node)
{
    const json_t *data =
        json_object_get(json_object_get(image_of(node), "format-specific"), "data");

    return strcmp(bf_facts_text(node, "drv"), "qcow2") == 0 &&
           strcmp(bf_facts_text(data, "compat"), "1.1") == 0;
}

/* One that is not stored would be missing from what is compared. */
static bool all_stored(const json_t *node)
{
    const json_t *data =
        json_object_get(json_object_get(image_of(node), "format-specific"), "data");
    const json_t *stored = json_object_get(data, "bitmaps");
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(node, "dirty-bitmaps"), i, item)
    {
        if (!json_is_true(json_object_get(item, "persistent")) ||
            !bf_list_find(stored, "name", bf_facts_text(item, "name")))
            return false;
    }
    return true;
}

static json_t *layer_to_json(const json_t *node, const struct stream *stream, bool top)
{
    char identity[BF_FACTS_IDENTITY_MAX_BYTES + 1];
    char content[BF_FACTS_IDENTITY_MAX_BYTES + 1] = "";
    char bits[BF_FACTS_IDENTITY_MAX_BYTES + 1] = "";
    const char *file = bf_facts_text(node, "file");
    BF_CLEANUP(bf_freep) char *path = bf_image_path(file);

    bf_image_identity(file, identity);
    if (!top)
        bf_image_content(file, content);
    if (!top && path && stores(node) && all_stored(node))
        bf_image_bits(path, bits);
    return json_pack("{s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:I, s:b, s:o, s:o}", "node",
                     bf_facts_text(node, "node-name"), "file", file, "path", path ? path : "",
                     "inactive", json_is_false(json_object_get(node, "active")), "identity",
                     identity, "content", content, "bits", bits, "size",
                     json_integer_value(json_object_get(image_of(node), "virtual-size")), "stores",
                     stores(node), "stored", stored_to_json(node), "bitmaps",
                     bitmaps_to_json(node, stream));
}

bool bf_node_is_filter(const json_t *node)
{
    static const char *const filters[] = {"mirror_top", "commit_top",   "backup-top",
                                          "throttle",   "copy-on-read", "copy-before-write"};

    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        if (strcmp(bf_facts_text(node, "drv"), filters[i]) == 0)
            return true;
    }
    return false;
}

static json_t *layers_to_json(const struct bf_answers *answers, const struct stream *stream,
                              const json_t *node)
{
    BF_CLEANUP(json_decrefp) json_t *layers = json_array();

    for (unsigned i = 0; node && i < LAYERS_MAX; i++) {
        bool filter = bf_node_is_filter(node);
        const char *below =
            bf_graph_below(answers->graph, bf_facts_text(node, "node-name"), filter);

        if (!filter && json_array_append_new(
                           layers, layer_to_json(node, stream, json_array_size(layers) == 0)) < 0)
            return NULL;
        node = below ? bf_list_find(answers->nodes, "node-name", below) : NULL;
    }
    return bf_steal_ptr(&layers);
}

/* --- disks --- */

/* "vda" of "nbd+unix:///vda?socket=/run/nbd" or "nbd://host:port/vda"; a copy, "" if it is not so.
 */
static char *export_of(const json_t *node)
{
    const char *file = bf_facts_text(node, "file");
    const char *at = strncmp(file, "nbd", 3) == 0 ? strstr(file, "://") : NULL;

    at = at ? strchr(at + 3, '/') : NULL;
    return at ? strndup(at + 1, strcspn(at + 1, "?")) : strdup("");
}

static const json_t *nbd_under(const struct bf_answers *answers, const char *node)
{
    const json_t *item;
    size_t i;

    json_array_foreach(answers->nodes, i, item)
    {
        if (strcmp(bf_facts_text(item, "drv"), "nbd") == 0 &&
            bf_graph_reaches(answers->graph, node, bf_facts_text(item, "node-name")))
            return item;
    }
    return NULL;
}

/* QEMU tells the id of an export, which need not be the name that clients use. */
static const char *export_on(const struct bf_answers *answers, const char *node)
{
    const json_t *item;
    size_t i;

    json_array_foreach(answers->exports, i, item)
    {
        if (strcmp(bf_facts_text(item, "type"), "nbd") == 0 &&
            bf_graph_reaches(answers->graph, bf_facts_text(item, "node-name"), node))
            return bf_facts_text(item, "id");
    }
    return "";
}

/* By default a node goes by the name of its block backend, else by its own. */
static const char *alias_of(const struct bf_answers *answers, const struct stream *stream,
                            const char *node)
{
    const json_t *item;
    size_t i;

    if (!stream->set)
        return "";
    if (stream->mapping)
        return bf_facts_text(bf_list_find(stream->mapping, "node-name", node), "alias");
    json_array_foreach(answers->devices, i, item)
    {
        if (strcmp(bf_facts_text(json_object_get(item, "inserted"), "node-name"), node) == 0 &&
            bf_facts_text(item, "device")[0])
            return bf_facts_text(item, "device");
    }
    return node[0] == '#' ? "" : node;
}

const json_t *bf_facts_node(const struct bf_answers *answers, const char *name)
{
    const json_t *node = bf_list_find(answers->nodes, "node-name", name);
    const json_t *device = node || !name[0] ? NULL : bf_list_find(answers->devices, "device", name);

    return device ? bf_list_find(answers->nodes, "node-name",
                                 bf_facts_text(json_object_get(device, "inserted"), "node-name"))
                  : node;
}

static json_t *disk_to_json(const struct bf_answers *answers, const struct stream *stream,
                            const struct bf_live_disk_wish *wish, const json_t *serial,
                            const json_t *node)
{
    const char *name = bf_facts_text(node, "node-name");
    const char *target = bf_graph_mirror_target(answers->graph, answers->jobs, name);
    BF_CLEANUP(bf_freep) char *mirror = NULL;

    mirror = target ? export_of(nbd_under(answers, target)) : strdup("");
    return json_pack("{s:s, s:s, s:s, s:s?, s:s, s:b, s:o}", "name", wish->name, "serial",
                     bf_serial_text(serial), "alias", alias_of(answers, stream, name), "mirror",
                     mirror, "export", export_on(answers, name), "mirrored", target != NULL,
                     "layers", layers_to_json(answers, stream, node));
}

static json_t *disks_to_json(const struct bf_answers *answers, const struct stream *stream,
                             const struct bf_live_disk_wish *disks, uint32_t nr_disks)
{
    BF_CLEANUP(json_decrefp) json_t *list = json_array();

    for (uint32_t i = 0; i < nr_disks; i++) {
        const json_t *node = bf_facts_node(answers, disks[i].node);

        if (node && json_array_append_new(list, disk_to_json(answers, stream, &disks[i],
                                                             json_array_get(answers->serials, i),
                                                             node)) < 0)
            return NULL;
    }
    return bf_steal_ptr(&list);
}

json_t *bf_facts_assemble(const struct bf_answers *answers, const struct bf_live_disk_wish *disks,
                          uint32_t nr_disks)
{
    const json_t *parameters = answers->parameters;
    struct stream stream = {is_capable(answers, "dirty-bitmaps"),
                            json_object_get(parameters, "block-bitmap-mapping")};
    json_int_t bandwidth =
        json_integer_value(json_object_get(parameters, "avail-switchover-bandwidth"));

    if (bandwidth == 0)
        bandwidth = json_integer_value(json_object_get(parameters, "max-bandwidth"));
    return json_pack("{s:i, s:b, s:b, s:b, s:b, s:I, s:I, s:o}", "version", 1, "dirty-bitmaps",
                     stream.set, "mapped", stream.mapping != NULL, "block",
                     is_capable(answers, "block"), "pauses",
                     is_capable(answers, "pause-before-switchover"), "downtime-limit-ms",
                     json_integer_value(json_object_get(parameters, "downtime-limit")), "bandwidth",
                     bandwidth, "disks", disks_to_json(answers, &stream, disks, nr_disks));
}

const json_t *bf_facts_disk(const json_t *document, const char *name)
{
    return bf_list_find(json_object_get(document, "disks"), "name", name);
}

bool bf_facts_is_stored(const json_t *disk, uint32_t layer, const char *bitmap)
{
    const json_t *name;
    size_t i;

    json_array_foreach(
        json_object_get(json_array_get(json_object_get(disk, "layers"), layer), "stored"), i, name)
    {
        if (strcmp(json_string_value(name), bitmap) == 0)
            return true;
    }
    return false;
}
