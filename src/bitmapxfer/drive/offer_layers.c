#include "offer_layers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bf_offered_layers {
    Bitferry__OfferedLayer *layers;
    Bitferry__OfferedLayer **layer_list;
    Bitferry__LayerBitmap *bitmaps;
    Bitferry__LayerBitmap **bitmap_list;
};

void bf_offer_release_layers(struct bf_offer_disk *disk)
{
    for (uint32_t i = 0; i < disk->nr_below; i++) {
        struct bf_offer_layer *layer = &disk->below[i];

        free(layer->node);
        free(layer->identity);
        free(layer->content);
        free(layer->bits);
        free(layer->path);
        for (uint32_t j = 0; j < layer->nr_bitmaps; j++)
            free(layer->bitmaps[j].name);
        free(layer->bitmaps);
    }
    free(disk->stands);
    free(disk->below);
    disk->stands = NULL;
    disk->nr_stands = 0;
    disk->below = NULL;
    disk->nr_below = 0;
}

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "no memory for the bitmaps of a move");
}

int bf_offer_init_below(struct bf_offer_disk *disk, uint32_t nr_below, struct bf_error *err)
{
    disk->below = calloc(nr_below + 1U, sizeof *disk->below);
    if (!disk->below)
        return no_memory(err);
    disk->nr_below = nr_below;
    return 0;
}

int bf_offer_init_layer(struct bf_offer_layer *layer, uint32_t nr_bitmaps, struct bf_error *err)
{
    layer->bitmaps = calloc(nr_bitmaps + 1U, sizeof *layer->bitmaps);
    if (!layer->bitmaps)
        return no_memory(err);
    layer->nr_bitmaps = nr_bitmaps;
    return 0;
}

const struct bf_offer_below *bf_offer_find_below(const struct bf_offer_layer *layer,
                                                 const char *name)
{
    for (uint32_t i = 0; i < layer->nr_bitmaps; i++) {
        if (strcmp(layer->bitmaps[i].name, name) == 0)
            return &layer->bitmaps[i];
    }
    return NULL;
}

bool bf_offer_is_united(const struct bf_offer *offer, uint32_t index)
{
    const struct bf_offer_disk *disk = &offer->disks[offer->states[index].disk];

    for (uint32_t i = 0; i + 1 < disk->nr_merged && i < disk->nr_below; i++) {
        if (bf_offer_find_below(&disk->below[i], offer->bitmaps[index].name))
            return true;
    }
    return false;
}

/* --- what stands below at the destination --- */

size_t bf_offer_at_below(const struct bf_offer_disk *disk, uint32_t layer, uint32_t bitmap)
{
    size_t at = bitmap;

    for (uint32_t i = 0; i + 1 < layer; i++)
        at += disk->below[i].nr_bitmaps;
    return at;
}

int bf_offer_init_stands(struct bf_offer_disk *disk, struct bf_error *err)
{
    size_t nr = bf_offer_at_below(disk, disk->nr_below + 1, 0);

    free(disk->stands);
    disk->nr_stands = 0;
    disk->stands = calloc(nr + 1, sizeof *disk->stands);
    if (!disk->stands)
        return no_memory(err);
    disk->nr_stands = nr;
    return 0;
}

struct bf_move_row *bf_offer_row_below(const struct bf_offer_disk *disk, struct bf_move *move,
                                       uint32_t layer, uint32_t bitmap)
{
    char name[BF_DISK_NAME_MAX + 32];

    (void)snprintf(name, sizeof name, "%s, %u below", disk->name, (unsigned)layer);
    return bf_move_row(move, name, disk->below[layer - 1].bitmaps[bitmap].name);
}

static void report_standing(struct bf_move_row *row)
{
    if (!row)
        return;
    row->phase = "in an image below";
    row->outcome = BF_ROW_NATIVE;
    bf_move_row_note(row, "it stands in the image below, which was there already");
}

void bf_offer_report_below(const struct bf_offer_disk *disk, struct bf_move *move)
{
    for (uint32_t layer = 1; disk->nr_stands > 0 && layer <= disk->nr_below; layer++) {
        for (uint32_t i = 0; i < disk->below[layer - 1].nr_bitmaps; i++) {
            if (disk->stands[bf_offer_at_below(disk, layer, i)])
                report_standing(bf_offer_row_below(disk, move, layer, i));
        }
    }
}

/* --- out --- */

static ProtobufCBinaryData text_bytes(const char *text)
{
    return (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)(uintptr_t)text};
}

