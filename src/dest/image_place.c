/* Which image here is which of the offer.
 *
 *     offer, and images here  ->  facts  ->  modes/plan.h  ->  a place or a drop for each bitmap
 *
 * Disks are named by whoever gave the images.  Layers below the top are found by position and
 * content; and an image that is a copy of another disk of the offer is not taken for this one's.
 */
#include "images.h"

#include "base/text.h"
#include "facts/facts.h"
#include "modes/plan.h"

#include <stdlib.h>
#include <string.h>

/* A disk of the plan, or of the offer, as modes/ sees it. */
struct side {
    struct bf_disk_facts *disks;
    uint32_t nr_disks;
    struct bf_layer_facts *layers;
    struct bf_bitmap_facts *bitmaps;
    char (*content)[BF_HEX_SHA256_MAX];
    uint32_t nr_layers;
};

struct placing {
    struct dest_drive *drive;
    struct bf_layers *here; /* per disk of the plan */
    struct side source, dest;
    struct bf_mode_plan plan;
    uint32_t *first_disk; /* per disk of the source's side: its top in the offer */
};

static int no_memory(struct bf_error *err)
{
    return bf_error_set(err, BF_E_NO_MEMORY, "no memory to look for images");
}

static bool side_init(struct side *side, size_t nr_disks, size_t nr_layers, size_t nr_bitmaps)
{
    side->disks = calloc(nr_disks + 1, sizeof *side->disks);
    side->layers = calloc(nr_layers + 1, sizeof *side->layers);
    side->bitmaps = calloc(nr_bitmaps + 1, sizeof *side->bitmaps);
    side->content = calloc(nr_layers + 1, sizeof *side->content);
    return side->disks && side->layers && side->bitmaps && side->content;
}

static void side_release(struct side *side)
{
    free(side->disks);
    free(side->layers);
    free(side->bitmaps);
    free(side->content);
}

static void begin_disk(struct side *side, const char *name)
{
    side->disks[side->nr_disks++] = (struct bf_disk_facts){
        .name = name,
        .serial = "",
        .alias = "",
        .mirror = "",
        .export = "",
        .named = true,
        .wish = BF_MODE_NBD, /* somebody else has copied the data */
        .layers = &side->layers[side->nr_layers],
    };
}

static struct bf_layer_facts *add_layer(struct side *side, uint64_t size_bytes,
                                        const uint8_t *sha256)
{
    struct bf_layer_facts *layer = &side->layers[side->nr_layers];

    *layer = (struct bf_layer_facts){.node = "",
                                     .identity = "",
                                     .content = side->content[side->nr_layers],
                                     .bits = "",
                                     .path = "",
                                     .size_bytes = size_bytes,
                                     .stores = true};
    if (sha256)
        bf_hex_encode(sha256, BF_SHA256_BYTES, side->content[side->nr_layers]);
    side->disks[side->nr_disks - 1].nr_layers++;
    side->nr_layers++;
    return layer;
}

/* --- the offer --- */

static int gather_offer(struct placing *placing, struct bf_error *err)
{
    const struct bf_offer *offer = &placing->drive->offer;
    struct side *side = &placing->source;
    uint32_t at = 0;

    placing->first_disk = calloc(offer->nr_disks + 1U, sizeof *placing->first_disk);
    if (!placing->first_disk ||
        !side_init(side, offer->nr_disks, offer->nr_disks, offer->nr_bitmaps))
        return no_memory(err);
    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        const struct bf_offer_disk *disk = &offer->disks[i];
        struct bf_layer_facts *layer;

        if (disk->depth == 0) {
            placing->first_disk[side->nr_disks] = i;
            begin_disk(side, disk->name);
        }
        layer =
            add_layer(side, disk->size_bytes, disk->content.known ? disk->content.sha256 : NULL);
        layer->bitmaps = &side->bitmaps[at];
        for (; at < offer->nr_bitmaps && offer->states[at].disk == i; at++) {
            side->bitmaps[at] = (struct bf_bitmap_facts){
                .name = offer->bitmaps[at].name,
                .granularity_bytes = offer->bitmaps[at].granularity_bytes,
                .recording = offer->bitmaps[at].recording,
                .persistent = true,
                .inconsistent = placing->drive->images->dropped[at] != BF_DROP_NONE,
            };
            layer->nr_bitmaps++;
        }
    }
    return 0;
}

