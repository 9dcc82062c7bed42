/* What is in the images becomes the offer: each image of a chain is a disk of its own there, "vda",
 * "vda[1]" below it, and so on. */
#include "images.h"

#include "base/name.h"
#include "base/text.h"
#include "facts/facts.h"

#include <stdlib.h>
#include <string.h>

struct bf_layer *source_images_layer(const struct source_images *images, uint32_t index)
{
    for (size_t i = 0; i < images->nr_disks; i++) {
        struct bf_layers *layers = &images->disks[i];

        if (index < layers->nr_items)
            return &layers->items[index];
        index -= layers->nr_items;
    }
    return NULL;
}

static void count(const struct source_images *images, uint32_t *ret_nr_disks,
                  uint32_t *ret_nr_bitmaps)
{
    const struct bf_layer *layer;
    uint32_t nr_disks = 0;

    *ret_nr_bitmaps = 0;
    while ((layer = source_images_layer(images, nr_disks)) != NULL) {
        if (layer->reader)
            *ret_nr_bitmaps += bf_reader_image(layer->reader)->nr_bitmaps;
        nr_disks++;
    }
    *ret_nr_disks = nr_disks;
}

static bool fill_bitmap(struct bf_offer *offer, uint32_t disk, uint32_t at,
                        const struct bf_image_bitmap *from)
{
    offer->bitmaps[at] = (struct bf_offer_bitmap){
        .name = strdup(from->name),
        .granularity_bytes = from->geometry.granularity_bytes,
        .persistent = true,
        .recording = from->recording,
    };
    offer->states[at].disk = (uint16_t)disk;
    if (bf_temporary_name_reserved(from->name))
        offer->states[at].drop = BF_DROP_NAME_RESERVED;
    else if (from->unusable)
        offer->states[at].drop = BF_DROP_BITMAP_INCONSISTENT;
    return offer->bitmaps[at].name != NULL;
}

static bool fill_disk(struct bf_offer_disk *disk, const struct bf_layer *layer, const char *name,
                      uint32_t depth)
{
    char layer_name[BF_DISK_NAME_MAX + 1];
    char identity[BF_FACTS_IDENTITY_MAX_BYTES + 1];

    if (bf_layer_name_encode(name, depth, layer_name, NULL) == 0)
        disk->name = strdup(layer_name);
    bf_image_identity(layer->path, identity);
    disk->identity = strdup(identity);
    disk->node = strdup("");
    disk->file = strdup(layer->path);
    disk->size_bytes = layer->size_bytes;
    disk->depth = depth;
    disk->content.known = true;
    memcpy(disk->content.sha256, layer->data_sha256, BF_SHA256_BYTES);
    return disk->name && disk->identity && disk->node && disk->file;
}

static bool fill_bitmaps(struct bf_offer *offer, uint32_t disk, struct bf_reader *reader,
                         uint32_t *at)
{
    bool whole = true;

    for (uint32_t i = 0; reader && i < bf_reader_image(reader)->nr_bitmaps; i++) {
        struct bf_image_bitmap bitmap;

        bf_reader_bitmap(reader, i, &bitmap);
        whole = fill_bitmap(offer, disk, (*at)++, &bitmap) && whole;
    }
    return whole;
}

int source_images_offer(struct source_drive *drive, struct bf_error *err)
{
    const struct source_images *images = drive->images;
    struct bf_offer *offer = &drive->offer;
    uint32_t nr_disks;
    uint32_t nr_bitmaps;
    uint32_t disk = 0;
    uint32_t at = 0;
    bool whole = true;

    count(images, &nr_disks, &nr_bitmaps);
    if (nr_bitmaps == 0)
        return bf_error_set(err, BF_E_BITMAP_NOT_FOUND,
                            "the images have no bitmaps: there is nothing to carry");
    if (bf_offer_init(offer, nr_disks, nr_bitmaps, err) < 0)
        return -1;
    offer->kind = BF_HANDOFF_STILL;
    if (!bf_hex_decode(drive->move->id, BF_MOVE_ID_BYTES, offer->move_id))
        return bf_error_set(err, BF_E_INVALID, "'%s' is no id of a move", drive->move->id);
    for (size_t i = 0; i < drive->move->plan.nr_disks; i++) {
        const struct bf_layers *layers = &images->disks[i];

        for (uint32_t j = 0; j < layers->nr_items; j++, disk++)
            whole = fill_disk(&offer->disks[disk], &layers->items[j],
                              drive->move->plan.disks[i].name, j) &&
                    fill_bitmaps(offer, disk, layers->items[j].reader, &at) && whole;
    }
    return whole ? 0 : bf_error_set(err, BF_E_NO_MEMORY, "no memory for the bitmaps of a move");
}
