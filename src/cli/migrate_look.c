#include "migrate_look.h"

#include <stdlib.h>
#include <string.h>

/* The plain data; how it is come by is in migrate_look_running.c and migrate_look_images.c. */

struct bf_look_disk *bf_look_add_disk(struct bf_look *look, const char *target)
{
    struct bf_look_disk *disks = realloc(look->disks, (look->nr_disks + 1) * sizeof *disks);
    char *copy = strdup(target);

    if (disks)
        look->disks = disks;
    if (!disks || !copy) {
        free(copy);
        return NULL;
    }
    disks[look->nr_disks] = (struct bf_look_disk){.target = copy};
    return &disks[look->nr_disks++];
}

struct bf_look_layer *bf_look_add_layer(struct bf_look_disk *disk, const char *node,
                                        const char *path)
{
    struct bf_look_layer *layers = realloc(disk->layers, (disk->nr_layers + 1) * sizeof *layers);
    char *node_copy = strdup(node);
    char *path_copy = strdup(path);

    if (layers)
        disk->layers = layers;
    if (!layers || !node_copy || !path_copy) {
        free(node_copy);
        free(path_copy);
        return NULL;
    }
    layers[disk->nr_layers] = (struct bf_look_layer){.node = node_copy, .path = path_copy};
    return &layers[disk->nr_layers++];
}

struct bf_look_bitmap *bf_look_add_bitmap(struct bf_look_layer *layer, const char *name)
{
    struct bf_look_bitmap *bitmaps =
        realloc(layer->bitmaps, (layer->nr_bitmaps + 1) * sizeof *bitmaps);
    char *copy = strdup(name);

    if (bitmaps)
        layer->bitmaps = bitmaps;
    if (!bitmaps || !copy) {
        free(copy);
        return NULL;
    }
    bitmaps[layer->nr_bitmaps] = (struct bf_look_bitmap){.name = copy};
    return &bitmaps[layer->nr_bitmaps++];
}

static void release_layer(struct bf_look_layer *layer)
{
    for (size_t i = 0; i < layer->nr_bitmaps; i++)
        free(layer->bitmaps[i].name);
    free(layer->bitmaps);
    free(layer->node);
    free(layer->path);
}

static void release_disk(struct bf_look_disk *disk)
{
    for (size_t i = 0; i < disk->nr_layers; i++)
        release_layer(&disk->layers[i]);
    free(disk->layers);
    free(disk->target);
    free(disk->problem);
}

void bf_look_release(struct bf_look *look)
{
    for (size_t i = 0; i < look->nr_disks; i++)
        release_disk(&look->disks[i]);
    free(look->disks);
    *look = (struct bf_look){.nr_disks = 0};
}

const struct bf_look_disk *bf_look_find_disk(const struct bf_look *look, const char *target)
{
    for (size_t i = 0; i < look->nr_disks; i++) {
        if (strcmp(look->disks[i].target, target) == 0)
            return &look->disks[i];
    }
    return NULL;
}

const struct bf_look_bitmap *bf_look_find_bitmap(const struct bf_look_layer *layer,
                                                 const char *name)
{
    for (size_t i = 0; i < layer->nr_bitmaps; i++) {
        if (strcmp(layer->bitmaps[i].name, name) == 0)
            return &layer->bitmaps[i];
    }
    return NULL;
}