/* --- what is here --- */

static int open_images(struct placing *placing, size_t *ret_nr_layers, struct bf_error *err)
{
    const struct bf_plan *plan = &placing->drive->move->plan;
    int r = 0;

    placing->here = calloc(plan->nr_disks + 1, sizeof *placing->here);
    if (!placing->here)
        return no_memory(err);
    for (size_t i = 0; r == 0 && i < plan->nr_disks; i++) {
        r = bf_layers_open(plan->disks[i].image, &placing->here[i], err);
        *ret_nr_layers += placing->here[i].nr_items;
    }
    return r;
}

static int note_images(struct dest_images *images, const struct bf_layers *layers,
                       uint32_t plan_disk, struct bf_error *err)
{
    for (uint32_t i = 0; i < layers->nr_items; i++) {
        struct dest_image *image = &images->items[images->nr_items];

        *image = (struct dest_image){strdup(layers->items[i].path), layers->items[i].size_bytes,
                                     i == 0 ? plan_disk : DEST_NO_IMAGE};
        if (!image->path)
            return no_memory(err);
        images->nr_items++;
    }
    return 0;
}

static int gather_here(struct placing *placing, struct bf_error *err)
{
    const struct bf_plan *plan = &placing->drive->move->plan;
    struct dest_images *images = placing->drive->images;
    size_t nr_layers = 0;
    int r = open_images(placing, &nr_layers, err);

    if (r < 0)
        return r;
    images->items = calloc(nr_layers + 1, sizeof *images->items);
    images->image_of = calloc(placing->drive->offer.nr_disks + 1U, sizeof *images->image_of);
    if (!images->items || !images->image_of ||
        !side_init(&placing->dest, plan->nr_disks, nr_layers, 0))
        return no_memory(err);
    for (size_t i = 0; r == 0 && i < plan->nr_disks; i++) {
        begin_disk(&placing->dest, plan->disks[i].name);
        for (uint32_t j = 0; j < placing->here[i].nr_items; j++) {
            const struct bf_layer *layer = &placing->here[i].items[j];

            add_layer(&placing->dest, layer->size_bytes, layer->data_sha256)->stores =
                layer->reader != NULL;
        }
        r = note_images(images, &placing->here[i], (uint32_t)i, err);
    }
    return r;
}

/* --- both --- */

static uint32_t image_index(const struct placing *placing, uint32_t plan_disk, uint32_t layer)
{
    uint32_t index = layer;

    for (uint32_t i = 0; i < plan_disk; i++)
        index += placing->here[i].nr_items;
    return index;
}

/* The metadata of a copy are those of its original: is this one the copy of another disk's? */
static bool is_swapped(const struct placing *placing, uint32_t index, uint32_t partner)
{
    const char *here = placing->dest.disks[partner].layers[0].content;

    if (strcmp(placing->source.disks[index].layers[0].content, here) == 0)
        return false;
    for (uint32_t i = 0; i < placing->source.nr_disks; i++) {
        if (i != index && strcmp(placing->source.disks[i].layers[0].content, here) == 0)
            return true;
    }
    return false;
}

static bool fits(const struct bf_offer *offer, uint32_t bitmap, const struct dest_image *image)
{
    struct bf_geometry geometry = {image->size_bytes, offer->bitmaps[bitmap].granularity_bytes};

    return bf_geometry_check(&geometry, NULL) == 0;
}

static enum bf_sameness compare(const struct bf_offer_disk *disk, const struct dest_image *image)
{
    char here[BF_FACTS_IDENTITY_MAX_BYTES + 1];

    bf_image_identity(image->path, here);
    return bf_image_compare(disk->identity ? disk->identity : "", here);
}

