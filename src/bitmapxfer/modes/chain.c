#include "modes_private.h"

#include <string.h>

static bool same_text(const char *a, const char *b)
{
    return a[0] != '\0' && strcmp(a, b) == 0;
}

/* The bits alone will do: whatever the data are, bitmaps that are there are not missing above. */
bool bf_same_layer(const struct bf_layer_facts *a, const struct bf_layer_facts *b)
{
    return a->size_bytes == b->size_bytes &&
           (same_text(a->identity, b->identity) || same_text(a->content, b->content) ||
            same_text(a->bits, b->bits));
}

/* From the bottom up: what the destination has below its top image must be what the source has
 * there.  What stands above that at the source ends in the destination's top image; where they do
 * not match, nobody knows what ends where, and the union of all is never too little. */
void bf_match_chain(const struct bf_disk_facts *source, const struct bf_disk_facts *dest,
                    struct bf_disk_plan *ret_plan)
{
    uint32_t nr_below = dest->nr_layers - 1;

    if (nr_below >= source->nr_layers) {
        ret_plan->chain_broken = true;
        nr_below = source->nr_layers - 1;
    }
    for (uint32_t i = 1; i <= nr_below && !ret_plan->chain_broken; i++)
        ret_plan->chain_broken = !bf_same_layer(&source->layers[source->nr_layers - i],
                                                &dest->layers[dest->nr_layers - i]);
    ret_plan->nr_merged = source->nr_layers - (ret_plan->chain_broken ? 0 : nr_below);
}

const struct bf_bitmap_facts *bf_layer_find(const struct bf_layer_facts *layer, const char *name)
{
    for (uint32_t i = 0; i < layer->nr_bitmaps; i++) {
        if (strcmp(layer->bitmaps[i].name, name) == 0)
            return &layer->bitmaps[i];
    }
    return NULL;
}

/* A checkpoint covers what was written since only if each image written since has its bitmap: all
 * layers from the lowest that has one up to the top.  (An image without one was written to unseen;
 * so was one whose bitmap was switched off before the next image was put on top of it.) */
enum bf_drop bf_chain_gap(const struct bf_disk_facts *disk, uint32_t nr_merged, const char *name)
{
    const struct bf_bitmap_facts *bitmap;
    uint32_t nr = nr_merged;

    while (nr > 0 && !bf_layer_find(&disk->layers[nr - 1], name))
        nr--;
    for (uint32_t i = 0; i < nr; i++) {
        bitmap = bf_layer_find(&disk->layers[i], name);
        if (disk->layers[i].size_bytes != disk->layers[0].size_bytes)
            return BF_DROP_CHAIN_RESIZED; /* QEMU merges bitmaps of equal size only */
        if (!bitmap || (i > 0 && !bitmap->recording))
            return BF_DROP_CHAIN_GAP;
        if (bitmap->inconsistent)
            return BF_DROP_BITMAP_INCONSISTENT;
    }
    return BF_DROP_NONE;
}
