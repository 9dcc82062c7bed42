#include "modes_private.h"

#include "handoff/names.h"

#include <string.h>

static void drop(struct bf_bitmap_plan *plan, enum bf_drop reason)
{
    plan->fate = BF_FATE_DROP;
    plan->dest_layer = 0;
    plan->drop = reason;
}

static const struct bf_bitmap_facts *bitmap_of(const struct bf_fate_context *context,
                                               const struct bf_bitmap_plan *plan)
{
    return &context->disk->layers[plan->layer].bitmaps[plan->bitmap];
}

/* Will QEMU itself bring it to the destination's top image? */
static bool goes_natively(const struct bf_fate_context *context,
                          const struct bf_bitmap_facts *bitmap)
{
    switch (context->plan->mode) {
    case BF_MODE_SHARED: /* with the capability set transient ones travel too */
        return bitmap->persistent || (context->source->dirty_bitmaps && bitmap->mapped);
    case BF_MODE_STREAM:
        return bitmap->mapped ||
               !context->source->dirty_bitmaps; /* else it is we who will map it */
    case BF_MODE_AUTO:
    case BF_MODE_NBD:
    case BF_NR_MODES:
    default:
        return false;
    }
}

/* A bitmap that records must not miss what is written while its bits travel: a tracker catches that
 * during the copy; else somebody must say when the guest is paused. */
static void carry(const struct bf_fate_context *context, struct bf_bitmap_plan *plan,
                  const struct bf_bitmap_facts *bitmap, enum bf_mode_fate fate)
{
    const struct bf_layer_facts *there = &context->partner->layers[plan->dest_layer];
    const struct bf_layer_facts *here = &context->disk->layers[plan->layer];

    if (bitmap->recording && context->kind == BF_HANDOFF_FREEZE && !context->source->pauses) {
        drop(plan, BF_DROP_NO_PAUSE);
        return;
    }
    plan->fate = fate;
    plan->waits = bitmap->busy;
    plan->becomes_transient = bitmap->persistent && !there->stores;
    plan->widens = there->size_bytes > here->size_bytes;
    plan->replaces =
        context->plan->mode == BF_MODE_NBD && bf_layer_find(there, bitmap->name) != NULL;
}

static bool is_flattened(const struct bf_fate_context *context, const char *name)
{
    for (uint32_t i = 1; i < context->plan->nr_merged; i++) {
        if (bf_layer_find(&context->disk->layers[i], name))
            return true;
    }
    return false;
}

static void decide_top(const struct bf_fate_context *context, struct bf_bitmap_plan *plan,
                       const struct bf_bitmap_facts *bitmap)
{
    bool flattened = is_flattened(context, bitmap->name);
    enum bf_drop gap = bf_chain_gap(context->disk, context->plan->nr_merged, bitmap->name);

    plan->dest_layer = 0;
    if (gap != BF_DROP_NONE)
        drop(plan, gap);
    else if (plan->layer > 0)
        plan->fate = BF_FATE_PART;
    else if (goes_natively(context, bitmap) && !flattened)
        plan->fate = BF_FATE_NATIVE;
    else
        carry(context, plan, bitmap, flattened ? BF_FATE_UNION : BF_FATE_CARRY);
}

/* An image below is a copy or the very one; its bitmaps came with it, or can still be put in. */
static void decide_below(const struct bf_fate_context *context, struct bf_bitmap_plan *plan,
                         const struct bf_bitmap_facts *bitmap)
{
    const struct bf_disk_facts *partner = context->partner;
    const struct bf_layer_facts *there;
    const struct bf_bitmap_facts *found;

    plan->dest_layer = partner->nr_layers - (context->disk->nr_layers - plan->layer);
    there = &partner->layers[plan->dest_layer];
    found = bf_layer_find(there, bitmap->name);
    if (found && !found->inconsistent)
        plan->fate = BF_FATE_IN_IMAGE;
    else if (context->plan->mode == BF_MODE_SHARED)
        plan->fate = BF_FATE_IN_IMAGE;
    else if (!there->stores)
        drop(plan, BF_DROP_FORMAT_UNSUPPORTED);
    else
        plan->fate = BF_FATE_INSTALL;
}

void bf_decide_fate(const struct bf_fate_context *context, struct bf_bitmap_plan *plan)
{
    const struct bf_bitmap_facts *bitmap = bitmap_of(context, plan);

    if (bf_temporary_name_reserved(bitmap->name))
        drop(plan, BF_DROP_NAME_RESERVED);
    else if (bitmap->inconsistent)
        drop(plan, BF_DROP_BITMAP_INCONSISTENT);
    else if (!context->partner)
        drop(plan, context->plan->drop);
    else if (plan->layer < context->plan->nr_merged)
        decide_top(context, plan, bitmap);
    else
        decide_below(context, plan, bitmap);
}