static void place_layers(struct placing *placing, uint32_t index)
{
    const struct bf_disk_plan *plan = &placing->plan.disks[index];
    const struct bf_disk_facts *facts = &placing->source.disks[index];
    struct dest_images *images = placing->drive->images;
    struct bf_offer *offer = &placing->drive->offer;

    for (uint32_t i = 0; i < facts->nr_layers; i++) {
        uint32_t disk = placing->first_disk[index] + i;
        uint32_t layer = i < plan->nr_merged ? 0 : 1 + i - plan->nr_merged;

        images->image_of[disk] = DEST_NO_IMAGE;
        offer->disks[disk].placed_size_bytes = 0;
        if (plan->partner == BF_NO_PARTNER)
            continue;
        images->image_of[disk] = image_index(placing, plan->partner, layer);
        offer->disks[disk].placed_size_bytes = images->items[images->image_of[disk]].size_bytes;
        offer->disks[disk].stores = true;
        offer->disks[disk].image =
            compare(&offer->disks[disk], &images->items[images->image_of[disk]]);
    }
}

static enum bf_drop judge(const struct placing *placing, uint32_t index, uint32_t disk,
                          uint32_t bitmap, const struct bf_bitmap_plan *fate)
{
    const struct dest_images *images = placing->drive->images;
    const struct bf_offer *offer = &placing->drive->offer;
    const struct bf_disk_plan *plan = &placing->plan.disks[index];

    if (fate->fate == BF_FATE_DROP)
        return fate->drop;
    if (is_swapped(placing, index, plan->partner))
        return BF_DROP_DISK_MISMATCH;
    if (offer->disks[disk].placed_size_bytes < offer->disks[disk].size_bytes)
        return BF_DROP_SIZE_MISMATCH;
    return fits(offer, bitmap, &images->items[images->image_of[disk]]) ? BF_DROP_NONE
                                                                       : BF_DROP_FORMAT_UNSUPPORTED;
}

/* The plan has the bitmaps in the order of the offer, disk by disk. */
static void place_disk(struct placing *placing, uint32_t index, uint32_t *at)
{
    const struct bf_disk_plan *plan = &placing->plan.disks[index];
    struct dest_drive *drive = placing->drive;

    place_layers(placing, index);
    for (uint32_t i = 0; i < plan->nr_bitmaps; i++, (*at)++) {
        uint32_t disk = placing->first_disk[index] + plan->bitmaps[i].layer;

        drive->drops[*at] = (uint8_t)judge(placing, index, disk, *at, &plan->bitmaps[i]);
    }
}

/* Where both hosts open one image, its bitmaps are where they belong, and must not be removed. */
static int refuse_shared(const struct placing *placing, struct bf_error *err)
{
    const struct bf_offer *offer = &placing->drive->offer;

    for (uint32_t i = 0; i < offer->nr_disks; i++) {
        if (placing->drive->images->image_of[i] != DEST_NO_IMAGE &&
            offer->disks[i].image == BF_SAMENESS_SAME)
            return bf_error_set(
                err, BF_E_INVALID,
                "disk %s is the same image on both sides: its bitmaps are there, and "
                "nothing has to move",
                offer->disks[i].name);
    }
    return 0;
}

static int place_all(struct placing *placing, struct bf_error *err)
{
    struct bf_vm_facts source = {.pauses = true};
    struct bf_vm_facts dest = {.pauses = true};
    uint32_t at = 0;
    int r = gather_offer(placing, err);

    if (r == 0)
        r = gather_here(placing, err);
    if (r < 0)
        return r;
    source.disks = placing->source.disks;
    source.nr_disks = placing->source.nr_disks;
    dest.disks = placing->dest.disks;
    dest.nr_disks = placing->dest.nr_disks;
    r = bf_mode_plan_make(&source, &dest, &placing->plan, err);
    for (uint32_t i = 0; r == 0 && i < source.nr_disks; i++)
        place_disk(placing, i, &at);
    return r < 0 ? r : refuse_shared(placing, err);
}

void dest_images_place(struct dest_drive *drive)
{
    struct placing placing = {.drive = drive};

    (void)place_all(&placing, &drive->images->err);
    for (size_t i = 0; placing.here && i < drive->move->plan.nr_disks; i++)
        bf_layers_release(&placing.here[i]);
    bf_mode_plan_release(&placing.plan);
    side_release(&placing.source);
    side_release(&placing.dest);
    free(placing.here);
    free(placing.first_disk);
}
