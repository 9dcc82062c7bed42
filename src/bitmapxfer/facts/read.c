#include "private.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

static uint64_t number_of(const json_t *object, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(object, key));

    return number > 0 ? (uint64_t)number : 0;
}

static bool flag_of(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static void count(const json_t *disks, uint32_t *ret_nr_layers, uint32_t *ret_nr_bitmaps)
{
    const json_t *disk;
    const json_t *layer;
    size_t i;
    size_t k;

    *ret_nr_layers = *ret_nr_bitmaps = 0;
    json_array_foreach(disks, i, disk)
    {
        json_array_foreach(json_object_get(disk, "layers"), k, layer)
        {
            *ret_nr_layers += 1;
            *ret_nr_bitmaps += (uint32_t)(json_array_size(json_object_get(layer, "bitmaps")) +
                                          json_array_size(json_object_get(layer, "stored")));
        }
    }
}

static int read_bitmap(const json_t *from, struct bf_bitmap_facts *bitmap, struct bf_error *err)
{
    *bitmap = (struct bf_bitmap_facts){
        .name = bf_facts_text(from, "name"),
        .granularity_bytes = number_of(from, "granularity"),
        .recording = flag_of(from, "recording"),
        .persistent = flag_of(from, "persistent"),
        .busy = flag_of(from, "busy"),
        .inconsistent = flag_of(from, "inconsistent"),
        .mapped = flag_of(from, "mapped"),
    };
    return bitmap->name[0] && bitmap->granularity_bytes > 0
               ? 0
               : bf_error_set(err, BF_E_INVALID, "a bitmap without name or granularity");
}

static int read_layer(const json_t *from, struct bf_layer_facts *layer,
                      struct bf_bitmap_facts *bitmaps, struct bf_error *err)
{
    const json_t *item;
    size_t i;
    int r = 0;

    *layer = (struct bf_layer_facts){
        .node = bf_facts_text(from, "node"),
        .identity = bf_facts_text(from, "identity"),
        .content = bf_facts_text(from, "content"),
        .bits = bf_facts_text(from, "bits"),
        .path = bf_facts_text(from, "path"),
        .size_bytes = number_of(from, "size"),
        .stores = flag_of(from, "stores"),
        .bitmaps = bitmaps,
    };
    json_array_foreach(json_object_get(from, "bitmaps"), i, item)
    {
        if (r == 0)
            r = read_bitmap(item, &bitmaps[layer->nr_bitmaps++], err);
    }
    return r;
}

static bool has(const struct bf_layer_facts *layer, const char *name)
{
    for (uint32_t i = 0; i < layer->nr_bitmaps; i++) {
        if (strcmp(layer->bitmaps[i].name, name) == 0)
            return true;
    }
    return false;
}

/* Of an image below that QEMU has not made active, only the names of its bitmaps are known. */
static void add_stored(const json_t *from, struct bf_layer_facts *layer,
                       struct bf_bitmap_facts *bitmaps)
{
    const json_t *item;
    size_t i;

    json_array_foreach(json_object_get(from, "stored"), i, item)
    {
        const char *name = json_string_value(item);

        if (name && name[0] && !has(layer, name))
            bitmaps[layer->nr_bitmaps++] =
                (struct bf_bitmap_facts){.name = name, .granularity_bytes = 1, .persistent = true};
    }
}

static int read_disk(const json_t *from, struct bf_disk_facts *disk, struct bf_layer_facts *layers,
                     struct bf_bitmap_facts **bitmaps, struct bf_error *err)
{
    const json_t *item;
    size_t i;
    int r = 0;

    *disk = (struct bf_disk_facts){
        .name = bf_facts_text(from, "name"),
        .serial = bf_facts_text(from, "serial"),
        .alias = bf_facts_text(from, "alias"),
        .mirror = bf_facts_text(from, "mirror"),
        .export = bf_facts_text(from, "export"),
        .mirrored = flag_of(from, "mirrored"),
        .named = flag_of(from, "named"),
        .layers = layers,
    };
    json_array_foreach(json_object_get(from, "layers"), i, item)
    {
        if (r == 0)
            r = read_layer(item, &layers[disk->nr_layers], *bitmaps, err);
        if (r == 0 && i > 0)
            add_stored(item, &layers[disk->nr_layers], *bitmaps);
        *bitmaps += layers[disk->nr_layers++].nr_bitmaps;
    }
    if (r == 0 && disk->nr_layers == 0)
        r = bf_error_set(err, BF_E_INVALID, "the disk '%s' has no image", disk->name);
    return r;
}

int bf_facts_read(json_t *document, struct bf_facts *ret_facts, struct bf_error *err)
{
    const json_t *disks = json_object_get(document, "disks");
    struct bf_facts facts = {.document = json_incref(document)};
    struct bf_layer_facts *layer;
    struct bf_bitmap_facts *bitmap;
    uint32_t nr_layers;
    uint32_t nr_bitmaps;
    int r = 0;

    count(disks, &nr_layers, &nr_bitmaps);
    facts.disks = calloc(json_array_size(disks) + 1, sizeof *facts.disks);
    facts.layers = layer = calloc(nr_layers + 1U, sizeof *facts.layers);
    facts.bitmaps = bitmap = calloc(nr_bitmaps + 1U, sizeof *facts.bitmaps);
    facts.vm = (struct bf_vm_facts){
        .disks = facts.disks,
        .dirty_bitmaps = flag_of(document, "dirty-bitmaps"),
        .mapping = flag_of(document, "mapped"),
        .block = flag_of(document, "block"),
        .pauses = flag_of(document, "pauses"),
        .downtime_limit_ms = number_of(document, "downtime-limit-ms"),
        .bandwidth_bytes_s = number_of(document, "bandwidth"),
    };
    if (!facts.disks || !layer || !bitmap)
        r = bf_error_set(err, BF_E_NO_MEMORY, "no memory for facts");
    else if (number_of(document, "version") != 1 || !json_is_array(disks))
        r = bf_error_set(err, BF_E_INVALID, "these are not the facts of a VM, version 1");
    for (size_t i = 0; r == 0 && i < json_array_size(disks); i++) {
        struct bf_disk_facts *disk = &facts.disks[facts.vm.nr_disks++];

        r = read_disk(json_array_get(disks, i), disk, layer, &bitmap, err);
        layer += disk->nr_layers;
    }
    if (r < 0) {
        bf_facts_release(&facts);
        return r;
    }
    *ret_facts = facts;
    return 0;
}

void bf_facts_release(struct bf_facts *facts)
{
    json_decref(facts->document);
    free(facts->disks);
    free(facts->layers);
    free(facts->bitmaps);
    memset(facts, 0, sizeof *facts);
}