static void put_bitmaps(struct bf_offered_layers *out, size_t *at,
                        const struct bf_offer_layer *layer, Bitferry__OfferedLayer *message)
{
    message->bitmaps = &out->bitmap_list[*at];
    message->n_bitmaps = layer->nr_bitmaps;
    for (uint32_t i = 0; i < layer->nr_bitmaps; i++, (*at)++) {
        bitferry__layer_bitmap__init(&out->bitmaps[*at]);
        out->bitmap_list[*at] = &out->bitmaps[*at];
        out->bitmaps[*at].name = text_bytes(layer->bitmaps[i].name);
        out->bitmaps[*at].recording = layer->bitmaps[i].recording;
        out->bitmaps[*at].inconsistent = layer->bitmaps[i].inconsistent;
    }
}

static void put_disk(struct bf_offered_layers *out, size_t *layer_at, size_t *bitmap_at,
                     const struct bf_offer_disk *disk, Bitferry__OfferedDisk *message)
{
    message->below = &out->layer_list[*layer_at];
    message->n_below = disk->nr_below;
    for (uint32_t i = 0; i < disk->nr_below; i++, (*layer_at)++) {
        Bitferry__OfferedLayer *layer = &out->layers[*layer_at];

        bitferry__offered_layer__init(layer);
        out->layer_list[*layer_at] = layer;
        layer->node_name = text_bytes(disk->below[i].node);
        layer->identity = text_bytes(disk->below[i].identity);
        layer->content = text_bytes(disk->below[i].content);
        layer->bits = text_bytes(disk->below[i].bits);
        layer->path = text_bytes(disk->below[i].path);
        layer->virtual_size_bytes = disk->below[i].size_bytes;
        put_bitmaps(out, bitmap_at, &disk->below[i], layer);
    }
}

struct bf_offered_layers *bf_offer_put_layers(const struct bf_offer *offer,
                                              Bitferry__OfferedDisk *disks)
{
    struct bf_offered_layers *out = calloc(1, sizeof *out);
    size_t nr_layers = 0;
    size_t nr_bitmaps = 0;
    size_t layer_at = 0;
    size_t bitmap_at = 0;

    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        nr_layers += offer->disks[i].nr_below;
        for (uint32_t j = 0; j < offer->disks[i].nr_below; j++)
            nr_bitmaps += offer->disks[i].below[j].nr_bitmaps;
    }
    if (!out)
        return NULL;
    out->layers = calloc(nr_layers + 1, sizeof *out->layers);
    out->layer_list = calloc(nr_layers + 1, sizeof *out->layer_list);
    out->bitmaps = calloc(nr_bitmaps + 1, sizeof *out->bitmaps);
    out->bitmap_list = calloc(nr_bitmaps + 1, sizeof *out->bitmap_list);
    if (!out->layers || !out->layer_list || !out->bitmaps || !out->bitmap_list) {
        bf_offered_layers_free(out);
        return NULL;
    }
    for (uint32_t i = 0; i < offer->nr_disks; i++)
        put_disk(out, &layer_at, &bitmap_at, &offer->disks[i], &disks[i]);
    return out;
}

void bf_offered_layers_free(struct bf_offered_layers *layers)
{
    free(layers->layers);
    free(layers->layer_list);
    free(layers->bitmaps);
    free(layers->bitmap_list);
    free(layers);
}

/* --- in --- */

static char *text_of(const ProtobufCBinaryData *bytes)
{
    return strndup((const char *)bytes->data, bytes->len);
}

static int read_layer(struct bf_offer_layer *layer, const Bitferry__OfferedLayer *from,
                      struct bf_error *err)
{
    int r = bf_offer_init_layer(layer, (uint32_t)from->n_bitmaps, err);
    bool whole = r == 0;

    layer->node = text_of(&from->node_name);
    layer->identity = text_of(&from->identity);
    layer->content = text_of(&from->content);
    layer->bits = text_of(&from->bits);
    layer->path = text_of(&from->path);
    layer->size_bytes = from->virtual_size_bytes;
    for (uint32_t i = 0; i < layer->nr_bitmaps; i++) {
        layer->bitmaps[i] = (struct bf_offer_below){
            .name = text_of(&from->bitmaps[i]->name),
            .recording = from->bitmaps[i]->recording,
            .inconsistent = from->bitmaps[i]->inconsistent,
        };
        whole = whole && layer->bitmaps[i].name;
    }
    whole = whole && layer->node && layer->identity && layer->content && layer->bits && layer->path;
    return whole ? 0 : no_memory(err);
}

int bf_offer_read_layers(struct bf_offer_disk *disk, const Bitferry__OfferedDisk *from,
                         struct bf_error *err)
{
    int r = bf_offer_init_below(disk, (uint32_t)from->n_below, err);

    for (uint32_t i = 0; r == 0 && i < disk->nr_below; i++)
        r = read_layer(&disk->below[i], from->below[i], err);
    return r;
}
