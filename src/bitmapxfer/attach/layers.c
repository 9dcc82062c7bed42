#include "attach/layers.h"

#include "attach/content.h"
#include "attach/image_chain.h"

#include <stdlib.h>
#include <string.h>

/* Below the top, an image without bitmaps is none of our business, whatever its format. */
static int open_layer(struct bf_layer *layer, bool is_top, struct bf_error *err)
{
    struct bf_error why = BF_ERROR_INIT;
    int r = bf_reader_open_path(layer->path, 0, &layer->reader, &why);

    if (r < 0 && (is_top || (why.code != BF_E_NOT_QCOW2 && why.code != BF_E_QCOW2_V2)))
        return bf_error_set(err, why.code, "%s", why.text);
    return bf_image_data_digest(layer->path, layer->data_sha256, err);
}

static int add_layer(struct bf_layers *layers, const json_t *said, struct bf_error *err)
{
    const char *path = json_string_value(json_object_get(said, "filename"));
    struct bf_layer *layer = &layers->items[layers->nr_items];

    if (!path)
        return bf_error_set(err, BF_E_CHILD_FAILED, "qemu-img names no file for an image");
    layer->path = strdup(path);
    layer->size_bytes = (uint64_t)json_integer_value(json_object_get(said, "virtual-size"));
    if (!layer->path)
        return bf_error_set(err, BF_E_NO_MEMORY, "no memory for a chain of images");
    return open_layer(layer, layers->nr_items++ == 0, err);
}

static int open_all(const char *path, struct bf_layers *layers, struct bf_error *err)
{
    json_t *chain = NULL;
    const json_t *said;
    size_t i;
    int r = bf_image_chain(path, &chain, err);

    if (r < 0)
        return r;
    if (json_array_size(chain) > BF_LAYERS_MAX)
        r = bf_error_set(err, BF_E_LIMIT, "%s stands on more than %d images", path, BF_LAYERS_MAX);
    layers->items = calloc(json_array_size(chain), sizeof *layers->items);
    if (!layers->items && r == 0)
        r = bf_error_set(err, BF_E_NO_MEMORY, "no memory for a chain of images");
    json_array_foreach(chain, i, said)
    {
        if (r == 0)
            r = add_layer(layers, said, err);
    }
    json_decref(chain);
    return r;
}

int bf_layers_open(const char *path, struct bf_layers *ret_layers, struct bf_error *err)
{
    struct bf_layers layers = {.nr_items = 0};
    int r = open_all(path, &layers, err);

    if (r < 0)
        bf_layers_release(&layers);
    *ret_layers = layers;
    return r;
}

void bf_layers_release(struct bf_layers *layers)
{
    for (uint32_t i = 0; i < layers->nr_items; i++) {
        free(layers->items[i].path);
        if (layers->items[i].reader)
            bf_reader_free(layers->items[i].reader);
    }
    free(layers->items);
    *layers = (struct bf_layers){.nr_items = 0};
}
